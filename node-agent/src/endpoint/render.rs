//! Task metadata as ECS's agent writes it, versions 4, 3 and 2 (ecs-semantics §2.5): pure, key by key, from what the engine
//! knows of the task and what Docker says of its containers.

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, EndpointSettings, HealthStatusEnum};
use drydock_engine::{Millis, PAUSE_CONTAINER, TaskView};
use drydock_proto::ecs::{ContainerDefinition, LaunchType, LogDriver, NetworkMode, TransportProtocol};
use drydock_proto::json::WireEnum as _;
use serde_json::{Map, Value, json};

use super::marks::{LABEL_CREDENTIALS, LABEL_ENDPOINT};
use crate::runtime::docker::{LABEL_HOST_PORTS, LABEL_INSTANCE};

/// CPU units of one vCPU.
const UNITS_A_VCPU: f64 = 1_024.0;
/// MiB that a Fargate task has for its files where it asks for no more (ecs-semantics §2.1).
const EPHEMERAL_MIB: i64 = 20 * 1_024;
const MIB: i64 = 1_024 * 1_024;
/// Labels that are between the agent and Docker.
const OWN_LABELS: [&str; 4] = [LABEL_INSTANCE, LABEL_HOST_PORTS, LABEL_ENDPOINT, LABEL_CREDENTIALS];

/// Versions of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// And 2, whose answers are the same.
    V3,
    V4,
}

/// What the agent knows of its instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) availability_zone: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What Docker says of a task's containers, by their names in the task definition; the pause container's is ECS's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) containers: BTreeMap<String, ContainerInspectResponse>,
    /// Of who owns the task's network: what its containers ask for names.
    pub(crate) resolver: Resolver,
}

/// Of a resolv.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolver {
    servers: Vec<String>,
    search: Vec<String>,
}

impl Resolver {
    pub(crate) fn read(text: &str) -> Self {
        let of = |name: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.trim().strip_prefix(name));
            lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
        };
        Self { servers: of("nameserver "), search: of("search ") }
    }
}

/// A moment in whole seconds, as ISO 8601.
pub(crate) fn seconds(at: Millis) -> String {
    drydock_engine::timestamp(at / 1_000 * 1_000).to_string()
}

/// An object of which absent and empty members are left out.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn some<V: Into<Value>>(&mut self, key: &str, value: Option<V>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.some(key, Some(value).filter(|value| !value.is_empty()));
    }

    fn list(&mut self, key: &str, value: Vec<Value>) {
        self.some(key, Some(value).filter(|value| !value.is_empty()));
    }
}

/// The whole task.
pub(crate) fn task(version: Version, view: &TaskView, seen: &Seen, facts: &Facts, with_tags: bool) -> Value {
    let (spec, assigned) = (&view.spec, &view.spec.assigned);
    let fargate = assigned.launch_type() == LaunchType::Fargate;
    let mut out = Object::default();
    out.put("Cluster", if fargate { cluster_arn(spec.task_arn()) } else { assigned.cluster.clone() });
    out.put("TaskARN", spec.task_arn());
    out.put("Family", spec.definition.family());
    out.put("Revision", spec.definition.revision().to_string());
    out.put("DesiredStatus", view.desired_status);
    out.put("KnownStatus", view.known_status);
    let mut limits = Object::default();
    #[allow(clippy::cast_precision_loss, reason = "a task has fewer than 2^53 CPU units")]
    limits.some("CPU", spec.cpu_units().map(|units| units as f64 / UNITS_A_VCPU));
    limits.some("Memory", spec.memory_mib());
    out.some("Limits", Some(limits.0).filter(|limits| !limits.is_empty()));
    let report = &view.report;
    for (key, at) in [
        ("PullStartedAt", &report.pull_started_at),
        ("PullStoppedAt", &report.pull_stopped_at),
        ("ExecutionStoppedAt", &report.execution_stopped_at),
    ] {
        out.some(key, at.as_ref().map(ToString::to_string));
    }
    let zone = Some(assigned.availability_zone.as_str()).filter(|zone| !zone.is_empty());
    out.text("AvailabilityZone", zone.unwrap_or(&facts.availability_zone));
    if version >= Version::V4 {
        out.put("LaunchType", LaunchType::spelling(assigned.launch_type().into()).filter(|_| fargate).unwrap_or("EC2"));
        out.text("ServiceName", assigned.group.strip_prefix("service:").unwrap_or_default());
        out.put("FaultInjectionEnabled", false);
        out.some("EphemeralStorageMetrics", fargate.then(|| ephemeral(view, seen)));
    }
    if with_tags {
        let tags = assigned.tags.iter().map(|tag| (tag.key().to_owned(), tag.value().into()));
        out.some("TaskTags", Some(tags.collect::<Map<_, _>>()).filter(|tags| !tags.is_empty()));
        let tags = facts.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
        let tags = Some(tags.collect::<Map<_, _>>()).filter(|tags| !tags.is_empty() && !fargate);
        out.some("ContainerInstanceTags", tags);
    }
    let pause = (!fargate).then_some(PAUSE_CONTAINER).filter(|_| spec.network_mode() == NetworkMode::Awsvpc);
    let names = spec.containers.iter().map(ContainerDefinition::name).chain(pause);
    out.list("Containers", names.filter_map(|name| container(version, view, name, seen)).collect());
    Value::Object(out.0)
}

