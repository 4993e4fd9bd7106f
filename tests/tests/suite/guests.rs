//! Fargate in a cluster that no agent has joined, as a script makes it that creates a cluster of its own: the agents of
//! `default` run its tasks, through their own and the leader's death.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::aws_port::done;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::SETTLE_MAX;
use drydock_tests::wait;
use serde_json::{Value, json};

/// Waits until the service has `count` tasks and all are RUNNING; gives each with its container and its start.
async fn running(address: &str, count: usize) -> Result<BTreeSet<String>> {
    let what = format!("{count} tasks are RUNNING");
    let found = wait::until(&what, SETTLE_MAX, async || {
        let listed = done(address, "ListTasks", &json!({ "cluster": "app", "serviceName": "web" }))?;
        let arns = listed["taskArns"].as_array().context("ARNs")?.clone();
        ensure!(arns.len() == count, "{listed}");
        if count == 0 {
            return Ok(BTreeSet::new());
        }
        let tasks = done(address, "DescribeTasks", &json!({ "cluster": "app", "tasks": arns }))?;
        let tasks: Vec<Value> = tasks["tasks"].as_array().context("tasks")?.clone();
        ensure!(tasks.iter().all(|task| task["lastStatus"] == "RUNNING"), "{tasks:?}");
        let of =
            |task: &Value| format!("{} {} {}", task["taskArn"], task["containers"][0]["runtimeId"], task["startedAt"]);
        Ok(tasks.iter().map(of).collect())
    });
    Ok(found.await?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_agents_runs_on_fargate() -> Result<()> {
    let mut cluster = Cluster::start(Options::default()).await?;
    let leader = cluster.leader().await?;
    let address = cluster.controllers[(leader + 1) % 3].aws_address.clone();
    done(&address, "CreateCluster", &json!({ "clusterName": "app" }))?;
    let definition = json!({ "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "containerDefinitions": [{ "name": "main", "image": "busybox", "essential": true }] });
    done(&address, "RegisterTaskDefinition", &definition)?;
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1", "subnet-2", "subnet-3"] } });
    let service = json!({ "cluster": "app", "serviceName": "web", "taskDefinition": "web", "desiredCount": 3,
        "launchType": "FARGATE", "networkConfiguration": network });
    done(&address, "CreateService", &service)?;
    let before = running(&address, 3).await?;
    let instances = done(&address, "ListContainerInstances", &json!({ "cluster": "app" }))?;
    assert_eq!(instances["containerInstanceArns"], json!([]), "nobody is told of the hosts");

    for agent in &mut cluster.agents {
        agent.kill()?;
    }
    cluster.controllers[leader].kill()?;
    cluster.start_all()?;
    cluster.ready().await?;
    assert_eq!(running(&address, 3).await?, before, "agents and leader came back, and nothing was started anew");

    let task = before.first().and_then(|one| one.split('"').nth(1)).context("a task")?.to_owned();
    let logs = cluster.command(&["logs", "--cluster", "app", &task])?;
    ensure!(logs.code == 0, "{}", logs.stderr);
    done(&address, "StopTask", &json!({ "cluster": "app", "task": task }))?;
    let after = wait::until("another takes its place", SETTLE_MAX, async || {
        let after = running(&address, 3).await?;
        ensure!(after != before, "not yet");
        Ok(after)
    })
    .await?
    .0;
    assert_eq!(after.intersection(&before).count(), 2, "the others run on");
    let update = json!({ "cluster": "app", "service": "web", "desiredCount": 0 });
    done(&address, "UpdateService", &update)?;
    running(&address, 0).await?;
    cluster.finish().await
}
