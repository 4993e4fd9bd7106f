//! Early success criteria of a rolling deployment (ecs-semantics §2.3): it is COMPLETED once a share of its tasks is
//! healthy. What it leaves behind goes before that (BLOCKING) or after it (DEFERRED).

use drydock_proto::ecs::ServiceRevisionCleanup;
use drydock_state::Millis;
use drydock_state::row::{DeploymentRow, RolloutState};

use super::rolling::{Generation, Stage, lower_bound};
use super::roster::Roster;
use super::{Case, strategy};

/// Tasks that a DEFERRED cleanup leaves are gone so long after the deployment's end at the latest, in ms: two weeks.
const DEFERRED_MAX_MS: Millis = 14 * 24 * 60 * 60 * 1_000;

/// The criteria of a deployment that has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Criteria {
    /// Percent of desiredCount.
    healthy_percent: u32,
    /// Old tasks are removed after the deployment's end.
    pub(crate) defers: bool,
}

impl Criteria {
    /// Of a deployment; `None` where it takes all tasks, as it does without criteria.
    pub(crate) fn of(row: &DeploymentRow) -> Option<Self> {
        let given = row.configuration.early_success_criteria.as_ref().filter(|given| given.enable == Some(true))?;
        let healthy_percent = u32::try_from(given.healthy_percent?).ok()?;
        let defers = given.source_service_revision_cleanup() == ServiceRevisionCleanup::Deferred;
        (!strategy::has_sides(row)).then_some(Self { healthy_percent, defers })
    }

    /// Whether so many tasks of the target revision are healthy.
    pub(crate) fn is_met(self, roster: &Roster<'_>, desired: u32) -> bool {
        let healthy = roster.count(|slot| {
            let stays = slot.generation == Generation::Target && !slot.stopping && !slot.displaced;
            stays && slot.stage == Stage::Healthy
        });
        healthy >= lower_bound(desired, self.healthy_percent)
    }
}

/// Whether old tasks go although the new ones aren't all there: before the end of a BLOCKING deployment whose criteria are
/// met, and long after that of a DEFERRED one.
pub(super) fn releases(case: &Case<'_>, now: Millis) -> bool {
    let Some(criteria) = Criteria::of(case.primary) else { return false };
    if case.primary.rollout_state == RolloutState::InProgress {
        return !criteria.defers && criteria.is_met(&case.roster, case.service.desired_count);
    }
    release_at(case).is_some_and(|at| at <= now)
}

/// When what a COMPLETED deployment deferred is over.
pub(super) fn release_at(case: &Case<'_>) -> Option<Millis> {
    let defers = Criteria::of(case.primary).is_some_and(|criteria| criteria.defers);
    let completed = case.primary.rollout_state == RolloutState::Completed;
    let finished = case.primary.finished_at.filter(|_| defers && completed && case.roster.has_others());
    finished.map(|at| at.saturating_add(DEFERRED_MAX_MS))
}
