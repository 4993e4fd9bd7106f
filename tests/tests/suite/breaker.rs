//! A deployment whose image can't be pulled: its circuit breaker trips and the service is rolled back, without a word to the
//! tasks that serve.

use anyhow::{Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;
use serde_json::json;

use crate::{identities, says, web};

const SERVICE: &str = "web";

/// How the CLI ends where a deployment that it waits for has failed.
const FAILED: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_is_rolled_back() -> Result<()> {
    let cluster = Cluster::start(Options::default()).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&web(SERVICE, "nginx:1")).await?;
    let create = ["service", "create", SERVICE, "-t", "web:1", "-n", "3", "--circuit-breaker", "rollback", "--wait"];
    let ran = cluster.command(&create)?;
    ensure!(ran.code == 0, "{}", ran.stderr);
    let before = identities(&ecs.tasks_of(SERVICE).await?);
    assert_eq!(before.len(), 3);

    let first = ecs.service(SERVICE).await?.deployments[0].id().to_owned();
    let mut broken = web(SERVICE, "nginx:nosuch");
    broken["containerDefinitions"][0]["dockerLabels"] = json!({"drydock.sim/pull-error": "manifest unknown"});
    ecs.register(&broken).await?;
    let ran = cluster.command(&["service", "deploy", SERVICE, "-t", "web:2", "--wait", "--progress", "plain"])?;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, FAILED, "{said}");
    assert!(said.contains("ROLLBACK_SUCCESSFUL"), "{said}");

    let stable = ecs.stable(SERVICE).await?;
    assert_eq!(stable.deployments[0].id(), first);
    assert_eq!(identities(&ecs.tasks_of(SERVICE).await?), before, "what served was touched");
    // Newest first: the one that was rolled back, then the one that serves.
    let list = says(&cluster, &["service-deployment", "list", SERVICE], &["ROLLBACK_SUCCESSFUL"]).await?;
    let lines: Vec<Vec<&str>> = list.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let statuses: Vec<&str> = lines.iter().map(|words| words[1]).collect();
    assert_eq!(statuses, ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"], "{list}");
    let rolled_back = lines[0][0].to_owned();
    let failed = rolled_back.replace("web/", "ecs-svc/");
    assert_eq!(lines[1][0].replace("web/", "ecs-svc/"), first);
    let texts = [
        format!("(service web) (deployment {failed}) deployment failed: tasks failed to start."),
        format!("(service web) rolling back to deployment {first}."),
        format!("(service web) (deployment {first}) deployment completed."),
    ];
    says(&cluster, &["service", "events", SERVICE], &texts.each_ref().map(String::as_str)).await?;
    says(&cluster, &["service", "explain", SERVICE], &["of web:1: COMPLETED", "It is in steady state"]).await?;

    // One task after the other was to find the image: three tries.
    let failed = wait::until("what failed is STOPPED", SETTLE_MAX, async || {
        let failed = ecs.tasks(&ecs.task_arns(Some(SERVICE), ecs::DesiredStatus::Stopped).await?).await?;
        ensure!(failed.iter().all(|task| task.last_status() == "STOPPED"), "{failed:?}");
        Ok(failed)
    });
    let tasks = failed.await?.0;
    assert_eq!(tasks.len(), 3, "{tasks:?}");
    for task in &tasks {
        assert_eq!(task.stop_code(), ecs::TaskStopCode::TaskFailedToStart);
        assert!(task.stopped_reason().starts_with("CannotPullContainerError: "), "{}", task.stopped_reason());
        assert!(task.task_definition_arn().ends_with("web:2"), "{task:?}");
    }
    let parts = ["TaskFailedToStart", "CannotPullContainerError", "manifest unknown"];
    says(&cluster, &["task", "explain", tasks[0].task_arn()], &parts).await?;

    let parts = ["ROLLBACK_SUCCESSFUL at CLEAN_UP", "circuit breaker: 3 of 3 failures, TRIGGERED", "rollback since "];
    says(&cluster, &["service-deployment", "describe", &rolled_back], &parts).await?;
    cluster.finish().await
}
