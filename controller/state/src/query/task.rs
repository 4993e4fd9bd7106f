//! Tasks: DescribeTasks, ListTasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_model::status::{ContainerStatus, DesiredStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs::{self, LaunchType, TaskField};

use super::{Arns, Query, list, lookup, time};
use crate::key::{InstanceKey, TaskKey};
use crate::row::{ClusterRow, ContainerRow, DefinitionRow, TaskRow};

/// `desiredStatus` that a list without a filter on it shows.
const LISTED: ecs::DesiredStatus = ecs::DesiredStatus::Running;

impl<'a> Query<'a> {
    /// DescribeTasks.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn describe_tasks(&self, request: &ecs::DescribeTasksRequest) -> Result<ecs::DescribeTasksResponse, EcsError> {
        requests::tasks::describe_tasks(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let with_tags = request.include().any(|field| field == TaskField::Tags);
        let mut response = ecs::DescribeTasksResponse::default();
        for name in &request.tasks {
            match lookup::task(self.state, self.scope, cluster, name) {
                Some(row) => {
                    let mut task = self.render_task(row);
                    if !with_tags {
                        task.tags = Vec::new();
                    }
                    response.tasks.push(task);
                }
                None => response.failures.push(list::missing(self.task_arn(cluster, name))),
            }
        }
        Ok(response)
    }

    /// ExecuteCommand: no task has it enabled, since that is refused where a task is launched.
    ///
    /// # Errors
    /// Always: `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn execute_command(
        &self,
        request: &ecs::ExecuteCommandRequest,
    ) -> Result<ecs::ExecuteCommandResponse, EcsError> {
        requests::tasks::execute_command(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let row = lookup::task(self.state, self.scope, cluster, request.task());
        let row = row.ok_or_else(|| EcsError::invalid_parameter("The referenced task was not found."))?;
        Err(EcsError::invalid_parameter(match row.is_stopped() {
            true => "The execute command failed because the task is stopped.",
            false => {
                "The execute command failed because execute command was not enabled when the task was run or the execute \
                 command agent isn't running. Wait and try again or run a new task with execute command enabled and try \
                 again."
            }
        }))
    }

    /// ListTasks: those whose desiredStatus is RUNNING where none is asked for.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`, `ServiceNotFoundException`.
    pub fn list_tasks(&self, request: &ecs::ListTasksRequest) -> Result<ecs::ListTasksResponse, EcsError> {
        let page = requests::tasks::list_tasks(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let after = list::after(page.after.as_deref());
        let rows = self.tasks_asked(cluster, request, after)?;
        let desired = if request.desired_status.is_some() { request.desired_status() } else { LISTED };
        let launch_type = request.launch_type.map(|_| request.launch_type());
        let rows = rows.filter(move |row| {
            Some(row.key.id) > after
                && matches_desired(row, desired)
                && launch_type.is_none_or(|of| row.launch.launch_type == of)
                && request.family.as_deref().is_none_or(|family| *row.definition.family == *family)
                && request.started_by.as_deref().is_none_or(|by| row.started_by.as_deref() == Some(by))
        });
        let (rows, next_token) = page.cut(rows, |row| row.key.to_string());
        let arns = self.arns(cluster);
        Ok(ecs::ListTasksResponse { task_arns: rows.into_iter().map(|row| arns.task(row.key)).collect(), next_token })
    }

    /// The tasks that the most selective filter leaves, by id.
    fn tasks_asked(
        &self,
        cluster: &'a ClusterRow,
        request: &ecs::ListTasksRequest,
        after: Option<u128>,
    ) -> Result<Box<dyn Iterator<Item = &'a Arc<TaskRow>> + 'a>, EcsError> {
        let state = self.state;
        let by_id = |rows: Vec<&'a Arc<TaskRow>>| -> Box<dyn Iterator<Item = &'a Arc<TaskRow>> + 'a> {
            Box::new(rows.into_iter().map(|row| (row.key.id, row)).collect::<BTreeMap<_, _>>().into_values())
        };
        let instance = match request.container_instance.as_deref() {
            Some(name) => Some(
                lookup::instance(state, self.scope, cluster, name)
                    .ok_or_else(|| EcsError::invalid_parameter("The referenced container instance was not found."))?,
            ),
            None => None,
        };
        if let Some(name) = request.service_name.as_deref() {
            let row = lookup::service(state, self.scope, cluster.id, name).ok_or_else(EcsError::service_not_found)?;
            let key = instance.map(|row| row.key.id);
            let rows = state.live_tasks_of(row.key).chain(state.stopped_tasks_of(row.key));
            let is_there = |row: &&Arc<TaskRow>| key.is_none() || (row.instance == key && row.is_shown_on_instance());
            return Ok(by_id(rows.filter(is_there).collect()));
        }
        if let Some(row) = instance {
            let rows = state.live_tasks_on(row.key).chain(state.stopped_tasks_on(row.key));
            return Ok(by_id(rows.filter(|row| row.is_shown_on_instance()).collect()));
        }
        if let Some(by) = request.started_by.as_deref() {
            return Ok(by_id(state.tasks_started_by(cluster.id, by).collect()));
        }
        if let Some(family) = request.family.as_deref() {
            return Ok(by_id(state.tasks_of_family(cluster.id, family).collect()));
        }
        Ok(Box::new(state.tasks_in(cluster.id, after.unwrap_or(0)..=u128::MAX)))
    }

    /// A task as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_task(&self, row: &TaskRow) -> ecs::Task {
        let name: Arc<str> = self.state.cluster(row.key.cluster).map_or_else(|| "".into(), |row| Arc::clone(&row.name));
        let definition = self.state.definition(&row.definition);
        let mut task = render(Arns::new(self.scope, &name), row, definition.map(|row| &**row));
        let connected = row.instance_key().and_then(|key| self.state.instance(key)).map(|row| row.agent_connected);
        if task.connectivity.is_some() && !row.is_stopped() && connected == Some(false) {
            task.set_connectivity(ecs::Connectivity::Disconnected);
        }
        task
    }

    pub(super) fn task_arn(&self, cluster: &ClusterRow, name: &str) -> String {
        match u128::from_str_radix(name, 16) {
            Ok(id) if name.len() == 32 => {
                Arns::new(self.scope, &cluster.name).task(TaskKey { cluster: cluster.id, id })
            }
            _ => name.to_owned(),
        }
    }
}

