//! The folder of snapshot files: making, finding, receiving and removing them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{KIND_CHUNK, KIND_FOOTER, KIND_HEADER, MAGIC, SnapshotChunks, SnapshotError, SnapshotMeta, frame_head};
use super::{SnapshotReader, SnapshotWriter};
use crate::Membership;
use crate::config::SNAPSHOT_CHUNK_BYTES;
use crate::state_machine::{Halt, SnapshotSource};

/// Where the snapshot files of one replica are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SnapshotFolder {
    path: PathBuf,
    fingerprint: u128,
}

/// Writes frames and keeps the running CRC and length of the file.
struct FrameWriter {
    file: BufWriter<File>,
    path: PathBuf,
    hasher: crc32fast::Hasher,
    written: u64,
}

impl FrameWriter {
    fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.file.write_all(bytes).map_err(SnapshotError::io("writing", &self.path))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), SnapshotError> {
        self.put(&frame_head(kind, payload))?;
        self.put(payload)
    }
}

impl SnapshotFolder {
    /// Opens the folder, making it if it isn't there, and removes what unfinished writes left behind (parts of
    /// snapshots being received stay: they are resumed).
    ///
    /// # Errors
    /// The disk's error.
    pub fn open(path: &Path, fingerprint: u128) -> Result<Self, SnapshotError> {
        if !path.is_dir() {
            fs::create_dir_all(path).map_err(SnapshotError::io("making folder", path))?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.map_or(Ok(()), sync_folder)?;
        }
        let folder = Self { path: path.to_owned(), fingerprint };
        for (name, path) in folder.files()? {
            if name.ends_with(".tmp") {
                fs::remove_file(&path).map_err(SnapshotError::io("removing", &path))?;
            }
        }
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a snapshot.
    #[must_use]
    pub fn file(&self, meta: &SnapshotMeta) -> PathBuf {
        self.path.join(meta.file_name())
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, SnapshotError> {
        let listing = fs::read_dir(&self.path).map_err(SnapshotError::io("listing", &self.path))?;
        let mut files = Vec::new();
        for entry in listing {
            let entry = entry.map_err(SnapshotError::io("listing", &self.path))?;
            if let Ok(name) = entry.file_name().into_string()
                && name.starts_with("snap-")
            {
                files.push((name, entry.path()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Encodes a state into a durable file. Runs on a thread of its own; nothing points to the file yet.
    ///
    /// # Errors
    /// The disk's error, or the state machine's.
    pub fn make(
        &self,
        index: u64,
        term: u64,
        membership: Membership,
        source: &mut dyn SnapshotSource,
    ) -> Result<SnapshotMeta, SnapshotError> {
        let mut meta = SnapshotMeta { index, term, size: 0, digest: 0, membership };
        let temporary = self.path.join(format!("{}.tmp", meta.file_name()));
        let file = File::create(&temporary).map_err(SnapshotError::io("creating", &temporary))?;
        let mut out = FrameWriter {
            file: BufWriter::with_capacity(64 * 1024, file),
            path: temporary.clone(),
            hasher: crc32fast::Hasher::new(),
            written: 0,
        };
        self.fill(&mut out, &meta, source)?;
        out.file.flush().map_err(SnapshotError::io("writing", &temporary))?;
        out.file.get_ref().sync_all().map_err(SnapshotError::io("syncing", &temporary))?;
        meta.size = out.written;
        meta.digest = out.hasher.finalize();
        self.publish(&temporary, &self.file(&meta))?;
        Ok(meta)
    }

    fn fill(
        &self,
        out: &mut FrameWriter,
        meta: &SnapshotMeta,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), SnapshotError> {
        out.put(MAGIC)?;
        out.frame(KIND_HEADER, &header(meta, self.fingerprint))?;
        let mut chunks = 0_u64;
        while let Some(chunk) = source.next_chunk()? {
            if chunk.len() > SNAPSHOT_CHUNK_BYTES {
                let reason = format!("a chunk of {} bytes is larger than {SNAPSHOT_CHUNK_BYTES}", chunk.len());
                return Err(SnapshotError::Encode(Halt { index: meta.index, reason }));
            }
            out.frame(KIND_CHUNK, &chunk)?;
            chunks += 1;
        }
        let mut footer = Vec::with_capacity(20);
        footer.extend_from_slice(&chunks.to_le_bytes());
        footer.extend_from_slice(&out.written.to_le_bytes());
        footer.extend_from_slice(&out.hasher.clone().finalize().to_le_bytes());
        out.frame(KIND_FOOTER, &footer)
    }

    /// Gives a synced file its name and makes the name durable.
    pub(super) fn publish(&self, temporary: &Path, name: &Path) -> Result<(), SnapshotError> {
        fs::rename(temporary, name).map_err(SnapshotError::io("renaming", temporary))?;
        sync_folder(&self.path)
    }

    /// Opens a snapshot to restore it: an iterator over its chunks that checks everything on the way.
    ///
    /// # Errors
    /// Missing, truncated, or not the snapshot that `meta` names.
    pub fn chunks(&self, meta: &SnapshotMeta) -> Result<SnapshotChunks, SnapshotError> {
        SnapshotChunks::open(&self.file(meta), meta, self.fingerprint)
    }

    /// Opens a snapshot to serve its bytes to a peer. It stays readable even if it is removed meanwhile.
    ///
    /// # Errors
    /// It isn't here (any more), or the disk's error.
    pub fn reader(&self, meta: &SnapshotMeta) -> Result<SnapshotReader, SnapshotError> {
        SnapshotReader::open(&self.file(meta), meta)
    }

    /// Starts or resumes the receipt of a snapshot. Parts of other snapshots are removed.
    ///
    /// # Errors
    /// The disk's error, or a size beyond the bound.
    pub fn receive(&self, meta: &SnapshotMeta) -> Result<SnapshotWriter, SnapshotError> {
        let part = format!("{}-{}-{:08x}.part", meta.file_name(), meta.size, meta.digest);
        for (name, path) in self.files()? {
            if name.ends_with(".part") && name != part {
                fs::remove_file(&path).map_err(SnapshotError::io("removing", &path))?;
            }
        }
        SnapshotWriter::open(self.clone(), self.path.join(part), meta)
    }

    /// Removes all snapshots before `keep`. Called when the pointer to `keep` is durable. One that is newer stays: it
    /// may just have been received, and be about to be installed.
    ///
    /// # Errors
    /// The disk's error.
    pub fn retain(&self, keep: &SnapshotMeta) -> Result<(), SnapshotError> {
        for (name, path) in self.files()? {
            if name != keep.file_name() && index_of(&name).is_some_and(|index| index <= keep.index) {
                fs::remove_file(&path).map_err(SnapshotError::io("removing", &path))?;
            }
        }
        Ok(())
    }
}

/// Makes names in a folder durable.
fn sync_folder(path: &Path) -> Result<(), SnapshotError> {
    let folder = File::open(path).map_err(SnapshotError::io("opening", path))?;
    folder.sync_all().map_err(SnapshotError::io("syncing", path))
}

/// The index in a finished snapshot's name.
fn index_of(name: &str) -> Option<u64> {
    name.strip_prefix("snap-")?.split_once('-')?.1.parse().ok()
}

pub(super) fn header(meta: &SnapshotMeta, fingerprint: u128) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&meta.index.to_le_bytes());
    out.extend_from_slice(&meta.term.to_le_bytes());
    out.extend_from_slice(&fingerprint.to_le_bytes());
    meta.membership.encode(&mut out);
    out
}
