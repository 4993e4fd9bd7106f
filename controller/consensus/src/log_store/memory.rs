//! A log in memory that behaves like a disk: what was not synced is lost in a crash, and a batch is there as a whole
//! or not at all. For tests and the simulator.
//!
//! The [`MemoryDisk`] is the disk: it outlives the [`MemoryStore`]s that are opened on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft::eraftpb::Entry;

use super::boot::{Boot, Terms};
use super::{HardState, Identity, LogStore, StoreError, WriteBatch};
use crate::RaftId;
use crate::snapshot::SnapshotMeta;

/// What is durable.
#[derive(Debug, Clone, Default)]
struct Durable {
    created: Option<(Identity, SnapshotMeta)>,
    hard_state: HardState,
    truncated: (u64, u64),
    entries: Vec<Entry>,
    peer_markers: Vec<(RaftId, u128)>,
}

#[derive(Debug, Default)]
struct Disk {
    durable: Durable,
    /// Appended and not yet synced, in order.
    unsynced: Vec<WriteBatch>,
    poisoned: bool,
    fail_next_sync: bool,
    syncs: u64,
}

/// A pretended disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

/// A log on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStore(MemoryDisk);

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A store on this disk.
    #[must_use]
    pub fn open(&self) -> MemoryStore {
        MemoryStore(self.clone())
    }

    /// The machine crashes: of the batches that were not synced, the first `survive` happen to be on the disk, the
    /// rest is gone. The next one would be torn, which the checksum of a real log makes the same as gone.
    pub fn crash(&self, survive: usize) {
        let mut disk = self.lock();
        let unsynced = std::mem::take(&mut disk.unsynced);
        for batch in unsynced.iter().take(survive) {
            disk.durable.add(batch);
        }
        disk.poisoned = false;
        disk.fail_next_sync = false;
    }

    /// Batches that a crash may lose.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// The next sync fails, and with it everything after, as on a real disk.
    pub fn fail_next_sync(&self) {
        self.lock().fail_next_sync = true;
    }

    /// Everything is lost.
    pub fn wipe(&self) {
        *self.lock() = Disk::default();
    }

    /// The durable entries, for checkers.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().durable.entries.clone()
    }

    /// The durable hard state, for checkers.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.lock().durable.hard_state
    }
}

impl Durable {
    fn add(&mut self, batch: &WriteBatch) {
        self.hard_state = batch.hard_state;
        if let Some(meta) = &batch.snapshot {
            if batch.reset {
                self.entries.clear();
                self.truncated = (meta.index, meta.term);
            }
            if let Some((_, pointer)) = &mut self.created {
                pointer.clone_from(meta);
            }
        }
        if let Some(first) = batch.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
            self.entries.extend_from_slice(&batch.entries);
        }
        if let Some((index, term)) = batch.compact_to.filter(|(index, _)| *index > self.truncated.0) {
            self.entries.retain(|entry| entry.index > index);
            self.truncated = (index, term);
        }
        if let Some(markers) = &batch.peer_markers {
            self.peer_markers.clone_from(markers);
        }
    }
}

impl LogStore for MemoryStore {
    fn load(&mut self) -> Result<Option<Boot>, StoreError> {
        let disk = self.0.lock();
        let durable = &disk.durable;
        let Some((identity, snapshot)) = &durable.created else { return Ok(None) };
        let mut terms = Terms::starting_at(durable.truncated.0, durable.truncated.1);
        let mut last_index = durable.truncated.0;
        for entry in &durable.entries {
            if entry.index != last_index + 1 {
                let reason = format!("entry {} follows {last_index}", entry.index);
                return Err(StoreError::corrupt(format!("index {}", entry.index), reason));
            }
            terms.push(entry.index, entry.term);
            last_index = entry.index;
        }
        Ok(Some(Boot {
            identity: *identity,
            hard_state: durable.hard_state,
            snapshot: snapshot.clone(),
            truncated_index: durable.truncated.0,
            last_index,
            terms,
            peer_markers: durable.peer_markers.clone(),
        }))
    }

    fn create(&mut self, identity: &Identity, first: &SnapshotMeta) -> Result<(), StoreError> {
        let mut disk = self.0.lock();
        disk.durable.created = Some((*identity, first.clone()));
        disk.durable.truncated = (first.index, first.term);
        disk.durable.hard_state = HardState { term: first.term, vote: 0, commit: first.index };
        Ok(())
    }

    fn append(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        let mut disk = self.0.lock();
        if disk.poisoned {
            return Err(StoreError::Poisoned);
        }
        disk.unsynced.push(batch.clone());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let mut disk = self.0.lock();
        if disk.poisoned {
            return Err(StoreError::Poisoned);
        }
        if disk.fail_next_sync {
            disk.poisoned = true;
            let reason = "planned by the test".to_owned();
            return Err(StoreError::Disk { doing: "syncing", path: "memory".into(), reason });
        }
        let unsynced = std::mem::take(&mut disk.unsynced);
        for batch in &unsynced {
            disk.durable.add(batch);
        }
        disk.syncs += 1;
        Ok(())
    }

    fn read(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, StoreError> {
        let disk = self.0.lock();
        let first = disk.durable.truncated.0 + 1;
        if low < first {
            return Err(StoreError::Gone { low, first });
        }
        let mut bytes = 0_u64;
        let in_range = disk.durable.entries.iter().filter(|entry| (low..high).contains(&entry.index));
        let bounded = in_range.enumerate().take_while(|(at, entry)| {
            bytes += entry.data.len() as u64;
            *at == 0 || bytes <= max_bytes
        });
        Ok(bounded.map(|(_, entry)| entry.clone()).collect())
    }

    fn reclaim(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.0.lock().durable.entries.iter().map(|entry| entry.data.len() as u64).sum()
    }
}
