//! The rules of RegisterTaskDefinition, one line each: what is changed in a good task definition, and what ECS says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod containers;
mod fargate;
mod host;

use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::RegisterTaskDefinitionRequest;
use serde_json::{Value, json};

/// Merges as RFC 7396 does: objects deeply, `null` removes.
fn merge(into: &mut Value, patch: &Value) {
    let (Value::Object(into), Value::Object(patch)) = (&mut *into, patch) else {
        *into = patch.clone();
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            into.remove(name);
        } else {
            merge(into.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn ec2() -> Value {
    json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "nginx:1", "memory": 128}]})
}

fn fargate() -> Value {
    json!({
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "app", "image": "nginx:1"}],
    })
}

/// Applies lines of `task PATCH`, `app PATCH` (the first container) and `also CONTAINER` (another one).
fn patched(mut base: Value, lines: &str) -> Value {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (place, patch) = line.split_once(' ').unwrap();
        let patch: Value = serde_json::from_str(patch).unwrap_or_else(|error| panic!("{error}: {patch}"));
        match place {
            "task" => merge(&mut base, &patch),
            "app" => merge(&mut base["containerDefinitions"][0], &patch),
            "also" => {
                let mut other = json!({"name": "other", "image": "busybox", "memory": 64, "essential": false});
                merge(&mut other, &patch);
                base["containerDefinitions"].as_array_mut().unwrap().push(other);
            }
            _ => panic!("{place}?"),
        }
    }
    base
}

fn check(base: fn() -> Value, table: &[(&str, &str)]) {
    for (lines, expected) in table {
        let request: RegisterTaskDefinitionRequest = serde_json::from_value(patched(base(), lines)).unwrap();
        let found = validate_registration(&request).map_or_else(|error| error.to_string(), |_| "ok".to_owned());
        let expected = match *expected {
            "ok" => "ok".to_owned(),
            text if text.starts_with("InvalidParameterException") || text.starts_with("UnsupportedFeature") => {
                text.to_owned()
            }
            text => format!("ClientException: {text}"),
        };
        match expected.strip_suffix('…') {
            Some(start) => assert!(found.starts_with(start), "{lines}\n{found}"),
            None => assert_eq!(found, expected, "{lines}"),
        }
    }
}

const MEMORY: &str =
    "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.";

