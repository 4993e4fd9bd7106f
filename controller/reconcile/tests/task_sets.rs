//! Services with an EXTERNAL controller: each task set holds its computed count, the caller drives, what is deleted
//! drains (ecs-semantics §2.3, Controllers). The words of the scripts: `support/script.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests read better so")]

mod support;

use drydock_model::capacity::Serves;
use drydock_proto::ecs;
use drydock_state::{Outcome, TaskSetKey};
use expect_test::expect;
use support::World;
use support::kinds::with_providers;
use support::script::check;

// rule: 2.3/task-set-status, 2.3/task-set-stability, 2.3/task-set-events
#[test]
fn blue_becomes_green_by_hand() {
    check(
        "instance x@a
         instance y@b
         external desired=2
         task-set 100
         all RUNNING
         primary s1
         task-set 50
         all RUNNING
         rescale s2 100
         all RUNNING
         primary s2
         rescale s1 0
         all STOPPING
         all STOPPED
         delete-set s1
         wait 3600",
        expect![[r#"
            instance x@a
            instance y@b
            external desired=2
                ACTIVE
            task-set 100
                a s1 @x PENDING
                b s1 @y PENDING
                s1 ACTIVE 2 wanted, 0 running, 2 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 2.”
                “(taskSet s1) has started 2 tasks: (task a) (task b).”
            all RUNNING
                a s1 @x RUNNING
                b s1 @y RUNNING
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “has reached a steady state.”
            primary s1
                s1 PRIMARY 2 wanted, 2 running, 0 pending, STEADY_STATE
            task-set 50
                c s2 @y PENDING
                s2 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 1.”
                “(taskSet s2) has started 1 tasks: (task c).”
            all RUNNING
                c s2 @y RUNNING
                s2 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
            rescale s2 100
                d s2 @x PENDING
                s2 ACTIVE 2 wanted, 1 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 2.”
                “(taskSet s2) has started 1 tasks: (task d).”
            all RUNNING
                d s2 @x RUNNING
                s2 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
            primary s2
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                s2 PRIMARY 2 wanted, 2 running, 0 pending, STEADY_STATE
            rescale s1 0
                a s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                b s1 @y RUNNING→STOPPED ServiceSchedulerInitiated
                s1 ACTIVE 0 wanted, 0 running, 0 pending, STEADY_STATE
                “updated computedDesiredCount for taskSet s1 to 0.”
                “(taskSet s1) has stopped 2 running tasks: (task a) (task b).”
                “(taskSet s1) updated state to STEADY_STATE.”
                “has reached a steady state.”
            all STOPPING
                a s1 @x STOPPING→STOPPED ServiceSchedulerInitiated
                b s1 @y STOPPING→STOPPED ServiceSchedulerInitiated
            all STOPPED
                a s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
                b s1 @y STOPPED→STOPPED ServiceSchedulerInitiated
            delete-set s1
                s1 gone
            wait 3600
        "#]],
    );
}

// rule: 2.3/task-set-stability
#[test]
fn steady_state_is_awss_four_conditions() {
    check(
        "instance x@a
         external desired=2 min=50 max=100
         task-set 100 checked
         a RUNNING
         b RUNNING
         a RUNNING HEALTHY
         b RUNNING HEALTHY
         b RUNNING UNHEALTHY
         instance y@b
         b STOPPING
         b STOPPED
         c RUNNING
         c RUNNING HEALTHY",
        expect![[r#"
            instance x@a
            external desired=2 min=50 max=100
                ACTIVE
            task-set 100 checked
                a s1 @x PENDING
                b s1 @x PENDING
                s1 ACTIVE 2 wanted, 0 running, 2 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 2.”
                “(taskSet s1) has started 2 tasks: (task a) (task b).”
            a RUNNING
                a s1 @x RUNNING
                s1 ACTIVE 2 wanted, 1 running, 1 pending, STABILIZING
            b RUNNING
                b s1 @x RUNNING
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STABILIZING
            a RUNNING HEALTHY
            b RUNNING HEALTHY
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “has reached a steady state.”
            b RUNNING UNHEALTHY
                b s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                s1 ACTIVE 2 wanted, 1 running, 0 pending, STABILIZING
                “(taskSet s1) has stopped 1 running tasks: (task b).”
            instance y@b
            b STOPPING
                b s1 @x STOPPING→STOPPED ServiceSchedulerInitiated
                c s1 @y PENDING
                s1 ACTIVE 2 wanted, 1 running, 1 pending, STABILIZING
                “(taskSet s1) has started 1 tasks: (task c).”
            b STOPPED
                b s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
            c RUNNING
                c s1 @y RUNNING
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STABILIZING
            c RUNNING HEALTHY
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “has reached a steady state.”
        "#]],
    );
}

#[test]
fn a_drained_instance_is_emptied_within_the_percentages() {
    check(
        "instance x@a
         external desired=2 min=50 max=100
         task-set 100
         all RUNNING
         wait 40
         instance y@b
         drain x
         explain
         a STOPPING
         c RUNNING
         wait 40
         all STOPPED
         d RUNNING
         wait 40",
        expect![[r#"
            instance x@a
            external desired=2 min=50 max=100
                ACTIVE
            task-set 100
                a s1 @x PENDING
                b s1 @x PENDING
                s1 ACTIVE 2 wanted, 0 running, 2 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 2.”
                “(taskSet s1) has started 2 tasks: (task a) (task b).”
            all RUNNING
                a s1 @x RUNNING
                b s1 @x RUNNING
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “has reached a steady state.”
            wait 40
            instance y@b
            drain x
                b s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                s1 ACTIVE 2 wanted, 1 running, 0 pending, STABILIZING
                “(taskSet s1) has stopped 1 running tasks: (task b).”
            explain
                Bounds { tasks: 2, lower: 1, upper: 2, deadlock: false } by Others
                Replacing { tasks: 1, why: Draining } by Others
                Stopping { tasks: 1, in 600 s } by Agent
            a STOPPING
                a s1 @x STOPPING→STOPPED EssentialContainerExited
                c s1 @y PENDING
                s1 ACTIVE 2 wanted, 0 running, 1 pending, STABILIZING
                “(taskSet s1) has started 1 tasks: (task c).”
            c RUNNING
                c s1 @y RUNNING
                s1 ACTIVE 2 wanted, 1 running, 0 pending, STABILIZING
            wait 40
            all STOPPED
                a s1 @x STOPPED→STOPPED EssentialContainerExited
                b s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
                d s1 @y PENDING
                s1 ACTIVE 2 wanted, 1 running, 1 pending, STABILIZING
                “(taskSet s1) has started 1 tasks: (task d).”
            d RUNNING
                d s1 @y RUNNING
                s1 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “has reached a steady state.”
            wait 40
        "#]],
    );
}

#[test]
fn a_task_set_without_room_says_so_and_others_go_on() {
    check(
        "instance x@a cpu=512
         external desired=2
         task-set 50
         task-set 100 cpu=1024
         task-set 50
         all RUNNING
         explain
         instance y@b cpu=2048
         all RUNNING",
        expect![[r#"
            instance x@a cpu=512
            external desired=2
                ACTIVE
            task-set 50
                a s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 1.”
                “(taskSet s1) has started 1 tasks: (task a).”
            task-set 100 cpu=1024
                s2 ACTIVE 2 wanted, 0 running, 0 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 2.”
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance x) has insufficient CPU units available.”
            task-set 50
                b s3 @x PENDING
                s3 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s3 to 1.”
                “(taskSet s3) has started 1 tasks: (task b).”
            all RUNNING
                b s3 @x RUNNING
                a s1 @x RUNNING
                s1 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                s3 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “(taskSet s3) updated state to STEADY_STATE.”
            explain
                Placement { tasks: 2, why: Unplaced { closest: Some((x, Lacking(Cpu))), removed: {Lacking(Cpu): 1}, expressions: [], full: 1, pool: Ec2 }, lacks: [Shortage { name: "CPU", needed: 1024, left: 0, values: [] }, Shortage { name: "MEMORY", needed: 512, left: 0, values: [] }], in 60 s } by Room
                Healthy { tasks: 2, in 40 s } by Time
            instance y@b cpu=2048
                c s2 @y PENDING
                d s2 @y PENDING
                s2 ACTIVE 2 wanted, 0 running, 2 pending, STABILIZING
                “(taskSet s2) has started 2 tasks: (task c) (task d).”
            all RUNNING
                c s2 @y RUNNING
                d s2 @y RUNNING
                s2 ACTIVE 2 wanted, 2 running, 0 pending, STEADY_STATE
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
        "#]],
    );
}

#[test]
fn starts_that_fail_are_throttled_in_their_own_task_set() {
    check(
        "instance x@a
         external desired=1
         task-set 100
         fail a
         explain
         task-set 100
         wait 5
         fail c
         wait 10
         fail d
         b RUNNING",
        expect![[r#"
            instance x@a
            external desired=1
                ACTIVE
            task-set 100
                a s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 1.”
                “(taskSet s1) has started 1 tasks: (task a).”
            fail a
                a s1 @x STOPPED→STOPPED TaskFailedToStart
                s1 ACTIVE 1 wanted, 0 running, 0 pending, STABILIZING
            explain
                BackOff { failures: 1, in 5 s } by Time
            task-set 100
                b s2 @x PENDING
                s2 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 1.”
                “(taskSet s2) has started 1 tasks: (task b).”
            wait 5
                c s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “(taskSet s1) has started 1 tasks: (task c).”
            fail c
                c s1 @x STOPPED→STOPPED TaskFailedToStart
                s1 ACTIVE 1 wanted, 0 running, 0 pending, STABILIZING
            wait 10
                d s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “(taskSet s1) has started 1 tasks: (task d).”
            fail d
                d s1 @x STOPPED→STOPPED TaskFailedToStart
                s1 ACTIVE 1 wanted, 0 running, 0 pending, STABILIZING
                “is unable to consistently start tasks successfully.”
            b RUNNING
                b s2 @x RUNNING
                s2 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                “(taskSet s2) updated state to STEADY_STATE.”
        "#]],
    );
}

// rule: 2.3/task-set-delete
#[test]
fn a_task_set_is_deleted_with_its_tasks_by_force() {
    check(
        "instance x@a
         external desired=2
         task-set 50
         task-set 50
         primary s1
         all RUNNING
         delete-set s1 force
         gone x
         wait 3600",
        expect![[r#"
            instance x@a
            external desired=2
                ACTIVE
            task-set 50
                a s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 1.”
                “(taskSet s1) has started 1 tasks: (task a).”
            task-set 50
                b s2 @x PENDING
                s2 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 1.”
                “(taskSet s2) has started 1 tasks: (task b).”
            primary s1
                s1 PRIMARY 1 wanted, 0 running, 1 pending, STABILIZING
            all RUNNING
                b s2 @x RUNNING
                a s1 @x RUNNING
                s1 PRIMARY 1 wanted, 1 running, 0 pending, STEADY_STATE
                s2 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
            delete-set s1 force
                a s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                s1 DRAINING 0 wanted, 0 running, 0 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 0.”
                “(taskSet s1) has stopped 1 running tasks: (task a).”
            gone x
            wait 3600
                b s2 @x STOPPED→STOPPED InfrastructureHealth
                a s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
                s1 gone
                s2 ACTIVE 1 wanted, 0 running, 0 pending, STABILIZING
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance x) encountered error "AGENT".”
        "#]],
    );
}

#[test]
fn a_service_is_deleted_with_its_task_sets() {
    check(
        "instance x@a
         external desired=2
         task-set 50
         task-set 100
         a RUNNING
         delete
         all STOPPING
         all STOPPED",
        expect![[r#"
            instance x@a
            external desired=2
                ACTIVE
            task-set 50
                a s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 1.”
                “(taskSet s1) has started 1 tasks: (task a).”
            task-set 100
                b s2 @x PENDING
                c s2 @x PENDING
                s2 ACTIVE 2 wanted, 0 running, 2 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 2.”
                “(taskSet s2) has started 2 tasks: (task b) (task c).”
            a RUNNING
                a s1 @x RUNNING
                s1 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
            delete
                b s2 @x PENDING→STOPPED ServiceSchedulerInitiated
                c s2 @x PENDING→STOPPED ServiceSchedulerInitiated
                a s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                s1 DRAINING 0 wanted, 0 running, 0 pending, STABILIZING
                s2 DRAINING 0 wanted, 0 running, 0 pending, STABILIZING
                DRAINING
                “updated computedDesiredCount for taskSet s1 to 0.”
                “updated computedDesiredCount for taskSet s2 to 0.”
            all STOPPING
                b s2 @x STOPPING→STOPPED ServiceSchedulerInitiated
                c s2 @x STOPPING→STOPPED ServiceSchedulerInitiated
                a s1 @x STOPPING→STOPPED ServiceSchedulerInitiated
                INACTIVE
            all STOPPED
                b s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                c s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                a s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
        "#]],
    );
}

// rule: 2.3/task-set-scale
#[test]
fn the_desired_count_scales_each_task_set() {
    check(
        "instance x@a
         external desired=1
         task-set 30
         task-set 70
         all RUNNING
         scale 10
         all RUNNING
         scale 0
         all STOPPED",
        expect![[r#"
            instance x@a
            external desired=1
                ACTIVE
            task-set 30
                a s1 @x PENDING
                s1 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 1.”
                “(taskSet s1) has started 1 tasks: (task a).”
            task-set 70
                b s2 @x PENDING
                s2 ACTIVE 1 wanted, 0 running, 1 pending, STABILIZING
                “updated computedDesiredCount for taskSet s2 to 1.”
                “(taskSet s2) has started 1 tasks: (task b).”
            all RUNNING
                b s2 @x RUNNING
                a s1 @x RUNNING
                s1 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                s2 ACTIVE 1 wanted, 1 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
            scale 10
                c s2 @x PENDING
                d s2 @x PENDING
                e s2 @x PENDING
                f s1 @x PENDING
                g s2 @x PENDING
                h s2 @x PENDING
                i s1 @x PENDING
                j s2 @x PENDING
                s1 ACTIVE 3 wanted, 1 running, 2 pending, STABILIZING
                s2 ACTIVE 7 wanted, 1 running, 6 pending, STABILIZING
                “updated computedDesiredCount for taskSet s1 to 3.”
                “updated computedDesiredCount for taskSet s2 to 7.”
                “(taskSet s1) has started 2 tasks: (task f) (task i).”
                “(taskSet s2) has started 6 tasks: (task c) (task d) (task e) (task g) (task h) (task j).”
            all RUNNING
                c s2 @x RUNNING
                d s2 @x RUNNING
                e s2 @x RUNNING
                f s1 @x RUNNING
                g s2 @x RUNNING
                h s2 @x RUNNING
                i s1 @x RUNNING
                j s2 @x RUNNING
                s1 ACTIVE 3 wanted, 3 running, 0 pending, STEADY_STATE
                s2 ACTIVE 7 wanted, 7 running, 0 pending, STEADY_STATE
                “(taskSet s1) updated state to STEADY_STATE.”
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
            scale 0
                c s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                d s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                e s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                b s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                f s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                g s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                h s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                i s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                j s2 @x RUNNING→STOPPED ServiceSchedulerInitiated
                a s1 @x RUNNING→STOPPED ServiceSchedulerInitiated
                s1 ACTIVE 0 wanted, 0 running, 0 pending, STEADY_STATE
                s2 ACTIVE 0 wanted, 0 running, 0 pending, STEADY_STATE
                “updated computedDesiredCount for taskSet s1 to 0.”
                “updated computedDesiredCount for taskSet s2 to 0.”
                “(taskSet s1) has stopped 3 running tasks: (task a) (task f) (task i).”
                “(taskSet s1) updated state to STEADY_STATE.”
                “(taskSet s2) has stopped 7 running tasks: (task b) (task c) (task d) (task e) (task g) (task h) (task j).”
                “(taskSet s2) updated state to STEADY_STATE.”
                “has reached a steady state.”
            all STOPPED
                c s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                d s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                e s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                b s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                f s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
                g s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                h s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                i s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
                j s2 @x STOPPED→STOPPED ServiceSchedulerInitiated
                a s1 @x STOPPED→STOPPED ServiceSchedulerInitiated
        "#]],
    );
}

/// Each goes by its own strategy: the shares of one say nothing about the other's tasks.
// rule: 2.4/capacity-base-first
#[test]
fn a_task_set_has_a_capacity_provider_strategy_of_its_own() {
    let mut world = with_providers(World::new());
    world.register_host("x", "a", 4096, true, (Serves::Ec2, "fixed"));
    world.create_external("web", 3, (100, 200));
    let item = |provider: &str, weight| ecs::CapacityProviderStrategyItem {
        capacity_provider: Some(provider.to_owned()),
        weight: Some(weight),
        base: None,
    };
    let mut set_of = |strategy| match world.create_task_set_on("web", "100", strategy) {
        Outcome::TaskSet(row) => {
            world.settle(|_, _, _| {});
            row.key
        }
        other => panic!("{other:?}"),
    };
    let (both, one) = (set_of(vec![item("fixed", 2), item("scaled", 1)]), set_of(vec![item("fixed", 1)]));
    let tasks = |world: &World, set: TaskSetKey| {
        let mut found: Vec<String> = world
            .live("web")
            .iter()
            .filter(|task| task.service.is_some_and(|owner| owner.deployment == set.number))
            .map(|task| {
                let place = task.instance.map_or("waits".to_owned(), |id| world.instance_name(id));
                format!("{} {place}", task.capacity_provider.as_deref().unwrap_or("none"))
            })
            .collect();
        found.sort();
        found
    };
    // A scaled provider's task waits for an instance; RUNNING tasks of the other set don't count for the shares.
    assert_eq!(tasks(&world, both), ["fixed x", "fixed x", "scaled waits"]);
    assert_eq!(tasks(&world, one), ["fixed x", "fixed x", "fixed x"]);

    // Of equals the later in the strategy gives up: its task came last.
    world.rescale("web", both, "34");
    world.settle(|_, _, _| {});
    let stays = |set: TaskSetKey| {
        let tasks = world.live("web").into_iter().filter(|task| !task.is_told_to_stop());
        let ours = tasks.filter(|task| task.service.is_some_and(|owner| owner.deployment == set.number));
        let mut providers: Vec<String> = ours.filter_map(|task| Some(task.capacity_provider?.to_string())).collect();
        providers.sort();
        providers
    };
    assert_eq!(stays(both), ["fixed", "fixed"]);
    assert_eq!(stays(one), ["fixed"; 3]);

    let unknown = world.create_task_set_on("web", "0", vec![item("nobody", 1)]);
    let refused = unknown.refused().map(ToString::to_string).unwrap_or_default();
    assert!(refused.contains("'nobody' was not found"), "{refused}");
}
