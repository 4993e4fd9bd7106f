//! How long three controllers and three agents take from nothing to ready, and what each holds in memory when idle.
//!
//! `cargo bench -p drydock-tests --bench idle`. Issue 2 asks for at most 3 s, 40 MiB a controller and 20 MiB an agent.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and its figures are for people"
)]

use std::time::Duration;

use anyhow::Result;
use drydock_tests::cluster::{Cluster, Member, Options};
use drydock_tests::wait;

/// How often a cluster is started from nothing.
const STARTS: usize = 5;
/// Nothing happens for this long before memory is read.
const IDLE: Duration = Duration::from_secs(5);

fn mib(member: &mut Member) -> Result<f64> {
    Ok(member.process()?.resident_bytes()? as f64 / (1024.0 * 1024.0))
}

#[tokio::main]
async fn main() -> Result<()> {
    for start in 1..=STARTS {
        let mut cluster = Cluster::prepare(Options::default()).await?;
        let took = cluster.begin().await?;
        println!("start {start}: ready (one leader, three instances ACTIVE) after {took:?}");
        if start == STARTS {
            wait::for_load(IDLE).await;
            for member in cluster.controllers.iter_mut().chain(&mut cluster.agents) {
                let name = member.name.clone();
                println!("{name}: {:.1} MiB resident, idle for {IDLE:?}", mib(member)?);
            }
        }
        cluster.finish().await?;
    }
    Ok(())
}
