//! What a store found at start, and the terms of its entries.

use super::{HardState, Identity};
use crate::RaftId;
use crate::snapshot::SnapshotMeta;

/// The terms of a range of entries, kept as runs: raft asks for terms all the time, and reading an entry from disk
/// for that would be slow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// (first index of the run, term), ascending in both.
    runs: std::collections::VecDeque<(u64, u64)>,
}

impl Terms {
    /// Starts at one entry (the one before the log's first).
    #[must_use]
    pub fn starting_at(index: u64, term: u64) -> Self {
        Self { runs: [(index, term)].into() }
    }

    /// The next entry, or one that replaces what is there from its index on.
    pub fn push(&mut self, index: u64, term: u64) {
        while self.runs.len() > 1 && self.runs.back().is_some_and(|(first, _)| *first >= index) {
            self.runs.pop_back();
        }
        if self.runs.back().is_none_or(|(_, last)| *last != term) {
            self.runs.push_back((index, term));
        }
    }

    /// Forgets what is before `index`.
    pub fn drop_before(&mut self, index: u64) {
        while self.runs.get(1).is_some_and(|(first, _)| *first <= index) {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut() {
            run.0 = run.0.max(index);
        }
    }

    /// The term of an entry within the range; the caller checks the upper bound.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u64> {
        let after = self.runs.partition_point(|(first, _)| *first <= index);
        after.checked_sub(1).and_then(|at| self.runs.get(at)).map(|(_, term)| *term)
    }
}

/// All that a replica starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Whose disk.
    pub identity: Identity,
    /// Term, vote, commit.
    pub hard_state: HardState,
    /// Where the state starts; index 0 for a replica that waits to be added.
    pub snapshot: SnapshotMeta,
    /// The entry before the first in the log: at or before the snapshot's.
    pub truncated_index: u64,
    /// The last entry in the log; `truncated_index` when there is none.
    pub last_index: u64,
    /// Terms from `truncated_index` to `last_index`.
    pub terms: Terms,
    /// Marks of peers' disks.
    pub peer_markers: Vec<(RaftId, u128)>,
}
