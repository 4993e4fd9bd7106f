//! Encodings of what commands and rows share: keys, resources, bindings.

use std::sync::Arc;

use drydock_model::resources::{Available, Needs, Ports};
use drydock_proto::state as wire;

use super::Bad;
use super::capacity::{from_provider_key, from_scaling_key, provider_key, scaling_key};
use crate::key::{
    ClusterId, DefinitionKey, DeploymentKey, InstanceKey, Key, RevisionKey, ScopeId, ServiceKey, TaskKey, TaskSetKey,
    TokenKey, TokenKind,
};
use crate::row::{
    AttachmentRow, BindingRow, HookRow, InterfaceRow, RollbackRow, SERVICE_LAUNCHES_PER_MINUTE, ServiceProgress,
    Settings,
};

/// High and low half.
#[allow(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
pub(super) const fn split(id: u128) -> (u64, u64) {
    ((id >> 64) as u64, id as u64)
}

pub(super) fn join(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

pub(super) const fn id(id: u128) -> wire::Id {
    let (high, low) = split(id);
    wire::Id { high, low }
}

pub(super) fn from_id(id: &wire::Id) -> u128 {
    join(id.high, id.low)
}

pub(super) fn need<T>(value: Option<T>, what: &str) -> Result<T, Bad> {
    value.ok_or_else(|| Bad::missing(what))
}

/// A value by the code of a status enum.
pub(super) fn code<T>(what: &str, code: u32, from: impl Fn(u32) -> Option<T>) -> Result<T, Bad> {
    from(code).ok_or_else(|| Bad::unknown(what, code))
}

/// A value of an ECS enum by its number.
pub(super) fn ecs_enum<T: TryFrom<i32>>(what: &str, code: u32) -> Result<T, Bad> {
    let number = i32::try_from(code).map_err(|_| Bad::unknown(what, code))?;
    T::try_from(number).map_err(|_| Bad::unknown(what, code))
}

pub(super) const fn task_key(key: TaskKey) -> wire::TaskKey {
    let (id_high, id_low) = split(key.id);
    wire::TaskKey { cluster: key.cluster.0, id_high, id_low }
}

pub(super) fn from_task_key(key: &wire::TaskKey) -> TaskKey {
    TaskKey { cluster: ClusterId(key.cluster), id: join(key.id_high, key.id_low) }
}

pub(super) const fn instance_key(key: InstanceKey) -> wire::InstanceKey {
    let (id_high, id_low) = split(key.id);
    wire::InstanceKey { cluster: key.cluster.0, id_high, id_low }
}

pub(super) fn from_instance_key(key: &wire::InstanceKey) -> InstanceKey {
    InstanceKey { cluster: ClusterId(key.cluster), id: join(key.id_high, key.id_low) }
}

pub(super) const fn service_key(key: ServiceKey) -> wire::ServiceKey {
    wire::ServiceKey { cluster: key.cluster.0, number: key.number }
}

pub(super) const fn from_service_key(key: &wire::ServiceKey) -> ServiceKey {
    ServiceKey { cluster: ClusterId(key.cluster), number: key.number }
}

pub(super) const fn deployment_key(key: DeploymentKey) -> wire::ServicePartKey {
    wire::ServicePartKey { service: Some(service_key(key.service)), number: key.number }
}

pub(super) fn from_deployment_key(key: &wire::ServicePartKey) -> Result<DeploymentKey, Bad> {
    let service = from_service_key(need(key.service.as_ref(), "service of a deployment")?);
    Ok(service.deployment(key.number))
}

pub(super) const fn task_set_key(key: TaskSetKey) -> wire::ServicePartKey {
    wire::ServicePartKey { service: Some(service_key(key.service)), number: key.number }
}

pub(super) fn from_task_set_key(key: &wire::ServicePartKey) -> Result<TaskSetKey, Bad> {
    let service = from_service_key(need(key.service.as_ref(), "service of a task set")?);
    Ok(service.task_set(key.number))
}

pub(super) const fn revision_key(key: RevisionKey) -> wire::ServicePartKey {
    wire::ServicePartKey { service: Some(service_key(key.service)), number: key.number }
}

pub(super) fn from_revision_key(key: &wire::ServicePartKey) -> Result<RevisionKey, Bad> {
    let service = from_service_key(need(key.service.as_ref(), "service of a revision")?);
    Ok(service.revision(key.number))
}

pub(super) fn definition_key(key: &DefinitionKey) -> wire::DefinitionKey {
    wire::DefinitionKey { scope: key.scope.0, family: key.family.to_string(), revision: key.revision }
}

pub(super) fn from_definition_key(key: wire::DefinitionKey) -> DefinitionKey {
    DefinitionKey { scope: ScopeId(key.scope), family: key.family.into(), revision: key.revision }
}

pub(super) fn token_key(key: &TokenKey) -> wire::TokenKey {
    wire::TokenKey { cluster: key.cluster.0, kind: key.kind as u32, token: key.token.to_string() }
}

pub(super) fn from_token_key(key: wire::TokenKey) -> Result<TokenKey, Bad> {
    let kind = match key.kind {
        1 => TokenKind::RunTask,
        2 => TokenKind::CreateService,
        3 => TokenKind::CreateTaskSet,
        other => return Err(Bad::unknown("kind of token", other)),
    };
    Ok(TokenKey { cluster: ClusterId(key.cluster), kind, token: key.token.into() })
}

pub(super) fn any_key(key: &Key) -> wire::Key {
    use wire::key::Key as Wire;
    let key = match key {
        Key::Cluster(id) => Wire::Cluster(id.0),
        Key::Instance(key) => Wire::Instance(instance_key(*key)),
        Key::Service(key) => Wire::Service(service_key(*key)),
        Key::Deployment(key) => Wire::Deployment(deployment_key(*key)),
        Key::Revision(key) => Wire::Revision(revision_key(*key)),
        Key::Task(key) => Wire::Task(task_key(*key)),
        Key::Definition(key) => Wire::Definition(definition_key(key)),
        Key::Token(key) => Wire::Token(token_key(key)),
        Key::TaskSet(key) => Wire::TaskSet(task_set_key(*key)),
        Key::CapacityProvider(key) => Wire::CapacityProvider(provider_key(key)),
        Key::Scaling(key) => Wire::Scaling(scaling_key(key)),
    };
    wire::Key { key: Some(key) }
}

pub(super) fn from_any_key(key: wire::Key) -> Result<Key, Bad> {
    use wire::key::Key as Wire;
    Ok(match need(key.key, "key")? {
        Wire::Cluster(id) => Key::Cluster(ClusterId(id)),
        Wire::Instance(key) => Key::Instance(from_instance_key(&key)),
        Wire::Service(key) => Key::Service(from_service_key(&key)),
        Wire::Deployment(key) => Key::Deployment(from_deployment_key(&key)?),
        Wire::Revision(key) => Key::Revision(from_revision_key(&key)?),
        Wire::Task(key) => Key::Task(from_task_key(&key)),
        Wire::Definition(key) => Key::Definition(from_definition_key(key)),
        Wire::Token(key) => Key::Token(from_token_key(key)?),
        Wire::TaskSet(key) => Key::TaskSet(from_task_set_key(&key)?),
        Wire::CapacityProvider(key) => Key::CapacityProvider(from_provider_key(key)),
        Wire::Scaling(key) => Key::Scaling(from_scaling_key(key)),
    })
}

fn ports(ports: &Ports) -> Vec<u32> {
    ports.iter().map(u32::from).collect()
}

fn from_ports(ports: &[u32]) -> Result<Ports, Bad> {
    ports.iter().map(|port| u16::try_from(*port).map_err(|_| Bad::unknown("port", port))).collect()
}

pub(super) fn port(number: u32) -> Result<u16, Bad> {
    u16::try_from(number).map_err(|_| Bad::unknown("port", number))
}

pub(super) fn available(has: &Available) -> wire::Available {
    wire::Available {
        cpu: has.cpu,
        memory_mib: has.memory_mib,
        taken_tcp: ports(&has.taken_tcp),
        taken_udp: ports(&has.taken_udp),
        gpus: has.gpus.iter().map(ToString::to_string).collect(),
        interfaces: has.interfaces,
    }
}

pub(super) fn from_available(has: wire::Available) -> Result<Available, Bad> {
    Ok(Available {
        cpu: has.cpu,
        memory_mib: has.memory_mib,
        taken_tcp: from_ports(&has.taken_tcp)?,
        taken_udp: from_ports(&has.taken_udp)?,
        gpus: has.gpus.into_iter().map(Into::into).collect(),
        interfaces: has.interfaces,
    })
}

pub(super) fn needs(needs: &Needs) -> wire::Needs {
    wire::Needs {
        cpu: needs.cpu,
        memory_mib: needs.memory_mib,
        tcp: ports(&needs.tcp),
        udp: ports(&needs.udp),
        gpus: needs.gpus,
        interfaces: needs.interfaces,
    }
}

pub(super) fn from_needs(needs: &wire::Needs) -> Result<Needs, Bad> {
    Ok(Needs {
        cpu: needs.cpu,
        memory_mib: needs.memory_mib,
        tcp: from_ports(&needs.tcp)?,
        udp: from_ports(&needs.udp)?,
        gpus: needs.gpus,
        interfaces: needs.interfaces,
    })
}

pub(super) fn text(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

pub(super) fn boxed(text: Option<String>) -> Option<Box<str>> {
    text.map(Into::into)
}

pub(super) fn shared(text: Option<String>) -> Option<Arc<str>> {
    text.map(Into::into)
}

pub(super) fn binding(row: &BindingRow) -> wire::Binding {
    wire::Binding {
        bind_ip: row.bind_ip.to_string(),
        container_port: row.container_port.into(),
        host_port: row.host_port.into(),
        udp: row.udp,
        container_port_range: text(row.container_port_range.as_deref()),
        host_port_range: text(row.host_port_range.as_deref()),
    }
}

pub(super) fn from_binding(row: wire::Binding) -> Result<BindingRow, Bad> {
    Ok(BindingRow {
        bind_ip: row.bind_ip.into(),
        container_port: port(row.container_port)?,
        host_port: port(row.host_port)?,
        udp: row.udp,
        container_port_range: boxed(row.container_port_range),
        host_port_range: boxed(row.host_port_range),
    })
}

pub(super) fn interface(row: &InterfaceRow) -> wire::Interface {
    wire::Interface {
        attachment_id: row.attachment_id.to_string(),
        private_ipv4: text(row.private_ipv4.as_deref()),
        ipv6: text(row.ipv6.as_deref()),
    }
}

pub(super) fn from_interface(row: wire::Interface) -> InterfaceRow {
    InterfaceRow {
        attachment_id: row.attachment_id.into(),
        private_ipv4: boxed(row.private_ipv4),
        ipv6: boxed(row.ipv6),
    }
}

pub(super) fn attachment(row: &AttachmentRow) -> wire::Attachment {
    let detail =
        |(name, value): &(Box<str>, Box<str>)| wire::Detail { name: name.to_string(), value: value.to_string() };
    wire::Attachment {
        id: row.id.to_string(),
        kind: row.kind.to_string(),
        status: row.status.to_string(),
        details: row.details.iter().map(detail).collect(),
    }
}

pub(super) fn from_attachment(row: wire::Attachment) -> AttachmentRow {
    AttachmentRow {
        id: row.id.into(),
        kind: row.kind.into(),
        status: row.status.into(),
        details: row.details.into_iter().map(|detail| (detail.name.into(), detail.value.into())).collect(),
    }
}

pub(super) fn rollback(row: &RollbackRow) -> wire::Rollback {
    wire::Rollback {
        reason: row.reason.to_string(),
        started_at: row.started_at,
        to_deployment: row.to_deployment,
        to_revision: row.to_revision,
    }
}

pub(super) fn from_rollback(row: wire::Rollback) -> RollbackRow {
    RollbackRow {
        reason: row.reason.into(),
        started_at: row.started_at,
        to_deployment: row.to_deployment,
        to_revision: row.to_revision,
    }
}

pub(super) fn hook(row: &HookRow) -> wire::Hook {
    wire::Hook {
        id: Some(id(row.id)),
        stage: row.stage as u32,
        status: row.status as u32,
        expires_at: row.expires_at,
        timeout_action: row.timeout_action as u32,
    }
}

pub(super) fn from_hook(row: &wire::Hook) -> Result<HookRow, Bad> {
    Ok(HookRow {
        id: from_id(need(row.id.as_ref(), "id of a hook")?),
        stage: ecs_enum("hook stage", row.stage)?,
        status: ecs_enum("hook status", row.status)?,
        expires_at: row.expires_at,
        timeout_action: ecs_enum("hook action", row.timeout_action)?,
    })
}

pub(super) const fn progress(row: &ServiceProgress) -> wire::ServiceProgress {
    wire::ServiceProgress {
        steady: row.steady,
        start_failures: row.start_failures,
        not_before: row.not_before,
        wake_at: row.wake_at,
        counted_until: row.counted_until,
        rebalancing: row.rebalancing,
        rebalance_at: row.rebalance_at,
    }
}

pub(super) const fn from_progress(row: &wire::ServiceProgress) -> ServiceProgress {
    ServiceProgress {
        steady: row.steady,
        start_failures: row.start_failures,
        not_before: row.not_before,
        wake_at: row.wake_at,
        counted_until: row.counted_until,
        rebalancing: row.rebalancing,
        rebalance_at: row.rebalance_at,
    }
}

macro_rules! settings {
    ($($field:ident),+ $(,)?) => {
        pub(crate) const fn settings(row: &Settings) -> wire::Settings {
            let launches = row.service_launches_per_minute;
            wire::Settings {
                service_launches_per_minute: if launches == SERVICE_LAUNCHES_PER_MINUTE { None } else { Some(launches) },
                waits_divisor: if row.waits_divisor == 1 { None } else { Some(row.waits_divisor) },
                $($field: row.$field),+
            }
        }

        pub(crate) const fn from_settings(row: &wire::Settings) -> Settings {
            Settings {
                service_launches_per_minute: match row.service_launches_per_minute {
                    Some(launches) => launches,
                    None => SERVICE_LAUNCHES_PER_MINUTE,
                },
                waits_divisor: match row.waits_divisor {
                    Some(divisor) => divisor,
                    None => 1,
                },
                $($field: row.$field),+
            }
        }
    };
}

settings!(
    healthy_after_ms,
    instance_disconnect_after_ms,
    instance_lost_after_ms,
    stopped_task_retention_ms,
    inactive_retention_ms,
    token_retention_ms,
    task_start_limit_ms,
    task_stop_limit_ms,
    deployment_stage_limit_ms,
    deployment_limit_ms,
    event_suppression_ms,
    task_provision_limit_ms,
);
