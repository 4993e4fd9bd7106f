//! Names of an account that isn't here: subnets, security groups, roles. Well formed is enough, unless somebody asked that
//! only described ones are taken.

use std::sync::Arc;

use drydock_model::error::EcsError;
use drydock_model::outside;
use drydock_proto::ecs;

use super::{Answer, Apply};
use crate::outcome::Outcome;
use crate::row::Names;

impl Apply<'_> {
    /// Replaces all of them.
    pub(super) fn put_names(&mut self, names: &Names) -> Answer {
        names.check().map_err(EcsError::invalid_parameter)?;
        self.state.names = Arc::new(names.clone());
        Ok(Outcome::Done)
    }

    /// Refuses subnets and security groups that aren't well formed or aren't there.
    pub(super) fn check_network_names(&self, network: Option<&ecs::NetworkConfiguration>) -> Result<(), EcsError> {
        let names = self.state.names();
        let knows = |known: bool| !names.strict || known;
        outside::check_network(
            network,
            |id| knows(names.subnets.contains_key(id)),
            |id| knows(names.security_groups.contains(id)),
        )
    }

    /// Refuses a task definition whose roles aren't there.
    pub(super) fn check_roles(&self, request: &ecs::RegisterTaskDefinitionRequest) -> Result<(), EcsError> {
        let roles = [&request.task_role_arn, &request.execution_role_arn];
        if roles.into_iter().any(|role| self.lacks_role(role.as_deref())) {
            return Err(outside::invalid_role());
        }
        Ok(())
    }

    /// Refuses overrides of a task whose roles aren't well formed or aren't there.
    pub(super) fn check_overridden_roles(&self, overrides: &ecs::TaskOverride) -> Result<(), EcsError> {
        for role in [&overrides.task_role_arn, &overrides.execution_role_arn] {
            let role = role.as_deref();
            if outside::check_role(role).is_err() || self.lacks_role(role) {
                return Err(outside::unusable_role(role.unwrap_or_default()));
            }
        }
        Ok(())
    }

    fn lacks_role(&self, role: Option<&str>) -> bool {
        let names = self.state.names();
        names.strict && role.is_some_and(|role| !role.is_empty() && !names.has_role(role))
    }
}
