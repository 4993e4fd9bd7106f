//! How rows are put and removed: always together with all that derives from them (indices, counts, deadlines).

use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_model::status::{InstanceStatus, ServiceStatus};
use imbl::OrdMap;

use crate::index::{ClusterCounts, TaskCounts};
use crate::key::{
    CapacityProviderKey, ClusterId, DefinitionKey, DeploymentKey, InstanceKey, Key, Millis, RevisionKey, ScalingKey,
    ScopeId, ServiceKey, TaskKey, TaskSetKey, TokenKey,
};
use crate::row::{
    CapacityProviderRow, ClusterRow, DefinitionRow, DeploymentRow, FamilyRow, InstanceRow, RevisionRow, ScalingRow,
    ServiceEventsRow, ServiceRow, TaskRow, TaskSetRow, TokenRow,
};
use crate::state::State;

/// Client tokens remembered at once, of all clusters: some 50 MiB. A retry whose token is forgotten is a new request.
pub const TOKENS_MAX: usize = 200_000;

/// The times at which a row wants to be looked at; those that are the same count once.
type Deadlines = [Option<Millis>; 4];

fn cluster_deadlines(row: &ClusterRow) -> Deadlines {
    [row.reap_at, None, None, None]
}

fn definition_deadlines(row: &DefinitionRow) -> Deadlines {
    [row.reap_at, None, None, None]
}

fn instance_deadlines(row: &InstanceRow) -> Deadlines {
    [row.lost_at, row.reap_at, None, None]
}

fn service_deadlines(row: &ServiceRow) -> Deadlines {
    [row.progress.wake_at, row.progress.not_before, row.reap_at, None]
}

fn deployment_deadlines(row: &DeploymentRow) -> Deadlines {
    [row.stage_deadline, row.deadline, row.wake_at, row.reap_at]
}

fn task_set_deadlines(row: &TaskSetRow) -> Deadlines {
    [row.progress.wake_at, row.progress.not_before, row.reap_at, None]
}

fn task_deadlines(row: &TaskRow) -> Deadlines {
    [row.deadline, row.protected_until, None, None]
}

fn token_deadlines(row: &TokenRow) -> Deadlines {
    [Some(row.expires_at), None, None, None]
}

fn scaling_deadlines(row: &ScalingRow) -> Deadlines {
    [row.figures.next_at, None, None, None]
}

impl State {
    fn move_deadlines(&mut self, key: impl Fn() -> Key, old: Option<Deadlines>, new: Option<Deadlines>) {
        if old == new {
            return;
        }
        for at in old.into_iter().flatten().flatten() {
            self.index.deadlines.remove(&(at, key()));
        }
        for at in new.into_iter().flatten().flatten() {
            self.index.deadlines.insert((at, key()));
        }
    }

    pub(crate) fn put_capacity_provider(&mut self, row: CapacityProviderRow) -> Arc<CapacityProviderRow> {
        let row = Arc::new(row);
        self.capacity_providers.put(Arc::clone(&row));
        row
    }

    pub(crate) fn remove_capacity_provider(&mut self, key: &CapacityProviderKey) {
        self.capacity_providers.remove(key);
    }

    pub(crate) fn put_scaling(&mut self, row: ScalingRow) -> Arc<ScalingRow> {
        let row = Arc::new(row);
        let old = self.scalings.put(Arc::clone(&row));
        let key = || Key::Scaling(row.key.clone());
        self.move_deadlines(key, old.as_deref().map(scaling_deadlines), Some(scaling_deadlines(&row)));
        row
    }

    pub(crate) fn remove_scaling(&mut self, key: &ScalingKey) {
        if let Some(old) = self.scalings.remove(key) {
            self.move_deadlines(|| Key::Scaling(key.clone()), Some(scaling_deadlines(&old)), None);
        }
    }

    pub(crate) fn put_scope(&mut self, id: ScopeId, scope: Arc<Scope>) {
        self.index.scope_ids.insert(Arc::clone(&scope), id);
        self.scopes.insert(id, scope);
    }

