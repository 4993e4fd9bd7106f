//! Rows of tasks: compact, since there may be a million. ARNs, images and names are rendered from the definition.

use std::sync::Arc;

use drydock_model::resources::Needs;
use drydock_model::status::{ContainerStatus, DesiredStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::ecs;

use crate::capacity::placement_group;
use crate::key::{ClusterId, DefinitionKey, DeploymentKey, InstanceKey, Millis, RevisionKey, ServiceKey, TaskKey};

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// Cluster and id.
    pub key: TaskKey,
    /// ECS's `version`: +1 on every change that emits an event.
    pub version: u64,
    /// What it runs.
    pub definition: DefinitionKey,
    /// How it was launched; shared by the tasks of a RunTask, and by those of a service revision.
    pub launch: Arc<TaskLaunch>,
    /// The service that owns it.
    pub service: Option<TaskOwner>,
    /// `family:…`, `service:…`, or what RunTask said.
    pub group: Arc<str>,
    /// `ecs-svc/…`, or what RunTask said.
    pub started_by: Option<Arc<str>>,
    /// Name of the capacity provider that was chosen for it.
    pub capacity_provider: Option<Arc<str>>,
    /// Id of the instance it is bound to; none while it waits for one of its capacity provider.
    pub instance: Option<u128>,
    /// The cluster that this instance is in, where it is another one: on Fargate.
    pub hosted_by: Option<ClusterId>,
    /// Zone of that instance.
    pub availability_zone: Option<Arc<str>>,
    /// Ids of the GPUs that it holds.
    pub gpus: Arc<[Box<str>]>,
    /// How far it has come. Only grows.
    pub last_status: TaskStatus,
    /// Where it should go: from RUNNING to STOPPED, once.
    pub desired_status: DesiredStatus,
    /// As its agent last said.
    pub health: HealthStatus,
    /// When `health` became what it is.
    pub health_since: Option<Millis>,
    /// Why it stops or stopped.
    pub stop_code: Option<StopCode>,
    /// In words.
    pub stopped_reason: Option<Arc<str>>,
    /// Sequence of the last report that was taken; a report with the same or a lower one is late and changes nothing.
    pub report_sequence: u64,
    /// When what happened.
    pub times: TaskTimes,
    /// What the agent said of the containers, in the order of the definition. Empty before its first report.
    pub containers: Arc<[ContainerRow]>,
    /// Network interfaces and volumes, as the agent reported them.
    pub attachments: Arc<[AttachmentRow]>,
    /// Its tags, with those that propagated to it when it was created.
    pub tags: Arc<[ecs::Tag]>,
    /// By when its status must have changed, whatever it is: the start limit before RUNNING, the stop limit once told to
    /// stop, the end of its retention when STOPPED; none while it RUNS.
    pub deadline: Option<Millis>,
    /// Scale-in protection: until then neither scale-in nor a deployment stops it. Unset once it is told to stop.
    pub protected_until: Option<Millis>,
}

/// The service, deployment and revision that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskOwner {
    /// The service.
    pub service: ServiceKey,
    /// Number of the deployment or task set that started it.
    pub deployment: u64,
    /// Number of the revision that it runs.
    pub revision: u64,
}

/// A task's timestamps, each set at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "named as in ECS's Task")]
pub struct TaskTimes {
    pub created_at: Millis,
    /// When the instance that it is bound to was told, at the latest; ECS's `connectivityAt`.
    pub connectivity_at: Option<Millis>,
    pub pull_started_at: Option<Millis>,
    pub pull_stopped_at: Option<Millis>,
    pub started_at: Option<Millis>,
    /// When it was told to stop.
    pub stopping_at: Option<Millis>,
    pub execution_stopped_at: Option<Millis>,
    pub stopped_at: Option<Millis>,
    /// When `lastStatus` last changed, by the log's time (the agent's clock has no say in decisions).
    pub status_since: Millis,
}

/// How a task was launched. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLaunch {
    /// EC2, FARGATE or EXTERNAL.
    pub launch_type: ecs::LaunchType,
    /// FARGATE only.
    pub platform_version: Option<Box<str>>,
    /// What it takes of an instance.
    pub needs: Needs,
    /// As given to RunTask or StartTask.
    pub overrides: Option<ecs::TaskOverride>,
    /// awsvpc only.
    pub network_configuration: Option<ecs::NetworkConfiguration>,
    /// ECS Exec.
    pub enable_execute_command: bool,
    /// Whether ECS's own tags are added when rendering.
    pub enable_ecs_managed_tags: bool,
    /// As given to RunTask, for a task that waits for capacity; a service's are in its row.
    pub placement_constraints: Vec<ecs::PlacementConstraint>,
    /// The same of the strategies.
    pub placement_strategy: Vec<ecs::PlacementStrategy>,
    /// EBS volumes configured at launch.
    pub volume_configurations: Vec<ecs::TaskVolumeConfiguration>,
}

/// One container of a task, as its agent last reported it. Its name and image are the definition's.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRow {
    /// PENDING, RUNNING or STOPPED.
    pub last_status: ContainerStatus,
    /// Where it has exited.
    pub exit_code: Option<i32>,
    /// Why it stopped or didn't start.
    pub reason: Option<Box<str>>,
    /// Of the container runtime.
    pub runtime_id: Option<Box<str>>,
    /// Digest of its image.
    pub image_digest: Option<Box<str>>,
    /// Of its health check.
    pub health: HealthStatus,
    /// Host ports.
    pub network_bindings: Box<[BindingRow]>,
    /// awsvpc addresses.
    pub network_interfaces: Box<[InterfaceRow]>,
    /// Restarts under its restart policy.
    pub restart_count: u32,
}

