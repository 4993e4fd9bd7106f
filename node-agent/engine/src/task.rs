//! One task: its containers, its network, why it stops, and the status folded from all of it. What to do next is in
//! `start.rs` and `stop.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::status::{DesiredStatus, HealthStatus, StopCode, TaskStatus};
use drydock_proto::agent::{AssignedTask, Report};
use drydock_proto::ecs::TaskDefinition;

use crate::container::{Container, Known};
use crate::dependency::{Graph, Progress};
use crate::io::{Effect, EffectId, ProvidedNetwork, RuntimeOp};
use crate::limits::Millis;
use crate::report::{self, ReportState};
use crate::spec::{TaskSpec, is_essential};

/// What an effect's result is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A container's operation.
    Container(String, usize),
    /// A container's inspection.
    Check(String, usize),
    /// The task's network, up or down.
    Network(String),
    /// The last of cleaning up.
    Forget(String),
    /// The listing.
    List,
}

/// What a step carries around.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Millis,
    pub(crate) last_id: &'a mut u64,
    pub(crate) awaited: &'a mut BTreeMap<EffectId, Target>,
    pub(crate) out: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    pub(crate) fn id(&mut self) -> EffectId {
        *self.last_id += 1;
        EffectId(*self.last_id)
    }

    pub(crate) fn run(&mut self, target: Target, op: RuntimeOp) -> EffectId {
        let id = self.id();
        self.awaited.insert(id, target);
        self.out.push(Effect::Run { id, op });
        id
    }

    pub(crate) fn cancel(&mut self, id: EffectId) {
        if self.awaited.remove(&id).is_some() {
            self.out.push(Effect::Cancel { id });
        }
    }
}

/// The network (and other namespaces) that a task's containers share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Network {
    /// The containers bring their own.
    NotNeeded,
    Wanted {
        since: Option<Millis>,
        attempts: u32,
        retry_at: Millis,
    },
    Providing {
        id: EffectId,
        since: Millis,
        attempts: u32,
    },
    Up,
    Releasing {
        id: EffectId,
        deadline: Millis,
    },
    Released,
}

/// Why a task stops by itself. What the controllers wanted has its code there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopCause {
    pub(crate) code: StopCode,
    pub(crate) reason: String,
}

/// Moments of a task's life, as ECS shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Times {
    pub(crate) pull_started_at: Option<Millis>,
    pub(crate) pull_stopped_at: Option<Millis>,
    pub(crate) started_at: Option<Millis>,
    pub(crate) stopping_at: Option<Millis>,
    pub(crate) execution_stopped_at: Option<Millis>,
    pub(crate) stopped_at: Option<Millis>,
}

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) spec: Arc<TaskSpec>,
    pub(crate) graph: Graph,
    pub(crate) containers: Vec<Container>,
    pub(crate) desired: DesiredStatus,
    pub(crate) status: TaskStatus,
    pub(crate) network: Network,
    pub(crate) provided: ProvidedNetwork,
    /// Has its share of the instance.
    pub(crate) granted: bool,
    /// Order of arrival, for the queue of those that wait.
    pub(crate) arrived: u64,
    pub(crate) arrived_at: Millis,
    pub(crate) cause: Option<StopCause>,
    pub(crate) times: Times,
    /// Until when a dependency is waited for.
    pub(crate) wait_until: Option<Millis>,
    pub(crate) in_manifest: bool,
    /// Found running, and no manifest has named it: nothing is known but its containers.
    pub(crate) orphan: bool,
    /// The controllers said to keep it although the manifest lacks it.
    pub(crate) kept: bool,
    pub(crate) report: ReportState,
    pub(crate) forgetting: Option<EffectId>,
    pub(crate) cleaned: bool,
    /// What is left of it is being removed.
    pub(crate) cleaning: bool,
    /// Something of it changed in this step.
    pub(crate) touched: bool,
}

