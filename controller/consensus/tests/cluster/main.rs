//! Whole clusters in virtual time: real cores, pretended disks and network, faults drawn from a seed.
//!
//! Replay one seed with `SEED=<n> cargo test -p drydock-consensus --test cluster`; run more with `SEEDS=<count>`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

mod checks;
mod members;
mod replica;
mod world;

use drydock_consensus::RaftId;
use world::{Faults, World, small};

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => {
            let count = std::env::var("SEEDS").map_or(count, |count| count.parse().unwrap());
            (1..=count).collect()
        }
    }
}

/// Something bad, or something good.
fn disturb(world: &mut World) {
    let alive = world.alive();
    let pick = |world: &mut World| alive[world.random.below(alive.len() as u64) as usize];
    match world.random.below(13) {
        0 | 1 if alive.len() > 1 => {
            let victim = pick(world);
            world.crash(victim);
        }
        2 => {
            if let Some(leader) = world.leader() {
                world.crash(leader);
            }
        }
        3 => {
            let all: Vec<RaftId> = world.replicas.keys().copied().collect();
            let side: Vec<RaftId> = all.into_iter().filter(|_| world.random.chance(400)).collect();
            world.heal();
            world.partition(&side);
        }
        4 | 5 => world.heal(),
        6 => {
            if let Some(leader) = world.leader() {
                world.transfer(leader, None);
            }
        }
        7 if world.random.chance(200) => {
            // The whole data centre loses power.
            for id in alive {
                world.crash(id);
            }
        }
        8 if !alive.is_empty() => {
            let victim = pick(world);
            let time = 100 + world.random.below(4_000);
            world.pause(victim, time);
        }
        9 => {
            if let Some(leader) = world.leader() {
                let time = 100 + world.random.below(4_000);
                world.pause(leader, time);
            }
        }
        10 if !alive.is_empty() => {
            let side = [pick(world)];
            world.mute(&side);
        }
        _ => {
            let down: Vec<_> = world
                .replicas
                .iter()
                .filter(|(_, replica)| replica.core.is_none() && !replica.left)
                .map(|(id, _)| *id)
                .collect();
            for id in down {
                world.start(id);
            }
        }
    }
}

fn clients(world: &mut World) {
    let all: Vec<RaftId> = world.replicas.keys().copied().collect();
    for id in all {
        if world.replicas[&id].core.is_none() {
            continue;
        }
        let leads = world.leader() == Some(id);
        for _ in 0..world.random.below(if leads { 6 } else { 2 }) {
            world.propose(id);
        }
        if world.random.chance(150) {
            world.read(id);
        }
    }
}

/// The safety phase: faults and load, checked at every step; then everything heals and must agree.
fn storm(seed: u64, faults: impl Fn(&mut World) -> Faults) -> World {
    let voters = if seed.is_multiple_of(3) { 5 } else { 3 };
    let mut world = World::new(seed, voters, 0, small(), Faults::none());
    world.faults = faults(&mut world);
    for _ in 0..150 {
        if world.random.chance(100) {
            disturb(&mut world);
        }
        clients(&mut world);
        let pause = 20 + world.random.below(120);
        world.run(pause);
    }
    world.settle();
    world
}

fn harsh(world: &mut World) -> Faults {
    Faults::harsh(&mut world.random)
}

