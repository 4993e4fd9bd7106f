//! Suites over real processes: every test starts controllers and agents of the `drydock` program, with real disks and
//! sockets, and ends them. One cluster runs at a time (`drydock_tests::stage`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod aws;
mod breaker;
mod catch_up;
mod connections;
mod containers;
mod credentials;
mod definitions;
mod deployments;
mod documents;
mod durability;
mod explain;
mod files;
mod fleets;
mod guests;
mod instances;
mod lifecycle;
mod membership;
mod metrics;
mod names;
mod pagination;
mod requests;
mod simulate;
mod task_sets;
mod zones;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::Cluster;
use drydock_tests::ecs_client::SETTLE_MAX;
use drydock_tests::wait;
use serde_json::{Value, json};

/// Whether a program of somebody else's is there to test with.
fn is_installed(program: &str) -> bool {
    let asked = std::process::Command::new(program).arg("--version").output();
    asked.is_ok_and(|output| output.status.success())
}

/// A task definition of one container that runs until it is stopped.
fn web(family: &str, image: &str) -> Value {
    json!({
        "family": family,
        "containerDefinitions": [{ "name": "web", "image": image, "cpu": 64, "memory": 64, "essential": true }]
    })
}

/// Waits until what a command says holds all of `parts`.
async fn says(cluster: &Cluster, arguments: &[&str], parts: &[&str]) -> Result<String> {
    let what = arguments.join(" ");
    let said = wait::until(&what, SETTLE_MAX, async || {
        let ran = cluster.command(arguments)?;
        let all = format!("{}{}", ran.stdout, ran.stderr);
        let missing = parts.iter().find(|part| !all.contains(**part));
        ensure!(missing.is_none(), "no {missing:?} in:\n{all}");
        Ok(all)
    });
    Ok(said.await?.0)
}

/// Task, container and start of each: what must not change while nobody asks for it.
fn identities(tasks: &[ecs::Task]) -> BTreeSet<String> {
    let of = |task: &ecs::Task| {
        let ids: Vec<&str> = task.containers.iter().map(ecs::Container::runtime_id).collect();
        format!("{} {} {ids:?} {:?}", task.task_arn(), task.last_status(), task.started_at)
    };
    tasks.iter().map(of).collect()
}
