//! The errors that proposers, readers and the owner of the process get. Pure values, no IO.

use crate::log_store::StoreError;
use crate::snapshot::SnapshotError;
use crate::state_machine::Halt;
use crate::{Membership, RaftId};

/// Why a proposal has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This replica doesn't lead. Nothing was appended: send it to `leader`, or wait until one is known.
    #[error("this replica is not the leader (leader: {leader:?})")]
    NotLeader {
        /// The leader as far as this replica knows.
        leader: Option<RaftId>,
    },
    /// A bound was reached (proposals in flight, uncommitted bytes, the input queue). Nothing was appended: retry later.
    #[error("too many proposals are in flight; retry later")]
    Overloaded,
    /// The payload is larger than [`crate::config::COMMAND_BYTES_MAX`]. Nothing was appended.
    #[error("the payload has {bytes} bytes, more than the {max} that one entry may have")]
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// The payload is empty: raft's own entries are, so one of ours could not be told from them. Nothing was appended.
    #[error("the payload is empty")]
    Empty,
    /// Another leader's entry took this place in the log: the proposal was not and will never be applied.
    #[error("the proposal was superseded by another leader's entry; it was not applied")]
    Superseded,
    /// Not known whether it was or will be applied (a snapshot skipped its place, or the waiter timed out).
    /// Retry with the same idempotency token.
    #[error("it is unknown whether the proposal was applied; retry it with the same token")]
    Unknown,
    /// The node stopped before the outcome was known.
    #[error("the replica stopped")]
    Stopped,
}

/// Why a read index could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed the read within [`crate::Config::read_ticks_max`].
    #[error("no leader confirmed the read in time (leader: {leader:?}); retry")]
    Timeout {
        /// The leader as far as this replica knows.
        leader: Option<RaftId>,
    },
    /// Too many reads or inputs wait: retry later.
    #[error("too many reads are waiting; retry later")]
    Overloaded,
    /// The node stopped.
    #[error("the replica stopped")]
    Stopped,
}

/// Why a change of the membership was refused or has no outcome. Nothing changed, except perhaps with
/// [`ConfError::Propose`] of [`ProposeError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// The change could not be proposed or was lost: see the inner error.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// A change is under way; only one at a time is allowed. Retry when it is applied.
    #[error("another membership change is under way; retry when it is done")]
    Pending,
    /// The id was removed before. Ids are never used again: join under a new one.
    #[error("replica {id} was removed from this cluster; join with a new id")]
    Removed {
        /// The id.
        id: RaftId,
    },
    /// Zero is no id.
    #[error("0 is not a replica's id")]
    ZeroId,
    /// The id is a member already.
    #[error("replica {id} is a member already")]
    AlreadyMember {
        /// The id.
        id: RaftId,
    },
    /// The id is not a member.
    #[error("replica {id} is not a member")]
    NotMember {
        /// The id.
        id: RaftId,
    },
    /// Without the replica, the voters that were heard of lately would be no quorum.
    #[error("removing replica {id} would leave {live} live voters of {voters}, which is no quorum")]
    QuorumLost {
        /// The id that was to be removed.
        id: RaftId,
        /// Live voters that would remain.
        live: usize,
        /// Voters that would remain.
        voters: usize,
    },
    /// The last voter can't be removed.
    #[error("replica {id} is the last voter and cannot be removed")]
    LastVoter {
        /// The id.
        id: RaftId,
    },
    /// There are as many members as allowed ([`crate::config::MEMBERS_MAX`]).
    #[error("the cluster has {max} members, the most that are allowed")]
    TooManyMembers {
        /// The bound.
        max: usize,
    },
    /// The context is larger than [`crate::config::CONTEXT_BYTES_MAX`].
    #[error("the member's context has {bytes} bytes, more than the {max} allowed")]
    ContextTooLarge {
        /// Bytes of the context.
        bytes: usize,
        /// The bound in bytes.
        max: usize,
    },
}

/// Why leadership was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// This replica doesn't lead.
    #[error("this replica is not the leader (leader: {leader:?})")]
    NotLeader {
        /// The leader as far as this replica knows.
        leader: Option<RaftId>,
    },
    /// No voter is live and close enough to take over.
    #[error("no live voter can take over leadership")]
    NoCandidate,
    /// The one asked for is no voter.
    #[error("replica {id} is not a voter")]
    NotVoter {
        /// The id.
        id: RaftId,
    },
    /// It didn't happen within one election timeout; this replica leads on.
    #[error("leadership was not taken over within an election timeout")]
    Timeout,
    /// The node stopped.
    #[error("the replica stopped")]
    Stopped,
}

/// What ends a replica. The process must exit: memory and disk may disagree after a failed write or sync.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The disk failed, or refused at start.
    #[error("log store: {0}")]
    Store(#[from] StoreError),
    /// A snapshot file could not be written, read or trusted.
    #[error("snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    /// An entry or a snapshot could not be applied.
    #[error("state machine halted: {0}")]
    Halted(#[from] Halt),
    /// raft-rs refused or would have panicked.
    #[error("raft: {0}")]
    Raft(String),
    /// A peer knows of acknowledged entries that this disk does not have.
    #[error(
        "replica {from} says that entries up to {acknowledged} were acknowledged by this replica, but its log ends at \
         {last_index}: the disk was wiped, replaced or restored from an old copy. Remove this replica from the cluster \
         and join with a new id and an empty data directory"
    )]
    LostEntries {
        /// The peer, the leader.
        from: RaftId,
        /// The index up to which the leader counts this replica in.
        acknowledged: u64,
        /// The last index of the log here.
        last_index: u64,
    },
    /// A conf change entry can't be decoded.
    #[error("conf change at index {index}: {reason}")]
    BadConfChange {
        /// Its place in the log.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The driver thread panicked.
    #[error("the consensus thread panicked: {0}")]
    Panicked(String),
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(String),
    /// This replica was removed from the cluster. Not a failure of the disk, but it can never take part again.
    #[error("replica {id} was removed from the cluster at index {index} (members now: {members})")]
    Removed {
        /// This replica.
        id: RaftId,
        /// Where in the log.
        index: u64,
        /// The members that remain, for the log.
        members: Membership,
    },
}

impl Fatal {
    /// Whether this replica can't come back with the disk that it has: it was removed, or data that it acknowledged are
    /// gone or damaged. Anything else (a full disk, say) may be over at the next start.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Store(error) => error.is_for_good(),
            Self::Snapshot(error) => error.is_for_good(),
            Self::LostEntries { .. } | Self::Removed { .. } => true,
            Self::Halted(_) | Self::Raft(_) | Self::BadConfChange { .. } | Self::Panicked(_) | Self::Config(_) => false,
        }
    }
}
