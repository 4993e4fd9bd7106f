//! The ServiceDeployment as a state machine (ecs-semantics §2.3): which stage follows, how it fails and is rolled back,
//! and what that says to clients.
//!
//! ROLLING goes RECONCILE_SERVICE → SCALE_UP → CLEAN_UP; the other strategies have their stages in [`super::strategy`].
//! Two rows may be at work: the deployment that was started last (`current`), and the one whose revision the service
//! goes to (`primary`), which is an older one while the current one is rolled back.

use drydock_model::status::ServiceDeploymentStatus;
use drydock_state::Millis;
use drydock_state::plan::SetDeployment;
use drydock_state::row::{DeploymentRow, HookStatus, LifecycleStage, MonitorStatus, RollbackRow, RolloutState};

use super::breaker;
use super::strategy::Way;

/// `statusReason` of one that the circuit breaker rolls back.
const BREAKER_ROLLED_BACK: &str = "Service deployment rolled back because the circuit breaker threshold was exceeded.";
/// `statusReason` of one that the circuit breaker stops.
const BREAKER_STOPPED: &str = "Service deployment stopped because the circuit breaker threshold was exceeded.";
/// `rolloutStateReason` of one whose circuit breaker tripped.
const BREAKER_TRIPPED: &str = "ECS deployment circuit breaker: tasks failed to start.";
/// What the event says of it.
const TASKS_FAILED: &str = "tasks failed to start";
/// What is said of one whose 30 days are over.
const OVERDUE: &str = "the deployment didn't end within its time";
/// What is said of one whose stage took more than 24 hours.
const STAGE_OVERDUE: &str = "a stage of the deployment didn't end within its time";
/// What is said of one whose hook nobody acted on.
const HOOK_OVER: &str = "a lifecycle hook timed out";

/// The rows that a look is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The deployment that was started last.
    pub(crate) current: &'a DeploymentRow,
    /// The one whose revision the service goes to.
    pub(crate) primary: &'a DeploymentRow,
    /// The one that COMPLETED last, where it is another: where a rollback goes.
    pub(crate) completed: Option<&'a DeploymentRow>,
}

impl Rows<'_> {
    /// Since when the service goes to the primary deployment's revision: a rollback brings back one that went before.
    pub(crate) fn since(&self) -> Millis {
        let back = self.current.rollback.as_ref().filter(|_| self.current.key != self.primary.key);
        back.map_or(self.primary.created_at, |rollback| rollback.started_at)
    }
}

/// What the machine looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// As many tasks of the target revision are healthy as it takes: all, or those of the early success criteria.
    pub(crate) ready: bool,
    /// A task of another revision is RUNNING or before it, and must be gone first.
    pub(crate) others: bool,
    /// The primary deployment's circuit breaker trips.
    pub(crate) tripped: bool,
    /// What the stages of another strategy than ROLLING have come to.
    pub(crate) way: Option<Way>,
    /// Now.
    pub(crate) now: Millis,
}

/// What a look at the machine led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing that clients are told.
    Goes,
    /// It is at its end.
    Completed,
    /// It has failed.
    Failed(String, Then),
}

/// What becomes of a service whose deployment has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Its tasks are held at their count.
    Held,
    /// No more tasks of it are started.
    Stopped,
    /// It goes back to the deployment with this id.
    RollsBack(u64),
    /// It was to be rolled back, and there is nothing to go back to.
    Stalled,
}

/// What is to be written.
pub(crate) struct Look {
    /// Of the primary deployment.
    pub(crate) primary: SetDeployment,
    /// Of the current one, where that is another.
    pub(crate) current: Option<SetDeployment>,
    /// What is said.
    pub(crate) turn: Turn,
}

/// No step has looked at it yet.
pub(crate) fn is_fresh(row: &DeploymentRow) -> bool {
    row.started_at.is_none()
}

/// Whether tasks of it may be started. One that has failed for its time alone is told as FAILED, and its service is held
/// at desiredCount all the same: there is nothing better to run.
pub(crate) fn may_start(row: &DeploymentRow) -> bool {
    !row.halted && !is_called_off(row)
}

/// Somebody wants it stopped or rolled back, and no step has done so yet.
pub(crate) fn is_called_off(row: &DeploymentRow) -> bool {
    matches!(row.status, ServiceDeploymentStatus::StopRequested | ServiceDeploymentStatus::RollbackRequested)
}

/// Whether it goes by its stages: neither at its end, nor called off, nor on its way back.
pub(crate) fn goes(row: &DeploymentRow) -> bool {
    let going = matches!(row.status, ServiceDeploymentStatus::Pending | ServiceDeploymentStatus::InProgress);
    going && row.rollout_state == RolloutState::InProgress
}

