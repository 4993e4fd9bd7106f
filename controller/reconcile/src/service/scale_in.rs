//! What a service's placement strategies say about who stops first (ecs-semantics §2.4): where a spread has the most
//! tasks, where `binpack` has the most left. Without strategies [`super::rolling`] has its own order.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_state::State;
use drydock_state::row::{InstanceRow, ServiceRow, TaskRow};

use super::rolling::Rank;
use crate::place::Strategy;

/// Ranks a service's tasks.
pub(super) struct Ranks<'a> {
    view: &'a State,
    strategies: Vec<Strategy>,
    /// Values of the attributes that are spread by, and instances, by number.
    crowds: BTreeMap<Crowd, u32>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Crowd {
    Instance(u128),
    /// A place among the strategies, and a value.
    Value(usize, Option<Arc<str>>),
}

impl<'a> Ranks<'a> {
    pub(super) fn of(view: &'a State, service: &ServiceRow) -> Self {
        let given = &service.document.placement_strategy;
        let strategies = if given.is_empty() { Vec::new() } else { Strategy::of(given) };
        Self { view, strategies, crowds: BTreeMap::new() }
    }

    /// `tie`: a number that is the task's through the step.
    pub(super) fn rank(&mut self, task: &TaskRow, tie: u64) -> Vec<Rank> {
        let row = task.instance_key().and_then(|key| self.view.instance(key)).map(|row| &**row);
        let Self { strategies, crowds, .. } = self;
        let ranks = strategies.iter().enumerate().map(|(at, strategy)| match strategy {
            Strategy::Random => Rank::Most(u32::try_from(tie >> 32).unwrap_or_default()),
            Strategy::SpreadInstance => number(crowds, Crowd::Instance(task.instance.unwrap_or_default())),
            Strategy::SpreadAttribute(name) => {
                number(crowds, Crowd::Value(at, row.and_then(|row| row.attribute(name)).cloned()))
            }
            Strategy::BinpackCpu => Rank::Most(row.map_or(0, |row| row.remaining.cpu)),
            Strategy::BinpackMemory => Rank::Most(row.map_or(0, |row: &InstanceRow| row.remaining.memory_mib)),
        });
        ranks.collect()
    }
}

fn number(crowds: &mut BTreeMap<Crowd, u32>, crowd: Crowd) -> Rank {
    let next = u32::try_from(crowds.len()).unwrap_or(u32::MAX);
    Rank::Crowd(*crowds.entry(crowd).or_insert(next))
}
