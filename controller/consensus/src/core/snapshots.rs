//! When to make snapshots and compact the log; snapshots offered by a leader, and those offered to followers.

use raft::eraftpb::{Message, MessageType};
use raft::{ProgressState, SnapshotStatus};

use super::{Core, MakeSnapshot};
use crate::config::COMPACT_HOLD_ENTRIES_MAX;
use crate::snapshot::{ServeEnd, SnapshotMeta};
use crate::state_machine::StateMachine;
use crate::{Membership, RaftId};

/// A snapshot that a leader offered and whose body is being fetched. raft sees the message when the body is here.
#[derive(Debug)]
pub(super) struct Incoming {
    message: Message,
    meta: SnapshotMeta,
}

/// A snapshot offered to a follower. raft is always told how it ended, else it would wait forever (raft-recipe D8).
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    index: u64,
    deadline: u64,
    served: bool,
}

impl<S: StateMachine> Core<S> {
    /// Begins a snapshot when enough was applied since the last one, or when a follower needs one.
    pub(super) fn snapshot_if_due(&mut self) {
        let newest = self.raw.store().snapshot_meta();
        let entries = self.applied - self.snapshot_begun;
        // A state much larger than the log since then is not written out again and again: its size delays the next
        // one, up to ten times the number of entries.
        let worthwhile = self.bytes_since_snapshot >= newest.size || entries >= self.config.snapshot_every_entries * 10;
        let due = (entries >= self.config.snapshot_every_entries && worthwhile)
            || self.bytes_since_snapshot >= self.config.snapshot_every_bytes;
        let asked = self.snapshot_asked && (self.applied > newest.index || !newest.has_file());
        if self.making_snapshot || self.installing.is_some() || !(due || asked) {
            return;
        }
        self.making_snapshot = true;
        self.snapshot_asked = false;
        self.snapshot_begun = self.applied;
        self.bytes_since_snapshot = 0;
        self.effects.make_snapshot = Some(MakeSnapshot {
            index: self.applied,
            term: self.applied_term,
            membership: Membership::clone(&self.membership),
            source: self.state_machine.snapshot(),
        });
    }

    /// raft asked for a snapshot that there isn't: make one.
    pub(super) fn want_snapshot(&mut self) {
        if self.raw.store().take_snapshot_wanted() {
            self.snapshot_asked = true;
            self.snapshot_if_due();
        }
    }

    pub(super) fn snapshot_made(&mut self, meta: SnapshotMeta) {
        self.making_snapshot = false;
        // If it isn't what raft asked for meanwhile, raft asks again.
        self.snapshot_asked = false;
        // A leader's snapshot may have overtaken it meanwhile.
        let newest = self.raw.store().snapshot_meta();
        let newer = meta.index > newest.index || (meta.index == newest.index && !newest.has_file());
        if newer && self.installing.is_none() {
            self.made_snapshot = Some(meta);
        }
    }

    /// Up to where the log goes when `meta` is recorded: `trailing_entries` stay (as far as RAM holds them), and what followers need that are
    /// loading a snapshot (bounded).
    pub(super) fn compact_to(&self, meta: &SnapshotMeta) -> Option<(u64, u64)> {
        let held = self.outgoing.values().map(|outgoing| outgoing.index).min().unwrap_or(u64::MAX);
        let full_from = self.raw.store().full_from().min(meta.index);
        let wanted = meta.index.saturating_sub(self.config.trailing_entries).max(full_from);
        let index = wanted.min(held).max(meta.index.saturating_sub(COMPACT_HOLD_ENTRIES_MAX));
        let log = &self.raw.raft.raft_log;
        let term = log.term(index).ok()?;
        (index >= log.store().first()).then_some((index, term))
    }

    /// A leader offers a snapshot. Gives the message back if raft can have it at once: because it is stale, or raft
    /// needs no body since the log here matches.
    pub(super) fn snapshot_offered(&mut self, message: Message) -> Option<Message> {
        let meta = match SnapshotMeta::from_raft(message.get_snapshot()) {
            Ok(meta) => meta,
            Err(bad) => {
                tracing::warn!(from = message.from, reason = bad.0, "a snapshot message can't be read; dropped");
                return None;
            }
        };
        if !self.needs_body(&message, &meta) {
            return Some(message);
        }
        match &mut self.incoming {
            Some(incoming) if incoming.meta.same_file(&meta) => incoming.message = message,
            Some(incoming) if (incoming.meta.term, incoming.meta.index) > (meta.term, meta.index) => {}
            incoming => {
                let from = message.from;
                *incoming = Some(Incoming { message, meta: meta.clone() });
                self.effects.fetch = Some((from, meta));
            }
        }
        None
    }

    fn needs_body(&self, message: &Message, meta: &SnapshotMeta) -> bool {
        let raft = &self.raw.raft;
        message.term >= raft.term
            && meta.index > raft.raft_log.committed
            && !raft.raft_log.match_term(meta.index, meta.term)
            && meta.membership.get(self.id).is_some()
    }

    /// The body is here, durable and verified (or not): raft gets the message, the next ready installs it.
    pub(super) fn snapshot_fetched(&mut self, meta: &SnapshotMeta, ok: bool) {
        let Some(incoming) = self.incoming.take_if(|incoming| incoming.meta.same_file(meta)) else { return };
        if ok {
            self.step_raft(incoming.message);
        }
    }

    /// Notes snapshots among messages that are about to leave.
    pub(super) fn note_outgoing(&mut self, messages: &[Message]) {
        for message in messages.iter().filter(|message| message.get_msg_type() == MessageType::MsgSnapshot) {
            let deadline = self.now + self.config.snapshot_stall_ticks;
            let index = message.get_snapshot().get_metadata().index;
            self.outgoing.insert(message.to, Outgoing { index, deadline, served: false });
        }
    }

    pub(super) fn snapshot_served(&mut self, to: RaftId, end: ServeEnd) {
        let Some(outgoing) = self.outgoing.get_mut(&to) else { return };
        match end {
            ServeEnd::Progress => outgoing.deadline = self.now + self.config.snapshot_stall_ticks,
            ServeEnd::Complete => {
                // Its answer after installing tells more than we can; give it some time.
                outgoing.served = true;
                outgoing.deadline = self.now + self.config.snapshot_stall_ticks;
            }
            ServeEnd::Aborted => self.report_outgoing(to, SnapshotStatus::Failure),
        }
    }

    fn report_outgoing(&mut self, to: RaftId, status: SnapshotStatus) {
        self.outgoing.remove(&to);
        self.raw.report_snapshot(to, status);
    }

    /// Ends what has taken too long, and forgets what raft knows to be over.
    pub(super) fn expire_outgoing(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        let prs = self.raw.raft.prs();
        self.outgoing.retain(|to, _| prs.get(*to).is_some_and(|progress| progress.state == ProgressState::Snapshot));
        let late: Vec<_> = self
            .outgoing
            .iter()
            .filter(|(_, outgoing)| outgoing.deadline <= self.now)
            .map(|(to, o)| (*to, *o))
            .collect();
        for (to, outgoing) in late {
            let status = if outgoing.served { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
            self.report_outgoing(to, status);
        }
    }
}
