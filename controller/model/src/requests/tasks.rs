//! Tasks: RunTask, StartTask, StopTask, DescribeTasks, ListTasks.

use std::collections::BTreeSet;

use drydock_proto::ecs::{
    DescribeTasksRequest, ExecuteCommandRequest, ListTasksRequest, PropagateTags, RunTaskRequest, StartTaskRequest,
    StopTaskRequest, TaskOverride,
};

use super::{check_client_token, check_launch_type, check_network, listed, page, required, well_formed};
use crate::error::EcsError;
use crate::pagination::Page;
use crate::task_definition::{EC2_CPU, EPHEMERAL_STORAGE_GIB};
use crate::{capacity, fargate, names, placement, refusals, tags, task_size, wire};

/// Tasks of one RunTask.
pub const COUNT_MAX: i32 = 10;
/// Instances of one StartTask.
pub const START_MAX: usize = 10;
/// Tasks that DescribeTasks takes.
pub const DESCRIBE_MAX: usize = 100;
/// Page of ListTasks where none is asked for.
pub const LIST_DEFAULT: usize = 100;
/// Characters of startedBy.
pub const STARTED_BY_CHARS_MAX: usize = 128;
/// Characters of group.
pub const GROUP_CHARS_MAX: usize = 255;
/// Characters of the overrides as JSON.
pub const OVERRIDES_CHARS_MAX: usize = 8_192;
/// Characters of RunTask's clientToken.
pub const CLIENT_TOKEN_CHARS_MAX: usize = 64;
/// Characters of StopTask's reason: our own bound, for it is stored with the task.
pub const REASON_CHARS_MAX: usize = 1_024;

/// RunTask. Returns how many tasks are asked for.
///
/// # Errors
/// `InvalidParameterException`, `PlatformUnknownException`, `UnsupportedFeatureException`.
pub fn run_task(request: &RunTaskRequest) -> Result<u32, EcsError> {
    well_formed(request)?;
    required("taskDefinition", &request.task_definition)?;
    let count = request.count.unwrap_or(1);
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(EcsError::invalid_parameter(format!("count must be between 1 and {COUNT_MAX}.")));
    }
    check_launch_type(request.launch_type.is_some(), !request.capacity_provider_strategy.is_empty())?;
    capacity::check_strategy(&request.capacity_provider_strategy)?;
    refusals::check(refusals::RUN_TASK, request)?;
    check_started_by(request.started_by.as_deref())?;
    check_group(request.group.as_deref())?;
    check_client_token(request.client_token.as_deref(), CLIENT_TOKEN_CHARS_MAX)?;
    check_network(request.network_configuration.as_ref())?;
    placement::check_constraints(&request.placement_constraints, 0)?;
    placement::check_strategies(&request.placement_strategy)?;
    tags::check(&request.tags)?;
    check_propagation(request.propagate_tags())?;
    request.overrides.as_ref().map_or(Ok(()), check_overrides)?;
    // Without a launch type it is the strategy's, or the cluster's: the state checks it then.
    fargate::check_platform_version(request.launch_type(), request.platform_version.as_deref())?;
    Ok(count.unsigned_abs())
}

/// StartTask.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn start_task(request: &StartTaskRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("taskDefinition", &request.task_definition)?;
    listed("Container Instances", &request.container_instances, 1, START_MAX)?;
    refusals::check(refusals::START_TASK, request)?;
    check_started_by(request.started_by.as_deref())?;
    check_group(request.group.as_deref())?;
    check_network(request.network_configuration.as_ref())?;
    tags::check(&request.tags)?;
    check_propagation(request.propagate_tags())?;
    request.overrides.as_ref().map_or(Ok(()), check_overrides)
}

/// StopTask.
///
/// # Errors
/// `InvalidParameterException`.
pub fn stop_task(request: &StopTaskRequest) -> Result<(), EcsError> {
    required("task", &request.task)?;
    names::at_most("reason", REASON_CHARS_MAX, request.reason.as_deref())
}

/// ExecuteCommand.
///
/// # Errors
/// `InvalidParameterException`.
pub fn execute_command(request: &ExecuteCommandRequest) -> Result<(), EcsError> {
    required("task", &request.task)?;
    required("command", &request.command)?;
    match request.interactive {
        Some(true) => Ok(()),
        _ => Err(EcsError::invalid_parameter("Interactive is the only mode supported currently.")),
    }
}

/// DescribeTasks.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_tasks(request: &DescribeTasksRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    listed("Tasks", &request.tasks, 1, DESCRIBE_MAX)
}