    pub(crate) fn put_cluster(&mut self, row: ClusterRow) -> Arc<ClusterRow> {
        let row = Arc::new(row);
        let old = self.clusters.put(Arc::clone(&row));
        if old.is_none() {
            self.index.cluster_names.insert((row.scope, Arc::clone(&row.name)), row.id);
        }
        if row.has_insights() {
            self.index.insights.insert(row.id);
        } else {
            self.index.insights.remove(&row.id);
        }
        self.index.census.move_cluster(old.as_deref(), Some(&row));
        let key = || Key::Cluster(row.id);
        self.move_deadlines(key, old.as_deref().map(cluster_deadlines), Some(cluster_deadlines(&row)));
        row
    }

    pub(crate) fn remove_cluster(&mut self, id: ClusterId) {
        if let Some(old) = self.clusters.remove(&id) {
            self.index.cluster_names.remove(&(old.scope, Arc::clone(&old.name)));
            self.index.insights.remove(&id);
            self.index.census.move_cluster(Some(&old), None);
            self.move_deadlines(|| Key::Cluster(id), Some(cluster_deadlines(&old)), None);
        }
    }

    pub(crate) fn put_family(&mut self, row: FamilyRow) {
        self.families.put(Arc::new(row));
    }

    pub(crate) fn put_definition(&mut self, row: DefinitionRow) -> Arc<DefinitionRow> {
        let row = Arc::new(row);
        let old = self.definitions.put(Arc::clone(&row));
        let key = || Key::Definition(row.key.clone());
        self.move_deadlines(key, old.as_deref().map(definition_deadlines), Some(definition_deadlines(&row)));
        row
    }

    pub(crate) fn remove_definition(&mut self, key: &DefinitionKey) {
        if let Some(old) = self.definitions.remove(key) {
            self.move_deadlines(|| Key::Definition(key.clone()), Some(definition_deadlines(&old)), None);
        }
    }

    fn use_definition(&mut self, key: &DefinitionKey, add: bool) {
        let uses = self.definition_uses(key);
        let uses = if add { uses.saturating_add(1) } else { uses.saturating_sub(1) };
        if uses == 0 {
            self.index.definition_uses.remove(key);
        } else {
            self.index.definition_uses.insert(key.clone(), uses);
        }
    }

    fn count_cluster(&mut self, id: ClusterId, change: impl FnOnce(&mut ClusterCounts)) {
        count(&mut self.index.cluster_counts, id, change);
    }

    pub(crate) fn put_instance(&mut self, row: InstanceRow) -> Arc<InstanceRow> {
        let row = Arc::new(row);
        let old = self.instances.put(Arc::clone(&row));
        self.index.census.move_instance(old.as_deref(), Some(&row));
        let before = old.as_deref().map_or(0, registered);
        let after = registered(&row);
        if old.is_none() || before != after {
            let new = u32::from(old.is_none());
            self.count_cluster(row.key.cluster, |counts| {
                counts.registered_instances = (counts.registered_instances + after).saturating_sub(before);
                counts.instances += new;
            });
        }
        // A token is an instance's until it is INACTIVE: then the same machine may join anew.
        let token = (row.key.cluster, Arc::clone(&row.info.token));
        if row.status == InstanceStatus::Inactive {
            self.forget_token(&token, row.key.id);
        } else if old.as_deref().is_none_or(|old| old.status == InstanceStatus::Inactive) {
            self.index.instance_tokens.insert(token, row.key.id);
        }
        let key = || Key::Instance(row.key);
        self.move_deadlines(key, old.as_deref().map(instance_deadlines), Some(instance_deadlines(&row)));
        self.seat_instance(row.key, old.as_deref(), Some(&row));
        row
    }

    fn forget_token(&mut self, token: &(ClusterId, Arc<str>), id: u128) {
        if self.index.instance_tokens.get(token) == Some(&id) {
            self.index.instance_tokens.remove(token);
        }
    }

