//! Drydock's side of the write benchmark: TagResource with a value of 256 bytes, round a set of clusters and keys.
//!
//! It is the ECS write that is nearest to a put of 256 bytes: one object changes, one value of that size is kept, and a
//! second put of the same key replaces the first. It goes the whole way of any write: validation, envelope, log, quorum,
//! apply, events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs::ecs_client::EcsClient;
use drydock_proto::ecs::{CreateClusterRequest, Tag, TagResourceRequest};
use tonic::transport::{Channel, Endpoint};

use crate::client::{Api, anywhere};
use crate::{etcd, load};

/// Tag keys that each cluster gets.
const KEYS_PER_CLUSTER: usize = 10;
/// Clusters that the load goes round, so that both sides go round the same number of keys.
const CLUSTERS: usize = etcd::KEYS / KEYS_PER_CLUSTER;
/// Time in which one cluster of the preparation must be created.
const CREATE_MAX: Duration = Duration::from_secs(30);

/// Writes over a set of connections.
#[derive(Debug)]
pub struct Tags {
    channels: Vec<Channel>,
    arns: Vec<String>,
    value: String,
    next: AtomicUsize,
}

/// Makes the clusters whose tags are written, and gives their ARNs.
///
/// # Errors
/// One isn't created.
pub async fn prepare(apis: &[Api]) -> Result<Vec<String>> {
    let mut arns = Vec::with_capacity(CLUSTERS);
    for number in 0..CLUSTERS {
        let name = format!("bench-{number:04}");
        let created = anywhere(apis, CREATE_MAX, async |mut api| {
            let request = CreateClusterRequest { cluster_name: Some(name.clone()), ..Default::default() };
            Ok(api.ecs.create_cluster(request).await?.into_inner())
        })
        .await?;
        arns.push(created.cluster.and_then(|cluster| cluster.cluster_arn).context("an ARN")?);
    }
    Ok(arns)
}

impl Tags {
    /// Connections to `addresses` in turn: give only the leader's to send all to the leader.
    ///
    /// # Errors
    /// A controller can't be reached.
    pub async fn connect(
        addresses: &[String],
        connections: usize,
        arns: &[String],
        value_bytes: usize,
    ) -> Result<Self> {
        ensure!(!addresses.is_empty(), "no address");
        let mut channels = Vec::new();
        for at in 0..connections {
            let endpoint = Endpoint::from_shared(format!("http://{}", addresses[at % addresses.len()]))?;
            channels.push(endpoint.tcp_nodelay(true).connect().await?);
        }
        Ok(Self { channels, arns: arns.to_vec(), value: "v".repeat(value_bytes), next: AtomicUsize::new(0) })
    }
}

impl load::Target for Tags {
    async fn write(&self, client: usize, _sequence: u64) -> Result<()> {
        let channel = self.channels[client % self.channels.len()].clone();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let arn = self.arns[number % self.arns.len()].clone();
        let key = format!("key-{}", number / self.arns.len() % KEYS_PER_CLUSTER);
        let tag = Tag { key: Some(key), value: Some(self.value.clone()) };
        let request = TagResourceRequest { resource_arn: Some(arn), tags: vec![tag] };
        EcsClient::new(channel).tag_resource(request).await?;
        Ok(())
    }
}
