//! Scale-in protection of tasks: UpdateTaskProtection, and its end (ecs-semantics §2.3). What it protects from is decided
//! by the reconcilers.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::Resource;
use drydock_model::requests::protection as requests;
use drydock_proto::ecs;

use super::plan::Made;
use super::{Answer, Apply};
use crate::key::{Key, ServiceKey};
use crate::outcome::Outcome;
use crate::plan::{DropReason, EndTaskProtection};
use crate::row::{ClusterRow, TaskRow};

/// The task belongs to no service, or is on its way out.
const TASK_NOT_VALID: &str = "TASK_NOT_VALID";
/// More tasks would be protected than the service wants: nothing could ever be stopped again.
const DEPLOYMENT_BLOCKED: &str = "DEPLOYMENT_BLOCKED";

impl Apply<'_> {
    /// Each task by itself: those that can't be protected are failures, the others are protected all the same.
    pub(super) fn update_task_protection(&mut self, request: &ecs::UpdateTaskProtectionRequest) -> Answer {
        let minutes = requests::update_task_protection(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let until = minutes.map(|minutes| self.now.saturating_add(u64::from(minutes) * 60_000));
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        let mut protected: BTreeMap<ServiceKey, u32> = BTreeMap::new();
        for text in &request.tasks {
            let Some(row) = self.find_task(&cluster, text) else {
                failures.push(self.protection_failure(&cluster, text, "MISSING", None));
                continue;
            };
            let Some(owner) = row.service.filter(|_| !row.is_told_to_stop()) else {
                let detail = if row.service.is_some() { "The task is stopping." } else { "The task has no service." };
                failures.push(self.protection_failure(&cluster, text, TASK_NOT_VALID, Some(detail)));
                continue;
            };
            let count = protected.entry(owner.service).or_insert_with(|| self.protected_tasks_of(owner.service));
            let is_more = until.is_some() && !row.is_protected(self.now);
            let desired = self.state.service(owner.service).map_or(0, |service| service.desired_count);
            if is_more && *count >= desired {
                let detail = format!("{count} tasks of the service are protected; its desiredCount is {desired}.");
                failures.push(self.protection_failure(&cluster, text, DEPLOYMENT_BLOCKED, Some(&detail)));
                continue;
            }
            *count += u32::from(is_more);
            rows.push(self.set_protection(&row, until));
            self.mark(Key::Service(owner.service));
        }
        Ok(Outcome::Protection(rows, failures))
    }

    fn protected_tasks_of(&self, service: ServiceKey) -> u32 {
        let protected = self.state.live_tasks_of(service).filter(|row| row.is_protected(self.now));
        u32::try_from(protected.count()).unwrap_or(u32::MAX)
    }

    /// No event says so, and the task's `version` stays, as in ECS.
    fn set_protection(&mut self, row: &TaskRow, until: Option<u64>) -> Arc<TaskRow> {
        self.state.put_task(TaskRow { protected_until: until, ..row.clone() })
    }

    fn protection_failure(&self, cluster: &ClusterRow, text: &str, reason: &str, detail: Option<&str>) -> ecs::Failure {
        let id = drydock_model::arn::short_name(text).to_owned();
        ecs::Failure {
            arn: Some(self.arn(Resource::Task(cluster.name.to_string(), id))),
            reason: Some(reason.to_owned()),
            detail: detail.map(str::to_owned),
        }
    }

    pub(super) fn end_task_protection(&mut self, end: &EndTaskProtection) -> Made {
        let row = self.state.task(end.task).cloned().ok_or(DropReason::Missing)?;
        if row.protected_until != Some(end.until) || end.until > self.now {
            return Err(DropReason::Changed.into());
        }
        self.set_protection(&row, None);
        if let Some(owner) = row.service {
            self.mark(Key::Service(owner.service));
        }
        Ok(())
    }
}
