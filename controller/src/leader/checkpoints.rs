//! Puts a digest of the state into the log now and then, so that every replica compares it with its own and halts where
//! they differ (design §3.3). Nothing is put where nothing has changed.

use std::sync::Arc;

use drydock_state::Command;

use super::Leader;
use crate::core::Core;
use crate::limits::{CHECKPOINT_EVERY_ENTRIES, CHECKPOINT_INTERVAL};

const CALLER: &str = "controller";

/// The loop of the leader's scope.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>) {
    let mut applied = core.view.subscribe();
    let mut last = 0;
    loop {
        let due = last + CHECKPOINT_EVERY_ENTRIES;
        tokio::select! {
            () = tokio::time::sleep(CHECKPOINT_INTERVAL) => {}
            reached = applied.wait_for(|index| *index >= due) => if reached.is_err() { return },
        }
        let version = core.view.now();
        let Some((index, digest)) = version.state.latest_checkpoint() else { continue };
        if index <= last {
            continue;
        }
        match core.propose(core.stamp(leader.term), CALLER, Command::Checkpoint { index, digest }).await {
            // The checkpoint's own entry is no change.
            Ok(proposed) => last = proposed.index,
            Err(error) => tracing::debug!(%error, "no checkpoint was put"),
        }
    }
}
