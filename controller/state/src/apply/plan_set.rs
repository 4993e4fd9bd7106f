//! SetDeployment: a step of a deployment's state machine, and the beginning of its rollback.

use std::sync::Arc;

use drydock_model::status::ServiceDeploymentStatus;

use super::Apply;
use super::deployment::is_monitored;
use super::plan::{Made, Miss};
use crate::key::Key;
use crate::outcome::Halt;
use crate::plan::{DropReason, SetDeployment};
use crate::row::{DeploymentRow, MonitorStatus, RolloutState, ServiceRow};

/// `rolloutStateReason` of a deployment that is gone back to, and the reason of its event.
fn rolling_back(started_by: &str, by_breaker: bool) -> Arc<str> {
    let what = if by_breaker { "ECS deployment circuit breaker" } else { "ECS deployment" };
    format!("{what}: rolling back to deploymentId {started_by}.").into()
}

impl Apply<'_> {
    pub(super) fn set_deployment(&mut self, set: &SetDeployment) -> Made {
        let old = self.state.deployment(set.deployment).cloned().ok_or(DropReason::Missing)?;
        if old.version != set.version {
            return Err(DropReason::Changed.into());
        }
        let service = self.state.service(set.deployment.service).cloned().ok_or(DropReason::Missing)?;
        let target = self.check_step(&old, set)?;
        let mut row = (*old).clone();
        self.set_fields(&mut row, set);
        if row == *old {
            return Err(DropReason::Done.into());
        }
        row.version += 1;
        row.updated_at = self.now;
        let row = self.state.put_deployment(row);
        self.mark(Key::Deployment(row.key));
        self.mark(Key::Service(service.key));
        let service = self.set_service_of(&service, &row, &old)?;
        if row.rollout_state != old.rollout_state {
            self.emit_deployment(&service, &row)?;
        }
        if let Some(target) = target {
            let by_breaker = row.breaker == MonitorStatus::Triggered;
            self.roll_back(&service, target, by_breaker)?;
        }
        Ok(())
    }

    /// The deployment that a rollback goes to. A final deployment has no further status, and rolls back nowhere.
    fn check_step(&self, old: &DeploymentRow, set: &SetDeployment) -> Result<Option<DeploymentRow>, Miss> {
        let may_become = |status: ServiceDeploymentStatus| status == old.status || old.status.may_become(status);
        if !set.status.is_none_or(may_become) || (old.is_final() && set.rollback.is_some()) {
            return Err(DropReason::NotAllowed.into());
        }
        let Some(rollback) = &set.rollback else { return Ok(None) };
        if old.rollback.is_some() {
            return Err(DropReason::Done.into());
        }
        let target = self.state.deployment(old.key.service.deployment(rollback.to_deployment));
        let target = target.ok_or(DropReason::Missing)?;
        if target.target_revision != rollback.to_revision || target.key == old.key {
            return Err(DropReason::NotAllowed.into());
        }
        Ok(Some((**target).clone()))
    }

    fn set_fields(&self, row: &mut DeploymentRow, set: &SetDeployment) {
        if let Some(state) = set.rollout_state {
            row.rollout_state = state;
        }
        if let Some(reason) = &set.rollout_state_reason {
            row.rollout_state_reason = reason.as_str().into();
        }
        if let Some(reason) = &set.status_reason {
            row.status_reason = Some(reason.as_str().into());
        }
        if let Some(stage) = set.stage.filter(|stage| *stage != row.stage) {
            row.stage = stage;
        }
        self.set_traffic(row, set);
        row.failed_tasks = set.failed_tasks.unwrap_or(row.failed_tasks);
        row.failure_count = set.failure_count.unwrap_or(row.failure_count);
        if let Some(breaker) = set.breaker.filter(|breaker| *breaker != row.breaker) {
            row.breaker = breaker;
            self.settle_breaker(row);
        }
        row.counted_at = set.counted_at.unwrap_or(row.counted_at);
        row.halted |= set.halt;
        row.ever_ran = set.ever_ran.unwrap_or(row.ever_ran);
        row.counted_until = set.counted_until.unwrap_or(row.counted_until);
        row.wake_at = set.wake_at.unwrap_or(row.wake_at);
        if let Some(rollback) = &set.rollback {
            row.rollback = Some(rollback.clone());
        }
        if let Some(status) = set.status.filter(|status| *status != row.status) {
            row.status = status;
            if status != ServiceDeploymentStatus::Stopped {
                row.started_at = row.started_at.or(Some(self.now));
            }
            if row.is_final() {
                self.finish_deployment(row);
            }
        }
    }

    /// The stage's time begins anew with each stage and each step of a shift; the time that hooks may take is added.
    fn set_traffic(&self, row: &mut DeploymentRow, set: &SetDeployment) {
        row.production_traffic = set.production_traffic.unwrap_or(row.production_traffic);
        row.test_traffic = set.test_traffic.unwrap_or(row.test_traffic);
        row.bake_until = set.bake_until.unwrap_or(row.bake_until);
        if let Some(hooks) = &set.hooks {
            row.hooks = hooks.as_slice().into();
        }
        let begins = set.production_traffic.is_some() || set.hooks.is_some() || set.rollback.is_some();
        if set.stage.is_some() || begins {
            let awaited = row.hooks.iter().filter(|hook| hook.awaits()).map(|hook| hook.expires_at);
            let from = awaited.max().unwrap_or(self.now).max(self.now);
            row.stage_deadline = Some(from.saturating_add(self.state.settings().deployment_stage_limit_ms));
        }
    }

    /// A primary deployment that is COMPLETED is the one to roll back to; one that isn't any more can't be.
    fn set_service_of(
        &mut self,
        service: &Arc<ServiceRow>,
        row: &DeploymentRow,
        old: &DeploymentRow,
    ) -> Result<Arc<ServiceRow>, Halt> {
        if row.rollout_state == old.rollout_state || service.primary_deployment != row.key.number {
            return Ok(Arc::clone(service));
        }
        let completed = match row.rollout_state {
            RolloutState::Completed => Some(row.key.number),
            _ => service.completed_deployment.filter(|number| *number != row.key.number),
        };
        if completed == service.completed_deployment {
            return Ok(Arc::clone(service));
        }
        let mut service = (**service).clone();
        service.completed_deployment = completed;
        service.version += 1;
        Ok(self.state.put_service(service))
    }

    /// The service goes to the revision of `target`, which is IN_PROGRESS again and no target of another rollback
    /// before it is COMPLETED (ecs-semantics §2.3).
    fn roll_back(
        &mut self,
        service: &Arc<ServiceRow>,
        mut target: DeploymentRow,
        by_breaker: bool,
    ) -> Result<(), Halt> {
        target.rollout_state = RolloutState::InProgress;
        target.rollout_state_reason = rolling_back(&target.started_by, by_breaker);
        target.failed_tasks = 0;
        // What failed before says nothing about this time.
        target.failure_count = 0;
        target.counted_until = self.now;
        target.counted_at = 0;
        target.ever_ran = false;
        target.halted = false;
        target.breaker = is_monitored(&target.configuration);
        target.threshold = None;
        target.updated_at = self.now;
        target.version += 1;
        let target = self.state.put_deployment(target);
        let mut row = (**service).clone();
        row.primary_deployment = target.key.number;
        row.target_revision = target.target_revision;
        row.completed_deployment = row.completed_deployment.filter(|number| *number != target.key.number);
        row.progress = super::deployment::begin_anew(row.progress);
        row.version += 1;
        let row = self.state.put_service(row);
        self.mark(Key::Deployment(target.key));
        self.emit_deployment(&row, &target)
    }
}
