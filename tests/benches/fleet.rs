//! Real controllers, real sockets, and a fleet that one process pretends: from nothing to so many tasks RUNNING. Containers
//! are simulated, which is said wherever a figure is printed.
//!
//! `cargo bench -p drydock-tests --bench fleet -- [--instances N] [--tasks N]`, 5,000 and 100,000 by default. Tasks are started
//! by RunTask of ten each over 16 connections; meanwhile one client calls DescribeTasks of ten tasks ten times a second.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and its figures are for people"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use drydock_tests::aws_port::done;
use drydock_tests::cluster::{CLUSTER, Cluster, Options};
use drydock_tests::http::{Connection, aws_request};
use drydock_tests::load::percentile;
use drydock_tests::wait;
use serde_json::{Value, json};

/// Connections that call RunTask.
const CLIENTS: usize = 16;
/// Tasks of one RunTask: ECS's most.
const TASKS_A_CALL: usize = 10;
/// Between two calls of the client that asks meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// All must have joined, and all tasks run, within this.
const PATIENCE: Duration = Duration::from_secs(900);
/// CPU units and MiB of an instance, and of a task.
const CAPACITY: (u32, u32) = (16_384, 65_536);
const TASK: (u32, u32) = (256, 512);

fn arguments() -> Result<(u32, usize)> {
    let (mut instances, mut tasks) = (5_000, 100_000);
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().with_context(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--instances" => instances = value()?.parse()?,
            "--tasks" => tasks = value()?.parse()?,
            // What `cargo bench` puts in.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok((instances, tasks))
}

/// The cluster as DescribeClusters shows it.
fn described(address: &str) -> Result<Value> {
    let answer = done(address, "DescribeClusters", &json!({ "clusters": [CLUSTER] }))?;
    Ok(answer["clusters"][0].clone())
}

async fn ask(connection: &mut Connection, operation: &str, body: &Value) -> Result<Value> {
    let answer = connection.call(&aws_request(operation, &body.to_string())).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status == 200, "{operation}: {} {text}", answer.status);
    Ok(serde_json::from_str(&text)?)
}

/// Starts tasks until `left` are; gives the ARNs of the last call.
async fn start(address: String, left: Arc<AtomicUsize>) -> Result<Vec<Value>> {
    let mut connection = Connection::dial(&address).await?;
    let mut last = Vec::new();
    let taken = |left: usize| left.checked_sub(TASKS_A_CALL);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok() {
        let request = json!({ "cluster": CLUSTER, "taskDefinition": "fleet", "count": TASKS_A_CALL });
        let answer = ask(&mut connection, "RunTask", &request).await?;
        let tasks = answer["tasks"].as_array().context("tasks")?;
        ensure!(tasks.len() == TASKS_A_CALL, "{answer}");
        last = tasks.iter().map(|task| task["taskArn"].clone()).collect();
    }
    Ok(last)
}

/// Latencies in microseconds of DescribeTasks, asked until `over`.
async fn asked_meanwhile(address: String, tasks: Vec<Value>, over: Arc<AtomicBool>) -> Result<Vec<u32>> {
    let mut connection = Connection::dial(&address).await?;
    let mut found = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        ask(&mut connection, "DescribeTasks", &json!({ "cluster": CLUSTER, "tasks": tasks })).await?;
        found.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        wait::for_load(ASK_EVERY).await;
    }
    found.sort_unstable();
    Ok(found)
}

#[tokio::main]
async fn main() -> Result<()> {
    let (instances, tasks) = arguments()?;
    println!(
        "{instances} simulated instances, {tasks} simulated tasks, three controllers; {} processors",
        std::thread::available_parallelism()?
    );
    let options = Options { instances: 1, fleet: Some(instances), capacity: CAPACITY, ..Options::default() };
    let begun = Instant::now();
    let mut cluster = Cluster::start(options).await?;
    let leader = cluster.leader().await?;
    let address = cluster.controllers[leader].aws_address.clone();
    wait::until("all simulated instances have joined", PATIENCE, async || {
        let found = described(&address)?;
        ensure!(found["registeredContainerInstancesCount"] == instances, "{found}");
        Ok(())
    })
    .await?;
    println!("joined: {instances} simulated instances after {:.1} s", begun.elapsed().as_secs_f64());

    let definition = json!({ "family": "fleet", "containerDefinitions": [{
        "name": "app", "image": "app:1", "cpu": TASK.0, "memory": TASK.1, "essential": true }] });
    done(&address, "RegisterTaskDefinition", &definition)?;
    let first = start(address.clone(), Arc::new(AtomicUsize::new(TASKS_A_CALL))).await?;
    let over = Arc::new(AtomicBool::new(false));
    let meanwhile = tokio::spawn(asked_meanwhile(address.clone(), first, Arc::clone(&over)));
    let (cpu, begun) = (cluster.controllers[leader].process()?.cpu_time()?, Instant::now());
    let left = Arc::new(AtomicUsize::new(tasks - TASKS_A_CALL));
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(start(address.clone(), Arc::clone(&left)))).collect();
    for client in clients {
        client.await??;
    }
    let accepted = begun.elapsed();
    wait::until("all simulated tasks are RUNNING", PATIENCE, async || {
        let found = described(&address)?;
        ensure!(found["runningTasksCount"] == tasks, "{found}");
        Ok(())
    })
    .await?;
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    let latencies = meanwhile.await??;
    let cpu = cluster.controllers[leader].process()?.cpu_time()?.saturating_sub(cpu);
    println!(
        "RUNNING: {tasks} simulated tasks after {:.1} s, {:.0} a second; RunTask had answered for all after {:.1} s",
        took.as_secs_f64(),
        tasks as f64 / took.as_secs_f64(),
        accepted.as_secs_f64()
    );
    println!(
        "the leader: {:.2} processors on average, {} MiB resident ({:.1} kB for each simulated task)",
        cpu.as_secs_f64() / took.as_secs_f64(),
        cluster.controllers[leader].process()?.resident_bytes()? / (1024 * 1024),
        cluster.controllers[leader].process()?.resident_bytes()? as f64 / tasks as f64 / 1000.0
    );
    println!(
        "DescribeTasks meanwhile: {} calls, p50 {:.1} ms, p99 {:.1} ms",
        latencies.len(),
        f64::from(percentile(&latencies, 50)) / 1000.0,
        f64::from(percentile(&latencies, 99)) / 1000.0
    );
    println!("the fleet: {} MiB resident", cluster.agents[0].process()?.resident_bytes()? / (1024 * 1024));
    cluster.finish().await
}
