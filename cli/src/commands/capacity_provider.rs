//! `drydock capacity-provider`.

use clap::{Args, Subcommand};
use drydock_proto::control::{DescribeScalingRequest, DescribeScalingResponse, ScalingDecision};
use drydock_proto::ecs::{
    AutoScalingGroupProvider, AutoScalingGroupProviderUpdate, CapacityProvider, CapacityProviderField,
    CapacityProviderStatus, CapacityProviderType, CapacityProviderUpdateStatus, CreateCapacityProviderRequest,
    DeleteCapacityProviderRequest, DescribeCapacityProvidersRequest, DescribeCapacityProvidersResponse,
    ManagedDraining, ManagedScaling, ManagedScalingStatus, ManagedTerminationProtection, Tag,
    UpdateCapacityProviderRequest,
};

use super::{Context, flags};
use crate::client::{ControlApi, EcsApi, Kind};
use crate::failure::Failure;
use crate::output::words::{age, name_of, now, number, spelling, text};
use crate::output::{Format, Table};

/// Pages of DescribeCapacityProviders that are read: an account has at most 1,000 providers, ten a page.
const PAGES_MAX: usize = 101;

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Creates a capacity provider of an Auto Scaling group: agents join it with --capacity-provider.
    Create {
        /// Its name: up to 255 letters, digits, - and _; not beginning with aws, ecs or fargate.
        name: String,
        /// Name or ARN of the Auto Scaling group, for whoever starts the machines.
        #[arg(long, value_name = "GROUP")]
        auto_scaling_group: String,
        /// How it is scaled.
        #[command(flatten)]
        scaling: Scaling,
        /// A tag; repeat for more.
        #[arg(long, value_name = "KEY=VALUE", value_parser = flags::tag)]
        tag: Vec<Tag>,
    },
    /// Changes how a capacity provider is scaled.
    Update {
        /// Name or ARN.
        name: String,
        /// How it is scaled.
        #[command(flatten)]
        scaling: Scaling,
    },
    /// Lists all capacity providers.
    #[command(visible_alias = "ls")]
    List,
    /// Describes capacity providers, with what managed scaling decided for them in each cluster.
    Describe {
        /// Names or ARNs.
        #[arg(required = true, num_args = 1..=100)]
        names: Vec<String>,
    },
    /// Deletes a capacity provider that no cluster has.
    Delete {
        /// Name or ARN.
        name: String,
    },
}

/// ENABLED or DISABLED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Switch {
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

/// `managedScaling` and what goes with it.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Scaling {
    /// Whether a desired size is decided, and tasks without an instance wait for one (ECS: DISABLED).
    #[arg(long, value_enum)]
    managed_scaling: Option<Switch>,
    /// Percent of the instances that should be in use (ECS: 100).
    #[arg(long, value_name = "PERCENT")]
    target_capacity: Option<i32>,
    /// Instances added at once, at least (ECS: 1).
    #[arg(long, value_name = "INSTANCES")]
    minimum_scaling_step_size: Option<i32>,
    /// Instances added at once, at most (ECS: 10000).
    #[arg(long, value_name = "INSTANCES")]
    maximum_scaling_step_size: Option<i32>,
    /// Seconds for which instances that were asked for count as there (ECS: 300).
    #[arg(long, value_name = "SECONDS")]
    instance_warmup_period: Option<i32>,
    /// Whether scale-in spares instances with tasks of their own (ECS: DISABLED).
    #[arg(long, value_enum)]
    managed_termination_protection: Option<Switch>,
    /// Whether instances that scale-in chooses begin to drain (ECS: ENABLED).
    #[arg(long, value_enum)]
    managed_draining: Option<Switch>,
}

impl Scaling {
    fn managed_scaling(self) -> Option<ManagedScaling> {
        let scaling = ManagedScaling {
            status: self.managed_scaling.map(|switch| match switch {
                Switch::Enabled => ManagedScalingStatus::Enabled.into(),
                Switch::Disabled => ManagedScalingStatus::Disabled.into(),
            }),
            target_capacity: self.target_capacity,
            minimum_scaling_step_size: self.minimum_scaling_step_size,
            maximum_scaling_step_size: self.maximum_scaling_step_size,
            instance_warmup_period: self.instance_warmup_period,
        };
        (scaling != ManagedScaling::default()).then_some(scaling)
    }

    fn protection(self) -> Option<i32> {
        self.managed_termination_protection.map(|switch| match switch {
            Switch::Enabled => ManagedTerminationProtection::Enabled.into(),
            Switch::Disabled => ManagedTerminationProtection::Disabled.into(),
        })
    }

    fn draining(self) -> Option<i32> {
        self.managed_draining.map(|switch| match switch {
            Switch::Enabled => ManagedDraining::Enabled.into(),
            Switch::Disabled => ManagedDraining::Disabled.into(),
        })
    }
}

