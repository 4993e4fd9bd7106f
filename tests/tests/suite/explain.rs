//! `service explain` and `task explain` through real processes: why a task isn't placed, what a deployment waits for and
//! until when, who ended a task. Any controller says the same.

use anyhow::{Context as _, Result};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::Ecs;
use serde_json::{Value, json};

use crate::{says, web};

/// Nothing that this suite runs counts as healthy before somebody has looked: seconds that no test waits for.
const LONG_MS: u64 = 600_000;

fn of(family: &str, cpu: u32, knobs: &Value) -> Value {
    json!({
        "family": family,
        "containerDefinitions": [
            { "name": "main", "image": "image", "cpu": cpu, "memory": 64, "dockerLabels": knobs }
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_a_place_is_explained_by_any_controller() -> Result<()> {
    let cluster = Cluster::start(Options { instances: 2, ..Options::default() }).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&of("big", 3_000, &json!({}))).await?;
    ecs.create_service("big", "big:1", 3).await?;
    let parts = [
        "service big: ACTIVE, 3 desired, 2 running, 0 pending",
        "No instance takes 1 task. Tried again when one joins or frees resources, at the latest in ",
        "2 container instances looked at; ruled out: 2 by RESOURCE:CPU",
        "1096 of 3000 CPU units left",
        "It fails if this stage isn't over in",
    ];
    says(&cluster, &["service", "explain", "big"], &parts).await?;
    for address in cluster.addresses() {
        says(&cluster, &["--endpoint", &address, "--stale", "service", "explain", "big"], &parts).await?;
    }
    let ran = cluster.command(&["service", "explain", "big", "--output", "json"])?;
    let answer: Value = serde_json::from_str(&ran.stdout).with_context(|| ran.stdout.clone())?;
    assert_eq!(answer["waits"][0]["kind"], "PLACEMENT", "{answer:#}");
    assert_eq!(answer["waits"][0]["cause"], "ROOM");
    assert_eq!(answer["waits"][0]["placement"]["filtered"], json!([{"reason": "RESOURCE:CPU", "instances": 2}]));
    assert!(answer["waits"][0]["until"].as_str() > answer["now"].as_str(), "{answer:#}");
    assert!(answer["appliedIndex"].as_u64() > Some(0));

    // The same of a task that is run, before and after the attempt.
    let ran = cluster.command(&["task", "run", "big", "--count", "2", "--dry-run"])?;
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("No instance would take 2 tasks."), "{}", ran.stdout);
    let ran = cluster.command(&["task", "run", "big"])?;
    assert!(ran.stderr.contains("ruled out: 2 by RESOURCE:CPU"), "{}", ran.stderr);

    let ran = cluster.command(&["service", "scale", "big", "2", "--wait"])?;
    assert!(ran.code == 0, "{}", ran.stderr);
    says(&cluster, &["service", "explain", "big"], &["COMPLETED", "It is in steady state"]).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_of_a_task_has_somebody_who_decided_it() -> Result<()> {
    let cluster = Cluster::start(Options { instances: 1, ..Options::default() }).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&of("ends", 64, &json!({"drydock.sim/run-for-ms": "50", "drydock.sim/exit-code": "3"}))).await?;
    ecs.register(&of("broken", 64, &json!({"drydock.sim/pull-error": "no such image"}))).await?;
    ecs.register(&web("web", "nginx:1")).await?;

    let ended = ecs.run("ends", 1).await?[0].task_arn().to_owned();
    ecs.reaches(&ended, "STOPPED").await?;
    let parts =
        ["STOPPED", "An essential container ended", "EssentialContainerExited", "main exited with 3", "remembered"];
    says(&cluster, &["task", "explain", &ended], &parts).await?;

    let broken = ecs.run("broken", 1).await?[0].task_arn().to_owned();
    ecs.reaches(&broken, "STOPPED").await?;
    says(&cluster, &["task", "explain", &broken], &["It couldn't be started", "no such image"]).await?;

    let stopped = ecs.run("web", 1).await?[0].task_arn().to_owned();
    ecs.reaches(&stopped, "RUNNING").await?;
    says(&cluster, &["task", "explain", &stopped], &["RUNNING, for ", "family:web", "(ACTIVE)"]).await?;
    ecs.stop(&stopped, "no longer wanted").await?;
    let parts = ["A user stopped it", "UserInitiated: no longer wanted"];
    says(&cluster, &["task", "explain", &stopped], &parts).await?;

    ecs.create_service("web", "web:1", 1).await?;
    ecs.stable("web").await?;
    let first = ecs.tasks_of("web").await?[0].task_arn().to_owned();
    let ran = cluster.command(&["service", "deploy", "web", "--wait"])?;
    assert!(ran.code == 0, "{}", ran.stderr);
    says(&cluster, &["task", "explain", &first], &["Deployment ecs-svc/", "replaced it"]).await?;
    let second = ecs.tasks_of("web").await?[0].task_arn().to_owned();
    let ran = cluster.command(&["service", "scale", "web", "0", "--wait"])?;
    assert!(ran.code == 0, "{}", ran.stderr);
    says(&cluster, &["task", "explain", &second], &["Its service had one task too many"]).await?;

    ecs.create_service("never", "broken:1", 1).await?;
    says(&cluster, &["service", "explain", "never"], &["Tasks fail to start", "the next one starts in"]).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_says_what_it_waits_for_and_a_lost_agent_is_told() -> Result<()> {
    let options = Options { instances: 1, healthy_after_ms: LONG_MS, ..Options::default() };
    let mut cluster = Cluster::start(options).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&of("slow", 64, &json!({"drydock.sim/stop-ms": "600000"}))).await?;
    ecs.create_service("slow", "slow:1", 1).await?;
    let parts = ["IN_PROGRESS, stage SCALE_UP", "1 task RUNNING, not long enough to count as healthy", "10 min."];
    says(&cluster, &["service", "explain", "slow"], &parts).await?;
    let task = ecs.tasks_of("slow").await?[0].task_arn().to_owned();
    says(&cluster, &["task", "explain", &task], &["RUNNING, for ", "It counts as healthy in "]).await?;
    cluster.agents[0].kill()?;
    let parts = ["1 task on 1 instance whose agent isn't connected; given up in "];
    says(&cluster, &["service", "explain", "slow"], &parts).await?;
    let ran = cluster.command(&["task", "run", "slow"])?;
    assert!(ran.stderr.contains("1 by AGENT (the agent isn't connected)"), "{}", ran.stderr);
    says(&cluster, &["task", "explain", &task], &["Its agent isn't connected; given up in "]).await?;
    cluster.finish().await
}
