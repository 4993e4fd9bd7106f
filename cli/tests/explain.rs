//! `service explain`, `task explain`, `task run --dry-run`: what is asked, and the sentences that a fake controller's
//! data becomes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fake;

use expect_test::{Expect, expect};
use fake::Server;
use serde_json::{Value, json};

const INSTANCE: &str = "arn:aws:ecs:us-east-1:000000000000:container-instance/default/fedcba9876543210fedcba9876543210";
const TASK: &str = "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef";

/// 1 000 seconds after 1970 is now.
const NOW: f64 = 1_000.0;

fn placement() -> Value {
    json!({"instances": 4,
        "filtered": [{"reason": "AGENT", "instances": 1}, {"reason": "RESOURCE:CPU", "instances": 2},
            {"reason": "RESOURCE:PORTS", "instances": 1}],
        "closest": {"containerInstanceArn": INSTANCE, "reason": "RESOURCE:PORTS", "lacks": [
            {"name": "CPU", "needed": 512, "left": 256, "values": []},
            {"name": "PORTS", "needed": 2, "left": 1, "values": ["80"]},
            {"name": "ATTRIBUTE", "needed": 2, "left": 1, "values": ["ecs.capability.x"]}]}})
}

fn service(steady: bool, waits: &Value) -> Value {
    json!({"appliedIndex": 7, "now": NOW, "steady": steady, "starts": 0, "stops": 0, "waits": waits,
        "service": {"serviceName": "web", "status": "ACTIVE", "desiredCount": 3, "runningCount": 2, "pendingCount": 1},
        "deployment": {"id": "ecs-svc/1", "taskDefinition": "web:4", "rolloutStateReason": "",
            "rolloutState": if steady { "COMPLETED" } else { "IN_PROGRESS" },
            "stageDeadline": NOW + 3_600.0, "deadline": NOW + 86_400.0 * 29.5,
            "serviceDeployment": {"status": "IN_PROGRESS", "lifecycleStage": "SCALE_UP"}}})
}

fn says(operation: &'static str, answer: &Value, arguments: &[&str], expected: &Expect) {
    let server = Server::start();
    server.fake.ok(operation, answer.clone());
    let ran = server.run(arguments);
    expected.assert_eq(&format!("{}{}", ran.out, ran.err));
}

