//! ServiceDeployments and ServiceRevisions: ListServiceDeployments, DescribeServiceDeployments,
//! DescribeServiceRevisions.

use drydock_model::arn::{Arn, Resource};
use drydock_model::deployment;
use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_model::status::ServiceDeploymentStatus;
use drydock_proto::ecs;

use super::{Arns, Query, list, lookup, task, time};
use crate::key::ServiceKey;
use crate::row::{ClusterRow, DeploymentRow, HookRow, MonitorStatus, RevisionRow, ServiceRow};

impl<'a> Query<'a> {
    /// ListServiceDeployments: newest first.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`, `ServiceNotFoundException`.
    pub fn list_service_deployments(
        &self,
        request: &ecs::ListServiceDeploymentsRequest,
    ) -> Result<ecs::ListServiceDeploymentsResponse, EcsError> {
        let page = requests::services::list_service_deployments(request)?;
        let name = request.service.as_deref().unwrap_or_default();
        // The service's ARN names its cluster; a request may leave that out.
        let of_arn = match name.parse::<Arn>().map(|arn| arn.resource) {
            Ok(Resource::Service(cluster, _)) => Some(cluster),
            _ => None,
        };
        let cluster = self.cluster(request.cluster.as_deref().or(of_arn.as_deref()))?;
        let service = lookup::service(self.state, self.scope, cluster.id, name);
        let service = service.ok_or_else(EcsError::service_not_found)?;
        let statuses: Vec<ecs::ServiceDeploymentStatus> = request.status().collect();
        let before = request.created_at.as_ref().and_then(|range| range.before.as_ref()).map(time::millis);
        let after = request.created_at.as_ref().and_then(|range| range.after.as_ref()).map(time::millis);
        let from = page.after.as_deref().and_then(|key| key.parse::<u64>().ok());
        let rows = self.state.deployments(service.key).rev().filter(|row| {
            from.is_none_or(|from| row.key.number < from)
                && (statuses.is_empty() || statuses.contains(&status(row.status)))
                && before.is_none_or(|before| row.created_at < before)
                && after.is_none_or(|after| row.created_at > after)
        });
        let (rows, next_token) = page.cut(rows, |row| row.key.number.to_string());
        let arns = self.arns(cluster);
        let service_deployments = rows.into_iter().map(|row| self.brief(arns, service, row)).collect();
        Ok(ecs::ListServiceDeploymentsResponse { service_deployments, next_token })
    }

