//! The sans-IO driver around `raft::RawNode`. No IO, no clock, no thread; the only randomness is a seed.
//!
//! The loop of whoever runs it:
//!
//! ```text
//! core.handle(input)...; core.tick(n)
//! while let Some(work) = core.ready()? {
//!     perform work.effects (send messages, answer, start snapshot jobs)
//!     read work.reads from the log
//!     if work.install: core.install(chunks)?
//!     if work.write: log.append(batch), log.sync()
//!     perform core.persisted(work.write)?
//!     core.handle(Input::LogRead { .. }) for each read
//! }
//! ```
//! The order inside is raft-rs's (raft-recipe §1): messages, snapshot, committed entries, append with hard state,
//! sync, persisted messages, advance, light ready, advance apply.

mod apply;
mod logging;
mod members;
mod propose;
mod raft_side;
mod reads;
mod show;
mod snapshots;
mod view;
mod waiters;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use raft::eraftpb::{Message, MessageType};
use raft::{GetEntriesContext, RawNode, Ready, StateRole};

pub use raft::eraftpb::Message as PeerMessage;
pub use work::{Effects, Input, LogRead, MakeSnapshot, Resolved, Tag, Work};

use self::members::PendingTransfer;
use self::propose::Proposals;
use self::raft_side::{EARLY_TICKS, asks_early, election_timeout, raft_config, tidy};
use self::reads::Reads;
use self::snapshots::{Incoming, Outgoing};
use self::view::LogView;
use self::waiters::Waiters;
use crate::config::{COMMITTED_BYTES_PER_READY_MAX, Config};
use crate::error::Fatal;
use crate::log_store::{Boot, HardState, WriteBatch};
use crate::snapshot::SnapshotMeta;
use crate::state_machine::{Role, StateMachine};
use crate::{Membership, RaftId, SnapshotError};

/// Names the read of entries that the replica itself must apply.
const REPLAY_READ: u64 = 0;

/// One replica.
pub struct Core<S: StateMachine> {
    config: Config,
    id: RaftId,
    raw: RawNode<LogView>,
    state_machine: S,
    membership: Arc<Membership>,
    seed: u64,
    /// Ticks since the start.
    now: u64,
    /// The hard state as raft has it, to be written with the next batch.
    hard_state: HardState,
    applied: u64,
    applied_term: u64,
    /// The commit index at start: until it is applied, nothing from outside is taken in.
    replay_to: u64,
    /// (term, role, leader) when last looked at.
    seen: (u64, StateRole, RaftId),
    /// Elections and other changes of `seen` so far; part of what timeouts are drawn from.
    changes: u64,
    changes_shown: u64,
    /// The first entry of this replica's own term as leader, while it leads.
    leads_from: Option<u64>,
    announced: bool,
    campaign_after_replay: bool,
    /// Whether a leader was known since the start.
    met_leader: bool,
    proposals: Proposals,
    waiters: Waiters,
    reads: Reads,
    transfer: Option<PendingTransfer>,
    /// When each peer was last heard, in ticks.
    heard: BTreeMap<RaftId, u64>,
    peer_markers: BTreeMap<RaftId, u128>,
    markers_changed: bool,
    /// Write the hard state even if raft doesn't ask for it.
    must_write: bool,
    effects: Effects<S::Outcome>,
    ready: Option<Ready>,
    installing: Option<SnapshotMeta>,
    log_reads: BTreeMap<u64, GetEntriesContext>,
    next_log_read: u64,
    replay_read_out: bool,
    making_snapshot: bool,
    made_snapshot: Option<SnapshotMeta>,
    snapshot_asked: bool,
    /// Bytes of entries applied since the newest snapshot was begun.
    bytes_since_snapshot: u64,
    /// The entry at which the newest snapshot was begun.
    snapshot_begun: u64,
    incoming: Option<Incoming>,
    outgoing: BTreeMap<RaftId, Outgoing>,
    removed_at: Option<u64>,
}

impl<S: StateMachine> std::fmt::Debug for Core<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("id", &self.id).field("applied", &self.applied).finish_non_exhaustive()
    }
}

