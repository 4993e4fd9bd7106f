//! The load of the wire benchmark: one operation of ECS after the other over HTTP connections that are kept, the same bytes to
//! whoever speaks the protocol.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::cluster::CLUSTER;
use crate::http::{Answer, Connection, aws_request};
use crate::{load, wait};

/// Tasks that DescribeTasks asks for.
pub const DESCRIBED: usize = 10;
/// Tasks of either side while reads are measured.
pub const TASKS: usize = 100;
/// Wait for agents that have many tasks to start.
const REST_MAX: Duration = Duration::from_secs(300);
/// Tasks that one RunTask may start.
const TASKS_PER_CALL: usize = 10;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`DESCRIBED`] tasks.
    DescribeTasks,
    /// All [`TASKS`].
    ListTasks,
    /// A new revision.
    RegisterTaskDefinition,
    /// One task, on a container instance that was registered over the API: nobody runs it, as with moto.
    RunTask,
    /// One task that an agent takes up and runs.
    RunTaskByAgent,
}

impl Operation {
    /// All, in the order in which they are measured: those that add something come last.
    pub const ALL: [Self; 5] =
        [Self::DescribeTasks, Self::ListTasks, Self::RegisterTaskDefinition, Self::RunTask, Self::RunTaskByAgent];

    /// ECS's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DescribeTasks => "DescribeTasks",
            Self::ListTasks => "ListTasks",
            Self::RegisterTaskDefinition => "RegisterTaskDefinition",
            Self::RunTask | Self::RunTaskByAgent => "RunTask",
        }
    }

    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::RunTaskByAgent => "RunTask, and agents run the tasks (moto: as before),",
            other => other.name(),
        }
    }

    fn body(self, bare: &str, arns: &[String]) -> Value {
        match self {
            Self::DescribeTasks => json!({ "cluster": CLUSTER, "tasks": arns }),
            Self::ListTasks => json!({ "cluster": CLUSTER }),
            Self::RegisterTaskDefinition => definition("revised"),
            Self::RunTask => run(bare, 1),
            Self::RunTaskByAgent => run(CLUSTER, 1),
        }
    }
}

fn definition(family: &str) -> Value {
    json!({
        "family": family,
        "containerDefinitions": [{
            "name": "app", "image": "busybox", "memory": 6, "essential": true,
            "environment": [{ "name": "STAGE", "value": "bench" }, { "name": "LEVEL", "value": "info" }],
            "command": ["sleep", "1000000"],
        }],
    })
}

fn run(cluster: &str, count: usize) -> Value {
    json!({ "cluster": cluster, "taskDefinition": "bench", "count": count, "launchType": "EC2", "startedBy": "bench" })
}

/// One who speaks the protocol.
#[derive(Debug)]
pub struct Side {
    /// For people.
    pub name: &'static str,
    /// `host:port`.
    pub address: String,
    /// A cluster whose container instances have no agent.
    bare: String,
    arns: Vec<String>,
}

impl Side {
    /// Registers what is run, and runs [`TASKS`] tasks. `bare` is a cluster whose container instances have no agent.
    ///
    /// # Errors
    /// Something is refused.
    pub async fn prepare(name: &'static str, address: &str, bare: &str) -> Result<Self> {
        let mut connection = Connection::dial(address).await?;
        let mut side = Self { name, address: address.to_owned(), bare: bare.to_owned(), arns: Vec::new() };
        side.ask(&mut connection, "RegisterTaskDefinition", &definition("bench")).await?;
        while side.arns.len() < TASKS {
            let answer = side.ask(&mut connection, "RunTask", &run(CLUSTER, TASKS_PER_CALL)).await?;
            let tasks = answer["tasks"].as_array().context("tasks")?;
            ensure!(tasks.len() == TASKS_PER_CALL, "{name}: {answer}");
            side.arns.extend(tasks.iter().filter_map(|task| task["taskArn"].as_str().map(str::to_owned)));
        }
        Ok(side)
    }

    /// Makes the cluster whose container instances have no agent: as many, and with as much to offer, as agents are there.
    ///
    /// # Errors
    /// Something is refused.
    pub async fn make_bare(address: &str, bare: &str, (instances, cpu, memory_mib): (usize, u32, u32)) -> Result<()> {
        let mut connection = Connection::dial(address).await?;
        let side = Self { name: "drydock", address: address.to_owned(), bare: bare.to_owned(), arns: Vec::new() };
        side.ask(&mut connection, "CreateCluster", &json!({ "clusterName": bare })).await?;
        for _ in 0..instances {
            let offer = [("CPU", cpu), ("MEMORY", memory_mib)];
            let offer = offer.map(|(name, value)| json!({ "name": name, "type": "INTEGER", "integerValue": value }));
            let request = json!({ "cluster": bare, "totalResources": offer });
            side.ask(&mut connection, "RegisterContainerInstance", &request).await?;
        }
        Ok(())
    }

    /// Waits until agents run all tasks that were started.
    ///
    /// # Errors
    /// They don't in time.
    pub async fn at_rest(&self) -> Result<()> {
        let cluster = json!({ "clusters": [CLUSTER] });
        wait::until("agents run all tasks", REST_MAX, async || {
            let mut connection = Connection::dial(&self.address).await?;
            let answer = self.ask(&mut connection, "DescribeClusters", &cluster).await?;
            ensure!(answer["clusters"][0]["pendingTasksCount"] == 0, "{answer}");
            Ok(())
        })
        .await?;
        Ok(())
    }

    async fn ask(&self, connection: &mut Connection, operation: &str, body: &Value) -> Result<Value> {
        let request = aws_request(operation, &body.to_string());
        let answer = connection.call(&request).await?;
        if closes(&answer) {
            // One who says so may go on reading, and never answer again.
            *connection = Connection::dial(&self.address).await?;
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status == 200, "{} {operation}: {} {text}", self.name, answer.status);
        Ok(serde_json::from_str(&text)?)
    }

    /// Connections for a load of one operation, one for each client.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn calls(&self, operation: Operation, clients: usize) -> Result<Calls> {
        let mut connections = Vec::with_capacity(clients);
        for _ in 0..clients {
            connections.push(Mutex::new(Some(Connection::dial(&self.address).await?)));
        }
        let body = operation.body(&self.bare, self.arns.get(..DESCRIBED).unwrap_or(&self.arns)).to_string();
        Ok(Calls { connections, address: self.address.clone(), request: aws_request(operation.name(), &body) })
    }
}

/// Whether the server ends the connection with this answer.
fn closes(answer: &Answer) -> bool {
    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// One request again and again over a set of connections.
#[derive(Debug)]
pub struct Calls {
    connections: Vec<Mutex<Option<Connection>>>,
    address: String,
    request: Vec<u8>,
}

impl load::Target for Calls {
    async fn write(&self, client: usize, _sequence: u64) -> Result<()> {
        let mut place = self.connections[client % self.connections.len()].lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => Connection::dial(&self.address).await?,
        };
        let answer = connection.call(&self.request).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        // Without tasks a RunTask has done nothing.
        ensure!(!answer.body.starts_with(b"{\"tasks\":[],") && !answer.body.starts_with(b"{\"tasks\": [],"), "no task");
        if !closes(&answer) {
            *place = Some(connection);
        }
        Ok(())
    }
}
