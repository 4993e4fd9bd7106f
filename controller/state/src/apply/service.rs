//! CreateService, UpdateService, DeleteService (ecs-semantics §2.3).

use std::sync::Arc;

use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::services as requests;
use drydock_model::requests::task_sets::is_external;
use drydock_model::status::ServiceStatus;
use drydock_proto::ecs;
use prost::Message as _;

use super::external_service::{Blueprint, External, check_controller};
use super::run_task::token_of;
use super::service_config::Config;
use super::{Answer, Apply};
use crate::capacity::normalised;
use crate::event::{EventKind, Level};
use crate::key::{Key, ServiceKey, TokenKind};
use crate::outcome::{Halt, Outcome};
use crate::row::{ClusterRow, RevisionRow, ServiceProgress, ServiceRow, TokenResult, TokenRow};
use crate::table::digest_of;

/// Domain of the digests of requests.
const REQUEST: u8 = 129;

/// Services of a cluster that aren't INACTIVE (ecs-semantics §2.7).
const SERVICES_MAX: u32 = 5_000;

fn not_idempotent() -> EcsError {
    EcsError::invalid_parameter("Creation of service was not idempotent.")
}

impl Apply<'_> {
    /// The same service again gives the one that is there; another one of its name is refused.
    pub(super) fn create_service(&mut self, request: &ecs::CreateServiceRequest) -> Answer {
        requests::create_service(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let name = request.service_name.as_deref().unwrap_or_default();
        let token = request.client_token.as_deref().map(|text| token_of(cluster.id, TokenKind::CreateService, text));
        let digest = digest_of_create(request);
        if let Some(known) = token.as_ref().and_then(|key| self.state.token(key)) {
            let TokenResult::Service(key) = known.result else {
                return Err(self.contradiction("a token of CreateService that isn't one").into());
            };
            let row = self.state.service(key).filter(|_| known.request_digest == digest);
            return Ok(Outcome::Service(row.cloned().ok_or_else(not_idempotent)?));
        }
        let made = self.blueprint(&cluster, request)?;
        let known = self.state.service_by_name(cluster.id, name).cloned();
        if let Some(row) = known.as_ref().filter(|row| row.status == ServiceStatus::Active) {
            if !self.is_same(row, &made)? {
                return Err(not_idempotent().into());
            }
            return Ok(Outcome::Service(Arc::clone(row)));
        }
        if known.is_some_and(|row| row.status == ServiceStatus::Draining) {
            return Err(EcsError::invalid_parameter("Unable to Start a service that is still Draining.").into());
        }
        let counts = self.state.cluster_counts(cluster.id);
        if counts.active_services + counts.draining_services >= SERVICES_MAX {
            let text = format!("A cluster has at most {SERVICES_MAX} services.");
            return Err(EcsError::new(ExceptionName::LimitExceeded, text).into());
        }
        let row = self.make_service(&cluster, name, &made)?;
        if let Some(key) = token {
            self.state.put_token(TokenRow {
                key,
                request_digest: digest,
                expires_at: self.now.saturating_add(self.state.settings().token_retention_ms),
                result: TokenResult::Service(row.key),
            });
        }
        Ok(Outcome::Service(row))
    }

    fn blueprint(&self, cluster: &ClusterRow, request: &ecs::CreateServiceRequest) -> Result<Blueprint, EcsError> {
        if is_external(request.deployment_controller.as_ref()) {
            return Ok(Blueprint::External(Box::new(External::of_create(request))));
        }
        let definition = self.usable_definition(request.task_definition.as_deref().unwrap_or_default())?;
        let daemon = request.scheduling_strategy() == ecs::SchedulingStrategy::Daemon;
        if daemon && !request.capacity_provider_strategy.is_empty() {
            let text = "A capacity provider strategy is not supported when using the DAEMON scheduling strategy.";
            return Err(EcsError::invalid_parameter(text));
        }
        // A DAEMON is on each container instance: the cluster's default strategy says nothing about it.
        let launch_type = request.launch_type.map(|_| request.launch_type());
        let launch_type = launch_type.or(daemon.then_some(ecs::LaunchType::Ec2));
        let capacity = self.state.capacity_for(cluster, launch_type, &request.capacity_provider_strategy)?;
        self.check_network_names(request.network_configuration.as_ref())?;
        Config::of_create(request, definition, &capacity).map(|config| Blueprint::Ecs(Box::new(config)))
    }

    fn is_same(&self, row: &ServiceRow, made: &Blueprint) -> Result<bool, Halt> {
        let counts = row.is_daemon() || row.desired_count == made.desired_count();
        let same = *row.document == *made.document() && counts;
        match made {
            Blueprint::External(_) => Ok(same),
            Blueprint::Ecs(config) => Ok(same && !config.differs(row, &*self.target_of(row)?)),
        }
    }

    fn target_of(&self, row: &ServiceRow) -> Result<Arc<RevisionRow>, Halt> {
        let revision = self.state.revision(row.target_key()).cloned();
        revision.ok_or_else(|| self.contradiction("a service of no revision"))
    }

    fn make_service(&mut self, cluster: &ClusterRow, name: &str, made: &Blueprint) -> Result<Arc<ServiceRow>, Halt> {
        self.state.counters.services += 1;
        let row = ServiceRow {
            key: ServiceKey { cluster: cluster.id, number: self.state.counters.services },
            name: name.into(),
            status: ServiceStatus::Active,
            version: 1,
            generation: 1,
            desired_count: made.desired_count(),
            primary_deployment: 0,
            current_deployment: 0,
            target_revision: 0,
            completed_deployment: None,
            created_at: self.now,
            created_by: self.caller.into(),
            progress: ServiceProgress::default(),
            reap_at: None,
            document: Arc::new(made.document().clone()),
            group: ServiceRow::group_of(name),
        };
        match made {
            Blueprint::Ecs(config) => self.start_deployment(row, config),
            Blueprint::External(_) => {
                self.mark(Key::Service(row.key));
                Ok(self.state.put_service(row))
            }
        }
    }

    /// Only what changes the tasks starts a deployment, and `forceNewDeployment`.
    pub(super) fn update_service(&mut self, request: &ecs::UpdateServiceRequest) -> Answer {
        requests::update_service(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let row = self.find_service(&cluster, request.service.as_deref().unwrap_or_default());
        let row = row.ok_or_else(EcsError::service_not_found)?;
        if row.status != ServiceStatus::Active {
            return Err(EcsError::service_not_active().into());
        }
        check_controller(&row, request)?;
        if row.is_external() {
            return self.update_external_service(&row, request);
        }
        let revision = self.target_of(&row)?;
        let definition = match &request.task_definition {
            Some(text) => self.usable_definition(text)?,
            None => {
                let known = self.state.definition(&revision.definition).cloned();
                known.ok_or_else(|| self.contradiction("a service revision of no task definition"))?
            }
        };
        self.check_new_strategy(&cluster, &row, request)?;
        self.check_network_names(request.network_configuration.as_ref())?;
        let config = Config::of_update(&row, &revision, request, definition)?;
        let deploys = request.force_new_deployment() || config.differs(&row, &revision);
        let mut new = (*row).clone();
        new.version += 1;
        new.generation += 1;
        new.desired_count = config.desired_count;
        new.document = Arc::new(config.document.clone());
        new.progress.steady = false;
        // What was in the way of rebalancing may be what is changed.
        new.progress.rebalance_at = None;
        let new = if deploys { self.start_deployment(new, &config)? } else { self.state.put_service(new) };
        self.mark(Key::Service(new.key));
        Ok(Outcome::Service(new))
    }

    /// Another strategy, or none any more, needs a new deployment (ecs-semantics §2.3): tasks move with it.
    fn check_new_strategy(
        &self,
        cluster: &ClusterRow,
        row: &ServiceRow,
        request: &ecs::UpdateServiceRequest,
    ) -> Result<(), EcsError> {
        let Some(given) = &request.capacity_provider_strategy else { return Ok(()) };
        if normalised(&given.items) == row.document.capacity_provider_strategy {
            return Ok(());
        }
        if !request.force_new_deployment() {
            return Err(EcsError::invalid_parameter(
                "When switching from launch type to capacity provider strategy on an existing service, or making a \
                 change to a capacity provider strategy on a service that is already using one, you must force a new \
                 deployment.",
            ));
        }
        if given.items.is_empty() {
            if row.document.launch_type.is_none() {
                return Err(EcsError::invalid_parameter(
                    "No launch type to fall back to for empty capacity provider strategy. Your service was not created \
                     with a launch type.",
                ));
            }
            return Ok(());
        }
        self.state.capacity_for(cluster, None, &given.items).map(drop)
    }

    /// ACTIVE → DRAINING; the reconcilers stop its tasks and make it INACTIVE.
    pub(super) fn delete_service(&mut self, request: &ecs::DeleteServiceRequest) -> Answer {
        requests::delete_service(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let row = self.find_service(&cluster, request.service.as_deref().unwrap_or_default());
        let row = row.ok_or_else(EcsError::service_not_found)?;
        match row.status {
            ServiceStatus::Inactive => return Err(EcsError::service_not_found().into()),
            ServiceStatus::Draining => return Ok(Outcome::Service(row)),
            ServiceStatus::Active => {}
        }
        let replica = row.scheduling_strategy() == ecs::SchedulingStrategy::Replica;
        if replica && row.desired_count > 0 && !request.force() {
            let text = "The service cannot be stopped while it is scaled above 0.";
            return Err(EcsError::invalid_parameter(text).into());
        }
        if row.is_external() {
            self.check_has_no_task_sets(&row, request.force())?;
            self.drain_task_sets(&row)?;
        }
        self.stop_deployment_of_deleted(&row);
        let mut row = (*row).clone();
        row.status = ServiceStatus::Draining;
        row.desired_count = 0;
        if row.is_external() {
            (row.primary_deployment, row.target_revision) = (0, 0);
        }
        row.version += 1;
        row.generation += 1;
        row.progress = ServiceProgress::default();
        self.mark(Key::Service(row.key));
        Ok(Outcome::Service(self.state.put_service(row)))
    }

    pub(super) fn tag_service(&mut self, row: &ServiceRow, tags: Vec<ecs::Tag>) {
        let mut row = row.clone();
        let mut document = (*row.document).clone();
        document.tags = tags;
        row.document = Arc::new(document);
        row.version += 1;
        self.state.put_service(row);
    }

    /// Emits "ECS Service Action".
    pub(super) fn emit_action(&mut self, service: &Arc<ServiceRow>, action: &Action<'_>) -> Result<(), Halt> {
        self.emit(
            service.key.cluster,
            EventKind::ServiceAction {
                service: Arc::clone(service),
                level: action.level,
                name: action.name.into(),
                reason: (!action.reason.is_empty()).then(|| action.reason.into()),
                instances: action.instances.into(),
                capacity_providers: action.capacity_providers.iter().map(|name| name.as_str().into()).collect(),
            },
        )
    }
}

/// What an "ECS Service Action" says.
pub(super) struct Action<'a> {
    pub(super) level: Level,
    pub(super) name: &'a str,
    pub(super) reason: &'a str,
    pub(super) instances: &'a [u128],
    pub(super) capacity_providers: &'a [String],
}

fn digest_of_create(request: &ecs::CreateServiceRequest) -> u64 {
    let mut request = request.clone();
    request.client_token = None;
    digest_of(REQUEST, &request.encode_to_vec())
}
