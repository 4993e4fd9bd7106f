//! Looks at every committed state: tells what is new in it, and counts.

use std::collections::{BTreeMap, BTreeSet};

use drydock_model::status::{DesiredStatus, HealthStatus, TaskStatus};
use drydock_state::row::{DeploymentRow, ServiceRow, TaskRow};
use drydock_state::{InstanceKey, State};

use super::record::{DeploymentRecord, Kind, Line, ServiceSample, Unsteady, ZoneSample};
use super::units::Span;
use super::{LINES_MAX, Record};

/// What was known of the last state.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// Ids of service events that were told.
    told: BTreeSet<u128>,
    /// rolloutState and status of each deployment, by service and number.
    deployments: BTreeMap<(String, u64), (String, String)>,
    /// Status and connection of each instance.
    instances: BTreeMap<InstanceKey, (String, bool)>,
    /// Since when each service isn't in steady state.
    unsteady: BTreeMap<String, Span>,
    pub(crate) lines: Vec<Line>,
    pub(crate) left_out: u64,
    pub(crate) ended: Vec<Unsteady>,
    pub(crate) records: BTreeMap<(String, u64), DeploymentRecord>,
}

impl Observer {
    /// Takes a state as what was before the beginning: nothing of it is told.
    pub(crate) fn begin(&mut self, state: &State) {
        self.look(Span(0), 0, state);
        self.lines.clear();
        self.left_out = 0;
        self.records.retain(|_, record| record.finished.is_none());
        self.ended.clear();
    }

    pub(crate) fn tell(&mut self, at: Span, kind: Kind, service: Option<&str>, text: impl Into<String>) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(Line { at, kind, service: service.map(str::to_owned), text: text.into() });
        } else {
            self.left_out += 1;
        }
    }

    /// A state is new. `begun_ms`: when the rehearsal began, by the cluster's clock.
    pub(crate) fn look(&mut self, at: Span, begun_ms: u64, state: &State) {
        self.instances(at, state);
        for service in state.all_services() {
            self.events(at, state, service);
            for row in state.deployments(service.key) {
                self.deployment(at, begun_ms, state, service, row);
            }
            self.steady(at, service);
        }
    }

    fn events(&mut self, at: Span, state: &State, service: &ServiceRow) {
        let fresh: Vec<_> =
            state.service_events(service.key).rev().take_while(|row| !self.told.contains(&row.id)).collect();
        for row in fresh.into_iter().rev() {
            self.told.insert(row.id);
            self.tell(at, Kind::Event, Some(&service.name), row.message.to_string());
        }
    }

    fn deployment(&mut self, at: Span, begun_ms: u64, state: &State, service: &ServiceRow, row: &DeploymentRow) {
        let key = (service.name.to_string(), ordinal(state, row));
        let now = (row.rollout_state.as_str().to_owned(), row.status.as_str().to_owned());
        let before = self.deployments.insert(key.clone(), now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        let definition = state.revision(service.key.revision(row.target_revision));
        let definition = definition.map(|revision| revision.definition.to_string()).unwrap_or_default();
        let reason = row.status_reason.as_deref().unwrap_or(&row.rollout_state_reason).to_owned();
        let text = format!("deployment {} of {} ({definition}): {} ({}): {reason}", key.1, key.0, now.0, now.1);
        self.tell(at, Kind::Deployment, Some(&service.name), text);
        let record = self.records.entry(key.clone()).or_insert_with(|| DeploymentRecord {
            service: key.0,
            number: key.1,
            task_definition: definition,
            created: Span(row.created_at.saturating_sub(begun_ms)),
            finished: None,
            rollout_state: String::new(),
            status: String::new(),
            reason: String::new(),
        });
        (record.rollout_state, record.status, record.reason) = (now.0, now.1, reason);
        if row.is_final() {
            record.finished.get_or_insert(at);
        }
    }

    fn instances(&mut self, at: Span, state: &State) {
        for row in state.all_instances() {
            let now = (row.status.as_str().to_owned(), row.agent_connected);
            let before = self.instances.insert(row.key, now.clone());
            if before.as_ref() == Some(&now) {
                continue;
            }
            let agent = if now.1 { "connected" } else { "not connected" };
            let text = format!("instance {}: {}, its agent is {agent}", row.info.token, now.0);
            self.tell(at, Kind::Instance, None, text);
        }
    }

    fn steady(&mut self, at: Span, service: &ServiceRow) {
        let name = service.name.to_string();
        if !service.progress.steady {
            self.unsteady.entry(name).or_insert(at);
        } else if let Some(from) = self.unsteady.remove(&name) {
            self.ended.push(Unsteady { service: name, from, until: Some(at) });
        }
    }

    /// What was seen, in a record.
    pub(crate) fn close(self, record: &mut Record) {
        let Self { unsteady, mut ended, mut lines, left_out, records, .. } = self;
        // A request is told when its answer came, after what it led to.
        lines.sort_by_key(|line| line.at);
        ended.extend(unsteady.into_iter().map(|(service, from)| Unsteady { service, from, until: None }));
        ended.sort_by(|a, b| (a.from, &a.service).cmp(&(b.from, &b.service)));
        let mut deployments: Vec<_> = records.into_values().collect();
        deployments.sort_by(|a, b| (a.created, &a.service, a.number).cmp(&(b.created, &b.service, b.number)));
        (record.lines, record.lines_left_out) = (lines, left_out);
        (record.unsteady, record.deployments) = (ended, deployments);
    }
}

