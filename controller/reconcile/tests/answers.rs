//! What clients read of deployments while the deciders move them on: rollout states and their reasons, the circuit breaker,
//! the reasons in events (ecs-semantics §2.3, §2.6).
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use drydock_model::ids::deployment_id;
use drydock_proto::ecs;
use drydock_state::event::EventKind;
use drydock_state::query::Query;
use expect_test::{Expect, expect};
use support::configuration::configuration;
use support::{Report, World};

use drydock_model::status::{HealthStatus, StopCode, TaskStatus};

/// The ids of a service's deployments become `d1`, `d2` …
fn plain(world: &World, text: &str) -> String {
    let rows = world.state.deployments(world.service("web").key).enumerate();
    rows.fold(text.to_owned(), |text, (at, row)| {
        text.replace(&deployment_id(row.id), &format!("d{}", at + 1))
            .replace(&row.id.to_string(), &format!("d{}", at + 1))
    })
}

fn described(world: &World) -> ecs::Service {
    let request = ecs::DescribeServicesRequest { services: vec!["web".to_owned()], ..Default::default() };
    Query::new(&world.state, &world.scope).describe_services(&request).unwrap().services.remove(0)
}

/// `deployments[]`, the ServiceDeployments with their circuit breakers, and what has been emitted about deployments.
fn shown(world: &mut World) -> String {
    let mut lines = Vec::new();
    for one in described(world).deployments {
        let (id, status, state) = (one.id(), one.status(), one.rollout_state().as_str_name());
        let state = state.trim_start_matches("DEPLOYMENT_ROLLOUT_STATE_");
        lines.push(format!("{id} {status} {state}: {}", one.rollout_state_reason()));
    }
    let query = Query::new(&world.state, &world.scope);
    let request = ecs::ListServiceDeploymentsRequest { service: Some("web".to_owned()), ..Default::default() };
    let listed = query.list_service_deployments(&request).unwrap().service_deployments;
    let service_deployment_arns = listed.into_iter().filter_map(|one| one.service_deployment_arn).collect();
    let request = ecs::DescribeServiceDeploymentsRequest { service_deployment_arns };
    for one in query.describe_service_deployments(&request).unwrap().service_deployments {
        let breaker = one.deployment_circuit_breaker.unwrap();
        let id = one.service_deployment_arn().rsplit('/').next().unwrap().to_owned();
        let status = one.status().as_str_name().trim_start_matches("SERVICE_DEPLOYMENT_STATUS_").to_owned();
        let state = breaker.status().as_str_name().trim_start_matches("SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_");
        let (count, threshold) = (breaker.failure_count(), breaker.threshold());
        lines.push(format!("  {id} {status} breaker {state} {count}/{threshold}"));
    }
    for event in std::mem::take(&mut world.emitted) {
        if let EventKind::Deployment { deployment, name, reason, .. } = event.kind {
            lines.push(format!("  event {name} of {}: {reason}", deployment_id(deployment.id)));
        }
    }
    plain(world, &lines.join("\n"))
}

fn report(world: &mut World, status: TaskStatus, stop_code: Option<StopCode>) {
    let live = world.live("web").into_iter().filter(|row| row.last_status < TaskStatus::Running);
    let task = live.map(|row| row.key).next_back().unwrap();
    world.report(&[Report { task, status, health: HealthStatus::Unknown, stop_code }]);
    world.settle(|_, _, _| {});
}

fn check(lines: &[(&str, String)], expected: Expect) {
    let text: Vec<String> = lines.iter().map(|(what, shown)| format!("{what}\n{shown}")).collect();
    expected.assert_eq(&(text.join("\n") + "\n"));
}

