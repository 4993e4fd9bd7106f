//! What containers read at 169.254.170.2, asked by real containers of a real agent. Skipped, and said so, without a Docker
//! engine, or without the rights to enter a container's network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod busybox;
mod fake;

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use drydock_node_agent::Config;
use drydock_node_agent::config::{DockerConfig, RuntimeChoice};
use drydock_node_agent::runtime::ContainerRuntime as _;
use drydock_node_agent::runtime::docker::DockerRuntime;
use drydock_proto::agent::{AssignedTask, Report};
use drydock_proto::ecs::{
    ContainerDefinition, HealthCheck, LaunchType, NetworkMode, PortMapping, Tag, TaskDefinition, TransportProtocol,
    Ulimit, UlimitName,
};
use fake::{Fake, WAIT, assigned, config, manifest, start};
use futures_util::StreamExt as _;
use serde_json::Value;

/// An image of the test's own, or `None` where these tests can't be: no engine, or no root.
async fn ready(test: &str) -> Option<DockerRuntime> {
    let runtime = busybox::runtime(test, "none").await?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).unwrap();
    // CAP_NET_ADMIN and CAP_SYS_ADMIN.
    if [12, 21].iter().any(|bit| capabilities & (1 << bit) == 0) {
        eprintln!("skipped: {test} enters containers' networks, which takes root");
        busybox::remove_image(test).await;
        return None;
    }
    Some(runtime)
}

fn container(test: &str, name: &str, script: &str) -> ContainerDefinition {
    ContainerDefinition {
        name: Some(name.into()),
        image: Some(busybox::image(test)),
        command: vec!["/bin/sh".into(), "-c".into(), script.into()],
        cpu: Some(64),
        memory: Some(32),
        stop_timeout: Some(1),
        ..Default::default()
    }
}

const SLEEP: &str = "while true; do sleep 1; done";
/// A server on port 80 of all addresses.
const WEB: &str = "while true; do echo web | nc -l -p 80; done";

fn definition(mode: NetworkMode, role: Option<&str>, containers: Vec<ContainerDefinition>) -> TaskDefinition {
    TaskDefinition {
        task_definition_arn: Some("td".into()),
        family: Some("family".into()),
        revision: Some(7),
        network_mode: Some(mode.into()),
        task_role_arn: role.map(str::to_owned),
        cpu: Some("256".into()),
        memory: Some("512".into()),
        container_definitions: containers,
        ..Default::default()
    }
}

/// What a command in a container writes.
async fn run(runtime_id: &str, script: &str) -> String {
    let docker = Docker::connect_with_defaults().unwrap();
    let wanted = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec()),
        ..Default::default()
    };
    let exec = docker.create_exec(runtime_id, wanted).await.unwrap();
    let StartExecResults::Attached { mut output, .. } = docker.start_exec(&exec.id, None).await.unwrap() else {
        panic!("not attached")
    };
    let mut text = String::new();
    while let Some(Ok(piece)) = output.next().await {
        match piece {
            LogOutput::StdOut { message } | LogOutput::StdErr { message } | LogOutput::Console { message } => {
                text.push_str(&String::from_utf8_lossy(&message));
            }
            LogOutput::StdIn { .. } => {}
        }
    }
    text
}

/// The status line and the body of a request that a container makes.
async fn http(runtime_id: &str, method: &str, url: &str, body: &str) -> (u16, Value) {
    let text = try_http(runtime_id, method, url, body).await;
    let status =
        text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{url}: {text}"));
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)))
}

async fn try_http(runtime_id: &str, method: &str, url: &str, body: &str) -> String {
    // By nc: a static busybox's wget wants the libraries by which names are looked up.
    let script = format!(
        "u={url}; u=${{u#http://}}; h=${{u%%/*}}; p=/${{u#*/}}; a=${{h%:*}}; n=${{h#$a}}; n=${{n#:}}; \
         printf '{method} %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: {}\\r\\n\\r\\n%s' \"$p\" '{body}' \
         | nc -w 10 $a ${{n:-80}}",
        body.len()
    );
    run(runtime_id, &script).await
}