    /// DescribeServiceDeployments.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn describe_service_deployments(
        &self,
        request: &ecs::DescribeServiceDeploymentsRequest,
    ) -> Result<ecs::DescribeServiceDeploymentsResponse, EcsError> {
        requests::services::describe_service_deployments(request)?;
        let mut response = ecs::DescribeServiceDeploymentsResponse::default();
        for text in &request.service_deployment_arns {
            let found = match self.resource(text) {
                Some(Resource::ServiceDeployment(cluster, service, id)) => self.owner(&cluster, &service).zip(Some(id)),
                _ => None,
            };
            let row = found.as_ref().and_then(|((_, service), id)| {
                self.state.deployments(service.key).find(|row| row.id.to_string() == *id)
            });
            match (found.as_ref(), row) {
                (Some(((cluster, service), _)), Some(row)) => {
                    response.service_deployments.push(self.render_service_deployment(self.arns(cluster), service, row));
                }
                _ => response.failures.push(list::missing(text.clone())),
            }
        }
        Ok(response)
    }

    /// DescribeServiceRevisions.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn describe_service_revisions(
        &self,
        request: &ecs::DescribeServiceRevisionsRequest,
    ) -> Result<ecs::DescribeServiceRevisionsResponse, EcsError> {
        requests::services::describe_service_revisions(request)?;
        let mut response = ecs::DescribeServiceRevisionsResponse::default();
        for text in &request.service_revision_arns {
            let found = match self.resource(text) {
                Some(Resource::ServiceRevision(cluster, service, id)) => self.owner(&cluster, &service).zip(Some(id)),
                _ => None,
            };
            let row = found
                .as_ref()
                .and_then(|((_, service), id)| self.state.revisions(service.key).find(|row| row.id.to_string() == *id));
            match (found.as_ref(), row) {
                (Some(((cluster, service), _)), Some(row)) => {
                    response.service_revisions.push(self.render_revision(self.arns(cluster), service, row));
                }
                _ => response.failures.push(list::missing(text.clone())),
            }
        }
        Ok(response)
    }

    fn resource(&self, text: &str) -> Option<Resource> {
        let arn: Arn = text.parse().ok()?;
        (arn.scope == *self.scope).then_some(arn.resource)
    }

    fn owner(&self, cluster: &str, service: &str) -> Option<(&'a ClusterRow, &'a ServiceRow)> {
        let cluster = lookup::any_cluster(self.state, self.scope, cluster)?;
        let service = self.state.service_by_name(cluster.id, service)?;
        Some((cluster, service))
    }

    fn brief(&self, arns: Arns<'_>, service: &ServiceRow, row: &DeploymentRow) -> ecs::ServiceDeploymentBrief {
        let target = self.state.revision(service.key.revision(row.target_revision));
        let mut brief = ecs::ServiceDeploymentBrief {
            service_deployment_arn: Some(arns.deployment(&service.name, row.id)),
            service_arn: Some(arns.service(&service.name)),
            cluster_arn: Some(arns.cluster()),
            started_at: row.started_at.map(time::timestamp),
            created_at: Some(time::timestamp(row.created_at)),
            finished_at: row.finished_at.map(time::timestamp),
            target_service_revision_arn: target.map(|revision| arns.revision(&service.name, revision.id)),
            status_reason: row.status_reason.as_ref().map(ToString::to_string),
            ..ecs::ServiceDeploymentBrief::default()
        };
        brief.set_status(status(row.status));
        brief
    }

    /// A deployment as DescribeServiceDeployments shows it.
    #[must_use]
    pub fn render_service_deployment(
        &self,
        arns: Arns<'_>,
        service: &ServiceRow,
        row: &DeploymentRow,
    ) -> ecs::ServiceDeployment {
        let weigh = |summary, target| weighed(summary, row, target);
        let sources = row.source_revisions.iter().filter_map(|number| self.summary(arns, service, *number));
        let sources = sources.map(|summary| weigh(summary, false));
        let target = self.summary(arns, service, row.target_revision);
        let rollback = row.rollback.as_ref().map(|rollback| {
            let revision = self.state.revision(service.key.revision(rollback.to_revision));
            ecs::Rollback {
                reason: Some(rollback.reason.to_string()),
                started_at: Some(time::timestamp(rollback.started_at)),
                service_revision_arn: revision.map(|revision| arns.revision(&service.name, revision.id)),
            }
        });
        let mut deployment = ecs::ServiceDeployment {
            service_deployment_arn: Some(arns.deployment(&service.name, row.id)),
            service_arn: Some(arns.service(&service.name)),
            cluster_arn: Some(arns.cluster()),
            created_at: Some(time::timestamp(row.created_at)),
            started_at: row.started_at.map(time::timestamp),
            finished_at: row.finished_at.map(time::timestamp),
            stopped_at: row.stopped_at.map(time::timestamp),
            updated_at: Some(time::timestamp(row.updated_at)),
            source_service_revisions: sources.collect(),
            target_service_revision: target.map(|summary| weigh(summary, true)),
            status_reason: row.status_reason.as_ref().map(ToString::to_string),
            deployment_configuration: Some((*row.configuration).clone()),
            rollback,
            lifecycle_hook_details: row.hooks.iter().map(hook_detail).collect(),
            deployment_circuit_breaker: Some(breaker(service, row)),
            alarms: alarms(row),
            ..ecs::ServiceDeployment::default()
        };
        deployment.set_status(status(row.status));
        deployment.set_lifecycle_stage(row.stage);
        deployment
    }

    /// A revision with its counts: requested are all that are wanted of the one that the service goes to, and of the
    /// others those that are still wanted.
    fn summary(&self, arns: Arns<'_>, service: &ServiceRow, number: u64) -> Option<ecs::ServiceRevisionSummary> {
        let revision = self.state.revision(service.key.revision(number))?;
        let (running, pending) = self.revision_counts(service.key, number);
        let wanted = if number == service.target_revision { service.desired_count } else { running + pending };
        Some(ecs::ServiceRevisionSummary {
            arn: Some(arns.revision(&service.name, revision.id)),
            requested_task_count: Some(list::count(wanted)),
            running_task_count: Some(list::count(running)),
            pending_task_count: Some(list::count(pending)),
            ..ecs::ServiceRevisionSummary::default()
        })
    }

    fn revision_counts(&self, service: ServiceKey, number: u64) -> (u32, u32) {
        let of = self.state.deployments(service).filter(|row| row.target_revision == number);
        of.map(|row| self.state.deployment_counts(row.key))
            .fold((0, 0), |(running, pending), counts| (running + counts.running, pending + counts.pending))
    }

    /// `currentServiceRevisions`: the one that the service goes to, and others that have tasks; newest first.
    pub(super) fn current_revisions(
        &self,
        arns: Arns<'_>,
        service: &ServiceRow,
    ) -> Vec<ecs::ServiceCurrentRevisionSummary> {
        let rows = self.state.revisions(service.key).rev().map(|row| row.key.number);
        let summaries = rows.filter(|number| {
            let (running, pending) = self.revision_counts(service.key, *number);
            *number == service.target_revision || running + pending > 0
        });
        summaries
            .filter_map(|number| self.summary(arns, service, number))
            .map(|summary| ecs::ServiceCurrentRevisionSummary {
                arn: summary.arn,
                requested_task_count: summary.requested_task_count,
                running_task_count: summary.running_task_count,
                pending_task_count: summary.pending_task_count,
            })
            .collect()
    }

    fn render_revision(&self, arns: Arns<'_>, service: &ServiceRow, row: &RevisionRow) -> ecs::ServiceRevision {
        let definition = self.state.definition(&row.definition);
        let containers = definition.iter().flat_map(|row| row.document.container_definitions.iter());
        let images = containers.map(|container| ecs::ContainerImage {
            container_name: container.name.clone(),
            image: container.image.clone(),
            image_digest: row.image_digests.get(container.name()).cloned(),
        });
        let mut revision = (*row.document).clone();
        revision.service_revision_arn = Some(arns.revision(&service.name, row.id));
        revision.service_arn = Some(arns.service(&service.name));
        revision.cluster_arn = Some(arns.cluster());
        revision.task_definition = Some(arns.definition(&row.definition));
        revision.platform_version = row.launch.platform_version.as_ref().map(ToString::to_string);
        revision.platform_family = task::platform_family(row.launch.launch_type, definition.map(|row| &**row));
        revision.network_configuration = row.launch.network_configuration.clone();
        revision.container_images = images.collect();
        revision.created_at = Some(time::timestamp(row.created_at));
        if revision.capacity_provider_strategy.is_empty() {
            revision.set_launch_type(row.launch.launch_type);
        }
        revision
    }
}

