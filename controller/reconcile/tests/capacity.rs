//! Capacity over the real state (ecs-semantics §2.4): what hosts serve, capacity providers and their strategies, tasks
//! that wait, Spot, managed scaling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "tests read better so"
)]

mod support;

use std::collections::BTreeMap;

use drydock_model::capacity::Serves;
use drydock_model::error::EcsError;
use drydock_model::status::{DesiredStatus, StopCode, TaskStatus};
use drydock_proto::ecs::{self, CapacityProviderStrategyItem, LaunchType};
use drydock_reconcile::capacity::scaling::LOW_POINTS;
use drydock_reconcile::{Wait, explain_service};
use drydock_state::command::InterruptTask;
use drydock_state::row::{ScalingFigures, TaskRow};
use drydock_state::{Command, InstanceKey, Outcome, ScalingKey, TaskKey};
use support::kinds::with_providers;
use support::{PINNED_IMAGE, World};

const BOTH: (Serves, &str) = (Serves::Both, "");
const EC2: (Serves, &str) = (Serves::Ec2, "");
const FARGATE: (Serves, &str) = (Serves::Fargate, "");
const MINE: (Serves, &str) = (Serves::Ec2, "mine");
const MINUTE: u64 = 60_000;

/// `NAME:BASE:WEIGHT …`.
fn strategy(text: &str) -> Vec<CapacityProviderStrategyItem> {
    let item = |word: &str| {
        let parts: Vec<&str> = word.split(':').collect();
        let number = |at: usize| parts.get(at).and_then(|text| text.parse().ok());
        CapacityProviderStrategyItem { capacity_provider: Some(parts[0].into()), base: number(1), weight: number(2) }
    };
    text.split_whitespace().map(item).collect()
}

trait Capacity {
    fn host(&mut self, name: &str, zone: &str, cpu: u32, role: (Serves, &str)) -> InstanceKey;
    fn provider(&mut self, name: &str, scaled: bool, more: impl FnOnce(&mut ecs::AutoScalingGroupProvider));
    fn put(&mut self, providers: &str, default: &str) -> Outcome;
    fn fargate_definition(&mut self, arm: bool);
    fn run(&mut self, count: i32, launch: Option<LaunchType>, of: &str) -> Result<Outcome, EcsError>;
    fn serve(&mut self, count: i32, launch: Option<LaunchType>, of: &str) -> Outcome;
    fn by_provider(&self) -> BTreeMap<String, u32>;
    fn tasks(&self) -> Vec<TaskRow>;
    fn all_run(&mut self);
    fn end_stopping(&mut self);
    fn figures(&self) -> ScalingFigures;
}

fn network() -> Option<ecs::NetworkConfiguration> {
    let vpc = ecs::AwsVpcConfiguration { subnets: vec!["subnet-1".into(), "subnet-2".into()], ..Default::default() };
    Some(ecs::NetworkConfiguration { awsvpc_configuration: Some(vpc) })
}

impl Capacity for World {
    fn host(&mut self, name: &str, zone: &str, cpu: u32, role: (Serves, &str)) -> InstanceKey {
        self.register_host(name, zone, cpu, true, role)
    }

    fn provider(&mut self, name: &str, scaled: bool, more: impl FnOnce(&mut ecs::AutoScalingGroupProvider)) {
        let mut group = ecs::AutoScalingGroupProvider {
            auto_scaling_group_arn: Some("group".into()),
            managed_scaling: Some(ecs::ManagedScaling::default()),
            ..Default::default()
        };
        if scaled {
            group.managed_scaling.get_or_insert_default().set_status(ecs::ManagedScalingStatus::Enabled);
        }
        more(&mut group);
        self.apply(Command::CreateCapacityProvider(Box::new(ecs::CreateCapacityProviderRequest {
            name: Some(name.into()),
            auto_scaling_group_provider: Some(group),
            ..Default::default()
        })));
    }

