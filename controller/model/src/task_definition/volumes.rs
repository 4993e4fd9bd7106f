//! Volumes, and the mount points that name them (ecs-semantics §2.1).

use std::collections::BTreeSet;

use drydock_proto::ecs::{
    DockerVolumeConfiguration, EfsAuthorizationConfigIam, EfsTransitEncryption, EfsVolumeConfiguration,
    FSxWindowsFileServerVolumeConfiguration, RegisterTaskDefinitionRequest, Scope, Volume,
};

use super::setting;
use crate::error::{EcsError, ExceptionName};
use crate::names;

/// Volumes that are configured when the task is launched (EBS).
const CONFIGURED_AT_LAUNCH_MAX: usize = 1;

/// Checks all volumes and mount points.
pub(super) fn check(request: &RegisterTaskDefinitionRequest) -> Result<(), EcsError> {
    let mut seen = BTreeSet::new();
    for volume in &request.volumes {
        let name = volume.name.as_deref().unwrap_or_default();
        names::check(ExceptionName::Client, "Volume.name", name)?;
        if !seen.insert(name) {
            return Err(EcsError::client(format!("Duplicate volume name '{name}'.")));
        }
        check_kind(volume)?;
    }
    let at_launch = request.volumes.iter().filter(|volume| volume.configured_at_launch == Some(true)).count();
    if at_launch > CONFIGURED_AT_LAUNCH_MAX {
        return Err(EcsError::client("Only one volume can be configured at launch."));
    }
    for container in &request.container_definitions {
        for mount in &container.mount_points {
            let source = mount.source_volume.as_deref();
            if !source.is_some_and(|source| seen.contains(source)) {
                return Err(EcsError::client(format!("Unknown volume '{}'.", source.unwrap_or("null"))));
            }
            if mount.container_path.as_deref().is_none_or(str::is_empty) {
                return Err(setting(container, "A mount point must have 'containerPath'."));
            }
        }
    }
    Ok(())
}

fn check_kind(volume: &Volume) -> Result<(), EcsError> {
    let path = volume.host.as_ref().and_then(|host| host.source_path.as_deref());
    if path == Some("") {
        return Err(EcsError::client("host.sourcePath should not be blank."));
    }
    let kinds = [
        path.is_some(),
        volume.docker_volume_configuration.is_some(),
        volume.efs_volume_configuration.is_some(),
        volume.s3files_volume_configuration.is_some(),
        volume.fsx_windows_file_server_volume_configuration.is_some(),
        volume.configured_at_launch == Some(true),
    ];
    if kinds.into_iter().filter(|given| *given).count() > 1 {
        let name = volume.name.as_deref().unwrap_or_default();
        return Err(EcsError::client(format!("The volume '{name}' has more than one configuration.")));
    }
    if let Some(docker) = &volume.docker_volume_configuration {
        check_docker(docker)?;
    }
    if let Some(efs) = &volume.efs_volume_configuration {
        check_efs(efs)?;
    }
    if let Some(files) = &volume.s3files_volume_configuration {
        needs("s3filesVolumeConfiguration.fileSystemArn", &files.file_system_arn)?;
        check_port("s3filesVolumeConfiguration", files.transit_encryption_port)?;
    }
    volume.fsx_windows_file_server_volume_configuration.as_ref().map_or(Ok(()), check_fsx)
}

fn needs(what: &str, text: &Option<String>) -> Result<(), EcsError> {
    names::required(ExceptionName::Client, what, text).map(|_| ())
}

fn check_port(what: &str, port: Option<i32>) -> Result<(), EcsError> {
    match port {
        Some(port) if !(0..=65_535).contains(&port) => {
            Err(EcsError::client(format!("{what}.transitEncryptionPort must be between 0 and 65535.")))
        }
        _ => Ok(()),
    }
}

fn check_docker(docker: &DockerVolumeConfiguration) -> Result<(), EcsError> {
    if docker.autoprovision.is_some() && docker.scope() != Scope::Shared {
        return Err(EcsError::client(
            "dockerVolumeConfiguration.autoprovision can only be used with the scope shared.",
        ));
    }
    Ok(())
}

fn check_efs(efs: &EfsVolumeConfiguration) -> Result<(), EcsError> {
    needs("efsVolumeConfiguration.fileSystemId", &efs.file_system_id)?;
    check_port("efsVolumeConfiguration", efs.transit_encryption_port)?;
    let Some(authorization) = &efs.authorization_config else { return Ok(()) };
    let has_access_point = authorization.access_point_id.as_deref().is_some_and(|id| !id.is_empty());
    let encrypted = efs.transit_encryption() == EfsTransitEncryption::Enabled;
    if !encrypted && (has_access_point || authorization.iam() == EfsAuthorizationConfigIam::Enabled) {
        return Err(EcsError::client(
            "efsVolumeConfiguration.transitEncryption must be ENABLED when IAM authorization or an access point is used.",
        ));
    }
    if has_access_point && efs.root_directory.as_deref().is_some_and(|root| root != "/" && !root.is_empty()) {
        return Err(EcsError::client(
            "efsVolumeConfiguration.rootDirectory must be omitted or '/' when an access point is used.",
        ));
    }
    Ok(())
}

fn check_fsx(fsx: &FSxWindowsFileServerVolumeConfiguration) -> Result<(), EcsError> {
    let what = "fsxWindowsFileServerVolumeConfiguration";
    needs(&format!("{what}.fileSystemId"), &fsx.file_system_id)?;
    needs(&format!("{what}.rootDirectory"), &fsx.root_directory)?;
    let authorization = fsx.authorization_config.as_ref();
    needs(
        &format!("{what}.authorizationConfig.credentialsParameter"),
        &authorization.and_then(|given| given.credentials_parameter.clone()),
    )?;
    needs(&format!("{what}.authorizationConfig.domain"), &authorization.and_then(|given| given.domain.clone()))
}
