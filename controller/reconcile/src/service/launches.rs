//! How fast a service launches tasks (ecs-semantics §2.7): so many a minute at most, and the rest a minute later. Nothing is
//! kept for it: the tasks themselves say when they were launched.

use drydock_state::row::ServiceRow;
use drydock_state::{Millis, State};

use super::rolling::Moves;
use crate::explain::Wait;

/// The window that launches are counted in, in ms.
const WINDOW_MS: Millis = 60_000;

/// What a service may launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Launches {
    /// Tasks that may be launched now.
    pub(super) left: u32,
    /// When more may, if any are launched now or were within the window.
    pub(super) next_at: Millis,
}

impl Launches {
    /// Looks at all tasks of the service, also those that have stopped.
    pub(super) fn of(view: &State, service: &ServiceRow, now: Millis) -> Self {
        let tasks = view.live_tasks_of(service.key).chain(view.stopped_tasks_of(service.key));
        let counts_until = tasks.map(|task| task.times.created_at.saturating_add(WINDOW_MS));
        let mut next_at = now.saturating_add(WINDOW_MS);
        let mut launched: u64 = 0;
        for until in counts_until.filter(|until| *until > now) {
            launched += 1;
            next_at = next_at.min(until);
        }
        let left = view.settings().service_launches_per_minute.saturating_sub(launched);
        Self { left: u32::try_from(left).unwrap_or(u32::MAX), next_at }
    }

    /// How many are late for their minute, and for nothing else: what is in the way of those that may be launched now is
    /// seen first.
    pub(super) fn late(self, moves: &Moves, starts: usize) -> u32 {
        if starts == 0 && self.left > 0 { 0 } else { moves.late }
    }

    /// When those that may be launched later only are.
    pub(super) fn resume_at(self, late: u32) -> Option<Millis> {
        (late > 0).then_some(self.next_at)
    }

    /// What is waited for.
    pub(super) fn wait(self, late: u32) -> Option<Wait> {
        self.resume_at(late).map(|until| Wait::LaunchRate { tasks: late, until })
    }
}
