//! `drydock task-set`: the task sets of a service whose deployment controller is EXTERNAL. Whoever calls drives the
//! deployment; ECS holds each task set at its share of the service's desired count.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use drydock_model::requests::task_sets as rules;
use drydock_proto::ecs::{
    CapacityProviderStrategyItem, CreateTaskSetRequest, DeleteTaskSetRequest, DescribeTaskSetsRequest,
    DescribeTaskSetsResponse, LaunchType, Scale, ScaleUnit, StabilityStatus, Tag, TaskSet, TaskSetField,
    UpdateServicePrimaryTaskSetRequest, UpdateTaskSetRequest, UpdateTaskSetResponse,
};

use super::service_flags::{LaunchTypeFlag, NetworkFlags};
use super::wait::POLL;
use super::{Context, flags};
use crate::client::{Kind, client_token};
use crate::failure::Failure;
use crate::load::load;
use crate::load::request::TASK_SET;
use crate::output::Table;
use crate::output::words::{age, name_of, now, number, spelling, text};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Creates a task set, from flags, a file, or both. Without a scale it holds no task.
    Create {
        /// Its service: name or ARN.
        #[arg(required_unless_present = "file")]
        service: Option<String>,
        /// CreateTaskSet's input as a file (JSON or YAML, `-` is stdin). Flags win over it.
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What else it is told.
        #[command(flatten)]
        flags: Box<CreateFlags>,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Sets the share of its service's desired count that a task set holds.
    Update {
        /// Its service: name or ARN.
        service: String,
        /// Id (ecs-svc/NUMBER, or the number alone) or ARN.
        task_set: String,
        /// Percent of desiredCount, from 0 to 100.
        #[arg(long, value_name = "PERCENT", value_parser = percent)]
        scale: f64,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Deletes a task set that is scaled to 0 and isn't the primary one, or any with --force. Its tasks stop.
    Delete {
        /// Its service: name or ARN.
        service: String,
        /// Id (ecs-svc/NUMBER, or the number alone) or ARN.
        task_set: String,
        /// Also one that has tasks, or is the primary one.
        #[arg(long)]
        force: bool,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Describes the task sets of a service.
    Describe {
        /// Their service: name or ARN.
        service: String,
        /// Ids or ARNs; all of the service where none is named.
        task_sets: Vec<String>,
        /// Prints ids only, one a line.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Makes a task set the primary one: the service shows what it runs as its own.
    SetPrimary {
        /// Its service: name or ARN.
        service: String,
        /// Id (ecs-svc/NUMBER, or the number alone) or ARN.
        task_set: String,
    },
}

/// Flags of `task-set create`.
#[derive(Debug, Clone, Default, Args)]
pub struct CreateFlags {
    /// FAMILY, FAMILY:REVISION or ARN.
    #[arg(short, long)]
    pub task_definition: Option<String>,
    /// Percent of the service's desiredCount, from 0 to 100 (ECS: 0).
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub scale: Option<f64>,
    /// What it is called elsewhere.
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// Where the tasks run.
    #[arg(long, value_enum)]
    pub launch_type: Option<LaunchTypeFlag>,
    /// A capacity provider and its share: NAME, NAME=WEIGHT or NAME=WEIGHT:BASE; repeat or separate by commas for more.
    #[arg(long, value_name = "ITEM", value_delimiter = ',', value_parser = flags::strategy_item, conflicts_with = "launch_type")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Fargate's platform version.
    #[arg(long, value_name = "VERSION")]
    pub platform_version: Option<String>,
    /// Network of the tasks.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// A tag; repeat for more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = flags::tag)]
    pub tag: Vec<Tag>,
}

/// Whether and how long to wait for a task set.
#[derive(Debug, Clone, Copy, Args)]
pub struct Wait {
    /// Waits until the task set is in STEADY_STATE, or gone where it is deleted; fails (exit code 4) when that takes too
    /// long.
    #[arg(long)]
    pub wait: bool,
    /// Waits no longer than this.
    #[arg(long, default_value = "10m", value_parser = flags::duration, requires = "wait")]
    pub timeout: Duration,
}

/// Reads `50`, `33.3` or `50%`. Whether it is from 0 to 100 the controllers say.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "write a number of percent: 50, 33.3, 50%".to_owned())
}

fn scale(value: f64) -> Scale {
    Scale { value: Some(value), unit: Some(ScaleUnit::Percent.into()) }
}

/// A number alone is an id without its `ecs-svc/`.
fn task_set_id(given: String) -> String {
    let is_number = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("ecs-svc/{given}") } else { given }
}

impl CreateFlags {
    fn merge(self, service: Option<String>, into: &mut CreateTaskSetRequest) {
        into.service = service.or(into.service.take());
        into.task_definition = self.task_definition.or(into.task_definition.take());
        into.scale = self.scale.map(scale).or(into.scale);
        into.external_id = self.external_id.or(into.external_id.take());
        into.launch_type = self.launch_type.map(LaunchTypeFlag::number).or(into.launch_type);
        if !self.capacity_provider_strategy.is_empty() {
            into.capacity_provider_strategy = self.capacity_provider_strategy;
        }
        into.platform_version = self.platform_version.or(into.platform_version.take());
        into.network_configuration = self.network.configuration().or(into.network_configuration.take());
        into.tags.extend(self.tag);
    }
}

/// Runs the verb.
///
/// # Errors
/// A wrong file, those of the calls, an answer with failures, or a wait that takes too long.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create { service, file, flags, wait } => create(context, service, file, *flags, wait).await,
        Verb::Update { service, task_set, scale: value, wait } => {
            let request = UpdateTaskSetRequest {
                cluster: context.in_cluster(),
                service: Some(service.clone()),
                task_set: Some(task_set_id(task_set)),
                scale: Some(scale(value)),
            };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.update_task_set(request).await)
                .await?;
            say(context, service, "updated", answer.task_set, wait).await
        }
        Verb::Delete { service, task_set, force, wait } => {
            let request = DeleteTaskSetRequest {
                cluster: context.in_cluster(),
                service: Some(service.clone()),
                task_set: Some(task_set_id(task_set)),
                force: Some(force),
            };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.delete_task_set(request).await)
                .await?;
            say(context, service, "deleted", answer.task_set, wait).await
        }
        Verb::Describe { service, task_sets, quiet } => {
            let ids = task_sets.into_iter().map(task_set_id).collect();
            let answer = ask(context, &context.cluster, &service, ids).await?;
            if quiet {
                let ids = answer.task_sets.iter().filter_map(|task_set| task_set.id.as_deref());
                crate::output::print(&ids.map(|id| format!("{id}\n")).collect::<String>())?;
            } else {
                context.screen.answer(&answer, || table(&answer.task_sets))?;
            }
            context.none_failed(&answer.failures)
        }
        Verb::SetPrimary { service, task_set } => {
            let request = UpdateServicePrimaryTaskSetRequest {
                cluster: context.in_cluster(),
                service: Some(service),
                primary_task_set: Some(task_set_id(task_set)),
            };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| {
                    ecs.update_service_primary_task_set(request).await
                })
                .await?;
            context.screen.answer_line(&answer, || line("set as primary:", answer.task_set.as_ref()))
        }
    }
}

