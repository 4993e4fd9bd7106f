//! The replicated state: tables, indices, commands, `apply`, events, export and import.
//!
//! # Architecture invariants (raft-recipe §3 B2; each is held by a lint, a type or a test)
//! - `apply` is a pure function of (state, entry). No clock, randomness, environment, thread, float or HashMap is used
//!   in this crate: `clippy.toml` beside it bans them. The same log gives the same bytes on every replica.
//! - `apply` is total: a business error is an [`Outcome`], leaves the state untouched, and is found before the first
//!   change is made. Only an entry that can't be decoded, or a contradiction in the state, is a [`Halt`].
//! - Ids come from the entry's seed, numbers from counters in the state, times from the entry.
//! - Only `apply` and `import` change a state. Whoever reads has a version of its own, which nothing changes.
//! - What is derived (indices, counts, remaining resources) is changed in the same step as what it derives from.
//! - Nothing disappears by itself: rows are removed by Reap alone.
//!
//! May depend on `drydock-model` and `drydock-proto` (design §2).
#![forbid(unsafe_code)]

mod apply;
pub mod billing;
pub mod capacity;
mod census;
pub mod codec;
pub mod command;
pub mod event;
pub mod fleet;
mod hosts;
mod index;
pub mod key;
pub mod outcome;
pub mod plan;
pub mod query;
pub mod row;
mod snapshot;
mod state;
mod subjects;
pub mod subnets;
mod table;
mod write;

pub use apply::{CHECKPOINT_EVERY, CHECKPOINTS_MAX, DEPLOYMENTS_KEPT_MAX, TASK_SETS_MAX};
pub use census::Census;
pub use command::{Command, Envelope};
pub use event::{Event, EventKind};
pub use index::{ClusterCounts, TaskCounts};
pub use key::{
    CapacityProviderKey, ClusterId, DefinitionKey, DeploymentKey, FamilyKey, InstanceKey, Key, Millis, RevisionKey,
    ScalingKey, ScopeId, ServiceKey, SubnetKey, TaskKey, TaskSetKey, TokenKey, TokenKind,
};
pub use outcome::{Applied, Halt, Outcome};
pub use plan::{Change, Plan};
pub use row::Settings;
pub use snapshot::{CHUNK_BYTES, FORMAT, ImportError};
pub use state::State;
pub use subjects::InstanceSubjects;
pub use write::TOKENS_MAX;
