//! Damage to the real files of both disk stores: whatever was acknowledged is there, or the start is refused by name.
//! What was merely not synced may be gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use drydock_consensus::log_store::{self, Boot, HardState, Identity, StoreError, StoreKind, WriteBatch};
use drydock_consensus::{Membership, SnapshotMeta};
use raft::eraftpb::Entry;
use tempfile::TempDir;

const IDENTITY: Identity = Identity { fingerprint: 0xc1, raft_id: 1, marker: 0xa1 };
const BATCHES: u64 = 30;

fn members() -> Membership {
    Membership::bootstrap([(1, b"one".to_vec())]).unwrap()
}

fn batch(number: u64) -> WriteBatch {
    let first = 2 + number * 3;
    let entry = |index| Entry {
        index,
        term: 2,
        data: format!("entry {index} {}", "payload ".repeat(8)).into_bytes().into(),
        ..Entry::default()
    };
    WriteBatch {
        hard_state: HardState { term: 2, vote: 1, commit: first - 1 },
        entries: (first..first + 3).map(entry).collect(),
        ..WriteBatch::default()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if !path.to_string_lossy().ends_with("reserved") {
            // A reserved file holds nothing yet.
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The files of a replica that was killed after `BATCHES` acknowledged batches.
struct Killed {
    kind: StoreKind,
    folder: TempDir,
    boot: Boot,
}

impl Killed {
    fn new(kind: StoreKind) -> Self {
        let (running, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut store = log_store::open(kind, running.path()).unwrap();
        store.create(&IDENTITY, &SnapshotMeta::bootstrap(members())).unwrap();
        for number in 0..BATCHES {
            store.append(&batch(number)).unwrap();
            store.sync().unwrap();
        }
        copy(running.path(), folder.path());
        drop(store);
        let boot = log_store::open(kind, running.path()).unwrap().load().unwrap().unwrap();
        Self { kind, folder, boot }
    }

    fn damaged(&self, damage: impl FnOnce(&Path)) -> TempDir {
        let target = TempDir::new().unwrap();
        copy(self.folder.path(), target.path());
        damage(target.path());
        target
    }

    /// Opens a damaged copy and reads all of it.
    fn start(&self, folder: &TempDir) -> Result<Option<Boot>, StoreError> {
        let mut store = log_store::open(self.kind, folder.path())?;
        let Some(boot) = store.load()? else { return Ok(None) };
        let mut low = boot.truncated_index + 1;
        while low <= boot.last_index {
            let page = store.read(low, boot.last_index + 1, 4096)?;
            for entry in &page {
                assert_eq!(*entry, batch((entry.index - 2) / 3).entries[((entry.index - 2) % 3) as usize]);
            }
            low += page.len() as u64;
        }
        Ok(Some(boot))
    }

    /// The law: everything is there, or the start is refused and says what is wrong. Gives whether it was refused.
    fn check(&self, what: &str, damage: impl FnOnce(&Path)) -> bool {
        let folder = self.damaged(damage);
        match self.start(&folder) {
            Ok(boot) => {
                assert_eq!(boot.as_ref(), Some(&self.boot), "{:?}, {what}: acknowledged entries are gone", self.kind);
                false
            }
            Err(error) => {
                let text = error.to_string();
                let named = text.contains("index") || text.contains(&folder.path().display().to_string());
                assert!(named || text.contains("record") || text.contains("batch"), "{what}: {text}");
                assert!(!matches!(error, StoreError::Disk { .. }), "{what}: {text}");
                true
            }
        }
    }

    fn log_file(&self) -> PathBuf {
        match self.kind {
            StoreKind::RaftEngine => PathBuf::from("raft-engine/0000000000000001.raftlog"),
            StoreKind::Sled => PathBuf::from("sled/db"),
        }
    }

    /// The bytes of the log file that hold something: what follows is preallocated.
    fn used(&self) -> usize {
        let bytes = fs::read(self.folder.path().join(self.log_file())).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
    }
}

fn on_both(law: impl Fn(&Killed)) {
    law(&Killed::new(StoreKind::RaftEngine));
    law(&Killed::new(StoreKind::Sled));
}

#[test]
fn a_killed_replica_starts_with_all_that_was_acknowledged() {
    on_both(|killed| assert!(!killed.check("no damage", |_| {})));
}

#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    on_both(|killed| {
        let used = killed.used();
        let steps = if killed.kind == StoreKind::RaftEngine { 200 } else { 60 };
        let refused = (0..steps)
            .filter(|step| {
                let at = used * step / steps;
                killed.check(&format!("bit flipped in byte {at}"), |folder| {
                    let path = folder.join(killed.log_file());
                    let mut bytes = fs::read(&path).unwrap();
                    bytes[at] ^= 1 << (step % 8);
                    fs::write(&path, bytes).unwrap();
                })
            })
            .count();
        println!("{:?}: {refused} of {steps} flips refused", killed.kind);
        if killed.kind == StoreKind::RaftEngine {
            // All but a few bytes of headers that mean nothing.
            assert!(refused * 100 >= steps * 97, "{refused} of {steps}");
        } else {
            // sled keeps old versions of its pages: damage to those is harmless.
            assert!(refused > 0);
        }
    });
}

#[test]
fn a_truncated_log_is_refused() {
    on_both(|killed| {
        let used = killed.used();
        for step in 0..40 {
            let length = used * step / 40;
            let refused = killed.check(&format!("cut to {length} bytes"), |folder| {
                let file = fs::File::options().write(true).open(folder.join(killed.log_file())).unwrap();
                file.set_len(length as u64).unwrap();
            });
            assert!(refused, "{:?} cut to {length} of {used} bytes", killed.kind);
        }
    });
}

#[test]
fn damage_in_the_middle_names_the_file_and_where() {
    let killed = Killed::new(StoreKind::RaftEngine);
    let folder = killed.damaged(|folder| {
        let path = folder.join(killed.log_file());
        let mut bytes = fs::read(&path).unwrap();
        let middle = killed.used() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&path, bytes).unwrap();
    });
    let error = killed.start(&folder).unwrap_err().to_string();
    assert!(error.contains("0000000000000001.raftlog offset ") && error.contains("a later one at"), "{error}");
    assert!(error.contains("not an unsynced tail") && error.contains("join with a new id"), "{error}");
}

