//! Rows that aren't ECS resources: remembered client tokens, controllers, settings, counters.

use std::sync::Arc;

use drydock_proto::ecs;

use crate::key::{Millis, ServiceKey, TaskKey, TaskSetKey, TokenKey};

/// What a clientToken led to, so that a retry gets the same answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    /// Cluster, operation and token.
    pub key: TokenKey,
    /// Digest of the request without its token: another request with the same token is a conflict.
    pub request_digest: u64,
    /// When it is forgotten.
    pub expires_at: Millis,
    /// What came of it.
    pub result: TokenResult,
}

/// What a remembered request led to.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenResult {
    /// RunTask: the tasks and the failures.
    Tasks(Arc<[TaskKey]>, Arc<[ecs::Failure]>),
    /// CreateService: the service.
    Service(ServiceKey),
    /// CreateTaskSet: the task set.
    TaskSet(TaskSetKey),
}

/// Settings that change decisions: replicated state, never a flag of one process (design §3.3). Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A task without load balancer and health check counts as healthy so long after RUNNING (ecs-semantics §2.3).
    pub healthy_after_ms: u64,
    /// An agent that isn't heard from for so long is disconnected.
    pub instance_disconnect_after_ms: u64,
    /// The tasks of an instance that is disconnected for so long are lost.
    pub instance_lost_after_ms: u64,
    /// STOPPED tasks are kept so long.
    pub stopped_task_retention_ms: u64,
    /// INACTIVE clusters, services and instances, and ended deployments, are kept so long.
    pub inactive_retention_ms: u64,
    /// client tokens are remembered so long.
    pub token_retention_ms: u64,
    /// A task that isn't RUNNING so long after its creation is looked at: its agent should have ended it.
    pub task_start_limit_ms: u64,
    /// A task that has waited so long for an instance of its capacity provider fails to start.
    pub task_provision_limit_ms: u64,
    /// A task that isn't STOPPED so long after it was told to stop is looked at.
    pub task_stop_limit_ms: u64,
    /// A deployment's stage ends within this, or it fails.
    pub deployment_stage_limit_ms: u64,
    /// A deployment ends within this, or it fails.
    pub deployment_limit_ms: u64,
    /// An identical service event is suppressed for so long.
    pub event_suppression_ms: u64,
    /// Tasks that one service launches within a minute at most (ecs-semantics §2.7).
    pub service_launches_per_minute: u64,
    /// The waits that ECS makes long are divided by it ([`Self::shortened`]): 1 as in ECS, [`FAST_DIVISOR`] with `--fast`.
    pub waits_divisor: u64,
}

/// What `--fast` divides ECS's long waits by: 40 s become 2 s, 27 min become 81 s.
pub const FAST_DIVISOR: u64 = 20;

/// Above it no wait of a minute would be left.
const DIVISOR_MAX: u64 = 1_000;

/// ECS's quota. What commands without this setting mean: it never changes.
pub const SERVICE_LAUNCHES_PER_MINUTE: u64 = 500;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl Default for Settings {
    fn default() -> Self {
        Self {
            healthy_after_ms: 40 * SECOND,
            instance_disconnect_after_ms: 15 * SECOND,
            instance_lost_after_ms: 2 * MINUTE,
            stopped_task_retention_ms: HOUR,
            inactive_retention_ms: HOUR,
            token_retention_ms: HOUR,
            task_start_limit_ms: 3 * HOUR,
            task_provision_limit_ms: 30 * MINUTE,
            task_stop_limit_ms: 10 * MINUTE,
            deployment_stage_limit_ms: 24 * HOUR,
            deployment_limit_ms: 30 * 24 * HOUR,
            event_suppression_ms: 6 * HOUR,
            service_launches_per_minute: SERVICE_LAUNCHES_PER_MINUTE,
            waits_divisor: 1,
        }
    }
}

/// The longest time that a setting may name: a year.
const SETTING_MAX_MS: u64 = 366 * 24 * HOUR;

impl Settings {
    /// A wait that ECS makes long, in milliseconds: the back-off after failed starts, the time until placement is tried
    /// again, the warning of a Spot interruption. (`healthy_after_ms` is a setting of its own.)
    #[must_use]
    pub const fn shortened(&self, wait_ms: Millis) -> Millis {
        wait_ms / if self.waits_divisor == 0 { 1 } else { self.waits_divisor }
    }

    /// Checks the bounds: no time may be above a year, none so short that it could never be kept, a service launches one
    /// task a minute at least, and what it launched is remembered for that minute, also where it stopped at once.
    ///
    /// # Errors
    /// What is out of its bounds.
    pub fn check(&self) -> Result<(), String> {
        let times = [
            ("healthyAfterMs", self.healthy_after_ms, 0),
            ("instanceDisconnectAfterMs", self.instance_disconnect_after_ms, 100),
            ("instanceLostAfterMs", self.instance_lost_after_ms, 0),
            ("stoppedTaskRetentionMs", self.stopped_task_retention_ms, MINUTE),
            ("inactiveRetentionMs", self.inactive_retention_ms, 1),
            ("tokenRetentionMs", self.token_retention_ms, 0),
            ("taskStartLimitMs", self.task_start_limit_ms, SECOND),
            ("taskProvisionLimitMs", self.task_provision_limit_ms, SECOND),
            ("taskStopLimitMs", self.task_stop_limit_ms, SECOND),
            ("deploymentStageLimitMs", self.deployment_stage_limit_ms, SECOND),
            ("deploymentLimitMs", self.deployment_limit_ms, SECOND),
            ("eventSuppressionMs", self.event_suppression_ms, 0),
        ];
        if self.service_launches_per_minute == 0 {
            return Err("serviceLaunchesPerMinute must be at least 1.".to_owned());
        }
        if !(1..=DIVISOR_MAX).contains(&self.waits_divisor) {
            return Err(format!("waitsDivisor is {}; it must be from 1 to {DIVISOR_MAX}.", self.waits_divisor));
        }
        match times.into_iter().find(|(_, value, least)| value < least || *value > SETTING_MAX_MS) {
            Some((name, value, least)) => {
                Err(format!("{name} is {value}; it must be from {least} to {SETTING_MAX_MS}."))
            }
            None => Ok(()),
        }
    }
}

/// Numbers that only grow, and where the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Index of the last entry applied.
    pub applied_index: u64,
    /// Its term.
    pub applied_term: u64,
    /// The largest `now_ms` of all envelopes applied.
    pub last_now: Millis,
    /// Term of the last NewEpoch.
    pub epoch: u64,
    /// Number of the last scope.
    pub scopes: u32,
    /// Number of the last cluster.
    pub clusters: u32,
    /// Number of the last service.
    pub services: u64,
    /// Number of the last deployment, task set or revision.
    pub deployments: u64,
}
