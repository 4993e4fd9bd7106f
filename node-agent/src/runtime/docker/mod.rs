//! The Docker runtime, by bollard, over a unix socket or `DOCKER_HOST` (`unix://`, `tcp://`; no TLS).
//!
//! How ECS's words become Docker's (`create.rs` has the whole mapping):
//! - Each container carries ECS's labels `com.amazonaws.ecs.*` and `drydock.instance`, the identity of this instance:
//!   several agents on one machine each see only their own.
//! - **awsvpc**: one tiny pause container a task (an image of one 4-instruction program, made through the API) holds
//!   the network namespace; it gets an address of its own in a Docker network (`bridge` by default), all containers of
//!   the task join it and meet on localhost, and the address is shown as the task's ElasticNetworkInterface. Subnets
//!   and security groups aren't enforced: there's no VPC. `pidMode`/`ipcMode` `task` share the same pause container.
//! - **bridge**: Docker's default bridge; `hostPort` 0 or none gives a port of Docker's choice. **host**, **none**: as
//!   Docker has them.
//! - A task's own CPU is a quota on each of its containers, and its memory the limit of those that set none: exact for
//!   one container, an upper bound for several.
//! - Containers find their metadata, credentials and task protection at 169.254.170.2 (`crate::endpoint`), which follows
//!   what this runtime sees of them.
//! - What can't be done here (secrets, S3 environment files, EFS, FSx, FireLens, registry credentials, Windows) fails
//!   with ECS's error and is not advertised as a capability. `awslogs` writes to Docker's json-file by default, where
//!   `drydock logs` reads it.

mod create;
mod image;
mod logs;
mod network;
mod observe;
mod pause;
mod volume;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use drydock_engine::limits::Millis;
use drydock_engine::{
    ContainerSpec, FailureKind, Listed, Observation, PAUSE_CONTAINER as PAUSE, ProvidedNetwork, RuntimeError, TaskSpec,
};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use crate::config::DockerConfig;
use crate::endpoint::Endpoint;
use crate::endpoint::marks::Ids;
use crate::runtime::{ContainerRuntime, EVENTS_MAX, LogLine, LogQuery, RuntimeEvent};

pub(crate) use create::name as container_name;
pub use image::import;
pub(crate) use observe::bindings;

/// ECS's labels, then our own.
pub(crate) const LABEL_CLUSTER: &str = "com.amazonaws.ecs.cluster";
pub(crate) const LABEL_CONTAINER: &str = "com.amazonaws.ecs.container-name";
pub(crate) const LABEL_TASK: &str = "com.amazonaws.ecs.task-arn";
pub(crate) const LABEL_FAMILY: &str = "com.amazonaws.ecs.task-definition-family";
pub(crate) const LABEL_REVISION: &str = "com.amazonaws.ecs.task-definition-version";
/// The identity of the instance that owns a container or a volume.
pub const LABEL_INSTANCE: &str = "drydock.instance";
/// Ports that a container in host mode listens on, for its networkBindings.
pub(crate) const LABEL_HOST_PORTS: &str = "drydock.host-ports";

/// One request to Docker, but for those that wait by their nature.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Docker must answer a ping within this to be taken for reachable.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two tries to listen to Docker's events.
const EVENTS_RETRY: Duration = Duration::from_secs(1);

/// The Docker runtime of one instance.
#[derive(Debug, Clone)]
pub struct DockerRuntime {
    pub(crate) docker: Docker,
    pub(crate) settings: DockerConfig,
    /// The identity of this instance.
    pub(crate) instance: String,
    api_minor: u32,
    /// Images pulled since the start, for `once`.
    pub(crate) pulled: Arc<Mutex<BTreeSet<String>>>,
    /// What containers ask; `None` where nobody answers them.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
}

impl DockerRuntime {
    /// Connects and asks for Docker's version.
    ///
    /// # Errors
    /// Docker can't be reached, with where it was looked for.
    pub async fn connect(settings: DockerConfig, instance: &str) -> Result<Self, RuntimeError> {
        let docker = match &settings.host {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_defaults(),
        };
        let docker = docker.map_err(|error| self::error(&error))?.with_timeout(PING_TIMEOUT);
        let docker =
            docker.negotiate_version().await.map_err(|error| self::error(&error))?.with_timeout(REQUEST_TIMEOUT);
        let api_minor = u32::try_from(docker.client_version().minor_version).unwrap_or_default();
        Ok(Self { docker, settings, instance: instance.to_owned(), api_minor, pulled: Arc::default(), endpoint: None })
    }

