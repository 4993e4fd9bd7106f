//! Capacity as the state knows it (ecs-semantics §2.4): providers, decisions of managed scaling, tasks that wait for an
//! instance, and which capacity a task or a service gets. Reads only.

use std::ops::Bound;
use std::sync::Arc;

use drydock_model::arn::short_name;
use drydock_model::capacity::{self, check_strategy, is_fargate, launch_type_of};
use drydock_model::error::EcsError;
use drydock_model::requests::capacity_providers::is_scaled;
use drydock_proto::ecs::{CapacityProviderStrategyItem, LaunchType};

use crate::key::{CapacityProviderKey, ClusterId, Millis, ScalingKey, ScopeId, TaskKey};
use crate::row::{CapacityProviderRow, ClusterRow, ScalingRow, TaskRow};
use crate::state::State;

/// Tasks of a cluster that may wait for an instance at once (ecs-semantics §2.7): beyond it RunTask is refused, and
/// services start no more.
pub const WAITING_MAX: u32 = 500;

/// What the tasks of a RunTask or of a service run on.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    /// The launch type that takes effect.
    pub launch_type: LaunchType,
    /// The strategy with short names and all numbers filled in; empty where a launch type was asked for.
    pub strategy: Vec<CapacityProviderStrategyItem>,
}

/// The group by which placement counts a task: its own, and on Fargate that with its capacity provider, for FARGATE and
/// FARGATE_SPOT are spread each by itself (ecs-semantics §2.4).
#[must_use]
pub fn placement_group(group: &Arc<str>, provider: Option<&str>, guest_of: Option<ClusterId>) -> Arc<str> {
    let group = match provider.filter(|name| is_fargate(name)) {
        Some(name) => format!("{group} {name}").into(),
        None => Arc::clone(group),
    };
    // A space is in no name of a group.
    guest_of.map_or(group.clone(), |cluster| format!("{group} of {}", cluster.0).into())
}

/// A capacity provider that isn't there.
#[must_use]
pub fn not_found(name: &str) -> EcsError {
    EcsError::invalid_parameter(format!(
        "The specified capacity provider '{name}' was not found. Specify a valid name or ARN and try again."
    ))
}

/// A strategy with short names and ECS's defaults filled in.
#[must_use]
pub fn normalised(strategy: &[CapacityProviderStrategyItem]) -> Vec<CapacityProviderStrategyItem> {
    let item = |item: &CapacityProviderStrategyItem| CapacityProviderStrategyItem {
        capacity_provider: item.capacity_provider.as_deref().map(|name| short_name(name).to_owned()),
        weight: item.weight.or(Some(0)),
        base: item.base.or(Some(0)),
    };
    strategy.iter().map(item).collect()
}

/// Checks that a strategy names providers of this list only.
///
/// # Errors
/// `InvalidParameterException` with ECS's text.
pub fn check_associated(strategy: &[CapacityProviderStrategyItem], providers: &[String]) -> Result<(), EcsError> {
    let known = |item: &capacity::Item<'_>| providers.iter().any(|name| name == item.provider);
    if capacity::items(strategy).iter().all(known) {
        return Ok(());
    }
    Err(EcsError::invalid_parameter(
        "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the \
         cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and try again.",
    ))
}

impl Capacity {
    /// The capacity of a launch type.
    #[must_use]
    pub const fn of_launch_type(launch_type: LaunchType) -> Self {
        Self { launch_type, strategy: Vec::new() }
    }

    /// The capacity of a strategy that isn't empty.
    #[must_use]
    pub fn of_strategy(strategy: &[CapacityProviderStrategyItem]) -> Self {
        let strategy = normalised(strategy);
        let first = strategy.first().and_then(|item| item.capacity_provider.as_deref()).unwrap_or_default();
        Self { launch_type: launch_type_of(first), strategy }
    }
}

impl State {
    /// A capacity provider that somebody created.
    #[must_use]
    pub fn capacity_provider(&self, key: &CapacityProviderKey) -> Option<&Arc<CapacityProviderRow>> {
        self.capacity_providers.get(key)
    }

