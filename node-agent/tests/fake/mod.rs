//! A controller for tests: it hands each session to the test, which says what the controller says.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "shared by test files")]

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use drydock_node_agent::config::RuntimeChoice;
use drydock_node_agent::{AgentError, Config};
use drydock_proto::agent::agent_control_server::{AgentControl, AgentControlServer};
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{
    AgentMessage, AssignedTask, ControllerMessage, Hello, LogChunk, Manifest, PushLogsResponse, Report, ReportAck,
    TaskSequence, Welcome,
};
use drydock_proto::ecs::{ContainerDefinition, TaskDefinition};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// Whatever is waited for must come within this.
pub const WAIT: Duration = Duration::from_secs(20);

pub struct Fake {
    pub address: String,
    sessions: mpsc::UnboundedReceiver<Session>,
    pub logs: mpsc::UnboundedReceiver<LogChunk>,
    server: JoinHandle<()>,
}

/// One session, as the controller has it. Dropping it ends it.
pub struct Session {
    pub hello: Hello,
    from: mpsc::UnboundedReceiver<Up>,
    to: mpsc::Sender<Result<ControllerMessage, Status>>,
}

struct Service {
    sessions: mpsc::UnboundedSender<Session>,
    logs: mpsc::UnboundedSender<LogChunk>,
}

#[tonic::async_trait]
impl AgentControl for Service {
    type SessionStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<ControllerMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inward = request.into_inner();
        let Some(Up::Hello(hello)) = inward.message().await?.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("not a Hello"));
        };
        let (to, out) = mpsc::channel(64);
        let (tell, from) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = inward.next().await {
                if message.message.is_none_or(|message| tell.send(message).is_err()) {
                    return;
                }
            }
        });
        let _ = self.sessions.send(Session { hello, from, to });
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn push_logs(&self, request: Request<Streaming<LogChunk>>) -> Result<Response<PushLogsResponse>, Status> {
        let mut chunks = request.into_inner();
        while let Some(chunk) = chunks.message().await? {
            let _ = self.logs.send(chunk);
        }
        Ok(Response::new(PushLogsResponse {}))
    }
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (to_test, sessions) = mpsc::unbounded_channel();
        let (log_lines, logs) = mpsc::unbounded_channel();
        let service = AgentControlServer::new(Service { sessions: to_test, logs: log_lines });
        let server = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { address, sessions, logs, server }
    }

    /// The next session, not answered yet.
    pub async fn accept(&mut self) -> Session {
        tokio::time::timeout(WAIT, self.sessions.recv()).await.expect("a session in time").unwrap()
    }

    /// The next session, welcomed.
    pub async fn welcome(&mut self) -> Session {
        let session = self.accept().await;
        session.welcome("arn:aws:ecs:r:0:container-instance/c/i").await;
        session
    }

    /// Dies: connections break.
    pub fn kill(self) {
        self.server.abort();
    }
}

impl Session {
    pub async fn say(&self, message: Down) {
        self.to.send(Ok(ControllerMessage { message: Some(message) })).await.unwrap();
    }

    pub async fn welcome(&self, arn: &str) {
        let welcome = Welcome { container_instance_arn: arn.into(), heartbeat_interval_ms: 200, controllers: None };
        self.say(Down::Welcome(welcome)).await;
    }

    /// The first message of which `pick` makes something. Others are passed over.
    pub async fn until<T>(&mut self, mut pick: impl FnMut(Up) -> Option<T>) -> T {
        let found = async {
            loop {
                let message = self.from.recv().await.expect("the session stands");
                if let Some(found) = pick(message) {
                    return found;
                }
            }
        };
        tokio::time::timeout(WAIT, found).await.expect("a message in time")
    }

    /// The next reports.
    pub async fn reports(&mut self, acknowledge: bool) -> Vec<Report> {
        let reports = self.until(|message| match message {
            Up::Reports(reports) => Some(reports.reports),
            _ => None,
        });
        let reports = reports.await;
        if acknowledge {
            let seen = |report: &Report| TaskSequence { task_arn: report.task_arn.clone(), sequence: report.sequence };
            self.say(Down::ReportAck(ReportAck { reports: reports.iter().map(seen).collect() })).await;
        }
        reports
    }

    /// The first report of a task in this status; it and those before are acknowledged where asked.
    pub async fn report(&mut self, task: &str, status: &str, acknowledge: bool) -> Report {
        let wanted = |report: &Report| report.task_arn == arn(task) && report.last_status == status;
        loop {
            if let Some(found) = self.reports(acknowledge).await.into_iter().find(wanted) {
                return found;
            }
        }
    }

    pub async fn ack(&mut self, sequence: u64) {
        self.until(|message| matches!(message, Up::Ack(ack) if ack.sequence == sequence).then_some(())).await;
    }
}

pub fn arn(task: &str) -> String {
    format!("arn:aws:ecs:r:0:task/c/{task}")
}

pub fn assigned(task: &str, desired: &str) -> AssignedTask {
    AssignedTask {
        task_arn: arn(task),
        task_definition_arn: "td".into(),
        desired_status: desired.into(),
        cluster: "c".into(),
        ..Default::default()
    }
}

/// One container, with knobs of the simulated runtime.
pub fn definition(knobs: &[(&str, &str)]) -> TaskDefinition {
    let labels = knobs.iter().map(|(knob, value)| (format!("drydock.sim/{knob}"), (*value).to_owned()));
    TaskDefinition {
        task_definition_arn: Some("td".into()),
        container_definitions: vec![ContainerDefinition {
            name: Some("app".into()),
            image: Some("app:1".into()),
            docker_labels: labels.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn manifest(sequence: u64, tasks: Vec<AssignedTask>, definition: TaskDefinition) -> Down {
    Down::Manifest(Manifest { sequence, tasks, task_definitions: vec![definition], more: false })
}

pub fn config(data_dir: &Path, controllers: &[&Fake]) -> Config {
    Config {
        cluster: "c".into(),
        controllers: controllers.iter().map(|fake| fake.address.clone()).collect(),
        data_dir: data_dir.to_owned(),
        runtime: RuntimeChoice::Simulated,
        cpu: Some(4_096),
        memory_mib: Some(4_096),
        ..Default::default()
    }
}

/// An agent under way.
pub struct Running {
    stop: oneshot::Sender<()>,
    pub ended: JoinHandle<Result<(), AgentError>>,
}

pub fn start(config: Config) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(drydock_node_agent::run(config, async move {
        let _ = stopped.await;
    }));
    Running { stop, ended }
}

impl Running {
    /// Stops it well.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        tokio::time::timeout(WAIT, self.ended).await.expect("it stops in time").unwrap().unwrap();
    }

    /// Stops it as kill -9 would: nothing of it runs any more.
    pub async fn kill(self) {
        self.ended.abort();
        assert!(self.ended.await.is_err_and(|error| error.is_cancelled()));
    }
}
