//! ReportStatuses: what agents said of their tasks. A status only moves forward, and a late report changes nothing.

use std::sync::Arc;

use drydock_model::status::{ContainerStatus, DesiredStatus, HealthStatus, StopCode, TaskStatus};

use super::lifecycle::Why;
use super::{Answer, Apply};
use crate::command::{ContainerReport, ReportTimes, TaskReport};
use crate::key::{InstanceKey, Key, Millis};
use crate::outcome::{Halt, Outcome};
use crate::row::{ContainerRow, RevisionRow, TaskRow, TaskTimes, is_pinned};

/// What ECS says of a task whose essential container has exited, with whatever code.
const ESSENTIAL_EXITED: &str = "Essential container in task exited";
/// What ECS says of a task that never got to RUNNING.
const FAILED_TO_START: &str = "Task failed to start";

impl Apply<'_> {
    /// All reports are acknowledged: those that are late, or of tasks that aren't there, need not come again either.
    pub(super) fn report_statuses(&mut self, reports: &[TaskReport]) -> Answer {
        for report in reports {
            // An agent's tasks may be of other clusters than its instance.
            let instance = InstanceKey { cluster: report.task.cluster, id: report.instance };
            let row = self.state.task_on(instance, report.task.id).filter(|row| is_news(row, report)).cloned();
            if let Some(row) = row {
                self.fold(&row, report)?;
            }
        }
        Ok(Outcome::Reported(reports.iter().map(|report| (report.task, report.sequence)).collect()))
    }

    fn fold(&mut self, old: &TaskRow, report: &TaskReport) -> Result<(), Halt> {
        let mut row = old.clone();
        row.report_sequence = report.sequence;
        self.fold_containers(&mut row, &report.containers)?;
        self.pin_images(&row, &report.containers);
        if !report.attachments.is_empty() && *row.attachments != *report.attachments {
            row.attachments = report.attachments.as_slice().into();
        }
        if row.health != report.health {
            row.health = report.health;
            row.health_since = Some(self.now);
        }
        fold_times(&mut row.times, &report.times, self.now);
        let why = why(&row, report);
        if report.last_status == TaskStatus::Stopped {
            let at = report.times.stopped_at.map(|at| at.clamp(row.times.created_at, self.now));
            return self.end_task(&row, &why, at).map(|_| ());
        }
        if row.last_status.may_become(report.last_status) {
            row.last_status = report.last_status;
            row.times.status_since = self.now;
            if report.last_status == TaskStatus::Running {
                row.times.started_at = row.times.started_at.or(Some(self.now));
            }
            if row.desired_status == DesiredStatus::Running && report.last_status >= TaskStatus::Running {
                row.deadline = None;
            }
        }
        if row.last_status > TaskStatus::Running && row.desired_status == DesiredStatus::Running {
            // The agent stops it by itself: an essential container exited, or a start failed.
            self.begin_stop(&mut row, &why, self.now);
            self.touch_manifest(&row)?;
        }
        let mut silent = old.clone();
        silent.report_sequence = row.report_sequence;
        if silent == row {
            self.state.put_task(row);
        } else {
            self.put_changed_task(row)?;
        }
        Ok(())
    }

    /// Version consistency (ecs-semantics §2.3): the first digest that a task of a revision reports of a container's image
    /// is what the revision's later tasks get. Task sets are deployed by somebody else, who names what they run.
    fn pin_images(&mut self, row: &TaskRow, reports: &[ContainerReport]) {
        let found = |name: &str| {
            let report = reports.iter().find(|report| report.name == name)?;
            (!report.image_digest.is_empty()).then(|| report.image_digest.clone())
        };
        let Some(owner) = row.service else { return };
        let Some(revision) = self.state.revision(owner.service.revision(owner.revision)) else { return };
        let Some(definition) = self.state.definition(&row.definition) else { return };
        if self.state.service(owner.service).is_none_or(|service| service.is_external()) {
            return;
        }
        let containers = definition.document.container_definitions.iter().filter(|container| is_pinned(container));
        let open = containers.filter(|container| !revision.image_digests.contains_key(container.name()));
        let new: Vec<(String, String)> =
            open.filter_map(|container| Some((container.name().to_owned(), found(container.name())?))).collect();
        if !new.is_empty() {
            let image_digests = (*revision.image_digests).clone().into_iter().chain(new).collect();
            let revision = RevisionRow { image_digests: Arc::new(image_digests), ..(**revision).clone() };
            self.state.put_revision(revision);
            self.mark(Key::Service(owner.service));
        }
    }

    fn fold_containers(&self, row: &mut TaskRow, reports: &[ContainerReport]) -> Result<(), Halt> {
        if reports.is_empty() {
            return Ok(());
        }
        let definition = self.state.definition(&row.definition);
        let definition = definition.ok_or_else(|| self.contradiction("a task of no task definition"))?;
        let containers = definition.document.container_definitions.iter().enumerate().map(|(at, container)| {
            let name = container.name.as_deref().unwrap_or_default();
            let known = row.containers.get(at);
            match reports.iter().find(|report| report.name == name) {
                Some(report) => folded(known, report),
                None => known.cloned().unwrap_or_else(ContainerRow::pending),
            }
        });
        let containers: Vec<ContainerRow> = containers.collect();
        if *row.containers != *containers {
            row.containers = containers.into();
        }
        Ok(())
    }
}

