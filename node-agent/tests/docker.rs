//! The Docker runtime against a real engine. Skipped, and said so, where none is reachable. Each test has an instance
//! identity of its own and removes all that carries it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod busybox;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use drydock_engine::{ContainerSpec, FailureKind, Observation, ObservedState, TaskSpec};
use drydock_node_agent::config::{DockerConfig, PullBehavior};
use drydock_node_agent::runtime::docker::{DockerRuntime, LABEL_INSTANCE};
use drydock_node_agent::runtime::{ContainerRuntime, LogQuery, RuntimeEvent};
use drydock_proto::agent::AssignedTask;
use drydock_proto::ecs::{
    ContainerDefinition, DockerVolumeConfiguration, HealthCheck, KeyValuePair, LogConfiguration, LogDriver, MountPoint,
    NetworkMode, PortMapping, TaskDefinition, Volume,
};

/// Stands for the test's own image in the definitions here.
const IMAGE: &str = "busybox";
const WAIT: Duration = Duration::from_secs(20);

async fn runtime(test: &str) -> Option<DockerRuntime> {
    busybox::runtime(test, &format!("test-{}-{test}", std::process::id())).await
}

fn shell(name: &str, script: &str) -> ContainerDefinition {
    ContainerDefinition {
        name: Some(name.into()),
        image: Some(IMAGE.into()),
        command: vec!["/bin/sh".into(), "-c".into(), script.into()],
        memory: Some(32),
        ..Default::default()
    }
}

fn task(test: &str, containers: Vec<ContainerDefinition>, change: impl FnOnce(&mut TaskDefinition)) -> Arc<TaskSpec> {
    let mut containers = containers;
    for container in containers.iter_mut().filter(|container| container.image() == IMAGE) {
        container.image = Some(busybox::image(test));
    }
    let mut definition = TaskDefinition {
        container_definitions: containers,
        family: Some("test".into()),
        revision: Some(3),
        ..Default::default()
    };
    change(&mut definition);
    let task_arn = format!("arn:aws:ecs:us-east-1:000000000000:task/test/{test}-{}", std::process::id());
    let assigned = AssignedTask { task_arn, cluster: "test".into(), ..Default::default() };
    Arc::new(TaskSpec::new(assigned, Arc::new(definition)))
}

async fn up(runtime: &DockerRuntime, spec: &ContainerSpec) -> Observation {
    runtime.pull(spec).await.unwrap();
    let created = runtime.create(spec).await.unwrap();
    assert_eq!(created.state, ObservedState::Created);
    assert_eq!(runtime.create(spec).await.unwrap().runtime_id, created.runtime_id, "creating is idempotent");
    runtime.start(&created.runtime_id).await.unwrap()
}

/// Looks until what is seen will do.
async fn eventually(runtime: &DockerRuntime, runtime_id: &str, will_do: impl Fn(&Observation) -> bool) -> Observation {
    let deadline = tokio::time::Instant::now() + WAIT;
    loop {
        let seen = runtime.inspect(runtime_id).await.unwrap();
        if will_do(&seen) {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "still {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn exited(seen: &Observation) -> bool {
    matches!(seen.state, ObservedState::Exited { .. })
}

async fn lines(runtime: &DockerRuntime, runtime_id: &str, query: LogQuery) -> Vec<(String, String)> {
    let mut log = runtime.logs(runtime_id, query);
    let mut out = Vec::new();
    while let Some(line) = tokio::time::timeout(WAIT, log.recv()).await.expect("the log ends") {
        let line = line.unwrap();
        assert!(line.time.is_some());
        out.push((line.stream.to_owned(), line.message));
    }
    out
}

/// Removes all of an instance, and shows that nothing is left.
async fn sweep(runtime: &DockerRuntime, tasks: &[&Arc<TaskSpec>]) {
    for one in runtime.list().await.unwrap() {
        runtime.remove(&one.observation.runtime_id).await.unwrap();
    }
    for task in tasks {
        runtime.release_network(task.task_arn()).await.unwrap();
        runtime.forget_task(task.task_arn()).await.unwrap();
    }
    assert_eq!(runtime.list().await.unwrap(), []);
    for task in tasks {
        let (test, _) = task.task_id().rsplit_once('-').unwrap();
        busybox::remove_image(test).await;
    }
}

#[tokio::test]
async fn a_container_lives_writes_and_ends() {
    let Some(runtime) = runtime("life").await else { return };
    let mut container = shell("app", "echo out $GREETING; echo err >&2; exit 7");
    container.environment = vec![KeyValuePair { name: Some("GREETING".into()), value: Some("hello world".into()) }];
    let task = task("life", vec![container], |_| ());
    let started = up(&runtime, &task.container(0)).await;
    let ended = eventually(&runtime, &started.runtime_id, exited).await;
    assert_eq!(ended.state, ObservedState::Exited { exit_code: Some(7), reason: String::new() });
    assert!(ended.started_at.is_some() && ended.finished_at >= ended.started_at);
    let mut log = lines(&runtime, &started.runtime_id, LogQuery { follow: true, ..Default::default() }).await;
    log.sort();
    assert_eq!(log, [("stderr".into(), "err".into()), ("stdout".into(), "out hello world".into())]);
    let newest = lines(&runtime, &started.runtime_id, LogQuery { tail: Some(1), ..Default::default() }).await;
    assert_eq!(newest.len(), 1);

    let listed = runtime.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].task_arn.as_str(), listed[0].container.as_str()), (task.task_arn(), "app"));
    let docker = Docker::connect_with_defaults().unwrap();
    let labels = docker.inspect_container(&started.runtime_id, None).await.unwrap().config.unwrap().labels.unwrap();
    assert_eq!(labels["com.amazonaws.ecs.task-definition-family"], "test");
    assert_eq!(labels["com.amazonaws.ecs.task-definition-version"], "3");
    assert!(labels.contains_key(LABEL_INSTANCE));
    sweep(&runtime, &[&task]).await;
    let gone = runtime.inspect(&started.runtime_id).await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::NotFound);
}

