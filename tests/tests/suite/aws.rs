//! AWS's own clients against three controllers: the AWS CLI with its waiters, and Terraform with the AWS provider. They know
//! nothing of Drydock but an endpoint. Where one isn't installed its test says that it is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::cluster::{Cluster, Member, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::process::Run;
use drydock_tests::{wait, workspace};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

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
    assert!(ran.stdout.contains("61 operations were called"), "{}", ran.stdout);
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

/// Terraform in a folder of its own, with the configuration of docs/aws.md for one endpoint.
struct Terraform {
    home: PathBuf,
}

impl Terraform {
    /// Laid and initialised.
    fn of(cluster: &Cluster, endpoint: usize) -> Result<Self> {
        let mirror = provider_mirror().context("no mirror")?;
        let home = cluster.folder().join("terraform");
        std::fs::create_dir(&home)?;
        let settings = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
        std::fs::write(home.join("settings"), settings)?;
        let endpoint = format!("http://{}", cluster.controllers[endpoint].aws_address);
        std::fs::write(home.join("main.tf"), main_tf(&endpoint)?)?;
        let terraform = Self { home };
        terraform.runs(&["init"])?;
        Ok(terraform)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = client("terraform", &self.home);
        command.env("TF_CLI_CONFIG_FILE", self.home.join("settings"));
        command.env("CHECKPOINT_DISABLE", "1").args(arguments).arg("-no-color").arg("-input=false");
        command
    }

    /// Runs it to its end, which must be a success; with `-detailed-exitcode` that means that there is nothing to do.
    fn runs(&self, arguments: &[&str]) -> Result<String> {
        Run::of(&mut self.command(arguments))?.ok().with_context(|| format!("terraform {arguments:?}"))
    }

    /// The same in the background.
    fn begins(&self, arguments: &[&str]) -> JoinHandle<Result<String>> {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || Run::of(&mut command)?.ok())
    }

    /// Destroys everything, after which nothing of it is there.
    fn destroys(&self, cluster: &Cluster, arguments: &[&str]) -> Result<()> {
        let destroyed = self.runs(&[&["destroy", "-auto-approve"], arguments].concat())?;
        assert!(destroyed.contains("4 destroyed"), "{destroyed}");
        let left: Vec<String> = ["service", "task-definition", "cluster"]
            .into_iter()
            .map(|noun| Ok(cluster.command(&[noun, "list"])?.stdout))
            .collect::<Result<_>>()?;
        assert!(!left.concat().contains("shop") && !left[2].contains("other"), "{left:?}");
        Ok(())
    }
}

fn has_terraform() -> bool {
    let there = is_installed("terraform") && provider_mirror().is_some();
    if !there {
        println!("skipped: Terraform needs a folder tf-plugins with the AWS provider");
    }
    there
}

/// Applied, planned again without a change, changed, planned again, destroyed: what drifts here makes plans that never end.
#[tokio::test(flavor = "multi_thread")]
async fn terraform_applies_and_then_has_nothing_to_do() -> Result<()> {
    if !has_terraform() {
        return Ok(());
    }
    let cluster = Cluster::start(Options { instances: 2, healthy_after_ms: 200, ..Options::default() }).await?;
    // The second one, whoever leads.
    let terraform = Terraform::of(&cluster, 1)?;
    let applied = terraform.runs(&["apply", "-auto-approve"])?;
    assert!(applied.contains("4 added, 0 changed, 0 destroyed"), "{applied}");
    let service = cluster.command(&["service", "describe", "shop", "--output", "json"])?;
    assert!(service.stdout.contains("\"runningCount\": 2"), "it waited for the steady state: {}", service.stdout);
    terraform.runs(&["plan", "-detailed-exitcode"])?;
    let changed = terraform.runs(&["apply", "-auto-approve", "-var", "image=nginx:1.28"])?;
    assert!(changed.contains("1 added, 1 changed, 1 destroyed"), "{changed}");
    terraform.runs(&["plan", "-detailed-exitcode", "-var", "image=nginx:1.28"])?;
    terraform.destroys(&cluster, &["-var", "image=nginx:1.28"])?;
    cluster.finish().await
}

/// While Terraform waits for the service, which can't be steady as long as no agent runs: kills the leader, starts it again on
/// its ports where it is Terraform's endpoint, and then the agents.
async fn apply_while_the_leader_dies(
    cluster: &mut Cluster,
    (terraform, endpoint): (&Terraform, usize),
    (arguments, image): (&[&str], &str),
) -> Result<()> {
    cluster.agents.iter_mut().try_for_each(Member::kill)?;
    let applying = terraform.begins(&[&["apply", "-auto-approve"], arguments].concat());
    let ecs = ecs_of(cluster)?;
    wait::holds("the service is to run the image", SETTLE_MAX, async || {
        let wanted = ecs.service("shop").await?.task_definition.context("a task definition")?;
        let found = cluster.command(&["task-definition", "describe", &wanted, "--output", "json"])?.stdout;
        ensure!(found.contains(image), "{found}");
        Ok(())
    })
    .await?;
    let leader = cluster.leader().await?;
    assert!(!applying.is_finished(), "it waits for the steady state");
    cluster.controllers[leader].kill()?;
    cluster.leader().await?;
    if leader == endpoint {
        cluster.controllers[leader].start()?;
        cluster.leader().await?;
    }
    assert!(!applying.is_finished(), "it goes on waiting");
    cluster.agents.iter_mut().try_for_each(Member::start)?;
    applying.await??;
    let service = ecs_of(cluster)?.service("shop").await?;
    assert_eq!((service.running_count(), service.deployments.len()), (2, 1), "{service:?}");
    terraform.runs(&[&["plan", "-detailed-exitcode"], arguments].concat()).map(drop)
}

fn ecs_of(cluster: &Cluster) -> Result<Ecs> {
    Ok(Ecs { apis: cluster.apis()? })
}

/// kill -9 of the leader while Terraform waits at another controller for what it made.
#[tokio::test(flavor = "multi_thread")]
async fn terraform_applies_though_the_leader_is_killed_meanwhile() -> Result<()> {
    if !has_terraform() {
        return Ok(());
    }
    let mut cluster = Cluster::start(Options { instances: 2, healthy_after_ms: 200, ..Options::default() }).await?;
    let endpoint = (cluster.leader().await? + 1) % 3;
    let terraform = Terraform::of(&cluster, endpoint)?;
    apply_while_the_leader_dies(&mut cluster, (&terraform, endpoint), (&[], "nginx:1.27")).await?;
    terraform.destroys(&cluster, &[])?;
    cluster.finish().await
}

/// kill -9 of the very controller that Terraform asks, and that leads, while it waits for a change of the image.
#[tokio::test(flavor = "multi_thread")]
async fn terraform_applies_though_its_endpoint_is_killed_and_comes_back() -> Result<()> {
    if !has_terraform() {
        return Ok(());
    }
    let mut cluster = Cluster::start(Options { instances: 2, healthy_after_ms: 200, ..Options::default() }).await?;
    let endpoint = cluster.leader().await?;
    let terraform = Terraform::of(&cluster, endpoint)?;
    terraform.runs(&["apply", "-auto-approve"])?;
    assert_eq!(cluster.leader().await?, endpoint, "nothing has happened to it");
    let changed = ["-var", "image=nginx:1.28"];
    apply_while_the_leader_dies(&mut cluster, (&terraform, endpoint), (&changed, "nginx:1.28")).await?;
    terraform.destroys(&cluster, &changed)?;
    cluster.finish().await
}
