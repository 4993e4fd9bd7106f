//! Who this controller is: its raft id, the cluster's fingerprint and its disk's marker. Random or derived at the first
//! start, kept by the log store ever after. Touches the data folder (reading) and the operating system's randomness.

use std::sync::atomic::{AtomicU64, Ordering};

use drydock_consensus::{Identity, RaftId, StoreError};
use siphasher::sip128::SipHasher24;

use crate::config::{Config, InitialController};

/// Randomness failed: the operating system's source is not there.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness: {0}")]
pub struct NoRandomness(getrandom::Error);

/// 128 random bits.
///
/// # Errors
/// The operating system gives none.
pub(crate) fn random() -> Result<u128, NoRandomness> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(u128::from_le_bytes(bytes))
}

/// 64 random bits that aren't 0: an id that was never used before.
///
/// # Errors
/// The operating system gives none.
pub(crate) fn random_id() -> Result<RaftId, NoRandomness> {
    loop {
        let id = random()?.to_le_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if id != 0 {
            return Ok(id);
        }
    }
}

/// The seeds of this process's proposals: all that a command's ids derive from. A keyed hash of a counter, with a key that
/// the operating system gave once: as unpredictable as its own, and no call into the kernel for each write.
#[derive(Debug)]
pub(crate) struct Seeds {
    key: [u8; 16],
    next: AtomicU64,
}

impl Seeds {
    /// With a key of this process's own.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        Ok(Self { key: random()?.to_le_bytes(), next: AtomicU64::new(0) })
    }

    /// One that was never given before.
    pub(crate) fn next(&self) -> u128 {
        let ordinal = self.next.fetch_add(1, Ordering::Relaxed);
        SipHasher24::new_with_key(&self.key).hash(&ordinal.to_le_bytes()).as_u128()
    }
}

/// What an earlier start left in the data folder.
///
/// # Errors
/// The folder can't be read, or holds what isn't a controller's.
pub(crate) fn kept(config: &Config) -> Result<Option<Identity>, StoreError> {
    drydock_consensus::log_store::identity_of(&config.data_dir)
}

/// The first controllers of a new cluster with their ids; derived from the whole list where none are given, so that all
/// of them derive the same.
pub(crate) fn initial_ids(initial: &[InitialController]) -> Vec<(RaftId, InitialController)> {
    let mut sorted = initial.to_vec();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let list = digest_of_list(&sorted);
    let id = |member: &InitialController| member.id.unwrap_or_else(|| derived_id(list, &member.name));
    sorted.into_iter().map(|member| (id(&member), member)).collect()
}

/// The fingerprint that the first controllers of a new cluster derive alike.
pub(crate) fn initial_fingerprint(initial: &[(RaftId, InitialController)]) -> u128 {
    let mut hash = Fnv::new("fingerprint");
    for (id, member) in initial {
        hash.add(&id.to_le_bytes());
        hash.add(member.name.as_bytes());
    }
    hash.0
}

fn digest_of_list(initial: &[InitialController]) -> u128 {
    let mut hash = Fnv::new("initial");
    for member in initial {
        hash.add(member.name.as_bytes());
        hash.add(member.peer_address.as_bytes());
    }
    hash.0
}

fn derived_id(list: u128, name: &str) -> RaftId {
    let mut hash = Fnv::new("id");
    hash.add(&list.to_le_bytes());
    hash.add(name.as_bytes());
    let folded = hash.0 ^ (hash.0 >> 64);
    folded.to_le_bytes().first_chunk::<8>().map_or(1, |bytes| u64::from_le_bytes(*bytes)).max(1)
}

/// FNV-1a with 128 bits: stable for ever, needs no crate, and nobody attacks it here.
struct Fnv(u128);

impl Fnv {
    fn new(domain: &str) -> Self {
        let mut hash = Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        hash.add(domain.as_bytes());
        hash
    }

    fn add(&mut self, bytes: &[u8]) {
        // The length goes first, so that "ab","c" and "a","bc" differ.
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Seeds, initial_fingerprint, initial_ids};
    use crate::config::InitialController;

    fn list(names: &[&str]) -> Vec<InitialController> {
        let member = |name: &&str| InitialController {
            name: (*name).to_owned(),
            id: None,
            peer_address: format!("{name}:1"),
            api_address: format!("{name}:2"),
        };
        names.iter().map(member).collect()
    }

    #[test]
    fn seeds_repeat_neither_in_a_process_nor_in_the_next() {
        let processes = [Seeds::new().unwrap(), Seeds::new().unwrap()];
        let seeds: std::collections::BTreeSet<u128> =
            processes.iter().flat_map(|seeds| (0..1_000).map(|_| seeds.next())).collect();
        assert_eq!(seeds.len(), 2_000);
    }

    #[test]
    fn all_controllers_derive_the_same_ids_and_other_lists_give_others() {
        let one = initial_ids(&list(&["a", "b", "c"]));
        assert_eq!(one, initial_ids(&list(&["c", "a", "b"])));
        let ids: std::collections::BTreeSet<u64> = one.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), 3);
        let other = initial_ids(&list(&["a", "b", "d"]));
        assert!(other.iter().all(|(id, _)| !ids.contains(id)));
        assert_ne!(initial_fingerprint(&one), initial_fingerprint(&other));
    }
}
