//! AWS's own clients against three controllers: the AWS CLI with its waiters, and Terraform with the AWS provider. They know
//! nothing of Drydock but an endpoint. Where one isn't installed its test says that it is skipped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::process::Run;
use drydock_tests::{wait, workspace};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::is_installed;

/// What every AWS client is told: credentials that nobody looks at, a region, and nothing of whoever runs the tests.
pub(super) fn client(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env_remove(name);
    }
    let told = [
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_PAGER", ""),
    ];
    command.envs(told).env("HOME", home).current_dir(home);
    command
}

/// The AWS CLI, sent to one controller after the other.
struct Aws<'a> {
    cluster: &'a Cluster,
    turn: usize,
}

impl Aws<'_> {
    /// Runs a command of `aws ecs`.
    fn ran(&mut self, arguments: &str) -> Result<Run> {
        self.turn += 1;
        let member = &self.cluster.controllers[self.turn % self.cluster.controllers.len()];
        let mut command = client("aws", self.cluster.folder());
        command.args(["--endpoint-url", &format!("http://{}", member.aws_address), "--output", "json", "ecs"]);
        Run::of(command.args(arguments.split_ascii_whitespace()))
    }

    /// Its answer.
    fn says(&mut self, arguments: &str) -> Result<Value> {
        let ran = self.ran(arguments)?;
        ensure!(ran.code == 0, "aws ecs {arguments}: {}{}", ran.stdout, ran.stderr);
        if ran.stdout.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&ran.stdout).with_context(|| ran.stdout.clone())
    }

    /// Its refusal.
    fn refuses(&mut self, arguments: &str, parts: &[&str]) -> Result<()> {
        let ran = self.ran(arguments)?;
        let missing = parts.iter().find(|part| !ran.stderr.contains(**part));
        ensure!(
            ran.code != 0 && missing.is_none(),
            "aws ecs {arguments}: no {missing:?} in {}{}",
            ran.stdout,
            ran.stderr
        );
        Ok(())
    }
}

/// From a cluster to a rollback, as somebody would type it. The waiters are botocore's own.
#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_walks_from_a_cluster_to_a_rollback() -> Result<()> {
    if !is_installed("aws") {
        println!("skipped: the AWS CLI isn't installed");
        return Ok(());
    }
    let cluster = Cluster::start(Options { instances: 3, healthy_after_ms: 200, ..Options::default() }).await?;
    let mut aws = Aws { cluster: &cluster, turn: 0 };
    let containers = |image: &str| format!("--container-definitions name=app,image={image},memory=64,essential=true");
    let registered = aws.says(&format!("register-task-definition --family web {}", containers("web:1")))?;
    assert_eq!(registered["taskDefinition"]["revision"], 1, "{registered}");
    let made = aws.says("create-service --service-name web --task-definition web --desired-count 3")?;
    assert_eq!(made["service"]["deployments"][0]["status"], "PRIMARY", "{made}");
    aws.says("wait services-stable --services web")?;
    let tasks = aws.says("list-tasks --service-name web")?;
    assert_eq!(tasks["taskArns"].as_array().map(Vec::len), Some(3), "{tasks}");
    let page = aws.says("list-tasks --service-name web --max-items 2 --page-size 1")?;
    assert_eq!(page["taskArns"].as_array().map(Vec::len), Some(2), "the CLI pages by itself: {page}");

    // A second revision rolls out; a third can't start, and its breaker takes it back.
    aws.says(&format!("register-task-definition --family web {}", containers("web:2")))?;
    aws.says("update-service --service web --task-definition web:2")?;
    aws.says("wait services-stable --services web")?;
    let failing = "--container-definitions [{\"name\":\"app\",\"image\":\"web:3\",\"memory\":64,\
                   \"dockerLabels\":{\"drydock.sim/start-error\":\"broken\"}}]";
    aws.says(&format!("register-task-definition --family web {failing}"))?;
    let breaker = "deploymentCircuitBreaker={enable=true,rollback=true}";
    aws.says(&format!("update-service --service web --task-definition web:3 --deployment-configuration {breaker}"))?;
    aws.says("wait services-stable --services web")?;
    let service = aws.says("describe-services --services web nowhere")?;
    let (found, failures) = (&service["services"][0], &service["failures"]);
    assert!(found["taskDefinition"].as_str().is_some_and(|arn| arn.ends_with("/web:2")), "{service}");
    assert_eq!((&failures[0]["reason"], found["runningCount"].as_u64()), (&Value::from("MISSING"), Some(3)));
    let said: Vec<&str> =
        found["events"].as_array().into_iter().flatten().filter_map(|e| e["message"].as_str()).collect();
    assert!(said.iter().any(|text| text.contains("rolling back to")), "{said:?}");

    let run = aws.says("run-task --task-definition web:2 --started-by walk")?;
    let arn = run["tasks"][0]["taskArn"].as_str().context("no task")?.to_owned();
    aws.says(&format!("wait tasks-running --tasks {arn}"))?;
    aws.says(&format!("stop-task --task {arn} --reason enough"))?;
    aws.says(&format!("wait tasks-stopped --tasks {arn}"))?;
    let stopped = aws.says(&format!("describe-tasks --tasks {arn}"))?;
    assert_eq!(stopped["tasks"][0]["stoppedReason"], "enough", "{stopped}");
    assert_eq!(stopped["tasks"][0]["stopCode"], "UserInitiated", "{stopped}");

    aws.refuses(
        "describe-services --cluster nowhere --services web",
        &["ClusterNotFoundException", "Cluster not found."],
    )?;
    aws.refuses("delete-service --service web", &["InvalidParameterException", "scaled above 0"])?;
    aws.refuses("run-task --task-definition nothing", &["ClientException", "TaskDefinition not found."])?;
    aws.says("delete-service --service web --force")?;
    aws.says("wait services-inactive --services web")?;
    aws.refuses("delete-cluster --cluster default", &["ClusterContainsContainerInstancesException"])?;
    a_reset_stops_everything(&cluster, &mut aws).await?;
    cluster.finish().await
}