/// ListTasks.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn list_tasks(request: &ListTasksRequest) -> Result<Page, EcsError> {
    refusals::check(refusals::LIST_TASKS, request)?;
    names::at_most("startedBy", STARTED_BY_CHARS_MAX, request.started_by.as_deref())?;
    let others = [&request.container_instance, &request.family, &request.service_name];
    if request.started_by.is_some() && others.into_iter().any(Option::is_some) {
        return Err(EcsError::invalid_parameter("startedBy must be the only filter where it is used."));
    }
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListTasks", &filters, asked, LIST_DEFAULT)
}

fn check_started_by(started_by: Option<&str>) -> Result<(), EcsError> {
    names::at_most("startedBy", STARTED_BY_CHARS_MAX, started_by)?;
    let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_/".contains(&letter);
    match started_by {
        Some(text) if !text.bytes().all(is_allowed) => {
            Err(EcsError::invalid_parameter("startedBy contains invalid characters."))
        }
        _ => Ok(()),
    }
}

/// `service:` is ECS's own.
fn check_group(group: Option<&str>) -> Result<(), EcsError> {
    names::at_most("group", GROUP_CHARS_MAX, group)?;
    if group.is_some_and(|group| group.starts_with("service:")) {
        return Err(EcsError::invalid_parameter("Invalid namespace for group."));
    }
    Ok(())
}

/// A task that no service starts has no service's tags.
fn check_propagation(from: PropagateTags) -> Result<(), EcsError> {
    if from == PropagateTags::Service {
        let text = "Tags can't be propagated from a service to a task that no service starts.";
        return Err(EcsError::invalid_parameter(text));
    }
    Ok(())
}

fn check_overrides(overrides: &TaskOverride) -> Result<(), EcsError> {
    if wire::json_len(overrides)? > OVERRIDES_CHARS_MAX {
        return Err(EcsError::invalid_parameter(format!("overrides longer than {OVERRIDES_CHARS_MAX}.")));
    }
    refusals::check(refusals::OVERRIDES, overrides)?;
    check_overridden_size(overrides)?;
    let mut seen = BTreeSet::new();
    for container in &overrides.container_overrides {
        let name = required("containerOverrides.name", &container.name)?;
        if !seen.insert(name) {
            return Err(EcsError::invalid_parameter(format!("Duplicate override for container '{name}'.")));
        }
        let sizes = [container.memory, container.memory_reservation];
        if container.cpu.is_some_and(|cpu| cpu < 0) || sizes.into_iter().flatten().any(|mib| mib < 1) {
            return Err(EcsError::invalid_parameter(format!("Invalid size in the override for container '{name}'.")));
        }
        if container.environment.iter().any(|variable| variable.name.as_deref().is_none_or(str::is_empty)) {
            return Err(EcsError::invalid_parameter("The name of an environment variable must not be empty."));
        }
    }
    Ok(())
}

fn check_overridden_size(overrides: &TaskOverride) -> Result<(), EcsError> {
    let cpu = overrides.cpu.as_deref().map(task_size::parse_cpu);
    if cpu.is_some_and(|cpu| cpu.is_none_or(|units| !EC2_CPU.contains(&units))) {
        return Err(EcsError::client("Invalid 'cpu' setting for task."));
    }
    let memory = overrides.memory.as_deref().map(task_size::parse_memory);
    if memory.is_some_and(|memory| memory.is_none_or(|mib| mib == 0)) {
        return Err(EcsError::client("Invalid 'memory' setting for task."));
    }
    let gib = overrides.ephemeral_storage.map(|storage| storage.size_in_gi_b.unwrap_or_default());
    if gib.is_some_and(|gib| !EPHEMERAL_STORAGE_GIB.contains(&gib)) {
        return Err(EcsError::invalid_parameter("The ephemeralStorage sizeInGiB must be between 21 and 200."));
    }
    Ok(())
}

/// Checks overrides against the task definition that they are for.
///
/// # Errors
/// `InvalidParameterException` for a container that the task definition lacks.
pub fn check_overridden_names(
    overrides: &TaskOverride,
    definition: &drydock_proto::ecs::TaskDefinition,
) -> Result<(), EcsError> {
    let has = |name: &Option<String>| definition.container_definitions.iter().any(|container| container.name == *name);
    match overrides.container_overrides.iter().find(|container| !has(&container.name)) {
        Some(container) => Err(EcsError::invalid_parameter(format!(
            "Override for container named {} is not a container in the TaskDefinition.",
            container.name.as_deref().unwrap_or_default()
        ))),
        None => Ok(()),
    }
}
