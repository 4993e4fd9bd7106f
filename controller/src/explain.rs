//! Explanations as the control API tells them: the deciders' data in messages, ids as ECS prints them. A pure function
//! of a version of the state and a moment. Each kind of wait and each decider has its line here: one that is new and
//! isn't told doesn't compile.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_model::error::EcsError;
use drydock_model::ids::deployment_id;
use drydock_model::requests;
use drydock_proto::control::{self, TaskWaitKind, WaitKind};
use drydock_proto::ecs::LaunchType;
use drydock_reconcile::place::Unplaced;
use drydock_reconcile::{Cause, Decider, Ending, Leaver, Shortage, TaskWait, Wait};
use drydock_state::query::{Arns, Query, rollout_state, timestamp};
use drydock_state::row::{ClusterRow, DeploymentRow, ServiceRow};
use drydock_state::{InstanceKey, Millis, State};

use crate::view::Version;

/// Explains what is in one version of the state.
pub(crate) struct Explainer<'a> {
    state: &'a State,
    index: u64,
    scope: &'a Scope,
    now: Millis,
}

impl<'a> Explainer<'a> {
    /// For the moment `now`, which is no earlier than the state's own time.
    pub(crate) const fn new(version: &'a Version, scope: &'a Scope, now: Millis) -> Self {
        Self { state: &version.state, index: version.index, scope, now }
    }

    fn query(&self) -> Query<'a> {
        Query::new(self.state, self.scope)
    }

    fn cluster(&self, name: &str) -> Result<&'a Arc<ClusterRow>, EcsError> {
        self.query().cluster(Some(name).filter(|name| !name.is_empty()))
    }

    /// ExplainService.
    ///
    /// # Errors
    /// `ClusterNotFoundException`, `ServiceNotFoundException`.
    pub(crate) fn service(
        &self,
        request: &control::ExplainServiceRequest,
    ) -> Result<control::ExplainServiceResponse, EcsError> {
        let cluster = self.cluster(&request.cluster)?;
        let row = self.query().service(cluster, &request.service)?;
        let found = drydock_reconcile::explain_service(self.state, row.key, self.now);
        let found = found.ok_or_else(EcsError::service_not_found)?;
        let mut service = self.query().render_service(row);
        service.events = Vec::new();
        let waits = Waits { state: self.state, scope: self.scope, cluster };
        Ok(control::ExplainServiceResponse {
            applied_index: self.index,
            now: Some(timestamp(self.now)),
            service: Some(service),
            steady: found.steady,
            starts: found.starts,
            stops: found.stops,
            deployment: self.deployment(cluster, row),
            waits: found.waits.iter().map(|wait| waits.of_service(wait)).collect(),
        })
    }

    /// The deployment that is under way, or the one that the service is at.
    fn deployment(&self, cluster: &ClusterRow, service: &ServiceRow) -> Option<control::DeploymentExplanation> {
        let current = self.state.deployment(service.current_key()).filter(|row| !row.is_final());
        let row: &DeploymentRow = current.or_else(|| self.state.deployment(service.primary_key()))?;
        let revision = self.state.revision(service.key.revision(row.target_revision));
        let arns = Arns::new(self.scope, &cluster.name);
        Some(control::DeploymentExplanation {
            id: row.started_by.to_string(),
            task_definition: revision.map(|revision| revision.definition.to_string()).unwrap_or_default(),
            rollout_state: rollout_state(row.rollout_state).into(),
            rollout_state_reason: row.rollout_state_reason.to_string(),
            stage_deadline: row.stage_deadline.map(timestamp),
            deadline: row.deadline.map(timestamp),
            service_deployment: Some(self.query().render_service_deployment(arns, service, row)),
        })
    }

    /// ExplainTask.
    ///
    /// # Errors
    /// `ClusterNotFoundException`, `InvalidParameterException`.
    pub(crate) fn task(&self, request: &control::ExplainTaskRequest) -> Result<control::ExplainTaskResponse, EcsError> {
        let cluster = self.cluster(&request.cluster)?;
        let row = self.query().task(cluster, &request.task)?;
        let found = drydock_reconcile::explain_task(self.state, row.key, self.now);
        let found = found.ok_or_else(|| EcsError::invalid_parameter("The referenced task was not found."))?;
        let instance = row.instance_key().and_then(|key| self.state.instance(key));
        let waits = Waits { state: self.state, scope: self.scope, cluster };
        Ok(control::ExplainTaskResponse {
            applied_index: self.index,
            now: Some(timestamp(self.now)),
            task: Some(self.query().render_task(row)),
            instance_status: instance.map(|row| row.status.to_string()).unwrap_or_default(),
            agent_connected: instance.is_some_and(|row| row.agent_connected),
            waits: found.waits.iter().map(|wait| waits.of_task(wait)).collect(),
            ending: found.ending.as_ref().map(ending),
        })
    }

    /// ExplainRunTask. `seed` chooses among equals.
    ///
    /// # Errors
    /// Those of RunTask; what the state alone can refuse is said in general.
    pub(crate) fn run_task(
        &self,
        request: control::ExplainRunTaskRequest,
        seed: u128,
    ) -> Result<control::ExplainRunTaskResponse, EcsError> {
        let mut request = request.run_task.unwrap_or_default();
        // A token that was used before would hide what a run would come to now.
        request.client_token = None;
        requests::tasks::run_task(&request)?;
        let cluster = self.query().cluster(request.cluster.as_deref())?;
        let found = drydock_reconcile::explain_run_task(self.state, self.scope, &request, seed);
        let found = found.ok_or_else(|| EcsError::client("TaskDefinition not found."))?;
        let waits = Waits { state: self.state, scope: self.scope, cluster };
        Ok(control::ExplainRunTaskResponse {
            applied_index: self.index,
            container_instance_arns: found.placed.iter().map(|key| waits.instance(*key)).collect(),
            unplaced: found.unplaced,
            placement: found.why.as_ref().map(|why| waits.placement(why, &found.lacks)),
        })
    }
}

