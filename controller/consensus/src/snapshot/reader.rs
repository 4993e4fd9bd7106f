//! Serving a snapshot's bytes to a peer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{SnapshotError, SnapshotMeta};
use crate::config::SNAPSHOT_CHUNK_BYTES;

/// How serving a snapshot goes, as told to the leader's core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeEnd {
    /// A chunk was read for the peer.
    Progress,
    /// The peer has read everything.
    Complete,
    /// The reader was dropped before the end.
    Aborted,
}

/// An open snapshot file. Reports its progress, and its end also when it is dropped.
pub struct SnapshotReader {
    file: File,
    path: PathBuf,
    size: u64,
    complete: bool,
    report: Option<Box<dyn Fn(ServeEnd) + Send + Sync>>,
}

impl SnapshotReader {
    pub(super) fn open(path: &Path, meta: &SnapshotMeta) -> Result<Self, SnapshotError> {
        let not_here = || SnapshotError::NotHere { index: meta.index, term: meta.term };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_here()),
            Err(error) => return Err(SnapshotError::io("opening", path)(error)),
        };
        if file.metadata().map_err(SnapshotError::io("reading", path))?.len() != meta.size {
            return Err(not_here());
        }
        Ok(Self { file, path: path.to_owned(), size: meta.size, complete: false, report: None })
    }

    pub(crate) fn on_progress(&mut self, report: Box<dyn Fn(ServeEnd) + Send + Sync>) {
        self.report = Some(report);
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads the bytes from `offset` on: at most `most` and at most [`SNAPSHOT_CHUNK_BYTES`]; empty at the end. Blocks
    /// on the disk: call it where that is allowed.
    ///
    /// # Errors
    /// The disk's error.
    pub fn read_at(&mut self, offset: u64, most: usize) -> Result<Vec<u8>, SnapshotError> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(most).min(SNAPSHOT_CHUNK_BYTES);
        let mut bytes = vec![0; count];
        self.file.read_exact_at(&mut bytes, offset).map_err(SnapshotError::io("reading", &self.path))?;
        self.complete |= offset + count as u64 >= self.size;
        self.tell(ServeEnd::Progress);
        Ok(bytes)
    }

    fn tell(&self, end: ServeEnd) {
        if let Some(report) = &self.report {
            report(end);
        }
    }
}

impl Drop for SnapshotReader {
    fn drop(&mut self) {
        self.tell(if self.complete { ServeEnd::Complete } else { ServeEnd::Aborted });
    }
}

impl std::fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotReader").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}
