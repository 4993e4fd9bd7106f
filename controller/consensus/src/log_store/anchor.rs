//! The file `replica` beside the log: whose disk it is, and how far writes were acknowledged.
//!
//! Touches that one file. The identity is written once, durably. The number of the last acknowledged batch is
//! written after each sync, but itself not synced: after a kill it is exact, after a power loss it may be older. Either
//! way it is a lower bound: a log that ends before it has lost acknowledged writes (raft-recipe §1 trap (e)).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{FORMAT_VERSION, Identity, StoreError, StoreKind};
use crate::record::{BadRecord, Reader, seal, unseal};

pub(super) const FILE: &str = "replica";
const LOCK: &str = "replica.lock";
const MAGIC: &[u8; 8] = b"DRYREPL1";
/// Bytes of the identity's part: magic, version, kind, three ids, CRC.
const HEAD_BYTES: usize = 8 + 4 + 1 + 16 + 8 + 16 + 4;
/// Where the two slots for the acknowledged number begin. They are written in turn, so that a torn one loses nothing.
const SLOTS_AT: u64 = 128;
const SLOT_BYTES: usize = 12;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Whose disk.
    pub identity: Identity,
    /// Which implementation wrote the log.
    pub kind: StoreKind,
    /// The last batch that was acknowledged, at least.
    pub acknowledged: u64,
}

/// The open file.
#[derive(Debug)]
pub struct Anchor {
    file: File,
    path: PathBuf,
}

impl Anchor {
    /// Reads the file, if it is there. Takes no lock.
    ///
    /// # Errors
    /// Damaged, of a newer format, or the disk's error.
    pub fn peek(folder: &Path) -> Result<Option<Contents>, StoreError> {
        let path = folder.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_end(&mut bytes).map_err(StoreError::disk("reading", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::disk("opening", &path)(error)),
        };
        let head = bytes.get(..HEAD_BYTES).unwrap_or(&bytes);
        let (identity, kind) = match decode_head(head) {
            Ok((FORMAT_VERSION, identity, kind)) => (identity, kind),
            Ok((version, ..)) => {
                let (found, expected) = (format!("in format {version}"), format!("format {FORMAT_VERSION}"));
                return Err(StoreError::Format { path, found, expected });
            }
            Err(BadRecord(reason)) => return Err(StoreError::corrupt(path.display().to_string(), reason)),
        };
        let slots = bytes.get(usize::try_from(SLOTS_AT).unwrap_or(usize::MAX)..).unwrap_or(&[]);
        let acknowledged = slots.chunks_exact(SLOT_BYTES).filter_map(decode_slot).max().unwrap_or(0);
        Ok(Some(Contents { identity, kind, acknowledged }))
    }

    /// Makes the file, durably.
    ///
    /// # Errors
    /// The disk's error.
    pub fn create(folder: &Path, identity: &Identity, kind: StoreKind) -> Result<Self, StoreError> {
        let (path, temporary) = (folder.join(FILE), folder.join(format!("{FILE}.tmp")));
        let mut bytes = encode_head(identity, kind);
        bytes.resize(usize::try_from(SLOTS_AT).unwrap_or(0) + 2 * SLOT_BYTES, 0);
        fs::write(&temporary, &bytes).map_err(StoreError::disk("writing", &temporary))?;
        let written = File::open(&temporary).map_err(StoreError::disk("opening", &temporary))?;
        written.sync_all().map_err(StoreError::disk("syncing", &temporary))?;
        fs::rename(&temporary, &path).map_err(StoreError::disk("renaming", &temporary))?;
        sync_folder(folder)?;
        // The folder itself may be new.
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
        Self::open(folder)
    }

    /// Opens the file to write acknowledged numbers.
    ///
    /// # Errors
    /// The disk's error.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let file = OpenOptions::new().write(true).open(&path).map_err(StoreError::disk("opening", &path))?;
        Ok(Self { file, path })
    }

    /// Notes that batch `number` was synced.
    ///
    /// # Errors
    /// The disk's error.
    pub fn acknowledge(&self, number: u64) -> Result<(), StoreError> {
        let slot = seal(number.to_le_bytes().to_vec());
        let at = SLOTS_AT + (number % 2) * SLOT_BYTES as u64;
        self.file.write_all_at(&slot, at).map_err(StoreError::disk("writing", &self.path))
    }
}

/// Held while a store is open: no other process may look at or change the folder.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    /// Another process has it, or the disk's error.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(LOCK);
        let file = File::create(&path).map_err(StoreError::disk("creating", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path, reason: "it is locked".to_owned() }),
            Err(TryLockError::Error(error)) => Err(StoreError::disk("locking", &path)(error)),
        }
    }
}

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let open = File::open(folder).map_err(StoreError::disk("opening", folder))?;
    open.sync_all().map_err(StoreError::disk("syncing", folder))
}

fn encode_head(identity: &Identity, kind: StoreKind) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    head.push(match kind {
        StoreKind::RaftEngine => 1,
        StoreKind::Sled => 2,
    });
    head.extend_from_slice(&identity.fingerprint.to_le_bytes());
    head.extend_from_slice(&identity.raft_id.to_le_bytes());
    head.extend_from_slice(&identity.marker.to_le_bytes());
    seal(head)
}

fn decode_head(bytes: &[u8]) -> Result<(u32, Identity, StoreKind), BadRecord> {
    let mut reader = Reader(unseal(bytes)?);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(BadRecord("it doesn't start as a replica's file".to_owned()));
    }
    let version = reader.u32()?;
    let kind = match reader.u8()? {
        1 => StoreKind::RaftEngine,
        2 => StoreKind::Sled,
        other => return Err(BadRecord(format!("unknown kind of store {other}"))),
    };
    let identity = Identity { fingerprint: reader.u128()?, raft_id: reader.u64()?, marker: reader.u128()? };
    reader.end()?;
    Ok((version, identity, kind))
}

fn decode_slot(slot: &[u8]) -> Option<u64> {
    Reader(unseal(slot).ok()?).u64().ok()
}