async fn create(
    context: &Context,
    service: Option<String>,
    file: Option<PathBuf>,
    flags: CreateFlags,
    wait: Wait,
) -> Result<(), Failure> {
    let (mut request, source) = match file {
        Some(file) => {
            let loaded = load::<CreateTaskSetRequest>(&file, TASK_SET)?;
            loaded.notes.iter().for_each(|note| context.screen.note(&format!("note: {note}")));
            (loaded.request, Some(loaded.source))
        }
        None => (CreateTaskSetRequest::default(), None),
    };
    flags.merge(service, &mut request);
    request.cluster = context.cluster_over(request.cluster);
    if request.client_token.is_none() {
        request.client_token = Some(client_token()?);
    }
    let service = request.service.clone().unwrap_or_default();
    let context = Context { cluster: request.cluster.clone().unwrap_or_default(), ..context.clone() };
    let rules = |request: &_| rules::create_task_set(request).err().map(|error| error.message);
    let answer = context
        .client
        .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.create_task_set(request).await)
        .await
        .map_err(|failure: Failure| match &source {
            Some(source) => failure.placed(source, rules),
            None => failure,
        })?;
    say(&context, service, "created", answer.task_set, wait).await
}

/// Says what was done, after the wait where there is one.
async fn say(
    context: &Context,
    service: String,
    done: &str,
    task_set: Option<TaskSet>,
    wait: Wait,
) -> Result<(), Failure> {
    let task_set = match task_set {
        Some(task_set) if wait.wait => Some(settled(context, &service, task_set, wait.timeout).await?),
        task_set => task_set,
    };
    let answer = UpdateTaskSetResponse { task_set };
    context.screen.answer_line(&answer, || line(done, answer.task_set.as_ref()))
}

