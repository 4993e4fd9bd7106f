//! The zones in which a task could be placed: what tasks are spread over evenly (ecs-semantics §2.3).

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_model::rebalancing::ZONE;
use drydock_state::fleet::tree::{Room, Spot};

use super::ask::Ask;
use super::fleet::Fleet;
use super::placer::{meets, suits};

/// All spots of a tree.
const ALL: (Spot, Spot) =
    (Spot { first: 0, second: 0, id: 0 }, Spot { first: u32::MAX, second: u32::MAX, id: u128::MAX });

impl Fleet<'_> {
    /// Zones with an instance that tasks may be placed on and that could hold this one if it were empty: whether it has room
    /// now isn't asked.
    pub(crate) fn zones(&self, ask: &Ask<'_>) -> BTreeSet<Arc<str>> {
        let ask = Ask { distinct: false, ..ask.clone() };
        // Where instances of a class may differ in their zones, each is asked.
        let personal = self.index.is_personal(ZONE);
        let mut zones = BTreeSet::new();
        for (_, class) in self.index.classes() {
            let Some(example) = class.example().and_then(|example| self.row(example)) else { continue };
            let Some(certain) = suits(&ask, self, example) else { continue };
            if !personal && example.availability_zone().is_none_or(|zone| zones.contains(zone)) {
                continue;
            }
            let mut takes = |spot: Spot| {
                let row = self.row(spot.id).filter(|row| row.registered.fits(ask.needs).is_ok());
                let row = row.filter(|row| certain || meets(&ask, self, row));
                zones.extend(row.and_then(|row| row.availability_zone()).cloned());
                row.is_some() && !personal
            };
            class.by_cpu().first(ALL, Room::default(), &mut takes);
        }
        zones
    }
}
