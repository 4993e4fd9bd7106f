//! How a task begins, is told to stop, and ends (ecs-semantics §2.1): resources are taken once and given back once.

use std::sync::Arc;

use drydock_model::resources::Needs;
use drydock_model::status::{ContainerStatus, DesiredStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs;

use super::Apply;
use crate::event::EventKind;
use crate::key::{ClusterId, InstanceKey, Key, Millis};
use crate::outcome::Halt;
use crate::row::{AttachmentRow, ContainerRow, DefinitionRow, InstanceRow, TaskLaunch, TaskOwner, TaskRow, TaskTimes};
use crate::subnets::subnet_at;

/// What a new task is made from.
pub(super) struct NewTask {
    pub(super) cluster: ClusterId,
    /// None where the task waits for an instance of its capacity provider.
    pub(super) instance: Option<u128>,
    pub(super) capacity_provider: Option<Arc<str>>,
    pub(super) definition: Arc<DefinitionRow>,
    pub(super) launch: Arc<TaskLaunch>,
    pub(super) owner: Option<TaskOwner>,
    pub(super) group: Arc<str>,
    pub(super) started_by: Option<Arc<str>>,
    pub(super) tags: Arc<[ecs::Tag]>,
}

/// Why and in what words a task stops.
pub(super) struct Why<'a> {
    pub(super) code: Option<StopCode>,
    pub(super) reason: &'a str,
}

