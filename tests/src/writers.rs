//! Writes that go on while a suite breaks things: a few clients, each with one write in flight, and a record of every
//! write that was acknowledged, to be held against what the cluster says afterwards.
//!
//! A write is a tag that no other write touches: cluster `w<writer>-<number>` gets the tags `0` to `49`, one after the
//! other, then comes the next cluster. A write whose answer is lost is made again until it is acknowledged, so an
//! unacknowledged one may be there, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs::{ClusterField, CreateClusterRequest, DescribeClustersRequest, Tag, TagResourceRequest};

use crate::client::{Api, anywhere};
use crate::wait;

/// Tags that one cluster gets: ECS's own bound.
const TAGS_PER_CLUSTER: usize = 50;
/// Wait for one write, elections and restarts included.
const WRITE_MAX: Duration = Duration::from_secs(60);
/// ECS describes up to this many clusters in one call.
const DESCRIBED_AT_ONCE: usize = 100;

/// What was acknowledged so far.
#[derive(Debug, Default)]
struct Record {
    /// Cluster → its acknowledged tags.
    acknowledged: BTreeMap<String, BTreeSet<String>>,
    writes: usize,
    /// When the newest acknowledged write was asked for, and when it was acknowledged.
    newest: Option<(Instant, Instant)>,
}

/// Running writers.
#[derive(Debug)]
pub struct Writers {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Writers {
    /// Starts `count` writers, on a thread of their own: what the suite does meanwhile doesn't delay them.
    #[must_use]
    pub fn start(addresses: &[String], count: usize) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (addresses, theirs, ends) = (addresses.to_vec(), Arc::clone(&record), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                let mut running = Vec::new();
                for writer in 0..count {
                    // Each begins with another controller.
                    let from = writer % addresses.len();
                    let turned = addresses[from..].iter().chain(&addresses[..from]);
                    let apis: Vec<Api> = turned.map(|address| Api::new(address)).collect::<Result<_>>()?;
                    let one = write(apis, writer, Arc::clone(&theirs), Arc::clone(&ends));
                    running.push(tokio::task::spawn_local(one));
                }
                for writer in running {
                    writer.await??;
                }
                Ok(())
            })
        });
        Self { record, stop, thread: Some(thread) }
    }

    /// How many writes were acknowledged so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).writes
    }

    /// Waits for a write that was asked for after `since` and acknowledged; gives the time from `since` to that.
    ///
    /// # Errors
    /// None within `within`.
    pub async fn served_since(&self, since: Instant, within: Duration) -> Result<Duration> {
        let served = wait::until("a write is acknowledged", within, async || {
            let newest = self.record.lock().unwrap_or_else(PoisonError::into_inner).newest;
            let (asked, acknowledged) = newest.context("none so far")?;
            ensure!(asked > since, "none that was asked for since then");
            Ok(acknowledged - since)
        });
        Ok(served.await?.0)
    }

    /// Checks that every write that was acknowledged before this call is there, as each of `apis` in turn sees it with
    /// linearizable reads; gives how many there were.
    ///
    /// # Errors
    /// One is missing, or no answer.
    pub async fn check(&self, apis: &[Api]) -> Result<usize> {
        let (expected, count) = {
            let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            (record.acknowledged.clone(), record.writes)
        };
        let clusters: Vec<&String> = expected.keys().collect();
        let mut missing = Vec::new();
        for names in clusters.chunks(DESCRIBED_AT_ONCE) {
            let there = read_tags(apis, names).await?;
            for name in names {
                let found = there.get(*name);
                let lost = expected[*name].iter().filter(|tag| !found.is_some_and(|tags| tags.contains(*tag)));
                missing.extend(lost.map(|tag| format!("{name}/{tag}")));
            }
        }
        ensure!(missing.is_empty(), "{} of {count} acknowledged writes are lost: {missing:?}", missing.len());
        Ok(count)
    }

    /// Stops the writers after the write that each is at.
    ///
    /// # Errors
    /// A writer was refused, or got no answer in [`WRITE_MAX`].
    pub async fn finish(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("finished already")?;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

async fn write(apis: Vec<Api>, writer: usize, record: Arc<Mutex<Record>>, stop: Arc<AtomicBool>) -> Result<()> {
    for number in 0.. {
        let name = format!("w{writer}-{number}");
        let arn = create(&apis, &name).await?;
        for tag in 0..TAGS_PER_CLUSTER {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let asked = Instant::now();
            put_tag(&apis, &arn, tag).await.with_context(|| format!("{name}/{tag}"))?;
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.acknowledged.entry(name.clone()).or_default().insert(tag.to_string());
            record.writes += 1;
            if record.newest.is_none_or(|(newest, _)| newest < asked) {
                record.newest = Some((asked, Instant::now()));
            }
        }
    }
    Ok(())
}

async fn create(apis: &[Api], name: &str) -> Result<String> {
    let created = anywhere(apis, WRITE_MAX, async |mut api| {
        let request = CreateClusterRequest { cluster_name: Some(name.to_owned()), ..Default::default() };
        Ok(api.ecs.create_cluster(request).await?.into_inner())
    });
    created.await?.cluster.and_then(|cluster| cluster.cluster_arn).context("an ARN")
}

async fn put_tag(apis: &[Api], arn: &str, tag: usize) -> Result<()> {
    anywhere(apis, WRITE_MAX, async |mut api| {
        let tags = vec![Tag { key: Some(tag.to_string()), value: Some("v".repeat(200)) }];
        let request = TagResourceRequest { resource_arn: Some(arn.to_owned()), tags };
        Ok(api.ecs.tag_resource(request).await?.into_inner())
    })
    .await
    .map(|_| ())
}

/// Cluster → the keys of its tags.
async fn read_tags(apis: &[Api], names: &[&String]) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let answer = anywhere(apis, WRITE_MAX, async |mut api| {
        let request = DescribeClustersRequest {
            clusters: names.iter().map(|name| (*name).clone()).collect(),
            include: vec![ClusterField::Tags.into()],
        };
        let mut request = tonic::Request::new(request);
        request.metadata_mut().insert("drydock-consistency", tonic::metadata::MetadataValue::from_static("strong"));
        Ok(api.ecs.describe_clusters(request).await?.into_inner())
    });
    let clusters = answer.await?.clusters.into_iter().map(|cluster| {
        let tags = cluster.tags.iter().filter_map(|tag| tag.key.clone()).collect();
        (cluster.cluster_name.unwrap_or_default(), tags)
    });
    Ok(clusters.collect())
}
