//! A follower that was away for longer than the log reaches back catches up by snapshot while writes go on, and what all
//! controllers hold on disk stays bounded meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::disk::folder_bytes;
use drydock_tests::writers::Writers;
use drydock_tests::writes::{self, Tags};
use drydock_tests::{load, wait};

/// Log entries that the follower misses unless `DRYDOCK_TEST_ENTRIES` says otherwise: more than are kept behind a
/// snapshot, so that only a snapshot can help. (`benches/endurance.rs` has the large numbers.)
const ENTRIES: u64 = 15_000;
/// Clients of the load that makes these entries.
const CLIENTS: usize = 64;
/// Length of one burst of that load.
const BURST: Duration = Duration::from_secs(2);
/// Time for the follower to catch up.
const CAUGHT_UP_MAX: Duration = Duration::from_secs(120);
/// A controller's folder may hold this much: 64 MiB of log that make it take a snapshot, as much again that is being
/// written meanwhile, and two snapshots of a small state.
const DISK_BYTES_MAX: u64 = 192 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_missed_the_log_catches_up_by_snapshot() -> Result<()> {
    let entries = std::env::var("DRYDOCK_TEST_ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(ENTRIES);
    let mut cluster = Cluster::start(Options { instances: 0, ..Options::default() }).await?;
    let leader = cluster.leader().await?;
    let away = (leader + 1) % cluster.controllers.len();
    let leader_api = drydock_tests::client::Api::new(&cluster.controllers[leader].api_address)?;
    let arns = writes::prepare(std::slice::from_ref(&leader_api)).await?;
    cluster.controllers[away].kill()?;
    let start = leader_api.status().await?.applied_index;
    let target =
        Tags::connect(std::slice::from_ref(&leader_api.address), load::connections(CLIENTS), &arns, 256).await?;
    let target = Arc::new(target);
    let mut missed = 0;
    while missed < entries {
        let burst = load::run(&target, CLIENTS, BURST).await;
        ensure!(burst.errors == 0, "{:?}", burst.first_error);
        missed = leader_api.status().await?.applied_index - start;
    }

    let mut writers = Writers::start(&cluster.addresses(), 2);
    let back = Instant::now();
    cluster.controllers[away].start()?;
    let away_api = drydock_tests::client::Api::new(&cluster.controllers[away].api_address)?;
    let reached = leader_api.status().await?.applied_index;
    let what = format!("the follower has applied entry {reached}");
    let (status, _) = wait::until(&what, CAUGHT_UP_MAX, async || {
        let status = away_api.status().await?;
        ensure!(status.applied_index >= reached, "it is at {}", status.applied_index);
        Ok(status)
    })
    .await?;
    println!("away for {missed} entries, caught up {:?} after its start while writes went on", back.elapsed());
    let own = status.controllers.iter().find(|c| c.id == status.controller_id).context("itself")?;
    assert!(own.snapshot_index > start, "it got there without a snapshot: {own:?}");
    writers.finish().await?;
    writers.check(std::slice::from_ref(&away_api)).await?;
    for controller in &cluster.controllers {
        let bytes = folder_bytes(&controller.data_dir)?;
        println!("{}: {} KiB on disk", controller.name, bytes / 1024);
        assert!(bytes <= DISK_BYTES_MAX, "{}: {bytes} bytes", controller.name);
    }
    cluster.finish().await
}
