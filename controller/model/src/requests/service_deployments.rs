//! StopServiceDeployment and ContinueServiceDeployment: what can be said of them without the state.

use drydock_proto::ecs::{ContinueServiceDeploymentRequest, StopServiceDeploymentRequest};

use super::{required, well_formed};
use crate::arn::{Arn, Resource};
use crate::error::EcsError;

/// Which deployment a request means: its scope is the caller's to check.
///
/// # Errors
/// `InvalidParameterException`: it isn't the ARN of a service deployment.
pub fn deployment_arn(text: &Option<String>) -> Result<Arn, EcsError> {
    let text = required("serviceDeploymentArn", text)?;
    match text.parse::<Arn>() {
        Ok(arn @ Arn { resource: Resource::ServiceDeployment(..), .. }) => Ok(arn),
        _ => Err(EcsError::invalid_parameter(
            "Invalid identifier: serviceDeploymentArn is not the ARN of a service deployment.",
        )),
    }
}

/// StopServiceDeployment.
///
/// # Errors
/// `InvalidParameterException`.
pub fn stop_service_deployment(request: &StopServiceDeploymentRequest) -> Result<Arn, EcsError> {
    well_formed(request)?;
    deployment_arn(&request.service_deployment_arn)
}

/// ContinueServiceDeployment.
///
/// # Errors
/// `InvalidParameterException`.
pub fn continue_service_deployment(request: &ContinueServiceDeploymentRequest) -> Result<Arn, EcsError> {
    well_formed(request)?;
    required("hookId", &request.hook_id)?;
    deployment_arn(&request.service_deployment_arn)
}
