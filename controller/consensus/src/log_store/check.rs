//! What both disk stores do at start: compare identities, verify that the entries are whole, see that nothing that was
//! acknowledged is missing. Reads through closures; touches no disk itself.

use std::path::Path;

use raft::eraftpb::Entry;

use super::anchor::Contents;
use super::boot::{Boot, Terms};
use super::records::{State, decode_identity, decode_markers, decode_snapshot};
use super::{Identity, StoreError, StoreKind};
use crate::RaftId;
use crate::record::BadRecord;

/// Bytes of entries verified at a time.
const VERIFY_BYTES: u64 = 1024 * 1024;

/// The records as found in a store; each may be missing.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) state: Option<Vec<u8>>,
    pub(super) identity: Option<Vec<u8>>,
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) markers: Option<Vec<u8>>,
}

fn record<T>(
    name: &str,
    bytes: Option<&Vec<u8>>,
    decode: impl FnOnce(&[u8]) -> Result<T, BadRecord>,
) -> Result<T, StoreError> {
    let at = || format!("record {name}");
    let bytes = bytes.ok_or_else(|| StoreError::corrupt(at(), "it is missing"))?;
    decode(bytes).map_err(|bad| StoreError::corrupt(at(), bad.0))
}

/// Refuses a folder that was made by the other kind of store.
pub(super) fn check_kind(folder: &Path, anchor: Option<&Contents>, kind: StoreKind) -> Result<(), StoreError> {
    match anchor {
        Some(anchor) if anchor.kind != kind => {
            let name = |kind| format!("by the log store {kind:?}");
            Err(StoreError::Format { path: folder.to_owned(), found: name(anchor.kind), expected: name(kind) })
        }
        _ => Ok(()),
    }
}

/// Puts the start together from what was found, or refuses. `None`: never created.
pub(super) fn boot(
    folder: &Path,
    anchor: Option<&Contents>,
    found: &Found,
    read: impl Fn(&State, u64, u64, u64) -> Result<Vec<Entry>, StoreError>,
) -> Result<Option<(State, Boot)>, StoreError> {
    let Some(anchor) = anchor else {
        // A creation that was cut short left at most its own batch: nobody ever started from it.
        let number = found.state.as_deref().and_then(|state| State::decode(state).ok()).map(|state| state.number);
        if found.state.is_none() || number == Some(1) {
            return Ok(None);
        }
        return Err(StoreError::corrupt(folder.join("replica").display().to_string(), "it is missing beside a log"));
    };
    let lost = |number| StoreError::LostTail {
        path: folder.to_owned(),
        acknowledged: anchor.acknowledged.max(1),
        found: number,
    };
    if found.state.is_none() {
        return Err(lost(0));
    }
    let state = record("state", found.state.as_ref(), State::decode)?;
    if state.number < anchor.acknowledged {
        return Err(lost(state.number));
    }
    let identity = record("identity", found.identity.as_ref(), decode_identity)?;
    check_same(folder, &identity, &anchor.identity)?;
    let snapshot = record("snapshot", found.snapshot.as_ref(), decode_snapshot)?;
    state.check(&snapshot)?;
    let peer_markers: Vec<(RaftId, u128)> = match &found.markers {
        None => Vec::new(),
        markers => record("markers", markers.as_ref(), decode_markers)?,
    };
    let terms = verify(&state, read)?;
    let boot = Boot {
        identity,
        hard_state: state.hard_state,
        snapshot,
        truncated_index: state.truncated.0,
        last_index: state.last_index,
        terms,
        peer_markers,
    };
    Ok(Some((state, boot)))
}

fn check_same(folder: &Path, log: &Identity, file: &Identity) -> Result<(), StoreError> {
    if log == file {
        return Ok(());
    }
    Err(StoreError::Foreign {
        path: folder.to_owned(),
        what: "the disk with marker",
        found: format!("{:032x} in the log", log.marker),
        expected: format!("{:032x} in the file `replica`", file.marker),
    })
}

/// Reads every entry: the store checks the checksums, this the order.
fn verify(
    state: &State,
    read: impl Fn(&State, u64, u64, u64) -> Result<Vec<Entry>, StoreError>,
) -> Result<Terms, StoreError> {
    let mut terms = Terms::starting_at(state.truncated.0, state.truncated.1);
    let (mut index, mut term) = state.truncated;
    let corrupt = |index: u64, reason: String| StoreError::corrupt(format!("index {index}"), reason);
    while index < state.last_index {
        let page = read(state, index + 1, state.last_index + 1, VERIFY_BYTES)?;
        if page.is_empty() {
            let reason = format!("the entry is missing; the log was acknowledged up to {}", state.last_index);
            return Err(corrupt(index + 1, reason));
        }
        for entry in page {
            if entry.index != index + 1 {
                return Err(corrupt(index + 1, format!("entry {} is in its place", entry.index)));
            }
            if entry.term < term {
                return Err(corrupt(entry.index, format!("its term {} is below {term} before it", entry.term)));
            }
            (index, term) = (entry.index, entry.term);
            terms.push(index, term);
        }
    }
    if term != state.last_term {
        return Err(corrupt(index, format!("its term is {term}, recorded was {}", state.last_term)));
    }
    Ok(terms)
}
