//! Rolling deployments: the new revision replaces the old one within minimumHealthyPercent and maximumPercent, also when
//! the leader dies in the middle.

use anyhow::{Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;

use crate::{identities, web};

const SERVICE: &str = "web";
const DESIRED: i32 = 3;

async fn with_service() -> Result<(Cluster, Ecs)> {
    let cluster = Cluster::start(Options::default()).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&web(SERVICE, "nginx:1")).await?;
    ecs.create_service(SERVICE, "web:1", DESIRED).await?;
    ecs.stable(SERVICE).await?;
    ecs.register(&web(SERVICE, "nginx:2")).await?;
    Ok((cluster, ecs))
}

fn to_revision_2() -> ecs::UpdateServiceRequest {
    ecs::UpdateServiceRequest { task_definition: Some("web:2".to_owned()), ..Default::default() }
}

/// Checks the end of a roll from revision 1 to 2: three new tasks, each started once; the old ones stopped by the
/// scheduler.
async fn check_rolled(ecs: &Ecs) -> Result<()> {
    ecs.stable(SERVICE).await?;
    let running = ecs.tasks_of(SERVICE).await?;
    assert_eq!(running.len(), 3);
    assert!(running.iter().all(|task| task.task_definition_arn().ends_with("web:2")), "{running:?}");
    let stopped = wait::until("the old tasks are STOPPED", SETTLE_MAX, async || {
        let old = ecs.tasks(&ecs.task_arns(Some(SERVICE), ecs::DesiredStatus::Stopped).await?).await?;
        ensure!(old.iter().all(|task| task.last_status() == "STOPPED"), "{old:?}");
        Ok(old)
    });
    let stopped = stopped.await?.0;
    // Nothing of revision 2 was started and thrown away, nothing of revision 1 lost.
    let definitions: Vec<&str> = stopped.iter().map(|task| task.task_definition_arn()).collect();
    assert_eq!(definitions.len(), 3, "{definitions:?}");
    assert!(definitions.iter().all(|definition| definition.ends_with("web:1")), "{definitions:?}");
    for task in &stopped {
        assert_eq!(task.stop_code(), ecs::TaskStopCode::ServiceSchedulerInitiated);
        assert!(task.stopped_reason().contains("ecs-svc/"), "{}", task.stopped_reason());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_rolls_within_its_bounds() -> Result<()> {
    let (cluster, ecs) = with_service().await?;
    ecs.update_service(SERVICE, to_revision_2()).await?;
    let mut most = 0;
    wait::holds("the roll is done", SETTLE_MAX, async || {
        let service = ecs.service(SERVICE).await?;
        let tasks = ecs.tasks_of(SERVICE).await?;
        // Defaults of a REPLICA service: never fewer than 100 % running, never more than 200 % in all.
        let running = tasks.iter().filter(|task| task.last_status() == "RUNNING").count();
        assert!(running >= 3, "{running} running during the roll");
        most = most.max(tasks.len());
        ensure!(service.deployments.len() == 1, "{} deployments", service.deployments.len());
        Ok(())
    })
    .await?;
    assert!((4..=6).contains(&most), "{most} tasks at once");
    check_rolled(&ecs).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_killed_in_the_middle_of_a_roll_loses_nothing() -> Result<()> {
    let (mut cluster, ecs) = with_service().await?;
    let bystanders = ecs.run("web:1", 2).await?;
    let arns: Vec<String> = bystanders.iter().map(|task| task.task_arn().to_owned()).collect();
    for arn in &arns {
        ecs.reaches(arn, "RUNNING").await?;
    }
    let before = identities(&ecs.tasks(&arns).await?);
    let leader = cluster.leader().await?;
    ecs.update_service(SERVICE, to_revision_2()).await?;
    cluster.controllers[leader].kill()?;
    check_rolled(&ecs).await?;
    assert_eq!(identities(&ecs.tasks(&arns).await?), before, "a container was restarted");
    cluster.controllers[leader].start()?;
    cluster.leader().await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_and_started_finds_its_containers() -> Result<()> {
    let (mut cluster, ecs) = with_service().await?;
    let before = identities(&ecs.tasks_of(SERVICE).await?);
    for agent in &mut cluster.agents {
        agent.kill()?;
        agent.start()?;
    }
    cluster.ready().await?;
    ecs.stable(SERVICE).await?;
    assert_eq!(identities(&ecs.tasks_of(SERVICE).await?), before, "a container was restarted");
    cluster.finish().await
}
