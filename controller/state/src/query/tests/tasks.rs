//! Tasks, what agents are told of them, and events.

use drydock_model::status::TaskStatus;
use drydock_proto::ecs;
use expect_test::expect;

use super::{World, check, json, masked, show};
use crate::Command;
use crate::query::agent;

// rule: 2.1/container-fields, 2.1/task-arn, 2.1/container-arn, 2.1/started-by-service, 2.1/group
#[test]
fn a_task() {
    let (world, _) = World::with_service();
    let running = world.tasks().into_iter().find(|task| task.last_status == TaskStatus::Running).unwrap();
    let request = format!(r#"{{"tasks":["{}"]}}"#, running.key);
    let answer = world.query().describe_tasks(&json(&request)).unwrap();
    expect![[r#"
        {
          "tasks": [
            {
              "attachments": [],
              "attributes": [
                {
                  "name": "ecs.cpu-architecture",
                  "value": "x86_64"
                }
              ],
              "availabilityZone": "eu-west-1a",
              "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
              "connectivity": "CONNECTED",
              "connectivityAt": "2023-11-14T22:13:21Z",
              "containerInstanceArn": "arn:aws:ecs:eu-west-1:123456789012:container-instance/default/ID",
              "containers": [
                {
                  "containerArn": "arn:aws:ecs:eu-west-1:123456789012:container/default/ID/ID",
                  "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/default/ID",
                  "name": "main",
                  "image": "nginx",
                  "imageDigest": "sha256:1",
                  "runtimeId": "abc",
                  "lastStatus": "RUNNING",
                  "networkBindings": [
                    {
                      "bindIP": "0.0.0.0",
                      "containerPort": 80,
                      "hostPort": 32768,
                      "protocol": "tcp"
                    }
                  ],
                  "networkInterfaces": [],
                  "healthStatus": "UNKNOWN",
                  "cpu": "128",
                  "memory": "256"
                },
                {
                  "containerArn": "arn:aws:ecs:eu-west-1:123456789012:container/default/ID/ID",
                  "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/default/ID",
                  "name": "log",
                  "image": "fluent",
                  "lastStatus": "PENDING",
                  "networkInterfaces": [],
                  "healthStatus": "UNKNOWN",
                  "cpu": "0",
                  "memoryReservation": "64"
                }
              ],
              "cpu": "128",
              "createdAt": "2023-11-14T22:13:21Z",
              "desiredStatus": "RUNNING",
              "enableExecuteCommand": false,
              "group": "service:web",
              "healthStatus": "UNKNOWN",
              "lastStatus": "RUNNING",
              "launchType": "EC2",
              "memory": "320",
              "overrides": {
                "containerOverrides": [
                  {
                    "name": "main"
                  },
                  {
                    "name": "log"
                  }
                ],
                "inferenceAcceleratorOverrides": []
              },
              "startedAt": "2023-11-14T22:13:22Z",
              "startedBy": "ecs-svc/ID",
              "tags": [],
              "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/default/ID",
              "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
              "version": 2
            }
          ],
          "failures": []
        }"#]]
    .assert_eq(&show(&answer));
}

// rule: 2.1/list-tasks-default-filter, 2.1/list-tasks-pending-filter, 2.1/desired-status-values
#[test]
fn tasks_by_filter() {
    let (mut world, instance) = World::with_service();
    let other = world.register("other");
    let task = world.tasks().into_iter().find(|task| task.last_status == TaskStatus::Pending).unwrap();
    let stop = ecs::StopTaskRequest { task: Some(task.key.to_string()), ..Default::default() };
    world.apply(Command::StopTask(stop));
    let query = world.query();
    let count = |request: String| match query.list_tasks(&json(&request)) {
        Ok(answer) => format!("{request} → {}", answer.task_arns.len()),
        Err(error) => format!("{request} → {error}"),
    };
    let started_by = task.started_by.as_deref().unwrap();
    let lines = [
        "{}".to_owned(),
        r#"{"desiredStatus":"STOPPED"}"#.to_owned(),
        r#"{"desiredStatus":"PENDING"}"#.to_owned(),
        r#"{"serviceName":"web"}"#.to_owned(),
        r#"{"serviceName":"web","desiredStatus":"STOPPED"}"#.to_owned(),
        r#"{"serviceName":"x"}"#.to_owned(),
        r#"{"family":"web"}"#.to_owned(),
        r#"{"family":"job"}"#.to_owned(),
        r#"{"launchType":"EC2"}"#.to_owned(),
        r#"{"launchType":"FARGATE"}"#.to_owned(),
        r#"{"cluster":"prod"}"#.to_owned(),
        format!(r#"{{"containerInstance":"{instance}"}}"#),
        format!(r#"{{"containerInstance":"{other}"}}"#),
        format!(r#"{{"containerInstance":"{other}","serviceName":"web"}}"#),
        r#"{"containerInstance":"x"}"#.to_owned(),
        format!(r#"{{"startedBy":"{started_by}"}}"#),
        r#"{"startedBy":"me"}"#.to_owned(),
    ]
    .map(count);
    let lines: Vec<String> = lines.iter().map(|line| masked(line)).collect();
    check(
        lines,
        expect![[r#"
        {} → 1
        {"desiredStatus":"STOPPED"} → 1
        {"desiredStatus":"PENDING"} → 0
        {"serviceName":"web"} → 1
        {"serviceName":"web","desiredStatus":"STOPPED"} → 1
        {"serviceName":"x"} → ServiceNotFoundException: Service not found.
        {"family":"web"} → 1
        {"family":"job"} → 0
        {"launchType":"EC2"} → 1
        {"launchType":"FARGATE"} → 0
        {"cluster":"prod"} → 0
        {"containerInstance":"ID"} → 1
        {"containerInstance":"ID"} → 0
        {"containerInstance":"ID","serviceName":"web"} → 0
        {"containerInstance":"x"} → InvalidParameterException: The referenced container instance was not found.
        {"startedBy":"ecs-svc/ID"} → 1
        {"startedBy":"me"} → 0
    "#]],
    );
}

// rule: 2.7/list-pages
#[test]
fn pages_of_tasks_add_up() {
    let (mut world, instance) = World::with_service();
    world.start_tasks(5, instance);
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let request = format!(r#"{{"maxResults":3,"nextToken":"{token}"}}"#);
        let page = world.query().list_tasks(&json(&request)).unwrap();
        assert!(page.task_arns.len() <= 3);
        seen.extend(page.task_arns);
        match page.next_token {
            Some(next) => token = next,
            None => break,
        }
    }
    let all = world.query().list_tasks(&json("{}")).unwrap().task_arns;
    assert_eq!((seen.len(), &seen), (6, &all));
}

#[test]
fn what_an_agent_is_told() {
    let (world, instance) = World::with_service();
    let manifest = agent::manifest(&world.state, instance).unwrap();
    let row = world.state.instance(instance).unwrap();
    assert_eq!(manifest.sequence, row.changed_at);
    assert_eq!((manifest.tasks.len(), manifest.task_definitions.len(), manifest.more), (2, 1, false));
    let task = &manifest.tasks[0];
    assert_eq!(agent::assigned_task(&world.state, &world.tasks()[0]).as_ref(), Some(task));
    let mut text = format!("{task:#?}");
    text = masked(&text);
    expect![[r#"
        AssignedTask {
            task_arn: "arn:aws:ecs:eu-west-1:123456789012:task/default/ID",
            task_definition_arn: "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
            desired_status: "RUNNING",
            cluster: "default",
            group: "service:web",
            started_by: "ecs-svc/ID",
            launch_type: Ec2,
            overrides: None,
            network_configuration: None,
            tags: [],
            availability_zone: "eu-west-1a",
            container_arns: {
                "log": "arn:aws:ecs:eu-west-1:123456789012:container/default/ID/ID",
                "main": "arn:aws:ecs:eu-west-1:123456789012:container/default/ID/ID",
            },
            enable_execute_command: false,
            created_at: Some(
                Timestamp {
                    seconds: 1700000001,
                    nanos: 0,
                },
            ),
            image_digests: {
                "main": "sha256:1",
            },
            attachments: [],
        }"#]]
    .assert_eq(&text);
    let digest = agent::manifest_digest(&world.state, instance);
    assert_eq!(digest, agent::manifest_digest(&world.state, instance));
    let mut stopped = world;
    let key = stopped.tasks()[0].key.to_string();
    stopped.apply(Command::StopTask(ecs::StopTaskRequest { task: Some(key), ..Default::default() }));
    assert_ne!(digest, agent::manifest_digest(&stopped.state, instance), "a task's desired status is part of it");
    let row = stopped.state.instance(instance).unwrap();
    assert!(row.changed_at > manifest.sequence);
}
