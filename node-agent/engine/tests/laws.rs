//! Laws that hold whatever the order of inputs: random tasks, late, doubled and failing results, restarts of the agent,
//! sessions that come and go.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod world;

use std::collections::BTreeMap;

use drydock_engine::{FailureKind, Input, ObservedState, RuntimeError, RuntimeOp};
use drydock_model::status::{ContainerStatus, TaskStatus};
use drydock_proto::agent::Report;
use drydock_proto::ecs::ContainerCondition;
use proptest::prelude::*;
use world::{Mischief, START, World, arn};

/// Small and seeded: the same seed does the same mischief.
struct Seeded {
    state: u64,
    /// Failures that may still happen.
    failures: u32,
    delay_max_ms: u64,
}

impl Seeded {
    fn next(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below.max(1)
    }
}

impl Mischief for Seeded {
    fn delay_ms(&mut self) -> u64 {
        let max = self.delay_max_ms;
        if self.next(3) == 0 { self.next(max) } else { 0 }
    }

    fn fails(&mut self, op: &RuntimeOp) -> Option<RuntimeError> {
        if self.failures == 0 || self.next(6) != 0 {
            return None;
        }
        self.failures -= 1;
        let kind = match (self.next(4), op) {
            (0, _) => FailureKind::Failed,
            (1, RuntimeOp::Pull(_)) => FailureKind::Transient,
            _ => FailureKind::Unavailable,
        };
        Some(RuntimeError { kind, message: "mischief".into() })
    }

    fn twice(&mut self) -> bool {
        self.next(4) == 0
    }
}

#[derive(Debug, Clone)]
enum Act {
    Assign(usize),
    Stop(usize),
    Wait(u64),
    Restart(bool),
    Session(bool),
    Resync,
    SameManifest,
}

const DEFINITIONS: [&str; 7] = [
    "app",
    "app<init:SUCCESS init!{run-for-ms=300}",
    "app<init:SUCCESS,db:HEALTHY init!{run-for-ms=50,exit-code=1} db{hc,healthy-after-ms=500}",
    "network=awsvpc app<db:HEALTHY db{hc,healthy-after-ms=500,unhealthy-after-ms=900} log!{run-for-ms=700}",
    "app{run-for-ms=1500,exit-code=2} side<app:START{stop-ms=40000}",
    "app<job:COMPLETE{pull-ms=400} job!{kill-after-ms=600} last<app:START{start-error=no}",
    "app{restart=0,run-for-ms=900} side<app:START",
];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..DEFINITIONS.len()).prop_map(Act::Assign),
        3 => (0..6usize).prop_map(Act::Stop),
        6 => (1..3_000u64).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(Act::Restart),
        2 => any::<bool>().prop_map(Act::Session),
        1 => Just(Act::Resync),
        1 => Just(Act::SameManifest),
    ];
    prop::collection::vec(act, 1..25)
}

fn act(world: &mut World<Seeded>, what: &Act, tasks: &mut Vec<(String, usize)>) {
    match what {
        Act::Assign(which) => {
            let task = format!("t{}", tasks.len());
            world.assign(&task, DEFINITIONS[*which]);
            tasks.push((task, *which));
        }
        Act::Stop(which) => {
            if let Some((task, _)) = tasks.get(*which) {
                world.desire_stop(task);
            }
        }
        Act::Wait(ms) => {
            let until = world.now - START + ms;
            world.run_until(until);
        }
        Act::Restart(with_journal) => world.restart(*with_journal),
        Act::Session(true) => world.input(Input::SessionOpened),
        Act::Session(false) => world.input(Input::SessionClosed),
        Act::Resync => world.input(Input::Resync),
        Act::SameManifest => world.send_manifest(),
    }
    let twice = world.engine.step(Input::Tick, world.now);
    assert!(twice.is_empty(), "a step with nothing new: {twice:?}");
}

