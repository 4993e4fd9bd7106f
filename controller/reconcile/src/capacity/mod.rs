//! Capacity (ecs-semantics §2.4): how tasks are shared out over capacity providers ([`sharing`]), what becomes of tasks
//! that wait for an instance ([`waiting`]), and what size managed scaling wants a provider's group to have
//! ([`scaling`]). Pure, as all deciders.

pub mod scaling;
pub(crate) mod searches;
pub mod sharing;
pub(crate) mod waiting;
