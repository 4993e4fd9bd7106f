//! What becomes of tasks when their instance drains, goes quiet, is lost or is deregistered (ecs-semantics §2.4,
//! design §5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.4/drain-running
#[test]
fn a_draining_instance_is_emptied_within_the_bounds() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        instance 2@a
        drain 1
        all RUNNING
        wait 40
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=2
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 2@a
            drain 1
                c d1 @2 PENDING
                d d1 @2 PENDING
                “has started 2 tasks: (task c) (task d).”
            all RUNNING
                c d1 @2 RUNNING
                d d1 @2 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.1/stop-code-infrastructure, 2.4/agent-heartbeat
#[test]
fn a_lost_instance_is_replaced_after_its_deadline_and_not_before() {
    check(
        "
        instance 1@a
        instance 2@b
        service desired=2
        all RUNNING
        wait 40
        gone 1
        wait 119
        back 1
        wait 600
        gone 1
        wait 120
        ",
        expect![[r#"
            instance 1@a
            instance 2@b
            service desired=2
                a d1 @1 PENDING
                b d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            gone 1
            wait 119
            back 1
            wait 600
            gone 1
            wait 120
                a d1 @1 STOPPED→STOPPED InfrastructureHealth
                c d1 @2 PENDING
                “has started 1 tasks: (task c).”
        "#]],
    );
}

// rule: 2.4/deregister-force
#[test]
fn forced_and_deregistered() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        force
        instance 2@a
        deregister 1
        wait 60
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            force
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            instance 2@a
            deregister 1
                a d1 @1 STOPPED→STOPPED InfrastructureHealth
                b d2 @1 STOPPED→STOPPED InfrastructureHealth
                c d2 @2 PENDING
                d d1 @2 PENDING
                “has started 2 tasks: (task c) (task d).”
            wait 60
        "#]],
    );
}

// rule: 2.1/reason-failed-to-start
#[test]
fn silence_ends_at_its_deadline() {
    check(
        "
        instance 1@a
        service desired=1
        wait 10799
        wait 1
        wait 599
        wait 1
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            wait 10799
            wait 1
                a d1 @1 PENDING→STOPPED TaskFailedToStart
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
            wait 599
            wait 1
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1
        "#]],
    );
}

#[test]
fn where_very_many_instances_are_lost_at_once_replacement_pauses() {
    check(
        "
        instance 1@a
        instance 2@a
        instance 3@a
        instance 4@a
        instance 5@a
        instance 6@a
        service desired=6
        all RUNNING
        wait 40
        gone 1
        gone 2
        gone 3
        gone 4
        gone 5
        wait 120
        back 1
        back 2
        back 3
        wait 60
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            instance 3@a
            instance 4@a
            instance 5@a
            instance 6@a
            service desired=6
                a d1 @1 PENDING
                b d1 @2 PENDING
                c d1 @3 PENDING
                d d1 @4 PENDING
                e d1 @5 PENDING
                f d1 @6 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 6 tasks: (task a) (task b) (task c) (task d) (task e) (task f).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 RUNNING
                c d1 @3 RUNNING
                d d1 @4 RUNNING
                e d1 @5 RUNNING
                f d1 @6 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            gone 1
            gone 2
            gone 3
            gone 4
            gone 5
            wait 120
                “has paused the replacement of tasks: too many container instances of the cluster were disconnected at once.”
            back 1
            back 2
            back 3
            wait 60
                d d1 @4 STOPPED→STOPPED InfrastructureHealth
                e d1 @5 STOPPED→STOPPED InfrastructureHealth
                g d1 @1 PENDING
                h d1 @6 PENDING
                “has started 2 tasks: (task g) (task h).”
        "#]],
    );
}

// rule: 2.4/drain-standalone
#[test]
fn standalone_tasks_stay_where_services_move_on() {
    check(
        "
        instance 1@a
        service desired=1
        run
        all RUNNING
        wait 40
        instance 2@a
        drain 1
        gone 1
        wait 120
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            run
                b alone @1 PENDING
            all RUNNING
                b alone @1 RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 2@a
            drain 1
                c d1 @2 PENDING
                “has started 1 tasks: (task c).”
            gone 1
            wait 120
                a d1 @1 STOPPED→STOPPED InfrastructureHealth
        "#]],
    );
}

/// Replacement pauses before the first of them is lost: the service wants as many tasks as ever, and its deployment goes on.
// rule: 2.3/daemon-one-a-host
#[test]
fn a_daemon_wants_its_instances_while_replacement_pauses() {
    check(
        "
        instance 1@a
        instance 2@a
        instance 3@a
        instance 4@a
        instance 5@a
        daemon
        gone 1
        gone 2
        gone 3
        gone 4
        gone 5
        wait 120
        explain
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            instance 3@a
            instance 4@a
            instance 5@a
            daemon
                a d1 @1 PENDING
                b d1 @2 PENDING
                c d1 @3 PENDING
                d d1 @4 PENDING
                e d1 @5 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 5 tasks: (task a) (task b) (task c) (task d) (task e).”
            gone 1
            gone 2
            gone 3
            gone 4
            gone 5
            wait 120
                “has paused the replacement of tasks: too many container instances of the cluster were disconnected at once.”
            explain
                Stage { stage: "SCALE_UP", in 86280 s } by Others
                Starting { tasks: 5, in 10680 s } by Agent
                Disconnected { tasks: 5, instances: 5, in 60 s, paused: true } by Agent
        "#]],
    );
}
