//! The world: a queue of events, one clock, one generator, and all machines.

use std::collections::BTreeMap;

use drydock_consensus::core::{Input as RaftInput, PeerMessage};
use drydock_consensus::snapshot::ServeEnd;
use drydock_consensus::{Config, Membership, RaftId, SnapshotMeta};
use drydock_engine::session::Ended;
use drydock_engine::{EffectId, Input as EngineInput, JournalWrite, RuntimeOp};
use drydock_leader::Fate;
use drydock_leader::session::Input as SessionInput;
use drydock_model::arn::Scope;
use drydock_proto::agent::AgentMessage;
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_state::{Command, State};

use crate::EPOCH_MS;
use crate::agent::{self, Agent, Line, Told};
use crate::checks::Ledger;
use crate::client::Client;
use crate::controller::{Call, Controller, Out};
use crate::faults::{Bug, Plan};
use crate::leader::Conn;
use crate::network::{Network, Stream, agent_node};
use crate::random::Random;
use crate::rehearsal::Watch;
use crate::story::Story;

/// Milliseconds of virtual time.
pub(crate) type Time = u64;

/// A side that doesn't hear of the other's end learns of it after so long at most.
const PING_TIMEOUT_MS: Time = 5_000;
/// The first message must come within this of the hello.
const WELCOME_TIMEOUT_MS: Time = 5_000;
/// A connection that nobody takes fails after this.
const CONNECT_TIMEOUT_MS: Time = 2_000;

/// What happens at a moment.
#[derive(Debug)]
pub(crate) enum Event {
    Peer(PeerMessage),
    Tick(RaftId, u64),
    Synced(RaftId, u64),
    Wake(RaftId, u64),
    Start(RaftId),
    SnapshotMade(RaftId, u64, Box<SnapshotMeta>),
    SnapshotFetched(RaftId, u64, RaftId, Box<SnapshotMeta>),
    Up(Conn, Box<Up>),
    Down(Conn, Box<Down>),
    AgentLearns(Conn),
    ControllerLearns(Conn),
    NoWelcome(usize, Conn),
    Dial(usize, u64),
    AgentTick(usize, u64),
    AgentStart(usize),
    Op(usize, u64, EffectId, Box<RuntimeOp>),
    Journaled(usize, u64, EffectId, Vec<JournalWrite>),
    Call(Call, RaftId, Box<Option<Command>>),
    Answer(Call, Box<Fate>),
    Think(usize),
    Late(Call),
    Bad,
}

/// Everything.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) now: Time,
    queue: BTreeMap<(Time, u64), Event>,
    queued: u64,
    pub(crate) controllers: BTreeMap<RaftId, Controller>,
    pub(crate) agents: Vec<Agent>,
    journal_at: Vec<Time>,
    /// When each controller is asked again, if nothing happens before.
    wakes: BTreeMap<RaftId, Time>,
    pub(crate) clients: Vec<Client>,
    pub(crate) last_call: Call,
    pub(crate) highest_told: u64,
    pub(crate) network: Network,
    pub(crate) ledger: Ledger,
    pub(crate) story: Story,
    pub(crate) violation: Option<String>,
    /// Faults that were injected.
    pub(crate) faults: u64,
    /// Takes what is committed in the ledger's place, in a rehearsal.
    pub(crate) watch: Option<Watch>,
}

pub(crate) fn config() -> Config {
    Config { snapshot_every_entries: 200, trailing_entries: 30, entry_cache_bytes: 64 * 1024, ..Config::default() }
}

