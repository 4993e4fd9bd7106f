//! Reads: the state rendered into ECS's shapes. Pure functions of an immutable [`State`]; nothing here changes it.
//!
//! [`Query`] answers the read operations of the API. What a write answers with is rendered from the rows of its
//! outcome by the same functions, so that CreateService and DescribeServices can't disagree. [`agent`] renders what an
//! agent is told, [`event`] the EventBridge shapes.

mod account_setting;
pub mod agent;
mod arns;
mod attribute;
mod capacity_provider;
mod cluster;
mod cost;
mod definition;
mod deployment;
pub mod event;
mod event_filter;
mod instance;
mod list;
mod lookup;
mod protection;
mod service;
mod tag;
mod task;
mod task_set;
#[cfg(test)]
mod tests;
mod time;

use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_model::error::EcsError;

use crate::key::ScopeId;
use crate::row::{ClusterRow, ServiceRow, TaskRow};
use crate::state::State;

pub use arns::Arns;
pub use cost::COSTS_NAMED_MAX;
pub use event_filter::EventFilter;
pub use service::rollout_state;
pub use time::timestamp;

/// Reads of one region and account.
///
/// Names may be given as ARN or in short; an ARN of another region, account or kind names nothing. Things that are
/// missing are `failures[]` with reason MISSING; an unknown cluster is `ClusterNotFoundException` (ecs-semantics §2.2).
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    state: &'a State,
    scope: &'a Scope,
}

impl<'a> Query<'a> {
    /// Reads `state` for a caller in this region and account.
    #[must_use]
    pub const fn new(state: &'a State, scope: &'a Scope) -> Self {
        Self { state, scope }
    }

    fn scope_id(&self) -> Option<ScopeId> {
        self.state.scope_id(self.scope)
    }

    fn arns(&self, cluster: &'a ClusterRow) -> Arns<'a> {
        Arns::new(self.scope, &cluster.name)
    }

    /// The ACTIVE cluster that a request names; `default` where it names none.
    ///
    /// # Errors
    /// `ClusterNotFoundException`.
    pub fn cluster(&self, name: Option<&str>) -> Result<&'a Arc<ClusterRow>, EcsError> {
        lookup::cluster(self.state, self.scope, name)
    }

    /// The latest incarnation of a service, by ARN or name.
    ///
    /// # Errors
    /// `ServiceNotFoundException`.
    pub fn service(&self, cluster: &ClusterRow, name: &str) -> Result<&'a Arc<ServiceRow>, EcsError> {
        lookup::service(self.state, self.scope, cluster.id, name).ok_or_else(EcsError::service_not_found)
    }

    /// A task, by ARN or id.
    ///
    /// # Errors
    /// `InvalidParameterException`, with StopTask's text.
    pub fn task(&self, cluster: &ClusterRow, name: &str) -> Result<&'a Arc<TaskRow>, EcsError> {
        let row = lookup::task(self.state, self.scope, cluster, name);
        row.ok_or_else(|| EcsError::invalid_parameter("The referenced task was not found."))
    }
}
