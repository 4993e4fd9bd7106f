//! The arithmetic of rolling services as tables, and its laws over random services (ecs-semantics §2.3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

use drydock_reconcile::service::rolling::{
    Generation, Moves, Shape, Slot, Stage, decide, lower_bound, make_room, upper_bound,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// `desired=4 min=50 max=100 | 4x source.healthy, target.starting@b/i2 stopping`
///
/// A slot is `[COUNTx] GENERATION.STAGE[@ZONE/INSTANCE] [displaced] [stopping] [protected]`.
fn parse(fixture: &str) -> (Shape, Vec<Slot<'_>>) {
    let (service, tasks) = fixture.split_once('|').unwrap();
    let word = |name: &str, default: u32| {
        let found = service.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.map_or(default, |value| value.parse().unwrap())
    };
    let desired = word("desired", 0);
    let shape = Shape {
        desired,
        lower: lower_bound(desired, word("min", 100)),
        upper: upper_bound(desired, word("max", 200)),
        target_may_start: word("start", 1) == 1,
        target_at_most: word("atmost", u32::MAX),
        launches: word("launches", u32::MAX),
        target_replaces: word("replaces", 1) == 1,
        source_may_start: tasks.contains("source"),
    };
    let mut slots = Vec::new();
    for text in tasks.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let mut words = text.split_whitespace().peekable();
        let count = words.next_if(|word| word.ends_with('x')).map_or(1, |w| w.trim_end_matches('x').parse().unwrap());
        let (what, place) = words.next().map(|word| word.split_once('@').unwrap_or((word, "a/i"))).unwrap();
        let (zone, instance) = place.split_once('/').unwrap();
        let (generation, stage) = what.split_once('.').unwrap();
        let marks: Vec<&str> = words.collect();
        for _ in 0..count {
            slots.push(Slot {
                generation: match generation {
                    "target" => Generation::Target,
                    "source" => Generation::Source,
                    "abandoned" => Generation::Abandoned,
                    other => panic!("{other}"),
                },
                stage: match stage {
                    "starting" => Stage::Starting,
                    "unhealthy" => Stage::Unhealthy,
                    "warming" => Stage::Warming,
                    "healthy" => Stage::Healthy,
                    other => panic!("{other}"),
                },
                displaced: marks.contains(&"displaced"),
                stopping: marks.contains(&"stopping"),
                protected: marks.contains(&"protected"),
                zone,
                instance: u128::from(instance.bytes().last().unwrap()),
                ranks: Vec::new(),
                share: None,
                tie: u64::try_from(slots.len()).unwrap(),
            });
        }
    }
    (shape, slots)
}

fn show(slots: &[Slot<'_>], moves: &Moves) -> String {
    let mut out = format!("start {}", moves.start_target);
    if moves.start_source > 0 {
        out += &format!(" source {}", moves.start_source);
    }
    if moves.held > 0 {
        out += &format!(" held {}", moves.held);
    }
    let stops: Vec<String> = moves
        .stop
        .iter()
        .map(|(at, why)| {
            let slot = &slots[*at];
            format!("{:?}.{:?}@{} {why:?}", slot.generation, slot.stage, slot.zone).to_lowercase()
        })
        .collect();
    if !stops.is_empty() {
        out += &format!(" stop {}", stops.join(", "));
    }
    if moves.guarded > 0 {
        out += &format!(" guarded {}", moves.guarded);
    }
    if moves.deadlock {
        out += " DEADLOCK";
    }
    out
}

fn check(fixtures: &str, expected: Expect) {
    let mut out = String::new();
    for fixture in fixtures.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (fixture, unplaced) = match fixture.split_once("unplaced=") {
            Some((fixture, count)) => (fixture, count.parse().unwrap()),
            None => (fixture, 0),
        };
        let (shape, slots) = parse(fixture);
        let mut moves = decide(shape, &slots);
        if unplaced > 0 {
            make_room(shape, &slots, unplaced, &mut moves);
        }
        out += &format!("{fixture}\n    {}\n", show(&slots, &moves));
    }
    expected.assert_eq(&out);
}

