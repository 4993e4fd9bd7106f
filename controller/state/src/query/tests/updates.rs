//! What UpdateService changes, what it leaves, and the defaults of a service.

use drydock_proto::ecs;

use super::{World, json};
use crate::Command;
use crate::plan::{Change, Plan, PutServiceEvent};

fn of_web(world: &World) -> ecs::Service {
    world.query().describe_services(&json(r#"{"services":["web"]}"#)).unwrap().services.remove(0)
}

// rule: 2.3/bounds-defaults
#[test]
fn a_replica_service_has_percentages_though_none_are_given() {
    for (given, expected) in [
        ("", (100, 200)),
        (r#","deploymentConfiguration":{"minimumHealthyPercent":50}"#, (50, 200)),
        (r#","deploymentConfiguration":{"maximumPercent":150}"#, (100, 150)),
    ] {
        let mut world = World::new();
        let service = format!(r#"{{"serviceName":"web","taskDefinition":"web:1","desiredCount":4{given}}}"#);
        world.apply(Command::CreateService(Box::new(json(&service))));
        let shown = of_web(&world).deployment_configuration.unwrap();
        assert_eq!((shown.minimum_healthy_percent(), shown.maximum_percent()), expected, "{given}");
        let row = world.state.all_services().next().unwrap();
        let obeyed = (row.minimum_healthy_percent(), row.maximum_percent());
        assert_eq!((i32::try_from(obeyed.0), i32::try_from(obeyed.1)), (Ok(expected.0), Ok(expected.1)));
    }
}

// rule: 2.3/events-newest-100
#[test]
fn a_service_keeps_its_newest_100_events() {
    let (mut world, _) = World::with_service();
    let service = world.state.all_services().next().unwrap().key;
    for number in 0..120 {
        let message = format!("says {number}.");
        let put = PutServiceEvent { service, message, task_set: None };
        world.apply(Command::Plan(Plan { changes: vec![Change::PutServiceEvent(put)] }));
    }
    let kept: Vec<String> = of_web(&world).events.iter().map(|event| event.message().to_owned()).collect();
    let newest: Vec<String> = (20..120).rev().map(|number| format!("(service web) says {number}.")).collect();
    assert_eq!(kept, newest);
}

/// A service of launch type FARGATE at the first of two revisions, in a cluster with Fargate's two providers.
fn fargate_service() -> World {
    let mut world = World::new();
    for revision in 1..=2 {
        let definition = format!(
            r#"{{"family":"fargate","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256",
            "memory":"512","containerDefinitions":[{{"name":"m","image":"i:{revision}"}}]}}"#
        );
        let definition = json(&definition);
        world.apply(Command::RegisterTaskDefinition(Box::new(definition)));
    }
    let providers =
        r#"{"cluster":"default","capacityProviders":["FARGATE","FARGATE_SPOT"],"defaultCapacityProviderStrategy":[]}"#;
    world.apply(Command::PutClusterCapacityProviders(json(providers)));
    let service = r#"{"serviceName":"web","taskDefinition":"fargate:1","desiredCount":1,"launchType":"FARGATE",
        "networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"]}}}"#;
    world.apply(Command::CreateService(Box::new(json(service))));
    world
}

/// What UpdateService changes, and whether that starts a deployment.
// rule: 2.3/deploys-task-definition, 2.3/deploys-force, 2.3/deploys-platform-version, 2.3/deploys-network
// rule: 2.3/deploys-tag-options, 2.3/deploys-not-grace, 2.3/deploys-not-desired-count
// rule: 2.3/deploys-not-percents, 2.3/deploys-not-rebalancing
#[test]
fn what_starts_a_deployment_member_by_member() {
    for (change, starts) in [
        (r#"{}"#, false),
        (r#"{"taskDefinition":"fargate:1"}"#, false),
        (r#"{"taskDefinition":"fargate:2"}"#, true),
        (r#"{"forceNewDeployment":true}"#, true),
        (r#"{"platformVersion":"1.3.0"}"#, true),
        (r#"{"platformVersion":"LATEST"}"#, false),
        (r#"{"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"]}}}"#, false),
        (r#"{"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-2"]}}}"#, true),
        (
            r#"{"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"],"securityGroups":["sg-1"]}}}"#,
            true,
        ),
        (r#"{"propagateTags":"SERVICE"}"#, true),
        (r#"{"enableECSManagedTags":true}"#, true),
        (r#"{"healthCheckGracePeriodSeconds":60}"#, false),
        (r#"{"desiredCount":3}"#, false),
        (r#"{"deploymentConfiguration":{"minimumHealthyPercent":50,"maximumPercent":150}}"#, false),
        (r#"{"availabilityZoneRebalancing":"DISABLED"}"#, false),
    ] {
        let mut world = fargate_service();
        let first = of_web(&world).deployments[0].id().to_owned();
        let mut request: drydock_proto::ecs::UpdateServiceRequest = json(change);
        request.service = Some("web".to_owned());
        world.apply(Command::UpdateService(Box::new(request)));
        let started = of_web(&world).deployments[0].id() != first;
        assert_eq!(started, starts, "{change}");
    }
}

// rule: 2.3/deploys-capacity-provider
#[test]
fn another_strategy_starts_a_deployment_by_force_and_the_same_one_none() {
    let mut world = fargate_service();
    let update = |world: &mut World, change: &str| {
        let before = of_web(world).deployments[0].id().to_owned();
        let mut request: ecs::UpdateServiceRequest = json(change);
        request.service = Some("web".to_owned());
        let outcome = world.try_apply(Command::UpdateService(Box::new(request)));
        match outcome.refused() {
            Some(error) => error.to_string(),
            None if of_web(world).deployments[0].id() == before => "none".to_owned(),
            None => {
                let deployment = of_web(world).deployments.remove(0);
                let strategy = deployment.capacity_provider_strategy.iter();
                let items = strategy.map(|item| format!("{} {}", item.capacity_provider(), item.weight()));
                items.collect::<Vec<_>>().join(", ")
            }
        }
    };
    let spot = r#""capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1}]"#;
    let both = r#""capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1},
        {"capacityProvider":"FARGATE","weight":3}]"#;
    let refused = "must force a new deployment";
    assert!(update(&mut world, &format!("{{{spot}}}")).contains(refused), "from a launch type");
    assert_eq!(update(&mut world, &format!(r#"{{{spot},"forceNewDeployment":true}}"#)), "FARGATE_SPOT 1");
    assert_eq!(update(&mut world, &format!("{{{spot}}}")), "none");
    assert!(update(&mut world, &format!("{{{both}}}")).contains(refused), "from another strategy");
    let both = format!(r#"{{{both},"forceNewDeployment":true}}"#);
    assert_eq!(update(&mut world, &both), "FARGATE_SPOT 1, FARGATE 3");
    assert_eq!(update(&mut world, r#"{"capacityProviderStrategy":[],"forceNewDeployment":true}"#), "");
}
