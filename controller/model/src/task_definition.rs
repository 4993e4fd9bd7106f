//! RegisterTaskDefinition: what ECS refuses, with its exceptions and texts, and what it fills in (ecs-semantics §2.1,
//! §2.2). Every member that is given is kept and given back.
//!
//! One file a noun below. Where ECS's own text isn't known, the text follows its style and names the container and the
//! member.

mod attributes;
mod compatibility;
mod containers;
mod defaults;
mod dependencies;
mod linux;
mod logging;
mod ports;
mod volumes;

use drydock_proto::ecs::{
    Compatibility, ContainerDefinition, NetworkMode, OsFamily, RegisterTaskDefinitionRequest, TaskDefinition,
};

use crate::error::{EcsError, ExceptionName};
use crate::{fargate, names, outside, placement, refusals, tags, task_size, wire};

/// Containers of a task definition.
pub const CONTAINERS_MAX: usize = 10;
/// Bytes of a task definition as JSON.
pub const BYTES_MAX: usize = 64 * 1024;
/// CPU units that a task on an EC2 instance may name.
pub const EC2_CPU: std::ops::RangeInclusive<u32> = 128..=196_608;
/// GiB of ephemeral storage that a task may name.
pub const EPHEMERAL_STORAGE_GIB: std::ops::RangeInclusive<i32> = 21..=200;

/// What several checks ask of the request.
struct Facts<'a> {
    request: &'a RegisterTaskDefinitionRequest,
    /// As it takes effect: bridge where none is given.
    network: NetworkMode,
    /// Whether the request asks to be checked for Fargate.
    fargate: bool,
    /// Whether it is for Windows.
    windows: bool,
    /// CPU units of the task.
    cpu: Option<u32>,
    /// MiB of the task.
    memory_mib: Option<u32>,
}

/// The task definition that a request registers, all but its ARN, revision, status, and who registered it when.
///
/// # Errors
/// `ClientException` where the definition breaks a rule, `InvalidParameterException` for tags, enum numbers and
/// placement constraints that ECS doesn't have.
pub fn validate_registration(request: &RegisterTaskDefinitionRequest) -> Result<TaskDefinition, EcsError> {
    let bytes = wire::json_len(request)?;
    if bytes > BYTES_MAX {
        return Err(EcsError::client(format!("Actual length: '{bytes}'. Max allowed length is '{BYTES_MAX}' bytes.")));
    }
    names::check(ExceptionName::Client, "Family", request.family.as_deref().unwrap_or_default())?;
    tags::check(&request.tags)?;
    placement::check_definition_constraints(&request.placement_constraints)?;
    refusals::check(refusals::REGISTER_TASK_DEFINITION, request)?;
    outside::check_role(request.task_role_arn.as_deref())?;
    outside::check_role(request.execution_role_arn.as_deref())?;
    containers::check_list(&request.container_definitions)?;
    let facts = Facts::of(request)?;
    for container in &request.container_definitions {
        containers::check(container, &facts)?;
        ports::check(container, facts.network)?;
        linux::check(container, &facts)?;
        logging::check(container)?;
    }
    ports::check_names(&request.container_definitions)?;
    containers::check_sums(&facts)?;
    dependencies::check(&request.container_definitions, facts.network)?;
    volumes::check(request)?;
    logging::check_firelens(&request.container_definitions)?;
    check_secrets_role(request)?;
    check_proxy(&facts)?;
    check_ephemeral_storage(request)?;
    let compatibilities = compatibility::check(&facts)?;
    let requires_attributes = attributes::required(&facts);
    Ok(defaults::complete(&facts, compatibilities, requires_attributes))
}

impl<'a> Facts<'a> {
    fn of(request: &'a RegisterTaskDefinitionRequest) -> Result<Self, EcsError> {
        let os = request.runtime_platform.map(|platform| platform.operating_system_family());
        let network = match request.network_mode() {
            NetworkMode::Unspecified => NetworkMode::Bridge,
            given => given,
        };
        let fargate = request.requires_compatibilities().any(|given| given == Compatibility::Fargate);
        let size = |what: &str, text: &Option<String>, parse: fn(&str) -> Option<u32>| match text {
            None => Ok(None),
            Some(text) => match parse(text).filter(|size| *size > 0) {
                Some(size) => Ok(Some(size)),
                None => Err(EcsError::client(format!("Invalid '{what}' setting for task."))),
            },
        };
        let cpu = size("cpu", &request.cpu, task_size::parse_cpu)?;
        if !fargate && cpu.is_some_and(|cpu| !EC2_CPU.contains(&cpu)) {
            return Err(EcsError::client("Invalid 'cpu' setting for task."));
        }
        let memory_mib = size("memory", &request.memory, task_size::parse_memory)?;
        let windows = fargate::is_windows(os.unwrap_or(OsFamily::Unspecified));
        Ok(Self { request, network, fargate, windows, cpu, memory_mib })
    }
}

/// The error of a container's setting.
fn setting(container: &ContainerDefinition, what: impl std::fmt::Display) -> EcsError {
    let name = container.name.as_deref().unwrap_or_default();
    EcsError::client(format!("Invalid setting for container '{name}'. {what}"))
}

/// Whether there is an execution role.
fn has_execution_role(request: &RegisterTaskDefinitionRequest) -> bool {
    request.execution_role_arn.as_deref().is_some_and(|role| !role.is_empty())
}

fn check_secrets_role(request: &RegisterTaskDefinitionRequest) -> Result<(), EcsError> {
    let has_secrets = request.container_definitions.iter().any(|container| !container.secrets.is_empty());
    if has_secrets && !has_execution_role(request) {
        return Err(EcsError::client(
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        ));
    }
    Ok(())
}

fn check_proxy(facts: &Facts<'_>) -> Result<(), EcsError> {
    let Some(proxy) = &facts.request.proxy_configuration else { return Ok(()) };
    let name = proxy.container_name.as_deref().unwrap_or_default();
    if !facts.request.container_definitions.iter().any(|container| container.name.as_deref() == Some(name)) {
        return Err(EcsError::client(format!("Unknown proxyConfiguration.containerName '{name}'.")));
    }
    if facts.network != NetworkMode::Awsvpc {
        return Err(EcsError::client("proxyConfiguration is only supported when networkMode=awsvpc."));
    }
    Ok(())
}

fn check_ephemeral_storage(request: &RegisterTaskDefinitionRequest) -> Result<(), EcsError> {
    let Some(storage) = request.ephemeral_storage else { return Ok(()) };
    let compatibilities: Vec<Compatibility> = request.requires_compatibilities().collect();
    if !compatibilities.is_empty() && !compatibilities.contains(&Compatibility::Fargate) {
        return Err(EcsError::client("ephemeralStorage is only supported by the Fargate launch type."));
    }
    if !storage.size_in_gi_b.is_some_and(|size| EPHEMERAL_STORAGE_GIB.contains(&size)) {
        return Err(EcsError::client("The ephemeralStorage sizeInGiB must be between 21 and 200."));
    }
    Ok(())
}
