//! What a task asks for once its overrides are in: the input of every runtime. Pure data.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_model::task_size;
use drydock_proto::agent::AssignedTask;
use drydock_proto::ecs::{
    ContainerDefinition, ContainerOverride, IpcMode, KeyValuePair, LaunchType, NetworkMode, PidMode,
    ResourceRequirement, TaskDefinition, TransportProtocol,
};

use crate::limits::{DEPENDENCY_WAIT_MS, Millis, STOP_TIMEOUT_MS};

/// A task as assigned, with its definition and its overrides merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// As the controllers assigned it.
    pub assigned: AssignedTask,
    /// Its task definition, unchanged.
    pub definition: Arc<TaskDefinition>,
    /// The containers with `overrides.containerOverrides` obeyed, in the definition's order.
    pub containers: Vec<ContainerDefinition>,
}

/// One container of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    /// The task it belongs to.
    pub task: Arc<TaskSpec>,
    /// Its place in [`TaskSpec::containers`].
    pub index: usize,
}

/// What a task takes of its instance (ecs-semantics §2.1, §2.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// CPU units, 1,024 a vCPU.
    pub cpu: u64,
    /// MiB.
    pub memory_mib: u64,
    /// Fixed host ports, with whether they are UDP.
    pub ports: BTreeSet<(bool, u16)>,
}

impl TaskSpec {
    /// Merges the overrides of `assigned` into the containers of `definition`.
    #[must_use]
    pub fn new(assigned: AssignedTask, definition: Arc<TaskDefinition>) -> Self {
        let overrides = assigned.overrides.as_ref().map(|all| all.container_overrides.as_slice()).unwrap_or_default();
        let containers = definition
            .container_definitions
            .iter()
            .map(|container| {
                let mut merged = container.clone();
                for change in overrides.iter().filter(|change| change.name == container.name) {
                    merge(&mut merged, change);
                }
                merged
            })
            .collect();
        Self { assigned, definition, containers }
    }

    /// Its ARN.
    #[must_use]
    pub fn task_arn(&self) -> &str {
        &self.assigned.task_arn
    }

    /// The last part of its ARN: 32 hex digits.
    #[must_use]
    pub fn task_id(&self) -> &str {
        drydock_model::arn::short_name(&self.assigned.task_arn)
    }

    /// `networkMode`; absent means awsvpc on Fargate and bridge elsewhere.
    #[must_use]
    pub fn network_mode(&self) -> NetworkMode {
        match self.definition.network_mode() {
            NetworkMode::Unspecified if self.assigned.launch_type() == LaunchType::Fargate => NetworkMode::Awsvpc,
            NetworkMode::Unspecified => NetworkMode::Bridge,
            mode => mode,
        }
    }

    /// Whether it has a network interface of its own: such a task is PROVISIONING until it is there, and DEPROVISIONING
    /// until it is given back (ecs-semantics §2.1).
    #[must_use]
    pub fn has_interface(&self) -> bool {
        self.network_mode() == NetworkMode::Awsvpc
    }

    /// Whether its containers share namespaces that must be there before them: networkMode awsvpc, or pidMode or
    /// ipcMode `task`.
    #[must_use]
    pub fn needs_namespaces(&self) -> bool {
        self.has_interface()
            || self.definition.pid_mode() == PidMode::Task
            || self.definition.ipc_mode() == IpcMode::Task
    }

    /// CPU units of the whole task, where set.
    #[must_use]
    pub fn cpu_units(&self) -> Option<u64> {
        let overridden = self.assigned.overrides.as_ref().and_then(|all| all.cpu.as_deref());
        overridden.or(self.definition.cpu.as_deref()).and_then(task_size::parse_cpu).map(u64::from)
    }

    /// MiB of the whole task, where set.
    #[must_use]
    pub fn memory_mib(&self) -> Option<u64> {
        let overridden = self.assigned.overrides.as_ref().and_then(|all| all.memory.as_deref());
        overridden.or(self.definition.memory.as_deref()).and_then(task_size::parse_memory).map(u64::from)
    }

