//! What an agent's session decides: where the leader is looked for and how long is waited in between, what of the leader's
//! messages is the session's own and what the engine's, and when a heartbeat is due. Pure, like the engine.

use std::collections::VecDeque;

use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{Controllers, Manifest, Welcome};

use crate::limits::{
    BACKOFF_MAX_MS, BACKOFF_MIN_MS, CONTROLLERS_MAX, HEARTBEAT_DEFAULT_MS, HEARTBEAT_MIN_MS, MANIFEST_TASKS_MAX,
    Millis, REDIRECTS_MAX,
};

/// How one try to hold a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// No session came of it.
    Failed,
    /// The leader is there; empty: not known yet.
    Redirect(String),
    /// There was a session, and now there is none.
    Closed,
}

/// What the first message of a controller says.
#[derive(Debug, Clone, PartialEq)]
pub enum First {
    /// The session stands.
    Welcome(Welcome),
    /// There is none; to be told to [`Dialler::ended`].
    Redirect(String),
    /// For good.
    Refused(String),
    /// Neither.
    Other(Box<Down>),
}

/// What a later message is.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// For the engine (or for who reads logs); manifests are whole.
    Message(Box<Down>),
    /// The session's own, and done.
    Taken,
    /// The session is over, with the reason.
    Over(String),
    /// For good.
    Refused(String),
}

/// Looks for the leader.
#[derive(Debug, Clone)]
pub struct Dialler {
    /// From the configuration: never forgotten.
    given: Vec<String>,
    /// All known, the next to be dialled first.
    ring: VecDeque<String>,
    /// Where the leader is said to be.
    next: Option<String>,
    failures: u32,
    redirects: u32,
    parts: Parts,
}

impl Dialler {
    /// One that knows what the configuration says.
    #[must_use]
    pub fn new(given: Vec<String>) -> Self {
        let ring = given.clone().into();
        Self { given, ring, next: None, failures: 0, redirects: 0, parts: Parts::default() }
    }

    /// Controllers that are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.ring.len()
    }

    /// Whom to dial now; `None`: no controller is known.
    pub fn dial(&mut self) -> Option<String> {
        self.parts = Parts::default();
        if let Some(leader) = self.next.take() {
            return Some(leader);
        }
        self.ring.rotate_left(usize::from(!self.ring.is_empty()));
        self.ring.back().cloned()
    }

    /// A try ended. Says how long to wait before the next; `drawn` is random, so that agents don't all come at once.
    pub fn ended(&mut self, ended: Ended, drawn: u64) -> Millis {
        let wait = match ended {
            Ended::Redirect(leader) if !leader.is_empty() && self.redirects < REDIRECTS_MAX => {
                self.redirects += 1;
                self.next = Some(leader);
                return 0;
            }
            // A controller answered: an election is short.
            Ended::Redirect(_) => BACKOFF_MIN_MS,
            Ended::Closed => {
                self.failures = 0;
                BACKOFF_MIN_MS / 4
            }
            Ended::Failed => {
                // One round over all controllers, then the wait grows.
                let rounds = self.failures / u32::try_from(self.ring.len()).unwrap_or(1).max(1);
                self.failures += 1;
                (BACKOFF_MIN_MS << rounds.min(5)).min(BACKOFF_MAX_MS)
            }
        };
        self.redirects = 0;
        jitter(wait, drawn)
    }

    /// The first message.
    pub fn greeted(&mut self, message: Down) -> First {
        match message {
            Down::Welcome(welcome) => {
                self.learn(welcome.controllers.as_ref());
                First::Welcome(welcome)
            }
            Down::Redirect(redirect) => {
                self.learn(redirect.controllers.as_ref());
                First::Redirect(redirect.leader_address)
            }
            Down::Refused(refused) => First::Refused(refused.reason),
            other => First::Other(Box::new(other)),
        }
    }

    /// A later message.
    pub fn hear(&mut self, message: Down) -> Heard {
        match message {
            Down::Controllers(all) => {
                self.learn(Some(&all));
                Heard::Taken
            }
            Down::Redirect(redirect) => {
                self.next = Some(redirect.leader_address).filter(|leader| !leader.is_empty());
                Heard::Over("the leader is elsewhere".into())
            }
            Down::Refused(refused) => Heard::Refused(refused.reason),
            Down::Manifest(part) => match self.parts.join(part) {
                Ok(None) => Heard::Taken,
                Ok(Some(whole)) => Heard::Message(Box::new(Down::Manifest(whole))),
                Err(why) => Heard::Over(why),
            },
            other => Heard::Message(Box::new(other)),
        }
    }

    fn learn(&mut self, controllers: Option<&Controllers>) {
        let addresses = controllers.map(|all| all.addresses.as_slice()).unwrap_or_default();
        let mut all: Vec<String> = self.given.clone();
        for address in addresses.iter().filter(|address| !address.is_empty()) {
            if !all.contains(address) && all.len() < CONTROLLERS_MAX {
                all.push(address.clone());
            }
        }
        self.ring.retain(|known| all.contains(known));
        for address in all {
            if !self.ring.contains(&address) {
                self.ring.push_back(address);
            }
        }
    }
}

/// A manifest that comes in parts.
#[derive(Debug, Clone, Default)]
struct Parts {
    so_far: Option<Manifest>,
}

