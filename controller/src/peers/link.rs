//! The way to one peer: a task that holds one open stream of raft messages to it, and dials again whenever it is lost.
//! Messages wait in the [`PeerQueue`]; raft is told when they can't be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drydock_consensus::RaftId;
use drydock_proto::raft::PeerHello;
use drydock_proto::raft::peer_client::PeerClient;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::queue::PeerQueue;
use super::{DISMISSED_KEY, Dismissed};
use crate::limits::{
    PEER_CONNECT_MAX, PEER_KEEPALIVE_INTERVAL, PEER_KEEPALIVE_TIMEOUT, PEER_MESSAGE_BYTES_MAX, PEER_REDIAL_MAX,
    PEER_REDIAL_MIN, PEER_REFUSED_WAIT, PEER_WINDOW_BYTES,
};

/// The way to one peer. Dropping it ends its task and its stream.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) queue: PeerQueue,
    /// Dialled by whatever isn't a raft message; connects by itself when it is used.
    pub(crate) channel: Channel,
    pub(crate) address: String,
    connected: Arc<AtomicBool>,
    redial: Arc<Notify>,
    stop: CancellationToken,
}

/// What the task of a link needs.
struct Dialler {
    id: RaftId,
    address: String,
    endpoint: Endpoint,
    hello: PeerHello,
    queue: PeerQueue,
    connected: Arc<AtomicBool>,
    redial: Arc<Notify>,
    unreachable: Arc<dyn Fn(RaftId) + Send + Sync>,
    dismissed: watch::Sender<Option<Dismissed>>,
}

/// A connection to a peer's port with all its settings. The peer port is plain HTTP/2; mTLS belongs here and in the
/// server's builder (`crate::server`), nowhere else.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(PEER_CONNECT_MAX)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PEER_KEEPALIVE_INTERVAL)
        .keep_alive_timeout(PEER_KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(PEER_WINDOW_BYTES)
        .initial_connection_window_size(PEER_WINDOW_BYTES))
}

/// A client of a peer's port with the peers' bound on messages.
pub(crate) fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel)
        .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
}

impl Link {
    /// Starts to dial. `unreachable` is called when the stream is lost or can't be opened, `dismissed` is set when the
    /// peer refuses this controller for good.
    pub(crate) fn open(
        id: RaftId,
        address: &str,
        hello: PeerHello,
        unreachable: Arc<dyn Fn(RaftId) + Send + Sync>,
        dismissed: watch::Sender<Option<Dismissed>>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, tonic::transport::Error> {
        let endpoint = endpoint(address)?;
        let link = Self {
            queue: PeerQueue::default(),
            // A channel spawns its worker on the current runtime.
            channel: {
                let _guard = runtime.enter();
                endpoint.connect_lazy()
            },
            address: address.to_owned(),
            connected: Arc::default(),
            redial: Arc::default(),
            stop: CancellationToken::new(),
        };
        let dialler = Dialler {
            id,
            address: address.to_owned(),
            endpoint,
            hello,
            queue: link.queue.clone(),
            connected: Arc::clone(&link.connected),
            redial: Arc::clone(&link.redial),
            unreachable,
            dismissed,
        };
        let stop = link.stop.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = dialler.run() => {}
            }
        });
        Ok(link)
    }

    /// Whether a stream to the peer is open.
    pub(crate) fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// The peer is known to be there: don't wait for the next turn to dial.
    pub(crate) fn redial(&self) {
        if !self.connected() {
            self.redial.notify_one();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.queue.close();
        self.stop.cancel();
    }
}

/// Why a stream ended.
enum Lost {
    /// The peer isn't there, or went away.
    Unreachable(String),
    /// The peer is there and wants nothing of us.
    Refused(String),
}

impl Dialler {
    async fn run(self) {
        let mut wait = PEER_REDIAL_MIN;
        let mut refused = String::new();
        loop {
            let lost = self.hold().await;
            let connected = self.connected.swap(false, Ordering::Relaxed);
            self.queue.clear();
            (self.unreachable)(self.id);
            match lost {
                Lost::Refused(reason) => {
                    // Said once: it stays so until somebody does something about it.
                    if refused != reason {
                        tracing::warn!(peer = self.id, address = self.address, reason, "peer refuses us");
                        refused = reason;
                    }
                    tokio::time::sleep(PEER_REFUSED_WAIT).await;
                }
                Lost::Unreachable(reason) => {
                    tracing::debug!(peer = self.id, address = self.address, reason, "peer is not reachable");
                    if connected {
                        wait = PEER_REDIAL_MIN;
                    }
                    self.pause(&mut wait).await;
                }
            }
        }
    }

    /// Opens a stream and stays until it ends; tells why it did.
    async fn hold(&self) -> Lost {
        let channel = match self.endpoint.connect().await {
            Ok(channel) => channel,
            Err(error) => return Lost::Unreachable(with_causes(&error)),
        };
        self.connected.store(true, Ordering::Relaxed);
        tracing::debug!(peer = self.id, address = self.address, "peer is connected");
        match client(channel).messages(self.queue.stream(self.hello.clone())).await {
            Ok(_) => Lost::Unreachable("the peer closed the stream".to_owned()),
            Err(status) if status.code() == tonic::Code::PermissionDenied => {
                let why = status.metadata().get(DISMISSED_KEY).and_then(|value| Dismissed::of(value.as_bytes()));
                if why.is_some() {
                    self.dismissed.send_replace(why);
                }
                Lost::Refused(status.message().to_owned())
            }
            Err(status) => Lost::Unreachable(status.to_string()),
        }
    }

    /// Waits before the next turn, shorter if the peer is heard of.
    async fn pause(&self, wait: &mut Duration) {
        tokio::select! {
            () = tokio::time::sleep(*wait) => *wait = (*wait * 2).min(PEER_REDIAL_MAX),
            () = self.redial.notified() => *wait = PEER_REDIAL_MIN,
        }
    }
}

/// An error with what lies under it: tonic's own text stops at "transport error".
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