    /// Has containers find their metadata and credentials there.
    #[must_use]
    pub(crate) fn with_endpoint(self, endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    fn mine(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("{LABEL_INSTANCE}={}", self.instance)])])
    }

    async fn observe(&self, runtime_id: &str) -> Result<Observation, RuntimeError> {
        let seen = self.docker.inspect_container(runtime_id, None).await.map_err(|error| self::error(&error))?;
        self.follow(&seen).await;
        Ok(observe::observation(&seen))
    }

    /// Lets the endpoint know what was seen of a container.
    pub(crate) async fn follow(&self, seen: &bollard::models::ContainerInspectResponse) {
        let labels = seen.config.as_ref().and_then(|config| config.labels.as_ref());
        let task_arn = labels.and_then(|labels| labels.get(LABEL_TASK));
        if let (Some(endpoint), Some(task_arn)) = (&self.endpoint, task_arn) {
            endpoint.follow(task_arn, seen).await;
        }
    }

    /// Closes the socket in a namespace whose container is to be removed.
    pub(crate) fn forget(&self, runtime_id: &str) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.forget(runtime_id);
        }
    }

    /// The container of that name, if it is this task's and this instance's.
    async fn existing(&self, name: &str, task_arn: &str) -> Result<String, RuntimeError> {
        let seen = self.docker.inspect_container(name, None).await.map_err(|error| self::error(&error))?;
        let labels = seen.config.and_then(|config| config.labels).unwrap_or_default();
        let ours = labels.get(LABEL_INSTANCE) == Some(&self.instance)
            && labels.get(LABEL_TASK).map(String::as_str) == Some(task_arn);
        match seen.id {
            Some(id) if ours => Ok(id),
            _ => Err(failed(format!("the container name {name} is taken"))),
        }
    }

    /// Creates a container, or finds the one that an earlier try made.
    pub(crate) async fn create_named(
        &self,
        name: &str,
        task_arn: &str,
        body: bollard::models::ContainerCreateBody,
    ) -> Result<String, RuntimeError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        match self.docker.create_container(Some(options), body).await {
            Ok(created) => Ok(created.id),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => {
                self.existing(name, task_arn).await
            }
            Err(error) => Err(self::error(&error)),
        }
    }
}

