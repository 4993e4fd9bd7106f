//! Services: DescribeServices, ListServices. `deployments[]` is derived from the ServiceDeployments underneath.

use std::sync::Arc;

use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests;
use drydock_model::status::ServiceStatus;
use drydock_proto::ecs::{self, LaunchType, ServiceField};

use super::{Arns, Query, list, lookup, task, task_set, time};
use crate::row::{DeploymentRow, RevisionRow, RolloutState, ServiceRow};

impl<'a> Query<'a> {
    /// DescribeServices: of any status.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn describe_services(
        &self,
        request: &ecs::DescribeServicesRequest,
    ) -> Result<ecs::DescribeServicesResponse, EcsError> {
        requests::services::describe_services(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let with_tags = request.include().any(|field| field == ServiceField::Tags);
        let mut response = ecs::DescribeServicesResponse::default();
        for name in &request.services {
            match lookup::service(self.state, self.scope, cluster.id, name) {
                Some(row) => {
                    let mut service = self.render_service(row);
                    if !with_tags {
                        service.tags = Vec::new();
                        service.task_sets.iter_mut().for_each(|task_set| task_set.tags = Vec::new());
                    }
                    response.services.push(service);
                }
                None if name.starts_with("arn:") => response.failures.push(list::missing(name.clone())),
                None => response.failures.push(list::missing(self.arns(cluster).service(name))),
            }
        }
        Ok(response)
    }

    /// ListServicesByNamespace: no service is in a namespace, since Service Connect is refused where a service is created.
    ///
    /// # Errors
    /// Always: `NamespaceNotFoundException`; `InvalidParameterException`.
    pub fn list_services_by_namespace(
        &self,
        request: &ecs::ListServicesByNamespaceRequest,
    ) -> Result<ecs::ListServicesByNamespaceResponse, EcsError> {
        requests::services::list_services_by_namespace(request)?;
        Err(EcsError::new(ExceptionName::NamespaceNotFound, "The specified namespace wasn't found."))
    }

    /// ListServices: ACTIVE ones, by name.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn list_services(&self, request: &ecs::ListServicesRequest) -> Result<ecs::ListServicesResponse, EcsError> {
        let page = requests::services::list_services(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let launch_type = request.launch_type.map(|_| request.launch_type());
        let strategy = request.scheduling_strategy.map(|_| request.scheduling_strategy());
        let rows = self.state.services(cluster.id, page.after.as_deref()).filter(|row| {
            row.status == ServiceStatus::Active
                && launch_type.is_none_or(|of| self.launch_type(row) == of)
                && strategy.is_none_or(|of| row.scheduling_strategy() == of)
        });
        let (rows, next_token) = page.cut(rows, |row| row.name.to_string());
        let arns = self.arns(cluster);
        Ok(ecs::ListServicesResponse {
            service_arns: rows.into_iter().map(|row| arns.service(&row.name)).collect(),
            next_token,
        })
    }

    fn launch_type(&self, row: &ServiceRow) -> LaunchType {
        let revision = self.state.revision(row.target_key());
        revision.map_or(LaunchType::Unspecified, |revision| revision.launch.launch_type)
    }

    /// A service as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_service(&self, row: &ServiceRow) -> ecs::Service {
        let state = self.state;
        let name: Arc<str> = state.cluster(row.key.cluster).map_or_else(|| "".into(), |row| Arc::clone(&row.name));
        let arns = Arns::new(self.scope, &name);
        let counts = state.service_counts(row.key);
        let mut service = (*row.document).clone();
        service.service_arn = Some(arns.service(&row.name));
        service.service_name = Some(row.name.to_string());
        service.cluster_arn = Some(arns.cluster());
        service.status = Some(row.status.to_string());
        service.desired_count = Some(list::count(row.desired_count));
        service.running_count = Some(list::count(counts.running));
        service.pending_count = Some(list::count(counts.pending));
        service.created_at = Some(time::timestamp(row.created_at));
        service.created_by = Some(row.created_by.to_string()).filter(|by| !by.is_empty());
        service.set_scheduling_strategy(row.scheduling_strategy());
        fill_defaults(&mut service, row);
        if let Some(revision) = state.revision(row.target_key()) {
            if row.is_external() {
                task_set::fill_primary(&mut service, revision);
            }
            self.fill_revision(&mut service, arns, revision);
        }
        if row.status != ServiceStatus::Inactive && row.is_external() {
            service.task_sets = self.task_sets(arns, row);
        } else if row.status != ServiceStatus::Inactive {
            service.deployments = self.deployments(arns, row);
            service.current_service_revisions = self.current_revisions(arns, row);
        }
        let current = state.deployment(row.current_key());
        service.current_service_deployment = current.map(|deployment| arns.deployment(&row.name, deployment.id));
        service.events = state.service_events(row.key).rev().map(event).collect();
        service
    }

    /// What the service shows of the revision that it is going to.
    fn fill_revision(&self, service: &mut ecs::Service, arns: Arns<'_>, revision: &RevisionRow) {
        let launch = &revision.launch;
        let definition = self.state.definition(&revision.definition);
        service.task_definition = Some(arns.definition(&revision.definition));
        if service.platform_version.is_none() {
            service.platform_version = launch.platform_version.as_ref().map(ToString::to_string);
        }
        service.platform_family = task::platform_family(launch.launch_type, definition.map(|row| &**row));
        if !service.capacity_provider_strategy.is_empty() {
            // Kept only to go back to, once the strategy goes.
            service.launch_type = None;
        } else if service.launch_type.is_none() {
            service.set_launch_type(launch.launch_type);
        }
    }

    fn deployments(&self, arns: Arns<'_>, service: &ServiceRow) -> Vec<ecs::Deployment> {
        let rows = self.state.shown_deployments(service).into_iter();
        rows.filter_map(|row| self.render_deployment(arns, service, row)).collect()
    }

    fn render_deployment(&self, arns: Arns<'_>, service: &ServiceRow, row: &DeploymentRow) -> Option<ecs::Deployment> {
        let revision = self.state.revision(service.key.revision(row.target_revision))?;
        let counts = self.state.deployment_counts(row.key);
        let is_primary = row.key.number == service.primary_deployment;
        let desired = if is_primary { service.desired_count } else { counts.running + counts.pending };
        let document = &revision.document;
        let definition = self.state.definition(&revision.definition);
        let mut deployment = ecs::Deployment {
            id: Some(row.started_by.to_string()),
            status: Some(if is_primary { "PRIMARY" } else { "ACTIVE" }.to_owned()),
            task_definition: Some(arns.definition(&revision.definition)),
            desired_count: Some(list::count(desired)),
            pending_count: Some(list::count(counts.pending)),
            running_count: Some(list::count(counts.running)),
            failed_tasks: Some(list::count(row.failed_tasks)),
            created_at: Some(time::timestamp(row.created_at)),
            updated_at: Some(time::timestamp(row.updated_at)),
            capacity_provider_strategy: document.capacity_provider_strategy.clone(),
            platform_version: revision.launch.platform_version.as_ref().map(ToString::to_string),
            platform_family: task::platform_family(revision.launch.launch_type, definition.map(|row| &**row)),
            network_configuration: revision.launch.network_configuration.clone(),
            rollout_state_reason: Some(row.rollout_state_reason.to_string()),
            service_connect_configuration: document.service_connect_configuration.clone(),
            volume_configurations: document.volume_configurations.clone(),
            fargate_ephemeral_storage: document.fargate_ephemeral_storage.clone(),
            vpc_lattice_configurations: document.vpc_lattice_configurations.clone(),
            ..ecs::Deployment::default()
        };
        deployment.set_rollout_state(rollout_state(row.rollout_state));
        if document.capacity_provider_strategy.is_empty() {
            deployment.set_launch_type(revision.launch.launch_type);
        }
        Some(deployment)
    }
}

