//! One step of the deciders: from what is dirty or due to a plan.

use std::collections::{BTreeMap, BTreeSet};

use drydock_state::command::REAP_MAX;
use drydock_state::fleet::ClassId;
use drydock_state::plan::{PLAN_BYTES_MAX, PLAN_CHANGES_MAX};
use drydock_state::row::TaskRow;
use drydock_state::{
    Change, ClusterId, Command, InstanceKey, Key, Millis, Plan, ScalingKey, ServiceKey, State, TaskKey,
};

use crate::capacity::{scaling, waiting};
use crate::desk::Desk;
use crate::explain::Explanation;
use crate::{garbage, instance, service, task};

/// What one step decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// To be proposed, see [`Step::commands`]. The leader makes no further step before it is applied: at most one plan is
    /// outstanding.
    pub plan: Plan,
    /// Rows whose retention is over, at most [`REAP_MAX`].
    pub reap: Vec<Key>,
    /// When to step again though nothing has become dirty: the earliest deadline after `now`.
    pub next_deadline: Option<Millis>,
    /// What services wait for.
    pub explanations: Vec<Explanation>,
    /// What the budget left over: dirty for the next step, which is to be made as soon as this plan is applied.
    pub remaining: BTreeSet<Key>,
}

impl Step {
    /// What is to be proposed, in order. A plan of more than [`PLAN_BYTES_MAX`] goes in parts: each change stands by
    /// itself.
    #[must_use]
    pub fn commands(self) -> Vec<Command> {
        let (mut commands, mut part, mut bytes) = (Vec::new(), Plan::default(), 0);
        for change in self.plan.changes {
            let more = change.encoded_len();
            if bytes + more > PLAN_BYTES_MAX && bytes > 0 {
                commands.push(Command::Plan(std::mem::take(&mut part)));
                bytes = 0;
            }
            bytes += more;
            part.changes.push(change);
        }
        if bytes > 0 {
            commands.push(Command::Plan(part));
        }
        if !self.reap.is_empty() {
            commands.push(Command::Reap(self.reap));
        }
        commands
    }

    /// Whether it proposes nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.plan.changes.is_empty() && self.reap.is_empty()
    }
}

/// Looks at everything that is dirty, and at everything whose deadline has come by `now`, and decides.
///
/// `seed` breaks ties and samples; the same arguments give the same step. The plan has at most `budget` changes (and
/// never more than [`PLAN_CHANGES_MAX`]); where that isn't enough, what was left over is in [`Step::remaining`]. Which
/// services come first is decided by the seed, so that none waits for ever behind another.
#[must_use]
pub fn step(view: &State, dirty: &BTreeSet<Key>, now: Millis, seed: u128, budget: usize) -> Step {
    let mut desk = Desk::new(view, now, seed, budget.min(PLAN_CHANGES_MAX));
    let mut work = Work::default();
    let mut step = Step::default();
    for key in dirty {
        work.add(view, key);
    }
    for (_, key) in view.due(now) {
        if !garbage::is_garbage(view, key, now) {
            work.add_due(view, key);
        } else if step.reap.len() < REAP_MAX {
            step.reap.push(key.clone());
        } else {
            step.remaining.insert(key.clone());
        }
    }
    work.add_waiting(view);
    work.add_rebalanced(view);
    work.add_capacity(view);
    for key in work.tasks {
        if !task::reconcile(&mut desk, key) {
            step.remaining.insert(Key::Task(key));
        }
    }
    for key in work.instances {
        if !instance::reconcile(&mut desk, key) {
            step.remaining.insert(Key::Instance(key));
        }
    }
    for key in work.waiting {
        if !waiting::reconcile(&mut desk, key) {
            step.remaining.insert(Key::Task(key));
        }
    }
    // Where waiting tasks are placed by this very plan, the figures are those after it: it makes the cluster dirty.
    let placed = |key: &&ScalingKey| {
        let bound = |change: &Change| matches!(change, Change::BindTask(bind) if bind.task.cluster == key.cluster);
        desk.changes.iter().any(bound)
    };
    let scalings: Vec<&ScalingKey> = work.scalings.iter().filter(|key| !placed(key)).collect();
    for key in scalings {
        if !scaling::reconcile(&mut desk, key) {
            step.remaining.insert(Key::Scaling(key.clone()));
        }
    }
    // Daemon tasks are the first to be placed (ecs-semantics §2.3).
    let (daemons, others): (Vec<ServiceKey>, Vec<ServiceKey>) =
        work.services.into_iter().partition(|key| service::daemon::goes_first(view, *key));
    let turn = desk.turn();
    for key in from_a_turn(&daemons, turn).chain(from_a_turn(&others, turn)) {
        if !service::reconcile(&mut desk, key) {
            step.remaining.insert(Key::Service(key));
        }
    }
    step.next_deadline = view.deadlines().map(|(at, _)| at).find(|at| *at > now);
    step.plan = Plan { changes: desk.changes };
    step.explanations = desk.explanations;
    step
}

