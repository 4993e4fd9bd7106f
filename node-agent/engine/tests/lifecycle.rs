//! A task's life as a trace: what the engine does and reports, for each kind of life.

#![allow(clippy::needless_pass_by_value, reason = "a snapshot is written where it is used")]

mod world;

use expect_test::{Expect, expect};
use world::{START, World};

/// Runs one task for a while, stopping it by order of the controllers where asked, and shows the trace.
fn check(containers: &str, stop_at: Option<u64>, until: u64, expected: Expect) {
    let mut world = World::new();
    world.assign("t", containers);
    if let Some(at) = stop_at {
        world.run_until(at);
        world.desire_stop("t");
    }
    world.run_until(until);
    expected.assert_eq(&world.trace());
}

// rule: 2.1/state-running, 2.1/state-stopping, 2.1/state-stopped, 2.1/stop-timeout-agent
// rule: 2.1/backend-container-states
#[test]
fn one_container_runs_and_is_stopped() {
    check(
        "app",
        Some(5_000),
        6_000,
        expect![[r#"
            0 report t PENDING app:PENDING
            0 pull t/app
            0 ack 1
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            5000 stop ef6f within 30000
            5000 report t STOPPING app:RUNNING
            5000 ack 2
            5050 report t STOPPED app:STOPPED(0)
        "#]],
    );
}

// rule: 2.1/essential-exit-stops-all, 2.1/reason-essential-exited, 2.1/stop-code-essential-exited
#[test]
fn an_essential_exit_stops_the_others_in_reverse_order() {
    check(
        "app<proxy:START{run-for-ms=1000,exit-code=3} proxy log!",
        None,
        3_000,
        expect![[r#"
            0 report t PENDING app:PENDING proxy:PENDING log:PENDING
            0 pull t/proxy
            0 pull t/log
            0 ack 1
            20 create t/proxy
            20 create t/log
            20 start 5c43
            20 start 5b6d
            30 pull t/app
            50 create t/app
            50 report t ACTIVATING app:PENDING proxy:RUNNING log:RUNNING
            50 start ef6f
            100 report t RUNNING app:RUNNING proxy:RUNNING log:RUNNING
            1060 inspect ef6f
            1060 stop 5c43 within 30000
            1060 stop 5b6d within 30000
            1060 report t STOPPING app:STOPPED(3) proxy:RUNNING log:RUNNING EssentialContainerExited: Essential container in task exited
            1110 report t STOPPED app:STOPPED(3) proxy:STOPPED(0) log:STOPPED(0) EssentialContainerExited: Essential container in task exited
        "#]],
    );
}

// rule: 2.1/essential-default
#[test]
fn a_container_that_is_not_essential_may_end() {
    check(
        "app job!{run-for-ms=500,exit-code=1}",
        None,
        3_000,
        expect![[r#"
            0 report t PENDING app:PENDING job:PENDING
            0 pull t/app
            0 pull t/job
            0 ack 1
            20 create t/app
            20 create t/job
            20 start ef6f
            20 start e62d
            50 report t RUNNING app:RUNNING job:RUNNING
            530 inspect e62d
            530 report t RUNNING app:RUNNING job:STOPPED(1)
        "#]],
    );
}

// rule: 2.1/depends-success, 2.1/task-status-is-least, 2.1/state-activating
#[test]
fn success_is_waited_for() {
    check(
        "app<init:SUCCESS init!{run-for-ms=300}",
        None,
        1_000,
        expect![[r#"
            0 report t PENDING app:PENDING init:PENDING
            0 pull t/init
            0 ack 1
            20 create t/init
            20 start 9b76
            50 report t ACTIVATING app:PENDING init:RUNNING
            330 inspect 9b76
            330 pull t/app
            330 report t ACTIVATING app:PENDING init:STOPPED(0)
            350 create t/app
            350 start ef6f
            380 report t RUNNING app:RUNNING init:STOPPED(0)
        "#]],
    );
}

// rule: 2.1/depends-never-satisfied, 2.1/stop-code-failed-to-start
#[test]
fn a_dependency_that_cannot_come_true_ends_the_task() {
    check(
        "app<init:SUCCESS init!{run-for-ms=300,exit-code=9}",
        None,
        1_000,
        expect![[r#"
            0 report t PENDING app:PENDING init:PENDING
            0 pull t/init
            0 ack 1
            20 create t/init
            20 start 9b76
            50 report t ACTIVATING app:PENDING init:RUNNING
            330 inspect 9b76
            330 report t STOPPED app:STOPPED[CannotStartContainerError: dependency init of container app exited with code 9] init:STOPPED(9) TaskFailedToStart: CannotStartContainerError: dependency init of container app exited with code 9
        "#]],
    );
}

// rule: 2.1/start-timeout
#[test]
fn a_start_timeout_ends_the_task() {
    check(
        "app<db:HEALTHY db{hc,start=2,healthy-after-ms=60000}",
        None,
        5_000,
        expect![[r#"
            0 report t PENDING app:PENDING db:PENDING
            0 pull t/db
            0 ack 1
            20 create t/db
            20 start ce4f
            50 report t ACTIVATING app:PENDING db:RUNNING
            2030 stop ce4f within 30000
            2030 report t STOPPING app:STOPPED[CannotStartContainerError: dependency db of container app wasn't HEALTHY within its start timeout of 2s] db:RUNNING TaskFailedToStart: CannotStartContainerError: dependency db of container app wasn't HEALTHY within its start timeout of 2s
            2080 report t STOPPED app:STOPPED[CannotStartContainerError: dependency db of container app wasn't HEALTHY within its start timeout of 2s] db:STOPPED(0) TaskFailedToStart: CannotStartContainerError: dependency db of container app wasn't HEALTHY within its start timeout of 2s
        "#]],
    );
}

// rule: 2.1/depends-healthy
#[test]
fn health_is_folded_and_waited_for() {
    check(
        "app<db:HEALTHY db{hc,healthy-after-ms=700,unhealthy-after-ms=2000}",
        None,
        3_000,
        expect![[r#"
            0 report t PENDING app:PENDING db:PENDING
            0 pull t/db
            0 ack 1
            20 create t/db
            20 start ce4f
            50 report t ACTIVATING app:PENDING db:RUNNING
            730 inspect ce4f
            730 pull t/app
            730 report t ACTIVATING app:PENDING db:RUNNING HEALTHY
            750 create t/app
            750 start ef6f
            780 report t RUNNING app:RUNNING db:RUNNING HEALTHY
            2030 inspect ce4f
            2030 report t RUNNING app:RUNNING db:RUNNING UNHEALTHY
        "#]],
    );
}

// rule: 2.1/reason-cannot-pull, 2.1/stop-code-failed-to-start
#[test]
fn pull_errors() {
    check(
        "app{pull-error=manifest.unknown} side",
        None,
        1_000,
        expect![[r#"
        0 report t PENDING app:PENDING side:PENDING
        0 pull t/app
        0 pull t/side
        0 ack 1
        20 cancel
        50 report t STOPPED app:STOPPED[CannotPullContainerError: manifest.unknown] side:STOPPED TaskFailedToStart: CannotPullContainerError: manifest.unknown
    "#]],
    );
}

// rule: 2.1/reason-cannot-create
#[test]
fn create_errors() {
    check(
        "app{create-error=no.such.device}",
        None,
        1_000,
        expect![[r#"
        0 report t PENDING app:PENDING
        0 pull t/app
        0 ack 1
        20 create t/app
        50 report t STOPPED app:STOPPED[CannotCreateContainerError: no.such.device] TaskFailedToStart: CannotCreateContainerError: no.such.device
    "#]],
    );
}

// rule: 2.1/reason-cannot-start
#[test]
fn start_errors() {
    check(
        "app{start-error=exec:.not.found} side",
        None,
        1_000,
        expect![[r#"
            0 report t PENDING app:PENDING side:PENDING
            0 pull t/app
            0 pull t/side
            0 ack 1
            20 create t/app
            20 create t/side
            20 start ef6f
            20 start 1ea1
            30 stop 1ea1 within 30000
            50 report t STOPPED app:STOPPED[CannotStartContainerError: exec:.not.found] side:STOPPED(0) TaskFailedToStart: CannotStartContainerError: exec:.not.found
        "#]],
    );
}

// rule: 2.1/reason-out-of-memory
#[test]
fn out_of_memory() {
    check(
        "app{kill-after-ms=400}",
        None,
        1_000,
        expect![[r#"
            0 report t PENDING app:PENDING
            0 pull t/app
            0 ack 1
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            430 inspect ef6f
            430 report t STOPPED app:STOPPED(137)[OutOfMemoryError: Container killed due to memory usage] EssentialContainerExited: Essential container in task exited
        "#]],
    );
}

// rule: 2.1/state-stopping, 2.1/stop-timeout
#[test]
fn what_ignores_sigterm_is_killed_after_its_stop_timeout() {
    check(
        "app{stop=5,stop-ms=60000}",
        Some(1_000),
        10_000,
        expect![[r#"
            0 report t PENDING app:PENDING
            0 pull t/app
            0 ack 1
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            1000 stop ef6f within 5000
            1000 report t STOPPING app:RUNNING
            1000 ack 2
            6000 report t STOPPED app:STOPPED(137)
        "#]],
    );
}

#[test]
fn a_stop_during_the_pull_abandons_it() {
    check(
        "app{pull-ms=60000}",
        Some(1_000),
        2_000,
        expect![[r#"
        0 report t PENDING app:PENDING
        0 pull t/app
        0 ack 1
        50 report t ACTIVATING app:PENDING
        1000 cancel
        1000 report t STOPPED app:STOPPED
        1000 ack 2
    "#]],
    );
}

// rule: 2.1/state-provisioning, 2.1/state-deprovisioning
#[test]
fn awsvpc_tasks_get_a_network_first_and_give_it_back_last() {
    check(
        "network=awsvpc app",
        Some(1_000),
        2_000,
        expect![[r#"
            0 report t PROVISIONING app:PENDING
            0 network for t
            0 ack 1
            0 pull t/app
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            1000 stop ef6f within 30000
            1000 report t STOPPING app:RUNNING
            1000 ack 2
            1010 release network of t
            1050 report t STOPPED app:STOPPED(0)
        "#]],
    );
}

// rule: 2.1/restart-after-period, 2.1/restart-count, 2.1/restart-essential-lives
#[test]
fn a_restart_policy_restarts_what_ran_long_enough() {
    check(
        "app{restart=60,run-for-ms=61000,exit-code=1}",
        None,
        150_000,
        expect![[r#"
            0 report t PENDING app:PENDING
            0 pull t/app
            0 ack 1
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            61030 inspect ef6f
            61030 start ef6f
            61040 report t RUNNING app:RUNNING restarted 1
            122040 inspect ef6f
            122040 start ef6f
            122050 report t RUNNING app:RUNNING restarted 2
        "#]],
    );
}

// rule: 2.1/restart-after-period
#[test]
fn a_restart_policy_leaves_what_ran_too_short() {
    check(
        "app{restart=60,run-for-ms=1000,exit-code=1}",
        None,
        5_000,
        expect![[r#"
            0 report t PENDING app:PENDING
            0 pull t/app
            0 ack 1
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            1030 inspect ef6f
            1030 report t STOPPED app:STOPPED(1) EssentialContainerExited: Essential container in task exited
        "#]],
    );
}

// rule: 2.1/task-cleanup-wait
#[test]
fn containers_are_removed_in_the_end() {
    check(
        "app{run-for-ms=1000}",
        None,
        70_000,
        expect![[r#"
            0 report t PENDING app:PENDING
            0 pull t/app
            0 ack 1
            20 create t/app
            20 start ef6f
            50 report t RUNNING app:RUNNING
            1030 inspect ef6f
            1030 report t STOPPED app:STOPPED(0) EssentialContainerExited: Essential container in task exited
            61030 remove ef6f
            61030 forget t
        "#]],
    );
}

// rule: 2.1/state-pending
#[test]
fn a_task_waits_for_its_share_of_the_host_in_pending() {
    let mut world = World::new();
    world.assign("a", "app{memory=4000}");
    world.run_until(1_000);
    world.assign("b", "app{memory=4000}");
    world.run_until(60_000);
    assert_eq!(world.last_report("b").last_status, "PENDING");
}

// rule: 2.1/timestamps-start, 2.1/timestamps-stop
#[test]
fn moments_are_told_in_their_order() {
    let mut world = World::new();
    world.assign("t", "app job!{pull-ms=500}");
    world.run_until(1_000);
    world.desire_stop("t");
    world.run_until(2_000);
    let report = world.last_report("t").clone();
    let of = |at: Option<prost_types::Timestamp>| drydock_engine::millis(at.as_ref()).unwrap() - START;
    let moments = [
        report.pull_started_at,
        report.pull_stopped_at,
        report.started_at,
        report.stopping_at,
        report.execution_stopped_at,
        report.stopped_at,
    ];
    // The last pull's end, and the last container's start.
    assert_eq!(moments.map(of), [0, 500, 510, 1_000, 1_010, 1_010]);
}

// rule: 2.1/depends-reverse-at-stop
#[test]
fn a_stop_goes_the_other_way_round_than_the_start() {
    check(
        "app<proxy:START proxy<net:HEALTHY net{hc,healthy-after-ms=100}",
        Some(2_000),
        3_000,
        expect![[r#"
        0 report t PENDING app:PENDING proxy:PENDING net:PENDING
        0 pull t/net
        0 ack 1
        20 create t/net
        20 start 1068
        50 report t ACTIVATING app:PENDING proxy:PENDING net:RUNNING
        130 inspect 1068
        130 pull t/proxy
        130 report t ACTIVATING app:PENDING proxy:PENDING net:RUNNING HEALTHY
        150 create t/proxy
        150 start 5c43
        160 pull t/app
        180 create t/app
        180 report t ACTIVATING app:PENDING proxy:RUNNING net:RUNNING HEALTHY
        180 start ef6f
        230 report t RUNNING app:RUNNING proxy:RUNNING net:RUNNING HEALTHY
        2000 stop ef6f within 30000
        2000 report t STOPPING app:RUNNING proxy:RUNNING net:RUNNING HEALTHY
        2000 ack 2
        2010 stop 5c43 within 30000
        2020 stop 1068 within 30000
        2050 report t STOPPED app:STOPPED(0) proxy:STOPPED(0) net:STOPPED(0) HEALTHY
    "#]],
    );
}

// rule: 2.1/depends-complete, 2.1/start-timeout
#[test]
fn a_condition_without_a_start_timeout_may_take_long() {
    // Eleven minutes: longer than any start may take.
    let mut world = World::new();
    world.assign("t", "app<init:COMPLETE init!{run-for-ms=660000,exit-code=1}");
    world.run_until(659_000);
    assert_eq!(world.last_report("t").last_status, "ACTIVATING");
    world.run_until(661_000);
    assert_eq!(world.last_report("t").last_status, "RUNNING");
    // But not for ever.
    let mut world = World::new();
    world.assign("t", "app<init:COMPLETE init!");
    world.run_until(3 * 3_600_000 + 1_000);
    let reason = "CannotStartContainerError: dependency init of container app wasn't COMPLETE within its start timeout of 3h0m0s";
    assert_eq!(world.last_report("t").stopped_reason, reason);
}

// rule: 2.1/restart-ignored-codes
#[test]
fn an_exit_code_to_ignore_is_no_reason_to_restart() {
    for (code, status) in [(77, "STOPPED"), (78, "RUNNING")] {
        let mut world = World::new();
        world.assign("t", &format!("app{{restart=60,run-for-ms=61000,exit-code={code}}}"));
        world.run_until(70_000);
        assert_eq!(world.last_report("t").last_status, status, "{code}");
    }
}

// rule: 2.1/restart-count
#[test]
fn a_container_that_is_not_essential_is_restarted_too() {
    let mut world = World::new();
    world.assign("t", "app job!{restart=60,run-for-ms=61000}");
    world.run_until(130_000);
    let report = world.last_report("t");
    let restarts: Vec<u32> = report.containers.iter().map(|one| one.restart_count).collect();
    assert_eq!((report.last_status.as_str(), restarts), ("RUNNING", vec![0, 2]));
}

// rule: 2.1/task-health, 2.1/task-health-essential-only, 2.1/health-unknown
#[test]
fn a_task_is_as_healthy_as_its_essential_containers_with_checks() {
    use drydock_proto::ecs::HealthStatus::{Healthy, Unhealthy, Unknown};
    for (containers, expected) in [
        ("app", Unknown),
        ("app{hc,healthy-after-ms=100}", Healthy),
        ("app{hc,healthy-after-ms=90000}", Unknown),
        ("app{hc,unhealthy-after-ms=100}", Unhealthy),
        ("app{hc,healthy-after-ms=100} b", Healthy),
        ("app{hc,healthy-after-ms=100} b!{hc,unhealthy-after-ms=100}", Healthy),
        ("app{hc,healthy-after-ms=100} b{hc,healthy-after-ms=90000}", Unknown),
        ("app{hc,healthy-after-ms=90000} b{hc,unhealthy-after-ms=100}", Unhealthy),
        ("app b!{hc,healthy-after-ms=100}", Unknown),
    ] {
        let mut world = World::new();
        world.assign("t", containers);
        world.run_until(1_000);
        assert_eq!(world.last_report("t").health_status(), expected, "{containers}");
    }
}

// rule: 2.1/reason-runtime-timeout, 2.1/reason-docker-timeout, 2.1/start-timeout-agent
#[test]
fn a_start_that_hangs_ends_the_task() {
    let mut world = World::new();
    world.assign("t", "app{start-ms=600000}");
    world.run_until(240_000);
    assert_eq!(world.last_report("t").last_status, "STOPPED");
    let reason = "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 3m0s";
    assert_eq!(world.last_report("t").stopped_reason, reason);
}
