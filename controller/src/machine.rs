//! The replicated state behind consensus: applies entries on the consensus thread, and publishes to everyone else an
//! immutable version, the events, and what the leader's reconcilers should look at.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_consensus::{EntryRef, Halt, Membership, RaftId, Role, SnapshotError, SnapshotSource, StateMachine};
use drydock_state::{Event, Key, Outcome, State};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::events::EventRing;
use crate::leadership::Leaderships;
use crate::members::Directory;
use crate::metrics::Metrics;
use crate::view::View;

/// The keys that changed since the leader's loops last looked; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct DirtyFeed(Arc<(Mutex<Dirty>, Notify)>);

/// What waits for the leader's loop.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) keys: BTreeSet<Key>,
    /// When the first of them came.
    pub(crate) since: Option<Instant>,
}

impl DirtyFeed {
    fn lock(&self) -> MutexGuard<'_, Dirty> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// Adds keys and wakes the leader's loop.
    pub(crate) fn add(&self, keys: BTreeSet<Key>) {
        let mut dirty = self.lock();
        dirty.keys.extend(keys);
        dirty.since.get_or_insert_with(Instant::now);
        drop(dirty);
        self.0.1.notify_one();
    }

    /// All keys since the last call.
    pub(crate) fn take(&self) -> Dirty {
        std::mem::take(&mut *self.lock())
    }

    /// Ends once there are keys (or were, a moment ago).
    pub(crate) async fn wait(&self) {
        self.0.1.notified().await;
    }
}

/// The state and whom it is published to.
pub(crate) struct Machine {
    pub(crate) state: State,
    pub(crate) view: View,
    pub(crate) events: EventRing,
    pub(crate) leaderships: Leaderships,
    pub(crate) directory: Directory,
    pub(crate) dirty: DirtyFeed,
    /// Whether this controller leads: only then is anyone interested in dirty keys.
    pub(crate) leads: bool,
    pub(crate) new_events: Vec<(u64, Vec<Event>)>,
    pub(crate) new_dirty: BTreeSet<Key>,
    pub(crate) metrics: Metrics,
    /// The leader that was last known, and its term.
    last_led: Option<(RaftId, u64)>,
}

impl Machine {
    pub(crate) fn new(
        view: View,
        events: EventRing,
        (leaderships, directory, dirty): (Leaderships, Directory, DirtyFeed),
        metrics: Metrics,
    ) -> Self {
        Self {
            state: State::default(),
            view,
            events,
            leaderships,
            directory,
            dirty,
            leads: false,
            new_events: Vec::new(),
            new_dirty: BTreeSet::new(),
            metrics,
            last_led: None,
        }
    }
}

impl StateMachine for Machine {
    type Outcome = Outcome;

    fn apply(&mut self, entry: EntryRef<'_>) -> Result<Outcome, Halt> {
        let applied = self
            .state
            .apply_bytes(entry.index, entry.term, entry.payload)
            .map_err(|halt| Halt { index: entry.index, reason: halt.to_string() })?;
        if !applied.events.is_empty() {
            self.metrics.events.count(&applied.events);
            self.new_events.push((entry.index, applied.events));
        }
        if self.leads {
            self.new_dirty.extend(applied.dirty.into_iter().filter(drydock_leader::reconciler::matters));
        }
        Ok(applied.outcome)
    }

    fn publish(&mut self, index: u64, _term: u64) {
        self.view.publish(self.state.clone(), index);
        // After the state: whoever is told of an event finds it in the state.
        self.events.push(std::mem::take(&mut self.new_events), index);
        if !self.new_dirty.is_empty() {
            self.dirty.add(std::mem::take(&mut self.new_dirty));
        }
    }

    fn snapshot(&self) -> Box<dyn SnapshotSource> {
        self.metrics.raft.snapshots_made.inc();
        Box::new(Export::of(self.state.clone()))
    }

    fn restore(
        &mut self,
        index: u64,
        _term: u64,
        chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
    ) -> Result<(), Halt> {
        let mut broken = None;
        // A broken file ends the chunks, and is told instead of what the state says about their end.
        let whole = chunks.map_while(|chunk| chunk.map_err(|error| broken = Some(error.to_string())).ok());
        let imported = State::import(whole).map_err(|error| error.to_string());
        self.state = match broken {
            Some(reason) => Err(reason),
            None => imported,
        }
        .map_err(|reason| Halt { index, reason })?;
        self.metrics.raft.snapshots_restored.inc();
        self.new_events.clear();
        self.new_dirty.clear();
        self.view.publish(self.state.clone(), index);
        self.events.reset(index);
        Ok(())
    }

    fn role_changed(&mut self, role: Role, term: u64, leader: Option<RaftId>) {
        self.leads = role == Role::Leader;
        if role == Role::Candidate {
            self.metrics.raft.elections.inc();
        }
        let led = leader.map(|leader| (leader, term));
        if led.is_some() && led != self.last_led {
            self.metrics.raft.leader_changes.inc();
            self.last_led = led;
        }
        if !self.leads {
            self.new_dirty.clear();
        }
        self.leaderships.set(role, term, leader);
    }

    fn membership_changed(&mut self, _index: u64, membership: &Membership) {
        self.directory.set(membership);
    }
}

/// Chunks that are made ahead of a slow disk.
const CHUNKS_AHEAD: usize = 1;

/// A version of the state that encodes itself. A thread of its own walks the tables, since a walk borrows the state that it
/// walks; it ends with the last chunk, or when this is dropped.
struct Export {
    chunks: std::sync::mpsc::Receiver<Vec<u8>>,
    index: u64,
    failed: bool,
}

impl Export {
    fn of(state: State) -> Self {
        let (sender, chunks) = std::sync::mpsc::sync_channel(CHUNKS_AHEAD);
        let index = state.applied_index();
        let walk = move || {
            for chunk in state.export() {
                if sender.send(chunk).is_err() {
                    return;
                }
            }
        };
        let failed = std::thread::Builder::new().name("export".to_owned()).spawn(walk).is_err();
        Self { chunks, index, failed }
    }
}

impl SnapshotSource for Export {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        if self.failed {
            return Err(Halt {
                index: self.index,
                reason: "the system refuses a thread to encode the state".to_owned(),
            });
        }
        Ok(self.chunks.recv().ok())
    }
}
