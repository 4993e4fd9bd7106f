//! Measures durable proposals a second: three nodes in one process on real disks, linked by channels.
//!
//! `cargo run --release -p drydock-consensus --example throughput [raft-engine|sled] [bytes of a payload] [folder]`
//!
//! Prints, for 1, 16, 64 and 256 outstanding proposals, the rate and the latency's p50 and p99. All three share two
//! things that separate machines don't: the disk and the processors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measuring tool")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use drydock_consensus::{
    Config, EntryRef, Halt, Handle, Identity, Membership, Node, NodeOptions, Peers, RaftId, Role, SnapshotError,
    SnapshotFetch, SnapshotSource, Start, StateMachine, StoreKind,
};

type Board = Arc<Mutex<BTreeMap<RaftId, Handle<u64>>>>;

/// Counts entries and nothing else.
struct Counter(u64);

struct Empty;

impl SnapshotSource for Empty {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(None)
    }
}

impl StateMachine for Counter {
    type Outcome = u64;

    fn apply(&mut self, _entry: EntryRef<'_>) -> Result<u64, Halt> {
        self.0 += 1;
        Ok(self.0)
    }

    fn publish(&mut self, _index: u64, _term: u64) {}

    fn snapshot(&self) -> Box<dyn SnapshotSource> {
        Box::new(Empty)
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

struct Links(Board);

impl Peers for Links {
    fn send(&mut self, to: RaftId, messages: Vec<Vec<u8>>) -> bool {
        let peer = self.0.lock().unwrap().get(&to).cloned();
        peer.is_some_and(|peer| messages.into_iter().all(|message| peer.step(message)))
    }

    fn fetch_snapshot(&mut self, _fetch: SnapshotFetch) {}

    fn membership_changed(&mut self, _membership: &Membership) {}
}

fn start(folder: &Path, store: StoreKind) -> Vec<(Node, Handle<u64>)> {
    let board = Board::default();
    let members = Membership::bootstrap((1..=3).map(|id| (id, Vec::new()))).unwrap();
    let nodes = (1..=3).map(|id| {
        let options = NodeOptions {
            data_dir: folder.join(id.to_string()),
            store,
            identity: Identity { fingerprint: 1, raft_id: id, marker: u128::from(id) },
            expected_marker: None,
            start: Start::Bootstrap(members.clone()),
            config: Config::default(),
            seed: id,
            on_sync: drydock_consensus::OnSync::default(),
        };
        let fatal = |error| panic!("{error}");
        let (node, handle) = Node::start(options, Counter(0), Links(board.clone()), fatal).unwrap();
        board.lock().unwrap().insert(id, handle.clone());
        (node, handle)
    });
    nodes.collect()
}

fn leader(nodes: &[(Node, Handle<u64>)]) -> Handle<u64> {
    loop {
        if let Some((_, handle)) = nodes.iter().find(|(_, handle)| handle.status().role == Role::Leader) {
            return handle.clone();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Keeps `outstanding` proposals under way for so long.
fn measure(handle: &Handle<u64>, outstanding: usize, bytes: usize, time: Duration) {
    let (sender, receiver) = mpsc::channel();
    let propose = || {
        let (sender, began) = (sender.clone(), Instant::now());
        handle.propose(vec![b'x'; bytes], move |result| {
            // The measuring loop is gone when the last ones come.
            let _ = sender.send((began.elapsed(), result.is_ok()));
        });
    };
    let began = Instant::now();
    (0..outstanding).for_each(|_| propose());
    let mut latencies = Vec::new();
    let mut failed = 0_u64;
    while began.elapsed() < time {
        let (latency, ok) = receiver.recv().unwrap();
        latencies.push(latency);
        failed += u64::from(!ok);
        propose();
    }
    let seconds = began.elapsed().as_secs_f64();
    for _ in 0..outstanding {
        receiver.recv().unwrap();
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let rate = f64::from(u32::try_from(latencies.len()).unwrap()) / seconds;
    println!(
        "{outstanding:>4} outstanding: {rate:>8.0}/s  p50 {:>9.2?}  p99 {:>9.2?}  {failed} failed",
        at(50),
        at(99)
    );
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let store = match arguments.next().as_deref() {
        Some("sled") => StoreKind::Sled,
        _ => StoreKind::RaftEngine,
    };
    let bytes = arguments.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(300);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("drydock-throughput");
    let _ = std::fs::remove_dir_all(&folder);
    let began = Instant::now();
    let nodes = start(&folder, store);
    let leader = leader(&nodes);
    println!(
        "{store:?}, payloads of {bytes} bytes, leader after {:.2?}, {} KiB resident",
        began.elapsed(),
        resident_kib()
    );
    for outstanding in [1, 16, 64, 256, 1000] {
        measure(&leader, outstanding, bytes, Duration::from_secs(5));
    }
    println!("{} KiB resident with three nodes", resident_kib());
    for (node, handle) in nodes {
        handle.stop();
        node.join();
    }
    let _ = std::fs::remove_dir_all(&folder);
}
