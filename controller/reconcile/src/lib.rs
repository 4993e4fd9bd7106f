//! The deciders: services and their deployments, placement, instance health, deadlines, garbage.
//!
//! Pure functions of (state, what is dirty, now, seed): see [`step()`]. Reads `drydock-state`, writes nothing; what is
//! decided is a [`drydock_state::Plan`] that `apply` carries out, each change with its own precondition. No IO, clock,
//! randomness, threads, floats or hash maps (design §3.1): clippy.toml beside this crate lists the bans.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::disallowed_types, clippy::disallowed_methods)]

pub mod capacity;
mod desk;
mod explain;
mod garbage;
pub mod instance;
pub mod place;
pub mod request;
pub mod service;
mod step;
mod task;

pub use explain::{
    Cause, Decider, Ending, Explanation, Leaver, RunExplanation, ServiceExplanation, Shortage, TaskExplanation,
    TaskWait, Wait, explain_run_task, explain_service, explain_task,
};
pub use request::command_for;
pub use step::{Step, step};