impl<S: StateMachine> Core<S> {
    /// Starts from what the log store found. `chunks` are those of `boot.snapshot`'s file, if it has one.
    ///
    /// `seed` must differ at each start of the same replica: election timeouts are drawn from it, and it keeps the
    /// contexts of reads apart.
    ///
    /// # Errors
    /// The configuration contradicts itself, or the snapshot can't be restored.
    pub fn new(
        config: Config,
        boot: &Boot,
        mut state_machine: S,
        chunks: Option<&mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>>,
        seed: u64,
    ) -> Result<Self, Fatal> {
        config.check()?;
        let (id, snapshot) = (boot.identity.raft_id, boot.snapshot.clone());
        if let Some(chunks) = chunks {
            apply::restore(&mut state_machine, &snapshot, chunks)?;
        }
        let membership = Arc::new(snapshot.membership.clone());
        let raft_config = raft_config(&config, id, snapshot.index);
        let raw = RawNode::new(&raft_config, LogView::new(boot), &logging::logger())
            .map_err(|error| Fatal::Raft(error.to_string()))?;
        if !membership.is_empty() {
            state_machine.membership_changed(snapshot.index, &membership);
        }
        state_machine.publish(snapshot.index, snapshot.term);
        let alone = membership.voters().eq([id]);
        let mut core = Self {
            id,
            seed,
            now: 0,
            hard_state: boot.hard_state,
            applied: snapshot.index,
            applied_term: snapshot.term,
            replay_to: boot.hard_state.commit,
            seen: (raw.raft.term, raw.raft.state, raw.raft.leader_id),
            changes: 0,
            changes_shown: 0,
            leads_from: None,
            announced: false,
            campaign_after_replay: alone,
            met_leader: false,
            proposals: Proposals::default(),
            waiters: Waiters::default(),
            reads: Reads::new(id, seed),
            transfer: None,
            heard: BTreeMap::new(),
            peer_markers: boot.peer_markers.iter().copied().collect(),
            markers_changed: false,
            must_write: false,
            effects: Effects { membership: Some(membership.clone()), ..Effects::default() },
            ready: None,
            installing: None,
            log_reads: BTreeMap::new(),
            next_log_read: REPLAY_READ + 1,
            replay_read_out: false,
            making_snapshot: false,
            made_snapshot: None,
            snapshot_asked: false,
            bytes_since_snapshot: 0,
            snapshot_begun: snapshot.index,
            incoming: None,
            outgoing: BTreeMap::new(),
            removed_at: None,
            config,
            raw,
            state_machine,
            membership,
        };
        core.draw_timeout();
        Ok(core)
    }

    /// This replica's id.
    #[must_use]
    pub fn id(&self) -> RaftId {
        self.id
    }

    /// The state machine, for looking at.
    #[must_use]
    pub fn state_machine(&self) -> &S {
        &self.state_machine
    }

    /// The index at which this replica was removed from the cluster, once that is applied.
    #[must_use]
    pub fn removed_at(&self) -> Option<u64> {
        self.removed_at
    }

    fn replaying(&self) -> bool {
        self.applied < self.replay_to
    }

    /// Whether role, term or leader changed since this was last asked.
    pub fn role_changes_since_asked(&mut self) -> bool {
        std::mem::replace(&mut self.changes_shown, self.changes) != self.changes
    }

    /// The next turn writes the commit index, even if nothing else is to be written.
    pub fn persist_commit(&mut self) {
        self.must_write = true;
    }

    /// Feeds time. More than [`Config::ticks_per_turn_max`] count as that many: a stall of our own is not the
    /// leader's silence.
    pub fn tick(&mut self, ticks: u64) {
        for _ in 0..ticks.min(self.config.ticks_per_turn_max()) {
            self.now += 1;
            if !self.replaying() {
                self.raw.tick();
                self.observe();
                self.campaign_early();
            }
        }
        self.expire();
        if self.announced {
            self.promote_learners();
        }
    }

