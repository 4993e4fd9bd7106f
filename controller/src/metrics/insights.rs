//! Container Insights' counts, for the clusters that have `containerInsights` on: their names are labels, which no other
//! figure has, since whoever may create clusters and services makes them up. What a cluster doesn't ask for isn't shown, and
//! what is shown is bounded. Read from indices when somebody asks; no task is looked at.

use drydock_model::status::ServiceStatus;
use drydock_state::State;
use drydock_state::row::{ClusterRow, ServiceRow};

use super::page::{Labels, Page};
use super::scrape::count;

/// Clusters shown, by age: each is three lines.
const CLUSTERS_MAX: usize = 100;
/// Services shown, over all clusters, by cluster and name: each is five lines of some 200 bytes.
const SERVICES_MAX: usize = 2_000;

type Figure<T> = (&'static str, &'static str, fn(&State, &T) -> u64);

/// By the names that Container Insights has for a cluster: ContainerInstanceCount, ServiceCount, TaskCount.
const OF_CLUSTERS: [Figure<ClusterRow>; 3] = [
    (
        "drydock_insights_cluster_container_instances",
        "Container instances of a cluster with Container Insights that are ACTIVE or DRAINING",
        |state, row| state.cluster_counts(row.id).registered_instances.into(),
    ),
    (
        "drydock_insights_cluster_services",
        "Services of a cluster with Container Insights that are ACTIVE",
        |state, row| state.cluster_counts(row.id).active_services.into(),
    ),
    ("drydock_insights_cluster_tasks", "Tasks of a cluster with Container Insights that are RUNNING", |state, row| {
        state.cluster_counts(row.id).tasks.running.into()
    }),
];

/// And for a service: DesiredTaskCount, RunningTaskCount, PendingTaskCount, DeploymentCount, TaskSetCount.
const OF_SERVICES: [Figure<ServiceRow>; 5] = [
    (
        "drydock_insights_service_desired_tasks",
        "Tasks that a service of a cluster with Container Insights wants",
        |_, row| row.desired_count.into(),
    ),
    (
        "drydock_insights_service_running_tasks",
        "Tasks of a service of a cluster with Container Insights that are RUNNING",
        |state, row| state.service_counts(row.key).running.into(),
    ),
    (
        "drydock_insights_service_pending_tasks",
        "Tasks of a service of a cluster with Container Insights that are on their way to RUNNING",
        |state, row| state.service_counts(row.key).pending.into(),
    ),
    (
        "drydock_insights_service_deployments",
        "Deployments that DescribeServices shows of a service of a cluster with Container Insights",
        |state, row| count(state.shown_deployments(row).len()),
    ),
    (
        "drydock_insights_service_task_sets",
        "Task sets of a service of a cluster with Container Insights",
        |state, row| count(state.task_sets(row.key).count()),
    ),
];

/// Adds them to the page.
pub(super) fn show(state: &State, page: &mut Page) {
    let clusters: Vec<_> = state.clusters_with_insights().take(CLUSTERS_MAX).collect();
    let services: Vec<_> = clusters
        .iter()
        .flat_map(|cluster| state.services(cluster.id, None).map(move |service| (cluster, service)))
        .filter(|(_, service)| service.status == ServiceStatus::Active)
        .take(SERVICES_MAX)
        .collect();
    // A figure that nothing has isn't there, rather than there without a value.
    for (name, help, value) in OF_CLUSTERS.into_iter().filter(|_| !clusters.is_empty()) {
        let values = clusters.iter().map(|cluster| (labels(state, cluster), value(state, cluster)));
        page.gauges(name, help, None, values);
    }
    for (name, help, value) in OF_SERVICES.into_iter().filter(|_| !services.is_empty()) {
        let values = services.iter().map(|(cluster, service)| {
            let mut labels = labels(state, cluster);
            labels.push(("service_name", service.name.to_string()));
            (labels, value(state, service))
        });
        page.gauges(name, help, None, values);
    }
}

fn labels(state: &State, cluster: &ClusterRow) -> Labels<String> {
    let mut labels = vec![("cluster_name", cluster.name.to_string())];
    if let Some(scope) = state.scope(cluster.scope) {
        labels.push(("account", scope.account.clone()));
        labels.push(("region", scope.region.clone()));
    }
    labels
}
