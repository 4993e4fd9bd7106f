//! Reap: removes rows whose retention is over. A row that is still needed stays, and is looked at again after another
//! retention; one whose time hasn't come stays as it is.

use std::sync::Arc;

use drydock_model::status::{ClusterStatus, InstanceStatus, ServiceStatus, TaskDefinitionStatus};

use super::Apply;
use crate::billing;
use crate::command::REAP_MAX;
use crate::key::{
    ClusterId, DefinitionKey, DeploymentKey, InstanceKey, Key, Millis, ServiceKey, TaskKey, TaskSetKey, TokenKey,
};
use crate::outcome::Outcome;
use crate::row::{CostKey, CostRow, TaskRow};

/// A definition in use is looked at again after so long, unless its last user goes before.
const DEFINITION_RETRY_MS: u64 = 60 * 60 * 1_000;

impl Apply<'_> {
    /// Keys above [`REAP_MAX`] are left for the next one.
    pub(super) fn reap(&mut self, keys: &[Key]) -> Outcome {
        let reaped = keys.iter().take(REAP_MAX).filter(|key| self.reap_one(key)).count();
        Outcome::Reaped(reaped)
    }

    fn reap_one(&mut self, key: &Key) -> bool {
        match key {
            Key::Cluster(id) => self.reap_cluster(*id),
            Key::Instance(key) => self.reap_instance(*key),
            Key::Service(key) => self.reap_service(*key),
            Key::Deployment(key) => self.reap_deployment(*key),
            Key::Task(key) => self.reap_task(*key),
            Key::Definition(key) => self.reap_definition(key),
            Key::Token(key) => self.reap_token(key),
            Key::TaskSet(key) => self.reap_task_set(*key),
            // A revision goes with the last deployment to it.
            Key::Revision(_) => false,
            // These go by requests alone.
            Key::CapacityProvider(_) | Key::Scaling(_) => false,
        }
    }

    fn due(&self, at: Option<Millis>) -> bool {
        at.is_some_and(|at| at <= self.now)
    }

    fn later(&self) -> Millis {
        self.now.saturating_add(self.state.settings().inactive_retention_ms)
    }

    fn reap_cluster(&mut self, id: ClusterId) -> bool {
        let Some(row) = self.state.cluster(id).cloned() else { return false };
        if row.status != ClusterStatus::Inactive || !self.due(row.reap_at) {
            return false;
        }
        let counts = self.state.cluster_counts(id);
        if counts.tasks.total() > 0 || counts.services > 0 || counts.instances > 0 {
            let mut row = (*row).clone();
            row.reap_at = Some(self.later());
            self.state.put_cluster(row);
            return false;
        }
        self.state.remove_cluster(id);
        self.state.costs.remove(&CostKey::Cluster(id));
        true
    }

    fn reap_instance(&mut self, key: InstanceKey) -> bool {
        let Some(row) = self.state.instance(key).cloned() else { return false };
        if row.status != InstanceStatus::Inactive || !self.due(row.reap_at) {
            return false;
        }
        let has_tasks = self.state.live_tasks_on(key).chain(self.state.stopped_tasks_on(key)).next().is_some();
        if has_tasks {
            let mut row = (*row).clone();
            row.reap_at = Some(self.later());
            self.state.put_instance(row);
            return false;
        }
        self.state.remove_instance(key);
        self.mark(Key::Instance(key));
        true
    }

    /// With its deployments, task sets and revisions.
    fn reap_service(&mut self, key: ServiceKey) -> bool {
        let Some(row) = self.state.service(key).cloned() else { return false };
        if row.status != ServiceStatus::Inactive || !self.due(row.reap_at) {
            return false;
        }
        if self.state.service_counts(key).total() > 0 {
            let mut row = (*row).clone();
            row.reap_at = Some(self.later());
            self.state.put_service(row);
            return false;
        }
        let deployments: Vec<DeploymentKey> = self.state.deployments(key).map(|row| row.key).collect();
        for deployment in deployments {
            self.drop_deployment(deployment);
        }
        let task_sets: Vec<TaskSetKey> = self.state.task_sets(key).map(|row| row.key).collect();
        for task_set in task_sets {
            self.drop_task_set(task_set);
        }
        self.state.remove_service(key);
        self.state.costs.remove(&CostKey::Service(key));
        self.mark(Key::Service(key));
        true
    }

    fn reap_deployment(&mut self, key: DeploymentKey) -> bool {
        let Some(row) = self.state.deployment(key).cloned() else { return false };
        if !self.due(row.reap_at) {
            return false;
        }
        if !self.is_spare(&row) {
            let mut row = (*row).clone();
            row.reap_at = Some(self.later());
            self.state.put_deployment(row);
            return false;
        }
        self.drop_deployment(key);
        true
    }

    fn reap_task_set(&mut self, key: TaskSetKey) -> bool {
        let Some(row) = self.state.task_set(key).cloned() else { return false };
        if !self.due(row.reap_at) {
            return false;
        }
        if self.state.task_set_counts(key).total() > 0 {
            let mut row = (*row).clone();
            row.reap_at = Some(self.later());
            self.state.put_task_set(row);
            return false;
        }
        self.drop_task_set(key);
        true
    }

    fn reap_task(&mut self, key: TaskKey) -> bool {
        let Some(row) = self.state.task(key).cloned() else { return false };
        if !row.is_stopped() || !self.due(row.deadline) {
            return false;
        }
        let definition = row.definition.clone();
        self.collect_cost(&row);
        self.state.remove_task(key);
        self.mark_if_unused(&definition);
        true
    }

    /// What a collected task used still counts for its service and its cluster.
    fn collect_cost(&mut self, row: &TaskRow) {
        let used = billing::usage_of_task(self.state, row, self.now);
        let of_service = row.service.map(|owner| CostKey::Service(owner.service));
        for key in std::iter::once(CostKey::Cluster(row.key.cluster)).chain(of_service) {
            let mut usage = self.state.collected(key).cloned().unwrap_or_default();
            usage.add(&used);
            self.state.costs.put(Arc::new(CostRow { key, usage }));
        }
    }

    fn reap_definition(&mut self, key: &DefinitionKey) -> bool {
        let Some(row) = self.state.definition(key).cloned() else { return false };
        if row.status != TaskDefinitionStatus::DeleteInProgress {
            return false;
        }
        if self.state.definition_uses(key) > 0 {
            let mut row = (*row).clone();
            row.reap_at = Some(self.now.saturating_add(DEFINITION_RETRY_MS));
            self.state.put_definition(row);
            return false;
        }
        self.state.remove_definition(key);
        true
    }

    fn reap_token(&mut self, key: &TokenKey) -> bool {
        let due = self.state.token(key).is_some_and(|row| row.expires_at <= self.now);
        if due {
            self.state.remove_token(key);
        }
        due
    }
}
