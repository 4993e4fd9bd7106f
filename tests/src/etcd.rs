//! A three-member etcd to measure beside: Debian's `etcd-server`, default settings, and the two calls of its API that a
//! benchmark needs, written by hand (`etcdserverpb`: the field numbers are etcd's).

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

use crate::process::Process;
use crate::{load, ports, stage, wait};

/// Members of the cluster.
const MEMBERS: usize = 3;
/// Time to a leader, from the start of the processes.
const READY_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// Its only field that a plain put fills is the header, which nobody here reads.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

/// Three etcd processes and their folder.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Process>,
    _folder: TempDir,
    endpoints: Vec<String>,
    /// Which of `endpoints` led when the cluster was ready.
    pub leader: usize,
    /// What it says of itself.
    pub version: String,
}

/// Whether this machine has etcd.
#[must_use]
pub fn is_installed() -> bool {
    Command::new("etcd").arg("--version").output().is_ok_and(|output| output.status.success())
}

impl Etcd {
    /// Starts the members and waits for a leader.
    ///
    /// # Errors
    /// No etcd, or no leader in time.
    pub async fn start() -> Result<Self> {
        let folder = TempDir::with_prefix_in("etcd-", stage::scratch())?;
        let urls = |count: usize| -> Result<Vec<String>> {
            (0..count).map(|_| Ok(format!("http://127.0.0.1:{}", ports::free()?))).collect()
        };
        let (clients, peers) = (urls(MEMBERS)?, urls(MEMBERS)?);
        let initial: Vec<String> = peers.iter().enumerate().map(|(at, url)| format!("m{at}={url}")).collect();
        let mut members = Vec::new();
        for at in 0..MEMBERS {
            let mut command = Command::new("etcd");
            command
                .env_clear()
                .arg(format!("--name=m{at}"))
                .arg("--data-dir")
                .arg(folder.path().join(format!("m{at}")));
            command.args(["--logger=zap", "--log-level=error", "--initial-cluster-state=new"]);
            command.arg(format!("--initial-cluster={}", initial.join(",")));
            for (flag, url) in [("listen-client", &clients[at]), ("advertise-client", &clients[at])] {
                command.arg(format!("--{flag}-urls={url}"));
            }
            for (flag, url) in [("listen-peer", &peers[at]), ("initial-advertise-peer", &peers[at])] {
                command.arg(format!("--{flag}-urls={url}"));
            }
            members.push(Process::start(&format!("etcd m{at}"), command, &folder.path().join(format!("m{at}.log")))?);
        }
        let (leads, _) = wait::until("etcd has a leader", READY_MAX, async || find_leader(&clients).await).await?;
        let (leader, version) = leads;
        Ok(Self { members, _folder: folder, endpoints: clients, leader, version })
    }

    /// Ends it: it isn't what is tested, so kill -9 will do.
    ///
    /// # Errors
    /// A member has ended before.
    pub fn finish(self) -> Result<()> {
        self.members.into_iter().try_for_each(Process::kill)
    }

    /// Connections for a load: all to the leader, or spread over the members.
    ///
    /// # Errors
    /// A member can't be reached.
    pub async fn target(&self, connections: usize, to_leader: bool, value_bytes: usize) -> Result<Puts> {
        let mut channels = Vec::new();
        for at in 0..connections {
            let member = if to_leader { self.leader } else { at % self.endpoints.len() };
            channels.push(Endpoint::from_shared(self.endpoints[member].clone())?.tcp_nodelay(true).connect().await?);
        }
        Ok(Puts { channels, value: vec![b'v'; value_bytes], next: AtomicUsize::new(0) })
    }
}

async fn find_leader(endpoints: &[String]) -> Result<(usize, String)> {
    for (at, endpoint) in endpoints.iter().enumerate() {
        let channel = Endpoint::from_shared(endpoint.clone())?.connect().await?;
        let status: StatusResponse = call(channel, "/etcdserverpb.Maintenance/Status", StatusRequest {}).await?;
        ensure!(status.leader != 0, "no leader yet");
        if status.header.is_some_and(|header| header.member_id == status.leader) {
            return Ok((at, status.version));
        }
    }
    anyhow::bail!("nobody says that it leads")
}

async fn call<Q, A>(channel: Channel, path: &'static str, request: Q) -> Result<A>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.context("connection")?;
    let codec = tonic_prost::ProstCodec::<Q, A>::default();
    Ok(grpc.unary(tonic::Request::new(request), PathAndQuery::from_static(path), codec).await?.into_inner())
}

/// Puts over a set of connections.
#[derive(Debug)]
pub struct Puts {
    channels: Vec<Channel>,
    value: Vec<u8>,
    next: AtomicUsize,
}

/// Keys that the load goes round: as many as Drydock's load goes round.
pub const KEYS: usize = 10_000;

impl load::Target for Puts {
    async fn write(&self, client: usize, _sequence: u64) -> Result<()> {
        let channel = self.channels[client % self.channels.len()].clone();
        let key = format!("key-{:05}", self.next.fetch_add(1, Ordering::Relaxed) % KEYS).into_bytes();
        let request = PutRequest { key, value: self.value.clone() };
        call::<_, PutResponse>(channel, "/etcdserverpb.KV/Put", request).await.map(|_| ())
    }
}
