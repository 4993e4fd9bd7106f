//! The path of a write (design §4): to the leader, once; decided, proposed, applied there; answered from the state as of
//! its entry. Only what surely wasn't written is tried again.

use std::sync::Arc;

use drydock_state::Outcome;
use tokio::time::Instant;
use tonic::Code;

use crate::answer;
use crate::api::errors::ApiError;
use crate::caller::Caller;
use crate::core::Core;
use crate::leadership::Where;
use crate::limits::{LEADER_RETRY, LEADER_WAIT_MAX, OWN_WRITE_WAIT_MAX, REBIND_MAX};
use crate::request::{Request, Response};

/// An answer and the index of the log that it has seen.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) index: u64,
}

impl Core {
    /// Carries out a write, wherever the leader is.
    ///
    /// # Errors
    /// ECS's exception; or nothing was written (no leader, too much under way); or its fate isn't known.
    pub(crate) async fn write(self: &Arc<Self>, request: Request, caller: &Caller) -> Result<Answer, ApiError> {
        let _admitted = self.admission.enter(request.encoded_len())?;
        answer::check(&request)?;
        let until = Instant::now() + LEADER_WAIT_MAX;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let refused = match self.leaderships.find(self.me, left).await {
                None => return Err(no_leader()),
                Some(Where::Here { term }) => match self.write_here(&request, caller, term).await {
                    Err(refused @ ApiError::Unavailable(_)) => refused,
                    done => return done,
                },
                Some(Where::There(leader)) => match self.forward(leader, &request, caller).await {
                    Err(refused @ ApiError::Unavailable(_)) => refused,
                    done => return self.seen_here(done?).await,
                },
            };
            if Instant::now() >= until {
                return Err(refused);
            }
            // Surely not written: a leader that steps down, or one that is gone. The next is known soon.
            tokio::time::sleep(LEADER_RETRY).await;
        }
    }

    /// Carries out a write as the leader of a term. [`ApiError::Unavailable`]: surely not written.
    pub(crate) async fn write_here(&self, request: &Request, caller: &Caller, term: u64) -> Result<Answer, ApiError> {
        for _ in 0..REBIND_MAX {
            let stamp = self.stamp(term);
            let command = answer::command(request.clone())?;
            let version = self.view.now();
            let command = drydock_reconcile::command_for(&version.state, &caller.scope, command, stamp.seed)?;
            drop(version);
            let proposed = self.propose_for(stamp, caller.clone(), command).await?;
            match proposed.outcome {
                // Others took the instances in the meantime: decide anew, on a state that has seen that.
                Outcome::Rebind(_) => {}
                Outcome::Refused(error) => return Err(error.into()),
                outcome => {
                    let version = self.view.now();
                    let response = answer::written(&version.state, &caller.scope, request, outcome)?;
                    return Ok(Answer { response, index: proposed.index });
                }
            }
        }
        Err(ApiError::Overloaded("the instances chosen were taken by others again and again; retry".to_owned()))
    }

    /// Lets this replica catch up with a write that the leader carried out, so that the client's next read here sees it.
    async fn seen_here(&self, answer: Answer) -> Result<Answer, ApiError> {
        // Late or not, the write is done.
        let _ = self.view.at_least(answer.index, OWN_WRITE_WAIT_MAX).await;
        Ok(answer)
    }
}

/// Says nothing of what was written: this attempt wrote nothing, and the client may have made others.
fn no_leader() -> ApiError {
    ApiError::Unavailable(format!(
        "no controller has led for {LEADER_WAIT_MAX:?}: a majority of the controllers must be up; retry then"
    ))
}

/// An answer of the state that no request can have: a defect of ours.
pub(crate) fn unexpected(what: &str) -> ApiError {
    tracing::error!(what, "an outcome doesn't answer its request");
    ApiError::Refused { code: Code::Internal, message: format!("the outcome doesn't answer the request: {what}") }
}
