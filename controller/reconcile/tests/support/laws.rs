//! Laws that hold for every step in every world: no bound is crossed, deciding twice changes nothing, nothing was
//! missed, and none waits for ever.

use std::collections::BTreeMap;

use drydock_model::deployment::strategy;
use drydock_model::status::{HealthStatus, ServiceStatus, StopCode, TaskStatus};
use drydock_proto::ecs::{DeploymentStrategy, PlacementConstraintType};
use drydock_reconcile::service::rolling::{lower_bound, upper_bound};
use drydock_reconcile::{Cause, Step, Wait, explain_service, explain_task};
use drydock_state::plan::SetService;
use drydock_state::row::{DeploymentRow, ServiceProgress, ServiceRow};
use drydock_state::{Change, Key, State};

/// Present: RUNNING or before it. Healthy: as §2.3 counts it.
fn counts(state: &State, service: &ServiceRow, now: u64) -> (u32, u32) {
    let (mut present, mut healthy) = (0, 0);
    for row in state.live_tasks_of(service.key) {
        present += u32::from(row.last_status <= TaskStatus::Running);
        let definition = state.definition(&row.definition).unwrap();
        let checked = definition.document.container_definitions[0].health_check.is_some();
        let aged = row.times.status_since + state.settings().healthy_after_ms <= now;
        let well = if checked { row.health == HealthStatus::Healthy } else { aged };
        healthy += u32::from(row.is_running() && well);
    }
    (present, healthy)
}

/// It goes from one revision to the next within one pair of bounds.
fn rolls(state: &State, service: &ServiceRow) -> bool {
    let rolling = |row: &DeploymentRow| strategy(&row.configuration) == DeploymentStrategy::Rolling;
    let replica = !service.is_daemon() && !service.is_external();
    replica && state.deployments(service.key).all(|row| rolling(row))
}

/// Where revisions or task sets stand side by side, each has its own bound; a DAEMON has one task an instance.
fn bounds_of_other_kinds(step: &Step, after: &State) {
    let created = step.plan.changes.iter().filter_map(|change| match change {
        Change::CreateTask(create) => Some(create),
        _ => None,
    });
    for create in created {
        let Some(service) = after.service(create.service).filter(|row| !rolls(after, row)) else { continue };
        let tasks = || after.live_tasks_of(create.service).filter(|row| row.last_status <= TaskStatus::Running);
        if service.is_daemon() {
            let here = tasks().filter(|row| row.instance == create.instance).count();
            assert!(here <= 1, "{here} tasks of a DAEMON on one instance: {:#?}", step.plan);
            continue;
        }
        let set = after.task_set(create.service.task_set(create.deployment));
        let desired = set.map_or(service.desired_count, |set| set.computed_count(service.desired_count));
        let upper = upper_bound(desired, service.maximum_percent()).max(desired);
        let ours = tasks().filter(|row| row.service.is_some_and(|owner| owner.deployment == create.deployment)).count();
        assert!(u32::try_from(ours).unwrap() <= upper, "{ours} tasks above {upper}: {:#?}", step.plan);
    }
}

