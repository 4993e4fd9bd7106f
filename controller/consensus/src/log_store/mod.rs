//! The raft log, hard state and snapshot pointer on disk, behind one small trait with three implementations:
//! raft-engine (the default), sled, and memory (tests and the simulator). One conformance suite runs over all.
//!
//! Touches only the folder that it is given. Rules that hold for each implementation (raft-recipe D3):
//! - A [`WriteBatch`] is atomic: after a crash all of it is there or nothing.
//! - Nothing counts before [`LogStore::sync`] returned; then it survives power loss.
//! - The first error poisons: nothing is retried, the process must end.
//! - [`LogStore::load`] tells a torn, never acknowledged tail (dropped silently) from damage to what was
//!   acknowledged (refused, naming file or index).

pub mod anchor;
mod boot;
mod check;
mod engine;
mod engine_scan;
pub mod memory;
mod records;
mod sled_store;
mod vigil;

use std::io;
use std::path::{Path, PathBuf};

use raft::eraftpb::Entry;

pub use boot::{Boot, Terms};
pub use engine::EngineStore;
pub use sled_store::SledStore;
pub use vigil::Vigil;

use crate::RaftId;
use crate::snapshot::SnapshotMeta;

/// The version of everything on disk. A higher one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Whose disk this is. Written once, compared at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's: random, made by who bootstraps it.
    pub fingerprint: u128,
    /// The replica's id.
    pub raft_id: RaftId,
    /// This disk's own random mark. Peers remember it, so that a wiped disk can't come back under its old id.
    pub marker: u128,
}

/// Which implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreKind {
    /// raft-engine: one fdatasync a batch.
    #[default]
    RaftEngine,
    /// sled 0.34 with explicit flush and a real sync of its files.
    Sled,
}

/// Raft's hard state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardState {
    /// The latest term seen.
    pub term: u64,
    /// Who got this replica's vote in that term, or 0.
    pub vote: RaftId,
    /// The last entry known to be committed.
    pub commit: u64,
}

/// What one turn of the driver makes durable, all or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteBatch {
    /// The newest hard state. In every batch, so that the commit index is never older than the entries beside it.
    pub hard_state: HardState,
    /// Contiguous entries. Stored ones from the first one's index on are replaced.
    pub entries: Vec<Entry>,
    /// A new snapshot to start from; its file is durable already.
    pub snapshot: Option<SnapshotMeta>,
    /// Whether `snapshot` came from the leader and replaces the whole log.
    pub reset: bool,
    /// Drop the entries up to this one: (index, term). Behind or at the snapshot's index.
    pub compact_to: Option<(u64, u64)>,
    /// Marks of peers' disks to remember, all that are known (a small complete list), when it changed.
    pub peer_markers: Option<Vec<(RaftId, u128)>>,
}

/// The log of one replica. All calls come from one thread, except that the implementation may reclaim space on
/// another of its own.
pub trait LogStore: Send {
    /// Reads back and verifies everything: identity, checksums of all entries, contiguity from the snapshot to the
    /// last, commit within the log. `None`: the store is empty and was never created.
    ///
    /// # Errors
    /// Damage, naming the file or index; or the disk's error.
    fn load(&mut self) -> Result<Option<Boot>, StoreError>;

    /// Writes identity and first snapshot pointer into an empty store, durably.
    ///
    /// # Errors
    /// The disk's error.
    fn create(&mut self, identity: &Identity, first: &SnapshotMeta) -> Result<(), StoreError>;

    /// Adds a batch. Not durable before [`LogStore::sync`].
    ///
    /// # Errors
    /// The disk's error; the store is poisoned then.
    fn append(&mut self, batch: &WriteBatch) -> Result<(), StoreError>;

