//! The leader's sessions with agents: `registry` is all of them, `session` carries out what one of them decides
//! (`drydock_leader`).

pub(crate) mod registry;
pub(crate) mod session;
