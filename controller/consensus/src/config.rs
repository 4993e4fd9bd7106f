//! Every bound and interval of the crate, with its unit and what happens at the bound. Pure values.
//!
//! Relations between bounds are asserted once at start ([`Config::check`]), see raft-recipe D2, D4.

use std::time::Duration;

use crate::error::Fatal;

/// Bytes of one proposal's payload, at most. A larger one is refused with `TooLarge`.
pub const COMMAND_BYTES_MAX: usize = 512 * 1024;
/// Proposals whose outcome is awaited, at most. One more is refused with `Overloaded`.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 4_096;
/// Batches of proposals appended and not yet committed, at most. Proposals that come meanwhile wait and make up the next
/// batch: so batches grow with the load, and each shares one append, one sync and one message to each peer. Two, so that
/// the disks have the next batch while the answers to the last are on their way.
pub const BATCHES_IN_FLIGHT_MAX: usize = 2;
/// Reads that wait for a read index, at most. One more is refused with `Overloaded`.
pub const READS_WAITING_MAX: usize = 16_384;
/// Slots of the channel into the driver thread. Full: proposals and reads are refused with `Overloaded`, raft
/// messages are dropped (raft repairs).
pub const INPUTS_QUEUED_MAX: usize = 4_096;
/// Bytes of payloads and messages in that channel, at most; refused or dropped beyond as if it were full.
pub const INPUT_BYTES_QUEUED_MAX: usize = 64 * 1024 * 1024;
/// Inputs taken from the channel before one `ready`. More wait for the next turn of the loop.
pub const INPUTS_PER_LOOP_MAX: usize = 1_024;
/// Bytes of entries in one append message, at most (one larger entry still goes alone).
pub const MESSAGE_BYTES_MAX: u64 = 256 * 1024;
/// Append messages sent to one peer and not yet answered, at most; then the leader waits for answers.
pub const MESSAGES_IN_FLIGHT_MAX: usize = 256;
/// Bytes of one encoded raft message from a peer, at most. A larger one is refused unparsed.
pub const PEER_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of entries appended by the leader and not yet committed, at most. More are refused with `Overloaded`.
pub const UNCOMMITTED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of committed entries handed out in one `ready`, at most. More come with the next.
pub const COMMITTED_BYTES_PER_READY_MAX: u64 = 4 * 1024 * 1024;
/// Members (voters and learners) of a cluster, at most. One more is refused.
pub const MEMBERS_MAX: usize = 31;
/// Bytes of a member's opaque context, at most. A larger one is refused.
pub const CONTEXT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of one chunk of a snapshot, at most. A state machine that yields a larger one halts the snapshot.
pub const SNAPSHOT_CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes of a snapshot file, at most. A larger one is refused by the receiver.
pub const SNAPSHOT_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Entries beyond the last snapshot after which log entries are dropped even if a slow transfer still needs them.
pub const COMPACT_HOLD_ENTRIES_MAX: u64 = 1_000_000;
/// Reads from disk for far-behind followers that may be asked for at once; more wait for the next heartbeat.
pub const LOG_READS_MAX: usize = 16;