    pub(crate) fn remove_instance(&mut self, key: InstanceKey) {
        let Some(old) = self.instances.remove(&key) else { return };
        self.index.census.move_instance(Some(&old), None);
        let registered = registered(&old);
        self.count_cluster(key.cluster, |counts| {
            counts.registered_instances = counts.registered_instances.saturating_sub(registered);
            counts.instances = counts.instances.saturating_sub(1);
        });
        self.forget_token(&(key.cluster, Arc::clone(&old.info.token)), key.id);
        self.move_deadlines(|| Key::Instance(key), Some(instance_deadlines(&old)), None);
        self.seat_instance(key, Some(&old), None);
    }

    pub(crate) fn put_service(&mut self, row: ServiceRow) -> Arc<ServiceRow> {
        let row = Arc::new(row);
        let old = self.services.put(Arc::clone(&row));
        self.index.census.move_service(old.as_deref(), Some(&row));
        if old.is_none() {
            let name = (row.key.cluster, Arc::clone(&row.name));
            // Rows come in the order of their numbers, on import too: the latest incarnation has the name.
            self.index.service_names.insert(name, row.key);
        }
        let before = old.as_deref().map(|row| row.status);
        if before != Some(row.status) {
            self.count_cluster(row.key.cluster, |counts| {
                match before {
                    None => counts.services += 1,
                    Some(status) => count_status(counts, status, -1),
                }
                count_status(counts, row.status, 1);
            });
        }
        if row.status == ServiceStatus::Active && row.is_daemon() {
            self.index.daemon_services.insert(row.key);
        } else {
            self.index.daemon_services.remove(&row.key);
        }
        let key = || Key::Service(row.key);
        self.move_deadlines(key, old.as_deref().map(service_deadlines), Some(service_deadlines(&row)));
        row
    }

    pub(crate) fn remove_service(&mut self, key: ServiceKey) {
        let Some(old) = self.services.remove(&key) else { return };
        self.index.census.move_service(Some(&old), None);
        let name = (key.cluster, Arc::clone(&old.name));
        if self.index.service_names.get(&name) == Some(&key) {
            self.index.service_names.remove(&name);
        }
        self.count_cluster(key.cluster, |counts| {
            counts.services = counts.services.saturating_sub(1);
            count_status(counts, old.status, -1);
        });
        self.index.daemon_services.remove(&key);
        self.service_events.remove(&key);
        self.move_deadlines(|| Key::Service(key), Some(service_deadlines(&old)), None);
    }

    pub(crate) fn put_service_events(&mut self, row: ServiceEventsRow) {
        self.service_events.put(Arc::new(row));
    }

    pub(crate) fn put_deployment(&mut self, row: DeploymentRow) -> Arc<DeploymentRow> {
        let row = Arc::new(row);
        let old = self.deployments.put(Arc::clone(&row));
        self.index.census.move_deployment(old.as_deref(), Some(&row));
        let key = || Key::Deployment(row.key);
        self.move_deadlines(key, old.as_deref().map(deployment_deadlines), Some(deployment_deadlines(&row)));
        row
    }

    pub(crate) fn remove_deployment(&mut self, key: DeploymentKey) {
        if let Some(old) = self.deployments.remove(&key) {
            self.index.census.move_deployment(Some(&old), None);
            self.move_deadlines(|| Key::Deployment(key), Some(deployment_deadlines(&old)), None);
        }
    }

    pub(crate) fn put_task_set(&mut self, row: TaskSetRow) -> Arc<TaskSetRow> {
        let row = Arc::new(row);
        let old = self.task_sets.put(Arc::clone(&row));
        let key = || Key::TaskSet(row.key);
        self.move_deadlines(key, old.as_deref().map(task_set_deadlines), Some(task_set_deadlines(&row)));
        row
    }

    pub(crate) fn remove_task_set(&mut self, key: TaskSetKey) {
        if let Some(old) = self.task_sets.remove(&key) {
            self.move_deadlines(|| Key::TaskSet(key), Some(task_set_deadlines(&old)), None);
        }
    }

    pub(crate) fn put_revision(&mut self, row: RevisionRow) {
        let row = Arc::new(row);
        match self.revisions.put(Arc::clone(&row)) {
            Some(old) if old.definition == row.definition => {}
            Some(old) => {
                self.use_definition(&old.definition, false);
                self.use_definition(&row.definition, true);
            }
            None => self.use_definition(&row.definition, true),
        }
    }