async fn get(runtime_id: &str, url: &str) -> Value {
    let (status, body) = http(runtime_id, "GET", url, "").await;
    assert_eq!(status, 200, "{url}: {body}");
    body
}

/// Asks until the endpoint is there: in bridge mode it comes just after the container.
async fn get_soon(runtime_id: &str, url: &str) -> Value {
    let deadline = tokio::time::Instant::now() + WAIT;
    loop {
        let text = try_http(runtime_id, "GET", url, "").await;
        if text.starts_with("HTTP/1.1 200") {
            return get(runtime_id, url).await;
        }
        assert!(tokio::time::Instant::now() < deadline, "{url}: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks until nobody answers any more.
async fn away(runtime_id: &str, url: &str) {
    let deadline = tokio::time::Instant::now() + WAIT;
    while try_http(runtime_id, "GET", url, "").await.starts_with("HTTP") {
        assert!(tokio::time::Instant::now() < deadline, "{url} still answers");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn docker_config(data: &Path, fake: &Fake) -> Config {
    Config {
        runtime: RuntimeChoice::Docker,
        stop_tasks_on_exit: true,
        tags: [("team".to_owned(), "blue".to_owned())].into(),
        ..config(data, &[fake])
    }
}

fn task(name: &str, launch_type: LaunchType) -> AssignedTask {
    let tag = Tag { key: Some("stage".into()), value: Some("test".into()) };
    let task = assigned(&format!("{name}{}", std::process::id()), "RUNNING");
    let arns = [("app".to_owned(), format!("{}/app", task.task_arn))].into();
    AssignedTask {
        launch_type: launch_type.into(),
        group: "service:web".into(),
        tags: vec![tag],
        container_arns: arns,
        ..task
    }
}

fn id<'a>(report: &'a Report, name: &str) -> &'a str {
    &report.containers.iter().find(|one| one.name == name).unwrap().runtime_id
}

async fn left(data: &Path) -> usize {
    let identity: Value = serde_json::from_slice(&std::fs::read(data.join("identity.json")).unwrap()).unwrap();
    let instance = identity["instance_token"].as_str().unwrap();
    DockerRuntime::connect(DockerConfig::default(), instance).await.unwrap().list().await.unwrap().len()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

// rule: 2.5/metadata, 2.5/credentials
#[tokio::test]
async fn each_task_reads_its_own() {
    let test = "own";
    let Some(_) = ready(test).await else { return };
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let mut app = container(test, "app", WEB);
    let port = PortMapping {
        container_port: Some(80),
        host_port: Some(80),
        protocol: Some(TransportProtocol::Tcp.into()),
        ..Default::default()
    };
    app.port_mappings = vec![port];
    app.health_check =
        Some(HealthCheck { command: vec!["CMD".into(), "/bin/true".into()], interval: Some(5), ..Default::default() });
    let mut both = vec![app, container(test, "side", SLEEP)];
    for one in &mut both {
        // Where these tests run they may not have as many open files as Fargate gives.
        let few = Some(256);
        let name = Some(UlimitName::Nofile.into());
        one.ulimits = vec![Ulimit { name, soft_limit: few, hard_limit: few }];
    }
    let definition = definition(NetworkMode::Awsvpc, Some("arn:aws:iam::0:role/web"), both);
    let (one, two) = (task("one", LaunchType::Ec2), task("two", LaunchType::Fargate));
    let agent = start(docker_config(temp.path(), &fake));
    let mut session = fake.welcome().await;
    session.say(manifest(1, vec![one.clone(), two.clone()], definition.clone())).await;
    let mut running = std::collections::BTreeMap::new();
    while running.len() < 2 {
        let reports = session.reports(true).await;
        assert!(reports.iter().all(|report| report.last_status != "STOPPED"), "{reports:?}");
        let reports = reports.into_iter().filter(|report| report.last_status == "RUNNING");
        running.extend(reports.map(|report| (report.task_arn.clone(), report)));
    }
    let (first, second) = (&running[&one.task_arn], &running[&two.task_arn]);
    let (mine, other) = (id(first, "app"), id(second, "app"));

    // Of the task on EC2, while its own server has port 80.
    assert_eq!(run(mine, "nc -w 20 127.0.0.1 80").await, "web\n");
    let whole = get(mine, "$ECS_CONTAINER_METADATA_URI_V4/task").await;
    assert_eq!((&whole["TaskARN"], &whole["Cluster"]), (&one.task_arn.as_str().into(), &"c".into()));
    assert_eq!((&whole["KnownStatus"], &whole["LaunchType"]), (&"RUNNING".into(), &"EC2".into()));
    let names: Vec<&str> =
        whole["Containers"].as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["app", "side", "~internal~ecs~pause"]);
    let own = get(mine, "$ECS_CONTAINER_METADATA_URI_V4").await;
    assert_eq!(own["DockerId"], mine);
    assert_eq!(own["ContainerARN"], format!("{}/app", one.task_arn));
    assert_eq!(own["Limits"], serde_json::json!({"CPU": 64, "Memory": 32}));
    let network = &own["Networks"][0];
    let shown = first.containers[0].network_interfaces[0].private_ipv4_address();
    assert_eq!(network["IPv4Addresses"][0], shown);
    for key in ["MACAddress", "IPv4SubnetCIDRBlock", "PrivateDNSName", "SubnetGatewayIpv4Address", "DomainNameServers"]
    {
        assert!(!network[key].is_null(), "{key}: {network}");
    }
    assert!(!own["Labels"].as_object().unwrap().keys().any(|label| label.starts_with("drydock.")), "{own}");
    let tags = get(mine, "$ECS_CONTAINER_METADATA_URI_V4/taskWithTags").await;
    assert_eq!((&tags["TaskTags"]["stage"], &tags["ContainerInstanceTags"]["team"]), (&"test".into(), &"blue".into()));
    let old = get(mine, "$ECS_CONTAINER_METADATA_URI/task").await;
    assert!(old["LaunchType"].is_null() && old["Containers"][0]["Networks"][0]["MACAddress"].is_null(), "{old}");
    assert_eq!(get(mine, "http://169.254.170.2/v2/metadata").await["TaskARN"], one.task_arn);
    assert_eq!(get(mine, &format!("http://169.254.170.2/v2/metadata/{mine}")).await["Name"], "app");
    let stats = get(mine, "$ECS_CONTAINER_METADATA_URI_V4/stats").await;
    assert!(stats["memory_stats"]["usage"].as_u64().unwrap() > 0, "{stats}");
    assert!(stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().is_some());
    let stats = get(mine, "$ECS_CONTAINER_METADATA_URI_V4/task/stats").await;
    assert_eq!(keys(&stats).len(), 2, "{stats}");

    // Of the task on Fargate.
    let whole = get(other, "$ECS_CONTAINER_METADATA_URI_V4/task").await;
    assert_eq!(whole["Cluster"], "arn:aws:ecs:r:0:cluster/c");
    assert_eq!(whole["Limits"], serde_json::json!({"CPU": 0.25, "Memory": 512}));
    assert_eq!(whole["EphemeralStorageMetrics"]["Reserved"], 20 * 1_024);
    assert_eq!(run(other, "echo $AWS_EXECUTION_ENV $AWS_REGION").await, "AWS_ECS_FARGATE r\n");

    // Neither reads what is the other's, though it knows the id.
    let environment =
        run(other, "echo $ECS_CONTAINER_METADATA_URI_V4; echo $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").await;
    let (uri, credentials) = environment.trim().split_once('\n').unwrap();
    let (status, body) = http(mine, "GET", uri, "").await;
    assert_eq!(status, 404);
    assert!(body.as_str().unwrap().starts_with("V4 container metadata handler: unable to get container ID"), "{body}");
    let own = get(other, &format!("http://169.254.170.2{credentials}")).await;
    assert_eq!(keys(&own), ["AccessKeyId", "Expiration", "RoleArn", "SecretAccessKey", "Token"]);
    assert_eq!(own["RoleArn"], "arn:aws:iam::0:role/web");
    let (status, body) = http(mine, "GET", &format!("http://169.254.170.2{credentials}"), "").await;
    assert_eq!((status, &body["code"]), (400, &"InvalidIdInRequest".into()));
    let (status, body) = http(mine, "GET", "http://169.254.170.2/v2/credentials", "").await;
    assert_eq!((status, &body["code"]), (400, &"NoIdInRequest".into()));

    // A restarted agent serves what runs.
    agent.kill().await;
    drop(session);
    away(mine, "$ECS_CONTAINER_METADATA_URI_V4").await;
    let agent = start(docker_config(temp.path(), &fake));
    let session = fake.welcome().await;
    session.say(manifest(2, vec![one.clone(), two.clone()], definition)).await;
    assert_eq!(get_soon(mine, "$ECS_CONTAINER_METADATA_URI_V4").await["DockerId"], mine);
    agent.stop().await;
    assert_eq!(left(temp.path()).await, 0);
    busybox::remove_image(test).await;
}

// rule: 2.5/metadata
#[tokio::test]
async fn bridge_and_host_tasks_of_two_agents_read_their_own() {
    let test = "modes";
    let Some(_) = ready(test).await else { return };
    let (temp, temp_two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut fake, mut fake_two) = (Fake::start().await, Fake::start().await);
    let definition = |mode| definition(mode, Some("role"), vec![container(test, "app", SLEEP)]);
    let (agent, agent_two) =
        (start(docker_config(temp.path(), &fake)), start(docker_config(temp_two.path(), &fake_two)));
    let (mut session, mut session_two) = (fake.welcome().await, fake_two.welcome().await);
    let (bridge, host) = (task("bridge", LaunchType::Ec2), task("host", LaunchType::Ec2));
    session.say(manifest(1, vec![bridge.clone()], definition(NetworkMode::Bridge))).await;
    session_two.say(manifest(1, vec![host.clone()], definition(NetworkMode::Host))).await;
    let running = async |session: &mut fake::Session, task: &AssignedTask| {
        let short = task.task_arn.rsplit('/').next().unwrap();
        id(&session.report(short, "RUNNING", true).await, "app").to_owned()
    };
    let in_bridge = running(&mut session, &bridge).await;
    let in_host = running(&mut session_two, &host).await;

    let own = get_soon(&in_bridge, "$ECS_CONTAINER_METADATA_URI_V4").await;
    assert_eq!((&own["DockerId"], &own["Networks"][0]["NetworkMode"]), (&in_bridge.as_str().into(), &"bridge".into()));
    assert!(own["Networks"][0]["IPv4Addresses"][0].as_str().unwrap().starts_with("172."), "{own}");
    let whole = get_soon(&in_host, "$ECS_CONTAINER_METADATA_URI_V4/task").await;
    assert_eq!(
        (&whole["TaskARN"], &whole["Containers"][0]["DockerId"]),
        (&host.task_arn.as_str().into(), &in_host.as_str().into())
    );
    let credentials = get(&in_host, "$AWS_CONTAINER_CREDENTIALS_FULL_URI").await;
    assert_eq!(credentials["RoleArn"], "role");
    let addresses = run(&in_host, "cat /proc/net/fib_trie").await;
    assert!(
        addresses.contains("127.0.0.1") && !addresses.contains("169.254.170.2"),
        "the machine's network is untouched"
    );
    let credentials = get(&in_bridge, "http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").await;
    assert_eq!(credentials["RoleArn"], "role");

    // The next agent has the port that the container was told.
    agent_two.kill().await;
    drop(session_two);
    away(&in_host, "$ECS_CONTAINER_METADATA_URI_V4").await;
    let agent_two = start(docker_config(temp_two.path(), &fake_two));
    let session_two = fake_two.welcome().await;
    session_two.say(manifest(2, vec![host], definition(NetworkMode::Host))).await;
    assert_eq!(get_soon(&in_host, "$ECS_CONTAINER_METADATA_URI_V4").await["DockerId"], in_host);

    agent.stop().await;
    agent_two.stop().await;
    assert_eq!((left(temp.path()).await, left(temp_two.path()).await), (0, 0));
    busybox::remove_image(test).await;
}
