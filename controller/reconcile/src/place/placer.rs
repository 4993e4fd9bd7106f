//! The search for an instance, for one ask again and again: `count` tasks of a RunTask, the tasks that a service starts.
//!
//! A chain of strategies is a narrowing: each leaves those that it holds best among those that the one before left. What
//! is left is never listed. It is a set of classes, bounds on CPU and memory, and how many tasks of the group the
//! instance may hold ([`Narrow`]); whether anything is left is one search in a tree.
//!
//! What was seen to be unfit is never looked at again by the same placer: room only shrinks, and what an instance says of
//! itself doesn't change within a step. Only a spread by a personal attribute looks at all instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::rebalancing::ZONE;
use drydock_state::fleet::tree::{Room, Spot};
use drydock_state::fleet::{ClassId, Fleet as Index};
use drydock_state::row::InstanceRow;

use super::ask::{Ask, Strategy};
use super::explain::Unplaced;
use super::fleet::{ClassSubjects, Fleet};

/// A search for one ask.
pub(crate) struct Placer<'f> {
    ask: &'f Ask<'f>,
    /// Classes some of whose instances may take the task.
    classes: Vec<Candidate>,
    /// The index less what is unfit for good.
    fit: Index,
    /// The same less the instances that hold tasks of the group, as far as they were met.
    free: Index,
    /// One a strategy.
    spreads: Vec<Counts>,
    /// How much of [`Fleet::placed`] it has seen.
    seen: usize,
    /// What the last placement found unfit in the trees of `free` (true) or of `fit`.
    passed: Vec<(bool, ClassId, u128, Room)>,
    /// Once none takes the task, none will.
    failed: Option<Unplaced>,
}

struct Candidate {
    id: ClassId,
    /// Every instance of it meets what is asked of its attributes; else each is asked.
    certain: bool,
}

/// How many tasks of the group have a value of the attribute that a strategy spreads by.
enum Counts {
    /// The strategy isn't a spread by an attribute.
    None,
    /// Of an attribute that classes have in common.
    Shared { values: BTreeMap<ClassId, Value>, tasks: BTreeMap<Value, u32> },
    /// Of a personal one.
    Personal { name: Arc<str>, tasks: BTreeMap<Value, u32> },
}

type Value = Option<Arc<str>>;

/// What the strategies so far have left.
#[derive(Clone)]
struct Narrow {
    /// Places in [`Placer::classes`].
    classes: Vec<usize>,
    /// Exactly so much CPU left.
    cpu: Option<u32>,
    /// Exactly so much memory left.
    memory: Option<u32>,
    /// Exactly so many tasks of the group on the instance.
    tasks: Option<u32>,
    /// Exactly so many tasks at the value of a personal attribute: which strategy, how many.
    personal: Vec<(usize, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The least CPU first.
    Cpu,
    /// The least memory first.
    Memory,
    /// Going round from a place that the seed chose.
    Round(u128),
}

impl<'f> Placer<'f> {
    pub(crate) fn new(ask: &'f Ask<'f>, fleet: &Fleet<'_>) -> Self {
        let classes = fleet.index.classes().filter_map(|(id, class)| {
            let row = class.example().and_then(|example| fleet.row(example))?;
            Some(Candidate { id, certain: suits(ask, fleet, row)? })
        });
        Self {
            ask,
            classes: classes.collect(),
            fit: fleet.index.clone(),
            free: fleet.index.clone(),
            spreads: ask.strategies.iter().map(|strategy| Counts::new(strategy, ask, fleet)).collect(),
            seen: fleet.placed.len(),
            passed: Vec::new(),
            failed: None,
        }
    }

    /// Places one task: takes its resources in the fleet and counts it there. `turn` chooses among equals.
    ///
    /// # Errors
    /// Why no instance takes it.
    pub(crate) fn place(&mut self, fleet: &mut Fleet<'_>, turn: u128) -> Result<u128, Unplaced> {
        if let Some(why) = &self.failed {
            return Err(why.clone());
        }
        self.pass_over();
        self.catch_up(fleet);
        // `choose` saw that it fits.
        let chosen = self.choose(fleet, turn).filter(|id| fleet.take(*id, self.ask.needs, &self.ask.group).is_ok());
        chosen.ok_or_else(|| {
            let why = fleet.explain(self.ask);
            self.failed = Some(why.clone());
            why
        })
    }

