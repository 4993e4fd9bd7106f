//! The agent's one loop: inputs from the session, the runtime, the journal and the clock go into the engine, and what
//! the engine wants is carried out. It decides nothing.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use drydock_engine::session::Pulse;
use drydock_engine::{Effect, EffectId, Engine, Input, Outcome, RuntimeError, RuntimeOp};
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{
    Ack, AgentMessage, Capacity, Heartbeat, Hello, ManifestRequest, Reports, Serves, StopVerification, Welcome,
};
use drydock_proto::ecs::{Attribute, Tag};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::endpoint::{Known, Question};
use crate::error::AgentError;
use crate::identity::{DataDir, Identity, random_hex};
use crate::journal::Journal;
use crate::log_read::LogReads;
use crate::runtime::{self, ContainerRuntime, RuntimeEvent};
use crate::session::{self, SessionEvent};

/// Images pulled at a time; more wait for their turn.
const PULLS_MAX: usize = 8;
/// Other operations that the runtime does at a time, stops and looks aside; more wait for their turn.
const OPERATIONS_MAX: usize = 32;
/// Results that may wait for the loop; then operations wait to end.
const RESULTS_MAX: usize = 256;
/// Stopping everything on exit must be done within this; what is left is told.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(180);

/// What doesn't change while the agent runs.
pub(crate) struct Fixed {
    pub(crate) cluster: String,
    pub(crate) controllers: Vec<String>,
    pub(crate) capacity: Capacity,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) ec2_instance_id: String,
    pub(crate) docker_version: String,
    pub(crate) serves: Serves,
    /// Empty where the instance is of none.
    pub(crate) capacity_provider: String,
    pub(crate) stop_tasks_on_exit: bool,
}

/// A session that stands.
struct Session {
    to: mpsc::Sender<AgentMessage>,
    /// Dropped with it: the session's task hears that.
    _held: oneshot::Sender<()>,
    address: String,
    pulse: Pulse,
}

pub(crate) struct Agent<R> {
    pub(crate) fixed: Fixed,
    pub(crate) engine: Engine,
    pub(crate) runtime: Arc<R>,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    /// `None` where nothing is kept.
    pub(crate) data: Option<DataDir>,
    pub(crate) identity: Identity,
    session: Option<Session>,
    operations: BTreeMap<EffectId, AbortHandle>,
    permits: Arc<Semaphore>,
    pulls: Arc<Semaphore>,
    done: mpsc::Sender<(EffectId, Result<Outcome, RuntimeError>)>,
    logs: LogReads,
}

/// What the loop takes up next.
enum Next {
    Session(SessionEvent),
    Synced(Result<EffectId, AgentError>),
    Input(Input),
    Question(Question),
    Beat,
}

/// Where inputs come from.
struct Sources {
    session: mpsc::Receiver<SessionEvent>,
    runtime: mpsc::Receiver<RuntimeEvent>,
    done: mpsc::Receiver<(EffectId, Result<Outcome, RuntimeError>)>,
    questions: Option<mpsc::Receiver<Question>>,
}

/// What an agent is made of.
pub(crate) struct Made<R> {
    pub(crate) fixed: Fixed,
    pub(crate) engine: Engine,
    pub(crate) runtime: R,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    /// `None` where nothing is kept.
    pub(crate) data: Option<DataDir>,
    pub(crate) identity: Identity,
    /// Of the endpoint; `None` where there is none.
    pub(crate) questions: Option<mpsc::Receiver<Question>>,
}

/// Runs an agent until it is told to stop, or can't go on.
pub(crate) async fn run<R: ContainerRuntime>(
    made: Made<R>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let (to_session, from_session) = mpsc::channel(session::IN_MAX);
    let (done, from_operations) = mpsc::channel(RESULTS_MAX);
    let dialling = tokio::spawn(session::run(made.fixed.controllers.clone(), to_session));
    let mut sources = Sources {
        session: from_session,
        runtime: made.runtime.events(),
        done: from_operations,
        questions: made.questions,
    };
    let mut agent = Agent {
        fixed: made.fixed,
        engine: made.engine,
        runtime: Arc::new(made.runtime),
        clock: made.clock,
        journal: made.journal,
        data: made.data,
        identity: made.identity,
        session: None,
        operations: BTreeMap::new(),
        permits: Arc::new(Semaphore::new(OPERATIONS_MAX)),
        pulls: Arc::new(Semaphore::new(PULLS_MAX)),
        done,
        logs: LogReads::default(),
    };
    let ended = agent.serve(&mut sources, std::pin::pin!(shutdown)).await;
    dialling.abort();
    let ended = match ended {
        Ok(()) if agent.fixed.stop_tasks_on_exit => agent.leave(&mut sources).await,
        // Nobody will ever tell it to: what it runs would be left for good.
        Err(refused @ AgentError::Refused { .. }) if agent.fixed.stop_tasks_on_exit => {
            agent.leave(&mut sources).await.and(Err(refused))
        }
        other => other,
    };
    agent.operations.values().for_each(AbortHandle::abort);
    agent.journal.close().await;
    ended
}

