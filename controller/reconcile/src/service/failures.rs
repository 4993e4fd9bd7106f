//! What failed tasks do to a service: the start-failure throttle, a deployment's `failedTasks` and what its circuit
//! breaker counts (ecs-semantics §2.3).

use drydock_model::status::{HealthStatus, StopCode, TaskStatus};
use drydock_state::row::{DeploymentRow, ServiceProgress, ServiceRow, TaskRow, TaskSetRow};
use drydock_state::{Millis, State};

use super::breaker::{self, Failure};
use super::roster::has_health_check;
use super::{backoff, deployment, texts};

/// Counts after a look at the tasks of the primary deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Rounds of failed starts in a row.
    pub(crate) rounds: u32,
    /// `createdAt` of the newest task counted in `rounds`.
    pub(crate) rounds_until: Millis,
    /// `failedTasks`.
    pub(crate) failed_tasks: u32,
    /// When the newest task counted in `failed_tasks` stopped.
    pub(crate) failed_until: Millis,
    /// How many of them stopped exactly then.
    pub(crate) failed_at: u32,
    /// What the circuit breaker has counted.
    pub(crate) breaker: u32,
    /// A task of the deployment has run.
    pub(crate) ran: bool,
    /// Another round has failed since the last look.
    pub(crate) grew: bool,
}

/// Looks at all tasks of the primary deployment, to which the service goes since `since`. Both counts are of consecutive failures: a task that runs and is newer
/// than the last failure sets them to 0.
pub(crate) fn count(
    view: &State,
    service: &ServiceRow,
    primary: &DeploymentRow,
    since: Millis,
    now: Millis,
) -> Failures {
    let before = if deployment::is_fresh(primary) { ServiceProgress::default() } else { service.progress };
    let mut seen = Seen::default();
    let ours = |task: &&TaskRow| task.service.is_some_and(|owner| owner.deployment == service.primary_deployment);
    for task in view.live_tasks_of(service.key).map(|row| &**row).filter(ours) {
        if task.last_status == TaskStatus::Running {
            seen.running_since = seen.running_since.max(Some(task.times.status_since));
            seen.ran |= task.is_running();
            seen.healthy_at = seen.healthy_at.max(healthy_at(view, task).filter(|at| *at <= now));
        }
        seen.note_run(task);
    }
    for task in view.stopped_tasks_of(service.key).map(|row| &**row).filter(ours) {
        seen.note_run(task);
        seen.ran |= task.times.started_at.is_some() && task.times.created_at >= since;
        if failed_to_start(task) {
            seen.start_failures.push(task.times.created_at);
        }
        let failure = failed_to_start(task).then_some(Failure::Start);
        if let Some(failure) = failure.or(failed_checks(task).then_some(Failure::Check)) {
            seen.failures.push((task.times.status_since, failure));
        }
    }
    seen.settle(before, primary)
}

/// Rounds of failed starts in a row of one task set's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartFailures {
    /// How many.
    pub(crate) rounds: u32,
    /// `createdAt` of the newest task counted in `rounds`.
    pub(crate) rounds_until: Millis,
    /// Another round has failed since the last look.
    pub(crate) grew: bool,
}

/// Looks at all tasks of a task set, as [`count`] does at those of a deployment.
pub(crate) fn of_task_set(view: &State, row: &TaskSetRow) -> StartFailures {
    let (service, before) = (row.key.service, row.progress);
    let ours = |task: &&TaskRow| task.service.is_some_and(|owner| owner.deployment == row.key.number);
    let mut seen = Seen::default();
    view.live_tasks_of(service).map(|row| &**row).filter(ours).for_each(|task| seen.note_run(task));
    for task in view.stopped_tasks_of(service).map(|row| &**row).filter(ours) {
        seen.note_run(task);
        if failed_to_start(task) {
            seen.start_failures.push(task.times.created_at);
        }
    }
    let (rounds, rounds_until) = seen.rounds(before);
    StartFailures { rounds, rounds_until, grew: rounds > before.start_failures }
}

/// It never ran, by its own fault: neither stopped by anybody nor lost with its instance.
fn failed_to_start(task: &TaskRow) -> bool {
    let own_fault =
        matches!(task.stop_code, None | Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited));
    task.times.started_at.is_none() && own_fault
}

/// It was replaced because its health checks failed.
fn failed_checks(task: &TaskRow) -> bool {
    let by_us = task.stop_code == Some(StopCode::ServiceSchedulerInitiated);
    by_us && task.stopped_reason.as_deref() == Some(texts::UNHEALTHY)
}

/// When a RUNNING task came to count as healthy, or will: see [`super::roster`].
fn healthy_at(view: &State, task: &TaskRow) -> Option<Millis> {
    if has_health_check(view, task) {
        return task.health_since.filter(|_| task.health == HealthStatus::Healthy);
    }
    Some(task.times.status_since.saturating_add(view.settings().healthy_after_ms))
}

#[derive(Default)]
struct Seen {
    /// `createdAt` of the newest task that has run.
    newest_run: Option<Millis>,
    /// When the newest that is RUNNING got there.
    running_since: Option<Millis>,
    start_failures: Vec<Millis>,
    /// One RUNS, or did since the service goes to this deployment.
    ran: bool,
    /// When each stopped, and how it failed; also those that were counted before.
    failures: Vec<(Millis, Failure)>,
    /// When the newest that is healthy became so.
    healthy_at: Option<Millis>,
}

impl Seen {
    fn note_run(&mut self, task: &TaskRow) {
        if task.times.started_at.is_some() || task.last_status == TaskStatus::Running {
            self.newest_run = self.newest_run.max(Some(task.times.created_at));
        }
    }

    /// The failures that the deployment's row hasn't counted: those after `counted_until`, and those of that very
    /// millisecond beyond `counted_at`.
    fn not_counted(&self, primary: &DeploymentRow) -> Vec<(Millis, Failure)> {
        let mut counted = primary.counted_at;
        let is_new = |(at, _): &&(Millis, Failure)| {
            if *at == primary.counted_until && counted > 0 {
                counted -= 1;
                return false;
            }
            *at >= primary.counted_until
        };
        self.failures.iter().filter(is_new).copied().collect()
    }

    /// Rounds of failed starts in a row, and until when they are counted.
    fn rounds(&mut self, before: ServiceProgress) -> (u32, Millis) {
        let failed = std::mem::take(&mut self.start_failures);
        let (counted, until) = backoff::rounds(before.start_failures, before.counted_until, failed);
        (if self.newest_run > Some(until) { 0 } else { counted }, until)
    }

    fn settle(mut self, before: ServiceProgress, primary: &DeploymentRow) -> Failures {
        let ran = primary.ever_ran || self.ran;
        let new = self.not_counted(primary);
        let (rounds, rounds_until) = self.rounds(before);
        let failed_until = new.iter().map(|(at, _)| *at).max().unwrap_or(primary.counted_until);
        let at_until = new.iter().filter(|(at, _)| *at == failed_until).count();
        let before_at = if failed_until == primary.counted_until { primary.counted_at } else { 0 };
        let healed = self.running_since > Some(failed_until);
        let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        Failures {
            rounds,
            rounds_until,
            failed_tasks: if healed { 0 } else { primary.failed_tasks.saturating_add(count(new.len())) },
            failed_until,
            failed_at: before_at.saturating_add(count(at_until)),
            breaker: breaker::count(primary, &new, self.healthy_at, ran),
            ran,
            grew: rounds > before.start_failures,
        }
    }
}
