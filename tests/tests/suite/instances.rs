//! Container instances that come and go under services: a DAEMON follows them, and one that drains is emptied within the
//! bounds of its services.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;

use crate::{identities, says, web};

const SERVICE: &str = "web";

fn run(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let ran = cluster.command(arguments)?;
    ensure!(ran.code == 0, "{arguments:?}: {}", ran.stderr);
    Ok(ran.stdout)
}

/// Waits until the service wants and has `count` tasks that RUN, each on an instance of its own.
async fn one_on_each_of(ecs: &Ecs, count: usize) -> Result<Vec<ecs::Task>> {
    let what = format!("one task on each of {count} instances");
    let found = wait::until(&what, SETTLE_MAX, async || {
        let (service, tasks) = (ecs.service(SERVICE).await?, ecs.tasks_of(SERVICE).await?);
        let instances: BTreeSet<&str> = tasks.iter().map(|task| task.container_instance_arn()).collect();
        let running = tasks.iter().filter(|task| task.last_status() == "RUNNING").count();
        let counts = (tasks.len(), running, instances.len(), usize::try_from(service.desired_count())?);
        ensure!(counts == (count, count, count, count), "(tasks, running, instances, desired) {counts:?}");
        Ok(tasks)
    });
    Ok(found.await?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_follows_instances_in_and_out() -> Result<()> {
    let options = Options { instances: 2, instance_lost_after_ms: Some(1_000), ..Options::default() };
    let mut cluster = Cluster::start(options).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&web(SERVICE, "nginx:1")).await?;
    run(&cluster, &["service", "create", SERVICE, "-t", "web:1", "--scheduling-strategy", "DAEMON", "--wait"])?;
    let first = one_on_each_of(&ecs, 2).await?;

    cluster.add_agent()?.start()?;
    let three = one_on_each_of(&ecs, 3).await?;
    assert!(identities(&three).is_superset(&identities(&first)), "a task was touched where nothing changed");

    let drained = first[0].container_instance_arn().to_owned();
    run(&cluster, &["container-instance", "drain", &drained])?;
    let rest = one_on_each_of(&ecs, 2).await?;
    assert!(rest.iter().all(|task| task.container_instance_arn() != drained), "{rest:?}");
    assert!(identities(&three).is_superset(&identities(&rest)), "a task was touched where nothing changed");
    ecs.stable(SERVICE).await?;
    run(&cluster, &["container-instance", "activate", &drained])?;
    one_on_each_of(&ecs, 3).await?;

    cluster.agents[2].kill()?;
    let left = one_on_each_of(&ecs, 2).await?;
    ecs.stable(SERVICE).await?;
    cluster.agents[2].start()?;
    let back = one_on_each_of(&ecs, 3).await?;
    assert!(identities(&back).is_superset(&identities(&left)), "a task was touched where nothing changed");
    cluster.finish().await
}

fn before_its_end(last_status: &str) -> bool {
    ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"].contains(&last_status)
}

/// Tasks of the service that are RUNNING or before it, whatever they are told to become: what maximumPercent bounds.
async fn present(ecs: &Ecs) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for desired in [ecs::DesiredStatus::Running, ecs::DesiredStatus::Stopped] {
        let tasks = ecs.tasks(&ecs.task_arns(Some(SERVICE), desired).await?).await?;
        let live = tasks.into_iter().filter(|task| before_its_end(task.last_status()));
        found.extend(live.map(|task| task.task_arn().to_owned()));
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_drains_is_emptied_within_the_bounds() -> Result<()> {
    let cluster = Cluster::start(Options::default()).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&web(SERVICE, "nginx:1")).await?;
    let bounds = |min: &'static str, max: &'static str| ["--minimum-healthy-percent", min, "--maximum-percent", max];
    let create = ["service", "create", SERVICE, "-t", "web:1", "-n", "6", "--wait"];
    run(&cluster, &[&create[..], &bounds("90", "110")].concat())?;
    let tasks = ecs.tasks_of(SERVICE).await?;
    let before = identities(&tasks);
    let drained = tasks[0].container_instance_arn().to_owned();

    // 90 percent of 6 are 6 once rounded, and so are 110: neither may stop first nor another start first. It says so, and
    // nothing happens.
    run(&cluster, &["container-instance", "drain", &drained])?;
    let parts = [
        "2 tasks on instances that take no tasks any more, until others are healthy.",
        "maximumPercent allows 6 tasks, and minimumHealthyPercent keeps 6 healthy",
    ];
    says(&cluster, &["service", "explain", SERVICE], &parts).await?;
    assert_eq!(identities(&ecs.tasks_of(SERVICE).await?), before);

    // 5 to 7 of 6.
    run(&cluster, &[&["service", "update", SERVICE][..], &bounds("80", "120")].concat())?;
    wait::holds("the instance is empty", SETTLE_MAX, async || {
        let there = present(&ecs).await?;
        assert!(there.len() <= 7, "more than maximumPercent allows: {there:?}");
        // One answer of one moment.
        let running = ecs.service(SERVICE).await?.running_count();
        assert!(running >= 5, "fewer than minimumHealthyPercent asks for: {running}");
        let tasks = ecs.tasks_of(SERVICE).await?;
        let left = tasks.iter().filter(|task| task.container_instance_arn() == drained).count();
        ensure!(left == 0 && running == 6, "{left} are still there, {running} are RUNNING");
        Ok(())
    })
    .await?;
    ecs.stable(SERVICE).await?;
    let shown = run(&cluster, &["container-instance", "describe", &drained, "-o", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown).with_context(|| shown.clone())?;
    let instance = &shown["containerInstances"][0];
    assert_eq!((&instance["status"], &instance["runningTasksCount"]), (&"DRAINING".into(), &0.into()), "{shown:#}");
    says(&cluster, &["service", "explain", SERVICE], &["It is in steady state"]).await?;
    cluster.finish().await
}
