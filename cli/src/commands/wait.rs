//! Waiting for a deployment or for tasks, with what happens meanwhile shown. Goes on through the loss of controllers:
//! the question is asked anew, of whoever answers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock_model::requests::task_sets::is_external;
use drydock_proto::ecs::{
    Deployment, DeploymentRolloutState, Service, ServiceDeployment, ServiceDeploymentStatus, StabilityStatus, Task,
    TaskSet,
};

use super::service::{Wait, event_line};
use super::{Context, pages, service_deployment};
use crate::failure::Failure;
use crate::output::live::Progress;
use crate::output::words::{name_of, short_id, spelling};

/// How often the question is asked.
pub(super) const POLL: Duration = Duration::from_millis(300);
/// For at least this long controllers may be away before the wait gives up on them.
const OUTAGE_MIN: Duration = Duration::from_secs(1);

/// What tasks are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TaskGoal {
    /// lastStatus RUNNING.
    Running,
    /// lastStatus STOPPED.
    Stopped,
}

/// Where a deployment stands.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Done,
    Failed(String),
    /// With what it waits for.
    Going(String),
}

/// Waits until the deployment that is PRIMARY in `service` has ended well.
///
/// # Errors
/// It failed, was replaced by another, or took longer than the wait allows; or no controller answers that long.
pub async fn service(context: &Context, service: &Service, wait: Wait) -> Result<Service, Failure> {
    let deadline = Instant::now() + wait.timeout;
    let name = service.service_name.clone().unwrap_or_default();
    let wanted = primary(service).and_then(|deployment| deployment.id.clone()).unwrap_or_default();
    let mut live = context.screen.progress(wait.progress);
    let mut seen: BTreeSet<String> = service.events.iter().filter_map(|event| event.id.clone()).collect();
    let mut current = service.current_service_deployment.clone();
    let start = Instant::now();
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(OUTAGE_MIN);
        let client = context.client.patient(left);
        let (found, failures) = pages::services(&client, &context.cluster, std::slice::from_ref(&name)).await?;
        context.none_failed(&failures)?;
        let Some(now) = found.into_iter().next() else {
            return Err(Failure::Wait(format!("service {name} is gone")));
        };
        let news: Vec<String> = now
            .events
            .iter()
            .rev()
            .filter(|event| event.id.clone().is_some_and(|id| seen.insert(id)))
            .map(event_line)
            .collect();
        let stage = stage(&now, &wanted);
        let waits = match &stage {
            Stage::Going(what) => what.clone(),
            Stage::Done => "done".to_owned(),
            Stage::Failed(_) => "failed".to_owned(),
        };
        let mut block = block(&now, &waits, start.elapsed());
        let mut rolled_back = None;
        if let Some(arn) = now.current_service_deployment.clone() {
            let ours = *current.get_or_insert_with(|| arn.clone()) == arn;
            // Only shown: the wait goes on without it.
            let found = service_deployment::describe(&Context { client, ..context.clone() }, arn).await;
            let deployments = found.map(|answer| answer.service_deployments).unwrap_or_default();
            block.extend(deployments.iter().flat_map(service_deployment::lines).skip(1));
            rolled_back = deployments.first().filter(|found| ours && found.rollback.is_some()).map(rollback);
        }
        live.show(&news, block);
        match stage {
            Stage::Done => return Ok(now),
            Stage::Failed(_) if let Some(how) = rolled_back => {
                return Err(Failure::Wait(format!("service {name}: deployment {wanted} {how}")));
            }
            Stage::Failed(reason) => return Err(Failure::Wait(format!("service {name}: {reason}"))),
            Stage::Going(what) if Instant::now() >= deadline => {
                let waited = wait.timeout.as_secs();
                return Err(Failure::Wait(format!("service {name}: not there after {waited} s; it waits for {what}")));
            }
            Stage::Going(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// What became of a deployment that didn't stay.
fn rollback(deployment: &ServiceDeployment) -> String {
    let status = spelling::<ServiceDeploymentStatus>(deployment.status);
    format!("{status}: {}", deployment.status_reason.as_deref().unwrap_or_default())
}

fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments.iter().find(|deployment| deployment.status.as_deref() == Some("PRIMARY"))
}

fn stage(service: &Service, wanted: &str) -> Stage {
    if service.status.as_deref() != Some("ACTIVE") {
        return Stage::Failed(format!("it is {}", service.status.as_deref().unwrap_or("gone")));
    }
    let reason = |deployment: &Deployment| {
        let given = deployment.rollout_state_reason.clone().filter(|reason| !reason.is_empty());
        given.unwrap_or_else(|| "no reason is given; `drydock service events` may have it".to_owned())
    };
    if is_external(service.deployment_controller.as_ref()) {
        return of_task_sets(service);
    }
    let Some(primary) = primary(service) else { return Stage::Going("a deployment".to_owned()) };
    let ours = service.deployments.iter().find(|deployment| deployment.id.as_deref() == Some(wanted));
    let failed = |deployment: &&Deployment| deployment.rollout_state == Some(DeploymentRolloutState::Failed.into());
    if let Some(failed) = ours.filter(failed) {
        return Stage::Failed(format!("deployment {wanted} FAILED: {}", reason(failed)));
    }
    if !wanted.is_empty() && primary.id.as_deref() != Some(wanted) {
        let other = primary.id.clone().unwrap_or_default();
        return Stage::Failed(format!("deployment {wanted} was replaced by {other} ({})", reason(primary)));
    }
    let (desired, running) = (primary.desired_count.unwrap_or_default(), primary.running_count.unwrap_or_default());
    let all_desired = service.desired_count.unwrap_or_default();
    let completed = primary.rollout_state == Some(DeploymentRolloutState::Completed.into());
    if completed && service.deployments.len() == 1 && service.running_count.unwrap_or_default() == all_desired {
        return Stage::Done;
    }
    Stage::Going(missing(service, primary, desired.max(all_desired), running))
}

/// A service that somebody else deploys is there with all its task sets.
fn of_task_sets(service: &Service) -> Stage {
    let steady = |set: &&TaskSet| set.stability_status == Some(StabilityStatus::SteadyState.into());
    let waiting = service.task_sets.iter().filter(|set| !steady(set)).count();
    match waiting {
        0 => Stage::Done,
        waiting => Stage::Going(format!("{waiting} of {} task sets to be in STEADY_STATE", service.task_sets.len())),
    }
}

fn missing(service: &Service, primary: &Deployment, desired: i32, running: i32) -> String {
    let old: i32 = service
        .deployments
        .iter()
        .filter(|deployment| deployment.id != primary.id)
        .map(|deployment| deployment.running_count.unwrap_or_default() + deployment.pending_count.unwrap_or_default())
        .sum();
    let extra = service.running_count.unwrap_or_default() - service.desired_count.unwrap_or_default();
    if running < desired {
        let failed = primary.failed_tasks.unwrap_or_default();
        let failed = if failed > 0 { format!(" ({failed} failed)") } else { String::new() };
        format!("{} of {desired} tasks to be RUNNING{failed}", desired - running)
    } else if old > 0 {
        format!("{old} tasks of older deployments to stop")
    } else if extra > 0 {
        format!("{extra} tasks to stop")
    } else {
        "its tasks to count as healthy".to_owned()
    }
}

fn block(service: &Service, waits: &str, passed: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    for deployment in &service.deployments {
        lines.push(format!(
            "{:<8} {:<24} {:<12} {} desired, {} running, {} pending, {} failed",
            deployment.status.as_deref().unwrap_or_default(),
            name_of(deployment.task_definition.as_deref().unwrap_or_default()),
            spelling::<DeploymentRolloutState>(deployment.rollout_state),
            deployment.desired_count.unwrap_or_default(),
            deployment.running_count.unwrap_or_default(),
            deployment.pending_count.unwrap_or_default(),
            deployment.failed_tasks.unwrap_or_default(),
        ));
    }
    lines.push(if waits == "done" || waits == "failed" {
        format!("{waits} after {} s", passed.as_secs())
    } else {
        format!("waits for {waits}")
    });
    lines
}

/// Waits until all tasks have come to `goal`.
///
/// # Errors
/// One of them stopped instead of running, is gone, or the wait took too long.
pub async fn tasks(
    context: &Context,
    arns: &[String],
    goal: TaskGoal,
    timeout: Duration,
    progress: Progress,
) -> Result<Vec<Task>, Failure> {
    let deadline = Instant::now() + timeout;
    let mut live = context.screen.progress(progress);
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(OUTAGE_MIN);
        let (found, failures) = pages::tasks(&context.client.patient(left), &context.cluster, arns).await?;
        context.none_failed(&failures)?;
        live.show(&[], found.iter().map(task_line).collect());
        let is = |task: &&Task, status: &str| task.last_status.as_deref() == Some(status);
        if goal == TaskGoal::Running
            && let Some(stopped) = found.iter().find(|task| is(task, "STOPPED"))
        {
            return Err(Failure::Wait(format!("it stopped before it ran: {}", task_line(stopped))));
        }
        let wanted = if goal == TaskGoal::Running { "RUNNING" } else { "STOPPED" };
        if found.iter().all(|task| is(&task, wanted)) {
            live.clear();
            return Ok(found);
        }
        if Instant::now() >= deadline {
            let late = found.iter().filter(|task| !is(task, wanted)).count();
            return Err(Failure::Wait(format!("{late} tasks aren't {wanted} after {} s", timeout.as_secs())));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn task_line(task: &Task) -> String {
    let reason = task.stopped_reason.as_deref().unwrap_or_default();
    let id = short_id(task.task_arn.as_deref().unwrap_or_default());
    format!("{id}  {}  {reason}", task.last_status.as_deref().unwrap_or("-")).trim_end().to_owned()
}

/// Whether tasks that have stopped ended well: every container that has an exit code ended with 0, and at least one has.
///
/// # Errors
/// One didn't.
pub fn all_succeeded(tasks: &[Task], goal: TaskGoal) -> Result<(), Failure> {
    if goal == TaskGoal::Running {
        return Ok(());
    }
    let well = |task: &&Task| {
        let mut codes = task.containers.iter().filter_map(|container| container.exit_code).peekable();
        codes.peek().is_some() && codes.all(|code| code == 0)
    };
    let bad: Vec<String> = tasks.iter().filter(|task| !well(task)).map(how_it_ended).collect();
    if bad.is_empty() { Ok(()) } else { Err(Failure::Wait(bad.join("\n       "))) }
}

/// A task that has stopped, with the exit code of each container, and its reason where the task's doesn't say it.
fn how_it_ended(task: &Task) -> String {
    let container = |container: &drydock_proto::ecs::Container| {
        let code = container.exit_code.map(|code| format!("exit code {code}"));
        let reason = container.reason.clone().filter(|reason| task.stopped_reason.as_ref() != Some(reason));
        let said: Vec<String> = code.into_iter().chain(reason).collect();
        let said = if said.is_empty() { "no exit code".to_owned() } else { said.join(", ") };
        format!("{}: {said}", container.name.as_deref().unwrap_or_default())
    };
    let containers: Vec<String> = task.containers.iter().map(container).collect();
    format!("{} ({})", task_line(task), containers.join("; "))
}

#[cfg(test)]
mod tests {
    use drydock_proto::ecs::{DeploymentController, DeploymentControllerType};

    use super::*;

    fn deployment(id: &str, status: &str, state: DeploymentRolloutState, desired: i32, running: i32) -> Deployment {
        Deployment {
            id: Some(id.into()),
            status: Some(status.into()),
            rollout_state: Some(state.into()),
            rollout_state_reason: Some("why".into()),
            desired_count: Some(desired),
            running_count: Some(running),
            ..Default::default()
        }
    }

    fn service(deployments: Vec<Deployment>) -> Service {
        let running = deployments.iter().filter_map(|deployment| deployment.running_count).sum();
        Service {
            status: Some("ACTIVE".into()),
            desired_count: Some(3),
            running_count: Some(running),
            deployments,
            ..Default::default()
        }
    }

    #[test]
    fn a_wait_knows_where_a_deployment_stands() {
        use DeploymentRolloutState::{Completed, Failed, InProgress};
        let going = |what: &str| Stage::Going(what.to_owned());
        let table = [
            (vec![deployment("new", "PRIMARY", Completed, 3, 3)], Stage::Done),
            (vec![deployment("new", "PRIMARY", InProgress, 3, 1)], going("2 of 3 tasks to be RUNNING")),
            (vec![deployment("new", "PRIMARY", InProgress, 3, 3)], going("its tasks to count as healthy")),
            (
                vec![deployment("new", "PRIMARY", InProgress, 3, 3), deployment("old", "ACTIVE", Completed, 3, 2)],
                going("2 tasks of older deployments to stop"),
            ),
            (vec![deployment("new", "PRIMARY", Failed, 3, 0)], Stage::Failed("deployment new FAILED: why".into())),
            (
                vec![deployment("old", "PRIMARY", InProgress, 3, 3), deployment("new", "ACTIVE", Failed, 3, 0)],
                Stage::Failed("deployment new FAILED: why".into()),
            ),
            (
                vec![deployment("other", "PRIMARY", InProgress, 3, 0)],
                Stage::Failed("deployment new was replaced by other (why)".into()),
            ),
            (vec![], going("a deployment")),
        ];
        for (deployments, expected) in table {
            assert_eq!(stage(&service(deployments), "new"), expected);
        }
        let external = Service {
            deployment_controller: Some(DeploymentController {
                r#type: Some(DeploymentControllerType::External.into()),
            }),
            task_sets: vec![
                TaskSet { stability_status: Some(StabilityStatus::SteadyState.into()), ..Default::default() },
                TaskSet { stability_status: Some(StabilityStatus::Stabilizing.into()), ..Default::default() },
            ],
            ..service(vec![])
        };
        assert_eq!(stage(&external, ""), going("1 of 2 task sets to be in STEADY_STATE"));
        assert_eq!(stage(&Service { task_sets: vec![], ..external }, ""), Stage::Done);
        let draining = Service { status: Some("DRAINING".into()), ..service(vec![]) };
        assert_eq!(stage(&draining, "new"), Stage::Failed("it is DRAINING".into()));
    }
}
