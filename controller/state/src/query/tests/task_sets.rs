//! EXTERNAL services and their task sets.

use drydock_model::status::TaskStatus;
use drydock_proto::ecs;
use expect_test::expect;

use super::{World, json, show};
use crate::row::TaskSetRow;
use crate::{Command, Outcome};

/// An EXTERNAL service `web` of two, with a task set of half of it that isn't primary yet.
fn with_task_set() -> (World, TaskSetRow) {
    let mut world = World::new();
    let service = r#"{"serviceName":"web","desiredCount":2,"deploymentController":{"type":"EXTERNAL"}}"#;
    world.apply(Command::CreateService(Box::new(json(service))));
    world.now += 1_000;
    let request = r#"{"service":"web","taskDefinition":"web:2","scale":{"value":33.3,"unit":"PERCENT"},
        "externalId":"green","tags":[{"key":"colour","value":"green"}]}"#;
    let outcome = world.apply(Command::CreateTaskSet(Box::new(json(request))));
    let Outcome::TaskSet(row) = outcome else { panic!("{outcome:?}") };
    (world, (*row).clone())
}

fn service(world: &World) -> ecs::Service {
    let request = json(r#"{"services":["web"],"include":["TAGS"]}"#);
    world.query().describe_services(&request).unwrap().services.remove(0)
}

fn make_primary(world: &mut World, row: &TaskSetRow) {
    let request = format!(r#"{{"service":"web","primaryTaskSet":"{}"}}"#, row.started_by);
    world.apply(Command::UpdateServicePrimaryTaskSet(json(&request)));
}

// rule: 2.3/task-sets-instead
#[test]
fn a_service_shows_task_sets_and_no_deployments() {
    let (world, _) = with_task_set();
    expect![[r#"
        {
          "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/default/web",
          "serviceName": "web",
          "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
          "loadBalancers": [],
          "serviceRegistries": [],
          "status": "ACTIVE",
          "desiredCount": 2,
          "runningCount": 0,
          "pendingCount": 0,
          "deploymentConfiguration": {
            "maximumPercent": 200,
            "minimumHealthyPercent": 100
          },
          "taskSets": [
            {
              "id": "ecs-svc/ID",
              "taskSetArn": "arn:aws:ecs:eu-west-1:123456789012:task-set/default/web/ecs-svc/ID",
              "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/default/web",
              "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
              "externalId": "green",
              "status": "ACTIVE",
              "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2",
              "computedDesiredCount": 1,
              "pendingCount": 0,
              "runningCount": 0,
              "createdAt": "2023-11-14T22:13:21Z",
              "updatedAt": "2023-11-14T22:13:21Z",
              "launchType": "EC2",
              "scale": {
                "value": 33.3,
                "unit": "PERCENT"
              },
              "stabilityStatus": "STABILIZING",
              "stabilityStatusAt": "2023-11-14T22:13:21Z",
              "tags": [
                {
                  "key": "colour",
                  "value": "green"
                }
              ]
            }
          ],
          "deployments": [],
          "events": [
            {
              "id": "ID",
              "createdAt": "2023-11-14T22:13:21Z",
              "message": "(service web) updated computedDesiredCount for taskSet ecs-svc/ID to 1."
            }
          ],
          "createdAt": "2023-11-14T22:13:20Z",
          "placementConstraints": [],
          "placementStrategy": [],
          "healthCheckGracePeriodSeconds": 0,
          "schedulingStrategy": "REPLICA",
          "deploymentController": {
            "type": "EXTERNAL"
          },
          "createdBy": "arn:aws:iam::123456789012:root",
          "enableECSManagedTags": false,
          "propagateTags": "NONE",
          "enableExecuteCommand": false,
          "availabilityZoneRebalancing": "DISABLED"
        }"#]]
    .assert_eq(&show(&service(&world)));
}

// rule: 2.3/task-set-status, 2.3/task-set-primary
#[test]
fn the_primary_task_set_is_what_the_service_shows() {
    let (mut world, row) = with_task_set();
    let before = service(&world);
    assert_eq!((before.task_definition, before.launch_type), (None, None), "null while there is no primary one");
    make_primary(&mut world, &row);
    let shown = service(&world);
    assert!(shown.task_definition().ends_with("task-definition/web:2"), "{shown:?}");
    assert_eq!(shown.launch_type(), ecs::LaunchType::Ec2);
    assert_eq!(shown.task_sets[0].status(), "PRIMARY");
    assert_eq!(world.query().list_services(&json(r#"{"launchType":"EC2"}"#)).unwrap().service_arns.len(), 1);
}

#[test]
fn tasks_name_their_task_set() {
    let (mut world, row) = with_task_set();
    make_primary(&mut world, &row);
    let instance = world.register("i");
    world.start_tasks(1, instance);
    let task = world.tasks()[0].clone();
    world.report(&task, TaskStatus::Running);
    let listed = |request: &str| world.query().list_tasks(&json(request)).unwrap().task_arns;
    let tasks = listed(r#"{"serviceName":"web"}"#);
    assert_eq!(tasks, listed(&format!(r#"{{"startedBy":"{}"}}"#, row.started_by)));
    let request = ecs::DescribeTasksRequest { tasks, ..Default::default() };
    let task = world.query().describe_tasks(&request).unwrap().tasks.remove(0);
    assert_eq!((task.started_by(), task.group()), (&*row.started_by, "service:web"));
    let counts = |shown: &ecs::TaskSet| (shown.running_count(), shown.pending_count(), shown.computed_desired_count());
    let shown = service(&world);
    assert_eq!((counts(&shown.task_sets[0]), shown.running_count()), ((1, 0, 1), 1));
    assert!(shown.events.iter().any(|event| event.message().starts_with("(service web, taskSet ecs-svc/")));
}

// rule: 2.6/tags-propagated
#[test]
fn new_tasks_of_a_task_set_follow_the_tag_options_of_their_service() {
    let (mut world, row) = with_task_set();
    make_primary(&mut world, &row);
    let instance = world.register("i");
    let newest = |world: &mut World, update: &str| {
        world.apply(Command::UpdateService(Box::new(json(&format!(r#"{{"service":"web",{update}}}"#)))));
        let known: Vec<_> = world.tasks().iter().map(|task| task.key).collect();
        world.start_tasks(1, instance);
        let task = world.tasks().into_iter().find(|task| !known.contains(&task.key)).unwrap();
        let request = format!(r#"{{"tasks":["{}"],"include":["TAGS"]}}"#, task.key);
        let tags = world.query().describe_tasks(&json(&request)).unwrap().tasks.remove(0).tags;
        world.report(&task, TaskStatus::Stopped);
        tags.iter().map(|tag| tag.key().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(newest(&mut world, r#""desiredCount":2"#), [""; 0]);
    let managed = ["aws:ecs:clusterName", "aws:ecs:serviceName"];
    assert_eq!(newest(&mut world, r#""enableECSManagedTags":true"#), managed);
    assert_eq!(newest(&mut world, r#""enableECSManagedTags":false"#), [""; 0]);
}

#[test]
fn task_sets_are_described_by_id_and_arn() {
    let (world, row) = with_task_set();
    let arn = format!("arn:aws:ecs:eu-west-1:123456789012:task-set/default/web/{}", row.started_by);
    let ask = |task_sets: &[&str], include: &[&str]| {
        let request = serde_json::json!({"service": "web", "taskSets": task_sets, "include": include});
        world.query().describe_task_sets(&json(&request.to_string())).unwrap()
    };
    for named in [vec![&*row.started_by], vec![arn.as_str()], vec![]] {
        let answer = ask(&named, &["TAGS"]);
        assert_eq!((answer.task_sets.len(), answer.failures.len()), (1, 0), "{named:?}");
        assert_eq!(answer.task_sets[0].tags.len(), 1);
    }
    let other = arn.replace("/web/", "/other/");
    expect![[r#"
        {
          "taskSets": [
            {
              "id": "ecs-svc/ID",
              "taskSetArn": "arn:aws:ecs:eu-west-1:123456789012:task-set/default/web/ecs-svc/ID",
              "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/default/web",
              "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
              "externalId": "green",
              "status": "ACTIVE",
              "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2",
              "computedDesiredCount": 1,
              "pendingCount": 0,
              "runningCount": 0,
              "createdAt": "2023-11-14T22:13:21Z",
              "updatedAt": "2023-11-14T22:13:21Z",
              "launchType": "EC2",
              "scale": {
                "value": 33.3,
                "unit": "PERCENT"
              },
              "stabilityStatus": "STABILIZING",
              "stabilityStatusAt": "2023-11-14T22:13:21Z"
            }
          ],
          "failures": [
            {
              "arn": "arn:aws:ecs:eu-west-1:123456789012:task-set/default/web/ecs-svc/7",
              "reason": "MISSING"
            },
            {
              "arn": "arn:aws:ecs:eu-west-1:123456789012:task-set/default/other/ecs-svc/ID",
              "reason": "MISSING"
            }
          ]
        }"#]]
    .assert_eq(&show(&ask(&[&row.started_by, "ecs-svc/7", &other], &[])));
    let request = |text: &str| world.query().describe_task_sets(&json(text));
    let refused = |text: &str| request(text).unwrap_err().to_string();
    assert_eq!(refused(r#"{"service":"none"}"#), "ServiceNotFoundException: Service not found.");
    assert_eq!(refused(r#"{"service":"web","cluster":"none"}"#), "ClusterNotFoundException: Cluster not found.");
}

#[test]
fn task_sets_have_tags() {
    let (mut world, row) = with_task_set();
    let arn = format!("arn:aws:ecs:eu-west-1:123456789012:task-set/default/web/{}", row.started_by);
    let tags = |world: &World| {
        let answer = world.query().list_tags_for_resource(&json(&format!(r#"{{"resourceArn":"{arn}"}}"#))).unwrap();
        let pair = |tag: &ecs::Tag| format!("{}={}", tag.key(), tag.value());
        answer.tags.iter().map(pair).collect::<Vec<String>>()
    };
    assert_eq!(tags(&world), ["colour=green"]);
    let request = format!(r#"{{"resourceArn":"{arn}","tags":[{{"key":"a","value":"b"}}]}}"#);
    world.apply(Command::TagResource(json(&request)));
    assert_eq!(tags(&world), ["colour=green", "a=b"]);
    world.apply(Command::UntagResource(json(&format!(r#"{{"resourceArn":"{arn}","tagKeys":["colour"]}}"#))));
    assert_eq!(tags(&world), ["a=b"]);
    let gone = arn.replace("ecs-svc/", "ecs-svc/9");
    let answer = world.query().list_tags_for_resource(&json(&format!(r#"{{"resourceArn":"{gone}"}}"#)));
    let refused = answer.unwrap_err().to_string();
    assert_eq!(refused, "TaskSetNotFoundException: The specified task set was not found.");
}