    /// Takes those out of the trees that the last placement found unfit: they never fit again. A placement that is the last
    /// one needn't.
    fn pass_over(&mut self) {
        for (free, class, id, room) in self.passed.drain(..) {
            let index = if free { &mut self.free } else { &mut self.fit };
            index.pass_over(class, id, room);
        }
    }

    /// Notes what was placed since, by this placer or by others.
    fn catch_up(&mut self, fleet: &Fleet<'_>) {
        for (instance, group) in &fleet.placed[self.seen..] {
            let room = fleet.index.room(*instance).unwrap_or_default();
            for index in [&mut self.fit, &mut self.free] {
                index.set_room(*instance, room);
                index.add_task(group, *instance);
            }
            if *group == self.ask.group {
                let class = self.fit.class_of(*instance).unwrap_or_default();
                self.spreads.iter_mut().for_each(|counts| counts.add(fleet, class, *instance));
            }
        }
        self.seen = fleet.placed.len();
    }

    fn choose(&mut self, fleet: &Fleet<'_>, turn: u128) -> Option<u128> {
        let mut narrow = Narrow {
            classes: (0..self.classes.len()).collect(),
            cpu: None,
            memory: None,
            tasks: self.ask.distinct.then_some(0),
            personal: Vec::new(),
        };
        let ask = self.ask;
        for (at, strategy) in ask.strategies.iter().enumerate() {
            match strategy {
                Strategy::Random => break,
                Strategy::SpreadInstance => self.narrow_by_instance(fleet, &mut narrow, turn)?,
                Strategy::SpreadAttribute(_) => self.narrow_by_attribute(fleet, at, &mut narrow, turn)?,
                Strategy::BinpackCpu => self.narrow_by_least(fleet, Order::Cpu, &mut narrow)?,
                Strategy::BinpackMemory => self.narrow_by_least(fleet, Order::Memory, &mut narrow)?,
            }
        }
        self.pick(fleet, &narrow, turn)
    }

    /// Any of what is left: a place among all instances of its classes is drawn, and the first fit one from there on taken.
    fn pick(&mut self, fleet: &Fleet<'_>, narrow: &Narrow, turn: u128) -> Option<u128> {
        let sizes: Vec<usize> = narrow.classes.iter().map(|at| self.size(*at)).collect();
        let mut drawn = remainder(turn, sizes.iter().sum());
        let mut start = 0;
        for (at, size) in sizes.iter().enumerate() {
            start = at;
            if drawn < *size {
                break;
            }
            drawn -= size;
        }
        let (before, from) = narrow.classes.split_at(start);
        let mut order = from.iter().chain(before);
        order.find_map(|at| self.find(fleet, *at, narrow, Order::Round(turn >> 32)))
    }

    fn size(&self, at: usize) -> usize {
        self.fit.class(self.classes[at].id).map_or(0, |class| class.by_cpu().len())
    }

    /// The values with the fewest tasks of the group at which any instance is left.
    fn narrow_by_attribute(
        &mut self,
        fleet: &Fleet<'_>,
        strategy: usize,
        narrow: &mut Narrow,
        turn: u128,
    ) -> Option<()> {
        let Some(counts) = self.spreads.get(strategy) else { return Some(()) };
        if matches!(counts, Counts::Personal { .. }) {
            return self.narrow_by_personal(fleet, strategy, narrow);
        }
        let mut levels: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for at in &narrow.classes {
            levels.entry(counts.in_class(self.classes[*at].id)).or_default().push(*at);
        }
        for classes in levels.into_values() {
            if classes.iter().any(|at| self.find(fleet, *at, narrow, Order::Round(turn)).is_some()) {
                narrow.classes = classes;
                return Some(());
            }
        }
        None
    }