    /// What it takes of its instance: the task's own numbers where set, else the sum over its containers, a memory
    /// reservation before a hard limit (ecs-semantics §2.1).
    #[must_use]
    pub fn needs(&self) -> Needs {
        let sum = |of: &dyn Fn(&ContainerDefinition) -> Option<i32>| -> u64 {
            self.containers.iter().filter_map(of).filter_map(|units| u64::try_from(units).ok()).sum()
        };
        Needs {
            cpu: self.cpu_units().unwrap_or_else(|| sum(&|container| container.cpu)),
            memory_mib: self.memory_mib().unwrap_or_else(|| sum(&|c| c.memory_reservation.or(c.memory))),
            ports: self.host_ports(),
        }
    }

    fn host_ports(&self) -> BTreeSet<(bool, u16)> {
        let mode = self.network_mode();
        let mappings = self.containers.iter().flat_map(|container| &container.port_mappings);
        mappings
            .filter_map(|mapping| {
                let port = match mode {
                    NetworkMode::Bridge => mapping.host_port,
                    NetworkMode::Host => mapping.host_port.filter(|port| *port != 0).or(mapping.container_port),
                    _ => None,
                };
                let port = u16::try_from(port?).ok().filter(|port| *port != 0)?;
                Some((mapping.protocol() == TransportProtocol::Udp, port))
            })
            .collect()
    }

    /// The container at a place.
    #[must_use]
    pub fn container(self: &Arc<Self>, index: usize) -> ContainerSpec {
        ContainerSpec { task: Arc::clone(self), index }
    }
}

impl ContainerSpec {
    /// Its definition, overrides obeyed.
    ///
    /// # Panics
    /// Never: a spec is only made for a container that the task has.
    #[must_use]
    pub fn definition(&self) -> &ContainerDefinition {
        &self.task.containers[self.index]
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.definition().name()
    }

    /// The image to run: the definition's, by the digest that the controllers have pinned it to, where they have
    /// (ecs-semantics §2.3, version consistency).
    #[must_use]
    pub fn image(&self) -> Cow<'_, str> {
        let image = self.definition().image();
        match self.task.assigned.image_digests.get(self.name()) {
            Some(digest) => Cow::Owned(format!("{}@{digest}", repository(image))),
            None => Cow::Borrowed(image),
        }
    }
}

/// An image's name without its tag or digest.
#[must_use]
pub fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let from = image.rfind('/').map_or(0, |slash| slash + 1);
    image[from..].find(':').map_or(image, |colon| &image[..from + colon])
}

/// Whether a container's end ends its task: omitted means yes (ecs-semantics §2.1).
#[must_use]
pub fn is_essential(container: &ContainerDefinition) -> bool {
    container.essential.unwrap_or(true)
}

/// Between SIGTERM and SIGKILL.
#[must_use]
pub fn stop_timeout_ms(container: &ContainerDefinition) -> Millis {
    seconds(container.stop_timeout).unwrap_or(STOP_TIMEOUT_MS)
}

/// How long dependents wait for a condition of this container, from its start.
#[must_use]
pub fn start_timeout_ms(container: &ContainerDefinition) -> Millis {
    seconds(container.start_timeout).unwrap_or(DEPENDENCY_WAIT_MS)
}

fn seconds(value: Option<i32>) -> Option<Millis> {
    u64::try_from(value?).ok().map(|seconds| seconds * 1_000)
}

fn merge(container: &mut ContainerDefinition, change: &ContainerOverride) {
    if !change.command.is_empty() {
        container.command.clone_from(&change.command);
    }
    merge_environment(&mut container.environment, &change.environment);
    container.environment_files.extend(change.environment_files.iter().cloned());
    container.cpu = change.cpu.or(container.cpu);
    container.memory = change.memory.or(container.memory);
    container.memory_reservation = change.memory_reservation.or(container.memory_reservation);
    merge_requirements(&mut container.resource_requirements, &change.resource_requirements);
}

/// An override replaces the variable of its name, and adds what isn't there.
fn merge_environment(into: &mut Vec<KeyValuePair>, changes: &[KeyValuePair]) {
    for change in changes {
        match into.iter_mut().find(|variable| variable.name == change.name) {
            Some(variable) => variable.value.clone_from(&change.value),
            None => into.push(change.clone()),
        }
    }
}

