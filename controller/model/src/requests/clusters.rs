//! Clusters.

use drydock_proto::ecs::{
    ClusterSetting, ClusterSettingName, CreateClusterRequest, DeleteClusterRequest, DescribeClustersRequest,
    ListClustersRequest, UpdateClusterRequest, UpdateClusterSettingsRequest,
};

use super::capacity_providers::check_cluster as check_providers;
use super::{listed, page, required, well_formed};
use crate::error::{EcsError, ExceptionName};
use crate::pagination::Page;
use crate::{names, refusals, tags};

/// The cluster of a request that names none.
pub const DEFAULT_CLUSTER: &str = "default";
/// Clusters that DescribeClusters takes.
pub const DESCRIBE_MAX: usize = 100;
/// Page of ListClusters where none is asked for.
pub const LIST_DEFAULT: usize = 100;

/// CreateCluster. Returns the name.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn create_cluster(request: &CreateClusterRequest) -> Result<&str, EcsError> {
    well_formed(request)?;
    let name = request.cluster_name.as_deref().unwrap_or(DEFAULT_CLUSTER);
    names::check(ExceptionName::InvalidParameter, "clusterName", name)?;
    tags::check(&request.tags)?;
    check_settings(&request.settings)?;
    check_providers(&request.capacity_providers, &request.default_capacity_provider_strategy)?;
    refusals::check(refusals::CREATE_CLUSTER, request)?;
    Ok(name)
}

/// UpdateCluster.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn update_cluster(request: &UpdateClusterRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("cluster", &request.cluster)?;
    check_settings(&request.settings)?;
    refusals::check(refusals::UPDATE_CLUSTER, request)
}

/// UpdateClusterSettings.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn update_cluster_settings(request: &UpdateClusterSettingsRequest) -> Result<(), EcsError> {
    let UpdateClusterSettingsRequest { cluster, settings } = request.clone();
    if settings.is_empty() {
        return Err(EcsError::invalid_parameter("settings cannot be empty."));
    }
    update_cluster(&UpdateClusterRequest { cluster, settings, ..UpdateClusterRequest::default() })
}

/// DeleteCluster.
///
/// # Errors
/// `InvalidParameterException`.
pub fn delete_cluster(request: &DeleteClusterRequest) -> Result<(), EcsError> {
    required("cluster", &request.cluster).map(|_| ())
}

/// DescribeClusters. An empty list stands for the default cluster.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_clusters(request: &DescribeClustersRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    listed("Clusters", &request.clusters, 0, DESCRIBE_MAX)
}

/// ListClusters.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_clusters(request: &ListClustersRequest) -> Result<Page, EcsError> {
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListClusters", &filters, asked, LIST_DEFAULT)
}

fn check_settings(settings: &[ClusterSetting]) -> Result<(), EcsError> {
    let is_known = |setting: &ClusterSetting| {
        setting.name() == ClusterSettingName::ContainerInsights
            && matches!(setting.value.as_deref(), Some("enabled" | "disabled" | "enhanced"))
    };
    if settings.iter().all(is_known) && settings.len() <= 1 {
        return Ok(());
    }
    Err(EcsError::invalid_parameter("The setting containerInsights takes one of enabled, disabled, enhanced."))
}
