//! `drydock service explain`, `drydock task explain`, `drydock task run --dry-run`: the controllers' explanations in
//! short sentences. The controllers send data; all words are made here, a line for each kind: one without doesn't
//! compile.

use drydock_proto::control::{
    Closest, Decider, Ending, ExplainRunTaskRequest, ExplainRunTaskResponse, ExplainServiceRequest,
    ExplainServiceResponse, ExplainTaskRequest, ExplainTaskResponse, Leaver, Placement, Shortage, TaskWait,
    TaskWaitKind, Wait, WaitKind, Zone,
};
use drydock_proto::ecs::{
    DeploymentRolloutState, HealthStatus, RunTaskRequest, Service, ServiceDeploymentLifecycleStage,
    ServiceDeploymentStatus, Task, TaskStopCode,
};
use prost_types::Timestamp;

use super::{Context, ids};
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::words::{name_of, number, spelling, text, until};
use crate::output::{Format, print};

/// Runs `service explain`.
///
/// # Errors
/// Those of the call.
pub async fn service(context: &Context, service: String) -> Result<(), Failure> {
    let request = ExplainServiceRequest { cluster: context.cluster.clone(), service };
    let answer = context
        .client
        .control(Kind::Read, request, async |mut control, request| control.explain_service(request).await)
        .await?;
    show(context, &answer, service_text)
}

/// Runs `task explain`.
///
/// # Errors
/// Those of the calls.
pub async fn task(context: &Context, task: &str) -> Result<(), Failure> {
    let task = ids::task(context, task).await?;
    let request = ExplainTaskRequest { cluster: context.cluster.clone(), task };
    let answer = context
        .client
        .control(Kind::Read, request, async |mut control, request| control.explain_task(request).await)
        .await?;
    show(context, &answer, task_text)
}

/// Runs `task run --dry-run`: where the tasks would go.
///
/// # Errors
/// Those of the call; or a task would find no place.
pub async fn dry_run(context: &Context, request: RunTaskRequest) -> Result<(), Failure> {
    let answer = explain_run(context, request).await?;
    show(context, &answer, run_text)?;
    match answer.unplaced {
        0 => Ok(()),
        unplaced => Err(Failure::Partly(format!("{} would find no place", tasks(unplaced)))),
    }
}

/// Says on stderr why tasks of a RunTask found no place. Where the controllers can't say it now, nothing is said: the
/// failures of the answer are told anyway.
pub async fn unplaced(context: &Context, mut request: RunTaskRequest, failed: usize) {
    request.count = i32::try_from(failed).ok();
    let Ok(answer) = explain_run(context, request).await else { return };
    if let Some(placement) = &answer.placement {
        placement_lines(placement).iter().for_each(|line| context.screen.note(line));
    }
}

async fn explain_run(context: &Context, mut request: RunTaskRequest) -> Result<ExplainRunTaskResponse, Failure> {
    request.client_token = None;
    let request = ExplainRunTaskRequest { run_task: Some(request) };
    context
        .client
        .control(Kind::Read, request, async |mut control, request| control.explain_run_task(request).await)
        .await
}

fn show<T: serde::Serialize>(context: &Context, answer: &T, words: fn(&T) -> String) -> Result<(), Failure> {
    match context.screen.format {
        Format::Table => print(&words(answer)),
        _ => context.screen.document(answer),
    }
}

/// A service's explanation for people.
#[must_use]
pub fn service_text(answer: &ExplainServiceResponse) -> String {
    let now = answer.now.as_ref();
    let mut lines = Vec::new();
    if let Some(service) = &answer.service {
        lines.push(service_line(service));
    }
    lines.extend(deployment_lines(answer));
    let about = [(answer.starts, "starts"), (answer.stops, "stops")];
    let about: Vec<String> =
        about.iter().filter(|(n, _)| *n > 0).map(|(n, verb)| format!("{verb} {}", tasks(*n))).collect();
    if !about.is_empty() {
        lines.push(format!("The leader {} now.", about.join(" and ")));
    }
    if answer.steady {
        lines.push("It is in steady state: nothing is to be done.".to_owned());
    }
    if !answer.waits.is_empty() {
        lines.push(if answer.steady { "Worth knowing:" } else { "It waits:" }.to_owned());
    }
    for wait in &answer.waits {
        lines.push(format!("- {}", wait_line(wait, now)));
        lines.extend(wait.placement.iter().flat_map(placement_lines).map(|line| format!("  {line}")));
    }
    ended(&lines)
}

