//! What a service's deployment waits for beside its tasks, as data: each wait with the time at which it ends by itself.

use drydock_state::row::{HookAction, LifecycleStage, RolloutState};

use super::Case;
use super::roster::earliest;
use crate::explain::Wait;

/// What its deployment waits for, beside tasks.
pub(super) fn of_deployment(case: &Case<'_>, waits: &mut Vec<Wait>) {
    let (current, primary) = (case.rows.current, case.primary);
    if primary.halted || primary.rollout_state == RolloutState::Failed {
        waits.push(Wait::Failed { deployment: primary.id });
    }
    if current.is_final() {
        return;
    }
    let until = earliest(current.stage_deadline, current.deadline);
    if current.key != primary.key {
        waits.extend(until.map(|until| Wait::Rollback { to: primary.id, until }));
        return;
    }
    let stage = || name(current.stage);
    for hook in current.hooks.iter().filter(|hook| hook.awaits()) {
        waits.push(Wait::Hook {
            hook_id: hook.hook_id(),
            stage: stage(),
            until: hook.expires_at,
            continues: hook.timeout_action == HookAction::Continue,
        });
    }
    waits.extend(current.bake_until.map(|until| Wait::Bake { stage: stage(), until }));
    waits.extend(until.map(|until| Wait::Stage { stage: stage(), until }));
}

/// As ECS spells it.
fn name(stage: LifecycleStage) -> String {
    stage.as_str_name().trim_start_matches("SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_").to_owned()
}
