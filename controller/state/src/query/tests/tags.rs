//! Which tags a task gets when it is made, and what may be tagged afterwards (ecs-semantics §1, §2.6).

use drydock_model::status::TaskStatus;
use drydock_proto::ecs;

use super::{World, json};
use crate::command::{Placement, RunTask};
use crate::key::InstanceKey;
use crate::row::TaskRow;
use crate::{Command, Outcome, State};

/// Tags of a task as DescribeTasks shows them where they are asked for; ListTagsForResource must say the same.
fn shown(world: &World, task: &TaskRow) -> String {
    let text = |tags: &[ecs::Tag]| tags.iter().map(|tag| format!("{}={}", tag.key(), tag.value())).collect::<Vec<_>>();
    let describe = |include: &str| {
        let request = format!(r#"{{"tasks":["{}"]{include}}}"#, task.key);
        world.query().describe_tasks(&json(&request)).unwrap().tasks.remove(0)
    };
    let with = describe(r#","include":["TAGS"]"#);
    assert!(describe("").tags.is_empty(), "only where they are asked for");
    let request = format!(r#"{{"resourceArn":"{}"}}"#, with.task_arn());
    assert_eq!(world.query().list_tags_for_resource(&json(&request)).unwrap().tags, with.tags);
    text(&with.tags).join(" ")
}

fn run(world: &mut World, on: InstanceKey, members: &str) -> String {
    let request = json(&format!(r#"{{"taskDefinition":"tagged"{members}}}"#));
    let placements = vec![Placement::On(on.id)];
    let outcome = world.apply(Command::RunTask(Box::new(RunTask { request, placements })));
    let Outcome::Tasks(tasks, _) = outcome else { panic!("{outcome:?}") };
    shown(world, &tasks[0])
}

// rule: 2.6/tags-propagated
#[test]
fn a_task_of_its_own_gets_its_tags_over_those_of_its_definition() {
    let mut world = World::new();
    let on = world.register("i");
    let tagged = r#"{"family":"tagged","containerDefinitions":[{"name":"m","image":"i","memory":6}],
        "tags":[{"key":"team","value":"a"}]}"#;
    world.apply(Command::RegisterTaskDefinition(Box::new(json(tagged))));
    for (members, expected) in [
        ("", ""),
        (r#","propagateTags":"NONE","tags":[{"key":"own","value":"1"}]"#, "own=1"),
        (r#","propagateTags":"TASK_DEFINITION""#, "team=a"),
        (r#","propagateTags":"TASK_DEFINITION","tags":[{"key":"own","value":"1"}]"#, "team=a own=1"),
        (r#","propagateTags":"TASK_DEFINITION","tags":[{"key":"team","value":"b"}]"#, "team=b"),
        (r#","enableECSManagedTags":true"#, "aws:ecs:clusterName=default"),
        (r#","propagateTags":"TASK_DEFINITION","enableECSManagedTags":true"#, "team=a aws:ecs:clusterName=default"),
    ] {
        assert_eq!(run(&mut world, on, members), expected, "{members}");
        let start = format!(r#"{{"taskDefinition":"tagged","containerInstances":["{on}"]{members}}}"#);
        let outcome = world.apply(Command::StartTask(Box::new(json(&start))));
        let Outcome::Tasks(tasks, _) = outcome else { panic!("{outcome:?}") };
        assert_eq!(shown(&world, &tasks[0]), expected, "StartTask {members}");
    }
}

fn service_task(world: &mut World, on: InstanceKey) -> String {
    let known: Vec<_> = world.tasks().iter().map(|task| task.key).collect();
    world.start_tasks(1, on);
    let new = world.tasks().into_iter().find(|task| !known.contains(&task.key)).unwrap();
    let shown = shown(world, &new);
    // Makes room for the next one.
    world.report(&new, TaskStatus::Stopped);
    shown
}

fn deployments(state: &State) -> usize {
    state.all_services().map(|row| state.deployments(row.key).count()).sum()
}

// rule: 2.6/tags-propagated, 2.3/deploys-tag-options
#[test]
fn a_service_hands_on_its_tags_or_its_definitions_to_new_tasks() {
    let (mut world, on) = World::with_service();
    assert_eq!(service_task(&mut world, on), "", "NONE is the default");
    let old = world.tasks()[0].clone();
    for (members, deploys, expected) in [
        (r#""propagateTags":"SERVICE""#, true, "cost=1"),
        (r#""propagateTags":"SERVICE""#, false, "cost=1"),
        (r#""propagateTags":"TASK_DEFINITION""#, true, "team=a"),
        (r#""enableECSManagedTags":true"#, true, "team=a aws:ecs:clusterName=default aws:ecs:serviceName=web"),
        (r#""desiredCount":1"#, false, "team=a aws:ecs:clusterName=default aws:ecs:serviceName=web"),
        (r#""propagateTags":"NONE","enableECSManagedTags":false"#, true, ""),
    ] {
        let before = deployments(&world.state);
        world.apply(Command::UpdateService(Box::new(json(&format!(r#"{{"service":"web",{members}}}"#)))));
        assert_eq!(deployments(&world.state) > before, deploys, "{members}");
        assert_eq!(service_task(&mut world, on), expected, "{members}");
        assert_eq!(shown(&world, &old), "", "tasks that run keep their tags: {members}");
    }
}

#[test]
fn a_tag_put_on_a_service_is_for_tasks_to_come() {
    let (mut world, on) = World::with_service();
    world.apply(Command::UpdateService(Box::new(json(r#"{"service":"web","propagateTags":"SERVICE"}"#))));
    let arn = "arn:aws:ecs:eu-west-1:123456789012:service/default/web";
    assert_eq!(service_task(&mut world, on), "cost=1");
    let more = format!(r#"{{"resourceArn":"{arn}","tags":[{{"key":"cost","value":"2"}},{{"key":"x","value":""}}]}}"#);
    world.apply(Command::TagResource(json(&more)));
    assert_eq!(service_task(&mut world, on), "cost=2 x=");
    let less = format!(r#"{{"resourceArn":"{arn}","tagKeys":["cost"]}}"#);
    world.apply(Command::UntagResource(json(&less)));
    assert_eq!(service_task(&mut world, on), "x=");
}

// rule: 2.7/tags
#[test]
fn a_task_has_at_most_fifty_and_ecs_own_are_not_counted() {
    let mut world = World::new();
    let on = world.register("i");
    let many = |from: usize, to: usize| -> String {
        let tag = |at| format!(r#"{{"key":"k{at}","value":"v"}}"#);
        (from..to).map(tag).collect::<Vec<_>>().join(",")
    };
    let fifty = format!(
        r#"{{"family":"many","containerDefinitions":[{{"name":"m","image":"i","memory":6}}],"tags":[{}]}}"#,
        many(0, 50)
    );
    world.apply(Command::RegisterTaskDefinition(Box::new(json(&fifty))));
    let mut start = |own: &str| {
        let request = format!(
            r#"{{"taskDefinition":"many","propagateTags":"TASK_DEFINITION","enableECSManagedTags":true,"tags":[{own}],
            "containerInstances":["{on}"]}}"#
        );
        world.try_apply(Command::StartTask(Box::new(json(&request))))
    };
    let Outcome::Tasks(tasks, _) = start(&many(49, 50)) else { panic!("fifty are allowed") };
    assert_eq!(tasks[0].tags.len(), 50);
    let Outcome::Refused(error) = start(&many(50, 51)) else { panic!("fifty-one aren't") };
    assert_eq!(error.to_string(), "InvalidParameterException: The number of tags can't exceed 50.");
}

#[test]
fn whatever_has_tags_can_be_tagged() {
    let (mut world, instance) = World::with_service();
    let task = world.tasks()[0].key;
    let base = "arn:aws:ecs:eu-west-1:123456789012";
    for resource in [
        "cluster/default".to_owned(),
        "service/default/web".to_owned(),
        format!("task/default/{task}"),
        format!("container-instance/default/{instance}"),
        "task-definition/web:1".to_owned(),
    ] {
        let arn = format!("{base}:{resource}");
        let tag = format!(r#"{{"resourceArn":"{arn}","tags":[{{"key":"new","value":"1"}}]}}"#);
        world.apply(Command::TagResource(json(&tag)));
        let list = |world: &World| {
            let request = format!(r#"{{"resourceArn":"{arn}"}}"#);
            let tags = world.query().list_tags_for_resource(&json(&request)).unwrap().tags;
            tags.iter().any(|tag| tag.key() == "new" && tag.value() == "1")
        };
        assert!(list(&world), "{arn}");
        let untag = format!(r#"{{"resourceArn":"{arn}","tagKeys":["new"]}}"#);
        world.apply(Command::UntagResource(json(&untag)));
        assert!(!list(&world), "{arn}");
    }
}
