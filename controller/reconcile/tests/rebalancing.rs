//! Availability Zone rebalancing over the real state (ecs-semantics §2.3): when it begins, in which order it starts and
//! stops, what stops it, and what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/rebalancing-after-steady, 2.3/rebalancing-even, 2.3/rebalancing-start-first
#[test]
fn a_zone_more_gets_its_share_and_others_give_theirs_up_once_it_is_healthy() {
    check(
        "
        instance 1@a
        instance 2@b
        service desired=6
        all RUNNING
        wait 40
        instance 3@c
        explain
        all RUNNING
        wait 39
        wait 1
        all STOPPED
        explain
        ",
        expect![[r#"
            instance 1@a
            instance 2@b
            service desired=6
                a d1 @1 PENDING
                b d1 @1 PENDING
                c d1 @1 PENDING
                d d1 @2 PENDING
                e d1 @2 PENDING
                f d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 6 tasks: (task a) (task b) (task c) (task d) (task e) (task f).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
                d d1 @2 RUNNING
                e d1 @2 RUNNING
                f d1 @2 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 3@c
                g d1 @3 PENDING
                h d1 @3 PENDING
                “is not AZ balanced with 3 tasks in a, 3 in b, and 0 in c. AZ Rebalancing in progress.”
                “has started 2 tasks in c to AZ Rebalance: (task g) (task h).”
            explain
                Rebalancing { tasks: 2, zones: {"a": 3, "b": 3, "c": 2} } by Others
                Starting { tasks: 2, in 10800 s } by Agent
            all RUNNING
                g d1 @3 RUNNING
                h d1 @3 RUNNING
            wait 39
            wait 1
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                e d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task a).”
                “has stopped 1 running tasks in b due to AZ rebalancing: (task e).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                e d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                “is AZ balanced with 2 tasks in a, 2 tasks in b, and 2 tasks in c.”
                “has reached a steady state.”
            explain
                steady
        "#]],
    );
}

// rule: 2.3/rebalancing-after-steady
#[test]
fn a_deployment_is_waited_for() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        instance 2@b
        wait 40
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
            instance 2@b
            wait 40
                c d1 @2 PENDING
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
        "#]],
    );
}

// rule: 2.3/rebalancing-start-first
#[test]
fn with_a_health_check_healthy_is_what_the_check_says() {
    check(
        "
        checked
        instance 1@a
        service desired=2
        a RUNNING HEALTHY
        b RUNNING HEALTHY
        instance 2@b
        c RUNNING
        wait 400
        c RUNNING HEALTHY
        ",
        expect![[r#"
            checked
            instance 1@a
            service desired=2
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            a RUNNING HEALTHY
                a d1 @1 RUNNING
            b RUNNING HEALTHY
                b d1 @1 RUNNING
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 2@b
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            c RUNNING
                c d1 @2 RUNNING
            wait 400
            c RUNNING HEALTHY
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task a).”
        "#]],
    );
}

#[test]
fn it_goes_in_steps_where_maximum_percent_allows_no_more() {
    check(
        "
        instance 1@a
        service desired=4 max=125
        all RUNNING
        wait 40
        instance 2@b
        all RUNNING
        wait 40
        all STOPPED
        all RUNNING
        wait 40
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=4 max=125
                a d1 @1 PENDING
                b d1 @1 PENDING
                c d1 @1 PENDING
                d d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 4 tasks: (task a) (task b) (task c) (task d).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
                d d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 2@b
                e d1 @2 PENDING
                “is not AZ balanced with 4 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task e).”
            all RUNNING
                e d1 @2 RUNNING
            wait 40
                c d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task c).”
            all STOPPED
                c d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                f d1 @2 PENDING
                “has started 1 tasks in b to AZ Rebalance: (task f).”
            all RUNNING
                f d1 @2 RUNNING
            wait 40
                d d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task d).”
            all STOPPED
                d d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “is AZ balanced with 2 tasks in a and 2 tasks in b.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.6/action-rebalancing
