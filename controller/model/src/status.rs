//! The statuses that live things go through, and which step may follow which (ecs-semantics §2.1, §2.4).

use std::fmt;

/// A status was spelled in a way that ECS doesn't know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} has no value {spelling:?}")]
pub struct UnknownStatus {
    kind: &'static str,
    spelling: String,
}

macro_rules! status {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant = $code),+ }

        impl $name {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As ECS spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The number that the log and snapshots carry: stable for ever.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self { $(Self::$variant => $code),+ }
            }

            /// The value behind a number of the log; `None` where this build doesn't know it.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownStatus { kind: stringify!($name), spelling: text.to_owned() }),
                }
            }
        }
    };
}

status! {
    /// A task's `lastStatus`. It only ever grows: a late report can't turn a task back.
    TaskStatus {
        /// Being placed, or its network and volumes are being set up.
        Provisioning = 1 "PROVISIONING",
        /// Waits for the agent, or for resources on its instance.
        Pending = 2 "PENDING",
        /// Images are pulled, containers created and started.
        Activating = 3 "ACTIVATING",
        /// All its containers have started.
        Running = 4 "RUNNING",
        /// Leaves load balancers and discovery.
        Deactivating = 5 "DEACTIVATING",
        /// Its containers have the stop signal.
        Stopping = 6 "STOPPING",
        /// Its network and volumes are being released.
        Deprovisioning = 7 "DEPROVISIONING",
        /// The end: a task is never started again.
        Stopped = 8 "STOPPED",
    }
}

status! {
    /// A task's `desiredStatus`: goes from RUNNING to STOPPED, once.
    DesiredStatus {
        /// Keep it running.
        Running = 1 "RUNNING",
        /// Stop it.
        Stopped = 2 "STOPPED",
    }
}

status! {
    /// A container's `lastStatus` as the API shows it.
    ContainerStatus {
        /// Not started yet.
        Pending = 1 "PENDING",
        /// Started.
        Running = 2 "RUNNING",
        /// Has exited, or never started.
        Stopped = 3 "STOPPED",
    }
}

status! {
    /// `healthStatus` of a task or a container.
    HealthStatus {
        /// No health check, or no verdict yet.
        Unknown = 1 "UNKNOWN",
        /// Its checks pass.
        Healthy = 2 "HEALTHY",
        /// Its checks have failed `retries` times.
        Unhealthy = 3 "UNHEALTHY",
    }
}

status! {
    /// Why a task stopped (`stopCode`).
    StopCode {
        /// It never got to RUNNING.
        TaskFailedToStart = 1 "TaskFailedToStart",
        /// An essential container exited, with whatever code.
        EssentialContainerExited = 2 "EssentialContainerExited",
        /// StopTask.
        UserInitiated = 3 "UserInitiated",
        /// A service scaled in, deployed, or replaced it.
        ServiceSchedulerInitiated = 4 "ServiceSchedulerInitiated",
        /// Spot capacity was taken back.
        SpotInterruption = 5 "SpotInterruption",
        /// Its host is being retired.
        TerminationNotice = 6 "TerminationNotice",
        /// Its host is lost.
        InfrastructureHealth = 7 "InfrastructureHealth",
    }
}

status! {
    /// A container instance's `status`.
    InstanceStatus {
        /// Takes tasks.
        Active = 1 "ACTIVE",
        /// Takes no new tasks; service tasks are moved away.
        Draining = 2 "DRAINING",
        /// Is being deregistered.
        Deregistering = 3 "DEREGISTERING",
        /// Gone; still described for a while.
        Inactive = 4 "INACTIVE",
    }
}

status! {
    /// A cluster's `status`.
    ClusterStatus {
        /// In use.
        Active = 1 "ACTIVE",
        /// Deleted; still described for a while.
        Inactive = 2 "INACTIVE",
    }
}

status! {
    /// A task definition's `status`.
    TaskDefinitionStatus {
        /// New tasks may use it.
        Active = 1 "ACTIVE",
        /// Deregistered: what uses it goes on, nothing new may.
        Inactive = 2 "INACTIVE",
        /// Deleted once nothing uses it.
        DeleteInProgress = 3 "DELETE_IN_PROGRESS",
    }
}

status! {
    /// A service's `status`.
    ServiceStatus {
        /// Held at its desired count.
        Active = 1 "ACTIVE",
        /// Deleted; its tasks are stopping.
        Draining = 2 "DRAINING",
        /// Gone; still described for a while.
        Inactive = 3 "INACTIVE",
    }
}

