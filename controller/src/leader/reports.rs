//! Merges the reports of all agents into few commands: the latest of each task waits for a short window, then goes into
//! one ReportStatuses with the others; agents are told what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_proto::agent::{ReportAck, TaskSequence, controller_message::Message};
use drydock_state::command::TaskReport;
use drydock_state::{Command, InstanceKey, Outcome, TaskKey};
use tokio::sync::Notify;

use super::Leader;
use crate::api::errors::ApiError;
use crate::core::Core;
use crate::limits::{
    REPORTS_BYTES_PER_COMMAND_MAX, REPORTS_PER_COMMAND_MAX, REPORTS_WAITING_MAX, REPORTS_WINDOW, RETRY_OVERLOADED,
};

/// Who reports itself in the log.
const CALLER: &str = "agents";

/// A report that waits, with the name by which its agent knows the task.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) report: TaskReport,
    pub(crate) task_arn: String,
    /// Bytes of it as the agent sent it; in the log it has about as many.
    pub(crate) bytes: usize,
}

/// The reports that wait; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reports(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<ByTask>,
    more: Notify,
}

/// By task, and by the instance that reports it.
type ByTask = BTreeMap<(TaskKey, u128), Waiting>;

impl Reports {
    fn lock(&self) -> MutexGuard<'_, ByTask> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a report; the one with the highest sequence of each task and instance stays. At [`REPORTS_WAITING_MAX`] a
    /// further one is left out: its agent sends it again.
    pub(crate) fn add(&self, waiting: Waiting) {
        let key = (waiting.report.task, waiting.report.instance);
        let mut all = self.lock();
        match all.get(&key) {
            Some(there) if there.report.sequence >= waiting.report.sequence => return,
            None if all.len() >= REPORTS_WAITING_MAX => return,
            _ => drop(all.insert(key, waiting)),
        }
        drop(all);
        self.0.more.notify_one();
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// The next command's worth.
    fn take(&self) -> Vec<Waiting> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut all = self.lock();
        while batch.len() < REPORTS_PER_COMMAND_MAX && bytes < REPORTS_BYTES_PER_COMMAND_MAX {
            let Some((_, waiting)) = all.pop_first() else { break };
            bytes += waiting.bytes;
            batch.push(waiting);
        }
        batch
    }
}

/// The loop of the leader's scope.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>) {
    loop {
        leader.reports.0.more.notified().await;
        tokio::time::sleep(REPORTS_WINDOW).await;
        loop {
            let batch = leader.reports.take();
            if batch.is_empty() {
                break;
            }
            commit(&core, &leader, batch).await;
        }
    }
}

async fn commit(core: &Core, leader: &Leader, batch: Vec<Waiting>) {
    let reports = batch.iter().map(|waiting| waiting.report.clone()).collect();
    match core.propose(core.stamp(leader.term), CALLER, Command::ReportStatuses(reports)).await {
        Ok(proposed) => match proposed.outcome {
            Outcome::Reported(taken) => acknowledge(leader, &batch, &taken),
            outcome => tracing::error!(?outcome, "reports were not taken"),
        },
        Err(ApiError::Overloaded(_)) => {
            for waiting in batch {
                leader.reports.add(waiting);
            }
            tokio::time::sleep(RETRY_OVERLOADED).await;
        }
        // Agents send again what isn't acknowledged.
        Err(error) => tracing::warn!(%error, "reports were not committed"),
    }
}

/// Tells each agent which of its reports are committed.
fn acknowledge(leader: &Leader, batch: &[Waiting], taken: &[(TaskKey, u64)]) {
    let taken: BTreeSet<TaskKey> = taken.iter().map(|(task, _)| *task).collect();
    let mut acks: BTreeMap<InstanceKey, Vec<TaskSequence>> = BTreeMap::new();
    for waiting in batch {
        if !taken.contains(&waiting.report.task) {
            continue;
        }
        let key = InstanceKey { cluster: waiting.report.task.cluster, id: waiting.report.instance };
        let sequence = waiting.report.sequence;
        acks.entry(key).or_default().push(TaskSequence { task_arn: waiting.task_arn.clone(), sequence });
    }
    for (key, reports) in acks {
        // A full queue drops it: the agent reports again and gets its acknowledgement then.
        leader.sessions.tell(key, Message::ReportAck(ReportAck { reports }));
    }
}

#[cfg(test)]
mod tests {
    use drydock_model::status::{HealthStatus, TaskStatus};
    use drydock_state::command::{ReportTimes, TaskReport};
    use drydock_state::{ClusterId, TaskKey};

    use super::{REPORTS_BYTES_PER_COMMAND_MAX, REPORTS_PER_COMMAND_MAX, Reports, Waiting};

    fn waiting(id: u128, sequence: u64) -> Waiting {
        let report = TaskReport {
            task: TaskKey { cluster: ClusterId(1), id },
            instance: 1,
            sequence,
            last_status: TaskStatus::Running,
            health: HealthStatus::Unknown,
            stop_code: None,
            stopped_reason: String::new(),
            times: ReportTimes::default(),
            containers: Vec::new(),
            attachments: Vec::new(),
        };
        Waiting { report, task_arn: String::new(), bytes: 100 }
    }

    #[test]
    fn the_latest_report_of_each_task_stays() {
        let reports = Reports::default();
        for sequence in [1, 3, 2] {
            reports.add(waiting(9, sequence));
        }
        reports.add(waiting(8, 1));
        let taken: Vec<_> = reports.take().iter().map(|w| (w.report.task.id, w.report.sequence)).collect();
        assert_eq!(taken, [(8, 1), (9, 3)]);
        assert!(reports.take().is_empty());
    }

    #[test]
    fn a_command_has_so_many_bytes() {
        let reports = Reports::default();
        for id in 0..3 {
            reports.add(Waiting { bytes: REPORTS_BYTES_PER_COMMAND_MAX / 2, ..waiting(id, 1) });
        }
        assert_eq!([reports.take().len(), reports.take().len()], [2, 1]);
    }

    #[test]
    fn a_command_has_so_many_reports() {
        let reports = Reports::default();
        for id in 0..=REPORTS_PER_COMMAND_MAX as u128 {
            reports.add(waiting(id, 1));
        }
        assert_eq!(reports.take().len(), REPORTS_PER_COMMAND_MAX);
        assert_eq!(reports.take().len(), 1);
    }
}
