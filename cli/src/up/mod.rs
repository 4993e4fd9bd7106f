//! `drydock up`: controllers and container instances on this machine, each a process of its own, under one supervisor.

pub mod children;
pub mod console;
pub mod example;
pub mod image;
pub mod layout;
pub mod ready;
pub mod replacing;
pub mod supervise;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bollard::Docker;
use clap::Args;
use drydock_proto::control::Names;

use crate::arguments::ENDPOINT_DEFAULT;
use crate::client::Client;
use crate::commands::{Context, flags, names};
use crate::failure::Failure;
use crate::output::Screen;
use crate::processes::{AwsFlags, stop_signal};
use children::{Capacity, Children};
use console::Console;
use example::Example;
use layout::{DataDir, Layout, Wishes};
use replacing::{Replacing, When};

/// Arguments of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Controllers: 1 to 7, best an odd number [3 at the first run, later as it was].
    #[arg(long, value_name = "N")]
    controllers: Option<u16>,
    /// Container instances, an agent each: 0 to 64 [3 at the first run, later as it was].
    #[arg(long, value_name = "N")]
    instances: Option<u16>,
    /// Container instances that one process pretends, to see how much a control plane bears: each with a session, an
    /// engine and simulated containers of its own, 16 vCPU and 64 GiB [0 at the first run, later as it was; with it,
    /// --instances is 0 at the first run].
    #[arg(long, value_name = "N")]
    simulated_instances: Option<u32>,
    /// What runs the containers; `auto` is Docker where an engine is reachable, else simulated.
    #[arg(long, value_enum, default_value_t)]
    runtime: Runtime,
    /// Where everything is kept between runs [~/.local/share/drydock/up].
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Starts an example and shows it becoming RUNNING.
    #[arg(long, value_enum, value_name = "NAME")]
    example: Option<Example>,
    /// Stops everything and ends as soon as all is ready and the example runs.
    #[arg(long)]
    once: bool,
    /// API port of the first controller; each further one has the port 10 higher, its peers' port is 1 higher. 0 picks
    /// free ones [7700 at the first run, later as it was].
    #[arg(long, value_name = "PORT")]
    api_port: Option<u16>,
    /// Port of the first controller for the AWS CLI, the AWS SDKs and Terraform; each further one has the port 10 higher. 0
    /// picks free ones [4566 at the first run, later as it was].
    #[arg(long, value_name = "PORT")]
    aws_port: Option<u16>,
    #[command(flatten)]
    aws: AwsFlags,
    /// Address that the APIs listen on. There is no authentication: anybody who reaches it commands the cluster.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
    /// Region of ARNs and zones [us-east-1 at the first run, later as it was].
    #[arg(long)]
    region: Option<String>,
    /// Account of ARNs, twelve digits [000000000000 at the first run, later as it was].
    #[arg(long, value_name = "DIGITS")]
    account_id: Option<String>,
    /// Shortens the waits that ECS makes long to a twentieth: 40 s to count as healthy, back-offs; first run only.
    #[arg(long)]
    fast: bool,
    /// Describes subnets, security groups and roles, as `drydock names put` does: JSON or YAML.
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Refuses subnets, security groups and roles that nobody has described, as AWS would; until `drydock names put`
    /// says otherwise.
    #[arg(long)]
    strict: bool,
    /// Time in RUNNING after which a task without health check counts as healthy [ECS's 40s]; first run only.
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    healthy_after: Option<Duration>,
    /// CPU units that each instance offers, 1024 a vCPU [its share of the machine, at least 2048].
    #[arg(long, value_name = "UNITS")]
    instance_cpu: Option<u32>,
    /// Memory that each instance offers, in MiB [its share of the machine, at least 4096].
    #[arg(long, value_name = "MIB")]
    instance_memory: Option<u32>,
}

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Runtime {
    /// Docker where an engine is reachable, else simulated.
    #[default]
    Auto,
    /// Real containers.
    Docker,
    /// Pretended ones: states, times and exit codes as labels of the task definition say.
    Simulated,
}

