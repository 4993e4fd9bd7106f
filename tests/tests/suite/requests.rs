//! Bad requests over gRPC: each is refused with ECS's exception or gRPC's own code, and changes nothing.

use std::time::Duration;

use anyhow::Result;
use drydock_proto::ecs::ecs_client::EcsClient;
use drydock_proto::ecs::{
    ContainerDefinition, CreateClusterRequest, CreateServiceRequest, DescribeServicesRequest, KeyValuePair,
    ListClustersRequest, ListTaskDefinitionsRequest, RegisterTaskDefinitionRequest, RunTaskRequest, StopTaskRequest,
    Tag, TagResourceRequest, UpdateServiceRequest,
};
use drydock_tests::client::{Api, exception};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::wait;
use tonic::Status;
use tonic::transport::Channel;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn container(name: &str, image: &str) -> ContainerDefinition {
    ContainerDefinition { name: some(name), image: some(image), memory: Some(64), ..Default::default() }
}

fn definition(family: &str, containers: Vec<ContainerDefinition>) -> RegisterTaskDefinitionRequest {
    RegisterTaskDefinitionRequest { family: some(family), container_definitions: containers, ..Default::default() }
}

/// Makes each bad request; gives what it is, and how it was refused.
async fn bad_requests(ecs: &mut EcsClient<Channel>) -> Vec<(&'static str, &'static str, Option<Status>)> {
    let mut found = Vec::new();
    macro_rules! bad {
        ($what:literal, $exception:literal, $method:ident, $request:expr) => {
            found.push(($what, $exception, ecs.$method($request).await.err()));
        };
    }
    bad!("no containers", "ClientException", register_task_definition, definition("a", vec![]));
    bad!(
        "family out of bounds",
        "ClientException",
        register_task_definition,
        definition(&"f".repeat(256), vec![container("a", "a")])
    );
    bad!("no image", "ClientException", register_task_definition, definition("a", vec![container("a", "")]));
    bad!(
        "two containers of one name",
        "ClientException",
        register_task_definition,
        definition("a", vec![container("a", "a"), container("a", "b")])
    );
    let big = KeyValuePair { name: some("A"), value: some(&"x".repeat(100 * 1024)) };
    let mut bloated = container("a", "a");
    bloated.environment.push(big);
    bad!("above 64 KiB", "ClientException", register_task_definition, definition("a", vec![bloated]));
    bad!(
        "cluster name out of bounds",
        "InvalidParameterException",
        create_cluster,
        CreateClusterRequest { cluster_name: some("no spaces"), ..Default::default() }
    );
    bad!(
        "unknown cluster",
        "ClusterNotFoundException",
        create_service,
        CreateServiceRequest {
            cluster: some("nowhere"),
            service_name: some("a"),
            task_definition: some("a"),
            desired_count: Some(1),
            ..Default::default()
        }
    );
    bad!(
        "unknown task definition",
        "ClientException",
        run_task,
        RunTaskRequest { task_definition: some("nothing:7"), ..Default::default() }
    );
    bad!(
        "unknown service",
        "ServiceNotFoundException",
        update_service,
        UpdateServiceRequest { service: some("nothing"), desired_count: Some(1), ..Default::default() }
    );
    bad!(
        "unknown task",
        "InvalidParameterException",
        stop_task,
        StopTaskRequest { task: some("0123456789abcdef0123456789abcdef"), ..Default::default() }
    );
    bad!("no services", "InvalidParameterException", describe_services, DescribeServicesRequest::default());
    let tags = vec![Tag { key: some("a"), value: some("b") }];
    bad!(
        "not an ARN",
        "InvalidParameterException",
        tag_resource,
        TagResourceRequest { resource_arn: some("web"), tags }
    );
    found
}

/// Everything that a client can list.
async fn all_there_is(ecs: &mut EcsClient<Channel>) -> Result<String> {
    let clusters = ecs.list_clusters(ListClustersRequest::default()).await?.into_inner();
    let definitions = ecs.list_task_definitions(ListTaskDefinitionsRequest::default()).await?.into_inner();
    Ok(format!("{:?} {:?}", clusters.cluster_arns, definitions.task_definition_arns))
}

// rule: 2.6/failure-reply
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_is_refused_by_its_name_and_changes_nothing() -> Result<()> {
    let mut cluster = Cluster::start(Options { controllers: 3, instances: 1, ..Options::default() }).await?;
    let leader = cluster.leader().await?;
    // Asked of a follower: the refusal comes through unchanged.
    for at in [leader, (leader + 1) % 3] {
        let mut ecs = Api::new(&cluster.controllers[at].api_address)?.ecs;
        let before = all_there_is(&mut ecs).await?;
        let mut wrong = Vec::new();
        for (what, expected, refused) in bad_requests(&mut ecs).await {
            match refused {
                None => wrong.push(format!("{what}: taken")),
                Some(status) if exception(&status) != expected || status.message().is_empty() => {
                    wrong.push(format!("{what}: {expected} expected, got {} {status}", exception(&status)));
                }
                Some(_) => {}
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(all_there_is(&mut ecs).await?, before);
    }
    // What finds no place is no bad request: the answer says so.
    let mut ecs = Api::new(&cluster.controllers[leader].api_address)?.ecs;
    let large = ContainerDefinition { memory: Some(1_000_000), ..container("a", "a") };
    ecs.register_task_definition(definition("large", vec![large])).await?;
    let run = RunTaskRequest { task_definition: some("large"), ..Default::default() };
    let answer = ecs.run_task(run).await?.into_inner();
    let reasons: Vec<&str> = answer.failures.iter().map(|failure| failure.reason()).collect();
    assert_eq!((answer.tasks.len(), reasons), (0, vec!["RESOURCE:MEMORY"]));
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_10_mib_is_refused_and_the_next_one_served() -> Result<()> {
    let cluster = Cluster::start(Options { controllers: 1, instances: 0, ..Options::default() }).await?;
    let mut ecs = Api::new(&cluster.controllers[0].api_address)?.ecs;
    let mut huge = container("a", "a");
    huge.command.push("x".repeat(10 * 1024 * 1024));
    let refused = ecs.register_task_definition(definition("huge", vec![huge])).await.expect_err("10 MiB were taken");
    assert!(!refused.message().is_empty());
    println!("10 MiB: {refused}");
    wait::holds("the next request is served", Duration::from_secs(10), async || {
        let request = definition("small", vec![container("a", "a")]);
        Ok(ecs.clone().register_task_definition(request).await.map(|_| ())?)
    })
    .await?;
    let families = ecs.list_task_definitions(ListTaskDefinitionsRequest::default()).await?.into_inner();
    assert_eq!(families.task_definition_arns.len(), 1, "{:?}", families.task_definition_arns);
    cluster.finish().await
}
