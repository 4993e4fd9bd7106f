//! Names of an account that isn't here, over AWS's wire and with the command: subnets get zones, and keep them when all
//! controllers start again; with `--strict` only described ones are taken.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::aws_port::{call, done};
use drydock_tests::cluster::{Cluster, Options};
use serde_json::{Value, json};

use crate::says;

const SUBNETS: [&str; 3] = ["subnet-0a", "subnet-0b", "subnet-0c"];

fn run(subnet: &str) -> Value {
    json!({ "taskDefinition": "job", "launchType": "FARGATE",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": [subnet], "securityGroups": ["sg-1"] } } })
}

/// The zone of a task that is started in a subnet, which its attachment must name.
fn zone(address: &str, subnet: &str) -> Result<String> {
    let task = done(address, "RunTask", &run(subnet))?["tasks"][0].clone();
    ensure!(task["attachments"][0]["details"][0]["value"] == subnet, "{task}");
    Ok(task["availabilityZone"].as_str().context("a zone")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_keep_their_zones_and_strict_takes_described_ones_alone() -> Result<()> {
    let mut cluster = Cluster::start(Options::default()).await?;
    let leader = cluster.leader().await?;
    let address = cluster.controllers[leader].aws_address.clone();
    let definition = json!({ "family": "job", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "containerDefinitions": [{ "name": "main", "image": "busybox", "essential": true }] });
    done(&address, "RegisterTaskDefinition", &definition)?;
    let zones = |address: &str| -> Result<BTreeMap<&str, String>> {
        SUBNETS.iter().map(|subnet| Ok((*subnet, zone(address, subnet)?))).collect()
    };
    let before = zones(&address)?;
    let expected: Vec<(&str, String)> =
        SUBNETS.iter().zip(["a", "b", "c"]).map(|(subnet, letter)| (*subnet, format!("us-east-1{letter}"))).collect();
    assert_eq!(before.clone().into_iter().collect::<Vec<_>>(), expected);

    for controller in &mut cluster.controllers {
        controller.kill()?;
    }
    cluster.start_all()?;
    cluster.ready().await?;
    assert_eq!(zones(&address)?, before, "all controllers started again");
    says(&cluster, &["names", "show"], &["subnet-0b  us-east-1b  assigned"]).await?;

    let file = cluster.folder().join("names.yaml");
    std::fs::write(
        &file,
        "subnets:\n- { id: subnet-0a, availabilityZone: us-east-1c }\nsecurityGroups: [sg-1]\nroles: []\n",
    )?;
    let file = file.to_str().context("a path")?;
    let ran = cluster.command(&["names", "put", "--file", file, "--strict"])?;
    ensure!(ran.code == 0, "{}", ran.stderr);
    assert_eq!(zone(&address, "subnet-0a")?, "us-east-1c");
    let refused = call(&address, "RunTask", &run("subnet-0b"))?;
    let text = "Error retrieving subnet information for [subnet-0b]: The subnet ID 'subnet-0b' does not exist \
                (ErrorCode: InvalidSubnetID.NotFound)";
    assert_eq!((refused.status, refused.json()?["message"].as_str()), (400, Some(text)));

    std::fs::write(file, "subnets:\n- { id: subnet-0a, zone: us-east-1c }\n")?;
    let ran = cluster.command(&["names", "put", "--file", file])?;
    ensure!(ran.code == 2 && ran.stderr.contains("zone"), "an unknown member is told: {}", ran.stderr);
    cluster.finish().await
}