    /// The capacity providers of a scope by name, from after a name on; without FARGATE and FARGATE_SPOT.
    pub fn capacity_providers(
        &self,
        scope: ScopeId,
        after: Option<&str>,
    ) -> impl Iterator<Item = &Arc<CapacityProviderRow>> {
        let key = CapacityProviderKey { scope, name: Arc::from(after.unwrap_or_default()) };
        let from = if after.is_some() { Bound::Excluded(key) } else { Bound::Included(key) };
        self.capacity_providers.range((from, Bound::Unbounded)).take_while(move |row| row.key.scope == scope)
    }

    /// What managed scaling decided for a provider in a cluster.
    #[must_use]
    pub fn scaling(&self, key: &ScalingKey) -> Option<&Arc<ScalingRow>> {
        self.scalings.get(key)
    }

    /// All decisions of managed scaling, by cluster and provider.
    pub fn scalings(&self) -> impl Iterator<Item = &Arc<ScalingRow>> {
        self.scalings.iter()
    }

    /// The tasks of a cluster that wait for an instance, the oldest first.
    pub fn waiting_tasks(&self, cluster: ClusterId) -> impl Iterator<Item = &Arc<TaskRow>> {
        let range = (cluster, Millis::MIN, u128::MIN)..=(cluster, Millis::MAX, u128::MAX);
        self.index.waiting.range(range).filter_map(move |(_, _, id)| self.tasks.get(&TaskKey { cluster, id: *id }))
    }

    /// The waiting tasks of all clusters.
    pub fn all_waiting_tasks(&self) -> impl Iterator<Item = &Arc<TaskRow>> {
        self.index.waiting.iter().filter_map(|(cluster, _, id)| self.tasks.get(&TaskKey { cluster: *cluster, id: *id }))
    }

    /// How many tasks of a cluster wait.
    #[must_use]
    pub fn waiting_count(&self, cluster: ClusterId) -> u32 {
        self.index.waiting_counts.get(&cluster).copied().unwrap_or_default()
    }

    /// What tasks run on that ask for a launch type or a strategy: with neither, the cluster's default strategy, else
    /// EC2.
    ///
    /// # Errors
    /// `InvalidParameterException` for a strategy that is ill formed, or that names a provider which isn't there or isn't
    /// the cluster's.
    pub fn capacity_for(
        &self,
        cluster: &ClusterRow,
        launch_type: Option<LaunchType>,
        strategy: &[CapacityProviderStrategyItem],
    ) -> Result<Capacity, EcsError> {
        if strategy.is_empty() {
            if let Some(launch_type) = launch_type {
                return Ok(Capacity::of_launch_type(launch_type));
            }
            let default = &cluster.document.default_capacity_provider_strategy;
            if default.is_empty() {
                return Ok(Capacity::of_launch_type(LaunchType::Ec2));
            }
            return Ok(Capacity::of_strategy(default));
        }
        check_strategy(strategy)?;
        for item in capacity::items(strategy) {
            self.check_provider(cluster.scope, item.provider)?;
        }
        check_associated(strategy, &cluster.document.capacity_providers)?;
        Ok(Capacity::of_strategy(strategy))
    }

    /// Checks that a provider is there: every provider that is there is ACTIVE.
    ///
    /// # Errors
    /// `InvalidParameterException` with ECS's text.
    pub fn check_provider(&self, scope: ScopeId, name: &str) -> Result<(), EcsError> {
        let key = CapacityProviderKey { scope, name: Arc::from(name) };
        if is_fargate(name) || self.capacity_providers.get(&key).is_some() {
            return Ok(());
        }
        Err(not_found(name))
    }

    /// Whether ECS scales the group of a provider: then a task that finds no instance of it waits for one.
    #[must_use]
    pub fn is_scaled(&self, cluster: ClusterId, provider: &str) -> bool {
        let Some(cluster) = self.cluster(cluster) else { return false };
        let key = CapacityProviderKey { scope: cluster.scope, name: Arc::from(provider) };
        self.capacity_providers.get(&key).is_some_and(|row| is_scaled(&row.group()))
    }
}
