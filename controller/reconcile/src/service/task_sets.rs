//! A service with an EXTERNAL deployment controller: each of its task sets holds its computed count, one that was
//! deleted drains, and nothing rolls from one to another (ecs-semantics §2.3, Controllers).
//!
//! A task set is held as a rolling service without a deployment would be: the same roster, arithmetic, placement and
//! back-off, over its own tasks and its own share of the desired count. minimumHealthyPercent and maximumPercent bound
//! what is replaced in it (tasks on DRAINING instances, unhealthy ones).

use drydock_model::status::{HealthStatus, StopCode, TaskStatus};
use drydock_state::event::Level;
use drydock_state::plan::{SetService, SetTaskSet, StopTask};
use drydock_state::row::{RevisionRow, ServiceProgress, ServiceRow, TaskSetRow};
use drydock_state::{Change, Millis, TaskKey};

use super::failures::StartFailures;
use super::launches::Launches;
use super::placing::Placing;
use super::rolling::{self, Moves, Shape, Slot, Stage, Why};
use super::roster::{Roster, earliest};
use super::{CHANGES_BESIDE_TASKS, PLACEMENT_RETRY_MS, backoff, failures, texts, waits, was_running};
use super::{say_once, writer};
use crate::desk::Desk;
use crate::explain::Wait;
use crate::place::Unplaced;

/// What one look at a service and its task sets has gathered.
struct Look<'a> {
    service: &'a ServiceRow,
    /// Of all its task sets; what the plan stops is marked.
    roster: Roster<'a>,
    waits: Vec<Wait>,
    /// Tasks that the plan starts.
    started: u32,
    launches: Launches,
    whole: bool,
}

/// Brings all task sets of an ACTIVE service forward.
///
/// Returns whether all that can be done now is in the plan.
pub(super) fn reconcile<'a>(desk: &mut Desk<'a>, service: &'a ServiceRow) -> bool {
    let roster = Roster::of(desk, service);
    let launches = Launches::of(desk.view, service, desk.now);
    let mut look = Look { service, roster, waits: Vec::new(), started: 0, launches, whole: true };
    let shown: Vec<&TaskSetRow> =
        desk.view.task_sets(service.key).map(|row| &**row).filter(|row| row.is_shown()).collect();
    let (draining, held): (Vec<&TaskSetRow>, Vec<&TaskSetRow>) = shown.into_iter().partition(|row| row.draining);
    let mut steady = draining.is_empty() && !held.is_empty();
    // What drains comes first: it makes room.
    for task_set in draining.into_iter().chain(held) {
        if desk.left() <= CHANGES_BESIDE_TASKS {
            look.whole = false;
            steady = false;
            break;
        }
        steady &= look.bring_forward(desk, task_set);
    }
    look.write_service(desk, steady);
    let Look { service, roster, waits, started, whole, .. } = look;
    waits::explain_task_sets(desk, service, &roster, waits, started);
    whole
}

/// One task set, as it is seen and as it should be.
struct Case<'a> {
    row: &'a TaskSetRow,
    /// `computedDesiredCount`.
    wanted: u32,
    /// Where its tasks are in the roster.
    places: Vec<usize>,
    shape: Shape,
    failures: StartFailures,
    not_before: Option<Millis>,
    /// Tasks that may be launched later only.
    late: u32,
    unplaced: Option<(u32, Unplaced)>,
}

impl<'a> Look<'a> {
    /// Returns whether it is in steady state.
    fn bring_forward(&mut self, desk: &mut Desk<'a>, row: &'a TaskSetRow) -> bool {
        if row.draining && desk.view.task_set_counts(row.key).live() == 0 {
            let (task_set, version) = (row.key, row.version);
            desk.changes.push(Change::SetTaskSet(SetTaskSet { task_set, version, progress: None, drained: true }));
            return false;
        }
        let mut case = self.case(desk, row);
        let slots: Vec<Slot<'a>> = case.places.iter().map(|at| self.roster.slots[*at].clone()).collect();
        let mut moves = rolling::decide(case.shape, &slots);
        let (starts, unplaced) = self.place(desk, row, &moves);
        case.late = self.launches().late(&moves, starts.len());
        if unplaced.iter().any(Unplaced::is_capacity) {
            let tasks = u32::try_from(unplaced.len()).unwrap_or(u32::MAX);
            rolling::make_room(case.shape, &slots, tasks, &mut moves);
        }
        if let Some(first) = unplaced.first() {
            case.unplaced = Some((u32::try_from(unplaced.len()).unwrap_or(u32::MAX), first.clone()));
        }
        let room = desk.left() - CHANGES_BESIDE_TASKS - starts.len();
        self.whole &= moves.stop.len() <= room;
        moves.stop.truncate(room);
        let stops: Vec<(usize, Why)> =
            moves.stop.iter().filter_map(|(at, why)| Some((*case.places.get(*at)?, *why))).collect();
        self.roster.stop(&stops);
        let steady = starts.is_empty() && self.is_steady(&case);
        self.write(desk, &case, &moves, &stops, starts, steady);
        steady
    }

