//! Services, their deployments and revisions.

use drydock_proto::ecs::{
    CreateServiceRequest, DeleteServiceRequest, DeploymentConfiguration, DescribeServiceDeploymentsRequest,
    DescribeServiceRevisionsRequest, DescribeServicesRequest, LaunchType, ListServiceDeploymentsRequest,
    ListServicesByNamespaceRequest, ListServicesRequest, SchedulingStrategy, UpdateServiceRequest,
};

use super::daemon::{self, check_daemon};
use super::deployment_configuration::{Deployed, check_given, check_whole};
use super::{check_client_token, check_launch_type, check_network, listed, page, required, task_sets, well_formed};
use crate::error::{EcsError, ExceptionName};
use crate::pagination::Page;
use crate::{capacity, fargate, names, placement, refusals, tags};

/// Services that DescribeServices takes.
pub const DESCRIBE_MAX: usize = 10;
/// ARNs that DescribeServiceDeployments and DescribeServiceRevisions take.
pub const DESCRIBE_DEPLOYMENTS_MAX: usize = 20;
/// Page of ListServices where none is asked for.
pub const LIST_DEFAULT: usize = 10;
/// Page of ListServiceDeployments where none is asked for.
pub const LIST_DEPLOYMENTS_DEFAULT: usize = 20;
/// Characters of CreateService's clientToken.
pub const CLIENT_TOKEN_CHARS_MAX: usize = 36;
/// Tasks of a service (ecs-semantics §2.7).
pub const DESIRED_COUNT_MAX: i32 = 5_000;
/// minimumHealthyPercent of a REPLICA service where none is given.
pub const MINIMUM_HEALTHY_PERCENT: i32 = 100;
/// maximumPercent of a REPLICA service where none is given.
pub const MAXIMUM_PERCENT: i32 = 200;

/// CreateService.
///
/// # Errors
/// `InvalidParameterException`, `PlatformUnknownException`, `UnsupportedFeatureException`.
pub fn create_service(request: &CreateServiceRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    names::check(ExceptionName::InvalidParameter, "serviceName", request.service_name.as_deref().unwrap_or_default())?;
    let external = task_sets::is_external(request.deployment_controller.as_ref());
    check_launch_type(request.launch_type.is_some(), !request.capacity_provider_strategy.is_empty())?;
    let is_daemon = request.scheduling_strategy() == SchedulingStrategy::Daemon;
    if is_daemon {
        check_daemon(request)?;
    }
    if external {
        task_sets::create_external_service(request)?;
    }
    capacity::check_strategy(&request.capacity_provider_strategy)?;
    refusals::check(refusals::CREATE_SERVICE, request)?;
    if !external {
        required("taskDefinition", &request.task_definition)?;
    }
    if request.desired_count.is_none() && !is_daemon && !external {
        return Err(EcsError::invalid_parameter("desiredCount must be specified for the scheduling strategy REPLICA."));
    }
    check_counts(request.desired_count, request.health_check_grace_period_seconds)?;
    check_client_token(request.client_token.as_deref(), CLIENT_TOKEN_CHARS_MAX)?;
    check_network(request.network_configuration.as_ref())?;
    placement::check_constraints(&request.placement_constraints, 0)?;
    placement::check_strategies(&request.placement_strategy)?;
    tags::check(&request.tags)?;
    check_deployment(request.deployment_configuration.as_ref(), is_daemon)?;
    // Without a launch type it is the strategy's, or the cluster's: the state checks it then.
    fargate::check_platform_version(request.launch_type(), request.platform_version.as_deref())
}

/// UpdateService.
///
/// # Errors
/// `InvalidParameterException`, `PlatformUnknownException`, `UnsupportedFeatureException`.
pub fn update_service(request: &UpdateServiceRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("service", &request.service)?;
    capacity::check_strategy(request.capacity_provider_strategy.as_ref().map_or(&[][..], |list| &list.items))?;
    refusals::check(refusals::UPDATE_SERVICE, request)?;
    check_counts(request.desired_count, request.health_check_grace_period_seconds)?;
    check_network(request.network_configuration.as_ref())?;
    placement::check_constraints(request.placement_constraints.as_ref().map_or(&[][..], |list| &list.items), 0)?;
    placement::check_strategies(request.placement_strategy.as_ref().map_or(&[][..], |list| &list.items))?;
    if request.task_definition.as_deref() == Some("") {
        required("taskDefinition", &request.task_definition)?;
    }
    // The other percentage may be the service's own: the state checks the pair by check_percents.
    check_bounds(request.deployment_configuration.as_ref())?;
    // The launch type is the service's own.
    fargate::check_platform_version(LaunchType::Unspecified, request.platform_version.as_deref())
}

