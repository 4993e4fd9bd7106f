//! A small world around the real state: commands are applied, steps are made until nothing is left to do, and agents
//! are whatever a test says they are. No clock but the world's.
#![allow(dead_code, unreachable_pub, clippy::needless_pass_by_value, reason = "each test crate uses a part of it")]

pub mod configuration;
pub mod happening;
pub mod kinds;
pub mod laws;
pub mod numbers;
pub mod operations;
pub mod script;

use std::collections::BTreeSet;

use drydock_model::arn::{Resource, Scope};
use drydock_model::capabilities;
use drydock_model::capacity::Serves;
use drydock_model::error::EcsError;
use drydock_model::resources::{Available, RESERVED_TCP_PORTS};
use drydock_model::status::{ContainerStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs;
use drydock_reconcile::{Step, command_for, step};
use drydock_state::command::{ContainerReport, RegisterInstance, ReportTimes, RunTask, SCHEMA, TaskReport};
use drydock_state::event::Event;
use drydock_state::row::{ServiceRow, TaskRow};
use drydock_state::{
    Change, ClusterId, Command, Envelope, InstanceKey, Key, Millis, Outcome, Settings, State, TaskKey,
};

/// The term of all entries.
const TERM: u64 = 1;

/// Steps that a world may need to settle; more are a livelock.
const STEPS_MAX: usize = 200;

/// An image that names its digest, so that no deployment has to find it.
pub const PINNED_IMAGE: &str = "image@sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

#[derive(Clone)]
pub struct World {
    pub state: State,
    pub now: Millis,
    pub dirty: BTreeSet<Key>,
    pub scope: Scope,
    /// Image of the definitions that are registered.
    pub image: &'static str,
    /// What agents find out about it; "" where there is nothing to find.
    pub image_digest: &'static str,
    /// The cluster that instances join.
    pub joined: &'static str,
    /// Network interfaces of instances that join.
    pub interfaces: Option<u32>,
    /// Events are kept in `emitted`.
    pub watches: bool,
    pub emitted: Vec<Event>,
    index: u64,
    sequence: u64,
}

/// How an agent reports a task.
#[derive(Clone)]
pub struct Report {
    pub task: TaskKey,
    pub status: TaskStatus,
    pub health: HealthStatus,
    pub stop_code: Option<StopCode>,
}

impl World {
    /// Cluster `default`, task definition `app` with one revision of 256 CPU units and 512 MiB.
    pub fn new() -> Self {
        let scope = Scope { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
        let mut world = Self {
            state: State::default(),
            now: 1_000_000,
            dirty: BTreeSet::new(),
            scope,
            image: PINNED_IMAGE,
            image_digest: "",
            joined: "default",
            interfaces: None,
            watches: false,
            emitted: Vec::new(),
            index: 0,
            sequence: 0,
        };
        world.apply(Command::NewEpoch);
        let name = Some("default".to_owned());
        world.apply(Command::CreateCluster(Box::new(ecs::CreateClusterRequest {
            cluster_name: name,
            ..Default::default()
        })));
        world.register_definition(false, 256, 512);
        world
    }

    pub fn seed(&self) -> u128 {
        u128::from(self.index) * 0x9e37_79b9_7f4a_7c15
    }

    /// Applies a command that must not be refused.
    pub fn apply(&mut self, command: Command) -> Outcome {
        let outcome = self.try_apply(command);
        assert!(outcome.refused().is_none(), "refused: {outcome:?}");
        outcome
    }

    pub fn try_apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let envelope = Envelope {
            epoch: TERM,
            now_ms: self.now,
            seed: self.seed(),
            schema: SCHEMA,
            scope: self.scope.clone(),
            caller: String::new(),
            command,
        };
        let applied = self.state.apply(self.index, TERM, &envelope).unwrap();
        self.dirty.extend(applied.dirty);
        self.emitted.extend(applied.events.into_iter().filter(|_| self.watches));
        applied.outcome
    }

    pub fn cluster(&self) -> ClusterId {
        let scope = self.state.scope_id(&self.scope).unwrap();
        self.state.cluster_by_name(scope, "default").unwrap().id
    }

    /// Another revision of `app`.
    pub fn register_definition(&mut self, health_check: bool, cpu: i32, memory: i32) {
        let check = ecs::HealthCheck { command: vec!["CMD".into(), "true".into()], ..Default::default() };
        let container = ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some(self.image.to_owned()),
            cpu: Some(cpu),
            memory: Some(memory),
            health_check: health_check.then_some(check),
            ..Default::default()
        };
        self.apply(Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
            family: Some("app".to_owned()),
            container_definitions: vec![container],
            ..Default::default()
        })));
    }

    /// Registers an instance with room for `cpu` units and twice as many MiB, with all capabilities or with none.
    pub fn register_instance(&mut self, name: &str, zone: &str, cpu: u32, able: bool) -> InstanceKey {
        self.register_host(name, zone, cpu, able, (Serves::Both, ""))
    }

    /// The same, serving some tasks only or of a capacity provider.
    pub fn register_host(
        &mut self,
        name: &str,
        zone: &str,
        cpu: u32,
        able: bool,
        (serves, provider): (Serves, &str),
    ) -> InstanceKey {
        let attribute = |name: &str, value: &str| ecs::Attribute {
            name: Some(name.to_owned()),
            value: Some(value.to_owned()),
            ..Default::default()
        };
        let mut attributes = vec![attribute("ecs.availability-zone", zone), attribute("name", name)];
        if able {
            let able = capabilities::all().into_iter();
            attributes.extend(able.map(|name| ecs::Attribute { name: Some(name), ..Default::default() }));
        }
        let outcome = self.apply(Command::RegisterInstance(Box::new(RegisterInstance {
            cluster: self.joined.to_owned(),
            token: name.to_owned(),
            capacity: Available {
                cpu,
                memory_mib: cpu * 2,
                taken_tcp: RESERVED_TCP_PORTS.into_iter().collect(),
                interfaces: self.interfaces,
                ..Available::default()
            },
            attributes,
            ec2_instance_id: String::new(),
            agent_version: "1".to_owned(),
            docker_version: String::new(),
            runtime: "simulated".to_owned(),
            tags: Vec::new(),
            serves,
            capacity_provider: provider.to_owned(),
        })));
        match outcome {
            Outcome::Instance(row) => row.key,
            other => panic!("{other:?}"),
        }
    }

    pub fn instance_name(&self, id: u128) -> String {
        let key = InstanceKey { cluster: self.cluster(), id };
        let row = self.state.instance(key).unwrap();
        row.attribute("name").unwrap().to_string()
    }

    pub fn create_service(&mut self, name: &str, desired: i32, min: i32, max: i32) {
        self.create_service_with(name, desired, percents(min, max));
    }

    pub fn create_service_with(&mut self, name: &str, desired: i32, configuration: ecs::DeploymentConfiguration) {
        self.apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
            service_name: Some(name.to_owned()),
            task_definition: Some("app".to_owned()),
            desired_count: Some(desired),
            deployment_configuration: Some(configuration),
            ..Default::default()
        })));
    }

    /// The ServiceDeployment of a service that was started last, as requests name it.
    pub fn deployment_arn(&self, name: &str) -> Option<String> {
        let id = self.state.deployment(self.service(name).current_key()).unwrap().id.to_string();
        let resource = Resource::ServiceDeployment("default".to_owned(), name.to_owned(), id);
        Some(self.scope.arn(resource).to_string())
    }

    pub fn stop_deployment(&mut self, name: &str, stop_type: ecs::StopServiceDeploymentStopType) -> Outcome {
        let service_deployment_arn = self.deployment_arn(name);
        let stop_type = Some(stop_type.into());
        let request = ecs::StopServiceDeploymentRequest { service_deployment_arn, stop_type };
        self.try_apply(Command::StopServiceDeployment(request))
    }

    /// Acts on the first hook that waits.
    pub fn continue_deployment(&mut self, name: &str, action: ecs::DeploymentLifecycleHookAction) -> Outcome {
        let row = self.state.deployment(self.service(name).current_key()).unwrap();
        let hook = row.hooks.iter().find(|hook| hook.awaits());
        let request = ecs::ContinueServiceDeploymentRequest {
            hook_id: Some(hook.map_or_else(|| "none".to_owned(), |hook| hook.hook_id())),
            service_deployment_arn: self.deployment_arn(name),
            action: Some(action.into()),
        };
        self.try_apply(Command::ContinueServiceDeployment(request))
    }

    pub fn create_daemon(&mut self, name: &str, min: i32) {
        let mut request = ecs::CreateServiceRequest {
            service_name: Some(name.to_owned()),
            task_definition: Some("app".to_owned()),
            deployment_configuration: Some(percents(min, 100)),
            ..Default::default()
        };
        request.set_scheduling_strategy(ecs::SchedulingStrategy::Daemon);
        self.apply(Command::CreateService(Box::new(request)));
    }

    pub fn update_service(&mut self, name: &str, change: impl FnOnce(&mut ecs::UpdateServiceRequest)) {
        let mut request = ecs::UpdateServiceRequest { service: Some(name.to_owned()), ..Default::default() };
        change(&mut request);
        self.apply(Command::UpdateService(Box::new(request)));
    }

    /// Other percentages. Zones are rebalanced where these allow it.
    pub fn set_percents(&mut self, name: &str, min: i32, max: i32) {
        use ecs::AvailabilityZoneRebalancing::{Disabled, Enabled};
        self.update_service(name, |request| {
            request.deployment_configuration = Some(percents(min, max));
            request.set_availability_zone_rebalancing(if max > 100 { Enabled } else { Disabled });
        });
    }

    /// RunTask as the leader does it: placed, then applied.
    pub fn run_task(&mut self, request: ecs::RunTaskRequest) -> Result<Outcome, EcsError> {
        let command = Command::RunTask(Box::new(RunTask { request, placements: Vec::new() }));
        let command = command_for(&self.state, &self.scope, command, self.seed())?;
        match self.try_apply(command) {
            Outcome::Refused(error) => Err(error),
            outcome => Ok(outcome),
        }
    }

    pub fn service(&self, name: &str) -> &ServiceRow {
        self.state.service_by_name(self.cluster(), name).unwrap()
    }

    /// Tasks of a service that aren't STOPPED.
    pub fn live(&self, name: &str) -> Vec<TaskRow> {
        let key = self.service(name).key;
        self.state.live_tasks_of(key).map(|row| (**row).clone()).collect()
    }

    pub fn report(&mut self, reports: &[Report]) {
        let reports = reports.iter().map(|report| {
            self.sequence += 1;
            let row = self.state.task(report.task).unwrap();
            let stopped = report.status == TaskStatus::Stopped;
            let ran = report.status >= TaskStatus::Running && row.last_status >= TaskStatus::Running;
            let started = report.status == TaskStatus::Running || ran;
            TaskReport {
                // As its agent does: among the tasks of its instance.
                task: row.instance_key().unwrap().task(report.task.id),
                instance: row.instance.unwrap(),
                sequence: self.sequence,
                last_status: report.status,
                health: report.health,
                stop_code: report.stop_code,
                stopped_reason: String::new(),
                times: ReportTimes {
                    started_at: started.then_some(self.now),
                    stopped_at: stopped.then_some(self.now),
                    ..ReportTimes::default()
                },
                containers: vec![ContainerReport {
                    name: "main".to_owned(),
                    last_status: match report.status {
                        TaskStatus::Running => ContainerStatus::Running,
                        TaskStatus::Stopped => ContainerStatus::Stopped,
                        _ => ContainerStatus::Pending,
                    },
                    exit_code: None,
                    reason: String::new(),
                    runtime_id: String::new(),
                    image_digest: self.image_digest.to_owned(),
                    health: report.health,
                    network_bindings: Vec::new(),
                    network_interfaces: Vec::new(),
                    restart_count: 0,
                }],
                attachments: Vec::new(),
            }
        });
        let reports = reports.collect();
        self.apply(Command::ReportStatuses(reports));
    }

    pub fn report_one(&mut self, task: TaskKey, status: TaskStatus) {
        self.report(&[Report { task, status, health: HealthStatus::Unknown, stop_code: None }]);
    }

    /// One step, not applied.
    pub fn step(&self) -> Step {
        step(&self.state, &self.dirty, self.now, self.seed(), usize::MAX)
    }

    /// Steps until nothing is left to do now. `look` sees each step before and after it is applied.
    pub fn settle(&mut self, mut look: impl FnMut(&Step, &State, &State)) {
        for _ in 0..STEPS_MAX {
            let step = self.step();
            let again = self.step();
            assert_eq!(step, again, "the same input gave another plan");
            self.dirty = step.remaining.clone();
            let more = !step.remaining.is_empty();
            let quiet = step.is_quiet();
            let before = self.state.clone();
            for command in step.clone().commands() {
                let outcome = self.apply(command);
                if let Outcome::Planned { dropped, .. } = &outcome {
                    // An event that only repeats the newest one is dropped by apply, and may be.
                    let repeats = |at: usize| matches!(step.plan.changes[at], Change::PutServiceEvent(_));
                    assert!(dropped.iter().all(|drop| repeats(drop.at)), "dropped {dropped:?} of {:#?}", step.plan);
                }
            }
            look(&step, &before, &self.state);
            if quiet && !more {
                return;
            }
        }
        panic!("no rest after {STEPS_MAX} steps at one time; last: {:#?}", self.step());
    }

    /// Lets time pass up to `until`, with a step at each deadline on the way.
    pub fn advance_to(&mut self, until: Millis, mut look: impl FnMut(&Step, &State, &State)) {
        loop {
            self.settle(&mut look);
            let next = self.state.deadlines().map(|(at, _)| at).find(|at| *at > self.now);
            match next.filter(|at| *at <= until) {
                Some(at) => self.now = at,
                None => break,
            }
        }
        self.now = self.now.max(until);
        self.settle(&mut look);
    }

    pub fn run_for(&mut self, ms: Millis) {
        self.advance_to(self.now + ms, |_, _, _| {});
    }

    /// Messages of a service's events without their prefix, oldest first; `(taskSet ID) …` of those of a task set.
    pub fn events(&self, name: &str) -> Vec<String> {
        let (prefix, of_set) = (format!("(service {name}) "), format!("(service {name}, "));
        let events = self.state.service_events(self.service(name).key);
        let plain = |text: &str| match text.strip_prefix(&of_set) {
            Some(rest) => format!("({rest}"),
            None => text.strip_prefix(&prefix).unwrap().to_owned(),
        };
        events.map(|event| plain(&event.message)).collect()
    }
}

/// How many tasks a service launches within a minute.
pub fn limit_launches(world: &mut World, most: u64) {
    let settings = Settings { service_launches_per_minute: most, ..*world.state.settings() };
    assert_eq!(world.apply(Command::PutSettings(settings)), Outcome::Done);
}

pub fn percents(min: i32, max: i32) -> ecs::DeploymentConfiguration {
    ecs::DeploymentConfiguration {
        minimum_healthy_percent: Some(min),
        maximum_percent: Some(max),
        ..Default::default()
    }
}
