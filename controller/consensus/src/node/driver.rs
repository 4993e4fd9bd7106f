//! The driver thread: waits for inputs and ticks, and carries out the core's work on disk and towards the peers.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use protobuf::Message as _;
use raft::eraftpb::{Message, MessageType};

use super::handle::Shared;
use super::intake::{Intake, Proposal};
use super::reply::{Reply, Waiter, Waiting};
use super::{OnSync, Status};
use crate::RaftId;
use crate::config::{Config, INPUTS_PER_LOOP_MAX};
use crate::core::{Core, Effects, Input, LogRead, MakeSnapshot, Resolved};
use crate::error::{ConfError, Fatal, ReadError, TransferError};
use crate::log_store::{LogStore, StoreError};
use crate::membership::MemberChange;
use crate::peers::{FetchEnd, Peers, SnapshotFetch};
use crate::snapshot::{ServeEnd, SnapshotError, SnapshotMeta};
use crate::state_machine::StateMachine;

/// Results of background jobs that may wait; at most one snapshot is made and a few fetched at a time.
const JOB_RESULTS_MAX: usize = 64;

pub(super) enum Command {
    /// There are proposals in the intake, and the driver wanted to know.
    Proposals,
    Read {
        reply: Reply<Result<u64, ReadError>>,
    },
    Step {
        message: Vec<u8>,
    },
    Unreachable {
        peer: RaftId,
    },
    Change {
        change: MemberChange,
        reply: Reply<Result<u64, ConfError>>,
    },
    Transfer {
        to: Option<RaftId>,
        reply: Reply<Result<RaftId, TransferError>>,
    },
    CheckPeer {
        peer: RaftId,
        marker: u128,
        reply: Reply<Option<bool>>,
    },
    Served {
        to: RaftId,
        end: ServeEnd,
    },
    Stop,
}

/// What a background job ended with. Looked at every tick at the latest.
enum JobResult {
    Made(Result<SnapshotMeta, SnapshotError>),
    Fetched(SnapshotMeta, FetchEnd),
}

/// Everything that the thread owns.
pub(super) struct Driver<S: StateMachine, P: Peers> {
    core: Core<S>,
    store: Box<dyn LogStore>,
    peers: P,
    commands: Receiver<Command>,
    intake: Arc<Intake<S::Outcome>>,
    job_results: (Sender<JobResult>, Receiver<JobResult>),
    shared: Arc<Shared>,
    waiting: Waiting<S::Outcome>,
    config: Config,
    on_sync: OnSync,
    ticked: Instant,
    /// What carrying out work led to; fed when raft may be fed again.
    later: Vec<Input>,
    stop_by: Option<Instant>,
    /// Leadership is handed over, or there was none: stops when nobody waits for an outcome any more.
    draining: bool,
    stopped: bool,
    status: Arc<Status>,
}

impl<S: StateMachine, P: Peers> Driver<S, P> {
    pub(super) fn new(
        core: Core<S>,
        store: Box<dyn LogStore>,
        peers: P,
        commands: Receiver<Command>,
        intake: Arc<Intake<S::Outcome>>,
        shared: Arc<Shared>,
        (config, on_sync): (Config, OnSync),
    ) -> Self {
        Self {
            core,
            store,
            peers,
            commands,
            intake,
            job_results: bounded(JOB_RESULTS_MAX),
            shared,
            waiting: Waiting::new(),
            config,
            on_sync,
            ticked: Instant::now(),
            later: Vec::new(),
            stop_by: None,
            draining: false,
            stopped: false,
            status: Arc::default(),
        }
    }