    pub(crate) fn remove_revision(&mut self, key: RevisionKey) {
        if let Some(old) = self.revisions.remove(&key) {
            self.use_definition(&old.definition, false);
        }
    }

    /// At [`TOKENS_MAX`] the token that expires first is forgotten.
    pub(crate) fn put_token(&mut self, row: TokenRow) {
        while self.tokens.len() >= TOKENS_MAX {
            let Some((_, oldest)) = self.index.token_expiry.get_min().cloned() else { break };
            self.remove_token(&oldest);
        }
        let row = Arc::new(row);
        self.index.token_expiry.insert((row.expires_at, row.key.clone()));
        let old = self.tokens.put(Arc::clone(&row));
        if let Some(old) = old.as_deref().filter(|old| old.expires_at != row.expires_at) {
            self.index.token_expiry.remove(&(old.expires_at, old.key.clone()));
        }
        let key = || Key::Token(row.key.clone());
        self.move_deadlines(key, old.as_deref().map(token_deadlines), Some(token_deadlines(&row)));
    }

    pub(crate) fn remove_token(&mut self, key: &TokenKey) {
        if let Some(old) = self.tokens.remove(key) {
            self.index.token_expiry.remove(&(old.expires_at, key.clone()));
            self.move_deadlines(|| Key::Token(key.clone()), Some(token_deadlines(&old)), None);
        }
    }

    /// A task never changes its definition, owner, group or `startedBy`, and it gets an instance once; what it does
    /// change is its status.
    pub(crate) fn put_task(&mut self, row: TaskRow) -> Arc<TaskRow> {
        let row = Arc::new(row);
        let old = self.tasks.put(Arc::clone(&row));
        if old.as_deref().is_some_and(|old| old.instance != row.instance) {
            // It is found elsewhere from now on.
            self.reindex_task(row.key, old.as_deref(), None);
            self.reindex_task(row.key, None, Some(&row));
        } else {
            self.reindex_task(row.key, old.as_deref(), Some(&row));
        }
        row
    }

    pub(crate) fn remove_task(&mut self, key: TaskKey) {
        if let Some(old) = self.tasks.remove(&key) {
            self.reindex_task(key, Some(&old), None);
        }
    }

    fn reindex_task(&mut self, key: TaskKey, old: Option<&TaskRow>, new: Option<&TaskRow>) {
        self.move_deadlines(|| Key::Task(key), old.map(task_deadlines), new.map(task_deadlines));
        self.index.census.move_task(old, new);
        self.count_in_group(old, new);
        self.index_waiting(key, old.filter(|row| row.is_waiting()), new.filter(|row| row.is_waiting()));
        let (before, after) = (old.map(Place::of), new.map(Place::of));
        if before == after {
            return;
        }
        if let Some(row) = new.or(old) {
            self.count_task(row, before, after);
        }
        let stopped = |place: Option<Place>| place.map(|place| place == Place::Stopped);
        if stopped(before) == stopped(after) {
            return;
        }
        if let Some((row, stopped)) = old.zip(stopped(before)) {
            self.index.tasks_by_service.remove(&(owner_or_none(row), stopped, key.id));
            self.index.tasks_by_instance.remove(&(instance_or_none(row), stopped, key.id));
        }
        if let Some((row, stopped)) = new.zip(stopped(after)) {
            if row.service.is_some() {
                self.index.tasks_by_service.insert((owner_or_none(row), stopped, key.id));
            }
            if row.instance.is_some() {
                self.index.tasks_by_instance.insert((instance_or_none(row), stopped, key.id), key.cluster);
            }
        }
        match (old, new) {
            (None, Some(row)) => self.index_task_texts(row, true),
            (Some(row), None) => self.index_task_texts(row, false),
            _ => {}
        }
    }