    fn campaign_early(&mut self) {
        let raft = &self.raw.raft;
        let (quiet, asked) = (raft.election_elapsed as u64 >= EARLY_TICKS, raft.state == StateRole::Candidate);
        if self.met_leader || asked || !quiet {
            return;
        }
        if asks_early(&self.config, &self.membership, self.id, raft.term, self.now) {
            if let Err(error) = self.raw.campaign() {
                tracing::debug!(%error, "no early election");
            }
            self.observe();
        }
    }

    /// Everything that ends by time.
    fn expire(&mut self) {
        self.expire_proposals();
        self.expire_reads();
        self.expire_transfer();
        self.expire_outgoing();
    }

    /// Feeds one input. What comes of it is in the next [`Core::ready`].
    ///
    /// # Errors
    /// The message proves that this replica can't go on.
    pub fn handle(&mut self, input: Input) -> Result<(), Fatal> {
        debug_assert!(self.ready.is_none(), "raft-rs wants nothing fed between `ready` and `persisted`");
        match input {
            Input::Propose { tag, payload } => self.propose(tag, payload),
            Input::Read { tag } => self.read(tag),
            Input::Step(message) => self.step(message)?,
            Input::Unreachable(peer) => self.raw.report_unreachable(peer),
            Input::Change { tag, change } => self.change(tag, &change),
            Input::Transfer { tag, to } => self.start_transfer(tag, to),
            Input::CheckPeer { tag, peer, marker } => self.check_peer(tag, peer, marker),
            Input::LogRead { id, entries } => self.log_read(id, entries),
            Input::SnapshotMade(meta) => self.snapshot_made(meta),
            Input::SnapshotFetched { meta, ok } => self.snapshot_fetched(&meta, ok),
            Input::SnapshotServed { to, end } => self.snapshot_served(to, end),
        }
        Ok(())
    }

    fn step(&mut self, message: Message) -> Result<(), Fatal> {
        if self.replaying() || self.membership.removed().contains(&message.from) || message.to != self.id {
            return Ok(());
        }
        if self.membership.get(message.from).is_some() {
            self.heard.insert(message.from, self.now);
        }
        match message.get_msg_type() {
            // Proposals are never forwarded between replicas: their waiter could not be told (raft-recipe D1).
            MessageType::MsgPropose => return Ok(()),
            MessageType::MsgSnapshot => {
                if let Some(message) = self.snapshot_offered(message) {
                    self.step_raft(message);
                }
                return Ok(());
            }
            MessageType::MsgHeartbeat => {
                let last_index = self.raw.raft.raft_log.last_index();
                if message.term >= self.raw.raft.term && message.commit > last_index {
                    return Err(Fatal::LostEntries { from: message.from, acknowledged: message.commit, last_index });
                }
            }
            _ => {}
        }
        self.step_raft(message);
        Ok(())
    }

    fn step_raft(&mut self, message: Message) {
        let (from, kind) = (message.from, message.get_msg_type());
        if let Err(error) = self.raw.step(message) {
            tracing::debug!(from, ?kind, %error, "raft dropped a message");
        }
        self.observe();
    }

    /// Looks at raft after anything that may have changed its role, and draws the election timeout from our seed in
    /// place of the random one that raft-rs has drawn (raft-recipe §4).
    fn observe(&mut self) {
        let raft = &self.raw.raft;
        let seen = (raft.term, raft.state, raft.leader_id);
        if seen != self.seen {
            let before = std::mem::replace(&mut self.seen, seen);
            self.changes += 1;
            self.role_changed(before);
        }
        self.draw_timeout();
    }

    /// The election timeout in place of the one that raft-rs drew.
    fn draw_timeout(&mut self) {
        let raft = &mut self.raw.raft;
        let drawn = election_timeout(&self.config, &self.membership, self.id, raft.leader_id, raft.term)
            .unwrap_or_else(|| {
                let election = self.config.election_ticks as u64;
                election + mix(self.seed ^ mix(self.id ^ mix(raft.term ^ mix(self.changes)))) % election
            });
        raft.set_randomized_election_timeout(usize::try_from(drawn).unwrap_or(self.config.election_ticks));
    }

