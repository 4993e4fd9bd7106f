//! The language of fixtures: one command a line, each answered by one line, and `show` for what there is then.

use std::fmt::Write as _;

use drydock_model::resources::Available;
use drydock_proto::ecs;
use drydock_state::command::{Placement, RunTask};
use drydock_state::key::Key;
use drydock_state::plan::{CreateTask, MarkTaskLost, PutServiceEvent, SetDeployment, SetService, StopTask};
use drydock_state::row::{RollbackRow, RolloutState};
use drydock_state::{Change, Command, EventKind, Outcome, Plan};

use super::{World, definition, scope, stop_code, task_sets};

/// Runs a fixture and returns what came of it.
pub fn run(fixture: &str) -> String {
    let mut world = World::default();
    world.cluster("default");
    let mut out = String::new();
    for line in fixture.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(out, "{line}");
        let answer = step(&mut world, line);
        for answer in answer.lines() {
            let _ = writeln!(out, "    {answer}");
        }
    }
    check_replay(&world);
    out
}

/// Runs one line.
pub fn step(world: &mut World, line: &str) -> String {
    Line::parse(line).run(world)
}

/// Checks a fixture against what is expected of it.
#[track_caller]
pub fn check(fixture: &str, expected: &expect_test::Expect) {
    expected.assert_eq(&run(fixture));
}

/// The same log gives the same state, and a state survives its export.
pub fn check_replay(world: &World) {
    let mut again = drydock_state::State::default();
    for (at, bytes) in world.log.iter().enumerate() {
        again.apply_bytes(u64::try_from(at).unwrap() + 1, world.term, bytes).unwrap();
    }
    assert_same(&again, &world.state, "the same log must give the same state");
    let chunks: Vec<Vec<u8>> = world.state.export().collect();
    let imported = drydock_state::State::import(&chunks).unwrap();
    assert_same(&imported, &world.state, "a state must survive its export");
    assert_eq!(imported.export().collect::<Vec<_>>(), chunks, "equal states must give equal bytes");
    assert_eq!(imported.digest(), world.state.digest());
}

/// Shows the first lines that differ: whole states are too long to read.
#[track_caller]
fn assert_same(found: &drydock_state::State, expected: &drydock_state::State, law: &str) {
    if found == expected {
        return;
    }
    let (found, expected) = (format!("{found:#?}"), format!("{expected:#?}"));
    let differing = found.lines().zip(expected.lines()).enumerate().filter(|(_, (a, b))| a != b).take(20);
    let lines: Vec<String> = differing.map(|(at, (a, b))| format!("{at}: {a} | {b}")).collect();
    panic!("{law}:\n{}", lines.join("\n"));
}

