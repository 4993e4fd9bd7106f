//! `drydock service`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use drydock_model::requests::services as rules;
use drydock_proto::control::{GetCostsRequest, GetCostsResponse};
use drydock_proto::ecs::{
    CreateServiceRequest, DeleteServiceRequest, DeploymentRolloutState, DescribeServicesResponse, ListServicesRequest,
    ListServicesResponse, Service, ServiceEvent, UpdateServiceRequest, UpdateServiceResponse,
};

use super::service_flags::{CreateFlags, UpdateFlags};
use super::task_definition::register_file;
use super::{Context, cost, explain, flags, pages, task_set, wait};
use crate::client::{Kind, client_token};
use crate::failure::Failure;
use crate::load::request::SERVICE;
use crate::load::{Loaded, Rules, Source, load};
use crate::output::live::Progress;
use crate::output::words::{age, clock, name_of, now, number, spelling, text};
use crate::output::{Format, Table};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Creates a service, from flags, a file, or both.
    Create {
        /// Its name.
        #[arg(required_unless_present = "file")]
        name: Option<String>,
        /// CreateService's input as a file (JSON or YAML, `-` is stdin). Flags win over it.
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What else it is told.
        #[command(flatten)]
        flags: Box<CreateFlags>,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Changes a service. A new task definition, network or --force-new-deployment starts a deployment.
    Update {
        /// Name or ARN.
        #[arg(required_unless_present = "file")]
        service: Option<String>,
        /// UpdateService's input as a file (JSON or YAML, `-` is stdin). Flags win over it.
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What else it is told.
        #[command(flatten)]
        flags: Box<UpdateFlags>,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Deploys: a task definition, a file that is registered first, or the present one anew.
    Deploy {
        /// Name or ARN.
        service: String,
        /// FAMILY (its latest revision), FAMILY:REVISION or ARN.
        #[arg(short, long, conflicts_with = "file")]
        task_definition: Option<String>,
        /// A task definition to register first (JSON or YAML, `-` is stdin).
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Sets how many tasks a service has.
    Scale {
        /// Name or ARN.
        service: String,
        /// desiredCount.
        #[arg(allow_negative_numbers = true)]
        count: i32,
        /// Whether to wait.
        #[command(flatten)]
        wait: Wait,
    },
    /// Lists the services of the cluster.
    #[command(visible_alias = "ls")]
    List,
    /// Describes services.
    Describe {
        /// Names or ARNs.
        #[arg(required = true, num_args = 1..=10)]
        services: Vec<String>,
    },
    /// Says what a service waits for and until when, why its tasks aren't placed, how its deployment stands.
    Explain {
        /// Name or ARN.
        service: String,
    },
    /// Deletes a service that is scaled to 0, or any with --force.
    Delete {
        /// Name or ARN.
        service: String,
        /// Stops its tasks, too.
        #[arg(long)]
        force: bool,
    },
    /// Shows a service's own events, the newest 100, oldest first.
    Events {
        /// Name or ARN.
        service: String,
    },
}

/// Whether and how to wait for a deployment.
#[derive(Debug, Clone, Copy, Args)]
pub struct Wait {
    /// Waits until the deployment is COMPLETED; fails (exit code 4) when it FAILED or took too long.
    #[arg(long)]
    pub wait: bool,
    /// Waits no longer than this.
    #[arg(long, default_value = "10m", value_parser = flags::duration, requires = "wait")]
    pub timeout: Duration,
    /// How the wait is shown.
    #[arg(long, value_enum, default_value_t, requires = "wait")]
    pub progress: Progress,
}

/// Runs the verb.
///
/// # Errors
/// A wrong file, those of the calls, an answer with failures, or a wait that ends badly.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create { name, file, flags, wait } => {
            let (mut request, source) = from_file::<CreateServiceRequest>(context, file.as_deref())?;
            flags.merge(name, &mut request);
            request.cluster = context.cluster_over(request.cluster);
            let rules = |request: &_| rules::create_service(request).err().map(|error| error.message);
            create(context, request, wait).await.map_err(|failure| placed(failure, source.as_ref(), rules))
        }
        Verb::Update { service, file, flags, wait } => {
            let (mut request, source) = from_file::<UpdateServiceRequest>(context, file.as_deref())?;
            flags.merge(service, &mut request);
            request.cluster = context.cluster_over(request.cluster);
            let rules = |request: &_| rules::update_service(request).err().map(|error| error.message);
            update(context, request, wait, "updated").await.map_err(|failure| placed(failure, source.as_ref(), rules))
        }
        Verb::Deploy { service, task_definition, file, wait } => {
            deploy(context, service, task_definition, file, wait).await
        }
        Verb::Scale { service, count, wait } => {
            let request = UpdateServiceRequest {
                cluster: context.in_cluster(),
                service: Some(service),
                desired_count: Some(count),
                ..Default::default()
            };
            update(context, request, wait, "scaled").await
        }
        Verb::List => list(context).await,
        Verb::Describe { services } => {
            let (services, failures) = pages::services(&context.client, &context.cluster, &services).await?;
            let answer = DescribeServicesResponse { services, failures };
            let arns = answer.services.iter().filter_map(|service| service.service_arn.clone()).collect();
            let request =
                GetCostsRequest { cluster: context.cluster.clone(), services: arns, ..GetCostsRequest::default() };
            let costs = cost::costs(context, request).await?;
            describe(context, &answer, &costs)?;
            context.none_failed(&answer.failures)
        }
        Verb::Explain { service } => explain::service(context, service).await,
        Verb::Delete { service, force } => {
            let request =
                DeleteServiceRequest { cluster: context.in_cluster(), service: Some(service), force: Some(force) };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.delete_service(request).await)
                .await?;
            context.screen.answer_line(&answer, || service_line("deleted", answer.service.as_ref()))
        }
        Verb::Events { service } => events(context, service).await,
    }
}

