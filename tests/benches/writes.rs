//! Durable writes a second and their latency for 1, 64, 256 and 1,000 concurrent clients: three controllers on this
//! machine beside a three-member etcd, in the same run, by the same load generator, in alternated rounds.
//!
//! `cargo bench -p drydock-tests --bench writes -- [--seconds N] [--rounds N] [--clients 1,64] [--spread] [--etcd-only]`
//!
//! By default every connection goes to the leader of either side; `--spread` gives each member a third of them. Both
//! sides acknowledge after a quorum has synced the write to its disk; etcd runs with its defaults.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and its figures are for people"
)]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::etcd::{self, Etcd};
use drydock_tests::load::{self, Measured};
use drydock_tests::tasks;
use drydock_tests::writes::{self, Tags};

/// Bytes of a value on either side.
const VALUE_BYTES: usize = 256;
/// Tasks whose cost is measured at the end.
const TASKS: i32 = 3_000;
/// Run before the first round of each level and not counted.
const WARM_UP: Duration = Duration::from_secs(1);

struct Arguments {
    seconds: u64,
    rounds: usize,
    clients: Vec<usize>,
    spread: bool,
    etcd_only: bool,
}

fn arguments() -> Result<Arguments> {
    let mut found =
        Arguments { seconds: 3, rounds: 3, clients: vec![1, 64, 256, 1_000], spread: false, etcd_only: false };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().with_context(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--seconds" => found.seconds = value()?.parse()?,
            "--rounds" => found.rounds = value()?.parse()?,
            "--clients" => found.clients = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--spread" => found.spread = true,
            "--etcd-only" => found.etcd_only = true,
            // What `cargo bench` puts in.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(found)
}

/// One side of the comparison, ready to take load.
enum Side {
    Drydock { addresses: Vec<String>, arns: Vec<String> },
    Etcd(Etcd),
}

impl Side {
    fn name(&self) -> &'static str {
        match self {
            Self::Drydock { .. } => "drydock",
            Self::Etcd(_) => "etcd",
        }
    }

    async fn round(&self, clients: usize, time: Duration, spread: bool) -> Result<Measured> {
        let connections = load::connections(clients);
        Ok(match self {
            Self::Drydock { addresses, arns } => {
                let target = Tags::connect(addresses, connections, arns, VALUE_BYTES).await?;
                load::run(&Arc::new(target), clients, time).await
            }
            Self::Etcd(etcd) => {
                let target = etcd.target(connections, !spread, VALUE_BYTES).await?;
                load::run(&Arc::new(target), clients, time).await
            }
        })
    }
}

/// What one side gave at one level: all rounds together, and each round's rate.
struct Level {
    all: Measured,
    rates: Vec<f64>,
}

impl Level {
    /// The median of the rounds' rates.
    fn rate(&self) -> f64 {
        let mut sorted = self.rates.clone();
        sorted.sort_by(f64::total_cmp);
        load::percentile(&sorted, 50)
    }

    fn text(&self) -> String {
        let low = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.rates.iter().copied().fold(0.0, f64::max);
        format!(
            "{:>8.0}/s ({low:.0} to {high:.0})  p50 {:>7.2} ms  p99 {:>7.2} ms  errors {}",
            self.rate(),
            self.all.percentile_ms(50),
            self.all.percentile_ms(99),
            self.all.errors
        )
    }
}

async fn measure(sides: &[Side], arguments: &Arguments) -> Result<()> {
    for clients in &arguments.clients {
        for side in sides {
            side.round(*clients, WARM_UP, arguments.spread).await?;
        }
        let mut levels: Vec<Level> =
            sides.iter().map(|_| Level { all: Measured::default(), rates: Vec::new() }).collect();
        for _ in 0..arguments.rounds {
            for (side, level) in sides.iter().zip(&mut levels) {
                let one = side.round(*clients, Duration::from_secs(arguments.seconds), arguments.spread).await?;
                level.rates.push(one.rate());
                level.all.add(one);
            }
        }
        println!("\n{clients} clients over {} connections", load::connections(*clients));
        for (side, level) in sides.iter().zip(&levels) {
            println!("  {:8}{}", side.name(), level.text());
            if let Some(error) = &level.all.first_error {
                println!("           first error: {error}");
            }
        }
        if let [ours, theirs] = levels.as_slice() {
            println!(
                "  ratio    {:.2} times etcd's rate, p99 {:.2} times etcd's",
                ours.rate() / theirs.rate(),
                ours.all.percentile_ms(99) / theirs.all.percentile_ms(99)
            );
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = arguments()?;
    let processors = std::thread::available_parallelism()?;
    println!(
        "Durable writes: TagResource with a value of {VALUE_BYTES} bytes against three controllers, a put of {VALUE_BYTES} \
         bytes against three members of etcd; {processors} processors, {} rounds of {} s each, connections {}",
        arguments.rounds,
        arguments.seconds,
        if arguments.spread { "spread over the members" } else { "to the leader" }
    );
    let mut sides = Vec::new();
    let mut cluster = None;
    if !arguments.etcd_only {
        cost_of_a_task().await?;
        let started = cluster.insert(Cluster::start(Options { instances: 0, ..Options::default() }).await?);
        let leader = started.leader().await?;
        let apis = started.apis()?;
        let arns = writes::prepare(&apis).await?;
        let all = started.controllers.iter().map(|c| c.api_address.clone());
        let addresses = if arguments.spread { all.collect() } else { all.skip(leader).take(1).collect() };
        sides.push(Side::Drydock { addresses, arns });
    }
    if etcd::is_installed() {
        let etcd = Etcd::start().await?;
        println!("etcd {}", etcd.version);
        sides.push(Side::Etcd(etcd));
    } else {
        println!("etcd isn't installed here (Debian: apt-get install etcd-server): no comparison");
    }
    measure(&sides, &arguments).await?;
    for side in sides {
        if let Side::Etcd(etcd) = side {
            etcd.finish()?;
        }
    }
    match cluster {
        Some(cluster) => cluster.finish().await,
        None => Ok(()),
    }
}

/// On a cluster of its own, so that its log holds nothing else.
async fn cost_of_a_task() -> Result<()> {
    let mut cluster = Cluster::start(Options { capacity: (100_000, 100_000), ..Options::default() }).await?;
    println!("\n{TASKS} simulated tasks, from RunTask to RUNNING, cost each controller:");
    for cost in tasks::cost(&mut cluster, TASKS).await? {
        println!(
            "  {}: {} bytes of log and {} bytes of memory a task",
            cost.name, cost.log_bytes_a_task, cost.memory_bytes_a_task
        );
    }
    cluster.finish().await
}
