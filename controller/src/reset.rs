//! Reset: removes all that requests made, for test suites that begin each test with nothing. Carried out by the leader;
//! whether it is allowed is the business of the port that is asked.

use std::sync::Arc;

use drydock_consensus::Role;
use drydock_state::{Command, Outcome};

use crate::api::errors::ApiError;
use crate::core::Core;
use crate::leadership::Leadership;
use crate::write::unexpected;

/// Who resets, for the record of the log.
const CALLER: &str = "reset";

impl Core {
    /// Resets, whichever controller leads. Afterwards this replica has seen it.
    ///
    /// # Errors
    /// As for every write.
    pub(crate) async fn reset(self: &Arc<Self>) -> Result<(), ApiError> {
        self.takes_part()?;
        self.membership::<(), ()>("Reset", &()).await?;
        self.read_strong().await.map(drop)
    }

    /// Carries it out as the leader.
    pub(crate) async fn reset_here(&self) -> Result<(), ApiError> {
        let Leadership { role, term, .. } = self.leaderships.now();
        if role != Role::Leader {
            return Err(ApiError::Unavailable("this controller doesn't lead".to_owned()));
        }
        match self.propose(self.stamp(term), CALLER, Command::Reset).await?.outcome {
            Outcome::Refused(error) => Err(error.into()),
            Outcome::Done => Ok(()),
            _ => Err(unexpected("Reset")),
        }
    }
}
