//! The replicated state and how it is read. Cloning it is O(1): readers hold an `Arc<State>` of an immutable version
//! and never block a writer (design §3.6). Only `apply` writes.

use std::ops::RangeInclusive;
use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_model::billing::Usage;
use drydock_proto::ecs::SettingName;
use imbl::{OrdMap, OrdSet};

use crate::census::Census;
use crate::index::{ClusterCounts, Indices, TaskCounts};
use crate::key::{
    ClusterId, DefinitionKey, DeploymentKey, FamilyKey, InstanceKey, Key, Millis, RevisionKey, ScopeId, ServiceKey,
    TaskKey, TaskSetKey, TokenKey,
};
use crate::row::{
    AccountSettingKey, AccountSettingRow, CapacityProviderRow, ClusterRow, CostKey, CostRow, Counters, DefinitionRow,
    DeploymentRow, FamilyRow, InstanceRow, Names, RevisionRow, ScalingRow, ServiceEventRow, ServiceEventsRow,
    ServiceRow, Settings, SubnetRow, TaskRow, TaskSetRow, TokenRow,
};
use crate::table::Table;

/// The whole replicated state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(crate) scopes: OrdMap<ScopeId, Arc<Scope>>,
    pub(crate) clusters: Table<ClusterRow>,
    pub(crate) families: Table<FamilyRow>,
    pub(crate) definitions: Table<DefinitionRow>,
    pub(crate) instances: Table<InstanceRow>,
    pub(crate) services: Table<ServiceRow>,
    pub(crate) service_events: Table<ServiceEventsRow>,
    pub(crate) deployments: Table<DeploymentRow>,
    pub(crate) task_sets: Table<TaskSetRow>,
    pub(crate) revisions: Table<RevisionRow>,
    pub(crate) tasks: Table<TaskRow>,
    pub(crate) tokens: Table<TokenRow>,
    pub(crate) account_settings: Table<AccountSettingRow>,
    pub(crate) costs: Table<CostRow>,
    pub(crate) capacity_providers: Table<CapacityProviderRow>,
    pub(crate) scalings: Table<ScalingRow>,
    pub(crate) subnets: Table<SubnetRow>,
    pub(crate) names: Arc<Names>,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) checkpoints: OrdMap<u64, u64>,
    /// Derived from the tables: not part of snapshots or digests.
    pub(crate) index: Indices,
}

const IDS: RangeInclusive<u128> = 0..=u128::MAX;

impl State {
    /// Index of the last entry applied; 0 before any.
    #[must_use]
    pub const fn applied_index(&self) -> u64 {
        self.counters.applied_index
    }

    /// Term of the last entry applied.
    #[must_use]
    pub const fn applied_term(&self) -> u64 {
        self.counters.applied_term
    }

