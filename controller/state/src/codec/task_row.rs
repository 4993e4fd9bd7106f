//! Encoding of task rows. What a service's task shares with its revision, service and deployment isn't written again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_model::status::{ContainerStatus, DesiredStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::{ecs, state as wire};
use prost::Message as _;

use super::Bad;
use super::parts::{
    attachment, binding, boxed, code, definition_key, from_attachment, from_binding, from_definition_key, from_id,
    from_interface, from_needs, from_task_key, id, interface, need, needs, task_key, text,
};
use super::row::WireRow;
use crate::key::{ClusterId, ServiceKey};
use crate::row::{ContainerRow, TaskLaunch, TaskOwner, TaskRow, TaskTimes};
use crate::state::State;

impl WireRow for TaskRow {
    type Wire = wire::TaskRow;
    const TABLE: u8 = 9;

    fn to_wire(&self) -> wire::TaskRow {
        let own = self.service.is_none().then(|| launch(&self.launch));
        wire::TaskRow { launch: own, ..self.to_wire_live() }
    }

    fn to_wire_fixed(&self) -> Option<wire::TaskRow> {
        let own = self.service.is_none().then(|| launch(&self.launch))?;
        Some(wire::TaskRow { launch: Some(own), ..wire::TaskRow::default() })
    }

    fn shares_fixed(&self, earlier: &Self) -> bool {
        Arc::ptr_eq(&self.launch, &earlier.launch)
    }

    fn to_wire_live(&self) -> wire::TaskRow {
        let own = self.service.is_none();
        wire::TaskRow {
            key: Some(task_key(self.key)),
            version: self.version,
            definition: Some(definition_key(&self.definition)),
            launch: None,
            service: self.service.map(|owner| owner.service.number),
            deployment: self.service.map_or(0, |owner| owner.deployment),
            revision: self.service.map_or(0, |owner| owner.revision),
            group: if own { self.group.to_string() } else { String::new() },
            started_by: if own { text(self.started_by.as_deref()) } else { None },
            capacity_provider: text(self.capacity_provider.as_deref()),
            instance: self.instance.map(id),
            hosted_by: self.hosted_by.map(|cluster| cluster.0),
            availability_zone: text(self.availability_zone.as_deref()),
            gpus: self.gpus.iter().map(ToString::to_string).collect(),
            last_status: self.last_status.code(),
            desired_status: self.desired_status.code(),
            health: self.health.code(),
            health_since: self.health_since,
            stop_code: self.stop_code.map(StopCode::code),
            stopped_reason: text(self.stopped_reason.as_deref()),
            report_sequence: self.report_sequence,
            created_at: self.times.created_at,
            connectivity_at: self.times.connectivity_at,
            pull_started_at: self.times.pull_started_at,
            pull_stopped_at: self.times.pull_stopped_at,
            started_at: self.times.started_at,
            stopping_at: self.times.stopping_at,
            execution_stopped_at: self.times.execution_stopped_at,
            stopped_at: self.times.stopped_at,
            status_since: self.times.status_since,
            containers: self.containers.iter().map(container).collect(),
            attachments: self.attachments.iter().map(attachment).collect(),
            deadline: self.deadline,
            protected_until: self.protected_until,
            tags: self.tags.to_vec(),
        }
    }
}

/// What decoded tasks share, so that a state costs no more memory after an import than before the export.
#[derive(Debug, Default)]
pub(crate) struct Launches {
    launches: BTreeMap<Vec<u8>, Arc<TaskLaunch>>,
    texts: BTreeSet<Arc<str>>,
}

