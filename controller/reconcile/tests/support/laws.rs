//! Laws that hold for every step in every world: no bound is crossed, deciding twice changes nothing, nothing was
//! missed, and none waits for ever.

use std::collections::BTreeMap;

use drydock_model::status::{HealthStatus, ServiceStatus, TaskStatus};
use drydock_reconcile::service::rolling::{lower_bound, upper_bound};
use drydock_reconcile::{Cause, Step, Wait, explain_service, explain_task};
use drydock_state::row::ServiceRow;
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
    for service in after.all_services().filter(|row| row.status == ServiceStatus::Active) {
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
    for instance in after.all_instances() {
        let mut left = instance.registered.clone();
        for task in after.live_tasks_on(instance.key) {
            assert!(left.take(&task.launch.needs).is_ok(), "an instance above its capacity");
        }
    }
    // Deciding again at the same time changes nothing, but where this plan ended tasks, whose places are free now.
    let ends = |change: &Change| match change {
        Change::MarkTaskLost(_) => true,
        Change::StopTask(stop) => after.task(stop.task).is_none_or(|row| row.is_stopped()),
        _ => false,
    };
    if !step.plan.changes.iter().any(ends) {
        let touched = step.plan.changes.iter().filter_map(|change| match change {
            Change::CreateTask(create) => Some(create.service),
            Change::SetService(set) => Some(set.service),
            Change::SetDeployment(set) => Some(set.deployment.service),
            Change::PutServiceEvent(put) => Some(put.service),
            _ => None,
        });
        let again = drydock_reconcile::step(after, &touched.map(Key::Service).collect(), now, 7, usize::MAX);
        assert!(again.plan.changes.is_empty(), "first {:#?}\nthen {:#?}", step.plan, again.plan);
    }
    // Nothing was missed because it wasn't dirty: a look at every service finds nothing to start, stop or move on.
    if step.is_quiet() && step.remaining.is_empty() {
        let all = after.all_services().map(|row| Key::Service(row.key)).collect();
        let full = drydock_reconcile::step(after, &all, now, 7, usize::MAX);
        let said = |change: &Change| matches!(change, Change::PutServiceEvent(_) | Change::EmitServiceAction(_));
        assert!(full.plan.changes.iter().all(said), "missed {:#?}", full.plan);
        none_waits_for_ever(after, now);
    }
}

/// Whatever isn't steady says what it waits for: at least one thing that ends by time or by something from outside. A
/// deadline lies ahead, and the reconciler looks again by then.
fn none_waits_for_ever(state: &State, now: u64) {
    let next = state.deadlines().map(|(at, _)| at).find(|at| *at > now);
    for service in state.all_services().filter(|row| row.status != ServiceStatus::Inactive) {
        let found = explain_service(state, service.key, now).unwrap();
        assert_eq!((found.starts, found.stops), (0, 0), "a leader that has finished has nothing left: {found:#?}");
        assert_eq!(found.steady, service.progress.steady);
        let ends = found.waits.iter().any(|wait| wait.cause() != Cause::Others);
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