/// ExplainService of a state that no controller holds, as of `now` in milliseconds since 1970: a rehearsal's.
///
/// # Errors
/// As the request's.
pub fn of_service(
    state: &State,
    scope: &Scope,
    now: Millis,
    request: &control::ExplainServiceRequest,
) -> Result<control::ExplainServiceResponse, EcsError> {
    Explainer { state, index: state.applied_index(), scope, now }.service(request)
}

fn zones_of(zones: &BTreeMap<Arc<str>, u32>) -> Vec<control::Zone> {
    zones.iter().map(|(name, tasks)| control::Zone { name: name.to_string(), tasks: *tasks }).collect()
}

/// Renders waits of one cluster's things.
struct Waits<'a> {
    state: &'a State,
    scope: &'a Scope,
    cluster: &'a ClusterRow,
}

impl Waits<'_> {
    fn of_service(&self, wait: &Wait) -> control::Wait {
        let mut told = control::Wait { until: wait.until().map(timestamp), ..control::Wait::default() };
        told.set_cause(cause(wait.cause()));
        let (kind, tasks) = match wait {
            Wait::Placement { tasks, why, lacks, until: _ } => {
                told.placement = Some(self.placement(why, lacks));
                (WaitKind::Placement, Some(*tasks))
            }
            Wait::BackOff { failures, until: _ } => {
                told.failures = Some(*failures);
                (WaitKind::BackOff, None)
            }
            Wait::Capacity { tasks, until: _ } => (WaitKind::Capacity, Some(*tasks)),
            Wait::Starting { tasks, until: _ } => (WaitKind::Starting, Some(*tasks)),
            Wait::Healthy { tasks, until: _ } => (WaitKind::Healthy, Some(*tasks)),
            Wait::HealthCheck { tasks } => (WaitKind::HealthCheck, Some(*tasks)),
            Wait::Grace { tasks, until: _ } => (WaitKind::Grace, Some(*tasks)),
            Wait::Replacing { tasks, why } => {
                told.set_leaver(leaver(*why));
                (WaitKind::Replacing, Some(*tasks))
            }
            Wait::Stopping { tasks, until: _ } => (WaitKind::Stopping, Some(*tasks)),
            Wait::Disconnected { tasks, instances, until: _, paused } => {
                told.instances = Some(*instances);
                told.paused = Some(*paused);
                (WaitKind::Disconnected, Some(*tasks))
            }
            Wait::Bounds { tasks, lower, upper, deadlock } => {
                told.bounds = Some(control::Bounds { lower: *lower, upper: *upper, deadlock: *deadlock });
                (WaitKind::Bounds, Some(*tasks))
            }
            Wait::Protection { tasks, until: _ } => (WaitKind::Protection, Some(*tasks)),
            Wait::Failed { deployment } => {
                told.deployment = Some(deployment_id(*deployment));
                (WaitKind::Failed, None)
            }
            Wait::Hook { hook_id, stage, until: _, continues } => {
                told.hook_id = Some(hook_id.clone());
                told.stage = Some(stage.clone());
                told.continues = Some(*continues);
                (WaitKind::Hook, None)
            }
            Wait::Bake { stage, until: _ } => {
                told.stage = Some(stage.clone());
                (WaitKind::Bake, None)
            }
            Wait::Rebalancing { tasks, zones } => {
                told.zones = zones_of(zones);
                (WaitKind::Rebalancing, Some(*tasks))
            }
            Wait::Uneven { zones, until: _ } => {
                told.zones = zones_of(zones);
                (WaitKind::Uneven, None)
            }
            Wait::Images { tasks, until: _ } => (WaitKind::Images, Some(*tasks)),
            Wait::LaunchRate { tasks, until: _ } => (WaitKind::LaunchRate, Some(*tasks)),
            Wait::Stage { stage, until: _ } => {
                told.stage = Some(stage.clone());
                (WaitKind::Stage, None)
            }
            Wait::Rollback { to, until: _ } => {
                told.deployment = Some(deployment_id(*to));
                (WaitKind::Rollback, None)
            }
        };
        told.set_kind(kind);
        told.tasks = tasks;
        told
    }

    fn of_task(&self, wait: &TaskWait) -> control::TaskWait {
        let mut told = control::TaskWait::default();
        let (kind, until) = match wait {
            TaskWait::Placement { why, lacks, until } => {
                told.placement = Some(self.placement(why, lacks));
                (TaskWaitKind::Placement, *until)
            }
            TaskWait::Agent { until } => (TaskWaitKind::Agent, *until),
            TaskWait::Start { until } => (TaskWaitKind::Start, *until),
            TaskWait::Healthy { until } => (TaskWaitKind::Healthy, Some(*until)),
            TaskWait::HealthCheck => (TaskWaitKind::HealthCheck, None),
            TaskWait::Grace { until } => (TaskWaitKind::Grace, Some(*until)),
            TaskWait::Replacement { why } => {
                told.set_leaver(leaver(*why));
                (TaskWaitKind::Replacement, None)
            }
            TaskWait::Disconnected { until } => (TaskWaitKind::Disconnected, *until),
            TaskWait::Stop { until } => (TaskWaitKind::Stop, *until),
            TaskWait::Retention { until } => (TaskWaitKind::Retention, *until),
        };
        told.set_kind(kind);
        told.until = until.map(timestamp);
        told
    }

    /// The ARN of an instance, which may be another cluster's: a host of Fargate.
    fn instance(&self, key: InstanceKey) -> String {
        let cluster = self.state.cluster(key.cluster).map_or(self.cluster, |row| row);
        Arns::new(self.scope, &cluster.name).instance(key)
    }

    fn placement(&self, why: &Unplaced, lacks: &[Shortage]) -> control::Placement {
        let filtered = why.removed.iter().map(|(refusal, instances)| control::Filtered {
            reason: refusal.reason().to_owned(),
            instances: *instances,
        });
        let launch_type = if why.pool.is_fargate() { LaunchType::Fargate } else { LaunchType::Ec2 };
        let cluster = self.state.hosting(self.cluster.id, launch_type);
        let closest = why.closest.map(|(id, refusal)| control::Closest {
            container_instance_arn: self.instance(InstanceKey { cluster, id }),
            reason: refusal.reason().to_owned(),
            lacks: lacks.iter().map(shortage).collect(),
        });
        control::Placement { instances: why.removed.values().sum(), filtered: filtered.collect(), closest }
    }
}

