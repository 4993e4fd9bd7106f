//! Ten thousand malformed requests on the AWS wire: valid ones of every operation, spoilt by their structure and by their
//! bytes. Each gets a clean answer; those that are refused change nothing; nothing leaks, nothing panics.
//!
//! Half of them are the same in every run, the others come from a seed that is printed: `DRYDOCK_TEST_FUZZ_SEED` repeats it,
//! and `DRYDOCK_TEST_FUZZ_REQUESTS` says how many there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing, missing_docs)]

mod fuzz {
    pub mod seeds;
    pub mod spoil;
}
mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use drydock_model::error::ExceptionName;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use support::agent::{Agent, hello};
use support::{Cluster, PATIENCE, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use fuzz::seeds::SEEDS;
use fuzz::spoil::{Random, Spoilt, request, spoilt};

/// The seed of the half that is the same in every run.
const FIXED: u64 = 20_141_113;
/// Requests, both halves together.
const REQUESTS: usize = 10_000;
/// Requests between two looks at the state.
const CHUNK: usize = 250;
/// Requests at once.
const AT_ONCE: usize = 16;
/// Turns in which what was refused is sent again, until none of it is accepted any more.
const AGAIN_MAX: usize = 8;
/// Looks at the state that must all be the same before it counts as quiet.
const QUIET: usize = 3;
/// Memory that the process may have grown by in the end. What the accepted requests made is in it, and the log of it.
const GROWTH_MAX: u64 = 400 * 1024 * 1024;
/// Exceptions of AWS's front door, which stands before ECS.
const FRONT_DOOR: [&str; 6] = [
    "SerializationException",
    "UnknownOperationException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "RequestEntityTooLargeException",
    "ThrottlingException",
];

static PANICS: AtomicUsize = AtomicUsize::new(0);
/// How many answers there were of each kind.
static KINDS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// Sends it and says that nothing more comes; gives the first answer, if there is one.
async fn send(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is refused may be closed before all of it was sent.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    let _ = read.unwrap_or_else(|_| panic!("no end of the answer to {}", shown(bytes)));
    let end = all.windows(4).position(|found| found == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    Some(Answer { status, body: all[end + 4..(end + 4 + length).min(all.len())].to_vec(), head })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(3_000).collect()
}

fn count(kind: &str) {
    *KINDS.lock().unwrap().entry(kind.to_owned()).or_default() += 1;
}

/// Whether it was refused; panics where the answer isn't clean.
fn judged(sent: &Spoilt, answer: Option<&Answer>) -> bool {
    let wrong = |why: &str| -> ! {
        let said = answer.map(|answer| format!("{}\n\n{}", answer.head, shown(&answer.body)));
        panic!("{why}\n--- sent:\n{}\n--- answered:\n{}", shown(&sent.bytes), said.unwrap_or_default());
    };
    let Some(answer) = answer else {
        // Without an end of the headers it is no request yet.
        let whole = sent.bytes.windows(4).any(|found| found == b"\r\n\r\n");
        if whole {
            wrong("no answer")
        }
        count("headers without an end");
        return true;
    };
    if answer.body.is_empty() && sent.http && matches!(answer.status, 400 | 414 | 431 | 505) {
        count("HTTP alone");
        return true;
    }
    if header(&answer.head, "x-amzn-requestid").is_none_or(|id| id.len() != 36) {
        wrong("no id");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { wrong("not JSON") };
    if answer.status == 200 {
        count("accepted");
        return false;
    }
    let exception = body["__type"].as_str().unwrap_or_default();
    let known = FRONT_DOOR.contains(&exception)
        || ExceptionName::parse(exception).is_some_and(|known| known.as_str() == exception);
    match answer.status {
        400 | 413 if known && exception != "ServerException" => {}
        _ => wrong("not a client's error"),
    }
    if !body["message"].is_string() || header(&answer.head, "x-amzn-errortype") != Some(exception) {
        wrong("not whole");
    }
    count(exception);
    true
}

/// Sends all; gives those that were refused.
async fn refused(address: &str, chunk: Vec<Spoilt>) -> (Vec<Spoilt>, usize) {
    let (mut refused, mut accepted) = (Vec::new(), 0);
    let sending = futures_util::stream::iter(chunk).map(|one| async move {
        let answer = send(address, &one.bytes).await;
        (one, answer)
    });
    let mut answers = sending.buffer_unordered(AT_ONCE);
    while let Some((one, answer)) = answers.next().await {
        if judged(&one, answer.as_ref()) { refused.push(one) } else { accepted += usize::from(!is_read(&one.bytes)) }
    }
    (refused, accepted)
}

fn is_read(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let operation = text.split("V20141113.").nth(1).unwrap_or_default();
    ["Describe", "List", "Get"].iter().any(|read| operation.starts_with(read))
}

async fn ask(address: &str, operation: &str, body: Value) -> Value {
    let answer = send(address, &request(operation, body.to_string().as_bytes())).await.expect("an answer");
    serde_json::from_slice(&answer.body).unwrap()
}

/// All pages of a list.
async fn list(address: &str, operation: &str, mut body: Value, member: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let page = ask(address, operation, body.clone()).await;
        all.extend(page[member].as_array().cloned().unwrap_or_default());
        let Some(token) = page["nextToken"].as_str() else { return all };
        body["nextToken"] = json!(token);
    }
}

/// What goes on by itself after a write that was accepted: deployments end, services drain.
const OF_SERVICES: [&str; 7] = [
    "events",
    "deployments",
    "taskSets",
    "pendingCount",
    "runningCount",
    "currentServiceDeployment",
    "currentServiceRevisions",
];

/// Takes members away; of deployments and task sets the ids stay.
fn without(rows: &mut Value, members: &[&str]) {
    for row in rows.as_array_mut().into_iter().flatten() {
        let of = |list: &Value| -> Vec<Value> {
            list.as_array().into_iter().flatten().map(|one| json!([one["id"], one["taskDefinition"]])).collect()
        };
        row["ids"] = json!([of(&row["deployments"]), of(&row["taskSets"])]);
        for member in members {
            row[*member] = Value::Null;
        }
    }
}

/// The state once it stays as it is: what accepted writes have begun has come to its end.
async fn quiet(address: &str) -> BTreeMap<String, Value> {
    let last = Mutex::new((state(address).await, 0));
    eventually("nothing goes on by itself", || async {
        let now = state(address).await;
        let mut last = last.lock().unwrap();
        let times = if last.0 == now { last.1 + 1 } else { 0 };
        *last = (now, times);
        (times == QUIET).then(|| last.0.clone())
    })
    .await
}

/// Everything that reads show, but for what passes by itself.
async fn state(address: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let clusters = list(address, "ListClusters", json!({}), "clusterArns").await;
    for names in clusters.chunks(100) {
        let include = ["TAGS", "SETTINGS", "ATTACHMENTS", "CONFIGURATIONS"];
        let shown = ask(address, "DescribeClusters", json!({ "clusters": names, "include": include })).await;
        found.insert(format!("cluster {}", names[0]), shown["clusters"].clone());
    }
    for cluster in &clusters {
        for status in ["RUNNING", "STOPPED"] {
            let body = json!({ "cluster": cluster, "desiredStatus": status });
            let tasks = list(address, "ListTasks", body, "taskArns").await;
            for arns in tasks.chunks(100) {
                let body = json!({ "cluster": cluster, "tasks": arns, "include": ["TAGS"] });
                found.insert(format!("tasks {}", arns[0]), ask(address, "DescribeTasks", body).await["tasks"].clone());
            }
        }
        let services = list(address, "ListServices", json!({ "cluster": cluster }), "serviceArns").await;
        for arns in services.chunks(10) {
            let body = json!({ "cluster": cluster, "services": arns, "include": ["TAGS"] });
            let mut shown = ask(address, "DescribeServices", body).await;
            without(&mut shown["services"], &OF_SERVICES);
            found.insert(format!("services {}", arns[0]), shown["services"].clone());
        }
        let body = json!({ "cluster": cluster });
        let instances = list(address, "ListContainerInstances", body, "containerInstanceArns").await;
        for arns in instances.chunks(100) {
            let body = json!({ "cluster": cluster, "containerInstances": arns, "include": ["TAGS"] });
            let mut shown = ask(address, "DescribeContainerInstances", body).await;
            without(&mut shown["containerInstances"], &["agentConnected", "version"]);
            found.insert(format!("instances {}", arns[0]), shown["containerInstances"].clone());
        }
    }
    for status in ["ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"] {
        let all = list(address, "ListTaskDefinitions", json!({ "status": status }), "taskDefinitionArns").await;
        found.insert(format!("definitions {status}"), json!(all));
    }
    for (operation, member) in [("DescribeCapacityProviders", "capacityProviders"), ("ListAccountSettings", "settings")]
    {
        found.insert(operation.to_owned(), json!(list(address, operation, json!({}), member).await));
    }
    found
}

/// What the seeds are about; made again where an accepted request took it away. Gives the ids that they name.
async fn prepared(address: &str, instance: &str) -> Vec<(&'static str, String)> {
    let group = "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/mine";
    let app = json!({ "name": "app", "image": "i", "memory": 64 });
    let strategy = json!([{ "capacityProvider": "mine", "weight": 1 }]);
    let steps = [
        ("CreateCluster", json!({})),
        ("CreateCluster", json!({ "clusterName": "other" })),
        (
            "CreateCapacityProvider",
            json!({ "name": "mine", "autoScalingGroupProvider": { "autoScalingGroupArn": group, "managedScaling": { "status": "ENABLED" } } }),
        ),
        (
            "PutClusterCapacityProviders",
            json!({ "cluster": "default", "capacityProviders": ["mine", "FARGATE"], "defaultCapacityProviderStrategy": [] }),
        ),
        ("RegisterTaskDefinition", json!({ "family": "web", "containerDefinitions": [app] })),
        ("RegisterTaskDefinition", json!({ "family": "spoilt", "containerDefinitions": [app] })),
        ("CreateService", json!({ "serviceName": "web", "taskDefinition": "web", "desiredCount": 0 })),
        (
            "CreateService",
            json!({ "serviceName": "outside", "desiredCount": 0, "deploymentController": { "type": "EXTERNAL" } }),
        ),
        (
            "CreateTaskSet",
            json!({ "cluster": "default", "service": "outside", "taskDefinition": "web", "launchType": "EC2" }),
        ),
    ];
    for (operation, body) in steps {
        eventually("it is answered", || async {
            let answer = ask(address, operation, body.clone()).await;
            (answer["__type"] != "ServerException").then_some(())
        })
        .await;
    }
    let run = json!({ "taskDefinition": "web", "capacityProviderStrategy": strategy, "clientToken": "seed" });
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let task = text(&ask(address, "RunTask", run).await["tasks"][0]["taskArn"]);
    let deployments = ask(address, "ListServiceDeployments", json!({ "service": "web" })).await;
    let deployment = &deployments["serviceDeployments"][0];
    let sets = ask(address, "DescribeTaskSets", json!({ "cluster": "default", "service": "outside" })).await;
    vec![
        ("$TASKSET", text(&sets["taskSets"][0]["id"])),
        ("$TASK", task),
        ("$INSTANCE", instance.to_owned()),
        ("$CLUSTER", "arn:aws:ecs:us-east-1:000000000000:cluster/default".to_owned()),
        ("$DEPLOYMENT", text(&deployment["serviceDeploymentArn"])),
        ("$REVISION", text(&deployment["targetServiceRevisionArn"])),
    ]
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}

/// What was refused is refused again, and that changes nothing.
async fn changes_nothing(address: &str, chunk: Vec<Spoilt>) -> usize {
    let (mut left, mut accepted) = refused(address, chunk).await;
    let all = accepted;
    for _ in 0..AGAIN_MAX {
        let before = quiet(address).await;
        (left, accepted) = refused(address, left).await;
        if accepted > 0 {
            continue;
        }
        let after = state(address).await;
        for (what, was) in &before {
            assert_eq!(Some(was), after.get(what), "{what} was changed by a request that was refused");
        }
        assert_eq!(before.len(), after.len(), "something was added by a request that was refused");
        return all;
    }
    panic!("after {AGAIN_MAX} turns some requests are still accepted that were refused before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_get_clean_errors_and_change_nothing() {
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        said(panic);
    }));
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let fresh = number("DRYDOCK_TEST_FUZZ_SEED").unwrap_or_else(|| u64::from(fresh));
    let count = number("DRYDOCK_TEST_FUZZ_REQUESTS").map_or(REQUESTS, |count| usize::try_from(count).unwrap());
    println!("{count} requests; DRYDOCK_TEST_FUZZ_SEED={fresh}");
    let cluster = Cluster::start(1).await;
    let address = cluster.members[0].aws.clone();
    prepared(&address, "none").await;
    let mut agent = Agent::open(&cluster.members[0].api, hello("fuzzed")).await;
    let instance = agent.welcome().await;
    drop(agent);
    // Nothing is placed on it from then on.
    eventually("its agent counts as gone", || async {
        let shown = ask(&address, "DescribeContainerInstances", json!({ "containerInstances": [instance] })).await;
        (shown["containerInstances"][0]["agentConnected"] == false).then_some(())
    })
    .await;
    let before = resident();
    let mut accepted = 0;
    for seed in [FIXED, fresh] {
        let mut random = Random(seed);
        for _ in 0..count.div_ceil(2 * CHUNK) {
            let ids = prepared(&address, &instance).await;
            let seeds = ids.iter().fold(SEEDS.to_owned(), |text, (name, id)| text.replace(name, id));
            let seeds: Vec<(&str, Value)> = seeds
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(operation, body)| (operation, serde_json::from_str(body).unwrap()))
                .collect();
            let chunk = (0..CHUNK).map(|_| {
                let (operation, valid) = random.pick(&seeds);
                spoilt(&mut random, operation, &valid)
            });
            let chunk = chunk.collect();
            accepted += changes_nothing(&address, chunk).await;
        }
    }
    println!("answers, with those to what was sent again: {:?}", KINDS.lock().unwrap());
    println!("{accepted} writes happened to be valid; memory grew by {} MiB", resident().saturating_sub(before) >> 20);
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "something panicked");
    assert!(resident().saturating_sub(before) < GROWTH_MAX, "memory leaks");
    eventually("nothing is under way any more", || async {
        let health = send(&address, b"GET /_drydock/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        let load = serde_json::from_slice::<Value>(&health.body).ok()?["load"].clone();
        (load == json!({ "connections": 1, "bytesHeld": 0, "writes": 0 })).then_some(())
    })
    .await;
    assert!(ask(&address, "ListClusters", json!({})).await["clusterArns"].is_array());
    cluster.stop().await;
}
