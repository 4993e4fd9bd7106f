//! The first things that a new leader agrees upon with the others: in a new cluster the settings that it was started with,
//! and its epoch.

use std::collections::VecDeque;

use drydock_state::row::FAST_DIVISOR;
use drydock_state::{Command, Settings, State};

use crate::limits::RETRY_OVERLOADED_MS;
use crate::proposal::{Fate, Moment, Next, Sight};

const CALLER: &str = "controller";

/// What a new cluster is to have instead of the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    /// Milliseconds in RUNNING after which a task without health check counts as healthy.
    pub healthy_after_ms: Option<u64>,
    /// ECS's long waits are shortened ([`FAST_DIVISOR`]).
    pub fast: bool,
    /// Milliseconds without a session after which an instance's tasks are given up.
    pub instance_lost_after_ms: Option<u64>,
}

/// Proposes them, each until it is applied, and so everything before it.
#[derive(Debug, Clone)]
pub struct Opening {
    left: VecDeque<Command>,
    not_before: Moment,
}

impl Opening {
    /// What there is to agree upon.
    #[must_use]
    pub fn new(state: &State, given: Given) -> Self {
        let is_new = state.epoch() == 0;
        let settings = if is_new { settings(*state.settings(), given) } else { None };
        let left = settings.map(Command::PutSettings).into_iter().chain([Command::NewEpoch]).collect();
        Self { left, not_before: 0 }
    }

    /// Whether everything is agreed upon.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// What it wants.
    pub fn next(&mut self, sight: &Sight<'_>) -> Next {
        match self.left.front() {
            None => Next::Until(None),
            Some(_) if sight.now < self.not_before => Next::Until(Some(self.not_before)),
            Some(command) => sight.propose(CALLER, command.clone()),
        }
    }

    /// What came of it.
    pub fn settled(&mut self, fate: &Fate, now: Moment) {
        match fate {
            Fate::Applied { .. } => drop(self.left.pop_front()),
            // Where this controller no longer leads, its scope is about to end and the next leader does it.
            _ => self.not_before = now + RETRY_OVERLOADED_MS,
        }
    }
}

/// The defaults with what is given; `None` where that is nothing.
fn settings(defaults: Settings, given: Given) -> Option<Settings> {
    let waits_divisor = if given.fast { FAST_DIVISOR } else { defaults.waits_divisor };
    let wanted = Settings {
        waits_divisor,
        healthy_after_ms: given.healthy_after_ms.unwrap_or(defaults.healthy_after_ms / waits_divisor),
        instance_lost_after_ms: given.instance_lost_after_ms.unwrap_or(defaults.instance_lost_after_ms),
        ..defaults
    };
    (wanted != defaults).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use drydock_state::{Command, Outcome, Settings, State};

    use super::{Given, Opening, settings};
    use crate::proposal::{Fate, Next, Sight};

    #[test]
    fn fast_divides_ecs_s_waits_by_twenty_and_what_is_named_stays() {
        let of = |given: Given| settings(Settings::default(), given);
        assert_eq!(of(Given::default()), None);
        let fast = of(Given { fast: true, ..Given::default() });
        let waits = fast.map(|fast| (fast.healthy_after_ms, fast.shortened(27 * 60 * 1_000), fast.shortened(60_000)));
        assert_eq!(waits, Some((2_000, 81_000, 3_000)));
        let named = Given { fast: true, healthy_after_ms: Some(7), ..Given::default() };
        assert_eq!(of(named).map(|named| named.healthy_after_ms), Some(7));
    }

    #[test]
    fn each_is_proposed_until_it_is_applied() {
        let state = State::default();
        let mut opening = Opening::new(&state, Given { fast: true, ..Given::default() });
        let mut seen = Vec::new();
        let mut now = 0;
        while !opening.is_over() {
            match opening.next(&Sight { state: &state, index: 0, now, now_ms: 1, seed: 1 }) {
                Next::Propose(proposal) => {
                    seen.push(proposal.command.name());
                    let lost = seen.len() == 1 && matches!(proposal.command, Command::PutSettings(_));
                    let applied = Fate::Applied { index: 1, outcome: Outcome::Done };
                    opening.settled(&if lost { Fate::Overloaded(String::new()) } else { applied }, now);
                }
                Next::Until(Some(at)) => now = at,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(seen[0], seen[1]);
    }
}
