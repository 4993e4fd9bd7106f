//! The deployment circuit breaker and rollbacks, by scripts (ecs-semantics §2.3; the words are those of
//! `support::script`).
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/breaker-trips, 2.3/breaker-stage-1, 2.3/event-deployment-failed
#[test]
fn tasks_that_never_start_trip_it_and_no_more_are_started_until_an_update() {
    check(
        "
        instance 1@a
        service desired=1 breaker=on
        fail a
        wait 5
        fail b
        wait 10
        fail c
        wait 3600
        scale 2
        deploy
        ",
        expect![[r#"
            instance 1@a
            service desired=1 breaker=on
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/3 MONITORING
                “has started 1 tasks: (task a).”
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1 breaker=1/3 MONITORING
            wait 5
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
            fail b
                b d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2 breaker=2/3 MONITORING
            wait 10
                c d1 @1 PENDING
                “has started 1 tasks: (task c).”
            fail c
                c d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 FAILED SCALE_UP failed=3 breaker=3/3 TRIGGERED d1 STOPPED
                “(deployment d1) deployment failed: tasks failed to start.”
                “(deployment d1) is stopped. No tasks of it are started until the service is updated.”
                “is unable to consistently start tasks successfully.”
            wait 3600
            scale 2
            deploy
                d d2 @1 PENDING
                e d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/3 MONITORING
                “has started 2 tasks: (task d) (task e).”
        "#]],
    );
}

// rule: 2.3/breaker-rollback-target, 2.3/event-rolling-back
#[test]
fn it_rolls_back_to_the_deployment_that_completed_last_and_that_may_serve_again() {
    check(
        "
        instance 1@a
        service desired=1 breaker=rollback threshold=COUNT:2
        all RUNNING
        wait 40
        deploy
        fail b
        wait 5
        fail c
        wait 60
        deploy
        fail d
        wait 5
        fail e
        ",
        expect![[r#"
            instance 1@a
            service desired=1 breaker=rollback threshold=COUNT:2
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/2 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has started 1 tasks: (task b).”
            fail b
                b d2 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=1 breaker=1/2 MONITORING
            wait 5
                c d2 @1 PENDING
                “has started 1 tasks: (task c).”
            fail c
                c d2 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/2 MONITORING_COMPLETE d2 ROLLBACK_SUCCESSFUL
                “(deployment d2) deployment failed: tasks failed to start.”
                “rolling back to deployment d1.”
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            wait 60
            deploy
                d d3 @1 PENDING
                ACTIVE d3 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has started 1 tasks: (task d).”
            fail d
                d d3 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d3 IN_PROGRESS SCALE_UP failed=1 breaker=1/2 MONITORING
            wait 5
                e d3 @1 PENDING
                “has started 1 tasks: (task e).”
            fail e
                e d3 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/2 MONITORING_COMPLETE d3 ROLLBACK_SUCCESSFUL
                “(deployment d3) deployment failed: tasks failed to start.”
                “rolling back to deployment d1.”
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/breaker-no-target
#[test]
fn without_a_completed_deployment_it_is_stalled_and_says_so() {
    check(
        "
        instance 1@a
        service desired=1 breaker=rollback threshold=COUNT:1
        fail a
        wait 90000
        deploy
        ",
        expect![[r#"
            instance 1@a
            service desired=1 breaker=rollback threshold=COUNT:1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/1 MONITORING
                “has started 1 tasks: (task a).”
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 FAILED SCALE_UP failed=1 breaker=1/1 TRIGGERED d1 ROLLBACK_FAILED
                “(deployment d1) deployment failed: tasks failed to start.”
                “(deployment d1) is stalled: there is no completed deployment to roll back to. No tasks of it are started until the service is updated.”
            wait 90000
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/1 MONITORING
                “has started 1 tasks: (task b).”
        "#]],
    );
}

// rule: 2.3/breaker-threshold-follows
#[test]
fn its_threshold_follows_the_latest_desired_count() {
    check(
        "
        instance 1@a
        service desired=12 breaker=on
        fail a
        fail b
        fail c
        fail d
        scale 8
        ",
        expect![[r#"
            instance 1@a
            service desired=12 breaker=on
                a d1 @1 PENDING
                b d1 @1 PENDING
                c d1 @1 PENDING
                d d1 @1 PENDING
                e d1 @1 PENDING
                f d1 @1 PENDING
                g d1 @1 PENDING
                h d1 @1 PENDING
                i d1 @1 PENDING
                j d1 @1 PENDING
                k d1 @1 PENDING
                l d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/6 MONITORING
                “has started 12 tasks: (task a) (task b) (task c) (task d) (task e) (task f) (task g) (task h) (task i) (task j) (task k) (task l).”
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1 breaker=1/6 MONITORING
            fail b
                b d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2 breaker=2/6 MONITORING
            fail c
                c d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=3 breaker=3/6 MONITORING
            fail d
                d d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=4 breaker=4/6 MONITORING
            scale 8
                ACTIVE d1 FAILED SCALE_UP failed=4 breaker=4/4 TRIGGERED d1 STOPPED
                “(deployment d1) deployment failed: tasks failed to start.”
                “(deployment d1) is stopped. No tasks of it are started until the service is updated.”
        "#]],
    );
}

// rule: 2.3/breaker-reset
#[test]
fn a_task_that_becomes_healthy_sets_it_back() {
    check(
        "
        instance 1@a
        service desired=2 breaker=on
        fail a
        wait 5
        all RUNNING
        wait 39
        wait 1
        ",
        expect![[r#"
            instance 1@a
            service desired=2 breaker=on
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/3 MONITORING
                “has started 2 tasks: (task a) (task b).”
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1 breaker=1/3 MONITORING
            wait 5
                c d1 @1 PENDING
                “has started 1 tasks: (task c).”
            all RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=1/3 MONITORING
            wait 39
            wait 1
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/3 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/breaker-reset
#[test]
fn where_it_is_told_not_to_reset_it_counts_all() {
    check(
        "
        instance 1@a
        service desired=2 breaker=on reset=no
        fail a
        wait 5
        all RUNNING
        wait 40
        ",
        expect![[r#"
            instance 1@a
            service desired=2 breaker=on reset=no
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/3 MONITORING
                “has started 2 tasks: (task a) (task b).”
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1 breaker=1/3 MONITORING
            wait 5
                c d1 @1 PENDING
                “has started 1 tasks: (task c).”
            all RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=1/3 MONITORING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=1/3 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/breaker-stage-2, 2.3/failed-tasks
#[test]
fn once_one_has_run_tasks_that_fail_their_checks_count_and_failed_starts_do_not() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        configure breaker=on max=400
        deploy checked
        b RUNNING
        b RUNNING UNHEALTHY
        fail c
        wait 5
        d RUNNING UNHEALTHY
        b STOPPED
        d STOPPED
        e RUNNING UNHEALTHY
        f RUNNING UNHEALTHY
        e STOPPED
        f STOPPED
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
            configure breaker=on max=400
            deploy checked
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/3 MONITORING
                “has started 1 tasks: (task b).”
            b RUNNING
                b d2 @1 RUNNING
            b RUNNING UNHEALTHY
                c d2 @1 PENDING
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task b).”
                “has started 1 tasks: (task c).”
            fail c
                c d2 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=1 breaker=0/3 MONITORING
            wait 5
                d d2 @1 PENDING
                “has started 1 tasks: (task d).”
            d RUNNING UNHEALTHY
                d d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                e d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/3 MONITORING
                “has stopped 1 running tasks: (task d).”
                “has started 1 tasks: (task e).”
            b STOPPED
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=1 breaker=1/3 MONITORING
            d STOPPED
                d d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=2 breaker=2/3 MONITORING
            e RUNNING UNHEALTHY
                e d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                f d2 @1 PENDING
                “has stopped 1 running tasks: (task e).”
                “has started 1 tasks: (task f).”
            f RUNNING UNHEALTHY
                g d2 @1 PENDING
                f d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task f).”
                “has started 1 tasks: (task g).”
            e STOPPED
                e d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 FAILED SCALE_UP failed=3 breaker=3/3 TRIGGERED d2 STOPPED
                “(deployment d2) deployment failed: tasks failed to start.”
                “(deployment d2) is stopped. No tasks of it are started until the service is updated.”
            f STOPPED
                f d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 FAILED SCALE_UP failed=4 breaker=3/3 TRIGGERED d2 STOPPED
        "#]],
    );
}
