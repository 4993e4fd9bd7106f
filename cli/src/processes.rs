//! `drydock controller` and `drydock agent`: one server process each, told by a file or flags, stopped by SIGTERM,
//! Ctrl-C or the end of its parent. Also the runtimes of all other commands.

use std::ffi::OsString;
use std::future::Future;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use drydock_controller::config::{AwsPort, Config as ControllerConfig, InitialController, LogStoreKind, check_keys};
use drydock_node_agent::AgentError;
use drydock_node_agent::config::{Config as AgentConfig, RuntimeChoice, ServesChoice};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::arguments::Options;
use crate::commands::flags;
use crate::failure::Failure;
use crate::load::{Shape, load};
use crate::up::Runtime;

/// Threads of an agent: it mostly waits.
const AGENT_THREADS: usize = 2;
/// After it was stopped, a process waits this long for what still runs on its runtime.
const RUNTIME_END_MAX: Duration = Duration::from_secs(1);
/// A configuration file has nothing around it and nothing to drop.
const CONFIG: Shape = Shape { wrapper: "", read_only: &[] };

/// What a controller is told. Flags win over the file.
#[derive(Debug, Default, clap::Args)]
pub struct ControllerFlags {
    /// Settings as JSON or YAML: name, data_dir, api, aws, peer, initial, join, region, account_id, log_store, settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name, unique among the controllers.
    #[arg(long, required_unless_present = "config")]
    name: Option<String>,
    /// Folder of its own: log, snapshots, identity.
    #[arg(long, value_name = "FOLDER", required_unless_present = "config")]
    data_dir: Option<PathBuf>,
    /// Where the API listens [127.0.0.1:7700]. There is no authentication: keep it off public networks.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// host:port of the API for others [the address it listens on].
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Where the AWS CLI, the AWS SDKs and Terraform are listened to, such as 127.0.0.1:4566 [nowhere].
    #[arg(long, value_name = "ADDRESS:PORT")]
    aws_listen: Option<SocketAddr>,
    /// Lets anybody who reaches that port remove everything by POST /_drydock/reset: for test suites.
    #[arg(long)]
    aws_reset: bool,
    #[command(flatten)]
    aws: AwsFlags,
    /// Where peers are listened to [127.0.0.1:7701].
    #[arg(long, value_name = "ADDRESS:PORT")]
    peer_listen: Option<SocketAddr>,
    /// host:port for peers [the address it listens on].
    #[arg(long, value_name = "HOST:PORT")]
    peer_advertise: Option<String>,
    /// A controller of a new cluster; the same list, with this one, on each of them.
    #[arg(long, value_name = "NAME=PEER_HOST:PORT,API_HOST:PORT", value_parser = initial, conflicts_with = "join")]
    initial: Vec<InitialController>,
    /// API host:port of any controller of a cluster to join.
    #[arg(long, value_name = "HOST:PORT")]
    join: Option<String>,
    /// Region of all ARNs, the same on each controller [us-east-1].
    #[arg(long)]
    region: Option<String>,
    /// Account of all ARNs, twelve digits, the same on each controller [000000000000].
    #[arg(long, value_name = "DIGITS")]
    account_id: Option<String>,
    /// Where the raft log rests [raft-engine].
    #[arg(long, value_enum)]
    log_store: Option<LogStore>,
    /// Shortens the waits that ECS makes long to a twentieth: 40 s to count as healthy, back-offs; for a new cluster.
    #[arg(long)]
    fast: bool,
    /// Time in RUNNING after which a task without health check counts as healthy [40s]; for a new cluster.
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    healthy_after: Option<Duration>,
    /// Time without a session after which the tasks of an instance are given up [2m]; for a new cluster.
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    instance_lost_after: Option<Duration>,
    /// Ends when stdin ends: for a supervisor that holds it.
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

/// What the port for AWS's clients is told beside its address.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct AwsFlags {
    /// AWS's clients must sign with a key of this file, which has the form of AWS's shared credentials file [any credentials
    /// are taken]. The other ports have no authentication.
    #[arg(long, value_name = "FILE")]
    require_signature: Option<PathBuf>,
    /// Throttles AWS's clients by the token buckets that AWS publishes, each controller for itself, so that they can be
    /// rehearsed with ThrottlingException.
    #[arg(long)]
    aws_throttling: bool,
}

