//! Managed scaling (ecs-semantics §2.4): how many instances a capacity provider's group should have. A decision with its
//! figures, kept as data: nobody here starts or ends machines.
//!
//! - M is the ACTIVE instances of the provider, N those that its tasks need: while tasks wait, all that are there and as
//!   many more as the waiting ones fill at least; else those that hold a task of no DAEMON service.
//! - `CapacityProviderReservation` = N / M × 100, held at `targetCapacity`. From no instance the first step is always to
//!   [`FIRST_STEP`].
//! - Out by at least `minimumScalingStepSize` and at most `maximumScalingStepSize` at once; instances that were asked for
//!   count as there for `instanceWarmupPeriod`.
//! - In after [`LOW_POINTS`] points in a row below the target, one each [`POINT_MS`]; never while instances warm up, and at
//!   most by half.

use drydock_model::resources::Needs;
use drydock_model::status::InstanceStatus;
use drydock_proto::ecs::{AutoScalingGroupProvider, ManagedDraining, ManagedTerminationProtection, SchedulingStrategy};
use drydock_state::plan::SetScaling;
use drydock_state::row::{InstanceRow, ScalingFigures, ScalingRow, TaskRow};
use drydock_state::{CapacityProviderKey, Change, InstanceKey, Millis, ScalingKey, State};

use crate::desk::Desk;
use crate::place::Pool;

/// Instances that a group without any is scaled to first: how large they are isn't known before.
pub const FIRST_STEP: u32 = 2;

/// Points in a row below the target that lead to a scale-in.
pub const LOW_POINTS: u32 = 15;

/// From one point to the next, in milliseconds.
pub const POINT_MS: Millis = 60_000;

/// The reservation of a group without an instance that needs one, in percent.
const RESERVATION_FROM_ZERO: u32 = 200;

/// What a decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// M: ACTIVE instances.
    pub running: u32,
    /// Of these, with a task of no DAEMON service.
    pub busy: u32,
    /// Instances that the waiting tasks fill at least; none where no task waits that an instance could take.
    pub missing: u32,
}

/// A provider's `managedScaling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `targetCapacity`, in percent.
    pub target_percent: u32,
    /// `minimumScalingStepSize`, in instances.
    pub step_min: u32,
    /// `maximumScalingStepSize`, in instances.
    pub step_max: u32,
    /// `instanceWarmupPeriod`, in milliseconds.
    pub warmup_ms: Millis,
}

impl Policy {
    /// Of a provider; ECS's defaults are in its row.
    #[must_use]
    pub fn of(group: &AutoScalingGroupProvider) -> Self {
        let scaling = group.managed_scaling.unwrap_or_default();
        let number = |value: Option<i32>, default: u32| value.and_then(|v| u32::try_from(v).ok()).unwrap_or(default);
        Self {
            target_percent: number(scaling.target_capacity, 100).clamp(1, 100),
            step_min: number(scaling.minimum_scaling_step_size, 1).max(1),
            step_max: number(scaling.maximum_scaling_step_size, 10_000).max(1),
            warmup_ms: Millis::from(number(scaling.instance_warmup_period, 300)) * 1_000,
        }
    }
}

/// Decides. The same again with the same facts at the same time changes nothing.
#[must_use]
pub fn decide(before: Option<&ScalingFigures>, facts: Facts, policy: Policy, now: Millis) -> ScalingFigures {
    let running = facts.running;
    let needed = if facts.missing > 0 { running.saturating_add(facts.missing) } else { facts.busy };
    let wanted = percent_of(needed, policy.target_percent);
    let warm_until = before.and_then(|figures| figures.warm_until).filter(|at| *at > now);
    let known = before.map_or(running, |figures| figures.desired);
    let mut figures = ScalingFigures {
        needed,
        running,
        reservation_percent: reservation(needed, running),
        target_percent: policy.target_percent,
        desired: known,
        low_points: 0,
        warm_until,
        decided_at: now,
        next_at: warm_until,
    };
    let there = if warm_until.is_some() { running.max(known) } else { running };
    // A step that was cut short goes on once what it led to is there, or its warm-up is over.
    let seen = warm_until.is_some() && before.is_some_and(|was| (was.needed, was.running) == (needed, running));
    if wanted > there && !seen {
        let step = (wanted - there).clamp(policy.step_min, policy.step_max.max(policy.step_min));
        figures.desired = if running == 0 { FIRST_STEP.max(there) } else { there.saturating_add(step) };
        if figures.desired != known || warm_until.is_none() {
            figures.warm_until = Some(now.saturating_add(policy.warmup_ms)).filter(|at| *at > now);
            figures.next_at = figures.warm_until;
        }
    } else if warm_until.is_some() {
        // What was asked for may still come.
        figures.desired = there;
    } else if wanted < running {
        scale_in(&mut figures, before, wanted, now);
    } else {
        figures.desired = running;
    }
    if before.is_some_and(|before| ScalingFigures { decided_at: before.decided_at, ..figures } == *before) {
        figures.decided_at = before.map_or(now, |before| before.decided_at);
    }
    figures
}

