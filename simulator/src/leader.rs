//! The leader's parts, as the controller's shell runs them: each with one proposal under way at most, woken by what concerns
//! it. The parts themselves are `drydock_leader`'s.

use std::collections::{BTreeMap, BTreeSet};

use drydock_leader::checkpoints::Checkpoints;
use drydock_leader::fleet::Fleet;
use drydock_leader::opening::{Given, Opening};
use drydock_leader::reconciler::{self, Reconciler};
use drydock_leader::reports::Reports;
use drydock_leader::session::{Act, CALLER, End, Input, Place, Session};
use drydock_leader::{Fate, Moment, Next, Proposal, Sight};
use drydock_model::arn::Scope;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{ReportAck, TaskSequence};
use drydock_state::{InstanceKey, Key, Millis, State};

use crate::faults::Bug;

/// Names a connection between an agent and a controller.
pub(crate) type Conn = u64;

/// Who waits for an answer of consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Opening,
    Reconciler,
    Liveness,
    Reports,
    Checkpoints,
    Session(Conn),
}

const PARTS: [Who; 5] = [Who::Opening, Who::Reconciler, Who::Liveness, Who::Reports, Who::Checkpoints];

/// What the leader wants of the controller around it.
#[derive(Debug)]
pub(crate) enum Want {
    Propose(Who, Box<Proposal>),
    Read(Conn),
    Send(Conn, Down),
    Close(Conn, End),
}

/// A session and its place among the others.
struct Held {
    session: Session,
    place: Option<(InstanceKey, u64, Millis)>,
}

/// The scope of one term.
pub(crate) struct Leader {
    pub(crate) term: u64,
    bug: Option<Bug>,
    scope: Scope,
    addresses: Vec<String>,
    opening: Opening,
    reconciler: Reconciler,
    fleet: Fleet<Conn>,
    reports: Reports,
    checkpoints: Checkpoints,
    sessions: BTreeMap<Conn, Held>,
    busy: BTreeSet<Who>,
    wants: Vec<Want>,
}

impl Leader {
    pub(crate) fn new(
        term: u64,
        (scope, addresses): (Scope, Vec<String>),
        state: &State,
        bug: Option<Bug>,
        now: Moment,
    ) -> Self {
        Self {
            term,
            bug,
            scope,
            addresses,
            opening: Opening::new(state, Given::default()),
            reconciler: Reconciler::new(state),
            fleet: Fleet::new(state, now),
            reports: Reports::default(),
            checkpoints: Checkpoints::new(now),
            sessions: BTreeMap::new(),
            busy: BTreeSet::new(),
            wants: Vec::new(),
        }
    }

    /// What it wants by now.
    pub(crate) fn take_wants(&mut self) -> Vec<Want> {
        std::mem::take(&mut self.wants)
    }

