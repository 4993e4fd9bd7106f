//! Encoding of the rows of task sets.

use drydock_model::scale::Percent;
use drydock_proto::state as wire;

use super::Bad;
use super::parts::{from_progress, from_task_set_key, need, progress, shared, task_set_key, text};
use super::row::{FromWire, WireRow};
use crate::row::TaskSetRow;

impl WireRow for TaskSetRow {
    type Wire = wire::TaskSetRow;
    const TABLE: u8 = 16;

    fn to_wire(&self) -> wire::TaskSetRow {
        wire::TaskSetRow {
            key: Some(task_set_key(self.key)),
            id: self.id,
            version: self.version,
            revision: self.revision,
            scale: self.scale.millionths(),
            external_id: text(self.external_id.as_deref()),
            draining: self.draining,
            progress: Some(progress(&self.progress)),
            stability_at: self.stability_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            reap_at: self.reap_at,
            tags: self.tags.to_vec(),
        }
    }
}

impl FromWire for TaskSetRow {
    fn from_wire(row: wire::TaskSetRow) -> Result<Self, Bad> {
        Ok(Self {
            key: from_task_set_key(&need(row.key, "key of a task set")?)?,
            id: row.id,
            started_by: Self::started_by_of(row.id),
            version: row.version,
            revision: row.revision,
            scale: Percent::from_millionths(row.scale).ok_or_else(|| Bad::unknown("scale", row.scale))?,
            external_id: shared(row.external_id),
            draining: row.draining,
            progress: from_progress(&need(row.progress, "progress of a task set")?),
            stability_at: row.stability_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            reap_at: row.reap_at,
            tags: row.tags.into(),
        })
    }
}
