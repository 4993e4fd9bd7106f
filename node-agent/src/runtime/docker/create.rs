//! A container definition as Docker's create request: pure, field by field. A field that can't be obeyed here is
//! refused, never dropped.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig, PortBinding,
    ResourcesUlimits,
};
use drydock_engine::{ContainerSpec, RuntimeError, TaskSpec};
use drydock_proto::ecs::{
    ContainerDefinition, DeviceCgroupPermission, HealthCheck, IpcMode, LaunchType, LinuxParameters, LogConfiguration,
    LogDriver, NetworkMode, PidMode, PortMapping, ResourceType, TransportProtocol, UlimitName,
};
use drydock_proto::json::WireEnum as _;

use super::{
    LABEL_CLUSTER, LABEL_CONTAINER, LABEL_FAMILY, LABEL_HOST_PORTS, LABEL_INSTANCE, LABEL_REVISION, LABEL_TASK, PAUSE,
    failed, initialization, volume,
};
use crate::config::{Awslogs, DockerConfig};
use crate::endpoint::marks::{self, Ids};

const MIB: i64 = 1_024 * 1_024;
/// Docker's smallest CPU share and ECS's smallest memory (ecs-semantics §2.1).
const CPU_SHARES_MIN: i64 = 2;
const MEMORY_MIN_MIB: i64 = 6;
/// Open files of a Fargate container that says nothing about them, by both limits (ecs-semantics §2.2).
const FARGATE_NOFILE: i64 = 65_535;
/// Billionths of a vCPU in one CPU unit, rounded down.
const NANO_CPUS_A_UNIT: u64 = 1_000_000_000 / 1_024;
const NANOS_A_SECOND: i64 = 1_000_000_000;

/// The name of a task's container in Docker.
pub(crate) fn name(task: &TaskSpec, container: &str) -> String {
    let container = if container == PAUSE { "pause" } else { container };
    format!("drydock-{}-{container}", task.task_id())
}

/// The labels of everything that is a task's.
pub(crate) fn labels(task: &TaskSpec, container: &str, instance: &str) -> HashMap<String, String> {
    let revision = task.definition.revision().to_string();
    [
        (LABEL_CLUSTER, task.assigned.cluster.as_str()),
        (LABEL_CONTAINER, container),
        (LABEL_TASK, task.task_arn()),
        (LABEL_FAMILY, task.definition.family()),
        (LABEL_REVISION, revision.as_str()),
        (LABEL_INSTANCE, instance),
    ]
    .into_iter()
    .map(|(label, value)| (label.to_owned(), value.to_owned()))
    .collect()
}

/// The create request of a container.
pub(crate) fn body(
    spec: &ContainerSpec,
    settings: &DockerConfig,
    instance: &str,
) -> Result<ContainerCreateBody, RuntimeError> {
    let definition = spec.definition();
    refuse(definition, &spec.task)?;
    let mode = spec.task.network_mode();
    let mut all_labels: HashMap<String, String> = definition.docker_labels.clone().into_iter().collect();
    all_labels.extend(labels(&spec.task, spec.name(), instance));
    if mode == NetworkMode::Host && !definition.port_mappings.is_empty() {
        all_labels
            .insert(LABEL_HOST_PORTS.to_owned(), ports(definition).map(|(port, _)| port).collect::<Vec<_>>().join(","));
    }
    let bridge = mode == NetworkMode::Bridge;
    Ok(ContainerCreateBody {
        image: Some(spec.image().into_owned()),
        cmd: list(&definition.command),
        entrypoint: list(&definition.entry_point),
        env: Some(definition.environment.iter().map(|one| format!("{}={}", one.name(), one.value())).collect()),
        working_dir: definition.working_directory.clone(),
        user: definition.user.clone(),
        hostname: definition.hostname.clone().filter(|_| mode != NetworkMode::Awsvpc),
        labels: Some(all_labels),
        healthcheck: definition.health_check.as_ref().map(health),
        tty: definition.pseudo_terminal,
        open_stdin: definition.interactive,
        network_disabled: definition.disable_networking,
        exposed_ports: bridge.then(|| ports(definition).map(|(port, _)| port).collect()),
        host_config: Some(host(spec, settings)?),
        ..Default::default()
    })
}

