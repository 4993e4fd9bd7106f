//! Laws of RegisterTaskDefinition over random definitions, good and bad.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use drydock_model::capabilities;
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::RegisterTaskDefinitionRequest;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One of these; a value that is written more often is taken more often.
fn pick(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::select(values).prop_map(|text| serde_json::from_str(text).unwrap())
}

/// A container without a name. Its dependencies name containers by letter.
fn any_container() -> impl Strategy<Value = Value> {
    let ports = &[
        "[]",
        "[]",
        r#"[{"containerPort": 80}]"#,
        r#"[{"containerPort": 80, "hostPort": 81, "protocol": "udp"}]"#,
        r#"[{"containerPortRange": "1-9"}]"#,
    ];
    let logs = &[
        "null",
        "null",
        r#"{"logDriver": "json-file"}"#,
        r#"{"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}"#,
    ];
    let health = &["null", r#"{"command": ["CMD", "x"]}"#, r#"{"command": ["CMD", "x"], "interval": 5, "retries": 9}"#];
    let restart = &["null", r#"{"enabled": true}"#, r#"{"enabled": false, "restartAttemptPeriod": 900}"#];
    (
        pick(&["null", "true", "true", "false"]),
        pick(&["null", "0", "64", "64", "-3"]),
        pick(&["null", "32", "32", "64", "64", "512"]),
        pick(ports),
        pick(health),
        pick(logs),
        pick(restart),
        pick(&["null", "32"]),
    )
        .prop_map(|(essential, cpu, memory, ports, health, log, restart, soft)| {
            json!({"image": "nginx", "essential": essential, "cpu": cpu, "memory": memory, "memoryReservation": soft,
                   "portMappings": ports, "healthCheck": health, "logConfiguration": log, "restartPolicy": restart})
        })
}

/// Task definitions good and bad, from members that are each good or, less often, bad.
fn any_request() -> impl Strategy<Value = Value> {
    let volumes = &[
        "[]",
        r#"[{"name": "v"}]"#,
        r#"[{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]"#,
        r#"[{"name": "v", "dockerVolumeConfiguration": {}}]"#,
    ];
    let depends = &[
        "[]",
        "[]",
        r#"[{"containerName": "a", "condition": "START"}]"#,
        r#"[{"containerName": "a", "condition": "HEALTHY"}]"#,
        r#"[{"containerName": "b", "condition": "SUCCESS"}]"#,
    ];
    (
        proptest::collection::vec((any_container(), pick(depends)), 1..4),
        pick(&["null", r#""bridge""#, r#""awsvpc""#, r#""awsvpc""#, r#""host""#, r#""none""#]),
        pick(&["[]", r#"["EC2"]"#, r#"["EC2"]"#, r#"["FARGATE"]"#]),
        pick(&["null", r#"".5 vCPU""#, r#""512""#, r#""512""#, r#""x""#]),
        pick(&["null", r#""1GB""#, r#""1024""#, r#""1025""#]),
        pick(volumes),
        pick(&["null", r#""""#, r#""exec""#]),
    )
        .prop_map(|(mut containers, network, requires, cpu, memory, volumes, role)| {
            for ((container, depends), name) in containers.iter_mut().zip(["a", "b", "c"]) {
                container["name"] = json!(name);
                container["dependsOn"] = if name == "a" { json!([]) } else { depends.take() };
            }
            let containers: Vec<Value> = containers.into_iter().map(|(container, _)| container).collect();
            json!({"family": "f", "containerDefinitions": containers, "networkMode": network,
                   "requiresCompatibilities": requires, "cpu": cpu, "memory": memory, "volumes": volumes,
                   "executionRoleArn": role})
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// What is registered can be registered again, and is the same then.
    // rule: 2.2/register-returns-whole
    #[test]
    fn registering_twice_is_registering_once(request in any_request()) {
        let request: RegisterTaskDefinitionRequest = serde_json::from_value(request).unwrap();
        if let Ok(once) = validate_registration(&request) {
            let again = serde_json::from_value(serde_json::to_value(&once).unwrap()).unwrap();
            let twice = validate_registration(&again);
            for required in &once.requires_attributes {
                prop_assert!(capabilities::all().contains(required.name.as_ref().unwrap()), "{:?}", required);
            }
            prop_assert_eq!(twice, Ok(once));
        }
    }
}