/// A host port that leads to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRow {
    /// Mostly `0.0.0.0`.
    pub bind_ip: Box<str>,
    /// In the container; 0 where a range was given.
    pub container_port: u16,
    /// On the instance; 0 where a range was given.
    pub host_port: u16,
    /// UDP, else TCP.
    pub udp: bool,
    /// `from-to`, in the container.
    pub container_port_range: Option<Box<str>>,
    /// `from-to`, on the instance.
    pub host_port_range: Option<Box<str>>,
}

impl BindingRow {
    /// Characters of an address or a range that are kept.
    const TEXT_CHARS_MAX: usize = 64;

    /// As an agent tells it. A port that is none counts as 0.
    #[must_use]
    pub fn of(binding: &ecs::NetworkBinding) -> Self {
        let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        let kept = |text: &str| text.chars().take(Self::TEXT_CHARS_MAX).collect::<String>().into_boxed_str();
        Self {
            bind_ip: kept(binding.bind_ip()),
            container_port: port(binding.container_port),
            host_port: port(binding.host_port),
            udp: binding.protocol() == ecs::TransportProtocol::Udp,
            container_port_range: binding.container_port_range.as_deref().map(kept),
            host_port_range: binding.host_port_range.as_deref().map(kept),
        }
    }
}

/// An address of a container (awsvpc).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceRow {
    /// The attachment that brought it.
    pub attachment_id: Box<str>,
    /// Its private IPv4 address.
    pub private_ipv4: Option<Box<str>>,
    /// Its IPv6 address.
    pub ipv6: Option<Box<str>>,
}

/// A network interface or volume attached to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRow {
    /// A UUID.
    pub id: Box<str>,
    /// `ElasticNetworkInterface` in the API's spelling.
    pub kind: Box<str>,
    /// PRECREATED … DELETED.
    pub status: Box<str>,
    /// Name and value pairs.
    pub details: Box<[(Box<str>, Box<str>)]>,
}

impl AttachmentRow {
    /// `type` of a network interface in the API; events spell it `eni`.
    pub const NETWORK_INTERFACE: &str = "ElasticNetworkInterface";

    /// The network interface that a task will get: nobody has taken it up yet.
    #[must_use]
    pub fn precreated(id: &str) -> Self {
        Self {
            id: id.into(),
            kind: Self::NETWORK_INTERFACE.into(),
            status: "PRECREATED".into(),
            details: Box::default(),
        }
    }

    /// The same, in a subnet.
    #[must_use]
    pub fn placed_in(&self, subnet: &str) -> Self {
        Self { details: [("subnetId".into(), subnet.into())].into(), ..self.clone() }
    }

    /// The subnet that it is in.
    #[must_use]
    pub fn subnet(&self) -> Option<&str> {
        self.details.iter().find(|(name, _)| **name == *"subnetId").map(|(_, value)| &**value)
    }

    /// Whether it hasn't come to an end.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !matches!(&*self.status, "DELETED" | "FAILED")
    }

    /// The same, taken away with its task.
    #[must_use]
    pub fn deleted(&self) -> Self {
        Self { status: "DELETED".into(), ..self.clone() }
    }
}

impl TaskRow {
    /// The instance it is bound to.
    #[must_use]
    pub fn instance_key(&self) -> Option<InstanceKey> {
        self.instance.map(|id| InstanceKey { cluster: self.hosted_by.unwrap_or(self.key.cluster), id })
    }

    /// The deployment that started it.
    #[must_use]
    pub fn deployment_key(&self) -> Option<DeploymentKey> {
        self.service.map(|owner| owner.service.deployment(owner.deployment))
    }

    /// The service revision that it runs.
    #[must_use]
    pub fn revision_key(&self) -> Option<RevisionKey> {
        self.service.map(|owner| owner.service.revision(owner.revision))
    }

    /// Whether it waits for an instance of its capacity provider.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.instance.is_none() && !self.is_told_to_stop() && !self.is_stopped()
    }

    /// The group by which placement counts it.
    #[must_use]
    pub fn placement_group(&self) -> Arc<str> {
        placement_group(&self.group, self.capacity_provider.as_deref(), self.hosted_by.map(|_| self.key.cluster))
    }

    /// Whether the API shows it on its container instance: Fargate tasks are shown on none.
    #[must_use]
    pub fn is_shown_on_instance(&self) -> bool {
        self.launch.launch_type != ecs::LaunchType::Fargate
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.last_status == TaskStatus::Stopped
    }

    /// Whether it is told to stop, or has ended.
    #[must_use]
    pub fn is_told_to_stop(&self) -> bool {
        self.desired_status == DesiredStatus::Stopped
    }

    /// RUNNING by both of its statuses: what ECS's `runningCount` counts.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.last_status == TaskStatus::Running && self.desired_status == DesiredStatus::Running
    }

    /// Whether scale-in protection holds at `now`.
    #[must_use]
    pub fn is_protected(&self, now: Millis) -> bool {
        self.protected_until.is_some_and(|until| until > now)
    }

    /// On its way to RUNNING: what ECS's `pendingCount` counts.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.last_status < TaskStatus::Running && self.desired_status == DesiredStatus::Running
    }
}
