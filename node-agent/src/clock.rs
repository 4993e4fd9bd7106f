//! The agent's clock: wall time at its start, and since then only forward, so that a wall clock that is set back stops
//! no deadline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drydock_engine::limits::Millis;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: Millis,
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), started: Instant::now() }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(self) -> Millis {
        self.wall + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment at which [`Clock::now`] reaches `at`.
    pub(crate) fn instant(self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at.saturating_sub(self.wall))
    }
}
