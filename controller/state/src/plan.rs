//! What reconcilers decide: a closed set of small changes, each with a precondition of its own. A change whose
//! precondition fails is dropped singly and reported; the next step decides anew (raft-recipe §3 B3).

use std::sync::Arc;

use drydock_model::status::{ServiceDeploymentStatus, ServiceStatus, StopCode};

use crate::event::Level;
use crate::key::{DeploymentKey, InstanceKey, Key, Millis, ScalingKey, ServiceKey, TaskKey, TaskSetKey};
use crate::row::{HookRow, LifecycleStage, MonitorStatus, RollbackRow, RolloutState, ScalingFigures, ServiceProgress};

/// Most changes in one plan. Those above it are dropped, and decided anew.
pub const PLAN_CHANGES_MAX: usize = 1_000;

/// Most bytes of one encoded plan: an envelope has room for it. What is more goes into a plan of its own.
pub const PLAN_BYTES_MAX: usize = 256 * 1024;

/// A batch of decisions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Applied in order, each by itself.
    pub changes: Vec<Change>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Starts a task of a service.
    CreateTask(CreateTask),
    /// Tells a task to stop. Dropped where it is told already.
    StopTask(StopTask),
    /// Declares a task STOPPED without its agent. Dropped where it is STOPPED, or where its instance is connected
    /// unless `even_if_connected`.
    MarkTaskLost(MarkTaskLost),
    /// Moves a deployment on.
    SetDeployment(Box<SetDeployment>),
    /// Moves a service on.
    SetService(SetService),
    /// Adds a service event; dropped where it repeats the suppressed one.
    PutServiceEvent(PutServiceEvent),
    /// Emits an "ECS Service Action" event with its EventBridge name. Dropped where ECS has none of that name and level
    /// ([`crate::event::SERVICE_ACTIONS`]).
    EmitServiceAction(EmitServiceAction),
    /// Moves an instance on.
    SetInstance(SetInstance),
    /// Ends the scale-in protection of a task. Dropped where that has another end by now.
    EndTaskProtection(EndTaskProtection),
    /// Moves a task set on.
    SetTaskSet(SetTaskSet),
    /// Gives a task that waits for capacity its instance.
    BindTask(BindTask),
    /// Writes down what managed scaling decided.
    SetScaling(Box<SetScaling>),
}

/// Starts a task of a service. Dropped unless the service is ACTIVE at this generation, the deployment or task set goes to
/// that revision, and the revision's needs still fit on the instance. Without an instance it waits for one of its capacity
/// provider; dropped where [`crate::capacity::WAITING_MAX`] tasks of the cluster do already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTask {
    /// Whose.
    pub service: ServiceKey,
    /// [`crate::row::ServiceRow::generation`] as decided upon.
    pub generation: u64,
    /// Number of the deployment or task set that starts it.
    pub deployment: u64,
    /// Number of the revision that it runs.
    pub revision: u64,
    /// Id of the instance, in the service's cluster; none where it waits for one.
    pub instance: Option<u128>,
    /// The capacity provider that was chosen for it, by name.
    pub capacity_provider: Option<Arc<str>>,
    /// It takes the place of one in another zone: the event of its start says so.
    pub rebalances: bool,
}

/// Tells a task to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopTask {
    /// Which.
    pub task: TaskKey,
    /// Why.
    pub code: StopCode,
    /// In words.
    pub reason: String,
}

/// Declares a task STOPPED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkTaskLost {
    /// Which.
    pub task: TaskKey,
    /// Why; one that is set already stays.
    pub code: StopCode,
    /// In words; one that is set already stays.
    pub reason: String,
    /// Also where its instance is connected: a deadline has passed.
    pub even_if_connected: bool,
}

/// New values of a deployment; `None` leaves a field. `Some(None)` clears one.
#[derive(Debug, Clone, PartialEq)]
pub struct SetDeployment {
    /// Which.
    pub deployment: DeploymentKey,
    /// [`crate::row::DeploymentRow::version`] as decided upon.
    pub version: u64,
    /// New status. A final one sets `finishedAt`, and COMPLETED makes it the one to roll back to.
    pub status: Option<ServiceDeploymentStatus>,
    /// In words.
    pub status_reason: Option<String>,
    /// New rollout state; a change emits a "ECS Deployment State Change" event.
    pub rollout_state: Option<RolloutState>,
    /// In words.
    pub rollout_state_reason: Option<String>,
    /// New stage; its deadline is set anew.
    pub stage: Option<LifecycleStage>,
    /// `failedTasks`.
    pub failed_tasks: Option<u32>,
    /// The breaker's count.
    pub failure_count: Option<u32>,
    /// The breaker.
    pub breaker: Option<MonitorStatus>,
    /// A task of it has run.
    pub ever_ran: Option<bool>,
    /// Newest stopped task counted.
    pub counted_until: Option<Millis>,
    /// When to look again.
    pub wake_at: Option<Option<Millis>>,
    /// Begins a rollback: the service's target becomes that revision, its primary deployment that deployment, which
    /// goes back to IN_PROGRESS.
    pub rollback: Option<RollbackRow>,
    /// Failed tasks counted that stopped exactly at `counted_until`.
    pub counted_at: Option<u32>,
    /// No task of it is started any more.
    pub halt: bool,
    /// Production traffic of the target revision, in tenths of a percent.
    pub production_traffic: Option<u32>,
    /// Its test traffic.
    pub test_traffic: Option<u32>,
    /// The end of a bake time.
    pub bake_until: Option<Option<Millis>>,
    /// Replaces its hooks. The stage's deadline is put off until after the last of them.
    pub hooks: Option<Vec<HookRow>>,
}

