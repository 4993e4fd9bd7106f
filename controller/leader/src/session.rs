//! One session with one agent, from its hello to its end: registers the instance, keeps it told of its tasks, takes its
//! reports, answers what it asks before it stops something. Level-triggered: whatever was lost is sent again, or asked
//! for again, by comparing with the state.
//!
//! Where a session waits for an answer ([`Session::waits`]) it takes no messages: the shell leaves them in the stream.

use drydock_model::arn::Scope;
use drydock_model::status::{DesiredStatus, InstanceStatus};
use drydock_proto::agent::{
    AgentMessage, Controllers, Hello, StopConfirm, StopVerification, Welcome, agent_message,
    controller_message::Message,
};
use drydock_state::command::RegisterInstance;
use drydock_state::query::agent;
use drydock_state::{Command, InstanceKey, Millis, Outcome, State};
use prost::Message as _;

use crate::intake::{self, IntakeError};
use crate::limits::{SESSION_HELLO_MAX_MS, STOP_VERIFICATION_TASKS_MAX};
use crate::manifest::{self, Sent};
use crate::proposal::{Fate, Moment};
use crate::reports::Waiting;

/// Who registers instances, in the log.
pub const CALLER: &str = "agents";

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
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
    /// What the agent said can't be understood.
    #[error("{0}")]
    Malformed(String),
    /// The agent said nothing.
    #[error("no hello came")]
    Silent,
    /// Not now, for load: it should try again.
    #[error("{0}")]
    Overloaded(String),
    /// Whether it was written isn't known: it should try again.
    #[error("{0}")]
    Unknown(String),
}

impl From<IntakeError> for End {
    fn from(error: IntakeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The agent says something.
    Message(Box<AgentMessage>),
    /// The state given with this has seen every write that was acknowledged before [`Act::Read`]; or why it can't be had.
    Confirmed(Result<(), Fate>),
    /// What came of [`Act::Propose`]; the state given with this has seen it.
    Settled(Fate),
    /// What came of [`Act::Join`]; `None`: there are too many sessions.
    Joined(Option<Place>),
    /// The instance or its tasks may have changed.
    Changed,
    /// Other controllers take part now: their addresses.
    Controllers(Vec<String>),
    /// Time has passed.
    Tick,
}

/// A session's place among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How often the agent has to be heard of.
    pub heartbeat_ms: Millis,
    /// Where the controllers are.
    pub controllers: Vec<String>,
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Act {
    /// Tell the agent.
    Send(Message),
    /// A state that has seen every acknowledged write is needed: [`Input::Confirmed`].
    Read,
    /// Propose this: [`Input::Settled`].
    Propose(Command),
    /// Take a place among the sessions: [`Input::Joined`].
    Join(InstanceKey),
    /// Merge this with what the others report.
    Report(Waiting),
    /// The session is over.
    End(End),
}

#[derive(Debug)]
enum Phase {
    /// The first message is to come.
    New,
    /// Waits for a confirmed state.
    Admitting(Box<Hello>, Box<RegisterInstance>),
    /// Waits for the instance to be written.
    Registering(Box<Hello>),
    /// Waits for a place.
    Joining(Box<Hello>, InstanceKey),
    /// The agent is welcome.
    Open(InstanceKey),
    /// Waits for a confirmed state.
    Verifying(InstanceKey, StopVerification),
    Ended,
}

/// A session under way.
#[derive(Debug)]
pub struct Session {
    /// Region and account of the controllers' API.
    scope: Scope,
    phase: Phase,
    hello_until: Moment,
    /// What the agent was last told.
    sent: Option<Sent>,
    acts: Vec<Act>,
}

impl Session {
    /// One that just began.
    #[must_use]
    pub fn new(scope: Scope, now: Moment) -> Self {
        Self { scope, phase: Phase::New, hello_until: now + SESSION_HELLO_MAX_MS, sent: None, acts: Vec::new() }
    }

    /// The instance, once the agent is welcome.
    #[must_use]
    pub fn instance(&self) -> Option<InstanceKey> {
        match &self.phase {
            Phase::Open(key) | Phase::Verifying(key, _) => Some(*key),
            _ => None,
        }
    }

    /// Whether an answer is awaited: until it comes no message may be given.
    #[must_use]
    pub fn waits(&self) -> bool {
        !matches!(self.phase, Phase::New | Phase::Open(_))
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        matches!(self.phase, Phase::New).then_some(self.hello_until)
    }

    /// Takes what happened, with the newest version of the state.
    pub fn step(&mut self, input: Input, state: &State, now: Moment) -> Vec<Act> {
        if let Err(end) = self.take(input, state, now) {
            self.phase = Phase::Ended;
            self.acts.push(Act::End(end));
        }
        std::mem::take(&mut self.acts)
    }

