//! Controllers in this process, over real sockets and disks; and the clients that talk to them. Nothing here sleeps for
//! luck: everything waits for a condition, with a deadline.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code, missing_docs)]

use std::net::SocketAddr;
use std::time::Duration;

use drydock_controller::config::{AwsPort, BootstrapSettings, Endpoint, InitialController, LogStoreKind};
use drydock_controller::{Config, Listeners, RunError, run_on};
use drydock_proto::agent::agent_control_client::AgentControlClient;
use drydock_proto::control::control_client::ControlClient;
use drydock_proto::control::{ControllerRole, StatusRequest, StatusResponse};
use drydock_proto::ecs::ecs_client::EcsClient;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint as Dial};

pub mod agent;

/// Everything that is awaited happens within this, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `probe` gives something.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One controller of a test.
pub struct Member {
    pub config: Config,
    pub api: String,
    /// Where AWS's clients reach it.
    pub aws: String,
    running: Option<Running>,
}

/// What ends it when dropped, and how it ended.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), RunError>>);

/// A cluster of controllers.
pub struct Cluster {
    pub members: Vec<Member>,
    pub folder: TempDir,
}

pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

fn config(name: &str, folder: &TempDir, api: SocketAddr, peer: SocketAddr) -> Config {
    Config {
        name: name.to_owned(),
        data_dir: folder.path().join(name),
        api: Endpoint { listen: api, advertise: None },
        aws: Some(AwsPort { reset: true, ..AwsPort::at(any_port()) }),
        peer: Endpoint { listen: peer, advertise: None },
        initial: Vec::new(),
        join: None,
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        log_store: LogStoreKind::RaftEngine,
        settings: BootstrapSettings { healthy_after_ms: Some(100), ..BootstrapSettings::default() },
    }
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

impl Member {
    /// Starts it on sockets that are bound already.
    fn start_on(config: Config, listeners: Listeners) -> Self {
        let api = listeners.api_address().unwrap().to_string();
        let aws = listeners.aws_address().unwrap().map(|address| address.to_string()).unwrap_or_default();
        let (stop, stopped) = oneshot::channel();
        let run = run_on(config.clone(), listeners, async move { drop(stopped.await) });
        Self { config, api, aws, running: Some((stop, tokio::spawn(run))) }
    }

    /// Starts it again, where it was.
    pub async fn restart(&mut self) {
        let listeners =
            eventually("the ports are free again", || async { Listeners::bind(&self.config).await.ok() }).await;
        *self = Self::start_on(self.config.clone(), listeners);
    }

    /// Stops it cleanly.
    pub async fn stop(&mut self) {
        self.try_stop().await.unwrap();
    }

    /// Stops it, or tells how it ended.
    pub async fn try_stop(&mut self) -> Result<(), RunError> {
        let (stop, run) = self.running.take().expect("it runs");
        drop(stop);
        tokio::time::timeout(PATIENCE, run).await.expect("it stops in time").unwrap()
    }

    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|(_, run)| !run.is_finished())
    }

    pub fn channel(&self) -> Channel {
        channel(&self.api)
    }

    pub fn ecs(&self) -> EcsClient<Channel> {
        EcsClient::new(self.channel())
    }

    pub fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel())
    }

    pub async fn status(&self) -> Option<StatusResponse> {
        self.control().status(StatusRequest {}).await.ok().map(tonic::Response::into_inner)
    }
}

pub fn channel(address: &str) -> Channel {
    Dial::from_shared(format!("http://{address}")).unwrap().tcp_nodelay(true).connect_lazy()
}

pub fn agents(address: &str) -> AgentControlClient<Channel> {
    AgentControlClient::new(channel(address))
}

impl Cluster {
    /// Starts so many controllers and waits until all know the same leader.
    pub async fn start(size: usize) -> Self {
        Self::start_with(size, |_| {}).await
    }

    /// The same, each configured otherwise.
    pub async fn start_with(size: usize, change: impl Fn(&mut Config)) -> Self {
        log_to_stderr();
        let folder = tempfile::tempdir().unwrap();
        let mut bound = Vec::new();
        for at in 0..size {
            let mut config = config(&format!("c{at}"), &folder, any_port(), any_port());
            change(&mut config);
            let listeners = Listeners::bind(&config).await.unwrap();
            config.api.listen = listeners.api_address().unwrap();
            config.peer.listen = listeners.peer_address().unwrap();
            bound.push((config, listeners));
        }
        let initial: Vec<InitialController> = bound
            .iter()
            .map(|(config, _)| InitialController {
                name: config.name.clone(),
                id: None,
                peer_address: config.peer.listen.to_string(),
                api_address: config.api.listen.to_string(),
            })
            .collect();
        let members = bound
            .into_iter()
            .map(|(config, listeners)| Member::start_on(Config { initial: initial.clone(), ..config }, listeners));
        let cluster = Self { members: members.collect(), folder };
        cluster.leader().await;
        cluster
    }

    /// Adds a controller that joins through the first one.
    pub async fn join(&mut self, name: &str) {
        let mut config = config(name, &self.folder, any_port(), any_port());
        config.data_dir = self.folder.path().join(format!("joined-{name}"));
        config.join = Some(self.members[0].api.clone());
        let listeners = Listeners::bind(&config).await.unwrap();
        config.api.listen = listeners.api_address().unwrap();
        config.peer.listen = listeners.peer_address().unwrap();
        self.members.push(Member::start_on(config, listeners));
    }

    /// The place of the leader, once all running controllers know the same.
    pub async fn leader(&self) -> usize {
        eventually("all controllers know the same leader", || async {
            let mut leaders = Vec::new();
            for member in self.members.iter().filter(|member| member.is_running()) {
                leaders.push(member.status().await?.leader_id);
            }
            let first = *leaders.first()?;
            let same = first != 0 && leaders.iter().all(|leader| *leader == first);
            let at = if same { self.place_of(first).await } else { None };
            at.filter(|at| self.members[*at].is_running())
        })
        .await
    }

    /// The place of a controller by id.
    pub async fn place_of(&self, id: u64) -> Option<usize> {
        for (at, member) in self.members.iter().enumerate().filter(|(_, member)| member.is_running()) {
            if member.status().await?.controller_id == id {
                return Some(at);
            }
        }
        None
    }

    /// A running controller that doesn't lead.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        (0..self.members.len()).find(|at| *at != leader && self.members[*at].is_running()).unwrap()
    }

    pub async fn roles(&self) -> Vec<ControllerRole> {
        let Some(status) = self.members[self.leader().await].status().await else { return Vec::new() };
        status.controllers.iter().map(|controller| controller.role()).collect()
    }

    pub async fn stop(mut self) {
        for member in self.members.iter_mut().filter(|member| member.is_running()) {
            member.stop().await;
        }
    }
}
