//! Encoding of plans.

use drydock_model::status::{ServiceDeploymentStatus, ServiceStatus, StopCode};
use drydock_proto::state as wire;
use prost::Message as _;
use wire::change::Change as Wire;

use super::Bad;
use super::capacity::{from_set_scaling, set_scaling};
use super::parts::{
    code, deployment_key, ecs_enum, from_deployment_key, from_hook, from_id, from_instance_key, from_progress,
    from_rollback, from_service_key, from_task_key, from_task_set_key, hook, id, instance_key, need, progress,
    rollback, service_key, shared, task_key, task_set_key, text,
};
use crate::event::Level;
use crate::plan::{
    BindTask, Change, CreateTask, EmitServiceAction, EndTaskProtection, MarkTaskLost, Plan, PutServiceEvent,
    SetDeployment, SetInstance, SetService, SetTaskSet, StopTask,
};
use crate::row::RolloutState;

pub(super) fn to_wire(plan: &Plan) -> wire::Plan {
    wire::Plan { changes: plan.changes.iter().map(change).collect() }
}

pub(super) fn from_wire(plan: wire::Plan) -> Result<Plan, Bad> {
    Ok(Plan { changes: plan.changes.into_iter().map(from_change).collect::<Result<_, _>>()? })
}

impl Change {
    /// Bytes that it adds to an encoded plan: what [`crate::plan::PLAN_BYTES_MAX`] bounds.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        /// Tag and length of a repeated message of less than 2^21 bytes.
        const FRAME: usize = 4;
        change(self).encoded_len() + FRAME
    }
}

fn change(change: &Change) -> wire::Change {
    let change = match change {
        Change::CreateTask(create) => Wire::CreateTask(wire::CreateTask {
            service: Some(service_key(create.service)),
            generation: create.generation,
            deployment: create.deployment,
            revision: create.revision,
            instance: create.instance.map(id),
            capacity_provider: text(create.capacity_provider.as_deref()),
            rebalances: create.rebalances,
        }),
        Change::StopTask(stop) => Wire::StopTask(wire::StopTask {
            task: Some(task_key(stop.task)),
            code: stop.code.code(),
            reason: stop.reason.clone(),
        }),
        Change::MarkTaskLost(lost) => Wire::MarkTaskLost(wire::MarkTaskLost {
            task: Some(task_key(lost.task)),
            code: lost.code.code(),
            reason: lost.reason.clone(),
            even_if_connected: lost.even_if_connected,
        }),
        Change::SetDeployment(set) => Wire::SetDeployment(set_deployment(set)),
        Change::SetService(set) => Wire::SetService(wire::SetService {
            service: Some(service_key(set.service)),
            version: set.version,
            progress: set.progress.as_ref().map(progress),
            status: set.status.map(ServiceStatus::code),
            desired_count: set.desired_count,
        }),
        Change::PutServiceEvent(put) => Wire::PutServiceEvent(wire::PutServiceEvent {
            service: Some(service_key(put.service)),
            message: put.message.clone(),
            task_set: put.task_set,
        }),
        Change::EmitServiceAction(emit) => Wire::EmitServiceAction(wire::EmitServiceAction {
            service: Some(service_key(emit.service)),
            level: emit.level as u32,
            name: emit.name.clone(),
            reason: emit.reason.clone(),
            instances: emit.instances.iter().copied().map(id).collect(),
            capacity_providers: emit.capacity_providers.clone(),
        }),
        Change::SetInstance(set) => Wire::SetInstance(wire::SetInstance {
            instance: Some(instance_key(set.instance)),
            disconnected_at: set.disconnected_at,
            lost_at: set.lost_at,
        }),
        Change::EndTaskProtection(end) => {
            Wire::EndTaskProtection(wire::EndTaskProtection { task: Some(task_key(end.task)), until: end.until })
        }
        Change::SetTaskSet(set) => Wire::SetTaskSet(wire::SetTaskSet {
            task_set: Some(task_set_key(set.task_set)),
            version: set.version,
            progress: set.progress.as_ref().map(progress),
            drained: set.drained,
        }),
        Change::BindTask(bind) => {
            Wire::BindTask(wire::BindTask { task: Some(task_key(bind.task)), instance: Some(id(bind.instance)) })
        }
        Change::SetScaling(set) => Wire::SetScaling(set_scaling(set)),
    };
    wire::Change { change: Some(change) }
}

