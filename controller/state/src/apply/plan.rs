//! Plan: what reconcilers decided. Each change is checked by itself; one whose precondition fails is dropped and told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use drydock_model::status::ServiceStatus;
use drydock_proto::ecs;

use super::lifecycle::{NewTask, Why};
use super::service::Action;
use super::{Answer, Apply, Fail};
use crate::capacity::WAITING_MAX;
use crate::event::Level;
use crate::event::SERVICE_ACTIONS;
use crate::key::{ClusterId, Key, ServiceKey, TaskKey};
use crate::outcome::{Halt, Outcome};
use crate::plan::{
    BindTask, Change, CreateTask, DropReason, Dropped, EmitServiceAction, MarkTaskLost, PLAN_CHANGES_MAX, Plan,
    PutServiceEvent, SetInstance, SetService, StopTask,
};
use crate::row::{
    DefinitionRow, SERVICE_EVENTS_MAX, ServiceEventRow, ServiceEventsRow, ServiceRow, TaskLaunch, TaskOwner,
};

/// Most task ids that one service event names.
const TASKS_NAMED_MAX: usize = 20;

/// Why a change isn't made.
pub(super) enum Miss {
    Dropped(DropReason),
    Halt(Halt),
}

impl From<DropReason> for Miss {
    fn from(reason: DropReason) -> Self {
        Self::Dropped(reason)
    }
}

impl From<Halt> for Miss {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// Who says that tasks were started, of which task set, and in which zone where they were moved there.
type Starter = (ServiceKey, Option<u64>, Option<Arc<str>>);

/// What became of one change.
pub(super) type Made = Result<(), Miss>;

impl Apply<'_> {
    pub(super) fn plan(&mut self, plan: &Plan) -> Answer {
        let (mut applied, mut dropped, mut created) = (0, Vec::new(), Vec::new());
        let mut moved = BTreeSet::new();
        for (at, change) in plan.changes.iter().enumerate() {
            let made = if at < PLAN_CHANGES_MAX {
                self.change(change, &mut created)
            } else {
                Err(Miss::Dropped(DropReason::TooMany))
            };
            match made {
                Ok(()) => {
                    applied += 1;
                    if matches!(change, Change::CreateTask(create) if create.rebalances) {
                        moved.extend(created.last().copied());
                    }
                }
                Err(Miss::Dropped(reason)) => {
                    if matches!(reason, DropReason::Changed | DropReason::DoesNotFit | DropReason::TooMany) {
                        self.mark(change.key());
                    }
                    dropped.push(Dropped { at, reason });
                }
                Err(Miss::Halt(halt)) => return Err(Fail::Halt(halt)),
            }
        }
        self.say_started(&created, &moved)?;
        Ok(Outcome::Planned { applied, dropped, created })
    }

    /// Each service whose tasks were started says so: their ids are known only now. Of those that were `moved` to another
    /// zone it says to which.
    fn say_started(&mut self, created: &[TaskKey], moved: &BTreeSet<TaskKey>) -> Result<(), Halt> {
        let mut started: BTreeMap<Starter, Vec<TaskKey>> = BTreeMap::new();
        for key in created {
            let Some(row) = self.state.task(*key) else { continue };
            if let Some(owner) = row.service {
                let task_set = self.state.task_set(owner.service.task_set(owner.deployment));
                let zone = row.availability_zone.clone().filter(|_| moved.contains(key));
                started.entry((owner.service, task_set.map(|row| row.key.number), zone)).or_default().push(*key);
            }
        }
        for ((service, task_set, zone), tasks) in started {
            self.say(&PutServiceEvent { service, message: started_text(&tasks, zone.as_deref()), task_set })?;
        }
        Ok(())
    }

    /// Puts a service event that needn't be said again where it repeats the last one.
    pub(super) fn say(&mut self, put: &PutServiceEvent) -> Result<(), Halt> {
        match self.put_service_event(put) {
            Ok(()) | Err(Miss::Dropped(_)) => Ok(()),
            Err(Miss::Halt(halt)) => Err(halt),
        }
    }

    fn change(&mut self, change: &Change, created: &mut Vec<TaskKey>) -> Made {
        match change {
            Change::CreateTask(create) => {
                created.push(self.create_service_task(create)?);
                Ok(())
            }
            Change::StopTask(stop) => self.stop_service_task(stop),
            Change::MarkTaskLost(lost) => self.mark_task_lost(lost),
            Change::SetDeployment(set) => self.set_deployment(set),
            Change::SetService(set) => self.set_service(set),
            Change::PutServiceEvent(put) => self.put_service_event(put),
            Change::EmitServiceAction(emit) => self.emit_service_action(emit),
            Change::SetInstance(set) => self.set_instance(set),
            Change::EndTaskProtection(end) => self.end_task_protection(end),
            Change::SetTaskSet(set) => self.set_task_set(set),
            Change::BindTask(bind) => self.bind_task(bind),
            Change::SetScaling(set) => self.set_scaling(set),
        }
    }

