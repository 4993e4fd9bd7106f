//! A task as its own metadata tells it: the statuses that ECS's agent has for a task and its containers, beside the folded
//! report. Read by the metadata endpoint; changes nothing.

use std::sync::Arc;

use drydock_model::status::DesiredStatus;
use drydock_proto::agent::Report;

use crate::container::Known;
use crate::engine::Engine;
use crate::report;
use crate::spec::TaskSpec;

/// One task, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// What it is.
    pub spec: Arc<TaskSpec>,
    /// RUNNING or STOPPED.
    pub desired_status: &'static str,
    /// The least of its containers': NONE, PULLED, CREATED, RUNNING or STOPPED (ecs-semantics §2.1).
    pub known_status: &'static str,
    /// Of each container, in the definition's order.
    pub container_statuses: Vec<&'static str>,
    /// What the controllers hear of it.
    pub report: Report,
}

impl Known {
    /// As ECS's agent names it.
    fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Pulled => "PULLED",
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl Engine {
    /// A task that the manifest has named; `None` for others.
    #[must_use]
    pub fn view(&self, task_arn: &str) -> Option<TaskView> {
        let task = self.tasks.get(task_arn).filter(|task| !task.orphan)?;
        let least = task.containers.iter().map(|container| container.known).min().unwrap_or(Known::None);
        let stopping = task.desired == DesiredStatus::Stopped || task.stopping();
        Some(TaskView {
            spec: Arc::clone(&task.spec),
            desired_status: if stopping { "STOPPED" } else { "RUNNING" },
            known_status: least.name(),
            container_statuses: task.containers.iter().map(|container| container.known.name()).collect(),
            report: report::fold(task),
        })
    }
}
