//! Reading a snapshot back: every frame's checksum, the header's identity and the footer's totals are checked.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::folder::header;
use super::{FRAME_HEAD_BYTES, KIND_CHUNK, KIND_FOOTER, KIND_HEADER, MAGIC, SnapshotError, SnapshotMeta, frame_head};
use crate::config::{CONTEXT_BYTES_MAX, MEMBERS_MAX, SNAPSHOT_CHUNK_BYTES};
use crate::record::Reader;

/// Bytes of a header frame's payload, at most. Ids of removed members are bounded by this too.
const HEADER_BYTES_MAX: usize = 4 * 1024 * 1024 + MEMBERS_MAX * CONTEXT_BYTES_MAX;

/// The chunks of one snapshot file, in order. After an error or the footer it yields nothing more.
#[derive(Debug)]
pub struct SnapshotChunks {
    file: BufReader<File>,
    path: PathBuf,
    offset: u64,
    size: u64,
    hasher: crc32fast::Hasher,
    chunks: u64,
    ended: bool,
}

impl SnapshotChunks {
    pub(super) fn open(path: &Path, meta: &SnapshotMeta, fingerprint: u128) -> Result<Self, SnapshotError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::Missing { path: path.to_owned() });
            }
            Err(error) => return Err(SnapshotError::io("opening", path)(error)),
        };
        let have = file.metadata().map_err(SnapshotError::io("reading", path))?.len();
        if have < meta.size {
            return Err(SnapshotError::Truncated { path: path.to_owned(), have, expected: meta.size });
        }
        let mut chunks = Self {
            file: BufReader::with_capacity(64 * 1024, file),
            path: path.to_owned(),
            offset: 0,
            size: meta.size,
            hasher: crc32fast::Hasher::new(),
            chunks: 0,
            ended: false,
        };
        if have > meta.size {
            return Err(chunks.corrupt(format!("{have} bytes, {} were written", meta.size)));
        }
        chunks.check_start(meta, fingerprint)?;
        Ok(chunks)
    }

    fn check_start(&mut self, meta: &SnapshotMeta, fingerprint: u128) -> Result<(), SnapshotError> {
        let mut magic = [0; 8];
        self.read(&mut magic)?;
        if &magic != MAGIC {
            return Err(self.corrupt("it doesn't start as a snapshot file".to_owned()));
        }
        let (kind, payload) = self.frame()?;
        if kind != KIND_HEADER {
            return Err(self.corrupt(format!("a frame of kind {kind} where the header belongs")));
        }
        if payload != header(meta, fingerprint) {
            return Err(self.corrupt("the header is another snapshot's or another cluster's".to_owned()));
        }
        Ok(())
    }

    fn corrupt(&self, reason: String) -> SnapshotError {
        SnapshotError::Corrupt { path: self.path.clone(), offset: self.offset, reason }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        match self.file.read_exact(buffer) {
            Ok(()) => {
                self.offset += buffer.len() as u64;
                self.hasher.update(buffer);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt("a frame reaches beyond the end".to_owned()))
            }
            Err(error) => Err(SnapshotError::io("reading", &self.path)(error)),
        }
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>), SnapshotError> {
        let start = self.offset;
        let mut head = [0; FRAME_HEAD_BYTES];
        self.read(&mut head)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > SNAPSHOT_CHUNK_BYTES.max(HEADER_BYTES_MAX) {
            self.offset = start;
            return Err(self.corrupt(format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length];
        self.read(&mut payload)?;
        if frame_head(head[0], &payload) != head {
            self.offset = start;
            return Err(self.corrupt("a frame's checksum is wrong".to_owned()));
        }
        Ok((head[0], payload))
    }

    fn step(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        let (before, digest) = (self.offset, self.hasher.clone());
        let (kind, payload) = self.frame()?;
        match kind {
            KIND_CHUNK => {
                self.chunks += 1;
                Ok(Some(payload))
            }
            KIND_FOOTER => {
                let mut expected = Vec::with_capacity(20);
                expected.extend_from_slice(&self.chunks.to_le_bytes());
                expected.extend_from_slice(&before.to_le_bytes());
                expected.extend_from_slice(&digest.finalize().to_le_bytes());
                if payload != expected || self.offset != self.size {
                    let chunks = Reader(&payload).u64().unwrap_or(0);
                    return Err(self.corrupt(format!("the footer counts {chunks} chunks, {} are there", self.chunks)));
                }
                Ok(None)
            }
            kind => Err(self.corrupt(format!("a frame of unknown kind {kind}"))),
        }
    }
}

impl Iterator for SnapshotChunks {
    type Item = Result<Vec<u8>, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
