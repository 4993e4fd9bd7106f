//! Container instances as clients find them: by status, and by attributes that not every machine has.

use drydock_model::capacity::Serves;
use drydock_model::resources::Available;

use super::{World, json};
use crate::command::RegisterInstance;
use crate::{Command, Outcome};

fn found(world: &World, request: &str) -> Vec<String> {
    world.query().list_container_instances(&json(request)).unwrap().container_instance_arns
}

// rule: 2.4/instance-status
#[test]
fn the_statuses_of_an_instance() {
    let mut world = World::new();
    let key = world.register("i");
    let status = |world: &World| {
        let request = format!(r#"{{"containerInstances":["{key}"]}}"#);
        let described = world.query().describe_container_instances(&json(&request)).unwrap();
        let status = described.container_instances[0].status().to_owned();
        let all = ["ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"];
        let listed = all.iter().filter(|of| !found(world, &format!(r#"{{"status":"{of}"}}"#)).is_empty());
        (status, listed.copied().collect::<Vec<_>>())
    };
    let set = |world: &mut World, status: &str| {
        let request = format!(r#"{{"containerInstances":["{key}"],"status":"{status}"}}"#);
        world.apply(Command::UpdateContainerInstancesState(json(&request)));
    };
    assert_eq!(status(&world), ("ACTIVE".to_owned(), vec!["ACTIVE"]));
    set(&mut world, "DRAINING");
    assert_eq!(status(&world), ("DRAINING".to_owned(), vec!["DRAINING"]));
    set(&mut world, "ACTIVE");
    assert_eq!(status(&world), ("ACTIVE".to_owned(), vec!["ACTIVE"]));
    world.apply(Command::DeregisterContainerInstance(json(&format!(r#"{{"containerInstance":"{key}"}}"#))));
    assert_eq!(status(&world), ("INACTIVE".to_owned(), vec![]), "described for a while, and listed no more");
}

// rule: 2.4/attributes-optional
#[test]
fn attributes_that_only_some_machines_have_are_told_and_looked_for() {
    let mut world = World::new();
    let plain = world.register("plain");
    let optional = r#"[{"name":"ecs.awsvpc-trunk-id","value":"eni-1"},{"name":"ecs.capability.external"},
        {"name":"ecs.outpost-arn","value":"arn:aws:outposts:eu-west-1:123456789012:outpost/op-1"}]"#;
    let outcome = world.apply(Command::RegisterInstance(Box::new(RegisterInstance {
        cluster: "default".to_owned(),
        token: "other".to_owned(),
        capacity: Available { cpu: 1024, memory_mib: 2048, ..Available::default() },
        attributes: json(optional),
        ec2_instance_id: String::new(),
        agent_version: "1.0".to_owned(),
        docker_version: "27".to_owned(),
        runtime: "docker".to_owned(),
        tags: Vec::new(),
        serves: Serves::default(),
        capacity_provider: String::new(),
    })));
    let Outcome::Instance(other) = outcome else { panic!("{outcome:?}") };
    for name in ["ecs.awsvpc-trunk-id", "ecs.capability.external", "ecs.outpost-arn"] {
        let with = found(&world, &format!(r#"{{"filter":"attribute:{name} exists"}}"#));
        assert!(with.len() == 1 && with[0].ends_with(&other.key.to_string()), "{name}: {with:?}");
        let without = found(&world, &format!(r#"{{"filter":"attribute:{name} not_exists"}}"#));
        assert!(without.len() == 1 && without[0].ends_with(&plain.to_string()), "{name}: {without:?}");
    }
    let here = found(&world, r#"{"filter":"attribute:ecs.outpost-arn =~ .*op-1"}"#);
    assert_eq!(here.len(), 1);
}
