//! A plan in the making: what a step reads, what it has decided so far, and how much more it may.

use std::collections::{BTreeMap, BTreeSet};

use drydock_model::ids;
use drydock_model::status::InstanceStatus;
use drydock_proto::ecs::LaunchType;
use drydock_state::capacity::WAITING_MAX;
use drydock_state::row::InstanceRow;
use drydock_state::{Change, ClusterId, InstanceKey, Millis, State, TaskKey};

use crate::explain::Explanation;
use crate::place::Fleet;

/// The step's desk.
pub(crate) struct Desk<'a> {
    pub(crate) view: &'a State,
    pub(crate) now: Millis,
    pub(crate) changes: Vec<Change>,
    pub(crate) explanations: Vec<Explanation>,
    seed: u128,
    turns: u32,
    budget: usize,
    /// Tasks that the plan lets wait for capacity, by cluster.
    queued: BTreeMap<ClusterId, u32>,
    /// Tasks that the plan tells to stop, or declares STOPPED.
    ending: BTreeSet<TaskKey>,
    /// Instances whose time is over and that the plan gives more of it.
    spared: BTreeSet<InstanceKey>,
    /// Instances that the plan drains.
    draining: BTreeSet<InstanceKey>,
    fleets: BTreeMap<ClusterId, Fleet<'a>>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(view: &'a State, now: Millis, seed: u128, budget: usize) -> Self {
        Self {
            view,
            now,
            changes: Vec::new(),
            explanations: Vec::new(),
            seed,
            turns: 0,
            budget,
            queued: BTreeMap::new(),
            ending: BTreeSet::new(),
            spared: BTreeSet::new(),
            draining: BTreeSet::new(),
            fleets: BTreeMap::new(),
        }
    }

    /// The end of a wait that ECS makes long, and that begins now.
    pub(crate) fn after(&self, wait_ms: Millis) -> Millis {
        self.now.saturating_add(self.view.settings().shortened(wait_ms))
    }

    /// How many more changes fit into the plan.
    pub(crate) fn left(&self) -> usize {
        self.budget.saturating_sub(self.changes.len())
    }

    /// Puts the change that ends a task into the plan, unless it has one already: a deadline, a lost instance and a
    /// service may each want the same.
    pub(crate) fn end(&mut self, task: TaskKey, change: Change) {
        if self.ending.insert(task) {
            self.changes.push(change);
        }
    }

    /// Notes that the tasks of an instance aren't given up yet although its time is over.
    pub(crate) fn spare(&mut self, instance: InstanceKey) {
        self.spared.insert(instance);
    }

    /// Whether it was spared in this step: the row says otherwise until the plan is applied.
    pub(crate) fn is_spared(&self, instance: InstanceKey) -> bool {
        self.spared.contains(&instance)
    }

    /// Notes that the plan drains an instance: it puts nothing more there.
    pub(crate) fn drain(&mut self, instance: InstanceKey) {
        self.draining.insert(instance);
        self.fleet(instance.cluster, LaunchType::Ec2).close(instance.id);
    }

    /// What an instance is once the plan is applied.
    pub(crate) fn status(&self, instance: &InstanceRow) -> InstanceStatus {
        if self.draining.contains(&instance.key) { InstanceStatus::Draining } else { instance.status }
    }

    /// Whether one more task may wait for capacity; it counts from now on.
    pub(crate) fn queue(&mut self, cluster: ClusterId) -> bool {
        let queued = self.queued.entry(cluster).or_default();
        let free = self.view.waiting_count(cluster).saturating_add(*queued) < WAITING_MAX;
        *queued += u32::from(free);
        free
    }

    /// A choice among equals: another number at each call.
    pub(crate) fn turn(&mut self) -> u128 {
        self.turns = self.turns.wrapping_add(1);
        ids::hash(self.seed, self.turns)
    }

    /// A choice among equals that is the same all through the step, for the thing with this id.
    pub(crate) fn tie(&self, id: u128) -> u64 {
        let mixed = ids::hash(self.seed ^ id, 0);
        u64::try_from(mixed & u128::from(u64::MAX)).unwrap_or_default()
    }

    /// The instances that run a cluster's tasks of a launch type, with what the step has placed on them.
    pub(crate) fn fleet(&mut self, cluster: ClusterId, launch_type: LaunchType) -> &mut Fleet<'a> {
        let view = self.view;
        let cluster = view.hosting(cluster, launch_type);
        self.fleets.entry(cluster).or_insert_with(|| Fleet::new(view, cluster))
    }
}
