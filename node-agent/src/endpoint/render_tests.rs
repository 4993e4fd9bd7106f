//! Metadata of one task on EC2 and one on Fargate, every key of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_engine::{PAUSE_CONTAINER, TaskSpec, TaskView, elastic_network_interface};
use drydock_proto::agent::{AssignedTask, ContainerReport, Report};
use drydock_proto::ecs::{LaunchType, NetworkMode, Tag, TaskDefinition};
use expect_test::{ExpectFile, expect_file};
use serde_json::{Value, json};

use super::render::{Facts, Resolver, Seen, Version, container, task};

const ARN: &str = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c";

fn definition(mode: NetworkMode) -> TaskDefinition {
    let mut definition: TaskDefinition = serde_json::from_value(json!({
        "family": "curltest", "revision": 26, "cpu": "256", "memory": "512",
        "ephemeralStorage": { "sizeInGiB": 21 },
        "containerDefinitions": [
            {
                "name": "web", "image": "nginx:1", "cpu": 10, "memory": 128, "essential": true,
                "portMappings": [{ "containerPort": 80, "hostPort": 80, "protocol": "tcp" }, { "containerPort": 53, "protocol": "udp" }],
                "healthCheck": { "command": ["CMD", "true"] },
                "restartPolicy": { "enabled": true },
                "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "g" } }
            },
            { "name": "done", "image": "job" }
        ]
    }))
    .unwrap();
    definition.network_mode = Some(mode.into());
    definition
}

fn view(launch_type: LaunchType, mode: NetworkMode) -> TaskView {
    let assigned = AssignedTask {
        task_arn: ARN.into(),
        cluster: "default".into(),
        group: "service:web".into(),
        launch_type: launch_type.into(),
        availability_zone: "us-west-2d".into(),
        tags: vec![Tag { key: Some("k".into()), value: Some("v".into()) }],
        container_arns: [("web".to_owned(), "arn:web".to_owned())].into(),
        ..Default::default()
    };
    let spec = Arc::new(TaskSpec::new(assigned, Arc::new(definition(mode))));
    let network = elastic_network_interface(&spec, "10.0.2.106", "0e:10:e2:01:bd:91");
    let report = Report {
        pull_started_at: "2020-10-02T00:43:06.202617438Z".parse().ok(),
        pull_stopped_at: "2020-10-02T00:43:06.5Z".parse().ok(),
        execution_stopped_at: None,
        attachments: vec![network.attachment],
        containers: vec![
            ContainerReport { name: "web".into(), runtime_id: "d1".into(), restart_count: 2, ..Default::default() },
            ContainerReport { name: "done".into(), runtime_id: "d2".into(), exit_code: Some(3), ..Default::default() },
        ],
        ..Default::default()
    };
    let container_statuses = vec!["RUNNING", "STOPPED"];
    TaskView { spec, desired_status: "RUNNING", known_status: "RUNNING", container_statuses, report }
}

