//! What registration derives and fills in: requiresAttributes and the defaults that ECS echoes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::RegisterTaskDefinitionRequest;
use serde_json::{Value, json};

/// Registers a task definition of one container with these members.
fn register(task: &str, container: &str) -> Value {
    let mut request =
        json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "nginx", "memory": 64}]});
    let put = |into: &mut Value, members: &str| {
        let members: Value =
            serde_json::from_str(&format!("{{{members}}}")).unwrap_or_else(|e| panic!("{e}: {members}"));
        into.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    };
    put(&mut request, task);
    put(&mut request["containerDefinitions"][0], container);
    let request: RegisterTaskDefinitionRequest = serde_json::from_value(request).unwrap();
    serde_json::to_value(validate_registration(&request).unwrap_or_else(|e| panic!("{task} {container}: {e}"))).unwrap()
}

/// Attributes without their prefixes: `old` for `com.amazonaws.ecs.capability.`, `1.N` for Docker's API.
fn attributes(task: &str, container: &str) -> String {
    let definition = register(task, container);
    let names = definition["requiresAttributes"].as_array().cloned().unwrap_or_default();
    let short = |name: &Value| {
        let name = name["name"].as_str().unwrap();
        match name.strip_prefix("com.amazonaws.ecs.capability.") {
            Some(old) => old.strip_prefix("docker-remote-api.").map_or(format!("old {old}"), str::to_owned),
            None => name.strip_prefix("ecs.capability.").unwrap().to_owned(),
        }
    };
    names.iter().map(short).collect::<Vec<_>>().join(", ")
}

// rule: 2.4/requires-attributes
#[test]
fn required_attributes() {
    let role = r#""executionRoleArn": "exec""#;
    let awslogs = |more: &str| {
        format!(
            r#""logConfiguration": {{"logDriver": "awslogs", "options": {{"awslogs-group": "g", "awslogs-region": "r"{more}}}}}"#
        )
    };
    let secret = |from: &str| format!(r#""secrets": [{{"name": "K", "valueFrom": "{from}"}}]"#);
    for (task, container, expected) in [
        ("", "", ""),
        (r#""cpu": "256""#, "", "1.18"),
        (r#""networkMode": "awsvpc""#, "", "task-eni"),
        (r#""taskRoleArn": "web""#, "", "old task-iam-role"),
        (r#""taskRoleArn": "web", "networkMode": "host""#, "", "old task-iam-role-network-host"),
        (r#""pidMode": "task""#, "", "pid-ipc-namespace-sharing"),
        ("", r#""privileged": true"#, "old privileged-container"),
        ("", r#""privileged": false"#, ""),
        ("", r#""image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web""#, "old ecr-auth"),
        (
            role,
            r#""image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web""#,
            "old ecr-auth, execution-role-ecr-pull",
        ),
        ("", r#""healthCheck": {"command": ["CMD", "x"]}"#, "1.24, container-health-check"),
        ("", r#""stopTimeout": 3"#, "container-ordering"),
        ("", r#""restartPolicy": {"enabled": true}"#, "container-restart-policy"),
        ("", r#""restartPolicy": {"enabled": false}"#, ""),
        ("", r#""memoryReservation": 32"#, "1.21"),
        ("", r#""dockerLabels": {"a": "b"}"#, "1.18"),
        ("", r#""linuxParameters": {"initProcessEnabled": true, "sharedMemorySize": 64}"#, "1.22, 1.25"),
        ("", &awslogs(""), "1.19, old logging-driver.awslogs"),
        (
            role,
            &awslogs(r#", "awslogs-create-group": "True""#),
            "1.19, 1.29, old logging-driver.awslogs, execution-role-awslogs",
        ),
        ("", r#""logConfiguration": {"logDriver": "gelf"}"#, "1.20, old logging-driver.gelf"),
        (role, &secret("/web/key"), "secrets.ssm.environment-variables"),
        (role, &secret("arn:aws:secretsmanager:r:123456789012:secret:key-AbCdEf"), "secrets.asm.environment-variables"),
        ("", r#""environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/x.env"}]"#, "env-files.s3"),
        ("", r#""portMappings": [{"containerPortRange": "1-9"}]"#, "network.container-port-range"),
        (r#""volumes": [{"name": "v", "dockerVolumeConfiguration": {}}]"#, "", "1.25, docker-plugin.local"),
        (r#""volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]"#, "", "1.25, efs"),
    ] {
        assert_eq!(attributes(task, container), expected, "{task} {container}");
    }
}

// rule: 2.2/register-returns-whole, 2.1/essential-default, 2.1/health-ranges, 2.1/restart-policy-ranges
// rule: 2.1/volume-empty
#[test]
fn defaults() {
    for (task, container, at, expected) in [
        ("", "", "/containerDefinitions/0/essential", json!(true)),
        ("", "", "/containerDefinitions/0/cpu", json!(0)),
        ("", r#""essential": true, "cpu": 5"#, "/containerDefinitions/0/cpu", json!(5)),
        ("", "", "/volumes", json!([])),
        ("", "", "/placementConstraints", json!([])),
        (r#""volumes": [{"name": "v"}]"#, "", "/volumes/0", json!({"name": "v", "host": {}})),
        (
            r#""volumes": [{"name": "v", "dockerVolumeConfiguration": {}}]"#,
            "",
            "/volumes/0/dockerVolumeConfiguration",
            json!({"scope": "task"}),
        ),
        (
            "",
            r#""healthCheck": {"command": ["CMD", "x"]}"#,
            "/containerDefinitions/0/healthCheck",
            json!({"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3}),
        ),
        (
            "",
            r#""healthCheck": {"command": ["CMD", "x"], "interval": 7, "timeout": 8, "retries": 9, "startPeriod": 10}"#,
            "/containerDefinitions/0/healthCheck",
            json!({"command": ["CMD", "x"], "interval": 7, "timeout": 8, "retries": 9, "startPeriod": 10}),
        ),
        (
            "",
            r#""restartPolicy": {"enabled": true}"#,
            "/containerDefinitions/0/restartPolicy",
            json!({"enabled": true, "restartAttemptPeriod": 300}),
        ),
        (
            r#""networkMode": "awsvpc""#,
            r#""portMappings": [{"containerPort": 80}]"#,
            "/containerDefinitions/0/portMappings/0",
            json!({"containerPort": 80, "hostPort": 80, "protocol": "tcp"}),
        ),
        (
            r#""networkMode": "bridge""#,
            r#""portMappings": [{"containerPort": 80, "protocol": "udp"}]"#,
            "/containerDefinitions/0/portMappings/0",
            json!({"containerPort": 80, "hostPort": 0, "protocol": "udp"}),
        ),
    ] {
        let definition = register(task, container);
        assert_eq!(definition.pointer(at), Some(&expected), "{task} {container}");
    }
}
