//! Encoding of commands.

use drydock_model::capacity::Serves;
use drydock_model::status::{ContainerStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::state as wire;
use wire::envelope::Command as Wire;

use super::account_row::{from_names, names};
use super::parts::{
    any_key, attachment, available, binding, code, from_any_key, from_attachment, from_available, from_binding,
    from_id, from_instance_key, from_interface, from_settings, from_task_key, id, instance_key, interface, need,
    settings, task_key,
};
use super::{Bad, plan};
use crate::command::{
    Command, ContainerReport, InterruptTask, Placement, RegisterInstance, ReportTimes, RunTask, TaskReport,
};

pub(super) fn to_wire(command: &Command) -> Wire {
    match command {
        Command::CreateCluster(request) => Wire::CreateCluster((**request).clone()),
        Command::DeleteCluster(request) => Wire::DeleteCluster(request.clone()),
        Command::UpdateCluster(request) => Wire::UpdateCluster((**request).clone()),
        Command::UpdateClusterSettings(request) => Wire::UpdateClusterSettings(request.clone()),
        Command::RegisterTaskDefinition(request) => Wire::RegisterTaskDefinition((**request).clone()),
        Command::DeregisterTaskDefinition(request) => Wire::DeregisterTaskDefinition(request.clone()),
        Command::DeleteTaskDefinitions(request) => Wire::DeleteTaskDefinitions(request.clone()),
        Command::CreateService(request) => Wire::CreateService((**request).clone()),
        Command::UpdateService(request) => Wire::UpdateService((**request).clone()),
        Command::DeleteService(request) => Wire::DeleteService(request.clone()),
        Command::RunTask(run) => Wire::RunTask(run_task(run)),
        Command::StartTask(request) => Wire::StartTask((**request).clone()),
        Command::StopTask(request) => Wire::StopTask(request.clone()),
        Command::DeregisterContainerInstance(request) => Wire::DeregisterContainerInstance(request.clone()),
        Command::UpdateContainerInstancesState(request) => Wire::UpdateContainerInstancesState(request.clone()),
        Command::PutAttributes(request) => Wire::PutAttributes(request.clone()),
        Command::DeleteAttributes(request) => Wire::DeleteAttributes(request.clone()),
        Command::TagResource(request) => Wire::TagResource(request.clone()),
        Command::UntagResource(request) => Wire::UntagResource(request.clone()),
        Command::UpdateTaskProtection(request) => Wire::UpdateTaskProtection(request.clone()),
        Command::StopServiceDeployment(request) => Wire::StopServiceDeployment(request.clone()),
        Command::ContinueServiceDeployment(request) => Wire::ContinueServiceDeployment(request.clone()),
        Command::PutAccountSetting(request) => Wire::PutAccountSetting(request.clone()),
        Command::PutAccountSettingDefault(request) => Wire::PutAccountSettingDefault(request.clone()),
        Command::DeleteAccountSetting(request) => Wire::DeleteAccountSetting(request.clone()),
        Command::CreateTaskSet(request) => Wire::CreateTaskSet((**request).clone()),
        Command::UpdateTaskSet(request) => Wire::UpdateTaskSet(request.clone()),
        Command::DeleteTaskSet(request) => Wire::DeleteTaskSet(request.clone()),
        Command::UpdateServicePrimaryTaskSet(request) => Wire::UpdateServicePrimaryTaskSet(request.clone()),
        Command::CreateCapacityProvider(request) => Wire::CreateCapacityProvider((**request).clone()),
        Command::UpdateCapacityProvider(request) => Wire::UpdateCapacityProvider((**request).clone()),
        Command::DeleteCapacityProvider(request) => Wire::DeleteCapacityProvider(request.clone()),
        Command::PutClusterCapacityProviders(request) => Wire::PutClusterCapacityProviders(request.clone()),
        Command::RegisterContainerInstance(request) => Wire::RegisterContainerInstance((**request).clone()),
        Command::SubmitTaskStateChange(request) => Wire::SubmitTaskStateChange((**request).clone()),
        Command::SubmitContainerStateChange(request) => Wire::SubmitContainerStateChange(request.clone()),
        Command::SubmitAttachmentStateChanges(request) => Wire::SubmitAttachmentStateChanges(request.clone()),
        Command::InterruptTask(interrupt) => Wire::InterruptTask(wire::InterruptTask {
            cluster: interrupt.cluster.clone(),
            task: interrupt.task.clone(),
        }),
        Command::RegisterInstance(register) => Wire::RegisterInstance(register_instance(register)),
        Command::InstanceConnected(key) => Wire::InstanceConnected(instance_key(*key)),
        Command::InstanceDisconnected(key) => Wire::InstanceDisconnected(instance_key(*key)),
        Command::ReportStatuses(reports) => {
            Wire::ReportStatuses(wire::ReportStatuses { reports: reports.iter().map(report).collect() })
        }
        Command::Plan(plan) => Wire::Plan(plan::to_wire(plan)),
        Command::Reap(keys) => Wire::Reap(wire::Reap { keys: keys.iter().map(any_key).collect() }),
        Command::Checkpoint { index, digest } => Wire::Checkpoint(wire::Checkpoint { index: *index, digest: *digest }),
        Command::PutSettings(values) => Wire::PutSettings(settings(values)),
        Command::Reset => Wire::Reset(wire::Reset {}),
        Command::PutNames(values) => Wire::PutNames(names(values)),
        Command::NewEpoch => Wire::NewEpoch(wire::NewEpoch {}),
    }
}

pub(super) fn from_wire(command: Wire) -> Result<Command, Bad> {
    Ok(match command {
        Wire::CreateCluster(request) => Command::CreateCluster(Box::new(request)),
        Wire::DeleteCluster(request) => Command::DeleteCluster(request),
        Wire::UpdateCluster(request) => Command::UpdateCluster(Box::new(request)),
        Wire::UpdateClusterSettings(request) => Command::UpdateClusterSettings(request),
        Wire::RegisterTaskDefinition(request) => Command::RegisterTaskDefinition(Box::new(request)),
        Wire::DeregisterTaskDefinition(request) => Command::DeregisterTaskDefinition(request),
        Wire::DeleteTaskDefinitions(request) => Command::DeleteTaskDefinitions(request),
        Wire::CreateService(request) => Command::CreateService(Box::new(request)),
        Wire::UpdateService(request) => Command::UpdateService(Box::new(request)),
        Wire::DeleteService(request) => Command::DeleteService(request),
        Wire::RunTask(run) => Command::RunTask(Box::new(from_run_task(run)?)),
        Wire::StartTask(request) => Command::StartTask(Box::new(request)),
        Wire::StopTask(request) => Command::StopTask(request),
        Wire::DeregisterContainerInstance(request) => Command::DeregisterContainerInstance(request),
        Wire::UpdateContainerInstancesState(request) => Command::UpdateContainerInstancesState(request),
        Wire::PutAttributes(request) => Command::PutAttributes(request),
        Wire::DeleteAttributes(request) => Command::DeleteAttributes(request),
        Wire::TagResource(request) => Command::TagResource(request),
        Wire::UntagResource(request) => Command::UntagResource(request),
        Wire::UpdateTaskProtection(request) => Command::UpdateTaskProtection(request),
        Wire::StopServiceDeployment(request) => Command::StopServiceDeployment(request),
        Wire::ContinueServiceDeployment(request) => Command::ContinueServiceDeployment(request),
        Wire::PutAccountSetting(request) => Command::PutAccountSetting(request),
        Wire::PutAccountSettingDefault(request) => Command::PutAccountSettingDefault(request),
        Wire::DeleteAccountSetting(request) => Command::DeleteAccountSetting(request),
        Wire::CreateTaskSet(request) => Command::CreateTaskSet(Box::new(request)),
        Wire::UpdateTaskSet(request) => Command::UpdateTaskSet(request),
        Wire::DeleteTaskSet(request) => Command::DeleteTaskSet(request),
        Wire::UpdateServicePrimaryTaskSet(request) => Command::UpdateServicePrimaryTaskSet(request),
        Wire::CreateCapacityProvider(request) => Command::CreateCapacityProvider(Box::new(request)),
        Wire::UpdateCapacityProvider(request) => Command::UpdateCapacityProvider(Box::new(request)),
        Wire::DeleteCapacityProvider(request) => Command::DeleteCapacityProvider(request),
        Wire::PutClusterCapacityProviders(request) => Command::PutClusterCapacityProviders(request),
        Wire::RegisterContainerInstance(request) => Command::RegisterContainerInstance(Box::new(request)),
        Wire::SubmitTaskStateChange(request) => Command::SubmitTaskStateChange(Box::new(request)),
        Wire::SubmitContainerStateChange(request) => Command::SubmitContainerStateChange(request),
        Wire::SubmitAttachmentStateChanges(request) => Command::SubmitAttachmentStateChanges(request),
        Wire::InterruptTask(interrupt) => {
            Command::InterruptTask(InterruptTask { cluster: interrupt.cluster, task: interrupt.task })
        }
        Wire::RegisterInstance(register) => Command::RegisterInstance(Box::new(from_register_instance(register)?)),
        Wire::InstanceConnected(key) => Command::InstanceConnected(from_instance_key(&key)),
        Wire::InstanceDisconnected(key) => Command::InstanceDisconnected(from_instance_key(&key)),
        Wire::ReportStatuses(reports) => {
            Command::ReportStatuses(reports.reports.into_iter().map(from_report).collect::<Result<_, _>>()?)
        }
        Wire::Plan(plan) => Command::Plan(plan::from_wire(plan)?),
        Wire::Reap(reap) => Command::Reap(reap.keys.into_iter().map(from_any_key).collect::<Result<_, _>>()?),
        Wire::Checkpoint(check) => Command::Checkpoint { index: check.index, digest: check.digest },
        Wire::PutSettings(values) => Command::PutSettings(from_settings(&values)),
        Wire::Reset(wire::Reset {}) => Command::Reset,
        Wire::PutNames(values) => Command::PutNames(Box::new(from_names(values))),
        Wire::NewEpoch(wire::NewEpoch {}) => Command::NewEpoch,
    })
}

fn run_task(run: &RunTask) -> wire::RunTask {
    use wire::placement::Placement as Where;
    let placement = |placement: &Placement| wire::Placement {
        placement: Some(match placement {
            Placement::On(instance) => Where::Instance(id(*instance)),
            Placement::Provided { provider, instance } => Where::Provided(wire::ProviderPlacement {
                capacity_provider: provider.to_string(),
                instance: instance.map(id),
            }),
            Placement::Failed(failure) => Where::Failed(failure.clone()),
        }),
    };
    wire::RunTask { request: Some(run.request.clone()), placements: run.placements.iter().map(placement).collect() }
}

fn from_run_task(run: wire::RunTask) -> Result<RunTask, Bad> {
    use wire::placement::Placement as Where;
    let placement = |placement: wire::Placement| match need(placement.placement, "placement")? {
        Where::Instance(instance) => Ok(Placement::On(from_id(&instance))),
        Where::Provided(provided) => Ok(Placement::Provided {
            provider: provided.capacity_provider.into(),
            instance: provided.instance.as_ref().map(from_id),
        }),
        Where::Failed(failure) => Ok(Placement::Failed(failure)),
    };
    Ok(RunTask {
        request: need(run.request, "request of RunTask")?,
        placements: run.placements.into_iter().map(placement).collect::<Result<_, _>>()?,
    })
}

fn register_instance(register: &RegisterInstance) -> wire::RegisterInstance {
    wire::RegisterInstance {
        cluster: register.cluster.clone(),
        token: register.token.clone(),
        capacity: Some(available(&register.capacity)),
        attributes: register.attributes.clone(),
        ec2_instance_id: register.ec2_instance_id.clone(),
        agent_version: register.agent_version.clone(),
        docker_version: register.docker_version.clone(),
        runtime: register.runtime.clone(),
        tags: register.tags.clone(),
        serves: register.serves.code(),
        capacity_provider: register.capacity_provider.clone(),
    }
}

fn from_register_instance(register: wire::RegisterInstance) -> Result<RegisterInstance, Bad> {
    Ok(RegisterInstance {
        cluster: register.cluster,
        token: register.token,
        capacity: from_available(need(register.capacity, "capacity")?)?,
        attributes: register.attributes,
        ec2_instance_id: register.ec2_instance_id,
        agent_version: register.agent_version,
        docker_version: register.docker_version,
        runtime: register.runtime,
        tags: register.tags,
        serves: code("what an instance serves", register.serves, Serves::from_code)?,
        capacity_provider: register.capacity_provider,
    })
}

fn report(report: &TaskReport) -> wire::TaskReport {
    wire::TaskReport {
        task: Some(task_key(report.task)),
        instance: Some(id(report.instance)),
        sequence: report.sequence,
        last_status: report.last_status.code(),
        health: report.health.code(),
        stop_code: report.stop_code.map(StopCode::code),
        stopped_reason: report.stopped_reason.clone(),
        pull_started_at: report.times.pull_started_at,
        pull_stopped_at: report.times.pull_stopped_at,
        started_at: report.times.started_at,
        stopping_at: report.times.stopping_at,
        execution_stopped_at: report.times.execution_stopped_at,
        stopped_at: report.times.stopped_at,
        containers: report.containers.iter().map(container).collect(),
        attachments: report.attachments.iter().map(attachment).collect(),
    }
}

fn from_report(report: wire::TaskReport) -> Result<TaskReport, Bad> {
    let stop_code = report.stop_code.map(|number| code("stop code", number, StopCode::from_code)).transpose()?;
    Ok(TaskReport {
        task: from_task_key(&need(report.task, "task of a report")?),
        instance: from_id(&need(report.instance, "instance of a report")?),
        sequence: report.sequence,
        last_status: code("task status", report.last_status, TaskStatus::from_code)?,
        health: code("health status", report.health, HealthStatus::from_code)?,
        stop_code,
        stopped_reason: report.stopped_reason,
        times: ReportTimes {
            pull_started_at: report.pull_started_at,
            pull_stopped_at: report.pull_stopped_at,
            started_at: report.started_at,
            stopping_at: report.stopping_at,
            execution_stopped_at: report.execution_stopped_at,
            stopped_at: report.stopped_at,
        },
        containers: report.containers.into_iter().map(from_container).collect::<Result<_, _>>()?,
        attachments: report.attachments.into_iter().map(from_attachment).collect(),
    })
}

fn container(report: &ContainerReport) -> wire::ContainerReport {
    wire::ContainerReport {
        name: report.name.clone(),
        last_status: report.last_status.code(),
        exit_code: report.exit_code,
        reason: report.reason.clone(),
        runtime_id: report.runtime_id.clone(),
        image_digest: report.image_digest.clone(),
        health: report.health.code(),
        network_bindings: report.network_bindings.iter().map(binding).collect(),
        network_interfaces: report.network_interfaces.iter().map(interface).collect(),
        restart_count: report.restart_count,
    }
}

fn from_container(report: wire::ContainerReport) -> Result<ContainerReport, Bad> {
    Ok(ContainerReport {
        name: report.name,
        last_status: code("container status", report.last_status, ContainerStatus::from_code)?,
        exit_code: report.exit_code,
        reason: report.reason,
        runtime_id: report.runtime_id,
        image_digest: report.image_digest,
        health: code("health status", report.health, HealthStatus::from_code)?,
        network_bindings: report.network_bindings.into_iter().map(from_binding).collect::<Result<_, _>>()?,
        network_interfaces: report.network_interfaces.into_iter().map(from_interface).collect(),
        restart_count: report.restart_count,
    })
}
