//! Rows of services, their deployments, revisions and events (ecs-semantics §2.3).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use drydock_model::ids::deployment_id;
use drydock_model::requests::task_sets::is_external;
use drydock_model::status::{ServiceDeploymentStatus, ServiceStatus};
use drydock_proto::ecs;

use super::hook::HookRow;
use super::task::TaskLaunch;
use crate::key::{DefinitionKey, DeploymentKey, Millis, RevisionKey, ServiceKey};

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRow {
    /// Cluster and number.
    pub key: ServiceKey,
    /// Its name.
    pub name: Arc<str>,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: ServiceStatus,
    /// +1 on every change of this row.
    pub version: u64,
    /// +1 on every change that the API made (create, update, delete): the precondition of what a plan decides.
    pub generation: u64,
    /// Tasks wanted. Of a DAEMON service: the instances that should have one, as its reconciler last counted them.
    pub desired_count: u32,
    /// Number of the deployment whose revision clients see as PRIMARY: the newest, or the one rolled back to. With an
    /// EXTERNAL controller, number of the primary task set; 0 before there is one.
    pub primary_deployment: u64,
    /// Number of the ServiceDeployment that was started last (`currentServiceDeployment`).
    pub current_deployment: u64,
    /// Number of the revision that the service is going to, or is at. With an EXTERNAL controller, that of the primary
    /// task set; 0 before there is one.
    pub target_revision: u64,
    /// Number of the deployment that COMPLETED last: where the circuit breaker rolls back to.
    pub completed_deployment: Option<u64>,
    /// When it was created.
    pub created_at: Millis,
    /// Who created it.
    pub created_by: Arc<str>,
    /// What reconcilers keep here between steps.
    pub progress: ServiceProgress,
    /// INACTIVE only: from when on it may be reaped.
    pub reap_at: Option<Millis>,
    /// What the API took, with ECS's defaults filled in, and gives back: load balancers, deployment configuration and
    /// controller, placement, strategy, grace period, tags … Members that are rendered (ARNs, status, counts,
    /// deployments, events, times, task definition) are unset.
    pub document: Arc<ecs::Service>,
    /// `service:NAME`, shared by its tasks.
    pub group: Arc<str>,
}

/// What reconcilers keep in a service between steps: back-off and flags, so that a failover loses none (design §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceProgress {
    /// Steady state was reached and said; unset as soon as it is left.
    pub steady: bool,
    /// Consecutive tasks that never got to RUNNING; grows the back-off, reset by a task that runs or a new definition.
    pub start_failures: u32,
    /// No task is started before this (start-failure throttle).
    pub not_before: Option<Millis>,
    /// When the reconciler wants to look again though nothing changes (e.g. 40 s after a task's RUNNING).
    pub wake_at: Option<Millis>,
    /// `createdAt` of the newest task whose start failure is counted in `start_failures`.
    pub counted_until: Millis,
    /// Its zones are being rebalanced; the desired count that this is for.
    pub rebalancing: Option<u32>,
    /// Its zones couldn't be rebalanced, and it isn't tried again before this.
    pub rebalance_at: Option<Millis>,
}

/// `rolloutState` of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutState {
    /// Goes on.
    InProgress = 1,
    /// At its target.
    Completed = 2,
    /// Given up.
    Failed = 3,
}

/// Where a ServiceDeployment is (`lifecycleStage`). Codes are those of the ECS enum.
pub type LifecycleStage = ecs::ServiceDeploymentLifecycleStage;

/// State of a deployment's circuit breaker. Codes are those of the ECS enum.
pub type MonitorStatus = ecs::ServiceDeploymentRollbackMonitorsStatus;

