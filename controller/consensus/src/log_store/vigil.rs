//! Whether the files of a store that is open are still there. Writes don't tell: a file whose name is gone lives on for
//! whoever has it open, and everything "durable" in it ends with the process.
//!
//! Touches names and lengths in the data folder, never a byte of the files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{StoreError, StoreKind, anchor, engine};

/// Looks after one data folder. Each look reads the names of one folder: cheap enough for once a second.
#[derive(Debug)]
pub struct Vigil {
    folder: PathBuf,
    kind: StoreKind,
    /// Device and inode of the file that says whose disk it is: it is made once.
    identity: (u64, u64),
    newest: Option<Newest>,
}

/// The log file that is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Newest {
    path: PathBuf,
    /// The longest that it was. It is cut to what it holds when the next one takes its turn, never before.
    bytes: u64,
    /// It was shorter at the last look.
    shorter: bool,
}

impl Vigil {
    /// Begins with the files as they are now: call it while the store is open.
    ///
    /// # Errors
    /// They are gone already.
    pub fn begin(folder: &Path, kind: StoreKind) -> Result<Self, StoreError> {
        let identity = identity(folder)?;
        let mut vigil = Self { folder: folder.to_owned(), kind, identity, newest: None };
        vigil.look()?;
        Ok(vigil)
    }

    /// Looks once.
    ///
    /// # Errors
    /// [`StoreError::Vanished`]: what was acknowledged may be in no file that a later start finds. The process must end.
    pub fn look(&mut self) -> Result<(), StoreError> {
        if identity(&self.folder)? != self.identity {
            return Err(vanished(&self.folder, "another folder is in its place"));
        }
        match self.kind {
            StoreKind::RaftEngine => self.look_at_log(),
            // sled keeps one file, which it makes once.
            StoreKind::Sled => Ok(()),
        }
    }

    fn look_at_log(&mut self) -> Result<(), StoreError> {
        let folder = engine::log_folder(&self.folder);
        let found = match newest(&folder) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(vanished(&folder, "the folder is not there any more"));
            }
            // Whatever else keeps it from being looked at isn't a loss: the next write will tell.
            Err(_) => return Ok(()),
        };
        let Some((path, bytes)) = found else { return Err(vanished(&folder, "its log files are not there any more")) };
        let seen = self.newest.take().filter(|seen| seen.path >= path);
        if let Some(seen) = &seen {
            if seen.path > path {
                return Err(vanished(&seen.path, "the file is not there any more"));
            }
            if bytes < seen.bytes && seen.shorter {
                return Err(vanished(&path, &format!("the file had {} bytes and has {bytes} now", seen.bytes)));
            }
        }
        let longest = seen.map_or(bytes, |seen| seen.bytes.max(bytes));
        // Once may be the moment in which the next file takes its turn.
        self.newest = Some(Newest { path, bytes: longest, shorter: bytes < longest });
        Ok(())
    }
}

fn identity(folder: &Path) -> Result<(u64, u64), StoreError> {
    let file = fs::metadata(folder.join(anchor::FILE));
    let file = file.map_err(|error| vanished(&folder.join(anchor::FILE), &error.to_string()))?;
    Ok((file.dev(), file.ino()))
}

/// The log file with the highest number and its length.
fn newest(folder: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == engine::FILE_END) {
            newest = newest.max(Some(path));
        }
    }
    let Some(path) = newest else { return Ok(None) };
    let bytes = fs::metadata(&path)?.len();
    Ok(Some((path, bytes)))
}

fn vanished(path: &Path, reason: &str) -> StoreError {
    StoreError::Vanished { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{File, OpenOptions, remove_dir_all, remove_file, rename};
    use std::path::{Path, PathBuf};

    use super::{Vigil, engine, newest};
    use crate::Membership;
    use crate::log_store::{Identity, LogStore, StoreError, StoreKind, open};
    use crate::snapshot::SnapshotMeta;

    fn store(folder: &Path, kind: StoreKind) -> Box<dyn LogStore> {
        let mut store = open(kind, folder).unwrap();
        let members = Membership::bootstrap([(2, Vec::new())]).unwrap();
        let identity = Identity { fingerprint: 1, raft_id: 2, marker: 3 };
        store.create(&identity, &SnapshotMeta::bootstrap(members)).unwrap();
        store
    }

    fn last_file(folder: &Path) -> PathBuf {
        newest(&engine::log_folder(folder)).unwrap().unwrap().0
    }

    /// What is done to an open store, and what a look says in the end.
    #[test]
    fn what_happens_to_the_files_of_an_open_store_is_seen() {
        type Loss = (&'static str, fn(&Path), &'static str);
        let losses: [Loss; 6] = [
            ("removed", |folder| remove_dir_all(folder).unwrap(), "replica"),
            ("moved away", |folder| rename(folder, folder.with_extension("old")).unwrap(), "replica"),
            (
                "replaced",
                |folder| {
                    rename(folder, folder.with_extension("old")).unwrap();
                    drop(store(folder, StoreKind::RaftEngine));
                },
                "another folder is in its place",
            ),
            ("its log removed", |folder| remove_dir_all(engine::log_folder(folder)).unwrap(), "not there any more"),
            ("its last file removed", |folder| remove_file(last_file(folder)).unwrap(), "not there any more"),
            (
                "cut",
                |folder| OpenOptions::new().write(true).open(last_file(folder)).unwrap().set_len(100).unwrap(),
                "has 100 now",
            ),
        ];
        for (name, lose, said) in losses {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("data");
            let open = store(&folder, StoreKind::RaftEngine);
            let mut vigil = Vigil::begin(&folder, StoreKind::RaftEngine).unwrap();
            for _ in 0..3 {
                vigil.look().unwrap();
            }
            lose(&folder);
            let error = vigil.look().and_then(|()| vigil.look()).unwrap_err();
            assert!(matches!(&error, StoreError::Vanished { .. }), "{name}: {error}");
            assert!(error.is_for_good() && error.to_string().contains(said), "{name}: {error}");
            drop(open);
        }
    }

    #[test]
    fn a_log_that_goes_on_in_the_next_file_has_lost_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let open = store(&folder, StoreKind::RaftEngine);
        let mut vigil = Vigil::begin(&folder, StoreKind::RaftEngine).unwrap();
        let first = last_file(&folder);
        // As raft-engine does it: what is full is cut to what it holds, and then the next one is there.
        OpenOptions::new().write(true).open(&first).unwrap().set_len(1_000).unwrap();
        vigil.look().unwrap();
        let name = first.file_name().and_then(|name| name.to_str()).unwrap().replace('1', "2");
        File::create(first.with_file_name(name)).unwrap();
        for _ in 0..3 {
            vigil.look().unwrap();
        }
        drop(open);
    }

    #[test]
    fn sled_s_folder_is_looked_after_as_well() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let open = store(&folder, StoreKind::Sled);
        let mut vigil = Vigil::begin(&folder, StoreKind::Sled).unwrap();
        vigil.look().unwrap();
        rename(&folder, parent.path().join("old")).unwrap();
        assert!(vigil.look().is_err());
        drop(open);
    }
}
