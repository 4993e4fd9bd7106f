//! ARNs and ids as ECS forms them (ecs-semantics §2.1): `arn:aws:ecs:<region>:<account>:<kind>/<path>`.

use std::fmt;

/// Whose resource it is: part of every key (design §3.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Region, e.g. `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

/// The kinds of resource that have an ECS ARN, with what follows the kind in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `cluster/NAME`
    Cluster(String),
    /// `capacity-provider/NAME`
    CapacityProvider(String),
    /// `container-instance/CLUSTER/ID`
    ContainerInstance(String, String),
    /// `task/CLUSTER/ID`
    Task(String, String),
    /// `container/CLUSTER/TASK/ID`
    Container(String, String, String),
    /// `service/CLUSTER/NAME`
    Service(String, String),
    /// `service-deployment/CLUSTER/SERVICE/ID`
    ServiceDeployment(String, String, String),
    /// `service-revision/CLUSTER/SERVICE/ID`
    ServiceRevision(String, String, String),
    /// `task-set/CLUSTER/SERVICE/ecs-svc/ID`: the last part without `ecs-svc/`
    TaskSet(String, String, String),
    /// `task-definition/FAMILY:REVISION`
    TaskDefinition(String, u32),
}

/// An ECS ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    /// Region and account.
    pub scope: Scope,
    /// What it names.
    pub resource: Resource,
}

/// Not an ECS ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} isn't an ECS ARN")]
pub struct NotAnArn(String);

impl Scope {
    /// The ARN of a resource in this scope.
    #[must_use]
    pub fn arn(&self, resource: Resource) -> Arn {
        Arn { scope: self.clone(), resource }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "arn:aws:ecs:{}:{}:{}", self.scope.region, self.scope.account, self.resource)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => write!(out, "cluster/{name}"),
            Self::CapacityProvider(name) => write!(out, "capacity-provider/{name}"),
            Self::ContainerInstance(cluster, id) => write!(out, "container-instance/{cluster}/{id}"),
            Self::Task(cluster, id) => write!(out, "task/{cluster}/{id}"),
            Self::Container(cluster, task, id) => write!(out, "container/{cluster}/{task}/{id}"),
            Self::Service(cluster, name) => write!(out, "service/{cluster}/{name}"),
            Self::ServiceDeployment(cluster, service, id) => write!(out, "service-deployment/{cluster}/{service}/{id}"),
            Self::ServiceRevision(cluster, service, id) => write!(out, "service-revision/{cluster}/{service}/{id}"),
            Self::TaskSet(cluster, service, id) => write!(out, "task-set/{cluster}/{service}/ecs-svc/{id}"),
            Self::TaskDefinition(family, revision) => write!(out, "task-definition/{family}:{revision}"),
        }
    }
}

impl std::str::FromStr for Arn {
    type Err = NotAnArn;

    fn from_str(text: &str) -> Result<Self, NotAnArn> {
        parse(text).ok_or_else(|| NotAnArn(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Arn> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    if arn != "arn" || !partition.starts_with("aws") || service != "ecs" {
        return None;
    }
    let scope = Scope { region: parts.next()?.to_owned(), account: parts.next()?.to_owned() };
    let path: Vec<&str> = parts.next()?.split('/').collect();
    if path.iter().any(|part| part.is_empty()) {
        return None;
    }
    let own = |part: &&str| (*part).to_owned();
    let resource = match path.as_slice() {
        ["cluster", name] => Resource::Cluster(own(name)),
        ["capacity-provider", name] => Resource::CapacityProvider(own(name)),
        ["container-instance", cluster, id] => Resource::ContainerInstance(own(cluster), own(id)),
        ["task", cluster, id] => Resource::Task(own(cluster), own(id)),
        ["container", cluster, task, id] => Resource::Container(own(cluster), own(task), own(id)),
        ["service", cluster, name] => Resource::Service(own(cluster), own(name)),
        ["service-deployment", cluster, service, id] => {
            Resource::ServiceDeployment(own(cluster), own(service), own(id))
        }
        ["service-revision", cluster, service, id] => Resource::ServiceRevision(own(cluster), own(service), own(id)),
        ["task-set", cluster, service, "ecs-svc", id] => Resource::TaskSet(own(cluster), own(service), own(id)),
        ["task-definition", name] => {
            let (family, revision) = name.rsplit_once(':')?;
            Resource::TaskDefinition(family.to_owned(), revision.parse().ok()?)
        }
        _ => return None,
    };
    Some(Arn { scope, resource })
}

/// The last part of an ARN or the whole of a bare name or id: what most ECS requests take in either form.
#[must_use]
pub fn short_name(arn_or_name: &str) -> &str {
    if arn_or_name.starts_with("arn:") { arn_or_name.rsplit('/').next().unwrap_or(arn_or_name) } else { arn_or_name }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Arn, short_name};

    // rule: 2.1/task-arn, 2.1/container-arn
    #[test]
    fn arns_lead_back() {
        for text in [
            "arn:aws:ecs:us-east-1:000000000000:cluster/default",
            "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef",
            "arn:aws:ecs:eu-west-1:123456789012:service/prod/web",
            "arn:aws:ecs:eu-west-1:123456789012:capacity-provider/FARGATE_SPOT",
            "arn:aws:ecs:eu-west-1:123456789012:service-deployment/prod/web/abc",
            "arn:aws:ecs:eu-west-1:123456789012:task-set/prod/web/ecs-svc/9223370479726415095",
            "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:17",
            "arn:aws:ecs:eu-west-1:123456789012:container/prod/t/c",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in [
            "",
            "web",
            "arn:aws:s3:::bucket",
            "arn:aws:ecs:r:a:cluster/",
            "arn:aws:ecs:r:a:cluster",
            "arn:aws:ecs:r:a:task-definition/web",
            "arn:aws:ecs:r:a:task-definition/web:x",
            "arn:aws:ecs:r:a:task-set/c/s/9223370479726415095",
            "arn:aws:ecs:r:a:planet/earth",
        ] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }

    #[test]
    fn short_names() {
        assert_eq!(short_name("web"), "web");
        assert_eq!(short_name("arn:aws:ecs:r:a:service/c/web"), "web");
        assert_eq!(short_name("arn:aws:ecs:r:a:task-definition/web:3"), "web:3");
    }
}
