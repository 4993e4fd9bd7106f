//! Every deployment and every task ends (design §8): whatever is done to a cluster, and whatever fails in it, once
//! nothing more is done each deployment is final, or held by a wait that says until when or by what; each task that was
//! told to stop is STOPPED; what was deleted is gone.
//!
//! A history is a function of its number, which is printed where one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod support;

use drydock_model::status::{DesiredStatus, ServiceStatus};
use drydock_reconcile::{Cause, explain_service};
use drydock_state::{Command, Key};
use proptest::prelude::ProptestConfig;
use support::World;
use support::happening::{all_do_as_told, heal_instances, instances, none_starts};
use support::kinds::{cluster, with_providers};
use support::laws::check_laws;
use support::numbers::Numbers;
use support::operations::{Tally, operate};

/// Histories that are looked at; PROPTEST_CASES asks for another number of them.
const HISTORIES: u64 = 400;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// Deadlines that are gone through before the faults are said to be over for long.
const DEADLINES: u32 = 30;

/// Says which history it was where a law is broken.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was history {}: `play({}, …)` plays it again", self.0, self.0);
        }
    }
}

/// How the faults end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    /// Agents are there and do as they are told.
    Well,
    /// Agents are there, and no task that they start gets to RUNNING.
    Failing,
    /// No agent ever says a word again.
    Silent,
}

/// Time passes by `DEADLINES` deadlines.
fn go_through_deadlines(world: &mut World, after: After) {
    for _ in 0..DEADLINES {
        match after {
            After::Well => all_do_as_told(world),
            After::Failing => {
                none_starts(world);
                all_do_as_told(world);
            }
            After::Silent => {}
        }
        world.settle(check_laws);
        let next = world.state.deadlines().map(|(at, _)| at).find(|at| *at > world.now);
        let Some(next) = next else { break };
        world.now = next;
        world.settle(check_laws);
    }
}

/// Nothing was looked at for so long, as where all controllers were down.
fn jump(world: &mut World, ms: u64) {
    world.now += ms;
    world.settle(check_laws);
}

fn play(number: u64, worlds: &[World; 2], tally: &mut Tally) {
    let _named = Named(number);
    let mut numbers = Numbers(number);
    let services = 1 + numbers.below(4);
    let mut world = cluster(&mut numbers, worlds, services);
    world.settle(check_laws);
    for _ in 0..numbers.below(50) {
        operate(&mut world, &mut numbers, tally);
        world.settle(check_laws);
    }
    let after = numbers.one_of(&[After::Well, After::Well, After::Failing, After::Silent]);
    match after {
        After::Well | After::Failing => heal_instances(&mut world),
        After::Silent => {
            for key in instances(&world) {
                world.apply(Command::InstanceDisconnected(key));
            }
        }
    }
    go_through_deadlines(&mut world, after);
    each_is_held_by_something(&world);
    for days in [1, 31, 31] {
        jump(&mut world, days * DAY);
        go_through_deadlines(&mut world, after);
    }
    all_has_ended(&world, after);
}

fn each_is_held_by_something(world: &World) {
    for row in world.state.all_services().filter(|row| row.status != ServiceStatus::Inactive) {
        let open = world.state.deployments(row.key).any(|row| !row.status.is_final());
        let found = explain_service(&world.state, row.key, world.now).unwrap();
        let held = found.waits.iter().any(|wait| wait.until().is_some() || wait.cause() != Cause::Others);
        assert!(!open || held, "nothing holds its deployment: {found:#?}\n{row:#?}");
        for deployment in world.state.deployments(row.key).filter(|row| !row.status.is_final()) {
            assert!(deployment.deadline.is_some_and(|at| at > world.now), "it has no end: {deployment:#?}");
        }
    }
}

fn all_has_ended(world: &World, after: After) {
    for service in world.state.all_services() {
        assert_ne!(service.status, ServiceStatus::Draining, "a deleted service stays: {service:#?}");
        for row in world.state.deployments(service.key) {
            assert!(row.status.is_final(), "62 days after: {row:#?}\n{service:#?}");
        }
        for row in world.state.task_sets(service.key) {
            assert!(!row.draining || !row.is_shown(), "a deleted task set stays: {row:#?}");
        }
    }
    for row in world.state.all_tasks().filter(|row| !row.is_stopped()) {
        let told = row.desired_status == DesiredStatus::Stopped;
        assert!(after == After::Silent || !told || row.times.stopping_at >= Some(world.now - HOUR), "{row:#?}");
        let ends = row.is_running() && !told;
        assert!(ends || row.deadline.is_some_and(|at| at > world.now), "it has no end: {row:#?}");
    }
    // Nothing is due that a step would have ended.
    let due: Vec<Key> = world.state.due(world.now).map(|(_, key)| key.clone()).collect();
    let step = drydock_reconcile::step(&world.state, &due.into_iter().collect(), world.now, 7, usize::MAX);
    assert!(step.is_quiet(), "{step:#?}");
}

#[test]
fn every_deployment_and_every_task_ends() {
    let worlds = [World::new(), with_providers(World::new())];
    let cases = u64::from(ProptestConfig::default().cases);
    let count = if cases == 256 { HISTORIES } else { cases };
    let mut tally = Tally::new();
    for number in 0..count {
        play(number, &worlds, &mut tally);
    }
    println!("histories 0 to {count}; operations, and of them refused: {tally:#?}");
    for (what, (done, refused)) in &tally {
        assert!(count < HISTORIES || refused < done, "{what} is always refused");
    }
}
