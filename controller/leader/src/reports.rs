//! Merges the reports of all agents into few commands: the latest of each task waits for a short window, then goes into
//! one ReportStatuses with the others; agents are told what is committed.

use std::collections::{BTreeMap, BTreeSet};

use drydock_proto::agent::{ReportAck, TaskSequence};
use drydock_state::command::TaskReport;
use drydock_state::{Command, InstanceKey, Outcome, TaskKey};

use crate::limits::{
    REPORTS_BYTES_PER_COMMAND_MAX, REPORTS_PER_COMMAND_MAX, REPORTS_WAITING_MAX, REPORTS_WINDOW_MS, RETRY_OVERLOADED_MS,
};
use crate::proposal::{Fate, Moment, Next, Sight};

/// Who reports itself in the log.
const CALLER: &str = "agents";

/// A report that waits, with the name by which its agent knows the task.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// What it says.
    pub report: TaskReport,
    /// The task's name.
    pub task_arn: String,
    /// Bytes of it as the agent sent it; in the log it has about as many.
    pub bytes: usize,
}

/// The reports that wait, and those that are being committed.
#[derive(Debug, Default)]
pub struct Reports {
    /// By task, and by the instance that reports it.
    waiting: BTreeMap<(TaskKey, u128), Waiting>,
    /// When the next command is due.
    due_at: Option<Moment>,
    under_way: Vec<Waiting>,
}

impl Reports {
    /// Adds a report; the one with the highest sequence of each task and instance stays. At [`REPORTS_WAITING_MAX`] a
    /// further one is left out: its agent sends it again. Says whether it was added.
    pub fn add(&mut self, waiting: Waiting, now: Moment) -> bool {
        let key = (waiting.report.task, waiting.report.instance);
        match self.waiting.get(&key) {
            Some(there) if there.report.sequence >= waiting.report.sequence => return false,
            None if self.waiting.len() >= REPORTS_WAITING_MAX => return false,
            _ => drop(self.waiting.insert(key, waiting)),
        }
        self.due_at.get_or_insert(now + REPORTS_WINDOW_MS);
        true
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What it wants.
    pub fn next(&mut self, sight: &Sight<'_>) -> Next {
        match self.due_at {
            None => return Next::Until(None),
            Some(at) if sight.now < at => return Next::Until(Some(at)),
            Some(_) => {}
        }
        self.under_way = self.take();
        if self.under_way.is_empty() {
            self.due_at = None;
            return Next::Until(None);
        }
        let reports = self.under_way.iter().map(|waiting| waiting.report.clone()).collect();
        sight.propose(CALLER, Command::ReportStatuses(reports))
    }

    /// What came of it: which agents are to be told what.
    pub fn settled(&mut self, fate: Fate, now: Moment) -> BTreeMap<InstanceKey, ReportAck> {
        let batch = std::mem::take(&mut self.under_way);
        match fate {
            Fate::Applied { outcome: Outcome::Reported(taken), .. } => acknowledgements(&batch, &taken),
            Fate::Overloaded(_) => {
                for waiting in batch {
                    self.add(waiting, now);
                }
                self.due_at = Some(now + RETRY_OVERLOADED_MS);
                BTreeMap::new()
            }
            // Agents send again what isn't acknowledged.
            _ => BTreeMap::new(),
        }
    }

    /// The next command's worth.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < REPORTS_PER_COMMAND_MAX && bytes < REPORTS_BYTES_PER_COMMAND_MAX {
            let Some((_, waiting)) = self.waiting.pop_first() else { break };
            bytes += waiting.bytes;
            batch.push(waiting);
        }
        batch
    }
}

/// What each agent is told about those of its reports that are committed.
fn acknowledgements(batch: &[Waiting], taken: &[(TaskKey, u64)]) -> BTreeMap<InstanceKey, ReportAck> {
    let taken: BTreeSet<TaskKey> = taken.iter().map(|(task, _)| *task).collect();
    let mut acks: BTreeMap<InstanceKey, ReportAck> = BTreeMap::new();
    for waiting in batch {
        if !taken.contains(&waiting.report.task) {
            continue;
        }
        let key = InstanceKey { cluster: waiting.report.task.cluster, id: waiting.report.instance };
        let sequence = waiting.report.sequence;
        let ack = TaskSequence { task_arn: waiting.task_arn.clone(), sequence };
        acks.entry(key).or_default().reports.push(ack);
    }
    acks
}

