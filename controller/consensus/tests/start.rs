//! Whose disk it is, what is refused at start, and what ends a replica.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Payloads, Tape};
use drydock_consensus::log_store::memory::MemoryDisk;
use drydock_consensus::{
    Config, EntryRef, Fatal, Halt, Handle, Identity, Membership, Node, NodeOptions, Peers, ProposeError, RaftId, Role,
    SnapshotError, SnapshotFetch, SnapshotSource, Start, StateMachine, StoreKind,
};
use tempfile::TempDir;

struct Nobody;

impl Peers for Nobody {
    fn send(&mut self, _to: RaftId, _messages: Vec<Vec<u8>>) -> bool {
        false
    }

    fn fetch_snapshot(&mut self, _fetch: SnapshotFetch) {}

    fn membership_changed(&mut self, _membership: &Membership) {}
}

fn alone() -> Membership {
    Membership::bootstrap([(1, Vec::new())]).unwrap()
}

fn options(folder: &TempDir) -> NodeOptions {
    NodeOptions {
        data_dir: folder.path().to_owned(),
        store: StoreKind::RaftEngine,
        identity: Identity { fingerprint: 0xf1, raft_id: 1, marker: 0xa1 },
        expected_marker: None,
        start: Start::Bootstrap(alone()),
        config: Config::default(),
        seed: 1,
        on_sync: drydock_consensus::OnSync::default(),
    }
}

fn start(options: NodeOptions) -> Result<(Node, Handle<u64>), Fatal> {
    let tape = Tape { payloads: Payloads::default() };
    Node::start(options, tape, Nobody, |fatal| panic!("{fatal}"))
}

/// Starts, stops, and gives the disk's identity.
fn run_once(options: NodeOptions) -> Identity {
    let (node, handle) = start(options).unwrap();
    let identity = node.identity();
    handle.stop();
    node.join();
    identity
}

fn refused(options: NodeOptions) -> String {
    start(options).map(|_| ()).expect_err("it must be refused").to_string()
}

#[test]
fn a_disk_keeps_its_identity() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run_once(options(&folder)).marker, 0xa1);
    // A marker is only for a new disk: this one has its own.
    let other_marker = Identity { marker: 0xb2, ..options(&folder).identity };
    let again = NodeOptions { identity: other_marker, start: Start::Restart, ..options(&folder) };
    assert_eq!(run_once(again).marker, 0xa1);
}

#[test]
fn foreign_and_wiped_disks_are_refused_and_say_why() {
    let folder = TempDir::new().unwrap();
    run_once(options(&folder));
    let other_cluster = Identity { fingerprint: 0xf2, ..options(&folder).identity };
    let text = refused(NodeOptions { identity: other_cluster, ..options(&folder) });
    assert!(text.contains("belongs to cluster") && text.contains("its own data directory"), "{text}");
    let other_replica = Identity { raft_id: 2, ..options(&folder).identity };
    let text = refused(NodeOptions { identity: other_replica, start: Start::Join, ..options(&folder) });
    assert!(text.contains("belongs to replica 1, not 2"), "{text}");
    let text = refused(NodeOptions { expected_marker: Some(0xb2), ..options(&folder) });
    assert!(text.contains("marker"), "{text}");
    let empty = TempDir::new().unwrap();
    for options in [
        NodeOptions { start: Start::Restart, ..options(&empty) },
        NodeOptions { expected_marker: Some(0xa1), ..options(&empty) },
    ] {
        let text = refused(options);
        assert!(text.contains("wiped or is not mounted") && text.contains("join with a new id"), "{text}");
    }
    let text = refused(NodeOptions {
        start: Start::Bootstrap(Membership::bootstrap([(9, vec![])]).unwrap()),
        ..options(&empty)
    });
    assert!(text.contains("not among the first members"), "{text}");
    // Nothing of all that made a replica of the empty folder.
    run_once(options(&empty));
}

#[test]
fn a_missing_or_damaged_snapshot_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let config = Config { snapshot_every_entries: 10, trailing_entries: 2, ..Config::default() };
    let options = NodeOptions { config, ..options(&folder) };
    let (node, handle) = start(options.clone()).unwrap();
    wait(|| handle.status().role == Role::Leader);
    for number in 0..50_u8 {
        handle.propose(vec![number], |result| assert!(result.is_ok()));
    }
    wait(|| handle.status().snapshot_index > 10);
    handle.stop();
    node.join();
    let snapshots = folder.path().join("snapshots");
    let files: Vec<_> = std::fs::read_dir(&snapshots).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("one snapshot is kept, not {files:?}") };
    let sound = std::fs::read(file).unwrap();
    std::fs::write(file, &sound[..sound.len() - 1]).unwrap();
    let text = refused(options.clone());
    assert!(text.contains("truncated") && text.contains(&file.display().to_string()), "{text}");
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 4;
    std::fs::write(file, &flipped).unwrap();
    let text = refused(options.clone());
    assert!(text.contains("corrupted at byte"), "{text}");
    assert!(text.contains(&file.display().to_string()), "{text}");
    std::fs::remove_file(file).unwrap();
    let text = refused(options.clone());
    assert!(text.contains("missing"), "{text}");
    std::fs::write(file, &sound).unwrap();
    run_once(options);
}

fn wait(done: impl Fn() -> bool) {
    common::wait_for(Duration::from_secs(30), done);
}

