//! What an agent is told: the tasks of its instance, the definitions that they name, and the digest over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_proto::{agent, ecs};

use super::{Arns, definition, task, time};
use crate::key::{ClusterId, DefinitionKey, InstanceKey};
use crate::row::{AttachmentRow, TaskRow};
use crate::state::State;

/// All that an instance should know: every task of it that isn't STOPPED, and each definition once.
///
/// `None` where the instance, its cluster or its scope isn't there. The sequence is the log index at which the
/// instance's set of tasks last changed, so that any leader goes on counting where the last one was (raft-recipe §5).
#[must_use]
pub fn manifest(state: &State, instance: InstanceKey) -> Option<agent::Manifest> {
    let row = state.instance(instance)?;
    let (scope, _) = home(state, instance.cluster)?;
    let tasks: Vec<&Arc<TaskRow>> = state.live_tasks_on(instance).collect();
    Some(agent::Manifest {
        sequence: row.changed_at,
        tasks: tasks.iter().filter_map(|row| assigned_task(state, row)).collect(),
        task_definitions: definitions(state, scope, tasks.iter().map(|row| &row.definition)),
        more: false,
    })
}

/// One task with all that its agent needs, but for the task definition.
#[must_use]
pub fn assigned_task(state: &State, row: &TaskRow) -> Option<agent::AssignedTask> {
    let (scope, name) = home(state, row.key.cluster)?;
    row.instance.is_some().then(|| assigned(state, Arns::new(scope, name), row))
}

/// The task definitions of these keys, each once, as an agent gets them.
#[must_use]
pub fn definitions<'a>(
    state: &State,
    scope: &Scope,
    keys: impl IntoIterator<Item = &'a DefinitionKey>,
) -> Vec<ecs::TaskDefinition> {
    let once: BTreeMap<&DefinitionKey, ()> = keys.into_iter().map(|key| (key, ())).collect();
    once.into_keys().filter_map(|key| state.definition(key)).map(|row| definition::render(scope, row)).collect()
}

/// The bytes that the digest of an instance's manifest is taken over: its tasks by ARN, each as ARN, NUL,
/// desiredStatus, NUL. The digest is CRC-32C over them.
#[must_use]
pub fn digest_input(state: &State, instance: InstanceKey) -> Option<Vec<u8>> {
    state.instance(instance)?;
    let mut tasks = BTreeMap::new();
    for row in state.live_tasks_on(instance) {
        let (scope, name) = home(state, row.key.cluster)?;
        tasks.insert(Arns::new(scope, name).task(row.key), row.desired_status);
    }
    let mut bytes = Vec::new();
    for (arn, desired) in &tasks {
        for part in [arn.as_str(), desired.as_str()] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
    }
    Some(bytes)
}

/// CRC-32C of an instance's manifest, as four bytes, big endian: what `Hello.manifest_digest` is compared with.
#[must_use]
pub fn manifest_digest(state: &State, instance: InstanceKey) -> Option<[u8; 4]> {
    digest_input(state, instance).map(|bytes| crc32c(&bytes).to_be_bytes())
}

/// CRC-32C (Castagnoli, reflected 0x82F63B78), bit by bit: manifests are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}

fn home(state: &State, cluster: ClusterId) -> Option<(&Arc<Scope>, &Arc<str>)> {
    let cluster = state.cluster(cluster)?;
    Some((state.scope(cluster.scope)?, &cluster.name))
}

fn assigned(state: &State, arns: Arns<'_>, row: &TaskRow) -> agent::AssignedTask {
    let definition = state.definition(&row.definition);
    let containers = definition.iter().flat_map(|row| row.document.container_definitions.iter()).enumerate();
    let container_arns = containers.filter_map(|(at, container)| {
        let name = container.name.clone()?;
        Some((name, arns.container(row.key, u32::try_from(at).unwrap_or(u32::MAX))))
    });
    agent::AssignedTask {
        task_arn: arns.task(row.key),
        task_definition_arn: arns.definition(&row.definition),
        desired_status: row.desired_status.to_string(),
        cluster: arns.cluster_name().to_owned(),
        group: row.group.to_string(),
        started_by: row.started_by.as_deref().unwrap_or_default().to_owned(),
        launch_type: row.launch.launch_type.into(),
        overrides: row.launch.overrides.clone(),
        network_configuration: network(row),
        tags: task::tags(row, arns.cluster_name()),
        availability_zone: row.availability_zone.as_deref().unwrap_or_default().to_owned(),
        container_arns: container_arns.collect(),
        enable_execute_command: row.launch.enable_execute_command,
        created_at: Some(time::timestamp(row.times.created_at)),
        image_digests: image_digests(state, row),
        attachments: row.attachments.iter().map(task::attachment).collect(),
    }
}

/// The network of a task: of the subnets that it may be in, its agent is told the one that it is in.
fn network(row: &TaskRow) -> Option<ecs::NetworkConfiguration> {
    let mut network = row.launch.network_configuration.clone();
    let subnet = row.attachments.iter().find_map(AttachmentRow::subnet);
    if let (Some(subnet), Some(vpc)) = (subnet, network.as_mut().and_then(|all| all.awsvpc_configuration.as_mut())) {
        vpc.subnets = vec![subnet.to_owned()];
    }
    network
}

/// What the images of a service's task must be: the digests that the deployment's first task found.
fn image_digests(state: &State, row: &TaskRow) -> BTreeMap<String, String> {
    let revision = row.service.and_then(|owner| state.revision(owner.service.revision(owner.revision)));
    revision.map(|row| (*row.image_digests).clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_is_crc_32c() {
        assert_eq!(super::crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(super::crc32c(b""), 0);
    }
}
