//! The instances of a cluster as placement looks for them: kept beside the tables at each put and remove, derived from
//! the rows alone, rebuilt on import. A version of it costs nothing to keep, so a step of the deciders takes one and
//! notes in it what it places.
//!
//! Instances are in **classes**: those of one class say the same of themselves, and an expression, a required attribute
//! or a pool is asked once a class. In each class they are ordered by what they have left ([`tree`]). An attribute with
//! more than [`SHARED_VALUES_MAX`] values in the cluster (a host's own name) says nothing about a class: it is
//! *personal*, and whoever asks for it looks at the instances one by one.

mod group;
pub mod tree;

use std::hash::Hasher as _;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::key::{ClusterId, InstanceKey, TaskKey};
use crate::row::{InstanceInfo, InstanceRow, TaskRow};
use crate::state::State;
use group::{Groups, Post};
use tree::{Room, Spot, Tree};

use drydock_model::status::InstanceStatus;

/// Values of an attribute in one cluster up to which it tells classes apart; of more, it is personal. Bounds how many
/// classes a search may have to look at.
pub const SHARED_VALUES_MAX: u32 = 256;

/// Stands for the agent's version among the names of attributes, none of which is empty.
const AGENT_VERSION: &str = "";

/// A class of instances: a digest of what they have in common. 0 is that of an instance that isn't there (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClassId(u128);

/// Instances that say the same of themselves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Class {
    members: OrdSet<u128>,
    /// The open ones by CPU, then memory.
    by_cpu: Tree,
    /// The open ones by memory, then CPU.
    by_memory: Tree,
}

/// Where an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seat {
    post: Post,
    active: bool,
    room: Room,
}

/// The instances of one cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fleet {
    seats: OrdMap<u128, Seat>,
    classes: OrdMap<ClassId, Class>,
    groups: Groups,
    /// How many instances have a value of an attribute.
    values: OrdMap<(Arc<str>, Arc<str>), u32>,
    /// How many values an attribute has.
    distinct: OrdMap<Arc<str>, u32>,
    active: u32,
}

impl Class {
    /// All its instances, of any status.
    pub fn members(&self) -> impl Iterator<Item = u128> {
        self.members.iter().copied()
    }

    /// Any of its instances: what it says of itself, all say.
    #[must_use]
    pub fn example(&self) -> Option<u128> {
        self.members.get_min().copied()
    }

    /// Those that tasks may be placed on, by CPU, then memory.
    #[must_use]
    pub const fn by_cpu(&self) -> &Tree {
        &self.by_cpu
    }

    /// The same by memory, then CPU.
    #[must_use]
    pub const fn by_memory(&self) -> &Tree {
        &self.by_memory
    }

    fn pass_over(&mut self, id: u128, room: Room) {
        self.by_cpu.remove(Spot { first: room.cpu, second: room.memory_mib, id });
        self.by_memory.remove(Spot { first: room.memory_mib, second: room.cpu, id });
    }

    fn put(&mut self, id: u128, room: Room) {
        self.by_cpu.insert(Spot { first: room.cpu, second: room.memory_mib, id }, room);
        self.by_memory.insert(Spot { first: room.memory_mib, second: room.cpu, id }, room);
    }
}

impl Fleet {
    /// Instances that are ACTIVE.
    #[must_use]
    pub const fn active(&self) -> u32 {
        self.active
    }

    /// The ids of the ACTIVE instances, ascending.
    pub fn active_ids(&self) -> impl Iterator<Item = u128> {
        self.seats.iter().filter(|(_, seat)| seat.active).map(|(id, _)| *id)
    }

