//! `requiresAttributes`: what an instance must be able to do, as attributes that its agent registers (ecs-semantics §2.4).

use std::collections::BTreeSet;

use drydock_proto::ecs::{
    Attribute, ContainerDefinition, FirelensConfigurationType, LogDriver, NetworkMode, Secret, Volume,
};
use drydock_proto::json::WireEnum as _;

use super::compatibility::is_ecr;
use super::{Facts, has_execution_role};

const PREFIX: &str = "com.amazonaws.ecs.capability.";

/// The attributes, sorted by name, each once.
pub(super) fn required(facts: &Facts<'_>) -> Vec<Attribute> {
    let mut names = Names(BTreeSet::new());
    names.of_task(facts);
    for container in &facts.request.container_definitions {
        names.of_container(container, has_execution_role(facts.request));
    }
    for volume in &facts.request.volumes {
        names.of_volume(volume);
    }
    names.0.into_iter().map(|name| Attribute { name: Some(name), ..Attribute::default() }).collect()
}

struct Names(BTreeSet<String>);

impl Names {
    /// One of the newer names.
    fn own(&mut self, name: &str) {
        self.0.insert(format!("ecs.capability.{name}"));
    }

    /// One of the older names.
    fn old(&mut self, name: &str) {
        self.0.insert(format!("{PREFIX}{name}"));
    }

    /// The version of Docker's API that first had it.
    fn docker(&mut self, minor: u8) {
        self.0.insert(format!("{PREFIX}docker-remote-api.1.{minor}"));
    }

    fn of_task(&mut self, facts: &Facts<'_>) {
        let request = facts.request;
        if request.task_role_arn.as_deref().is_some_and(|role| !role.is_empty()) {
            self.old(if facts.network == NetworkMode::Host { "task-iam-role-network-host" } else { "task-iam-role" });
        }
        if facts.network == NetworkMode::Awsvpc {
            self.own("task-eni");
        }
        if request.cpu.is_some() || request.memory.is_some() {
            self.docker(18);
        }
        if request.pid_mode.is_some() || request.ipc_mode.is_some() {
            self.own("pid-ipc-namespace-sharing");
        }
        if request.proxy_configuration.is_some() {
            self.own("aws-appmesh");
        }
    }

    fn of_container(&mut self, container: &ContainerDefinition, has_execution_role: bool) {
        if container.privileged == Some(true) {
            self.old("privileged-container");
        }
        if is_ecr(container.image.as_deref().unwrap_or_default()) {
            self.old("ecr-auth");
            if has_execution_role {
                self.own("execution-role-ecr-pull");
            }
        }
        if container.repository_credentials.is_some() {
            self.own("private-registry-authentication.secretsmanager");
        }
        if container.health_check.is_some() {
            self.own("container-health-check");
            self.docker(24);
        }
        if !container.depends_on.is_empty() || container.start_timeout.is_some() || container.stop_timeout.is_some() {
            self.own("container-ordering");
        }
        if container.restart_policy.as_ref().is_some_and(|policy| policy.enabled == Some(true)) {
            self.own("container-restart-policy");
        }
        if !container.environment_files.is_empty() {
            self.own("env-files.s3");
        }
        if container.port_mappings.iter().any(|mapping| mapping.container_port_range.is_some()) {
            self.own("network.container-port-range");
        }
        for option in &container.docker_security_options {
            match option.split(':').next() {
                Some("apparmor") => self.old("apparmor"),
                Some("label") => self.old("selinux"),
                Some("credentialspec") => self.own("gmsa"),
                _ => {}
            }
        }
        self.of_docker_version(container);
        self.of_secrets(&container.secrets, "environment-variables");
        self.of_logging(container, has_execution_role);
    }

    fn of_docker_version(&mut self, container: &ContainerDefinition) {
        if !container.docker_labels.is_empty() || !container.ulimits.is_empty() {
            self.docker(18);
        }
        if container.memory_reservation.is_some() {
            self.docker(21);
        }
        let Some(linux) = &container.linux_parameters else { return };
        if linux.init_process_enabled == Some(true) {
            self.docker(25);
        }
        if linux.shared_memory_size.is_some() || !linux.tmpfs.is_empty() {
            self.docker(22);
        }
    }

    fn of_secrets(&mut self, secrets: &[Secret], place: &str) {
        for secret in secrets {
            let from = secret.value_from.as_deref().unwrap_or_default();
            let store = if from.starts_with("arn:") && from.contains(":secretsmanager:") { "asm" } else { "ssm" };
            self.own(&format!("secrets.{store}.{place}"));
        }
    }

    fn of_logging(&mut self, container: &ContainerDefinition, has_execution_role: bool) {
        if let Some(firelens) = &container.firelens_configuration {
            let kind = FirelensConfigurationType::spelling(firelens.r#type() as i32).unwrap_or_default();
            self.own(&format!("firelens.{kind}"));
            if let Some(place) = firelens.options.get("config-file-type") {
                self.own(&format!("firelens.options.config.{place}"));
            }
        }
        let Some(log) = &container.log_configuration else { return };
        let driver = log.log_driver();
        self.old(&format!("logging-driver.{}", LogDriver::spelling(driver as i32).unwrap_or_default()));
        self.of_secrets(&log.secret_options, "bootstrap.log-driver");
        match driver {
            LogDriver::JsonFile | LogDriver::Syslog => self.docker(18),
            LogDriver::Awslogs => {
                self.docker(19);
                if has_execution_role {
                    self.own("execution-role-awslogs");
                }
                let creates = log.options.get("awslogs-create-group");
                if creates.is_some_and(|create| create.eq_ignore_ascii_case("true")) {
                    self.docker(29);
                }
            }
            LogDriver::Journald => self.docker(19),
            LogDriver::Gelf | LogDriver::Fluentd => self.docker(20),
            LogDriver::Splunk => self.docker(22),
            LogDriver::Awsfirelens | LogDriver::Unspecified => {}
        }
    }

    fn of_volume(&mut self, volume: &Volume) {
        if let Some(docker) = &volume.docker_volume_configuration {
            self.own(&format!("docker-plugin.{}", docker.driver.as_deref().unwrap_or("local")));
            self.docker(25);
        }
        if let Some(efs) = &volume.efs_volume_configuration {
            self.own(if efs.authorization_config.is_some() { "efsAuth" } else { "efs" });
            self.docker(25);
        }
        if volume.s3files_volume_configuration.is_some() {
            self.own("s3files");
        }
        if volume.fsx_windows_file_server_volume_configuration.is_some() {
            self.own("fsxWindowsFileServer");
        }
        if volume.configured_at_launch == Some(true) {
            self.own("storage.ebs-task-attach");
        }
    }
}
