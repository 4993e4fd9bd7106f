//! Services of type REPLICA held at their desired count, their deployments moved on, what is deleted drained
//! (ecs-semantics §2.3).
//!
//! Each layer is a function of its own with tables of its own: the roster of tasks ([`roster`]), failures and back-off
//! ([`failures`], [`backoff`]), the arithmetic of starting and stopping ([`rolling`]), placement ([`crate::place`]), the
//! deployment's machine ([`deployment`]), the spread over zones of what is in steady state ([`rebalancing`]). This file joins them into changes of a plan; [`task_sets`] does where somebody
//! else deploys.

pub mod backoff;
mod breaker;
pub mod daemon;
mod deployment;
mod deployment_waits;
mod drain;
mod early;
mod failures;
mod hooks;
mod launches;
mod placing;
mod rebalancing;
mod resolving;
pub mod rolling;
mod roster;
mod scale_in;
mod strategy;
mod task_sets;
pub(crate) mod texts;
mod waits;
mod writer;
mod zones;

use drydock_model::status::{ServiceStatus, TaskStatus};
use drydock_proto::ecs::LaunchType;
use drydock_state::plan::SetDeployment;
use drydock_state::row::{DeploymentRow, RevisionRow, ServiceRow};
use drydock_state::{Change, Millis, ServiceKey};

use crate::desk::Desk;
use crate::explain::Wait;
use crate::place::{Ask, Pool, Unplaced};
use daemon::Seats;
use deployment::{Facts, Rows};
use failures::Failures;
use launches::Launches;
use placing::{Placing, ask_of, create};
use rebalancing::Rebalancing;
use resolving::Images;
use rolling::{Generation, Moves, Shape};
use roster::{Roster, earliest};
use strategy::{Sides, Way};
pub(crate) use waits::{Standing, standing};
pub(crate) use writer::say_once;

/// Changes that one service may need besides those of its tasks: a service isn't begun with less room in the plan.
pub(crate) const CHANGES_BESIDE_TASKS: usize = 24;

/// Tasks that found no instance are tried again after so long even if nothing is heard of any instance, in ms.
pub const PLACEMENT_RETRY_MS: Millis = 60_000;

/// Brings one service forward.
///
/// Returns whether all that can be done now is in the plan; if not, the service is to be looked at again.
pub(crate) fn reconcile(desk: &mut Desk<'_>, key: ServiceKey) -> bool {
    let Some(row) = desk.view.service(key) else { return true };
    if desk.left() <= CHANGES_BESIDE_TASKS {
        return false;
    }
    match row.status {
        ServiceStatus::Active if row.is_external() => task_sets::reconcile(desk, row),
        ServiceStatus::Active => active(desk, row),
        ServiceStatus::Draining => drain::drain(desk, row),
        ServiceStatus::Inactive => true,
    }
}

/// What one look at a service has gathered.
struct Case<'a> {
    service: &'a ServiceRow,
    primary: &'a DeploymentRow,
    rows: Rows<'a>,
    roster: Roster<'a>,
    failures: Failures,
    images: Images,
    launches: Launches,
    /// Tasks that may be launched later only.
    late: u32,
    shape: Shape,
    /// DAEMON only: its instances.
    seats: Option<Seats>,
    not_before: Option<Millis>,
    waits: Vec<Wait>,
    unplaced: Option<(u32, Unplaced)>,
    rebalancing: Rebalancing,
    whole: bool,
}

impl Case<'_> {
    fn sides(&self) -> Sides {
        Sides::of(&self.roster.slots, self.service.desired_count, self.rows.completed.is_some())
    }
}

