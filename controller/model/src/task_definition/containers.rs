//! The checks of each container by itself: name, image, size, health check, timeouts, environment, secrets, restarts.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use drydock_proto::ecs::{ContainerDefinition, NetworkMode, ResourceType};

use super::{CONTAINERS_MAX, Facts, setting};
use crate::error::{EcsError, ExceptionName};
use crate::names;

/// Seconds between two health checks.
const HEALTH_INTERVAL: RangeInclusive<i32> = 5..=300;
/// Seconds that a health check may take.
const HEALTH_TIMEOUT: RangeInclusive<i32> = 2..=60;
/// Failures until a container is UNHEALTHY.
const HEALTH_RETRIES: RangeInclusive<i32> = 1..=10;
/// Seconds in which failures don't count.
const HEALTH_START_PERIOD: RangeInclusive<i32> = 0..=300;
/// Seconds that a container must have run to be restarted.
const RESTART_ATTEMPT_PERIOD: RangeInclusive<i32> = 60..=1_800;
/// Exit codes after which it isn't restarted.
const IGNORED_EXIT_CODES_MAX: usize = 50;
/// Characters of an image, without its digest.
const IMAGE_CHARS_MAX: usize = 255;
/// Environment files of a container.
const ENVIRONMENT_FILES_MAX: usize = 10;

/// Checks names, images and essential containers over the whole list.
pub(super) fn check_list(containers: &[ContainerDefinition]) -> Result<(), EcsError> {
    if containers.is_empty() {
        return Err(EcsError::client("Container list cannot be empty."));
    }
    if containers.len() > CONTAINERS_MAX {
        return Err(EcsError::client("Too many containers."));
    }
    let mut seen = BTreeSet::new();
    for container in containers {
        let name = container.name.as_deref().unwrap_or_default();
        names::check(ExceptionName::Client, "Container.name", name)?;
        check_image(container.image.as_deref().unwrap_or_default())?;
        if !seen.insert(name) {
            return Err(EcsError::client(format!("Duplicate container name '{name}'.")));
        }
    }
    if containers.iter().all(|container| container.essential == Some(false)) {
        return Err(EcsError::client("Task definition doesn't have any essential container."));
    }
    Ok(())
}

fn check_image(image: &str) -> Result<(), EcsError> {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    if image.is_empty() {
        return Err(EcsError::client("Container.image should not be null or empty."));
    }
    if name.is_empty() {
        return Err(EcsError::client("Container.image repository should not be null or empty."));
    }
    if name.len() > IMAGE_CHARS_MAX {
        return Err(EcsError::client(format!("Container.image longer than {IMAGE_CHARS_MAX}.")));
    }
    let is_digest = |digest: &str| {
        digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_:./#".contains(&letter);
    if !name.bytes().all(is_allowed) || !digest.is_none_or(is_digest) {
        return Err(EcsError::client("Container.image contains invalid characters."));
    }
    Ok(())
}

/// Checks one container.
pub(super) fn check(container: &ContainerDefinition, facts: &Facts<'_>) -> Result<(), EcsError> {
    check_size(container, facts)?;
    check_network(container, facts.network)?;
    check_health(container)?;
    check_restarts(container)?;
    check_timeouts(container)?;
    check_environment(container)?;
    check_resource_requirements(container)
}

fn check_size(container: &ContainerDefinition, facts: &Facts<'_>) -> Result<(), EcsError> {
    if container.cpu.is_some_and(|cpu| cpu < 0) {
        return Err(setting(container, "'cpu' must not be negative."));
    }
    if [container.memory, container.memory_reservation].into_iter().flatten().any(|mib| mib < 1) {
        return Err(setting(container, "'memory' and 'memoryReservation' must be at least 1 MiB."));
    }
    if container.memory.is_none() && container.memory_reservation.is_none() && facts.memory_mib.is_none() {
        // On Fargate the missing task memory is the error, and has a text of its own.
        if !facts.fargate {
            return Err(setting(container, "At least one of 'memory' or 'memoryReservation' must be specified."));
        }
    }
    if let (Some(hard), Some(soft)) = (container.memory, container.memory_reservation)
        && soft > hard
    {
        return Err(setting(container, "'memoryReservation' must not be greater than 'memory'."));
    }
    let limit = facts.memory_mib.and_then(|mib| i32::try_from(mib).ok());
    let most = container.memory.max(container.memory_reservation);
    if let (Some(limit), Some(most)) = (limit, most)
        && most > limit
    {
        let name = container.name.as_deref().unwrap_or_default();
        return Err(EcsError::client(format!(
            "The 'memory' setting for container '{name}' is greater than for the task."
        )));
    }
    Ok(())
}

/// Checks that the containers together stay within the task's size.
pub(super) fn check_sums(facts: &Facts<'_>) -> Result<(), EcsError> {
    let sum = |of: fn(&ContainerDefinition) -> Option<i32>| {
        facts.request.container_definitions.iter().filter_map(of).map(i64::from).sum::<i64>()
    };
    if facts.cpu.is_some_and(|cpu| sum(|container| container.cpu) > i64::from(cpu)) {
        return Err(EcsError::client(
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
        ));
    }
    let reserved = sum(|container| container.memory_reservation.or(container.memory));
    if facts.memory_mib.is_some_and(|mib| reserved > i64::from(mib)) {
        return Err(EcsError::client(
            "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'.",
        ));
    }
    Ok(())
}

fn check_network(container: &ContainerDefinition, network: NetworkMode) -> Result<(), EcsError> {
    if network != NetworkMode::Awsvpc {
        return Ok(());
    }
    let unsupported = [
        (container.hostname.is_some(), "Hostname is not supported on container"),
        (!container.dns_servers.is_empty(), "DNS servers are not supported on container"),
        (!container.dns_search_domains.is_empty(), "DNS search domains are not supported on container"),
        (!container.extra_hosts.is_empty(), "Extra hosts are not supported"),
    ];
    match unsupported.into_iter().find(|(given, _)| *given) {
        Some((_, text)) => Err(EcsError::client(format!("{text} when networkMode=awsvpc."))),
        None => Ok(()),
    }
}

/// Checks a number that may be absent.
fn within(
    container: &ContainerDefinition,
    what: &str,
    value: Option<i32>,
    range: &RangeInclusive<i32>,
) -> Result<(), EcsError> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(setting(container, format_args!("'{what}' must be between {} and {}.", range.start(), range.end())))
        }
        _ => Ok(()),
    }
}

