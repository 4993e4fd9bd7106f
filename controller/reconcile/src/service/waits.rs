//! What a look at a service has found it to wait for, as data ([`Wait`]): for people, and for nothing that is decided.

use drydock_model::status::{DesiredStatus, HealthStatus, TaskStatus};
use drydock_proto::ecs::LaunchType;
use drydock_state::row::{RevisionRow, ServiceRow, TaskRow};
use drydock_state::{InstanceKey, Millis};

use super::resolving::Images;
use super::rolling::{self, Generation, Moves, Shape, Slot, Stage};
use super::roster::{Roster, earliest};
use super::{Case, deployment_waits, wake_at};
use crate::desk::Desk;
use crate::explain::{Explanation, Leaver, Wait, lacks};
use crate::instance;
use crate::place::Unplaced;

/// How a task stands with its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// On its way to RUNNING.
    Starting,
    /// RUNS, and counts as healthy then.
    Aging(Millis),
    /// RUNS, and its health checks haven't decided.
    Checking,
    /// Fails its health checks, within the grace period that ends then.
    Grace(Millis),
    /// Counts as healthy, and may stay.
    Healthy,
    /// RUNS until another has taken its place.
    Leaving(Leaver),
    /// Was told to stop.
    Stopping,
}

/// Puts what the service waits for on the desk; `started` tasks are in the plan.
pub(super) fn explain(desk: &mut Desk<'_>, case: &mut Case<'_>, moves: &Moves, started: u32) {
    let mut waits = std::mem::take(&mut case.waits);
    // When it is tried again: as long as it is unplaced.
    let until = wake_at(desk, case).unwrap_or(desk.now);
    if let Some((tasks, why)) = case.unplaced.take() {
        let revision = desk.view.revision(case.service.key.revision(case.primary.target_revision));
        waits.push(placement(desk, case.service, revision.map(|row| &**row), tasks, why, until));
    }
    if let Some(until) = case.not_before.filter(|at| *at > desk.now) {
        waits.push(Wait::BackOff { failures: case.failures.rounds, until });
    }
    waits.extend(case.launches.wait(case.late));
    waits.extend(images(desk, case, started));
    waits.extend(case.rebalancing.wait.take());
    deployment_waits::of_deployment(case, &mut waits);
    of_tasks(desk, case.service, &case.roster, started, &mut waits);
    waits.extend(disconnected(desk, case.service));
    if moves.guarded > 0 {
        waits.push(Wait::Protection { tasks: moves.guarded, until: case.roster.protected_until });
    }
    if moves.held > 0 {
        let Shape { lower, upper, .. } = case.shape;
        waits.push(Wait::Bounds { tasks: moves.held, lower, upper, deadlock: moves.deadlock });
    }
    put(desk, case.service, waits);
}

/// Tasks that start once the first of their deployment has told what its images are. `started` are in the plan.
fn images(desk: &Desk<'_>, case: &Case<'_>, started: u32) -> Option<Wait> {
    let is_target = |slot: &Slot<'_>| slot.generation == Generation::Target && !slot.stopping;
    let there = case.roster.count(is_target).saturating_add(started);
    let tasks = case.shape.desired.saturating_sub(there.max(1));
    let seeks = case.images == Images::Sought && case.shape.target_may_start && tasks > 0;
    let first = case.roster.slots.iter().zip(&case.roster.tasks).filter(|(slot, _)| is_target(slot));
    let until = first.filter_map(|(_, task)| task.deadline).min();
    let limit = desk.now.saturating_add(desk.view.settings().task_start_limit_ms);
    seeks.then_some(Wait::Images { tasks, until: until.unwrap_or(limit) })
}

/// Puts what a service and its task sets wait for on the desk: `waits` has what each waits for by itself.
pub(super) fn explain_task_sets(
    desk: &mut Desk<'_>,
    service: &ServiceRow,
    roster: &Roster<'_>,
    mut waits: Vec<Wait>,
    started: u32,
) {
    of_tasks(desk, service, roster, started, &mut waits);
    waits.extend(disconnected(desk, service));
    put(desk, service, waits);
}