// rule: 2.1/state-stopping, 2.1/stop-timeout
#[tokio::test]
async fn what_ignores_sigterm_is_killed_and_events_tell() {
    let Some(runtime) = runtime("stop").await else { return };
    let task = task("stop", vec![shell("app", "trap '' TERM; while true; do sleep 1; done")], |_| ());
    let mut events = runtime.events();
    let started = up(&runtime, &task.container(0)).await;
    assert_eq!(started.state, ObservedState::Running);
    let stopped = runtime.stop(&started.runtime_id, 1_000).await.unwrap();
    assert_eq!(stopped.state, ObservedState::Exited { exit_code: Some(137), reason: String::new() });
    let told = async {
        while let Some(event) = events.recv().await {
            if event == (RuntimeEvent::Changed { runtime_id: started.runtime_id.clone() }) {
                return;
            }
        }
    };
    tokio::time::timeout(WAIT, told).await.expect("an event");
    sweep(&runtime, &[&task]).await;
}

// rule: 2.1/reason-out-of-memory
#[tokio::test]
async fn too_much_memory_ends_it() {
    let Some(runtime) = runtime("oom").await else { return };
    let mut container = shell("app", "x=a; while true; do x=$x$x$x$x; done");
    container.memory = Some(8);
    container.linux_parameters = Some(drydock_proto::ecs::LinuxParameters { max_swap: Some(0), ..Default::default() });
    let task = task("oom", vec![container], |_| ());
    let started = up(&runtime, &task.container(0)).await;
    let ended = eventually(&runtime, &started.runtime_id, exited).await;
    let reason = "OutOfMemoryError: Container killed due to memory usage".to_owned();
    assert_eq!(ended.state, ObservedState::Exited { exit_code: Some(137), reason });
    sweep(&runtime, &[&task]).await;
}

#[tokio::test]
async fn health_is_docker_s_own() {
    let Some(runtime) = runtime("health").await else { return };
    let check = |test: &str| HealthCheck {
        command: vec!["CMD-SHELL".into(), test.into()],
        interval: Some(1),
        timeout: Some(2),
        retries: Some(1),
        start_period: None,
    };
    let mut good = shell("good", "sleep 100");
    good.health_check = Some(check("true"));
    let mut bad = shell("bad", "sleep 100");
    bad.health_check = Some(check("exit 1"));
    let task = task("health", vec![good, bad], |_| ());
    for (index, expected) in
        [(0, drydock_model::status::HealthStatus::Healthy), (1, drydock_model::status::HealthStatus::Unhealthy)]
    {
        let started = up(&runtime, &task.container(index)).await;
        eventually(&runtime, &started.runtime_id, |seen| seen.health == expected).await;
    }
    sweep(&runtime, &[&task]).await;
}

// rule: 2.5/bridge-bindings
#[tokio::test]
async fn bridge_mode_publishes_ports() {
    let Some(runtime) = runtime("bridge").await else { return };
    let mut web = shell("web", "while true; do echo pong | nc -l -p 8080; done");
    web.port_mappings = vec![PortMapping { container_port: Some(8_080), host_port: Some(0), ..Default::default() }];
    let mut client = shell("client", "nc web 8080");
    client.links = vec!["web".into()];
    let task = task("bridge", vec![web, client], |_| ());
    let started = up(&runtime, &task.container(0)).await;
    let [binding] = started.network_bindings.as_slice() else { panic!("{:?}", started.network_bindings) };
    assert_eq!((binding.bind_ip(), binding.container_port()), ("0.0.0.0", 8_080));
    assert!(binding.host_port() > 0);
    // A link leads from one container to the other.
    let client = up(&runtime, &task.container(1)).await;
    let ended = eventually(&runtime, &client.runtime_id, exited).await;
    assert_eq!(ended.state, ObservedState::Exited { exit_code: Some(0), reason: String::new() });
    let log = lines(&runtime, &client.runtime_id, LogQuery::default()).await;
    assert_eq!(log, [("stdout".into(), "pong".into())]);
    sweep(&runtime, &[&task]).await;
}