fn check_health(container: &ContainerDefinition) -> Result<(), EcsError> {
    let Some(health) = &container.health_check else { return Ok(()) };
    match health.command.split_first() {
        Some((kind, arguments)) if matches!(kind.as_str(), "CMD" | "CMD-SHELL") && !arguments.is_empty() => {}
        _ => {
            return Err(setting(
                container,
                "'healthCheck.command' must begin with CMD or CMD-SHELL, followed by the command.",
            ));
        }
    }
    within(container, "healthCheck.interval", health.interval, &HEALTH_INTERVAL)?;
    within(container, "healthCheck.timeout", health.timeout, &HEALTH_TIMEOUT)?;
    within(container, "healthCheck.retries", health.retries, &HEALTH_RETRIES)?;
    within(container, "healthCheck.startPeriod", health.start_period, &HEALTH_START_PERIOD)
}

fn check_restarts(container: &ContainerDefinition) -> Result<(), EcsError> {
    let Some(policy) = &container.restart_policy else { return Ok(()) };
    if policy.enabled.is_none() {
        return Err(setting(container, "'restartPolicy.enabled' must be specified."));
    }
    if policy.ignored_exit_codes.len() > IGNORED_EXIT_CODES_MAX {
        return Err(setting(
            container,
            format_args!("'restartPolicy.ignoredExitCodes' may have at most {IGNORED_EXIT_CODES_MAX} codes."),
        ));
    }
    within(container, "restartPolicy.restartAttemptPeriod", policy.restart_attempt_period, &RESTART_ATTEMPT_PERIOD)
}

fn check_timeouts(container: &ContainerDefinition) -> Result<(), EcsError> {
    within(container, "startTimeout", container.start_timeout, &(0..=i32::MAX))?;
    within(container, "stopTimeout", container.stop_timeout, &(0..=i32::MAX))
}

fn check_environment(container: &ContainerDefinition) -> Result<(), EcsError> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for variable in &container.environment {
        match variable.name.as_deref() {
            None | Some("") => {
                return Err(setting(container, "The name of an environment variable must not be empty."));
            }
            Some(name) => names.insert(name),
        };
    }
    for secret in &container.secrets {
        let (Some(name), Some(from)) = (secret.name.as_deref(), secret.value_from.as_deref()) else {
            return Err(setting(container, "A secret must have 'name' and 'valueFrom'."));
        };
        if name.is_empty() || from.is_empty() {
            return Err(setting(container, "A secret must have 'name' and 'valueFrom'."));
        }
        if !names.insert(name) {
            return Err(EcsError::client(format!(
                "The secret name must be unique and not shared with any new or existing environment variables set on \
                 the container, such as '{name}'."
            )));
        }
    }
    if container.environment_files.len() > ENVIRONMENT_FILES_MAX {
        return Err(setting(
            container,
            format_args!("There can be at most {ENVIRONMENT_FILES_MAX} environment files."),
        ));
    }
    let is_env_file = |value: &str| value.starts_with("arn:") && value.ends_with(".env");
    if !container.environment_files.iter().all(|file| file.value.as_deref().is_some_and(is_env_file)) {
        return Err(setting(container, "An environment file must be the ARN of an S3 object that ends in .env."));
    }
    let credentials = container.repository_credentials.as_ref().map(|given| given.credentials_parameter.as_deref());
    if credentials.is_some_and(|parameter| parameter.is_none_or(str::is_empty)) {
        return Err(setting(container, "'repositoryCredentials.credentialsParameter' must be specified."));
    }
    Ok(())
}

fn check_resource_requirements(container: &ContainerDefinition) -> Result<(), EcsError> {
    let mut gpus = 0;
    for requirement in &container.resource_requirements {
        // An InferenceAccelerator is refused before: see the refusals.
        gpus += usize::from(requirement.r#type() == ResourceType::Gpu);
        let count = requirement.value.as_deref().and_then(|value| value.parse::<u16>().ok());
        if count.is_none_or(|count| count == 0) || requirement.r#type() == ResourceType::Unspecified {
            return Err(setting(
                container,
                "The value of a resource requirement of type GPU must be a number above 0.",
            ));
        }
    }
    if gpus > 1 {
        return Err(setting(container, "There can be one resource requirement of type GPU."));
    }
    Ok(())
}