    /// The thread's body: runs until stopped or until something fatal, which is told once everybody who waits was.
    pub(super) fn run(mut self, on_fatal: Box<dyn FnOnce(Fatal) + Send>) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.turns()));
        self.intake.close();
        self.waiting.clear();
        let fatal = match ended {
            Ok(Ok(())) => return,
            Ok(Err(fatal)) => fatal,
            Err(panic) => Fatal::Panicked(panic_text(panic.as_ref())),
        };
        tracing::error!(id = self.core.id(), %fatal, "the replica can't go on");
        on_fatal(fatal);
    }

    fn turns(&mut self) -> Result<(), Fatal> {
        self.work()?;
        self.show_status();
        while !self.stopped {
            self.wait()?;
            while let Ok(result) = self.job_results.1.try_recv() {
                self.job_ended(result)?;
            }
            let ticked = self.tick()?;
            self.work()?;
            if ticked || self.core.role_changes_since_asked() {
                self.show_status();
            }
            let late = self.stop_by.is_some_and(|by| by <= Instant::now());
            self.stopped |= late || (self.draining && self.core.proposals_waiting() == 0);
        }
        // Saves the replay of what is known to be committed at the next start.
        self.core.persist_commit();
        self.work()
    }

    /// Takes the proposals that wait, if the core wants them; else blocks until the next input or tick. Then takes all
    /// inputs that wait, up to the bound.
    fn wait(&mut self) -> Result<(), Fatal> {
        let took = self.core.wants_proposals() && self.take_proposals()?;
        let patience = if took { Instant::now() } else { self.ticked + self.config.tick };
        let mut next = match self.commands.recv_deadline(patience) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.stopped = true;
                None
            }
        };
        for taken in 1.. {
            let Some(command) = next else { break };
            self.take(command)?;
            next = if taken < INPUTS_PER_LOOP_MAX { self.commands.try_recv().ok() } else { None };
        }
        // A commit may just have made room for the next batch.
        if !took && self.core.wants_proposals() {
            self.take_proposals()?;
        }
        Ok(())
    }

    /// Feeds all proposals that wait; `false`: there are none, and the next one wakes this thread.
    fn take_proposals(&mut self) -> Result<bool, Fatal> {
        let proposals = self.intake.take();
        let some = !proposals.is_empty();
        for Proposal { payload, reply } in proposals {
            let tag = self.waiting.add(Waiter::Propose(reply));
            self.core.handle(Input::Propose { tag, payload })?;
        }
        Ok(some)
    }

    fn take(&mut self, command: Command) -> Result<(), Fatal> {
        let input = match command {
            Command::Proposals => return self.take_proposals().map(drop),
            Command::Read { reply } => Input::Read { tag: self.waiting.add(Waiter::Read(reply)) },
            Command::Step { message } => {
                self.shared.release(message.len());
                match Message::parse_from_bytes(&message) {
                    Ok(message) => Input::Step(message),
                    Err(error) => {
                        tracing::warn!(%error, "a peer's message can't be read; dropped");
                        return Ok(());
                    }
                }
            }
            Command::Unreachable { peer } => Input::Unreachable(peer),
            Command::Change { change, reply } => Input::Change { tag: self.waiting.add(Waiter::Change(reply)), change },
            Command::Transfer { to, reply } => Input::Transfer { tag: self.waiting.add(Waiter::Transfer(reply)), to },
            Command::CheckPeer { peer, marker, reply } => {
                Input::CheckPeer { tag: self.waiting.add(Waiter::Peer(reply)), peer, marker }
            }
            Command::Served { to, end } => Input::SnapshotServed { to, end },
            Command::Stop => {
                self.stop_by.get_or_insert(Instant::now() + self.config.election_timeout());
                Input::Transfer { tag: self.waiting.add(Waiter::Stop), to: None }
            }
        };
        self.core.handle(input)
    }

    /// Feeds the ticks that have passed, after the inputs: a message that waited counts before the time that it waited.
    /// Proposals come with them even if the core could do without: it knows how long they may wait.
    fn tick(&mut self) -> Result<bool, Fatal> {
        let passed = self.ticked.elapsed().as_nanos() / self.config.tick.as_nanos().max(1);
        let ticks = u32::try_from(passed).unwrap_or(u32::MAX);
        if ticks == 0 {
            return Ok(false);
        }
        self.ticked += self.config.tick * ticks;
        self.take_proposals()?;
        self.core.tick(u64::from(ticks));
        Ok(true)
    }

    fn show_status(&mut self) {
        let status = self.core.status();
        if *self.status != status {
            self.status = Arc::new(status);
            self.shared.set_status(self.status.clone());
        }
    }

    /// Does what the core wants until it wants nothing more.
    fn work(&mut self) -> Result<(), Fatal> {
        while let Some(work) = self.core.ready()? {
            self.perform(work.effects)?;
            let answers = work.reads.into_iter().map(|read| self.read(&read)).collect::<Result<Vec<_>, _>>()?;
            if let Some(meta) = work.install {
                let mut chunks = self.shared.folder.chunks(&meta)?;
                self.core.install(&mut chunks)?;
            }
            if let Some(batch) = &work.write {
                let begun = Instant::now();
                self.store.append(batch)?;
                self.store.sync()?;
                (self.on_sync.0)(begun.elapsed());
            }
            let effects = self.core.persisted(work.write)?;
            self.perform(effects)?;
            for input in answers.into_iter().chain(std::mem::take(&mut self.later)) {
                self.core.handle(input)?;
            }
            if let Some(index) = self.core.removed_at() {
                let members = self.core.status().membership.as_ref().clone();
                return Err(Fatal::Removed { id: self.core.id(), index, members });
            }
        }
        Ok(())
    }

    fn read(&self, read: &LogRead) -> Result<Input, StoreError> {
        let entries = match self.store.read(read.low, read.high, read.max_bytes) {
            Err(StoreError::Gone { .. }) => Vec::new(),
            other => other?,
        };
        Ok(Input::LogRead { id: read.id, entries })
    }

    fn perform(&mut self, effects: Effects<S::Outcome>) -> Result<(), Fatal> {
        self.send(effects.messages)?;
        for resolved in effects.resolved {
            self.resolve(resolved);
        }
        if let Some(membership) = effects.membership {
            self.peers.membership_changed(&membership);
        }
        if let Some((from, meta)) = effects.fetch {
            self.fetch(from, meta)?;
        }
        if let Some(make) = effects.make_snapshot {
            self.make_snapshot(make)?;
        }
        if let Some(meta) = effects.retain {
            self.shared.set_snapshot(meta.clone());
            self.shared.folder.retain(&meta)?;
            self.store.reclaim()?;
        }
        Ok(())
    }

    fn send(&mut self, messages: Vec<Message>) -> Result<(), Fatal> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut by_peer: BTreeMap<RaftId, (Vec<Vec<u8>>, bool)> = BTreeMap::new();
        for message in messages {
            let (bytes, snapshot) = by_peer.entry(message.to).or_default();
            *snapshot |= message.get_msg_type() == MessageType::MsgSnapshot;
            bytes.push(message.write_to_bytes().map_err(|error| Fatal::Raft(error.to_string()))?);
        }
        for (to, (messages, snapshot)) in by_peer {
            if !self.peers.send(to, messages) {
                self.later.push(Input::Unreachable(to));
                if snapshot {
                    self.later.push(Input::SnapshotServed { to, end: ServeEnd::Aborted });
                }
            }
        }
        Ok(())
    }

    fn resolve(&mut self, resolved: Resolved<S::Outcome>) {
        let tag = match &resolved {
            Resolved::Proposal { tag, .. }
            | Resolved::Read { tag, .. }
            | Resolved::Change { tag, .. }
            | Resolved::Transfer { tag, .. }
            | Resolved::Peer { tag, .. } => *tag,
        };
        match (resolved, self.waiting.take(tag)) {
            (Resolved::Proposal { result, .. }, Some(Waiter::Propose(reply))) => reply.answer(result),
            (Resolved::Read { result, .. }, Some(Waiter::Read(reply))) => reply.answer(result),
            (Resolved::Change { result, .. }, Some(Waiter::Change(reply))) => reply.answer(result),
            (Resolved::Transfer { result, .. }, Some(Waiter::Transfer(reply))) => reply.answer(result),
            (Resolved::Peer { same, .. }, Some(Waiter::Peer(reply))) => reply.answer(Some(same)),
            (Resolved::Transfer { result, .. }, Some(Waiter::Stop)) => {
                tracing::info!(?result, "stopping");
                self.draining = true;
            }
            // Whatever else: the reply, if there was one, is dropped and says that the replica stopped.
            (_, waiter) => tracing::error!(tag, known = waiter.is_some(), "an answer without its question"),
        }
    }

    fn fetch(&mut self, from: RaftId, meta: SnapshotMeta) -> Result<(), Fatal> {
        match self.shared.folder.receive(&meta) {
            Ok(writer) => {
                let (results, announced) = (self.job_results.0.clone(), meta.clone());
                let report = Box::new(move |end| {
                    // The driver is gone: nobody waits for it any more.
                    let _ = results.send(JobResult::Fetched(announced, end));
                });
                self.peers.fetch_snapshot(SnapshotFetch::new(from, meta, writer, report));
                Ok(())
            }
            Err(error) if error.is_fatal() => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, from, "a snapshot is not fetched");
                self.later.push(Input::SnapshotFetched { meta, ok: false });
                Ok(())
            }
        }
    }

    fn make_snapshot(&self, make: MakeSnapshot) -> Result<(), Fatal> {
        let (folder, results) = (self.shared.folder.clone(), self.job_results.0.clone());
        let job = move || {
            let MakeSnapshot { index, term, membership, mut source } = make;
            let made = folder.make(index, term, membership, source.as_mut());
            // The driver is gone: the file is removed at the next start's first snapshot.
            let _ = results.send(JobResult::Made(made));
        };
        let spawned = thread::Builder::new().name("raft-snapshot".to_owned()).spawn(job);
        spawned.map(drop).map_err(|error| Fatal::Raft(format!("starting the snapshot thread: {error}")))
    }

    fn job_ended(&mut self, result: JobResult) -> Result<(), Fatal> {
        match result {
            JobResult::Made(made) => self.core.handle(Input::SnapshotMade(made?)),
            JobResult::Fetched(meta, FetchEnd::Done) => self.core.handle(Input::SnapshotFetched { meta, ok: true }),
            JobResult::Fetched(meta, FetchEnd::Failed) => self.core.handle(Input::SnapshotFetched { meta, ok: false }),
            JobResult::Fetched(_, FetchEnd::Disk(error)) => Err(error.into()),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "?".to_owned())
}
