//! What a replica says of itself. Pure values.

use std::sync::Arc;

use crate::state_machine::Role;
use crate::{Membership, RaftId};

/// A replica's view of itself and, when it leads, of the others. At most one tick old.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Its id.
    pub id: RaftId,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<RaftId>,
    /// The last entry known to be committed.
    pub commit: u64,
    /// The last entry applied.
    pub applied: u64,
    /// The first entry in the log.
    pub first_index: u64,
    /// The last entry in the log.
    pub last_index: u64,
    /// The last entry in the newest durable snapshot.
    pub snapshot_index: u64,
    /// Proposals whose outcome is awaited here.
    pub proposals_waiting: usize,
    /// The others' progress; empty unless this replica leads.
    pub peers: Vec<PeerStatus>,
    /// The members as of `applied`.
    pub membership: Arc<Membership>,
}

/// How the leader sees one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its id.
    pub id: RaftId,
    /// The last entry that it is known to have.
    pub matched: u64,
    /// Whether it was heard of within the last election timeout.
    pub recently_active: bool,
    /// How entries are sent to it.
    pub state: PeerState,
}

/// How entries are sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// One at a time, until it is known where its log ends.
    Probe,
    /// Pipelined.
    Replicate,
    /// A snapshot is under way.
    Snapshot,
}
