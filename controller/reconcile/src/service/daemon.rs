//! Services of type DAEMON (ecs-semantics §2.3): one task on each ACTIVE instance that meets the constraints, the first to
//! be placed when an instance joins, the last to be stopped when it drains.
//!
//! [`decide`] is a function of seats, slots and bounds; [`Seats::of`] gathers what it looks at. Each instance is a seat:
//! there is nothing to choose, only whether it is time.

use std::collections::{BTreeMap, BTreeSet};

use drydock_model::status::{InstanceStatus, ServiceStatus};
use drydock_state::row::{DefinitionRow, InstanceRow, ServiceRow};
use drydock_state::{InstanceKey, ServiceKey, State};

use super::rolling::{Generation, Moves, Shape, Slot, Stage, Why};
use super::roster::Roster;
use crate::desk::Desk;
use crate::instance;
use crate::place::Members;

/// An instance as a DAEMON service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Its id.
    pub instance: u128,
    /// What it is to the service.
    pub standing: Standing,
    /// A task of the service is on it that isn't STOPPED.
    pub occupied: bool,
    /// Its tasks of this service that are RUNNING or before it, by their place among the slots.
    pub slots: Vec<usize>,
}

/// What an instance is to a DAEMON service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It should have a task.
    Wanted,
    /// It is ACTIVE and doesn't meet the constraints, or lacks an attribute.
    Unfit,
    /// It drains, and other tasks than those of DAEMON services are still on it.
    Draining,
    /// It drains, and has nothing but tasks of DAEMON services.
    Emptied,
    /// Its agent is away for so long that its tasks are given up: neither wanted nor told anything.
    Lost,
}

/// The seats of a service.
pub(super) struct Seats(Vec<Seat>);

impl Seats {
    /// Those that should have a task, and those that have one.
    pub(super) fn of(desk: &Desk<'_>, service: &ServiceRow, roster: &Roster<'_>) -> Self {
        let mut slots: BTreeMap<u128, Vec<usize>> = BTreeMap::new();
        for (at, slot) in roster.slots.iter().enumerate() {
            slots.entry(slot.instance).or_default().push(at);
        }
        let occupied = occupied(desk.view, service.key);
        let definition = definition(desk.view, service);
        let members = definition.map(|definition| Members::of(definition, service));
        let admits = |row: &InstanceRow| members.as_ref().is_some_and(|members| members.admit(desk.view, row));
        let instances = desk.view.instances(service.key.cluster);
        let seats = instances.filter(|row| row.status != InstanceStatus::Inactive && row.is_container_instance());
        let seats = seats.map(|row| Seat {
            instance: row.key.id,
            standing: standing(
                desk.view,
                definition.filter(|_| admits(row)),
                (row, desk.status(row)),
                instance::is_lost(row, desk.now) && !desk.is_spared(row.key),
            ),
            occupied: occupied.contains(&row.key.id),
            slots: slots.remove(&row.key.id).unwrap_or_default(),
        });
        Self(seats.filter(|seat| seat.standing == Standing::Wanted || seat.occupied).collect())
    }

    /// How many instances should have a task: what the service shows as its desired count.
    pub(super) fn wanted(&self) -> u32 {
        u32::try_from(self.0.iter().filter(|seat| seat.standing == Standing::Wanted).count()).unwrap_or(u32::MAX)
    }