impl AwsFlags {
    /// The settings of a port; flags win.
    #[must_use]
    pub fn over(&self, port: AwsPort) -> AwsPort {
        AwsPort {
            require_signature: self.require_signature.clone().or(port.require_signature),
            throttling: self.aws_throttling || port.throttling,
            ..port
        }
    }

    /// Whether anything is asked for.
    #[must_use]
    pub fn are_given(&self) -> bool {
        self.require_signature.is_some() || self.aws_throttling
    }

    /// The same for processes that are started elsewhere.
    ///
    /// # Errors
    /// The file of keys can't be used: before anything is started for it.
    pub fn checked(self) -> Result<Self, Failure> {
        let Some(file) = &self.require_signature else { return Ok(self) };
        check_keys(file).map_err(|error| Failure::Usage(error.to_string()))?;
        let file = std::path::absolute(file).map_err(Failure::system(format!("can't find {}", file.display())))?;
        Ok(Self { require_signature: Some(file), ..self })
    }
}

/// Stores of the raft log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogStore {
    /// TiKV's raft-engine.
    RaftEngine,
    /// sled; slower.
    Sled,
}

/// Roles of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Serves {
    /// EC2 tasks: a container instance.
    Ec2,
    /// Fargate tasks: capacity behind the scenes.
    Fargate,
    /// Both.
    Both,
}

/// What an agent is told. Flags win over the file; `--endpoint` and `--cluster` count where the file doesn't say.
#[derive(Debug, Default, clap::Args)]
pub struct AgentFlags {
    /// Settings as JSON or YAML: cluster, controllers, data_dir, runtime, cpu, memory_mib, availability_zone, …
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of its own: identity and journal.
    #[arg(long, value_name = "FOLDER", required_unless_present = "config")]
    data_dir: Option<PathBuf>,
    /// A name for people: the attribute drydock.name.
    #[arg(long)]
    name: Option<String>,
    /// What runs the containers [auto].
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
    /// CPU units offered to tasks, 1024 a vCPU [all of the machine's].
    #[arg(long, value_name = "UNITS")]
    cpu: Option<u32>,
    /// Memory offered to tasks, in MiB [all of the machine's].
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// The attribute ecs.availability-zone.
    #[arg(long, value_name = "ZONE")]
    availability_zone: Option<String>,
    /// An attribute for placement; repeat for more.
    #[arg(long, value_name = "NAME=VALUE", value_parser = flags::pair)]
    attribute: Vec<(String, String)>,
    /// Which tasks the machine is there for [both]. One that serves Fargate alone is never shown as a container instance.
    #[arg(long, value_enum)]
    serves: Option<Serves>,
    /// The capacity provider whose group the machine is of.
    #[arg(long, value_name = "NAME")]
    capacity_provider: Option<String>,
    /// Stops all tasks of this instance when the agent is stopped; otherwise they run on.
    #[arg(long)]
    stop_tasks_on_exit: bool,
    /// Ends when stdin ends: for a supervisor that holds it.
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

/// A server as it is mostly started: by a file alone.
#[derive(Debug)]
pub enum Server {
    /// `drydock controller --config FILE`.
    Controller(Box<ControllerFlags>),
    /// `drydock agent --config FILE`.
    Agent(Box<AgentFlags>),
}

impl Server {
    /// Reads such a command line; `None` for every other one. Without clap: to build the whole command line takes a megabyte
    /// of this program's text, which a server would hold for as long as it idles.
    #[must_use]
    pub fn of(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let (kind, config, exit_with_parent) = match &arguments[..] {
            [kind, flag, file] if flag == "--config" => (kind, file, false),
            [kind, flag, file, last] if flag == "--config" && last == "--exit-with-parent" => (kind, file, true),
            _ => return None,
        };
        let config = Some(PathBuf::from(config)).filter(|file| !file.as_os_str().is_empty());
        match kind.to_str()? {
            "controller" => {
                Some(Self::Controller(Box::new(ControllerFlags { config, exit_with_parent, ..Default::default() })))
            }
            "agent" => Some(Self::Agent(Box::new(AgentFlags { config, exit_with_parent, ..Default::default() }))),
            _ => None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`controller`] and [`agent`].
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Controller(flags) => controller(*flags),
            Self::Agent(flags) => agent(*flags, &Options::of_environment()),
        }
    }
}

