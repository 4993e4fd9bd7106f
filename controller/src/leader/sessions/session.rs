//! One session with one agent, from its hello to its end: registers the instance, keeps it told of its tasks, takes its
//! reports, answers what it asks before it stops something. Level-triggered: whatever was lost is sent again, or asked
//! for again, by comparing with the state.

use std::sync::Arc;
use std::time::Duration;

use drydock_model::status::{DesiredStatus, InstanceStatus};
use drydock_proto::agent::{
    AgentMessage, ControllerMessage, Controllers, Hello, Redirect, Refused, StopConfirm, StopVerification, Welcome,
    agent_message, controller_message::Message,
};
use drydock_state::query::agent;
use drydock_state::{Command, InstanceKey, Outcome, State};
use prost::Message as _;
use tonic::{Status, Streaming};

use super::intake::{self, IntakeError};
use super::manifest::{self, Sent};
use super::registry::{Down, Registered};
use crate::api::errors::ApiError;
use crate::core::Core;
use crate::leader::Leader;
use crate::leader::reports::Waiting;
use crate::limits::{HEARTBEATS_MISSED_MAX, SESSION_HELLO_MAX, SESSION_STALL_MAX, STOP_VERIFICATION_TASKS_MAX};

/// Who registers instances, in the log.
const CALLER: &str = "agents";

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
enum End {
    /// The agent went, or its stream broke.
    #[error("the agent closed the session")]
    Closed,
    /// The agent takes nothing any more.
    #[error("the agent takes no messages")]
    Stalled,
    /// Another session of the same instance took over, or the instance was given up.
    #[error("the session was replaced")]
    Replaced,
    /// Not here any more: to be told where to go.
    #[error("this controller no longer leads")]
    NotLeader,
    /// For good: to be told why.
    #[error("{0}")]
    Refused(String),
    /// Not now: it should try again.
    #[error(transparent)]
    Failed(#[from] Status),
}

impl From<IntakeError> for End {
    fn from(error: IntakeError) -> Self {
        Self::Failed(Status::invalid_argument(error.to_string()))
    }
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unavailable(_) => Self::NotLeader,
            ApiError::Ecs(error) => Self::Refused(error.to_string()),
            other => Self::Failed(other.into()),
        }
    }
}

/// A session under way.
struct Session {
    core: Arc<Core>,
    leader: Arc<Leader>,
    registered: Registered,
    down: Down,
    sent: Option<Sent>,
    /// How long the agent may be silent.
    silence: Duration,
}

/// Holds a session until it ends. The caller runs it as a task of the leader's scope.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>, mut up: Streaming<AgentMessage>, down: Down) {
    let cancelled = leader.cancel.clone();
    let held = hold(Arc::clone(&core), leader, &mut up, down.clone());
    let end = tokio::select! {
        end = held => end,
        () = cancelled.cancelled() => End::NotLeader,
    };
    tracing::debug!(reason = %end, "a session ends");
    let last = match end {
        End::NotLeader => Ok(Message::Redirect(redirect(&core))),
        End::Refused(reason) => {
            tracing::info!(reason, "an agent was refused");
            Ok(Message::Refused(Refused { reason }))
        }
        End::Failed(status) => Err(status),
        End::Stalled | End::Replaced => Err(Status::aborted(end.to_string())),
        End::Closed => return,
    };
    // The agent may be gone already.
    let _ = down.try_send(last.map(|message| ControllerMessage { message: Some(message) }));
}

/// Where an agent finds the leader.
pub(crate) fn redirect(core: &Core) -> Redirect {
    let members = core.directory.now();
    let leader = core.leaderships.now().leader.filter(|leader| *leader != core.me);
    let leader_address =
        leader.and_then(|id| members.by_id.get(&id)).map(|m| m.api_address.clone()).unwrap_or_default();
    Redirect { leader_address, controllers: Some(controllers(core)) }
}

fn controllers(core: &Core) -> Controllers {
    Controllers { addresses: core.directory.now().api_addresses() }
}

async fn hold(core: Arc<Core>, leader: Arc<Leader>, up: &mut Streaming<AgentMessage>, down: Down) -> End {
    match begin(core, leader, up, down).await {
        Ok(mut session) => session.go_on(up).await.err().unwrap_or(End::Closed),
        Err(end) => end,
    }
}

