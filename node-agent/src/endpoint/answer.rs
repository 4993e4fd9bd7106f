//! From a path to an answer: who asks, what of, and ECS's agent's own words where there's nothing to tell. Looks, and
//! changes nothing but a task's own protection.

use std::collections::HashMap;

use axum::http::Method;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{InspectContainerOptionsBuilder, ListContainersOptionsBuilder};
use drydock_engine::{PAUSE_CONTAINER, TaskView};
use drydock_proto::ecs::{LaunchType, NetworkMode};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::marks::{LABEL_CREDENTIALS, LABEL_ENDPOINT, role};
use super::render::{self, Resolver, Seen, Version};
use super::{Desk, Known, Question, Reply, credentials, protection, stats};
use crate::runtime::docker::{LABEL_CONTAINER, LABEL_INSTANCE, LABEL_TASK, container_name};

/// The kind of association that ECS has had; there is none of it here.
const ASSOCIATIONS: &str = "elastic-inference";

/// A request.
pub(super) struct Asked<'a> {
    /// Whose namespace it comes from; none: the host's.
    pub(super) task_arn: Option<&'a str>,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

/// What is wanted of a container or its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    Container,
    Task { tags: bool },
    ContainerStats,
    TaskStats,
    Associations,
    Association(&'a str),
}

impl<'a> Wanted<'a> {
    /// Of the path behind the id.
    fn of(rest: &[&'a str]) -> Option<Self> {
        Some(match rest {
            [] => Self::Container,
            ["task"] => Self::Task { tags: false },
            ["taskWithTags"] => Self::Task { tags: true },
            ["stats"] => Self::ContainerStats,
            ["task", "stats"] => Self::TaskStats,
            ["associations", ASSOCIATIONS] => Self::Associations,
            ["associations", ASSOCIATIONS, name] => Self::Association(name),
            _ => return None,
        })
    }

    /// As ECS's agent names its handlers.
    fn handler(self) -> &'static str {
        match self {
            Self::Container => "container metadata",
            Self::Task { .. } => "task metadata",
            Self::ContainerStats => "container stats",
            Self::TaskStats => "task stats",
            Self::Associations | Self::Association(_) => "container associations",
        }
    }
}

/// Answers.
pub(super) async fn answer(desk: &Desk, asked: &Asked<'_>) -> Reply {
    let parts: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET" | "PUT", ["api", id, "task-protection", "v1", "state"]) => protect(desk, asked, id).await,
        ("GET", ["v4", id, rest @ ..]) => metadata(desk, asked, (Version::V4, "V4"), id, rest).await,
        ("GET", ["v3", id, rest @ ..]) => metadata(desk, asked, (Version::V3, "V3"), id, rest).await,
        ("GET", ["v2", "metadata" | "metadataWithTags" | "stats", ..]) => version_2(desk, asked, &parts).await,
        ("GET", ["v2", "credentials"]) => credentials_of(desk, asked, 2, "").await,
        ("GET", ["v2", "credentials", id]) => credentials_of(desk, asked, 2, id).await,
        ("GET", ["v1", "credentials"]) => {
            let ids = asked.query.split('&').find_map(|one| one.strip_prefix("id="));
            credentials_of(desk, asked, 1, ids.unwrap_or_default()).await
        }
        _ => not_found(),
    }
}

fn not_found() -> Reply {
    Reply { status: 404, body: "404 page not found".into() }
}

/// A container of this instance, by one of its labels.
struct Found {
    task_arn: String,
    container: String,
}