pub struct Line<'a> {
    words: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        Self { words: line.split_whitespace().collect() }
    }

    pub fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// The value of `name=value`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    fn run(&self, world: &mut World) -> String {
        match self.word(0) {
            "at" => {
                let seconds: u64 = self.word(1).trim_end_matches('s').parse().expect("seconds");
                world.now = super::EPOCH_MS + seconds * 1_000;
                String::new()
            }
            "show" => show(world),
            "events" => events(world),
            "due" => due(world),
            _ => {
                let command = self.command(world);
                let outcome = world.apply(command);
                match task_sets::of(&outcome) {
                    Some(row) => task_sets::answer(world, row),
                    None => answer(world, &outcome),
                }
            }
        }
    }

    fn command(&self, world: &mut World) -> Command {
        let name = || Some(self.word(1).to_owned());
        match self.word(0) {
            word if task_sets::is_word(word) => task_sets::command(self, world),
            "create-cluster" => Command::CreateCluster(Box::new(ecs::CreateClusterRequest {
                cluster_name: name(),
                ..Default::default()
            })),
            "delete-cluster" => Command::DeleteCluster(ecs::DeleteClusterRequest { cluster: name() }),
            "reset" => Command::Reset,
            "register" => self.register(),
            "deregister-td" => {
                Command::DeregisterTaskDefinition(ecs::DeregisterTaskDefinitionRequest { task_definition: name() })
            }
            "delete-td" => Command::DeleteTaskDefinitions(ecs::DeleteTaskDefinitionsRequest {
                task_definitions: vec![self.word(1).to_owned()],
            }),
            "run" => self.run_task(world),
            "start" => Command::StartTask(Box::new(ecs::StartTaskRequest {
                task_definition: name(),
                container_instances: self.on(world).iter().map(|id| format!("{id:032x}")).collect(),
                ..Default::default()
            })),
            "stop" => Command::StopTask(ecs::StopTaskRequest {
                cluster: None,
                task: Some(match self.word(1) {
                    id if id.len() == 32 => id.to_owned(),
                    label => world.task(label).to_string(),
                }),
                reason: self.get("reason").map(str::to_owned),
            }),
            "report" => self.report(world),
            "service" | "update" | "delete" => self.service_command(),
            "join" | "connect" | "disconnect" | "drain" | "activate" | "deregister" => self.instance_command(world),
            "plan" => Command::Plan(Plan { changes: vec![self.change(world)] }),
            "reap" => {
                let due: Vec<Key> = world.state.due(world.now).map(|(_, key)| key.clone()).collect();
                Command::Reap(due)
            }
            other => panic!("no command {other}"),
        }
    }

    fn register(&self) -> Command {
        let mut request =
            definition(self.word(1), self.number("cpu").unwrap_or(256), self.number("memory").unwrap_or(128));
        if let Some(port) = self.number("port") {
            request.container_definitions[0].port_mappings =
                vec![ecs::PortMapping { container_port: Some(80), host_port: Some(port), ..Default::default() }];
        }
        if self.has("sidecar") {
            let mut sidecar = request.container_definitions[0].clone();
            sidecar.name = Some("sidecar".into());
            sidecar.essential = Some(false);
            request.container_definitions.push(sidecar);
        }
        Command::RegisterTaskDefinition(Box::new(request))
    }

    fn on(&self, world: &World) -> Vec<u128> {
        let labels = self.get("on").unwrap_or_default().split(',').filter(|label| !label.is_empty());
        labels.map(|label| world.instances.get(label).map_or(0xDEAD, |key| key.id)).collect()
    }

    fn run_task(&self, world: &World) -> Command {
        let on = self.on(world);
        let request = ecs::RunTaskRequest {
            task_definition: Some(self.word(1).to_owned()),
            cluster: self.get("cluster").map(str::to_owned),
            count: Some(i32::try_from(on.len()).unwrap()),
            client_token: self.get("token").map(str::to_owned),
            started_by: self.get("by").map(str::to_owned),
            ..Default::default()
        };
        let placement = |id: u128| match id {
            0xDEAD => Placement::Failed(ecs::Failure { reason: Some("RESOURCE:CPU".into()), ..Default::default() }),
            id => Placement::On(id),
        };
        Command::RunTask(Box::new(RunTask { request, placements: on.into_iter().map(placement).collect() }))
    }

    fn report(&self, world: &mut World) -> Command {
        let mut reports = Vec::new();
        for label in self.word(1).split(',') {
            let task = world.task(label);
            let mut report = world.report(task, self.word(2).parse().expect("a task status"));
            if let Some(sequence) = self.number("seq") {
                report.sequence = sequence;
            }
            if let Some(other) = self.get("from") {
                report.instance = world.instance(other).id;
            }
            report.stop_code = self.get("code").map(stop_code);
            report.stopped_reason = self.get("reason").unwrap_or_default().replace('_', " ");
            if let Some(health) = self.get("health") {
                report.health = health.parse().expect("a health status");
            }
            if let Some(exit) = self.number("exit") {
                report.containers.push(drydock_state::command::ContainerReport {
                    name: "app".into(),
                    last_status: drydock_model::status::ContainerStatus::Stopped,
                    exit_code: Some(exit),
                    reason: String::new(),
                    runtime_id: "r".into(),
                    image_digest: String::new(),
                    health: report.health,
                    network_bindings: Vec::new(),
                    network_interfaces: Vec::new(),
                    restart_count: 0,
                });
            }
            reports.push(report);
        }
        Command::ReportStatuses(reports)
    }

    fn service_command(&self) -> Command {
        let name = Some(self.word(1).to_owned());
        let configuration =
            (self.get("min").is_some() || self.get("max").is_some()).then(|| ecs::DeploymentConfiguration {
                minimum_healthy_percent: self.number("min"),
                maximum_percent: self.number("max"),
                ..Default::default()
            });
        match self.word(0) {
            "service" => Command::CreateService(Box::new(ecs::CreateServiceRequest {
                service_name: name,
                task_definition: self.get("td").map(str::to_owned),
                desired_count: self.number("desired"),
                client_token: self.get("token").map(str::to_owned),
                deployment_configuration: configuration,
                ..Default::default()
            })),
            "update" => Command::UpdateService(Box::new(ecs::UpdateServiceRequest {
                service: name,
                task_definition: self.get("td").map(str::to_owned),
                desired_count: self.number("desired"),
                deployment_configuration: configuration,
                force_new_deployment: self.has("force").then_some(true),
                ..Default::default()
            })),
            _ => Command::DeleteService(ecs::DeleteServiceRequest {
                cluster: None,
                service: name,
                force: self.has("force").then_some(true),
            }),
        }
    }

    fn instance_command(&self, world: &mut World) -> Command {
        use ecs::ContainerInstanceStatus::{Active, Draining};
        let label = self.word(1);
        if self.word(0) == "join" {
            let capacity = Available {
                cpu: self.number("cpu").unwrap_or(1024),
                memory_mib: self.number("memory").unwrap_or(1024),
                taken_tcp: [22].into_iter().collect(),
                ..Default::default()
            };
            // `World::join` remembers the label; its outcome is the same when it is applied a second time here.
            let _ = world.join(label, capacity, self.get("zone").unwrap_or("a"));
            return Command::InstanceConnected(world.instance(label));
        }
        let key = world.instance(label);
        let state = |status: ecs::ContainerInstanceStatus| {
            Command::UpdateContainerInstancesState(ecs::UpdateContainerInstancesStateRequest {
                cluster: None,
                container_instances: vec![key.to_string()],
                status: Some(status as i32),
            })
        };
        match self.word(0) {
            "connect" => Command::InstanceConnected(key),
            "disconnect" => Command::InstanceDisconnected(key),
            "drain" => state(Draining),
            "activate" => state(Active),
            _ => Command::DeregisterContainerInstance(ecs::DeregisterContainerInstanceRequest {
                cluster: None,
                container_instance: Some(key.to_string()),
                force: self.has("force").then_some(true),
            }),
        }
    }

    fn change(&self, world: &World) -> Change {
        let reason = || self.get("reason").unwrap_or("because").replace('_', " ");
        match self.word(1) {
            "create" => {
                let service = world.state.service(world.service(self.word(2))).unwrap();
                let task_set = self.get("set").map(|label| world.task_set(label));
                let current = task_set.map_or(service.current_deployment, |key| key.number);
                let deployment = self.number("deployment").unwrap_or(current);
                let target = world.state.deployment(service.key.deployment(deployment)).map(|row| row.target_revision);
                let of_set = task_set.and_then(|key| world.state.task_set(key)).map(|row| row.revision);
                Change::CreateTask(CreateTask {
                    service: service.key,
                    generation: self.number("generation").unwrap_or(service.generation),
                    deployment,
                    revision: self.number("revision").or(target).or(of_set).unwrap_or(0),
                    instance: self.get("on").map(|name| world.instance(name).id),
                    capacity_provider: self.get("provider").map(Into::into),
                    rebalances: self.has("rebalances"),
                })
            }
            "stop" => Change::StopTask(StopTask {
                task: world.task(self.word(2)),
                code: stop_code("ServiceSchedulerInitiated"),
                reason: reason(),
            }),
            "lost" => Change::MarkTaskLost(MarkTaskLost {
                task: world.task(self.word(2)),
                code: stop_code("InfrastructureHealth"),
                reason: reason(),
                even_if_connected: self.has("anyway"),
            }),
            "deployment" => Change::SetDeployment(Box::new(self.set_deployment(world))),
            "inactive" => {
                let service = world.state.service(world.service(self.word(2))).unwrap();
                Change::SetService(SetService {
                    service: service.key,
                    version: self.number("version").unwrap_or(service.version),
                    progress: None,
                    status: Some("INACTIVE".parse().unwrap()),
                    desired_count: None,
                })
            }
            "event" => Change::PutServiceEvent(PutServiceEvent {
                service: world.service(self.word(2)),
                message: self.words[3..].join(" "),
                task_set: None,
            }),
            "set" => task_sets::change(self, world),
            other => panic!("no change {other}"),
        }
    }

    fn set_deployment(&self, world: &World) -> SetDeployment {
        let service = world.state.service(world.service(self.word(2))).unwrap();
        let number = self.number("deployment").unwrap_or(service.current_deployment);
        let row = world.state.deployment(service.key.deployment(number));
        let mut set = SetDeployment::new(
            service.key.deployment(number),
            self.number("version").unwrap_or(row.map_or(0, |row| row.version)),
        );
        set.status = self.get("status").map(|text| text.parse().unwrap());
        set.rollout_state = self.get("rollout").map(|text| match text {
            "COMPLETED" => RolloutState::Completed,
            "FAILED" => RolloutState::Failed,
            _ => RolloutState::InProgress,
        });
        set.failed_tasks = self.number("failed");
        if let Some(to) = self.number("rollback") {
            let target = world.state.deployment(service.key.deployment(to)).unwrap();
            set.rollback = Some(RollbackRow {
                reason: "breaker".into(),
                started_at: world.now,
                to_deployment: to,
                to_revision: target.target_revision,
            });
        }
        set
    }
}

