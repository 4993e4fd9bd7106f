//! The log in raft-engine: preallocated, recycled files, one write and one fdatasync a batch.
//!
//! Touches `<folder>/raft-engine/` and the file `replica`. Records live in region 1, entries in region `space`: each
//! snapshot of a leader begins a new one, so that no entry of before can come back.
//!
//! Traps of raft-engine 0.4.2 that this file minds: `Engine::sync` writes nothing and syncs nothing (its batch is
//! empty), so a sync is always part of a write; a failed sync panics; a torn tail is cut off silently wherever it
//! begins in the newest file, so [`super::engine_scan`] looks first; the folder isn't synced when the first file is
//! made.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use raft::eraftpb::Entry;
use raft_engine::{Command, Config, Engine, Error as EngineError, LogBatch, MessageExt, ReadableSize, RecoveryMode};

use super::anchor::{Anchor, Contents, FolderLock, sync_folder};
use super::boot::Boot;
use super::check::{self, Found};
use super::records::{State, encode_identity, encode_markers, encode_snapshot};
use super::{Identity, LogStore, StoreError, StoreKind, WriteBatch, engine_scan, panic_text};
use crate::snapshot::SnapshotMeta;

const FOLDER: &str = "raft-engine";
/// How the names of the files end that hold the log's newest part.
pub(super) const FILE_END: &str = "raftlog";
/// Bytes after which a log file is full and the next (recycled) one is taken.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of log files from which on those that hold only compacted entries are recycled.
const PURGE_BYTES: u64 = 24 * 1024 * 1024;
/// Bytes of files that are written with zeros at the first start, so that even the first writes allocate nothing
/// (raft-recipe D2b: fdatasync of a preallocated file takes half as long). raft-engine makes half as many more.
const PREFILL_BYTES: u64 = 16 * 1024 * 1024;
const META_REGION: u64 = 1;
const FIRST_SPACE: u64 = 2;
const KEY_STATE: &[u8] = b"state";
const KEY_IDENTITY: &[u8] = b"identity";
const KEY_SNAPSHOT: &[u8] = b"snapshot";
const KEY_MARKERS: &[u8] = b"markers";

/// Where the log of a data folder is.
pub(super) fn log_folder(folder: &Path) -> PathBuf {
    folder.join(FOLDER)
}

struct Entries;

impl MessageExt for Entries {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

/// Why the background purge failed; nothing is written after that.
#[derive(Debug, Default)]
struct Poison {
    set: AtomicBool,
    reason: Mutex<String>,
}

/// The log in raft-engine.
pub struct EngineStore {
    engine: Arc<Engine>,
    folder: PathBuf,
    anchor: Option<Anchor>,
    contents: Option<Contents>,
    state: State,
    staged: LogBatch,
    staged_batches: usize,
    poison: Arc<Poison>,
    purge: Option<(SyncSender<()>, JoinHandle<()>)>,
    _lock: FolderLock,
}

impl std::fmt::Debug for EngineStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn config(dir: &Path) -> Config {
    Config {
        dir: dir.display().to_string(),
        recovery_mode: RecoveryMode::TolerateTailCorruption,
        recovery_threads: 1,
        // Compression costs more than it saves on entries of a few hundred bytes.
        batch_compression_threshold: ReadableSize(0),
        target_file_size: ReadableSize(FILE_BYTES),
        purge_threshold: ReadableSize(PURGE_BYTES),
        enable_log_recycle: true,
        prefill_for_recycle: true,
        prefill_limit: Some(ReadableSize(PREFILL_BYTES)),
        ..Config::default()
    }
}

impl EngineStore {
    /// Opens or makes the log in a folder. What the files hold is looked at before raft-engine may change them.
    ///
    /// # Errors
    /// In use, of another kind, damaged, or the disk's error.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::disk("making folder", folder))?;
        let lock = FolderLock::take(folder)?;
        let contents = Anchor::peek(folder)?;
        check::check_kind(folder, contents.as_ref(), StoreKind::RaftEngine)?;
        let dir = log_folder(folder);
        fs::create_dir_all(&dir).map_err(StoreError::disk("making folder", &dir))?;
        engine_scan::scan(&dir)?;
        let engine = Self::open_engine(&dir)?;
        let anchor = contents.is_some().then(|| Anchor::open(folder)).transpose()?;
        Ok(Self {
            engine: Arc::new(engine),
            folder: folder.to_owned(),
            anchor,
            contents,
            state: State::default(),
            staged: LogBatch::default(),
            staged_batches: 0,
            poison: Arc::default(),
            purge: None,
            _lock: lock,
        })
    }

    fn open_engine(dir: &Path) -> Result<Engine, StoreError> {
        // raft-engine panics on some damage, such as a gap in a region's entries.
        let opened = catch_unwind(AssertUnwindSafe(|| Engine::open(config(dir))));
        let at = || dir.display().to_string();
        match opened {
            Ok(Ok(engine)) => Ok(engine),
            Ok(Err(EngineError::Io(error))) => Err(StoreError::disk("opening", dir)(error)),
            Ok(Err(EngineError::Other(error))) if error.to_string().contains("lock") => {
                Err(StoreError::Locked { path: dir.to_owned(), reason: error.to_string() })
            }
            Ok(Err(error)) => Err(StoreError::corrupt(at(), error.to_string())),
            Err(panic) => Err(StoreError::corrupt(at(), panic_text(panic.as_ref()))),
        }
    }

    fn disk_error(&self, doing: &'static str, reason: String) -> StoreError {
        self.poison.set.store(true, Ordering::Release);
        StoreError::Disk { doing, path: log_folder(&self.folder), reason }
    }

