//! Rows of container instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::capacity::Serves;
use drydock_model::resources::Available;
use drydock_model::status::InstanceStatus;
use drydock_proto::ecs;

use crate::key::{InstanceKey, Millis};

/// [`InstanceInfo::runtime`] of an instance that registered over ECS's own API (RegisterContainerInstance): it has no session
/// with a controller, and whoever acts as its agent speaks for its tasks.
pub const API_RUNTIME: &str = "api";

/// A container instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRow {
    /// Cluster and id.
    pub key: InstanceKey,
    /// ECS's `version`: +1 on every change that emits an event.
    pub version: u64,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: InstanceStatus,
    /// What it said of itself at its last registration or connection.
    pub info: Arc<InstanceInfo>,
    /// What it has.
    pub registered: Available,
    /// `registered` less what tasks that aren't STOPPED hold.
    pub remaining: Available,
    /// Whether its agent has a session with the leader. Nothing new is placed on it without one.
    pub agent_connected: bool,
    /// When the present or last session began.
    pub connected_at: Millis,
    /// When the last session ended; unset while connected.
    pub disconnected_at: Option<Millis>,
    /// While disconnected: when its tasks count as lost (`Settings::instance_lost_after_ms`).
    pub lost_at: Option<Millis>,
    /// When it registered.
    pub registered_at: Millis,
    /// Log index at which its set of tasks last changed: the sequence of its manifest.
    pub changed_at: u64,
    /// INACTIVE only: from when on it may be reaped.
    pub reap_at: Option<Millis>,
    /// Its tags.
    pub tags: Arc<[ecs::Tag]>,
}

/// What an agent says of its instance, with what requests added. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceInfo {
    /// Random, made at the agent's first start: a registration with a known token is the same instance.
    pub token: Arc<str>,
    /// EC2's id, where there is one.
    pub ec2_instance_id: Option<Box<str>>,
    /// Built-in and custom attributes; those that only name a capability have no value.
    pub attributes: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// Of these, what PutAttributes put: it stays when the agent registers again.
    pub put: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// `docker`, `simulated` or [`API_RUNTIME`].
    pub runtime: Arc<str>,
    /// The agent's version.
    pub agent_version: Box<str>,
    /// Docker's version.
    pub docker_version: Option<Box<str>>,
    /// Which tasks it is there for.
    pub serves: Serves,
    /// The capacity provider whose group it is of.
    pub capacity_provider: Option<Arc<str>>,
    /// The commit that an agent of Amazon's was built from.
    pub agent_hash: Option<Box<str>>,
}

impl InstanceRow {
    /// An attribute's value; `None` where it has none or isn't there.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Arc<str>> {
        self.info.attributes.get(name)?.as_ref()
    }

    /// `ecs.availability-zone`.
    #[must_use]
    pub fn availability_zone(&self) -> Option<&Arc<str>> {
        self.attribute("ecs.availability-zone")
    }

    /// Whether it has all of these attributes (a task definition's `requiresAttributes`), with the values that are given.
    #[must_use]
    pub fn has_attributes(&self, required: &[ecs::Attribute]) -> bool {
        self.missing_attributes(required).next().is_none()
    }

    /// Those of the attributes that it lacks, or has with another value.
    pub fn missing_attributes<'a>(
        &'a self,
        required: &'a [ecs::Attribute],
    ) -> impl Iterator<Item = &'a ecs::Attribute> + 'a {
        required.iter().filter(|attribute| {
            let known = attribute.name.as_deref().and_then(|name| self.info.attributes.get(name));
            !known.is_some_and(|value| attribute.value.is_none() || attribute.value.as_deref() == value.as_deref())
        })
    }

    /// The attributes that it lacks, by name (`failures[].detail`): ECS leaves people to find out.
    #[must_use]
    pub fn missing_in_words(&self, required: &[ecs::Attribute]) -> Option<String> {
        let names = self.missing_attributes(required).filter_map(|attribute| attribute.name.as_deref());
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| format!("missing {}", names.join(", ")))
    }

    /// Whether it is a container instance: hosts that serve Fargate alone are never shown as one.
    #[must_use]
    pub fn is_container_instance(&self) -> bool {
        self.info.serves.ec2()
    }

    /// Whether it registered over ECS's own API.
    #[must_use]
    pub fn is_registered_by_api(&self) -> bool {
        *self.info.runtime == *API_RUNTIME
    }

    /// Whether it is there for tasks of a launch type.
    #[must_use]
    pub fn serves(&self, launch_type: ecs::LaunchType) -> bool {
        if launch_type == ecs::LaunchType::Fargate { self.info.serves.fargate() } else { self.info.serves.ec2() }
    }

    /// Whether new tasks may be placed on it: ACTIVE and connected.
    #[must_use]
    pub fn takes_tasks(&self) -> bool {
        self.status == InstanceStatus::Active && self.agent_connected
    }
}
