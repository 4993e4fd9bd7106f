//! The journal: what a restarted agent knows of its manifest and of reports that nobody acknowledged yet, in sled.
//!
//! sled's own flush doesn't sync, so each batch is flushed and then its files are synced for real (design §6). It is
//! small and rarely written, and all of it can be had again from the controllers and the runtime: one that can't be
//! read is moved aside with a warning.

use std::fs::File;
use std::path::{Path, PathBuf};

use drydock_engine::{EffectId, JournalWrite, Restored};
use drydock_proto::agent::{AssignedTask, Report};
use drydock_proto::ecs::TaskDefinition;
use prost::Message;
use tokio::sync::mpsc;

use crate::error::AgentError;

/// Batches that may wait for the disk; then the agent waits for it too.
const QUEUE_MAX: usize = 256;
/// Batches that share one sync.
const BATCHES_PER_SYNC_MAX: usize = 64;
/// sled's page cache, bytes: the journal is read at start only.
const CACHE_BYTES: u64 = 256 * 1_024;

const SEQUENCE: &[u8] = b"manifest/sequence";
const TASKS: &str = "task/";
const REPORTS: &str = "report/";
const DEFINITIONS: &str = "definition/";

type Batch = (EffectId, Vec<JournalWrite>);
type Synced = mpsc::UnboundedSender<Result<EffectId, AgentError>>;

/// Where batches go.
#[derive(Debug)]
enum To {
    /// To the thread.
    Thread(mpsc::Sender<Batch>),
    /// Nowhere: each counts as synced at once.
    Nowhere(Synced),
}

