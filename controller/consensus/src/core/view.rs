//! raft's view of the log: the newest entries in RAM, terms as runs, everything older asked for from outside. No IO.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState as RaftHardState, Snapshot};
use raft::{Error as RaftError, GetEntriesContext, RaftState, Storage, StorageError};

use crate::config::LOG_READS_MAX;
use crate::log_store::{Boot, HardState, Terms};
use crate::snapshot::SnapshotMeta;

/// What an entry weighs in the bounds: payload, context, and its own fields.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + 24
}

/// A range that raft wants and RAM doesn't hold.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) context: GetEntriesContext,
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) max_bytes: u64,
}

/// The log as raft sees it.
#[derive(Debug)]
pub(super) struct LogView {
    hard_state: HardState,
    conf_state: ConfState,
    truncated_index: u64,
    last_index: u64,
    terms: Terms,
    cache: VecDeque<Entry>,
    cache_bytes: usize,
    /// Whether entries ever had to leave RAM for the bound's sake.
    trimmed: bool,
    snapshot: SnapshotMeta,
    /// Ranges read from disk: for the replay at start, and for followers that are far behind.
    pages: Vec<Vec<Entry>>,
    wanted: RefCell<Vec<Wanted>>,
    snapshot_wanted: Cell<bool>,
}

impl LogView {
    pub(super) fn new(boot: &Boot) -> Self {
        Self {
            hard_state: boot.hard_state,
            conf_state: boot.snapshot.membership.to_conf_state(),
            truncated_index: boot.truncated_index,
            last_index: boot.last_index,
            terms: boot.terms.clone(),
            cache: VecDeque::new(),
            cache_bytes: 0,
            trimmed: false,
            snapshot: boot.snapshot.clone(),
            pages: Vec::new(),
            wanted: RefCell::default(),
            snapshot_wanted: Cell::new(false),
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.truncated_index + 1
    }

    pub(super) fn last(&self) -> u64 {
        self.last_index
    }

    pub(super) fn snapshot_meta(&self) -> &SnapshotMeta {
        &self.snapshot
    }

    fn cache_first(&self) -> u64 {
        self.last_index + 1 - self.cache.len() as u64
    }

    /// Whether raft can get this entry without a read from disk.
    pub(super) fn holds(&self, index: u64) -> bool {
        (index >= self.cache_first() && index <= self.last_index) || self.page_from(index).is_some()
    }

    fn page_from(&self, low: u64) -> Option<&[Entry]> {
        self.pages.iter().find_map(|page| {
            let first = page.first()?.index;
            let skip = usize::try_from(low.checked_sub(first)?).ok()?;
            page.get(skip..).filter(|rest| !rest.is_empty())
        })
    }

    pub(super) fn add_page(&mut self, page: Vec<Entry>) {
        self.pages.push(page);
    }

    pub(super) fn drop_pages(&mut self) {
        self.pages.clear();
    }

    pub(super) fn take_wanted(&self) -> Vec<Wanted> {
        self.wanted.take()
    }

    pub(super) fn set_wanted(&self, wanted: Vec<Wanted>) {
        self.wanted.replace(wanted);
    }

    pub(super) fn take_snapshot_wanted(&self) -> bool {
        self.snapshot_wanted.take()
    }

    /// Entries that are durable now; those from the first one's index on are replaced.
    pub(super) fn append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first().map(|entry| entry.index) else { return };
        if first < self.cache_first() {
            self.cache.clear();
            self.cache_bytes = 0;
        }
        while self.cache.back().is_some_and(|entry| entry.index >= first) {
            self.cache_bytes -= self.cache.pop_back().as_ref().map_or(0, entry_bytes);
        }
        for entry in entries {
            self.terms.push(entry.index, entry.term);
            self.last_index = entry.index;
            self.cache_bytes += entry_bytes(&entry);
            self.cache.push_back(entry);
        }
    }