    fn role_changed(&mut self, before: (u64, StateRole, RaftId)) {
        let (term, role, leader) = self.seen;
        self.met_leader |= leader != raft::INVALID_ID;
        if (before.0, before.2) != (term, leader) {
            self.reads.ask_again();
        }
        let led = before.1 == StateRole::Leader;
        let leads = role == StateRole::Leader;
        if leads && (!led || before.0 != term) {
            // raft has just appended the empty entry of its term, and nothing after it.
            self.leads_from = Some(self.raw.raft.raft_log.last_index());
            self.announced = false;
        } else if !leads {
            self.leads_from = None;
            self.announced = false;
            self.proposals.forget_batches();
            self.outgoing.clear();
            let role = if role == StateRole::Follower { Role::Follower } else { Role::Candidate };
            self.state_machine.role_changed(role, term, self.leader());
        }
        self.settle_transfer();
    }

    /// Tells that this replica leads, once everything up to the first entry of its term is applied.
    fn announce(&mut self) {
        if !self.announced && self.leads_from.is_some_and(|from| self.applied >= from) {
            self.announced = true;
            self.state_machine.role_changed(Role::Leader, self.raw.raft.term, Some(self.id));
        }
    }

    fn leader(&self) -> Option<RaftId> {
        (self.raw.raft.leader_id != raft::INVALID_ID).then_some(self.raw.raft.leader_id)
    }

    fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// The next turn of work, or `None` when there is nothing to do until the next input.
    ///
    /// # Errors
    /// The state machine halted, or raft is beyond repair.
    pub fn ready(&mut self) -> Result<Option<Work<S::Outcome>>, Fatal> {
        if self.campaign_after_replay && !self.replaying() {
            self.campaign_after_replay = false;
            if let Err(error) = self.raw.campaign() {
                return Err(Fatal::Raft(error.to_string()));
            }
            self.observe();
        }
        self.flush_proposals();
        self.flush_reads();
        self.want_snapshot();
        let reads = self.log_reads_wanted();
        let write = if self.raw.has_ready() { self.take_ready()? } else { self.extra_write() };
        self.answer_reads();
        let installing = self.installing.clone();
        if self.ready.is_none() && write.is_none() && reads.is_empty() && self.effects.is_empty() {
            return Ok(None);
        }
        let effects = self.take_effects();
        Ok(Some(Work { effects, reads, install: installing, write }))
    }

    /// Takes raft's ready apart; applies what is committed.
    fn take_ready(&mut self) -> Result<Option<WriteBatch>, Fatal> {
        let mut ready = self.raw.ready();
        self.effects.messages.append(&mut ready.take_messages());
        if let Some(hard_state) = ready.hs() {
            self.hard_state = HardState { term: hard_state.term, vote: hard_state.vote, commit: hard_state.commit };
        }
        for state in ready.take_read_states() {
            self.reads.confirm(&state.request_ctx, state.index);
        }
        if ready.snapshot().is_empty() {
            let committed = ready.take_committed_entries();
            self.apply(committed)?;
        } else {
            let meta = SnapshotMeta::from_raft(ready.snapshot()).map_err(|bad| Fatal::Raft(bad.0))?;
            self.installing = Some(meta);
        }
        let entries = ready.take_entries();
        let must_sync = ready.must_sync();
        self.ready = Some(ready);
        if !must_sync && !self.has_extra_write() {
            // Only the commit index moved: it goes out with the next batch.
            return Ok(None);
        }
        Ok(Some(self.batch(entries)))
    }

    fn has_extra_write(&self) -> bool {
        self.must_write || self.made_snapshot.is_some() || self.markers_changed
    }

    fn extra_write(&mut self) -> Option<WriteBatch> {
        self.has_extra_write().then(|| self.batch(Vec::new()))
    }

    fn batch(&mut self, entries: Vec<raft::eraftpb::Entry>) -> WriteBatch {
        self.must_write = false;
        let markers = std::mem::take(&mut self.markers_changed);
        let mut batch = WriteBatch {
            hard_state: self.hard_state,
            entries,
            snapshot: None,
            reset: false,
            compact_to: None,
            peer_markers: markers.then(|| self.peer_markers.iter().map(|(id, marker)| (*id, *marker)).collect()),
        };
        if let Some(meta) = self.installing.clone() {
            // Ours, if one was made meanwhile, is older.
            self.made_snapshot = None;
            batch.hard_state.commit = batch.hard_state.commit.max(meta.index);
            batch.snapshot = Some(meta);
            batch.reset = true;
        } else if let Some(meta) = self.made_snapshot.take() {
            batch.hard_state.commit = batch.hard_state.commit.max(meta.index);
            batch.compact_to = self.compact_to(&meta);
            batch.snapshot = Some(meta);
        }
        batch
    }

