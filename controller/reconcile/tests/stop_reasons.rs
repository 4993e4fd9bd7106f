//! In which words tasks are stopped by the deciders (ecs-semantics §2.1).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests read better so")]

mod support;

use drydock_model::status::{HealthStatus, StopCode, TaskStatus};
use drydock_state::{Command, TaskKey};
use support::{Report, World};

fn report(world: &mut World, tasks: &[TaskKey], health: HealthStatus) {
    let of = |task: &TaskKey| Report { task: *task, status: TaskStatus::Running, health, stop_code: None };
    world.report(&tasks.iter().map(of).collect::<Vec<_>>());
    world.settle(|_, _, _| {});
}

/// A service of healthy tasks on one instance, with its tasks.
fn running(desired: i32) -> (World, Vec<TaskKey>) {
    let mut world = World::new();
    world.register_definition(true, 256, 512);
    world.register_instance("1", "a", 4_096, true);
    world.create_service("web", desired, 0, 100);
    world.settle(|_, _, _| {});
    let tasks: Vec<TaskKey> = world.live("web").iter().map(|task| task.key).collect();
    report(&mut world, &tasks, HealthStatus::Healthy);
    (world, tasks)
}

fn why(world: &World, task: TaskKey) -> (StopCode, String) {
    let row = world.state.task(task).unwrap();
    (row.stop_code.unwrap(), row.stopped_reason.as_deref().unwrap().to_owned())
}

// rule: 2.1/reason-container-health, 2.1/stop-code-scheduler
#[test]
fn failed_health_checks() {
    let (mut world, tasks) = running(1);
    report(&mut world, &tasks, HealthStatus::Unhealthy);
    let expected = (StopCode::ServiceSchedulerInitiated, "Task failed container health checks".to_owned());
    assert_eq!(why(&world, tasks[0]), expected);
}

// rule: 2.1/reason-scaling, 2.1/stop-code-scheduler
#[test]
fn scaling_names_the_deployment() {
    let (mut world, tasks) = running(2);
    let deployment = world.live("web")[0].started_by.clone().unwrap();
    assert!(deployment.starts_with("ecs-svc/"), "{deployment}");
    world.update_service("web", |request| request.desired_count = Some(0));
    world.settle(|_, _, _| {});
    for task in tasks {
        let (code, reason) = why(&world, task);
        assert_eq!(reason, format!("Scaling activity initiated by (deployment {deployment})"));
        assert_eq!(code, StopCode::ServiceSchedulerInitiated);
    }
}

// rule: 2.1/reason-instance-gone, 2.1/stop-code-infrastructure
#[test]
fn a_lost_instance_says_so() {
    let (mut world, tasks) = running(1);
    let instance = world.state.task(tasks[0]).unwrap().instance_key().unwrap();
    world.apply(Command::InstanceDisconnected(instance));
    world.run_for(600_000);
    let (code, reason) = why(&world, tasks[0]);
    assert_eq!(code, StopCode::InfrastructureHealth);
    assert!(reason.starts_with("Container instance is lost"), "{reason}");
}
