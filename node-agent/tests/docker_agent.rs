//! The whole agent with real containers, against a controller that the test plays. Skipped, and said so, without a
//! Docker engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod busybox;
mod fake;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use drydock_node_agent::Config;
use drydock_node_agent::config::{DockerConfig, RuntimeChoice};
use drydock_node_agent::runtime::ContainerRuntime as _;
use drydock_node_agent::runtime::docker::DockerRuntime;
use drydock_proto::agent::ContainerReport;
use drydock_proto::ecs::{
    ContainerCondition, ContainerDefinition, ContainerDependency, NetworkMode, PortMapping, TaskDefinition,
    TaskStopCode,
};
use fake::{Fake, assigned, config, manifest, start};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

fn docker_config(data: &Path, fake: &Fake) -> Config {
    Config { runtime: RuntimeChoice::Docker, ..config(data, &[fake]) }
}

fn container(test: &str, name: &str, script: &str) -> ContainerDefinition {
    ContainerDefinition {
        name: Some(name.into()),
        image: Some(busybox::image(test)),
        command: vec!["/bin/sh".into(), "-c".into(), script.into()],
        memory: Some(32),
        stop_timeout: Some(1),
        ..Default::default()
    }
}

/// A server and a client that waits for it, in a network of their own.
fn pair(test: &str) -> TaskDefinition {
    let server = container(test, "server", "while true; do echo hello | nc -l -p 9000; done");
    let mut client =
        container(test, "client", "until nc 127.0.0.1 9000; do sleep 0.1; done; while true; do sleep 1; done");
    let condition = Some(ContainerCondition::Start.into());
    client.depends_on = vec![ContainerDependency { container_name: Some("server".into()), condition }];
    TaskDefinition {
        task_definition_arn: Some("td".into()),
        family: Some("pair".into()),
        revision: Some(1),
        network_mode: Some(NetworkMode::Awsvpc.into()),
        container_definitions: vec![server, client],
        ..Default::default()
    }
}

/// The runtime as the agent of this folder sees it.
async fn of_agent(data: &Path) -> DockerRuntime {
    let identity: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("identity.json")).unwrap()).unwrap();
    DockerRuntime::connect(DockerConfig::default(), identity["instance_token"].as_str().unwrap()).await.unwrap()
}

fn task_name(test: &str) -> String {
    format!("{test}{}", std::process::id())
}

#[tokio::test]
async fn a_task_outlives_its_agent_and_ends_in_order() {
    let test = "outlives";
    let Some(_) = busybox::runtime(test, "none").await else { return };
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let task = task_name(test);
    let agent = start(docker_config(temp.path(), &fake));
    let mut session = fake.welcome().await;
    assert_eq!(session.hello.runtime, "docker");
    assert!(!session.hello.docker_version.is_empty());
    session.say(manifest(1, vec![assigned(&task, "RUNNING")], pair(test))).await;
    let running = session.report(&task, "RUNNING", true).await;
    assert_eq!(running.attachments.len(), 1);
    let is_empty = |one: &ContainerReport| one.image_digest.is_empty();
    assert!(running.containers.iter().all(is_empty), "an imported image has no digest that another could be pulled by");
    assert!(running.containers.iter().all(|one| one.network_interfaces.len() == 1));
    agent.kill().await;
    drop(session);

    let docker = Docker::connect_with_defaults().unwrap();
    let started_at = async |id: &str| docker.inspect_container(id, None).await.unwrap().state.unwrap().started_at;
    let before = started_at(&running.containers[0].runtime_id).await;
    let config = Config { stop_tasks_on_exit: true, ..docker_config(temp.path(), &fake) };
    let agent = start(config);
    let mut session = fake.welcome().await;
    session.say(manifest(2, vec![assigned(&task, "RUNNING")], pair(test))).await;
    session.ack(2).await;
    assert_eq!(started_at(&running.containers[0].runtime_id).await, before, "it wasn't restarted");
    // Killed from outside: the essential container's end is the task's.
    docker.kill_container(&running.containers[1].runtime_id, None).await.unwrap();
    let stopped = session.report(&task, "STOPPED", true).await;
    assert_eq!(stopped.stopped_reason, "Essential container in task exited");
    assert!(stopped.containers.iter().all(|one| one.exit_code == Some(137)), "{stopped:?}");

    agent.stop().await;
    let runtime = of_agent(temp.path()).await;
    assert_eq!(runtime.list().await.unwrap(), [], "stop_tasks_on_exit removes all, the pause container too");
    busybox::remove_image(test).await;
}