/// Tells a container where its metadata and credentials are. Of variables with the same names ours hold, as in ECS.
pub(crate) fn mark(body: &mut ContainerCreateBody, task: &TaskSpec, ids: &Ids, host_port: Option<u16>) {
    let variables = marks::environment(task, ids, host_port);
    let env = body.env.get_or_insert_default();
    env.retain(|one| !variables.iter().any(|(name, _)| one.split_once('=').is_some_and(|(own, _)| own == name)));
    env.extend(variables.into_iter().map(|(name, value)| format!("{name}={value}")));
    if marks::has_endpoint(task) {
        body.labels.get_or_insert_default().extend(marks::labels(task, ids));
    }
}

fn refuse(definition: &ContainerDefinition, task: &TaskSpec) -> Result<(), RuntimeError> {
    if !definition.secrets.is_empty() {
        let what = "unable to pull secrets or registry auth: there's no secret store behind this instance";
        return Err(initialization(what));
    }
    if !definition.environment_files.is_empty() {
        return Err(initialization("failed to download env files: there's no S3 behind this instance"));
    }
    if definition.firelens_configuration.is_some() {
        return Err(failed("firelensConfiguration isn't supported by the Docker runtime"));
    }
    if !definition.credential_specs.is_empty() {
        return Err(failed("credentialSpecs isn't supported by the Docker runtime"));
    }
    if task.definition.proxy_configuration.is_some() {
        return Err(failed("proxyConfiguration isn't supported by the Docker runtime"));
    }
    if definition.port_mappings.iter().any(|mapping| mapping.container_port_range.is_some()) {
        return Err(failed("containerPortRange isn't supported by the Docker runtime"));
    }
    if task.network_mode() == NetworkMode::Awsvpc && definition.hostname.is_some() {
        return Err(failed("hostname isn't supported with networkMode awsvpc"));
    }
    let gpu_else = definition.resource_requirements.iter().any(|one| one.r#type() != ResourceType::Gpu);
    if gpu_else {
        return Err(failed("of resourceRequirements only GPU is supported by the Docker runtime"));
    }
    Ok(())
}

fn host(spec: &ContainerSpec, settings: &DockerConfig) -> Result<HostConfig, RuntimeError> {
    let (definition, task) = (spec.definition(), &spec.task);
    let mode = task.network_mode();
    let pause = format!("container:{}", name(task, PAUSE));
    let own_network = mode != NetworkMode::Awsvpc;
    let memory = definition.memory.map(i64::from).or_else(|| task.memory_mib().and_then(|mib| i64::try_from(mib).ok()));
    let mut host = HostConfig {
        cpu_shares: Some(i64::from(definition.cpu()).max(CPU_SHARES_MIN)),
        nano_cpus: task.cpu_units().and_then(|units| i64::try_from(units * NANO_CPUS_A_UNIT).ok()),
        memory: memory.map(|mib| mib.max(MEMORY_MIN_MIB) * MIB),
        memory_reservation: definition.memory_reservation.map(|mib| i64::from(mib).max(MEMORY_MIN_MIB) * MIB),
        network_mode: Some(match mode {
            NetworkMode::Awsvpc => pause.clone(),
            NetworkMode::Host => "host".to_owned(),
            NetworkMode::None => "none".to_owned(),
            NetworkMode::Bridge | NetworkMode::Unspecified => "bridge".to_owned(),
        }),
        pid_mode: match task.definition.pid_mode() {
            PidMode::Host => Some("host".to_owned()),
            PidMode::Task => Some(pause.clone()),
            PidMode::Unspecified => None,
        },
        ipc_mode: match task.definition.ipc_mode() {
            IpcMode::Host => Some("host".to_owned()),
            IpcMode::Task => Some(pause),
            IpcMode::None => Some("none".to_owned()),
            IpcMode::Unspecified => None,
        },
        privileged: definition.privileged,
        readonly_rootfs: definition.readonly_root_filesystem,
        security_opt: list(&definition.docker_security_options),
        dns: list(&definition.dns_servers).filter(|_| own_network),
        dns_search: list(&definition.dns_search_domains).filter(|_| own_network),
        extra_hosts: Some(extra_hosts(definition)).filter(|hosts| own_network && !hosts.is_empty()),
        ulimits: Some(ulimits(definition, task.assigned.launch_type())),
        sysctls: Some(sysctls(definition, own_network)),
        log_config: log_config(definition.log_configuration.as_ref(), settings)?,
        port_bindings: (mode == NetworkMode::Bridge).then(|| port_bindings(definition, settings)),
        links: Some(links(spec)).filter(|links| !links.is_empty()),
        volumes_from: Some(volumes_from(spec)).filter(|from| !from.is_empty()),
        mounts: Some(volume::mounts(spec)?).filter(|mounts| !mounts.is_empty()),
        device_requests: gpus(definition)?,
        ..Default::default()
    };
    if let Some(linux) = &definition.linux_parameters {
        linux_parameters(&mut host, linux);
    }
    Ok(host)
}

/// Its own limits; on Fargate `nofile` has a default.
fn ulimits(definition: &ContainerDefinition, launch_type: LaunchType) -> Vec<ResourcesUlimits> {
    let own = definition.ulimits.iter().map(|one| {
        let name = UlimitName::spelling(one.name().into()).unwrap_or_default().to_owned();
        let (soft, hard) = (one.soft_limit.map(i64::from), one.hard_limit.map(i64::from));
        ResourcesUlimits { name: Some(name), soft, hard }
    });
    let has_nofile = definition.ulimits.iter().any(|one| one.name() == UlimitName::Nofile);
    let default = (launch_type == LaunchType::Fargate && !has_nofile).then(|| ResourcesUlimits {
        name: Some("nofile".to_owned()),
        soft: Some(FARGATE_NOFILE),
        hard: Some(FARGATE_NOFILE),
    });
    own.chain(default).collect()
}

fn linux_parameters(host: &mut HostConfig, linux: &LinuxParameters) {
    if let Some(capabilities) = &linux.capabilities {
        host.cap_add = list(&capabilities.add);
        host.cap_drop = list(&capabilities.drop);
    }
    host.init = linux.init_process_enabled;
    host.shm_size = linux.shared_memory_size.map(|mib| i64::from(mib) * MIB);
    // maxSwap comes on top of memory; 0 means no swap at all.
    host.memory_swap = linux.max_swap.and_then(|mib| Some(host.memory? + i64::from(mib) * MIB));
    host.memory_swappiness = linux.swappiness.map(i64::from);
    let permission = |one: i32| match DeviceCgroupPermission::try_from(one) {
        Ok(DeviceCgroupPermission::Read) => "r",
        Ok(DeviceCgroupPermission::Write) => "w",
        Ok(DeviceCgroupPermission::Mknod) => "m",
        _ => "",
    };
    let devices = linux.devices.iter().map(|device| DeviceMapping {
        path_on_host: device.host_path.clone(),
        path_in_container: device.container_path.clone().or_else(|| device.host_path.clone()),
        cgroup_permissions: Some(match device.permissions.as_slice() {
            [] => "rwm".to_owned(),
            some => some.iter().map(|one| permission(*one)).collect(),
        }),
    });
    host.devices = Some(devices.collect::<Vec<_>>()).filter(|devices| !devices.is_empty());
    let tmpfs = linux.tmpfs.iter().map(|one| {
        let size = format!("size={}m", one.size());
        let options: Vec<String> = one.mount_options.iter().cloned().chain([size]).collect();
        (one.container_path().to_owned(), options.join(","))
    });
    host.tmpfs = Some(tmpfs.collect::<HashMap<_, _>>()).filter(|tmpfs| !tmpfs.is_empty());
}

pub(crate) fn extra_hosts(definition: &ContainerDefinition) -> Vec<String> {
    definition.extra_hosts.iter().map(|one| format!("{}:{}", one.hostname(), one.ip_address())).collect()
}

/// Network settings belong to who owns the network namespace.
pub(crate) fn sysctls(definition: &ContainerDefinition, own_network: bool) -> HashMap<String, String> {
    let all = definition.system_controls.iter();
    all.filter(|one| own_network || !one.namespace().starts_with("net."))
        .map(|one| (one.namespace().to_owned(), one.value().to_owned()))
        .collect()
}

/// ECS's defaults: 30 s, 5 s, 3 tries, no start period (ecs-semantics §2.1).
fn health(check: &HealthCheck) -> HealthConfig {
    let nanos = |seconds: i32| Some(i64::from(seconds) * NANOS_A_SECOND);
    HealthConfig {
        test: Some(check.command.clone()),
        interval: nanos(check.interval.unwrap_or(30)),
        timeout: nanos(check.timeout.unwrap_or(5)),
        retries: Some(i64::from(check.retries.unwrap_or(3))),
        start_period: check.start_period.and_then(nanos),
        ..Default::default()
    }
}

fn log_config(
    wanted: Option<&LogConfiguration>,
    settings: &DockerConfig,
) -> Result<Option<HostConfigLogConfig>, RuntimeError> {
    let Some(wanted) = wanted else { return Ok(None) };
    if !wanted.secret_options.is_empty() {
        return Err(initialization(
            "unable to pull secrets or registry auth: there's no secret store behind this instance",
        ));
    }
    let driver = LogDriver::spelling(wanted.log_driver().into()).unwrap_or_default();
    Ok(match wanted.log_driver() {
        LogDriver::Unspecified => None,
        LogDriver::Awsfirelens => {
            return Err(failed("the log driver awsfirelens isn't supported by the Docker runtime"));
        }
        LogDriver::Awslogs if settings.awslogs == Awslogs::Local => {
            Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: None })
        }
        _ => Some(HostConfigLogConfig {
            typ: Some(driver.to_owned()),
            config: Some(wanted.options.clone().into_iter().collect()),
        }),
    })
}

