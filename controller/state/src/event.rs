//! What happened: typed events that apply emits. They carry the rows as of then, so that rendering them later (the
//! query module does) shows the state as of then.

use std::sync::Arc;

use drydock_model::arn::Scope;

use crate::key::Millis;
use crate::row::{DefinitionRow, DeploymentRow, InstanceRow, ScalingRow, ServiceRow, TaskRow};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Index of the log entry that it came from.
    pub index: u64,
    /// Its place among the events of that entry, from 0.
    pub ordinal: u32,
    /// The log's time.
    pub at: Millis,
    /// Id of the event, a UUID as a number.
    pub id: u128,
    /// Region and account.
    pub scope: Arc<Scope>,
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// What happened.
    pub kind: EventKind,
}

/// The four EventBridge shapes (ecs-semantics §2.6).
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// "ECS Task State Change".
    Task {
        /// As it is now.
        task: Arc<TaskRow>,
        /// What it runs.
        definition: Arc<DefinitionRow>,
    },
    /// "ECS Container Instance State Change".
    Instance {
        /// As it is now.
        instance: Arc<InstanceRow>,
        /// Its tasks that are RUNNING.
        running: u32,
        /// Its tasks on their way to RUNNING.
        pending: u32,
    },
    /// "ECS Service Action".
    ServiceAction {
        /// As it is now.
        service: Arc<ServiceRow>,
        /// INFO, WARN or ERROR.
        level: Level,
        /// `SERVICE_STEADY_STATE` …
        name: Arc<str>,
        /// E.g. `RESOURCE:CPU`.
        reason: Option<Arc<str>>,
        /// Instances concerned.
        instances: Arc<[u128]>,
        /// Names of the capacity providers concerned.
        capacity_providers: Arc<[Arc<str>]>,
    },
    /// "ECS Deployment State Change".
    Deployment {
        /// Whose.
        service: Arc<ServiceRow>,
        /// As it is now.
        deployment: Arc<DeploymentRow>,
        /// INFO, or ERROR where it failed.
        level: Level,
        /// `SERVICE_DEPLOYMENT_IN_PROGRESS` …
        name: &'static str,
        /// In words.
        reason: Arc<str>,
    },
    /// "Drydock Capacity Provider Scaling": the size that a capacity provider should have has changed. ECS has no such
    /// event, for there AWS starts and ends the machines.
    Scaling(Arc<ScalingRow>),
}

/// `eventType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "EventBridge's words")]
pub enum Level {
    Info = 1,
    Warn = 2,
    Error = 3,
}

/// Every "ECS Service Action" that ECS has, with its `eventType` (ecs-semantics §2.6). Another is never sent. What
/// nothing here can cause yet (service discovery, VPC Lattice, throttled calls to AWS) is in the list all the same.
pub const SERVICE_ACTIONS: [(&str, Level); 22] = [
    ("SERVICE_STEADY_STATE", Level::Info),
    ("TASKSET_STEADY_STATE", Level::Info),
    ("CAPACITY_PROVIDER_STEADY_STATE", Level::Info),
    // Of the scheduler's own changes: what a user sets isn't told back.
    ("SERVICE_DESIRED_COUNT_UPDATED", Level::Info),
    ("TASKS_STARTED", Level::Info),
    ("TASKS_STOPPED", Level::Info),
    ("SERVICE_DEPLOYMENT_IN_PROGRESS", Level::Info),
    ("SERVICE_DEPLOYMENT_COMPLETED", Level::Info),
    ("SERVICE_REBALANCING_STARTED", Level::Info),
    ("SERVICE_REBALANCING_COMPLETED", Level::Info),
    ("SERVICE_REBALANCING_STOPPED", Level::Info),
    ("TASKSET_SCALE_IN_FAILURE_BY_TASK_PROTECTION", Level::Info),
    ("SERVICE_TASK_START_IMPAIRED", Level::Warn),
    ("SERVICE_DISCOVERY_INSTANCE_UNHEALTHY", Level::Warn),
    ("VPC_LATTICE_TARGET_UNHEALTHY", Level::Warn),
    ("SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED", Level::Error),
    ("ECS_OPERATION_THROTTLED", Level::Error),
    ("SERVICE_DISCOVERY_OPERATION_THROTTLED", Level::Error),
    ("SERVICE_TASK_PLACEMENT_FAILURE", Level::Error),
    ("SERVICE_TASK_CONFIGURATION_FAILURE", Level::Error),
    ("SERVICE_HEALTH_UNKNOWN", Level::Error),
    ("SERVICE_DEPLOYMENT_FAILED", Level::Error),
];

impl EventKind {
    /// `detail-type`.
    #[must_use]
    pub const fn detail_type(&self) -> &'static str {
        match self {
            Self::Task { .. } => "ECS Task State Change",
            Self::Instance { .. } => "ECS Container Instance State Change",
            Self::ServiceAction { .. } => "ECS Service Action",
            Self::Deployment { .. } => "ECS Deployment State Change",
            Self::Scaling(_) => "Drydock Capacity Provider Scaling",
        }
    }
}

impl Level {
    /// As EventBridge spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}
