//! Turns what was decided about a service into changes, in an order in which each one's precondition still holds when
//! it is applied: the service's row first (later changes raise its version), then tasks, then the deployment, then what
//! is said about it.

use drydock_model::status::StopCode;
use drydock_state::event::Level;
use drydock_state::plan::{EmitServiceAction, PutServiceEvent, SetDeployment, SetService, StopTask};
use drydock_state::row::{HookRow, RolloutState, ServiceProgress, TaskRow};
use drydock_state::{Change, Millis, ServiceKey, TaskKey, TaskSetKey};

use super::deployment::{Look, Then, Turn};
use super::rolling::{Moves, Why};
use super::{Case, backoff, texts, wake_at, was_running, zones};
use crate::desk::Desk;
use crate::place::Unplaced;

/// What protobuf puts before the name of a hook's stage.
const HOOK_STAGE: &str = "DEPLOYMENT_LIFECYCLE_HOOK_STAGE_";

/// Most tasks of one look that get an event each because their instance is unfit; the event of stopped tasks names more.
const UNFIT_NAMED_MAX: usize = 5;

/// `steady`: see [`is_steady`]; `starts` may have been added since, by rebalancing.
pub(super) fn write(
    desk: &mut Desk<'_>,
    case: &Case<'_>,
    moves: &Moves,
    starts: Vec<Change>,
    mut look: Look,
    steady: bool,
) {
    let set = &mut look.primary;
    write_progress(desk, case, steady && !case.rebalancing.goes);
    let stopped = write_stops(desk, case, moves);
    desk.changes.extend(starts);
    count_failures(case, set);
    let hooks = look.primary.hooks.clone().unwrap_or_default();
    write_deployment(desk, look.primary);
    if let Some(current) = look.current {
        write_deployment(desk, current);
    }
    if !stopped.is_empty() {
        say(desk, case.service.key, texts::stopped(&stopped));
        act(desk, case.service.key, Level::Info, "TASKS_STOPPED", "", Vec::new());
    }
    say_deployment(desk, case, moves, &look.turn, &hooks);
    say_trouble(desk, case);
    zones::say_end(desk, case, moves);
    let under_way = case.rebalancing.goes && case.service.progress.rebalancing.is_some();
    if steady && !case.service.progress.steady && !under_way {
        say(desk, case.service.key, texts::STEADY.to_owned());
        act(desk, case.service.key, Level::Info, "SERVICE_STEADY_STATE", "", Vec::new());
    }
    zones::say_begin(desk, case);
}

/// One deployment, at its end, with as many healthy tasks as desired and none going, nor one that only its protection keeps
/// from it (ecs-semantics §2.3).
pub(super) fn is_steady(case: &Case<'_>, moves: &Moves, starts: &[Change], turn: &Turn) -> bool {
    let completed = *turn == Turn::Completed || case.primary.rollout_state == RolloutState::Completed;
    let quiet = moves.stop.is_empty() && moves.guarded == 0 && starts.is_empty();
    completed && quiet && case.is_ready() && !case.has_others() && case.roster.slots.iter().all(|slot| !slot.stopping)
}

fn write_progress(desk: &mut Desk<'_>, case: &Case<'_>, steady: bool) {
    let before = case.service.progress;
    let wake_at = next_wake(before.wake_at, wake_at(desk, case), desk.now);
    let progress = ServiceProgress {
        steady,
        start_failures: case.failures.rounds,
        not_before: case.not_before,
        wake_at,
        counted_until: case.failures.rounds_until,
        rebalancing: case.rebalancing.goes.then_some(case.service.desired_count),
        rebalance_at: case.rebalancing.retry_at,
    };
    // Of a DAEMON service: how many instances should have a task.
    let desired = Some(case.shape.desired).filter(|count| *count != case.service.desired_count);
    if progress != before || desired.is_some() {
        desk.changes.push(Change::SetService(SetService {
            service: case.service.key,
            version: case.service.version,
            progress: Some(progress),
            status: None,
            desired_count: desired,
        }));
    }
}

/// When to look again. A wake-up that comes too early costs a look; one that is moved at each look costs an entry in the
/// log.
pub(super) fn next_wake(before: Option<Millis>, wanted: Option<Millis>, now: Millis) -> Option<Millis> {
    match before.filter(|at| *at > now) {
        Some(set) if wanted.is_none_or(|at| set <= at) => Some(set),
        _ => wanted,
    }
}

/// Returns the tasks that were RUNNING, but for those that rebalancing stops.
fn write_stops(desk: &mut Desk<'_>, case: &Case<'_>, moves: &Moves) -> Vec<TaskKey> {
    let mut running = Vec::new();
    for (at, why) in &moves.stop {
        let Some(task) = case.roster.tasks.get(*at) else { continue };
        let reason = match why {
            Why::Unhealthy => texts::UNHEALTHY.to_owned(),
            Why::Scaling | Why::Draining | Why::Unfit | Why::Rebalancing => texts::scaling(case.primary.id),
        };
        let stop = StopTask { task: task.key, code: StopCode::ServiceSchedulerInitiated, reason };
        desk.end(task.key, Change::StopTask(stop));
        if was_running(task.last_status) && *why != Why::Rebalancing {
            running.push(task.key);
        }
    }
    running
}

fn write_deployment(desk: &mut Desk<'_>, set: SetDeployment) {
    if set != SetDeployment::new(set.deployment, set.version) {
        desk.changes.push(Change::SetDeployment(Box::new(set)));
    }
}

