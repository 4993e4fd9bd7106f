//! The words of scripts about task sets of the service `web`:
//!
//! - `external desired=N [min=N] [max=N]`: a service with an EXTERNAL controller
//! - `task-set SCALE [checked] [cpu=N] [PROVIDER=WEIGHT …]`: one of a new task definition, called `s1`, `s2` …
//! - `rescale SET SCALE` · `primary SET` · `delete-set SET [force]`

use std::fmt::Write as _;

use drydock_model::ids::deployment_id;
use drydock_proto::ecs;
use drydock_state::row::{ServiceRow, TaskRow};
use drydock_state::{Command, Outcome, TaskSetKey};

use super::Script;
use crate::support::{World, percents};

const WEB: &str = "web";

fn scale(percent: &str) -> Option<ecs::Scale> {
    Some(ecs::Scale { value: Some(percent.parse().unwrap()), unit: Some(ecs::ScaleUnit::Percent.into()) })
}

impl World {
    pub fn create_external(&mut self, name: &str, desired: i32, (min, max): (i32, i32)) {
        self.apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
            service_name: Some(name.to_owned()),
            desired_count: Some(desired),
            deployment_controller: Some(ecs::DeploymentController {
                r#type: Some(ecs::DeploymentControllerType::External.into()),
            }),
            deployment_configuration: Some(percents(min, max)),
            ..Default::default()
        })));
    }

    /// Of the newest revision of `app`; the outcome may be a refusal.
    pub fn create_task_set(&mut self, service: &str, percent: &str) -> Outcome {
        self.create_task_set_on(service, percent, Vec::new())
    }

    /// The same, on capacity providers.
    pub fn create_task_set_on(
        &mut self,
        service: &str,
        percent: &str,
        capacity_provider_strategy: Vec<ecs::CapacityProviderStrategyItem>,
    ) -> Outcome {
        self.try_apply(Command::CreateTaskSet(Box::new(ecs::CreateTaskSetRequest {
            capacity_provider_strategy,
            service: Some(service.to_owned()),
            task_definition: Some("app".to_owned()),
            scale: scale(percent),
            ..Default::default()
        })))
    }

    fn id_of(&self, key: TaskSetKey) -> Option<String> {
        self.state.task_set(key).map(|row| row.started_by.to_string())
    }

    pub fn rescale(&mut self, service: &str, key: TaskSetKey, percent: &str) -> Outcome {
        let (service, task_set) = (Some(service.to_owned()), self.id_of(key));
        let request = ecs::UpdateTaskSetRequest { service, task_set, scale: scale(percent), cluster: None };
        self.try_apply(Command::UpdateTaskSet(request))
    }

    pub fn set_primary(&mut self, service: &str, key: TaskSetKey) -> Outcome {
        let (service, primary_task_set) = (Some(service.to_owned()), self.id_of(key));
        let request = ecs::UpdateServicePrimaryTaskSetRequest { service, primary_task_set, cluster: None };
        self.try_apply(Command::UpdateServicePrimaryTaskSet(request))
    }

    pub fn delete_task_set(&mut self, service: &str, key: TaskSetKey, force: bool) -> Outcome {
        let (service, task_set) = (Some(service.to_owned()), self.id_of(key));
        let request = ecs::DeleteTaskSetRequest { service, task_set, force: Some(force), cluster: None };
        self.try_apply(Command::DeleteTaskSet(request))
    }
}

impl Script {
    /// Whether the line is one of these.
    pub(super) fn of_task_sets(&mut self, words: &[&str]) -> bool {
        let number = |key: &str, default: i32| {
            words.iter().find_map(|word| word.strip_prefix(key)).map_or(default, |value| value.parse().unwrap())
        };
        let outcome = match words {
            ["external", ..] => {
                let bounds = (number("min=", 100), number("max=", 200));
                self.world.create_external(WEB, number("desired=", 1), bounds);
                return true;
            }
            ["task-set", percent, ..] => {
                self.world.register_definition(words.contains(&"checked"), number("cpu=", 256), 512);
                let outcome = self.world.create_task_set(WEB, percent);
                if let Outcome::TaskSet(row) = &outcome {
                    self.task_sets.push((row.key, row.id));
                }
                outcome
            }
            ["rescale", set, percent] => self.world.rescale(WEB, self.task_set(set), percent),
            ["primary", set] => self.world.set_primary(WEB, self.task_set(set)),
            ["delete-set", set, ..] => self.world.delete_task_set(WEB, self.task_set(set), words.contains(&"force")),
            _ => return false,
        };
        assert!(outcome.refused().is_none(), "{words:?}: {outcome:?}");
        true
    }

    fn task_set(&self, name: &str) -> TaskSetKey {
        let at: usize = name.strip_prefix('s').unwrap().parse().unwrap();
        self.task_sets[at - 1].0
    }

    /// What the task set of a task is called.
    pub(super) fn task_set_of(&self, row: &TaskRow) -> Option<String> {
        let owner = row.service?;
        let at = self.task_sets.iter().position(|(key, _)| *key == owner.service.task_set(owner.deployment))?;
        Some(format!("s{}", at + 1))
    }

    /// What has changed of the task sets.
    pub(super) fn show_task_sets(&mut self, service: &ServiceRow) -> String {
        let mut out = String::new();
        for (at, (key, _)) in self.task_sets.iter().enumerate() {
            let row = self.world.state.task_set(*key).filter(|row| row.is_shown());
            let text = row.map_or_else(
                || format!("s{} gone", at + 1),
                |row| {
                    let counts = self.world.state.task_set_counts(*key);
                    format!(
                        "s{} {} {} wanted, {} running, {} pending, {}",
                        at + 1,
                        row.status(service),
                        row.computed_count(service.desired_count),
                        counts.running,
                        counts.pending,
                        if row.progress.steady { "STEADY_STATE" } else { "STABILIZING" }
                    )
                },
            );
            if self.task_sets_shown.insert(at, text.clone()).as_ref() != Some(&text) {
                let _ = writeln!(out, "    {text}");
            }
        }
        out
    }

    /// Ids of task sets by their names.
    pub(super) fn plain_task_sets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (at, (_, id)) in self.task_sets.iter().enumerate() {
            text = text.replace(&deployment_id(*id), &format!("s{}", at + 1));
        }
        text
    }
}
