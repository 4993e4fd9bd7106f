//! The JSON form of ECS shapes: spellings, times, presence, nulls.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use drydock_proto::ecs::{
    KeyValuePair, LaunchType, LoadBalancerList, LogDriver, RegisterTaskDefinitionRequest, Service, TaskStopCode,
    UpdateServiceRequest,
};
use drydock_proto::json::{TimeFormat, WireEnum, with_times};
use serde_json::json;

#[test]
fn a_task_definition_comes_back_as_it_was_written() {
    let text = json!({
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE", "EC2"],
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [{
            "name": "app", "image": "nginx", "essential": true,
            "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
            "environment": [{"name": "A", "value": ""}],
            "mountPoints": [], "volumesFrom": [], "systemControls": [],
            "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
            "dockerLabels": {"b": "2", "a": "1"},
            "logConfiguration": {"logDriver": "json-file", "options": {"max-size": "1m"}},
        }],
    });
    let read: RegisterTaskDefinitionRequest = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(
        read.container_definitions[0].environment[0],
        KeyValuePair { name: Some("A".into()), value: Some(String::new()) }
    );
    assert_eq!(serde_json::to_value(&read).unwrap(), text);
}

#[test]
fn null_is_absent() {
    let read: RegisterTaskDefinitionRequest =
        serde_json::from_value(json!({"family": "f", "containerDefinitions": null, "cpu": null, "ipcMode": null}))
            .unwrap();
    assert_eq!(read, RegisterTaskDefinitionRequest { family: Some("f".into()), ..Default::default() });
}

#[test]
fn an_empty_list_differs_from_an_absent_one_where_ecs_says_so() {
    let absent: UpdateServiceRequest = serde_json::from_str("{}").unwrap();
    let empty: UpdateServiceRequest = serde_json::from_value(json!({"loadBalancers": []})).unwrap();
    assert_eq!(absent.load_balancers, None);
    assert_eq!(empty.load_balancers, Some(LoadBalancerList::default()));
    assert_eq!(serde_json::to_value(&empty).unwrap(), json!({"loadBalancers": []}));
}

#[test]
fn an_unknown_spelling_is_refused_with_all_that_are_known() {
    let error = serde_json::from_value::<Service>(json!({"launchType": "fargate"})).unwrap_err().to_string();
    assert!(error.contains("`fargate`") && error.contains("EC2, FARGATE"), "{error}");
}

#[test]
fn spellings_are_those_of_ecs() {
    let cases: [(Option<&str>, &str); 4] = [
        (LogDriver::spelling(LogDriver::Awsfirelens as i32), "awsfirelens"),
        (LogDriver::spelling(LogDriver::JsonFile as i32), "json-file"),
        (LaunchType::spelling(LaunchType::Ec2 as i32), "EC2"),
        (TaskStopCode::spelling(TaskStopCode::EssentialContainerExited as i32), "EssentialContainerExited"),
    ];
    for (spelled, expected) in cases {
        assert_eq!(spelled, Some(expected));
    }
}

#[test]
fn times_are_epoch_seconds_on_the_wire_and_iso_for_people() {
    let service: Service = serde_json::from_value(json!({"createdAt": 1_700_000_000.25})).unwrap();
    assert_eq!(serde_json::to_value(&service).unwrap()["createdAt"], json!(1_700_000_000.25));
    let shown = with_times(TimeFormat::Iso8601, || serde_json::to_value(&service).unwrap());
    assert_eq!(shown["createdAt"], json!("2023-11-14T22:13:20.250Z"));
    assert_eq!(serde_json::from_value::<Service>(shown).unwrap(), service);
}

#[test]
fn lists_that_ecs_always_shows_are_shown_empty() {
    let shown = serde_json::to_value(Service::default()).unwrap();
    assert_eq!(shown["events"], json!([]));
    assert_eq!(shown.get("tags"), None);
}
