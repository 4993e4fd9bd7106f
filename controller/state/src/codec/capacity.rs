//! Encoding of capacity providers and of what managed scaling decides for them.

use std::sync::Arc;

use drydock_proto::state as wire;

use super::Bad;
use super::parts::{from_id, id, need};
use super::row::{FromWire, WireRow};
use crate::key::{CapacityProviderKey, ClusterId, ScalingKey, ScopeId};
use crate::plan::SetScaling;
use crate::row::{CapacityProviderRow, ScalingFigures, ScalingRow};

pub(super) fn provider_key(key: &CapacityProviderKey) -> wire::CapacityProviderKey {
    wire::CapacityProviderKey { scope: key.scope.0, name: key.name.to_string() }
}

pub(super) fn from_provider_key(key: wire::CapacityProviderKey) -> CapacityProviderKey {
    CapacityProviderKey { scope: ScopeId(key.scope), name: key.name.into() }
}

pub(super) fn scaling_key(key: &ScalingKey) -> wire::ScalingKey {
    wire::ScalingKey { cluster: key.cluster.0, provider: key.provider.to_string() }
}

pub(super) fn from_scaling_key(key: wire::ScalingKey) -> ScalingKey {
    ScalingKey { cluster: ClusterId(key.cluster), provider: key.provider.into() }
}

const fn figures(row: &ScalingFigures) -> wire::ScalingFigures {
    wire::ScalingFigures {
        needed: row.needed,
        running: row.running,
        reservation_percent: row.reservation_percent,
        target_percent: row.target_percent,
        desired: row.desired,
        low_points: row.low_points,
        warm_until: row.warm_until,
        decided_at: row.decided_at,
        next_at: row.next_at,
    }
}

const fn from_figures(row: &wire::ScalingFigures) -> ScalingFigures {
    ScalingFigures {
        needed: row.needed,
        running: row.running,
        reservation_percent: row.reservation_percent,
        target_percent: row.target_percent,
        desired: row.desired,
        low_points: row.low_points,
        warm_until: row.warm_until,
        decided_at: row.decided_at,
        next_at: row.next_at,
    }
}

pub(super) fn set_scaling(set: &SetScaling) -> wire::SetScaling {
    wire::SetScaling {
        key: Some(scaling_key(&set.key)),
        version: set.version,
        figures: Some(figures(&set.figures)),
        leaving: set.leaving.iter().copied().map(id).collect(),
    }
}

pub(super) fn from_set_scaling(set: wire::SetScaling) -> Result<SetScaling, Bad> {
    Ok(SetScaling {
        key: from_scaling_key(need(set.key, "key of a scaling decision")?),
        version: set.version,
        figures: from_figures(&need(set.figures, "figures of a scaling decision")?),
        leaving: set.leaving.iter().map(from_id).collect(),
    })
}

impl WireRow for CapacityProviderRow {
    type Wire = wire::CapacityProviderRow;
    const TABLE: u8 = 24;

    fn to_wire(&self) -> wire::CapacityProviderRow {
        let mut document = (*self.document).clone();
        document.tags = self.tags.to_vec();
        wire::CapacityProviderRow {
            key: Some(provider_key(&self.key)),
            version: self.version,
            created_at: self.created_at,
            document: Some(document),
        }
    }
}

impl FromWire for CapacityProviderRow {
    fn from_wire(row: wire::CapacityProviderRow) -> Result<Self, Bad> {
        let mut document = need(row.document, "document of a capacity provider")?;
        let tags = std::mem::take(&mut document.tags).into();
        Ok(Self {
            key: from_provider_key(need(row.key, "key of a capacity provider")?),
            version: row.version,
            created_at: row.created_at,
            document: Arc::new(document),
            tags,
        })
    }
}

impl WireRow for ScalingRow {
    type Wire = wire::ScalingRow;
    const TABLE: u8 = 25;

    fn to_wire(&self) -> wire::ScalingRow {
        wire::ScalingRow {
            key: Some(scaling_key(&self.key)),
            version: self.version,
            figures: Some(figures(&self.figures)),
            leaving: self.leaving.iter().copied().map(id).collect(),
        }
    }
}

impl FromWire for ScalingRow {
    fn from_wire(row: wire::ScalingRow) -> Result<Self, Bad> {
        Ok(Self {
            key: from_scaling_key(need(row.key, "key of a scaling decision")?),
            version: row.version,
            figures: from_figures(&need(row.figures, "figures of a scaling decision")?),
            leaving: row.leaving.iter().map(from_id).collect(),
        })
    }
}
