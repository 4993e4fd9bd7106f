//! Health of container instances (design §5): when the tasks of one that went quiet are given up.
//!
//! - An agent that is disconnected for less than `instance_lost_after_ms` changes nothing but that nothing new is
//!   placed on its instance.
//! - After that, these tasks of the instance are declared STOPPED with InfrastructureHealth: Fargate tasks; tasks of
//!   services, EC2 ones too; tasks that were told to stop; tasks that never got to RUNNING. ECS does the same for EC2
//!   tasks once EC2 says that the machine is gone, and deregisters it; nobody tells us, so the deadline has to.
//! - Standalone EC2 tasks that RUN stay as they are until the agent comes back or the instance is deregistered: no
//!   service would replace them, and a partition isn't their end.
//! - Where very many instances go quiet at once the fault may be ours: nothing is given up for a while, and the
//!   services concerned say so.
//! - A deregistered instance has no tasks: what it still had is given up at once (ecs-semantics §2.4, orphans).

use std::collections::BTreeSet;

use drydock_model::status::{DesiredStatus, InstanceStatus, StopCode, TaskStatus};
use drydock_proto::ecs::LaunchType;
use drydock_state::plan::{MarkTaskLost, SetInstance};
use drydock_state::row::{InstanceRow, TaskRow};
use drydock_state::{Change, InstanceKey, Millis, ServiceKey};

use crate::desk::Desk;
use crate::service::say_once;

/// Replacement pauses where more than this share of a cluster's instances, in percent, are lost at once …
pub const MASS_LOSS_PERCENT: usize = 50;

/// … and at least so many.
pub const MASS_LOSS_INSTANCES_MIN: usize = 5;

/// While replacement pauses, it is looked at again after so long, in milliseconds.
pub const MASS_LOSS_RECHECK_MS: Millis = 60_000;

/// The pause ends for an instance that has been disconnected for so long, in milliseconds: then its tasks are given
/// up, however many others are lost.
pub const MASS_LOSS_PAUSE_MAX_MS: Millis = 60 * 60 * 1_000;

/// `stoppedReason` of a task whose agent didn't come back in time.
pub(crate) const LOST: &str = "Container instance is lost: its agent didn't come back";

/// `stoppedReason` of a task that its instance still had when it was deregistered.
const DEREGISTERED: &str = "Container instance was deregistered";

/// What the reasons of such tasks end with: `apply` names the instance in those that it writes.
pub(crate) const DEREGISTERED_ENDING: &str = " was deregistered";

/// The event of a service whose tasks aren't replaced yet.
const PAUSED: &str = "has paused the replacement of tasks: too many container instances of the cluster were \
     disconnected at once.";

/// Returns false where the plan has no room left.
pub(crate) fn reconcile(desk: &mut Desk<'_>, key: InstanceKey) -> bool {
    let Some(row) = desk.view.instance(key) else { return true };
    if row.status == InstanceStatus::Inactive {
        return give_up(desk, row, DEREGISTERED, |_| true);
    }
    if !is_lost(row, desk.now) || !desk.view.live_tasks_on(key).any(|task| ends_with_its_instance(task)) {
        return true;
    }
    if is_mass_loss(desk, row) {
        return put_off(desk, row);
    }
    give_up(desk, row, LOST, ends_with_its_instance)
}

pub(crate) fn is_lost(row: &InstanceRow, now: Millis) -> bool {
    !row.agent_connected && row.lost_at.is_some_and(|at| at <= now)
}

/// Whether a task is given up with its instance.
pub(crate) fn ends_with_its_instance(task: &TaskRow) -> bool {
    task.service.is_some()
        || task.launch.launch_type == LaunchType::Fargate
        || task.desired_status == DesiredStatus::Stopped
        || task.last_status < TaskStatus::Running
}

fn give_up(desk: &mut Desk<'_>, row: &InstanceRow, reason: &str, of: impl Fn(&TaskRow) -> bool) -> bool {
    for task in desk.view.live_tasks_on(row.key).filter(|task| of(task)) {
        if desk.left() == 0 {
            return false;
        }
        let lost = MarkTaskLost {
            task: task.key,
            code: StopCode::InfrastructureHealth,
            reason: reason.to_owned(),
            even_if_connected: row.status == InstanceStatus::Inactive,
        };
        desk.end(task.key, Change::MarkTaskLost(lost));
    }
    true
}

/// Whether more than the share is lost at once. Instances that were lost before and have nothing left to give up don't
/// count, on either side.
fn is_mass_loss(desk: &Desk<'_>, row: &InstanceRow) -> bool {
    let paused_for = desk.now.saturating_sub(row.disconnected_at.unwrap_or_default());
    if paused_for >= MASS_LOSS_PAUSE_MAX_MS {
        return false;
    }
    let (mut connected, mut quiet) = (0_usize, 0_usize);
    for row in desk.view.instances(row.key.cluster).filter(|row| row.status != InstanceStatus::Inactive) {
        if row.agent_connected {
            connected += 1;
        } else if desk.view.live_tasks_on(row.key).any(|task| ends_with_its_instance(task)) {
            quiet += 1;
        }
    }
    quiet >= MASS_LOSS_INSTANCES_MIN && quiet * 100 > MASS_LOSS_PERCENT * (connected + quiet)
}

fn put_off(desk: &mut Desk<'_>, row: &InstanceRow) -> bool {
    desk.spare(row.key);
    let services: BTreeSet<ServiceKey> =
        desk.view.live_tasks_on(row.key).filter_map(|task| task.service).map(|owner| owner.service).collect();
    if desk.left() < services.len() + 1 {
        return false;
    }
    let end = row.disconnected_at.unwrap_or_default().saturating_add(MASS_LOSS_PAUSE_MAX_MS);
    desk.changes.push(Change::SetInstance(SetInstance {
        instance: row.key,
        disconnected_at: row.disconnected_at,
        lost_at: Some(desk.now.saturating_add(MASS_LOSS_RECHECK_MS).min(end)),
    }));
    for service in services {
        say_once(desk, service, PAUSED.to_owned());
    }
    true
}
