//! Tables and laws of managed scaling's decider (ecs-semantics §2.4).
#![allow(clippy::unwrap_used, reason = "tests read better so")]

use drydock_reconcile::capacity::scaling::{Facts, LOW_POINTS, POINT_MS, Policy, decide};
use drydock_state::row::ScalingFigures;
use proptest::prelude::*;

const POLICY: Policy = Policy { target_percent: 100, step_min: 1, step_max: 10_000, warmup_ms: 300_000 };

fn facts(running: u32, busy: u32, missing: u32) -> Facts {
    Facts { running, busy, missing }
}

// rule: 2.4/scaling-reservation, 2.4/scaling-out, 2.4/scaling-step
#[test]
fn the_first_decision() {
    for (facts, policy, needed, reservation, desired) in [
        (facts(0, 0, 0), POLICY, 0, 100, 0),
        (facts(0, 0, 1), POLICY, 1, 200, 2),
        (facts(0, 0, 9), POLICY, 9, 200, 2),
        (facts(0, 0, 9), Policy { step_min: 5, ..POLICY }, 9, 200, 2),
        (facts(4, 4, 0), POLICY, 4, 100, 4),
        (facts(4, 4, 3), POLICY, 7, 175, 7),
        (facts(4, 2, 3), POLICY, 7, 175, 7),
        (facts(4, 4, 3), Policy { step_max: 2, ..POLICY }, 7, 175, 6),
        (facts(4, 4, 1), Policy { step_min: 3, ..POLICY }, 5, 125, 7),
        (facts(4, 1, 0), POLICY, 1, 25, 4),
        (facts(9, 9, 0), Policy { target_percent: 90, ..POLICY }, 9, 100, 10),
        (facts(10, 9, 0), Policy { target_percent: 90, ..POLICY }, 9, 90, 10),
    ] {
        let figures = decide(None, facts, policy, 1_000);
        let found = (figures.needed, figures.reservation_percent, figures.desired);
        assert_eq!(found, (needed, reservation, desired), "{facts:?} {policy:?}");
    }
}

// rule: 2.4/scaling-in
#[test]
fn scaling_in_takes_15_points_and_at_most_half() {
    let mut figures = decide(None, facts(9, 1, 0), POLICY, 0);
    for point in 2..LOW_POINTS {
        let at = figures.next_at.unwrap();
        assert_eq!(at, u64::from(point - 1) * POINT_MS);
        assert_eq!(decide(Some(&figures), facts(9, 1, 0), POLICY, at - 1), figures, "a look in between is no point");
        figures = decide(Some(&figures), facts(9, 1, 0), POLICY, at);
        assert_eq!((figures.low_points, figures.desired), (point, 9));
    }
    let high = decide(Some(&figures), facts(9, 9, 0), POLICY, figures.next_at.unwrap());
    assert_eq!((high.low_points, high.desired), (0, 9), "one point at the target begins anew");
    figures = decide(Some(&figures), facts(9, 1, 0), POLICY, figures.next_at.unwrap());
    assert_eq!((figures.low_points, figures.desired, figures.next_at), (0, 5, None));
    assert_eq!(decide(Some(&figures), facts(9, 1, 0), POLICY, 1 << 30).desired, 5, "they must go first");
    let gone = decide(Some(&figures), facts(5, 1, 0), POLICY, 1 << 30);
    assert_eq!((gone.desired, gone.low_points), (5, 1));
}

// rule: 2.4/scaling-step
#[test]
fn instances_that_were_asked_for_count_while_they_warm_up() {
    let first = decide(None, facts(2, 2, 3), POLICY, 0);
    assert_eq!((first.desired, first.warm_until), (5, Some(300_000)));
    assert_eq!(decide(Some(&first), facts(2, 2, 3), POLICY, 10).desired, 5);
    assert_eq!(decide(Some(&first), facts(2, 2, 6), POLICY, 10).desired, 8, "more are needed");
    let enough = decide(Some(&first), facts(2, 1, 0), POLICY, 10);
    assert_eq!((enough.desired, enough.low_points), (5, 0), "nothing is given up meanwhile");
    let late = decide(Some(&first), facts(2, 2, 0), POLICY, 300_000);
    assert_eq!((late.desired, late.warm_until), (2, None), "they never came, and aren't needed");
}

fn any_facts() -> impl Strategy<Value = Facts> {
    (0_u32..50, 0_u32..50, 0_u32..50).prop_map(|(running, busy, missing)| Facts {
        running,
        busy: busy.min(running),
        missing,
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (1_u32..=100, 1_u32..20, 1_u32..40, 0_u64..10).prop_map(|(target_percent, step_min, step_max, minutes)| Policy {
        target_percent,
        step_min,
        step_max: step_max.max(step_min),
        warmup_ms: minutes * 60_000,
    })
}

proptest! {
    // rule: 2.4/scaling-step, 2.4/scaling-in
    /// Over any history: a step out keeps its bounds, a step in its half and its points, what waits has a deadline, and
    /// the same look twice changes nothing.
    #[test]
    fn every_step_keeps_its_bounds(policy in any_policy(), history in proptest::collection::vec((any_facts(), 1_u64..200_000), 1..60)) {
        let mut now = 0;
        let mut before: Option<ScalingFigures> = None;
        for (facts, pause) in history {
            now += pause;
            let figures = decide(before.as_ref(), facts, policy, now);
            let again = decide(Some(&figures), facts, policy, now);
            prop_assert_eq!(again, figures);
            let known = before.map_or(facts.running, |before| before.desired);
            if figures.desired > facts.running.max(known) {
                let step = figures.desired - facts.running;
                prop_assert!(facts.running == 0 || before.is_some_and(|b| b.warm_until > Some(now)) || step <= policy.step_max);
            }
            if figures.desired < facts.running && figures.desired != known {
                prop_assert!(facts.running - figures.desired <= (facts.running / 2).max(1));
                prop_assert!(figures.warm_until.is_none());
                prop_assert_eq!(before.map_or(0, |before| before.low_points), LOW_POINTS - 1);
            }
            prop_assert!(figures.low_points == 0 || figures.next_at.is_some());
            prop_assert!(figures.next_at.is_none_or(|at| at > now));
            before = Some(figures);
        }
    }
}
