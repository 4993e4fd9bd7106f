//! BLUE_GREEN, LINEAR and CANARY (ecs-semantics §2.3): the eleven stages of a deployment that runs its new revision (green)
//! beside the old one (blue), and which tasks start and stop in each.
//!
//! Traffic is data of the deployment: shares of it, in tenths of a percent, that a load balancer would be told.

use drydock_model::deployment::{ALL_TRAFFIC, Shift, strategy};
use drydock_proto::ecs::DeploymentStrategy;
use drydock_state::Millis;
use drydock_state::plan::SetDeployment;
use drydock_state::row::{DeploymentRow, HookRow, LifecycleStage, RolloutState};

use super::hooks::{self, Says};
use super::rolling::{self, Generation, Moves, Shape, Slot, Stage, Why};
use super::roster::earliest;

/// Milliseconds of a minute.
const MINUTE_MS: Millis = 60_000;

/// What the stages look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    /// Green has its count of healthy tasks.
    pub(crate) green_ready: bool,
    /// Blue has its count of healthy tasks, or there is none.
    pub(crate) blue_ready: bool,
    /// There is a revision that green replaces.
    pub(crate) has_blue: bool,
    /// Tasks of revisions that are neither are still there.
    pub(crate) has_abandoned: bool,
    /// Tasks of any revision but green's are still there.
    pub(crate) has_others: bool,
}

/// How far the stages have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go on, or wait.
    Goes,
    /// The last one is over.
    Ends,
    /// A hook's time is over: back.
    Back,
}

/// Whether a deployment goes by stages of its own, and isn't at its end: one that was given up stays as it is, both
/// revisions beside each other.
pub(crate) fn has_sides(row: &DeploymentRow) -> bool {
    strategy(&row.configuration) != DeploymentStrategy::Rolling && row.rollout_state != RolloutState::Completed
}

impl Sides {
    /// As the slots are. `has_blue`: the service has a revision that COMPLETED before.
    pub(crate) fn of(slots: &[Slot<'_>], desired: u32, has_blue: bool) -> Self {
        let is_healthy = |slot: &Slot<'_>| !slot.stopping && !slot.displaced && slot.stage == Stage::Healthy;
        let healthy = |of: Generation| slots.iter().filter(|slot| slot.generation == of && is_healthy(slot)).count();
        let is_full = |of| u32::try_from(healthy(of)).unwrap_or(u32::MAX) >= desired;
        Self {
            green_ready: is_full(Generation::Target),
            blue_ready: !has_blue || is_full(Generation::Source),
            has_blue,
            has_abandoned: slots.iter().any(|slot| slot.generation == Generation::Abandoned),
            has_others: slots.iter().any(|slot| slot.generation != Generation::Target),
        }
    }
}

/// Where the stages are: what a look changes.
struct Place<'a> {
    row: &'a DeploymentRow,
    shift: Shift,
    now: Millis,
    stage: LifecycleStage,
    production: u32,
    test: u32,
    bake_until: Option<Millis>,
    hooks: Vec<HookRow>,
}

/// Moves on as far as it goes now; writes what changes into `set`. `id` gives one for each hook that is come to.
pub(crate) fn advance(
    row: &DeploymentRow,
    sides: Sides,
    now: Millis,
    mut id: impl FnMut() -> u128,
    set: &mut SetDeployment,
) -> Way {
    let mut place = Place {
        row,
        shift: Shift::of(&row.configuration),
        now,
        stage: row.stage,
        production: row.production_traffic,
        test: row.test_traffic,
        bake_until: row.bake_until,
        hooks: row.hooks.to_vec(),
    };
    // RECONCILE_SERVICE only happens where more than one revision is there to be reconciled; else its hooks have no say.
    if row.started_at.is_none() && row.source_revisions.len() > 1 {
        place.hooks = hooks::at(row, LifecycleStage::ReconcileService, now, &mut id);
    }
    let way = loop {
        match hooks::look(&mut place.hooks, now) {
            Says::Back => break Way::Back,
            Says::Wait => break Way::Goes,
            Says::Go => {}
        }
        if place.stage == LifecycleStage::CleanUp {
            break if sides.green_ready && !sides.has_others { Way::Ends } else { Way::Goes };
        }
        let Some(next) = place.next(sides) else { break Way::Goes };
        place.enter(next, sides, &mut id);
    };
    place.write(set);
    way
}

