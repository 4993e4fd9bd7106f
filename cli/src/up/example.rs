//! The built-in examples: the files of `examples/`, registered and started as anybody would do it by hand, and watched
//! until they are there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bollard::Docker;
use drydock_proto::ecs::{
    CreateServiceRequest, DescribeTaskDefinitionRequest, ListTasksRequest, RegisterTaskDefinitionRequest,
    RunTaskRequest, Service, Task, UpdateServiceRequest,
};
use serde::de::DeserializeOwned;

use super::console::Console;
use super::image;
use crate::client::{Kind, client_token};
use crate::commands::service::event_line;
use crate::commands::{Context, pages, task, task_definition, wait};
use crate::failure::Failure;
use crate::load::Shape;
use crate::load::request::{SERVICE, TASK, TASK_DEFINITION, from_text};
use crate::output::words::{name_of, number, short_id};

/// Wait for all tasks of an example to be RUNNING (a service) or STOPPED (a job).
const EXAMPLE_MAX: Duration = Duration::from_secs(120);
/// Wait between two looks at it.
const POLL: Duration = Duration::from_millis(200);

/// An example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Example {
    /// A service of three web servers.
    Web,
    /// A service whose worker waits for two other containers of its task.
    Worker,
    /// Two tasks that do their work and end.
    Job,
}

impl Example {
    /// Its name: that of its folder and of what it creates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Example::Web => "web",
            Example::Worker => "worker",
            Example::Job => "job",
        }
    }

    fn task_definition(self) -> &'static str {
        match self {
            Example::Web => include_str!("../../../examples/web/task-definition.json"),
            Example::Worker => include_str!("../../../examples/worker/task-definition.json"),
            Example::Job => include_str!("../../../examples/job/task-definition.json"),
        }
    }

    fn service(self) -> Option<&'static str> {
        match self {
            Example::Web => Some(include_str!("../../../examples/web/service.json")),
            Example::Worker => Some(include_str!("../../../examples/worker/service.json")),
            Example::Job => None,
        }
    }
}

const JOB_RUN: &str = include_str!("../../../examples/job/run-task.json");

fn embedded<T: DeserializeOwned>(text: &str, shape: Shape) -> Result<T, Failure> {
    Ok(from_text(&format!("the built-in {} file", shape.wrapper), text, shape)?.request)
}

/// Starts the example and shows it until it is there.
///
/// # Errors
/// An image that can't be had, those of the calls, or it isn't there within two minutes.
pub async fn show(
    context: &Context,
    console: &Console,
    example: Example,
    docker: Option<&Docker>,
) -> Result<(), Failure> {
    let name = example.name();
    let start = Instant::now();
    let Some(service) = example.service() else {
        register(context, console, example, docker).await?;
        return job(context, console).await;
    };
    let (found, _) = pages::services(&context.client, &context.cluster, &[name.to_owned()]).await?;
    match found.into_iter().find(|service| service.status.as_deref() == Some("ACTIVE")) {
        Some(kept) => keep(context, console, example, docker, &kept).await?,
        None => {
            register(context, console, example, docker).await?;
            let mut request: CreateServiceRequest = embedded(service, SERVICE)?;
            request.cluster = context.in_cluster();
            request.client_token = Some(client_token()?);
            let call = async |mut ecs: Api, request| ecs.create_service(request).await;
            context.client.ecs(Kind::Idempotent, request, call).await?;
            console.line(&format!("created service {name}"));
        }
    }
    let (service, tasks) = watch(context, console, name).await?;
    console.line(&format!(
        "{} of {} tasks RUNNING after {:.1} s",
        number(service.running_count),
        number(service.desired_count),
        start.elapsed().as_secs_f64()
    ));
    // Simulated ports are nobody's.
    if docker.is_some() {
        addresses(&tasks).iter().for_each(|line| console.line(line));
    }
    Ok(())
}

type Api = drydock_proto::ecs::ecs_client::EcsClient<tonic::transport::Channel>;

/// A service of an earlier run stays as it is, unless Docker has lost (or never had) an image of it.
async fn keep(
    context: &Context,
    console: &Console,
    example: Example,
    docker: Option<&Docker>,
    service: &Service,
) -> Result<(), Failure> {
    console.line(&format!("service {} is there from an earlier run", example.name()));
    let Some(docker) = docker else { return Ok(()) };
    let request =
        DescribeTaskDefinitionRequest { task_definition: service.task_definition.clone(), include: Vec::new() };
    let call = async |mut ecs: Api, request| ecs.describe_task_definition(request).await;
    let definition = context.client.ecs(Kind::Read, request, call).await?.task_definition.unwrap_or_default();
    let mut missing = false;
    for image in definition.container_definitions.iter().filter_map(|container| container.image.as_ref()) {
        missing |= !image::is_there(docker, image).await;
    }
    if !missing {
        return Ok(());
    }
    register(context, console, example, Some(docker)).await?;
    let request = UpdateServiceRequest {
        cluster: context.in_cluster(),
        service: service.service_name.clone(),
        task_definition: Some(example.name().to_owned()),
        ..Default::default()
    };
    let call = async |mut ecs: Api, request| ecs.update_service(request).await;
    context.client.ecs(Kind::Idempotent, request, call).await.map(|_| ())
}