    fn create_service_task(&mut self, create: &CreateTask) -> Result<TaskKey, Miss> {
        let service = self.state.service(create.service).cloned().ok_or(DropReason::Missing)?;
        if service.status != ServiceStatus::Active || service.generation != create.generation {
            return Err(DropReason::Changed.into());
        }
        let deployment = self.state.deployment(service.key.deployment(create.deployment)).cloned();
        let started_by = match &deployment {
            Some(row) if row.target_revision != create.revision => return Err(DropReason::NotAllowed.into()),
            Some(row) => Arc::clone(&row.started_by),
            None => self.start_of_task_set(create)?,
        };
        let revision =
            self.state.revision(service.key.revision(create.revision)).cloned().ok_or(DropReason::Missing)?;
        let launch = match deployment {
            Some(_) => Arc::clone(&revision.launch),
            None => launch_in_task_set(&service, &revision.launch),
        };
        let definition = self.state.definition(&revision.definition).cloned().ok_or(DropReason::Missing)?;
        self.check_place(create.service.cluster, create.instance, &revision.launch)?;
        if service.is_daemon() && self.state.live_tasks_of(service.key).any(|task| task.instance == create.instance) {
            return Err(DropReason::Done.into());
        }
        let owner = TaskOwner { service: create.service, deployment: create.deployment, revision: create.revision };
        let row = self.create_task(NewTask {
            cluster: create.service.cluster,
            instance: create.instance,
            capacity_provider: create.capacity_provider.clone(),
            tags: propagated(&service, &definition),
            definition,
            launch,
            owner: Some(owner),
            group: Arc::clone(&service.group),
            started_by: Some(started_by),
        })?;
        Ok(row.key)
    }

    /// Checks that a task may go to an instance, or may wait for one.
    fn check_place(&self, cluster: ClusterId, instance: Option<u128>, launch: &TaskLaunch) -> Made {
        let fits = match instance {
            Some(id) => {
                let row = self.state.host(cluster, launch.launch_type, id).ok_or(DropReason::Missing)?;
                row.takes_tasks()
                    && row.serves(launch.launch_type)
                    && row.remaining.fits(&launch.needs).is_ok()
                    && self.is_in_reach(row, launch)
            }
            None => self.state.waiting_count(cluster) < WAITING_MAX,
        };
        if fits { Ok(()) } else { Err(DropReason::DoesNotFit.into()) }
    }

    fn bind_task(&mut self, bind: &BindTask) -> Made {
        let row = self.state.task(bind.task).cloned().ok_or(DropReason::Missing)?;
        if !row.is_waiting() {
            return Err(DropReason::Done.into());
        }
        self.check_place(bind.task.cluster, Some(bind.instance), &row.launch)?;
        self.bind((*row).clone(), bind.instance)?;
        Ok(())
    }

    fn stop_service_task(&mut self, stop: &StopTask) -> Made {
        let row = self.state.task(stop.task).cloned().ok_or(DropReason::Missing)?;
        if row.is_told_to_stop() {
            return Err(DropReason::Done.into());
        }
        self.tell_to_stop(&row, &Why { code: Some(stop.code), reason: &stop.reason })?;
        Ok(())
    }

    fn mark_task_lost(&mut self, lost: &MarkTaskLost) -> Made {
        let row = self.state.task(lost.task).cloned().ok_or(DropReason::Missing)?;
        if row.is_stopped() {
            return Err(DropReason::Done.into());
        }
        let connected =
            row.instance_key().and_then(|key| self.state.instance(key)).is_some_and(|row| row.agent_connected);
        if connected && !lost.even_if_connected {
            return Err(DropReason::Changed.into());
        }
        self.end_task(&row, &Why { code: Some(lost.code), reason: &lost.reason }, None)?;
        Ok(())
    }