fn ephemeral(view: &TaskView, seen: &Seen) -> Value {
    let overridden = view.spec.assigned.overrides.as_ref().and_then(|all| all.ephemeral_storage.as_ref());
    let asked = overridden.or(view.spec.definition.ephemeral_storage.as_ref());
    let reserved = asked.map_or(EPHEMERAL_MIB, |storage| i64::from(storage.size_in_gi_b()) * 1_024);
    let used: i64 = seen.containers.values().filter_map(|one| one.size_rw).sum();
    json!({ "Utilized": used / MIB, "Reserved": reserved })
}

/// `arn:…:cluster/NAME` of `arn:…:task/NAME/ID`.
fn cluster_arn(task_arn: &str) -> String {
    let (account, rest) = task_arn.split_once(":task/").unwrap_or((task_arn, ""));
    format!("{account}:cluster/{}", rest.split('/').next().unwrap_or_default())
}

/// One container; `None` where Docker has it not (yet).
pub(crate) fn container(version: Version, view: &TaskView, name: &str, seen: &Seen) -> Option<Value> {
    let one = seen.containers.get(name)?;
    let index = view.spec.containers.iter().position(|definition| definition.name() == name);
    let definition = index.and_then(|index| view.spec.containers.get(index));
    let report = view.report.containers.iter().find(|report| report.name == name);
    let config = one.config.clone().unwrap_or_default();
    let (state, host) = (one.state.clone().unwrap_or_default(), one.host_config.clone().unwrap_or_default());
    let fargate = view.spec.assigned.launch_type() == LaunchType::Fargate;
    let (desired, known) = match index.and_then(|index| view.container_statuses.get(index)) {
        Some(known) => (view.desired_status, *known),
        None => ("RESOURCES_PROVISIONED", "RESOURCES_PROVISIONED"),
    };
    let mut out = Object::default();
    out.put("DockerId", one.id.clone().unwrap_or_default());
    out.put("Name", name);
    out.put("DockerName", one.name.clone().unwrap_or_default().trim_start_matches('/'));
    out.put("Image", definition.map_or_else(|| config.image.clone().unwrap_or_default(), |all| all.image().to_owned()));
    out.put("ImageID", one.image.clone().unwrap_or_default());
    out.list("Ports", definition.map(|definition| ports(view, definition, one)).unwrap_or_default());
    let labels =
        config.labels.unwrap_or_default().into_iter().filter(|(label, _)| !OWN_LABELS.contains(&label.as_str()));
    out.some("Labels", Some(labels.map(|(label, value)| (label, value.into())).collect::<Map<_, _>>()));
    out.put("DesiredStatus", desired);
    out.put("KnownStatus", known);
    let ended = known == "STOPPED";
    out.some("ExitCode", report.and_then(|report| report.exit_code).filter(|_| ended));
    let (cpu, memory) = definition.map_or((0, 0), |definition| (definition.cpu(), definition.memory()));
    let mut limits = Object::default();
    limits.put("CPU", if definition.is_some() { cpu.max(2) } else { cpu });
    limits.some("Memory", Some(memory).filter(|memory| *memory > 0 || !fargate));
    out.put("Limits", limits.0);
    out.some("CreatedAt", one.created.as_ref().and_then(text));
    out.some("StartedAt", state.started_at.as_ref().and_then(text));
    out.some("FinishedAt", state.finished_at.as_ref().and_then(text).filter(|_| ended));
    out.put("Type", if definition.is_some() { "NORMAL" } else { "CNI_PAUSE" });
    let checked = definition.is_some_and(|definition| definition.health_check.is_some());
    out.some("Health", state.health.as_ref().filter(|_| checked).map(health));
    out.list("Volumes", volumes(one));
    out.list("Networks", networks(version, view, one, seen));
    if version >= Version::V4 {
        out.text("ContainerARN", view.spec.assigned.container_arns.get(name).map(String::as_str).unwrap_or_default());
        if let Some(log) = definition.and_then(|definition| definition.log_configuration.as_ref()) {
            out.text("LogDriver", LogDriver::spelling(log.log_driver().into()).unwrap_or_default());
            let options = log.options.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
            out.some("LogOptions", Some(options.collect::<Map<_, _>>()).filter(|options| !options.is_empty()));
        } else if let Some(driver) = host.log_config.and_then(|log| log.typ) {
            out.text("LogDriver", &driver);
        }
        out.text("Snapshotter", one.driver.as_deref().filter(|_| fargate).unwrap_or_default());
        let restarts = definition.and_then(|definition| definition.restart_policy.as_ref());
        let restarts = restarts.filter(|policy| policy.enabled()).and(report).map(|report| report.restart_count);
        out.some("RestartCount", restarts);
    }
    Some(Value::Object(out.0))
}

