//! A world for tests: a state, a clock, and labels for what was made, so that fixtures and results are short and stable.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by several test binaries"
)]

pub mod script;
pub mod task_sets;

use std::collections::BTreeMap;

use drydock_model::arn::Scope;
use drydock_model::capacity::Serves;
use drydock_model::resources::Available;
use drydock_model::status::{HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs;
use drydock_state::command::{ContainerReport, RegisterInstance, ReportTimes, RunTask, TaskReport};
use drydock_state::{
    Applied, Command, Envelope, Event, EventKind, Halt, InstanceKey, Outcome, ServiceKey, State, TaskKey, TaskSetKey,
    codec,
};

/// When worlds begin.
pub const EPOCH_MS: u64 = 1_000_000;

/// A state with the log that led to it.
pub struct World {
    pub state: State,
    pub term: u64,
    pub now: u64,
    /// The encoded log: replaying it must give the same state.
    pub log: Vec<Vec<u8>>,
    /// Events of the last command.
    pub events: Vec<Event>,
    /// All events so far.
    pub heard: Vec<Event>,
    pub tasks: Vec<TaskKey>,
    pub instances: BTreeMap<String, InstanceKey>,
    /// Task sets that were made, with their ids.
    pub task_sets: Vec<(TaskSetKey, u64)>,
    sequence: u64,
}

pub fn scope() -> Scope {
    Scope { region: "eu-west-1".into(), account: "123456789012".into() }
}

impl Default for World {
    fn default() -> Self {
        Self {
            state: State::default(),
            term: 1,
            now: EPOCH_MS,
            log: Vec::new(),
            events: Vec::new(),
            heard: Vec::new(),
            tasks: Vec::new(),
            instances: BTreeMap::new(),
            task_sets: Vec::new(),
            sequence: 0,
        }
    }
}

impl World {
    pub fn envelope(&self, command: Command) -> Envelope {
        Envelope {
            epoch: self.term,
            now_ms: self.now,
            seed: 0xD0C5_EED0 + u128::try_from(self.log.len()).unwrap(),
            schema: drydock_state::command::SCHEMA,
            scope: scope(),
            caller: "arn:aws:iam::123456789012:root".into(),
            command,
        }
    }

    /// Applies a command through its encoding; a halt is a failure of the test.
    pub fn apply(&mut self, command: Command) -> Outcome {
        self.try_apply(command).expect("no halt").outcome
    }

    pub fn try_apply(&mut self, command: Command) -> Result<Applied, Halt> {
        let envelope = self.envelope(command);
        let bytes = codec::encode(&envelope).unwrap();
        assert_eq!(codec::decode(1, &bytes).unwrap(), envelope, "an envelope must survive its encoding");
        let index = self.state.applied_index() + 1;
        let before = self.state.digest();
        let applied = self.state.apply_bytes(index, self.term, &bytes)?;
        self.log.push(bytes);
        if applied.outcome.refused().is_some() {
            assert_eq!(self.state.digest(), before, "a refused command must change nothing: {:?}", applied.outcome);
            assert!(applied.events.is_empty() && applied.dirty.is_empty());
        }
        self.events.clone_from(&applied.events);
        self.heard.extend_from_slice(&applied.events);
        for event in &applied.events {
            if let EventKind::Task { task, .. } = &event.kind
                && !self.tasks.contains(&task.key)
            {
                self.tasks.push(task.key);
            }
        }
        Ok(applied)
    }

    pub fn cluster(&mut self, name: &str) {
        let request = ecs::CreateClusterRequest { cluster_name: Some(name.into()), ..Default::default() };
        assert!(matches!(self.apply(Command::CreateCluster(Box::new(request))), Outcome::Cluster(_)));
    }

    pub fn join(&mut self, label: &str, capacity: Available, zone: &str) -> Outcome {
        let outcome = self.apply(Command::RegisterInstance(Box::new(RegisterInstance {
            cluster: "default".into(),
            token: label.into(),
            capacity,
            attributes: vec![ecs::Attribute {
                name: Some("ecs.availability-zone".into()),
                value: Some(zone.into()),
                ..Default::default()
            }],
            ec2_instance_id: String::new(),
            agent_version: "0.1.0".into(),
            docker_version: String::new(),
            runtime: "simulated".into(),
            tags: Vec::new(),
            serves: Serves::default(),
            capacity_provider: String::new(),
        })));
        if let Outcome::Instance(row) = &outcome {
            self.instances.insert(label.to_owned(), row.key);
        }
        outcome
    }

    pub fn instance(&self, label: &str) -> InstanceKey {
        self.instances.get(label).copied().unwrap_or_else(|| panic!("no instance {label}"))
    }

    /// The label of a task: `t1` is the first that was made.
    pub fn label(&self, key: TaskKey) -> String {
        let at = self.tasks.iter().position(|known| *known == key).unwrap();
        format!("t{}", at + 1)
    }

    pub fn task(&self, label: &str) -> TaskKey {
        let at: usize = label.strip_prefix('t').and_then(|at| at.parse().ok()).expect("a task label such as t1");
        self.tasks.get(at - 1).copied().unwrap_or_else(|| panic!("no task {label}"))
    }

    pub fn service(&self, name: &str) -> ServiceKey {
        let id = self.state.scope_id(&scope()).unwrap();
        let cluster = self.state.cluster_by_name(id, "default").unwrap().id;
        self.state.service_by_name(cluster, name).unwrap_or_else(|| panic!("no service {name}")).key
    }

    /// A report of a task by its instance, with the next sequence unless one is given.
    pub fn report(&mut self, task: TaskKey, status: TaskStatus) -> TaskReport {
        self.sequence += 1;
        let instance = self.state.task(task).and_then(|row| row.instance).unwrap_or_default();
        TaskReport {
            task,
            instance,
            sequence: self.sequence,
            last_status: status,
            health: HealthStatus::Unknown,
            stop_code: None,
            stopped_reason: String::new(),
            times: ReportTimes::default(),
            containers: Vec::<ContainerReport>::new(),
            attachments: Vec::new(),
        }
    }

    pub fn run(&mut self, request: ecs::RunTaskRequest, on: &[u128]) -> Outcome {
        use drydock_state::command::Placement;
        let placements = on.iter().map(|id| Placement::On(*id)).collect();
        self.apply(Command::RunTask(Box::new(RunTask { request, placements })))
    }
}

/// A task definition of one container `app`.
pub fn definition(family: &str, cpu: i32, memory: i32) -> ecs::RegisterTaskDefinitionRequest {
    ecs::RegisterTaskDefinitionRequest {
        family: Some(family.into()),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("app".into()),
            image: Some("busybox".into()),
            cpu: Some(cpu),
            memory: Some(memory),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn stop_code(text: &str) -> StopCode {
    text.parse().unwrap()
}