/// Moves the machine as far as it goes now. `primary` is what is to be written of the primary deployment, with what its
/// stages have written into it already.
pub(crate) fn advance(rows: Rows<'_>, facts: Facts, mut primary: SetDeployment) -> Look {
    if rows.current.key != rows.primary.key {
        let mut current = SetDeployment::new(rows.current.key, rows.current.version);
        let turn = go_back(rows, facts, &mut primary, &mut current);
        return Look { primary, current: Some(current), turn };
    }
    let turn = go_on(rows, facts, &mut primary);
    Look { primary, current: None, turn }
}

fn go_on(rows: Rows<'_>, facts: Facts, set: &mut SetDeployment) -> Turn {
    let row = rows.primary;
    let asked = || row.status_reason.as_deref().unwrap_or("it was asked for").to_owned();
    match row.status {
        ServiceDeploymentStatus::StopRequested => {
            set.status = Some(ServiceDeploymentStatus::Stopped);
            set.halt = true;
            drop_hooks(row, set);
            return fail(row, set, "it was stopped by request", Then::Stopped);
        }
        ServiceDeploymentStatus::RollbackRequested => {
            return roll_back(rows, facts, set, &asked(), "a rollback was requested");
        }
        _ if !goes(row) => return Turn::Goes,
        _ => {}
    }
    if facts.tripped {
        return trip(rows, facts, set);
    }
    match facts.way {
        None => advance_rolling(row, facts, set),
        Some(Way::Ends) => complete(row, set),
        Some(Way::Back) => {
            let reason = format!("Service deployment rolled back because {HOOK_OVER}.");
            roll_back(rows, facts, set, &reason, HOOK_OVER)
        }
        Some(Way::Goes) => match overdue(row, has_moved(set), facts.now) {
            Some(why) if rows.completed.is_some() => {
                roll_back(rows, facts, set, &format!("Service deployment rolled back because {why}."), why)
            }
            Some(why) => time_out(row, set, why),
            None => begin(row, set),
        },
    }
}

fn advance_rolling(row: &DeploymentRow, facts: Facts, set: &mut SetDeployment) -> Turn {
    let mut stage = row.stage;
    while let Some(next) = next_stage(stage, facts) {
        stage = next;
    }
    // The stage is set all the same, so that a finished deployment reads CLEAN_UP.
    set.stage = (stage != row.stage).then_some(stage);
    if stage == LifecycleStage::CleanUp && facts.ready && !facts.others {
        return complete(row, set);
    }
    match overdue(row, has_moved(set), facts.now) {
        Some(why) => time_out(row, set, why),
        None => begin(row, set),
    }
}

/// The stage that follows at once; `None` where the present one waits.
fn next_stage(stage: LifecycleStage, facts: Facts) -> Option<LifecycleStage> {
    match stage {
        LifecycleStage::Unspecified => Some(LifecycleStage::ReconcileService),
        LifecycleStage::ReconcileService => Some(LifecycleStage::ScaleUp),
        LifecycleStage::ScaleUp => facts.ready.then_some(LifecycleStage::CleanUp),
        _ => None,
    }
}

/// The stage's time begins anew: see `apply`.
fn has_moved(set: &SetDeployment) -> bool {
    set.stage.is_some() || set.production_traffic.is_some() || set.hooks.is_some()
}

fn begin(row: &DeploymentRow, set: &mut SetDeployment) -> Turn {
    if row.status == ServiceDeploymentStatus::Pending {
        set.status = Some(ServiceDeploymentStatus::InProgress);
    }
    Turn::Goes
}

fn complete(row: &DeploymentRow, set: &mut SetDeployment) -> Turn {
    set.status = Some(ServiceDeploymentStatus::Successful);
    set.rollout_state = Some(RolloutState::Completed);
    set.rollout_state_reason = Some(format!("ECS deployment ecs-svc/{} completed.", row.id));
    Turn::Completed
}

/// Its time is over, and there is nothing better to run: told as FAILED, its tasks held at their count.
fn time_out(row: &DeploymentRow, set: &mut SetDeployment, why: &'static str) -> Turn {
    set.status = Some(ServiceDeploymentStatus::Stopped);
    set.status_reason = Some(why.to_owned());
    fail(row, set, why, Then::Held)
}

fn fail(row: &DeploymentRow, set: &mut SetDeployment, why: &str, then: Then) -> Turn {
    set.rollout_state = Some(RolloutState::Failed);
    set.rollout_state_reason = Some(format!("ECS deployment ecs-svc/{} failed: {why}.", row.id));
    Turn::Failed(why.to_owned(), then)
}

