//! From what a request calls a thing to its row: an ARN, or a short name or id.

use std::sync::Arc;

use drydock_model::arn::{Arn, Resource, Scope};
use drydock_model::error::EcsError;
use drydock_model::status::{ClusterStatus, TaskDefinitionStatus};

use crate::key::{ClusterId, DefinitionKey, FamilyKey, InstanceKey, ScopeId, TaskKey};
use crate::row::{ClusterRow, DefinitionRow, InstanceRow, ServiceRow, TaskRow};
use crate::state::State;

/// The cluster that a request means where it names none.
pub(super) const DEFAULT_CLUSTER: &str = "default";

/// What a request's text names, once its scope is known to be the caller's.
fn resource(scope: &Scope, text: &str) -> Option<Resource> {
    let arn: Arn = text.parse().ok()?;
    (arn.scope == *scope).then_some(arn.resource)
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// A cluster of any status.
pub(super) fn any_cluster<'a>(state: &'a State, scope: &Scope, text: &str) -> Option<&'a Arc<ClusterRow>> {
    let id = state.scope_id(scope)?;
    if !is_arn(text) {
        return state.cluster_by_name(id, text);
    }
    match resource(scope, text)? {
        Resource::Cluster(name) => state.cluster_by_name(id, &name),
        _ => None,
    }
}

/// The ACTIVE cluster that a request names, `default` where it names none.
pub(super) fn cluster<'a>(
    state: &'a State,
    scope: &Scope,
    text: Option<&str>,
) -> Result<&'a Arc<ClusterRow>, EcsError> {
    let text = text.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CLUSTER);
    let found = any_cluster(state, scope, text).filter(|row| row.status == ClusterStatus::Active);
    found.ok_or_else(EcsError::cluster_not_found)
}

/// The id in the last part of a text that names something of this cluster.
fn id_in(
    scope: &Scope,
    cluster: &ClusterRow,
    text: &str,
    part: fn(Resource) -> Option<(String, String)>,
) -> Option<u128> {
    let id = if is_arn(text) {
        let (of, id) = part(resource(scope, text)?)?;
        (*of == *cluster.name).then_some(id)?
    } else {
        text.to_owned()
    };
    let plain = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    if plain { u128::from_str_radix(&id, 16).ok() } else { None }
}

/// A task by ARN or id.
pub(super) fn task<'a>(state: &'a State, scope: &Scope, cluster: &ClusterRow, text: &str) -> Option<&'a Arc<TaskRow>> {
    let id = id_in(scope, cluster, text, |resource| match resource {
        Resource::Task(cluster, id) => Some((cluster, id)),
        _ => None,
    })?;
    state.task(TaskKey { cluster: cluster.id, id })
}

/// A container instance by ARN or id.
pub(super) fn instance<'a>(
    state: &'a State,
    scope: &Scope,
    cluster: &ClusterRow,
    text: &str,
) -> Option<&'a Arc<InstanceRow>> {
    let id = id_in(scope, cluster, text, |resource| match resource {
        Resource::ContainerInstance(cluster, id) => Some((cluster, id)),
        _ => None,
    })?;
    state.instance(InstanceKey { cluster: cluster.id, id }).filter(|row| row.is_container_instance())
}

/// The latest incarnation of a service, by ARN or name.
pub(super) fn service<'a>(
    state: &'a State,
    scope: &Scope,
    cluster: ClusterId,
    text: &str,
) -> Option<&'a Arc<ServiceRow>> {
    if !is_arn(text) {
        return state.service_by_name(cluster, text);
    }
    match resource(scope, text)? {
        Resource::Service(of, name) if *state.cluster(cluster)?.name == of => state.service_by_name(cluster, &name),
        _ => None,
    }
}

/// A task definition by family and revision; the latest ACTIVE one where no revision is given.
pub(super) fn reference<'a>(
    state: &'a State,
    scope: &Scope,
    family: &str,
    revision: Option<u32>,
) -> Option<&'a Arc<DefinitionRow>> {
    let scope = state.scope_id(scope)?;
    match revision {
        Some(revision) => state.definition(&DefinitionKey { scope, family: Arc::from(family), revision }),
        None => latest_active(state, scope, family),
    }
}

fn latest_active<'a>(state: &'a State, scope: ScopeId, family: &str) -> Option<&'a Arc<DefinitionRow>> {
    let family = FamilyKey { scope, family: Arc::from(family) };
    state.revisions_of_family(&family).rev().find(|row| row.status == TaskDefinitionStatus::Active)
}
