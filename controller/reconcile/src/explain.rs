//! What a step found out, as data: why a task isn't placed, what a deployment waits for and until when. The shell logs
//! it, `service explain` and `task explain` show it; no decision depends on it.
//!
//! [`explain_service`], [`explain_task`] and [`explain_run_task`] compute it for any moment by a dry run of the very
//! deciders on a desk that is thrown away: any replica can, at any time.

mod lacks;
mod run;
mod service;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_state::{Millis, ServiceKey};

use crate::place::Unplaced;

pub use lacks::Shortage;
pub(crate) use lacks::lacks;
pub use run::{RunExplanation, explain_run_task};
pub use service::{ServiceExplanation, explain_service};
pub use task::{Decider, Ending, TaskExplanation, TaskWait, explain_task};

/// What one service waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Which service.
    pub service: ServiceKey,
    /// All that it waits for; empty where it is as it should be.
    pub waits: Vec<Wait>,
}

/// One thing that a service waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Tasks found no instance. Tried again when an instance joins or frees resources, at the latest at `until`.
    Placement {
        /// How many.
        tasks: u32,
        /// Why.
        why: Unplaced,
        /// All that the closest instance lacks.
        lacks: Vec<Shortage>,
        /// When it is tried again at the latest.
        until: Millis,
    },
    /// Tasks failed to start; the next one starts at `until` (ecs-semantics §2.3, start-failure throttle).
    BackOff {
        /// Rounds of failures in a row.
        failures: u32,
        /// When the next task starts.
        until: Millis,
    },
    /// Tasks in PROVISIONING that wait for an instance of their capacity provider.
    Capacity {
        /// How many.
        tasks: u32,
        /// When the first of them is told to stop if it has none.
        until: Millis,
    },
    /// Tasks that are on their way to RUNNING.
    Starting {
        /// How many.
        tasks: u32,
        /// When the first of them is told to stop if it isn't RUNNING.
        until: Millis,
    },
    /// Tasks that RUN, have no health check, and haven't run long enough to count as healthy.
    Healthy {
        /// How many.
        tasks: u32,
        /// When the next of them counts.
        until: Millis,
    },
    /// Tasks that RUN and whose health checks haven't decided yet. The agent says when they have.
    HealthCheck {
        /// How many.
        tasks: u32,
    },
    /// Tasks that fail their health checks within the grace period of their service.
    Grace {
        /// How many.
        tasks: u32,
        /// When the first of them counts as unhealthy.
        until: Millis,
    },
    /// Tasks that serve until others have taken their place.
    Replacing {
        /// How many.
        tasks: u32,
        /// Why they are replaced.
        why: Leaver,
    },
    /// Tasks that were told to stop.
    Stopping {
        /// How many.
        tasks: u32,
        /// When the first of them is declared STOPPED if its agent doesn't say so.
        until: Millis,
    },
    /// Tasks that would stop if they weren't protected from scale-in.
    Protection {
        /// How many.
        tasks: u32,
        /// When the protection of the next one ends.
        until: Option<Millis>,
    },
    /// Tasks on instances whose agent isn't connected: they count as they did until they are given up.
    Disconnected {
        /// How many.
        tasks: u32,
        /// Instances that hold them.
        instances: u32,
        /// When the first of them is given up.
        until: Millis,
        /// So many instances are lost at once that replacement pauses: at `until` it is looked at again.
        paused: bool,
    },
    /// Tasks that minimumHealthyPercent and maximumPercent don't allow to start yet.
    Bounds {
        /// How many aren't started.
        tasks: u32,
        /// Healthy tasks that must stay.
        lower: u32,
        /// Tasks that may be there.
        upper: u32,
        /// Nothing under way will change that: the configuration forbids the deployment.
        deadlock: bool,
    },
    /// The deployment has failed and isn't rolled back: its service has no steady state until it is updated, however its
    /// tasks are. Where the tasks were what failed, no more of them are started. An event has said so.
    Failed {
        /// Id of the deployment.
        deployment: u64,
    },
    /// Somebody's action on a lifecycle hook (ContinueServiceDeployment).
    Hook {
        /// `ecs-pause-…`.
        hook_id: String,
        /// Where it stands, as ECS spells it.
        stage: String,
        /// When its time is over.
        until: Millis,
        /// Whether the deployment goes on then; it is rolled back else.
        continues: bool,
    },
    /// The end of a bake time, with both revisions there.
    Bake {
        /// The stage that bakes, as ECS spells it.
        stage: String,
        /// When it ends.
        until: Millis,
    },
    /// Tasks that take the place of others in zones that have more, until these are healthy.
    Rebalancing {
        /// How many.
        tasks: u32,
        /// How many tasks each zone has, those included.
        zones: BTreeMap<Arc<str>, u32>,
    },
    /// Tasks that start once the first of their deployment has told the digests of its images.
    Images {
        /// How many.
        tasks: u32,
        /// When the first is told to stop if it isn't RUNNING.
        until: Millis,
    },
    /// Tasks beyond those that a service launches within a minute (ecs-semantics §2.7).
    LaunchRate {
        /// How many.
        tasks: u32,
        /// When the next are launched.
        until: Millis,
    },
    /// Zones have uneven numbers of tasks, and that can't be changed now. The last event about it says why.
    Uneven {
        /// How many tasks each zone has.
        zones: BTreeMap<Arc<str>, u32>,
        /// When it is tried again.
        until: Millis,
    },
    /// The deployment's stage. It fails where it hasn't left it in time.
    Stage {
        /// As ECS spells it.
        stage: String,
        /// When it fails.
        until: Millis,
    },
    /// The rollback of the deployment that was started last. It fails where it isn't over in time.
    Rollback {
        /// Id of the deployment that it goes back to.
        to: u64,
        /// When it fails.
        until: Millis,
    },
}

