//! Which instances of a cluster a task may go to at all, before any of its own needs is looked at (ecs-semantics §2.4).

use std::sync::Arc;

use drydock_model::capacity::is_fargate;
use drydock_model::fargate::is_windows;
use drydock_proto::ecs::{CpuArchitecture, LaunchType, TaskDefinition};
use drydock_state::State;
use drydock_state::row::{InstanceRow, TaskRow};

/// A part of a cluster's instances. Others say nothing about a task that asks for this one: they don't count among
/// those that a filter removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Pool {
    /// Every container instance.
    #[default]
    Ec2,
    /// The container instances of a capacity provider, by its name.
    Group(Arc<str>),
    /// The hosts that serve Fargate, of one platform.
    Fargate {
        /// FARGATE or FARGATE_SPOT, where one was chosen. Both have the same hosts.
        provider: Option<Arc<str>>,
        /// Windows, else Linux.
        windows: bool,
        /// ARM64, else X86_64; none where the task definition doesn't say.
        arm: Option<bool>,
    },
}

impl Pool {
    /// The pool of the tasks of a task definition, by launch type or by the capacity provider that was chosen.
    #[must_use]
    pub fn of(launch_type: LaunchType, provider: Option<&str>, definition: Option<&TaskDefinition>) -> Self {
        if launch_type != LaunchType::Fargate {
            let group = provider.filter(|name| !is_fargate(name));
            return group.map_or(Self::Ec2, |name| Self::Group(name.into()));
        }
        let platform = definition.and_then(|definition| definition.runtime_platform);
        let arm = match platform.map(|platform| platform.cpu_architecture()) {
            Some(CpuArchitecture::Arm64) => Some(true),
            Some(CpuArchitecture::X8664) => Some(false),
            Some(CpuArchitecture::Unspecified) | None => None,
        };
        Self::Fargate {
            provider: provider.map(Into::into),
            windows: platform.is_some_and(|platform| is_windows(platform.operating_system_family())),
            arm,
        }
    }

    /// The pool of a task.
    #[must_use]
    pub fn of_task(view: &State, task: &TaskRow) -> Self {
        let definition = view.definition(&task.definition).map(|row| &*row.document);
        Self::of(task.launch.launch_type, task.capacity_provider.as_deref(), definition)
    }

    /// Whether an instance belongs to it. It may only look at what the agent says of its instance
    /// ([`InstanceRow::info`]), which seldom changes.
    #[must_use]
    pub fn has(&self, row: &InstanceRow) -> bool {
        let says =
            |name: &str, value: &str, default: bool| row.attribute(name).map_or(default, |said| **said == *value);
        match self {
            Self::Ec2 => row.info.serves.ec2(),
            Self::Group(name) => row.info.serves.ec2() && row.info.capacity_provider.as_ref() == Some(name),
            Self::Fargate { windows, arm, .. } => {
                row.info.serves.fargate()
                    && says("ecs.os-type", "windows", false) == *windows
                    && arm.is_none_or(|arm| says("ecs.cpu-architecture", "arm64", false) == arm)
            }
        }
    }

    /// Whether it is capacity behind the scenes, whose hosts nobody is told of.
    #[must_use]
    pub const fn is_fargate(&self) -> bool {
        matches!(self, Self::Fargate { .. })
    }

    /// The capacity provider that was chosen.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Ec2 => None,
            Self::Group(name) => Some(name),
            Self::Fargate { provider, .. } => provider.as_deref(),
        }
    }
}
