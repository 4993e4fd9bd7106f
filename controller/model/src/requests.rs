//! What can be said of a request without the state: caps, bounds, forms (ecs-semantics §1). One file a noun, one
//! function an operation, named as it is. RegisterTaskDefinition is in [`crate::task_definition`].
//!
//! Each refuses what [`crate::refusals`] lists for its operation, and enum numbers that ECS hasn't.

pub mod account_settings;
pub mod agent;
pub mod attributes;
pub mod capacity_providers;
pub mod clusters;
pub mod container_instances;
pub mod daemon;
pub mod deployment_configuration;
pub mod protection;
pub mod registration;
pub mod service_deployments;
pub mod services;
pub mod tagging;
pub mod task_definitions;
pub mod task_sets;
pub mod tasks;

use drydock_proto::ecs::{AssignPublicIp, LaunchType, NetworkConfiguration};

use crate::error::{EcsError, ExceptionName};
use crate::names;
use crate::pagination::Page;
use crate::wire;

/// Subnets of a network configuration.
pub const SUBNETS_MAX: usize = 16;
/// Security groups of a network configuration.
pub const SECURITY_GROUPS_MAX: usize = 5;
/// The largest page of every list.
pub const PAGE_MAX: usize = 100;

fn well_formed<R: serde::Serialize>(request: &R) -> Result<(), EcsError> {
    wire::json_len(request).map(|_| ())
}

fn required<'a>(what: &str, text: &'a Option<String>) -> Result<&'a str, EcsError> {
    names::required(ExceptionName::InvalidParameter, what, text)
}

/// Checks how many there are of what a request lists.
fn listed(what: &str, list: &[String], min: usize, max: usize) -> Result<(), EcsError> {
    if list.len() < min {
        return Err(EcsError::invalid_parameter(format!("{what} cannot be empty.")));
    }
    if list.len() > max {
        return Err(EcsError::invalid_parameter(format!("{what} cannot have more than {max} elements.")));
    }
    if list.iter().any(String::is_empty) {
        return Err(EcsError::invalid_parameter(format!("{what} cannot have an empty element.")));
    }
    Ok(())
}

/// The page of a list whose request is `filters`, without its token and maxResults.
fn page<R: serde::Serialize>(
    operation: &str,
    filters: &R,
    (token, max_results): (Option<String>, Option<i32>),
    default: usize,
) -> Result<Page, EcsError> {
    well_formed(filters)?;
    let list = serde_json::to_string(filters).map_err(|error| EcsError::invalid_parameter(error.to_string()))?;
    Page::new(format!("{operation} {list}"), token.as_deref(), max_results, default, PAGE_MAX)
}

/// A token of 1 to `max` visible ASCII characters.
fn check_client_token(token: Option<&str>, max: usize) -> Result<(), EcsError> {
    match token {
        Some(token) if !(1..=max).contains(&token.len()) || !token.bytes().all(|b| (33..=126).contains(&b)) => Err(
            EcsError::invalid_parameter(format!("clientToken must have 1 to {max} ASCII characters from 33 to 126.")),
        ),
        _ => Ok(()),
    }
}

/// Checks a network configuration's form. Whether the task definition wants one is [`check_network_mode`]'s question.
fn check_network(network: Option<&NetworkConfiguration>) -> Result<(), EcsError> {
    let Some(network) = network else { return Ok(()) };
    let Some(vpc) = &network.awsvpc_configuration else {
        return Err(EcsError::invalid_parameter("awsvpcConfiguration must be specified."));
    };
    listed("subnets", &vpc.subnets, 1, SUBNETS_MAX)?;
    listed("securityGroups", &vpc.security_groups, 0, SECURITY_GROUPS_MAX)
}

/// A network configuration with ECS's default: a task has no public address unless one is asked for (ecs-semantics §2.5).
#[must_use]
pub fn settled_network(given: Option<&NetworkConfiguration>) -> Option<NetworkConfiguration> {
    let mut network = given.cloned()?;
    if let Some(vpc) = network.awsvpc_configuration.as_mut()
        && vpc.assign_public_ip() == AssignPublicIp::Unspecified
    {
        vpc.set_assign_public_ip(AssignPublicIp::Disabled);
    }
    Some(network)
}

/// Checks what needs the task definition: its network mode against the network configuration, and its compatibilities
/// against the launch type (ecs-semantics §2.2). `launch_type` is the one that takes effect.
///
/// # Errors
/// `InvalidParameterException` with ECS's texts.
pub fn check_network_mode(
    definition: &drydock_proto::ecs::TaskDefinition,
    network: Option<&NetworkConfiguration>,
    launch_type: LaunchType,
) -> Result<(), EcsError> {
    use drydock_proto::ecs::{Compatibility, NetworkMode};
    if launch_type == LaunchType::Fargate && !definition.compatibilities().any(|c| c == Compatibility::Fargate) {
        return Err(EcsError::invalid_parameter("Task definition does not support launch_type FARGATE."));
    }
    match (definition.network_mode() == NetworkMode::Awsvpc, network.is_some()) {
        (true, false) => Err(EcsError::invalid_parameter(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )),
        (false, true) => Err(EcsError::invalid_parameter(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
        _ => Ok(()),
    }
}

/// A launch type and a strategy exclude each other.
fn check_launch_type(given: bool, strategy: bool) -> Result<(), EcsError> {
    if given && strategy {
        return Err(EcsError::invalid_parameter(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ));
    }
    Ok(())
}