fn shortage(of: &Shortage) -> control::Shortage {
    control::Shortage { name: of.name.to_owned(), needed: of.needed, left: of.left, values: of.values.clone() }
}

const fn cause(cause: Cause) -> control::WaitCause {
    match cause {
        Cause::Time => control::WaitCause::Time,
        Cause::Agent => control::WaitCause::Agent,
        Cause::Room => control::WaitCause::Room,
        Cause::Request => control::WaitCause::Request,
        Cause::Others => control::WaitCause::Others,
    }
}

const fn leaver(why: Leaver) -> control::Leaver {
    match why {
        Leaver::Outdated => control::Leaver::Outdated,
        Leaver::Draining => control::Leaver::Draining,
        Leaver::Unhealthy => control::Leaver::Unhealthy,
    }
}

fn ending(of: &Ending) -> control::Ending {
    let mut told = control::Ending { at: of.at.map(timestamp), ..control::Ending::default() };
    let Some(decider) = of.decider else { return told };
    if let Decider::ScaledIn { deployment } | Decider::Deployment { deployment } = decider {
        told.deployment_id = Some(drydock_model::ids::deployment_id(deployment));
    }
    told.set_decider(match decider {
        Decider::User => control::Decider::User,
        Decider::ServiceDeleted => control::Decider::ServiceDeleted,
        Decider::ScaledIn { deployment: _ } => control::Decider::ScaledIn,
        Decider::Deployment { deployment: _ } => control::Decider::Deployment,
        Decider::Drained => control::Decider::Drained,
        Decider::HealthChecks => control::Decider::HealthChecks,
        Decider::Service => control::Decider::Service,
        Decider::EssentialContainer => control::Decider::EssentialContainer,
        Decider::StartFailure => control::Decider::StartFailure,
        Decider::StartDeadline => control::Decider::StartDeadline,
        Decider::StopDeadline => control::Decider::StopDeadline,
        Decider::InstanceLost => control::Decider::InstanceLost,
        Decider::InstanceDeregistered => control::Decider::InstanceDeregistered,
        Decider::Infrastructure => control::Decider::Infrastructure,
        Decider::SpotInterruption => control::Decider::SpotInterruption,
        Decider::TerminationNotice => control::Decider::TerminationNotice,
    });
    told
}