async fn begin(
    core: Arc<Core>,
    leader: Arc<Leader>,
    up: &mut Streaming<AgentMessage>,
    down: Down,
) -> Result<Session, End> {
    let first = tokio::time::timeout(SESSION_HELLO_MAX, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
    let Some(AgentMessage { message: Some(agent_message::Message::Hello(hello)) }) = first else {
        return Err(Status::invalid_argument("a session begins with a hello").into());
    };
    let key = admit(&core, &leader, &hello).await?;
    let settings = *core.view.now().state.settings();
    let interval = leader.sessions.heartbeat_interval(Duration::from_millis(settings.instance_disconnect_after_ms));
    let silence = interval * HEARTBEATS_MISSED_MAX;
    let Some(registered) = leader.sessions.register(key, down.clone(), silence) else {
        return Err(Status::resource_exhausted("there are too many sessions; retry later").into());
    };
    core.metrics.agents.sessions_opened.inc();
    let mut session = Session { core, leader, registered, down, sent: None, silence };
    session.welcome(&hello, interval).await?;
    Ok(session)
}

/// Finds or makes the instance of an agent, connected.
async fn admit(core: &Core, leader: &Leader, hello: &Hello) -> Result<InstanceKey, End> {
    let registration = intake::registration(hello)?;
    // Confirmed: an agent that is refused ends, and a leader that no longer is one must not do that to it.
    let version = core.read_strong().await?;
    let known = manifest::find(&version.state, &core.scope, &registration.cluster, &registration.token);
    if !hello.container_instance_arn.is_empty() {
        let arn = &hello.container_instance_arn;
        match known {
            None => return Err(End::Refused(format!("{arn} isn't registered in cluster {}", registration.cluster))),
            Some(row) if !manifest::is_named(row.key, arn) => {
                return Err(End::Refused(format!("this agent's instance is {}, not {arn}", row.key)));
            }
            Some(_) => {}
        }
    }
    if let Some(row) = known {
        if row.status == InstanceStatus::Inactive {
            return Err(End::Refused(format!("container instance {} was deregistered", row.key)));
        }
        // Unchanged and connected: the leader changed, or the stream broke for a moment. Nothing to agree upon.
        if row.agent_connected && manifest::is_same(row, &registration) {
            return Ok(row.key);
        }
        if manifest::is_same(row, &registration) {
            return instance(core, leader, Command::InstanceConnected(row.key)).await;
        }
    }
    instance(core, leader, Command::RegisterInstance(Box::new(registration))).await
}

async fn instance(core: &Core, leader: &Leader, command: Command) -> Result<InstanceKey, End> {
    let name = command.name();
    let proposed = core.propose(core.stamp(leader.term), CALLER, command).await?;
    match proposed.outcome {
        Outcome::Instance(row) => Ok(row.key),
        Outcome::Refused(error) => Err(End::Refused(error.to_string())),
        other => {
            tracing::error!(name, ?other, "an instance was not registered");
            Err(Status::internal("the instance was not registered").into())
        }
    }
}

impl Session {
    /// Queues a message; waits for a slow agent up to [`SESSION_STALL_MAX`].
    async fn tell(&self, message: Message) -> Result<(), End> {
        let sent = self.down.send(Ok(ControllerMessage { message: Some(message) }));
        match tokio::time::timeout(SESSION_STALL_MAX, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Closed),
            Err(_) => Err(End::Stalled),
        }
    }

    async fn welcome(&mut self, hello: &Hello, interval: Duration) -> Result<(), End> {
        let version = self.core.view.now();
        let key = self.registered.key;
        let arn = manifest::arn(&version.state, key);
        self.tell(Message::Welcome(Welcome {
            container_instance_arn: arn.ok_or_else(|| End::Refused("the instance is gone".to_owned()))?,
            heartbeat_interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
            controllers: Some(controllers(&self.core)),
        }))
        .await?;
        let now = Sent::of(&version.state, key).ok_or_else(|| End::Refused("the instance is gone".to_owned()))?;
        let has_all = hello.manifest_sequence == now.sequence
            && agent::manifest_digest(&version.state, key).is_some_and(|digest| hello.manifest_digest == digest);
        if has_all && now.sequence != 0 {
            self.sent = Some(now);
            return Ok(());
        }
        self.send_manifest(&version.state).await
    }

    async fn go_on(&mut self, up: &mut Streaming<AgentMessage>) -> Result<(), End> {
        let mut members = self.core.directory.subscribe();
        loop {
            tokio::select! {
                () = self.registered.end.cancelled() => return Err(End::Replaced),
                () = self.registered.wake.notified() => self.send_changes().await?,
                _ = members.changed() => self.tell(Message::Controllers(controllers(&self.core))).await?,
                message = up.message() => {
                    let message = message.map_err(|_| End::Closed)?.ok_or(End::Closed)?;
                    let missed = self.leader.sessions.heard(self.registered.key, self.silence);
                    self.core.metrics.agents.heartbeats_missed.inc_by(u64::from(missed));
                    self.take(message).await?;
                }
            }
        }
    }

    async fn take(&mut self, message: AgentMessage) -> Result<(), End> {
        match message.message {
            Some(agent_message::Message::Reports(reports)) => {
                let received = u64::try_from(reports.reports.len()).unwrap_or(u64::MAX);
                self.core.metrics.agents.reports.inc_by(received);
                for report in reports.reports {
                    let (task_arn, bytes) = (report.task_arn.clone(), report.encoded_len());
                    let report = intake::task_report(self.registered.key, report)?;
                    self.leader.reports.add(Waiting { report, task_arn, bytes });
                }
                Ok(())
            }
            Some(agent_message::Message::StopVerification(asked)) => self.verify_stops(asked).await,
            Some(agent_message::Message::ManifestRequest(_)) => {
                let version = self.core.view.now();
                self.send_manifest(&version.state).await
            }
            // Its arrival is what matters.
            Some(agent_message::Message::Heartbeat(_)) => {
                self.core.metrics.agents.heartbeats.inc();
                Ok(())
            }
            Some(agent_message::Message::Ack(_)) => Ok(()),
            Some(agent_message::Message::Hello(_)) => Err(Status::invalid_argument("a second hello").into()),
            // A later agent's message that this build doesn't know.
            None => Ok(()),
        }
    }

    /// The whole manifest, in parts where it is large.
    async fn send_manifest(&mut self, state: &State) -> Result<(), End> {
        let key = self.registered.key;
        let now = Sent::of(state, key).ok_or_else(|| End::Refused("the instance is gone".to_owned()))?;
        for part in manifest::parts(state, key) {
            self.tell(Message::Manifest(part)).await?;
        }
        self.core.metrics.agents.manifests.inc();
        self.sent = Some(now);
        Ok(())
    }

    /// What changed since the last manifest or delta.
    async fn send_changes(&mut self) -> Result<(), End> {
        let version = self.core.view.now();
        let key = self.registered.key;
        match version.state.instance(key) {
            None => return Err(End::Refused("the container instance was deregistered".to_owned())),
            Some(row) if row.status == InstanceStatus::Inactive => {
                return Err(End::Refused("the container instance was deregistered".to_owned()));
            }
            // Most of what happens to tasks is told by their agent: its manifest stays as it is.
            Some(row) if self.sent.as_ref().is_some_and(|sent| sent.sequence == row.changed_at) => return Ok(()),
            Some(_) => {}
        }
        let Some(sent) = &self.sent else { return self.send_manifest(&version.state).await };
        let Some(now) = Sent::of(&version.state, key) else { return Ok(()) };
        match manifest::delta(&version.state, key, sent, &now) {
            Some(delta) => {
                self.tell(Message::Delta(delta)).await?;
                self.core.metrics.agents.deltas.inc();
            }
            None => return self.send_manifest(&version.state).await,
        }
        self.sent = Some(now);
        Ok(())
    }

    /// Tells which of the tasks that the agent runs and its manifest lacks may be stopped: by a state that has seen every
    /// acknowledged write, never by what happens to be here.
    async fn verify_stops(&mut self, asked: StopVerification) -> Result<(), End> {
        if asked.task_arns.len() > STOP_VERIFICATION_TASKS_MAX {
            return Err(Status::invalid_argument(format!(
                "a StopVerification names at most {STOP_VERIFICATION_TASKS_MAX} tasks"
            ))
            .into());
        }
        let version = self.core.read_strong().await?;
        let key = self.registered.key;
        let keep = |arn: &String| {
            let task = intake::task_key(key, arn).ok().and_then(|task| version.state.task_on(key, task.id));
            task.is_some_and(|task| !task.is_stopped() && task.desired_status == DesiredStatus::Running)
        };
        let (keep_task_arns, stop_task_arns) = asked.task_arns.into_iter().partition(keep);
        let confirm = StopConfirm { manifest_sequence: asked.manifest_sequence, stop_task_arns, keep_task_arns };
        self.tell(Message::StopConfirm(confirm)).await?;
        // What it keeps is in a manifest that it may have missed.
        self.send_manifest(&version.state).await
    }
}
