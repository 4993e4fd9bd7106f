//! Rehearsals: the user's scenario on the simulator's stage. What decides, places, rolls and fails over is the control plane
//! itself; pretended are the machines, the containers and the time.
//!
//! - [`scenario`] is the file's shape, [`check`] what in it doesn't fit together.
//! - [`rehearse`] runs it: a director carries out the script, an observer looks at every committed state.
//! - [`Record`] is what came of it: lines, samples for plots, deployments, verdicts.
//!
//! One seed and one scenario give one record, byte for byte.

pub mod check;
mod director;
mod fleet;
mod observer;
pub mod prices;
mod record;
pub mod scenario;
mod script;
pub mod units;
mod verdict;

use std::collections::BTreeMap;

use drydock_model::arn::Scope;
use drydock_proto::ecs::{CreateServiceRequest, RegisterTaskDefinitionRequest};
use drydock_state::State;
use drydock_state::row::ServiceRow;

pub use record::{Costs, DeploymentRecord, Kind, Line, Record, Sample, ServiceSample, Unsteady, Verdict, ZoneSample};
use scenario::Scenario;
use units::Span;

use crate::machine::Entry;
use crate::world::Time;

/// Longest rehearsal, in milliseconds: a week.
pub const UNTIL_MAX_MS: u64 = 7 * 24 * 3_600_000;
/// Most instances of a scenario, those that join later included.
pub const INSTANCES_MAX: u32 = 500;
/// Most tasks that a scenario asks a service for.
pub const TASKS_MAX: u32 = 2_000;
/// Lines of the record; what is beyond is counted, and not told.
pub const LINES_MAX: usize = 20_000;
/// Samples of the record, at most: the time between two follows from it, and is a second at least.
pub const SAMPLES_MAX: u64 = 600;
/// The cluster of a rehearsal.
pub const CLUSTER: &str = "default";

/// What a scenario's files hold, by the names that it gives them.
#[derive(Debug, Clone, Default)]
pub struct Materials {
    /// Task definitions.
    pub definitions: BTreeMap<String, RegisterTaskDefinitionRequest>,
    /// CreateServices.
    pub services: BTreeMap<String, CreateServiceRequest>,
}

/// A look at a service whose deployment is under way.
#[derive(Debug)]
pub struct Look<'a> {
    /// Since the beginning.
    pub at: Span,
    /// By the cluster's clock, in milliseconds since 1970.
    pub now_ms: u64,
    /// All that there is.
    pub state: &'a State,
    /// The service.
    pub service: &'a ServiceRow,
    /// Number of the deployment: 1 is that of the service's creation.
    pub deployment: u64,
}

/// The region and account of a rehearsal.
#[must_use]
pub fn scope() -> Scope {
    Scope { region: "us-east-1".to_owned(), account: "000000000000".to_owned() }
}

/// Runs a scenario that [`check::check`] found nothing wrong with. `spectator` looks at each service whose deployment is
/// under way, at each sample.
///
/// # Errors
/// The scenario can't be played: a request is refused before it begins, or what is to be steady then doesn't get so; in
/// words for people.
pub fn rehearse(
    scenario: &Scenario,
    materials: &Materials,
    seed: u64,
    spectator: &mut dyn FnMut(&Look<'_>),
) -> Result<Record, String> {
    let mut director = director::Director::new(scenario, materials, seed)?;
    director.prepare()?;
    director.play(spectator)
}

/// What was committed and isn't looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    newest: u64,
    pub(crate) fresh: Vec<(Time, State)>,
}

impl Watch {
    /// A controller applied an entry; the first to do so tells.
    pub(crate) fn applied(&mut self, now: Time, entry: Entry) {
        if entry.index > self.newest {
            self.newest = entry.index;
            self.fresh.push((now, entry.state));
        }
    }
}