#[test]
fn a_failed_sync_ends_the_replica_and_acknowledges_nothing() {
    let (folder, disk) = (TempDir::new().unwrap(), MemoryDisk::new());
    let (fatal, ended) = mpsc::channel();
    let tape = Tape { payloads: Payloads::default() };
    let on_fatal = move |error| fatal.send(error).unwrap();
    let (node, handle) = Node::start_on(Box::new(disk.open()), options(&folder), tape, Nobody, on_fatal).unwrap();
    wait(|| handle.status().role == Role::Leader);
    let syncs = disk.syncs();
    disk.fail_next_sync();
    let (sender, receiver) = mpsc::channel();
    for number in 0..10_u8 {
        let sender = sender.clone();
        handle.propose(vec![number], move |result| sender.send(result).unwrap());
    }
    let error = ended.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(error.to_string().contains("must not go on"), "{error}");
    node.join();
    drop(sender);
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), 10);
    assert!(answers.iter().all(|answer| *answer == Err(ProposeError::Stopped)), "{answers:?}");
    assert_eq!(disk.syncs(), syncs, "a failed sync is not tried again");
    let (sender, receiver) = mpsc::channel();
    handle.propose(vec![1], move |result| sender.send(result).unwrap());
    assert_eq!(receiver.recv().unwrap(), Err(ProposeError::Stopped));
}

/// A state machine that can't apply one entry.
struct Picky;

struct Nothing;

impl SnapshotSource for Nothing {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(None)
    }
}

impl StateMachine for Picky {
    type Outcome = u64;

    fn apply(&mut self, entry: EntryRef<'_>) -> Result<u64, Halt> {
        match entry.payload {
            b"bad" => Err(Halt { index: entry.index, reason: "schema 9 is unknown".to_owned() }),
            b"panic" => panic!("a bug"),
            _ => Ok(entry.index),
        }
    }

    fn publish(&mut self, _index: u64, _term: u64) {}

    fn snapshot(&self) -> Box<dyn SnapshotSource> {
        Box::new(Nothing)
    }

    fn restore(
        &mut self,
        _index: u64,
        _term: u64,
        _chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
    ) -> Result<(), Halt> {
        Ok(())
    }

    fn role_changed(&mut self, _role: Role, _term: u64, _leader: Option<RaftId>) {}

    fn membership_changed(&mut self, _index: u64, _membership: &Membership) {}
}

#[test]
fn an_entry_that_cannot_be_applied_halts_the_replica_each_time() {
    for (payload, evidence) in [(b"bad".to_vec(), "schema 9 is unknown"), (b"panic".to_vec(), "a bug")] {
        let folder = TempDir::new().unwrap();
        for round in 0..2 {
            let (fatal, ended) = mpsc::channel();
            let on_fatal = move |error: Fatal| fatal.send(error.to_string()).unwrap();
            let (node, handle) = Node::start(options(&folder), Picky, Nobody, on_fatal).unwrap();
            if round == 0 {
                wait(|| handle.status().role == Role::Leader);
                handle.propose(payload.clone(), |result| assert_eq!(result, Err(ProposeError::Stopped)));
            }
            let error = ended.recv_timeout(Duration::from_secs(30)).unwrap();
            assert!(error.contains(evidence), "{error}");
            node.join();
        }
    }
}

#[test]
fn bounds_refuse_at_once() {
    let folder = TempDir::new().unwrap();
    let (node, handle) = start(options(&folder)).unwrap();
    wait(|| handle.status().role == Role::Leader);
    let ask = |payload: Vec<u8>| {
        let (sender, receiver) = mpsc::channel();
        handle.propose(payload, move |result| sender.send(result).unwrap());
        receiver.recv_timeout(Duration::from_secs(30)).unwrap()
    };
    let max = drydock_consensus::config::COMMAND_BYTES_MAX;
    assert_eq!(ask(vec![0; max + 1]), Err(ProposeError::TooLarge { bytes: max + 1, max }));
    assert_eq!(ask(Vec::new()), Err(ProposeError::Empty));
    assert!(ask(vec![0; max]).is_ok());
    assert!(!handle.step(vec![0; drydock_consensus::config::PEER_MESSAGE_BYTES_MAX + 1]));
    assert!(handle.step(vec![0xff; 10]), "garbage is taken and dropped");
    assert!(ask(vec![1]).is_ok());
    handle.stop();
    node.join();
    let wrong = Config { election_ticks: 3, ..Config::default() };
    let text = refused(NodeOptions { config: wrong, ..options(&folder) });
    assert!(text.contains("this must hold"), "{text}");
}

#[test]
fn peers_disks_are_remembered() {
    let folder = TempDir::new().unwrap();
    let ask = |handle: &Handle<u64>, peer, marker| {
        let (sender, receiver) = mpsc::channel();
        handle.check_peer(peer, marker, move |same| sender.send(same).unwrap());
        receiver.recv_timeout(Duration::from_secs(30)).unwrap()
    };
    let (same, other) = (Some(true), Some(false));
    let pair = Membership::bootstrap([(1, Vec::new()), (2, Vec::new())]).unwrap();
    let options = NodeOptions { start: Start::Bootstrap(pair), ..options(&folder) };
    let (node, handle) = start(options.clone()).unwrap();
    assert_eq!([ask(&handle, 2, 0xb2), ask(&handle, 2, 0xb3)], [same, other]);
    assert_eq!([ask(&handle, 9, 1), ask(&handle, 9, 2)], [same, same], "strangers are not remembered");
    handle.stop();
    node.join();
    assert_eq!(ask(&handle, 2, 0xb2), None, "one that has stopped says nothing about anybody's disk");
    let (node, handle) = start(options).unwrap();
    assert_eq!([ask(&handle, 2, 0xb2), ask(&handle, 2, 0xb3)], [same, other]);
    handle.stop();
    node.join();
}
