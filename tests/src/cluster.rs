//! A cluster of real processes: controllers and agents of the `drydock` binary, each with a folder, a configuration file
//! and ports that it keeps across restarts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, Api, leader_of};
use crate::process::{Process, Run};
use crate::stage::{self, Stage};
use crate::{ports, wait};

/// Time in which a cluster must be ready. Issue 2 asks for 3 s; a loaded machine and a debug build get more.
pub const READY_MAX: Duration = Duration::from_secs(60);
/// Time in which a process must have ended after SIGTERM.
pub const STOP_MAX: Duration = Duration::from_secs(30);
/// What an agent writes when it has a session with the leader.
const JOINED: &str = "session open";
/// The name of the ECS cluster that agents join.
pub const CLUSTER: &str = "default";

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Controllers of the new control plane.
    pub controllers: usize,
    /// Agents.
    pub instances: usize,
    /// `raft-engine` or `sled`.
    pub log_store: &'static str,
    /// Milliseconds after which a RUNNING task without health check counts as healthy (ECS: 40 s).
    pub healthy_after_ms: u64,
    /// Milliseconds after which the tasks of an agent that is away are given up; as in the product where it is unset.
    pub instance_lost_after_ms: Option<u64>,
    /// `simulated` or `docker`.
    pub runtime: &'static str,
    /// CPU units and MiB of memory that each agent offers.
    pub capacity: (u32, u32),
    /// A file of keys that AWS's clients must sign with.
    pub keys: Option<&'static str>,
    /// AWS's token buckets on the AWS wire.
    pub aws_throttling: bool,
    /// Files that each process may have open; as here where it is unset.
    pub files: Option<u64>,
    /// GPUs that each agent offers; with some it is of an instance type that has them.
    pub gpus: u32,
    /// Container instances that each agent's process pretends in place of one.
    pub fleet: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controllers: 3,
            instances: 3,
            log_store: "raft-engine",
            healthy_after_ms: 200,
            instance_lost_after_ms: None,
            runtime: "simulated",
            capacity: (4_096, 8_192),
            keys: None,
            aws_throttling: false,
            files: None,
            gpus: 0,
            fleet: None,
        }
    }
}

/// A controller or an agent: what it needs to be started again, and its process while it runs.
#[derive(Debug)]
pub struct Member {
    /// `controller-1`, `agent-2` …
    pub name: String,
    /// Its folder.
    pub data_dir: PathBuf,
    /// `host:port` of a controller's API; empty for an agent.
    pub api_address: String,
    /// `host:port` of a controller's port for AWS's clients; empty for an agent.
    pub aws_address: String,
    peer_address: String,
    kind: &'static str,
    files: Option<u64>,
    config: PathBuf,
    log: PathBuf,
    /// Length of the log when the present process was started.
    log_from: usize,
    process: Option<Process>,
}

impl Member {
    /// Starts its process.
    ///
    /// # Errors
    /// It runs already, or can't be started.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name);
        let mut command = match self.files {
            // Both limits: it can't raise its own.
            Some(files) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("ulimit -n {files} && exec \"$0\" \"$@\"")).arg(crate::binary());
                shell
            }
            None => Command::new(crate::binary()),
        };
        command.env_clear().arg(self.kind).arg("--config").arg(&self.config).arg("--exit-with-parent");
        self.log_from = std::fs::read(&self.log).map_or(0, |bytes| bytes.len());
        self.process = Some(Process::start(&self.name, command, &self.log)?);
        Ok(())
    }

    /// kill -9.
    ///
    /// # Errors
    /// It doesn't run.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().with_context(|| format!("{} doesn't run", self.name))?.kill()
    }

    /// SIGTERM; waits for its end, which must be a success.
    ///
    /// # Errors
    /// It doesn't run, doesn't end or fails.
    pub async fn stop(&mut self) -> Result<()> {
        let process = self.process.take().with_context(|| format!("{} doesn't run", self.name))?;
        let status = process.terminate(STOP_MAX).await.with_context(|| self.name.clone())?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// It doesn't run.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} doesn't run", self.name))
    }

    /// Takes the process, say to wait for an end that is expected.
    ///
    /// # Errors
    /// It doesn't run.
    pub fn take_process(&mut self) -> Result<Process> {
        self.process.take().with_context(|| format!("{} doesn't run", self.name))
    }

    /// What it has written since it was last started; also once it has ended.
    #[must_use]
    pub fn said(&self) -> String {
        let all = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.log_from..).unwrap_or_default()).into_owned()
    }

    /// Whether it runs, as far as the harness knows.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }
}

/// Everything that was started, its folder, and the right to the machine.
#[derive(Debug)]
pub struct Cluster {
    /// In the order in which they were started.
    pub controllers: Vec<Member>,
    /// In the order in which they were started.
    pub agents: Vec<Member>,
    options: Options,
    // Below the processes: they are gone before the folder and the stage are.
    folder: TempDir,
    _stage: Stage,
}

