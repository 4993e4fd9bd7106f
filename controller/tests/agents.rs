//! Sessions of scripted agents with real controllers: registration, manifests and deltas, reports, what may be stopped,
//! and what happens when the leader changes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{LogChunk, LogEntry, ManifestRequest, StopVerification};
use drydock_proto::control::watch_events_response::Item;
use drydock_proto::control::{Event, GetLogsRequest, WatchEventsRequest, WatchEventsResponse};
use drydock_proto::ecs::{
    ContainerDefinition, CreateClusterRequest, CreateServiceRequest, DescribeContainerInstancesRequest,
    DescribeTasksRequest, RegisterTaskDefinitionRequest, StopTaskRequest, Task,
};
use support::agent::{Agent, hello};
use support::{Cluster, Member, PATIENCE, agents, eventually};
use tonic::Streaming;

/// A cluster `default` with a task definition `web`.
async fn prepare(member: &Member) {
    let cluster = CreateClusterRequest { cluster_name: Some("default".to_owned()), ..Default::default() };
    member.ecs().create_cluster(cluster).await.unwrap();
    let container = ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some(format!("nginx@sha256:{:064x}", 1)),
        memory: Some(64),
        ..ContainerDefinition::default()
    };
    let definition = RegisterTaskDefinitionRequest {
        family: Some("web".to_owned()),
        container_definitions: vec![container],
        ..RegisterTaskDefinitionRequest::default()
    };
    member.ecs().register_task_definition(definition).await.unwrap();
}

async fn create_service(member: &Member, desired_count: i32) {
    let service = CreateServiceRequest {
        service_name: Some("web".to_owned()),
        task_definition: Some("web".to_owned()),
        desired_count: Some(desired_count),
        ..CreateServiceRequest::default()
    };
    member.ecs().create_service(service).await.unwrap();
}

/// Collects task ARNs from manifests and deltas until there are `count`.
async fn tasks(agent: &mut Agent, count: usize) -> Vec<String> {
    let mut arns = Vec::new();
    agent
        .wait("the tasks", |message| {
            match message {
                Down::Manifest(manifest) => arns = manifest.tasks.into_iter().map(|task| task.task_arn).collect(),
                Down::Delta(delta) => {
                    assert!(!delta.task_definitions.is_empty() || delta.upserts.is_empty(), "{delta:?}");
                    arns.extend(delta.upserts.into_iter().map(|task| task.task_arn));
                }
                _ => {}
            }
            (arns.len() >= count).then_some(())
        })
        .await;
    arns
}

async fn describe(member: &Member, arn: &str) -> Option<Task> {
    let request = DescribeTasksRequest { tasks: vec![arn.to_owned()], ..Default::default() };
    member.ecs().describe_tasks(request).await.ok()?.into_inner().tasks.into_iter().next()
}

