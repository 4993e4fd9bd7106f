//! Fargate in a cluster that no agent has joined: the hosts of another one run its tasks (design §5).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests read better so")]

mod support;

use drydock_model::capacity::Serves;
use drydock_model::status::{DesiredStatus, TaskStatus};
use drydock_proto::ecs;
use drydock_state::query::agent;
use drydock_state::row::TaskRow;
use drydock_state::{Command, Outcome, State};
use support::laws::check_laws;
use support::{PINNED_IMAGE, World};

const NO_ROOM: &str =
    "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// The cluster `app`, which no agent has joined, beside `default`.
fn world() -> World {
    let mut world = World::new();
    create(&mut world, "app");
    let mut definition = ecs::RegisterTaskDefinitionRequest {
        family: Some("app".to_owned()),
        cpu: Some("256".to_owned()),
        memory: Some("512".to_owned()),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some(PINNED_IMAGE.to_owned()),
            ..Default::default()
        }],
        requires_compatibilities: vec![ecs::Compatibility::Fargate.into()],
        ..Default::default()
    };
    definition.set_network_mode(ecs::NetworkMode::Awsvpc);
    world.apply(Command::RegisterTaskDefinition(Box::new(definition)));
    world
}

fn create(world: &mut World, name: &str) {
    let request = ecs::CreateClusterRequest { cluster_name: Some(name.to_owned()), ..Default::default() };
    world.apply(Command::CreateCluster(Box::new(request)));
}

fn network() -> Option<ecs::NetworkConfiguration> {
    let subnets = ["subnet-1", "subnet-2"].map(str::to_owned).to_vec();
    let vpc = ecs::AwsVpcConfiguration { subnets, ..Default::default() };
    Some(ecs::NetworkConfiguration { awsvpc_configuration: Some(vpc) })
}

fn run(world: &mut World, cluster: &str, count: i32) -> (Vec<TaskRow>, Vec<String>) {
    let mut request = ecs::RunTaskRequest {
        cluster: Some(cluster.to_owned()),
        task_definition: Some("app".to_owned()),
        count: Some(count),
        network_configuration: network(),
        ..Default::default()
    };
    request.set_launch_type(ecs::LaunchType::Fargate);
    match world.run_task(request).unwrap() {
        Outcome::Tasks(tasks, failures) => (
            tasks.iter().map(|task| (**task).clone()).collect(),
            failures.iter().map(|failure| failure.reason().to_owned()).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

fn serve(world: &mut World, cluster: &str, desired: i32) {
    let mut request = ecs::CreateServiceRequest {
        cluster: Some(cluster.to_owned()),
        service_name: Some("web".to_owned()),
        task_definition: Some("app".to_owned()),
        desired_count: Some(desired),
        network_configuration: network(),
        ..Default::default()
    };
    request.set_launch_type(ecs::LaunchType::Fargate);
    world.apply(Command::CreateService(Box::new(request)));
    world.settle(check_laws);
}

/// Live tasks of a cluster's service on each host.
fn on_hosts(world: &World, cluster: &str) -> String {
    let scope = world.state.cluster(world.cluster()).unwrap().scope;
    let id = world.state.cluster_by_name(scope, cluster).unwrap().id;
    let key = world.state.service_by_name(id, "web").unwrap().key;
    let mut hosts: Vec<String> =
        world.state.live_tasks_of(key).map(|task| world.instance_name(task.instance.unwrap())).collect();
    hosts.sort();
    hosts.join(" ")
}

#[test]
fn a_cluster_without_hosts_has_those_of_its_account() {
    let mut world = world();
    assert_eq!(run(&mut world, "app", 1), (Vec::new(), vec![NO_ROOM.to_owned()]));
    let host = world.register_host("1", "a", 512, true, (Serves::Both, ""));
    let (tasks, failures) = run(&mut world, "app", 3);
    assert_eq!((tasks.len(), failures), (2, vec![NO_ROOM.to_owned()]), "two have room on the host");
    for task in &tasks {
        assert_ne!(task.key.cluster, host.cluster);
        assert_eq!(task.instance_key(), Some(host));
    }
    assert_eq!(world.state.live_tasks_on(host).count(), 2);
    assert_eq!(world.state.instance_counts(host).total(), 0, "nobody sees them there");
    assert_eq!(world.state.cluster_counts(tasks[0].key.cluster).tasks.pending, 2);

    // The host's agent is told of them by the names of their own cluster, and what it says of them is taken.
    let manifest = agent::manifest(&world.state, host).unwrap();
    assert!(manifest.tasks.iter().all(|task| task.cluster == "app" && task.task_arn.contains(":task/app/")));
    for task in &tasks {
        world.report_one(task.key, TaskStatus::Running);
    }
    assert_eq!(world.state.cluster_counts(tasks[0].key.cluster).tasks.running, 2);
    let again = State::import(world.state.export()).unwrap();
    assert!(again == world.state, "a snapshot keeps where they are");

    // What is given back is there for others.
    world.report_one(tasks[0].key, TaskStatus::Stopped);
    assert_eq!(run(&mut world, "default", 2).0.len(), 1);
}

/// Tasks of the same name in two clusters are spread each for itself.
#[test]
fn services_of_the_same_name_are_spread_apart() {
    let mut world = world();
    for (name, zone) in [("1", "a"), ("2", "b")] {
        world.register_host(name, zone, 4096, true, (Serves::Both, ""));
    }
    serve(&mut world, "default", 2);
    serve(&mut world, "app", 4);
    assert_eq!([on_hosts(&world, "default"), on_hosts(&world, "app")], ["1 2", "1 1 2 2"]);
}

#[test]
fn hosts_of_its_own_come_first() {
    let mut world = world();
    world.register_host("1", "a", 4096, true, (Serves::Both, ""));
    let before = run(&mut world, "app", 1).0.remove(0);
    world.joined = "app";
    let key = world.register_host("2", "a", 4096, true, (Serves::Fargate, ""));
    let after = run(&mut world, "app", 1).0.remove(0);
    assert_eq!((after.instance_key(), after.hosted_by), (Some(key), None));
    assert_eq!(world.state.task(before.key).unwrap().instance_key(), before.instance_key(), "what runs, runs on");
    // Away, it takes none.
    world.apply(Command::InstanceDisconnected(key));
    assert_eq!(run(&mut world, "app", 1).0.remove(0).instance_key(), before.instance_key());
}

/// The host is lost: the tasks end, and their service has new ones elsewhere.
#[test]
fn a_host_that_is_lost_loses_its_guests() {
    let mut world = world();
    let lost = world.register_host("1", "a", 4096, true, (Serves::Both, ""));
    serve(&mut world, "app", 2);
    assert_eq!(on_hosts(&world, "app"), "1 1");
    world.register_host("2", "a", 4096, true, (Serves::Both, ""));
    let tasks: Vec<TaskRow> = world.state.live_tasks_on(lost).map(|task| (**task).clone()).collect();
    for task in &tasks {
        world.report_one(task.key, TaskStatus::Running);
    }
    world.apply(Command::InstanceDisconnected(lost));
    world.run_for(10 * 60_000);
    assert_eq!(on_hosts(&world, "app"), "2 2");
    for task in tasks {
        let row = world.state.task(task.key).unwrap();
        assert_eq!((row.last_status, row.desired_status), (TaskStatus::Stopped, DesiredStatus::Stopped));
    }
    world.settle(check_laws);
}
