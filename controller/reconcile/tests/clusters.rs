//! Deciders are pure and idempotent, and cross no bound: 100,000 random clusters, each with a short random history.
//!
//! Every step of each is checked against the laws in `support::laws`; each is made twice from the same arguments. A
//! cluster is a function of its number, which is printed where one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use drydock_proto::ecs;
use drydock_state::Command;
use support::happening::{Happening, SERVICES, happen};
use support::laws::check_laws;
use support::numbers::Numbers;
use support::operations::{Tally, operate};
use support::{World, kinds, limit_launches, percents};

/// Clusters that are looked at.
const CLUSTERS: u64 = 100_000;

/// Threads that share them.
const THREADS: u64 = 4;

/// Happenings of one cluster, at most.
const HAPPENINGS_MAX: u64 = 6;

const PERCENTS: [(i32, i32); 7] = [(100, 200), (50, 100), (50, 200), (0, 100), (75, 150), (100, 125), (34, 134)];

fn service(numbers: &mut Numbers, name: &str) -> ecs::CreateServiceRequest {
    let (min, max) = numbers.one_of(&PERCENTS);
    ecs::CreateServiceRequest {
        service_name: Some(name.to_owned()),
        task_definition: Some("app".to_owned()),
        desired_count: Some(i32::try_from(numbers.below(7)).unwrap()),
        deployment_configuration: Some(percents(min, max)),
        health_check_grace_period_seconds: numbers.once_in(4).then_some(60),
        ..Default::default()
    }
}

fn cluster(numbers: &mut Numbers, empty: &World) -> World {
    let mut world = empty.clone();
    for at in 0..numbers.below(6) {
        let (zone, cpu) = (numbers.one_of(&["a", "b", "c"]), numbers.one_of(&[256, 512, 1024, 4096]));
        world.register_instance(&format!("i{at}"), zone, cpu, !numbers.once_in(5));
    }
    if numbers.once_in(4) {
        limit_launches(&mut world, 1 + numbers.below(4));
    }
    if numbers.once_in(3) {
        world.image = "image:1";
        world.image_digest = numbers.one_of(&["", "sha256:5f70bf18"]);
    }
    if numbers.once_in(3) {
        world.register_definition(true, 256, 512);
    }
    for name in SERVICES {
        let request = service(numbers, name);
        world.apply(Command::CreateService(Box::new(request)));
    }
    world
}

fn happening(numbers: &mut Numbers) -> Happening {
    let service = numbers.index(SERVICES.len());
    match numbers.below(22) {
        0 => Happening::Scale(service, i32::try_from(numbers.below(7)).unwrap()),
        1 => Happening::Percents(service, numbers.one_of(&PERCENTS)),
        2 => Happening::Deploy(service, numbers.once_in(2)),
        3 => Happening::Force(service),
        4..=8 => Happening::Progress(numbers.byte()),
        9 => Happening::Fail(numbers.byte()),
        10 => Happening::Exit(numbers.byte()),
        11 => Happening::Health(numbers.byte(), numbers.once_in(2)),
        12 => Happening::Disconnect(numbers.index(8)),
        13 => Happening::Connect(numbers.index(8)),
        14 => Happening::Drain(numbers.index(8)),
        15 => Happening::Activate(numbers.index(8)),
        16 => Happening::Join,
        17 => Happening::Deregister(numbers.index(8)),
        18 => Happening::RunTask,
        _ => Happening::Wait(numbers.one_of(&[0, 5_000, 40_000, 130_000])),
    }
}

/// Says which cluster it was where a law is broken.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was cluster {}: `look_at({}, …)` makes it again", self.0, self.0);
        }
    }
}

/// Makes a cluster, lets things happen, and returns how many steps were looked at. One of two has REPLICA services alone,
/// of which more is asked; the other has services of every kind.
fn look_at(number: u64, worlds: &[World; 2]) -> u64 {
    let _named = Named(number);
    let mut numbers = Numbers(number);
    let mut steps = 0;
    let mixed = number % 2 == 1;
    let services = 1 + numbers.below(3);
    let mut world =
        if mixed { kinds::cluster(&mut numbers, worlds, services) } else { cluster(&mut numbers, &worlds[0]) };
    world.settle(|step, before, after| {
        steps += 1;
        check_laws(step, before, after);
    });
    for _ in 0..numbers.below(HAPPENINGS_MAX + 1) {
        if mixed {
            operate(&mut world, &mut numbers, &mut Tally::new());
        } else {
            happen(&mut world, &happening(&mut numbers));
        }
        world.settle(|step, before, after| {
            steps += 1;
            check_laws(step, before, after);
        });
    }
    steps
}

#[test]
fn a_hundred_thousand_random_clusters_obey_the_laws() {
    let (clusters, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (clusters, steps) = (&clusters, &steps);
            scope.spawn(move || {
                let worlds = [World::new(), kinds::with_providers(World::new())];
                for number in (thread..CLUSTERS).step_by(usize::try_from(THREADS).unwrap()) {
                    steps.fetch_add(look_at(number, &worlds), Ordering::Relaxed);
                    clusters.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (clusters, steps) = (clusters.into_inner(), steps.into_inner());
    println!("{clusters} random clusters, {steps} steps");
    assert_eq!(clusters, 100_000);
    assert!(steps > 3 * clusters, "something happens in most of them");
}
