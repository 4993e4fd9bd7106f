//! What the controller implements: the replicated state. Pure as far as this crate is concerned.

use crate::{Membership, RaftId};

/// One committed entry.
#[derive(Debug, Clone, Copy)]
pub struct EntryRef<'a> {
    /// Its place in the log.
    pub index: u64,
    /// The term of the leader that proposed it.
    pub term: u64,
    /// What was proposed.
    pub payload: &'a [u8],
}

/// The answer to a proposal that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied<O> {
    /// Where in the log.
    pub index: u64,
    /// In which term.
    pub term: u64,
    /// What `apply` returned.
    pub outcome: O,
}

/// The replica must stop: an entry or snapshot can't be applied, or states differ. Never skipped, never retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at index {index}: {reason}")]
pub struct Halt {
    /// The entry (or snapshot) at which it happened.
    pub index: u64,
    /// The evidence, for a person.
    pub reason: String,
}

/// What a replica is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Follows (or learns); `leader` is known or not.
    #[default]
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads `term`, and everything up to its first entry is applied here.
    Leader,
    /// Won the election, but the log is not yet applied up to its first entry: not announced, serves nothing.
    ElectedNotReady,
}

/// The replicated state. All methods run on the driver thread (or inside the simulator) and must be quick.
pub trait StateMachine: Send + 'static {
    /// What `apply` returns to the proposer. A business error is an outcome, not a [`Halt`].
    type Outcome: Send + 'static;

    /// Applies one entry. Called in the order of the log, each index at most once since the last `restore`.
    ///
    /// # Errors
    /// [`Halt`] stops the replica.
    fn apply(&mut self, entry: EntryRef<'_>) -> Result<Self::Outcome, Halt>;

    /// After each batch: everything up to `index` is applied; make the new version visible to readers.
    /// Outcomes are given to proposers only after this returned.
    fn publish(&mut self, index: u64, term: u64);

    /// The state at this moment, cheap (O(1)) to take, to be encoded on another thread.
    fn snapshot(&self) -> Box<dyn SnapshotSource>;

    /// Replaces the whole state by a snapshot's, whose last applied entry is (`index`, `term`).
    ///
    /// # Errors
    /// [`Halt`] when the chunks can't be decoded: stops the replica.
    fn restore(
        &mut self,
        index: u64,
        term: u64,
        chunks: &mut dyn Iterator<Item = Result<Vec<u8>, crate::SnapshotError>>,
    ) -> Result<(), Halt>;

    /// The role changed. `Leader` is told only when everything up to the election's first entry is applied
    /// (`ElectedNotReady` is never told); any other role as soon as it is known. `leader` is who leads now.
    fn role_changed(&mut self, role: Role, term: u64, leader: Option<RaftId>);

    /// The membership as of the entry at `index` (its place in the order of entries is exact). Also told once at
    /// start and after `restore`, so the same value may come twice.
    fn membership_changed(&mut self, index: u64, membership: &Membership);
}

/// An immutable version of the state that encodes itself, on another thread than the state machine's.
pub trait SnapshotSource: Send {
    /// The next chunk, at most [`crate::config::SNAPSHOT_CHUNK_BYTES`] long, or `None` at the end. The chunks must be the same,
    /// byte for byte, on every replica with the same state.
    ///
    /// # Errors
    /// [`Halt`] stops the replica.
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt>;
}