impl Launches {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let made: Arc<str> = Arc::from(text);
        self.texts.insert(Arc::clone(&made));
        made
    }

    fn launch(&mut self, message: wire::TaskLaunch) -> Result<Arc<TaskLaunch>, Bad> {
        let bytes = message.encode_to_vec();
        if let Some(known) = self.launches.get(&bytes) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(from_launch(message)?);
        self.launches.insert(bytes, Arc::clone(&made));
        Ok(made)
    }

    /// The row of a task; `state` holds the rows of all other tables already.
    pub(crate) fn task(&mut self, state: &State, row: wire::TaskRow) -> Result<TaskRow, Bad> {
        let key = from_task_key(&need(row.key, "key of a task")?);
        let mut definition = from_definition_key(need(row.definition, "definition of a task")?);
        let known = state.definition(&definition).ok_or_else(|| Bad::missing("task definition of a task"))?;
        definition.family = Arc::clone(&known.key.family);
        let owner = row.service.map(|number| TaskOwner {
            service: ServiceKey { cluster: key.cluster, number },
            deployment: row.deployment,
            revision: row.revision,
        });
        let (launch, group, started_by) = match owner {
            Some(owner) => shared_of(state, owner)?,
            None => (
                self.launch(need(row.launch, "launch of a task")?)?,
                self.text(&row.group),
                row.started_by.map(|text| self.text(&text)),
            ),
        };
        Ok(TaskRow {
            key,
            version: row.version,
            definition,
            launch,
            service: owner,
            group,
            started_by,
            capacity_provider: row.capacity_provider.map(|name| self.text(&name)),
            instance: row.instance.as_ref().map(from_id),
            hosted_by: row.hosted_by.map(ClusterId),
            availability_zone: row.availability_zone.map(|zone| self.text(&zone)),
            gpus: row.gpus.into_iter().map(Into::into).collect(),
            last_status: code("task status", row.last_status, TaskStatus::from_code)?,
            desired_status: code("desired status", row.desired_status, DesiredStatus::from_code)?,
            health: code("health status", row.health, HealthStatus::from_code)?,
            health_since: row.health_since,
            stop_code: row.stop_code.map(|number| code("stop code", number, StopCode::from_code)).transpose()?,
            stopped_reason: row.stopped_reason.map(|reason| self.text(&reason)),
            report_sequence: row.report_sequence,
            times: TaskTimes {
                created_at: row.created_at,
                connectivity_at: row.connectivity_at,
                pull_started_at: row.pull_started_at,
                pull_stopped_at: row.pull_stopped_at,
                started_at: row.started_at,
                stopping_at: row.stopping_at,
                execution_stopped_at: row.execution_stopped_at,
                stopped_at: row.stopped_at,
                status_since: row.status_since,
            },
            containers: row.containers.into_iter().map(from_container).collect::<Result<_, _>>()?,
            attachments: row.attachments.into_iter().map(from_attachment).collect(),
            tags: row.tags.into(),
            deadline: row.deadline,
            protected_until: row.protected_until,
        })
    }
}

type Shared = (Arc<TaskLaunch>, Arc<str>, Option<Arc<str>>);

fn shared_of(state: &State, owner: TaskOwner) -> Result<Shared, Bad> {
    let missing = || Bad::missing("service, deployment, task set or revision of a task");
    let service = state.service(owner.service).ok_or_else(missing)?;
    let deployment = state.deployment(owner.service.deployment(owner.deployment)).map(|row| &row.started_by);
    let task_set = || state.task_set(owner.service.task_set(owner.deployment)).map(|row| &row.started_by);
    let started_by = deployment.or_else(task_set).ok_or_else(missing)?;
    let revision = state.revision(owner.service.revision(owner.revision)).ok_or_else(missing)?;
    Ok((Arc::clone(&revision.launch), Arc::clone(&service.group), Some(Arc::clone(started_by))))
}

pub(super) fn launch(launch: &TaskLaunch) -> wire::TaskLaunch {
    wire::TaskLaunch {
        launch_type: launch.launch_type as i32,
        platform_version: text(launch.platform_version.as_deref()),
        needs: Some(needs(&launch.needs)),
        overrides: launch.overrides.clone(),
        network_configuration: launch.network_configuration.clone(),
        enable_execute_command: launch.enable_execute_command,
        enable_ecs_managed_tags: launch.enable_ecs_managed_tags,
        placement_constraints: launch.placement_constraints.clone(),
        placement_strategy: launch.placement_strategy.clone(),
        volume_configurations: launch.volume_configurations.clone(),
    }
}

pub(super) fn from_launch(launch: wire::TaskLaunch) -> Result<TaskLaunch, Bad> {
    Ok(TaskLaunch {
        launch_type: ecs::LaunchType::try_from(launch.launch_type)
            .map_err(|_| Bad::unknown("launch type", launch.launch_type))?,
        platform_version: boxed(launch.platform_version),
        needs: from_needs(&need(launch.needs, "needs of a launch")?)?,
        overrides: launch.overrides,
        network_configuration: launch.network_configuration,
        enable_execute_command: launch.enable_execute_command,
        enable_ecs_managed_tags: launch.enable_ecs_managed_tags,
        placement_constraints: launch.placement_constraints,
        placement_strategy: launch.placement_strategy,
        volume_configurations: launch.volume_configurations,
    })
}

fn container(row: &ContainerRow) -> wire::Container {
    wire::Container {
        last_status: row.last_status.code(),
        exit_code: row.exit_code,
        reason: text(row.reason.as_deref()),
        runtime_id: text(row.runtime_id.as_deref()),
        image_digest: text(row.image_digest.as_deref()),
        health: row.health.code(),
        network_bindings: row.network_bindings.iter().map(binding).collect(),
        network_interfaces: row.network_interfaces.iter().map(interface).collect(),
        restart_count: row.restart_count,
    }
}

fn from_container(row: wire::Container) -> Result<ContainerRow, Bad> {
    Ok(ContainerRow {
        last_status: code("container status", row.last_status, ContainerStatus::from_code)?,
        exit_code: row.exit_code,
        reason: boxed(row.reason),
        runtime_id: boxed(row.runtime_id),
        image_digest: boxed(row.image_digest),
        health: code("health status", row.health, HealthStatus::from_code)?,
        network_bindings: row.network_bindings.into_iter().map(from_binding).collect::<Result<_, _>>()?,
        network_interfaces: row.network_interfaces.into_iter().map(from_interface).collect(),
        restart_count: row.restart_count,
    })
}
