//! The connection to the controllers: any of several endpoints, another one when one is down, and a request repeated
//! only where that can't do it twice. Touches the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drydock_proto::control::control_client::ControlClient;
use drydock_proto::ecs::ecs_client::EcsClient;
use tokio::sync::Mutex;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::failure::Failure;

/// Wait for a TCP connection to one controller; then the next one is tried.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Wait for one answer. Longer than an election, which a controller sits out for its client.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The same where another controller can be asked and asking twice does no harm: one that is frozen takes connections, and
/// never answers.
const FIRST_ANSWER_MAX: Duration = Duration::from_millis(2_500);
/// Least wait for an answer, however little patience is left.
const ANSWER_MIN: Duration = Duration::from_millis(500);
/// A controller is pinged this often while it has a request to answer.
const PING_EVERY: Duration = Duration::from_secs(1);
/// One that answers no ping for so long is gone.
const PING_MAX: Duration = Duration::from_secs(5);
/// For this long all endpoints are tried again although none takes a connection.
const REFUSED_PATIENCE: Duration = Duration::from_millis(500);
/// For this long a request is repeated that controllers answer but can't carry out (no leader, too busy).
const LEADERLESS_PATIENCE: Duration = Duration::from_secs(15);
/// First wait between two rounds over the endpoints; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest wait between two rounds.
const PAUSE_MAX: Duration = Duration::from_millis(800);
/// Bytes of one answer. A page of 100 described tasks of ten containers each stays far below.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Endpoints of one client. More is refused.
const ENDPOINTS_MAX: usize = 32;

/// Metadata key with the name of ECS's exception.
const EXCEPTION_KEY: &str = "ecs-exception";
/// What AWS calls a refusal for load; nothing was carried out.
const THROTTLING: &str = "ThrottlingException";

/// What a request is, and so when it may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes nothing: repeated freely. Answered linearizably unless the client was told `stale`.
    Read,
    /// Twice is as good as once (it carries a client token, or sets what it names): repeated freely.
    Idempotent,
    /// Twice is worse than once: repeated only where it surely wasn't carried out.
    Once,
}

/// A controller's ECS API, for the closures that make calls.
pub type EcsApi = EcsClient<Channel>;

/// A controller's own API, for the same.
pub type ControlApi = ControlClient<Channel>;

/// A client of all controllers. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    stale: bool,
    /// Instead of the usual patience, for commands that wait through an outage.
    patience: Option<Duration>,
}

#[derive(Debug)]
struct Shared {
    addresses: Vec<String>,
    /// In the order of `addresses`; `None` until it was connected.
    channels: Mutex<Vec<Option<Channel>>>,
    /// Those that took a connection and gave no answer: asked again only when no other is left.
    silent: Vec<AtomicBool>,
    /// The endpoint that answered last.
    turn: AtomicUsize,
}

enum Attempt {
    /// Not carried out for sure; someone took the connection.
    Leaderless(String),
    /// Nobody took the connection.
    Refused(String),
    /// Perhaps carried out.
    Lost(String),
    Final(Failure),
}

impl Client {
    /// A client of `endpoints`: `host:port`, or `http://host:port`, several separated by commas.
    ///
    /// # Errors
    /// None given, more than 32, or one that isn't an address.
    pub fn new(endpoints: &str, stale: bool) -> Result<Self, Failure> {
        let addresses: Vec<String> = endpoints.split(',').map(str::trim).filter(|e| !e.is_empty()).map(bare).collect();
        if addresses.is_empty() || addresses.len() > ENDPOINTS_MAX {
            return Err(Failure::Usage(format!("--endpoint takes 1 to {ENDPOINTS_MAX} addresses")));
        }
        for address in &addresses {
            endpoint(address)?;
        }
        let channels = Mutex::new(vec![None; addresses.len()]);
        let silent = addresses.iter().map(|_| AtomicBool::new(false)).collect();
        let shared = Arc::new(Shared { addresses, channels, silent, turn: AtomicUsize::new(0) });
        Ok(Self { shared, stale, patience: None })
    }

    /// The same client, which goes on trying for `patience` where no controller can answer.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    /// The same client, which takes any controller's answer to a read, however old.
    #[must_use]
    pub fn stale(&self) -> Self {
        Self { stale: true, ..self.clone() }
    }

