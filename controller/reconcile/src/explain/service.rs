//! What a service waits for at any moment: a dry run of its decider.

use drydock_state::plan::PLAN_CHANGES_MAX;
use drydock_state::{Change, Millis, ServiceKey, State};

use super::Wait;
use crate::desk::Desk;
use crate::{service, task};

/// Breaks ties of a dry run: which of several equal tasks it would stop is nobody's business.
const SEED: u128 = 0;

/// What holds a service up, and what is about to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceExplanation {
    /// Which service.
    pub service: ServiceKey,
    /// It is in steady state (ecs-semantics §2.3).
    pub steady: bool,
    /// Tasks that the leader is about to start.
    pub starts: u32,
    /// Tasks that the leader is about to stop.
    pub stops: u32,
    /// All that it waits for.
    pub waits: Vec<Wait>,
}

/// Why a service is as it is at `now`; `None` where it isn't there.
///
/// On a state that the leader has finished with, `starts` and `stops` are 0. `now` is not before the state's own time.
#[must_use]
pub fn explain_service(view: &State, key: ServiceKey, now: Millis) -> Option<ServiceExplanation> {
    let row = view.service(key)?;
    let mut desk = Desk::new(view, now, SEED, PLAN_CHANGES_MAX);
    for task in view.live_tasks_of(key) {
        task::reconcile(&mut desk, task.key);
    }
    service::reconcile(&mut desk, key);
    let mut explanation =
        ServiceExplanation { service: key, steady: row.progress.steady, starts: 0, stops: 0, waits: Vec::new() };
    for change in &desk.changes {
        match change {
            Change::CreateTask(_) => explanation.starts += 1,
            Change::StopTask(_) | Change::MarkTaskLost(_) => explanation.stops += 1,
            Change::SetService(set) => {
                explanation.steady = set.progress.as_ref().map_or(explanation.steady, |progress| progress.steady);
            }
            _ => {}
        }
    }
    explanation.waits = desk.explanations.into_iter().flat_map(|explanation| explanation.waits).collect();
    Some(explanation)
}