    /// Looks at every instance that is left.
    fn narrow_by_personal(&mut self, fleet: &Fleet<'_>, strategy: usize, narrow: &mut Narrow) -> Option<()> {
        let mut least: Option<u32> = None;
        for at in narrow.classes.clone() {
            let mut spots = Vec::new();
            self.fit.class(self.classes[at].id)?.by_cpu().for_each(&mut |spot, _| spots.push(spot));
            for spot in spots {
                let count = self.spreads[strategy].at_instance(fleet, spot.id);
                let room = Room { cpu: spot.first, memory_mib: spot.second };
                if least.is_none_or(|least| count < least) && self.is_left(fleet, at, narrow, spot.id, room) {
                    least = Some(count);
                }
            }
        }
        narrow.personal.push((strategy, least?));
        Some(())
    }

    /// The instances with the fewest tasks of the group.
    fn narrow_by_instance(&mut self, fleet: &Fleet<'_>, narrow: &mut Narrow, turn: u128) -> Option<()> {
        if narrow.tasks.is_some() {
            return Some(());
        }
        let free = Narrow { tasks: Some(0), ..narrow.clone() };
        if narrow.classes.iter().any(|at| self.find(fleet, *at, &free, Order::Round(turn)).is_some()) {
            narrow.tasks = Some(0);
            return Some(());
        }
        let mut fewest: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for at in narrow.classes.clone() {
            if let Some(count) = self.fewest(fleet, at, narrow) {
                fewest.entry(count).or_default().push(at);
            }
        }
        let (count, classes) = fewest.pop_first()?;
        (narrow.tasks, narrow.classes) = (Some(count), classes);
        Some(())
    }

    /// The fewest tasks of the group, at least one, that any instance of a class has that is left.
    fn fewest(&mut self, fleet: &Fleet<'_>, at: usize, narrow: &Narrow) -> Option<u32> {
        let class = self.classes[at].id;
        let mut unfit = Vec::new();
        let mut hosts = self.fit.hosts_by_count(&self.ask.group, class, 1);
        let found = hosts.find_map(|(count, id)| {
            let room = self.fit.room(id).unwrap_or_default();
            if !self.is_fit(fleet, at, id, room) {
                unfit.push((count, id));
            } else if self.is_within(fleet, narrow, id, room) {
                return Some(count);
            }
            None
        });
        drop(hosts);
        for (count, id) in unfit {
            self.fit.pass_over_host(&self.ask.group, class, count, id);
        }
        found
    }

    /// The least CPU, or the least memory, that any instance has left.
    fn narrow_by_least(&mut self, fleet: &Fleet<'_>, order: Order, narrow: &mut Narrow) -> Option<()> {
        let mut least: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for at in narrow.classes.clone() {
            let Some(id) = self.find(fleet, at, narrow, order) else { continue };
            let room = self.fit.room(id).unwrap_or_default();
            least.entry(if order == Order::Cpu { room.cpu } else { room.memory_mib }).or_default().push(at);
        }
        let (amount, classes) = least.pop_first()?;
        if order == Order::Cpu {
            narrow.cpu = Some(amount);
        } else {
            narrow.memory = Some(amount);
        }
        narrow.classes = classes;
        Some(())
    }

    /// An instance of a class that is left.
    fn find(&mut self, fleet: &Fleet<'_>, at: usize, narrow: &Narrow, order: Order) -> Option<u128> {
        let class = self.classes[at].id;
        match narrow.tasks {
            Some(0) if is_taken_up(fleet, &self.ask.group, class) => None,
            Some(0) => self.find_in_tree(fleet, at, narrow, order, true),
            Some(count) => self.find_among_hosts(fleet, at, narrow, order, count),
            None => self.find_in_tree(fleet, at, narrow, order, false),
        }
    }