fn matches_desired(row: &TaskRow, desired: ecs::DesiredStatus) -> bool {
    match desired {
        ecs::DesiredStatus::Stopped => row.desired_status == DesiredStatus::Stopped,
        // ECS never sets it (ecs-semantics §2.1).
        ecs::DesiredStatus::Pending => false,
        ecs::DesiredStatus::Running | ecs::DesiredStatus::Unspecified => row.desired_status == DesiredStatus::Running,
    }
}

/// A task as the API and its events show it. On Fargate no container instance is shown, as in ECS.
pub(super) fn render(arns: Arns<'_>, row: &TaskRow, definition: Option<&DefinitionRow>) -> ecs::Task {
    let (launch, times) = (&row.launch, &row.times);
    let fargate = launch.launch_type == LaunchType::Fargate;
    let text = |value: &Option<Box<str>>| value.as_ref().map(ToString::to_string);
    let at = |value: Option<u64>| value.map(time::timestamp);
    let instance = row.instance.filter(|_| !fargate);
    let mut task = ecs::Task {
        attachments: row.attachments.iter().map(attachment).collect(),
        attributes: attributes(definition),
        availability_zone: row.availability_zone.as_ref().map(ToString::to_string),
        capacity_provider_name: row.capacity_provider.as_ref().map(ToString::to_string),
        cluster_arn: Some(arns.cluster()),
        connectivity_at: at(times.connectivity_at),
        container_instance_arn: instance.map(|id| arns.instance(InstanceKey { cluster: row.key.cluster, id })),
        containers: containers(arns, row, definition),
        cpu: Some(launch.needs.cpu.to_string()),
        created_at: Some(time::timestamp(times.created_at)),
        desired_status: Some(row.desired_status.to_string()),
        enable_execute_command: Some(launch.enable_execute_command),
        execution_stopped_at: at(times.execution_stopped_at),
        group: Some(row.group.to_string()),
        last_status: Some(row.last_status.to_string()),
        memory: Some(launch.needs.memory_mib.to_string()),
        overrides: Some(overrides(row, definition)),
        platform_version: text(&launch.platform_version),
        platform_family: platform_family(launch.launch_type, definition),
        pull_started_at: at(times.pull_started_at),
        pull_stopped_at: at(times.pull_stopped_at),
        started_at: at(times.started_at),
        started_by: row.started_by.as_ref().map(ToString::to_string),
        stopped_at: at(times.stopped_at),
        stopped_reason: row.stopped_reason.as_ref().map(ToString::to_string),
        stopping_at: at(times.stopping_at),
        tags: tags(row, arns.cluster_name()),
        task_arn: Some(arns.task(row.key)),
        task_definition_arn: Some(arns.definition(&row.definition)),
        version: Some(i64::try_from(row.version).unwrap_or(i64::MAX)),
        ephemeral_storage: ephemeral_storage(
            launch.launch_type,
            launch.overrides.as_ref().and_then(|overrides| overrides.ephemeral_storage),
            definition.and_then(|row| row.document.ephemeral_storage),
        ),
        ..ecs::Task::default()
    };
    task.set_launch_type(launch.launch_type);
    task.set_health_status(health(row.health));
    if times.connectivity_at.is_some() {
        task.set_connectivity(ecs::Connectivity::Connected);
    }
    if let Some(code) = row.stop_code {
        task.set_stop_code(stop_code(code));
    }
    task
}

