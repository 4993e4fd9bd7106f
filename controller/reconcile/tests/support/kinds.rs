//! Services of every kind, drawn from numbers: REPLICA by each strategy, DAEMON, EXTERNAL with task sets; with capacity
//! providers, placement constraints and strategies, the circuit breaker, hooks and rebalancing.

use drydock_model::capacity::Serves;
use drydock_proto::ecs;
use drydock_state::Command;

use super::configuration::configuration;
use super::numbers::Numbers;
use super::{World, limit_launches};

/// The services that a cluster may have, by name: the first letter says of which kind.
pub const NAMES: [&str; 4] = ["replica", "shop", "daemon", "external"];

const PERCENTS: [(i32, i32); 7] = [(100, 200), (50, 100), (50, 200), (0, 100), (75, 150), (100, 125), (34, 134)];

/// In the words of [`configuration`].
const BREAKERS: [&str; 5] = [
    "",
    "breaker=on threshold=COUNT:2",
    "breaker=rollback threshold=COUNT:2",
    "breaker=rollback threshold=COUNT:2 reset=no",
    "breaker=on",
];

const HOOKS: [&str; 5] = [
    "",
    "hook=PRE_SCALE_UP:5",
    "hook=POST_SCALE_UP:10:CONTINUE",
    "hook=RECONCILE_SERVICE,POST_PRODUCTION_TRAFFIC_SHIFT:30:ROLLBACK",
    "hook=PRE_PRODUCTION_TRAFFIC_SHIFT",
];

pub fn strategy(numbers: &mut Numbers) -> Vec<ecs::PlacementStrategy> {
    let (kind, field) = numbers.one_of(&[
        (ecs::PlacementStrategyType::Random, None),
        (ecs::PlacementStrategyType::Spread, Some("attribute:ecs.availability-zone")),
        (ecs::PlacementStrategyType::Spread, Some("instanceId")),
        (ecs::PlacementStrategyType::Binpack, Some("cpu")),
        (ecs::PlacementStrategyType::Binpack, Some("memory")),
    ]);
    let mut strategy = ecs::PlacementStrategy { field: field.map(str::to_owned), ..Default::default() };
    strategy.set_type(kind);
    vec![strategy]
}

/// Expressions alone where the service is a DAEMON.
pub fn constraint(numbers: &mut Numbers, daemon: bool) -> Vec<ecs::PlacementConstraint> {
    let mut constraint = ecs::PlacementConstraint::default();
    if numbers.once_in(2) && !daemon {
        constraint.set_type(ecs::PlacementConstraintType::DistinctInstance);
    } else {
        constraint.set_type(ecs::PlacementConstraintType::MemberOf);
        let expressions = ["attribute:ecs.availability-zone != c", "attribute:stack == blue", "attribute:name != i0"];
        constraint.expression = Some(numbers.one_of(&expressions).to_owned());
    }
    vec![constraint]
}

pub fn provider_strategy(numbers: &mut Numbers) -> Vec<ecs::CapacityProviderStrategyItem> {
    let item = |name: &str, base, weight| ecs::CapacityProviderStrategyItem {
        capacity_provider: Some(name.to_owned()),
        base: Some(base),
        weight: Some(weight),
    };
    match numbers.below(3) {
        0 => vec![item("scaled", 0, 1)],
        1 => vec![item("fixed", 0, 1)],
        _ => vec![item("scaled", 1, 1), item("fixed", 0, 2)],
    }
}

/// Of a service by its name.
pub fn deployment_configuration(numbers: &mut Numbers, name: &str) -> ecs::DeploymentConfiguration {
    let (min, max) = numbers.one_of(&PERCENTS);
    // A DAEMON with 100 and 100 could never deploy, and is refused.
    let (min, max) = if name == "daemon" { (min.min(75), 100) } else { (min, max) };
    let mut words = format!("min={min} max={max}");
    if name != "external" && name != "shop" {
        words = format!("{words} {}", numbers.one_of(&BREAKERS));
    }
    if name == "shop" {
        let bake = numbers.one_of(&[0, 1, 20]);
        words = format!("{words} strategy=BLUE_GREEN bake={bake} {}", numbers.one_of(&HOOKS));
    }
    configuration(&words.split_whitespace().collect::<Vec<_>>())
}

fn rebalancing(numbers: &mut Numbers) -> Option<ecs::AvailabilityZoneRebalancing> {
    numbers.one_of(&[
        None,
        Some(ecs::AvailabilityZoneRebalancing::Disabled),
        Some(ecs::AvailabilityZoneRebalancing::Enabled),
    ])
}

