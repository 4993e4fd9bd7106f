//! The form of placement constraints and strategies (ecs-semantics §1, §2.4). What they mean is the deciders' concern.

use drydock_proto::ecs::{
    LaunchType, PlacementConstraint, PlacementConstraintType, PlacementStrategy, PlacementStrategyType, TaskDefinition,
    TaskDefinitionPlacementConstraint, TaskDefinitionPlacementConstraintType,
};

use crate::error::EcsError;
use crate::query::Expression;

/// Constraints of a task: those of its task definition and those of the request together.
pub const CONSTRAINTS_MAX: usize = 10;
/// Strategies of a request.
pub const STRATEGIES_MAX: usize = 5;

/// Checks a request's constraints, beside `in_definition` of the task definition.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_constraints(constraints: &[PlacementConstraint], in_definition: usize) -> Result<(), EcsError> {
    if constraints.len().saturating_add(in_definition) > CONSTRAINTS_MAX {
        return Err(EcsError::invalid_parameter(format!(
            "There can be at most {CONSTRAINTS_MAX} placement constraints."
        )));
    }
    constraints.iter().try_for_each(|constraint| match constraint.r#type() {
        PlacementConstraintType::MemberOf => check_expression(constraint.expression.as_deref()),
        PlacementConstraintType::DistinctInstance if constraint.expression.as_deref().is_none_or(str::is_empty) => {
            Ok(())
        }
        PlacementConstraintType::DistinctInstance => {
            Err(EcsError::invalid_parameter("The placement constraint distinctInstance takes no expression."))
        }
        PlacementConstraintType::Unspecified => {
            Err(EcsError::invalid_parameter("A placement constraint must have a type."))
        }
    })
}

/// Checks the placement of a request or a service beside its task definition and its launch type: Fargate has neither
/// constraints nor strategies (ecs-semantics §2.4).
///
/// # Errors
/// `InvalidParameterException` with ECS's texts.
pub fn check_with_definition(
    constraints: &[PlacementConstraint],
    strategies: &[PlacementStrategy],
    definition: &TaskDefinition,
    launch_type: LaunchType,
) -> Result<(), EcsError> {
    check_constraints(constraints, definition.placement_constraints.len())?;
    if launch_type != LaunchType::Fargate {
        return Ok(());
    }
    let what = match (constraints.is_empty(), strategies.is_empty()) {
        (true, true) => return Ok(()),
        (false, _) => "constraints",
        (true, false) => "strategies",
    };
    Err(EcsError::invalid_parameter(format!("Placement {what} are not supported with FARGATE launch type.")))
}

/// Checks a task definition's constraints.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_definition_constraints(constraints: &[TaskDefinitionPlacementConstraint]) -> Result<(), EcsError> {
    check_constraints(&[], constraints.len())?;
    constraints.iter().try_for_each(|constraint| match constraint.r#type() {
        TaskDefinitionPlacementConstraintType::MemberOf => check_expression(constraint.expression.as_deref()),
        TaskDefinitionPlacementConstraintType::Unspecified => {
            Err(EcsError::invalid_parameter("A placement constraint must have a type."))
        }
    })
}

fn check_expression(expression: Option<&str>) -> Result<(), EcsError> {
    match expression.filter(|text| !text.is_empty()) {
        Some(text) => Ok(Expression::parse(text).map(drop)?),
        None => Err(EcsError::invalid_parameter("The placement constraint memberOf must have an expression.")),
    }
}

/// Checks a request's strategies: spread by `instanceId`, `host` or `attribute:NAME`, binpack by `cpu` or `memory`, random
/// by nothing.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_strategies(strategies: &[PlacementStrategy]) -> Result<(), EcsError> {
    if strategies.len() > STRATEGIES_MAX {
        return Err(EcsError::invalid_parameter(format!(
            "There can be at most {STRATEGIES_MAX} placement strategies."
        )));
    }
    strategies.iter().try_for_each(|strategy| {
        let field = strategy.field.as_deref().unwrap_or_default();
        let good = match strategy.r#type() {
            PlacementStrategyType::Random => field.is_empty(),
            PlacementStrategyType::Binpack => field.eq_ignore_ascii_case("cpu") || field.eq_ignore_ascii_case("memory"),
            PlacementStrategyType::Spread => {
                let is_instance = field.eq_ignore_ascii_case("instanceId") || field.eq_ignore_ascii_case("host");
                is_instance || field.strip_prefix("attribute:").is_some_and(|name| !name.is_empty())
            }
            PlacementStrategyType::Unspecified => false,
        };
        if good {
            Ok(())
        } else {
            Err(EcsError::invalid_parameter(format!("Invalid placement strategy field '{field}'.")))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // rule: 2.7/placement-caps
    // rule: 2.7/placement-caps, 2.4/spread-fields, 2.4/random
    #[test]
    fn strategies() {
        for (text, good) in [
            (r#"[]"#, true),
            (
                r#"[{"type": "spread", "field": "attribute:ecs.availability-zone"}, {"type": "binpack", "field": "memory"}]"#,
                true,
            ),
            (
                r#"[{"type": "spread", "field": "instanceId"}, {"type": "spread", "field": "host"}, {"type": "random"}]"#,
                true,
            ),
            (r#"[{"type": "spread", "field": "attribute:"}]"#, false),
            (r#"[{"type": "spread"}]"#, false),
            (r#"[{"type": "binpack", "field": "gpu"}]"#, false),
            (r#"[{"type": "random", "field": "cpu"}]"#, false),
            (r#"[{"field": "cpu"}]"#, false),
            (
                r#"[{"type":"random"},{"type":"random"},{"type":"random"},{"type":"random"},{"type":"random"},{"type":"random"}]"#,
                false,
            ),
        ] {
            let strategies: Vec<PlacementStrategy> = serde_json::from_str(text).unwrap();
            assert_eq!(check_strategies(&strategies).is_ok(), good, "{text}");
        }
    }

    // rule: 2.7/placement-caps
    // rule: 2.7/placement-caps
    #[test]
    fn constraints() {
        let long = format!("attribute:a == {}", "x".repeat(1_986));
        for (text, good) in [
            (r#"[{"type": "distinctInstance"}]"#.to_owned(), true),
            (r#"[{"type": "memberOf", "expression": "attribute:stack == blue"}]"#.to_owned(), true),
            (format!(r#"[{{"type": "memberOf", "expression": "{}"}}]"#, &long[..2_000]), true),
            (format!(r#"[{{"type": "memberOf", "expression": "{long}"}}]"#), false),
            (r#"[{"type": "memberOf"}]"#.to_owned(), false),
            (r#"[{"type": "distinctInstance", "expression": "x"}]"#.to_owned(), false),
            (r#"[{}]"#.to_owned(), false),
        ] {
            let constraints: Vec<PlacementConstraint> = serde_json::from_str(&text).unwrap();
            assert_eq!(check_constraints(&constraints, 0).is_ok(), good, "{text}");
            assert!(check_constraints(&constraints, 10).is_err());
        }
    }
}