    fn check_sound(&self) -> Result<(), StoreError> {
        if !self.poison.set.load(Ordering::Acquire) {
            return Ok(());
        }
        let reason = self.poison.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if reason.is_empty() {
            return Err(StoreError::Poisoned);
        }
        Err(StoreError::Disk { doing: "reclaiming space", path: log_folder(&self.folder), reason })
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.staged.put(META_REGION, key.to_vec(), value).map_err(|error| StoreError::Disk {
            doing: "staging",
            path: self.folder.clone(),
            reason: error.to_string(),
        })
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.check_sound()?;
        let (engine, staged) = (&self.engine, &mut self.staged);
        let written = catch_unwind(AssertUnwindSafe(|| engine.write(staged, true)));
        self.staged_batches = 0;
        match written {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.disk_error("writing", error.to_string())),
            Err(panic) => Err(self.disk_error("syncing", panic_text(panic.as_ref()))),
        }
    }

    fn read_space(&self, space: u64, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let most = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        match self.engine.fetch_entries_to::<Entries>(space, low, high, Some(most), &mut entries) {
            Ok(_) => Ok(entries),
            Err(EngineError::EntryCompacted) => Err(StoreError::Gone { low, first: self.state.truncated.0 + 1 }),
            Err(EngineError::EntryNotFound) => {
                Err(StoreError::corrupt(format!("index {low}"), "the entry is missing in raft-engine".to_owned()))
            }
            Err(EngineError::Io(error)) => Err(StoreError::disk("reading", &log_folder(&self.folder))(error)),
            Err(error) => Err(StoreError::corrupt(format!("an entry between {low} and {high}"), error.to_string())),
        }
    }

    /// Starts the thread that recycles files, at the first use.
    fn purger(&mut self) -> Result<SyncSender<()>, StoreError> {
        if let Some((purge, _)) = &self.purge {
            return Ok(purge.clone());
        }
        let (sender, receiver) = sync_channel::<()>(1);
        let (engine, poison) = (self.engine.clone(), self.poison.clone());
        let job = move || {
            while receiver.recv().is_ok() {
                let failed = match catch_unwind(AssertUnwindSafe(|| engine.purge_expired_files())) {
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => panic_text(panic.as_ref()),
                };
                *poison.reason.lock().unwrap_or_else(PoisonError::into_inner) = failed;
                poison.set.store(true, Ordering::Release);
                return;
            }
        };
        let spawned = thread::Builder::new().name("raft-log-purge".to_owned()).spawn(job);
        let thread = spawned.map_err(StoreError::disk("starting the thread for", &self.folder))?;
        self.purge = Some((sender.clone(), thread));
        Ok(sender)
    }
}

impl Drop for EngineStore {
    /// Waits for the purge thread, so that the files are closed and unlocked when this returns.
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.purge.take() {
            drop(sender);
            // A panic there was caught and poisoned the store already.
            let _ = thread.join();
        }
    }
}

impl LogStore for EngineStore {
    fn load(&mut self) -> Result<Option<Boot>, StoreError> {
        let get = |key| self.engine.get(META_REGION, key);
        let found = Found {
            state: get(KEY_STATE),
            identity: get(KEY_IDENTITY),
            snapshot: get(KEY_SNAPSHOT),
            markers: get(KEY_MARKERS),
        };
        let read = |state: &State, low, high, most| self.read_space(state.space, low, high, most);
        let Some((state, boot)) = check::boot(&self.folder, self.contents.as_ref(), &found, read)? else {
            return Ok(None);
        };
        let last = self.engine.last_index(state.space).unwrap_or(state.truncated.0);
        if last > state.last_index {
            let reason = format!("raft-engine has entries up to {last}, recorded was {}", state.last_index);
            return Err(StoreError::corrupt(format!("index {last}"), reason));
        }
        engine_scan::forget_torn(&log_folder(&self.folder))?;
        self.state = state;
        Ok(Some(boot))
    }

    fn create(&mut self, identity: &Identity, first: &SnapshotMeta) -> Result<(), StoreError> {
        self.state = State::first(first, FIRST_SPACE);
        self.put(KEY_IDENTITY, encode_identity(identity))?;
        self.put(KEY_SNAPSHOT, encode_snapshot(first))?;
        self.put(KEY_STATE, self.state.encode())?;
        self.write()?;
        sync_folder(&log_folder(&self.folder))?;
        sync_folder(&self.folder)?;
        // Last: a folder with a log but no `replica` file was never started, and is made anew.
        self.anchor = Some(Anchor::create(&self.folder, identity, StoreKind::RaftEngine)?);
        self.contents = Anchor::peek(&self.folder)?;
        Ok(())
    }

    fn append(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.check_sound()?;
        let state = self.state.after(batch);
        if state.space != self.state.space {
            self.staged.add_command(self.state.space, Command::Clean);
        }
        let added = self.staged.add_entries::<Entries>(state.space, &batch.entries);
        added.map_err(|error| self.disk_error("staging", error.to_string()))?;
        if state.truncated.0 > self.state.truncated.0 && state.space == self.state.space {
            self.staged.add_command(state.space, Command::Compact { index: state.truncated.0 + 1 });
        }
        if let Some(meta) = &batch.snapshot {
            self.put(KEY_SNAPSHOT, encode_snapshot(meta))?;
        }
        if let Some(markers) = &batch.peer_markers {
            self.put(KEY_MARKERS, encode_markers(markers))?;
        }
        self.put(KEY_STATE, state.encode())?;
        self.state = state;
        self.staged_batches += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.check_sound()?;
        if self.staged_batches == 0 {
            return Ok(());
        }
        self.write()?;
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
        self.check_sound()?;
        // Full: a purge is about to run anyway.
        let _ = self.purger()?.try_send(());
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.get_used_size() as u64
    }
}
