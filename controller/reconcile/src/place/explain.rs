//! Why a task found no instance, as data: what RunTask's `failures[]` and the service event are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_model::resources::Lacking;

use super::pool::Pool;

/// Why one instance doesn't take a task. In the order of the filters: the later, the closer the instance came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It doesn't belong to the pool that is asked.
    Pool,
    /// Its agent isn't connected.
    Agent,
    /// It is in another zone than the task's subnets.
    Location,
    /// It lacks an attribute that the task definition requires.
    Attribute,
    /// It hasn't enough left.
    Lacking(Lacking),
    /// It doesn't meet a `memberOf`: which of [`Unplaced::expressions`].
    MemberOf(u8),
    /// It has a task of the group already (`distinctInstance`).
    DistinctInstance,
}

impl Refusal {
    /// `failures[].reason` (ecs-semantics §2.4).
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Pool => "NO ACTIVE INSTANCES",
            Self::Agent => "AGENT",
            Self::Location => "LOCATION",
            Self::Attribute => "ATTRIBUTE",
            Self::Lacking(lacking) => lacking.reason(),
            Self::MemberOf(_) => "MemberOf placement constraint unsatisfied",
            Self::DistinctInstance => "DistinctInstance placement constraint unsatisfied",
        }
    }

    /// What the service event says after "The closest matching (container-instance ID)" (ecs-semantics §2.3).
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Pool => "encountered error \"NO ACTIVE INSTANCES\".",
            Self::Agent => "encountered error \"AGENT\".",
            Self::Location => "encountered error \"LOCATION\".",
            Self::Attribute => "is missing an attribute required by your task.",
            Self::Lacking(lacking) => lacking.explanation(),
            Self::MemberOf(_) => "encountered error \"MemberOf placement constraint unsatisfied.\".",
            Self::DistinctInstance => "encountered error \"DistinctInstance placement constraint unsatisfied.\".",
        }
    }
}

/// No instance took the task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unplaced {
    /// The instance that came closest, and what it refused for; `None` where the cluster has no instance of the pool that
    /// could ever take a task.
    pub closest: Option<(u128, Refusal)>,
    /// How many instances each filter removed, in the order of the filters: each instance counts at the first.
    pub removed: BTreeMap<Refusal, u32>,
    /// The expressions of `memberOf`, those of the task definition first.
    pub expressions: Vec<Arc<str>>,
    /// Instances that would take the task if others went: all that they lack is room.
    pub full: u32,
    /// The instances that were asked.
    pub pool: Pool,
}

impl Unplaced {
    /// The one instance that was asked refused.
    #[must_use]
    pub fn on(instance: u128, refusal: Refusal) -> Self {
        let full = u32::from(matches!(refusal, Refusal::Lacking(_) | Refusal::DistinctInstance));
        let (closest, removed) = (Some((instance, refusal)), [(refusal, 1)].into());
        Self { closest, removed, expressions: Vec::new(), full, pool: Pool::Ec2 }
    }

    /// Whether stopping other tasks could help.
    #[must_use]
    pub const fn is_capacity(&self) -> bool {
        self.full > 0
    }

    /// The expression that a `memberOf` refusal is about.
    #[must_use]
    pub fn expression(&self, refusal: Refusal) -> Option<&str> {
        match refusal {
            Refusal::MemberOf(at) => self.expressions.get(usize::from(at)).map(|text| &**text),
            _ => None,
        }
    }
}