fn service_line(service: &Service) -> String {
    format!(
        "service {}: {}, {} desired, {} running, {} pending",
        text(service.service_name.as_deref()),
        text(service.status.as_deref()),
        number(service.desired_count),
        number(service.running_count),
        number(service.pending_count),
    )
}

fn deployment_lines(answer: &ExplainServiceResponse) -> Vec<String> {
    let Some(deployment) = &answer.deployment else { return Vec::new() };
    let now = answer.now.as_ref();
    let mut line = format!(
        "deployment {} of {}: {}",
        deployment.id,
        deployment.task_definition,
        spelling::<DeploymentRolloutState>(Some(deployment.rollout_state)),
    );
    let under = deployment.service_deployment.as_ref();
    let in_progress = deployment.rollout_state() == DeploymentRolloutState::InProgress;
    if let Some(under) = under.filter(|_| in_progress) {
        let status = spelling::<ServiceDeploymentStatus>(under.status);
        let stage = spelling::<ServiceDeploymentLifecycleStage>(under.lifecycle_stage);
        line.push_str(&format!(" ({status}{})", if stage.is_empty() { stage } else { format!(", stage {stage}") }));
    }
    let mut lines = vec![line];
    if !in_progress && deployment.rollout_state() != DeploymentRolloutState::Completed {
        lines.push(format!("  {}", deployment.rollout_state_reason));
    }
    lines.extend(under.and_then(|under| under.status_reason.as_ref()).map(|reason| format!("  {reason}")));
    let limits = [("this stage", &deployment.stage_deadline), ("the deployment", &deployment.deadline)];
    let limits: Vec<String> = limits
        .iter()
        .filter_map(|(what, at)| Some(format!("{what} isn't over in {}", until(now, at.as_ref()?))))
        .collect();
    if in_progress && !limits.is_empty() {
        lines.push(format!("  It fails if {}.", limits.join(" or ")));
    }
    lines
}

/// What one wait is, with its deadline.
#[must_use]
pub fn wait_line(wait: &Wait, now: Option<&Timestamp>) -> String {
    let left = wait.until.as_ref().map(|at| until(now, at)).unwrap_or_default();
    let who = tasks(wait.tasks());
    match wait.kind() {
        WaitKind::Unspecified => format!("{who}: something that this version of the command has no words for."),
        WaitKind::Placement => {
            format!("No instance takes {who}. Tried again when one joins or frees resources, at the latest in {left}.")
        }
        WaitKind::BackOff => {
            format!("Tasks fail to start, {} in a row: the next one starts in {left}.", times(wait.failures(), "round"))
        }
        WaitKind::Capacity => format!(
            "{who} waiting in PROVISIONING for an instance of their capacity provider; what has none in {left} is stopped."
        ),
        WaitKind::Starting => format!("{who} on the way to RUNNING; what isn't there in {left} is stopped."),
        WaitKind::Healthy => {
            format!("{who} RUNNING, not long enough to count as healthy; the next one counts in {left}.")
        }
        WaitKind::HealthCheck => format!("{who} RUNNING, whose health checks haven't decided yet."),
        WaitKind::Grace => {
            format!("{who} failing health checks within the grace period, which ends in {left}.")
        }
        WaitKind::Replacing => match wait.leaver() {
            Leaver::Outdated => format!("{who} of another revision, until new ones are healthy."),
            Leaver::Draining => {
                format!("{who} on instances that take no tasks any more, until others are healthy.")
            }
            Leaver::Unhealthy => format!("{who} failing health checks, until others are healthy."),
            Leaver::Unspecified => format!("{who} to be replaced."),
        },
        WaitKind::Stopping => format!("{who} stopping; what isn't STOPPED in {left} is declared so."),
        WaitKind::Disconnected => {
            let of = format!("{who} on {} whose agent isn't connected", times(wait.instances(), "instance"));
            if wait.paused() {
                format!("{of}; so many at once that replacement pauses, looked at again in {left}.")
            } else {
                format!("{of}; given up in {left} unless it comes back.")
            }
        }
        WaitKind::Bounds => bounds_line(wait, &who),
        WaitKind::Protection => {
            format!("{who} protected from scale-in; the next protection ends in {left}.")
        }
        WaitKind::Hook => {
            let then = if wait.continues() { "goes on" } else { "is rolled back" };
            format!(
                "The hook {} of stage {} waits for ContinueServiceDeployment; without it the deployment {then} in {left}.",
                wait.hook_id(),
                wait.stage()
            )
        }
        WaitKind::Bake => format!("The bake time of {}, which ends in {left}.", wait.stage()),
        WaitKind::Rebalancing => format!(
            "{who} that take the place of others in zones that have more, once healthy: {}.",
            zones_line(&wait.zones)
        ),
        WaitKind::Uneven => format!(
            "Zones aren't balanced, and can't be now: {}. The last event about it says why; tried again in {left}.",
            zones_line(&wait.zones)
        ),
        WaitKind::Images => format!(
            "{who} until the deployment's first has found the digests of its images; that one is stopped if it isn't \
             RUNNING in {left}."
        ),
        WaitKind::LaunchRate => {
            format!("{who} beyond those that a service launches within a minute; the next start in {left}.")
        }
        WaitKind::Stage => {
            format!("The stage {} of the deployment, which fails in {left} if it isn't over.", wait.stage())
        }
        WaitKind::Rollback => {
            format!("The rollback to deployment {}, which fails in {left} if it isn't over.", wait.deployment())
        }
        WaitKind::Failed => "The deployment has failed and isn't taken up again: update the service.".to_owned(),
    }
}

