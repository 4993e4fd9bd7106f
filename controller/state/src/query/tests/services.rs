//! Services, their deployments and revisions.

use drydock_model::status::TaskStatus;
use drydock_proto::ecs;
use expect_test::expect;

use super::{World, check, json, line, show};
use crate::Command;

// rule: 2.3/replies-echo-defaults, 2.3/rebalancing-echoed, 2.3/rollout-state, 2.3/rollout-reason-in-progress
#[test]
fn a_service_with_its_defaults_and_its_deployment() {
    let (world, _) = World::with_service();
    let request = json(r#"{"services":["web"],"include":["TAGS"]}"#);
    let answer = world.query().describe_services(&request).unwrap();
    expect![[r#"
        {
          "services": [
            {
              "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/default/web",
              "serviceName": "web",
              "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
              "loadBalancers": [],
              "serviceRegistries": [],
              "status": "ACTIVE",
              "desiredCount": 2,
              "runningCount": 1,
              "pendingCount": 1,
              "launchType": "EC2",
              "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
              "deploymentConfiguration": {
                "deploymentCircuitBreaker": {
                  "enable": false,
                  "rollback": false
                },
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
                "strategy": "ROLLING",
                "bakeTimeInMinutes": 0
              },
              "deployments": [
                {
                  "id": "ecs-svc/ID",
                  "status": "PRIMARY",
                  "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
                  "desiredCount": 2,
                  "pendingCount": 1,
                  "runningCount": 1,
                  "failedTasks": 0,
                  "createdAt": "2023-11-14T22:13:20Z",
                  "updatedAt": "2023-11-14T22:13:20Z",
                  "launchType": "EC2",
                  "rolloutState": "IN_PROGRESS",
                  "rolloutStateReason": "ECS deployment ecs-svc/ID in progress."
                }
              ],
              "events": [
                {
                  "id": "ID",
                  "createdAt": "2023-11-14T22:13:21Z",
                  "message": "(service web) has started 2 tasks: (task ID) (task ID)."
                },
                {
                  "id": "ID",
                  "createdAt": "2023-11-14T22:13:21Z",
                  "message": "(service web) says so."
                }
              ],
              "createdAt": "2023-11-14T22:13:20Z",
              "currentServiceDeployment": "arn:aws:ecs:eu-west-1:123456789012:service-deployment/default/web/ID",
              "currentServiceRevisions": [
                {
                  "arn": "arn:aws:ecs:eu-west-1:123456789012:service-revision/default/web/ID",
                  "requestedTaskCount": 2,
                  "runningTaskCount": 1,
                  "pendingTaskCount": 1
                }
              ],
              "placementConstraints": [],
              "placementStrategy": [],
              "healthCheckGracePeriodSeconds": 0,
              "schedulingStrategy": "REPLICA",
              "deploymentController": {
                "type": "ECS"
              },
              "tags": [
                {
                  "key": "cost",
                  "value": "1"
                }
              ],
              "createdBy": "arn:aws:iam::123456789012:root",
              "enableECSManagedTags": false,
              "propagateTags": "NONE",
              "enableExecuteCommand": false,
              "availabilityZoneRebalancing": "ENABLED"
            }
          ],
          "failures": []
        }"#]]
    .assert_eq(&show(&answer));
}

// rule: 2.3/deployment-status
#[test]
fn deployments_that_still_have_tasks_are_shown_and_others_vanish() {
    let (mut world, instance) = World::with_service();
    let shown = |world: &World| {
        let answer = world.query().describe_services(&json(r#"{"services":["web"]}"#)).unwrap();
        let service = &answer.services[0];
        let deployments = service.deployments.iter().map(|deployment| {
            format!(
                "{} {} desired={} pending={} running={}",
                deployment.status(),
                deployment.task_definition().rsplit('/').next().unwrap(),
                deployment.desired_count(),
                deployment.pending_count(),
                deployment.running_count()
            )
        });
        let deployments: Vec<String> = deployments.collect();
        let revisions = service.current_service_revisions.len();
        format!(
            "{} of {}: {} ({revisions} revisions)",
            service.status(),
            service.desired_count(),
            deployments.join(", ")
        )
    };
    let mut lines = vec![shown(&world)];
    let update = json(r#"{"service":"web","taskDefinition":"web:2","desiredCount":3}"#);
    world.apply(Command::UpdateService(Box::new(update)));
    lines.push(shown(&world));
    world.start_tasks(1, instance);
    lines.push(shown(&world));
    for task in world.tasks().iter().filter(|task| task.definition.revision == 1) {
        world.report(task, TaskStatus::Stopped);
    }
    lines.push(shown(&world));
    let list = world.query().list_service_deployments(&json(r#"{"service":"web"}"#)).unwrap();
    let statuses: Vec<_> = list.service_deployments.iter().map(ecs::ServiceDeploymentBrief::status).collect();
    lines.push(format!("{statuses:?}"));
    let stopped = world.query().list_service_deployments(&json(r#"{"service":"web","status":["STOPPED"]}"#)).unwrap();
    lines.push(format!("{} of them STOPPED", stopped.service_deployments.len()));
    world.apply(Command::DeleteService(json(r#"{"service":"web","force":true}"#)));
    lines.push(shown(&world));
    check(
        lines,
        expect![[r#"
            ACTIVE of 2: PRIMARY web:1 desired=2 pending=1 running=1 (1 revisions)
            ACTIVE of 3: PRIMARY web:2 desired=3 pending=0 running=0, ACTIVE web:1 desired=2 pending=1 running=1 (2 revisions)
            ACTIVE of 3: PRIMARY web:2 desired=3 pending=1 running=0, ACTIVE web:1 desired=2 pending=1 running=1 (2 revisions)
            ACTIVE of 3: PRIMARY web:2 desired=3 pending=1 running=0 (1 revisions)
            [Pending, Stopped]
            1 of them STOPPED
            DRAINING of 0: PRIMARY web:2 desired=0 pending=1 running=0 (1 revisions)
        "#]],
    );
}

// rule: 2.2/list-services-hides, 2.2/failures-missing, 2.2/text-cluster-not-found, 2.2/text-service-not-found
#[test]
fn service_lists_and_what_is_missing() {
    let (mut world, _) = World::with_service();
    for name in ["a", "b", "c"] {
        let request = format!(r#"{{"serviceName":"{name}","taskDefinition":"job","desiredCount":0}}"#);
        world.apply(Command::CreateService(Box::new(json(&request))));
    }
    world.apply(Command::DeleteService(json(r#"{"service":"b"}"#)));
    let query = world.query();
    let list = |request: &str| line(query.list_services(&json(request)));
    let missing = r#"{"services":["x","arn:aws:ecs:eu-west-1:123456789012:service/prod/web"]}"#;
    check(
        vec![
            list("{}"),
            list(r#"{"launchType":"FARGATE"}"#),
            list(r#"{"cluster":"prod"}"#),
            list(r#"{"cluster":"nowhere"}"#),
            line(query.describe_services(&json(missing))),
            line(query.describe_services(&json(r#"{"services":[]}"#))),
            line(query.list_service_deployments(&json(r#"{"service":"x"}"#))),
        ],
        expect![[r#"
            {"serviceArns":["arn:aws:ecs:eu-west-1:123456789012:service/default/a","arn:aws:ecs:eu-west-1:123456789012:service/default/c","arn:aws:ecs:eu-west-1:123456789012:service/default/web"]}
            {"serviceArns":[]}
            {"serviceArns":[]}
            ClusterNotFoundException: Cluster not found.
            {"services":[],"failures":[{"arn":"arn:aws:ecs:eu-west-1:123456789012:service/default/x","reason":"MISSING"},{"arn":"arn:aws:ecs:eu-west-1:123456789012:service/prod/web","reason":"MISSING"}]}
            InvalidParameterException: Services cannot be empty.
            ServiceNotFoundException: Service not found.
        "#]],
    );
}

// rule: 2.3/service-deployment-revisions, 2.3/service-revision
#[test]
fn service_deployments_and_revisions_by_arn() {
    let (world, _) = World::with_service();
    let query = world.query();
    let list = query.list_service_deployments(&json(r#"{"service":"web"}"#)).unwrap();
    let brief = &list.service_deployments[0];
    let deployments = query
        .describe_service_deployments(&ecs::DescribeServiceDeploymentsRequest {
            service_deployment_arns: vec![brief.service_deployment_arn().to_owned(), "arn:x".to_owned()],
        })
        .unwrap();
    let revisions = query
        .describe_service_revisions(&ecs::DescribeServiceRevisionsRequest {
            service_revision_arns: vec![brief.target_service_revision_arn().to_owned(), "arn:x".to_owned()],
        })
        .unwrap();
    expect![[r#"
        {
          "serviceDeployments": [
            {
              "serviceDeploymentArn": "arn:aws:ecs:eu-west-1:123456789012:service-deployment/default/web/ID",
              "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/default/web",
              "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
              "createdAt": "2023-11-14T22:13:20Z",
              "updatedAt": "2023-11-14T22:13:20Z",
              "targetServiceRevision": {
                "arn": "arn:aws:ecs:eu-west-1:123456789012:service-revision/default/web/ID",
                "requestedTaskCount": 2,
                "runningTaskCount": 1,
                "pendingTaskCount": 1
              },
              "status": "PENDING",
              "lifecycleStage": "RECONCILE_SERVICE",
              "deploymentConfiguration": {
                "deploymentCircuitBreaker": {
                  "enable": false,
                  "rollback": false
                },
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
                "strategy": "ROLLING",
                "bakeTimeInMinutes": 0
              },
              "deploymentCircuitBreaker": {
                "status": "DISABLED",
                "failureCount": 0,
                "threshold": 0
              }
            }
          ],
          "failures": [
            {
              "arn": "arn:x",
              "reason": "MISSING"
            }
          ]
        }
        {
          "serviceRevisions": [
            {
              "serviceRevisionArn": "arn:aws:ecs:eu-west-1:123456789012:service-revision/default/web/ID",
              "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/default/web",
              "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/default",
              "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
              "launchType": "EC2",
              "containerImages": [
                {
                  "containerName": "main",
                  "imageDigest": "sha256:1",
                  "image": "nginx"
                },
                {
                  "containerName": "log",
                  "image": "fluent"
                }
              ],
              "guardDutyEnabled": false,
              "createdAt": "2023-11-14T22:13:20Z"
            }
          ],
          "failures": [
            {
              "arn": "arn:x",
              "reason": "MISSING"
            }
          ]
        }
    "#]]
    .assert_eq(&format!("{}\n{}\n", show(&deployments), show(&revisions)));
}

// rule: 2.5/assign-public-ip
#[test]
fn no_task_has_a_public_address_unless_it_is_asked_for() {
    let mut world = World::new();
    let definition =
        r#"{"family":"vpc","networkMode":"awsvpc","containerDefinitions":[{"name":"m","image":"i","memory":6}]}"#;
    world.apply(Command::RegisterTaskDefinition(Box::new(json(definition))));
    let mut shown = |name: &str, vpc: &str| {
        let network = format!(r#"{{"awsvpcConfiguration":{{"subnets":["subnet-1"]{vpc}}}}}"#);
        let service = format!(
            r#"{{"serviceName":"{name}","taskDefinition":"vpc","desiredCount":0,"networkConfiguration":{network}}}"#
        );
        world.apply(Command::CreateService(Box::new(json(&service))));
        let request = json(&format!(r#"{{"services":["{name}"]}}"#));
        let service = world.query().describe_services(&request).unwrap().services.remove(0);
        let networks = [&service.network_configuration, &service.deployments[0].network_configuration];
        networks.map(|network| network.as_ref().unwrap().awsvpc_configuration.as_ref().unwrap().assign_public_ip())
    };
    use drydock_proto::ecs::AssignPublicIp::{Disabled, Enabled};
    assert_eq!(shown("a", ""), [Disabled, Disabled]);
    assert_eq!(shown("b", r#","assignPublicIp":"ENABLED""#), [Enabled, Enabled]);
    // The default said aloud is no change.
    let update = r#"{"service":"a","networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"],"assignPublicIp":"DISABLED"}}}"#;
    world.apply(Command::UpdateService(json(update)));
    let service = world.query().describe_services(&json(r#"{"services":["a"]}"#)).unwrap().services.remove(0);
    assert_eq!(service.deployments.len(), 1);
}