/// Why a task that serves is going to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaver {
    /// It is of another revision than the service goes to.
    Outdated,
    /// Its instance takes no tasks any more.
    Draining,
    /// It fails its health checks.
    Unhealthy,
}

/// What a wait ends by, beside its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing: time passes.
    Time,
    /// An agent's report.
    Agent,
    /// An instance that joins, comes back or frees resources.
    Room,
    /// A request: an update of the service, another deployment, a StopServiceDeployment.
    Request,
    /// The end of the service's other waits.
    Others,
}

impl Wait {
    /// When it ends, or is looked at again, though nothing happens.
    #[must_use]
    pub const fn until(&self) -> Option<Millis> {
        match self {
            Self::Placement { until, .. }
            | Self::BackOff { until, .. }
            | Self::Starting { until, .. }
            | Self::Healthy { until, .. }
            | Self::Grace { until, .. }
            | Self::Stopping { until, .. }
            | Self::Disconnected { until, .. }
            | Self::Hook { until, .. }
            | Self::Bake { until, .. }
            | Self::Uneven { until, .. }
            | Self::Images { until, .. }
            | Self::LaunchRate { until, .. }
            | Self::Capacity { until, .. }
            | Self::Stage { until, .. }
            | Self::Rollback { until, .. } => Some(*until),
            Self::Protection { until, .. } => *until,
            Self::HealthCheck { .. }
            | Self::Replacing { .. }
            | Self::Rebalancing { .. }
            | Self::Bounds { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// What else ends it.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self {
            Self::BackOff { .. }
            | Self::Healthy { .. }
            | Self::Protection { .. }
            | Self::Bake { .. }
            | Self::LaunchRate { .. }
            | Self::Uneven { .. } => Cause::Time,
            Self::Starting { .. }
            | Self::Images { .. }
            | Self::HealthCheck { .. }
            | Self::Grace { .. }
            | Self::Stopping { .. }
            | Self::Disconnected { .. } => Cause::Agent,
            Self::Placement { .. } | Self::Capacity { .. } => Cause::Room,
            Self::Replacing { .. }
            | Self::Rebalancing { .. }
            | Self::Bounds { deadlock: false, .. }
            | Self::Stage { .. }
            | Self::Rollback { .. } => Cause::Others,
            Self::Bounds { deadlock: true, .. } | Self::Failed { .. } | Self::Hook { .. } => Cause::Request,
        }
    }
}