    fn find_in_tree(
        &mut self,
        fleet: &Fleet<'_>,
        at: usize,
        narrow: &Narrow,
        order: Order,
        free: bool,
    ) -> Option<u128> {
        let (ask, class) = (self.ask, self.classes[at].id);
        let index = if free { &self.free } else { &self.fit };
        let by_memory = narrow.memory.is_some() || order == Order::Memory;
        let tree = if by_memory { index.class(class)?.by_memory() } else { index.class(class)?.by_cpu() };
        let (exact, least) =
            if by_memory { (narrow.memory, ask.needs.memory_mib) } else { (narrow.cpu, ask.needs.cpu) };
        let low = Spot { first: exact.unwrap_or(least), second: 0, id: 0 };
        let high = Spot { first: exact.unwrap_or(u32::MAX), second: u32::MAX, id: u128::MAX };
        let mut unfit = Vec::new();
        let mut accepts = |spot: Spot| {
            let (cpu, memory_mib) = if by_memory { (spot.second, spot.first) } else { (spot.first, spot.second) };
            let room = Room { cpu, memory_mib };
            if (free && self.free.on_instance(&ask.group, spot.id) > 0) || !self.is_fit(fleet, at, spot.id, room) {
                unfit.push((spot.id, room));
                return false;
            }
            self.is_within(fleet, narrow, spot.id, room)
        };
        let needs = Room { cpu: ask.needs.cpu, memory_mib: ask.needs.memory_mib };
        let found = match order {
            Order::Round(turn) => {
                let (from, to) = (tree.rank(low), tree.rank(high));
                let start = tree.nth(from + remainder(turn, to - from)).filter(|start| (low..=high).contains(start));
                start.and_then(|start| {
                    tree.first((start, high), needs, &mut accepts)
                        .or_else(|| tree.first((low, start), needs, &mut accepts))
                })
            }
            Order::Cpu | Order::Memory => tree.first((low, high), needs, &mut accepts),
        };
        self.passed.extend(unfit.into_iter().map(|(id, room)| (free, class, id, room)));
        found.map(|spot| spot.id)
    }

    /// Among the instances that hold so many tasks of the group.
    fn find_among_hosts(
        &self,
        fleet: &Fleet<'_>,
        at: usize,
        narrow: &Narrow,
        order: Order,
        count: u32,
    ) -> Option<u128> {
        let hosts = self.fit.hosts_by_count(&self.ask.group, self.classes[at].id, count);
        let mut left = hosts.take_while(|(of, _)| *of == count).filter_map(|(_, id)| {
            let room = self.fit.room(id).unwrap_or_default();
            self.is_left(fleet, at, narrow, id, room).then_some((room, id))
        });
        match order {
            Order::Round(_) => left.next().map(|(_, id)| id),
            Order::Cpu => left.min_by_key(|(room, _)| room.cpu).map(|(_, id)| id),
            Order::Memory => left.min_by_key(|(room, _)| room.memory_mib).map(|(_, id)| id),
        }
    }

    fn is_left(&self, fleet: &Fleet<'_>, at: usize, narrow: &Narrow, id: u128, room: Room) -> bool {
        let tasks = narrow.tasks.is_none_or(|count| self.fit.on_instance(&self.ask.group, id) == count);
        tasks && self.is_within(fleet, narrow, id, room) && self.is_fit(fleet, at, id, room)
    }

    /// Whether the strategies so far have left an instance, but for its tasks.
    fn is_within(&self, fleet: &Fleet<'_>, narrow: &Narrow, id: u128, room: Room) -> bool {
        narrow.cpu.is_none_or(|cpu| cpu == room.cpu)
            && narrow.memory.is_none_or(|memory| memory == room.memory_mib)
            && narrow.personal.iter().all(|(at, count)| self.spreads[*at].at_instance(fleet, id) == *count)
    }

