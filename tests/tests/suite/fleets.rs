//! A pretended fleet: container instances of one process towards real controllers. It bears the leader's death and its own,
//! and the loss of one of its instances concerns that one alone.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::aws_port::done;
use drydock_tests::cluster::{CLUSTER, Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;
use serde_json::{Value, json};

use super::web;

/// Instances of the fleet: three zones, and more than begin to join at once.
const INSTANCES: usize = 120;
/// Tasks of the service, evenly spread.
const TASKS: i32 = 240;

/// The connected instances, each with its zone, once there are `count`.
async fn connected(address: &str, count: usize) -> Result<BTreeSet<(String, String)>> {
    let what = format!("{count} instances are connected");
    let found = wait::until(&what, SETTLE_MAX, async || {
        let mut found = BTreeSet::new();
        let mut token = Value::Null;
        loop {
            let page = done(address, "ListContainerInstances", &json!({ "cluster": CLUSTER, "nextToken": token }))?;
            let arns = page["containerInstanceArns"].clone();
            let described = done(
                address,
                "DescribeContainerInstances",
                &json!({ "cluster": CLUSTER, "containerInstances": arns }),
            )?;
            for one in described["containerInstances"].as_array().context("instances")? {
                let attributes = one["attributes"].as_array().context("attributes")?;
                let zone = attributes.iter().find(|of| of["name"] == "ecs.availability-zone").context("a zone")?;
                if one["agentConnected"] == true {
                    found.insert((one["containerInstanceArn"].to_string(), zone["value"].to_string()));
                }
            }
            token = page["nextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        ensure!(found.len() == count, "{}", found.len());
        Ok(found)
    });
    Ok(found.await?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_pretends_a_fleet() -> Result<()> {
    let fleet = Some(u32::try_from(INSTANCES)?);
    let mut cluster = Cluster::start(Options { instances: 1, fleet, ..Options::default() }).await?;
    let leader = cluster.leader().await?;
    let address = cluster.controllers[(leader + 1) % 3].aws_address.clone();
    let all = connected(&address, INSTANCES).await?;
    let zones: BTreeSet<&str> = all.iter().map(|(_, zone)| zone.as_str()).collect();
    assert_eq!(zones.len(), 3);
    for zone in zones {
        assert_eq!(all.iter().filter(|(_, of)| of == zone).count(), INSTANCES / 3, "{zone}");
    }

    let client = Ecs { apis: cluster.apis()? };
    let definition = client.register(&web("web", "web:1")).await?;
    client.create_service("web", &definition, TASKS).await?;
    client.stable("web").await?;
    let tasks: BTreeSet<_> = client.tasks_of("web").await?.into_iter().map(|task| task.task_arn).collect();

    cluster.agents[0].kill()?;
    cluster.controllers[leader].kill()?;
    cluster.start_all()?;
    assert_eq!(connected(&address, INSTANCES).await?, all, "the same instances come back");
    client.stable("web").await?;
    let after: BTreeSet<_> = client.tasks_of("web").await?.into_iter().map(|task| task.task_arn).collect();
    assert_eq!(after, tasks, "and go on with the tasks that they were given");

    let (lost, _) = all.first().context("an instance")?;
    let lost = lost.trim_matches('"');
    done(
        &address,
        "DeregisterContainerInstance",
        &json!({ "cluster": CLUSTER, "containerInstance": lost, "force": true }),
    )?;
    let left = connected(&address, INSTANCES - 1).await?;
    assert!(left.is_subset(&all), "nobody joins in its place");
    client.stable("web").await?;
    assert!(cluster.agents[0].process()?.is_running(), "the others run on");

    cluster.agents[0].kill()?;
    cluster.start_all()?;
    let renewed = connected(&address, INSTANCES).await?;
    assert_eq!(renewed.intersection(&all).count(), INSTANCES - 1, "another one has joined in the place of the lost");
    client.stable("web").await?;
    cluster.finish().await
}