/// Posts nothing to a path, and gives the whole answer.
async fn posted(address: &str, path: &str) -> Result<String> {
    let mut connection = tokio::net::TcpStream::connect(address).await?;
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What runs is stopped, what was registered is gone, and the agents take new tasks.
async fn a_reset_stops_everything(cluster: &Cluster, aws: &mut Aws<'_>) -> Result<()> {
    let run = aws.says("run-task --task-definition web:2 --count 2")?;
    let task = run["tasks"][0]["taskArn"].as_str().context("no task")?.to_owned();
    aws.says(&format!("wait tasks-running --tasks {task}"))?;
    let reset = posted(&cluster.controllers[1].aws_address, "/_drydock/reset").await?;
    ensure!(reset.starts_with("HTTP/1.1 200 ") && reset.ends_with(r#"{"status":"ok"}"#), "{reset}");
    // The controller that was asked has seen it, and each other one sees it soon.
    for _ in &cluster.controllers {
        let none = async || match aws.says("list-tasks")?["taskArns"].as_array().map(Vec::len) {
            Some(0) => Ok(()),
            left => anyhow::bail!("{left:?} tasks are left"),
        };
        wait::holds("the reset is seen", Duration::from_secs(10), none).await?;
    }
    let families = aws.says("list-task-definition-families")?;
    assert_eq!(families["families"], serde_json::json!([]));
    let containers = "--container-definitions name=app,image=web:9,memory=64,essential=true";
    let registered = aws.says(&format!("register-task-definition --family web {containers}"))?;
    assert_eq!(registered["taskDefinition"]["revision"], 1, "{registered}");
    let run = aws.says("run-task --task-definition web --count 6")?;
    let task = run["tasks"][5]["taskArn"].as_str().with_context(|| run.to_string())?.to_owned();
    aws.says(&format!("wait tasks-running --tasks {task}"))?;
    Ok(())
}

/// boto3 calls each operation, and botocore's own model of ECS is held against every answer.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_botocore_models_it() -> Result<()> {
    let there = Command::new("python3").args(["-c", "import boto3"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: boto3 isn't installed");
        return Ok(());
    }
    let mut cluster = Cluster::start(Options { instances: 3, healthy_after_ms: 200, ..Options::default() }).await?;
    let script = workspace::root().join("tests/clients/conformance.py");
    let mut command = client("python3", cluster.folder());
    command
        .arg(script)
        .arg(format!("http://{}", cluster.controllers[2].aws_address))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let ran = Run::of(&mut command)?;
    println!("{}", ran.stdout);
    ensure!(ran.code == 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("53 operations answered"), "{}", ran.stdout);
    // It deregistered one of them, which ends by itself.
    for agent in &mut cluster.agents {
        agent.take_process()?.kill()?;
    }
    cluster.finish().await
}

/// Where people keep a mirror of Terraform's providers, by the name of its folder.
fn provider_mirror() -> Option<std::path::PathBuf> {
    let above = ["/opt", "/usr/local/share", "/usr/share", "/var/lib"];
    above.into_iter().map(|above| Path::new(above).join("tf-plugins")).find(|folder| folder.is_dir())
}

/// The configuration that docs/aws.md shows, for another endpoint.
fn main_tf(endpoint: &str) -> Result<String> {
    let page = std::fs::read_to_string(workspace::root().join("docs/aws.md"))?;
    let block = page.split("```hcl\n").nth(1).and_then(|rest| rest.split("```").next()).context("no hcl block")?;
    ensure!(block.contains("http://127.0.0.1:4566"), "the page names another endpoint");
    Ok(block.replace("http://127.0.0.1:4566", endpoint))
}

/// Applied, planned again without a change, changed, planned again, destroyed: what drifts here makes plans that never end.
#[tokio::test(flavor = "multi_thread")]
async fn terraform_applies_and_then_has_nothing_to_do() -> Result<()> {
    let Some(mirror) = provider_mirror().filter(|_| is_installed("terraform")) else {
        println!("skipped: Terraform needs a folder tf-plugins with the AWS provider");
        return Ok(());
    };
    let cluster = Cluster::start(Options { instances: 2, healthy_after_ms: 200, ..Options::default() }).await?;
    let home = cluster.folder().join("terraform");
    std::fs::create_dir(&home)?;
    let settings = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
    std::fs::write(home.join("settings"), settings)?;
    // The second one, whoever leads.
    let endpoint = format!("http://{}", cluster.controllers[1].aws_address);
    std::fs::write(home.join("main.tf"), main_tf(&endpoint)?)?;
    let terraform = |arguments: &[&str], expected: i32| -> Result<String> {
        let mut command = client("terraform", &home);
        command.env("TF_CLI_CONFIG_FILE", home.join("settings"));
        command.env("CHECKPOINT_DISABLE", "1").args(arguments).arg("-no-color").arg("-input=false");
        let ran = Run::of(&mut command)?;
        ensure!(ran.code == expected, "terraform {arguments:?} ended with {}: {}{}", ran.code, ran.stdout, ran.stderr);
        Ok(ran.stdout)
    };
    terraform(&["init"], 0)?;
    let applied = terraform(&["apply", "-auto-approve"], 0)?;
    assert!(applied.contains("4 added, 0 changed, 0 destroyed"), "{applied}");
    let service = cluster.command(&["service", "describe", "shop", "--output", "json"])?;
    assert!(service.stdout.contains("\"runningCount\": 2"), "it waited for the steady state: {}", service.stdout);
    // With -detailed-exitcode 0 is: nothing to do.
    terraform(&["plan", "-detailed-exitcode"], 0)?;
    let changed = terraform(&["apply", "-auto-approve", "-var", "image=nginx:1.28"], 0)?;
    assert!(changed.contains("1 added, 1 changed, 1 destroyed"), "{changed}");
    terraform(&["plan", "-detailed-exitcode", "-var", "image=nginx:1.28"], 0)?;
    let destroyed = terraform(&["destroy", "-auto-approve", "-var", "image=nginx:1.28"], 0)?;
    assert!(destroyed.contains("4 destroyed"), "{destroyed}");
    let left = cluster.command(&["service", "list"])?.stdout + &cluster.command(&["task-definition", "list"])?.stdout;
    assert!(!left.contains("shop"), "{left}");
    cluster.finish().await
}