/// Runs the verb.
///
/// # Errors
/// Those of the calls, or an answer with failures.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create { name, auto_scaling_group, scaling, tag } => {
            let request = CreateCapacityProviderRequest {
                name: Some(name),
                auto_scaling_group_provider: Some(AutoScalingGroupProvider {
                    auto_scaling_group_arn: Some(auto_scaling_group),
                    managed_scaling: scaling.managed_scaling(),
                    managed_termination_protection: scaling.protection(),
                    managed_draining: scaling.draining(),
                }),
                tags: tag,
                ..Default::default()
            };
            let call = async |mut ecs: EcsApi, request| ecs.create_capacity_provider(request).await;
            let answer = context.client.ecs(Kind::Once, request, call).await?;
            context.screen.answer_line(&answer, || line("created", answer.capacity_provider.as_ref()))
        }
        Verb::Update { name, scaling } => {
            let request = UpdateCapacityProviderRequest {
                name: Some(name),
                auto_scaling_group_provider: Some(AutoScalingGroupProviderUpdate {
                    managed_scaling: scaling.managed_scaling(),
                    managed_termination_protection: scaling.protection(),
                    managed_draining: scaling.draining(),
                }),
                ..Default::default()
            };
            let call = async |mut ecs: EcsApi, request| ecs.update_capacity_provider(request).await;
            let answer = context.client.ecs(Kind::Idempotent, request, call).await?;
            context.screen.answer_line(&answer, || line("updated", answer.capacity_provider.as_ref()))
        }
        Verb::List => {
            let answer = providers(context, Vec::new()).await?;
            context.screen.answer(&answer, || table(&answer.capacity_providers))
        }
        Verb::Describe { names } => describe(context, names).await,
        Verb::Delete { name } => delete(context, name).await,
    }
}

async fn delete(context: &Context, name: String) -> Result<(), Failure> {
    let request = DeleteCapacityProviderRequest { capacity_provider: Some(name), ..Default::default() };
    let call = async |mut ecs: EcsApi, request| ecs.delete_capacity_provider(request).await;
    let answer = context.client.ecs(Kind::Once, request, call).await?;
    let provider = answer.capacity_provider.as_ref();
    if provider.is_some_and(|p| p.update_status() == CapacityProviderUpdateStatus::DeleteFailed) {
        return Err(Failure::Partly(text(provider.and_then(|p| p.update_status_reason.as_deref()))));
    }
    context.screen.answer_line(&answer, || line("deleted", provider))
}

/// All pages.
async fn providers(context: &Context, names: Vec<String>) -> Result<DescribeCapacityProvidersResponse, Failure> {
    let mut all = DescribeCapacityProvidersResponse::default();
    let mut request = DescribeCapacityProvidersRequest {
        capacity_providers: names,
        include: vec![CapacityProviderField::Tags.into()],
        ..Default::default()
    };
    for _ in 0..PAGES_MAX {
        let call = async |mut ecs: EcsApi, request| ecs.describe_capacity_providers(request).await;
        let page = context.client.ecs(Kind::Read, request.clone(), call).await?;
        all.capacity_providers.extend(page.capacity_providers);
        all.failures = page.failures;
        request.next_token = page.next_token;
        if request.next_token.is_none() {
            break;
        }
    }
    Ok(all)
}

async fn describe(context: &Context, names: Vec<String>) -> Result<(), Failure> {
    let answer = providers(context, names).await?;
    if context.screen.format != Format::Table {
        context.screen.document(&answer)?;
        return context.none_failed(&answer.failures);
    }
    context.screen.rows(&table(&answer.capacity_providers))?;
    let request = DescribeScalingRequest::default();
    let call = async |mut control: ControlApi, request| control.describe_scaling(request).await;
    let scaling: DescribeScalingResponse = context.client.control(Kind::Read, request, call).await?;
    let described = |decision: &&ScalingDecision| {
        let arn = Some(decision.capacity_provider_arn.as_str());
        answer.capacity_providers.iter().any(|provider| provider.capacity_provider_arn.as_deref() == arn)
    };
    let decisions: Vec<&ScalingDecision> = scaling.decisions.iter().filter(described).collect();
    if !decisions.is_empty() {
        context.screen.line("")?;
        context.screen.rows(&decided(&decisions))?;
    }
    context.none_failed(&answer.failures)
}

fn line(done: &str, provider: Option<&CapacityProvider>) -> String {
    format!("{done} capacity provider {}", text(provider.and_then(|provider| provider.name.as_deref())))
}

fn table(providers: &[CapacityProvider]) -> Table {
    let mut table = Table::new(&["CAPACITY PROVIDER", "TYPE", "STATUS", "SCALING", "TARGET", "LAST UPDATE"]);
    for provider in providers {
        let scaling = provider.auto_scaling_group_provider.as_ref().and_then(|group| group.managed_scaling);
        table.row([
            text(provider.name.as_deref()),
            spelling::<CapacityProviderType>(provider.r#type),
            spelling::<CapacityProviderStatus>(provider.status),
            spelling::<ManagedScalingStatus>(scaling.and_then(|scaling| scaling.status)),
            number(scaling.and_then(|scaling| scaling.target_capacity)),
            spelling::<CapacityProviderUpdateStatus>(provider.update_status),
        ]);
    }
    table
}

/// What managed scaling decided, a line a cluster.
fn decided(decisions: &[&ScalingDecision]) -> Table {
    let heading =
        ["CLUSTER", "CAPACITY PROVIDER", "NEEDED", "RUNNING", "RESERVATION %", "TARGET %", "DESIRED", "LEAVING", "AGE"];
    let mut table = Table::new(&heading);
    let now = now();
    for decision in decisions {
        table.row([
            name_of(&decision.cluster_arn).to_owned(),
            name_of(&decision.capacity_provider_arn).to_owned(),
            decision.needed.to_string(),
            decision.running.to_string(),
            decision.reservation_percent.to_string(),
            decision.target_percent.to_string(),
            decision.desired_size.to_string(),
            decision.leaving_container_instance_arns.len().to_string(),
            age(now, decision.decided_at.as_ref()),
        ]);
    }
    table
}