fn from_file<T: serde::de::DeserializeOwned + Default>(
    context: &Context,
    file: Option<&std::path::Path>,
) -> Result<(T, Option<Source>), Failure> {
    let Some(file) = file else { return Ok((T::default(), None)) };
    let Loaded { request, notes, source } = load(file, SERVICE)?;
    notes.iter().for_each(|note| context.screen.note(&format!("note: {note}")));
    Ok((request, Some(source)))
}

/// With the place in the file, where it is about a value of one.
fn placed<T: serde::de::DeserializeOwned>(failure: Failure, source: Option<&Source>, rules: Rules<T>) -> Failure {
    match source {
        Some(source) => failure.placed(source, rules),
        None => failure,
    }
}

fn service_line(done: &str, service: Option<&Service>) -> String {
    let Some(service) = service else { return done.to_owned() };
    format!(
        "{done} service {}: {}, {} desired, {} running, {}",
        text(service.service_name.as_deref()),
        text(service.status.as_deref()),
        number(service.desired_count),
        number(service.running_count),
        name_of(service.task_definition.as_deref().unwrap_or_default()),
    )
}

/// Creates a service; with `wait` until its deployment ends.
///
/// # Errors
/// Those of the call and of the wait.
pub async fn create(context: &Context, mut request: CreateServiceRequest, wait: Wait) -> Result<(), Failure> {
    if request.client_token.is_none() {
        request.client_token = Some(client_token()?);
    }
    let cluster = request.cluster.clone();
    let answer = context
        .client
        .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.create_service(request).await)
        .await?;
    let service = answer.service.clone();
    if !wait.wait {
        return context.screen.answer_line(&answer, || service_line("created", service.as_ref()));
    }
    let context = Context { cluster: cluster.unwrap_or_default(), ..context.clone() };
    let service = wait::service(&context, &service.unwrap_or_default(), wait).await?;
    let answer = UpdateServiceResponse { service: Some(service) };
    context.screen.answer_line(&answer, || service_line("created", answer.service.as_ref()))
}

async fn update(context: &Context, request: UpdateServiceRequest, wait: Wait, done: &str) -> Result<(), Failure> {
    let forces = request.force_new_deployment == Some(true);
    let kind = if forces { Kind::Once } else { Kind::Idempotent };
    let cluster = request.cluster.clone();
    let mut answer =
        context.client.ecs(kind, request, async |mut ecs, request| ecs.update_service(request).await).await?;
    if wait.wait {
        let context = Context { cluster: cluster.unwrap_or_default(), ..context.clone() };
        let service = answer.service.take().unwrap_or_default();
        answer.service = Some(wait::service(&context, &service, wait).await?);
    }
    context.screen.answer_line(&answer, || service_line(done, answer.service.as_ref()))
}

