//! Tests of the token buckets: the table, the law, and what is kept.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use drydock_model::arn::Scope;
use drydock_proto::ecs::RunTaskRequest;
use drydock_state::command::{Envelope, SCHEMA};
use drydock_state::{Command, State};
use proptest::prelude::*;

use super::{Buckets, FARGATE_CALLS, FARGATE_SPOT_TASKS, FARGATE_TASKS, Micros, QUOTAS, Quota, fargate_wants};
use crate::limits::AWS_THROTTLED_REGIONS_MAX;
use crate::request::Request;

const SECOND: Micros = 1_000_000;

/// How many of so many calls at one time are let in.
fn let_in(buckets: &mut Buckets, region: &str, quota: &'static Quota, calls: u64, now: Micros) -> u64 {
    (0..calls).map(|_| u64::from(buckets.take(region, &[(quota, 1)], now))).sum()
}

// rule: 2.7/token-buckets
#[test]
fn each_of_the_61_operations_has_the_bucket_of_its_group() {
    let named: Vec<&str> = QUOTAS.iter().flat_map(|quota| quota.operations).copied().collect();
    let served = |operation: &&&str| Request::from_json(operation, b"{}").is_some();
    assert_eq!(named.iter().filter(served).count(), named.len(), "one isn't ECS's");
    assert_eq!((named.iter().collect::<BTreeSet<_>>().len(), named.len()), (61, 61), "none is in two groups");
    assert_eq!(Quota::of("LaunchRocket"), None);
    // One of each group: burst, and tokens a second.
    let table = [
        ("CreateCluster", 20, 1),
        ("DescribeClusters", 50, 20),
        ("RegisterTaskDefinition", 20, 1),
        ("ListTaskDefinitions", 50, 20),
        ("DeleteTaskDefinitions", 5, 1),
        ("CreateCapacityProvider", 10, 1),
        ("DescribeCapacityProviders", 50, 20),
        ("TagResource", 20, 10),
        ("ListTagsForResource", 50, 20),
        ("PutAccountSetting", 10, 1),
        ("ListAccountSettings", 50, 20),
        ("RunTask", 100, 40),
        ("DescribeTasks", 100, 20),
        ("SubmitTaskStateChange", 200, 120),
        ("UpdateService", 50, 5),
        ("DescribeServices", 100, 20),
        ("ListServiceDeployments", 50, 20),
        ("DescribeServiceRevisions", 50, 20),
        ("UpdateTaskProtection", 200, 80),
        ("ListServicesByNamespace", 10, 1),
    ];
    assert_eq!(table.len(), QUOTAS.len());
    let mut buckets = Buckets::default();
    for (operation, burst, rate) in table {
        let quota = Quota::of(operation).unwrap();
        assert_eq!(let_in(&mut buckets, "here", quota, burst + 5, 0), burst, "{operation} bursts");
        assert_eq!(let_in(&mut buckets, "there", quota, 1, 0), 1, "{operation}: another region has another bucket");
        assert_eq!(let_in(&mut buckets, "here", quota, burst, SECOND), rate.min(burst), "{operation} goes on");
        assert_eq!(let_in(&mut buckets, "here", quota, burst + 5, 10_000 * SECOND), burst, "{operation} fills up");
    }
}

// rule: 2.7/token-buckets
#[test]
fn tokens_come_in_one_by_one() {
    let quota = Quota::of("UpdateService").unwrap();
    let mut buckets = Buckets::default();
    assert_eq!(let_in(&mut buckets, "r", quota, 60, 7), 50);
    // Five a second: one every 200 ms.
    for (at, expected) in [(7 + 199_999, 0), (7 + 200_000, 1), (7 + 399_999, 0), (7 + 400_000, 1)] {
        assert_eq!(let_in(&mut buckets, "r", quota, 3, at), expected, "{at}");
    }
    // Operations of a group share its bucket; another group has its own.
    assert!(!buckets.take("r", &[(Quota::of("DeleteService").unwrap(), 1)], 7 + 400_000));
    assert!(buckets.take("r", &[(Quota::of("ListServices").unwrap(), 1)], 7 + 400_000));
    // A clock that goes back takes nothing away and gives nothing.
    assert!(!buckets.take("r", &[(quota, 1)], 0));
}

#[test]
fn either_all_buckets_have_enough_or_none_is_touched() {
    let (calls, tasks) = (&FARGATE_CALLS, &FARGATE_TASKS);
    let mut buckets = Buckets::default();
    for _ in 0..9 {
        assert!(buckets.take("r", &[(calls, 1), (tasks, 11)], 0));
    }
    assert!(!buckets.take("r", &[(calls, 1), (tasks, 10)], 0), "one task is left");
    assert_eq!(let_in(&mut buckets, "r", calls, 20, 0), 11, "the refused call took nothing");
}

fn decoded(operation: &str, body: &str) -> Request {
    Request::from_json(operation, body.as_bytes()).unwrap().unwrap()
}

fn wants(state: &State, scope: &Scope, body: &str) -> Vec<(&'static str, u64)> {
    let Request::RunTask(request) = decoded("RunTask", body) else { unreachable!("another operation") };
    let request: &RunTaskRequest = &request;
    let wants = fargate_wants(state, scope, request);
    wants.into_iter().filter(|(_, tokens)| *tokens > 0).map(|(quota, tokens)| (quota.group, tokens)).collect()
}