    fn put(&mut self, providers: &str, default: &str) -> Outcome {
        self.try_apply(Command::PutClusterCapacityProviders(ecs::PutClusterCapacityProvidersRequest {
            cluster: Some("default".into()),
            capacity_providers: providers.split_whitespace().map(str::to_owned).collect(),
            default_capacity_provider_strategy: strategy(default),
        }))
    }

    /// `app` as Fargate takes it, 256 CPU units and 512 MiB.
    fn fargate_definition(&mut self, arm: bool) {
        let container = ecs::ContainerDefinition {
            name: Some("main".into()),
            image: Some(PINNED_IMAGE.into()),
            ..Default::default()
        };
        let architecture = if arm { ecs::CpuArchitecture::Arm64 } else { ecs::CpuArchitecture::X8664 };
        self.apply(Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
            family: Some("app".into()),
            container_definitions: vec![container],
            cpu: Some("256".into()),
            memory: Some("512".into()),
            network_mode: Some(ecs::NetworkMode::Awsvpc.into()),
            requires_compatibilities: vec![ecs::Compatibility::Fargate.into()],
            runtime_platform: Some(ecs::RuntimePlatform {
                cpu_architecture: Some(architecture.into()),
                operating_system_family: None,
            }),
            ..Default::default()
        })));
    }

    fn run(&mut self, count: i32, launch: Option<LaunchType>, of: &str) -> Result<Outcome, EcsError> {
        let fargate = launch == Some(LaunchType::Fargate) || of.contains("FARGATE") || of == "default";
        self.run_task(ecs::RunTaskRequest {
            task_definition: Some("app".into()),
            count: Some(count),
            launch_type: launch.map(Into::into),
            capacity_provider_strategy: if of == "default" { Vec::new() } else { strategy(of) },
            network_configuration: network().filter(|_| fargate),
            ..Default::default()
        })
    }

    fn serve(&mut self, count: i32, launch: Option<LaunchType>, of: &str) -> Outcome {
        let fargate = launch == Some(LaunchType::Fargate) || of.contains("FARGATE");
        let outcome = self.try_apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
            service_name: Some("web".into()),
            task_definition: Some("app".into()),
            desired_count: Some(count),
            launch_type: launch.map(Into::into),
            capacity_provider_strategy: strategy(of),
            network_configuration: network().filter(|_| fargate),
            ..Default::default()
        })));
        self.settle(|_, _, _| {});
        outcome
    }

    fn by_provider(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for task in self.tasks().iter().filter(|task| !task.is_told_to_stop()) {
            *counts.entry(task.capacity_provider.as_deref().unwrap_or("-").to_owned()).or_default() += 1;
        }
        counts
    }

    fn tasks(&self) -> Vec<TaskRow> {
        self.state.tasks(self.cluster()).filter(|row| !row.is_stopped()).map(|row| (**row).clone()).collect()
    }

    fn all_run(&mut self) {
        for task in self.tasks().iter().filter(|task| !task.is_told_to_stop() && task.instance.is_some()) {
            self.report_one(task.key, TaskStatus::Running);
        }
        self.run_for(40_000);
    }

    fn end_stopping(&mut self) {
        for task in self.tasks().iter().filter(|task| task.is_told_to_stop()) {
            self.report_one(task.key, TaskStatus::Stopped);
        }
        self.settle(|_, _, _| {});
    }

    fn figures(&self) -> ScalingFigures {
        let key = ScalingKey { cluster: self.cluster(), provider: "mine".into() };
        self.state.scaling(&key).map(|row| row.figures).unwrap_or_default()
    }
}

fn counts(text: &str) -> BTreeMap<String, u32> {
    text.split_whitespace()
        .map(|word| word.split_once('=').map(|(name, count)| (name.to_owned(), count.parse().unwrap())).unwrap())
        .collect()
}

