//! From a command to its outcome: the envelope that it travels in, the bound on how much is under way, and one turn
//! through consensus. Proposals are pipelined: whoever proposes waits for its own outcome only.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use drydock_consensus::ProposeError;
use drydock_model::error::EcsError;
use drydock_state::command::{ENVELOPE_BYTES_MAX, SCHEMA};
use drydock_state::{Command, Envelope, Millis, Outcome, codec};
use tokio::sync::oneshot;

use crate::api::errors::ApiError;
use crate::caller::Caller;
use crate::core::Core;
use crate::limits::{REQUEST_BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX};

// An entry that the state writes is one that consensus takes.
const _: () = assert!(ENVELOPE_BYTES_MAX == drydock_consensus::config::COMMAND_BYTES_MAX);

/// What came of a command, and where in the log it is.
#[derive(Debug)]
pub(crate) struct Proposed {
    pub(crate) index: u64,
    pub(crate) outcome: Outcome,
}

/// How much work is under way here: requests and their bytes.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    requests: AtomicUsize,
    bytes: AtomicUsize,
    refused: AtomicU64,
}

/// What an [`Admission`] tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdmissionFigures {
    /// Requests under way.
    pub(crate) requests: usize,
    /// Their bytes.
    pub(crate) bytes: usize,
    /// Requests that were refused so far.
    pub(crate) refused: u64,
}

/// A request that was let in; gives its share back when dropped.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    bytes: usize,
}

impl Admission {
    /// Lets a request of so many bytes in.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] where [`REQUESTS_IN_FLIGHT_MAX`] or [`REQUEST_BYTES_IN_FLIGHT_MAX`] is reached.
    pub(crate) fn enter(&self, bytes: usize) -> Result<Admitted<'_>, ApiError> {
        let admitted = Admitted { admission: self, bytes };
        // Counted first and given back by the guard: two that come at once can't both slip in.
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let all = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if requests > REQUESTS_IN_FLIGHT_MAX || (requests > 1 && all > REQUEST_BYTES_IN_FLIGHT_MAX) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(ApiError::Overloaded("Rate exceeded: too many requests are under way; retry later".to_owned()));
        }
        Ok(admitted)
    }

    /// How much is under way now.
    pub(crate) fn figures(&self) -> AdmissionFigures {
        AdmissionFigures {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

impl Admission {
    /// Requests that were let in and aren't answered yet.
    pub(crate) fn under_way(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.admission.requests.fetch_sub(1, Ordering::Relaxed);
        self.admission.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a proposer puts into the envelope.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// The term in which it decided.
    pub(crate) term: u64,
    pub(crate) now_ms: Millis,
    pub(crate) seed: u128,
}

impl Core {
    /// What a proposal of this moment goes with, decided in `term`.
    pub(crate) fn stamp(&self, term: u64) -> Stamp {
        Stamp { term, now_ms: self.clock.now_ms(), seed: self.seeds.next() }
    }

    /// Proposes a command of a part of this controller and waits for its outcome.
    ///
    /// # Errors
    /// As [`Core::propose_for`].
    pub(crate) async fn propose(&self, stamp: Stamp, part: &str, command: Command) -> Result<Proposed, ApiError> {
        self.propose_for(stamp, Caller { scope: self.scope.clone(), principal: part.to_owned() }, command).await
    }

    /// Proposes a command and waits for its outcome.
    ///
    /// # Errors
    /// Not proposed ([`ApiError::Unavailable`], [`ApiError::Overloaded`], refused for its size), or its fate isn't known
    /// ([`ApiError::Unknown`]). ECS's exceptions are outcomes.
    pub(crate) async fn propose_for(
        &self,
        stamp: Stamp,
        caller: Caller,
        command: Command,
    ) -> Result<Proposed, ApiError> {
        let envelope = Envelope {
            epoch: stamp.term,
            now_ms: stamp.now_ms,
            seed: stamp.seed,
            schema: SCHEMA,
            scope: caller.scope,
            caller: caller.principal,
            command,
        };
        let payload = codec::encode(&envelope).map_err(|error| EcsError::client(error.to_string()))?;
        let (tell, told) = oneshot::channel();
        // A client that left in the meantime isn't told.
        self.handle.propose(payload, move |result| drop(tell.send(result)));
        let applied = told.await.unwrap_or(Err(ProposeError::Stopped))?;
        match applied.outcome {
            Outcome::Superseded => Err(ProposeError::Superseded.into()),
            outcome => Ok(Proposed { index: applied.index, outcome }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Admission, AdmissionFigures, REQUEST_BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX};

    #[test]
    fn so_many_requests_and_so_many_bytes_are_let_in() {
        let admission = Admission::default();
        let many: Vec<_> = (0..REQUESTS_IN_FLIGHT_MAX).map(|_| admission.enter(1).unwrap()).collect();
        assert!(admission.enter(1).is_err());
        drop(many);
        let large = admission.enter(REQUEST_BYTES_IN_FLIGHT_MAX).unwrap();
        assert!(admission.enter(1).is_err());
        drop(large);
        assert!(admission.enter(1).is_ok());
        // Refused ones leave nothing behind.
        assert_eq!(admission.figures(), AdmissionFigures { requests: 0, bytes: 0, refused: 2 });
    }
}