/// Looks at a step, and at the state before and after it was applied.
pub fn check_laws(step: &Step, before: &State, after: &State) {
    let now = after.now().max(before.now());
    let mut created: BTreeMap<_, u32> = BTreeMap::new();
    let mut stopped: BTreeMap<_, u32> = BTreeMap::new();
    for change in &step.plan.changes {
        match change {
            Change::CreateTask(create) => *created.entry(create.service).or_default() += 1,
            Change::StopTask(stop) => {
                if let Some(owner) = before.task(stop.task).unwrap().service {
                    *stopped.entry(owner.service).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    for service in after.all_services().filter(|row| row.status == ServiceStatus::Active && rolls(after, row)) {
        let (_, healthy_before) = counts(before, service, now);
        let (present, healthy) = counts(after, service, now);
        let upper = upper_bound(service.desired_count, service.maximum_percent());
        let lower = lower_bound(service.desired_count, service.minimum_healthy_percent());
        if created.contains_key(&service.key) {
            assert!(present <= upper, "{present} tasks above {upper}: {:#?}", step.plan);
        }
        let rebalanced = before.service(service.key).is_some_and(|row| {
            row.progress.rebalancing == Some(service.desired_count) && service.progress.rebalancing.is_some()
        });
        if stopped.contains_key(&service.key) && rebalanced {
            let desired = service.desired_count;
            assert!(healthy >= desired, "{healthy} healthy of {desired}: {:#?}", step.plan);
        }
        let lost = step.plan.changes.iter().any(|change| matches!(change, Change::MarkTaskLost(_)));
        if stopped.contains_key(&service.key) && !lost {
            assert!(healthy >= lower.min(healthy_before), "{healthy} healthy below {lower}: {:#?}", step.plan);
        }
    }
    bounds_of_other_kinds(step, after);
    for service in created.keys() {
        let tasks = after.live_tasks_of(*service).chain(after.stopped_tasks_of(*service));
        let launched = tasks.filter(|row| row.times.created_at + 60_000 > now).count();
        let most = after.settings().service_launches_per_minute;
        assert!(u64::try_from(launched).unwrap() <= most, "{launched} launches in a minute: {:#?}", step.plan);
    }
    for instance in after.all_instances() {
        let mut left = instance.registered.clone();
        for task in after.live_tasks_on(instance.key) {
            assert!(left.take(&task.launch.needs).is_ok(), "an instance above its capacity");
        }
    }
    again_changes_nothing(step, after, now);
    // Nothing was missed because it wasn't dirty: a look at every service finds nothing to start, stop or move on.
    if step.is_quiet() && step.remaining.is_empty() {
        let all = after.all_services().map(|row| Key::Service(row.key)).collect();
        let full = drydock_reconcile::step(after, &all, now, 7, usize::MAX);
        let may_wait = |change: &Change| match change {
            Change::PutServiceEvent(_) | Change::EmitServiceAction(_) => true,
            Change::SetService(set) => is_stale_retry(after, set),
            _ => false,
        };
        assert!(full.plan.changes.iter().all(may_wait), "missed {:#?}", full.plan);
        none_waits_for_ever(after, now);
    }
}

/// Zones have become even, or fewer, by what happened to others: the service sees it when it would have tried again.
fn is_stale_retry(state: &State, set: &SetService) -> bool {
    let Some(row) = state.service(set.service) else { return false };
    let without = ServiceProgress { rebalance_at: None, ..row.progress };
    row.progress.rebalance_at.is_some() && set.progress == Some(without)
}

/// Deciding again at the same time changes nothing, but where this plan ended tasks, whose places are free now.
fn again_changes_nothing(step: &Step, after: &State, now: u64) {
    let is_distinct = |service: &ServiceRow| {
        let mut constraints = service.document.placement_constraints.iter();
        constraints.any(|constraint| constraint.r#type() == PlacementConstraintType::DistinctInstance)
    };
    let frees = |change: &Change| match change {
        Change::MarkTaskLost(_) => true,
        // What becomes of the tasks of a deployment that was given up is seen from where the service then goes.
        Change::SetDeployment(set) => set.halt || set.rollback.is_some(),
        // Its service may be steady without it.
        Change::SetTaskSet(set) => set.drained,
        // Instances that are to leave begin to drain, and the figures are others.
        Change::SetScaling(set) => !set.leaving.is_empty(),
        // One that is past its time is seen by its service once it is told.
        Change::StopTask(stop) if stop.code == StopCode::TaskFailedToStart => true,
        // One that is told to stop counts for resources until it has, and no more for distinctInstance and for the share
        // of its capacity provider.
        Change::StopTask(stop) => after.task(stop.task).is_none_or(|row| {
            let service = row.service.and_then(|owner| after.service(owner.service));
            row.is_stopped() || row.capacity_provider.is_some() || service.is_some_and(|service| is_distinct(service))
        }),
        _ => false,
    };
    if step.plan.changes.iter().any(frees) {
        return;
    }
    let touched = step.plan.changes.iter().filter_map(|change| match change {
        Change::CreateTask(create) => Some(create.service),
        Change::SetService(set) => Some(set.service),
        Change::SetDeployment(set) => Some(set.deployment.service),
        Change::SetTaskSet(set) => Some(set.task_set.service),
        Change::PutServiceEvent(put) => Some(put.service),
        _ => None,
    });
    let again = drydock_reconcile::step(after, &touched.map(Key::Service).collect(), now, 7, usize::MAX);
    // Why a task found no place is another thing once another service has taken the room, and managed scaling follows
    // what was placed.
    let created_some = step.plan.changes.iter().any(|change| matches!(change, Change::CreateTask(_)));
    let scaled = |change: &Change| matches!(change, Change::SetScaling(_));
    let follows = |change: &Change| match change {
        Change::SetScaling(_) => !step.plan.changes.iter().all(scaled),
        Change::PutServiceEvent(put) => put.message.contains("unable to place a task"),
        Change::EmitServiceAction(emit) => emit.name == "SERVICE_TASK_PLACEMENT_FAILURE",
        // What another task set launched meanwhile, this one can't any more: it looks again a minute later.
        Change::SetTaskSet(set) => {
            let row = after.task_set(set.task_set).unwrap();
            let wake_at = set.progress.as_ref().and_then(|progress| progress.wake_at);
            set.progress == Some(ServiceProgress { wake_at, ..row.progress }) && created_some
        }
        _ => false,
    };
    assert!(again.plan.changes.iter().all(follows), "first {:#?}\nthen {:#?}", step.plan, again.plan);
}

/// Whatever isn't steady says what it waits for: at least one thing that ends by time or by something from outside. A
/// deadline lies ahead, and the reconciler looks again by then.
fn none_waits_for_ever(state: &State, now: u64) {
    let next = state.deadlines().map(|(at, _)| at).find(|at| *at > now);
    for service in state.all_services().filter(|row| row.status != ServiceStatus::Inactive) {
        let found = explain_service(state, service.key, now).unwrap();
        assert_eq!((found.starts, found.stops), (0, 0), "a leader that has finished has nothing left: {found:#?}");
        assert_eq!(found.steady, service.progress.steady);
        let empty = service.is_external() && !state.task_sets(service.key).any(|row| row.is_shown());
        let ends = empty || found.waits.iter().any(|wait| wait.cause() != Cause::Others);
        assert!(found.steady || ends, "it waits for ever: {found:#?}\n{service:#?}");
        for until in found.waits.iter().filter_map(Wait::until) {
            assert!(until > now, "a deadline that has passed: {found:#?}");
            assert!(next.is_some_and(|at| at <= until), "nobody looks again by {until}: {found:#?}");
        }
    }
    for task in state.all_tasks() {
        let found = explain_task(state, task.key, now).unwrap();
        assert_eq!(found.ending.is_some(), task.is_told_to_stop() || task.is_stopped());
        // A task that RUNS and is wanted waits for nothing; every other one says for what.
        let runs = task.is_running();
        assert!(runs || !found.waits.is_empty(), "it waits for nothing: {task:#?}");
        let decided = found.ending.as_ref().is_none_or(|ending| ending.decider.is_some() && ending.at.is_some());
        assert!(decided, "nobody decided that it stops: {task:#?}");
    }
}
