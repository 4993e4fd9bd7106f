//! How a ServiceDeployment begins, is superseded, and is told (ecs-semantics §2.3). What it does between is decided by
//! the reconcilers, which write it down by SetDeployment.

use std::sync::Arc;

use drydock_model::deployment::{strategy, threshold};
use drydock_model::status::ServiceDeploymentStatus;
use drydock_proto::ecs;

use super::Apply;
use super::service::Action;
use super::service_config::Config;
use crate::event::{EventKind, Level};
use crate::key::{DeploymentKey, Key, RevisionKey, ServiceKey};
use crate::outcome::Halt;
use crate::row::{
    DeploymentRow, LifecycleStage, MonitorStatus, RevisionRow, RolloutState, ServiceProgress, ServiceRow,
};

/// Deployments that a service keeps; beyond it the oldest that has ended and has no tasks goes, before its retention.
pub const DEPLOYMENTS_KEPT_MAX: usize = 100;

/// `statusReason` of a deployment that a later one replaced.
const SUPERSEDED: &str = "Service deployment was stopped because a new service deployment was started.";
/// `statusReason` of a deployment whose service was deleted.
const SERVICE_DELETED: &str = "Service deployment was stopped because the service was deleted.";

/// The event of a rollout state.
pub(super) const fn event_of(state: RolloutState) -> (Level, &'static str) {
    match state {
        RolloutState::InProgress => (Level::Info, "SERVICE_DEPLOYMENT_IN_PROGRESS"),
        RolloutState::Completed => (Level::Info, "SERVICE_DEPLOYMENT_COMPLETED"),
        RolloutState::Failed => (Level::Error, "SERVICE_DEPLOYMENT_FAILED"),
    }
}

/// `ECS deployment ecs-svc/… in progress.`
fn in_progress(started_by: &str) -> Arc<str> {
    format!("ECS deployment {started_by} in progress.").into()
}

/// What the circuit breaker of a deployment does at its start: it looks at rolling deployments only.
pub(super) fn is_monitored(configuration: &ecs::DeploymentConfiguration) -> MonitorStatus {
    let breaker = configuration.deployment_circuit_breaker.as_ref();
    let rolling = strategy(configuration) == ecs::DeploymentStrategy::Rolling;
    if rolling && breaker.is_some_and(|breaker| breaker.enable == Some(true)) {
        MonitorStatus::Monitoring
    } else {
        MonitorStatus::Disabled
    }
}

/// Of a service whose target changes. That its zones were being rebalanced stays: its reconciler ends it, and says so.
pub(super) fn begin_anew(progress: ServiceProgress) -> ServiceProgress {
    ServiceProgress { rebalancing: progress.rebalancing, ..ServiceProgress::default() }
}

