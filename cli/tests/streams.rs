//! Streams that break and are taken up again, by the real binary against a fake controller.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fake;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use drydock_proto::control::watch_events_response::Item;
use drydock_proto::control::{Event, LogLine, Resync, ServiceAction, WatchEventsResponse, event};
use fake::Server;
use prost_types::Timestamp;

fn event(index: u64, ordinal: u32) -> WatchEventsResponse {
    let action = ServiceAction { event_name: format!("event {index}.{ordinal}"), ..Default::default() };
    let event = Event { detail: Some(event::Detail::ServiceAction(action)), ..Default::default() };
    WatchEventsResponse { item: Some(Item::Event(event)), index, ordinal }
}

fn unplaced(item: Item) -> WatchEventsResponse {
    WatchEventsResponse { item: Some(item), ..Default::default() }
}

fn log(seconds: i64, message: &str) -> LogLine {
    let time = Some(Timestamp { seconds, nanos: 0 });
    LogLine { container: "app".into(), time, stream: "stdout".into(), message: message.into() }
}

/// The first lines that a command prints; then it is ended.
fn first_lines(server: &Server, arguments: &[&str], count: usize) -> Vec<String> {
    let mut child = server.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(count).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    lines
}

/// A fake whose log is so long.
fn applied(index: u64) -> Server {
    let server = Server::start();
    server.fake.ok("status", serde_json::json!({ "appliedIndex": index }));
    server
}

/// The break comes between two events of one log entry: none is lost, none is shown twice.
#[test]
fn events_go_on_where_they_broke_off() {
    let server = Server::start();
    let progress = unplaced(Item::ProgressIndex(9));
    server.fake.0.lock().unwrap().events =
        [vec![event(4, 0), event(5, 0)], vec![event(5, 0), event(5, 1), event(6, 0), progress], vec![event(10, 0)]]
            .into();
    let lines = first_lines(&server, &["events", "--follow", "--after", "3"], 5);
    let shown: Vec<&str> = lines.iter().map(|line| line.rsplit("event ").next().unwrap()).collect();
    assert_eq!(shown, ["4.0", "5.0", "5.1", "6.0", "10.0"]);
    assert_eq!(
        server.fake.take_asked()[2..5],
        [
            r#"watch_events (strong) {"afterIndex":3,"cluster":"default"}"#,
            r#"watch_events (strong) {"afterIndex":5,"afterOrdinal":0,"cluster":"default"}"#,
            r#"watch_events (strong) {"afterIndex":9,"cluster":"default"}"#,
        ]
    );
}

#[test]
fn a_reader_that_fell_behind_is_told_and_goes_on() {
    let server = Server::start();
    let resync = unplaced(Item::Resync(Resync { index: 20 }));
    server.fake.0.lock().unwrap().events = [vec![resync], vec![event(21, 0)]].into();
    let lines = first_lines(
        &server,
        &["events", "--follow", "--after", "3", "--all-clusters", "--with-index", "-o", "json"],
        1,
    );
    assert!(lines[0].contains(r#""index":21"#), "{lines:?}");
    assert_eq!(server.fake.take_asked()[2], r#"watch_events (strong) {"afterIndex":20}"#);
}

/// What a program reads is what EventBridge would deliver, without our places in the log; the filters go to the server.
// rule: 2.6/envelope
#[test]
fn an_event_as_json_is_eventbridges_alone() {
    let server = Server::start();
    server.fake.0.lock().unwrap().events = [vec![event(4, 0)]].into();
    let flags = ["--detail-type", "task", "--detail-type", "service-action", "--service", "web", "-o", "json"];
    let lines = first_lines(&server, &[&["events", "--follow", "--after", "3"], &flags[..]].concat(), 1);
    let shown: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    let members: Vec<&String> = shown.as_object().unwrap().keys().collect();
    let envelope = ["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"];
    assert!(members.iter().all(|member| envelope.contains(&member.as_str())), "{members:?}");
    let asked = server.fake.take_asked().pop().unwrap();
    let wishes = r#""cluster":"default","detailTypes":["ECS Task State Change","ECS Service Action"],"service":"web""#;
    assert!(asked.contains(wishes), "{asked}");
}

#[test]
fn following_begins_with_the_newest_events() {
    let server = applied(100);
    server.fake.0.lock().unwrap().events = [vec![event(71, 0)]].into();
    assert_eq!(first_lines(&server, &["events", "--follow"], 1).len(), 1);
    assert_eq!(server.fake.take_asked()[2], r#"watch_events (strong) {"afterIndex":70,"cluster":"default"}"#);
}

/// Nothing would ever come.
#[test]
fn events_of_a_cluster_that_is_not_there_are_refused() {
    let server = Server::start();
    let failures = serde_json::json!({ "failures": [{ "arn": "nope", "reason": "MISSING" }] });
    server.fake.ok("describe_clusters", failures);
    let ran = server.run(&["events", "--follow", "--cluster", "nope"]);
    assert!(ran.code == 1 && ran.err.contains("ClusterNotFoundException: Cluster not found."), "{ran:?}");
}

#[test]
fn without_follow_the_events_so_far_are_shown() {
    let server = Server::start();
    server.fake.ok(
        "status",
        serde_json::json!({"controllerId": 1, "leaderId": 1, "term": 1, "appliedIndex": 6,
        "controllers": [], "region": "", "accountId": "", "version": "", "fingerprint": ""}),
    );
    server.fake.0.lock().unwrap().events = [vec![event(5, 0), event(6, 0), event(6, 1), event(7, 0)]].into();
    let ran = server.run(&["events"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let shown: Vec<&str> = ran.out.lines().map(|line| line.rsplit("event ").next().unwrap()).collect();
    assert_eq!(shown, ["5.0", "6.0", "6.1"]);
}

#[test]
fn logs_go_on_where_they_broke_off() {
    let server = Server::start();
    let task = "0123456789abcdef0123456789abcdef";
    server.fake.0.lock().unwrap().logs = [
        (vec![log(1, "one"), log(2, "two")], true),
        (vec![log(2, "two"), log(2, "two and a half"), log(3, "three")], false),
    ]
    .into();
    let ran = server.run(&["logs", task, "--follow", "--tail", "10"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "app | one\napp | two\napp | two and a half\napp | three\n"),
        "{ran:?}"
    );
    let asked = server.fake.take_asked();
    assert!(asked[0].contains(r#""tail":10"#), "{asked:?}");
    assert!(asked[1].contains(r#""since":2.0"#) && !asked[1].contains("tail"), "{asked:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let server = Server::start();
    let lines: Vec<LogLine> = (0..20_000).map(|n| log(n, "a line of some length, so that pipes fill up")).collect();
    server.fake.0.lock().unwrap().logs = [(lines, false)].into();
    let mut child =
        server.command(&["logs", "0123456789abcdef0123456789abcdef"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(child.wait().unwrap().success());
}
