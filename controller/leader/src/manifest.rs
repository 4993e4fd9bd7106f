//! What an agent is told about its tasks, from an immutable version of the state: the whole, in parts where it is large, or
//! what changed since it was last told. Pure.

use std::collections::BTreeMap;

use drydock_model::arn::{Scope, short_name};
use drydock_model::status::DesiredStatus;
use drydock_proto::agent::{AssignedTask, Delta, Manifest};
use drydock_proto::ecs::TaskDefinition;
use drydock_state::command::RegisterInstance;
use drydock_state::query::{Arns, agent};
use drydock_state::row::{InstanceRow, TaskRow};
use drydock_state::{InstanceKey, State};
use prost::Message as _;

use crate::limits::MANIFEST_PART_BYTES;

/// What an agent was last told: which tasks, and where they should go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The manifest's sequence.
    pub sequence: u64,
    tasks: BTreeMap<u128, DesiredStatus>,
}

impl Sent {
    /// What there is to tell by a version of the state.
    #[must_use]
    pub fn of(state: &State, key: InstanceKey) -> Option<Self> {
        let sequence = state.instance(key)?.changed_at;
        let tasks = state.live_tasks_on(key).map(|row| (row.key.id, row.desired_status)).collect();
        Some(Self { sequence, tasks })
    }
}

/// The instance that registered with a token in a cluster of that name.
#[must_use]
pub fn find<'a>(state: &'a State, scope: &Scope, cluster: &str, token: &str) -> Option<&'a InstanceRow> {
    let cluster = state.cluster_by_name(state.scope_id(scope)?, cluster)?;
    state.instance_by_token(cluster.id, token).map(AsRef::as_ref)
}

/// Whether an ARN or id names the instance.
#[must_use]
pub fn is_named(key: InstanceKey, arn: &str) -> bool {
    short_name(arn) == key.to_string()
}

/// Whether a registration says nothing new about an instance.
#[must_use]
pub fn is_same(row: &InstanceRow, registration: &RegisterInstance) -> bool {
    let attributes = registration.attributes.iter().all(|attribute| {
        let name = attribute.name.as_deref().unwrap_or_default();
        row.info.attributes.get(name).is_some_and(|value| value.as_deref() == attribute.value.as_deref())
    });
    let text = |kept: &Option<Box<str>>, told: &str| kept.as_deref().unwrap_or_default() == told;
    row.registered == registration.capacity
        && attributes
        && *row.info.agent_version == *registration.agent_version
        && text(&row.info.docker_version, &registration.docker_version)
        && *row.info.runtime == *registration.runtime
}

/// The instance's ARN.
#[must_use]
pub fn arn(state: &State, key: InstanceKey) -> Option<String> {
    let cluster = state.cluster(key.cluster)?;
    Some(Arns::new(state.scope(cluster.scope)?, &cluster.name).instance(key))
}

/// The whole manifest, in parts of at most [`MANIFEST_PART_BYTES`] where a single task allows that.
#[must_use]
pub fn parts(state: &State, key: InstanceKey) -> Vec<Manifest> {
    let Some(whole) = agent::manifest(state, key) else { return Vec::new() };
    if whole.encoded_len() <= MANIFEST_PART_BYTES {
        return vec![whole];
    }
    let sequence = whole.sequence;
    let mut definitions: BTreeMap<String, TaskDefinition> = whole
        .task_definitions
        .into_iter()
        .map(|definition| (definition.task_definition_arn.clone().unwrap_or_default(), definition))
        .collect();
    let part = |more| Manifest { sequence, more, ..Manifest::default() };
    let (mut parts, mut current, mut bytes) = (Vec::new(), part(true), 0);
    for task in whole.tasks {
        // A definition goes once, with the first task that names it.
        let definition = definitions.remove(&task.task_definition_arn);
        let weight = task.encoded_len() + definition.as_ref().map_or(0, prost::Message::encoded_len);
        if bytes > 0 && bytes + weight > MANIFEST_PART_BYTES {
            parts.push(std::mem::replace(&mut current, part(true)));
            bytes = 0;
        }
        bytes += weight;
        current.tasks.push(task);
        current.task_definitions.extend(definition);
    }
    current.more = false;
    parts.push(current);
    parts
}

/// The ARN of a task of an instance: it may be of another cluster.
fn task_arn(state: &State, key: InstanceKey, id: u128) -> Option<String> {
    let row = state.task_on(key, id)?;
    let cluster = state.cluster(row.key.cluster)?;
    Some(Arns::new(state.scope(cluster.scope)?, &cluster.name).task(row.key))
}

/// What changed from `sent` to `now`; `None` where it is so much that a manifest in parts is better.
#[must_use]
pub fn delta(state: &State, key: InstanceKey, sent: &Sent, now: &Sent) -> Option<Delta> {
    let cluster = state.cluster(key.cluster)?;
    let scope = state.scope(cluster.scope)?;
    let arns = Arns::new(scope, &cluster.name);
    let changed = now.tasks.iter().filter(|(id, desired)| sent.tasks.get(*id) != Some(*desired));
    let rows: Vec<&TaskRow> = changed.filter_map(|(id, _)| state.task_on(key, *id)).map(AsRef::as_ref).collect();
    let upserts: Vec<AssignedTask> = rows.iter().filter_map(|row| agent::assigned_task(state, row)).collect();
    let gone = sent.tasks.keys().filter(|id| !now.tasks.contains_key(*id));
    let delta = Delta {
        from: sent.sequence,
        to: now.sequence,
        upserts,
        removed_task_arns: gone
            .map(|id| task_arn(state, key, *id).unwrap_or_else(|| arns.task(key.task(*id))))
            .collect(),
        task_definitions: agent::definitions(state, scope, rows.iter().map(|row| &row.definition)),
    };
    (delta.encoded_len() <= MANIFEST_PART_BYTES).then_some(delta)
}
