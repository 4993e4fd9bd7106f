//! The session client: finds the leader, says Hello, and carries messages both ways until the session breaks; then it
//! finds the leader again. It holds no policy of tasks: what comes in goes to the agent, what the agent gives goes out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use drydock_proto::agent::agent_control_client::AgentControlClient;
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{AgentMessage, ControllerMessage, Hello, Manifest, Welcome};
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
/// First and longest wait between rounds of dialling; the wait doubles, with jitter of a half either way.
const BACKOFF_MIN_MS: u64 = 250;
const BACKOFF_MAX_MS: u64 = 5_000;
/// How often is said that no controller takes a session.
const SILENCE_SAID_EVERY: Duration = Duration::from_secs(60);
/// Redirects that are followed at once, one after another; then it is waited as after a failure.
const REDIRECTS_MAX: u32 = 4;
/// Controllers that are remembered; more are left out.
const CONTROLLERS_MAX: usize = 32;
/// Tasks of one manifest; one with more is refused, and the session with it.
const MANIFEST_TASKS_MAX: usize = 100_000;
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
    let mut dialler = Dialler { ring: controllers.clone().into(), given: controllers, next: None };
    let mut failures = 0;
    let mut redirects = 0;
    let mut silence = Silence::default();
    loop {
        let Some(address) = dialler.take() else { return };
        let Ok(ended) = dialler.attend(&address, &events).await else { return };
        let wait = match ended {
            Ended::Refused(reason) => {
                let _ = events.send(SessionEvent::Refused(reason)).await;
                return;
            }
            Ended::Redirect(leader) if !leader.is_empty() && redirects < REDIRECTS_MAX => {
                redirects += 1;
                dialler.next = Some(leader);
                continue;
            }
            // A controller answered: an election is short.
            Ended::Redirect(_) => {
                silence.goes_on(&address, "it knows no leader", dialler.ring.len());
                BACKOFF_MIN_MS
            }
            Ended::Closed(why) => {
                silence = Silence::default();
                tracing::info!(%address, why, "the session ended");
                failures = 0;
                if events.send(SessionEvent::Closed).await.is_err() {
                    return;
                }
                BACKOFF_MIN_MS / 4
            }
            Ended::Failed(why) => {
                tracing::debug!(%address, why, "no session");
                silence.goes_on(&address, &why, dialler.ring.len());
                // One round over all controllers, then the wait grows.
                let rounds = failures / u32::try_from(dialler.ring.len()).unwrap_or(1).max(1);
                failures += 1;
                (BACKOFF_MIN_MS << rounds.min(5)).min(BACKOFF_MAX_MS)
            }
        };
        redirects = 0;
        tokio::time::sleep(Duration::from_millis(jitter(wait))).await;
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

struct Dialler {
    /// From the configuration: never forgotten.
    given: Vec<String>,
    /// All known, the next to be dialled first.
    ring: VecDeque<String>,
    /// Where the leader is said to be.
    next: Option<String>,
}

impl Dialler {
    fn take(&mut self) -> Option<String> {
        if let Some(leader) = self.next.take() {
            return Some(leader);
        }
        self.ring.rotate_left(usize::from(!self.ring.is_empty()));
        self.ring.back().cloned()
    }

    fn learn(&mut self, addresses: &[String]) {
        let mut all: Vec<String> = self.given.clone();
        for address in addresses.iter().filter(|address| !address.is_empty()) {
            if !all.contains(address) && all.len() < CONTROLLERS_MAX {
                all.push(address.clone());
            }
        }
        self.ring.retain(|known| all.contains(known));
        for address in all {
            if !self.ring.contains(&address) {
                self.ring.push_back(address);
            }
        }
    }

    /// One session, from connecting to its end.
    async fn attend(&mut self, address: &str, events: &mpsc::Sender<SessionEvent>) -> Result<Ended, AgentGone> {
        let mut client = match connect(address).await {
            Ok(channel) => client(channel),
            Err(error) => return Ok(Ended::Failed(error)),
        };
        let (ask, hello) = oneshot::channel();
        events.send(SessionEvent::WantHello(ask)).await.map_err(|_| AgentGone)?;
        let hello = hello.await.map_err(|_| AgentGone)?;
        let (to, out) = mpsc::channel(OUT_MAX);
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
        match first.message {
            Some(Down::Welcome(welcome)) => {
                self.learn(welcome.controllers.as_ref().map(|all| all.addresses.as_slice()).unwrap_or_default());
                let (held, given_up) = oneshot::channel();
                let opened = SessionEvent::Opened { to, held, welcome, address: address.to_owned() };
                events.send(opened).await.map_err(|_| AgentGone)?;
                self.listen(inward, given_up, events).await
            }
            Some(Down::Redirect(redirect)) => {
                self.learn(redirect.controllers.as_ref().map(|all| all.addresses.as_slice()).unwrap_or_default());
                Ok(Ended::Redirect(redirect.leader_address))
            }
            Some(Down::Refused(refused)) => Ok(Ended::Refused(refused.reason)),
            other => Ok(Ended::Failed(format!("not a welcome: {other:?}"))),
        }
    }

    /// Hears the leader until the stream ends or the agent gives the session up.
    async fn listen(
        &mut self,
        mut inward: Streaming<ControllerMessage>,
        mut given_up: oneshot::Receiver<()>,
        events: &mpsc::Sender<SessionEvent>,
    ) -> Result<Ended, AgentGone> {
        let mut parts = Parts::default();
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
            let message = match message {
                Some(Down::Controllers(all)) => {
                    self.learn(&all.addresses);
                    continue;
                }
                Some(Down::Redirect(redirect)) => {
                    self.next = Some(redirect.leader_address).filter(|leader| !leader.is_empty());
                    return Ok(Ended::Closed("the leader is elsewhere".into()));
                }
                Some(Down::Refused(refused)) => return Ok(Ended::Refused(refused.reason)),
                Some(Down::Manifest(part)) => match parts.join(part) {
                    Ok(None) => continue,
                    Ok(Some(whole)) => Down::Manifest(whole),
                    Err(why) => return Ok(Ended::Closed(why)),
                },
                Some(other) => other,
                // A newer controller says what this agent doesn't know.
                None => continue,
            };
            events.send(SessionEvent::Message(message)).await.map_err(|_| AgentGone)?;
        }
    }
}