impl World {
    /// A world in which nothing has happened yet.
    ///
    /// # Errors
    /// The plan has no controllers.
    pub fn new(seed: u64, plan: Plan) -> Result<Self, String> {
        let ids = 1..=plan.controllers;
        let addresses: Vec<String> = ids.clone().map(|id| format!("c{id}")).collect();
        let members = ids.clone().map(|id| (id, format!("c{id}").into_bytes()));
        let members = Membership::bootstrap(members).map_err(|error| error.to_string())?;
        let scope = Scope { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
        let controller = |id| (id, Controller::new(id, scope.clone(), addresses.clone(), members.clone(), plan.bug));
        let agent = |at: u64| {
            let room = (1_024 + 1_024 * u32::try_from(at % 3).unwrap_or(0), 8_192);
            Agent::new(format!("a{at}"), format!("zone-{}", at % 3), room, addresses.clone())
        };
        let mut world = Self {
            plan,
            random: Random::new(seed),
            now: 0,
            queue: BTreeMap::new(),
            queued: 0,
            controllers: ids.clone().map(controller).collect(),
            agents: (0..plan.agents).map(agent).collect(),
            journal_at: (0..plan.agents).map(|_| 0).collect(),
            wakes: BTreeMap::new(),
            clients: vec![Client::default(), Client::default()],
            last_call: 0,
            highest_told: 0,
            network: Network::default(),
            ledger: Ledger::default(),
            story: Story::default(),
            violation: None,
            faults: 0,
            watch: None,
        };
        for id in ids {
            world.at(0, Event::Start(id));
        }
        for at in 0..world.agents.len() {
            world.at(100, Event::AgentStart(at));
        }
        for at in 0..world.clients.len() {
            world.at(1_000, Event::Think(at));
        }
        if plan.bad_every > 0 {
            world.at(5_000, Event::Bad);
        }
        Ok(world)
    }

    pub(crate) fn at(&mut self, delay: Time, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + delay, self.queued), event);
    }

    pub(crate) fn tell(&mut self, what: &str) {
        self.story.tell(self.now, what);
    }

    pub(crate) fn violate(&mut self, what: String) {
        self.tell(&format!("VIOLATION: {what}"));
        self.violation.get_or_insert(what);
    }

    /// Lets so many milliseconds pass, or fewer where something is violated.
    pub fn run(&mut self, time: Time) {
        let until = self.now + time;
        while self.violation.is_none()
            && let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until)
        {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.event(event);
        }
        self.now = until;
    }

    /// The state of the controller that leads, or of the furthest one.
    pub(crate) fn state(&self) -> Option<&State> {
        self.controllers.values().max_by_key(|one| (one.leads_now(), one.state().1)).map(|one| one.state().0)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Peer(message) => {
                let to = message.to;
                self.with(to, |controller| controller.input(RaftInput::Step(message)));
            }
            Event::Tick(id, life) => {
                if self.lives(id, life) {
                    // Clocks run up to a tenth too slow or too fast, each its own way.
                    self.at(45 + (id * 7) % 11, Event::Tick(id, life));
                    self.with(id, Controller::tick);
                }
            }
            Event::Synced(id, life) if self.lives(id, life) => self.synced(id),
            Event::Wake(id, life) => {
                // One that a sooner one took the place of is void.
                if self.wakes.get(&id) == Some(&self.now) {
                    self.wakes.remove(&id);
                    if self.lives(id, life) {
                        self.with(id, |_| {});
                    }
                }
            }
            Event::Start(id) => self.start(id),
            Event::SnapshotMade(id, life, meta) if self.lives(id, life) => {
                self.with(id, |controller| controller.input(RaftInput::SnapshotMade(*meta)));
            }
            Event::SnapshotFetched(id, life, from, meta) if self.lives(id, life) => self.fetched(id, from, *meta),
            Event::Synced(..) | Event::SnapshotMade(..) | Event::SnapshotFetched(..) => {}
            Event::Up(conn, message) => self.up(conn, *message),
            Event::Down(conn, message) => self.down(conn, *message),
            Event::AgentLearns(conn) => {
                self.agent_learns(conn, None);
                self.network.learned(conn);
            }
            Event::ControllerLearns(conn) => self.controller_learns(conn),
            Event::NoWelcome(at, conn) => {
                if self.agents[at].line.as_ref().is_some_and(|line| line.conn == conn && line.pulse.is_none()) {
                    self.agent_learns(conn, None);
                }
            }
            Event::Dial(at, life) if self.agents[at].life == life => self.dial(at),
            Event::AgentTick(at, life) if self.agents[at].life == life => {
                self.agents[at].tick_at = None;
                self.agent(at, |agent, now| {
                    for runtime_id in agent.table.changed(agent.seen_ms, now) {
                        agent.step(EngineInput::Hint { runtime_id }, now);
                    }
                    agent.seen_ms = now;
                    agent.step(EngineInput::Tick, now);
                    agent.beat(now);
                });
            }
            Event::AgentStart(at) => self.start_agent(at),
            Event::Op(at, life, id, op) if self.agents[at].life == life => {
                self.agent(at, |agent, now| agent.ended(id, &op, now));
            }
            Event::Journaled(at, life, id, writes) if self.agents[at].life == life => {
                self.agent(at, |agent, now| agent.journaled(id, writes, now));
            }
            Event::Dial(..) | Event::AgentTick(..) | Event::Op(..) | Event::Journaled(..) => {}
            Event::Call(call, to, command) => self.called(call, to, *command),
            Event::Answer(call, fate) => self.answered(call, *fate),
            Event::Think(at) => self.think(at),
            Event::Late(call) => self.late(call),
            Event::Bad => self.bad(),
        }
    }

    fn lives(&self, id: RaftId, life: u64) -> bool {
        self.controllers.get(&id).is_some_and(|controller| controller.life == life && controller.is_up())
    }

    pub(crate) fn start(&mut self, id: RaftId) {
        let seed = self.random.draw();
        let Some(controller) = self.controllers.get_mut(&id).filter(|controller| !controller.is_up()) else { return };
        let started = controller.start(config(), seed);
        let life = controller.life;
        match started {
            Ok(()) => {
                self.tell(&format!("controller {id} starts"));
                let first = self.random.below(50);
                self.at(first, Event::Tick(id, life));
                self.with(id, |_| {});
            }
            Err(why) => self.violate(format!("controller {id} can't start: {why}")),
        }
    }

    fn synced(&mut self, id: RaftId) {
        let now = self.now;
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        match controller.synced(now) {
            Ok(None) => self.with(id, |_| {}),
            Ok(Some(fatal)) => self.violate(format!("controller {id}: {fatal}")),
            // What can't be synced ends the process.
            Err(why) => {
                self.tell(&format!("controller {id} ends: {why}"));
                self.crash(id, 0);
                self.at(500, Event::Start(id));
            }
        }
    }

    /// A controller's process ends, and with it its streams.
    pub(crate) fn crash(&mut self, id: RaftId, survive: usize) {
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.crash(survive);
        }
        let conns: Vec<Conn> =
            self.network.streams.iter().filter(|(_, stream)| stream.controller == id).map(|(conn, _)| *conn).collect();
        for conn in conns {
            self.hang_up(conn);
        }
    }

    /// Changes a controller, and does what it then wants.
    pub(crate) fn with(&mut self, id: RaftId, change: impl FnOnce(&mut Controller)) {
        let Some(controller) = self.controllers.get_mut(&id).filter(|controller| controller.is_up()) else { return };
        change(controller);
        loop {
            let now = self.now;
            let Some(controller) = self.controllers.get_mut(&id) else { return };
            let outs = controller.turn(now);
            for out in outs {
                self.carry_out(id, out);
            }
            if !self.pump(id) {
                break;
            }
        }
        let (now, Some(controller)) = (self.now, self.controllers.get_mut(&id)) else { return };
        if let Some(at) = controller.wake_at.take() {
            let (at, life) = (at.max(now + 1), controller.life);
            if self.wakes.get(&id).is_none_or(|wake| at < *wake || *wake <= now) {
                self.wakes.insert(id, at);
                self.at(at - now, Event::Wake(id, life));
            }
        }
    }

    /// Gives a leader what waits in the streams of sessions that listen.
    fn pump(&mut self, id: RaftId) -> bool {
        let now = self.now;
        let Some(controller) = self.controllers.get_mut(&id) else { return false };
        if controller.paused_until > now {
            return false;
        }
        let mut any = false;
        for (conn, stream) in self.network.streams.iter_mut().filter(|(_, stream)| stream.controller == id) {
            while controller.listens(*conn)
                && let Some(message) = stream.waiting.pop_front()
            {
                controller.session(*conn, SessionInput::Message(Box::new(message)), now);
                any = true;
            }
        }
        any
    }

    fn carry_out(&mut self, id: RaftId, out: Out) {
        let life = self.controllers.get(&id).map_or(0, |controller| controller.life);
        match out {
            Out::Peer(message) => self.send(&message),
            Out::Sync => {
                let delay = 1 + self.random.below(self.plan.sync_most);
                self.at(delay, Event::Synced(id, life));
            }
            Out::Fetch(from, meta) => {
                let delay = 20 + self.random.below(200);
                self.at(delay, Event::SnapshotFetched(id, life, from, Box::new(meta)));
            }
            Out::SnapshotMade(meta) => {
                let delay = 5 + self.random.below(100);
                self.at(delay, Event::SnapshotMade(id, life, Box::new(meta)));
            }
            Out::Down(conn, message) => self.send_down(conn, message),
            Out::Close(conn) => self.hang_up(conn),
            Out::Answer(call, fate) => self.send_answer(id, call, fate),
            Out::Applied(entry) => {
                if let Some(watch) = &mut self.watch {
                    return watch.applied(self.now, *entry);
                }
                if let Err(why) = self.ledger.applied(id, *entry) {
                    self.violate(why);
                }
            }
            Out::Leads(term) => {
                self.tell(&format!("controller {id} leads term {term}"));
                if let Err(why) = self.ledger.leads(term, id) {
                    self.violate(why);
                }
            }
            Out::Violation(why) => self.violate(format!("controller {id}: {why}")),
        }
    }

    fn send(&mut self, message: &PeerMessage) {
        let (from, to) = (message.from, message.to);
        if self.network.is_cut(from, to) || self.random.chance(self.plan.loss) {
            return;
        }
        let copies = if self.random.chance(self.plan.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let delay = 1 + self.random.below(self.plan.delay_most);
            self.at(delay, Event::Peer(message.clone()));
        }
    }

    fn fetched(&mut self, id: RaftId, from: RaftId, meta: SnapshotMeta) {
        let reachable = !self.network.is_cut(from, id) && !self.network.is_cut(id, from);
        let giver = self.controllers.get(&from).filter(|giver| reachable && giver.is_up());
        let file = giver.and_then(|giver| giver.files.get(&(meta.term, meta.index)).cloned());
        let file = file.filter(|(found, _)| found.same_file(&meta));
        let ok = file.is_some();
        let key = (meta.term, meta.index);
        self.with(id, |controller| {
            controller.files.extend(file.map(|file| (key, file)));
            controller.input(RaftInput::SnapshotFetched { meta, ok });
        });
        let end = if ok { ServeEnd::Complete } else { ServeEnd::Aborted };
        if reachable {
            self.with(from, |controller| controller.input(RaftInput::SnapshotServed { to: id, end }));
        }
    }

    // --- Streams -------------------------------------------------------------------------------------------------

    fn dial(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        let (Some(hello), Some(address)) = (agent.hello(), agent.dialler.dial()) else { return };
        let agent_life = agent.life;
        let to: RaftId = address.strip_prefix('c').and_then(|id| id.parse().ok()).unwrap_or(0);
        let node = agent_node(at);
        let reachable = !self.network.is_cut(node, to) && !self.network.is_cut(to, node);
        let up = self.controllers.get(&to).filter(|controller| controller.is_up() && reachable);
        let Some(controller_life) = up.map(|controller| controller.life) else {
            let wait = if reachable { 1 } else { CONNECT_TIMEOUT_MS };
            let drawn = self.random.draw();
            let pause = self.agents[at].dialler.ended(Ended::Failed, drawn);
            return self.at(wait + pause, Event::Dial(at, agent_life));
        };
        let conn = self.network.open(Stream {
            agent: at,
            agent_life,
            controller: to,
            controller_life,
            up_at: 0,
            down_at: 0,
            waiting: std::collections::VecDeque::new(),
            broken: false,
            learned: 0,
        });
        self.agents[at].line = Some(Line { conn, pulse: None });
        let now = self.now;
        self.with(to, |controller| controller.open(conn, now));
        self.at(WELCOME_TIMEOUT_MS, Event::NoWelcome(at, conn));
        self.send_up(conn, Up::Hello(hello));
    }

    fn send_up(&mut self, conn: Conn, message: Up) {
        if let Some(at) = self.way(conn, true) {
            self.at(at, Event::Up(conn, Box::new(message)));
        }
    }

    fn send_down(&mut self, conn: Conn, message: Down) {
        if let Some(at) = self.way(conn, false) {
            self.at(at, Event::Down(conn, Box::new(message)));
        }
    }

    /// How long a stream's next message is on its way; `None` where it never arrives, and the stream with it is broken.
    fn way(&mut self, conn: Conn, up: bool) -> Option<Time> {
        let delay = 1 + self.random.below(self.plan.delay_most);
        let breaks = self.random.chance(self.plan.broken);
        let stream = self.network.streams.get(&conn).filter(|stream| !stream.broken)?;
        let (agent, controller) = (agent_node(stream.agent), stream.controller);
        let cut = self.network.is_cut(agent, controller) || self.network.is_cut(controller, agent);
        if cut || breaks {
            self.hang_up(conn);
            return None;
        }
        let stream = self.network.streams.get_mut(&conn)?;
        let last = if up { &mut stream.up_at } else { &mut stream.down_at };
        *last = (*last).max(self.now + delay);
        Some(*last - self.now)
    }

    /// A stream breaks: each side learns of it, sooner or later. What is on its way may still arrive.
    pub(crate) fn hang_up(&mut self, conn: Conn) {
        let Some(stream) = self.network.streams.get_mut(&conn).filter(|stream| !stream.broken) else { return };
        stream.broken = true;
        let last = stream.down_at.max(stream.up_at).saturating_sub(self.now) + 1;
        let learns = [last + self.random.below(PING_TIMEOUT_MS), last + self.random.below(PING_TIMEOUT_MS)];
        self.at(learns[0], Event::AgentLearns(conn));
        self.at(learns[1], Event::ControllerLearns(conn));
    }

    fn up(&mut self, conn: Conn, message: Up) {
        let Some(stream) = self.network.streams.get_mut(&conn) else { return };
        let (id, life) = (stream.controller, stream.controller_life);
        stream.waiting.push_back(AgentMessage { message: Some(message) });
        if self.lives(id, life) {
            self.with(id, |_| {});
        }
    }

    fn down(&mut self, conn: Conn, message: Down) {
        let Some(stream) = self.network.streams.get(&conn) else { return };
        let (at, life) = (stream.agent, stream.agent_life);
        let agent = &mut self.agents[at];
        if agent.life != life || agent.line.as_ref().is_none_or(|line| line.conn != conn) {
            return;
        }
        let mut told = Told::Nothing;
        self.agent(at, |agent, now| told = agent.hear(message, now));
        match told {
            Told::Nothing => {}
            Told::Over(leader) => self.agent_learns(conn, leader),
            Told::Refused(reason) => {
                self.violate(format!("agent {} is refused: {reason}", self.agents[at].name));
            }
        }
    }

    /// The agent knows that a stream is over, and looks for the leader again.
    fn agent_learns(&mut self, conn: Conn, redirect: Option<String>) {
        let Some(stream) = self.network.streams.get(&conn) else { return };
        let (at, life) = (stream.agent, stream.agent_life);
        self.hang_up(conn);
        let agent = &mut self.agents[at];
        if agent.life != life || agent.line.as_ref().is_none_or(|line| line.conn != conn) {
            return;
        }
        let was_open = agent.line.take().is_some_and(|line| line.pulse.is_some());
        let ended = match redirect {
            Some(leader) => Ended::Redirect(leader),
            None if was_open => Ended::Closed,
            None => Ended::Failed,
        };
        if was_open {
            self.agent(at, |agent, now| agent.step(EngineInput::SessionClosed, now));
        }
        let drawn = self.random.draw();
        let pause = self.agents[at].dialler.ended(ended, drawn);
        self.at(pause.max(1), Event::Dial(at, life));
    }

    fn controller_learns(&mut self, conn: Conn) {
        let Some(stream) = self.network.streams.get(&conn) else { return };
        let (id, life) = (stream.controller, stream.controller_life);
        if self.lives(id, life) {
            self.with(id, |controller| controller.closed(conn));
        }
        self.network.learned(conn);
    }

    // --- Agents --------------------------------------------------------------------------------------------------

    /// One more machine, which doesn't run yet.
    pub(crate) fn add_agent(&mut self, agent: Agent) -> usize {
        self.agents.push(agent);
        self.journal_at.push(0);
        self.agents.len() - 1
    }

    pub(crate) fn start_agent(&mut self, at: usize) {
        if self.agents[at].engine.is_some() {
            return;
        }
        self.tell(&format!("agent {} starts", self.agents[at].name));
        self.agent(at, |agent, now| {
            agent.seen_ms = now;
            agent.start(now);
        });
        let life = self.agents[at].life;
        let delay = 1 + self.random.below(200);
        self.at(delay, Event::Dial(at, life));
    }

    /// Changes an agent, and does what it then wants.
    pub(crate) fn agent(&mut self, at: usize, change: impl FnOnce(&mut Agent, u64)) {
        let now_ms = EPOCH_MS + self.now;
        change(&mut self.agents[at], now_ms);
        let life = self.agents[at].life;
        for out in self.agents[at].take_out() {
            match out {
                agent::Out::Up(message) => {
                    if let Some(conn) = self.agents[at].line.as_ref().map(|line| line.conn) {
                        self.send_up(conn, *message);
                    }
                }
                agent::Out::Op(id, op, ends) => {
                    self.at(ends.saturating_sub(now_ms).max(1), Event::Op(at, life, id, op));
                }
                agent::Out::Journal(id, writes) => {
                    let delay = 1 + self.random.below(self.plan.sync_most);
                    self.journal_at[at] = self.journal_at[at].max(self.now + delay);
                    self.at(self.journal_at[at] - self.now, Event::Journaled(at, life, id, writes));
                }
                agent::Out::Violation(why) => self.violate(why),
            }
        }
        if let Some(due) = self.agents[at].next_deadline() {
            let due = due.max(now_ms + 1);
            if self.agents[at].tick_at.is_none_or(|tick| due < tick || tick <= now_ms) {
                self.agents[at].tick_at = Some(due);
                self.at(due - now_ms, Event::AgentTick(at, life));
            }
        }
    }

    /// Whether this bug is planted.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.plan.bug == Some(bug)
    }
}
