//! Command line → request, and answer → output, by the real binary against a fake controller.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fake;

use std::io::Write as _;
use std::process::Stdio;

use expect_test::{Expect, expect};
use fake::{Answer, Ran, Server, command};
use serde_json::{Value, json};
use tonic::Code;

const TASK: &str = "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef";
const OTHER: &str = "arn:aws:ecs:us-east-1:000000000000:task/default/0123aaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const INSTANCE: &str = "arn:aws:ecs:us-east-1:000000000000:container-instance/default/fedcba9876543210fedcba9876543210";

fn task(status: &str) -> Value {
    json!({"taskArn": TASK, "lastStatus": status, "desiredStatus": "RUNNING", "group": "service:web",
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1",
        "containerInstanceArn": INSTANCE, "healthStatus": "UNKNOWN"})
}

fn service(rollout: &str, running: i32) -> Value {
    json!({"serviceName": "web", "status": "ACTIVE", "desiredCount": 3, "runningCount": running, "pendingCount": 3 - running,
        "taskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1",
        "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": rollout, "desiredCount": 3,
            "runningCount": running, "pendingCount": 3 - running, "taskDefinition": "…/web:1"}],
        "events": [{"id": "e1", "createdAt": 60, "message": "(service web) has started 3 tasks."}]})
}

/// What is asked for a command line, one request a line.
fn asks(server: &Server, arguments: &[&str], expected: &Expect) {
    let ran = server.run(arguments);
    expected.assert_eq(&server.fake.take_asked().join("\n"));
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
}

