//! Clusters, task definitions, container instances, tags.

use drydock_proto::ecs;
use expect_test::expect;

use super::{World, check, json, line, show};
use crate::Command;
use crate::key::FamilyKey;
use crate::row::FamilyRow;

// rule: 2.2/failures-missing
#[test]
fn clusters() {
    let world = World::new();
    let query = world.query();
    let describe = |request: &str| line(query.describe_clusters(&json(request)));
    let list = |request: &str| line(query.list_clusters(&json(request)));
    let page = query.list_clusters(&json(r#"{"maxResults":2}"#)).unwrap();
    let next = format!(r#"{{"maxResults":2,"nextToken":"{}"}}"#, page.next_token.as_deref().unwrap());
    let rest = query.list_clusters(&json(&next)).unwrap();
    check(
        vec![
            describe("{}"),
            describe(r#"{"clusters":["prod","nowhere","arn:aws:ecs:eu-west-1:123456789012:cluster/test"]}"#),
            describe(r#"{"clusters":["arn:aws:ecs:us-east-1:123456789012:cluster/prod"]}"#),
            describe(r#"{"clusters":["prod"],"include":["TAGS","STATISTICS"]}"#),
            list("{}"),
            format!("{:?} then {:?}", page.cluster_arns, rest.cluster_arns),
            list(r#"{"nextToken":"junk"}"#),
            list(r#"{"maxResults":0}"#),
        ],
        expect![[r#"
            {"clusters":[{"clusterArn":"arn:aws:ecs:eu-west-1:123456789012:cluster/default","clusterName":"default","status":"ACTIVE","registeredContainerInstancesCount":0,"runningTasksCount":0,"pendingTasksCount":0,"activeServicesCount":0,"statistics":[],"tags":[],"settings":[],"capacityProviders":[],"defaultCapacityProviderStrategy":[]}],"failures":[]}
            {"clusters":[{"clusterArn":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod","clusterName":"prod","status":"ACTIVE","registeredContainerInstancesCount":0,"runningTasksCount":0,"pendingTasksCount":0,"activeServicesCount":0,"statistics":[],"tags":[],"settings":[],"capacityProviders":[],"defaultCapacityProviderStrategy":[]},{"clusterArn":"arn:aws:ecs:eu-west-1:123456789012:cluster/test","clusterName":"test","status":"ACTIVE","registeredContainerInstancesCount":0,"runningTasksCount":0,"pendingTasksCount":0,"activeServicesCount":0,"statistics":[],"tags":[],"settings":[],"capacityProviders":[],"defaultCapacityProviderStrategy":[]}],"failures":[{"arn":"arn:aws:ecs:eu-west-1:123456789012:cluster/nowhere","reason":"MISSING"}]}
            {"clusters":[],"failures":[{"arn":"arn:aws:ecs:us-east-1:123456789012:cluster/prod","reason":"MISSING"}]}
            {"clusters":[{"clusterArn":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod","clusterName":"prod","status":"ACTIVE","registeredContainerInstancesCount":0,"runningTasksCount":0,"pendingTasksCount":0,"activeServicesCount":0,"statistics":[{"name":"runningEC2TasksCount","value":"0"},{"name":"runningFargateTasksCount","value":"0"},{"name":"runningExternalTasksCount","value":"0"},{"name":"pendingEC2TasksCount","value":"0"},{"name":"pendingFargateTasksCount","value":"0"},{"name":"pendingExternalTasksCount","value":"0"},{"name":"activeEC2ServiceCount","value":"0"},{"name":"activeFargateServiceCount","value":"0"},{"name":"activeExternalServiceCount","value":"0"},{"name":"drainingEC2ServiceCount","value":"0"},{"name":"drainingFargateServiceCount","value":"0"},{"name":"drainingExternalServiceCount","value":"0"}],"tags":[{"key":"of","value":"prod"}],"settings":[],"capacityProviders":[],"defaultCapacityProviderStrategy":[]}],"failures":[]}
            {"clusterArns":["arn:aws:ecs:eu-west-1:123456789012:cluster/default","arn:aws:ecs:eu-west-1:123456789012:cluster/prod","arn:aws:ecs:eu-west-1:123456789012:cluster/test"]}
            ["arn:aws:ecs:eu-west-1:123456789012:cluster/default", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"] then ["arn:aws:ecs:eu-west-1:123456789012:cluster/test"]
            InvalidParameterException: Invalid token.
            InvalidParameterException: maxResults must be between 1 and 100.
        "#]],
    );
}

// rule: 2.2/text-unable-to-describe
#[test]
fn task_definitions() {
    let mut world = World::new();
    world.apply(Command::DeregisterTaskDefinition(json(r#"{"taskDefinition":"web:2"}"#)));
    world.apply(Command::DeregisterTaskDefinition(json(r#"{"taskDefinition":"job:1"}"#)));
    let query = world.query();
    let which = |name: &str| {
        let request = ecs::DescribeTaskDefinitionRequest {
            task_definition: Some(name.to_owned()),
            include: vec![ecs::TaskDefinitionField::Tags.into()],
        };
        match query.describe_task_definition(&request) {
            Ok(found) => {
                let definition = found.task_definition.unwrap();
                let tags: Vec<String> = found.tags.into_iter().filter_map(|tag| tag.key).collect();
                format!("{name}: {} {:?} {tags:?}", definition.task_definition_arn(), definition.status())
            }
            Err(error) => format!("{name}: {error}"),
        }
    };
    let list = |request: &str| line(query.list_task_definitions(&json(request)));
    let families = |request: &str| line(query.list_task_definition_families(&json(request)));
    check(
        vec![
            which("web"),
            which("web:2"),
            which("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1"),
            which("arn:aws:ecs:us-east-1:123456789012:task-definition/web:1"),
            which("job"),
            which("web:9"),
            which("nothing"),
            list("{}"),
            list(r#"{"status":"INACTIVE"}"#),
            list(r#"{"status":"INACTIVE","sort":"DESC"}"#),
            list(r#"{"familyPrefix":"job","status":"INACTIVE"}"#),
            families("{}"),
            families(r#"{"status":"ACTIVE"}"#),
            families(r#"{"status":"INACTIVE"}"#),
            families(r#"{"familyPrefix":"w"}"#),
        ],
        expect![[r#"
            web: arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1 Active ["team"]
            web:2: arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2 Inactive ["team"]
            arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1: arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1 Active ["team"]
            arn:aws:ecs:us-east-1:123456789012:task-definition/web:1: ClientException: Unable to describe task definition.
            job: ClientException: Unable to describe task definition.
            web:9: ClientException: Unable to describe task definition.
            nothing: ClientException: Unable to describe task definition.
            {"taskDefinitionArns":["arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1"]}
            {"taskDefinitionArns":["arn:aws:ecs:eu-west-1:123456789012:task-definition/job:1","arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2"]}
            {"taskDefinitionArns":["arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2","arn:aws:ecs:eu-west-1:123456789012:task-definition/job:1"]}
            {"taskDefinitionArns":["arn:aws:ecs:eu-west-1:123456789012:task-definition/job:1"]}
            {"families":["job","web"]}
            {"families":["web"]}
            {"families":["job"]}
            {"families":["web"]}
        "#]],
    );
}

// rule: 2.4/query-filter
// rule: 2.4/resources-shape, 2.2/failures-missing
#[test]
fn container_instances() {
    let (mut world, instance) = World::with_service();
    let request = format!(r#"{{"containerInstances":["{instance}","x"],"include":["TAGS"]}}"#);
    let described = show(&world.query().describe_container_instances(&json(&request)).unwrap());
    let other = world.register("other");
    let drain = format!(r#"{{"containerInstances":["{other}"],"status":"DRAINING"}}"#);
    world.apply(Command::UpdateContainerInstancesState(json(&drain)));
    let query = world.query();
    let count = |request: &str| match query.list_container_instances(&json(request)) {
        Ok(answer) => format!("{request} → {}", answer.container_instance_arns.len()),
        Err(error) => format!("{request} → {error}"),
    };
    check(
        vec![
            described,
            count("{}"),
            count(r#"{"status":"ACTIVE"}"#),
            count(r#"{"status":"DRAINING"}"#),
            count(r#"{"status":"INACTIVE"}"#),
            count(r#"{"filter":"attribute:x exists"}"#),
            count(r#"{"filter":"runningTasksCount == 0 and agentConnected == true"}"#),
            count(r#"{"filter":"task:group == service:web"}"#),
            count(r#"{"filter":"task:group == service:web","status":"DRAINING"}"#),
            count(r#"{"filter":"attribute:x"}"#),
            count(r#"{"cluster":"prod"}"#),
        ],
        expect![[r#"
            {
              "containerInstances": [
                {
                  "containerInstanceArn": "arn:aws:ecs:eu-west-1:123456789012:container-instance/default/ID",
                  "version": 3,
                  "versionInfo": {
                    "agentVersion": "1.0",
                    "dockerVersion": "DockerVersion: 27"
                  },
                  "remainingResources": [
                    {
                      "name": "CPU",
                      "type": "INTEGER",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 768
                    },
                    {
                      "name": "MEMORY",
                      "type": "INTEGER",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 1408
                    },
                    {
                      "name": "PORTS",
                      "type": "STRINGSET",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 0
                    },
                    {
                      "name": "PORTS_UDP",
                      "type": "STRINGSET",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 0
                    }
                  ],
                  "registeredResources": [
                    {
                      "name": "CPU",
                      "type": "INTEGER",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 1024
                    },
                    {
                      "name": "MEMORY",
                      "type": "INTEGER",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 2048
                    },
                    {
                      "name": "PORTS",
                      "type": "STRINGSET",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 0
                    },
                    {
                      "name": "PORTS_UDP",
                      "type": "STRINGSET",
                      "doubleValue": 0.0,
                      "longValue": 0,
                      "integerValue": 0
                    }
                  ],
                  "status": "ACTIVE",
                  "agentConnected": true,
                  "runningTasksCount": 1,
                  "pendingTasksCount": 1,
                  "attributes": [
                    {
                      "name": "ecs.availability-zone",
                      "value": "eu-west-1a"
                    },
                    {
                      "name": "ecs.capability.task-eni"
                    }
                  ],
                  "registeredAt": "2023-11-14T22:13:20Z",
                  "attachments": [],
                  "tags": [
                    {
                      "key": "rack",
                      "value": "7"
                    }
                  ]
                }
              ],
              "failures": [
                {
                  "arn": "x",
                  "reason": "MISSING"
                }
              ]
            }
            {} → 2
            {"status":"ACTIVE"} → 1
            {"status":"DRAINING"} → 1
            {"status":"INACTIVE"} → 0
            {"filter":"attribute:x exists"} → 0
            {"filter":"runningTasksCount == 0 and agentConnected == true"} → 1
            {"filter":"task:group == service:web"} → 1
            {"filter":"task:group == service:web","status":"DRAINING"} → 0
            {"filter":"attribute:x"} → InvalidParameterException: Invalid expression: expected an operator but found the end at character 12.
            {"cluster":"prod"} → 0
        "#]],
    );
}

#[test]
fn tags() {
    let (world, instance) = World::with_service();
    let task = world.tasks()[0].key;
    let arn = |path: String| {
        let request = ecs::ListTagsForResourceRequest {
            resource_arn: Some(format!("arn:aws:ecs:eu-west-1:123456789012:{path}")),
        };
        let path = path.split('/').next().unwrap().to_owned();
        format!("{path}: {}", line(world.query().list_tags_for_resource(&request)))
    };
    check(
        vec![
            arn("cluster/prod".to_owned()),
            arn("cluster/nowhere".to_owned()),
            arn("service/default/web".to_owned()),
            arn("service/default/x".to_owned()),
            arn(format!("task/default/{task}")),
            arn(format!("task/prod/{task}")),
            arn(format!("container-instance/default/{instance}")),
            arn("task-definition/web:1".to_owned()),
            arn("task-definition/web:9".to_owned()),
            arn("service-revision/default/web/1".to_owned()),
        ],
        expect![[r#"
            cluster: {"tags":[{"key":"of","value":"prod"}]}
            cluster: ClusterNotFoundException: Cluster not found.
            service: {"tags":[{"key":"cost","value":"1"}]}
            service: ServiceNotFoundException: Service not found.
            task: {"tags":[]}
            task: InvalidParameterException: The specified resource was not found.
            container-instance: {"tags":[{"key":"rack","value":"7"}]}
            task-definition: {"tags":[{"key":"team","value":"a"}]}
            task-definition: InvalidParameterException: The specified resource was not found.
            service-revision: InvalidParameterException: Invalid resourceArn 'arn:aws:ecs:eu-west-1:123456789012:service-revision/default/web/1'.
        "#]],
    );
}

// rule: 2.7/revisions, 2.2/revisions-count-up
#[test]
fn a_family_has_a_million_revisions() {
    let mut world = World::new();
    let definition = r#"{"family":"job","containerDefinitions":[{"name":"m","image":"i","memory":6}]}"#;
    let register = || Command::RegisterTaskDefinition(Box::new(json(definition)));
    let scope = world.state.scope_id(&world.scope).unwrap();
    let key = FamilyKey { scope, family: "job".into() };
    world.state.put_family(FamilyRow { key, last_revision: 999_999 });
    world.apply(register());
    let refused = world.try_apply(register());
    let error = refused.refused().unwrap().to_string();
    assert_eq!(error, "LimitExceededException: A family has at most 1000000 revisions.");
}
