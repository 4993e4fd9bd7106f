//! Replicas join, are promoted, removed, and never come back under an old id.

use drydock_consensus::{MemberChange, RaftId};

use crate::world::{Faults, World, small};
use crate::{clients, disturb, harsh, seeds};

fn add(id: RaftId) -> MemberChange {
    MemberChange::AddLearner { id, context: format!("at {id}").into_bytes() }
}

fn voters(world: &World) -> Vec<RaftId> {
    let leader = world.leader().and_then(|leader| world.replicas[&leader].status());
    leader.map(|status| status.membership.voters().collect()).unwrap_or_default()
}

fn with_leader(seed: u64, first: u64, others: u64) -> (World, RaftId) {
    let mut world = World::new(seed, first, others, small(), Faults::none());
    world.run_until(3_000, "a leader", |world| world.leader().is_some());
    let leader = world.leader().unwrap();
    world.run(300);
    (world, leader)
}

#[test]
fn a_new_replica_joins_as_learner_catches_up_and_is_promoted() {
    for seed in seeds(30) {
        let (mut world, leader) = with_leader(seed, 3, 1);
        for _ in 0..150 {
            world.propose(leader);
            world.run(4);
        }
        world.change(leader, add(4));
        world.run(100);
        world.run_until(5_000, "promotion", |world| voters(world) == [1, 2, 3, 4]);
        assert!(world.snapshots_fetched >= 1, "it got the first members with a snapshot");
        world.settle();
        let joined = world.replicas[&4].status().unwrap();
        assert_eq!(joined.membership.get(1).unwrap().context, b"at 1");
    }
}

#[test]
fn a_removed_replica_leaves_and_its_id_is_refused_for_good() {
    let (mut world, leader) = with_leader(5, 3, 0);
    let gone = if leader == 1 { 2 } else { 1 };
    world.change(leader, MemberChange::Remove { id: gone });
    world.run(500);
    world.change(leader, add(gone));
    world.change(leader, MemberChange::Promote { id: gone });
    world.run(200);
    assert_eq!(voters(&world).len(), 2);
    assert!(world.changes[0].is_ok());
    assert!(world.changes[1].as_ref().unwrap_err().contains("join with a new id"), "{:?}", world.changes);
    assert!(world.changes[2].is_err());
    world.replicas.get_mut(&gone).unwrap().leave();
    world.settle();
}

#[test]
fn one_change_at_a_time_and_none_that_loses_the_quorum() {
    let (mut world, leader) = with_leader(6, 3, 2);
    world.change(leader, add(4));
    world.change(leader, add(5));
    world.run(20);
    let refused: Vec<_> = world.changes.iter().filter_map(|change| change.as_ref().err()).collect();
    assert!(refused.iter().any(|error| error.contains("under way")), "{:?}", world.changes);
    world.run_until(5_000, "promotion", |world| voters(world) == [1, 2, 3, 4]);
    // Two of four are down: removing one of the live would leave one live of three.
    let others: Vec<RaftId> = (1..=4).filter(|id| *id != leader).collect();
    world.crash(others[0]);
    world.run(900);
    world.crash(others[1]);
    world.run(550);
    world.changes.clear();
    if world.leader() == Some(leader) {
        world.change(leader, MemberChange::Remove { id: others[2] });
        world.run(20);
        let answer = world.changes.first().cloned();
        assert!(matches!(&answer, Some(Err(error)) if error.contains("no quorum")), "{answer:?}");
    }
    settle_members(&mut world);
    assert_eq!(voters(&world), [1, 2, 3, 4]);
}

#[test]
fn a_leader_asked_to_remove_itself_hands_over_first() {
    let (mut world, leader) = with_leader(8, 3, 0);
    world.run(1_200);
    world.change(leader, MemberChange::Remove { id: leader });
    world.run(300);
    let successor = world.leader().unwrap();
    assert_ne!(successor, leader, "{}", world.describe());
    let answer = world.changes[0].clone().unwrap_err();
    assert!(answer.contains(&format!("Some({successor})")), "{answer}");
    world.change(successor, MemberChange::Remove { id: leader });
    world.run(500);
    assert_eq!(voters(&world).len(), 2, "{}", world.describe());
    world.replicas.get_mut(&leader).unwrap().leave();
    world.settle();
}

#[test]
fn a_context_can_be_replaced() {
    let (mut world, leader) = with_leader(9, 3, 0);
    world.change(leader, MemberChange::UpdateContext { id: 2, context: b"elsewhere".to_vec() });
    world.run(500);
    for replica in world.replicas.values() {
        assert_eq!(replica.status().unwrap().membership.get(2).unwrap().context, b"elsewhere");
    }
    world.settle();
}

/// Members come and go while everything fails.
#[test]
fn membership_changes_survive_storms() {
    let mut applied = 0;
    for seed in seeds(100) {
        let mut world = World::new(seed, 3, 3, small(), Faults::none());
        world.run(2_000);
        world.faults = harsh(&mut world);
        for _ in 0..120 {
            if world.random.chance(80) {
                disturb(&mut world);
            }
            if let (Some(leader), true) = (world.leader(), world.random.chance(150)) {
                let id = 1 + world.random.below(6);
                let members = world.replicas[&leader].status().unwrap().membership;
                let change = match members.get(id) {
                    None => add(id),
                    Some(_) if members.voters().count() > 2 => MemberChange::Remove { id },
                    Some(_) => MemberChange::UpdateContext { id, context: vec![1] },
                };
                world.change(leader, change);
            }
            clients(&mut world);
            let pause = 20 + world.random.below(120);
            world.run(pause);
        }
        applied += world.changes.iter().filter(|change| change.is_ok()).count();
        settle_members(&mut world);
    }
    println!("{applied} changes applied");
}

/// Those that were removed, or never added, don't have to agree.
fn settle_members(world: &mut World) {
    world.faults = Faults::none();
    world.heal();
    let down: Vec<_> = world.replicas.iter().filter(|(_, r)| r.core.is_none() && !r.left).map(|(id, _)| *id).collect();
    for id in down {
        world.start(id);
    }
    world.run_until(20_000, "a leader", |world| world.leader().is_some());
    world.run(2_000);
    // The last change may have removed the one that led.
    world.run_until(20_000, "a leader", |world| world.leader().is_some());
    let leader = world.leader().unwrap();
    let members = world.replicas[&leader].status().unwrap().membership;
    let strangers: Vec<_> = world.replicas.keys().filter(|id| members.get(**id).is_none()).copied().collect();
    for id in strangers {
        let replica = world.replicas.get_mut(&id).unwrap();
        if !replica.left {
            replica.leave();
        }
    }
    world.settle();
}
