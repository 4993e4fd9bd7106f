//! The replica's view of itself and of its peers. Pure.

use raft::{ProgressState, StateRole};

use super::Core;
use crate::node::{PeerState, PeerStatus, Status};
use crate::state_machine::{Role, StateMachine};

impl<S: StateMachine> Core<S> {
    /// The replica's view of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let raft = &self.raw.raft;
        let role = match raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
            StateRole::Leader if self.announced => Role::Leader,
            StateRole::Leader => Role::ElectedNotReady,
        };
        Status {
            id: self.id,
            role,
            term: raft.term,
            leader: self.leader(),
            commit: raft.raft_log.committed,
            applied: self.applied,
            first_index: raft.raft_log.store().first(),
            last_index: raft.raft_log.last_index(),
            snapshot_index: raft.raft_log.store().snapshot_meta().index,
            proposals_waiting: self.proposals_waiting(),
            peers: if self.leads() { self.peers() } else { Vec::new() },
            membership: self.membership.clone(),
        }
    }

    /// Proposals and changes whose outcome is awaited here.
    #[must_use]
    pub fn proposals_waiting(&self) -> usize {
        self.waiters.len() + self.proposals.len()
    }

    fn peers(&self) -> Vec<PeerStatus> {
        let others = self.membership.members().keys().filter(|id| **id != self.id);
        others
            .filter_map(|id| {
                let progress = self.raw.raft.prs().get(*id)?;
                let state = match progress.state {
                    ProgressState::Probe => PeerState::Probe,
                    ProgressState::Replicate => PeerState::Replicate,
                    ProgressState::Snapshot => PeerState::Snapshot,
                };
                Some(PeerStatus { id: *id, matched: progress.matched, recently_active: self.is_live(*id), state })
            })
            .collect()
    }
}
