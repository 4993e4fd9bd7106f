//! CreateCluster, UpdateCluster, UpdateClusterSettings, DeleteCluster.

use std::sync::Arc;

use drydock_model::capacity::is_fargate;
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::clusters as requests;
use drydock_model::requests::clusters::DEFAULT_CLUSTER;
use drydock_model::status::ClusterStatus;
use drydock_proto::ecs::{self, SettingName};

use super::{Answer, Apply};
use crate::key::{ClusterId, Key};
use crate::outcome::Outcome;
use crate::query::Query;
use crate::row::{ClusterRow, Tags};

fn contains(exception: ExceptionName, what: &str) -> EcsError {
    EcsError::new(exception, format!("The Cluster cannot be deleted while {what}."))
}

/// Settings of a request put over those that are there, by name.
fn merge_settings(into: &mut Vec<ecs::ClusterSetting>, given: &[ecs::ClusterSetting]) {
    for setting in given {
        match into.iter_mut().find(|known| known.name == setting.name) {
            Some(known) => known.clone_from(setting),
            None => into.push(setting.clone()),
        }
    }
}

/// The settings of a cluster for which nobody asked for others, by the account's value of `containerInsights`.
pub(super) fn settings(insights: String) -> Vec<ecs::ClusterSetting> {
    let name = Some(ecs::ClusterSettingName::ContainerInsights as i32);
    vec![ecs::ClusterSetting { name, value: Some(insights) }]
}

fn connect_defaults(request: &ecs::ClusterServiceConnectDefaultsRequest) -> ecs::ClusterServiceConnectDefaults {
    ecs::ClusterServiceConnectDefaults { namespace: request.namespace.clone() }
}

