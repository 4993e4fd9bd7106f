//! Pulls the body of a snapshot from the peer that offered it, on a connection of its own, so that it never delays
//! raft's messages.

use drydock_consensus::SnapshotFetch;
use drydock_proto::raft::FetchSnapshotRequest;

use super::link::{client, endpoint, with_causes};
use super::{Credentials, hex};
use crate::limits::SNAPSHOT_PART_MAX;

/// Fetches, verifies and installs; a failure is logged, and the leader offers the snapshot again.
pub(crate) async fn run(fetch: SnapshotFetch, address: String, credentials: Credentials) {
    let (from, index, size) = (fetch.from(), fetch.meta().index, fetch.meta().size);
    tracing::info!(from, index, size, offset = fetch.offset(), "fetching a snapshot");
    match pull(fetch, &address, credentials).await {
        Ok(()) => tracing::info!(from, index, "the snapshot is here"),
        Err(reason) => tracing::warn!(from, index, reason, "fetching the snapshot failed"),
    }
}

async fn pull(mut fetch: SnapshotFetch, address: &str, credentials: Credentials) -> Result<(), String> {
    let request = FetchSnapshotRequest {
        fingerprint: hex(credentials.fingerprint),
        index: fetch.meta().index,
        term: fetch.meta().term,
        offset: fetch.offset(),
        from: credentials.id,
    };
    let channel = endpoint(address).map_err(|error| with_causes(&error))?;
    let channel = channel.connect().await.map_err(|error| with_causes(&error))?;
    let mut parts = client(channel).fetch_snapshot(request).await.map_err(|status| status.to_string())?.into_inner();
    loop {
        let part = tokio::time::timeout(SNAPSHOT_PART_MAX, parts.message()).await;
        let part = part.map_err(|_| format!("no part came for {SNAPSHOT_PART_MAX:?}"))?;
        let Some(part) = part.map_err(|status| status.to_string())? else { break };
        if part.offset != fetch.offset() {
            return Err(format!("a part at {} came, not the one at {}", part.offset, fetch.offset()));
        }
        fetch = in_background(move || fetch.write(&part.data).map(|()| fetch)).await?;
    }
    in_background(move || fetch.finish()).await
}

/// The disk may block: not on a worker of the runtime.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, drydock_consensus::FetchError> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| with_causes(&error))
}
