//! What a container is given to find its endpoint by: ids that nobody can guess, kept as labels of the container (so that
//! a restarted agent knows them from Docker) and told to it by environment variables. Pure, but for drawing an id.

use std::collections::HashMap;

use drydock_engine::TaskSpec;
use drydock_proto::ecs::{LaunchType, NetworkMode};

use crate::error::AgentError;
use crate::identity::random_hex;

/// The container's id in `/v4/<id>`, `/v3/<id>` and `/api/<id>`. Never shown in its metadata.
pub(crate) const LABEL_ENDPOINT: &str = "drydock.endpoint";
/// Its id in `/v2/credentials/<id>`, where its task has a role. Never shown in its metadata.
pub(crate) const LABEL_CREDENTIALS: &str = "drydock.credentials";

/// The ids of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) endpoint: String,
    pub(crate) credentials: String,
}

impl Ids {
    /// New ones, of 128 random bits each: on Fargate as there, task id and ten digits look, elsewhere UUIDs.
    pub(crate) fn draw(task: &TaskSpec) -> Result<Self, AgentError> {
        let endpoint = random_hex()?;
        let endpoint = match task.assigned.launch_type() {
            LaunchType::Fargate => {
                let digits: String =
                    random_hex()?.chars().filter(char::is_ascii_digit).chain("0".repeat(10).chars()).take(10).collect();
                format!("{endpoint}-{digits}")
            }
            _ => uuid(&endpoint),
        };
        Ok(Self { endpoint, credentials: uuid(&random_hex()?) })
    }
}

fn uuid(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// The role whose credentials the task's containers get, overrides obeyed.
pub(crate) fn role(task: &TaskSpec) -> Option<&str> {
    let overridden = task.assigned.overrides.as_ref().and_then(|all| all.task_role_arn.as_deref());
    overridden.or(task.definition.task_role_arn.as_deref()).filter(|role| !role.is_empty())
}

/// Whether its containers have an endpoint at all: without a network there is no way to one.
pub(crate) fn has_endpoint(task: &TaskSpec) -> bool {
    task.network_mode() != NetworkMode::None
}

/// The labels that keep the ids.
pub(crate) fn labels(task: &TaskSpec, ids: &Ids) -> HashMap<String, String> {
    let mut labels = HashMap::from([(LABEL_ENDPOINT.to_owned(), ids.endpoint.clone())]);
    if role(task).is_some() {
        labels.insert(LABEL_CREDENTIALS.to_owned(), ids.credentials.clone());
    }
    labels
}

/// The variables, as ECS sets them (ecs-semantics §2.5). `host_port` is where tasks in the host's network find the
/// endpoint: they have no namespace of their own to have the address in.
pub(crate) fn environment(task: &TaskSpec, ids: &Ids, host_port: Option<u16>) -> Vec<(String, String)> {
    let fargate = task.assigned.launch_type() == LaunchType::Fargate;
    let mut all = vec![("AWS_EXECUTION_ENV", if fargate { "AWS_ECS_FARGATE" } else { "AWS_ECS_EC2" }.to_owned())];
    if fargate {
        let region = task.task_arn().split(':').nth(3).unwrap_or_default();
        all.push(("AWS_REGION", region.to_owned()));
        all.push(("AWS_DEFAULT_REGION", region.to_owned()));
    }
    let host = task.network_mode() == NetworkMode::Host;
    let base = match host_port {
        Some(port) if host => Some(format!("http://127.0.0.1:{port}")),
        None if host => None,
        _ => Some("http://169.254.170.2".to_owned()),
    };
    if let Some(base) = base.filter(|_| has_endpoint(task)) {
        let id = &ids.endpoint;
        all.push(("ECS_CONTAINER_METADATA_URI", format!("{base}/v3/{id}")));
        all.push(("ECS_CONTAINER_METADATA_URI_V4", format!("{base}/v4/{id}")));
        all.push(("ECS_AGENT_URI", format!("{base}/api/{id}")));
        if role(task).is_some() {
            let path = format!("/v2/credentials/{}", ids.credentials);
            all.push(match host {
                true => ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{base}{path}")),
                false => ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path),
            });
        }
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drydock_proto::agent::AssignedTask;
    use drydock_proto::ecs::{LaunchType, NetworkMode, TaskDefinition};

    use super::{Ids, TaskSpec, environment, labels};

    fn told(launch_type: LaunchType, mode: NetworkMode, role: Option<&str>, port: Option<u16>) -> String {
        let assigned = AssignedTask {
            task_arn: "arn:aws:ecs:eu-west-1:000000000000:task/c/t".into(),
            launch_type: launch_type.into(),
            ..Default::default()
        };
        let definition = TaskDefinition {
            network_mode: Some(mode.into()),
            task_role_arn: role.map(str::to_owned),
            ..Default::default()
        };
        let task = TaskSpec::new(assigned, Arc::new(definition));
        let ids = Ids { endpoint: "E".into(), credentials: "C".into() };
        assert_eq!(labels(&task, &ids).len(), 1 + usize::from(role.is_some()));
        let all = environment(&task, &ids, port).into_iter().map(|(name, value)| format!("{name}={value}"));
        all.collect::<Vec<_>>().join("\n")
    }

    // rule: 2.5/metadata, 2.5/credentials, 2.5/agent-uri
    #[test]
    fn variables_by_launch_type_and_network() {
        use LaunchType::{Ec2, Fargate};
        use NetworkMode::{Awsvpc, Bridge, Host, None as Nothing};
        let uris = |base: &str| {
            format!(
                "ECS_CONTAINER_METADATA_URI={base}/v3/E\nECS_CONTAINER_METADATA_URI_V4={base}/v4/E\nECS_AGENT_URI={base}/api/E"
            )
        };
        let (fixed, local) = (uris("http://169.254.170.2"), uris("http://127.0.0.1:7"));
        let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/C";
        let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:7/v2/credentials/C";
        let region = "AWS_REGION=eu-west-1\nAWS_DEFAULT_REGION=eu-west-1";
        let (ec2, fargate) = ("AWS_EXECUTION_ENV=AWS_ECS_EC2", "AWS_EXECUTION_ENV=AWS_ECS_FARGATE");
        for (launch_type, mode, role, port, expected) in [
            (Fargate, Awsvpc, Some("r"), None, format!("{fargate}\n{region}\n{fixed}\n{relative}")),
            (Fargate, Awsvpc, None, Some(7), format!("{fargate}\n{region}\n{fixed}")),
            (Ec2, Awsvpc, Some("r"), Some(7), format!("{ec2}\n{fixed}\n{relative}")),
            (Ec2, Bridge, Some("r"), Some(7), format!("{ec2}\n{fixed}\n{relative}")),
            (Ec2, Host, Some("r"), Some(7), format!("{ec2}\n{local}\n{full}")),
            (Ec2, Host, Some("r"), None, ec2.to_owned()),
            (Ec2, Nothing, Some("r"), Some(7), ec2.to_owned()),
        ] {
            assert_eq!(told(launch_type, mode, role, port), expected, "{launch_type:?} {mode:?} {role:?} {port:?}");
        }
    }
}