/// `3 tasks in a, 1 task in b`
fn zones_line(zones: &[Zone]) -> String {
    let one = |zone: &Zone| format!("{} in {}", tasks(zone.tasks), zone.name);
    zones.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn bounds_line(wait: &Wait, who: &str) -> String {
    let bounds = wait.bounds.unwrap_or_default();
    let limits = format!(
        "{who} that may not start yet: maximumPercent allows {}, and minimumHealthyPercent keeps {} healthy.",
        tasks(bounds.upper),
        bounds.lower
    );
    if bounds.deadlock {
        format!("{limits} Nothing under way changes that: raise the one or lower the other.")
    } else {
        limits
    }
}

/// Why no instance takes a task.
fn placement_lines(placement: &Placement) -> Vec<String> {
    if placement.instances == 0 {
        return vec!["The cluster has no ACTIVE container instance.".to_owned()];
    }
    let removed: Vec<String> = placement
        .filtered
        .iter()
        .map(|by| format!("{} by {} ({})", by.instances, by.reason, meaning(&by.reason)))
        .collect();
    let mut lines = vec![format!(
        "{} looked at; ruled out: {}.",
        times(placement.instances, "container instance"),
        removed.join(", ")
    )];
    lines.extend(placement.closest.as_ref().map(closest_line));
    lines
}

fn closest_line(closest: &Closest) -> String {
    let lacks: Vec<String> = closest.lacks.iter().map(shortage).collect();
    let lacks = if lacks.is_empty() { closest.reason.clone() } else { lacks.join("; ") };
    format!("The closest is {}: {lacks}.", name_of(&closest.container_instance_arn))
}

/// A reason of RunTask's failures in words.
fn meaning(reason: &str) -> &'static str {
    match reason {
        "RESOURCE:CPU" => "too few CPU units left",
        "RESOURCE:MEMORY" => "too little memory left",
        "RESOURCE:PORTS" | "RESOURCE:PORTS_UDP" => "a port is taken",
        "RESOURCE:GPU" => "too few GPUs left",
        "RESOURCE:ENI" => "no network interface left",
        "AGENT" => "the agent isn't connected",
        "ATTRIBUTE" => "an attribute is missing",
        _ => "it doesn't meet a constraint",
    }
}

