//! Requests that need a decision before they are proposed: RunTask's tasks are placed here, inside the request, so
//! that it takes one round of consensus (design §4). Everything else passes through.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::arn::{Resource, Scope, short_name};
use drydock_model::error::EcsError;
use drydock_model::ids;
use drydock_model::resources::{Needs, needs};
use drydock_model::status::{ClusterStatus, TaskDefinitionStatus};
use drydock_proto::ecs::{
    Failure, LaunchType, NetworkConfiguration, PlacementConstraint, PlacementStrategy, RunTaskRequest,
};
use drydock_state::capacity::Capacity;
use drydock_state::command::{Placement, RunTask};
use drydock_state::row::DefinitionRow;
use drydock_state::{ClusterId, Command, FamilyKey, ScopeId, State, TokenKey, TokenKind};

use crate::capacity::searches::{Searches, providers};
use crate::capacity::sharing::Sharing;
use crate::place::{Ask, Fleet, Pool, Refusal, Unplaced};

/// Most tasks of one RunTask (ecs-semantics §1). More are left to `apply` to refuse.
const COUNT_MAX: u32 = 10;

/// Most failures of one RunTask, which has one for each instance of the cluster: of more, those that came closest.
pub const FAILURES_MAX: usize = 100;

/// What the API calls a RunTask on Fargate without room.
const NO_FARGATE_CAPACITY: &str =
    "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// The command for a request, its placement decided.
///
/// # Errors
/// ECS's exception where a cluster without any instance is asked to run EC2 tasks. All other checks are `apply`'s.
pub fn command_for(view: &State, scope: &Scope, command: Command, seed: u128) -> Result<Command, EcsError> {
    match command {
        Command::RunTask(run) => Ok(Command::RunTask(Box::new(run_task(view, scope, run.request, seed)?))),
        other => Ok(other),
    }
}

fn run_task(view: &State, scope: &Scope, request: RunTaskRequest, seed: u128) -> Result<RunTask, EcsError> {
    let placements = match target(view, scope, &request) {
        Some(target) => target.place(view, seed)?,
        // apply says what is wrong, or repeats its answer.
        None => Vec::new(),
    };
    Ok(RunTask { request, placements })
}

/// A RunTask whose cluster and task definition are there.
pub(crate) struct Target<'a> {
    pub(crate) cluster: ClusterId,
    pub(crate) definition: &'a Arc<DefinitionRow>,
    pub(crate) needs: Needs,
    group: Arc<str>,
    constraints: Vec<PlacementConstraint>,
    strategies: Vec<PlacementStrategy>,
    network: Option<NetworkConfiguration>,
    count: u32,
    capacity: Capacity,
}

/// What a request asks for; `None` where `apply` will say what is wrong, or repeat its answer.
pub(crate) fn target<'a>(view: &'a State, scope: &Scope, request: &RunTaskRequest) -> Option<Target<'a>> {
    let scope = view.scope_id(scope)?;
    let name = short_name(request.cluster.as_deref().filter(|name| !name.is_empty()).unwrap_or("default"));
    let cluster = view.cluster_by_name(scope, name).filter(|row| row.status == ClusterStatus::Active)?.id;
    if let Some(token) = request.client_token.as_deref() {
        let key = TokenKey { cluster, kind: TokenKind::RunTask, token: Arc::from(token) };
        if view.token(&key).is_some() {
            return None;
        }
    }
    let definition = definition(view, scope, request.task_definition.as_deref()?)?;
    let launch_type = request.launch_type.map(|_| request.launch_type());
    let capacity = view.capacity_for(view.cluster(cluster)?, launch_type, &request.capacity_provider_strategy).ok()?;
    let overrides = request.overrides.clone().unwrap_or_default();
    let count = u32::try_from(request.count.unwrap_or(1)).ok().filter(|count| (1..=COUNT_MAX).contains(count))?;
    Some(Target {
        cluster,
        definition,
        needs: needs(&definition.document, &overrides),
        group: request.group.clone().unwrap_or_else(|| format!("family:{}", definition.key.family)).into(),
        constraints: request.placement_constraints.clone(),
        strategies: request.placement_strategy.clone(),
        network: request.network_configuration.clone(),
        count,
        capacity,
    })
}

/// `family` (its latest ACTIVE revision), `family:revision`, or the ARN of one.
fn definition<'a>(view: &'a State, scope: ScopeId, name: &str) -> Option<&'a Arc<DefinitionRow>> {
    let name = short_name(name);
    let (family, revision) = match name.rsplit_once(':') {
        Some((family, revision)) => (family, Some(revision.parse::<u32>().ok()?)),
        None => (name, None),
    };
    let key = FamilyKey { scope, family: Arc::from(family) };
    let mut rows = view.revisions_of_family(&key).rev();
    match revision {
        Some(revision) => rows.find(|row| row.key.revision == revision),
        None => rows.find(|row| row.status == TaskDefinitionStatus::Active),
    }
}

