//! `drydock controller list|add|remove|transfer`: who the controllers are. (Without a verb the command *is* a
//! controller: see `crate::processes`.)

use clap::Subcommand;
use drydock_proto::control::{
    AddControllerRequest, Controller, ControllerRole, RemoveControllerRequest, StatusRequest, StatusResponse,
    TransferLeadershipRequest,
};

use serde::Serialize;

use super::Context;
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::words::spelling;
use crate::output::{Format, Table};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists the controllers as the one that answers sees them.
    #[command(visible_alias = "ls")]
    List,
    /// Adds a controller to the membership: it joins as a learner, catches up and becomes a voter. A controller that is
    /// started with --join does this by itself.
    Add {
        /// Its name.
        name: String,
        /// Its raft id, as it printed it: never one that was used before.
        #[arg(long)]
        id: u64,
        /// host:port where clients and agents reach it.
        #[arg(long, value_name = "HOST:PORT")]
        api_address: String,
        /// host:port where its peers reach it.
        #[arg(long, value_name = "HOST:PORT")]
        peer_address: String,
    },
    /// Removes a controller for good; its id is never used again.
    Remove {
        /// Name or id.
        controller: String,
    },
    /// Hands leadership to another controller.
    Transfer {
        /// Name or id; the one that is furthest along where none is given.
        controller: Option<String>,
    },
}

/// Runs the verb.
///
/// # Errors
/// Those of the call.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List => {
            let answer = status(context).await?;
            context.screen.answer(&answer, || table(&answer.controllers))
        }
        Verb::Add { name, id, api_address, peer_address } => {
            let request = AddControllerRequest { id, name, api_address, peer_address };
            let call = async |mut control: Api, request| control.add_controller(request).await;
            let answer = context.client.control(Kind::Idempotent, request, call).await?;
            told(context, &answer, &answer.controllers).await
        }
        Verb::Remove { controller } => {
            let request = RemoveControllerRequest { controller };
            let call = async |mut control: Api, request| control.remove_controller(request).await;
            let answer = context.client.control(Kind::Once, request, call).await?;
            told(context, &answer, &answer.controllers).await
        }
        Verb::Transfer { controller } => {
            let request = TransferLeadershipRequest { controller: controller.unwrap_or_default() };
            let call = async |mut control: Api, request| control.transfer_leadership(request).await;
            let answer = context.client.control(Kind::Once, request, call).await?;
            let now = status(context).await?;
            let name = now.controllers.iter().find(|c| c.id == answer.leader_id).map(|c| c.name.clone());
            let name = name.unwrap_or_else(|| answer.leader_id.to_string());
            context.screen.answer_line(&answer, || format!("{name} leads"))
        }
    }
}

/// A new membership. For people as `list` shows it: the answer says who the members are, and not how they are; whoever
/// tells the latter may not have seen the change yet.
async fn told(context: &Context, answer: &impl Serialize, members: &[Controller]) -> Result<(), Failure> {
    let now = match context.screen.format {
        Format::Table => status(context).await.ok(),
        _ => None,
    };
    let seen = |member: &Controller| now.as_ref()?.controllers.iter().find(|seen| seen.id == member.id).cloned();
    let shown: Vec<Controller> = members.iter().map(|member| seen(member).unwrap_or_else(|| member.clone())).collect();
    context.screen.answer(answer, || table(&shown))
}

/// The control API's client.
pub type Api = drydock_proto::control::control_client::ControlClient<tonic::transport::Channel>;

/// What the controller that answers says of the control plane.
///
/// # Errors
/// Those of the call.
pub async fn status(context: &Context) -> Result<StatusResponse, Failure> {
    let call = async |mut control: Api, request| control.status(request).await;
    context.client.control(Kind::Read, StatusRequest {}, call).await
}

/// Controllers for people.
#[must_use]
pub fn table(controllers: &[Controller]) -> Table {
    let heading = ["CONTROLLER", "ROLE", "API", "PEERS", "TERM", "COMMITTED", "APPLIED", "SNAPSHOT", "ID"];
    let mut table = Table::new(&heading);
    let mut sorted: Vec<&Controller> = controllers.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    for controller in sorted {
        let role = spelling::<ControllerRole>(Some(controller.role));
        table.row([
            controller.name.clone(),
            if controller.reachable { role } else { "unreachable".to_owned() },
            controller.api_address.clone(),
            controller.peer_address.clone(),
            controller.term.to_string(),
            controller.commit_index.to_string(),
            controller.applied_index.to_string(),
            controller.snapshot_index.to_string(),
            controller.id.to_string(),
        ]);
    }
    table
}
