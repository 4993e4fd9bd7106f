//! Reset: all that requests made is gone, of every region, and the agents stay. For test suites that begin each test with
//! nothing, as LocalStack and moto's server do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_model::status::{ClusterStatus, InstanceStatus};
use drydock_proto::ecs;

use super::cluster::settings;
use super::{Answer, Apply};
use crate::key::{CapacityProviderKey, Key};
use crate::outcome::Outcome;
use crate::row::{ClusterRow, InstanceInfo, InstanceRow};
use crate::state::State;

impl Apply<'_> {
    /// Keeps the container instances that have agents, with nothing on them, and what they are in: their clusters, as if
    /// new, and their capacity providers. Numbers go on where they were, so that no key is ever given twice; revisions of
    /// task definitions begin at 1 again.
    pub(super) fn reset(&mut self) -> Answer {
        let old = std::mem::take(self.state);
        self.state.settings = old.settings;
        self.state.names = Arc::clone(&old.names);
        self.state.counters = old.counters;
        self.state.checkpoints = old.checkpoints.clone();
        let kept = old.all_instances().filter(|row| row.status != InstanceStatus::Inactive);
        let kept: Vec<_> = kept.filter(|row| !row.is_registered_by_api()).cloned().collect();
        let clusters: BTreeSet<_> = kept.iter().map(|row| row.key.cluster).collect();
        for id in clusters {
            let Some(cluster) = old.cluster(id) else { continue };
            if let Some(scope) = old.scope(cluster.scope) {
                self.state.put_scope(cluster.scope, Arc::clone(scope));
            }
            self.state.put_cluster(as_new(cluster, self.now));
            self.mark(Key::Cluster(id));
        }
        for row in kept {
            self.keep_provider(&old, &row);
            self.put_changed_instance(emptied(&row, self.index))?;
        }
        Ok(Outcome::Done)
    }

    /// An agent that names a capacity provider must find it when it registers again.
    fn keep_provider(&mut self, old: &State, row: &InstanceRow) {
        let Some(name) = row.info.capacity_provider.clone() else { return };
        let Some(cluster) = old.cluster(row.key.cluster) else { return };
        if let Some(provider) = old.capacity_providers.get(&CapacityProviderKey { scope: cluster.scope, name }) {
            self.state.put_capacity_provider((**provider).clone());
        }
    }
}

fn as_new(cluster: &ClusterRow, now: u64) -> ClusterRow {
    ClusterRow {
        status: ClusterStatus::Active,
        version: cluster.version + 1,
        created_at: now,
        reap_at: None,
        document: Arc::new(ecs::Cluster { settings: settings("disabled".to_owned()), ..ecs::Cluster::default() }),
        tags: crate::row::Tags::default(),
        ..cluster.clone()
    }
}

fn emptied(row: &InstanceRow, index: u64) -> InstanceRow {
    let mut attributes = row.info.attributes.clone();
    attributes.retain(|name, _| !row.info.put.contains_key(name));
    InstanceRow {
        status: InstanceStatus::Active,
        info: Arc::new(InstanceInfo { attributes, put: BTreeMap::new(), ..(*row.info).clone() }),
        remaining: row.registered.clone(),
        lost_at: None,
        changed_at: index,
        ..row.clone()
    }
}