async fn register(
    context: &Context,
    console: &Console,
    example: Example,
    docker: Option<&Docker>,
) -> Result<(), Failure> {
    let mut request: RegisterTaskDefinitionRequest = embedded(example.task_definition(), TASK_DEFINITION)?;
    if let Some(docker) = docker {
        images(docker, console, example, &mut request).await?;
    }
    let answer = task_definition::register(context, request).await?;
    console.line(&format!(
        "{} (examples/{}/task-definition.json)",
        task_definition::registered(&answer),
        example.name()
    ));
    Ok(())
}

/// Sees to it that every image of the definition can be run: there, pulled, or (web only) replaced by one of our own.
async fn images(
    docker: &Docker,
    console: &Console,
    example: Example,
    request: &mut RegisterTaskDefinitionRequest,
) -> Result<(), Failure> {
    let wanted: BTreeSet<String> = request.container_definitions.iter().filter_map(|c| c.image.clone()).collect();
    for wanted in wanted {
        if image::is_there(docker, &wanted).await {
            continue;
        }
        console.line(&format!("pulling {wanted}"));
        let Err(reason) = image::pull(docker, &wanted).await else { continue };
        if example != Example::Web {
            return Err(Failure::Other(format!(
                "{wanted} isn't on this machine and can't be pulled: {reason}\n`--example web` needs no registry"
            )));
        }
        console.line(&format!("{wanted} can't be pulled ({reason});"));
        console.line(&format!("the example uses {} instead: this program itself, as a small web server", image::HELLO));
        image::make_hello(docker).await?;
        for container in request.container_definitions.iter_mut().filter(|c| c.image.as_ref() == Some(&wanted)) {
            container.image = Some(image::HELLO.to_owned());
        }
    }
    Ok(())
}

async fn watch(context: &Context, console: &Console, name: &str) -> Result<(Service, Vec<Task>), Failure> {
    let deadline = Instant::now() + EXAMPLE_MAX;
    let client = context.client.patient(EXAMPLE_MAX);
    let mut seen = BTreeSet::new();
    loop {
        let (found, _) = pages::services(&client, &context.cluster, &[name.to_owned()]).await?;
        let Some(service) = found.into_iter().next() else {
            return Err(Failure::Wait(format!("service {name} is gone")));
        };
        let request = ListTasksRequest {
            cluster: context.in_cluster(),
            service_name: Some(name.to_owned()),
            ..Default::default()
        };
        let arns = pages::task_arns(&client, request).await?;
        let (tasks, _) = pages::tasks(&client, &context.cluster, &arns).await?;
        let new = service.events.iter().rev().filter(|event| event.id.clone().is_some_and(|id| seen.insert(id)));
        let news: Vec<String> = new.map(event_line).collect();
        console.show(&news, tasks.iter().map(task_line).collect());
        let running = tasks.iter().filter(|task| task.last_status.as_deref() == Some("RUNNING")).count();
        let desired = usize::try_from(service.desired_count.unwrap_or_default()).unwrap_or_default();
        if running >= desired && service.running_count >= service.desired_count {
            console.clear();
            return Ok((service, tasks));
        }
        if Instant::now() > deadline {
            let limit = EXAMPLE_MAX.as_secs();
            return Err(Failure::Wait(format!("{running} of {desired} tasks of {name} are RUNNING after {limit} s")));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn task_line(task: &Task) -> String {
    let instance = task.container_instance_arn.as_deref().map(short_id).unwrap_or_default();
    let zone = task.availability_zone.as_deref().unwrap_or_default();
    let id = short_id(task.task_arn.as_deref().unwrap_or_default());
    format!("task {id}  {:<14}  {instance}  {zone}", task.last_status.as_deref().unwrap_or("-"))
}

/// Where the tasks' ports are reached, as far as they are bound on this machine.
fn addresses(tasks: &[Task]) -> Vec<String> {
    let bindings = |task: &Task| -> Vec<String> {
        let all = task.containers.iter().flat_map(|container| &container.network_bindings);
        all.filter_map(|binding| binding.host_port).map(|port| format!("http://127.0.0.1:{port}")).collect()
    };
    let line = |task: &Task| {
        let found = bindings(task);
        let id = short_id(task.task_arn.as_deref().unwrap_or_default());
        (!found.is_empty()).then(|| format!("  task {id} at {}", found.join(", ")))
    };
    tasks.iter().filter_map(line).collect()
}

async fn job(context: &Context, console: &Console) -> Result<(), Failure> {
    let mut request: RunTaskRequest = embedded(JOB_RUN, TASK)?;
    request.cluster = context.in_cluster();
    request.client_token = Some(client_token()?);
    let call = async |mut ecs: Api, request| ecs.run_task(request).await;
    let answer = context.client.ecs(Kind::Idempotent, request, call).await?;
    context.none_failed(&answer.failures)?;
    let arns: Vec<String> = answer.tasks.iter().filter_map(|task| task.task_arn.clone()).collect();
    let ids: Vec<String> = arns.iter().map(|arn| short_id(name_of(arn))).collect();
    console.line(&format!("running {}", ids.join(", ")));
    let goal = wait::TaskGoal::Stopped;
    let tasks = wait::tasks(context, &arns, goal, EXAMPLE_MAX, console.progress()).await?;
    console.text(&task::table(&tasks).render(false));
    wait::all_succeeded(&tasks, goal)
}
