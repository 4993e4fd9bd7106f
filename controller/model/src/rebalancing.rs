//! Which services may have their zones rebalanced (ecs-semantics §2.3). How it is done is the deciders' concern.

use drydock_proto::ecs::{
    LaunchType, PlacementConstraintType, PlacementStrategyType, SchedulingStrategy, Service, TaskDefinition,
};

use crate::error::EcsError;
use crate::requests::services::MAXIMUM_PERCENT;
use crate::requests::task_sets;

/// The attribute that says in which zone an instance is.
pub const ZONE: &str = "ecs.availability-zone";

/// Checks that a service may have its zones rebalanced: what must hold where `availabilityZoneRebalancing` is ENABLED, and
/// what makes that the default.
///
/// # Errors
/// `InvalidParameterException`: what is in the way.
pub fn check(service: &Service, definition: &TaskDefinition) -> Result<(), EcsError> {
    let maximum = service.deployment_configuration.as_ref().and_then(|given| given.maximum_percent);
    let classic = service.load_balancers.iter().any(|balancer| balancer.load_balancer_name.is_some());
    let obstacles = [
        (service.scheduling_strategy() == SchedulingStrategy::Daemon, "the DAEMON scheduling strategy"),
        (task_sets::is_external(service.deployment_controller.as_ref()), "the EXTERNAL deployment controller"),
        (service.launch_type() == LaunchType::External, "the EXTERNAL launch type"),
        (maximum.unwrap_or(MAXIMUM_PERCENT) <= 100, "maximumPercent <= 100"),
        (
            !spreads_over_zones(service),
            "a first placement strategy other than spread by attribute:ecs.availability-zone",
        ),
        (is_constrained(service, definition), "a placement constraint on attribute:ecs.availability-zone"),
        (classic, "Classic Load Balancers"),
    ];
    match obstacles.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => {
            Err(EcsError::invalid_parameter(format!("AvailabilityZoneRebalancing does not support {what}")))
        }
        None => Ok(()),
    }
}

/// Without strategies tasks spread over zones, too.
fn spreads_over_zones(service: &Service) -> bool {
    service.placement_strategy.first().is_none_or(|first| {
        let attribute = first.field.as_deref().and_then(|field| field.strip_prefix("attribute:"));
        first.r#type() == PlacementStrategyType::Spread && attribute == Some(ZONE)
    })
}

fn is_constrained(service: &Service, definition: &TaskDefinition) -> bool {
    let of_service = service.placement_constraints.iter().filter(|c| c.r#type() == PlacementConstraintType::MemberOf);
    let of_service = of_service.map(|constraint| constraint.expression.as_deref());
    let of_definition = definition.placement_constraints.iter().map(|constraint| constraint.expression.as_deref());
    of_service.chain(of_definition).flatten().any(|expression| expression.contains(ZONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    // rule: 2.3/rebalancing-not-with, 2.3/rebalancing-not-with-clb
    #[test]
    fn what_is_in_the_way() {
        for (service, definition, what) in [
            ("{}", "{}", None),
            (
                r#"{"placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"},
                {"type": "binpack", "field": "cpu"}], "deploymentConfiguration": {"maximumPercent": 101}}"#,
                "{}",
                None,
            ),
            (
                r#"{"placementConstraints": [{"type": "memberOf", "expression": "attribute:color == red"}],
                "loadBalancers": [{"targetGroupArn": "arn"}]}"#,
                "{}",
                None,
            ),
            (r#"{"schedulingStrategy": "DAEMON"}"#, "{}", Some("the DAEMON scheduling strategy")),
            (r#"{"deploymentController": {"type": "EXTERNAL"}}"#, "{}", Some("the EXTERNAL deployment controller")),
            (r#"{"launchType": "EXTERNAL"}"#, "{}", Some("the EXTERNAL launch type")),
            (r#"{"deploymentConfiguration": {"maximumPercent": 100}}"#, "{}", Some("maximumPercent <= 100")),
            (r#"{"placementStrategy": [{"type": "random"}]}"#, "{}", Some("a first placement strategy other than")),
            (
                r#"{"placementStrategy": [{"type": "spread", "field": "instanceId"}]}"#,
                "{}",
                Some("a first placement strategy other than"),
            ),
            (
                r#"{"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.availability-zone == a"}]}"#,
                "{}",
                Some("a placement constraint on"),
            ),
            (
                "{}",
                r#"{"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.availability-zone == a"}]}"#,
                Some("a placement constraint on"),
            ),
            (r#"{"loadBalancers": [{"loadBalancerName": "old"}]}"#, "{}", Some("Classic Load Balancers")),
        ] {
            let found = check(&serde_json::from_str(service).unwrap(), &serde_json::from_str(definition).unwrap());
            match (found, what) {
                (Ok(()), None) => {}
                (Err(error), Some(what)) => {
                    let text = format!("AvailabilityZoneRebalancing does not support {what}");
                    assert!(error.to_string().contains(&text), "{service}: {error}");
                }
                (found, _) => panic!("{service} {definition}: {found:?}"),
            }
        }
    }
}
