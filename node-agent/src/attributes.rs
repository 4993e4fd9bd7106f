//! What the instance says of itself: built-in attributes, capabilities, and what it offers (ecs-semantics §2.4).

use drydock_proto::ecs::Attribute;

use crate::config::Config;

/// CPU units of one vCPU.
const UNITS_A_VCPU: usize = 1_024;

/// Capabilities that need nothing of the runtime but what the engine does.
const OF_THE_ENGINE: [&str; 4] = [
    "ecs.capability.container-ordering",
    "ecs.capability.container-health-check",
    "ecs.capability.container-restart-policy",
    "ecs.capability.full-sync",
];

/// Log drivers that Docker brings and that are passed on.
const LOG_DRIVERS: [&str; 7] = ["json-file", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk"];

/// Oldest and newest minor version of Docker's API 1.x that ECS has an attribute for.
const DOCKER_API: (u32, u32) = (17, 44);

/// The attributes of Hello.
pub(crate) fn of_instance(config: &Config, capabilities: &[String]) -> Vec<Attribute> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let built_in = [
        ("ecs.availability-zone", config.availability_zone.as_str()),
        ("ecs.instance-type", config.instance_type.as_str()),
        ("ecs.os-type", "linux"),
        ("ecs.os-family", "LINUX"),
        ("ecs.cpu-architecture", architecture),
    ];
    let named = config.name.iter().map(|name| attribute("drydock.name", Some(name)));
    let own = config.attributes.iter().map(|(name, value)| attribute(name, Some(value)));
    let built_in = built_in.iter().map(|(name, value)| attribute(name, Some(value)));
    let capabilities = capabilities.iter().map(|name| attribute(name, None));
    built_in.chain(named).chain(own).chain(capabilities).collect()
}

fn attribute(name: &str, value: Option<&str>) -> Attribute {
    Attribute { name: Some(name.to_owned()), value: value.map(str::to_owned), ..Default::default() }
}

/// What a task definition asks of its roles. There is no IAM here; where 169.254.170.2 can't be served a container gets no
/// credentials, but a role is never a reason not to run a task: definitions name one even where the containers don't use it.
const ROLES: [&str; 4] = [
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.execution-role-ecr-pull",
];

/// What is true of Docker with this agent. `api_minor` is the engine's newest API version, 1.x.
pub(crate) fn docker_capabilities(api_minor: u32) -> Vec<String> {
    let own = [
        "com.amazonaws.ecs.capability.privileged-container",
        "ecs.capability.execution-role-awslogs",
        "ecs.capability.pid-ipc-namespace-sharing",
        "ecs.capability.task-eni",
    ];
    let drivers = LOG_DRIVERS.iter().map(|driver| format!("com.amazonaws.ecs.capability.logging-driver.{driver}"));
    let versions = (DOCKER_API.0..=DOCKER_API.1.min(api_minor))
        .map(|minor| format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}"));
    OF_THE_ENGINE
        .iter()
        .chain(&own)
        .chain(&ROLES)
        .map(|name| (*name).to_owned())
        .chain(drivers)
        .chain(versions)
        .collect()
}

/// A pretended container can do all that a task definition can ask for.
pub(crate) fn simulated_capabilities() -> Vec<String> {
    let own = OF_THE_ENGINE.iter().map(|name| (*name).to_owned());
    let mut all: Vec<String> = drydock_model::capabilities::all().into_iter().chain(own).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// CPU units of the machine.
pub(crate) fn machine_cpu() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors * UNITS_A_VCPU).unwrap_or(u32::MAX)
}

/// MiB of the machine; 1,024 where it doesn't say.
pub(crate) fn machine_memory_mib() -> u32 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.and_then(|kib| u32::try_from(kib / 1_024).ok()).unwrap_or(1_024)
}

#[cfg(test)]
mod tests {
    use super::{machine_cpu, simulated_capabilities};

    // rule: 2.1/instance-cpu
    #[test]
    fn a_vcpu_is_1024_units() {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(usize::try_from(machine_cpu()).ok(), Some(processors * 1_024));
    }

    // rule: 2.4/attributes-capabilities
    #[test]
    fn a_pretended_container_can_do_all_that_can_be_asked() {
        let own = simulated_capabilities();
        assert!(drydock_model::capabilities::all().iter().all(|name| own.contains(name)));
        assert!(own.contains(&"ecs.capability.full-sync".to_owned()));
    }
}