/// `80/tcp` with its mapping.
fn ports(definition: &ContainerDefinition) -> impl Iterator<Item = (String, &PortMapping)> {
    definition.port_mappings.iter().map(|mapping| {
        let protocol = if mapping.protocol() == TransportProtocol::Udp { "udp" } else { "tcp" };
        (format!("{}/{protocol}", mapping.container_port()), mapping)
    })
}

fn port_bindings(
    definition: &ContainerDefinition,
    settings: &DockerConfig,
) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut out: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for (port, mapping) in ports(definition) {
        let host_port = mapping.host_port.filter(|port| *port != 0).map(|port| port.to_string());
        let binding = PortBinding { host_ip: Some(settings.bind_ip.clone()), host_port };
        out.entry(port).or_default().get_or_insert_default().push(binding);
    }
    out
}

fn links(spec: &ContainerSpec) -> Vec<String> {
    let link = |link: &String| {
        let (target, alias) = link.split_once(':').unwrap_or((link, link));
        format!("{}:{alias}", name(&spec.task, target))
    };
    spec.definition().links.iter().map(link).collect()
}

fn volumes_from(spec: &ContainerSpec) -> Vec<String> {
    let from = spec.definition().volumes_from.iter();
    from.map(|one| {
        let mode = if one.read_only() { "ro" } else { "rw" };
        format!("{}:{mode}", name(&spec.task, one.source_container()))
    })
    .collect()
}

