//! kill -9 of a real process that writes: whatever it said was acknowledged is there afterwards.
//!
//! The test starts itself again as the process that writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Payloads, Tape, wait_for};
use drydock_consensus::{
    Config, Handle, Identity, Membership, Node, NodeOptions, Peers, RaftId, Role, SnapshotFetch, Start, StoreKind,
};
use tempfile::TempDir;

const FOLDER: &str = "DRYDOCK_KILL_TEST_FOLDER";
const STORE: &str = "DRYDOCK_KILL_TEST_STORE";
const FIRST: &str = "DRYDOCK_KILL_TEST_FIRST";

struct Nobody;

impl Peers for Nobody {
    fn send(&mut self, _to: RaftId, _messages: Vec<Vec<u8>>) -> bool {
        false
    }

    fn fetch_snapshot(&mut self, _fetch: SnapshotFetch) {}

    fn membership_changed(&mut self, _membership: &Membership) {}
}

fn start(folder: &Path, store: StoreKind) -> (Node, Handle<u64>, Payloads) {
    let options = NodeOptions {
        data_dir: folder.to_owned(),
        store,
        identity: Identity { fingerprint: 1, raft_id: 1, marker: 1 },
        expected_marker: None,
        start: Start::Bootstrap(Membership::bootstrap([(1, Vec::new())]).unwrap()),
        config: Config { snapshot_every_entries: 500, trailing_entries: 50, ..Config::default() },
        seed: 1,
        on_sync: drydock_consensus::OnSync::default(),
    };
    let payloads = Payloads::default();
    let tape = Tape { payloads: payloads.clone() };
    let (node, handle) = Node::start(options, tape, Nobody, |fatal| panic!("{fatal}")).unwrap();
    wait_for(Duration::from_secs(30), || handle.status().role == Role::Leader);
    (node, handle, payloads)
}

/// The process that is killed. Does nothing when it isn't told to.
#[test]
fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = if std::env::var(STORE).unwrap() == "sled" { StoreKind::Sled } else { StoreKind::RaftEngine };
    let (_node, handle, _) = start(Path::new(&folder), store);
    let mut number: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    loop {
        // Some under way at any time, with a few larger ones among them, so that batches end anywhere in a page.
        for _ in 0..8 {
            let mut payload = number.to_le_bytes().to_vec();
            payload.resize(8 + (number % 13) as usize * 97, b'x');
            let acknowledged = number;
            handle.propose(payload, move |result| {
                if result.is_ok() {
                    let mut out = std::io::stdout().lock();
                    let _ = writeln!(out, "\nack {acknowledged}").and_then(|()| out.flush());
                }
            });
            number += 1;
        }
        wait_for(Duration::from_secs(30), || handle.status().proposals_waiting < 64);
        std::thread::yield_now();
    }
}

/// Runs the writer for a while, kills it, and gives what it said was acknowledged.
fn run_and_kill(folder: &Path, store: &str, first: u64, time: Duration) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(FOLDER, folder)
        .env(STORE, store)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut since = None;
    // After the kill the rest of what it had said is read, up to the end.
    for line in lines {
        let line = line.unwrap();
        if let Some(number) = line.strip_prefix("ack ") {
            acknowledged.push(number.parse().unwrap());
            let began = *since.get_or_insert_with(Instant::now);
            if began.elapsed() > time {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    acknowledged
}

#[test]
fn whatever_was_acknowledged_survives_kill_9() {
    for (store, kind, rounds) in [("raft-engine", StoreKind::RaftEngine, 8), ("sled", StoreKind::Sled, 4)] {
        let folder = TempDir::new().unwrap();
        let mut acknowledged = BTreeSet::new();
        let mut next = 0;
        for round in 0..rounds {
            let said = run_and_kill(folder.path(), store, next, Duration::from_millis(20 + round * 31));
            assert!(!said.is_empty(), "{store}: the writer said nothing in round {round}");
            acknowledged.extend(said);
            next = acknowledged.last().unwrap() + 10_000;
            let (node, handle, payloads) = start(folder.path(), kind);
            let found: BTreeSet<u64> = payloads
                .lock()
                .unwrap()
                .iter()
                .map(|payload| u64::from_le_bytes(payload[..8].try_into().unwrap()))
                .collect();
            let lost: Vec<_> = acknowledged.difference(&found).collect();
            assert!(lost.is_empty(), "{store}, round {round}: lost {lost:?}");
            handle.stop();
            node.join();
        }
        println!("{store}: {} acknowledged writes survived {rounds} kills", acknowledged.len());
    }
}
