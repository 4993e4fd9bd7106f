//! Placement constraints and strategies, and a naive oracle for both (ecs-semantics §2.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use std::collections::BTreeMap;

use drydock_model::query::Expression;
use drydock_model::status::{InstanceStatus, TaskStatus};
use drydock_proto::ecs;
use drydock_reconcile::command_for;
use drydock_reconcile::place::Strategy as Ranking;
use drydock_state::command::RunTask;
use drydock_state::row::InstanceRow;
use drydock_state::{Command, InstanceSubjects, Outcome};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use support::{PINNED_IMAGE, World};

/// `NAME@ZONE:CPU[:ATTRIBUTE=VALUE] …`; memory is twice the CPU.
fn world_of(instances: &str) -> World {
    let mut world = World::new();
    for word in instances.split_whitespace() {
        let (name, rest) = word.split_once('@').unwrap();
        let parts: Vec<&str> = rest.split(':').collect();
        let key = world.register_instance(name, parts[0], parts[1].parse().unwrap(), true);
        for attribute in &parts[2..] {
            let (name, value) = attribute.split_once('=').unwrap();
            let attribute = ecs::Attribute {
                name: Some(name.to_owned()),
                value: Some(value.to_owned()),
                target_type: Some(ecs::TargetType::ContainerInstance.into()),
                target_id: Some(key.to_string()),
            };
            let attributes = vec![attribute];
            world.apply(Command::PutAttributes(ecs::PutAttributesRequest { cluster: None, attributes }));
        }
    }
    world
}

/// `random`, `spread FIELD`, `binpack FIELD`, with commas between.
fn strategies(text: &str) -> Vec<ecs::PlacementStrategy> {
    let one = |text: &str| {
        let (kind, field) = text.split_once(' ').map_or((text, None), |(kind, field)| (kind, Some(field.to_owned())));
        let mut strategy = ecs::PlacementStrategy { field, ..Default::default() };
        strategy.set_type(match kind {
            "random" => ecs::PlacementStrategyType::Random,
            "spread" => ecs::PlacementStrategyType::Spread,
            _ => ecs::PlacementStrategyType::Binpack,
        });
        strategy
    };
    text.split(", ").filter(|part| !part.is_empty()).map(one).collect()
}

/// `distinctInstance`, or an expression, with semicolons between.
fn constraints(text: &str) -> Vec<ecs::PlacementConstraint> {
    let one = |text: &str| {
        let mut constraint = ecs::PlacementConstraint::default();
        if text == "distinctInstance" {
            constraint.set_type(ecs::PlacementConstraintType::DistinctInstance);
        } else {
            constraint.set_type(ecs::PlacementConstraintType::MemberOf);
            constraint.expression = Some(text.to_owned());
        }
        constraint
    };
    text.split("; ").filter(|part| !part.is_empty()).map(one).collect()
}

fn run(count: i32, constrained: &str, ranked: &str) -> ecs::RunTaskRequest {
    ecs::RunTaskRequest {
        task_definition: Some("app".to_owned()),
        count: Some(count),
        placement_constraints: constraints(constrained),
        placement_strategy: strategies(ranked),
        ..Default::default()
    }
}

/// Tasks by instance, and failures.
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