/// Settings of one replica. Times are in ticks: time comes into the core as ticks only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// One tick of wall clock. Default 50 ms.
    pub tick: Duration,
    /// Ticks without a leader's message after which a follower campaigns (drawn from `[election, 2 × election)`).
    /// Default 10: 0.5 to 1 s.
    pub election_ticks: usize,
    /// Ticks between a leader's heartbeats. Default 2: 100 ms.
    pub heartbeat_ticks: usize,
    /// Entries applied since the last snapshot that make one due. Default 10,000.
    pub snapshot_every_entries: u64,
    /// Bytes of entries applied since the last snapshot that make one due. Default 32 MiB.
    pub snapshot_every_bytes: u64,
    /// Entries kept in the log behind a snapshot, for followers that are a little late; fewer if they don't fit into
    /// `entry_cache_bytes`. Default 1,000.
    pub trailing_entries: u64,
    /// Bytes of applied entries kept in RAM. Older ones are read from disk for far-behind followers. Default 4 MiB.
    pub entry_cache_bytes: usize,
    /// Entries by which a learner may be behind the commit index to be promoted. Default 64.
    pub promote_gap_entries: u64,
    /// Ticks after which a waiting proposal gets `Unknown`. Default 200 (10 s).
    pub proposal_ticks_max: u64,
    /// Ticks after which a waiting read gets `Timeout`. Default 100 (5 s).
    pub read_ticks_max: u64,
    /// Ticks after which an unanswered read context is sent again. Default 10.
    pub read_retry_ticks: u64,
    /// Ticks without a chunk served after which an outgoing snapshot counts as failed. Default 100 (5 s).
    pub snapshot_stall_ticks: u64,
    /// Whether to promote caught-up learners by itself when leading. Default true.
    pub auto_promote: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(50),
            election_ticks: 10,
            heartbeat_ticks: 2,
            snapshot_every_entries: 10_000,
            snapshot_every_bytes: 32 * 1024 * 1024,
            trailing_entries: 1_000,
            entry_cache_bytes: 4 * 1024 * 1024,
            promote_gap_entries: 64,
            proposal_ticks_max: 200,
            read_ticks_max: 100,
            read_retry_ticks: 10,
            snapshot_stall_ticks: 100,
            auto_promote: true,
        }
    }
}

impl Config {
    /// Checks that the bounds agree with each other. Called at start by the core.
    ///
    /// # Errors
    /// [`Fatal::Config`] naming the relation that doesn't hold.
    pub fn check(&self) -> Result<(), Fatal> {
        let relations = [
            (COMMAND_BYTES_MAX as u64 <= MESSAGE_BYTES_MAX * 2, "a command fits into two messages"),
            (COMMAND_BYTES_MAX + 64 * 1024 <= PEER_MESSAGE_BYTES_MAX, "one entry fits into a peer message"),
            (MESSAGE_BYTES_MAX * 4 <= PEER_MESSAGE_BYTES_MAX as u64, "a batch of entries fits into a peer message"),
            (UNCOMMITTED_BYTES_MAX >= COMMAND_BYTES_MAX as u64 * 8, "uncommitted bytes hold several commands"),
            (INPUT_BYTES_QUEUED_MAX >= PEER_MESSAGE_BYTES_MAX * 8, "the input queue holds several peer messages"),
            (INPUTS_PER_LOOP_MAX <= INPUTS_QUEUED_MAX, "a turn of the loop takes no more than the queue holds"),
            (self.heartbeat_ticks >= 1, "heartbeat_ticks >= 1"),
            (self.election_ticks >= self.heartbeat_ticks * 3, "election_ticks >= 3 x heartbeat_ticks"),
            (self.election_ticks > 5, "election_ticks > 5, since a stall feeds at most election_ticks - 5 ticks"),
            (self.trailing_entries <= self.snapshot_every_entries, "trailing_entries <= snapshot_every_entries"),
            (self.snapshot_every_entries >= 1, "snapshot_every_entries >= 1"),
            (self.snapshot_every_bytes >= COMMAND_BYTES_MAX as u64, "snapshot_every_bytes >= one command"),
            (self.snapshot_every_entries < COMPACT_HOLD_ENTRIES_MAX, "snapshot_every_entries < the hold's bound"),
            (self.read_retry_ticks >= self.heartbeat_ticks as u64, "read_retry_ticks >= heartbeat_ticks"),
            (self.read_ticks_max > self.read_retry_ticks, "read_ticks_max > read_retry_ticks"),
            (self.proposal_ticks_max > self.election_ticks as u64 * 2, "proposal_ticks_max > an election"),
            (!self.tick.is_zero(), "tick > 0"),
        ];
        match relations.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, relation)) => Err(Fatal::Config(format!("this must hold and doesn't: {relation}"))),
        }
    }

    /// The most ticks fed after one slow turn of the loop: a stall of this replica's own must not look like the
    /// leader's silence (raft-recipe D2).
    #[must_use]
    pub fn ticks_per_turn_max(&self) -> u64 {
        self.election_ticks.saturating_sub(5).max(1) as u64
    }

    /// One election timeout: what a clean stop waits at most for a successor.
    #[must_use]
    pub fn election_timeout(&self) -> Duration {
        self.tick * u32::try_from(self.election_ticks).unwrap_or(u32::MAX)
    }
}
