//! One pretended machine with a controller: the real consensus core on a disk that loses what wasn't synced, the real state,
//! and, while it leads, the real leader's parts. Its process may crash and start again; the disk stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, channel};

use drydock_consensus::core::{Core, Effects, Input, LogRead, MakeSnapshot, PeerMessage, Resolved, Tag, Work};
use drydock_consensus::log_store::memory::{MemoryDisk, MemoryStore};
use drydock_consensus::log_store::{Identity, LogStore, StoreError, WriteBatch};
use drydock_consensus::{Config, Membership, ProposeError, RaftId, Role, SnapshotMeta};
use drydock_leader::session::End;
use drydock_leader::session::Input as SessionInput;
use drydock_leader::{Fate, Moment, Sight};
use drydock_model::arn::Scope;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{Controllers, Redirect, Refused};
use drydock_state::command::SCHEMA;
use drydock_state::{Command, Envelope, Key, Millis, Outcome, State, codec};

use crate::EPOCH_MS;
use crate::faults::Bug;
use crate::leader::{Conn, Leader, Want, Who};
use crate::machine::{Entry, Machine, Told};
use crate::random::Random;

/// Names a client's call.
pub(crate) type Call = u64;

/// A snapshot file: durable and whole.
type SnapshotFile = (SnapshotMeta, Vec<Vec<u8>>);

/// What the controller wants of the world.
#[derive(Debug)]
pub(crate) enum Out {
    Peer(PeerMessage),
    /// A sync began.
    Sync,
    Fetch(RaftId, SnapshotMeta),
    SnapshotMade(SnapshotMeta),
    Down(Conn, Down),
    /// After the last message, where there is one.
    Close(Conn),
    Answer(Call, Fate),
    Applied(Box<Entry>),
    Leads(u64),
    Violation(String),
}

/// Who waits for a tag.
#[derive(Debug, Clone, Copy)]
enum Waits {
    Part(Who),
    Read(Conn),
    Call(Call),
    CallRead(Call),
}

/// The machine.
pub(crate) struct Controller {
    id: RaftId,
    scope: Scope,
    addresses: Vec<String>,
    first: Membership,
    bug: Option<Bug>,
    disk: MemoryDisk,
    store: MemoryStore,
    pub(crate) files: BTreeMap<(u64, u64), SnapshotFile>,
    core: Option<Core<Machine>>,
    told: Option<Receiver<Told>>,
    /// Counts starts: what was meant for an earlier one is void.
    pub(crate) life: u64,
    pub(crate) paused_until: Moment,
    inbox: Vec<Input>,
    ticks: u64,
    writing: Option<WriteBatch>,
    answers: Vec<Input>,
    tags: BTreeMap<Tag, Waits>,
    last_tag: Tag,
    state: State,
    index: u64,
    leads: Option<u64>,
    leader: Option<Leader>,
    pub(crate) leader_hint: Option<RaftId>,
    random: Random,
    /// How far its wall clock is ahead.
    pub(crate) skew_ms: Millis,
    not_before_ms: Millis,
    pub(crate) wake_at: Option<Moment>,
    /// The moment of the present turn.
    turn_at: Moment,
    dirty: BTreeSet<Key>,
    out: Vec<Out>,
}