/// A ServiceDeployment: the state machine from which the `deployments[]` that clients read are derived.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentRow {
    /// Service and number.
    pub key: DeploymentKey,
    /// 19 or 20 digits: `ecs-svc/ID`, and the id of its ARN.
    pub id: u64,
    /// +1 on every change of this row.
    pub version: u64,
    /// Number of the revision it goes to.
    pub target_revision: u64,
    /// Numbers of the revisions it comes from; empty for a service's first.
    pub source_revisions: Arc<[u64]>,
    /// As DescribeServiceDeployments tells.
    pub status: ServiceDeploymentStatus,
    /// In words.
    pub status_reason: Option<Arc<str>>,
    /// As `deployments[]` tells.
    pub rollout_state: RolloutState,
    /// In words.
    pub rollout_state_reason: Arc<str>,
    /// Where it is.
    pub stage: LifecycleStage,
    /// Consecutive failed tasks (`failedTasks`); 0 again once a task runs.
    pub failed_tasks: u32,
    /// What the circuit breaker has counted.
    pub failure_count: u32,
    /// The circuit breaker.
    pub breaker: MonitorStatus,
    /// Whether any task of it ever got to RUNNING (the breaker's second stage).
    pub ever_ran: bool,
    /// `stopped_at` of the newest stopped task that `failed_tasks` has seen.
    pub counted_until: Millis,
    /// When it was created.
    pub created_at: Millis,
    /// When it began to work.
    pub started_at: Option<Millis>,
    /// When this row last changed.
    pub updated_at: Millis,
    /// When it reached a final status.
    pub finished_at: Option<Millis>,
    /// When it was stopped.
    pub stopped_at: Option<Millis>,
    /// The stage must be left by then (24 h a stage), or it fails.
    pub stage_deadline: Option<Millis>,
    /// It must be over by then (30 days), or it fails.
    pub deadline: Option<Millis>,
    /// When its reconciler wants to look again though nothing changes (bake time, hooks).
    pub wake_at: Option<Millis>,
    /// Where it rolls back to.
    pub rollback: Option<RollbackRow>,
    /// Failed tasks that stopped exactly at `counted_until` and are counted: others may stop in the same millisecond.
    pub counted_at: u32,
    /// Final only: the circuit breaker's threshold as it was in the end.
    pub threshold: Option<u32>,
    /// Given up for good (its breaker tripped, it was aborted, or there was nothing to roll back to): no task of it is
    /// started any more.
    pub halted: bool,
    /// Share of production traffic that its target revision was given, in tenths of a percent. ROLLING has none.
    pub production_traffic: u32,
    /// The same of test traffic.
    pub test_traffic: u32,
    /// The bake time that it is in ends then.
    pub bake_until: Option<Millis>,
    /// Hooks of the stage that it is in, from when it came there.
    pub hooks: Arc<[HookRow]>,
    /// Final only: from when on it may be reaped.
    pub reap_at: Option<Millis>,
    /// The configuration that it was started with.
    pub configuration: Arc<ecs::DeploymentConfiguration>,
    /// `ecs-svc/ID`, shared by its tasks.
    pub started_by: Arc<str>,
}

/// A rollback in a ServiceDeployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRow {
    /// Why.
    pub reason: Arc<str>,
    /// Since when.
    pub started_at: Millis,
    /// Number of the deployment whose revision it goes back to.
    pub to_deployment: u64,
    /// Number of that revision.
    pub to_revision: u64,
}

/// A ServiceRevision: the immutable snapshot of what its tasks are made from.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionRow {
    /// Service and number.
    pub key: RevisionKey,
    /// The id of its ARN.
    pub id: u64,
    /// When it was made.
    pub created_at: Millis,
    /// What its tasks run.
    pub definition: DefinitionKey,
    /// How its tasks are launched; they share it.
    pub launch: Arc<TaskLaunch>,
    /// Load balancers, registries, Service Connect, volumes, capacity provider strategy. What is rendered from the
    /// other fields (ARNs, task definition, launch type, network, time) is unset.
    pub document: Arc<ecs::ServiceRevision>,
    /// Digest of each container's image as the first task found it: what the others get (version consistency).
    pub image_digests: Arc<BTreeMap<String, String>>,
}

/// Whether the image of a container is resolved to a digest that all tasks of a deployment get (ecs-semantics §2.3): not
/// where it names one, nor where `versionConsistency` is disabled.
#[must_use]
pub fn is_pinned(container: &ecs::ContainerDefinition) -> bool {
    container.version_consistency() != ecs::VersionConsistency::Disabled && !container.image().contains('@')
}

impl RevisionRow {
    /// Whether an image of its task definition is to be resolved and isn't yet.
    #[must_use]
    pub fn is_unresolved(&self, definition: &ecs::TaskDefinition) -> bool {
        let mut pinned = definition.container_definitions.iter().filter(|container| is_pinned(container));
        pinned.any(|container| !self.image_digests.contains_key(container.name()))
    }
}