/// The container with this label; none where it isn't of the task that asks.
async fn find(desk: &Desk, asked: &Asked<'_>, label: &str, id: &str) -> Option<Found> {
    let labels = vec![format!("{LABEL_INSTANCE}={}", desk.instance), format!("{label}={id}")];
    let filters = HashMap::from([("label".to_owned(), labels)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let all = desk.docker.list_containers(Some(options)).await.ok()?;
    let labels = all.into_iter().next()?.labels?;
    let found = Found { task_arn: labels.get(LABEL_TASK)?.clone(), container: labels.get(LABEL_CONTAINER)?.clone() };
    asked.task_arn.is_none_or(|task| task == found.task_arn).then_some(found)
}

async fn known(desk: &Desk, task_arn: &str) -> Known {
    let (answer, known) = oneshot::channel();
    let question = Question { task_arn: task_arn.to_owned(), answer };
    if desk.ask.send(question).await.is_err() {
        return Known::default();
    }
    known.await.unwrap_or_default()
}

async fn metadata(desk: &Desk, asked: &Asked<'_>, (version, name): (Version, &str), id: &str, rest: &[&str]) -> Reply {
    let Some(wanted) = Wanted::of(rest) else { return not_found() };
    let unknown = || {
        Reply {
        status: 404,
        body: format!(
            "{name} {} handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: {id}",
            wanted.handler()
        )
        .into(),
    }
    };
    let Some(found) = find(desk, asked, LABEL_ENDPOINT, id).await else { return unknown() };
    let Some(view) = known(desk, &found.task_arn).await.view else { return unknown() };
    told(desk, version, &view, wanted, &found.container).await
}

/// Version 2 has no ids: the task is the one whose namespace it is, a container goes by Docker's id.
async fn version_2(desk: &Desk, asked: &Asked<'_>, parts: &[&str]) -> Reply {
    let view = match asked.task_arn {
        Some(task_arn) => known(desk, task_arn).await.view,
        None => None,
    };
    let Some(view) = view else {
        let text = "Unable to get task arn from request: unable to associate the address with a task";
        return Reply { status: 400, body: text.into() };
    };
    let of_id = |id: &str| view.report.containers.iter().find(|one| one.runtime_id == id).map(|one| one.name.clone());
    let (wanted, container) = match parts {
        [_, "metadata"] => (Wanted::Task { tags: false }, String::new()),
        [_, "metadataWithTags"] => (Wanted::Task { tags: true }, String::new()),
        [_, "stats"] => (Wanted::TaskStats, String::new()),
        [_, kind, id] => match of_id(id) {
            Some(name) if *kind == "stats" => (Wanted::ContainerStats, name),
            Some(name) => (Wanted::Container, name),
            None => {
                let text = format!("Unable to find container '{id}' of the task");
                return Reply { status: 400, body: text.into() };
            }
        },
        _ => return not_found(),
    };
    told(desk, Version::V3, &view, wanted, &container).await
}

async fn told(desk: &Desk, version: Version, view: &TaskView, wanted: Wanted<'_>, container: &str) -> Reply {
    let runtime_id = |name: &str| view.report.containers.iter().find(|one| one.name == name).map(|one| &one.runtime_id);
    let body = match wanted {
        Wanted::Container => {
            let seen = look(desk, view, Some(container)).await;
            match render::container(version, view, container, &seen) {
                Some(body) => body,
                None => return Reply { status: 500, body: "failed to get container metadata".into() },
            }
        }
        Wanted::Task { tags } => render::task(version, view, &look(desk, view, None).await, &desk.facts, tags),
        Wanted::ContainerStats => match runtime_id(container) {
            Some(id) => stats::of(&desk.docker, id).await,
            None => Value::Null,
        },
        Wanted::TaskStats => {
            let ids = view.report.containers.iter().map(|one| one.runtime_id.clone()).filter(|id| !id.is_empty());
            let all = ids.map(async |id| (id.clone(), stats::of(&desk.docker, &id).await));
            Value::Object(join_all(all).await.into_iter().collect())
        }
        Wanted::Associations => json!({ "Associations": [] }),
        Wanted::Association(name) => {
            return Reply { status: 404, body: format!("there's no association {name:?}").into() };
        }
    };
    Reply { status: 200, body }
}

/// What Docker says now of a task's containers, or of one and who has its network.
async fn look(desk: &Desk, view: &TaskView, only: Option<&str>) -> Seen {
    // What a container has written is measured: only where it is told.
    let sized = only.is_none() && view.spec.assigned.launch_type() == LaunchType::Fargate;
    let mut wanted: Vec<(String, String)> = view
        .report
        .containers
        .iter()
        .filter(|one| !one.runtime_id.is_empty() && only.is_none_or(|only| only == one.name))
        .map(|one| (one.name.clone(), one.runtime_id.clone()))
        .collect();
    if view.spec.network_mode() == NetworkMode::Awsvpc {
        wanted.push((PAUSE_CONTAINER.to_owned(), container_name(&view.spec, PAUSE_CONTAINER)));
    }
    let inspect = async |(name, id): (String, String)| {
        let options = InspectContainerOptionsBuilder::default().size(sized).build();
        desk.docker.inspect_container(&id, Some(options)).await.ok().map(|seen| (name, seen))
    };
    let containers: std::collections::BTreeMap<String, ContainerInspectResponse> =
        join_all(wanted.into_iter().map(inspect)).await.into_iter().flatten().collect();
    let owner = containers.get(PAUSE_CONTAINER).and_then(|pause| pause.resolv_conf_path.as_deref());
    let text = owner.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    Seen { containers, resolver: Resolver::read(&text) }
}

/// Credentials of the task's role. Errors have the codes of ECS's agent.
async fn credentials_of(desk: &Desk, asked: &Asked<'_>, version: u8, id: &str) -> Reply {
    let refused = |status: u16, code: &str, what: &str| Reply {
        status,
        body: json!({ "code": code, "message": format!("CredentialsV{version}Request: {what}"), "HTTPErrorCode": status }),
    };
    if id.is_empty() {
        return refused(400, "NoIdInRequest", "No Credential ID in the request");
    }
    let Some(found) = find(desk, asked, LABEL_CREDENTIALS, id).await else {
        return refused(400, "InvalidIdInRequest", "Credentials not found");
    };
    let view = known(desk, &found.task_arn).await.view;
    let Some(role) = view.as_ref().and_then(|view| role(&view.spec)) else {
        return refused(503, "CredentialsUninitialized", "Credentials uninitialized for ID");
    };
    match credentials::of_role(&desk.credentials, role, desk.clock.now()) {
        Ok(body) => Reply { status: 200, body },
        Err(error) => {
            tracing::warn!(role, %error, "a task's credentials can't be had");
            refused(500, "InternalServerError", "Internal server error")
        }
    }
}

async fn protect(desk: &Desk, asked: &Asked<'_>, id: &str) -> Reply {
    let Some(found) = find(desk, asked, LABEL_ENDPOINT, id).await else { return protection::unknown() };
    let known = known(desk, &found.task_arn).await;
    let (Some(view), controller) = (known.view, known.controller.as_deref()) else { return protection::unknown() };
    if *asked.method == Method::PUT {
        protection::put(&view, controller, asked.body).await
    } else {
        protection::get(&view, controller).await
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    // rule: 2.5/metadata
    #[test]
    fn paths() {
        for (path, expected) in [
            ("", Some(Wanted::Container)),
            ("task", Some(Wanted::Task { tags: false })),
            ("taskWithTags", Some(Wanted::Task { tags: true })),
            ("stats", Some(Wanted::ContainerStats)),
            ("task/stats", Some(Wanted::TaskStats)),
            ("associations/elastic-inference", Some(Wanted::Associations)),
            ("associations/elastic-inference/a", Some(Wanted::Association("a"))),
            ("associations/other", None),
            ("tasks", None),
        ] {
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            assert_eq!(Wanted::of(&parts), expected, "{path}");
        }
    }
}
