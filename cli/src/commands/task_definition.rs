//! `drydock task-definition`.

use std::path::PathBuf;

use clap::Subcommand;
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::{
    ContainerDefinition, DeleteTaskDefinitionsRequest, DeregisterTaskDefinitionRequest, DescribeTaskDefinitionRequest,
    ListTaskDefinitionFamiliesRequest, ListTaskDefinitionFamiliesResponse, ListTaskDefinitionsRequest,
    ListTaskDefinitionsResponse, NetworkMode, RegisterTaskDefinitionRequest, RegisterTaskDefinitionResponse, SortOrder,
    TaskDefinition, TaskDefinitionField, TaskDefinitionStatus,
};

use super::{Context, pages};
use crate::client::Kind;
use crate::failure::Failure;
use crate::load::request::TASK_DEFINITION;
use crate::load::{Loaded, load};
use crate::output::words::{name_of, number, spelling, text};
use crate::output::{Format, Table};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Registers a new revision from a file: the JSON that `aws ecs register-task-definition --cli-input-json` takes,
    /// the output of describe-task-definition, or the same as YAML.
    Register {
        /// The file; `-` is stdin.
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Lists revisions, the latest of each family last.
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this family.
        #[arg(long)]
        family: Option<String>,
        /// Only those of this status.
        #[arg(long, value_enum, default_value_t)]
        status: Status,
        /// The newest first.
        #[arg(long)]
        newest_first: bool,
        /// Lists the families and not their revisions.
        #[arg(long, conflicts_with = "newest_first")]
        families: bool,
    },
    /// Describes a revision.
    Describe {
        /// FAMILY (its latest ACTIVE revision), FAMILY:REVISION or ARN.
        task_definition: String,
    },
    /// Makes a revision INACTIVE: what runs with it runs on, nothing new uses it.
    Deregister {
        /// FAMILY:REVISION or ARN.
        task_definition: String,
    },
    /// Deletes INACTIVE revisions.
    Delete {
        /// FAMILY:REVISION or ARN; up to ten.
        #[arg(required = true, num_args = 1..=10)]
        task_definitions: Vec<String>,
    },
}

/// Status filter of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Usable.
    #[default]
    Active,
    /// Deregistered.
    Inactive,
    /// Deleted, but still used by something.
    DeleteInProgress,
}

impl From<Status> for TaskDefinitionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Inactive => Self::Inactive,
            Status::DeleteInProgress => Self::DeleteInProgress,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// A wrong file, those of the call, or an answer with failures.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Register { file } => {
            let answer = register_file(context, &file).await?;
            context.screen.answer_line(&answer, || registered(&answer))
        }
        Verb::List { family, families: true, status, .. } => list_families(context, family, status).await,
        Verb::List { family, status, newest_first, .. } => list(context, family, status, newest_first).await,
        Verb::Describe { task_definition } => describe(context, task_definition).await,
        Verb::Deregister { task_definition } => {
            let request = DeregisterTaskDefinitionRequest { task_definition: Some(task_definition) };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.deregister_task_definition(request).await)
                .await?;
            let definition = answer.task_definition.clone().unwrap_or_default();
            let line = || format!("{} is {}", short_name(&definition), status_of(&definition));
            context.screen.answer_line(&answer, line)
        }
        Verb::Delete { task_definitions } => {
            let request = DeleteTaskDefinitionsRequest { task_definitions };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.delete_task_definitions(request).await)
                .await?;
            context.screen.answer(&answer, || {
                let mut table = Table::new(&["TASK DEFINITION", "STATUS"]);
                answer.task_definitions.iter().for_each(|d| table.row([short_name(d), status_of(d)]));
                table
            })?;
            context.none_failed(&answer.failures)
        }
    }
}

/// Loads a file and registers what it holds; notes about the file go to stderr.
///
/// # Errors
/// A wrong file, or those of the call.
pub async fn register_file(
    context: &Context,
    file: &std::path::Path,
) -> Result<RegisterTaskDefinitionResponse, Failure> {
    let Loaded { request, notes, source } = load::<RegisterTaskDefinitionRequest>(file, TASK_DEFINITION)?;
    notes.iter().for_each(|note| context.screen.note(&format!("note: {note}")));
    let rules = |request: &_| validate_registration(request).err().map(|error| error.message);
    register(context, request).await.map_err(|failure| failure.placed(&source, rules))
}

/// Registers a task definition.
///
/// # Errors
/// Those of the call.
pub async fn register(
    context: &Context,
    request: RegisterTaskDefinitionRequest,
) -> Result<RegisterTaskDefinitionResponse, Failure> {
    context.client.ecs(Kind::Once, request, async |mut ecs, request| ecs.register_task_definition(request).await).await
}

