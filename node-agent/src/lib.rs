//! The node agent: joins a cluster as a container instance and runs its tasks, by Docker or pretended.
//!
//! One loop (`agent.rs`) feeds the pure engine (`drydock-engine`) and does what it returns. Around it: the session with
//! the leading controller (`session.rs`), the journal (`journal.rs`), the runtimes ([`runtime`]), log reads
//! (`log_read.rs`), and the endpoint that containers ask (`endpoint/`). A pretended fleet is many of them (`fleet.rs`).
//!
//! Architecture invariants:
//! - No decision about a task is taken here: it is the engine's, or it is in a runtime's mapping of ECS's words.
//! - A task that runs keeps running when the controllers, this agent or Docker's API are away. Stopping the agent
//!   stops no task, unless `stop_tasks_on_exit` says so.
//! - The identity, the journal and the simulated runtime's table are all that is on disk; the journal may be lost. Of a
//!   pretended fleet it is the identity alone.
//! - It knows nothing of raft or of the controllers' state: the two meet in `drydock-proto` and `drydock-model` alone.

mod agent;
mod attributes;
mod clock;
pub mod config;
mod endpoint;
pub mod error;
mod fleet;
mod identity;
mod journal;
mod log_read;
pub mod runtime;
mod session;

use std::time::Duration;

use drydock_engine::{Engine, Offer, Restored, Settings};
use drydock_proto::agent::{Capacity, Serves};
use drydock_proto::ecs::Tag;
use tokio::sync::mpsc;

pub use config::Config;
pub use error::AgentError;

use crate::agent::{Fixed, Made};
use crate::clock::Clock;
use crate::config::{RuntimeChoice, ServesChoice};
use crate::endpoint::{Endpoint, Question};
use crate::identity::{DataDir, Identity};
use crate::journal::Journal;
use crate::runtime::ContainerRuntime;
use crate::runtime::docker::DockerRuntime;
use crate::runtime::simulated::SimulatedRuntime;

/// Between two looks for a Docker engine that the configuration insists on.
const DOCKER_RETRY: Duration = Duration::from_secs(2);

/// Runs an agent until `shutdown`, or until it can't go on.
///
/// Needs a tokio runtime with time and IO; two worker threads are plenty.
///
/// # Errors
/// Bad settings, a data folder that can't be used, a failed write of the journal, or controllers that refuse this
/// instance. Controllers or a Docker engine that are away are no errors: they are waited for.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
    config.check()?;
    if let Some(fleet) = config.fleet.clone() {
        return fleet::run(config, fleet, shutdown).await;
    }
    let data = DataDir::open(&config.data_dir)?;
    let mut identity = data.identity()?;
    let clock = Clock::start();
    let mut shutdown = std::pin::pin!(shutdown);
    let docker = tokio::select! {
        docker = find_docker(&config, &identity.instance_token) => docker,
        () = &mut shutdown => return Ok(()),
    };
    match docker {
        Some(docker) => {
            let (endpoint, questions) =
                Endpoint::open(&config, docker.docker.clone(), clock, &data, &mut identity).await?;
            let docker = docker.with_endpoint(endpoint);
            let (journal, restored) = Journal::open(&data.path)?;
            serve(config, docker, clock, (journal, restored), (Some(data), identity), Some(questions), shutdown).await
        }
        None => {
            let simulated = SimulatedRuntime::open(&data.path, config.simulated.stages.clone(), clock)?;
            let (journal, restored) = Journal::open(&data.path)?;
            serve(config, simulated, clock, (journal, restored), (Some(data), identity), None, shutdown).await
        }
    }
}

/// Runs an agent of a pretended fleet, for good: it keeps nothing, so that it may be dropped at any time.
async fn in_memory(config: Config, identity: Identity, clock: Clock) -> Result<(), AgentError> {
    let (simulated, journal) = fleet::kept_nowhere(&config, clock);
    let nothing = (journal, Restored::default());
    serve(config, simulated, clock, nothing, (None, identity), None, std::future::pending()).await
}

/// The Docker runtime, where the configuration wants it and, unless it insists, Docker is reachable.
async fn find_docker(config: &Config, instance: &str) -> Option<DockerRuntime> {
    if config.runtime == RuntimeChoice::Simulated {
        tracing::info!("runtime: simulated, as configured");
        return None;
    }
    loop {
        match DockerRuntime::connect(config.docker.clone(), instance).await {
            Ok(docker) => {
                tracing::info!("runtime: docker");
                return Some(docker);
            }
            Err(error) if config.runtime == RuntimeChoice::Auto => {
                tracing::info!(%error, "runtime: simulated, since no Docker engine is reachable");
                return None;
            }
            Err(error) => tracing::warn!(%error, "runtime: docker, as configured, isn't reachable: waiting for it"),
        }
        tokio::time::sleep(DOCKER_RETRY).await;
    }
}

async fn serve<R: ContainerRuntime>(
    config: Config,
    runtime: R,
    clock: Clock,
    (journal, restored): (Journal, Restored),
    (data, identity): (Option<DataDir>, Identity),
    questions: Option<mpsc::Receiver<Question>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let cpu = config.cpu.unwrap_or_else(attributes::machine_cpu);
    let memory_mib = config.memory_mib.unwrap_or_else(attributes::machine_memory_mib);
    let settings = Settings {
        offer: Offer { cpu: cpu.into(), memory_mib: memory_mib.into() },
        cleanup_wait_ms: config.task_cleanup_wait_seconds.saturating_mul(1_000),
    };
    let fixed = Fixed {
        capacity: Capacity {
            cpu,
            memory_mib,
            reserved_tcp_ports: config.reserved_ports.iter().map(|port| u32::from(*port)).collect(),
            gpu_ids: config.gpu_ids.clone(),
            network_interfaces: config.network_interfaces,
            ..Default::default()
        },
        attributes: attributes::of_instance(&config, &runtime.capabilities()),
        tags: config
            .tags
            .iter()
            .map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) })
            .collect(),
        ec2_instance_id: config.ec2_instance_id.unwrap_or_default(),
        docker_version: runtime.docker_version().await,
        cluster: config.cluster,
        controllers: config.controllers,
        serves: match config.serves {
            ServesChoice::Ec2 => Serves::Ec2,
            ServesChoice::Fargate => Serves::Fargate,
            ServesChoice::Both => Serves::Unspecified,
        },
        capacity_provider: config.capacity_provider.unwrap_or_default(),
        stop_tasks_on_exit: config.stop_tasks_on_exit,
    };
    let engine = Engine::new(settings, restored, clock.now());
    agent::run(Made { fixed, engine, runtime, clock, journal, data, identity, questions }, shutdown).await
}
