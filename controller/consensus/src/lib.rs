//! Raft for Drydock: a sans-IO core, logs on disk, snapshot files, membership. The payload is bytes.
//!
//! What it may touch: the data directory that it is given, threads of its own, and the wall clock (only in
//! [`node`]). It never opens a socket: the controller implements [`Peers`] and hands received bytes to
//! [`Handle::step`]. It knows nothing of what an entry means: the controller implements [`StateMachine`].
//!
//! Layers, from the inside out:
//! - [`core`]: the driver around `raft::RawNode`. No IO, no clock, no thread, no randomness but a seed:
//!   `handle(input)`, `ready() -> Work`, `persisted()`. The simulator runs it as it is.
//! - [`log_store`]: the log and hard state on disk (raft-engine by default, sled as the other, memory for tests).
//! - [`snapshot`]: snapshot files of checksummed chunks.
//! - [`node`]: one OS thread that carries out what the core asks for.
//!
//! Architecture invariants (each held by a test):
//! - Nothing is acknowledged, to a peer or to a proposer, before the log that holds it is synced.
//! - A write or sync that failed is never retried: the replica is poisoned and the process must end.
//! - An entry is never skipped: what cannot be applied halts the replica ([`Halt`]).
//! - Only a leader appends proposals; raft's silent forwarding is never used.

pub mod config;
pub mod core;
pub mod error;
pub mod log_store;
pub mod membership;
pub mod node;
pub mod peers;
mod record;
pub mod snapshot;
pub mod state_machine;

pub use config::Config;
pub use error::{ConfError, Fatal, ProposeError, ReadError, TransferError};
pub use log_store::{Identity, LogStore, StoreError, StoreKind};
pub use membership::{Member, MemberChange, Membership, Standing};
pub use node::{Handle, Node, NodeOptions, OnSync, PeerState, PeerStatus, Start, Status};
pub use peers::{FetchError, Peers, SnapshotFetch};
pub use snapshot::{SnapshotError, SnapshotMeta, SnapshotReader, SnapshotWriter};
pub use state_machine::{Applied, EntryRef, Halt, Role, SnapshotSource, StateMachine};

/// Id of a replica: random, never zero, never used again once removed.
pub type RaftId = u64;
