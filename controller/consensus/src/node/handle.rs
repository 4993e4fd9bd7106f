//! The handle to a running replica: cheap to clone, never blocks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Sender, TrySendError};

use super::Status;
use super::driver::Command;
use super::intake::{Intake, Pushed};
use super::reply::Reply;
use crate::config::{COMMAND_BYTES_MAX, INPUT_BYTES_QUEUED_MAX, PEER_MESSAGE_BYTES_MAX};
use crate::error::{ConfError, ProposeError, ReadError, TransferError};
use crate::membership::MemberChange;
use crate::snapshot::{SnapshotError, SnapshotFolder, SnapshotMeta, SnapshotReader};
use crate::state_machine::Applied;
use crate::{Membership, RaftId};

/// What the driver shares with the handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) status: Mutex<Arc<Status>>,
    pub(super) snapshot: Mutex<Option<SnapshotMeta>>,
    pub(super) folder: SnapshotFolder,
    /// Bytes of peers' messages in the channel.
    pub(super) queued_bytes: AtomicUsize,
}

impl Shared {
    /// Admits bytes into the channel, or not.
    fn admit(&self, bytes: usize) -> bool {
        let before = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= INPUT_BYTES_QUEUED_MAX;
        if !fits {
            self.release(bytes);
        }
        fits
    }

    /// Bytes have left the channel.
    pub(super) fn release(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_status(&self, status: Arc<Status>) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(super) fn set_snapshot(&self, meta: SnapshotMeta) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(meta);
    }
}

/// Talks to a running replica. Callbacks run on the driver thread: they must be quick and must not block (send
/// into a channel). Each callback is called exactly once, whatever happens.
#[derive(Debug)]
pub struct Handle<O> {
    commands: Sender<Command>,
    intake: Arc<Intake<O>>,
    shared: Arc<Shared>,
}

impl<O> Clone for Handle<O> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), intake: self.intake.clone(), shared: self.shared.clone() }
    }
}

