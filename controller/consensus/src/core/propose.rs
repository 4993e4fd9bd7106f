//! Proposals and reads: admission, batching into one append, expiry.

use std::collections::VecDeque;

use bytes::Bytes;
use raft::eraftpb::{Entry, Message, MessageType};

use super::reads::Read;
use super::waiters::{Kind, Waiter};
use super::{Core, Resolved, Tag};
use crate::config::{
    BATCHES_IN_FLIGHT_MAX, COMMAND_BYTES_MAX, PROPOSALS_IN_FLIGHT_MAX, READS_WAITING_MAX, UNCOMMITTED_BYTES_MAX,
};
use crate::error::{ConfError, ProposeError, ReadError};
use crate::state_machine::StateMachine;

/// One proposal that waits for the next append.
#[derive(Debug)]
struct Proposal {
    tag: Tag,
    payload: Bytes,
    /// The tick at which it is refused.
    deadline: u64,
}

/// What is proposed and not yet appended, and which batches are under way.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    waiting: Vec<Proposal>,
    /// Bytes of their payloads.
    bytes: u64,
    /// Last entries of the batches that are appended and not committed, while this replica leads.
    batches: VecDeque<u64>,
}

impl Proposals {
    /// Leadership is lost: another leader decides what becomes of them.
    pub(super) fn forget_batches(&mut self) {
        self.batches.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn take(&mut self) -> Vec<Proposal> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}

impl<S: StateMachine> Core<S> {
    /// Whether this replica takes proposals now; else why not.
    pub(super) fn may_propose(&self) -> Result<(), ProposeError> {
        if !self.leads() || self.removed_at.is_some() {
            return Err(ProposeError::NotLeader { leader: self.leader().filter(|leader| *leader != self.id) });
        }
        if let Some(successor) = self.raw.raft.lead_transferee {
            return Err(ProposeError::NotLeader { leader: Some(successor) });
        }
        if self.proposals_waiting() >= PROPOSALS_IN_FLIGHT_MAX {
            return Err(ProposeError::Overloaded);
        }
        Ok(())
    }

    /// Whether a proposal would be appended, or refused, at the next turn; else it would wait for a batch that is under
    /// way, and whoever has proposals may as well keep them until the next turn.
    #[must_use]
    pub fn wants_proposals(&self) -> bool {
        !self.leads() || self.batches_in_flight() < BATCHES_IN_FLIGHT_MAX
    }

    fn batches_in_flight(&self) -> usize {
        let committed = self.raw.raft.raft_log.committed;
        self.proposals.batches.iter().filter(|last| **last > committed).count()
    }

    pub(super) fn propose(&mut self, tag: Tag, payload: Vec<u8>) {
        let bytes = payload.len() as u64;
        let waiting = self.raw.raft.uncommitted_size() as u64 + self.proposals.bytes;
        let refused = match self.may_propose() {
            Err(refused) => refused,
            Ok(()) if payload.is_empty() => ProposeError::Empty,
            Ok(()) if payload.len() > COMMAND_BYTES_MAX => {
                ProposeError::TooLarge { bytes: payload.len(), max: COMMAND_BYTES_MAX }
            }
            // One at least when nothing is uncommitted.
            Ok(()) if waiting > 0 && waiting + bytes > UNCOMMITTED_BYTES_MAX => ProposeError::Overloaded,
            Ok(()) => {
                let deadline = self.now + self.config.proposal_ticks_max;
                self.proposals.waiting.push(Proposal { tag, payload: payload.into(), deadline });
                self.proposals.bytes += bytes;
                return;
            }
        };
        self.effects.resolved.push(Resolved::Proposal { tag, result: Err(refused) });
    }

    /// Appends all proposals that wait, unless [`BATCHES_IN_FLIGHT_MAX`] batches are under way.
    pub(super) fn flush_proposals(&mut self) {
        let committed = self.raw.raft.raft_log.committed;
        self.proposals.batches.retain(|last| *last > committed);
        if self.wants_proposals() {
            self.append_proposals();
        }
    }

