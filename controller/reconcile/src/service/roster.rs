//! The tasks of one service, as its rolling arithmetic sees them.

use std::collections::BTreeMap;

use drydock_model::capacity::{Item, items};
use drydock_model::status::{DesiredStatus, HealthStatus, InstanceStatus, TaskStatus};
use drydock_state::row::{ServiceRow, TaskRow};
use drydock_state::{Millis, State};

use super::rolling::{Generation, Slot, Stage, Why};
use super::scale_in::Ranks;
use crate::capacity::sharing::Share;
use crate::desk::Desk;

/// The live tasks of a service.
pub(crate) struct Roster<'a> {
    /// RUNNING or before it, also those that are told to stop.
    pub(crate) tasks: Vec<&'a TaskRow>,
    /// Beside `tasks`.
    pub(crate) slots: Vec<Slot<'a>>,
    /// Beside `tasks`: when each changes its stage though nobody reports anything.
    pub(crate) changes: Vec<Option<Millis>>,
    /// Past RUNNING and not STOPPED.
    pub(crate) ending: u32,
    /// When the protection of the next task ends, of those that are protected from scale-in.
    pub(crate) protected_until: Option<Millis>,
    /// When the next task starts to count as healthy, or as unhealthy, though nobody reports anything.
    pub(crate) next_change: Option<Millis>,
}

/// How one task counts, and until when.
struct Verdict {
    stage: Stage,
    changes_at: Option<Millis>,
}

impl<'a> Roster<'a> {
    pub(crate) fn of(desk: &Desk<'a>, service: &ServiceRow) -> Self {
        let mut roster = Self {
            tasks: Vec::new(),
            slots: Vec::new(),
            changes: Vec::new(),
            ending: 0,
            protected_until: None,
            next_change: None,
        };
        let strategy_of = |revision| {
            let row = desk.view.revision(revision);
            row.map(|row| items(&row.document.capacity_provider_strategy)).unwrap_or_default()
        };
        // Those of its task sets, where it has some; else that of the revision that it goes to.
        let mut strategies: BTreeMap<u64, Vec<Item<'_>>> = BTreeMap::new();
        let mut checked: BTreeMap<u64, bool> = BTreeMap::new();
        let mut ranks = Ranks::of(desk.view, service);
        for task in desk.view.live_tasks_of(service.key) {
            let Some(owner) = task.service else { continue };
            if task.last_status > TaskStatus::Running {
                roster.ending += 1;
                continue;
            }
            let has_check = *checked.entry(owner.revision).or_insert_with(|| has_health_check(desk.view, task));
            let of = if service.is_external() { owner.revision } else { service.target_key().number };
            let strategy = strategies.entry(of).or_insert_with(|| strategy_of(service.key.revision(of)));
            let verdict = judge(desk, service, task, has_check);
            let stopping = task.desired_status == DesiredStatus::Stopped;
            if !stopping {
                let protected = task.protected_until.filter(|at| *at > desk.now);
                roster.protected_until = earliest(roster.protected_until, protected);
                roster.next_change = earliest(roster.next_change, verdict.changes_at);
            }
            roster.slots.push(Slot {
                generation: generation(service, owner.deployment),
                stage: verdict.stage,
                displaced: is_displaced(desk.view, task),
                stopping,
                protected: task.is_protected(desk.now),
                zone: zone(desk.view, task),
                instance: task.instance.unwrap_or_default(),
                ranks: ranks.rank(task, desk.tie(task.key.id)),
                share: Share::of(strategy, task.capacity_provider.as_deref()),
                tie: desk.tie(task.key.id),
            });
            roster.tasks.push(task);
            roster.changes.push(verdict.changes_at);
        }
        roster
    }