impl Place<'_> {
    /// The stage that follows at once; `None` where the present one waits.
    fn next(&mut self, sides: Sides) -> Option<LifecycleStage> {
        use LifecycleStage as At;
        if self.bake_until.is_some_and(|until| until > self.now) {
            return None;
        }
        Some(match self.stage {
            At::Unspecified => At::ReconcileService,
            At::ReconcileService if sides.has_blue && (!sides.blue_ready || sides.has_abandoned) => return None,
            At::ReconcileService => At::PreScaleUp,
            At::PreScaleUp => At::ScaleUp,
            At::ScaleUp if !sides.green_ready => return None,
            At::ScaleUp => At::PostScaleUp,
            At::PostScaleUp => At::TestTrafficShift,
            At::TestTrafficShift => At::PostTestTrafficShift,
            At::PostTestTrafficShift => At::PreProductionTrafficShift,
            At::PreProductionTrafficShift => At::ProductionTrafficShift,
            // Each step is a shift of its own, with what stands before it.
            At::ProductionTrafficShift if self.production < ALL_TRAFFIC => At::PreProductionTrafficShift,
            At::ProductionTrafficShift => At::PostProductionTrafficShift,
            At::PostProductionTrafficShift => At::BakeTime,
            At::BakeTime => At::CleanUp,
            At::CleanUp => return None,
        })
    }

    fn enter(&mut self, stage: LifecycleStage, sides: Sides, id: impl FnMut() -> u128) {
        self.stage = stage;
        self.hooks = hooks::at(self.row, stage, self.now, id);
        // Nothing bakes beside nothing: a service's first deployment has no other revision.
        let bake = |minutes: u32| {
            let ms = Millis::from(minutes).saturating_mul(MINUTE_MS);
            (sides.has_blue && ms > 0).then(|| self.now.saturating_add(ms))
        };
        self.bake_until = match stage {
            LifecycleStage::ProductionTrafficShift => {
                self.production = self.shift.next(self.production);
                if self.production < ALL_TRAFFIC { bake(self.shift.step_bake_minutes) } else { None }
            }
            LifecycleStage::BakeTime => bake(self.shift.bake_minutes),
            _ => None,
        };
        if stage == LifecycleStage::TestTrafficShift {
            self.test = ALL_TRAFFIC;
        }
    }

    fn write(self, set: &mut SetDeployment) {
        let row = self.row;
        let changed = |changed: bool, value| changed.then_some(value);
        set.stage = (self.stage != row.stage).then_some(self.stage);
        set.production_traffic = changed(self.production != row.production_traffic, self.production);
        set.test_traffic = changed(self.test != row.test_traffic, self.test);
        set.bake_until = (self.bake_until != row.bake_until).then_some(self.bake_until);
        let wake_at = earliest(self.bake_until, hooks::next_expiry(&self.hooks));
        set.wake_at = (wake_at != row.wake_at).then_some(wake_at);
        set.hooks = (self.hooks != *row.hooks).then_some(self.hooks);
    }
}

/// Whether green has tasks in a stage.
fn green_is_up(stage: LifecycleStage) -> bool {
    use LifecycleStage as At;
    !matches!(stage, At::Unspecified | At::ReconcileService | At::PreScaleUp)
}

