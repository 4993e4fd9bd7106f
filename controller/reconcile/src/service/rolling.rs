//! The arithmetic of a rolling service (ecs-semantics §2.3): which tasks start, which stop, and what forbids both.
//!
//! A pure function of counts and slots: it knows neither instances' resources nor the state's tables. `upper` bounds
//! starting, `lower` bounds stopping; neither is ever crossed by an act of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_model::capacity::Surplus;

use crate::capacity::sharing::Share;

/// How far a task is on its way to counting as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not RUNNING yet.
    Starting,
    /// Fails its health checks, and its grace period is over.
    Unhealthy,
    /// RUNNING, but neither HEALTHY nor long enough there to count.
    Warming,
    /// Counts towards the healthy minimum.
    Healthy,
}

/// Which revision a task belongs to, as its service sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// A revision that never reached its count: nothing of it is kept alive on purpose.
    Abandoned,
    /// The revision that last served in full: what dies of it is replaced while the minimum isn't met.
    Source,
    /// The revision that the service goes to.
    Target,
}

/// One task of the service whose `lastStatus` is RUNNING or before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<'a> {
    /// Its revision.
    pub generation: Generation,
    /// Its progress.
    pub stage: Stage,
    /// Its instance takes no tasks any more and wants it gone (DRAINING).
    pub displaced: bool,
    /// Its `desiredStatus` is STOPPED already.
    pub stopping: bool,
    /// Scale-in protection holds: neither scale-in, nor a deployment, nor a DRAINING instance stops it; its health does.
    pub protected: bool,
    /// Zone of its instance.
    pub zone: &'a str,
    /// Its instance.
    pub instance: u128,
    /// What the placement strategies say, the first the most. Empty without any.
    pub ranks: Vec<Rank>,
    /// Its capacity provider's share; none without a capacity provider strategy.
    pub share: Option<Share>,
    /// Breaks ties: a hash of the step's seed and the task's id.
    pub tie: u64,
}

/// What one placement strategy says of a task that may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// It is one of those with this number: where there are the most of one number, one stops first.
    Crowd(u32),
    /// The greatest stops first.
    Most(u32),
}

/// What the service asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// `desiredCount`.
    pub desired: u32,
    /// Healthy tasks that must stay: see [`lower_bound`].
    pub lower: u32,
    /// Tasks that may be there at once: see [`upper_bound`].
    pub upper: u32,
    /// Whether the target revision may start tasks now (false while a back-off holds it, or after it has failed).
    pub target_may_start: bool,
    /// Target tasks that may be there at once: one, while it finds out for the others what its images are.
    pub target_at_most: u32,
    /// Tasks that the service may launch now, of whichever revision: see [`super::launches`].
    pub launches: u32,
    /// Whether healthy tasks of the target revision take the place of others: not once the deployment was given up, and
    /// what it had come to is left as it is.
    pub target_replaces: bool,
    /// Whether a source revision exists whose dead tasks may be replaced now.
    pub source_may_start: bool,
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// More tasks than wanted, or a deployment replaces it.
    Scaling,
    /// It fails its health checks.
    Unhealthy,
    /// Its instance is DRAINING.
    Draining,
    /// Its instance doesn't meet the constraints of its DAEMON service.
    Unfit,
    /// Another has taken its place in a zone that has fewer.
    Rebalancing,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    /// Tasks of the target revision to start.
    pub start_target: u32,
    /// Tasks of the source revision to start.
    pub start_source: u32,
    /// Slots to stop, by their place in the input, first to go first.
    pub stop: Vec<(usize, Why)>,
    /// Tasks of the target revision that are missing and that neither bound allows to start now.
    pub held: u32,
    /// Tasks that are missing and that the service may launch later only. Nothing makes room for them now.
    pub late: u32,
    /// Tasks that would stop now if they weren't protected from scale-in.
    pub guarded: u32,
    /// Nothing can start, nothing can stop, and nothing that is under way will change that: the configuration forbids
    /// the deployment.
    pub deadlock: bool,
}

/// `ceil(desired × minimumHealthyPercent / 100)`.
#[must_use]
pub fn lower_bound(desired: u32, minimum_healthy_percent: u32) -> u32 {
    let scaled = u64::from(desired) * u64::from(minimum_healthy_percent);
    u32::try_from(scaled.div_ceil(100)).unwrap_or(u32::MAX)
}

/// `floor(desired × maximumPercent / 100)`.
#[must_use]
pub fn upper_bound(desired: u32, maximum_percent: u32) -> u32 {
    u32::try_from(u64::from(desired) * u64::from(maximum_percent) / 100).unwrap_or(u32::MAX)
}

