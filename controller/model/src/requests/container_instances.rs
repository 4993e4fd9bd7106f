//! Container instances.

use drydock_proto::ecs::{
    ContainerInstanceStatus, DeregisterContainerInstanceRequest, DescribeContainerInstancesRequest,
    ListContainerInstancesRequest, UpdateContainerAgentRequest, UpdateContainerInstancesStateRequest,
};

use super::{listed, page, required, well_formed};
use crate::error::EcsError;
use crate::pagination::Page;
use crate::query::Expression;

/// Instances that DescribeContainerInstances takes.
pub const DESCRIBE_MAX: usize = 100;
/// Instances that UpdateContainerInstancesState takes.
pub const UPDATE_STATE_MAX: usize = 10;
/// Page of ListContainerInstances where none is asked for.
pub const LIST_DEFAULT: usize = 100;

/// DeregisterContainerInstance.
///
/// # Errors
/// `InvalidParameterException`.
pub fn deregister_container_instance(request: &DeregisterContainerInstanceRequest) -> Result<(), EcsError> {
    required("containerInstance", &request.container_instance).map(|_| ())
}

/// DescribeContainerInstances.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_container_instances(request: &DescribeContainerInstancesRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    listed("Container Instances", &request.container_instances, 1, DESCRIBE_MAX)
}

/// ListContainerInstances: the page, and the filter where one is given.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_container_instances(
    request: &ListContainerInstancesRequest,
) -> Result<(Page, Option<Expression>), EcsError> {
    let filter = request.filter.as_deref().filter(|text| !text.is_empty());
    let filter = filter.map(Expression::parse).transpose()?;
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    Ok((page("ListContainerInstances", &filters, asked, LIST_DEFAULT)?, filter))
}

/// UpdateContainerInstancesState: to ACTIVE or to DRAINING.
///
/// # Errors
/// `InvalidParameterException`.
pub fn update_container_instances_state(request: &UpdateContainerInstancesStateRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    listed("Container Instances", &request.container_instances, 1, UPDATE_STATE_MAX)?;
    match request.status() {
        ContainerInstanceStatus::Active | ContainerInstanceStatus::Draining => Ok(()),
        _ => Err(EcsError::invalid_parameter("Container instance status should be one of [ACTIVE, DRAINING].")),
    }
}

/// UpdateContainerAgent.
///
/// # Errors
/// `InvalidParameterException`.
pub fn update_container_agent(request: &UpdateContainerAgentRequest) -> Result<(), EcsError> {
    required("containerInstance", &request.container_instance).map(|_| ())
}