    /// Each of them has a healthy task of the target revision.
    pub(super) fn are_ready(&self, slots: &[Slot<'_>]) -> bool {
        self.all_wanted(slots, |slot| slot.generation == Generation::Target && slot.stage == Stage::Healthy)
    }

    /// A task of another revision is on an instance that should have one. One that drains keeps its task to the last.
    pub(super) fn have_others(&self, slots: &[Slot<'_>]) -> bool {
        let wanted = self.0.iter().filter(|seat| seat.standing == Standing::Wanted);
        wanted.flat_map(|seat| &seat.slots).any(|at| slots[*at].generation != Generation::Target)
    }

    fn all_wanted(&self, slots: &[Slot<'_>], good: impl Fn(&Slot<'_>) -> bool) -> bool {
        let mut wanted = self.0.iter().filter(|seat| seat.standing == Standing::Wanted);
        wanted.all(|seat| match seat.slots[..] {
            [at] => good(&slots[at]) && !slots[at].stopping,
            _ => false,
        })
    }

    pub(super) fn decide(&self, shape: Shape, slots: &[Slot<'_>]) -> (Moves, Vec<Start>) {
        decide(shape, &self.0, slots)
    }
}

/// A task to start on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Where.
    pub instance: u128,
    /// Of which revision: Target or Source.
    pub generation: Generation,
}

/// Decides: which tasks stop and where new ones start. `shape.desired` is the number of instances that are wanted.
#[must_use]
pub fn decide(shape: Shape, seats: &[Seat], slots: &[Slot<'_>]) -> (Moves, Vec<Start>) {
    let mut moves = Moves::default();
    for seat in seats.iter().filter(|seat| seat.standing != Standing::Wanted) {
        leave(seat, slots, &mut moves);
    }
    let mut ledger = Ledger::new(shape, seats, slots);
    let mut starts = ledger.starts(seats);
    let may_start = usize::try_from(shape.launches).unwrap_or(usize::MAX);
    moves.late = u32::try_from(starts.len().saturating_sub(may_start)).unwrap_or(u32::MAX);
    starts.truncate(may_start);
    // What is still stopping will want a launch, too.
    let free = (may_start - starts.len()).saturating_sub(usize::try_from(ledger.stopping).unwrap_or(usize::MAX));
    ledger.stop_old(free, &mut moves);
    if starts.is_empty() {
        ledger.stop_one_unhealthy(&mut moves);
    }
    let idle = ledger.under_way == 0 && ledger.stopping == 0 && starts.is_empty() && moves.late == 0;
    moves.deadlock = moves.held > 0 && idle && moves.guarded == 0;
    (moves, starts)
}

/// An unhealthy task to stop although tasks are to start: none of them found room, so that nothing would ever end this.
pub(super) fn relieve(shape: Shape, seats: &Seats, slots: &[Slot<'_>], moves: &mut Moves) {
    if moves.stop.is_empty() {
        Ledger::new(shape, &seats.0, slots).stop_one_unhealthy(moves);
    }
}

/// Tasks of the target revision that stay.
pub(super) fn targets(slots: &[Slot<'_>], moves: &Moves) -> u32 {
    let goes = |at: usize| slots[at].stopping || moves.stop.iter().any(|(stopped, _)| *stopped == at);
    let stay = (0..slots.len()).filter(|at| !is_old(&slots[*at]) && !goes(*at)).count();
    u32::try_from(stay).unwrap_or(u32::MAX)
}

/// Lets tasks serve on that were to make room for the target revision: it has as many as may be there now.
pub(super) fn spare(slots: &[Slot<'_>], moves: &mut Moves) {
    let serves = |slot: &Slot<'_>| is_old(slot) && matches!(slot.stage, Stage::Warming | Stage::Healthy);
    moves.stop.retain(|(at, why)| *why != Why::Scaling || !serves(&slots[*at]));
}

/// The tasks of an instance that shouldn't have one.
fn leave(seat: &Seat, slots: &[Slot<'_>], moves: &mut Moves) {
    for at in seat.slots.iter().copied().filter(|at| !slots[*at].stopping) {
        let slot = &slots[at];
        let why = match seat.standing {
            Standing::Unfit => Why::Unfit,
            Standing::Emptied => Why::Draining,
            Standing::Draining if slot.stage == Stage::Starting => Why::Draining,
            Standing::Draining | Standing::Lost | Standing::Wanted => continue,
        };
        if why == Why::Draining && slot.protected && slot.stage != Stage::Unhealthy {
            moves.guarded += 1;
        } else {
            moves.stop.push((at, why));
        }
    }
}

/// Counts over the tasks on wanted instances.
struct Ledger<'a, 'b> {
    shape: Shape,
    slots: &'b [Slot<'a>],
    /// Places of those that aren't being stopped, the least ready first.
    standing: Vec<usize>,
    healthy: u32,
    warming_leavers: u32,
    under_way: u32,
    stopping: u32,
}

fn is_old(slot: &Slot<'_>) -> bool {
    slot.generation != Generation::Target
}

impl<'a, 'b> Ledger<'a, 'b> {
    fn new(shape: Shape, seats: &[Seat], slots: &'b [Slot<'a>]) -> Self {
        let wanted = || seats.iter().filter(|seat| seat.standing == Standing::Wanted);
        let mut standing: Vec<usize> = wanted().flat_map(|seat| seat.slots.iter().copied()).collect();
        standing.retain(|at| !slots[*at].stopping);
        standing.sort_by_key(|at| (slots[*at].stage, slots[*at].tie));
        let count = |of: &dyn Fn(&Slot<'_>) -> bool| {
            u32::try_from(standing.iter().filter(|at| of(&slots[**at])).count()).unwrap_or(u32::MAX)
        };
        let leaving = |seat: &&Seat| seat.occupied && seat.slots.iter().all(|at| slots[*at].stopping);
        Self {
            shape,
            slots,
            healthy: count(&|slot| slot.stage == Stage::Healthy),
            warming_leavers: count(&|slot| is_old(slot) && slot.stage == Stage::Warming),
            under_way: count(&|slot| matches!(slot.stage, Stage::Starting | Stage::Warming)),
            stopping: u32::try_from(wanted().filter(leaving).count()).unwrap_or(u32::MAX),
            standing,
        }
    }

    fn stop(&mut self, at: usize, why: Why, moves: &mut Moves) {
        let slot = &self.slots[at];
        self.healthy -= u32::from(slot.stage == Stage::Healthy);
        self.warming_leavers -= u32::from(is_old(slot) && slot.stage == Stage::Warming);
        self.under_way -= u32::from(matches!(slot.stage, Stage::Starting | Stage::Warming));
        self.stopping += 1;
        self.standing.retain(|standing| *standing != at);
        moves.stop.push((at, why));
    }

    /// Tasks of other revisions make room for those of the target, down to the healthy minimum: for as many as may be
    /// launched then.
    fn stop_old(&mut self, launches: usize, moves: &mut Moves) {
        if !self.shape.target_may_start || !self.shape.target_replaces {
            return;
        }
        let before = moves.stop.len();
        for at in self.standing.clone() {
            let slot = &self.slots[at];
            let may = match slot.stage {
                _ if !is_old(slot) => continue,
                Stage::Warming | Stage::Healthy if self.targets() >= self.shape.target_at_most => continue,
                Stage::Warming | Stage::Healthy if moves.stop.len() >= before + launches => {
                    moves.late += 1;
                    continue;
                }
                Stage::Starting | Stage::Unhealthy => true,
                Stage::Warming => self.healthy + self.warming_leavers > self.shape.lower,
                Stage::Healthy => self.healthy > self.shape.lower,
            };
            if slot.protected && slot.stage != Stage::Unhealthy {
                moves.guarded += 1;
            } else if may {
                let why = if slot.stage == Stage::Unhealthy { Why::Unhealthy } else { Why::Scaling };
                self.stop(at, why, moves);
            } else {
                moves.held += 1;
            }
        }
    }

    /// Tasks of the target revision that are there, and seats that are being left for one.
    fn targets(&self) -> u32 {
        let standing = self.standing.iter().filter(|at| !is_old(&self.slots[**at])).count();
        u32::try_from(standing).unwrap_or(u32::MAX).saturating_add(self.stopping)
    }

    /// There is no room for a replacement first, so unhealthy tasks go one at a time.
    fn stop_one_unhealthy(&mut self, moves: &mut Moves) {
        let unhealthy = self.standing.iter().find(|at| self.slots[**at].stage == Stage::Unhealthy).copied();
        if let Some(at) = unhealthy.filter(|_| self.stopping == 0 && self.under_way == 0) {
            self.stop(at, Why::Unhealthy, moves);
        }
    }

    /// On each wanted instance without any task of the service. Where the target may not start, the last revision that
    /// served fills the healthy minimum.
    fn starts(&self, seats: &[Seat]) -> Vec<Start> {
        let fills = |at: &&usize| {
            let slot = &self.slots[**at];
            slot.generation == Generation::Source && slot.stage == Stage::Starting
        };
        let filling = u32::try_from(self.standing.iter().filter(fills).count()).unwrap_or(u32::MAX);
        let serving = self.healthy + self.warming_leavers;
        let mut hold = self.shape.lower.saturating_sub(serving.saturating_add(filling));
        let empty = seats.iter().filter(|seat| seat.standing == Standing::Wanted && !seat.occupied);
        let mut starts = Vec::new();
        for seat in empty {
            let generation = if self.shape.target_may_start {
                Generation::Target
            } else if self.shape.source_may_start && hold > 0 {
                hold -= 1;
                Generation::Source
            } else {
                continue;
            };
            starts.push(Start { instance: seat.instance, generation });
        }
        starts
    }
}

/// Whether a change of an instance concerns a DAEMON service of its cluster: it should have a task and hasn't, or the
/// other way round, or the service isn't steady anyway.
pub(crate) fn concerned(view: &State, key: InstanceKey) -> Vec<ServiceKey> {
    let Some(row) = view.instance(key) else { return Vec::new() };
    let concerns = |service: &&ServiceRow| {
        let lost = instance::is_lost(row, view.now());
        let wanted = standing(view, definition(view, service), (row, row.status), lost) == Standing::Wanted;
        let occupied = view.live_tasks_on(key).any(|task| task.service.is_some_and(|of| of.service == service.key));
        wanted != occupied || !service.progress.steady
    };
    view.daemon_services(key.cluster).map(|row| &**row).filter(concerns).map(|row| row.key).collect()
}

/// Whether daemon tasks go before those of this service.
pub(crate) fn goes_first(view: &State, key: ServiceKey) -> bool {
    view.service(key).is_some_and(|row| row.status == ServiceStatus::Active && row.is_daemon())
}

fn occupied(view: &State, service: ServiceKey) -> BTreeSet<u128> {
    view.live_tasks_of(service).filter_map(|task| task.instance).collect()
}

fn definition<'a>(view: &'a State, service: &ServiceRow) -> Option<&'a DefinitionRow> {
    let revision = view.revision(service.target_key())?;
    view.definition(&revision.definition).map(|row| &**row)
}

/// `definition`: unset where the instance doesn't meet the constraints. `lost`: its tasks are given up.
fn standing(
    view: &State,
    definition: Option<&DefinitionRow>,
    (row, status): (&InstanceRow, InstanceStatus),
    lost: bool,
) -> Standing {
    let fits = definition.is_some_and(|definition| row.has_attributes(&definition.document.requires_attributes));
    let is_daemon = |service: ServiceKey| view.service(service).is_some_and(|row| row.is_daemon());
    match status {
        InstanceStatus::Active if lost => Standing::Lost,
        InstanceStatus::Active if fits => Standing::Wanted,
        InstanceStatus::Active => Standing::Unfit,
        _ if view.live_tasks_on(row.key).all(|task| task.service.is_some_and(|of| is_daemon(of.service))) => {
            Standing::Emptied
        }
        _ => Standing::Draining,
    }
}