impl<R: ContainerRuntime> Agent<R> {
    /// The loop. Ends well with `shutdown`.
    async fn serve(
        &mut self,
        sources: &mut Sources,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), AgentError> {
        self.step(Input::Tick).await?;
        loop {
            let next = tokio::select! {
                () = &mut shutdown => return Ok(()),
                next = self.next(sources) => next,
            };
            self.take(next).await?;
        }
    }

    /// What comes next. Only receives and waits, so that it may be abandoned without losing anything.
    async fn next(&mut self, sources: &mut Sources) -> Next {
        let deadline = self.engine.next_deadline().map(|at| self.clock.instant(at));
        let heartbeat = self.session.as_ref().map(|session| self.clock.instant(session.pulse.due_at()));
        tokio::select! {
            Some(event) = sources.session.recv() => Next::Session(event),
            Some((id, result)) = sources.done.recv() => Next::Input(Input::Done { id, result }),
            Some(synced) = self.journal.synced.recv() => Next::Synced(synced),
            Some(event) = sources.runtime.recv() => Next::Input(match event {
                RuntimeEvent::Changed { runtime_id } => Input::Hint { runtime_id },
                RuntimeEvent::Resync => Input::Resync,
            }),
            Some(question) = asked(&mut sources.questions) => Next::Question(question),
            () = until(deadline) => Next::Input(Input::Tick),
            () = until(heartbeat) => Next::Beat,
        }
    }

    async fn take(&mut self, next: Next) -> Result<(), AgentError> {
        match next {
            Next::Session(event) => self.on_session(event).await,
            Next::Synced(synced) => self.step(Input::Journaled(synced?)).await,
            Next::Input(input) => {
                if let Input::Done { id, .. } = &input {
                    self.operations.remove(id);
                }
                self.step(input).await
            }
            Next::Beat => {
                self.beat();
                Ok(())
            }
            Next::Question(question) => {
                let view = self.engine.view(&question.task_arn);
                let controller = self.session.as_ref().map(|session| session.address.clone());
                // Whoever asked has gone: so has the answer.
                let _ = question.answer.send(Known { view, controller });
                Ok(())
            }
        }
    }

    async fn step(&mut self, input: Input) -> Result<(), AgentError> {
        let effects = self.engine.step(input, self.clock.now());
        for effect in effects {
            self.perform(effect).await?;
        }
        self.logs.look(&self.engine);
        Ok(())
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), AgentError> {
        match effect {
            Effect::Run { id, op } => self.start(id, op),
            Effect::Cancel { id } => {
                if let Some(operation) = self.operations.remove(&id) {
                    operation.abort();
                }
            }
            Effect::Journal { id, writes } => self.journal.write(id, writes).await?,
            Effect::Ack { sequence } => self.send(Up::Ack(Ack { sequence })),
            Effect::Report(reports) => self.send(Up::Reports(Reports { reports })),
            Effect::AskStopVerification { sequence, task_arns } => {
                self.send(Up::StopVerification(StopVerification { manifest_sequence: sequence, task_arns }));
            }
            Effect::RequestManifest { have_sequence } => {
                self.send(Up::ManifestRequest(ManifestRequest { have_sequence }));
            }
        }
        Ok(())
    }

    /// Starts an operation in a task of its own, which does no more than tell its result.
    fn start(&mut self, id: EffectId, op: RuntimeOp) {
        let (runtime, done) = (Arc::clone(&self.runtime), self.done.clone());
        let permits = match op {
            // A stop mostly waits, and a look is quick: neither may wait for others.
            RuntimeOp::Stop { .. } | RuntimeOp::Inspect { .. } | RuntimeOp::List => None,
            // Slow ones must not keep what is quick from its turn.
            RuntimeOp::Pull(_) => Some(Arc::clone(&self.pulls)),
            _ => Some(Arc::clone(&self.permits)),
        };
        tracing::debug!(id = id.0, op = verb(&op), "begins");
        let task = tokio::spawn(async move {
            let _permit = match permits {
                Some(permits) => permits.acquire_owned().await.ok(),
                None => None,
            };
            let name = verb(&op);
            let result = runtime::perform(&*runtime, op).await;
            match &result {
                Ok(_) => tracing::debug!(id = id.0, op = name, "ends"),
                Err(error) => tracing::info!(id = id.0, op = name, %error, "failed"),
            }
            // The loop is gone: so is whoever wanted it.
            let _ = done.send((id, result)).await;
        });
        self.operations.insert(id, task.abort_handle());
    }

    /// Sends, where there is a session. One whose queue is full is given up: the next begins with everything.
    fn send(&mut self, message: Up) {
        let Some(session) = &mut self.session else { return };
        match session.to.try_send(AgentMessage { message: Some(message) }) {
            Ok(()) => session.pulse.said(self.clock.now()),
            Err(error) => {
                tracing::warn!(%error, "the controller takes no messages: the session is given up");
                self.session = None;
            }
        }
    }

