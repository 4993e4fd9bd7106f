//! How requests name things: by name, id or ARN.

use std::sync::Arc;

use drydock_model::arn::{Arn, Resource};
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::clusters::DEFAULT_CLUSTER;
use drydock_model::requests::task_definitions::{Reference, reference};
use drydock_model::status::{ClusterStatus, TaskDefinitionStatus};

use super::Apply;
use crate::key::{ClusterId, DefinitionKey, FamilyKey, InstanceKey, TaskKey};
use crate::row::{ClusterRow, DefinitionRow, InstanceRow, ServiceRow, TaskRow};

/// A ClientException of a task definition that isn't there.
pub(super) fn definition_not_found() -> EcsError {
    EcsError::client("TaskDefinition not found.")
}

/// Parses 32 hex digits.
pub(super) fn hex_id(text: &str) -> Option<u128> {
    if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

impl Apply<'_> {
    /// The name of the cluster that a request means, where it is of this scope.
    pub(super) fn cluster_name<'t>(&self, given: Option<&'t str>) -> Result<&'t str, EcsError> {
        let text = given.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CLUSTER);
        if !text.starts_with("arn:") {
            return Ok(text);
        }
        match text.parse::<Arn>() {
            Ok(Arn { scope, resource: Resource::Cluster(_) }) if scope == *self.scope => {
                Ok(drydock_model::arn::short_name(text))
            }
            Ok(Arn { resource: Resource::Cluster(_), .. }) => Err(EcsError::cluster_not_found()),
            _ => Err(EcsError::invalid_parameter("Invalid identifier: Unexpected ARN format")),
        }
    }

    /// The cluster that a request means: it must be ACTIVE.
    pub(super) fn active_cluster(&self, given: Option<&str>) -> Result<Arc<ClusterRow>, EcsError> {
        let name = self.cluster_name(given)?;
        let scope = self.state.scope_id(self.scope).ok_or_else(EcsError::cluster_not_found)?;
        let row = self.state.cluster_by_name(scope, name).ok_or_else(EcsError::cluster_not_found)?;
        if row.status != ClusterStatus::Active {
            return Err(EcsError::new(ExceptionName::ClusterNotFound, "The referenced cluster was inactive."));
        }
        Ok(Arc::clone(row))
    }

    /// The part of an ARN of this scope and cluster that `pick` takes, or the text itself where it is no ARN.
    fn in_cluster(
        &self,
        text: &str,
        cluster: &ClusterRow,
        pick: impl FnOnce(Resource) -> Option<(String, String)>,
    ) -> Option<String> {
        if !text.starts_with("arn:") {
            return Some(text.to_owned());
        }
        let arn = text.parse::<Arn>().ok()?;
        let (of, last) = pick(arn.resource)?;
        (arn.scope == *self.scope && *of == *cluster.name).then_some(last)
    }

    pub(super) fn find_task(&self, cluster: &ClusterRow, text: &str) -> Option<Arc<TaskRow>> {
        let id = self.in_cluster(text, cluster, |resource| match resource {
            Resource::Task(cluster, id) => Some((cluster, id)),
            _ => None,
        })?;
        self.state.task(TaskKey { cluster: cluster.id, id: hex_id(&id)? }).cloned()
    }

    /// A container instance: no host that serves Fargate alone.
    pub(super) fn find_instance(&self, cluster: &ClusterRow, text: &str) -> Option<Arc<InstanceRow>> {
        let id = self.in_cluster(text, cluster, |resource| match resource {
            Resource::ContainerInstance(cluster, id) => Some((cluster, id)),
            _ => None,
        })?;
        let row = self.state.instance(InstanceKey { cluster: cluster.id, id: hex_id(&id)? });
        row.filter(|row| row.is_container_instance()).cloned()
    }

    pub(super) fn find_service(&self, cluster: &ClusterRow, text: &str) -> Option<Arc<ServiceRow>> {
        let name = self.in_cluster(text, cluster, |resource| match resource {
            Resource::Service(cluster, name) => Some((cluster, name)),
            _ => None,
        })?;
        self.state.service_by_name(cluster.id, &name).cloned()
    }

    /// A revision of any status; `None` where it isn't there.
    pub(super) fn find_revision(&self, of: &Reference) -> Option<Arc<DefinitionRow>> {
        if of.scope.as_ref().is_some_and(|scope| scope != self.scope) {
            return None;
        }
        let scope = self.state.scope_id(self.scope)?;
        let key = DefinitionKey { scope, family: of.family.as_str().into(), revision: of.revision? };
        self.state.definition(&key).cloned()
    }

    /// The ACTIVE task definition that new tasks run: by family (its latest ACTIVE revision), `family:revision` or ARN.
    pub(super) fn usable_definition(&self, text: &str) -> Result<Arc<DefinitionRow>, EcsError> {
        let of = reference(text)?;
        if of.scope.as_ref().is_some_and(|scope| scope != self.scope) {
            return Err(definition_not_found());
        }
        let is_active = |row: &Arc<DefinitionRow>| row.status == TaskDefinitionStatus::Active;
        if of.revision.is_none() {
            let scope = self.state.scope_id(self.scope).ok_or_else(definition_not_found)?;
            let family = FamilyKey { scope, family: of.family.into() };
            let latest = self.state.revisions_of_family(&family).rev().find(|row| is_active(row));
            return latest.cloned().ok_or_else(definition_not_found);
        }
        match self.find_revision(&of) {
            Some(row) if is_active(&row) => Ok(row),
            Some(_) => Err(EcsError::client("TaskDefinition is inactive")),
            None => Err(definition_not_found()),
        }
    }

    pub(super) fn arn(&self, resource: Resource) -> String {
        self.scope.arn(resource).to_string()
    }

    /// An id that nothing has yet.
    pub(super) fn new_task_key(&mut self, cluster: ClusterId) -> TaskKey {
        loop {
            let key = TaskKey { cluster, id: self.ids.bits() };
            if self.state.task(key).is_none() {
                return key;
            }
        }
    }

    /// An id that nothing has yet.
    pub(super) fn new_instance_key(&mut self, cluster: ClusterId) -> InstanceKey {
        loop {
            let key = InstanceKey { cluster, id: self.ids.bits() };
            if self.state.instance(key).is_none() {
                return key;
            }
        }
    }
}
