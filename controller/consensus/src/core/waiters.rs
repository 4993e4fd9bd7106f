//! Who waits for which entry. A waiter is (index, term): the same place in the log may be proposed again in a later
//! term before the fate of the earlier proposal is known (raft-recipe D5). Pure.

use std::collections::BTreeMap;

use super::Tag;

/// What was proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Entry,
    Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) tag: Tag,
    pub(super) kind: Kind,
    /// The tick at which it gets `Unknown`.
    pub(super) deadline: u64,
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_place: BTreeMap<(u64, u64), Waiter>,
}

impl Waiters {
    pub(super) fn len(&self) -> usize {
        self.by_place.len()
    }

    pub(super) fn insert(&mut self, index: u64, term: u64, waiter: Waiter) {
        self.by_place.insert((index, term), waiter);
    }

    /// The next waiter at or before `index`, with its term. Entries are applied in order, so one that waits at an
    /// earlier place can only be there because that place was skipped.
    pub(super) fn pop_up_to(&mut self, index: u64) -> Option<(u64, u64, Waiter)> {
        let first = self.by_place.first_entry()?;
        let (at, term) = *first.key();
        (at <= index).then(|| (at, term, first.remove()))
    }

    pub(super) fn expired(&mut self, now: u64) -> Vec<Waiter> {
        self.by_place.extract_if(.., |_, waiter| waiter.deadline <= now).map(|(_, waiter)| waiter).collect()
    }
}
