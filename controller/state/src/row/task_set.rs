//! Rows of task sets: what stands in the place of deployments where somebody outside drives them (ecs-semantics §2.3,
//! Controllers).

use std::sync::Arc;

use drydock_model::ids::deployment_id;
use drydock_model::scale::Percent;
use drydock_model::status::TaskSetStatus;
use drydock_proto::ecs;

use super::service::{ServiceProgress, ServiceRow};
use crate::key::{Millis, RevisionKey, TaskSetKey};

/// A task set of a service with an EXTERNAL deployment controller.
///
/// Not a deployment of another kind: it has no stages, no rollout, no breaker, no end of its own, and several hold their
/// counts side by side. What they share is shared: the revision that its tasks are made from, the numbers by which a
/// task names its owner, and the counts by owner.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSetRow {
    /// Service and number.
    pub key: TaskSetKey,
    /// 19 or 20 digits: `ecs-svc/ID`.
    pub id: u64,
    /// +1 on every change of this row.
    pub version: u64,
    /// Number of the revision that its tasks run.
    pub revision: u64,
    /// Its share of the service's desired count.
    pub scale: Percent,
    /// Of whoever made it; ECS does nothing with it but give it back.
    pub external_id: Option<Arc<str>>,
    /// Deleted: its tasks stop, and it is gone with the last of them.
    pub draining: bool,
    /// What reconcilers keep here between steps; `steady` is its `stabilityStatus`.
    pub progress: ServiceProgress,
    /// When `stabilityStatus` became what it is, or was set back by a change of the count.
    pub stability_at: Millis,
    /// When it was created.
    pub created_at: Millis,
    /// When the API last changed it.
    pub updated_at: Millis,
    /// Its tasks have stopped after its deletion: no longer shown, and kept only for the STOPPED tasks that name it.
    /// From when on it may be reaped.
    pub reap_at: Option<Millis>,
    /// Its tags.
    pub tags: Arc<[ecs::Tag]>,
    /// `ecs-svc/ID`: its id, and the `startedBy` of its tasks.
    pub started_by: Arc<str>,
}

impl TaskSetRow {
    /// `ecs-svc/ID`.
    #[must_use]
    pub fn started_by_of(id: u64) -> Arc<str> {
        deployment_id(id).into()
    }

    /// Its revision.
    #[must_use]
    pub const fn revision_key(&self) -> RevisionKey {
        self.key.service.revision(self.revision)
    }

    /// Whether clients see it: until its tasks have stopped after its deletion.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.reap_at.is_none()
    }

    /// PRIMARY, ACTIVE or DRAINING, as its service has it.
    #[must_use]
    pub const fn status(&self, service: &ServiceRow) -> TaskSetStatus {
        if self.draining {
            TaskSetStatus::Draining
        } else if service.primary_deployment == self.key.number {
            TaskSetStatus::Primary
        } else {
            TaskSetStatus::Active
        }
    }

    /// `computedDesiredCount` of a service that wants `desired` tasks.
    #[must_use]
    pub fn computed_count(&self, desired: u32) -> u32 {
        if self.draining { 0 } else { self.scale.share_of(desired) }
    }
}
