//! The one place that waits: a condition is asked again until it holds or its deadline has passed. No suite sleeps.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Time between two askings: short beside everything that is waited for, long beside what an asking costs.
const POLL: Duration = Duration::from_millis(10);

/// Asks `condition` until it gives `Ok`, and gives that back with the time that it took.
///
/// # Errors
/// `within` has passed: the last error, with `what` and the deadline.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    let mut last = None;
    loop {
        let left = within.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(value)) => return Ok((value, start.elapsed())),
            Ok(Err(error)) => last = Some(error),
            Err(_) if last.is_none() => bail!("{what}: no answer within {within:?}"),
            Err(_) => {}
        }
        if start.elapsed() >= within {
            let error = last.unwrap_or_else(|| anyhow::anyhow!("never asked"));
            return Err(error).with_context(|| format!("{what}: not within {within:?}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// As [`until`], where only the fact matters.
///
/// # Errors
/// As [`until`].
pub async fn holds(what: &str, within: Duration, condition: impl AsyncFnMut() -> Result<()>) -> Result<Duration> {
    until(what, within, condition).await.map(|((), took)| took)
}

/// Lets a load run for as long as a benchmark or a fault test says. Nothing is concluded from its end.
pub async fn for_load(time: Duration) {
    tokio::time::sleep(time).await;
}