    fn set_service(&mut self, set: &SetService) -> Made {
        let old = self.state.service(set.service).cloned().ok_or(DropReason::Missing)?;
        if old.version != set.version {
            return Err(DropReason::Changed.into());
        }
        let mut row = (*old).clone();
        if let Some(progress) = set.progress {
            row.progress = progress;
        }
        if let Some(status) = set.status.filter(|status| *status != row.status) {
            let counts = self.state.service_counts(row.key);
            let empty = counts.pending == 0 && counts.running == 0;
            if (row.status, status) != (ServiceStatus::Draining, ServiceStatus::Inactive) || !empty {
                return Err(DropReason::NotAllowed.into());
            }
            row.status = status;
            row.progress = crate::row::ServiceProgress::default();
            row.reap_at = Some(self.now.saturating_add(self.state.settings().inactive_retention_ms));
            self.mark(Key::Cluster(row.key.cluster));
        }
        if let Some(count) = set.desired_count {
            if !row.is_daemon() {
                return Err(DropReason::NotAllowed.into());
            }
            row.desired_count = count;
        }
        if row == *old {
            return Err(DropReason::Done.into());
        }
        row.version += 1;
        // Not marked dirty: its reconciler wrote it, and would be woken by its own word.
        let row = self.state.put_service(row);
        if row.desired_count != old.desired_count {
            let action = Action {
                level: Level::Info,
                name: "SERVICE_DESIRED_COUNT_UPDATED",
                reason: "",
                instances: &[],
                capacity_providers: &[],
            };
            self.emit_action(&row, &action)?;
        }
        Ok(())
    }

    /// An event that only repeats the newest one is suppressed until the setting's time has passed.
    fn put_service_event(&mut self, put: &PutServiceEvent) -> Made {
        let service = self.state.service(put.service).ok_or(DropReason::Missing)?;
        let task_set = put.task_set.and_then(|number| self.state.task_set(put.service.task_set(number)));
        let message: Arc<str> = match task_set {
            Some(row) => format!("(service {}, taskSet {}) {}", service.name, row.started_by, put.message).into(),
            None => format!("(service {}) {}", service.name, put.message).into(),
        };
        let id = self.ids.bits();
        let events = self.state.service_events.get(&put.service);
        let mut events: VecDeque<ServiceEventRow> = events.map(|row| (*row.events).clone()).unwrap_or_default();
        let until = self.now.saturating_sub(self.state.settings().event_suppression_ms);
        if events.back().is_some_and(|last| last.message == message && last.created_at > until) {
            return Err(DropReason::Done.into());
        }
        if events.len() >= SERVICE_EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(ServiceEventRow { id, created_at: self.now, message });
        self.state.put_service_events(ServiceEventsRow { key: put.service, events: Arc::new(events) });
        Ok(())
    }

    fn emit_service_action(&mut self, emit: &EmitServiceAction) -> Made {
        let service = self.state.service(emit.service).cloned().ok_or(DropReason::Missing)?;
        if !SERVICE_ACTIONS.contains(&(emit.name.as_str(), emit.level)) {
            return Err(DropReason::NotAllowed.into());
        }
        let EmitServiceAction { level, name, reason, instances, capacity_providers, .. } = emit;
        self.emit_action(&service, &Action { level: *level, name, reason, instances, capacity_providers })?;
        Ok(())
    }

    fn set_instance(&mut self, set: &SetInstance) -> Made {
        let old = self.state.instance(set.instance).cloned().ok_or(DropReason::Missing)?;
        if old.agent_connected || old.disconnected_at != set.disconnected_at {
            return Err(DropReason::Changed.into());
        }
        if old.lost_at == set.lost_at {
            return Err(DropReason::Done.into());
        }
        let mut row = (*old).clone();
        row.lost_at = set.lost_at;
        self.state.put_instance(row);
        Ok(())
    }
}

/// `has started N tasks: (task ID) …`, or `has started N tasks in ZONE to AZ Rebalance: …` (ecs-semantics §2.3); of more than
/// [`TASKS_NAMED_MAX`], how many more.
fn started_text(tasks: &[TaskKey], zone: Option<&str>) -> String {
    let named: Vec<String> = tasks.iter().take(TASKS_NAMED_MAX).map(|key| format!("(task {key})")).collect();
    let more = match tasks.len().saturating_sub(TASKS_NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let whereto = zone.map(|zone| format!(" in {zone} to AZ Rebalance")).unwrap_or_default();
    format!("has started {} tasks{whereto}: {}{more}.", tasks.len(), named.join(" "))
}

/// How a task of a task set is launched: an update of the service makes no new revision of it, so that its tag options are
/// those that the service has now.
fn launch_in_task_set(service: &ServiceRow, launch: &Arc<TaskLaunch>) -> Arc<TaskLaunch> {
    let managed = service.document.enable_ecs_managed_tags();
    if launch.enable_ecs_managed_tags == managed {
        return Arc::clone(launch);
    }
    Arc::new(TaskLaunch { enable_ecs_managed_tags: managed, ..(**launch).clone() })
}

/// Tags that a service's new task gets (`propagateTags`).
fn propagated(service: &ServiceRow, definition: &DefinitionRow) -> Arc<[ecs::Tag]> {
    match service.document.propagate_tags() {
        ecs::PropagateTags::Service => service.document.tags.as_slice().into(),
        ecs::PropagateTags::TaskDefinition => Arc::clone(&definition.tags),
        ecs::PropagateTags::None | ecs::PropagateTags::Unspecified => Arc::default(),
    }
}
