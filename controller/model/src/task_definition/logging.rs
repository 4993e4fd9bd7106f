//! Log drivers and FireLens (ecs-semantics §2.6).

use drydock_proto::ecs::{ContainerDefinition, FirelensConfigurationType, LogDriver};

use super::setting;
use crate::error::EcsError;

/// Checks a container's log configuration.
pub(super) fn check(container: &ContainerDefinition) -> Result<(), EcsError> {
    if let Some(firelens) = &container.firelens_configuration
        && firelens.r#type() == FirelensConfigurationType::Unspecified
    {
        return Err(setting(container, "'firelensConfiguration.type' must be fluentd or fluentbit."));
    }
    let Some(log) = &container.log_configuration else { return Ok(()) };
    let option = |name: &str| log.options.get(name).is_some_and(|value| !value.is_empty());
    match log.log_driver() {
        LogDriver::Unspecified => return Err(setting(container, "'logConfiguration.logDriver' must be specified.")),
        LogDriver::Awslogs if !option("awslogs-region") || !option("awslogs-group") => {
            return Err(EcsError::client("Log driver awslogs requires options: awslogs-region, awslogs-group"));
        }
        LogDriver::Splunk if !option("splunk-url") => {
            return Err(EcsError::client("Log driver splunk requires options: splunk-url, splunk-token"));
        }
        _ => {}
    }
    let is_whole = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if !log.secret_options.iter().all(|secret| is_whole(&secret.name) && is_whole(&secret.value_from)) {
        return Err(setting(container, "A secret option must have 'name' and 'valueFrom'."));
    }
    Ok(())
}

/// Checks that there is one FireLens container at most, and one where a container logs by awsfirelens, and the reverse.
pub(super) fn check_firelens(containers: &[ContainerDefinition]) -> Result<(), EcsError> {
    let routers = containers.iter().filter(|container| container.firelens_configuration.is_some()).count();
    let uses = |container: &ContainerDefinition| {
        container.log_configuration.as_ref().is_some_and(|log| log.log_driver() == LogDriver::Awsfirelens)
    };
    match (routers, containers.iter().any(uses)) {
        (0, false) | (1, true) => Ok(()),
        (0, true) => Err(EcsError::client(
            "When a container has the awsfirelens log driver, one container must have a firelensConfiguration.",
        )),
        (1, false) => Err(EcsError::client(
            "When a firelensConfiguration object is specified, at least one container has to be configured with the \
             awsfirelens log driver.",
        )),
        _ => Err(EcsError::client("Only one container may have a firelensConfiguration.")),
    }
}
