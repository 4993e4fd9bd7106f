//! moto's server to measure beside: the stand-in for AWS that test suites use (Python package `moto[server]`, 5 or later),
//! with container instances enough for the tasks of a benchmark.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::CLUSTER;
use crate::http::{Connection, aws_request};
use crate::process::{Process, Run};
use crate::{ports, stage, wait};

/// Time until it answers.
const READY_MAX: Duration = Duration::from_secs(60);
/// Container instances: each takes some 1,200 tasks of 6 MiB.
const INSTANCES: usize = 40;
/// An image that it knows.
const IMAGE: &str = "ami-12c6146b";

/// A running server and its folder.
#[derive(Debug)]
pub struct Moto {
    process: Process,
    /// `host:port`.
    pub address: String,
    /// What it says of itself.
    pub version: String,
    _folder: TempDir,
}

/// Whether this machine has it, and which.
#[must_use]
pub fn installed() -> Option<String> {
    let mut python = Command::new("python3");
    let asked = Run::of(python.args(["-c", "import moto, moto.server; print(moto.__version__)"])).ok()?;
    (asked.code == 0).then(|| asked.stdout.trim().to_owned())
}

impl Moto {
    /// Starts it, with a cluster `default` of simulated container instances.
    ///
    /// # Errors
    /// It doesn't answer in time, or refuses something.
    pub async fn start(version: String) -> Result<Self> {
        let folder = TempDir::with_prefix_in("moto-", stage::scratch())?;
        let port = ports::free()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new("python3");
        // Its own entry point, without the line that it writes for each request.
        let program = "import logging, sys; logging.getLogger('werkzeug').disabled = True; \
                       from moto.server import main; main(sys.argv[1:])";
        command.args(["-c", program, "--host", "127.0.0.1", "--port", &port.to_string()]);
        let process = Process::start("moto", command, &folder.path().join("moto.log"))?;
        wait::holds("moto answers", READY_MAX, async || Connection::dial(&address).await.map(drop)).await?;
        let moto = Self { process, address, version, _folder: folder };
        moto.call("CreateCluster", json!({ "clusterName": CLUSTER })).await?;
        for instance in moto.run_instances().await? {
            let identity = json!({ "instanceId": instance }).to_string();
            let request = json!({ "cluster": CLUSTER, "instanceIdentityDocument": identity });
            moto.call("RegisterContainerInstance", request).await?;
        }
        Ok(moto)
    }

    /// One operation of ECS.
    async fn call(&self, operation: &str, body: Value) -> Result<Value> {
        let mut connection = Connection::dial(&self.address).await?;
        let answer = connection.call(&aws_request(operation, &body.to_string())).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "{operation}: {} {text}", answer.status);
        Ok(serde_json::from_str(&text)?)
    }

    /// Ids of EC2 instances, which its container instances must have.
    async fn run_instances(&self) -> Result<Vec<String>> {
        let form =
            format!("Action=RunInstances&Version=2016-11-15&ImageId={IMAGE}&MinCount={INSTANCES}&MaxCount={INSTANCES}");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=any/20261126/us-east-1/ec2/aws4_request, SignedHeaders=host, \
             Signature=0\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = Connection::dial(&self.address).await?.call(request.as_bytes()).await?;
        let text = String::from_utf8(answer.body)?;
        let ids = text.split("<instanceId>").skip(1).map(|rest| rest.split('<').next().unwrap_or_default().to_owned());
        let ids: Vec<String> = ids.collect();
        ensure!(ids.len() == INSTANCES, "{} instances: {text}", ids.len());
        Ok(ids)
    }

    /// Ends it: it isn't what is tested, so kill -9 will do.
    ///
    /// # Errors
    /// It has ended before.
    pub fn finish(self) -> Result<()> {
        self.process.kill().context("moto")
    }
}
