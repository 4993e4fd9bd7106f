//! When the local cluster is ready: all controllers agree on a leader, and every agent has a session and its instance is
//! ACTIVE. Asks the controllers' API, nothing else.

use std::time::{Duration, Instant};

use drydock_proto::control::{StatusRequest, StatusResponse};
use drydock_proto::ecs::{ContainerInstanceStatus, CreateClusterRequest};

use super::layout::Layout;
use crate::client::{Client, Kind};
use crate::commands::controller::Api;
use crate::commands::pages;
use crate::failure::Failure;

/// Wait between two questions.
const POLL: Duration = Duration::from_millis(25);
/// Patience of one question: it is asked again anyway.
const ASK: Duration = Duration::from_millis(20);
/// Wait for a leader. The aim for all is 3 s; a loaded machine gets more.
const LEADER_MAX: Duration = Duration::from_secs(60);
/// The same where so many are lost that the rest can hardly have one (they do where the lost ones were removed before).
const MINORITY_MAX: Duration = Duration::from_secs(10);
/// Wait for the instances after that, and a second more for each so many.
const INSTANCES_MAX: Duration = Duration::from_secs(60);
const INSTANCES_A_SECOND: usize = 100;
/// The cluster that agents join.
pub const CLUSTER: &str = "default";

/// Waits until every controller names the same leader in the same term; gives one's status. Those that `lost` names
/// aren't waited for.
///
/// # Errors
/// They don't within a minute (10 s where as many are lost as decide), or all are lost; the text says what each of them
/// said last.
pub async fn leader(layout: &Layout, lost: impl Fn() -> Vec<String>) -> Result<StatusResponse, Failure> {
    let start = Instant::now();
    let mut clients = Vec::new();
    for place in &layout.controllers {
        clients.push((place, Client::new(&place.api_address(layout.listen), true)?.patient(ASK)));
    }
    loop {
        let gone = lost();
        let mut found: Vec<Result<StatusResponse, Failure>> = Vec::new();
        for (_, client) in clients.iter().filter(|(place, _)| !gone.contains(&place.name)) {
            let call = async |mut control: Api, request| control.status(request).await;
            found.push(client.control(Kind::Read, StatusRequest {}, call).await);
        }
        let agreed = |status: &StatusResponse| {
            let same = |other: &Result<StatusResponse, Failure>| {
                other.as_ref().is_ok_and(|other| (other.leader_id, other.term) == (status.leader_id, status.term))
            };
            status.leader_id != 0 && found.iter().all(same)
        };
        if let Some(Ok(status)) = found.first()
            && agreed(status)
        {
            return Ok(status.clone());
        }
        let limit = match gone.len() * 2 >= clients.len() {
            _ if found.is_empty() => Duration::ZERO,
            true => MINORITY_MAX,
            false => LEADER_MAX,
        };
        if start.elapsed() >= limit {
            let left = clients.iter().filter(|(place, _)| !gone.contains(&place.name)).map(|(place, _)| *place);
            let said = left.zip(&found).map(|(place, found)| format!("\n  {}: {}", place.name, said(found)));
            let gone = gone.iter().map(|name| format!("\n  {name}: ended, and can't come back as it is"));
            return Err(Failure::Other(format!(
                "the controllers agree on no leader{}",
                said.chain(gone).collect::<String>()
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn said(found: &Result<StatusResponse, Failure>) -> String {
    match found {
        Ok(status) if status.leader_id == 0 => format!("knows no leader in term {}", status.term),
        Ok(status) => format!("follows {} in term {}", status.leader_id, status.term),
        Err(failure) => failure.to_string(),
    }
}

/// Creates the cluster that agents join, where it is missing.
///
/// # Errors
/// Those of the call.
pub async fn cluster(client: &Client) -> Result<(), Failure> {
    let request = CreateClusterRequest { cluster_name: Some(CLUSTER.to_owned()), ..Default::default() };
    client.ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.create_cluster(request).await).await.map(|_| ())
}

/// Waits until `wanted` agents have a session and as many instances are ACTIVE and connected; or until `refused` names agents
/// that won't be: `false` then.
///
/// # Errors
/// They aren't within a minute (and a second for each hundred), or the calls fail.
pub async fn instances(client: &Client, wanted: usize, refused: impl Fn() -> Vec<String>) -> Result<bool, Failure> {
    let limit = u32::try_from(wanted / INSTANCES_A_SECOND).unwrap_or(u32::MAX);
    let limit = INSTANCES_MAX + Duration::from_secs(limit.into());
    let deadline = Instant::now() + limit;
    loop {
        let call = async |mut control: Api, request| control.status(request).await;
        let status = client.control(Kind::Read, StatusRequest {}, call).await?;
        let sessions = usize::try_from(status.connected_agents.unwrap_or_default()).unwrap_or_default();
        let mut connected = 0;
        if sessions >= wanted {
            let arns = pages::instance_arns(client, CLUSTER, Some(ContainerInstanceStatus::Active), None).await?;
            let (found, _) = pages::instances(client, CLUSTER, &arns).await?;
            connected = found.iter().filter(|instance| instance.agent_connected.unwrap_or_default()).count();
            if connected >= wanted {
                return Ok(true);
            }
        }
        if !refused().is_empty() {
            return Ok(false);
        }
        if Instant::now() > deadline {
            let limit = limit.as_secs();
            let text = format!("{connected} of {wanted} container instances are ACTIVE after {limit} s");
            return Err(Failure::Other(text));
        }
        tokio::time::sleep(POLL).await;
    }
}
