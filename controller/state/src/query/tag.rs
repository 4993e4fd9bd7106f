//! ListTagsForResource.

use drydock_model::arn::Resource;
use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_proto::ecs;

use super::{Query, lookup};
use crate::key::CapacityProviderKey;
use crate::row::ClusterRow;
use crate::state::State;

impl Query<'_> {
    /// ListTagsForResource: of clusters, container instances, services, task sets, tasks and task definitions.
    ///
    /// # Errors
    /// `InvalidParameterException` for what is no ARN, has no tags or isn't there; `ClusterNotFoundException`,
    /// `ServiceNotFoundException`, `TaskSetNotFoundException`.
    pub fn list_tags_for_resource(
        &self,
        request: &ecs::ListTagsForResourceRequest,
    ) -> Result<ecs::ListTagsForResourceResponse, EcsError> {
        let arn = requests::tagging::list_tags_for_resource(request)?;
        let text = arn.to_string();
        let not_found = || EcsError::invalid_parameter("The specified resource was not found.");
        if arn.scope != *self.scope {
            return Err(not_found());
        }
        let tags = match &arn.resource {
            Resource::Cluster(name) => self.cluster(Some(name))?.tags.to_vec(),
            Resource::Service(cluster, name) => {
                let cluster = self.cluster(Some(cluster))?;
                let row = lookup::service(self.state, self.scope, cluster.id, name);
                row.ok_or_else(EcsError::service_not_found)?.document.tags.clone()
            }
            Resource::Task(cluster, _) => {
                let cluster = self.cluster(Some(cluster))?;
                let row = lookup::task(self.state, self.scope, cluster, &text).ok_or_else(not_found)?;
                super::task::tags(row, &cluster.name)
            }
            Resource::ContainerInstance(cluster, _) => {
                let row = instance(self.state, self, self.cluster(Some(cluster))?, &text);
                row.ok_or_else(not_found)?
            }
            Resource::TaskDefinition(family, revision) => {
                let row = lookup::reference(self.state, self.scope, family, Some(*revision)).ok_or_else(not_found)?;
                row.tags.to_vec()
            }
            Resource::TaskSet(cluster, service, id) => {
                let cluster = self.cluster(Some(cluster))?;
                let service = lookup::service(self.state, self.scope, cluster.id, service);
                let service = service.ok_or_else(EcsError::service_not_found)?;
                let mut rows = self.state.task_sets(service.key).filter(|row| row.is_shown());
                let row = rows.find(|row| row.id.to_string() == *id);
                row.ok_or_else(EcsError::task_set_not_found)?.tags.to_vec()
            }
            Resource::CapacityProvider(name) => {
                let key = self.scope_id().map(|scope| CapacityProviderKey { scope, name: name.as_str().into() });
                let row = key.and_then(|key| self.state.capacity_provider(&key));
                row.ok_or_else(not_found)?.tags.to_vec()
            }
            Resource::Container(..) | Resource::ServiceDeployment(..) | Resource::ServiceRevision(..) => {
                return Err(EcsError::invalid_parameter(format!("Invalid resourceArn '{text}'.")));
            }
        };
        Ok(ecs::ListTagsForResourceResponse { tags })
    }
}

fn instance(state: &State, query: &Query<'_>, cluster: &ClusterRow, text: &str) -> Option<Vec<ecs::Tag>> {
    lookup::instance(state, query.scope, cluster, text).map(|row| row.tags.to_vec())
}