/// Runs the command.
///
/// # Errors
/// The folder is in use or contradicts the arguments, a port is taken, or something didn't come up. Everything that was
/// started is stopped before this returns.
pub async fn run(arguments: Arguments, screen: Screen) -> Result<(), Failure> {
    let path = match &arguments.data_dir {
        Some(path) => path.clone(),
        None => layout::default_path()?,
    };
    let aws = arguments.aws.clone().checked()?;
    let names = arguments.names.as_ref().map(|file| names::read(file, arguments.strict)).transpose()?;
    let mut data = DataDir::open(&path)?;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (layout, notes) = data.layout(&Wishes {
        controllers: arguments.controllers,
        instances: arguments.instances,
        simulated_instances: arguments.simulated_instances,
        api_port: arguments.api_port,
        aws_port: arguments.aws_port,
        listen: arguments.listen,
        region: arguments.region.clone(),
        account_id: arguments.account_id.clone(),
        fast: arguments.fast,
        healthy_after_ms: arguments.healthy_after.map(millis),
    })?;
    data.sign(&layout);
    let console = Console::new(&screen);
    notes.iter().for_each(|note| console.line(note));
    let docker = runtime(arguments.runtime, &console).await?;
    let capacity = Capacity::of(arguments.instance_cpu, arguments.instance_memory, layout.instances);
    let fleet = Capacity::pretended(arguments.instance_cpu, arguments.instance_memory);
    let (mut children, mut notices) = Children::new(&data, &layout, docker.is_some(), (capacity, fleet), aws);
    let mut interrupted = std::pin::pin!(stop_signal());
    let ended = {
        let mut work = std::pin::pin!(work(&arguments, names, &screen, &console, &mut children, docker.as_ref()));
        loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = &mut interrupted => break Ok(()),
                Some(notice) = notices.recv() => console.line(&format!("{} {}", notice.name, notice.text)),
            }
        }
    };
    console.clear();
    if let Err(failure) = &ended {
        console.line(&format!("failed: {failure}"));
        children.last_words().iter().for_each(|words| console.text(words));
    }
    console.line("stopping: agents with their tasks first, then controllers");
    let stopped = {
        let mut stop = std::pin::pin!(children.stop());
        let mut again = std::pin::pin!(stop_signal());
        loop {
            tokio::select! {
                () = &mut stop => break true,
                // The children see that we are gone and end by themselves.
                () = &mut again => break false,
                Some(notice) = notices.recv() => console.line(&format!("{} {}", notice.name, notice.text)),
            }
        }
    };
    match stopped {
        true => console.line(&format!("stopped; data is kept in {}", data.path().display())),
        false => console.line("not waiting any longer"),
    }
    ended
}

async fn runtime(wanted: Runtime, console: &Console) -> Result<Option<Docker>, Failure> {
    if wanted == Runtime::Simulated {
        return Ok(None);
    }
    match image::engine().await {
        Ok(docker) => Ok(Some(docker)),
        Err(reason) if wanted == Runtime::Docker => {
            Err(Failure::Other(format!("no Docker engine is reachable: {reason}")))
        }
        Err(reason) => {
            console.line(&format!("no Docker engine is reachable ({reason}): containers are simulated"));
            Ok(None)
        }
    }
}

/// Starts everything; goes on for ever, or with `--once` until all is there.
async fn work(
    arguments: &Arguments,
    described: Option<Names>,
    screen: &Screen,
    console: &Console,
    children: &mut Children,
    docker: Option<&Docker>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let layout = children.layout().clone();
    children.wait_for_ports(console).await?;
    children.start_controllers()?;
    let client = Client::new(&layout.api_addresses().join(","), false)?;
    let mut status = children.or_dead(ready::leader(&layout, || children.lost())).await?;
    let mut replacing = Replacing::default();
    if replacing.look(children, &client, console, When::Start).await {
        status = children.or_dead(ready::leader(&layout, || children.lost())).await?;
    }
    ready::cluster(&client).await?;
    match described {
        Some(described) => drop(names::put(&client, described).await?),
        // What was described before stays.
        None if arguments.strict => drop(names::restrict(&client).await?),
        None => {}
    }
    children.start_agents()?;
    let wanted = usize::from(layout.instances) + usize::try_from(layout.simulated_instances).unwrap_or(usize::MAX);
    while !children.or_dead(ready::instances(&client, wanted, || children.refused_agents())).await? {
        // Deregistered in an earlier run.
        for name in children.refused_agents() {
            let aside = children.renew_agent(&name).await?;
            let kept = aside.map(|folder| format!("; its old folder is kept as {}", folder.display()));
            console.line(&format!("{name} joins as a new container instance{}", kept.unwrap_or_default()));
        }
    }
    let leader = status.controllers.iter().find(|c| c.id == status.leader_id).map_or("", |c| c.name.as_str());
    children.all_are_ready();
    console.text(&children.overview(leader));
    console.line(&format!("ready after {:.1} s", start.elapsed().as_secs_f64()));
    let context =
        Context { client: client.clone(), screen: *screen, cluster: ready::CLUSTER.to_owned(), cluster_is_named: true };
    if let Some(example) = arguments.example {
        console.line("");
        example::show(&context, console, example, docker).await?;
    }
    if arguments.once {
        return Ok(());
    }
    console.text(&next_steps(&layout, arguments.example));
    replacing.keep_whole(children, &client, console).await
}

fn next_steps(layout: &Layout, example: Option<Example>) -> String {
    let mut out = String::from("\nnow try:\n");
    let endpoint = layout.api_addresses().join(",");
    if !ENDPOINT_DEFAULT.starts_with(&endpoint) {
        out.push_str(&format!("  export DRYDOCK_ENDPOINT={endpoint}\n"));
    }
    out.push_str("  drydock status\n");
    match example.map(Example::name) {
        Some("job") => out.push_str("  drydock task list --desired-status STOPPED\n"),
        Some(name) => {
            out.push_str(&format!("  drydock service describe {name}\n"));
            out.push_str(&format!("  drydock service scale {name} 5 --wait\n"));
            out.push_str(&format!("  drydock service deploy {name} --wait\n"));
        }
        None => out.push_str("  drydock task-definition register -f examples/web/task-definition.json\n"),
    }
    out.push_str("  drydock events --follow\n");
    if let Some(first) = layout.controllers.first() {
        out.push_str(&format!("  AWS_ENDPOINT_URL={} aws ecs list-services\n", first.aws_url(layout.listen)));
    }
    out + "Ctrl-C stops everything.\n"
}
