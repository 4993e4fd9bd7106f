//! What task sets and EXTERNAL services are refused without a look at the state (ecs-semantics §2.3, Controllers).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use drydock_model::error::EcsError;
use drydock_model::refusals;
use drydock_model::requests::{services, task_sets};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Merges each patch into `base` and compares what is answered; `…` at the end of what is expected stands for the rest.
fn check<R: DeserializeOwned>(validate: fn(&R) -> Result<(), EcsError>, base: &Value, table: &[(&str, &str)]) {
    for (patch, expected) in table {
        let mut request = base.clone();
        let patch: Value = serde_json::from_str(patch).unwrap_or_else(|error| panic!("{error}: {patch}"));
        for (name, value) in patch.as_object().unwrap() {
            request[name] = value.clone();
        }
        let request: R = serde_json::from_value(request).unwrap();
        let found = validate(&request).map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        let expected = expected.replacen("invalid: ", "InvalidParameterException: ", 1);
        let expected = expected.replacen("unsupported: ", "UnsupportedFeatureException: ", 1);
        match expected.strip_suffix('…') {
            Some(start) => assert!(found.starts_with(start), "{patch}\n{found}"),
            None => assert_eq!(found, expected, "{patch}"),
        }
    }
}

// rule: 2.3/task-sets-instead, 2.3/daemon-controllers, 2.3/rebalancing-not-with, 2.3/external-create
#[test]
fn an_external_service_says_nothing_that_its_task_sets_say() {
    let base = json!({"serviceName": "web", "deploymentController": {"type": "EXTERNAL"}});
    let not = |what: &str| format!("invalid: {what} can't be used with the EXTERNAL deployment controller.");
    check(
        services::create_service,
        &base,
        &[
            ("{}", "ok"),
            (r#"{"desiredCount": 4, "healthCheckGracePeriodSeconds": 5, "schedulingStrategy": "REPLICA"}"#, "ok"),
            (r#"{"deploymentConfiguration": {"minimumHealthyPercent": 0, "maximumPercent": 100}}"#, "ok"),
            (r#"{"deploymentConfiguration": {"strategy": "ROLLING", "bakeTimeInMinutes": 0}}"#, "ok"),
            (r#"{"availabilityZoneRebalancing": "DISABLED", "capacityProviderStrategy": []}"#, "ok"),
            (r#"{"taskDefinition": "web:1"}"#, "invalid: TaskDefinition must be blank."),
            (r#"{"launchType": "EC2"}"#, "invalid: LaunchType must be blank."),
            (
                r#"{"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}"#,
                "invalid: CapacityProviderStrategy must be blank.",
            ),
            (r#"{"platformVersion": "LATEST"}"#, "invalid: PlatformVersion must be blank."),
            (
                r#"{"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}"#,
                "invalid: NetworkConfiguration must be blank.",
            ),
            (r#"{"loadBalancers": [{"containerName": "c"}]}"#, "invalid: LoadBalancers must be blank."),
            (r#"{"serviceRegistries": [{"registryArn": "a"}]}"#, "invalid: ServiceRegistries must be blank."),
            (
                r#"{"schedulingStrategy": "DAEMON"}"#,
                "invalid: The daemon scheduling strategy does not support the CODE_DEPLOY and EXTERNAL…",
            ),
            (r#"{"availabilityZoneRebalancing": "ENABLED"}"#, &not("Availability Zone rebalancing")),
            (r#"{"serviceConnectConfiguration": {"enabled": true}}"#, &not("Service Connect")),
            (r#"{"volumeConfigurations": [{"name": "v"}]}"#, &not("volumeConfigurations")),
            (
                r#"{"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": false}}}"#,
                &not("deploymentCircuitBreaker"),
            ),
            (
                r#"{"deploymentConfiguration": {"alarms": {"alarmNames": [], "enable": true, "rollback": false}}}"#,
                &not("alarms"),
            ),
            (r#"{"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}"#, &not("strategy")),
            (r#"{"deploymentConfiguration": {"bakeTimeInMinutes": 5}}"#, &not("bakeTimeInMinutes")),
            (r#"{"deploymentConfiguration": {"lifecycleHooks": [{"roleArn": "r"}]}}"#, &not("lifecycleHooks")),
            (r#"{"deploymentConfiguration": {"linearConfiguration": {}}}"#, &not("linearConfiguration")),
            (r#"{"deploymentConfiguration": {"canaryConfiguration": {}}}"#, &not("canaryConfiguration")),
            (r#"{"desiredCount": -1}"#, "invalid: desiredCount must be between 0 and 5000."),
        ],
    );
}

// rule: 2.3/code-deploy-refused
#[test]
fn code_deploy_is_refused_by_its_name() {
    let base = json!({"serviceName": "web", "service": "web", "taskDefinition": "web", "desiredCount": 1,
        "deploymentController": {"type": "CODE_DEPLOY"}});
    let refused = "unsupported: deploymentController: CODE_DEPLOY isn't supported: there is no CodeDeploy, …";
    let mut create = base.clone();
    create.as_object_mut().unwrap().remove("service");
    check(services::create_service, &create, &[("{}", refused)]);
    let mut update = base;
    update.as_object_mut().unwrap().remove("serviceName");
    check(services::update_service, &update, &[("{}", refused)]);
}

// rule: 2.3/external-update
#[test]
fn what_an_external_service_leaves_to_its_task_sets() {
    let new_set = |what: &str| {
        format!(
            "invalid: Unable to update {what} on services with an EXTERNAL deployment controller. Use CreateTaskSet…"
        )
    };
    let not =
        |what: &str| format!("invalid: Unable to update {what} on services with an EXTERNAL deployment controller.");
    check(
        task_sets::update_external_service,
        &json!({"service": "web"}),
        &[
            ("{}", "ok"),
            (r#"{"desiredCount": 3, "healthCheckGracePeriodSeconds": 9, "placementStrategy": []}"#, "ok"),
            (r#"{"placementConstraints": [], "enableECSManagedTags": true, "propagateTags": "SERVICE"}"#, "ok"),
            (r#"{"availabilityZoneRebalancing": "DISABLED", "forceNewDeployment": false}"#, "ok"),
            (r#"{"taskDefinition": "web:2"}"#, &new_set("task definition")),
            (r#"{"networkConfiguration": {}}"#, &new_set("network parameters")),
            (r#"{"platformVersion": "1.4.0"}"#, &new_set("platform version")),
            (r#"{"capacityProviderStrategy": []}"#, &new_set("capacity provider strategy")),
            (r#"{"loadBalancers": []}"#, &new_set("load balancers")),
            (r#"{"serviceRegistries": []}"#, &new_set("service registries")),
            (
                r#"{"forceNewDeployment": true}"#,
                "invalid: Cannot force a new deployment on services with an EXTERNAL deployment controller. Use …",
            ),
            (r#"{"deploymentConfiguration": {"maximumPercent": 150}}"#, &not("deployment configuration")),
            (r#"{"availabilityZoneRebalancing": "ENABLED"}"#, &not("Availability Zone rebalancing")),
            (r#"{"enableExecuteCommand": false}"#, &not("the execute command option")),
            (r#"{"serviceConnectConfiguration": {"enabled": false}}"#, &not("Service Connect")),
            (r#"{"volumeConfigurations": []}"#, &not("volume configurations")),
            (r#"{"vpcLatticeConfigurations": []}"#, &not("VPC Lattice configurations")),
        ],
    );
}

// rule: 2.3/task-set-scale
#[test]
fn creation_of_a_task_set() {
    let token = "x".repeat(37);
    let mut seen = Vec::new();
    check(
        task_sets::create_task_set,
        &json!({"cluster": "c", "service": "web", "taskDefinition": "web:2"}),
        &[
            ("{}", "ok"),
            (r#"{"scale": {"value": 33.3, "unit": "PERCENT"}, "externalId": "green", "clientToken": "t"}"#, "ok"),
            (r#"{"scale": {"unit": "PERCENT"}}"#, "ok"),
            (r#"{"scale": {"value": 100.1}}"#, "invalid: Scale value must be between 0 and 100."),
            (r#"{"scale": {"value": -1}}"#, "invalid: Scale value must be between 0 and 100."),
            (r#"{"service": ""}"#, "invalid: service…"),
            (r#"{"taskDefinition": ""}"#, "invalid: taskDefinition…"),
            (&format!(r#"{{"clientToken": "{token}"}}"#), "invalid: clientToken must have 1 to 36 ASCII…"),
            (r#"{"networkConfiguration": {}}"#, "invalid: awsvpcConfiguration must be specified."),
            (
                r#"{"launchType": "EC2", "platformVersion": "1.4.0"}"#,
                "invalid: The platform version must be null when specifying an EC2 launch type.",
            ),
            (r#"{"launchType": "FARGATE", "platformVersion": "1.4.0"}"#, "ok"),
            (r#"{"launchType": "FARGATE", "platformVersion": "9"}"#, "PlatformUnknownException…"),
            (
                r#"{"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "p"}]}"#,
                "invalid: Specifying both a launch type and capacity provider strategy…",
            ),
            (r#"{"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}], "platformVersion": "1.4.0"}"#, "ok"),
            (r#"{"tags": [{"key": "aws:x", "value": "v"}]}"#, "invalid: …"),
        ],
    );
    for (patch, field) in [
        (r#"{"loadBalancers": [{"containerName": "c"}]}"#, "loadBalancers"),
        (r#"{"serviceRegistries": [{"registryArn": "a"}]}"#, "serviceRegistries"),
        (r#"{"launchType": "EXTERNAL"}"#, "launchType other than EC2 or FARGATE"),
    ] {
        let base = json!({"service": "web", "taskDefinition": "web"});
        check(task_sets::create_task_set, &base, &[(patch, &format!("unsupported: {field} isn't supported: …"))]);
        seen.push(field);
    }
    for row in refusals::CREATE_TASK_SET {
        assert!(seen.contains(&row.field), "{} is refused, but no line above shows it", row.field);
    }
}

#[test]
fn how_a_task_set_is_named() {
    let arn = "arn:aws:ecs:r:a:task-set/c/web/ecs-svc/7";
    let names = [
        (r#"{"taskSet": "ecs-svc/7"}"#, "ok"),
        (&format!(r#"{{"taskSet": "{arn}"}}"#), "ok"),
        (r#"{"taskSet": "7"}"#, "invalid: Task Set Identifier is invalid"),
        (r#"{"taskSet": "ecs-svc/x"}"#, "invalid: Task Set Identifier is invalid"),
        (r#"{"taskSet": "arn:aws:ecs:r:a:task/c/7"}"#, "invalid: Task Set Identifier is invalid"),
        (r#"{"taskSet": ""}"#, "invalid: taskSet…"),
        (r#"{"service": ""}"#, "invalid: service…"),
    ];
    check(task_sets::delete_task_set, &json!({"service": "web", "taskSet": "ecs-svc/7"}), &names);
    let update = json!({"service": "web", "taskSet": "ecs-svc/7", "scale": {"value": 1}});
    check(task_sets::update_task_set, &update, &names);
    check(
        task_sets::update_task_set,
        &update,
        &[
            (r#"{"scale": null}"#, "invalid: Scale must be specified."),
            (r#"{"scale": {"unit": "PERCENT"}}"#, "invalid: Scale must be specified."),
            (r#"{"scale": {"value": 101}}"#, "invalid: Scale value must be between 0 and 100."),
        ],
    );
    check(
        task_sets::update_service_primary_task_set,
        &json!({"service": "web", "primaryTaskSet": arn}),
        &[("{}", "ok"), (r#"{"primaryTaskSet": "7"}"#, "invalid: Task Set Identifier is invalid")],
    );
    check(
        task_sets::describe_task_sets,
        &json!({"service": "web"}),
        &[
            ("{}", "ok"),
            (r#"{"taskSets": ["ecs-svc/7"], "include": ["TAGS"]}"#, "ok"),
            (r#"{"taskSets": ["ecs-svc/7", "seven"]}"#, "invalid: Task Set Identifier is invalid"),
        ],
    );
}
