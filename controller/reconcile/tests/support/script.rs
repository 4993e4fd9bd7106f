//! Scripts over the world: one line a thing that happens, and what has changed after it.

mod explain;
mod task_sets;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drydock_model::status::{DesiredStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs;
use drydock_state::row::{DeploymentRow, ServiceRow, TaskRow};
use drydock_state::{Command, InstanceKey, TaskKey, TaskSetKey};
use expect_test::Expect;

use super::configuration::{configuration, details};
use super::{Report, World};

/// A script: one line a thing that happens; after each, the world settles and what has changed is shown.
///
/// - `service desired=N`, `configure`: with the words of [`configuration`] · `stop-deployment [abort]` · `continue [rollback]`
/// - `instance NAME@ZONE [cpu=N] [plain]` (without capabilities) · `drain NAME` · `activate NAME` · `gone NAME` · `back NAME` · `deregister NAME`
/// - `service desired=N [min=N] [max=N]` · `scale N` · `percents MIN MAX` · `deploy [checked] [cpu=N]` · `force` · `delete`
/// - `all STATUS` / `TASK STATUS [HEALTH]`: what agents report; `fail TASK|all`: STOPPED before it ran
/// - `daemon [min=N]`: a service of type DAEMON · `checked`: a revision with a health check, before there is a service
/// - `tagged`: revisions from now on whose image isn't pinned · `found something|nothing`: its digest, reported from now on
/// - `protect TASK MINUTES`: scale-in protection · `rebalancing on|off`: of zones · `grace SECONDS`
/// - `launches N`: that a service may launch within a minute
/// - `wait SECONDS` · `run`: a standalone task
/// - task sets: see [`task_sets`]
/// - `explain`: what the service waits for · `explain TASK`
struct Script {
    world: World,
    names: BTreeMap<TaskKey, String>,
    shown: BTreeMap<TaskKey, String>,
    said: usize,
    rollout: String,
    deployments: BTreeMap<u64, String>,
    refused: Option<String>,
    task_sets: Vec<(TaskSetKey, u64)>,
    task_sets_shown: BTreeMap<usize, String>,
    pinned: String,
}

/// Plays a script and compares what it shows.
pub fn check(script: &str, expected: Expect) {
    let mut run = Script {
        world: World::new(),
        names: BTreeMap::new(),
        shown: BTreeMap::new(),
        said: 0,
        rollout: String::new(),
        deployments: BTreeMap::new(),
        refused: None,
        task_sets: Vec::new(),
        task_sets_shown: BTreeMap::new(),
        pinned: String::new(),
    };
    let mut out = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        run.happen(line);
        run.world.settle(|_, _, _| {});
        let _ = writeln!(out, "{line}");
        out += &run.show();
        out += &run.explain(line);
    }
    expected.assert_eq(&out);
}

impl Script {
    fn task(&self, name: &str) -> TaskKey {
        self.names.iter().find(|(_, known)| *known == name).map(|(key, _)| *key).unwrap_or_else(|| panic!("{name}"))
    }

    fn instance(&self, name: &str) -> InstanceKey {
        let world = &self.world;
        let row = world.state.instance_by_token(world.cluster(), name).unwrap_or_else(|| panic!("no instance {name}"));
        row.key
    }

