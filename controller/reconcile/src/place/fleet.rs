//! The instances of one cluster as a step sees them: the state's index with what the step has placed so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_model::query::Subjects;
use drydock_model::resources::{Available, Lacking, Needs};
use drydock_model::status::InstanceStatus;
use drydock_state::fleet::Fleet as Index;
use drydock_state::fleet::tree::Room;
use drydock_state::row::InstanceRow;
use drydock_state::{ClusterId, DefinitionKey, InstanceKey, InstanceSubjects, State};

use super::ask::{Ask, MemberOf};
use super::explain::{Refusal, Unplaced};
use super::pool::Pool;

/// The instances of a cluster. Making one costs nothing: the index is the state's, a version of its own.
#[derive(Debug, Clone)]
pub(crate) struct Fleet<'a> {
    view: &'a State,
    cluster: ClusterId,
    pub(super) index: Index,
    /// What instances have left on which the step has placed tasks.
    taken: BTreeMap<u128, Taken>,
    /// What the step has placed, in order: instance and group.
    pub(super) placed: Vec<(u128, Arc<str>)>,
    /// Instances that the step drains.
    closed: BTreeSet<u128>,
    /// Asks without constraints that found no place in this step: room only shrinks within a step, so the answer stays.
    blocked: BTreeMap<Blocked, Unplaced>,
}

/// An ask without constraints, as far as placement goes by it.
type Blocked = (Pool, Option<DefinitionKey>, Needs, Option<BTreeSet<Arc<str>>>);

/// What a step has done to an instance.
#[derive(Debug, Clone)]
struct Taken {
    left: Available,
    /// Groups of the tasks that it placed there.
    groups: Vec<Arc<str>>,
}

/// What is left of CPU and memory.
const fn room(left: &Available) -> Room {
    Room { cpu: left.cpu, memory_mib: left.memory_mib }
}

impl<'a> Fleet<'a> {
    /// The instances of a cluster.
    pub(crate) fn new(view: &'a State, cluster: ClusterId) -> Self {
        Self {
            view,
            cluster,
            index: view.fleet(cluster).map(|index| (**index).clone()).unwrap_or_default(),
            taken: BTreeMap::new(),
            placed: Vec::new(),
            closed: BTreeSet::new(),
            blocked: BTreeMap::new(),
        }
    }

