//! Real containers: where a Docker engine is reachable, a service runs as containers, a container that is killed behind
//! our back is replaced, exit codes and logs come through, and a restarted agent finds its containers again. Without an
//! engine these tests say so and pass.

use anyhow::{Context as _, Result, ensure};
use drydock_proto::control::{GetLogsRequest, LogLine};
use drydock_proto::ecs;
use drydock_tests::cluster::{CLUSTER, Cluster, Options};
use drydock_tests::docker::{self, Engine, IMAGE};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::wait;
use serde_json::{Value, json};

use crate::identities;

const TASK_LABEL: &str = "com.amazonaws.ecs.task-arn";

/// The engine, or `None` with a word on why.
fn engine() -> Result<Option<Engine>> {
    match Engine::reach() {
        Ok(engine) => {
            engine.need_image()?;
            Ok(Some(engine))
        }
        Err(error) => {
            println!("skipped: no Docker engine is reachable ({error:#})");
            Ok(None)
        }
    }
}

fn definition(family: &str, command: &[&str]) -> Value {
    json!({
        "family": family,
        "networkMode": "bridge",
        "containerDefinitions": [
            { "name": "main", "image": IMAGE, "command": command, "memory": 32, "stopTimeout": 2 }
        ]
    })
}

async fn with_docker() -> Result<(Cluster, Ecs)> {
    let cluster =
        Cluster::start(Options { controllers: 1, instances: 1, runtime: "docker", ..Options::default() }).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    Ok((cluster, ecs))
}

/// Removes every container of the tasks: what a stopped agent leaves running on purpose.
fn clean_up(engine: &Engine, tasks: &[String]) -> Result<()> {
    for task in tasks {
        for container in engine.containers(&[format!("{TASK_LABEL}={task}")])? {
            engine.remove(container["Id"].as_str().unwrap_or_default())?;
        }
    }
    Ok(())
}

