//! AWS's SDK for Rust against three controllers, each asked in turn: its builders, its errors by type, its paginators and its
//! waiters, as a program would use them. A test program of its own, so that nothing else is linked with the SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::client::Waiters as _;
use aws_sdk_ecs::config::{AsyncSleep, BehaviorVersion, Credentials, Region, SharedAsyncSleep, Sleep};
use aws_sdk_ecs::error::SdkError;
use aws_sdk_ecs::types::{ContainerDefinition, DesiredStatus, KeyValuePair, LaunchType, TaskStopCode};
use aws_sdk_ecs::waiters::tasks_running::WaitUntilTasksRunningError;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;

/// How long a waiter may wait, in its own reckoning.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// A waiter asks every 6 or 15 seconds, as fits AWS. Here it asks again after this; shorter sleeps, which are time-outs and
/// back-offs of requests, are as they are.
const POLL: Duration = Duration::from_millis(200);

/// Sleeps of the SDK, with the waiters' ones cut short. Nothing is concluded from their end: the SDK asks again.
#[derive(Debug, Clone)]
struct Impatient;

impl AsyncSleep for Impatient {
    fn sleep(&self, duration: Duration) -> Sleep {
        let duration = if duration >= Duration::from_secs(5) { POLL } else { duration };
        Sleep::new(wait::for_load(duration))
    }
}

/// One client for each controller, asked in turn.
struct Sdk {
    clients: Vec<Client>,
    turn: usize,
}

impl Sdk {
    fn of(cluster: &Cluster) -> Self {
        let client = |address: &str| {
            let config = aws_sdk_ecs::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::for_tests())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .sleep_impl(SharedAsyncSleep::new(Impatient))
                .endpoint_url(format!("http://{address}"));
            Client::from_conf(config.build())
        };
        Self { clients: cluster.controllers.iter().map(|member| client(&member.aws_address)).collect(), turn: 0 }
    }

    /// The next controller's.
    fn next(&mut self) -> Client {
        self.turn += 1;
        self.clients[self.turn % self.clients.len()].clone()
    }
}

fn container(image: &str) -> ContainerDefinition {
    let stage = KeyValuePair::builder().name("STAGE").value("local").build();
    ContainerDefinition::builder().name("web").image(image).memory(64).essential(true).environment(stage).build()
}

/// What ECS refused, as the SDK's type of that operation's errors.
fn refusal<T: std::fmt::Debug, E: std::fmt::Debug>(answered: Result<T, SdkError<E>>) -> E {
    match answered.expect_err("a refusal") {
        SdkError::ServiceError(refused) => refused.into_err(),
        other => panic!("no answer of the service: {other:?}"),
    }
}

/// Waits until a service's tasks run by its agents' word: each of its containers has the id that its runtime gave it.
async fn containers_are_there(ecs: &Ecs, service: &str, image: &str, count: usize) -> Result<()> {
    wait::holds("its containers are there", SETTLE_MAX, async || {
        let tasks = ecs.tasks_of(service).await?;
        let running = tasks.iter().filter(|task| task.last_status() == "RUNNING");
        let containers: Vec<_> = running.flat_map(|task| &task.containers).filter(|c| c.image() == image).collect();
        let ids: BTreeSet<&str> = containers.iter().map(|c| c.runtime_id()).filter(|id| !id.is_empty()).collect();
        ensure!(ids.len() == count && containers.len() == count, "{containers:?}");
        Ok(())
    })
    .await
    .map(drop)
}

/// Registers a revision of `web`, brings the service to it, and waits with the SDK's waiter while somebody else looks
/// whether the containers come.
async fn roll_out(sdk: &mut Sdk, ecs: &Ecs, image: &str, first: bool) -> Result<String> {
    let registered = sdk.next().register_task_definition().family("web").container_definitions(container(image));
    let registered = registered.send().await?.task_definition.context("a task definition")?;
    let arn = registered.task_definition_arn().context("an ARN")?.to_owned();
    assert_eq!(registered.container_definitions()[0].environment()[0].name(), Some("STAGE"));
    let service = if first {
        let made = sdk.next().create_service().service_name("web").task_definition("web").desired_count(3);
        made.launch_type(LaunchType::Ec2).send().await?.service
    } else {
        sdk.next().update_service().service("web").task_definition(&arn).send().await?.service
    };
    let service = service.context("a service")?;
    assert_eq!(service.deployments()[0].task_definition(), Some(arn.as_str()));
    let stable = sdk.next().wait_until_services_stable().services("web").wait(WAIT_MAX);
    let (stable, seen) = tokio::join!(stable, containers_are_there(ecs, "web", image, 3));
    let last = stable.map_err(anyhow::Error::from)?.into_result()?;
    seen?;
    let found = &last.services()[0];
    assert_eq!((found.running_count(), found.deployments().len()), (3, 1), "{found:?}");
    assert_eq!(found.task_definition(), Some(arn.as_str()));
    Ok(arn)
}

/// What is refused is refused by a type that a program can match on.
async fn refusals_are_typed(sdk: &mut Sdk) -> Result<()> {
    let found = sdk.next().describe_services().services("nothing").send().await?;
    assert_eq!((found.services().len(), found.failures()[0].reason()), (0, Some("MISSING")));
    let nowhere = refusal(sdk.next().describe_services().cluster("nowhere").services("web").send().await);
    assert!(nowhere.is_cluster_not_found_exception(), "{nowhere:?}");
    assert_eq!(nowhere.meta().message(), Some("Cluster not found."));
    let nothing = refusal(sdk.next().update_service().service("nothing").desired_count(1).send().await);
    assert!(nothing.is_service_not_found_exception(), "{nothing:?}");
    let unknown = refusal(sdk.next().run_task().task_definition("nothing").send().await);
    assert!(unknown.is_client_exception(), "{unknown:?}");
    let scaled = refusal(sdk.next().delete_service().service("web").send().await);
    assert!(scaled.is_invalid_parameter_exception(), "{scaled:?}");
    let full = refusal(sdk.next().delete_cluster().cluster("default").send().await);
    assert!(full.is_cluster_contains_container_instances_exception(), "{full:?}");
    Ok(())
}