/// Which of its service's deployments one is: 1 is that of the service's creation. Rows outlive every rehearsal.
pub(crate) fn ordinal(state: &State, row: &DeploymentRow) -> u64 {
    let before = state.deployments(row.key.service).take_while(|other| other.key.number < row.key.number).count();
    u64::try_from(before).unwrap_or(u64::MAX) + 1
}

/// How a service stands.
pub(crate) fn count(state: &State, service: &ServiceRow) -> ServiceSample {
    let share = |percent: u32| u64::from(service.desired_count) * u64::from(percent);
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let mut found = ServiceSample {
        desired: service.desired_count,
        minimum: number(share(service.minimum_healthy_percent()).div_ceil(100)),
        maximum: number(share(service.maximum_percent()) / 100),
        ..ServiceSample::default()
    };
    for task in state.live_tasks_of(service.key) {
        if task.desired_status == DesiredStatus::Stopped {
            found.stopping += 1;
        } else if task.last_status == TaskStatus::Running {
            found.running += 1;
            found.healthy += u32::from(is_healthy(state, task));
        } else {
            found.pending += 1;
        }
    }
    found
}

fn is_healthy(state: &State, task: &TaskRow) -> bool {
    let definition = state.definition(&task.definition);
    let checked = definition.is_some_and(|row| {
        let containers = &row.document.container_definitions;
        containers.iter().any(|container| container.health_check.is_some() && container.essential != Some(false))
    });
    !checked || task.health == HealthStatus::Healthy
}

/// How the zones stand.
pub(crate) fn zones(state: &State) -> BTreeMap<String, ZoneSample> {
    let mut zones: BTreeMap<String, ZoneSample> = BTreeMap::new();
    for row in state.all_instances() {
        let zone = zones.entry(row.availability_zone().map(ToString::to_string).unwrap_or_default()).or_default();
        zone.tasks += u32::try_from(state.live_tasks_on(row.key).count()).unwrap_or(u32::MAX);
        if row.agent_connected {
            zone.instances += 1;
            zone.cpu += u64::from(row.registered.cpu);
            zone.memory += u64::from(row.registered.memory_mib);
            zone.cpu_held += u64::from(row.registered.cpu.saturating_sub(row.remaining.cpu));
            zone.memory_held += u64::from(row.registered.memory_mib.saturating_sub(row.remaining.memory_mib));
        }
    }
    zones
}
