//! When what happens: the scenario's events, the steps of its loads, and what follows from events.

use std::collections::BTreeMap;

use super::scenario::{InstanceGroup, Load, Scenario};
use super::{SAMPLES_MAX, units::Span};

/// Milliseconds from one step of a load to the next where the scenario doesn't say.
pub(crate) const FOLLOW_EVERY_MS: u64 = 60_000;
/// Milliseconds from a Spot notice to the end of the machine.
pub(crate) const NOTICE_MS: u64 = 120_000;
/// Shortest time between two samples, in milliseconds.
const SAMPLE_MS_MIN: u64 = 1_000;

/// What is to be done at a moment.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The scenario's event of this number.
    Event(usize),
    /// The desired count follows the load of this number.
    Follow(usize),
    /// A machine that had its notice goes.
    Go(usize),
    /// A machine joins.
    Join(Box<InstanceGroup>),
    /// How things stand is written down.
    Sample,
}

/// The acts to come, by time since the beginning; at one moment in the order in which they were put.
#[derive(Debug, Default)]
pub(crate) struct Script {
    acts: BTreeMap<(u64, u64), Act>,
    put: u64,
}

impl Script {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mut script = Self::default();
        for (number, event) in scenario.events.iter().enumerate() {
            script.put(event.at.0, Act::Event(number));
        }
        let until = scenario.until.0;
        for (number, load) in scenario.load.iter().enumerate() {
            let every = load.every.map_or(FOLLOW_EVERY_MS, |every| every.0.max(SAMPLE_MS_MIN));
            (0..=until / every).for_each(|step| script.put(step * every, Act::Follow(number)));
        }
        let every = until.div_ceil(SAMPLES_MAX).next_multiple_of(SAMPLE_MS_MIN).max(SAMPLE_MS_MIN);
        (0..=until / every).for_each(|step| script.put(step * every, Act::Sample));
        if !until.is_multiple_of(every) {
            script.put(until, Act::Sample);
        }
        script
    }

    pub(crate) fn put(&mut self, at: u64, act: Act) {
        self.put += 1;
        self.acts.insert((at, self.put), act);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Act)> {
        self.acts.pop_first().map(|((at, _), act)| (at, act))
    }
}

/// The load at a moment: on the straight line between the points before and after it.
fn load_at(load: &Load, at: Span) -> u64 {
    let before = load.points.iter().rev().find(|point| point.at <= at);
    let after = load.points.iter().find(|point| point.at > at);
    match (before, after) {
        (Some(a), Some(b)) => {
            let (way, whole) = (u128::from(at.0 - a.at.0), u128::from(b.at.0 - a.at.0));
            let part = |load: u64, share: u128| u128::from(load) * share / whole;
            u64::try_from(part(a.load, whole - way) + part(b.load, way)).unwrap_or(u64::MAX)
        }
        (Some(point), None) | (None, Some(point)) => point.load,
        (None, None) => 0,
    }
}

/// The desired count that a load asks for at a moment.
pub(crate) fn wanted(load: &Load, at: Span) -> u32 {
    let tasks = load_at(load, at).div_ceil(load.a_task_takes.max(1));
    u32::try_from(tasks).unwrap_or(u32::MAX).clamp(load.least, load.most.max(load.least))
}

#[cfg(test)]
mod tests {
    use super::{Load, Span, wanted};
    use crate::rehearsal::scenario::Point;

    #[test]
    fn a_load_asks_for_tasks() {
        let point = |at: u64, load: u64| Point { at: Span(at), load };
        let load = Load {
            service: "web".to_owned(),
            a_task_takes: 100,
            least: 2,
            most: 12,
            every: None,
            points: vec![point(1_000, 100), point(11_000, 1_100), point(20_000, 9_000)],
        };
        for (at, expected) in [(0, 2), (1_000, 2), (3_000, 3), (6_000, 6), (11_000, 11), (12_000, 12), (90_000, 12)] {
            assert_eq!(wanted(&load, Span(at)), expected, "{at}");
        }
    }
}
