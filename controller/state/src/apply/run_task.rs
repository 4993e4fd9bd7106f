//! RunTask, StartTask, StopTask. The placement of RunTask was decided by the leader; here it is checked that it fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::{Resource, short_name};
use drydock_model::capacity::items;
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::tasks as requests;
use drydock_model::requests::{check_network_mode, settled_network};
use drydock_model::resources::{Available, Needs, needs};
use drydock_model::status::{InstanceStatus, StopCode};
use drydock_model::{fargate, placement, refusals, tags};
use drydock_proto::ecs;
use prost::Message as _;

use super::lifecycle::{NewTask, Why};
use super::{Answer, Apply};
use crate::capacity::{Capacity, WAITING_MAX};
use crate::command::{Placement, RunTask};
use crate::key::{ClusterId, TaskKey, TokenKey, TokenKind};
use crate::outcome::{Halt, Outcome};
use crate::row::{ClusterRow, DefinitionRow, InstanceRow, TaskLaunch, TaskRow, TokenResult, TokenRow};
use crate::table::digest_of;

/// Domain of the digests of requests.
const REQUEST: u8 = 128;

/// What RunTask and StartTask have in common.
struct Launch {
    cluster: Arc<ClusterRow>,
    definition: Arc<DefinitionRow>,
    launch: Arc<TaskLaunch>,
    group: Arc<str>,
    started_by: Option<Arc<str>>,
    tags: Arc<[ecs::Tag]>,
}

pub(super) fn failure(arn: String, reason: &str) -> ecs::Failure {
    ecs::Failure { arn: Some(arn), reason: Some(reason.to_owned()), detail: None }
}

/// A Fargate task's size, overrides counted, must be one that Fargate has.
fn check_fargate_size(definition: &ecs::TaskDefinition, needs: &Needs) -> Result<(), EcsError> {
    let windows =
        definition.runtime_platform.is_some_and(|platform| fargate::is_windows(platform.operating_system_family()));
    fargate::check_size(needs.cpu, needs.memory_mib, windows)
}

