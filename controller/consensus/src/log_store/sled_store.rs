//! The log in sled 0.34: one tree, so that one batch is one atomic write (raft-recipe D3).
//!
//! Touches `<folder>/sled/` and the file `replica`. Keys: `m/<record>`, and `l/<space BE><index BE>` for entries, each
//! value with its own CRC.
//!
//! Traps of sled 0.34.7 that this file minds: `flush` hands the data to the kernel only (`sync_file_range`), so the files
//! are synced by handles of our own; the background flusher has hung under overwrites, so it is off; large values go
//! to files of their own in `blobs/`, which it never syncs.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use protobuf::Message as _;
use raft::eraftpb::Entry;

use super::anchor::{Anchor, Contents, FolderLock, sync_folder};
use super::boot::Boot;
use super::check::{self, Found};
use super::records::{State, encode_identity, encode_markers, encode_snapshot};
use super::{Identity, LogStore, StoreError, StoreKind, WriteBatch, panic_text};
use crate::record::{seal, unseal};
use crate::snapshot::SnapshotMeta;

const FOLDER: &str = "sled";
/// Bytes of sled's page cache. Entries are served from the core's own cache, so this one is small.
const CACHE_BYTES: u64 = 2 * 1024 * 1024;
/// Compacted entries removed in one batch.
const REMOVE_ENTRIES_MAX: usize = 1_000;
/// How often and how long to wait for an earlier handle of this process to close: 5 s in all, then it is refused.
const OPEN_RETRIES_MAX: usize = 500;
const OPEN_RETRY: Duration = Duration::from_millis(10);
const FIRST_SPACE: u64 = 1;
const KEY_STATE: &[u8] = b"m/state";
const KEY_IDENTITY: &[u8] = b"m/identity";
const KEY_SNAPSHOT: &[u8] = b"m/snapshot";
const KEY_MARKERS: &[u8] = b"m/markers";
const ENTRY_PREFIX: &[u8] = b"l/";

/// The log in sled.
pub struct SledStore {
    db: sled::Db,
    file: File,
    blobs: PathBuf,
    folder: PathBuf,
    anchor: Option<Anchor>,
    contents: Option<Contents>,
    state: State,
    unsynced: bool,
    poisoned: bool,
    _lock: FolderLock,
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn entry_key(space: u64, index: u64) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(ENTRY_PREFIX);
    key[2..10].copy_from_slice(&space.to_be_bytes());
    key[10..].copy_from_slice(&index.to_be_bytes());
    key
}

