//! ARNs of what lives in a cluster.

use drydock_model::arn::{Resource, Scope};
use drydock_model::ids;

use crate::key::{DefinitionKey, InstanceKey, TaskKey};

/// Forms the ARNs of one cluster's things.
#[derive(Debug, Clone, Copy)]
pub struct Arns<'a> {
    scope: &'a Scope,
    cluster: &'a str,
}

impl<'a> Arns<'a> {
    /// For the cluster of this name.
    #[must_use]
    pub const fn new(scope: &'a Scope, cluster: &'a str) -> Self {
        Self { scope, cluster }
    }

    /// Its name.
    #[must_use]
    pub const fn cluster_name(&self) -> &'a str {
        self.cluster
    }

    fn of(&self, resource: Resource) -> String {
        self.scope.arn(resource).to_string()
    }

    /// The cluster's own.
    #[must_use]
    pub fn cluster(&self) -> String {
        self.of(Resource::Cluster(self.cluster.to_owned()))
    }

    /// A task's.
    #[must_use]
    pub fn task(&self, key: TaskKey) -> String {
        self.of(Resource::Task(self.cluster.to_owned(), key.to_string()))
    }

    /// That of a task's container, by its place in the task definition: derived from the task's id, so that it needs no
    /// room in the state.
    #[must_use]
    pub fn container(&self, task: TaskKey, place: u32) -> String {
        let id = ids::uuid(task.id, place);
        self.of(Resource::Container(self.cluster.to_owned(), task.to_string(), id))
    }

    /// A container instance's.
    #[must_use]
    pub fn instance(&self, key: InstanceKey) -> String {
        self.of(Resource::ContainerInstance(self.cluster.to_owned(), key.to_string()))
    }

    /// A service's.
    #[must_use]
    pub fn service(&self, name: &str) -> String {
        self.of(Resource::Service(self.cluster.to_owned(), name.to_owned()))
    }

    /// A capacity provider's, which is of no cluster.
    #[must_use]
    pub fn capacity_provider(&self, name: &str) -> String {
        format!("arn:aws:ecs:{}:{}:capacity-provider/{name}", self.scope.region, self.scope.account)
    }

    /// A ServiceDeployment's.
    #[must_use]
    pub fn deployment(&self, service: &str, id: u64) -> String {
        self.of(Resource::ServiceDeployment(self.cluster.to_owned(), service.to_owned(), id.to_string()))
    }

    /// A task set's.
    #[must_use]
    pub fn task_set(&self, service: &str, id: u64) -> String {
        self.of(Resource::TaskSet(self.cluster.to_owned(), service.to_owned(), id.to_string()))
    }

    /// A ServiceRevision's.
    #[must_use]
    pub fn revision(&self, service: &str, id: u64) -> String {
        self.of(Resource::ServiceRevision(self.cluster.to_owned(), service.to_owned(), id.to_string()))
    }

    /// A task definition's.
    #[must_use]
    pub fn definition(&self, key: &DefinitionKey) -> String {
        definition(self.scope, key)
    }
}

/// A task definition's.
pub(super) fn definition(scope: &Scope, key: &DefinitionKey) -> String {
    scope.arn(Resource::TaskDefinition(key.family.to_string(), key.revision)).to_string()
}
