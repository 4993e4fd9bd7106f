//! What tasks would have cost on Fargate: figures worked out by hand, and what still counts once tasks are collected.

use drydock_model::status::TaskStatus;
use drydock_proto::control::{GetCostsRequest, GetCostsResponse};

use super::{World, json};
use crate::command::{Placement, ReportTimes, RunTask, TaskReport};
use crate::key::{InstanceKey, Key};
use crate::row::TaskRow;
use crate::{Command, Outcome};

const VPC: &str = r#""networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"]}}"#;

/// Registers a task definition of this family and runs one task of it.
fn run(world: &mut World, on: InstanceKey, definition: &str, launch: &str) -> TaskRow {
    let full = format!(
        r#"{{"family":"f","containerDefinitions":[{{"name":"m","image":"i","memory":300,"cpu":128}}]{definition}}}"#
    );
    world.apply(Command::RegisterTaskDefinition(Box::new(json(&full))));
    let request = json(&format!(r#"{{"taskDefinition":"f"{launch}}}"#));
    let outcome = world.apply(Command::RunTask(Box::new(RunTask { request, placements: vec![Placement::On(on.id)] })));
    let Outcome::Tasks(tasks, _) = outcome else { panic!("{outcome:?}") };
    (*tasks[0]).clone()
}

/// A report of a task whose image pull began `pulled` and which ran from `started` and stopped at `stopped`.
fn report(world: &mut World, task: &TaskRow, pulled: Option<u64>, stopped: Option<u64>) {
    let row = world.state.task(task.key).unwrap();
    let report = TaskReport {
        task: task.key,
        instance: task.instance.unwrap(),
        sequence: row.report_sequence + 1,
        last_status: if stopped.is_some() { TaskStatus::Stopped } else { TaskStatus::Activating },
        health: drydock_model::status::HealthStatus::Unknown,
        stop_code: None,
        stopped_reason: String::new(),
        times: ReportTimes { pull_started_at: pulled, stopped_at: stopped, ..ReportTimes::default() },
        containers: Vec::new(),
        attachments: Vec::new(),
    };
    world.apply(Command::ReportStatuses(vec![report]));
}

fn costs(world: &World, request: &str) -> GetCostsResponse {
    let request: GetCostsRequest = json(request);
    world.query().costs(&request, world.now).unwrap()
}

fn of_task(world: &World, task: &TaskRow) -> String {
    let cost = costs(world, &format!(r#"{{"tasks":["{}"]}}"#, task.key)).tasks.remove(0);
    let Some(dollars) = cost.dollars else { return cost.not_billed.unwrap() };
    let size = format!("{}/{}", cost.cpu.unwrap(), cost.memory_mib.unwrap());
    let smallest = if cost.smallest_size { " smallest" } else { "" };
    format!("{dollars} {}s {size}{smallest} {}", cost.seconds.unwrap(), cost.rate.unwrap())
}

const FARGATE: &str = r#","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"512""#;

/// From the start of the image pull until the stop, or until now: 0.0123425 dollars an hour (0.25 vCPU, 0.5 GB).
// rule: 2.2/billing-span, 2.2/billing-seconds
#[test]
fn a_task_is_billed_from_the_start_of_its_image_pull_to_its_stop() {
    let mut world = World::new();
    let on = world.register("i");
    let task = run(&mut world, on, FARGATE, &format!(r#","launchType":"FARGATE",{VPC}"#));
    world.now += 3_600_000;
    assert_eq!(of_task(&world, &task), "its image pull hasn't begun");
    let pulled = world.now;
    report(&mut world, &task, Some(pulled), None);
    assert_eq!(of_task(&world, &task), "0.000205708 60s 256/512 Linux/X86_64", "a minute at least");
    world.now += 60_001;
    assert_eq!(of_task(&world, &task), "0.000209136 61s 256/512 Linux/X86_64", "a second begun counts");
    world.now = pulled + 3_600_000;
    assert_eq!(of_task(&world, &task), "0.012342500 3600s 256/512 Linux/X86_64");
    let stopped = world.now;
    report(&mut world, &task, Some(pulled), Some(stopped));
    world.now += 3_000_000;
    assert_eq!(of_task(&world, &task), "0.012342500 3600s 256/512 Linux/X86_64", "nothing after the stop");
}

// rule: 2.2/billing-prices, 2.2/billing-ephemeral
#[test]
fn the_rate_is_by_platform_and_an_ec2_task_has_the_smallest_size_that_holds_it() {
    let arm = r#","runtimePlatform":{"cpuArchitecture":"ARM64","operatingSystemFamily":"LINUX"}"#;
    for (definition, launch, expected) in [
        // 128 units and 300 MiB fit into 0.25 vCPU and 0.5 GB.
        ("", "", "0.012342500 3600s 256/512 smallest Linux/X86_64"),
        // 0.25 × 0.03238 + 0.5 × 0.00356
        (arm, "", "0.009875000 3600s 256/512 smallest Linux/ARM64"),
        // 0.0123425 + 30 × 0.000111
        (
            &format!(r#"{FARGATE},"ephemeralStorage":{{"sizeInGiB":50}}"#),
            &format!(r#","launchType":"FARGATE",{VPC}"#),
            "0.015672500 3600s 256/512 Linux/X86_64",
        ),
        // 1,025 MiB need 2 GB: 0.25 × 0.04048 + 2 × 0.004445
        ("", r#","overrides":{"memory":"1025"}"#, "0.019010000 3600s 256/2048 smallest Linux/X86_64"),
    ] {
        let mut world = World::new();
        let on = world.register("i");
        let task = run(&mut world, on, definition, launch);
        let pulled = world.now;
        report(&mut world, &task, Some(pulled), None);
        world.now += 3_600_000;
        assert_eq!(of_task(&world, &task), expected, "{definition} {launch}");
    }
}

#[test]
fn a_service_and_a_cluster_count_tasks_that_were_collected() {
    let (mut world, on) = World::with_service();
    let tasks = world.tasks();
    let begun = world.now;
    for task in &tasks {
        report(&mut world, task, Some(begun), None);
    }
    let alone = run(&mut world, on, "", "");
    report(&mut world, &alone, Some(begun), None);
    world.now += 3_600_000;
    let now = world.now;
    report(&mut world, &tasks[0], Some(begun), Some(now));
    let sums = |world: &World| {
        let costs = costs(world, r#"{"services":["web"],"wholeCluster":true}"#);
        [costs.services[0].clone(), costs.cluster.unwrap()]
            .map(|sum| format!("{} {} tasks {}s {}/h", sum.dollars, sum.tasks, sum.seconds, sum.dollars_an_hour))
    };
    // Each 0.0123425 an hour.
    let expected =
        ["0.024685000 2 tasks 7200s 0.012342500/h".to_owned(), "0.037027500 3 tasks 10800s 0.024685000/h".to_owned()];
    assert_eq!(sums(&world), expected);
    // The stopped one is collected after an hour: all that goes on is the other two.
    let key = tasks[0].key;
    world.now += 3_600_000;
    let before = sums(&world);
    world.apply(Command::Reap(vec![Key::Task(key)]));
    assert!(world.state.task(key).is_none());
    assert_eq!(sums(&world), before);
    assert_eq!(before[0], "0.037027500 2 tasks 10800s 0.012342500/h");
}