// rule: 2.3/breaker-trips
#[test]
fn a_deployment_that_was_given_up_replaces_nothing() {
    check(
        "
        desired=2 start=0 replaces=0 | 2x source.healthy, 2x target.healthy
        desired=2 start=0 replaces=0 | 3x source.healthy, target.healthy
        desired=2 start=0 replaces=0 | source.healthy, target.healthy
        desired=2 start=0 replaces=0 | source.healthy
        desired=2 start=0 replaces=0 | 3x target.healthy
        ",
        expect![[r#"
            desired=2 start=0 replaces=0 | 2x source.healthy, 2x target.healthy
                start 0
            desired=2 start=0 replaces=0 | 3x source.healthy, target.healthy
                start 0 stop source.healthy@a scaling
            desired=2 start=0 replaces=0 | source.healthy, target.healthy
                start 0
            desired=2 start=0 replaces=0 | source.healthy
                start 0 source 1
            desired=2 start=0 replaces=0 | 3x target.healthy
                start 0 stop target.healthy@a scaling
        "#]],
    );
}

#[test]
fn bounds_round_as_ecs_says() {
    for (desired, min, max, lower, upper) in [
        // rule: 2.3/lower-bound-stops-first
        // rule: 2.3/lower-bound-stops-first
        (4, 50, 200, 2, 8),
        // rule: 2.3/lower-bound-rounds-up
        // rule: 2.3/lower-bound-rounds-up
        (2, 75, 200, 2, 4),
        // rule: 2.3/upper-bound-rounds-down
        // rule: 2.3/upper-bound-rounds-down
        (3, 100, 125, 3, 3),
        (3, 50, 150, 2, 4),
        (0, 100, 200, 0, 0),
        (1, 0, 100, 0, 1),
        (u32::MAX, 100, 200, u32::MAX, u32::MAX),
    ] {
        assert_eq!((lower_bound(desired, min), upper_bound(desired, max)), (lower, upper), "{desired} {min} {max}");
    }
}

// rule: 2.3/upper-bound
#[test]
fn a_service_is_held_at_its_count() {
    check(
        "
        desired=3 |
        desired=3 | target.healthy, target.warming, target.starting
        desired=3 | 2x target.healthy
        desired=3 max=100 | 2x target.healthy, target.healthy stopping
        desired=3 start=0 | 2x target.healthy
        ",
        expect![[r#"
            desired=3 |
                start 3
            desired=3 | target.healthy, target.warming, target.starting
                start 0
            desired=3 | 2x target.healthy
                start 1
            desired=3 max=100 | 2x target.healthy, target.healthy stopping
                start 0 held 1
            desired=3 start=0 | 2x target.healthy
                start 0
        "#]],
    );
}

// rule: 2.3/stop-where-most
#[test]
fn scale_in_takes_the_least_ready_then_the_fullest_zone_then_the_fullest_instance() {
    check(
        "
        desired=2 | 2x target.healthy@a/1, target.starting@b/2
        desired=2 | target.healthy@a/1, target.warming@b/2, target.healthy@c/3
        desired=3 | 2x target.healthy@a/1, target.healthy@b/2, target.healthy@c/3
        desired=2 | target.healthy@a/1, 2x target.healthy@a/2
        desired=0 | 2x target.healthy, target.starting, target.healthy stopping
        ",
        expect![[r#"
            desired=2 | 2x target.healthy@a/1, target.starting@b/2
                start 0 stop target.starting@b scaling
            desired=2 | target.healthy@a/1, target.warming@b/2, target.healthy@c/3
                start 0 stop target.warming@b scaling
            desired=3 | 2x target.healthy@a/1, target.healthy@b/2, target.healthy@c/3
                start 0 stop target.healthy@a scaling
            desired=2 | target.healthy@a/1, 2x target.healthy@a/2
                start 0 stop target.healthy@a scaling
            desired=0 | 2x target.healthy, target.starting, target.healthy stopping
                start 0 stop target.starting@a scaling, target.healthy@a scaling, target.healthy@a scaling
        "#]],
    );
}

// rule: 2.3/lower-bound, 2.3/upper-bound
#[test]
fn a_deployment_rolls_within_its_bounds() {
    check(
        "
        desired=4 | 4x source.healthy
        desired=4 | 4x source.healthy, 4x target.starting
        desired=4 | 4x source.healthy, 3x target.warming, target.healthy
        desired=4 | 4x source.healthy, 4x target.healthy
        desired=4 | source.healthy stopping, 3x source.healthy, 4x target.healthy
        desired=4 min=50 max=100 | 4x source.healthy
        desired=4 min=50 max=100 | 2x source.healthy, 2x source.healthy stopping
        desired=4 min=50 max=100 | 2x source.healthy
        desired=4 min=50 max=100 | 2x source.healthy, 2x target.healthy
        desired=2 min=75 max=100 | 2x source.healthy
        desired=3 min=100 max=125 | 3x source.healthy
        desired=4 min=100 max=150 | 4x source.healthy
        desired=1 min=0 max=100 | source.healthy
        desired=1 min=0 max=200 | source.healthy
        desired=4 start=0 | 4x source.healthy
        ",
        expect![[r#"
            desired=4 | 4x source.healthy
                start 4
            desired=4 | 4x source.healthy, 4x target.starting
                start 0
            desired=4 | 4x source.healthy, 3x target.warming, target.healthy
                start 0 stop source.healthy@a scaling
            desired=4 | 4x source.healthy, 4x target.healthy
                start 0 stop source.healthy@a scaling, source.healthy@a scaling, source.healthy@a scaling, source.healthy@a scaling
            desired=4 | source.healthy stopping, 3x source.healthy, 4x target.healthy
                start 0 stop source.healthy@a scaling, source.healthy@a scaling, source.healthy@a scaling
            desired=4 min=50 max=100 | 4x source.healthy
                start 0 held 4 stop source.healthy@a scaling, source.healthy@a scaling
            desired=4 min=50 max=100 | 2x source.healthy, 2x source.healthy stopping
                start 0 held 4
            desired=4 min=50 max=100 | 2x source.healthy
                start 2 held 2
            desired=4 min=50 max=100 | 2x source.healthy, 2x target.healthy
                start 0 held 2 stop source.healthy@a scaling, source.healthy@a scaling
            desired=2 min=75 max=100 | 2x source.healthy
                start 0 held 2 DEADLOCK
            desired=3 min=100 max=125 | 3x source.healthy
                start 0 held 3 DEADLOCK
            desired=4 min=100 max=150 | 4x source.healthy
                start 2 held 2
            desired=1 min=0 max=100 | source.healthy
                start 0 held 1 stop source.healthy@a scaling
            desired=1 min=0 max=200 | source.healthy
                start 1
            desired=4 start=0 | 4x source.healthy
                start 0
        "#]],
    );
}

// rule: 2.3/unhealthy-same-revision
#[test]
fn what_never_served_is_not_kept() {
    check(
        "
        desired=3 | 3x abandoned.starting
        desired=3 | 3x source.healthy, 2x abandoned.starting, abandoned.unhealthy
        desired=3 | 2x source.healthy, source.starting, 3x target.starting
        desired=3 | 2x source.healthy, 3x target.starting
        desired=3 | 2x source.healthy, 3x target.healthy
        desired=3 max=100 min=50 | source.healthy, 2x target.starting
        ",
        expect![[r#"
            desired=3 | 3x abandoned.starting
                start 3 stop abandoned.starting@a scaling, abandoned.starting@a scaling, abandoned.starting@a scaling
            desired=3 | 3x source.healthy, 2x abandoned.starting, abandoned.unhealthy
                start 0 held 3 stop abandoned.starting@a scaling, abandoned.starting@a scaling, abandoned.unhealthy@a unhealthy
            desired=3 | 2x source.healthy, source.starting, 3x target.starting
                start 0
            desired=3 | 2x source.healthy, 3x target.starting
                start 0 source 1
            desired=3 | 2x source.healthy, 3x target.healthy
                start 0 stop source.healthy@a scaling, source.healthy@a scaling
            desired=3 max=100 min=50 | source.healthy, 2x target.starting
                start 0 held 1
        "#]],
    );
}

// rule: 2.3/unhealthy-replaced-first, 2.3/unhealthy-stopped-when-healthy, 2.3/unhealthy-either
// rule: 2.3/unhealthy-one-at-a-time
#[test]
fn unhealthy_tasks_are_replaced_first_where_there_is_room() {
    check(
        "
        desired=1 | target.unhealthy
        desired=1 | target.unhealthy, target.starting
        desired=1 | target.unhealthy, target.healthy
        desired=1 | 2x target.unhealthy
        desired=2 max=100 | 2x target.unhealthy
        desired=2 max=100 | target.unhealthy, target.unhealthy stopping
        desired=2 max=100 | target.unhealthy, target.starting
        desired=4 max=125 | 4x target.unhealthy
        desired=4 max=125 | 4x target.unhealthy, target.starting
        desired=4 max=125 | 4x target.unhealthy, target.healthy
        desired=3 | 2x source.healthy, source.unhealthy, 3x target.starting
        ",
        expect![[r#"
            desired=1 | target.unhealthy
                start 1
            desired=1 | target.unhealthy, target.starting
                start 0
            desired=1 | target.unhealthy, target.healthy
                start 0 stop target.unhealthy@a unhealthy
            desired=1 | 2x target.unhealthy
                start 0 held 1 stop target.unhealthy@a unhealthy
            desired=2 max=100 | 2x target.unhealthy
                start 0 held 2 stop target.unhealthy@a unhealthy
            desired=2 max=100 | target.unhealthy, target.unhealthy stopping
                start 0 held 2
            desired=2 max=100 | target.unhealthy, target.starting
                start 0 held 1
            desired=4 max=125 | 4x target.unhealthy
                start 1 held 3
            desired=4 max=125 | 4x target.unhealthy, target.starting
                start 0 held 3
            desired=4 max=125 | 4x target.unhealthy, target.healthy
                start 0 held 3 stop target.unhealthy@a unhealthy
            desired=3 | 2x source.healthy, source.unhealthy, 3x target.starting
                start 0
        "#]],
    );
}

// rule: 2.4/drain-pending, 2.4/drain-running
#[test]
fn a_draining_instance_empties_within_the_bounds() {
    check(
        "
        desired=2 | target.healthy displaced, target.healthy
        desired=2 | target.healthy displaced, target.healthy, target.starting
        desired=2 | target.healthy displaced, 2x target.healthy
        desired=2 | target.starting displaced, target.healthy
        desired=4 min=50 max=100 | 4x target.healthy displaced
        desired=2 min=100 max=100 | target.healthy displaced, target.healthy
        ",
        expect![[r#"
            desired=2 | target.healthy displaced, target.healthy
                start 1
            desired=2 | target.healthy displaced, target.healthy, target.starting
                start 0
            desired=2 | target.healthy displaced, 2x target.healthy
                start 0 stop target.healthy@a draining
            desired=2 | target.starting displaced, target.healthy
                start 1 stop target.starting@a draining
            desired=4 min=50 max=100 | 4x target.healthy displaced
                start 0 held 4 stop target.healthy@a draining, target.healthy@a draining
            desired=2 min=100 max=100 | target.healthy displaced, target.healthy
                start 0 held 1 DEADLOCK
        "#]],
    );
}

// rule: 2.3/protection-obeyed
#[test]
fn protected_tasks_outlive_scale_in_and_deployments_but_not_their_health() {
    check(
        "
        desired=1 | target.healthy protected, target.healthy
        desired=1 | 3x target.healthy protected
        desired=2 | 2x source.healthy protected, 2x target.healthy
        desired=2 | source.healthy protected, source.healthy, 2x target.healthy
        desired=2 min=50 max=100 | 2x source.healthy protected
        desired=2 min=50 max=100 | source.healthy protected, source.healthy
        desired=2 | target.healthy displaced protected, 2x target.healthy
        desired=1 | target.unhealthy protected, target.healthy
        ",
        expect![[r#"
            desired=1 | target.healthy protected, target.healthy
                start 0 stop target.healthy@a scaling
            desired=1 | 3x target.healthy protected
                start 0 guarded 2
            desired=2 | 2x source.healthy protected, 2x target.healthy
                start 0 guarded 2
            desired=2 | source.healthy protected, source.healthy, 2x target.healthy
                start 0 stop source.healthy@a scaling guarded 1
            desired=2 min=50 max=100 | 2x source.healthy protected
                start 0 held 2 guarded 2
            desired=2 min=50 max=100 | source.healthy protected, source.healthy
                start 0 held 2 stop source.healthy@a scaling
            desired=2 | target.healthy displaced protected, 2x target.healthy
                start 0 guarded 1
            desired=1 | target.unhealthy protected, target.healthy
                start 0 stop target.unhealthy@a unhealthy
        "#]],
    );
}

#[test]
fn where_the_cluster_is_full_old_tasks_make_room_down_to_the_minimum() {
    check(
        "
        desired=4 min=50 | 4x source.healthy unplaced=4
        desired=4 min=100 | 4x source.healthy unplaced=4
        desired=4 min=50 | 2x source.healthy, 2x source.healthy stopping unplaced=4
        desired=4 min=75 | 4x source.healthy unplaced=1
        ",
        expect![[r#"
            desired=4 min=50 | 4x source.healthy 
                start 4 stop source.healthy@a scaling, source.healthy@a scaling
            desired=4 min=100 | 4x source.healthy 
                start 4
            desired=4 min=50 | 2x source.healthy, 2x source.healthy stopping 
                start 4
            desired=4 min=75 | 4x source.healthy 
                start 4 stop source.healthy@a scaling
        "#]],
    );
}

fn any_slot() -> impl Strategy<Value = Slot<'static>> {
    let generation =
        prop_oneof![3 => Just(Generation::Target), 2 => Just(Generation::Source), 1 => Just(Generation::Abandoned)];
    let stage = prop_oneof![
        2 => Just(Stage::Starting), 1 => Just(Stage::Unhealthy), 2 => Just(Stage::Warming), 4 => Just(Stage::Healthy)
    ];
    let place = (prop_oneof![Just("a"), Just("b"), Just("c")], 0_u128..4);
    let marks = (proptest::bool::weighted(0.15), proptest::bool::weighted(0.15), proptest::bool::weighted(0.15));
    (generation, stage, marks, place, any::<u64>()).prop_map(
        |(generation, stage, (displaced, stopping, protected), (zone, instance), tie)| Slot {
            generation,
            stage,
            displaced,
            stopping,
            protected: protected && !stopping,
            zone,
            instance,
            ranks: Vec::new(),
            share: None,
            tie,
        },
    )
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let percents = prop_oneof![
        Just((100, 200)),
        Just((50, 100)),
        Just((50, 200)),
        Just((0, 100)),
        Just((75, 150)),
        Just((100, 125))
    ];
    let launches = prop_oneof![3 => Just(u32::MAX), 1 => 1_u32..4];
    (0_u32..8, percents, proptest::bool::weighted(0.9), any::<bool>(), launches).prop_map(
        |(desired, (min, max), start, source, launches)| Shape {
            desired,
            lower: lower_bound(desired, min),
            upper: upper_bound(desired, max),
            target_may_start: start,
            target_at_most: u32::MAX,
            launches,
            target_replaces: true,
            source_may_start: source,
        },
    )
}

fn healthy(slots: &[Slot<'_>]) -> u32 {
    u32::try_from(slots.iter().filter(|slot| slot.stage == Stage::Healthy && !slot.stopping).count()).unwrap()
}

/// Carries the moves out.
fn carry_out<'a>(slots: &[Slot<'a>], moves: &Moves) -> Vec<Slot<'a>> {
    let mut after = slots.to_vec();
    for (at, _) in &moves.stop {
        assert!(!after[*at].stopping, "stopped twice");
        after[*at].stopping = true;
    }
    let new = |generation| Slot {
        generation,
        stage: Stage::Starting,
        displaced: false,
        stopping: false,
        protected: false,
        zone: "a",
        instance: 0,
        ranks: Vec::new(),
        share: None,
        tie: 0,
    };
    after.extend((0..moves.start_target).map(|_| new(Generation::Target)));
    after.extend((0..moves.start_source).map(|_| new(Generation::Source)));
    after
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Never above `upper` by a start, never below `lower` by a stop, and a second look changes nothing.
    // rule: 2.3/lower-bound, 2.3/upper-bound
    #[test]
    fn no_bound_is_crossed_and_deciding_twice_changes_nothing(
        shape in any_shape(),
        slots in proptest::collection::vec(any_slot(), 0..14),
    ) {
        let moves = decide(shape, &slots);
        let after = carry_out(&slots, &moves);
        let (before, now) = (healthy(&slots), healthy(&after));
        prop_assert!(now >= shape.lower.min(before), "{moves:?}");
        for (at, why) in &moves.stop {
            prop_assert!(!slots[*at].protected || slots[*at].stage == Stage::Unhealthy, "{why:?} of a protected task");
        }
        if after.len() > slots.len() {
            prop_assert!(after.len() <= usize::try_from(shape.upper).unwrap(), "{moves:?}");
        }
        let launched = moves.start_source + moves.start_target;
        prop_assert!(launched <= shape.launches, "{moves:?}");
        let again = decide(Shape { launches: shape.launches - launched, ..shape }, &after);
        let quiet = Moves {
            held: again.held,
            late: again.late,
            guarded: again.guarded,
            deadlock: again.deadlock,
            ..Moves::default()
        };
        prop_assert_eq!(&again, &quiet, "after {:?}", moves);
    }

    /// Whatever it begins with, a service whose tasks come up ends with its desired count of healthy target tasks and
    /// nothing else – or says that its configuration forbids it.
    #[test]
    fn it_ends(shape in any_shape(), slots in proptest::collection::vec(any_slot(), 0..14)) {
        let shape = Shape { target_may_start: true, ..shape };
        let mut slots = slots;
        for round in 0..60 {
            if round == 20 {
                // Protection ends.
                slots = slots.into_iter().map(|slot| Slot { protected: false, ..slot }).collect();
            }
            let moves = decide(shape, &slots);
            if moves.deadlock {
                prop_assert!(shape.upper <= shape.lower.max(shape.desired));
                return Ok(());
            }
            let after = carry_out(&slots, &moves);
            slots = after.into_iter().filter(|slot| !slot.stopping).map(come_up).collect();
        }
        let done = slots.iter().all(|slot| slot.generation == Generation::Target && slot.stage == Stage::Healthy);
        prop_assert!(done && slots.len() == usize::try_from(shape.desired).unwrap(), "{slots:?}");
    }
}

fn come_up(slot: Slot<'_>) -> Slot<'_> {
    let stage = match slot.stage {
        Stage::Starting => Stage::Warming,
        Stage::Warming => Stage::Healthy,
        other => other,
    };
    Slot { stage, ..slot }
}
