//! The sessions that the leader holds with agents, by container instance, and until when each instance must be heard
//! from. An instance that is connected by the state but has no session here (the leader is new) has a deadline, too. That an
//! instance was silent for too long is the only thing about heartbeats that enters the log (design §3.8).

use std::collections::{BTreeMap, BTreeSet};

use drydock_state::{Command, InstanceKey, Millis, State};

use crate::limits::{
    DISCONNECTS_AT_ONCE_MAX, FAILOVER_GRACE_FACTOR, HEARTBEATS_MISSED_MAX, HEARTBEATS_PER_SECOND_MAX,
    LIVENESS_INTERVAL_MS, SESSIONS_MAX,
};
use crate::proposal::{Fate, Moment, Next, Sight};

const CALLER: &str = "controller";

/// All sessions. `H` is how the shell reaches one.
#[derive(Debug)]
pub struct Fleet<H> {
    open: BTreeMap<InstanceKey, (u64, H)>,
    deadlines: BTreeMap<InstanceKey, Moment>,
    /// Numbers sessions, so that the end of an old one doesn't end its successor.
    last: u64,
    look_at: Moment,
    overdue: BTreeSet<InstanceKey>,
    /// The one whose disconnection is proposed.
    leaving: Option<InstanceKey>,
    ended: Vec<(InstanceKey, H)>,
}

/// A session that was let in.
#[derive(Debug)]
pub struct Joined<H> {
    /// Its number, for [`Fleet::closed`].
    pub number: u64,
    /// How often the agent has to be heard of.
    pub heartbeat_ms: Millis,
    /// How long it may be silent.
    pub silence_ms: Millis,
    /// An earlier session of the same instance, which is to end.
    pub replaced: Option<H>,
}

impl<H> Default for Fleet<H> {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            last: 0,
            look_at: 0,
            overdue: BTreeSet::new(),
            leaving: None,
            ended: Vec::new(),
        }
    }
}

impl<H> Fleet<H> {
    /// That of a new leader: instances that were connected to the former one have a while to come back.
    #[must_use]
    pub fn new(state: &State, now: Moment) -> Self {
        // Those that registered over ECS's API have no session that could come back.
        let with_session = state.all_instances().filter(|row| row.agent_connected && !row.is_registered_by_api());
        let connected: Vec<_> = with_session.map(|row| row.key).collect();
        let interval = heartbeat_ms(connected.len(), state.settings().instance_disconnect_after_ms);
        let patience = interval * u64::from(HEARTBEATS_MISSED_MAX) * FAILOVER_GRACE_FACTOR;
        let deadlines = connected.into_iter().map(|key| (key, now + patience)).collect();
        Self { deadlines, ..Self::default() }
    }

    /// A session begins; an earlier one of the same instance ends. `None`: there are [`SESSIONS_MAX`] already.
    pub fn join(&mut self, key: InstanceKey, handle: H, disconnect_after_ms: Millis, now: Moment) -> Option<Joined<H>> {
        if self.open.len() >= SESSIONS_MAX && !self.open.contains_key(&key) {
            return None;
        }
        let heartbeat_ms = heartbeat_ms(self.deadlines.len(), disconnect_after_ms);
        let silence_ms = heartbeat_ms * u64::from(HEARTBEATS_MISSED_MAX);
        self.last += 1;
        let replaced = self.open.insert(key, (self.last, handle)).map(|(_, handle)| handle);
        self.deadlines.insert(key, now + silence_ms);
        Some(Joined { number: self.last, heartbeat_ms, silence_ms, replaced })
    }

    /// The instance was heard of: it may be silent for `silence_ms` more. Gives the heartbeats that were due before and didn't
    /// come.
    pub fn heard(&mut self, key: InstanceKey, silence_ms: Millis, now: Moment) -> u32 {
        let Some(deadline) = self.deadlines.insert(key, now + silence_ms) else { return 0 };
        missed(silence_ms.saturating_sub(deadline.saturating_sub(now)), silence_ms)
    }

    /// A session ended. Its instance's deadline stays: the agent may come back in time.
    pub fn closed(&mut self, key: InstanceKey, number: u64) {
        if self.open.get(&key).is_some_and(|(open, _)| *open == number) {
            self.open.remove(&key);
        }
    }

    /// The session of an instance.
    #[must_use]
    pub fn session(&self, key: InstanceKey) -> Option<&H> {
        self.open.get(&key).map(|(_, handle)| handle)
    }

    /// How many sessions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// What it wants: to declare an instance disconnected, or to look again later.
    pub fn next(&mut self, sight: &Sight<'_>) -> Next {
        loop {
            if let Some(key) = self.overdue.pop_first() {
                if self.is_overdue(key, sight.now) && sight.state.instance(key).is_some_and(|row| row.agent_connected) {
                    self.leaving = Some(key);
                    return sight.propose(CALLER, Command::InstanceDisconnected(key));
                }
                self.give_up(key, sight.now);
                continue;
            }
            if sight.now < self.look_at {
                return Next::Until(Some(self.look_at));
            }
            self.look_at = sight.now + LIVENESS_INTERVAL_MS;
            let overdue = self.deadlines.iter().filter(|(_, deadline)| **deadline <= sight.now);
            self.overdue = overdue.map(|(key, _)| *key).take(DISCONNECTS_AT_ONCE_MAX).collect();
        }
    }

