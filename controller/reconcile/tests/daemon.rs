//! DAEMON services (ecs-semantics §2.3): as scripts over the real state, and their laws over random clusters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use std::collections::BTreeMap;

use drydock_model::status::{DesiredStatus, InstanceStatus, TaskStatus};
use drydock_proto::ecs;
use drydock_reconcile::Step;
use drydock_state::{Change, Command, InstanceKey, State};
use expect_test::expect;
use proptest::prelude::*;
use support::script::check;
use support::{World, percents};

// rule: 2.3/daemon-one-a-host
#[test]
fn one_task_an_instance_also_on_those_that_join_later() {
    check(
        "
        instance 1@a
        instance 2@a
        daemon
        all RUNNING
        wait 40
        instance 3@b
        c RUNNING
        wait 40
        deregister 1
        a STOPPED
        gone 2
        wait 200
        back 2
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            daemon
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
            instance 3@b
                c d1 @3 PENDING
                “has started 1 tasks: (task c).”
            c RUNNING
                c d1 @3 RUNNING
            wait 40
                “has reached a steady state.”
            deregister 1
                a d1 @1 STOPPED→STOPPED InfrastructureHealth
            a STOPPED
            gone 2
            wait 200
                b d1 @2 STOPPED→STOPPED InfrastructureHealth
            back 2
                d d1 @2 PENDING
                “has started 1 tasks: (task d).”
        "#]],
    );
}