// rule: 2.4/binpack, 2.4/strategies-best-effort
#[test]
fn binpack_takes_the_least_that_is_left() {
    check(
        "1@a:1024 2@b:512 3@c:768",
        &[run(2, "", "binpack cpu"), run(3, "", "binpack memory"), run(4, "", "binpack cpu")],
        expect![[r#"
            2:2
            3:3
            1:4
        "#]],
    );
}

// rule: 2.4/spread-fields, 2.4/spread-counts, 2.4/order
#[test]
fn spread_takes_the_fewest_of_the_group() {
    let other = ecs::RunTaskRequest { group: Some("other".to_owned()), ..run(4, "", "spread attribute:rack") };
    check(
        "1@a:4096:rack=x 2@a:4096:rack=x 3@b:4096:rack=y 4@b:4096",
        &[
            run(4, "", "spread instanceId"),
            run(4, "", "spread host"),
            other,
            run(6, "", "spread attribute:rack, spread instanceId"),
            run(3, "", "spread attribute:ecs.availability-zone, binpack memory"),
        ],
        expect![[r#"
            1:1, 2:1, 3:1, 4:1
            1:1, 2:1, 3:1, 4:1
            1:1, 2:1, 3:1, 4:1
            2:1, 3:2, 4:3
            2:3
        "#]],
    );
}

// rule: 2.4/random
#[test]
fn random_is_any() {
    let mut world = world_of("1@a:40960 2@a:40960 3@b:40960 4@c:40960");
    for _ in 0..20 {
        world.run_task(run(10, "", "random")).unwrap();
    }
    let counts: Vec<u32> =
        world.state.instances(world.cluster()).map(|r| world.state.instance_counts(r.key).pending).collect();
    assert!(counts.iter().all(|count| (20..=90).contains(count)), "{counts:?}");
}

// rule: 2.4/distinct-instance, 2.4/constraint-no-match
#[test]
fn distinct_instances() {
    let other = ecs::RunTaskRequest { group: Some("other".to_owned()), ..run(2, "distinctInstance", "binpack cpu") };
    check(
        "1@a:4096 2@a:4096 3@b:4096",
        &[run(2, "distinctInstance", ""), run(2, "distinctInstance", "binpack cpu"), other, run(1, "", "")],
        expect![[r#"
            1:1, 3:1
            2:1, 1 DistinctInstance placement constraint unsatisfied, 2 DistinctInstance placement constraint unsatisfied, 3 DistinctInstance placement constraint unsatisfied
            2:1, 3:1
            3:1
        "#]],
    );
    // Of a task that is told to stop the instance is free again.
    let mut world = world_of("1@a:4096");
    let Outcome::Tasks(tasks, _) = world.run_task(run(1, "distinctInstance", "")).unwrap() else { panic!() };
    let stop = ecs::StopTaskRequest { task: Some(tasks[0].key.to_string()), ..Default::default() };
    world.apply(Command::StopTask(stop));
    let again = world.run_task(run(1, "distinctInstance", "")).unwrap();
    assert_eq!(show(&world, &again), "1:1");
}

// rule: 2.4/member-of, 2.4/constraint-no-match, 2.4/failures-are-answers
#[test]
fn only_members() {
    check(
        "1@a:4096:stack=blue 2@b:4096:stack=green 3@b:512",
        &[
            run(2, "attribute:stack == blue", ""),
            run(2, "attribute:stack exists; attribute:ecs.availability-zone != a", ""),
            run(2, "task:group == family:app and attribute:stack =~ g.*", ""),
            run(1, "not (task:group == family:app)", ""),
            run(3, "attribute:stack !exists", ""),
            run(1, "attribute:stack == red", ""),
            run(1, "attribute:stack", ""),
        ],
        expect![[r#"
            1:2
            2:2
            2:2
            3:1
            3:1, 1 MemberOf placement constraint unsatisfied (attribute:stack !exists), 2 MemberOf placement constraint unsatisfied (attribute:stack !exists), 3 RESOURCE:CPU (256 CPU units needed, 0 left)
            1 MemberOf placement constraint unsatisfied (attribute:stack == red), 2 MemberOf placement constraint unsatisfied (attribute:stack == red), 3 RESOURCE:CPU (256 CPU units needed, 0 left)
            InvalidParameterException: Invalid expression: expected an operator but found the end at character 16.
        "#]],
    );
}

#[test]
fn constraints_of_the_task_definition() {
    let mut world = world_of("1@a:4096:stack=blue 2@b:4096");
    let mut constraint = ecs::TaskDefinitionPlacementConstraint {
        expression: Some("attribute:stack == blue".to_owned()),
        ..Default::default()
    };
    constraint.set_type(ecs::TaskDefinitionPlacementConstraintType::MemberOf);
    world.apply(Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
        family: Some("app".to_owned()),
        placement_constraints: vec![constraint],
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some(PINNED_IMAGE.to_owned()),
            memory: Some(128),
            ..Default::default()
        }],
        ..Default::default()
    })));
    let placed = world.run_task(run(3, "", "spread instanceId")).unwrap();
    assert_eq!(show(&world, &placed), "1:3");
    let ten = ["attribute:stack exists"; 10].join("; ");
    let error = world.run_task(run(1, &ten, "")).unwrap_err();
    assert_eq!(error.to_string(), "InvalidParameterException: There can be at most 10 placement constraints.");
    // StartTask doesn't look at them.
    let second = world.state.instances(world.cluster()).find(|row| &**row.attribute("name").unwrap() == "2").unwrap();
    let request = ecs::StartTaskRequest {
        task_definition: Some("app".to_owned()),
        container_instances: vec![second.key.to_string()],
        ..Default::default()
    };
    let started = world.apply(Command::StartTask(Box::new(request)));
    assert_eq!(show(&world, &started), "2:1");
}

// rule: 2.4/start-task-failures, 2.4/failure-reasons
#[test]
fn start_task_says_what_is_lacking() {
    let mut world = world_of("1@a:128 2@a:4096");
    let keys: Vec<_> = world.state.instances(world.cluster()).map(|row| row.key).collect();
    let drained = *keys.iter().find(|key| world.instance_name(key.id) == "2").unwrap();
    let mut drain = ecs::UpdateContainerInstancesStateRequest {
        container_instances: vec![drained.to_string()],
        ..Default::default()
    };
    drain.set_status(ecs::ContainerInstanceStatus::Draining);
    world.apply(Command::UpdateContainerInstancesState(drain));
    let mut instances: Vec<String> = keys.iter().map(ToString::to_string).collect();
    instances.sort_by_key(|key| world.instance_name(u128::from_str_radix(key, 16).unwrap()));
    instances.push("nowhere".to_owned());
    let request = ecs::StartTaskRequest {
        task_definition: Some("app".to_owned()),
        container_instances: instances,
        ..Default::default()
    };
    let outcome = world.apply(Command::StartTask(Box::new(request)));
    expect!["1 RESOURCE:CPU (256 CPU units needed, 128 left), 2 INACTIVE (the container instance is DRAINING), nowhere MISSING"].assert_eq(&show(&world, &outcome));
}

fn service(world: &mut World, desired: i32, constrained: &str, ranked: &str) {
    world.apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
        service_name: Some("web".to_owned()),
        task_definition: Some("app".to_owned()),
        desired_count: Some(desired),
        placement_constraints: constraints(constrained),
        placement_strategy: strategies(ranked),
        ..Default::default()
    })));
}