/// All keys, going round from a place that `turn` chooses.
fn from_a_turn(keys: &[ServiceKey], turn: u128) -> impl Iterator<Item = ServiceKey> {
    let len = u128::try_from(keys.len().max(1)).unwrap_or(1);
    let (before, after) = keys.split_at(usize::try_from(turn % len).unwrap_or(0).min(keys.len()));
    after.iter().chain(before).copied()
}

/// What to look at.
#[derive(Default)]
struct Work {
    tasks: BTreeSet<TaskKey>,
    instances: BTreeSet<InstanceKey>,
    services: BTreeSet<ServiceKey>,
    /// Those whose row has changed: their tasks may ask for other places.
    asking: BTreeSet<ServiceKey>,
    /// Clusters in which resources may have become free.
    freed: BTreeSet<ClusterId>,
    /// Instances that something has happened to and that take tasks, by what they say of themselves.
    open: BTreeMap<(ClusterId, ClassId), usize>,
    /// Clusters whose instances or waiting tasks are others than before.
    changed: BTreeSet<ClusterId>,
    /// Tasks that wait for capacity, the oldest of a cluster first.
    waiting: Vec<TaskKey>,
    scalings: BTreeSet<ScalingKey>,
}

impl Work {
    fn add(&mut self, view: &State, key: &Key) {
        match key {
            Key::Service(key) => {
                self.services.insert(*key);
                self.asking.insert(*key);
            }
            Key::Deployment(key) => drop(self.services.insert(key.service)),
            Key::TaskSet(key) => drop(self.services.insert(key.service)),
            Key::Revision(key) => drop(self.services.insert(key.service)),
            Key::Task(key) => self.add_task(view, *key),
            Key::Instance(key) => self.add_instance(view, *key),
            // Nothing is decided about these but when they are garbage.
            Key::Cluster(_) | Key::Definition(_) | Key::Token(_) | Key::CapacityProvider(_) => {}
            Key::Scaling(key) => drop(self.scalings.insert(key.clone())),
        }
    }

    /// A deadline has come. One that only says from when on a row may be removed calls for no look: most services have
    /// a deployment that has ended and stays because they name it.
    fn add_due(&mut self, view: &State, key: &Key) {
        let ended = match key {
            Key::Deployment(key) => view.deployment(*key).is_some_and(|row| row.status.is_final()),
            Key::Task(key) => view.task(*key).is_some_and(|row| row.is_stopped()),
            _ => false,
        };
        if !ended {
            self.add(view, key);
        }
    }

    fn add_task(&mut self, view: &State, key: TaskKey) {
        self.tasks.insert(key);
        match view.task(key) {
            Some(task) => {
                self.services.extend(task.service.map(|owner| owner.service));
                if task.is_stopped() {
                    self.freed.insert(key.cluster);
                }
                if task.is_stopped() || task.is_waiting() {
                    self.changed.insert(key.cluster);
                }
            }
            None => drop(self.freed.insert(key.cluster)),
        }
    }

