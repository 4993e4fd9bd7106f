//! The one seam to what runs containers: ECS-level verbs, two implementations. `list` is the truth after a reconnect,
//! events are hints.

pub mod docker;
pub mod simulated;

use std::future::Future;
use std::sync::Arc;

use drydock_engine::limits::Millis;
use drydock_engine::{ContainerSpec, Listed, Observation, Outcome, ProvidedNetwork, RuntimeError, RuntimeOp, TaskSpec};
use tokio::sync::mpsc;

/// Events that may wait to be taken; at the bound the runtime waits, and at worst a [`RuntimeEvent::Resync`] follows.
pub const EVENTS_MAX: usize = 256;
/// Log lines that may wait to be taken; at the bound reading waits.
pub const LOG_LINES_MAX: usize = 256;

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// Something about this container changed.
    Changed {
        /// The runtime's id.
        runtime_id: String,
    },
    /// Events may have been lost.
    Resync,
}

/// Which log lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Go on when the end is reached, until the container ends.
    pub follow: bool,
    /// Only so many of the newest.
    pub tail: Option<u32>,
    /// Only those written then or later.
    pub since: Option<Millis>,
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When; `None` where the runtime doesn't know.
    pub time: Option<prost_types::Timestamp>,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// Without its line feed.
    pub message: String,
}

/// What runs containers. Each verb may be called again after a failure; abandoned calls may still take effect.
pub trait ContainerRuntime: Send + Sync + 'static {
    /// `docker` or `simulated`, as Hello says it.
    fn name(&self) -> &'static str;

    /// Docker's version; empty with the simulated runtime.
    fn docker_version(&self) -> impl Future<Output = String> + Send;

    /// Names of the capability attributes that are true of it (ecs-semantics §2.4).
    fn capabilities(&self) -> Vec<String>;

    /// Gets a container's image; its digest, or "" where there is none.
    fn pull(&self, spec: &ContainerSpec) -> impl Future<Output = Result<String, RuntimeError>> + Send;

    /// Creates a container. Idempotent by task and name.
    fn create(&self, spec: &ContainerSpec) -> impl Future<Output = Result<Observation, RuntimeError>> + Send;

    /// Starts a container, also one that has exited.
    fn start(&self, runtime_id: &str) -> impl Future<Output = Result<Observation, RuntimeError>> + Send;

    /// SIGTERM, SIGKILL after the timeout; returns once it has exited.
    fn stop(
        &self,
        runtime_id: &str,
        timeout_ms: Millis,
    ) -> impl Future<Output = Result<Observation, RuntimeError>> + Send;

    /// Removes a container, by force if it runs. Gone already is fine.
    fn remove(&self, runtime_id: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Looks at a container.
    fn inspect(&self, runtime_id: &str) -> impl Future<Output = Result<Observation, RuntimeError>> + Send;

    /// All containers of this instance.
    fn list(&self) -> impl Future<Output = Result<Vec<Listed>, RuntimeError>> + Send;

    /// Sets up the namespaces that the task's containers share. Idempotent.
    fn provide_network(
        &self,
        task: &Arc<TaskSpec>,
    ) -> impl Future<Output = Result<ProvidedNetwork, RuntimeError>> + Send;

    /// Takes them down. Gone already is fine.
    fn release_network(&self, task_arn: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Removes what else the task had.
    fn forget_task(&self, task_arn: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Hints, from now on. Ends when the receiver is dropped.
    fn events(&self) -> mpsc::Receiver<RuntimeEvent>;

    /// A container's log. Ends with the log, with an error, or when the receiver is dropped.
    fn logs(&self, runtime_id: &str, query: LogQuery) -> mpsc::Receiver<Result<LogLine, RuntimeError>>;
}

/// Carries out one operation of the engine.
///
/// # Errors
/// The verb's own.
pub async fn perform(runtime: &impl ContainerRuntime, op: RuntimeOp) -> Result<Outcome, RuntimeError> {
    Ok(match op {
        RuntimeOp::ProvideNetwork(task) => Outcome::Network(runtime.provide_network(&task).await?),
        RuntimeOp::Pull(spec) => Outcome::Pulled { image_digest: runtime.pull(&spec).await? },
        RuntimeOp::Create(spec) => Outcome::Observed(runtime.create(&spec).await?),
        RuntimeOp::Start { runtime_id } => Outcome::Observed(runtime.start(&runtime_id).await?),
        RuntimeOp::Stop { runtime_id, timeout_ms } => Outcome::Observed(runtime.stop(&runtime_id, timeout_ms).await?),
        RuntimeOp::Inspect { runtime_id } => Outcome::Observed(runtime.inspect(&runtime_id).await?),
        RuntimeOp::List => Outcome::Listed(runtime.list().await?),
        RuntimeOp::Remove { runtime_id } => {
            runtime.remove(&runtime_id).await?;
            Outcome::Done
        }
        RuntimeOp::ReleaseNetwork { task_arn } => {
            runtime.release_network(&task_arn).await?;
            Outcome::Done
        }
        RuntimeOp::ForgetTask { task_arn } => {
            runtime.forget_task(&task_arn).await?;
            Outcome::Done
        }
    })
}
