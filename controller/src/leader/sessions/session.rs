//! Carries out what one session with one agent decides: receives, steps, sends, reads, proposes. While an answer is awaited
//! the agent's messages stay in the stream, so that its flow control holds the agent back.

use std::collections::VecDeque;
use std::sync::Arc;

use drydock_leader::session::{Act, CALLER, End, Input, Place, Session};
use drydock_proto::agent::{
    AgentMessage, ControllerMessage, Controllers, Redirect, Refused, agent_message, controller_message::Message,
};
use drydock_state::InstanceKey;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::registry::{Down, Registered};
use crate::core::Core;
use crate::leader::{Leader, fate_of};
use crate::limits::SESSION_STALL_MAX;
use crate::view::Version;

/// Holds a session until it ends. The caller runs it as a task of the leader's scope.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>, mut up: Streaming<AgentMessage>, down: Down) {
    let cancelled = leader.cancel.clone();
    let session = Session::new(core.scope.clone(), leader.now());
    let mut held = Held { core: Arc::clone(&core), leader, down: down.clone(), session, place: None };
    let end = tokio::select! {
        end = held.hold(&mut up) => end,
        () = cancelled.cancelled() => End::NotLeader,
    };
    drop(held);
    tracing::debug!(reason = %end, "a session ends");
    let text = end.to_string();
    let last = match end {
        End::NotLeader => Ok(Message::Redirect(redirect(&core))),
        End::Refused(reason) => {
            tracing::info!(reason, "an agent was refused");
            Ok(Message::Refused(Refused { reason }))
        }
        End::Malformed(_) => Err(Status::invalid_argument(text)),
        End::Silent => Err(Status::deadline_exceeded(text)),
        End::Overloaded(_) => Err(Status::resource_exhausted(text)),
        End::Unknown(_) => Err(Status::unknown(text)),
        End::Stalled | End::Replaced => Err(Status::aborted(text)),
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
    Redirect { leader_address, controllers: Some(Controllers { addresses: members.api_addresses() }) }
}

/// A session under way.
struct Held {
    core: Arc<Core>,
    leader: Arc<Leader>,
    down: Down,
    session: Session,
    place: Option<Registered>,
}

impl Held {
    async fn hold(&mut self, up: &mut Streaming<AgentMessage>) -> End {
        let mut members = self.core.directory.subscribe();
        loop {
            let input = match self.next(up, &mut members).await {
                Ok(input) => input,
                Err(end) => return end,
            };
            if let Err(end) = self.take(input).await {
                return end;
            }
        }
    }

    /// What happens next.
    async fn next<T>(&self, up: &mut Streaming<AgentMessage>, members: &mut watch::Receiver<T>) -> Result<Input, End> {
        let (woken, ended) = (
            async {
                match &self.place {
                    Some(place) => place.wake.notified().await,
                    None => std::future::pending().await,
                }
            },
            async {
                match &self.place {
                    Some(place) => place.end.cancelled().await,
                    None => std::future::pending().await,
                }
            },
        );
        tokio::select! {
            () = ended => Err(End::Replaced),
            () = woken => Ok(Input::Changed),
            _ = members.changed() => Ok(Input::Controllers(self.core.directory.now().api_addresses())),
            () = self.leader.wait_until(self.session.deadline()) => Ok(Input::Tick),
            message = up.message() => {
                let message = message.map_err(|_| End::Closed)?.ok_or(End::Closed)?;
                self.heard(&message);
                Ok(Input::Message(Box::new(message)))
            }
        }
    }

    fn heard(&self, message: &AgentMessage) {
        let figures = &self.core.metrics.agents;
        if let Some(place) = &self.place {
            figures.heartbeats_missed.inc_by(u64::from(place.heard(self.leader.now())));
        }
        match &message.message {
            Some(agent_message::Message::Heartbeat(_)) => drop(figures.heartbeats.inc()),
            Some(agent_message::Message::Reports(reports)) => {
                figures.reports.inc_by(u64::try_from(reports.reports.len()).unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }

    /// Steps the session and carries out what it wants, until it awaits no answer.
    async fn take(&mut self, input: Input) -> Result<(), End> {
        let mut inputs: VecDeque<(Input, Option<Arc<Version>>)> = VecDeque::from([(input, None)]);
        while let Some((input, version)) = inputs.pop_front() {
            let version = version.unwrap_or_else(|| self.core.view.now());
            for act in self.session.step(input, &version.state, self.leader.now()) {
                match act {
                    Act::Send(message) => self.tell(message).await?,
                    Act::Report(waiting) => self.leader.reports.add(waiting, self.leader.now()),
                    Act::Read => inputs.push_back(match self.core.read_strong().await {
                        Ok(version) => (Input::Confirmed(Ok(())), Some(version)),
                        Err(error) => (Input::Confirmed(Err(fate_of(Err(error)))), None),
                    }),
                    Act::Propose(command) => {
                        let stamp = self.core.stamp(self.leader.term);
                        let proposed = self.core.propose(stamp, CALLER, command).await;
                        inputs.push_back((Input::Settled(fate_of(proposed)), None));
                    }
                    Act::Join(key) => inputs.push_back((Input::Joined(self.join(key)), None)),
                    Act::End(end) => return Err(end),
                }
            }
        }
        Ok(())
    }

    fn join(&mut self, key: InstanceKey) -> Option<Place> {
        let disconnect_ms = self.core.view.now().state.settings().instance_disconnect_after_ms;
        let place = self.leader.sessions.register(key, self.down.clone(), disconnect_ms, self.leader.now())?;
        self.core.metrics.agents.sessions_opened.inc();
        let heartbeat_ms = place.heartbeat_ms;
        self.place = Some(place);
        Some(Place { heartbeat_ms, controllers: self.core.directory.now().api_addresses() })
    }

    /// Queues a message; waits for a slow agent up to [`SESSION_STALL_MAX`].
    async fn tell(&self, message: Message) -> Result<(), End> {
        match &message {
            Message::Manifest(part) if !part.more => drop(self.core.metrics.agents.manifests.inc()),
            Message::Delta(_) => drop(self.core.metrics.agents.deltas.inc()),
            _ => {}
        }
        let sent = self.down.send(Ok(ControllerMessage { message: Some(message) }));
        match tokio::time::timeout(SESSION_STALL_MAX, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Closed),
            Err(_) => Err(End::Stalled),
        }
    }
}
