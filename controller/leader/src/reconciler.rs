//! The leader's turns over everything that changed or whose time has come: asks the deciders and proposes what they say. One
//! plan is outstanding at a time, so that each is decided on a state that has seen the last (raft-recipe §3 B4).

use std::collections::{BTreeSet, VecDeque};

use drydock_reconcile::Explanation;
use drydock_state::{Change, Command, InstanceKey, Key, Millis, Outcome, State};

use crate::limits::{DEADLINE_WAIT_MAX_MS, PLAN_CHANGES_PER_STEP, RETRY_OVERLOADED_MS};
use crate::proposal::{Fate, Moment, Next, Proposal, Sight};

const CALLER: &str = "service-scheduler";

/// What is dirty, and what is being proposed.
#[derive(Debug)]
pub struct Reconciler {
    dirty: BTreeSet<Key>,
    /// Of the present step, still to be proposed.
    left: VecDeque<Proposal>,
    /// Of the present step: what came to nothing.
    again: BTreeSet<Key>,
    /// What the proposal under way is about.
    under_way: Option<BTreeSet<Key>>,
    /// The fate of a plan isn't known.
    unknown: bool,
    not_before: Moment,
    /// When to look though nothing became dirty; `None`: at once.
    look_at: Option<Moment>,
    stepped: Option<Stepped>,
}

/// What a step of the deciders came to, for whoever counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// Changes in its plan.
    pub changes: usize,
    /// What services wait for.
    pub explanations: Vec<Explanation>,
}

impl Reconciler {
    /// That of a new leader: it looks at all services and instances, and tasks that wait for capacity, in bounded slices.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let services = state.all_services().map(|row| Key::Service(row.key));
        let instances = state.all_instances().map(|row| Key::Instance(row.key));
        let waiting = state.all_waiting_tasks().map(|row| Key::Task(row.key));
        Self {
            dirty: services.chain(instances).chain(waiting).collect(),
            left: VecDeque::new(),
            again: BTreeSet::new(),
            under_way: None,
            unknown: false,
            not_before: 0,
            look_at: None,
            stepped: None,
        }
    }

    /// Something changed.
    pub fn mark(&mut self, mut keys: BTreeSet<Key>) {
        self.dirty.append(&mut keys);
    }

    /// What it wants.
    pub fn next(&mut self, sight: &Sight<'_>) -> Next {
        if sight.now < self.not_before {
            return Next::Until(Some(self.not_before));
        }
        if self.unknown {
            return sight.propose(CALLER, Command::NewEpoch);
        }
        if self.left.is_empty() {
            if let Some(at) = self.look_at.filter(|at| self.dirty.is_empty() && sight.now < *at) {
                return Next::Until(Some(at));
            }
            self.step(sight);
        }
        match self.left.pop_front() {
            Some(proposal) => {
                self.under_way = Some(keys_of(&proposal.command));
                Next::Propose(Box::new(proposal))
            }
            None if self.dirty.is_empty() => Next::Until(self.look_at),
            // The budget left something over though nothing is to be proposed.
            None => Next::Again,
        }
    }

    /// What came of a proposal.
    pub fn settled(&mut self, fate: &Fate, now: Moment) {
        let Some(keys) = self.under_way.take() else {
            // The new epoch: with it everything before is applied, or never will be.
            self.unknown = !matches!(fate, Fate::Applied { .. });
            if self.unknown {
                self.not_before = now + RETRY_OVERLOADED_MS;
            } else {
                self.end_step(now);
            }
            return;
        };
        match fate {
            Fate::Applied { outcome: Outcome::Planned { dropped, applied: 0, .. }, .. } if !dropped.is_empty() => {
                self.again.extend(keys);
            }
            Fate::Applied { .. } => {}
            // It may still be applied, and deciding the same once more would start twice as many tasks: what follows it in
            // the log tells when its fate is known.
            Fate::Unknown(_) => {
                self.unknown = true;
                self.again.extend(keys);
            }
            // Where this controller no longer leads, its scope is about to end.
            _ => self.again.extend(keys),
        }
        self.end_step(now);
    }

    /// What the last step came to, once.
    pub fn take_stepped(&mut self) -> Option<Stepped> {
        self.stepped.take()
    }

    fn step(&mut self, sight: &Sight<'_>) {
        let now_ms = sight.now_ms.max(sight.state.now());
        let step = drydock_reconcile::step(sight.state, &self.dirty, now_ms, sight.seed, PLAN_CHANGES_PER_STEP);
        self.dirty.clone_from(&step.remaining);
        self.look_at = Some(sight.now + wait(step.next_deadline, now_ms));
        self.stepped = Some(Stepped { changes: step.plan.changes.len(), explanations: step.explanations.clone() });
        let proposal = |(at, command): (usize, Command)| Proposal {
            caller: CALLER,
            command,
            now_ms: sight.now_ms,
            // Each command makes ids of its own.
            seed: sight.seed.wrapping_add(at as u128),
        };
        self.left = step.commands().into_iter().enumerate().map(proposal).collect();
    }

    /// Once all of a step is proposed: look again, soon where something of it came to nothing.
    fn end_step(&mut self, now: Moment) {
        if self.unknown || !self.left.is_empty() {
            return;
        }
        self.look_at = None;
        if !self.again.is_empty() {
            self.dirty.append(&mut self.again);
            self.not_before = now + RETRY_OVERLOADED_MS;
        }
    }
}

fn wait(next_deadline: Option<Millis>, now_ms: Millis) -> Millis {
    next_deadline.map_or(DEADLINE_WAIT_MAX_MS, |at| at.saturating_sub(now_ms)).min(DEADLINE_WAIT_MAX_MS)
}

/// The keys that a command is about: to be looked at again where it came to nothing.
fn keys_of(command: &Command) -> BTreeSet<Key> {
    match command {
        Command::Plan(plan) => plan.changes.iter().map(Change::key).collect(),
        // Garbage has a deadline in the past: it is found again by itself.
        _ => BTreeSet::new(),
    }
}

/// The instances about which, or about whose tasks, something changed: their sessions look.
#[must_use]
pub fn concerned(state: &State, keys: &BTreeSet<Key>) -> BTreeSet<InstanceKey> {
    let of = |key: &Key| match key {
        Key::Instance(key) => Some(*key),
        Key::Task(key) => state.task(*key).and_then(|task| task.instance_key()),
        _ => None,
    };
    keys.iter().filter_map(of).collect()
}

/// Whether a leader decides anything about such a row before its deadline, which it watches anyway.
#[must_use]
pub fn matters(key: &Key) -> bool {
    !matches!(key, Key::Cluster(_) | Key::Definition(_) | Key::Token(_))
}
