//! Keys of the tables. Region and account are part of every key (design §3.3): a cluster's number stands for its scope
//! and its name, and what lives in a cluster carries that number. Touches nothing.

use std::fmt;
use std::sync::Arc;

/// Milliseconds since 1970-01-01T00:00:00Z, as the proposer's clock said (never a clock read here).
pub type Millis = u64;

/// Number of a region and account; see [`crate::State::scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub u32);

/// Number of a cluster: unique over all scopes, kept when a cluster of that name is created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u32);

/// A task. Sorted by cluster, so a cluster's tasks are one range of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// Where it runs.
    pub cluster: ClusterId,
    /// The 32 hex digits of its ARN.
    pub id: u128,
}

/// A container instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// What it belongs to.
    pub cluster: ClusterId,
    /// The 32 hex digits of its ARN.
    pub id: u128,
}

/// One incarnation of a service: a name that is created again after DeleteService gets a new number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// What it belongs to.
    pub cluster: ClusterId,
    /// Never used twice.
    pub number: u64,
}

/// A ServiceDeployment. Numbers grow: the latest of a service has the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentKey {
    /// Whose it is.
    pub service: ServiceKey,
    /// Never used twice.
    pub number: u64,
}

/// A task set. Its number is one of those of deployments: a task is owned by the one or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskSetKey {
    /// Whose it is.
    pub service: ServiceKey,
    /// Never used twice.
    pub number: u64,
}

/// A ServiceRevision. Numbers grow: the latest of a service has the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionKey {
    /// Whose it is.
    pub service: ServiceKey,
    /// Never used twice.
    pub number: u64,
}

/// A task definition: `family:revision` in a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionKey {
    /// Region and account.
    pub scope: ScopeId,
    /// Its family.
    pub family: Arc<str>,
    /// From 1 on; never used twice, not even after deletion.
    pub revision: u32,
}

/// A family of task definitions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyKey {
    /// Region and account.
    pub scope: ScopeId,
    /// Its name.
    pub family: Arc<str>,
}

/// A capacity provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapacityProviderKey {
    /// Region and account.
    pub scope: ScopeId,
    /// Its name.
    pub name: Arc<str>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubnetKey {
    /// Region and account.
    pub scope: ScopeId,
    /// `subnet-…`
    pub id: Arc<str>,
}

/// What managed scaling decided for a capacity provider in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScalingKey {
    /// The cluster.
    pub cluster: ClusterId,
    /// The provider's name.
    pub provider: Arc<str>,
}

/// Which operation a clientToken was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// RunTask.
    RunTask = 1,
    /// CreateService.
    CreateService = 2,
    /// CreateTaskSet.
    CreateTaskSet = 3,
}

/// A remembered clientToken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey {
    /// In which cluster it was given.
    pub cluster: ClusterId,
    /// To which operation.
    pub kind: TokenKind,
    /// The token.
    pub token: Arc<str>,
}

/// Any row that can be dirty, have a deadline, or be reaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A cluster.
    Cluster(ClusterId),
    /// A container instance.
    Instance(InstanceKey),
    /// A service.
    Service(ServiceKey),
    /// A ServiceDeployment.
    Deployment(DeploymentKey),
    /// A ServiceRevision.
    Revision(RevisionKey),
    /// A task.
    Task(TaskKey),
    /// A task definition.
    Definition(DefinitionKey),
    /// A clientToken.
    Token(TokenKey),
    /// A task set.
    TaskSet(TaskSetKey),
    /// A capacity provider.
    CapacityProvider(CapacityProviderKey),
    /// A decision of managed scaling.
    Scaling(ScalingKey),
}

impl InstanceKey {
    /// The key of a task in the same cluster.
    #[must_use]
    pub const fn task(self, id: u128) -> TaskKey {
        TaskKey { cluster: self.cluster, id }
    }
}

impl ServiceKey {
    /// The key of a task in the same cluster.
    #[must_use]
    pub const fn task(self, id: u128) -> TaskKey {
        TaskKey { cluster: self.cluster, id }
    }

    /// One of its deployments.
    #[must_use]
    pub const fn deployment(self, number: u64) -> DeploymentKey {
        DeploymentKey { service: self, number }
    }

    /// One of its task sets.
    #[must_use]
    pub const fn task_set(self, number: u64) -> TaskSetKey {
        TaskSetKey { service: self, number }
    }

    /// One of its revisions.
    #[must_use]
    pub const fn revision(self, number: u64) -> RevisionKey {
        RevisionKey { service: self, number }
    }
}

impl DefinitionKey {
    /// Its family.
    #[must_use]
    pub fn family_key(&self) -> FamilyKey {
        FamilyKey { scope: self.scope, family: Arc::clone(&self.family) }
    }
}

/// `family:revision`.
impl fmt::Display for DefinitionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.family, self.revision)
    }
}

/// The id as in its ARN: 32 hex digits.
impl fmt::Display for TaskKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.id)
    }
}

/// The id as in its ARN: 32 hex digits.
impl fmt::Display for InstanceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.id)
    }
}
