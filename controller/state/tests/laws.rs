//! Laws that hold after any commands in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::World;
use common::script::{check_replay, step};
use drydock_model::billing::Usage;
use drydock_model::status::{DesiredStatus, TaskStatus};
use drydock_state::row::{CostKey, InstanceRow, TaskRow};
use drydock_state::{Event, EventKind, InstanceKey, State, TaskKey};
use drydock_state::{TASK_SETS_MAX, billing};
use proptest::prelude::*;

/// A line of a script, with numbers that are turned into what there is then.
fn fill(world: &World, template: &str, a: usize, b: usize) -> Option<String> {
    let instances: Vec<&String> = world.instances.keys().collect();
    let task = |at: usize| (!world.tasks.is_empty()).then(|| format!("t{}", at % world.tasks.len() + 1));
    let instance = |at: usize| (!instances.is_empty()).then(|| instances[at % instances.len()].clone());
    let id = world.state.scope_id(&common::scope())?;
    let cluster = world.state.cluster_by_name(id, "default")?.id;
    let services: Vec<String> = world.state.services(cluster, None).map(|row| row.name.to_string()).collect();
    let mut line = template.to_owned();
    for (mark, value) in [
        ("{t}", task(a)),
        ("{u}", task(b)),
        ("{i}", instance(a)),
        ("{j}", instance(b)),
        ("{s}", (!services.is_empty()).then(|| services[a % services.len()].clone())),
        ("{n}", Some((b % 5).to_string())),
        ("{p}", Some((b % 101).to_string())),
        ("{ts}", (!world.task_sets.is_empty()).then(|| format!("s{}", b % world.task_sets.len() + 1))),
        ("{name}", Some(["x", "y", "z"][a % 3].to_owned())),
        ("{family}", Some(["web", "ported", "big"][b % 3].to_owned())),
    ] {
        if line.contains(mark) {
            line = line.replace(mark, &value?);
        }
    }
    Some(line)
}

const TEMPLATES: &[&str] = &[
    "register {family} cpu=200",
    "register ported cpu=100 port=8080",
    "register big cpu=900 sidecar",
    "deregister-td {family}:{n}",
    "delete-td {family}:{n}",
    "join {name} cpu=1024",
    "join {name} cpu=600 zone=b",
    "connect {i}",
    "disconnect {i}",
    "drain {i}",
    "activate {i}",
    "deregister {i}",
    "deregister {i} force",
    "run {family} on={i}",
    "run {family} on={i},{j}",
    "run {family} on={i},nowhere token={name}",
    "start {family} on={i},{j},nowhere",
    "stop {t}",
    "report {t} PENDING",
    "report {t} ACTIVATING",
    "report {t} RUNNING",
    "report {t},{u} RUNNING health=HEALTHY",
    "report {t} STOPPING",
    "report {t} STOPPED exit={n}",
    "report {t} STOPPED seq={n}",
    "report {t} RUNNING from={i}",
    "service {name} td={family} desired={n}",
    "service {name} td={family} desired={n} token={name}",
    "update {s} desired={n}",
    "update {s} td={family}",
    "update {s} force",
    "delete {s}",
    "delete {s} force",
    "external {name} desired={n}",
    "task-set {s} td={family} scale={p}",
    "task-set {s} td={family} scale={p} token={name}",
    "scale-set {s} {ts} {p}",
    "primary {s} {ts}",
    "delete-set {s} {ts}",
    "delete-set {s} {ts} force",
    "plan create {s} on={j} set={ts}",
    "plan create {s} on={j} set={ts}",
    "plan set {ts} steady",
    "plan set {ts} drained",
    "plan create {s} on={j}",
    "plan create {s} on={j}",
    "plan create {s} on={j}",
    "plan stop {t}",
    "plan lost {t}",
    "plan lost {t} anyway",
    "plan inactive {s}",
    "plan event {s} has reached a steady state.",
    "plan deployment {s} rollout=COMPLETED status=SUCCESSFUL",
    "plan deployment {s} rollout=FAILED",
    "plan deployment {s} failed={n} version={n}",
    "reap",
    "later",
    "delete-cluster default",
    "create-cluster default",
];

