//! `drydock service-deployment`: ECS's ServiceDeployments, the machine under `deployments[]`.

use clap::{Subcommand, ValueEnum};
use drydock_proto::ecs::{
    ContinueServiceDeploymentRequest, DeploymentLifecycleHookAction, DeploymentLifecycleHookStatus,
    DescribeServiceDeploymentsRequest, DescribeServiceDeploymentsResponse, ListServiceDeploymentsRequest,
    ListServiceDeploymentsResponse, ServiceDeployment, ServiceDeploymentLifecycleStage,
    ServiceDeploymentRollbackMonitorsStatus, ServiceDeploymentStatus, StopServiceDeploymentRequest,
    StopServiceDeploymentStopType,
};

use super::{Context, pages};
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::words::{age, clock, instant, name_of, now, number, spelling, text, until};
use crate::output::{Format, Table};

/// Verbs of the noun. A deployment is named by its ARN or its end, SERVICE/ID; a service's name stands for its newest one.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists the deployments of a service, newest first.
    #[command(visible_alias = "ls")]
    List {
        /// Name or ARN of the service.
        service: String,
    },
    /// Describes a deployment: its stage, hooks, circuit breaker and rollback.
    Describe {
        /// SERVICE/ID or ARN of the deployment; or the name of the service, for its newest.
        deployment: String,
    },
    /// Stops a deployment that goes on; by default it is rolled back to the one that completed last.
    Stop {
        /// SERVICE/ID or ARN of the deployment; or the name of the service, for its newest.
        deployment: String,
        /// ROLLBACK, or ABORT: both revisions are left as they are.
        #[arg(long, value_enum, default_value_t = StopType::Rollback)]
        stop_type: StopType,
    },
    /// Acts on a lifecycle hook at which a deployment is paused.
    Continue {
        /// SERVICE/ID or ARN of the deployment; or the name of the service, for its newest.
        deployment: String,
        /// The hook's id; the one that waits where there is only one.
        #[arg(long)]
        hook_id: Option<String>,
        /// CONTINUE, or ROLLBACK.
        #[arg(long, value_enum, default_value_t = Action::Continue)]
        action: Action,
    },
}

/// How a deployment is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StopType {
    /// Goes back.
    Rollback,
    /// Stays where it is.
    Abort,
}

/// What becomes of a deployment at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Goes on.
    Continue,
    /// Goes back.
    Rollback,
}

/// Runs the verb.
///
/// # Errors
/// Those of the calls; or there is no such deployment, or no hook that waits.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List { service } => {
            let answer = list(context, service, None).await?;
            context.screen.answer(&answer, || table(&answer))
        }
        Verb::Describe { deployment } => {
            let answer = describe(context, arn(context, deployment).await?).await?;
            context.none_failed(&answer.failures)?;
            if context.screen.format != Format::Table {
                return context.screen.document(&answer);
            }
            let lines = answer.service_deployments.iter().flat_map(lines);
            lines.collect::<Vec<_>>().iter().try_for_each(|line| context.screen.line(line))
        }
        Verb::Stop { deployment, stop_type } => {
            let stop_type = match stop_type {
                StopType::Rollback => StopServiceDeploymentStopType::Rollback,
                StopType::Abort => StopServiceDeploymentStopType::Abort,
            };
            let service_deployment_arn = Some(arn(context, deployment).await?);
            let request = StopServiceDeploymentRequest { service_deployment_arn, stop_type: Some(stop_type.into()) };
            let answer = context
                .client
                .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.stop_service_deployment(request).await)
                .await?;
            let arn = answer.service_deployment_arn.clone();
            context.screen.answer_line(&answer, || format!("stopping {}", text(arn.as_deref())))
        }
        Verb::Continue { deployment, hook_id, action } => {
            let arn = arn(context, deployment).await?;
            let hook_id = match hook_id {
                Some(hook_id) => hook_id,
                None => awaited(&describe(context, arn.clone()).await?)?,
            };
            let action = match action {
                Action::Continue => DeploymentLifecycleHookAction::Continue,
                Action::Rollback => DeploymentLifecycleHookAction::Rollback,
            };
            let request = ContinueServiceDeploymentRequest {
                service_deployment_arn: Some(arn),
                hook_id: Some(hook_id),
                action: Some(action.into()),
            };
            let answer = context
                .client
                .ecs(Kind::Once, request, async |mut ecs, request| ecs.continue_service_deployment(request).await)
                .await?;
            let arn = answer.service_deployment_arn.clone();
            let done = if action == DeploymentLifecycleHookAction::Continue { "continued" } else { "rolling back" };
            context.screen.answer_line(&answer, || format!("{done} {}", text(arn.as_deref())))
        }
    }
}

async fn list(
    context: &Context,
    service: String,
    next_token: Option<String>,
) -> Result<ListServiceDeploymentsResponse, Failure> {
    let (cluster, service) = (context.in_cluster(), Some(service));
    let request = ListServiceDeploymentsRequest { cluster, service, next_token, ..Default::default() };
    context.client.ecs(Kind::Read, request, async |mut ecs, request| ecs.list_service_deployments(request).await).await
}

/// DescribeServiceDeployments of one.
///
/// # Errors
/// Those of the call.
pub async fn describe(context: &Context, arn: String) -> Result<DescribeServiceDeploymentsResponse, Failure> {
    let request = DescribeServiceDeploymentsRequest { service_deployment_arns: vec![arn] };
    context
        .client
        .ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_service_deployments(request).await)
        .await
}

