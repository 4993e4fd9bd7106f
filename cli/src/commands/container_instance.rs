//! `drydock container-instance`.

use clap::Subcommand;
use drydock_proto::ecs::{
    ContainerInstance, ContainerInstanceStatus, DeregisterContainerInstanceRequest, DescribeContainerInstancesResponse,
    ListContainerInstancesResponse, Resource, UpdateContainerInstancesStateRequest,
};

use super::{Context, ids, pages};
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::words::{age, name_of, now, number, short_id, text};
use crate::output::{Format, Table};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists the container instances of the cluster.
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this status.
        #[arg(long, value_enum)]
        status: Option<Status>,
        /// Only those that this expression of the cluster query language matches.
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        /// Prints whole ids only, one a line.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Describes container instances.
    Describe {
        /// Ids, the starts of ids, or ARNs.
        #[arg(required = true, num_args = 1..=100)]
        instances: Vec<String>,
    },
    /// Sets instances to DRAINING: nothing new is placed on them, service tasks move away.
    Drain {
        /// Ids, the starts of ids, or ARNs.
        #[arg(required = true, num_args = 1..=10)]
        instances: Vec<String>,
    },
    /// Sets instances to ACTIVE.
    Activate {
        /// Ids, the starts of ids, or ARNs.
        #[arg(required = true, num_args = 1..=10)]
        instances: Vec<String>,
    },
    /// Takes an instance out of its cluster for good.
    Deregister {
        /// Id, the start of an id, or ARN.
        instance: String,
        /// Even while tasks run on it: they are orphaned.
        #[arg(long)]
        force: bool,
    },
}

/// Status filter of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Takes tasks.
    Active,
    /// Takes no new tasks.
    Draining,
    /// Joins.
    Registering,
    /// Leaves.
    Deregistering,
    /// Couldn't join.
    RegistrationFailed,
}

impl From<Status> for ContainerInstanceStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Draining => Self::Draining,
            Status::Registering => Self::Registering,
            Status::Deregistering => Self::Deregistering,
            Status::RegistrationFailed => Self::RegistrationFailed,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// Those of the call, or an answer with failures.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List { status, filter, quiet } => list(context, status.map(Into::into), filter, quiet).await,
        Verb::Describe { instances } => {
            let instances = ids::instances(context, &instances).await?;
            let (container_instances, failures) =
                pages::instances(&context.client, &context.cluster, &instances).await?;
            let answer = DescribeContainerInstancesResponse { container_instances, failures };
            describe(context, &answer)?;
            context.none_failed(&answer.failures)
        }
        Verb::Drain { instances } => set(context, &instances, ContainerInstanceStatus::Draining).await,
        Verb::Activate { instances } => set(context, &instances, ContainerInstanceStatus::Active).await,
        Verb::Deregister { instance, force } => {
            let request = DeregisterContainerInstanceRequest {
                cluster: context.in_cluster(),
                container_instance: Some(ids::instance(context, &instance).await?),
                force: Some(force),
            };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| {
                    ecs.deregister_container_instance(request).await
                })
                .await?;
            context.screen.answer_line(&answer, || format!("deregistered {instance}"))
        }
    }
}

async fn list(
    context: &Context,
    status: Option<ContainerInstanceStatus>,
    filter: Option<String>,
    quiet: bool,
) -> Result<(), Failure> {
    let arns = pages::instance_arns(&context.client, &context.cluster, status, filter).await?;
    if quiet {
        return crate::output::print(&arns.iter().map(|arn| format!("{}\n", name_of(arn))).collect::<String>());
    }
    let instances = match context.screen.format {
        Format::Table => pages::instances(&context.client, &context.cluster, &arns).await?.0,
        _ => Vec::new(),
    };
    let answer = ListContainerInstancesResponse { container_instance_arns: arns, next_token: None };
    context.screen.answer(&answer, || table(&instances))
}

async fn set(context: &Context, instances: &[String], status: ContainerInstanceStatus) -> Result<(), Failure> {
    let request = UpdateContainerInstancesStateRequest {
        cluster: context.in_cluster(),
        container_instances: ids::instances(context, instances).await?,
        status: Some(status.into()),
    };
    let answer = context
        .client
        .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.update_container_instances_state(request).await)
        .await?;
    context.answer_beside(&answer, &answer.failures, || table(&answer.container_instances))
}

/// Instances for people; CPU in units and memory in MiB, what is free of what there is.
#[must_use]
pub fn table(instances: &[ContainerInstance]) -> Table {
    let mut table =
        Table::new(&["INSTANCE", "STATUS", "AGENT", "ZONE", "RUNNING", "PENDING", "CPU FREE", "MEMORY FREE", "AGE"]);
    let now = now();
    for instance in instances {
        table.row([
            short_id(instance.container_instance_arn.as_deref().unwrap_or_default()),
            text(instance.status.as_deref()),
            if instance.agent_connected.unwrap_or_default() { "connected".into() } else { "disconnected".into() },
            attribute(instance, "ecs.availability-zone"),
            number(instance.running_tasks_count),
            number(instance.pending_tasks_count),
            share(instance, "CPU"),
            share(instance, "MEMORY"),
            age(now, instance.registered_at.as_ref()),
        ]);
    }
    table
}

fn attribute(instance: &ContainerInstance, name: &str) -> String {
    let found = instance.attributes.iter().find(|attribute| attribute.name.as_deref() == Some(name));
    found.and_then(|attribute| attribute.value.clone()).unwrap_or_default()
}

fn share(instance: &ContainerInstance, name: &str) -> String {
    let of = |resources: &[Resource]| {
        resources.iter().find(|r| r.name.as_deref() == Some(name)).and_then(|resource| resource.integer_value)
    };
    match (of(&instance.remaining_resources), of(&instance.registered_resources)) {
        (Some(free), Some(all)) => format!("{free}/{all}"),
        _ => String::new(),
    }
}

fn describe(context: &Context, answer: &DescribeContainerInstancesResponse) -> Result<(), Failure> {
    if context.screen.format != Format::Table {
        return context.screen.document(answer);
    }
    context.screen.rows(&table(&answer.container_instances))?;
    for instance in &answer.container_instances {
        context.screen.line(&format!("\n{}", instance.container_instance_arn.as_deref().unwrap_or_default()))?;
        let mut attributes = Table::new(&["ATTRIBUTE", "VALUE"]);
        let shown = instance.attributes.iter().filter(|a| a.value.as_deref().is_some_and(|value| !value.is_empty()));
        shown.for_each(|a| attributes.row([text(a.name.as_deref()), text(a.value.as_deref())]));
        context.screen.rows(&attributes)?;
    }
    Ok(())
}
