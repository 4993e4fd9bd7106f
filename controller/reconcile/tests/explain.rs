//! Explanations: what a service and its tasks wait for, until when, and what ends it; why a task isn't placed, and who
//! decided that it stops. Each as data from a dry run of the deciders (issue: "Explanations").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

#[test]
fn a_service_comes_up() {
    check(
        "
        service desired=2
        explain
        instance 1@a
        explain
        explain a
        a ACTIVATING
        explain a
        all RUNNING
        wait 15
        explain
        explain a
        wait 25
        explain
        explain a
        ",
        expect![[r#"
            service desired=2
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.”
            explain
                Placement { tasks: 2, why: Unplaced { closest: None, removed: {}, expressions: [], full: 0, pool: Ec2 }, lacks: [], in 60 s } by Room
                Stage { stage: "SCALE_UP", in 86400 s } by Others
            instance 1@a
                a d1 @1 PENDING
                b d1 @1 PENDING
                “has started 2 tasks: (task a) (task b).”
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Starting { tasks: 2, in 10800 s } by Agent
            explain a
                Agent { in 10800 s }
            a ACTIVATING
                a d1 @1 ACTIVATING
            explain a
                Start { in 10800 s }
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 15
            explain
                Stage { stage: "SCALE_UP", in 86385 s } by Others
                Healthy { tasks: 2, in 25 s } by Time
            explain a
                Healthy { in 25 s }
            wait 25
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            explain
                steady
            explain a
        "#]],
    );
}

#[test]
fn no_instance_takes_it() {
    check(
        "
        instance 1@a cpu=128
        instance 2@a plain
        instance 3@b
        gone 3
        service desired=1
        explain
        deploy checked
        explain
        ",
        expect![[r#"
            instance 1@a cpu=128
            instance 2@a plain
            instance 3@b
            gone 3
            service desired=1
                a d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Starting { tasks: 1, in 10800 s } by Agent
            deploy checked
                a d1 @2 PENDING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) has insufficient CPU units available.”
            explain
                Placement { tasks: 1, why: Unplaced { closest: Some((1, Lacking(Cpu))), removed: {Agent: 1, Attribute: 1, Lacking(Cpu): 1}, expressions: [], full: 1, pool: Ec2 }, lacks: [Shortage { name: "CPU", needed: 256, left: 128, values: [] }, Shortage { name: "MEMORY", needed: 512, left: 256, values: [] }], in 60 s } by Room
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Stopping { tasks: 1, in 600 s } by Agent
        "#]],
    );
}

#[test]
fn starts_that_fail_are_put_off() {
    check(
        "
        instance 1@a
        service desired=2
        fail all
        wait 5
        fail all
        explain
        explain a
        ",
        expect![[r#"
            instance 1@a
            service desired=2
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            fail all
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                b d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2
            wait 5
                c d1 @1 PENDING
                d d1 @1 PENDING
                “has started 2 tasks: (task c) (task d).”
            fail all
                c d1 @1 STOPPED→STOPPED TaskFailedToStart
                d d1 @1 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=4
            explain
                BackOff { failures: 2, in 10 s } by Time
                Stage { stage: "SCALE_UP", in 86395 s } by Others
            explain a
                Retention { in 3595 s }
                decided by Some(StartFailure)
        "#]],
    );
}

#[test]
fn health_checks_and_their_grace_period() {
    check(
        "
        instance 1@a
        service desired=1
        deploy checked
        all RUNNING
        explain
        b RUNNING UNHEALTHY
        explain
        explain b
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            deploy checked
                a d1 @1 PENDING→STOPPED ServiceSchedulerInitiated
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            all RUNNING
                b d2 @1 RUNNING
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                HealthCheck { tasks: 1 } by Agent
                Stopping { tasks: 1, in 600 s } by Agent
            b RUNNING UNHEALTHY
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Replacing { tasks: 1, why: Unhealthy } by Others
                Stopping { tasks: 1, in 600 s } by Agent
                Bounds { tasks: 1, lower: 1, upper: 2, deadlock: false } by Others
            explain b
                Replacement { why: Unhealthy }
        "#]],
    );
}

#[test]
fn bounds_that_wait_and_bounds_that_forbid() {
    check(
        "
        instance 1@a
        service desired=2 min=50 max=100
        all RUNNING
        wait 40
        deploy
        explain
        explain a
        explain b
        all STOPPED
        all RUNNING
        wait 40
        all STOPPED
        all RUNNING
        wait 40
        scale 3
        all RUNNING
        wait 40
        percents 100 125
        deploy
        explain
        ",
        expect![[r#"
            instance 1@a
            service desired=2 min=50 max=100
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
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has stopped 1 running tasks: (task b).”
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Replacing { tasks: 1, why: Outdated } by Others
                Stopping { tasks: 1, in 600 s } by Agent
                Bounds { tasks: 2, lower: 1, upper: 2, deadlock: false } by Others
            explain a
                Replacement { why: Outdated }
            explain b
                Stop { in 600 s }
                decided by Some(Deployment { deployment: d2 })
            all STOPPED
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                c d2 @1 PENDING
                “has started 1 tasks: (task c).”
            all RUNNING
                c d2 @1 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                d d2 @1 PENDING
                “has started 1 tasks: (task d).”
            all RUNNING
                d d2 @1 RUNNING
            wait 40
                ACTIVE d2 COMPLETED CLEAN_UP
                “(deployment d2) deployment completed.”
                “has reached a steady state.”
            scale 3
                e d2 @1 PENDING
                “has started 1 tasks: (task e).”
            all RUNNING
                e d2 @1 RUNNING
            wait 40
                “has reached a steady state.”
            percents 100 125
            deploy
                ACTIVE d3 IN_PROGRESS SCALE_UP
                “was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.”
            explain
                Stage { stage: "SCALE_UP", in 86400 s } by Others
                Replacing { tasks: 3, why: Outdated } by Others
                Bounds { tasks: 3, lower: 3, upper: 3, deadlock: true } by Request
        "#]],
    );
}

#[test]
fn tasks_leave_a_draining_instance() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        drain 1
        explain
        explain a
        instance 2@b
        all RUNNING
        explain
        wait 40
        explain
        explain a
        a STOPPED
        explain a
        explain
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
            drain 1
                “was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.”
            explain
                Placement { tasks: 1, why: Unplaced { closest: None, removed: {}, expressions: [], full: 0, pool: Ec2 }, lacks: [], in 60 s } by Room
                Replacing { tasks: 1, why: Draining } by Others
            explain a
                Replacement { why: Draining }
            instance 2@b
                b d1 @2 PENDING
                “has started 1 tasks: (task b).”
            all RUNNING
                b d1 @2 RUNNING
            explain
                Healthy { tasks: 1, in 40 s } by Time
                Replacing { tasks: 1, why: Draining } by Others
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            explain
                Stopping { tasks: 1, in 600 s } by Agent
            explain a
                Stop { in 600 s }
                decided by Some(Drained)
            a STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
            explain a
                Retention { in 3600 s }
                decided by Some(Drained)
            explain
                steady
        "#]],
    );
}

#[test]
fn an_agent_that_is_away() {
    check(
        "
        instance 1@a
        instance 2@b
        service desired=1
        run
        all RUNNING
        wait 40
        gone 1
        gone 2
        wait 20
        explain
        explain a
        explain b
        wait 100
        explain a
        explain b
        explain
        ",
        expect![[r#"
            instance 1@a
            instance 2@b
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            run
                b alone @1 PENDING
            all RUNNING
                a d1 @1 RUNNING
                b alone @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            gone 1
            gone 2
            wait 20
            explain
                steady
                Disconnected { tasks: 1, instances: 1, in 100 s, paused: false } by Agent
            explain a
                Disconnected { in 100 s }
            explain b
                Disconnected { None }
            wait 100
                a d1 @1 STOPPED→STOPPED InfrastructureHealth
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 2) encountered error "AGENT".”
            explain a
                Retention { in 3600 s }
                decided by Some(InstanceLost)
            explain b
                Disconnected { None }
            explain
                Placement { tasks: 1, why: Unplaced { closest: Some((2, Agent)), removed: {Agent: 2}, expressions: [], full: 0, pool: Ec2 }, lacks: [Shortage { name: "AGENT", needed: 1, left: 0, values: [] }], in 60 s } by Room
        "#]],
    );
}

#[test]
fn who_decided_that_a_task_stops() {
    check(
        "
        instance 1@a
        service desired=3
        run
        all RUNNING
        wait 40
        scale 2
        explain
        explain c
        all STOPPED
        d STOPPED
        explain d
        deploy
        all RUNNING
        wait 40
        explain a
        delete
        explain
        explain e
        wait 600
        explain e
        deregister 1
        ",
        expect![[r#"
            instance 1@a
            service desired=3
                a d1 @1 PENDING
                b d1 @1 PENDING
                c d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 3 tasks: (task a) (task b) (task c).”
            run
                d alone @1 PENDING
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
                d alone @1 RUNNING
                c d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            scale 2
                c d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task c).”
            explain
                Stopping { tasks: 1, in 600 s } by Agent
            explain c
                Stop { in 600 s }
                decided by Some(ScaledIn { deployment: d1 })
            all STOPPED
                c d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
            d STOPPED
                d alone @1 STOPPED→STOPPED EssentialContainerExited
            explain d
                Retention { in 3600 s }
                decided by Some(EssentialContainer)
            deploy
                e d2 @1 PENDING
                f d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task e) (task f).”
            all RUNNING
                e d2 @1 RUNNING
                f d2 @1 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS CLEAN_UP
                “has stopped 2 running tasks: (task a) (task b).”
            explain a
                Stop { in 600 s }
                decided by Some(Deployment { deployment: d2 })
            delete
                e d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                f d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                DRAINING d2 IN_PROGRESS CLEAN_UP d2 STOPPED
            explain
                Stopping { tasks: 4, in 600 s } by Agent
            explain e
                Stop { in 600 s }
                decided by Some(ServiceDeleted)
            wait 600
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                e d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                f d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                INACTIVE d2 IN_PROGRESS CLEAN_UP d2 STOPPED
            explain e
                Retention { in 3600 s }
                decided by Some(ServiceDeleted)
            deregister 1
        "#]],
    );
}

#[test]
fn tasks_that_the_controllers_end() {
    check(
        "
        instance 1@a
        instance 2@b
        service desired=2
        wait 10800
        explain a
        wait 600
        explain a
        all RUNNING
        deregister 1
        explain
        explain c
        ",
        expect![[r#"
            instance 1@a
            instance 2@b
            service desired=2
                a d1 @1 PENDING
                b d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            wait 10800
                a d1 @1 PENDING→STOPPED TaskFailedToStart
                b d1 @2 PENDING→STOPPED TaskFailedToStart
                c d1 @1 PENDING
                d d1 @2 PENDING
                “has started 2 tasks: (task c) (task d).”
            explain a
                Stop { in 600 s }
                decided by Some(StartDeadline)
            wait 600
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                b d1 @2 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d1 IN_PROGRESS SCALE_UP failed=2
            explain a
                Retention { in 3600 s }
                decided by Some(StartDeadline)
            all RUNNING
                c d1 @1 RUNNING
                d d1 @2 RUNNING
            deregister 1
                c d1 @1 STOPPED→STOPPED InfrastructureHealth
                e d1 @2 PENDING
                “has started 1 tasks: (task e).”
            explain
                Stage { stage: "SCALE_UP", in 75000 s } by Others
                Starting { tasks: 1, in 10800 s } by Agent
                Healthy { tasks: 1, in 40 s } by Time
            explain c
                Retention { in 3600 s }
                decided by Some(InstanceDeregistered)
        "#]],
    );
}