impl Parts {
    /// The whole manifest with its last part. A part of another sequence begins anew.
    fn join(&mut self, part: Manifest) -> Result<Option<Manifest>, String> {
        let more = part.more;
        let mut whole = match self.so_far.take().filter(|so_far| so_far.sequence == part.sequence) {
            Some(mut so_far) => {
                so_far.tasks.extend(part.tasks);
                so_far.task_definitions.extend(part.task_definitions);
                so_far
            }
            None => part,
        };
        if whole.tasks.len() > MANIFEST_TASKS_MAX {
            return Err(format!("a manifest of more than {MANIFEST_TASKS_MAX} tasks"));
        }
        whole.more = false;
        if more {
            self.so_far = Some(whole);
            return Ok(None);
        }
        Ok(Some(whole))
    }
}

/// When a heartbeat is due: any message counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    interval_ms: Millis,
    due_at: Millis,
}

impl Pulse {
    /// That of a session which begins with a welcome.
    #[must_use]
    pub fn new(welcome: &Welcome, now: Millis) -> Self {
        let interval_ms = match welcome.heartbeat_interval_ms {
            0 => HEARTBEAT_DEFAULT_MS,
            ms => Millis::from(ms).max(HEARTBEAT_MIN_MS),
        };
        Self { interval_ms, due_at: now + interval_ms }
    }

    /// Something was said.
    pub fn said(&mut self, now: Millis) {
        self.due_at = now + self.interval_ms;
    }

    /// When to say something, if only a heartbeat.
    #[must_use]
    pub const fn due_at(&self) -> Millis {
        self.due_at
    }
}

/// A span of `ms`, a half of it more or less.
const fn jitter(ms: Millis, drawn: u64) -> Millis {
    let span = if ms == 0 { 1 } else { ms };
    ms / 2 + drawn % span
}

#[cfg(test)]
mod tests {
    use drydock_proto::agent::controller_message::Message as Down;
    use drydock_proto::agent::{AssignedTask, Controllers, Redirect, Welcome};

    use super::{BACKOFF_MAX_MS, Dialler, Ended, First, Heard, Manifest, Pulse, REDIRECTS_MAX, jitter};

    fn three(dialler: &mut Dialler) -> Vec<String> {
        (0..3).filter_map(|_| dialler.dial()).collect()
    }

    fn told(addresses: &[&str]) -> Down {
        Down::Controllers(Controllers { addresses: addresses.iter().map(|&a| a.to_owned()).collect() })
    }

    #[test]
    fn the_ring_goes_round_and_learns() {
        let mut dialler = Dialler::new(vec!["a:1".to_owned(), "b:1".to_owned()]);
        assert_eq!(three(&mut dialler), ["a:1", "b:1", "a:1"]);
        assert_eq!(dialler.hear(told(&["c:1", "a:1", ""])), Heard::Taken);
        assert_eq!(three(&mut dialler), ["b:1", "a:1", "c:1"]);
        dialler.ended(Ended::Redirect("d:1".into()), 0);
        assert_eq!(three(&mut dialler), ["d:1", "b:1", "a:1"]);
        dialler.hear(told(&[]));
        assert_eq!(dialler.known(), 2, "those of the configuration stay");
    }

    #[test]
    fn redirects_are_followed_at_once_but_not_for_ever_and_waits_grow() {
        let mut dialler = Dialler::new(vec!["a:1".to_owned()]);
        let away = || Down::Redirect(Redirect { leader_address: "b:1".into(), controllers: None });
        let mut waits = Vec::new();
        for _ in 0..=REDIRECTS_MAX {
            let First::Redirect(leader) = dialler.greeted(away()) else { panic!("a redirect") };
            waits.push(dialler.ended(Ended::Redirect(leader), 0));
        }
        assert!(waits.pop().is_some_and(|wait| wait > 0) && waits.iter().all(|wait| *wait == 0), "{waits:?}");
        let waits: Vec<_> = (0..9).map(|_| dialler.ended(Ended::Failed, 0)).collect();
        assert!(waits.is_sorted() && waits.last() == Some(&(BACKOFF_MAX_MS / 2)), "{waits:?}");
        assert!(dialler.ended(Ended::Closed, 0) < waits[0]);
        assert_eq!(dialler.ended(Ended::Failed, 0), waits[0]);
    }

    #[test]
    fn parts_are_joined() {
        let part = |sequence, task: &str, more| {
            let tasks = vec![AssignedTask { task_arn: task.into(), ..Default::default() }];
            Down::Manifest(Manifest { sequence, tasks, more, ..Default::default() })
        };
        let mut dialler = Dialler::new(Vec::new());
        assert_eq!(dialler.hear(part(1, "lost", true)), Heard::Taken);
        assert_eq!(dialler.hear(part(2, "a", true)), Heard::Taken);
        let Heard::Message(whole) = dialler.hear(part(2, "b", false)) else { panic!("whole") };
        let Down::Manifest(whole) = *whole else { panic!("a manifest") };
        let names: Vec<String> = whole.tasks.into_iter().map(|task| task.task_arn).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn any_word_delays_the_heartbeat() {
        let mut pulse = Pulse::new(&Welcome { heartbeat_interval_ms: 1_000, ..Welcome::default() }, 5);
        assert_eq!(pulse.due_at(), 1_005);
        pulse.said(700);
        assert_eq!(pulse.due_at(), 1_700);
        assert!(Pulse::new(&Welcome { heartbeat_interval_ms: 1, ..Welcome::default() }, 0).due_at() > 1);
        assert!(Pulse::new(&Welcome::default(), 0).due_at() > 1);
    }

    #[test]
    fn jitter_stays_in_bounds() {
        assert!((0..1_000).map(|drawn| jitter(100, drawn)).all(|ms| (50..150).contains(&ms)));
        assert_eq!(jitter(0, 7), 0);
    }
}
