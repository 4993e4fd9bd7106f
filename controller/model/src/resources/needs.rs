//! What a task needs of an instance: from its task definition and its overrides (ecs-semantics §2.1, §2.4).

use drydock_proto::ecs::{
    ContainerDefinition, ContainerOverride, NetworkMode, ResourceRequirement, ResourceType, TaskDefinition,
    TaskOverride, TransportProtocol,
};

use super::{Needs, Ports};
use crate::task_size;

/// What a task of this definition with these overrides takes.
///
/// CPU and memory are the task's own where it has them, else the sum over its containers, a container's
/// `memoryReservation` counting before its `memory`. Host ports are taken in the bridge and host modes alone, and only
/// those named by number; an awsvpc task has an address of its own. Sums that don't fit 32 bits stop at the top, which no
/// instance has.
#[must_use]
pub fn needs(definition: &TaskDefinition, overrides: &TaskOverride) -> Needs {
    let size = |given: &Option<String>, own: &Option<String>, parse: fn(&str) -> Option<u32>| {
        [given, own].into_iter().flatten().find_map(|text| parse(text))
    };
    let containers = || {
        definition.container_definitions.iter().map(|container| {
            (container, overrides.container_overrides.iter().find(|given| given.name == container.name))
        })
    };
    let sum = |of: fn(&ContainerDefinition, Option<&ContainerOverride>) -> u32| {
        containers().map(|(container, given)| of(container, given)).fold(0, u32::saturating_add)
    };
    let ports = |protocol| host_ports(definition, protocol);
    Needs {
        cpu: size(&overrides.cpu, &definition.cpu, task_size::parse_cpu).unwrap_or_else(|| sum(container_cpu)),
        memory_mib: size(&overrides.memory, &definition.memory, task_size::parse_memory)
            .unwrap_or_else(|| sum(container_memory)),
        tcp: ports(TransportProtocol::Tcp),
        udp: ports(TransportProtocol::Udp),
        gpus: sum(container_gpus),
        interfaces: u32::from(definition.network_mode() == NetworkMode::Awsvpc),
    }
}

fn positive(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0)
}

fn container_cpu(container: &ContainerDefinition, given: Option<&ContainerOverride>) -> u32 {
    positive(given.and_then(|given| given.cpu)).or(positive(container.cpu)).unwrap_or_default()
}

fn container_memory(container: &ContainerDefinition, given: Option<&ContainerOverride>) -> u32 {
    let soft = positive(given.and_then(|given| given.memory_reservation)).or(positive(container.memory_reservation));
    let hard = || positive(given.and_then(|given| given.memory)).or(positive(container.memory));
    soft.or_else(hard).unwrap_or_default()
}

fn container_gpus(container: &ContainerDefinition, given: Option<&ContainerOverride>) -> u32 {
    let count = |requirements: &[ResourceRequirement]| {
        requirements
            .iter()
            .find(|requirement| requirement.r#type() == ResourceType::Gpu)
            .and_then(|requirement| requirement.value.as_deref()?.parse().ok())
    };
    given
        .and_then(|given| count(&given.resource_requirements))
        .or_else(|| count(&container.resource_requirements))
        .unwrap_or_default()
}

fn host_ports(definition: &TaskDefinition, protocol: TransportProtocol) -> Ports {
    let of_container = |mapping: &drydock_proto::ecs::PortMapping| {
        let port = match definition.network_mode() {
            NetworkMode::Awsvpc | NetworkMode::None => None,
            NetworkMode::Host => mapping.host_port.filter(|port| *port > 0).or(mapping.container_port),
            NetworkMode::Bridge | NetworkMode::Unspecified => mapping.host_port,
        };
        port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
    };
    let is_udp = protocol == TransportProtocol::Udp;
    definition
        .container_definitions
        .iter()
        .flat_map(|container| &container.port_mappings)
        .filter(|mapping| (mapping.protocol() == TransportProtocol::Udp) == is_udp)
        .filter_map(of_container)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::needs;

    fn check(definition: &str, overrides: &str, expected: &str) {
        let found = needs(&serde_json::from_str(definition).unwrap(), &serde_json::from_str(overrides).unwrap());
        let list = |ports: &super::Ports| ports.iter().map(|port| port.to_string()).collect::<Vec<_>>().join(",");
        let shown = format!(
            "cpu {} memory {} tcp {} udp {} gpus {}",
            found.cpu,
            found.memory_mib,
            list(&found.tcp),
            list(&found.udp),
            found.gpus
        );
        assert_eq!(shown, expected, "{definition} {overrides}");
    }

    // rule: 2.1/memory-counted, 2.1/overrides-obeyed
    #[test]
    fn what_tasks_need() {
        let two = r#"{"containerDefinitions": [
            {"name": "a", "cpu": 100, "memory": 300, "memoryReservation": 200,
             "portMappings": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "hostPort": 53, "protocol": "udp"}]},
            {"name": "b", "cpu": 28, "memory": 64, "portMappings": [{"containerPort": 81, "hostPort": 0}]}]}"#;
        check(two, "{}", "cpu 128 memory 264 tcp 8080 udp 53 gpus 0");
        check(
            two,
            r#"{"containerOverrides": [{"name": "a", "cpu": 500, "memoryReservation": 250}, {"name": "b", "memory": 100}]}"#,
            "cpu 528 memory 350 tcp 8080 udp 53 gpus 0",
        );
        check(two, r#"{"cpu": "1 vCPU", "memory": "2048"}"#, "cpu 1024 memory 2048 tcp 8080 udp 53 gpus 0");
        check(
            &two.replacen('{', r#"{"cpu": "256", "memory": "512", "#, 1),
            "{}",
            "cpu 256 memory 512 tcp 8080 udp 53 gpus 0",
        );
        check(&two.replacen('{', r#"{"networkMode": "awsvpc", "#, 1), "{}", "cpu 128 memory 264 tcp  udp  gpus 0");
        check(
            r#"{"networkMode": "host", "containerDefinitions": [{"memory": 5, "portMappings": [{"containerPort": 80}]}]}"#,
            "{}",
            "cpu 0 memory 5 tcp 80 udp  gpus 0",
        );
        check(
            r#"{"containerDefinitions": [{"name": "a", "memory": 5, "resourceRequirements": [{"type": "GPU", "value": "2"}]}]}"#,
            r#"{"containerOverrides": [{"name": "a", "resourceRequirements": [{"type": "GPU", "value": "1"}]}]}"#,
            "cpu 0 memory 5 tcp  udp  gpus 1",
        );
    }
}