#[test]
fn clusters() {
    let server = Server::start();
    let e = |text: Expect, arguments: &[&str]| asks(&server, arguments, &text);
    e(expect![[r#"create_cluster {"clusterName":"default"}"#]], &["cluster", "create"]);
    e(
        expect![[r#"create_cluster {"clusterName":"prod","tags":[{"key":"a","value":"b=c"}]}"#]],
        &["cluster", "create", "prod", "--tag", "a=b=c"],
    );
    e(expect![[r#"delete_cluster {"cluster":"prod"}"#]], &["cluster", "delete", "prod"]);
    e(expect![[r#"describe_clusters (strong) {"clusters":["prod"]}"#]], &["--cluster", "prod", "cluster", "describe"]);
    e(expect![[r#"describe_clusters {"clusters":["a","b"]}"#]], &["--stale", "cluster", "describe", "a", "b"]);
}

#[test]
fn task_definitions() {
    let server = Server::start();
    let e = |text: Expect, arguments: &[&str]| asks(&server, arguments, &text);
    e(
        expect![[r#"describe_task_definition (strong) {"include":["TAGS"],"taskDefinition":"web"}"#]],
        &["td", "describe", "web"],
    );
    e(
        expect![[
            r#"list_task_definitions (strong) {"familyPrefix":"web","maxResults":100,"sort":"DESC","status":"INACTIVE"}"#
        ]],
        &["task-definition", "list", "--family", "web", "--status", "INACTIVE", "--newest-first"],
    );
    e(
        expect![[r#"list_task_definition_families (strong) {"maxResults":100,"status":"ACTIVE"}"#]],
        &["td", "ls", "--families"],
    );
    e(expect![[r#"deregister_task_definition {"taskDefinition":"web:1"}"#]], &["td", "deregister", "web:1"]);
    e(
        expect![[r#"delete_task_definitions {"taskDefinitions":["web:1","web:2"]}"#]],
        &["td", "delete", "web:1", "web:2"],
    );
}

#[test]
fn a_definition_is_registered_from_stdin() {
    let server = Server::start();
    server.fake.ok("register_task_definition", json!({"taskDefinition": {"family": "web", "revision": 4}}));
    for text in ["family: web\nstatus: ACTIVE\n", "{\"taskDefinition\": {\"family\": \"web\", \"revision\": 3}}"] {
        let mut command = server.command(&["td", "register", "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (0, "registered web:4\n"), "{ran:?}");
        assert!(ran.err.contains("note: stdin: left out what only answers have: "), "{ran:?}");
        assert_eq!(server.fake.take_asked(), [r#"register_task_definition {"family":"web"}"#]);
    }
}

#[test]
fn services() {
    let server = Server::start();
    let e = |text: Expect, arguments: &[&str]| asks(&server, arguments, &text);
    e(
        expect![[
            r#"create_service {"clientToken":"TOKEN","cluster":"default","deploymentConfiguration":{"deploymentCircuitBreaker":{"enable":true,"rollback":true},"maximumPercent":150},"desiredCount":3,"launchType":"EC2","networkConfiguration":{"awsvpcConfiguration":{"assignPublicIp":"ENABLED","subnets":["a","b"]}},"serviceName":"web","taskDefinition":"web"}"#
        ]],
        &[
            "service",
            "create",
            "web",
            "-t",
            "web",
            "-n",
            "3",
            "--launch-type",
            "EC2",
            "--subnet",
            "a,b",
            "--assign-public-ip",
            "--maximum-percent",
            "150",
            "--circuit-breaker",
            "rollback",
        ],
    );
    e(
        expect![[
            r#"create_service {"clientToken":"TOKEN","cluster":"default","schedulingStrategy":"DAEMON","serviceName":"d","taskDefinition":"d:1"}"#
        ]],
        &["service", "create", "d", "--task-definition", "d:1", "--scheduling-strategy", "DAEMON"],
    );
    e(
        expect![[
            r#"create_service {"availabilityZoneRebalancing":"DISABLED","clientToken":"TOKEN","cluster":"default","desiredCount":1,"serviceName":"z","taskDefinition":"z"}"#
        ]],
        &["service", "create", "z", "-t", "z", "--availability-zone-rebalancing", "DISABLED"],
    );
    e(
        expect![[r#"update_service {"availabilityZoneRebalancing":"ENABLED","cluster":"default","service":"z"}"#]],
        &["service", "update", "z", "--availability-zone-rebalancing", "ENABLED"],
    );
    e(
        expect![[r#"update_service {"cluster":"default","desiredCount":5,"service":"web","taskDefinition":"web:2"}"#]],
        &["service", "update", "web", "-t", "web:2", "-n", "5"],
    );
    e(
        expect![[
            r#"update_service {"cluster":"default","forceNewDeployment":true,"service":"web","taskDefinition":"web:2"}"#
        ]],
        &["service", "deploy", "web", "-t", "web:2"],
    );
    e(
        expect![[r#"update_service {"cluster":"prod","desiredCount":0,"service":"web"}"#]],
        &["service", "scale", "web", "0", "--cluster", "prod"],
    );
    e(
        expect![[r#"delete_service {"cluster":"default","force":true,"service":"web"}"#]],
        &["service", "delete", "web", "--force"],
    );
}

#[test]
fn a_service_comes_from_a_file_and_flags_win() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.yaml");
    std::fs::write(&file, "serviceName: web\ntaskDefinition: web:1\ndesiredCount: 2\ncluster: prod\n").unwrap();
    asks(
        &server,
        &["--cluster", "other", "service", "create", "-f", file.to_str().unwrap()],
        &expect![[
            r#"create_service {"clientToken":"TOKEN","cluster":"other","desiredCount":2,"serviceName":"web","taskDefinition":"web:1"}"#
        ]],
    );
    asks(
        &server,
        &["service", "create", "-f", file.to_str().unwrap(), "-n", "4"],
        &expect![[
            r#"create_service {"clientToken":"TOKEN","cluster":"prod","desiredCount":4,"serviceName":"web","taskDefinition":"web:1"}"#
        ]],
    );
}

#[test]
fn tasks() {
    let server = Server::start();
    let e = |text: Expect, arguments: &[&str]| asks(&server, arguments, &text);
    e(
        expect![[
            r#"run_task {"clientToken":"TOKEN","cluster":"default","count":2,"launchType":"FARGATE","overrides":{"containerOverrides":[{"command":["sh","-c","date"],"environment":[{"name":"A","value":"1"}],"name":"job"}],"inferenceAcceleratorOverrides":[]},"startedBy":"me","taskDefinition":"job"}"#
        ]],
        &[
            "task",
            "run",
            "job",
            "-n",
            "2",
            "--launch-type",
            "FARGATE",
            "--started-by",
            "me",
            "--container",
            "job",
            "-e",
            "A=1",
            "--",
            "sh",
            "-c",
            "date",
        ],
    );
    e(
        expect![[
            r#"list_tasks (strong) {"cluster":"default","desiredStatus":"STOPPED","maxResults":100,"serviceName":"web"}"#
        ]],
        &["task", "list", "--service", "web", "--desired-status", "STOPPED"],
    );
    e(
        expect![[r#"stop_task {"cluster":"default","reason":"why not","task":"0123456789abcdef0123456789abcdef"}"#]],
        &["task", "stop", "0123456789abcdef0123456789abcdef", "--reason", "why not"],
    );
}

#[test]
fn the_start_of_an_id_is_completed() {
    let server = Server::start();
    server.fake.ok("list_tasks", json!({"taskArns": [TASK, OTHER]}));
    let ran = server.run(&["task", "stop", "01234"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let asked = server.fake.take_asked();
    assert_eq!(asked[2], r#"stop_task {"cluster":"default","task":"0123456789abcdef0123456789abcdef"}"#);
    let ran = server.run(&["task", "stop", "0123"]);
    assert_eq!((ran.code, ran.err.as_str()), (2, "error: 2 tasks have ids that start with 0123: give more of it\n"));
}

#[test]
fn instances_and_controllers() {
    let server = Server::start();
    let e = |text: Expect, arguments: &[&str]| asks(&server, arguments, &text);
    let id = "fedcba9876543210fedcba9876543210";
    e(
        expect![[
            r#"update_container_instances_state {"cluster":"default","containerInstances":["fedcba9876543210fedcba9876543210"],"status":"DRAINING"}"#
        ]],
        &["container-instance", "drain", id],
    );
    e(
        expect![[
            r#"update_container_instances_state {"cluster":"default","containerInstances":["fedcba9876543210fedcba9876543210"],"status":"ACTIVE"}"#
        ]],
        &["ci", "activate", id],
    );
    e(
        expect![[
            r#"deregister_container_instance {"cluster":"default","containerInstance":"fedcba9876543210fedcba9876543210","force":true}"#
        ]],
        &["ci", "deregister", id, "--force"],
    );
    e(
        expect![[
            r#"list_container_instances (strong) {"cluster":"default","filter":"attribute:x == y","maxResults":100,"status":"DRAINING"}"#
        ]],
        &["ci", "list", "--status", "DRAINING", "--filter", "attribute:x == y"],
    );
    e(
        expect![[r#"
        remove_controller {"controller":"c"}
        status (strong) {}"#]],
        &["controller", "remove", "c"],
    );
    e(
        expect![[r#"
            add_controller {"apiAddress":"h:1","id":7,"name":"d","peerAddress":"h:2"}
            status (strong) {}"#]],
        &["controller", "add", "d", "--id", "7", "--api-address", "h:1", "--peer-address", "h:2"],
    );
    e(
        expect![[r#"
            transfer_leadership {"controller":""}
            status (strong) {}"#]],
        &["controller", "transfer"],
    );
}

#[test]
fn lists_go_over_all_pages() {
    let server = Server::start();
    let page = |names: &[&str], next: Value| Answer::Ok(json!({"clusterArns": names, "nextToken": next}));
    server.fake.answers("list_clusters", &[page(&["a/x"], "t".into()), page(&["a/y"], Value::Null)]);
    let ran = server.run(&["cluster", "list", "-o", "json"]);
    assert_eq!(ran.out, "{\n  \"clusterArns\": [\n    \"a/x\",\n    \"a/y\"\n  ]\n}\n", "{ran:?}");
    assert_eq!(
        server.fake.take_asked(),
        [
            r#"list_clusters (strong) {"maxResults":100}"#,
            r#"list_clusters (strong) {"maxResults":100,"nextToken":"t"}"#
        ]
    );
}

#[test]
fn tables_are_for_people_and_the_rest_is_ecs() {
    let server = Server::start();
    server.fake.ok("describe_tasks", json!({"tasks": [task("RUNNING")], "failures": []}));
    server.fake.ok("list_tasks", json!({"taskArns": [TASK]}));
    expect![[r"
        TASK          STATUS   DESIRED  HEALTH   TASK DEFINITION  GROUP        INSTANCE      AGE  REASON
        0123456789ab  RUNNING  RUNNING  UNKNOWN  web:1            service:web  fedcba987654  -    -
    "]]
    .assert_eq(&server.run(&["task", "list"]).out);
    assert_eq!(server.run(&["task", "list", "-q"]).out, "0123456789abcdef0123456789abcdef\n");
    let ran = server.run(&["task", "describe", TASK, "--output", "json"]);
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["tasks"][0]["lastStatus"], "RUNNING");
    assert_eq!(shown["failures"], json!([]));

    let mut found = service("COMPLETED", 3);
    found["createdAt"] = json!(1_700_000_000.25);
    server.fake.ok("describe_services", json!({"services": [found]}));
    let yaml = server.run(&["service", "describe", "web", "-o", "yaml"]).out;
    assert!(yaml.contains("createdAt: \"2023-11-14T22:13:20.250Z\""), "{yaml}");
    assert!(!yaml.contains('\x1b'));
}

#[test]
fn costs_stand_beside_what_ecs_says() {
    let server = Server::start();
    server.fake.ok("describe_tasks", json!({"tasks": [task("RUNNING")], "failures": []}));
    let cost = json!({"taskArn": TASK, "dollars": "0.012342500", "dollarsAnHour": "0.012342500", "seconds": 3600,
        "rate": "Linux/X86_64", "cpu": 256, "memoryMiB": 512, "smallestSize": true});
    server.fake.ok("get_costs", json!({"tasks": [cost]}));
    let ran = server.run(&["task", "describe", TASK]);
    let line = "cost on Fargate: $0.012342500 for 3600 s of 256 CPU units and 512 MiB, the smallest that holds it \
                (Linux/X86_64, $0.012342500 an hour)";
    assert!(ran.out.contains(line), "{ran:?}");
    let asked = server.fake.take_asked().pop().unwrap();
    assert!(asked.starts_with("get_costs (strong) ") && asked.contains(TASK), "{asked}");
    let shown: Value = serde_json::from_str(&server.run(&["task", "describe", TASK, "-o", "json"]).out).unwrap();
    assert_eq!(shown["costs"]["tasks"][0]["dollars"], "0.012342500");
    assert!(shown["tasks"][0].get("dollars").is_none() && shown["tasks"][0]["taskArn"] == TASK);
}

#[test]
fn account_settings() {
    let server = Server::start();
    let e = |text: Expect, arguments: &[&str]| asks(&server, arguments, &text);
    e(expect![[r#"list_account_settings (strong) {"effectiveSettings":true}"#]], &["account-setting", "list"]);
    e(
        expect![[r#"put_account_setting {"name":"containerInsights","value":"disabled"}"#]],
        &["account-setting", "put", "containerInsights", "disabled"],
    );
    e(
        expect![[r#"put_account_setting_default {"name":"awsvpcTrunking","value":"disabled"}"#]],
        &["account-setting", "put-default", "awsvpcTrunking", "disabled"],
    );
    e(
        expect![[r#"delete_account_setting {"name":"awsvpcTrunking","principalArn":"arn:aws:iam::1:user/a"}"#]],
        &["account-setting", "delete", "awsvpcTrunking", "--principal", "arn:aws:iam::1:user/a"],
    );
    assert_eq!(server.run(&["account-setting", "put", "nonsense", "x"]).code, 2);
}

#[test]
fn a_missing_thing_is_a_failure() {
    let server = Server::start();
    server.fake.ok("describe_services", json!({"failures": [{"arn": "arn:…/nope", "reason": "MISSING"}]}));
    let ran = server.run(&["service", "describe", "nope"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.err.starts_with("error: arn:…/nope: MISSING\nhint: it isn't in the cluster"), "{ran:?}");
    server.fake.ok("update_container_instances_state", json!({"failures": [{"arn": "arn:…/x", "reason": "MISSING"}]}));
    let ran = server.run(&["container-instance", "drain", "fedcba9876543210fedcba9876543210"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "no empty table: {ran:?}");
    let placed = json!({"tasks": [{"taskArn": TASK, "lastStatus": "PROVISIONING"}],
        "failures": [{"reason": "RESOURCE:CPU"}]});
    server.fake.ok("run_task", placed);
    let ran = server.run(&["task", "run", "job", "-n", "2", "--quiet"]);
    let id = TASK.rsplit('/').next().unwrap();
    assert_eq!((ran.code, ran.out), (1, format!("{id}\n")));
}

#[test]
fn a_wait_ends_when_the_deployment_does() {
    let server = Server::start();
    server.fake.ok("update_service", json!({"service": service("IN_PROGRESS", 0)}));
    let described = |rollout: &str, running| Answer::Ok(json!({"services": [service(rollout, running)]}));
    let going = [described("IN_PROGRESS", 1), described("IN_PROGRESS", 3), described("COMPLETED", 3)];
    server.fake.answers("describe_services", &going);
    let ran = server.run(&["service", "deploy", "web", "--wait", "--progress", "plain"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "deployed service web: ACTIVE, 3 desired, 3 running, web:1\n"),
        "{ran:?}"
    );
    expect![[r"
        PRIMARY  web:1                    IN_PROGRESS  3 desired, 1 running, 2 pending, 0 failed
        waits for 2 of 3 tasks to be RUNNING
        PRIMARY  web:1                    IN_PROGRESS  3 desired, 3 running, 0 pending, 0 failed
        waits for its tasks to count as healthy
        PRIMARY  web:1                    COMPLETED    3 desired, 3 running, 0 pending, 0 failed
        done after 0 s
    "]]
    .assert_eq(&ran.err);

    server.fake.answers("describe_services", &[described("FAILED", 0)]);
    let ran = server.run(&["service", "deploy", "web", "--wait"]);
    assert_eq!((ran.code, ran.out.as_str()), (4, ""), "{ran:?}");
    let expected =
        "error: service web: deployment ecs-svc/1 FAILED: no reason is given; `drydock service events` may have it\n";
    assert_eq!(ran.err, expected);

    server.fake.answers("describe_services", &[described("IN_PROGRESS", 1)]);
    let ran = server.run(&["service", "scale", "web", "3", "--wait", "--timeout", "500ms"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("it waits for 2 of 3 tasks to be RUNNING"), "{ran:?}");
}

#[test]
fn a_wait_survives_a_controller_that_goes_away() {
    let server = Server::start();
    server.fake.ok("update_service", json!({"service": service("IN_PROGRESS", 0)}));
    let away = Answer::Error(Code::Unavailable, "ServerException", "there is no leader");
    let done = Answer::Ok(json!({"services": [service("COMPLETED", 3)]}));
    server.fake.answers("describe_services", &[away.clone(), away.clone(), away, done]);
    let ran = server.run(&["service", "deploy", "web", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_job_that_fails_fails_the_command() {
    let server = Server::start();
    server.fake.ok("run_task", json!({"tasks": [task("PENDING")]}));
    let ended = |code: i32| {
        let mut task = task("STOPPED");
        task["containers"] = json!([{"name": "job", "exitCode": code}]);
        Answer::Ok(json!({"tasks": [task]}))
    };
    server.fake.answers("describe_tasks", &[ended(0)]);
    assert_eq!(server.run(&["task", "run", "--wait", "job"]).code, 0);
    server.fake.answers("describe_tasks", &[ended(3)]);
    let ran = server.run(&["task", "run", "--wait", "job"]);
    assert_eq!((ran.code, ran.err.as_str()), (4, "error: 0123456789ab  STOPPED (job: exit code 3)\n"), "{ran:?}");
}

#[test]
fn exceptions_come_with_their_name_and_advice() {
    let server = Server::start();
    let missing = Answer::Error(Code::NotFound, "ClusterNotFoundException", "Cluster not found.");
    server.fake.answers("list_services", &[missing]);
    let ran = server.run(&["service", "list"]);
    expect![[r"
        error: ClusterNotFoundException: Cluster not found.
        hint: `drydock cluster list` shows what there is; `drydock cluster create NAME` makes one
    "]]
    .assert_eq(&ran.err);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
}

/// A write that may have been carried out is sent again only where twice is as good as once.
#[test]
fn a_lost_answer_is_asked_for_again_where_that_is_safe() {
    let server = Server::start();
    let lost = Answer::Error(Code::Unknown, "ServerException", "the leader went away");
    let fine = Answer::Ok(json!({}));
    let table: [(&'static str, &[&str], i32, usize); 4] = [
        ("create_service", &["service", "create", "web", "-t", "web"], 0, 2),
        ("run_task", &["task", "run", "job"], 0, 2),
        ("list_clusters", &["cluster", "list"], 0, 2),
        ("update_service", &["service", "deploy", "web"], 3, 1),
    ];
    for (operation, arguments, code, times) in table {
        server.fake.answers(operation, &[lost.clone(), fine.clone()]);
        let ran = server.run(arguments);
        assert_eq!((ran.code, server.fake.take_asked().len()), (code, times), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn another_endpoint_is_taken_when_one_is_down() {
    let server = Server::start();
    let endpoints = format!("127.0.0.1:1,{}", server.address);
    let ran = Ran::of(command(&["--endpoint", &endpoints, "cluster", "create"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = Ran::of(command(&["--endpoint", "127.0.0.1:1", "status"]).output().unwrap());
    assert_eq!(ran.code, 3, "{ran:?}");
    expect![[r"
        error: no controller can be reached at 127.0.0.1:1: Connection refused (os error 111)
        hint: is a cluster running? `drydock up` starts one here; --endpoint or DRYDOCK_ENDPOINT names another
    "]]
    .assert_eq(&ran.err);
}

#[test]
fn a_wrong_command_line_sends_nothing() {
    let server = Server::start();
    let table: [&[&str]; 9] = [
        &["nonsense"],
        &["service", "create"],
        &["service", "scale", "web", "many"],
        &["service", "deploy", "web", "--timeout", "5m"],
        &["task", "run"],
        &["td", "register"],
        &["td", "register", "-f", "no/such/file.json"],
        &["controller"],
        &["--endpoint", "nowhere", "status"],
    ];
    for arguments in table {
        let ran = server.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(!ran.err.is_empty());
    }
    assert_eq!(server.fake.take_asked(), [""; 0]);
}

#[test]
fn completions_and_the_version_need_no_cluster() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Ran::of(command(&["completion", shell]).output().unwrap());
        assert!(ran.code == 0 && ran.out.contains("task-definition"), "{shell}");
    }
    let ran = Ran::of(command(&["version"]).output().unwrap());
    assert_eq!(ran.out, format!("drydock {}\n", env!("CARGO_PKG_VERSION")));
}

/// The definition of every command is consistent (clap finds clashes only when it builds them).
#[test]
fn the_command_line_holds_together() {
    use clap::CommandFactory as _;
    drydock_cli::arguments::Cli::command().debug_assert();
}