/// Decides which tasks start and stop while a deployment is in `stage`: green and blue are each held at their own count,
/// as a service of its own would be, and tasks of other revisions go where nothing needs them.
pub(crate) fn moves(shape: Shape, slots: &[Slot<'_>], stage: LifecycleStage, sides: Sides) -> Moves {
    let cleans_up = stage == LifecycleStage::CleanUp;
    let green = if green_is_up(stage) { shape.desired } else { 0 };
    let blue = if cleans_up || !sides.has_blue { 0 } else { shape.desired };
    let mut moves = Moves::default();
    moves.start_target = hold(shape, slots, Generation::Target, green, &mut moves);
    let blue_shape = Shape {
        target_may_start: shape.source_may_start,
        target_at_most: u32::MAX,
        launches: shape.launches - moves.start_target,
        ..shape
    };
    moves.start_source = hold(blue_shape, slots, Generation::Source, blue, &mut moves);
    if cleans_up || (sides.has_blue && sides.blue_ready) {
        let rest = slots.iter().enumerate().filter(|(_, slot)| slot.generation == Generation::Abandoned);
        for (at, slot) in rest.filter(|(_, slot)| !slot.stopping) {
            if rolling::is_guarded(slot) {
                moves.guarded += 1;
            } else {
                moves.stop.push((at, Why::Scaling));
            }
        }
    }
    moves
}

/// Holds the tasks of one revision at a count, and returns how many of it start. What stops, and what is in the way, goes
/// into `moves`.
fn hold(shape: Shape, slots: &[Slot<'_>], of: Generation, desired: u32, moves: &mut Moves) -> u32 {
    let mine: Vec<usize> = (0..slots.len()).filter(|at| slots[*at].generation == of).collect();
    let as_target = |at: &usize| Slot { generation: Generation::Target, ..slots[*at].clone() };
    let side: Vec<Slot<'_>> = mine.iter().map(as_target).collect();
    // The bounds of the service, for as many as this side has.
    let bound = |of: u32| if desired == 0 { 0 } else { of };
    let shape = Shape {
        desired,
        lower: bound(shape.lower),
        upper: bound(shape.upper).max(desired),
        target_replaces: true,
        source_may_start: false,
        ..shape
    };
    let half = rolling::decide(shape, &side);
    moves.stop.extend(half.stop.iter().map(|(at, why)| (mine[*at], *why)));
    moves.held += half.held;
    moves.guarded += half.guarded;
    moves.late += half.late;
    moves.deadlock |= half.deadlock;
    half.start_target
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drydock_model::status::ServiceDeploymentStatus;
    use drydock_proto::ecs;
    use drydock_state::row::MonitorStatus;
    use drydock_state::{ClusterId, ServiceKey};

    use super::*;

    fn row(configuration: ecs::DeploymentConfiguration) -> DeploymentRow {
        DeploymentRow {
            key: ServiceKey { cluster: ClusterId(1), number: 1 }.deployment(4),
            id: 4,
            version: 1,
            target_revision: 3,
            source_revisions: Arc::new([1]),
            status: ServiceDeploymentStatus::InProgress,
            status_reason: None,
            rollout_state: RolloutState::InProgress,
            rollout_state_reason: "".into(),
            stage: LifecycleStage::ReconcileService,
            failed_tasks: 0,
            failure_count: 0,
            breaker: MonitorStatus::Disabled,
            ever_ran: false,
            counted_until: 0,
            created_at: 0,
            started_at: Some(0),
            updated_at: 0,
            finished_at: None,
            stopped_at: None,
            stage_deadline: None,
            deadline: None,
            wake_at: None,
            rollback: None,
            counted_at: 0,
            threshold: None,
            halted: false,
            production_traffic: 0,
            test_traffic: 0,
            bake_until: None,
            hooks: Arc::default(),
            reap_at: None,
            configuration: Arc::new(configuration),
            started_by: "".into(),
        }
    }

    fn configuration(strategy: DeploymentStrategy) -> ecs::DeploymentConfiguration {
        ecs::DeploymentConfiguration { strategy: Some(strategy.into()), ..Default::default() }
    }

    /// Looks each minute, as if all tasks were always there: `minute stage production‰` at each change, to its end.
    fn run(mut row: DeploymentRow, has_blue: bool) -> Vec<String> {
        let mut told = Vec::new();
        for minute in 0..3_000 {
            let now = minute * MINUTE_MS;
            let cleaning = row.stage == LifecycleStage::CleanUp;
            let sides = Sides {
                green_ready: true,
                blue_ready: true,
                has_blue,
                has_abandoned: false,
                has_others: has_blue && !cleaning,
            };
            let mut set = SetDeployment::new(row.key, row.version);
            let way = advance(&row, sides, now, || u128::from(minute), &mut set);
            row.stage = set.stage.unwrap_or(row.stage);
            row.production_traffic = set.production_traffic.unwrap_or(row.production_traffic);
            row.test_traffic = set.test_traffic.unwrap_or(row.test_traffic);
            row.bake_until = set.bake_until.unwrap_or(row.bake_until);
            row.wake_at = set.wake_at.unwrap_or(row.wake_at);
            if let Some(hooks) = set.hooks {
                row.hooks = hooks.into();
            }
            let stage = row.stage.as_str_name().trim_start_matches("SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_");
            let line = format!("{stage} {}", row.production_traffic);
            if told.last().is_none_or(|last: &String| !last.ends_with(&line)) {
                told.push(format!("{minute} {line}"));
            }
            assert_eq!(row.wake_at, earliest(row.bake_until, hooks::next_expiry(&row.hooks)), "it wakes for each wait");
            match way {
                Way::Goes => {}
                Way::Ends => return told,
                Way::Back => {
                    told.push(format!("{minute} back"));
                    return told;
                }
            }
        }
        panic!("no end: {told:?}");
    }

    // rule: 2.3/stages
    #[test]
    fn the_eleven_stages_come_in_order() {
        use LifecycleStage as At;
        let order = [
            At::ReconcileService,
            At::PreScaleUp,
            At::ScaleUp,
            At::PostScaleUp,
            At::TestTrafficShift,
            At::PostTestTrafficShift,
            At::PreProductionTrafficShift,
            At::ProductionTrafficShift,
            At::PostProductionTrafficShift,
            At::BakeTime,
            At::CleanUp,
        ];
        let row = row(configuration(DeploymentStrategy::BlueGreen));
        let sides =
            Sides { green_ready: true, blue_ready: true, has_blue: true, has_abandoned: false, has_others: true };
        let mut place = Place {
            row: &row,
            shift: Shift::of(&row.configuration),
            now: 0,
            stage: At::Unspecified,
            production: 0,
            test: 0,
            bake_until: None,
            hooks: Vec::new(),
        };
        for stage in order {
            assert_eq!(place.next(sides), Some(stage));
            place.enter(stage, sides, || 0);
        }
        assert_eq!(place.next(sides), None);
        assert_eq!((place.production, place.test), (ALL_TRAFFIC, ALL_TRAFFIC));
    }

    // rule: 2.3/linear-ranges
    #[test]
    fn linear_bakes_after_each_step_but_the_last() {
        let linear = ecs::LinearConfiguration { step_percent: Some(40.0), step_bake_time_in_minutes: Some(7) };
        let given = ecs::DeploymentConfiguration {
            linear_configuration: Some(linear),
            bake_time_in_minutes: Some(3),
            ..configuration(DeploymentStrategy::Linear)
        };
        let shift = "PRODUCTION_TRAFFIC_SHIFT";
        let expected = [
            format!("0 {shift} 400"),
            format!("7 {shift} 800"),
            "14 BAKE_TIME 1000".to_owned(),
            "17 CLEAN_UP 1000".to_owned(),
        ];
        assert_eq!(run(row(given), true), expected);
    }

    // rule: 2.3/canary-ranges
    #[test]
    fn canary_bakes_its_share_and_then_shifts_the_rest() {
        let given = configuration(DeploymentStrategy::Canary);
        assert_eq!(run(row(given.clone()), true), ["0 PRODUCTION_TRAFFIC_SHIFT 50", "10 CLEAN_UP 1000"]);
        // A service's first deployment has nothing to bake beside.
        assert_eq!(run(row(given), false), ["0 CLEAN_UP 1000"]);
    }

    // rule: 2.3/hook-pause, 2.3/hook-timeout
    #[test]
    fn a_hook_before_the_shift_stands_before_each_step() {
        let hook = |action: ecs::DeploymentLifecycleHookAction| {
            let mut hook = ecs::DeploymentLifecycleHook {
                timeout_configuration: Some(ecs::DeploymentLifecycleHookTimeoutConfiguration {
                    timeout_in_minutes: Some(2),
                    action: Some(action.into()),
                }),
                ..Default::default()
            };
            hook.set_target_type(ecs::DeploymentLifecycleHookTargetType::Pause);
            hook.push_lifecycle_stages(ecs::DeploymentLifecycleHookStage::PreProductionTrafficShift);
            ecs::DeploymentConfiguration {
                lifecycle_hooks: Some(ecs::DeploymentLifecycleHookList { items: vec![hook] }),
                ..configuration(DeploymentStrategy::Canary)
            }
        };
        let (before, shift) = ("PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT");
        let expected = [
            format!("0 {before} 0"),
            format!("2 {shift} 50"),
            format!("12 {before} 50"),
            "14 CLEAN_UP 1000".to_owned(),
        ];
        assert_eq!(run(row(hook(ecs::DeploymentLifecycleHookAction::Continue)), true), expected);
        let back = [format!("0 {before} 0"), "2 back".to_owned()];
        assert_eq!(run(row(hook(ecs::DeploymentLifecycleHookAction::Rollback)), true), back);
    }
}
