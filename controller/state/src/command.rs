//! What the log carries: an envelope with one command. API writes are the ECS requests themselves.
//!
//! Encoded by [`crate::codec`] alone: the shape of these types is free to change, the encoding isn't.

use drydock_model::arn::Scope;
use drydock_model::capacity::Serves;
use drydock_model::resources::Available;
use drydock_model::status::{ContainerStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs;

use crate::key::{InstanceKey, Key, Millis, TaskKey};
use crate::plan::Plan;
use crate::row::{AttachmentRow, BindingRow, InterfaceRow, Names, Settings};

/// The version of the command encoding that this build writes, and the highest that it reads.
pub const SCHEMA: u32 = 1;

/// Largest encoded envelope, in bytes: a larger one is refused by [`crate::codec::encode`] before it is proposed. It is
/// the most that one entry of the log may have.
pub const ENVELOPE_BYTES_MAX: usize = 512 * 1024;

/// One log entry (raft-recipe §3 B1).
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The proposer's term. An entry of another term is refused at apply: its proposer was no longer the leader.
    pub epoch: u64,
    /// The proposer's clock; apply uses the largest of all so far.
    pub now_ms: Millis,
    /// All ids that this command makes come from it.
    pub seed: u128,
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Region and account in which the request is made.
    pub scope: Scope,
    /// Who asked: ARN of a principal, or the name of a part of the control plane. Shown as `createdBy`.
    pub caller: String,
    /// What to do.
    pub command: Command,
}

/// The closed set of commands.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "API writes are named as ECS's operations")]
pub enum Command {
    CreateCluster(Box<ecs::CreateClusterRequest>),
    DeleteCluster(ecs::DeleteClusterRequest),
    UpdateCluster(Box<ecs::UpdateClusterRequest>),
    UpdateClusterSettings(ecs::UpdateClusterSettingsRequest),
    RegisterTaskDefinition(Box<ecs::RegisterTaskDefinitionRequest>),
    DeregisterTaskDefinition(ecs::DeregisterTaskDefinitionRequest),
    DeleteTaskDefinitions(ecs::DeleteTaskDefinitionsRequest),
    CreateService(Box<ecs::CreateServiceRequest>),
    UpdateService(Box<ecs::UpdateServiceRequest>),
    DeleteService(ecs::DeleteServiceRequest),
    /// Its placement was decided by the leader; apply checks that it fits.
    RunTask(Box<RunTask>),
    StartTask(Box<ecs::StartTaskRequest>),
    StopTask(ecs::StopTaskRequest),
    DeregisterContainerInstance(ecs::DeregisterContainerInstanceRequest),
    UpdateContainerInstancesState(ecs::UpdateContainerInstancesStateRequest),
    PutAttributes(ecs::PutAttributesRequest),
    DeleteAttributes(ecs::DeleteAttributesRequest),
    TagResource(ecs::TagResourceRequest),
    UntagResource(ecs::UntagResourceRequest),
    UpdateTaskProtection(ecs::UpdateTaskProtectionRequest),
    StopServiceDeployment(ecs::StopServiceDeploymentRequest),
    ContinueServiceDeployment(ecs::ContinueServiceDeploymentRequest),
    PutAccountSetting(ecs::PutAccountSettingRequest),
    PutAccountSettingDefault(ecs::PutAccountSettingDefaultRequest),
    DeleteAccountSetting(ecs::DeleteAccountSettingRequest),
    CreateTaskSet(Box<ecs::CreateTaskSetRequest>),
    UpdateTaskSet(ecs::UpdateTaskSetRequest),
    DeleteTaskSet(ecs::DeleteTaskSetRequest),
    UpdateServicePrimaryTaskSet(ecs::UpdateServicePrimaryTaskSetRequest),
    CreateCapacityProvider(Box<ecs::CreateCapacityProviderRequest>),
    UpdateCapacityProvider(Box<ecs::UpdateCapacityProviderRequest>),
    DeleteCapacityProvider(ecs::DeleteCapacityProviderRequest),
    PutClusterCapacityProviders(ecs::PutClusterCapacityProvidersRequest),

