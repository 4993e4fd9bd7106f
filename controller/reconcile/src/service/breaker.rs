//! The deployment circuit breaker (ecs-semantics §2.3): what counts as a failure of a deployment, what sets the count
//! back, and when it trips. Only rolling deployments have one that looks.

use drydock_model::deployment::{resets_on_healthy_task, threshold};
use drydock_state::Millis;
use drydock_state::row::{DeploymentRow, MonitorStatus, RolloutState};

/// What a failed task means to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It never got to RUNNING: counts in the first stage, while no task of the deployment ever ran.
    Start,
    /// It was replaced because its health checks failed: counts in the second stage, once one has run.
    Check,
}

/// The breaker's count after a look.
///
/// `failures` are those that nobody has counted yet, each with when its task stopped; `healthy_at` is when a task of the
/// deployment last became healthy; `ran` whether one ever got to RUNNING.
pub(crate) fn count(row: &DeploymentRow, failures: &[(Millis, Failure)], healthy_at: Option<Millis>, ran: bool) -> u32 {
    if row.breaker != MonitorStatus::Monitoring {
        return row.failure_count;
    }
    let resets = row.configuration.deployment_circuit_breaker.as_ref().is_none_or(resets_on_healthy_task);
    let healed_at = healthy_at.filter(|_| resets);
    let before = if healed_at.is_some_and(|at| at > row.counted_until) { 0 } else { row.failure_count };
    let counted = failures.iter().filter(|(at, failure)| {
        let of_stage = *failure == if ran { Failure::Check } else { Failure::Start };
        of_stage && healed_at.is_none_or(|healed| *at >= healed)
    });
    before.saturating_add(u32::try_from(counted.count()).unwrap_or(u32::MAX))
}

/// Whether the count has come to the threshold, which follows the latest `desired` count.
pub(crate) fn trips(row: &DeploymentRow, failure_count: u32, desired: u32) -> bool {
    let looks = row.breaker == MonitorStatus::Monitoring && row.rollout_state == RolloutState::InProgress;
    let given = row.configuration.deployment_circuit_breaker.as_ref();
    looks && given.is_some_and(|given| failure_count >= threshold(given, desired))
}

/// Whether a deployment that fails is to be rolled back.
pub(crate) fn rolls_back(row: &DeploymentRow) -> bool {
    row.configuration.deployment_circuit_breaker.as_ref().is_some_and(|given| given.rollback == Some(true))
}