/// `registered web:3`.
#[must_use]
pub fn registered(answer: &RegisterTaskDefinitionResponse) -> String {
    format!("registered {}", answer.task_definition.as_ref().map(short_name).unwrap_or_default())
}

/// `family:revision`.
#[must_use]
pub fn short_name(definition: &TaskDefinition) -> String {
    format!("{}:{}", definition.family.as_deref().unwrap_or_default(), definition.revision.unwrap_or_default())
}

fn status_of(definition: &TaskDefinition) -> String {
    spelling::<TaskDefinitionStatus>(definition.status)
}

async fn list(context: &Context, family: Option<String>, status: Status, newest_first: bool) -> Result<(), Failure> {
    let sort = if newest_first { SortOrder::Desc } else { SortOrder::Asc };
    let arns = pages::all(async |next_token| {
        let request = ListTaskDefinitionsRequest {
            family_prefix: family.clone(),
            status: Some(TaskDefinitionStatus::from(status).into()),
            sort: Some(sort.into()),
            next_token,
            max_results: Some(100),
        };
        let answer = context
            .client
            .ecs(Kind::Read, request, async |mut ecs, request| ecs.list_task_definitions(request).await)
            .await?;
        Ok((answer.task_definition_arns, answer.next_token))
    })
    .await?;
    let answer = ListTaskDefinitionsResponse { task_definition_arns: arns, next_token: None };
    context.screen.answer(&answer, || {
        let mut table = Table::new(&["FAMILY", "REVISION"]);
        for arn in &answer.task_definition_arns {
            let (family, revision) = name_of(arn).rsplit_once(':').unwrap_or((name_of(arn), ""));
            table.row([family.to_owned(), revision.to_owned()]);
        }
        table
    })
}

async fn list_families(context: &Context, prefix: Option<String>, status: Status) -> Result<(), Failure> {
    use drydock_proto::ecs::TaskDefinitionFamilyStatus as Families;
    let status = if status == Status::Active { Families::Active } else { Families::Inactive };
    let families = pages::all(async |next_token| {
        let request = ListTaskDefinitionFamiliesRequest {
            family_prefix: prefix.clone(),
            status: Some(status.into()),
            next_token,
            max_results: Some(100),
        };
        let answer = context
            .client
            .ecs(Kind::Read, request, async |mut ecs, request| ecs.list_task_definition_families(request).await)
            .await?;
        Ok((answer.families, answer.next_token))
    })
    .await?;
    let answer = ListTaskDefinitionFamiliesResponse { families, next_token: None };
    context.screen.answer(&answer, || {
        let mut table = Table::new(&["FAMILY"]);
        answer.families.iter().for_each(|family| table.row([family.clone()]));
        table
    })
}

async fn describe(context: &Context, task_definition: String) -> Result<(), Failure> {
    let request = DescribeTaskDefinitionRequest {
        task_definition: Some(task_definition),
        include: vec![TaskDefinitionField::Tags.into()],
    };
    let answer = context
        .client
        .ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_task_definition(request).await)
        .await?;
    if context.screen.format != Format::Table {
        return context.screen.document(&answer);
    }
    let definition = answer.task_definition.unwrap_or_default();
    let mut facts = vec![format!("{}  {}", short_name(&definition), status_of(&definition))];
    let network = spelling::<NetworkMode>(definition.network_mode);
    for (name, value) in [
        ("cpu", text(definition.cpu.as_deref())),
        ("memory", text(definition.memory.as_deref())),
        ("network mode", network),
        ("task role", text(definition.task_role_arn.as_deref())),
        ("execution role", text(definition.execution_role_arn.as_deref())),
    ] {
        if !value.is_empty() {
            facts.push(format!("{name}: {value}"));
        }
    }
    context.screen.line(&facts.join("\n"))?;
    context.screen.line("")?;
    context.screen.table(&containers(&definition.container_definitions))?;
    context.screen.line("\nevery field: --output json")
}

fn containers(definitions: &[ContainerDefinition]) -> Table {
    let mut table = Table::new(&["CONTAINER", "IMAGE", "ESSENTIAL", "CPU", "MEMORY", "PORTS", "DEPENDS ON"]);
    for container in definitions {
        let ports: Vec<String> = container
            .port_mappings
            .iter()
            .map(|port| port.container_port_range.clone().unwrap_or_else(|| number(port.container_port)))
            .collect();
        let depends: Vec<&str> = container.depends_on.iter().filter_map(|d| d.container_name.as_deref()).collect();
        table.row([
            text(container.name.as_deref()),
            text(container.image.as_deref()),
            if container.essential.unwrap_or(true) { "yes".into() } else { "no".into() },
            number(container.cpu),
            number(container.memory.or(container.memory_reservation)),
            ports.join(","),
            depends.join(","),
        ]);
    }
    table
}