/// The ARN itself, that which ends in SERVICE/ID, or that of the newest deployment of the service with this name.
async fn arn(context: &Context, named: String) -> Result<String, Failure> {
    if named.contains(":service-deployment/") {
        return Ok(named);
    }
    if let Some((service, _)) = named.split_once('/').filter(|_| !named.contains(':')) {
        let arns = pages::all(async |next_token| {
            let answer = list(context, service.to_owned(), next_token).await?;
            let arns = answer.service_deployments.into_iter().filter_map(|brief| brief.service_deployment_arn);
            Ok((arns.collect(), answer.next_token))
        });
        let found = arns.await?.into_iter().find(|arn| short(arn) == named);
        return found.ok_or_else(|| Failure::Partly(format!("service {service} has no deployment {named}")));
    }
    let newest = list(context, named.clone(), None).await?.service_deployments.into_iter().next();
    let arn = newest.and_then(|newest| newest.service_deployment_arn);
    arn.ok_or_else(|| Failure::Partly(format!("service {named} has no deployment")))
}

/// SERVICE/ID of an ARN.
fn short(arn: &str) -> &str {
    let id = name_of(arn).len();
    let before = arn.len().saturating_sub(id + 1);
    let service = arn.get(..before).map_or(0, |before| name_of(before).len());
    arn.get(before.saturating_sub(service)..).unwrap_or(arn)
}

fn awaited(answer: &DescribeServiceDeploymentsResponse) -> Result<String, Failure> {
    let hooks = answer.service_deployments.iter().flat_map(|deployment| &deployment.lifecycle_hook_details);
    let mut waiting = hooks.filter(|hook| hook.status() == DeploymentLifecycleHookStatus::AwaitingAction);
    match (waiting.next().and_then(|hook| hook.hook_id.clone()), waiting.next()) {
        (Some(hook_id), None) => Ok(hook_id),
        (Some(_), Some(_)) => Err(Failure::Partly("several hooks wait: name one by --hook-id".to_owned())),
        (None, _) => Err(Failure::Partly("no lifecycle hook of the deployment waits".to_owned())),
    }
}

fn table(answer: &ListServiceDeploymentsResponse) -> Table {
    let mut table = Table::new(&["DEPLOYMENT", "STATUS", "REVISION", "AGE", "REASON"]);
    let now = now();
    for brief in &answer.service_deployments {
        table.row([
            short(brief.service_deployment_arn.as_deref().unwrap_or_default()).to_owned(),
            spelling::<ServiceDeploymentStatus>(brief.status),
            name_of(brief.target_service_revision_arn.as_deref().unwrap_or_default()).to_owned(),
            age(now, brief.created_at.as_ref()),
            brief.status_reason.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// What a deployment is at, on a few lines: also what `service deploy --wait` shows.
#[must_use]
pub fn lines(deployment: &ServiceDeployment) -> Vec<String> {
    let mut lines = vec![
        text(deployment.service_deployment_arn.as_deref()),
        format!(
            "{} at {}",
            spelling::<ServiceDeploymentStatus>(deployment.status),
            spelling::<ServiceDeploymentLifecycleStage>(deployment.lifecycle_stage)
        ),
    ];
    if let Some(reason) = &deployment.status_reason {
        lines.push(reason.clone());
    }
    if let Some(target) = &deployment.target_service_revision {
        let traffic = target.requested_production_traffic_weight;
        let traffic = traffic.map(|weight| format!(", {weight} % of production traffic")).unwrap_or_default();
        lines.push(format!(
            "target: {} requested, {} running, {} pending{traffic}",
            number(target.requested_task_count),
            number(target.running_task_count),
            number(target.pending_task_count)
        ));
    }
    let breaker = deployment.deployment_circuit_breaker.as_ref();
    let disabled = |status| status == ServiceDeploymentRollbackMonitorsStatus::Disabled;
    if let Some(breaker) = breaker.filter(|breaker| !disabled(breaker.status())) {
        lines.push(format!(
            "circuit breaker: {} of {} failures, {}",
            number(breaker.failure_count),
            number(breaker.threshold),
            spelling::<ServiceDeploymentRollbackMonitorsStatus>(breaker.status)
        ));
    }
    if let Some(rollback) = &deployment.rollback {
        let since = clock(rollback.started_at.as_ref());
        lines.push(format!("rollback since {since}: {}", text(rollback.reason.as_deref())));
    }
    for hook in &deployment.lifecycle_hook_details {
        let waits = hook.status() == DeploymentLifecycleHookStatus::AwaitingAction;
        let expires = hook.expires_at.as_ref().filter(|_| waits).map(|at| {
            let action = spelling::<DeploymentLifecycleHookAction>(hook.timeout_action);
            format!(", {action} in {}", until(Some(&instant(now())), at))
        });
        lines.push(format!(
            "hook {}: {}{}",
            text(hook.hook_id.as_deref()),
            spelling::<DeploymentLifecycleHookStatus>(hook.status),
            expires.unwrap_or_default()
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_deployment_s_short_name_is_the_end_of_its_arn() {
        for (arn, expected) in [
            ("arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/12", "web/12"),
            ("web/12", "web/12"),
            ("12", "12"),
            ("", ""),
        ] {
            assert_eq!(short(arn), expected);
        }
    }
}
