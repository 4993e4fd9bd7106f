//! What a service is made of: the documents behind its row and its revisions, from CreateService and UpdateService, with
//! ECS's defaults filled in (ecs-semantics §2.3, §3: everything is given back).

use std::sync::Arc;

use drydock_model::deployment::strategy;
use drydock_model::error::EcsError;
use drydock_model::requests::deployment_configuration::{Deployed, check_whole};
use drydock_model::requests::services::{MAXIMUM_PERCENT, MINIMUM_HEALTHY_PERCENT, check_percents};
use drydock_model::requests::{check_network_mode, daemon, settled_network};
use drydock_model::resources::needs;
use drydock_model::{fargate, placement, rebalancing, refusals};
use drydock_proto::ecs;

use crate::capacity::{Capacity, normalised};
use crate::row::{DefinitionRow, RevisionRow, ServiceRow, TaskLaunch};

/// The configuration of a service, as it would be after a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) desired_count: u32,
    pub(super) document: ecs::Service,
    pub(super) definition: Arc<DefinitionRow>,
    pub(super) launch: TaskLaunch,
    /// Without its derived parts: see [`Config::finish`].
    pub(super) revision: ecs::ServiceRevision,
}

fn default_deployment(strategy: ecs::SchedulingStrategy) -> ecs::DeploymentConfiguration {
    let (minimum, maximum) = match strategy {
        ecs::SchedulingStrategy::Daemon => (daemon::MINIMUM_HEALTHY_PERCENT, daemon::MAXIMUM_PERCENT),
        _ => (MINIMUM_HEALTHY_PERCENT, MAXIMUM_PERCENT),
    };
    ecs::DeploymentConfiguration {
        deployment_circuit_breaker: Some(ecs::DeploymentCircuitBreaker {
            enable: Some(false),
            rollback: Some(false),
            ..ecs::DeploymentCircuitBreaker::default()
        }),
        maximum_percent: Some(maximum),
        minimum_healthy_percent: Some(minimum),
        strategy: Some(ecs::DeploymentStrategy::Rolling as i32),
        bake_time_in_minutes: Some(0),
        ..ecs::DeploymentConfiguration::default()
    }
}

/// Members that are given replace those that are there.
fn merge_deployment(into: &mut ecs::DeploymentConfiguration, given: &ecs::DeploymentConfiguration) {
    fn set<T: Clone>(into: &mut Option<T>, given: &Option<T>) {
        if given.is_some() {
            into.clone_from(given);
        }
    }
    set(&mut into.deployment_circuit_breaker, &given.deployment_circuit_breaker);
    set(&mut into.maximum_percent, &given.maximum_percent);
    set(&mut into.minimum_healthy_percent, &given.minimum_healthy_percent);
    set(&mut into.alarms, &given.alarms);
    set(&mut into.strategy, &given.strategy);
    set(&mut into.bake_time_in_minutes, &given.bake_time_in_minutes);
    set(&mut into.linear_configuration, &given.linear_configuration);
    set(&mut into.canary_configuration, &given.canary_configuration);
    set(&mut into.lifecycle_hooks, &given.lifecycle_hooks);
    set(&mut into.early_success_criteria, &given.early_success_criteria);
    keep_to_strategy(into, given);
}

/// What another strategy had goes with it, unless it is given anew: a request that only changes the strategy is whole.
fn keep_to_strategy(into: &mut ecs::DeploymentConfiguration, given: &ecs::DeploymentConfiguration) {
    let strategy = strategy(into);
    if strategy != ecs::DeploymentStrategy::Linear && given.linear_configuration.is_none() {
        into.linear_configuration = None;
    }
    if strategy != ecs::DeploymentStrategy::Canary && given.canary_configuration.is_none() {
        into.canary_configuration = None;
    }
    if strategy == ecs::DeploymentStrategy::Rolling && given.bake_time_in_minutes.is_none() {
        into.bake_time_in_minutes = Some(0);
    }
    if strategy == ecs::DeploymentStrategy::Rolling && given.lifecycle_hooks.is_none() {
        into.lifecycle_hooks = None;
    }
}

