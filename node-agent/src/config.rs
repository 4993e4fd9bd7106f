//! What an agent is told at its start, from a file (TOML or YAML, read by the CLI) or from flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use drydock_engine::simulated::knobs::StageRow;
use serde::Deserialize;

use crate::error::AgentError;

/// Settings of one agent: one container instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Cluster to join, by name.
    pub cluster: String,
    /// Controllers, `host:port` each; any will do, the leader is found. At least one.
    pub controllers: Vec<String>,
    /// Where the identity, the journal and the simulated runtime's table are kept. One agent, one folder.
    pub data_dir: PathBuf,
    /// Which runtime runs the containers.
    pub runtime: RuntimeChoice,
    /// CPU units offered to tasks, 1,024 a vCPU. Default: all of the machine's.
    pub cpu: Option<u32>,
    /// MiB offered to tasks. Default: all of the machine's.
    pub memory_mib: Option<u32>,
    /// Ids of the GPUs offered to tasks. The simulated runtime pretends them, Docker takes as many as a container asks for.
    pub gpu_ids: Vec<String>,
    /// Network interfaces offered to tasks in the awsvpc mode, one each, as an EC2 instance type bounds them. Default: as
    /// many as it takes.
    pub network_interfaces: Option<u32>,
    /// `ecs.availability-zone`.
    pub availability_zone: String,
    /// `ecs.instance-type`.
    pub instance_type: String,
    /// A name for people; shown as the attribute `drydock.name`.
    pub name: Option<String>,
    /// Shown as ec2InstanceId.
    pub ec2_instance_id: Option<String>,
    /// Attributes of your own, for placement constraints.
    pub attributes: BTreeMap<String, String>,
    /// Tags of the container instance.
    pub tags: BTreeMap<String, String>,
    /// Which tasks the machine is there for.
    pub serves: ServesChoice,
    /// The capacity provider whose group the machine is of, by name; shown as the instance's capacityProviderName.
    pub capacity_provider: Option<String>,
    /// Ports that tasks can't have (ecs-semantics §2.4).
    pub reserved_ports: Vec<u16>,
    /// Seconds for which a stopped task's containers are kept, for their logs (3 hours, as
    /// `ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION`).
    pub task_cleanup_wait_seconds: u64,
    /// Stop and remove all containers of this instance when the agent is stopped. Otherwise they run on.
    pub stop_tasks_on_exit: bool,
    /// Where the credentials of tasks' roles come from.
    pub credentials: CredentialsConfig,
    /// Settings of the Docker runtime.
    pub docker: DockerConfig,
    /// Settings of the simulated runtime.
    pub simulated: SimulatedConfig,
    /// Pretends many container instances in place of one, each with these settings, by the simulated runtime alone.
    pub fleet: Option<FleetConfig>,
}

/// Container instances that one process pretends. Nothing of their containers outlives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetConfig {
    /// How many, 1 to [`FLEET_MAX`].
    pub instances: u32,
    /// Their zones, in turn. Default: `availability_zone`.
    #[serde(default)]
    pub zones: Vec<String>,
}

/// Instances that one process pretends at most: each has a connection, and a process rarely may have more than 65,536.
pub const FLEET_MAX: u32 = 20_000;

/// Which tasks a machine is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServesChoice {
    /// EC2 tasks: it is a container instance.
    Ec2,
    /// Fargate tasks: it is capacity behind the scenes, and never shown as a container instance.
    Fargate,
    /// Both: a container instance whose resources Fargate tasks use, too.
    #[default]
    Both,
}

/// Which runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// Docker where it is reachable at the start, else simulated.
    #[default]
    Auto,
    /// Docker; the agent waits for it.
    Docker,
    /// Pretended containers.
    Simulated,
}

/// Where containers whose task has a role (`taskRoleArn`) get their credentials from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialsConfig {
    /// A file like `~/.aws/credentials`, read with each request. Default: none, and credentials are made up, whose key ids
    /// begin with `ASIADRYDOCK`.
    pub file: Option<PathBuf>,
    /// The profile of the file for roles that [`profiles`](Self::profiles) doesn't name.
    pub profile: String,
    /// Profiles by the ARN of the role.
    pub profiles: BTreeMap<String, String>,
}

