//! Rows of clusters.

use std::sync::Arc;

use drydock_model::status::ClusterStatus;
use drydock_proto::ecs;

use super::Tags;
use crate::key::{ClusterId, Millis, ScopeId};

/// A cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterRow {
    /// Its number.
    pub id: ClusterId,
    /// Region and account.
    pub scope: ScopeId,
    /// Its name.
    pub name: Arc<str>,
    /// ACTIVE or INACTIVE.
    pub status: ClusterStatus,
    /// +1 on every change.
    pub version: u64,
    /// When it was created (again).
    pub created_at: Millis,
    /// INACTIVE only: from when on it may be reaped.
    pub reap_at: Option<Millis>,
    /// What the API took and gives back: configuration, settings, capacity providers and their default strategy,
    /// Service Connect defaults. Members that are rendered (ARN, name, status, counts, tags) are unset.
    pub document: Arc<ecs::Cluster>,
    /// Its tags.
    pub tags: Tags,
}

impl ClusterRow {
    /// Whether its figures are wanted: it is ACTIVE, and its setting `containerInsights` isn't `disabled`.
    #[must_use]
    pub fn has_insights(&self) -> bool {
        let on = |setting: &ecs::ClusterSetting| {
            setting.name() == ecs::ClusterSettingName::ContainerInsights && setting.value() != "disabled"
        };
        self.status == ClusterStatus::Active && self.document.settings.iter().any(on)
    }
}
