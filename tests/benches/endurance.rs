//! A million log entries: what the controllers hold on disk and in memory meanwhile, and how a follower that was away
//! for 100,000 of them catches up by snapshot while writes go on.
//!
//! `cargo bench -p drydock-tests --bench endurance -- [--entries N] [--away N]`
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use drydock_tests::client::Api;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::disk::folder_bytes;
use drydock_tests::writes::{self, Tags};
use drydock_tests::{load, wait};

/// Clients of the load.
const CLIENTS: usize = 256;
/// The load runs in bursts of this length; figures are read between two.
const BURST: Duration = Duration::from_secs(1);
/// Time for the follower to catch up.
const CAUGHT_UP_MAX: Duration = Duration::from_secs(300);
/// A line of figures each time that so many entries were added.
const PRINT_EVERY: u64 = 100_000;

/// The load on one leader, as far as it has got.
struct Endurance {
    cluster: Cluster,
    leader: Api,
    target: Arc<Tags>,
    first: u64,
}

impl Endurance {
    async fn start() -> Result<Self> {
        let mut cluster = Cluster::start(Options { instances: 0, ..Options::default() }).await?;
        let leader = cluster.leader().await?;
        let leader = Api::new(&cluster.controllers[leader].api_address)?;
        let arns = writes::prepare(std::slice::from_ref(&leader)).await?;
        let addresses = [leader.address.clone()];
        let target = Arc::new(Tags::connect(&addresses, load::connections(CLIENTS), &arns, 256).await?);
        let first = leader.status().await?.applied_index;
        Ok(Self { cluster, leader, target, first })
    }

    async fn entries(&self) -> Result<u64> {
        Ok(self.leader.status().await?.applied_index - self.first)
    }

    async fn until(&mut self, entries: u64) -> Result<()> {
        let mut next = (self.entries().await? / PRINT_EVERY + 1) * PRINT_EVERY;
        while self.entries().await? < entries {
            let burst = load::run(&self.target, CLIENTS, BURST).await;
            ensure!(burst.errors == 0, "{:?}", burst.first_error);
            if self.entries().await? >= next {
                self.print().await?;
                next += PRINT_EVERY;
            }
        }
        Ok(())
    }

    async fn print(&mut self) -> Result<()> {
        let mut line = format!("{:>9} entries", self.entries().await?);
        for member in self.cluster.controllers.iter_mut().filter(|member| member.is_started()) {
            let disk = folder_bytes(&member.data_dir)? / (1024 * 1024);
            let memory = member.process()?.resident_bytes()? / (1024 * 1024);
            line.push_str(&format!("   {}: {disk} MiB on disk, {memory} MiB resident", member.name));
        }
        println!("{line}");
        Ok(())
    }

    /// Starts the follower again and keeps the load going until it has applied what was committed when it came back.
    async fn catch_up(&mut self, away: usize) -> Result<()> {
        let reached = self.leader.status().await?.applied_index;
        let back = Instant::now();
        self.cluster.controllers[away].start()?;
        let follower = Api::new(&self.cluster.controllers[away].api_address)?;
        let load = tokio::spawn({
            let target = Arc::clone(&self.target);
            async move { load::run(&target, CLIENTS, Duration::from_secs(10)).await }
        });
        let what = format!("the follower has applied entry {reached}");
        let (status, _) = wait::until(&what, CAUGHT_UP_MAX, async || {
            let status = follower.status().await?;
            ensure!(status.applied_index >= reached, "it is at {}", status.applied_index);
            Ok(status)
        })
        .await?;
        let took = back.elapsed();
        let own = status.controllers.iter().find(|c| c.id == status.controller_id).context("itself")?;
        println!(
            "the follower came back, took the snapshot of entry {} and had caught up after {took:?}; meanwhile {:.0} \
             writes/s were acknowledged",
            own.snapshot_index,
            load.await?.rate()
        );
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let (mut entries, mut away_for) = (1_000_000, 100_000);
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        match flag.as_str() {
            "--entries" => entries = given.next().context("a number")?.parse()?,
            "--away" => away_for = given.next().context("a number")?.parse()?,
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    let mut endurance = Endurance::start().await?;
    let leader = endurance.cluster.leader().await?;
    let away = (leader + 1) % endurance.cluster.controllers.len();
    println!("{} is killed for the first {away_for} entries", endurance.cluster.controllers[away].name);
    endurance.cluster.controllers[away].kill()?;
    endurance.until(away_for).await?;
    endurance.catch_up(away).await?;
    endurance.until(entries).await?;
    endurance.print().await?;
    endurance.cluster.finish().await
}
