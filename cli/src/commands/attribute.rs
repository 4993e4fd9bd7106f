//! `drydock attribute`: attributes of container instances.

use clap::Subcommand;
use drydock_proto::ecs::{
    Attribute, DeleteAttributesRequest, ListAttributesRequest, ListAttributesResponse, PutAttributesRequest, TargetType,
};

use super::{Context, ids};
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::Table;
use crate::output::words::short_id;

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Adds attributes to a container instance, or gives them another value.
    Put {
        /// Id, the start of an id, or ARN.
        instance: String,
        /// NAME=VALUE, or NAME for one without a value.
        #[arg(required = true, num_args = 1..=10)]
        attributes: Vec<String>,
    },
    /// Takes custom attributes from a container instance.
    Delete {
        /// Id, the start of an id, or ARN.
        instance: String,
        /// Their names.
        #[arg(required = true, num_args = 1..=10)]
        names: Vec<String>,
    },
    /// Lists the attributes of all container instances of the cluster.
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this name.
        #[arg(long)]
        name: Option<String>,
        /// Only those with this value.
        #[arg(long, requires = "name")]
        value: Option<String>,
    },
}

/// Runs the verb.
///
/// # Errors
/// Those of the call.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Put { instance, attributes } => {
            let target = ids::instance(context, &instance).await?;
            let one = |text: &String| match text.split_once('=') {
                Some((name, value)) => attribute(&target, name, Some(value)),
                None => attribute(&target, text, None),
            };
            let attributes = attributes.iter().map(one).collect();
            let request = PutAttributesRequest { cluster: context.in_cluster(), attributes };
            let call = context.client.ecs(Kind::Idempotent, request, async |mut ecs, r| ecs.put_attributes(r).await);
            let answer = call.await?;
            context.screen.answer(&answer, || table(&answer.attributes))
        }
        Verb::Delete { instance, names } => {
            let target = ids::instance(context, &instance).await?;
            let attributes = names.iter().map(|name| attribute(&target, name, None)).collect();
            let request = DeleteAttributesRequest { cluster: context.in_cluster(), attributes };
            let call = context.client.ecs(Kind::Idempotent, request, async |mut ecs, r| ecs.delete_attributes(r).await);
            let answer = call.await?;
            context.screen.answer(&answer, || table(&answer.attributes))
        }
        Verb::List { name, value } => list(context, name, value).await,
    }
}

fn attribute(target: &str, name: &str, value: Option<&str>) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        value: value.map(str::to_owned),
        target_type: Some(TargetType::ContainerInstance.into()),
        target_id: Some(target.to_owned()),
    }
}

async fn list(context: &Context, name: Option<String>, value: Option<String>) -> Result<(), Failure> {
    let mut request = ListAttributesRequest {
        cluster: context.in_cluster(),
        target_type: Some(TargetType::ContainerInstance.into()),
        attribute_name: name,
        attribute_value: value,
        ..ListAttributesRequest::default()
    };
    let mut attributes = Vec::new();
    loop {
        let call = context.client.ecs(Kind::Read, request.clone(), async |mut ecs, r| ecs.list_attributes(r).await);
        let answer = call.await?;
        attributes.extend(answer.attributes);
        request.next_token = answer.next_token;
        if request.next_token.is_none() {
            break;
        }
    }
    let answer = ListAttributesResponse { attributes, next_token: None };
    context.screen.answer(&answer, || table(&answer.attributes))
}

fn table(attributes: &[Attribute]) -> Table {
    let mut table = Table::new(&["INSTANCE", "NAME", "VALUE"]);
    for attribute in attributes {
        table.row([
            short_id(attribute.target_id.as_deref().unwrap_or_default()),
            attribute.name.clone().unwrap_or_default(),
            attribute.value.clone().unwrap_or_default(),
        ]);
    }
    table
}
