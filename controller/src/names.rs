//! The names of an account that isn't here: described by somebody, kept by the leader's log, shown by any controller.

use std::sync::Arc;

use drydock_consensus::Role;
use drydock_proto::control;
use drydock_state::row::Names;
use drydock_state::{Command, Outcome, State};

use crate::api::errors::ApiError;
use crate::core::Core;
use crate::leadership::Leadership;
use crate::write::unexpected;

/// Who describes them, for the record of the log.
const CALLER: &str = "names";

impl Core {
    /// Takes them in as the leader, in place of all that were described before. Returns them.
    ///
    /// # Errors
    /// `InvalidParameterException` where one isn't well formed, or there are too many.
    pub(crate) async fn put_names(&self, request: control::PutNamesRequest) -> Result<control::Names, ApiError> {
        let Leadership { role, term, .. } = self.leaderships.now();
        if role != Role::Leader {
            return Err(ApiError::Unavailable("this controller doesn't lead".to_owned()));
        }
        let names = Box::new(of_wire(request.names.unwrap_or_default()));
        let wire = to_wire(&names);
        match self.propose(self.stamp(term), CALLER, Command::PutNames(names)).await?.outcome {
            Outcome::Refused(error) => Err(error.into()),
            Outcome::Done => Ok(wire),
            _ => Err(unexpected("PutNames")),
        }
    }

    /// What is known of names by a version of the state.
    pub(crate) fn names(&self, state: &State) -> control::GetNamesResponse {
        let assigned = state.scope_id(&self.scope).map(|scope| {
            let rows = state.subnets(scope).filter(|row| !state.names().subnets.contains_key(&row.key.id));
            rows.map(|row| subnet((&row.key.id, &row.availability_zone))).collect()
        });
        control::GetNamesResponse {
            names: Some(to_wire(state.names())),
            assigned_subnets: assigned.unwrap_or_default(),
        }
    }
}

fn subnet((id, zone): (&Arc<str>, &Arc<str>)) -> control::Subnet {
    control::Subnet { id: id.to_string(), availability_zone: zone.to_string() }
}

fn to_wire(names: &Names) -> control::Names {
    control::Names {
        strict: names.strict,
        subnets: names.subnets.iter().map(subnet).collect(),
        security_groups: names.security_groups.iter().map(ToString::to_string).collect(),
        roles: names.roles.iter().map(ToString::to_string).collect(),
    }
}

fn of_wire(names: control::Names) -> Names {
    Names {
        strict: names.strict,
        subnets: names.subnets.into_iter().map(|one| (one.id.into(), one.availability_zone.into())).collect(),
        security_groups: names.security_groups.into_iter().map(Into::into).collect(),
        roles: names.roles.into_iter().map(Into::into).collect(),
    }
}
