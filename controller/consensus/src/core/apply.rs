//! Applying committed entries, in order, each once. What can't be applied halts the replica.

use std::sync::Arc;

use protobuf::Message as _;
use raft::eraftpb::{ConfChange, ConfState, Entry, EntryType};

use super::view::entry_bytes;
use super::waiters::Kind;
use super::{Core, Resolved};
use crate::error::{ConfError, Fatal, ProposeError};
use crate::membership::MemberChange;
use crate::snapshot::SnapshotMeta;
use crate::state_machine::{Applied, EntryRef, Halt, StateMachine};
use crate::{Membership, SnapshotError};

impl<S: StateMachine> Core<S> {
    pub(super) fn apply(&mut self, entries: Vec<Entry>) -> Result<(), Fatal> {
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            if entry.index != self.applied + 1 {
                let reason = format!("entry {} follows {}", entry.index, self.applied);
                return Err(Fatal::Raft(reason));
            }
            let outcome = match entry.get_entry_type() {
                EntryType::EntryNormal if entry.data.is_empty() => None,
                EntryType::EntryNormal => {
                    let reference = EntryRef { index: entry.index, term: entry.term, payload: &entry.data };
                    Some(self.state_machine.apply(reference)?)
                }
                EntryType::EntryConfChange => {
                    let result = self.apply_change(&entry)?;
                    self.applied_to(&entry);
                    self.resolve_change(&entry, &result);
                    continue;
                }
                EntryType::EntryConfChangeV2 => {
                    let reason = "a joint change, which is never proposed here".to_owned();
                    return Err(Fatal::BadConfChange { index: entry.index, reason });
                }
            };
            self.applied_to(&entry);
            self.resolve_entry(&entry, outcome);
        }
        self.state_machine.publish(self.applied, self.applied_term);
        self.announce();
        self.snapshot_if_due();
        Ok(())
    }

    fn applied_to(&mut self, entry: &Entry) {
        self.applied = entry.index;
        self.applied_term = entry.term;
        self.bytes_since_snapshot += entry_bytes(entry) as u64;
    }

    fn resolve_entry(&mut self, entry: &Entry, outcome: Option<S::Outcome>) {
        let mut outcome = outcome;
        while let Some((index, term, waiter)) = self.waiters.pop_up_to(entry.index) {
            let same = (index, term) == (entry.index, entry.term);
            match (waiter.kind, outcome.take_if(|_| same)) {
                (Kind::Entry, Some(outcome)) => {
                    let result = Ok(Applied { index, term, outcome });
                    self.effects.resolved.push(Resolved::Proposal { tag: waiter.tag, result });
                }
                // raft put an empty entry in the place of a change, because another one was pending.
                (Kind::Change, _) if same => {
                    let result = Err(ConfError::Pending);
                    self.effects.resolved.push(Resolved::Change { tag: waiter.tag, result });
                }
                _ => self.fail_waiter(waiter, ProposeError::Superseded),
            }
        }
    }

    fn resolve_change(&mut self, entry: &Entry, result: &Result<(), ConfError>) {
        while let Some((index, term, waiter)) = self.waiters.pop_up_to(entry.index) {
            if (index, term) == (entry.index, entry.term) && waiter.kind == Kind::Change {
                let result = result.clone().map(|()| index);
                self.effects.resolved.push(Resolved::Change { tag: waiter.tag, result });
            } else {
                self.fail_waiter(waiter, ProposeError::Superseded);
            }
        }
    }

    /// Applies a change of the membership, or refuses it as every replica does.
    fn apply_change(&mut self, entry: &Entry) -> Result<Result<(), ConfError>, Fatal> {
        let bad = |reason: String| Fatal::BadConfChange { index: entry.index, reason };
        let mut conf_change = ConfChange::default();
        conf_change.merge_from_bytes(&entry.data).map_err(|error| bad(error.to_string()))?;
        let change = MemberChange::from_conf_change(&conf_change).map_err(|error| bad(error.0))?;
        let mut membership = Membership::clone(&self.membership);
        if let Err(refused) = membership.apply(&change) {
            // raft wants no call for a change that is refused.
            tracing::info!(index = entry.index, %refused, "a change of the membership was refused when applied");
            return Ok(Err(refused));
        }
        if change.changes_raft() {
            let conf_state = self.raw.apply_conf_change(&conf_change).map_err(|error| bad(error.to_string()))?;
            if !same_members(&conf_state, &membership) {
                return Err(bad(format!("raft has {conf_state:?}, the membership is {membership}")));
            }
            self.observe();
        }
        tracing::info!(index = entry.index, %membership, "the membership changed");
        if membership.get(self.id).is_none() && self.membership.get(self.id).is_some() {
            self.removed_at = Some(entry.index);
        }
        self.membership = Arc::new(membership);
        // The commit index must be on disk soon, so that a restart doesn't fall back to an older membership.
        self.must_write = true;
        self.effects.membership = Some(self.membership.clone());
        self.state_machine.membership_changed(entry.index, &self.membership);
        Ok(Ok(()))
    }

    /// Replaces the state by the snapshot of [`super::Work::install`]. Call it before the write.
    ///
    /// # Errors
    /// The file is damaged or can't be decoded.
    pub fn install(&mut self, chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>) -> Result<(), Fatal> {
        let Some(meta) = self.installing.clone() else { return Ok(()) };
        restore(&mut self.state_machine, &meta, chunks)?;
        self.applied = meta.index;
        self.applied_term = meta.term;
        self.replay_to = self.replay_to.min(meta.index);
        self.snapshot_begun = meta.index;
        self.bytes_since_snapshot = 0;
        self.membership = Arc::new(meta.membership);
        self.effects.membership = Some(self.membership.clone());
        self.state_machine.membership_changed(meta.index, &self.membership);
        self.state_machine.publish(meta.index, meta.term);
        while let Some((_, _, waiter)) = self.waiters.pop_up_to(meta.index) {
            self.fail_waiter(waiter, ProposeError::Unknown);
        }
        Ok(())
    }
}

/// Whether raft's configuration and ours name the same voters and learners.
fn same_members(conf_state: &ConfState, membership: &Membership) -> bool {
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    sorted(&conf_state.voters) == membership.voters().collect::<Vec<_>>()
        && sorted(&conf_state.learners) == membership.learners().collect::<Vec<_>>()
}

/// Passes chunks on and keeps the first error of the file, so that it is told apart from the state machine's.
struct Watched<'a> {
    chunks: &'a mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
    failed: Option<SnapshotError>,
    ended: bool,
}

impl Iterator for Watched<'_> {
    type Item = Result<Vec<u8>, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.chunks.next();
        if let Some(Err(error)) = &next {
            self.failed.get_or_insert(error.again());
        }
        self.ended |= next.is_none();
        next
    }
}

/// Restores the state machine from a snapshot's chunks, all of them: the file's footer is the last thing checked.
pub(super) fn restore<S: StateMachine>(
    state_machine: &mut S,
    meta: &SnapshotMeta,
    chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
) -> Result<(), Fatal> {
    let mut watched = Watched { chunks, failed: None, ended: false };
    let restored = state_machine.restore(meta.index, meta.term, &mut watched);
    if let Some(error) = watched.failed {
        return Err(error.into());
    }
    restored?;
    let unread = if watched.ended { None } else { watched.next() };
    match (unread, watched.failed) {
        (_, Some(error)) => Err(error.into()),
        (Some(Ok(_)), None) => {
            let reason = "the state machine left chunks of its snapshot unread".to_owned();
            Err(Halt { index: meta.index, reason }.into())
        }
        _ => Ok(()),
    }
}
