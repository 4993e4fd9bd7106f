//! Container instances: DescribeContainerInstances, ListContainerInstances.

use std::sync::Arc;

use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests;
use drydock_model::status::InstanceStatus;
use drydock_proto::ecs::{self, ContainerInstanceField, ContainerInstanceStatus};

use super::{Arns, Query, list, lookup, time};
use crate::key::InstanceKey;
use crate::row::{ClusterRow, InstanceRow};
use crate::subjects::InstanceSubjects;

impl<'a> Query<'a> {
    /// DescribeContainerInstances.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn describe_container_instances(
        &self,
        request: &ecs::DescribeContainerInstancesRequest,
    ) -> Result<ecs::DescribeContainerInstancesResponse, EcsError> {
        requests::container_instances::describe_container_instances(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let with_tags = request.include().any(|field| field == ContainerInstanceField::Tags);
        let mut response = ecs::DescribeContainerInstancesResponse::default();
        for name in &request.container_instances {
            match lookup::instance(self.state, self.scope, cluster, name) {
                Some(row) => {
                    let mut instance = self.render_instance(row);
                    if !with_tags {
                        instance.tags = Vec::new();
                    }
                    response.container_instances.push(instance);
                }
                None => response.failures.push(list::missing(self.instance_arn(cluster, name))),
            }
        }
        Ok(response)
    }

    /// ListContainerInstances: ACTIVE and DRAINING ones where no status is asked for.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn list_container_instances(
        &self,
        request: &ecs::ListContainerInstancesRequest,
    ) -> Result<ecs::ListContainerInstancesResponse, EcsError> {
        let (page, filter) = requests::container_instances::list_container_instances(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let from = list::after(page.after.as_deref());
        let rows = self.state.instances_in(cluster.id, from.unwrap_or(0)..=u128::MAX);
        let rows = rows.filter(|row| Some(row.key.id) != from && is_listed(row, request.status()));
        let meets = |row: &InstanceRow| {
            let of = InstanceSubjects { state: self.state, row };
            filter.as_ref().is_none_or(|filter| filter.holds(&of) == Some(true))
        };
        let rows = rows.filter(|row| meets(row));
        let (rows, next_token) = page.cut(rows, |row| row.key.to_string());
        let arns = self.arns(cluster);
        Ok(ecs::ListContainerInstancesResponse {
            container_instance_arns: rows.into_iter().map(|row| arns.instance(row.key)).collect(),
            next_token,
        })
    }

    /// UpdateContainerAgent: agents are updated by whoever installed them.
    ///
    /// # Errors
    /// Always: `NoUpdateAvailableException`; `MissingVersionException` where the agent told no version;
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn update_container_agent(
        &self,
        request: &ecs::UpdateContainerAgentRequest,
    ) -> Result<ecs::UpdateContainerAgentResponse, EcsError> {
        requests::container_instances::update_container_agent(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let row = lookup::instance(self.state, self.scope, cluster, request.container_instance());
        let row = row.filter(|row| row.status != InstanceStatus::Inactive).ok_or_else(not_found)?;
        Err(match row.info.agent_version.is_empty() {
            true => EcsError::new(
                ExceptionName::MissingVersion,
                "The current version of the container agent can't be determined, so that there is no update path.",
            ),
            false => EcsError::new(
                ExceptionName::NoUpdateAvailable,
                "There is no update available for the container agent: it is updated by whoever installed it.",
            ),
        })
    }

    /// DiscoverPollEndpoint: where whoever acts as an agent goes on calling.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn discover_poll_endpoint(
        &self,
        request: &ecs::DiscoverPollEndpointRequest,
        endpoint: &str,
    ) -> Result<ecs::DiscoverPollEndpointResponse, EcsError> {
        requests::agent::discover_poll_endpoint(request)?;
        if let Some(name) = request.container_instance.as_deref().filter(|name| !name.is_empty()) {
            let cluster = self.cluster(request.cluster.as_deref())?;
            lookup::instance(self.state, self.scope, cluster, name).ok_or_else(not_found)?;
        }
        Ok(ecs::DiscoverPollEndpointResponse {
            endpoint: Some(endpoint.to_owned()),
            ..ecs::DiscoverPollEndpointResponse::default()
        })
    }

    /// A container instance as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_instance(&self, row: &InstanceRow) -> ecs::ContainerInstance {
        let counts = self.state.instance_counts(row.key);
        let name: Arc<str> = self.state.cluster(row.key.cluster).map_or_else(|| "".into(), |row| Arc::clone(&row.name));
        render(Arns::new(self.scope, &name), row, counts.running, counts.pending)
    }

    fn instance_arn(&self, cluster: &ClusterRow, name: &str) -> String {
        match u128::from_str_radix(name, 16) {
            Ok(id) if name.len() == 32 => {
                Arns::new(self.scope, &cluster.name).instance(InstanceKey { cluster: cluster.id, id })
            }
            _ => name.to_owned(),
        }
    }
}

fn not_found() -> EcsError {
    EcsError::invalid_parameter("The referenced container instance was not found.")
}

fn is_listed(row: &InstanceRow, status: ContainerInstanceStatus) -> bool {
    if !row.is_container_instance() {
        return false;
    }
    match status {
        ContainerInstanceStatus::Unspecified => {
            matches!(row.status, InstanceStatus::Active | InstanceStatus::Draining)
        }
        ContainerInstanceStatus::Active => row.status == InstanceStatus::Active,
        ContainerInstanceStatus::Draining => row.status == InstanceStatus::Draining,
        ContainerInstanceStatus::Deregistering => row.status == InstanceStatus::Deregistering,
        ContainerInstanceStatus::Inactive => row.status == InstanceStatus::Inactive,
        // Registration is one entry of the log here: no instance is ever seen in between.
        ContainerInstanceStatus::Registering | ContainerInstanceStatus::RegistrationFailed => false,
    }
}

/// A container instance as the API and its events show it.
pub(super) fn render(arns: Arns<'_>, row: &InstanceRow, running: u32, pending: u32) -> ecs::ContainerInstance {
    let has_gpus = !row.registered.gpus.is_empty();
    let attributes = row.info.attributes.iter().map(|(name, value)| ecs::Attribute {
        name: Some(name.to_string()),
        value: value.as_ref().map(ToString::to_string),
        ..ecs::Attribute::default()
    });
    ecs::ContainerInstance {
        container_instance_arn: Some(arns.instance(row.key)),
        ec2_instance_id: row.info.ec2_instance_id.as_ref().map(ToString::to_string),
        version: Some(i64::try_from(row.version).unwrap_or(i64::MAX)),
        version_info: Some(ecs::VersionInfo {
            agent_version: Some(row.info.agent_version.to_string()),
            agent_hash: row.info.agent_hash.as_ref().map(ToString::to_string),
            docker_version: row.info.docker_version.as_ref().map(|version| format!("DockerVersion: {version}")),
        }),
        remaining_resources: row.remaining.render(has_gpus),
        registered_resources: row.registered.render(has_gpus),
        status: Some(row.status.to_string()),
        agent_connected: Some(row.agent_connected),
        running_tasks_count: Some(list::count(running)),
        pending_tasks_count: Some(list::count(pending)),
        attributes: attributes.collect(),
        capacity_provider_name: row.info.capacity_provider.as_ref().map(ToString::to_string),
        registered_at: Some(time::timestamp(row.registered_at)),
        tags: row.tags.to_vec(),
        ..ecs::ContainerInstance::default()
    }
}
