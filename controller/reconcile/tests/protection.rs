//! Scale-in protection over the real state (ecs-semantics §2.3): what waits for it, until when, and what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use drydock_proto::ecs;
use drydock_state::Command;
use expect_test::expect;
use support::World;
use support::kinds::with_providers;
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

// rule: 2.3/protection-obeyed
#[test]
fn a_daemon_isnt_steady_while_only_protection_keeps_a_task_on_a_draining_instance() {
    check(
        "
        instance 1@a
        daemon
        all RUNNING
        wait 40
        protect a 10
        drain 1
        explain
        wait 600
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            daemon
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            protect a 10
            drain 1
                “(deployment d1) was unable to scale in due to task protection.”
            explain
                Replacing { tasks: 1, why: Draining } by Others
                Protection { tasks: 1, in 600 s } by Time
            wait 600
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/protection-obeyed
#[test]
fn a_blue_green_deployment_waits_for_protected_tasks_and_says_so() {
    check(
        "
        instance 1@a
        service desired=1 strategy=BLUE_GREEN bake=0
        all RUNNING
        wait 40
        protect a 10
        deploy
        all RUNNING
        wait 40
        explain
        wait 600
        ",
        expect![[r#"
            instance 1@a
            service desired=1 strategy=BLUE_GREEN bake=0
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP test=all production=all
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            protect a 10
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            all RUNNING
                b d2 @1 RUNNING
            wait 40
                ACTIVE d2 IN_PROGRESS CLEAN_UP test=all production=all
                “(deployment d2) was unable to scale in due to task protection.”
            explain
                Stage { stage: "CLEAN_UP", in 86400 s } by Others
                Replacing { tasks: 1, why: Outdated } by Others
                Protection { tasks: 1, in 560 s } by Time
            wait 600
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task a).”
        "#]],
    );
}

/// Tasks of a revision that is neither the new one nor the one that COMPLETED last.
// rule: 2.3/protection-obeyed
#[test]
fn a_blue_green_deployment_spares_protected_tasks_of_abandoned_revisions() {
    check(
        "
        instance 1@a
        service desired=1 strategy=BLUE_GREEN bake=0
        all RUNNING
        wait 40
        deploy
        all RUNNING
        protect b 10
        deploy
        explain
        wait 600
        ",
        expect![[r#"
            instance 1@a
            service desired=1 strategy=BLUE_GREEN bake=0
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP test=all production=all
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            all RUNNING
                b d2 @1 RUNNING
            protect b 10
            deploy
                ACTIVE d3 IN_PROGRESS RECONCILE_SERVICE
                “(deployment d3) was unable to scale in due to task protection.”
            explain
                Stage { stage: "RECONCILE_SERVICE", in 86400 s } by Others
                Healthy { tasks: 1, in 40 s } by Time
                Replacing { tasks: 2, why: Outdated } by Others
                Protection { tasks: 1, in 600 s } by Time
            wait 600
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                “has stopped 1 running tasks: (task b).”
        "#]],
    );
}

/// It ends at its time, whatever the task waits for.
#[test]
fn protection_of_a_task_that_waits_for_capacity_ends_too() {
    let mut world = with_providers(World::new());
    let scaled =
        ecs::CapacityProviderStrategyItem { capacity_provider: Some("scaled".to_owned()), base: None, weight: Some(1) };
    world.apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
        service_name: Some("web".to_owned()),
        task_definition: Some("app".to_owned()),
        desired_count: Some(1),
        capacity_provider_strategy: vec![scaled],
        ..Default::default()
    })));
    world.settle(|_, _, _| {});
    let task = world.live("web")[0].clone();
    assert!(task.is_waiting());
    world.apply(Command::UpdateTaskProtection(ecs::UpdateTaskProtectionRequest {
        cluster: Some("default".to_owned()),
        tasks: vec![task.key.to_string()],
        protection_enabled: Some(true),
        expires_in_minutes: Some(1),
    }));
    for (seconds, protected) in [(59, true), (1, false)] {
        world.run_for(seconds * 1_000);
        let row = world.state.task(task.key).unwrap();
        assert!(row.is_waiting());
        assert_eq!(row.protected_until.is_some(), protected);
    }
}
