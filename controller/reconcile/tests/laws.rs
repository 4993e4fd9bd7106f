//! Laws over random clusters: whatever happens to tasks, instances and services, no plan crosses a bound, deciding
//! twice changes nothing, and once faults end everything comes to its end (design §8, issue: every deployment and
//! every task ends).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use drydock_model::status::ServiceStatus;
use drydock_proto::ecs;
use drydock_state::row::{RolloutState, TaskRow};
use drydock_state::{Command, Key};
use proptest::prelude::*;
use support::World;
use support::happening::{Happening, SERVICES, all_do_as_told, happen, heal, instances};
use support::laws::check_laws;

fn happening() -> impl Strategy<Value = Happening> {
    let service = 0..SERVICES.len();
    let percents = prop_oneof![
        Just((100, 200)),
        Just((50, 100)),
        Just((50, 200)),
        Just((0, 100)),
        Just((75, 150)),
        Just((100, 125))
    ];
    prop_oneof![
        2 => (service.clone(), 0_i32..7).prop_map(|(of, count)| Happening::Scale(of, count)),
        1 => (service.clone(), percents).prop_map(|(of, percents)| Happening::Percents(of, percents)),
        2 => (service.clone(), any::<bool>()).prop_map(|(of, checked)| Happening::Deploy(of, checked)),
        1 => service.prop_map(Happening::Force),
        9 => any::<u8>().prop_map(Happening::Progress),
        2 => any::<u8>().prop_map(Happening::Fail),
        2 => any::<u8>().prop_map(Happening::Exit),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(of, well)| Happening::Health(of, well)),
        1 => (0_usize..8).prop_map(Happening::Disconnect),
        1 => (0_usize..8).prop_map(Happening::Connect),
        1 => (0_usize..8).prop_map(Happening::Drain),
        1 => (0_usize..8).prop_map(Happening::Activate),
        1 => Just(Happening::Join),
        1 => (0_usize..8).prop_map(Happening::Deregister),
        1 => Just(Happening::RunTask),
        6 => prop_oneof![Just(0_u64), 0_u64..50_000, 100_000_u64..4_000_000].prop_map(Happening::Wait),
    ]
}

fn world_of(happenings: &[Happening]) -> World {
    let mut world = World::new();
    for (at, zone) in ["a", "a", "b", "c"].into_iter().enumerate() {
        world.register_instance(&format!("i{at}"), zone, 1024, true);
    }
    for name in SERVICES {
        world.create_service(name, 3, 100, 200);
    }
    for happening in happenings {
        happen(&mut world, happening);
        world.settle(check_laws);
    }
    world
}

/// How many tasks more one zone of the cluster has than another.
fn unevenness(world: &World, name: &str) -> usize {
    let in_zone = |zone: &str| {
        let key = world.service(name).key;
        let rows = world.state.live_tasks_of(key).filter_map(|row| world.state.instance(row.instance_key()?));
        rows.filter(|row| row.availability_zone().is_some_and(|at| **at == *zone)).count()
    };
    let rows = world.state.instances(world.cluster()).filter(|row| row.takes_tasks());
    let counts: Vec<usize> = rows.filter_map(|row| row.availability_zone()).map(|zone| in_zone(zone)).collect();
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// 128 clusters a law; PROPTEST_CASES asks for more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = default.cases != 256;
    ProptestConfig {
        cases: if asked { default.cases } else { 128 },
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    /// No bound is crossed, and once faults end, every service is at its count, its deployment COMPLETED, its old tasks
    /// gone, its tasks spread evenly over zones and steady state said.
    #[test]
    fn everything_comes_to_its_end(happenings in proptest::collection::vec(happening(), 0..60)) {
        let mut world = world_of(&happenings);
        heal(&mut world);
        for _ in 0..40 {
            all_do_as_told(&mut world);
            world.settle(check_laws);
            let until = world.now + 60_000;
            world.advance_to(until, check_laws);
        }
        for name in SERVICES {
            let service = world.service(name);
            let primary = world.state.deployment(service.primary_key()).unwrap();
            let counts = world.state.service_counts(service.key);
            prop_assert_eq!(primary.rollout_state, RolloutState::Completed, "{} {:#?}", name, primary);
            prop_assert_eq!((counts.running, counts.pending, counts.stopping), (service.desired_count, 0, 0));
            prop_assert!(service.progress.steady);
            prop_assert!(unevenness(&world, name) <= 1, "{} isn't balanced: {:#?}", name, world.events(name));
            let said = world.events(name);
            prop_assert_eq!(said.last().unwrap(), "has reached a steady state.");
        }
    }

    /// Deleted services are gone, and their tasks STOPPED, even where no agent ever says a word again.
    #[test]
    fn silence_ends_too(happenings in proptest::collection::vec(happening(), 0..40), deaf: bool) {
        let mut world = world_of(&happenings);
        if deaf {
            for key in instances(&world) {
                world.apply(Command::InstanceDisconnected(key));
            }
        }
        let keys = SERVICES.map(|name| world.service(name).key);
        for name in SERVICES {
            world.apply(Command::DeleteService(ecs::DeleteServiceRequest {
                service: Some(name.to_owned()),
                force: Some(true),
                ..Default::default()
            }));
        }
        let until = world.now + 4 * 3_600_000;
        world.advance_to(until, |_, _, _| {});
        for key in keys {
            prop_assert!(world.state.service(key).is_none_or(|row| row.status == ServiceStatus::Inactive));
            prop_assert_eq!(world.state.service_counts(key).live(), 0);
        }
        let until = world.now + 24 * 3_600_000;
        world.advance_to(until, |_, _, _| {});
        for key in keys {
            prop_assert!(world.state.service(key).is_none(), "what nobody needs is removed");
            prop_assert_eq!(world.state.service_counts(key).total(), 0);
        }
    }

    /// A change of leader, an agent that is away for less than its deadline, a step over everything: nothing that runs
    /// is touched.
    #[test]
    fn what_runs_keeps_running(away in 0_u64..120_000, numbers in proptest::collection::vec(0_usize..4, 0..4)) {
        let mut world = world_of(&[]);
        for _ in 0..4 {
            all_do_as_told(&mut world);
            world.run_for(60_000);
        }
        let before: Vec<TaskRow> = SERVICES.iter().flat_map(|name| world.live(name)).collect();
        for number in &numbers {
            let key = instances(&world)[*number];
            world.apply(Command::InstanceDisconnected(key));
        }
        world.apply(Command::NewEpoch);
        world.dirty = world.state.all_services().map(|row| Key::Service(row.key)).collect();
        world.run_for(away);
        for key in instances(&world) {
            world.apply(Command::InstanceConnected(key));
        }
        world.run_for(1_000_000);
        let after: Vec<TaskRow> = SERVICES.iter().flat_map(|name| world.live(name)).collect();
        prop_assert_eq!(before, after);
    }
}

/// An agent that registers again in another zone: its tasks stay in the old one, and it still takes new ones.
#[test]
fn an_instance_may_move_to_another_zone() {
    let mut world = world_of(&[]);
    for _ in 0..4 {
        all_do_as_told(&mut world);
        world.run_for(60_000);
    }
    for (at, zone) in ["c", "b", "a", "a"].into_iter().enumerate() {
        world.register_instance(&format!("i{at}"), zone, 1024, true);
    }
    world.update_service("web", |request| request.desired_count = Some(13));
    world.settle(check_laws);
    assert_eq!(world.live("web").len(), 13, "all the room there is");
}