#[test]
fn a_zone_without_room_is_told_once_and_tried_again() {
    check(
        "
        instance 1@a cpu=1024
        service desired=4
        all RUNNING
        wait 40
        instance 2@b cpu=256
        all RUNNING
        wait 40
        all STOPPED
        explain
        wait 59
        instance 3@b
        wait 1
        ",
        expect![[r#"
            instance 1@a cpu=1024
            service desired=4
                a d1 @1 PENDING
                b d1 @1 PENDING
                c d1 @1 PENDING
                d d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 4 tasks: (task a) (task b) (task c) (task d).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
                d d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 2@b cpu=256
                e d1 @2 PENDING
                “is not AZ balanced with 4 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task e).”
            all RUNNING
                e d1 @2 RUNNING
            wait 40
                c d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task c).”
            all STOPPED
                c d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
                “is unable to place a task in b because no container instance met all of its requirements.”
                “stopped AZ Rebalancing.”
            explain
                steady
                Uneven { zones: {"a": 3, "b": 1}, in 60 s } by Time
            wait 59
            instance 3@b
            wait 1
                f d1 @3 PENDING
                “is not AZ balanced with 3 tasks in a and 1 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task f).”
        "#]],
    );
}

#[test]
fn a_maximum_percent_that_comes_to_no_task_more_is_told() {
    check(
        "
        instance 1@a
        service desired=3 max=125
        all RUNNING
        wait 40
        instance 2@b
        wait 600
        percents 100 200
        ",
        expect![[r#"
            instance 1@a
            service desired=3 max=125
                a d1 @1 PENDING
                b d1 @1 PENDING
                c d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 3 tasks: (task a) (task b) (task c).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 2@b
                “is not AZ balanced with 3 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “was unable to AZ Rebalance because its maximumPercent doesn't allow one more task than desired.”
                “stopped AZ Rebalancing.”
            wait 600
            percents 100 200
                d d1 @2 PENDING
                “has reached a steady state.”
                “is not AZ balanced with 3 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task d).”
        "#]],
    );
}

#[test]
fn what_is_protected_stays() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        protect a 60
        protect b 10
        instance 2@b
        wait 600
        all RUNNING
        protect a 60
        wait 60
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
            protect a 60
            protect b 10
            instance 2@b
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “was unable to AZ Rebalance because (deployment d1) was unable to scale in due to task protection.”
                “stopped AZ Rebalancing.”
            wait 600
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            all RUNNING
                c d1 @2 RUNNING
            protect a 60
            wait 60
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task b).”
            all STOPPED
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “is AZ balanced with 1 tasks in a and 1 tasks in b.”
                “has reached a steady state.”
        "#]],
    );
}

#[test]
fn protection_that_comes_meanwhile_stops_it() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        instance 2@b
        protect a 10
        protect b 10
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
            instance 2@b
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            protect a 10
            protect b 10
            all RUNNING
                c d1 @2 RUNNING
            wait 40
                c d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in b due to AZ rebalancing: (task c).”
            all STOPPED
                c d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
                “was unable to AZ Rebalance because (deployment d1) was unable to scale in due to task protection.”
                “stopped AZ Rebalancing.”
        "#]],
    );
}

// rule: 2.6/action-rebalancing
#[test]
fn a_deployment_or_another_count_stops_it() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        instance 2@b
        deploy
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
            instance 2@b
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            deploy
                c d1 @2 PENDING→STOPPED ServiceSchedulerInitiated
                d d2 @2 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “stopped AZ Rebalancing.”
                “has started 1 tasks: (task d).”
        "#]],
    );
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        instance 2@b
        scale 4
        all RUNNING
        wait 40
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
            instance 2@b
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            scale 4
                d d1 @2 PENDING
                “stopped AZ Rebalancing.”
                “has started 1 tasks: (task d).”
            all RUNNING
                d d1 @2 RUNNING
                c d1 @2 RUNNING
            wait 40
                “has reached a steady state.”
        "#]],
    );
}

#[test]
fn a_task_that_fails_to_start_is_tried_again_later() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        instance 2@b
        fail c
        explain
        wait 5
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
            instance 2@b
                c d1 @2 PENDING
                “is not AZ balanced with 2 tasks in a and 0 in b. AZ Rebalancing in progress.”
                “has started 1 tasks in b to AZ Rebalance: (task c).”
            fail c
                c d1 @2 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 COMPLETED CLEAN_UP failed=1
            explain
                BackOff { failures: 1, in 5 s } by Time
            wait 5
                d d1 @2 PENDING
                “has started 1 tasks in b to AZ Rebalance: (task d).”
            all RUNNING
                d d1 @2 RUNNING
                ACTIVE d1 COMPLETED CLEAN_UP
            wait 40
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks in a due to AZ rebalancing: (task b).”
            all STOPPED
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “is AZ balanced with 1 tasks in a and 1 tasks in b.”
                “has reached a steady state.”
        "#]],
    );
}
