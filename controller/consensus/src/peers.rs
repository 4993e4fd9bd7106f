//! What the controller implements: sending to the other replicas. No sockets here.

use crate::snapshot::{SnapshotError, SnapshotMeta, SnapshotWriter};
use crate::{Membership, RaftId};

/// The other replicas, as seen from the driver thread. No method may block.
pub trait Peers: Send + 'static {
    /// Queues encoded raft messages to `to`, in order. `false`: they (or some) were dropped, because the queue is
    /// full or the peer unreachable; raft is told and repairs. A later failure goes to [`crate::Handle::unreachable`].
    fn send(&mut self, to: RaftId, messages: Vec<Vec<u8>>) -> bool;

    /// Starts to fetch a snapshot's body from `fetch.from`, in the background. Dropping the fetch means that it failed.
    fn fetch_snapshot(&mut self, fetch: SnapshotFetch);

    /// The members and their contexts (addresses) now. Told at start and at each change.
    fn membership_changed(&mut self, membership: &Membership);
}

/// A snapshot's body to be pulled from a peer: read chunks from [`SnapshotFetch::offset`] on, write them, finish.
///
/// If it is dropped before [`SnapshotFetch::finish`] returned `Ok`, the driver learns that it failed, and the leader
/// will offer a snapshot again; the part that came is kept and resumed if the same snapshot is offered.
pub struct SnapshotFetch {
    from: RaftId,
    meta: SnapshotMeta,
    writer: Option<SnapshotWriter>,
    report: Option<Report>,
}

type Report = Box<dyn FnOnce(FetchEnd) + Send>;

/// How a fetch ended.
#[derive(Debug)]
pub(crate) enum FetchEnd {
    /// The file is here, verified and durable.
    Done,
    /// It is not; the leader offers one again.
    Failed,
    /// Our own disk failed: fatal.
    Disk(SnapshotError),
}

impl SnapshotFetch {
    pub(crate) fn new(from: RaftId, meta: SnapshotMeta, writer: SnapshotWriter, report: Report) -> Self {
        Self { from, meta, writer: Some(writer), report: Some(report) }
    }

    /// Who has the snapshot.
    #[must_use]
    pub fn from(&self) -> RaftId {
        self.from
    }

    /// Which snapshot: its index, term, size in bytes and digest. Ask the peer for exactly this one.
    #[must_use]
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The offset in bytes from which to read on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.writer.as_ref().map_or(0, SnapshotWriter::offset)
    }

    /// Appends bytes of the file, at [`SnapshotFetch::offset`]. Blocks on the disk: call it where that is allowed.
    ///
    /// # Errors
    /// More came than announced, or this replica's disk failed (which ends the replica). Give the fetch up then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let Some(writer) = self.writer.as_mut() else { return Err(FetchError("it has ended already".to_owned())) };
        let written = writer.write(bytes);
        self.check(written)
    }

    /// Verifies the whole, makes it durable and tells the driver to install it. Blocks on the disk.
    ///
    /// # Errors
    /// The file is incomplete or its digest differs, or this replica's disk failed. The driver knows already.
    pub fn finish(mut self) -> Result<(), FetchError> {
        let Some(writer) = self.writer.take() else { return Err(FetchError("it has ended already".to_owned())) };
        let finished = writer.finish();
        self.check(finished)?;
        if let Some(report) = self.report.take() {
            report(FetchEnd::Done);
        }
        Ok(())
    }

    /// Reports an error, once.
    fn check(&mut self, result: Result<(), SnapshotError>) -> Result<(), FetchError> {
        result.map_err(|error| {
            let text = error.to_string();
            self.writer = None;
            if let Some(report) = self.report.take() {
                report(if error.is_fatal() { FetchEnd::Disk(error) } else { FetchEnd::Failed });
            }
            FetchError(text)
        })
    }
}

/// Why a fetch can't go on. The driver has been told.
#[derive(Debug, thiserror::Error)]
#[error("fetching a snapshot: {0}")]
pub struct FetchError(String);

impl Drop for SnapshotFetch {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(FetchEnd::Failed);
        }
    }
}

impl std::fmt::Debug for SnapshotFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotFetch").field("from", &self.from).field("meta", &self.meta).finish_non_exhaustive()
    }
}