impl Apply<'_> {
    fn instance_of(&self, key: InstanceKey) -> Result<InstanceRow, Halt> {
        let row =
            self.state.instance(key).ok_or_else(|| self.contradiction("a task on an instance that isn't there"))?;
        Ok((**row).clone())
    }

    /// Emits "ECS Container Instance State Change"; a host that serves Fargate alone is none.
    pub(super) fn emit_instance(&mut self, instance: Arc<InstanceRow>) -> Result<(), Halt> {
        if !instance.is_container_instance() {
            return Ok(());
        }
        let counts = self.state.instance_counts(instance.key);
        let cluster = instance.key.cluster;
        self.emit(cluster, EventKind::Instance { instance, running: counts.running, pending: counts.pending })
    }

    /// Emits "ECS Task State Change".
    fn emit_task(&mut self, task: Arc<TaskRow>) -> Result<(), Halt> {
        let definition = self.state.definition(&task.definition).cloned();
        let definition = definition.ok_or_else(|| self.contradiction("a task of no task definition"))?;
        self.emit(task.key.cluster, EventKind::Task { task, definition })
    }

    /// Puts a task that has changed visibly: its version grows, its owner and its instance are told.
    pub(super) fn put_changed_task(&mut self, mut row: TaskRow) -> Result<Arc<TaskRow>, Halt> {
        row.version += 1;
        let row = self.state.put_task(row);
        self.mark_task(&row);
        self.emit_task(Arc::clone(&row))?;
        Ok(row)
    }

    fn mark_task(&mut self, row: &TaskRow) {
        self.mark(Key::Task(row.key));
        if let Some(owner) = row.service {
            self.mark(Key::Service(owner.service));
        }
        if let Some(instance) = row.instance_key() {
            self.mark(Key::Instance(instance));
        }
    }

    /// Makes a task: bound to an instance that was found to have room, or waiting for one.
    pub(super) fn create_task(&mut self, new: NewTask) -> Result<Arc<TaskRow>, Halt> {
        let now = self.now;
        let key = self.new_task_key(new.cluster);
        let attachments = self.network_interface(&new).into_iter().collect();
        if let Some(located) = self.state.located(new.cluster, new.launch.network_configuration.as_ref()) {
            self.state.remember(new.cluster, &located);
        }
        let row = TaskRow {
            key,
            version: 0,
            definition: new.definition.key.clone(),
            launch: new.launch,
            service: new.owner,
            group: new.group,
            started_by: new.started_by,
            capacity_provider: new.capacity_provider,
            instance: None,
            hosted_by: None,
            availability_zone: None,
            gpus: Arc::default(),
            last_status: TaskStatus::Provisioning,
            desired_status: DesiredStatus::Running,
            health: HealthStatus::Unknown,
            health_since: None,
            stop_code: None,
            stopped_reason: None,
            report_sequence: 0,
            times: TaskTimes { created_at: now, status_since: now, ..TaskTimes::default() },
            containers: Arc::default(),
            attachments,
            tags: new.tags,
            deadline: Some(now.saturating_add(self.state.settings().task_provision_limit_ms)),
            protected_until: None,
        };
        match new.instance {
            Some(instance) => self.bind(row, instance),
            None => self.put_changed_task(row),
        }
    }

    /// The network interface of a task in awsvpc mode (ecs-semantics §2.5). In which subnet it is, the task's instance
    /// decides.
    fn network_interface(&mut self, new: &NewTask) -> Option<AttachmentRow> {
        let awsvpc = new.definition.document.network_mode() == ecs::NetworkMode::Awsvpc;
        awsvpc.then(|| AttachmentRow::precreated(&self.ids.uuid()))
    }

    /// Whether an instance is in the zone of one of the subnets that a task may be in.
    pub(super) fn is_in_reach(&self, instance: &InstanceRow, launch: &TaskLaunch) -> bool {
        let located = self.state.located(instance.key.cluster, launch.network_configuration.as_ref());
        located.is_none_or(|located| subnet_at(&located, instance).is_some())
    }

    /// Puts a task on an instance that was found to have room for it.
    pub(super) fn bind(&mut self, mut row: TaskRow, instance: u128) -> Result<Arc<TaskRow>, Halt> {
        let cluster = self.state.hosting(row.key.cluster, row.launch.launch_type);
        row.hosted_by = Some(cluster).filter(|cluster| *cluster != row.key.cluster);
        let mut instance = self.instance_of(InstanceKey { cluster, id: instance })?;
        let taken = instance.remaining.take(&row.launch.needs);
        let gpus = taken.map_err(|lacking| self.contradiction(format!("no room for a checked task: {lacking}")))?;
        instance.version += 1;
        instance.changed_at = self.index;
        row.instance = Some(instance.key.id);
        row.availability_zone = instance.availability_zone().cloned();
        row.gpus = gpus.into();
        let located = self.state.located(row.key.cluster, row.launch.network_configuration.as_ref());
        if let Some(subnet) = located.as_ref().and_then(|located| subnet_at(located, &instance)) {
            row.attachments = row.attachments.iter().map(|attachment| attachment.placed_in(subnet)).collect();
        }
        row.times.connectivity_at = Some(self.now);
        let definition = self.state.definition(&row.definition);
        if definition.is_some_and(|row| row.document.network_mode() != ecs::NetworkMode::Awsvpc) {
            row.last_status = TaskStatus::Pending;
            row.times.status_since = self.now;
        }
        row.deadline = Some(self.now.saturating_add(self.state.settings().task_start_limit_ms));
        let instance = self.state.put_instance(instance);
        let row = self.put_changed_task(row)?;
        self.emit_instance(instance)?;
        Ok(row)
    }

    /// Tells a task to stop: its desired status changes, the rest is its agent's. One that no agent has taken up ends at
    /// once where its instance is away. A task that is told already isn't told again.
    pub(super) fn tell_to_stop(&mut self, task: &TaskRow, why: &Why<'_>) -> Result<Arc<TaskRow>, Halt> {
        let never_taken_up = task.report_sequence == 0 && task.last_status < TaskStatus::Activating;
        let away = task.instance_key().and_then(|key| self.state.instance(key)).is_none_or(|row| !row.agent_connected);
        if never_taken_up && away {
            return self.end_task(task, why, None);
        }
        let mut row = task.clone();
        self.begin_stop(&mut row, why, self.now);
        self.touch_manifest(&row)?;
        self.put_changed_task(row)
    }

    /// Sets all that goes with a desired status of STOPPED; the first reason stays.
    pub(super) fn begin_stop(&mut self, row: &mut TaskRow, why: &Why<'_>, at: Millis) {
        row.desired_status = DesiredStatus::Stopped;
        row.stop_code = row.stop_code.or(why.code);
        if row.stopped_reason.is_none() && !why.reason.is_empty() {
            row.stopped_reason = Some(why.reason.into());
        }
        row.times.stopping_at = row.times.stopping_at.or(Some(at));
        row.deadline = Some(self.now.saturating_add(self.state.settings().task_stop_limit_ms));
        row.protected_until = None;
    }

    /// The manifest of the task's instance has changed.
    pub(super) fn touch_manifest(&mut self, task: &TaskRow) -> Result<(), Halt> {
        if let Some(key) = task.instance_key() {
            let mut instance = self.instance_of(key)?;
            instance.changed_at = self.index;
            self.state.put_instance(instance);
        }
        Ok(())
    }

    /// Ends a task: STOPPED, its resources given back. Must not be called for one that is STOPPED.
    pub(super) fn end_task(&mut self, task: &TaskRow, why: &Why<'_>, at: Option<Millis>) -> Result<Arc<TaskRow>, Halt> {
        let mut row = task.clone();
        let at = at.unwrap_or(self.now);
        self.begin_stop(&mut row, why, at);
        row.last_status = TaskStatus::Stopped;
        row.times.status_since = self.now;
        row.times.execution_stopped_at = row.times.execution_stopped_at.or(Some(at));
        row.times.stopped_at = Some(at);
        row.deadline = Some(self.now.saturating_add(self.state.settings().stopped_task_retention_ms));
        if row.containers.iter().any(|container| container.last_status != ContainerStatus::Stopped) {
            let stopped = |row: &ContainerRow| ContainerRow { last_status: ContainerStatus::Stopped, ..row.clone() };
            row.containers = row.containers.iter().map(stopped).collect();
        }
        if row.attachments.iter().any(|attachment| attachment.is_there()) {
            row.attachments = row.attachments.iter().map(AttachmentRow::deleted).collect();
        }
        let instance = self.release(&row)?;
        let row = self.put_changed_task(row)?;
        if let Some(instance) = instance {
            self.emit_instance(instance)?;
        }
        Ok(row)
    }

    fn release(&mut self, task: &TaskRow) -> Result<Option<Arc<InstanceRow>>, Halt> {
        let Some(key) = task.instance_key() else { return Ok(None) };
        let mut instance = self.instance_of(key)?;
        let needs: &Needs = &task.launch.needs;
        instance
            .remaining
            .give_back(&instance.registered, needs, &task.gpus)
            .map_err(|error| self.contradiction(format!("task {}: {error}", task.key)))?;
        instance.version += 1;
        instance.changed_at = self.index;
        Ok(Some(self.state.put_instance(instance)))
    }
}
