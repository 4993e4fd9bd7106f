//! A zone that is lost and comes back: its tasks are replaced in the others, and the service is rebalanced by itself.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;

use crate::{says, web};

const SERVICE: &str = "web";
const DESIRED: usize = 6;

/// Two agents in each of three zones, which the harness gives them in turn.
const AGENTS: usize = 6;

/// The zone that is lost, by its place among the zones.
const LOST: usize = 2;

/// `N in ZONE, …` of the tasks that are RUNNING and are to stay so.
fn zones(tasks: &[ecs::Task]) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.last_status() == "RUNNING" && task.desired_status() == "RUNNING") {
        *counts.entry(task.availability_zone().trim_start_matches("us-east-1")).or_default() += 1;
    }
    let words: Vec<String> = counts.iter().map(|(zone, count)| format!("{count} in {zone}")).collect();
    words.join(", ")
}

async fn come_to(ecs: &Ecs, expected: &str) -> Result<()> {
    wait::until(&format!("tasks are {expected}"), SETTLE_MAX, async || {
        let found = zones(&ecs.tasks_of(SERVICE).await?);
        ensure!(found == expected, "they are {found}");
        Ok(())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_comes_back_gets_its_share_of_the_tasks() -> Result<()> {
    let options = Options { instances: AGENTS, instance_lost_after_ms: Some(1_000), ..Options::default() };
    let mut cluster = Cluster::start(options).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    ecs.register(&web(SERVICE, "nginx:1")).await?;
    let count = DESIRED.to_string();
    let create = ["service", "create", SERVICE, "-t", "web:1", "-n", &count, "--wait"];
    let ran = cluster.command(&[&create[..], &["--availability-zone-rebalancing", "ENABLED"]].concat())?;
    ensure!(ran.code == 0, "{}", ran.stderr);
    come_to(&ecs, "2 in a, 2 in b, 2 in c").await?;

    for agent in cluster.agents.iter_mut().skip(LOST).step_by(3) {
        agent.kill()?;
    }
    come_to(&ecs, "3 in a, 3 in b").await?;
    ecs.stable(SERVICE).await?;
    let ran = cluster.command(&["service", "explain", SERVICE])?;
    ensure!(!ran.stdout.contains("balanced"), "two zones are there, and even: {}", ran.stdout);

    for agent in cluster.agents.iter_mut().skip(LOST).step_by(3) {
        agent.start()?;
    }
    let mut fewest = DESIRED;
    wait::holds("the zone has its share again", SETTLE_MAX, async || {
        let tasks = ecs.tasks_of(SERVICE).await?;
        fewest = fewest.min(tasks.iter().filter(|task| task.last_status() == "RUNNING").count());
        let found = zones(&tasks);
        ensure!(found == "2 in a, 2 in b, 2 in c", "they are {found}");
        Ok(())
    })
    .await?;
    assert_eq!(fewest, DESIRED, "never fewer than desired were RUNNING");
    says(
        &cluster,
        &["service", "events", SERVICE],
        &[
            "is not AZ balanced with 3 tasks in us-east-1a, 3 in us-east-1b, and 0 in us-east-1c. AZ Rebalancing in progress.",
            "has started 2 tasks in us-east-1c to AZ Rebalance: (task ",
            "has stopped 1 running tasks in us-east-1a due to AZ rebalancing: (task ",
            "has stopped 1 running tasks in us-east-1b due to AZ rebalancing: (task ",
            "is AZ balanced with 2 tasks in us-east-1a, 2 tasks in us-east-1b, and 2 tasks in us-east-1c.",
        ],
    )
    .await?;
    ecs.stable(SERVICE).await?;
    cluster.finish().await
}
