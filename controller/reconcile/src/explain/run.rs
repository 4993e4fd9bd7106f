//! What a RunTask would come to: its placement, made on a fleet that is thrown away.

use drydock_model::arn::Scope;
use drydock_proto::ecs::RunTaskRequest;
use drydock_state::{InstanceKey, State};

use super::{Shortage, lacks};
use crate::place::Unplaced;
use crate::request;

/// What a RunTask would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunExplanation {
    /// Instances of the tasks that would be placed; one that takes several is there several times.
    pub placed: Vec<InstanceKey>,
    /// Tasks that would find none.
    pub unplaced: u32,
    /// Why the first of them would find none.
    pub why: Option<Unplaced>,
    /// All that the closest instance lacks.
    pub lacks: Vec<Shortage>,
}

/// Where the tasks of a request would go, and why others would find no place. `None` where the cluster or the task
/// definition isn't there: the request itself says what is wrong with it. `seed` chooses among equals.
#[must_use]
pub fn explain_run_task(view: &State, scope: &Scope, request: &RunTaskRequest, seed: u128) -> Option<RunExplanation> {
    let target = request::target(view, scope, request)?;
    let (placed, unplaced) = target.try_all(view, seed);
    let cluster = view.hosting(target.cluster, target.launch_type());
    let key = |id| InstanceKey { cluster, id };
    let why = unplaced.first().cloned();
    let closest = why.as_ref().and_then(|why| why.closest).map(|(id, _)| key(id));
    Some(RunExplanation {
        placed: placed.into_iter().map(key).collect(),
        unplaced: u32::try_from(unplaced.len()).unwrap_or(u32::MAX),
        lacks: closest.map(|at| lacks(view, at, &target.definition.key, &target.needs)).unwrap_or_default(),
        why,
    })
}
