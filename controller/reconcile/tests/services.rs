//! Services over the real state: short scripts, and what the service's events and tasks are after them
//! (ecs-semantics §2.1, §2.3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/healthy-after-40-s, 2.3/steady-state, 2.3/deployment-completed-event, 2.3/event-started
#[test]
fn a_service_comes_up_and_is_steady_40_seconds_after_running() {
    check(
        "
        instance 1@a
        instance 2@b
        service desired=3
        all RUNNING
        wait 39
        wait 1
        ",
        expect![[r#"
            instance 1@a
            instance 2@b
            service desired=3
                a d1 @1 PENDING
                b d1 @2 PENDING
                c d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 3 tasks: (task a) (task b) (task c).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 RUNNING
                c d1 @2 RUNNING
            wait 39
            wait 1
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/completion, 2.3/event-stopped, 2.1/stop-code-scheduler
#[test]
fn a_deployment_rolls_and_the_old_tasks_drain() {
    check(
        "
        instance 1@a
        instance 2@b
        service desired=2
        all RUNNING
        wait 40
        deploy
        all RUNNING
        wait 40
        all STOPPED
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
            deploy
                c d2 @1 PENDING
                d d2 @2 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task c) (task d).”
            all RUNNING
                c d2 @1 RUNNING
                d d2 @2 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS CLEAN_UP
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP
                “(deployment d2) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/healthy-on-check, 2.3/unhealthy-replaced-first, 2.3/unhealthy-stopped-when-healthy
#[test]
fn with_a_health_check_healthy_is_what_the_check_says() {
    check(
        "
        instance 1@a plain
        service desired=1
        all RUNNING
        wait 40
        deploy checked
        instance 2@a
        b RUNNING
        wait 100
        b RUNNING HEALTHY
        all STOPPED
        b RUNNING UNHEALTHY
        c RUNNING HEALTHY
        b STOPPED
        ",
        expect![[r#"
            instance 1@a plain
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
            deploy checked
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) is missing an attribute required by your task.”
            instance 2@a
                b d2 @2 PENDING
                “has started 1 tasks: (task b).”
            b RUNNING
                b d2 @2 RUNNING
            wait 100
            b RUNNING HEALTHY
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS CLEAN_UP
                “has stopped 1 running tasks: (task a).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP
                “(deployment d2) deployment completed.”
                “has reached a steady state.”
            b RUNNING UNHEALTHY
                c d2 @2 PENDING
                “has started 1 tasks: (task c).”
            c RUNNING HEALTHY
                b d2 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                c d2 @2 RUNNING
                “has stopped 1 running tasks: (task b).”
            b STOPPED
                b d2 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP failed=1
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/event-no-instance, 2.3/event-no-instance-reason, 2.2/text-no-instances, 2.3/events-suppressed
#[test]
fn a_full_cluster_says_what_it_lacks_once_and_goes_on_when_room_comes() {
    check(
        "
        service desired=2
        instance 1@a cpu=256
        wait 600
        instance 2@a cpu=256
        all RUNNING
        wait 40
        deploy
        percents 50 200
        all STOPPED
        ",
        expect![[r#"
            service desired=2
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.”
            instance 1@a cpu=256
                a d1 @1 PENDING
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) has insufficient CPU units available.”
                “has started 1 tasks: (task a).”
            wait 600
            instance 2@a cpu=256
                b d1 @2 PENDING
                “has started 1 tasks: (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) has insufficient CPU units available.”
            percents 50 200
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                c d2 @1 PENDING
                “has started 1 tasks: (task c).”
        "#]],
    );
}

// rule: 2.3/deadlock-event
#[test]
fn bounds_that_forbid_a_deployment_are_said() {
    check(
        "
        instance 1@a
        service desired=3 max=125
        all RUNNING
        wait 40
        deploy
        wait 3600
        percents 50 125
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
            deploy
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.”
            wait 3600
            percents 50 125
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
        "#]],
    );
}

// rule: 2.3/throttle-growing, 2.3/throttle-event, 2.3/throttle-not-after-run, 2.3/failed-tasks
#[test]
fn tasks_that_never_run_are_throttled_and_those_that_ran_are_not() {
    check(
        "
        instance 1@a
        service desired=1
        wait 1
        fail a
        wait 5
        fail b
        wait 9
        wait 1
        fail c
        wait 20
        d RUNNING
        d STOPPED
        e RUNNING
        wait 40
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            wait 1
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1
            wait 5
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
            fail b
                b d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2
            wait 9
            wait 1
                c d1 @1 PENDING
                “has started 1 tasks: (task c).”
            fail c
                c d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=3
                “is unable to consistently start tasks successfully.”
            wait 20
                d d1 @1 PENDING
                “has started 1 tasks: (task d).”
            d RUNNING
                d d1 @1 RUNNING
                ACTIVE d1 IN_PROGRESS SCALE_UP
            d STOPPED
                e d1 @1 PENDING
                d d1 @1 STOPPED→STOPPED EssentialContainerExited
                “has started 1 tasks: (task e).”
            e RUNNING
                e d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/delete-draining, 2.3/delete-inactive, 2.3/stop-where-most
#[test]
fn scaling_and_deleting() {
    check(
        "
        instance 1@a
        instance 2@a
        instance 3@b
        service desired=3
        all RUNNING
        wait 40
        scale 1
        all STOPPED
        scale 2
        delete
        all STOPPING
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            instance 3@b
            service desired=3
                a d1 @1 PENDING
                b d1 @2 PENDING
                c d1 @3 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 3 tasks: (task a) (task b) (task c).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 RUNNING
                c d1 @3 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            scale 1
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
            scale 2
                d d1 @1 PENDING
                “has started 1 tasks: (task d).”
            delete
                c d1 @3 RUNNING→STOPPED ServiceSchedulerInitiated
                d d1 @1 PENDING→STOPPED ServiceSchedulerInitiated
                DRAINING d1 COMPLETED CLEAN_UP
            all STOPPING
                c d1 @3 STOPPING→STOPPED ServiceSchedulerInitiated
                d d1 @1 STOPPING→STOPPED ServiceSchedulerInitiated
                INACTIVE d1 COMPLETED CLEAN_UP
            all STOPPED
                c d1 @3 STOPPED→STOPPED ServiceSchedulerInitiated
                d d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
        "#]],
    );
}

#[test]
fn a_deployment_over_another_leaves_the_first_behind() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        deploy
        deploy
        all STOPPED
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
            deploy
                c d2 @1 PENDING
                d d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task c) (task d).”
            deploy
                c d2 @1 PENDING→STOPPED ServiceSchedulerInitiated
                d d2 @1 PENDING→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 IN_PROGRESS SCALE_UP
            all STOPPED
                c d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                e d3 @1 PENDING
                d d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                f d3 @1 PENDING
                “has started 2 tasks: (task e) (task f).”
            all RUNNING
                e d3 @1 RUNNING
                f d3 @1 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 IN_PROGRESS CLEAN_UP
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 COMPLETED CLEAN_UP
                “(deployment d3) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

/// FAILED says that its time is over. What dies of it later is replaced all the same.
// rule: 2.3/stage-limit
#[test]
fn a_deployment_that_never_gets_there_fails_in_the_end() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        deploy checked
        b RUNNING
        wait 86399
        wait 1
        b STOPPED
        wait 60
        deploy
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
            deploy checked
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            b RUNNING
                b d2 @1 RUNNING
            wait 86399
            wait 1
                ACTIVE d2 FAILED SCALE_UP d2 STOPPED
                “(deployment d2) deployment failed: a stage of the deployment didn't end within its time.”
            b STOPPED
                b d2 @1 STOPPED→STOPPED EssentialContainerExited
                c d2 @1 PENDING
                “has started 1 tasks: (task c).”
            wait 60
            deploy
                c d2 @1 PENDING→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 IN_PROGRESS SCALE_UP
        "#]],
    );
}

// rule: 2.3/throttle-reset
#[test]
fn a_new_task_definition_ends_the_throttle() {
    check(
        "
        instance 1@a
        service desired=1
        wait 1
        fail a
        wait 5
        fail b
        explain
        deploy
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            wait 1
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1
            wait 5
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
            fail b
                b d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2
            explain
                BackOff { failures: 2, in 10 s } by Time
                Stage { stage: "SCALE_UP", in 86394 s } by Others
            deploy
                c d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task c).”
        "#]],
    );
}

// rule: 2.3/grace-period
#[test]
fn failing_health_checks_count_once_the_grace_period_is_over() {
    check(
        "
        instance 1@a
        checked
        service desired=1
        grace 60
        a RUNNING UNHEALTHY
        wait 59
        explain
        wait 1
        ",
        expect![[r#"
            instance 1@a
            checked
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            grace 60
            a RUNNING UNHEALTHY
                a d1 @1 RUNNING
            wait 59
            explain
                Stage { stage: "SCALE_UP", in 86341 s } by Others
                Grace { tasks: 1, in 1 s } by Agent
            wait 1
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
        "#]],
    );
}

// rule: 2.3/grace-period
#[test]
fn without_a_grace_period_failing_health_checks_count_at_once() {
    check(
        "
        instance 1@a
        checked
        service desired=1
        a RUNNING UNHEALTHY
        ",
        expect![[r#"
            instance 1@a
            checked
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            a RUNNING UNHEALTHY
                a d1 @1 RUNNING
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
        "#]],
    );
}
