//! The newest events, for those who watch: a ring bounded by bytes that every controller fills as it applies the log.
//! A watcher reads on at its own pace from an index; one that falls behind the ring's end is told to list anew.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_state::event::{Event, EventKind};
use drydock_state::row::{AttachmentRow, ContainerRow, DeploymentRow, InstanceRow, ScalingRow, ServiceRow, TaskRow};
use tokio::sync::watch;

use crate::limits::EVENT_RING_BYTES_MAX;

/// The ring; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct EventRing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    /// Index of the newest entry that had events.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The events of one entry each, by index.
    entries: VecDeque<(u64, Arc<[Event]>)>,
    bytes: usize,
    /// All events of entries after this index are in the ring.
    complete_after: u64,
    /// Everything up to here was applied.
    applied: u64,
}

/// What follows an index.
#[derive(Debug)]
pub(crate) enum Next {
    /// Events of entries, in order: at least one entry.
    Events(Vec<Arc<[Event]>>),
    /// Nothing, up to this index.
    Nothing(u64),
    /// The ring no longer has all of it: list what you need as of this index, then go on after it.
    Gone(u64),
}

impl EventRing {
    /// An empty ring of a state that has applied everything up to `applied`.
    pub(crate) fn new(applied: u64) -> Self {
        let ring = Ring { complete_after: applied, applied, ..Ring::default() };
        Self(Arc::new(Shared { ring: Mutex::new(ring), newest: watch::Sender::new(applied) }))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what entries up to `applied` emitted, in order; called by the consensus thread alone.
    pub(crate) fn push(&self, entries: Vec<(u64, Vec<Event>)>, applied: u64) {
        let newest = entries.last().map(|(index, _)| *index);
        let mut ring = self.lock();
        ring.applied = applied;
        for (index, events) in entries {
            ring.bytes += weight(&events);
            ring.entries.push_back((index, events.into()));
        }
        while ring.bytes > EVENT_RING_BYTES_MAX {
            let Some((index, events)) = ring.entries.pop_front() else { break };
            ring.bytes -= weight(&events);
            ring.complete_after = index;
        }
        drop(ring);
        if let Some(newest) = newest {
            self.0.newest.send_replace(newest);
        }
    }

    /// The state was replaced by a snapshot's: what happened up to `applied` isn't known.
    pub(crate) fn reset(&self, applied: u64) {
        *self.lock() = Ring { complete_after: applied, applied, ..Ring::default() };
        self.0.newest.send_replace(applied);
    }

    /// What follows `index`, at most `entries_max` entries.
    pub(crate) fn after(&self, index: u64, entries_max: usize) -> Next {
        let ring = self.lock();
        if index < ring.complete_after {
            return Next::Gone(ring.applied);
        }
        let from = ring.entries.partition_point(|(at, _)| *at <= index);
        let found: Vec<_> = ring.entries.iter().skip(from).take(entries_max).map(|(_, e)| Arc::clone(e)).collect();
        if found.is_empty() { Next::Nothing(ring.applied.max(index)) } else { Next::Events(found) }
    }

    /// How many entries it has, and about how many bytes.
    pub(crate) fn held(&self) -> (u64, u64) {
        let ring = self.lock();
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        (count(ring.entries.len()), count(ring.bytes))
    }

    /// Told of the index of each newest event.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }
}

/// About the bytes that events hold, with rows that nothing else may hold any more.
fn weight(events: &[Event]) -> usize {
    events.iter().map(|event| size_of::<Event>() + row_weight(&event.kind)).sum()
}

fn row_weight(kind: &EventKind) -> usize {
    match kind {
        EventKind::Task { task, .. } => {
            size_of::<TaskRow>()
                + task.containers.len() * (size_of::<ContainerRow>() + 256)
                + task.attachments.len() * (size_of::<AttachmentRow>() + 512)
        }
        EventKind::Instance { .. } => size_of::<InstanceRow>(),
        EventKind::ServiceAction { instances, .. } => size_of::<ServiceRow>() + instances.len() * size_of::<u128>(),
        EventKind::Scaling(row) => size_of::<ScalingRow>() + row.leaving.len() * size_of::<u128>(),
        EventKind::Deployment { .. } => size_of::<ServiceRow>() + size_of::<DeploymentRow>(),
    }
}
