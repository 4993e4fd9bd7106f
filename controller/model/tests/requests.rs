//! What each operation refuses without looking at the state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use drydock_model::error::EcsError;
use drydock_model::refusals;
use drydock_model::requests::{
    check_network_mode, clusters, container_instances, protection, services, tagging, task_definitions, tasks,
};
use drydock_proto::ecs::{self, LaunchType};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Merges each patch into `base` and compares what is answered; `…` at the end of what is expected stands for the rest.
fn check<R: DeserializeOwned, T>(validate: fn(&R) -> Result<T, EcsError>, base: &Value, table: &[(&str, &str)]) {
    for (patch, expected) in table {
        let mut request = base.clone();
        let patch: Value = serde_json::from_str(patch).unwrap_or_else(|error| panic!("{error}: {patch}"));
        for (name, value) in patch.as_object().unwrap() {
            request[name] = value.clone();
        }
        let request: R = serde_json::from_value(request).unwrap();
        let found = validate(&request).map_or_else(|error| error.to_string(), |_| "ok".to_owned());
        let expected = expected.replacen("invalid: ", "InvalidParameterException: ", 1);
        let expected = expected.replacen("unsupported: ", "UnsupportedFeatureException: ", 1);
        match expected.strip_suffix('…') {
            Some(start) => assert!(found.starts_with(start), "{patch}\n{found}"),
            None => assert_eq!(found, expected, "{patch}"),
        }
    }
}

fn names(count: usize) -> String {
    json!((0..count).map(|at| format!("n{at}")).collect::<Vec<_>>()).to_string()
}

