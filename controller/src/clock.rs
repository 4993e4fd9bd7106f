//! The clock, read here alone: proposals carry its time, so that replicas need none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use drydock_state::Millis;

/// The wall clock, which never stands still for the state: an earlier leader's clock may have run ahead of ours, and what
/// it wrote can't be taken back, so from then on its time goes on at the pace of our own.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// What to add to the time since `started`, in milliseconds, to be no earlier than the state.
    offset: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), offset: AtomicU64::new(0) }
    }

    /// The state has seen this time: later ones come after it. Called when this controller begins to lead.
    pub(crate) fn go_on_from(&self, seen: Millis) {
        self.offset.fetch_max(seen.saturating_sub(self.running()), Ordering::Relaxed);
    }

    /// Milliseconds since 1970. A wall clock before that counts as 1970.
    pub(crate) fn now_ms(&self) -> Millis {
        self.wall_ms().max(self.offset.load(Ordering::Relaxed).saturating_add(self.running()))
    }

    /// The same as the wall clock tells it: to be compared with what other machines' clocks tell. A state that is ahead of it
    /// would make every client's time an old one.
    pub(crate) fn wall_ms(&self) -> Millis {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)
    }

    fn running(&self) -> Millis {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn time_goes_on_where_an_earlier_leader_s_clock_ran_ahead() {
        let clock = Clock::new();
        let wall = clock.now_ms();
        clock.go_on_from(wall - 5_000);
        assert!(clock.now_ms() - wall < 3_600_000, "a time that has passed changes nothing");
        let ahead = wall + 3_600_000;
        clock.go_on_from(ahead);
        let first = clock.now_ms();
        assert!(first >= ahead);
        assert!(clock.wall_ms() < ahead, "the wall clock is as it is");
        // It moves, and doesn't wait for the wall clock to come that far.
        while clock.now_ms() == first {
            std::hint::spin_loop();
        }
        assert!(clock.now_ms() > first);
    }
}
