//! What can happen to a world: requests, reports of agents, instances that come and go, time. Numbers choose among what
//! is there, so that any sequence of happenings means something.

use drydock_model::status::{DesiredStatus, HealthStatus, InstanceStatus, StopCode, TaskStatus};
use drydock_proto::ecs;
use drydock_state::row::TaskRow;
use drydock_state::{Command, InstanceKey};

use super::laws::check_laws;
use super::{Report, World};

/// The services of a world, which its makers create.
pub const SERVICES: [&str; 2] = ["web", "api"];

/// Something that happens to the world. Numbers choose among what is there.
#[derive(Debug, Clone)]
pub enum Happening {
    Scale(usize, i32),
    Percents(usize, (i32, i32)),
    Deploy(usize, bool),
    Force(usize),
    Progress(u8),
    Fail(u8),
    Exit(u8),
    Health(u8, bool),
    Disconnect(usize),
    Connect(usize),
    Drain(usize),
    Activate(usize),
    Join,
    Deregister(usize),
    RunTask,
    Wait(u64),
}

/// Instances that are registered, by id.
pub fn instances(world: &World) -> Vec<InstanceKey> {
    let rows = world.state.instances(world.cluster());
    rows.filter(|row| row.status != InstanceStatus::Inactive).map(|row| row.key).collect()
}

fn reachable(world: &World, row: &TaskRow) -> bool {
    row.instance_key().and_then(|key| world.state.instance(key)).is_some_and(|row| row.agent_connected)
}

fn pick<T>(items: Vec<T>, number: usize) -> Option<T> {
    let at = number % items.len().max(1);
    items.into_iter().nth(at)
}

/// A live task whose agent can say something.
fn task(world: &World, number: u8) -> Option<TaskRow> {
    let rows: Vec<TaskRow> = world
        .state
        .tasks(world.cluster())
        .filter(|row| !row.is_stopped() && reachable(world, row))
        .map(|row| (**row).clone())
        .collect();
    pick(rows, usize::from(number))
}

/// What the agent says next of a task that does as it is told.
fn next(row: &TaskRow) -> TaskStatus {
    match (row.desired_status, row.last_status) {
        (DesiredStatus::Stopped, status) if status <= TaskStatus::Running => TaskStatus::Stopping,
        (DesiredStatus::Stopped, _) => TaskStatus::Stopped,
        (DesiredStatus::Running, status) if status < TaskStatus::Activating => TaskStatus::Activating,
        (DesiredStatus::Running, _) => TaskStatus::Running,
    }
}