    fn happen(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |key: &str, default: i32| {
            words.iter().find_map(|word| word.strip_prefix(key)).map_or(default, |value| value.parse().unwrap())
        };
        if self.of_task_sets(&words) {
            return;
        }
        match words.as_slice() {
            ["instance", place, ..] => {
                let (name, zone) = place.split_once('@').unwrap();
                let cpu = u32::try_from(number("cpu=", 4096)).unwrap();
                self.world.register_instance(name, zone, cpu, !words.contains(&"plain"));
            }
            ["drain", name] => self.instance_state(name, ecs::ContainerInstanceStatus::Draining),
            ["activate", name] => self.instance_state(name, ecs::ContainerInstanceStatus::Active),
            ["gone", name] => drop(self.world.apply(Command::InstanceDisconnected(self.instance(name)))),
            ["back", name] => drop(self.world.apply(Command::InstanceConnected(self.instance(name)))),
            ["deregister", name] => {
                let request = ecs::DeregisterContainerInstanceRequest {
                    container_instance: Some(self.instance(name).to_string()),
                    force: Some(true),
                    ..Default::default()
                };
                self.world.apply(Command::DeregisterContainerInstance(request));
            }
            ["service", ..] => {
                let configuration = configuration(&words);
                self.world.create_service_with("web", number("desired=", 1), configuration);
            }
            ["tagged"] => {
                self.world.image = "image:1";
                self.world.register_definition(false, 256, 512);
            }
            ["found", digest] => self.world.image_digest = if *digest == "nothing" { "" } else { "sha256:5f70bf18" },
            ["checked"] => self.world.register_definition(true, 256, 512),
            ["daemon", ..] => self.world.create_daemon("web", number("min=", 0)),
            ["scale", count] => {
                let count = count.parse().unwrap();
                self.world.update_service("web", |request| request.desired_count = Some(count));
            }
            ["percents", min, max] => {
                self.world.set_percents("web", min.parse().unwrap(), max.parse().unwrap());
            }
            ["grace", seconds] => {
                let seconds = seconds.parse().unwrap();
                self.world.update_service("web", |request| request.health_check_grace_period_seconds = Some(seconds));
            }
            ["rebalancing", state] => {
                use ecs::AvailabilityZoneRebalancing::{Disabled, Enabled};
                let given = if *state == "on" { Enabled } else { Disabled };
                self.world.update_service("web", |request| request.set_availability_zone_rebalancing(given));
            }
            ["deploy", ..] => {
                self.world.register_definition(words.contains(&"checked"), number("cpu=", 256), 512);
                self.world.update_service("web", |request| request.task_definition = Some("app".to_owned()));
            }
            ["configure", ..] => {
                let configuration = configuration(&words);
                self.world.update_service("web", |request| request.deployment_configuration = Some(configuration));
            }
            ["stop-deployment"] => self.answer("ROLLBACK"),
            ["stop-deployment", "abort"] => self.answer("ABORT"),
            ["continue"] => self.answer("CONTINUE"),
            ["continue", "rollback"] => self.answer("CONTINUE ROLLBACK"),
            ["run"] => {
                let request = ecs::RunTaskRequest { task_definition: Some("app".to_owned()), ..Default::default() };
                self.world.run_task(request).unwrap();
            }
            ["force"] => self.world.update_service("web", |request| request.force_new_deployment = Some(true)),
            ["delete"] => {
                let (service, force) = (Some("web".to_owned()), Some(true));
                self.world.apply(Command::DeleteService(ecs::DeleteServiceRequest {
                    service,
                    force,
                    ..Default::default()
                }));
            }
            ["explain", ..] => {}
            ["protect", name, minutes] => {
                self.world.apply(Command::UpdateTaskProtection(ecs::UpdateTaskProtectionRequest {
                    cluster: Some("default".to_owned()),
                    tasks: vec![self.task(name).to_string()],
                    protection_enabled: Some(true),
                    expires_in_minutes: Some(minutes.parse().unwrap()),
                }));
            }
            ["launches", most] => super::limit_launches(&mut self.world, most.parse().unwrap()),
            ["wait", seconds] => self.world.run_for(seconds.parse::<u64>().unwrap() * 1_000),
            ["fail", who] => self.report(who, TaskStatus::Stopped, HealthStatus::Unknown, true),
            [who, status] => self.report(who, status.parse().unwrap(), HealthStatus::Unknown, false),
            [who, status, health] => self.report(who, status.parse().unwrap(), health.parse().unwrap(), false),
            other => panic!("{other:?}"),
        }
    }

    /// Stops or continues the deployment; a refusal is shown.
    fn answer(&mut self, what: &str) {
        use ecs::{DeploymentLifecycleHookAction as Action, StopServiceDeploymentStopType as Stop};
        let outcome = match what {
            "ROLLBACK" => self.world.stop_deployment("web", Stop::Rollback),
            "ABORT" => self.world.stop_deployment("web", Stop::Abort),
            "CONTINUE" => self.world.continue_deployment("web", Action::Continue),
            _ => self.world.continue_deployment("web", Action::Rollback),
        };
        if let Some(error) = outcome.refused() {
            self.refused = Some(error.to_string());
        }
    }

    fn live(&self) -> Vec<TaskRow> {
        let rows = self.world.state.tasks(self.world.cluster());
        rows.filter(|row| !row.is_stopped()).map(|row| (**row).clone()).collect()
    }

    fn instance_state(&mut self, name: &str, status: ecs::ContainerInstanceStatus) {
        let mut request = ecs::UpdateContainerInstancesStateRequest {
            container_instances: vec![self.instance(name).to_string()],
            ..Default::default()
        };
        request.set_status(status);
        self.world.apply(Command::UpdateContainerInstancesState(request));
    }

    /// `all` are those that the status is news for: tasks told to stop for STOPPED and what leads there, others else.
    fn report(&mut self, who: &str, status: TaskStatus, health: HealthStatus, failed: bool) {
        let told = status > TaskStatus::Running && !failed;
        let of = |row: &TaskRow| (row.desired_status == DesiredStatus::Stopped) == told;
        let stop_code = failed.then_some(StopCode::TaskFailedToStart);
        let report = |task| Report { task, status, health, stop_code };
        let reports: Vec<Report> = match who {
            "all" => self.live().iter().filter(|row| of(row)).map(|row| report(row.key)).collect(),
            name => vec![report(self.task(name))],
        };
        self.world.report(&reports);
    }