fn active<'a>(desk: &mut Desk<'a>, service: &'a ServiceRow) -> bool {
    let Some(primary) = desk.view.deployment(service.primary_key()) else { return true };
    let Some(current) = desk.view.deployment(service.current_key()) else { return true };
    let source = service.completed_deployment.filter(|number| *number != service.primary_deployment);
    let completed = source.and_then(|number| desk.view.deployment(service.key.deployment(number)));
    let rows = Rows { current, primary, completed: completed.map(|row| &**row) };
    let failures = failures::count(desk.view, service, primary, rows.since(), desk.now);
    let images = Images::of(desk.view, service, primary, &failures);
    let tripped = breaker::trips(primary, failures.breaker, service.desired_count) || images.trips(primary);
    let not_before = not_before(desk, service, primary, &failures).filter(|_| images != Images::Sought);
    let launches = Launches::of(desk.view, service, desk.now);
    let roster = Roster::of(desk, service);
    let seats = service.is_daemon().then(|| Seats::of(desk, service, &roster));
    let desired = seats.as_ref().map_or(service.desired_count, Seats::wanted);
    let mut case = Case {
        service,
        primary,
        roster,
        failures,
        images,
        launches,
        late: 0,
        shape: Shape {
            target_at_most: images.at_most(),
            launches: launches.left,
            ..shape(service, rows, not_before.is_none_or(|at| at <= desk.now) && !tripped, desired)
        },
        seats,
        rows,
        not_before,
        waits: Vec::new(),
        unplaced: None,
        rebalancing: Rebalancing::default(),
        whole: true,
    };
    let mut set = SetDeployment::new(primary.key, primary.version);
    let way = advance_sides(desk, &case, &mut set);
    let (mut moves, mut starts) =
        if case.seats.is_some() { seat(desk, &mut case) } else { roll(desk, &mut case, &set, way) };
    case.late = case.launches.late(&moves, starts.len());
    let room = desk.left() - CHANGES_BESIDE_TASKS - starts.len();
    case.whole &= moves.stop.len() <= room;
    moves.stop.truncate(room);
    case.roster.stop(&moves.stop);
    let early = early::Criteria::of(primary).filter(|_| current.key == primary.key);
    let met = early.is_some_and(|criteria| criteria.is_met(&case.roster, desired));
    let facts = Facts {
        ready: met || (starts.is_empty() && case.is_ready()),
        others: case.has_others() && !early.is_some_and(|criteria| criteria.defers),
        tripped,
        way,
        now: desk.now,
    };
    let look = deployment::advance(rows, facts, set);
    let steady = writer::is_steady(&case, &moves, &starts, &look.turn);
    if steady {
        starts = rebalancing::begin(desk, &mut case);
    }
    let started = u32::try_from(starts.len()).unwrap_or(u32::MAX);
    writer::write(desk, &case, &moves, starts, look, steady);
    waits::explain(desk, &mut case, &moves, started);
    case.whole
}

/// Moves the stages of another strategy than ROLLING on; `None` where the service rolls.
fn advance_sides(desk: &mut Desk<'_>, case: &Case<'_>, set: &mut SetDeployment) -> Option<Way> {
    let (primary, current) = (case.primary, case.rows.current);
    if primary.key != current.key || !strategy::has_sides(primary) {
        return None;
    }
    if !deployment::goes(primary) {
        return Some(Way::Goes);
    }
    let sides = case.sides();
    Some(strategy::advance(primary, sides, desk.now, || desk.turn(), set))
}

/// Which tasks start and stop. While a deployment turns back none do: the next look sees where to.
fn decide(case: &Case<'_>, set: &SetDeployment, way: Option<Way>) -> Moves {
    match way {
        None => rolling::decide(case.shape, &case.roster.slots),
        Some(Way::Back) => Moves::default(),
        Some(_) if deployment::is_called_off(case.primary) => Moves::default(),
        Some(_) => {
            let stage = set.stage.unwrap_or(case.primary.stage);
            strategy::moves(case.shape, &case.roster.slots, stage, case.sides())
        }
    }
}

/// A REPLICA service: tasks that rebalancing has made too many, or the arithmetic of rolling or of another strategy's
/// sides, then placement.
fn roll<'a>(desk: &mut Desk<'a>, case: &mut Case<'a>, set: &SetDeployment, way: Option<Way>) -> (Moves, Vec<Change>) {
    if let Some(moves) = rebalancing::decide(desk, case) {
        return (moves, Vec::new());
    }
    let mut moves = decide(case, set, way);
    let (starts, unplaced) = place(desk, case, &moves);
    if way.is_none() {
        make_room(desk, case, &unplaced, &mut moves);
    }
    case.note_unplaced(&unplaced);
    (moves, starts)
}

/// A DAEMON service: each instance by itself.
fn seat(desk: &mut Desk<'_>, case: &mut Case<'_>) -> (Moves, Vec<Change>) {
    let Some(seats) = &case.seats else { return (Moves::default(), Vec::new()) };
    let (mut moves, wanted) = seats.decide(case.shape, &case.roster.slots);
    let room = (desk.left() - CHANGES_BESIDE_TASKS).saturating_sub(moves.stop.len());
    case.whole &= wanted.len() <= room;
    let (mut starts, mut unplaced) = (Vec::new(), Vec::new());
    let mut targets_left = case.shape.target_at_most.saturating_sub(daemon::targets(&case.roster.slots, &moves));
    for start in wanted.into_iter().take(room) {
        let is_target = start.generation == Generation::Target;
        if is_target && targets_left == 0 {
            continue;
        }
        let deployment = match (start.generation, case.service.completed_deployment) {
            (Generation::Source, Some(source)) => source,
            _ => case.service.primary_deployment,
        };
        let Some(revision) = revision_of(desk, case.service, deployment) else { continue };
        let cluster = case.service.key.cluster;
        let needs = &revision.launch.needs;
        let ask = Ask::new(desk.view, &revision.definition, needs, Pool::Ec2, &case.service.group);
        let network = revision.launch.network_configuration.as_ref();
        let ask = ask.in_cluster(desk.view, cluster, network).of_service(case.service);
        match desk.fleet(cluster, LaunchType::Ec2).place_on(&ask, start.instance) {
            Ok(()) => {
                targets_left -= u32::from(is_target);
                starts.push(create(case.service, deployment, revision, Some(start.instance), None));
            }
            Err(refusal) => {
                unplaced.push(Unplaced::on(start.instance, refusal));
            }
        }
    }
    if targets_left == 0 {
        daemon::spare(&case.roster.slots, &mut moves);
    }
    if starts.is_empty() && !unplaced.is_empty() {
        daemon::relieve(case.shape, seats, &case.roster.slots, &mut moves);
    }
    case.note_unplaced(&unplaced);
    (moves, starts)
}

