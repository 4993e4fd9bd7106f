//! On whose container instances a cluster's tasks run. Those of a cluster run its own EC2 tasks. On Fargate nobody has
//! instances: hosts that serve Fargate serve every cluster of their region and account (design §5).

use std::sync::Arc;

use drydock_proto::ecs::LaunchType;

use crate::key::{ClusterId, InstanceKey, TaskKey};
use crate::row::{InstanceRow, TaskRow};
use crate::state::State;

impl State {
    /// The cluster whose instances run tasks that are started in `cluster`: itself; on Fargate, where it has no host that
    /// takes tasks, the oldest of its region and account that has one.
    #[must_use]
    pub fn hosting(&self, cluster: ClusterId, launch_type: LaunchType) -> ClusterId {
        if launch_type != LaunchType::Fargate || self.hosts_fargate(cluster) {
            return cluster;
        }
        let Some(scope) = self.cluster(cluster).map(|row| row.scope) else { return cluster };
        let others = self.clusters(scope, None).map(|row| row.id);
        others.filter(|id| self.hosts_fargate(*id)).min().unwrap_or(cluster)
    }

    fn hosts_fargate(&self, cluster: ClusterId) -> bool {
        let Some(fleet) = self.fleet(cluster) else { return false };
        fleet.classes().any(|(_, class)| {
            let example = class.example().and_then(|id| self.instance(InstanceKey { cluster, id }));
            !class.by_cpu().is_empty() && example.is_some_and(|row| row.info.serves.fargate())
        })
    }

    /// The instance with an id among those that may run a task of `cluster`.
    #[must_use]
    pub fn host(&self, cluster: ClusterId, launch_type: LaunchType, id: u128) -> Option<&Arc<InstanceRow>> {
        self.instance(InstanceKey { cluster: self.hosting(cluster, launch_type), id })
    }

    /// The task with an id among those of an instance, whichever cluster it was started in.
    #[must_use]
    pub fn task_on(&self, instance: InstanceKey, id: u128) -> Option<&Arc<TaskRow>> {
        let place = |stopped| self.index.tasks_by_instance.get(&(instance, stopped, id));
        let cluster = *place(false).or_else(|| place(true))?;
        self.tasks.get(&TaskKey { cluster, id })
    }
}