/// What was asked for, for this task or by its task definition; a Fargate task always has some.
fn ephemeral_storage(
    launch_type: LaunchType,
    overridden: Option<ecs::EphemeralStorage>,
    defined: Option<ecs::EphemeralStorage>,
) -> Option<ecs::EphemeralStorage> {
    const FARGATE_GIB: i32 = 20;
    let fargate = launch_type == LaunchType::Fargate;
    let default = fargate.then_some(ecs::EphemeralStorage { size_in_gi_b: Some(FARGATE_GIB) });
    overridden.or(defined).filter(|_| fargate).or(default)
}

/// Its own tags, with ECS's where they are asked for.
pub(super) fn tags(row: &TaskRow, cluster: &str) -> Vec<ecs::Tag> {
    let mut tags = row.tags.to_vec();
    if row.launch.enable_ecs_managed_tags {
        let tag = |key: &str, value: &str| ecs::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        tags.push(tag("aws:ecs:clusterName", cluster));
        if let Some(service) = row.group.strip_prefix("service:") {
            tags.push(tag("aws:ecs:serviceName", service));
        }
    }
    tags
}

/// `platformFamily`: Fargate only. Windows shows the task definition's own family.
pub(super) fn platform_family(launch_type: LaunchType, definition: Option<&DefinitionRow>) -> Option<String> {
    use drydock_proto::json::WireEnum as _;

    (launch_type == LaunchType::Fargate).then_some(())?;
    let os =
        definition.and_then(|row| row.document.runtime_platform).map(|platform| platform.operating_system_family());
    match os {
        Some(os) if drydock_model::fargate::is_windows(os) => ecs::OsFamily::spelling(os.into()).map(str::to_owned),
        _ => Some("Linux".to_owned()),
    }
}

fn attributes(definition: Option<&DefinitionRow>) -> Vec<ecs::Attribute> {
    let platform = definition.and_then(|row| row.document.runtime_platform);
    let value = match platform.map(|platform| platform.cpu_architecture()) {
        Some(ecs::CpuArchitecture::Arm64) => "arm64",
        _ => "x86_64",
    };
    vec![ecs::Attribute {
        name: Some("ecs.cpu-architecture".to_owned()),
        value: Some(value.to_owned()),
        ..ecs::Attribute::default()
    }]
}

/// ECS shows an override of every container, empty ones too.
fn overrides(row: &TaskRow, definition: Option<&DefinitionRow>) -> ecs::TaskOverride {
    let given = row.launch.overrides.clone().unwrap_or_default();
    let names = definition.into_iter().flat_map(|row| row.document.container_definitions.iter());
    let containers = names.map(|container| {
        let of = given.container_overrides.iter().find(|given| given.name == container.name).cloned();
        of.unwrap_or_else(|| ecs::ContainerOverride { name: container.name.clone(), ..Default::default() })
    });
    ecs::TaskOverride { container_overrides: containers.collect(), ..given }
}

