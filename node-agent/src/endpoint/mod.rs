//! 169.254.170.2: metadata, credentials and task protection for the containers of this instance (ecs-semantics §2.5), as
//! ECS's agent serves them.
//!
//! Each network namespace of a task gets a socket of its own (`namespace.rs`), served here by the agent: whoever asks is
//! known by where he asks, and is told of his own task alone. Tasks in the host's network share one port of 127.0.0.1 and
//! are told apart by ids that nobody can guess (`marks.rs`). Nothing is kept but the sockets: what to answer comes from the
//! engine and from Docker with each request, so that a restarted agent serves as before. Changes nothing of a task.

mod answer;
mod credentials;
pub(crate) mod marks;
mod namespace;
mod protection;
mod render;
#[cfg(test)]
mod render_tests;
mod serve;
mod stats;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use drydock_engine::TaskView;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::config::{Config, CredentialsConfig};
use crate::error::AgentError;
use crate::identity::{DataDir, Identity};

pub(crate) use render::Facts;

/// Questions that may wait for the agent's loop; then requests wait.
pub(crate) const QUESTIONS_MAX: usize = 64;

/// What a request is answered from.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) task_arn: String,
    pub(crate) answer: oneshot::Sender<Known>,
}

/// What the agent's loop knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The task; `None` where the manifest hasn't named it.
    pub(crate) view: Option<TaskView>,
    /// `host:port` of the leading controller, where there is a session with it.
    pub(crate) controller: Option<String>,
}

/// An answer to a container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// What the endpoint is made of once.
#[derive(Debug)]
struct Desk {
    docker: Docker,
    /// The identity of this instance, as its containers' label has it.
    instance: String,
    facts: Facts,
    credentials: CredentialsConfig,
    clock: Clock,
    ask: mpsc::Sender<Question>,
}

/// A namespace that is served.
#[derive(Debug)]
struct Served {
    /// The process whose namespace it is: after a restart of the container it is another.
    pid: i64,
    /// None while the socket is being opened.
    serving: Option<AbortHandle>,
}

impl Drop for Served {
    fn drop(&mut self) {
        // With the socket the last hold on the namespace goes.
        self.serving.iter().for_each(AbortHandle::abort);
    }
}

/// The endpoint of one instance. Dropped with the runtime, whose sockets it closes.
#[derive(Debug)]
pub(crate) struct Endpoint {
    desk: Arc<Desk>,
    /// By the container that owns the namespace.
    served: Mutex<BTreeMap<String, Served>>,
    /// For tasks in the host's network; `None` where no port could be had.
    host_port: Option<u16>,
    /// It was told that namespaces can't be entered.
    told: AtomicBool,
}

impl Endpoint {
    /// Opens the port for tasks in the host's network: the one of before, since containers have been told it.
    ///
    /// # Errors
    /// The data folder can't be written. A port that can't be had is told, and costs these tasks their endpoint.
    pub(crate) async fn open(
        config: &Config,
        docker: Docker,
        clock: Clock,
        data: &DataDir,
        identity: &mut Identity,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Question>), AgentError> {
        let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
        let desk = Arc::new(Desk {
            docker,
            instance: identity.instance_token.clone(),
            facts: Facts { availability_zone: config.availability_zone.clone(), tags: config.tags.clone() },
            credentials: config.credentials.clone(),
            clock,
            ask,
        });
        let host = host_listener(identity.endpoint_port).await;
        let host_port = host.as_ref().and_then(|listener| listener.local_addr().ok()).map(|address| address.port());
        if host_port.is_some() && host_port != identity.endpoint_port {
            identity.endpoint_port = host_port;
            data.keep(identity)?;
        }
        let mut served = BTreeMap::new();
        if let Some(listener) = host {
            let serving = tokio::spawn(serve::run(listener, Arc::clone(&desk), None)).abort_handle();
            served.insert(String::new(), Served { pid: 0, serving: Some(serving) });
        }
        let endpoint = Self { desk, served: Mutex::new(served), host_port, told: AtomicBool::new(false) };
        Ok((Arc::new(endpoint), questions))
    }

    pub(crate) fn host_port(&self) -> Option<u16> {
        self.host_port
    }

    /// A container was looked at: its namespace, where it owns one, is served as long as it runs. Level-triggered, so it
    /// may be called with the same again, and several times at once.
    pub(crate) async fn follow(self: &Arc<Self>, task_arn: &str, seen: &ContainerInspectResponse) {
        let Some(id) = seen.id.clone() else { return };
        let Some(pid) = pid_of_owner(seen) else {
            self.forget(&id);
            return;
        };
        if !self.claim(&id, pid) {
            return;
        }
        let (endpoint, task_arn) = (Arc::clone(self), task_arn.to_owned());
        // In a task of its own: whoever looked may lose interest in the middle.
        let opening = tokio::spawn(async move {
            match endpoint.listen(&id, pid).await {
                Ok(listener) => endpoint.serve(&id, pid, task_arn, listener),
                Err(error) => {
                    endpoint.tell(&id, &error);
                    endpoint.forget(&id);
                }
            }
        });
        // Its panic would be told already.
        let _ = opening.await;
    }

    /// False where somebody serves it or is about to.
    fn claim(&self, id: &str, pid: i64) -> bool {
        let mut served = self.locked();
        if served.get(id).is_some_and(|served| served.pid == pid) {
            return false;
        }
        served.insert(id.to_owned(), Served { pid, serving: None });
        true
    }

    async fn listen(&self, id: &str, pid: i64) -> std::io::Result<TcpListener> {
        TcpListener::from_std(namespace::listen(id, pid).await?)
    }

    /// Unless it was forgotten meanwhile.
    fn serve(&self, id: &str, pid: i64, task_arn: String, listener: TcpListener) {
        let mut served = self.locked();
        if let Some(one) = served.get_mut(id).filter(|one| one.pid == pid) {
            let serving = serve::run(listener, Arc::clone(&self.desk), Some(task_arn));
            one.serving = Some(tokio::spawn(serving).abort_handle());
        }
    }

    /// Why a namespace isn't served, aloud the first time.
    fn tell(&self, id: &str, error: &std::io::Error) {
        if self.told.swap(true, Ordering::Relaxed) {
            tracing::debug!(%error, container = id, "169.254.170.2 isn't served");
            return;
        }
        let text = "169.254.170.2 can't be served to containers (it takes root on Docker's own machine, and nft or \
                    iptables): they run without their metadata, credentials and task protection";
        tracing::warn!(%error, container = id, "{text}");
    }

    /// A container is gone, or stopped.
    pub(crate) fn forget(&self, runtime_id: &str) {
        self.locked().remove(runtime_id);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process of a container that runs in a namespace of its own with a way out of it.
fn pid_of_owner(seen: &ContainerInspectResponse) -> Option<i64> {
    let mode = seen.host_config.as_ref()?.network_mode.as_deref().unwrap_or_default();
    if matches!(mode, "host" | "none") || mode.starts_with("container:") {
        return None;
    }
    let state = seen.state.as_ref()?;
    let runs = matches!(state.status, Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED));
    state.pid.filter(|pid| runs && *pid > 0)
}

/// The port of before, or another one where somebody has taken it.
async fn host_listener(before: Option<u16>) -> Option<TcpListener> {
    if let Some(port) = before {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Some(listener),
            Err(error) => tracing::warn!(
                %error, port, "the port for metadata of tasks in the host's network is taken: those that run lose theirs"
            ),
        }
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(%error, "no port of 127.0.0.1: tasks in the host's network have no metadata");
            None
        }
    }
}
