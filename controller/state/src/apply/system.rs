//! Commands of the control plane itself: checkpoints, settings, epochs.

use drydock_model::error::EcsError;

use super::{Answer, Apply};
use crate::outcome::{Halt, Outcome};
use crate::row::Settings;

impl Apply<'_> {
    /// Compares this replica's digest at an index with the leader's.
    pub(super) fn checkpoint(&self, index: u64, digest: u64) -> Answer {
        match self.state.checkpoints.get(&index) {
            None => Ok(Outcome::Checked(false)),
            Some(ours) if *ours == digest => Ok(Outcome::Checked(true)),
            Some(ours) => Err(Halt::Diverged { index, ours: *ours, leaders: digest, entry: self.index }.into()),
        }
    }

    pub(super) fn put_settings(&mut self, settings: &Settings) -> Answer {
        settings.check().map_err(EcsError::invalid_parameter)?;
        self.state.settings = *settings;
        Ok(Outcome::Done)
    }

    pub(super) fn new_epoch(&mut self) -> Outcome {
        self.state.counters.epoch = self.state.counters.applied_term;
        Outcome::Done
    }
}
