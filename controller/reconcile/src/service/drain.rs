//! A deleted service: its tasks are told to stop, and it is INACTIVE once all of them do (ecs-semantics §2.3). `apply`
//! has ended its deployment, or drained its task sets, with DeleteService.

use drydock_model::status::{DesiredStatus, ServiceStatus, StopCode, TaskStatus};
use drydock_state::Change;
use drydock_state::plan::{SetService, StopTask};
use drydock_state::row::ServiceRow;

use super::{CHANGES_BESIDE_TASKS, texts, waits};
use crate::desk::Desk;

/// Returns whether all that can be done now is in the plan.
pub(super) fn drain(desk: &mut Desk<'_>, service: &ServiceRow) -> bool {
    let number = desk.view.deployment(service.primary_key()).map_or(0, |row| row.id);
    let mut whole = true;
    let mut left = 0_u32;
    for task in desk.view.live_tasks_of(service.key) {
        left += u32::from(task.last_status <= TaskStatus::Running);
        if task.desired_status == DesiredStatus::Stopped {
            continue;
        }
        if desk.left() <= CHANGES_BESIDE_TASKS {
            whole = false;
            break;
        }
        let task_set = task.service.and_then(|owner| desk.view.task_set(service.key.task_set(owner.deployment)));
        let number = task_set.map_or(number, |row| row.id);
        let (code, reason) = (StopCode::ServiceSchedulerInitiated, texts::scaling(number));
        desk.end(task.key, Change::StopTask(StopTask { task: task.key, code, reason }));
    }
    waits::explain_drain(desk, service);
    if left == 0 {
        desk.changes.push(Change::SetService(SetService {
            service: service.key,
            version: service.version,
            progress: None,
            status: Some(ServiceStatus::Inactive),
            desired_count: None,
        }));
    }
    whole
}