/// Fewer are needed: counts the points, and gives up at most half at the last of them.
fn scale_in(figures: &mut ScalingFigures, before: Option<&ScalingFigures>, wanted: u32, now: Millis) {
    let running = figures.running;
    let known = before.map_or(running, |before| before.desired);
    if known < running && before.is_some_and(|before| before.running >= running) {
        // Chosen and not gone yet: whoever runs the machines has the word.
        figures.desired = known.max(wanted);
        return;
    }
    let points = before.map_or(0, |before| before.low_points);
    let next_at = before.and_then(|before| before.next_at).filter(|_| points > 0);
    figures.desired = running;
    if next_at.is_some_and(|at| at > now) {
        (figures.low_points, figures.next_at) = (points, next_at);
        return;
    }
    if points + 1 < LOW_POINTS {
        (figures.low_points, figures.next_at) = (points + 1, Some(now.saturating_add(POINT_MS)));
        return;
    }
    figures.desired = running - (running - wanted).min((running / 2).max(1));
}

/// The least M for which `needed` is at most `percent` of it.
fn percent_of(needed: u32, percent: u32) -> u32 {
    let scaled = (u64::from(needed) * 100).div_ceil(u64::from(percent.max(1)));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// `CapacityProviderReservation`, in percent, rounded up.
fn reservation(needed: u32, running: u32) -> u32 {
    match (needed, running) {
        (0, 0) => 100,
        (_, 0) => RESERVATION_FROM_ZERO,
        _ => u32::try_from((u64::from(needed) * 100).div_ceil(u64::from(running))).unwrap_or(u32::MAX),
    }
}

/// Looks at one provider in one cluster. Returns false where the plan has no room left.
pub(crate) fn reconcile(desk: &mut Desk<'_>, key: &ScalingKey) -> bool {
    let Some(group) = scaled_group(desk.view, key) else { return true };
    if desk.left() == 0 {
        return false;
    }
    let pool = Pool::Group(key.provider.clone());
    let instances = desk.view.instances(key.cluster).map(|row| &**row);
    let instances: Vec<&InstanceRow> =
        instances.filter(|row| row.status != InstanceStatus::Inactive && pool.has(row)).collect();
    let before = desk.view.scaling(key).map(|row| &**row);
    let figures =
        decide(before.map(|row| &row.figures), facts(desk.view, key, &instances), Policy::of(&group), desk.now);
    let leaving = leaving(desk.view, before, &figures, &instances, &group);
    let same = before.is_some_and(|row| row.figures == figures && *row.leaving == *leaving);
    if !same {
        if group.managed_draining() == ManagedDraining::Enabled {
            // `apply` drains them with this change, before what else is in the plan.
            let known = before.map(|row| &*row.leaving).unwrap_or_default();
            for id in leaving.iter().filter(|id| !known.contains(id)) {
                desk.drain(InstanceKey { cluster: key.cluster, id: *id });
            }
        }
        desk.changes.push(Change::SetScaling(Box::new(SetScaling {
            key: key.clone(),
            version: before.map_or(0, |row| row.version),
            figures,
            leaving,
        })));
    }
    true
}

/// The group of a provider that a cluster has and that ECS scales.
fn scaled_group(view: &State, key: &ScalingKey) -> Option<AutoScalingGroupProvider> {
    let cluster = view.cluster(key.cluster)?;
    cluster.document.capacity_providers.iter().find(|name| ***name == *key.provider)?;
    let provider = CapacityProviderKey { scope: cluster.scope, name: key.provider.clone() };
    view.is_scaled(key.cluster, &key.provider).then(|| view.capacity_provider(&provider).map(|row| row.group()))?
}

fn facts(view: &State, key: &ScalingKey, instances: &[&InstanceRow]) -> Facts {
    let active = || instances.iter().filter(|row| row.status == InstanceStatus::Active);
    let waiting = view.waiting_tasks(key.cluster).map(|row| &**row);
    let waiting: Vec<&Needs> = waiting
        .filter(|task| task.capacity_provider.as_ref() == Some(&key.provider))
        .map(|t| &t.launch.needs)
        .collect();
    let size = active().map(|row| (row.registered.cpu, row.registered.memory_mib)).max();
    Facts {
        running: count(active().count()),
        busy: count(active().filter(|row| is_busy(view, row)).count()),
        missing: missing(&waiting, size),
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether it holds a task of no DAEMON service: these don't keep an instance.
fn is_busy(view: &State, row: &InstanceRow) -> bool {
    view.live_tasks_on(row.key).any(|task| !is_daemon(view, task))
}

fn is_daemon(view: &State, task: &TaskRow) -> bool {
    let service = task.service.and_then(|owner| view.service(owner.service));
    service.is_some_and(|row| row.scheduling_strategy() == SchedulingStrategy::Daemon)
}

/// Instances of a size that these tasks fill at least. A task larger than an instance is helped by none; where no
/// instance is known any task may fit.
fn missing(waiting: &[&Needs], size: Option<(u32, u32)>) -> u32 {
    let Some((cpu, memory)) = size else { return u32::from(!waiting.is_empty()) };
    let fits = |needs: &&&Needs| needs.cpu <= cpu && needs.memory_mib <= memory;
    let (mut all_cpu, mut all_memory, mut most_on_a_port) = (0_u64, 0_u64, 0_usize);
    for needs in waiting.iter().filter(fits) {
        all_cpu += u64::from(needs.cpu);
        all_memory += u64::from(needs.memory_mib);
        // A host port is an instance's once: tasks that want the same one each need their own.
        let same = waiting.iter().filter(fits).filter(|other| !needs.tcp.is_empty() && other.tcp == needs.tcp).count();
        most_on_a_port = most_on_a_port.max(same);
    }
    let filled = |sum: u64, size: u32| u32::try_from(sum.div_ceil(u64::from(size.max(1)))).unwrap_or(u32::MAX);
    let any = u32::from(waiting.iter().any(|needs| fits(&needs)));
    filled(all_cpu, cpu).max(filled(all_memory, memory)).max(count(most_on_a_port)).max(any)
}

/// The instances to go: those that were chosen before and are still there, and as many ACTIVE ones as there are too many,
/// the emptiest first. With `managedTerminationProtection` only those without a task of their own.
fn leaving(
    view: &State,
    before: Option<&ScalingRow>,
    figures: &ScalingFigures,
    instances: &[&InstanceRow],
    group: &AutoScalingGroupProvider,
) -> Vec<u128> {
    let known = before.map(|row| &*row.leaving).unwrap_or_default();
    let chosen = |row: &&&InstanceRow| known.contains(&row.key.id);
    let mut leaving: Vec<u128> = instances
        .iter()
        .filter(|row| row.status == InstanceStatus::Draining)
        .filter(chosen)
        .map(|row| row.key.id)
        .collect();
    let protected = group.managed_termination_protection() == ManagedTerminationProtection::Enabled;
    let own = |row: &InstanceRow| view.live_tasks_on(row.key).filter(|task| !is_daemon(view, task)).count();
    let mut active: Vec<(usize, bool, u128)> = instances
        .iter()
        .filter(|row| row.status == InstanceStatus::Active)
        .map(|row| (own(row), !chosen(&row), row.key.id))
        .filter(|(own, ..)| *own == 0 || !protected)
        .collect();
    active.sort_unstable();
    let surplus = usize::try_from(figures.running.saturating_sub(figures.desired)).unwrap_or(0);
    leaving.extend(active.into_iter().take(surplus).map(|(.., id)| id));
    leaving.sort_unstable();
    leaving
}