impl Apply<'_> {
    /// Creating an ACTIVE cluster again gives the one that is there; an INACTIVE one is made anew.
    pub(super) fn create_cluster(&mut self, request: &ecs::CreateClusterRequest) -> Answer {
        let name = requests::create_cluster(request)?;
        let known = self.state.scope_id(self.scope).and_then(|scope| self.state.cluster_by_name(scope, name)).cloned();
        if let Some(row) = known.as_ref().filter(|row| row.status == ClusterStatus::Active) {
            return Ok(Outcome::Cluster(Arc::clone(row)));
        }
        let (capacity_providers, default_capacity_provider_strategy) =
            self.cluster_capacity(&request.capacity_providers, &request.default_capacity_provider_strategy)?;
        let mut settings = settings(self.insights_by_account());
        merge_settings(&mut settings, &request.settings);
        let document = ecs::Cluster {
            configuration: request.configuration.clone(),
            settings,
            capacity_providers,
            default_capacity_provider_strategy,
            service_connect_defaults: request.service_connect_defaults.as_ref().map(connect_defaults),
            ..ecs::Cluster::default()
        };
        let tags = request.tags.clone().into();
        Ok(Outcome::Cluster(self.make_cluster(name, known.as_deref(), document, tags)?))
    }

    /// `containerInsights` as it holds for the caller.
    pub(super) fn insights_by_account(&self) -> String {
        let setting = Query::new(self.state, self.scope).account_setting(self.caller, SettingName::ContainerInsights);
        setting.value.unwrap_or_default()
    }

    fn make_cluster(
        &mut self,
        name: &str,
        known: Option<&ClusterRow>,
        document: ecs::Cluster,
        tags: Tags,
    ) -> Result<Arc<ClusterRow>, EcsError> {
        let number = match known {
            Some(row) => row.id.0,
            None => self
                .state
                .counters
                .clusters
                .checked_add(1)
                .ok_or_else(|| EcsError::new(ExceptionName::LimitExceeded, "No more clusters can be created."))?,
        };
        self.state.counters.clusters = self.state.counters.clusters.max(number);
        let row = ClusterRow {
            id: ClusterId(number),
            scope: self.scope_for_write(),
            name: known.map_or_else(|| name.into(), |row| Arc::clone(&row.name)),
            status: ClusterStatus::Active,
            version: known.map_or(1, |row| row.version + 1),
            created_at: self.now,
            reap_at: None,
            document: Arc::new(document),
            tags,
        };
        self.mark(Key::Cluster(row.id));
        Ok(self.state.put_cluster(row))
    }

    /// The cluster that an agent joins: `default` is made where it is missing, as ECS does for its agent.
    pub(super) fn cluster_to_join(&mut self, name: &str) -> Result<Arc<ClusterRow>, EcsError> {
        match self.active_cluster(Some(name)) {
            Ok(row) => Ok(row),
            Err(_) if name.is_empty() || name == DEFAULT_CLUSTER => {
                let name = DEFAULT_CLUSTER;
                let known = self.state.scope_id(self.scope).and_then(|scope| self.state.cluster_by_name(scope, name));
                let known = known.cloned();
                let settings = settings(self.insights_by_account());
                let document = ecs::Cluster { settings, ..ecs::Cluster::default() };
                self.make_cluster(name, known.as_deref(), document, Tags::default())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn change_cluster(
        &mut self,
        row: &ClusterRow,
        change: impl FnOnce(&mut ecs::Cluster),
    ) -> Arc<ClusterRow> {
        let mut row = row.clone();
        let mut document = (*row.document).clone();
        change(&mut document);
        row.document = Arc::new(document);
        row.version += 1;
        self.mark(Key::Cluster(row.id));
        self.state.put_cluster(row)
    }

    pub(super) fn update_cluster(&mut self, request: &ecs::UpdateClusterRequest) -> Answer {
        requests::update_cluster(request)?;
        let row = self.active_cluster(request.cluster.as_deref())?;
        Ok(Outcome::Cluster(self.change_cluster(&row, |document| {
            merge_settings(&mut document.settings, &request.settings);
            if request.configuration.is_some() {
                document.configuration.clone_from(&request.configuration);
            }
            if let Some(defaults) = &request.service_connect_defaults {
                document.service_connect_defaults = Some(connect_defaults(defaults));
            }
        })))
    }

    pub(super) fn update_cluster_settings(&mut self, request: &ecs::UpdateClusterSettingsRequest) -> Answer {
        requests::update_cluster_settings(request)?;
        let row = self.active_cluster(request.cluster.as_deref())?;
        Ok(Outcome::Cluster(
            self.change_cluster(&row, |document| merge_settings(&mut document.settings, &request.settings)),
        ))
    }

    pub(super) fn tag_cluster(&mut self, row: &ClusterRow, tags: Tags) {
        self.mark(Key::Cluster(row.id));
        self.state.put_cluster(ClusterRow { tags, version: row.version + 1, ..row.clone() });
    }

    /// Refused while it contains anything (ecs-semantics §3): the four exceptions.
    pub(super) fn delete_cluster(&mut self, request: &ecs::DeleteClusterRequest) -> Answer {
        requests::delete_cluster(request)?;
        let row = self.active_cluster(request.cluster.as_deref())?;
        let counts = self.state.cluster_counts(row.id);
        if counts.registered_instances > 0 {
            let what = "Container Instances are active or draining";
            return Err(contains(ExceptionName::ClusterContainsContainerInstances, what).into());
        }
        if counts.active_services > 0 || counts.draining_services > 0 {
            return Err(contains(ExceptionName::ClusterContainsServices, "Services are active").into());
        }
        if counts.tasks.live() > 0 {
            return Err(contains(ExceptionName::ClusterContainsTasks, "Tasks are active").into());
        }
        if row.document.capacity_providers.iter().any(|name| !is_fargate(name)) {
            let what = "Capacity Providers are associated with it";
            return Err(contains(ExceptionName::ClusterContainsCapacityProvider, what).into());
        }
        let mut row = (*row).clone();
        row.status = ClusterStatus::Inactive;
        row.version += 1;
        row.reap_at = Some(self.now.saturating_add(self.state.settings().inactive_retention_ms));
        self.mark(Key::Cluster(row.id));
        Ok(Outcome::Cluster(self.state.put_cluster(row)))
    }
}