/// What an instance has left is what it registered less what its tasks hold; a STOPPED task holds nothing.
fn check_resources(world: &World) {
    for row in world.state.all_instances() {
        let mut left = row.registered.clone();
        for task in world.state.all_tasks().filter(|task| task.instance_key() == Some(row.key) && !task.is_stopped()) {
            left.take(&task.launch.needs).expect("an instance holds no more than it has");
        }
        assert_eq!(left, row.remaining, "instance {}", row.key);
    }
}

/// Every task that hasn't ended and isn't simply running has a deadline, and so has every row that has ended.
fn check_ways_out(world: &World) {
    for task in world.state.all_tasks() {
        let steady = task.last_status == TaskStatus::Running && task.desired_status == DesiredStatus::Running;
        assert!(steady || task.deadline.is_some(), "task {task:?} waits for ever");
    }
    for row in world.state.all_services() {
        for deployment in world.state.deployments(row.key) {
            let times = [deployment.deadline, deployment.reap_at];
            assert!(times.iter().any(Option::is_some), "deployment {deployment:?} waits for ever");
        }
    }
}

/// Task sets share their service's tasks among them without remainder, and the primary one is one that is there.
fn check_task_sets(world: &World) {
    for row in world.state.all_services().filter(|row| row.is_external()) {
        let sets: Vec<_> = world.state.task_sets(row.key).collect();
        let live: u32 = sets.iter().map(|set| world.state.task_set_counts(set.key).live()).sum();
        assert_eq!(live, world.state.service_counts(row.key).live(), "each task belongs to one task set");
        assert!(sets.iter().filter(|set| set.is_shown()).count() <= TASK_SETS_MAX);
        let primary = sets.iter().find(|set| set.key.number == row.primary_deployment && !set.draining);
        let shown = primary.map_or((0, 0), |set| (set.key.number, set.revision));
        assert_eq!((row.primary_deployment, row.target_revision), shown, "{row:?}");
        let over = sets.iter().filter(|set| !set.is_shown());
        assert!(over.clone().all(|set| set.draining && world.state.task_set_counts(set.key).live() == 0));
    }
}

/// Nothing of a task goes back.
fn check_forward(old: &TaskRow, new: &TaskRow) {
    assert!(new.last_status >= old.last_status && new.desired_status >= old.desired_status);
    assert!(new.report_sequence >= old.report_sequence && new.version >= old.version);
    assert!(old.stop_code.is_none() || new.stop_code == old.stop_code, "the first stop code stays");
    assert!(old.times.stopped_at.is_none() || new.times == old.times, "a STOPPED task has no further times");
    if old.is_stopped() {
        assert_eq!(old, new, "a STOPPED task doesn't change");
    }
}

/// Each event of a task or an instance raises its version by one, and nothing else does (ecs-semantics §2.1).
fn check_versions(before: &State, world: &World, events: &[Event]) {
    let mut tasks: BTreeMap<TaskKey, u64> = before.all_tasks().map(|row| (row.key, row.version)).collect();
    let mut instances: BTreeMap<InstanceKey, u64> = before.all_instances().map(|row| (row.key, row.version)).collect();
    for event in events {
        let (version, now) = match &event.kind {
            EventKind::Task { task, .. } => (tasks.entry(task.key).or_default(), task.version),
            EventKind::Instance { instance, .. } => (instances.entry(instance.key).or_default(), instance.version),
            EventKind::ServiceAction { .. } | EventKind::Deployment { .. } | EventKind::Scaling(_) => continue,
        };
        assert_eq!(*version + 1, now, "{event:?}");
        *version = now;
    }
    for row in world.state.all_tasks() {
        assert_eq!(tasks.get(&row.key), Some(&row.version), "task {row:?} changed without an event");
    }
    for row in world.state.all_instances() {
        assert_eq!(instances.get(&row.key), Some(&row.version), "instance {row:?} changed without an event");
    }
}

/// What the tasks of each cluster and service used is what was collected and what is still there, exactly, and only grows.
#[derive(Default)]
struct Ledger(BTreeMap<CostKey, Usage>);

