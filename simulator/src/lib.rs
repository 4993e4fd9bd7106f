//! The same control plane in virtual time: controllers, agents and clients in one process, under one seeded clock and every
//! fault that a bad night has.
//!
//! What runs is what runs in production: the consensus core (`drydock_consensus::core`), the replicated state and its
//! deciders, the leader's parts (`drydock_leader`), the task engine and the agent's session core (`drydock_engine`). What is
//! pretended is below them: disks, network, clocks, containers.
//!
//! - [`World`] is all of it: a queue of events, one clock, one generator. [`World::run`] lets time pass.
//! - [`Plan`] says how large a world is and how bad; [`night`] runs one seed from its faults to the quiet after them.
//! - [`shrink`] makes a failing seed smaller.
//! - The checkers look at every committed entry; a [`Violation`] carries the last events as a story.
//!
//! No clock, randomness, IO, thread or hash map of its own: the same seed gives the same events, byte for byte.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::disallowed_types, clippy::disallowed_methods)]

mod agent;
mod checks;
mod client;
mod controller;
mod faults;
mod leader;
mod machine;
mod network;
mod night;
mod random;
pub mod rehearsal;
mod shrink;
mod story;
mod world;

pub use faults::{Bug, Fault, Plan};
pub use night::{Figures, Violation, night};
pub use random::Random;
pub use shrink::{Shrunk, shrink};
pub use world::World;

/// When virtual time begins, in milliseconds since 1970.
pub(crate) const EPOCH_MS: u64 = 1_800_000_000_000;
