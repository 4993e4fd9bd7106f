//! What apply costs. Ignored: it measures, and a busy machine would fail it. Run it with
//! `cargo test -p drydock-state --release --test cost -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a measurement reads the CPU time and prints"
)]

mod common;

use std::sync::Arc;

use common::{World, definition};
use drydock_model::resources::Available;
use drydock_model::status::TaskStatus;
use drydock_proto::ecs;
use drydock_state::{Command, Outcome, codec};

const INSTANCES: u32 = 1_000;

fn world(tasks: usize) -> World {
    let mut world = World::default();
    world.cluster("default");
    world.apply(Command::RegisterTaskDefinition(Box::new(definition("web", 1, 6))));
    for at in 0..INSTANCES {
        let capacity = Available { cpu: 10_000_000, memory_mib: 100_000_000, ..Available::default() };
        world.join(&format!("i{at}"), capacity, "a");
    }
    let keys: Vec<u128> = world.instances.values().map(|key| key.id).collect();
    let mut index = world.state.applied_index();
    for at in 0..tasks {
        index += 1;
        let envelope = world.envelope(run(keys[at % keys.len()]));
        let applied = world.state.apply(index, world.term, &drydock_state::Envelope { seed: at as u128, ..envelope });
        assert!(matches!(applied.unwrap().outcome, Outcome::Tasks(..)));
    }
    world
}

fn run(instance: u128) -> Command {
    use drydock_state::command::{Placement, RunTask};
    let request = ecs::RunTaskRequest { task_definition: Some("web:1".into()), ..Default::default() };
    Command::RunTask(Box::new(RunTask { request, placements: vec![Placement::On(instance)] }))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

/// Nanoseconds that this thread was on a CPU: what others do on the machine doesn't count.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or_default()
}

fn measure(name: &str, world: &mut World, commands: Vec<Command>) {
    let entries: Vec<Vec<u8>> = commands
        .into_iter()
        .enumerate()
        .map(|(at, command)| {
            let envelope = world.envelope(command);
            codec::encode(&drydock_state::Envelope { seed: (1 << 100) + at as u128, ..envelope }).unwrap()
        })
        .collect();
    let bytes = entries.iter().map(Vec::len).sum::<usize>() / entries.len();
    for published in [false, true] {
        let mut state = world.state.clone();
        let mut version = Arc::new(state.clone());
        let start = cpu_ns();
        for (at, bytes) in entries.iter().enumerate() {
            let index = world.state.applied_index() + 1 + at as u64;
            state.apply_bytes(index, world.term, bytes).unwrap();
            if published {
                version = Arc::new(state.clone());
            }
        }
        let each = (cpu_ns() - start) / entries.len() as u64;
        drop(version);
        println!("{name}: {each} ns each, {bytes} bytes of log, a version published after each: {published}");
    }
}

#[test]
#[ignore = "a measurement"]
fn cost_of_apply() {
    for tasks in [10_000, 200_000] {
        let before = resident_kib();
        let mut world = world(tasks);
        let after = resident_kib();
        println!("{tasks} tasks: {} bytes each", (after - before) * 1024 / tasks as u64);
        let keys: Vec<u128> = world.instances.values().map(|key| key.id).collect();
        let live: Vec<_> = world.state.all_tasks().map(|row| row.key).collect();
        let count = 5_000;
        let cluster = |at: usize| {
            let cluster_name = Some(format!("c{at}"));
            Command::CreateCluster(Box::new(ecs::CreateClusterRequest { cluster_name, ..Default::default() }))
        };
        measure("CreateCluster", &mut world, (0..count).map(cluster).collect());
        let tag = |at: usize| {
            Command::TagResource(ecs::TagResourceRequest {
                resource_arn: Some("arn:aws:ecs:eu-west-1:123456789012:cluster/default".into()),
                tags: vec![ecs::Tag { key: Some("k".into()), value: Some(at.to_string()) }],
            })
        };
        measure("TagResource", &mut world, (0..count).map(tag).collect());
        let runs = (0..count).map(|at| run(keys[at % keys.len()])).collect();
        measure("RunTask of one", &mut world, runs);
        let reports = (0..count)
            .map(|at| Command::ReportStatuses(vec![world.report(live[at % live.len()], TaskStatus::Running)]))
            .collect();
        measure("ReportStatuses of one", &mut world, reports);
        let start = cpu_ns();
        let chunks: Vec<Vec<u8>> = world.state.export().collect();
        let bytes: usize = chunks.iter().map(Vec::len).sum();
        println!("export: {} ms, {} bytes a task", (cpu_ns() - start) / 1_000_000, bytes / tasks);
        let start = cpu_ns();
        assert_eq!(drydock_state::State::import(&chunks).unwrap().digest(), world.state.digest());
        println!("import: {} ms", (cpu_ns() - start) / 1_000_000);
    }
}