    pub(super) fn row(&self, instance: u128) -> Option<&'a InstanceRow> {
        self.view.instance(InstanceKey { cluster: self.cluster, id: instance }).map(|row| &**row)
    }

    /// What an instance has left, after what the step has placed.
    pub(super) fn left<'r>(&'r self, row: &'r InstanceRow) -> &'r Available {
        self.taken.get(&row.key.id).map_or(&row.remaining, |taken| &taken.left)
    }

    /// Takes what a task needs, and counts it.
    ///
    /// # Errors
    /// What the instance lacks; then nothing has changed.
    pub(crate) fn take(&mut self, instance: u128, needs: &Needs, group: &Arc<str>) -> Result<(), Lacking> {
        let Some(row) = self.row(instance) else { return Ok(()) };
        let fresh = || Taken { left: row.remaining.clone(), groups: Vec::new() };
        let taken = self.taken.entry(instance).or_insert_with(fresh);
        taken.left.take(needs)?;
        taken.groups.push(Arc::clone(group));
        let room = room(&taken.left);
        self.index.set_room(instance, room);
        self.index.add_task(group, instance);
        self.placed.push((instance, Arc::clone(group)));
        Ok(())
    }

    /// Nothing more is placed on an instance: the step drains it.
    pub(crate) fn close(&mut self, instance: u128) {
        let key = InstanceKey { cluster: self.cluster, id: instance };
        let tasks = self.view.live_tasks_on(key).filter(|row| row.counts_for_placement());
        let mut groups: BTreeSet<Arc<str>> = tasks.map(|row| row.placement_group()).collect();
        groups.extend(self.taken.get(&instance).into_iter().flat_map(|taken| taken.groups.iter().cloned()));
        self.index.close(instance, &groups);
        self.closed.insert(instance);
    }

    /// Places a task on this very instance and takes its resources.
    ///
    /// # Errors
    /// Why the instance doesn't take it.
    pub(crate) fn place_on(&mut self, ask: &Ask<'_>, instance: u128) -> Result<(), Refusal> {
        match self.refusal(ask, instance) {
            Some(refusal) => Err(refusal),
            None => self.take(instance, ask.needs, &ask.group).map_err(Refusal::Lacking),
        }
    }

    /// Why an instance doesn't take a task; `None` where it does. This is the whole of placement's filters (ecs-semantics
    /// §2.4), for one instance: what DAEMON asks of each.
    pub(crate) fn refusal(&self, ask: &Ask<'_>, instance: u128) -> Option<Refusal> {
        let Some(row) = self.row(instance) else { return Some(Refusal::Pool) };
        let open = row.status == InstanceStatus::Active && !self.closed.contains(&instance);
        if !ask.pool.has(row) || !ask.is_in_zone(row) || !open {
            return Some(Refusal::Pool);
        }
        if !row.agent_connected {
            return Some(Refusal::Agent);
        }
        if !ask.is_in_reach(row) {
            return Some(Refusal::Location);
        }
        if ask.requires.is_some_and(|definition| !row.has_attributes(&definition.document.requires_attributes)) {
            return Some(Refusal::Attribute);
        }
        let lacking = self.left(row).fits(ask.needs).err();
        lacking.map(Refusal::Lacking).or_else(|| self.constraint(ask, row))
    }

    /// The constraint that an instance doesn't meet.
    pub(super) fn constraint(&self, ask: &Ask<'_>, row: &InstanceRow) -> Option<Refusal> {
        let of = StepSubjects { of: InstanceSubjects { state: self.view, row }, fleet: self };
        let unmet = |member: &MemberOf| member.expression.as_ref().is_none_or(|e| e.holds(&of) != Some(true));
        if let Some(at) = ask.member_of.iter().position(unmet) {
            return Some(Refusal::MemberOf(u8::try_from(at).unwrap_or(u8::MAX)));
        }
        let doubled = ask.distinct && self.index.on_instance(&ask.group, row.key.id) > 0;
        doubled.then_some(Refusal::DistinctInstance)
    }

    /// Each ACTIVE instance with why it refuses the task, by id. O(n).
    pub(crate) fn refusals(&self, ask: &Ask<'_>) -> Vec<(u128, Refusal)> {
        self.index.active_ids().filter_map(|id| Some((id, self.refusal(ask, id)?))).collect()
    }

    /// What a refusal comes to on an instance, in words (`failures[].detail`).
    pub(crate) fn detail(&self, ask: &Ask<'_>, instance: u128, refusal: Refusal) -> Option<String> {
        let row = self.row(instance)?;
        match refusal {
            Refusal::Pool | Refusal::Agent | Refusal::DistinctInstance => None,
            Refusal::Location => row.availability_zone().map(|zone| format!("the container instance is in {zone}")),
            Refusal::Attribute => row.missing_in_words(&ask.requires?.document.requires_attributes),
            Refusal::Lacking(_) => self.left(row).shortage(ask.needs),
            Refusal::MemberOf(at) => ask.member_of.get(usize::from(at)).map(|member| member.text.to_string()),
        }
    }

    /// Why no instance takes the task. O(n), once a step for asks without constraints.
    pub(super) fn explain(&mut self, ask: &Ask<'_>) -> Unplaced {
        let key = || {
            let requires = ask.requires.map(|definition| definition.key.clone());
            (ask.pool.clone(), requires, ask.needs.clone(), ask.subnet_zones.clone())
        };
        if ask.is_unconstrained()
            && let Some(known) = self.blocked.get(&key())
        {
            return known.clone();
        }
        let mut unplaced = Unplaced {
            pool: ask.pool.clone(),
            expressions: ask.member_of.iter().map(|member| Arc::clone(&member.text)).collect(),
            ..Unplaced::default()
        };
        let mut closest: Option<(Refusal, Room, u128)> = None;
        for (id, refusal) in self.refusals(ask) {
            *unplaced.removed.entry(refusal).or_default() += 1;
            if refusal == Refusal::Pool {
                continue;
            }
            closest = closest.max(Some((refusal, self.index.room(id).unwrap_or_default(), id)));
            unplaced.full += u32::from(self.is_full(ask, id, refusal));
        }
        unplaced.closest = closest.map(|(refusal, _, id)| (id, refusal));
        if ask.is_unconstrained() {
            self.blocked.insert(key(), unplaced.clone());
        }
        unplaced
    }

    /// Whether all that an instance lacks is room, which a task that goes might give.
    fn is_full(&self, ask: &Ask<'_>, instance: u128, refusal: Refusal) -> bool {
        match refusal {
            Refusal::DistinctInstance => true,
            Refusal::Lacking(_) => {
                let constraint = self.row(instance).and_then(|row| self.constraint(ask, row));
                matches!(constraint, None | Some(Refusal::DistinctInstance))
            }
            _ => false,
        }
    }
}

/// What an expression asks of an instance, with what the step has placed on it.
struct StepSubjects<'f, 'a> {
    of: InstanceSubjects<'f>,
    fleet: &'f Fleet<'a>,
}

impl Subjects for StepSubjects<'_, '_> {
    fn agent_connected(&self) -> Option<bool> {
        self.of.agent_connected()
    }

    fn agent_version(&self) -> Option<&str> {
        self.of.agent_version()
    }

    fn attribute(&self, name: &str) -> Option<Option<Option<&str>>> {
        self.of.attribute(name)
    }

    fn ec2_instance_id(&self) -> Option<Option<&str>> {
        self.of.ec2_instance_id()
    }

    fn registered_at(&self) -> Option<u64> {
        self.of.registered_at()
    }

    fn running_tasks_count(&self) -> Option<u64> {
        self.of.running_tasks_count()
    }

    fn any_group(&self, is: &dyn Fn(&str) -> bool) -> Option<bool> {
        let taken = self.fleet.taken.get(&self.of.row.key.id);
        Some(taken.is_some_and(|taken| taken.groups.iter().any(|group| is(group))) || self.of.any_group(is)?)
    }
}

/// What an expression asks of a class: of an instance of it, as far as all have it in common.
pub(super) struct ClassSubjects<'f> {
    pub(super) index: &'f Index,
    pub(super) row: &'f InstanceRow,
}

impl Subjects for ClassSubjects<'_> {
    fn agent_connected(&self) -> Option<bool> {
        // Those that tasks may be placed on.
        Some(true)
    }

    fn agent_version(&self) -> Option<&str> {
        (!self.index.versions_are_personal()).then_some(&*self.row.info.agent_version)
    }

    fn attribute(&self, name: &str) -> Option<Option<Option<&str>>> {
        let shared = !self.index.is_personal(name);
        shared.then(|| self.row.info.attributes.get(name).map(|value| value.as_deref()))
    }

    fn ec2_instance_id(&self) -> Option<Option<&str>> {
        None
    }

    fn registered_at(&self) -> Option<u64> {
        None
    }

    fn running_tasks_count(&self) -> Option<u64> {
        None
    }

    fn any_group(&self, _is: &dyn Fn(&str) -> bool) -> Option<bool> {
        None
    }
}