/// RunTask with a clientToken, told again, told with another content; then the task's waiters and its end.
async fn a_task_runs_once_and_is_stopped(sdk: &mut Sdk, ecs: &Ecs, definition: &str) -> Result<()> {
    let run = |client: Client, count| {
        let run = client.run_task().task_definition(definition).count(count).started_by("sdk");
        run.client_token("0f7f3b1c-sdk").send()
    };
    let mut arns = BTreeSet::new();
    for _ in 0..3 {
        let ran = run(sdk.next(), 1).await?;
        arns.extend(ran.tasks().iter().filter_map(|task| task.task_arn()).map(str::to_owned));
    }
    let arn = arns.pop_first().context("a task")?;
    assert!(arns.is_empty(), "one token, one task: {arn} and {arns:?}");
    let conflict = refusal(run(sdk.next(), 2).await);
    assert!(conflict.is_conflict_exception(), "{conflict:?}");
    let aws_sdk_ecs::operation::run_task::RunTaskError::ConflictException(conflict) = conflict else {
        anyhow::bail!("{conflict:?}")
    };
    assert_eq!(conflict.resource_ids(), [arn.as_str()]);

    let running = sdk.next().wait_until_tasks_running().tasks(&arn).wait(WAIT_MAX).await;
    let running = running.map_err(anyhow::Error::from)?.into_result()?;
    let task = &running.tasks()[0];
    let there = ecs.reaches(&arn, "RUNNING").await?;
    assert_eq!(task.containers()[0].runtime_id(), Some(there.containers[0].runtime_id()));
    sdk.next().stop_task().task(&arn).reason("enough").send().await?;
    let stopped = sdk.next().wait_until_tasks_stopped().tasks(&arn).wait(WAIT_MAX).await;
    let stopped = stopped.map_err(anyhow::Error::from)?.into_result()?;
    let task = &stopped.tasks()[0];
    assert_eq!((task.stopped_reason(), task.stop_code()), (Some("enough"), Some(&TaskStopCode::UserInitiated)));
    assert!(task.stopped_at().is_some() && task.desired_status() == Some("STOPPED"));
    let list = sdk.next().list_tasks().started_by("sdk").desired_status(DesiredStatus::Stopped).send().await?;
    assert_eq!(list.task_arns(), [arn]);
    // Waiting for what can't come any more is told at once, with what was found.
    let never = sdk.next().wait_until_tasks_running().tasks(&list.task_arns()[0]).wait(WAIT_MAX).await;
    assert!(matches!(never, Err(WaitUntilTasksRunningError::FailureState(_))), "{never:?}");
    Ok(())
}

/// A page of one item each, through another client for each paginator.
async fn paginators_give_everything(sdk: &mut Sdk) -> Result<()> {
    let tasks = sdk.next().list_tasks().service_name("web").into_paginator().page_size(1).items().send();
    let tasks = tasks.collect::<Result<Vec<String>, _>>().await?;
    assert_eq!(tasks.iter().collect::<BTreeSet<_>>().len(), 3, "{tasks:?}");
    let definitions = sdk.next().list_task_definitions().into_paginator().page_size(1).items().send();
    let definitions = definitions.collect::<Result<Vec<String>, _>>().await?;
    let revisions: Vec<_> = definitions.iter().filter_map(|arn| arn.rsplit('/').next()).collect();
    assert_eq!(revisions, ["web:1", "web:2"]);
    let clusters = sdk.next().list_clusters().into_paginator().page_size(1).items().send();
    assert_eq!(clusters.collect::<Result<Vec<_>, _>>().await?.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_sdk_drives_a_cluster_from_its_creation_to_its_end() -> Result<()> {
    let cluster = Cluster::start(Options { instances: 3, healthy_after_ms: 200, ..Options::default() }).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    let mut sdk = Sdk::of(&cluster);
    let made = sdk.next().create_cluster().cluster_name("sdk").send().await?.cluster.context("a cluster")?;
    assert_eq!((made.status(), made.registered_container_instances_count()), (Some("ACTIVE"), 0));

    roll_out(&mut sdk, &ecs, "web:1", true).await?;
    let definition = roll_out(&mut sdk, &ecs, "web:2", false).await?;
    refusals_are_typed(&mut sdk).await?;
    a_task_runs_once_and_is_stopped(&mut sdk, &ecs, &definition).await?;
    paginators_give_everything(&mut sdk).await?;

    let deleted = sdk.next().delete_service().service("web").force(true).send().await?.service.context("a service")?;
    assert_eq!(deleted.desired_count(), 0);
    let inactive = sdk.next().wait_until_services_inactive().services("web").wait(WAIT_MAX).await;
    let inactive = inactive.map_err(anyhow::Error::from)?.into_result()?;
    assert_eq!(inactive.services()[0].status(), Some("INACTIVE"));
    let gone = refusal(sdk.next().update_service().service("web").desired_count(1).send().await);
    assert!(gone.is_service_not_active_exception(), "{gone:?}");
    assert!(ecs.tasks_of("web").await?.is_empty());
    let deleted = sdk.next().delete_cluster().cluster("sdk").send().await?.cluster.context("a cluster")?;
    assert_eq!(deleted.status(), Some("INACTIVE"));
    cluster.finish().await
}
