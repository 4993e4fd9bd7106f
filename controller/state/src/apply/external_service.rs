//! Services with an EXTERNAL deployment controller (ecs-semantics §2.3, Controllers): CreateService makes them without
//! any task, UpdateService changes what isn't their task sets'.

use std::sync::Arc;

use drydock_model::error::EcsError;
use drydock_model::requests::services::{MAXIMUM_PERCENT, MINIMUM_HEALTHY_PERCENT};
use drydock_model::requests::task_sets as requests;
use drydock_proto::ecs;

use super::service_config::{Config, merge_update};
use super::{Answer, Apply};
use crate::key::Key;
use crate::outcome::Outcome;
use crate::row::ServiceRow;

/// What a new service is made from, by its controller.
pub(super) enum Blueprint {
    /// It deploys by itself.
    Ecs(Box<Config>),
    /// Its task sets say what it runs.
    External(Box<External>),
}

/// A service without tasks of its own.
pub(super) struct External {
    desired_count: u32,
    document: ecs::Service,
}

impl Blueprint {
    pub(super) fn document(&self) -> &ecs::Service {
        match self {
            Self::Ecs(config) => &config.document,
            Self::External(external) => &external.document,
        }
    }

    pub(super) fn desired_count(&self) -> u32 {
        match self {
            Self::Ecs(config) => config.desired_count,
            Self::External(external) => external.desired_count,
        }
    }
}

impl External {
    /// Of a CreateService that model's checks have passed.
    pub(super) fn of_create(request: &ecs::CreateServiceRequest) -> Self {
        let given = request.deployment_configuration.clone().unwrap_or_default();
        let propagate = match request.propagate_tags() {
            ecs::PropagateTags::Unspecified => ecs::PropagateTags::None,
            given => given,
        };
        let document = ecs::Service {
            deployment_configuration: Some(ecs::DeploymentConfiguration {
                maximum_percent: given.maximum_percent.or(Some(MAXIMUM_PERCENT)),
                minimum_healthy_percent: given.minimum_healthy_percent.or(Some(MINIMUM_HEALTHY_PERCENT)),
                ..ecs::DeploymentConfiguration::default()
            }),
            role_arn: request.role.clone(),
            placement_constraints: request.placement_constraints.clone(),
            placement_strategy: request.placement_strategy.clone(),
            health_check_grace_period_seconds: request.health_check_grace_period_seconds,
            scheduling_strategy: Some(ecs::SchedulingStrategy::Replica.into()),
            deployment_controller: Some(ecs::DeploymentController {
                r#type: Some(ecs::DeploymentControllerType::External.into()),
            }),
            tags: request.tags.clone(),
            enable_ecs_managed_tags: Some(request.enable_ecs_managed_tags()),
            propagate_tags: Some(propagate.into()),
            enable_execute_command: Some(request.enable_execute_command()),
            availability_zone_rebalancing: Some(ecs::AvailabilityZoneRebalancing::Disabled.into()),
            ..ecs::Service::default()
        };
        let desired_count = request.desired_count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        Self { desired_count, document }
    }
}

/// A service keeps the controller that it was created with.
pub(super) fn check_controller(row: &ServiceRow, request: &ecs::UpdateServiceRequest) -> Result<(), EcsError> {
    let Some(asked) = &request.deployment_controller else { return Ok(()) };
    if requests::is_external(Some(asked)) != row.is_external() {
        return Err(EcsError::unsupported(
            "deploymentController isn't supported: a service keeps the controller that it was created with.",
        ));
    }
    Ok(())
}

impl Apply<'_> {
    /// The desired count, the grace period, placement and the tag options. Starts nothing but what its task sets then
    /// want more.
    pub(super) fn update_external_service(
        &mut self,
        row: &Arc<ServiceRow>,
        request: &ecs::UpdateServiceRequest,
    ) -> Answer {
        requests::update_external_service(request)?;
        let mut document = (*row.document).clone();
        merge_update(&mut document, request);
        let mut new = (**row).clone();
        new.desired_count =
            request.desired_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(new.desired_count);
        new.document = Arc::new(document);
        new.version += 1;
        new.generation += 1;
        new.progress.steady = false;
        self.rescale_task_sets(row, new.desired_count)?;
        let new = self.state.put_service(new);
        self.mark(Key::Service(new.key));
        Ok(Outcome::Service(new))
    }

    /// DeleteService ends the task sets of a service only by force.
    pub(super) fn check_has_no_task_sets(&self, row: &ServiceRow, force: bool) -> Result<(), EcsError> {
        if force || self.shown_task_sets(row.key).is_empty() {
            return Ok(());
        }
        let text = "The service cannot be stopped while it has task sets. Delete them first, or use force.";
        Err(EcsError::invalid_parameter(text))
    }
}
