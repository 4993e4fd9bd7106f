//! Three controllers over real sockets and disks: elections, writes and reads anywhere, clean stops, membership.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use drydock_controller::config::Config;
use drydock_controller::{APPLIED_INDEX_KEY, CONSISTENCY_KEY, EXCEPTION_KEY, MIN_INDEX_KEY};
use drydock_proto::control::{ControllerRole, RemoveControllerRequest, TransferLeadershipRequest};
use drydock_proto::ecs::{CreateClusterRequest, DescribeClustersRequest, ListClustersRequest};
use support::{Cluster, Member, eventually};
use tonic::{Code, Request};

async fn create(member: &Member, name: &str) -> u64 {
    let request = CreateClusterRequest { cluster_name: Some(name.to_owned()), ..CreateClusterRequest::default() };
    let response = member.ecs().create_cluster(request).await.unwrap();
    let index = response.metadata().get(APPLIED_INDEX_KEY).unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(response.into_inner().cluster.unwrap().cluster_name.as_deref(), Some(name));
    index
}

async fn names(member: &Member, key: &'static str, value: &str) -> Vec<String> {
    let mut request = Request::new(ListClustersRequest::default());
    request.metadata_mut().insert(key, value.parse().unwrap());
    let arns = member.ecs().list_clusters(request).await.unwrap().into_inner().cluster_arns;
    arns.iter().map(|arn| arn.rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_controller_takes_a_write_and_all_can_read_it() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let index = create(&cluster.members[follower], "web").await;
    // The one that was asked has it at once; the others when they are asked for that entry, or for the newest.
    assert_eq!(names(&cluster.members[follower], CONSISTENCY_KEY, "local").await, ["web"]);
    for member in &cluster.members {
        assert_eq!(names(member, MIN_INDEX_KEY, &index.to_string()).await, ["web"]);
        assert_eq!(names(member, CONSISTENCY_KEY, "strong").await, ["web"]);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_leader_hands_over_and_comes_back() {
    let mut cluster = Cluster::start(3).await;
    let first = cluster.leader().await;
    create(&cluster.members[first], "before").await;
    cluster.members[first].stop().await;
    let second = cluster.leader().await;
    assert_ne!(first, second);
    let index = create(&cluster.members[second], "meanwhile").await;
    cluster.members[first].restart().await;
    let back = eventually("the former leader has caught up", || async {
        let status = cluster.members[first].status().await?;
        (status.applied_index >= index).then_some(status)
    })
    .await;
    assert_eq!(back.controllers.len(), 3);
    assert_eq!(names(&cluster.members[first], MIN_INDEX_KEY, &index.to_string()).await, ["before", "meanwhile"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stopped_and_started_again_have_everything() {
    let mut cluster = Cluster::start(3).await;
    for name in ["a", "b", "c"] {
        create(&cluster.members[0], name).await;
    }
    for member in &mut cluster.members {
        member.stop().await;
    }
    for member in &mut cluster.members {
        member.restart().await;
    }
    cluster.leader().await;
    for member in &cluster.members {
        assert_eq!(names(member, CONSISTENCY_KEY, "strong").await, ["a", "b", "c"]);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_joins_is_promoted_and_is_removed() {
    let mut cluster = Cluster::start(3).await;
    create(&cluster.members[0], "web").await;
    cluster.join("c3").await;
    eventually("the fourth votes", || async {
        let voters = cluster.roles().await;
        let votes = |role: &&ControllerRole| matches!(role, ControllerRole::Leader | ControllerRole::Follower);
        (voters.iter().filter(votes).count() == 4).then_some(())
    })
    .await;
    assert_eq!(names(&cluster.members[3], CONSISTENCY_KEY, "strong").await, ["web"]);
    let index = create(&cluster.members[3], "fourth").await;
    assert!(index > 0);
    let asked = cluster.members[1].control();
    let removed = eventually("the first is removed", || async {
        let request = RemoveControllerRequest { controller: "c0".to_owned() };
        asked.clone().remove_controller(request).await.ok()
    })
    .await;
    assert_eq!(removed.into_inner().controllers.len(), 3);
    eventually("the removed one ends", || async { (!cluster.members[0].is_running()).then_some(()) }).await;
    let ended = cluster.members[0].try_stop().await.unwrap_err();
    assert!(ended.to_string().contains("was removed"), "{ended}");
    let leader = cluster.leader().await;
    create(&cluster.members[leader], "after").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_under_a_taken_name_ends_and_says_why() {
    let mut cluster = Cluster::start(1).await;
    cluster.join("c0").await;
    eventually("it ends", || async { (!cluster.members[1].is_running()).then_some(()) }).await;
    let ended = cluster.members[1].try_stop().await.unwrap_err();
    assert!(ended.is_for_good(), "{ended}");
    assert!(ended.to_string().contains("\"c0\"") && ended.to_string().contains("give another name"), "{ended}");
    cluster.stop().await;
}

/// One that has just stopped was heard of a moment ago, and counts as alive for those who only listen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_is_removed_that_the_others_need() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let stopped = cluster.members[leader].config.name.clone();
    cluster.members[leader].stop().await;
    let left: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    let request = RemoveControllerRequest { controller: cluster.members[left[0]].config.name.clone() };
    let refused = eventually("an answer", || async {
        let refused = cluster.members[left[1]].control().remove_controller(request.clone()).await.unwrap_err();
        (refused.code() != Code::Unavailable).then_some(refused)
    })
    .await;
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let expected = format!("without {} the controllers would have no majority", request.controller);
    assert!(refused.message().contains(&expected), "{refused}");
    assert!(refused.message().contains(&format!("({stopped} doesn't)")), "{refused}");
    create(&cluster.members[left[0]], "still").await;
    // The one that is down can be spared.
    let request = RemoveControllerRequest { controller: stopped };
    eventually("it is removed", || async {
        cluster.members[left[1]].control().remove_controller(request.clone()).await.ok()
    })
    .await;
    create(&cluster.members[left[0]], "after").await;
    cluster.stop().await;
}

/// An operator who forgets `join`, or whose disk isn't mounted, gets no second cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_controller_is_told_which_cluster_it_is_of() {
    let mut cluster = Cluster::start(1).await;
    let config = cluster.members[0].config.clone();
    cluster.members[0].stop().await;
    let forgotten = Config { initial: Vec::new(), data_dir: cluster.folder.path().join("empty"), ..config };
    let ended = drydock_controller::run(forgotten.clone(), std::future::pending()).await.unwrap_err();
    assert!(ended.to_string().contains("neither `initial` nor `join`"), "{ended}");
    // Its own folder says enough.
    cluster.members[0].config = Config { data_dir: cluster.members[0].config.data_dir.clone(), ..forgotten };
    cluster.members[0].restart().await;
    cluster.leader().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_goes_where_it_is_sent() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let name = cluster.members[follower].config.name.clone();
    let request = TransferLeadershipRequest { controller: name };
    // Asked of one that doesn't lead: it is carried out by the leader all the same.
    let told = eventually("it is handed over", || async {
        // Refused where the disks of this machine are too busy for an election timeout.
        cluster.members[follower].control().transfer_leadership(request.clone()).await.ok()
    })
    .await;
    assert_eq!(cluster.place_of(told.into_inner().leader_id).await, Some(follower));
    assert_eq!(cluster.leader().await, follower);
    let nobody = TransferLeadershipRequest { controller: "nobody".to_owned() };
    let refused = cluster.members[0].control().transfer_leadership(nobody).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_controller_alone_is_a_cluster() {
    let cluster = Cluster::start(1).await;
    create(&cluster.members[0], "web").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_in_ecs_s_words_by_every_controller() {
    let cluster = Cluster::start(3).await;
    for member in &cluster.members {
        let invalid = CreateClusterRequest { cluster_name: Some("no blanks".to_owned()), ..Default::default() };
        let refused = member.ecs().create_cluster(invalid).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert_eq!(refused.metadata().get(EXCEPTION_KEY).unwrap(), "InvalidParameterException");

        let missing = drydock_proto::ecs::DeleteClusterRequest { cluster: Some("nowhere".to_owned()) };
        let refused = member.ecs().delete_cluster(missing).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
        assert_eq!(refused.metadata().get(EXCEPTION_KEY).unwrap(), "ClusterNotFoundException");

        let mut odd = Request::new(DescribeClustersRequest::default());
        odd.metadata_mut().insert(CONSISTENCY_KEY, "eventual".parse().unwrap());
        let refused = member.ecs().describe_clusters(odd).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");

        let large = CreateClusterRequest { cluster_name: Some("x".repeat(10 * 1024 * 1024)), ..Default::default() };
        let refused = member.ecs().create_cluster(large).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
        assert_eq!(refused.metadata().get(EXCEPTION_KEY).unwrap(), "ClientException");

        // What no code of ours ever sees.
        let bytes = unary(member, "CreateCluster").await;
        assert_eq!(bytes.metadata().get(EXCEPTION_KEY).unwrap(), "SerializationException", "{bytes:?}");
        let unknown = unary(member, "LaunchCluster").await;
        assert_eq!(unknown.code(), Code::Unimplemented, "{unknown:?}");
        assert_eq!(unknown.metadata().get(EXCEPTION_KEY).unwrap(), "UnknownOperationException");
    }
    assert!(names(&cluster.members[0], CONSISTENCY_KEY, "strong").await.is_empty());
    cluster.stop().await;
}

/// The refusal of a message that fits no operation: a number where each has a text first.
async fn unary(member: &Member, operation: &str) -> tonic::Status {
    let mut client = tonic::client::Grpc::new(member.channel());
    client.ready().await.unwrap();
    let path = format!("/drydock.ecs.v1.Ecs/{operation}").parse().unwrap();
    let codec = tonic_prost::ProstCodec::<prost_types::Timestamp, prost_types::Timestamp>::default();
    let odd = prost_types::Timestamp { seconds: 5, nanos: 0 };
    client.unary(Request::new(odd), path, codec).await.unwrap_err()
}

/// Tools ask for what there is: the services of this port, in both versions of reflection, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_what_the_port_serves() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

    let cluster = Cluster::start(1).await;
    let mut client = ServerReflectionClient::new(cluster.members[0].channel());
    let ask = |message| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
        tokio_stream::once(request)
    };
    let mut answer = async |message| -> ServerReflectionResponse {
        let mut answers = client.server_reflection_info(ask(message)).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap()
    };
    let listed = answer(MessageRequest::ListServices(String::new())).await.message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
    let mut names: Vec<&str> = listed.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "drydock.agent.v1.AgentControl",
        "drydock.control.v1.Control",
        "drydock.ecs.v1.Ecs",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    assert_eq!(names, expected);
    for name in expected {
        let file = answer(MessageRequest::FileContainingSymbol(name.to_owned())).await.message_response.unwrap();
        assert!(matches!(file, MessageResponse::FileDescriptorResponse(_)), "{name}: {file:?}");
    }
    cluster.stop().await;
}
