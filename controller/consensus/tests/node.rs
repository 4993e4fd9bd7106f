//! Real nodes: threads, wall clock, real disks; only the sockets are channels.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

mod common;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Cluster, propose, wait_for};
use drydock_consensus::{Config, Fatal, Role, StoreKind};

const LONG: Duration = Duration::from_secs(30);

fn on_both_stores(test: impl Fn(StoreKind)) {
    test(StoreKind::RaftEngine);
    test(StoreKind::Sled);
}

#[test]
fn three_nodes_elect_write_read_and_survive_restarts() {
    on_both_stores(|kind| {
        let mut cluster = Cluster::new(kind, Config::default());
        cluster.start_all(3);
        let mut written = Vec::new();
        for round in 0..3_u64 {
            let leader = cluster.wait_leader(LONG);
            for number in 0..50 {
                let payload = format!("{round}-{number}").into_bytes();
                propose(&cluster, &payload, LONG);
                written.push(payload);
            }
            // The leader dies without a word; the others go on.
            cluster.kill(leader);
            propose(&cluster, format!("{round}-after").as_bytes(), LONG);
            written.push(format!("{round}-after").into_bytes());
            cluster.start(leader);
        }
        // A read on every replica sees all of it.
        for id in cluster.ids() {
            let (sender, receiver) = mpsc::channel();
            let asked = Instant::now();
            loop {
                let sender = sender.clone();
                cluster.handle(id).read_index(move |index| sender.send(index).unwrap());
                match receiver.recv_timeout(LONG).unwrap() {
                    Ok(_) => break,
                    Err(error) => assert!(asked.elapsed() < LONG, "{error}"),
                }
            }
            assert_eq!(cluster.payloads(id), written, "{kind:?} replica {id}");
        }
        cluster.stop_all();
    });
}

#[test]
fn a_stopped_leader_hands_over_at_once() {
    // An election that is waited for takes at least a minute here, a handover some milliseconds.
    let mut cluster = Cluster::new(
        StoreKind::RaftEngine,
        Config { election_ticks: 1_200, proposal_ticks_max: 4_800, ..Config::default() },
    );
    cluster.start_all(3);
    let leader = cluster.wait_leader(LONG);
    propose(&cluster, b"before", LONG);
    // Wait until the leader has heard of both, so that there is somebody to hand over to.
    wait_for(LONG, || cluster.handle(leader).status().peers.iter().all(|peer| peer.recently_active));
    let stopped = Instant::now();
    cluster.stop(leader);
    wait_for(LONG, || cluster.leader().is_some_and(|id| id != leader));
    assert!(stopped.elapsed() < LONG);
    propose(&cluster, b"after", LONG);
    // The last one would wait for a successor as long as for an election.
    cluster.ids().into_iter().filter(|id| *id != leader).for_each(|id| cluster.kill(id));
}

#[test]
fn a_node_far_behind_is_brought_up_by_a_snapshot_file() {
    on_both_stores(|kind| {
        let config =
            Config { snapshot_every_entries: 200, trailing_entries: 20, entry_cache_bytes: 4_000, ..Config::default() };
        let mut cluster = Cluster::new(kind, config);
        cluster.start_all(3);
        let leader = cluster.wait_leader(LONG);
        let away = if leader == 1 { 2 } else { 1 };
        cluster.kill(away);
        for number in 0..1_500_u32 {
            cluster.propose_quietly(format!("entry {number}").as_bytes());
            if number % 100 == 99 {
                propose(&cluster, b"pace", LONG);
            }
        }
        propose(&cluster, b"last", LONG);
        // The log that the absent one would need goes when a snapshot is durable.
        wait_for(LONG, || cluster.handle(cluster.wait_leader(LONG)).status().first_index > 500);
        cluster.start(away);
        // A status may be a tick old: what counts is what was applied.
        wait_for(LONG, || cluster.payloads(away) == cluster.payloads(leader));
        assert!(cluster.handle(away).status().snapshot_index > 1);
        // And it starts again from that snapshot.
        cluster.kill(away);
        cluster.start(away);
        wait_for(LONG, || cluster.payloads(away) == cluster.payloads(leader));
        cluster.stop_all();
    });
}

#[test]
fn a_node_joins_is_promoted_and_is_removed() {
    let mut cluster = Cluster::new(StoreKind::RaftEngine, Config::default());
    cluster.start_all(3);
    cluster.wait_leader(LONG);
    propose(&cluster, b"before", LONG);
    cluster.join(4);
    cluster.change(LONG, |handle, reply| handle.add_learner(4, b"at 4".to_vec(), reply));
    wait_for(LONG, || cluster.handle(4).membership().voters().eq([1, 2, 3, 4]));
    wait_for(LONG, || cluster.payloads(4) == cluster.payloads(1));
    cluster.change(LONG, |handle, reply| handle.remove(4, reply));
    wait_for(LONG, || cluster.handle(1).membership().voters().eq([1, 2, 3]));
    // It may or may not learn of it; if it does, it ends with that reason.
    if let Some(fatal) = cluster.fatal(4) {
        assert!(matches!(fatal, Fatal::Removed { id: 4, .. }), "{fatal}");
    }
    cluster.stop_all();
}

#[test]
fn a_lone_node_leads_at_once_and_every_callback_is_called() {
    let mut cluster = Cluster::new(StoreKind::RaftEngine, Config::default());
    cluster.start_all(1);
    wait_for(LONG, || cluster.handle(1).status().role == Role::Leader);
    let (sender, receiver) = mpsc::channel();
    for number in 0..5_000_u32 {
        let sender = sender.clone();
        cluster.handle(1).propose(number.to_le_bytes().to_vec(), move |result| sender.send(result).unwrap());
    }
    let handle = cluster.handle(1);
    cluster.stop_all();
    let late = sender.clone();
    handle.propose(vec![1], move |result| late.send(result).unwrap());
    drop(sender);
    assert_eq!(receiver.iter().count(), 5_001);
}
