//! AWS's own clients where the AWS wire is as strict as AWS: with credentials that count, right ones and wrong ones; and with
//! token buckets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::process::{Process, Run};
use drydock_tests::stage::{self, Stage};
use drydock_tests::{ports, wait};
use tempfile::TempDir;

use super::aws::client;
use super::is_installed;

/// Lines as they are in `~/.aws/credentials`.
const KEYS: &str = "\
[ann]
aws_access_key_id = AKIAANN
aws_secret_access_key = hers/and+hers
region = us-east-1

[late]
aws_access_key_id = ASIALATE
aws_secret_access_key = s
aws_session_token = IQoJb3JpZ2luX2VjE==
";

/// The same words with boto3, which prints the name of what it was refused with.
const SCRIPT: &str = "
import sys, boto3, botocore.exceptions
endpoint, id, secret, token = sys.argv[1:5]
known = dict(endpoint_url=endpoint, region_name='us-east-1', aws_access_key_id=id, aws_secret_access_key=secret,
             aws_session_token=token or None)
try:
    boto3.client('ecs', **known).create_cluster(clusterName='of-boto3')
    print('fine', boto3.client('sts', **known).get_caller_identity()['Arn'])
except botocore.exceptions.ClientError as error:
    print(error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode'])
";

fn has_boto3() -> bool {
    let there = Command::new("python3").args(["-c", "import boto3"]).output();
    there.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_s_clients_are_let_in_with_a_key_of_the_file_alone() -> Result<()> {
    let options = Options { controllers: 1, instances: 0, keys: Some(KEYS), ..Options::default() };
    let cluster = Cluster::start(options).await?;
    let endpoint = format!("http://{}", cluster.controllers[0].aws_address);
    if is_installed("aws") {
        let run = |profile: &str, arguments: &[&str]| -> Result<Run> {
            let mut command = client("aws", cluster.folder());
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
            // The very file that the controllers were told.
            command.env("AWS_SHARED_CREDENTIALS_FILE", cluster.folder().join("keys")).env("AWS_PROFILE", profile);
            Run::of(command.args(["--endpoint-url", &endpoint]).args(arguments))
        };
        for (profile, name) in [("ann", "of-ann"), ("late", "of-late")] {
            let made = run(profile, &["ecs", "create-cluster", "--cluster-name", name])?;
            ensure!(made.code == 0, "{profile}: {}{}", made.stdout, made.stderr);
            let who = run(profile, &["sts", "get-caller-identity", "--query", "Arn", "--output", "text"])?;
            assert_eq!(who.stdout.trim(), format!("arn:aws:iam::000000000000:user/{profile}"), "{}", who.stderr);
        }
        let other = run("ann", &["sts", "get-session-token"])?;
        assert!(other.code != 0 && other.stderr.contains("(InvalidAction)"), "{}{}", other.stdout, other.stderr);
        let mut wrong = client("aws", cluster.folder());
        let ran = Run::of(wrong.args(["--endpoint-url", &endpoint, "ecs", "create-cluster", "--cluster-name", "no"]))?;
        let words = ["UnrecognizedClientException", "The security token included in the request is invalid."];
        assert!(ran.code != 0 && words.iter().all(|word| ran.stderr.contains(word)), "{}{}", ran.stdout, ran.stderr);
    } else {
        println!("skipped: the AWS CLI isn't installed");
    }
    if has_boto3() {
        let script = cluster.folder().join("script.py");
        std::fs::write(&script, SCRIPT)?;
        let table = [
            (["AKIAANN", "hers/and+hers", ""], "fine arn:aws:iam::000000000000:user/ann"),
            (["ASIALATE", "s", "IQoJb3JpZ2luX2VjE=="], "fine arn:aws:iam::000000000000:user/late"),
            (["AKIAANN", "his", ""], "InvalidSignatureException 400"),
            (["AKIAEVE", "x", ""], "UnrecognizedClientException 400"),
            (["ASIALATE", "s", ""], "UnrecognizedClientException 400"),
        ];
        for (credentials, expected) in table {
            let mut command = client("python3", cluster.folder());
            let ran = Run::of(command.arg(&script).arg(&endpoint).args(credentials))?;
            assert_eq!(ran.stdout.trim(), expected, "{credentials:?}: {}", ran.stderr);
        }
    } else {
        println!("skipped: boto3 isn't installed");
    }
    cluster.finish().await
}

/// More calls than there are tokens: five, and one more each second.
const PATIENCE: &str = "
import sys, boto3, botocore.config, botocore.exceptions
def client(**retries):
    known = dict(endpoint_url=sys.argv[1], region_name='us-east-1', config=botocore.config.Config(retries=retries))
    return boto3.client('ecs', **known)
def call(ecs):
    return ecs.delete_task_definitions(taskDefinitions=['nothing:1'])['ResponseMetadata']['RetryAttempts']
for mode, calls in (('legacy', 7), ('standard', 3)):
    ecs = client(mode=mode, total_max_attempts=12)
    print(mode, 'tried again' if sum(call(ecs) for _ in range(calls)) else 'never throttled')
try:
    ecs = client(total_max_attempts=1)
    for _ in range(1000):
        call(ecs)
except botocore.exceptions.ClientError as error:
    print(error.response['Error']['Code'], error.response['Error']['Message'], error.response['ResponseMetadata']['HTTPStatusCode'])
";

// rule: 2.2/throttling
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_tries_again_gets_through_the_token_buckets() -> Result<()> {
    if !has_boto3() {
        println!("skipped: boto3 isn't installed");
        return Ok(());
    }
    let options = Options { controllers: 1, instances: 0, aws_throttling: true, ..Options::default() };
    let cluster = Cluster::start(options).await?;
    let script = cluster.folder().join("patience.py");
    std::fs::write(&script, PATIENCE)?;
    let mut command = client("python3", cluster.folder());
    let ran = Run::of(command.arg(&script).arg(format!("http://{}", cluster.controllers[0].aws_address)))?;
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let expected = ["legacy tried again", "standard tried again", "ThrottlingException Rate exceeded 400"];
    assert_eq!(lines, expected, "{}", ran.stderr);
    cluster.finish().await
}

/// Time in which `up` must be ready, and in which it must have ended.
const UP_MAX: Duration = Duration::from_secs(60);

fn drydock(home: &Path, arguments: &str) -> Command {
    let mut command = Command::new(drydock_tests::binary());
    command.env_clear().env("HOME", home).current_dir(home).args(arguments.split_ascii_whitespace());
    command
}

/// Flags reach the controllers, which are other processes in other folders; what can't be used is said before any is started.
#[tokio::test(flavor = "multi_thread")]
async fn up_and_controllers_are_told_by_flags() -> Result<()> {
    let _stage = Stage::take().await?;
    let folder = TempDir::with_prefix_in("credentials-", stage::scratch())?;
    let home = folder.path();
    std::fs::write(home.join("keys"), KEYS)?;
    std::fs::write(home.join("wrong"), "[ann]\naws_access_key_id AKIAANN\n")?;
    let table = [
        ("up --data-dir data --require-signature wrong", "wrong:2: a setting is written NAME = VALUE"),
        ("up --data-dir data --require-signature nowhere", "the file of keys nowhere: "),
        ("controller --name a --data-dir data --require-signature keys", "give --aws-listen, too"),
        ("controller --name a --data-dir data --aws-throttling", "give --aws-listen, too"),
    ];
    for (arguments, part) in table {
        let ran = Run::of(&mut drydock(home, arguments))?;
        assert!(ran.code == 2 && ran.stderr.contains(part), "{arguments}: {}: {}{}", ran.code, ran.stdout, ran.stderr);
        assert!(!home.join("data").exists(), "{arguments}: nothing was begun");
    }
    let port = ports::free()?;
    let flags = "--controllers 1 --instances 0 --runtime simulated --require-signature keys --aws-throttling";
    let arguments = format!("up --data-dir data --api-port {port} {flags}");
    let up = Process::start("up", drydock(home, &arguments), &home.join("up.log"))?;
    wait::holds("up is ready", UP_MAX, async || {
        ensure!(up.output().contains("Ctrl-C"), "{}", up.output());
        Ok(())
    })
    .await?;
    let mut connection = TcpStream::connect(("127.0.0.1", port + 2))?;
    let target = "X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters";
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{target}\r\nContent-Length: 2\r\n\r\n{{}}");
    connection.write_all(head.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    assert!(answer.contains("MissingAuthenticationTokenException"), "{answer}");
    let written = std::fs::read_to_string(home.join("data/controller-1.json"))?;
    assert!(written.contains("\"throttling\": true"), "{written}");
    let status = up.terminate(UP_MAX).await?;
    ensure!(status.success(), "up ended with {status}");
    Ok(())
}