#[test]
fn a_torn_batch_that_was_never_acknowledged_is_dropped_silently() {
    // The file `replica` of before the batch: it was written, but its sync never returned.
    let killed = Killed::new(StoreKind::RaftEngine);
    let next = TempDir::new().unwrap();
    copy(killed.folder.path(), next.path());
    let mut store = log_store::open(killed.kind, next.path()).unwrap();
    store.load().unwrap();
    store.append(&batch(BATCHES)).unwrap();
    store.sync().unwrap();
    let written = TempDir::new().unwrap();
    copy(next.path(), written.path());
    drop(store);
    let longer = fs::read(written.path().join(killed.log_file())).unwrap();
    let (before, after) = (killed.used(), longer.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    assert!(after > before + 200);
    for cut in (before..after).step_by(13) {
        let torn = killed.check(&format!("torn at {cut} of {before}..{after}"), |folder| {
            let mut bytes = longer.clone();
            bytes[cut..].fill(0);
            fs::write(folder.join(killed.log_file()), bytes).unwrap();
        });
        assert!(!torn, "a torn tail at {cut} must not be refused");
    }
    // Whole, it counts, although it was not acknowledged.
    let folder = killed.damaged(|folder| fs::write(folder.join(killed.log_file()), &longer).unwrap());
    let boot = killed.start(&folder).unwrap().unwrap();
    assert_eq!(boot.last_index, killed.boot.last_index + 3);
}

#[test]
fn a_rotation_that_was_cut_short_is_no_damage() {
    let killed = Killed::new(StoreKind::RaftEngine);
    let folder = killed.damaged(|folder| {
        // Closing a file cuts off what was preallocated; then the next one is made, still empty.
        drop(log_store::open(killed.kind, folder).unwrap());
        fs::write(folder.join("raft-engine/0000000000000002.raftlog"), b"").unwrap();
    });
    assert_eq!(killed.start(&folder).unwrap().as_ref(), Some(&killed.boot));
    // And the log goes on from there, through several files and starts.
    let mut next = killed.boot.last_index + 1;
    for _ in 0..3 {
        let mut store = log_store::open(killed.kind, folder.path()).unwrap();
        assert_eq!(store.load().unwrap().unwrap().last_index, next - 1);
        for _ in 0..25 {
            let data = vec![b'x'; 400 * 1024].into();
            let entries = vec![Entry { index: next, term: 2, data, ..Entry::default() }];
            let hard_state = HardState { term: 2, vote: 1, commit: next };
            store.append(&WriteBatch { hard_state, entries, ..WriteBatch::default() }).unwrap();
            store.sync().unwrap();
            next += 1;
        }
    }
}

#[test]
fn missing_files_are_refused() {
    on_both(|killed| {
        let log = killed.log_file();
        let folder = log.parent().unwrap().to_owned();
        assert!(killed.check("no log file", |root| fs::remove_file(root.join(&log)).unwrap()));
        assert!(killed.check("no log folder", |root| fs::remove_dir_all(root.join(&folder)).unwrap()));
        assert!(killed.check("no `replica` file", |root| fs::remove_file(root.join("replica")).unwrap()));
        assert!(killed.check("another `replica` file", |root| {
            let bytes = fs::read(root.join("replica")).unwrap();
            fs::write(root.join("replica"), &bytes[..40]).unwrap();
        }));
    });
}

#[test]
fn a_folder_of_the_other_kind_or_in_use_is_refused() {
    for (kind, other) in [(StoreKind::RaftEngine, StoreKind::Sled), (StoreKind::Sled, StoreKind::RaftEngine)] {
        let folder = TempDir::new().unwrap();
        let mut store = log_store::open(kind, folder.path()).unwrap();
        store.create(&IDENTITY, &SnapshotMeta::bootstrap(members())).unwrap();
        let second = log_store::open(kind, folder.path()).map(drop).unwrap_err();
        assert!(matches!(second, StoreError::Locked { .. }), "{second}");
        drop(store);
        let wrong = log_store::open(other, folder.path()).map(drop).unwrap_err();
        assert!(matches!(wrong, StoreError::Format { .. }), "{wrong}");
        assert_eq!(log_store::identity_of(folder.path()).unwrap(), Some(IDENTITY));
    }
}

#[test]
fn a_creation_that_was_cut_short_is_made_anew() {
    for kind in [StoreKind::RaftEngine, StoreKind::Sled] {
        let folder = TempDir::new().unwrap();
        let mut store = log_store::open(kind, folder.path()).unwrap();
        store.create(&IDENTITY, &SnapshotMeta::bootstrap(members())).unwrap();
        drop(store);
        fs::remove_file(folder.path().join("replica")).unwrap();
        let mut store = log_store::open(kind, folder.path()).unwrap();
        assert_eq!(store.load().unwrap(), None);
        let anew = Identity { marker: 7, ..IDENTITY };
        store.create(&anew, &SnapshotMeta::bootstrap(members())).unwrap();
        drop(store);
        let boot = log_store::open(kind, folder.path()).unwrap().load().unwrap().unwrap();
        assert_eq!(boot.identity, anew);
    }
}
