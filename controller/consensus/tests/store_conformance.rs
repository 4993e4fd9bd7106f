//! One suite of laws over every log store: memory, raft-engine, sled.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use drydock_consensus::log_store::memory::MemoryDisk;
use drydock_consensus::log_store::{self, Boot, HardState, Identity, LogStore, StoreError, StoreKind, WriteBatch};
use drydock_consensus::{Membership, SnapshotMeta};
use raft::eraftpb::Entry;
use tempfile::TempDir;

const IDENTITY: Identity = Identity { fingerprint: 0xc1, raft_id: 1, marker: 0xa1 };

/// A disk that outlives the stores opened on it.
enum Disk {
    Memory(MemoryDisk),
    Folder(StoreKind, TempDir),
}

impl Disk {
    fn open(&self) -> Box<dyn LogStore> {
        match self {
            Self::Memory(disk) => Box::new(disk.open()),
            Self::Folder(kind, folder) => log_store::open(*kind, folder.path()).unwrap(),
        }
    }
}

fn members() -> Membership {
    Membership::bootstrap([(1, b"one".to_vec()), (2, b"two".to_vec()), (3, b"three".to_vec())]).unwrap()
}

fn entry(index: u64, term: u64) -> Entry {
    let data = format!("entry {index} of term {term}").into_bytes().into();
    Entry { index, term, data, ..Entry::default() }
}

fn batch(range: std::ops::RangeInclusive<u64>, term: u64, commit: u64) -> WriteBatch {
    WriteBatch {
        hard_state: HardState { term, vote: 1, commit },
        entries: range.map(|index| entry(index, term)).collect(),
        ..WriteBatch::default()
    }
}

fn write(store: &mut dyn LogStore, batch: &WriteBatch) {
    store.append(batch).unwrap();
    store.sync().unwrap();
}

fn snapshot(index: u64, term: u64) -> SnapshotMeta {
    SnapshotMeta { index, term, size: 100, digest: 7, membership: members() }
}

/// Index and term of all entries that can be read.
fn all(store: &dyn LogStore, boot: &Boot) -> Vec<(u64, u64)> {
    let mut entries = Vec::new();
    let mut low = boot.truncated_index + 1;
    while low <= boot.last_index {
        let page = store.read(low, boot.last_index + 1, 200).unwrap();
        low += page.len() as u64;
        for found in page {
            assert_eq!(found.data, entry(found.index, found.term).data);
            assert_eq!(boot.terms.get(found.index), Some(found.term));
            entries.push((found.index, found.term));
        }
    }
    entries
}

fn on_each(law: impl Fn(&Disk)) {
    law(&Disk::Memory(MemoryDisk::new()));
    for kind in [StoreKind::RaftEngine, StoreKind::Sled] {
        law(&Disk::Folder(kind, TempDir::new().unwrap()));
    }
}

/// A store that was created as a first voter's.
fn created(disk: &Disk) -> Box<dyn LogStore> {
    let mut store = disk.open();
    assert_eq!(store.load().unwrap(), None);
    store.create(&IDENTITY, &SnapshotMeta::bootstrap(members())).unwrap();
    store
}

#[test]
fn an_empty_store_says_so_and_keeps_what_it_is_created_with() {
    on_each(|disk| {
        drop(created(disk));
        let boot = disk.open().load().unwrap().unwrap();
        assert_eq!(boot.identity, IDENTITY);
        assert_eq!(boot.snapshot, SnapshotMeta::bootstrap(members()));
        assert_eq!(boot.hard_state, HardState { term: 1, vote: 0, commit: 1 });
        assert_eq!((boot.truncated_index, boot.last_index), (1, 1));
        assert_eq!(boot.terms.get(1), Some(1));
    });
}

#[test]
fn synced_batches_survive_and_replace_conflicting_entries() {
    on_each(|disk| {
        let mut store = created(disk);
        write(store.as_mut(), &batch(2..=9, 2, 4));
        write(store.as_mut(), &batch(6..=7, 3, 5));
        write(store.as_mut(), &batch(8..=8, 4, 7));
        drop(store);
        let mut store = disk.open();
        let boot = store.load().unwrap().unwrap();
        assert_eq!(boot.hard_state, HardState { term: 4, vote: 1, commit: 7 });
        let expected = vec![(2, 2), (3, 2), (4, 2), (5, 2), (6, 3), (7, 3), (8, 4)];
        assert_eq!(all(store.as_ref(), &boot), expected);
    });
}

#[test]
fn several_batches_may_share_a_sync() {
    on_each(|disk| {
        let mut store = created(disk);
        store.append(&batch(2..=5, 2, 1)).unwrap();
        store.append(&batch(4..=6, 3, 3)).unwrap();
        let hard_state = HardState { term: 4, vote: 1, commit: 5 };
        store.append(&WriteBatch { hard_state, ..WriteBatch::default() }).unwrap();
        store.sync().unwrap();
        store.sync().unwrap();
        drop(store);
        let mut store = disk.open();
        let boot = store.load().unwrap().unwrap();
        assert_eq!(boot.hard_state, HardState { term: 4, vote: 1, commit: 5 });
        assert_eq!(all(store.as_ref(), &boot), vec![(2, 2), (3, 2), (4, 3), (5, 3), (6, 3)]);
    });
}