impl SledStore {
    /// Opens or makes the log in a folder.
    ///
    /// # Errors
    /// In use, of another kind, damaged, or the disk's error.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::disk("making folder", folder))?;
        let lock = FolderLock::take(folder)?;
        let contents = Anchor::peek(folder)?;
        check::check_kind(folder, contents.as_ref(), StoreKind::Sled)?;
        let dir = folder.join(FOLDER);
        let db = Self::open_patiently(&dir)?;
        let path = dir.join("db");
        let file = File::options().write(true).open(&path).map_err(StoreError::disk("opening", &path))?;
        let anchor = contents.is_some().then(|| Anchor::open(folder)).transpose()?;
        Ok(Self {
            db,
            file,
            blobs: dir.join("blobs"),
            folder: folder.to_owned(),
            anchor,
            contents,
            state: State::default(),
            unsynced: false,
            poisoned: false,
            _lock: lock,
        })
    }

    /// sled's own threads may hold a database of this process for a moment after it was dropped. Another process can't
    /// have it: the folder's lock is ours.
    fn open_patiently(dir: &Path) -> Result<sled::Db, StoreError> {
        for _ in 0..OPEN_RETRIES_MAX {
            match Self::open_db(dir) {
                Err(StoreError::Locked { .. }) => thread::sleep(OPEN_RETRY),
                other => return other,
            }
        }
        Self::open_db(dir)
    }

    fn open_db(dir: &Path) -> Result<sled::Db, StoreError> {
        let config = sled::Config::new()
            .path(dir)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES);
        let at = || dir.display().to_string();
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => Ok(db),
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("lock") => {
                Err(StoreError::Locked { path: dir.to_owned(), reason: error.to_string() })
            }
            Ok(Err(sled::Error::Io(error))) => Err(StoreError::disk("opening", dir)(error)),
            Ok(Err(error)) => Err(StoreError::corrupt(at(), error.to_string())),
            Err(panic) => Err(StoreError::corrupt(at(), panic_text(panic.as_ref()))),
        }
    }

    fn check_sound(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn poison(&mut self, doing: &'static str, reason: String) -> StoreError {
        self.poisoned = true;
        StoreError::Disk { doing, path: self.folder.join(FOLDER), reason }
    }

    fn apply(&mut self, batch: sled::Batch) -> Result<(), StoreError> {
        self.check_sound()?;
        let db = &self.db;
        match catch_unwind(AssertUnwindSafe(|| db.apply_batch(batch))) {
            Ok(Ok(())) => {
                self.unsynced = true;
                Ok(())
            }
            Ok(Err(error)) => Err(self.poison("writing", error.to_string())),
            Err(panic) => Err(self.poison("writing", panic_text(panic.as_ref()))),
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.check_sound()?;
        let db = &self.db;
        match catch_unwind(AssertUnwindSafe(|| db.flush())) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(self.poison("flushing", error.to_string())),
            Err(panic) => return Err(self.poison("flushing", panic_text(panic.as_ref()))),
        }
        if let Err(error) = self.sync_files() {
            return Err(self.poison("syncing", error.to_string()));
        }
        self.unsynced = false;
        Ok(())
    }

    fn sync_files(&self) -> std::io::Result<()> {
        let mut blobs = 0;
        for blob in fs::read_dir(&self.blobs)? {
            File::open(blob?.path())?.sync_all()?;
            blobs += 1;
        }
        if blobs > 0 {
            File::open(&self.blobs)?.sync_all()?;
        }
        self.file.sync_data()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.db.get(key).map_err(|error| self.read_error("a record", &error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn read_error(&self, at: &str, error: &sled::Error) -> StoreError {
        match error {
            sled::Error::Io(error) => {
                StoreError::Disk { doing: "reading", path: self.folder.join(FOLDER), reason: error.to_string() }
            }
            other => StoreError::corrupt(format!("{at} in {}", self.folder.join(FOLDER).display()), other.to_string()),
        }
    }

    fn read_space(&self, space: u64, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut bytes = 0_u64;
        for pair in self.db.range(entry_key(space, low)..entry_key(space, high)) {
            let at = || format!("index {}", low + entries.len() as u64);
            let (_, value) = pair.map_err(|error| self.read_error(&at(), &error))?;
            bytes += value.len() as u64;
            if !entries.is_empty() && bytes > max_bytes {
                break;
            }
            let body = unseal(&value).map_err(|bad| StoreError::corrupt(at(), bad.0))?;
            let entry = Entry::parse_from_bytes(body).map_err(|bad| StoreError::corrupt(at(), bad.to_string()))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Removes keys before the log's first entry, in batches.
    fn remove_before(&mut self, end: &[u8]) -> Result<(), StoreError> {
        loop {
            let mut batch = sled::Batch::default();
            let mut count = 0;
            for key in self.db.range(ENTRY_PREFIX..end).keys().take(REMOVE_ENTRIES_MAX) {
                batch.remove(key.map_err(|error| self.read_error("a key", &error))?);
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            self.apply(batch)?;
        }
    }
}

impl LogStore for SledStore {
    fn load(&mut self) -> Result<Option<Boot>, StoreError> {
        let found = Found {
            state: self.get(KEY_STATE)?,
            identity: self.get(KEY_IDENTITY)?,
            snapshot: self.get(KEY_SNAPSHOT)?,
            markers: self.get(KEY_MARKERS)?,
        };
        let read = |state: &State, low, high, most| self.read_space(state.space, low, high, most);
        let Some((state, boot)) = check::boot(&self.folder, self.contents.as_ref(), &found, read)? else {
            return Ok(None);
        };
        self.state = state;
        Ok(Some(boot))
    }

    fn create(&mut self, identity: &Identity, first: &SnapshotMeta) -> Result<(), StoreError> {
        self.state = State::first(first, FIRST_SPACE);
        let mut batch = sled::Batch::default();
        batch.insert(KEY_IDENTITY, encode_identity(identity));
        batch.insert(KEY_SNAPSHOT, encode_snapshot(first));
        batch.insert(KEY_STATE, self.state.encode());
        self.apply(batch)?;
        self.flush()?;
        sync_folder(&self.folder.join(FOLDER))?;
        sync_folder(&self.folder)?;
        // Last: a folder with a log but no `replica` file was never started, and is made anew.
        self.anchor = Some(Anchor::create(&self.folder, identity, StoreKind::Sled)?);
        self.contents = Anchor::peek(&self.folder)?;
        Ok(())
    }

    fn append(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        let state = self.state.after(batch);
        let mut writes = sled::Batch::default();
        for entry in &batch.entries {
            let bytes = entry.write_to_bytes().map_err(|error| self.poison("encoding", error.to_string()))?;
            writes.insert(&entry_key(state.space, entry.index), seal(bytes));
        }
        // What the new entries cut off.
        if !batch.entries.is_empty() && state.space == self.state.space {
            for index in state.last_index + 1..=self.state.last_index {
                writes.remove(&entry_key(state.space, index));
            }
        }
        if let Some(meta) = &batch.snapshot {
            writes.insert(KEY_SNAPSHOT, encode_snapshot(meta));
        }
        if let Some(markers) = &batch.peer_markers {
            writes.insert(KEY_MARKERS, encode_markers(markers));
        }
        writes.insert(KEY_STATE, state.encode());
        self.apply(writes)?;
        self.state = state;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.check_sound()?;
        if !self.unsynced {
            return Ok(());
        }
        self.flush()?;
        match &self.anchor {
            Some(anchor) => anchor.acknowledge(self.state.number),
            None => Ok(()),
        }
    }

    fn read(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, StoreError> {
        let first = self.state.truncated.0 + 1;
        if low < first {
            return Err(StoreError::Gone { low, first });
        }
        self.read_space(self.state.space, low, high, max_bytes)
    }

    fn reclaim(&mut self) -> Result<(), StoreError> {
        // Needs no sync: until it is durable, the entries are merely there for nothing.
        let end = entry_key(self.state.space, self.state.truncated.0 + 1);
        self.remove_before(&end)
    }

    fn disk_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}