    fn beat(&mut self) {
        let manifest_sequence = self.engine.manifest().0;
        self.send(Up::Heartbeat(Heartbeat { manifest_sequence }));
    }

    async fn on_session(&mut self, event: SessionEvent) -> Result<(), AgentError> {
        match event {
            SessionEvent::WantHello(to) => {
                // Not taken: the dialler has given up on this one.
                let _ = to.send(self.hello()?);
                Ok(())
            }
            SessionEvent::Opened { to, held, welcome, address } => {
                let pulse = Pulse::new(&welcome, self.clock.now());
                self.session = Some(Session { to, _held: held, address, pulse });
                self.open(&welcome).await
            }
            SessionEvent::Closed => {
                self.session = None;
                self.step(Input::SessionClosed).await
            }
            SessionEvent::Refused(reason) => {
                Err(AgentError::Refused { reason, known: !self.identity.container_instance_arn.is_empty() })
            }
            SessionEvent::Message(message) => self.on_message(message).await,
        }
    }

    async fn open(&mut self, welcome: &Welcome) -> Result<(), AgentError> {
        let arn = &welcome.container_instance_arn;
        tracing::info!(container_instance_arn = %arn, "session open");
        if !arn.is_empty() && *arn != self.identity.container_instance_arn {
            self.identity.container_instance_arn.clone_from(arn);
            if let Some(data) = &self.data {
                data.keep(&self.identity)?;
            }
        }
        self.step(Input::SessionOpened).await
    }

    async fn on_message(&mut self, message: Down) -> Result<(), AgentError> {
        let input = match message {
            Down::Manifest(manifest) => Input::Manifest(manifest),
            Down::Delta(delta) => Input::Delta(delta),
            Down::StopConfirm(confirm) => Input::StopConfirm(confirm),
            Down::ReportAck(ack) => Input::ReportAck(ack),
            Down::StartLogRead(read) => {
                if let Some(session) = &self.session {
                    self.logs.start(Arc::clone(&self.runtime), &self.engine, session.address.clone(), read);
                }
                return Ok(());
            }
            Down::StopLogRead(stop) => {
                self.logs.stop(&stop.read_id);
                return Ok(());
            }
            // The session's own, taken there.
            Down::Welcome(_) | Down::Redirect(_) | Down::Controllers(_) | Down::Refused(_) => return Ok(()),
        };
        self.step(input).await
    }

    fn hello(&self) -> Result<Hello, AgentError> {
        let (manifest_sequence, digest) = self.engine.manifest();
        Ok(Hello {
            cluster: self.fixed.cluster.clone(),
            instance_token: self.identity.instance_token.clone(),
            container_instance_arn: self.identity.container_instance_arn.clone(),
            session_nonce: random_hex()?,
            capacity: Some(self.fixed.capacity.clone()),
            attributes: self.fixed.attributes.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            docker_version: self.fixed.docker_version.clone(),
            runtime: self.runtime.name().to_owned(),
            manifest_sequence,
            manifest_digest: digest.to_vec(),
            ec2_instance_id: self.fixed.ec2_instance_id.clone(),
            tags: self.fixed.tags.clone(),
            serves: self.fixed.serves.into(),
            capacity_provider: self.fixed.capacity_provider.clone(),
        })
    }

    /// Stops and removes every container of this instance. The reports wait in the journal for the next start.
    async fn leave(&mut self, sources: &mut Sources) -> Result<(), AgentError> {
        self.session = None;
        self.step(Input::SessionClosed).await?;
        self.step(Input::StopAll { reason: "The agent of the container instance was stopped.".into() }).await?;
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        while !self.engine.is_empty() {
            let next = tokio::select! {
                next = self.next(sources) => next,
                () = tokio::time::sleep_until(deadline) => {
                    tracing::warn!("not all containers could be removed in time");
                    return Ok(());
                }
            };
            self.take(next).await?;
        }
        Ok(())
    }
}

async fn asked(questions: &mut Option<mpsc::Receiver<Question>>) -> Option<Question> {
    match questions {
        Some(questions) => questions.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn verb(op: &RuntimeOp) -> &'static str {
    match op {
        RuntimeOp::ProvideNetwork(_) => "provide network",
        RuntimeOp::Pull(_) => "pull",
        RuntimeOp::Create(_) => "create",
        RuntimeOp::Start { .. } => "start",
        RuntimeOp::Stop { .. } => "stop",
        RuntimeOp::Remove { .. } => "remove",
        RuntimeOp::Inspect { .. } => "inspect",
        RuntimeOp::ReleaseNetwork { .. } => "release network",
        RuntimeOp::ForgetTask { .. } => "forget task",
        RuntimeOp::List => "list",
    }
}
