//! Which services and which zones Availability Zone rebalancing is about, what its turns are called on the event bus, and
//! what outlives a leader (ecs-semantics §2.3, §2.6). The turns themselves are in `rebalancing.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use drydock_model::capacity::Serves;
use drydock_model::status::TaskStatus;
use drydock_proto::ecs::{self, AvailabilityZoneRebalancing as Rebalancing};
use drydock_state::row::Names;
use drydock_state::{Change, Command, Key};
use expect_test::expect;
use support::happening::all_do_as_told;
use support::laws::check_laws;
use support::script::check;
use support::{PINNED_IMAGE, World, percents};

// rule: 2.3/deploys-not-rebalancing
#[test]
fn switching_it_starts_no_deployment() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        rebalancing off
        instance 2@b
        wait 3600
        rebalancing on
        rebalancing off
        ",
        expect![[r#"
            instance 1@a
            service desired=2
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            rebalancing off
            instance 2@b
            wait 3600
            rebalancing on
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            rebalancing off
                c d1 @2 PENDING→STOPPED ServiceSchedulerInitiated
                “stopped AZ Rebalancing.”
        "#]],
    );
}

#[test]
fn another_leader_goes_on_with_it() {
    let mut world = uneven(&[("a", Serves::Both), ("b", Serves::Both)], |_| {});
    assert_eq!(world.live("web").len(), 6, "two of four are to move");
    world.apply(Command::NewEpoch);
    world.dirty = [Key::Service(world.service("web").key)].into();
    let before = world.events("web");
    world.settle(check_laws);
    assert_eq!(world.events("web"), before, "nothing is begun anew");
    come_to_rest(&mut world);
    assert_eq!(zones(&world), "2 in a, 2 in b");
}

/// The hosts of Fargate are in zones as well.
#[test]
fn tasks_on_fargate_are_rebalanced_too() {
    let mut world = uneven(&[("a", Serves::Fargate), ("b", Serves::Fargate), ("c", Serves::Fargate)], |request| {
        request.set_launch_type(ecs::LaunchType::Fargate);
        request.network_configuration = Some(ecs::NetworkConfiguration {
            awsvpc_configuration: Some(ecs::AwsVpcConfiguration {
                subnets: ["subnet-1", "subnet-2", "subnet-3"].map(str::to_owned).to_vec(),
                ..Default::default()
            }),
        });
    });
    come_to_rest(&mut world);
    // c joins when a and b have two each: which of them gives one up is a choice among equals.
    let found = zones(&world);
    assert!(["2 in a, 1 in b, 1 in c", "1 in a, 2 in b, 1 in c"].contains(&found.as_str()), "{found}");
}

/// An instance that could never hold the task makes no zone for it, and neither does one that serves others.
#[test]
fn only_zones_count_in_which_a_task_could_be() {
    let mut world = uneven(&[("a", Serves::Both)], |_| {});
    world.register_instance("small", "b", 128, true);
    world.register_host("host", "c", 4096, true, (Serves::Fargate, ""));
    world.run_for(600_000);
    assert_eq!(zones(&world), "4 in a");
    assert!(!world.events("web").iter().any(|text| text.contains("AZ")), "{:?}", world.events("web"));
}

// rule: 2.6/action-rebalancing
#[test]
fn each_turn_has_its_action() {
    let mut world = uneven(&[("a", Serves::Both)], |_| {});
    let mut actions = Vec::new();
    let act = |world: &mut World, actions: &mut Vec<String>| {
        let until = world.now + 120_000;
        world.advance_to(until, |step, before, after| {
            check_laws(step, before, after);
            actions.extend(step.plan.changes.iter().filter_map(|change| match change {
                Change::EmitServiceAction(emit) => Some(emit.name.clone()),
                _ => None,
            }));
        });
    };
    world.register_instance("b", "b", 4096, true);
    act(&mut world, &mut actions);
    world.update_service("web", |request| request.desired_count = Some(5));
    act(&mut world, &mut actions);
    for _ in 0..8 {
        all_do_as_told(&mut world);
        act(&mut world, &mut actions);
    }
    assert_eq!(zones(&world), "3 in a, 2 in b");
    let expected = [
        "SERVICE_REBALANCING_STARTED",
        "TASKS_STARTED",
        "SERVICE_REBALANCING_STOPPED",
        "SERVICE_STEADY_STATE",
        "SERVICE_REBALANCING_STARTED",
        "TASKS_STARTED",
        "TASKS_STOPPED",
        "SERVICE_REBALANCING_COMPLETED",
        "SERVICE_STEADY_STATE",
    ];
    assert_eq!(actions, expected);
}

