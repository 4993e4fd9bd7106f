//! Receiving a snapshot from a peer: appends, resumes, verifies, publishes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use super::{SnapshotError, SnapshotFolder, SnapshotMeta};
use crate::config::SNAPSHOT_BYTES_MAX;

/// The file that a snapshot is being received into.
#[derive(Debug)]
pub struct SnapshotWriter {
    folder: SnapshotFolder,
    file: File,
    path: PathBuf,
    meta: SnapshotMeta,
    offset: u64,
    hasher: crc32fast::Hasher,
}

impl SnapshotWriter {
    pub(super) fn open(folder: SnapshotFolder, path: PathBuf, meta: &SnapshotMeta) -> Result<Self, SnapshotError> {
        if meta.size > SNAPSHOT_BYTES_MAX {
            let reason = format!("{} bytes announced, {SNAPSHOT_BYTES_MAX} are the most", meta.size);
            return Err(SnapshotError::NotAsAnnounced { reason });
        }
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(SnapshotError::io("opening", &path))?;
        let mut writer = Self { folder, file, path, meta: meta.clone(), offset: 0, hasher: crc32fast::Hasher::new() };
        writer.hash_existing()?;
        Ok(writer)
    }

    /// Takes in what an earlier attempt left, or starts over if that is too long.
    fn hash_existing(&mut self) -> Result<(), SnapshotError> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.hasher.update(&buffer[..count]);
                    self.offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SnapshotError::io("reading", &self.path)(error)),
            }
        }
        if self.offset > self.meta.size {
            self.file.set_len(0).map_err(SnapshotError::io("truncating", &self.path))?;
            self.offset = 0;
            self.hasher = crc32fast::Hasher::new();
        }
        Ok(())
    }

    /// Bytes that are there; the peer's file is to be read from here on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends the next bytes.
    ///
    /// # Errors
    /// More came than announced, or the disk's error.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let after = self.offset + bytes.len() as u64;
        if after > self.meta.size {
            let reason = format!("{} bytes announced, at least {after} came", self.meta.size);
            return Err(SnapshotError::NotAsAnnounced { reason });
        }
        self.file.write_all(bytes).map_err(SnapshotError::io("writing", &self.path))?;
        self.hasher.update(bytes);
        self.offset = after;
        Ok(())
    }

    /// Checks size and digest, then makes the file durable under its name. A file that differs is deleted.
    ///
    /// # Errors
    /// It isn't what was announced, or the disk's error.
    pub fn finish(self) -> Result<(), SnapshotError> {
        if self.offset < self.meta.size {
            let reason = format!("{} bytes announced, {} came", self.meta.size, self.offset);
            return Err(SnapshotError::NotAsAnnounced { reason });
        }
        let digest = self.hasher.finalize();
        if digest != self.meta.digest {
            fs::remove_file(&self.path).map_err(SnapshotError::io("removing", &self.path))?;
            let reason = format!("digest {:08x} announced, {digest:08x} came", self.meta.digest);
            return Err(SnapshotError::NotAsAnnounced { reason });
        }
        self.file.sync_all().map_err(SnapshotError::io("syncing", &self.path))?;
        if !self.path.exists() {
            let reason = "another snapshot was offered meanwhile".to_owned();
            return Err(SnapshotError::NotAsAnnounced { reason });
        }
        self.folder.publish(&self.path, &self.folder.file(&self.meta))
    }
}