fn shortage(of: &Shortage) -> String {
    let values = of.values.join(", ");
    match of.name.as_str() {
        "CPU" => format!("{} of {} CPU units left", of.left, of.needed),
        "MEMORY" => format!("{} of {} MiB left", of.left, of.needed),
        "ENI" => format!("{} of {} network interfaces left", of.left, of.needed),
        "GPU" => format!("{} of {} GPUs left", of.left, of.needed),
        "PORTS" => format!("port {values} taken"),
        "PORTS_UDP" => format!("UDP port {values} taken"),
        "ATTRIBUTE" => format!("it lacks {values}"),
        "AGENT" => "its agent isn't connected".to_owned(),
        name => format!("{name}: {} of {} left {values}", of.left, of.needed),
    }
}

/// A task's explanation for people.
#[must_use]
pub fn task_text(answer: &ExplainTaskResponse) -> String {
    let now = answer.now.as_ref();
    let Some(task) = &answer.task else { return String::new() };
    let mut lines = vec![task_line(task, now)];
    lines.extend(place_line(answer, task));
    if let Some(ending) = &answer.ending {
        lines.push(decided(ending, now));
        let code = spelling::<TaskStopCode>(task.stop_code);
        lines.push(format!("  {code}: {}", text(task.stopped_reason.as_deref())));
    }
    lines.extend(container_lines(task));
    for wait in &answer.waits {
        lines.push(task_wait_line(wait, now));
        lines.extend(wait.placement.iter().flat_map(placement_lines).map(|line| format!("  {line}")));
    }
    ended(&lines)
}

fn task_line(task: &Task, now: Option<&Timestamp>) -> String {
    let status = text(task.last_status.as_deref());
    let since = match status.as_str() {
        "RUNNING" => task.started_at.as_ref(),
        "STOPPED" => task.stopped_at.as_ref(),
        _ => task.created_at.as_ref(),
    };
    let health = spelling::<HealthStatus>(task.health_status);
    let health = if health.is_empty() || health == "UNKNOWN" { String::new() } else { format!(", {health}") };
    let since = since.zip(now).map(|(then, now)| until(Some(then), now)).unwrap_or_default();
    let age = if matches!(status.as_str(), "RUNNING" | "STOPPED") {
        format!("for {since}")
    } else {
        format!("created {since} ago")
    };
    format!("task {}: {status}{health}, {age}", name_of(task.task_arn.as_deref().unwrap_or_default()))
}

fn place_line(answer: &ExplainTaskResponse, task: &Task) -> Vec<String> {
    let mut line = format!("  {}", name_of(task.task_definition_arn.as_deref().unwrap_or_default()));
    for part in [task.group.as_deref(), task.started_by.as_deref()].into_iter().flatten() {
        line.push_str(&format!(", {part}"));
    }
    let mut lines = vec![line];
    if let Some(instance) = task.container_instance_arn.as_deref() {
        let zone = task.availability_zone.as_deref().map(|zone| format!(" in {zone}")).unwrap_or_default();
        let status = if answer.instance_status.is_empty() { "gone" } else { &answer.instance_status };
        let agent = if answer.agent_connected { "" } else { ", its agent isn't connected" };
        lines.push(format!("  on {}{zone} ({status}{agent})", name_of(instance)));
    }
    lines
}

/// Who decided that the task stops, and when.
fn decided(ending: &Ending, now: Option<&Timestamp>) -> String {
    let deployment = ending.deployment_id();
    let who = match ending.decider() {
        Decider::Unspecified => "Nobody said why it stops".to_owned(),
        Decider::User => "A user stopped it".to_owned(),
        Decider::ServiceDeleted => "Its service was deleted".to_owned(),
        Decider::ScaledIn => format!("Its service had one task too many (deployment {deployment})"),
        Decider::Deployment => format!("Deployment {deployment} replaced it"),
        Decider::Drained => "Its service replaced it, since its instance was drained".to_owned(),
        Decider::HealthChecks => "Its service replaced it, since it failed its health checks".to_owned(),
        Decider::Service => "Its service stopped it".to_owned(),
        Decider::EssentialContainer => "An essential container ended".to_owned(),
        Decider::StartFailure => "It couldn't be started".to_owned(),
        Decider::StartDeadline => "The controllers stopped it: it wasn't RUNNING in time".to_owned(),
        Decider::StopDeadline => "The controllers gave it up: its agent didn't say in time that it stopped".to_owned(),
        Decider::InstanceLost => "The controllers gave it up: the agent of its instance didn't come back".to_owned(),
        Decider::InstanceDeregistered => "Its instance was deregistered".to_owned(),
        Decider::Infrastructure => "Its host failed".to_owned(),
        Decider::SpotInterruption => "Its Spot capacity was taken back".to_owned(),
        Decider::TerminationNotice => "Its agent ended".to_owned(),
    };
    match (&ending.at, now) {
        (Some(at), Some(now)) => format!("{who}, {} ago.", until(Some(at), now)),
        _ => format!("{who}."),
    }
}