/// With its share of traffic, where the strategy shifts any. A source has what the target hasn't got.
fn weighed(mut summary: ecs::ServiceRevisionSummary, row: &DeploymentRow, target: bool) -> ecs::ServiceRevisionSummary {
    if deployment::strategy(&row.configuration) != ecs::DeploymentStrategy::Rolling {
        let weight = |given: u32| deployment::percent(if target { given } else { deployment::ALL_TRAFFIC - given });
        summary.requested_production_traffic_weight = Some(weight(row.production_traffic));
        // Nobody tests the source: test traffic goes to the target or nowhere.
        summary.requested_test_traffic_weight = Some(if target { deployment::percent(row.test_traffic) } else { 0.0 });
    }
    summary
}

/// The threshold follows the latest desiredCount until the breaker has stopped to look.
fn breaker(service: &ServiceRow, row: &DeploymentRow) -> ecs::ServiceDeploymentCircuitBreaker {
    let given = row.configuration.deployment_circuit_breaker.filter(|given| given.enable == Some(true));
    let now = given.map(|given| deployment::threshold(&given, service.desired_count));
    let mut breaker = ecs::ServiceDeploymentCircuitBreaker {
        failure_count: Some(list::count(row.failure_count)),
        threshold: Some(list::count(row.threshold.filter(|_| given.is_some()).or(now).unwrap_or(0))),
        ..ecs::ServiceDeploymentCircuitBreaker::default()
    };
    breaker.set_status(row.breaker);
    breaker
}

/// Alarms may only be named: nothing reads them.
fn alarms(row: &DeploymentRow) -> Option<ecs::ServiceDeploymentAlarms> {
    let alarm_names = row.configuration.alarms.as_ref()?.alarm_names.clone();
    let mut alarms = ecs::ServiceDeploymentAlarms { alarm_names, ..ecs::ServiceDeploymentAlarms::default() };
    alarms.set_status(MonitorStatus::Disabled);
    Some(alarms)
}

fn hook_detail(row: &HookRow) -> ecs::DeploymentLifecycleHookDetail {
    let mut detail = ecs::DeploymentLifecycleHookDetail {
        hook_id: Some(row.hook_id()),
        expires_at: Some(time::timestamp(row.expires_at)),
        ..ecs::DeploymentLifecycleHookDetail::default()
    };
    detail.set_target_type(ecs::DeploymentLifecycleHookTargetType::Pause);
    detail.set_status(row.status);
    detail.set_timeout_action(row.timeout_action);
    detail
}

fn status(status: ServiceDeploymentStatus) -> ecs::ServiceDeploymentStatus {
    match status {
        ServiceDeploymentStatus::Pending => ecs::ServiceDeploymentStatus::Pending,
        ServiceDeploymentStatus::InProgress => ecs::ServiceDeploymentStatus::InProgress,
        ServiceDeploymentStatus::Successful => ecs::ServiceDeploymentStatus::Successful,
        ServiceDeploymentStatus::StopRequested => ecs::ServiceDeploymentStatus::StopRequested,
        ServiceDeploymentStatus::Stopped => ecs::ServiceDeploymentStatus::Stopped,
        ServiceDeploymentStatus::RollbackRequested => ecs::ServiceDeploymentStatus::RollbackRequested,
        ServiceDeploymentStatus::RollbackInProgress => ecs::ServiceDeploymentStatus::RollbackInProgress,
        ServiceDeploymentStatus::RollbackSuccessful => ecs::ServiceDeploymentStatus::RollbackSuccessful,
        ServiceDeploymentStatus::RollbackFailed => ecs::ServiceDeploymentStatus::RollbackFailed,
    }
}
