//! Snapshot files: what is written is what is read, and nothing else passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;

use drydock_consensus::config::SNAPSHOT_CHUNK_BYTES;
use drydock_consensus::snapshot::SnapshotFolder;
use drydock_consensus::{Halt, Membership, SnapshotError, SnapshotMeta, SnapshotSource};
use tempfile::TempDir;

struct Chunks(std::vec::IntoIter<Vec<u8>>);

impl SnapshotSource for Chunks {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.0.next())
    }
}

fn members() -> Membership {
    Membership::bootstrap([(1, b"one".to_vec()), (2, b"two".to_vec())]).unwrap()
}

fn chunks() -> Vec<Vec<u8>> {
    (0..20_u8).map(|number| vec![number; usize::from(number) * 9]).collect()
}

fn made() -> (TempDir, SnapshotFolder, SnapshotMeta) {
    let root = TempDir::new().unwrap();
    let folder = SnapshotFolder::open(root.path(), 0xf1).unwrap();
    let meta = folder.make(42, 7, members(), &mut Chunks(chunks().into_iter())).unwrap();
    (root, folder, meta)
}

fn read(folder: &SnapshotFolder, meta: &SnapshotMeta) -> Result<Vec<Vec<u8>>, SnapshotError> {
    folder.chunks(meta)?.collect()
}

#[test]
fn what_is_made_can_be_read_and_has_its_name() {
    let (root, folder, meta) = made();
    assert_eq!(read(&folder, &meta).unwrap(), chunks());
    assert_eq!((meta.index, meta.term, meta.membership.clone()), (42, 7, members()));
    assert_eq!(fs::metadata(root.path().join("snap-7-42")).unwrap().len(), meta.size);
    let again = folder.make(42, 7, members(), &mut Chunks(chunks().into_iter())).unwrap();
    assert!(again.same_file(&meta), "the same state gives the same bytes");
}

#[test]
fn every_flipped_bit_is_found() {
    let (_root, folder, meta) = made();
    let path = folder.file(&meta);
    let sound = fs::read(&path).unwrap();
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, bytes).unwrap();
        let error = read(&folder, &meta).unwrap_err();
        assert!(matches!(error, SnapshotError::Corrupt { .. }), "byte {at}: {error}");
        assert!(error.to_string().contains("snap-7-42"), "{error}");
    }
}

#[test]
fn every_truncation_is_found() {
    let (_root, folder, meta) = made();
    let path = folder.file(&meta);
    let sound = fs::read(&path).unwrap();
    for length in (0..sound.len()).step_by(7) {
        fs::write(&path, &sound[..length]).unwrap();
        let error = read(&folder, &meta).unwrap_err();
        assert!(matches!(error, SnapshotError::Truncated { .. }), "{length}: {error}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(read(&folder, &meta).unwrap_err(), SnapshotError::Missing { .. }));
}

#[test]
fn another_clusters_or_another_snapshots_file_is_refused() {
    let (root, folder, meta) = made();
    let foreign = SnapshotFolder::open(root.path(), 0xf2).unwrap();
    assert!(matches!(read(&foreign, &meta).unwrap_err(), SnapshotError::Corrupt { .. }));
    fs::rename(folder.file(&meta), root.path().join("snap-7-43")).unwrap();
    let other = SnapshotMeta { index: 43, ..meta };
    assert!(matches!(read(&folder, &other).unwrap_err(), SnapshotError::Corrupt { .. }));
}

#[test]
fn a_state_that_cannot_be_encoded_leaves_no_file() {
    let root = TempDir::new().unwrap();
    let folder = SnapshotFolder::open(root.path(), 1).unwrap();
    let too_large = vec![vec![0; SNAPSHOT_CHUNK_BYTES + 1]];
    let error = folder.make(1, 1, members(), &mut Chunks(too_large.into_iter())).unwrap_err();
    assert!(matches!(error, SnapshotError::Encode(_)) && error.is_fatal(), "{error}");
    assert!(!root.path().join("snap-1-1").exists());
    SnapshotFolder::open(root.path(), 1).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "the temporary file is removed at the next start");
}

#[test]
fn a_transfer_resumes_where_it_stopped_and_is_verified() {
    let (_root, folder, meta) = made();
    let there = TempDir::new().unwrap();
    let target = SnapshotFolder::open(there.path(), 0xf1).unwrap();
    let mut reader = folder.reader(&meta).unwrap();
    let mut writer = target.receive(&meta).unwrap();
    writer.write(&reader.read_at(0, 500).unwrap()).unwrap();
    drop(writer);
    let target = SnapshotFolder::open(there.path(), 0xf1).unwrap();
    let mut writer = target.receive(&meta).unwrap();
    assert_eq!(writer.offset(), 500);
    while writer.offset() < meta.size {
        let bytes = reader.read_at(writer.offset(), 333).unwrap();
        writer.write(&bytes).unwrap();
    }
    assert!(matches!(writer.write(b"more"), Err(SnapshotError::NotAsAnnounced { .. })));
    writer.finish().unwrap();
    assert_eq!(read(&target, &meta).unwrap(), chunks());
    assert!(reader.read_at(meta.size, 10).unwrap().is_empty());
}

#[test]
fn a_transfer_that_differs_is_thrown_away() {
    let (_root, folder, meta) = made();
    let there = TempDir::new().unwrap();
    let target = SnapshotFolder::open(there.path(), 0xf1).unwrap();
    let mut writer = target.receive(&meta).unwrap();
    writer.write(&fs::read(folder.file(&meta)).unwrap()[..100]).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, SnapshotError::NotAsAnnounced { .. }) && !error.is_fatal(), "{error}");
    let mut writer = target.receive(&meta).unwrap();
    assert_eq!(writer.offset(), 100, "what came is kept");
    let mut rest = fs::read(folder.file(&meta)).unwrap()[100..].to_vec();
    rest[5] ^= 1;
    writer.write(&rest).unwrap();
    assert!(matches!(writer.finish().unwrap_err(), SnapshotError::NotAsAnnounced { .. }));
    assert_eq!(target.receive(&meta).unwrap().offset(), 0, "what is wrong is not");
    let huge = SnapshotMeta { size: u64::MAX, ..meta };
    assert!(matches!(target.receive(&huge).map(drop).unwrap_err(), SnapshotError::NotAsAnnounced { .. }));
}

#[test]
fn a_reader_outlives_its_file() {
    let (_root, folder, meta) = made();
    let mut reader = folder.reader(&meta).unwrap();
    let newer = folder.make(50, 7, members(), &mut Chunks(chunks().into_iter())).unwrap();
    folder.retain(&meta).unwrap();
    assert!(folder.file(&newer).exists(), "a newer one may be about to be installed");
    folder.retain(&newer).unwrap();
    assert!(!folder.file(&meta).exists() && folder.file(&newer).exists());
    assert_eq!(reader.read_at(0, usize::MAX).unwrap().len() as u64, meta.size);
    assert!(matches!(folder.reader(&meta).map(drop).unwrap_err(), SnapshotError::NotHere { .. }));
}
