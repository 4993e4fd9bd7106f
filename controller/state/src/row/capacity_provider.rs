//! Rows of capacity providers, and of what managed scaling decided for them (ecs-semantics §2.4).

use std::sync::Arc;

use drydock_proto::ecs;

use super::Tags;
use crate::key::{CapacityProviderKey, Millis, ScalingKey};

/// A capacity provider that somebody created; FARGATE and FARGATE_SPOT are always there, and have no row.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityProviderRow {
    /// Region, account and name.
    pub key: CapacityProviderKey,
    /// +1 on every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Millis,
    /// Its Auto Scaling group with ECS's defaults filled in, and what became of the last update. Members that are
    /// rendered (ARN, name, status, type, tags) are unset.
    pub document: Arc<ecs::CapacityProvider>,
    /// Its tags.
    pub tags: Tags,
}

/// What managed scaling decided for a capacity provider in a cluster. It stays until the two part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingRow {
    /// Cluster and provider.
    pub key: ScalingKey,
    /// +1 on every change.
    pub version: u64,
    /// The decision and what it was made from.
    pub figures: ScalingFigures,
    /// Instances that scale-in has chosen, by id.
    pub leaving: Arc<[u128]>,
}

/// A decision with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScalingFigures {
    /// N: instances that the provider's tasks need.
    pub needed: u32,
    /// M: instances that are there.
    pub running: u32,
    /// `CapacityProviderReservation`, in percent, rounded up.
    pub reservation_percent: u32,
    /// `targetCapacity`, in percent.
    pub target_percent: u32,
    /// How many instances there should be.
    pub desired: u32,
    /// How many points in a row, one a minute, were below the target.
    pub low_points: u32,
    /// Until then instances that were asked for count as there, and none is given up.
    pub warm_until: Option<Millis>,
    /// When it was decided.
    pub decided_at: Millis,
    /// When it is looked at again though nothing changes.
    pub next_at: Option<Millis>,
}

impl CapacityProviderRow {
    /// Its Auto Scaling group.
    #[must_use]
    pub fn group(&self) -> ecs::AutoScalingGroupProvider {
        self.document.auto_scaling_group_provider.clone().unwrap_or_default()
    }
}
