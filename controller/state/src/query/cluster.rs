//! Clusters: DescribeClusters, ListClusters.

use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_model::status::{ClusterStatus, DesiredStatus, ServiceStatus};
use drydock_proto::ecs::{self, ClusterField, LaunchType};

use super::{Arns, Query, list, lookup};
use crate::row::ClusterRow;
use crate::state::State;

impl Query<'_> {
    /// DescribeClusters.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn describe_clusters(
        &self,
        request: &ecs::DescribeClustersRequest,
    ) -> Result<ecs::DescribeClustersResponse, EcsError> {
        requests::clusters::describe_clusters(request)?;
        let include: Vec<ClusterField> = request.include().collect();
        let default = [lookup::DEFAULT_CLUSTER.to_owned()];
        let names = if request.clusters.is_empty() { &default[..] } else { &request.clusters[..] };
        let mut response = ecs::DescribeClustersResponse::default();
        for name in names {
            match lookup::any_cluster(self.state, self.scope, name) {
                Some(row) => response.clusters.push(render(self.state, self.arns(row), row, &include)),
                None => response.failures.push(list::missing(self.cluster_arn(name))),
            }
        }
        Ok(response)
    }

    /// ListClusters.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn list_clusters(&self, request: &ecs::ListClustersRequest) -> Result<ecs::ListClustersResponse, EcsError> {
        let page = requests::clusters::list_clusters(request)?;
        let rows = self.scope_id().into_iter().flat_map(|id| self.state.clusters(id, page.after.as_deref()));
        let active = rows.filter(|row| row.status == ClusterStatus::Active);
        let (rows, next_token) = page.cut(active, |row| row.name.to_string());
        Ok(ecs::ListClustersResponse {
            cluster_arns: rows.into_iter().map(|row| self.arns(row).cluster()).collect(),
            next_token,
        })
    }

    /// A cluster as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_cluster(&self, row: &ClusterRow) -> ecs::Cluster {
        let all = [ClusterField::Settings, ClusterField::Tags, ClusterField::Configurations];
        render(self.state, Arns::new(self.scope, &row.name), row, &all)
    }

    fn cluster_arn(&self, name: &str) -> String {
        if name.starts_with("arn:") { name.to_owned() } else { Arns::new(self.scope, name).cluster() }
    }
}

fn render(state: &State, arns: Arns<'_>, row: &ClusterRow, include: &[ClusterField]) -> ecs::Cluster {
    let counts = state.cluster_counts(row.id);
    let mut cluster = (*row.document).clone();
    cluster.cluster_arn = Some(arns.cluster());
    cluster.cluster_name = Some(row.name.to_string());
    cluster.status = Some(row.status.to_string());
    cluster.registered_container_instances_count = Some(list::count(counts.registered_instances));
    cluster.running_tasks_count = Some(list::count(counts.tasks.running));
    cluster.pending_tasks_count = Some(list::count(counts.tasks.pending));
    cluster.active_services_count = Some(list::count(counts.active_services));
    cluster.statistics = Vec::new();
    if include.contains(&ClusterField::Statistics) {
        cluster.statistics = statistics(state, row);
    }
    if include.contains(&ClusterField::Tags) {
        cluster.tags = row.tags.to_vec();
    }
    if !include.contains(&ClusterField::Settings) {
        cluster.settings = Vec::new();
    }
    if !include.contains(&ClusterField::Configurations) {
        cluster.configuration = None;
    }
    if !include.contains(&ClusterField::Attachments) {
        cluster.attachments = Vec::new();
        cluster.attachments_status = None;
    }
    cluster
}

/// Counts by launch type, as ECS names them. Looks at every live task of the cluster.
fn statistics(state: &State, row: &ClusterRow) -> Vec<ecs::KeyValuePair> {
    let kinds = [("EC2", LaunchType::Ec2), ("Fargate", LaunchType::Fargate), ("External", LaunchType::External)];
    let (mut running, mut pending) = ([0_u32; 3], [0_u32; 3]);
    for task in state.tasks(row.id).filter(|task| task.desired_status == DesiredStatus::Running) {
        for at in (0..kinds.len()).filter(|at| kinds[*at].1 == task.launch.launch_type) {
            running[at] += u32::from(task.is_running());
            pending[at] += u32::from(task.is_pending());
        }
    }
    let (mut active, mut draining) = ([0_u32; 3], [0_u32; 3]);
    for service in state.services(row.id, None) {
        let revision = state.revision(service.target_key());
        let Some(of) = revision.map(|revision| revision.launch.launch_type) else { continue };
        for at in (0..kinds.len()).filter(|at| kinds[*at].1 == of) {
            active[at] += u32::from(service.status == ServiceStatus::Active);
            draining[at] += u32::from(service.status == ServiceStatus::Draining);
        }
    }
    let pair = |name: String, value: u32| ecs::KeyValuePair { name: Some(name), value: Some(value.to_string()) };
    let groups = [
        ("running", "TasksCount", running),
        ("pending", "TasksCount", pending),
        ("active", "ServiceCount", active),
        ("draining", "ServiceCount", draining),
    ];
    groups
        .into_iter()
        .flat_map(|(what, of, counts)| {
            kinds.iter().zip(counts).map(move |((kind, _), count)| pair(format!("{what}{kind}{of}"), count))
        })
        .collect()
}
