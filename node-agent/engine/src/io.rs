//! What goes into the engine and what comes out of it: the whole of its boundary, as data.

use std::sync::Arc;

use drydock_model::status::HealthStatus;
use drydock_proto::agent::{AssignedTask, Delta, Manifest, Report, ReportAck, StopConfirm};
use drydock_proto::ecs::{Attachment, NetworkBinding, NetworkInterface, TaskDefinition};

use crate::limits::Millis;
use crate::spec::{ContainerSpec, TaskSpec};

/// Names one effect, so that its result finds its way back. Never used twice by an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u64);

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The leader welcomed this agent: what it hasn't acknowledged is sent again.
    SessionOpened,
    /// The session is gone: nothing is sent until the next.
    SessionClosed,
    /// All tasks of this instance, whole (the shell joins the parts).
    Manifest(Manifest),
    /// A change of the manifest.
    Delta(Delta),
    /// The answer to a stop verification.
    StopConfirm(StopConfirm),
    /// Reports that are committed.
    ReportAck(ReportAck),
    /// The writes of this effect are synced.
    Journaled(EffectId),
    /// An operation ended. Results of ids that are no longer awaited are ignored.
    Done {
        /// Whose result it is.
        id: EffectId,
        /// What came of it.
        result: Result<Outcome, RuntimeError>,
    },
    /// The runtime says that something about this container changed: it is looked at.
    Hint {
        /// The runtime's id of the container.
        runtime_id: String,
    },
    /// Events may have been lost: everything is listed.
    Resync,
    /// Stop and remove every task, take no new ones: the agent is leaving for good.
    StopAll {
        /// Becomes the tasks' stoppedReason.
        reason: String,
    },
    /// Time has passed.
    Tick,
}

/// Something to be done by the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An operation of the runtime, answered by [`Input::Done`].
    Run {
        /// Names the operation.
        id: EffectId,
        /// What to do.
        op: RuntimeOp,
    },
    /// The result isn't awaited any more; the shell may abandon it.
    Cancel {
        /// Of the operation.
        id: EffectId,
    },
    /// Write to the journal and sync, then [`Input::Journaled`].
    Journal {
        /// Names the batch.
        id: EffectId,
        /// In order.
        writes: Vec<JournalWrite>,
    },
    /// The manifest up to here is in the journal.
    Ack {
        /// The manifest's sequence.
        sequence: u64,
    },
    /// Folded states of tasks.
    Report(Vec<Report>),
    /// These tasks run and the manifest lacks them.
    AskStopVerification {
        /// The manifest that lacks them.
        sequence: u64,
        /// Sorted.
        task_arns: Vec<String>,
    },
    /// A delta didn't fit.
    RequestManifest {
        /// What this agent has.
        have_sequence: u64,
    },
}

/// One verb of a runtime.
#[derive(Debug, Clone, PartialEq)]
pub enum RuntimeOp {
    /// Set up the network that the task's containers share (awsvpc). Idempotent. Gives [`Outcome::Network`].
    ProvideNetwork(Arc<TaskSpec>),
    /// Get a container's image. Gives [`Outcome::Pulled`].
    Pull(ContainerSpec),
    /// Create a container; idempotent by task and name. Gives [`Outcome::Observed`].
    Create(ContainerSpec),
    /// Start a created container, or an exited one again. Gives [`Outcome::Observed`].
    Start {
        /// Which.
        runtime_id: String,
    },
    /// SIGTERM, then SIGKILL. Gives [`Outcome::Observed`] once it has exited.
    Stop {
        /// Which.
        runtime_id: String,
        /// Between the two signals.
        timeout_ms: Millis,
    },
    /// Remove a container, by force if it runs. Gives [`Outcome::Done`], also where it was gone.
    Remove {
        /// Which.
        runtime_id: String,
    },
    /// Look at a container. Gives [`Outcome::Observed`].
    Inspect {
        /// Which.
        runtime_id: String,
    },
    /// Take down a task's network. Gives [`Outcome::Done`], also where there was none.
    ReleaseNetwork {
        /// Whose.
        task_arn: String,
    },
    /// Remove what else the task had (volumes of its own). Gives [`Outcome::Done`].
    ForgetTask {
        /// Whose.
        task_arn: String,
    },
    /// All containers of this agent. Gives [`Outcome::Listed`].
    List,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The task's network is up.
    Network(ProvidedNetwork),
    /// The image is there.
    Pulled {
        /// `sha256:…` where the runtime knows it.
        image_digest: String,
    },
    /// A container's state after the operation.
    Observed(Observation),
    /// All containers of this agent.
    Listed(Vec<Listed>),
    /// Done, with nothing to say.
    Done,
}

/// A task's network of its own (ecs-semantics §2.5).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProvidedNetwork {
    /// The ElasticNetworkInterface that tasks show.
    pub attachment: Attachment,
    /// What each container shows.
    pub interfaces: Vec<NetworkInterface>,
}

/// ECS's name of the container that holds a task's namespaces: a runtime may list one, the engine never starts one.
pub const PAUSE_CONTAINER: &str = "~internal~ecs~pause";

/// A container in a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The task it belongs to, by its label.
    pub task_arn: String,
    /// Its name in the task definition, by its label.
    pub container: String,
    /// Its state.
    pub observation: Observation,
}

/// What the runtime sees of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The runtime's id.
    pub runtime_id: String,
    /// Where it is.
    pub state: ObservedState,
    /// Last start, where it was started.
    pub started_at: Option<Millis>,
    /// Last end, where it has exited.
    pub finished_at: Option<Millis>,
    /// The verdict of its health check; UNKNOWN without one.
    pub health: HealthStatus,
    /// Ports of the host that lead to it.
    pub network_bindings: Vec<NetworkBinding>,
    /// `sha256:…` where known, else empty.
    pub image_digest: String,
}

/// Where a container is, as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedState {
    /// Not started yet.
    Created,
    /// Its process lives.
    Running,
    /// Its process is gone.
    Exited {
        /// `None` where the runtime doesn't know.
        exit_code: Option<i32>,
        /// Such as OutOfMemoryError; empty where there's nothing to say.
        reason: String,
    },
}

/// An operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeError {
    /// What that means.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

/// What a failed operation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// The runtime can't be reached: tried again until the operation's own time is up.
    Unavailable,
    /// Worth a few more tries (a registry that answers 503, say).
    Transient,
    /// No such container.
    NotFound,
    /// It will fail again. The reason gets the operation's own error name.
    Failed,
    /// It will fail again, and ECS has this name for it (`ResourceInitializationError`).
    Named(&'static str),
}

/// One change of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalWrite {
    /// The manifest's sequence.
    Sequence(u64),
    /// An assigned task.
    PutTask(Box<AssignedTask>),
    /// A task definition that a task names.
    PutDefinition(Arc<TaskDefinition>),
    /// A task's last report, and whether it is acknowledged.
    PutReport(Box<Report>, bool),
    /// All about a task.
    DropTask(String),
    /// A task definition that no task names any more.
    DropDefinition(String),
}

/// What a journal held at start.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The manifest's sequence; 0 where there is none.
    pub sequence: u64,
    /// The assigned tasks.
    pub tasks: Vec<AssignedTask>,
    /// Their last reports, each with whether it is acknowledged.
    pub reports: Vec<(Report, bool)>,
    /// The definitions that they name.
    pub definitions: Vec<TaskDefinition>,
}
