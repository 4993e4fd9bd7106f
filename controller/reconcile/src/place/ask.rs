//! What a task asks of an instance: the filters in ECS's order, then the strategies that rank what they leave
//! (ecs-semantics §2.4).

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_model::query::Expression;
use drydock_model::rebalancing::ZONE;
use drydock_model::resources::Needs;
use drydock_proto::ecs::{self, LaunchType, NetworkConfiguration};
use drydock_state::capacity::placement_group;
use drydock_state::row::{DefinitionRow, InstanceRow, ServiceRow};
use drydock_state::{ClusterId, DefinitionKey, InstanceSubjects, State};

use super::pool::Pool;

/// What a task asks.
#[derive(Clone)]
pub(crate) struct Ask<'f> {
    pub(super) needs: &'f Needs,
    /// Set where it requires attributes.
    pub(super) requires: Option<&'f DefinitionRow>,
    pub(super) pool: Pool,
    /// `service:NAME`, or what standalone tasks were given: whose tasks spreading counts.
    pub(super) group: Arc<str>,
    /// `distinctInstance`.
    pub(super) distinct: bool,
    /// `memberOf`, those of the task definition first.
    pub(super) member_of: Vec<MemberOf>,
    pub(super) strategies: Vec<Strategy>,
    /// The one zone that it may go to; any where it is unset.
    pub(super) zone: Option<Arc<str>>,
    /// The zones of its subnets; any where it has none.
    pub(super) subnet_zones: Option<BTreeSet<Arc<str>>>,
}

/// An expression that an instance must meet.
#[derive(Debug, Clone)]
pub(super) struct MemberOf {
    pub(super) text: Arc<str>,
    /// Unset where it can't be read (it was checked before it was stored): then nothing meets it.
    pub(super) expression: Option<Expression>,
}

/// How instances are ranked; each ranks those that the one before holds equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// All alike.
    Random,
    /// `spread` by `instanceId` or `host`: the fewest tasks of the group on the instance.
    SpreadInstance,
    /// `spread` by `attribute:NAME`: the fewest tasks of the group on all instances with the same value. Those without
    /// one are alike.
    SpreadAttribute(Arc<str>),
    /// `binpack` by `cpu`: the least CPU left.
    BinpackCpu,
    /// `binpack` by `memory`: the least memory left.
    BinpackMemory,
}

impl Strategy {
    /// The strategies of a request, in their order. Without any, tasks spread over zones; and where all are spreads, those
    /// instances that they hold equal are ranked by how many tasks of the group they have (ecs-semantics §2.3).
    #[must_use]
    pub fn of(given: &[ecs::PlacementStrategy]) -> Vec<Self> {
        let mut chain: Vec<Self> = given.iter().map(Self::one).collect();
        if chain.is_empty() {
            chain.push(Self::SpreadAttribute(ZONE.into()));
        }
        if chain.iter().all(|strategy| matches!(strategy, Self::SpreadAttribute(_))) {
            chain.push(Self::SpreadInstance);
        }
        chain
    }

    fn one(given: &ecs::PlacementStrategy) -> Self {
        let field = given.field.as_deref().unwrap_or_default();
        match given.r#type() {
            ecs::PlacementStrategyType::Spread => match field.strip_prefix("attribute:") {
                Some(name) => Self::SpreadAttribute(name.into()),
                None => Self::SpreadInstance,
            },
            ecs::PlacementStrategyType::Binpack if field.eq_ignore_ascii_case("memory") => Self::BinpackMemory,
            ecs::PlacementStrategyType::Binpack => Self::BinpackCpu,
            ecs::PlacementStrategyType::Random | ecs::PlacementStrategyType::Unspecified => Self::Random,
        }
    }
}

impl<'f> Ask<'f> {
    /// What a task of this definition and group asks, that takes `needs` of an instance of `pool`. The constraints of the
    /// task definition are in it.
    pub(crate) fn new(
        view: &'f State,
        definition: &DefinitionKey,
        needs: &'f Needs,
        pool: Pool,
        group: &Arc<str>,
    ) -> Self {
        let row = view.definition(definition).map(|row| &**row);
        let constraints = row.into_iter().flat_map(|row| &row.document.placement_constraints);
        Self {
            needs,
            requires: row.filter(|row| !row.document.requires_attributes.is_empty()),
            group: placement_group(group, pool.provider(), None),
            pool,
            distinct: false,
            member_of: constraints.map(|constraint| MemberOf::new(constraint.expression.as_deref())).collect(),
            strategies: Strategy::of(&[]),
            zone: None,
            subnet_zones: None,
        }
    }

