//! Calls a second on the AWS wire and their latency for 1, 16 and 64 connections: three controllers on this machine beside
//! moto's server, in the same run, by the same load generator with the same requests, in alternated rounds.
//!
//! `cargo bench -p drydock-tests --bench wire -- [--seconds N] [--rounds N] [--clients 1,16,64] [--spread]`
//!
//! By default every connection goes to the leader; `--spread` measures a controller that doesn't lead, too, and so hands
//! each write on. Drydock answers a write after two of three controllers have synced it to disk; moto keeps all in memory.
#![allow(clippy::print_stdout, reason = "a benchmark prints, and its figures are for people")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drydock_tests::cluster::{CLUSTER, Cluster, Options};
use drydock_tests::load::{self, Measured};
use drydock_tests::moto::{self, Moto};
use drydock_tests::wire::{DESCRIBED, Operation, Side, TASKS};

/// Run before the first round of each level and not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// CPU units and MiB of each container instance: room for all tasks.
const CAPACITY: (u32, u32) = (1_000_000, 10_000_000);
/// The cluster of Drydock's whose container instances have no agent. (None of moto's has one.)
const BARE: &str = "bare";
/// Connections at which the targets hold.
const TARGET_AT: usize = 16;

struct Arguments {
    seconds: u64,
    rounds: usize,
    clients: Vec<usize>,
    spread: bool,
}

fn arguments() -> Result<Arguments> {
    let mut found = Arguments { seconds: 2, rounds: 2, clients: vec![1, 16, 64], spread: false };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().with_context(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--seconds" => found.seconds = value()?.parse()?,
            "--rounds" => found.rounds = value()?.parse()?,
            "--clients" => found.clients = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--spread" => found.spread = true,
            // What `cargo bench` puts in.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(found)
}

/// Times moto's rate that are asked for and aimed at.
fn target(operation: Operation) -> Option<(u32, u32)> {
    match operation {
        Operation::RunTask => Some((20, 50)),
        Operation::DescribeTasks => Some((50, 100)),
        Operation::ListTasks | Operation::RegisterTaskDefinition | Operation::RunTaskByAgent => None,
    }
}

/// Lets agents finish what was started, so that they take nothing from who is measured next.
async fn rest(side: &Side, operation: Operation) -> Result<()> {
    if operation == Operation::RunTaskByAgent && side.name != "moto" { side.at_rest().await } else { Ok(()) }
}

async fn measure(sides: &[Side], operation: Operation, clients: usize, arguments: &Arguments) -> Result<()> {
    let mut all: Vec<Measured> = sides.iter().map(|_| Measured::default()).collect();
    for side in sides {
        load::run(&Arc::new(side.calls(operation, clients).await?), clients, WARM_UP).await;
        rest(side, operation).await?;
    }
    for _ in 0..arguments.rounds {
        for (side, sum) in sides.iter().zip(&mut all) {
            let calls = Arc::new(side.calls(operation, clients).await?);
            sum.add(load::run(&calls, clients, Duration::from_secs(arguments.seconds)).await);
            rest(side, operation).await?;
        }
    }
    println!("\n{} over {clients} connections", operation.title());
    for (side, found) in sides.iter().zip(&all) {
        println!(
            "  {:16}{:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  errors {}",
            side.name,
            found.rate(),
            found.percentile_ms(50),
            found.percentile_ms(99),
            found.errors
        );
        if let Some(error) = &found.first_error {
            println!("                  first error: {error}");
        }
    }
    let Some((theirs, ours)) = all.split_last().filter(|_| sides.last().is_some_and(|side| side.name == "moto")) else {
        return Ok(());
    };
    for (side, found) in sides.iter().zip(ours) {
        let wanted = target(operation).filter(|_| clients == TARGET_AT);
        let wanted = wanted.map_or_else(String::new, |(least, aim)| format!(" (asked for: {least}, aimed at: {aim})"));
        println!(
            "  {:16}{:>8.1} times moto's rate{wanted}, p99 {:.3} times moto's",
            side.name,
            found.rate() / theirs.rate(),
            found.percentile_ms(99) / theirs.percentile_ms(99)
        );
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = arguments()?;
    println!(
        "The AWS wire: DescribeTasks for {DESCRIBED} of {TASKS} tasks, ListTasks of {TASKS}, RegisterTaskDefinition of one \
         container, RunTask of one task on instances without an agent, and then with agents that run it; {} processors, {} rounds of {} s each",
        std::thread::available_parallelism()?,
        arguments.rounds,
        arguments.seconds
    );
    let options = Options { capacity: CAPACITY, ..Options::default() };
    let instances = options.instances;
    let mut cluster = Cluster::start(options).await?;
    let leader = cluster.leader().await?;
    let address = cluster.controllers[leader].aws_address.clone();
    Side::make_bare(&address, BARE, (instances, CAPACITY.0, CAPACITY.1)).await?;
    let mut sides = vec![Side::prepare("drydock", &address, BARE).await?];
    if arguments.spread {
        let follower = (leader + 1) % cluster.controllers.len();
        sides.push(Side::prepare("drydock follower", &cluster.controllers[follower].aws_address, BARE).await?);
    }
    let moto = match moto::installed() {
        Some(version) => Some(Moto::start(version).await?),
        None => {
            println!("moto's server isn't installed here (pip install 'moto[server]'): no comparison");
            None
        }
    };
    if let Some(moto) = &moto {
        println!("moto {}", moto.version);
        sides.push(Side::prepare("moto", &moto.address, CLUSTER).await?);
    }
    for operation in Operation::ALL {
        for clients in &arguments.clients {
            measure(&sides, operation, *clients, &arguments).await?;
        }
    }
    if let Some(moto) = moto {
        moto.finish()?;
    }
    cluster.finish().await
}
