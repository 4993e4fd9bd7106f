//! A Spot interruption that is triggered by hand: carried out by the leader, as AWS would do it (ecs-semantics §2.4).

use drydock_consensus::Role;
use drydock_proto::{control, ecs};
use drydock_state::command::InterruptTask;
use drydock_state::query::Query;
use drydock_state::{Command, Outcome};

use crate::api::errors::ApiError;
use crate::core::Core;
use crate::leadership::Leadership;
use crate::write::unexpected;

/// Who interrupts, for the record of the log.
const CALLER: &str = "spot";

impl Core {
    /// Tells a Spot task to stop. Returns it as it is then.
    pub(crate) async fn interrupt_task(&self, request: control::InterruptTaskRequest) -> Result<ecs::Task, ApiError> {
        let Leadership { role, term, .. } = self.leaderships.now();
        if role != Role::Leader {
            return Err(ApiError::Unavailable("this controller doesn't lead".to_owned()));
        }
        let command = Command::InterruptTask(InterruptTask { cluster: request.cluster, task: request.task });
        match self.propose(self.stamp(term), CALLER, command).await?.outcome {
            Outcome::Refused(error) => Err(error.into()),
            Outcome::Task(row) => Ok(Query::new(&self.view.now().state, &self.scope).render_task(&row)),
            _ => Err(unexpected("InterruptTask")),
        }
    }
}