fn answer(world: &World, outcome: &Outcome) -> String {
    let labels = |keys: Vec<String>| keys.join(" ");
    match outcome {
        Outcome::Refused(error) => format!("refused: {error}"),
        Outcome::Tasks(tasks, failures) => {
            let tasks = tasks.iter().map(|row| world.label(row.key)).collect();
            let failures: Vec<&str> = failures.iter().filter_map(|failure| failure.reason.as_deref()).collect();
            if failures.is_empty() {
                format!("tasks {}", labels(tasks))
            } else {
                format!("tasks {} failures {}", labels(tasks), failures.join(" "))
            }
        }
        Outcome::Rebind(instances) => format!("rebind {}", instances.len()),
        Outcome::Planned { applied, dropped, created } => {
            let created = created.iter().map(|key| world.label(*key)).collect();
            let dropped: Vec<String> = dropped.iter().map(|dropped| format!("{:?}", dropped.reason)).collect();
            format!("applied {applied} {} {}", labels(created), dropped.join(" ")).trim_end().to_owned()
        }
        Outcome::Reaped(rows) => format!("reaped {rows}"),
        Outcome::Definitions(rows, failures) => {
            let failures: Vec<&str> = failures.iter().filter_map(|failure| failure.reason.as_deref()).collect();
            format!("deleting {} {}", rows.len(), failures.join(" ")).trim_end().to_owned()
        }
        Outcome::Definition(row) => format!("{} {}", row.key, row.status),
        Outcome::Service(row) => format!("service {} {}", row.name, row.status),
        Outcome::Task(row) => format!("{} {} -> {}", world.label(row.key), row.last_status, row.desired_status),
        Outcome::Cluster(row) => format!("cluster {} {}", row.name, row.status),
        _ => String::new(),
    }
}

