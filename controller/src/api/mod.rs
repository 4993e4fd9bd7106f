//! The controller's gRPC edge. It decodes, hands on to the core, and says what went wrong in the wire's words; it decides
//! nothing.

pub(crate) mod agents;
pub(crate) mod context;
pub(crate) mod control;
pub(crate) mod ecs;
pub(crate) mod errors;
pub(crate) mod logs;
pub(crate) mod named;
pub(crate) mod watch;
