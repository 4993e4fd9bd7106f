//! What an agent says, as commands: reports and registrations, checked and bounded. Pure.

use drydock_model::arn::short_name;
use drydock_model::capacity::Serves;
use drydock_model::resources::{Available, PORTS_MAX};
use drydock_model::status::{ContainerStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::{agent, ecs};
use drydock_state::command::{ContainerReport, RegisterInstance, ReportTimes, TaskReport};
use drydock_state::row::{AttachmentRow, BindingRow, InterfaceRow};
use drydock_state::{InstanceKey, Millis, TaskKey};
use prost::Message as _;
use prost_types::Timestamp;

use crate::limits::{REPORT_BYTES_MAX, REPORT_LIST_MAX, REPORT_TEXT_BYTES_MAX};

/// What an agent sent can't be understood: its session ends with this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// That should name a task.
    #[error("{0:?} isn't the ARN or id of a task")]
    NotATask(String),
    /// A status that doesn't exist.
    #[error("{kind} {spelling:?} isn't known")]
    UnknownStatus {
        /// What it should be.
        kind: &'static str,
        /// What it is.
        spelling: String,
    },
    /// A bound is exceeded.
    #[error("{what}: more than {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// Something else is wrong.
    #[error("{0}")]
    Malformed(&'static str),
}

/// The key of a task that an agent names, in the cluster of its instance.
///
/// # Errors
/// What the agent says can't be understood.
pub fn task_key(instance: InstanceKey, arn: &str) -> Result<TaskKey, IntakeError> {
    let id = short_name(arn);
    let parsed = (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok()).flatten();
    parsed.map(|id| instance.task(id)).ok_or_else(|| IntakeError::NotATask(clipped(arn)))
}

/// An agent's report of one task.
///
/// # Errors
/// What the agent says can't be understood.
pub fn task_report(instance: InstanceKey, report: agent::Report) -> Result<TaskReport, IntakeError> {
    if report.encoded_len() > REPORT_BYTES_MAX {
        return Err(IntakeError::TooMany { what: "bytes of a report", max: REPORT_BYTES_MAX });
    }
    bounded("containers of a report", report.containers.len())?;
    bounded("attachments of a report", report.attachments.len())?;
    let last_status: TaskStatus = status("lastStatus", &report.last_status)?;
    Ok(TaskReport {
        task: task_key(instance, &report.task_arn)?,
        instance: instance.id,
        sequence: report.sequence,
        last_status,
        health: health(report.health_status()),
        stop_code: stop_code(report.stop_code()),
        stopped_reason: clipped(&report.stopped_reason),
        times: ReportTimes {
            pull_started_at: millis(report.pull_started_at),
            pull_stopped_at: millis(report.pull_stopped_at),
            started_at: millis(report.started_at),
            stopping_at: millis(report.stopping_at),
            execution_stopped_at: millis(report.execution_stopped_at),
            stopped_at: millis(report.stopped_at),
        },
        containers: report.containers.into_iter().map(container).collect::<Result<_, _>>()?,
        attachments: report.attachments.into_iter().map(attachment).collect(),
    })
}

fn container(report: agent::ContainerReport) -> Result<ContainerReport, IntakeError> {
    bounded("network bindings of a container", report.network_bindings.len())?;
    bounded("network interfaces of a container", report.network_interfaces.len())?;
    let last_status: ContainerStatus = status("lastStatus of a container", &report.last_status)?;
    Ok(ContainerReport {
        last_status,
        exit_code: report.exit_code,
        reason: clipped(&report.reason),
        health: health(report.health_status()),
        runtime_id: clipped(&report.runtime_id),
        image_digest: clipped(&report.image_digest),
        network_bindings: report.network_bindings.iter().map(BindingRow::of).collect(),
        network_interfaces: report.network_interfaces.into_iter().map(interface).collect(),
        restart_count: report.restart_count,
        name: report.name,
    })
}

fn interface(interface: ecs::NetworkInterface) -> InterfaceRow {
    InterfaceRow {
        attachment_id: boxed(interface.attachment_id).unwrap_or_default(),
        private_ipv4: boxed(interface.private_ipv4_address),
        ipv6: boxed(interface.ipv6_address),
    }
}

fn attachment(attachment: ecs::Attachment) -> AttachmentRow {
    let detail =
        |pair: ecs::KeyValuePair| (boxed(pair.name).unwrap_or_default(), boxed(pair.value).unwrap_or_default());
    AttachmentRow {
        id: boxed(attachment.id).unwrap_or_default(),
        kind: boxed(attachment.r#type).unwrap_or_default(),
        status: boxed(attachment.status).unwrap_or_default(),
        details: attachment.details.into_iter().take(REPORT_LIST_MAX).map(detail).collect(),
    }
}

/// A first message as a registration.
///
/// # Errors
/// What the agent says can't be understood.
pub fn registration(hello: &agent::Hello) -> Result<RegisterInstance, IntakeError> {
    bounded("attributes of an instance", hello.attributes.len())?;
    if hello.instance_token.is_empty() || hello.instance_token.len() > REPORT_TEXT_BYTES_MAX {
        return Err(IntakeError::Malformed("the hello has no instance_token"));
    }
    let Some(capacity) = &hello.capacity else {
        return Err(IntakeError::Malformed("the hello tells no capacity"));
    };
    Ok(RegisterInstance {
        cluster: short_name(&hello.cluster).to_owned(),
        token: hello.instance_token.clone(),
        capacity: available(capacity)?,
        attributes: hello.attributes.clone(),
        ec2_instance_id: clipped(&hello.ec2_instance_id),
        agent_version: clipped(&hello.agent_version),
        docker_version: clipped(&hello.docker_version),
        runtime: clipped(&hello.runtime),
        tags: hello.tags.clone(),
        serves: match hello.serves() {
            agent::Serves::Unspecified => Serves::Both,
            agent::Serves::Ec2 => Serves::Ec2,
            agent::Serves::Fargate => Serves::Fargate,
        },
        capacity_provider: clipped(short_name(&hello.capacity_provider)),
    })
}

fn available(capacity: &agent::Capacity) -> Result<Available, IntakeError> {
    bounded("gpus of an instance", capacity.gpu_ids.len())?;
    let ports = |list: &[u32]| {
        if list.len() > PORTS_MAX {
            return Err(IntakeError::TooMany { what: "reserved ports", max: PORTS_MAX });
        }
        let port = |port: &u32| u16::try_from(*port).map_err(|_| IntakeError::Malformed("a port is above 65535"));
        list.iter().map(port).collect::<Result<_, _>>()
    };
    Ok(Available {
        cpu: capacity.cpu,
        memory_mib: capacity.memory_mib,
        taken_tcp: ports(&capacity.reserved_tcp_ports)?,
        taken_udp: ports(&capacity.reserved_udp_ports)?,
        gpus: capacity.gpu_ids.iter().map(|id| clipped(id).into_boxed_str()).collect(),
        interfaces: capacity.network_interfaces,
    })
}

fn bounded(what: &'static str, count: usize) -> Result<(), IntakeError> {
    if count > REPORT_LIST_MAX { Err(IntakeError::TooMany { what, max: REPORT_LIST_MAX }) } else { Ok(()) }
}

fn status<S: std::str::FromStr>(kind: &'static str, spelling: &str) -> Result<S, IntakeError> {
    spelling.parse().map_err(|_| IntakeError::UnknownStatus { kind, spelling: clipped(spelling) })
}

/// At most [`REPORT_TEXT_BYTES_MAX`] bytes of a text.
fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(REPORT_TEXT_BYTES_MAX)].to_owned()
}

