//! Blue and green by hand: a service whose deployment controller is EXTERNAL, driven through the command line with
//! `task-set`, over real processes.

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;
use serde_json::Value;

use crate::{identities, web};

const SERVICE: &str = "shop";

/// Runs a command that must go well; gives what it printed.
fn run(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let ran = cluster.command(arguments)?;
    ensure!(ran.code == 0, "{arguments:?}: {} {}", ran.code, ran.stderr);
    Ok(ran.stdout)
}

/// Runs a verb of `task-set` on the service; gives the task set that it answers with.
fn task_set(cluster: &Cluster, verb: &str, arguments: &[&str]) -> Result<Value> {
    let line = [&["task-set", verb, SERVICE, "--output", "json"], arguments].concat();
    let answer: Value = serde_json::from_str(&run(cluster, &line)?)?;
    Ok(answer["taskSet"].clone())
}

fn id(task_set: &Value) -> Result<&str> {
    task_set["id"].as_str().context("an id")
}

fn of(tasks: &[ecs::Task], started_by: &str) -> Vec<ecs::Task> {
    tasks.iter().filter(|task| task.started_by() == started_by).cloned().collect()
}

// rule: 2.3/task-sets-instead, 2.3/task-set-scale, 2.3/task-set-status, 2.3/task-set-stability, 2.3/task-set-delete
#[tokio::test(flavor = "multi_thread")]
async fn blue_becomes_green_by_hand() -> Result<()> {
    let cluster = Cluster::start(Options::default()).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&web(SERVICE, "nginx:1")).await?;
    ecs.register(&web(SERVICE, "nginx:2")).await?;
    run(&cluster, &["service", "create", SERVICE, "--deployment-controller", "EXTERNAL", "--desired-count", "3"])?;
    let shown = ecs.service(SERVICE).await?;
    assert!(shown.deployments.is_empty() && shown.task_definition.is_none(), "{shown:?}");

    let blue = task_set(&cluster, "create", &["-t", "shop:1", "--scale", "100", "--external-id", "blue", "--wait"])?;
    assert_eq!((&blue["stabilityStatus"], &blue["runningCount"]), (&"STEADY_STATE".into(), &3.into()), "{blue:#}");
    let blue = id(&blue)?;
    task_set(&cluster, "set-primary", &[blue])?;
    let before = identities(&of(&ecs.tasks_of(SERVICE).await?, blue));
    assert_eq!(before.len(), 3);

    // Half of three are two; the blue ones don't notice.
    let green = task_set(&cluster, "create", &["-t", "shop:2", "--scale", "50%", "--external-id", "green", "--wait"])?;
    assert_eq!(green["computedDesiredCount"], 2, "{green:#}");
    let green = id(&green)?;
    let shown = ecs.service(SERVICE).await?;
    assert_eq!((shown.running_count(), shown.task_sets.len()), (5, 2));
    assert_eq!(identities(&of(&ecs.tasks_of(SERVICE).await?, blue)), before, "nothing rolls by itself");

    task_set(&cluster, "update", &[green, "--scale", "100", "--wait"])?;
    task_set(&cluster, "set-primary", &[green])?;
    let refused = cluster.command(&["task-set", "delete", SERVICE, blue])?;
    assert!(refused.code == 1 && refused.stderr.contains("scaled above 0"), "{}", refused.stderr);
    task_set(&cluster, "update", &[blue, "--scale", "0"])?;
    task_set(&cluster, "delete", &[blue, "--wait"])?;
    let shown = ecs.service(SERVICE).await?;
    let sets: Vec<(&str, &str)> = shown.task_sets.iter().map(|set| (set.id(), set.status())).collect();
    assert_eq!(sets, [(green, "PRIMARY")]);
    assert!(shown.task_definition().ends_with("task-definition/shop:2"), "{shown:?}");
    let said = |part: &str| shown.events.iter().any(|event| event.message().contains(part));
    assert!(said(&format!("taskSet {green}) updated state to STEADY_STATE.")) && said("has reached a steady state."));

    // A task that dies comes back in its own task set.
    let victim = of(&ecs.tasks_of(SERVICE).await?, green).remove(0);
    run(&cluster, &["task", "stop", victim.task_arn()])?;
    wait::until("the green task set is whole again", SETTLE_MAX, async || {
        let tasks = of(&ecs.tasks_of(SERVICE).await?, green);
        let running = tasks.iter().filter(|task| task.last_status() == "RUNNING").count();
        ensure!(running == 3 && tasks.iter().all(|task| task.task_arn() != victim.task_arn()), "{running} run");
        Ok(())
    })
    .await?;

    run(&cluster, &["service", "delete", SERVICE, "--force"])?;
    wait::until("the service is INACTIVE", SETTLE_MAX, async || {
        let shown = ecs.service(SERVICE).await?;
        ensure!(shown.status() == "INACTIVE", "{} {}", shown.status(), shown.running_count());
        Ok(())
    })
    .await?;
    cluster.finish().await
}