status! {
    /// A ServiceDeployment's `status` (ecs-semantics §2.3).
    ServiceDeploymentStatus {
        /// Waits for an earlier one.
        Pending = 1 "PENDING",
        /// Works.
        InProgress = 2 "IN_PROGRESS",
        /// Done.
        Successful = 3 "SUCCESSFUL",
        /// Someone asked to stop it.
        StopRequested = 4 "STOP_REQUESTED",
        /// Stopped, or replaced by a later one.
        Stopped = 5 "STOPPED",
        /// Someone, or the circuit breaker, asked to roll back.
        RollbackRequested = 6 "ROLLBACK_REQUESTED",
        /// Goes back to the source revision.
        RollbackInProgress = 7 "ROLLBACK_IN_PROGRESS",
        /// Back at the source revision.
        RollbackSuccessful = 8 "ROLLBACK_SUCCESSFUL",
        /// The source revision failed too.
        RollbackFailed = 9 "ROLLBACK_FAILED",
    }
}

status! {
    /// A task set's `status` (ecs-semantics §2.3, Controllers).
    TaskSetStatus {
        /// What the service shows as its own.
        Primary = 1 "PRIMARY",
        /// Holds its count, and isn't the primary one.
        Active = 2 "ACTIVE",
        /// Was deleted; its tasks stop.
        Draining = 3 "DRAINING",
    }
}

impl TaskStatus {
    /// Whether `next` may follow: forward only, with any number of steps skipped.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        next > self
    }

    /// Whether the task still holds resources of its instance.
    #[must_use]
    pub fn holds_resources(self) -> bool {
        self != Self::Stopped
    }
}

impl ServiceDeploymentStatus {
    /// Whether `next` may follow (ecs-semantics §2.3). One that is PENDING may become all that one IN_PROGRESS may: it
    /// may have begun and ended between two looks.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use ServiceDeploymentStatus as Is;
        match self {
            Is::Pending => next == Is::InProgress || Is::InProgress.may_become(next),
            Is::InProgress => {
                matches!(next, Is::Successful | Is::StopRequested | Is::Stopped | Is::RollbackRequested)
                    || Is::RollbackRequested.may_become(next)
            }
            Is::StopRequested => next == Is::Stopped,
            Is::RollbackRequested => matches!(next, Is::RollbackInProgress | Is::RollbackFailed),
            Is::RollbackInProgress => matches!(next, Is::RollbackSuccessful | Is::RollbackFailed),
            Is::Successful | Is::Stopped | Is::RollbackSuccessful | Is::RollbackFailed => false,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Successful | Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::{ServiceDeploymentStatus, TaskStatus};

    // rule: 2.1/states-in-order
    #[test]
    fn a_task_goes_forward_only() {
        for (at, status) in TaskStatus::ALL.iter().enumerate() {
            for (other, next) in TaskStatus::ALL.iter().enumerate() {
                assert_eq!(status.may_become(*next), other > at, "{status} -> {next}");
            }
        }
    }

    // rule: 2.3/service-deployment-status
    #[test]
    fn a_service_deployment_goes_only_where_it_may() {
        use ServiceDeploymentStatus as Is;
        let going = [Is::Successful, Is::StopRequested, Is::Stopped, Is::RollbackRequested];
        let back = [Is::RollbackInProgress, Is::RollbackFailed];
        for (status, expected) in [
            (Is::Pending, [&[Is::InProgress][..], &going, &back].concat()),
            (Is::InProgress, [&going[..], &back].concat()),
            (Is::StopRequested, vec![Is::Stopped]),
            (Is::RollbackRequested, back.to_vec()),
            (Is::RollbackInProgress, vec![Is::RollbackSuccessful, Is::RollbackFailed]),
            (Is::Successful, vec![]),
            (Is::Stopped, vec![]),
            (Is::RollbackSuccessful, vec![]),
            (Is::RollbackFailed, vec![]),
        ] {
            for next in Is::ALL {
                assert_eq!(status.may_become(*next), expected.contains(next), "{status} -> {next}");
            }
            assert_eq!(status.is_final(), expected.is_empty(), "{status}: all but the final ones have a way out");
        }
    }

    #[test]
    fn spellings_and_codes_lead_back() {
        for status in TaskStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(TaskStatus::from_code(status.code()), Some(*status));
        }
        for status in ServiceDeploymentStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert!("running".parse::<TaskStatus>().is_err());
    }
}