    /// The capacity providers of a deployment's tasks that aren't told to stop.
    pub(crate) fn going(&self, deployment: u64) -> impl Iterator<Item = Option<&'a str>> {
        let going = self.slots.iter().zip(&self.tasks).filter(|(slot, _)| !slot.stopping);
        let ours = going.filter(move |(_, task)| task.service.is_some_and(|owner| owner.deployment == deployment));
        ours.map(|(_, task)| task.capacity_provider.as_deref())
    }

    /// Notes which tasks the plan tells to stop, so that what follows sees the service as it will be.
    pub(crate) fn stop(&mut self, stops: &[(usize, Why)]) {
        for (at, _) in stops {
            if let Some(slot) = self.slots.get_mut(*at) {
                slot.stopping = true;
            }
        }
    }

    /// How many slots are so.
    pub(crate) fn count(&self, of: impl Fn(&Slot<'_>) -> bool) -> u32 {
        u32::try_from(self.slots.iter().filter(|slot| of(slot)).count()).unwrap_or(u32::MAX)
    }

    /// Whether the target revision is there in full, healthy and where it may stay.
    pub(crate) fn is_ready(&self, desired: u32) -> bool {
        let targets = |slot: &Slot<'_>| slot.generation == Generation::Target && !slot.stopping;
        let healthy = |slot: &Slot<'_>| slot.stage == Stage::Healthy && !slot.displaced;
        self.count(targets) == desired && self.count(|slot| targets(slot) && healthy(slot)) == desired
    }

    /// Whether a task of another revision is still there.
    pub(crate) fn has_others(&self) -> bool {
        self.slots.iter().any(|slot| slot.generation != Generation::Target)
    }
}

/// The earlier of two times that may be unset.
pub(crate) fn earliest(a: Option<Millis>, b: Option<Millis>) -> Option<Millis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn generation(service: &ServiceRow, deployment: u64) -> Generation {
    // Task sets stand side by side: none is on its way to another.
    if deployment == service.primary_deployment || service.is_external() {
        Generation::Target
    } else if service.completed_deployment == Some(deployment) {
        Generation::Source
    } else {
        Generation::Abandoned
    }
}

/// Where a task's instance is.
fn zone<'a>(view: &'a State, task: &TaskRow) -> &'a str {
    let instance = task.instance_key().and_then(|key| view.instance(key));
    instance.and_then(|row| row.availability_zone()).map(|zone| &**zone).unwrap_or_default()
}

fn is_displaced(view: &State, task: &TaskRow) -> bool {
    let instance = task.instance_key().and_then(|key| view.instance(key));
    instance.is_some_and(|row| row.status != InstanceStatus::Active)
}

/// Whether the task's health is decided by checks: those of its essential containers (ecs-semantics §2.1).
pub(super) fn has_health_check(view: &State, task: &TaskRow) -> bool {
    let Some(definition) = view.definition(&task.definition) else { return false };
    let mut containers = definition.document.container_definitions.iter();
    containers.any(|container| container.health_check.is_some() && container.essential != Some(false))
}

/// What counts as healthy (ecs-semantics §2.3): HEALTHY where there is a check, else `healthy_after_ms` after RUNNING.
fn judge(desk: &Desk<'_>, service: &ServiceRow, task: &TaskRow, has_check: bool) -> Verdict {
    if task.last_status < TaskStatus::Running {
        return Verdict { stage: Stage::Starting, changes_at: None };
    }
    let running_since = task.times.status_since;
    let from = |delay: u64, before: Stage, after: Stage| {
        let at = running_since.saturating_add(delay);
        if at <= desk.now {
            Verdict { stage: after, changes_at: None }
        } else {
            Verdict { stage: before, changes_at: Some(at) }
        }
    };
    match (has_check, task.health) {
        (true, HealthStatus::Healthy) => Verdict { stage: Stage::Healthy, changes_at: None },
        (true, HealthStatus::Unknown) => Verdict { stage: Stage::Warming, changes_at: None },
        (true, HealthStatus::Unhealthy) => from(service.health_check_grace_ms(), Stage::Warming, Stage::Unhealthy),
        (false, _) => from(desk.view.settings().healthy_after_ms, Stage::Warming, Stage::Healthy),
    }
}
