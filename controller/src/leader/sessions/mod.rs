//! The leader's sessions with agents (design §6, raft-recipe §5).

pub(crate) mod intake;
pub(crate) mod manifest;
pub(crate) mod registry;
pub(crate) mod session;