/// Docker's zero, the year 1, is no time.
fn text(at: &impl ToString) -> Option<String> {
    Some(at.to_string()).filter(|text| !text.is_empty() && !text.starts_with("0001"))
}

fn ports(view: &TaskView, definition: &ContainerDefinition, one: &ContainerInspectResponse) -> Vec<Value> {
    let bound = crate::runtime::docker::bindings(one);
    let of_mappings = definition.port_mappings.iter().flat_map(|mapping| {
        let udp = mapping.protocol() == TransportProtocol::Udp;
        let protocol = if udp { "udp" } else { "tcp" };
        let same = bound.iter().filter(move |binding| {
            binding.container_port == mapping.container_port && (binding.protocol() == TransportProtocol::Udp) == udp
        });
        let mut published: Vec<Value> = same
            .map(|binding| {
                json!({
                    "ContainerPort": binding.container_port(), "Protocol": protocol,
                    "HostPort": binding.host_port(), "HostIp": binding.bind_ip()
                })
            })
            .collect();
        if published.is_empty() {
            let mut port = Object::default();
            port.put("ContainerPort", mapping.container_port());
            port.put("Protocol", protocol);
            // The network is the task's own: its ports are the host's, too.
            port.some("HostPort", view.spec.has_interface().then_some(mapping.container_port()));
            published.push(Value::Object(port.0));
        }
        published
    });
    of_mappings.collect()
}

fn volumes(one: &ContainerInspectResponse) -> Vec<Value> {
    let mounts = one.mounts.iter().flatten().map(|mount| {
        let mut volume = Object::default();
        let named = mount.typ.as_deref() == Some("volume");
        volume.text("DockerName", mount.name.as_deref().filter(|_| named).unwrap_or_default());
        volume.text("Source", mount.source.as_deref().unwrap_or_default());
        volume.text("Destination", mount.destination.as_deref().unwrap_or_default());
        Value::Object(volume.0)
    });
    mounts.collect()
}

