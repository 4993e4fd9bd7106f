//! What ECS's words mean: ids and ARNs, statuses with their legal transitions, the validation of requests, Fargate's
//! sizes, the arithmetic of resources.
//!
//! Pure functions of their arguments. This crate may depend on `drydock-proto` alone and never on IO, clocks,
//! randomness, threads or an async runtime (design §2, §3.1): clippy.toml beside this crate lists the bans.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::disallowed_types, clippy::disallowed_methods)]

pub mod account_settings;
pub mod arn;
pub mod billing;
pub mod capabilities;
pub mod capacity;
pub mod deployment;
pub mod error;
pub mod fargate;
pub mod ids;
pub mod names;
pub mod outside;
pub mod pagination;
pub mod placement;
pub mod query;
pub mod rebalancing;
pub mod refusals;
pub mod requests;
pub mod resources;
pub mod scale;
pub mod status;
pub mod tags;
pub mod task_definition;
pub mod task_size;
pub mod wire;
