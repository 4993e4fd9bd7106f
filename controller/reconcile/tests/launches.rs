//! How fast a service launches tasks (ecs-semantics §2.7).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use expect_test::expect;
use support::World;
use support::script::check;

// rule: 2.7/launch-rate-service
#[test]
fn five_hundred_a_minute_unless_it_is_set_otherwise() {
    let mut world = World::new();
    world.register_instance("i", "a", 1_000_000, true);
    world.create_service("web", 1_200, 100, 200);
    let (mut minutes, start) = (Vec::new(), world.now);
    for minute in 0..4 {
        world.advance_to(start + minute * 60_000, |_, _, _| {});
        minutes.push(world.live("web").len());
    }
    assert_eq!(minutes, [500, 1_000, 1_200, 1_200]);
}

// rule: 2.7/launch-rate-service
#[test]
fn what_is_late_makes_no_room_and_is_explained() {
    check(
        "
        launches 2
        instance i@a cpu=1024
        service desired=3 min=0 max=100
        explain
        wait 59
        wait 1
        all RUNNING
        wait 60
        deploy
        explain
        wait 60
        explain
        ",
        expect![[r#"
            launches 2
            instance i@a cpu=1024
            service desired=3 min=0 max=100
                a d1 @i PENDING
                b d1 @i PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            explain
                LaunchRate { tasks: 1, in 60 s } by Time
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Starting { tasks: 2, in 10800 s } by Agent
            wait 59
            wait 1
                c d1 @i PENDING
                “has started 1 tasks: (task c).”
            all RUNNING
                a d1 @i RUNNING
                b d1 @i RUNNING
                c d1 @i RUNNING
            wait 60
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                a d1 @i RUNNING→STOPPED ServiceSchedulerInitiated
                c d1 @i RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has stopped 2 running tasks: (task a) (task c).”
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Replacing { tasks: 1, why: Outdated } by Others
                Stopping { tasks: 2, in 600 s } by Agent
                Bounds { tasks: 2, lower: 0, upper: 3, deadlock: false } by Others
            wait 60
            explain
                Stage { stage: "SCALE_UP", in 86340 s } by Others
                Replacing { tasks: 1, why: Outdated } by Others
                Stopping { tasks: 2, in 540 s } by Agent
                Bounds { tasks: 2, lower: 0, upper: 3, deadlock: false } by Others
        "#]],
    );
}

/// Tasks that stop at once count, too: a crash loop is bounded twice.
// rule: 2.7/launch-rate-service
#[test]
fn stopped_tasks_count_and_a_daemon_waits_as_well() {
    check(
        "
        launches 1
        instance i@a
        instance j@a
        daemon
        explain
        fail all
        wait 60
        ",
        expect![[r#"
            launches 1
            instance i@a
            instance j@a
            daemon
                a d1 @i PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            explain
                LaunchRate { tasks: 1, in 60 s } by Time
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Starting { tasks: 1, in 10800 s } by Agent
            fail all
                a d1 @i STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=1
            wait 60
                b d1 @i PENDING
                “has started 1 tasks: (task b).”
        "#]],
    );
}

/// What is still stopping wants a launch when it is gone: no more is stopped than can be started again.
// rule: 2.7/launch-rate-service
#[test]
fn a_daemon_stops_no_more_than_it_may_start() {
    check(
        "
        launches 2
        instance i@a
        instance j@a
        instance k@a
        daemon
        wait 60
        all RUNNING
        wait 60
        deploy
        wait 1
        all STOPPED
        ",
        expect![[r#"
            launches 2
            instance i@a
            instance j@a
            instance k@a
            daemon
                a d1 @i PENDING
                b d1 @k PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            wait 60
                c d1 @j PENDING
                “has started 1 tasks: (task c).”
            all RUNNING
                a d1 @i RUNNING
                b d1 @k RUNNING
                c d1 @j RUNNING
            wait 60
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                a d1 @i RUNNING→STOPPED ServiceSchedulerInitiated
                c d1 @j RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has stopped 2 running tasks: (task a) (task c).”
            wait 1
            all STOPPED
                a d1 @i STOPPED→STOPPED ServiceSchedulerInitiated
                c d1 @j STOPPED→STOPPED ServiceSchedulerInitiated
                d d2 @i PENDING
                e d2 @j PENDING
                “has started 2 tasks: (task d) (task e).”
        "#]],
    );
}
