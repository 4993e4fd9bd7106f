//! `drydock cluster`.

use clap::Subcommand;
use drydock_proto::control::GetCostsRequest;
use drydock_proto::ecs::{
    CapacityProviderStrategyItem, Cluster, CreateClusterRequest, DeleteClusterRequest, DescribeClustersResponse,
    ListClustersResponse, PutClusterCapacityProvidersRequest, Tag,
};

use super::{Context, cost, flags, pages};
use crate::client::{EcsApi, Kind};
use crate::failure::Failure;
use crate::output::words::{name_of, number, text};
use crate::output::{Format, Table};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Creates a cluster; one that exists already is answered as it is.
    Create {
        /// Its name: up to 255 letters, digits, - and _.
        #[arg(default_value = "default")]
        name: String,
        /// A tag; repeat for more.
        #[arg(long, value_name = "KEY=VALUE", value_parser = flags::tag)]
        tag: Vec<Tag>,
    },
    /// Sets the capacity providers of a cluster, and the strategy of tasks and services that name none; what is left out
    /// is taken away.
    PutCapacityProviders {
        /// Name or ARN.
        name: String,
        /// A capacity provider by name or ARN; repeat or separate by commas for more, up to 20.
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        capacity_provider: Vec<String>,
        /// The default strategy: NAME, NAME=WEIGHT or NAME=WEIGHT:BASE; repeat or separate by commas for more.
        #[arg(long, value_name = "ITEM", value_delimiter = ',', value_parser = flags::strategy_item)]
        default_strategy: Vec<CapacityProviderStrategyItem>,
    },
    /// Lists all clusters.
    #[command(visible_alias = "ls")]
    List,
    /// Describes clusters: those named, or else the one of --cluster.
    Describe {
        /// Names or ARNs.
        names: Vec<String>,
    },
    /// Deletes a cluster that holds no services, tasks and container instances.
    Delete {
        /// Name or ARN.
        name: String,
    },
}

/// Runs the verb.
///
/// # Errors
/// Those of the call, or an answer with failures.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create { name, tag } => create(context, name, tag).await,
        Verb::PutCapacityProviders { name, capacity_provider, default_strategy } => {
            let request = PutClusterCapacityProvidersRequest {
                cluster: Some(name.clone()),
                capacity_providers: capacity_provider,
                default_capacity_provider_strategy: default_strategy,
            };
            let call = async |mut ecs: EcsApi, request| ecs.put_cluster_capacity_providers(request).await;
            let answer = context.client.ecs(Kind::Idempotent, request, call).await?;
            let providers = answer.cluster.as_ref().map(|cluster| cluster.capacity_providers.join(", "));
            let line = || format!("cluster {name} has the capacity providers {}", text(providers.as_deref()));
            context.screen.answer_line(&answer, line)
        }
        Verb::List => list(context).await,
        Verb::Describe { names } => {
            let names = if names.is_empty() { vec![context.cluster.clone()] } else { names };
            let (clusters, failures) = pages::clusters(&context.client, &names).await?;
            let answer = DescribeClustersResponse { clusters, failures };
            describe(context, &answer).await?;
            context.none_failed(&answer.failures)
        }
        Verb::Delete { name } => {
            let request = DeleteClusterRequest { cluster: Some(name.clone()) };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.delete_cluster(request).await)
                .await?;
            context.screen.answer_line(&answer, || format!("deleted cluster {name}"))
        }
    }
}

async fn create(context: &Context, name: String, tags: Vec<Tag>) -> Result<(), Failure> {
    let request = CreateClusterRequest { cluster_name: Some(name), tags, ..Default::default() };
    let answer = context
        .client
        .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.create_cluster(request).await)
        .await?;
    context.screen.answer_line(&answer, || {
        let cluster = answer.cluster.clone().unwrap_or_default();
        format!("cluster {} is {}", text(cluster.cluster_name.as_deref()), text(cluster.status.as_deref()))
    })
}

async fn list(context: &Context) -> Result<(), Failure> {
    let arns = pages::cluster_arns(&context.client).await?;
    let clusters = match context.screen.format {
        Format::Table => pages::clusters(&context.client, &arns).await?.0,
        _ => Vec::new(),
    };
    let answer = ListClustersResponse { cluster_arns: arns, next_token: None };
    context.screen.answer(&answer, || table(&clusters))
}

/// Each cluster, with what all its tasks would have cost on Fargate.
async fn describe(context: &Context, answer: &DescribeClustersResponse) -> Result<(), Failure> {
    let mut costs = Vec::new();
    for cluster in answer.clusters.iter().filter(|cluster| cluster.status.as_deref() == Some("ACTIVE")) {
        let name = cluster.cluster_arn.clone().unwrap_or_default();
        let request = GetCostsRequest { cluster: name, whole_cluster: true, ..GetCostsRequest::default() };
        costs.push(cost::costs(context, request).await?);
    }
    if context.screen.format != Format::Table {
        return context.screen.document(&cost::WithCosts { answer, costs: &costs });
    }
    context.screen.rows(&table(&answer.clusters))?;
    for sum in costs.iter().filter_map(|costs| costs.cluster.as_ref()) {
        context.screen.line(&format!("{}: {}", name_of(&sum.arn), cost::of_all(sum)))?;
    }
    Ok(())
}

fn table(clusters: &[Cluster]) -> Table {
    let mut table = Table::new(&["CLUSTER", "STATUS", "SERVICES", "RUNNING", "PENDING", "INSTANCES"]);
    for cluster in clusters {
        table.row([
            text(cluster.cluster_name.as_deref()),
            text(cluster.status.as_deref()),
            number(cluster.active_services_count),
            number(cluster.running_tasks_count),
            number(cluster.pending_tasks_count),
            number(cluster.registered_container_instances_count),
        ]);
    }
    table
}
