//! Rollbacks, StopServiceDeployment, and deployments that end others, by scripts (ecs-semantics §2.3; the words are those of
//! `support::script`).
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/breaker-rollback-in-progress
#[test]
fn what_it_rolls_back_to_is_in_progress_until_it_is_whole_again() {
    check(
        "
        instance 1@a cpu=512
        service desired=2 min=0 max=100 breaker=rollback threshold=COUNT:2
        all RUNNING
        wait 40
        deploy
        all STOPPED
        fail c
        fail d
        wait 60
        all RUNNING
        wait 40
        ",
        expect![[r#"
            instance 1@a cpu=512
            service desired=2 min=0 max=100 breaker=rollback threshold=COUNT:2
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/2 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                c d2 @1 PENDING
                d d2 @1 PENDING
                “has started 2 tasks: (task c) (task d).”
            fail c
                c d2 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=1 breaker=1/2 MONITORING
            fail d
                e d1 @1 PENDING
                d d2 @1 STOPPED→STOPPED TaskFailedToStart
                f d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS CLEAN_UP breaker=0/2 MONITORING d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: tasks failed to start.”
                “rolling back to deployment d1.”
                “has started 2 tasks: (task e) (task f).”
            wait 60
            all RUNNING
                e d1 @1 RUNNING
                f d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/2 MONITORING_COMPLETE d2 ROLLBACK_SUCCESSFUL
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/breaker-no-target, 2.3/service-deployment-status
#[test]
fn a_rollback_that_fails_too_is_stalled() {
    check(
        "
        instance 1@a cpu=512
        service desired=2 min=0 max=100 breaker=rollback threshold=COUNT:2
        all RUNNING
        wait 40
        deploy
        all STOPPED
        fail c
        fail d
        fail e
        fail f
        wait 3600
        ",
        expect![[r#"
            instance 1@a cpu=512
            service desired=2 min=0 max=100 breaker=rollback threshold=COUNT:2
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/2 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/2 MONITORING
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                c d2 @1 PENDING
                d d2 @1 PENDING
                “has started 2 tasks: (task c) (task d).”
            fail c
                c d2 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=1 breaker=1/2 MONITORING
            fail d
                e d1 @1 PENDING
                d d2 @1 STOPPED→STOPPED TaskFailedToStart
                f d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS CLEAN_UP breaker=0/2 MONITORING d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: tasks failed to start.”
                “rolling back to deployment d1.”
                “has started 2 tasks: (task e) (task f).”
            fail e
                e d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS CLEAN_UP failed=1 breaker=1/2 MONITORING d2 ROLLBACK_IN_PROGRESS
            fail f
                f d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 FAILED CLEAN_UP failed=2 breaker=2/2 TRIGGERED d2 ROLLBACK_FAILED
                “(deployment d1) deployment failed: tasks failed to start.”
                “(deployment d1) is stalled: there is no completed deployment to roll back to. No tasks of it are started until the service is updated.”
            wait 3600
        "#]],
    );
}

// rule: 2.3/stop-service-deployment
#[test]
fn a_deployment_is_rolled_back_by_request_whatever_its_configuration_says() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        stop-deployment
        deploy
        c RUNNING
        stop-deployment
        stop-deployment
        all STOPPED
        stop-deployment
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
            stop-deployment
                refused: ConflictException: The service deployment is SUCCESSFUL and can't be stopped.
            deploy
                c d2 @1 PENDING
                d d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task c) (task d).”
            c RUNNING
                c d2 @1 RUNNING
            stop-deployment
                c d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                d d2 @1 PENDING→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 IN_PROGRESS CLEAN_UP d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: a rollback was requested.”
                “rolling back to deployment d1.”
                “has stopped 1 running tasks: (task c).”
            stop-deployment
            all STOPPED
                c d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                d d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 COMPLETED CLEAN_UP d2 ROLLBACK_SUCCESSFUL
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            stop-deployment
                refused: ConflictException: The service deployment is ROLLBACK_SUCCESSFUL and can't be stopped.
        "#]],
    );
}

// rule: 2.3/stop-service-deployment
#[test]
fn an_aborted_deployment_stays_where_it_is() {
    check(
        "
        instance 1@a
        service desired=2
        all RUNNING
        wait 40
        deploy
        c RUNNING
        stop-deployment abort
        wait 100
        c STOPPED
        a STOPPED
        wait 100
        force
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
            c RUNNING
                c d2 @1 RUNNING
            stop-deployment abort
                ACTIVE d2 FAILED SCALE_UP d2 STOPPED
                “(deployment d2) deployment failed: it was stopped by request.”
                “(deployment d2) is stopped. No tasks of it are started until the service is updated.”
            wait 100
            c STOPPED
                c d2 @1 STOPPED→STOPPED EssentialContainerExited
            a STOPPED
                a d1 @1 STOPPED→STOPPED EssentialContainerExited
                e d1 @1 PENDING
                “has started 1 tasks: (task e).”
            wait 100
            force
                d d2 @1 PENDING→STOPPED ServiceSchedulerInitiated
                f d3 @1 PENDING
                ACTIVE d3 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task f).”
        "#]],
    );
}

// rule: 2.3/newer-deployment, 2.3/breaker-rollback-in-progress
#[test]
fn a_newer_deployment_ends_an_older_one_and_its_rollback() {
    check(
        "
        instance 1@a
        service desired=1 breaker=rollback threshold=COUNT:1
        all RUNNING
        wait 40
        deploy
        b RUNNING
        stop-deployment
        deploy
        all STOPPED
        fail c
        wait 60
        ",
        expect![[r#"
            instance 1@a
            service desired=1 breaker=rollback threshold=COUNT:1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/1 MONITORING
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/1 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/1 MONITORING
                “has started 1 tasks: (task b).”
            b RUNNING
                b d2 @1 RUNNING
            stop-deployment
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 IN_PROGRESS CLEAN_UP breaker=0/1 MONITORING d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: a rollback was requested.”
                “rolling back to deployment d1.”
                “has stopped 1 running tasks: (task b).”
            deploy
                ACTIVE d3 IN_PROGRESS SCALE_UP breaker=0/1 MONITORING
            all STOPPED
                c d3 @1 PENDING
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has started 1 tasks: (task c).”
            fail c
                c d3 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d3 FAILED SCALE_UP failed=1 breaker=1/1 TRIGGERED d3 ROLLBACK_FAILED
                “(deployment d3) deployment failed: tasks failed to start.”
                “(deployment d3) is stalled: there is no completed deployment to roll back to. No tasks of it are started until the service is updated.”
            wait 60
        "#]],
    );
}

/// One that took too long is FAILED for good, also where its tasks are well in the end: that is what it waits with.
// rule: 2.3/stage-limit
#[test]
fn a_deployment_whose_time_was_over_says_that_it_waits_for_an_update() {
    check(
        "
        instance 1@a
        checked
        service desired=1
        all RUNNING
        wait 86400
        all RUNNING HEALTHY
        explain
        force
        ",
        expect![[r#"
            instance 1@a
            checked
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 86400
                ACTIVE d1 FAILED SCALE_UP d1 STOPPED
                “(deployment d1) deployment failed: a stage of the deployment didn't end within its time.”
            all RUNNING HEALTHY
            explain
                Failed { deployment: d1 } by Request
            force
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
        "#]],
    );
}