/// What ECS refuses of it changes nothing.
pub fn create_service(world: &mut World, numbers: &mut Numbers, name: &str) -> bool {
    let (daemon, external) = (name == "daemon", name == "external");
    let mut request = ecs::CreateServiceRequest {
        service_name: Some(name.to_owned()),
        task_definition: (!external).then(|| "app".to_owned()),
        desired_count: (!daemon).then(|| i32::try_from(numbers.below(7)).unwrap()),
        deployment_configuration: Some(deployment_configuration(numbers, name)),
        health_check_grace_period_seconds: numbers.once_in(4).then_some(60),
        ..Default::default()
    };
    if daemon {
        request.set_scheduling_strategy(ecs::SchedulingStrategy::Daemon);
    } else if external {
        let kind = Some(ecs::DeploymentControllerType::External.into());
        request.deployment_controller = Some(ecs::DeploymentController { r#type: kind });
    } else {
        request.availability_zone_rebalancing = rebalancing(numbers).map(Into::into);
        if numbers.once_in(3) {
            request.placement_strategy = strategy(numbers);
        }
        if numbers.once_in(3) && has_providers(world) {
            request.capacity_provider_strategy = provider_strategy(numbers);
        }
    }
    if numbers.once_in(4) {
        request.placement_constraints = constraint(numbers, daemon);
    }
    world.try_apply(Command::CreateService(Box::new(request))).refused().is_none()
}

/// Another configuration of one that is there: any of the members that its kind may have.
pub fn reconfigure(world: &mut World, numbers: &mut Numbers, name: &str) -> bool {
    let mut request = ecs::UpdateServiceRequest { service: Some(name.to_owned()), ..Default::default() };
    match numbers.below(6) {
        0 if name != "external" => {
            request.placement_constraints =
                Some(ecs::PlacementConstraintList { items: constraint(numbers, name == "daemon") });
        }
        1 if name != "external" && name != "daemon" => {
            request.placement_strategy = Some(ecs::PlacementStrategyList { items: strategy(numbers) });
        }
        2 => {
            request.availability_zone_rebalancing = rebalancing(numbers).map(Into::into);
        }
        3 if name != "external" && name != "daemon" && has_providers(world) => {
            request.capacity_provider_strategy =
                Some(ecs::CapacityProviderStrategyItemList { items: provider_strategy(numbers) });
            request.force_new_deployment = Some(true);
        }
        _ => request.deployment_configuration = Some(deployment_configuration(numbers, name)),
    }
    world.try_apply(Command::UpdateService(Box::new(request))).refused().is_none()
}

/// A world that has capacity providers: `scaled` with managed scaling, `fixed` without.
pub fn with_providers(mut world: World) -> World {
    for (name, scaled) in [("scaled", true), ("fixed", false)] {
        let mut scaling = ecs::ManagedScaling::default();
        if scaled {
            scaling.set_status(ecs::ManagedScalingStatus::Enabled);
        }
        let group = ecs::AutoScalingGroupProvider {
            auto_scaling_group_arn: Some(format!("group of {name}")),
            managed_scaling: Some(scaling),
            ..Default::default()
        };
        world.apply(Command::CreateCapacityProvider(Box::new(ecs::CreateCapacityProviderRequest {
            name: Some(name.to_owned()),
            auto_scaling_group_provider: Some(group),
            ..Default::default()
        })));
    }
    world.apply(Command::PutClusterCapacityProviders(ecs::PutClusterCapacityProvidersRequest {
        cluster: Some("default".to_owned()),
        capacity_providers: vec!["scaled".to_owned(), "fixed".to_owned()],
        default_capacity_provider_strategy: Vec::new(),
    }));
    world
}

pub fn has_providers(world: &World) -> bool {
    !world.state.cluster(world.cluster()).unwrap().document.capacity_providers.is_empty()
}

/// An instance of the cluster: of a capacity provider, or of none.
pub fn host(world: &mut World, numbers: &mut Numbers, name: &str, cpu: u32) {
    let (zone, able) = (numbers.one_of(&["a", "b", "c"]), !numbers.once_in(6));
    let mut roles = vec![(Serves::Both, ""), (Serves::Ec2, "")];
    if has_providers(world) {
        roles.extend([(Serves::Ec2, "scaled"), (Serves::Ec2, "fixed"), (Serves::Ec2, "fixed")]);
    }
    let role = numbers.one_of(&roles);
    let key = world.register_host(name, zone, cpu, able, role);
    if numbers.once_in(2) {
        let attribute = ecs::Attribute {
            name: Some("stack".to_owned()),
            value: Some(numbers.one_of(&["blue", "red"]).to_owned()),
            target_type: Some(ecs::TargetType::ContainerInstance.into()),
            target_id: Some(key.to_string()),
        };
        let attributes = vec![attribute];
        world.apply(Command::PutAttributes(ecs::PutAttributesRequest { cluster: None, attributes }));
    }
}

/// A cluster of up to six instances and `services` services of any kind.
pub fn cluster(numbers: &mut Numbers, worlds: &[World; 2], services: u64) -> World {
    let mut world = worlds[numbers.index(2)].clone();
    for at in 0..numbers.below(6) {
        let cpu = numbers.one_of(&[256, 512, 1024, 4096]);
        host(&mut world, numbers, &format!("i{at}"), cpu);
    }
    if numbers.once_in(4) {
        limit_launches(&mut world, 1 + numbers.below(4));
    }
    if numbers.once_in(3) {
        world.image = "image:1";
        world.image_digest = numbers.one_of(&["", "sha256:5f70bf18"]);
    }
    if numbers.once_in(3) {
        world.register_definition(true, 256, 512);
    }
    for _ in 0..services {
        let name = numbers.one_of(&NAMES);
        if world.state.service_by_name(world.cluster(), name).is_none() {
            create_service(&mut world, numbers, name);
        }
    }
    world
}
