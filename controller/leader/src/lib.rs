//! What a leader decides between consensus and the agents: sessions, merging of reports, liveness, the reconcilers' turns,
//! checkpoints, its first proposals.
//!
//! Sans-IO: parts that take what happened, a version of the state and the time ([`Sight`]), and say what is to be done. A
//! part that proposes has one proposal under way at most: [`Next`] says what it wants, `settled` takes what came of it
//! ([`Fate`]). The controller's shell runs each part in a task of its own, the simulator runs them in virtual time.
//!
//! - [`session::Session`] is one agent's session; [`intake`] checks what the agent says, [`manifest`] makes what it is told.
//! - [`fleet::Fleet`] knows who is connected, and declares those disconnected that were silent for too long.
//! - [`reports::Reports`] merges what all agents report.
//! - [`reconciler::Reconciler`] asks the deciders, with one plan under way.
//! - [`checkpoints::Checkpoints`] and [`opening::Opening`] are what else a leader proposes by itself.
//!
//! No clock, randomness, IO, thread, float or hash map (design §3.1; clippy.toml beside this crate). May depend on
//! `drydock-reconcile` and what that may use.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::disallowed_types, clippy::disallowed_methods)]

pub mod checkpoints;
pub mod fleet;
pub mod intake;
pub mod limits;
pub mod manifest;
pub mod opening;
mod proposal;
pub mod reconciler;
pub mod reports;
pub mod session;

pub use proposal::{Fate, Moment, Next, Proposal, Sight};
