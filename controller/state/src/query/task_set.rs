//! Task sets: DescribeTaskSets, and `taskSets[]` of a service.

use drydock_model::error::EcsError;
use drydock_model::requests::task_sets as requests;
use drydock_model::status::ServiceStatus;
use drydock_proto::ecs::{self, TaskSetField};

use super::{Arns, Query, list, lookup, task, time};
use crate::row::{RevisionRow, ServiceRow, TaskSetRow};

impl<'a> Query<'a> {
    /// DescribeTaskSets: those that are named, else all of the service.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`, `ServiceNotFoundException`,
    /// `ServiceNotActiveException`.
    pub fn describe_task_sets(
        &self,
        request: &ecs::DescribeTaskSetsRequest,
    ) -> Result<ecs::DescribeTaskSetsResponse, EcsError> {
        requests::describe_task_sets(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let name = request.service.as_deref().unwrap_or_default();
        let service = lookup::service(self.state, self.scope, cluster.id, name);
        let service = service.ok_or_else(EcsError::service_not_found)?;
        if service.status == ServiceStatus::Inactive {
            return Err(EcsError::service_not_active());
        }
        let arns = self.arns(cluster);
        let with_tags = request.include().any(|field| field == TaskSetField::Tags);
        let mut response = ecs::DescribeTaskSetsResponse::default();
        let mut show = |row: &TaskSetRow| {
            let mut shown = self.task_set(arns, service, row);
            if !with_tags {
                shown.tags = Vec::new();
            }
            response.task_sets.push(shown);
        };
        for text in &request.task_sets {
            let (id, arn) = requests::task_set_id(text)?;
            let mut shown = self.state.task_sets(service.key).filter(|row| row.is_shown());
            let found = shown.find(|row| row.id == id);
            let arn_of = arns.task_set(&service.name, id);
            match found.filter(|_| arn.is_none_or(|arn| arn.to_string() == arn_of)) {
                Some(row) => show(row),
                None if text.starts_with("arn:") => response.failures.push(list::missing(text.clone())),
                None => response.failures.push(list::missing(arn_of)),
            }
        }
        if request.task_sets.is_empty() {
            self.state.task_sets(service.key).filter(|row| row.is_shown()).for_each(|row| show(row));
        }
        Ok(response)
    }

    /// A task set as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_task_set(&self, row: &TaskSetRow) -> ecs::TaskSet {
        let Some(service) = self.state.service(row.key.service) else { return ecs::TaskSet::default() };
        let cluster = self.state.cluster(service.key.cluster).map_or("", |row| &row.name);
        self.task_set(Arns::new(self.scope, cluster), service, row)
    }

    /// `taskSets[]`: oldest first.
    pub(super) fn task_sets(&self, arns: Arns<'_>, service: &ServiceRow) -> Vec<ecs::TaskSet> {
        let rows = self.state.task_sets(service.key).filter(|row| row.is_shown());
        rows.map(|row| self.task_set(arns, service, row)).collect()
    }

    fn task_set(&self, arns: Arns<'_>, service: &ServiceRow, row: &TaskSetRow) -> ecs::TaskSet {
        let counts = self.state.task_set_counts(row.key);
        let mut shown = ecs::TaskSet {
            id: Some(row.started_by.to_string()),
            task_set_arn: Some(arns.task_set(&service.name, row.id)),
            service_arn: Some(arns.service(&service.name)),
            cluster_arn: Some(arns.cluster()),
            external_id: row.external_id.as_deref().map(str::to_owned),
            status: Some(row.status(service).to_string()),
            computed_desired_count: Some(list::count(row.computed_count(service.desired_count))),
            pending_count: Some(list::count(counts.pending)),
            running_count: Some(list::count(counts.running)),
            created_at: Some(time::timestamp(row.created_at)),
            updated_at: Some(time::timestamp(row.updated_at)),
            scale: Some(row.scale.render()),
            stability_status_at: Some(time::timestamp(row.stability_at)),
            tags: row.tags.to_vec(),
            ..ecs::TaskSet::default()
        };
        shown.set_stability_status(if row.progress.steady {
            ecs::StabilityStatus::SteadyState
        } else {
            ecs::StabilityStatus::Stabilizing
        });
        if let Some(revision) = self.state.revision(row.revision_key()) {
            self.fill_task_set(&mut shown, arns, revision);
        }
        shown
    }

    fn fill_task_set(&self, shown: &mut ecs::TaskSet, arns: Arns<'_>, revision: &RevisionRow) {
        let (launch, document) = (&revision.launch, &revision.document);
        let definition = self.state.definition(&revision.definition);
        shown.task_definition = Some(arns.definition(&revision.definition));
        shown.platform_version = launch.platform_version.as_ref().map(ToString::to_string);
        shown.platform_family = task::platform_family(launch.launch_type, definition.map(|row| &**row));
        shown.network_configuration.clone_from(&launch.network_configuration);
        shown.load_balancers.clone_from(&document.load_balancers);
        shown.service_registries.clone_from(&document.service_registries);
        shown.capacity_provider_strategy.clone_from(&document.capacity_provider_strategy);
        shown.fargate_ephemeral_storage.clone_from(&document.fargate_ephemeral_storage);
        if document.capacity_provider_strategy.is_empty() {
            shown.set_launch_type(launch.launch_type);
        }
    }
}

/// What a service shows of its primary task set as its own; nothing while it has none.
pub(super) fn fill_primary(service: &mut ecs::Service, revision: &RevisionRow) {
    let document = &revision.document;
    service.network_configuration.clone_from(&revision.launch.network_configuration);
    service.load_balancers.clone_from(&document.load_balancers);
    service.service_registries.clone_from(&document.service_registries);
    service.capacity_provider_strategy.clone_from(&document.capacity_provider_strategy);
}
