//! How many rows of each kind are in which status, over all clusters and regions: kept as rows are put and removed, so that
//! whoever counts (metrics) walks no table. Derived: rebuilt on import, never in a snapshot.

use drydock_model::status::{
    ClusterStatus, DesiredStatus, InstanceStatus, ServiceDeploymentStatus, ServiceStatus, TaskStatus,
};

use crate::row::{ClusterRow, DeploymentRow, InstanceRow, ServiceRow, TaskRow};

/// The counts. Rows in their last status count as long as they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    clusters: [u32; ClusterStatus::ALL.len()],
    services: [u32; ServiceStatus::ALL.len()],
    deployments: [u32; ServiceDeploymentStatus::ALL.len()],
    /// By `agentConnected`.
    instances: [[u32; InstanceStatus::ALL.len()]; 2],
    /// By `desiredStatus`.
    tasks: [[u32; TaskStatus::ALL.len()]; DesiredStatus::ALL.len()],
}

/// One more or one less.
#[derive(Debug, Clone, Copy)]
enum Step {
    Up,
    Down,
}

/// Codes of statuses begin with 1.
fn place(code: u32) -> usize {
    usize::try_from(code).unwrap_or_default().wrapping_sub(1)
}

fn add(counts: &mut [u32], code: u32, step: Step) {
    if let Some(count) = counts.get_mut(place(code)) {
        *count = match step {
            Step::Up => count.saturating_add(1),
            Step::Down => count.saturating_sub(1),
        };
    }
}

fn get(counts: &[u32], code: u32) -> u32 {
    counts.get(place(code)).copied().unwrap_or_default()
}

/// Counts a row where it is now, and no longer where it was.
fn moved<R>(old: Option<&R>, new: Option<&R>, mut count: impl FnMut(&R, Step)) {
    if let Some(row) = old {
        count(row, Step::Down);
    }
    if let Some(row) = new {
        count(row, Step::Up);
    }
}

impl Census {
    pub(crate) fn move_cluster(&mut self, old: Option<&ClusterRow>, new: Option<&ClusterRow>) {
        moved(old, new, |row, step| add(&mut self.clusters, row.status.code(), step));
    }

    pub(crate) fn move_service(&mut self, old: Option<&ServiceRow>, new: Option<&ServiceRow>) {
        moved(old, new, |row, step| add(&mut self.services, row.status.code(), step));
    }

    pub(crate) fn move_deployment(&mut self, old: Option<&DeploymentRow>, new: Option<&DeploymentRow>) {
        moved(old, new, |row, step| add(&mut self.deployments, row.status.code(), step));
    }

    pub(crate) fn move_instance(&mut self, old: Option<&InstanceRow>, new: Option<&InstanceRow>) {
        moved(old, new, |row, step| {
            let [apart, connected] = &mut self.instances;
            add(if row.agent_connected { connected } else { apart }, row.status.code(), step);
        });
    }

    pub(crate) fn move_task(&mut self, old: Option<&TaskRow>, new: Option<&TaskRow>) {
        moved(old, new, |row, step| {
            if let Some(counts) = self.tasks.get_mut(place(row.desired_status.code())) {
                add(counts, row.last_status.code(), step);
            }
        });
    }

    /// Clusters of that status.
    #[must_use]
    pub fn clusters(&self, status: ClusterStatus) -> u32 {
        get(&self.clusters, status.code())
    }

    /// Services of that status, all incarnations.
    #[must_use]
    pub fn services(&self, status: ServiceStatus) -> u32 {
        get(&self.services, status.code())
    }

    /// ServiceDeployments of that status.
    #[must_use]
    pub fn deployments(&self, status: ServiceDeploymentStatus) -> u32 {
        get(&self.deployments, status.code())
    }

    /// Container instances of that status, hosts of Fargate tasks among them, whose agent is connected or isn't.
    #[must_use]
    pub fn instances(&self, status: InstanceStatus, agent_connected: bool) -> u32 {
        let [apart, connected] = &self.instances;
        get(if agent_connected { connected } else { apart }, status.code())
    }

    /// Tasks of that `lastStatus` and `desiredStatus`.
    #[must_use]
    pub fn tasks(&self, last: TaskStatus, desired: DesiredStatus) -> u32 {
        self.tasks.get(place(desired.code())).map_or(0, |counts| get(counts, last.code()))
    }
}

#[cfg(test)]
mod tests {
    use drydock_model::status::{
        ClusterStatus, DesiredStatus, InstanceStatus, ServiceDeploymentStatus, ServiceStatus, TaskStatus,
    };

    use super::place;

    #[test]
    fn each_status_has_a_place_of_its_own() {
        let places = |codes: &mut dyn Iterator<Item = u32>| codes.map(place).collect::<Vec<_>>();
        macro_rules! check {
            ($($status:ty),+) => {$(
                let found = places(&mut <$status>::ALL.iter().map(|status| status.code()));
                assert_eq!(found, (0..<$status>::ALL.len()).collect::<Vec<_>>());
            )+};
        }
        check!(ClusterStatus, DesiredStatus, InstanceStatus, ServiceDeploymentStatus, ServiceStatus, TaskStatus);
    }
}