#[cfg(test)]
mod tests {
    use drydock_model::status::{HealthStatus, TaskStatus};
    use drydock_state::command::{ReportTimes, TaskReport};
    use drydock_state::{ClusterId, Command, Outcome, State, TaskKey};

    use super::{REPORTS_BYTES_PER_COMMAND_MAX, REPORTS_PER_COMMAND_MAX, Reports, Waiting};
    use crate::limits::{REPORTS_WINDOW_MS, RETRY_OVERLOADED_MS};
    use crate::proposal::{Fate, Next, Sight};

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
        Waiting { report, task_arn: format!("task {id}"), bytes: 100 }
    }

    /// The tasks and sequences of the command that is proposed at a time; else when to ask again.
    fn ask(reports: &mut Reports, now: u64) -> Result<Vec<(u128, u64)>, Option<u64>> {
        let state = State::default();
        match reports.next(&Sight { state: &state, index: 0, now, now_ms: 1, seed: 1 }) {
            Next::Propose(proposal) => match proposal.command {
                Command::ReportStatuses(all) => Ok(all.iter().map(|one| (one.task.id, one.sequence)).collect()),
                other => panic!("{other:?}"),
            },
            Next::Until(at) => Err(at),
            Next::Again => panic!("reports wait for their time"),
        }
    }

    #[test]
    fn the_latest_report_of_each_task_goes_once_the_window_is_over() {
        let mut reports = Reports::default();
        for sequence in [1, 3, 2] {
            reports.add(waiting(9, sequence), 5);
        }
        reports.add(waiting(8, 1), 7);
        assert_eq!(ask(&mut reports, 6), Err(Some(5 + REPORTS_WINDOW_MS)));
        assert_eq!(ask(&mut reports, 15), Ok(vec![(8, 1), (9, 3)]));
        let taken = Outcome::Reported(vec![(TaskKey { cluster: ClusterId(1), id: 9 }, 3)]);
        let acks = reports.settled(Fate::Applied { index: 1, outcome: taken }, 20);
        let told: Vec<_> =
            acks.values().flat_map(|ack| &ack.reports).map(|one| (&*one.task_arn, one.sequence)).collect();
        assert_eq!(told, [("task 9", 3)]);
        assert_eq!(ask(&mut reports, 20), Err(None));
    }

    #[test]
    fn what_was_refused_for_load_goes_again_unless_something_later_came() {
        let mut reports = Reports::default();
        reports.add(waiting(8, 1), 0);
        reports.add(waiting(9, 1), 0);
        assert!(ask(&mut reports, 10).is_ok());
        reports.add(waiting(9, 2), 11);
        assert!(reports.settled(Fate::Overloaded(String::new()), 12).is_empty());
        assert_eq!(ask(&mut reports, 13), Err(Some(12 + RETRY_OVERLOADED_MS)));
        assert_eq!(ask(&mut reports, 12 + RETRY_OVERLOADED_MS), Ok(vec![(8, 1), (9, 2)]));
        // Not known whether it is written: the agents say so once more.
        assert!(reports.settled(Fate::Unknown(String::new()), 70).is_empty());
        assert_eq!(ask(&mut reports, 1_000), Err(None));
    }

    #[test]
    fn a_command_has_so_many_bytes() {
        let mut reports = Reports::default();
        for id in 0..3 {
            reports.add(Waiting { bytes: REPORTS_BYTES_PER_COMMAND_MAX / 2, ..waiting(id, 1) }, 0);
        }
        assert_eq!([10, 10].map(|now| ask(&mut reports, now).map(|all| all.len())), [Ok(2), Ok(1)]);
    }

    #[test]
    fn a_command_has_so_many_reports() {
        let mut reports = Reports::default();
        for id in 0..=REPORTS_PER_COMMAND_MAX as u128 {
            reports.add(waiting(id, 1), 0);
        }
        assert_eq!(
            [10, 10].map(|now| ask(&mut reports, now).map(|all| all.len())),
            [Ok(REPORTS_PER_COMMAND_MAX), Ok(1)]
        );
    }
}
