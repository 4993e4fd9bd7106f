//! ECS's texts of service events and stop reasons (ecs-semantics §2.3). Without the prefix `(service NAME) `, which
//! `apply` puts before them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use drydock_state::{Millis, ServiceKey, State, TaskKey};

use crate::place::Unplaced;

/// `stoppedReason` of a task that fails its health checks.
pub(crate) const UNHEALTHY: &str = "Task failed container health checks";

/// The service is as it should be. Ends the suppression of all other texts.
pub(crate) const STEADY: &str = "has reached a steady state.";

/// A task set has as many tasks as it wants, all of them well.
pub(crate) const TASK_SET_STEADY: &str = "updated state to STEADY_STATE.";

/// Tasks keep failing to start.
pub(crate) const IMPAIRED: &str = "is unable to consistently start tasks successfully.";

/// Rebalancing of zones is over before its end.
pub(crate) const REBALANCING_STOPPED: &str = "stopped AZ Rebalancing.";

/// Why zones can't be rebalanced with a maximumPercent that comes to no task more.
pub(crate) const NO_TASK_MORE: &str = "its maximumPercent doesn't allow one more task than desired.";

/// Neither bound leaves room.
pub(crate) const DEADLOCK: &str = "was unable to stop or start tasks during a deployment because of the service \
     deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.";

/// A daemon task's instance doesn't meet the constraints any more.
pub(crate) fn unfit(task: TaskKey, instance: u128) -> String {
    format!("(task {task}) no longer meets the placement constraints on (container-instance {instance:032x}).")
}

/// Protected tasks keep a deployment or a smaller count waiting.
pub(crate) fn protected(deployment: u64) -> String {
    format!("(deployment ecs-svc/{deployment}) was unable to scale in due to task protection.")
}

/// Zones are going to be rebalanced.
pub(crate) fn unbalanced(spread: &BTreeMap<Arc<str>, u32>) -> String {
    format!("is not AZ balanced with {}. AZ Rebalancing in progress.", in_zones(spread, ""))
}

/// Zones have been rebalanced.
pub(crate) fn balanced(spread: &BTreeMap<Arc<str>, u32>) -> String {
    format!("is AZ balanced with {}.", in_zones(spread, " tasks"))
}

/// `N tasks in A, M in B, and K in C`, as ECS puts it: it says `tasks` each time only of what is balanced.
fn in_zones(spread: &BTreeMap<Arc<str>, u32>, again: &str) -> String {
    let mut text = String::new();
    for (at, (zone, tasks)) in spread.iter().enumerate() {
        let joint = match (at, spread.len() - at) {
            (0, _) => "",
            (1, 1) => " and ",
            (_, 1) => ", and ",
            _ => ", ",
        };
        let noun = if at == 0 { " tasks" } else { again };
        let _ = write!(text, "{joint}{tasks}{noun} in {zone}");
    }
    text
}

/// Why zones can't be rebalanced.
pub(crate) fn unable_to_rebalance(why: &str) -> String {
    format!("was unable to AZ Rebalance because {why}")
}

/// A zone takes no task.
pub(crate) fn no_room(zone: &str, why: &Unplaced) -> String {
    if why.pool.is_fargate() {
        return format!("is unable to place a task in {zone}.");
    }
    format!("is unable to place a task in {zone} because no container instance met all of its requirements.")
}

/// No instance takes a task; the reason follows.
const UNPLACED: &str = "was unable to place a task because no container instance met all of its requirements.";

/// No Fargate host takes a task: nobody is told of those.
const FARGATE_UNAVAILABLE: &str = "was unable to place a task. Reason: Capacity is unavailable at this time. Please try \
     again later or in a different availability zone.";

/// Most task ids that one event names; of more it says how many.
const TASKS_NAMED_MAX: usize = 20;

/// `stoppedReason` of a task that a deployment or a change of the count stops.
pub(crate) fn scaling(deployment: u64) -> String {
    format!("Scaling activity initiated by (deployment ecs-svc/{deployment})")
}

/// Id of the deployment that a text of [`scaling`] names.
pub(crate) fn scaling_deployment(reason: &str) -> Option<u64> {
    let (_, rest) = reason.split_once("(deployment ecs-svc/")?;
    rest.strip_suffix(')')?.parse().ok()
}

/// A deployment is at its end.
pub(crate) fn completed(deployment: u64) -> String {
    format!("(deployment ecs-svc/{deployment}) deployment completed.")
}

/// A deployment has failed.
pub(crate) fn failed(deployment: u64, why: &str) -> String {
    format!("(deployment ecs-svc/{deployment}) deployment failed: {why}.")
}

/// A deployment goes back to an earlier one.
pub(crate) fn rolling_back(to: u64) -> String {
    format!("rolling back to deployment ecs-svc/{to}.")
}

/// A deployment has failed, no more tasks of it are started, and nothing takes its place.
pub(crate) fn stalled(deployment: u64) -> String {
    format!(
        "(deployment ecs-svc/{deployment}) is stalled: there is no completed deployment to roll back to. No tasks of it \
         are started until the service is updated."
    )
}

/// A deployment was stopped, with no rollback asked for.
pub(crate) fn stopped_for_good(deployment: u64) -> String {
    format!("(deployment ecs-svc/{deployment}) is stopped. No tasks of it are started until the service is updated.")
}

/// A deployment waits for somebody to act on a lifecycle hook.
pub(crate) fn paused(deployment: u64, stage: &str, hook: &str) -> String {
    format!("(deployment ecs-svc/{deployment}) is paused at the lifecycle stage {stage} by the hook {hook}.")
}

/// Tasks were told to stop.
pub(crate) fn stopped(tasks: &[TaskKey]) -> String {
    name_tasks(format!("has stopped {} running tasks:", tasks.len()), tasks)
}

/// Tasks of a zone were told to stop since others have taken their place.
pub(crate) fn stopped_in(zone: &str, tasks: &[TaskKey]) -> String {
    name_tasks(format!("has stopped {} running tasks in {zone} due to AZ rebalancing:", tasks.len()), tasks)
}

fn name_tasks(mut text: String, tasks: &[TaskKey]) -> String {
    for task in tasks.iter().take(TASKS_NAMED_MAX) {
        let _ = write!(text, " (task {task})");
    }
    if let Some(more) = tasks.len().checked_sub(TASKS_NAMED_MAX).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text.push('.');
    text
}

/// No instance takes a task.
pub(crate) fn unplaced(why: &Unplaced) -> String {
    if why.pool.is_fargate() {
        return FARGATE_UNAVAILABLE.to_owned();
    }
    match why.closest {
        None => format!("{UNPLACED} Reason: No Container Instances were found in your cluster."),
        Some((instance, refusal)) => {
            format!("{UNPLACED} The closest matching (container-instance {instance:032x}) {}", refusal.explanation())
        }
    }
}

/// Whether the service has said so already and its cause hasn't cleared since: within the suppression time, and with
/// no steady state in between. Where no instance takes a task, the cause is what the closest one lacks, whichever that
/// is.
pub(crate) fn said(view: &State, service: ServiceKey, text: &str, now: Millis) -> bool {
    let since = now.saturating_sub(view.settings().event_suppression_ms);
    let cause = if text.starts_with(UNPLACED) { text.rsplit(") ").next().unwrap_or(text) } else { text };
    let same = |message: &str| message.ends_with(cause) && message.contains(UNPLACED) == text.contains(UNPLACED);
    view.service_events(service)
        .rev()
        .take_while(|event| event.created_at > since && !event.message.ends_with(STEADY))
        .any(|event| same(&event.message))
}
