//! `drydock task`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use drydock_proto::control::{GetCostsRequest, GetCostsResponse, InterruptTaskRequest};
use drydock_proto::ecs::{
    CapacityProviderStrategyItem, ContainerOverride, DescribeTasksResponse, DesiredStatus, HealthStatus, KeyValuePair,
    ListTasksRequest, ListTasksResponse, RunTaskRequest, StopTaskRequest, Tag, Task, TaskOverride, TaskStopCode,
};

use super::service_flags::{LaunchTypeFlag, NetworkFlags, TagFlags};
use super::{Context, cost, explain, flags, ids, pages, protection, wait};
use crate::client::{ControlApi, Kind, client_token};
use crate::failure::Failure;
use crate::load::request::TASK;
use crate::load::{Loaded, load};
use crate::output::live::Progress;
use crate::output::words::{age, name_of, now, number, short_id, spelling, text};
use crate::output::{Format, Table};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Runs tasks of a task definition.
    Run(Box<Run>),
    /// Stops a task. It is asked to stop; --wait waits until it has.
    Stop {
        /// Id, the start of an id, or ARN.
        task: String,
        /// What to remember as the reason.
        #[arg(long)]
        reason: Option<String>,
        /// Waits until it is STOPPED.
        #[arg(long)]
        wait: bool,
        /// Waits no longer than this.
        #[arg(long, default_value = "10m", value_parser = flags::duration, requires = "wait")]
        timeout: Duration,
    },
    /// Protects tasks of services from scale-in and deployments, for two hours unless --for says otherwise.
    Protect {
        /// Ids, the starts of ids, or ARNs.
        #[arg(required = true, num_args = 1..=10)]
        tasks: Vec<String>,
        /// How long, in whole minutes: 1m to 48h.
        #[arg(long = "for", value_name = "DURATION", value_parser = flags::duration)]
        lasting: Option<Duration>,
        /// Ends the protection.
        #[arg(long, conflicts_with = "lasting")]
        off: bool,
    },
    /// Shows whether tasks are protected, and until when.
    Protection {
        /// Ids, the starts of ids, or ARNs.
        #[arg(required = true, num_args = 1..=100)]
        tasks: Vec<String>,
    },
    /// Interrupts a task of FARGATE_SPOT, as AWS does when it takes the capacity back: it is warned, and ends within two
    /// minutes.
    Interrupt {
        /// Id, the start of an id, or ARN.
        task: String,
    },
    /// Lists the tasks of the cluster: those that should run, or with --desired-status STOPPED those that shouldn't.
    #[command(visible_alias = "ls")]
    List {
        /// Only tasks of this service.
        #[arg(long)]
        service: Option<String>,
        /// Only tasks of this family.
        #[arg(long)]
        family: Option<String>,
        /// Only tasks on this container instance.
        #[arg(long)]
        container_instance: Option<String>,
        /// Only tasks with this startedBy.
        #[arg(long)]
        started_by: Option<String>,
        /// Tasks with this desiredStatus.
        #[arg(long, value_enum, default_value_t)]
        desired_status: Desired,
        /// Prints whole ids only, one a line.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Says what a task waits for and until when, why it isn't placed, who decided that it stops.
    Explain {
        /// Id, the start of an id, or ARN.
        task: String,
    },
    /// Describes tasks.
    Describe {
        /// Ids, the starts of ids, or ARNs.
        #[arg(required = true, num_args = 1..=100)]
        tasks: Vec<String>,
    },
}

/// Filter of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Desired {
    /// Should run.
    #[default]
    Running,
    /// Should be stopped, or is; ECS remembers them for an hour.
    Stopped,
}