    fn case(&self, desk: &Desk<'_>, row: &'a TaskSetRow) -> Case<'a> {
        let of_it = |at: &usize| self.roster.tasks[*at].service.is_some_and(|owner| owner.deployment == row.key.number);
        let wanted = row.computed_count(self.service.desired_count);
        let failures = failures::of_task_set(desk.view, row);
        let not_before = if failures.rounds == 0 {
            None
        } else if failures.grew {
            Some(desk.after(backoff::delay_ms(failures.rounds)))
        } else {
            row.progress.not_before.filter(|at| *at > desk.now)
        };
        let shape = Shape {
            desired: wanted,
            lower: rolling::lower_bound(wanted, self.service.minimum_healthy_percent()),
            upper: rolling::upper_bound(wanted, self.service.maximum_percent()),
            target_may_start: not_before.is_none_or(|at| at <= desk.now),
            target_at_most: u32::MAX,
            launches: self.launches().left,
            target_replaces: true,
            source_may_start: false,
        };
        let places = (0..self.roster.tasks.len()).filter(of_it).collect();
        Case { row, wanted, places, shape, failures, not_before, late: 0, unplaced: None }
    }

    /// What is left of them after the task sets that were looked at before.
    fn launches(&self) -> Launches {
        Launches { left: self.launches.left.saturating_sub(self.started), ..self.launches }
    }

    fn place(&mut self, desk: &mut Desk<'a>, row: &'a TaskSetRow, moves: &Moves) -> (Vec<Change>, Vec<Unplaced>) {
        let room = (desk.left() - CHANGES_BESIDE_TASKS).saturating_sub(moves.stop.len());
        let mut placing = Placing::new(room);
        let revision: Option<&RevisionRow> = desk.view.revision(row.revision_key()).map(|row| &**row);
        if let Some(revision) = revision.filter(|_| moves.start_target > 0) {
            let number = row.key.number;
            placing.place(desk, self.service, (number, revision), moves.start_target, self.roster.going(number));
        }
        self.whole &= placing.whole;
        (placing.starts, placing.unplaced)
    }

    /// AWS's four conditions: as many RUNNING as wanted, none PENDING, none on a DRAINING instance, and all that have
    /// health checks HEALTHY.
    fn is_steady(&self, case: &Case<'_>) -> bool {
        let serves = |at: &usize| {
            let (slot, task) = (&self.roster.slots[*at], self.roster.tasks[*at]);
            // A task that is Warming until a time has no check, or fails it within its grace period.
            let healthy = match slot.stage {
                Stage::Healthy => true,
                Stage::Warming => self.roster.changes[*at].is_some() && task.health != HealthStatus::Unhealthy,
                Stage::Starting | Stage::Unhealthy => false,
            };
            healthy && task.last_status == TaskStatus::Running && !slot.displaced
        };
        let staying: Vec<&usize> = case.places.iter().filter(|at| !self.roster.slots[**at].stopping).collect();
        !case.row.draining
            && u32::try_from(staying.len()).is_ok_and(|tasks| tasks == case.wanted)
            && staying.into_iter().all(serves)
    }

    /// The task set's row first: what follows says what came of it.
    fn write(
        &mut self,
        desk: &mut Desk<'a>,
        case: &Case<'_>,
        moves: &Moves,
        stops: &[(usize, Why)],
        starts: Vec<Change>,
        steady: bool,
    ) {
        let (row, service) = (case.row, self.service.key);
        self.write_progress(desk, case, steady);
        let stopped = self.write_stops(desk, row, stops);
        self.started += u32::try_from(starts.len()).unwrap_or(u32::MAX);
        desk.changes.extend(starts);
        if !stopped.is_empty() {
            writer::say_of_task_set(desk, row.key, texts::stopped(&stopped));
        }
        if moves.guarded > 0 && say_once(desk, service, texts::protected(row.id)) {
            writer::act(desk, service, Level::Info, "TASKSET_SCALE_IN_FAILURE_BY_TASK_PROTECTION", "", Vec::new());
        }
        if moves.deadlock {
            say_once(desk, service, texts::DEADLOCK.to_owned());
        }
        if let Some((_, why)) = &case.unplaced {
            writer::say_unplaced(desk, service, why);
        }
        writer::say_impaired(desk, service, case.failures.rounds, case.failures.grew);
        if steady && !row.progress.steady {
            writer::say_of_task_set(desk, row.key, texts::TASK_SET_STEADY.to_owned());
            writer::act(desk, service, Level::Info, "TASKSET_STEADY_STATE", "", Vec::new());
        }
        self.note_waits(desk, case, moves);
    }

    /// When to look at it again though nothing changes.
    fn wake_at(&self, desk: &Desk<'_>, case: &Case<'_>) -> Option<Millis> {
        let staying = case.places.iter().filter(|at| !self.roster.slots[**at].stopping);
        let next = staying.fold(None, |first, at| earliest(first, self.roster.changes[*at]));
        let backoff = case.not_before.filter(|at| *at > desk.now);
        let retry = case.unplaced.as_ref().map(|_| desk.after(PLACEMENT_RETRY_MS));
        let retry = earliest(retry, self.launches.resume_at(case.late));
        earliest(next, earliest(backoff, retry))
    }

    fn write_progress(&self, desk: &mut Desk<'_>, case: &Case<'_>, steady: bool) {
        let row = case.row;
        let progress = ServiceProgress {
            steady,
            start_failures: case.failures.rounds,
            not_before: case.not_before,
            wake_at: writer::next_wake(row.progress.wake_at, self.wake_at(desk, case), desk.now),
            counted_until: case.failures.rounds_until,
            ..ServiceProgress::default()
        };
        if progress != row.progress {
            let (task_set, version) = (row.key, row.version);
            let progress = Some(progress);
            desk.changes.push(Change::SetTaskSet(SetTaskSet { task_set, version, progress, drained: false }));
        }
    }

    /// Returns the tasks that were RUNNING.
    fn write_stops(&self, desk: &mut Desk<'_>, row: &TaskSetRow, stops: &[(usize, Why)]) -> Vec<TaskKey> {
        let mut running = Vec::new();
        for (at, why) in stops {
            let task = self.roster.tasks[*at];
            let reason = match why {
                Why::Unhealthy => texts::UNHEALTHY.to_owned(),
                Why::Scaling | Why::Draining | Why::Unfit | Why::Rebalancing => texts::scaling(row.id),
            };
            let stop = StopTask { task: task.key, code: StopCode::ServiceSchedulerInitiated, reason };
            desk.end(task.key, Change::StopTask(stop));
            if was_running(task.last_status) {
                running.push(task.key);
            }
        }
        running
    }

    fn note_waits(&mut self, desk: &Desk<'_>, case: &Case<'_>, moves: &Moves) {
        if let Some((tasks, why)) = &case.unplaced {
            let until = self.wake_at(desk, case).unwrap_or(desk.now);
            let revision = desk.view.revision(case.row.revision_key());
            let revision = revision.map(|row| &**row);
            self.waits.push(waits::placement(desk, self.service, revision, *tasks, why.clone(), until));
        }
        if let Some(until) = case.not_before.filter(|at| *at > desk.now) {
            self.waits.push(Wait::BackOff { failures: case.failures.rounds, until });
        }
        self.waits.extend(self.launches.wait(case.late));
        if moves.guarded > 0 {
            self.waits.push(Wait::Protection { tasks: moves.guarded, until: self.roster.protected_until });
        }
        if moves.held > 0 {
            let Shape { lower, upper, .. } = case.shape;
            self.waits.push(Wait::Bounds { tasks: moves.held, lower, upper, deadlock: moves.deadlock });
        }
    }

    /// A service is in steady state with all its task sets; its row has no timers of its own.
    fn write_service(&self, desk: &mut Desk<'_>, steady: bool) {
        let service = self.service;
        let progress = ServiceProgress { steady, ..ServiceProgress::default() };
        if progress == service.progress {
            return;
        }
        desk.changes.push(Change::SetService(SetService {
            service: service.key,
            version: service.version,
            progress: Some(progress),
            status: None,
            desired_count: None,
        }));
        if steady {
            writer::say(desk, service.key, texts::STEADY.to_owned());
            writer::act(desk, service.key, Level::Info, "SERVICE_STEADY_STATE", "", Vec::new());
        }
    }
}