impl Task {
    pub(crate) fn new(assigned: AssignedTask, definition: Arc<TaskDefinition>, now: Millis) -> Self {
        let desired = desired(&assigned);
        let spec = Arc::new(TaskSpec::new(assigned, definition));
        let (graph, cause) = match Graph::new(&spec.containers) {
            Ok(graph) => (graph, None),
            Err(error) => (Graph::default(), Some(failed_to_start(&format!("ResourceInitializationError: {error}")))),
        };
        let network = if spec.needs_namespaces() {
            Network::Wanted { since: None, attempts: 0, retry_at: 0 }
        } else {
            Network::NotNeeded
        };
        let interface = spec.assigned.attachments.first().filter(|_| spec.has_interface()).cloned();
        let status = if spec.has_interface() { TaskStatus::Provisioning } else { TaskStatus::Pending };
        Self {
            containers: spec.containers.iter().map(|_| Container::new()).collect(),
            spec,
            graph,
            desired,
            status,
            network,
            provided: ProvidedNetwork { attachment: interface.unwrap_or_default(), interfaces: Vec::new() },
            granted: false,
            arrived: 0,
            arrived_at: now,
            cause,
            times: Times::default(),
            wait_until: None,
            in_manifest: true,
            orphan: false,
            kept: false,
            report: ReportState::default(),
            forgetting: None,
            cleaned: false,
            cleaning: false,
            touched: true,
        }
    }

    /// A task of which only containers were found.
    pub(crate) fn orphan(task_arn: &str, names: &[&str], now: Millis) -> Self {
        let containers = names.iter().map(|name| drydock_proto::ecs::ContainerDefinition {
            name: Some((*name).to_owned()),
            ..Default::default()
        });
        let definition = TaskDefinition { container_definitions: containers.collect(), ..Default::default() };
        let assigned = AssignedTask {
            task_arn: task_arn.to_owned(),
            desired_status: DesiredStatus::Running.as_str().to_owned(),
            ..Default::default()
        };
        Self {
            network: Network::Up,
            in_manifest: false,
            orphan: true,
            ..Self::new(assigned, Arc::new(definition), now)
        }
    }

    /// As its last report left it.
    pub(crate) fn restore(&mut self, report: Report, acked: bool) {
        self.status = report.last_status.parse().unwrap_or(TaskStatus::Pending);
        self.times = report::times(&report);
        self.cause = report::cause(&report).or(self.cause.take());
        for (container, definition) in self.containers.iter_mut().zip(&self.spec.containers) {
            if let Some(seen) = report.containers.iter().find(|seen| seen.name == definition.name()) {
                *container = Container::restore(seen, self.times.started_at);
                if let (Network::Wanted { .. }, Some(attachment)) = (&self.network, report.attachments.first()) {
                    self.provided.attachment = attachment.clone();
                }
                self.provided.interfaces.clone_from(&seen.network_interfaces);
            }
        }
        if self.status == TaskStatus::Stopped {
            self.network = Network::Released;
        }
        self.report = ReportState::restore(report, acked);
    }

    /// What a manifest says about an orphan: it becomes the task, with the containers that were found.
    pub(crate) fn adopt(&mut self, mut task: Self) {
        for (container, definition) in task.containers.iter_mut().zip(&task.spec.containers) {
            let found = self.spec.containers.iter().position(|own| own.name() == definition.name());
            if let Some(at) = found {
                *container = self.containers[at].clone();
                // Operations were awaited for the orphan's places: what they did is looked up anew.
                container.op = None;
                container.check = crate::container::Check { running: None, due_at: Some(0) };
            }
        }
        task.arrived = self.arrived;
        *self = task;
    }

    pub(crate) fn arn(&self) -> &str {
        self.spec.task_arn()
    }

    pub(crate) fn stopping(&self) -> bool {
        self.desired == DesiredStatus::Stopped || self.cause.is_some()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.status == TaskStatus::Stopped
    }

    /// Whether it still has to get its share of the instance.
    pub(crate) fn waits(&self) -> bool {
        !self.granted && !self.orphan && !self.stopping()
    }

    /// Since when its containers are kept, stopped as it is.
    pub(crate) fn kept_since(&self) -> Option<Millis> {
        let stopped = self.is_stopped() && !self.cleaned && !self.cleaning;
        stopped.then(|| self.times.stopped_at.unwrap_or_default())
    }

    pub(crate) fn progress(&self) -> Vec<Progress> {
        self.containers.iter().map(Container::progress).collect()
    }

    pub(crate) fn holds_containers(&self) -> bool {
        self.containers.iter().any(|container| container.known >= Known::Created)
    }

    /// Stops it for a reason of the agent's own, unless it stops already.
    pub(crate) fn stop_because(&mut self, cause: StopCause) {
        if !self.stopping() {
            self.cause = Some(cause);
            self.touched = true;
        }
    }