/// Settings of the Docker runtime.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DockerConfig {
    /// `unix:///…` or `tcp://host:port`. Default: `DOCKER_HOST`, else Docker's own socket.
    pub host: Option<String>,
    /// `ECS_IMAGE_PULL_BEHAVIOR`.
    pub image_pull_behavior: PullBehavior,
    /// Docker network in which awsvpc tasks get their addresses.
    pub awsvpc_network: String,
    /// Address of the host on which bridge mode publishes ports.
    pub bind_ip: String,
    /// Where containers with the log driver `awslogs` write.
    pub awslogs: Awslogs,
}

/// `ECS_IMAGE_PULL_BEHAVIOR`, in ECS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullBehavior {
    /// Pull; where that fails, use the local image.
    Default,
    /// Pull; where that fails, the task fails.
    Always,
    /// Pull what this agent hasn't pulled since its start; else use the local image.
    Once,
    /// Use the local image where there is one.
    #[default]
    PreferCached,
}

/// What becomes of the log driver `awslogs`, for which there's no CloudWatch here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Awslogs {
    /// Docker's json-file on this machine, where `drydock logs` reads them.
    #[default]
    Local,
    /// Docker's own awslogs driver, with the credentials of the Docker engine.
    Docker,
}

/// Settings of the simulated runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatedConfig {
    /// Knobs by image; labels of a task definition win over them.
    pub stages: Vec<StageRow>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: "default".into(),
            controllers: Vec::new(),
            data_dir: PathBuf::from("drydock-data/agent"),
            runtime: RuntimeChoice::default(),
            cpu: None,
            memory_mib: None,
            gpu_ids: Vec::new(),
            network_interfaces: None,
            availability_zone: "local-1a".into(),
            instance_type: "drydock.local".into(),
            name: None,
            ec2_instance_id: None,
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
            serves: ServesChoice::default(),
            capacity_provider: None,
            reserved_ports: vec![22, 2_375, 2_376, 51_678, 51_679, 51_680],
            task_cleanup_wait_seconds: 3 * 3_600,
            stop_tasks_on_exit: false,
            credentials: CredentialsConfig::default(),
            docker: DockerConfig::default(),
            simulated: SimulatedConfig::default(),
            fleet: None,
        }
    }
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self { file: None, profile: "default".into(), profiles: BTreeMap::new() }
    }
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            host: None,
            image_pull_behavior: PullBehavior::default(),
            awsvpc_network: "bridge".into(),
            bind_ip: "0.0.0.0".into(),
            awslogs: Awslogs::default(),
        }
    }
}

impl Config {
    /// What would fail later, said at once.
    ///
    /// # Errors
    /// The first setting that can't be, with what it takes.
    pub fn check(&self) -> Result<(), AgentError> {
        let wrong = |text: &str| Err(AgentError::Config(text.to_owned()));
        if self.controllers.is_empty() {
            return wrong("controllers: give at least one host:port");
        }
        if let Some(bad) = self.controllers.iter().find(|one| one.rsplit_once(':').is_none()) {
            return wrong(&format!("controllers: {bad:?} isn't host:port"));
        }
        if self.cpu == Some(0) || self.memory_mib == Some(0) {
            return wrong("cpu and memory_mib: more than 0, or leave them out");
        }
        if self.serves == ServesChoice::Fargate && self.capacity_provider.is_some() {
            return wrong("capacity_provider: only a container instance can be of one (serves: ec2 or both)");
        }
        if let Some(fleet) = &self.fleet {
            if !(1..=FLEET_MAX).contains(&fleet.instances) {
                return wrong(&format!("fleet.instances: 1 to {FLEET_MAX}"));
            }
            if self.runtime == RuntimeChoice::Docker {
                return wrong("fleet: its containers are simulated, so runtime can't be docker");
            }
        }
        if let Err(error) = drydock_engine::simulated::knobs::Knobs::check(&self.simulated.stages) {
            return wrong(&format!("simulated.stages: {error}"));
        }
        Ok(())
    }
}
