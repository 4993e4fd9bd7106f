//! Placement: which container instance a task goes to (ecs-semantics §2.4).
//!
//! [`Ask`] is what a task asks, [`Fleet`] the instances of a cluster with what the step has placed so far, [`Placer`] the
//! search for one ask. Filters come first (resources, attributes, constraints), then the strategies, each among what
//! the one before holds equal, then a choice by the seed. Feasibility is [`Available::fits`] of the model: the very
//! function that `apply` checks with. The index that is searched is the state's ([`drydock_state::fleet`]).

mod ask;
mod explain;
mod fleet;
mod placer;
mod pool;
mod zones;

pub use ask::Strategy;
pub(crate) use ask::{Ask, Members};
pub use explain::{Refusal, Unplaced};
pub(crate) use fleet::Fleet;
pub(crate) use placer::Placer;
pub use pool::Pool;

#[cfg(doc)]
use drydock_model::resources::Available;
