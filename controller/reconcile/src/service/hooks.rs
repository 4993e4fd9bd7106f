//! Lifecycle hooks of a deployment (ecs-semantics §2.3): which stand at a stage, and what they let it do. Only PAUSE hooks
//! are there: somebody acts by ContinueServiceDeployment, or their time is over.

use drydock_model::deployment::HOOK_TIMEOUT_MINUTES_DEFAULT;
use drydock_state::Millis;
use drydock_state::row::{DeploymentRow, HookAction, HookRow, HookStage, HookStatus, LifecycleStage};

/// Milliseconds of a minute.
const MINUTE_MS: Millis = 60_000;

/// What the hooks of a stage say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Go on.
    Go,
    /// Wait: one of them awaits an action.
    Wait,
    /// Go back: the time of one is over.
    Back,
}

/// The hooks that stand at a stage, from now on. `id` gives one for each.
pub(crate) fn at(
    row: &DeploymentRow,
    stage: LifecycleStage,
    now: Millis,
    mut id: impl FnMut() -> u128,
) -> Vec<HookRow> {
    let Some(stage) = hook_stage(stage) else { return Vec::new() };
    let hooks = row.configuration.lifecycle_hooks.iter().flat_map(|list| &list.items);
    let here = hooks.filter(|hook| hook.lifecycle_stages().any(|of| of == stage));
    here.map(|hook| {
        let given = hook.timeout_configuration.unwrap_or_default();
        let minutes = given.timeout_in_minutes.and_then(|minutes| u32::try_from(minutes).ok());
        let timeout_action = match given.action() {
            HookAction::Continue => HookAction::Continue,
            HookAction::Rollback | HookAction::Unspecified => HookAction::Rollback,
        };
        HookRow {
            id: id(),
            stage,
            status: HookStatus::AwaitingAction,
            expires_at: now.saturating_add(
                Millis::from(minutes.unwrap_or(HOOK_TIMEOUT_MINUTES_DEFAULT)).saturating_mul(MINUTE_MS),
            ),
            timeout_action,
        }
    })
    .collect()
}

/// Ends those whose time is over, and says what they all allow.
pub(crate) fn look(hooks: &mut [HookRow], now: Millis) -> Says {
    let mut back = false;
    for hook in hooks.iter_mut().filter(|hook| hook.awaits() && hook.expires_at <= now) {
        hook.status = HookStatus::TimedOut;
        back |= hook.timeout_action == HookAction::Rollback;
    }
    if back {
        Says::Back
    } else if hooks.iter().any(HookRow::awaits) {
        Says::Wait
    } else {
        Says::Go
    }
}

/// When the next of them ends by itself.
pub(crate) fn next_expiry(hooks: &[HookRow]) -> Option<Millis> {
    hooks.iter().filter(|hook| hook.awaits()).map(|hook| hook.expires_at).min()
}

/// Where hooks may stand: nowhere at SCALE_UP, BAKE_TIME and CLEAN_UP.
const fn hook_stage(stage: LifecycleStage) -> Option<HookStage> {
    Some(match stage {
        LifecycleStage::ReconcileService => HookStage::ReconcileService,
        LifecycleStage::PreScaleUp => HookStage::PreScaleUp,
        LifecycleStage::PostScaleUp => HookStage::PostScaleUp,
        LifecycleStage::TestTrafficShift => HookStage::TestTrafficShift,
        LifecycleStage::PostTestTrafficShift => HookStage::PostTestTrafficShift,
        LifecycleStage::PreProductionTrafficShift => HookStage::PreProductionTrafficShift,
        LifecycleStage::ProductionTrafficShift => HookStage::ProductionTrafficShift,
        LifecycleStage::PostProductionTrafficShift => HookStage::PostProductionTrafficShift,
        LifecycleStage::ScaleUp | LifecycleStage::BakeTime | LifecycleStage::CleanUp | LifecycleStage::Unspecified => {
            return None;
        }
    })
}