#[test]
fn acknowledged_entries_survive_every_storm() {
    let (mut acknowledged, mut reads, mut snapshots) = (0, 0, 0);
    for seed in seeds(200) {
        let world = storm(seed, harsh);
        acknowledged += world.acknowledged;
        reads += world.reads;
        snapshots += world.snapshots_fetched;
    }
    println!("{acknowledged} writes acknowledged, {reads} reads, {snapshots} snapshots fetched");
    if std::env::var("SEED").is_err() {
        assert!(acknowledged > 20_000 && reads > 2_000 && snapshots > 20, "the storms are too harsh to show anything");
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in [7, 8, 9] {
        let (first, second) = (storm(seed, harsh), storm(seed, harsh));
        assert_eq!((first.trace, first.acknowledged), (second.trace, second.acknowledged));
        assert_ne!(first.trace, 0);
    }
}

/// How many of 40 storms with a planted bug end in a violated law.
fn caught(planted: impl Fn(Faults) -> Faults + std::panic::RefUnwindSafe) -> usize {
    let storms = (1..=40).filter(|seed| {
        let faults = |world: &mut World| planted(harsh(world));
        std::panic::catch_unwind(|| storm(*seed, faults)).is_err()
    });
    storms.count()
}

#[test]
fn acknowledging_before_the_sync_is_caught() {
    let caught = caught(|faults| Faults { acknowledge_before_sync: true, sync_most: 2_000, ..faults });
    assert!(caught >= 5, "the planted bug was caught in {caught} of 40 storms only");
}

#[test]
fn reading_without_a_quorum_is_caught() {
    let caught = caught(|faults| Faults { local_reads: true, ..faults });
    assert!(caught >= 30, "the planted bug was caught in {caught} of 40 storms only");
}

#[test]
fn a_calm_cluster_elects_once_and_loses_nothing() {
    for seed in seeds(30) {
        let mut world = World::new(seed, 3, 0, small(), Faults::none());
        world.run_until(3_000, "a leader", |world| world.leader().is_some());
        let leader = world.leader().unwrap();
        let term = world.replicas[&leader].status().unwrap().term;
        for _ in 0..200 {
            world.propose(leader);
            world.run(10);
        }
        world.run_until(1_000, "all acknowledged", |world| world.acknowledged == 200);
        world.settle();
        let status = world.replicas[&leader].status().unwrap();
        assert_eq!((status.leader, status.term), (Some(leader), term), "seed {seed}: leadership moved without cause");
        assert!(status.snapshot_index > 100 && status.first_index > 100, "seed {seed}: {status:?}");
    }
}

#[test]
fn a_lone_replica_leads_at_once() {
    let mut world = World::new(1, 1, 0, small(), Faults::none());
    world.run(20);
    assert_eq!(world.leader(), Some(1));
    world.propose(1);
    world.read(1);
    world.run(20);
    assert_eq!((world.acknowledged, world.reads), (1, 1));
    world.crash(1);
    world.start(1);
    world.run(20);
    assert_eq!(world.leader(), Some(1));
    world.settle();
}

#[test]
fn a_dead_leader_is_replaced_within_a_second_and_a_half() {
    let mut gaps = Vec::new();
    for seed in seeds(100) {
        let mut world = World::new(seed, 3, 0, small(), Faults::none());
        world.run_until(3_000, "a leader", |world| world.leader().is_some());
        let dead = world.leader().unwrap();
        world.run(300);
        let died = world.now;
        world.crash(dead);
        world.run_until(5_000, "another leader", |world| world.leader().is_some_and(|leader| leader != dead));
        gaps.push(world.now - died);
    }
    gaps.sort_unstable();
    let worst = gaps[gaps.len() - 1];
    println!("failover: p50 {} ms, p99 {} ms, worst {worst} ms", gaps[gaps.len() / 2], gaps[gaps.len() * 99 / 100]);
    assert!(worst <= 1_500, "a failover took {worst} ms");
}

/// They ask for votes long before an election timeout, whether they come back together or one after the other.
#[test]
fn a_cluster_that_was_lost_as_a_whole_leads_again_soon() {
    let (mut gaps, mut shortest) = (Vec::new(), u64::MAX);
    for seed in seeds(100) {
        let config = small();
        shortest = shortest.min(u64::try_from(config.election_timeout().as_millis()).unwrap());
        let mut world = World::new(seed, 3, 0, config, Faults::none());
        world.run_until(3_000, "a leader", |world| world.leader().is_some());
        let all = world.alive();
        all.iter().for_each(|id| world.crash(*id));
        world.run(2_000);
        for id in all {
            world.start(id);
            world.run(seed % 4 * 10);
        }
        let back = world.now;
        world.run_until(5_000, "a leader again", |world| world.leader().is_some());
        gaps.push(world.now - back);
    }
    gaps.sort_unstable();
    println!("all lost: p50 {} ms, worst {} ms", gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    assert!(gaps[gaps.len() - 1] < shortest, "{gaps:?}");
}

/// A replica that comes back beside a living leader disturbs nobody, though it asks for votes at once.
#[test]
fn one_that_comes_back_does_not_unseat_the_leader() {
    for seed in seeds(50) {
        let mut world = World::new(seed, 3, 0, small(), Faults::none());
        world.run_until(3_000, "a leader", |world| world.leader().is_some());
        let leader = world.leader().unwrap();
        let term = world.term(leader);
        let away = if leader == 3 { 2 } else { 3 };
        world.crash(away);
        world.run(1_000);
        world.start(away);
        // It hears nobody at first: the very time in which it asks.
        world.mute(&[leader]);
        world.run(300);
        world.heal();
        world.run(2_000);
        assert_eq!((world.leader(), world.term(leader)), (Some(leader), term), "seed {seed}\n{}", world.describe());
    }
}

#[test]
fn leadership_is_handed_over_in_a_round_trip() {
    for seed in seeds(50) {
        let mut world = World::new(seed, 3, 0, small(), Faults::none());
        world.run_until(3_000, "a leader", |world| world.leader().is_some());
        let before = world.leader().unwrap();
        world.run(1_200);
        world.transfer(before, None);
        world.run(150);
        let after = world.leader();
        assert!(after.is_some_and(|after| after != before), "seed {seed}\n{}", world.describe());
    }
}

#[test]
fn a_follower_far_behind_catches_up_by_snapshot_while_writes_go_on() {
    for seed in seeds(20) {
        let mut world = World::new(seed, 3, 0, small(), Faults::none());
        world.run_until(3_000, "a leader", |world| world.leader().is_some());
        let leader = world.leader().unwrap();
        let away = if leader == 3 { 2 } else { 3 };
        world.crash(away);
        let write = |world: &mut World, count| {
            for _ in 0..count {
                if let Some(leader) = world.leader() {
                    world.propose(leader);
                }
                world.run(5);
            }
        };
        write(&mut world, 1_000);
        world.start(away);
        write(&mut world, 600);
        let applied = world.replicas[&away].status().unwrap().applied;
        assert!(applied > 900, "seed {seed}: {applied}\n{}", world.describe());
        assert!(world.snapshots_fetched >= 1);
        world.settle();
    }
}

#[test]
fn a_replica_that_lost_acknowledged_entries_says_so() {
    let mut world = World::new(3, 3, 0, small(), Faults::none());
    world.run_until(3_000, "a leader", |world| world.leader().is_some());
    let leader = world.leader().unwrap();
    let victim = if leader == 3 { 2 } else { 3 };
    for _ in 0..20 {
        world.propose(leader);
        world.run(10);
    }
    world.crash(victim);
    world.replicas.get_mut(&victim).unwrap().disk.wipe();
    world.replicas.get_mut(&victim).unwrap().expect_fatal = true;
    world.start(victim);
    world.run(2_000);
    let fatal = world.replicas[&victim].fatal.as_ref().expect("it must not go on").to_string();
    assert!(fatal.contains("wiped") && fatal.contains("join with a new id"), "{fatal}");
}
