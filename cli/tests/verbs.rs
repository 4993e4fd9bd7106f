//! What the verbs of the smaller nouns ask and print: deployments of services, capacity providers, attributes, protection.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fake;

use expect_test::{Expect, expect};
use fake::Server;
use serde_json::{Value, json};

const TASK: &str = "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef";
const DEPLOYMENT: &str = "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu";

/// What is asked, the exit code, and what is printed.
fn run(server: &Server, arguments: &[&str], expected: &Expect) {
    let ran = server.run(arguments);
    let asked = server.fake.take_asked().join("\n");
    expected.assert_eq(&format!("{asked}\n{} {}{}", ran.code, ran.out, ran.err));
}

fn deployment(status: &str, more: &Value) -> Value {
    let mut deployment = json!({ "serviceDeploymentArn": DEPLOYMENT, "status": status,
        "serviceArn": "arn:aws:ecs:us-east-1:000000000000:service/default/web",
        "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/default" });
    deployment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "serviceDeployments": [deployment] })
}

#[test]
fn deployments_are_stopped_and_continued() {
    let server = Server::start();
    server.fake.ok("stop_service_deployment", json!({ "serviceDeploymentArn": DEPLOYMENT }));
    run(
        &server,
        &["service-deployment", "stop", DEPLOYMENT],
        &expect![[r#"
        stop_service_deployment {"serviceDeploymentArn":"arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu","stopType":"ROLLBACK"}
        0 stopping arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu
    "#]],
    );
    run(
        &server,
        &["service-deployment", "stop", DEPLOYMENT, "--stop-type", "ABORT"],
        &expect![[r#"
        stop_service_deployment {"serviceDeploymentArn":"arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu","stopType":"ABORT"}
        0 stopping arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu
    "#]],
    );
    server.fake.ok("continue_service_deployment", json!({ "serviceDeploymentArn": DEPLOYMENT }));
    let paused = |hooks: &[&str]| {
        let hook = |id: &&str| json!({ "hookId": id, "status": "AWAITING_ACTION", "lifecycleStage": "POST_SCALE_UP" });
        deployment("IN_PROGRESS", &json!({ "lifecycleHookDetails": hooks.iter().map(hook).collect::<Vec<_>>() }))
    };
    server.fake.ok("describe_service_deployments", paused(&["ecs-pause-1"]));
    run(
        &server,
        &["service-deployment", "continue", DEPLOYMENT],
        &expect![[r#"
        describe_service_deployments (strong) {"serviceDeploymentArns":["arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu"]}
        continue_service_deployment {"action":"CONTINUE","hookId":"ecs-pause-1","serviceDeploymentArn":"arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu"}
        0 continued arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu
    "#]],
    );
    let back = ["service-deployment", "continue", DEPLOYMENT, "--hook-id", "ecs-pause-2", "--action", "ROLLBACK"];
    run(
        &server,
        &back,
        &expect![[r#"
        continue_service_deployment {"action":"ROLLBACK","hookId":"ecs-pause-2","serviceDeploymentArn":"arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu"}
        0 rolling back arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abcdefghijklmnopqrstu
    "#]],
    );
    for hooks in [&["ecs-pause-1", "ecs-pause-2"][..], &[]] {
        server.fake.ok("describe_service_deployments", paused(hooks));
        let ran = server.run(&["service-deployment", "continue", DEPLOYMENT]);
        assert_eq!(ran.code, 1, "{ran:?}");
        server.fake.take_asked();
    }
}

#[test]
fn a_deployment_that_was_rolled_back_says_why() {
    let server = Server::start();
    let rollback = json!({ "rollback": { "reason": "the breaker tripped", "startedAt": 1_700_000_000.0,
            "serviceRevisionArn": "arn:aws:ecs:us-east-1:000000000000:service-revision/default/web/7" },
        "statusReason": "Service deployment rolled back because the circuit breaker threshold was exceeded." });
    server.fake.ok("describe_service_deployments", deployment("ROLLBACK_SUCCESSFUL", &rollback));
    let ran = server.run(&["service-deployment", "describe", DEPLOYMENT]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["ROLLBACK_SUCCESSFUL", "the breaker tripped"] {
        assert!(ran.out.contains(part), "{part:?} is not in {ran:?}");
    }
}

#[test]
fn capacity_providers() {
    let server = Server::start();
    let provider = json!({ "capacityProvider": { "name": "group", "status": "ACTIVE" } });
    server.fake.ok("create_capacity_provider", provider.clone());
    let create = [
        "capacity-provider",
        "create",
        "group",
        "--auto-scaling-group",
        "asg",
        "--managed-scaling",
        "ENABLED",
        "--target-capacity",
        "80",
    ];
    run(
        &server,
        &create,
        &expect![[r#"
        create_capacity_provider {"autoScalingGroupProvider":{"autoScalingGroupArn":"asg","managedScaling":{"status":"ENABLED","targetCapacity":80}},"name":"group"}
        0 created capacity provider group
    "#]],
    );
    server.fake.ok("update_capacity_provider", provider.clone());
    run(
        &server,
        &["capacity-provider", "update", "group", "--managed-draining", "DISABLED"],
        &expect![[r#"
        update_capacity_provider {"autoScalingGroupProvider":{"managedDraining":"DISABLED"},"name":"group"}
        0 updated capacity provider group
    "#]],
    );
    server.fake.ok("delete_capacity_provider", provider);
    run(
        &server,
        &["capacity-provider", "delete", "group"],
        &expect![[r#"
        delete_capacity_provider {"capacityProvider":"group"}
        0 deleted capacity provider group
    "#]],
    );
    let missing = json!({ "failures": [{ "arn": "nope", "reason": "MISSING" }] });
    server.fake.ok("describe_capacity_providers", missing);
    let ran = server.run(&["capacity-provider", "describe", "nope"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.starts_with("error: nope: MISSING"), "{ran:?}");
}

#[test]
fn attributes() {
    let server = Server::start();
    let instance = "fedcba9876543210fedcba9876543210";
    let attribute = json!({ "name": "rack", "value": "7", "targetId": instance });
    for operation in ["put_attributes", "delete_attributes", "list_attributes"] {
        server.fake.ok(operation, json!({ "attributes": [attribute] }));
    }
    run(
        &server,
        &["attribute", "put", instance, "rack=7", "ssd"],
        &expect![[r#"
        put_attributes {"attributes":[{"name":"rack","targetId":"fedcba9876543210fedcba9876543210","targetType":"container-instance","value":"7"},{"name":"ssd","targetId":"fedcba9876543210fedcba9876543210","targetType":"container-instance"}],"cluster":"default"}
        0 INSTANCE      NAME  VALUE
        fedcba987654  rack      7
    "#]],
    );
    run(
        &server,
        &["attribute", "delete", instance, "rack"],
        &expect![[r#"
        delete_attributes {"attributes":[{"name":"rack","targetId":"fedcba9876543210fedcba9876543210","targetType":"container-instance"}],"cluster":"default"}
        0 INSTANCE      NAME  VALUE
        fedcba987654  rack      7
    "#]],
    );
    run(
        &server,
        &["attribute", "list"],
        &expect![[r#"
        list_attributes (strong) {"cluster":"default","targetType":"container-instance"}
        0 INSTANCE      NAME  VALUE
        fedcba987654  rack      7
    "#]],
    );
}

#[test]
fn protection_tells_what_failed() {
    let server = Server::start();
    let id = TASK.rsplit('/').next().unwrap();
    let protected = json!({ "protectedTasks": [{ "taskArn": TASK, "protectionEnabled": true }] });
    server.fake.ok("update_task_protection", protected);
    run(
        &server,
        &["task", "protect", id, "--for", "90m"],
        &expect![[r#"
        update_task_protection {"cluster":"default","expiresInMinutes":90,"protectionEnabled":true,"tasks":["0123456789abcdef0123456789abcdef"]}
        0 TASK          PROTECTED  UNTIL
        0123456789ab  yes        -
    "#]],
    );
    let failed = json!({ "failures": [{ "arn": TASK, "reason": "TASK_NOT_VALID",
        "detail": "Task is not in a state that can be protected." }] });
    server.fake.ok("update_task_protection", failed.clone());
    run(
        &server,
        &["task", "protect", id, "--off"],
        &expect![[r#"
        update_task_protection {"cluster":"default","protectionEnabled":false,"tasks":["0123456789abcdef0123456789abcdef"]}
        1 error: arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef: TASK_NOT_VALID: Task is not in a state that can be protected.
    "#]],
    );
    server.fake.ok("get_task_protection", failed);
    run(
        &server,
        &["task", "protection", id],
        &expect![[r#"
        get_task_protection (strong) {"cluster":"default","tasks":["0123456789abcdef0123456789abcdef"]}
        1 error: arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef: TASK_NOT_VALID: Task is not in a state that can be protected.
    "#]],
    );
}

/// The controller that tells how the others are may be a moment behind the one that carried the change out.
#[test]
fn a_removed_controller_isnt_shown_any_more() {
    let server = Server::start();
    let controller = |id: u64, name: &str| json!({ "id": id, "name": name, "role": "FOLLOWER", "reachable": true });
    let both = json!({ "controllers": [controller(1, "one"), controller(2, "two")], "leaderId": 1 });
    server.fake.ok("status", both);
    server.fake.ok("remove_controller", json!({ "controllers": [{ "id": 1, "name": "one" }] }));
    let ran = server.run(&["controller", "remove", "two"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("one") && ran.out.contains("FOLLOWER") && !ran.out.contains("two"), "{ran:?}");
}

#[test]
fn names_are_described_and_shown() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.json");
    std::fs::write(
        &file,
        r#"{"subnets": [{"id": "subnet-1", "availabilityZone": "us-east-1a"}], "securityGroups": ["sg-1"]}"#,
    )
    .unwrap();
    let names = json!({ "strict": true, "subnets": [{ "id": "subnet-1", "availabilityZone": "us-east-1a" }],
        "securityGroups": ["sg-1"], "roles": ["arn:aws:iam::123456789012:role/web"] });
    server.fake.ok("put_names", json!({ "names": names }));
    run(
        &server,
        &["names", "put", "--strict", "-f", file.to_str().unwrap()],
        &expect![[r#"
        put_names {"names":{"securityGroups":["sg-1"],"strict":true,"subnets":[{"availabilityZone":"us-east-1a","id":"subnet-1"}]}}
        0 NAME                                ZONE        KNOWN
        subnet-1                            us-east-1a  described
        sg-1                                -           described
        arn:aws:iam::123456789012:role/web  -           described
        all others                          -           refused
    "#]],
    );
    let assigned = json!([{ "id": "subnet-2", "availabilityZone": "us-east-1b" }]);
    server.fake.ok("get_names", json!({ "names": {}, "assignedSubnets": assigned }));
    run(
        &server,
        &["names", "show"],
        &expect![[r#"
        get_names (strong) {}
        0 NAME      ZONE        KNOWN
        subnet-2  us-east-1b  assigned
    "#]],
    );
}
