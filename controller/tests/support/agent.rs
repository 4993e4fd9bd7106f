//! A scripted agent: says what the test tells it to say, and shows what it is told.

use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{AgentMessage, Capacity, ControllerMessage, Hello, Manifest, Report, Reports};
use drydock_proto::ecs::Attribute;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{PATIENCE, agents};

pub struct Agent {
    up: mpsc::Sender<AgentMessage>,
    pub down: Streaming<ControllerMessage>,
}

pub fn hello(token: &str) -> Hello {
    let attribute = |name: &str, value: &str| Attribute {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
        ..Attribute::default()
    };
    Hello {
        cluster: "default".to_owned(),
        instance_token: token.to_owned(),
        session_nonce: "n".to_owned(),
        capacity: Some(Capacity { cpu: 4096, memory_mib: 8192, ..Capacity::default() }),
        attributes: vec![attribute("ecs.os-type", "linux"), attribute("ecs.availability-zone", "us-east-1a")],
        agent_version: "1.0.0".to_owned(),
        runtime: "simulated".to_owned(),
        ..Hello::default()
    }
}

impl Agent {
    /// Opens a session and says hello.
    pub async fn open(address: &str, hello: Hello) -> Self {
        let (up, messages) = mpsc::channel(16);
        up.send(AgentMessage { message: Some(Up::Hello(hello)) }).await.unwrap();
        let down = agents(address).session(ReceiverStream::new(messages)).await.unwrap().into_inner();
        Self { up, down }
    }

    pub async fn say(&self, message: Up) {
        self.up.send(AgentMessage { message: Some(message) }).await.unwrap();
    }

    /// The next message.
    pub async fn next(&mut self) -> Option<Down> {
        let next = tokio::time::timeout(PATIENCE, self.down.message()).await.expect("a message in time");
        next.unwrap().map(|message| message.message.unwrap())
    }

    /// The next message that `wanted` accepts; others are passed over.
    pub async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(Down) -> Option<T>) -> T {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the session ended before {what}"));
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    pub async fn welcome(&mut self) -> String {
        self.wait("the welcome", |message| match message {
            Down::Welcome(welcome) => Some(welcome.container_instance_arn),
            _ => None,
        })
        .await
    }

    pub async fn manifest(&mut self) -> Manifest {
        self.wait("a manifest", |message| match message {
            Down::Manifest(manifest) => Some(manifest),
            _ => None,
        })
        .await
    }

    pub async fn report(&self, task_arn: &str, sequence: u64, last_status: &str) {
        let report = Report {
            task_arn: task_arn.to_owned(),
            sequence,
            last_status: last_status.to_owned(),
            ..Report::default()
        };
        self.say(Up::Reports(Reports { reports: vec![report] })).await;
    }
}