/// No container starts before what it depends on has happened.
fn check_starts(world: &World<Seeded>, tasks: &[(String, usize)]) {
    for (task, which) in tasks {
        let definition = world::definition("", DEFINITIONS[*which]);
        let rows: BTreeMap<&str, _> = world
            .table
            .rows()
            .filter(|row| row.task_arn == arn(task))
            .map(|row| (row.container.as_str(), row))
            .collect();
        for container in &definition.container_definitions {
            let Some(row) = rows.get(container.name()) else { continue };
            let Some(told) = world.first_starts.get(&row.runtime_id).copied() else { continue };
            for dependency in &container.depends_on {
                let target = rows[dependency.container_name()];
                let since = world.first_starts[&target.runtime_id];
                assert!(since <= told, "{task}: {} before {}", container.name(), target.container);
                let seen = target.observe(told);
                let exited = matches!(seen.state, ObservedState::Exited { .. });
                match dependency.condition() {
                    ContainerCondition::Complete => assert!(exited, "{task} {}", container.name()),
                    ContainerCondition::Success => {
                        assert!(matches!(seen.state, ObservedState::Exited { exit_code: Some(0), .. }), "{task}");
                    }
                    ContainerCondition::Healthy => assert!(since + 500 <= told, "{task} {}", container.name()),
                    _ => {}
                }
            }
        }
    }
}

fn status(report: &Report) -> TaskStatus {
    report.last_status.parse().unwrap()
}

/// Statuses never go back, in the order of the sequences.
fn check_reports(world: &World<Seeded>) {
    for reports in world.reports.values() {
        let mut ordered: Vec<&Report> = reports.iter().collect();
        ordered.sort_by_key(|report| report.sequence);
        for two in ordered.windows(2) {
            let (before, after) = (two[0], two[1]);
            if before.sequence == after.sequence {
                assert_eq!(before, after, "one sequence, one report");
                continue;
            }
            assert!(status(before) <= status(after), "{before:?}\n{after:?}");
            assert_ne!(status(before), TaskStatus::Stopped, "something after STOPPED: {after:?}");
            for (one, other) in before.containers.iter().zip(&after.containers) {
                let [one, other] = [one, other].map(|seen| seen.last_status.parse::<ContainerStatus>().unwrap());
                assert!(one <= other, "{before:?}\n{after:?}");
            }
        }
    }
}

fn run(acts: &[Act], seed: u64, failures: u32, delay_max_ms: u64) {
    let mischief = Seeded { state: seed | 1, failures, delay_max_ms };
    let mut world = World::with(mischief);
    let mut tasks = Vec::new();
    for what in acts {
        act(&mut world, what, &mut tasks);
        check_starts(&world, &tasks);
        check_reports(&world);
    }
    // From here on nothing fails; all are to stop and must.
    world.mischief.failures = 0;
    world.mischief.delay_max_ms = 1;
    world.input(Input::SessionOpened);
    for (task, _) in &tasks {
        world.desire_stop(task);
    }
    let until = world.now - START + 40 * 60_000;
    world.run_until(until);
    check_reports(&world);
    for (task, _) in &tasks {
        assert_eq!(world.last_report(task).last_status, "STOPPED", "{task}");
    }
    // The controllers take them off the manifest; in the end nothing is left.
    world.manifest.clear();
    world.send_manifest();
    let until = world.now - START + 60 * 60_000;
    world.run_until(until);
    assert_eq!(world.table.rows().count(), 0, "containers are left");
    assert!(world.journal.tasks.is_empty() && world.journal.reports.is_empty() && world.journal.definitions.is_empty());
    assert_eq!(world.engine.statuses().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    // rule: 2.1/states-in-order, 2.1/agent-container-states
    #[test]
    fn laws_without_restarts_of_the_agent(acts in acts(), seed in any::<u64>(), failures in 0..20u32, delay in 1..40_000u64) {
        let acts: Vec<Act> = acts.into_iter().filter(|act| !matches!(act, Act::Restart(_))).collect();
        run(&acts, seed, failures, delay);
    }

    #[test]
    fn laws_with_restarts_of_the_agent(acts in acts(), seed in any::<u64>(), failures in 0..20u32, delay in 1..40_000u64) {
        // Without its journal an agent may tell less than it did before (it knows what the runtime knows), so here it
        // keeps it.
        let acts: Vec<Act> = acts
            .into_iter()
            .map(|act| if matches!(act, Act::Restart(_)) { Act::Restart(true) } else { act })
            .collect();
        run(&acts, seed, failures, delay);
    }
}
