//! The peers' port: takes raft messages, serves snapshot bodies, answers whole requests of followers.

use bytes::Bytes;
use drydock_consensus::{Handle, RaftId, SnapshotReader};
use drydock_proto::raft::peer_server::Peer;
use drydock_proto::raft::{
    FetchSnapshotRequest, ForwardRequest, ForwardResponse, IdentifyRequest, IdentifyResponse, PeerClosed, PeerHello,
    PeerMessage, SnapshotChunk, forward_response, peer_message,
};
use drydock_state::Outcome;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::{DISMISSED_KEY, Dismissed, Links, from_hex, hex};
use crate::forward::Forwarded;
use crate::limits::{PEER_HELLO_MAX, SNAPSHOT_PART_BYTES, SNAPSHOT_PARTS_AHEAD_MAX};
use crate::members::Directory;

/// The service behind the peers' port.
pub(crate) struct PeerService {
    pub(crate) links: Links,
    pub(crate) directory: Directory,
    pub(crate) handle: Handle<Outcome>,
    pub(crate) forwarded: Forwarded,
    /// Cancelled when the port closes: streams of raft messages never end by themselves.
    pub(crate) stop: CancellationToken,
}

impl PeerService {
    /// Checks a hello; its text tells the other side's operator what is wrong.
    async fn check(&self, hello: PeerHello) -> Result<PeerHello, Status> {
        let us = self.links.credentials().ok_or_else(|| Status::unavailable("starting"))?;
        let refuse = |text: String| Err(Status::permission_denied(text));
        if hello.fingerprint != hex(us.fingerprint) {
            return refuse(format!("controller {} belongs to another cluster than controller {}", hello.from, us.id));
        }
        if hello.to != us.id {
            return refuse(format!("controller {} listens here, not {}", us.id, hello.to));
        }
        if self.directory.now().removed.contains(&hello.from) {
            return Err(removed(hello.from));
        }
        let Some(marker) = from_hex(&hello.storage_marker) else {
            return refuse(format!("controller {} tells no storage marker", hello.from));
        };
        let (tell, told) = oneshot::channel();
        self.handle.check_peer(hello.from, marker, move |same| {
            let _ = tell.send(same);
        });
        match tokio::time::timeout(PEER_HELLO_MAX, told).await {
            Ok(Ok(Some(true))) => Ok(hello),
            Ok(Ok(Some(false))) => Err(dismissed(
                Dismissed::OtherDisk,
                format!(
                    "controller {} came back with another disk: it was wiped or replaced. Remove it from the cluster and \
                     join it again with an empty data folder",
                    hello.from
                ),
            )),
            _ => Err(Status::unavailable("the consensus thread doesn't answer")),
        }
    }

    async fn hello(&self, stream: &mut Streaming<PeerMessage>) -> Result<PeerHello, Status> {
        let first = tokio::time::timeout(PEER_HELLO_MAX, stream.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
        match first.and_then(|message| message.message) {
            Some(peer_message::Message::Hello(hello)) => self.check(hello).await,
            _ => Err(Status::invalid_argument("a stream of raft messages begins with a hello")),
        }
    }

    fn check_fingerprint(&self, fingerprint: &str) -> Result<(), Status> {
        let us = self.links.credentials().ok_or_else(|| Status::unavailable("starting"))?;
        if fingerprint == hex(us.fingerprint) {
            return Ok(());
        }
        Err(Status::permission_denied("this controller belongs to another cluster"))
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    async fn messages(&self, request: Request<Streaming<PeerMessage>>) -> Result<Response<PeerClosed>, Status> {
        let mut stream = request.into_inner();
        let PeerHello { from, peer_address, .. } = self.hello(&mut stream).await?;
        self.links.heard_of(from, &peer_address);
        let mut members = self.directory.subscribe();
        loop {
            let message = tokio::select! {
                message = stream.message() => message?,
                _ = members.wait_for(|_| self.directory.now().removed.contains(&from)) => return Err(removed(from)),
                () = self.stop.cancelled() => return Err(Status::unavailable("this controller stops")),
            };
            let Some(message) = message else { return Ok(Response::new(PeerClosed {})) };
            let Some(peer_message::Message::Raft(raft)) = message.message else {
                return Err(Status::invalid_argument("a second hello on one stream"));
            };
            // A full queue drops the message: raft repairs that.
            if !self.handle.step(raft.into()) {
                tracing::debug!(from, "a raft message was dropped");
            }
        }
    }

    type FetchSnapshotStream = ReceiverStream<Result<SnapshotChunk, Status>>;

    async fn fetch_snapshot(
        &self,
        request: Request<FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let request = request.into_inner();
        self.check_fingerprint(&request.fingerprint)?;
        let reader = self.handle.serve_snapshot(request.from, request.index, request.term);
        let reader = reader.map_err(|error| Status::not_found(error.to_string()))?;
        let (parts, receiver) = mpsc::channel(SNAPSHOT_PARTS_AHEAD_MAX);
        // A thread of the blocking pool: reading may wait for the disk, and sending for the receiver.
        tokio::task::spawn_blocking(move || serve(reader, request.offset, &parts));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<ForwardResponse>, Status> {
        let answer = self.forwarded.answer(request.into_inner()).await;
        let (index, result) = match answer {
            Ok((index, body)) => (index, forward_response::Result::Body(body)),
            Err(error) => (0, forward_response::Result::Failure(error.to_failure())),
        };
        Ok(Response::new(ForwardResponse { index, result: Some(result) }))
    }

    async fn identify(&self, _: Request<IdentifyRequest>) -> Result<Response<IdentifyResponse>, Status> {
        Ok(Response::new(self.forwarded.core().ok_or_else(|| Status::unavailable("starting"))?.identify()))
    }
}

/// Tells a controller that it isn't one any more.
fn removed(id: RaftId) -> Status {
    dismissed(Dismissed::Removed, format!("controller {id} was removed from the cluster"))
}

/// Refuses a controller for good.
fn dismissed(why: Dismissed, text: String) -> Status {
    let mut status = Status::permission_denied(text);
    status.metadata_mut().insert(DISMISSED_KEY, MetadataValue::from_static(why.as_str()));
    status
}

/// Sends the file from `offset` on, as fast as the receiver takes it. Dropping the reader reports the end to raft.
fn serve(mut reader: SnapshotReader, mut offset: u64, parts: &mpsc::Sender<Result<SnapshotChunk, Status>>) {
    loop {
        match reader.read_at(offset, SNAPSHOT_PART_BYTES) {
            Ok(data) if data.is_empty() => return,
            Ok(data) => {
                let length = data.len() as u64;
                if parts.blocking_send(Ok(SnapshotChunk { offset, data: Bytes::from(data) })).is_err() {
                    return;
                }
                offset += length;
            }
            Err(error) => {
                tracing::error!(%error, "a snapshot can't be read");
                let _ = parts.blocking_send(Err(Status::data_loss(error.to_string())));
                return;
            }
        }
    }
}
