//! Puts a digest of the state into the log now and then, so that every replica compares it with its own and halts where
//! they differ (design §3.3). Nothing is put where nothing has changed.

use drydock_state::Command;

use crate::limits::{CHECKPOINT_EVERY_ENTRIES, CHECKPOINT_INTERVAL_MS};
use crate::proposal::{Fate, Moment, Next, Sight};

const CALLER: &str = "controller";

/// When the next one is due.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoints {
    /// Entry of the last one.
    last: u64,
    /// The newest entry when it last looked.
    looked: u64,
    due_at: Moment,
}

impl Checkpoints {
    /// None so far.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self { last: 0, looked: 0, due_at: now + CHECKPOINT_INTERVAL_MS }
    }

    /// The entry at which the next one is due, whatever the time.
    #[must_use]
    pub fn due_index(&self) -> u64 {
        self.looked + CHECKPOINT_EVERY_ENTRIES
    }

    /// What it wants.
    pub fn next(&mut self, sight: &Sight<'_>) -> Next {
        if sight.now < self.due_at && sight.index < self.due_index() {
            return Next::Until(Some(self.due_at));
        }
        self.due_at = sight.now + CHECKPOINT_INTERVAL_MS;
        self.looked = sight.index;
        match sight.state.latest_checkpoint() {
            Some((index, digest)) if index > self.last => sight.propose(CALLER, Command::Checkpoint { index, digest }),
            _ => Next::Until(Some(self.due_at)),
        }
    }

    /// What came of it. One that failed is due again with the next interval or entries.
    pub fn settled(&mut self, fate: &Fate) {
        // The checkpoint's own entry is no change.
        if let Fate::Applied { index, .. } = fate {
            self.last = *index;
            self.looked = *index;
        }
    }
}

#[cfg(test)]
mod tests {
    use drydock_state::State;

    use super::{CHECKPOINT_EVERY_ENTRIES, CHECKPOINT_INTERVAL_MS, Checkpoints};
    use crate::proposal::{Next, Sight};

    #[test]
    fn nothing_is_put_where_nothing_changed_and_it_waits_for_time_or_entries() {
        let state = State::default();
        let mut checkpoints = Checkpoints::new(0);
        for (now, index, until) in [
            (1, 5, CHECKPOINT_INTERVAL_MS),
            // Enough entries: it looked, and looks again after as many more.
            (2, CHECKPOINT_EVERY_ENTRIES, 2 + CHECKPOINT_INTERVAL_MS),
            (3, CHECKPOINT_EVERY_ENTRIES + 1, 2 + CHECKPOINT_INTERVAL_MS),
        ] {
            let next = checkpoints.next(&Sight { state: &state, index, now, now_ms: 1, seed: 1 });
            assert!(matches!(next, Next::Until(Some(at)) if at == until), "{next:?}");
        }
        assert_eq!(checkpoints.due_index(), 2 * CHECKPOINT_EVERY_ENTRIES);
    }
}
