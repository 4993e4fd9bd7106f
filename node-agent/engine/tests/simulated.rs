//! The simulated runtime's table: what its rows do, and that nothing is lost when it is read again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use drydock_engine::simulated::Simulated;
use drydock_engine::simulated::knobs::StageRow;
use drydock_engine::{FailureKind, Observation, ObservedState, Outcome, RuntimeOp, TaskSpec};
use drydock_model::status::HealthStatus;
use drydock_proto::agent::AssignedTask;
use drydock_proto::ecs::{ContainerDefinition, HealthCheck, PortMapping, TaskDefinition};

const T: u64 = 1_000_000;

fn container(knobs: &[(&str, &str)]) -> ContainerDefinition {
    ContainerDefinition {
        name: Some("app".into()),
        image: Some("app:1".into()),
        health_check: Some(HealthCheck::default()),
        docker_labels: knobs.iter().map(|(k, v)| (format!("drydock.sim/{k}"), (*v).to_owned())).collect(),
        ..Default::default()
    }
}

fn task(id: &str, containers: Vec<ContainerDefinition>) -> Arc<TaskSpec> {
    let definition = TaskDefinition { container_definitions: containers, ..Default::default() };
    let assigned = AssignedTask { task_arn: format!("arn:aws:ecs:r:0:task/c/{id}"), ..Default::default() };
    Arc::new(TaskSpec::new(assigned, Arc::new(definition)))
}

fn observed(outcome: Outcome) -> Observation {
    match outcome {
        Outcome::Observed(seen) => seen,
        other => panic!("{other:?}"),
    }
}

/// Creates and starts at `T`.
fn up(table: &mut Simulated, task: &Arc<TaskSpec>) -> String {
    let id = observed(table.end(&RuntimeOp::Create(task.container(0)), T).unwrap()).runtime_id;
    observed(table.end(&RuntimeOp::Start { runtime_id: id.clone() }, T).unwrap());
    id
}

