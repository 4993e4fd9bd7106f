//! What the suites in this crate share: a harness that starts, kills and restarts real processes, and a reading of the
//! source tree for the house rules. Nothing here is part of the product.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "test output is for whoever runs the tests")]

pub mod aws_port;
pub mod client;
pub mod cluster;
pub mod console;
pub mod disk;
pub mod docker;
pub mod ecs_client;
pub mod etcd;
pub mod http;
pub mod load;
pub mod moto;
pub mod openmetrics;
pub mod ports;
pub mod process;
pub mod stage;
pub mod tasks;
pub mod wait;
pub mod wire;
pub mod workspace;
pub mod writers;
pub mod writes;

use std::path::{Path, PathBuf};

/// The `drydock` program that the harness starts. It lies beside the test that runs, built by the same cargo run and in
/// the same profile; `DRYDOCK_BIN` names another.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(given) = std::env::var_os("DRYDOCK_BIN") {
        return given.into();
    }
    // target/<profile>/deps/<test> → target/<profile>/drydock-under-test
    let test = std::env::current_exe().unwrap_or_default();
    let profile = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    profile.join("drydock-under-test")
}
