//! Where tasks go, and what is said where they can't (ecs-semantics §2.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use std::collections::BTreeMap;

use drydock_model::status::TaskStatus;
use drydock_proto::ecs;
use drydock_state::{Command, Outcome};
use expect_test::{Expect, expect};
use support::{PINNED_IMAGE, World};

fn run(count: i32) -> ecs::RunTaskRequest {
    ecs::RunTaskRequest { task_definition: Some("app".to_owned()), count: Some(count), ..Default::default() }
}

/// Tasks by instance, and failures, of a RunTask.
fn show(world: &World, outcome: &Outcome) -> String {
    let Outcome::Tasks(tasks, failures) = outcome else { return format!("{outcome:?}") };
    let mut placed: BTreeMap<String, u32> = BTreeMap::new();
    for task in tasks {
        *placed.entry(world.instance_name(task.instance.unwrap())).or_default() += 1;
    }
    let mut out: Vec<String> = placed.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    for failure in failures {
        let id = failure.arn.as_deref().unwrap_or("-").rsplit('/').next().unwrap();
        let name = u128::from_str_radix(id, 16).map_or(id.to_owned(), |id| world.instance_name(id));
        let detail = failure.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        out.push(format!("{name} {}{detail}", failure.reason.as_deref().unwrap()));
    }
    out.join(", ")
}

/// `NAME@ZONE:CPU[:plain|:gone|:draining] …`
fn world_of(instances: &str) -> World {
    let mut world = World::new();
    for word in instances.split_whitespace() {
        let (name, rest) = word.split_once('@').unwrap();
        let parts: Vec<&str> = rest.split(':').collect();
        let key = world.register_instance(name, parts[0], parts[1].parse().unwrap(), parts.get(2) != Some(&"plain"));
        match parts.get(2) {
            Some(&"gone") => drop(world.apply(Command::InstanceDisconnected(key))),
            Some(&"draining") => {
                let mut request = ecs::UpdateContainerInstancesStateRequest {
                    container_instances: vec![key.to_string()],
                    ..Default::default()
                };
                request.set_status(ecs::ContainerInstanceStatus::Draining);
                world.apply(Command::UpdateContainerInstancesState(request));
            }
            _ => {}
        }
    }
    world
}

fn check(instances: &str, requests: &[ecs::RunTaskRequest], expected: Expect) {
    let mut world = world_of(instances);
    let mut out = String::new();
    for request in requests {
        match world.run_task(request.clone()) {
            Ok(outcome) => out += &show(&world, &outcome),
            Err(error) => out += &error.to_string(),
        }
        out.push('\n');
    }
    expected.assert_eq(&out);
}

