//! StopServiceDeployment and ContinueServiceDeployment: what somebody wants of a deployment that goes on. Both only note
//! the wish; the reconcilers carry it out (ecs-semantics §2.3).

use std::sync::Arc;

use drydock_model::arn::{Arn, Resource};
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::service_deployments as requests;
use drydock_model::status::ServiceDeploymentStatus;
use drydock_proto::ecs;

use super::{Answer, Apply};
use crate::key::Key;
use crate::outcome::Outcome;
use crate::row::{DeploymentRow, HookAction, HookRow, HookStatus};

/// `statusReason` of one that somebody rolls back.
const ROLLED_BACK: &str = "Service deployment rolled back because of a StopServiceDeployment request.";
/// `statusReason` of one that somebody stops where it is.
const ABORTED: &str = "Service deployment stopped because of a StopServiceDeployment request.";
/// `statusReason` of one that somebody rolls back at a hook.
const ROLLED_BACK_AT_HOOK: &str = "Service deployment rolled back because of a ContinueServiceDeployment request.";

impl Apply<'_> {
    /// ROLLBACK, the default, goes back to the last deployment that COMPLETED, whether or not the configuration asks for
    /// rollbacks. One that is being stopped or rolled back already goes on with that.
    pub(super) fn stop_service_deployment(&mut self, request: &ecs::StopServiceDeploymentRequest) -> Answer {
        use ServiceDeploymentStatus as Is;
        let row = self.find_deployment(requests::stop_service_deployment(request)?)?;
        let abort = request.stop_type() == ecs::StopServiceDeploymentStopType::Abort;
        let (status, reason) = match (row.status, abort) {
            (Is::Pending | Is::InProgress, false) => (Is::RollbackRequested, ROLLED_BACK),
            (Is::Pending | Is::InProgress, true) => (Is::StopRequested, ABORTED),
            (Is::StopRequested, _) | (Is::RollbackRequested | Is::RollbackInProgress, false) => {
                return Ok(Outcome::Done);
            }
            (status, _) => {
                let text = format!("The service deployment is {status} and can't be stopped.");
                let mut error = EcsError::new(ExceptionName::Conflict, text);
                error.resource_ids = request.service_deployment_arn.iter().cloned().collect();
                return Err(error.into());
            }
        };
        self.ask_of_deployment(&row, |row| {
            row.status = status;
            row.status_reason = Some(reason.into());
        });
        Ok(Outcome::Done)
    }

    /// Acts on a PAUSE hook that the deployment waits for. CONTINUE is the default.
    pub(super) fn continue_service_deployment(&mut self, request: &ecs::ContinueServiceDeploymentRequest) -> Answer {
        let row = self.find_deployment(requests::continue_service_deployment(request)?)?;
        if row.status != ServiceDeploymentStatus::InProgress {
            let text = format!("The service deployment is {} and isn't paused.", row.status);
            return Err(EcsError::invalid_parameter(text).into());
        }
        let id = request.hook_id.as_deref().unwrap_or_default();
        let awaited = |hook: &HookRow| hook.awaits() && hook.hook_id() == id;
        if !row.hooks.iter().any(awaited) {
            let text = "The hookId isn't that of a hook with the status AWAITING_ACTION.";
            return Err(EcsError::invalid_parameter(text).into());
        }
        let back = request.action() == HookAction::Rollback;
        self.ask_of_deployment(&row, |row| {
            let acted = |hook: &HookRow| {
                let status = if back { HookStatus::Failed } else { HookStatus::Succeeded };
                if awaited(hook) { HookRow { status, ..*hook } } else { *hook }
            };
            row.hooks = row.hooks.iter().map(acted).collect();
            if back {
                row.status = ServiceDeploymentStatus::RollbackRequested;
                row.status_reason = Some(ROLLED_BACK_AT_HOOK.into());
            }
        });
        Ok(Outcome::Done)
    }

    fn ask_of_deployment(&mut self, row: &DeploymentRow, ask: impl FnOnce(&mut DeploymentRow)) {
        let mut row = row.clone();
        ask(&mut row);
        row.version += 1;
        row.updated_at = self.now;
        self.mark(Key::Deployment(row.key));
        self.mark(Key::Service(row.key.service));
        self.state.put_deployment(row);
    }

    fn find_deployment(&self, arn: Arn) -> Result<Arc<DeploymentRow>, EcsError> {
        let found = match arn.resource {
            Resource::ServiceDeployment(cluster, service, id) if arn.scope == *self.scope => {
                let scope = self.state.scope_id(self.scope);
                let cluster = scope.and_then(|scope| self.state.cluster_by_name(scope, &cluster));
                let service = cluster.and_then(|cluster| self.state.service_by_name(cluster.id, &service));
                service.and_then(|service| self.state.deployments(service.key).find(|row| row.id.to_string() == id))
            }
            _ => None,
        };
        let missing = || EcsError::new(ExceptionName::ServiceDeploymentNotFound, "Service deployment not found.");
        found.cloned().ok_or_else(missing)
    }
}
