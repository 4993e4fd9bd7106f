//! Who is let in at the AWS port of real controllers: requests that are signed, changed, late, or of nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use drydock_controller::Listeners;
use serde_json::{Value, json};
use support::{Cluster, Member, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const KEYS: &str = "[ann]\naws_access_key_id = AKIDANN\naws_secret_access_key = hers\n\
                    [bob]\naws_access_key_id = ASIABOB\naws_secret_access_key = his\naws_session_token = tok/en==\n";

/// A request of a client, which knows the time as well as it knows it.
#[derive(Clone)]
struct Client {
    id: &'static str,
    secret: &'static str,
    token: Option<&'static str>,
    service: &'static str,
    ahead: i64,
}

const ANN: Client = Client { id: "AKIDANN", secret: "hers", token: None, service: "ecs", ahead: 0 };
const BOB: Client = Client { id: "ASIABOB", secret: "his", token: Some("tok/en=="), service: "ecs", ahead: 0 };

impl Client {
    /// The head of a signed request up to the empty line.
    fn head(&self, host: &str, headers: &[(&str, &str)], body: &str) -> String {
        let identity = Credentials::new(self.id, self.secret, self.token.map(str::to_owned), None, "test").into();
        let now = SystemTime::now();
        let skew = Duration::from_secs(self.ahead.unsigned_abs());
        let time = if self.ahead < 0 { now - skew } else { now + skew };
        let parameters = SigningParams::builder().identity(&identity).region("us-east-1").name(self.service).time(time);
        let parameters = parameters.settings(SigningSettings::default()).build().unwrap().into();
        let all = headers.iter().copied().chain([("host", host)]);
        let request = SignableRequest::new("POST", "/", all.clone(), SignableBody::Bytes(body.as_bytes())).unwrap();
        let signed = sign(request, &parameters).unwrap();
        let lines = all.chain(signed.output().headers()).map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n{}",
            body.len(),
            lines.collect::<String>()
        )
    }

    fn request(&self, member: &Member, operation: &str, body: &Value) -> String {
        let (target, body) = (format!("AmazonEC2ContainerServiceV20141113.{operation}"), body.to_string());
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        format!("{}\r\n{body}", self.head(&member.aws, &headers, &body))
    }

    async fn call(&self, member: &Member, operation: &str, body: Value) -> (u16, Value) {
        eventually("somebody leads", || async {
            let (status, body) = send(member, &self.request(member, operation, &body)).await;
            (status != 503).then(|| (status, serde_json::from_str(&body).unwrap()))
        })
        .await
    }
}

