//! What is done to a cluster of services of every kind, drawn from numbers. What ECS refuses changes nothing.

use std::collections::BTreeMap;

use drydock_model::status::ServiceStatus;
use drydock_proto::ecs;
use drydock_state::row::TaskRow;
use drydock_state::{Command, Outcome, TaskSetKey};

use super::World;
use super::happening::{Happening, happen, instances};
use super::kinds::{NAMES, create_service, has_providers, host, provider_strategy, reconfigure};
use super::numbers::Numbers;

/// How often each operation was taken, and how often it was refused.
pub type Tally = BTreeMap<&'static str, (u64, u64)>;

/// Happenings that need no service by name.
fn happening(numbers: &mut Numbers) -> Happening {
    match numbers.below(20) {
        0..=8 => Happening::Progress(numbers.byte()),
        9 => Happening::Fail(numbers.byte()),
        10 => Happening::Exit(numbers.byte()),
        11 => Happening::Health(numbers.byte(), numbers.once_in(2)),
        12 => Happening::Disconnect(numbers.index(8)),
        13 => Happening::Connect(numbers.index(8)),
        14 => Happening::Drain(numbers.index(8)),
        15 => Happening::Activate(numbers.index(8)),
        16 => Happening::Deregister(numbers.index(8)),
        _ => Happening::Wait(numbers.one_of(&[0, 5_000, 40_000, 130_000, 1_000_000, 5_000_000])),
    }
}

fn live(world: &World) -> Vec<TaskRow> {
    world.state.tasks(world.cluster()).filter(|row| !row.is_stopped()).map(|row| (**row).clone()).collect()
}

fn task_set(world: &World, numbers: &mut Numbers) -> Option<TaskSetKey> {
    let service = world.state.service_by_name(world.cluster(), "external")?.key;
    let keys: Vec<TaskSetKey> = world.state.task_sets(service).map(|row| row.key).collect();
    (!keys.is_empty()).then(|| numbers.one_of(&keys))
}

/// Does one thing. The world isn't settled afterwards.
pub fn operate(world: &mut World, numbers: &mut Numbers, tally: &mut Tally) {
    if numbers.once_in(2) {
        let happening = happening(numbers);
        happen(world, &happening);
        return;
    }
    if numbers.once_in(30) {
        // The clock goes on without a look, as where all controllers were down.
        world.now += numbers.one_of(&[1_000, 100_000, 10_000_000]);
        return;
    }
    let name = numbers.one_of(&NAMES);
    let row = world.state.service_by_name(world.cluster(), name);
    let active = row.is_some_and(|row| row.status == ServiceStatus::Active);
    let (what, done) = if !active {
        ("CreateService", create_service(world, numbers, name))
    } else if numbers.once_in(3) {
        of_cluster(world, numbers)
    } else if name == "external" && !numbers.once_in(4) {
        of_task_set(world, numbers)
    } else {
        of_service(world, numbers, name)
    };
    let counts = tally.entry(what).or_default();
    counts.0 += 1;
    counts.1 += u64::from(!done);
}

fn of_service(world: &mut World, numbers: &mut Numbers, name: &str) -> (&'static str, bool) {
    let mut request = ecs::UpdateServiceRequest { service: Some(name.to_owned()), ..Default::default() };
    match numbers.below(14) {
        0..=2 => request.desired_count = Some(i32::try_from(numbers.below(7)).unwrap()),
        3..=4 => return ("UpdateService: configuration", reconfigure(world, numbers, name)),
        5..=7 => {
            let cpu = numbers.one_of(&[128, 256, 256, 1024]);
            world.register_definition(numbers.once_in(3), cpu, cpu * 2);
            request.task_definition = Some("app".to_owned());
        }
        8 => request.force_new_deployment = Some(true),
        9..=10 if name != "external" => {
            use ecs::StopServiceDeploymentStopType::{Abort, Rollback};
            let how = numbers.one_of(&[Abort, Rollback]);
            return ("StopServiceDeployment", is_done(&world.stop_deployment(name, how)));
        }
        11..=12 if name == "shop" => {
            use ecs::DeploymentLifecycleHookAction::{Continue, Rollback};
            let how = numbers.one_of(&[Continue, Continue, Rollback]);
            return ("ContinueServiceDeployment", is_done(&world.continue_deployment(name, how)));
        }
        13 => {
            return ("DeleteService", is_done(&delete_service(world, name)));
        }
        _ => request.health_check_grace_period_seconds = Some(numbers.one_of(&[0, 60, 600])),
    }
    ("UpdateService", is_done(&world.try_apply(Command::UpdateService(Box::new(request)))))
}

pub fn delete_service(world: &mut World, name: &str) -> Outcome {
    let (service, force) = (Some(name.to_owned()), Some(true));
    world.try_apply(Command::DeleteService(ecs::DeleteServiceRequest { service, force, ..Default::default() }))
}

fn of_task_set(world: &mut World, numbers: &mut Numbers) -> (&'static str, bool) {
    let percent = numbers.one_of(&["0", "25", "50", "100", "100"]);
    let key = task_set(world, numbers);
    match (numbers.below(6), key) {
        (0..=1, _) | (_, None) => ("CreateTaskSet", is_done(&world.create_task_set("external", percent))),
        (2, Some(key)) => ("UpdateTaskSet", is_done(&world.rescale("external", key, percent))),
        (3, Some(key)) => ("UpdateServicePrimaryTaskSet", is_done(&world.set_primary("external", key))),
        (_, Some(key)) => {
            let force = numbers.once_in(2);
            ("DeleteTaskSet", is_done(&world.delete_task_set("external", key, force)))
        }
    }
}

fn of_cluster(world: &mut World, numbers: &mut Numbers) -> (&'static str, bool) {
    let tasks = live(world);
    let task = (!tasks.is_empty()).then(|| tasks[numbers.index(tasks.len())].key.to_string());
    match (numbers.below(7), task) {
        (0, Some(task)) => {
            let request = ecs::StopTaskRequest { task: Some(task), ..Default::default() };
            ("StopTask", is_done(&world.try_apply(Command::StopTask(request))))
        }
        (1..=2, Some(task)) => {
            let protection_enabled = Some(!numbers.once_in(3));
            let outcome = world.try_apply(Command::UpdateTaskProtection(ecs::UpdateTaskProtectionRequest {
                cluster: Some("default".to_owned()),
                tasks: vec![task],
                protection_enabled,
                expires_in_minutes: protection_enabled.filter(|on| *on).map(|_| numbers.one_of(&[1, 30, 2880])),
            }));
            ("UpdateTaskProtection", is_done(&outcome))
        }
        (3..=4, _) => {
            let names = instances(world).len();
            if names >= 8 {
                return ("RegisterInstance", false);
            }
            // Another than any that was there and has been removed.
            let name = format!("i{:x}", world.seed());
            let cpu = numbers.one_of(&[256, 1024, 4096]);
            host(world, numbers, &name, cpu);
            ("RegisterInstance", true)
        }
        _ => {
            let capacity_provider_strategy =
                if has_providers(world) && numbers.once_in(2) { provider_strategy(numbers) } else { Vec::new() };
            let request = ecs::RunTaskRequest {
                task_definition: Some("app".to_owned()),
                count: Some(i32::try_from(1 + numbers.below(3)).unwrap()),
                capacity_provider_strategy,
                ..Default::default()
            };
            ("RunTask", world.run_task(request).is_ok())
        }
    }
}

fn is_done(outcome: &Outcome) -> bool {
    outcome.refused().is_none()
}
