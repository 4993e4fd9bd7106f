//! Who leads, as this controller knows it: told by the consensus thread, awaited by whoever needs a leader.

use std::time::Duration;

use drydock_consensus::{RaftId, Role};
use tokio::sync::watch;

/// What is known of the leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Leadership {
    /// Of this controller. `Leader` only once everything up to its election is applied.
    pub(crate) role: Role,
    /// The term.
    pub(crate) term: u64,
    /// Who leads; may be this controller before its role is `Leader`.
    pub(crate) leader: Option<RaftId>,
}

/// Where a request that needs the leader has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// This controller leads this term.
    Here {
        /// The term.
        term: u64,
    },
    /// That one leads.
    There(RaftId),
}

/// The present leadership; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Leaderships {
    now: watch::Sender<Leadership>,
}

impl Leaderships {
    pub(crate) fn new() -> Self {
        Self { now: watch::Sender::new(Leadership::default()) }
    }

    /// It changed; called by the consensus thread alone.
    pub(crate) fn set(&self, role: Role, term: u64, leader: Option<RaftId>) {
        self.now.send_replace(Leadership { role, term, leader });
    }

    pub(crate) fn now(&self) -> Leadership {
        *self.now.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Leadership> {
        self.now.subscribe()
    }

    /// The leader; where none is known, the next one, if it is known within `patience`.
    pub(crate) async fn find(&self, me: RaftId, patience: Duration) -> Option<Where> {
        if let Some(found) = self.now().locate(me) {
            return Some(found);
        }
        let mut changes = self.subscribe();
        let wait = changes.wait_for(|now| now.locate(me).is_some());
        let found = tokio::time::timeout(patience, wait).await.ok()?.ok()?;
        found.locate(me)
    }
}

impl Leaderships {
    /// Completes once somebody else than `leader` is known to lead.
    pub(crate) async fn left(&self, leader: RaftId) {
        let mut changes = self.subscribe();
        // The sender lives as long as `self`: this ends with the condition.
        let _ = changes.wait_for(|now| now.leader.is_some_and(|now| now != leader)).await.map(drop);
    }
}

impl Leadership {
    fn locate(self, me: RaftId) -> Option<Where> {
        match (self.role, self.leader) {
            (Role::Leader, _) => Some(Where::Here { term: self.term }),
            (_, Some(leader)) if leader != me => Some(Where::There(leader)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drydock_consensus::Role;

    use super::{Leaderships, Where};

    #[tokio::test(start_paused = true)]
    async fn a_leader_is_awaited_for_so_long() {
        let leaderships = Leaderships::new();
        assert_eq!(leaderships.find(1, Duration::from_secs(1)).await, None);
        // Elected, but not yet ready: nobody serves.
        leaderships.set(Role::Follower, 4, Some(1));
        assert_eq!(leaderships.find(1, Duration::from_secs(1)).await, None);
        let waits = tokio::spawn({
            let leaderships = leaderships.clone();
            async move { leaderships.find(1, Duration::from_secs(1)).await }
        });
        tokio::task::yield_now().await;
        leaderships.set(Role::Leader, 4, Some(1));
        assert_eq!(waits.await.ok().flatten(), Some(Where::Here { term: 4 }));
        let left = tokio::spawn({
            let leaderships = leaderships.clone();
            async move { leaderships.left(1).await }
        });
        tokio::task::yield_now().await;
        leaderships.set(Role::Candidate, 5, None);
        tokio::task::yield_now().await;
        assert!(!left.is_finished(), "nobody leads: that may still be told otherwise");
        leaderships.set(Role::Follower, 5, Some(2));
        assert!(left.await.is_ok());
        assert_eq!(leaderships.find(1, Duration::ZERO).await, Some(Where::There(2)));
    }
}