fn from_change(change: wire::Change) -> Result<Change, Bad> {
    Ok(match need(change.change, "change that this build knows")? {
        Wire::CreateTask(create) => Change::CreateTask(CreateTask {
            service: from_service_key(&need(create.service, "service")?),
            generation: create.generation,
            deployment: create.deployment,
            revision: create.revision,
            instance: create.instance.as_ref().map(from_id),
            capacity_provider: shared(create.capacity_provider),
            rebalances: create.rebalances,
        }),
        Wire::StopTask(stop) => Change::StopTask(StopTask {
            task: from_task_key(&need(stop.task, "task")?),
            code: code("stop code", stop.code, StopCode::from_code)?,
            reason: stop.reason,
        }),
        Wire::MarkTaskLost(lost) => Change::MarkTaskLost(MarkTaskLost {
            task: from_task_key(&need(lost.task, "task")?),
            code: code("stop code", lost.code, StopCode::from_code)?,
            reason: lost.reason,
            even_if_connected: lost.even_if_connected,
        }),
        Wire::SetDeployment(set) => Change::SetDeployment(Box::new(from_set_deployment(set)?)),
        Wire::SetService(set) => Change::SetService(SetService {
            service: from_service_key(&need(set.service, "service")?),
            version: set.version,
            progress: set.progress.as_ref().map(from_progress),
            status: set.status.map(|number| code("service status", number, ServiceStatus::from_code)).transpose()?,
            desired_count: set.desired_count,
        }),
        Wire::PutServiceEvent(put) => Change::PutServiceEvent(PutServiceEvent {
            service: from_service_key(&need(put.service, "service")?),
            message: put.message,
            task_set: put.task_set,
        }),
        Wire::EmitServiceAction(emit) => Change::EmitServiceAction(EmitServiceAction {
            service: from_service_key(&need(emit.service, "service")?),
            level: code("level", emit.level, level)?,
            name: emit.name,
            reason: emit.reason,
            instances: emit.instances.iter().map(from_id).collect(),
            capacity_providers: emit.capacity_providers,
        }),
        Wire::EndTaskProtection(end) => Change::EndTaskProtection(EndTaskProtection {
            task: from_task_key(&need(end.task, "task")?),
            until: end.until,
        }),
        Wire::SetInstance(set) => Change::SetInstance(SetInstance {
            instance: from_instance_key(&need(set.instance, "instance")?),
            disconnected_at: set.disconnected_at,
            lost_at: set.lost_at,
        }),
        Wire::SetTaskSet(set) => Change::SetTaskSet(SetTaskSet {
            task_set: from_task_set_key(&need(set.task_set, "task set")?)?,
            version: set.version,
            progress: set.progress.as_ref().map(from_progress),
            drained: set.drained,
        }),
        Wire::BindTask(bind) => Change::BindTask(BindTask {
            task: from_task_key(&need(bind.task, "task")?),
            instance: from_id(&need(bind.instance, "instance")?),
        }),
        Wire::SetScaling(set) => Change::SetScaling(Box::new(from_set_scaling(set)?)),
    })
}

const fn level(code: u32) -> Option<Level> {
    Some(match code {
        1 => Level::Info,
        2 => Level::Warn,
        3 => Level::Error,
        _ => return None,
    })
}

pub(super) const fn rollout_state(code: u32) -> Option<RolloutState> {
    Some(match code {
        1 => RolloutState::InProgress,
        2 => RolloutState::Completed,
        3 => RolloutState::Failed,
        _ => return None,
    })
}

fn set_deployment(set: &SetDeployment) -> wire::SetDeployment {
    wire::SetDeployment {
        deployment: Some(deployment_key(set.deployment)),
        version: set.version,
        status: set.status.map(ServiceDeploymentStatus::code),
        status_reason: set.status_reason.clone(),
        rollout_state: set.rollout_state.map(|state| state as u32),
        rollout_state_reason: set.rollout_state_reason.clone(),
        stage: set.stage.map(|stage| stage as u32),
        failed_tasks: set.failed_tasks,
        failure_count: set.failure_count,
        breaker: set.breaker.map(|breaker| breaker as u32),
        ever_ran: set.ever_ran,
        counted_until: set.counted_until,
        set_wake_at: set.wake_at.is_some(),
        wake_at: set.wake_at.flatten(),
        rollback: set.rollback.as_ref().map(rollback),
        counted_at: set.counted_at,
        halt: set.halt,
        production_traffic: set.production_traffic,
        test_traffic: set.test_traffic,
        set_bake_until: set.bake_until.is_some(),
        bake_until: set.bake_until.flatten(),
        set_hooks: set.hooks.is_some(),
        hooks: set.hooks.iter().flatten().map(hook).collect(),
    }
}

fn from_set_deployment(set: wire::SetDeployment) -> Result<SetDeployment, Bad> {
    let status = |number| code("service deployment status", number, ServiceDeploymentStatus::from_code);
    Ok(SetDeployment {
        deployment: from_deployment_key(&need(set.deployment, "deployment")?)?,
        version: set.version,
        status: set.status.map(status).transpose()?,
        status_reason: set.status_reason,
        rollout_state: set.rollout_state.map(|number| code("rollout state", number, rollout_state)).transpose()?,
        rollout_state_reason: set.rollout_state_reason,
        stage: set.stage.map(|number| ecs_enum("lifecycle stage", number)).transpose()?,
        failed_tasks: set.failed_tasks,
        failure_count: set.failure_count,
        breaker: set.breaker.map(|number| ecs_enum("breaker status", number)).transpose()?,
        ever_ran: set.ever_ran,
        counted_until: set.counted_until,
        wake_at: set.set_wake_at.then_some(set.wake_at),
        rollback: set.rollback.map(from_rollback),
        counted_at: set.counted_at,
        halt: set.halt,
        production_traffic: set.production_traffic,
        test_traffic: set.test_traffic,
        bake_until: set.set_bake_until.then_some(set.bake_until),
        hooks: set.set_hooks.then(|| set.hooks.iter().map(from_hook).collect()).transpose()?,
    })
}