    /// The same of a cluster, in the subnets of a network configuration. Where its hosts are another cluster's, its groups
    /// are apart from those of that cluster.
    pub(crate) fn in_cluster(
        mut self,
        view: &State,
        cluster: ClusterId,
        network: Option<&NetworkConfiguration>,
    ) -> Self {
        if self.pool.is_fargate() && view.hosting(cluster, LaunchType::Fargate) != cluster {
            self.group = placement_group(&self.group, None, Some(cluster));
        }
        let located = view.located(cluster, network);
        self.subnet_zones = located.map(|located| located.into_iter().map(|(_, zone)| zone).collect());
        self
    }

    /// The same with the constraints and the strategies of a request or a service.
    pub(crate) fn placed(
        mut self,
        constraints: &[ecs::PlacementConstraint],
        strategies: &[ecs::PlacementStrategy],
    ) -> Self {
        for constraint in constraints {
            match constraint.r#type() {
                ecs::PlacementConstraintType::MemberOf => {
                    self.member_of.push(MemberOf::new(constraint.expression.as_deref()));
                }
                ecs::PlacementConstraintType::DistinctInstance => self.distinct = true,
                ecs::PlacementConstraintType::Unspecified => {}
            }
        }
        self.strategies = Strategy::of(strategies);
        self
    }

    /// The instances that are asked.
    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The same with those of a service.
    pub(crate) fn of_service(self, service: &ServiceRow) -> Self {
        self.placed(&service.document.placement_constraints, &service.document.placement_strategy)
    }

    /// The same in this zone alone.
    pub(crate) fn in_zone(mut self, zone: &Arc<str>) -> Self {
        self.zone = Some(Arc::clone(zone));
        self
    }

    /// Whether an instance is where the task may go.
    pub(super) fn is_in_zone(&self, row: &InstanceRow) -> bool {
        self.zone.as_ref().is_none_or(|zone| row.availability_zone() == Some(zone))
    }

    /// Whether an instance is where one of the task's subnets is. One that doesn't say where it is can be reached from each.
    pub(super) fn is_in_reach(&self, row: &InstanceRow) -> bool {
        let (Some(zones), Some(zone)) = (&self.subnet_zones, row.availability_zone()) else { return true };
        zones.contains(zone)
    }

    /// Whether where it is matters.
    pub(super) const fn is_anywhere(&self) -> bool {
        self.zone.is_none() && self.subnet_zones.is_none()
    }

    /// Whether it has no constraint: then no placement can make another instance fit.
    pub(super) fn is_unconstrained(&self) -> bool {
        !self.distinct && self.member_of.is_empty() && self.zone.is_none()
    }
}

/// The `memberOf` constraints of a service and its task definition, to be asked of many instances: what decides where a
/// DAEMON has a task.
pub(crate) struct Members(Vec<MemberOf>);

impl Members {
    pub(crate) fn of(definition: &DefinitionRow, service: &ServiceRow) -> Self {
        let of_definition = definition.document.placement_constraints.iter().map(|c| c.expression.as_deref());
        let of_service = service.document.placement_constraints.iter();
        let of_service = of_service.filter(|c| c.r#type() == ecs::PlacementConstraintType::MemberOf);
        Self(of_definition.chain(of_service.map(|c| c.expression.as_deref())).map(MemberOf::new).collect())
    }

    /// Whether an instance meets them all.
    pub(crate) fn admit(&self, state: &State, row: &InstanceRow) -> bool {
        let of = InstanceSubjects { state, row };
        self.0.iter().all(|member| member.expression.as_ref().is_some_and(|e| e.holds(&of) == Some(true)))
    }
}

impl MemberOf {
    fn new(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default();
        Self { text: text.into(), expression: Expression::parse(text).ok() }
    }
}