/// Carries out a future on a runtime of one thread.
///
/// # Errors
/// The runtime can't start, or those of the future.
pub fn on_one_thread<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::system("can't start the runtime"))?.block_on(future)
}

/// Completes at SIGTERM or SIGINT; never where signals can't be had.
pub fn stop_signal() -> impl Future<Output = ()> + Send {
    // Registered at the call, not at the first poll: a signal in between must not end the process as if unhandled.
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Runs a controller until it is stopped.
///
/// # Errors
/// Its settings are wrong, or it can't start or go on.
pub fn controller(flags: ControllerFlags) -> Result<(), Failure> {
    let with_parent = flags.exit_with_parent;
    let config = controller_config(flags)?;
    log_to_stderr();
    let runtime = drydock_controller::runtime().map_err(Failure::system("can't start the runtime"))?;
    let ended = runtime.block_on(async { drydock_controller::run(config, stopped(with_parent)).await });
    runtime.shutdown_timeout(RUNTIME_END_MAX);
    ended.map_err(|error| match error.is_for_good() {
        true => Failure::ForGood(error.to_string()),
        false => Failure::Other(error.to_string()),
    })
}

/// Runs an agent until it is stopped.
///
/// # Errors
/// Its settings are wrong, or it can't start or go on.
pub fn agent(flags: AgentFlags, options: &Options) -> Result<(), Failure> {
    let with_parent = flags.exit_with_parent;
    let config = agent_config(flags, options)?;
    log_to_stderr();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(AGENT_THREADS).enable_all().build();
    let runtime = runtime.map_err(Failure::system("can't start the runtime"))?;
    let ended = runtime.block_on(async { drydock_node_agent::run(config, stopped(with_parent)).await });
    runtime.shutdown_timeout(RUNTIME_END_MAX);
    ended.map_err(|error| match error {
        AgentError::Refused { .. } => Failure::ForGood(error.to_string()),
        _ => Failure::Other(error.to_string()),
    })
}

/// Completes when the process shall stop: a signal, or with `with_parent` the end of stdin.
fn stopped(with_parent: bool) -> impl Future<Output = ()> + Send {
    let signalled = stop_signal();
    async move {
        if !with_parent {
            return signalled.await;
        }
        let (gone, parent) = oneshot::channel();
        // A thread of its own: a read of stdin can't be given up, and must not keep the runtime from ending.
        std::thread::spawn(move || {
            let mut rest = [0; 64];
            while std::io::stdin().read(&mut rest).is_ok_and(|length| length > 0) {}
            // Where nobody listens any more, the process is ending already.
            let _ = gone.send(());
        });
        tokio::select! {
            () = signalled => {}
            _ = parent => {}
        }
    }
}

/// Log lines go to stderr; `DRYDOCK_LOG` says which (`info` otherwise; `debug`, `drydock_controller=debug,info` …).
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("DRYDOCK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_env_filter(filter);
    // Set already: a test that runs several in one process.
    let _ = lines.try_init();
}

fn initial(text: &str) -> Result<InitialController, String> {
    let (name, addresses) = flags::pair(text)?;
    let (peer, api) = addresses.split_once(',').ok_or("write NAME=PEER_HOST:PORT,API_HOST:PORT")?;
    Ok(InitialController { name, id: None, peer_address: peer.to_owned(), api_address: api.to_owned() })
}

fn controller_config(flags: ControllerFlags) -> Result<ControllerConfig, Failure> {
    let mut config = match (&flags.config, &flags.name, &flags.data_dir) {
        (Some(file), _, _) => load::<ControllerConfig>(file, CONFIG)?.request,
        (None, Some(name), Some(data_dir)) => {
            let least = serde_json::json!({ "name": name, "data_dir": data_dir });
            serde_json::from_value(least).map_err(|error| Failure::Usage(error.to_string()))?
        }
        _ => return Err(Failure::Usage("give --config, or --name and --data-dir".to_owned())),
    };
    config.name = flags.name.unwrap_or(config.name);
    config.data_dir = flags.data_dir.unwrap_or(config.data_dir);
    config.api.listen = flags.listen.unwrap_or(config.api.listen);
    config.api.advertise = flags.advertise.or(config.api.advertise);
    config.aws = match (flags.aws_listen, config.aws) {
        (Some(listen), Some(port)) => Some(AwsPort { listen, ..port }),
        (Some(listen), None) => Some(AwsPort::at(listen)),
        (None, port) => port,
    };
    if config.aws.is_none() && (flags.aws_reset || flags.aws.are_given()) {
        let text = "AWS's clients are listened to nowhere: give --aws-listen, too, or `aws` in the file";
        return Err(Failure::Usage(text.to_owned()));
    }
    config.aws = config.aws.map(|port| AwsPort { reset: port.reset || flags.aws_reset, ..flags.aws.over(port) });
    config.peer.listen = flags.peer_listen.unwrap_or(config.peer.listen);
    config.peer.advertise = flags.peer_advertise.or(config.peer.advertise);
    if !flags.initial.is_empty() {
        config.initial = flags.initial;
    }
    config.join = flags.join.or(config.join);
    config.region = flags.region.unwrap_or(config.region);
    config.account_id = flags.account_id.unwrap_or(config.account_id);
    config.log_store = match flags.log_store {
        Some(LogStore::RaftEngine) => LogStoreKind::RaftEngine,
        Some(LogStore::Sled) => LogStoreKind::Sled,
        None => config.log_store,
    };
    config.settings.fast |= flags.fast;
    if let Some(time) = flags.healthy_after {
        config.settings.healthy_after_ms = u64::try_from(time.as_millis()).ok();
    }
    if let Some(time) = flags.instance_lost_after {
        config.settings.instance_lost_after_ms = u64::try_from(time.as_millis()).ok();
    }
    config.check().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(config)
}

fn agent_config(flags: AgentFlags, options: &Options) -> Result<AgentConfig, Failure> {
    let mut config = match &flags.config {
        Some(file) => load::<AgentConfig>(file, CONFIG)?.request,
        None => AgentConfig { cluster: options.cluster_name().to_owned(), ..AgentConfig::default() },
    };
    if config.controllers.is_empty() {
        config.controllers = options.endpoints().split(',').map(|address| address.trim().to_owned()).collect();
    }
    config.data_dir = flags.data_dir.unwrap_or(config.data_dir);
    config.name = flags.name.or(config.name);
    config.runtime = match flags.runtime {
        Some(Runtime::Auto) => RuntimeChoice::Auto,
        Some(Runtime::Docker) => RuntimeChoice::Docker,
        Some(Runtime::Simulated) => RuntimeChoice::Simulated,
        None => config.runtime,
    };
    config.cpu = flags.cpu.or(config.cpu);
    config.memory_mib = flags.memory.or(config.memory_mib);
    config.availability_zone = flags.availability_zone.unwrap_or(config.availability_zone);
    config.attributes.extend(flags.attribute);
    config.serves = match flags.serves {
        Some(Serves::Ec2) => ServesChoice::Ec2,
        Some(Serves::Fargate) => ServesChoice::Fargate,
        Some(Serves::Both) => ServesChoice::Both,
        None => config.serves,
    };
    config.capacity_provider = flags.capacity_provider.or(config.capacity_provider);
    config.stop_tasks_on_exit |= flags.stop_tasks_on_exit;
    config.check().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn a_server_that_a_file_tells_all_needs_no_other_command_line() {
        let read = |line: &str| match Server::of(line.split_ascii_whitespace().map(Into::into)) {
            Some(Server::Controller(flags)) => format!("controller {:?} {}", flags.config, flags.exit_with_parent),
            Some(Server::Agent(flags)) => format!("agent {:?} {}", flags.config, flags.exit_with_parent),
            None => "clap".to_owned(),
        };
        let table = [
            ("controller --config a.yaml", "controller Some(\"a.yaml\") false"),
            ("agent --config a.yaml --exit-with-parent", "agent Some(\"a.yaml\") true"),
            ("agent --config", "clap"),
            ("agent --config a.yaml --runtime docker", "clap"),
            ("controller list", "clap"),
            ("service --config a.yaml", "clap"),
            ("", "clap"),
        ];
        for (line, expected) in table {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