fn health(seen: &bollard::models::Health) -> Value {
    let log = seen.log.as_deref().unwrap_or_default();
    let failed = |code: Option<i64>| code.unwrap_or_default() != 0;
    let last = log.last();
    // Docker keeps the newest probes only: the oldest of those in a row that ended as the last did.
    let first = last.and_then(|last| {
        let same = log.iter().rev().take_while(|one| failed(one.exit_code) == failed(last.exit_code));
        same.last().and_then(|one| one.end.as_ref()).and_then(text)
    });
    let status = match seen.status {
        Some(HealthStatusEnum::HEALTHY) => "HEALTHY",
        Some(HealthStatusEnum::UNHEALTHY) => "UNHEALTHY",
        _ => "UNKNOWN",
    };
    let mut out = Object::default();
    out.put("status", status);
    out.some("statusSince", first);
    out.some("exitCode", last.and_then(|last| last.exit_code));
    out.text("output", last.and_then(|last| last.output.as_deref()).unwrap_or_default());
    Value::Object(out.0)
}

fn networks(version: Version, view: &TaskView, one: &ContainerInspectResponse, seen: &Seen) -> Vec<Value> {
    let mode = view.spec.network_mode();
    let mut out = Object::default();
    out.put("NetworkMode", NetworkMode::spelling(mode.into()).unwrap_or("bridge"));
    match mode {
        NetworkMode::Awsvpc => {
            // Whoever holds the namespace has the addresses.
            let owner = seen.containers.get(PAUSE_CONTAINER);
            let Some(endpoint) = owner.and_then(endpoint) else { return Vec::new() };
            out.list("IPv4Addresses", addresses(&endpoint));
            if version >= Version::V4 {
                interface(&mut out, view, &endpoint, seen);
            }
        }
        NetworkMode::Host => {}
        _ => out.list("IPv4Addresses", endpoint(one).map(|endpoint| addresses(&endpoint)).unwrap_or_default()),
    }
    vec![Value::Object(out.0)]
}

fn interface(out: &mut Object, view: &TaskView, endpoint: &EndpointSettings, seen: &Seen) {
    out.put("AttachmentIndex", 0);
    out.text("MACAddress", endpoint.mac_address.as_deref().unwrap_or_default());
    let prefix = endpoint.ip_prefix_len.unwrap_or_default();
    out.some("IPv4SubnetCIDRBlock", endpoint.ip_address.as_deref().and_then(|address| subnet(address, prefix)));
    let strings = |all: &[String]| all.iter().map(|one| one.as_str().into()).collect();
    out.list("DomainNameServers", strings(&seen.resolver.servers));
    out.list("DomainNameSearchList", strings(&seen.resolver.search));
    let details = view.report.attachments.first().map(|attachment| attachment.details.as_slice()).unwrap_or_default();
    let name = details.iter().find(|detail| detail.name() == "privateDnsName");
    out.text("PrivateDNSName", name.map(|detail| detail.value()).unwrap_or_default());
    let gateway = endpoint.gateway.as_deref().filter(|gateway| !gateway.is_empty());
    out.some("SubnetGatewayIpv4Address", gateway.map(|gateway| format!("{gateway}/{prefix}")));
}

/// The one network that a container of ours is in.
fn endpoint(one: &ContainerInspectResponse) -> Option<EndpointSettings> {
    let mut all = one.network_settings.as_ref()?.networks.iter().flatten();
    all.find(|(_, endpoint)| endpoint.ip_address.as_ref().is_some_and(|address| !address.is_empty()))
        .map(|(_, endpoint)| endpoint.clone())
}

fn addresses(endpoint: &EndpointSettings) -> Vec<Value> {
    endpoint.ip_address.iter().map(|address| address.as_str().into()).collect()
}

fn subnet(address: &str, prefix: i64) -> Option<String> {
    let bits = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
    let prefix = u32::try_from(prefix).ok().filter(|prefix| (1..=32).contains(prefix))?;
    let network = std::net::Ipv4Addr::from(bits & (u32::MAX << (32 - prefix)));
    Some(format!("{network}/{prefix}"))
}