    fn add_instance(&mut self, view: &State, key: InstanceKey) {
        self.instances.insert(key);
        self.services.extend(service::daemon::concerned(view, key));
        self.changed.insert(key.cluster);
        match view.instance(key) {
            Some(row) if row.takes_tasks() => {
                self.freed.insert(key.cluster);
                let class = view.fleet(key.cluster).and_then(|fleet| fleet.class_of(key.id)).unwrap_or_default();
                *self.open.entry((key.cluster, class)).or_default() += 1;
            }
            _ => {
                let owners = view.live_tasks_on(key).filter_map(|task| task.service);
                self.services.extend(owners.map(|owner| owner.service));
            }
        }
    }

    /// Tasks that wait for capacity, and the decisions of managed scaling, where something about them has changed.
    fn add_capacity(&mut self, view: &State) {
        for cluster in self.changed.union(&self.freed) {
            self.waiting.extend(view.waiting_tasks(*cluster).map(|row| row.key));
            let Some(row) = view.cluster(*cluster) else { continue };
            let scaled = row.document.capacity_providers.iter().filter(|name| view.is_scaled(*cluster, name));
            let key = |name: &String| ScalingKey { cluster: *cluster, provider: name.as_str().into() };
            self.scalings.extend(scaled.map(key));
        }
        for service in &self.asking {
            let cluster = service.cluster;
            if !self.changed.contains(&cluster) && !self.freed.contains(&cluster) {
                let ours = |row: &TaskRow| row.service.is_some_and(|owner| owner.service == *service);
                let waiting = view.waiting_tasks(cluster).filter(|row| ours(row));
                self.waiting.extend(waiting.map(|row| row.key));
            }
        }
    }

    /// Services that may have tasks without a place, in clusters where resources have become free.
    fn add_waiting(&mut self, view: &State) {
        for cluster in &self.freed {
            let waiting = view.services(*cluster, None).filter(|row| !row.progress.steady);
            self.services.extend(waiting.map(|row| row.key));
        }
    }

    /// Services whose zones are kept even, in clusters where nothing took tasks that is like an instance that does now: there
    /// may be a zone more for them.
    fn add_rebalanced(&mut self, view: &State) {
        let is_new = |((cluster, class), open): &(&(ClusterId, ClassId), &usize)| {
            let like_it = view.fleet(*cluster).and_then(|fleet| fleet.class(*class));
            like_it.is_some_and(|class| class.by_cpu().len() <= **open)
        };
        let clusters: BTreeSet<ClusterId> = self.open.iter().filter(is_new).map(|((cluster, _), _)| *cluster).collect();
        for cluster in clusters {
            self.services.extend(view.services(cluster, None).filter(|row| row.rebalances()).map(|row| row.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use drydock_state::plan::{PLAN_BYTES_MAX, PutServiceEvent};

    use super::*;

    #[test]
    fn a_large_plan_goes_in_parts_that_fit_and_keep_their_order() {
        let service = ServiceKey { cluster: ClusterId(1), number: 7 };
        let event = |at: usize| {
            Change::PutServiceEvent(PutServiceEvent { service, message: format!("{at:0>10000}"), task_set: None })
        };
        let changes: Vec<Change> = (0..100).map(event).collect();
        let step = Step { plan: Plan { changes: changes.clone() }, ..Step::default() };
        let mut seen = Vec::new();
        let commands = step.commands();
        assert!(commands.len() > 2);
        for command in commands {
            let Command::Plan(plan) = command else { panic!("{command:?}") };
            assert!(plan.changes.iter().map(Change::encoded_len).sum::<usize>() <= PLAN_BYTES_MAX);
            seen.extend(plan.changes);
        }
        assert_eq!(seen, changes);
        assert!(Step::default().commands().is_empty());
    }
}
