//! Which request each line of `drydock task-set` becomes, and how its answers are waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, missing_docs)]

mod fake;

use fake::{Answer, Server};
use serde_json::{Value, json};

fn asks(arguments: &[&str], expected: &[&str]) {
    let server = Server::start();
    let ran = server.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    assert_eq!(server.fake.take_asked(), expected, "{arguments:?}");
}

#[test]
fn each_line_becomes_a_request() {
    asks(
        &["service", "create", "web", "--deployment-controller", "EXTERNAL", "-n", "4"],
        &[
            r#"create_service {"clientToken":"TOKEN","cluster":"default","deploymentController":{"type":"EXTERNAL"},"desiredCount":4,"serviceName":"web"}"#,
        ],
    );
    asks(
        &["task-set", "create", "web", "-t", "web:2", "--scale", "33.3%", "--external-id", "green", "--tag", "a=b"],
        &[
            r#"create_task_set {"clientToken":"TOKEN","cluster":"default","externalId":"green","scale":{"unit":"PERCENT","value":33.3},"service":"web","tags":[{"key":"a","value":"b"}],"taskDefinition":"web:2"}"#,
        ],
    );
    asks(
        &[
            "task-set",
            "create",
            "web",
            "-t",
            "web",
            "--launch-type",
            "FARGATE",
            "--platform-version",
            "1.4.0",
            "--subnet",
            "s",
        ],
        &[
            r#"create_task_set {"clientToken":"TOKEN","cluster":"default","launchType":"FARGATE","networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"]}},"platformVersion":"1.4.0","service":"web","taskDefinition":"web"}"#,
        ],
    );
    asks(
        &["task-set", "update", "web", "42", "--scale", "100", "--cluster", "prod"],
        &[
            r#"update_task_set {"cluster":"prod","scale":{"unit":"PERCENT","value":100.0},"service":"web","taskSet":"ecs-svc/42"}"#,
        ],
    );
    asks(
        &["task-set", "set-primary", "web", "ecs-svc/42"],
        &[r#"update_service_primary_task_set {"cluster":"default","primaryTaskSet":"ecs-svc/42","service":"web"}"#],
    );
    asks(
        &["task-set", "delete", "web", "42", "--force"],
        &[r#"delete_task_set {"cluster":"default","force":true,"service":"web","taskSet":"ecs-svc/42"}"#],
    );
    asks(
        &["task-set", "describe", "web"],
        &[r#"describe_task_sets (strong) {"cluster":"default","include":["TAGS"],"service":"web"}"#],
    );
}

#[test]
fn ids_alone_are_for_scripts() {
    let server = Server::start();
    server.fake.answers("describe_task_sets", &[described(vec![task_set("PRIMARY", "STEADY_STATE", 2)])]);
    let ran = server.run(&["task-set", "describe", "web", "--quiet"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "ecs-svc/42\n"), "{ran:?}");
}

fn task_set(status: &str, stability: &str, running: i32) -> Value {
    json!({
        "id": "ecs-svc/42", "status": status, "stabilityStatus": stability, "computedDesiredCount": 2,
        "runningCount": running, "taskDefinition": "arn:aws:ecs:r:a:task-definition/web:2",
    })
}

fn described(task_sets: Vec<Value>) -> Answer {
    Answer::Ok(json!({ "taskSets": task_sets, "failures": [] }))
}

#[test]
fn a_wait_ends_with_steady_state() {
    let server = Server::start();
    server.fake.ok("update_task_set", json!({"taskSet": task_set("ACTIVE", "STABILIZING", 0)}));
    let steps =
        [described(vec![task_set("ACTIVE", "STABILIZING", 1)]), described(vec![task_set("ACTIVE", "STEADY_STATE", 2)])];
    server.fake.answers("describe_task_sets", &steps);
    let ran = server.run(&["task-set", "update", "web", "42", "--scale", "50", "--wait"]);
    let expected = "updated task set ecs-svc/42: ACTIVE, STEADY_STATE, 2 desired, 2 running, web:2\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{ran:?}");
    assert_eq!(server.fake.take_asked().len(), 3);
}

#[test]
fn a_wait_for_a_deletion_ends_when_it_is_gone() {
    let server = Server::start();
    server.fake.ok("delete_task_set", json!({"taskSet": task_set("DRAINING", "STABILIZING", 1)}));
    server
        .fake
        .answers("describe_task_sets", &[described(vec![task_set("DRAINING", "STABILIZING", 1)]), described(vec![])]);
    let ran = server.run(&["task-set", "delete", "web", "42", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_wait_that_takes_too_long_says_for_what() {
    let server = Server::start();
    server.fake.ok("update_task_set", json!({"taskSet": task_set("ACTIVE", "STABILIZING", 0)}));
    server.fake.answers("describe_task_sets", &[described(vec![task_set("ACTIVE", "STABILIZING", 1)])]);
    let ran = server.run(&["task-set", "update", "web", "42", "--scale", "50", "--wait", "--timeout", "0s"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("task set ecs-svc/42: ACTIVE with 1 of 2 tasks running after 0 s"), "{ran:?}");
}