#[test]
fn a_read_is_bounded_but_gives_at_least_one_entry() {
    on_each(|disk| {
        let mut store = created(disk);
        write(store.as_mut(), &batch(2..=100, 2, 50));
        assert_eq!(store.read(10, 20, u64::MAX).unwrap().len(), 10);
        assert_eq!(store.read(10, 20, 1).unwrap().len(), 1);
        let some = store.read(10, 100, 300).unwrap();
        assert!((2..40).contains(&some.len()), "{}", some.len());
        assert_eq!(some[0].index, 10);
    });
}

#[test]
fn compaction_drops_the_front_and_remembers_its_term() {
    on_each(|disk| {
        let mut store = created(disk);
        write(store.as_mut(), &batch(2..=50, 2, 40));
        let mut compacting = batch(51..=52, 3, 45);
        compacting.snapshot = Some(snapshot(40, 2));
        compacting.compact_to = Some((30, 2));
        write(store.as_mut(), &compacting);
        store.reclaim().unwrap();
        assert!(matches!(store.read(30, 31, 100), Err(StoreError::Gone { low: 30, first: 31 })));
        assert_eq!(store.read(31, 32, 100).unwrap()[0].index, 31);
        drop(store);
        let mut store = disk.open();
        let boot = store.load().unwrap().unwrap();
        assert_eq!((boot.truncated_index, boot.last_index), (30, 52));
        assert_eq!(boot.terms.get(30), Some(2));
        assert_eq!(boot.snapshot, snapshot(40, 2));
        assert_eq!(all(store.as_ref(), &boot).len(), 22);
        let again = WriteBatch { compact_to: Some((20, 2)), ..batch(53..=53, 3, 45) };
        write(store.as_mut(), &again);
        assert_eq!(store.read(31, 32, 100).unwrap()[0].index, 31, "compaction never goes back");
    });
}

#[test]
fn a_leaders_snapshot_replaces_the_log_wherever_it_ended() {
    // The snapshot may lie beyond the log's end, or before it (then what is there contradicts it).
    for (last, at) in [(10, 500), (500, 300)] {
        on_each(|disk| {
            let mut store = created(disk);
            write(store.as_mut(), &batch(2..=last, 2, 5));
            let mut installing = batch(at + 1..=at + 3, 9, at);
            installing.snapshot = Some(snapshot(at, 8));
            installing.reset = true;
            write(store.as_mut(), &installing);
            store.reclaim().unwrap();
            write(store.as_mut(), &batch(at + 3..=at + 4, 10, at + 1));
            drop(store);
            let mut store = disk.open();
            let boot = store.load().unwrap().unwrap();
            assert_eq!(boot.snapshot, snapshot(at, 8));
            assert_eq!(boot.terms.get(at), Some(8));
            let expected = vec![(at + 1, 9), (at + 2, 9), (at + 3, 10), (at + 4, 10)];
            assert_eq!(all(store.as_ref(), &boot), expected);
        });
    }
}

#[test]
fn a_replica_that_waits_to_be_added_starts_from_nothing() {
    on_each(|disk| {
        let mut store = disk.open();
        let nothing = SnapshotMeta { index: 0, term: 0, size: 0, digest: 0, membership: Membership::default() };
        store.create(&IDENTITY, &nothing).unwrap();
        drop(store);
        let boot = disk.open().load().unwrap().unwrap();
        assert_eq!((boot.truncated_index, boot.last_index, boot.hard_state), (0, 0, HardState::default()));
    });
}

#[test]
fn peers_markers_are_remembered() {
    on_each(|disk| {
        let mut store = created(disk);
        let markers = vec![(2, 0xb2), (3, 0xc3)];
        write(store.as_mut(), &WriteBatch { peer_markers: Some(markers.clone()), ..batch(2..=2, 2, 1) });
        write(store.as_mut(), &batch(3..=3, 2, 1));
        drop(store);
        assert_eq!(disk.open().load().unwrap().unwrap().peer_markers, markers);
    });
}

#[test]
fn a_log_much_longer_than_its_files_stays_whole_and_bounded() {
    on_each(|disk| {
        let mut store = created(disk);
        let mut index = 1;
        let mut most = 0;
        // 300 batches of 50 entries of 4 KiB: 60 MiB through a log that is compacted every 1,000 entries.
        for round in 0..300_u64 {
            let mut writes = batch(index + 1..=index + 50, 2, index);
            for entry in &mut writes.entries {
                entry.data = vec![b'x'; 4096].into();
            }
            index += 50;
            if round % 20 == 19 {
                writes.hard_state.commit = index;
                writes.snapshot = Some(snapshot(index, 2));
                writes.compact_to = Some((index - 200, 2));
            }
            write(store.as_mut(), &writes);
            if round % 20 == 19 {
                store.reclaim().unwrap();
            }
            most = most.max(store.disk_bytes());
        }
        drop(store);
        let boot = disk.open().load().unwrap().unwrap();
        assert_eq!((boot.last_index, boot.truncated_index), (index, index - 200));
        let (bytes, mib) = (most, most / 1024 / 1024);
        eprintln!("most on disk: {mib} MiB");
        if !matches!(disk, Disk::Folder(StoreKind::Sled, _)) {
            assert!(bytes < 48 * 1024 * 1024, "{mib} MiB on disk");
        }
    });
}