fn live(world: &World) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for task in world.live("web").iter().filter(|task| task.counts_for_placement()) {
        *counts.entry(world.instance_name(task.instance.unwrap())).or_default() += 1;
    }
    counts.iter().map(|(name, count)| format!("{name}:{count}")).collect::<Vec<_>>().join(" ")
}

/// Scales the service, from so many to so many, and says where tasks are before and after.
fn scale(instances: &str, ranked: &str, from: i32, to: i32) -> String {
    let mut world = world_of(instances);
    service(&mut world, from, "", ranked);
    world.settle(|_, _, _| {});
    let before = live(&world);
    let running: Vec<_> = world
        .live("web")
        .iter()
        .map(|task| support::Report {
            task: task.key,
            status: TaskStatus::Running,
            health: drydock_model::status::HealthStatus::Unknown,
            stop_code: None,
        })
        .collect();
    world.report(&running);
    world.now += 60_000;
    world.settle(|_, _, _| {});
    world.update_service("web", |request| request.desired_count = Some(to));
    world.settle(|_, _, _| {});
    format!("{before} → {}", live(&world))
}

// rule: 2.4/scale-in-binpack, 2.4/scale-in-spread, 2.3/replica-default-spread
#[test]
fn scale_in_follows_the_strategies() {
    let found: Vec<String> = [
        ("1@a:1024 2@b:1024 3@c:1024", "binpack cpu", 6, 3),
        ("1@a:1024 2@b:1024 3@c:1024", "binpack memory, spread instanceId", 6, 4),
        ("1@a:1024:rack=x 2@b:1024:rack=x 3@c:1024:rack=y", "spread attribute:rack", 8, 4),
        ("1@a:4096 2@a:4096 3@b:4096", "", 6, 3),
        ("1@a:4096 2@a:4096 3@b:4096", "spread instanceId", 6, 3),
    ]
    .into_iter()
    .map(|(instances, ranked, from, to)| format!("{ranked}: {}\n", scale(instances, ranked, from, to)))
    .collect();
    expect![[r#"
        binpack cpu: 1:4 3:2 → 1:3
        binpack memory, spread instanceId: 1:4 3:2 → 1:4
        spread attribute:rack: 1:2 2:2 3:4 → 1:1 2:1 3:2
        : 1:1 2:2 3:3 → 1:1 2:1 3:1
        spread instanceId: 1:2 2:2 3:2 → 1:1 2:1 3:1
    "#]]
    .assert_eq(&found.concat());
}

// rule: 2.3/deploys-not-placement
#[test]
fn placement_alone_starts_no_deployment() {
    let mut world = world_of("1@a:4096:stack=blue 2@b:4096");
    service(&mut world, 2, "", "");
    world.settle(|_, _, _| {});
    let deployments = |world: &World| world.state.deployments(world.service("web").key).count();
    assert_eq!((live(&world), deployments(&world)), ("1:1 2:1".to_owned(), 1));
    world.update_service("web", |request| {
        request.desired_count = Some(4);
        request.placement_constraints =
            Some(ecs::PlacementConstraintList { items: constraints("attribute:stack == blue") });
        request.set_availability_zone_rebalancing(ecs::AvailabilityZoneRebalancing::Disabled);
        request.placement_strategy = Some(ecs::PlacementStrategyList { items: strategies("binpack cpu") });
    });
    world.settle(|_, _, _| {});
    assert_eq!((live(&world), deployments(&world)), ("1:3 2:1".to_owned(), 1));
}

// rule: 2.3/event-no-instance
#[test]
fn a_service_says_which_constraint_no_instance_meets() {
    for (constrained, expected) in [
        ("attribute:stack == red", "encountered error \"MemberOf placement constraint unsatisfied.\"."),
        ("distinctInstance", "encountered error \"DistinctInstance placement constraint unsatisfied.\"."),
    ] {
        let mut world = world_of("1@a:4096:stack=blue");
        service(&mut world, 2, constrained, "");
        world.settle(|_, _, _| {});
        let key = world.service("web").key;
        let said = world.state.service_events(key).any(|event| event.message.ends_with(expected));
        assert!(said, "{constrained}: {:?}", world.state.service_events(key).collect::<Vec<_>>());
    }
}

// rule: 2.4/fargate-ignores-strategies
#[test]
fn fargate_has_neither_constraints_nor_strategies() {
    let mut world = World::new();
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
    for (constrained, ranked, what) in [("distinctInstance", "", "constraints"), ("", "random", "strategies")] {
        let mut request = run(1, constrained, ranked);
        request.set_launch_type(ecs::LaunchType::Fargate);
        let vpc = ecs::AwsVpcConfiguration { subnets: vec!["subnet-1".to_owned()], ..Default::default() };
        request.network_configuration = Some(ecs::NetworkConfiguration { awsvpc_configuration: Some(vpc) });
        let error = world.run_task(request).unwrap_err().to_string();
        let expected =
            format!("InvalidParameterException: Placement {what} are not supported with FARGATE launch type.");
        assert_eq!(error, expected);
    }
}

/// With more hosts than an attribute may have values in common, each is asked.
#[test]
fn attributes_of_one_host_alone() {
    let mut world = World::new();
    for at in 0..300 {
        world.register_instance(&format!("host-{at}"), "a", 512, true);
    }
    let placed = world.run_task(run(3, "attribute:name == host-17", "")).unwrap();
    assert_eq!(show(&world, &placed).split(", ").next(), Some("host-17:2"));
    let placed = world.run_task(run(2, "attribute:name in [host-5, host-7]", "spread attribute:name")).unwrap();
    assert_eq!(show(&world, &placed), "host-5:1, host-7:1");
}

#[derive(Debug, Clone)]
struct Step {
    revision: usize,
    group: usize,
    constrained: String,
    ranked: String,
    /// First a task is told to stop.
    stop: Option<usize>,
}

fn any_step() -> impl Strategy<Value = Step> {
    let strategy = prop::sample::select(
        &[
            "random",
            "spread instanceId",
            "spread host",
            "spread attribute:rack",
            "spread attribute:ecs.availability-zone",
            "binpack cpu",
            "binpack memory",
        ][..],
    );
    let constraint = prop::sample::select(
        &[
            "distinctInstance",
            "attribute:rack == x",
            "attribute:rack != x",
            "task:group == g0",
            "not task:group == g1",
            "attribute:name in [i0, i1, i2]",
            "runningTasksCount == 0 or attribute:rack exists",
        ][..],
    );
    let (stop, constraints) = (prop::option::weighted(0.2, 0..20_usize), prop::collection::vec(constraint, 0..2));
    (0..3_usize, 0..2_usize, constraints, prop::collection::vec(strategy, 0..4), stop).prop_map(
        |(revision, group, constraints, strategies, stop)| Step {
            revision,
            group,
            constrained: constraints.join("; "),
            ranked: strategies.join(", "),
            stop,
        },
    )
}

/// CPU units and MiB of the revisions of `app`.
const SIZES: [(u32, u32); 3] = [(256, 512), (128, 512), (256, 128)];

/// The instances that a naive oracle allows: all that pass the filters, then for each strategy the best of them.
fn oracle(world: &World, step: &Step) -> Vec<u128> {
    let (cpu, memory) = SIZES[step.revision];
    let group = format!("g{}", step.group);
    let of_group = |is: &dyn Fn(&InstanceRow) -> bool| {
        let tasks = world.state.all_tasks().filter(|task| *task.group == *group && task.counts_for_placement());
        tasks.filter(|task| is(world.state.instance(task.instance_key().unwrap()).unwrap())).count()
    };
    let fits = |row: &InstanceRow| {
        row.status == InstanceStatus::Active
            && row.agent_connected
            && row.remaining.cpu >= cpu
            && row.remaining.memory_mib >= memory
    };
    let meets = |row: &InstanceRow, constraint: &ecs::PlacementConstraint| match &constraint.expression {
        None => of_group(&|other| other.key == row.key) == 0,
        Some(text) => {
            Expression::parse(text).unwrap().holds(&InstanceSubjects { state: &world.state, row }) == Some(true)
        }
    };
    let constraints = constraints(&step.constrained);
    let mut left: Vec<&InstanceRow> = world
        .state
        .instances(world.cluster())
        .map(|row| &**row)
        .filter(|row| fits(row) && constraints.iter().all(|constraint| meets(row, constraint)))
        .collect();
    for ranking in Ranking::of(&strategies(&step.ranked)) {
        let rank = |row: &InstanceRow| match &ranking {
            Ranking::Random => 0,
            Ranking::SpreadInstance => of_group(&|other| other.key == row.key),
            Ranking::SpreadAttribute(name) => of_group(&|other| other.attribute(name) == row.attribute(name)),
            Ranking::BinpackCpu => usize::try_from(row.remaining.cpu).unwrap(),
            Ranking::BinpackMemory => usize::try_from(row.remaining.memory_mib).unwrap(),
        };
        if ranking == Ranking::Random {
            break;
        }
        let best = left.iter().map(|row| rank(row)).min();
        left.retain(|row| Some(rank(row)) == best);
    }
    left.into_iter().map(|row| row.key.id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// A task goes to one of the instances that a naive oracle allows, or fails where it allows none; the same seed
    /// decides the same.
    // rule: 2.4/order
    #[test]
    fn as_a_naive_oracle(
        instances in prop::collection::vec((0..3_usize, 0..3_usize, 1..6_u32, 0..8_usize), 0..10),
        steps in prop::collection::vec(any_step(), 1..25),
    ) {
        let words = instances.iter().enumerate().map(|(at, (zone, rack, size, _))| {
            let rack = ["", ":rack=x", ":rack=y"][*rack];
            format!("i{at}@{}:{}{rack}", ["a", "b", "c"][*zone], size * 256)
        });
        let mut world = world_of(&words.collect::<Vec<_>>().join(" "));
        for (cpu, memory) in &SIZES[1..] {
            world.register_definition(false, i32::try_from(*cpu).unwrap(), i32::try_from(*memory).unwrap());
        }
        let keys: Vec<_> = world.state.instances(world.cluster()).map(|row| row.key).collect();
        for key in keys.iter().zip(&instances).filter(|(_, instance)| instance.3 == 0).map(|(key, _)| key) {
            world.apply(Command::InstanceDisconnected(*key));
        }
        for step in &steps {
            if let Some(at) = step.stop {
                let task = world.state.all_tasks().nth(at).map(|task| task.key.to_string());
                if let Some(task) = task {
                    world.apply(Command::StopTask(ecs::StopTaskRequest { task: Some(task), ..Default::default() }));
                }
            }
            let request = ecs::RunTaskRequest {
                task_definition: Some(format!("app:{}", step.revision + 1)),
                group: Some(format!("g{}", step.group)),
                ..run(1, &step.constrained, &step.ranked)
            };
            let allowed = oracle(&world, step);
            let decide = || {
                let run = RunTask { request: request.clone(), placements: Vec::new() };
                command_for(&world.state, &world.scope, Command::RunTask(Box::new(run)), world.seed())
            };
            prop_assert_eq!(decide(), decide());
            match world.run_task(request.clone()) {
                Ok(Outcome::Tasks(tasks, failures)) => {
                    let placed: Vec<u128> = tasks.iter().filter_map(|task| task.instance).collect();
                    prop_assert_eq!(placed.is_empty(), allowed.is_empty(), "{:?}", step);
                    prop_assert!(placed.iter().all(|id| allowed.contains(id)), "{:?}: {:?} of {:?}", step, placed, allowed);
                    prop_assert_eq!(placed.is_empty(), !failures.is_empty());
                }
                other => prop_assert!(other.is_err() && allowed.is_empty(), "{:?}", other),
            }
        }
    }

    /// Tasks that are placed together are placed as one after the other: no instance above what it has, none twice where
    /// that is forbidden.
    // rule: 2.4/distinct-instance
    #[test]
    fn together_as_one_by_one(
        instances in prop::collection::vec((0..3_usize, 0..3_usize, 1..6_u32), 1..10),
        steps in prop::collection::vec(any_step(), 1..5),
        count in 2..10_i32,
    ) {
        let words = instances.iter().enumerate().map(|(at, (zone, rack, size))| {
            let rack = ["", ":rack=x", ":rack=y"][*rack];
            format!("i{at}@{}:{}{rack}", ["a", "b", "c"][*zone], size * 256)
        });
        let mut world = world_of(&words.collect::<Vec<_>>().join(" "));
        for (cpu, memory) in &SIZES[1..] {
            world.register_definition(false, i32::try_from(*cpu).unwrap(), i32::try_from(*memory).unwrap());
        }
        for step in &steps {
            let request = ecs::RunTaskRequest {
                task_definition: Some(format!("app:{}", step.revision + 1)),
                group: Some(format!("g{}", step.group)),
                ..run(count, &step.constrained, &step.ranked)
            };
            let run = RunTask { request, placements: Vec::new() };
            let command = command_for(&world.state, &world.scope, Command::RunTask(Box::new(run)), world.seed()).unwrap();
            let Command::RunTask(decided) = &command else { panic!() };
            // One by one, each against the state as the ones before have left it.
            let mut alone = World::new();
            std::mem::swap(&mut alone, &mut world);
            let mut one_by_one = alone;
            for placement in &decided.placements {
                let drydock_state::command::Placement::On(id) = placement else { break };
                prop_assert!(oracle(&one_by_one, step).contains(id), "{:?}", step);
                let request = ecs::RunTaskRequest { count: Some(1), ..decided.request.clone() };
                let one = RunTask { request, placements: vec![placement.clone()] };
                let outcome = one_by_one.apply(Command::RunTask(Box::new(one)));
                prop_assert!(matches!(outcome, Outcome::Tasks(..)), "{:?}", outcome);
            }
            world = one_by_one;
        }
    }
}
