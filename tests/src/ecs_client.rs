//! ECS operations as the suites need them: each on any controller, retried while there is no leader, with the answer's
//! one interesting part.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs;
use serde_json::Value;

use crate::client::{Api, anywhere};
use crate::cluster::CLUSTER;
use crate::wait;

/// Wait for one operation, elections included.
const OPERATION_MAX: Duration = Duration::from_secs(30);
/// Wait for tasks to get where they should: schedulers act in milliseconds, a loaded machine in seconds.
pub const SETTLE_MAX: Duration = Duration::from_secs(60);

/// A client of the ECS cluster that the harness's agents join.
#[derive(Debug, Clone)]
pub struct Ecs {
    /// The controllers it asks, in turn.
    pub apis: Vec<Api>,
}

/// Makes one operation of the generated client on any controller.
macro_rules! operation {
    ($self:ident, $method:ident, $request:expr) => {{
        let request = $request;
        anywhere(&$self.apis, OPERATION_MAX, async |mut api| Ok(api.ecs.$method(request.clone()).await?.into_inner()))
            .await
            .with_context(|| stringify!($method))?
    }};
}

fn cluster() -> Option<String> {
    Some(CLUSTER.to_owned())
}

impl Ecs {
    /// Registers a task definition from the JSON that the AWS CLI takes; gives its ARN.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn register(&self, definition: &Value) -> Result<String> {
        let request: ecs::RegisterTaskDefinitionRequest = serde_json::from_value(definition.clone())?;
        let answer = operation!(self, register_task_definition, request);
        answer.task_definition.and_then(|found| found.task_definition_arn).context("an ARN")
    }

    /// Creates a REPLICA service.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn create_service(&self, name: &str, definition: &str, desired: i32) -> Result<ecs::Service> {
        let request = ecs::CreateServiceRequest {
            cluster: cluster(),
            service_name: Some(name.to_owned()),
            task_definition: Some(definition.to_owned()),
            desired_count: Some(desired),
            client_token: Some(format!("create-{name}")),
            ..Default::default()
        };
        operation!(self, create_service, request).service.context("a service")
    }

    /// Makes an UpdateService; the service's name is filled in.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn update_service(&self, name: &str, change: ecs::UpdateServiceRequest) -> Result<ecs::Service> {
        let request = ecs::UpdateServiceRequest { cluster: cluster(), service: Some(name.to_owned()), ..change };
        operation!(self, update_service, request).service.context("a service")
    }

    /// Deletes a service, tasks and all.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn delete_service(&self, name: &str) -> Result<ecs::Service> {
        let request =
            ecs::DeleteServiceRequest { cluster: cluster(), service: Some(name.to_owned()), force: Some(true) };
        operation!(self, delete_service, request).service.context("a service")
    }

    /// The service of that name.
    ///
    /// # Errors
    /// There is none, or no answer.
    pub async fn service(&self, name: &str) -> Result<ecs::Service> {
        let request =
            ecs::DescribeServicesRequest { cluster: cluster(), services: vec![name.to_owned()], ..Default::default() };
        let answer = operation!(self, describe_services, request);
        answer.services.into_iter().next().with_context(|| format!("{name}: {:?}", answer.failures))
    }

    /// Waits until a service is stable as the AWS CLI's waiter sees it (one deployment, and as many tasks running as are
    /// desired), and that deployment is COMPLETED.
    ///
    /// # Errors
    /// Not within [`SETTLE_MAX`]; the error shows the service's counts, its deployment and its newest events.
    pub async fn stable(&self, name: &str) -> Result<ecs::Service> {
        let what = format!("service {name} is stable");
        let stable = wait::until(&what, SETTLE_MAX, async || {
            let found = self.service(name).await?;
            let counts = (found.deployments.len(), found.running_count(), found.desired_count(), found.pending_count());
            let state = found.deployments.first().map(ecs::Deployment::rollout_state);
            let is_stable = counts.0 == 1
                && counts.1 == counts.2
                && counts.3 == 0
                && state == Some(ecs::DeploymentRolloutState::Completed);
            ensure!(is_stable, "(deployments, running, desired, pending) {counts:?} {state:?} {:?}", newest(&found));
            Ok(found)
        });
        Ok(stable.await?.0)
    }

    /// ARNs of the cluster's tasks with that desired status.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn task_arns(&self, service: Option<&str>, desired: ecs::DesiredStatus) -> Result<Vec<String>> {
        let mut arns = Vec::new();
        let mut next_token = None;
        loop {
            let request = ecs::ListTasksRequest {
                cluster: cluster(),
                service_name: service.map(str::to_owned),
                desired_status: Some(desired.into()),
                next_token,
                ..Default::default()
            };
            let page = operation!(self, list_tasks, request);
            arns.extend(page.task_arns);
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(arns);
            }
        }
    }

    /// Tasks by ARN, in the order of their ARNs. ECS describes up to 100 in one call.
    ///
    /// # Errors
    /// One is missing, or no answer.
    pub async fn tasks(&self, arns: &[String]) -> Result<Vec<ecs::Task>> {
        let mut found = Vec::new();
        for some in arns.chunks(100) {
            let request = ecs::DescribeTasksRequest { cluster: cluster(), tasks: some.to_vec(), ..Default::default() };
            let answer = operation!(self, describe_tasks, request);
            ensure!(answer.failures.is_empty(), "{:?}", answer.failures);
            found.extend(answer.tasks);
        }
        found.sort_by(|a, b| a.task_arn.cmp(&b.task_arn));
        Ok(found)
    }

    /// The tasks that a service wants to run.
    ///
    /// # Errors
    /// As [`Self::tasks`].
    pub async fn tasks_of(&self, service: &str) -> Result<Vec<ecs::Task>> {
        self.tasks(&self.task_arns(Some(service), ecs::DesiredStatus::Running).await?).await
    }

    /// Runs tasks of a task definition; all must be placed.
    ///
    /// # Errors
    /// Refused, not placed, or no answer.
    pub async fn run(&self, definition: &str, count: i32) -> Result<Vec<ecs::Task>> {
        let request = ecs::RunTaskRequest {
            cluster: cluster(),
            task_definition: Some(definition.to_owned()),
            count: Some(count),
            ..Default::default()
        };
        let answer = operation!(self, run_task, request);
        ensure!(answer.failures.is_empty(), "{:?}", answer.failures);
        Ok(answer.tasks)
    }

    /// RunTask in the harness's cluster; all tasks must be placed.
    ///
    /// # Errors
    /// Refused, not placed, or no answer.
    pub async fn run_as(&self, request: ecs::RunTaskRequest) -> Result<Vec<ecs::Task>> {
        let answer = operation!(self, run_task, ecs::RunTaskRequest { cluster: cluster(), ..request.clone() });
        ensure!(answer.failures.is_empty(), "{:?}", answer.failures);
        Ok(answer.tasks)
    }

    /// Asks a task to stop.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn stop(&self, task: &str, reason: &str) -> Result<ecs::Task> {
        let request =
            ecs::StopTaskRequest { cluster: cluster(), task: Some(task.to_owned()), reason: Some(reason.to_owned()) };
        operation!(self, stop_task, request).task.context("a task")
    }

    /// Waits until a task's lastStatus is `status`.
    ///
    /// # Errors
    /// Not within [`SETTLE_MAX`].
    pub async fn reaches(&self, task: &str, status: &str) -> Result<ecs::Task> {
        let arns = [task.to_owned()];
        let what = format!("{task} is {status}");
        let reached = wait::until(&what, SETTLE_MAX, async || {
            let found = self.tasks(&arns).await?.into_iter().next().context("the task")?;
            ensure!(found.last_status() == status, "{} {}", found.last_status(), found.stopped_reason());
            Ok(found)
        });
        Ok(reached.await?.0)
    }
}

/// The texts of a service's newest events.
fn newest(service: &ecs::Service) -> Vec<&str> {
    service.events.iter().take(5).map(ecs::ServiceEvent::message).collect()
}
