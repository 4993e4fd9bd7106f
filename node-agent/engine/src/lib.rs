//! The task engine of the node agent, pure and sans-IO: a manifest of tasks, the results of a runtime's operations and
//! the time go in, operations, journal writes and reports come out ([`Engine::step`]).
//!
//! Architecture invariants:
//! - No clock, randomness, IO, thread, float or unordered map (held by clippy.toml): the same inputs give the same
//!   effects, so that the simulator runs this very code.
//! - Statuses only grow. A task is never restarted; a container only by its own `restartPolicy`.
//! - Nothing runs before the first listing: what a restarted agent finds it adopts.
//! - A task that the manifest lacks is never stopped before the controllers confirm it.
//! - Whatever waits has a deadline ([`limits`]), and [`Engine::next_deadline`] is the earliest.
//!
//! It knows no Docker, no tokio and no disk; it may depend on `drydock-model` and `drydock-proto`.
#![forbid(unsafe_code)]

mod container;
pub mod dependency;
mod engine;
mod host;
mod io;
pub mod limits;
mod manifest;
mod network;
mod report;
pub mod session;
pub mod simulated;
mod spec;
mod start;
mod stop;
mod task;
mod tasks;
mod view;

pub use engine::{Engine, Output, Settings, Source};
pub use host::Offer;
pub use io::{
    Effect, EffectId, FailureKind, Input, JournalWrite, Listed, Observation, ObservedState, Outcome, PAUSE_CONTAINER,
    ProvidedNetwork, Restored, RuntimeError, RuntimeOp,
};
pub use limits::Millis;
pub use network::elastic_network_interface;
pub use report::{millis, timestamp};
pub use spec::{ContainerSpec, Needs, TaskSpec, is_essential, repository, start_timeout_ms, stop_timeout_ms};
pub use view::TaskView;