// rule: 2.5/shared-namespace
#[tokio::test]
async fn containers_of_an_awsvpc_task_meet_on_localhost() {
    let Some(runtime) = runtime("awsvpc").await else { return };
    let server = shell("server", "while true; do echo hello | nc -l -p 9000; done");
    let client = shell("client", "until nc 127.0.0.1 9000; do sleep 0.1; done");
    let task = task("awsvpc", vec![server, client], |definition| {
        definition.network_mode = Some(NetworkMode::Awsvpc.into());
        definition.cpu = Some("256".into());
        definition.memory = Some("64".into());
    });
    let provided = runtime.provide_network(&task).await.unwrap();
    assert_eq!(runtime.provide_network(&task).await.unwrap(), provided, "providing is idempotent");
    assert_eq!(provided.attachment.r#type(), "ElasticNetworkInterface");
    let details: HashMap<&str, &str> =
        provided.attachment.details.iter().map(|detail| (detail.name(), detail.value())).collect();
    assert!(details["privateIPv4Address"].parse::<std::net::Ipv4Addr>().is_ok());
    up(&runtime, &task.container(0)).await;
    let client = up(&runtime, &task.container(1)).await;
    eventually(&runtime, &client.runtime_id, exited).await;
    let log = lines(&runtime, &client.runtime_id, LogQuery::default()).await;
    assert_eq!(log.last(), Some(&("stdout".into(), "hello".into())));
    sweep(&runtime, &[&task]).await;
}

#[tokio::test]
async fn a_task_s_volume_is_shared_and_goes_with_it() {
    let Some(runtime) = runtime("volume").await else { return };
    let mount = |mut container: ContainerDefinition| {
        container.mount_points = vec![MountPoint {
            source_volume: Some("data".into()),
            container_path: Some("/data".into()),
            read_only: None,
        }];
        container
    };
    let containers = vec![mount(shell("one", "echo kept > /data/file")), mount(shell("two", "cat /data/file"))];
    let task = task("volume", containers, |definition| {
        definition.volumes = vec![Volume {
            name: Some("data".into()),
            docker_volume_configuration: Some(DockerVolumeConfiguration::default()),
            ..Default::default()
        }];
    });
    let one = up(&runtime, &task.container(0)).await;
    eventually(&runtime, &one.runtime_id, exited).await;
    let two = up(&runtime, &task.container(1)).await;
    eventually(&runtime, &two.runtime_id, exited).await;
    assert_eq!(lines(&runtime, &two.runtime_id, LogQuery::default()).await, [("stdout".into(), "kept".into())]);
    sweep(&runtime, &[&task]).await;
    let docker = Docker::connect_with_defaults().unwrap();
    let name = format!("drydock-{}-data", task.task_id());
    assert!(docker.inspect_volume(&name).await.is_err(), "the volume is left");
}

#[tokio::test]
async fn what_cannot_be_done_fails_with_its_reason() {
    let Some(runtime) = runtime("errors").await else { return };
    let mut nowhere = shell("nowhere", "true");
    nowhere.command = vec!["/no/such/program".into()];
    let mut secret = shell("secret", "true");
    secret.secrets = vec![drydock_proto::ecs::Secret { name: Some("A".into()), value_from: Some("b".into()) }];
    let mut firelens = shell("firelens", "true");
    firelens.log_configuration =
        Some(LogConfiguration { log_driver: Some(LogDriver::Awsfirelens.into()), ..Default::default() });
    let mut missing = shell("missing", "true");
    missing.image = Some("localhost:1/drydock-test/no-such-image:1".into());
    let task = task("errors", vec![nowhere, secret, firelens, missing], |_| ());
    let created = runtime.create(&task.container(0)).await.unwrap();
    let error = runtime.start(&created.runtime_id).await.unwrap_err();
    assert!(matches!(error.kind, FailureKind::Failed | FailureKind::NotFound), "{error:?}");
    assert!(error.message.contains("no such file"), "{error}");
    let error = runtime.create(&task.container(1)).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Named("ResourceInitializationError"));
    assert_eq!(runtime.create(&task.container(2)).await.unwrap_err().kind, FailureKind::Failed);
    for behaviour in [PullBehavior::PreferCached, PullBehavior::Always] {
        let settings = DockerConfig { image_pull_behavior: behaviour, ..Default::default() };
        let strict = DockerRuntime::connect(settings, "test-none").await.unwrap();
        assert!(strict.pull(&task.container(3)).await.is_err());
    }
    sweep(&runtime, &[&task]).await;
}