/// Arguments of `task run`. A flag wins over the same member of the file.
#[derive(Debug, Args)]
pub struct Run {
    /// FAMILY, FAMILY:REVISION or ARN.
    #[arg(required_unless_present = "file")]
    task_definition: Option<String>,
    /// RunTask's input as a file (JSON or YAML, `-` is stdin).
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How many tasks: 1 to 10.
    #[arg(short = 'n', long, allow_negative_numbers = true)]
    count: Option<i32>,
    /// Where they run.
    #[arg(long, value_enum)]
    launch_type: Option<LaunchTypeFlag>,
    /// A capacity provider and its share: NAME, NAME=WEIGHT or NAME=WEIGHT:BASE; repeat or separate by commas for more.
    #[arg(long, value_name = "ITEM", value_delimiter = ',', value_parser = flags::strategy_item, conflicts_with = "launch_type")]
    capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    #[command(flatten)]
    network: NetworkFlags,
    /// The group they are counted with; `family:FAMILY` otherwise.
    #[arg(long)]
    group: Option<String>,
    /// Who started them, up to 128 characters.
    #[arg(long)]
    started_by: Option<String>,
    /// The container that --env and the command are for.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// An environment variable for the container; repeat for more.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = flags::pair, requires = "container")]
    env: Vec<(String, String)>,
    /// A tag; repeat for more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = flags::tag)]
    tag: Vec<Tag>,
    #[command(flatten)]
    tags: TagFlags,
    /// Runs nothing: says where the tasks would go, or why they would find no place.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Prints whole ids only, one a line.
    #[arg(short, long, conflicts_with = "dry_run")]
    quiet: bool,
    /// Waits until all are STOPPED, and fails (exit code 4) if one ended with anything but 0; with =running until all
    /// are RUNNING.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "stopped")]
    wait: Option<wait::TaskGoal>,
    /// Waits no longer than this.
    #[arg(long, default_value = "10m", value_parser = flags::duration, requires = "wait")]
    timeout: Duration,
    /// How the wait is shown.
    #[arg(long, value_enum, default_value_t, requires = "wait")]
    progress: Progress,
    /// The command for the container, after `--`.
    #[arg(last = true, requires = "container")]
    command: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// A wrong file, those of the calls, an answer with failures, or a wait that ends badly.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Run(arguments) => run_tasks(context, *arguments).await,
        Verb::Stop { task, reason, wait, timeout } => {
            let request =
                StopTaskRequest { cluster: context.in_cluster(), task: Some(ids::task(context, &task).await?), reason };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.stop_task(request).await)
                .await?;
            if wait {
                let arn = answer.task.as_ref().and_then(|task| task.task_arn.clone()).unwrap_or_default();
                wait::tasks(context, &[arn], wait::TaskGoal::Stopped, timeout, Progress::Auto).await?;
            }
            let line =
                || format!("{} {}", if wait { "stopped" } else { "stopping" }, stopped_name(answer.task.as_ref()));
            context.screen.answer_line(&answer, line)
        }
        Verb::Protect { tasks, lasting, off } => protection::protect(context, &tasks, lasting, off).await,
        Verb::Protection { tasks } => protection::protection(context, &tasks).await,
        Verb::Interrupt { task } => {
            let task = ids::task(context, &task).await?;
            let request = InterruptTaskRequest { cluster: context.cluster.clone(), task };
            let call = async |mut control: ControlApi, request| control.interrupt_task(request).await;
            let answer = context.client.control(Kind::Idempotent, request, call).await?;
            context.screen.answer_line(&answer, || format!("interrupted {}", stopped_name(answer.task.as_ref())))
        }
        Verb::List { service, family, container_instance, started_by, desired_status, quiet } => {
            let container_instance = match container_instance {
                Some(given) => Some(ids::instance(context, &given).await?),
                None => None,
            };
            let desired = match desired_status {
                Desired::Running => DesiredStatus::Running,
                Desired::Stopped => DesiredStatus::Stopped,
            };
            let request = ListTasksRequest {
                cluster: context.in_cluster(),
                service_name: service,
                family,
                container_instance,
                started_by,
                desired_status: Some(desired.into()),
                ..Default::default()
            };
            list(context, request, quiet).await
        }
        Verb::Explain { task } => explain::task(context, &task).await,
        Verb::Describe { tasks } => {
            let tasks = ids::tasks(context, &tasks).await?;
            let (tasks, failures) = pages::tasks(&context.client, &context.cluster, &tasks).await?;
            let answer = DescribeTasksResponse { tasks, failures };
            let arns = answer.tasks.iter().filter_map(|task| task.task_arn.clone()).collect();
            let request =
                GetCostsRequest { cluster: context.cluster.clone(), tasks: arns, ..GetCostsRequest::default() };
            let costs = cost::costs(context, request).await?;
            describe(context, &answer, &costs)?;
            context.none_failed(&answer.failures)
        }
    }
}

