//! The connections of the AWS port: takes them, serves HTTP/1.1 on each, and bounds them in number, time and size. Knows
//! nothing of what is asked. One too many gets a whole answer, too (`refusal`): nothing is dropped without a word.

use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::held::Held;
use super::refusal;
use super::stalling::Stalling;
use crate::limits::{
    AWS_ACCEPT_RETRY, AWS_CONNECTIONS_MAX, AWS_HEAD_BYTES_MAX, AWS_HEAD_MAX, AWS_REFUSALS_MAX, AWS_REFUSED_MAX,
    AWS_STALL_MAX,
};

/// What is taken at most; tests take less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections that are served.
    connections: usize,
    /// Connections that are being refused.
    refusals: usize,
    /// Wait for the headers of a request.
    head: Duration,
    /// Wait for a client to take more of an answer.
    stall: Duration,
    /// Wait for one that is refused.
    refused: Duration,
}

impl Bounds {
    /// Those of a process that may have so many files open: half of them for connections here, since agents, gRPC's clients
    /// and the log need the others.
    pub(super) fn of(files: usize) -> Self {
        Self {
            connections: AWS_CONNECTIONS_MAX.min(files / 2).max(1),
            refusals: AWS_REFUSALS_MAX.min(files / 16).max(1),
            head: AWS_HEAD_MAX,
            stall: AWS_STALL_MAX,
            refused: AWS_REFUSED_MAX,
        }
    }
}

/// Serves `router` until `stop`, then lets requests under way end. Dropped, it closes all connections.
pub(super) async fn serve(
    router: Router,
    listener: TcpListener,
    bounds: Bounds,
    held: Arc<Held>,
    stop: CancellationToken,
) {
    let router = router.layer(from_fn(caught));
    let (mut served, mut refused) = (JoinSet::new(), JoinSet::new());
    loop {
        let room = served.len() < bounds.connections;
        // With both full nothing is taken: the system keeps connections until there is room.
        let takes = room || refused.len() < bounds.refusals;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = served.join_next() => look_at(ended),
            Some(ended) = refused.join_next() => look_at(ended),
            accepted = listener.accept(), if takes => match accepted {
                Ok((stream, _)) if room => {
                    served.spawn(connection(stream, router.clone(), bounds, stop.clone()));
                }
                Ok((stream, _)) => {
                    refused.spawn(refusal::tell(stream, bounds.refused));
                }
                Err(error) => not_accepted(&error).await,
            },
        }
        held.set_connections(served.len());
    }
    drop(listener);
    while let Some(ended) = served.join_next().await {
        look_at(ended);
        held.set_connections(served.len());
    }
}

/// A client that is gone already is nothing; without files or memory the next try would fail at once, too.
async fn not_accepted(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "a connection to the AWS port can't be taken");
        tokio::time::sleep(AWS_ACCEPT_RETRY).await;
    }
}

fn look_at(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection to the AWS port panicked");
    }
}