/// New values of a service; `None` leaves a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetService {
    /// Which.
    pub service: ServiceKey,
    /// [`crate::row::ServiceRow::version`] as decided upon.
    pub version: u64,
    /// Replaces its progress.
    pub progress: Option<ServiceProgress>,
    /// DRAINING → INACTIVE, the only change of status that a reconciler makes. Dropped while a task of it isn't told
    /// to stop.
    pub status: Option<ServiceStatus>,
    /// DAEMON only: how many instances should have a task, `desiredCount`. Tells SERVICE_DESIRED_COUNT_UPDATED.
    pub desired_count: Option<u32>,
}

/// Adds a service event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutServiceEvent {
    /// Whose.
    pub service: ServiceKey,
    /// Without its prefix, which is put before it: `(service NAME) `, or `(service NAME, taskSet ecs-svc/ID) `.
    pub message: String,
    /// Number of the task set that it is about.
    pub task_set: Option<u64>,
}

/// Emits a service action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmitServiceAction {
    /// Whose.
    pub service: ServiceKey,
    /// INFO, WARN or ERROR.
    pub level: Level,
    /// `SERVICE_STEADY_STATE` …
    pub name: String,
    /// E.g. `RESOURCE:CPU`; empty where there is none.
    pub reason: String,
    /// Instances concerned.
    pub instances: Vec<u128>,
    /// Names of the capacity providers concerned.
    pub capacity_providers: Vec<String>,
}

/// New values of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetInstance {
    /// Which.
    pub instance: InstanceKey,
    /// Its `disconnected_at` as decided upon: a session since then drops the change.
    pub disconnected_at: Option<Millis>,
    /// The deadline of its tasks is put off to this (very many instances went quiet at once: the fault may be ours).
    pub lost_at: Option<Millis>,
}

/// The time of a task's scale-in protection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTaskProtection {
    /// Which.
    pub task: TaskKey,
    /// [`crate::row::TaskRow::protected_until`] as decided upon.
    pub until: Millis,
}

/// New values of a task set; `None` leaves a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetTaskSet {
    /// Which.
    pub task_set: TaskSetKey,
    /// [`crate::row::TaskSetRow::version`] as decided upon.
    pub version: u64,
    /// Replaces its progress; another `steady` is another `stabilityStatus`, as of now.
    pub progress: Option<ServiceProgress>,
    /// It was deleted and its tasks have stopped: it is shown no more. Dropped while a task of it isn't STOPPED.
    pub drained: bool,
}

/// Gives a waiting task its instance. Dropped where it waits no more, or doesn't fit there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindTask {
    /// Which.
    pub task: TaskKey,
    /// Id of the instance, in its cluster.
    pub instance: u128,
}

/// A decision of managed scaling. Dropped where there has been another since, or the provider isn't the cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetScaling {
    /// Cluster and provider.
    pub key: ScalingKey,
    /// [`crate::row::ScalingRow::version`] as decided upon; 0 where there was none.
    pub version: u64,
    /// The decision with its figures.
    pub figures: ScalingFigures,
    /// Instances that scale-in has chosen, by id. Those that weren't chosen before begin to drain where the provider's
    /// `managedDraining` is ENABLED.
    pub leaving: Vec<u128>,
}

/// Why a change of a plan was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Its object isn't there.
    Missing,
    /// Its object has changed since.
    Changed,
    /// It is done already.
    Done,
    /// Its task doesn't fit on the instance any more, or the instance takes none.
    DoesNotFit,
    /// Above [`PLAN_CHANGES_MAX`].
    TooMany,
    /// It isn't a step that its object may take.
    NotAllowed,
}

/// A change that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Its place in the plan.
    pub at: usize,
    /// Why.
    pub reason: DropReason,
}

impl Change {
    /// What should be decided anew where it is dropped.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::CreateTask(create) => Key::Service(create.service),
            Self::StopTask(stop) => Key::Task(stop.task),
            Self::MarkTaskLost(lost) => Key::Task(lost.task),
            Self::SetDeployment(set) => Key::Deployment(set.deployment),
            Self::SetService(set) => Key::Service(set.service),
            Self::PutServiceEvent(put) => Key::Service(put.service),
            Self::EmitServiceAction(emit) => Key::Service(emit.service),
            Self::SetInstance(set) => Key::Instance(set.instance),
            Self::EndTaskProtection(end) => Key::Task(end.task),
            Self::SetTaskSet(set) => Key::TaskSet(set.task_set),
            Self::BindTask(bind) => Key::Task(bind.task),
            Self::SetScaling(set) => Key::Scaling(set.key.clone()),
        }
    }
}

impl SetDeployment {
    /// Changes nothing yet.
    #[must_use]
    pub const fn new(deployment: DeploymentKey, version: u64) -> Self {
        Self {
            deployment,
            version,
            status: None,
            status_reason: None,
            rollout_state: None,
            rollout_state_reason: None,
            stage: None,
            failed_tasks: None,
            failure_count: None,
            breaker: None,
            ever_ran: None,
            counted_until: None,
            wake_at: None,
            rollback: None,
            counted_at: None,
            halt: false,
            production_traffic: None,
            test_traffic: None,
            bake_until: None,
            hooks: None,
        }
    }
}