fn stopped_name(task: Option<&Task>) -> String {
    short_id(task.and_then(|task| task.task_arn.as_deref()).unwrap_or_default())
}

async fn list(context: &Context, request: ListTasksRequest, quiet: bool) -> Result<(), Failure> {
    let arns = pages::task_arns(&context.client, request).await?;
    if quiet {
        let ids: String = arns.iter().map(|arn| format!("{}\n", name_of(arn))).collect();
        return crate::output::print(&ids);
    }
    let tasks = match context.screen.format {
        Format::Table => pages::tasks(&context.client, &context.cluster, &arns).await?.0,
        _ => Vec::new(),
    };
    let answer = ListTasksResponse { task_arns: arns, next_token: None };
    context.screen.answer(&answer, || table(&tasks))
}

async fn run_tasks(context: &Context, arguments: Run) -> Result<(), Failure> {
    let (wait, timeout, progress) = (arguments.wait, arguments.timeout, arguments.progress);
    let (dry_run, quiet) = (arguments.dry_run, arguments.quiet);
    let request = run_request(context, arguments)?;
    if dry_run {
        return explain::dry_run(context, request).await;
    }
    let asked = request.clone();
    let answer =
        context.client.ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.run_task(request).await).await?;
    if !answer.failures.is_empty() && context.screen.format == Format::Table {
        explain::unplaced(context, asked, answer.failures.len()).await;
    }
    let arns: Vec<String> = answer.tasks.iter().filter_map(|task| task.task_arn.clone()).collect();
    if quiet {
        let ids: String = arns.iter().map(|arn| format!("{}\n", name_of(arn))).collect();
        crate::output::print(&ids)?;
    }
    let Some(goal) = wait.filter(|_| !arns.is_empty()) else {
        return match quiet {
            true => context.none_failed(&answer.failures),
            false => context.answer_beside(&answer, &answer.failures, || table(&answer.tasks)),
        };
    };
    let ended = wait::tasks(context, &arns, goal, timeout, progress).await;
    if let Ok(tasks) = ended.as_ref()
        && !quiet
    {
        let answer = DescribeTasksResponse { tasks: tasks.clone(), failures: Vec::new() };
        context.screen.answer(&answer, || table(tasks))?;
    }
    context.none_failed(&answer.failures)?;
    ended.and_then(|tasks| wait::all_succeeded(&tasks, goal))
}

fn run_request(context: &Context, arguments: Run) -> Result<RunTaskRequest, Failure> {
    let mut request = match &arguments.file {
        Some(file) => {
            let Loaded { request, notes, .. } = load::<RunTaskRequest>(file, TASK)?;
            notes.iter().for_each(|note| context.screen.note(&format!("note: {note}")));
            request
        }
        None => RunTaskRequest::default(),
    };
    request.cluster = context.cluster_over(request.cluster);
    request.task_definition = arguments.task_definition.or(request.task_definition);
    request.count = arguments.count.or(request.count);
    request.launch_type = arguments.launch_type.map(LaunchTypeFlag::number).or(request.launch_type);
    if !arguments.capacity_provider_strategy.is_empty() {
        request.capacity_provider_strategy = arguments.capacity_provider_strategy;
    }
    request.network_configuration = arguments.network.configuration().or(request.network_configuration);
    request.group = arguments.group.or(request.group);
    request.started_by = arguments.started_by.or(request.started_by);
    request.tags.extend(arguments.tag);
    request.propagate_tags = arguments.tags.propagate().or(request.propagate_tags);
    request.enable_ecs_managed_tags = arguments.tags.enable_ecs_managed_tags.or(request.enable_ecs_managed_tags);
    if let Some(name) = arguments.container {
        let environment = arguments.env.into_iter();
        let wanted = ContainerOverride {
            name: Some(name.clone()),
            command: arguments.command,
            environment: environment
                .map(|(name, value)| KeyValuePair { name: Some(name), value: Some(value) })
                .collect(),
            ..Default::default()
        };
        let overrides = request.overrides.get_or_insert_with(TaskOverride::default);
        overrides.container_overrides.retain(|other| other.name.as_ref() != Some(&name));
        overrides.container_overrides.push(wanted);
    }
    if request.client_token.is_none() {
        request.client_token = Some(client_token()?);
    }
    Ok(request)
}

