//! Volumes: bind mounts, Docker volumes, and volumes that live as long as their task.

use std::collections::HashMap;

use bollard::models::{Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};
use drydock_engine::{ContainerSpec, RuntimeError, TaskSpec};
use drydock_proto::ecs::{MountPoint, Scope, Volume};

use super::{DockerRuntime, LABEL_INSTANCE, LABEL_TASK, error, failed, gone_is_fine};

/// What a task's volume is in Docker.
enum Source<'a> {
    /// A folder of the host.
    Bind(&'a str),
    /// A volume, by the name that it has in Docker.
    Volume { name: String, of_task: bool },
}

fn find<'a>(task: &'a TaskSpec, mount: &MountPoint) -> Result<&'a Volume, RuntimeError> {
    let volume = task.definition.volumes.iter().find(|volume| volume.name == mount.source_volume);
    volume.ok_or_else(|| failed(format!("there's no volume {:?} in the task definition", mount.source_volume())))
}

fn source<'a>(task: &TaskSpec, volume: &'a Volume) -> Result<Source<'a>, RuntimeError> {
    let remote = volume.efs_volume_configuration.is_some()
        || volume.s3files_volume_configuration.is_some()
        || volume.fsx_windows_file_server_volume_configuration.is_some()
        || volume.configured_at_launch();
    if remote {
        let name = volume.name();
        return Err(failed(format!("volume {name}: EFS, FSx, S3 and EBS aren't supported by the Docker runtime")));
    }
    if let Some(path) =
        volume.host.as_ref().and_then(|host| host.source_path.as_deref()).filter(|path| !path.is_empty())
    {
        return Ok(Source::Bind(path));
    }
    let shared = volume.docker_volume_configuration.as_ref().is_some_and(|docker| docker.scope() == Scope::Shared);
    Ok(if shared {
        Source::Volume { name: volume.name().to_owned(), of_task: false }
    } else {
        Source::Volume { name: format!("drydock-{}-{}", task.task_id(), volume.name()), of_task: true }
    })
}

/// The mounts of a container.
pub(crate) fn mounts(spec: &ContainerSpec) -> Result<Vec<Mount>, RuntimeError> {
    let mount = |point: &MountPoint| {
        let (typ, from) = match source(&spec.task, find(&spec.task, point)?)? {
            Source::Bind(path) => (MountType::BIND, path.to_owned()),
            Source::Volume { name, .. } => (MountType::VOLUME, name),
        };
        Ok(Mount {
            typ: Some(typ),
            source: Some(from),
            target: point.container_path.clone(),
            read_only: point.read_only,
            ..Default::default()
        })
    };
    spec.definition().mount_points.iter().map(mount).collect()
}

/// Makes the volumes that a container mounts; those that are there stay as they are.
pub(crate) async fn create(runtime: &DockerRuntime, spec: &ContainerSpec) -> Result<(), RuntimeError> {
    for point in &spec.definition().mount_points {
        let volume = find(&spec.task, point)?;
        match source(&spec.task, volume)? {
            // ECS makes a folder that isn't there, as Docker's old binds did; its mounts want it there.
            Source::Bind(path) => {
                if runtime.settings.host.is_none() && std::fs::create_dir_all(path).is_err() {
                    tracing::debug!(path, "left to Docker");
                }
            }
            Source::Volume { name, of_task } => create_one(runtime, &spec.task, volume, name, of_task).await?,
        }
    }
    Ok(())
}

async fn create_one(
    runtime: &DockerRuntime,
    task: &TaskSpec,
    volume: &Volume,
    name: String,
    of_task: bool,
) -> Result<(), RuntimeError> {
    let docker = volume.docker_volume_configuration.clone().unwrap_or_default();
    if !of_task && !docker.autoprovision() {
        // A shared volume that isn't to be made must be there.
        return runtime.docker.inspect_volume(&name).await.map(|_| ()).map_err(|cause| error(&cause));
    }
    let mut labels: HashMap<String, String> = docker.labels.into_iter().collect();
    if of_task {
        labels.insert(LABEL_INSTANCE.to_owned(), runtime.instance.clone());
        labels.insert(LABEL_TASK.to_owned(), task.task_arn().to_owned());
    }
    let request = VolumeCreateRequest {
        name: Some(name),
        driver: docker.driver,
        driver_opts: Some(docker.driver_opts.into_iter().collect()),
        labels: Some(labels),
        ..Default::default()
    };
    runtime.docker.create_volume(request).await.map(|_| ()).map_err(|cause| error(&cause))
}

/// Removes the volumes that lived for a task.
pub(crate) async fn remove(runtime: &DockerRuntime, task_arn: &str) -> Result<(), RuntimeError> {
    let labels = vec![format!("{LABEL_INSTANCE}={}", runtime.instance), format!("{LABEL_TASK}={task_arn}")];
    let filters = HashMap::from([("label".to_owned(), labels)]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let found = runtime.docker.list_volumes(Some(options)).await.map_err(|cause| error(&cause))?;
    for volume in found.volumes.unwrap_or_default() {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        gone_is_fine(runtime.docker.remove_volume(&volume.name, Some(options)).await)?;
    }
    Ok(())
}
