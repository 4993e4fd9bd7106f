//! Container instances: registration, sessions, draining, deregistration (ecs-semantics §2.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::Resource;
use drydock_model::arn::short_name;
use drydock_model::capacity::Serves;
use drydock_model::error::EcsError;
use drydock_model::requests::container_instances as requests;
use drydock_model::resources::{Available, Needs};
use drydock_model::status::{InstanceStatus, StopCode};
use drydock_model::tags;
use drydock_proto::ecs;

use super::lifecycle::Why;
use super::run_task::failure;
use super::{Answer, Apply};
use crate::command::RegisterInstance;
use crate::key::{InstanceKey, Key};
use crate::outcome::{Halt, Outcome};
use crate::row::{API_RUNTIME, InstanceInfo, InstanceRow};

/// Characters of an instance's token, of its versions and of its runtime's name.
const TEXT_CHARS_MAX: usize = 255;

pub(super) fn not_found() -> EcsError {
    EcsError::invalid_parameter("The referenced container instance was not found.")
}

fn check_registration(register: &RegisterInstance) -> Result<(), EcsError> {
    if register.runtime == API_RUNTIME {
        return Err(EcsError::invalid_parameter("An agent's runtime must have another name."));
    }
    check_texts_and_capacity(register)
}

fn check_texts_and_capacity(register: &RegisterInstance) -> Result<(), EcsError> {
    let texts = [
        &register.token,
        &register.runtime,
        &register.agent_version,
        &register.docker_version,
        &register.ec2_instance_id,
        &register.capacity_provider,
    ];
    if register.token.is_empty() || texts.iter().any(|text| text.chars().count() > TEXT_CHARS_MAX) {
        let text = format!("An instance's token must not be empty, and no text of it longer than {TEXT_CHARS_MAX}.");
        return Err(EcsError::invalid_parameter(text));
    }
    if register.capacity.cpu == 0 || register.capacity.memory_mib == 0 {
        return Err(EcsError::invalid_parameter("An instance must have CPU and memory."));
    }
    if register.attributes.iter().any(|attribute| attribute.name.as_deref().is_none_or(str::is_empty)) {
        return Err(EcsError::invalid_parameter("An attribute must have a name."));
    }
    tags::check(&register.tags)
}

fn info(register: &RegisterInstance) -> InstanceInfo {
    let some = |text: &str| (!text.is_empty()).then(|| text.into());
    let attribute = |attribute: &ecs::Attribute| {
        let value = attribute.value.as_deref().map(Into::into);
        (attribute.name.as_deref().unwrap_or_default().into(), value)
    };
    InstanceInfo {
        token: register.token.as_str().into(),
        ec2_instance_id: some(&register.ec2_instance_id),
        attributes: register.attributes.iter().map(attribute).collect(),
        put: BTreeMap::new(),
        runtime: register.runtime.as_str().into(),
        agent_version: register.agent_version.as_str().into(),
        docker_version: some(&register.docker_version),
        serves: register.serves,
        capacity_provider: (!register.capacity_provider.is_empty()).then(|| register.capacity_provider.as_str().into()),
        agent_hash: None,
    }
}

/// What only a registration over ECS's API tells.
#[derive(Default)]
pub(super) struct Registered {
    /// The commit that the agent was built from.
    pub(super) agent_hash: Option<String>,
}

impl Registered {
    fn with(self, info: InstanceInfo) -> InstanceInfo {
        InstanceInfo { agent_hash: self.agent_hash.map(String::into_boxed_str), ..info }
    }
}

/// What requests put stays.
fn info_again(register: &RegisterInstance, known: &InstanceInfo) -> InstanceInfo {
    let mut info = info(register);
    info.attributes.extend(known.put.clone());
    info.put.clone_from(&known.put);
    info
}

