//! Why a task is as it is: what it waits for, and who decided that it stops. Reads rows, and asks the deciders how they
//! see it.

use drydock_model::status::{DesiredStatus, InstanceStatus, ServiceStatus, StopCode, TaskStatus};
use drydock_state::plan::PLAN_CHANGES_MAX;
use drydock_state::row::{ServiceRow, TaskRow};
use drydock_state::{InstanceKey, Millis, State, TaskKey};

use super::{Leaver, Shortage, lacks};
use crate::capacity::waiting;
use crate::desk::Desk;
use crate::place::{Placer, Unplaced};
use crate::service::{Standing, standing, texts};
use crate::{instance, task};

/// What a task waits for, and why it stops or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskExplanation {
    /// Which task.
    pub task: TaskKey,
    /// All that it waits for; empty where it RUNS as it should.
    pub waits: Vec<TaskWait>,
    /// Why it stops; `None` where nobody told it to.
    pub ending: Option<Ending>,
}

/// One thing that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskWait {
    /// An instance. It is tried again when one joins or frees resources.
    Placement {
        /// Why none takes it.
        why: Unplaced,
        /// All that the closest instance lacks.
        lacks: Vec<Shortage>,
        /// When it is given up.
        until: Option<Millis>,
    },
    /// The first word of its agent.
    Agent {
        /// When it is told to stop if it isn't RUNNING.
        until: Option<Millis>,
    },
    /// Its agent pulls images, creates and starts containers.
    Start {
        /// When it is told to stop if it isn't RUNNING.
        until: Option<Millis>,
    },
    /// It RUNS, and counts as healthy for its service at `until`.
    Healthy {
        /// When.
        until: Millis,
    },
    /// It RUNS, and its health checks haven't decided yet.
    HealthCheck,
    /// It fails its health checks, within the grace period of its service.
    Grace {
        /// When it counts as unhealthy.
        until: Millis,
    },
    /// Its service is going to replace it.
    Replacement {
        /// Why.
        why: Leaver,
    },
    /// Its agent isn't connected.
    Disconnected {
        /// When it is given up; `None` where it is left as it is until the agent comes back.
        until: Option<Millis>,
    },
    /// It was told to stop.
    Stop {
        /// When it is declared STOPPED if its agent doesn't say so.
        until: Option<Millis>,
    },
    /// It is STOPPED, and described until then.
    Retention {
        /// When it may be removed.
        until: Option<Millis>,
    },
}

/// Why a task stops or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Who decided it; `None` where the row says neither code nor reason.
    pub decider: Option<Decider>,
    /// When it was told to stop, or ended by itself.
    pub at: Option<Millis>,
}

/// Who decided that a task stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// StopTask.
    User,
    /// DeleteService.
    ServiceDeleted,
    /// Its service has more tasks than it wants.
    ScaledIn {
        /// Id of the deployment that said so.
        deployment: u64,
    },
    /// A deployment replaced it.
    Deployment {
        /// Id of that deployment.
        deployment: u64,
    },
    /// Its instance was drained, and its service replaced it.
    Drained,
    /// Its service replaced it since it failed its health checks.
    HealthChecks,
    /// Its service, for another reason.
    Service,
    /// Its agent: an essential container exited.
    EssentialContainer,
    /// Its agent: it couldn't be started.
    StartFailure,
    /// The controllers: it didn't get to RUNNING in time.
    StartDeadline,
    /// The controllers: it didn't report that it stopped in time.
    StopDeadline,
    /// The controllers: the agent of its instance didn't come back.
    InstanceLost,
    /// DeregisterContainerInstance with force.
    InstanceDeregistered,
    /// Its host, for another reason.
    Infrastructure,
    /// Spot capacity was taken back.
    SpotInterruption,
    /// Its agent ended, or its host is being retired.
    TerminationNotice,
}

/// Why a task is as it is at `now`; `None` where it isn't there. `now` is not before the state's own time.
#[must_use]
pub fn explain_task(view: &State, key: TaskKey, now: Millis) -> Option<TaskExplanation> {
    let row = view.task(key)?;
    let mut desk = Desk::new(view, now, 0, PLAN_CHANGES_MAX);
    let stops = row.desired_status == DesiredStatus::Stopped || row.is_stopped();
    let ending =
        stops.then(|| Ending { decider: decider(view, row), at: row.times.stopping_at.or(row.times.stopped_at) });
    Some(TaskExplanation { task: key, waits: waits(&mut desk, row), ending })
}

