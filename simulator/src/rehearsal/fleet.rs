//! The machines of a rehearsal: which there are, which run, and what they cost.

use std::collections::BTreeMap;

use super::prices;
use super::scenario::{ExpectNoTask, InstanceGroup, Reclaim, Serves, Which};
use super::units::Dollars;
use crate::world::Time;

/// Milliseconds of an hour.
const HOUR_MS: u128 = 3_600_000;

/// A machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) zone: String,
    /// As its group has it, for another of its kind.
    pub(crate) like: InstanceGroup,
    price: Dollars,
    /// Its place among the world's agents.
    pub(crate) agent: usize,
    /// Since when it runs; none while it doesn't.
    up_since: Option<Time>,
    up_ms: Time,
    /// It never comes back.
    pub(crate) gone: bool,
    /// It has had its notice.
    pub(crate) noticed: bool,
}

impl Machine {
    pub(crate) fn is_up(&self) -> bool {
        self.up_since.is_some()
    }

    pub(crate) fn up(&mut self, now: Time) {
        self.up_since.get_or_insert(now);
    }

    pub(crate) fn down(&mut self, now: Time) {
        self.up_ms += self.up_since.take().map_or(0, |since| now - since);
    }
}

/// All machines.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) machines: Vec<Machine>,
    /// How many had each group's name.
    named: BTreeMap<String, u32>,
}

impl Fleet {
    /// The name of the next machine of a group.
    fn name(&mut self, group: &str) -> String {
        let number = self.named.entry(group.to_owned()).or_default();
        *number += 1;
        format!("{group}-{number}")
    }

    /// One more machine, which doesn't run yet.
    pub(crate) fn add(&mut self, like: &InstanceGroup, agent: impl FnOnce(&str) -> usize) -> usize {
        let group = group_name(like).to_owned();
        let name = self.name(&group);
        let known = like.instance_type.as_deref().and_then(prices::find);
        let price =
            like.price_an_hour.or(known.map(|known| known.an_hour)).filter(|_| like.serves != Some(Serves::Fargate));
        self.machines.push(Machine {
            agent: agent(&name),
            name,
            group,
            zone: like.zone.clone(),
            like: like.clone(),
            price: price.unwrap_or_default(),
            up_since: None,
            up_ms: 0,
            gone: false,
            noticed: false,
        });
        self.machines.len() - 1
    }

    /// What the machines cost since the beginning.
    pub(crate) fn spent(&self, now: Time) -> Dollars {
        let of = |machine: &Machine| {
            let ms = machine.up_ms + machine.up_since.map_or(0, |since| now - since);
            u128::from(machine.price.0) * u128::from(ms)
        };
        let sum: u128 = self.machines.iter().map(of).sum();
        Dollars(u64::try_from(sum / HOUR_MS).unwrap_or(u64::MAX))
    }

    /// The rehearsal begins: what was before costs nothing.
    pub(crate) fn begin(&mut self, now: Time) {
        for machine in &mut self.machines {
            machine.up_ms = 0;
            machine.up_since = machine.up_since.map(|_| now);
        }
    }

    /// The places of those that fit.
    pub(crate) fn which(&self, which: &Which) -> Vec<usize> {
        let fits = |machine: &Machine| {
            !machine.gone
                && which.instance.as_ref().is_none_or(|name| *name == machine.name)
                && which.group.as_ref().is_none_or(|name| *name == machine.group)
                && which.zone.as_ref().is_none_or(|name| *name == machine.zone)
        };
        self.places(fits)
    }

    /// The places of Spot machines that may get their notice.
    pub(crate) fn reclaimable(&self, reclaim: &Reclaim) -> Vec<usize> {
        let which = Which { group: reclaim.group.clone(), zone: reclaim.zone.clone(), ..Which::default() };
        let spot = |place: &usize| {
            self.machines.get(*place).is_some_and(|machine| machine.like.spot && machine.is_up() && !machine.noticed)
        };
        self.which(&which).into_iter().filter(spot).collect()
    }

    fn places(&self, fits: impl Fn(&Machine) -> bool) -> Vec<usize> {
        self.machines.iter().enumerate().filter(|(_, machine)| fits(machine)).map(|(place, _)| place).collect()
    }
}

/// What a group's machines are called.
pub(crate) fn group_name(group: &InstanceGroup) -> &str {
    group.name.as_deref().unwrap_or(&group.zone)
}

/// CPU units and MiB of a group's machines.
pub(crate) fn room(group: &InstanceGroup) -> (u32, u32) {
    let known = group.instance_type.as_deref().and_then(prices::find);
    let of = |said: Option<u32>, known: Option<u32>| said.or(known).unwrap_or_default();
    (of(group.cpu, known.map(|row| row.cpu)), of(group.memory_mib, known.map(|row| row.memory_mib)))
}

/// Whether an expectation is about a machine, by its name and zone: names are the group's with a number behind.
pub(crate) fn is_about(expected: &ExpectNoTask, name: &str, zone: &str) -> bool {
    let group = name.rsplit_once('-').map_or(name, |(group, _)| group);
    expected.instance.as_ref().is_none_or(|wanted| wanted == name)
        && expected.group.as_ref().is_none_or(|wanted| wanted == group)
        && expected.zone.as_ref().is_none_or(|wanted| wanted == zone)
}