async fn connection(stream: TcpStream, router: Router, bounds: Bounds, stop: CancellationToken) {
    // An answer is written at once; what the system thinks of waiting for more changes nothing.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stalling::new(stream, bounds.stall));
    let mut http = http1::Builder::new();
    // The wait for headers begins when the previous answer went out: it ends idle connections, too.
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(AWS_HEAD_BYTES_MAX);
    // A client that has said all may close its side, and still gets its answer.
    http.half_close(true);
    let mut serving = pin!(http.serve_connection(io, TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the AWS port ended");
    }
}

/// A handler that panics answers as for any other defect of ours, and its connection goes on.
async fn caught(request: Request, next: Next) -> Result<Response, Infallible> {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    Ok(answered.unwrap_or_else(|_| Failure::internal("a handler panicked".to_owned()).into_response()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Router;
    use axum::routing::{any, get};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    use super::{Bounds, Held, serve};

    const PATIENCE: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(50);
    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    /// More than the system keeps for a client that doesn't read.
    const MUCH: usize = 64 * 1024 * 1024;

    struct Port {
        address: SocketAddr,
        held: Arc<Held>,
        stop: CancellationToken,
        /// Told by `/wait` when it was asked, and by the test when it may answer.
        asked: Arc<Notify>,
        go: Arc<Notify>,
        serving: JoinHandle<()>,
    }

    async fn port(change: impl FnOnce(&mut Bounds)) -> Port {
        let mut bounds = Bounds::of(1_000);
        change(&mut bounds);
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (ask, may) = (Arc::clone(&asked), Arc::clone(&go));
        let waits = move || {
            let (ask, may) = (Arc::clone(&ask), Arc::clone(&may));
            async move {
                ask.notify_one();
                may.notified().await;
                "went"
            }
        };
        let router = Router::new()
            .route("/", any(|| async { "fine" }))
            .route("/wait", get(waits))
            .route("/much", get(|| async { vec![b'x'; MUCH] }))
            .route("/panic", get(async || -> &'static str { panic!("on purpose") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, held, stop) = (listener.local_addr().unwrap(), Arc::default(), CancellationToken::new());
        let serving = tokio::spawn(serve(router, listener, bounds, Arc::clone(&held), stop.clone()));
        Port { address, held, stop, asked, go, serving }
    }

    impl Port {
        async fn dial(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn holds(&self, connections: usize) {
            let so = async {
                while self.held.connections() != connections {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let late = || panic!("{} connections, not {connections}", self.held.connections());
            tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| late());
        }
    }

    /// Reads until `end` came.
    async fn said(stream: &mut TcpStream, end: &str) -> String {
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).ends_with(end) {
            let more = tokio::time::timeout(PATIENCE, stream.read_buf(&mut all)).await;
            assert_ne!(more.unwrap().unwrap(), 0, "ended after {:?}", String::from_utf8_lossy(&all));
        }
        String::from_utf8(all).unwrap()
    }

    /// Reads to the end, which must be a clean one.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut all = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut all)).await.unwrap().unwrap();
        all
    }

    #[tokio::test]
    async fn one_too_many_is_told_so_and_served_when_there_is_room() {
        let port = port(|bounds| bounds.connections = 2).await;
        let (mut first, mut second) = (port.dial().await, port.dial().await);
        for stream in [&mut first, &mut second] {
            stream.write_all(ASK).await.unwrap();
            said(stream, "fine").await;
        }
        // Small, in pieces, with a body that is longer than what the system keeps, and without a word.
        let body = vec![b'x'; 3 * 1024 * 1024];
        let large = [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n".as_slice(), &body].concat();
        for parts in [vec![ASK], vec![b"GET / HTTP/1.1\r\nHost: x\r\n\r", b"\n"], vec![&large], vec![]] {
            let mut third = port.dial().await;
            for part in &parts {
                third.write_all(part).await.unwrap();
                third.flush().await.unwrap();
            }
            if parts.is_empty() {
                third.shutdown().await.unwrap();
            }
            let answer = rest(&mut third).await;
            assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
            for part in ["Connection: close", "x-amzn-RequestId: ", r#""__type":"ThrottlingException""#] {
                assert!(answer.contains(part), "no {part} in {answer}");
            }
        }
        drop(first);
        port.holds(1).await;
        let mut third = port.dial().await;
        third.write_all(ASK).await.unwrap();
        said(&mut third, "fine").await;
    }

    #[tokio::test]
    async fn headers_that_do_not_come_end_the_connection() {
        let port = port(|bounds| bounds.head = SHORT).await;
        let mut asked = port.dial().await;
        asked.write_all(ASK).await.unwrap();
        said(&mut asked, "fine").await;
        // Nothing, a part of the headers, and nothing after an answer.
        let (silent, mut slow) = (port.dial().await, port.dial().await);
        slow.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        for mut stream in [silent, slow, asked] {
            assert_eq!(rest(&mut stream).await, "");
        }
        port.holds(0).await;
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let port = port(|bounds| bounds.stall = SHORT).await;
        let mut stream = port.dial().await;
        stream.write_all(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        said_some(&mut stream).await;
        port.holds(0).await;
    }

    async fn said_some(stream: &mut TcpStream) {
        assert_ne!(stream.read(&mut [0; 64]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_its_connection_goes_on() {
        let port = port(|_| {}).await;
        let mut stream = port.dial().await;
        stream.write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let answer = said(&mut stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("ServerException"), "{answer}");
        stream.write_all(ASK).await.unwrap();
        said(&mut stream, "fine").await;
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_is_under_way_and_for_nothing_else() {
        let port = port(|_| {}).await;
        let (mut idle, mut busy) = (port.dial().await, port.dial().await);
        idle.write_all(ASK).await.unwrap();
        said(&mut idle, "fine").await;
        busy.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        tokio::time::timeout(PATIENCE, port.asked.notified()).await.unwrap();
        port.stop.cancel();
        assert_eq!(rest(&mut idle).await, "");
        port.go.notify_one();
        let answer = rest(&mut busy).await;
        assert!(answer.ends_with("went"), "{answer}");
        tokio::time::timeout(PATIENCE, port.serving).await.unwrap().unwrap();
    }
}
