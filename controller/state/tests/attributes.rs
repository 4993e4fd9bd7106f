//! Attributes of container instances, and the classes that they make (ecs-semantics §2.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use common::script::{check_replay, step};
use drydock_model::resources::Available;
use drydock_proto::ecs;
use drydock_state::fleet::SHARED_VALUES_MAX;
use drydock_state::{Command, Outcome};

fn world(instances: usize) -> World {
    let mut world = World::default();
    world.cluster("default");
    for at in 0..instances {
        join(&mut world, &format!("i{at}"));
    }
    world
}

fn join(world: &mut World, label: &str) {
    world.join(label, Available { cpu: 1_024, memory_mib: 2_048, ..Available::default() }, "a");
}

fn attributes(target: &str, names: &[(&str, &str)]) -> Vec<ecs::Attribute> {
    let one = |(name, value): &(&str, &str)| ecs::Attribute {
        name: Some((*name).to_owned()),
        value: (!value.is_empty()).then(|| (*value).to_owned()),
        target_type: Some(ecs::TargetType::ContainerInstance.into()),
        target_id: Some(target.to_owned()),
    };
    names.iter().map(one).collect()
}

fn put(world: &mut World, label: &str, names: &[(&str, &str)]) -> String {
    let target = world.instances.get(label).map_or(label.to_owned(), ToString::to_string);
    let attributes = attributes(&target, names);
    answer(world.apply(Command::PutAttributes(ecs::PutAttributesRequest { cluster: None, attributes })))
}

fn delete(world: &mut World, label: &str, name: &str) -> String {
    let target = world.instance(label).to_string();
    let attributes = attributes(&target, &[(name, "")]);
    answer(world.apply(Command::DeleteAttributes(ecs::DeleteAttributesRequest { cluster: None, attributes })))
}

fn answer(outcome: Outcome) -> String {
    match outcome {
        Outcome::Attributes(list) => {
            let arn = |one: &ecs::Attribute| one.target_id.clone().unwrap().contains(":container-instance/default/");
            assert!(list.iter().all(arn));
            list.iter().map(|one| one.name.clone().unwrap()).collect::<Vec<_>>().join(",")
        }
        Outcome::Refused(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The attributes of an instance, as ListAttributes gives them page by page.
fn listed(world: &World, page: i32, name: Option<&str>, value: Option<&str>) -> Vec<String> {
    let scope = common::scope();
    let query = drydock_state::query::Query::new(&world.state, &scope);
    let (mut found, mut next_token) = (Vec::new(), None);
    loop {
        let mut request = ecs::ListAttributesRequest {
            attribute_name: name.map(str::to_owned),
            attribute_value: value.map(str::to_owned),
            max_results: Some(page),
            next_token,
            ..Default::default()
        };
        request.set_target_type(ecs::TargetType::ContainerInstance);
        let answer = query.list_attributes(&request).unwrap();
        assert!(answer.attributes.len() <= usize::try_from(page).unwrap());
        found.extend(
            answer
                .attributes
                .into_iter()
                .map(|one| format!("{}={}", one.name.unwrap_or_default(), one.value.unwrap_or_default())),
        );
        next_token = answer.next_token;
        if next_token.is_none() {
            return found;
        }
    }
}

// rule: 2.7/custom-attributes
#[test]
fn attributes_are_put_listed_and_deleted() {
    let mut world = world(1);
    assert_eq!(put(&mut world, "i0", &[("stack", "blue"), ("gpu", "")]), "stack,gpu");
    assert_eq!(listed(&world, 1, None, None), ["ecs.availability-zone=a", "gpu=", "stack=blue"]);
    assert_eq!(put(&mut world, "i0", &[("stack", "green")]), "stack");
    assert_eq!(listed(&world, 100, Some("stack"), None), ["stack=green"]);
    assert_eq!(listed(&world, 100, Some("stack"), Some("blue")), [""; 0]);
    // The agent registers again: what was put stays.
    join(&mut world, "i0");
    assert_eq!(listed(&world, 2, None, None), ["ecs.availability-zone=a", "gpu=", "stack=green"]);
    assert_eq!(delete(&mut world, "i0", "stack"), "stack");
    assert_eq!(delete(&mut world, "i0", "never-there"), "never-there");
    assert_eq!(listed(&world, 100, None, None), ["ecs.availability-zone=a", "gpu="]);
    let more: Vec<String> = (0..10).map(|at| format!("n{at}")).collect();
    let more: Vec<(&str, &str)> = more.iter().map(|name| (name.as_str(), "x")).collect();
    let too_many = "AttributeLimitExceededException: A container instance has at most 10 custom attributes.";
    assert_eq!(put(&mut world, "i0", &more), too_many);
    assert_eq!(put(&mut world, "i0", &more[1..]).matches(',').count(), 8);
    let missing = "TargetNotFoundException: The specified target wasn't found.";
    assert_eq!(put(&mut world, "nowhere", &[("stack", "blue")]), missing);
    check_replay(&world);
}

/// The classes of an index that was kept step by step are those of one that is made anew, on both sides of the bound.
#[test]
fn what_tells_hosts_apart_is_no_class() {
    let many = usize::try_from(SHARED_VALUES_MAX).unwrap() + 1;
    let mut world = world(many);
    for line in ["register web cpu=200", "run web on=i0", "run web on=i1", "run web on=i2"] {
        step(&mut world, line);
    }
    let classes = |world: &World| {
        let cluster = world.instance("i0").cluster;
        world.state.fleet(cluster).unwrap().classes().count()
    };
    assert_eq!(classes(&world), 1);
    for at in 0..many {
        let before = classes(&world);
        put(&mut world, &format!("i{at}"), &[("host", &format!("h{at}"))]);
        let expected = if at + 1 < many { (at + 2).min(many) } else { 1 };
        assert_eq!(classes(&world), expected, "{at} after {before}");
    }
    check_replay(&world);
    delete(&mut world, "i0", "host");
    assert_eq!(classes(&world), many);
    check_replay(&world);
}