    /// The classes.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        self.classes.iter().map(|(id, class)| (*id, class))
    }

    /// A class.
    #[must_use]
    pub fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(&id)
    }

    /// The class of an instance.
    #[must_use]
    pub fn class_of(&self, instance: u128) -> Option<ClassId> {
        self.seats.get(&instance).map(|seat| seat.post.class)
    }

    /// What an instance has left of CPU and memory.
    #[must_use]
    pub fn room(&self, instance: u128) -> Option<Room> {
        self.seats.get(&instance).map(|seat| seat.room)
    }

    /// Whether instances of a class may differ in an attribute.
    #[must_use]
    pub fn is_personal(&self, attribute: &str) -> bool {
        self.distinct.get(attribute).is_some_and(|values| *values > SHARED_VALUES_MAX)
    }

    /// Whether instances of a class may differ in their agent's version.
    #[must_use]
    pub fn versions_are_personal(&self) -> bool {
        self.is_personal(AGENT_VERSION)
    }

    /// Tasks of a group on an instance. Here and below: tasks that should run and haven't begun to end.
    #[must_use]
    pub fn on_instance(&self, group: &Arc<str>, instance: u128) -> u32 {
        self.groups.on_instance(group, instance)
    }

    /// Tasks of a group in a class.
    #[must_use]
    pub fn in_class(&self, group: &Arc<str>, class: ClassId) -> u32 {
        self.groups.in_class(group, class)
    }

    /// How many of a class's instances that tasks may be placed on hold any of a group.
    #[must_use]
    pub fn open_hosts(&self, group: &Arc<str>, class: ClassId) -> u32 {
        self.groups.open_hosts(group, class)
    }

    /// The instances that hold any of a group, with how many.
    pub fn hosts(&self, group: &Arc<str>) -> impl Iterator<Item = (u128, u32)> {
        self.groups.hosts(group)
    }

    /// Those of a class that tasks may be placed on and that hold at least `least`, those with the fewest first.
    pub fn hosts_by_count(&self, group: &Arc<str>, class: ClassId, least: u32) -> impl Iterator<Item = (u32, u128)> {
        self.groups.by_count(group, class, least)
    }

    /// Lets [`Self::hosts_by_count`] pass over an instance from now on: for copies that one placement looks into.
    pub fn pass_over_host(&mut self, group: &Arc<str>, class: ClassId, count: u32, instance: u128) {
        self.groups.pass_over(group, class, count, instance);
    }

    /// Lets the trees of a class pass over an instance from now on: for copies that one placement looks into.
    pub fn pass_over(&mut self, class: ClassId, instance: u128, room: Room) {
        if let Some(class) = self.classes.get_mut(&class) {
            class.pass_over(instance, room);
        }
    }

    /// Notes that an instance has so much left.
    pub fn set_room(&mut self, instance: u128, room: Room) {
        let Some(seat) = self.seats.get(&instance).copied() else { return };
        self.leave(instance, seat);
        self.enter(instance, Seat { room, ..seat });
    }

    /// Notes that an instance, which holds tasks of these groups, takes no more of any: it is about to drain.
    pub fn close<'g>(&mut self, instance: u128, groups: impl IntoIterator<Item = &'g Arc<str>>) {
        let Some(seat) = self.seats.get(&instance).copied() else { return };
        let closed = Post { open: false, ..seat.post };
        self.leave(instance, seat);
        self.enter(instance, Seat { post: closed, active: false, ..seat });
        for group in groups {
            self.groups.move_host(group, instance, seat.post, closed);
        }
    }

    /// Notes a task more of a group on an instance.
    pub fn add_task(&mut self, group: &Arc<str>, instance: u128) {
        self.count(group, instance, true);
    }

    fn count(&mut self, group: &Arc<str>, instance: u128, more: bool) {
        self.groups.change(group, instance, self.post(instance), more);
    }

    fn post(&self, instance: u128) -> Post {
        self.seats.get(&instance).map(|seat| seat.post).unwrap_or_default()
    }

    fn enter(&mut self, id: u128, seat: Seat) {
        self.seats.insert(id, seat);
        self.active += u32::from(seat.active);
        let class = self.classes.entry(seat.post.class).or_default();
        class.members.insert(id);
        if seat.post.open {
            class.put(id, seat.room);
        }
    }

    fn leave(&mut self, id: u128, seat: Seat) {
        self.seats.remove(&id);
        self.active -= u32::from(seat.active);
        let Some(class) = self.classes.get_mut(&seat.post.class) else { return };
        class.members.remove(&id);
        if seat.post.open {
            class.pass_over(id, seat.room);
        }
        if class.members.is_empty() {
            self.classes.remove(&seat.post.class);
        }
    }

    /// Counts an instance's values in or out. Returns whether an attribute became personal, or isn't any more.
    fn count_values(&mut self, info: &InstanceInfo, more: bool) -> bool {
        let mut turned = false;
        let valued = info.attributes.iter().filter_map(|(name, value)| Some((Arc::clone(name), value.clone()?)));
        let version = (Arc::from(AGENT_VERSION), Arc::from(&*info.agent_version));
        for key in valued.chain([version]) {
            let count = self.values.get(&key).copied().unwrap_or(0);
            let after = if more { count + 1 } else { count.saturating_sub(1) };
            if after == 0 {
                self.values.remove(&key);
            } else {
                self.values.insert(key.clone(), after);
            }
            if (count == 0) == (after == 0) {
                continue;
            }
            let name = key.0;
            let distinct = self.distinct.get(&name).copied().unwrap_or(0);
            let now = if more { distinct + 1 } else { distinct.saturating_sub(1) };
            turned |= (distinct > SHARED_VALUES_MAX) != (now > SHARED_VALUES_MAX);
            if now == 0 {
                self.distinct.remove(&name);
            } else {
                self.distinct.insert(name, now);
            }
        }
        turned
    }

    /// What an instance has in common with others. All of [`InstanceInfo`] that a decision may look at a class for must
    /// be in it.
    fn class_for(&self, info: &InstanceInfo) -> ClassId {
        let mut hasher = SipHasher13::new();
        let mut write = |bytes: &[u8]| {
            hasher.write(&bytes.len().to_le_bytes());
            hasher.write(bytes);
        };
        for (name, value) in info.attributes.iter().filter(|(name, _)| !self.is_personal(name)) {
            write(name.as_bytes());
            write(&[u8::from(value.is_some())]);
            write(value.as_deref().unwrap_or_default().as_bytes());
        }
        if !self.versions_are_personal() {
            write(info.agent_version.as_bytes());
        }
        write(&info.serves.code().to_le_bytes());
        write(info.capacity_provider.as_deref().unwrap_or_default().as_bytes());
        ClassId(hasher.finish128().as_u128().max(1))
    }

    fn seat_for(&self, row: &InstanceRow) -> Seat {
        Seat {
            post: Post { class: self.class_for(&row.info), open: row.takes_tasks() },
            active: row.status == InstanceStatus::Active,
            room: Room { cpu: row.remaining.cpu, memory_mib: row.remaining.memory_mib },
        }
    }

    fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.groups.is_empty()
    }
}

