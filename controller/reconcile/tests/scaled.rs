//! What managed scaling counts as in use.
#![allow(clippy::unwrap_used, reason = "tests read better so")]

mod support;

use drydock_model::capacity::Serves;
use drydock_proto::ecs;
use drydock_state::ScalingKey;
use support::World;
use support::happening::all_do_as_told;
use support::kinds::with_providers;

/// Instances needed, and those that are there.
fn needed(world: &mut World) -> (u32, u32) {
    for _ in 0..5 {
        all_do_as_told(world);
        world.settle(|_, _, _| {});
    }
    let key = ScalingKey { cluster: world.cluster(), provider: "scaled".into() };
    let figures = world.state.scaling(&key).unwrap().figures;
    (figures.needed, figures.running)
}

// rule: 2.4/scaling-daemons
#[test]
fn an_instance_with_nothing_but_daemon_tasks_is_not_needed() {
    let mut world = with_providers(World::new());
    for name in ["1", "2", "3"] {
        world.register_host(name, "a", 4096, true, (Serves::Ec2, "scaled"));
    }
    world.settle(|_, _, _| {});
    assert_eq!(needed(&mut world), (0, 3));
    world.create_daemon("each", 0);
    world.settle(|_, _, _| {});
    assert_eq!(needed(&mut world), (0, 3));
    assert_eq!(world.live("each").len(), 3, "each has its daemon task");
    let request = ecs::RunTaskRequest { task_definition: Some("app".to_owned()), ..Default::default() };
    world.run_task(request).unwrap();
    world.settle(|_, _, _| {});
    assert_eq!(needed(&mut world), (1, 3));
}