impl Apply<'_> {
    /// Starts a deployment to a new revision, and puts the service with it.
    pub(super) fn start_deployment(
        &mut self,
        mut service: ServiceRow,
        config: &Config,
    ) -> Result<Arc<ServiceRow>, Halt> {
        let sources = self.source_revisions(&service);
        self.stop_current(&service, SUPERSEDED);
        self.drop_oldest(service.key);
        let revision = service.key.revision(self.next_number());
        let deployment = service.key.deployment(self.next_number());
        self.put_revision(revision, config);
        let row = self.new_deployment(deployment, revision.number, sources, config);
        let row = self.state.put_deployment(row);
        service.primary_deployment = deployment.number;
        service.current_deployment = deployment.number;
        service.target_revision = revision.number;
        // A new deployment begins with a clean record: the start-failure throttle is over.
        service.progress = begin_anew(service.progress);
        let service = self.state.put_service(service);
        self.mark(Key::Deployment(deployment));
        self.mark(Key::Service(service.key));
        self.emit_deployment(&service, &row)?;
        Ok(service)
    }

    pub(super) fn put_revision(&mut self, key: RevisionKey, config: &Config) {
        self.state.put_revision(RevisionRow {
            key,
            id: self.ids.deployment_number(),
            created_at: self.now,
            definition: config.definition.key.clone(),
            launch: Arc::new(config.launch.clone()),
            document: Arc::new(config.revision.clone()),
            image_digests: Arc::default(),
        });
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.state.counters.deployments += 1;
        self.state.counters.deployments
    }

    fn new_deployment(
        &mut self,
        key: DeploymentKey,
        target_revision: u64,
        source_revisions: Arc<[u64]>,
        config: &Config,
    ) -> DeploymentRow {
        let configuration = config.document.deployment_configuration.clone().unwrap_or_default();
        let breaker = is_monitored(&configuration);
        let id = self.ids.deployment_number();
        let started_by = DeploymentRow::started_by_of(id);
        let settings = self.state.settings();
        DeploymentRow {
            key,
            id,
            version: 1,
            target_revision,
            source_revisions,
            status: ServiceDeploymentStatus::Pending,
            status_reason: None,
            rollout_state: RolloutState::InProgress,
            rollout_state_reason: in_progress(&started_by),
            stage: LifecycleStage::ReconcileService,
            failed_tasks: 0,
            failure_count: 0,
            breaker,
            ever_ran: false,
            counted_until: self.now,
            created_at: self.now,
            started_at: None,
            updated_at: self.now,
            finished_at: None,
            stopped_at: None,
            stage_deadline: Some(self.now.saturating_add(settings.deployment_stage_limit_ms)),
            deadline: Some(self.now.saturating_add(settings.deployment_limit_ms)),
            wake_at: None,
            rollback: None,
            counted_at: 0,
            threshold: None,
            halted: false,
            production_traffic: 0,
            test_traffic: 0,
            bake_until: None,
            hooks: Arc::default(),
            reap_at: None,
            configuration: Arc::new(configuration),
            started_by,
        }
    }

    /// The revisions that the service's tasks run; where it has none, the one it was going to.
    fn source_revisions(&self, service: &ServiceRow) -> Arc<[u64]> {
        let with_tasks =
            self.state.deployments(service.key).filter(|row| self.state.deployment_counts(row.key).live() > 0);
        let mut numbers: Vec<u64> = with_tasks.map(|row| row.target_revision).collect();
        if numbers.is_empty() && service.target_revision != 0 {
            numbers.push(service.target_revision);
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into()
    }

    /// Ends the deployment that is going on, if one is. Its tasks are the reconcilers' to replace.
    fn stop_current(&mut self, service: &ServiceRow, reason: &str) {
        let Some(row) = self.state.deployment(service.current_key()).filter(|row| !row.is_final()) else { return };
        let mut row = (**row).clone();
        // A rollback that is cut short has failed: what it was to bring back isn't there.
        row.status = match row.status {
            ServiceDeploymentStatus::RollbackRequested | ServiceDeploymentStatus::RollbackInProgress => {
                ServiceDeploymentStatus::RollbackFailed
            }
            _ => ServiceDeploymentStatus::Stopped,
        };
        row.status_reason = Some(reason.into());
        self.finish_deployment(&mut row);
        row.version += 1;
        self.mark(Key::Deployment(row.key));
        self.state.put_deployment(row);
    }

    pub(super) fn stop_deployment_of_deleted(&mut self, service: &ServiceRow) {
        self.stop_current(service, SERVICE_DELETED);
    }

    /// Sets all that goes with a final status.
    pub(super) fn finish_deployment(&self, row: &mut DeploymentRow) {
        row.finished_at = Some(self.now);
        if row.breaker == MonitorStatus::Monitoring {
            row.breaker = MonitorStatus::MonitoringComplete;
            self.settle_breaker(row);
        }
        if row.status == ServiceDeploymentStatus::Stopped {
            row.stopped_at = Some(self.now);
        }
        row.updated_at = self.now;
        row.stage_deadline = None;
        row.deadline = None;
        row.wake_at = None;
        row.bake_until = None;
        row.reap_at = Some(self.now.saturating_add(self.state.settings().inactive_retention_ms));
    }

    /// Keeps the threshold as it is now, where the breaker has stopped to look: a later desiredCount has no say in it.
    pub(super) fn settle_breaker(&self, row: &mut DeploymentRow) {
        let desired = self.state.service(row.key.service).map_or(0, |service| service.desired_count);
        let breaker = row.configuration.deployment_circuit_breaker.as_ref();
        row.threshold = breaker.map(|breaker| threshold(breaker, desired));
    }

    /// Whether nothing needs a deployment any more.
    pub(super) fn is_spare(&self, row: &DeploymentRow) -> bool {
        let number = row.key.number;
        let named = self.state.service(row.key.service).is_some_and(|service| {
            service.primary_deployment == number
                || service.current_deployment == number
                || service.completed_deployment == Some(number)
        });
        row.is_final() && !named && self.state.deployment_counts(row.key).total() == 0
    }

    fn drop_oldest(&mut self, service: ServiceKey) {
        while self.state.deployments(service).count() >= DEPLOYMENTS_KEPT_MAX {
            let spare = self.state.deployments(service).find(|row| self.is_spare(row)).map(|row| row.key);
            let Some(key) = spare else { break };
            self.drop_deployment(key);
        }
    }

    /// Removes a deployment, and its revision where no other has it.
    pub(super) fn drop_deployment(&mut self, key: DeploymentKey) {
        let Some(revision) = self.state.deployment(key).map(|row| row.target_revision) else { return };
        self.state.remove_deployment(key);
        if self.state.deployments(key.service).any(|row| row.target_revision == revision) {
            return;
        }
        self.drop_revision(key.service.revision(revision));
    }

    pub(super) fn drop_revision(&mut self, revision: RevisionKey) {
        let definition = self.state.revision(revision).map(|row| row.definition.clone());
        self.state.remove_revision(revision);
        if let Some(definition) = definition {
            self.mark_if_unused(&definition);
        }
    }

    /// Emits "ECS Deployment State Change", and the "ECS Service Action" of the same name that ECS sends beside it.
    pub(super) fn emit_deployment(&mut self, service: &Arc<ServiceRow>, row: &Arc<DeploymentRow>) -> Result<(), Halt> {
        let (level, name) = event_of(row.rollout_state);
        self.emit(
            service.key.cluster,
            EventKind::Deployment {
                service: Arc::clone(service),
                deployment: Arc::clone(row),
                level,
                name,
                reason: Arc::clone(&row.rollout_state_reason),
            },
        )?;
        let reason: &str = if level == Level::Error { &row.rollout_state_reason } else { "" };
        self.emit_action(service, &Action { level, name, reason, instances: &[], capacity_providers: &[] })
    }
}
