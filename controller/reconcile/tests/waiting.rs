//! Tasks that wait for an instance of their capacity provider (ecs-semantics §2.1, §2.4), and what has them tried again.
#![allow(clippy::unwrap_used, reason = "tests read better so")]

mod support;

use drydock_model::capacity::Serves;
use drydock_proto::ecs;
use drydock_state::Command;
use support::World;
use support::kinds::with_providers;

fn member_of(expression: &str) -> Vec<ecs::PlacementConstraint> {
    let mut constraint =
        ecs::PlacementConstraint { expression: Some(expression.to_owned()), ..ecs::PlacementConstraint::default() };
    constraint.set_type(ecs::PlacementConstraintType::MemberOf);
    vec![constraint]
}

// rule: 2.3/deploys-not-placement
#[test]
fn other_constraints_of_the_service_hold_for_its_waiting_tasks_at_once() {
    let mut world = with_providers(World::new());
    world.register_host("1", "a", 1024, true, (Serves::Ec2, "scaled"));
    let provider = Some("scaled".to_owned());
    let scaled = ecs::CapacityProviderStrategyItem { capacity_provider: provider, base: None, weight: Some(1) };
    world.apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
        service_name: Some("web".to_owned()),
        task_definition: Some("app".to_owned()),
        desired_count: Some(1),
        capacity_provider_strategy: vec![scaled],
        placement_constraints: member_of("attribute:name == 2"),
        ..Default::default()
    })));
    for (expression, waits) in [("attribute:name == 3", true), ("attribute:name == 1", false)] {
        world.update_service("web", |request| {
            request.placement_constraints = Some(ecs::PlacementConstraintList { items: member_of(expression) });
        });
        world.settle(|_, _, _| {});
        let tasks = world.live("web");
        assert_eq!((tasks.len(), tasks[0].is_waiting()), (1, waits), "{expression}");
    }
}
