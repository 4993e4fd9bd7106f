//! The manifest's rules, restarts of the agent, and reports, each as a trace.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use drydock_engine::{FailureKind, Input, RuntimeError, RuntimeOp};
use drydock_proto::agent::{Delta, StopConfirm};
use expect_test::expect;
use world::{Mischief, START, World, arn, assigned, definition};

/// A world with one running task, its trace so far forgotten.
fn running() -> World {
    let mut world = World::new();
    world.assign("t", "app");
    world.run_until(1_000);
    world.trace();
    world
}

#[test]
fn what_a_manifest_lacks_is_stopped_only_once_that_is_confirmed() {
    let mut world = running();
    world.manifest.clear();
    world.send_manifest();
    world.run_until(12_000);
    let confirm =
        |sequence| StopConfirm { manifest_sequence: sequence, stop_task_arns: vec![arn("t")], ..Default::default() };
    world.input(Input::StopConfirm(confirm(1)));
    world.run_until(13_000);
    expect![[r#"
        1000 ask about t at 2
        1000 ack 2
        11000 ask about t at 2
    "#]]
    .assert_eq(&world.trace());
    world.input(Input::StopConfirm(confirm(2)));
    world.run_until(14_000);
    expect![[r#"
        13000 stop ef6f within 30000
        13000 report t STOPPING app:RUNNING
        13050 report t STOPPED app:STOPPED(0)
    "#]]
    .assert_eq(&world.trace());
}

#[test]
fn what_is_to_be_kept_is_kept() {
    let mut world = running();
    world.manifest.clear();
    world.send_manifest();
    let keep_task_arns = vec![arn("t")];
    world.input(Input::StopConfirm(StopConfirm { manifest_sequence: 2, keep_task_arns, ..Default::default() }));
    world.run_until(60_000);
    expect![[r#"
        1000 ask about t at 2
        1000 ack 2
    "#]]
    .assert_eq(&world.trace());
}

#[test]
fn a_confirmation_does_not_stop_what_the_manifest_has() {
    let mut world = running();
    let stop_task_arns = vec![arn("t")];
    world.input(Input::StopConfirm(StopConfirm { manifest_sequence: 1, stop_task_arns, ..Default::default() }));
    world.run_until(10_000);
    assert_eq!(world.trace(), "");
}

#[test]
fn a_delta_fits_or_the_manifest_is_asked_for() {
    let mut world = running();
    let delta = |from, to| Delta {
        from,
        to,
        upserts: vec![assigned("u", "RUNNING")],
        removed_task_arns: vec![],
        task_definitions: vec![definition("td/u", "app")],
    };
    world.input(Input::Delta(delta(5, 6)));
    world.run_until(7_000);
    world.input(Input::Delta(delta(1, 4)));
    world.input(Input::Delta(delta(1, 4)));
    world.run_until(8_000);
    expect![[r#"
        1000 want manifest, have 1
        6000 want manifest, have 1
        7000 pull u/app
        7000 report u ACTIVATING app:PENDING
        7000 ack 4
        7020 create u/app
        7020 start ca5a
        7050 report u RUNNING app:RUNNING
    "#]]
    .assert_eq(&world.trace());
}

#[test]
fn a_delta_without_its_definitions_is_not_taken() {
    let mut world = running();
    let upserts = vec![assigned("u", "RUNNING")];
    world.input(Input::Delta(Delta { from: 1, to: 2, upserts, ..Default::default() }));
    assert_eq!(world.trace(), "1000 want manifest, have 1\n");
    assert_eq!(world.engine.manifest().0, 1);
}

#[test]
fn an_old_manifest_is_dropped_but_for_a_session_s_first() {
    let mut world = running();
    world.sequence = 0;
    world.manifest.get_mut(&arn("t")).unwrap().0.desired_status = "STOPPED".into();
    world.input(Input::Manifest(drydock_proto::agent::Manifest::default()));
    assert_eq!(world.trace(), "");
    world.input(Input::SessionClosed);
    world.input(Input::SessionOpened);
    world.input(Input::Manifest(drydock_proto::agent::Manifest::default()));
    assert_eq!(world.trace(), "1000 ask about t at 0\n");
}

#[test]
fn a_restarted_agent_finds_its_containers_again() {
    for with_journal in [true, false] {
        let mut world = running();
        world.restart(with_journal);
        world.run_until(2_000);
        world.send_manifest();
        world.run_until(3_000);
        world.desire_stop("t");
        world.run_until(4_000);
        let trace = world.trace();
        assert!(!trace.contains("pull") && !trace.contains("start ") && !trace.contains("create"), "{trace}");
        assert!(trace.ends_with("3050 report t STOPPED app:STOPPED(0)\n"), "{trace}");
        let started = world.last_report("t").started_at;
        assert!(started.is_some());
    }
}

/// Nobody hears that a healthy task's health is unknown because its agent came back: there is nothing to tell.
#[test]
fn a_healthy_task_stays_healthy_over_a_restart() {
    let mut world = World::new();
    world.assign("t", "app{hc,healthy-after-ms=500}");
    world.run_until(3_000);
    assert!(world.trace().ends_with("report t RUNNING app:RUNNING HEALTHY\n"));
    world.now = START + 9_000;
    world.restart(true);
    world.run_until(12_000);
    expect![[r#"
        9000 agent restarts
    "#]]
    .assert_eq(&world.trace());
}

#[test]
fn what_ended_while_the_agent_was_away_is_told() {
    let mut world = World::new();
    world.assign("t", "app{run-for-ms=2000,exit-code=4}");
    world.run_until(1_000);
    world.trace();
    world.now = START + 9_000;
    world.restart(true);
    world.run_until(10_000);
    expect![[r#"
        9000 agent restarts
        9000 report t STOPPED app:STOPPED(4) EssentialContainerExited: Essential container in task exited
    "#]]
    .assert_eq(&world.trace());
}

#[test]
fn a_container_that_vanished_is_not_started_again() {
    let mut world = running();
    let runtime_id = world.table.rows().next().unwrap().runtime_id.clone();
    world.table.end(&RuntimeOp::Remove { runtime_id }, START).unwrap();
    world.input(Input::Resync);
    world.run_until(2_000);
    let trace = world.trace();
    assert!(trace.contains("app:STOPPED[CannotInspectContainerError: no such container"), "{trace}");
    assert!(!trace.contains("start "), "{trace}");
}

#[test]
fn without_a_session_nothing_is_sent_and_afterwards_all_is() {
    let mut world = World::new();
    world.assign("t", "app{run-for-ms=2000}");
    world.input(Input::SessionClosed);
    world.run_until(1_000);
    world.trace();
    world.acks_reports = false;
    world.run_until(5_000);
    world.input(Input::SessionOpened);
    world.run_until(11_000);
    world.input(Input::SessionOpened);
    world.run_until(12_000);
    expect![[r#"
        2030 inspect ef6f
        5000 report t STOPPED app:STOPPED(0) EssentialContainerExited: Essential container in task exited
        10000 report t STOPPED app:STOPPED(0) EssentialContainerExited: Essential container in task exited
        11000 report t STOPPED app:STOPPED(0) EssentialContainerExited: Essential container in task exited
    "#]]
    .assert_eq(&world.trace());
    let reports = &world.reports[&arn("t")];
    assert!(reports.windows(2).all(|two| two[0].sequence <= two[1].sequence));
    assert_eq!(reports[reports.len() - 1], reports[reports.len() - 2], "the same report again");
}

// rule: 2.1/state-pending
#[test]
fn a_task_waits_for_the_one_that_is_still_stopping() {
    let mut world = World::new();
    world.assign("a", "app{memory=4000,stop-ms=3000}");
    world.run_until(1_000);
    world.desire_stop("a");
    world.assign("b", "app{memory=4000}");
    world.run_until(10_000);
    let trace = world.trace();
    assert!(trace.contains("1000 report b PENDING"), "{trace}");
    assert!(trace.contains("4000 pull b/app"), "{trace}");
    world.assign("c", "app{memory=5000}");
    let trace = world.trace();
    assert!(trace.contains("report c STOPPED") && trace.contains("TaskFailedToStart"), "{trace}");
}

// rule: 2.1/stop-code-termination
#[test]
fn leaving_stops_and_removes_everything() {
    let mut world = running();
    world.input(Input::StopAll { reason: "bye".into() });
    assert!(!world.engine.is_empty());
    world.run_until(2_000);
    assert!(world.engine.is_empty());
    assert_eq!(world.table.rows().count(), 0);
    expect![[r#"
        1000 stop ef6f within 30000
        1000 report t STOPPING app:RUNNING TerminationNotice: bye
        1010 remove ef6f
        1010 forget t
        1050 report t STOPPED app:STOPPED(0) TerminationNotice: bye
    "#]]
    .assert_eq(&world.trace());
}

struct Away {
    until: u64,
    tries: u64,
}

impl Mischief for Away {
    fn fails(&mut self, _: &RuntimeOp) -> Option<RuntimeError> {
        self.tries += 1;
        let message = "connection refused".to_owned();
        (self.tries <= self.until).then_some(RuntimeError { kind: FailureKind::Unavailable, message })
    }
}

// rule: 2.1/reason-runtime-timeout, 2.1/pull-timeouts
#[test]
fn a_runtime_that_is_away_is_waited_for() {
    let mut world = World::with(Away { until: 6, tries: 0 });
    world.assign("t", "app");
    world.run_until(60_000);
    assert_eq!(world.last_report("t").last_status, "RUNNING");
    assert!(world.mischief.tries > 6);
    // Away for good: the pull's own time ends it.
    let mut world = World::with(Away { until: 1, tries: 0 });
    world.run_until(5_000);
    world.mischief.until = u64::MAX;
    world.assign("t", "app");
    world.run_until(3 * 3_600_000);
    let reason = "ContainerRuntimeTimeoutError: Could not transition to pulled; timed out after waiting 2h0m0s";
    assert_eq!(world.last_report("t").stopped_reason, reason);
}
