//! A failing night made smaller: less time, fewer machines, fewer kinds of faults, as long as it still fails in the same way.
//! What is left is what the failure needs, and its story is short enough to read.

use crate::faults::{Fault, Plan};
use crate::night::{Violation, night};

/// Nights that are tried at most; each is no longer than the one that failed.
const TRIES_MAX: u32 = 80;
/// Shortest time with faults, in milliseconds, that is tried.
const BAD_MS_MIN: u64 = 2_000;

/// What a failing night was made into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// What is left of its plan.
    pub plan: Plan,
    /// Milliseconds of virtual time with faults.
    pub bad_ms: u64,
    /// How it fails now: in the same way, with a story of its own.
    pub violation: Violation,
    /// Nights that were tried.
    pub tries: u32,
}

impl std::fmt::Display for Shrunk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept: Vec<&str> =
            Fault::ALL.iter().filter(|kind| !self.plan.spares(**kind)).map(|kind| kind.name()).collect();
        let Plan { controllers, agents, loss, doubled, broken, delay_most, sync_most, bad_every, .. } = self.plan;
        writeln!(
            out,
            "shrunk in {} nights: {} virtual ms, {controllers} controllers, {agents} agents, faults every {bad_every} ms of: {}",
            self.tries,
            self.bad_ms,
            if kept.is_empty() || bad_every == 0 { "none".to_owned() } else { kept.join(", ") }
        )?;
        writeln!(
            out,
            "of 1,000 messages {loss} lost, {doubled} doubled, {broken} breaking a stream; up to {delay_most} ms each way, {sync_most} ms a sync"
        )?;
        write!(out, "{}", self.violation)
    }
}

/// Makes a night smaller that failed with `violation`.
#[must_use]
pub fn shrink(plan: Plan, bad_ms: u64, violation: Violation) -> Shrunk {
    let mut found = Shrunk { plan, bad_ms, violation, tries: 0 };
    // What was no use before may be after others have gone.
    while smaller(&mut found) {}
    found
}

/// One round over all that could be left out; whether something was.
fn smaller(found: &mut Shrunk) -> bool {
    let before = (found.plan, found.bad_ms);
    while found.bad_ms / 2 >= BAD_MS_MIN && keeps(found, found.plan, found.bad_ms / 2) {}
    let drops: [fn(Plan) -> Plan; 7] = [
        |plan| Plan { bad_every: 0, ..plan },
        |plan| Plan { loss: 0, ..plan },
        |plan| Plan { doubled: 0, ..plan },
        |plan| Plan { broken: 0, ..plan },
        |plan| Plan { delay_most: 1, ..plan },
        |plan| Plan { sync_most: 1, ..plan },
        |plan| Plan { controllers: plan.controllers.min(3), ..plan },
    ];
    for drop in drops {
        keeps(found, drop(found.plan), found.bad_ms);
    }
    for kind in Fault::ALL {
        keeps(found, found.plan.sparing(kind), found.bad_ms);
    }
    while found.plan.agents > 1 && keeps(found, Plan { agents: found.plan.agents / 2, ..found.plan }, found.bad_ms) {}
    (found.plan, found.bad_ms) != before
}

/// Takes a smaller night in the place of the one that is there, if it fails in the same way.
fn keeps(found: &mut Shrunk, plan: Plan, bad_ms: u64) -> bool {
    if (plan, bad_ms) == (found.plan, found.bad_ms) || found.tries >= TRIES_MAX {
        return false;
    }
    found.tries += 1;
    match night(found.violation.seed, plan, bad_ms) {
        Err(violation) if kind(&violation.what) == kind(&found.violation.what) => {
            (found.plan, found.bad_ms, found.violation) = (plan, bad_ms, *violation);
            true
        }
        _ => false,
    }
}

/// What is violated, without the numbers and names of the single case.
fn kind(what: &str) -> String {
    let words = what.split_whitespace().filter(|word| !word.contains(|letter: char| letter.is_ascii_digit()));
    words.take(6).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn the_same_violation_of_other_entries_is_of_the_same_kind() {
        assert_eq!(
            kind("entry 17 of controller 2 gave another state"),
            kind("entry 4 of controller 1 gave another state")
        );
        assert_ne!(
            kind("entry 17 gave another state"),
            kind("not quiet within 600000 ms after the faults: nobody leads")
        );
    }
}