/// Puts what a deleted service waits for on the desk.
pub(super) fn explain_drain(desk: &mut Desk<'_>, service: &ServiceRow) {
    let mut waits: Vec<Wait> = stopping(desk, service, |_| true).into_iter().collect();
    waits.extend(disconnected(desk, service));
    put(desk, service, waits);
}

fn put(desk: &mut Desk<'_>, service: &ServiceRow, waits: Vec<Wait>) {
    if !waits.is_empty() {
        desk.explanations.push(Explanation { service: service.key, waits });
    }
}

/// Why tasks of a revision found no place, and what the closest instance lacks.
pub(super) fn placement(
    desk: &Desk<'_>,
    service: &ServiceRow,
    revision: Option<&RevisionRow>,
    tasks: u32,
    why: Unplaced,
    until: Millis,
) -> Wait {
    let launch_type = revision.map_or(LaunchType::Ec2, |revision| revision.launch.launch_type);
    let cluster = desk.view.hosting(service.key.cluster, launch_type);
    let closest = why.closest.map(|(id, _)| InstanceKey { cluster, id });
    let lacks = match (closest, revision) {
        (Some(at), Some(revision)) => lacks(desk.view, at, &revision.definition, &revision.launch.needs),
        _ => Vec::new(),
    };
    Wait::Placement { tasks, why, lacks, until }
}

/// What the tasks are on their way to, by how they stand.
fn of_tasks(desk: &Desk<'_>, service: &ServiceRow, roster: &Roster<'_>, started: u32, waits: &mut Vec<Wait>) {
    let settings = desk.view.settings();
    let mut starting = Tally { tasks: started, until: None };
    if started > 0 {
        starting.until = Some(desk.now.saturating_add(settings.task_start_limit_ms));
    }
    let (mut capacity, mut aging, mut grace) = (Tally::default(), Tally::default(), Tally::default());
    let mut checking = 0;
    let mut leaving = [(Leaver::Outdated, 0), (Leaver::Draining, 0), (Leaver::Unhealthy, 0)];
    for (at, task) in roster.tasks.iter().enumerate() {
        let standing = roster.standing(at);
        if let Standing::Leaving(why) = standing {
            leaving.iter_mut().filter(|(of, _)| *of == why).for_each(|(_, tasks)| *tasks += 1);
        }
        // One that leaves may be on its way to healthy all the same, and what it then allows is waited for.
        let on_its_way = if standing == Standing::Stopping { None } else { roster.warming(at) };
        match on_its_way.unwrap_or(standing) {
            Standing::Starting if task.instance.is_none() => capacity.add(task.deadline),
            Standing::Starting => starting.add(task.deadline),
            Standing::Aging(until) => aging.add(Some(until)),
            Standing::Grace(until) => grace.add(Some(until)),
            Standing::Checking => checking += 1,
            Standing::Healthy | Standing::Stopping | Standing::Leaving(_) => {}
        }
    }
    let limit = desk.now.saturating_add(settings.task_start_limit_ms);
    waits.extend(capacity.timed().map(|(tasks, until)| Wait::Capacity { tasks, until }));
    waits.extend(starting.some().map(|(tasks, until)| Wait::Starting { tasks, until: until.unwrap_or(limit) }));
    waits.extend(aging.timed().map(|(tasks, until)| Wait::Healthy { tasks, until }));
    if checking > 0 {
        waits.push(Wait::HealthCheck { tasks: checking });
    }
    waits.extend(grace.timed().map(|(tasks, until)| Wait::Grace { tasks, until }));
    let leaving = leaving.into_iter().filter(|(_, tasks)| *tasks > 0);
    waits.extend(leaving.map(|(why, tasks)| Wait::Replacing { tasks, why }));
    let planned = |task: &TaskRow| {
        let at = roster.tasks.iter().position(|of| of.key == task.key);
        at.is_some_and(|at| roster.slots[at].stopping)
    };
    waits.extend(stopping(desk, service, planned));
}

