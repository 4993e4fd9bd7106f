//! Proposals on their way to the driver thread. It takes them when the core wants them, and is woken only when it waits
//! for some: while a batch is under way, proposals gather here and cost it nothing. Touches nothing but RAM.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::reply::Reply;
use crate::config::{INPUT_BYTES_QUEUED_MAX, PROPOSALS_IN_FLIGHT_MAX};
use crate::error::ProposeError;
use crate::state_machine::Applied;

pub(super) type Answer<O> = Reply<Result<Applied<O>, ProposeError>>;

/// A payload and who waits for its outcome.
pub(super) struct Proposal<O> {
    pub(super) payload: Vec<u8>,
    pub(super) reply: Answer<O>,
}

/// What waits to be taken; handles and the driver share it.
pub(super) struct Intake<O>(Mutex<Waiting<O>>);

struct Waiting<O> {
    proposals: Vec<Proposal<O>>,
    bytes: usize,
    /// The driver looked, found nothing, and wants to be woken by the next one.
    wanted: bool,
    /// The driver has ended.
    closed: bool,
}

/// What became of a proposal.
pub(super) enum Pushed<O> {
    /// It waits, and the driver must be woken.
    Wake,
    /// It waits; the driver comes by itself.
    Waits,
    /// A bound is reached, or the driver has ended: it is handed back, with the reason.
    Refused(Answer<O>, ProposeError),
}

impl<O> Default for Intake<O> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { proposals: Vec::new(), bytes: 0, wanted: false, closed: false }))
    }
}

impl<O> std::fmt::Debug for Intake<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.lock();
        f.debug_struct("Intake").field("proposals", &waiting.proposals.len()).finish_non_exhaustive()
    }
}

impl<O> Intake<O> {
    fn lock(&self) -> MutexGuard<'_, Waiting<O>> {
        // A panic while it was held can't leave it inconsistent: each change is complete in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a proposal, at most [`PROPOSALS_IN_FLIGHT_MAX`] and [`INPUT_BYTES_QUEUED_MAX`].
    pub(super) fn push(&self, payload: Vec<u8>, reply: Answer<O>) -> Pushed<O> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Pushed::Refused(reply, ProposeError::Stopped);
        }
        let full = waiting.proposals.len() >= PROPOSALS_IN_FLIGHT_MAX;
        if full || waiting.bytes + payload.len() > INPUT_BYTES_QUEUED_MAX {
            return Pushed::Refused(reply, ProposeError::Overloaded);
        }
        waiting.bytes += payload.len();
        waiting.proposals.push(Proposal { payload, reply });
        if std::mem::take(&mut waiting.wanted) { Pushed::Wake } else { Pushed::Waits }
    }

    /// All that wait, in their order. If there are none, the next one will wake the driver.
    pub(super) fn take(&self) -> Vec<Proposal<O>> {
        let mut waiting = self.lock();
        waiting.wanted = waiting.proposals.is_empty();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.proposals)
    }

    /// No more are taken. Whoever waits is told that the replica stopped.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let proposals = std::mem::take(&mut waiting.proposals);
        drop(waiting);
        // Their callbacks run here, without the lock.
        drop(proposals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(intake: &Intake<()>, bytes: usize) -> &'static str {
        match intake.push(vec![0; bytes], Reply::new(|_| {})) {
            Pushed::Wake => "wake",
            Pushed::Waits => "waits",
            Pushed::Refused(_, ProposeError::Overloaded) => "overloaded",
            Pushed::Refused(_, ProposeError::Stopped) => "stopped",
            Pushed::Refused(..) => "?",
        }
    }

    #[test]
    fn only_a_driver_that_found_nothing_is_woken_and_only_once() {
        let intake = Intake::default();
        assert_eq!(push(&intake, 1), "waits");
        assert_eq!(intake.take().len(), 1);
        // It found something, and will look again by itself.
        assert_eq!(push(&intake, 1), "waits");
        assert_eq!(intake.take().len(), 1);
        assert_eq!(intake.take().len(), 0);
        assert_eq!([push(&intake, 1), push(&intake, 1)], ["wake", "waits"]);
    }

    #[test]
    fn bounds_refuse_and_a_closed_one_answers_everybody() {
        let intake = Intake::default();
        assert_eq!(push(&intake, INPUT_BYTES_QUEUED_MAX), "waits");
        assert_eq!(push(&intake, 1), "overloaded");
        intake.take();
        for _ in 0..PROPOSALS_IN_FLIGHT_MAX {
            assert_eq!(push(&intake, 1), "waits");
        }
        assert_eq!(push(&intake, 1), "overloaded");
        intake.take();
        let (tell, told) = std::sync::mpsc::channel();
        let reply = Reply::new(move |result: Result<Applied<()>, ProposeError>| {
            let _ = tell.send(result.err());
        });
        let _ = intake.push(vec![1], reply);
        intake.close();
        assert_eq!(told.recv(), Ok(Some(ProposeError::Stopped)));
        assert_eq!(push(&intake, 1), "stopped");
    }
}
