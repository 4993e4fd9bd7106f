//! Deadlines of tasks: whatever status one is in, it leaves it, with its agent's help or without (design §3.12).

use drydock_model::status::{DesiredStatus, StopCode, TaskStatus};
use drydock_state::Change;
use drydock_state::plan::{EndTaskProtection, MarkTaskLost, StopTask};

use drydock_state::TaskKey;

use crate::desk::Desk;

/// `stoppedReason` of a task that didn't get to RUNNING in time.
pub(crate) const NOT_STARTED: &str = "Task failed to start";

/// `stoppedReason` of a task whose agent never said that it has stopped.
pub(crate) const NOT_ENDED: &str = "Task didn't report that it stopped";

/// Ends what is past its deadline: a task that doesn't get to RUNNING is told to stop, one that was told to stop and
/// isn't STOPPED is declared so. Its agent, should it come back, stops what it still runs: the manifest lacks the task.
///
/// Returns false where the plan has no room left.
pub(crate) fn reconcile(desk: &mut Desk<'_>, key: TaskKey) -> bool {
    let Some(task) = desk.view.task(key) else { return true };
    if let Some(until) = task.protected_until.filter(|until| *until <= desk.now) {
        if desk.left() < 2 {
            return false;
        }
        desk.changes.push(Change::EndTaskProtection(EndTaskProtection { task: key, until }));
    }
    // One that waits for capacity has a place found for it before its time is over.
    if task.is_waiting() {
        return true;
    }
    let due = task.deadline.is_some_and(|at| at <= desk.now);
    let change = match (task.last_status, task.desired_status) {
        (TaskStatus::Stopped, _) => return true,
        _ if !due => return true,
        (_, DesiredStatus::Stopped) => Change::MarkTaskLost(MarkTaskLost {
            task: key,
            code: StopCode::InfrastructureHealth,
            reason: NOT_ENDED.to_owned(),
            even_if_connected: true,
        }),
        (status, DesiredStatus::Running) if status < TaskStatus::Running => {
            Change::StopTask(StopTask { task: key, code: StopCode::TaskFailedToStart, reason: NOT_STARTED.to_owned() })
        }
        (_, DesiredStatus::Running) => return true,
    };
    if desk.left() == 0 {
        return false;
    }
    desk.end(key, change);
    true
}
