//! Suites over real processes: every test starts controllers and agents of the `drydock` program, with real disks and
//! sockets, and ends them. One cluster runs at a time (`drydock_tests::stage`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod catch_up;
mod containers;
mod definitions;
mod deployments;
mod documents;
mod durability;
mod explain;
mod files;
mod lifecycle;
mod membership;
mod requests;
mod task_sets;
mod zones;

use std::collections::BTreeSet;

use drydock_proto::ecs;
use serde_json::{Value, json};

/// A task definition of one container that runs until it is stopped.
fn web(family: &str, image: &str) -> Value {
    json!({
        "family": family,
        "containerDefinitions": [{ "name": "web", "image": image, "cpu": 64, "memory": 64, "essential": true }]
    })
}

/// Task, container and start of each: what must not change while nobody asks for it.
fn identities(tasks: &[ecs::Task]) -> BTreeSet<String> {
    let of = |task: &ecs::Task| {
        let ids: Vec<&str> = task.containers.iter().map(ecs::Container::runtime_id).collect();
        format!("{} {} {ids:?} {:?}", task.task_arn(), task.last_status(), task.started_at)
    };
    tasks.iter().map(of).collect()
}
