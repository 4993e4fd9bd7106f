//! Scale-in protection over the real state (ecs-semantics §2.3): what waits for it, until when, and what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/protection-obeyed
#[test]
fn scale_in_spares_protected_tasks_until_their_time_is_over() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        protect a 10
        protect b 20
        scale 0
        wait 600
        all STOPPED
        wait 600
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
            protect a 10
            protect b 20
            scale 0
                “(deployment d1) was unable to scale in due to task protection.”
            wait 600
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
            wait 600
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task b).”
            all STOPPED
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/protection-obeyed
#[test]
fn a_deployment_waits_for_protected_tasks_and_says_so_once() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        protect a 5
        deploy
        all RUNNING
        wait 40
        wait 259
        wait 1
        all STOPPED
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
            protect a 5
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            all RUNNING
                b d2 @1 RUNNING
            wait 40
                ACTIVE d2 IN_PROGRESS CLEAN_UP
                “(deployment d2) was unable to scale in due to task protection.”
            wait 259
            wait 1
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP
                “(deployment d2) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/protection-obeyed
#[test]
fn deleting_the_service_stops_protected_tasks_too() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        protect a 5
        delete
        all STOPPED
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
            protect a 5
            delete
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                DRAINING d1 COMPLETED CLEAN_UP
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                INACTIVE d1 COMPLETED CLEAN_UP
        "#]],
    );
}
