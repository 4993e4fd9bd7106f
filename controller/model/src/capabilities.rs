//! The attributes by which an agent says what it can do, and a task definition what it needs (ecs-semantics §2.4): one
//! vocabulary for both sides. A task is placed only where all its `requiresAttributes` are registered.
//!
//! The simulated runtime can pretend all of [`all`]. With Docker an agent registers [`docker_api`] up to its daemon's
//! version, [`LOCAL`] as far as it obeys them, the [`logging_driver`]s that it passes on, and of [`NEED_AWS`] only what it
//! really has.

/// Minor versions of Docker's API (1.x) that attributes speak of.
pub const DOCKER_API_MINORS: std::ops::RangeInclusive<u8> = 17..=44;

/// Log drivers that ECS knows.
pub const LOG_DRIVERS: [&str; 8] =
    ["awsfirelens", "awslogs", "fluentd", "gelf", "journald", "json-file", "splunk", "syslog"];

/// What an agent can do by itself.
pub const LOCAL: [&str; 13] = [
    "com.amazonaws.ecs.capability.apparmor",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.selinux",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.firelens.fluentbit",
    "ecs.capability.firelens.fluentd",
    "ecs.capability.firelens.options.config.file",
    "ecs.capability.network.container-port-range",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.task-eni",
];

/// What needs a service of AWS: credentials, registries, secrets, file systems.
pub const NEED_AWS: [&str; 19] = [
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.aws-appmesh",
    "ecs.capability.efs",
    "ecs.capability.efsAuth",
    "ecs.capability.env-files.s3",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.firelens.options.config.s3",
    "ecs.capability.fsxWindowsFileServer",
    "ecs.capability.gmsa",
    "ecs.capability.private-registry-authentication.secretsmanager",
    "ecs.capability.s3files",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.storage.ebs-task-attach",
];

/// The attribute of a log driver.
#[must_use]
pub fn logging_driver(name: &str) -> String {
    format!("com.amazonaws.ecs.capability.logging-driver.{name}")
}

/// The attributes of Docker's API, up to and with 1.`minor`.
pub fn docker_api(minor: u8) -> impl Iterator<Item = String> {
    let known = DOCKER_API_MINORS.filter(move |known| *known <= minor);
    known.map(|known| format!("com.amazonaws.ecs.capability.docker-remote-api.1.{known}"))
}

/// Every attribute that a task definition can require; only Docker volume plugins other than `local` are not among them.
#[must_use]
pub fn all() -> Vec<String> {
    let named = LOCAL.into_iter().chain(NEED_AWS).map(str::to_owned);
    let mut all: Vec<String> = named.chain(LOG_DRIVERS.map(logging_driver)).chain(docker_api(u8::MAX)).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::{all, docker_api};

    #[test]
    fn each_once() {
        let mut once = all();
        once.dedup();
        assert_eq!(once, all());
        assert_eq!(docker_api(19).count(), 3);
        assert_eq!(docker_api(16).count(), 0);
    }
}
