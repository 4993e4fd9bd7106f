//! What an agent calls: DiscoverPollEndpoint and the Submit… operations. Here for clients that act as an agent of
//! Amazon's; Drydock's own agents have a protocol of their own.

use drydock_proto::ecs::{
    DiscoverPollEndpointRequest, SubmitAttachmentStateChangesRequest, SubmitContainerStateChangeRequest,
    SubmitTaskStateChangeRequest,
};

use super::{required, well_formed};
use crate::error::EcsError;
use crate::refusals;
use crate::status::{ContainerStatus, TaskStatus};

/// Attachments that one request may name.
pub const ATTACHMENTS_MAX: usize = 100;
/// Containers that one request may name: as many as a task definition has, and those that Amazon's agent adds.
pub const CONTAINERS_MAX: usize = 20;
/// Characters of a reason; the rest is cut off, as ECS does.
pub const REASON_CHARS_MAX: usize = 1_024;
/// Statuses of an attachment, in its order (ecs-semantics §2.5).
pub const ATTACHMENT_STATUSES: [&str; 8] =
    ["PRECREATED", "CREATED", "ATTACHING", "ATTACHED", "DETACHING", "DETACHED", "DELETED", "FAILED"];

/// DiscoverPollEndpoint.
///
/// # Errors
/// `InvalidParameterException`.
pub fn discover_poll_endpoint(request: &DiscoverPollEndpointRequest) -> Result<(), EcsError> {
    well_formed(request)
}

/// SubmitTaskStateChange: the status that the task has got to.
///
/// # Errors
/// `InvalidParameterException`; `UnsupportedFeatureException` for managed agents.
pub fn submit_task_state_change(request: &SubmitTaskStateChangeRequest) -> Result<TaskStatus, EcsError> {
    well_formed(request)?;
    refusals::check(refusals::SUBMIT_TASK_STATE_CHANGE, request)?;
    required("task", &request.task)?;
    if request.containers.len() > CONTAINERS_MAX {
        return Err(EcsError::invalid_parameter(format!(
            "containers cannot have more than {CONTAINERS_MAX} elements."
        )));
    }
    for container in &request.containers {
        required("containerName", &container.container_name)?;
        container_status(container.status())?;
    }
    attachments(request.attachments.iter().map(|change| (change.attachment_arn(), change.status())))?;
    let text = required("status", &request.status)?;
    text.to_ascii_uppercase().parse().map_err(|_| no_status(text))
}

/// SubmitContainerStateChange: the status that the container has got to.
///
/// # Errors
/// `InvalidParameterException`.
pub fn submit_container_state_change(request: &SubmitContainerStateChangeRequest) -> Result<ContainerStatus, EcsError> {
    well_formed(request)?;
    required("task", &request.task)?;
    required("containerName", &request.container_name)?;
    container_status(required("status", &request.status)?)
}

/// SubmitAttachmentStateChanges.
///
/// # Errors
/// `InvalidParameterException`.
pub fn submit_attachment_state_changes(request: &SubmitAttachmentStateChangesRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    if request.attachments.is_empty() {
        return Err(EcsError::invalid_parameter("attachments cannot be empty."));
    }
    attachments(request.attachments.iter().map(|change| (change.attachment_arn(), change.status())))
}

fn attachments<'a>(changes: impl ExactSizeIterator<Item = (&'a str, &'a str)>) -> Result<(), EcsError> {
    if changes.len() > ATTACHMENTS_MAX {
        let text = format!("attachments cannot have more than {ATTACHMENTS_MAX} elements.");
        return Err(EcsError::invalid_parameter(text));
    }
    for (arn, status) in changes {
        if arn.is_empty() {
            return Err(EcsError::invalid_parameter("attachmentArn cannot be empty."));
        }
        if !ATTACHMENT_STATUSES.contains(&status) {
            return Err(no_status(status));
        }
    }
    Ok(())
}

/// A container's status as an agent spells it. Agents also know steps between PENDING and RUNNING, which ECS shows as
/// PENDING.
///
/// # Errors
/// `InvalidParameterException`.
pub fn container_status(text: &str) -> Result<ContainerStatus, EcsError> {
    match text.to_ascii_uppercase().as_str() {
        "" | "MANIFEST_PULLED" | "PULLED" | "CREATED" => Ok(ContainerStatus::Pending),
        "RESOURCES_PROVISIONED" => Ok(ContainerStatus::Running),
        known => known.parse().map_err(|_| no_status(text)),
    }
}

fn no_status(text: &str) -> EcsError {
    EcsError::invalid_parameter(format!("Invalid status: {text:?}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use drydock_proto::ecs::{
        AttachmentStateChange, ContainerStateChange, ManagedAgentStateChange, SubmitTaskStateChangeRequest,
    };

    use super::{container_status, submit_task_state_change};
    use crate::status::{ContainerStatus, TaskStatus};

    #[test]
    fn statuses_are_read_as_agents_spell_them_and_others_refused() {
        assert_eq!(container_status("running").unwrap(), ContainerStatus::Running);
        assert_eq!(container_status("PULLED").unwrap(), ContainerStatus::Pending);
        assert!(container_status("FLYING").is_err());
        let request = SubmitTaskStateChangeRequest {
            task: Some("t".to_owned()),
            status: Some("RUNNING".to_owned()),
            ..SubmitTaskStateChangeRequest::default()
        };
        assert_eq!(submit_task_state_change(&request), Ok(TaskStatus::Running));
        type Spoil = fn(&mut SubmitTaskStateChangeRequest);
        let table: [(&str, Spoil); 5] = [
            ("Invalid status: \"FLYING\".", |request| request.status = Some("FLYING".to_owned())),
            ("task", |request| request.task = None),
            ("containerName", |request| request.containers = vec![ContainerStateChange::default()]),
            ("attachmentArn cannot be empty.", |request| request.attachments = vec![AttachmentStateChange::default()]),
            ("managedAgents", |request| request.managed_agents = vec![ManagedAgentStateChange::default()]),
        ];
        for (text, spoil) in table {
            let mut spoiled = request.clone();
            spoil(&mut spoiled);
            let refused = submit_task_state_change(&spoiled).unwrap_err();
            assert!(refused.message.contains(text), "{text:?} not in {refused}");
        }
    }
}