fn count_failures(case: &Case<'_>, set: &mut SetDeployment) {
    let (primary, failures) = (case.primary, &case.failures);
    if failures.failed_tasks != primary.failed_tasks {
        set.failed_tasks = Some(failures.failed_tasks);
    }
    if failures.failed_until != primary.counted_until {
        set.counted_until = Some(failures.failed_until);
    }
    if failures.failed_at != primary.counted_at {
        set.counted_at = Some(failures.failed_at);
    }
    if failures.breaker != primary.failure_count {
        set.failure_count = Some(failures.breaker);
    }
    if failures.ran != primary.ever_ran {
        set.ever_ran = Some(failures.ran);
    }
}

fn say_deployment(desk: &mut Desk<'_>, case: &Case<'_>, moves: &Moves, turn: &Turn, hooks: &[HookRow]) {
    let (key, id) = (case.service.key, case.primary.id);
    match turn {
        Turn::Goes => {}
        Turn::Completed => say(desk, key, texts::completed(id)),
        Turn::Failed(why, then) => {
            say(desk, key, texts::failed(id, why));
            match then {
                Then::Held => {}
                Then::Stopped => say(desk, key, texts::stopped_for_good(id)),
                Then::Stalled => say(desk, key, texts::stalled(id)),
                Then::RollsBack(to) => say(desk, key, texts::rolling_back(*to)),
            }
        }
    }
    let come_to = |hook: &&HookRow| hook.awaits() && case.primary.hooks.iter().all(|known| known.id != hook.id);
    for hook in hooks.iter().filter(come_to) {
        let stage = hook.stage.as_str_name().trim_start_matches(HOOK_STAGE);
        say(desk, key, texts::paused(id, stage, &hook.hook_id()));
    }
    say_unfit(desk, case, moves);
    if moves.guarded > 0 && say_once(desk, key, texts::protected(case.primary.id)) {
        act(desk, key, Level::Info, "TASKSET_SCALE_IN_FAILURE_BY_TASK_PROTECTION", "", Vec::new());
    }
    if moves.deadlock {
        say_once(desk, key, texts::DEADLOCK.to_owned());
    }
}

/// Tasks of a DAEMON service whose instance doesn't meet the constraints any more.
fn say_unfit(desk: &mut Desk<'_>, case: &Case<'_>, moves: &Moves) {
    let unfit = moves.stop.iter().filter(|(_, why)| *why == Why::Unfit);
    let tasks: Vec<&TaskRow> = unfit.filter_map(|(at, _)| case.roster.tasks.get(*at).copied()).collect();
    if tasks.is_empty() {
        return;
    }
    let mut instances: Vec<u128> = Vec::new();
    for task in tasks.iter().take(UNFIT_NAMED_MAX) {
        let instance = task.instance.unwrap_or_default();
        instances.push(instance);
        say(desk, case.service.key, texts::unfit(task.key, instance));
    }
    let name = "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED";
    act(desk, case.service.key, Level::Error, name, "", instances);
}

fn say_trouble(desk: &mut Desk<'_>, case: &Case<'_>) {
    let key = case.service.key;
    if let Some((_, why)) = &case.unplaced {
        say_unplaced(desk, key, why);
    }
    say_impaired(desk, key, case.failures.rounds, case.failures.grew);
}

pub(super) fn say_unplaced(desk: &mut Desk<'_>, key: ServiceKey, why: &Unplaced) {
    if say_once(desk, key, texts::unplaced(why)) {
        act_unplaced(desk, key, why);
    }
}

pub(super) fn act_unplaced(desk: &mut Desk<'_>, key: ServiceKey, why: &Unplaced) {
    let (reason, instances) = match why.closest {
        _ if why.pool.is_fargate() => ("RESOURCE:FARGATE", Vec::new()),
        Some((instance, refusal)) => (refusal.reason(), vec![instance]),
        None => ("NO ACTIVE INSTANCES", Vec::new()),
    };
    desk.changes.push(Change::EmitServiceAction(EmitServiceAction {
        service: key,
        level: Level::Error,
        name: "SERVICE_TASK_PLACEMENT_FAILURE".to_owned(),
        reason: reason.to_owned(),
        instances,
        capacity_providers: why.pool.provider().map(str::to_owned).into_iter().collect(),
    }));
}

pub(super) fn say_impaired(desk: &mut Desk<'_>, key: ServiceKey, rounds: u32, grew: bool) {
    let impaired = grew && rounds >= backoff::IMPAIRED_AFTER_FAILURES;
    if impaired && say_once(desk, key, texts::IMPAIRED.to_owned()) {
        act(desk, key, Level::Warn, "SERVICE_TASK_START_IMPAIRED", "", Vec::new());
    }
}

/// Says it with the task set's name in the prefix.
pub(super) fn say_of_task_set(desk: &mut Desk<'_>, key: TaskSetKey, message: String) {
    let (service, task_set) = (key.service, Some(key.number));
    desk.changes.push(Change::PutServiceEvent(PutServiceEvent { service, message, task_set }));
}

pub(super) fn say(desk: &mut Desk<'_>, service: ServiceKey, message: String) {
    desk.changes.push(Change::PutServiceEvent(PutServiceEvent { service, message, task_set: None }));
}

/// Says it unless it has been said for the same cause. Returns whether it was said now.
pub(crate) fn say_once(desk: &mut Desk<'_>, service: ServiceKey, message: String) -> bool {
    let fresh = !texts::said(desk.view, service, &message, desk.now);
    if fresh {
        say(desk, service, message);
    }
    fresh
}

pub(super) fn act(
    desk: &mut Desk<'_>,
    service: ServiceKey,
    level: Level,
    name: &str,
    reason: &str,
    instances: Vec<u128>,
) {
    desk.changes.push(Change::EmitServiceAction(EmitServiceAction {
        service,
        level,
        name: name.to_owned(),
        reason: reason.to_owned(),
        instances,
        capacity_providers: Vec::new(),
    }));
}