    /// Makes all that was appended durable, by a real sync of the disk.
    ///
    /// # Errors
    /// The disk's error; the store is poisoned then.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Entries of `[low, high)`, in order, at least one, at most `max_bytes` of payload (but at least one). For replay
    /// at start and for far-behind followers.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if they were compacted; else damage or the disk's error.
    fn read(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, StoreError>;

    /// Gives back the space of compacted entries, when that is worthwhile. Called after a batch with `compact_to`.
    ///
    /// # Errors
    /// The disk's error; the store is poisoned then.
    fn reclaim(&mut self) -> Result<(), StoreError>;

    /// Bytes on disk.
    fn disk_bytes(&self) -> u64;
}

/// Why a store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or sync failed, or panicked inside the store. What is on disk is unknown; it is never retried.
    #[error("{doing} in {} failed: {reason}. The replica must not go on; restart it when the disk is sound", path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// The disk's error.
        reason: String,
    },
    /// An earlier error poisoned the store.
    #[error("the log store is poisoned by an earlier error; the process must end")]
    Poisoned,
    /// The replica should have data here but the disk is empty.
    #[error(
        "{} holds no log, but replica {raft_id} ran before: the disk was wiped or is not mounted. Mount it; if the data is \
         lost, remove replica {raft_id} from the cluster and join with a new id",
        path.display()
    )]
    Wiped {
        /// The folder.
        path: PathBuf,
        /// The replica's id.
        raft_id: RaftId,
    },
    /// The disk belongs to someone else.
    #[error(
        "{} belongs to {what} {found}, not {expected}: this is another replica's or another cluster's disk. Point the \
         replica to its own data directory",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Which part of the identity.
        what: &'static str,
        /// On disk.
        found: String,
        /// What the caller expected.
        expected: String,
    },
    /// Written by a newer version, or by the other kind of store.
    #[error("{} was written {found}; this program reads {expected}", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// On disk.
        found: String,
        /// Readable.
        expected: String,
    },
    /// Acknowledged data is damaged.
    #[error(
        "the log is corrupted at {at}: {reason}. This was acknowledged data, not an unsynced tail; nothing was changed. \
         Restore the disk, or remove this replica from the cluster and join with a new id and an empty data directory"
    )]
    Corrupt {
        /// File and offset, or index.
        at: String,
        /// What was found.
        reason: String,
    },
    /// Acknowledged writes are not there any more.
    #[error(
        "the log in {} lost acknowledged writes: batch {acknowledged} was acknowledged, the last one there is {found}. \
         The log was truncated or restored from an old copy. Restore it, or remove this replica from the cluster and \
         join with a new id and an empty data directory",
        path.display()
    )]
    LostTail {
        /// The folder.
        path: PathBuf,
        /// The number of the last acknowledged batch.
        acknowledged: u64,
        /// The number of the last batch found.
        found: u64,
    },
    /// The files of a running replica are gone.
    #[error(
        "{} is lost: {reason}, while the replica runs. What it acknowledged since then would end with the process, so it ends \
         now. Restore the folder; if it can't be had back, remove this replica from the cluster and join with a new id and an \
         empty data directory",
        path.display()
    )]
    Vanished {
        /// The folder or file.
        path: PathBuf,
        /// What was found in its place.
        reason: String,
    },
    /// Another process has it open.
    #[error("{} is in use by another process: {reason}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        reason: String,
    },
    /// The entries were compacted away.
    #[error("entries from {low} on are not in the log any more; it starts at {first}")]
    Gone {
        /// First entry asked for.
        low: u64,
        /// First entry there.
        first: u64,
    },
}

impl StoreError {
    /// Whether no later start can do better with this folder: what the replica acknowledged is gone or damaged, or it is
    /// another replica's.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Wiped { .. }
            | Self::Corrupt { .. }
            | Self::LostTail { .. }
            | Self::Vanished { .. }
            | Self::Foreign { .. } => true,
            Self::Disk { .. } | Self::Poisoned | Self::Format { .. } | Self::Locked { .. } | Self::Gone { .. } => false,
        }
    }

    pub(crate) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Disk { doing, path, reason: error.to_string() }
    }

    pub(crate) fn corrupt(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Corrupt { at: at.into(), reason: reason.into() }
    }
}

/// Opens the store of that kind in a folder, making the folder if it isn't there.
///
/// # Errors
/// In use, of another kind, damaged, or the disk's error.
pub fn open(kind: StoreKind, folder: &Path) -> Result<Box<dyn LogStore>, StoreError> {
    match kind {
        StoreKind::RaftEngine => Ok(Box::new(EngineStore::open(folder)?)),
        StoreKind::Sled => Ok(Box::new(SledStore::open(folder)?)),
    }
}

/// The identity that a data folder was created with, or `None` if it holds none. Takes no lock.
///
/// # Errors
/// The record is damaged or unreadable.
pub fn identity_of(folder: &Path) -> Result<Option<Identity>, StoreError> {
    Ok(anchor::Anchor::peek(folder)?.map(|contents| contents.identity))
}

/// What a panic inside a store said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked".to_owned())
}