impl<O: Send + 'static> Handle<O> {
    pub(super) fn new(commands: Sender<Command>, intake: Arc<Intake<O>>, shared: Arc<Shared>) -> Self {
        Self { commands, intake, shared }
    }

    /// Proposes an entry. The callback gets its outcome when it is applied here, or why it was not.
    ///
    /// From 1 to [`COMMAND_BYTES_MAX`] bytes. Only a leader takes proposals. There is no deadline but
    /// [`crate::Config::proposal_ticks_max`]; a caller with a shorter one stops listening and retries by token.
    pub fn propose(&self, payload: Vec<u8>, callback: impl FnOnce(Result<Applied<O>, ProposeError>) + Send + 'static) {
        let reply = Reply::new(callback);
        if payload.len() > COMMAND_BYTES_MAX {
            return reply.answer(Err(ProposeError::TooLarge { bytes: payload.len(), max: COMMAND_BYTES_MAX }));
        }
        match self.intake.push(payload, reply) {
            // A full queue has woken the driver already, and a driver that ended has closed the intake.
            Pushed::Wake => drop(self.commands.try_send(Command::Proposals)),
            Pushed::Waits => {}
            Pushed::Refused(reply, error) => reply.answer(Err(error)),
        }
    }

    /// Asks for a read index: once the callback has it, everything up to it is applied here, and a read of the state
    /// sees every write that was acknowledged before this call. Works on followers too.
    pub fn read_index(&self, callback: impl FnOnce(Result<u64, ReadError>) + Send + 'static) {
        let reply = Reply::new(callback);
        if let Err(TrySendError::Full(Command::Read { reply })) = self.commands.try_send(Command::Read { reply }) {
            reply.answer(Err(ReadError::Overloaded));
        }
    }

    /// Feeds an encoded raft message from a peer (authenticated by the caller). `false`: dropped, since the queue is
    /// full, the message too large, or the replica stopped; raft repairs that.
    pub fn step(&self, message: Vec<u8>) -> bool {
        let bytes = message.len();
        if bytes > PEER_MESSAGE_BYTES_MAX || !self.shared.admit(bytes) {
            return false;
        }
        let queued = self.commands.try_send(Command::Step { message }).is_ok();
        if !queued {
            self.shared.release(bytes);
        }
        queued
    }

    /// Tells that messages to a peer were lost. Call it once per failure, not per message.
    pub fn unreachable(&self, peer: RaftId) {
        // Lost when the queue is full: heartbeats find out as well.
        let _ = self.commands.try_send(Command::Unreachable { peer });
    }

    /// The replica's view of itself, at most one tick old (a change of role, term or leader: at once).
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.shared.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The members as of what is applied here.
    #[must_use]
    pub fn membership(&self) -> Arc<Membership> {
        self.status().membership.clone()
    }

    /// Adds a replica as a learner; it is promoted by itself when it has caught up. The callback gets the index of
    /// the change.
    pub fn add_learner(
        &self,
        id: RaftId,
        context: Vec<u8>,
        callback: impl FnOnce(Result<u64, ConfError>) + Send + 'static,
    ) {
        self.change(MemberChange::AddLearner { id, context }, callback);
    }

    /// Removes a replica for good. Refused if the voters that are left and live would be no quorum. A leader that is
    /// to remove itself hands leadership over and answers `NotLeader` with its successor: ask there again.
    pub fn remove(&self, id: RaftId, callback: impl FnOnce(Result<u64, ConfError>) + Send + 'static) {
        self.change(MemberChange::Remove { id }, callback);
    }

    /// Any single-step change of the membership. The callback gets the index of the change.
    pub fn change(&self, change: MemberChange, callback: impl FnOnce(Result<u64, ConfError>) + Send + 'static) {
        let reply = Reply::new(callback);
        if let Err(TrySendError::Full(Command::Change { reply, .. })) =
            self.commands.try_send(Command::Change { change, reply })
        {
            reply.answer(Err(ProposeError::Overloaded.into()));
        }
    }

    /// Hands leadership to `to`, or to the voter that is furthest. Ends within one election timeout; meanwhile
    /// proposals are refused with `NotLeader`.
    pub fn transfer(&self, to: Option<RaftId>, callback: impl FnOnce(Result<RaftId, TransferError>) + Send + 'static) {
        let reply = Reply::new(callback);
        if let Err(TrySendError::Full(Command::Transfer { reply, .. })) =
            self.commands.try_send(Command::Transfer { to, reply })
        {
            reply.answer(Err(TransferError::Timeout));
        }
    }

    /// Compares a peer's storage marker (told when it connects) with the one that it had before; a member's first one
    /// is remembered durably. The callback gets `false` for another one (the peer's disk was wiped or replaced under
    /// an old id) and for removed ids: the connection must be refused then. It gets `None` where this replica can't tell
    /// now, since it stops or its queue is full: the peer may connect again later.
    pub fn check_peer(&self, peer: RaftId, marker: u128, callback: impl FnOnce(Option<bool>) + Send + 'static) {
        // If the queue is full, the reply is dropped and answers `None`.
        let _ = self.commands.try_send(Command::CheckPeer { peer, marker, reply: Reply::new(callback) });
    }

    /// Opens the newest snapshot to serve it to `to`, if it is the one asked for. Its progress and end are reported to
    /// the driver by the reader itself.
    ///
    /// # Errors
    /// It isn't here (any more), or the disk's error.
    pub fn serve_snapshot(&self, to: RaftId, index: u64, term: u64) -> Result<SnapshotReader, SnapshotError> {
        let newest = self.shared.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let meta = newest
            .filter(|meta| (meta.index, meta.term) == (index, term) && meta.has_file())
            .ok_or(SnapshotError::NotHere { index, term })?;
        let mut reader = self.shared.folder.reader(&meta)?;
        let commands = self.commands.clone();
        reader.on_progress(Box::new(move |end| {
            // Lost when the queue is full: the core has a deadline of its own.
            let _ = commands.try_send(Command::Served { to, end });
        }));
        Ok(reader)
    }

    /// Stops the replica: hands leadership over (at most one election timeout), answers all waiters with `Stopped`, ends
    /// the thread. Wait with [`super::Node::join`].
    pub fn stop(&self) {
        // Blocks only while the queue is full, which the driver empties.
        let _ = self.commands.send(Command::Stop);
    }
}
