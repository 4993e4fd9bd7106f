//! Version consistency: which digests a revision keeps, and who is told of them.

use drydock_model::status::{ContainerStatus, HealthStatus, TaskStatus};
use expect_test::expect;

use super::{World, check, json, line};
use crate::Command;
use crate::command::{ContainerReport, ReportTimes, TaskReport};
use crate::query::agent;

/// A service `web` whose tasks have three containers.
fn world() -> World {
    let mut world = World::new();
    let definition = r#"{"family":"app","containerDefinitions":[
        {"name":"tagged","image":"r.example/app:1","memory":6},
        {"name":"named","image":"r.example/app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
         "memory":6},
        {"name":"loose","image":"r.example/log:1","memory":6,"versionConsistency":"disabled"}]}"#;
    world.apply(Command::RegisterTaskDefinition(Box::new(json(definition))));
    let service = r#"{"serviceName":"web","taskDefinition":"app","desiredCount":2}"#;
    world.apply(Command::CreateService(Box::new(json(service))));
    world
}

/// The `at`th task's agent says that each container has this digest.
fn found(world: &mut World, at: usize, digest: &str) {
    let task = world.tasks()[at].clone();
    let container = |name: &str| ContainerReport {
        name: name.to_owned(),
        last_status: ContainerStatus::Pending,
        exit_code: None,
        reason: String::new(),
        runtime_id: String::new(),
        image_digest: digest.to_owned(),
        health: HealthStatus::Unknown,
        network_bindings: Vec::new(),
        network_interfaces: Vec::new(),
        restart_count: 0,
    };
    let report = TaskReport {
        task: task.key,
        instance: task.instance.unwrap(),
        sequence: world.index,
        last_status: TaskStatus::Pending,
        health: HealthStatus::Unknown,
        stop_code: None,
        stopped_reason: String::new(),
        times: ReportTimes::default(),
        containers: ["tagged", "named", "loose"].map(container).into(),
        attachments: Vec::new(),
    };
    world.apply(Command::ReportStatuses(vec![report]));
}

/// What DescribeServiceRevisions says of the images, and what each task's agent is told.
fn shown(world: &World) -> Vec<String> {
    let services = world.query().describe_services(&json(r#"{"services":["web"]}"#)).unwrap().services;
    let arns: Vec<&String> = services[0].current_service_revisions.iter().filter_map(|one| one.arn.as_ref()).collect();
    let request = format!(r#"{{"serviceRevisionArns":["{}"]}}"#, arns[0]);
    let revisions = world.query().describe_service_revisions(&json(&request)).unwrap().service_revisions;
    let images = revisions[0].container_images.iter().map(|image| line(Ok(image)));
    let told = world.tasks().into_iter().map(|row| agent::assigned_task(&world.state, &row).unwrap().image_digests);
    images.chain(told.map(|digests| format!("told {digests:?}"))).collect()
}

// rule: 2.3/version-consistency, 2.3/service-revision
#[test]
fn the_first_digest_of_an_image_is_kept_and_told_to_all_tasks_of_the_revision() {
    let mut world = world();
    let instance = world.register("i");
    world.start_tasks(2, instance);
    check(
        shown(&world),
        expect![[r#"
        {"containerName":"tagged","image":"r.example/app:1"}
        {"containerName":"named","image":"r.example/app@sha256:ID"}
        {"containerName":"loose","image":"r.example/log:1"}
        told {}
        told {}
    "#]],
    );
    found(&mut world, 0, "");
    assert!(!shown(&world).concat().contains("sha256:1"), "an image that was never in a registry has none");
    found(&mut world, 1, "sha256:1");
    check(
        shown(&world),
        expect![[r#"
        {"containerName":"tagged","imageDigest":"sha256:1","image":"r.example/app:1"}
        {"containerName":"named","image":"r.example/app@sha256:ID"}
        {"containerName":"loose","image":"r.example/log:1"}
        told {"tagged": "sha256:1"}
        told {"tagged": "sha256:1"}
    "#]],
    );
    let before = world.state.digest();
    let kept = shown(&world);
    found(&mut world, 1, "sha256:2");
    assert_eq!(shown(&world), kept, "the first stays");
    assert_ne!(world.state.digest(), before, "the task's own container tells what it runs");
}

// rule: 2.3/version-consistency
#[test]
fn another_deployment_of_the_same_definition_finds_its_own() {
    let mut world = world();
    let instance = world.register("i");
    world.start_tasks(1, instance);
    found(&mut world, 0, "sha256:1");
    world.apply(Command::UpdateService(json(r#"{"service":"web","forceNewDeployment":true}"#)));
    world.start_tasks(1, instance);
    check(
        shown(&world),
        expect![[r#"
        {"containerName":"tagged","image":"r.example/app:1"}
        {"containerName":"named","image":"r.example/app@sha256:ID"}
        {"containerName":"loose","image":"r.example/log:1"}
        told {}
        told {"tagged": "sha256:1"}
    "#]],
    );
}
