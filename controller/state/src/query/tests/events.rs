//! Events as EventBridge delivers them (ecs-semantics §2.6, §2.6b): one golden file a shape, and which members there are.

use std::collections::BTreeSet;

use drydock_model::status::{ContainerStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::control::WatchEventsRequest;
use drydock_proto::json::{TimeFormat, with_times};
use expect_test::{ExpectFile, expect_file};
use serde_json::Value;

use super::{World, json, show};
use crate::command::{ContainerReport, ReportTimes, RunTask, TaskReport};
use crate::event::{Event, EventKind, Level, SERVICE_ACTIONS};
use crate::key::InstanceKey;
use crate::plan::{Change, EmitServiceAction, Plan, PutServiceEvent, SetDeployment};
use crate::query::{EventFilter, agent, event};
use crate::row::{AttachmentRow, InterfaceRow, RolloutState};
use crate::{Command, Outcome};

const FARGATE: &str = r#"{"family":"sample-fargate","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],
    "cpu":"256","memory":"512","containerDefinitions":[{"name":"FargateApp","image":"httpd:latest"}]}"#;

fn value(event: &Event) -> Value {
    let text = with_times(TimeFormat::Iso8601, || serde_json::to_string(&event::render(event))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn golden(event: &Event, expected: &ExpectFile) {
    expected.assert_eq(&(show(&event::render(event)) + "\n"));
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn named(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::ServiceAction { name, .. } => Some(name),
        _ => None,
    }
}

/// A Fargate task of its own on the instance, RUNNING.
fn fargate(world: &mut World) -> TaskReport {
    world.apply(Command::RegisterTaskDefinition(Box::new(json(FARGATE))));
    let instance = world.register("f");
    let request = json(
        r#"{"taskDefinition":"sample-fargate","launchType":"FARGATE",
        "networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-x"]}},"tags":[{"key":"a","value":"b"}]}"#,
    );
    let placements = vec![crate::command::Placement::On(instance.id)];
    let outcome = world.apply(Command::RunTask(Box::new(RunTask { request, placements })));
    let Outcome::Tasks(tasks, _) = outcome else { panic!("{outcome:?}") };
    world.now += 18_123;
    let now = world.now;
    TaskReport {
        task: tasks[0].key,
        instance: instance.id,
        sequence: 1,
        last_status: TaskStatus::Running,
        health: HealthStatus::Healthy,
        stop_code: None,
        stopped_reason: String::new(),
        times: ReportTimes {
            pull_started_at: Some(now - 4_000),
            pull_stopped_at: Some(now - 1_000),
            started_at: Some(now),
            ..ReportTimes::default()
        },
        containers: vec![ContainerReport {
            name: "FargateApp".to_owned(),
            last_status: ContainerStatus::Running,
            exit_code: None,
            reason: String::new(),
            runtime_id: "r".to_owned(),
            image_digest: "sha256:1".to_owned(),
            health: HealthStatus::Healthy,
            network_bindings: Vec::new(),
            network_interfaces: vec![InterfaceRow {
                attachment_id: "e".into(),
                private_ipv4: Some("10.0.0.139".into()),
                ipv6: None,
            }],
            restart_count: 0,
        }],
        attachments: vec![AttachmentRow {
            id: "e".into(),
            kind: "ElasticNetworkInterface".into(),
            status: "ATTACHED".into(),
            details: [("subnetId", "subnet-x"), ("privateIPv4Address", "10.0.0.139")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
        }],
    }
}

