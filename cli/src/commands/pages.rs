//! Lists over all their pages, and descriptions in as many calls as ECS's caps need (ecs-semantics §1).

use drydock_proto::ecs::{
    Cluster, ContainerInstance, ContainerInstanceStatus, DescribeClustersRequest, DescribeContainerInstancesRequest,
    DescribeServicesRequest, DescribeTasksRequest, Failure as EcsFailure, ListClustersRequest,
    ListContainerInstancesRequest, ListServicesRequest, ListTasksRequest, Service, Task,
};

use crate::client::{Client, Kind};
use crate::failure::Failure;

/// Items of one page, and of one Describe of tasks, instances or clusters.
const PAGE: usize = 100;
/// Services of one DescribeServices.
const SERVICES_A_CALL: usize = 10;
/// Pages of one list; then it is refused. 10,000 items are ECS's largest quota.
const PAGES_MAX: usize = 1_000;

fn page_size() -> Option<i32> {
    i32::try_from(PAGE).ok()
}

/// Calls `page` with each token until there is no next one.
///
/// # Errors
/// Those of `page`, or more than 1,000 pages.
pub async fn all(
    mut page: impl AsyncFnMut(Option<String>) -> Result<(Vec<String>, Option<String>), Failure>,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let (items, next) = page(token).await?;
        found.extend(items);
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(found),
            next => token = next,
        }
    }
    Err(Failure::Other(format!("the list has more than {PAGES_MAX} pages")))
}

/// ARNs of all clusters.
///
/// # Errors
/// Those of the call.
pub async fn cluster_arns(client: &Client) -> Result<Vec<String>, Failure> {
    all(async |next_token| {
        let request = ListClustersRequest { next_token, max_results: page_size() };
        let answer = client.ecs(Kind::Read, request, async |mut ecs, request| ecs.list_clusters(request).await).await?;
        Ok((answer.cluster_arns, answer.next_token))
    })
    .await
}

/// Describes clusters.
///
/// # Errors
/// Those of the call.
pub async fn clusters(client: &Client, names: &[String]) -> Result<(Vec<Cluster>, Vec<EcsFailure>), Failure> {
    let mut found = (Vec::new(), Vec::new());
    for names in names.chunks(PAGE) {
        let request = DescribeClustersRequest { clusters: names.to_vec(), ..Default::default() };
        let answer =
            client.ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_clusters(request).await).await?;
        found.0.extend(answer.clusters);
        found.1.extend(answer.failures);
    }
    Ok(found)
}

/// ARNs of all services that `request` lists.
///
/// # Errors
/// Those of the call.
pub async fn service_arns(client: &Client, request: ListServicesRequest) -> Result<Vec<String>, Failure> {
    all(async |next_token| {
        let request = ListServicesRequest { next_token, max_results: page_size(), ..request.clone() };
        let answer = client.ecs(Kind::Read, request, async |mut ecs, request| ecs.list_services(request).await).await?;
        Ok((answer.service_arns, answer.next_token))
    })
    .await
}

/// Describes services.
///
/// # Errors
/// Those of the call.
pub async fn services(
    client: &Client,
    cluster: &str,
    names: &[String],
) -> Result<(Vec<Service>, Vec<EcsFailure>), Failure> {
    let mut found = (Vec::new(), Vec::new());
    for names in names.chunks(SERVICES_A_CALL) {
        let request = DescribeServicesRequest {
            cluster: Some(cluster.to_owned()),
            services: names.to_vec(),
            ..Default::default()
        };
        let answer =
            client.ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_services(request).await).await?;
        found.0.extend(answer.services);
        found.1.extend(answer.failures);
    }
    Ok(found)
}

/// ARNs of all tasks that `request` lists.
///
/// # Errors
/// Those of the call.
pub async fn task_arns(client: &Client, request: ListTasksRequest) -> Result<Vec<String>, Failure> {
    all(async |next_token| {
        let request = ListTasksRequest { next_token, max_results: page_size(), ..request.clone() };
        let answer = client.ecs(Kind::Read, request, async |mut ecs, request| ecs.list_tasks(request).await).await?;
        Ok((answer.task_arns, answer.next_token))
    })
    .await
}

/// Describes tasks.
///
/// # Errors
/// Those of the call.
pub async fn tasks(client: &Client, cluster: &str, ids: &[String]) -> Result<(Vec<Task>, Vec<EcsFailure>), Failure> {
    let mut found = (Vec::new(), Vec::new());
    for ids in ids.chunks(PAGE) {
        let request =
            DescribeTasksRequest { cluster: Some(cluster.to_owned()), tasks: ids.to_vec(), ..Default::default() };
        let answer =
            client.ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_tasks(request).await).await?;
        found.0.extend(answer.tasks);
        found.1.extend(answer.failures);
    }
    Ok(found)
}

/// ARNs of all instances of a cluster, or those of one status.
///
/// # Errors
/// Those of the call.
pub async fn instance_arns(
    client: &Client,
    cluster: &str,
    status: Option<ContainerInstanceStatus>,
    filter: Option<String>,
) -> Result<Vec<String>, Failure> {
    all(async |next_token| {
        let request = ListContainerInstancesRequest {
            cluster: Some(cluster.to_owned()),
            status: status.map(i32::from),
            filter: filter.clone(),
            next_token,
            max_results: page_size(),
        };
        let answer = client
            .ecs(Kind::Read, request, async |mut ecs, request| ecs.list_container_instances(request).await)
            .await?;
        Ok((answer.container_instance_arns, answer.next_token))
    })
    .await
}

/// Describes instances.
///
/// # Errors
/// Those of the call.
pub async fn instances(
    client: &Client,
    cluster: &str,
    ids: &[String],
) -> Result<(Vec<ContainerInstance>, Vec<EcsFailure>), Failure> {
    let mut found = (Vec::new(), Vec::new());
    for ids in ids.chunks(PAGE) {
        let request = DescribeContainerInstancesRequest {
            cluster: Some(cluster.to_owned()),
            container_instances: ids.to_vec(),
            ..Default::default()
        };
        let answer = client
            .ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_container_instances(request).await)
            .await?;
        found.0.extend(answer.container_instances);
        found.1.extend(answer.failures);
    }
    Ok(found)
}
