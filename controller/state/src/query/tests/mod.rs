//! Tables of reads: what a request gives, with ids masked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod account_settings;
mod catalog;
mod costs;
mod events;
mod images;
mod instances;
mod services;
mod tags;
mod task_sets;
mod tasks;
mod updates;

use drydock_model::arn::Scope;
use drydock_model::capacity::Serves;
use drydock_model::resources::Available;
use drydock_model::status::{ContainerStatus, HealthStatus, TaskStatus};
use drydock_proto::json::{TimeFormat, with_times};
use expect_test::Expect;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Query;
use crate::command::{ContainerReport, RegisterInstance, ReportTimes, SCHEMA, TaskReport};
use crate::event::Event;
use crate::key::InstanceKey;
use crate::plan::{Change, CreateTask, Plan, PutServiceEvent};
use crate::row::{BindingRow, TaskRow};
use crate::{Command, Envelope, Outcome, State};

struct World {
    state: State,
    scope: Scope,
    now: u64,
    index: u64,
    events: Vec<Event>,
}

fn json<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

impl World {
    fn new() -> Self {
        let scope = Scope { region: "eu-west-1".to_owned(), account: "123456789012".to_owned() };
        let mut world = Self { state: State::default(), scope, now: 1_700_000_000_000, index: 0, events: Vec::new() };
        for name in ["default", "prod", "test"] {
            let request = format!(r#"{{"clusterName":"{name}","tags":[{{"key":"of","value":"{name}"}}]}}"#);
            world.apply(Command::CreateCluster(Box::new(json(&request))));
        }
        let web = r#"{"family":"web","containerDefinitions":[{"name":"main","image":"nginx","cpu":128,"memory":256,
            "portMappings":[{"containerPort":80}]},{"name":"log","image":"fluent","memoryReservation":64,
            "essential":false}],"tags":[{"key":"team","value":"a"}]}"#;
        for definition in [web, web, r#"{"family":"job","containerDefinitions":[{"name":"m","image":"i","memory":6}]}"#]
        {
            world.apply(Command::RegisterTaskDefinition(Box::new(json(definition))));
        }
        world
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let envelope = Envelope {
            epoch: 1,
            now_ms: self.now,
            seed: u128::from(self.index),
            schema: SCHEMA,
            scope: self.scope.clone(),
            caller: "arn:aws:iam::123456789012:root".to_owned(),
            command,
        };
        let applied = self.state.apply(self.index, 1, &envelope).unwrap();
        self.events = applied.events;
        assert!(applied.outcome.refused().is_none(), "{:?}", applied.outcome);
        applied.outcome
    }

    /// Applies what may be refused.
    fn try_apply(&mut self, command: Command) -> Outcome {
        let before = self.state.clone();
        self.index += 1;
        let seed = u128::from(self.index);
        let (scope, caller) = (self.scope.clone(), "arn:aws:iam::123456789012:root".to_owned());
        let envelope = Envelope { epoch: 1, now_ms: self.now, seed, schema: SCHEMA, scope, caller, command };
        let applied = self.state.apply(self.index, 1, &envelope).unwrap();
        if applied.outcome.refused().is_some() {
            assert_eq!(self.state.digest(), before.digest(), "what is refused changes nothing");
        }
        self.events = applied.events;
        applied.outcome
    }

    fn query(&self) -> Query<'_> {
        Query::new(&self.state, &self.scope)
    }

    fn register(&mut self, token: &str) -> InstanceKey {
        let attributes =
            r#"[{"name":"ecs.availability-zone","value":"eu-west-1a"},{"name":"ecs.capability.task-eni"}]"#;
        let outcome = self.apply(Command::RegisterInstance(Box::new(RegisterInstance {
            cluster: "default".to_owned(),
            token: token.to_owned(),
            capacity: Available { cpu: 1024, memory_mib: 2048, ..Available::default() },
            attributes: json(attributes),
            ec2_instance_id: String::new(),
            agent_version: "1.0".to_owned(),
            docker_version: "27".to_owned(),
            runtime: "docker".to_owned(),
            tags: json(r#"[{"key":"rack","value":"7"}]"#),
            serves: Serves::default(),
            capacity_provider: String::new(),
        })));
        match outcome {
            Outcome::Instance(row) => row.key,
            other => panic!("{other:?}"),
        }
    }

    /// A service of two with one task RUNNING and one PENDING on an instance.
    fn with_service() -> (Self, InstanceKey) {
        let mut world = Self::new();
        let instance = world.register("i");
        let service = r#"{"serviceName":"web","taskDefinition":"web:1","desiredCount":2,
            "tags":[{"key":"cost","value":"1"}]}"#;
        world.apply(Command::CreateService(Box::new(json(service))));
        world.now += 1_000;
        world.start_tasks(2, instance);
        let task = world.tasks()[0].clone();
        world.now += 1_000;
        world.report(&task, TaskStatus::Running);
        (world, instance)
    }

    fn start_tasks(&mut self, count: usize, instance: InstanceKey) {
        let row = self.state.service_by_name(instance.cluster, "web").unwrap();
        let create = Change::CreateTask(CreateTask {
            service: row.key,
            generation: row.generation,
            deployment: row.primary_deployment,
            revision: row.target_revision,
            instance: Some(instance.id),
            capacity_provider: None,
            rebalances: false,
        });
        let mut changes = vec![create; count];
        changes.push(Change::PutServiceEvent(PutServiceEvent {
            service: row.key,
            message: "says so.".to_owned(),
            task_set: None,
        }));
        self.apply(Command::Plan(Plan { changes }));
    }

    fn tasks(&self) -> Vec<TaskRow> {
        self.state.all_tasks().map(|row| (**row).clone()).collect()
    }

    fn report(&mut self, task: &TaskRow, status: TaskStatus) {
        let binding = BindingRow {
            bind_ip: "0.0.0.0".into(),
            container_port: 80,
            host_port: 32_768,
            udp: false,
            container_port_range: None,
            host_port_range: None,
        };
        let report = TaskReport {
            task: task.key,
            instance: task.instance.unwrap(),
            sequence: self.index,
            last_status: status,
            health: HealthStatus::Unknown,
            stop_code: None,
            stopped_reason: String::new(),
            times: ReportTimes { started_at: Some(self.now), ..ReportTimes::default() },
            containers: vec![ContainerReport {
                name: "main".to_owned(),
                last_status: ContainerStatus::Running,
                exit_code: None,
                reason: String::new(),
                runtime_id: "abc".to_owned(),
                image_digest: "sha256:1".to_owned(),
                health: HealthStatus::Unknown,
                network_bindings: vec![binding],
                network_interfaces: Vec::new(),
                restart_count: 0,
            }],
            attachments: Vec::new(),
        };
        self.apply(Command::ReportStatuses(vec![report]));
    }
}

/// Runs of 19 digits and more, of hexadecimal digits as long as an id, and UUIDs become `ID`.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let is_part = |letter: char| letter.is_ascii_hexdigit() || letter == '-';
    for word in text.split_inclusive(|letter| !is_part(letter)) {
        let body = word.trim_end_matches(|letter| !is_part(letter));
        let digits = body.chars().filter(char::is_ascii_hexdigit).count();
        if digits >= 19 { out += &word.replace(body, "ID") } else { out += word }
    }
    out
}

fn show<T: Serialize>(value: &T) -> String {
    let text = with_times(TimeFormat::Iso8601, || serde_json::to_string_pretty(value)).unwrap();
    masked(&text)
}

/// One line an answer.
fn line<T: Serialize>(answer: Result<T, drydock_model::error::EcsError>) -> String {
    match answer {
        Ok(answer) => masked(&serde_json::to_string(&answer).unwrap()),
        Err(error) => error.to_string(),
    }
}

fn check(lines: Vec<String>, expected: Expect) {
    expected.assert_eq(&(lines.join("\n") + "\n"));
}