/// As the API spells it.
#[must_use]
pub const fn rollout_state(state: RolloutState) -> ecs::DeploymentRolloutState {
    match state {
        RolloutState::InProgress => ecs::DeploymentRolloutState::InProgress,
        RolloutState::Completed => ecs::DeploymentRolloutState::Completed,
        RolloutState::Failed => ecs::DeploymentRolloutState::Failed,
    }
}

/// What ECS echoes though nobody gave it (ecs-semantics §3): a reply without it looks like drift to Terraform. Values
/// that the document has stay.
fn fill_defaults(service: &mut ecs::Service, row: &ServiceRow) {
    if service.deployment_controller.is_none() {
        let controller = ecs::DeploymentControllerType::Ecs.into();
        service.deployment_controller = Some(ecs::DeploymentController { r#type: Some(controller) });
    }
    let configuration = service.deployment_configuration.get_or_insert_default();
    configuration.maximum_percent.get_or_insert(list::count(row.maximum_percent()));
    configuration.minimum_healthy_percent.get_or_insert(list::count(row.minimum_healthy_percent()));
    if !row.is_external() {
        fill_ecs_defaults(configuration);
    }
    service.enable_ecs_managed_tags.get_or_insert(false);
    service.enable_execute_command.get_or_insert(false);
    service.health_check_grace_period_seconds.get_or_insert(0);
    if service.propagate_tags.is_none() {
        service.set_propagate_tags(ecs::PropagateTags::None);
    }
    if service.availability_zone_rebalancing.is_none() {
        service.set_availability_zone_rebalancing(ecs::AvailabilityZoneRebalancing::Disabled);
    }
}

/// What only deployments of ECS's own have.
fn fill_ecs_defaults(configuration: &mut ecs::DeploymentConfiguration) {
    if configuration.deployment_circuit_breaker.is_none() {
        let off = ecs::DeploymentCircuitBreaker {
            enable: Some(false),
            rollback: Some(false),
            ..ecs::DeploymentCircuitBreaker::default()
        };
        configuration.deployment_circuit_breaker = Some(off);
    }
    if configuration.strategy.is_none() {
        configuration.set_strategy(ecs::DeploymentStrategy::Rolling);
    }
    configuration.bake_time_in_minutes.get_or_insert(0);
}

fn event(row: &crate::row::ServiceEventRow) -> ecs::ServiceEvent {
    ecs::ServiceEvent {
        id: Some(super::event::uuid(row.id)),
        created_at: Some(time::timestamp(row.created_at)),
        message: Some(row.message.to_string()),
    }
}