    /// Appends all proposals that wait as one batch: one append, one sync, one message to each peer.
    pub(super) fn append_proposals(&mut self) {
        if self.proposals.waiting.is_empty() {
            return;
        }
        if !self.leads() || self.raw.raft.lead_transferee.is_some() {
            let leader = self.leader().filter(|leader| *leader != self.id);
            let proposals = self.proposals.take();
            return self.refuse(proposals, &ProposeError::NotLeader { leader });
        }
        let (tags, entries): (Vec<Tag>, Vec<Entry>) = self
            .proposals
            .take()
            .into_iter()
            .map(|proposal| {
                let entry = Entry { data: proposal.payload, ..Entry::default() };
                (proposal.tag, entry)
            })
            .unzip();
        self.append(tags, entries);
    }

    fn append(&mut self, tags: Vec<Tag>, entries: Vec<Entry>) {
        let (term, first) = (self.raw.raft.term, self.raw.raft.raft_log.last_index() + 1);
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.id;
        message.set_entries(entries.into());
        if self.raw.step(message).is_err() {
            // The bound on uncommitted bytes, as raft counts it. It is no loss of leadership (raft-recipe D5).
            for tag in tags {
                self.effects.resolved.push(Resolved::Proposal { tag, result: Err(ProposeError::Overloaded) });
            }
            return;
        }
        let deadline = self.now + self.config.proposal_ticks_max;
        for (index, tag) in (first..).zip(tags) {
            self.waiters.insert(index, term, Waiter { tag, kind: Kind::Entry, deadline });
        }
        self.proposals.batches.push_back(self.raw.raft.raft_log.last_index());
    }

    fn refuse(&mut self, proposals: impl IntoIterator<Item = Proposal>, error: &ProposeError) {
        for proposal in proposals {
            self.effects.resolved.push(Resolved::Proposal { tag: proposal.tag, result: Err(error.clone()) });
        }
    }

    /// A waiter learns that its entry has no outcome.
    pub(super) fn fail_waiter(&mut self, waiter: Waiter, error: ProposeError) {
        let tag = waiter.tag;
        self.effects.resolved.push(match waiter.kind {
            Kind::Entry => Resolved::Proposal { tag, result: Err(error) },
            Kind::Change => Resolved::Change { tag, result: Err(ConfError::Propose(error)) },
        });
    }

    pub(super) fn expire_proposals(&mut self) {
        let now = self.now;
        let late: Vec<Proposal> = self.proposals.waiting.extract_if(.., |proposal| proposal.deadline <= now).collect();
        self.proposals.bytes -= late.iter().map(|proposal| proposal.payload.len() as u64).sum::<u64>();
        // Never appended, so surely not written.
        self.refuse(late, &ProposeError::Overloaded);
        for waiter in self.waiters.expired(self.now) {
            self.fail_waiter(waiter, ProposeError::Unknown);
        }
    }

    pub(super) fn read(&mut self, tag: Tag) {
        if self.reads.len() >= READS_WAITING_MAX {
            return self.effects.resolved.push(Resolved::Read { tag, result: Err(ReadError::Overloaded) });
        }
        self.reads.queue(Read { tag, deadline: self.now + self.config.read_ticks_max });
    }

    /// Asks for one index for all reads that wait, when there is somebody to ask.
    pub(super) fn flush_reads(&mut self) {
        let raft = &self.raw.raft;
        let may_ask = if self.leads() { raft.commit_to_current_term() } else { raft.leader_id != raft::INVALID_ID };
        if !may_ask || self.replaying() {
            return;
        }
        let Some(context) = self.reads.ask(self.now + self.config.read_retry_ticks) else { return };
        let counts = |raft: &raft::Raft<_>| (raft.pending_read_count(), raft.ready_read_count());
        let before = counts(&self.raw.raft);
        self.raw.read_index(context);
        if self.leads() && counts(&self.raw.raft) == before {
            self.reads.dropped();
        }
    }

    pub(super) fn answer_reads(&mut self) {
        for (index, read) in self.reads.ready(self.applied) {
            self.effects.resolved.push(Resolved::Read { tag: read.tag, result: Ok(index) });
        }
    }

    pub(super) fn expire_reads(&mut self) {
        self.reads.retry(self.now);
        let leader = self.leader();
        for read in self.reads.expired(self.now) {
            self.effects.resolved.push(Resolved::Read { tag: read.tag, result: Err(ReadError::Timeout { leader }) });
        }
    }
}
