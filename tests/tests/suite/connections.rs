//! Ten thousand connections at once to the AWS port, from this process to a controller that is another: each is served or
//! refused with a whole answer, none is dropped without a word, and nothing of them stays behind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::http::{Answer, Connection, aws_request};
use drydock_tests::wait;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Connections at once, where the machine's limit on open files lets so many.
const CONNECTIONS: u64 = 10_000;
/// Files that this process needs for other things.
const OTHER_FILES: u64 = 200;
/// Files of a controller that can't take them all.
const FEW_FILES: u64 = 2_048;
/// All answers are there by then, in a debug build on a loaded machine, too.
const ANSWERED_MAX: Duration = Duration::from_secs(120);
/// Wait for the controller to see that its clients are gone.
const GONE_MAX: Duration = Duration::from_secs(20);

/// What the controller says that it holds.
async fn connections_held(address: &str) -> Result<u64> {
    let mut connection = Connection::dial(address).await?;
    let health = connection.call(b"GET /_drydock/health HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let health: serde_json::Value = serde_json::from_slice(&health.body)?;
    health["load"]["connections"].as_u64().with_context(|| health.to_string())
}

/// So many clients, each with one request on a connection of its own, which it keeps until all have their answers.
async fn all_at_once(address: &str, count: usize) -> Result<Vec<Answer>> {
    let (address, together) = (Arc::<str>::from(address), Arc::new(Barrier::new(count)));
    let request = Arc::<[u8]>::from(aws_request("ListClusters", "{}"));
    let mut clients = JoinSet::new();
    for _ in 0..count {
        let (address, together, request) = (Arc::clone(&address), Arc::clone(&together), Arc::clone(&request));
        clients.spawn(async move {
            let ask = async {
                let mut connection = Connection::dial(&address).await.context("dial")?;
                let answer = connection.call(&request).await?;
                anyhow::Ok((connection, answer))
            };
            let asked = ask.await;
            together.wait().await;
            asked.map(|(_, answer)| answer)
        });
    }
    let mut answers = Vec::new();
    while let Some(client) = clients.join_next().await {
        answers.push(client??);
    }
    Ok(answers)
}

async fn storm(files: Option<u64>) -> Result<(usize, usize)> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let count = usize::try_from(limit.maximum.map_or(CONNECTIONS, |hard| (hard - OTHER_FILES).min(CONNECTIONS)))?;
    let options = Options { controllers: 1, instances: 0, files, ..Options::default() };
    let mut cluster = Cluster::start(options).await?;
    let address = cluster.controllers[0].aws_address.clone();
    let before = cluster.controllers[0].process()?.resident_bytes()?;
    let answers = tokio::time::timeout(ANSWERED_MAX, all_at_once(&address, count)).await.context("late")??;
    let during = cluster.controllers[0].process()?.resident_bytes()?;
    ensure!(answers.len() == count, "{} answers to {count} requests", answers.len());
    let mut served = 0;
    for answer in &answers {
        let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
        ensure!(answer.header("x-amzn-requestid").is_some(), "no id: {answer:?}");
        match answer.status {
            200 => served += 1,
            503 => ensure!(body["__type"] == "ThrottlingException" && body["message"] == "Rate exceeded", "{answer:?}"),
            _ => anyhow::bail!("{answer:?}"),
        }
        ensure!(answer.status == 200 || answer.header("connection") == Some("close"), "{answer:?}");
    }
    wait::holds("its clients are gone", GONE_MAX, async || {
        // That of the asking itself is one.
        let held = connections_held(&address).await?;
        ensure!(held == 1, "{held} connections");
        Ok(())
    })
    .await?;
    let again = Connection::dial(&address).await?.call(&aws_request("ListClusters", "{}")).await?;
    ensure!(again.status == 200, "{again:?}");
    println!(
        "{count} connections at once: {served} served, {} refused; {} KiB of memory a connection",
        count - served,
        during.saturating_sub(before) / 1024 / u64::try_from(count)?
    );
    cluster.finish().await?;
    Ok((served, count - served))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_at_once_get_ten_thousand_answers() -> Result<()> {
    let (served, _) = storm(None).await?;
    ensure!(served > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn those_beyond_the_limit_on_files_are_refused_with_a_whole_answer() -> Result<()> {
    let (served, refused) = storm(Some(FEW_FILES)).await?;
    // Half its files are for connections, and each client keeps its own until all are answered.
    let half = usize::try_from(FEW_FILES / 2)?;
    ensure!(served == half && refused > 0, "{served} served, {refused} refused");
    Ok(())
}