fn running(engine: &Engine, task: &str) -> Result<Vec<Value>> {
    let all = engine.containers(&[format!("{TASK_LABEL}={task}")])?;
    Ok(all.into_iter().filter(|container| container["State"] == "running").collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_runs_as_containers_and_survives_its_agent() -> Result<()> {
    let Some(engine) = engine()? else { return Ok(()) };
    let (mut cluster, ecs) = with_docker().await?;
    ecs.register(&definition("sleeper", &["sleep", "1000000"])).await?;
    ecs.create_service("sleeper", "sleeper:1", 2).await?;
    ecs.stable("sleeper").await?;
    let tasks = ecs.tasks_of("sleeper").await?;
    for task in &tasks {
        let there = running(&engine, task.task_arn())?;
        assert_eq!(there.len(), 1, "{there:?}");
        assert_eq!(there[0]["Id"].as_str(), Some(task.containers[0].runtime_id()));
        assert_eq!(there[0]["Labels"]["com.amazonaws.ecs.container-name"], "main");
    }

    let before = identities(&tasks);
    cluster.agents[0].kill()?;
    cluster.agents[0].start()?;
    cluster.ready().await?;
    ecs.stable("sleeper").await?;
    assert_eq!(identities(&ecs.tasks_of("sleeper").await?), before, "a container was restarted");

    // Killed behind our back: the task stops with Docker's exit code, and another one replaces it.
    let victim = tasks[0].clone();
    engine.kill(victim.containers[0].runtime_id())?;
    let stopped = ecs.reaches(victim.task_arn(), "STOPPED").await?;
    assert_eq!(stopped.stop_code(), ecs::TaskStopCode::EssentialContainerExited);
    assert_eq!(stopped.containers[0].exit_code(), 137);
    ecs.stable("sleeper").await?;

    let arns: Vec<String> = ecs.tasks_of("sleeper").await?.iter().map(|task| task.task_arn().to_owned()).collect();
    ecs.delete_service("sleeper").await?;
    for arn in &arns {
        ecs.reaches(arn, "STOPPED").await?;
        wait::holds("its container is gone", SETTLE_MAX, async || {
            let left = running(&engine, arn)?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await?;
    }
    cluster.finish().await?;
    clean_up(&engine, &[arns, vec![victim.task_arn().to_owned()]].concat())
}

// rule: 2.1/reason-essential-exited, 2.1/reason-cannot-pull
#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_logs_come_through() -> Result<()> {
    let Some(engine) = engine()? else { return Ok(()) };
    let (cluster, ecs) = with_docker().await?;
    ecs.register(&definition("job", &["sh", "-c", "echo done with it; exit 7"])).await?;
    let arn = ecs.run("job", 1).await?[0].task_arn().to_owned();
    let stopped = ecs.reaches(&arn, "STOPPED").await?;
    assert_eq!(stopped.stop_code(), ecs::TaskStopCode::EssentialContainerExited);
    assert_eq!(stopped.stopped_reason(), "Essential container in task exited");
    assert_eq!(stopped.containers[0].exit_code, Some(7));
    let lines = logs(&ecs, &arn).await?;
    assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["done with it"]);
    assert_eq!(lines[0].stream, "stdout");
    clean_up(&engine, std::slice::from_ref(&arn))?;
    let ran = cluster.command(&["logs", &arn])?;
    assert!(ran.stderr.contains("main: its container is gone, and its log with it"), "{ran:?}");

    ecs.register(&json!({
        "family": "missing",
        "networkMode": "bridge",
        "containerDefinitions": [{ "name": "main", "image": "drydock-test/no-such-image:1", "memory": 32 }]
    }))
    .await?;
    let missing = ecs.run("missing", 1).await?[0].task_arn().to_owned();
    let stopped = ecs.reaches(&missing, "STOPPED").await?;
    assert_eq!(stopped.stop_code(), ecs::TaskStopCode::TaskFailedToStart);
    let why = stopped.containers[0].reason();
    assert!(why.contains("CannotPullContainerError"), "{why}");
    cluster.finish().await?;
    clean_up(&engine, &[missing])
}

// rule: 2.5/agent-uri
#[tokio::test(flavor = "multi_thread")]
async fn a_task_protects_itself() -> Result<()> {
    let Some(engine) = engine()? else { return Ok(()) };
    if !docker::may_enter_networks()? {
        println!("skipped: an agent enters containers' networks only as root");
        return Ok(());
    }
    let (cluster, ecs) = with_docker().await?;
    // In bridge mode the endpoint comes just after the container: asked until it answers, and not whoever else has that address
    // in the machine's own network. (nc ends well, and without a word, where the answer takes longer than it waits.)
    let ask = r#"
        ask() {
            until printf '%s %s/task-protection/v1/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
                "$1" "${ECS_AGENT_URI#http://169.254.170.2}" "${#2}" "$2" | busybox nc -w 20 169.254.170.2 80 >/tmp/answer 2>/dev/null && busybox grep -q application/json /tmp/answer
            do sleep 0.1; done
            echo "$1 $(busybox tail -n 1 /tmp/answer)"
        }
        ask GET ''
        ask PUT '{"ProtectionEnabled":true,"ExpiresInMinutes":5}'
        ask PUT '{"ProtectionEnabled":true,"ExpiresInMinutes":0}'
        ask PUT '{"Enabled":true}'
        ask PUT '{}'
        while true; do sleep 1; done"#;
    let mut all = definition("protected", &["sh", "-c", &format!("busybox mkdir -p /tmp; {ask}")]);
    ecs.register(&all).await?;
    all["family"] = json!("with-role");
    all["taskRoleArn"] = json!("arn:aws:iam::000000000000:role/web");
    ecs.register(&all).await?;
    ecs.create_service("without", "protected:1", 1).await?;
    ecs.create_service("with", "with-role:1", 1).await?;
    ecs.stable("without").await?;
    ecs.stable("with").await?;
    let (without, with) = (ecs.tasks_of("without").await?[0].clone(), ecs.tasks_of("with").await?[0].clone());
    let answers = async |task: &ecs::Task| {
        let mut answers = Vec::new();
        wait::holds("the task has its answers", SETTLE_MAX, async || {
            let lines = logs(&ecs, task.task_arn()).await?;
            ensure!(lines.len() == 5, "{lines:?}");
            answers =
                lines.iter().filter_map(|line| line.message.split_once(' ')).map(|(_, json)| json.to_owned()).collect();
            Ok(())
        })
        .await?;
        let answers: Result<Vec<Value>, _> = answers.iter().map(|json| serde_json::from_str(json)).collect();
        anyhow::Ok(answers?)
    };
    let told = answers(&with).await?;
    let arn = json!(with.task_arn());
    assert_eq!(told[0], json!({ "protection": { "TaskArn": arn, "ProtectionEnabled": false } }));
    assert_eq!((&told[1]["protection"]["TaskArn"], &told[1]["protection"]["ProtectionEnabled"]), (&arn, &json!(true)));
    assert!(told[1]["protection"]["ExpirationDate"].as_str().is_some_and(|date| date.ends_with('Z')), "{}", told[1]);
    assert_eq!((&told[2]["error"]["Arn"], &told[2]["error"]["Code"]), (&arn, &json!("InvalidParameterException")));
    assert_eq!(told[3]["error"]["Message"], "UpdateTaskProtection: failed to decode request");
    assert_eq!(told[4]["error"]["Message"], "Invalid request: does not contain 'ProtectionEnabled' field");
    let refused = answers(&without).await?;
    assert_eq!(refused[0]["error"]["Code"], "AccessDeniedException", "{}", refused[0]);

    // It is the protection that everybody sees.
    let mut api = ecs.apis.first().context("a controller")?.ecs.clone();
    let request =
        ecs::GetTaskProtectionRequest { cluster: Some(CLUSTER.to_owned()), tasks: vec![with.task_arn().to_owned()] };
    let seen = api.get_task_protection(request).await?.into_inner().protected_tasks;
    assert!(seen.first().is_some_and(ecs::ProtectedTask::protection_enabled), "{seen:?}");
    for service in ["with", "without"] {
        ecs.delete_service(service).await?;
    }
    for task in [&with, &without] {
        ecs.reaches(task.task_arn(), "STOPPED").await?;
    }
    cluster.finish().await?;
    clean_up(&engine, &[with.task_arn().to_owned(), without.task_arn().to_owned()])
}

async fn logs(ecs: &Ecs, task: &str) -> Result<Vec<LogLine>> {
    let mut control = ecs.apis.first().context("a controller")?.control.clone();
    let request = GetLogsRequest { cluster: CLUSTER.to_owned(), task: task.to_owned(), ..Default::default() };
    let mut stream = control.get_logs(request).await?.into_inner();
    let mut lines = Vec::new();
    while let Some(line) = stream.message().await? {
        lines.push(line);
    }
    Ok(lines)
}
