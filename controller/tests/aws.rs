//! The AWS wire over real sockets: what goes over it byte for byte, for those that no client library would send.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use serde_json::{Value, json};
use support::{Cluster, Member, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends what is given, and nothing else.
async fn raw(member: &Member, request: &[u8]) -> Answer {
    let mut connection = TcpStream::connect(&member.aws).await.unwrap();
    connection.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn request(region: &str, operation: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261126/{region}/ecs/aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

async fn call(member: &Member, operation: &str, body: &Value) -> Answer {
    raw(member, &request("us-east-1", operation, &body.to_string())).await
}

/// A write that goes on through the election of the start.
async fn write(member: &Member, operation: &str, body: Value) -> Value {
    let answer = eventually("it is written", || async {
        let answer = call(member, operation, &body).await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_controller_answers_as_aws_does() {
    let cluster = Cluster::start(3).await;
    for (at, member) in cluster.members.iter().enumerate() {
        let name = format!("c{at}");
        let created = write(member, "CreateCluster", json!({ "clusterName": name })).await;
        assert_eq!(created["cluster"]["status"], "ACTIVE", "{created}");
        // Whoever stays with one controller reads what it wrote.
        let answer = call(member, "ListClusters", &json!({})).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-amz-json-1.1")));
        let id = answer.header("x-amzn-requestid").unwrap();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{id}");
        let arns = answer.json()["clusterArns"].as_array().unwrap().len();
        assert_eq!(arns, at + 1);
    }
    let member = &cluster.members[0];
    let definition = json!({
        "family": "web", "containerDefinitions": [{ "name": "app", "image": "i", "memory": 64 }],
    });
    let registered = write(member, "RegisterTaskDefinition", definition).await;
    assert!(registered["taskDefinition"]["registeredAt"].is_f64(), "seconds since 1970: {registered}");
    // What is not there is a failure and no exception; what AWS fills in is filled in.
    let found = call(member, "DescribeClusters", &json!({ "clusters": ["c0", "nowhere"] })).await.json();
    assert_eq!(found["failures"][0]["reason"], "MISSING", "{found}");
    assert_eq!(found["clusters"][0]["registeredContainerInstancesCount"], 0, "{found}");
    // A client without anything to say may send nothing.
    let empty = raw(member, &request("us-east-1", "ListServices", "")).await;
    assert_eq!(empty.json()["__type"], "ClusterNotFoundException", "{}", empty.body);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_lie_side_by_side() {
    let cluster = Cluster::start(3).await;
    write(&cluster.members[0], "CreateCluster", json!({ "clusterName": "here" })).await;
    // Also through a controller that doesn't lead.
    for (member, region) in cluster.members.iter().zip(["eu-west-1", "eu-west-2", "eu-west-3"]) {
        let created = raw(member, &request(region, "CreateCluster", r#"{"clusterName":"there"}"#)).await;
        let arn = format!("arn:aws:ecs:{region}:000000000000:cluster/there");
        assert_eq!(created.json()["cluster"]["clusterArn"], *arn, "{}", created.body);
        let list = raw(member, &request(region, "ListClusters", "{}")).await;
        assert_eq!(list.json()["clusterArns"], json!([arn]), "{}", list.body);
    }
    let list = call(&cluster.members[0], "ListClusters", &json!({})).await;
    assert_eq!(list.json()["clusterArns"], json!(["arn:aws:ecs:us-east-1:000000000000:cluster/here"]));
    cluster.stop().await;
}

/// The bodies that a client gets are ECS's; nothing is changed by a request that is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_as_aws_says_it() {
    let cluster = Cluster::start(1).await;
    let member = &cluster.members[0];
    write(member, "CreateCluster", json!({})).await;
    let huge = format!(r#"{{"clusterName":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    let table = [
        (
            "DescribeServices",
            r#"{"cluster":"nowhere","services":["a"]}"#,
            400,
            "ClusterNotFoundException",
            "Cluster not found.",
        ),
        ("CreateCluster", r#"{"clusterName":"no blanks"}"#, 400, "InvalidParameterException", ""),
        (
            "CreateCluster",
            r#"{"clusterName":7}"#,
            400,
            "SerializationException",
            "NUMBER_VALUE cannot be converted to String",
        ),
        ("CreateCluster", "{", 400, "SerializationException", ""),
        ("CreateCluster", "{} {}", 400, "SerializationException", "trailing"),
        ("RunTask", r#"{"launchType":"MOON"}"#, 400, "InvalidParameterException", "Value 'MOON' at 'launchType'"),
        ("CreateCluster", &huge, 413, "RequestEntityTooLargeException", ""),
        ("ExecuteCommand", "{}", 400, "InvalidParameterException", "task"),
        ("CreateDaemon", "{}", 400, "UnsupportedFeatureException", "CreateDaemon"),
        ("ListGateways", "{}", 400, "UnsupportedFeatureException", "gateways"),
        ("LaunchRocket", "{}", 400, "UnknownOperationException", ""),
    ];
    for (operation, body, status, exception, part) in table {
        let answer = raw(member, &request("us-east-1", operation, body)).await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!(answer.status, status, "{operation} {shown}: {}", answer.body);
        assert_eq!(answer.json()["__type"], exception, "{operation} {shown}");
        assert_eq!(answer.header("x-amzn-errortype"), Some(exception), "{operation} {shown}");
        assert!(answer.json()["message"].as_str().unwrap().contains(part), "{operation} {shown}: {}", answer.body);
        assert!(answer.header("x-amzn-requestid").is_some());
    }
    // AWS's text doesn't say which member it is about: a header does.
    let mistyped = request("us-east-1", "RegisterTaskDefinition", r#"{"containerDefinitions":[{"cpu":"1"}]}"#);
    let mistyped = raw(member, &mistyped).await;
    assert_eq!(mistyped.json()["message"], "STRING_VALUE cannot be converted to Integer");
    assert_eq!(mistyped.header("x-drydock-member"), Some("containerDefinitions[0].cpu"));
    // A connection that ends before its body does.
    let mut short = request("us-east-1", "CreateCluster", r#"{"clusterName":"short"}"#);
    short.truncate(short.len() - 4);
    let mut connection = TcpStream::connect(&member.aws).await.unwrap();
    connection.write_all(&short).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("SerializationException"), "{answer}");
    let scope = raw(member, &request("Not A Region", "ListClusters", "{}")).await;
    assert_eq!(scope.json()["__type"], "InvalidSignatureException");
    let of_another =
        |target: &str| format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{target}Content-Length: 0\r\n\r\n");
    for target in ["X-Amz-Target: AmazonSSM.GetParameter\r\n", "X-Amz-Target: ListClusters\r\n", ""] {
        let answer = raw(member, of_another(target).as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!("UnknownOperationException")), "{target}");
    }
    let other = raw(member, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(other.json()["__type"], "UnknownOperationException");
    let mistyped =
        raw(member, b"POST /_drydock/rest HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let said = mistyped.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("POST /_drydock/rest"), "{said}");
    let health = raw(member, b"GET /_drydock/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((health.status, &health.json()["services"]["ecs"]), (200, &json!("available")));
    let list = call(member, "ListClusters", &json!({})).await.json();
    assert_eq!(list["clusterArns"].as_array().map(Vec::len), Some(1), "{list}");
    cluster.stop().await;
}

/// The same token with another request: ARNs of what the first one made go with the refusal, whoever leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_names_what_it_is_about() {
    let cluster = Cluster::start(3).await;
    let all = &cluster.members;
    write(&all[0], "CreateCluster", json!({})).await;
    let definition = json!({
        "family": "job", "containerDefinitions": [{ "name": "app", "image": "i", "memory": 64 }],
    });
    write(&all[0], "RegisterTaskDefinition", definition).await;
    // Its tasks wait for instances that never come.
    let group = "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/mine";
    let provider = json!({
        "name": "mine",
        "autoScalingGroupProvider": { "autoScalingGroupArn": group, "managedScaling": { "status": "ENABLED" } },
    });
    write(&all[0], "CreateCapacityProvider", provider).await;
    let provider =
        json!({ "cluster": "default", "capacityProviders": ["mine"], "defaultCapacityProviderStrategy": [] });
    write(&all[0], "PutClusterCapacityProviders", provider).await;
    let run = |count: u32| {
        json!({
            "taskDefinition": "job", "count": count, "clientToken": "one",
            "capacityProviderStrategy": [{ "capacityProvider": "mine", "weight": 1 }],
        })
    };
    let first = write(&all[0], "RunTask", run(1)).await;
    let arn = first["tasks"][0]["taskArn"].clone();
    assert!(arn.is_string(), "{first}");
    for member in all {
        assert_eq!(write(member, "RunTask", run(1)).await["tasks"][0]["taskArn"], arn, "the same again is the same");
        let refused = call(member, "RunTask", &run(2)).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(refused.json()["__type"], "ConflictException", "{}", refused.body);
        assert_eq!(refused.json()["resourceIds"], json!([arn]), "{}", refused.body);
    }
    cluster.stop().await;
}

/// A client that acts as an agent: it registers, is given tasks, and says what becomes of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_acts_as_an_agent() {
    let cluster = Cluster::start(3).await;
    let all = &cluster.members;
    let turn = |at: usize| &all[at % all.len()];
    let document = json!({ "instanceId": "i-1", "availabilityZone": "us-east-1b", "instanceType": "m5.large" });
    let registration = json!({
        "instanceIdentityDocument": document.to_string(),
        "instanceIdentityDocumentSignature": "any",
        "totalResources": [
            { "name": "CPU", "type": "INTEGER", "integerValue": 2048 },
            { "name": "MEMORY", "type": "INTEGER", "integerValue": 4096 },
        ],
        "versionInfo": { "agentVersion": "1.97.1", "agentHash": "abc", "dockerVersion": "DockerVersion: 25.0.8" },
    });
    let registered = write(turn(0), "RegisterContainerInstance", registration.clone()).await;
    let instance = &registered["containerInstance"];
    let arn = instance["containerInstanceArn"].as_str().unwrap();
    assert_eq!((&instance["ec2InstanceId"], &instance["agentConnected"]), (&json!("i-1"), &json!(true)), "{instance}");
    assert_eq!(instance["versionInfo"], registration["versionInfo"]);
    // The same again is the same, and not its namesake.
    let mut again = registration.clone();
    again["containerInstanceArn"] = json!(arn);
    let again = write(turn(1), "RegisterContainerInstance", again).await;
    assert_eq!(again["containerInstance"]["containerInstanceArn"], *arn);
    let endpoint = call(turn(1), "DiscoverPollEndpoint", &json!({ "containerInstance": arn })).await.json();
    assert_eq!(endpoint["endpoint"], format!("http://{}/", turn(1).aws), "{endpoint}");

    let definition = json!({
        "family": "net", "networkMode": "awsvpc", "containerDefinitions": [{ "name": "app", "image": "i", "memory": 64 }],
    });
    write(turn(2), "RegisterTaskDefinition", definition).await;
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"] } });
    let run = json!({ "taskDefinition": "net", "launchType": "EC2", "networkConfiguration": network });
    let ran = write(turn(0), "RunTask", run).await;
    let task = ran["tasks"][0]["taskArn"].as_str().unwrap_or_else(|| panic!("{ran}"));
    assert_eq!(ran["tasks"][0]["containerInstanceArn"], *arn, "{ran}");
    // What one controller answered, another one shows a moment later.
    let given = eventually("its agent is given the task", || async {
        let given = call(turn(1), "ListTasks", &json!({ "containerInstance": arn })).await.json();
        given["taskArns"].as_array().filter(|arns| !arns.is_empty()).cloned()
    });
    assert_eq!(given.await, [json!(task)]);
    let shown = async || call(turn(0), "DescribeTasks", &json!({ "tasks": [task] })).await.json()["tasks"][0].clone();
    let interface = shown().await["attachments"][0]["id"].as_str().unwrap().to_owned();
    let attachment = format!("arn:aws:ecs:us-east-1:000000000000:attachment/{interface}");
    let attached = json!({ "attachments": [{ "attachmentArn": attachment, "status": "ATTACHED" }] });
    let told = write(turn(0), "SubmitAttachmentStateChanges", attached).await;
    assert_eq!(told["acknowledgment"], "ACK");
    assert_eq!(shown().await["attachments"][0]["status"], "ATTACHED");
    let running = json!({ "task": task, "containerName": "app", "status": "RUNNING", "runtimeId": "r1" });
    write(turn(0), "SubmitContainerStateChange", running).await;
    let running = json!({ "task": task, "status": "RUNNING", "pullStartedAt": 1, "pullStoppedAt": 2 });
    write(turn(0), "SubmitTaskStateChange", running).await;
    let now = shown().await;
    assert_eq!(
        (&now["lastStatus"], &now["containers"][0]["lastStatus"]),
        (&json!("RUNNING"), &json!("RUNNING")),
        "{now}"
    );
    assert_eq!((&now["containers"][0]["runtimeId"], &now["startedAt"].is_f64()), (&json!("r1"), &true), "{now}");

    // Told to stop, it is its agent's to end.
    write(turn(0), "StopTask", json!({ "task": task, "reason": "enough" })).await;
    assert_eq!(shown().await["desiredStatus"], "STOPPED");
    let containers = json!([{ "containerName": "app", "status": "STOPPED", "exitCode": 143, "reason": "killed" }]);
    let stopped = json!({ "task": task, "status": "STOPPED", "reason": "late", "containers": containers });
    write(turn(0), "SubmitTaskStateChange", stopped).await;
    let end = shown().await;
    assert_eq!((&end["lastStatus"], &end["stoppedReason"]), (&json!("STOPPED"), &json!("enough")), "{end}");
    assert_eq!((&end["containers"][0]["exitCode"], &end["stopCode"]), (&json!(143), &json!("UserInitiated")), "{end}");

    let table = [
        ("SubmitTaskStateChange", json!({ "task": "0".repeat(32), "status": "RUNNING" }), "InvalidParameterException"),
        ("SubmitTaskStateChange", json!({ "task": task, "status": "FLYING" }), "InvalidParameterException"),
        ("RegisterContainerInstance", json!({ "instanceIdentityDocument": "{" }), "ClientException"),
        ("RegisterContainerInstance", json!({ "containerInstanceArn": "0".repeat(32) }), "InvalidParameterException"),
        ("UpdateContainerAgent", json!({ "containerInstance": arn }), "NoUpdateAvailableException"),
        ("ListServicesByNamespace", json!({ "namespace": "shop" }), "NamespaceNotFoundException"),
        ("ExecuteCommand", json!({ "task": task, "command": "sh", "interactive": true }), "InvalidParameterException"),
    ];
    for (operation, body, exception) in table {
        let refused = call(turn(0), operation, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["__type"]),
            (400, &json!(exception)),
            "{operation}: {}",
            refused.body
        );
    }
    let bare = write(turn(0), "RegisterContainerInstance", json!({})).await;
    let bare = json!({ "containerInstance": bare["containerInstance"]["containerInstanceArn"] });
    let refused = call(turn(0), "UpdateContainerAgent", &bare).await;
    assert_eq!(refused.json()["__type"], "MissingVersionException", "{}", refused.body);
    cluster.stop().await;
}

/// All that requests made is gone, of every region and through every controller; revisions begin at 1 again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_leaves_nothing() {
    let cluster = Cluster::start(3).await;
    let definition = json!({
        "family": "web", "containerDefinitions": [{ "name": "app", "image": "i", "memory": 64 }],
    });
    for (member, path) in cluster.members.iter().zip(["/_drydock/reset", "/_localstack/state/reset", "/moto-api/reset"])
    {
        write(member, "CreateCluster", json!({ "clusterName": "mine" })).await;
        write(member, "RegisterContainerInstance", json!({ "cluster": "mine" })).await;
        let registered = write(member, "RegisterTaskDefinition", definition.clone()).await;
        assert_eq!(registered["taskDefinition"]["revision"], 1, "{registered}");
        let ran = write(member, "RunTask", json!({ "cluster": "mine", "taskDefinition": "web" })).await;
        assert_eq!(ran["failures"], json!([]), "{ran}");
        let there = raw(member, &request("eu-west-1", "CreateCluster", "{}")).await;
        assert_eq!(there.status, 200, "{}", there.body);
        let reset = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let reset = raw(member, reset.as_bytes()).await;
        assert_eq!((reset.status, reset.json()), (200, json!({ "status": "ok" })), "{path}");
        for region in ["us-east-1", "eu-west-1"] {
            let clusters = raw(member, &request(region, "ListClusters", "{}")).await;
            assert_eq!(clusters.json()["clusterArns"], json!([]), "{region}");
        }
        let families = call(member, "ListTaskDefinitionFamilies", &json!({})).await.json();
        assert_eq!(families["families"], json!([]), "{families}");
    }
    cluster.stop().await;
}

/// The table of all buckets is the unit tests'. Here each call that is let in is one that a slow machine may make as slowly as it
/// likes, short of half a second.
// rule: 2.2/throttling, 2.7/token-buckets, 2.7/launch-rate-fargate
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_aws_s_token_buckets_requests_are_throttled() {
    let cluster = Cluster::start_with(1, |config| config.aws.as_mut().unwrap().throttling = true).await;
    let member = &cluster.members[0];
    write(member, "CreateCluster", json!({})).await;
    let throttled = async |operation: &'static str, body: Value| {
        for calls in 1..1_000 {
            let answer = call(member, operation, &body).await;
            if answer.json()["__type"] == "ThrottlingException" {
                assert_eq!(answer.status, 400, "{}", answer.body);
                return (calls, answer.json()["message"].clone());
            }
        }
        panic!("{operation} is never throttled");
    };
    // Ten tasks each: the eleventh has none left.
    let fargate = json!({ "taskDefinition": "none", "launchType": "FARGATE", "count": 10 });
    let (calls, said) = throttled("RunTask", fargate).await;
    assert!(calls > 10, "the burst is let in: {calls}");
    assert_eq!(said, "Rate exceeded.", "Fargate's own words");
    let ec2 = call(member, "RunTask", &json!({ "taskDefinition": "none" })).await;
    assert_eq!(ec2.json()["message"], "TaskDefinition not found.", "{}", ec2.body);

    let (calls, said) = throttled("DeleteTaskDefinitions", json!({ "taskDefinitions": ["none:1"] })).await;
    assert!(calls > 5, "the burst is let in: {calls}");
    assert_eq!(said, "Rate exceeded");
    // Another operation, and the same in another region, have buckets of their own.
    assert_eq!(call(member, "ListTaskDefinitions", &json!({})).await.status, 200);
    let there = raw(member, &request("eu-west-1", "DeleteTaskDefinitions", r#"{"taskDefinitions":["none:1"]}"#)).await;
    assert_ne!(there.json()["__type"], "ThrottlingException", "{}", there.body);
    cluster.stop().await;
}