async fn status_becomes(member: &Member, arn: &str, status: &str) {
    eventually(status, || async {
        let task = describe(member, arn).await?;
        (task.last_status.as_deref() == Some(status)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_runs_the_tasks_of_a_service() {
    let cluster = Cluster::start(3).await;
    let leader = &cluster.members[cluster.leader().await];
    prepare(leader).await;
    let mut agent = Agent::open(&leader.api, hello("one")).await;
    let arn = agent.welcome().await;
    assert!(arn.starts_with("arn:aws:ecs:us-east-1:000000000000:container-instance/default/"), "{arn}");
    assert!(agent.manifest().await.tasks.is_empty());
    create_service(leader, 2).await;
    let arns = tasks(&mut agent, 2).await;
    for arn in &arns {
        agent.report(arn, 1, "RUNNING").await;
    }
    let mut acknowledged = Vec::new();
    agent
        .wait("the acknowledgements", |message| {
            if let Down::ReportAck(ack) = message {
                acknowledged.extend(ack.reports.into_iter().map(|report| report.task_arn));
            }
            (acknowledged.len() == 2).then_some(())
        })
        .await;
    // Acknowledged is committed: the leader shows it.
    for arn in &arns {
        assert_eq!(describe(leader, arn).await.unwrap().last_status.as_deref(), Some("RUNNING"));
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sends_agents_to_the_leader() {
    let cluster = Cluster::start(3).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let mut agent = Agent::open(&cluster.members[follower].api, hello("one")).await;
    let redirect = agent
        .wait("a redirect", |message| match message {
            Down::Redirect(redirect) => Some(redirect),
            _ => None,
        })
        .await;
    assert_eq!(redirect.leader_address, cluster.members[leader].api);
    assert_eq!(redirect.controllers.unwrap().addresses.len(), 3);
    assert!(agent.next().await.is_none(), "the session is over");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_no_manifest_has_may_be_stopped() {
    let cluster = Cluster::start(3).await;
    let leader = &cluster.members[cluster.leader().await];
    prepare(leader).await;
    let mut agent = Agent::open(&leader.api, hello("one")).await;
    agent.welcome().await;
    create_service(leader, 1).await;
    let known = tasks(&mut agent, 1).await.remove(0);
    let (head, _) = known.rsplit_once('/').unwrap();
    let unknown = format!("{head}/{}", "0".repeat(32));
    let asked = StopVerification { manifest_sequence: 0, task_arns: vec![known.clone(), unknown.clone()] };
    agent.say(Up::StopVerification(asked)).await;
    let confirm = agent
        .wait("the confirmation", |message| match message {
            Down::StopConfirm(confirm) => Some(confirm),
            _ => None,
        })
        .await;
    assert_eq!(confirm.keep_task_arns, std::slice::from_ref(&known));
    assert_eq!(confirm.stop_task_arns, [unknown]);

    // A task that was told to stop is in the manifest, and says so.
    let stop = StopTaskRequest { task: Some(known.clone()), ..Default::default() };
    leader.ecs().stop_task(stop).await.unwrap();
    let told = agent
        .wait("the stop", |message| match message {
            Down::Delta(delta) => delta.upserts.into_iter().find(|task| task.task_arn == known),
            _ => None,
        })
        .await;
    assert_eq!(told.desired_status, "STOPPED");
    agent.report(&known, 1, "STOPPED").await;
    agent
        .wait("the removal", |message| match message {
            Down::Delta(delta) => delta.removed_task_arns.contains(&known).then_some(()),
            _ => None,
        })
        .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_goes_on_with_the_next_leader() {
    let mut cluster = Cluster::start(3).await;
    let first = cluster.leader().await;
    prepare(&cluster.members[first]).await;
    let mut agent = Agent::open(&cluster.members[first].api, hello("one")).await;
    let instance = agent.welcome().await;
    create_service(&cluster.members[first], 1).await;
    let task = tasks(&mut agent, 1).await.remove(0);
    cluster.members[first].stop().await;
    agent
        .wait("the redirect", |message| match message {
            Down::Redirect(_) => Some(()),
            _ => None,
        })
        .await;
    let second = cluster.leader().await;
    let mut again = Agent::open(&cluster.members[second].api, hello("one")).await;
    assert_eq!(again.welcome().await, instance, "the same token is the same instance");
    let manifest = again.manifest().await;
    let arns: Vec<&str> = manifest.tasks.iter().map(|task| task.task_arn.as_str()).collect();
    assert_eq!(arns, [task.as_str()]);
    again.report(&task, 1, "RUNNING").await;
    status_becomes(&cluster.members[second], &task, "RUNNING").await;

    // It has all: asked again it gets the same under the same sequence.
    again.say(Up::ManifestRequest(ManifestRequest { have_sequence: 0 })).await;
    let once_more = again.manifest().await;
    assert_eq!((once_more.sequence, once_more.tasks.len()), (manifest.sequence, 1));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_deregistered_is_refused() {
    let cluster = Cluster::start(1).await;
    let leader = &cluster.members[0];
    prepare(leader).await;
    let mut agent = Agent::open(&leader.api, hello("one")).await;
    let instance = agent.welcome().await;
    let described =
        DescribeContainerInstancesRequest { container_instances: vec![instance.clone()], ..Default::default() };
    let described = leader.ecs().describe_container_instances(described).await.unwrap().into_inner();
    assert_eq!(described.container_instances[0].agent_connected, Some(true));
    let deregister = drydock_proto::ecs::DeregisterContainerInstanceRequest {
        container_instance: Some(instance.clone()),
        ..Default::default()
    };
    leader.ecs().deregister_container_instance(deregister).await.unwrap();
    let reason = agent
        .wait("the refusal", |message| match message {
            Down::Refused(refused) => Some(refused.reason),
            _ => None,
        })
        .await;
    assert!(reason.contains("deregistered"), "{reason}");
    let mut again =
        Agent::open(&leader.api, drydock_proto::agent::Hello { container_instance_arn: instance, ..hello("one") })
            .await;
    assert!(matches!(again.next().await, Some(Down::Refused(_))));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_makes_no_sense_ends_with_a_reason() {
    let cluster = Cluster::start(1).await;
    let leader = &cluster.members[0];
    prepare(leader).await;
    let mut without_capacity = hello("one");
    without_capacity.capacity = None;
    let mut agent = Agent::open(&leader.api, without_capacity).await;
    let ended = tokio::time::timeout(PATIENCE, agent.down.message()).await.unwrap().unwrap_err();
    assert_eq!(ended.code(), tonic::Code::InvalidArgument);
    let mut agent = Agent::open(&leader.api, hello("two")).await;
    agent.welcome().await;
    agent.report("nonsense", 1, "RUNNING").await;
    agent.manifest().await;
    let ended = tokio::time::timeout(PATIENCE, agent.down.message()).await.unwrap().unwrap_err();
    assert_eq!(ended.code(), tonic::Code::InvalidArgument);
    cluster.stop().await;
}

#[derive(Debug, PartialEq)]
struct Placed {
    index: u64,
    ordinal: u32,
    event: Event,
}

/// The next event with its place; progress is passed over.
async fn event(stream: &mut Streaming<WatchEventsResponse>) -> Placed {
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.message()).await.expect("an event in time");
        let next = next.unwrap().expect("the stream goes on");
        let (index, ordinal) = (next.index, next.ordinal);
        match next.item.unwrap() {
            Item::Event(event) => return Placed { index, ordinal, event },
            Item::ProgressIndex(_) => {}
            Item::Resync(resync) => panic!("{resync:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_on_at_another_controller_where_they_stopped() {
    let cluster = Cluster::start(3).await;
    let leader = &cluster.members[cluster.leader().await];
    prepare(leader).await;
    let watch = |after_index| WatchEventsRequest { after_index, ..WatchEventsRequest::default() };
    let follower = &cluster.members[cluster.follower().await];
    let mut first = follower.control().watch_events(watch(None)).await.unwrap().into_inner();
    let mut agent = Agent::open(&leader.api, hello("one")).await;
    agent.welcome().await;
    create_service(leader, 1).await;
    let task = tasks(&mut agent, 1).await.remove(0);
    agent.report(&task, 1, "RUNNING").await;
    let mut seen = Vec::new();
    loop {
        let event = event(&mut first).await;
        let running = matches!(&event.event.detail, Some(drydock_proto::control::event::Detail::Task(task))
            if task.last_status == "RUNNING");
        seen.push(event);
        if running {
            break;
        }
    }
    assert_eq!(seen[0].event.detail_type, "ECS Container Instance State Change");
    assert!(seen.windows(2).all(|pair| (pair[0].index, pair[0].ordinal) < (pair[1].index, pair[1].ordinal)));
    // From the middle on, elsewhere: the very same events.
    let middle = seen[0].index;
    let mut second = leader.control().watch_events(watch(Some(middle))).await.unwrap().into_inner();
    for expected in seen.iter().filter(|event| event.index > middle) {
        assert_eq!(event(&mut second).await, *expected);
    }
    // From each event on, also where another one of the same entry follows.
    assert!(seen.windows(2).any(|pair| pair[0].index == pair[1].index), "some entry has several: {seen:?}");
    for pair in seen.windows(2) {
        let after = WatchEventsRequest { after_ordinal: Some(pair[0].ordinal), ..watch(Some(pair[0].index)) };
        let mut again = leader.control().watch_events(after).await.unwrap().into_inner();
        assert_eq!(event(&mut again).await, pair[1]);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_come_from_the_agent_through_any_controller() {
    let cluster = Cluster::start(3).await;
    let leader = &cluster.members[cluster.leader().await];
    prepare(leader).await;
    let mut agent = Agent::open(&leader.api, hello("one")).await;
    agent.welcome().await;
    create_service(leader, 1).await;
    let task = tasks(&mut agent, 1).await.remove(0);
    let follower = &cluster.members[cluster.follower().await];
    let asked = GetLogsRequest { cluster: "default".to_owned(), task: task.clone(), ..GetLogsRequest::default() };
    let mut client = follower.control();
    let reading = tokio::spawn(async move { client.get_logs(asked).await.unwrap().into_inner() });
    let start = agent
        .wait("the read", |message| match message {
            Down::StartLogRead(start) => Some(start),
            _ => None,
        })
        .await;
    assert_eq!(start.task_arn, task);
    let chunk = |message: &str| LogChunk {
        read_id: start.read_id.clone(),
        entries: vec![LogEntry { container: "app".to_owned(), message: message.to_owned(), ..LogEntry::default() }],
        ..LogChunk::default()
    };
    let mut pusher = agents(&leader.api);
    let end = LogChunk { read_id: start.read_id.clone(), end: true, ..LogChunk::default() };
    let pushed = pusher.push_logs(tokio_stream::iter([chunk("one"), chunk("two"), end]));
    let (pushed, lines) = tokio::join!(pushed, async {
        let mut lines = reading.await.unwrap();
        let mut texts = Vec::new();
        while let Some(line) = lines.message().await.unwrap() {
            texts.push(line.message);
        }
        texts
    });
    pushed.unwrap();
    assert_eq!(lines, ["one", "two"]);

    // An agent that goes away in the middle is not the end of the log: whoever follows it asks again.
    let asked = GetLogsRequest { cluster: "default".to_owned(), task: task.clone(), ..GetLogsRequest::default() };
    let mut client = follower.control();
    let reading = tokio::spawn(async move { client.get_logs(asked).await.unwrap().into_inner() });
    let start = agent
        .wait("the second read", |message| match message {
            Down::StartLogRead(start) => Some(start),
            _ => None,
        })
        .await;
    let cut = LogChunk { read_id: start.read_id, ..chunk("half") };
    let (_, broken) = tokio::join!(pusher.push_logs(tokio_stream::iter([cut])), async {
        let mut lines = reading.await.unwrap();
        assert_eq!(lines.message().await.unwrap().unwrap().message, "half");
        lines.message().await.unwrap_err()
    });
    assert_eq!(broken.code(), tonic::Code::Unavailable);

    // Nobody asked for these.
    let refused = agents(&leader.api).push_logs(tokio_stream::iter([chunk("late")])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    let missing = GetLogsRequest { task: "f".repeat(32), ..GetLogsRequest::default() };
    let refused = follower.control().get_logs(missing).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    cluster.stop().await;
}
