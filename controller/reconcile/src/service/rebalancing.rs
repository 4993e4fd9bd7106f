//! Availability Zone rebalancing (ecs-semantics §2.3): a service in steady state whose tasks are spread unevenly over zones
//! starts tasks in the zones that have the fewest, and once these are healthy stops as many where the most are.
//!
//! All that is kept between looks is that it goes on, and for which desired count. Tasks beyond that count are those that
//! take the place of others: whichever look comes next sees how far they are, also that of another leader. Where it can't
//! go on, because a zone has no room or what should stop is protected, that is said, and tried again after
//! [`PLACEMENT_RETRY_MS`]. Whatever else happens to the service ends it: then the service is held at its count as ever, which
//! stops what is too many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_state::row::{RevisionRow, RolloutState};
use drydock_state::{Change, Millis};

use super::rolling::{self, Generation, Moves, Stage};
use super::{CHANGES_BESIDE_TASKS, Case, PLACEMENT_RETRY_MS, ask_of, create, revision_of};
use crate::capacity::searches::{Searches, providers};
use crate::capacity::sharing::Sharing;
use crate::desk::Desk;
use crate::explain::Wait;
use crate::place::{Ask, Unplaced};

/// How many tasks each zone has, by its name.
pub(super) type Spread = BTreeMap<Arc<str>, u32>;

/// What a look came to.
#[derive(Debug, Default)]
pub(super) struct Rebalancing {
    /// It goes on after this look.
    pub(super) goes: bool,
    /// It isn't tried again before this.
    pub(super) retry_at: Option<Millis>,
    /// Tasks that it starts now.
    pub(super) starts: u32,
    /// What is said.
    pub(super) said: Option<Said>,
    /// What it waits for.
    pub(super) wait: Option<Wait>,
}