    fn index_waiting(&mut self, key: TaskKey, old: Option<&TaskRow>, new: Option<&TaskRow>) {
        let place = |row: &TaskRow| (key.cluster, row.times.created_at, key.id);
        match (old, new) {
            (Some(row), None) => {
                self.index.waiting.remove(&place(row));
                count(&mut self.index.waiting_counts, key.cluster, |count| *count = count.saturating_sub(1));
            }
            (None, Some(row)) => {
                self.index.waiting.insert(place(row));
                count(&mut self.index.waiting_counts, key.cluster, |count| *count += 1);
            }
            _ => {}
        }
    }

    fn index_task_texts(&mut self, row: &TaskRow, add: bool) {
        let cluster = row.key.cluster;
        let family = (cluster, Arc::clone(&row.definition.family));
        let started_by = row.started_by.as_ref().map(|by| (cluster, Arc::clone(by), row.key.id));
        self.use_definition(&row.definition, add);
        if add {
            self.index.tasks_by_family.entry(family).or_default().insert(row.key.id);
            if let Some(by) = started_by {
                self.index.tasks_by_started_by.insert(by);
            }
        } else {
            let rest = self.index.tasks_by_family.get_mut(&family).is_some_and(|ids| {
                ids.remove(&row.key.id);
                !ids.is_empty()
            });
            if !rest {
                self.index.tasks_by_family.remove(&family);
            }
            if let Some(by) = started_by {
                self.index.tasks_by_started_by.remove(&by);
            }
        }
    }

    fn count_task(&mut self, row: &TaskRow, before: Option<Place>, after: Option<Place>) {
        let change = |counts: &mut TaskCounts| {
            if let Some(place) = before {
                let count = place.count(counts);
                *count = count.saturating_sub(1);
            }
            if let Some(place) = after {
                *place.count(counts) += 1;
            }
        };
        self.count_cluster(row.key.cluster, |counts| change(&mut counts.tasks));
        if let Some(owner) = row.service {
            count(&mut self.index.service_counts, owner.service, change);
            count(&mut self.index.deployment_counts, owner.service.deployment(owner.deployment), change);
        }
        if let Some(instance) = row.instance_key().filter(|_| row.is_shown_on_instance()) {
            count(&mut self.index.instance_counts, instance, change);
        }
    }
}

/// 1 where `registeredContainerInstancesCount` counts it.
fn registered(row: &InstanceRow) -> u32 {
    u32::from(row.status != InstanceStatus::Inactive && row.is_container_instance())
}

/// Changes a count; one that is all zero has no entry.
fn count<K: Ord + Clone, C: Default + Copy + PartialEq>(
    counts: &mut OrdMap<K, C>,
    key: K,
    change: impl FnOnce(&mut C),
) {
    let mut value = counts.get(&key).copied().unwrap_or_default();
    change(&mut value);
    if value == C::default() {
        counts.remove(&key);
    } else {
        counts.insert(key, value);
    }
}

fn count_status(counts: &mut ClusterCounts, status: ServiceStatus, by: i32) {
    let count = match status {
        ServiceStatus::Active => &mut counts.active_services,
        ServiceStatus::Draining => &mut counts.draining_services,
        ServiceStatus::Inactive => return,
    };
    *count = count.saturating_add_signed(by);
}

/// Keys of no service and no instance: never in an index, so that removing them does nothing.
fn owner_or_none(row: &TaskRow) -> ServiceKey {
    row.service.map_or(ServiceKey { cluster: row.key.cluster, number: 0 }, |owner| owner.service)
}

fn instance_or_none(row: &TaskRow) -> InstanceKey {
    row.instance_key().unwrap_or(InstanceKey { cluster: row.key.cluster, id: 0 })
}

/// Which of the counts a task is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Pending,
    Running,
    Stopping,
    Stopped,
}

impl Place {
    fn of(row: &TaskRow) -> Self {
        if row.is_stopped() {
            Self::Stopped
        } else if row.is_running() {
            Self::Running
        } else if row.is_pending() {
            Self::Pending
        } else {
            Self::Stopping
        }
    }

    const fn count(self, counts: &mut TaskCounts) -> &mut u32 {
        match self {
            Self::Pending => &mut counts.pending,
            Self::Running => &mut counts.running,
            Self::Stopping => &mut counts.stopping,
            Self::Stopped => &mut counts.stopped,
        }
    }
}