// rule: 2.6/task-event, 2.6/task-event-stop
#[test]
fn a_task_that_runs_on_fargate_and_then_stops() {
    let mut world = World::new();
    let mut report = fargate(&mut world);
    world.apply(Command::ReportStatuses(vec![report.clone()]));
    golden(&world.events[0], &expect_file!["golden/task-running.json"]);
    let detail = value(&world.events[0])["detail"].take();
    let running = "attachments attributes availabilityZone clusterArn connectivity connectivityAt containers cpu createdAt \
         desiredStatus enableExecuteCommand ephemeralStorage group lastStatus launchType memory overrides \
         platformVersion pullStartedAt pullStoppedAt startedAt taskArn taskDefinitionArn updatedAt version";
    let running: BTreeSet<String> = running.split_whitespace().map(str::to_owned).collect();
    assert_eq!(keys(&detail), running, "no health, no tags");
    assert!(!detail.to_string().contains("healthStatus"));
    assert_eq!((&detail["attachments"][0]["type"], &detail["version"]), (&"eni".into(), &2.into()));

    world.now += 5_000;
    report.sequence = 2;
    report.last_status = TaskStatus::Stopped;
    report.stop_code = Some(StopCode::EssentialContainerExited);
    report.stopped_reason = "Essential container in task exited".to_owned();
    report.containers[0].last_status = ContainerStatus::Stopped;
    report.containers[0].exit_code = Some(137);
    report.containers[0].reason = "OutOfMemoryError: Container killed due to memory usage".to_owned();
    report.times.stopped_at = Some(world.now);
    world.apply(Command::ReportStatuses(vec![report]));
    golden(&world.events[0], &expect_file!["golden/task-stopped.json"]);
    let stopped = keys(&value(&world.events[0])["detail"]);
    let more: Vec<&String> = stopped.difference(&running).collect();
    assert_eq!(more, ["executionStoppedAt", "stopCode", "stoppedAt", "stoppedReason", "stoppingAt"]);
}

