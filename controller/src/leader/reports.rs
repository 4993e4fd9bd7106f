//! The reports that wait for the leader's next command, shared by all sessions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_leader::Moment;
use drydock_leader::reports::{Reports, Waiting};
use tokio::sync::Notify;

/// What all sessions report; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedReports(Arc<(Mutex<Reports>, Notify)>);

impl SharedReports {
    pub(super) fn lock(&self) -> MutexGuard<'_, Reports> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a report and wakes whoever commits it.
    pub(super) fn add(&self, waiting: Waiting, now: Moment) {
        if self.lock().add(waiting, now) {
            self.0.1.notify_one();
        }
    }

    /// Ends once there are reports (or were, a moment ago).
    pub(super) async fn added(&self) {
        self.0.1.notified().await;
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting()
    }
}
