//! Rows of what collected tasks used. Rows of their own, so that collecting a task changes neither its service's version
//! nor its cluster's.

use drydock_model::billing::Usage;

use crate::key::{ClusterId, ServiceKey};

/// Whose tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CostKey {
    /// All of a cluster, from when its name was first used.
    Cluster(ClusterId),
    /// All of one incarnation of a service.
    Service(ServiceKey),
}

/// What those tasks used that are no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRow {
    /// Whose.
    pub key: CostKey,
    /// What they used.
    pub usage: Usage,
}