/// Tasks that were told to stop, or that the plan tells to.
fn stopping(desk: &Desk<'_>, service: &ServiceRow, planned: impl Fn(&TaskRow) -> bool) -> Option<Wait> {
    let limit = desk.now.saturating_add(desk.view.settings().task_stop_limit_ms);
    let mut tally = Tally::default();
    for task in desk.view.live_tasks_of(service.key) {
        if task.desired_status == DesiredStatus::Stopped {
            tally.add(task.deadline);
        } else if task.last_status > TaskStatus::Running || planned(task) {
            tally.add(Some(limit));
        }
    }
    tally.some().map(|(tasks, until)| Wait::Stopping { tasks, until: until.unwrap_or(limit) })
}

fn disconnected(desk: &Desk<'_>, service: &ServiceRow) -> Option<Wait> {
    let lost_after = desk.view.settings().instance_lost_after_ms;
    let mut tally = Tally::default();
    let mut instances = std::collections::BTreeSet::new();
    let mut paused = false;
    for task in desk.view.live_tasks_of(service.key) {
        let Some(row) = task.instance_key().and_then(|key| desk.view.instance(key)) else { continue };
        if row.agent_connected || !instance::ends_with_its_instance(task) {
            continue;
        }
        tally.add(row.lost_at);
        instances.insert(row.key);
        let usual = row.disconnected_at.unwrap_or_default().saturating_add(lost_after);
        paused |= row.lost_at.is_some_and(|at| at > usual);
    }
    let instances = u32::try_from(instances.len()).unwrap_or(u32::MAX);
    tally.timed().map(|(tasks, until)| Wait::Disconnected { tasks, instances, until, paused })
}

/// How many, and the first of their times.
#[derive(Default)]
struct Tally {
    tasks: u32,
    until: Option<Millis>,
}

impl Tally {
    fn add(&mut self, until: Option<Millis>) {
        self.tasks += 1;
        self.until = earliest(self.until, until);
    }

    fn some(self) -> Option<(u32, Option<Millis>)> {
        (self.tasks > 0).then_some((self.tasks, self.until))
    }

    fn timed(self) -> Option<(u32, Millis)> {
        Some((self.tasks, self.until?))
    }
}

/// How one task stands with its service; `None` where it isn't RUNNING or before it.
pub(crate) fn standing(desk: &Desk<'_>, service: &ServiceRow, task: &TaskRow) -> Option<Standing> {
    let roster = Roster::of(desk, service);
    let at = roster.tasks.iter().position(|of| of.key == task.key)?;
    Some(roster.standing(at))
}

impl Roster<'_> {
    /// How the task at a place of `tasks` stands.
    fn standing(&self, at: usize) -> Standing {
        let slot = &self.slots[at];
        if slot.stopping {
            Standing::Stopping
        } else if slot.stage == Stage::Starting {
            Standing::Starting
        } else if !rolling::stays(slot) {
            Standing::Leaving(leaver(slot))
        } else {
            self.warming(at).unwrap_or(Standing::Healthy)
        }
    }

    /// What decides whether it counts as healthy; `None` where that is decided, or it isn't RUNNING.
    fn warming(&self, at: usize) -> Option<Standing> {
        if self.slots[at].stage != Stage::Warming {
            return None;
        }
        Some(match self.changes[at] {
            Some(until) if self.tasks[at].health == HealthStatus::Unhealthy => Standing::Grace(until),
            Some(until) => Standing::Aging(until),
            None => Standing::Checking,
        })
    }
}

/// Why a task that doesn't stay is replaced.
fn leaver(slot: &Slot<'_>) -> Leaver {
    if slot.stage == Stage::Unhealthy {
        Leaver::Unhealthy
    } else if slot.displaced {
        Leaver::Draining
    } else {
        Leaver::Outdated
    }
}
