//! What goes into the core and what comes out of it. Pure values.

use std::sync::Arc;

use raft::eraftpb::{Entry, Message};

use crate::error::{ConfError, ProposeError, ReadError, TransferError};
use crate::log_store::WriteBatch;
use crate::membership::MemberChange;
use crate::snapshot::{ServeEnd, SnapshotMeta};
use crate::state_machine::{Applied, SnapshotSource};
use crate::{Membership, RaftId};

/// Names a request until it is resolved. Chosen by the caller.
pub type Tag = u64;

/// What happened outside. Ticks come by [`super::Core::tick`].
#[derive(Debug)]
pub enum Input {
    /// A proposal. Resolved exactly once.
    Propose {
        /// Its name.
        tag: Tag,
        /// What to replicate.
        payload: Vec<u8>,
    },
    /// A read index is asked for. Resolved exactly once.
    Read {
        /// Its name.
        tag: Tag,
    },
    /// A message from a peer.
    Step(Message),
    /// Messages to a peer were lost.
    Unreachable(RaftId),
    /// A change of the membership. Resolved exactly once.
    Change {
        /// Its name.
        tag: Tag,
        /// The change.
        change: MemberChange,
    },
    /// Hand leadership over, to the furthest voter if `to` is none. Resolved exactly once.
    Transfer {
        /// Its name.
        tag: Tag,
        /// Whom to.
        to: Option<RaftId>,
    },
    /// A peer told its storage marker. Resolved exactly once.
    CheckPeer {
        /// Its name.
        tag: Tag,
        /// The peer.
        peer: RaftId,
        /// The marker.
        marker: u128,
    },
    /// The answer to a [`LogRead`].
    LogRead {
        /// [`LogRead::id`].
        id: u64,
        /// From [`LogRead::low`] on; empty if they are gone.
        entries: Vec<Entry>,
    },
    /// The snapshot asked for by [`MakeSnapshot`] is durable.
    SnapshotMade(SnapshotMeta),
    /// The fetch asked for in [`Effects::fetch`] ended; `ok`: the file is durable and verified.
    SnapshotFetched {
        /// Which.
        meta: SnapshotMeta,
        /// How it ended.
        ok: bool,
    },
    /// A peer reads our snapshot, or stopped reading.
    SnapshotServed {
        /// The peer.
        to: RaftId,
        /// How it goes.
        end: ServeEnd,
    },
}

/// A range of entries to be read from the log store: answer with [`Input::LogRead`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRead {
    /// Names the request.
    pub id: u64,
    /// First index.
    pub low: u64,
    /// One past the last index.
    pub high: u64,
    /// At most so many bytes (one entry at least).
    pub max_bytes: u64,
}

/// A snapshot to be made off-thread: answer with [`Input::SnapshotMade`]. An error is fatal.
pub struct MakeSnapshot {
    /// The last entry in it.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// The members as of `index`.
    pub membership: Membership,
    /// The state as of `index`.
    pub source: Box<dyn SnapshotSource>,
}

impl std::fmt::Debug for MakeSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MakeSnapshot").field("index", &self.index).field("term", &self.term).finish_non_exhaustive()
    }
}

/// A request has its answer.
#[derive(Debug)]
pub enum Resolved<O> {
    /// A proposal.
    Proposal {
        /// Its name.
        tag: Tag,
        /// The outcome.
        result: Result<Applied<O>, ProposeError>,
    },
    /// A read: everything up to the index is applied.
    Read {
        /// Its name.
        tag: Tag,
        /// The index.
        result: Result<u64, ReadError>,
    },
    /// A change of the membership, applied at the index.
    Change {
        /// Its name.
        tag: Tag,
        /// The index.
        result: Result<u64, ConfError>,
    },
    /// Who leads now.
    Transfer {
        /// Its name.
        tag: Tag,
        /// The new leader.
        result: Result<RaftId, TransferError>,
    },
    /// Whether the peer's disk is the one it had before.
    Peer {
        /// Its name.
        tag: Tag,
        /// It is.
        same: bool,
    },
}

/// What is to be done at once, in this order. Never waits for the disk.
#[derive(Debug)]
pub struct Effects<O> {
    /// Send these, in order.
    pub messages: Vec<Message>,
    /// Answer these.
    pub resolved: Vec<Resolved<O>>,
    /// The members changed.
    pub membership: Option<Arc<Membership>>,
    /// Fetch the snapshot's body from this peer.
    pub fetch: Option<(RaftId, SnapshotMeta)>,
    /// Make a snapshot off-thread.
    pub make_snapshot: Option<MakeSnapshot>,
    /// The pointer to this snapshot is durable: other files may go, compacted space may be given back.
    pub retain: Option<SnapshotMeta>,
}

impl<O> Default for Effects<O> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            resolved: Vec::new(),
            membership: None,
            fetch: None,
            make_snapshot: None,
            retain: None,
        }
    }
}

impl<O> Effects<O> {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.resolved.is_empty()
            && self.membership.is_none()
            && self.fetch.is_none()
            && self.make_snapshot.is_none()
            && self.retain.is_none()
    }
}

/// One turn of work, to be done in the order of the fields; then [`super::Core::persisted`] must be called, before
/// anything else is fed.
#[derive(Debug)]
pub struct Work<O> {
    /// Do these first. A leader's messages are here: they may leave before its own disk has the entries.
    pub effects: Effects<O>,
    /// Entries to read from the log; feed the answers after `persisted`.
    pub reads: Vec<LogRead>,
    /// Open this snapshot's file and call [`super::Core::install`] with its chunks, before the write.
    pub install: Option<SnapshotMeta>,
    /// Append this to the log and sync it. Nothing of what follows may happen before the sync returned.
    pub write: Option<WriteBatch>,
}
