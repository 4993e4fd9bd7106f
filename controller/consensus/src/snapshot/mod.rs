//! Snapshot files: checksummed chunks, written to a temporary name, synced, renamed, the folder synced.
//!
//! Touches only the folder that it is given. A file is `snap-<term>-<index>`:
//!
//! ```text
//! magic "DRYSNAP1"
//! frame*            kind u8 | payload length u32 | crc32(kind, length, payload) u32 | payload
//!   header (kind 1) index u64, term u64, cluster fingerprint u128, membership
//!   chunk  (kind 2) what the state machine yielded, at most SNAPSHOT_CHUNK_BYTES
//!   footer (kind 3) number of chunks u64, bytes before the footer u64, crc32 of those bytes u32
//! ```
//! Numbers are little-endian. The log store keeps a [`SnapshotMeta`] that points to the file, with its size and the
//! CRC of the whole file; the pointer is written only when the file is durable (raft-recipe D8).

mod chunks;
mod folder;
mod reader;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use chunks::SnapshotChunks;
pub use folder::SnapshotFolder;
pub use reader::{ServeEnd, SnapshotReader};
pub use writer::SnapshotWriter;

use crate::Membership;
use crate::record::{BadRecord, Reader};
use crate::state_machine::Halt;

pub(crate) const MAGIC: &[u8; 8] = b"DRYSNAP1";
pub(crate) const FRAME_HEAD_BYTES: usize = 9;
pub(crate) const KIND_HEADER: u8 = 1;
pub(crate) const KIND_CHUNK: u8 = 2;
pub(crate) const KIND_FOOTER: u8 = 3;

/// Everything about a snapshot but its body. Kept in the log store and sent in raft's snapshot message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The last entry that it contains.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// Bytes of the file; zero for the empty state that a new cluster starts with, which has no file.
    pub size: u64,
    /// CRC-32 of the whole file.
    pub digest: u32,
    /// The membership as of `index`.
    pub membership: Membership,
}

/// What is wrong with a snapshot file. The messages name the file.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk failed: the process must end.
    #[error("{doing} {}: {source}. The disk failed; the replica must not go on", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The disk's error.
        source: io::Error,
    },
    /// The log store points to it, but it isn't there.
    #[error(
        "snapshot file {} is missing, though the log says that it was made durable. Restore the file, or remove this replica \
         from the cluster and join with a new id and an empty data directory",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It ends too early.
    #[error("snapshot file {} is truncated: {have} bytes, {expected} were made durable. {RESTORE}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes there.
        have: u64,
        /// Bytes that were written.
        expected: u64,
    },
    /// Its content contradicts a checksum or itself.
    #[error("snapshot file {} is corrupted at byte {offset}: {reason}. {RESTORE}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from its start.
        offset: u64,
        /// What was found.
        reason: String,
    },
    /// A received file is not what was announced; it was deleted and will be fetched again.
    #[error("the received snapshot differs from what was announced: {reason}; it will be fetched again")]
    NotAsAnnounced {
        /// What differs.
        reason: String,
    },
    /// The snapshot asked for isn't kept any more; a newer one will be offered.
    #[error("snapshot {term}-{index} is not here (any more); a newer one will be offered")]
    NotHere {
        /// Its index.
        index: u64,
        /// Its term.
        term: u64,
    },
    /// The state machine could not encode itself.
    #[error("encoding the state: {0}")]
    Encode(#[from] Halt),
}

const RESTORE: &str = "Nothing was changed. Restore the file from a copy, or remove this replica from the cluster and join with a \
                       new id and an empty data directory";

impl SnapshotError {
    /// Whether a file of this replica's own is gone or damaged: no later start can find it again.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Truncated { .. } | Self::Corrupt { .. })
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// The same error once more (an IO error with its text and kind).
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Io { doing, path, source } => {
                Self::Io { doing, path: path.clone(), source: io::Error::new(source.kind(), source.to_string()) }
            }
            Self::Missing { path } => Self::Missing { path: path.clone() },
            Self::Truncated { path, have, expected } => {
                Self::Truncated { path: path.clone(), have: *have, expected: *expected }
            }
            Self::Corrupt { path, offset, reason } => {
                Self::Corrupt { path: path.clone(), offset: *offset, reason: reason.clone() }
            }
            Self::NotAsAnnounced { reason } => Self::NotAsAnnounced { reason: reason.clone() },
            Self::NotHere { index, term } => Self::NotHere { index: *index, term: *term },
            Self::Encode(halt) => Self::Encode(halt.clone()),
        }
    }

    /// Whether the process must end: the disk failed or the state can't be encoded.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::NotAsAnnounced { .. } | Self::NotHere { .. })
    }
}

impl SnapshotMeta {
    /// The state that a new cluster starts with: no file, no state, only the first members. Its index is 1 and not 0, so
    /// that a replica that joins gets a snapshot (and with it the first members) and never the bare log.
    #[must_use]
    pub fn bootstrap(membership: Membership) -> Self {
        Self { index: 1, term: 1, size: 0, digest: 0, membership }
    }

    /// Whether there is a file.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.size > 0
    }

    /// Whether both are the same snapshot, byte for byte.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.index, self.term, self.size, self.digest) == (other.index, other.term, other.size, other.digest)
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("snap-{}-{}", self.term, self.index)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.digest.to_le_bytes());
        self.membership.encode(&mut out);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let mut reader = Reader(bytes);
        let (index, term, size, digest) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u32()?);
        let membership = Membership::decode(&mut reader)?;
        reader.end()?;
        Ok(Self { index, term, size, digest, membership })
    }

    /// As raft carries it: metadata, and our own part as the data.
    pub(crate) fn to_raft(&self) -> raft::eraftpb::Snapshot {
        let mut snapshot = raft::eraftpb::Snapshot::default();
        let metadata = snapshot.mut_metadata();
        metadata.index = self.index;
        metadata.term = self.term;
        metadata.set_conf_state(self.membership.to_conf_state());
        snapshot.data = self.encode().into();
        snapshot
    }

    pub(crate) fn from_raft(snapshot: &raft::eraftpb::Snapshot) -> Result<Self, BadRecord> {
        let meta = Self::decode(&snapshot.data)?;
        let metadata = snapshot.get_metadata();
        if (meta.index, meta.term) != (metadata.index, metadata.term) {
            return Err(BadRecord(format!(
                "index {} term {} in the metadata, index {} term {} in the data",
                metadata.index, metadata.term, meta.index, meta.term
            )));
        }
        Ok(meta)
    }
}

/// The head of a frame.
pub(crate) fn frame_head(kind: u8, payload: &[u8]) -> [u8; FRAME_HEAD_BYTES] {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length);
    hasher.update(payload);
    let mut head = [0; FRAME_HEAD_BYTES];
    head[0] = kind;
    head[1..5].copy_from_slice(&length);
    head[5..9].copy_from_slice(&hasher.finalize().to_le_bytes());
    head
}
