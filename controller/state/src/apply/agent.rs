//! What an agent says over ECS's own API: RegisterContainerInstance and the Submit… operations. For clients that act as
//! an agent of Amazon's; Drydock's own agents have sessions, and nobody else may speak for their tasks.
//!
//! Such an instance counts as connected until it is deregistered: it has no session whose end could be told.

use std::sync::Arc;

use drydock_model::arn::short_name;
use drydock_model::error::EcsError;
use drydock_model::requests::agent::{self as requests, REASON_CHARS_MAX, container_status};
use drydock_model::requests::registration::register_container_instance;
use drydock_model::status::{ContainerStatus, TaskStatus};
use drydock_proto::ecs;

use super::instance::Registered;
use super::{Answer, Apply};
use crate::command::{ContainerReport, RegisterInstance, ReportTimes, TaskReport};
use crate::key::Millis;
use crate::outcome::Outcome;
use crate::row::{API_RUNTIME, AttachmentRow, BindingRow, ClusterRow, ContainerRow, InstanceRow, TaskRow};

impl Apply<'_> {
    /// A new instance, or, where it names its ARN, the same again.
    pub(super) fn register_container_instance(&mut self, request: &ecs::RegisterContainerInstanceRequest) -> Answer {
        let told = register_container_instance(request)?;
        let token = match request.container_instance_arn.as_deref().filter(|arn| !arn.is_empty()) {
            Some(arn) => self.known_by_api(request.cluster.as_deref(), arn)?.info.token.to_string(),
            None => format!("{API_RUNTIME}:{:032x}", self.ids.bits()),
        };
        let register = RegisterInstance {
            cluster: self.cluster_name(request.cluster.as_deref())?.to_owned(),
            token,
            capacity: told.capacity,
            attributes: told.attributes,
            ec2_instance_id: told.ec2_instance_id,
            agent_version: told.agent_version,
            docker_version: told.docker_version,
            runtime: API_RUNTIME.to_owned(),
            tags: request.tags.clone(),
            serves: drydock_model::capacity::Serves::Ec2,
            capacity_provider: String::new(),
        };
        self.register(&register, Registered { agent_hash: Some(told.agent_hash).filter(|hash| !hash.is_empty()) })
    }

    /// The instance of an earlier registration.
    fn known_by_api(&self, cluster: Option<&str>, arn: &str) -> Result<Arc<InstanceRow>, EcsError> {
        let cluster = self.active_cluster(cluster)?;
        let row = self.find_instance(&cluster, arn).ok_or_else(super::instance::not_found)?;
        if !row.is_registered_by_api() {
            let text = "The container instance has an agent of its own: no other may register it.";
            return Err(EcsError::invalid_parameter(text));
        }
        Ok(row)
    }

    /// The task that an agent speaks of, on an instance without an agent of ours.
    fn spoken_of(&self, cluster: Option<&str>, task: &str) -> Result<Arc<TaskRow>, EcsError> {
        let cluster = self.active_cluster(cluster)?;
        let row = self.find_task(&cluster, task);
        let row = row.ok_or_else(|| EcsError::invalid_parameter("The referenced task was not found."))?;
        let instance = row.instance_key().and_then(|key| self.state.instance(key));
        if !instance.is_some_and(|instance| instance.is_registered_by_api()) {
            let text = "The task's container instance has an agent of its own: no other may speak for it.";
            return Err(EcsError::invalid_parameter(text));
        }
        Ok(row)
    }

    pub(super) fn submit_task_state_change(&mut self, request: &ecs::SubmitTaskStateChangeRequest) -> Answer {
        let status = requests::submit_task_state_change(request)?;
        let row = self.spoken_of(request.cluster.as_deref(), request.task.as_deref().unwrap_or_default())?;
        let mut report = self.report_of(&row, status)?;
        report.stopped_reason = clipped(request.reason());
        report.times = ReportTimes {
            pull_started_at: millis(request.pull_started_at.as_ref()),
            pull_stopped_at: millis(request.pull_stopped_at.as_ref()),
            execution_stopped_at: millis(request.execution_stopped_at.as_ref()),
            ..ReportTimes::default()
        };
        for change in &request.containers {
            let known = report.containers.iter_mut().find(|container| container.name == change.container_name());
            // Amazon's agent adds containers that the task definition doesn't have.
            let Some(container) = known else { continue };
            container.last_status = container_status(change.status())?;
            container.exit_code = change.exit_code.or(container.exit_code);
            container.image_digest = change.image_digest.clone().unwrap_or_default();
            told(container, change.reason(), change.runtime_id(), &change.network_bindings);
        }
        let changes = request.attachments.iter().map(|change| (change.attachment_arn(), change.status()));
        let attachments = changed(&row.attachments, &changes);
        report.attachments = attachments.unwrap_or_default();
        self.acknowledged(report)
    }

    pub(super) fn submit_container_state_change(&mut self, request: &ecs::SubmitContainerStateChangeRequest) -> Answer {
        let status = requests::submit_container_state_change(request)?;
        let row = self.spoken_of(request.cluster.as_deref(), request.task.as_deref().unwrap_or_default())?;
        let mut report = self.report_of(&row, row.last_status)?;
        let container = report.containers.iter_mut().find(|container| container.name == request.container_name());
        let container = container.ok_or_else(|| EcsError::invalid_parameter("The container was not found."))?;
        container.last_status = status;
        container.exit_code = request.exit_code.or(container.exit_code);
        told(container, request.reason(), request.runtime_id(), &request.network_bindings);
        self.acknowledged(report)
    }

    /// All or none: each attachment must be of a task on an instance without an agent of ours.
    pub(super) fn submit_attachment_state_changes(
        &mut self,
        request: &ecs::SubmitAttachmentStateChangesRequest,
    ) -> Answer {
        requests::submit_attachment_state_changes(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let mut reports = Vec::new();
        let mut found = 0;
        for row in self.tasks_of_api_instances(&cluster) {
            let changes = request.attachments.iter().map(|change| (change.attachment_arn(), change.status()));
            let Some(attachments) = changed(&row.attachments, &changes) else { continue };
            found += row.attachments.iter().filter(|row| names(request, row)).count();
            reports.push(TaskReport { attachments, ..self.report_of(&row, row.last_status)? });
        }
        if found < request.attachments.len() {
            return Err(EcsError::invalid_parameter("The referenced attachment was not found.").into());
        }
        for report in reports {
            self.report_statuses(&[report])?;
        }
        Ok(Outcome::Done)
    }

    fn tasks_of_api_instances(&self, cluster: &ClusterRow) -> Vec<Arc<TaskRow>> {
        let instances = self.state.instances(cluster.id).filter(|row| row.is_registered_by_api());
        instances.flat_map(|row| self.state.live_tasks_on(row.key).cloned()).collect()
    }

    fn acknowledged(&mut self, report: TaskReport) -> Answer {
        self.report_statuses(&[report])?;
        Ok(Outcome::Done)
    }

    /// A report that says what is known already, but for the status.
    fn report_of(&self, row: &TaskRow, last_status: TaskStatus) -> Result<TaskReport, super::Fail> {
        let definition = self.state.definition(&row.definition);
        let definition = definition.ok_or_else(|| self.contradiction("a task of no task definition"))?;
        let containers = definition.document.container_definitions.iter().enumerate().map(|(at, container)| {
            let pending = ContainerRow::pending();
            let known = row.containers.get(at).unwrap_or(&pending);
            ContainerReport {
                name: container.name().to_owned(),
                last_status: if last_status == TaskStatus::Stopped {
                    ContainerStatus::Stopped
                } else {
                    known.last_status
                },
                exit_code: known.exit_code,
                reason: String::new(),
                runtime_id: String::new(),
                image_digest: String::new(),
                health: known.health,
                network_bindings: known.network_bindings.to_vec(),
                network_interfaces: known.network_interfaces.to_vec(),
                restart_count: known.restart_count,
            }
        });
        Ok(TaskReport {
            task: row.key,
            instance: row.instance.unwrap_or_default(),
            sequence: row.report_sequence + 1,
            last_status,
            health: row.health,
            stop_code: None,
            stopped_reason: String::new(),
            times: ReportTimes::default(),
            containers: containers.collect(),
            attachments: Vec::new(),
        })
    }
}

