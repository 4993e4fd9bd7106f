//! A pretended fleet: many container instances in one process, each an agent with a session, an engine and pretended
//! containers of its own, towards real controllers. For load, and for clusters that are larger than a machine.
//!
//! Nothing of them is on disk but the token that their own come from: started again, they are the same container
//! instances, and run what their manifests say as if nothing had been. One that was deregistered before the start joins as a
//! new one; one that is deregistered while it runs stays away.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::{Config, FleetConfig};
use crate::error::AgentError;
use crate::identity::{DataDir, Identity};
use crate::journal::Journal;
use crate::runtime::simulated::SimulatedRuntime;

/// Instances that begin to join at once; the next follow after [`JOIN_EVERY`]: each is a write to the log, and a connection.
const JOINS_AT_ONCE: u32 = 50;
/// Between two groups that begin to join.
const JOIN_EVERY: Duration = Duration::from_millis(25);
/// Lives of one instance of the fleet that may have been deregistered; then it is given up.
const LIVES_MAX: u32 = 100;

/// Runs them until `shutdown`, or until none is left: one that the controllers refuse (it was deregistered) ends alone.
///
/// # Errors
/// The data folder can't be used, or all of them have ended; the last one's reason.
pub(crate) async fn run(
    config: Config,
    fleet: FleetConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let data = DataDir::open(&config.data_dir)?;
    let token = data.identity()?.instance_token;
    let clock = Clock::start();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut running = JoinSet::new();
    let mut begun = 0;
    let mut last = None;
    loop {
        let next = fleet.instances.min(begun + JOINS_AT_ONCE);
        for number in begun..next {
            running.spawn(live(member(&config, &fleet, number), token.clone(), number, clock));
        }
        begun = next;
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = tokio::time::sleep(JOIN_EVERY), if begun < fleet.instances => {}
            Some(ended) = running.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, left = running.len(), "an instance of the fleet ended");
                    last = Some(error);
                }
                Err(panic) => last = Some(AgentError::Journal(panic.to_string())),
            },
            else => return last.map_or(Ok(()), Err),
        }
    }
}

/// Runs one of them. Who is refused at once was deregistered in an earlier run, and begins a new life.
async fn live(config: Config, token: String, number: u32, clock: Clock) -> Result<(), AgentError> {
    let mut life = 1;
    loop {
        let ended = crate::in_memory(config.clone(), identity(&token, number, life), clock).await;
        if life >= LIVES_MAX || !matches!(ended, Err(AgentError::Refused { known: false, .. })) {
            return ended;
        }
        life += 1;
    }
}

/// What one of them is told.
fn member(config: &Config, fleet: &FleetConfig, number: u32) -> Config {
    let prefix = config.name.as_deref().unwrap_or("simulated");
    let zones = fleet.zones.len().max(1);
    let zone = usize::try_from(number).ok().and_then(|number| fleet.zones.get(number % zones));
    Config {
        name: Some(format!("{prefix}-{}", number + 1)),
        availability_zone: zone.unwrap_or(&config.availability_zone).clone(),
        ..config.clone()
    }
}

/// Its identity: the same at each start, and unlike any other's.
fn identity(token: &str, number: u32, life: u32) -> Identity {
    Identity {
        instance_token: format!("{token}-{}-{life}", number + 1),
        container_instance_arn: String::new(),
        endpoint_port: None,
    }
}

/// An agent that keeps nothing.
pub(crate) fn kept_nowhere(config: &Config, clock: Clock) -> (SimulatedRuntime, Journal) {
    (SimulatedRuntime::in_memory(config.simulated.stages.clone(), clock), Journal::in_memory())
}

#[cfg(test)]
mod tests {
    use super::{Config, FleetConfig, identity, member};

    #[test]
    fn each_has_a_name_a_zone_and_a_token_of_its_own() {
        let fleet = FleetConfig { instances: 5, zones: vec!["a".to_owned(), "b".to_owned()] };
        let config = Config { availability_zone: "z".to_owned(), ..Config::default() };
        let of = |fleet: &FleetConfig, number: u32| {
            let member = member(&config, fleet, number);
            (member.name.unwrap_or_default(), member.availability_zone, identity("t", number, 1).instance_token)
        };
        let text = |name: &str, zone: &str, token: &str| (name.to_owned(), zone.to_owned(), token.to_owned());
        assert_eq!(of(&fleet, 0), text("simulated-1", "a", "t-1-1"));
        assert_eq!(of(&fleet, 1), text("simulated-2", "b", "t-2-1"));
        assert_eq!(of(&fleet, 2), text("simulated-3", "a", "t-3-1"));
        assert_eq!(of(&FleetConfig { zones: Vec::new(), ..fleet }, 4), text("simulated-5", "z", "t-5-1"));
    }
}