/// Lets it happen. The world isn't settled afterwards.
pub fn happen(world: &mut World, happening: &Happening) {
    match *happening {
        Happening::Scale(of, count) => world.update_service(SERVICES[of], |r| r.desired_count = Some(count)),
        Happening::Percents(of, (min, max)) => world.set_percents(SERVICES[of], min, max),
        Happening::Deploy(of, checked) => {
            world.register_definition(checked, 256, 512);
            world.update_service(SERVICES[of], |r| r.task_definition = Some("app".to_owned()));
        }
        Happening::Force(of) => world.update_service(SERVICES[of], |r| r.force_new_deployment = Some(true)),
        Happening::Progress(number) => {
            if let Some(row) = task(world, number) {
                world.report_one(row.key, next(&row));
            }
        }
        Happening::Fail(number) => {
            if let Some(row) = task(world, number).filter(|row| row.last_status < TaskStatus::Running) {
                let stop_code = Some(StopCode::TaskFailedToStart);
                let (task, health) = (row.key, HealthStatus::Unknown);
                world.report(&[Report { task, status: TaskStatus::Stopped, health, stop_code }]);
            }
        }
        Happening::Exit(number) => {
            if let Some(row) = task(world, number).filter(|row| row.last_status == TaskStatus::Running) {
                world.report_one(row.key, TaskStatus::Stopped);
            }
        }
        Happening::Health(number, well) => {
            if let Some(row) = task(world, number).filter(|row| row.last_status == TaskStatus::Running) {
                let health = if well { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
                world.report(&[Report { task: row.key, status: TaskStatus::Running, health, stop_code: None }]);
            }
        }
        Happening::Join => {
            if instances(world).len() < 8 {
                let count = world.state.instances(world.cluster()).count();
                let zone = ["a", "b", "c"][count % 3];
                world.register_instance(&format!("i{count}"), zone, 1024, true);
            }
        }
        Happening::RunTask => {
            let request = ecs::RunTaskRequest { task_definition: Some("app".to_owned()), ..Default::default() };
            // Refused where there is no instance.
            drop(world.run_task(request));
        }
        Happening::Wait(ms) => {
            let until = world.now + ms;
            world.advance_to(until, check_laws);
        }
        Happening::Disconnect(number)
        | Happening::Connect(number)
        | Happening::Drain(number)
        | Happening::Activate(number)
        | Happening::Deregister(number) => {
            if let Some(key) = pick(instances(world), number) {
                happen_to_instance(world, happening, key);
            }
        }
    }
}

pub fn happen_to_instance(world: &mut World, happening: &Happening, key: InstanceKey) {
    let mut state =
        ecs::UpdateContainerInstancesStateRequest { container_instances: vec![key.to_string()], ..Default::default() };
    world.apply(match happening {
        Happening::Disconnect(_) => Command::InstanceDisconnected(key),
        Happening::Connect(_) => Command::InstanceConnected(key),
        Happening::Deregister(_) => Command::DeregisterContainerInstance(ecs::DeregisterContainerInstanceRequest {
            container_instance: Some(key.to_string()),
            force: Some(true),
            ..Default::default()
        }),
        Happening::Drain(_) => {
            state.set_status(ecs::ContainerInstanceStatus::Draining);
            Command::UpdateContainerInstancesState(state)
        }
        _ => {
            state.set_status(ecs::ContainerInstanceStatus::Active);
            Command::UpdateContainerInstancesState(state)
        }
    });
}

/// Every agent is there, and every instance takes tasks.
pub fn heal_instances(world: &mut World) {
    for key in instances(world) {
        world.apply(Command::InstanceConnected(key));
        happen_to_instance(world, &Happening::Activate(0), key);
    }
}

/// Faults end: everybody is there, there is room, tasks do as they are told.
pub fn heal(world: &mut World) {
    heal_instances(world);
    for zone in ["a", "b", "c"] {
        world.register_instance(&format!("room in {zone}"), zone, 8192, true);
    }
    for name in SERVICES {
        world.set_percents(name, 100, 200);
    }
}

/// Every task that hasn't got to RUNNING fails to start.
pub fn none_starts(world: &mut World) {
    let rows: Vec<TaskRow> = world.state.tasks(world.cluster()).map(|row| (**row).clone()).collect();
    let fails = |row: &&TaskRow| row.last_status < TaskStatus::Running && reachable(world, row);
    let failed = |row: &TaskRow| Report {
        task: row.key,
        status: TaskStatus::Stopped,
        health: HealthStatus::Unknown,
        stop_code: Some(StopCode::TaskFailedToStart),
    };
    let reports: Vec<Report> = rows.iter().filter(fails).map(failed).collect();
    if !reports.is_empty() {
        world.report(&reports);
    }
}

/// Every agent that can be reached says what comes next of each of its tasks.
pub fn all_do_as_told(world: &mut World) {
    let rows: Vec<TaskRow> = world.state.tasks(world.cluster()).map(|row| (**row).clone()).collect();
    let reports = rows.iter().filter(|row| !row.is_stopped() && reachable(world, row)).map(|row| Report {
        task: row.key,
        status: next(row),
        health: if row.last_status == TaskStatus::Running { HealthStatus::Healthy } else { HealthStatus::Unknown },
        stop_code: None,
    });
    let reports: Vec<Report> = reports.collect();
    if !reports.is_empty() {
        world.report(&reports);
    }
}