/// Takes over what was said of a container; what wasn't stays.
fn told(container: &mut ContainerReport, reason: &str, runtime_id: &str, bindings: &[ecs::NetworkBinding]) {
    container.reason = clipped(reason);
    container.runtime_id = clipped(runtime_id);
    if !bindings.is_empty() {
        container.network_bindings = bindings.iter().map(BindingRow::of).collect();
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

fn millis(at: Option<&prost_types::Timestamp>) -> Option<Millis> {
    let at = at?;
    let seconds = u64::try_from(at.seconds).ok()?;
    Some(seconds.saturating_mul(1_000).saturating_add(u64::try_from(at.nanos).unwrap_or_default() / 1_000_000))
}

fn names(request: &ecs::SubmitAttachmentStateChangesRequest, row: &AttachmentRow) -> bool {
    request.attachments.iter().any(|change| *row.id == *id_of(change.attachment_arn()))
}

/// The id of an attachment from its ARN (`…:attachment/ID`), or from itself.
fn id_of(arn: &str) -> &str {
    short_name(arn)
}

/// The attachments with the statuses that were told; `None` where no change is of one of them.
fn changed<'a>(
    attachments: &[AttachmentRow],
    changes: &(impl Iterator<Item = (&'a str, &'a str)> + Clone),
) -> Option<Vec<AttachmentRow>> {
    let status = |row: &AttachmentRow| {
        changes.clone().find(|(arn, _)| *row.id == *id_of(arn)).map(|(_, status)| Box::<str>::from(status))
    };
    let mut any = false;
    let mut changed = |row: &AttachmentRow| {
        let told = status(row);
        any |= told.is_some();
        AttachmentRow { status: told.unwrap_or_else(|| row.status.clone()), ..row.clone() }
    };
    let rows = attachments.iter().map(&mut changed).collect();
    any.then_some(rows)
}
