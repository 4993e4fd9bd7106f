//! Subnets: which zone each is in, and what that means for where tasks go (ecs-semantics §2.4, §2.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use drydock_model::capacity::Serves;
use drydock_model::error::EcsError;
use drydock_proto::ecs;
use drydock_state::command::{Placement, RunTask};
use drydock_state::query::agent;
use drydock_state::row::{Names, TaskRow};
use drydock_state::{Command, Outcome, State};
use expect_test::{Expect, expect};
use support::{PINNED_IMAGE, World};

/// Host after host as `NAME@ZONE`, each with 4 vCPU, for EC2 and Fargate; `vpc` runs on both.
fn world_of(instances: &str) -> World {
    let mut world = World::new();
    join(&mut world, instances);
    let mut definition = ecs::RegisterTaskDefinitionRequest {
        family: Some("vpc".to_owned()),
        cpu: Some("256".to_owned()),
        memory: Some("512".to_owned()),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some(PINNED_IMAGE.to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    definition.set_network_mode(ecs::NetworkMode::Awsvpc);
    let fargate = [ecs::Compatibility::Ec2, ecs::Compatibility::Fargate];
    definition.requires_compatibilities = fargate.map(Into::into).to_vec();
    assert!(matches!(world.apply(Command::RegisterTaskDefinition(Box::new(definition))), Outcome::Definition(_)));
    world
}

fn join(world: &mut World, instances: &str) {
    for word in instances.split_whitespace() {
        let (name, zone) = word.split_once('@').unwrap();
        world.register_host(name, zone, 4096, true, (Serves::Both, ""));
    }
}

fn network(subnets: &str) -> Option<ecs::NetworkConfiguration> {
    let subnets = subnets.split_whitespace().map(|name| format!("subnet-{name}")).collect();
    let vpc = ecs::AwsVpcConfiguration { subnets, ..Default::default() };
    Some(ecs::NetworkConfiguration { awsvpc_configuration: Some(vpc) })
}

fn request(count: i32, subnets: &str, launch_type: ecs::LaunchType) -> ecs::RunTaskRequest {
    let mut request = ecs::RunTaskRequest {
        task_definition: Some("vpc".to_owned()),
        count: Some(count),
        network_configuration: network(subnets),
        ..Default::default()
    };
    request.set_launch_type(launch_type);
    request
}

/// Each task as `instance in subnet`, then the failures.
fn show(world: &World, answer: Result<Outcome, EcsError>) -> String {
    let (tasks, failures) = match answer {
        Ok(Outcome::Tasks(tasks, failures)) => (tasks, failures),
        Ok(Outcome::Refused(error)) | Err(error) => return error.to_string(),
        Ok(other) => return format!("{other:?}"),
    };
    let mut out: Vec<String> = tasks.iter().map(|task| at(world, task)).collect();
    out.sort();
    out.extend(failures.iter().map(|failure| {
        let id = failure.arn.as_deref().unwrap_or("-").rsplit('/').next().unwrap();
        let name = u128::from_str_radix(id, 16).map_or(id.to_owned(), |id| world.instance_name(id));
        format!("{name}: {} {}", failure.reason(), failure.detail())
    }));
    out.join(", ")
}

fn at(world: &World, task: &TaskRow) -> String {
    let subnet = task.attachments.first().and_then(|one| one.subnet()).unwrap_or("nowhere");
    format!("{} in {subnet}", world.instance_name(task.instance.unwrap()))
}

fn described(strict: bool, subnets: &[(&str, &str)]) -> Names {
    let subnets = subnets.iter().map(|(id, zone)| ((*id).into(), (*zone).into())).collect();
    Names { strict, subnets, ..Names::default() }
}

fn put(world: &mut World, names: Names) {
    assert_eq!(world.apply(Command::PutNames(Box::new(names))), Outcome::Done);
}

/// Runs one task after the other: `ec2|fargate COUNT SUBNETS`, or `join INSTANCES`, or `describe SUBNET=ZONE`.
fn check(instances: &str, script: &str, expected: Expect) {
    let mut world = world_of(instances);
    let mut out = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap();
        let shown = match verb {
            "join" => {
                join(&mut world, rest);
                continue;
            }
            "describe" => {
                let (id, zone) = rest.split_once('=').unwrap();
                put(&mut world, described(false, &[(&format!("subnet-{id}"), zone)]));
                continue;
            }
            _ => {
                let (count, subnets) = rest.split_once(' ').unwrap();
                let launch = if verb == "ec2" { ecs::LaunchType::Ec2 } else { ecs::LaunchType::Fargate };
                let answer = world.run_task(request(count.parse().unwrap(), subnets, launch));
                show(&world, answer)
            }
        };
        out += &format!("{line}\n    {shown}\n");
    }
    let again = State::import(world.state.export()).unwrap();
    assert!(again == world.state, "a snapshot keeps all of it");
    expected.assert_eq(&out);
}

/// One after the other gets the zone with the fewest, and keeps it.
// rule: 2.4/failure-location
#[test]
fn a_subnet_that_nobody_described_gets_a_zone_of_its_own() {
    check(
        "1@a 2@b 3@c",
        "ec2 1 x
         ec2 1 y
         ec2 1 z
         ec2 1 more
         ec2 2 x
         ec2 1 y x
         join 4@d
         ec2 1 z
         ec2 1 new",
        expect![[r#"
            ec2 1 x
                1 in subnet-x
            ec2 1 y
                2 in subnet-y
            ec2 1 z
                3 in subnet-z
            ec2 1 more
                1 in subnet-more
            ec2 2 x
                1 in subnet-x, 1 in subnet-x
            ec2 1 y x
                2 in subnet-y
            ec2 1 z
                3 in subnet-z
            ec2 1 new
                4 in subnet-new
        "#]],
    );
}

// rule: 2.4/failure-location
#[test]
fn an_instance_of_another_zone_refuses_with_location() {
    check(
        "1@a 2@b",
        "describe here=b
         ec2 1 here
         describe here=c
         ec2 1 here
         fargate 1 here
         describe other=a
         ec2 1 here",
        expect![[r#"
            ec2 1 here
                2 in subnet-here
            ec2 1 here
                1: LOCATION the container instance is in a, 2: LOCATION the container instance is in b
            fargate 1 here
                -: Capacity is unavailable at this time. Please try again later or in a different availability zone 
            ec2 1 here
                2 in subnet-here
        "#]],
    );
}

/// Two subnets in one zone: the first of the request; spread goes over the zones of the subnets alone.
#[test]
fn a_task_is_in_the_first_of_its_subnets_in_its_instance_s_zone() {
    check(
        "1@a 2@b 3@c",
        "fargate 4 x y
         fargate 1 x y more
         ec2 2 more y",
        expect![[r#"
            fargate 4 x y
                1 in subnet-x, 1 in subnet-x, 2 in subnet-y, 2 in subnet-y
            fargate 1 x y more
                3 in subnet-more
            ec2 2 more y
                2 in subnet-y, 3 in subnet-more
        "#]],
    );
}

#[test]
fn an_agent_is_told_the_subnet_that_its_task_is_in() {
    let mut world = world_of("1@a 2@b");
    let answer = world.run_task(request(2, "x y", ecs::LaunchType::Fargate)).unwrap();
    let Outcome::Tasks(tasks, _) = answer else { panic!("{answer:?}") };
    let told = |task: &TaskRow| {
        let assigned = agent::assigned_task(&world.state, task).unwrap();
        assigned.network_configuration.unwrap().awsvpc_configuration.unwrap().subnets
    };
    let mut all: Vec<Vec<String>> = tasks.iter().map(|task| told(task)).collect();
    all.sort();
    assert_eq!(all, [["subnet-x"], ["subnet-y"]]);
}

/// What the leader decided is checked when it is applied: the zone of a subnet may have changed in between.
#[test]
fn a_placement_that_is_out_of_reach_by_now_is_decided_anew() {
    let mut world = world_of("1@a 2@b");
    put(&mut world, described(false, &[("subnet-x", "b")]));
    let id = world.state.instance_by_token(world.cluster(), "1").unwrap().key.id;
    let run = RunTask { request: request(1, "x", ecs::LaunchType::Ec2), placements: vec![Placement::On(id)] };
    assert_eq!(world.apply(Command::RunTask(Box::new(run))), Outcome::Rebind(vec![id]));
    let start = ecs::StartTaskRequest {
        task_definition: Some("vpc".to_owned()),
        container_instances: vec![format!("{id:032x}")],
        network_configuration: network("x"),
        ..Default::default()
    };
    let answer = world.apply(Command::StartTask(Box::new(start)));
    assert_eq!(show(&world, Ok(answer)), "1: LOCATION ");
}

#[test]
fn a_service_s_tasks_go_to_the_zones_of_its_subnets() {
    let mut world = world_of("1@a 2@b 3@c");
    put(&mut world, described(false, &[("subnet-x", "b"), ("subnet-y", "c"), ("subnet-far", "z")]));
    let service = |name: &str, subnets: &str| ecs::CreateServiceRequest {
        service_name: Some(name.to_owned()),
        task_definition: Some("vpc".to_owned()),
        desired_count: Some(4),
        network_configuration: network(subnets),
        ..Default::default()
    };
    world.apply(Command::CreateService(Box::new(service("web", "x y"))));
    world.apply(Command::CreateService(Box::new(service("far", "far"))));
    world.settle(|_, _, _| {});
    let mut tasks: Vec<String> = world.live("web").iter().map(|task| at(&world, task)).collect();
    tasks.sort();
    assert_eq!(tasks, ["2 in subnet-x", "2 in subnet-x", "3 in subnet-y", "3 in subnet-y"]);
    assert_eq!(world.live("far"), []);
    let said = world.events("far").join("\n");
    assert!(said.contains("encountered error \"LOCATION\""), "{said}");
}

#[test]
fn strict_takes_what_is_described_alone() {
    let mut world = world_of("1@a");
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let names = Names {
        security_groups: [std::sync::Arc::from("sg-1")].into(),
        roles: [std::sync::Arc::from(role("web"))].into(),
        ..described(true, &[("subnet-x", "a")])
    };
    put(&mut world, names);
    let mut run = |subnets: &str, group: &str, role: Option<String>| {
        let mut request = request(1, subnets, ecs::LaunchType::Ec2);
        let vpc = request.network_configuration.as_mut().unwrap().awsvpc_configuration.as_mut().unwrap();
        vpc.security_groups = group.split_whitespace().map(str::to_owned).collect();
        request.overrides = Some(ecs::TaskOverride { task_role_arn: role, ..Default::default() });
        let answer = world.run_task(request);
        show(&world, answer)
    };
    let found = [
        run("x", "sg-1", Some(role("web"))),
        run("x", "", Some("web".to_owned())),
        run("x y", "", None),
        run("x", "sg-2", None),
        run("x", "", Some(role("other"))),
    ];
    expect![[r#"
        1 in subnet-x
        1 in subnet-x
        InvalidParameterException: Error retrieving subnet information for [subnet-x, subnet-y]: The subnet ID 'subnet-y' does not exist (ErrorCode: InvalidSubnetID.NotFound)
        InvalidParameterException: Error retrieving security group information for [sg-2]: The security group 'sg-2' does not exist (ErrorCode: InvalidGroup.NotFound)
        ClientException: ECS was unable to assume the role 'arn:aws:iam::123456789012:role/other' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.
    "#]]
    .assert_eq(&(found.join("\n") + "\n"));
    let mut register = |role: &str| {
        let container = ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some("image".to_owned()),
            memory: Some(6),
            ..Default::default()
        };
        let request = ecs::RegisterTaskDefinitionRequest {
            family: Some("roles".to_owned()),
            execution_role_arn: Some(role.to_owned()),
            container_definitions: vec![container],
            ..Default::default()
        };
        match world.try_apply(Command::RegisterTaskDefinition(Box::new(request))) {
            Outcome::Refused(error) => error.to_string(),
            _ => "taken".to_owned(),
        }
    };
    assert_eq!(
        [register(&role("web")), register(""), register("other")],
        ["taken", "taken", "ClientException: Role is not valid"]
    );
}

#[test]
fn what_isn_t_well_formed_is_described_by_nobody() {
    let mut world = World::new();
    let table: [(Names, &str); 3] = [
        (described(false, &[("x", "a")]), "\"x\" isn't the id of a subnet: subnet-…"),
        (
            described(false, &[("subnet-x", "a zone")]),
            "\"a zone\", where subnet-x is, isn't the name of an Availability Zone.",
        ),
        (
            Names { roles: [std::sync::Arc::from("web")].into(), ..Names::default() },
            "\"web\" isn't the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME",
        ),
    ];
    for (names, said) in table {
        let outcome = world.try_apply(Command::PutNames(Box::new(names)));
        assert_eq!(outcome.refused().map(|error| error.message.as_str()), Some(said));
        assert_eq!(*world.state.names(), Names::default());
    }
}
