//! Events in the shapes of EventBridge (ecs-semantics §2.6, §2.6b).

use drydock_proto::control::{self, event::Detail};
use drydock_proto::ecs;

use super::{Arns, capacity_provider, instance, task, time};
use crate::event::{Event, EventKind};
use crate::key::{InstanceKey, Millis};
use crate::row::AttachmentRow;

/// Milliseconds of a second: EventBridge's `time` has no parts of it.
const SECOND: Millis = 1_000;

/// An event of the log as ECS sends it to EventBridge.
#[must_use]
pub fn render(event: &Event) -> control::Event {
    let arns = Arns::new(&event.scope, &event.cluster);
    let (resource, detail) = detail(event, arns);
    control::Event {
        version: "0".to_owned(),
        id: uuid(event.id),
        detail_type: event.kind.detail_type().to_owned(),
        source: source(&event.kind).to_owned(),
        account: event.scope.account.clone(),
        time: Some(time::timestamp(event.at - event.at % SECOND)),
        region: event.scope.region.clone(),
        resources: vec![resource],
        detail: Some(detail),
    }
}

/// What AWS says too has AWS's source.
const fn source(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Scaling(_) => "drydock",
        _ => "aws.ecs",
    }
}

fn detail(event: &Event, arns: Arns<'_>) -> (String, Detail) {
    match &event.kind {
        EventKind::Task { task: row, definition } => {
            let shown = task_change(task::render(arns, row, Some(definition)), event.at);
            (arns.task(row.key), Detail::Task(shown))
        }
        EventKind::Instance { instance: row, running, pending } => {
            let shown = instance::render(arns, row, *running, *pending);
            let shown = instance_change(shown, arns.cluster(), event.at);
            (arns.instance(row.key), Detail::ContainerInstance(shown))
        }
        EventKind::ServiceAction { service, level, name, reason, instances, capacity_providers } => {
            let cluster = service.key.cluster;
            let instances = instances.iter().map(|id| arns.instance(InstanceKey { cluster, id: *id }));
            let action = control::ServiceAction {
                event_type: level.as_str().to_owned(),
                event_name: name.to_string(),
                cluster_arn: arns.cluster(),
                capacity_provider_arns: capacity_providers.iter().map(|name| arns.capacity_provider(name)).collect(),
                container_instance_arns: instances.collect(),
                reason: reason.as_deref().map(str::to_owned),
                created_at: Some(time::timestamp(event.at)),
            };
            (arns.service(&service.name), Detail::ServiceAction(action))
        }
        EventKind::Deployment { service, deployment, level, name, reason } => {
            let change = control::DeploymentStateChange {
                event_type: level.as_str().to_owned(),
                event_name: (*name).to_owned(),
                deployment_id: deployment.started_by.to_string(),
                updated_at: Some(time::timestamp(event.at)),
                reason: reason.to_string(),
            };
            (arns.service(&service.name), Detail::DeploymentStateChange(change))
        }
        EventKind::Scaling(row) => {
            (arns.capacity_provider(&row.key.provider), Detail::ScalingDecision(capacity_provider::decision(arns, row)))
        }
    }
}

/// What of a Task is in its event: not its health nor its tags, and its interface goes by a shorter name.
fn task_change(mut task: ecs::Task, at: Millis) -> control::TaskStateChange {
    for attachment in &mut task.attachments {
        if attachment.r#type.as_deref() == Some(AttachmentRow::NETWORK_INTERFACE) {
            attachment.r#type = Some("eni".to_owned());
        }
    }
    for container in &mut task.containers {
        container.health_status = None;
    }
    let overrides = task.overrides.unwrap_or_default();
    control::TaskStateChange {
        attachments: task.attachments,
        attributes: task.attributes,
        availability_zone: task.availability_zone,
        capacity_provider_name: task.capacity_provider_name,
        cluster_arn: task.cluster_arn.unwrap_or_default(),
        connectivity: task.connectivity,
        connectivity_at: task.connectivity_at,
        container_instance_arn: task.container_instance_arn,
        containers: task.containers,
        cpu: task.cpu,
        created_at: task.created_at,
        desired_status: task.desired_status.unwrap_or_default(),
        enable_execute_command: task.enable_execute_command,
        ephemeral_storage: task.ephemeral_storage,
        execution_stopped_at: task.execution_stopped_at,
        group: task.group,
        launch_type: task.launch_type,
        last_status: task.last_status.unwrap_or_default(),
        memory: task.memory,
        overrides: Some(control::TaskStateChangeOverride {
            container_overrides: overrides.container_overrides,
            cpu: overrides.cpu,
            ephemeral_storage: overrides.ephemeral_storage,
            execution_role_arn: overrides.execution_role_arn,
            memory: overrides.memory,
            task_role_arn: overrides.task_role_arn,
        }),
        platform_version: task.platform_version,
        pull_started_at: task.pull_started_at,
        pull_stopped_at: task.pull_stopped_at,
        started_at: task.started_at,
        started_by: task.started_by,
        stop_code: task.stop_code,
        stopped_at: task.stopped_at,
        stopped_reason: task.stopped_reason,
        stopping_at: task.stopping_at,
        task_arn: task.task_arn.unwrap_or_default(),
        task_definition_arn: task.task_definition_arn.unwrap_or_default(),
        updated_at: Some(time::timestamp(at)),
        version: task.version.and_then(|version| u64::try_from(version).ok()).unwrap_or_default(),
    }
}

/// What of a ContainerInstance is in its event: not its counts of tasks nor its tags.
fn instance_change(
    instance: ecs::ContainerInstance,
    cluster: String,
    at: Millis,
) -> control::ContainerInstanceStateChange {
    control::ContainerInstanceStateChange {
        agent_connected: instance.agent_connected.unwrap_or_default(),
        attributes: instance.attributes,
        cluster_arn: cluster,
        container_instance_arn: instance.container_instance_arn.unwrap_or_default(),
        ec2_instance_id: instance.ec2_instance_id,
        registered_resources: instance.registered_resources.into_iter().map(resource).collect(),
        remaining_resources: instance.remaining_resources.into_iter().map(resource).collect(),
        status: instance.status.unwrap_or_default(),
        updated_at: Some(time::timestamp(at)),
        version: instance.version.and_then(|version| u64::try_from(version).ok()).unwrap_or_default(),
        version_info: instance.version_info,
    }
}

/// An event shows the value of the resource's type alone, where the API shows zeros for the others.
fn resource(full: ecs::Resource) -> ecs::Resource {
    let integer = full.r#type.as_deref() == Some("INTEGER");
    ecs::Resource {
        double_value: None,
        long_value: None,
        integer_value: full.integer_value.filter(|_| integer),
        ..full
    }
}

/// A UUID that the state keeps as a number, written as one.
pub(super) fn uuid(id: u128) -> String {
    let versioned = (id & !(0xf << 76)) | (0x4 << 76);
    let bits = (versioned & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut out = String::with_capacity(36);
    for (at, digit) in hex.char_indices() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}
