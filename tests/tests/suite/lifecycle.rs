//! What a user does on a first day: a task definition, a service, tasks run and stopped, everything deleted; on three
//! controllers and three simulated instances, once for each log store.

use anyhow::{Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;

use crate::web;

// rule: 2.1/timestamps-start, 2.1/timestamps-stop, 2.1/reason-stop-task, 2.1/group
#[tokio::test(flavor = "multi_thread")]
async fn a_first_day_on_raft_engine() -> Result<()> {
    first_day("raft-engine").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_day_on_sled() -> Result<()> {
    first_day("sled").await
}

async fn first_day(log_store: &'static str) -> Result<()> {
    let mut cluster = Cluster::start(Options { log_store, ..Options::default() }).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    let definition = ecs.register(&web("web", "nginx:1")).await?;
    ensure!(definition.ends_with(":task-definition/web:1"), "{definition}");

    ecs.create_service("web", "web:1", 3).await?;
    ecs.stable("web").await?;
    let tasks = ecs.tasks_of("web").await?;
    let instances: std::collections::BTreeSet<_> = tasks.iter().map(ecs::Task::container_instance_arn).collect();
    assert_eq!((tasks.len(), instances.len()), (3, 3), "three tasks spread over three instances");
    for task in &tasks {
        assert_eq!(task.last_status(), "RUNNING");
        assert_eq!(task.group(), "service:web");
        assert!(task.started_by().starts_with("ecs-svc/"), "{}", task.started_by());
        assert!(task.started_at.is_some() && task.created_at.is_some() && task.pull_started_at.is_some());
        assert_eq!(task.containers.len(), 1);
        assert!(!task.containers[0].runtime_id().is_empty());
    }

    run_and_stop(&ecs).await?;
    scale_and_delete(&ecs).await?;
    cluster.leader().await?;
    cluster.finish().await
}

async fn run_and_stop(ecs: &Ecs) -> Result<()> {
    let started = ecs.run("web", 1).await?;
    let arn = started[0].task_arn().to_owned();
    assert_eq!(started[0].group(), "family:web");
    ecs.reaches(&arn, "RUNNING").await?;
    let asked = ecs.stop(&arn, "no longer wanted").await?;
    assert_eq!(asked.desired_status(), "STOPPED");
    let stopped = ecs.reaches(&arn, "STOPPED").await?;
    assert_eq!(stopped.stop_code(), ecs::TaskStopCode::UserInitiated);
    assert_eq!(stopped.stopped_reason(), "no longer wanted");
    assert!(stopped.stopping_at.is_some() && stopped.stopped_at.is_some() && stopped.execution_stopped_at.is_some());
    assert!(stopped.version() > started[0].version(), "version counts the changes");

    // A task that the service owns is replaced by another, never started again.
    let before = ecs.tasks_of("web").await?;
    let victim = before[0].task_arn().to_owned();
    ecs.stop(&victim, "a test").await?;
    ecs.reaches(&victim, "STOPPED").await?;
    ecs.stable("web").await?;
    let after: Vec<String> = ecs.tasks_of("web").await?.iter().map(|t| t.task_arn().to_owned()).collect();
    assert_eq!(after.len(), 3);
    assert!(!after.contains(&victim));
    assert_eq!(before[1..].iter().filter(|task| after.contains(&task.task_arn().to_owned())).count(), 2);
    Ok(())
}

async fn scale_and_delete(ecs: &Ecs) -> Result<()> {
    for desired in [5, 1] {
        ecs.update_service("web", ecs::UpdateServiceRequest { desired_count: Some(desired), ..Default::default() })
            .await?;
        let service = ecs.stable("web").await?;
        assert_eq!(service.running_count(), desired);
    }
    let last = ecs.tasks_of("web").await?[0].task_arn().to_owned();
    let deleted = ecs.delete_service("web").await?;
    assert!(["DRAINING", "INACTIVE"].contains(&deleted.status()), "{}", deleted.status());
    let stopped = ecs.reaches(&last, "STOPPED").await?;
    assert_eq!(stopped.stop_code(), ecs::TaskStopCode::ServiceSchedulerInitiated);
    wait::holds("the service is INACTIVE", SETTLE_MAX, async || {
        let status = ecs.service("web").await?.status().to_owned();
        ensure!(status == "INACTIVE", "{status}");
        Ok(())
    })
    .await?;
    Ok(())
}