    /// Term of the last NewEpoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.counters.epoch
    }

    /// The log's time: the largest `now_ms` of all entries applied.
    #[must_use]
    pub const fn now(&self) -> Millis {
        self.counters.last_now
    }

    /// What changes decisions.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Region and account behind a number.
    #[must_use]
    pub fn scope(&self, id: ScopeId) -> Option<&Arc<Scope>> {
        self.scopes.get(&id)
    }

    /// The number of a region and account; `None` where nothing was ever made in it.
    #[must_use]
    pub fn scope_id(&self, scope: &Scope) -> Option<ScopeId> {
        self.index.scope_ids.get(scope).copied()
    }

    /// How many rows of each kind are in which status, of all scopes.
    #[must_use]
    pub const fn census(&self) -> &Census {
        &self.index.census
    }

    /// A cluster, INACTIVE ones too.
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<ClusterRow>> {
        self.clusters.get(&id)
    }

    /// A cluster by name, INACTIVE ones too.
    #[must_use]
    pub fn cluster_by_name(&self, scope: ScopeId, name: &str) -> Option<&Arc<ClusterRow>> {
        let id = self.index.cluster_names.get(&(scope, Arc::from(name)))?;
        self.clusters.get(id)
    }

    /// The clusters of a scope by name, from after a name on.
    pub fn clusters(&self, scope: ScopeId, after: Option<&str>) -> impl Iterator<Item = &Arc<ClusterRow>> {
        let from = (scope, Arc::from(after.unwrap_or_default()));
        let skip = after.map(str::to_owned);
        self.index
            .cluster_names
            .range(from..)
            .take_while(move |((of, _), _)| *of == scope)
            .filter(move |((_, name), _)| skip.as_deref() != Some(&**name))
            .filter_map(|(_, id)| self.clusters.get(id))
    }

    /// How many tasks, services and instances a cluster has.
    #[must_use]
    pub fn cluster_counts(&self, id: ClusterId) -> ClusterCounts {
        self.index.cluster_counts.get(&id).copied().unwrap_or_default()
    }

    /// ACTIVE clusters whose setting `containerInsights` isn't `disabled`, the oldest first.
    pub fn clusters_with_insights(&self) -> impl Iterator<Item = &Arc<ClusterRow>> {
        self.index.insights.iter().filter_map(|id| self.clusters.get(id))
    }

    /// A task definition of any status.
    #[must_use]
    pub fn definition(&self, key: &DefinitionKey) -> Option<&Arc<DefinitionRow>> {
        self.definitions.get(key)
    }

    /// A family, with the last revision number given.
    #[must_use]
    pub fn family(&self, key: &FamilyKey) -> Option<&Arc<FamilyRow>> {
        self.families.get(key)
    }

    /// The families of a scope by name, from after a name on.
    pub fn families(&self, scope: ScopeId, after: Option<&str>) -> impl Iterator<Item = &Arc<FamilyRow>> {
        let from = FamilyKey { scope, family: Arc::from(after.unwrap_or_default()) };
        let skip = after.map(str::to_owned);
        self.families
            .range(from..)
            .take_while(move |row| row.key.scope == scope)
            .filter(move |row| skip.as_deref() != Some(&*row.key.family))
    }

    /// The revisions of a family, ascending.
    pub fn revisions_of_family(&self, key: &FamilyKey) -> impl DoubleEndedIterator<Item = &Arc<DefinitionRow>> {
        let at = |revision| DefinitionKey { scope: key.scope, family: Arc::clone(&key.family), revision };
        self.definitions.range(at(0)..=at(u32::MAX))
    }

    /// All task definitions of a scope, by family and revision.
    pub fn definitions(&self, scope: ScopeId) -> impl Iterator<Item = &Arc<DefinitionRow>> {
        let from = DefinitionKey { scope, family: Arc::from(""), revision: 0 };
        self.definitions.range(from..).take_while(move |row| row.key.scope == scope)
    }

    /// How many tasks (STOPPED ones too) and service revisions name a task definition.
    #[must_use]
    pub fn definition_uses(&self, key: &DefinitionKey) -> u64 {
        self.index.definition_uses.get(key).copied().unwrap_or_default()
    }

    /// A container instance, INACTIVE ones too.
    #[must_use]
    pub fn instance(&self, key: InstanceKey) -> Option<&Arc<InstanceRow>> {
        self.instances.get(&key)
    }

    /// The instance that registered with a token and wasn't deregistered since.
    #[must_use]
    pub fn instance_by_token(&self, cluster: ClusterId, token: &str) -> Option<&Arc<InstanceRow>> {
        let id = self.index.instance_tokens.get(&(cluster, Arc::from(token)))?;
        self.instances.get(&InstanceKey { cluster, id: *id })
    }

    /// The instances of a cluster by id, INACTIVE ones too.
    pub fn instances(&self, cluster: ClusterId) -> impl DoubleEndedIterator<Item = &Arc<InstanceRow>> {
        self.instances_in(cluster, IDS)
    }

    /// The instances of a cluster with ids in a range.
    pub fn instances_in(
        &self,
        cluster: ClusterId,
        ids: RangeInclusive<u128>,
    ) -> impl DoubleEndedIterator<Item = &Arc<InstanceRow>> {
        let (from, to) = ids.into_inner();
        self.instances.range(InstanceKey { cluster, id: from }..=InstanceKey { cluster, id: to })
    }

    /// All instances.
    pub fn all_instances(&self) -> impl DoubleEndedIterator<Item = &Arc<InstanceRow>> {
        self.instances.iter()
    }

    /// How many tasks a container instance shows: Fargate tasks are on none.
    #[must_use]
    pub fn instance_counts(&self, key: InstanceKey) -> TaskCounts {
        self.index.instance_counts.get(&key).copied().unwrap_or_default()
    }

    /// A service by key: any incarnation, of any status.
    #[must_use]
    pub fn service(&self, key: ServiceKey) -> Option<&Arc<ServiceRow>> {
        self.services.get(&key)
    }

    /// The latest incarnation of a service name.
    #[must_use]
    pub fn service_by_name(&self, cluster: ClusterId, name: &str) -> Option<&Arc<ServiceRow>> {
        let key = self.index.service_names.get(&(cluster, Arc::from(name)))?;
        self.services.get(key)
    }

    /// The latest incarnations of a cluster's services by name, of any status, from after a name on.
    pub fn services(&self, cluster: ClusterId, after: Option<&str>) -> impl Iterator<Item = &Arc<ServiceRow>> {
        let from = (cluster, Arc::from(after.unwrap_or_default()));
        let skip = after.map(str::to_owned);
        self.index
            .service_names
            .range(from..)
            .take_while(move |((of, _), _)| *of == cluster)
            .filter(move |((_, name), _)| skip.as_deref() != Some(&**name))
            .filter_map(|(_, key)| self.services.get(key))
    }

    /// The DAEMON services of a cluster that are ACTIVE.
    pub fn daemon_services(&self, cluster: ClusterId) -> impl Iterator<Item = &Arc<ServiceRow>> {
        let at = |number| ServiceKey { cluster, number };
        self.index.daemon_services.range(at(0)..=at(u64::MAX)).filter_map(|key| self.services.get(key))
    }

    /// All services, all incarnations.
    pub fn all_services(&self) -> impl DoubleEndedIterator<Item = &Arc<ServiceRow>> {
        self.services.iter()
    }

    /// How many tasks a service has, over all its deployments.
    #[must_use]
    pub fn service_counts(&self, key: ServiceKey) -> TaskCounts {
        self.index.service_counts.get(&key).copied().unwrap_or_default()
    }

    /// A service's events, oldest first.
    pub fn service_events(&self, key: ServiceKey) -> impl DoubleEndedIterator<Item = &ServiceEventRow> {
        self.service_events.get(&key).into_iter().flat_map(|row| row.events.iter())
    }

    /// A ServiceDeployment.
    #[must_use]
    pub fn deployment(&self, key: DeploymentKey) -> Option<&Arc<DeploymentRow>> {
        self.deployments.get(&key)
    }

    /// A service's deployments, oldest first.
    pub fn deployments(&self, service: ServiceKey) -> impl DoubleEndedIterator<Item = &Arc<DeploymentRow>> {
        self.deployments.range(service.deployment(0)..=service.deployment(u64::MAX))
    }

    /// How many tasks a deployment has.
    #[must_use]
    pub fn deployment_counts(&self, key: DeploymentKey) -> TaskCounts {
        self.index.deployment_counts.get(&key).copied().unwrap_or_default()
    }

    /// A task set, one that has drained too.
    #[must_use]
    pub fn task_set(&self, key: TaskSetKey) -> Option<&Arc<TaskSetRow>> {
        self.task_sets.get(&key)
    }

    /// A service's task sets, oldest first, those that have drained too.
    pub fn task_sets(&self, service: ServiceKey) -> impl DoubleEndedIterator<Item = &Arc<TaskSetRow>> {
        self.task_sets.range(service.task_set(0)..=service.task_set(u64::MAX))
    }

    /// The deployments that DescribeServices shows: PRIMARY first, then those that still have tasks, newest first. An old
    /// one vanishes with its last task that is RUNNING or before it: the ServicesStable waiter counts on that.
    #[must_use]
    pub fn shown_deployments(&self, service: &ServiceRow) -> Vec<&Arc<DeploymentRow>> {
        let rows = self.deployments(service.key).rev();
        let (mut shown, mut others): (Vec<_>, Vec<_>) =
            rows.partition(|row| row.key.number == service.primary_deployment);
        others.retain(|row| {
            let counts = self.deployment_counts(row.key);
            counts.running + counts.pending > 0
        });
        shown.append(&mut others);
        shown
    }

    /// How many tasks a task set has.
    #[must_use]
    pub fn task_set_counts(&self, key: TaskSetKey) -> TaskCounts {
        self.deployment_counts(key.service.deployment(key.number))
    }

    /// A ServiceRevision.
    #[must_use]
    pub fn revision(&self, key: RevisionKey) -> Option<&Arc<RevisionRow>> {
        self.revisions.get(&key)
    }

    /// A service's revisions, oldest first.
    pub fn revisions(&self, service: ServiceKey) -> impl DoubleEndedIterator<Item = &Arc<RevisionRow>> {
        self.revisions.range(service.revision(0)..=service.revision(u64::MAX))
    }

    /// A task of any status.
    #[must_use]
    pub fn task(&self, key: TaskKey) -> Option<&Arc<TaskRow>> {
        self.tasks.get(&key)
    }

    /// The tasks of a cluster by id, STOPPED ones too.
    pub fn tasks(&self, cluster: ClusterId) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        self.tasks_in(cluster, IDS)
    }

    /// The tasks of a cluster with ids in a range.
    pub fn tasks_in(
        &self,
        cluster: ClusterId,
        ids: RangeInclusive<u128>,
    ) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let (from, to) = ids.into_inner();
        self.tasks.range(TaskKey { cluster, id: from }..=TaskKey { cluster, id: to })
    }

    /// All tasks.
    pub fn all_tasks(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        self.tasks.iter()
    }

    /// How many tasks there are, STOPPED ones too.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// The tasks of an instance that aren't STOPPED, by id: what its manifest holds.
    pub fn live_tasks_on(&self, key: InstanceKey) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        self.tasks_of_instance(key, false)
    }

    /// The STOPPED tasks of an instance, by id.
    pub fn stopped_tasks_on(&self, key: InstanceKey) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        self.tasks_of_instance(key, true)
    }

    pub(crate) fn tasks_of_instance(
        &self,
        key: InstanceKey,
        stopped: bool,
    ) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let range = (key, stopped, 0)..=(key, stopped, u128::MAX);
        let found = self.index.tasks_by_instance.range(range);
        found.filter_map(|((_, _, id), cluster)| self.tasks.get(&TaskKey { cluster: *cluster, id: *id }))
    }

    /// The tasks of a service that aren't STOPPED, by id.
    pub fn live_tasks_of(&self, key: ServiceKey) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let range = (key, false, 0)..=(key, false, u128::MAX);
        self.index.tasks_by_service.range(range).filter_map(move |(_, _, id)| self.tasks.get(&key.task(*id)))
    }

    /// The STOPPED tasks of a service, by id.
    pub fn stopped_tasks_of(&self, key: ServiceKey) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let range = (key, true, 0)..=(key, true, u128::MAX);
        self.index.tasks_by_service.range(range).filter_map(move |(_, _, id)| self.tasks.get(&key.task(*id)))
    }

    /// The tasks of a cluster whose definition is of a family, by id.
    pub fn tasks_of_family(&self, cluster: ClusterId, family: &str) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let ids = self.index.tasks_by_family.get(&(cluster, Arc::from(family)));
        let ids = ids.into_iter().flat_map(OrdSet::iter);
        ids.filter_map(move |id| self.tasks.get(&TaskKey { cluster, id: *id }))
    }

    /// The tasks of a cluster with that `startedBy`, by id.
    pub fn tasks_started_by(&self, cluster: ClusterId, by: &str) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let by: Arc<str> = Arc::from(by);
        let range = (cluster, Arc::clone(&by), 0)..=(cluster, by, u128::MAX);
        let ids = self.index.tasks_by_started_by.range(range);
        ids.filter_map(move |(_, _, id)| self.tasks.get(&TaskKey { cluster, id: *id }))
    }

    /// An account setting that somebody has set.
    #[must_use]
    pub fn account_setting(&self, key: &AccountSettingKey) -> Option<&Arc<AccountSettingRow>> {
        self.account_settings.get(key)
    }

    /// The account settings of a scope, by principal and name.
    pub fn account_settings(&self, scope: ScopeId) -> impl Iterator<Item = &Arc<AccountSettingRow>> {
        let from = AccountSettingKey { scope, principal: Arc::from(""), name: SettingName::Unspecified };
        self.account_settings.range(from..).take_while(move |row| row.key.scope == scope)
    }

    /// What the tasks of a service or a cluster used that are no longer kept.
    #[must_use]
    pub fn collected(&self, key: CostKey) -> Option<&Usage> {
        self.costs.get(&key).map(|row| &row.usage)
    }

    /// A remembered clientToken.
    #[must_use]
    pub fn token(&self, key: &TokenKey) -> Option<&Arc<TokenRow>> {
        self.tokens.get(key)
    }

    /// All deadlines, earliest first.
    pub fn deadlines(&self) -> impl Iterator<Item = (Millis, &Key)> {
        self.index.deadlines.iter().map(|(at, key)| (*at, key))
    }

    /// The keys whose deadline is at `now` or before, earliest first.
    pub fn due(&self, now: Millis) -> impl Iterator<Item = (Millis, &Key)> {
        self.deadlines().take_while(move |(at, _)| *at <= now)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        self.index.deadlines.get_min().map(|(at, _)| *at)
    }

    /// The newest index whose digest is known, with it: what the leader puts into a Checkpoint.
    #[must_use]
    pub fn latest_checkpoint(&self) -> Option<(u64, u64)> {
        self.checkpoints.get_max().copied()
    }
}
