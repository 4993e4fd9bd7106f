//! What may be removed: rows whose retention is over. The leader proposes them in bounded batches; `apply` keeps those
//! that are still needed, and puts their time off.

use drydock_model::status::{InstanceStatus, ServiceStatus, TaskDefinitionStatus};
use drydock_state::{Key, Millis, State};

/// Whether the retention of a key's row is over.
pub(crate) fn is_garbage(view: &State, key: &Key, now: Millis) -> bool {
    let over = |at: Option<Millis>| at.is_some_and(|at| at <= now);
    match key {
        Key::Task(key) => view.task(*key).is_some_and(|row| row.is_stopped() && over(row.deadline)),
        Key::Token(key) => view.token(key).is_some_and(|row| row.expires_at <= now),
        Key::Instance(key) => {
            view.instance(*key).is_some_and(|row| row.status == InstanceStatus::Inactive && over(row.reap_at))
        }
        Key::Service(key) => {
            view.service(*key).is_some_and(|row| row.status == ServiceStatus::Inactive && over(row.reap_at))
        }
        Key::Deployment(key) => view.deployment(*key).is_some_and(|row| row.status.is_final() && over(row.reap_at)),
        Key::TaskSet(key) => view.task_set(*key).is_some_and(|row| over(row.reap_at)),
        Key::Cluster(id) => view.cluster(*id).is_some_and(|row| over(row.reap_at)),
        Key::Definition(key) => view
            .definition(key)
            .is_some_and(|row| row.status == TaskDefinitionStatus::DeleteInProgress && over(row.reap_at)),
        // A revision goes with the last deployment to it.
        Key::Revision(_) => false,
        // These go by requests alone.
        Key::CapacityProvider(_) | Key::Scaling(_) => false,
    }
}
