//! What apply answers. A business error is an outcome and leaves the state untouched (design §3.4); only what would
//! make replicas differ is a [`Halt`].

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_model::error::EcsError;
use drydock_proto::ecs;

use crate::event::Event;
use crate::key::{Key, TaskKey};
use crate::plan::Dropped;
use crate::row::{CapacityProviderRow, ClusterRow, DefinitionRow, InstanceRow, ServiceRow, TaskRow, TaskSetRow};

/// What came of one entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// For the waiter.
    pub outcome: Outcome,
    /// For watchers, in order.
    pub events: Vec<Event>,
    /// What reconcilers and sessions should look at.
    pub dirty: BTreeSet<Key>,
}

/// The answer to a command. Rows are as of this entry; the query module renders them.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done, with nothing to tell.
    Done,
    /// Refused with ECS's exception; nothing has changed.
    Refused(EcsError),
    /// The proposer was no longer the leader: nothing has changed, safe to propose again.
    Superseded,
    /// CreateCluster, UpdateCluster, UpdateClusterSettings, DeleteCluster.
    Cluster(Arc<ClusterRow>),
    /// CreateCapacityProvider, UpdateCapacityProvider, DeleteCapacityProvider: as it is now, or was when it went.
    CapacityProvider(Arc<CapacityProviderRow>),
    /// RegisterTaskDefinition, DeregisterTaskDefinition.
    Definition(Arc<DefinitionRow>),
    /// DeleteTaskDefinitions.
    Definitions(Vec<Arc<DefinitionRow>>, Vec<ecs::Failure>),
    /// CreateService, UpdateService, DeleteService.
    Service(Arc<ServiceRow>),
    /// CreateTaskSet, UpdateTaskSet, DeleteTaskSet, UpdateServicePrimaryTaskSet.
    TaskSet(Arc<TaskSetRow>),
    /// RunTask, StartTask: `tasks` and `failures`.
    Tasks(Vec<Arc<TaskRow>>, Vec<ecs::Failure>),
    /// RunTask only: instances that were bound take the tasks no more. Nothing has changed: decide again.
    Rebind(Vec<u128>),
    /// StopTask.
    Task(Arc<TaskRow>),
    /// UpdateTaskProtection: the tasks whose protection was set, and the failures.
    Protection(Vec<Arc<TaskRow>>, Vec<ecs::Failure>),
    /// DeregisterContainerInstance, RegisterInstance, InstanceConnected, InstanceDisconnected.
    Instance(Arc<InstanceRow>),
    /// UpdateContainerInstancesState.
    Instances(Vec<Arc<InstanceRow>>, Vec<ecs::Failure>),
    /// PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting.
    AccountSetting(Box<ecs::Setting>),
    /// PutAttributes, DeleteAttributes: as they were given, with the ARNs of their targets.
    Attributes(Vec<ecs::Attribute>),
    /// ReportStatuses: the reports that need not be sent again, with their sequences (taken, late, or of tasks that
    /// aren't there).
    Reported(Vec<(TaskKey, u64)>),
    /// Plan.
    Planned {
        /// How many changes were made.
        applied: usize,
        /// The others.
        dropped: Vec<Dropped>,
        /// The tasks that were created, in the order of their changes.
        created: Vec<TaskKey>,
    },
    /// Reap: how many rows went. Those that are still needed stayed.
    Reaped(usize),
    /// Checkpoint: whether this replica knew the digest of that index.
    Checked(bool),
}

/// The replica must stop: going on would make it differ from the others, or it does already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// An entry can't be decoded.
    #[error("log entry {index} can't be decoded: {reason}")]
    Undecodable {
        /// Of the entry.
        index: u64,
        /// In words.
        reason: String,
    },
    /// An entry was written by a later build.
    #[error("log entry {index} has schema {schema}, and this build knows only up to {known}")]
    UnknownSchema {
        /// Of the entry.
        index: u64,
        /// Its schema.
        schema: u32,
        /// Ours.
        known: u32,
    },
    /// An entry doesn't follow the last one.
    #[error("log entry {index} was applied after {last}")]
    OutOfOrder {
        /// Of the entry.
        index: u64,
        /// Of the last one applied.
        last: u64,
    },
    /// This replica's state differs from the leader's.
    #[error("the state at index {index} has digest {ours:016x}, the leader's has {leaders:016x} (entry {entry})")]
    Diverged {
        /// Where both were taken.
        index: u64,
        /// Of this replica.
        ours: u64,
        /// Of the leader.
        leaders: u64,
        /// The checkpoint's entry.
        entry: u64,
    },
    /// The state contradicts itself: a defect of ours.
    #[error("the state contradicts itself at index {index}: {what}")]
    Contradiction {
        /// Of the entry.
        index: u64,
        /// In words.
        what: String,
    },
}

impl Outcome {
    /// The exception, where it is one.
    #[must_use]
    pub const fn refused(&self) -> Option<&EcsError> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EcsError> for Outcome {
    fn from(error: EcsError) -> Self {
        Self::Refused(error)
    }
}
