//! The connections of one socket: HTTP/1.1, bounded in number, size, time and rate. What a request is answered is in
//! `answer.rs`.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Desk, Reply, answer};

/// Connections of one namespace; more wait until one ends.
const CONNECTIONS_MAX: usize = 64;
/// The headers of a request must come within this.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's body; a longer one isn't read.
const BODY_BYTES_MAX: usize = 4 * 1_024;
/// After a failed accept (out of files, say) the next is tried then.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// ECS's own rate of requests: so many a second on average, so many at once (ecs-semantics §2.5). More get 429.
const RATE_A_SECOND: u32 = 40;
const BURST: u32 = 60;

/// Serves a socket until it is dropped. `task_arn` is whose namespace it is in; none: the host's.
pub(super) async fn run(listener: TcpListener, desk: Arc<Desk>, task_arn: Option<String>) {
    let place = Arc::new(Place { desk, task_arn, bucket: Mutex::new(Bucket::full(Instant::now())) });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, Arc::clone(&place)))),
                Err(error) => {
                    tracing::debug!(%error, "no connection of a container");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
}

struct Place {
    desk: Arc<Desk>,
    task_arn: Option<String>,
    bucket: Mutex<Bucket>,
}

async fn connection(stream: TcpStream, place: Arc<Place>) {
    let service = service_fn(|request| respond(request, &place));
    let mut http = http1::Builder::new();
    // A shell's netcat ends its side as soon as it has asked.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).half_close(true);
    // The other side went away: there's nobody to tell.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, place: &Place) -> Result<Response<Body>, Infallible> {
    if !place.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()) {
        let text = Value::from("You have reached maximum request limit.");
        return Ok(written(&Reply { status: 429, body: text }));
    }
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(HEAD_MAX, to_bytes(Body::new(body), BODY_BYTES_MAX)).await;
    let Ok(Ok(body)) = read else {
        return Ok(written(&Reply { status: 400, body: "the body is too long, or doesn't come".into() }));
    };
    let asked = answer::Asked {
        task_arn: place.task_arn.as_deref(),
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        body: &body,
    };
    Ok(written(&answer::answer(&place.desk, &asked).await))
}

fn written(reply: &Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body.to_string()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { tokens: f64::from(BURST), at: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(RATE_A_SECOND);
        self.tokens = (self.tokens + gained).min(f64::from(BURST));
        self.at = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, Bucket, Duration, Instant, RATE_A_SECOND};

    // rule: 2.5/metadata
    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let mut taken = |at: Instant| (0..1_000).filter(|_| bucket.take(at)).count();
        assert_eq!(taken(start), usize::try_from(BURST).unwrap_or_default());
        assert_eq!(taken(start + Duration::from_secs(1)), usize::try_from(RATE_A_SECOND).unwrap_or_default());
        assert_eq!(taken(start + Duration::from_secs(9)), usize::try_from(BURST).unwrap_or_default());
    }
}