/// DeleteService.
///
/// # Errors
/// `InvalidParameterException`.
pub fn delete_service(request: &DeleteServiceRequest) -> Result<(), EcsError> {
    required("service", &request.service).map(|_| ())
}

/// DescribeServices.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_services(request: &DescribeServicesRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    listed("Services", &request.services, 1, DESCRIBE_MAX)
}

/// ListServices.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_services(request: &ListServicesRequest) -> Result<Page, EcsError> {
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListServices", &filters, asked, LIST_DEFAULT)
}

/// ListServicesByNamespace.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_services_by_namespace(request: &ListServicesByNamespaceRequest) -> Result<Page, EcsError> {
    required("namespace", &request.namespace)?;
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListServicesByNamespace", &filters, asked, LIST_DEFAULT)
}

/// ListServiceDeployments.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_service_deployments(request: &ListServiceDeploymentsRequest) -> Result<Page, EcsError> {
    required("service", &request.service)?;
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListServiceDeployments", &filters, asked, LIST_DEPLOYMENTS_DEFAULT)
}

/// DescribeServiceDeployments.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_service_deployments(request: &DescribeServiceDeploymentsRequest) -> Result<(), EcsError> {
    listed("serviceDeploymentArns", &request.service_deployment_arns, 1, DESCRIBE_DEPLOYMENTS_MAX)
}

/// DescribeServiceRevisions.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_service_revisions(request: &DescribeServiceRevisionsRequest) -> Result<(), EcsError> {
    listed("serviceRevisionArns", &request.service_revision_arns, 1, DESCRIBE_DEPLOYMENTS_MAX)
}

/// Checks the two percentages of a REPLICA service, as they take effect.
///
/// # Errors
/// `InvalidParameterException`: out of bounds, or both 100, with which nothing could ever be replaced.
pub fn check_percents(minimum_healthy: i32, maximum: i32) -> Result<(), EcsError> {
    if !(0..=100).contains(&minimum_healthy) {
        return Err(EcsError::invalid_parameter("minimumHealthyPercent must be between 0 and 100."));
    }
    if maximum < 100 {
        return Err(EcsError::invalid_parameter("maximumPercent must be at least 100."));
    }
    if minimum_healthy == 100 && maximum == 100 {
        return Err(EcsError::invalid_parameter(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        ));
    }
    Ok(())
}

fn check_deployment(configuration: Option<&DeploymentConfiguration>, daemon: bool) -> Result<(), EcsError> {
    if let Some(given) = configuration {
        check_given(given)?;
        let minimum = if daemon { daemon::MINIMUM_HEALTHY_PERCENT } else { MINIMUM_HEALTHY_PERCENT };
        let minimum_healthy_percent = given.minimum_healthy_percent.or(Some(minimum));
        let whole = DeploymentConfiguration { minimum_healthy_percent, ..given.clone() };
        check_whole(&whole, Deployed { daemon, by_ecs: true })?;
    }
    if daemon {
        // Their bounds are in check_daemon.
        return Ok(());
    }
    let minimum = configuration.and_then(|given| given.minimum_healthy_percent).unwrap_or(MINIMUM_HEALTHY_PERCENT);
    let maximum = configuration.and_then(|given| given.maximum_percent).unwrap_or(MAXIMUM_PERCENT);
    check_percents(minimum, maximum)
}

/// Each percentage by itself.
fn check_bounds(configuration: Option<&DeploymentConfiguration>) -> Result<(), EcsError> {
    let Some(given) = configuration else { return Ok(()) };
    check_given(given)?;
    check_percents(given.minimum_healthy_percent.unwrap_or(0), MAXIMUM_PERCENT)?;
    check_percents(0, given.maximum_percent.unwrap_or(MAXIMUM_PERCENT))?;
    match (given.minimum_healthy_percent, given.maximum_percent) {
        (Some(minimum), Some(maximum)) => check_percents(minimum, maximum),
        _ => Ok(()),
    }
}

fn check_counts(desired: Option<i32>, grace_seconds: Option<i32>) -> Result<(), EcsError> {
    if desired.is_some_and(|desired| !(0..=DESIRED_COUNT_MAX).contains(&desired)) {
        return Err(EcsError::invalid_parameter(format!("desiredCount must be between 0 and {DESIRED_COUNT_MAX}.")));
    }
    if grace_seconds.is_some_and(|seconds| seconds < 0) {
        return Err(EcsError::invalid_parameter("healthCheckGracePeriodSeconds must not be negative."));
    }
    Ok(())
}
