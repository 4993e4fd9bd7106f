//! The session client: dials whom the engine's [`Dialler`] says, says Hello, and carries messages both ways until the
//! session breaks; then it dials again. It holds no policy: what comes in goes to the agent, what the agent gives goes out.

use std::time::{Duration, Instant};

use drydock_engine::session::{self, Dialler, First, Heard};
use drydock_proto::agent::agent_control_client::AgentControlClient;
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{AgentMessage, ControllerMessage, Hello, Welcome};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// Messages to a controller that may wait; when there are more the session is given up, and all is said anew.
pub(crate) const OUT_MAX: usize = 256;
/// Messages from a controller that may wait for the agent; then the stream's flow control holds them back.
pub(crate) const IN_MAX: usize = 64;
/// A connection must stand within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first message must come within this of the Hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that answers no HTTP/2 ping for the timeout is gone.
const PING_EVERY: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// How often is said that no controller takes a session.
const SILENCE_SAID_EVERY: Duration = Duration::from_secs(60);
/// Bytes of one message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// What the agent hears of its session.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// A connection stands: with what Hello?
    WantHello(oneshot::Sender<Hello>),
    /// The leader welcomed the agent. Dropping `held` gives the session up.
    Opened { to: mpsc::Sender<AgentMessage>, held: oneshot::Sender<()>, welcome: Welcome, address: String },
    /// A message, manifests joined.
    Message(Down),
    /// The session broke.
    Closed,
    /// For good.
    Refused(String),
}

/// The agent is gone: nobody hears events any more.
struct AgentGone;

/// How one try ended.
enum Ended {
    /// Try the next, after a while.
    Failed(String),
    /// The leader is there, at once; empty: not known yet.
    Redirect(String),
    /// There was a session, and now there is none.
    Closed(String),
    /// For good.
    Refused(String),
}

/// Dials until the agent is gone or refused.
pub(crate) async fn run(controllers: Vec<String>, events: mpsc::Sender<SessionEvent>) {
    let mut dialler = Dialler::new(controllers);
    let mut silence = Silence::default();
    loop {
        let Some(address) = dialler.dial() else { return };
        let Ok(ended) = attend(&mut dialler, &address, &events).await else { return };
        let ended = match ended {
            Ended::Refused(reason) => {
                let _ = events.send(SessionEvent::Refused(reason)).await;
                return;
            }
            Ended::Redirect(leader) => {
                if leader.is_empty() {
                    silence.goes_on(&address, "it knows no leader", dialler.known());
                }
                session::Ended::Redirect(leader)
            }
            Ended::Closed(why) => {
                silence = Silence::default();
                tracing::info!(%address, why, "the session ended");
                if events.send(SessionEvent::Closed).await.is_err() {
                    return;
                }
                session::Ended::Closed
            }
            Ended::Failed(why) => {
                tracing::debug!(%address, why, "no session");
                silence.goes_on(&address, &why, dialler.known());
                session::Ended::Failed
            }
        };
        let wait = dialler.ended(ended, drawn());
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// The time without a session, and what was said of it: once all known controllers failed, and then now and then.
#[derive(Debug, Default)]
struct Silence {
    tries: usize,
    since: Option<Instant>,
    said: Option<Instant>,
}

impl Silence {
    fn goes_on(&mut self, address: &str, why: &str, known: usize) {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.tries += 1;
        if self.tries < known || self.said.is_some_and(|said| now.duration_since(said) < SILENCE_SAID_EVERY) {
            return;
        }
        self.said = Some(now);
        let seconds = now.duration_since(since).as_secs();
        tracing::warn!(seconds, last = address, why, "no controller takes a session: trying on; tasks go on meanwhile");
    }
}

/// One session, from connecting to its end.
async fn attend(dialler: &mut Dialler, address: &str, events: &mpsc::Sender<SessionEvent>) -> Result<Ended, AgentGone> {
    let mut client = match connect(address).await {
        Ok(channel) => client(channel),
        Err(error) => return Ok(Ended::Failed(error)),
    };
    let (ask, hello) = oneshot::channel();
    events.send(SessionEvent::WantHello(ask)).await.map_err(|_| AgentGone)?;
    let hello = hello.await.map_err(|_| AgentGone)?;
    let (to, out) = mpsc::channel(OUT_MAX);
    let (held, given_up) = oneshot::channel();
    if to.try_send(AgentMessage { message: Some(Up::Hello(hello)) }).is_err() {
        return Ok(Ended::Failed("the first message doesn't fit".into()));
    }
    let opening = async {
        let mut inward = client.session(ReceiverStream::new(out)).await?.into_inner();
        let first = inward.message().await?;
        Ok::<_, tonic::Status>((inward, first))
    };
    let (inward, first) = match tokio::time::timeout(WELCOME_TIMEOUT, opening).await {
        Ok(Ok((inward, Some(first)))) => (inward, first),
        Ok(Ok((_, None))) => return Ok(Ended::Failed("the stream ended before a welcome".into())),
        Ok(Err(status)) => return Ok(Ended::Failed(status.to_string())),
        Err(_) => return Ok(Ended::Failed("no welcome in time".into())),
    };
    let Some(first) = first.message else {
        return Ok(Ended::Failed("not a welcome, but what a newer controller says".into()));
    };
    match dialler.greeted(first) {
        First::Welcome(welcome) => {
            let opened = SessionEvent::Opened { to, held, welcome, address: address.to_owned() };
            events.send(opened).await.map_err(|_| AgentGone)?;
            listen(dialler, inward, given_up, events).await
        }
        First::Redirect(leader) => Ok(Ended::Redirect(leader)),
        First::Refused(reason) => Ok(Ended::Refused(reason)),
        First::Other(other) => Ok(Ended::Failed(format!("not a welcome: {other:?}"))),
    }
}

/// Hears the leader until the stream ends or the agent gives the session up.
async fn listen(
    dialler: &mut Dialler,
    mut inward: Streaming<ControllerMessage>,
    mut given_up: oneshot::Receiver<()>,
    events: &mpsc::Sender<SessionEvent>,
) -> Result<Ended, AgentGone> {
    loop {
        let next = tokio::select! {
            next = inward.message() => next,
            _ = &mut given_up => return Ok(Ended::Closed("the agent gave it up".into())),
            () = events.closed() => return Err(AgentGone),
        };
        let message = match next {
            Ok(Some(message)) => message.message,
            Ok(None) => return Ok(Ended::Closed("the controller ended it".into())),
            Err(status) => return Ok(Ended::Closed(status.to_string())),
        };
        // Without: a newer controller says what this agent doesn't know.
        let Some(message) = message else { continue };
        match dialler.hear(message) {
            Heard::Taken => {}
            Heard::Message(message) => {
                events.send(SessionEvent::Message(*message)).await.map_err(|_| AgentGone)?;
            }
            Heard::Over(why) => return Ok(Ended::Closed(why)),
            Heard::Refused(reason) => return Ok(Ended::Refused(reason)),
        }
    }
}

/// A connection to `host:port`.
pub(crate) async fn connect(address: &str) -> Result<Channel, String> {
    let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(uri).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    endpoint.connect().await.map_err(|error| format!("{address}: {}", deepest(&error)))
}

/// The innermost cause, which is what people understand: "Connection refused (os error 111)".
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

pub(crate) fn client(channel: Channel) -> AgentControlClient<Channel> {
    AgentControlClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// What jitter is drawn from. Without randomness there's no jitter, and no harm.
fn drawn() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes))
}
