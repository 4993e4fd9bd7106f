//! Version consistency, by scripts (ecs-semantics §2.3; the words are those of `support::script`): the first task of a
//! deployment finds out what its images are, and the others wait for it.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/version-consistency
#[test]
fn the_first_task_finds_the_digest_and_the_others_start_with_it() {
    check(
        "
        tagged
        found something
        instance 1@a
        service desired=3
        explain
        wait 1
        a ACTIVATING
        all RUNNING
        wait 40
        scale 4
        deploy
        ",
        expect![[r#"
            tagged
            found something
            instance 1@a
            service desired=3
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            explain
                Images { tasks: 2, in 10800 s } by Agent
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Starting { tasks: 1, in 10800 s } by Agent
            wait 1
            a ACTIVATING
                a d1 @1 ACTIVATING
                b d1 @1 PENDING
                c d1 @1 PENDING
                image sha256:5f70bf18
                “has started 2 tasks: (task b) (task c).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            scale 4
                d d1 @1 PENDING
                “has started 1 tasks: (task d).”
            deploy
                e d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                image not found yet
                “has started 1 tasks: (task e).”
        "#]],
    );
}

#[test]
fn an_image_that_has_no_digest_is_known_once_a_task_runs() {
    check(
        "
        tagged
        instance 1@a
        service desired=2
        wait 1
        a ACTIVATING
        a RUNNING
        ",
        expect![[r#"
            tagged
            instance 1@a
            service desired=2
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            wait 1
            a ACTIVATING
                a d1 @1 ACTIVATING
            a RUNNING
                a d1 @1 RUNNING
                b d1 @1 PENDING
                “has started 1 tasks: (task b).”
        "#]],
    );
}

#[test]
fn one_old_task_makes_room_for_the_first() {
    check(
        "
        tagged
        found something
        instance 1@a
        service desired=4 min=50 max=100
        all RUNNING
        wait 1
        all RUNNING
        wait 40
        deploy
        explain
        all STOPPED
        all ACTIVATING
        ",
        expect![[r#"
            tagged
            found something
            instance 1@a
            service desired=4 min=50 max=100
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                b d1 @1 PENDING
                c d1 @1 PENDING
                a d1 @1 RUNNING
                d d1 @1 PENDING
                image sha256:5f70bf18
                “has started 3 tasks: (task b) (task c) (task d).”
            wait 1
            all RUNNING
                b d1 @1 RUNNING
                c d1 @1 RUNNING
                d d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                image not found yet
                “has stopped 1 running tasks: (task a).”
            explain
                Images { tasks: 3, in 10800 s } by Agent
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Replacing { tasks: 3, why: Outdated } by Others
                Stopping { tasks: 1, in 600 s } by Agent
                Bounds { tasks: 1, lower: 2, upper: 4, deadlock: false } by Others
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                e d2 @1 PENDING
                “has started 1 tasks: (task e).”
            all ACTIVATING
                c d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                e d2 @1 ACTIVATING
                image sha256:5f70bf18
                “has stopped 1 running tasks: (task c).”
        "#]],
    );
}

#[test]
fn each_instance_of_a_daemon_waits_for_the_first() {
    check(
        "
        tagged
        found something
        instance 1@a
        instance 2@b
        instance 3@c
        daemon
        all RUNNING
        wait 1
        all RUNNING
        wait 40
        deploy
        all STOPPED
        all RUNNING
        ",
        expect![[r#"
            tagged
            found something
            instance 1@a
            instance 2@b
            instance 3@c
            daemon
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 PENDING
                c d1 @3 PENDING
                image sha256:5f70bf18
                “has started 2 tasks: (task b) (task c).”
            wait 1
            all RUNNING
                b d1 @2 RUNNING
                c d1 @3 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                c d1 @3 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                image not found yet
                “has stopped 1 running tasks: (task c).”
            all STOPPED
                c d1 @3 STOPPED→STOPPED ServiceSchedulerInitiated
                d d2 @3 PENDING
                “has started 1 tasks: (task d).”
            all RUNNING
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                d d2 @3 RUNNING
                image sha256:5f70bf18
                “has stopped 2 running tasks: (task a) (task b).”
        "#]],
    );
}

#[test]
fn green_waits_for_its_first_and_blue_does_not() {
    check(
        "
        tagged
        found something
        instance 1@a
        service desired=2 strategy=BLUE_GREEN bake=0
        all RUNNING
        wait 1
        all RUNNING
        wait 40
        deploy
        all RUNNING
        ",
        expect![[r#"
            tagged
            found something
            instance 1@a
            service desired=2 strategy=BLUE_GREEN bake=0
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 PENDING
                image sha256:5f70bf18
                “has started 1 tasks: (task b).”
            wait 1
            all RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP test=all production=all
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                c d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                image not found yet
                “has started 1 tasks: (task c).”
            all RUNNING
                c d2 @1 RUNNING
                d d2 @1 PENDING
                image sha256:5f70bf18
                “has started 1 tasks: (task d).”
        "#]],
    );
}

// rule: 2.3/version-consistency-tries
#[test]
fn after_three_tries_it_goes_on_without_digests() {
    check(
        "
        tagged
        instance 1@a
        service desired=3
        wait 1
        fail a
        wait 1
        fail b
        explain
        wait 1
        fail c
        explain
        wait 20
        ",
        expect![[r#"
            tagged
            instance 1@a
            service desired=3
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            wait 1
            fail a
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1
                “has started 1 tasks: (task b).”
            wait 1
            fail b
                b d1 @1 STOPPED→STOPPED TaskFailedToStart
                c d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2
                “has started 1 tasks: (task c).”
            explain
                Images { tasks: 2, in 10800 s } by Agent
                Stage { stage: "SCALE_UP", in 86398 s } by Others
                Starting { tasks: 1, in 10800 s } by Agent
            wait 1
            fail c
                c d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=3
                “is unable to consistently start tasks successfully.”
            explain
                BackOff { failures: 3, in 20 s } by Time
                Stage { stage: "SCALE_UP", in 86397 s } by Others
            wait 20
                d d1 @1 PENDING
                e d1 @1 PENDING
                f d1 @1 PENDING
                “has started 3 tasks: (task d) (task e) (task f).”
        "#]],
    );
}

// rule: 2.3/version-consistency-tries
#[test]
fn after_three_tries_it_fails_where_the_breaker_is_on() {
    check(
        "
        instance 1@a
        service desired=2 breaker=rollback threshold=COUNT:10
        all RUNNING
        wait 40
        tagged
        deploy
        wait 1
        fail c
        wait 1
        fail d
        wait 1
        fail e
        ",
        expect![[r#"
            instance 1@a
            service desired=2 breaker=rollback threshold=COUNT:10
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP breaker=0/10 MONITORING
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/10 MONITORING_COMPLETE
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            tagged
            deploy
                c d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP breaker=0/10 MONITORING
                “has started 1 tasks: (task c).”
            wait 1
            fail c
                c d2 @1 STOPPED→STOPPED TaskFailedToStart
                d d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=1 breaker=1/10 MONITORING
                “has started 1 tasks: (task d).”
            wait 1
            fail d
                d d2 @1 STOPPED→STOPPED TaskFailedToStart
                e d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=2 breaker=2/10 MONITORING
                “has started 1 tasks: (task e).”
            wait 1
            fail e
                e d2 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 COMPLETED CLEAN_UP breaker=0/10 MONITORING_COMPLETE d2 ROLLBACK_SUCCESSFUL
                “(deployment d2) deployment failed: tasks failed to start.”
                “rolling back to deployment d1.”
                “is unable to consistently start tasks successfully.”
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}
