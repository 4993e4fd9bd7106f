//! What the cluster query language asks of an instance, as the state knows it (ecs-semantics §2.4).

use drydock_model::query::Subjects;
use drydock_model::status::{DesiredStatus, TaskStatus};

use crate::row::{InstanceRow, TaskRow};
use crate::state::State;

/// An instance as a subject of expressions.
#[derive(Clone, Copy)]
pub struct InstanceSubjects<'a> {
    /// Where its tasks are found.
    pub state: &'a State,
    /// It.
    pub row: &'a InstanceRow,
}

impl TaskRow {
    /// Whether it counts where placement asks which tasks are where: it should run, and hasn't begun to end. As in ECS,
    /// a task that is told to stop doesn't count any more, even while it runs.
    #[must_use]
    pub fn counts_for_placement(&self) -> bool {
        self.desired_status == DesiredStatus::Running && self.last_status <= TaskStatus::Running
    }
}

impl Subjects for InstanceSubjects<'_> {
    fn agent_connected(&self) -> Option<bool> {
        Some(self.row.agent_connected)
    }

    fn agent_version(&self) -> Option<&str> {
        Some(&self.row.info.agent_version)
    }

    fn attribute(&self, name: &str) -> Option<Option<Option<&str>>> {
        Some(self.row.info.attributes.get(name).map(|value| value.as_deref()))
    }

    fn ec2_instance_id(&self) -> Option<Option<&str>> {
        Some(self.row.info.ec2_instance_id.as_deref())
    }

    fn registered_at(&self) -> Option<u64> {
        Some(self.row.registered_at)
    }

    fn running_tasks_count(&self) -> Option<u64> {
        Some(u64::from(self.state.instance_counts(self.row.key).running))
    }

    fn any_group(&self, is: &dyn Fn(&str) -> bool) -> Option<bool> {
        let mut tasks = self.state.live_tasks_on(self.row.key);
        Some(tasks.any(|task| task.counts_for_placement() && is(&task.group)))
    }
}