/// Most events that a service keeps; the oldest goes first (ecs-semantics §2.3).
pub const SERVICE_EVENTS_MAX: usize = 100;

/// The events that DescribeServices shows. A row of its own, so that an event doesn't change the service's version.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceEventsRow {
    /// Whose they are.
    pub key: ServiceKey,
    /// Oldest first, at most [`SERVICE_EVENTS_MAX`].
    pub events: Arc<VecDeque<ServiceEventRow>>,
}

/// One service event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEventRow {
    /// A UUID, as a number.
    pub id: u128,
    /// When.
    pub created_at: Millis,
    /// `(service NAME) …`.
    pub message: Arc<str>,
}

impl RolloutState {
    /// As ECS spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// ECS's default `maximumPercent` of a REPLICA service.
pub const MAXIMUM_PERCENT_DEFAULT: u32 = 200;
/// ECS's default `minimumHealthyPercent` of a REPLICA service.
pub const MINIMUM_HEALTHY_PERCENT_DEFAULT: u32 = 100;

impl DeploymentRow {
    /// `ecs-svc/ID`.
    #[must_use]
    pub fn started_by_of(id: u64) -> Arc<str> {
        deployment_id(id).into()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status.is_final()
    }
}

impl ServiceRow {
    /// `service:NAME`.
    #[must_use]
    pub fn group_of(name: &str) -> Arc<str> {
        format!("service:{name}").into()
    }

    /// The deployment shown as PRIMARY.
    #[must_use]
    pub fn primary_key(&self) -> DeploymentKey {
        self.key.deployment(self.primary_deployment)
    }

    /// The ServiceDeployment that was started last.
    #[must_use]
    pub fn current_key(&self) -> DeploymentKey {
        self.key.deployment(self.current_deployment)
    }

    /// The revision it is going to, or is at.
    #[must_use]
    pub fn target_key(&self) -> RevisionKey {
        self.key.revision(self.target_revision)
    }

    /// `minimumHealthyPercent`, in percent of the desired count.
    #[must_use]
    pub fn minimum_healthy_percent(&self) -> u32 {
        let given = self.document.deployment_configuration.as_ref().and_then(|c| c.minimum_healthy_percent);
        given.and_then(|v| u32::try_from(v).ok()).unwrap_or(MINIMUM_HEALTHY_PERCENT_DEFAULT)
    }

    /// `maximumPercent`, in percent of the desired count.
    #[must_use]
    pub fn maximum_percent(&self) -> u32 {
        let given = self.document.deployment_configuration.as_ref().and_then(|c| c.maximum_percent);
        given.and_then(|v| u32::try_from(v).ok()).unwrap_or(MAXIMUM_PERCENT_DEFAULT)
    }

    /// `healthCheckGracePeriodSeconds`, in milliseconds.
    #[must_use]
    pub fn health_check_grace_ms(&self) -> u64 {
        let seconds = self.document.health_check_grace_period_seconds.and_then(|v| u64::try_from(v).ok());
        seconds.unwrap_or(0).saturating_mul(1_000)
    }

    /// One task an instance instead of a count.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.scheduling_strategy() == ecs::SchedulingStrategy::Daemon
    }

    /// Whether its tasks are spread evenly over zones again where they aren't (`availabilityZoneRebalancing`).
    #[must_use]
    pub fn rebalances(&self) -> bool {
        self.document.availability_zone_rebalancing() == ecs::AvailabilityZoneRebalancing::Enabled
    }

    /// Whether its tasks come from task sets (deployment controller EXTERNAL), and it has no deployments.
    #[must_use]
    pub fn is_external(&self) -> bool {
        is_external(self.document.deployment_controller.as_ref())
    }

    /// REPLICA or DAEMON.
    #[must_use]
    pub fn scheduling_strategy(&self) -> ecs::SchedulingStrategy {
        match self.document.scheduling_strategy() {
            ecs::SchedulingStrategy::Daemon => ecs::SchedulingStrategy::Daemon,
            _ => ecs::SchedulingStrategy::Replica,
        }
    }
}
