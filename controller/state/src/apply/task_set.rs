//! CreateTaskSet, UpdateTaskSet, DeleteTaskSet, UpdateServicePrimaryTaskSet, and what the reconcilers write of a task set
//! (ecs-semantics §2.3, Controllers). Nothing rolls from one to another by itself: the caller drives.

use std::sync::Arc;

use drydock_model::arn::{Arn, Resource};
use drydock_model::error::EcsError;
use drydock_model::requests::task_sets as requests;
use drydock_model::scale::Percent;
use drydock_model::status::{ServiceStatus, TaskSetStatus};
use drydock_proto::ecs;
use prost::Message as _;

use super::plan::{Made, Miss};
use super::run_task::token_of;
use super::service_config::Config;
use super::{Answer, Apply};
use crate::key::{Key, ServiceKey, TaskSetKey, TokenKind};
use crate::outcome::{Halt, Outcome};
use crate::plan::{CreateTask, DropReason, PutServiceEvent, SetTaskSet};
use crate::row::{ClusterRow, ServiceProgress, ServiceRow, TaskSetRow, TokenResult, TokenRow};
use crate::table::digest_of;

/// Domain of the digests of requests.
const REQUEST: u8 = 130;

/// Task sets of a service, those that are DRAINING too; ECS refuses the next one.
pub const TASK_SETS_MAX: usize = 5;

fn not_idempotent() -> EcsError {
    EcsError::invalid_parameter("Creation of task set was not idempotent.")
}

fn is_draining() -> EcsError {
    EcsError::invalid_parameter("The task set is DRAINING.")
}