// rule: 2.2/names, 2.2/text-image-empty, 2.7/containers
#[test]
fn names_and_images() {
    check(
        ec2,
        &[
            ("", "ok"),
            (r#"task {"family": null}"#, "Family should not be null or empty."),
            (r#"task {"family": "a b"}"#, "Family contains invalid characters."),
            (r#"task {"containerDefinitions": []}"#, "Container list cannot be empty."),
            (r#"app {"name": null}"#, "Container.name should not be null or empty."),
            (r#"app {"name": "a/b"}"#, "Container.name contains invalid characters."),
            (r#"also {"name": "app"}"#, "Duplicate container name 'app'."),
            (r#"app {"image": null}"#, "Container.image should not be null or empty."),
            (r#"app {"image": ""}"#, "Container.image should not be null or empty."),
            (r#"app {"image": "${IMAGE}"}"#, "Container.image contains invalid characters."),
            (r#"app {"image": "a b"}"#, "Container.image contains invalid characters."),
            (r#"app {"image": "nginx@sha256:12"}"#, "Container.image contains invalid characters."),
            (
                r#"app {"image": "r/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#,
                "ok",
            ),
            (r#"task {"taskRoleArn": "${ROLE}"}"#, "Role is not valid"),
            (r#"task {"taskRoleArn": "arn:aws:iam::123456789012:role/path/web", "executionRoleArn": ""}"#, "ok"),
        ],
    );
    let mut many = ec2();
    let containers: Vec<Value> =
        (0..11).map(|at| json!({"name": format!("c{at}"), "image": "nginx", "memory": 9})).collect();
    many["containerDefinitions"] = json!(containers[1..]);
    assert!(validate_registration(&serde_json::from_value(many.clone()).unwrap()).is_ok());
    many["containerDefinitions"] = json!(containers);
    let error = validate_registration(&serde_json::from_value(many).unwrap()).unwrap_err();
    assert_eq!(error.message, "Too many containers.");
}

// rule: 2.2/text-memory-needed, 2.2/text-invalid-cpu, 2.2/ec2-cpu-range, 2.1/ephemeral-range, 2.7/definition-size
#[test]
fn sizes() {
    check(
        ec2,
        &[
            (r#"app {"memory": null}"#, MEMORY),
            (r#"app {"memory": null, "memoryReservation": 64}"#, "ok"),
            ("app {\"memory\": null}\ntask {\"memory\": \"512\"}", "ok"),
            (r#"app {"memory": 0}"#, "Invalid setting for container 'app'. 'memory' and…"),
            (r#"app {"memoryReservation": 129}"#, "Invalid setting for container 'app'. 'memoryReservation' must…"),
            (r#"app {"memoryReservation": 128}"#, "ok"),
            (r#"app {"cpu": -1}"#, "Invalid setting for container 'app'. 'cpu' must not be negative."),
            (r#"task {"memory": "127"}"#, "The 'memory' setting for container 'app' is greater than for the task."),
            (
                "task {\"memory\": \"150\"}\nalso {}",
                "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'.",
            ),
            (
                "task {\"cpu\": \"128\"}\napp {\"cpu\": 100}\nalso {\"cpu\": 29}",
                "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
            ),
            ("task {\"cpu\": \"128\"}\napp {\"cpu\": 100}\nalso {\"cpu\": 28}", "ok"),
            (r#"task {"cpu": "127"}"#, "Invalid 'cpu' setting for task."),
            (r#"task {"cpu": "196609"}"#, "Invalid 'cpu' setting for task."),
            (r#"task {"cpu": "192 vCPU"}"#, "ok"),
            (r#"task {"cpu": "many"}"#, "Invalid 'cpu' setting for task."),
            (r#"task {"memory": "lots"}"#, "Invalid 'memory' setting for task."),
            (
                r#"task {"ephemeralStorage": {"sizeInGiB": 20}}"#,
                "The ephemeralStorage sizeInGiB must be between 21 and 200.",
            ),
            (r#"task {"ephemeralStorage": {"sizeInGiB": 21}}"#, "ok"),
            (r#"task {"ephemeralStorage": {"sizeInGiB": 200}}"#, "ok"),
            (
                r#"task {"ephemeralStorage": {"sizeInGiB": 201}}"#,
                "The ephemeralStorage sizeInGiB must be between 21 and 200.",
            ),
            (r#"task {"cpu": "128", "memory": "2 GB"}"#, "ok"),
            (
                r#"task {"ephemeralStorage": {"sizeInGiB": 21}, "requiresCompatibilities": ["EC2"]}"#,
                "ephemeralStorage is only supported by the Fargate launch type.",
            ),
        ],
    );
    let text = "x".repeat(65_536);
    let big = patched(ec2(), &format!(r#"app {{"command": ["{text}"]}}"#));
    let error = validate_registration(&serde_json::from_value(big).unwrap()).unwrap_err().message;
    assert!(
        error.starts_with("Actual length: '") && error.ends_with("'. Max allowed length is '65536' bytes."),
        "{error}"
    );
}

// rule: 2.6/secrets, 2.6/environment-files
#[test]
fn secrets_and_environment() {
    let role = r#"task {"executionRoleArn": "exec"}"#;
    let env_files = |count: usize| {
        let files = vec![r#"{"type": "s3", "value": "arn:aws:s3:::bucket/x.env"}"#; count].join(", ");
        format!(r#"app {{"environmentFiles": [{files}]}}"#)
    };
    let secret = r#"app {"secrets": [{"name": "KEY", "valueFrom": "key"}]}"#;
    check(
        ec2,
        &[
            (
                secret,
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
            ),
            (&format!("{role}\n{secret}"), "ok"),
            (
                &format!("{role}\n{secret}\napp {{\"environment\": [{{\"name\": \"KEY\", \"value\": \"x\"}}]}}"),
                "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'KEY'.",
            ),
            (
                r#"app {"environment": [{"value": "x"}]}"#,
                "Invalid setting for container 'app'. The name of an environment variable…",
            ),
            (r#"app {"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::bucket/x.env"}]}"#, "ok"),
            (&env_files(10), "ok"),
            (&env_files(11), "Invalid setting for container 'app'. There can be at most 10 environment files."),
            (r#"app {"secrets": [{"name": "KEY"}]}"#, "Invalid setting for container 'app'. A secret must have…"),
            (
                r#"app {"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::bucket/x.txt"}]}"#,
                "Invalid setting for container 'app'. An environment file…",
            ),
        ],
    );
}

#[test]
fn the_rest_of_the_task() {
    check(
        ec2,
        &[
            (r#"task {"tags": [{"key": "", "value": "x"}]}"#, "InvalidParameterException: Invalid tag key ''…"),
            (
                r#"task {"placementConstraints": [{"type": "memberOf"}]}"#,
                "InvalidParameterException: The placement constraint…",
            ),
            (
                r#"task {"proxyConfiguration": {"containerName": "envoy"}}"#,
                "Unknown proxyConfiguration.containerName 'envoy'.",
            ),
            (
                r#"task {"proxyConfiguration": {"containerName": "app"}}"#,
                "proxyConfiguration is only supported when networkMode=awsvpc.",
            ),
            (r#"task {"requiresCompatibilities": ["EXTERNAL"]}"#, "ok"),
            (
                r#"task {"requiresCompatibilities": ["EXTERNAL"], "networkMode": "awsvpc"}"#,
                "The EXTERNAL launch type does not support networkMode awsvpc.",
            ),
            (
                r#"task {"requiresCompatibilities": ["MANAGED_INSTANCES"]}"#,
                "UnsupportedFeatureException: requiresCompatibilities: MANAGED_INSTANCES isn't…",
            ),
            (
                r#"task {"inferenceAccelerators": [{"deviceName": "d", "deviceType": "t"}]}"#,
                "UnsupportedFeatureException: inferenceAccelerators isn't…",
            ),
        ],
    );
    let request = RegisterTaskDefinitionRequest { network_mode: Some(77), ..Default::default() };
    let error = validate_registration(&request).unwrap_err().to_string();
    assert!(error.starts_with("InvalidParameterException: no value 77"), "{error}");
}