/// Tasks for people.
#[must_use]
pub fn table(tasks: &[Task]) -> Table {
    let mut table =
        Table::new(&["TASK", "STATUS", "DESIRED", "HEALTH", "TASK DEFINITION", "GROUP", "INSTANCE", "AGE", "REASON"]);
    let now = now();
    for task in tasks {
        table.row([
            short_id(task.task_arn.as_deref().unwrap_or_default()),
            text(task.last_status.as_deref()),
            text(task.desired_status.as_deref()),
            spelling::<HealthStatus>(task.health_status),
            name_of(task.task_definition_arn.as_deref().unwrap_or_default()).to_owned(),
            text(task.group.as_deref()),
            short_id(task.container_instance_arn.as_deref().unwrap_or_default()),
            age(now, task.created_at.as_ref()),
            text(task.stopped_reason.as_deref()),
        ]);
    }
    table
}

fn describe(context: &Context, answer: &DescribeTasksResponse, costs: &GetCostsResponse) -> Result<(), Failure> {
    if context.screen.format != Format::Table {
        return context.screen.document(&cost::WithCosts { answer, costs });
    }
    for (at, task) in answer.tasks.iter().enumerate() {
        if at > 0 {
            context.screen.line("")?;
        }
        context.screen.line(&facts(task))?;
        if let Some(cost) = costs.tasks.iter().find(|cost| Some(&cost.task_arn) == task.task_arn.as_ref()) {
            context.screen.line(&format!("  cost on Fargate: {}", cost::of_task(cost)))?;
        }
        context.screen.table(&containers(task))?;
    }
    Ok(())
}

fn facts(task: &Task) -> String {
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut out = text(task.task_arn.as_deref());
    for (name, value) in [
        ("status", text(task.last_status.as_deref())),
        ("desired", text(task.desired_status.as_deref())),
        ("health", spelling::<HealthStatus>(task.health_status)),
        ("task definition", name_of(task.task_definition_arn.as_deref().unwrap_or_default()).to_owned()),
        ("group", text(task.group.as_deref())),
        ("started by", text(task.started_by.as_deref())),
        ("instance", name_of(task.container_instance_arn.as_deref().unwrap_or_default()).to_owned()),
        ("zone", text(task.availability_zone.as_deref())),
        ("created", time(&task.created_at)),
        ("started", time(&task.started_at)),
        ("stopped", time(&task.stopped_at)),
        ("stop code", spelling::<TaskStopCode>(task.stop_code)),
        ("reason", text(task.stopped_reason.as_deref())),
    ] {
        if !value.is_empty() {
            out.push_str(&format!("\n  {name}: {value}"));
        }
    }
    out
}

fn containers(task: &Task) -> Table {
    let mut table = Table::new(&["CONTAINER", "STATUS", "EXIT CODE", "HEALTH", "IMAGE", "ADDRESS", "REASON"]);
    for container in &task.containers {
        let own = container.network_interfaces.iter().filter_map(|i| i.private_ipv4_address.clone());
        let bound = container
            .network_bindings
            .iter()
            .map(|binding| format!("{}:{}", binding.bind_ip.as_deref().unwrap_or_default(), number(binding.host_port)));
        table.row([
            text(container.name.as_deref()),
            text(container.last_status.as_deref()),
            number(container.exit_code),
            spelling::<HealthStatus>(container.health_status),
            text(container.image.as_deref()),
            own.chain(bound).collect::<Vec<_>>().join(","),
            text(container.reason.as_deref()),
        ]);
    }
    table
}
