//! A table: an ordered persistent map of `Arc`s, with a digest kept up to date at each put and remove.
//!
//! The digest is the wrapping sum of the rows' hashes, so that the order of changes doesn't matter and one change costs
//! one hash. A row's hash is SipHash-1-3 over its encoding, keyed with the table's number; the parts of it that are large
//! and seldom change (an instance's attributes, a service's configuration) are hashed when they change, tags one by one.

use std::fmt::Debug;
use std::hash::Hasher as _;
use std::ops::RangeBounds;
use std::sync::Arc;

use imbl::OrdMap;
use prost::Message as _;
use siphasher::sip::SipHasher13;

use crate::codec::WireRow;

/// What a table holds.
pub(crate) trait Row: WireRow + Clone + Debug + PartialEq {
    /// Where it is found.
    type Key: Ord + Clone + Debug;

    /// Its place.
    fn key(&self) -> Self::Key;

    /// The digest of its large parts that seldom change; 0 where it has none.
    fn fixed_digest(&self) -> u64 {
        self.to_wire_fixed().map_or(0, |fixed| digest_of(Self::TABLE, &fixed.encode_to_vec()))
    }

    /// Its digest, with that of those parts.
    fn digest(&self, fixed: u64) -> u64 {
        let mut bytes = self.to_wire_live().encode_to_vec();
        bytes.extend(fixed.to_le_bytes());
        bytes.extend(self.digest_of_parts().to_le_bytes());
        digest_of(Self::TABLE, &bytes)
    }
}

/// The digest of bytes in a domain of their own.
pub(crate) fn digest_of(domain: u8, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(u64::from(domain), 0);
    hasher.write(bytes);
    hasher.finish()
}

#[derive(Debug, Clone, PartialEq)]
struct Slot<R> {
    row: Arc<R>,
    digest: u64,
    fixed: u64,
}

/// Rows by key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table<R: Row> {
    rows: OrdMap<R::Key, Slot<R>>,
    digest: u64,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: OrdMap::new(), digest: 0 }
    }
}

impl<R: Row> Table<R> {
    pub(crate) fn get(&self, key: &R::Key) -> Option<&Arc<R>> {
        self.rows.get(key).map(|slot| &slot.row)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<R>> {
        self.rows.values().map(|slot| &slot.row)
    }

    pub(crate) fn range<B: RangeBounds<R::Key>>(&self, range: B) -> impl DoubleEndedIterator<Item = &Arc<R>> {
        self.rows.range(range).map(|(_, slot)| &slot.row)
    }

    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Puts a row in its place; returns the one that was there.
    pub(crate) fn put(&mut self, row: Arc<R>) -> Option<Arc<R>> {
        let key = row.key();
        let earlier = self.rows.get(&key).filter(|slot| row.shares_fixed(&slot.row));
        let fixed = earlier.map_or_else(|| row.fixed_digest(), |slot| slot.fixed);
        let digest = row.digest(fixed);
        self.digest = self.digest.wrapping_add(digest);
        let old = self.rows.insert(key, Slot { row, digest, fixed })?;
        self.digest = self.digest.wrapping_sub(old.digest);
        Some(old.row)
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: &R::Key) -> Option<Arc<R>> {
        let old = self.rows.remove(key)?;
        self.digest = self.digest.wrapping_sub(old.digest);
        Some(old.row)
    }
}

macro_rules! row {
    ($row:ty, $key:ty, |$it:ident| $get:expr) => {
        impl Row for $row {
            type Key = $key;

            fn key(&self) -> $key {
                let $it = self;
                $get
            }
        }
    };
}

mod rows {
    use super::Row;
    use crate::key::{
        CapacityProviderKey, ClusterId, DefinitionKey, DeploymentKey, FamilyKey, InstanceKey, RevisionKey, ScalingKey,
        ServiceKey, SubnetKey, TaskKey, TaskSetKey, TokenKey,
    };
    use crate::row::{
        AccountSettingKey, AccountSettingRow, CapacityProviderRow, ClusterRow, CostKey, CostRow, DefinitionRow,
        DeploymentRow, FamilyRow, InstanceRow, RevisionRow, ScalingRow, ServiceEventsRow, ServiceRow, SubnetRow,
        TaskRow, TaskSetRow, TokenRow,
    };

    row!(AccountSettingRow, AccountSettingKey, |row| row.key.clone());
    row!(CostRow, CostKey, |row| row.key);
    row!(ClusterRow, ClusterId, |row| row.id);
    row!(FamilyRow, FamilyKey, |row| row.key.clone());
    row!(DefinitionRow, DefinitionKey, |row| row.key.clone());
    row!(InstanceRow, InstanceKey, |row| row.key);
    row!(ServiceRow, ServiceKey, |row| row.key);
    row!(ServiceEventsRow, ServiceKey, |row| row.key);
    row!(DeploymentRow, DeploymentKey, |row| row.key);
    row!(RevisionRow, RevisionKey, |row| row.key);
    row!(TaskRow, TaskKey, |row| row.key);
    row!(TaskSetRow, TaskSetKey, |row| row.key);
    row!(TokenRow, TokenKey, |row| row.key.clone());
    row!(CapacityProviderRow, CapacityProviderKey, |row| row.key.clone());
    row!(ScalingRow, ScalingKey, |row| row.key.clone());
    row!(SubnetRow, SubnetKey, |row| row.key.clone());
}