impl State {
    /// The instances of a cluster as placement looks for them; `None` where it has none.
    #[must_use]
    pub fn fleet(&self, cluster: ClusterId) -> Option<&Arc<Fleet>> {
        self.index.fleets.get(&cluster)
    }

    /// Follows a row of an instance that was put or removed.
    pub(crate) fn seat_instance(&mut self, key: InstanceKey, old: Option<&InstanceRow>, new: Option<&InstanceRow>) {
        let same_info = old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(&old.info, &new.info));
        let fleet = Arc::make_mut(self.index.fleets.entry(key.cluster).or_default());
        let mut turned = false;
        if !same_info {
            turned |= new.is_some_and(|row| fleet.count_values(&row.info, true));
            turned |= old.is_some_and(|row| fleet.count_values(&row.info, false));
        }
        let mut seated: Vec<(u128, Post, Post)> = Vec::new();
        let mut seat = |fleet: &mut Fleet, id: u128, row: Option<&InstanceRow>| {
            let before = fleet.seats.get(&id).copied();
            let after = row.map(|row| match before {
                Some(known) if same_info && !turned => Seat {
                    post: Post { class: known.post.class, open: row.takes_tasks() },
                    active: row.status == InstanceStatus::Active,
                    room: Room { cpu: row.remaining.cpu, memory_mib: row.remaining.memory_mib },
                },
                _ => fleet.seat_for(row),
            });
            if before == after {
                return;
            }
            if let Some(before) = before {
                fleet.leave(id, before);
            }
            if let Some(after) = after {
                fleet.enter(id, after);
            }
            let post = |seat: Option<Seat>| seat.map(|seat| seat.post).unwrap_or_default();
            if post(before) != post(after) {
                seated.push((id, post(before), post(after)));
            }
        };
        seat(fleet, key.id, new);
        if turned {
            let all = InstanceKey { id: 0, ..key }..=InstanceKey { id: u128::MAX, ..key };
            self.instances.range(all).for_each(|row| seat(fleet, row.key.id, Some(row)));
        }
        for (id, from, to) in seated {
            let on = InstanceKey { id, ..key };
            let tasks = self.index.tasks_by_instance.range((on, false, 0)..=(on, false, u128::MAX));
            let rows =
                tasks.filter_map(|((_, _, id), cluster)| self.tasks.get(&TaskKey { cluster: *cluster, id: *id }));
            let groups: std::collections::BTreeSet<Arc<str>> =
                rows.filter(|row| row.counts_for_placement()).map(|row| row.placement_group()).collect();
            for group in groups {
                fleet.groups.move_host(&group, id, from, to);
            }
        }
        if fleet.is_empty() {
            self.index.fleets.remove(&key.cluster);
        }
    }

    /// Follows a row of a task that was put or removed.
    pub(crate) fn count_in_group(&mut self, old: Option<&TaskRow>, new: Option<&TaskRow>) {
        let counts =
            |row: Option<&TaskRow>| row.is_some_and(|row| row.instance.is_some() && row.counts_for_placement());
        let Some(row) = new.or(old).filter(|_| counts(old) != counts(new)) else { return };
        let Some(InstanceKey { cluster, id }) = row.instance_key() else { return };
        let fleet = Arc::make_mut(self.index.fleets.entry(cluster).or_default());
        fleet.count(&row.placement_group(), id, counts(new));
        if fleet.is_empty() {
            self.index.fleets.remove(&cluster);
        }
    }
}