#[test]
fn what_is_asked() {
    let server = Server::start();
    for arguments in [
        &["service", "explain", "web"][..],
        &["--stale", "--cluster", "prod", "service", "explain", "web"],
        &["task", "explain", TASK],
        &["task", "run", "web", "-n", "2", "--dry-run"],
    ] {
        assert_eq!(server.run(arguments).code, 0, "{arguments:?}");
    }
    expect![[r#"
        explain_service (strong) {"cluster":"default","service":"web"}
        explain_service {"cluster":"prod","service":"web"}
        explain_task (strong) {"cluster":"default","task":"arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef"}
        explain_run_task (strong) {"runTask":{"cluster":"default","count":2,"taskDefinition":"web"}}"#]].assert_eq(&server.fake.take_asked().join("\n"));
}

#[test]
fn every_wait_of_a_service_has_its_sentence() {
    let wait = |kind: &str, rest: Value| {
        let mut wait = json!({"kind": kind, "cause": "TIME", "tasks": 2, "until": NOW + 37.5});
        wait.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        wait
    };
    let waits = json!([
        wait("PLACEMENT", json!({"placement": placement()})),
        wait("PLACEMENT", json!({"placement": {"instances": 0, "filtered": []}, "tasks": 1})),
        wait("BACK_OFF", json!({"failures": 3})),
        wait("STARTING", json!({"until": NOW + 10_000.0})),
        wait("HEALTHY", json!({})),
        wait("HEALTH_CHECK", json!({})),
        wait("GRACE", json!({})),
        wait("REPLACING", json!({"leaver": "OUTDATED"})),
        wait("REPLACING", json!({"leaver": "DRAINING"})),
        wait("REPLACING", json!({"leaver": "UNHEALTHY"})),
        wait("STOPPING", json!({"until": NOW + 600.0})),
        wait("DISCONNECTED", json!({"instances": 1, "paused": false})),
        wait("DISCONNECTED", json!({"instances": 9, "paused": true})),
        wait("BOUNDS", json!({"bounds": {"lower": 3, "upper": 3, "deadlock": true}})),
        wait("BOUNDS", json!({"bounds": {"lower": 1, "upper": 4, "deadlock": false}})),
        wait("PROTECTION", json!({})),
        wait("FAILED", json!({})),
        wait("HOOK", json!({"hookId": "ecs-pause-1", "stage": "PRE_SCALE_UP", "continues": true})),
        wait("BAKE", json!({"stage": "BAKE_TIME"})),
        wait("STAGE", json!({"stage": "SCALE_UP"})),
        wait("ROLLBACK", json!({"deployment": "ecs-svc/2"})),
        wait("REBALANCING", json!({"zones": [{"name": "a", "tasks": 3}, {"name": "b", "tasks": 1}]})),
        wait("UNEVEN", json!({"zones": [{"name": "a", "tasks": 3}, {"name": "b", "tasks": 1}]})),
        wait("IMAGES", json!({})),
        wait("LAUNCH_RATE", json!({})),
        wait("CAPACITY", json!({"until": NOW + 1_800.0})),
    ]);
    says(
        "explain_service",
        &service(false, &waits),
        &["service", "explain", "web"],
        &expect![[r#"
            service web: ACTIVE, 3 desired, 2 running, 1 pending
            deployment ecs-svc/1 of web:4: IN_PROGRESS (IN_PROGRESS, stage SCALE_UP)
              It fails if this stage isn't over in 60 min or the deployment isn't over in 30 d.
            It waits:
            - No instance takes 2 tasks. Tried again when one joins or frees resources, at the latest in 38 s.
              4 container instances looked at; ruled out: 1 by AGENT (the agent isn't connected), 2 by RESOURCE:CPU (too few CPU units left), 1 by RESOURCE:PORTS (a port is taken).
              The closest is fedcba9876543210fedcba9876543210: 256 of 512 CPU units left; port 80 taken; it lacks ecs.capability.x.
            - No instance takes 1 task. Tried again when one joins or frees resources, at the latest in 38 s.
              The cluster has no ACTIVE container instance.
            - Tasks fail to start, 3 rounds in a row: the next one starts in 38 s.
            - 2 tasks on the way to RUNNING; what isn't there in 3 h is stopped.
            - 2 tasks RUNNING, not long enough to count as healthy; the next one counts in 38 s.
            - 2 tasks RUNNING, whose health checks haven't decided yet.
            - 2 tasks failing health checks within the grace period, which ends in 38 s.
            - 2 tasks of another revision, until new ones are healthy.
            - 2 tasks on instances that take no tasks any more, until others are healthy.
            - 2 tasks failing health checks, until others are healthy.
            - 2 tasks stopping; what isn't STOPPED in 10 min is declared so.
            - 2 tasks on 1 instance whose agent isn't connected; given up in 38 s unless it comes back.
            - 2 tasks on 9 instances whose agent isn't connected; so many at once that replacement pauses, looked at again in 38 s.
            - 2 tasks that may not start yet: maximumPercent allows 3 tasks, and minimumHealthyPercent keeps 3 healthy. Nothing under way changes that: raise the one or lower the other.
            - 2 tasks that may not start yet: maximumPercent allows 4 tasks, and minimumHealthyPercent keeps 1 healthy.
            - 2 tasks protected from scale-in; the next protection ends in 38 s.
            - The deployment has failed and isn't taken up again: update the service.
            - The hook ecs-pause-1 of stage PRE_SCALE_UP waits for ContinueServiceDeployment; without it the deployment goes on in 38 s.
            - The bake time of BAKE_TIME, which ends in 38 s.
            - The stage SCALE_UP of the deployment, which fails in 38 s if it isn't over.
            - The rollback to deployment ecs-svc/2, which fails in 38 s if it isn't over.
            - 2 tasks that take the place of others in zones that have more, once healthy: 3 tasks in a, 1 task in b.
            - Zones aren't balanced, and can't be now: 3 tasks in a, 1 task in b. The last event about it says why; tried again in 38 s.
            - 2 tasks until the deployment's first has found the digests of its images; that one is stopped if it isn't RUNNING in 38 s.
            - 2 tasks beyond those that a service launches within a minute; the next start in 38 s.
            - 2 tasks waiting in PROVISIONING for an instance of their capacity provider; what has none in 30 min is stopped.
        "#]],
    );
    // A kind without a row above has no sentence that anybody has read.
    let kinds = waits.as_array().unwrap().iter().map(|wait| wait["kind"].as_str().unwrap());
    let shown: std::collections::BTreeSet<&str> = kinds.collect();
    let all = <drydock_proto::control::WaitKind as drydock_proto::json::WireEnum>::SPELLINGS;
    let missing: Vec<_> = all.iter().filter(|(_, name)| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_service_that_is_steady_says_so() {
    says(
        "explain_service",
        &service(true, &json!([])),
        &["service", "explain", "web"],
        &expect![[r#"
        service web: ACTIVE, 3 desired, 2 running, 1 pending
        deployment ecs-svc/1 of web:4: COMPLETED
        It is in steady state: nothing is to be done.
    "#]],
    );
}

#[test]
fn a_program_gets_the_data() {
    let waits = json!([{"kind": "PLACEMENT", "cause": "ROOM", "tasks": 2, "until": NOW, "placement": placement()}]);
    says(
        "explain_service",
        &service(false, &waits),
        &["service", "explain", "web", "--output", "yaml"],
        &expect![[r#"
            appliedIndex: 7
            now: "1970-01-01T00:16:40Z"
            service:
              serviceName: web
              loadBalancers: []
              serviceRegistries: []
              status: ACTIVE
              desiredCount: 3
              runningCount: 2
              pendingCount: 1
              deployments: []
              events: []
              placementConstraints: []
              placementStrategy: []
            steady: false
            starts: 0
            stops: 0
            deployment:
              id: ecs-svc/1
              taskDefinition: web:4
              rolloutState: IN_PROGRESS
              rolloutStateReason: ""
              stageDeadline: "1970-01-01T01:16:40Z"
              deadline: "1970-01-30T12:16:40Z"
              serviceDeployment:
                status: IN_PROGRESS
                lifecycleStage: SCALE_UP
            waits:
            - kind: PLACEMENT
              cause: ROOM
              tasks: 2
              until: "1970-01-01T00:16:40Z"
              placement:
                instances: 4
                filtered:
                - reason: AGENT
                  instances: 1
                - reason: RESOURCE:CPU
                  instances: 2
                - reason: RESOURCE:PORTS
                  instances: 1
                closest:
                  containerInstanceArn: >-
                    arn:aws:ecs:us-east-1:000000000000:container-instance/default/fedcba9876543210fedcba9876543210
                  reason: RESOURCE:PORTS
                  lacks:
                  - name: CPU
                    needed: 512
                    left: 256
                  - name: PORTS
                    needed: 2
                    left: 1
                    values:
                    - "80"
                  - name: ATTRIBUTE
                    needed: 2
                    left: 1
                    values:
                    - ecs.capability.x
        "#]],
    );
}

#[test]
fn tasks_say_where_they_are_and_who_ended_them() {
    let task = |status: &str, waits: Value, ending: Value| {
        json!({"appliedIndex": 7, "now": NOW, "instanceStatus": "ACTIVE", "agentConnected": true, "waits": waits,
            "ending": ending,
            "task": {"taskArn": TASK, "lastStatus": status, "createdAt": 100.0, "startedAt": 400.0, "stoppedAt": 900.0,
                "group": "service:web", "startedBy": "ecs-svc/1", "healthStatus": "HEALTHY",
                "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1",
                "containerInstanceArn": INSTANCE, "availabilityZone": "us-east-1a",
                "stopCode": if ending.is_null() { Value::Null } else { json!("ServiceSchedulerInitiated") },
                "stoppedReason": if ending.is_null() { Value::Null } else { json!("the reason") },
                "containers": [{"name": "main", "exitCode": 143, "reason": "why"}, {"name": "quiet"}]}})
    };
    let explain = ["task", "explain", TASK];
    says(
        "explain_task",
        &task("RUNNING", json!([]), Value::Null),
        &explain,
        &expect![[r#"
            task 0123456789abcdef0123456789abcdef: RUNNING, HEALTHY, for 10 min
              web:1, service:web, ecs-svc/1
              on fedcba9876543210fedcba9876543210 in us-east-1a (ACTIVE)
              container main exited with 143: why
        "#]],
    );
    let until = NOW + 30.0;
    let waits = json!([
        {"kind": "PLACEMENT", "until": until, "placement": placement()},
        {"kind": "AGENT", "until": until},
        {"kind": "START", "until": until},
        {"kind": "HEALTHY", "until": until},
        {"kind": "HEALTH_CHECK"},
        {"kind": "GRACE", "until": until},
        {"kind": "REPLACEMENT", "leaver": "OUTDATED"},
        {"kind": "REPLACEMENT", "leaver": "DRAINING"},
        {"kind": "REPLACEMENT", "leaver": "UNHEALTHY"},
        {"kind": "DISCONNECTED", "until": until},
        {"kind": "DISCONNECTED"},
        {"kind": "STOP", "until": until},
        {"kind": "RETENTION", "until": NOW + 3_500.0},
    ]);
    says(
        "explain_task",
        &task("PENDING", waits, Value::Null),
        &explain,
        &expect![[r#"
            task 0123456789abcdef0123456789abcdef: PENDING, HEALTHY, created 15 min ago
              web:1, service:web, ecs-svc/1
              on fedcba9876543210fedcba9876543210 in us-east-1a (ACTIVE)
              container main exited with 143: why
            No instance takes it; given up in 30 s.
              4 container instances looked at; ruled out: 1 by AGENT (the agent isn't connected), 2 by RESOURCE:CPU (too few CPU units left), 1 by RESOURCE:PORTS (a port is taken).
              The closest is fedcba9876543210fedcba9876543210: 256 of 512 CPU units left; port 80 taken; it lacks ecs.capability.x.
            Its agent hasn't said anything of it yet; stopped if it isn't RUNNING in 30 s.
            Its agent is starting it; stopped if it isn't RUNNING in 30 s.
            It counts as healthy in 30 s.
            Its health checks haven't decided yet.
            It fails its health checks; the grace period ends in 30 s.
            Its service goes to another revision and is going to replace it.
            Its instance takes no tasks any more: its service is going to replace it.
            It fails its health checks: its service is going to replace it.
            Its agent isn't connected; given up in 30 s unless it comes back.
            Its agent isn't connected; left as it is until it comes back.
            It is stopping; declared STOPPED in 30 s.
            It is remembered for another 59 min.
        "#]],
    );
    let ending = json!({"decider": "DEPLOYMENT", "at": 880.0, "deploymentId": "ecs-svc/2"});
    says(
        "explain_task",
        &task("STOPPED", json!([]), ending),
        &explain,
        &expect![[r#"
            task 0123456789abcdef0123456789abcdef: STOPPED, HEALTHY, for 100 s
              web:1, service:web, ecs-svc/1
              on fedcba9876543210fedcba9876543210 in us-east-1a (ACTIVE)
            Deployment ecs-svc/2 replaced it, 120 s ago.
              ServiceSchedulerInitiated: the reason
              container main exited with 143: why
        "#]],
    );
}

#[test]
fn every_decider_has_its_sentence() {
    let server = Server::start();
    let mut said = String::new();
    for (_, decider) in <drydock_proto::control::Decider as drydock_proto::json::WireEnum>::SPELLINGS {
        let ending = json!({"decider": decider, "at": NOW - 9.0, "deploymentId": "ecs-svc/2"});
        server.fake.ok("explain_task", json!({"now": NOW, "task": {"taskArn": TASK}, "ending": ending}));
        let out = server.run(&["task", "explain", TASK]).out;
        let line = out.lines().find(|line| line.ends_with("9 s ago.")).unwrap();
        said.push_str(&format!("{decider}: {line}\n"));
    }
    expect![[r#"
        USER: A user stopped it, 9 s ago.
        SERVICE_DELETED: Its service was deleted, 9 s ago.
        SCALED_IN: Its service had one task too many (deployment ecs-svc/2), 9 s ago.
        DEPLOYMENT: Deployment ecs-svc/2 replaced it, 9 s ago.
        DRAINED: Its service replaced it, since its instance was drained, 9 s ago.
        HEALTH_CHECKS: Its service replaced it, since it failed its health checks, 9 s ago.
        SERVICE: Its service stopped it, 9 s ago.
        ESSENTIAL_CONTAINER: An essential container ended, 9 s ago.
        START_FAILURE: It couldn't be started, 9 s ago.
        START_DEADLINE: The controllers stopped it: it wasn't RUNNING in time, 9 s ago.
        STOP_DEADLINE: The controllers gave it up: its agent didn't say in time that it stopped, 9 s ago.
        INSTANCE_LOST: The controllers gave it up: the agent of its instance didn't come back, 9 s ago.
        INSTANCE_DEREGISTERED: Its instance was deregistered, 9 s ago.
        INFRASTRUCTURE: Its host failed, 9 s ago.
        SPOT_INTERRUPTION: Its Spot capacity was taken back, 9 s ago.
        TERMINATION_NOTICE: Its agent ended, 9 s ago.
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_run_without_a_place_says_why() {
    let server = Server::start();
    let failure = json!({"arn": INSTANCE, "reason": "RESOURCE:CPU"});
    server.fake.ok("run_task", json!({"tasks": [], "failures": [failure]}));
    server
        .fake
        .ok("explain_run_task", json!({"containerInstanceArns": [INSTANCE], "unplaced": 1, "placement": placement()}));
    let mut said = String::new();
    for arguments in [&["task", "run", "web"][..], &["task", "run", "web", "--dry-run"]] {
        let ran = server.run(arguments);
        said.push_str(&format!("{}{}{}\n", ran.out, ran.err, ran.code));
    }
    expect![[r#"
        4 container instances looked at; ruled out: 1 by AGENT (the agent isn't connected), 2 by RESOURCE:CPU (too few CPU units left), 1 by RESOURCE:PORTS (a port is taken).
        The closest is fedcba9876543210fedcba9876543210: 256 of 512 CPU units left; port 80 taken; it lacks ecs.capability.x.
        error: arn:aws:ecs:us-east-1:000000000000:container-instance/default/fedcba9876543210fedcba9876543210: RESOURCE:CPU
        1
        1 task would be placed on fedcba9876543210fedcba9876543210.
        No instance would take 1 task.
          4 container instances looked at; ruled out: 1 by AGENT (the agent isn't connected), 2 by RESOURCE:CPU (too few CPU units left), 1 by RESOURCE:PORTS (a port is taken).
          The closest is fedcba9876543210fedcba9876543210: 256 of 512 CPU units left; port 80 taken; it lacks ecs.capability.x.
        error: 1 task would find no place
        1
    "#]].assert_eq(&said);
}
