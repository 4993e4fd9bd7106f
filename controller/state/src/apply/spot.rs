//! A Spot interruption that is triggered by hand (ecs-semantics §2.4): what AWS does when it takes Spot capacity back.

use drydock_model::capacity::FARGATE_SPOT;
use drydock_model::error::EcsError;
use drydock_model::status::StopCode;

use super::lifecycle::Why;
use super::{Answer, Apply};
use crate::command::InterruptTask;
use crate::key::Millis;
use crate::outcome::Outcome;

/// From the warning to the end, in milliseconds: then the capacity is gone, whatever runs there.
const WARNING_MS: Millis = 120_000;

/// What the agent may take to say so after a `stopTimeout` that lasts as long as the warning, in milliseconds.
const REPORT_MS: Millis = 10_000;

impl Apply<'_> {
    /// The warning: an event with `desiredStatus` STOPPED while `lastStatus` is RUNNING still, and SIGTERM.
    pub(super) fn interrupt_task(&mut self, interrupt: &InterruptTask) -> Answer {
        let cluster = self.active_cluster(Some(&interrupt.cluster))?;
        let row = self.find_task(&cluster, &interrupt.task);
        let row = row.ok_or_else(|| EcsError::invalid_parameter("The referenced task was not found."))?;
        if row.capacity_provider.as_deref() != Some(FARGATE_SPOT) {
            let text = format!("Only tasks of the capacity provider {FARGATE_SPOT} can be interrupted.");
            return Err(EcsError::invalid_parameter(text).into());
        }
        if row.is_told_to_stop() {
            return Ok(Outcome::Task(row));
        }
        let why = Why { code: Some(StopCode::SpotInterruption), reason: "Your Spot Task was interrupted." };
        let row = self.tell_to_stop(&row, &why)?;
        if row.is_stopped() {
            return Ok(Outcome::Task(row));
        }
        let warning = self.state.settings().shortened(WARNING_MS) + REPORT_MS;
        let mut row = (*row).clone();
        row.deadline = row.deadline.map(|at| at.min(self.now.saturating_add(warning)));
        Ok(Outcome::Task(self.state.put_task(row)))
    }
}
