//! Which launch types can run a task definition, and what Fargate refuses (ecs-semantics §2.2).

use std::ops::RangeInclusive;

use drydock_proto::ecs::{Compatibility, ContainerDefinition, LogDriver, NetworkMode, PidMode};
use drydock_proto::json::WireEnum as _;

use super::{Facts, has_execution_role};
use crate::error::EcsError;
use crate::fargate;

/// Seconds that startTimeout and stopTimeout may name on Fargate.
const FARGATE_TIMEOUT: RangeInclusive<i32> = 2..=120;

/// What `compatibilities` shows.
///
/// # Errors
/// `ClientException` where the request asks for a launch type that can't run it.
pub(super) fn check(facts: &Facts<'_>) -> Result<Vec<Compatibility>, EcsError> {
    let fargate = check_fargate(facts);
    let external = check_external(facts);
    let mut out = Vec::new();
    if external.is_ok() {
        out.push(Compatibility::External);
    }
    out.push(Compatibility::Ec2);
    if fargate.is_ok() {
        out.push(Compatibility::Fargate);
    }
    for asked in facts.request.requires_compatibilities() {
        match asked {
            Compatibility::Fargate => fargate.clone()?,
            Compatibility::External => external.clone()?,
            _ => {}
        }
    }
    Ok(out)
}

fn check_external(facts: &Facts<'_>) -> Result<(), EcsError> {
    let request = facts.request;
    let mut ports = request.container_definitions.iter().flat_map(|container| &container.port_mappings);
    let unsupported = [
        (facts.network == NetworkMode::Awsvpc, "networkMode awsvpc"),
        (request.proxy_configuration.is_some(), "proxyConfiguration"),
        (request.volumes.iter().any(|volume| volume.efs_volume_configuration.is_some()), "efsVolumeConfiguration"),
        (ports.any(|port| port.name.is_some()), "Service Connect"),
    ];
    none_of(&unsupported, |what| format!("The EXTERNAL launch type does not support {what}."))
}

fn none_of(found: &[(bool, &str)], text: impl Fn(&str) -> String) -> Result<(), EcsError> {
    match found.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(EcsError::client(text(what))),
        None => Ok(()),
    }
}

fn check_fargate(facts: &Facts<'_>) -> Result<(), EcsError> {
    let request = facts.request;
    if request.network_mode() != NetworkMode::Awsvpc {
        return Err(EcsError::client("Fargate only supports network mode ‘awsvpc’."));
    }
    let size = |given: Option<u32>, what: &str| {
        given.ok_or_else(|| EcsError::client(format!("Fargate requires that '{what}' be defined at the task level.")))
    };
    let (cpu, memory_mib) = (size(facts.cpu, "cpu")?, size(facts.memory_mib, "memory")?);
    fargate::check_size(cpu, memory_mib, facts.windows)?;
    if request.pid_mode() == PidMode::Host {
        return Err(EcsError::client(
            "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is \
             'task'.",
        ));
    }
    if request.ipc_mode.is_some() {
        return Err(EcsError::client("Tasks using the Fargate launch type do not support ipcMode."));
    }
    let host_path =
        |volume: &drydock_proto::ecs::Volume| volume.host.as_ref().is_some_and(|host| host.source_path.is_some());
    let unsupported = [
        (!request.placement_constraints.is_empty(), "constraints"),
        (request.volumes.iter().any(host_path), "sourcePath"),
        (request.volumes.iter().any(|v| v.docker_volume_configuration.is_some()), "dockerVolumeConfiguration"),
        (
            request.volumes.iter().any(|v| v.fsx_windows_file_server_volume_configuration.is_some()),
            "fsxWindowsFileServerVolumeConfiguration",
        ),
    ];
    none_of(&unsupported, not_supported)?;
    request.container_definitions.iter().try_for_each(|container| check_container(container, facts))
}

fn not_supported(what: &str) -> String {
    format!("Fargate compatible task definitions do not support {what}")
}

fn check_container(container: &ContainerDefinition, facts: &Facts<'_>) -> Result<(), EcsError> {
    let linux = container.linux_parameters.as_ref();
    let adds = linux.and_then(|linux| linux.capabilities.as_ref()).map_or(&[][..], |capabilities| &capabilities.add);
    let is_ptrace = |name: &String| name.strip_prefix("CAP_").unwrap_or(name) == "SYS_PTRACE";
    if !container.resource_requirements.is_empty() {
        return Err(EcsError::client("Tasks using the Fargate launch type do not support GPU resource requirements."));
    }
    let unsupported = [
        (container.privileged == Some(true), "privileged"),
        (container.disable_networking == Some(true), "disableNetworking"),
        (!container.dns_servers.is_empty(), "dnsServers"),
        (!container.dns_search_domains.is_empty(), "dnsSearchDomains"),
        (!container.docker_security_options.is_empty(), "dockerSecurityOptions"),
        (!container.extra_hosts.is_empty(), "extraHosts"),
        (!container.links.is_empty(), "links"),
        (!adds.iter().all(is_ptrace), "added capabilities other than SYS_PTRACE"),
        (linux.is_some_and(|linux| !linux.devices.is_empty()), "devices"),
        (linux.is_some_and(|linux| linux.shared_memory_size.is_some()), "sharedMemorySize"),
        (linux.is_some_and(|linux| !linux.tmpfs.is_empty()), "tmpfs"),
        (linux.is_some_and(|linux| linux.max_swap.is_some()), "maxSwap"),
        (linux.is_some_and(|linux| linux.swappiness.is_some()), "swappiness"),
    ];
    none_of(&unsupported, not_supported)?;
    for (what, timeout) in [("startTimeout", container.start_timeout), ("stopTimeout", container.stop_timeout)] {
        if timeout.is_some_and(|timeout| !FARGATE_TIMEOUT.contains(&timeout)) {
            return Err(super::setting(container, format_args!("'{what}' must be between 2 and 120 on Fargate.")));
        }
    }
    let firelens = container.firelens_configuration.as_ref();
    if firelens.is_some_and(|firelens| firelens.options.get("config-file-type").is_some_and(|of| of != "file")) {
        return Err(EcsError::client(not_supported("the FireLens option config-file-type s3")));
    }
    check_log_driver(container, facts)?;
    if is_ecr(container.image.as_deref().unwrap_or_default()) && !has_execution_role(facts.request) {
        return Err(needs_role("ECR images"));
    }
    Ok(())
}

fn needs_role(what: &str) -> EcsError {
    EcsError::client(format!("Fargate requires task definition to have execution role ARN to support {what}."))
}

fn check_log_driver(container: &ContainerDefinition, facts: &Facts<'_>) -> Result<(), EcsError> {
    let Some(log) = &container.log_configuration else { return Ok(()) };
    match log.log_driver() {
        LogDriver::Awslogs if !has_execution_role(facts.request) => Err(needs_role("log driver awslogs")),
        LogDriver::Awslogs if !log.options.contains_key("awslogs-stream-prefix") => {
            Err(EcsError::client("Log driver awslogs requires options: awslogs-stream-prefix"))
        }
        LogDriver::Awslogs | LogDriver::Splunk | LogDriver::Awsfirelens => Ok(()),
        other => {
            let name = LogDriver::spelling(other as i32).unwrap_or_default();
            Err(EcsError::client(not_supported(&format!("log driver {name}"))))
        }
    }
}

/// Whether an image lives in ECR's private registry.
pub(super) fn is_ecr(image: &str) -> bool {
    let registry = image.split('/').next().unwrap_or_default();
    registry.contains(".dkr.ecr.") && registry.contains(".amazonaws.com")
}