    /// Forgets the oldest applied entries beyond the bound. Entries that are not yet applied always stay.
    pub(super) fn trim(&mut self, applied: u64, most_bytes: usize) {
        self.pages.retain(|page| page.last().is_some_and(|entry| entry.index > applied));
        while self.cache_bytes > most_bytes && self.cache.front().is_some_and(|entry| entry.index <= applied) {
            self.cache_bytes -= self.cache.pop_front().as_ref().map_or(0, entry_bytes);
            self.trimmed = true;
        }
    }

    /// The entry before the oldest one in RAM, once RAM is full: what is older isn't worth keeping behind a snapshot,
    /// so that a log of large entries stays bounded in bytes too.
    pub(super) fn full_from(&self) -> u64 {
        if self.trimmed { self.cache_first() - 1 } else { 0 }
    }

    /// A snapshot of our own is durable and pointed to.
    pub(super) fn set_snapshot(&mut self, meta: SnapshotMeta) {
        self.snapshot = meta;
    }

    /// The log up to `index` is gone.
    pub(super) fn compact(&mut self, index: u64) {
        if index <= self.truncated_index {
            return;
        }
        self.truncated_index = index;
        self.terms.drop_before(index);
        while self.cache.front().is_some_and(|entry| entry.index <= index) {
            self.cache_bytes -= self.cache.pop_front().as_ref().map_or(0, entry_bytes);
        }
    }

    /// A leader's snapshot took the place of the whole log.
    pub(super) fn reset(&mut self, meta: SnapshotMeta) {
        self.cache.clear();
        self.cache_bytes = 0;
        self.pages.clear();
        self.truncated_index = meta.index;
        self.last_index = meta.index;
        self.terms = Terms::starting_at(meta.index, meta.term);
        self.snapshot = meta;
    }

    /// From the front of `entries`, as many as fit into `max` bytes, but one at least.
    fn bounded<'a>(entries: impl Iterator<Item = &'a Entry>, count: u64, max: Option<u64>) -> Vec<Entry> {
        let mut bytes = 0_u64;
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let mut taken = Vec::with_capacity(most.min(256));
        for entry in entries.take(most) {
            bytes += entry_bytes(entry) as u64;
            if !taken.is_empty() && max.is_some_and(|max| bytes > max) {
                break;
            }
            taken.push(entry.clone());
        }
        taken
    }
}

impl Storage for LogView {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let mut hard_state = RaftHardState::default();
        hard_state.term = self.hard_state.term;
        hard_state.vote = self.hard_state.vote;
        hard_state.commit = self.hard_state.commit;
        Ok(RaftState::new(hard_state, self.conf_state.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let max = max_size.into();
        if low <= self.truncated_index {
            return Err(RaftError::Store(StorageError::Compacted));
        }
        if high > self.last_index + 1 {
            return Err(RaftError::Store(StorageError::Unavailable));
        }
        let count = high.saturating_sub(low);
        if let Some(skip) = low.checked_sub(self.cache_first()) {
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            return Ok(Self::bounded(self.cache.range(skip.min(self.cache.len())..), count, max));
        }
        if let Some(page) = self.page_from(low) {
            return Ok(Self::bounded(page.iter(), count, max));
        }
        if !context.can_async() {
            // Committed entries to apply: the core reads them in before it asks again (`Core::page_wanted`).
            return Ok(Vec::new());
        }
        let mut wanted = self.wanted.borrow_mut();
        if wanted.len() < LOG_READS_MAX {
            wanted.push(Wanted { context, low, high, max_bytes: max.unwrap_or(u64::MAX) });
        }
        Err(RaftError::Store(StorageError::LogTemporarilyUnavailable))
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index < self.truncated_index {
            return Err(RaftError::Store(StorageError::Compacted));
        }
        if index > self.last_index {
            return Err(RaftError::Store(StorageError::Unavailable));
        }
        self.terms.get(index).ok_or(RaftError::Store(StorageError::Compacted))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.truncated_index + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last_index)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        // A replica ignores a snapshot that it is no member of, so one that was just added needs a newer one.
        let member = self.snapshot.membership.get(to).is_some();
        if self.snapshot.has_file() && self.snapshot.index >= request_index && member {
            return Ok(self.snapshot.to_raft());
        }
        self.snapshot_wanted.set(true);
        Err(RaftError::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
