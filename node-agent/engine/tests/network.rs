//! A task's network of its own: when it is provided and given back, and what is reported of its interface.

mod world;

use drydock_engine::{FailureKind, RuntimeError, RuntimeOp};
use drydock_proto::agent::Report;
use drydock_proto::ecs::Attachment;
use world::{Mischief, World, arn, assigned, definition};

/// Everything takes its time, so that no status is folded into the next.
struct Slow;

impl Mischief for Slow {
    fn delay_ms(&mut self) -> u64 {
        200
    }
}

/// The statuses of a task from its first report to its last.
fn statuses(containers: &str) -> Vec<String> {
    let mut world = World::with(Slow);
    world.run_until(1_000);
    world.assign("t", containers);
    world.run_until(5_000);
    world.desire_stop("t");
    world.run_until(10_000);
    let mut seen: Vec<String> = world.reports[&arn("t")].iter().map(|report| report.last_status.clone()).collect();
    seen.dedup();
    seen
}

// rule: 2.1/state-provisioning, 2.1/state-deprovisioning, 2.1/skip-provisioning, 2.1/state-activating
#[test]
fn only_a_task_with_an_interface_of_its_own_is_provisioned() {
    let awsvpc = ["PROVISIONING", "ACTIVATING", "RUNNING", "STOPPING", "DEPROVISIONING", "STOPPED"];
    assert_eq!(statuses("network=awsvpc app"), awsvpc);
    for others in ["app", "network=host app", "network=none app", "pid=task app"] {
        assert_eq!(statuses(others), ["ACTIVATING", "RUNNING", "STOPPING", "STOPPED"], "{others}");
    }
}

// rule: 2.5/eni-a-task, 2.5/eni-attach-flow, 2.5/container-interfaces
#[test]
fn the_interface_that_an_agent_is_told_of_goes_through_its_statuses() {
    let mut world = World::with(Slow);
    world.run_until(1_000);
    let mut task = assigned("t", "RUNNING");
    task.attachments = vec![Attachment {
        id: Some("e".into()),
        r#type: Some("ElasticNetworkInterface".into()),
        status: Some("PRECREATED".into()),
        details: Vec::new(),
    }];
    world.manifest.insert(arn("t"), (task, definition("td/t", "network=awsvpc app")));
    world.send_manifest();
    world.run_until(5_000);
    world.desire_stop("t");
    world.run_until(10_000);
    let shown = |report: &Report| {
        let [attachment] = &report.attachments[..] else { panic!("one interface: {report:?}") };
        let details: Vec<&str> = attachment.details.iter().filter_map(|detail| detail.name.as_deref()).collect();
        let interfaces = &report.containers[0].network_interfaces;
        assert!(interfaces.iter().all(|interface| interface.attachment_id() == attachment.id()));
        let interfaces = interfaces.len();
        format!("{} {} {} {details:?} {interfaces}", report.last_status, attachment.id(), attachment.status())
    };
    let mut seen: Vec<String> = world.reports[&arn("t")].iter().map(shown).collect();
    seen.dedup();
    let all = r#"["networkInterfaceId", "macAddress", "privateDnsName", "privateIPv4Address"] 1"#;
    let expected = [
        "PROVISIONING e ATTACHING [] 0".to_owned(),
        format!("ACTIVATING e ATTACHED {all}"),
        format!("RUNNING e ATTACHED {all}"),
        format!("STOPPING e ATTACHED {all}"),
        format!("DEPROVISIONING e DETACHING {all}"),
        format!("STOPPED e DELETED {all}"),
    ];
    assert_eq!(seen, expected);
}

struct NoNetwork;

impl Mischief for NoNetwork {
    fn fails(&mut self, op: &RuntimeOp) -> Option<RuntimeError> {
        let message = "no address is left".to_owned();
        matches!(op, RuntimeOp::ProvideNetwork(_)).then_some(RuntimeError { kind: FailureKind::Failed, message })
    }
}

// rule: 2.1/reason-resource-initialization, 2.1/stop-code-failed-to-start
#[test]
fn a_network_that_cannot_be_had_ends_the_task() {
    let mut world = World::with(NoNetwork);
    world.assign("t", "network=awsvpc app");
    world.run_until(1_000);
    let report = world.last_report("t");
    let reason = "ResourceInitializationError: unable to set up the task's network: no address is left";
    assert_eq!((report.last_status.as_str(), report.stopped_reason.as_str()), ("STOPPED", reason));
    assert!(report.pull_started_at.is_none(), "nothing is pulled before the network is there");
}