impl Target<'_> {
    fn place(&self, view: &State, seed: u128) -> Result<Vec<Placement>, EcsError> {
        let mut fleet = self.fleet(view);
        let providers = providers(&self.capacity.strategy);
        let asks = self.asks(view, &providers);
        let (mut placements, mut missing) = (Vec::new(), BTreeMap::<Option<&str>, usize>::new());
        for (provider, placed) in self.place_all(&providers, &asks, &mut fleet, seed) {
            match (provider, placed) {
                (None, Ok(instance)) => placements.push(Placement::On(instance)),
                (Some(name), Ok(instance)) => placements.push(provided(name, Some(instance))),
                (Some(name), Err(_)) if view.is_scaled(self.cluster, name) => placements.push(provided(name, None)),
                (provider, Err(_)) => *missing.entry(provider).or_default() += 1,
            }
        }
        for (provider, ask) in providers.iter().zip(&asks) {
            if let Some(tasks) = missing.get(provider) {
                placements.extend(self.failures(view, &fleet, ask, *tasks)?.into_iter().map(Placement::Failed));
            }
        }
        Ok(placements)
    }

    /// A dry run: the instances of the tasks that find one, and why the others don't.
    pub(crate) fn try_all(&self, view: &State, seed: u128) -> (Vec<u128>, Vec<Unplaced>) {
        let providers = providers(&self.capacity.strategy);
        let asks = self.asks(view, &providers);
        let (mut found, mut unplaced) = (Vec::new(), Vec::new());
        for (_, placed) in self.place_all(&providers, &asks, &mut self.fleet(view), seed) {
            match placed {
                Ok(instance) => found.push(instance),
                Err(why) => unplaced.push(why),
            }
        }
        (found, unplaced)
    }

    /// The launch type that takes effect.
    pub(crate) const fn launch_type(&self) -> LaunchType {
        self.capacity.launch_type
    }

    /// The instances that may run it.
    fn fleet<'v>(&self, view: &'v State) -> Fleet<'v> {
        Fleet::new(view, view.hosting(self.cluster, self.launch_type()))
    }

    /// What a task of each provider asks.
    fn asks<'v>(&'v self, view: &'v State, providers: &[Option<&str>]) -> Vec<Ask<'v>> {
        let ask = |provider: &Option<&str>| {
            let pool = Pool::of(self.capacity.launch_type, *provider, Some(&self.definition.document));
            Ask::new(view, &self.definition.key, &self.needs, pool, &self.group)
                .in_cluster(view, self.cluster, self.network.as_ref())
                .placed(&self.constraints, &self.strategies)
        };
        providers.iter().map(ask).collect()
    }

    /// Each task's capacity provider, with the instance that it found.
    fn place_all<'p>(
        &'p self,
        providers: &'p [Option<&'p str>],
        asks: &'p [Ask<'p>],
        fleet: &mut Fleet<'_>,
        seed: u128,
    ) -> Vec<(Option<&'p str>, Result<u128, Unplaced>)> {
        let mut sharing = Sharing::new(&self.capacity.strategy, []);
        let mut searches = Searches::new(providers, asks);
        let turns = (0..self.count).map(|ordinal| ids::hash(seed, ordinal));
        turns
            .map(|turn| {
                let provider = sharing.take();
                (provider, searches.place(fleet, provider, turn))
            })
            .collect()
    }

    /// One for each instance, those that came closest first, at most [`FAILURES_MAX`]; on Fargate, which shows no
    /// instances, one for each task; at least one.
    fn failures(&self, view: &State, fleet: &Fleet<'_>, ask: &Ask<'_>, tasks: usize) -> Result<Vec<Failure>, EcsError> {
        if ask.pool().is_fargate() {
            let failure = Failure { reason: Some(NO_FARGATE_CAPACITY.to_owned()), ..Failure::default() };
            return Ok(vec![failure; tasks]);
        }
        let failures = self.refusals(view, fleet, ask);
        if !failures.is_empty() {
            return Ok(failures);
        }
        if ask.pool().provider().is_none() {
            return Err(EcsError::invalid_parameter("No Container Instances were found in your cluster."));
        }
        Ok(vec![Failure { reason: Some("EMPTY CAPACITY PROVIDER".to_owned()), ..Failure::default() }])
    }

    fn refusals(&self, view: &State, fleet: &Fleet<'_>, ask: &Ask<'_>) -> Vec<Failure> {
        let Some(cluster) = view.cluster(self.cluster) else { return Vec::new() };
        let arn = |id: u128| {
            let path = Resource::ContainerInstance(cluster.name.to_string(), format!("{id:032x}"));
            view.scope(cluster.scope).map(|scope| scope.arn(path).to_string())
        };
        let mut refusals = fleet.refusals(ask);
        refusals.retain(|(_, refusal)| *refusal != Refusal::Pool);
        refusals.sort_by_key(|(id, refusal)| (std::cmp::Reverse(*refusal), *id));
        let failure = |(id, refusal): (u128, Refusal)| Failure {
            arn: arn(id),
            reason: Some(refusal.reason().to_owned()),
            detail: fleet.detail(ask, id, refusal),
        };
        refusals.into_iter().take(FAILURES_MAX).map(failure).collect()
    }
}

fn provided(provider: &str, instance: Option<u128>) -> Placement {
    Placement::Provided { provider: provider.into(), instance }
}
