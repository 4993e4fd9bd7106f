//! Callbacks that are called exactly once, also when they are dropped on the way.

use crate::RaftId;
use crate::error::{ConfError, ProposeError, ReadError, TransferError};
use crate::state_machine::Applied;

/// What a caller gets when the replica stops before the answer is known.
pub(super) trait Stopped {
    fn stopped() -> Self;
}

impl<O> Stopped for Result<Applied<O>, ProposeError> {
    fn stopped() -> Self {
        Err(ProposeError::Stopped)
    }
}

impl Stopped for Result<u64, ReadError> {
    fn stopped() -> Self {
        Err(ReadError::Stopped)
    }
}

impl Stopped for Result<u64, ConfError> {
    fn stopped() -> Self {
        Err(ProposeError::Stopped.into())
    }
}

impl Stopped for Result<RaftId, TransferError> {
    fn stopped() -> Self {
        Err(TransferError::Stopped)
    }
}

impl Stopped for Option<bool> {
    fn stopped() -> Self {
        None
    }
}

/// A callback for one answer. Dropped unanswered, it answers [`Stopped::stopped`].
pub(super) struct Reply<T: Stopped>(Option<Box<dyn FnOnce(T) + Send>>);

impl<T: Stopped> Reply<T> {
    pub(super) fn new(callback: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    pub(super) fn answer(mut self, answer: T) {
        if let Some(callback) = self.0.take() {
            callback(answer);
        }
    }
}

impl<T: Stopped> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(T::stopped());
        }
    }
}

/// Who waits for which tag. Tags are reused.
pub(super) struct Waiting<O> {
    slots: Vec<Option<Waiter<O>>>,
    free: Vec<usize>,
}

/// One request under way.
pub(super) enum Waiter<O> {
    Propose(Reply<Result<Applied<O>, ProposeError>>),
    Read(Reply<Result<u64, ReadError>>),
    Change(Reply<Result<u64, ConfError>>),
    Transfer(Reply<Result<RaftId, TransferError>>),
    Peer(Reply<Option<bool>>),
    /// The driver's own transfer, before it stops.
    Stop,
}

impl<O> Waiting<O> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn add(&mut self, waiter: Waiter<O>) -> u64 {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(waiter),
            None => self.slots.push(Some(waiter)),
        }
        slot as u64
    }

    pub(super) fn take(&mut self, tag: u64) -> Option<Waiter<O>> {
        let slot = usize::try_from(tag).ok()?;
        let waiter = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(waiter)
    }

    /// Answers everybody that the replica stops.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
    }
}