/// Decides. `slots` holds every task of the service that is RUNNING or before it, also those being stopped.
#[must_use]
pub fn decide(shape: Shape, slots: &[Slot<'_>]) -> Moves {
    let mut ledger = Ledger::new(shape, slots);
    let mut moves = Moves::default();
    ledger.stop_surplus_targets(&mut moves);
    let hold = ledger.stop_needless_starters(&mut moves);
    let mut room = shape.upper.saturating_sub(ledger.present);
    if shape.source_may_start {
        moves.start_source = hold.min(room).min(shape.launches);
        moves.late = hold.min(room) - moves.start_source;
        room -= moves.start_source;
    }
    let missing = shape.desired.min(shape.target_at_most).saturating_sub(ledger.targets);
    if shape.target_may_start {
        let in_time = missing.min(shape.launches - moves.start_source);
        moves.start_target = in_time.min(room);
        moves.held = in_time - moves.start_target;
        moves.late += missing - in_time;
    }
    ledger.under_way += moves.start_source + moves.start_target;
    let freeing = ledger.stopping;
    ledger.stop_leavers(moves.held.saturating_sub(freeing), &mut moves);
    moves.deadlock = moves.held > 0 && ledger.stopping == 0 && ledger.under_way == 0 && moves.guarded == 0;
    moves
}

/// More tasks to stop because `unplaced` tasks of the target revision found no room on any instance: leavers give
/// theirs up, down to the lower bound (`deploy without additional capacity`). Adds to `moves`.
pub fn make_room(shape: Shape, slots: &[Slot<'_>], unplaced: u32, moves: &mut Moves) {
    let mut ledger = Ledger::new(shape, slots);
    for (at, _) in &moves.stop {
        ledger.stop(*at);
    }
    let freeing = ledger.stopping;
    ledger.stop_leavers(unplaced.saturating_sub(freeing), moves);
}

/// Stops `count` healthy tasks, each in the zone that has the most of those of `zones` that have one without protection.
/// Returns how many found none to stop.
pub(super) fn level(
    shape: Shape,
    slots: &[Slot<'_>],
    zones: &BTreeSet<Arc<str>>,
    count: u32,
    moves: &mut Moves,
) -> u32 {
    let mut ledger = Ledger::new(shape, slots);
    let may_go = |slot: &Slot<'_>| slot.stage == Stage::Healthy && stays(slot) && !slot.protected;
    for stopped in 0..count {
        let candidates = slots.iter().enumerate().filter(|(at, slot)| !ledger.stopped[*at] && may_go(slot));
        let in_zones = candidates.filter(|(_, slot)| zones.contains(slot.zone)).map(|(_, slot)| slot.zone);
        let fullest = in_zones.max_by_key(|zone| ledger.zones.get(zone).copied().unwrap_or(0));
        let Some(at) = fullest.and_then(|zone| ledger.first_to_go(|slot| slot.zone == zone && may_go(slot))) else {
            return count - stopped;
        };
        ledger.stop(at);
        moves.stop.push((at, Why::Rebalancing));
    }
    0
}

/// Counts over the slots that follow each decision.
struct Ledger<'a, 'b> {
    shape: Shape,
    slots: &'b [Slot<'a>],
    stopped: Vec<bool>,
    /// All that count against `upper`.
    present: u32,
    /// Of these, being stopped.
    stopping: u32,
    /// Target tasks that stay: neither unhealthy nor displaced.
    targets: u32,
    targets_healthy: u32,
    /// All healthy ones, whichever revision.
    healthy: u32,
    /// Leavers that serve although they don't count as healthy yet.
    warming_leavers: u32,
    /// Leavers past starting.
    leavers: u32,
    /// Tasks on their way to healthy.
    under_way: u32,
    zones: BTreeMap<&'a str, u32>,
    instances: BTreeMap<u128, u32>,
    crowds: BTreeMap<u32, u32>,
    /// Target tasks by the place of their capacity provider in the strategy.
    providers: BTreeMap<usize, u32>,
}

/// Whether it is one that its service wants to keep.
pub(crate) fn stays(slot: &Slot<'_>) -> bool {
    slot.generation == Generation::Target && !slot.displaced && slot.stage != Stage::Unhealthy
}

impl<'a, 'b> Ledger<'a, 'b> {
    fn new(shape: Shape, slots: &'b [Slot<'a>]) -> Self {
        let mut ledger = Self {
            shape,
            slots,
            stopped: slots.iter().map(|slot| slot.stopping).collect(),
            present: u32::try_from(slots.len()).unwrap_or(u32::MAX),
            stopping: 0,
            targets: 0,
            targets_healthy: 0,
            healthy: 0,
            warming_leavers: 0,
            leavers: 0,
            under_way: 0,
            zones: BTreeMap::new(),
            instances: BTreeMap::new(),
            crowds: BTreeMap::new(),
            providers: BTreeMap::new(),
        };
        for slot in slots {
            if slot.stopping {
                ledger.stopping += 1;
                continue;
            }
            let (stays, stage) = (stays(slot), slot.stage);
            ledger.targets += u32::from(stays);
            ledger.targets_healthy += u32::from(stays && stage == Stage::Healthy);
            ledger.healthy += u32::from(stage == Stage::Healthy);
            ledger.warming_leavers += u32::from(!stays && stage == Stage::Warming);
            ledger.leavers += u32::from(!stays && stage != Stage::Starting);
            ledger.under_way += u32::from(matches!(stage, Stage::Starting | Stage::Warming));
            *ledger.zones.entry(slot.zone).or_default() += 1;
            *ledger.instances.entry(slot.instance).or_default() += 1;
            for number in crowds(slot) {
                *ledger.crowds.entry(number).or_default() += 1;
            }
            if let Some(share) = slot.share.filter(|_| slot.generation == Generation::Target) {
                *ledger.providers.entry(share.at).or_default() += 1;
            }
        }
        ledger
    }

    fn stop(&mut self, at: usize) {
        let slot = &self.slots[at];
        self.stopped[at] = true;
        self.stopping += 1;
        let (stays, stage) = (stays(slot), slot.stage);
        self.targets -= u32::from(stays);
        self.targets_healthy -= u32::from(stays && stage == Stage::Healthy);
        self.healthy -= u32::from(stage == Stage::Healthy);
        self.warming_leavers -= u32::from(!stays && stage == Stage::Warming);
        self.leavers -= u32::from(!stays && stage != Stage::Starting);
        self.under_way -= u32::from(matches!(stage, Stage::Starting | Stage::Warming));
        for count in [self.zones.get_mut(slot.zone), self.instances.get_mut(&slot.instance)].into_iter().flatten() {
            *count -= 1;
        }
        for number in crowds(slot) {
            if let Some(count) = self.crowds.get_mut(&number) {
                *count -= 1;
            }
        }
        let shared = slot.share.filter(|_| slot.generation == Generation::Target);
        if let Some(count) = shared.and_then(|share| self.providers.get_mut(&share.at)) {
            *count -= 1;
        }
    }

    /// What the strategies say of a slot: the greatest first.
    fn ranked(&self, slot: &Slot<'_>) -> Vec<u32> {
        let rank = |rank: &Rank| match rank {
            Rank::Crowd(number) => self.crowds.get(number).copied().unwrap_or(0),
            Rank::Most(amount) => *amount,
        };
        slot.ranks.iter().map(rank).collect()
    }

    /// How far the slot's capacity provider is beyond its share, the later one in the strategy among equals.
    fn surplus(&self, slot: &Slot<'_>) -> Option<(Surplus, usize)> {
        let share = slot.share.filter(|_| slot.generation == Generation::Target)?;
        Some((share.surplus(self.providers.get(&share.at).copied().unwrap_or(0)), share.at))
    }

    /// The slot to stop first among those that `eligible` admits: the least ready, then of the capacity provider that is
    /// furthest beyond its share, then as the placement strategies say, then from the fullest zone, then from the fullest
    /// instance.
    fn first_to_go(&self, eligible: impl Fn(&Slot<'_>) -> bool) -> Option<usize> {
        let candidates = (0..self.slots.len()).filter(|at| !self.stopped[*at] && eligible(&self.slots[*at]));
        candidates.max_by_key(|at| {
            let slot = &self.slots[*at];
            FirstToGo {
                readiness: std::cmp::Reverse((slot.stage, slot.generation, !slot.displaced)),
                surplus: self.surplus(slot),
                ranks: self.ranked(slot),
                in_zone: self.zones.get(slot.zone).copied().unwrap_or(0),
                on_instance: self.instances.get(&slot.instance).copied().unwrap_or(0),
                tie: slot.tie,
            }
        })
    }

    /// Scale-in: more target tasks than desired.
    fn stop_surplus_targets(&mut self, moves: &mut Moves) {
        while self.targets > self.shape.desired {
            // Where protection spares those that aren't healthy yet, healthy ones go down to the minimum only.
            let spare = self.healthy > self.shape.lower;
            let surplus = |slot: &Slot<'_>| stays(slot) && !slot.protected && (spare || slot.stage != Stage::Healthy);
            let Some(at) = self.first_to_go(surplus) else {
                moves.guarded += self.targets - self.shape.desired;
                return;
            };
            self.stop(at);
            moves.stop.push((at, Why::Scaling));
        }
    }

    /// Leavers that haven't started serve nobody and stop at once, but for source tasks that fill up the minimum.
    /// Returns how many more of these are missing.
    fn stop_needless_starters(&mut self, moves: &mut Moves) -> u32 {
        let serving = self.targets_healthy
            + self.count(|slot| !stays(slot) && matches!(slot.stage, Stage::Warming | Stage::Healthy));
        let filling =
            |slot: &Slot<'_>| slot.generation == Generation::Source && !slot.displaced && slot.stage == Stage::Starting;
        let wanted = self.shape.lower.saturating_sub(serving);
        let needless =
            |slot: &Slot<'_>| !stays(slot) && slot.stage == Stage::Starting && !filling(slot) && !slot.protected;
        while let Some(at) = self.first_to_go(needless) {
            self.stop(at);
            moves.stop.push((at, why(&self.slots[at])));
        }
        let mut fillers = self.count(filling);
        while fillers > wanted {
            let Some(at) = self.first_to_go(|slot| filling(slot) && !slot.protected) else { break };
            self.stop(at);
            moves.stop.push((at, Why::Scaling));
            fillers -= 1;
        }
        wanted - fillers.min(wanted)
    }

    fn count(&self, of: impl Fn(&Slot<'_>) -> bool) -> u32 {
        let found = self.slots.iter().enumerate().filter(|(at, slot)| !self.stopped[*at] && of(slot)).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    }

    /// Leavers go when healthy targets have taken their place, or when `shortage` target tasks lack their room.
    fn stop_leavers(&mut self, shortage: u32, moves: &mut Moves) {
        let taking = if self.shape.target_replaces { self.targets_healthy } else { 0 };
        let replaced = (taking + self.leavers).saturating_sub(self.shape.desired);
        let mut stopped = 0;
        while stopped < replaced.max(shortage) {
            let forced = stopped >= replaced;
            let Some(at) = self.first_to_go(|slot| !is_guarded(slot) && self.may_go(slot, forced)) else {
                let guarded = self.count(|slot| is_guarded(slot) && self.may_go(slot, forced));
                moves.guarded += guarded.min(replaced.max(shortage) - stopped);
                return;
            };
            self.stop(at);
            moves.stop.push((at, why(&self.slots[at])));
            stopped += 1;
        }
    }

    /// Whether a leaver may be stopped. `forced`: only to make room, nothing has replaced it.
    fn may_go(&self, slot: &Slot<'_>, forced: bool) -> bool {
        if stays(slot) {
            return false;
        }
        match slot.stage {
            Stage::Starting => false,
            // Where there is no room for a replacement first, unhealthy tasks of the target go one at a time.
            Stage::Unhealthy if forced && slot.generation == Generation::Target && !slot.displaced => {
                self.stopping == 0 && self.under_way == 0
            }
            Stage::Unhealthy => true,
            Stage::Warming => self.healthy + self.warming_leavers > self.shape.lower,
            Stage::Healthy => self.healthy > self.shape.lower,
        }
    }
}

/// Whether its protection keeps it: not where its health is what stops it.
pub(super) fn is_guarded(slot: &Slot<'_>) -> bool {
    slot.protected && slot.stage != Stage::Unhealthy
}

fn crowds(slot: &Slot<'_>) -> impl Iterator<Item = u32> {
    slot.ranks.iter().filter_map(|rank| match rank {
        Rank::Crowd(number) => Some(*number),
        Rank::Most(_) => None,
    })
}

fn why(slot: &Slot<'_>) -> Why {
    match (slot.stage, slot.generation, slot.displaced) {
        (Stage::Unhealthy, ..) => Why::Unhealthy,
        (_, Generation::Target, true) => Why::Draining,
        _ => Why::Scaling,
    }
}

/// Who stops first: the greatest. The order of the fields is the policy.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct FirstToGo {
    readiness: std::cmp::Reverse<(Stage, Generation, bool)>,
    surplus: Option<(Surplus, usize)>,
    ranks: Vec<u32>,
    in_zone: u32,
    on_instance: u32,
    tie: u64,
}