/// `ms/state/health` at each moment.
fn states(table: &Simulated, id: &str, at: &[u64]) -> String {
    let show = |ms: &u64| {
        let seen = table.row(id).unwrap().observe(T + ms);
        let state = match seen.state {
            ObservedState::Created => "created".to_owned(),
            ObservedState::Running => match seen.health {
                HealthStatus::Unknown => "up".to_owned(),
                HealthStatus::Healthy => "healthy".to_owned(),
                HealthStatus::Unhealthy => "unhealthy".to_owned(),
            },
            ObservedState::Exited { exit_code, reason } if reason.is_empty() => format!("exit{}", exit_code.unwrap()),
            ObservedState::Exited { exit_code, .. } => format!("oom{}", exit_code.unwrap()),
        };
        format!("{ms}:{state}")
    };
    at.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_row_does_follows_from_its_knobs() {
    for (knobs, expected) in [
        (&[][..], "0:up 999:up 1000:up 30000:healthy 99999:healthy"),
        (&[("run-for-ms", "1000"), ("exit-code", "3")], "0:up 999:up 1000:exit3 30000:exit3 99999:exit3"),
        (&[("kill-after-ms", "1000")], "0:up 999:up 1000:oom137 30000:oom137 99999:oom137"),
        (&[("healthy-after-ms", "999")], "0:up 999:healthy 1000:healthy 30000:healthy 99999:healthy"),
        (
            &[("healthy-after-ms", "999"), ("unhealthy-after-ms", "30000")],
            "0:up 999:healthy 1000:healthy 30000:unhealthy 99999:unhealthy",
        ),
        (
            &[("healthy-after-ms", "30000"), ("unhealthy-after-ms", "999")],
            "0:up 999:unhealthy 1000:unhealthy 30000:healthy 99999:healthy",
        ),
    ] {
        let mut table = Simulated::default();
        let id = up(&mut table, &task("t", vec![container(knobs)]));
        assert_eq!(states(&table, &id, &[0, 999, 1_000, 30_000, 99_999]), expected, "{knobs:?}");
    }
}

// rule: 2.3/version-consistency
#[test]
fn a_pull_finds_what_the_tag_stands_for_or_what_is_pinned() {
    let moved = format!("sha256:{:064x}", 7);
    let pulled = |knobs: &[(&str, &str)], pinned: Option<&str>| {
        let mut spec = TaskSpec::clone(&task("t", vec![container(knobs)]));
        spec.assigned.image_digests.extend(pinned.map(|digest| ("app".to_owned(), digest.to_owned())));
        let spec = Arc::new(spec);
        let mut table = Simulated::default();
        let Outcome::Pulled { image_digest } = table.end(&RuntimeOp::Pull(spec.container(0)), T).unwrap() else {
            panic!("a pull gives a digest")
        };
        let seen = observed(table.end(&RuntimeOp::Create(spec.container(0)), T).unwrap());
        assert_eq!(seen.image_digest, image_digest, "it runs what was pulled");
        image_digest
    };
    let usual = pulled(&[], None);
    assert!(usual.starts_with("sha256:") && usual.len() == 71, "{usual}");
    assert_eq!(pulled(&[("digest", &moved)], None), moved);
    assert_eq!(pulled(&[("digest", &moved)], Some(&usual)), usual, "the tag has moved since");
}

#[test]
fn a_stop_waits_for_the_process_or_kills_it() {
    for (knobs, ends, expected) in [
        (&[("stop-ms", "40"), ("stop-exit-code", "143")][..], 140, "100:up 139:up 140:exit143 1100:exit143"),
        (&[("stop-ms", "5000")], 1_100, "100:up 139:up 140:up 1100:exit137"),
        (&[("run-for-ms", "120"), ("stop-ms", "40")], 120, "100:up 139:exit0 140:exit0 1100:exit0"),
    ] {
        let mut table = Simulated::default();
        let id = up(&mut table, &task("t", vec![container(knobs)]));
        let stop = RuntimeOp::Stop { runtime_id: id.clone(), timeout_ms: 1_000 };
        assert_eq!(table.begin(&stop, T + 100), T + ends, "{knobs:?}");
        assert_eq!(table.begin(&stop, T + 105), T + ends, "a second stop changes nothing");
        assert_eq!(states(&table, &id, &[100, 139, 140, 1_100]), expected, "{knobs:?}");
        assert_eq!(table.changed(T, T + 5_000), [id]);
    }
}

#[test]
fn what_was_kept_gives_the_same_table() {
    let mut table = Simulated::default();
    let mut kept = Vec::new();
    let running = up(&mut table, &task("a", vec![container(&[("run-for-ms", "9000")])]));
    kept.extend(table.take_changes());
    let gone = up(&mut table, &task("b", vec![container(&[])]));
    table.end(&RuntimeOp::Remove { runtime_id: gone.clone() }, T).unwrap();
    table.begin(&RuntimeOp::Stop { runtime_id: running.clone(), timeout_ms: 500 }, T + 7);
    kept.extend(table.take_changes());
    assert_eq!(table.take_changes(), []);
    let again = Simulated::new(Vec::new(), kept);
    assert_eq!(again.rows().collect::<Vec<_>>(), table.rows().collect::<Vec<_>>());
    assert!(again.row(&gone).is_none() && again.row(&running).is_some());
    let inspected = Simulated::default().end(&RuntimeOp::Inspect { runtime_id: gone }, T).unwrap_err();
    assert_eq!(inspected.kind, FailureKind::NotFound);
}

#[test]
fn an_exited_container_may_be_started_again_and_a_running_one_is_left() {
    let mut table = Simulated::default();
    let id = up(&mut table, &task("t", vec![container(&[("run-for-ms", "100")])]));
    let start = RuntimeOp::Start { runtime_id: id.clone() };
    let running = observed(table.end(&start, T + 50).unwrap());
    assert_eq!(running.started_at, Some(T));
    let again = observed(table.end(&start, T + 500).unwrap());
    assert_eq!((again.state, again.started_at), (ObservedState::Running, Some(T + 500)));
    assert_eq!(states(&table, &id, &[599, 600]), "599:up 600:exit0");
}

#[test]
fn every_dynamic_port_is_its_own() {
    let ports = |host_port| {
        let mut one = container(&[]);
        one.port_mappings = vec![PortMapping { container_port: Some(80), host_port, ..Default::default() }];
        vec![one]
    };
    let mut table = Simulated::default();
    let mut seen: Vec<i32> = Vec::new();
    for (task_id, host_port) in [("a", None), ("b", Some(0)), ("c", Some(8_080)), ("d", None)] {
        let create = RuntimeOp::Create(task(task_id, ports(host_port)).container(0));
        seen.extend(observed(table.end(&create, T).unwrap()).network_bindings.iter().map(|one| one.host_port()));
    }
    assert_eq!(seen, [32_768, 32_769, 8_080, 32_770]);
}

#[test]
fn tables_and_labels_say_what_fails() {
    let set = [("pull-ms".to_owned(), "70".to_owned()), ("create-error".to_owned(), "no".to_owned())];
    let stages = vec![StageRow { image: "app:*".into(), set: set.into_iter().collect() }];
    let mut table = Simulated::new(stages, []);
    let spec = task("t", vec![container(&[("pull-error", "manifest unknown")])]);
    let pull = RuntimeOp::Pull(spec.container(0));
    assert_eq!(table.begin(&pull, T), T + 70);
    assert_eq!(table.end(&pull, T).unwrap_err().message, "manifest unknown");
    assert_eq!(table.end(&RuntimeOp::Create(spec.container(0)), T).unwrap_err().message, "no");
    let unknown = task("u", vec![container(&[("explode", "now")])]);
    let error = table.end(&RuntimeOp::Pull(unknown.container(0)), T).unwrap_err();
    assert_eq!(error.message, "there is no knob drydock.sim/explode");
}

#[test]
fn logs_follow_from_the_row_and_the_time() {
    let mut table = Simulated::default();
    let id = up(&mut table, &task("t", vec![container(&[("log-every-ms", "100"), ("run-for-ms", "350")])]));
    let row = table.row(&id).unwrap();
    let show = |after: Option<u64>, until| {
        let lines = row.log(after.map(|ms| T + ms), T + until);
        lines.iter().map(|line| format!("{}:{}", line.at - T, line.message)).collect::<Vec<_>>()
    };
    assert_eq!(show(None, 150), ["0:app: started from app:1", "100:app: line 1"]);
    assert_eq!(show(Some(150), 300), ["200:app: line 2", "300:app: line 3"]);
    assert_eq!(show(Some(300), 9_000), ["350:app: exits with code 0"]);
    assert!(!row.log_is_over(T + 349) && row.log_is_over(T + 350));
    let chatty = up(&mut table, &task("u", vec![container(&[("log-every-ms", "1")])]));
    let lines = table.row(&chatty).unwrap().log(None, T + 86_400_000);
    assert_eq!(lines.len(), 1_000);
    assert_eq!(lines.last().unwrap().message, "app: line 86400000");
}