async fn send(member: &Member, request: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(&member.aws).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn with_keys(size: usize) -> (Cluster, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, KEYS).unwrap();
    let require = |config: &mut drydock_controller::Config| {
        config.aws.as_mut().unwrap().require_signature = Some(file.clone());
    };
    (Cluster::start_with(size, require).await, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_signed_with_a_known_key_is_carried_out() {
    let (cluster, _folder) = with_keys(1).await;
    let member = &cluster.members[0];
    let (status, created) = ANN.call(member, "CreateCluster", json!({ "clusterName": "hers" })).await;
    assert_eq!(status, 200, "{created}");
    assert_eq!(BOB.call(member, "CreateCluster", json!({ "clusterName": "his" })).await.0, 200);

    let create = |client: &Client| client.request(member, "CreateCluster", &json!({ "clusterName": "evil" }));
    let fine = create(&ANN);
    let without = |name: &str| {
        fine.split_inclusive("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with(name)).collect::<String>()
    };
    let table = [
        ("nobody's", without("authorization:"), "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("without a date", without("x-amz-date:"), "IncompleteSignatureException", "'X-Amz-Date' or a 'Date' header"),
        (
            "another body",
            fine.replace("evil", "good"),
            "InvalidSignatureException",
            "The request signature we calculated",
        ),
        ("another operation", fine.replace(".CreateC", ".DeleteC"), "InvalidSignatureException", "we calculated"),
        ("another host", fine.replace("host: 127", "host: 128"), "InvalidSignatureException", "we calculated"),
        ("a wrong secret", create(&Client { secret: "x", ..ANN }), "InvalidSignatureException", "we calculated"),
        (
            "a stranger",
            create(&Client { id: "AKIDEVE", ..ANN }),
            "UnrecognizedClientException",
            "token included in the",
        ),
        ("no session token", create(&Client { token: None, ..BOB }), "UnrecognizedClientException", "is invalid."),
        ("a late clock", create(&Client { ahead: -400, ..ANN }), "InvalidSignatureException", "Signature expired: 20"),
        ("an early clock", create(&Client { ahead: 400, ..ANN }), "InvalidSignatureException", "not yet current: 20"),
        ("for STS", create(&Client { service: "sts", ..ANN }), "InvalidSignatureException", "service: 'ecs'."),
    ];
    for (what, request, exception, part) in table {
        let (status, body) = send(member, &request).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["__type"]), (400, &json!(exception)), "{what}: {body}");
        assert!(body["message"].as_str().unwrap().contains(part), "{what}: {body}");
    }
    // The very same request once more is what a client sends that heard no answer.
    assert_eq!(send(member, &fine).await.0, 200);
    let (_, list) = ANN.call(member, "ListClusters", json!({})).await;
    assert_eq!(list["clusterArns"].as_array().map(Vec::len), Some(3), "nothing that was refused was written: {list}");
    let (health, _) = send(member, "GET /_drydock/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(health, 200, "it needs no signature");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signed_is_who_made_it() {
    let (cluster, _folder) = with_keys(3).await;
    let ann = "arn:aws:iam::000000000000:user/ann";
    // Also through a controller that doesn't lead.
    let follower = &cluster.members[cluster.follower().await];
    assert_eq!(ANN.call(follower, "CreateCluster", json!({})).await.0, 200);
    let definition = json!({
        "family": "web", "containerDefinitions": [{ "name": "app", "image": "i", "memory": 64 }],
    });
    let (_, registered) = ANN.call(follower, "RegisterTaskDefinition", definition).await;
    assert_eq!(registered["taskDefinition"]["registeredBy"], ann, "{registered}");
    let service = json!({ "serviceName": "web", "taskDefinition": "web", "desiredCount": 0 });
    let (_, created) = ANN.call(follower, "CreateService", service).await;
    assert_eq!(created["service"]["createdBy"], ann, "{created}");
    // Account settings are the caller's.
    let setting = json!({ "name": "containerInsights", "value": "disabled" });
    let (_, put) = ANN.call(follower, "PutAccountSetting", setting).await;
    assert_eq!(put["setting"]["principalArn"], ann, "{put}");
    let (_, list) = ANN.call(follower, "ListAccountSettings", json!({})).await;
    assert_eq!(list["settings"].as_array().map(Vec::len), Some(1), "{list}");
    let (_, list) = BOB.call(follower, "ListAccountSettings", json!({})).await;
    assert_eq!(list["settings"], json!([]));
    let (_, refused) = BOB.call(follower, "ListAccountSettings", json!({ "principalArn": ann })).await;
    assert_eq!(refused["__type"], "AccessDeniedException", "{refused}");

    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let ask = |client: &Client| format!("{}\r\n{body}", client.head(&follower.aws, &form, body));
    let (status, answer) = send(follower, &ask(&Client { service: "sts", ..BOB })).await;
    assert!(status == 200 && answer.contains("<Arn>arn:aws:iam::000000000000:user/bob</Arn>"), "{status} {answer}");
    let (status, answer) = send(follower, &ask(&ANN)).await;
    assert!(
        status == 403 && answer.contains("<Code>SignatureDoesNotMatch</Code>"),
        "signed for ECS: {status} {answer}"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_keys_that_is_none_is_refused_at_the_start() {
    let (mut cluster, folder) = with_keys(1).await;
    cluster.members[0].stop().await;
    let mut config = cluster.members[0].config.clone();
    let file = folder.path().join("wrong");
    std::fs::write(&file, "[ann]\naws_access_key_id = AKIDANN\n").unwrap();
    config.aws.as_mut().unwrap().require_signature = Some(file);
    let refused = Listeners::bind(&config).await.unwrap_err().to_string();
    assert!(refused.ends_with("wrong:1: [ann] has an aws_access_key_id and no aws_secret_access_key"), "{refused}");
}
