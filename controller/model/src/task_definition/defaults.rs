//! What ECS fills in at registration, and echoes back ever after.

use drydock_proto::ecs::{
    Attribute, Compatibility, ContainerDefinition, HostVolumeProperties, NetworkMode, PortMapping, Scope,
    TaskDefinition, TransportProtocol, Volume,
};

use super::Facts;

/// Seconds between two health checks.
pub(super) const HEALTH_INTERVAL: i32 = 30;
/// Seconds that a health check may take.
pub(super) const HEALTH_TIMEOUT: i32 = 5;
/// Failures until UNHEALTHY.
pub(super) const HEALTH_RETRIES: i32 = 3;
/// Seconds that a container must have run to be restarted.
pub(super) const RESTART_ATTEMPT_PERIOD: i32 = 300;

/// The whole definition, from a request that has passed all checks.
pub(super) fn complete(
    facts: &Facts<'_>,
    compatibilities: Vec<Compatibility>,
    requires_attributes: Vec<Attribute>,
) -> TaskDefinition {
    let request = facts.request.clone();
    let role = |role: Option<String>| role.filter(|role| !role.is_empty());
    let containers = request.container_definitions.into_iter();
    TaskDefinition {
        task_definition_arn: None,
        container_definitions: containers.map(|container| container_defaults(container, facts.network)).collect(),
        family: request.family,
        task_role_arn: role(request.task_role_arn),
        execution_role_arn: role(request.execution_role_arn),
        // Left out where it was left out: ECS shows no default here, though bridge takes effect.
        network_mode: request.network_mode,
        revision: None,
        volumes: request.volumes.into_iter().map(volume_defaults).collect(),
        status: None,
        requires_attributes,
        placement_constraints: request.placement_constraints,
        compatibilities: compatibilities.into_iter().map(|launch_type| launch_type as i32).collect(),
        runtime_platform: request.runtime_platform,
        requires_compatibilities: request.requires_compatibilities,
        cpu: facts.cpu.map(|units| units.to_string()),
        memory: facts.memory_mib.map(|mib| mib.to_string()),
        inference_accelerators: request.inference_accelerators,
        pid_mode: request.pid_mode,
        ipc_mode: request.ipc_mode,
        proxy_configuration: request.proxy_configuration,
        registered_at: None,
        deregistered_at: None,
        delete_requested_at: None,
        registered_by: None,
        ephemeral_storage: request.ephemeral_storage,
        enable_fault_injection: request.enable_fault_injection,
    }
}

fn container_defaults(mut container: ContainerDefinition, network: NetworkMode) -> ContainerDefinition {
    container.essential.get_or_insert(true);
    container.cpu.get_or_insert(0);
    for mapping in &mut container.port_mappings {
        port_defaults(mapping, network);
    }
    if let Some(health) = &mut container.health_check {
        health.interval.get_or_insert(HEALTH_INTERVAL);
        health.timeout.get_or_insert(HEALTH_TIMEOUT);
        health.retries.get_or_insert(HEALTH_RETRIES);
    }
    if let Some(policy) = &mut container.restart_policy {
        policy.restart_attempt_period.get_or_insert(RESTART_ATTEMPT_PERIOD);
    }
    container
}

fn port_defaults(mapping: &mut PortMapping, network: NetworkMode) {
    mapping.protocol.get_or_insert(TransportProtocol::Tcp as i32);
    if mapping.container_port_range.is_some() {
        return;
    }
    match network {
        NetworkMode::Awsvpc | NetworkMode::Host => mapping.host_port = mapping.container_port,
        _ => {
            mapping.host_port.get_or_insert(0);
        }
    }
}

fn volume_defaults(mut volume: Volume) -> Volume {
    if let Some(efs) = &mut volume.efs_volume_configuration {
        efs.root_directory.get_or_insert_with(|| "/".to_owned());
    }
    if let Some(docker) = &mut volume.docker_volume_configuration {
        docker.scope.get_or_insert(Scope::Task as i32);
    }
    let is_bare = volume.docker_volume_configuration.is_none()
        && volume.efs_volume_configuration.is_none()
        && volume.s3files_volume_configuration.is_none()
        && volume.fsx_windows_file_server_volume_configuration.is_none()
        && volume.configured_at_launch != Some(true);
    if is_bare {
        volume.host.get_or_insert_with(HostVolumeProperties::default);
    }
    volume
}
