//! Port mappings: bounds, the network mode's rules, ranges, names.

use std::collections::BTreeSet;

use drydock_proto::ecs::{ContainerDefinition, NetworkMode, PortMapping};

use super::setting;
use crate::error::EcsError;

/// Port ranges of a container.
const RANGES_MAX: usize = 100;
/// Characters of a port's name.
const NAME_CHARS_MAX: usize = 64;

/// Checks the mappings of a container.
pub(super) fn check(container: &ContainerDefinition, network: NetworkMode) -> Result<(), EcsError> {
    if network == NetworkMode::None && !container.port_mappings.is_empty() {
        return Err(EcsError::client("Port mappings are not supported when networkMode=none."));
    }
    let ranges = container.port_mappings.iter().filter(|mapping| mapping.container_port_range.is_some()).count();
    if ranges > RANGES_MAX {
        return Err(setting(container, format_args!("There can be at most {RANGES_MAX} port ranges.")));
    }
    let mut taken: Vec<(i32, u16, u16, bool)> = Vec::new();
    for mapping in &container.port_mappings {
        let (from, to) = check_mapping(container, mapping, network)?;
        let is_range = mapping.container_port_range.is_some();
        let protocol = mapping.protocol.unwrap_or_default();
        let overlaps = taken.iter().any(|(other, first, last, other_is_range)| {
            *other == protocol && from <= *last && *first <= to && (is_range || *other_is_range)
        });
        if overlaps {
            return Err(setting(container, format_args!("The port range {from}-{to} overlaps another port mapping.")));
        }
        taken.push((protocol, from, to, is_range));
    }
    Ok(())
}

/// The container's ports that a mapping covers, first and last.
fn check_mapping(
    container: &ContainerDefinition,
    mapping: &PortMapping,
    network: NetworkMode,
) -> Result<(u16, u16), EcsError> {
    check_name(container, mapping)?;
    let port = |value: i32| u16::try_from(value).ok();
    if mapping.host_port.is_some_and(|host| port(host).is_none()) {
        return Err(setting(container, "'hostPort' must be between 0 and 65535."));
    }
    let host = mapping.host_port.filter(|host| *host != 0);
    match (&mapping.container_port_range, mapping.container_port) {
        (Some(_), Some(_)) => Err(setting(container, "'containerPort' and 'containerPortRange' exclude each other.")),
        (Some(range), None) => {
            if !matches!(network, NetworkMode::Bridge | NetworkMode::Awsvpc) {
                return Err(setting(container, "'containerPortRange' needs the network mode bridge or awsvpc."));
            }
            if host.is_some() {
                return Err(setting(container, "'hostPort' and 'containerPortRange' exclude each other."));
            }
            range_of(range).ok_or_else(|| {
                setting(
                    container,
                    format_args!("'containerPortRange' must be FIRST-LAST within 1-65535, not '{range}'."),
                )
            })
        }
        (None, given) => {
            let Some(own) = given.and_then(port).filter(|own| *own > 0) else {
                return Err(setting(container, "'containerPort' must be between 1 and 65535."));
            };
            let mode = match network {
                NetworkMode::Awsvpc => "awsvpc",
                NetworkMode::Host => "host",
                _ => return Ok((own, own)),
            };
            if host.is_some_and(|host| host != i32::from(own)) {
                return Err(EcsError::client(format!(
                    "When networkMode={mode}, the host ports and container ports in port mappings must match."
                )));
            }
            Ok((own, own))
        }
    }
}

fn range_of(range: &str) -> Option<(u16, u16)> {
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (first > 0 && first < last).then_some((first, last))
}

fn check_name(container: &ContainerDefinition, mapping: &PortMapping) -> Result<(), EcsError> {
    let Some(name) = mapping.name.as_deref() else { return Ok(()) };
    let is_allowed = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"_-".contains(&letter);
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_allowed) && !name.starts_with('-') {
        return Ok(());
    }
    Err(setting(
        container,
        format_args!("The port mapping name '{name}' must have 1 to 64 of a-z, 0-9, _ and -, and not begin with -."),
    ))
}

/// Checks that no name is given to two ports of the task definition.
pub(super) fn check_names(containers: &[ContainerDefinition]) -> Result<(), EcsError> {
    let mut seen = BTreeSet::new();
    let names = containers.iter().flat_map(|container| &container.port_mappings).filter_map(|m| m.name.as_deref());
    for name in names {
        if !seen.insert(name) {
            return Err(EcsError::client(format!("Duplicate port mapping name '{name}'.")));
        }
    }
    Ok(())
}