impl Controller {
    pub(crate) fn new(id: RaftId, scope: Scope, addresses: Vec<String>, first: Membership, bug: Option<Bug>) -> Self {
        let disk = MemoryDisk::new();
        Self {
            id,
            scope,
            addresses,
            first,
            bug,
            store: disk.open(),
            disk,
            files: BTreeMap::new(),
            core: None,
            told: None,
            life: 0,
            paused_until: 0,
            inbox: Vec::new(),
            ticks: 0,
            writing: None,
            answers: Vec::new(),
            tags: BTreeMap::new(),
            last_tag: 0,
            state: State::default(),
            index: 0,
            leads: None,
            leader: None,
            leader_hint: None,
            random: Random::new(id),
            skew_ms: 0,
            not_before_ms: 0,
            wake_at: None,
            turn_at: 0,
            dirty: BTreeSet::new(),
            out: Vec::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.core.is_some()
    }

    pub(crate) fn leads_now(&self) -> Option<u64> {
        self.leader.as_ref().map(|leader| leader.term)
    }

    pub(crate) fn state(&self) -> (&State, u64) {
        (&self.state, self.index)
    }

    /// The process starts on its disk.
    pub(crate) fn start(&mut self, config: Config, seed: u64) -> Result<(), String> {
        self.store = self.disk.open();
        let text = |error: StoreError| error.to_string();
        if self.store.load().map_err(text)?.is_none() {
            let identity = Identity { fingerprint: 1, raft_id: self.id, marker: u128::from(self.id) };
            self.store.create(&identity, &SnapshotMeta::bootstrap(self.first.clone())).map_err(text)?;
        }
        let boot = self.store.load().map_err(text)?.ok_or("the store is empty")?;
        let (tell, told) = channel();
        // One replica that is wrong, not all alike.
        let bug = self.bug.filter(|bug| *bug != Bug::EntrySkipped || self.id == 2);
        let file = self.files.get(&(boot.snapshot.term, boot.snapshot.index)).filter(|_| boot.snapshot.has_file());
        if boot.snapshot.has_file() && file.is_none() {
            return Err("the snapshot that the log points to isn't there".to_owned());
        }
        let mut chunks = file.map(|(_, chunks)| chunks.clone().into_iter().map(Ok));
        let chunks = chunks.as_mut().map(|chunks| chunks as &mut dyn Iterator<Item = _>);
        self.told = Some(told);
        self.core = Some(Core::new(config, &boot, Machine::new(tell, bug), chunks, seed).map_err(|e| e.to_string())?);
        self.random = Random::new(seed);
        self.life += 1;
        Ok(())
    }

    /// The process ends at once; of what wasn't synced, so many batches survive.
    pub(crate) fn crash(&mut self, survive: usize) {
        self.core = None;
        self.told = None;
        self.inbox.clear();
        self.answers.clear();
        self.tags.clear();
        self.out.clear();
        self.writing = None;
        self.ticks = 0;
        self.leader = None;
        self.leads = None;
        self.leader_hint = None;
        self.wake_at = None;
        self.not_before_ms = 0;
        (self.state, self.index) = (State::default(), 0);
        self.life += 1;
        self.disk.crash(survive);
    }

    pub(crate) fn fail_next_sync(&self) {
        self.disk.fail_next_sync();
    }

    pub(crate) fn input(&mut self, input: Input) {
        if self.core.is_some() {
            self.inbox.push(input);
        }
    }

    pub(crate) fn tick(&mut self) {
        self.ticks += 1;
    }

    /// A client's command, or a strong read.
    pub(crate) fn call(&mut self, call: Call, command: Option<Command>, now: Moment) {
        let Some(term) = self.leads_now() else {
            return self.out.push(Out::Answer(call, Fate::Unavailable("not the leader".to_owned())));
        };
        let Some(command) = command else {
            let tag = self.tag(Waits::CallRead(call));
            return self.inbox.push(Input::Read { tag });
        };
        let seed = self.random.wide();
        match drydock_reconcile::command_for(&self.state, &self.scope, command, seed) {
            Ok(command) => {
                let now_ms = self.now_ms(now);
                self.propose(Waits::Call(call), term, (now_ms, seed), "client", command);
            }
            Err(error) => {
                let outcome = Outcome::Refused(error);
                self.out.push(Out::Answer(call, Fate::Applied { index: self.index, outcome }));
            }
        }
    }

    /// An agent's stream began; a controller that doesn't lead says where to go.
    pub(crate) fn open(&mut self, conn: Conn, now: Moment) {
        match &mut self.leader {
            Some(leader) => leader.open(conn, now),
            None => self.redirect(conn),
        }
    }

    pub(crate) fn closed(&mut self, conn: Conn) {
        if let Some(leader) = &mut self.leader {
            leader.closed(conn);
        }
    }

    /// Whether the stream's next message may come.
    pub(crate) fn listens(&self, conn: Conn) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.listens(conn))
    }

    pub(crate) fn session(&mut self, conn: Conn, input: SessionInput, now: Moment) {
        if let Some(leader) = &mut self.leader {
            leader.session(conn, input, &self.state, now);
        }
    }

    fn redirect(&mut self, conn: Conn) {
        let leader = self.leader_hint.filter(|leader| *leader != self.id);
        let leader_address = leader.map(|leader| format!("c{leader}")).unwrap_or_default();
        let controllers = Some(Controllers { addresses: self.addresses.clone() });
        self.out.push(Out::Down(conn, Down::Redirect(Redirect { leader_address, controllers })));
        self.out.push(Out::Close(conn));
    }

    fn tag(&mut self, waits: Waits) -> Tag {
        self.last_tag += 1;
        self.tags.insert(self.last_tag, waits);
        self.last_tag
    }

    /// The wall clock, no earlier than the state.
    fn now_ms(&self, now: Moment) -> Millis {
        (EPOCH_MS + self.skew_ms + now).max(self.not_before_ms)
    }

    fn propose(&mut self, waits: Waits, term: u64, (now_ms, seed): (Millis, u128), caller: &str, command: Command) {
        let (scope, caller) = (self.scope.clone(), caller.to_owned());
        let envelope = Envelope { epoch: term, now_ms, seed, schema: SCHEMA, scope, caller, command };
        match codec::encode(&envelope) {
            Ok(payload) => {
                let tag = self.tag(waits);
                self.inbox.push(Input::Propose { tag, payload });
            }
            Err(error) => self.out.push(Out::Violation(format!("can't be encoded: {error}"))),
        }
    }

    /// Does all that can be done now.
    pub(crate) fn turn(&mut self, now: Moment) -> Vec<Out> {
        self.turn_at = now;
        loop {
            if self.core.is_none() || self.paused_until > now {
                break;
            }
            if let Err(fatal) = self.raft() {
                self.out.push(Out::Violation(fatal));
                break;
            }
            self.catch_up();
            self.lead(now);
            if self.inbox.is_empty() || self.writing.is_some() {
                break;
            }
        }
        std::mem::take(&mut self.out)
    }

    /// The sync returned. An error is the disk's: the process must end. Gives what else went wrong, which nothing may.
    pub(crate) fn synced(&mut self, now: Moment) -> Result<Option<String>, String> {
        self.turn_at = now;
        self.store.sync().map_err(|error| error.to_string())?;
        let Some(batch) = self.writing.take() else { return Ok(None) };
        Ok(self.finish(Some(batch)).err())
    }

    fn raft(&mut self) -> Result<(), String> {
        while self.writing.is_none() {
            let Some(core) = &mut self.core else { return Ok(()) };
            for input in std::mem::take(&mut self.inbox) {
                core.handle(input).map_err(|fatal| fatal.to_string())?;
            }
            core.tick(std::mem::take(&mut self.ticks));
            let Some(work) = core.ready().map_err(|fatal| fatal.to_string())? else { return Ok(()) };
            self.work(work)?;
        }
        Ok(())
    }

    fn work(&mut self, work: Work<Outcome>) -> Result<(), String> {
        let Work { effects, reads, install, write } = work;
        self.perform(effects)?;
        for LogRead { id, low, high, max_bytes } in reads {
            let entries = match self.store.read(low, high, max_bytes) {
                Err(StoreError::Gone { .. }) => Vec::new(),
                other => other.map_err(|error| error.to_string())?,
            };
            self.answers.push(Input::LogRead { id, entries });
        }
        if let Some(meta) = install {
            let file = self.files.get(&(meta.term, meta.index)).ok_or("no such snapshot file")?;
            let mut chunks = file.1.clone().into_iter().map(Ok);
            let Some(core) = &mut self.core else { return Ok(()) };
            core.install(&mut chunks).map_err(|fatal| fatal.to_string())?;
        }
        let Some(batch) = write else { return self.finish(None) };
        self.store.append(&batch).map_err(|error| error.to_string())?;
        self.out.push(Out::Sync);
        if self.bug == Some(Bug::AcknowledgeBeforeSync) {
            return self.finish(Some(batch));
        }
        self.writing = Some(batch);
        Ok(())
    }

    fn finish(&mut self, written: Option<WriteBatch>) -> Result<(), String> {
        let Some(core) = &mut self.core else { return Ok(()) };
        let effects = core.persisted(written).map_err(|fatal| fatal.to_string())?;
        self.inbox.append(&mut self.answers);
        self.perform(effects)
    }

    fn perform(&mut self, effects: Effects<Outcome>) -> Result<(), String> {
        self.out.extend(effects.messages.into_iter().map(Out::Peer));
        self.out.extend(effects.fetch.map(|(from, meta)| Out::Fetch(from, meta)));
        if let Some(make) = effects.make_snapshot {
            let meta = self.make_snapshot(make)?;
            self.out.push(Out::SnapshotMade(meta));
        }
        if let Some(meta) = effects.retain {
            self.files.retain(|key, _| *key >= (meta.term, meta.index));
        }
        for resolved in effects.resolved {
            self.resolve(resolved);
        }
        Ok(())
    }

    fn make_snapshot(&mut self, mut make: MakeSnapshot) -> Result<SnapshotMeta, String> {
        let mut chunks = Vec::new();
        while let Some(chunk) = make.source.next_chunk().map_err(|halt| halt.to_string())? {
            chunks.push(chunk);
        }
        let digest = chunks.iter().flatten().fold(0_u32, |digest, byte| digest.rotate_left(5) ^ u32::from(*byte));
        let size = chunks.iter().fold(1_u64, |size, chunk| size + u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        let meta = SnapshotMeta { index: make.index, term: make.term, size, digest, membership: make.membership };
        self.files.insert((meta.term, meta.index), (meta.clone(), chunks));
        Ok(meta)
    }

    /// Hears what the state machine told.
    fn catch_up(&mut self) {
        while let Some(told) = self.told.as_ref().and_then(|told| told.try_recv().ok()) {
            match told {
                Told::Applied(entry) => {
                    (self.state, self.index) = (entry.state.clone(), entry.index);
                    self.dirty.extend(entry.dirty.iter().cloned());
                    self.out.push(Out::Applied(entry));
                }
                Told::Restored(index, state) => (self.state, self.index) = (*state, index),
                Told::Role { role, term, leader } => {
                    self.leads = (role == Role::Leader).then_some(term);
                    self.leader_hint = leader;
                }
            }
        }
    }

    /// Begins and ends the leader's scope, and carries out what its parts want.
    fn lead(&mut self, now: Moment) {
        if self.leads_now() != self.leads {
            if let Some(ended) = self.leader.take() {
                self.tags.retain(|_, waits| matches!(waits, Waits::Call(_) | Waits::CallRead(_)));
                ended.sessions().for_each(|conn| self.redirect(conn));
            }
            if let Some(term) = self.leads {
                self.dirty.clear();
                self.not_before_ms = self.not_before_ms.max(self.state.now());
                let (scope, addresses) = (self.scope.clone(), self.addresses.clone());
                self.leader = Some(Leader::new(term, (scope, addresses), &self.state, self.bug, now));
                self.out.push(Out::Leads(term));
            }
        }
        let keys = std::mem::take(&mut self.dirty);
        let (now_ms, seed) = (self.now_ms(now), self.random.wide());
        let Some(leader) = &mut self.leader else {
            self.wake_at = None;
            return;
        };
        leader.changed(keys, &self.state, now);
        self.wake_at = leader.poll(&Sight { state: &self.state, index: self.index, now, now_ms, seed });
        let term = leader.term;
        for want in leader.take_wants() {
            match want {
                Want::Propose(who, proposal) => {
                    let stamp = match who {
                        Who::Session(_) => (now_ms, self.random.wide()),
                        _ => (proposal.now_ms, proposal.seed),
                    };
                    self.propose(Waits::Part(who), term, stamp, proposal.caller, proposal.command);
                }
                Want::Read(conn) => {
                    let tag = self.tag(Waits::Read(conn));
                    self.inbox.push(Input::Read { tag });
                }
                Want::Send(conn, message) => self.out.push(Out::Down(conn, message)),
                Want::Close(conn, end) => self.close(conn, end),
            }
        }
    }

    fn close(&mut self, conn: Conn, end: End) {
        self.closed(conn);
        match end {
            End::NotLeader => self.redirect(conn),
            End::Refused(reason) => {
                self.out.push(Out::Down(conn, Down::Refused(Refused { reason })));
                self.out.push(Out::Close(conn));
            }
            _ => self.out.push(Out::Close(conn)),
        }
    }

    fn resolve(&mut self, resolved: Resolved<Outcome>) {
        // What the state machine told comes first: whoever hears of an outcome finds it in the state.
        self.catch_up();
        let now = self.turn_at;
        match resolved {
            Resolved::Proposal { tag, result } => {
                let fate = match result {
                    Ok(applied) if applied.outcome == Outcome::Superseded => Fate::Unavailable("superseded".to_owned()),
                    Ok(applied) => Fate::Applied { index: applied.index, outcome: applied.outcome },
                    Err(error) => fate_of(&error),
                };
                match self.tags.remove(&tag) {
                    Some(Waits::Part(who)) => {
                        if let Some(leader) = &mut self.leader {
                            leader.settled(who, fate, &self.state, now);
                        }
                    }
                    Some(Waits::Call(call)) => self.out.push(Out::Answer(call, fate)),
                    _ => {}
                }
            }
            Resolved::Read { tag, result } => {
                let why = result.as_ref().err().map(|error| Fate::Unavailable(error.to_string()));
                match self.tags.remove(&tag) {
                    Some(Waits::Read(conn)) => {
                        self.session(conn, SessionInput::Confirmed(why.map_or(Ok(()), Err)), now)
                    }
                    Some(Waits::CallRead(call)) => {
                        let read = Fate::Applied { index: self.index, outcome: Outcome::Done };
                        self.out.push(Out::Answer(call, why.unwrap_or(read)));
                    }
                    _ => {}
                }
            }
            Resolved::Change { .. } | Resolved::Transfer { .. } | Resolved::Peer { .. } => {}
        }
    }
}

fn fate_of(error: &ProposeError) -> Fate {
    let text = error.to_string();
    match error {
        ProposeError::NotLeader { .. } | ProposeError::Superseded => Fate::Unavailable(text),
        ProposeError::Overloaded => Fate::Overloaded(text),
        ProposeError::TooLarge { .. } | ProposeError::Empty => Fate::Rejected(text),
        ProposeError::Unknown | ProposeError::Stopped => Fate::Unknown(text),
    }
}
