//! Ids derived from a command's seed (raft-recipe B1): every replica forms the same ones, and no two are the same.
//!
//! The hash is SipHash-2-4 with 128 bits of output, keyed with the seed's sixteen bytes (little endian), over the
//! ordinal's four bytes (little endian). A seed comes from the leader's random source once a command; an ordinal counts
//! what that command makes. Both are pure input here.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// The first number of nineteen digits: deployment numbers have nineteen or twenty.
const NINETEEN_DIGITS: u64 = 1_000_000_000_000_000_000;

/// Letters of the ids that ECS gives to service deployments.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Length of a service deployment's id.
const SERVICE_DEPLOYMENT_ID_CHARS: usize = 21;

/// The 128 bits that belong to (seed, ordinal). Good for sampling and jitter as well.
#[must_use]
pub fn hash(seed: u128, ordinal: u32) -> u128 {
    let mut hasher = SipHasher24::new_with_key(&seed.to_le_bytes());
    hasher.write(&ordinal.to_le_bytes());
    hasher.finish128().as_u128()
}

/// 32 hexadecimal digits: ids of tasks and of container instances.
#[must_use]
pub fn hex32(seed: u128, ordinal: u32) -> String {
    format!("{:032x}", hash(seed, ordinal))
}

/// `xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx`, shaped as a random UUID: ids of containers, attachments and events.
#[must_use]
pub fn uuid(seed: u128, ordinal: u32) -> String {
    let versioned = (hash(seed, ordinal) & !(0xf << 76)) | (0x4 << 76);
    let bits = (versioned & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut out = String::with_capacity(36);
    for (at, digit) in hex.char_indices() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// A number of 19 or 20 digits: what follows `ecs-svc/` in a deployment's id, and the id of a service revision.
#[must_use]
pub fn deployment_number(seed: u128, ordinal: u32) -> u64 {
    let span = u128::from(u64::MAX - NINETEEN_DIGITS) + 1;
    let above = u64::try_from(hash(seed, ordinal) % span).unwrap_or_default();
    NINETEEN_DIGITS + above
}

/// The id of a deployment, as in `deployments[].id` and a task's `startedBy`.
#[must_use]
pub fn deployment_id(number: u64) -> String {
    format!("ecs-svc/{number}")
}

/// 21 letters and digits: the last part of a service deployment's ARN.
#[must_use]
pub fn service_deployment_id(seed: u128, ordinal: u32) -> String {
    let mut left = hash(seed, ordinal);
    let mut out = String::with_capacity(SERVICE_DEPLOYMENT_ID_CHARS);
    for _ in 0..SERVICE_DEPLOYMENT_ID_CHARS {
        let letter = usize::try_from(left % 62).ok().and_then(|at| BASE62.get(at));
        out.push(letter.copied().map_or('0', char::from));
        left /= 62;
    }
    out
}

/// The ids that one command makes, in order: each call takes the next ordinal.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: u128,
    next: u32,
}

impl Ids {
    /// The ids of a command with this seed.
    #[must_use]
    pub const fn new(seed: u128) -> Self {
        Self { seed, next: 0 }
    }

    /// The next [`hex32`].
    pub fn hex32(&mut self) -> String {
        hex32(self.seed, self.take())
    }

    /// The next [`uuid`].
    pub fn uuid(&mut self) -> String {
        uuid(self.seed, self.take())
    }

    /// The next [`deployment_number`].
    pub fn deployment_number(&mut self) -> u64 {
        deployment_number(self.seed, self.take())
    }

    /// The next [`service_deployment_id`].
    pub fn service_deployment_id(&mut self) -> String {
        service_deployment_id(self.seed, self.take())
    }

    /// The next 128 bits: a choice among equals, a jitter.
    pub fn bits(&mut self) -> u128 {
        hash(self.seed, self.take())
    }

    /// Wraps after 2^32 ids, which a command, bounded in size, can't reach.
    fn take(&mut self) -> u32 {
        let ordinal = self.next;
        self.next = self.next.wrapping_add(1);
        ordinal
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Ids are in logs and snapshots: the same (seed, ordinal) must give the same id in every build.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hex32(0, 0), "ddff5589ae57f98e710bcc9249206655");
        // The published vector of SipHash-2-4-128 for the key 00 01 .. 0f and no message.
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap_or_default());
        let published = SipHasher24::new_with_key(&key).finish128().as_bytes();
        assert_eq!(published[..8], [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6]);
        assert_eq!(published[8..], [0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93]);
    }

    #[test]
    fn a_source_counts() {
        let mut ids = Ids::new(7);
        assert_eq!((ids.hex32(), ids.uuid()), (hex32(7, 0), uuid(7, 1)));
        assert_eq!(ids.bits(), hash(7, 2));
    }

    #[test]
    fn ten_thousand_ids_of_one_seed_differ() {
        let ids: BTreeSet<String> = (0..10_000).map(|ordinal| hex32(42, ordinal)).collect();
        assert_eq!(ids.len(), 10_000);
        let numbers: BTreeSet<u64> = (0..10_000).map(|ordinal| deployment_number(42, ordinal)).collect();
        assert_eq!(numbers.len(), 10_000);
    }

    proptest! {
        #[test]
        fn shapes(seed: u128, ordinal: u32) {
            let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
            let id = hex32(seed, ordinal);
            prop_assert!(id.len() == 32 && is_hex(&id));
            let id = uuid(seed, ordinal);
            let groups: Vec<&str> = id.split('-').collect();
            prop_assert_eq!(groups.iter().map(|g| g.len()).collect::<Vec<_>>(), vec![8, 4, 4, 4, 12]);
            prop_assert!(groups.iter().all(|g| is_hex(g)) && groups[2].starts_with('4'));
            prop_assert!(groups[3].starts_with(['8', '9', 'a', 'b']));
            let digits = deployment_number(seed, ordinal).to_string().len();
            prop_assert!(digits == 19 || digits == 20);
            prop_assert_eq!(service_deployment_id(seed, ordinal).len(), 21);
        }

        #[test]
        fn another_seed_or_ordinal_is_another_id(a: (u128, u32), b: (u128, u32)) {
            prop_assert_eq!(a == b, hash(a.0, a.1) == hash(b.0, b.1));
        }
    }
}