// rule: 2.5/eni-a-task, 2.5/eni-in-events
#[test]
fn a_network_interface_is_there_from_the_task_s_creation_to_its_end() {
    let mut world = World::new();
    let mut report = fargate(&mut world);
    let shown = |world: &World| {
        let of_event = value(&world.events[0])["detail"]["attachments"][0].take();
        let request = json(&format!(r#"{{"tasks":["{}"]}}"#, report.task));
        let described = world.query().describe_tasks(&request).unwrap().tasks[0].attachments[0].clone();
        assert_eq!(described.r#type(), "ElasticNetworkInterface");
        assert_eq!(
            (of_event["id"].as_str(), of_event["status"].as_str()),
            (Some(described.id()), Some(described.status()))
        );
        let details: Vec<&str> = described.details.iter().map(|detail| detail.value()).collect();
        format!("{} {} {details:?}", of_event["type"].as_str().unwrap(), described.status())
    };
    assert_eq!(shown(&world), r#"eni PRECREATED ["subnet-x"]"#);
    let instance = InstanceKey { cluster: report.task.cluster, id: report.instance };
    let told = agent::manifest(&world.state, instance).unwrap().tasks[0].attachments.clone();
    assert_eq!((told.len(), told[0].status()), (1, "PRECREATED"));
    report.attachments[0].id = told[0].id().into();
    world.apply(Command::ReportStatuses(vec![report.clone()]));
    assert_eq!(shown(&world), r#"eni ATTACHED ["subnet-x", "10.0.0.139"]"#);
    // It ends although its agent says nothing of the interface.
    let stopped =
        TaskReport { sequence: 2, last_status: TaskStatus::Stopped, attachments: Vec::new(), ..report.clone() };
    world.apply(Command::ReportStatuses(vec![stopped]));
    assert_eq!(shown(&world), r#"eni DELETED ["subnet-x", "10.0.0.139"]"#);
}

// rule: 2.6/task-event
#[test]
fn a_task_of_a_service_names_it() {
    let (mut world, _) = World::with_service();
    let task = world.tasks()[1].clone();
    world.report(&task, TaskStatus::Running);
    golden(&world.events[0], &expect_file!["golden/task-of-service.json"]);
}

// rule: 2.6/envelope
#[test]
fn the_envelope_is_eventbridges() {
    let mut world = World::new();
    let report = fargate(&mut world);
    world.apply(Command::ReportStatuses(vec![report]));
    let event = value(&world.events[0]);
    let expected = "account detail detail-type id region resources source time version";
    assert_eq!(keys(&event).into_iter().collect::<Vec<_>>().join(" "), expected);
    assert_eq!(event["version"], "0");
    assert_eq!(event["source"], "aws.ecs");
    assert_eq!(event["time"], "2023-11-14T22:13:38Z", "to the second");
    assert_eq!(event["detail"]["updatedAt"], "2023-11-14T22:13:38.123Z", "to the millisecond");
    let id = event["id"].as_str().unwrap();
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id} is a UUID");
}

// rule: 2.6/instance-event, 2.6/start-emits-both
#[test]
fn an_instance_tells_each_change_of_its_resources_status_and_connection() {
    let mut world = World::new();
    let instance = world.register("i");
    golden(&world.events[0], &expect_file!["golden/container-instance.json"]);
    let expected = "agentConnected attributes clusterArn containerInstanceArn registeredResources remainingResources \
         status updatedAt version versionInfo";
    let mut keys = keys(&value(&world.events[0])["detail"]);
    keys.remove("ec2InstanceId");
    assert_eq!(keys, expected.split_whitespace().map(str::to_owned).collect());

    let tell = |world: &World| -> Vec<String> {
        let shown = |event: &Event| {
            let detail = value(event)["detail"].take();
            match &event.kind {
                EventKind::Task { .. } => format!("task {} v{}", detail["lastStatus"], detail["version"]),
                _ => format!(
                    "instance {} connected={} cpu={} v{}",
                    detail["status"],
                    detail["agentConnected"],
                    detail["remainingResources"][0]["integerValue"],
                    detail["version"]
                ),
            }
        };
        world.events.iter().map(shown).collect()
    };
    let mut told = Vec::new();
    let run = RunTask {
        request: json(r#"{"taskDefinition":"web:1"}"#),
        placements: vec![crate::command::Placement::On(instance.id)],
    };
    world.apply(Command::RunTask(Box::new(run)));
    told.extend(tell(&world));
    let task = world.tasks()[0].clone();
    let drain = format!(r#"{{"containerInstances":["{instance}"],"status":"DRAINING"}}"#);
    world.apply(Command::UpdateContainerInstancesState(json(&drain)));
    told.extend(tell(&world));
    world.apply(Command::InstanceDisconnected(instance));
    told.extend(tell(&world));
    world.apply(Command::InstanceConnected(instance));
    told.extend(tell(&world));
    world.report(&task, TaskStatus::Stopped);
    told.extend(tell(&world));
    assert_eq!(
        told,
        [
            "task \"PENDING\" v1",
            "instance \"ACTIVE\" connected=true cpu=896 v2",
            "instance \"DRAINING\" connected=true cpu=896 v3",
            "instance \"DRAINING\" connected=false cpu=896 v4",
            "instance \"DRAINING\" connected=true cpu=896 v5",
            "task \"STOPPED\" v2",
            "instance \"DRAINING\" connected=true cpu=1024 v6",
        ]
    );
}

fn act(world: &mut World, name: &str, level: Level) -> usize {
    let (key, instance) = {
        let row = world.state.all_services().next().unwrap();
        (row.key, world.state.all_instances().next().unwrap().key.id)
    };
    let action = Change::EmitServiceAction(EmitServiceAction {
        service: key,
        level,
        name: name.to_owned(),
        reason: "RESOURCE:FARGATE".to_owned(),
        instances: vec![instance],
        capacity_providers: vec!["FARGATE_SPOT".to_owned()],
    });
    // What is said in words is no event of EventBridge.
    let words =
        Change::PutServiceEvent(PutServiceEvent { service: key, message: "says more.".to_owned(), task_set: None });
    world.apply(Command::Plan(Plan { changes: vec![action, words] }));
    world.events.len()
}

// rule: 2.6/service-action
#[test]
fn a_service_action() {
    let (mut world, _) = World::with_service();
    assert_eq!(act(&mut world, "SERVICE_TASK_PLACEMENT_FAILURE", Level::Error), 1);
    golden(&world.events[0], &expect_file!["golden/service-action.json"]);
}

// rule: 2.6/action-info-names, 2.6/action-warn-names, 2.6/action-error-names
#[test]
fn only_ecs_own_service_actions_are_sent_each_with_its_level() {
    let (mut world, _) = World::with_service();
    for (name, level) in SERVICE_ACTIONS {
        for given in [Level::Info, Level::Warn, Level::Error] {
            assert_eq!(act(&mut world, name, given), usize::from(given == level), "{name} {given:?}");
        }
    }
    assert_eq!(act(&mut world, "SERVICE_IS_FINE", Level::Info), 0);
}

// rule: 2.6/deployment-event
#[test]
fn a_deployment_begins_ends_and_fails() {
    let (mut world, _) = World::with_service();
    world.apply(Command::UpdateService(Box::new(json(r#"{"service":"web","taskDefinition":"web:2"}"#))));
    golden(&world.events[0], &expect_file!["golden/deployment-in-progress.json"]);
    assert_eq!(named(&world.events[1]), Some("SERVICE_DEPLOYMENT_IN_PROGRESS"), "beside it, as a service action");
    let row = world.state.all_services().next().unwrap().clone();
    let primary = world.state.deployment(row.primary_key()).unwrap().clone();
    let mut set = SetDeployment::new(primary.key, primary.version);
    set.rollout_state = Some(RolloutState::Failed);
    set.rollout_state_reason = Some("ECS deployment circuit breaker: tasks failed to start.".to_owned());
    world.apply(Command::Plan(Plan { changes: vec![Change::SetDeployment(Box::new(set))] }));
    golden(&world.events[0], &expect_file!["golden/deployment-failed.json"]);
    assert_eq!(named(&world.events[1]), Some("SERVICE_DEPLOYMENT_FAILED"));
}

/// What a user sets isn't told back: ECS sends SERVICE_DESIRED_COUNT_UPDATED for the scheduler's own changes alone.
#[test]
fn a_count_that_a_user_sets_is_no_event() {
    let (mut world, _) = World::with_service();
    world.apply(Command::UpdateService(Box::new(json(r#"{"service":"web","desiredCount":5}"#))));
    assert_eq!(world.events, []);
}

#[test]
fn a_watcher_gets_what_it_wants() {
    let (mut world, _) = World::with_service();
    let tasks = world.tasks();
    let mut all = Vec::new();
    for task in &tasks {
        world.report(task, TaskStatus::Running);
        all.append(&mut world.events);
    }
    world.apply(Command::UpdateService(Box::new(json(r#"{"service":"web","forceNewDeployment":true}"#))));
    all.append(&mut world.events);
    world.register("other");
    all.append(&mut world.events);
    let id = tasks[1].key;
    let service = "arn:aws:ecs:eu-west-1:123456789012:service";
    let cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster";
    let wants = |request: WatchEventsRequest| {
        let filter = EventFilter::of(&request);
        all.iter().filter(|event| filter.wants(event)).map(|event| event.kind.detail_type()).collect::<Vec<_>>()
    };
    let (task, action) = ("ECS Task State Change", "ECS Service Action");
    let (deployment, instance) = ("ECS Deployment State Change", "ECS Container Instance State Change");
    for (request, expected) in [
        (r#"{}"#.to_owned(), vec![task, deployment, action, instance]),
        (r#"{"cluster":"default"}"#.to_owned(), vec![task, deployment, action, instance]),
        (format!(r#"{{"cluster":"{cluster}/default"}}"#), vec![task, deployment, action, instance]),
        (r#"{"cluster":"prod"}"#.to_owned(), vec![]),
        (format!(r#"{{"cluster":"{cluster}/prod"}}"#), vec![]),
        (format!(r#"{{"detailTypes":["{action}","{instance}"]}}"#), vec![action, instance]),
        (r#"{"service":"web"}"#.to_owned(), vec![task, deployment, action]),
        (format!(r#"{{"service":"{service}/default/web"}}"#), vec![task, deployment, action]),
        (format!(r#"{{"service":"{service}/prod/web"}}"#), vec![]),
        (r#"{"service":"we"}"#.to_owned(), vec![]),
        (format!(r#"{{"service":"web","detailTypes":["{task}"]}}"#), vec![task]),
        (format!(r#"{{"task":"{id}"}}"#), vec![task]),
        (r#"{"task":"0"}"#.to_owned(), vec![]),
    ] {
        let mut found = wants(json(&request));
        found.dedup();
        assert_eq!(found, expected, "{request}");
    }
}
