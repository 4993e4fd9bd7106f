//! `drydock status`: the control plane, its instances and its tasks on one screen.

use std::collections::BTreeMap;

use drydock_proto::control::StatusResponse;
use drydock_proto::ecs::{Cluster, ContainerInstance, DesiredStatus, ListTasksRequest};
use serde::Serialize;

use super::{Context, container_instance, controller, pages};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;

/// Tasks of a cluster whose status is looked up one by one; of a larger cluster its own counts are shown.
const TASKS_COUNTED_MAX: usize = 2_000;
/// Instances of a cluster that are listed; the others are counted.
const INSTANCES_SHOWN_MAX: usize = 50;

/// What `--output json` gives.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The control plane.
    pub control_plane: StatusResponse,
    /// Every cluster.
    pub clusters: Vec<ClusterOverview>,
}

/// One cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOverview {
    /// As DescribeClusters gives it.
    pub cluster: Cluster,
    /// As DescribeContainerInstances gives them.
    pub container_instances: Vec<ContainerInstance>,
    /// Tasks by lastStatus; those that ECS has forgotten aren't among them.
    pub tasks_by_status: BTreeMap<String, usize>,
}

/// Runs the command.
///
/// # Errors
/// Those of the calls. The control plane's own part is printed even where the clusters can't be read.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let control_plane = controller::status(context).await?;
    if context.screen.format == Format::Table {
        context.screen.table(&controller::table(&control_plane.controllers))?;
        context.screen.line(&summary(&control_plane))?;
    }
    // Without a leader nobody can say what holds now; what a controller knew last is better than nothing.
    let client = if control_plane.leader_id == 0 { context.client.stale() } else { context.client.clone() };
    let arns = pages::cluster_arns(&client).await?;
    let mut clusters = Vec::new();
    for cluster in pages::clusters(&client, &arns).await?.0 {
        clusters.push(overview(&client, cluster).await?);
    }
    if context.screen.format == Format::Table {
        if control_plane.leader_id == 0 {
            context.screen.line("nothing can be decided; what follows is as one controller knew it last")?;
        }
        return clusters.iter().try_for_each(|cluster| show(context, cluster));
    }
    context.screen.document(&Overview { control_plane, clusters })
}

fn summary(status: &StatusResponse) -> String {
    let leader = status.controllers.iter().find(|c| c.id == status.leader_id).map(|c| c.name.as_str());
    let leader = leader.map_or("no leader".to_owned(), |name| format!("leader {name}"));
    let agents = status.connected_agents.map(|n| format!(", {n} agents connected")).unwrap_or_default();
    format!("{leader}, term {}, applied {}{agents}, version {}", status.term, status.applied_index, status.version)
}

async fn overview(client: &Client, cluster: Cluster) -> Result<ClusterOverview, Failure> {
    let name = cluster.cluster_name.clone().unwrap_or_default();
    let ids = pages::instance_arns(client, &name, None, None).await?;
    let (container_instances, _) = pages::instances(client, &name, &ids).await?;
    let mut arns = Vec::new();
    for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
        let request =
            ListTasksRequest { cluster: Some(name.clone()), desired_status: Some(status.into()), ..Default::default() };
        arns.extend(pages::task_arns(client, request).await?);
    }
    let mut tasks_by_status = BTreeMap::new();
    if arns.len() <= TASKS_COUNTED_MAX {
        for task in pages::tasks(client, &name, &arns).await?.0 {
            *tasks_by_status.entry(task.last_status.unwrap_or_default()).or_insert(0) += 1;
        }
    } else {
        for (status, count) in [("RUNNING", cluster.running_tasks_count), ("PENDING", cluster.pending_tasks_count)] {
            tasks_by_status.insert(status.to_owned(), count.and_then(|n| usize::try_from(n).ok()).unwrap_or_default());
        }
    }
    Ok(ClusterOverview { cluster, container_instances, tasks_by_status })
}

fn show(context: &Context, overview: &ClusterOverview) -> Result<(), Failure> {
    let cluster = &overview.cluster;
    let services = cluster.active_services_count.unwrap_or_default();
    let tasks: Vec<String> = overview.tasks_by_status.iter().map(|(status, n)| format!("{n} {status}")).collect();
    let tasks = if tasks.is_empty() { "no tasks".to_owned() } else { format!("tasks: {}", tasks.join(", ")) };
    let name = cluster.cluster_name.as_deref().unwrap_or_default();
    let status = cluster.status.as_deref().unwrap_or_default();
    context.screen.line(&format!("\ncluster {name}  {status}  {services} services, {tasks}"))?;
    let shown = overview.container_instances.len().min(INSTANCES_SHOWN_MAX);
    context.screen.rows(&container_instance::table(&overview.container_instances[..shown]))?;
    match overview.container_instances.len() - shown {
        0 => Ok(()),
        more => context.screen.line(&format!("… and {more} more instances")),
    }
}