/// Events of the last command, one a line.
fn events(world: &World) -> String {
    let mut out = String::new();
    for event in &world.events {
        let _ = match &event.kind {
            EventKind::Task { task, .. } => writeln!(
                out,
                "task {} v{} {} -> {}",
                world.label(task.key),
                task.version,
                task.last_status,
                task.desired_status
            ),
            EventKind::Instance { instance, running, pending } => writeln!(
                out,
                "instance {} v{} {} connected={} cpu={} running={running} pending={pending}",
                instance_label(world, instance.key.id),
                instance.version,
                instance.status,
                instance.agent_connected,
                instance.remaining.cpu
            ),
            EventKind::ServiceAction { service, level, name, .. } => {
                writeln!(out, "action {} {} {name}", service.name, level.as_str())
            }
            EventKind::Deployment { service, deployment, level, name, .. } => {
                writeln!(out, "deployment {} #{} {} {name}", service.name, deployment.key.number, level.as_str())
            }
            EventKind::Scaling(row) => writeln!(out, "scaling {} desired={}", row.key.provider, row.figures.desired),
        };
    }
    out
}

fn due(world: &World) -> String {
    world.state.due(world.now).map(|(at, _)| format!("{}s\n", (at - super::EPOCH_MS) / 1_000)).collect()
}