impl Apply<'_> {
    /// Registers and connects. A known token is the same instance again, with what it says of itself now; after
    /// deregistration it is a new one.
    pub(super) fn register_instance(&mut self, register: &RegisterInstance) -> Answer {
        check_registration(register)?;
        self.register(register, Registered::default())
    }

    /// As [`Self::register_instance`], also for one that registers over ECS's API.
    pub(super) fn register(&mut self, register: &RegisterInstance, more: Registered) -> Answer {
        check_texts_and_capacity(register)?;
        if register.serves == Serves::Fargate && !register.capacity_provider.is_empty() {
            let text = "Only a container instance can be of a capacity provider: this host serves Fargate alone.";
            return Err(EcsError::invalid_parameter(text).into());
        }
        if !register.capacity_provider.is_empty() {
            self.provider_by_name(&register.capacity_provider)?;
        }
        let cluster = self.cluster_to_join(&register.cluster)?;
        let known = self.state.instance_by_token(cluster.id, &register.token).cloned();
        let row = match known {
            Some(row) => InstanceRow {
                info: Arc::new(more.with(info_again(register, &row.info))),
                registered: register.capacity.clone(),
                remaining: self.remaining_after(&row, &register.capacity)?,
                tags: if register.tags.is_empty() { row.tags.clone() } else { register.tags.as_slice().into() },
                ..(*row).clone()
            },
            None => InstanceRow {
                key: self.new_instance_key(cluster.id),
                version: 0,
                status: InstanceStatus::Active,
                info: Arc::new(more.with(info(register))),
                registered: register.capacity.clone(),
                remaining: register.capacity.clone(),
                agent_connected: false,
                connected_at: self.now,
                disconnected_at: None,
                lost_at: None,
                registered_at: self.now,
                changed_at: self.index,
                reap_at: None,
                tags: register.tags.as_slice().into(),
            },
        };
        self.mark(Key::Cluster(cluster.id));
        Ok(Outcome::Instance(self.connect(row)?))
    }

    /// What the tasks of an instance leave of a new capacity.
    fn remaining_after(&self, row: &InstanceRow, capacity: &Available) -> Result<Available, EcsError> {
        let too_small = || EcsError::client("The container instance has less than its tasks hold.");
        let mut remaining = capacity.clone();
        for task in self.state.live_tasks_on(row.key) {
            let needs = Needs { gpus: 0, ..task.launch.needs.clone() };
            remaining.take(&needs).map_err(|_| too_small())?;
            if !task.gpus.iter().all(|gpu| remaining.gpus.contains(gpu)) {
                return Err(too_small());
            }
            remaining.gpus = remaining.gpus.iter().filter(|gpu| !task.gpus.contains(gpu)).cloned().collect();
        }
        Ok(remaining)
    }

    fn connect(&mut self, mut row: InstanceRow) -> Result<Arc<InstanceRow>, Halt> {
        row.agent_connected = true;
        row.connected_at = self.now;
        row.disconnected_at = None;
        row.lost_at = None;
        self.put_changed_instance(row)
    }

    /// Puts an instance that has changed visibly.
    pub(super) fn put_changed_instance(&mut self, mut row: InstanceRow) -> Result<Arc<InstanceRow>, Halt> {
        row.version += 1;
        let row = self.state.put_instance(row);
        self.mark(Key::Instance(row.key));
        self.emit_instance(Arc::clone(&row))?;
        Ok(row)
    }

    fn registered(&self, key: InstanceKey) -> Result<Arc<InstanceRow>, EcsError> {
        let row = self.state.instance(key).filter(|row| row.status != InstanceStatus::Inactive);
        row.cloned().ok_or_else(not_found)
    }

    /// A session began. One that replaces another changes nothing but its time.
    pub(super) fn instance_connected(&mut self, key: InstanceKey) -> Answer {
        let row = self.registered(key)?;
        if row.agent_connected {
            let mut row = (*row).clone();
            row.connected_at = self.now;
            return Ok(Outcome::Instance(self.state.put_instance(row)));
        }
        Ok(Outcome::Instance(self.connect((*row).clone())?))
    }

    /// A session ended, or its deadline passed: nothing new is placed there, and the time begins to run after which its
    /// tasks are lost.
    pub(super) fn instance_disconnected(&mut self, key: InstanceKey) -> Answer {
        let row = self.registered(key)?;
        if !row.agent_connected {
            return Ok(Outcome::Instance(row));
        }
        let mut row = (*row).clone();
        row.agent_connected = false;
        row.disconnected_at = Some(self.now);
        row.lost_at = Some(self.now.saturating_add(self.state.settings().instance_lost_after_ms));
        Ok(Outcome::Instance(self.put_changed_instance(row)?))
    }

    /// By force its tasks are orphans: they are declared STOPPED here, whatever goes on on the machine.
    pub(super) fn deregister_instance(&mut self, request: &ecs::DeregisterContainerInstanceRequest) -> Answer {
        requests::deregister_container_instance(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let row = self.find_instance(&cluster, request.container_instance.as_deref().unwrap_or_default());
        let row = self.registered(row.ok_or_else(not_found)?.key)?;
        let tasks: Vec<_> = self.state.live_tasks_on(row.key).cloned().collect();
        if !tasks.is_empty() && !request.force() {
            return Err(EcsError::invalid_parameter("Found running tasks on the instance.").into());
        }
        let arn = self.arn(Resource::ContainerInstance(cluster.name.to_string(), row.key.to_string()));
        let reason = format!("Container instance {arn} was deregistered");
        for task in tasks {
            self.end_task(&task, &Why { code: Some(StopCode::InfrastructureHealth), reason: &reason }, None)?;
        }
        let mut row = (*self.registered(row.key)?).clone();
        row.status = InstanceStatus::Inactive;
        row.agent_connected = false;
        row.disconnected_at = row.disconnected_at.or(Some(self.now));
        row.lost_at = None;
        row.changed_at = self.index;
        row.reap_at = Some(self.now.saturating_add(self.state.settings().inactive_retention_ms));
        self.mark(Key::Cluster(cluster.id));
        Ok(Outcome::Instance(self.put_changed_instance(row)?))
    }

    pub(super) fn update_instances_state(&mut self, request: &ecs::UpdateContainerInstancesStateRequest) -> Answer {
        requests::update_container_instances_state(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let draining = request.status() == ecs::ContainerInstanceStatus::Draining;
        let status = if draining { InstanceStatus::Draining } else { InstanceStatus::Active };
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for text in &request.container_instances {
            let row = self.find_instance(&cluster, text);
            let arn = || Resource::ContainerInstance(cluster.name.to_string(), short_name(text).to_owned());
            match row {
                None => failures.push(failure(self.arn(arn()), "MISSING")),
                Some(row) if row.status == InstanceStatus::Inactive => {
                    failures.push(failure(self.arn(arn()), "INACTIVE"));
                }
                Some(row) if row.status == status => rows.push(row),
                Some(row) => {
                    let mut row = (*row).clone();
                    row.status = status;
                    self.mark_services_on(row.key);
                    rows.push(self.put_changed_instance(row)?);
                }
            }
        }
        Ok(Outcome::Instances(rows, failures))
    }

    /// Draining moves the tasks of services away: they must look.
    pub(super) fn mark_services_on(&mut self, key: InstanceKey) {
        let services: Vec<_> = self.state.live_tasks_on(key).filter_map(|row| row.service).collect();
        for owner in services {
            self.mark(Key::Service(owner.service));
        }
    }

    pub(super) fn tag_instance(&mut self, row: &InstanceRow, tags: Vec<ecs::Tag>) {
        let mut row = row.clone();
        row.tags = tags.into();
        self.state.put_instance(row);
    }
}