fn seen(mode: &str) -> Seen {
    let endpoint = |address: &str| json!({ "bridge": { "IPAddress": address, "IPPrefixLen": 24, "Gateway": "10.0.2.1", "MacAddress": "0e:10:e2:01:bd:91" } });
    let (own, shared) =
        if mode == "bridge" { (endpoint("172.17.0.2"), json!({})) } else { (json!({}), endpoint("10.0.2.106")) };
    let probe = |second: u32, code: i64| json!({ "Start": "2020-10-02T00:43:00Z", "End": format!("2020-10-02T00:43:{second}Z"), "ExitCode": code, "Output": "ok" });
    let never = "0001-01-01T00:00:00Z";
    let all = json!({
        "web": {
            "Id": "d1", "Name": "/drydock-web", "Image": "sha256:1", "Created": "2020-10-02T00:43:06.2Z", "Driver": "overlay2",
            "SizeRw": 3_145_728, "Config": { "Labels": {
                "com.amazonaws.ecs.cluster": "default", "own": "yes", "drydock.instance": "secret", "drydock.endpoint": "secret",
                "drydock.sim/exit-code": "0" } },
            "State": {
                "Status": "running", "StartedAt": "2020-10-02T00:43:06.9Z", "FinishedAt": never,
                "Health": { "Status": "healthy", "Log": [probe(11, 1), probe(12, 0), probe(13, 0)] } },
            "HostConfig": { "NetworkMode": mode, "LogConfig": { "Type": "json-file" } },
            "Mounts": [
                { "Type": "volume", "Name": "v", "Source": "/var/lib/docker/volumes/v/_data", "Destination": "/data" },
                { "Type": "bind", "Source": "/srv", "Destination": "/srv" }],
            "NetworkSettings": { "Networks": own, "Ports": { "80/tcp": if mode == "bridge" {
                json!([{ "HostIp": "0.0.0.0", "HostPort": "32768" }]) } else { json!(null) } } }
        },
        "done": {
            "Id": "d2", "Name": "/drydock-done", "Image": "sha256:2", "Created": "2020-10-02T00:43:06Z", "Driver": "overlay2",
            "Config": { "Labels": {} }, "HostConfig": { "NetworkMode": mode, "LogConfig": { "Type": "json-file" } },
            "State": { "Status": "exited", "StartedAt": "2020-10-02T00:43:07Z", "FinishedAt": "2020-10-02T00:43:08Z", "ExitCode": 3 },
            "NetworkSettings": { "Networks": {} }
        },
        PAUSE_CONTAINER: {
            "Id": "d0", "Name": "/drydock-pause", "Image": "sha256:0", "Created": "2020-10-02T00:43:05Z",
            "Config": { "Image": "drydock/pause:1", "Labels": {} },
            "State": { "Status": "running", "StartedAt": "2020-10-02T00:43:05Z", "FinishedAt": never },
            "HostConfig": { "NetworkMode": "bridge", "LogConfig": { "Type": "json-file" } },
            "NetworkSettings": { "Networks": shared }
        }
    });
    let containers = serde_json::from_value(all).unwrap();
    Seen {
        containers,
        resolver: Resolver::read("nameserver 10.0.0.2\noptions ndots:0\nsearch us-west-2.compute.internal\n"),
    }
}

fn facts() -> Facts {
    Facts { availability_zone: "us-west-2a".into(), tags: BTreeMap::from([("instance".into(), "tag".into())]) }
}

fn check(value: &Value, expected: &ExpectFile) {
    expected.assert_eq(&format!("{}\n", serde_json::to_string_pretty(value).unwrap()));
}

// rule: 2.5/metadata
#[test]
fn a_task_on_ec2() {
    let (view, seen) = (view(LaunchType::Ec2, NetworkMode::Awsvpc), seen("container:d0"));
    check(&task(Version::V4, &view, &seen, &facts(), true), &expect_file!["../../tests/golden/metadata-ec2.json"]);
}

// rule: 2.5/metadata
#[test]
fn a_task_on_fargate() {
    let (view, seen) = (view(LaunchType::Fargate, NetworkMode::Awsvpc), seen("container:d0"));
    check(&task(Version::V4, &view, &seen, &facts(), true), &expect_file!["../../tests/golden/metadata-fargate.json"]);
}

// rule: 2.5/metadata
#[test]
fn a_container_in_bridge_mode() {
    let (view, seen) = (view(LaunchType::Ec2, NetworkMode::Bridge), seen("bridge"));
    check(
        &container(Version::V4, &view, "web", &seen).unwrap(),
        &expect_file!["../../tests/golden/metadata-bridge.json"],
    );
    assert_eq!(container(Version::V4, &view, "none", &seen), None);
}

// rule: 2.5/metadata
#[test]
fn older_versions_tell_less() {
    let (view, seen) = (view(LaunchType::Ec2, NetworkMode::Awsvpc), seen("container:d0"));
    check(
        &task(Version::V3, &view, &seen, &facts(), false),
        &expect_file!["../../tests/golden/metadata-version-3.json"],
    );
}