    /// The work is done and its write, if any, synced. Gives back what may happen only now. The write is handed back,
    /// so that its entries need no copy.
    ///
    /// # Errors
    /// The state machine halted, or raft is beyond repair.
    pub fn persisted(&mut self, write: Option<WriteBatch>) -> Result<Effects<S::Outcome>, Fatal> {
        if let Some(batch) = write {
            self.take_in(batch);
        }
        if let Some(mut ready) = self.ready.take() {
            let mut messages = ready.take_persisted_messages();
            self.effects.messages.append(&mut messages);
            let mut light = self.raw.advance(ready);
            self.effects.messages.append(&mut light.take_messages());
            if let Some(commit) = light.commit_index() {
                self.hard_state.commit = self.hard_state.commit.max(commit);
            }
            self.apply(light.take_committed_entries())?;
            self.raw.advance_apply();
            self.observe();
            self.raw.mut_store().trim(self.applied, self.config.entry_cache_bytes);
        }
        self.answer_reads();
        Ok(self.take_effects())
    }

    fn take_effects(&mut self) -> Effects<S::Outcome> {
        let mut effects = std::mem::take(&mut self.effects);
        tidy(&mut effects.messages);
        self.note_outgoing(&effects.messages);
        effects
    }

    /// The batch is durable: raft may see it.
    fn take_in(&mut self, batch: WriteBatch) {
        let view = self.raw.mut_store();
        if let Some(meta) = batch.snapshot {
            if batch.reset {
                self.installing = None;
                view.reset(meta.clone());
            } else {
                view.set_snapshot(meta.clone());
            }
            self.effects.retain = Some(meta);
        }
        view.append(batch.entries);
        if let Some((index, _)) = batch.compact_to {
            view.compact(index);
        }
    }

    /// Ranges to read: what must be applied and isn't in RAM, and what far-behind followers need.
    fn log_reads_wanted(&mut self) -> Vec<LogRead> {
        let mut reads = Vec::new();
        for wanted in self.raw.store().take_wanted() {
            let id = self.next_log_read;
            self.next_log_read += 1;
            self.log_reads.insert(id, wanted.context);
            reads.push(LogRead { id, low: wanted.low, high: wanted.high, max_bytes: wanted.max_bytes });
        }
        let log = &self.raw.raft.raft_log;
        let (next, high) = (self.applied + 1, log.committed.min(log.persisted) + 1);
        if next < high && !self.replay_read_out && self.installing.is_none() && !log.store().holds(next) {
            let stable_high = high.min(log.store().last() + 1);
            if next < stable_high {
                self.replay_read_out = true;
                let max_bytes = COMMITTED_BYTES_PER_READY_MAX;
                reads.push(LogRead { id: REPLAY_READ, low: next, high: stable_high, max_bytes });
            }
        }
        reads
    }

    fn log_read(&mut self, id: u64, entries: Vec<raft::eraftpb::Entry>) {
        if id == REPLAY_READ {
            self.replay_read_out = false;
            self.raw.mut_store().drop_pages();
            self.raw.mut_store().add_page(entries);
            return;
        }
        let Some(context) = self.log_reads.remove(&id) else { return };
        if !entries.is_empty() {
            let others = self.raw.store().take_wanted();
            self.raw.mut_store().add_page(entries);
            self.raw.on_entries_fetched(context);
            self.raw.mut_store().drop_pages();
            // Sending may ask for what comes after the page at once; it is asked for again when this one is answered,
            // so that a follower far behind doesn't flood its queue.
            self.raw.store().set_wanted(others);
        }
    }
}

/// A bijection that spreads its argument (the finalizer of splitmix64).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
