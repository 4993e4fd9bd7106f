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
use support::{World, percents};

/// Clusters that are looked at.
const CLUSTERS: u64 = 100_000;

/// Threads that share them.
const THREADS: u64 = 4;

/// Happenings of one cluster, at most.
const HAPPENINGS_MAX: u64 = 6;

/// Numbers from a number: splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..below`.
    fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.next() % below as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() % 256).unwrap()
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// True once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

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
            eprintln!("this was cluster {}: `look_at({}, &World::new())` makes it again", self.0, self.0);
        }
    }
}

/// Makes a cluster, lets things happen, and returns how many steps were looked at.
fn look_at(number: u64, empty: &World) -> u64 {
    let _named = Named(number);
    let mut numbers = Numbers(number);
    let mut steps = 0;
    let mut world = cluster(&mut numbers, empty);
    world.settle(|step, before, after| {
        steps += 1;
        check_laws(step, before, after);
    });
    for _ in 0..numbers.below(HAPPENINGS_MAX + 1) {
        happen(&mut world, &happening(&mut numbers));
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
                let empty = World::new();
                for number in (thread..CLUSTERS).step_by(usize::try_from(THREADS).unwrap()) {
                    steps.fetch_add(look_at(number, &empty), Ordering::Relaxed);
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
