//! What belongs to an account beside ECS, and is only named here: subnets with their zones, security groups, roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::key::SubnetKey;

/// A subnet that a task was started in and that nobody had described: one of the default VPC, in the zone that it was
/// given then. It stays there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetRow {
    /// Region, account and id.
    pub key: SubnetKey,
    /// Its zone.
    pub availability_zone: Arc<str>,
}

/// The names that somebody described. They hold for all regions and accounts, as their ids are unique over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Whether a name that isn't among these is refused. Else it is taken where it is well formed.
    pub strict: bool,
    /// Zones of subnets, by id.
    pub subnets: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids of security groups.
    pub security_groups: BTreeSet<Arc<str>>,
    /// ARNs of roles.
    pub roles: BTreeSet<Arc<str>>,
}

/// Subnets, security groups and roles that may be described, each.
pub const NAMES_MAX: usize = 1_000;

/// Characters of the longest zone's name.
const ZONE_CHARS_MAX: usize = 64;

impl Names {
    /// Checks their number and their form.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        for (what, count) in [
            ("subnets", self.subnets.len()),
            ("securityGroups", self.security_groups.len()),
            ("roles", self.roles.len()),
        ] {
            if count > NAMES_MAX {
                return Err(format!("{what} cannot have more than {NAMES_MAX} elements."));
            }
        }
        if let Some(id) = self.subnets.keys().find(|id| !drydock_model::outside::is_subnet(id)) {
            return Err(format!("{id:?} isn't the id of a subnet: subnet-…"));
        }
        if let Some((id, zone)) = self.subnets.iter().find(|(_, zone)| !is_zone(zone)) {
            return Err(format!("{zone:?}, where {id} is, isn't the name of an Availability Zone."));
        }
        if let Some(id) = self.security_groups.iter().find(|id| !drydock_model::outside::is_security_group(id)) {
            return Err(format!("{id:?} isn't the id of a security group: sg-…"));
        }
        match self.roles.iter().find(|arn| !drydock_model::outside::is_role_arn(arn)) {
            Some(arn) => Err(format!("{arn:?} isn't the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME")),
            None => Ok(()),
        }
    }

    /// Whether a role is among these: by its ARN, or by its name.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|arn| **arn == *role || arn.rsplit('/').next() == Some(role))
    }
}

fn is_zone(zone: &str) -> bool {
    (1..=ZONE_CHARS_MAX).contains(&zone.len()) && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