    fn take(&mut self, input: Input, state: &State, now: Moment) -> Result<(), End> {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        match (phase, input) {
            (Phase::New, Input::Message(message)) => self.greet(*message),
            (Phase::New, Input::Tick) if now >= self.hello_until => Err(End::Silent),
            (Phase::Admitting(hello, registration), Input::Confirmed(confirmed)) => {
                confirmed.map_err(failed)?;
                self.admit(hello, registration, state)
            }
            (Phase::Registering(hello), Input::Settled(fate)) => self.registered(hello, fate),
            (Phase::Joining(hello, key), Input::Joined(place)) => self.welcome(&hello, key, place, state),
            (Phase::Open(key), Input::Message(message)) => {
                self.phase = Phase::Open(key);
                self.hear(key, *message, state)
            }
            (Phase::Verifying(key, asked), Input::Confirmed(confirmed)) => {
                confirmed.map_err(failed)?;
                self.phase = Phase::Open(key);
                self.confirm_stops(key, asked, state)
            }
            (phase, Input::Changed) => {
                let key = if let Phase::Open(key) = phase { Some(key) } else { None };
                self.phase = phase;
                // One that waits looks at the state afterwards.
                key.map_or(Ok(()), |key| self.send_changes(key, state))
            }
            (phase, Input::Controllers(addresses)) => {
                self.phase = phase;
                if self.instance().is_some() {
                    self.acts.push(Act::Send(Message::Controllers(Controllers { addresses })));
                }
                Ok(())
            }
            (phase, Input::Message(_)) if !matches!(phase, Phase::Ended) => {
                Err(End::Malformed("a message while an answer is awaited".to_owned()))
            }
            // An answer that isn't awaited (any more).
            (phase, _) => {
                self.phase = phase;
                Ok(())
            }
        }
    }

    fn greet(&mut self, message: AgentMessage) -> Result<(), End> {
        let Some(agent_message::Message::Hello(hello)) = message.message else {
            return Err(End::Malformed("a session begins with a hello".to_owned()));
        };
        let registration = intake::registration(&hello)?;
        self.phase = Phase::Admitting(Box::new(hello), Box::new(registration));
        // Confirmed: an agent that is refused ends, and a leader that no longer is one must not do that to it.
        self.acts.push(Act::Read);
        Ok(())
    }

    /// Finds or makes the instance of an agent, connected.
    fn admit(&mut self, hello: Box<Hello>, registration: Box<RegisterInstance>, state: &State) -> Result<(), End> {
        let known = manifest::find(state, &self.scope, &registration.cluster, &registration.token);
        if !hello.container_instance_arn.is_empty() {
            let arn = &hello.container_instance_arn;
            match known {
                None => {
                    return Err(End::Refused(format!("{arn} isn't registered in cluster {}", registration.cluster)));
                }
                Some(row) if !manifest::is_named(row.key, arn) => {
                    return Err(End::Refused(format!("this agent's instance is {}, not {arn}", row.key)));
                }
                Some(_) => {}
            }
        }
        let command = match known {
            Some(row) if row.status == InstanceStatus::Inactive => {
                return Err(End::Refused(format!("container instance {} was deregistered", row.key)));
            }
            // Unchanged and connected: the leader changed, or the stream broke for a moment. Nothing to agree upon.
            Some(row) if row.agent_connected && manifest::is_same(row, &registration) => {
                self.phase = Phase::Joining(hello, row.key);
                self.acts.push(Act::Join(row.key));
                return Ok(());
            }
            Some(row) if manifest::is_same(row, &registration) => Command::InstanceConnected(row.key),
            _ => Command::RegisterInstance(registration),
        };
        self.phase = Phase::Registering(hello);
        self.acts.push(Act::Propose(command));
        Ok(())
    }

    fn registered(&mut self, hello: Box<Hello>, fate: Fate) -> Result<(), End> {
        let key = match fate {
            Fate::Applied { outcome: Outcome::Instance(row), .. } => row.key,
            Fate::Applied { outcome: Outcome::Refused(error), .. } => return Err(End::Refused(error.to_string())),
            Fate::Applied { .. } => return Err(End::Unknown("the instance was not registered".to_owned())),
            other => return Err(failed(other)),
        };
        self.phase = Phase::Joining(hello, key);
        self.acts.push(Act::Join(key));
        Ok(())
    }