/// Containers that have something to tell: how they ended, what they say, that they aren't well.
fn container_lines(task: &Task) -> Vec<String> {
    let mut lines = Vec::new();
    for container in &task.containers {
        let mut line = format!("  container {}", text(container.name.as_deref()));
        let plain = line.len();
        if let Some(code) = container.exit_code {
            line.push_str(&format!(" exited with {code}"));
        }
        if container.health_status() == HealthStatus::Unhealthy {
            line.push_str(" is UNHEALTHY");
        }
        if let Some(reason) = container.reason.as_deref().filter(|reason| !reason.is_empty()) {
            line.push_str(&format!(": {reason}"));
        }
        if line.len() > plain {
            lines.push(line);
        }
    }
    lines
}

fn task_wait_line(wait: &TaskWait, now: Option<&Timestamp>) -> String {
    let left = wait.until.as_ref().map(|at| until(now, at));
    let by = |what: &str| left.as_ref().map(|left| format!("; {what} in {left}")).unwrap_or_default();
    match wait.kind() {
        TaskWaitKind::Unspecified => "It waits for what this version of the command has no words for.".to_owned(),
        TaskWaitKind::Placement => format!("No instance takes it{}.", by("given up")),
        TaskWaitKind::Agent => {
            format!("Its agent hasn't said anything of it yet{}.", by("stopped if it isn't RUNNING"))
        }
        TaskWaitKind::Start => format!("Its agent is starting it{}.", by("stopped if it isn't RUNNING")),
        TaskWaitKind::Healthy => format!("It counts as healthy in {}.", left.unwrap_or_default()),
        TaskWaitKind::HealthCheck => "Its health checks haven't decided yet.".to_owned(),
        TaskWaitKind::Grace => {
            format!("It fails its health checks; the grace period ends in {}.", left.unwrap_or_default())
        }
        TaskWaitKind::Replacement => match wait.leaver() {
            Leaver::Outdated => "Its service goes to another revision and is going to replace it.".to_owned(),
            Leaver::Draining => "Its instance takes no tasks any more: its service is going to replace it.".to_owned(),
            Leaver::Unhealthy => "It fails its health checks: its service is going to replace it.".to_owned(),
            Leaver::Unspecified => "Its service is going to replace it.".to_owned(),
        },
        TaskWaitKind::Disconnected => match left {
            Some(left) => format!("Its agent isn't connected; given up in {left} unless it comes back."),
            None => "Its agent isn't connected; left as it is until it comes back.".to_owned(),
        },
        TaskWaitKind::Stop => format!("It is stopping{}.", by("declared STOPPED")),
        TaskWaitKind::Retention => format!("It is remembered for another {}.", left.unwrap_or_default()),
    }
}

/// What a RunTask would come to, for people.
#[must_use]
pub fn run_text(answer: &ExplainRunTaskResponse) -> String {
    let mut lines: Vec<String> = answer
        .container_instance_arns
        .iter()
        .map(|arn| format!("1 task would be placed on {}.", name_of(arn)))
        .collect();
    if answer.unplaced > 0 {
        lines.push(format!("No instance would take {}.", tasks(answer.unplaced)));
        lines.extend(answer.placement.iter().flat_map(placement_lines).map(|line| format!("  {line}")));
    }
    ended(&lines)
}

fn tasks(count: u32) -> String {
    times(count, "task")
}

fn times(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn ended(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