// rule: 2.7/describe-caps
#[test]
fn clusters() {
    let long = "x".repeat(256);
    check(
        |request| clusters::create_cluster(request).map(|_| ()),
        &json!({}),
        &[
            ("{}", "ok"),
            (r#"{"clusterName": "prod-1"}"#, "ok"),
            (r#"{"clusterName": "a b"}"#, "invalid: clusterName contains invalid characters."),
            (&format!(r#"{{"clusterName": "{long}"}}"#), "invalid: clusterName longer than 255."),
            (r#"{"settings": [{"name": "containerInsights", "value": "disabled"}]}"#, "ok"),
            (r#"{"settings": [{"name": "containerInsights", "value": "enabled"}]}"#, "ok"),
            (
                r#"{"settings": [{"name": "containerInsights", "value": "enhanced"}]}"#,
                "unsupported: settings: containerInsights…",
            ),
            (r#"{"settings": [{"name": "containerInsights", "value": "yes"}]}"#, "invalid: The setting…"),
            (r#"{"capacityProviders": ["FARGATE"]}"#, "ok"),
            (r#"{"configuration": {}}"#, "ok"),
            (
                r#"{"configuration": {"executeCommandConfiguration": {"logging": "NONE"}}}"#,
                "unsupported: configuration isn't…",
            ),
        ],
    );
    check(
        clusters::describe_clusters,
        &json!({}),
        &[
            ("{}", "ok"),
            (&format!(r#"{{"clusters": {}}}"#, names(100)), "ok"),
            (&format!(r#"{{"clusters": {}}}"#, names(101)), "invalid: Clusters cannot have more than 100 elements."),
        ],
    );
    check(clusters::delete_cluster, &json!({}), &[("{}", "invalid: cluster should not be null or empty.")]);
    check(clusters::update_cluster_settings, &json!({"cluster": "c"}), &[("{}", "invalid: settings cannot be empty.")]);
    check(clusters::list_clusters, &json!({}), &[(r#"{"maxResults": 101}"#, "invalid: maxResults must…")]);
}

// rule: 2.3/replica-desired-count, 2.7/tasks-a-service, 2.7/subnets-and-groups, 2.7/client-token, 2.2/platform-ec2
// rule: 2.4/capacity-exclusive
#[test]
fn create_service() {
    let vpc = |subnets: usize, groups: usize| {
        format!(
            r#"{{"networkConfiguration": {{"awsvpcConfiguration": {{"subnets": {}, "securityGroups": {}}}}}}}"#,
            names(subnets),
            names(groups)
        )
    };
    let percents = |min: &str, max: &str| {
        format!(r#"{{"deploymentConfiguration": {{"minimumHealthyPercent": {min}, "maximumPercent": {max}}}}}"#)
    };
    let both = "invalid: Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.";
    check(
        services::create_service,
        &json!({"serviceName": "web", "taskDefinition": "web:1", "desiredCount": 3}),
        &[
            ("{}", "ok"),
            (r#"{"serviceName": null}"#, "invalid: serviceName should not be null or empty."),
            (r#"{"serviceName": "a.b"}"#, "invalid: serviceName contains invalid characters."),
            (r#"{"taskDefinition": null}"#, "invalid: taskDefinition should not be null or empty."),
            (r#"{"desiredCount": null}"#, "invalid: desiredCount must be specified…"),
            (r#"{"desiredCount": -1}"#, "invalid: desiredCount must be between 0 and 5000."),
            (r#"{"desiredCount": 0}"#, "ok"),
            (r#"{"healthCheckGracePeriodSeconds": 60}"#, "ok"),
            (
                r#"{"healthCheckGracePeriodSeconds": -1}"#,
                "invalid: healthCheckGracePeriodSeconds must not be negative.",
            ),
            (r#"{"clientToken": "0123456789-0123456789-0123456789-012"}"#, "ok"),
            (r#"{"clientToken": "0123456789-0123456789-0123456789-01234"}"#, "invalid: clientToken must…"),
            (r#"{"clientToken": "a b"}"#, "invalid: clientToken must…"),
            (&vpc(16, 5), "ok"),
            (&vpc(0, 0), "invalid: subnets cannot be empty."),
            (&vpc(17, 0), "invalid: subnets cannot have more than 16 elements."),
            (&vpc(1, 6), "invalid: securityGroups cannot have more than 5 elements."),
            (&percents("50", "150"), "ok"),
            (&percents("100", "null"), "ok"),
            (&percents("null", "100"), both),
            (&percents("100", "100"), both),
            (&percents("-1", "200"), "invalid: minimumHealthyPercent must be between 0 and 100."),
            (&percents("0", "99"), "invalid: maximumPercent must be at least 100."),
            (r#"{"launchType": "FARGATE", "platformVersion": "LATEST"}"#, "ok"),
            (r#"{"launchType": "FARGATE", "platformVersion": "2"}"#, "PlatformUnknownException: …"),
            (
                r#"{"launchType": "EC2", "platformVersion": "LATEST"}"#,
                "invalid: The platform version must be null when specifying an EC2 launch type.",
            ),
            (
                r#"{"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "p"}]}"#,
                "invalid: Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
            ),
            // What Terraform sends whether configured or not.
            (
                r#"{"launchType": "EC2", "availabilityZoneRebalancing": "DISABLED", "capacityProviderStrategy": [],
                "schedulingStrategy": "REPLICA", "enableECSManagedTags": false, "enableExecuteCommand": false,
                "deploymentController": {"type": "ECS"}, "propagateTags": "NONE"}"#,
                "ok",
            ),
        ],
    );
}

#[test]
fn what_create_service_cannot_do_yet() {
    let mut seen = Vec::new();
    for (patch, field) in [
        (r#"{"deploymentController": {"type": "CODE_DEPLOY"}}"#, "deploymentController: CODE_DEPLOY"),
        (
            r#"{"deploymentConfiguration": {"strategy": "LINEAR"}}"#,
            "deploymentConfiguration.strategy: LINEAR or CANARY",
        ),
        // rule: 2.3/alarms-refused
        (
            r#"{"deploymentConfiguration": {"alarms": {"enable": true, "alarmNames": ["a"], "rollback": false}}}"#,
            "deploymentConfiguration.alarms.enable: true",
        ),
        (
            r#"{"deploymentConfiguration": {"lifecycleHooks": [{"hookTargetArn": "x"}]}}"#,
            "deploymentConfiguration.lifecycleHooks with targetType AWS_LAMBDA",
        ),
        (r#"{"launchType": "EXTERNAL"}"#, "launchType other than EC2 or FARGATE"),
        // rule: 2.3/deploys-load-balancers, 2.3/target-groups, 2.3/healthy-on-target, 2.1/reason-elb-health
        // rule: 2.3/event-registered-targets, 2.3/event-deregistered-targets, 2.3/event-draining-connections
        // rule: 2.3/event-unhealthy-target, 2.6/action-error-health-unknown, 2.1/state-deactivating
        (r#"{"loadBalancers": [{"targetGroupArn": "x"}]}"#, "loadBalancers"),
        (r#"{"role": "r"}"#, "role"),
        // rule: 2.3/deploys-registries, 2.6/registries-refused, 2.6/cloud-map, 2.6/action-warn-discovery
        // rule: 2.7/tasks-a-service-discovery
        (r#"{"serviceRegistries": [{"registryArn": "x"}]}"#, "serviceRegistries"),
        // rule: 2.3/deploys-service-connect, 2.3/service-connect-refused, 2.7/services-a-namespace
        (r#"{"serviceConnectConfiguration": {"enabled": true}}"#, "serviceConnectConfiguration.enabled: true"),
        // rule: 2.3/deploys-volumes, 2.1/volume-ebs-launch
        (r#"{"volumeConfigurations": [{"name": "v"}]}"#, "volumeConfigurations"),
        (r#"{"vpcLatticeConfigurations": [{"portName": "p"}]}"#, "vpcLatticeConfigurations"),
        // rule: 2.5/exec-refused, 2.5/exec-sessions, 2.7/exec-sessions
        (r#"{"enableExecuteCommand": true}"#, "enableExecuteCommand: true"),
    ] {
        let base = json!({"serviceName": "web", "taskDefinition": "web:1", "desiredCount": 3});
        check(services::create_service, &base, &[(patch, &format!("unsupported: {field} isn't supported: …"))]);
        seen.push(field);
    }
    for row in refusals::CREATE_SERVICE {
        assert!(seen.contains(&row.field), "{} is refused, but no line above shows it", row.field);
    }
}

#[test]
fn refusals_read_well_and_are_listed_once() {
    let mut rows: Vec<_> = refusals::all().into_iter().map(|row| (row.operation, row.field)).collect();
    let count = rows.len();
    assert!(count > 50);
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), count);
    for row in refusals::all() {
        assert!(!row.reason.ends_with('.') && !row.field.contains('|'), "{row:?}");
    }
}

// rule: 2.7/describe-caps, 2.7/list-pages
#[test]
fn update_service() {
    check(
        services::update_service,
        &json!({"service": "web"}),
        &[
            ("{}", "ok"),
            (r#"{"service": null}"#, "invalid: service should not be null or empty."),
            (r#"{"desiredCount": 10}"#, "ok"),
            (r#"{"desiredCount": -1}"#, "invalid: desiredCount must…"),
            (r#"{"taskDefinition": ""}"#, "invalid: taskDefinition should not be null or empty."),
            (r#"{"loadBalancers": [], "serviceRegistries": [], "placementStrategy": []}"#, "ok"),
            (r#"{"loadBalancers": [{"targetGroupArn": "x"}]}"#, "unsupported: loadBalancers isn't…"),
            (r#"{"deploymentConfiguration": {"maximumPercent": 100}}"#, "ok"),
            (r#"{"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}}"#, "invalid: Both…"),
            (r#"{"deploymentConfiguration": {"minimumHealthyPercent": 101}}"#, "invalid: minimumHealthyPercent must…"),
            (r#"{"platformVersion": "9"}"#, "PlatformUnknownException: …"),
        ],
    );
    check(
        services::describe_services,
        &json!({}),
        &[
            ("{}", "invalid: Services cannot be empty."),
            (&format!(r#"{{"services": {}}}"#, names(10)), "ok"),
            (&format!(r#"{{"services": {}}}"#, names(11)), "invalid: Services cannot have more than 10 elements."),
        ],
    );
    check(
        services::describe_service_deployments,
        &json!({}),
        &[
            (&format!(r#"{{"serviceDeploymentArns": {}}}"#, names(20)), "ok"),
            (&format!(r#"{{"serviceDeploymentArns": {}}}"#, names(21)), "invalid: serviceDeploymentArns cannot…"),
        ],
    );
    let list: ecs::ListServicesRequest = serde_json::from_value(json!({"cluster": "c"})).unwrap();
    assert_eq!(services::list_services(&list).unwrap().limit, 10);
}

// rule: 2.3/daemon-no-count, 2.3/daemon-not-on-fargate, 2.3/daemon-controllers, 2.3/daemon-defaults
#[test]
fn daemon_services() {
    check(
        services::create_service,
        &json!({"serviceName": "s", "taskDefinition": "t", "schedulingStrategy": "DAEMON"}),
        &[
            ("{}", "ok"),
            (r#"{"desiredCount": 1}"#, "invalid: The daemon scheduling strategy does not support a desired count…"),
            (r#"{"desiredCount": 0}"#, "invalid: The daemon scheduling strategy does not support a desired count…"),
            (
                r#"{"placementStrategy": [{"type": "random"}]}"#,
                "invalid: The daemon scheduling strategy does not support placement strategies. Remove…",
            ),
            (r#"{"launchType": "FARGATE"}"#, "invalid: The daemon scheduling strategy does not support the FARGATE…"),
            (
                r#"{"deploymentController": {"type": "EXTERNAL"}}"#,
                "invalid: The daemon scheduling strategy does not support the CODE_DEPLOY and EXTERNAL…",
            ),
            (
                r#"{"deploymentController": {"type": "CODE_DEPLOY"}}"#,
                "invalid: The daemon scheduling strategy does not support the CODE_DEPLOY and EXTERNAL…",
            ),
            (
                r#"{"deploymentConfiguration": {"maximumPercent": 150}}"#,
                "invalid: The daemon scheduling strategy does not support values above 100 for maximumPercent…",
            ),
            (r#"{"deploymentConfiguration": {"minimumHealthyPercent": 50}}"#, "ok"),
            (
                r#"{"deploymentConfiguration": {"minimumHealthyPercent": 100}}"#,
                "invalid: Both maximumPercent and minimumHealthyPercent cannot be 100…",
            ),
        ],
    );
}

// rule: 2.3/protection-period
// rule: 2.7/protection-tasks
#[test]
fn task_protection() {
    let one = json!({"cluster": "c", "tasks": ["t"], "protectionEnabled": true});
    check(
        protection::update_task_protection,
        &one,
        &[
            ("{}", "ok"),
            (r#"{"expiresInMinutes": 1}"#, "ok"),
            (r#"{"expiresInMinutes": 2880}"#, "ok"),
            (r#"{"expiresInMinutes": 0}"#, "invalid: expiresInMinutes must be between 1 and 2880."),
            (r#"{"expiresInMinutes": 2881}"#, "invalid: expiresInMinutes must be between 1 and 2880."),
            (r#"{"protectionEnabled": false}"#, "ok"),
            (r#"{"protectionEnabled": false, "expiresInMinutes": 5}"#, "invalid: expiresInMinutes may only…"),
            (r#"{"protectionEnabled": null}"#, "invalid: protectionEnabled must be specified."),
            (r#"{"cluster": null}"#, "invalid: cluster should not be null or empty."),
            (&format!(r#"{{"tasks": {}}}"#, names(10)), "ok"),
            (&format!(r#"{{"tasks": {}}}"#, names(11)), "invalid: Tasks cannot have more than 10 elements."),
            (r#"{"tasks": []}"#, "invalid: Tasks cannot be empty."),
        ],
    );
    let minutes = |request: Value| protection::update_task_protection(&serde_json::from_value(request).unwrap());
    assert_eq!(minutes(one), Ok(Some(120)));
    check(
        protection::get_task_protection,
        &json!({"cluster": "c"}),
        &[
            (&format!(r#"{{"tasks": {}}}"#, names(100)), "ok"),
            (&format!(r#"{{"tasks": {}}}"#, names(101)), "invalid: Tasks cannot have more than 100 elements."),
            ("{}", "invalid: Tasks cannot be empty."),
        ],
    );
}

// rule: 2.7/run-task-count, 2.7/started-by-and-group, 2.7/client-token, 2.1/overrides-length, 2.1/overrides-obeyed
#[test]
fn run_task() {
    let long = "x".repeat(8_192);
    let overrides = |text: &str| format!(r#"{{"overrides": {text}}}"#);
    check(
        tasks::run_task,
        &json!({"taskDefinition": "web"}),
        &[
            ("{}", "ok"),
            (r#"{"taskDefinition": null}"#, "invalid: taskDefinition should not be null or empty."),
            (r#"{"count": 10}"#, "ok"),
            (r#"{"count": 0}"#, "invalid: count must be between 1 and 10."),
            (r#"{"count": 11}"#, "invalid: count must be between 1 and 10."),
            (&format!(r#"{{"startedBy": "{}"}}"#, &long[..128]), "ok"),
            (&format!(r#"{{"startedBy": "{}"}}"#, &long[..129]), "invalid: startedBy longer than 128."),
            (r#"{"startedBy": "a b"}"#, "invalid: startedBy contains invalid characters."),
            (&format!(r#"{{"group": "{}"}}"#, &long[..256]), "invalid: group longer than 255."),
            (r#"{"group": "service:web"}"#, "invalid: Invalid namespace for group."),
            (r#"{"group": "batch"}"#, "ok"),
            (&format!(r#"{{"clientToken": "{}"}}"#, &long[..64]), "ok"),
            (&format!(r#"{{"clientToken": "{}"}}"#, &long[..65]), "invalid: clientToken must…"),
            (r#"{"tags": [{"key": "aws:x", "value": "y"}]}"#, "invalid: Invalid tag key…"),
            (r#"{"propagateTags": "TASK_DEFINITION", "enableECSManagedTags": true}"#, "ok"),
            (r#"{"propagateTags": "SERVICE"}"#, "invalid: Tags can't be propagated from a service…"),
            (&overrides(r#"{"cpu": ".5 vCPU", "containerOverrides": [{"name": "a", "command": ["x"]}]}"#), "ok"),
            (
                &overrides(&format!(r#"{{"containerOverrides": [{{"name": "{long}"}}]}}"#)),
                "invalid: overrides longer than 8192.",
            ),
            (&overrides(r#"{"cpu": "127"}"#), "ClientException: Invalid 'cpu' setting for task."),
            (&overrides(r#"{"cpu": "196608", "memory": "2 GB"}"#), "ok"),
            (&overrides(r#"{"memory": "0"}"#), "ClientException: Invalid 'memory' setting for task."),
            (&overrides(r#"{"ephemeralStorage": {"sizeInGiB": 20}}"#), "invalid: The ephemeralStorage sizeInGiB must…"),
            (&overrides(r#"{"ephemeralStorage": {"sizeInGiB": 200}}"#), "ok"),
            (&overrides(r#"{"cpu": "much"}"#), "ClientException: Invalid 'cpu' setting for task."),
            (&overrides(r#"{"containerOverrides": [{"name": "a"}, {"name": "a"}]}"#), "invalid: Duplicate override…"),
            (&overrides(r#"{"containerOverrides": [{}]}"#), "invalid: containerOverrides.name should not…"),
            (
                &overrides(r#"{"inferenceAcceleratorOverrides": [{"deviceName": "d"}]}"#),
                "unsupported: inferenceAccelerator…",
            ),
            (r#"{"placementStrategy": [{"type": "random"}]}"#, "ok"),
            (
                r#"{"placementConstraints": [{"type": "memberOf", "expression": "x"}]}"#,
                "invalid: Invalid expression: expected a subject but found 'x' at character 1.",
            ),
            (r#"{"enableExecuteCommand": true}"#, "unsupported: enableExecuteCommand: true isn't…"),
        ],
    );
}

// rule: 2.7/start-task-instances, 2.7/describe-caps, 2.2/text-tasks-empty
#[test]
fn other_task_operations() {
    check(
        tasks::start_task,
        &json!({"taskDefinition": "web", "containerInstances": ["i"]}),
        &[
            ("{}", "ok"),
            (r#"{"containerInstances": []}"#, "invalid: Container Instances cannot be empty."),
            (
                &format!(r#"{{"containerInstances": {}}}"#, names(11)),
                "invalid: Container Instances cannot have more than 10…",
            ),
        ],
    );
    check(
        tasks::stop_task,
        &json!({"task": "t"}),
        &[
            (r#"{"reason": "done"}"#, "ok"),
            (r#"{"task": ""}"#, "invalid: task should not be null or empty."),
            (&format!(r#"{{"reason": "{}"}}"#, "x".repeat(1_025)), "invalid: reason longer than 1024."),
        ],
    );
    check(
        tasks::describe_tasks,
        &json!({}),
        &[
            ("{}", "invalid: Tasks cannot be empty."),
            (&format!(r#"{{"tasks": {}}}"#, names(101)), "invalid: Tasks cannot have more than 100 elements."),
            (r#"{"tasks": [""]}"#, "invalid: Tasks cannot have an empty element."),
        ],
    );
    check(
        tasks::list_tasks,
        &json!({}),
        &[
            (r#"{"startedBy": "me"}"#, "ok"),
            (r#"{"startedBy": "me", "family": "web"}"#, "invalid: startedBy must be the only filter…"),
            (r#"{"maxResults": 0}"#, "invalid: maxResults must be between 1 and 100."),
            (r#"{"nextToken": "nonsense"}"#, "invalid: Invalid token."),
        ],
    );
}

// rule: 2.7/describe-caps
#[test]
fn container_instances() {
    check(
        container_instances::update_container_instances_state,
        &json!({"containerInstances": ["i"]}),
        &[
            (r#"{"status": "DRAINING"}"#, "ok"),
            (r#"{"status": "INACTIVE"}"#, "invalid: Container instance status should be one of [ACTIVE, DRAINING]."),
            (
                &format!(r#"{{"status": "ACTIVE", "containerInstances": {}}}"#, names(11)),
                "invalid: Container Instances cannot have…",
            ),
        ],
    );
    check(
        container_instances::describe_container_instances,
        &json!({}),
        &[
            ("{}", "invalid: Container Instances cannot be empty."),
            (&format!(r#"{{"containerInstances": {}}}"#, names(100)), "ok"),
        ],
    );
    check(
        container_instances::list_container_instances,
        &json!({}),
        &[
            (r#"{"status": "DRAINING"}"#, "ok"),
            (r#"{"filter": "agentConnected == true"}"#, "ok"),
            (r#"{"filter": "agentConnected"}"#, "invalid: Invalid expression: expected an operator but found the end…"),
        ],
    );
}

// rule: 2.7/delete-definitions
#[test]
fn task_definition_references() {
    for (text, expected) in [
        ("web", "web None None"),
        ("web:17", "web Some(17) None"),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/web:3", "web Some(3) us-east-1/123456789012"),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/web", "web None us-east-1/123456789012"),
        ("arn:aws:ecs:us-east-1:123456789012:task/web", "ClientException: Invalid task definition ARN…"),
        ("arn:aws:s3:::web", "ClientException: Invalid task definition ARN…"),
        ("", "ClientException: Family should not be null or empty."),
        ("a b", "ClientException: Family contains invalid characters."),
        ("web:0", "ClientException: Invalid revision number. Number: 0"),
        ("web:+1", "ClientException: Invalid revision number. Number: +1"),
        ("web:1:2", "ClientException: Invalid revision number. Number: 1:2"),
        ("web:", "ClientException: Invalid revision number. Number: "),
    ] {
        let found = task_definitions::reference(text).map_or_else(
            |error| error.to_string(),
            |found| {
                let scope =
                    found.scope.map_or("None".to_owned(), |scope| format!("{}/{}", scope.region, scope.account));
                format!("{} {:?} {scope}", found.family, found.revision)
            },
        );
        assert!(
            expected.strip_suffix('…').map_or(found == expected, |start| found.starts_with(start)),
            "{text}: {found}"
        );
    }
    check(
        task_definitions::deregister_task_definition,
        &json!({}),
        &[
            (r#"{"taskDefinition": "web:1"}"#, "ok"),
            (r#"{"taskDefinition": "web"}"#, "ClientException: A revision must be specified: 'web'."),
        ],
    );
    check(
        task_definitions::delete_task_definitions,
        &json!({}),
        &[(
            &format!(r#"{{"taskDefinitions": {}}}"#, names(11)),
            "invalid: taskDefinitions cannot have more than 10 elements.",
        )],
    );
}

#[test]
fn tags_of_a_resource() {
    let arn = "arn:aws:ecs:us-east-1:123456789012:cluster/default";
    check(
        tagging::tag_resource,
        &json!({"resourceArn": arn, "tags": [{"key": "a", "value": "b"}]}),
        &[
            ("{}", "ok"),
            (r#"{"resourceArn": "default"}"#, "invalid: Invalid resourceArn 'default'."),
            (r#"{"tags": []}"#, "invalid: tags cannot be empty."),
        ],
    );
    check(
        tagging::untag_resource,
        &json!({"resourceArn": arn}),
        &[(r#"{"tagKeys": ["a"]}"#, "ok"), (r#"{"tagKeys": []}"#, "invalid: tagKeys cannot be empty.")],
    );
}

// rule: 2.2/text-launch-type, 2.2/text-network-needed, 2.2/text-network-not-valid, 2.1/overrides-unknown-container
#[test]
fn what_needs_the_task_definition() {
    let definition = |network: &str, compatibilities: &str| -> ecs::TaskDefinition {
        let text = format!(
            r#"{{"networkMode": {network}, "compatibilities": {compatibilities},
            "containerDefinitions": [{{"name": "app"}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let network = ecs::NetworkConfiguration::default();
    for (mode, compatible, given, launch_type, expected) in [
        (r#""awsvpc""#, r#"["EC2", "FARGATE"]"#, true, LaunchType::Fargate, "ok"),
        ("null", r#"["EC2"]"#, false, LaunchType::Ec2, "ok"),
        (
            r#""awsvpc""#,
            r#"["EC2"]"#,
            true,
            LaunchType::Fargate,
            "Task definition does not support launch_type FARGATE.",
        ),
        (
            r#""awsvpc""#,
            r#"["EC2"]"#,
            false,
            LaunchType::Ec2,
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            r#""host""#,
            r#"["EC2"]"#,
            true,
            LaunchType::Ec2,
            "Network Configuration is not valid for the given networkMode of this task definition.",
        ),
    ] {
        let found = check_network_mode(&definition(mode, compatible), given.then_some(&network), launch_type);
        assert_eq!(found.map_or_else(|error| error.message, |()| "ok".to_owned()), expected);
    }
    let overrides = |name: &str| serde_json::from_value(json!({"containerOverrides": [{"name": name}]})).unwrap();
    let definition = definition("null", "[]");
    assert!(tasks::check_overridden_names(&overrides("app"), &definition).is_ok());
    let error = tasks::check_overridden_names(&overrides("db"), &definition).unwrap_err();
    assert_eq!(error.message, "Override for container named db is not a container in the TaskDefinition.");
}