    /// An essential container's end is the task's.
    pub(crate) fn judge(&mut self) {
        if self.stopping() {
            return;
        }
        let ended = self
            .containers
            .iter()
            .zip(&self.spec.containers)
            .find(|(container, definition)| container.known == Known::Stopped && is_essential(definition));
        if let Some((container, _)) = ended {
            self.cause = Some(if container.ran {
                StopCause {
                    code: StopCode::EssentialContainerExited,
                    reason: "Essential container in task exited".into(),
                }
            } else {
                failed_to_start(&container.reason)
            });
            self.touched = true;
        }
    }

    /// The status that follows from the containers and the network; never less than before.
    pub(crate) fn fold(&mut self, now: Millis) {
        let status = self.status.max(self.folded());
        let ended = self.containers.iter().zip(&self.spec.containers).any(|(container, definition)| {
            container.known == Known::Stopped && container.ran && is_essential(definition)
        });
        let times = &mut self.times;
        let last_start = || self.containers.iter().filter_map(|container| container.started_at).max();
        if status == TaskStatus::Running && times.started_at.is_none() {
            times.started_at = last_start().or(Some(now));
        }
        if ended && times.execution_stopped_at.is_none() {
            // It ran as a whole, if only for a moment: ECS shows both moments.
            if times.started_at.is_none() && self.containers.iter().all(|container| container.ran) {
                times.started_at = last_start();
            }
            times.execution_stopped_at = Some(now);
        }
        if status >= TaskStatus::Stopping && times.stopping_at.is_none() {
            times.stopping_at = Some(now);
        }
        if status == TaskStatus::Stopped && times.stopped_at.is_none() {
            times.stopped_at = Some(now);
        }
        self.touched |= status != self.status;
        self.status = status;
    }

    fn folded(&self) -> TaskStatus {
        let least = self.containers.iter().map(|container| container.known).min().unwrap_or(Known::Stopped);
        if least == Known::Stopped {
            return match self.network {
                Network::NotNeeded | Network::Released | Network::Wanted { since: None, .. } => TaskStatus::Stopped,
                _ if self.spec.has_interface() => TaskStatus::Deprovisioning,
                _ => TaskStatus::Stopping,
            };
        }
        if self.stopping() {
            return TaskStatus::Stopping;
        }
        if least == Known::Running {
            return TaskStatus::Running;
        }
        match self.network {
            Network::Up => TaskStatus::Activating,
            _ if self.spec.has_interface() => TaskStatus::Provisioning,
            _ if self.granted => TaskStatus::Activating,
            _ => TaskStatus::Pending,
        }
    }

    /// ECS's fold of the essential containers that have a check (ecs-semantics §2.1).
    pub(crate) fn health(&self) -> HealthStatus {
        let mut verdict = None;
        for (container, definition) in self.containers.iter().zip(&self.spec.containers) {
            if !is_essential(definition) || definition.health_check.is_none() {
                continue;
            }
            verdict = Some(match (verdict, container.health) {
                (Some(HealthStatus::Unhealthy), _) | (_, HealthStatus::Unhealthy) => HealthStatus::Unhealthy,
                (Some(HealthStatus::Unknown), _) | (_, HealthStatus::Unknown) => HealthStatus::Unknown,
                _ => HealthStatus::Healthy,
            });
        }
        verdict.unwrap_or(HealthStatus::Unknown)
    }

    /// Moments at which something may have to happen to it, but for reports and cleaning up. Those in the past have
    /// been dealt with.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Millis> {
        let network = match &self.network {
            Network::Wanted { since: Some(_), retry_at, .. } if !self.stopping() => Some(*retry_at),
            Network::Providing { since, .. } => Some(since + crate::limits::NETWORK_TIMEOUT_MS),
            Network::Releasing { deadline, .. } => Some(*deadline),
            _ => None,
        };
        let waiting = self.waits().then_some(self.arrived_at + crate::limits::HOST_WAIT_MS);
        let wait = self.wait_until.filter(|_| !self.stopping());
        let containers = self.containers.iter().flat_map(Container::deadlines);
        containers.chain(network).chain(waiting).chain(wait)
    }
}

/// STOPPED where the controllers say so; whatever else they may say means RUNNING.
pub(crate) fn desired(assigned: &AssignedTask) -> DesiredStatus {
    assigned.desired_status.parse().unwrap_or(DesiredStatus::Running)
}

pub(crate) fn failed_to_start(reason: &str) -> StopCause {
    StopCause { code: StopCode::TaskFailedToStart, reason: crate::container::clip(reason) }
}
