//! The leader's loop over everything that changed or whose time has come: asks the deciders, proposes what they say, and
//! wakes the sessions of the instances concerned. One plan is outstanding at a time, so that each is decided on a state
//! that has seen the last (raft-recipe §3 B4).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drydock_reconcile::Step;
use drydock_state::{Change, Command, Key, Outcome, State};
use tokio::time::Instant;

use super::{Leader, epoch};
use crate::api::errors::ApiError;
use crate::core::Core;
use crate::limits::{DEADLINE_WAIT_MAX, PLAN_CHANGES_PER_STEP, RETRY_OVERLOADED};
use crate::propose::Stamp;

const CALLER: &str = "service-scheduler";

/// The loop of the leader's scope.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>) {
    let mut dirty = everything(&core.view.now().state);
    loop {
        let mut changed = core.dirty.take();
        dirty.append(&mut changed.keys);
        wake_sessions(&leader, &core.view.now().state, &dirty);
        let stamp = core.stamp(leader.term);
        let version = core.view.now();
        let now = stamp.now_ms.max(version.state.now());
        let begun = Instant::now();
        let step = drydock_reconcile::step(&version.state, &dirty, now, stamp.seed, PLAN_CHANGES_PER_STEP);
        drop(version);
        count(&core, &step, begun, changed.since);
        for explanation in &step.explanations {
            tracing::debug!(?explanation, "a service waits");
        }
        dirty = step.remaining.clone();
        let next_deadline = step.next_deadline;
        match propose(&core, &leader, &stamp, step).await {
            Turn::Changed => {}
            Turn::Again(keys) => {
                dirty.extend(keys);
                tokio::time::sleep(RETRY_OVERLOADED).await;
            }
            Turn::Quiet if dirty.is_empty() => pause(&core, next_deadline, now).await,
            // The budget left something over though nothing was proposed: go on, but let others run.
            Turn::Quiet => tokio::task::yield_now().await,
        }
    }
}

fn count(core: &Core, step: &Step, begun: Instant, changed_since: Option<Instant>) {
    let figures = &core.metrics.reconciler;
    figures.steps.observe(begun.elapsed().as_secs_f64());
    figures.changes.inc_by(u64::try_from(step.plan.changes.len()).unwrap_or(u64::MAX));
    if let Some(since) = changed_since {
        figures.lag.observe(since.elapsed().as_secs_f64());
    }
}

/// How a turn ended.
enum Turn {
    /// Something was proposed and applied: look again at once.
    Changed,
    /// Nothing was to be done.
    Quiet,
    /// What was proposed was refused for load, its fate isn't known, or it was dropped: look at these keys again soon.
    Again(BTreeSet<Key>),
}

async fn propose(core: &Core, leader: &Leader, stamp: &Stamp, step: Step) -> Turn {
    if step.is_quiet() {
        return Turn::Quiet;
    }
    let mut again = BTreeSet::new();
    for (at, command) in step.commands().into_iter().enumerate() {
        // Each command makes ids of its own.
        let stamp = Stamp { seed: stamp.seed.wrapping_add(at as u128), ..stamp.clone() };
        let keys = keys_of(&command);
        match core.propose(stamp, CALLER, command).await {
            Ok(proposed) => match proposed.outcome {
                Outcome::Planned { dropped, applied, .. } => {
                    if applied == 0 && !dropped.is_empty() {
                        tracing::debug!(?dropped, "a whole plan was dropped");
                        again.extend(keys);
                    }
                }
                Outcome::Reaped(_) => {}
                outcome => tracing::error!(?outcome, "a plan was not taken"),
            },
            // It may still be applied, and deciding the same once more would start twice as many tasks: what follows it in
            // the log tells when its fate is known.
            Err(error @ ApiError::Unknown(_)) => {
                tracing::warn!(%error, "the fate of a plan isn't known yet");
                epoch::agree(core, leader, &Command::NewEpoch).await;
                again.extend(keys);
            }
            // Where this controller no longer leads, the scope is about to end.
            Err(error) => {
                tracing::debug!(%error, "a plan was not agreed upon");
                again.extend(keys);
            }
        }
    }
    if again.is_empty() { Turn::Changed } else { Turn::Again(again) }
}

/// The keys that a command is about: to be looked at again where it came to nothing.
fn keys_of(command: &Command) -> BTreeSet<Key> {
    match command {
        Command::Plan(plan) => plan.changes.iter().map(Change::key).collect(),
        // Garbage has a deadline in the past: it is found again by itself.
        _ => BTreeSet::new(),
    }
}

/// Sleeps until something changes or the next deadline.
async fn pause(core: &Core, next_deadline: Option<u64>, now: u64) {
    let wait = next_deadline.map_or(DEADLINE_WAIT_MAX, |at| Duration::from_millis(at.saturating_sub(now)));
    let until = Instant::now() + wait.min(DEADLINE_WAIT_MAX);
    tokio::select! {
        () = core.dirty.wait() => {}
        () = tokio::time::sleep_until(until) => {}
    }
}

/// The keys of all services and instances, and of tasks that wait for capacity: what a new leader looks at first, in bounded slices.
fn everything(state: &State) -> BTreeSet<Key> {
    let services = state.all_services().map(|row| Key::Service(row.key));
    let instances = state.all_instances().map(|row| Key::Instance(row.key));
    let waiting = state.all_waiting_tasks().map(|row| Key::Task(row.key));
    services.chain(instances).chain(waiting).collect()
}

/// Tells the sessions of all instances that something about them or their tasks changed.
fn wake_sessions(leader: &Leader, state: &State, dirty: &BTreeSet<Key>) {
    for key in dirty {
        match key {
            Key::Instance(key) => leader.sessions.wake(*key),
            Key::Task(key) => {
                if let Some(instance) = state.task(*key).and_then(|task| task.instance_key()) {
                    leader.sessions.wake(instance);
                }
            }
            _ => {}
        }
    }
}