fn containers(arns: Arns<'_>, row: &TaskRow, definition: Option<&DefinitionRow>) -> Vec<ecs::Container> {
    let definitions = definition.map(|row| &row.document.container_definitions[..]).unwrap_or_default();
    let all = definitions.iter().enumerate();
    all.map(|(at, definition)| {
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        let mut container = ecs::Container {
            container_arn: Some(arns.container(row.key, place)),
            task_arn: Some(arns.task(row.key)),
            name: definition.name.clone(),
            image: definition.image.clone(),
            cpu: Some(definition.cpu.unwrap_or(0).to_string()),
            memory: definition.memory.map(|mib| mib.to_string()),
            memory_reservation: definition.memory_reservation.map(|mib| mib.to_string()),
            ..ecs::Container::default()
        };
        match row.containers.get(at) {
            Some(live) => fill(&mut container, live),
            None => {
                let unborn = if row.is_stopped() { ContainerStatus::Stopped } else { ContainerStatus::Pending };
                container.last_status = Some(unborn.to_string());
                container.set_health_status(ecs::HealthStatus::Unknown);
            }
        }
        if row.last_status == TaskStatus::Stopped {
            container.last_status = Some(ContainerStatus::Stopped.to_string());
        }
        container
    })
    .collect()
}

fn fill(container: &mut ecs::Container, row: &ContainerRow) {
    let text = |value: &Option<Box<str>>| value.as_ref().map(ToString::to_string);
    container.last_status = Some(row.last_status.to_string());
    container.exit_code = row.exit_code;
    container.reason = text(&row.reason);
    container.runtime_id = text(&row.runtime_id);
    container.image_digest = text(&row.image_digest);
    container.set_health_status(health(row.health));
    let bindings = row.network_bindings.iter().map(|binding| {
        let mut shown = ecs::NetworkBinding {
            bind_ip: Some(binding.bind_ip.to_string()),
            container_port: Some(i32::from(binding.container_port)).filter(|port| *port > 0),
            host_port: Some(i32::from(binding.host_port)).filter(|port| *port > 0),
            container_port_range: text(&binding.container_port_range),
            host_port_range: text(&binding.host_port_range),
            ..ecs::NetworkBinding::default()
        };
        let udp = binding.udp;
        shown.set_protocol(if udp { ecs::TransportProtocol::Udp } else { ecs::TransportProtocol::Tcp });
        shown
    });
    container.network_bindings = bindings.collect();
    let interfaces = row.network_interfaces.iter().map(|interface| ecs::NetworkInterface {
        attachment_id: Some(interface.attachment_id.to_string()),
        private_ipv4_address: text(&interface.private_ipv4),
        ipv6_address: text(&interface.ipv6),
    });
    container.network_interfaces = interfaces.collect();
}

pub(super) fn attachment(row: &crate::row::AttachmentRow) -> ecs::Attachment {
    let details = row
        .details
        .iter()
        .map(|(name, value)| ecs::KeyValuePair { name: Some(name.to_string()), value: Some(value.to_string()) });
    ecs::Attachment {
        id: Some(row.id.to_string()),
        r#type: Some(row.kind.to_string()),
        status: Some(row.status.to_string()),
        details: details.collect(),
    }
}

fn health(status: HealthStatus) -> ecs::HealthStatus {
    match status {
        HealthStatus::Healthy => ecs::HealthStatus::Healthy,
        HealthStatus::Unhealthy => ecs::HealthStatus::Unhealthy,
        HealthStatus::Unknown => ecs::HealthStatus::Unknown,
    }
}

fn stop_code(code: StopCode) -> ecs::TaskStopCode {
    match code {
        StopCode::TaskFailedToStart => ecs::TaskStopCode::TaskFailedToStart,
        StopCode::EssentialContainerExited => ecs::TaskStopCode::EssentialContainerExited,
        StopCode::UserInitiated => ecs::TaskStopCode::UserInitiated,
        StopCode::ServiceSchedulerInitiated => ecs::TaskStopCode::ServiceSchedulerInitiated,
        StopCode::SpotInterruption => ecs::TaskStopCode::SpotInterruption,
        StopCode::TerminationNotice => ecs::TaskStopCode::TerminationNotice,
        StopCode::InfrastructureHealth => ecs::TaskStopCode::InfrastructureHealth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rule: 2.1/ephemeral-range, 2.1/overrides-obeyed
    #[test]
    fn a_fargate_task_shows_its_storage() {
        let gib = |size| Some(ecs::EphemeralStorage { size_in_gi_b: Some(size) });
        for (launch_type, overridden, defined, expected) in [
            (LaunchType::Fargate, None, None, gib(20)),
            (LaunchType::Fargate, None, gib(30), gib(30)),
            (LaunchType::Fargate, gib(40), gib(30), gib(40)),
            (LaunchType::Ec2, None, gib(30), None),
        ] {
            assert_eq!(ephemeral_storage(launch_type, overridden, defined), expected);
        }
    }
}
