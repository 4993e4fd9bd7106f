//! In which zone a subnet is (ecs-semantics §2.4, §2.5). There is no EC2 to ask: somebody has described the subnet
//! ([`Names`]), or it is one of the default VPC, with a zone of its own from the first task on that was started in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::status::InstanceStatus;
use drydock_proto::ecs::NetworkConfiguration;

use crate::key::{ClusterId, ScopeId, SubnetKey};
use crate::row::{InstanceRow, Names, SubnetRow};
use crate::state::State;

/// Subnets of one region and account that are remembered. Those beyond have the zone that a new one would get, each time.
pub const SUBNETS_MAX: usize = 10_000;

/// The zones of a region where no instance says which there are.
const LETTERS: [char; 3] = ['a', 'b', 'c'];

/// Subnets that a network configuration names, each with its zone, in the order of the request.
pub type Located = Vec<(Arc<str>, Arc<str>)>;

impl State {
    /// The names that somebody described.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The subnets of a region and account that tasks were started in and that nobody had described, by id.
    pub fn subnets(&self, scope: ScopeId) -> impl Iterator<Item = &Arc<SubnetRow>> {
        let from = SubnetKey { scope, id: Arc::from("") };
        self.subnets.range(from..).take_while(move |row| row.key.scope == scope)
    }

    /// The zone of a subnet, where it has one already.
    fn known_zone(&self, key: &SubnetKey) -> Option<&Arc<str>> {
        self.names.subnets.get(&key.id).or_else(|| self.subnets.get(key).map(|row| &row.availability_zone))
    }

    /// The subnets of a network configuration with their zones: those that they have, or those that they would be given
    /// now. `None` where the network isn't awsvpc's, or the cluster isn't there.
    #[must_use]
    pub fn located(&self, cluster: ClusterId, network: Option<&NetworkConfiguration>) -> Option<Located> {
        let scope = self.cluster(cluster)?.scope;
        let vpc = network?.awsvpc_configuration.as_ref()?;
        let mut census = None;
        let mut located = Located::new();
        for id in &vpc.subnets {
            let key = SubnetKey { scope, id: Arc::from(id.as_str()) };
            let zone = match self.known_zone(&key) {
                Some(zone) => Arc::clone(zone),
                None => match located.iter().find(|(before, _)| *before == key.id) {
                    Some((_, zone)) => Arc::clone(zone),
                    None => emptiest(census.get_or_insert_with(|| self.subnets_by_zone(scope))),
                },
            };
            located.push((key.id, zone));
        }
        Some(located)
    }

    /// How many subnets each zone has. The zones are those of the container instances, of all clusters; without any, the
    /// region's a, b and c.
    fn subnets_by_zone(&self, scope: ScopeId) -> BTreeMap<Arc<str>, usize> {
        let clusters = self.clusters(scope, None).map(|cluster| cluster.id);
        let instances = clusters.flat_map(|id| self.instances(id)).filter(|row| row.status != InstanceStatus::Inactive);
        let mut zones: BTreeMap<Arc<str>, usize> =
            instances.filter_map(|row| row.availability_zone()).map(|zone| (Arc::clone(zone), 0)).collect();
        if zones.is_empty() {
            let region = self.scope(scope).map(|scope| scope.region.as_str()).unwrap_or_default();
            zones = LETTERS.iter().map(|letter| (Arc::from(format!("{region}{letter}")), 0)).collect();
        }
        let rows = self.subnets(scope).map(|row| &row.availability_zone);
        for zone in rows.chain(self.names.subnets.values()) {
            if let Some(count) = zones.get_mut(zone) {
                *count += 1;
            }
        }
        zones
    }

    /// Remembers the zones of subnets that weren't known.
    pub(crate) fn remember(&mut self, cluster: ClusterId, located: &Located) {
        let Some(scope) = self.cluster(cluster).map(|row| row.scope) else { return };
        for (id, zone) in located {
            let key = SubnetKey { scope, id: Arc::clone(id) };
            if self.known_zone(&key).is_none() && self.subnets(scope).count() < SUBNETS_MAX {
                self.subnets.put(Arc::new(SubnetRow { key, availability_zone: Arc::clone(zone) }));
            }
        }
    }
}

/// The zone with the fewest subnets, the first by name among equals; it has one more then.
fn emptiest(zones: &mut BTreeMap<Arc<str>, usize>) -> Arc<str> {
    let least = zones.iter_mut().min_by_key(|(_, count)| **count);
    least.map_or_else(
        || Arc::from(""),
        |(zone, count)| {
            *count += 1;
            Arc::clone(zone)
        },
    )
}

/// The subnet in which a task on an instance is: the first of those in the instance's zone. An instance that doesn't say
/// where it is can be reached from each.
#[must_use]
pub fn subnet_at<'a>(located: &'a Located, instance: &InstanceRow) -> Option<&'a Arc<str>> {
    let zone = instance.availability_zone();
    located.iter().find(|(_, of)| zone.is_none_or(|zone| zone == of)).map(|(id, _)| id)
}