async fn deploy(
    context: &Context,
    service: String,
    task_definition: Option<String>,
    file: Option<PathBuf>,
    wait: Wait,
) -> Result<(), Failure> {
    let task_definition = match file {
        Some(file) => {
            let registered = register_file(context, &file).await?.task_definition.unwrap_or_default();
            context.screen.note(&format!("registered {}", super::task_definition::short_name(&registered)));
            registered.task_definition_arn
        }
        None => task_definition,
    };
    // The same definition again is no change to ECS; whoever says `deploy` wants new tasks.
    let request = UpdateServiceRequest {
        cluster: context.in_cluster(),
        service: Some(service),
        force_new_deployment: Some(true),
        task_definition,
        ..Default::default()
    };
    update(context, request, wait, "deployed").await
}

async fn list(context: &Context) -> Result<(), Failure> {
    let request = ListServicesRequest { cluster: context.in_cluster(), ..Default::default() };
    let arns = pages::service_arns(&context.client, request).await?;
    let services = match context.screen.format {
        Format::Table => pages::services(&context.client, &context.cluster, &arns).await?.0,
        _ => Vec::new(),
    };
    let answer = ListServicesResponse { service_arns: arns, next_token: None };
    context.screen.answer(&answer, || table(&services))
}

fn rollout(service: &Service) -> String {
    let primary = service.deployments.iter().find(|d| d.status.as_deref() == Some("PRIMARY"));
    primary.map(|d| spelling::<DeploymentRolloutState>(d.rollout_state)).unwrap_or_default()
}

/// Services for people.
#[must_use]
pub fn table(services: &[Service]) -> Table {
    let heading = ["SERVICE", "STATUS", "DESIRED", "RUNNING", "PENDING", "TASK DEFINITION", "ROLLOUT", "AGE"];
    let mut table = Table::new(&heading);
    let now = now();
    for service in services {
        table.row([
            text(service.service_name.as_deref()),
            text(service.status.as_deref()),
            number(service.desired_count),
            number(service.running_count),
            number(service.pending_count),
            name_of(service.task_definition.as_deref().unwrap_or_default()).to_owned(),
            rollout(service),
            age(now, service.created_at.as_ref()),
        ]);
    }
    table
}

/// Events that a description shows.
const EVENTS_SHOWN: usize = 10;

fn describe(context: &Context, answer: &DescribeServicesResponse, costs: &GetCostsResponse) -> Result<(), Failure> {
    if context.screen.format != Format::Table {
        return context.screen.document(&cost::WithCosts { answer, costs });
    }
    context.screen.rows(&table(&answer.services))?;
    for service in &answer.services {
        context.screen.line(&format!("\n{}", text(service.service_arn.as_deref())))?;
        if let Some(sum) = costs.services.iter().find(|sum| Some(&sum.arn) == service.service_arn.as_ref()) {
            context.screen.line(&cost::of_all(sum))?;
        }
        let mut deployments = Table::new(&[
            "DEPLOYMENT",
            "STATUS",
            "ROLLOUT",
            "TASK DEFINITION",
            "DESIRED",
            "RUNNING",
            "PENDING",
            "FAILED",
        ]);
        for deployment in &service.deployments {
            deployments.row([
                text(deployment.id.as_deref()),
                text(deployment.status.as_deref()),
                spelling::<DeploymentRolloutState>(deployment.rollout_state),
                name_of(deployment.task_definition.as_deref().unwrap_or_default()).to_owned(),
                number(deployment.desired_count),
                number(deployment.running_count),
                number(deployment.pending_count),
                number(deployment.failed_tasks),
            ]);
        }
        if service.task_sets.is_empty() {
            context.screen.rows(&deployments)?;
        } else {
            context.screen.rows(&task_set::table(&service.task_sets))?;
        }
        // ECS gives the newest first.
        for event in service.events.iter().take(EVENTS_SHOWN).rev() {
            context.screen.line(&event_line(event))?;
        }
    }
    Ok(())
}

/// An event of a service on one line.
#[must_use]
pub fn event_line(event: &ServiceEvent) -> String {
    format!("{}  {}", clock(event.created_at.as_ref()), text(event.message.as_deref()))
}

async fn events(context: &Context, service: String) -> Result<(), Failure> {
    let (services, failures) = pages::services(&context.client, &context.cluster, &[service]).await?;
    context.none_failed(&failures)?;
    let events: Vec<ServiceEvent> = services.into_iter().flat_map(|service| service.events).rev().collect();
    if context.screen.format != Format::Table {
        return context.screen.document(&events);
    }
    events.iter().try_for_each(|event| context.screen.line(&event_line(event)))
}