/// Two instances of one machine have each its own idea of which ports are free; Docker has the last word.
// rule: 2.5/bridge-bindings, 2.1/reason-cannot-start
#[tokio::test]
async fn two_instances_want_one_port_of_the_machine() {
    let test = "ports";
    let Some(_) = busybox::runtime(test, "none").await else { return };
    let (temp, temp_two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut fake, mut fake_two) = (Fake::start().await, Fake::start().await);
    let port = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let mut server = container(test, "server", "while true; do echo hello | nc -l -p 9000; done");
    server.port_mappings =
        vec![PortMapping { container_port: Some(9_000), host_port: Some(i32::from(port)), ..Default::default() }];
    let definition = TaskDefinition {
        task_definition_arn: Some("td".into()),
        network_mode: Some(NetworkMode::Bridge.into()),
        container_definitions: vec![server],
        ..Default::default()
    };
    let leaving = |temp: &Path, fake: &Fake| Config { stop_tasks_on_exit: true, ..docker_config(temp, fake) };
    let (agent, agent_two) = (start(leaving(temp.path(), &fake)), start(leaving(temp_two.path(), &fake_two)));
    let (mut session, mut session_two) = (fake.welcome().await, fake_two.welcome().await);
    let (first, second) = (task_name("first"), task_name("second"));
    session.say(manifest(1, vec![assigned(&first, "RUNNING")], definition.clone())).await;
    let running = session.report(&first, "RUNNING", true).await;
    let bound = running.containers[0].network_bindings.iter().map(|one| (one.container_port(), one.host_port()));
    assert_eq!(bound.collect::<Vec<_>>(), [(9_000, i32::from(port))]);
    session_two.say(manifest(1, vec![assigned(&second, "RUNNING")], definition)).await;
    let stopped = session_two.report(&second, "STOPPED", true).await;
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    let reason = &stopped.containers[0].reason;
    assert!(reason.starts_with("CannotStartContainerError: "), "{reason}");
    assert!(reason.contains("port is already allocated"), "{reason}");
    agent.stop().await;
    agent_two.stop().await;
    for data in [temp.path(), temp_two.path()] {
        assert_eq!(of_agent(data).await.list().await.unwrap(), []);
    }
    busybox::remove_image(test).await;
}

/// Stands between the agent and Docker, so that Docker can be away.
struct Between {
    path: PathBuf,
    serving: JoinHandle<()>,
}

impl Between {
    fn up(path: PathBuf) -> Self {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { path, serving }
    }

    /// All connections break and no new one is to be had.
    async fn down(self) -> PathBuf {
        self.serving.abort();
        let _ = self.serving.await;
        std::fs::remove_file(&self.path).unwrap();
        self.path
    }
}

#[tokio::test]
async fn docker_may_go_and_come_back() {
    let test = "away";
    if !Path::new("/var/run/docker.sock").exists() {
        eprintln!("skipped: no Docker socket to stand before");
        return;
    }
    let Some(_) = busybox::runtime(test, "none").await else { return };
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let (task, other) = (task_name(test), task_name("other"));
    let between = Between::up(temp.path().join("docker.sock"));
    let host = Some(format!("unix://{}", between.path.display()));
    let config = Config {
        docker: DockerConfig { host, ..DockerConfig::default() },
        stop_tasks_on_exit: true,
        ..docker_config(temp.path(), &fake)
    };
    let agent = start(config);
    let mut session = fake.welcome().await;
    session.say(manifest(1, vec![assigned(&task, "RUNNING")], pair(test))).await;
    let running = session.report(&task, "RUNNING", true).await;

    let path = between.down().await;
    // A container ends, and another task comes, while Docker can't be asked.
    let docker = Docker::connect_with_defaults().unwrap();
    docker.kill_container(&running.containers[0].runtime_id, None).await.unwrap();
    session.say(manifest(2, vec![assigned(&task, "RUNNING"), assigned(&other, "RUNNING")], pair(test))).await;
    // Its network can't be had yet: that far it comes.
    session.report(&other, "PROVISIONING", true).await;

    let _between = Between::up(path);
    // One session, one order: whichever comes first.
    let mut left = vec![(task, "STOPPED"), (other, "RUNNING")];
    let deadline = tokio::time::Instant::now() + Duration::from_secs(40);
    while !left.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "{left:?}");
        let reports = session.reports(true).await;
        left.retain(|(task, status)| {
            !reports.iter().any(|report| report.task_arn == fake::arn(task) && report.last_status == *status)
        });
    }
    agent.stop().await;
    assert_eq!(of_agent(temp.path()).await.list().await.unwrap(), []);
    busybox::remove_image(test).await;
}