    /// Whether an instance takes the task. One that doesn't never will.
    fn is_fit(&self, fleet: &Fleet<'_>, at: usize, id: u128, room: Room) -> bool {
        let needs = self.ask.needs;
        let holds = room.holds(Room { cpu: needs.cpu, memory_mib: needs.memory_mib });
        let distinct = self.ask.distinct && self.fit.on_instance(&self.ask.group, id) > 0;
        if !holds || distinct {
            return false;
        }
        let by_room_alone = needs.gpus + needs.interfaces == 0 && needs.tcp.is_empty() && needs.udp.is_empty();
        if by_room_alone && self.classes[at].certain {
            return true;
        }
        let Some(row) = fleet.row(id) else { return false };
        let fits = by_room_alone || fleet.left(row).fits(needs).is_ok();
        fits && (self.classes[at].certain || meets(self.ask, fleet, row))
    }
}

/// Whether every instance of a class meets what is asked of its attributes: all (`true`), some perhaps (`false`), or none.
pub(super) fn suits(ask: &Ask<'_>, fleet: &Fleet<'_>, example: &InstanceRow) -> Option<bool> {
    if !ask.pool.has(example) {
        return None;
    }
    let mut certain = ask.is_anywhere() || !fleet.index.is_personal(ZONE);
    if certain && !(ask.is_in_zone(example) && ask.is_in_reach(example)) {
        return None;
    }
    if let Some(definition) = ask.requires {
        let required = &definition.document.requires_attributes;
        let personal = |name: &str| fleet.index.is_personal(name);
        if example.missing_attributes(required).any(|lack| !personal(lack.name.as_deref().unwrap_or_default())) {
            return None;
        }
        certain &= !required.iter().any(|one| personal(one.name.as_deref().unwrap_or_default()));
    }
    let of = ClassSubjects { index: &fleet.index, row: example };
    for member in &ask.member_of {
        match member.expression.as_ref()?.holds(&of) {
            Some(true) => {}
            Some(false) => return None,
            None => certain = false,
        }
    }
    Some(certain)
}

/// Whether each instance of a class that takes tasks holds one of the group.
fn is_taken_up(fleet: &Fleet<'_>, group: &Arc<str>, class: ClassId) -> bool {
    let open = fleet.index.class(class).map_or(0, |class| class.by_cpu().len());
    usize::try_from(fleet.index.open_hosts(group, class)).is_ok_and(|held| held >= open)
}

/// Whether one instance does.
pub(super) fn meets(ask: &Ask<'_>, fleet: &Fleet<'_>, row: &InstanceRow) -> bool {
    let required = ask.requires.map_or(&[][..], |definition| &definition.document.requires_attributes);
    ask.is_in_zone(row) && ask.is_in_reach(row) && row.has_attributes(required) && fleet.constraint(ask, row).is_none()
}

fn value_of(row: Option<&InstanceRow>, name: &str) -> Value {
    row.and_then(|row| row.attribute(name)).cloned()
}

impl Counts {
    fn new(strategy: &Strategy, ask: &Ask<'_>, fleet: &Fleet<'_>) -> Self {
        let Strategy::SpreadAttribute(name) = strategy else { return Self::None };
        let mut tasks: BTreeMap<Value, u32> = BTreeMap::new();
        if fleet.index.is_personal(name) {
            for (instance, count) in fleet.index.hosts(&ask.group) {
                *tasks.entry(value_of(fleet.row(instance), name)).or_default() += count;
            }
            return Self::Personal { name: Arc::clone(name), tasks };
        }
        let mut values = BTreeMap::new();
        for (id, class) in fleet.index.classes() {
            let value = value_of(class.example().and_then(|example| fleet.row(example)), name);
            *tasks.entry(value.clone()).or_default() += fleet.index.in_class(&ask.group, id);
            values.insert(id, value);
        }
        Self::Shared { values, tasks }
    }

    fn in_class(&self, class: ClassId) -> u32 {
        match self {
            Self::Shared { values, tasks } => {
                values.get(&class).and_then(|value| tasks.get(value)).copied().unwrap_or(0)
            }
            Self::None | Self::Personal { .. } => 0,
        }
    }

    fn at_instance(&self, fleet: &Fleet<'_>, instance: u128) -> u32 {
        match self {
            Self::Personal { name, tasks } => tasks.get(&value_of(fleet.row(instance), name)).copied().unwrap_or(0),
            Self::None | Self::Shared { .. } => 0,
        }
    }

    fn add(&mut self, fleet: &Fleet<'_>, class: ClassId, instance: u128) {
        match self {
            Self::None => {}
            Self::Shared { values, tasks } => {
                let value = values.get(&class).cloned().unwrap_or_default();
                *tasks.entry(value).or_default() += 1;
            }
            Self::Personal { name, tasks } => {
                *tasks.entry(value_of(fleet.row(instance), name)).or_default() += 1;
            }
        }
    }
}

/// A place of `0..len` chosen by `turn`; 0 where there is none.
fn remainder(turn: u128, len: usize) -> usize {
    let len = u128::try_from(len.max(1)).unwrap_or(1);
    usize::try_from(turn % len).unwrap_or(0)
}
