//! Scale-in protection as state: what UpdateTaskProtection sets and refuses, and when it ends (ecs-semantics §2.3).
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, reason = "tests read better so")]

mod common;

use common::World;
use common::script::step;
use drydock_proto::ecs;
use drydock_state::plan::EndTaskProtection;
use drydock_state::query::Query;
use drydock_state::{Change, Command, Outcome, Plan};
use expect_test::{Expect, expect};

const MINUTE: u64 = 60_000;

/// Two services' worth of tasks: t1 to t3 of `web` (desiredCount 2), t4 on its own.
fn world() -> World {
    let mut world = World::default();
    world.cluster("default");
    for line in [
        "register web",
        "join a",
        "service web td=web desired=2",
        "plan create web on=a",
        "plan create web on=a",
        "plan create web on=a",
        "run web on=a",
    ] {
        step(&mut world, line);
    }
    world
}

fn request(world: &World, labels: &[&str], enabled: bool, minutes: Option<i32>) -> ecs::UpdateTaskProtectionRequest {
    let name = |label: &&str| if label.starts_with('t') { world.task(label).to_string() } else { (*label).to_owned() };
    ecs::UpdateTaskProtectionRequest {
        cluster: Some("default".to_owned()),
        tasks: labels.iter().map(name).collect(),
        protection_enabled: Some(enabled),
        expires_in_minutes: minutes,
    }
}

/// One line a task: whether it is protected and for how many minutes from now; then the failures.
fn protect(world: &mut World, labels: &[&str], enabled: bool, minutes: Option<i32>, expected: Expect) {
    let request = request(world, labels, enabled, minutes);
    let (rows, failures) = match world.apply(Command::UpdateTaskProtection(request)) {
        Outcome::Protection(rows, failures) => (rows, failures),
        other => panic!("{other:?}"),
    };
    let mut out = String::new();
    for row in rows {
        let left = row.protected_until.map_or("none".to_owned(), |at| ((at - world.now) / MINUTE).to_string());
        out += &format!("{} {left}\n", world.label(row.key));
    }
    for failure in failures {
        out += &format!("{} {}\n", failure.reason.unwrap(), failure.detail.unwrap_or_default());
    }
    expected.assert_eq(&out);
}

// rule: 2.3/protection-period
#[test]
fn tasks_of_services_are_protected_for_two_hours_unless_told_otherwise() {
    let mut world = world();
    protect(
        &mut world,
        &["t1"],
        true,
        None,
        expect![[r#"
        t1 120
    "#]],
    );
    protect(
        &mut world,
        &["t1", "t2"],
        true,
        Some(2_880),
        expect![[r#"
        t1 2880
        t2 2880
    "#]],
    );
    protect(
        &mut world,
        &["t1"],
        false,
        None,
        expect![[r#"
        t1 none
    "#]],
    );
}

// rule: 2.3/protection-service-only
#[test]
fn what_cannot_be_protected_is_a_failure_and_the_others_are_protected() {
    let mut world = world();
    let missing = "0123456789abcdef0123456789abcdef";
    protect(
        &mut world,
        &["t1", "t4", missing, "t2", "t3"],
        true,
        Some(1),
        expect![[r#"
        t1 1
        t2 1
        TASK_NOT_VALID The task has no service.
        MISSING 
        DEPLOYMENT_BLOCKED 2 tasks of the service are protected; its desiredCount is 2.
    "#]],
    );
    step(&mut world, "stop t1");
    protect(
        &mut world,
        &["t1", "t3"],
        true,
        Some(1),
        expect![[r#"
        t3 1
        TASK_NOT_VALID The task is stopping.
    "#]],
    );
}

// rule: 2.3/protection-period
#[test]
fn protection_ends_by_itself_and_never_before_its_time() {
    let mut world = world();
    protect(
        &mut world,
        &["t1"],
        true,
        Some(1),
        expect![[r#"
        t1 1
    "#]],
    );
    let until = world.now + MINUTE;
    let end = |world: &mut World, until| {
        let end = EndTaskProtection { task: world.task("t1"), until };
        match world.apply(Command::Plan(Plan { changes: vec![Change::EndTaskProtection(end)] })) {
            Outcome::Planned { applied, .. } => applied,
            other => panic!("{other:?}"),
        }
    };
    let enabled = |world: &World| {
        let request = ecs::GetTaskProtectionRequest {
            cluster: Some("default".to_owned()),
            tasks: vec![world.task("t1").to_string()],
        };
        let scope = common::scope();
        let answer = Query::new(&world.state, &scope).get_task_protection(&request).unwrap();
        answer.protected_tasks[0].protection_enabled()
    };
    assert_eq!(end(&mut world, until), 0, "not before its time");
    assert!(enabled(&world));
    world.now = until;
    assert_eq!(end(&mut world, until - 1), 0, "another end");
    assert!(!enabled(&world), "told as over from its very time on");
    assert_eq!(end(&mut world, until), 1);
    assert_eq!(world.state.task(world.task("t1")).unwrap().protected_until, None);
    common::script::check_replay(&world);
}
