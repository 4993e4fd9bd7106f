//! What controllers do about disks that aren't theirs, or that go away: they end, say why, and the others go on. And one
//! that isn't a member yet answers nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use drydock_controller::{Config, RunError};
use drydock_proto::control::StatusRequest;
use drydock_proto::ecs::{CreateClusterRequest, ListClustersRequest};
use support::{Cluster, Member, eventually};
use tonic::Code;

async fn create(member: &Member, name: &str) {
    let request = CreateClusterRequest { cluster_name: Some(name.to_owned()), ..CreateClusterRequest::default() };
    eventually("a cluster is created", || async { member.ecs().create_cluster(request.clone()).await.ok() }).await;
}

async fn ended(member: &mut Member) -> RunError {
    eventually("it ends", || async { (!member.is_running()).then_some(()) }).await;
    member.try_stop().await.unwrap_err()
}

/// In the right place and under the right name, and yet another cluster's: its peers refuse it, and it finds out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_another_cluster_is_refused() {
    let (mut cluster, mut other) = (Cluster::start(3).await, Cluster::start(3).await);
    let theirs = cluster.members[0].status().await.unwrap().fingerprint;
    let ours = other.members[0].status().await.unwrap().fingerprint;
    for member in &mut other.members {
        member.stop().await;
    }
    let foreign = other.members[2].config.data_dir.clone();
    cluster.members[2].stop().await;
    let right = cluster.members[2].config.clone();
    let joins = Config { initial: Vec::new(), join: Some(cluster.members[0].api.clone()), ..right.clone() };
    for config in [right.clone(), joins] {
        cluster.members[2].config = Config { data_dir: foreign.clone(), ..config };
        cluster.members[2].restart().await;
        let why = ended(&mut cluster.members[2]).await;
        assert!(why.is_for_good(), "{why}");
        let text = why.to_string();
        assert!([&ours, &theirs].into_iter().all(|fingerprint| text.contains(fingerprint)), "{text}");
        assert!(text.contains(&foreign.display().to_string()), "{text}");
        assert!(cluster.members[..2].iter().all(Member::is_running), "the disks of the others are right");
    }
    create(&cluster.members[0], "goes-on").await;
    // With its own disk it is welcome.
    cluster.members[2].config = right;
    cluster.members[2].restart().await;
    cluster.leader().await;
    cluster.stop().await;
}

/// A cluster of one leads itself, and would take writes that are lost when the right disk is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_a_cluster_of_one_is_refused_though_it_leads() {
    let (mut cluster, mut other) = (Cluster::start(3).await, Cluster::start(1).await);
    other.members[0].stop().await;
    cluster.members[0].stop().await;
    let right = cluster.members[0].config.clone();
    let joins = Config { initial: Vec::new(), join: Some(cluster.members[1].api.clone()), ..right.clone() };
    for config in [right.clone(), joins] {
        cluster.members[0].config = Config { data_dir: other.members[0].config.data_dir.clone(), ..config };
        cluster.members[0].restart().await;
        let why = ended(&mut cluster.members[0]).await;
        assert!(matches!(why, RunError::OtherCluster { .. }), "{why}");
    }
    cluster.members[0].config = right;
    cluster.members[0].restart().await;
    cluster.leader().await;
    cluster.stop().await;
}

/// The disk of another controller of the same cluster, told by its id where the configuration has one, or by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_another_controller_is_refused() {
    let mut cluster = Cluster::start(3).await;
    cluster.members[1].stop().await;
    cluster.members[2].stop().await;
    let own = cluster.members[2].config.clone();
    cluster.members[2].config = Config { data_dir: cluster.members[1].config.data_dir.clone(), ..own };
    cluster.members[2].restart().await;
    let why = ended(&mut cluster.members[2]).await;
    assert!(matches!(why, RunError::ForeignName { .. }) && why.is_for_good(), "{why}");
    assert!(why.to_string().contains("\"c1\"") && why.to_string().contains("\"c2\""), "{why}");
    cluster.stop().await;
}

/// The files live on for whoever has them open: nothing would fail until the next start, which would find nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_whose_disk_goes_away_ends_at_once() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    create(&cluster.members[leader], "before").await;
    std::fs::remove_dir_all(&cluster.members[leader].config.data_dir).unwrap();
    let why = ended(&mut cluster.members[leader]).await;
    assert!(why.is_for_good() && why.to_string().contains("is lost"), "{why}");
    let next = cluster.leader().await;
    create(&cluster.members[next], "after").await;
    cluster.stop().await;
}

/// It knows nothing: an empty list from it would be a lie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_not_joined_yet_answers_nobody() {
    let mut cluster = Cluster::start(3).await;
    create(&cluster.members[0], "web").await;
    for at in [1, 2] {
        cluster.members[at].stop().await;
    }
    // The one that is left tells who the cluster is, and can let nobody in.
    cluster.join("new").await;
    let new = &cluster.members[3];
    let refused = eventually("its port answers", || async {
        let refused = new.control().status(StatusRequest {}).await.expect_err("it has joined nothing");
        (refused.message().contains("not (yet) a member")).then_some(refused)
    })
    .await;
    assert_eq!(refused.code(), Code::Unavailable);
    let refused = new.ecs().list_clusters(ListClustersRequest::default()).await.unwrap_err();
    assert!(refused.code() == Code::Unavailable && refused.message().contains("not (yet) a member"), "{refused}");
    // Once it has joined it answers like any other.
    cluster.members[1].restart().await;
    let new = &cluster.members[3];
    let list = eventually("it has joined", || async {
        new.ecs().list_clusters(ListClustersRequest::default()).await.ok().map(tonic::Response::into_inner)
    })
    .await;
    assert!(list.cluster_arns.iter().any(|arn| arn.ends_with("/web")), "{list:?}");
    cluster.stop().await;
}