    /// What came of it. Gives the instance that was declared disconnected.
    pub fn settled(&mut self, fate: &Fate, now: Moment) -> Option<InstanceKey> {
        let key = self.leaving.take()?;
        if let Fate::Applied { .. } = fate {
            self.give_up(key, now);
            return Some(key);
        }
        // Still overdue: the next look tries again.
        self.overdue.clear();
        None
    }

    /// The sessions that are to end, since their instances were given up.
    pub fn take_ended(&mut self) -> Vec<(InstanceKey, H)> {
        std::mem::take(&mut self.ended)
    }

    fn is_overdue(&self, key: InstanceKey, now: Moment) -> bool {
        self.deadlines.get(&key).is_some_and(|deadline| *deadline <= now)
    }

    /// Its session, if any, ends; unless it was heard of in the meantime.
    fn give_up(&mut self, key: InstanceKey, now: Moment) {
        if self.is_overdue(key, now) {
            self.deadlines.remove(&key);
            self.ended.extend(self.open.remove(&key).map(|(_, handle)| (key, handle)));
        }
    }
}

/// How often an agent has to be heard of: a third of the silence after which it counts as disconnected, and less often in a
/// large fleet, so that all together send at most [`HEARTBEATS_PER_SECOND_MAX`].
fn heartbeat_ms(fleet: usize, disconnect_after_ms: Millis) -> Millis {
    let fleet = u64::try_from(fleet).unwrap_or(u64::MAX);
    (disconnect_after_ms / u64::from(HEARTBEATS_MISSED_MAX))
        .max(fleet.saturating_mul(1_000) / HEARTBEATS_PER_SECOND_MAX)
}

/// Heartbeats that didn't come in a time of so much silence: one is due each [`HEARTBEATS_MISSED_MAX`]th of what is allowed, and
/// as much again is the network's.
fn missed(silent: Millis, allowed: Millis) -> u32 {
    let interval = (allowed / u64::from(HEARTBEATS_MISSED_MAX)).max(1);
    u32::try_from(silent / interval).unwrap_or(u32::MAX).saturating_sub(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use drydock_state::{ClusterId, InstanceKey, State};

    use super::Fleet;
    use crate::limits::{LIVENESS_INTERVAL_MS, SESSIONS_MAX};
    use crate::proposal::{Next, Sight};

    const KEY: InstanceKey = InstanceKey { cluster: ClusterId(1), id: 7 };
    const SILENCE: u64 = 15_000;

    /// The sessions that end with a look, where the state doesn't know their instances as connected.
    fn look(fleet: &mut Fleet<u32>, now: u64) -> Vec<u32> {
        let state = State::default();
        let next = fleet.next(&Sight { state: &state, index: 0, now, now_ms: 1, seed: 1 });
        assert!(matches!(next, Next::Until(Some(_))), "{next:?}");
        fleet.take_ended().into_iter().map(|(_, session)| session).collect()
    }

    #[test]
    fn a_newer_session_of_the_same_instance_takes_over() {
        let mut fleet = Fleet::default();
        let old = fleet.join(KEY, 1, SILENCE, 0).unwrap();
        let new = fleet.join(KEY, 2, SILENCE, 0).unwrap();
        assert_eq!((old.replaced, new.replaced), (None, Some(1)));
        fleet.closed(KEY, old.number);
        assert_eq!(fleet.count(), 1);
        fleet.closed(KEY, new.number);
        assert_eq!(fleet.count(), 0);
    }

    #[test]
    fn an_instance_that_is_silent_for_too_long_loses_its_session() {
        let mut fleet = Fleet::default();
        let joined = fleet.join(KEY, 1, SILENCE, 0).unwrap();
        assert_eq!((joined.heartbeat_ms, joined.silence_ms), (SILENCE / 3, SILENCE));
        assert_eq!(fleet.heard(KEY, SILENCE, SILENCE / 2), 0);
        assert!(look(&mut fleet, SILENCE).is_empty());
        // Heard of at the last moment: not given up. Three heartbeats were due, and the last one came.
        assert_eq!(fleet.heard(KEY, SILENCE, SILENCE * 3 / 2), 2);
        assert!(look(&mut fleet, SILENCE * 2).is_empty());
        assert_eq!(look(&mut fleet, SILENCE * 5 / 2), [1]);
        assert_eq!(fleet.count(), 0);
        assert!(look(&mut fleet, SILENCE * 5 / 2 + LIVENESS_INTERVAL_MS).is_empty(), "once");
    }

    #[test]
    fn heartbeats_get_rarer_in_a_large_fleet_and_sessions_are_bounded() {
        let mut fleet = Fleet::default();
        for id in 0..SESSIONS_MAX as u128 {
            fleet.join(InstanceKey { id, ..KEY }, 1, SILENCE, 0).unwrap();
        }
        assert!(fleet.join(InstanceKey { id: u128::MAX, ..KEY }, 1, SILENCE, 0).is_none());
        assert!(fleet.join(KEY, 2, SILENCE, 0).unwrap().heartbeat_ms >= SILENCE);
    }
}
