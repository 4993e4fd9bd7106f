//! The sessions that the leader holds, shared by all of its tasks, and how each is reached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_leader::fleet::Fleet;
use drydock_leader::{Fate, Moment, Next, Sight};
use drydock_proto::agent::{ControllerMessage, controller_message::Message};
use drydock_state::{InstanceKey, Millis, State};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Where a session's messages to its agent go.
pub(crate) type Down = mpsc::Sender<Result<ControllerMessage, Status>>;

/// All sessions; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(Arc<Mutex<Fleet<Slot>>>);

#[derive(Debug)]
struct Slot {
    down: Down,
    wake: Arc<Notify>,
    end: CancellationToken,
}

/// What a session holds of its place in the registry; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) key: InstanceKey,
    /// How often the agent has to be heard of.
    pub(crate) heartbeat_ms: Millis,
    /// Told when the instance's tasks may have changed.
    pub(crate) wake: Arc<Notify>,
    /// Cancelled when a newer session of the same instance takes over, or the instance is given up.
    pub(crate) end: CancellationToken,
    silence_ms: Millis,
    number: u64,
    sessions: Sessions,
}

impl Sessions {
    /// Those of a new leader: none, but some that should come back.
    pub(crate) fn new(state: &State, now: Moment) -> Self {
        Self(Arc::new(Mutex::new(Fleet::new(state, now))))
    }

    fn lock(&self) -> MutexGuard<'_, Fleet<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins; an earlier one of the same instance ends. `None`: there are too many.
    pub(super) fn register(
        &self,
        key: InstanceKey,
        down: Down,
        disconnect_ms: Millis,
        now: Moment,
    ) -> Option<Registered> {
        let (wake, end) = (Arc::<Notify>::default(), CancellationToken::new());
        let slot = Slot { down, wake: Arc::clone(&wake), end: end.clone() };
        let joined = self.lock().join(key, slot, disconnect_ms, now)?;
        if let Some(earlier) = joined.replaced {
            earlier.end.cancel();
        }
        let (heartbeat_ms, silence_ms, number) = (joined.heartbeat_ms, joined.silence_ms, joined.number);
        Some(Registered { key, heartbeat_ms, wake, end, silence_ms, number, sessions: self.clone() })
    }

    /// What liveness wants.
    pub(in crate::leader) fn next(&self, sight: &Sight<'_>) -> Next {
        let mut fleet = self.lock();
        let next = fleet.next(sight);
        end_all(&mut fleet);
        next
    }

    /// What came of it. Says whether an instance was declared disconnected.
    pub(in crate::leader) fn settled(&self, fate: &Fate, now: Moment) -> bool {
        let mut fleet = self.lock();
        let left = fleet.settled(fate, now);
        end_all(&mut fleet);
        left.is_some()
    }

    /// Wakes the session of an instance whose tasks may have changed.
    pub(in crate::leader) fn wake(&self, key: InstanceKey) {
        if let Some(slot) = self.lock().session(key) {
            slot.wake.notify_one();
        }
    }

    /// Queues a message to the agent of an instance. `false`: it has no session, or is too slow.
    pub(crate) fn tell(&self, key: InstanceKey, message: Message) -> bool {
        let down = self.lock().session(key).map(|slot| slot.down.clone());
        down.is_some_and(|down| down.try_send(Ok(ControllerMessage { message: Some(message) })).is_ok())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().count()
    }
}

fn end_all(fleet: &mut Fleet<Slot>) {
    for (_, slot) in fleet.take_ended() {
        slot.end.cancel();
    }
}

impl Registered {
    /// The agent was heard of. Gives the heartbeats that were due before and didn't come.
    pub(super) fn heard(&self, now: Moment) -> u32 {
        self.sessions.lock().heard(self.key, self.silence_ms, now)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.sessions.lock().closed(self.key, self.number);
    }
}