fn placed(outcome: Result<Outcome, EcsError>) -> (Vec<TaskKey>, Vec<String>) {
    match outcome.unwrap() {
        Outcome::Tasks(tasks, failures) => (
            tasks.iter().map(|row| row.key).collect(),
            failures.iter().map(|failure| failure.reason.clone().unwrap_or_default()).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: &Outcome) -> String {
    outcome.refused().map(ToString::to_string).unwrap_or_default()
}

// rule: 2.4/fargate-ignores-strategies
#[test]
fn tasks_go_to_hosts_of_their_launch_type_and_fargate_hosts_are_no_container_instances() {
    let mut world = World::new();
    world.host("e", "a", 1024, EC2);
    let only = world.host("f", "a", 1024, FARGATE);
    let (ec2, _) = placed(world.run(4, Some(LaunchType::Ec2), ""));
    assert_eq!(ec2.len(), 4);
    assert_eq!(placed(world.run(1, Some(LaunchType::Ec2), "")).1, ["RESOURCE:CPU"]);
    world.fargate_definition(false);
    let (fargate, failures) = placed(world.run(5, Some(LaunchType::Fargate), ""));
    assert_eq!(fargate.len(), 4, "at most what its host has");
    assert_eq!(
        failures,
        ["Capacity is unavailable at this time. Please try again later or in a different availability zone"]
    );
    assert!(fargate.iter().all(|key| world.state.task(*key).unwrap().instance == Some(only.id)));
    let counts = world.state.cluster_counts(world.cluster());
    assert_eq!(counts.registered_instances, 1, "a host of Fargate alone isn't counted");
}

// rule: 2.2/text-no-instances
#[test]
fn without_a_container_instance_ec2_says_so_whatever_fargate_hosts_there_are() {
    let mut world = World::new();
    world.host("f", "a", 1024, FARGATE);
    let error = world.run(1, None, "").unwrap_err().to_string();
    assert_eq!(error, "InvalidParameterException: No Container Instances were found in your cluster.");
    world.fargate_definition(false);
    assert_eq!(world.serve(1, Some(LaunchType::Fargate), "").refused(), None);
    assert_eq!(world.tasks().len(), 1);
}

#[test]
fn a_host_of_both_lends_its_resources_and_lists_no_fargate_task() {
    let mut world = World::new();
    let both = world.host("b", "a", 1024, BOTH);
    world.fargate_definition(false);
    placed(world.run(2, Some(LaunchType::Fargate), ""));
    let row = world.state.instance(both).unwrap();
    assert_eq!(row.remaining.cpu, 512);
    assert_eq!(world.state.instance_counts(both).total(), 0);
    world.register_definition(false, 256, 512);
    let (ec2, failures) = placed(world.run(3, Some(LaunchType::Ec2), ""));
    assert_eq!((ec2.len(), failures), (2, vec!["RESOURCE:CPU".to_owned()]));
    assert_eq!(world.state.instance_counts(both).total(), 2);
}

#[test]
fn a_fargate_host_must_have_the_architecture() {
    let mut world = World::new();
    world.host("x", "a", 1024, FARGATE);
    world.fargate_definition(true);
    let (tasks, failures) = placed(world.run(1, Some(LaunchType::Fargate), ""));
    assert_eq!((tasks.len(), failures.len()), (0, 1));
    world.fargate_definition(false);
    assert_eq!(placed(world.run(1, Some(LaunchType::Fargate), "")).0.len(), 1);
}

// rule: 2.4/fargate-ignores-strategies
#[test]
fn fargate_spreads_over_zones_for_each_provider_apart() {
    let mut world = World::new();
    for (name, zone) in [("1", "a"), ("2", "b")] {
        world.host(name, zone, 8192, FARGATE);
    }
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    world.serve(8, None, "FARGATE::1 FARGATE_SPOT::1");
    let mut zones: BTreeMap<(String, String), u32> = BTreeMap::new();
    for task in world.tasks() {
        let zone = task.availability_zone.as_deref().unwrap().to_owned();
        *zones.entry((task.capacity_provider.as_deref().unwrap().to_owned(), zone)).or_default() += 1;
    }
    assert!(zones.len() == 4 && zones.values().all(|count| *count == 2), "{zones:?}");
}

// rule: 2.3/event-no-capacity
#[test]
fn a_service_without_fargate_room_says_so() {
    let mut world = World::new();
    world.host("e", "a", 8192, EC2);
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    world.serve(1, None, "FARGATE_SPOT::1");
    assert_eq!(
        world.events("web"),
        ["was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a \
          different availability zone."]
    );
    let step = {
        world.run_for(MINUTE);
        world.step()
    };
    assert!(step.is_quiet(), "said once");
}

// rule: 2.4/capacity-base-first
#[test]
fn services_keep_the_ratio_out_and_in() {
    let mut world = World::new();
    world.host("f", "a", 100_000, FARGATE);
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    world.serve(5, None, "FARGATE::1 FARGATE_SPOT::4");
    assert_eq!(world.by_provider(), counts("FARGATE=1 FARGATE_SPOT=4"));
    world.all_run();
    for (desired, expected) in
        [(10, "FARGATE=2 FARGATE_SPOT=8"), (15, "FARGATE=3 FARGATE_SPOT=12"), (5, "FARGATE=1 FARGATE_SPOT=4")]
    {
        world.update_service("web", |request| request.desired_count = Some(desired));
        world.settle(|_, _, _| {});
        assert_eq!(world.by_provider(), counts(expected), "{desired}");
        world.end_stopping();
        world.all_run();
    }
}

// rule: 2.4/capacity-base-first
#[test]
fn run_task_fills_the_base_first() {
    let mut world = World::new();
    world.host("f", "a", 100_000, FARGATE);
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    placed(world.run(6, None, "FARGATE:2:1 FARGATE_SPOT::3"));
    assert_eq!(world.by_provider(), counts("FARGATE=3 FARGATE_SPOT=3"));
}

// rule: 2.4/capacity-cluster-default, 2.4/capacity-no-mix, 2.4/capacity-exclusive
#[test]
fn which_strategy_holds_and_what_is_refused() {
    let mut world = World::new();
    world.host("f", "a", 100_000, FARGATE);
    world.fargate_definition(false);
    let not_associated = "The specified capacity provider strategy cannot contain a capacity provider that is not \
                          associated with the cluster. Associate the capacity provider with the cluster or specify a \
                          valid capacity provider and try again.";
    let error = world.run(1, None, "FARGATE::1").unwrap_err().to_string();
    assert_eq!(error, format!("InvalidParameterException: {not_associated}"));
    assert!(refused(&world.put("FARGATE", "FARGATE_SPOT::1")).ends_with(not_associated));
    let missing = "The specified capacity provider 'other' was not found. Specify a valid name or ARN and try again.";
    assert!(refused(&world.put("FARGATE other", "")).ends_with(missing));
    assert_eq!(refused(&world.put("FARGATE FARGATE_SPOT", "FARGATE_SPOT::1")), "");
    assert!(world.run(1, None, "other::1").unwrap_err().to_string().ends_with(missing));
    let mix = world.run(1, None, "FARGATE::1 other::1").unwrap_err().to_string();
    assert!(mix.contains("cannot contain a mix"), "{mix}");
    let both = world.run(1, Some(LaunchType::Fargate), "FARGATE::1").unwrap_err().to_string();
    assert!(both.contains("Specifying both a launch type and capacity provider strategy"), "{both}");
    placed(world.run(1, None, "default"));
    assert_eq!(world.by_provider(), counts("FARGATE_SPOT=1"));
    placed(world.run(1, Some(LaunchType::Fargate), ""));
    assert_eq!(world.by_provider(), counts("FARGATE_SPOT=1 -=1"));
}

#[test]
fn another_strategy_needs_a_new_deployment() {
    let mut world = World::new();
    world.host("f", "a", 100_000, FARGATE);
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    world.serve(2, Some(LaunchType::Fargate), "");
    let mut update = |of: &str, force: bool| {
        let list = ecs::CapacityProviderStrategyItemList { items: strategy(of) };
        let request = ecs::UpdateServiceRequest {
            service: Some("web".into()),
            capacity_provider_strategy: Some(list),
            force_new_deployment: Some(force),
            ..Default::default()
        };
        refused(&world.try_apply(Command::UpdateService(Box::new(request))))
    };
    assert_eq!(update("", false), "", "nothing changes");
    assert!(update("FARGATE::1", false).ends_with("you must force a new deployment."));
    assert_eq!(update("FARGATE::1", true), "");
    assert_eq!(update("FARGATE:0:1", false), "", "the same, spelled out");
    assert!(update("", false).ends_with("you must force a new deployment."));
    assert_eq!(update("", true), "", "back to the launch type");
    drop(world.apply(Command::DeleteService(ecs::DeleteServiceRequest {
        service: Some("web".into()),
        force: Some(true),
        ..Default::default()
    })));
}

// rule: 2.4/spot-warning, 2.4/spot-not-replaced, 2.1/stop-code-spot, 2.1/reason-spot
#[test]
fn a_spot_interruption_warns_stops_and_is_replaced_by_spot() {
    let mut world = World::new();
    world.host("f", "a", 100_000, FARGATE);
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    world.serve(4, None, "FARGATE::1 FARGATE_SPOT::1");
    world.all_run();
    let of = |world: &World, name: &str| {
        world.tasks().into_iter().find(|task| task.capacity_provider.as_deref() == Some(name)).unwrap()
    };
    let interrupt =
        |task: TaskKey| Command::InterruptTask(InterruptTask { cluster: String::new(), task: task.to_string() });
    let on_demand = of(&world, "FARGATE").key;
    let refusal = refused(&world.try_apply(interrupt(on_demand)));
    assert!(refusal.contains("Only tasks of the capacity provider FARGATE_SPOT"), "{refusal}");
    let spot = of(&world, "FARGATE_SPOT").key;
    let Outcome::Task(row) = world.apply(interrupt(spot)) else { panic!() };
    assert_eq!((row.last_status, row.desired_status), (TaskStatus::Running, DesiredStatus::Stopped));
    assert_eq!(row.stop_code, Some(StopCode::SpotInterruption));
    assert_eq!(row.stopped_reason.as_deref(), Some("Your Spot Task was interrupted."));
    world.settle(|_, _, _| {});
    assert_eq!(world.by_provider(), counts("FARGATE=2 FARGATE_SPOT=2"), "replaced at once, by Spot");
    // The agent says nothing: after the warning's two minutes the capacity is gone.
    world.run_for(131_000);
    assert!(world.state.task(spot).unwrap().is_stopped());
    assert_eq!(world.state.task(spot).unwrap().stop_code, Some(StopCode::SpotInterruption));
}

// rule: 2.4/spot-not-replaced
#[test]
fn without_room_spot_is_not_replaced_by_on_demand() {
    let mut world = World::new();
    world.host("f", "a", 512, FARGATE);
    world.fargate_definition(false);
    world.put("FARGATE FARGATE_SPOT", "");
    world.serve(6, None, "FARGATE::1 FARGATE_SPOT::5");
    assert!(world.by_provider().get("FARGATE").copied().unwrap_or(0) <= 1, "{:?}", world.by_provider());
}

// rule: 2.4/scaling-provisioning
#[test]
fn tasks_wait_for_an_instance_of_their_provider_and_are_placed_when_one_joins() {
    let mut world = World::new();
    world.provider("mine", true, |_| {});
    world.put("mine", "");
    world.host("e", "a", 8192, EC2);
    let (tasks, failures) = placed(world.run(2, None, "mine::1"));
    assert_eq!((tasks.len(), failures.len()), (2, 0));
    world.settle(|_, _, _| {});
    assert!(tasks.iter().all(|key| world.state.task(*key).unwrap().is_waiting()), "another's instance doesn't do");
    assert_eq!(world.state.task(tasks[0]).unwrap().last_status, TaskStatus::Provisioning);
    assert_eq!(world.figures().desired, 2);
    let mine = world.host("m", "a", 1024, MINE);
    world.settle(|_, _, _| {});
    for key in &tasks {
        let row = world.state.task(*key).unwrap();
        assert_eq!((row.instance, row.last_status), (Some(mine.id), TaskStatus::Pending));
    }
    assert_eq!(world.state.waiting_count(world.cluster()), 0);
    assert_eq!(world.state.instance(mine).unwrap().remaining.cpu, 512);
}

// rule: 2.1/reason-placement-timeout
#[test]
fn tasks_that_wait_too_long_fail_with_the_reason() {
    for (role, drained, expected) in [
        (None, false, "TaskFailedToStart: EMPTY CAPACITY PROVIDER"),
        (Some(512), false, "TaskFailedToStart: RESOURCE:CPU"),
        (Some(1024), true, "TaskFailedToStart: NO ACTIVE INSTANCES"),
    ] {
        let mut world = World::new();
        world.provider("mine", true, |_| {});
        world.put("mine", "");
        if let Some(cpu) = role {
            let host = world.host("m", "a", cpu, MINE);
            if drained {
                let mut request = ecs::UpdateContainerInstancesStateRequest {
                    container_instances: vec![host.to_string()],
                    ..Default::default()
                };
                request.set_status(ecs::ContainerInstanceStatus::Draining);
                world.apply(Command::UpdateContainerInstancesState(request));
            }
        }
        if role == Some(512) {
            placed(world.run(2, Some(LaunchType::Ec2), ""));
            world.all_run();
        }
        let (tasks, _) = placed(world.run(1, None, "mine::1"));
        world.run_for(29 * MINUTE);
        assert!(world.state.task(tasks[0]).unwrap().is_waiting(), "{expected}");
        world.run_for(MINUTE);
        let row = world.state.task(tasks[0]).unwrap();
        assert!(row.is_stopped());
        assert_eq!(row.stop_code, Some(StopCode::TaskFailedToStart));
        assert_eq!(row.stopped_reason.as_deref(), Some(expected));
    }
}

// rule: 2.4/scaling-provisioning, 2.2/provisioning-quota, 2.7/provisioning
#[test]
fn so_many_tasks_may_wait() {
    let mut world = World::new();
    world.provider("mine", true, |_| {});
    world.put("mine", "");
    for _ in 0..49 {
        assert_eq!(placed(world.run(10, None, "mine::1")).0.len(), 10);
    }
    assert_eq!(world.serve(20, None, "mine::1").refused(), None);
    assert_eq!(world.state.waiting_count(world.cluster()), 500, "a service starts no more than may wait");
    let found = explain_service(&world.state, world.service("web").key, world.now).unwrap();
    assert!(found.waits.iter().any(|wait| matches!(wait, Wait::Capacity { tasks: 10, .. })), "{found:?}");
    let error = world.run(1, None, "mine::1").unwrap_err().to_string();
    assert!(error.starts_with("ClientException: ") && error.contains("PROVISIONING"), "{error}");
}

#[test]
fn without_managed_scaling_nothing_waits() {
    let mut world = World::new();
    world.provider("mine", false, |_| {});
    world.put("mine", "");
    world.host("e", "a", 8192, EC2);
    assert_eq!(placed(world.run(1, None, "mine::1")).1, ["EMPTY CAPACITY PROVIDER"]);
    world.host("m", "a", 128, MINE);
    assert_eq!(placed(world.run(1, None, "mine::1")).1, ["RESOURCE:CPU"]);
}

#[test]
fn a_provider_that_is_used_stays() {
    let mut world = World::new();
    world.provider("mine", true, |_| {});
    world.put("mine", "");
    let delete = || {
        Command::DeleteCapacityProvider(ecs::DeleteCapacityProviderRequest {
            capacity_provider: Some("mine".into()),
            ..Default::default()
        })
    };
    let status = |outcome: Outcome| match outcome {
        Outcome::CapacityProvider(row) => row.document.update_status(),
        other => panic!("{other:?}"),
    };
    assert_eq!(status(world.apply(delete())), ecs::CapacityProviderUpdateStatus::DeleteFailed);
    let (tasks, _) = placed(world.run(1, None, "mine::1"));
    let refusal = refused(&world.put("FARGATE", ""));
    assert_eq!(refusal, "ResourceInUseException: The specified capacity provider is in use and cannot be removed.");
    let stop = ecs::StopTaskRequest { task: Some(tasks[0].to_string()), ..Default::default() };
    world.apply(Command::StopTask(stop));
    assert_eq!(refused(&world.put("FARGATE", "")), "");
    assert_eq!(status(world.apply(delete())), ecs::CapacityProviderUpdateStatus::DeleteComplete);
    assert!(refused(&world.try_apply(delete())).contains("'mine' was not found"));
}

// rule: 2.4/scaling-out, 2.4/scaling-in, 2.4/scaling-reservation
#[test]
fn managed_scaling_goes_out_and_in_and_drains_what_leaves() {
    let mut world = World::new();
    world.provider("mine", true, |_| {});
    world.put("mine", "");
    world.serve(8, None, "mine::1");
    let figures = world.figures();
    assert_eq!((figures.needed, figures.running, figures.reservation_percent, figures.desired), (1, 0, 200, 2));
    world.host("1", "a", 512, MINE);
    world.host("2", "b", 512, MINE);
    world.settle(|_, _, _| {});
    let figures = world.figures();
    assert_eq!((figures.needed, figures.running, figures.reservation_percent, figures.desired), (4, 2, 200, 4));
    world.host("3", "a", 512, MINE);
    world.host("4", "b", 512, MINE);
    world.settle(|_, _, _| {});
    assert_eq!(world.state.waiting_count(world.cluster()), 0);
    world.all_run();
    world.update_service("web", |request| request.desired_count = Some(2));
    world.settle(|_, _, _| {});
    world.end_stopping();
    world.run_for(5 * MINUTE);
    let figures = world.figures();
    assert_eq!((figures.running, figures.desired), (4, 4), "the warm-up, then the points: {figures:?}");
    assert!(figures.needed < 4 && figures.low_points > 0, "{figures:?}");
    world.run_for(16 * MINUTE);
    let figures = world.figures();
    assert_eq!(figures.desired, 4 - (4 - figures.needed).min(2), "{figures:?}");
    let draining = world.state.instances(world.cluster()).filter(|row| row.status.to_string() == "DRAINING").count();
    assert_eq!(u32::try_from(draining).unwrap(), 4 - figures.desired, "managedDraining is ENABLED by default");
}

#[test]
fn nothing_is_placed_on_an_instance_that_the_same_step_drains() {
    let mut world = with_providers(World::new());
    for name in ["1", "2"] {
        world.host(name, "a", 1024, (Serves::Ec2, "scaled"));
    }
    let figures = |world: &World| {
        let key = ScalingKey { cluster: world.cluster(), provider: "scaled".into() };
        world.state.scaling(&key).map(|row| row.figures).unwrap_or_default()
    };
    world.settle(|_, _, _| {});
    while figures(&world).low_points < LOW_POINTS - 1 {
        world.run_for(MINUTE);
    }
    world.now = figures(&world).next_at.unwrap();
    // Tasks that fill both, one of which is to leave. The world holds that no change of a plan is dropped.
    assert!(world.serve(8, None, "scaled::1").refused().is_none());
    let waiting = world.live("web").iter().filter(|task| task.is_waiting()).count();
    assert_eq!((world.live("web").len(), waiting), (8, 4));
}
