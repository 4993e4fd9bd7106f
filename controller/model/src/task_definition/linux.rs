//! What goes straight to the Linux kernel: capabilities, devices, tmpfs, swap, ulimits, kernel parameters.

use std::collections::BTreeSet;

use drydock_proto::ecs::{ContainerDefinition, LinuxParameters, NetworkMode, Ulimit, UlimitName};

use super::{Facts, setting};
use crate::error::EcsError;

/// The capabilities that ECS knows.
const CAPABILITIES: [&str; 38] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
    "WAKE_ALARM",
];

/// Highest swappiness.
const SWAPPINESS_MAX: i32 = 100;
/// Open files that a Fargate container may ask for.
const FARGATE_NOFILE_MAX: i32 = 1_048_576;

/// Checks a container.
pub(super) fn check(container: &ContainerDefinition, facts: &Facts<'_>) -> Result<(), EcsError> {
    if let Some(linux) = &container.linux_parameters {
        check_parameters(container, linux)?;
    }
    check_ulimits(container, facts.fargate)?;
    for control in &container.system_controls {
        let (Some(namespace), Some(_)) = (control.namespace.as_deref().filter(|n| !n.is_empty()), &control.value)
        else {
            return Err(setting(container, "A system control must have 'namespace' and 'value'."));
        };
        if namespace.starts_with("net.") && facts.network == NetworkMode::Host {
            return Err(setting(
                container,
                format_args!("The system control '{namespace}' is not supported when networkMode=host."),
            ));
        }
    }
    Ok(())
}

fn check_parameters(container: &ContainerDefinition, linux: &LinuxParameters) -> Result<(), EcsError> {
    if let Some(capabilities) = &linux.capabilities {
        for name in capabilities.add.iter().chain(&capabilities.drop) {
            if !CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(name)) {
                return Err(setting(container, format_args!("There is no Linux capability '{name}'.")));
            }
        }
    }
    let is_path = |path: &Option<String>| path.as_deref().is_some_and(|path| path.starts_with('/'));
    if !linux.devices.iter().all(|device| is_path(&device.host_path)) {
        return Err(setting(container, "A device must have an absolute 'hostPath'."));
    }
    if !linux.tmpfs.iter().all(|tmpfs| is_path(&tmpfs.container_path) && tmpfs.size.is_some_and(|size| size > 0)) {
        return Err(setting(container, "A tmpfs must have an absolute 'containerPath' and a 'size' above 0 MiB."));
    }
    if linux.shared_memory_size.is_some_and(|size| size < 1) {
        return Err(setting(container, "'sharedMemorySize' must be at least 1 MiB."));
    }
    if linux.max_swap.is_some_and(|swap| swap < 0) {
        return Err(setting(container, "'maxSwap' must not be negative."));
    }
    if linux.swappiness.is_some_and(|swappiness| !(0..=SWAPPINESS_MAX).contains(&swappiness)) {
        return Err(setting(container, "'swappiness' must be between 0 and 100."));
    }
    Ok(())
}

fn check_ulimits(container: &ContainerDefinition, fargate: bool) -> Result<(), EcsError> {
    let mut seen = BTreeSet::new();
    for ulimit in &container.ulimits {
        let Ulimit { soft_limit: Some(soft), hard_limit: Some(hard), .. } = *ulimit else {
            return Err(setting(container, "A ulimit must have 'name', 'softLimit' and 'hardLimit'."));
        };
        if ulimit.name() == UlimitName::Unspecified || !seen.insert(ulimit.name()) {
            return Err(setting(container, "The names of ulimits must be given, each once."));
        }
        // -1 is unlimited.
        let rank = |limit: i32| if limit == -1 { i32::MAX } else { limit };
        if soft < -1 || hard < -1 || rank(soft) > rank(hard) {
            return Err(setting(container, "A ulimit's 'softLimit' must not be greater than its 'hardLimit'."));
        }
        if fargate && ulimit.name() == UlimitName::Nofile && rank(hard) > FARGATE_NOFILE_MAX {
            return Err(setting(
                container,
                format_args!("The nofile ulimit is at most {FARGATE_NOFILE_MAX} on Fargate."),
            ));
        }
    }
    Ok(())
}