fn trip(rows: Rows<'_>, facts: Facts, set: &mut SetDeployment) -> Turn {
    set.breaker = Some(MonitorStatus::Triggered);
    set.halt = true;
    let turn = if breaker::rolls_back(rows.primary) {
        roll_back(rows, facts, set, BREAKER_ROLLED_BACK, TASKS_FAILED)
    } else {
        set.status = Some(ServiceDeploymentStatus::Stopped);
        set.status_reason = Some(BREAKER_STOPPED.to_owned());
        fail(rows.primary, set, TASKS_FAILED, Then::Stopped)
    };
    set.rollout_state_reason = Some(BREAKER_TRIPPED.to_owned());
    turn
}

/// Goes back to the deployment that COMPLETED last; without one it has failed for good. `apply` makes that one the
/// primary. All traffic goes back at once: the old revision was never taken away before CLEAN_UP.
fn roll_back(rows: Rows<'_>, facts: Facts, set: &mut SetDeployment, reason: &str, why: &str) -> Turn {
    set.halt = true;
    set.status_reason = Some(reason.to_owned());
    drop_hooks(rows.primary, set);
    set.bake_until = rows.primary.bake_until.map(|_| None);
    set.wake_at = rows.primary.wake_at.map(|_| None);
    set.production_traffic = (rows.primary.production_traffic > 0).then_some(0);
    set.test_traffic = (rows.primary.test_traffic > 0).then_some(0);
    let Some(to) = rows.completed else {
        set.status = Some(ServiceDeploymentStatus::RollbackFailed);
        return fail(rows.primary, set, why, Then::Stalled);
    };
    set.status = Some(ServiceDeploymentStatus::RollbackInProgress);
    set.stage = (rows.primary.stage != LifecycleStage::CleanUp).then_some(LifecycleStage::CleanUp);
    set.rollback = Some(RollbackRow {
        reason: reason.into(),
        started_at: facts.now,
        to_deployment: to.key.number,
        to_revision: to.target_revision,
    });
    fail(rows.primary, set, why, Then::RollsBack(to.id))
}

/// Nobody can act any more on hooks that still await it.
fn drop_hooks(row: &DeploymentRow, set: &mut SetDeployment) {
    let mut hooks = set.hooks.take().unwrap_or_else(|| row.hooks.to_vec());
    for hook in hooks.iter_mut().filter(|hook| hook.awaits()) {
        hook.status = HookStatus::Failed;
    }
    set.hooks = (hooks != *row.hooks).then_some(hooks);
}

/// The current deployment is rolled back: the primary one, which is final, is COMPLETED again, or fails with it.
fn go_back(rows: Rows<'_>, facts: Facts, primary: &mut SetDeployment, current: &mut SetDeployment) -> Turn {
    let goes = rows.current.status == ServiceDeploymentStatus::RollbackInProgress;
    if !goes || rows.primary.rollout_state != RolloutState::InProgress {
        return Turn::Goes;
    }
    if facts.tripped {
        current.status = Some(ServiceDeploymentStatus::RollbackFailed);
        primary.breaker = Some(MonitorStatus::Triggered);
        primary.halt = true;
        let turn = fail(rows.primary, primary, TASKS_FAILED, Then::Stalled);
        primary.rollout_state_reason = Some(BREAKER_TRIPPED.to_owned());
        return turn;
    }
    if facts.ready && !facts.others {
        current.status = Some(ServiceDeploymentStatus::RollbackSuccessful);
        primary.rollout_state = Some(RolloutState::Completed);
        primary.rollout_state_reason = Some(format!("ECS deployment ecs-svc/{} completed.", rows.primary.id));
        primary.breaker =
            (rows.primary.breaker == MonitorStatus::Monitoring).then_some(MonitorStatus::MonitoringComplete);
        return Turn::Completed;
    }
    match overdue(rows.current, false, facts.now) {
        Some(why) => {
            current.status = Some(ServiceDeploymentStatus::RollbackFailed);
            fail(rows.primary, primary, why, Then::Held)
        }
        None => Turn::Goes,
    }
}

fn overdue(row: &DeploymentRow, moved: bool, now: Millis) -> Option<&'static str> {
    let passed = |deadline: Option<Millis>| deadline.is_some_and(|at| at <= now);
    if passed(row.deadline) {
        Some(OVERDUE)
    } else if !moved && passed(row.stage_deadline) {
        Some(STAGE_OVERDUE)
    } else {
        None
    }
}