impl Apply<'_> {
    pub(super) fn run_task(&mut self, run: &RunTask) -> Answer {
        let request = &run.request;
        let count = requests::run_task(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let token = request.client_token.as_deref().map(|token| token_of(cluster.id, TokenKind::RunTask, token));
        let digest = digest_of_run(request);
        if let Some(known) = token.as_ref().and_then(|key| self.state.token(key)).cloned() {
            return self.answer_again(&cluster, &known, digest);
        }
        let launch_type = request.launch_type.map(|_| request.launch_type());
        let capacity = self.state.capacity_for(&cluster, launch_type, &request.capacity_provider_strategy)?;
        let launch = self.launch(cluster, capacity.launch_type, request)?;
        // The cluster's default strategy may have changed since it was placed.
        let stands = run.placements.iter().all(|placement| is_of(&capacity, placement));
        if !stands || !is_decided(&run.placements, count) {
            return Ok(Outcome::Rebind(Vec::new()));
        }
        self.check_waiting(launch.cluster.id, &run.placements)?;
        let unfit = self.unfit(&launch, is_distinct(request), &run.placements);
        if !unfit.is_empty() {
            return Ok(Outcome::Rebind(unfit));
        }
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for placement in &run.placements {
            match placement {
                Placement::On(id) => tasks.push(self.launch_on(&launch, Some(*id), None)?),
                Placement::Provided { provider, instance } => {
                    tasks.push(self.launch_on(&launch, *instance, Some(provider))?);
                }
                Placement::Failed(failure) => failures.push(failure.clone()),
            }
        }
        if let Some(key) = token {
            let keys: Arc<[TaskKey]> = tasks.iter().map(|row| row.key).collect();
            self.state.put_token(TokenRow {
                key,
                request_digest: digest,
                expires_at: self.now.saturating_add(self.state.settings().token_retention_ms),
                result: TokenResult::Tasks(keys, failures.as_slice().into()),
            });
        }
        Ok(Outcome::Tasks(tasks, failures))
    }

    /// The answer to a RunTask whose token is known: the tasks as they are now, or a conflict.
    fn answer_again(&self, cluster: &ClusterRow, known: &TokenRow, digest: u64) -> Answer {
        let TokenResult::Tasks(keys, failures) = &known.result else {
            return Err(self.contradiction("a token of RunTask that isn't one").into());
        };
        if known.request_digest == digest {
            let tasks = keys.iter().filter_map(|key| self.state.task(*key).cloned()).collect();
            return Ok(Outcome::Tasks(tasks, failures.to_vec()));
        }
        let text = "The RunTask request could not be processed due to conflicts with a previous request that had the same clientToken.";
        let mut conflict = EcsError::new(ExceptionName::Conflict, text);
        let arn = |key: &TaskKey| self.arn(Resource::Task(cluster.name.to_string(), key.to_string()));
        conflict.resource_ids = keys.iter().map(arn).collect();
        Err(conflict.into())
    }

    fn launch(
        &self,
        cluster: Arc<ClusterRow>,
        launch_type: ecs::LaunchType,
        request: &ecs::RunTaskRequest,
    ) -> Result<Launch, EcsError> {
        let definition = self.usable_definition(request.task_definition.as_deref().unwrap_or_default())?;
        let document = &definition.document;
        refusals::check(refusals::USE_TASK_DEFINITION, &**document)?;
        check_network_mode(document, request.network_configuration.as_ref(), launch_type)?;
        placement::check_with_definition(
            &request.placement_constraints,
            &request.placement_strategy,
            document,
            launch_type,
        )?;
        self.check_network_names(request.network_configuration.as_ref())?;
        let overrides = request.overrides.clone().unwrap_or_default();
        requests::check_overridden_names(&overrides, document)?;
        self.check_overridden_roles(&overrides)?;
        let platform = fargate::platform(launch_type, request.platform_version.as_deref(), document)?;
        if overrides.ephemeral_storage.is_some() && launch_type != ecs::LaunchType::Fargate {
            return Err(EcsError::invalid_parameter("ephemeralStorage is only supported by the Fargate launch type."));
        }
        let needs = needs(document, &overrides);
        if launch_type == ecs::LaunchType::Fargate {
            check_fargate_size(document, &needs)?;
        }
        let launch = TaskLaunch {
            launch_type,
            platform_version: platform.map(|platform| platform.version().into()),
            needs,
            overrides: request.overrides.clone(),
            network_configuration: settled_network(request.network_configuration.as_ref()),
            enable_execute_command: request.enable_execute_command(),
            enable_ecs_managed_tags: request.enable_ecs_managed_tags(),
            placement_constraints: request.placement_constraints.clone(),
            placement_strategy: request.placement_strategy.clone(),
            volume_configurations: request.volume_configurations.clone(),
        };
        let family = || format!("family:{}", definition.key.family);
        Ok(Launch {
            cluster,
            launch: Arc::new(launch),
            group: request.group.clone().unwrap_or_else(family).into(),
            started_by: request.started_by.as_deref().map(Into::into),
            tags: task_tags(request, &definition)?,
            definition,
        })
    }

    /// The bound instances that can't take their tasks, each once: others may have come in between. What an instance
    /// says of itself may have changed, too, but that is as if it had changed right after.
    fn unfit(&self, launch: &Launch, distinct: bool, placements: &[Placement]) -> Vec<u128> {
        let (cluster, needs) = (launch.cluster.id, &launch.launch.needs);
        let doubled = |id: u128, again: bool| {
            let held = self.state.fleet(cluster).map_or(0, |fleet| fleet.on_instance(&launch.group, id));
            distinct && (again || held > 0)
        };
        let mut left: BTreeMap<u128, Available> = BTreeMap::new();
        let mut unfit = Vec::new();
        for placement in placements {
            let (Placement::On(id) | Placement::Provided { instance: Some(id), .. }) = placement else { continue };
            let row = self.state.host(cluster, launch.launch.launch_type, *id);
            let row = row.filter(|row| row.takes_tasks() && row.serves(launch.launch.launch_type));
            let row = row.filter(|row| self.is_in_reach(row, &launch.launch));
            let doubled = doubled(*id, left.contains_key(id));
            let fits =
                row.is_some_and(|row| left.entry(*id).or_insert_with(|| row.remaining.clone()).take(needs).is_ok());
            if (!fits || doubled) && !unfit.contains(id) {
                unfit.push(*id);
            }
        }
        unfit
    }

    /// Refuses tasks that would wait for capacity beside too many others.
    fn check_waiting(&self, cluster: ClusterId, placements: &[Placement]) -> Result<(), EcsError> {
        let waits = |placement: &&Placement| matches!(placement, Placement::Provided { instance: None, .. });
        let new = u32::try_from(placements.iter().filter(waits).count()).unwrap_or(u32::MAX);
        if new > 0 && self.state.waiting_count(cluster).saturating_add(new) > WAITING_MAX {
            return Err(EcsError::client(format!(
                "You've reached the limit on the number of tasks in the PROVISIONING state in a cluster: {WAITING_MAX}."
            )));
        }
        Ok(())
    }

    fn launch_on(
        &mut self,
        launch: &Launch,
        instance: Option<u128>,
        provider: Option<&str>,
    ) -> Result<Arc<TaskRow>, Halt> {
        self.create_task(NewTask {
            cluster: launch.cluster.id,
            instance,
            capacity_provider: provider.map(Into::into),
            definition: Arc::clone(&launch.definition),
            launch: Arc::clone(&launch.launch),
            owner: None,
            group: Arc::clone(&launch.group),
            started_by: launch.started_by.clone(),
            tags: Arc::clone(&launch.tags),
        })
    }

    /// On the instances that the caller names, without placement: one that can't take the task is a failure.
    pub(super) fn start_task(&mut self, request: &ecs::StartTaskRequest) -> Answer {
        requests::start_task(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let as_run = ecs::RunTaskRequest {
            enable_ecs_managed_tags: request.enable_ecs_managed_tags,
            enable_execute_command: request.enable_execute_command,
            group: request.group.clone(),
            network_configuration: settled_network(request.network_configuration.as_ref()),
            overrides: request.overrides.clone(),
            propagate_tags: request.propagate_tags,
            started_by: request.started_by.clone(),
            tags: request.tags.clone(),
            task_definition: request.task_definition.clone(),
            volume_configurations: request.volume_configurations.clone(),
            ..ecs::RunTaskRequest::default()
        };
        let launch = self.launch(cluster, ecs::LaunchType::Ec2, &as_run)?;
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for text in &request.container_instances {
            let row = self.find_instance(&launch.cluster, text);
            let in_reach = row.as_ref().is_none_or(|row| self.is_in_reach(row, &launch.launch));
            match startable(row.as_deref(), &launch, in_reach) {
                Ok(id) => tasks.push(self.launch_on(&launch, Some(id), None)?),
                Err((reason, detail)) => {
                    let id = short_name(text).to_owned();
                    let arn = self.arn(Resource::ContainerInstance(launch.cluster.name.to_string(), id));
                    failures.push(ecs::Failure { detail, ..failure(arn, reason) });
                }
            }
        }
        Ok(Outcome::Tasks(tasks, failures))
    }

    /// Sets the desired status alone: stopping is the agent's. A task that is STOPPED is given back as it is.
    pub(super) fn stop_task(&mut self, request: &ecs::StopTaskRequest) -> Answer {
        requests::stop_task(request)?;
        let cluster = self.active_cluster(request.cluster.as_deref())?;
        let row = self.find_task(&cluster, request.task.as_deref().unwrap_or_default());
        let row = row.ok_or_else(|| EcsError::invalid_parameter("The referenced task was not found."))?;
        if row.is_told_to_stop() {
            return Ok(Outcome::Task(row));
        }
        let reason = request.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("Task stopped by user");
        let why = Why { code: Some(StopCode::UserInitiated), reason };
        Ok(Outcome::Task(self.tell_to_stop(&row, &why)?))
    }

    pub(super) fn tag_task(&mut self, row: &TaskRow, tags: Vec<ecs::Tag>) {
        let mut row = row.clone();
        row.tags = tags.into();
        self.state.put_task(row);
    }
}

/// Whether a placement is one that the capacity leads to.
fn is_of(capacity: &Capacity, placement: &Placement) -> bool {
    match placement {
        Placement::On(_) => capacity.strategy.is_empty(),
        Placement::Provided { provider, .. } => {
            items(&capacity.strategy).iter().any(|item| item.provider == &**provider)
        }
        Placement::Failed(_) => true,
    }
}

/// The instance's id where StartTask may start the task there, else ECS's reason and what it comes to (ecs-semantics
/// §2.4). Constraints of the task definition aren't looked at: whoever names an instance has chosen it.
fn startable(
    row: Option<&InstanceRow>,
    launch: &Launch,
    in_reach: bool,
) -> Result<u128, (&'static str, Option<String>)> {
    let row = row.ok_or(("MISSING", None))?;
    if row.status != InstanceStatus::Active {
        return Err(("INACTIVE", Some(format!("the container instance is {}", row.status))));
    }
    if !row.agent_connected {
        return Err(("AGENT", None));
    }
    if !in_reach {
        return Err(("LOCATION", None));
    }
    let needs = &launch.launch.needs;
    row.remaining.fits(needs).map_err(|lacking| (lacking.reason(), row.remaining.shortage(needs)))?;
    match row.missing_in_words(&launch.definition.document.requires_attributes) {
        Some(missing) => Err(("ATTRIBUTE", Some(missing))),
        None => Ok(row.key.id),
    }
}

/// Whether the leader has decided: an instance for each task, or reasons why some have none.
fn is_decided(placements: &[Placement], count: u32) -> bool {
    let placed = placements.iter().filter(|placement| !matches!(placement, Placement::Failed(_))).count();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    placed == count && placements.len() == count || placed < count && placements.len() > placed
}

fn is_distinct(request: &ecs::RunTaskRequest) -> bool {
    request
        .placement_constraints
        .iter()
        .any(|constraint| constraint.r#type() == ecs::PlacementConstraintType::DistinctInstance)
}

/// The request's tags over those of the task definition, where these are propagated.
fn task_tags(request: &ecs::RunTaskRequest, definition: &DefinitionRow) -> Result<Arc<[ecs::Tag]>, EcsError> {
    if request.propagate_tags() == ecs::PropagateTags::TaskDefinition {
        return Ok(tags::propagated(&definition.tags, &request.tags)?.into());
    }
    Ok(request.tags.as_slice().into())
}

/// The key of a client token.
pub(super) fn token_of(cluster: ClusterId, kind: TokenKind, token: &str) -> TokenKey {
    TokenKey { cluster, kind, token: token.into() }
}

fn digest_of_run(request: &ecs::RunTaskRequest) -> u64 {
    let mut request = request.clone();
    request.client_token = None;
    digest_of(REQUEST, &request.encode_to_vec())
}
