//! Task sets, and what an EXTERNAL deployment controller changes about a service (ecs-semantics §2.3, Controllers): what
//! belongs to its task sets, the service's own requests may not name.

use drydock_proto::ecs::{
    AvailabilityZoneRebalancing, CreateServiceRequest, CreateTaskSetRequest, DeleteTaskSetRequest,
    DeploymentConfiguration, DeploymentController, DeploymentControllerType, DeploymentStrategy,
    DescribeTaskSetsRequest, Scale, UpdateServicePrimaryTaskSetRequest, UpdateServiceRequest, UpdateTaskSetRequest,
};

use super::{check_client_token, check_launch_type, check_network, required, well_formed};
use crate::arn::{Arn, Resource};
use crate::error::EcsError;
use crate::scale::Percent;
use crate::{fargate, refusals, tags};

/// Characters of CreateTaskSet's clientToken.
pub const CLIENT_TOKEN_CHARS_MAX: usize = 36;

/// Whether a service's tasks come from task sets.
#[must_use]
pub fn is_external(controller: Option<&DeploymentController>) -> bool {
    controller.is_some_and(|controller| controller.r#type() == DeploymentControllerType::External)
}

/// CreateTaskSet.
///
/// # Errors
/// `InvalidParameterException`, `PlatformUnknownException`, `UnsupportedFeatureException`.
pub fn create_task_set(request: &CreateTaskSetRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("service", &request.service)?;
    check_launch_type(request.launch_type.is_some(), !request.capacity_provider_strategy.is_empty())?;
    refusals::check(refusals::CREATE_TASK_SET, request)?;
    required("taskDefinition", &request.task_definition)?;
    check_network(request.network_configuration.as_ref())?;
    check_scale(request.scale.as_ref())?;
    check_client_token(request.client_token.as_deref(), CLIENT_TOKEN_CHARS_MAX)?;
    tags::check(&request.tags)?;
    fargate::check_platform_version(request.launch_type(), request.platform_version.as_deref())
}

/// UpdateTaskSet.
///
/// # Errors
/// `InvalidParameterException`.
pub fn update_task_set(request: &UpdateTaskSetRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("service", &request.service)?;
    task_set_id(required("taskSet", &request.task_set)?)?;
    match request.scale.as_ref() {
        Some(scale) if scale.value.is_some() => check_scale(Some(scale)),
        _ => Err(EcsError::invalid_parameter("Scale must be specified.")),
    }
}

/// DeleteTaskSet.
///
/// # Errors
/// `InvalidParameterException`.
pub fn delete_task_set(request: &DeleteTaskSetRequest) -> Result<(), EcsError> {
    required("service", &request.service)?;
    task_set_id(required("taskSet", &request.task_set)?).map(drop)
}

/// DescribeTaskSets: all of the service where none is named.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_task_sets(request: &DescribeTaskSetsRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("service", &request.service)?;
    request.task_sets.iter().try_for_each(|text| task_set_id(text).map(drop))
}

/// UpdateServicePrimaryTaskSet.
///
/// # Errors
/// `InvalidParameterException`.
pub fn update_service_primary_task_set(request: &UpdateServicePrimaryTaskSetRequest) -> Result<(), EcsError> {
    required("service", &request.service)?;
    task_set_id(required("primaryTaskSet", &request.primary_task_set)?).map(drop)
}

/// How a request names a task set: its number, and the ARN where it was one.
///
/// # Errors
/// `InvalidParameterException`: neither `ecs-svc/NUMBER` nor the ARN of a task set.
pub fn task_set_id(text: &str) -> Result<(u64, Option<Arn>), EcsError> {
    let invalid = || EcsError::invalid_parameter("Task Set Identifier is invalid");
    if let Some(digits) = text.strip_prefix("ecs-svc/") {
        return digits.parse().map(|id| (id, None)).map_err(|_| invalid());
    }
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    let Resource::TaskSet(_, _, digits) = &arn.resource else { return Err(invalid()) };
    let id = digits.parse().map_err(|_| invalid())?;
    Ok((id, Some(arn)))
}

fn check_scale(scale: Option<&Scale>) -> Result<(), EcsError> {
    Percent::of_request(scale).map(drop)
}

