//! Secondary indices and counts: derived from the tables at each put and remove, rebuilt on import, never in a snapshot.

use std::sync::Arc;

use drydock_model::arn::Scope;
use imbl::{OrdMap, OrdSet};

use crate::census::Census;
use crate::fleet::Fleet;
use crate::key::{ClusterId, DefinitionKey, DeploymentKey, InstanceKey, Key, Millis, ScopeId, ServiceKey, TokenKey};

/// All indices. Cloning is O(1).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Indices {
    pub(crate) scope_ids: OrdMap<Arc<Scope>, ScopeId>,
    pub(crate) cluster_names: OrdMap<(ScopeId, Arc<str>), ClusterId>,
    /// Clusters whose figures somebody wants to see.
    pub(crate) insights: OrdSet<ClusterId>,
    pub(crate) service_names: OrdMap<(ClusterId, Arc<str>), ServiceKey>,
    /// DAEMON services that are ACTIVE: an instance that joins concerns each of its cluster.
    pub(crate) daemon_services: OrdSet<ServiceKey>,
    pub(crate) instance_tokens: OrdMap<(ClusterId, Arc<str>), u128>,
    /// The `bool` is whether the task is STOPPED: live ones are one range.
    /// With the cluster that each was started in.
    pub(crate) tasks_by_instance: OrdMap<(InstanceKey, bool, u128), ClusterId>,
    pub(crate) tasks_by_service: OrdSet<(ServiceKey, bool, u128)>,
    /// Tasks that wait for an instance of their capacity provider, the oldest first.
    pub(crate) waiting: OrdSet<(ClusterId, Millis, u128)>,
    pub(crate) waiting_counts: OrdMap<ClusterId, u32>,
    /// Nested, since families are few and their tasks many: a node of ids alone is copied without counting references.
    pub(crate) tasks_by_family: OrdMap<(ClusterId, Arc<str>), OrdSet<u128>>,
    pub(crate) tasks_by_started_by: OrdSet<(ClusterId, Arc<str>, u128)>,
    pub(crate) token_expiry: OrdSet<(Millis, TokenKey)>,
    pub(crate) deadlines: OrdSet<(Millis, Key)>,
    pub(crate) definition_uses: OrdMap<DefinitionKey, u64>,
    pub(crate) cluster_counts: OrdMap<ClusterId, ClusterCounts>,
    pub(crate) service_counts: OrdMap<ServiceKey, TaskCounts>,
    pub(crate) deployment_counts: OrdMap<DeploymentKey, TaskCounts>,
    pub(crate) instance_counts: OrdMap<InstanceKey, TaskCounts>,
    pub(crate) fleets: OrdMap<ClusterId, Arc<Fleet>>,
    pub(crate) census: Census,
}

/// How many tasks something has, by where they are. The four are disjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskCounts {
    /// On their way to RUNNING.
    pub pending: u32,
    /// RUNNING, and should be.
    pub running: u32,
    /// Told to stop or past RUNNING, but not STOPPED.
    pub stopping: u32,
    /// STOPPED, and still kept.
    pub stopped: u32,
}

/// What a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterCounts {
    /// Its tasks.
    pub tasks: TaskCounts,
    /// Services that are ACTIVE.
    pub active_services: u32,
    /// Services that are DRAINING.
    pub draining_services: u32,
    /// Rows of services, INACTIVE ones too.
    pub services: u32,
    /// Instances that are ACTIVE or DRAINING (`registeredContainerInstancesCount`).
    pub registered_instances: u32,
    /// Rows of instances, INACTIVE ones too.
    pub instances: u32,
}

impl TaskCounts {
    /// Those that hold resources.
    #[must_use]
    pub const fn live(self) -> u32 {
        self.pending + self.running + self.stopping
    }

    /// All.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.live() + self.stopped
    }
}
