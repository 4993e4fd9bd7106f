//! Whole nights in virtual time: a service reaches its count, faults of every kind pass, and afterwards all is as it was
//! asked for. A failing seed is replayed with `cargo run -p drydock-simulator --example campaign -- --seed N`.
#![allow(clippy::unwrap_used, reason = "a test")]

use drydock_simulator::{Bug, Fault, Plan, Random, night, shrink};

#[test]
fn on_a_calm_night_services_reach_their_count() {
    let figures = night(1, Plan::calm(), 60_000).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(figures.commits > 20 && figures.calls > 10, "{figures:?}");
    assert_eq!(figures.faults, 0);
}

#[test]
fn the_same_seed_gives_the_same_night() {
    let run = |seed| night(seed, Plan::of(&mut Random::new(seed)), 60_000).map(|figures| figures.trace);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn bad_nights_end_well() {
    for seed in 1..=8 {
        let plan = Plan::of(&mut Random::new(seed));
        night(seed, plan, 120_000).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

/// Nights that nobody has seen before. One that fails says its seed, which goes into [`bad_nights_end_well`] with the mending.
#[test]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the one place where a seed comes from outside")]
fn fresh_nights_end_well() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    for seed in (now.as_secs() << 8..).take(3) {
        let plan = Plan::of(&mut Random::new(seed));
        if let Err(violation) = night(seed, plan, 120_000) {
            panic!("{}", shrink(plan, 120_000, *violation));
        }
    }
}

#[test]
fn a_failing_night_is_made_smaller() {
    let plan = Plan { bug: Some(Bug::StaleRead), bad_every: 2_000, ..Plan::of(&mut Random::new(3)) };
    let violation = night(3, plan, 120_000).unwrap_err();
    let shrunk = shrink(plan, 120_000, (*violation).clone());
    assert_eq!(shrunk.violation.what.split(" entry").next(), violation.what.split(" entry").next());
    assert!(shrunk.bad_ms < 120_000, "{shrunk}");
    assert!(Fault::ALL.iter().any(|kind| shrunk.plan.spares(*kind)), "{shrunk}");
    let again = night(3, shrunk.plan, shrunk.bad_ms).unwrap_err();
    assert_eq!(*again, shrunk.violation, "it fails again, in the very same way");
    assert!(shrunk.to_string().starts_with("shrunk in "), "{shrunk}");
}

/// The first seed that shows a planted bug, and what it shows.
fn found(bug: Bug) -> (u64, String) {
    for seed in 1..=20 {
        let plan = Plan { bug: Some(bug), bad_every: 2_000, ..Plan::of(&mut Random::new(seed)) };
        if let Err(violation) = night(seed, plan, 120_000) {
            assert!(violation.story.lines().count() > 10, "a story goes with it");
            return (seed, violation.what);
        }
    }
    panic!("{bug:?} isn't found in 20 nights");
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    let (_, what) = found(Bug::AcknowledgeBeforeSync);
    assert!(what.contains("acknowledged") || what.contains("another entry"), "{what}");
}

#[test]
fn a_stale_read_is_found() {
    let (_, what) = found(Bug::StaleRead);
    assert!(what.contains("a strong read is answered by entry"), "{what}");
}

#[test]
fn a_replica_that_leaves_an_entry_out_is_found() {
    let (_, what) = found(Bug::EntrySkipped);
    assert!(what.contains("another state") || what.contains("controller 2"), "{what}");
}

#[test]
fn a_snapshot_that_is_older_than_it_says_is_found() {
    let (_, what) = found(Bug::StaleSnapshot);
    assert!(what.contains("another state") || what.contains("entry"), "{what}");
}

#[test]
fn a_report_that_is_acknowledged_and_not_committed_is_found() {
    let (_, what) = found(Bug::ReportsLost);
    assert!(what.contains("not quiet"), "{what}");
}
