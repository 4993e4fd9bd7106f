//! The records that both disk stores keep beside the entries. Pure.

use super::{HardState, Identity, StoreError};
use crate::RaftId;
use crate::record::{BadRecord, Reader, put_u32, seal, unseal};
use crate::snapshot::SnapshotMeta;

/// In every batch: what the log must look like after it. A batch that was lost shows by `number`, a lost or doubled
/// entry by `last_index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Counts batches from 1.
    pub(super) number: u64,
    pub(super) hard_state: HardState,
    pub(super) truncated: (u64, u64),
    pub(super) last_index: u64,
    pub(super) last_term: u64,
    /// Which of the store's own spaces holds the entries; a new one after each leader's snapshot.
    pub(super) space: u64,
}

impl State {
    /// The state of a store that was just created.
    pub(super) fn first(snapshot: &SnapshotMeta, space: u64) -> Self {
        Self {
            number: 1,
            hard_state: HardState { term: snapshot.term, vote: 0, commit: snapshot.index },
            truncated: (snapshot.index, snapshot.term),
            last_index: snapshot.index,
            last_term: snapshot.term,
            space,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let numbers = [
            self.number,
            self.hard_state.term,
            self.hard_state.vote,
            self.hard_state.commit,
            self.truncated.0,
            self.truncated.1,
            self.last_index,
            self.last_term,
            self.space,
        ];
        seal(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let mut reader = Reader(unseal(bytes)?);
        let state = Self {
            number: reader.u64()?,
            hard_state: HardState { term: reader.u64()?, vote: reader.u64()?, commit: reader.u64()? },
            truncated: (reader.u64()?, reader.u64()?),
            last_index: reader.u64()?,
            last_term: reader.u64()?,
            space: reader.u64()?,
        };
        reader.end()?;
        Ok(state)
    }

    /// The state after one more batch.
    pub(super) fn after(&self, batch: &super::WriteBatch) -> Self {
        let mut state = Self { number: self.number + 1, hard_state: batch.hard_state, ..*self };
        if let Some(meta) = batch.snapshot.as_ref().filter(|_| batch.reset) {
            state.truncated = (meta.index, meta.term);
            (state.last_index, state.last_term) = state.truncated;
            state.space += 1;
        }
        if let Some(last) = batch.entries.last() {
            (state.last_index, state.last_term) = (last.index, last.term);
        }
        if let Some(compact) = batch.compact_to.filter(|(index, _)| *index > state.truncated.0) {
            state.truncated = compact;
        }
        state
    }

    /// What must hold whatever the entries are.
    pub(super) fn check(&self, snapshot: &SnapshotMeta) -> Result<(), StoreError> {
        let corrupt = |reason: String| Err(StoreError::corrupt(format!("batch {}", self.number), reason));
        let (commit, last) = (self.hard_state.commit, self.last_index);
        if commit > last {
            return corrupt(format!("entries up to {commit} were committed, but the log ends at {last}"));
        }
        if snapshot.index > commit {
            return corrupt(format!("the snapshot is at {}, beyond the committed {commit}", snapshot.index));
        }
        if self.truncated.0 > snapshot.index {
            let (truncated, snapshot) = (self.truncated.0, snapshot.index);
            return corrupt(format!("entries up to {truncated} were dropped, but the snapshot is at {snapshot}"));
        }
        Ok(())
    }
}

/// The identity as it is kept inside the log, to be compared with the file `replica`.
pub(super) fn encode_identity(identity: &Identity) -> Vec<u8> {
    let mut out = Vec::with_capacity(44);
    out.extend_from_slice(&identity.fingerprint.to_le_bytes());
    out.extend_from_slice(&identity.raft_id.to_le_bytes());
    out.extend_from_slice(&identity.marker.to_le_bytes());
    seal(out)
}

pub(super) fn decode_identity(bytes: &[u8]) -> Result<Identity, BadRecord> {
    let mut reader = Reader(unseal(bytes)?);
    let identity = Identity { fingerprint: reader.u128()?, raft_id: reader.u64()?, marker: reader.u128()? };
    reader.end()?;
    Ok(identity)
}

pub(super) fn encode_snapshot(meta: &SnapshotMeta) -> Vec<u8> {
    seal(meta.encode())
}

pub(super) fn decode_snapshot(bytes: &[u8]) -> Result<SnapshotMeta, BadRecord> {
    SnapshotMeta::decode(unseal(bytes)?)
}

pub(super) fn encode_markers(markers: &[(RaftId, u128)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_u32(&mut out, markers.len());
    for (id, marker) in markers {
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&marker.to_le_bytes());
    }
    seal(out)
}

pub(super) fn decode_markers(bytes: &[u8]) -> Result<Vec<(RaftId, u128)>, BadRecord> {
    let mut reader = Reader(unseal(bytes)?);
    let mut markers = Vec::new();
    for _ in 0..reader.u32()? {
        markers.push((reader.u64()?, reader.u128()?));
    }
    reader.end()?;
    Ok(markers)
}
