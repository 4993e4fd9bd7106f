//! A discrete-event world: replicas are real cores, disks and network are pretended, time is virtual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use drydock_consensus::core::{Effects, Input, MakeSnapshot, Resolved, Tag, Work};
use drydock_consensus::log_store::WriteBatch;
use drydock_consensus::snapshot::ServeEnd;
use drydock_consensus::{Config, Membership, ProposeError, RaftId, Role, SnapshotMeta};
use raft::eraftpb::Message;

use crate::checks::{Counter, Ledger, SharedLedger};
use crate::replica::Replica;

/// Milliseconds of virtual time.
pub type Time = u64;

/// A counter-based generator: the same seed, the same world.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// How bad the world is, in chances per mille, and which bug is planted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub loss: u64,
    pub duplicate: u64,
    pub delay_most: Time,
    pub sync_most: Time,
    /// Planted: what follows the sync is done before it.
    pub acknowledge_before_sync: bool,
    /// Planted: reads are answered from the local state, without asking a quorum.
    pub local_reads: bool,
}

impl Faults {
    pub fn none() -> Self {
        Self { delay_most: 5, sync_most: 2, ..Self::default() }
    }

    pub fn harsh(random: &mut Random) -> Self {
        Self {
            loss: random.below(100),
            duplicate: random.below(100),
            delay_most: 1 + random.below(60),
            sync_most: 1 + random.below(40),
            ..Self::default()
        }
    }
}

#[derive(Debug)]
pub enum Event {
    Tick(RaftId, u64),
    Deliver(Message),
    Synced(RaftId, u64),
    Wake(RaftId),
    SnapshotMade(RaftId, u64, Box<SnapshotMeta>),
    SnapshotFetched { to: RaftId, life: u64, from: RaftId, meta: Box<SnapshotMeta> },
}

/// What a tag stands for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Command(u64),
    Read { at_least: u64 },
    Change,
    Transfer,
}

pub struct World {
    pub seed: u64,
    pub random: Random,
    pub now: Time,
    pub config: Config,
    pub faults: Faults,
    pub ledger: SharedLedger,
    pub replicas: BTreeMap<RaftId, Replica>,
    queue: BTreeMap<(Time, u64), Event>,
    sequence: u64,
    cut: BTreeSet<(RaftId, RaftId)>,
    asked: BTreeMap<(RaftId, u64, Tag), Asked>,
    next_tag: Tag,
    next_command: u64,
    pub acknowledged: u64,
    pub reads: u64,
    pub changes: Vec<Result<u64, String>>,
    pub snapshots_fetched: u64,
    /// A hash over everything that happened.
    pub trace: u64,
}

pub fn small() -> Config {
    Config {
        snapshot_every_entries: 60,
        trailing_entries: 10,
        entry_cache_bytes: 600,
        promote_gap_entries: 8,
        snapshot_stall_ticks: 20,
        ..Config::default()
    }
}

impl World {
    /// A cluster of `voters` first voters and `others` that wait to be added, none of them running yet.
    pub fn new(seed: u64, voters: u64, others: u64, config: Config, faults: Faults) -> Self {
        let ledger: SharedLedger = Arc::new(Mutex::new(Ledger::new(seed)));
        let members = Membership::bootstrap((1..=voters).map(|id| (id, format!("at {id}").into_bytes()))).unwrap();
        let mut world = Self {
            seed,
            random: Random::new(seed),
            now: 0,
            config,
            faults,
            ledger,
            replicas: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            cut: BTreeSet::new(),
            asked: BTreeMap::new(),
            next_tag: 0,
            next_command: 0,
            acknowledged: 0,
            reads: 0,
            changes: Vec::new(),
            snapshots_fetched: 0,
            trace: 0,
        };
        for id in 1..=voters + others {
            let first = (id <= voters).then(|| members.clone());
            world.replicas.insert(id, Replica::new(id, first));
            world.start(id);
        }
        world
    }

