//! The words of fixtures about task sets: `s1` is the first that was made.
//!
//! `external NAME [desired=N] [token=T]` creates a service with an EXTERNAL controller · `task-set SERVICE td=FAMILY [scale=N]
//! [token=T] [external=X]` · `scale-set SERVICE s1 N` · `primary SERVICE s1` · `delete-set SERVICE s1 [force]` ·
//! `plan set s1 steady|unsteady|drained [version=N]`

use std::fmt::Write as _;

use drydock_model::ids::deployment_id;
use drydock_proto::ecs;
use drydock_state::plan::SetTaskSet;
use drydock_state::row::{ServiceProgress, ServiceRow, TaskSetRow};
use drydock_state::{Change, Command, Outcome, TaskSetKey};

use super::World;
use super::script::Line;

fn scale(percent: Option<f64>) -> Option<ecs::Scale> {
    percent.map(|value| ecs::Scale { value: Some(value), unit: Some(ecs::ScaleUnit::Percent.into()) })
}

pub fn command(line: &Line<'_>, world: &World) -> Command {
    let service = || Some(line.word(1).to_owned());
    let task_set = || world.task_set_id(line.word(2));
    match line.word(0) {
        "external" => Command::CreateService(Box::new(ecs::CreateServiceRequest {
            service_name: service(),
            desired_count: line.number("desired"),
            client_token: line.get("token").map(str::to_owned),
            deployment_controller: Some(ecs::DeploymentController {
                r#type: Some(ecs::DeploymentControllerType::External.into()),
            }),
            ..Default::default()
        })),
        "task-set" => Command::CreateTaskSet(Box::new(ecs::CreateTaskSetRequest {
            service: service(),
            task_definition: line.get("td").map(str::to_owned),
            scale: scale(line.number("scale")),
            client_token: line.get("token").map(str::to_owned),
            external_id: line.get("external").map(str::to_owned),
            ..Default::default()
        })),
        "scale-set" => Command::UpdateTaskSet(ecs::UpdateTaskSetRequest {
            service: service(),
            task_set: task_set(),
            scale: scale(line.word(3).parse().ok()),
            ..Default::default()
        }),
        "primary" => Command::UpdateServicePrimaryTaskSet(ecs::UpdateServicePrimaryTaskSetRequest {
            service: service(),
            primary_task_set: task_set(),
            ..Default::default()
        }),
        _ => Command::DeleteTaskSet(ecs::DeleteTaskSetRequest {
            service: service(),
            task_set: task_set(),
            force: line.has("force").then_some(true),
            ..Default::default()
        }),
    }
}

/// `plan set …`.
pub fn change(line: &Line<'_>, world: &World) -> Change {
    let key = world.task_set(line.word(2));
    let row = world.state.task_set(key);
    let steady = match line.word(3) {
        "steady" => Some(true),
        "unsteady" => Some(false),
        _ => None,
    };
    Change::SetTaskSet(SetTaskSet {
        task_set: key,
        version: line.number("version").unwrap_or(row.map_or(0, |row| row.version)),
        progress: steady.map(|steady| ServiceProgress { steady, ..ServiceProgress::default() }),
        drained: line.has("drained"),
    })
}

/// What the fixture says of a task set that a command has answered with.
pub fn answer(world: &mut World, row: &TaskSetRow) -> String {
    if !world.task_sets.iter().any(|(key, _)| *key == row.key) {
        world.task_sets.push((row.key, row.id));
    }
    let service = world.state.service(row.key.service).unwrap();
    format!("{} {}", world.task_set_label(row.key), row.status(service))
}

pub fn show(world: &World, service: &ServiceRow, out: &mut String) {
    for row in world.state.task_sets(service.key) {
        let counts = world.state.task_set_counts(row.key);
        let _ = writeln!(
            out,
            "  {} {}{} {} {}% wants={} pending={} running={} live={} {}{}",
            world.task_set_label(row.key),
            row.status(service),
            if row.is_shown() { "" } else { " drained" },
            world.state.revision(row.revision_key()).unwrap().definition,
            row.scale.value(),
            row.computed_count(service.desired_count),
            counts.pending,
            counts.running,
            counts.live(),
            if row.progress.steady { "STEADY_STATE" } else { "STABILIZING" },
            row.external_id.as_deref().map(|id| format!(" external={id}")).unwrap_or_default(),
        );
    }
}

/// Ids by the names that the fixture has for them.
pub fn plain(world: &World, text: &str) -> String {
    let mut text = text.to_owned();
    for (key, id) in &world.task_sets {
        text = text.replace(&deployment_id(*id), &world.task_set_label(*key));
    }
    for key in &world.tasks {
        text = text.replace(&key.to_string(), &world.label(*key));
    }
    text
}

impl World {
    pub fn task_set(&self, label: &str) -> TaskSetKey {
        self.known_task_set(label).unwrap_or_else(|| panic!("no task set {label}")).0
    }

    fn known_task_set(&self, label: &str) -> Option<(TaskSetKey, u64)> {
        let at: usize = label.strip_prefix('s')?.parse().ok()?;
        self.task_sets.get(at.checked_sub(1)?).copied()
    }

    /// As a request names it; what is no label is taken as it is.
    fn task_set_id(&self, label: &str) -> Option<String> {
        let known = self.known_task_set(label).map(|(_, id)| deployment_id(id));
        Some(known.unwrap_or_else(|| label.to_owned()))
    }

    pub fn task_set_label(&self, key: TaskSetKey) -> String {
        let at = self.task_sets.iter().position(|(known, _)| *known == key);
        at.map_or_else(|| "s?".to_owned(), |at| format!("s{}", at + 1))
    }
}

/// Whether a word begins a line of this file.
pub fn is_word(word: &str) -> bool {
    ["external", "task-set", "scale-set", "primary", "delete-set"].contains(&word)
}

/// For `answer` of an outcome.
pub fn of(outcome: &Outcome) -> Option<&TaskSetRow> {
    match outcome {
        Outcome::TaskSet(row) => Some(row),
        _ => None,
    }
}