/// CreateService with an EXTERNAL controller: what its task sets say must be blank here, and what only ECS's own
/// deployments have isn't taken.
///
/// # Errors
/// `InvalidParameterException`.
pub fn create_external_service(request: &CreateServiceRequest) -> Result<(), EcsError> {
    let of_task_sets = [
        ("TaskDefinition", request.task_definition.is_some()),
        ("LaunchType", request.launch_type.is_some()),
        ("CapacityProviderStrategy", !request.capacity_provider_strategy.is_empty()),
        ("PlatformVersion", request.platform_version.is_some()),
        ("NetworkConfiguration", request.network_configuration.is_some()),
        ("LoadBalancers", !request.load_balancers.is_empty()),
        ("ServiceRegistries", !request.service_registries.is_empty()),
    ];
    if let Some((member, _)) = of_task_sets.iter().find(|(_, given)| *given) {
        return Err(EcsError::invalid_parameter(format!("{member} must be blank.")));
    }
    let of_deployments = [
        (
            "Availability Zone rebalancing",
            request.availability_zone_rebalancing() == AvailabilityZoneRebalancing::Enabled,
        ),
        (
            "Service Connect",
            request.service_connect_configuration.as_ref().is_some_and(|connect| connect.enabled == Some(true)),
        ),
        ("volumeConfigurations", !request.volume_configurations.is_empty()),
    ];
    let of_deployments = of_deployments.iter().find(|(_, given)| *given).map(|(what, _)| *what);
    match of_deployments.or(request.deployment_configuration.as_ref().and_then(of_ecs_deployments)) {
        Some(what) => {
            Err(EcsError::invalid_parameter(format!("{what} can't be used with the EXTERNAL deployment controller.")))
        }
        None => Ok(()),
    }
}

/// The member of a deployment configuration that has a meaning for ECS's own deployments alone.
fn of_ecs_deployments(given: &DeploymentConfiguration) -> Option<&'static str> {
    let breaker = given.deployment_circuit_breaker.as_ref().is_some_and(|breaker| breaker.enable == Some(true));
    let alarms = given.alarms.as_ref().is_some_and(|alarms| alarms.enable == Some(true));
    [
        ("deploymentCircuitBreaker", breaker),
        ("alarms", alarms),
        ("strategy", !matches!(given.strategy(), DeploymentStrategy::Unspecified | DeploymentStrategy::Rolling)),
        ("bakeTimeInMinutes", given.bake_time_in_minutes.is_some_and(|minutes| minutes > 0)),
        ("linearConfiguration", given.linear_configuration.is_some()),
        ("canaryConfiguration", given.canary_configuration.is_some()),
        ("lifecycleHooks", given.lifecycle_hooks.as_ref().is_some_and(|list| !list.items.is_empty())),
    ]
    .into_iter()
    .find_map(|(what, given)| given.then_some(what))
}

/// UpdateService of a service with an EXTERNAL controller: only the desired count, the grace period, placement and the
/// tag options are the service's own (AWS's documentation of UpdateService).
///
/// # Errors
/// `InvalidParameterException`.
pub fn update_external_service(request: &UpdateServiceRequest) -> Result<(), EcsError> {
    let of_task_sets = [
        ("task definition", request.task_definition.is_some()),
        ("network parameters", request.network_configuration.is_some()),
        ("platform version", request.platform_version.is_some()),
        ("capacity provider strategy", request.capacity_provider_strategy.is_some()),
        ("load balancers", request.load_balancers.is_some()),
        ("service registries", request.service_registries.is_some()),
    ];
    if let Some((what, _)) = of_task_sets.iter().find(|(_, given)| *given) {
        return Err(EcsError::invalid_parameter(format!(
            "Unable to update {what} on services with an EXTERNAL deployment controller. Use CreateTaskSet to create a \
             new task set."
        )));
    }
    if request.force_new_deployment == Some(true) {
        return Err(EcsError::invalid_parameter(
            "Cannot force a new deployment on services with an EXTERNAL deployment controller. Use CreateTaskSet to \
             create a new task set.",
        ));
    }
    let of_deployments = [
        ("deployment configuration", request.deployment_configuration.is_some()),
        (
            "Availability Zone rebalancing",
            request.availability_zone_rebalancing() == AvailabilityZoneRebalancing::Enabled,
        ),
        ("the execute command option", request.enable_execute_command.is_some()),
        ("Service Connect", request.service_connect_configuration.is_some()),
        ("volume configurations", request.volume_configurations.is_some()),
        ("VPC Lattice configurations", request.vpc_lattice_configurations.is_some()),
    ];
    match of_deployments.iter().find(|(_, given)| *given) {
        Some((what, _)) => Err(EcsError::invalid_parameter(format!(
            "Unable to update {what} on services with an EXTERNAL deployment controller."
        ))),
        None => Ok(()),
    }
}