impl Case<'_> {
    fn note_unplaced(&mut self, unplaced: &[Unplaced]) {
        if let Some(first) = unplaced.first() {
            self.unplaced = Some((u32::try_from(unplaced.len()).unwrap_or(u32::MAX), first.clone()));
        }
    }

    /// The target revision is there in full, healthy and where it may stay.
    fn is_ready(&self) -> bool {
        match &self.seats {
            Some(seats) => seats.are_ready(&self.roster.slots),
            None => self.roster.is_ready(self.shape.desired),
        }
    }

    /// A task of another revision is still where tasks should be.
    fn has_others(&self) -> bool {
        match &self.seats {
            Some(seats) => seats.have_others(&self.roster.slots),
            None => self.roster.has_others(),
        }
    }
}

/// Room for tasks that found none; and old tasks that go before their time, where the early success criteria say so.
fn make_room(desk: &Desk<'_>, case: &Case<'_>, unplaced: &[Unplaced], moves: &mut Moves) {
    if early::releases(case, desk.now) {
        rolling::make_room(case.shape, &case.roster.slots, u32::MAX, moves);
    } else if unplaced.iter().any(Unplaced::is_capacity) {
        let tasks = u32::try_from(unplaced.len()).unwrap_or(u32::MAX);
        rolling::make_room(case.shape, &case.roster.slots, tasks, moves);
    }
}

/// The end of the back-off, where one holds or begins now.
fn not_before(desk: &Desk<'_>, service: &ServiceRow, primary: &DeploymentRow, failures: &Failures) -> Option<Millis> {
    if failures.rounds == 0 {
        None
    } else if failures.grew || deployment::is_fresh(primary) {
        Some(desk.after(backoff::delay_ms(failures.rounds)))
    } else {
        service.progress.not_before.filter(|at| *at > desk.now)
    }
}

/// `in_time`: neither a back-off nor the breaker holds the target.
fn shape(service: &ServiceRow, rows: Rows<'_>, in_time: bool, desired: u32) -> Shape {
    Shape {
        desired,
        lower: rolling::lower_bound(desired, service.minimum_healthy_percent()),
        upper: rolling::upper_bound(desired, service.maximum_percent()),
        target_may_start: in_time && deployment::may_start(rows.primary),
        target_at_most: u32::MAX,
        launches: u32::MAX,
        target_replaces: !rows.primary.halted,
        source_may_start: rows.completed.is_some(),
    }
}

/// Where tasks that start go, and why others found no place.
fn place<'a>(desk: &mut Desk<'a>, case: &mut Case<'a>, moves: &Moves) -> (Vec<Change>, Vec<Unplaced>) {
    let service = case.service;
    let room = (desk.left() - CHANGES_BESIDE_TASKS).saturating_sub(moves.stop.len());
    let mut placing = Placing::new(room);
    let source = service.completed_deployment.map(|number| (number, moves.start_source));
    let wanted = source.into_iter().chain([(service.primary_deployment, moves.start_target)]);
    for (deployment, count) in wanted.filter(|(_, count)| *count > 0) {
        let Some(revision) = revision_of(desk, service, deployment) else { continue };
        placing.place(desk, service, (deployment, revision), count, case.roster.going(deployment));
    }
    case.whole &= placing.whole;
    (placing.starts, placing.unplaced)
}

fn revision_of<'a>(desk: &Desk<'a>, service: &ServiceRow, deployment: u64) -> Option<&'a RevisionRow> {
    let row = desk.view.deployment(service.key.deployment(deployment))?;
    desk.view.revision(service.key.revision(row.target_revision)).map(|row| &**row)
}

/// When to look again though nothing changes.
fn wake_at(desk: &Desk<'_>, case: &Case<'_>) -> Option<Millis> {
    let backoff = case.not_before.filter(|at| *at > desk.now);
    let retry = case.unplaced.as_ref().map(|_| desk.after(PLACEMENT_RETRY_MS));
    let retry = earliest(retry, case.rebalancing.retry_at);
    let retry = earliest(retry, case.launches.resume_at(case.late));
    let soon = earliest(case.roster.next_change, earliest(backoff, retry));
    earliest(soon, early::release_at(case).filter(|at| *at > desk.now))
}

/// Whether a task that stops was RUNNING: only these are named in the event.
fn was_running(status: TaskStatus) -> bool {
    status == TaskStatus::Running
}