    fn at(&mut self, delay: Time, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    fn note(&mut self, values: &[u64]) {
        for value in values {
            self.trace = (self.trace ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        }
    }

    pub fn start(&mut self, id: RaftId) {
        let seed = self.random.next();
        let counter = Counter::new(self.ledger.clone());
        let replica = self.replicas.get_mut(&id).unwrap();
        replica.start(self.config.clone(), counter, seed);
        let life = replica.life;
        let first = self.random.below(50);
        self.at(first, Event::Tick(id, life));
        self.turn(id);
    }

    /// The machine fails: of what was not synced, some prefix survives.
    pub fn crash(&mut self, id: RaftId) {
        let survive = self.random.below(3) as usize;
        self.replicas.get_mut(&id).unwrap().crash(survive);
        self.asked.retain(|(at, _, _), _| *at != id);
    }

    pub fn alive(&self) -> Vec<RaftId> {
        self.replicas.iter().filter(|(_, replica)| replica.core.is_some()).map(|(id, _)| *id).collect()
    }

    pub fn leader(&self) -> Option<RaftId> {
        let leads = |replica: &Replica| replica.status().is_some_and(|status| status.role == Role::Leader);
        let leaders = self.replicas.iter().filter(|(_, replica)| leads(replica));
        leaders.max_by_key(|(_, replica)| replica.status().map(|status| status.term)).map(|(id, _)| *id)
    }

    /// The term that a living replica is in.
    pub fn term(&self, id: RaftId) -> u64 {
        self.replicas[&id].status().map_or(0, |status| status.term)
    }

    /// The process stands still for a while; then it finds all that came, and all the time that passed.
    pub fn pause(&mut self, id: RaftId, time: Time) {
        self.replicas.get_mut(&id).unwrap().paused_until = self.now + time;
        self.at(time, Event::Wake(id));
    }

    /// Messages from that side are lost; the answers still come.
    pub fn mute(&mut self, side: &[RaftId]) {
        for a in side {
            for b in self.replicas.keys().filter(|b| !side.contains(b)) {
                self.cut.insert((*a, *b));
            }
        }
    }

    pub fn partition(&mut self, side: &[RaftId]) {
        for a in self.replicas.keys() {
            for b in self.replicas.keys() {
                if side.contains(a) != side.contains(b) {
                    self.cut.insert((*a, *b));
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    fn input(&mut self, id: RaftId, input: Input) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        if replica.core.is_some() {
            replica.inbox.push(input);
            self.turn(id);
        }
    }

    fn ask(&mut self, id: RaftId, asked: Asked) -> Tag {
        self.next_tag += 1;
        let life = self.replicas[&id].life;
        self.asked.insert((id, life, self.next_tag), asked);
        self.next_tag
    }

    pub fn propose(&mut self, id: RaftId) {
        self.next_command += 1;
        let tag = self.ask(id, Asked::Command(self.next_command));
        let payload = self.next_command.to_le_bytes().to_vec();
        self.input(id, Input::Propose { tag, payload });
    }

    pub fn read(&mut self, id: RaftId) {
        let at_least = self.ledger.lock().unwrap().frontier();
        if self.faults.local_reads {
            let applied = self.replicas[&id].status().map_or(at_least, |status| status.applied);
            assert!(applied >= at_least, "seed {}: a stale read, {applied} < {at_least}", self.seed);
        }
        let tag = self.ask(id, Asked::Read { at_least });
        self.input(id, Input::Read { tag });
    }

    pub fn change(&mut self, id: RaftId, change: drydock_consensus::MemberChange) {
        let tag = self.ask(id, Asked::Change);
        self.input(id, Input::Change { tag, change });
    }

    pub fn transfer(&mut self, id: RaftId, to: Option<RaftId>) {
        let tag = self.ask(id, Asked::Transfer);
        self.input(id, Input::Transfer { tag, to });
    }

    /// Lets the world run for so long.
    pub fn run(&mut self, time: Time) {
        let until = self.now + time;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.event(event);
        }
        self.now = until;
    }

    /// Lets it run until `done`, for at most so long.
    pub fn run_until(&mut self, most: Time, what: &str, done: impl Fn(&Self) -> bool) {
        let until = self.now + most;
        while !done(self) {
            assert!(self.now < until, "seed {}: not within {most} ms: {what}\n{}", self.seed, self.describe());
            self.run(20);
        }
    }

    pub fn describe(&self) -> String {
        let lines = self.replicas.iter().map(|(id, replica)| match replica.status() {
            None => format!("{id}: down"),
            Some(status) => format!(
                "{id}: {:?} term {} leader {:?} commit {} applied {} last {} snapshot {} ({})",
                status.role,
                status.term,
                status.leader,
                status.commit,
                status.applied,
                status.last_index,
                status.snapshot_index,
                status.membership
            ),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Tick(id, life) => {
                let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.life == life) else { return };
                if replica.core.is_none() {
                    return;
                }
                replica.ticks_due += 1;
                // Clocks run up to a tenth too slow or too fast, each its own way.
                let skew = (self.seed + id * 7) % 11;
                self.at(45 + skew, Event::Tick(id, life));
                self.turn(id);
            }
            Event::Deliver(message) => {
                self.note(&[self.now, message.from, message.to, message.msg_type as u64, message.index, message.term]);
                self.input(message.to, Input::Step(message));
            }
            Event::Synced(id, life) => {
                if let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.life == life) {
                    let written = replica.synced();
                    self.finish(id, written);
                    self.turn(id);
                }
            }
            Event::Wake(id) => self.turn(id),
            Event::SnapshotMade(id, life, meta) => {
                if self.replicas[&id].life == life {
                    self.input(id, Input::SnapshotMade(*meta));
                }
            }
            Event::SnapshotFetched { to, life, from, meta } => self.fetched(to, life, from, &meta),
        }
    }

    fn fetched(&mut self, to: RaftId, life: u64, from: RaftId, meta: &SnapshotMeta) {
        if self.replicas[&to].life != life {
            return;
        }
        let connected = !self.cut.contains(&(from, to)) && self.replicas[&from].core.is_some();
        let file = self.replicas[&from].files.get(&(meta.term, meta.index)).cloned();
        let ok = connected && file.as_ref().is_some_and(|(found, _)| found.same_file(meta));
        if let Some(file) = file.filter(|_| ok) {
            self.replicas.get_mut(&to).unwrap().files.insert((meta.term, meta.index), file);
            self.snapshots_fetched += 1;
        }
        let end = if ok { ServeEnd::Complete } else { ServeEnd::Aborted };
        if connected {
            self.input(from, Input::SnapshotServed { to, end });
        }
        self.input(to, Input::SnapshotFetched { meta: meta.clone(), ok });
    }

    /// Feeds what waits and does what the core wants, until it wants nothing or a sync is under way.
    fn turn(&mut self, id: RaftId) {
        loop {
            let replica = self.replicas.get_mut(&id).unwrap();
            if replica.writing.is_some() || replica.core.is_none() || replica.paused_until > self.now {
                return;
            }
            replica.feed();
            let Some(work) = replica.ready() else { break };
            self.work(id, work);
        }
        let status = self.replicas[&id].status();
        if let Some(status) = status.filter(|status| matches!(status.role, Role::Leader | Role::ElectedNotReady)) {
            self.ledger.lock().unwrap().leads(status.term, id);
        }
    }

    fn work(&mut self, id: RaftId, work: Work<u64>) {
        let Work { effects, reads, install, write } = work;
        self.perform(id, effects);
        let replica = self.replicas.get_mut(&id).unwrap();
        replica.read(&reads);
        if let Some(meta) = install {
            replica.install(&meta);
        }
        let Some(batch) = write else { return self.finish(id, None) };
        replica.append(&batch);
        let (life, delay) = (replica.life, 1 + self.random.below(self.faults.sync_most));
        if self.faults.acknowledge_before_sync {
            replica.sync_later = true;
            self.finish(id, Some(batch));
        } else {
            replica.writing = Some(batch);
        }
        self.at(delay, Event::Synced(id, life));
    }

    fn finish(&mut self, id: RaftId, written: Option<WriteBatch>) {
        let replica = self.replicas.get_mut(&id).unwrap();
        let Some(effects) = replica.persisted(written) else { return };
        self.perform(id, effects);
        if self.replicas[&id].core.as_ref().is_some_and(|core| core.removed_at().is_some()) {
            self.replicas.get_mut(&id).unwrap().leave();
        }
    }

    fn perform(&mut self, id: RaftId, effects: Effects<u64>) {
        for message in effects.messages {
            self.send(&message);
        }
        for resolved in effects.resolved {
            self.resolve(id, resolved);
        }
        let life = self.replicas[&id].life;
        if let Some((from, meta)) = effects.fetch {
            let delay = 20 + self.random.below(200);
            self.at(delay, Event::SnapshotFetched { to: id, life, from, meta: Box::new(meta) });
        }
        if let Some(make) = effects.make_snapshot {
            self.make_snapshot(id, life, make);
        }
        if let Some(meta) = effects.retain {
            self.replicas.get_mut(&id).unwrap().files.retain(|key, _| *key >= (meta.term, meta.index));
        }
    }

    fn make_snapshot(&mut self, id: RaftId, life: u64, mut make: MakeSnapshot) {
        let mut chunks = Vec::new();
        while let Some(chunk) = make.source.next_chunk().unwrap() {
            chunks.push(chunk);
        }
        let digest = chunks.iter().flatten().fold(0_u32, |digest, byte| digest.rotate_left(5) ^ u32::from(*byte));
        let size = 1 + chunks.iter().map(Vec::len).sum::<usize>() as u64;
        let meta = SnapshotMeta { index: make.index, term: make.term, size, digest, membership: make.membership };
        self.replicas.get_mut(&id).unwrap().files.insert((meta.term, meta.index), (meta.clone(), chunks));
        let delay = 5 + self.random.below(100);
        self.at(delay, Event::SnapshotMade(id, life, Box::new(meta)));
    }

    fn send(&mut self, message: &Message) {
        let link = (message.from, message.to);
        if self.cut.contains(&link) || !self.replicas.contains_key(&message.to) || self.random.chance(self.faults.loss)
        {
            if self.random.chance(500) {
                self.input_later_unreachable(link);
            }
            return;
        }
        let copies = if self.random.chance(self.faults.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let delay = 1 + self.random.below(self.faults.delay_most);
            self.at(delay, Event::Deliver(message.clone()));
        }
    }

    /// Sometimes the sender learns that a message was lost.
    fn input_later_unreachable(&mut self, (from, to): (RaftId, RaftId)) {
        if let Some(replica) = self.replicas.get_mut(&from) {
            replica.inbox.push(Input::Unreachable(to));
        }
    }

    fn resolve(&mut self, id: RaftId, resolved: Resolved<u64>) {
        let life = self.replicas[&id].life;
        let mut asked = |tag| self.asked.remove(&(id, life, tag)).expect("each tag is resolved once");
        match resolved {
            Resolved::Proposal { tag, result } => {
                let Asked::Command(command) = asked(tag) else { panic!("not a command") };
                let mut ledger = self.ledger.lock().unwrap();
                match result {
                    Ok(applied) => {
                        assert_eq!(applied.outcome, command, "seed {}: somebody else's outcome", self.seed);
                        ledger.acknowledge(command, applied.index);
                        self.acknowledged += 1;
                    }
                    // These promise that it will never be applied.
                    Err(ProposeError::Unknown | ProposeError::Stopped) => {}
                    Err(_) => ledger.supersede(command),
                }
            }
            Resolved::Read { tag, result } => {
                let Asked::Read { at_least } = asked(tag) else { panic!("not a read") };
                if let Ok(index) = result {
                    self.reads += 1;
                    let applied = self.replicas[&id].status().unwrap().applied;
                    assert!(index >= at_least, "seed {}: a stale read, {index} < {at_least}", self.seed);
                    assert!(applied >= index, "seed {}: answered before it was applied", self.seed);
                }
            }
            Resolved::Change { tag, result } => {
                asked(tag);
                self.changes.push(result.map_err(|error| error.to_string()));
            }
            Resolved::Transfer { tag, .. } => {
                let Asked::Transfer = asked(tag) else { panic!("not a transfer") };
            }
            Resolved::Peer { .. } => {}
        }
    }

    /// Every replica runs, is connected, and all have applied the same.
    pub fn converged(&self) -> bool {
        let statuses: Vec<_> = self.replicas.values().filter(|replica| !replica.left).map(Replica::status).collect();
        let Some(Some(first)) = statuses.first() else { return false };
        self.leader().is_some()
            && statuses.iter().all(|status| {
                status.as_ref().is_some_and(|status| {
                    (status.applied, status.last_index) == (first.applied, first.applied) && status.term == first.term
                })
            })
    }

    /// Ends all faults; everybody must agree, and every acknowledged command must be there.
    pub fn settle(&mut self) {
        let Faults { acknowledge_before_sync, local_reads, .. } = self.faults;
        self.faults = Faults { acknowledge_before_sync, local_reads, ..Faults::none() };
        self.heal();
        let down: Vec<_> =
            self.replicas.iter().filter(|(_, r)| r.core.is_none() && !r.left).map(|(id, _)| *id).collect();
        for id in down {
            self.start(id);
        }
        self.run_until(20_000, "all agree", Self::converged);
        let before = self.acknowledged;
        let leader = self.leader().unwrap();
        // A transfer may still be under way and refuse the first ones.
        for _ in 0..20 {
            self.propose(self.leader().unwrap_or(leader));
            self.run(200);
        }
        assert!(self.acknowledged > before, "seed {}: no write after all faults\n{}", self.seed, self.describe());
        self.run_until(5_000, "all agree again", Self::converged);
        let ledger = self.ledger.lock().unwrap();
        for replica in self.replicas.values().filter(|replica| !replica.left) {
            ledger.check_final(replica.core.as_ref().unwrap().state_machine());
        }
    }
}
