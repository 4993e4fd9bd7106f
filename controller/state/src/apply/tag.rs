//! TagResource and UntagResource, on whatever has tags.

use std::sync::Arc;

use drydock_model::arn::{Arn, Resource};
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::tagging as requests;
use drydock_model::requests::task_definitions::Reference;
use drydock_model::tags;
use drydock_proto::ecs;

use super::{Answer, Apply};
use crate::outcome::Outcome;
use crate::row::{CapacityProviderRow, ClusterRow, DefinitionRow, InstanceRow, ServiceRow, Tags, TaskRow, TaskSetRow};

/// What an ARN names.
enum Tagged {
    Cluster(Arc<ClusterRow>),
    Service(Arc<ServiceRow>),
    Task(Arc<TaskRow>),
    Instance(Arc<InstanceRow>),
    Definition(Arc<DefinitionRow>),
    TaskSet(Arc<TaskSetRow>),
    CapacityProvider(Arc<CapacityProviderRow>),
}

impl Tagged {
    fn tags(&self) -> Tags {
        match self {
            Self::Cluster(row) => row.tags.clone(),
            Self::Service(row) => row.document.tags.clone().into(),
            Self::Task(row) => row.tags.to_vec().into(),
            Self::Instance(row) => row.tags.to_vec().into(),
            Self::Definition(row) => row.tags.to_vec().into(),
            Self::TaskSet(row) => row.tags.to_vec().into(),
            Self::CapacityProvider(row) => row.tags.clone(),
        }
    }
}

impl Apply<'_> {
    pub(super) fn tag_resource(&mut self, request: &ecs::TagResourceRequest) -> Answer {
        let tagged = self.tagged(&requests::tag_resource(request)?)?;
        let after = tagged.tags().with(&request.tags);
        tags::check_count(after.len())?;
        self.set_tags(&tagged, after);
        Ok(Outcome::Done)
    }

    pub(super) fn untag_resource(&mut self, request: &ecs::UntagResourceRequest) -> Answer {
        let tagged = self.tagged(&requests::untag_resource(request)?)?;
        let after = tagged.tags().without(&request.tag_keys);
        self.set_tags(&tagged, after);
        Ok(Outcome::Done)
    }

    fn tagged(&self, arn: &Arn) -> Result<Tagged, EcsError> {
        let missing = || EcsError::new(ExceptionName::ResourceNotFound, "The specified resource wasn't found.");
        if arn.scope != *self.scope {
            return Err(EcsError::new(
                ExceptionName::InvalidParameter,
                "The resource is of another region or account.",
            ));
        }
        match &arn.resource {
            Resource::Cluster(name) => Ok(Tagged::Cluster(self.active_cluster(Some(name))?)),
            Resource::Service(cluster, _) => {
                let row = self.find_service(&*self.active_cluster(Some(cluster))?, &arn.to_string());
                row.map(Tagged::Service).ok_or_else(EcsError::service_not_found)
            }
            Resource::Task(cluster, _) => {
                let row = self.find_task(&*self.active_cluster(Some(cluster))?, &arn.to_string());
                row.map(Tagged::Task).ok_or_else(missing)
            }
            Resource::ContainerInstance(cluster, _) => {
                let row = self.find_instance(&*self.active_cluster(Some(cluster))?, &arn.to_string());
                row.map(Tagged::Instance).ok_or_else(missing)
            }
            Resource::TaskDefinition(family, revision) => {
                let of = Reference { scope: None, family: family.clone(), revision: Some(*revision) };
                self.find_revision(&of).map(Tagged::Definition).ok_or_else(missing)
            }
            Resource::TaskSet(cluster, service, _) => {
                let cluster = self.active_cluster(Some(cluster))?;
                let row = self.find_service(&cluster, service).ok_or_else(EcsError::service_not_found)?;
                self.find_task_set(&cluster, &row, Some(&arn.to_string())).map(Tagged::TaskSet)
            }
            Resource::CapacityProvider(name) => Ok(Tagged::CapacityProvider(self.provider_by_name(name)?)),
            Resource::Container(..) | Resource::ServiceDeployment(..) | Resource::ServiceRevision(..) => {
                Err(EcsError::invalid_parameter("The specified resource has no tags."))
            }
        }
    }

    fn set_tags(&mut self, tagged: &Tagged, tags: Tags) {
        match tagged {
            Tagged::Cluster(row) => self.tag_cluster(row, tags),
            Tagged::Service(row) => self.tag_service(row, tags.to_vec()),
            Tagged::Task(row) => self.tag_task(row, tags.to_vec()),
            Tagged::Instance(row) => self.tag_instance(row, tags.to_vec()),
            Tagged::Definition(row) => self.tag_definition(row, tags.to_vec()),
            Tagged::TaskSet(row) => self.tag_task_set(row, &tags.to_vec()),
            Tagged::CapacityProvider(row) => self.tag_capacity_provider(row, tags),
        }
    }
}