/// The way to the journal's thread. Dropping it writes what is queued and waits for the thread: as long as that has the
/// files open, a next agent on the same folder would take them for damaged.
#[derive(Debug)]
pub(crate) struct Journal {
    /// None once it is being dropped.
    to: Option<To>,
    /// Batches that are synced; an error ends the agent. As many at most as the agent has queued and not heard of: it
    /// needs no bound of its own, and one could make the two wait for each other.
    pub(crate) synced: mpsc::UnboundedReceiver<Result<EffectId, AgentError>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal in a folder and starts its thread.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Restored), AgentError> {
        let path = folder.join("journal");
        let (store, restored) = match Store::open(&path) {
            Ok(opened) => opened,
            Err(why) => {
                let aside = aside(folder);
                tracing::warn!(%why, aside = %aside.display(), "the journal can't be read: it is moved aside, the controllers and the runtime know the rest");
                std::fs::rename(&path, &aside).map_err(AgentError::disk(&path))?;
                Store::open(&path).map_err(AgentError::Journal)?
            }
        };
        let (to, mut batches) = mpsc::channel::<Batch>(QUEUE_MAX);
        let (done, synced) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || {
            while let Some(first) = batches.blocking_recv() {
                let mut all = vec![first];
                while all.len() < BATCHES_PER_SYNC_MAX
                    && let Ok(next) = batches.try_recv()
                {
                    all.push(next);
                }
                let result = store.write(all.iter().flat_map(|(_, writes)| writes));
                for (id, _) in all {
                    let outcome = result.clone().map(|()| id).map_err(AgentError::Journal);
                    if done.send(outcome).is_err() {
                        break;
                    }
                }
            }
        });
        let thread = thread.map_err(|error| AgentError::Journal(error.to_string()))?;
        Ok((Self { to: Some(To::Thread(to)), synced, thread: Some(thread) }, restored))
    }

    /// One that keeps nothing, for an instance that is pretended as a whole.
    pub(crate) fn in_memory() -> Self {
        let (done, synced) = mpsc::unbounded_channel();
        Self { to: Some(To::Nowhere(done)), synced, thread: None }
    }

    /// Queues a batch.
    pub(crate) async fn write(&self, id: EffectId, writes: Vec<JournalWrite>) -> Result<(), AgentError> {
        let gone = || AgentError::Journal("its thread is gone".into());
        match self.to.as_ref().ok_or_else(gone)? {
            To::Thread(to) => to.send((id, writes)).await.map_err(|_| gone()),
            To::Nowhere(done) => done.send(Ok(id)).map_err(|_| gone()),
        }
    }

    /// Writes what is queued and closes it.
    pub(crate) async fn close(self) {
        // It waits for the disk.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.to.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The first free name.
fn aside(folder: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let path = folder.join(format!("journal.damaged-{number}"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

struct Store {
    db: sled::Db,
    path: PathBuf,
}

impl Store {
    fn open(path: &Path) -> Result<(Self, Restored), String> {
        let settings =
            sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).mode(sled::Mode::LowSpace);
        // sled panics on some damages.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| settings.open()));
        let db = opened.map_err(|_| "sled panicked".to_owned())?.map_err(|error| error.to_string())?;
        let store = Self { db, path: path.to_owned() };
        let restored = store.read()?;
        Ok((store, restored))
    }

    fn read(&self) -> Result<Restored, String> {
        let mut restored = Restored::default();
        for entry in self.db.iter() {
            let (key, value) = entry.map_err(|error| error.to_string())?;
            let key = String::from_utf8_lossy(&key).into_owned();
            let bad = |error: prost::DecodeError| format!("{key}: {error}");
            if key.as_bytes() == SEQUENCE {
                let bytes = value.as_ref().try_into().map_err(|_| format!("{key}: not a number"))?;
                restored.sequence = u64::from_be_bytes(bytes);
            } else if key.starts_with(TASKS) {
                restored.tasks.push(AssignedTask::decode(value.as_ref()).map_err(bad)?);
            } else if key.starts_with(DEFINITIONS) {
                restored.definitions.push(TaskDefinition::decode(value.as_ref()).map_err(bad)?);
            } else if key.starts_with(REPORTS) {
                let (acked, report) = value.split_first().ok_or_else(|| format!("{key}: empty"))?;
                restored.reports.push((Report::decode(report).map_err(bad)?, *acked == 1));
            } else {
                return Err(format!("{key}: no such key"));
            }
        }
        Ok(restored)
    }

    fn write<'a>(&self, writes: impl Iterator<Item = &'a JournalWrite>) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for write in writes {
            put(&mut batch, write);
        }
        let written = self.db.apply_batch(batch).and_then(|()| self.db.flush());
        written.map_err(|error| error.to_string())?;
        self.sync().map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// What sled's flush leaves to the kernel.
    fn sync(&self) -> std::io::Result<()> {
        File::open(self.path.join("db"))?.sync_data()?;
        File::open(&self.path)?.sync_all()
    }
}

fn put(batch: &mut sled::Batch, write: &JournalWrite) {
    let key = |kind: &str, arn: &str| format!("{kind}{arn}").into_bytes();
    match write {
        JournalWrite::Sequence(sequence) => batch.insert(SEQUENCE, &sequence.to_be_bytes()),
        JournalWrite::PutTask(task) => batch.insert(key(TASKS, &task.task_arn), task.encode_to_vec()),
        JournalWrite::PutDefinition(definition) => {
            batch.insert(key(DEFINITIONS, definition.task_definition_arn()), definition.encode_to_vec());
        }
        JournalWrite::PutReport(report, acked) => {
            let mut value = vec![u8::from(*acked)];
            value.extend(report.encode_to_vec());
            batch.insert(key(REPORTS, &report.task_arn), value);
        }
        JournalWrite::DropTask(arn) => {
            batch.remove(key(TASKS, arn));
            batch.remove(key(REPORTS, arn));
        }
        JournalWrite::DropDefinition(arn) => batch.remove(key(DEFINITIONS, arn)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::{AssignedTask, EffectId, Journal, JournalWrite, Report, TaskDefinition};

    async fn write(journal: &mut Journal, id: u64, writes: Vec<JournalWrite>) {
        journal.write(EffectId(id), writes).await.unwrap();
        assert_eq!(journal.synced.recv().await.unwrap().unwrap(), EffectId(id));
    }

    #[tokio::test]
    async fn what_is_written_is_read_again_and_damage_is_moved_aside() {
        let temp = tempfile::tempdir().unwrap();
        let task = |arn: &str| AssignedTask { task_arn: arn.into(), ..Default::default() };
        let report = Report { task_arn: "a".into(), sequence: 7, ..Default::default() };
        let definition = TaskDefinition { task_definition_arn: Some("d".into()), ..Default::default() };
        let (mut journal, restored) = Journal::open(temp.path()).unwrap();
        assert_eq!(restored.sequence, 0);
        let writes = vec![
            JournalWrite::PutTask(Box::new(task("a"))),
            JournalWrite::PutTask(Box::new(task("b"))),
            JournalWrite::PutReport(Box::new(report.clone()), false),
            JournalWrite::PutDefinition(Arc::new(definition.clone())),
            JournalWrite::Sequence(3),
        ];
        write(&mut journal, 1, writes).await;
        write(&mut journal, 2, vec![JournalWrite::DropTask("b".into())]).await;
        journal.close().await;

        let (journal, restored) = Journal::open(temp.path()).unwrap();
        assert_eq!(restored.sequence, 3);
        assert_eq!(restored.tasks, [task("a")]);
        assert_eq!(restored.reports, [(report, false)]);
        assert_eq!(restored.definitions, [definition]);
        journal.close().await;

        // Dropped with batches under way, as with an agent's loop that is cancelled.
        let (journal, _) = Journal::open(temp.path()).unwrap();
        for id in 0..50 {
            let writes = vec![JournalWrite::Sequence(100 + id)];
            journal.write(EffectId(id), writes).await.unwrap();
        }
        drop(journal);
        let (journal, restored) = Journal::open(temp.path()).unwrap();
        assert_eq!((restored.sequence, restored.tasks.len()), (149, 1));
        journal.close().await;
        assert!(!temp.path().join("journal.damaged-1").exists());

        for entry in std::fs::read_dir(temp.path().join("journal")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::write(path, [0x5A; 4_096]).unwrap();
            }
        }
        let (journal, restored) = Journal::open(temp.path()).unwrap();
        assert_eq!((restored.sequence, restored.tasks.len()), (0, 0));
        assert!(temp.path().join("journal.damaged-1").exists());
        journal.close().await;
    }
}
