//! The namespaces that a task's containers share: the pause container.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use drydock_engine::{ProvidedNetwork, RuntimeError, TaskSpec, elastic_network_interface};
use drydock_proto::ecs::{ContainerDefinition, IpcMode, NetworkMode, PidMode};

use super::{
    DockerRuntime, LABEL_CONTAINER, LABEL_INSTANCE, LABEL_TASK, PAUSE, create, error, failed, gone_is_fine, pause,
};

/// Creates and starts a task's pause container, or finds it; says what address it has.
pub(crate) async fn provide(runtime: &DockerRuntime, task: &Arc<TaskSpec>) -> Result<ProvidedNetwork, RuntimeError> {
    let image = pause::ensure(runtime).await?;
    let body = body(runtime, task, image);
    let id = runtime.create_named(&create::name(task, PAUSE), task.task_arn(), body).await?;
    runtime.docker.start_container(&id, None).await.map_err(|cause| error(&cause))?;
    if task.network_mode() != NetworkMode::Awsvpc {
        return Ok(ProvidedNetwork::default());
    }
    let seen = runtime.docker.inspect_container(&id, None).await.map_err(|cause| error(&cause))?;
    runtime.follow(&seen).await;
    let networks = seen.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let endpoint = networks.get(&runtime.settings.awsvpc_network);
    let address = endpoint.and_then(|endpoint| endpoint.ip_address.clone()).filter(|address| !address.is_empty());
    let address = address.ok_or_else(|| failed("Docker gave the task no address"))?;
    let mac = endpoint.and_then(|endpoint| endpoint.mac_address.clone()).unwrap_or_default();
    Ok(elastic_network_interface(task, &address, &mac))
}

fn body(runtime: &DockerRuntime, task: &TaskSpec, image: String) -> ContainerCreateBody {
    let awsvpc = task.network_mode() == NetworkMode::Awsvpc;
    // Docker takes names and addresses from who owns the namespace.
    let all = |of: &dyn Fn(&ContainerDefinition) -> Vec<String>| -> Option<Vec<String>> {
        let unique: BTreeSet<String> = task.containers.iter().flat_map(of).collect();
        (awsvpc && !unique.is_empty()).then(|| unique.into_iter().collect())
    };
    let sysctls: HashMap<String, String> = task
        .containers
        .iter()
        .flat_map(|container| create::sysctls(container, true))
        .filter(|(name, _)| awsvpc && name.starts_with("net."))
        .collect();
    ContainerCreateBody {
        image: Some(image),
        entrypoint: Some(vec![pause::PROGRAM.to_owned()]),
        labels: Some(create::labels(task, PAUSE, &runtime.instance)),
        host_config: Some(HostConfig {
            network_mode: Some(if awsvpc { runtime.settings.awsvpc_network.clone() } else { "none".to_owned() }),
            dns: all(&|container| container.dns_servers.clone()),
            dns_search: all(&|container| container.dns_search_domains.clone()),
            extra_hosts: all(&create::extra_hosts),
            sysctls: Some(sysctls),
            init: (task.definition.pid_mode() == PidMode::Task).then_some(true),
            ipc_mode: (task.definition.ipc_mode() == IpcMode::Task).then(|| "shareable".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Removes a task's pause container, wherever it is.
pub(crate) async fn release(runtime: &DockerRuntime, task_arn: &str) -> Result<(), RuntimeError> {
    let label = |name: &str, value: &str| format!("{name}={value}");
    let labels =
        vec![label(LABEL_INSTANCE, &runtime.instance), label(LABEL_TASK, task_arn), label(LABEL_CONTAINER, PAUSE)];
    let filters = HashMap::from([("label".to_owned(), labels)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = runtime.docker.list_containers(Some(options)).await.map_err(|cause| error(&cause))?;
    for id in found.into_iter().filter_map(|one| one.id) {
        runtime.forget(&id);
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        gone_is_fine(runtime.docker.remove_container(&id, Some(options)).await)?;
    }
    Ok(())
}
