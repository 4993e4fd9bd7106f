//! The controller: the shell around the replicated state (design §2). It wires consensus, state and deciders together,
//! talks gRPC to clients, agents and its peers, and does on the leader what the deciders say. It holds no policy.
//!
//! - [`run()`] is all there is to call; the `drydock` command does.
//! - `machine` puts the state behind consensus and publishes immutable versions to readers (`view`, `events`).
//! - `write` and `read` are the paths of a request; `forward` hands one to the leader.
//! - `leader` is everything that only the leader does, as one object that owns its tasks.
//! - `peers` carries raft's messages, snapshots and forwarded requests; `membership` changes who the controllers are.
//! - `metrics` counts what happens and prints it to whoever watches.
//! - `explain` tells what the deciders say of a service or a task.
//! - `api` is the gRPC edge, `aws` the AWS wire; `server` the ports, `files` how many sockets they may have.
//!
//! It may touch sockets, the clock, randomness and its data folder; none of what it calls may (design §3.1).
#![forbid(unsafe_code)]

mod answer;
mod api;
mod aws;
mod caller;
mod clock;
pub mod config;
mod core;
mod events;
pub mod explain;
mod files;
mod foreign;
mod forward;
mod health;
mod identity;
mod interrupt;
mod leader;
mod leadership;
pub mod limits;
mod machine;
mod members;
mod membership;
mod metrics;
mod names;
mod peers;
mod propose;
mod read;
pub mod request;
mod reset;
mod run;
mod server;
mod status;
mod view;
mod write;

pub use api::context::{APPLIED_INDEX_KEY, CONSISTENCY_KEY, MIN_INDEX_KEY};
pub use api::errors::{EXCEPTION_KEY, RETRY_KEY};
pub use config::Config;
pub use run::{Listeners, RunError, run, run_on, runtime};
