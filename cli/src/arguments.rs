//! The command line: every noun, verb and option. No behaviour.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    account_setting, attribute, capacity_provider, cluster, container_instance, controller, events, logs, names,
    service, service_deployment, task, task_definition, task_set,
};
use crate::hello;
use crate::output::Format;
use crate::processes::{AgentFlags, ControllerFlags};
use crate::{simulate, up};

/// Where the controllers of `drydock up` listen, as far as three.
pub const ENDPOINT_DEFAULT: &str = "127.0.0.1:7700,127.0.0.1:7710,127.0.0.1:7720";

/// The environment's `--endpoint`.
pub const ENDPOINT_VARIABLE: &str = "DRYDOCK_ENDPOINT";
/// The environment's `--cluster`.
pub const CLUSTER_VARIABLE: &str = "DRYDOCK_CLUSTER";

/// The cluster that ECS means where none is named.
pub const CLUSTER_DEFAULT: &str = "default";

/// An open ECS and Fargate: a replicated control plane, agents that run tasks as containers, and this command.
///
/// Exit codes: 0 well; 1 refused by a controller; 2 wrong command line or file; 3 no controller reached; 4 what was
/// waited for failed or came too late.
#[derive(Debug, Parser)]
#[command(name = "drydock", version, propagate_version = true, max_term_width = 120)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Controllers: host:port, several separated by commas. Any of them takes any request.
    /// [default: 127.0.0.1:7700, :7710 and :7720]
    #[arg(long, global = true, env = ENDPOINT_VARIABLE, value_name = "HOST:PORT,…", hide_env_values = true)]
    #[arg(help_heading = "Options of every command")]
    pub endpoint: Option<String>,
    /// The ECS cluster: name or ARN [default: default]
    #[arg(long, global = true, env = CLUSTER_VARIABLE, value_name = "NAME", hide_env_values = true)]
    #[arg(help_heading = "Options of every command")]
    pub cluster: Option<String>,
    /// Form of the answer.
    #[arg(short, long, global = true, value_enum, default_value_t, env = "DRYDOCK_OUTPUT", hide_env_values = true)]
    #[arg(help_heading = "Options of every command")]
    pub output: Format,
    /// Reads from whichever controller answers, even while there is no leader; the answer may lag behind.
    #[arg(long, global = true)]
    #[arg(help_heading = "Options of every command")]
    pub stale: bool,
}

impl Options {
    /// What the environment says, without a command line.
    #[must_use]
    pub fn of_environment() -> Self {
        let said = |name| std::env::var(name).ok();
        Self { endpoint: said(ENDPOINT_VARIABLE), cluster: said(CLUSTER_VARIABLE), ..Self::default() }
    }

    /// `--endpoint`, or where `drydock up` listens.
    #[must_use]
    pub fn endpoints(&self) -> &str {
        self.endpoint.as_deref().unwrap_or(ENDPOINT_DEFAULT)
    }

    /// `--cluster`, or `default`.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        self.cluster.as_deref().unwrap_or(CLUSTER_DEFAULT)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts controllers and container instances on this machine and stays until Ctrl-C.
    Up(Box<up::Arguments>),
    /// Shows the controllers, the container instances and the tasks by status.
    Status,
    /// Clusters.
    #[command(subcommand)]
    Cluster(cluster::Verb),
    /// Capacity providers: what tasks run on, and how it is scaled.
    #[command(subcommand, visible_alias = "cp")]
    CapacityProvider(capacity_provider::Verb),
    /// Task definitions.
    #[command(subcommand, visible_alias = "td")]
    TaskDefinition(task_definition::Verb),
    /// Services and their deployments.
    #[command(subcommand)]
    Service(service::Verb),
    /// Deployments of services: stages, hooks, circuit breaker, rollback.
    #[command(subcommand)]
    ServiceDeployment(service_deployment::Verb),
    /// Task sets, of services whose deployment controller is EXTERNAL.
    #[command(subcommand)]
    TaskSet(task_set::Verb),
    /// Tasks.
    #[command(subcommand)]
    Task(task::Verb),
    /// Attributes of container instances, for placement.
    #[command(subcommand)]
    Attribute(attribute::Verb),
    /// Container instances: the machines, one agent each.
    #[command(subcommand, visible_alias = "ci")]
    ContainerInstance(container_instance::Verb),
    /// Lists and changes the controllers; with --config or --name it runs one.
    #[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
    Controller {
        /// What to do with the controllers.
        #[command(subcommand)]
        verb: Option<controller::Verb>,
        /// What the controller is told that is run.
        #[command(flatten)]
        flags: Box<ControllerFlags>,
    },
    /// Runs an agent: this machine as a container instance.
    #[command(arg_required_else_help = true)]
    Agent(Box<AgentFlags>),
    /// Account settings.
    #[command(subcommand)]
    AccountSetting(account_setting::Verb),
    /// Subnets with their zones, security groups and roles, which tasks name and which aren't here.
    #[command(subcommand)]
    Names(names::Verb),
    /// Shows what happens: task, instance and service events.
    Events(events::Arguments),
    /// Rehearses a scenario in virtual time: deployments, outages and load on a pretended fleet.
    ///
    /// Exit codes: 0 where all that was expected held; 1 where something didn't; 2 where the scenario is wrong.
    Simulate(Box<simulate::Arguments>),
    /// Shows the output of a task's containers.
    Logs(logs::Arguments),
    /// Prints the completion script of a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the version.
    Version,
    /// The web server of the built-in example image.
    #[command(hide = true)]
    ServeHello(hello::Arguments),
}