/// What there is to say.
#[derive(Debug)]
pub(super) enum Said {
    /// It begins: the tasks as they are.
    Begun(Spread),
    /// It is at its end.
    Completed(Spread),
    /// It can't go on, or not even begin.
    Blocked(Spread, Obstacle),
    /// Something else is to be done first.
    Stopped,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Obstacle {
    /// A zone has no room.
    Room(Arc<str>, Box<Unplaced>),
    /// Tasks that should stop are protected.
    Protection,
    /// maximumPercent allows no task beyond the desired count.
    Bound,
    /// An instance that holds tasks of the service isn't connected: whether they run is yet to be seen.
    Connection,
}

/// Which tasks stop while zones are being rebalanced; `None` where the service is held at its count as ever.
pub(super) fn decide(desk: &mut Desk<'_>, case: &mut Case<'_>) -> Option<Moves> {
    let before = case.service.progress;
    case.rebalancing.retry_at = before.rebalance_at.filter(|at| *at > desk.now && case.service.rebalances());
    let desired = before.rebalancing?;
    let Some(surplus) = surplus(case).filter(|_| desired == case.service.desired_count) else {
        case.rebalancing.said = Some(Said::Stopped);
        return None;
    };
    case.rebalancing.goes = true;
    if surplus == 0 {
        return Some(Moves::default());
    }
    let zones = zones(desk, case);
    let mut moves = Moves::default();
    let spare = case.roster.count(|slot| !slot.stopping && slot.stage == Stage::Healthy).saturating_sub(desired);
    let left = rolling::level(case.shape, &case.roster.slots, &zones, surplus.min(spare), &mut moves);
    if left > 0 && moves.stop.is_empty() {
        let spread = spread(case, &zones);
        block(desk, case, spread, Obstacle::Protection);
        return None;
    }
    case.rebalancing.wait = Some(Wait::Rebalancing { zones: spread(case, &zones), tasks: surplus });
    Some(moves)
}

/// Tasks beyond the desired count, where nothing is to be seen of the service but that.
fn surplus(case: &Case<'_>) -> Option<u32> {
    let mut going = case.roster.slots.iter().filter(|slot| !slot.stopping);
    let is_well = going.all(|slot| !slot.displaced && slot.stage != Stage::Unhealthy);
    let only_target = case.roster.slots.iter().all(|slot| slot.generation == Generation::Target);
    let completed = case.primary.rollout_state == RolloutState::Completed;
    if !case.service.rebalances() || !completed || !only_target || !is_well {
        return None;
    }
    case.roster.count(|slot| !slot.stopping).checked_sub(case.service.desired_count)
}

/// What of a service in steady state starts in other zones.
pub(super) fn begin(desk: &mut Desk<'_>, case: &mut Case<'_>) -> Vec<Change> {
    let goes_on = case.rebalancing.goes;
    let ended = case.service.progress.rebalancing.is_some() && !goes_on;
    // A back-off of failed starts holds these, too.
    if ended || !case.service.rebalances() || !case.shape.target_may_start {
        return Vec::new();
    }
    let zones = zones(desk, case);
    let spread = spread(case, &zones);
    if is_even(&spread) {
        case.rebalancing = Rebalancing { said: goes_on.then_some(Said::Completed(spread)), ..Rebalancing::default() };
        return Vec::new();
    }
    if let Some(until) = case.rebalancing.retry_at {
        case.rebalancing.wait = Some(Wait::Uneven { zones: spread, until });
        return Vec::new();
    }
    if case.launches.left == 0 {
        case.late = 1;
        return Vec::new();
    }
    let (starts, obstacle) =
        if is_connected(desk, case) { start(desk, case, &spread) } else { (Vec::new(), Some(Obstacle::Connection)) };
    match obstacle {
        Some(obstacle) => block(desk, case, spread, obstacle),
        None => {
            let tasks = u32::try_from(starts.len()).unwrap_or(u32::MAX);
            case.rebalancing.goes = true;
            case.rebalancing.starts = tasks;
            case.rebalancing.wait = Some(Wait::Rebalancing { zones: spread.clone(), tasks });
            case.rebalancing.said = (!goes_on).then_some(Said::Begun(spread));
        }
    }
    starts
}

/// Starts as many tasks as are to move, within maximumPercent. Where that is none, what is in the way.
fn start(desk: &mut Desk<'_>, case: &mut Case<'_>, spread: &Spread) -> (Vec<Change>, Option<Obstacle>) {
    let (view, service) = (desk.view, case.service);
    let mut starts = Vec::new();
    let deployment = service.primary_deployment;
    let Some(revision) = revision_of(desk, service, deployment) else { return (starts, Some(Obstacle::Protection)) };
    let strategy = &revision.document.capacity_provider_strategy;
    let providers = providers(strategy);
    let ask = |provider: &Option<&str>, zone: &Arc<str>| ask_of(view, service, revision, *provider).in_zone(zone);
    let asks: BTreeMap<Arc<str>, Vec<Ask<'_>>> = spread
        .keys()
        .map(|zone| (Arc::clone(zone), providers.iter().map(|provider| ask(provider, zone)).collect()))
        .collect();
    let search = |asks| Searches::new(&providers, asks);
    let mut searches: BTreeMap<&Arc<str>, Searches<'_>> =
        asks.iter().map(|(zone, asks)| (zone, search(asks))).collect();
    let mut sharing = Sharing::new(strategy, case.roster.going(deployment));
    let mut scales = Scales::of(case, spread);
    let mut obstacle = None;
    let mut present = u32::try_from(case.roster.slots.len()).unwrap_or(u32::MAX);
    while let Some((from, to)) = scales.next() {
        if starts.len() >= usize::try_from(case.launches.left).unwrap_or(usize::MAX) {
            case.late = 1;
            break;
        }
        if present >= case.shape.upper {
            obstacle.get_or_insert(Obstacle::Bound);
            break;
        }
        if desk.left() <= CHANGES_BESIDE_TASKS + starts.len() {
            case.whole = false;
            break;
        }
        let (provider, turn) = (sharing.take(), desk.turn());
        let Some(search) = searches.get_mut(&to) else { break };
        match search.place(desk.fleet(service.key.cluster, revision.launch.launch_type), provider, turn) {
            Ok(instance) => {
                starts.push(rebalance(case, deployment, revision, instance, provider));
                scales.shift(&from, &to);
                present += 1;
            }
            Err(why) => {
                scales.close(&to);
                obstacle.get_or_insert(Obstacle::Room(to, Box::new(why)));
            }
        }
    }
    let obstacle = starts.is_empty().then(|| obstacle.unwrap_or(Obstacle::Protection));
    (starts, obstacle)
}

fn rebalance(
    case: &Case<'_>,
    deployment: u64,
    revision: &RevisionRow,
    instance: u128,
    provider: Option<&str>,
) -> Change {
    let mut change = create(case.service, deployment, revision, Some(instance), provider);
    if let Change::CreateTask(create) = &mut change {
        create.rebalances = true;
    }
    change
}

/// Puts it off.
fn block(desk: &Desk<'_>, case: &mut Case<'_>, spread: Spread, obstacle: Obstacle) {
    let until = desk.after(PLACEMENT_RETRY_MS);
    case.rebalancing = Rebalancing {
        retry_at: Some(until),
        wait: Some(Wait::Uneven { zones: spread.clone(), until }),
        said: Some(Said::Blocked(spread, obstacle)),
        ..Rebalancing::default()
    };
}

/// The zones over which tasks of the service are spread: those in which each of its capacity providers could hold one. One
/// that has no instance at all has no say.
fn zones(desk: &mut Desk<'_>, case: &Case<'_>) -> BTreeSet<Arc<str>> {
    let (view, service) = (desk.view, case.service);
    let Some(revision) = revision_of(desk, service, service.primary_deployment) else { return BTreeSet::new() };
    let fleet = desk.fleet(service.key.cluster, revision.launch.launch_type);
    let providers = providers(&revision.document.capacity_provider_strategy);
    let each = providers.iter().map(|provider| fleet.zones(&ask_of(view, service, revision, *provider)));
    each.filter(|zones| !zones.is_empty()).reduce(|all, zones| &all & &zones).unwrap_or_default()
}

fn spread(case: &Case<'_>, zones: &BTreeSet<Arc<str>>) -> Spread {
    let tasks = |zone: &Arc<str>| case.roster.count(|slot| !slot.stopping && slot.zone == &**zone);
    zones.iter().map(|zone| (Arc::clone(zone), tasks(zone))).collect()
}

/// No zone has more than one task more than another: the remainder is spread.
fn is_even(spread: &Spread) -> bool {
    let (most, least) = (spread.values().max(), spread.values().min());
    most.zip(least).is_none_or(|(most, least)| most - least <= 1)
}

fn is_connected(desk: &Desk<'_>, case: &Case<'_>) -> bool {
    let instances = case.roster.tasks.iter().filter_map(|task| task.instance_key());
    instances.filter_map(|key| desk.view.instance(key)).all(|row| row.agent_connected)
}

/// Zones with what moves between them.
struct Scales {
    zones: BTreeMap<Arc<str>, Pan>,
}

struct Pan {
    tasks: u32,
    /// Of these, without protection.
    movable: u32,
    /// It has no room.
    full: bool,
}

impl Scales {
    fn of(case: &Case<'_>, spread: &Spread) -> Self {
        let movable = |zone: &Arc<str>| case.roster.count(|slot| !slot.protected && slot.zone == &**zone);
        let pan = |(zone, tasks): (&Arc<str>, &u32)| {
            (Arc::clone(zone), Pan { tasks: *tasks, movable: movable(zone), full: false })
        };
        Self { zones: spread.iter().map(pan).collect() }
    }

    /// From where to where a task moves next: from the most to the fewest, as long as that makes them more even.
    fn next(&self) -> Option<(Arc<str>, Arc<str>)> {
        let (from, most) =
            self.zones.iter().rev().filter(|(_, pan)| pan.movable > 0).max_by_key(|(_, pan)| pan.tasks)?;
        let (to, least) = self.zones.iter().filter(|(_, pan)| !pan.full).min_by_key(|(_, pan)| pan.tasks)?;
        (most.tasks > least.tasks + 1).then(|| (Arc::clone(from), Arc::clone(to)))
    }

    fn shift(&mut self, from: &Arc<str>, to: &Arc<str>) {
        if let Some(pan) = self.zones.get_mut(from) {
            pan.tasks -= 1;
            pan.movable -= 1;
        }
        if let Some(pan) = self.zones.get_mut(to) {
            pan.tasks += 1;
        }
    }

    fn close(&mut self, zone: &Arc<str>) {
        if let Some(pan) = self.zones.get_mut(zone) {
            pan.full = true;
        }
    }
}