impl Cluster {
    /// Starts all processes and waits until every controller agrees on a leader and every instance is ACTIVE.
    ///
    /// # Errors
    /// Not ready within [`READY_MAX`].
    pub async fn start(options: Options) -> Result<Self> {
        let mut cluster = Self::prepare(options).await?;
        cluster.begin().await?;
        Ok(cluster)
    }

    /// The first start of what [`Self::prepare`] laid: the controllers, the ECS cluster that agents join, the agents.
    /// Gives the time until all was ready.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub async fn begin(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.controllers.iter_mut().try_for_each(Member::start)?;
        self.leader().await?;
        client::anywhere(&self.apis()?, READY_MAX, async |mut api| {
            let request = ecs::CreateClusterRequest { cluster_name: Some(CLUSTER.to_owned()), ..Default::default() };
            Ok(api.ecs.create_cluster(request).await?.into_inner())
        })
        .await?;
        self.agents.iter_mut().try_for_each(Member::start)?;
        self.ready().await?;
        Ok(start.elapsed())
    }

    /// Lays folders and configuration; starts nothing.
    ///
    /// # Errors
    /// A file can't be written.
    pub async fn prepare(options: Options) -> Result<Self> {
        let stage = Stage::take().await?;
        let folder = TempDir::with_prefix_in("cluster-", stage::scratch())?;
        let mut cluster =
            Self { controllers: Vec::new(), agents: Vec::new(), options: options.clone(), folder, _stage: stage };
        for number in 1..=options.controllers {
            let member = cluster.lay_member("controller", number)?;
            cluster.controllers.push(member);
        }
        let initial: Vec<Value> = cluster
            .controllers
            .iter()
            .map(|c| json!({ "name": c.name, "peer_address": c.peer_address, "api_address": c.api_address }))
            .collect();
        for controller in &cluster.controllers {
            cluster.write_controller(controller, json!({ "initial": initial }))?;
        }
        for _ in 0..options.instances {
            cluster.add_agent()?;
        }
        Ok(cluster)
    }

    fn lay_member(&self, kind: &'static str, number: usize) -> Result<Member> {
        let name = format!("{kind}-{number}");
        let place = |ending: &str| self.folder.path().join(format!("{name}{ending}"));
        let address = || -> Result<String> { Ok(format!("127.0.0.1:{}", ports::free()?)) };
        let is_controller = kind == "controller";
        Ok(Member {
            data_dir: place(""),
            // JSON is YAML, too.
            config: place(".yaml"),
            log: place(".log"),
            log_from: 0,
            api_address: if is_controller { address()? } else { String::new() },
            aws_address: if is_controller { address()? } else { String::new() },
            peer_address: if is_controller { address()? } else { String::new() },
            kind,
            files: self.options.files,
            name,
            process: None,
        })
    }

    fn write_controller(&self, member: &Member, extra: Value) -> Result<()> {
        let mut config = json!({
            "name": member.name,
            "data_dir": member.data_dir,
            "api": { "listen": member.api_address },
            "aws": {
                "listen": member.aws_address,
                "reset": true,
                "require_signature": self.write_keys()?,
                "throttling": self.options.aws_throttling,
            },
            "peer": { "listen": member.peer_address },
            "log_store": self.options.log_store,
            "settings": {
                "healthy_after_ms": self.options.healthy_after_ms,
                "instance_lost_after_ms": self.options.instance_lost_after_ms,
            },
        });
        merge(&mut config, extra);
        Ok(std::fs::write(&member.config, serde_json::to_string_pretty(&config)?)?)
    }

    fn write_keys(&self) -> Result<Option<PathBuf>> {
        let Some(keys) = self.options.keys else { return Ok(None) };
        let file = self.folder.path().join("keys");
        std::fs::write(&file, keys)?;
        Ok(Some(file))
    }

    /// Lays one more controller that joins by the first; started by whoever asks.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn add_controller(&mut self) -> Result<&mut Member> {
        let member = self.lay_member("controller", self.controllers.len() + 1)?;
        self.write_controller(&member, json!({ "join": self.controllers[0].api_address }))?;
        self.controllers.push(member);
        self.controllers.last_mut().context("just pushed")
    }

    /// Lays one more agent; started by whoever asks.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn add_agent(&mut self) -> Result<&mut Member> {
        let member = self.lay_member("agent", self.agents.len() + 1)?;
        let controllers: Vec<&str> = self.controllers.iter().map(|c| c.api_address.as_str()).collect();
        let (cpu, memory_mib) = self.options.capacity;
        let config = json!({
            "name": member.name,
            "data_dir": member.data_dir,
            "cluster": CLUSTER,
            "controllers": controllers,
            "runtime": self.options.runtime,
            "availability_zone": format!("us-east-1{}", ["a", "b", "c"][self.agents.len() % 3]),
            "cpu": cpu,
            "memory_mib": memory_mib,
            "instance_type": if self.options.gpus > 0 { "g5.xlarge" } else { "drydock.local" },
            "gpu_ids": (0..self.options.gpus).map(|at| format!("gpu-{at}")).collect::<Vec<_>>(),
            "fleet": self.options.fleet.map(|instances| {
                json!({ "instances": instances, "zones": ["us-east-1a", "us-east-1b", "us-east-1c"] })
            }),
        });
        std::fs::write(&member.config, serde_json::to_string_pretty(&config)?)?;
        self.agents.push(member);
        self.agents.last_mut().context("just pushed")
    }

    /// Starts everything that doesn't run.
    ///
    /// # Errors
    /// A process can't be started.
    pub fn start_all(&mut self) -> Result<()> {
        let mut stopped = self.controllers.iter_mut().chain(&mut self.agents).filter(|member| !member.is_started());
        stopped.try_for_each(Member::start)
    }

    /// Waits until every running controller agrees on a leader and every running agent's instance is ACTIVE.
    ///
    /// # Errors
    /// Not so within [`READY_MAX`].
    pub async fn ready(&mut self) -> Result<()> {
        self.leader().await?;
        let agents = self.agents.iter().filter(|agent| agent.is_started()).count();
        let apis = self.apis()?;
        wait::holds("all instances are ACTIVE", READY_MAX, async || {
            let active = active_instances(&apis[0]).await?;
            ensure!(active >= agents, "{active} of {agents} are");
            // A killed agent may still count as connected: its own word tells that this process has joined.
            let waiting = self.agents.iter().find(|agent| agent.is_started() && !agent.said().contains(JOINED));
            ensure!(waiting.is_none(), "{} has no session yet", waiting.map_or("", |agent| agent.name.as_str()));
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// The place in `controllers` of the leader on which all that run agree.
    ///
    /// # Errors
    /// They don't agree within [`READY_MAX`]; or a process has ended by itself.
    pub async fn leader(&mut self) -> Result<usize> {
        for member in self.controllers.iter_mut().filter(|member| member.is_started()) {
            let name = member.name.clone();
            ensure!(member.process()?.is_running(), "{name} has ended by itself:\n{}", member.process()?.output());
        }
        let apis = self.apis()?;
        let agreed =
            wait::until("all controllers agree on a leader", READY_MAX, async || agreed_leader(&apis).await).await?;
        let address = agreed.0;
        self.controllers.iter().position(|c| c.api_address == address).context("a leader of this cluster")
    }

    /// Clients of the controllers that run.
    ///
    /// # Errors
    /// None runs.
    pub fn apis(&self) -> Result<Vec<Api>> {
        let running = self.controllers.iter().filter(|member| member.is_started());
        let apis: Vec<Api> = running.map(|member| Api::new(&member.api_address)).collect::<Result<_>>()?;
        ensure!(!apis.is_empty(), "no controller runs");
        Ok(apis)
    }

    /// API addresses of all controllers, whether they run or not.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.controllers.iter().map(|member| member.api_address.clone()).collect()
    }

    /// Runs the `drydock` command against the cluster, to its end.
    ///
    /// # Errors
    /// It can't be started.
    pub fn command(&self, args: &[&str]) -> Result<Run> {
        let mut command = Command::new(crate::binary());
        command.env_clear().env("DRYDOCK_ENDPOINT", self.addresses().join(",")).args(args);
        Run::of(&mut command)
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops everything that runs, agents first, each by SIGTERM; every one must end with success.
    ///
    /// # Errors
    /// One doesn't.
    pub async fn finish(mut self) -> Result<()> {
        for member in self.agents.iter_mut().chain(&mut self.controllers).filter(|member| member.is_started()) {
            member.stop().await?;
        }
        Ok(())
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

async fn agreed_leader(apis: &[Api]) -> Result<String> {
    let mut agreed: Option<(u64, String)> = None;
    for api in apis {
        let status = api.status().await?;
        let leader = leader_of(&status).with_context(|| format!("{} knows of no leader", api.address))?;
        let found = (status.term, leader.api_address.clone());
        ensure!(agreed.as_ref().is_none_or(|other| *other == found), "{agreed:?} and {found:?}");
        agreed = Some(found);
    }
    Ok(agreed.context("no controller")?.1)
}

/// Instances that are ACTIVE and whose agent has a session.
async fn active_instances(api: &Api) -> Result<usize> {
    let cluster = Some(CLUSTER.to_owned());
    let list = ecs::ListContainerInstancesRequest { cluster: cluster.clone(), ..Default::default() };
    let arns = api.ecs.clone().list_container_instances(list).await?.into_inner().container_instance_arns;
    if arns.is_empty() {
        return Ok(0);
    }
    let describe = ecs::DescribeContainerInstancesRequest { cluster, container_instances: arns, ..Default::default() };
    let found = api.ecs.clone().describe_container_instances(describe).await?.into_inner().container_instances;
    Ok(found.iter().filter(|instance| instance.status() == "ACTIVE" && instance.agent_connected()).count())
}