    /// The connections that it holds sessions on.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Conn> + '_ {
        self.sessions.keys().copied()
    }

    /// An agent's stream begins.
    pub(crate) fn open(&mut self, conn: Conn, now: Moment) {
        self.sessions.insert(conn, Held { session: Session::new(self.scope.clone(), now), place: None });
    }

    /// An agent's stream is gone.
    pub(crate) fn closed(&mut self, conn: Conn) {
        if let Some((key, number, _)) = self.sessions.remove(&conn).and_then(|held| held.place) {
            self.fleet.closed(key, number);
        }
    }

    /// Whether a message of the agent may be given now; else it stays in the stream.
    pub(crate) fn listens(&self, conn: Conn) -> bool {
        self.sessions.get(&conn).is_some_and(|held| !held.session.waits())
    }

    /// Something happened to a session.
    pub(crate) fn session(&mut self, conn: Conn, input: Input, state: &State, now: Moment) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(held) = self.sessions.get_mut(&conn) else { return };
            if let (Input::Message(_), Some((key, _, silence))) = (&input, held.place) {
                self.fleet.heard(key, silence, now);
            }
            for act in held.session.step(input, state, now) {
                match act {
                    Act::Send(message) => self.wants.push(Want::Send(conn, message)),
                    Act::Read => self.wants.push(Want::Read(conn)),
                    Act::Propose(command) => {
                        let proposal = Proposal { caller: CALLER, command, now_ms: 0, seed: 0 };
                        self.wants.push(Want::Propose(Who::Session(conn), Box::new(proposal)));
                    }
                    Act::Report(waiting)
                        if self.bug == Some(Bug::ReportsLost) && waiting.report.sequence.is_multiple_of(3) =>
                    {
                        let sequence = waiting.report.sequence;
                        let reports = vec![TaskSequence { task_arn: waiting.task_arn, sequence }];
                        self.wants.push(Want::Send(conn, Down::ReportAck(ReportAck { reports })));
                    }
                    Act::Report(waiting) => drop(self.reports.add(waiting, now)),
                    Act::Join(key) => {
                        let disconnect_ms = state.settings().instance_disconnect_after_ms;
                        let joined = self.fleet.join(key, conn, disconnect_ms, now);
                        let place = joined.map(|joined| {
                            if let Some(earlier) = joined.replaced {
                                self.wants.push(Want::Close(earlier, End::Replaced));
                            }
                            held.place = Some((key, joined.number, joined.silence_ms));
                            Place { heartbeat_ms: joined.heartbeat_ms, controllers: self.addresses.clone() }
                        });
                        inputs.push(Input::Joined(place));
                    }
                    Act::End(end) => self.wants.push(Want::Close(conn, end)),
                }
            }
        }
    }

    /// Rows changed; the state has seen it.
    pub(crate) fn changed(&mut self, keys: BTreeSet<Key>, state: &State, now: Moment) {
        for key in reconciler::concerned(state, &keys) {
            if let Some(conn) = self.fleet.session(key).copied() {
                self.session(conn, Input::Changed, state, now);
            }
        }
        self.reconciler.mark(keys.into_iter().filter(reconciler::matters).collect());
    }

    /// Asks every part what it wants. Gives when to ask again.
    pub(crate) fn poll(&mut self, sight: &Sight<'_>) -> Option<Moment> {
        let mut wake: Option<Moment> = None;
        let mut sooner = |at: Moment| wake = Some(wake.map_or(at, |wake| wake.min(at)));
        for who in PARTS {
            if self.busy.contains(&who) {
                continue;
            }
            let next = match who {
                Who::Opening => self.opening.next(sight),
                Who::Reconciler => self.reconciler.next(sight),
                Who::Liveness => self.fleet.next(sight),
                Who::Reports => self.reports.next(sight),
                Who::Checkpoints => self.checkpoints.next(sight),
                Who::Session(_) => continue,
            };
            match next {
                Next::Propose(proposal) => {
                    self.busy.insert(who);
                    self.wants.push(Want::Propose(who, proposal));
                }
                Next::Again => sooner(sight.now + 1),
                Next::Until(at) => at.into_iter().for_each(&mut sooner),
            }
        }
        let late: Vec<Conn> = self
            .sessions
            .iter()
            .filter_map(|(conn, held)| {
                let at = held.session.deadline()?;
                sooner(at.max(sight.now + 1));
                (at <= sight.now).then_some(*conn)
            })
            .collect();
        for conn in late {
            self.session(conn, Input::Tick, sight.state, sight.now);
        }
        for (_, conn) in self.fleet.take_ended() {
            self.wants.push(Want::Close(conn, End::Replaced));
        }
        wake
    }

    /// A proposal has its fate; the state has seen it.
    pub(crate) fn settled(&mut self, who: Who, fate: Fate, state: &State, now: Moment) {
        self.busy.remove(&who);
        match who {
            Who::Opening => self.opening.settled(&fate, now),
            Who::Reconciler => self.reconciler.settled(&fate, now),
            Who::Liveness => drop(self.fleet.settled(&fate, now)),
            Who::Checkpoints => self.checkpoints.settled(&fate),
            Who::Reports => {
                for (key, ack) in self.reports.settled(fate, now) {
                    if let Some(conn) = self.fleet.session(key) {
                        self.wants.push(Want::Send(*conn, Down::ReportAck(ack)));
                    }
                }
            }
            Who::Session(conn) => self.session(conn, Input::Settled(fate), state, now),
        }
    }
}
