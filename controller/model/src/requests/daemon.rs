//! What a service of type DAEMON may not have (ecs-semantics §2.3): one task runs on each instance that meets its
//! constraints, so there is nothing to count and nothing to place by strategy.

use drydock_proto::ecs::{
    CreateServiceRequest, DeploymentConfiguration, DeploymentControllerType, LaunchType, UpdateServiceRequest,
};

use super::services::check_percents;
use crate::error::EcsError;

/// minimumHealthyPercent of a DAEMON service where none is given.
pub const MINIMUM_HEALTHY_PERCENT: i32 = 0;
/// maximumPercent of a DAEMON service: there is never more than one task on an instance.
pub const MAXIMUM_PERCENT: i32 = 100;

/// CreateService with `schedulingStrategy: DAEMON`.
///
/// # Errors
/// `InvalidParameterException` with ECS's texts.
pub fn check_daemon(request: &CreateServiceRequest) -> Result<(), EcsError> {
    let fargate = request.launch_type() == LaunchType::Fargate;
    let mut providers = request.capacity_provider_strategy.iter().filter_map(|item| item.capacity_provider.as_deref());
    if fargate || providers.any(|name| matches!(name, "FARGATE" | "FARGATE_SPOT")) {
        return Err(EcsError::invalid_parameter(
            "The daemon scheduling strategy does not support the FARGATE launch type.",
        ));
    }
    let controller = request.deployment_controller.as_ref().map(|controller| controller.r#type());
    if matches!(controller, Some(DeploymentControllerType::CodeDeploy | DeploymentControllerType::External)) {
        return Err(EcsError::invalid_parameter(
            "The daemon scheduling strategy does not support the CODE_DEPLOY and EXTERNAL deployment controllers.",
        ));
    }
    if !request.volume_configurations.is_empty() {
        return Err(EcsError::invalid_parameter(
            "The daemon scheduling strategy does not support volume configurations.",
        ));
    }
    no_count(request.desired_count)?;
    no_strategy(!request.placement_strategy.is_empty())?;
    check_configuration(request.deployment_configuration.as_ref())
}

/// UpdateService of a DAEMON service.
///
/// # Errors
/// `InvalidParameterException` with ECS's texts.
pub fn check_daemon_update(request: &UpdateServiceRequest) -> Result<(), EcsError> {
    no_count(request.desired_count)?;
    no_strategy(request.placement_strategy.as_ref().is_some_and(|list| !list.items.is_empty()))
}

/// The two percentages of a DAEMON service, as they take effect.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_configuration(configuration: Option<&DeploymentConfiguration>) -> Result<(), EcsError> {
    let maximum = configuration.and_then(|given| given.maximum_percent).unwrap_or(MAXIMUM_PERCENT);
    if maximum > MAXIMUM_PERCENT {
        return Err(EcsError::invalid_parameter(
            "The daemon scheduling strategy does not support values above 100 for maximumPercent on a deployment \
             configuration. Change the maximumPercent value to 100, and try again",
        ));
    }
    let minimum = configuration.and_then(|given| given.minimum_healthy_percent).unwrap_or(MINIMUM_HEALTHY_PERCENT);
    check_percents(minimum, maximum)
}

fn no_count(desired: Option<i32>) -> Result<(), EcsError> {
    match desired {
        None => Ok(()),
        Some(_) => Err(EcsError::invalid_parameter(
            "The daemon scheduling strategy does not support a desired count for services. Remove the desired count \
             value and try again",
        )),
    }
}

fn no_strategy(given: bool) -> Result<(), EcsError> {
    if given {
        return Err(EcsError::invalid_parameter(
            "The daemon scheduling strategy does not support placement strategies. Remove the placement strategy and \
             try again",
        ));
    }
    Ok(())
}