// rule: 2.3/rebalancing-default
#[test]
fn it_is_enabled_unless_the_request_says_otherwise_or_the_service_may_not_have_it() {
    let daemon: fn(&mut ecs::CreateServiceRequest) = |request| {
        request.set_scheduling_strategy(ecs::SchedulingStrategy::Daemon);
        request.desired_count = None;
    };
    let random: fn(&mut ecs::CreateServiceRequest) = |request| {
        let mut random = ecs::PlacementStrategy::default();
        random.set_type(ecs::PlacementStrategyType::Random);
        request.placement_strategy = vec![random];
    };
    let full: fn(&mut ecs::CreateServiceRequest) = |request| request.deployment_configuration = Some(percents(50, 100));
    for (given, change, expected) in [
        (None, (|_| {}) as fn(&mut ecs::CreateServiceRequest), Ok(Rebalancing::Enabled)),
        (Some(Rebalancing::Enabled), |_| {}, Ok(Rebalancing::Enabled)),
        (Some(Rebalancing::Disabled), |_| {}, Ok(Rebalancing::Disabled)),
        (None, daemon, Ok(Rebalancing::Disabled)),
        (None, random, Ok(Rebalancing::Disabled)),
        (None, full, Ok(Rebalancing::Disabled)),
        (Some(Rebalancing::Enabled), daemon, Err("the DAEMON scheduling strategy")),
        (Some(Rebalancing::Enabled), full, Err("maximumPercent <= 100")),
    ] {
        let mut world = World::new();
        let mut request = ecs::CreateServiceRequest {
            service_name: Some("web".to_owned()),
            task_definition: Some("app".to_owned()),
            desired_count: Some(1),
            availability_zone_rebalancing: given.map(Into::into),
            ..Default::default()
        };
        change(&mut request);
        let outcome = world.try_apply(Command::CreateService(Box::new(request)));
        match expected {
            Ok(expected) => assert_eq!(world.service("web").document.availability_zone_rebalancing(), expected),
            Err(what) => {
                let said = outcome.refused().map(ToString::to_string).unwrap_or_default();
                assert!(said.ends_with(&format!("does not support {what}")), "{said}");
            }
        }
    }
}

// rule: 2.3/rebalancing-default
#[test]
fn an_update_keeps_it_and_may_not_take_away_what_it_needs() {
    let mut world = World::new();
    world.create_service("web", 1, 100, 200);
    let state = |world: &World| world.service("web").document.availability_zone_rebalancing();
    world.update_service("web", |request| request.desired_count = Some(2));
    assert_eq!(state(&world), Rebalancing::Enabled);
    let full = ecs::UpdateServiceRequest {
        service: Some("web".to_owned()),
        deployment_configuration: Some(percents(50, 100)),
        ..Default::default()
    };
    let refused = world.try_apply(Command::UpdateService(Box::new(full.clone())));
    let said = refused.refused().unwrap().to_string();
    assert_eq!(said, "InvalidParameterException: AvailabilityZoneRebalancing does not support maximumPercent <= 100");
    let mut both = full;
    both.set_availability_zone_rebalancing(Rebalancing::Disabled);
    world.apply(Command::UpdateService(Box::new(both)));
    world.update_service("web", |request| request.deployment_configuration = Some(percents(100, 200)));
    assert_eq!(state(&world), Rebalancing::Disabled, "nothing enables it again by itself");
}

/// Four tasks, all in the first zone, in steady state; then the instances of the others join.
fn uneven(hosts: &[(&str, Serves)], change: impl FnOnce(&mut ecs::CreateServiceRequest)) -> World {
    let mut world = World::new();
    let subnets = [("subnet-1", "a"), ("subnet-2", "b"), ("subnet-3", "c")];
    let subnets = subnets.map(|(id, zone)| (id.into(), zone.into())).into();
    world.apply(Command::PutNames(Box::new(Names { subnets, ..Names::default() })));
    let mut container =
        ecs::ContainerDefinition { name: Some("main".into()), image: Some(PINNED_IMAGE.into()), ..Default::default() };
    container.cpu = Some(256);
    world.apply(Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
        family: Some("app".into()),
        container_definitions: vec![container],
        cpu: Some("256".into()),
        memory: Some("512".into()),
        network_mode: Some(ecs::NetworkMode::Awsvpc.into()),
        requires_compatibilities: vec![ecs::Compatibility::Fargate.into()],
        ..Default::default()
    })));
    let fargate = hosts[0].1 == Serves::Fargate;
    let mut request = ecs::CreateServiceRequest {
        service_name: Some("web".into()),
        task_definition: Some(if fargate { "app:2" } else { "app:1" }.into()),
        desired_count: Some(4),
        ..Default::default()
    };
    change(&mut request);
    world.apply(Command::CreateService(Box::new(request)));
    for (zone, serves) in hosts {
        world.register_host(zone, zone, 4096, true, (*serves, ""));
        for _ in 0..3 * u32::from(*zone == "a") {
            all_do_as_told(&mut world);
            world.run_for(60_000);
        }
        world.settle(check_laws);
    }
    world
}

fn come_to_rest(world: &mut World) {
    for _ in 0..20 {
        all_do_as_told(world);
        let until = world.now + 60_000;
        world.advance_to(until, check_laws);
    }
    let running = world.live("web").iter().all(|row| row.last_status == TaskStatus::Running);
    assert!(running && world.service("web").progress.steady, "{:#?}", world.events("web"));
}

/// `N in ZONE, …` of the service's tasks.
fn zones(world: &World) -> String {
    let rows = world.live("web");
    let mut counts = std::collections::BTreeMap::new();
    for row in &rows {
        *counts.entry(row.availability_zone.as_deref().unwrap_or_default()).or_insert(0) += 1;
    }
    let words: Vec<String> = counts.iter().map(|(zone, count)| format!("{count} in {zone}")).collect();
    words.join(", ")
}