fn count(desired: Option<i32>) -> Option<u32> {
    desired.and_then(|count| u32::try_from(count).ok())
}

impl Config {
    /// Of a CreateService that model's checks have passed.
    pub(super) fn of_create(
        request: &ecs::CreateServiceRequest,
        definition: Arc<DefinitionRow>,
        capacity: &Capacity,
    ) -> Result<Self, EcsError> {
        let strategy = !capacity.strategy.is_empty();
        let launch_type = capacity.launch_type;
        let fargate = launch_type == ecs::LaunchType::Fargate;
        let latest = || fargate.then(|| "LATEST".to_owned());
        let scheduling = match request.scheduling_strategy() {
            ecs::SchedulingStrategy::Daemon => ecs::SchedulingStrategy::Daemon,
            _ => ecs::SchedulingStrategy::Replica,
        };
        let mut deployment = default_deployment(scheduling);
        if let Some(given) = &request.deployment_configuration {
            merge_deployment(&mut deployment, given);
        }
        let propagate = match request.propagate_tags() {
            ecs::PropagateTags::Unspecified => ecs::PropagateTags::None,
            given => given,
        };
        let document = ecs::Service {
            load_balancers: request.load_balancers.clone(),
            service_registries: request.service_registries.clone(),
            launch_type: (!strategy).then_some(launch_type as i32),
            capacity_provider_strategy: capacity.strategy.clone(),
            platform_version: request.platform_version.clone().or_else(latest),
            deployment_configuration: Some(deployment),
            role_arn: request.role.clone(),
            placement_constraints: request.placement_constraints.clone(),
            placement_strategy: request.placement_strategy.clone(),
            network_configuration: settled_network(request.network_configuration.as_ref()),
            health_check_grace_period_seconds: request.health_check_grace_period_seconds,
            scheduling_strategy: Some(scheduling as i32),
            deployment_controller: Some(ecs::DeploymentController {
                r#type: Some(ecs::DeploymentControllerType::Ecs as i32),
            }),
            tags: request.tags.clone(),
            enable_ecs_managed_tags: Some(request.enable_ecs_managed_tags()),
            propagate_tags: Some(propagate as i32),
            enable_execute_command: Some(request.enable_execute_command()),
            availability_zone_rebalancing: request.availability_zone_rebalancing,
            ..ecs::Service::default()
        };
        let revision = ecs::ServiceRevision {
            service_connect_configuration: request.service_connect_configuration.clone(),
            volume_configurations: request.volume_configurations.clone(),
            vpc_lattice_configurations: request.vpc_lattice_configurations.clone(),
            ..ecs::ServiceRevision::default()
        };
        Self::finish(count(request.desired_count).unwrap_or_default(), document, definition, revision)
    }