// rule: 2.3/replica-default-spread, 2.3/start-where-fewest
// rule: 2.4/spread-counts
#[test]
fn tasks_are_spread_over_zones_then_instances() {
    check(
        "1@a:4096 2@a:4096 3@b:4096",
        &[run(4)],
        expect![[r#"
        1:1, 2:1, 3:2
    "#]],
    );
    check(
        "1@a:4096 2@a:4096 3@b:4096 4@b:4096",
        &[run(4), run(4)],
        expect![[r#"
        1:1, 2:1, 3:1, 4:1
        1:1, 2:1, 3:1, 4:1
    "#]],
    );
    check(
        "1@a:256 2@a:512 3@b:4096",
        &[run(6)],
        expect![[r#"
        1:1, 2:2, 3:3
    "#]],
    );
}

// rule: 2.4/failures-are-answers, 2.4/agent-disconnected, 2.2/text-no-instances
// rule: 2.4/failure-reasons, 2.4/agent-disconnected, 2.4/failures-are-answers
#[test]
fn what_has_no_place_is_a_failure() {
    check(
        "1@a:512",
        &[run(2), run(1)],
        expect![[r#"
            1:2
            1 RESOURCE:CPU (256 CPU units needed, 0 left)
        "#]],
    );
    check(
        "1@a:256 2@b:256",
        &[run(4)],
        expect![[r#"
            1:1, 2:1, 1 RESOURCE:CPU (256 CPU units needed, 0 left), 2 RESOURCE:CPU (256 CPU units needed, 0 left)
        "#]],
    );
    check(
        "1@a:4096:gone 2@a:4096:draining",
        &[run(1)],
        expect![[r#"
        1 AGENT
    "#]],
    );
    check(
        "1@a:4096:draining",
        &[run(1)],
        expect![[r#"
        InvalidParameterException: No Container Instances were found in your cluster.
    "#]],
    );
    check(
        "",
        &[run(1)],
        expect![[r#"
        InvalidParameterException: No Container Instances were found in your cluster.
    "#]],
    );
}

// rule: 2.4/failures-are-answers
#[test]
fn a_full_fargate_is_a_failure_without_an_instance() {
    let mut world = World::new();
    let mut request = run(2);
    world.apply(Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
        family: Some("app".to_owned()),
        cpu: Some("256".to_owned()),
        memory: Some("512".to_owned()),
        network_mode: Some(ecs::NetworkMode::Awsvpc.into()),
        requires_compatibilities: vec![ecs::Compatibility::Fargate.into()],
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some(PINNED_IMAGE.to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    })));
    request.set_launch_type(ecs::LaunchType::Fargate);
    request.network_configuration = Some(ecs::NetworkConfiguration {
        awsvpc_configuration: Some(ecs::AwsVpcConfiguration {
            subnets: vec!["subnet-1".to_owned()],
            ..Default::default()
        }),
    });
    let full = world.run_task(request.clone()).unwrap();
    let full = show(&world, &full);
    world.register_instance("1", "a", 512, true);
    let placed = world.run_task(request).unwrap();
    expect![[r#"
        - Capacity is unavailable at this time. Please try again later or in a different availability zone, - Capacity is unavailable at this time. Please try again later or in a different availability zone
        1:2
    "#]].assert_eq(&format!("{full}\n{}\n", show(&world, &placed)));
}

// rule: 2.2/client-token-conflict, 2.2/text-cluster-not-found, 2.2/text-definition-not-found
#[test]
fn a_token_gives_the_same_answer_and_a_wrong_request_ecs_exception() {
    let token = |count, token: &str| ecs::RunTaskRequest { client_token: Some(token.to_owned()), ..run(count) };
    let unknown = ecs::RunTaskRequest { cluster: Some("nowhere".to_owned()), ..run(1) };
    let nothing = ecs::RunTaskRequest { task_definition: Some("nothing".to_owned()), ..run(1) };
    check(
        "1@a:256",
        &[token(1, "t"), token(1, "t"), token(2, "t"), run(11), unknown, nothing],
        expect![[r#"
            1:1
            1:1
            ConflictException: The RunTask request could not be processed due to conflicts with a previous request that had the same clientToken.
            InvalidParameterException: count must be between 1 and 10.
            ClusterNotFoundException: Cluster not found.
            ClientException: TaskDefinition not found.
        "#]],
    );
}

// rule: 2.4/failure-eni
#[test]
fn awsvpc_tasks_take_a_network_interface_each() {
    let mut world = World::new();
    world.interfaces = Some(1);
    world.register_instance("1", "a", 4096, true);
    let mut definition = ecs::RegisterTaskDefinitionRequest {
        family: Some("vpc".to_owned()),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some("image".to_owned()),
            memory: Some(64),
            ..Default::default()
        }],
        ..Default::default()
    };
    definition.set_network_mode(ecs::NetworkMode::Awsvpc);
    world.apply(Command::RegisterTaskDefinition(Box::new(definition)));
    let subnets = ecs::AwsVpcConfiguration { subnets: vec!["subnet-1".to_owned()], ..Default::default() };
    let network = ecs::NetworkConfiguration { awsvpc_configuration: Some(subnets) };
    let awsvpc = || ecs::RunTaskRequest {
        task_definition: Some("vpc".to_owned()),
        network_configuration: Some(network.clone()),
        ..Default::default()
    };
    let try_it = |world: &mut World, request| {
        let outcome = world.run_task(request).unwrap();
        (show(world, &outcome), outcome)
    };
    let (first, outcome) = try_it(&mut world, awsvpc());
    assert_eq!(first, "1:1");
    let (second, _) = try_it(&mut world, awsvpc());
    assert_eq!(second, "1 RESOURCE:ENI (1 network interface needed, 0 left)");
    // A task in another network mode needs none.
    assert_eq!(try_it(&mut world, run(1)).0, "1:1");
    let Outcome::Tasks(tasks, _) = outcome else { panic!("{outcome:?}") };
    world.report_one(tasks[0].key, TaskStatus::Stopped);
    assert_eq!(try_it(&mut world, awsvpc()).0, "1:1", "given back");
}

#[test]
fn ten_thousand_tasks_go_to_five_thousand_instances_evenly() {
    let mut world = World::new();
    support::limit_launches(&mut world, 5_000);
    for at in 0..5_000 {
        world.register_instance(&format!("i{at}"), ["a", "b", "c", "d"][at % 4], 1024, false);
    }
    for name in ["web", "api"] {
        world.create_service(name, 5_000, 100, 200);
    }
    world.settle(|_, _, _| {});
    let mut most = 0;
    for row in world.state.instances(world.cluster()) {
        let counts = world.state.instance_counts(row.key);
        most = most.max(counts.pending);
    }
    let zones = ["web", "api"].map(|name| {
        let mut zones: BTreeMap<String, u32> = BTreeMap::new();
        for task in world.live(name) {
            *zones.entry(task.availability_zone.unwrap().to_string()).or_default() += 1;
        }
        zones.into_values().collect::<Vec<u32>>()
    });
    assert_eq!(zones, [vec![1_250; 4], vec![1_250; 4]]);
    assert_eq!(most, 2, "one task of each service on each instance");
}

// rule: 2.4/attribute-failure
// rule: 2.4/attribute-failure, 2.4/requires-attributes
#[test]
fn a_missing_attribute_is_named() {
    let mut world = world_of("1@a:4096:plain");
    world.register_definition(true, 256, 512);
    let outcome = world.run_task(run(1)).unwrap();
    expect!["1 ATTRIBUTE (missing com.amazonaws.ecs.capability.docker-remote-api.1.24, ecs.capability.container-health-check)"]
        .assert_eq(&show(&world, &outcome));
}

// rule: 2.4/spread-old-revisions
#[test]
fn tasks_of_the_old_revision_count_for_the_spread() {
    // Which zone is left free, and where a task goes among equals, follows from the log's place: many are tried.
    for entries in 0..20 {
        let mut world = world_of("1@a:4096 2@b:4096 3@c:4096");
        for _ in 0..entries {
            world.apply(Command::NewEpoch);
        }
        world.create_service("web", 2, 100, 150);
        world.settle(|_, _, _| {});
        let zones = |world: &World| -> Vec<String> {
            world.live("web").iter().map(|task| task.availability_zone.clone().unwrap().to_string()).collect()
        };
        let old = zones(&world);
        let running: Vec<_> = world.live("web").iter().map(|task| task.key).collect();
        running.into_iter().for_each(|task| world.report_one(task, TaskStatus::Running));
        world.run_for(40_000);
        world.update_service("web", |request| request.force_new_deployment = Some(true));
        world.settle(|_, _, _| {});
        let all = zones(&world);
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!((old.len(), all.len(), distinct.len()), (2, 3, 3), "{old:?}, then {all:?}");
    }
}