impl Apply<'_> {
    /// The same token and request again give the task set that is there.
    pub(super) fn create_task_set(&mut self, request: &ecs::CreateTaskSetRequest) -> Answer {
        requests::create_task_set(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let token = request.client_token.as_deref().map(|text| token_of(cluster.id, TokenKind::CreateTaskSet, text));
        let digest = digest_of_create(request);
        if let Some(known) = token.as_ref().and_then(|key| self.state.token(key)) {
            let TokenResult::TaskSet(key) = known.result else {
                return Err(self.contradiction("a token of CreateTaskSet that isn't one").into());
            };
            let row = self.state.task_set(key).filter(|_| known.request_digest == digest);
            return Ok(Outcome::TaskSet(row.cloned().ok_or_else(not_idempotent)?));
        }
        let service = self.external_service(&cluster, request.service.as_deref())?;
        let definition = self.usable_definition(request.task_definition.as_deref().unwrap_or_default())?;
        let launch_type = request.launch_type.map(|_| request.launch_type());
        let capacity = self.state.capacity_for(&cluster, launch_type, &request.capacity_provider_strategy)?;
        self.check_network_names(request.network_configuration.as_ref())?;
        let config = Config::of_task_set(&service, request, definition, &capacity)?;
        let scale = Percent::of_request(request.scale.as_ref())?;
        if self.state.task_sets(service.key).filter(|row| row.is_shown()).count() >= TASK_SETS_MAX {
            return Err(EcsError::invalid_parameter(format!(
                "{TASK_SETS_MAX} deployments exist on the service. Unable to create new TaskSet since this exceeds the \
                 maximum limit."
            ))
            .into());
        }
        let revision = service.key.revision(self.next_number());
        self.put_revision(revision, &config);
        let (key, id) = (service.key.task_set(self.next_number()), self.ids.deployment_number());
        let row = self.state.put_task_set(TaskSetRow {
            key,
            id,
            version: 1,
            revision: revision.number,
            scale,
            external_id: request.external_id.as_deref().map(Into::into),
            draining: false,
            progress: ServiceProgress::default(),
            stability_at: self.now,
            created_at: self.now,
            updated_at: self.now,
            reap_at: None,
            tags: request.tags.as_slice().into(),
            started_by: TaskSetRow::started_by_of(id),
        });
        if let Some(key) = token {
            self.state.put_token(TokenRow {
                key,
                request_digest: digest,
                expires_at: self.now.saturating_add(self.state.settings().token_retention_ms),
                result: TokenResult::TaskSet(row.key),
            });
        }
        self.touch_service(&service, |_| {});
        self.say_computed(&row, 0, row.computed_count(service.desired_count))?;
        Ok(Outcome::TaskSet(row))
    }

    pub(super) fn update_task_set(&mut self, request: &ecs::UpdateTaskSetRequest) -> Answer {
        requests::update_task_set(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let service = self.external_service(&cluster, request.service.as_deref())?;
        let row = self.find_task_set(&cluster, &service, request.task_set.as_deref())?;
        if row.draining {
            return Err(is_draining().into());
        }
        let scale = Percent::of_request(request.scale.as_ref())?;
        let row = self.rescale(&row, &service, service.desired_count, |row| row.scale = scale)?;
        self.touch_service(&service, |_| {});
        Ok(Outcome::TaskSet(row))
    }

    /// → DRAINING; the reconcilers stop its tasks, and with the last of them it is gone. A primary one leaves its service
    /// without.
    pub(super) fn delete_task_set(&mut self, request: &ecs::DeleteTaskSetRequest) -> Answer {
        requests::delete_task_set(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let service = self.external_service(&cluster, request.service.as_deref())?;
        let row = self.find_task_set(&cluster, &service, request.task_set.as_deref())?;
        let status = row.status(&service);
        if status == TaskSetStatus::Draining {
            return Ok(Outcome::TaskSet(row));
        }
        if !request.force() && status == TaskSetStatus::Primary {
            let text = "The primary task set cannot be deleted. Make another one primary first, or use force.";
            return Err(EcsError::invalid_parameter(text).into());
        }
        if !request.force() && row.computed_count(service.desired_count) > 0 {
            let text = "The task set cannot be deleted while it is scaled above 0.";
            return Err(EcsError::invalid_parameter(text).into());
        }
        let row = self.drain_task_set(&row, &service)?;
        self.touch_service(&service, |service| {
            if status == TaskSetStatus::Primary {
                service.primary_deployment = 0;
                service.target_revision = 0;
            }
        });
        Ok(Outcome::TaskSet(row))
    }

    /// What the service shows as its own is that of its primary task set from now on.
    pub(super) fn update_primary_task_set(&mut self, request: &ecs::UpdateServicePrimaryTaskSetRequest) -> Answer {
        requests::update_service_primary_task_set(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let service = self.external_service(&cluster, request.service.as_deref())?;
        let row = self.find_task_set(&cluster, &service, request.primary_task_set.as_deref())?;
        if row.draining {
            return Err(is_draining().into());
        }
        let mut row = (*row).clone();
        row.updated_at = self.now;
        row.version += 1;
        let row = self.state.put_task_set(row);
        self.touch_service(&service, |service| {
            service.primary_deployment = row.key.number;
            service.target_revision = row.revision;
        });
        Ok(Outcome::TaskSet(row))
    }

    /// The ACTIVE service of a request, which must be driven from outside.
    fn external_service(&self, cluster: &ClusterRow, name: Option<&str>) -> Result<Arc<ServiceRow>, EcsError> {
        let row = self.find_service(cluster, name.unwrap_or_default()).ok_or_else(EcsError::service_not_found)?;
        if row.status != ServiceStatus::Active {
            return Err(EcsError::service_not_active());
        }
        if !row.is_external() {
            return Err(EcsError::invalid_parameter(
                "Amazon ECS only supports task set management on services configured to use external deployment \
                 controllers.",
            ));
        }
        Ok(row)
    }

    pub(super) fn find_task_set(
        &self,
        cluster: &ClusterRow,
        service: &ServiceRow,
        text: Option<&str>,
    ) -> Result<Arc<TaskSetRow>, EcsError> {
        let (id, arn) = requests::task_set_id(text.unwrap_or_default())?;
        let here = |arn: &Arn| match &arn.resource {
            Resource::TaskSet(of, name, _) => {
                arn.scope == *self.scope && **of == *cluster.name && **name == *service.name
            }
            _ => false,
        };
        let mut rows = self.state.task_sets(service.key).filter(|row| row.is_shown());
        let row = rows.find(|row| row.id == id).filter(|_| arn.as_ref().is_none_or(here));
        row.cloned().ok_or_else(EcsError::task_set_not_found)
    }

    /// Puts a task set with what `change` makes of it. Its stability begins anew where its count changes.
    fn rescale(
        &mut self,
        old: &TaskSetRow,
        service: &ServiceRow,
        desired: u32,
        change: impl FnOnce(&mut TaskSetRow),
    ) -> Result<Arc<TaskSetRow>, Halt> {
        let mut row = old.clone();
        change(&mut row);
        let (before, after) = (old.computed_count(service.desired_count), row.computed_count(desired));
        if before != after {
            row.progress.steady = false;
            row.stability_at = self.now;
        }
        row.updated_at = self.now;
        row.version += 1;
        let row = self.state.put_task_set(row);
        self.say_computed(&row, before, after)?;
        Ok(row)
    }

    fn drain_task_set(&mut self, row: &TaskSetRow, service: &ServiceRow) -> Result<Arc<TaskSetRow>, Halt> {
        let now = self.now;
        self.rescale(row, service, service.desired_count, |row| {
            row.draining = true;
            row.stability_at = now;
            row.scale = Percent::default();
            // It is over only with the last of its tasks: until then it isn't steady, however many it wants.
            row.progress = ServiceProgress::default();
        })
    }

    /// All of a service that wants another number of tasks now.
    pub(super) fn rescale_task_sets(&mut self, service: &ServiceRow, desired: u32) -> Result<(), Halt> {
        for row in self.shown_task_sets(service.key) {
            if row.computed_count(service.desired_count) != row.computed_count(desired) {
                self.rescale(&row, service, desired, |_| {})?;
            }
        }
        Ok(())
    }

    /// All of a service that is deleted.
    pub(super) fn drain_task_sets(&mut self, service: &ServiceRow) -> Result<(), Halt> {
        for row in self.shown_task_sets(service.key).iter().filter(|row| !row.draining) {
            self.drain_task_set(row, service)?;
        }
        Ok(())
    }

    pub(super) fn shown_task_sets(&self, service: ServiceKey) -> Vec<Arc<TaskSetRow>> {
        self.state.task_sets(service).filter(|row| row.is_shown()).cloned().collect()
    }

    /// A change by the API: what was decided before it is void.
    fn touch_service(&mut self, service: &ServiceRow, change: impl FnOnce(&mut ServiceRow)) {
        let mut row = service.clone();
        change(&mut row);
        row.version += 1;
        row.generation += 1;
        row.progress.steady = false;
        self.mark(Key::Service(row.key));
        self.state.put_service(row);
    }

    fn say_computed(&mut self, row: &TaskSetRow, before: u32, after: u32) -> Result<(), Halt> {
        if before == after {
            return Ok(());
        }
        let message = format!("updated computedDesiredCount for taskSet {} to {after}.", row.started_by);
        self.say(&PutServiceEvent { service: row.key.service, message, task_set: None })
    }

    /// `startedBy` of a task that a task set starts.
    pub(super) fn start_of_task_set(&self, create: &CreateTask) -> Result<Arc<str>, Miss> {
        let row = self.state.task_set(create.service.task_set(create.deployment)).ok_or(DropReason::Missing)?;
        if row.draining || row.revision != create.revision {
            return Err(DropReason::NotAllowed.into());
        }
        Ok(Arc::clone(&row.started_by))
    }

    pub(super) fn set_task_set(&mut self, set: &SetTaskSet) -> Made {
        let old = self.state.task_set(set.task_set).cloned().ok_or(DropReason::Missing)?;
        if old.version != set.version {
            return Err(DropReason::Changed.into());
        }
        let mut row = (*old).clone();
        if let Some(progress) = set.progress {
            if progress.steady != row.progress.steady {
                row.stability_at = self.now;
            }
            row.progress = progress;
        }
        if set.drained && row.is_shown() {
            let counts = self.state.task_set_counts(row.key);
            if !row.draining || counts.live() > 0 {
                return Err(DropReason::NotAllowed.into());
            }
            self.mark(Key::Service(row.key.service));
            if counts.total() == 0 {
                self.drop_task_set(row.key);
                return Ok(());
            }
            row.progress = ServiceProgress::default();
            row.reap_at = Some(self.now.saturating_add(self.state.settings().inactive_retention_ms));
        }
        if row == *old {
            return Err(DropReason::Done.into());
        }
        row.version += 1;
        // Not marked dirty: its reconciler wrote it, and would be woken by its own word.
        self.state.put_task_set(row);
        Ok(())
    }

    /// Removes a task set with its revision, which no other has.
    pub(super) fn drop_task_set(&mut self, key: TaskSetKey) {
        let Some(revision) = self.state.task_set(key).map(|row| row.revision_key()) else { return };
        self.state.remove_task_set(key);
        self.drop_revision(revision);
    }

    pub(super) fn tag_task_set(&mut self, row: &TaskSetRow, tags: &[ecs::Tag]) {
        let mut row = row.clone();
        row.tags = tags.into();
        row.version += 1;
        self.state.put_task_set(row);
    }
}

fn digest_of_create(request: &ecs::CreateTaskSetRequest) -> u64 {
    let mut request = request.clone();
    request.client_token = None;
    digest_of(REQUEST, &request.encode_to_vec())
}