    RegisterContainerInstance(Box<ecs::RegisterContainerInstanceRequest>),
    SubmitTaskStateChange(Box<ecs::SubmitTaskStateChangeRequest>),
    SubmitContainerStateChange(ecs::SubmitContainerStateChangeRequest),
    SubmitAttachmentStateChanges(ecs::SubmitAttachmentStateChangesRequest),

    /// Takes a Spot task's capacity away, as AWS would.
    InterruptTask(InterruptTask),

    /// An agent joins; one with a known token is the same instance again.
    RegisterInstance(Box<RegisterInstance>),
    /// An agent's session began.
    InstanceConnected(InstanceKey),
    /// An agent's session ended, or its deadline passed.
    InstanceDisconnected(InstanceKey),
    /// What agents said of tasks, folded to the latest of each.
    ReportStatuses(Vec<TaskReport>),

    /// What reconcilers decided.
    Plan(Plan),
    /// Rows whose retention is over.
    Reap(Vec<Key>),

    /// Compares digests: see [`crate::State::latest_checkpoint`].
    Checkpoint {
        index: u64,
        digest: u64,
    },
    /// Replaces all settings.
    PutSettings(Settings),
    /// Removes all that requests made; agents stay.
    Reset,
    /// Replaces the names of an account that isn't here.
    PutNames(Box<Names>),
    /// The first entry of a leader's term: once it is applied, all earlier ones are.
    NewEpoch,
}

/// RunTask with the placement that the leader decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunTask {
    /// As the client sent it.
    pub request: ecs::RunTaskRequest,
    /// An instance for each task of `count`; or for some, and why the others have none.
    pub placements: Vec<Placement>,
}

/// Where one task of a RunTask goes, or why some go nowhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Placement {
    /// On the instance with this id, in the request's cluster.
    On(u128),
    /// By a capacity provider.
    Provided {
        /// Its name.
        provider: Box<str>,
        /// An instance of it; none where the task waits for one.
        instance: Option<u128>,
    },
    /// A failure of the answer: of one instance that took none.
    Failed(ecs::Failure),
}

/// A Spot interruption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterruptTask {
    /// Name or ARN; empty: the default one.
    pub cluster: String,
    /// Id or ARN.
    pub task: String,
}

/// Most reports in one ReportStatuses; the dispatcher splits above.
pub const REPORTS_MAX: usize = 10_000;

/// Most keys in one Reap; the collector splits above.
pub const REAP_MAX: usize = 1_000;

/// An agent's registration.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterInstance {
    /// Name of the cluster. `default` is created where it is missing, as ECS's agent does.
    pub cluster: String,
    /// Random, made at the agent's first start.
    pub token: String,
    /// What it has; the taken ports are those it reserves.
    pub capacity: Available,
    /// Built-in, capability and custom attributes.
    pub attributes: Vec<ecs::Attribute>,
    /// EC2's id; empty where there is none.
    pub ec2_instance_id: String,
    /// The agent's version.
    pub agent_version: String,
    /// Docker's version; empty with the simulated runtime.
    pub docker_version: String,
    /// `docker` or `simulated`.
    pub runtime: String,
    /// Its tags.
    pub tags: Vec<ecs::Tag>,
    /// Which tasks it is there for.
    pub serves: Serves,
    /// The capacity provider whose group it is of; empty where it is of none.
    pub capacity_provider: String,
}

/// What an agent said of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskReport {
    /// Which.
    pub task: TaskKey,
    /// The instance whose session it came by: only that of the task counts.
    pub instance: u128,
    /// Grows with each report of the task.
    pub sequence: u64,
    /// How far it is.
    pub last_status: TaskStatus,
    /// Of the task.
    pub health: HealthStatus,
    /// Why it stops.
    pub stop_code: Option<StopCode>,
    /// In words; empty where there is nothing to say.
    pub stopped_reason: String,
    /// When what happened, by the agent's clock.
    pub times: ReportTimes,
    /// Its containers, by name.
    pub containers: Vec<ContainerReport>,
    /// All its attachments; empty leaves those that are known.
    pub attachments: Vec<AttachmentRow>,
}

/// Timestamps of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "named as in ECS's Task")]
pub struct ReportTimes {
    pub pull_started_at: Option<Millis>,
    pub pull_stopped_at: Option<Millis>,
    pub started_at: Option<Millis>,
    pub stopping_at: Option<Millis>,
    pub execution_stopped_at: Option<Millis>,
    pub stopped_at: Option<Millis>,
}