    /// The name of a task's instance; of one that waits for capacity, that of its provider.
    fn place(&self, row: &TaskRow) -> String {
        match row.instance {
            Some(instance) => self.world.instance_name(instance),
            None => format!("?{}", row.capacity_provider.as_deref().unwrap_or_default()),
        }
    }

    fn show(&mut self) -> String {
        let mut out = String::new();
        if let Some(error) = self.refused.take() {
            let _ = writeln!(out, "    refused: {error}");
        }
        let Some(service) = self.world.state.service_by_name(self.world.cluster(), "web").cloned() else { return out };
        for row in self.world.state.deployments(service.key) {
            let number = self.deployments.len() + 1;
            self.deployments.entry(row.id).or_insert_with(|| format!("d{number}"));
        }
        let mut tasks: Vec<_> = self.world.state.tasks(self.world.cluster()).collect();
        // In the order of creation; tasks of one plan by instance, so that ids have no say.
        tasks.sort_by_key(|row| (row.times.created_at, self.place(row), row.key));
        for row in tasks {
            let next = letter(self.names.len());
            let name = self.names.entry(row.key).or_insert(next).clone();
            let deployment = row.deployment_key().and_then(|key| self.world.state.deployment(key));
            let owner = deployment.map(|row| self.deployments[&row.id].clone()).or_else(|| self.task_set_of(row));
            let code = row.stop_code.map(|code| format!(" {code}")).unwrap_or_default();
            let desired = if row.desired_status == DesiredStatus::Stopped { "→STOPPED" } else { "" };
            let text = format!(
                "{} {} @{} {}{desired}{code}",
                name,
                owner.as_deref().unwrap_or("alone"),
                self.place(row),
                row.last_status
            );
            if self.shown.insert(row.key, text.clone()).as_ref() != Some(&text) {
                let _ = writeln!(out, "    {text}");
            }
        }
        out += &self.show_task_sets(&service);
        let of_deployment = |primary: &DeploymentRow| {
            let current = self.world.state.deployment(service.current_key()).unwrap();
            let details = details(&service, primary, current, &self.deployments[&current.id]);
            format!(
                "{} {} {} {}{}{details}",
                service.status,
                self.deployments[&primary.id],
                primary.rollout_state.as_str(),
                primary.stage.as_str_name().trim_start_matches("SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_"),
                if primary.failed_tasks > 0 { format!(" failed={}", primary.failed_tasks) } else { String::new() }
            )
        };
        let primary = self.world.state.deployment(service.primary_key());
        let rollout = primary.map_or_else(|| service.status.to_string(), |row| of_deployment(row));
        if rollout != self.rollout {
            let _ = writeln!(out, "    {}", rollout.trim_end());
            self.rollout = rollout;
        }
        let pinned = self.pinned(&service);
        if pinned != self.pinned {
            let _ = writeln!(out, "    image {}", if pinned.is_empty() { "not found yet" } else { &pinned });
            self.pinned = pinned;
        }
        let events = self.world.events("web");
        for event in &events[self.said.min(events.len())..] {
            let _ = writeln!(out, "    “{}”", self.plain(event));
        }
        self.said = events.len();
        out
    }

    /// The image of the revision that the service goes to.
    fn pinned(&self, service: &ServiceRow) -> String {
        let revision = self.world.state.revision(service.target_key());
        let digests = revision.map(|row| row.image_digests.values().cloned().collect::<Vec<_>>());
        digests.filter(|digests| !digests.is_empty()).map_or_else(String::new, |digests| digests.join(" "))
    }

    /// Ids by the names that the script gives them.
    fn plain(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (key, name) in &self.names {
            text = text.replace(&key.to_string(), name);
        }
        text = self.plain_task_sets(&text);
        for (id, name) in &self.deployments {
            text = text.replace(&format!("ecs-svc/{id}"), name);
        }
        let service = self.world.service("web").key;
        for hook in self.world.state.deployments(service).flat_map(|row| row.hooks.iter()) {
            text = text.replace(&hook.hook_id(), "HOOK");
        }
        for row in self.world.state.instances(self.world.cluster()) {
            text = text.replace(&row.key.to_string(), row.attribute("name").unwrap());
        }
        // Tasks in the order of their names: that of their ids is nobody's business.
        let Some((before, tasks)) = text.split_once(": (task") else { return text };
        let mut tasks: Vec<&str> = tasks.trim_end_matches('.').split("(task").map(str::trim).collect();
        tasks.sort_unstable();
        format!("{before}: (task {}.", tasks.join(" (task "))
    }
}

fn letter(at: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(at % 26).unwrap());
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26) }
}