fn instance_label(world: &World, id: u128) -> &str {
    world.instances.iter().find(|(_, key)| key.id == id).map_or("?", |(label, _)| label)
}

/// What there is: instances, services with their deployments, tasks.
fn show(world: &World) -> String {
    let mut out = String::new();
    let state = &world.state;
    let cluster = state.cluster_by_name(state.scope_id(&scope()).unwrap(), "default").unwrap();
    let counts = state.cluster_counts(cluster.id);
    let _ = writeln!(
        out,
        "cluster pending={} running={} services={} instances={}",
        counts.tasks.pending, counts.tasks.running, counts.active_services, counts.registered_instances
    );
    for row in state.instances(cluster.id) {
        let _ = writeln!(
            out,
            "instance {} {}{} cpu={} memory={} tasks={}",
            instance_label(world, row.key.id),
            row.status,
            if row.agent_connected { "" } else { " away" },
            row.remaining.cpu,
            row.remaining.memory_mib,
            state.instance_counts(row.key).live()
        );
    }
    for row in state.services(cluster.id, None) {
        show_service(world, row, &mut out);
    }
    for key in &world.tasks {
        let Some(row) = state.task(*key) else {
            let _ = writeln!(out, "{} gone", world.label(*key));
            continue;
        };
        let _ = write!(out, "{} v{} {} -> {}", world.label(*key), row.version, row.last_status, row.desired_status);
        if let Some(id) = row.instance {
            let _ = write!(out, " on {}", instance_label(world, id));
        }
        if let Some(code) = row.stop_code {
            let _ = write!(out, " {code}: {}", row.stopped_reason.as_deref().unwrap_or_default());
        }
        let exits: Vec<String> =
            row.containers.iter().filter_map(|c| c.exit_code).map(|code| code.to_string()).collect();
        if !exits.is_empty() {
            let _ = write!(out, " exit {}", exits.join(","));
        }
        out.push('\n');
    }
    out
}

fn show_service(world: &World, row: &drydock_state::row::ServiceRow, out: &mut String) {
    let state = &world.state;
    let counts = state.service_counts(row.key);
    let _ = writeln!(
        out,
        "service {} {} desired={} pending={} running={} generation={}",
        row.name, row.status, row.desired_count, counts.pending, counts.running, row.generation
    );
    for deployment in state.deployments(row.key) {
        let counts = state.deployment_counts(deployment.key);
        let revision = state.revision(row.key.revision(deployment.target_revision)).unwrap();
        let primary = if row.primary_deployment == deployment.key.number { " primary" } else { "" };
        let _ = writeln!(
            out,
            "  #{} {} {}{primary} {} live={} from={:?}",
            deployment.key.number,
            deployment.status,
            deployment.rollout_state.as_str(),
            revision.definition,
            counts.live(),
            deployment.source_revisions
        );
    }
    task_sets::show(world, row, out);
    for event in state.service_events(row.key) {
        let _ = writeln!(out, "  event {}", task_sets::plain(world, &event.message));
    }
}