/// A manifest that comes in parts.
#[derive(Debug, Default)]
struct Parts {
    so_far: Option<Manifest>,
}

impl Parts {
    /// The whole manifest with its last part. A part of another sequence begins anew.
    fn join(&mut self, part: Manifest) -> Result<Option<Manifest>, String> {
        let more = part.more;
        let mut whole = match self.so_far.take().filter(|so_far| so_far.sequence == part.sequence) {
            Some(mut so_far) => {
                so_far.tasks.extend(part.tasks);
                so_far.task_definitions.extend(part.task_definitions);
                so_far
            }
            None => part,
        };
        if whole.tasks.len() > MANIFEST_TASKS_MAX {
            return Err(format!("a manifest of more than {MANIFEST_TASKS_MAX} tasks"));
        }
        whole.more = false;
        if more {
            self.so_far = Some(whole);
            return Ok(None);
        }
        Ok(Some(whole))
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

/// A span of `ms`, a half of it more or less.
fn jitter(ms: u64) -> u64 {
    let mut bytes = [0; 8];
    // Without randomness there's no jitter, and no harm.
    let drawn = getrandom::fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes));
    ms / 2 + drawn % ms.max(1)
}

#[cfg(test)]
mod tests {
    use super::{Dialler, Manifest, Parts, jitter};
    use drydock_proto::agent::AssignedTask;

    #[test]
    fn the_ring_goes_round_and_learns() {
        let given = vec!["a:1".to_owned(), "b:1".to_owned()];
        let mut dialler = Dialler { ring: given.clone().into(), given, next: None };
        let three = |dialler: &mut Dialler| (0..3).filter_map(|_| dialler.take()).collect::<Vec<_>>();
        assert_eq!(three(&mut dialler), ["a:1", "b:1", "a:1"]);
        dialler.learn(&["c:1".into(), "a:1".into(), String::new()]);
        assert_eq!(three(&mut dialler), ["b:1", "a:1", "c:1"]);
        dialler.next = Some("d:1".into());
        assert_eq!(three(&mut dialler), ["d:1", "b:1", "a:1"]);
        dialler.learn(&[]);
        assert_eq!(dialler.ring.len(), 2, "those of the configuration stay");
    }

    #[test]
    fn parts_are_joined() {
        let part = |sequence, task: &str, more| Manifest {
            sequence,
            tasks: vec![AssignedTask { task_arn: task.into(), ..Default::default() }],
            more,
            ..Default::default()
        };
        let mut parts = Parts::default();
        assert_eq!(parts.join(part(1, "lost", true)), Ok(None));
        assert_eq!(parts.join(part(2, "a", true)), Ok(None));
        let whole = parts.join(part(2, "b", false)).ok().flatten();
        let names: Vec<String> = whole.into_iter().flat_map(|all| all.tasks).map(|task| task.task_arn).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn jitter_stays_in_bounds() {
        assert!((0..100).map(|_| jitter(100)).all(|ms| (50..150).contains(&ms)));
    }
}