    /// Of an UpdateService that model's checks have passed, on a service that is at `revision`. `definition` is the
    /// request's, or the revision's where the request has none.
    pub(super) fn of_update(
        service: &ServiceRow,
        revision: &RevisionRow,
        request: &ecs::UpdateServiceRequest,
        definition: Arc<DefinitionRow>,
    ) -> Result<Self, EcsError> {
        let mut document = (*service.document).clone();
        let is_daemon = service.is_daemon();
        if is_daemon {
            daemon::check_daemon_update(request)?;
        }
        if let Some(given) = &request.deployment_configuration {
            let deployment = document.deployment_configuration.take();
            let mut deployment = deployment.unwrap_or_else(|| default_deployment(service.scheduling_strategy()));
            merge_deployment(&mut deployment, given);
            let percent = |value: Option<i32>, default| value.unwrap_or(default);
            if is_daemon {
                daemon::check_configuration(Some(&deployment))?;
            } else {
                check_percents(
                    percent(deployment.minimum_healthy_percent, MINIMUM_HEALTHY_PERCENT),
                    percent(deployment.maximum_percent, MAXIMUM_PERCENT),
                )?;
            }
            check_whole(&deployment, Deployed { daemon: is_daemon, by_ecs: true })?;
            document.deployment_configuration = Some(deployment);
        }
        merge_update(&mut document, request);
        // Never set reads DISABLED: only a new service has it by itself.
        document.availability_zone_rebalancing.get_or_insert(ecs::AvailabilityZoneRebalancing::Disabled as i32);
        let mut parts = (*revision.document).clone();
        if request.service_connect_configuration.is_some() {
            parts.service_connect_configuration.clone_from(&request.service_connect_configuration);
        }
        if let Some(volumes) = &request.volume_configurations {
            parts.volume_configurations.clone_from(&volumes.items);
        }
        if let Some(lattice) = &request.vpc_lattice_configurations {
            parts.vpc_lattice_configurations.clone_from(&lattice.items);
        }
        let desired = count(request.desired_count).unwrap_or(service.desired_count);
        Self::finish(desired, document, definition, parts)
    }

    /// Of a CreateTaskSet that model's checks have passed: what the service says, and what it leaves to its task sets.
    pub(super) fn of_task_set(
        service: &ServiceRow,
        request: &ecs::CreateTaskSetRequest,
        definition: Arc<DefinitionRow>,
        capacity: &Capacity,
    ) -> Result<Self, EcsError> {
        let fargate = capacity.launch_type == ecs::LaunchType::Fargate;
        let document = ecs::Service {
            launch_type: capacity.strategy.is_empty().then_some(capacity.launch_type as i32),
            capacity_provider_strategy: capacity.strategy.clone(),
            platform_version: request.platform_version.clone().or_else(|| fargate.then(|| "LATEST".to_owned())),
            network_configuration: settled_network(request.network_configuration.as_ref()),
            load_balancers: request.load_balancers.clone(),
            service_registries: request.service_registries.clone(),
            ..(*service.document).clone()
        };
        Self::finish(service.desired_count, document, definition, ecs::ServiceRevision::default())
    }

    /// Checks the whole and derives the launch and the rest of the revision.
    fn finish(
        desired_count: u32,
        mut document: ecs::Service,
        definition: Arc<DefinitionRow>,
        mut revision: ecs::ServiceRevision,
    ) -> Result<Self, EcsError> {
        let task = &definition.document;
        let launch_type = launch_type_of(&document);
        refusals::check(refusals::USE_TASK_DEFINITION, &**task)?;
        check_network_mode(task, document.network_configuration.as_ref(), launch_type)?;
        placement::check_with_definition(
            &document.placement_constraints,
            &document.placement_strategy,
            task,
            launch_type,
        )?;
        settle_rebalancing(&mut document, task)?;
        let platform = fargate::platform(launch_type, document.platform_version.as_deref(), task)?;
        let image = |container: &ecs::ContainerDefinition| ecs::ContainerImage {
            container_name: container.name.clone(),
            image: container.image.clone(),
            image_digest: None,
        };
        revision.container_images = task.container_definitions.iter().map(image).collect();
        revision.platform_family = platform.and_then(|platform| platform.family()).map(str::to_owned);
        revision.capacity_provider_strategy.clone_from(&document.capacity_provider_strategy);
        revision.load_balancers.clone_from(&document.load_balancers);
        revision.service_registries.clone_from(&document.service_registries);
        revision.guard_duty_enabled = Some(false);
        let launch = TaskLaunch {
            launch_type,
            platform_version: platform.map(|platform| platform.version().into()),
            needs: needs(task, &ecs::TaskOverride::default()),
            overrides: None,
            network_configuration: document.network_configuration.clone(),
            enable_execute_command: document.enable_execute_command(),
            enable_ecs_managed_tags: document.enable_ecs_managed_tags(),
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            volume_configurations: Vec::new(),
        };
        Ok(Self { desired_count, document, definition, launch, revision })
    }

