//! What the controllers hear of a task: its folded state, the latest of which wins.

use drydock_model::status::{HealthStatus, StopCode, TaskStatus};
use drydock_proto::agent::Report;
use drydock_proto::ecs::{Attachment, HealthStatus as WireHealth};
use prost_types::Timestamp;

use crate::limits::{self, Millis};
use crate::task::{Network, StopCause, Task, Times};

/// The last report of a task and how far it got.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportState {
    pub(crate) last: Option<Report>,
    pub(crate) acked: bool,
    /// When the last was sent, in this session.
    pub(crate) sent_at: Option<Millis>,
    /// To be sent (again) from then on.
    pub(crate) due_at: Millis,
}

impl ReportState {
    pub(crate) fn restore(report: Report, acked: bool) -> Self {
        Self { last: Some(report), acked, sent_at: None, due_at: 0 }
    }

    /// Its content if that is news. Sequences are the agent's clock made to grow, so that an agent that lost its
    /// journal isn't taken for an older self.
    pub(crate) fn renew(&mut self, mut content: Report, now: Millis) -> Option<&Report> {
        let sequence = self.last.as_ref().map_or(0, |last| last.sequence);
        content.sequence = sequence;
        if self.last.as_ref() == Some(&content) {
            return None;
        }
        // Nothing comes after STOPPED.
        if self.last.as_ref().is_some_and(|last| last.last_status == TaskStatus::Stopped.as_str()) {
            return None;
        }
        content.sequence = now.max(sequence + 1);
        self.acked = false;
        self.due_at = self.sent_at.map_or(now, |sent| now.max(sent + limits::REPORT_FOLD_MS));
        Some(self.last.insert(content))
    }

    /// When it is to be sent.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        (self.last.is_some() && !self.acked).then_some(self.due_at)
    }

    /// The report if it is due; it is due again later, until it is acknowledged.
    pub(crate) fn take_due(&mut self, now: Millis) -> Option<Report> {
        if self.deadline()? > now {
            return None;
        }
        self.sent_at = Some(now);
        self.due_at = now + limits::REPORT_RESEND_MS;
        self.last.clone()
    }

    /// True where this is news.
    pub(crate) fn acknowledge(&mut self, sequence: u64) -> bool {
        let news = !self.acked && self.last.as_ref().is_some_and(|last| last.sequence == sequence);
        self.acked |= news;
        news
    }
}

/// The folded state of a task; its sequence is 0.
pub(crate) fn fold(task: &Task) -> Report {
    let mut containers: Vec<_> = task
        .containers
        .iter()
        .zip(&task.spec.containers)
        .map(|(container, definition)| container.report(definition))
        .collect();
    for container in &mut containers {
        container.network_interfaces.clone_from(&task.provided.interfaces);
    }
    let mut report = Report {
        task_arn: task.arn().to_owned(),
        sequence: 0,
        last_status: task.status.as_str().to_owned(),
        containers,
        health_status: wire_health(task.health()).into(),
        pull_started_at: stamp(task.times.pull_started_at),
        pull_stopped_at: stamp(task.times.pull_stopped_at),
        started_at: stamp(task.times.started_at),
        stopping_at: stamp(task.times.stopping_at),
        execution_stopped_at: stamp(task.times.execution_stopped_at),
        stopped_at: stamp(task.times.stopped_at),
        attachments: attachment(task).into_iter().collect(),
        ..Default::default()
    };
    if let Some(cause) = &task.cause {
        report.stop_code = i32::try_from(cause.code.code()).unwrap_or_default();
        report.stopped_reason.clone_from(&cause.reason);
    }
    report
}

/// Its network interface, where it has one, and how far that is (ecs-semantics §2.5).
fn attachment(task: &Task) -> Option<Attachment> {
    let mut attachment = task.provided.attachment.clone();
    if attachment.id().is_empty() {
        return None;
    }
    let status = match task.network {
        Network::Releasing { .. } => "DETACHING",
        Network::Released => "DELETED",
        _ if !task.provided.interfaces.is_empty() => "ATTACHED",
        Network::NotNeeded | Network::Wanted { since: None, .. } => return Some(attachment),
        Network::Wanted { .. } | Network::Providing { .. } | Network::Up => "ATTACHING",
    };
    attachment.status = Some(status.to_owned());
    Some(attachment)
}

/// Why it stopped, as a report says it.
pub(crate) fn cause(report: &Report) -> Option<StopCause> {
    let code = StopCode::from_code(u32::try_from(report.stop_code).ok()?)?;
    Some(StopCause { code, reason: report.stopped_reason.clone() })
}

/// The moments that a report carries.
pub(crate) fn times(report: &Report) -> Times {
    Times {
        pull_started_at: millis(report.pull_started_at.as_ref()),
        pull_stopped_at: millis(report.pull_stopped_at.as_ref()),
        started_at: millis(report.started_at.as_ref()),
        stopping_at: millis(report.stopping_at.as_ref()),
        execution_stopped_at: millis(report.execution_stopped_at.as_ref()),
        stopped_at: millis(report.stopped_at.as_ref()),
    }
}

fn wire_health(health: HealthStatus) -> WireHealth {
    match health {
        HealthStatus::Healthy => WireHealth::Healthy,
        HealthStatus::Unhealthy => WireHealth::Unhealthy,
        HealthStatus::Unknown => WireHealth::Unknown,
    }
}

fn stamp(at: Option<Millis>) -> Option<Timestamp> {
    at.map(timestamp)
}

/// Milliseconds since 1970 as protobuf has them.
#[must_use]
pub fn timestamp(at: Millis) -> Timestamp {
    let nanos = i32::try_from(at % 1_000 * 1_000_000).unwrap_or_default();
    Timestamp { seconds: i64::try_from(at / 1_000).unwrap_or(i64::MAX), nanos }
}

/// Protobuf's time as milliseconds since 1970; `None` before that.
#[must_use]
pub fn millis(at: Option<&Timestamp>) -> Option<Millis> {
    let at = at?;
    let seconds = u64::try_from(at.seconds).ok()?;
    Some(seconds.saturating_mul(1_000) + u64::try_from(at.nanos).unwrap_or_default() / 1_000_000)
}
