//! PutAttributes and DeleteAttributes: the custom attributes of container instances (ecs-semantics §2.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::Resource;
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::attributes as requests;
use drydock_model::status::InstanceStatus;
use drydock_proto::ecs;

use super::{Answer, Apply};
use crate::key::{InstanceKey, Key};
use crate::outcome::Outcome;
use crate::row::{ClusterRow, InstanceRow};

/// Instances as they will be, and the attributes of the answer.
type Targets = (BTreeMap<InstanceKey, InstanceRow>, Vec<ecs::Attribute>);

impl Apply<'_> {
    /// Adds attributes, or gives them another value.
    pub(super) fn put_attributes(&mut self, request: &ecs::PutAttributesRequest) -> Answer {
        requests::put_attributes(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let targets = self.targets(&cluster, &request.attributes, |row, name, value| {
            let mut info = (*row.info).clone();
            info.attributes.insert(Arc::clone(&name), value.clone());
            info.put.insert(name, value);
            row.info = Arc::new(info);
        })?;
        let too_many = |row: &InstanceRow| {
            let custom = row.info.attributes.keys().filter(|name| !requests::is_built_in(name)).count();
            // Those that the agent told may be more.
            custom > requests::ATTRIBUTES_MAX && !row.info.put.is_empty()
        };
        if targets.0.values().any(too_many) {
            let text = format!("A container instance has at most {} custom attributes.", requests::ATTRIBUTES_MAX);
            return Err(EcsError::new(ExceptionName::AttributeLimitExceeded, text).into());
        }
        Ok(self.put_targets(targets))
    }

    /// Takes attributes away; one that an instance doesn't have is no error.
    pub(super) fn delete_attributes(&mut self, request: &ecs::DeleteAttributesRequest) -> Answer {
        requests::delete_attributes(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let targets = self.targets(&cluster, &request.attributes, |row, name, _| {
            let mut info = (*row.info).clone();
            info.attributes.remove(&name);
            info.put.remove(&name);
            row.info = Arc::new(info);
        })?;
        Ok(self.put_targets(targets))
    }

    fn targets(
        &self,
        cluster: &ClusterRow,
        attributes: &[ecs::Attribute],
        change: impl Fn(&mut InstanceRow, Arc<str>, Option<Arc<str>>),
    ) -> Result<Targets, EcsError> {
        let (mut rows, mut answer) = (BTreeMap::new(), Vec::new());
        for attribute in attributes {
            let row = self.find_instance(cluster, attribute.target_id.as_deref().unwrap_or_default());
            let row = row
                .filter(|row| row.status != InstanceStatus::Inactive)
                .ok_or_else(|| EcsError::new(ExceptionName::TargetNotFound, "The specified target wasn't found."))?;
            let arn = Resource::ContainerInstance(cluster.name.to_string(), row.key.to_string());
            let name = Arc::from(attribute.name.as_deref().unwrap_or_default());
            let value = attribute.value.as_deref().map(Arc::from);
            change(rows.entry(row.key).or_insert_with(|| (*row).clone()), name, value);
            answer.push(ecs::Attribute { target_id: Some(self.arn(arn)), target_type: None, ..attribute.clone() });
        }
        Ok((rows, answer))
    }

    /// Services that wait for an instance must look.
    fn put_targets(&mut self, (rows, answer): Targets) -> Outcome {
        for row in rows.into_values() {
            self.mark(Key::Instance(row.key));
            self.state.put_instance(row);
        }
        Outcome::Attributes(answer)
    }
}