fn waits(desk: &mut Desk<'_>, row: &TaskRow) -> Vec<TaskWait> {
    let until = row.deadline;
    if row.is_stopped() {
        return vec![TaskWait::Retention { until }];
    }
    let mut waits = Vec::new();
    if row.desired_status == DesiredStatus::Stopped {
        waits.push(TaskWait::Stop { until });
    } else if row.instance.is_none() {
        waits.extend(placement(desk, row));
    } else if row.last_status < TaskStatus::Running {
        waits.push(if row.report_sequence == 0 { TaskWait::Agent { until } } else { TaskWait::Start { until } });
    } else if let Some(service) = row.service.and_then(|owner| desk.view.service(owner.service)) {
        waits.extend(standing(desk, service, row).and_then(|standing| of_standing(&standing)));
    }
    let instance = row.instance_key().and_then(|key| desk.view.instance(key));
    if let Some(instance) = instance.filter(|instance| !instance.agent_connected) {
        let ends = instance::ends_with_its_instance(row);
        waits.push(TaskWait::Disconnected { until: instance.lost_at.filter(|_| ends) });
    }
    waits
}

fn placement(desk: &mut Desk<'_>, row: &TaskRow) -> Option<TaskWait> {
    let ask = waiting::ask(desk.view, row);
    let fleet = desk.fleet(row.key.cluster, row.launch.launch_type);
    // Where it finds a place the leader is about to bind it.
    let why = Placer::new(&ask, fleet).place(fleet, 0).err()?;
    let closest = why
        .closest
        .map(|(id, _)| InstanceKey { cluster: desk.view.hosting(row.key.cluster, row.launch.launch_type), id });
    let lacks = closest.map(|at| lacks(desk.view, at, &row.definition, &row.launch.needs)).unwrap_or_default();
    Some(TaskWait::Placement { why, lacks, until: row.deadline })
}

fn of_standing(standing: &Standing) -> Option<TaskWait> {
    match *standing {
        Standing::Leaving(why) => Some(TaskWait::Replacement { why }),
        Standing::Aging(until) => Some(TaskWait::Healthy { until }),
        Standing::Checking => Some(TaskWait::HealthCheck),
        Standing::Grace(until) => Some(TaskWait::Grace { until }),
        Standing::Starting | Standing::Stopping | Standing::Healthy => None,
    }
}

fn decider(view: &State, row: &TaskRow) -> Option<Decider> {
    let reason = row.stopped_reason.as_deref().unwrap_or_default();
    let code = row.stop_code?;
    Some(match code {
        StopCode::UserInitiated => Decider::User,
        StopCode::EssentialContainerExited => Decider::EssentialContainer,
        StopCode::TaskFailedToStart if reason == task::NOT_STARTED && row.times.stopping_at.is_some() => {
            Decider::StartDeadline
        }
        StopCode::TaskFailedToStart => Decider::StartFailure,
        StopCode::SpotInterruption => Decider::SpotInterruption,
        StopCode::TerminationNotice => Decider::TerminationNotice,
        StopCode::InfrastructureHealth if reason == task::NOT_ENDED => Decider::StopDeadline,
        StopCode::InfrastructureHealth if reason == instance::LOST => Decider::InstanceLost,
        StopCode::InfrastructureHealth if reason.ends_with(instance::DEREGISTERED_ENDING) => {
            Decider::InstanceDeregistered
        }
        StopCode::InfrastructureHealth => Decider::Infrastructure,
        StopCode::ServiceSchedulerInitiated if reason == texts::UNHEALTHY => Decider::HealthChecks,
        StopCode::ServiceSchedulerInitiated => by_service(view, row, reason),
    })
}

/// A task that its service stopped "by scaling activity": the text is the same for a smaller count, a deployment and a
/// drained instance, as in ECS.
fn by_service(view: &State, row: &TaskRow, reason: &str) -> Decider {
    let Some(deployment) = texts::scaling_deployment(reason) else { return Decider::Service };
    let service: Option<&ServiceRow> = row.service.and_then(|owner| view.service(owner.service)).map(|row| &**row);
    let task_set = row.service.and_then(|owner| view.task_set(owner.service.task_set(owner.deployment)));
    let own = row.deployment_key().and_then(|key| view.deployment(key)).map(|row| row.id);
    let own = own.or(task_set.map(|row| row.id));
    let instance = row.instance_key().and_then(|key| view.instance(key));
    if service.is_none_or(|row| row.status != ServiceStatus::Active) {
        Decider::ServiceDeleted
    } else if own != Some(deployment) {
        Decider::Deployment { deployment }
    } else if instance.is_some_and(|row| row.status == InstanceStatus::Draining) {
        Decider::Drained
    } else {
        Decider::ScaledIn { deployment }
    }
}
