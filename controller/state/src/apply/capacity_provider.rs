//! CreateCapacityProvider, UpdateCapacityProvider, DeleteCapacityProvider, PutClusterCapacityProviders, and what managed
//! scaling decided (ecs-semantics §2.4).

use std::sync::Arc;

use drydock_model::arn::short_name;
use drydock_model::capacity::{self, is_fargate};
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::capacity_providers as requests;
use drydock_model::status::{InstanceStatus, ServiceStatus};
use drydock_proto::ecs::{self, CapacityProviderUpdateStatus as UpdateStatus};

use super::plan::Made;
use super::{Answer, Apply};
use crate::capacity::{check_associated, normalised, not_found};
use crate::event::EventKind;
use crate::key::{CapacityProviderKey, ClusterId, InstanceKey, Key, ScalingKey};
use crate::outcome::{Halt, Outcome};
use crate::plan::{DropReason, SetScaling};
use crate::row::{CapacityProviderRow, ClusterRow, ScalingRow, Tags};

/// Capacity providers of a region and account: our own bound, for each is looked at when clusters change.
const PROVIDERS_MAX: usize = 1_000;

impl Apply<'_> {
    pub(super) fn create_capacity_provider(&mut self, request: &ecs::CreateCapacityProviderRequest) -> Answer {
        let name = requests::create_capacity_provider(request)?;
        if self.find_provider(name).is_some() {
            return Err(EcsError::client(
                "The specified capacity provider already exists. To change the configuration of an existing capacity \
                 provider, update the capacity provider.",
            )
            .into());
        }
        let scope = self.state.scope_id(self.scope);
        if scope.is_some_and(|scope| self.state.capacity_providers(scope, None).count() >= PROVIDERS_MAX) {
            let text = format!("An account has at most {PROVIDERS_MAX} capacity providers.");
            return Err(EcsError::new(ExceptionName::LimitExceeded, text).into());
        }
        let mut document = ecs::CapacityProvider {
            auto_scaling_group_provider: request.auto_scaling_group_provider.as_ref().map(requests::defaults),
            ..ecs::CapacityProvider::default()
        };
        document.set_update_status(UpdateStatus::CreateComplete);
        let row = CapacityProviderRow {
            key: CapacityProviderKey { scope: self.scope_for_write(), name: name.into() },
            version: 1,
            created_at: self.now,
            document: Arc::new(document),
            tags: request.tags.clone().into(),
        };
        Ok(Outcome::CapacityProvider(self.state.put_capacity_provider(row)))
    }

    fn find_provider(&self, name: &str) -> Option<Arc<CapacityProviderRow>> {
        let key = CapacityProviderKey { scope: self.state.scope_id(self.scope)?, name: name.into() };
        self.state.capacity_provider(&key).cloned()
    }

    /// What changes takes effect with the next decision; where managed scaling is turned off its decisions go.
    pub(super) fn update_capacity_provider(&mut self, request: &ecs::UpdateCapacityProviderRequest) -> Answer {
        let name = requests::update_capacity_provider(request)?;
        let row = self.find_provider(name).ok_or_else(|| not_found(name))?;
        let update = request.auto_scaling_group_provider.unwrap_or_default();
        let group = requests::updated(&row.group(), &update)?;
        let clusters = self.clusters_of(name);
        for cluster in &clusters {
            let key = ScalingKey { cluster: *cluster, provider: Arc::clone(&row.key.name) };
            if !requests::is_scaled(&group) {
                self.state.remove_scaling(&key);
            }
            self.mark(Key::Scaling(key));
        }
        let mut document = (*row.document).clone();
        document.auto_scaling_group_provider = Some(group);
        document.set_update_status(UpdateStatus::UpdateComplete);
        document.update_status_reason = None;
        let row = CapacityProviderRow { document: Arc::new(document), version: row.version + 1, ..(*row).clone() };
        Ok(Outcome::CapacityProvider(self.state.put_capacity_provider(row)))
    }

    /// One that a cluster has stays, and says why (`DELETE_FAILED`), as in ECS; another one goes at once.
    pub(super) fn delete_capacity_provider(&mut self, request: &ecs::DeleteCapacityProviderRequest) -> Answer {
        let name = requests::delete_capacity_provider(request)?;
        let row = self.find_provider(name).ok_or_else(|| not_found(name))?;
        let mut document = (*row.document).clone();
        let cluster = self.clusters_of(name).first().and_then(|id| self.state.cluster(*id)).cloned();
        match &cluster {
            Some(cluster) => {
                document.set_update_status(UpdateStatus::DeleteFailed);
                document.update_status_reason = Some(format!(
                    "The capacity provider cannot be deleted because it is associated with cluster: {}. Remove the \
                     capacity provider from the cluster and try again.",
                    cluster.name
                ));
            }
            None => document.set_update_status(UpdateStatus::DeleteComplete),
        }
        let row = CapacityProviderRow { document: Arc::new(document), version: row.version + 1, ..(*row).clone() };
        if cluster.is_some() {
            return Ok(Outcome::CapacityProvider(self.state.put_capacity_provider(row)));
        }
        self.state.remove_capacity_provider(&row.key);
        Ok(Outcome::CapacityProvider(Arc::new(row)))
    }

    /// The clusters that have a provider.
    fn clusters_of(&self, provider: &str) -> Vec<ClusterId> {
        let clusters = self.state.scope_id(self.scope).into_iter().flat_map(|scope| self.state.clusters(scope, None));
        clusters.filter(|row| has(row, provider)).map(|row| row.id).collect()
    }

    /// Providers that are left out go, unless something uses them.
    pub(super) fn put_cluster_capacity_providers(
        &mut self,
        request: &ecs::PutClusterCapacityProvidersRequest,
    ) -> Answer {
        requests::put_cluster_capacity_providers(request)?;
        let row = self.active_cluster(request.cluster.as_deref())?;
        let (providers, strategy) =
            self.cluster_capacity(&request.capacity_providers, &request.default_capacity_provider_strategy)?;
        let gone: Vec<String> =
            row.document.capacity_providers.iter().filter(|known| !providers.contains(known)).cloned().collect();
        if gone.iter().any(|name| self.is_used(row.id, name)) {
            let text = "The specified capacity provider is in use and cannot be removed.";
            return Err(EcsError::new(ExceptionName::ResourceInUse, text).into());
        }
        for name in &gone {
            self.state.remove_scaling(&ScalingKey { cluster: row.id, provider: name.as_str().into() });
        }
        for name in providers.iter().filter(|name| !is_fargate(name)) {
            self.mark(Key::Scaling(ScalingKey { cluster: row.id, provider: name.as_str().into() }));
        }
        Ok(Outcome::Cluster(self.change_cluster(&row, |document| {
            document.capacity_providers = providers;
            document.default_capacity_provider_strategy = strategy;
        })))
    }

    /// The providers and the default strategy that a cluster is given, by short names, once all of them are found.
    pub(super) fn cluster_capacity(
        &self,
        providers: &[String],
        strategy: &[ecs::CapacityProviderStrategyItem],
    ) -> Result<(Vec<String>, Vec<ecs::CapacityProviderStrategyItem>), EcsError> {
        let mut names: Vec<String> = Vec::new();
        for name in providers.iter().map(|name| short_name(name)) {
            if !is_fargate(name) && self.find_provider(name).is_none() {
                return Err(not_found(name));
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        check_associated(strategy, &names)?;
        Ok((names, normalised(strategy)))
    }

    /// Whether a service or a task that isn't STOPPED uses a provider.
    fn is_used(&self, cluster: ClusterId, provider: &str) -> bool {
        let names = |strategy: &[ecs::CapacityProviderStrategyItem]| {
            capacity::items(strategy).iter().any(|item| item.provider == provider)
        };
        let mut services = self.state.services(cluster, None).filter(|row| row.status != ServiceStatus::Inactive);
        services.any(|row| names(&row.document.capacity_provider_strategy))
            || self
                .state
                .tasks(cluster)
                .any(|task| !task.is_stopped() && task.capacity_provider.as_deref() == Some(provider))
    }

    pub(super) fn tag_capacity_provider(&mut self, row: &CapacityProviderRow, tags: Tags) {
        self.state.put_capacity_provider(CapacityProviderRow { tags, version: row.version + 1, ..row.clone() });
    }

    pub(super) fn provider_by_name(&self, name: &str) -> Result<Arc<CapacityProviderRow>, EcsError> {
        self.find_provider(name).ok_or_else(|| not_found(name))
    }

    /// Writes a decision down; a new size is an event, and the instances that are to leave begin to drain.
    pub(super) fn set_scaling(&mut self, set: &SetScaling) -> Made {
        let cluster = self.state.cluster(set.key.cluster).cloned().ok_or(DropReason::Missing)?;
        if !has(&cluster, &set.key.provider) || !self.state.is_scaled(cluster.id, &set.key.provider) {
            return Err(DropReason::NotAllowed.into());
        }
        let old = self.state.scaling(&set.key).cloned();
        if old.as_deref().map_or(0, |row| row.version) != set.version {
            return Err(DropReason::Changed.into());
        }
        let row = ScalingRow {
            key: set.key.clone(),
            version: set.version + 1,
            figures: set.figures,
            leaving: set.leaving.as_slice().into(),
        };
        let known = old.as_deref().map(|row| Arc::clone(&row.leaving)).unwrap_or_default();
        let row = self.state.put_scaling(row);
        if old.as_deref().map_or(0, |row| row.figures.desired) != row.figures.desired {
            self.emit(cluster.id, EventKind::Scaling(Arc::clone(&row)))?;
        }
        let group = self
            .state
            .capacity_provider(&CapacityProviderKey { scope: cluster.scope, name: Arc::clone(&set.key.provider) });
        if group.is_some_and(|row| row.group().managed_draining() == ecs::ManagedDraining::Enabled) {
            for id in row.leaving.iter().filter(|id| !known.contains(id)) {
                self.drain_instance(InstanceKey { cluster: cluster.id, id: *id })?;
            }
        }
        Ok(())
    }

    fn drain_instance(&mut self, key: InstanceKey) -> Result<(), Halt> {
        let Some(row) = self.state.instance(key).filter(|row| row.status == InstanceStatus::Active) else {
            return Ok(());
        };
        let mut row = (**row).clone();
        row.status = InstanceStatus::Draining;
        self.mark_services_on(key);
        self.put_changed_instance(row).map(drop)
    }
}

/// Whether a cluster has a provider.
fn has(cluster: &ClusterRow, provider: &str) -> bool {
    cluster.document.capacity_providers.iter().any(|name| name == provider)
}
