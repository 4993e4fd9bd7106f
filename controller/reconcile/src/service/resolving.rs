//! Version consistency (ecs-semantics §2.3): the first task of a deployment finds out which digests the tags of its images
//! stand for, and the others start with these. The digests are kept in the revision, by whoever applies the report.

use drydock_state::State;
use drydock_state::row::{DeploymentRow, MonitorStatus, RolloutState, ServiceRow};

use super::failures::Failures;

/// So many tasks may fail to start before the deployment goes on without digests, or fails where its circuit breaker looks.
pub(crate) const TRIES: u32 = 3;

/// What is known of a deployment's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    /// Each has its digest, or none could be found although a task runs: an image that was never in a registry has none.
    Known,
    /// One task is to find them, and the others wait for it.
    Sought,
    /// It was tried often enough: all start, each with what the tags stand for then.
    Unknown,
}

impl Images {
    pub(crate) fn of(view: &State, service: &ServiceRow, primary: &DeploymentRow, failures: &Failures) -> Self {
        let revision = view.revision(service.key.revision(primary.target_revision));
        let unresolved = revision.is_some_and(|revision| {
            view.definition(&revision.definition).is_some_and(|row| revision.is_unresolved(&row.document))
        });
        if !unresolved || failures.ran {
            Self::Known
        } else if failures.failed_tasks >= TRIES {
            Self::Unknown
        } else {
            Self::Sought
        }
    }

    /// Most tasks of the target revision that may be there.
    pub(crate) const fn at_most(self) -> u32 {
        match self {
            Self::Known | Self::Unknown => u32::MAX,
            Self::Sought => 1,
        }
    }

    /// Whether the circuit breaker takes that for the deployment's failure.
    pub(crate) fn trips(self, primary: &DeploymentRow) -> bool {
        let looks = primary.breaker == MonitorStatus::Monitoring && primary.rollout_state == RolloutState::InProgress;
        looks && self == Self::Unknown
    }
}
