//! What the commands do while controllers are frozen or none leads: another one is asked where that does no harm, and what
//! is told says how sure it is. Frozen: a socket that takes connections and never answers.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fake;

use std::net::TcpListener;

use fake::{Answer, Ran, Server};
use serde_json::json;
use tonic::Code;

/// Takes connections, which the operating system does by itself, and is silent.
struct Frozen(TcpListener);

impl Frozen {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn run_before(&self, server: &Server, arguments: &[&str]) -> Ran {
        let endpoints = format!("{},{}", self.0.local_addr().unwrap(), server.address);
        Ran::of(server.command(arguments).env("DRYDOCK_ENDPOINT", endpoints).output().unwrap())
    }

    /// Connections since this was last asked.
    fn connections(&self) -> usize {
        self.0.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

fn control_plane(leader: u64) -> Answer {
    Answer::Ok(json!({
        "controllerId": 1, "leaderId": leader, "term": 4, "appliedIndex": 9, "version": "x",
        "controllers": [{ "id": 1, "name": "one", "role": "FOLLOWER", "reachable": true }]
    }))
}

#[test]
fn a_frozen_controller_is_asked_once_and_then_the_others() {
    let server = Server::start();
    server.fake.answers("status", &[control_plane(1)]);
    server.fake.ok("list_clusters", json!({ "clusterArns": ["arn:aws:ecs:us-east-1:000000000000:cluster/default"] }));
    server.fake.ok("describe_clusters", json!({ "clusters": [{ "clusterName": "default", "status": "ACTIVE" }] }));
    let frozen = Frozen::new();
    let ran = frozen.run_before(&server, &["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("leader one") && ran.out.contains("cluster default  ACTIVE"), "{ran:?}");
    assert!(server.fake.take_asked().len() >= 5);
    assert_eq!(frozen.connections(), 1);

    // Setting the same twice is setting it.
    server.fake.ok("create_cluster", json!({ "cluster": { "clusterName": "a", "status": "ACTIVE" } }));
    let ran = frozen.run_before(&server, &["cluster", "create", "a"]);
    assert_eq!((ran.code, server.fake.take_asked().len()), (0, 1), "{ran:?}");
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let server = Server::start();
    let frozen = Frozen::new();
    let ran = frozen.run_before(&server, &["controller", "remove", "two"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("may or may not have been carried out"), "{ran:?}");
    assert_eq!(server.fake.take_asked(), [""; 0]);
}

#[test]
fn status_without_a_leader_shows_what_a_controller_knew_last() {
    let server = Server::start();
    server.fake.answers("status", &[control_plane(0)]);
    server.fake.ok("list_clusters", json!({ "clusterArns": ["arn:aws:ecs:us-east-1:000000000000:cluster/default"] }));
    server.fake.ok("describe_clusters", json!({ "clusters": [{ "clusterName": "default", "status": "ACTIVE" }] }));
    let ran = server.run(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("no leader, term 4") && ran.out.contains("cluster default  ACTIVE"), "{ran:?}");
    assert!(ran.out.contains("as one controller knew it last"), "{ran:?}");
    let asked = server.fake.take_asked();
    let reads: Vec<&String> = asked.iter().filter(|asked| !asked.starts_with("status")).collect();
    assert!(!reads.is_empty() && reads.iter().all(|asked| !asked.contains("(strong)")), "{asked:?}");
}

/// The word of a controller that answers is told beside another's silence; but whoever was silent may have done it.
#[test]
fn a_refusal_for_want_of_a_leader_does_not_hide_that_another_was_silent() {
    let server = Server::start();
    let refusal = Answer::Error(Code::Unavailable, "ServerException", "no controller has led for 2s");
    server.fake.answers("create_cluster", &[refusal]);
    let frozen = Frozen::new();
    let ran = frozen.run_before(&server, &["cluster", "create", "a"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("may or may not have been carried out"), "{ran:?}");
    assert!(ran.err.contains("gave no answer in 2.5s; a later attempt: no controller has led for 2s"), "{ran:?}");

    // Without that one nothing was done for sure.
    let refusal = Answer::Error(Code::Unavailable, "ServerException", "no controller has led for 2s");
    server.fake.answers("create_cluster", &[refusal]);
    let ran = server.run(&["cluster", "create", "a"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("could take the request: no controller has led for 2s"), "{ran:?}");
}

/// With the others gone the frozen one is all there is: it is asked again, and named.
#[test]
fn a_frozen_controller_beside_dead_ones_is_waited_for_and_named() {
    let server = Server::start();
    let (frozen, dead) = (Frozen::new(), Frozen::new());
    let dead_address = dead.0.local_addr().unwrap();
    drop(dead);
    let endpoints = format!("{},{dead_address}", frozen.0.local_addr().unwrap());
    let ran = Ran::of(server.command(&["cluster", "list"]).env("DRYDOCK_ENDPOINT", endpoints).output().unwrap());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("no controller could take the request") && ran.err.contains("gave no answer"), "{ran:?}");
    assert!(frozen.connections() > 1);
}