    fn welcome(&mut self, hello: &Hello, key: InstanceKey, place: Option<Place>, state: &State) -> Result<(), End> {
        let place = place.ok_or_else(|| End::Overloaded("there are too many sessions; retry later".to_owned()))?;
        self.acts.push(Act::Send(Message::Welcome(Welcome {
            container_instance_arn: manifest::arn(state, key).ok_or_else(gone)?,
            heartbeat_interval_ms: u32::try_from(place.heartbeat_ms).unwrap_or(u32::MAX),
            controllers: Some(Controllers { addresses: place.controllers }),
        })));
        self.phase = Phase::Open(key);
        let now = Sent::of(state, key).ok_or_else(gone)?;
        let has_all = hello.manifest_sequence == now.sequence
            && agent::manifest_digest(state, key).is_some_and(|digest| hello.manifest_digest == digest);
        if has_all && now.sequence != 0 {
            self.sent = Some(now);
            return Ok(());
        }
        self.send_manifest(key, state)
    }

    fn hear(&mut self, key: InstanceKey, message: AgentMessage, state: &State) -> Result<(), End> {
        match message.message {
            Some(agent_message::Message::Reports(reports)) => {
                for report in reports.reports {
                    let (task_arn, bytes) = (report.task_arn.clone(), report.encoded_len());
                    let report = intake::task_report(key, report)?;
                    self.acts.push(Act::Report(Waiting { report, task_arn, bytes }));
                }
                Ok(())
            }
            Some(agent_message::Message::StopVerification(asked)) => {
                if asked.task_arns.len() > STOP_VERIFICATION_TASKS_MAX {
                    let most = format!("a StopVerification names at most {STOP_VERIFICATION_TASKS_MAX} tasks");
                    return Err(End::Malformed(most));
                }
                self.phase = Phase::Verifying(key, asked);
                self.acts.push(Act::Read);
                Ok(())
            }
            Some(agent_message::Message::ManifestRequest(_)) => self.send_manifest(key, state),
            Some(agent_message::Message::Hello(_)) => Err(End::Malformed("a second hello".to_owned())),
            // That a heartbeat or an acknowledgement arrives is what matters; what this build doesn't know is a later
            // agent's.
            Some(agent_message::Message::Heartbeat(_) | agent_message::Message::Ack(_)) | None => Ok(()),
        }
    }

    /// The whole manifest, in parts where it is large.
    fn send_manifest(&mut self, key: InstanceKey, state: &State) -> Result<(), End> {
        let now = Sent::of(state, key).ok_or_else(gone)?;
        let parts = manifest::parts(state, key).into_iter();
        self.acts.extend(parts.map(|part| Act::Send(Message::Manifest(part))));
        self.sent = Some(now);
        Ok(())
    }

    /// What changed since the last manifest or delta.
    fn send_changes(&mut self, key: InstanceKey, state: &State) -> Result<(), End> {
        let row = state.instance(key).filter(|row| row.status != InstanceStatus::Inactive);
        let row = row.ok_or_else(|| End::Refused("the container instance was deregistered".to_owned()))?;
        // Most of what happens to tasks is told by their agent: its manifest stays as it is.
        if self.sent.as_ref().is_some_and(|sent| sent.sequence == row.changed_at) {
            return Ok(());
        }
        let Some(sent) = &self.sent else { return self.send_manifest(key, state) };
        let Some(now) = Sent::of(state, key) else { return Ok(()) };
        match manifest::delta(state, key, sent, &now) {
            Some(delta) => self.acts.push(Act::Send(Message::Delta(delta))),
            None => return self.send_manifest(key, state),
        }
        self.sent = Some(now);
        Ok(())
    }

    /// Tells which of the tasks that the agent runs and its manifest lacks may be stopped: by a state that has seen every
    /// acknowledged write, never by what happens to be here.
    fn confirm_stops(&mut self, key: InstanceKey, asked: StopVerification, state: &State) -> Result<(), End> {
        let keep = |arn: &String| {
            let task = intake::task_key(key, arn).ok().and_then(|task| state.task_on(key, task.id));
            task.is_some_and(|task| !task.is_stopped() && task.desired_status == DesiredStatus::Running)
        };
        let (keep_task_arns, stop_task_arns) = asked.task_arns.into_iter().partition(keep);
        let confirm = StopConfirm { manifest_sequence: asked.manifest_sequence, stop_task_arns, keep_task_arns };
        self.acts.push(Act::Send(Message::StopConfirm(confirm)));
        // What it keeps is in a manifest that it may have missed.
        self.send_manifest(key, state)
    }
}

fn gone() -> End {
    End::Refused("the instance is gone".to_owned())
}

fn failed(fate: Fate) -> End {
    match fate {
        Fate::Applied { .. } => End::Unknown("an answer to something else came".to_owned()),
        Fate::Unavailable(_) => End::NotLeader,
        Fate::Overloaded(why) => End::Overloaded(why),
        Fate::Unknown(why) => End::Unknown(why),
        Fate::Rejected(why) => End::Refused(why),
    }
}
