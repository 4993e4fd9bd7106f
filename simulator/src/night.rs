//! One seed from its faults to the quiet after them: first everything goes wrong, then nothing does any more, and by a
//! deadline all must be as the clients said.

use std::collections::BTreeSet;

use drydock_model::status::{DesiredStatus, TaskStatus};
use drydock_state::State;

use crate::client::{SERVICES, count, deploy};
use crate::faults::Plan;
use crate::world::World;

/// By then everything must be as it was asked for once all faults have ended, in milliseconds of virtual time. The longest
/// wait of the control plane is for a lost instance, and for tasks that stop.
const QUIET_WITHIN_MS: u64 = 600_000;
/// How often is looked whether it is.
const LOOK_EVERY_MS: u64 = 1_000;

/// What a night came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Milliseconds of virtual time.
    pub virtual_ms: u64,
    /// Faults that were injected, lost and doubled messages apart.
    pub faults: u64,
    /// Entries that were committed.
    pub commits: u64,
    /// Calls of clients that were answered.
    pub calls: u64,
    /// Milliseconds from the end of the faults until all was as it was asked for.
    pub quiet_after_ms: u64,
    /// A hash over every event that is told, and how many there were.
    pub trace: (u64, u64),
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which seed shows it.
    pub seed: u64,
    /// What it is.
    pub what: String,
    /// The last events, one a line.
    pub story: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}seed {}: {}", self.story, self.seed, self.what)
    }
}

impl std::error::Error for Violation {}

/// Runs a seed: `bad_ms` of virtual time with faults, then the quiet.
///
/// # Errors
/// What was violated.
pub fn night(seed: u64, plan: Plan, bad_ms: u64) -> Result<Figures, Box<Violation>> {
    let violation = |what: String, story: String| Box::new(Violation { seed, what, story });
    let mut world = World::new(seed, plan).map_err(|why| violation(why, String::new()))?;
    world.run(bad_ms);
    world.heal();
    let quiet_after_ms = settle(&mut world);
    if let Err(why) = world.ledger.kept() {
        world.violate(why);
    }
    if let Some(what) = world.violation.take() {
        return Err(violation(what, world.story.text()));
    }
    Ok(Figures {
        virtual_ms: world.now,
        faults: world.faults,
        commits: u64::try_from(world.ledger.commits()).unwrap_or(u64::MAX),
        calls: world.clients.iter().fold(0, |sum, client| sum + u64::try_from(client.answered).unwrap_or(0)),
        quiet_after_ms,
        trace: world.story.digest(),
    })
}

/// Asks for what is to be in the end, and waits until it is.
fn settle(world: &mut World) -> u64 {
    let begun = world.now;
    for client in &mut world.clients {
        client.rests = true;
    }
    // What is under way is answered first.
    let patience = |world: &World| world.now - begun < QUIET_WITHIN_MS && world.violation.is_none();
    let idle = |world: &World| world.clients.iter().all(|one| one.asked.is_none()) && world.clients[0].answered >= 8;
    while patience(world) && !idle(world) {
        world.run(LOOK_EVERY_MS);
    }
    // And tries that nobody waits for any more come to their end.
    world.run(5_000);
    for (name, daemon) in SERVICES {
        let last = [Some(deploy(name, 0)), (!daemon).then(|| count(name, 3))];
        for command in last.into_iter().flatten() {
            world.ask(0, Some(command));
            while patience(world) && world.clients[0].asked.is_some() {
                world.run(LOOK_EVERY_MS / 10);
            }
        }
    }
    while patience(world) {
        if world.unrest().is_none() {
            return world.now - begun;
        }
        world.run(LOOK_EVERY_MS);
    }
    if let Some(why) = world.unrest().filter(|_| world.violation.is_none()) {
        world.violate(format!("not quiet within {QUIET_WITHIN_MS} ms after the faults: {why}"));
    }
    0
}

impl World {
    /// What isn't yet as it was asked for.
    fn unrest(&self) -> Option<String> {
        let indices: BTreeSet<u64> = self.controllers.values().map(|one| one.state().1).collect();
        if indices.first() != indices.last() && indices.last().is_some_and(|last| *last < self.ledger.frontier()) {
            return Some(format!("controllers have applied {indices:?}"));
        }
        let Some(leader) = self.controllers.values().find(|one| one.leads_now().is_some()) else {
            return Some("nobody leads".to_owned());
        };
        let state = leader.state().0;
        self.unserved(state).or_else(|| self.unlike(state))
    }

    fn unserved(&self, state: &State) -> Option<String> {
        for (name, daemon) in SERVICES {
            let Some(service) = state.all_services().find(|row| &*row.name == name) else {
                return Some(format!("service {name} isn't there"));
            };
            let wanted = if daemon { self.agents.len() } else { 3 };
            let tasks: Vec<_> = state.live_tasks_of(service.key).collect();
            let run = tasks.iter().filter(|row| row.last_status == TaskStatus::Running);
            let run = run.filter(|row| row.desired_status == DesiredStatus::Running).count();
            if (run, tasks.len()) != (wanted, wanted) {
                return Some(format!("service {name} has {run} of {wanted} tasks RUNNING, and {} in all", tasks.len()));
            }
        }
        None
    }

    /// Whether the agents run what the state says, and nothing else.
    fn unlike(&self, state: &State) -> Option<String> {
        for agent in &self.agents {
            let Some(engine) = &agent.engine else { return Some(format!("agent {} is down", agent.name)) };
            let Some(row) = state.all_instances().find(|row| *row.info.token == *agent.name) else {
                return Some(format!("agent {} isn't registered", agent.name));
            };
            let told: BTreeSet<String> =
                state.live_tasks_on(row.key).map(|task| format!("{:032x}", task.key.id)).collect();
            let alive = engine.statuses().filter(|(_, status)| *status != TaskStatus::Stopped);
            let alive: BTreeSet<String> =
                alive.map(|(arn, _)| drydock_model::arn::short_name(arn).to_owned()).collect();
            if told != alive {
                return Some(format!("agent {} runs {alive:?} and should run {told:?}", agent.name));
            }
        }
        None
    }
}
