//! The sessions that the leader holds with agents, by container instance, and until when each instance must be heard
//! from. An instance that is connected by the state but has no session here (the leader is new) has a deadline, too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drydock_proto::agent::{ControllerMessage, controller_message::Message};
use drydock_state::InstanceKey;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::limits::{HEARTBEATS_MISSED_MAX, HEARTBEATS_PER_SECOND_MAX, SESSIONS_MAX};

/// Where a session's messages to its agent go.
pub(crate) type Down = mpsc::Sender<Result<ControllerMessage, Status>>;

/// All sessions; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<InstanceKey, Slot>,
    deadlines: BTreeMap<InstanceKey, Instant>,
    /// Numbers sessions, so that the end of an old one doesn't end its successor.
    last: u64,
}

#[derive(Debug)]
struct Slot {
    number: u64,
    down: Down,
    wake: Arc<Notify>,
    end: CancellationToken,
}

/// What a session holds of its place in the registry.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) key: InstanceKey,
    /// Told when the instance's tasks may have changed.
    pub(crate) wake: Arc<Notify>,
    /// Cancelled when a newer session of the same instance takes over, or the instance is given up.
    pub(crate) end: CancellationToken,
    number: u64,
    sessions: Sessions,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins; an earlier one of the same instance ends. `None`: there are [`SESSIONS_MAX`] already.
    pub(crate) fn register(&self, key: InstanceKey, down: Down, silence: Duration) -> Option<Registered> {
        let mut inner = self.lock();
        if inner.open.len() >= SESSIONS_MAX && !inner.open.contains_key(&key) {
            return None;
        }
        inner.last += 1;
        let (number, wake, end) = (inner.last, Arc::<Notify>::default(), CancellationToken::new());
        let slot = Slot { number, down, wake: Arc::clone(&wake), end: end.clone() };
        if let Some(earlier) = inner.open.insert(key, slot) {
            earlier.end.cancel();
        }
        inner.deadlines.insert(key, Instant::now() + silence);
        Some(Registered { key, wake, end, number, sessions: self.clone() })
    }

    /// The instance was heard of: it has `silence` more. Gives the heartbeats that were due before and didn't come.
    pub(crate) fn heard(&self, key: InstanceKey, silence: Duration) -> u32 {
        let now = Instant::now();
        let Some(deadline) = self.lock().deadlines.insert(key, now + silence) else { return 0 };
        missed(silence.saturating_sub(deadline.saturating_duration_since(now)), silence)
    }

    /// The instance is connected by the state: it must come back within `silence`, unless it has a session already.
    pub(crate) fn expect(&self, key: InstanceKey, silence: Duration) {
        self.lock().deadlines.entry(key).or_insert_with(|| Instant::now() + silence);
    }

    /// The instances that weren't heard of in time.
    pub(crate) fn overdue(&self, most: usize) -> Vec<InstanceKey> {
        let now = Instant::now();
        let inner = self.lock();
        inner.deadlines.iter().filter(|(_, deadline)| **deadline <= now).map(|(key, _)| *key).take(most).collect()
    }

    /// The instance was given up: its session, if any, ends; unless it was heard of in the meantime.
    pub(crate) fn give_up(&self, key: InstanceKey) {
        let mut inner = self.lock();
        if inner.deadlines.get(&key).is_some_and(|deadline| *deadline <= Instant::now()) {
            inner.deadlines.remove(&key);
            if let Some(slot) = inner.open.remove(&key) {
                slot.end.cancel();
            }
        }
    }

    /// Wakes the session of an instance whose tasks may have changed.
    pub(crate) fn wake(&self, key: InstanceKey) {
        if let Some(slot) = self.lock().open.get(&key) {
            slot.wake.notify_one();
        }
    }

    /// Queues a message to the agent of an instance. `false`: it has no session, or is too slow.
    pub(crate) fn tell(&self, key: InstanceKey, message: Message) -> bool {
        let down = self.lock().open.get(&key).map(|slot| slot.down.clone());
        down.is_some_and(|down| down.try_send(Ok(ControllerMessage { message: Some(message) })).is_ok())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// How often an agent has to be heard of: a third of the silence after which it counts as disconnected, and less
    /// often in a large fleet, so that all together send at most [`HEARTBEATS_PER_SECOND_MAX`].
    pub(crate) fn heartbeat_interval(&self, disconnect_after: Duration) -> Duration {
        let fleet = self.lock().deadlines.len();
        self.interval_for(fleet, disconnect_after)
    }

    /// As above, for a fleet of that size.
    #[allow(clippy::unused_self, reason = "reads as a question to the registry")]
    pub(crate) fn interval_for(&self, fleet: usize, disconnect_after: Duration) -> Duration {
        let fleet = u32::try_from(fleet).unwrap_or(u32::MAX);
        (disconnect_after / HEARTBEATS_MISSED_MAX).max(Duration::from_secs(1) * fleet / HEARTBEATS_PER_SECOND_MAX)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut inner = self.sessions.lock();
        // The deadline stays: the agent may come back in time.
        if inner.open.get(&self.key).is_some_and(|slot| slot.number == self.number) {
            inner.open.remove(&self.key);
        }
    }
}

/// Heartbeats that didn't come in a time of so much silence: one is due each [`HEARTBEATS_MISSED_MAX`]th of what is allowed, and
/// as much again is the network's.
fn missed(silent: Duration, allowed: Duration) -> u32 {
    let interval = (allowed / HEARTBEATS_MISSED_MAX).as_millis().max(1);
    u32::try_from(silent.as_millis() / interval).unwrap_or(u32::MAX).saturating_sub(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use drydock_state::{ClusterId, InstanceKey};
    use tokio::sync::mpsc;

    use super::Sessions;

    const KEY: InstanceKey = InstanceKey { cluster: ClusterId(1), id: 7 };
    const SILENCE: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_newer_session_of_the_same_instance_takes_over() {
        let sessions = Sessions::default();
        let (down, _up) = mpsc::channel(1);
        let old = sessions.register(KEY, down.clone(), SILENCE).unwrap();
        let new = sessions.register(KEY, down, SILENCE).unwrap();
        assert!(old.end.is_cancelled() && !new.end.is_cancelled());
        drop(old);
        assert_eq!(sessions.count(), 1);
        drop(new);
        assert_eq!(sessions.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_is_overdue_when_it_was_silent_for_too_long() {
        let sessions = Sessions::default();
        sessions.expect(KEY, SILENCE);
        tokio::time::advance(SILENCE / 2).await;
        assert_eq!(sessions.heard(KEY, SILENCE), 0);
        tokio::time::advance(SILENCE * 3 / 4).await;
        assert!(sessions.overdue(10).is_empty());
        tokio::time::advance(SILENCE).await;
        assert_eq!(sessions.overdue(10), [KEY]);
        // Heard of at the last moment: not given up. Three heartbeats were due, and the last one came.
        assert_eq!(sessions.heard(KEY, SILENCE), 2);
        sessions.give_up(KEY);
        tokio::time::advance(SILENCE).await;
        assert_eq!(sessions.overdue(10), [KEY]);
        sessions.give_up(KEY);
        assert!(sessions.overdue(10).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_get_rarer_in_a_large_fleet() {
        let sessions = Sessions::default();
        assert_eq!(sessions.heartbeat_interval(SILENCE), SILENCE / 3);
        for id in 0..10_000 {
            sessions.expect(InstanceKey { cluster: ClusterId(1), id }, SILENCE);
        }
        assert!(sessions.heartbeat_interval(SILENCE) >= SILENCE);
    }
}