fn gpus(definition: &ContainerDefinition) -> Result<Option<Vec<DeviceRequest>>, RuntimeError> {
    let Some(wanted) = definition.resource_requirements.iter().find(|one| one.r#type() == ResourceType::Gpu) else {
        return Ok(None);
    };
    let count = wanted.value().parse().map_err(|_| failed(format!("{:?} isn't a number of GPUs", wanted.value())))?;
    let capabilities = Some(vec![vec!["gpu".to_owned()]]);
    Ok(Some(vec![DeviceRequest { count: Some(count), capabilities, ..Default::default() }]))
}

fn list(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use drydock_proto::agent::AssignedTask;
    use drydock_proto::ecs::TaskDefinition;
    use serde_json::{Value, json};

    use super::{Awslogs, ContainerSpec, DockerConfig, LaunchType, RuntimeError, TaskSpec, body};

    /// The request for the first container of a task definition in ECS's JSON.
    fn request(definition: Value, settings: &DockerConfig) -> Result<Value, RuntimeError> {
        let definition: TaskDefinition = serde_json::from_value(definition).unwrap();
        let assigned =
            AssignedTask { task_arn: "arn:aws:ecs:r:0:task/c/abc".into(), cluster: "c".into(), ..Default::default() };
        let task = Arc::new(TaskSpec::new(assigned, Arc::new(definition)));
        let spec: ContainerSpec = task.container(0);
        body(&spec, settings, "me").map(|body| serde_json::to_value(body).unwrap())
    }

    /// One container's fields, in a task of a network mode.
    fn of(mode: &str, fields: &Value) -> Result<Value, RuntimeError> {
        let mut container = json!({"name": "app", "image": "app:1"});
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let definition =
            json!({"family": "f", "revision": 2, "networkMode": mode, "containerDefinitions": [container]});
        request(definition, &DockerConfig::default())
    }

    #[test]
    fn every_field_is_obeyed() {
        // Fields of the definition, then a place in Docker's request and what is there.
        let table: &[(&str, Value, &str, Value)] = &[
            ("bridge", json!({"command": ["a", "b"]}), "/Cmd", json!(["a", "b"])),
            ("bridge", json!({"entryPoint": ["e"]}), "/Entrypoint", json!(["e"])),
            ("bridge", json!({"environment": [{"name": "A", "value": "1"}]}), "/Env", json!(["A=1"])),
            ("bridge", json!({"workingDirectory": "/w", "user": "1:2"}), "/WorkingDir", json!("/w")),
            ("bridge", json!({"user": "1:2"}), "/User", json!("1:2")),
            // rule: 2.1/docker-cpu-shares
            // rule: 2.1/docker-cpu-shares
            ("bridge", json!({}), "/HostConfig/CpuShares", json!(2)),
            ("bridge", json!({"cpu": 300}), "/HostConfig/CpuShares", json!(300)),
            // rule: 2.1/docker-memory
            // rule: 2.1/docker-memory
            ("bridge", json!({"memory": 4}), "/HostConfig/Memory", json!(6 * 1_048_576)),
            ("bridge", json!({"memoryReservation": 64}), "/HostConfig/MemoryReservation", json!(64 * 1_048_576)),
            ("bridge", json!({"privileged": true}), "/HostConfig/Privileged", json!(true)),
            ("bridge", json!({"readonlyRootFilesystem": true}), "/HostConfig/ReadonlyRootfs", json!(true)),
            (
                "bridge",
                json!({"links": ["db:d", "x"]}),
                "/HostConfig/Links",
                json!(["drydock-abc-db:d", "drydock-abc-x:x"]),
            ),
            ("bridge", json!({"dnsServers": ["9.9.9.9"]}), "/HostConfig/Dns", json!(["9.9.9.9"])),
            ("awsvpc", json!({"dnsServers": ["9.9.9.9"]}), "/HostConfig/Dns", Value::Null),
            // rule: 2.5/shared-namespace
            // rule: 2.5/shared-namespace
            ("awsvpc", json!({}), "/HostConfig/NetworkMode", json!("container:drydock-abc-pause")),
            // rule: 2.5/host-mode
            // rule: 2.5/host-mode
            ("host", json!({}), "/HostConfig/NetworkMode", json!("host")),
            // rule: 2.5/none-mode
            // rule: 2.5/none-mode
            ("none", json!({}), "/HostConfig/NetworkMode", json!("none")),
            ("host", json!({"portMappings": [{"containerPort": 80}]}), "/Labels/drydock.host-ports", json!("80/tcp")),
            ("awsvpc", json!({"portMappings": [{"containerPort": 80}]}), "/HostConfig/PortBindings", Value::Null),
            (
                "bridge",
                json!({"portMappings": [{"containerPort": 53, "hostPort": 5300, "protocol": "udp"}, {"containerPort": 80}]}),
                "/HostConfig/PortBindings",
                json!({"53/udp": [{"HostIp": "0.0.0.0", "HostPort": "5300"}], "80/tcp": [{"HostIp": "0.0.0.0"}]}),
            ),
            (
                "bridge",
                json!({"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}]}),
                "/HostConfig/Ulimits",
                json!([{"Name": "nofile", "Soft": 1, "Hard": 2}]),
            ),
            (
                "bridge",
                json!({"extraHosts": [{"hostname": "h", "ipAddress": "1.2.3.4"}]}),
                "/HostConfig/ExtraHosts",
                json!(["h:1.2.3.4"]),
            ),
            (
                "awsvpc",
                json!({"systemControls": [{"namespace": "net.a", "value": "1"}, {"namespace": "kernel.b", "value": "2"}]}),
                "/HostConfig/Sysctls",
                json!({"kernel.b": "2"}),
            ),
            (
                "bridge",
                json!({"healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 7}}),
                "/Healthcheck",
                json!({"Test": ["CMD-SHELL", "true"], "Interval": 7_000_000_000_i64, "Timeout": 5_000_000_000_i64, "Retries": 3}),
            ),
            (
                "bridge",
                json!({"logConfiguration": {"logDriver": "json-file", "options": {"max-size": "1m"}}}),
                "/HostConfig/LogConfig",
                json!({"Type": "json-file", "Config": {"max-size": "1m"}}),
            ),
            (
                "bridge",
                json!({"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}}}),
                "/HostConfig/LogConfig",
                json!({"Type": "json-file"}),
            ),
            (
                "bridge",
                json!({"resourceRequirements": [{"type": "GPU", "value": "2"}]}),
                "/HostConfig/DeviceRequests",
                json!([{"Count": 2, "Capabilities": [["gpu"]]}]),
            ),
            (
                "bridge",
                json!({"memory": 100, "linuxParameters": {"maxSwap": 10, "swappiness": 5, "initProcessEnabled": true}}),
                "/HostConfig/MemorySwap",
                json!(110 * 1_048_576),
            ),
            (
                "bridge",
                json!({"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 8, "mountOptions": ["noexec"]}]}}),
                "/HostConfig/Tmpfs",
                json!({"/t": "noexec,size=8m"}),
            ),
            (
                "bridge",
                json!({"linuxParameters": {"devices": [{"hostPath": "/dev/x", "permissions": ["read", "mknod"]}]}}),
                "/HostConfig/Devices",
                json!([{"PathOnHost": "/dev/x", "PathInContainer": "/dev/x", "CgroupPermissions": "rm"}]),
            ),
            (
                "bridge",
                json!({"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}}}),
                "/HostConfig/CapAdd",
                json!(["SYS_PTRACE"]),
            ),
            (
                "bridge",
                json!({"volumesFrom": [{"sourceContainer": "data", "readOnly": true}]}),
                "/HostConfig/VolumesFrom",
                json!(["drydock-abc-data:ro"]),
            ),
            // rule: 2.5/labels
            // rule: 2.5/labels
            ("bridge", json!({}), "/Labels/com.amazonaws.ecs.task-definition-version", json!("2")),
            ("bridge", json!({"dockerLabels": {"drydock.instance": "other"}}), "/Labels/drydock.instance", json!("me")),
        ];
        for (mode, fields, place, expected) in table {
            let request = of(mode, fields).unwrap();
            assert_eq!(request.pointer(place).unwrap_or(&Value::Null), expected, "{mode} {fields} {place}");
        }
    }

    // rule: 2.2/fargate-nofile
    #[test]
    fn fargate_bounds_open_files() {
        for (launch_type, given, expected) in [
            (LaunchType::Ec2, json!([]), json!([])),
            (LaunchType::Fargate, json!([]), json!([{"Name": "nofile", "Soft": 65_535, "Hard": 65_535}])),
            (
                LaunchType::Fargate,
                json!([{"name": "nofile", "softLimit": 1, "hardLimit": 2}]),
                json!([{"Name": "nofile", "Soft": 1, "Hard": 2}]),
            ),
        ] {
            let container = json!({"name": "app", "image": "i", "ulimits": given});
            let definition = json!({"networkMode": "awsvpc", "containerDefinitions": [container]});
            let definition: TaskDefinition = serde_json::from_value(definition).unwrap();
            let assigned = AssignedTask { launch_type: launch_type.into(), ..Default::default() };
            let task = Arc::new(TaskSpec::new(assigned, Arc::new(definition)));
            let request = body(&task.container(0), &DockerConfig::default(), "me").unwrap();
            let request = serde_json::to_value(request).unwrap();
            assert_eq!(request.pointer("/HostConfig/Ulimits"), Some(&expected), "{launch_type:?}");
        }
    }

    // rule: 2.1/docker-task-cpu
    #[test]
    fn a_task_s_own_size_bounds_its_containers() {
        let definition =
            json!({"cpu": "512", "memory": "100", "containerDefinitions": [{"name": "app", "image": "i"}]});
        let request = request(definition, &DockerConfig::default()).unwrap();
        assert_eq!(request.pointer("/HostConfig/NanoCpus"), Some(&json!(512 * 976_562)));
        assert_eq!(request.pointer("/HostConfig/Memory"), Some(&json!(100 * 1_048_576)));
    }

    // rule: 2.1/volume-host, 2.1/volume-docker, 2.1/volume-empty
    #[test]
    fn volumes_become_mounts() {
        let definition = json!({
            "volumes": [{"name": "h", "host": {"sourcePath": "/h"}}, {"name": "e"},
                {"name": "s", "dockerVolumeConfiguration": {"scope": "shared"}}],
            "containerDefinitions": [{"name": "app", "image": "i", "mountPoints": [
                {"sourceVolume": "h", "containerPath": "/1", "readOnly": true},
                {"sourceVolume": "e", "containerPath": "/2"}, {"sourceVolume": "s", "containerPath": "/3"}]}]
        });
        let request = request(definition, &DockerConfig::default()).unwrap();
        let expected = json!([
            {"Target": "/1", "Source": "/h", "Type": "bind", "ReadOnly": true},
            {"Target": "/2", "Source": "drydock-abc-e", "Type": "volume"},
            {"Target": "/3", "Source": "s", "Type": "volume"}
        ]);
        assert_eq!(request.pointer("/HostConfig/Mounts"), Some(&expected));
    }

    #[test]
    fn awslogs_may_be_left_to_docker() {
        let log = json!({"logDriver": "awslogs", "options": {"awslogs-group": "g"}});
        let definition = json!({"containerDefinitions": [{"name": "app", "image": "i", "logConfiguration": log}]});
        let settings = DockerConfig { awslogs: Awslogs::Docker, ..DockerConfig::default() };
        let request = request(definition, &settings).unwrap();
        let expected = json!({"Type": "awslogs", "Config": {"awslogs-group": "g"}});
        assert_eq!(request.pointer("/HostConfig/LogConfig"), Some(&expected));
    }

    // rule: 2.6/secrets
    #[test]
    fn what_cannot_be_obeyed_is_refused() {
        for (fields, expected) in [
            (json!({"secrets": [{"name": "A", "valueFrom": "b"}]}), "unable to pull secrets"),
            (json!({"environmentFiles": [{"type": "s3", "value": "arn"}]}), "failed to download env files"),
            (json!({"firelensConfiguration": {"type": "fluentbit"}}), "firelensConfiguration"),
            (json!({"logConfiguration": {"logDriver": "awsfirelens"}}), "awsfirelens"),
            (json!({"portMappings": [{"containerPortRange": "1-2"}]}), "containerPortRange"),
            (json!({"credentialSpecs": ["x"]}), "credentialSpecs"),
            (json!({"hostname": "h"}), "hostname"),
            (json!({"mountPoints": [{"sourceVolume": "none", "containerPath": "/x"}]}), "there's no volume \"none\""),
        ] {
            let error = of("awsvpc", &fields).unwrap_err();
            assert!(error.message.contains(expected), "{fields}: {error}");
        }
    }
}