/// The task set once it is steady; the last that was seen of one that was deleted.
async fn settled(context: &Context, service: &str, mut last: TaskSet, timeout: Duration) -> Result<TaskSet, Failure> {
    let deadline = Instant::now() + timeout;
    let id = last.id.clone().unwrap_or_default();
    loop {
        let answer = ask(context, &context.cluster, service, vec![id.clone()]).await?;
        match answer.task_sets.into_iter().next() {
            Some(found) if found.stability_status == Some(StabilityStatus::SteadyState.into()) => return Ok(found),
            Some(found) => last = found,
            None if last.status.as_deref() == Some("DRAINING") => return Ok(last),
            None => return Err(Failure::Wait(format!("task set {id} is gone"))),
        }
        if Instant::now() >= deadline {
            let (running, wanted) = (number(last.running_count), number(last.computed_desired_count));
            let status = text(last.status.as_deref());
            let waited = timeout.as_secs();
            return Err(Failure::Wait(format!(
                "task set {id}: {status} with {running} of {wanted} tasks running after {waited} s"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn ask(
    context: &Context,
    cluster: &str,
    service: &str,
    task_sets: Vec<String>,
) -> Result<DescribeTaskSetsResponse, Failure> {
    let request = DescribeTaskSetsRequest {
        cluster: Some(cluster.to_owned()),
        service: Some(service.to_owned()),
        task_sets,
        include: vec![TaskSetField::Tags.into()],
    };
    context.client.ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_task_sets(request).await).await
}

fn line(done: &str, task_set: Option<&TaskSet>) -> String {
    let Some(task_set) = task_set else { return done.to_owned() };
    format!(
        "{done} task set {}: {}, {}, {} desired, {} running, {}",
        text(task_set.id.as_deref()),
        text(task_set.status.as_deref()),
        spelling::<StabilityStatus>(task_set.stability_status),
        number(task_set.computed_desired_count),
        number(task_set.running_count),
        name_of(task_set.task_definition.as_deref().unwrap_or_default()),
    )
}

/// Task sets for people.
#[must_use]
pub fn table(task_sets: &[TaskSet]) -> Table {
    let heading = [
        "TASK SET",
        "STATUS",
        "STABILITY",
        "SCALE",
        "DESIRED",
        "RUNNING",
        "PENDING",
        "TASK DEFINITION",
        "LAUNCH TYPE",
        "EXTERNAL ID",
        "AGE",
    ];
    let mut table = Table::new(&heading);
    let now = now();
    for task_set in task_sets {
        let scale = task_set.scale.as_ref().and_then(|scale| scale.value);
        table.row([
            text(task_set.id.as_deref()),
            text(task_set.status.as_deref()),
            spelling::<StabilityStatus>(task_set.stability_status),
            scale.map(|value| format!("{value}%")).unwrap_or_default(),
            number(task_set.computed_desired_count),
            number(task_set.running_count),
            number(task_set.pending_count),
            name_of(task_set.task_definition.as_deref().unwrap_or_default()).to_owned(),
            spelling::<LaunchType>(task_set.launch_type),
            text(task_set.external_id.as_deref()),
            age(now, task_set.created_at.as_ref()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{percent, task_set_id};

    #[test]
    fn a_percentage_and_an_id_are_read() {
        for (given, value) in [("50", 50.0), ("33.3", 33.3), ("50%", 50.0), ("0", 0.0)] {
            assert_eq!(percent(given), Ok(value));
        }
        for wrong in ["", "%", "half", "NaN", "inf"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!(task_set_id("123".into()), "ecs-svc/123");
        assert_eq!(task_set_id("ecs-svc/123".into()), "ecs-svc/123");
        assert_eq!(task_set_id("arn:x".into()), "arn:x");
    }
}
