//! `drydock names`: what an account has beside ECS, as far as tasks name it: subnets with their zones, security groups,
//! roles.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use drydock_proto::control::{GetNamesRequest, GetNamesResponse, Names, PutNamesRequest};

use super::Context;
use super::controller::Api;
use crate::client::{Client, Kind};
use crate::failure::Failure;
use crate::load::load;
use crate::load::request::NAMES;
use crate::output::Table;

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Shows the names that were described, and the zones that other subnets were given.
    Show,
    /// Describes them, in place of all that were described before.
    Put {
        /// JSON or YAML: strict, subnets (id, availabilityZone), securityGroups, roles.
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Refuses names that aren't described, as AWS would.
        #[arg(long)]
        strict: bool,
    },
}

/// Runs the verb.
///
/// # Errors
/// Those of the file and of the calls.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Show => {
            let answer = get(&context.client).await?;
            context.screen.answer(&answer, || table(&answer))
        }
        Verb::Put { file, strict } => {
            let names = put(&context.client, read(&file, strict)?).await?;
            let answer = GetNamesResponse { names: Some(names), assigned_subnets: Vec::new() };
            context.screen.answer(&answer, || table(&answer))
        }
    }
}

/// The names of a file.
///
/// # Errors
/// It can't be read, or has a member that isn't known.
pub fn read(file: &Path, strict: bool) -> Result<Names, Failure> {
    let mut names = load::<Names>(file, NAMES)?.request;
    names.strict |= strict;
    Ok(names)
}

/// Describes names; gives them back as they are kept.
///
/// # Errors
/// Those of the call.
pub async fn put(client: &Client, names: Names) -> Result<Names, Failure> {
    let request = PutNamesRequest { names: Some(names) };
    let call = async |mut control: Api, request| control.put_names(request).await;
    Ok(client.control(Kind::Idempotent, request, call).await?.names.unwrap_or_default())
}

async fn get(client: &Client) -> Result<GetNamesResponse, Failure> {
    let call = async |mut control: Api, request| control.get_names(request).await;
    client.control(Kind::Read, GetNamesRequest {}, call).await
}

/// Refuses from now on what isn't described; what is, stays.
///
/// # Errors
/// Those of the calls.
pub async fn restrict(client: &Client) -> Result<Names, Failure> {
    let known = get(client).await?.names.unwrap_or_default();
    put(client, Names { strict: true, ..known }).await
}

fn table(answer: &GetNamesResponse) -> Table {
    let mut table = Table::new(&["NAME", "ZONE", "KNOWN"]);
    let names = answer.names.clone().unwrap_or_default();
    for subnet in &names.subnets {
        table.row([subnet.id.clone(), subnet.availability_zone.clone(), "described".to_owned()]);
    }
    for subnet in &answer.assigned_subnets {
        table.row([subnet.id.clone(), subnet.availability_zone.clone(), "assigned".to_owned()]);
    }
    for name in names.security_groups.iter().chain(&names.roles) {
        table.row([name.clone(), String::new(), "described".to_owned()]);
    }
    if names.strict {
        table.row(["all others".to_owned(), String::new(), "refused".to_owned()]);
    }
    table
}