impl ContainerRuntime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
    }

    async fn docker_version(&self) -> String {
        self.docker.version().await.ok().and_then(|version| version.version).unwrap_or_default()
    }

    fn capabilities(&self) -> Vec<String> {
        crate::attributes::docker_capabilities(self.api_minor)
    }

    async fn pull(&self, spec: &ContainerSpec) -> Result<String, RuntimeError> {
        image::get(self, spec).await
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<Observation, RuntimeError> {
        let mut body = create::body(spec, &self.settings, &self.instance)?;
        if let Some(endpoint) = &self.endpoint {
            let ids = Ids::draw(&spec.task).map_err(|cause| failed(cause.to_string()))?;
            create::mark(&mut body, &spec.task, &ids, endpoint.host_port());
        }
        volume::create(self, spec).await?;
        let id = self.create_named(&create::name(&spec.task, spec.name()), spec.task.task_arn(), body).await?;
        self.observe(&id).await
    }

    async fn start(&self, runtime_id: &str) -> Result<Observation, RuntimeError> {
        self.docker.start_container(runtime_id, None).await.map_err(|error| self::error(&error))?;
        self.observe(runtime_id).await
    }

    async fn stop(&self, runtime_id: &str, timeout_ms: Millis) -> Result<Observation, RuntimeError> {
        let seconds = timeout_ms.div_ceil(1_000);
        let patient = self.docker.clone().with_timeout(Duration::from_secs(seconds) + REQUEST_TIMEOUT);
        let options = StopContainerOptionsBuilder::default().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
        patient.stop_container(runtime_id, Some(options)).await.map_err(|error| self::error(&error))?;
        self.observe(runtime_id).await
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), RuntimeError> {
        self.forget(runtime_id);
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        gone_is_fine(self.docker.remove_container(runtime_id, Some(options)).await)
    }

    async fn inspect(&self, runtime_id: &str) -> Result<Observation, RuntimeError> {
        self.observe(runtime_id).await
    }

    async fn list(&self) -> Result<Vec<Listed>, RuntimeError> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&self.mine()).build();
        let all = self.docker.list_containers(Some(options)).await.map_err(|error| self::error(&error))?;
        let mut out = Vec::new();
        for one in all {
            let labels = one.labels.unwrap_or_default();
            let (Some(id), Some(task_arn), Some(container)) =
                (one.id, labels.get(LABEL_TASK), labels.get(LABEL_CONTAINER))
            else {
                continue;
            };
            match self.observe(&id).await {
                Ok(observation) => {
                    out.push(Listed { task_arn: task_arn.clone(), container: container.clone(), observation });
                }
                Err(RuntimeError { kind: FailureKind::NotFound, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    async fn provide_network(&self, task: &Arc<TaskSpec>) -> Result<ProvidedNetwork, RuntimeError> {
        network::provide(self, task).await
    }

    async fn release_network(&self, task_arn: &str) -> Result<(), RuntimeError> {
        network::release(self, task_arn).await
    }

    async fn forget_task(&self, task_arn: &str) -> Result<(), RuntimeError> {
        volume::remove(self, task_arn).await
    }

    fn events(&self) -> mpsc::Receiver<RuntimeEvent> {
        let (to, events) = mpsc::channel(EVENTS_MAX);
        // It needs no endpoint, and must not keep one's sockets open.
        let runtime = Self { endpoint: None, ..self.clone() };
        tokio::spawn(async move {
            tokio::select! {
                () = listen(&runtime, &to) => {}
                () = to.closed() => {}
            }
        });
        events
    }

    fn logs(&self, runtime_id: &str, query: LogQuery) -> mpsc::Receiver<Result<LogLine, RuntimeError>> {
        logs::read(self.docker.clone(), runtime_id.to_owned(), query)
    }
}

/// Passes Docker's events on, for ever: a broken stream is opened again, and all is listed anew.
async fn listen(runtime: &DockerRuntime, to: &mpsc::Sender<RuntimeEvent>) {
    let mut filters = runtime.mine();
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    let wanted = ["die", "start", "oom", "health_status", "destroy"];
    filters.insert("event".to_owned(), wanted.map(str::to_owned).to_vec());
    let mut since: Option<String> = None;
    loop {
        let mut options = EventsOptionsBuilder::default().filters(&filters);
        if let Some(since) = &since {
            options = options.since(since);
        }
        let mut stream = runtime.docker.events(Some(options.build()));
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    let id = event.actor.and_then(|actor| actor.id);
                    let Some(runtime_id) = id else { continue };
                    if to.send(RuntimeEvent::Changed { runtime_id }).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "Docker's events broke off");
                    break;
                }
            }
        }
        since = Some(back_again(runtime).await);
        if to.send(RuntimeEvent::Resync).await.is_err() {
            return;
        }
    }
}

/// Waits until Docker answers. Returns from when on events are wanted, in Docker's seconds.
async fn back_again(runtime: &DockerRuntime) -> String {
    loop {
        tokio::time::sleep(EVENTS_RETRY).await;
        if runtime.docker.ping().await.is_ok() {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            return now.saturating_sub(EVENTS_RETRY).as_secs().to_string();
        }
    }
}

/// What bollard's errors mean to the engine.
pub(crate) fn error(error: &bollard::errors::Error) -> RuntimeError {
    use bollard::errors::Error as Docker;
    let kind = match error {
        Docker::DockerResponseServerError { status_code: 404, .. } => FailureKind::NotFound,
        Docker::DockerResponseServerError { status_code: 502..=504, .. } => FailureKind::Unavailable,
        Docker::DockerResponseServerError { .. } | Docker::DockerStreamError { .. } => FailureKind::Failed,
        Docker::RequestTimeoutError
        | Docker::IOError { .. }
        | Docker::HyperResponseError { .. }
        | Docker::HyperLegacyError { .. }
        | Docker::SocketNotFoundError(_) => FailureKind::Unavailable,
        _ => FailureKind::Failed,
    };
    let message = match error {
        Docker::DockerResponseServerError { message, .. } => message.clone(),
        Docker::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    };
    RuntimeError { kind, message }
}

pub(crate) fn gone_is_fine(result: Result<(), bollard::errors::Error>) -> Result<(), RuntimeError> {
    use bollard::errors::Error as Docker;
    match result {
        // 409: its removal is under way already.
        Ok(()) | Err(Docker::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        Err(error) => Err(self::error(&error)),
    }
}

pub(crate) fn failed(message: impl Into<String>) -> RuntimeError {
    RuntimeError { kind: FailureKind::Failed, message: message.into() }
}

pub(crate) fn initialization(message: impl Into<String>) -> RuntimeError {
    RuntimeError { kind: FailureKind::Named("ResourceInitializationError"), message: message.into() }
}
