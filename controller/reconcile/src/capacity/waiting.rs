//! Tasks that wait in PROVISIONING for an instance of their capacity provider (ecs-semantics §2.1, §2.4): placed as soon
//! as one has room, ended when their time is over.

use drydock_model::status::{InstanceStatus, StopCode};
use drydock_state::plan::{BindTask, StopTask};
use drydock_state::row::TaskRow;
use drydock_state::{Change, State, TaskKey};

use crate::desk::Desk;
use crate::place::{Ask, Placer, Pool, Unplaced};

/// Returns false where the plan has no room left.
pub(crate) fn reconcile(desk: &mut Desk<'_>, key: TaskKey) -> bool {
    let Some(task) = desk.view.task(key).filter(|task| task.is_waiting()) else { return true };
    if desk.left() == 0 {
        return false;
    }
    match place(desk, task) {
        Ok(instance) => desk.changes.push(Change::BindTask(BindTask { task: key, instance })),
        Err(why) if task.deadline.is_some_and(|at| at <= desk.now) => {
            let reason = format!("TaskFailedToStart: {}", reason(desk, task, &why));
            let code = StopCode::TaskFailedToStart;
            desk.end(key, Change::StopTask(StopTask { task: key, code, reason }));
        }
        Err(_) => {}
    }
    true
}

fn place(desk: &mut Desk<'_>, task: &TaskRow) -> Result<u128, Unplaced> {
    let (view, turn) = (desk.view, desk.turn());
    let ask = ask(view, task);
    let fleet = desk.fleet(task.key.cluster, task.launch.launch_type);
    Placer::new(&ask, fleet).place(fleet, turn)
}

/// What a waiting task asks, with the constraints and strategies of its service, or of its RunTask.
pub(crate) fn ask<'a>(view: &'a State, task: &'a TaskRow) -> Ask<'a> {
    let launch = &task.launch;
    let ask = Ask::new(view, &task.definition, &launch.needs, Pool::of_task(view, task), &task.group).in_cluster(
        view,
        task.key.cluster,
        launch.network_configuration.as_ref(),
    );
    match task.service.and_then(|owner| view.service(owner.service)) {
        Some(service) => ask.of_service(service),
        None => ask.placed(&launch.placement_constraints, &launch.placement_strategy),
    }
}

/// Why it found no instance, in ECS's words.
fn reason(desk: &Desk<'_>, task: &TaskRow, why: &Unplaced) -> &'static str {
    if let Some((_, refusal)) = why.closest {
        return refusal.reason();
    }
    let pool = Pool::of_task(desk.view, task);
    let mut instances = desk.view.instances(task.key.cluster).filter(|row| row.status != InstanceStatus::Inactive);
    if instances.any(|row| pool.has(row)) { "NO ACTIVE INSTANCES" } else { "EMPTY CAPACITY PROVIDER" }
}