/// What an agent said of one container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerReport {
    /// As in the task definition; others are ignored.
    pub name: String,
    /// How far it is.
    pub last_status: ContainerStatus,
    /// Where it has exited.
    pub exit_code: Option<i32>,
    /// Empty where there is nothing to say.
    pub reason: String,
    /// Of the runtime; empty before it is created.
    pub runtime_id: String,
    /// Empty before the pull.
    pub image_digest: String,
    /// Of its health check.
    pub health: HealthStatus,
    /// Host ports.
    pub network_bindings: Vec<BindingRow>,
    /// awsvpc addresses.
    pub network_interfaces: Vec<InterfaceRow>,
    /// Restarts under its restart policy.
    pub restart_count: u32,
}

impl Command {
    /// Its name, for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreateCluster(_) => "CreateCluster",
            Self::DeleteCluster(_) => "DeleteCluster",
            Self::UpdateCluster(_) => "UpdateCluster",
            Self::UpdateClusterSettings(_) => "UpdateClusterSettings",
            Self::RegisterTaskDefinition(_) => "RegisterTaskDefinition",
            Self::DeregisterTaskDefinition(_) => "DeregisterTaskDefinition",
            Self::DeleteTaskDefinitions(_) => "DeleteTaskDefinitions",
            Self::CreateService(_) => "CreateService",
            Self::UpdateService(_) => "UpdateService",
            Self::DeleteService(_) => "DeleteService",
            Self::RunTask(_) => "RunTask",
            Self::StartTask(_) => "StartTask",
            Self::StopTask(_) => "StopTask",
            Self::DeregisterContainerInstance(_) => "DeregisterContainerInstance",
            Self::UpdateContainerInstancesState(_) => "UpdateContainerInstancesState",
            Self::PutAttributes(_) => "PutAttributes",
            Self::DeleteAttributes(_) => "DeleteAttributes",
            Self::TagResource(_) => "TagResource",
            Self::UntagResource(_) => "UntagResource",
            Self::UpdateTaskProtection(_) => "UpdateTaskProtection",
            Self::StopServiceDeployment(_) => "StopServiceDeployment",
            Self::ContinueServiceDeployment(_) => "ContinueServiceDeployment",
            Self::PutAccountSetting(_) => "PutAccountSetting",
            Self::PutAccountSettingDefault(_) => "PutAccountSettingDefault",
            Self::DeleteAccountSetting(_) => "DeleteAccountSetting",
            Self::CreateTaskSet(_) => "CreateTaskSet",
            Self::UpdateTaskSet(_) => "UpdateTaskSet",
            Self::DeleteTaskSet(_) => "DeleteTaskSet",
            Self::UpdateServicePrimaryTaskSet(_) => "UpdateServicePrimaryTaskSet",
            Self::CreateCapacityProvider(_) => "CreateCapacityProvider",
            Self::UpdateCapacityProvider(_) => "UpdateCapacityProvider",
            Self::DeleteCapacityProvider(_) => "DeleteCapacityProvider",
            Self::PutClusterCapacityProviders(_) => "PutClusterCapacityProviders",
            Self::RegisterContainerInstance(_) => "RegisterContainerInstance",
            Self::SubmitTaskStateChange(_) => "SubmitTaskStateChange",
            Self::SubmitContainerStateChange(_) => "SubmitContainerStateChange",
            Self::SubmitAttachmentStateChanges(_) => "SubmitAttachmentStateChanges",
            Self::InterruptTask(_) => "InterruptTask",
            Self::RegisterInstance(_) => "RegisterInstance",
            Self::InstanceConnected(_) => "InstanceConnected",
            Self::InstanceDisconnected(_) => "InstanceDisconnected",
            Self::ReportStatuses(_) => "ReportStatuses",
            Self::Plan(_) => "Plan",
            Self::Reap(_) => "Reap",
            Self::Checkpoint { .. } => "Checkpoint",
            Self::PutSettings(_) => "PutSettings",
            Self::Reset => "Reset",
            Self::PutNames(_) => "PutNames",
            Self::NewEpoch => "NewEpoch",
        }
    }
}
