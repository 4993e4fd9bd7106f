//! Load for benchmarks: so many clients over so many connections, each with one call in flight, for so long. The same
//! generator drives Drydock and etcd.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::wait;

/// Something that takes one write at a time from each of many clients.
pub trait Target: Send + Sync + 'static {
    /// Makes write number `sequence` of client `client`; the connection is the client's choice by its number.
    fn write(&self, client: usize, sequence: u64) -> impl Future<Output = Result<()>> + Send;
}

/// What a run of the load gave.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Writes acknowledged.
    pub writes: usize,
    /// Writes refused or lost.
    pub errors: usize,
    /// Text of the first error.
    pub first_error: Option<String>,
    /// Length of the run.
    pub elapsed: Duration,
    /// Latency of every acknowledged write, in microseconds, sorted.
    pub latencies_us: Vec<u32>,
}

impl Measured {
    /// Acknowledged writes a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        self.writes as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in milliseconds that a share of `percent` of the writes didn't exceed.
    #[must_use]
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        f64::from(percentile(&self.latencies_us, percent)) / 1_000.0
    }

    /// Puts another run of the same load to this one.
    pub fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.errors += other.errors;
        self.elapsed += other.elapsed;
        self.first_error = self.first_error.take().or(other.first_error);
        self.latencies_us.extend(other.latencies_us);
        self.latencies_us.sort_unstable();
    }
}

/// The value below which `percent` of a sorted list lie (nearest rank); the default where it is empty.
#[must_use]
pub fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Runs `clients` clients against `target` for `time`.
pub async fn run<T: Target>(target: &Arc<T>, clients: usize, time: Duration) -> Measured {
    let start = Instant::now();
    let end = start + time;
    let running: Vec<_> =
        (0..clients).map(|client| tokio::spawn(client_loop(Arc::clone(target), client, end))).collect();
    let mut all = Measured::default();
    for client in running {
        match client.await {
            Ok(one) => {
                all.writes += one.writes;
                all.errors += one.errors;
                all.first_error = all.first_error.take().or(one.first_error);
                all.latencies_us.extend(one.latencies_us);
            }
            Err(panic) => all.first_error = Some(panic.to_string()),
        }
    }
    all.elapsed = start.elapsed();
    all.latencies_us.sort_unstable();
    all
}

async fn client_loop<T: Target>(target: Arc<T>, client: usize, end: Instant) -> Measured {
    let mut found = Measured::default();
    let mut sequence = 0;
    while Instant::now() < end {
        let asked = Instant::now();
        match target.write(client, sequence).await {
            Ok(()) => {
                found.writes += 1;
                found.latencies_us.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Err(error) => {
                found.errors += 1;
                found.first_error.get_or_insert_with(|| format!("{error:#}"));
                // A target that refuses at once must not be asked in a tight loop.
                wait::for_load(Duration::from_millis(10)).await;
            }
        }
        sequence += 1;
    }
    found
}

/// Connections for so many clients: one for each sixteen, as a client library with a pool would.
#[must_use]
pub fn connections(clients: usize) -> usize {
    clients.div_ceil(16)
}

#[cfg(test)]
mod tests {
    use super::{connections, percentile};

    #[test]
    fn percentiles_are_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!([1, 50, 99, 100].map(|p| percentile(&hundred, p)), [1, 50, 99, 100]);
        assert_eq!(percentile(&[7_u32], 50), 7);
        assert_eq!(percentile::<u32>(&[], 99), 0);
        assert_eq!([1, 64, 256, 1_000].map(connections), [1, 4, 16, 63]);
    }
}
