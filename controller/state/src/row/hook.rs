//! A lifecycle hook of a deployment, from when its stage is reached (ecs-semantics §2.3).

use drydock_proto::ecs;

use crate::key::Millis;

/// Stages at which hooks stand. Codes are those of the ECS enum.
pub type HookStage = ecs::DeploymentLifecycleHookStage;

/// How far a hook is. Codes are those of the ECS enum.
pub type HookStatus = ecs::DeploymentLifecycleHookStatus;

/// What becomes of a deployment at a hook. Codes are those of the ECS enum.
pub type HookAction = ecs::DeploymentLifecycleHookAction;

/// A PAUSE hook that a deployment has come to: the other type is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookRow {
    /// Random; [`Self::hook_id`] tells it.
    pub id: u128,
    /// Where it stands.
    pub stage: HookStage,
    /// AWAITING_ACTION until somebody acts or its time is over.
    pub status: HookStatus,
    /// When its time is over.
    pub expires_at: Millis,
    /// What happens then.
    pub timeout_action: HookAction,
}

impl HookRow {
    /// `ecs-pause-…`: what ContinueServiceDeployment takes.
    #[must_use]
    pub fn hook_id(&self) -> String {
        format!("ecs-pause-{:032x}", self.id)
    }

    /// Whether the deployment waits for it.
    #[must_use]
    pub fn awaits(&self) -> bool {
        self.status == HookStatus::AwaitingAction
    }
}