    /// The endpoints, as they were given.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.shared.addresses
    }

    /// Makes a call of the ECS API.
    ///
    /// # Errors
    /// Refused, unreachable or uncertain.
    pub async fn ecs<Q: Clone, A>(
        &self,
        kind: Kind,
        request: Q,
        call: impl AsyncFn(EcsClient<Channel>, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        self.call(kind, request, async |channel, request| {
            call(EcsClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX), request).await
        })
        .await
    }

    /// Makes a call of the control API.
    ///
    /// # Errors
    /// Refused, unreachable or uncertain.
    pub async fn control<Q: Clone, A>(
        &self,
        kind: Kind,
        request: Q,
        call: impl AsyncFn(ControlClient<Channel>, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        self.call(kind, request, async |channel, request| {
            call(ControlClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX), request).await
        })
        .await
    }

    async fn call<Q: Clone, A>(
        &self,
        kind: Kind,
        request: Q,
        call: impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let start = Instant::now();
        let mut pause = PAUSE_MIN;
        let mut leaderless = None;
        // An attempt whose fate isn't known: whatever later ones are told, it may have been carried out.
        let mut lost = None;
        loop {
            let mut refused = None;
            let mut heard = false;
            for _ in 0..self.shared.addresses.len() {
                let turn = self.shared.next();
                let left = self.patience.unwrap_or(LEADERLESS_PATIENCE).saturating_sub(start.elapsed());
                match self.attempt(turn, kind, left, &request, &call).await {
                    Ok(answer) => return Ok(answer),
                    Err(Attempt::Final(failure)) => return Err(failure),
                    Err(Attempt::Lost(reason)) if kind == Kind::Once => return Err(Failure::Uncertain(reason)),
                    // What a controller said tells more than that another one said nothing.
                    Err(Attempt::Lost(reason)) => {
                        leaderless = leaderless.or_else(|| Some(reason.clone()));
                        lost = lost.or(Some(reason));
                    }
                    Err(Attempt::Leaderless(reason)) => {
                        leaderless = Some(reason);
                        heard = true;
                    }
                    Err(Attempt::Refused(reason)) => refused = Some(reason),
                }
                self.shared.turn.store(turn + 1, Ordering::Relaxed);
            }
            // No other is left: those that were silent get their turn again.
            if !heard {
                self.shared.silent.iter().for_each(|silent| silent.store(false, Ordering::Relaxed));
            }
            let usual = if leaderless.is_some() { LEADERLESS_PATIENCE } else { REFUSED_PATIENCE };
            if start.elapsed() + pause > self.patience.unwrap_or(usual) {
                return Err(match (leaderless, refused) {
                    (last, _) if kind != Kind::Read && lost.is_some() => {
                        let (lost, last) = (lost.unwrap_or_default(), last.unwrap_or_default());
                        let last = if last == lost { String::new() } else { format!("; a later attempt: {last}") };
                        Failure::Uncertain(format!("{lost}{last}"))
                    }
                    (Some(reason), _) => Failure::Unavailable(reason),
                    (None, reason) => Failure::Unreachable {
                        endpoints: self.shared.addresses.join(", "),
                        reason: reason.unwrap_or_default(),
                    },
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt<Q: Clone, A>(
        &self,
        turn: usize,
        kind: Kind,
        left: Duration,
        request: &Q,
        call: &impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Attempt> {
        let channel = self.channel(turn).await.map_err(Attempt::Refused)?;
        let mut request = Request::new(request.clone());
        if kind == Kind::Read && !self.stale {
            request.metadata_mut().insert("drydock-consistency", MetadataValue::from_static("strong"));
        }
        let silent = &self.shared.silent[turn];
        let again = kind != Kind::Once && self.shared.addresses.len() > 1 && !silent.load(Ordering::Relaxed);
        let limit = match (kind, again) {
            (Kind::Once, _) => ANSWER_MAX,
            (_, true) => FIRST_ANSWER_MAX.min(left.max(ANSWER_MIN)),
            (_, false) => ANSWER_MAX.min(left.max(ANSWER_MIN)),
        };
        match tokio::time::timeout(limit, Box::pin(call(channel, request))).await {
            Ok(Ok(answer)) => {
                silent.store(false, Ordering::Relaxed);
                Ok(answer.into_inner())
            }
            Ok(Err(status)) => {
                let attempt = judge(&status);
                if !matches!(attempt, Attempt::Final(_)) && !status.metadata().contains_key(EXCEPTION_KEY) {
                    self.forget(turn).await;
                }
                Err(attempt)
            }
            Err(_) => {
                silent.store(true, Ordering::Relaxed);
                self.forget(turn).await;
                Err(Attempt::Lost(format!("{} gave no answer in {limit:?}", self.shared.addresses[turn])))
            }
        }
    }

    async fn channel(&self, turn: usize) -> Result<Channel, String> {
        if let Some(channel) = &self.shared.channels.lock().await[turn] {
            return Ok(channel.clone());
        }
        let endpoint = endpoint(&self.shared.addresses[turn]).map_err(|failure| failure.to_string())?;
        let channel = endpoint.connect().await.map_err(|error| deepest(&error))?;
        self.shared.channels.lock().await[turn] = Some(channel.clone());
        Ok(channel)
    }

    async fn forget(&self, turn: usize) {
        self.shared.channels.lock().await[turn] = None;
    }
}

impl Shared {
    /// The endpoint to ask now: the one that answered last, or the next after it that isn't silent, or just that.
    fn next(&self) -> usize {
        let (first, count) = (self.turn.load(Ordering::Relaxed), self.addresses.len());
        let turns = (first..first + count).map(|turn| turn % count);
        let speaks = |turn: &usize| !self.silent[*turn].load(Ordering::Relaxed);
        let next = turns.clone().find(speaks).unwrap_or(first % count);
        self.turn.store(next, Ordering::Relaxed);
        next
    }
}

fn bare(endpoint: &str) -> String {
    endpoint.strip_prefix("http://").unwrap_or(endpoint).trim_end_matches('/').to_owned()
}

fn endpoint(address: &str) -> Result<Endpoint, Failure> {
    let wrong = |_| Failure::Usage(format!("{address:?} isn't an endpoint: write host:port"));
    let port = address.rsplit_once(':').map(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if port != Some(true) || address.contains('/') {
        return Err(wrong(()));
    }
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| wrong(()))?;
    Ok(endpoint
        .connect_timeout(CONNECT_MAX)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_MAX))
}

/// The innermost cause, which is what people understand: "Connection refused (os error 111)".
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Whether no connection ever stood: then nothing was sent.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What an error of a call means for its repetition.
fn judge(status: &Status) -> Attempt {
    let exception = status.metadata().get(EXCEPTION_KEY).and_then(|name| name.to_str().ok());
    let (text, connecting) = match std::error::Error::source(status) {
        Some(source) => (deepest(source), never_connected(source)),
        None => (status.message().to_owned(), false),
    };
    match (status.code(), exception) {
        (Code::Unavailable, Some(_)) => Attempt::Leaderless(text),
        (Code::Unavailable, None) if connecting => Attempt::Refused(text),
        // Such as pings that weren't answered: it was sent.
        (Code::Unavailable, None) => Attempt::Lost(text),
        (Code::ResourceExhausted, Some(THROTTLING)) => Attempt::Leaderless(text),
        (Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Aborted, _) => Attempt::Lost(text),
        (_, Some(exception)) => Attempt::Final(ecs_failure(exception, text)),
        (Code::Internal, None) => Attempt::Lost(text),
        (code, None) => Attempt::Final(Failure::Refused { code, message: text }),
    }
}

/// An ECS exception.
pub(crate) fn ecs_failure(exception: &str, message: String) -> Failure {
    Failure::Ecs { exception: exception.to_owned(), message }
}

/// A token that makes a request idempotent: 32 hex digits, within both of ECS's bounds (36 and 64).
///
/// # Errors
/// The operating system gives no randomness.
pub fn client_token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Other(format!("no randomness for a client token: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn endpoints_are_checked_before_anything_is_sent() {
        let addresses = |text: &str| Client::new(text, false).map(|client| client.addresses().to_vec());
        assert_eq!(addresses("a:1, http://b:2/ ,").unwrap(), ["a:1", "b:2"]);
        assert_eq!(addresses("[::1]:7700").unwrap(), ["[::1]:7700"]);
        for wrong in ["", ",", "a", "a:", ":1", "a:70000", "https://a:1", "a:1/path"] {
            assert_eq!(addresses(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn an_error_is_repeated_only_where_nothing_was_carried_out() {
        let with = |code: Code, exception: &'static str| {
            let mut status = Status::new(code, "text");
            if !exception.is_empty() {
                status.metadata_mut().insert(EXCEPTION_KEY, MetadataValue::from_static(exception));
            }
            match judge(&status) {
                Attempt::Leaderless(_) => "leaderless",
                Attempt::Refused(_) => "refused",
                Attempt::Lost(_) => "lost",
                Attempt::Final(_) => "final",
            }
        };
        let table = [
            (Code::Unavailable, "ServerException", "leaderless"),
            (Code::Unavailable, "", "lost"),
            (Code::ResourceExhausted, "ThrottlingException", "leaderless"),
            (Code::ResourceExhausted, "LimitExceededException", "final"),
            (Code::Unknown, "ServerException", "lost"),
            (Code::Unknown, "", "lost"),
            (Code::NotFound, "ClusterNotFoundException", "final"),
            (Code::Internal, "ServerException", "final"),
            (Code::Unimplemented, "", "final"),
        ];
        for (code, exception, expected) in table {
            assert_eq!(with(code, exception), expected, "{code:?} {exception}");
        }
    }
}