// rule: 2.7/run-task-rate, 2.7/launch-rate-fargate
#[test]
fn run_task_takes_a_call_and_its_tasks_of_fargate_s_buckets() {
    let scope = Scope { region: "us-east-1".into(), account: "000000000000".into() };
    let mut state = State::default();
    let strategy =
        r#"[{"capacityProvider":"FARGATE","base":2,"weight":1},{"capacityProvider":"FARGATE_SPOT","weight":3}]"#;
    let both = r#""capacityProviders":["FARGATE","FARGATE_SPOT"]"#;
    let clusters = [
        r#"{"clusterName":"default"}"#.to_owned(),
        format!(r#"{{"clusterName":"mixed",{both},"defaultCapacityProviderStrategy":{strategy}}}"#),
    ];
    for (index, body) in (1..).zip(clusters) {
        let Request::CreateCluster(request) = decoded("CreateCluster", &body) else {
            unreachable!("another operation")
        };
        let (command, scope) = (Command::CreateCluster(request), scope.clone());
        let caller = String::new();
        let envelope = Envelope { epoch: 1, now_ms: 1, seed: index.into(), schema: SCHEMA, scope, caller, command };
        state.apply(index, 1, &envelope).unwrap();
    }
    let (call, task, spot) = (("RunTask on Fargate", 1), "Fargate tasks on demand", "Fargate Spot tasks");
    let spot_alone = r#""cluster":"mixed","capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1}]"#;
    let table = [
        ("{}".to_owned(), vec![]),
        (r#"{"launchType":"EC2","count":10}"#.to_owned(), vec![]),
        (r#"{"launchType":"FARGATE"}"#.to_owned(), vec![call, (task, 1)]),
        (r#"{"launchType":"FARGATE","count":7}"#.to_owned(), vec![call, (task, 7)]),
        // More is refused, and must not take an age to find that out.
        (r#"{"launchType":"FARGATE","count":2147483647}"#.to_owned(), vec![call, (task, 10)]),
        (r#"{"launchType":"FARGATE","count":-1}"#.to_owned(), vec![call]),
        (format!(r#"{{{spot_alone},"count":3}}"#), vec![call, (spot, 3)]),
        // The cluster's own strategy: two first, then one in four.
        (r#"{"cluster":"mixed","count":10}"#.to_owned(), vec![call, (task, 4), (spot, 6)]),
        (r#"{"cluster":"nowhere","launchType":"FARGATE"}"#.to_owned(), vec![]),
    ];
    for (body, expected) in table {
        assert_eq!(wants(&state, &scope, &body), expected, "{body}");
    }
    // 20 calls a second; 100 tasks at once, then 20 a second.
    let mut buckets = Buckets::default();
    assert_eq!(let_in(&mut buckets, "r", &FARGATE_CALLS, 30, 0), 20);
    assert_eq!(let_in(&mut buckets, "r", &FARGATE_CALLS, 30, SECOND), 20);
    for quota in [&FARGATE_TASKS, &FARGATE_SPOT_TASKS] {
        assert_eq!(let_in(&mut buckets, "r", quota, 120, 0), 100);
        assert_eq!(let_in(&mut buckets, "r", quota, 120, SECOND), 20);
    }
}

#[test]
fn a_region_of_nobody_takes_no_room_for_ever() {
    let quota = Quota::of("CreateCluster").unwrap();
    let mut buckets = Buckets::default();
    for region in 0..AWS_THROTTLED_REGIONS_MAX {
        assert!(buckets.take(&format!("r{region}"), &[(quota, 1)], 0));
    }
    assert!(!buckets.take("one-more", &[(quota, 1)], SECOND - 1), "all are in use");
    assert!(buckets.take("r0", &[(quota, 1)], SECOND - 1), "those that are there go on");
    assert!(buckets.take("one-more", &[(quota, 1)], SECOND), "their buckets are full again");
    assert_eq!(buckets.0.len(), 2, "the full ones are gone");
}

proptest! {
    // rule: 2.7/token-buckets
    /// Over any time no more is let in than a full bucket and what came in since.
    #[test]
    fn never_more_than_the_burst_and_what_came_in(
        group in 0_usize..20, steps in prop::collection::vec((0_u64..3 * SECOND, 0_u64..40), 1..60),
    ) {
        let quota = &QUOTAS[group];
        let mut buckets = Buckets::default();
        let (mut now, mut taken) = (0, Vec::new());
        for (wait, calls) in steps {
            now += wait;
            taken.push((now, let_in(&mut buckets, "r", quota, calls, now), calls));
        }
        for from in 0..taken.len() {
            let mut sum = 0;
            for (at, let_in, _) in &taken[from..] {
                sum += let_in;
                let most = quota.burst * SECOND + quota.rate * (at - taken[from].0);
                prop_assert!(sum * SECOND <= most, "{sum} from {} to {at}", taken[from].0);
            }
        }
        // And no less: who asks for fewer than there are gets them all.
        let rested = now + quota.burst * SECOND;
        prop_assert_eq!(let_in(&mut buckets, "r", quota, quota.burst, rested), quota.burst);
    }
}