fn boxed(text: Option<String>) -> Option<Box<str>> {
    text.map(|text| clipped(&text).into_boxed_str())
}

fn millis(time: Option<Timestamp>) -> Option<Millis> {
    let time = time?;
    u64::try_from(time.seconds.checked_mul(1_000)?.checked_add(i64::from(time.nanos) / 1_000_000)?).ok()
}

const fn health(status: ecs::HealthStatus) -> HealthStatus {
    match status {
        ecs::HealthStatus::Healthy => HealthStatus::Healthy,
        ecs::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
        ecs::HealthStatus::Unknown | ecs::HealthStatus::Unspecified => HealthStatus::Unknown,
    }
}

const fn stop_code(code: ecs::TaskStopCode) -> Option<StopCode> {
    Some(match code {
        ecs::TaskStopCode::Unspecified => return None,
        ecs::TaskStopCode::TaskFailedToStart => StopCode::TaskFailedToStart,
        ecs::TaskStopCode::EssentialContainerExited => StopCode::EssentialContainerExited,
        ecs::TaskStopCode::UserInitiated => StopCode::UserInitiated,
        ecs::TaskStopCode::ServiceSchedulerInitiated => StopCode::ServiceSchedulerInitiated,
        ecs::TaskStopCode::SpotInterruption => StopCode::SpotInterruption,
        ecs::TaskStopCode::TerminationNotice => StopCode::TerminationNotice,
        ecs::TaskStopCode::InfrastructureHealth => StopCode::InfrastructureHealth,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use drydock_model::status::TaskStatus;
    use drydock_proto::agent;
    use drydock_state::{ClusterId, InstanceKey};

    use super::{IntakeError, REPORT_LIST_MAX, REPORT_TEXT_BYTES_MAX, registration, task_report};

    const INSTANCE: InstanceKey = InstanceKey { cluster: ClusterId(3), id: 7 };

    fn report() -> agent::Report {
        agent::Report {
            task_arn: "arn:aws:ecs:r:a:task/default/0000000000000000000000000000002a".to_owned(),
            sequence: 5,
            last_status: "RUNNING".to_owned(),
            ..agent::Report::default()
        }
    }

    #[test]
    fn a_report_names_a_task_of_the_instance_s_cluster() {
        let taken = task_report(INSTANCE, report()).unwrap();
        assert_eq!((taken.task, taken.instance, taken.sequence), (INSTANCE.task(0x2a), 7, 5));
        assert_eq!(taken.last_status, TaskStatus::Running);
    }

    #[test]
    fn what_can_t_be_understood_is_refused_and_texts_are_clipped() {
        let table: [fn(&mut agent::Report); 4] = [
            |r| r.task_arn = "web".to_owned(),
            |r| r.last_status = "running".to_owned(),
            |r| r.containers = vec![agent::ContainerReport::default()],
            |r| r.containers = vec![agent::ContainerReport::default(); REPORT_LIST_MAX + 1],
        ];
        for spoil in table {
            let mut spoiled = report();
            spoil(&mut spoiled);
            assert!(task_report(INSTANCE, spoiled).is_err());
        }
        let long = agent::Report { stopped_reason: "ö".repeat(REPORT_TEXT_BYTES_MAX), ..report() };
        assert!(task_report(INSTANCE, long).unwrap().stopped_reason.len() <= REPORT_TEXT_BYTES_MAX);
    }

    #[test]
    fn a_registration_needs_a_token_and_a_capacity() {
        let hello = agent::Hello {
            instance_token: "t".to_owned(),
            capacity: Some(agent::Capacity { cpu: 1024, reserved_tcp_ports: vec![22], ..Default::default() }),
            ..agent::Hello::default()
        };
        assert!(registration(&hello).unwrap().capacity.taken_tcp.contains(22));
        let without = agent::Hello { capacity: None, ..hello.clone() };
        assert!(matches!(registration(&without), Err(IntakeError::Malformed(_))));
        let without = agent::Hello { instance_token: String::new(), ..hello };
        assert!(matches!(registration(&without), Err(IntakeError::Malformed(_))));
    }
}