impl Ledger {
    fn check(&mut self, before: &State, world: &World) {
        let now = world.state.now();
        for row in before.all_tasks().filter(|row| world.state.task(row.key).is_none()) {
            let owner = row.service.map(|owner| CostKey::Service(owner.service));
            for key in std::iter::once(CostKey::Cluster(row.key.cluster)).chain(owner) {
                self.0.entry(key).or_default().add(&billing::usage_of_task(before, row, now));
            }
        }
        for service in world.state.all_services() {
            let tasks = world.state.all_tasks().filter(|row| row.service.is_some_and(|of| of.service == service.key));
            let mut sum = self.0.get(&CostKey::Service(service.key)).cloned().unwrap_or_default();
            tasks.for_each(|row| sum.add(&billing::usage_of_task(&world.state, row, now)));
            assert_eq!(sum, billing::usage_of_service(&world.state, service.key, now));
            if before.service(service.key).is_some() {
                let earlier = billing::usage_of_service(before, service.key, before.now());
                assert!(earlier.nano_dollars() <= sum.nano_dollars(), "money isn't given back");
            }
        }
    }
}

/// What an instance's event shows is told whenever it changes (ecs-semantics §2.6).
fn check_told(before: &State, world: &World, events: &[Event]) {
    for new in world.state.all_instances() {
        let Some(old) = before.instance(new.key) else { continue };
        let shown =
            |row: &InstanceRow| (row.remaining.clone(), row.registered.clone(), row.status, row.agent_connected);
        let told =
            |event: &Event| matches!(&event.kind, EventKind::Instance { instance, .. } if instance.key == new.key);
        assert!(shown(old) == shown(new) || events.iter().any(told), "{old:?} became {new:?} and nobody was told");
    }
}

fn run(ops: &[(usize, usize, usize)]) -> World {
    let mut world = World::default();
    world.cluster("default");
    for line in ["register web cpu=200", "register ported cpu=100 port=8080", "join x", "join y cpu=600 zone=b"] {
        step(&mut world, line);
    }
    let mut ledger = Ledger::default();
    for (template, a, b) in ops {
        let template = TEMPLATES[template % TEMPLATES.len()];
        if template == "later" {
            world.now += 1_000_000 * u64::try_from(a % 5).unwrap();
            continue;
        }
        let Some(line) = fill(&world, template, *a, *b) else { continue };
        let (before, heard) = (world.state.clone(), world.heard.len());
        step(&mut world, &line);
        for old in before.all_tasks() {
            match world.state.task(old.key) {
                Some(new) => check_forward(old, new),
                None => assert!(old.is_stopped(), "only STOPPED tasks are reaped"),
            }
        }
        check_resources(&world);
        check_ways_out(&world);
        check_versions(&before, &world, &world.heard[heard..]);
        check_told(&before, &world, &world.heard[heard..]);
        ledger.check(&before, &world);
        check_task_sets(&world);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    // rule: 2.1/version-counter, 2.6/events-dedup-by-version, 2.6/start-emits-both
    #[test]
    fn laws_hold_after_any_commands(ops in prop::collection::vec((any::<usize>(), 0..40_usize, 0..40_usize), 1..120)) {
        let world = run(&ops);
        // The import derives all indices and counts anew: they must be those that were kept up to date step by step.
        check_replay(&world);
    }

    #[test]
    fn a_clone_is_a_version_that_nothing_changes(
        first in prop::collection::vec((any::<usize>(), 0..40_usize, 0..40_usize), 1..40),
        then in prop::collection::vec((any::<usize>(), 0..40_usize, 0..40_usize), 1..40),
    ) {
        let early = run(&first).state;
        let bytes: Vec<Vec<u8>> = early.export().collect();
        let _ = run(&[first, then].concat());
        prop_assert_eq!(early.export().collect::<Vec<_>>(), bytes);
    }

    /// Whatever the bytes, decoding ends in a value or a halt, never in a panic.
    #[test]
    fn any_bytes_are_an_envelope_or_a_halt(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = drydock_state::codec::decode(1, &bytes);
        let _ = drydock_state::State::import([bytes]);
    }
}
