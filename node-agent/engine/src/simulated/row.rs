//! One pretended container: its knobs and its moments. All else is computed from these and the time.

use drydock_model::status::HealthStatus;
use drydock_proto::ecs::{NetworkBinding, TransportProtocol};
use serde::{Deserialize, Serialize};

use crate::io::{Observation, ObservedState};
use crate::limits::Millis;
use crate::simulated::knobs::Knobs;

/// A pretended container, as it is kept across restarts of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its id, which derives from task and name.
    pub runtime_id: String,
    /// Its task.
    pub task_arn: String,
    /// Its name in the task definition.
    pub container: String,
    /// Its image, by its digest where the controllers have pinned one.
    pub image: String,
    pub(crate) knobs: Knobs,
    /// Interval of its health check; `None` without one.
    pub(crate) health_interval_ms: Option<Millis>,
    /// Container port, host port, and whether they are UDP.
    pub(crate) ports: Vec<(u16, u16, bool)>,
    pub(crate) created_at: Millis,
    pub(crate) started_at: Option<Millis>,
    pub(crate) stop: Option<Stop>,
}

/// A stop that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    pub(crate) at: Millis,
    pub(crate) timeout_ms: Millis,
}

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself.
    Own(u8),
    /// It used too much memory.
    OutOfMemory,
    /// It obeyed SIGTERM.
    Stopped(u8),
    /// SIGKILL.
    Killed,
}

/// What SIGKILL leaves as exit code.
const KILLED: i32 = 137;

impl Exit {
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Own(code) | Self::Stopped(code) => i32::from(code),
            Self::OutOfMemory | Self::Killed => KILLED,
        }
    }
}

impl Row {
    /// When and how it ends, as far as that is settled.
    pub(crate) fn end(&self) -> Option<(Millis, Exit)> {
        let started = self.started_at?;
        let own = self.knobs.run_for_ms.map(|after| (started + after, Exit::Own(self.knobs.exit_code)));
        let killed = self.knobs.kill_after_ms.map(|after| (started + after, Exit::OutOfMemory));
        let stopped = self.stop.map(|stop| {
            if self.knobs.stop_ms <= stop.timeout_ms {
                (stop.at + self.knobs.stop_ms, Exit::Stopped(self.knobs.stop_exit_code))
            } else {
                (stop.at + stop.timeout_ms, Exit::Killed)
            }
        });
        own.into_iter().chain(killed).chain(stopped).min_by_key(|(at, _)| *at)
    }

    /// Moments at which it changes, settled so far.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Millis> {
        let end = self.end().map(|(at, _)| at);
        let health = self.health_changes();
        health.into_iter().flatten().filter(move |at| end.is_none_or(|end| *at < end)).chain(end)
    }

    fn health_changes(&self) -> [Option<Millis>; 2] {
        let Some((started, interval)) = self.started_at.zip(self.health_interval_ms) else { return [None, None] };
        let healthy = started + self.knobs.healthy_after_ms.unwrap_or(interval);
        [Some(healthy), self.knobs.unhealthy_after_ms.map(|after| started + after)]
    }

    fn health(&self, now: Millis) -> HealthStatus {
        let [healthy, unhealthy] = self.health_changes();
        let reached = |at: Option<Millis>| at.filter(|at| *at <= now);
        // Whichever came last.
        match (reached(healthy), reached(unhealthy)) {
            (None, None) => HealthStatus::Unknown,
            (healthy, unhealthy) if healthy > unhealthy => HealthStatus::Healthy,
            _ => HealthStatus::Unhealthy,
        }
    }

    /// What there is to see at a time.
    #[must_use]
    pub fn observe(&self, now: Millis) -> Observation {
        let end = self.end().filter(|(at, _)| *at <= now);
        let state = match (self.started_at, end) {
            (None, _) => ObservedState::Created,
            (Some(_), None) => ObservedState::Running,
            (Some(_), Some((_, exit))) => {
                let reason = match exit {
                    Exit::OutOfMemory => "OutOfMemoryError: Container killed due to memory usage".to_owned(),
                    _ => String::new(),
                };
                ObservedState::Exited { exit_code: Some(exit.code()), reason }
            }
        };
        let running = state == ObservedState::Running;
        Observation {
            runtime_id: self.runtime_id.clone(),
            health: if running { self.health(now) } else { HealthStatus::Unknown },
            state,
            started_at: self.started_at,
            finished_at: end.map(|(at, _)| at),
            network_bindings: self.bindings(),
            image_digest: digest(&self.image, &self.knobs),
        }
    }

    fn bindings(&self) -> Vec<NetworkBinding> {
        let binding = |(container, host, udp): &(u16, u16, bool)| NetworkBinding {
            bind_ip: Some("0.0.0.0".into()),
            container_port: Some(i32::from(*container)),
            host_port: Some(i32::from(*host)),
            protocol: Some(if *udp { TransportProtocol::Udp } else { TransportProtocol::Tcp }.into()),
            ..Default::default()
        };
        self.ports.iter().map(binding).collect()
    }
}

/// The digest that an image names, or that its knobs give, or one that looks like one and follows from its name.
pub(crate) fn digest(image: &str, knobs: &Knobs) -> String {
    if let Some((_, digest)) = image.split_once('@') {
        return digest.to_owned();
    }
    let [low, high] = ["a", "b"].map(|half| crate::network::hash(&[image, half]));
    knobs.digest.clone().unwrap_or_else(|| format!("sha256:{high:032x}{low:032x}"))
}