/// A service of one that is steady, and a deployment whose tasks fail to start.
fn failing(breaker: &str) -> Vec<(&'static str, String)> {
    let mut world = World::new();
    world.watches = true;
    let mut seen = Vec::new();
    world.register_instance("1", "a", 4096, true);
    world.create_service_with("web", 1, configuration(&[breaker]));
    world.settle(|_, _, _| {});
    report(&mut world, TaskStatus::Running, None);
    seen.push(("created", shown(&mut world)));
    world.run_for(40_000);
    seen.push(("healthy", shown(&mut world)));
    world.register_definition(false, 256, 512);
    world.update_service("web", |request| request.task_definition = Some("app".to_owned()));
    world.settle(|_, _, _| {});
    for _ in 0..3 {
        world.run_for(60_000);
        report(&mut world, TaskStatus::Stopped, Some(StopCode::TaskFailedToStart));
    }
    seen.push(("failed three times", shown(&mut world)));
    seen
}

// rule: 2.3/rollout-reason-completed, 2.3/rollout-reason-breaker, 2.3/service-deployment-breaker
// rule: 2.6/failed-deployment-reason
#[test]
fn a_deployment_whose_breaker_trips() {
    check(
        &failing("breaker=on"),
        expect![[r#"
        created
        d1 PRIMARY IN_PROGRESS: ECS deployment d1 in progress.
          d1 IN_PROGRESS breaker MONITORING 0/3
          event SERVICE_DEPLOYMENT_IN_PROGRESS of d1: ECS deployment d1 in progress.
        healthy
        d1 PRIMARY COMPLETED: ECS deployment d1 completed.
          d1 SUCCESSFUL breaker MONITORING_COMPLETE 0/3
          event SERVICE_DEPLOYMENT_COMPLETED of d1: ECS deployment d1 completed.
        failed three times
        d2 PRIMARY FAILED: ECS deployment circuit breaker: tasks failed to start.
        d1 ACTIVE COMPLETED: ECS deployment d1 completed.
          d2 STOPPED breaker TRIGGERED 3/3
          d1 SUCCESSFUL breaker MONITORING_COMPLETE 0/3
          event SERVICE_DEPLOYMENT_IN_PROGRESS of d2: ECS deployment d2 in progress.
          event SERVICE_DEPLOYMENT_FAILED of d2: ECS deployment circuit breaker: tasks failed to start.
    "#]],
    );
}

// rule: 2.3/rollout-reason-rolling-back, 2.3/service-deployment-breaker
#[test]
fn a_deployment_that_is_rolled_back() {
    check(
        &failing("breaker=rollback"),
        expect![[r#"
            created
            d1 PRIMARY IN_PROGRESS: ECS deployment d1 in progress.
              d1 IN_PROGRESS breaker MONITORING 0/3
              event SERVICE_DEPLOYMENT_IN_PROGRESS of d1: ECS deployment d1 in progress.
            healthy
            d1 PRIMARY COMPLETED: ECS deployment d1 completed.
              d1 SUCCESSFUL breaker MONITORING_COMPLETE 0/3
              event SERVICE_DEPLOYMENT_COMPLETED of d1: ECS deployment d1 completed.
            failed three times
            d1 PRIMARY COMPLETED: ECS deployment d1 completed.
              d2 ROLLBACK_SUCCESSFUL breaker TRIGGERED 3/3
              d1 SUCCESSFUL breaker MONITORING_COMPLETE 0/3
              event SERVICE_DEPLOYMENT_IN_PROGRESS of d2: ECS deployment d2 in progress.
              event SERVICE_DEPLOYMENT_FAILED of d2: ECS deployment circuit breaker: tasks failed to start.
              event SERVICE_DEPLOYMENT_IN_PROGRESS of d1: ECS deployment circuit breaker: rolling back to deploymentId d1.
              event SERVICE_DEPLOYMENT_COMPLETED of d1: ECS deployment d1 completed.
        "#]],
    );
}

// rule: 2.3/service-deployment-breaker
#[test]
fn without_a_breaker_nobody_counts() {
    check(
        &failing("reset=no")[2..],
        expect![[r#"
        failed three times
        d2 PRIMARY IN_PROGRESS: ECS deployment d2 in progress.
        d1 ACTIVE COMPLETED: ECS deployment d1 completed.
          d2 IN_PROGRESS breaker DISABLED 0/0
          d1 SUCCESSFUL breaker DISABLED 0/0
          event SERVICE_DEPLOYMENT_IN_PROGRESS of d2: ECS deployment d2 in progress.
    "#]],
    );
}