#[test]
fn without_instances_it_is_steady_and_one_without_room_is_told() {
    check(
        "
        daemon
        instance 1@a cpu=128
        wait 60
        ",
        expect![[r#"
            daemon
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 1@a cpu=128
                “was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) has insufficient CPU units available.”
            wait 60
        "#]],
    );
}

// rule: 2.3/daemon-defaults
#[test]
fn a_deployment_replaces_in_place_down_to_the_minimum() {
    check(
        "
        instance 1@a
        instance 2@a
        daemon
        all RUNNING
        wait 40
        deploy
        all STOPPED
        all RUNNING
        wait 40
        percents 50 100
        deploy
        all STOPPED
        all RUNNING
        wait 40
        all STOPPED
        all RUNNING
        wait 40
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            daemon
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
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                c d2 @1 PENDING
                d d2 @2 PENDING
                “has started 2 tasks: (task c) (task d).”
            all RUNNING
                c d2 @1 RUNNING
                d d2 @2 RUNNING
            wait 40
                ACTIVE d2 COMPLETED CLEAN_UP
                “(deployment d2) deployment completed.”
                “has reached a steady state.”
            percents 50 100
            deploy
                c d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 IN_PROGRESS SCALE_UP
                “has stopped 1 running tasks: (task c).”
            all STOPPED
                c d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                e d3 @1 PENDING
                “has started 1 tasks: (task e).”
            all RUNNING
                e d3 @1 RUNNING
            wait 40
                d d2 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task d).”
            all STOPPED
                d d2 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                f d3 @2 PENDING
                “has started 1 tasks: (task f).”
            all RUNNING
                f d3 @2 RUNNING
            wait 40
                ACTIVE d3 COMPLETED CLEAN_UP
                “(deployment d3) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

#[test]
fn bounds_that_forbid_every_stop_are_a_deadlock() {
    check(
        "
        instance 1@a
        daemon min=60
        all RUNNING
        wait 40
        deploy
        ",
        expect![[r#"
            instance 1@a
            daemon min=60
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.”
        "#]],
    );
}

// rule: 2.3/daemon-constraint-violated
#[test]
fn a_task_whose_instance_is_no_longer_fit_stops() {
    check(
        "
        instance 1@a
        instance 2@a
        checked
        daemon
        a RUNNING HEALTHY
        b RUNNING HEALTHY
        instance 1@a plain
        all STOPPED
        instance 1@a
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            checked
            daemon
                a d1 @1 PENDING
                b d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            a RUNNING HEALTHY
                a d1 @1 RUNNING
            b RUNNING HEALTHY
                b d1 @2 RUNNING
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            instance 1@a plain
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
                “(task a) no longer meets the placement constraints on (container-instance 1).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
            instance 1@a
                c d1 @1 PENDING
                “has started 1 tasks: (task c).”
        "#]],
    );
}

#[test]
fn unhealthy_tasks_go_one_at_a_time() {
    check(
        "
        instance 1@a
        instance 2@a
        checked
        daemon
        a RUNNING HEALTHY
        b RUNNING HEALTHY
        a RUNNING UNHEALTHY
        b RUNNING UNHEALTHY
        all STOPPED
        c RUNNING HEALTHY
        all STOPPED
        d RUNNING HEALTHY
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            checked
            daemon
                a d1 @1 PENDING
                b d1 @2 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            a RUNNING HEALTHY
                a d1 @1 RUNNING
            b RUNNING HEALTHY
                b d1 @2 RUNNING
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            a RUNNING UNHEALTHY
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            b RUNNING UNHEALTHY
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                c d1 @1 PENDING
                ACTIVE d1 COMPLETED CLEAN_UP failed=1
                “has started 1 tasks: (task c).”
            c RUNNING HEALTHY
                c d1 @1 RUNNING
                b d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task b).”
            all STOPPED
                b d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                d d1 @2 PENDING
                ACTIVE d1 COMPLETED CLEAN_UP failed=2
                “has started 1 tasks: (task d).”
            d RUNNING HEALTHY
                d d1 @2 RUNNING
                “has reached a steady state.”
        "#]],
    );
}

fn drain(world: &mut World, instance: InstanceKey) {
    let mut request = ecs::UpdateContainerInstancesStateRequest {
        container_instances: vec![instance.to_string()],
        ..Default::default()
    };
    request.set_status(ecs::ContainerInstanceStatus::Draining);
    world.apply(Command::UpdateContainerInstancesState(request));
}

fn all_of(world: &mut World, service: &str, status: TaskStatus) {
    let told = status > TaskStatus::Running;
    for row in world.live(service) {
        if (row.desired_status == DesiredStatus::Stopped) == told && row.last_status < status {
            world.report_one(row.key, status);
        }
    }
}

// rule: 2.3/daemon-placed-first
#[test]
fn daemon_tasks_take_their_room_before_others() {
    for number in 0..8 {
        let mut world = World::new();
        world.create_service("web", 8, 100, 200);
        world.create_daemon("log", 0);
        world.settle(|_, _, _| {});
        // Seeds differ with the index of the log.
        for _ in 0..number {
            world.apply(Command::NewEpoch);
        }
        world.register_instance("1", "a", 512, true);
        world.settle(|_, _, _| {});
        assert_eq!((world.live("log").len(), world.live("web").len()), (1, 1));
    }
}

// rule: 2.3/daemon-stopped-last
#[test]
fn daemon_tasks_outlive_the_others_on_an_instance_that_drains() {
    let mut world = World::new();
    let one = world.register_instance("1", "a", 1024, true);
    world.create_service("web", 1, 0, 100);
    world.create_daemon("log", 0);
    world.settle(|_, _, _| {});
    all_of(&mut world, "web", TaskStatus::Running);
    all_of(&mut world, "log", TaskStatus::Running);
    world.run_for(40_000);
    drain(&mut world, one);
    world.settle(|_, _, _| {});
    let going = |world: &World, name: &str| world.live(name).iter().filter(|row| row.is_told_to_stop()).count();
    assert_eq!((going(&world, "web"), going(&world, "log")), (1, 0));
    assert_eq!(world.service("log").desired_count, 0, "nothing is wanted on it any more");
    all_of(&mut world, "web", TaskStatus::Stopping);
    world.settle(|_, _, _| {});
    assert_eq!(going(&world, "log"), 0);
    all_of(&mut world, "web", TaskStatus::Stopped);
    world.settle(|_, _, _| {});
    assert_eq!(going(&world, "log"), 1);
    all_of(&mut world, "log", TaskStatus::Stopped);
    world.settle(|_, _, _| {});
    assert_eq!(world.state.live_tasks_on(one).count(), 0);
    assert!(world.service("log").progress.steady);
}

fn laws(step: &Step, before: &State, after: &State) {
    for instance in after.all_instances() {
        let mut tasks: BTreeMap<_, u32> = BTreeMap::new();
        for task in after.live_tasks_on(instance.key).filter_map(|task| task.service) {
            *tasks.entry(task.service).or_default() += 1;
        }
        let crowded = tasks.iter().any(|(key, count)| *count > 1 && after.service(*key).unwrap().is_daemon());
        assert!(!crowded, "two tasks of a DAEMON service on one instance");
    }
    for change in &step.plan.changes {
        if let Change::CreateTask(create) = change {
            let key = InstanceKey { cluster: create.service.cluster, id: create.instance.unwrap() };
            assert_eq!(before.instance(key).unwrap().status, InstanceStatus::Active, "placed on one that drains");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    // rule: 2.3/daemon-one-a-host
    /// Whatever happens: never two on one instance, never a start where it drains; and in the end one on each that is
    /// ACTIVE, and none elsewhere.
    #[test]
    fn at_most_one_an_instance_and_in_the_end_exactly_one(
        happenings in proptest::collection::vec((0_u8..8, any::<u8>()), 0..60),
    ) {
        let mut world = World::new();
        for name in ["1", "2", "3"] {
            world.register_instance(name, "a", 1024, true);
        }
        world.create_daemon("log", 50);
        world.create_service("web", 2, 50, 200);
        for (what, number) in happenings {
            let instances: Vec<InstanceKey> = world
                .state
                .instances(world.cluster())
                .filter(|row| row.status != InstanceStatus::Inactive)
                .map(|row| row.key)
                .collect();
            let instance = instances[usize::from(number) % instances.len()];
            match what {
                0 => drain(&mut world, instance),
                1 => {
                    let mut request = ecs::UpdateContainerInstancesStateRequest {
                        container_instances: vec![instance.to_string()],
                        ..Default::default()
                    };
                    request.set_status(ecs::ContainerInstanceStatus::Active);
                    world.apply(Command::UpdateContainerInstancesState(request));
                }
                2 => drop(world.apply(Command::InstanceDisconnected(instance))),
                3 => drop(world.apply(Command::InstanceConnected(instance))),
                4 => {
                    world.register_definition(false, 256, 512);
                    world.update_service("log", |request| request.task_definition = Some("app".to_owned()));
                }
                5 => {
                    let until = world.now + u64::from(number) * 1_000;
                    world.advance_to(until, laws);
                }
                _ => {
                    let status = if number % 2 == 0 { TaskStatus::Running } else { TaskStatus::Stopped };
                    for service in ["log", "web"] {
                        all_of(&mut world, service, status);
                    }
                }
            }
            world.settle(laws);
        }
        for row in world.state.clone().instances(world.cluster()) {
            world.apply(Command::InstanceConnected(row.key));
        }
        // Half of one instance rounds up to one: a deadlock that is said, and that only a request ends.
        world.update_service("log", |request| request.deployment_configuration = Some(percents(0, 100)));
        for _ in 0..12 {
            for service in ["log", "web"] {
                all_of(&mut world, service, TaskStatus::Running);
                all_of(&mut world, service, TaskStatus::Stopped);
            }
            let until = world.now + 60_000;
            world.advance_to(until, laws);
        }
        let service = world.service("log").clone();
        let mut has: Vec<u128> = world.live("log").iter().map(|row| row.instance.unwrap()).collect();
        // Where every instance drains, the others have nowhere to go, and the daemon stays with them.
        let with_others: Vec<u128> = world.live("web").iter().map(|row| row.instance.unwrap()).collect();
        let drains = |id: u128| {
            let row = world.state.instance(InstanceKey { cluster: world.cluster(), id }).unwrap();
            row.status == InstanceStatus::Draining
        };
        has.retain(|id| !(drains(*id) && with_others.contains(id)));
        has.sort_unstable();
        let active = world.state.instances(world.cluster()).filter(|row| row.status == InstanceStatus::Active);
        let active: Vec<u128> = active.map(|row| row.key.id).collect();
        prop_assert_eq!(&has, &active);
        prop_assert_eq!(usize::try_from(service.desired_count).unwrap(), active.len());
        prop_assert!(service.progress.steady);
    }
}

/// Where the new revision may not start for now, the old one fills the minimum, and no more.
// rule: 2.3/lower-bound
#[test]
fn the_old_revision_fills_the_minimum_and_no_more() {
    check(
        "
        instance 1@a
        instance 2@a
        instance 3@a
        instance 4@a
        daemon min=50
        all RUNNING
        wait 40
        deploy
        all STOPPED
        fail all
        ",
        expect![[r#"
            instance 1@a
            instance 2@a
            instance 3@a
            instance 4@a
            daemon min=50
                a d1 @1 PENDING
                b d1 @2 PENDING
                c d1 @3 PENDING
                d d1 @4 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 4 tasks: (task a) (task b) (task c) (task d).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @2 RUNNING
                c d1 @3 RUNNING
                d d1 @4 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                b d1 @2 RUNNING→STOPPED ServiceSchedulerInitiated
                d d1 @4 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has stopped 2 running tasks: (task b) (task d).”
            all STOPPED
                b d1 @2 STOPPED→STOPPED ServiceSchedulerInitiated
                d d1 @4 STOPPED→STOPPED ServiceSchedulerInitiated
                e d2 @2 PENDING
                f d2 @4 PENDING
                “has started 2 tasks: (task e) (task f).”
            fail all
                a d1 @1 STOPPED→STOPPED TaskFailedToStart
                c d1 @3 STOPPED→STOPPED TaskFailedToStart
                g d1 @1 PENDING
                h d1 @2 PENDING
                e d2 @2 STOPPED→STOPPED TaskFailedToStart
                f d2 @4 STOPPED→STOPPED TaskFailedToStart
                ACTIVE d2 IN_PROGRESS SCALE_UP failed=2
                “has started 2 tasks: (task g) (task h).”
        "#]],
    );
}
