//! The examples are valid, for ECS and here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use drydock_model::refusals;
use drydock_model::requests::{check_network_mode, services, tasks};
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::{CreateServiceRequest, RunTaskRequest, TaskDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an example; nothing of it may be lost, which also finds a member that ECS doesn't have.
fn read<R: DeserializeOwned + Serialize>(text: &str) -> R {
    let request: R = serde_json::from_str(text).unwrap();
    let mut back = serde_json::to_value(&request).unwrap();
    let mut given: Value = serde_json::from_str(text).unwrap();
    without_empty_lists(&mut back);
    without_empty_lists(&mut given);
    assert_eq!(back, given);
    request
}

fn without_empty_lists(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| member.as_array().is_none_or(|list| !list.is_empty()));
            members.values_mut().for_each(without_empty_lists);
        }
        Value::Array(list) => list.iter_mut().for_each(without_empty_lists),
        _ => {}
    }
}

fn definition(text: &str) -> TaskDefinition {
    let definition = validate_registration(&read(text)).unwrap();
    refusals::check(refusals::USE_TASK_DEFINITION, &definition).unwrap();
    definition
}

#[test]
fn services_of_the_examples() {
    for (name, task_definition, service, desired) in [
        (
            "web",
            include_str!("../../../examples/web/task-definition.json"),
            include_str!("../../../examples/web/service.json"),
            3,
        ),
        (
            "worker",
            include_str!("../../../examples/worker/task-definition.json"),
            include_str!("../../../examples/worker/service.json"),
            2,
        ),
    ] {
        let definition = definition(task_definition);
        let request: CreateServiceRequest = read(service);
        services::create_service(&request).unwrap();
        check_network_mode(&definition, request.network_configuration.as_ref(), request.launch_type()).unwrap();
        assert_eq!((request.task_definition.as_deref(), definition.family.as_deref()), (Some(name), Some(name)));
        assert_eq!(request.desired_count, Some(desired));
    }
}

#[test]
fn the_job() {
    let definition = definition(include_str!("../../../examples/job/task-definition.json"));
    let request: RunTaskRequest = read(include_str!("../../../examples/job/run-task.json"));
    assert_eq!(tasks::run_task(&request).unwrap(), 2);
    tasks::check_overridden_names(request.overrides.as_ref().unwrap(), &definition).unwrap();
    check_network_mode(&definition, request.network_configuration.as_ref(), request.launch_type()).unwrap();
}