    /// Whether tasks made from this differ from those of `revision` and the service's tag options: what starts a
    /// deployment. The desired count, percentages, grace period, placement and rebalancing don't.
    pub(super) fn differs(&self, service: &ServiceRow, revision: &RevisionRow) -> bool {
        let mut launch = (*revision.launch).clone();
        // ECS Exec is taken up by the next deployment, and doesn't start one.
        launch.enable_execute_command = self.launch.enable_execute_command;
        self.definition.key != revision.definition
            || self.launch != launch
            || self.revision != *revision.document
            || self.document.propagate_tags != service.document.propagate_tags
    }
}

/// Zones are rebalanced where that was asked for and may be; where nothing is said, where it may be (ecs-semantics §2.3).
fn settle_rebalancing(document: &mut ecs::Service, task: &ecs::TaskDefinition) -> Result<(), EcsError> {
    use ecs::AvailabilityZoneRebalancing::{Disabled, Enabled, Unspecified};
    match document.availability_zone_rebalancing() {
        Disabled => {}
        Enabled => rebalancing::check(document, task)?,
        Unspecified => {
            let may_be = rebalancing::check(document, task).is_ok();
            document.set_availability_zone_rebalancing(if may_be { Enabled } else { Disabled });
        }
    }
    Ok(())
}

/// The launch type of a service's tasks: its strategy's, else its own.
fn launch_type_of(document: &ecs::Service) -> ecs::LaunchType {
    if !document.capacity_provider_strategy.is_empty() {
        return Capacity::of_strategy(&document.capacity_provider_strategy).launch_type;
    }
    if document.launch_type.is_some() { document.launch_type() } else { ecs::LaunchType::Ec2 }
}

/// Members that UpdateService may change and that need no further check.
pub(super) fn merge_update(document: &mut ecs::Service, request: &ecs::UpdateServiceRequest) {
    if let Some(strategy) = &request.capacity_provider_strategy {
        let before = launch_type_of(document);
        document.capacity_provider_strategy = normalised(&strategy.items);
        // A platform version is Fargate's alone.
        match (before, launch_type_of(document)) {
            (ecs::LaunchType::Fargate, ecs::LaunchType::Ec2) => document.platform_version = None,
            (ecs::LaunchType::Ec2, ecs::LaunchType::Fargate) => document.platform_version = Some("LATEST".to_owned()),
            _ => {}
        }
    }
    if request.availability_zone_rebalancing.is_some() {
        document.availability_zone_rebalancing = request.availability_zone_rebalancing;
    }
    if request.network_configuration.is_some() {
        document.network_configuration = settled_network(request.network_configuration.as_ref());
    }
    if let Some(constraints) = &request.placement_constraints {
        document.placement_constraints.clone_from(&constraints.items);
    }
    if let Some(strategy) = &request.placement_strategy {
        document.placement_strategy.clone_from(&strategy.items);
    }
    if request.platform_version.is_some() {
        document.platform_version.clone_from(&request.platform_version);
    }
    if request.health_check_grace_period_seconds.is_some() {
        document.health_check_grace_period_seconds = request.health_check_grace_period_seconds;
    }
    if request.enable_execute_command.is_some() {
        document.enable_execute_command = request.enable_execute_command;
    }
    if request.enable_ecs_managed_tags.is_some() {
        document.enable_ecs_managed_tags = request.enable_ecs_managed_tags;
    }
    if let Some(balancers) = &request.load_balancers {
        document.load_balancers.clone_from(&balancers.items);
    }
    if request.propagate_tags.is_some() {
        document.propagate_tags = request.propagate_tags;
    }
    if let Some(registries) = &request.service_registries {
        document.service_registries.clone_from(&registries.items);
    }
}