fn is_news(row: &TaskRow, report: &TaskReport) -> bool {
    row.instance == Some(report.instance) && !row.is_stopped() && report.sequence > row.report_sequence
}

/// The reason that the agent gave; where it stops a task by itself and gives none, ECS's for that case.
fn why<'a>(row: &TaskRow, report: &'a TaskReport) -> Why<'a> {
    let given = Why { code: report.stop_code, reason: &report.stopped_reason };
    if row.stop_code.is_some() || report.stop_code.is_some() || row.desired_status == DesiredStatus::Stopped {
        return given;
    }
    let ran = row.last_status >= TaskStatus::Running || row.times.started_at.is_some();
    let (code, reason) = if ran {
        (StopCode::EssentialContainerExited, ESSENTIAL_EXITED)
    } else {
        (StopCode::TaskFailedToStart, FAILED_TO_START)
    };
    Why { code: Some(code), reason: if given.reason.is_empty() { reason } else { given.reason } }
}

/// Times of the agent's clock, kept between the task's creation and the log's time. The first of each stays, but
/// for the end of pulling, which is the last.
fn fold_times(times: &mut TaskTimes, report: &ReportTimes, now: Millis) {
    let created = times.created_at;
    let set = |time: &mut Option<Millis>, given: Option<Millis>| {
        if let Some(at) = given.filter(|_| time.is_none()) {
            *time = Some(at.clamp(created, now));
        }
    };
    set(&mut times.pull_started_at, report.pull_started_at);
    // The end of the last pull: containers that wait for others are pulled later.
    let pulled = report.pull_stopped_at.map(|at| at.clamp(created, now));
    times.pull_stopped_at = times.pull_stopped_at.max(pulled);
    set(&mut times.started_at, report.started_at);
    set(&mut times.stopping_at, report.stopping_at);
    set(&mut times.execution_stopped_at, report.execution_stopped_at);
}

fn folded(known: Option<&ContainerRow>, report: &ContainerReport) -> ContainerRow {
    let said = |text: &str, known: Option<&Option<Box<str>>>| {
        if text.is_empty() { known.cloned().flatten() } else { Some(text.into()) }
    };
    ContainerRow {
        last_status: known.map_or(report.last_status, |known| known.last_status.max(report.last_status)),
        exit_code: report.exit_code.or(known.and_then(|known| known.exit_code)),
        reason: said(&report.reason, known.map(|known| &known.reason)),
        runtime_id: said(&report.runtime_id, known.map(|known| &known.runtime_id)),
        image_digest: said(&report.image_digest, known.map(|known| &known.image_digest)),
        health: report.health,
        network_bindings: report.network_bindings.as_slice().into(),
        network_interfaces: report.network_interfaces.as_slice().into(),
        restart_count: report.restart_count.max(known.map_or(0, |known| known.restart_count)),
    }
}

impl ContainerRow {
    /// A container of which nothing was said yet.
    #[must_use]
    pub fn pending() -> Self {
        Self {
            last_status: ContainerStatus::Pending,
            exit_code: None,
            reason: None,
            runtime_id: None,
            image_digest: None,
            health: HealthStatus::Unknown,
            network_bindings: Box::default(),
            network_interfaces: Box::default(),
            restart_count: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ReportTimes, TaskTimes, fold_times};

    // rule: 2.1/timestamps-start, 2.1/timestamps-stop
    #[test]
    fn moments_stay_within_the_task_and_the_log_and_pulling_ends_with_the_last_pull() {
        let mut times = TaskTimes { created_at: 100, ..TaskTimes::default() };
        let first = ReportTimes { pull_started_at: Some(50), pull_stopped_at: Some(120), ..ReportTimes::default() };
        fold_times(&mut times, &first, 200);
        let second = ReportTimes {
            pull_started_at: Some(130),
            pull_stopped_at: Some(150),
            started_at: Some(160),
            stopping_at: Some(999),
            execution_stopped_at: Some(170),
            stopped_at: None,
        };
        fold_times(&mut times, &second, 300);
        fold_times(&mut times, &first, 400);
        let found = [times.pull_started_at, times.pull_stopped_at, times.started_at, times.stopping_at];
        assert_eq!(found, [Some(100), Some(150), Some(160), Some(300)]);
        assert_eq!(times.execution_stopped_at, Some(170));
    }
}
