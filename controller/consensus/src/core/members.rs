//! Membership changes, promotion of learners, transfer of leadership, and the memory of peers' disks.

use std::collections::btree_map::Entry;

use super::waiters::{Kind, Waiter};
use super::{Core, Resolved, Tag};
use crate::RaftId;
use crate::error::{ConfError, ProposeError, TransferError};
use crate::membership::{MemberChange, Membership, Standing};
use crate::state_machine::StateMachine;

/// A transfer under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingTransfer {
    tag: Tag,
    deadline: u64,
}

impl<S: StateMachine> Core<S> {
    /// Whether a member was heard of within the last election timeout (and this replica itself always).
    pub(super) fn is_live(&self, id: RaftId) -> bool {
        let window = self.config.election_ticks as u64;
        id == self.id || self.heard.get(&id).is_some_and(|heard| heard + window >= self.now)
    }

    pub(super) fn change(&mut self, tag: Tag, change: &MemberChange) {
        // Proposals before this one keep their place before it.
        self.append_proposals();
        if let Err(refused) = self.check_change(change).and_then(|()| self.propose_change(Some(tag), change)) {
            self.effects.resolved.push(Resolved::Change { tag, result: Err(refused) });
        }
    }

    fn check_change(&mut self, change: &MemberChange) -> Result<(), ConfError> {
        self.may_propose()?;
        if self.raw.raft.has_pending_conf() {
            return Err(ConfError::Pending);
        }
        let mut after = Membership::clone(&self.membership);
        after.apply(change)?;
        let MemberChange::Remove { id } = change else { return Ok(()) };
        let voters = after.voters().count();
        let live = after.voters().filter(|voter| self.is_live(*voter)).count();
        if live <= voters / 2 {
            return Err(ConfError::QuorumLost { id: *id, live, voters });
        }
        if *id == self.id {
            // A leader can't commit its own removal and answer for it: its successor removes it.
            let successor = self.successor().ok_or(ConfError::QuorumLost { id: *id, live, voters })?;
            self.raw.transfer_leader(successor);
            return Err(ProposeError::NotLeader { leader: Some(successor) }.into());
        }
        Ok(())
    }

    fn propose_change(&mut self, tag: Option<Tag>, change: &MemberChange) -> Result<(), ConfError> {
        let proposed = self.raw.propose_conf_change(Vec::new(), change.to_conf_change());
        if proposed.is_err() {
            return Err(ProposeError::Overloaded.into());
        }
        let (index, term) = (self.raw.raft.raft_log.last_index(), self.raw.raft.term);
        if let Some(tag) = tag {
            let deadline = self.now + self.config.proposal_ticks_max;
            self.waiters.insert(index, term, Waiter { tag, kind: Kind::Change, deadline });
        }
        Ok(())
    }

    /// Promotes the first learner that has caught up, one at a time.
    pub(super) fn promote_learners(&mut self) {
        if !self.config.auto_promote || self.may_propose().is_err() || self.raw.raft.has_pending_conf() {
            return;
        }
        let committed = self.raw.raft.raft_log.committed;
        let caught_up = |id: &RaftId| {
            let progress = self.raw.raft.prs().get(*id);
            let near = |matched: u64| matched > 0 && matched + self.config.promote_gap_entries >= committed;
            self.is_live(*id) && progress.is_some_and(|progress| near(progress.matched))
        };
        let found = self.membership.learners().find(caught_up);
        if let Some(id) = found {
            tracing::info!(id, "promoting a learner that has caught up");
            if let Err(error) = self.propose_change(None, &MemberChange::Promote { id }) {
                tracing::debug!(id, %error, "the promotion was not proposed; it is tried again");
            }
        }
    }

    /// The live voter that is furthest; the lowest id among equals.
    fn successor(&self) -> Option<RaftId> {
        let matched = |id: RaftId| self.raw.raft.prs().get(id).map_or(0, |progress| progress.matched);
        let others = self.membership.voters().filter(|id| *id != self.id && self.is_live(*id));
        others.max_by_key(|id| (matched(*id), std::cmp::Reverse(*id)))
    }

    pub(super) fn start_transfer(&mut self, tag: Tag, to: Option<RaftId>) {
        match self.check_transfer(to) {
            Ok(successor) if successor == self.id => {
                self.effects.resolved.push(Resolved::Transfer { tag, result: Ok(self.id) });
            }
            Ok(successor) => {
                self.append_proposals();
                self.raw.transfer_leader(successor);
                let deadline = self.now + self.config.election_ticks as u64;
                if let Some(earlier) = self.transfer.replace(PendingTransfer { tag, deadline }) {
                    let result = Err(TransferError::Timeout);
                    self.effects.resolved.push(Resolved::Transfer { tag: earlier.tag, result });
                }
            }
            Err(refused) => self.effects.resolved.push(Resolved::Transfer { tag, result: Err(refused) }),
        }
    }

    fn check_transfer(&self, to: Option<RaftId>) -> Result<RaftId, TransferError> {
        if !self.leads() {
            return Err(TransferError::NotLeader { leader: self.leader() });
        }
        let Some(id) = to else { return self.successor().ok_or(TransferError::NoCandidate) };
        match self.membership.get(id) {
            Some(member) if member.standing == Standing::Voter && self.is_live(id) => Ok(id),
            Some(member) if member.standing == Standing::Voter => Err(TransferError::NoCandidate),
            _ => Err(TransferError::NotVoter { id }),
        }
    }

    /// Another leader is known: the transfer, if one is under way, has worked.
    pub(super) fn settle_transfer(&mut self) {
        if let Some(leader) = self.leader().filter(|leader| *leader != self.id)
            && let Some(transfer) = self.transfer.take()
        {
            self.effects.resolved.push(Resolved::Transfer { tag: transfer.tag, result: Ok(leader) });
        }
    }

    pub(super) fn expire_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take_if(|transfer| transfer.deadline <= self.now) {
            if self.leads() {
                self.raw.raft.abort_leader_transfer();
            }
            let result = Err(TransferError::Timeout);
            self.effects.resolved.push(Resolved::Transfer { tag: transfer.tag, result });
        }
    }

    /// Compares a peer's storage marker with the remembered one; remembers the first, with the next write.
    pub(super) fn check_peer(&mut self, tag: Tag, peer: RaftId, marker: u128) {
        let removed = self.membership.removed().contains(&peer);
        let same = match self.peer_markers.entry(peer) {
            _ if removed => false,
            Entry::Occupied(known) => *known.get() == marker,
            Entry::Vacant(vacant) => {
                // Only members are remembered: strangers could fill the list.
                if self.membership.get(peer).is_some() {
                    vacant.insert(marker);
                    self.markers_changed = true;
                }
                true
            }
        };
        self.effects.resolved.push(Resolved::Peer { tag, same });
    }
}