fn merge_requirements(into: &mut Vec<ResourceRequirement>, changes: &[ResourceRequirement]) {
    for change in changes {
        match into.iter_mut().find(|requirement| requirement.r#type == change.r#type) {
            Some(requirement) => requirement.value.clone_from(&change.value),
            None => into.push(change.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drydock_proto::ecs::{PortMapping, TaskOverride};

    use super::{
        AssignedTask, ContainerDefinition, ContainerOverride, KeyValuePair, NetworkMode, TaskDefinition, TaskSpec,
    };

    fn pair(name: &str, value: &str) -> KeyValuePair {
        KeyValuePair { name: Some(name.into()), value: Some(value.into()) }
    }

    fn app() -> ContainerDefinition {
        ContainerDefinition {
            name: Some("app".into()),
            cpu: Some(100),
            memory: Some(300),
            memory_reservation: Some(200),
            command: vec!["serve".into()],
            environment: vec![pair("A", "1"), pair("B", "2")],
            port_mappings: vec![
                PortMapping { container_port: Some(80), host_port: Some(8080), ..Default::default() },
                PortMapping { container_port: Some(81), host_port: Some(0), ..Default::default() },
                PortMapping { container_port: Some(82), ..Default::default() },
            ],
            ..Default::default()
        }
    }

    fn spec(overrides: Option<TaskOverride>, change: impl FnOnce(&mut TaskDefinition)) -> TaskSpec {
        let mut definition = TaskDefinition { container_definitions: vec![app()], ..Default::default() };
        change(&mut definition);
        TaskSpec::new(AssignedTask { overrides, ..Default::default() }, Arc::new(definition))
    }

    // rule: 2.1/overrides-obeyed, 2.2/unit-spellings
    #[test]
    fn overrides_are_obeyed() {
        let container = ContainerOverride {
            name: Some("app".into()),
            command: vec!["migrate".into()],
            environment: vec![pair("B", "3"), pair("C", "4")],
            cpu: Some(7),
            memory: Some(64),
            ..Default::default()
        };
        let overrides = TaskOverride {
            container_overrides: vec![container],
            cpu: Some(".5 vCPU".into()),
            memory: Some("1.5GB".into()),
            ..Default::default()
        };
        let spec = spec(Some(overrides), |definition| definition.cpu = Some("256".into()));
        let merged = &spec.containers[0];
        assert_eq!(merged.command, ["migrate"]);
        assert_eq!(merged.environment, [pair("A", "1"), pair("B", "3"), pair("C", "4")]);
        assert_eq!((merged.cpu, merged.memory, merged.memory_reservation), (Some(7), Some(64), Some(200)));
        assert_eq!(spec.cpu_units(), Some(512));
        assert_eq!((spec.needs().cpu, spec.needs().memory_mib), (512, 1_536), "spelled as requests may spell them");
        assert_eq!(spec.definition.container_definitions[0], app(), "the definition stays as it was");
    }

    // rule: 2.3/version-consistency
    #[test]
    fn the_image_is_the_one_that_the_deployment_is_pinned_to() {
        for (given, pinned) in [
            ("web", "web@sha256:1"),
            ("web:3", "web@sha256:1"),
            ("r.example:5000/team/web", "r.example:5000/team/web@sha256:1"),
            ("r.example:5000/team/web:3", "r.example:5000/team/web@sha256:1"),
        ] {
            let mut spec = spec(None, |definition| definition.container_definitions[0].image = Some(given.into()));
            assert_eq!(Arc::new(spec.clone()).container(0).image(), given);
            spec.assigned.image_digests = [("app".to_owned(), "sha256:1".to_owned())].into();
            assert_eq!(Arc::new(spec).container(0).image(), pinned);
        }
    }

    // rule: 2.1/memory-counted, 2.5/shared-namespace
    #[test]
    fn needs_follow_the_network_mode_and_the_task_size() {
        let bridge = spec(None, |_| ()).needs();
        assert_eq!((bridge.cpu, bridge.memory_mib), (100, 200));
        assert_eq!(bridge.ports.into_iter().collect::<Vec<_>>(), [(false, 8080)]);
        let host = spec(None, |definition| definition.network_mode = Some(NetworkMode::Host.into())).needs();
        assert_eq!(host.ports.into_iter().collect::<Vec<_>>(), [(false, 81), (false, 82), (false, 8080)]);
        let awsvpc = spec(None, |definition| {
            definition.network_mode = Some(NetworkMode::Awsvpc.into());
            definition.cpu = Some("1024".into());
            definition.memory = Some("2048".into());
        });
        assert_eq!(awsvpc.needs(), super::Needs { cpu: 1_024, memory_mib: 2_048, ..Default::default() });
    }
}
