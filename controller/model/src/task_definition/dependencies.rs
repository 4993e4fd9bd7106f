//! What containers ask of each other: dependsOn, links, volumesFrom. All name containers of the same task definition, and
//! together they form no circle, else the task could never start.

use std::collections::{BTreeMap, BTreeSet};

use drydock_proto::ecs::{ContainerCondition, ContainerDefinition, NetworkMode};

use super::setting;
use crate::error::EcsError;

/// Checks all of them.
pub(super) fn check(containers: &[ContainerDefinition], network: NetworkMode) -> Result<(), EcsError> {
    let by_name: BTreeMap<&str, &ContainerDefinition> =
        containers.iter().filter_map(|container| Some((container.name.as_deref()?, container))).collect();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut linked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in containers {
        let from = container.name.as_deref().unwrap_or_default();
        let targets = edges.entry(from).or_default();
        check_depends_on(container, &by_name)?;
        targets.extend(container.depends_on.iter().filter_map(|dependency| dependency.container_name.as_deref()));
        linked.insert(from, links(container, &by_name, network)?.into_iter().collect());
        targets.extend(volumes_from(container, &by_name)?);
    }
    if in_a_circle(&linked).is_some() {
        return Err(EcsError::client("Container links should not have a cycle"));
    }
    for (from, targets) in linked {
        edges.entry(from).or_default().extend(targets);
    }
    match in_a_circle(&edges) {
        Some(name) => {
            Err(EcsError::client(format!("Container '{name}' depends on itself by a circle of dependencies.")))
        }
        None => Ok(()),
    }
}

fn check_depends_on(
    container: &ContainerDefinition,
    by_name: &BTreeMap<&str, &ContainerDefinition>,
) -> Result<(), EcsError> {
    for dependency in &container.depends_on {
        let name = dependency.container_name.as_deref().unwrap_or_default();
        let Some(target) = by_name.get(name) else {
            return Err(EcsError::client(format!("Cannot depend on container + '{name}' because it does not exist")));
        };
        match dependency.condition() {
            ContainerCondition::Start => {}
            ContainerCondition::Complete | ContainerCondition::Success if target.essential != Some(false) => {
                return Err(EcsError::client(
                    "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
                ));
            }
            ContainerCondition::Complete | ContainerCondition::Success => {}
            ContainerCondition::Healthy if target.health_check.is_none() => {
                return Err(setting(
                    container,
                    format_args!("It depends on '{name}' being HEALTHY, which has no health check."),
                ));
            }
            ContainerCondition::Healthy => {}
            ContainerCondition::Unspecified => {
                return Err(setting(container, format_args!("Its dependency on '{name}' has no condition.")));
            }
        }
    }
    Ok(())
}

fn links<'a>(
    container: &'a ContainerDefinition,
    by_name: &BTreeMap<&str, &ContainerDefinition>,
    network: NetworkMode,
) -> Result<Vec<&'a str>, EcsError> {
    if network != NetworkMode::Bridge && !container.links.is_empty() {
        let mode = network.as_str_name().trim_start_matches("NETWORK_MODE_").to_ascii_lowercase();
        return Err(EcsError::client(format!("Links are not supported when networkMode={mode}.")));
    }
    let mut targets = Vec::new();
    for link in &container.links {
        let target = link.split_once(':').map_or(link.as_str(), |(target, _)| target);
        if !by_name.contains_key(target) {
            return Err(setting(
                container,
                format_args!("Its link '{link}' names no container of the task definition."),
            ));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn volumes_from<'a>(
    container: &'a ContainerDefinition,
    by_name: &BTreeMap<&str, &ContainerDefinition>,
) -> Result<Vec<&'a str>, EcsError> {
    let mut targets = Vec::new();
    for source in &container.volumes_from {
        let name = source.source_container.as_deref().unwrap_or_default();
        if !by_name.contains_key(name) {
            return Err(setting(container, format_args!("volumesFrom: container '{name}' does not exist.")));
        }
        targets.push(name);
    }
    Ok(targets)
}

/// A container from which a path leads back to itself. At most ten containers: each is walked from.
fn in_a_circle<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<&'a str> {
    edges.keys().copied().find(|start| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = vec![start];
        while let Some(at) = open.pop() {
            for next in edges.get(at).into_iter().flatten() {
                if next == start {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    })
}
