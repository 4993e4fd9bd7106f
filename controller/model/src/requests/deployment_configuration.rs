//! `deploymentConfiguration` of CreateService and UpdateService: ranges, and what belongs together (ecs-semantics §2.3).

use drydock_proto::ecs::{
    DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentEarlySuccessCriteria, DeploymentLifecycleHook,
    DeploymentLifecycleHookStage, DeploymentStrategy, ServiceRevisionCleanup, ThresholdType,
};

use crate::deployment::{BAKE_MINUTES_MAX, CANARY_MIN, HOOK_TIMEOUT_MINUTES_MAX, STEP_MIN, percent, strategy, tenths};
use crate::error::EcsError;

/// Hooks of a service.
pub const HOOKS_MAX: usize = 20;

/// What the service itself says about how it may be deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployed {
    /// schedulingStrategy DAEMON.
    pub daemon: bool,
    /// The deployment controller is ECS.
    pub by_ecs: bool,
}

fn refuse<T>(text: impl Into<String>) -> Result<T, EcsError> {
    Err(EcsError::invalid_parameter(text))
}

/// What a request gives, member by member. BLUE_GREEN wants its bake time in the request that chooses it.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_given(given: &DeploymentConfiguration) -> Result<(), EcsError> {
    if given.strategy() == DeploymentStrategy::BlueGreen && given.bake_time_in_minutes.is_none() {
        return refuse("bakeTimeInMinutes must be specified when the deployment strategy is BLUE_GREEN.");
    }
    check_minutes("bakeTimeInMinutes", given.bake_time_in_minutes)?;
    if let Some(breaker) = &given.deployment_circuit_breaker {
        check_breaker(breaker)?;
    }
    if let Some(linear) = &given.linear_configuration {
        check_percent("stepPercent", linear.step_percent, STEP_MIN)?;
        check_minutes("stepBakeTimeInMinutes", linear.step_bake_time_in_minutes)?;
    }
    if let Some(canary) = &given.canary_configuration {
        check_percent("canaryPercent", canary.canary_percent, CANARY_MIN)?;
        check_minutes("canaryBakeTimeInMinutes", canary.canary_bake_time_in_minutes)?;
    }
    if let Some(criteria) = &given.early_success_criteria {
        check_criteria(criteria)?;
    }
    let hooks = given.lifecycle_hooks.as_ref().map_or(&[][..], |list| &list.items);
    if hooks.len() > HOOKS_MAX {
        return refuse(format!("lifecycleHooks cannot have more than {HOOKS_MAX} elements."));
    }
    hooks.iter().try_for_each(check_hook)
}

/// The whole as it takes effect: what a strategy, a scheduling strategy and a controller allow.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_whole(whole: &DeploymentConfiguration, service: Deployed) -> Result<(), EcsError> {
    let strategy = strategy(whole);
    let rolling = strategy == DeploymentStrategy::Rolling;
    let name = strategy.as_str_name().trim_start_matches("DEPLOYMENT_STRATEGY_");
    let enabled = |breaker: &DeploymentCircuitBreaker| breaker.enable == Some(true);
    if !rolling && !service.by_ecs {
        return refuse(format!("The {name} deployment strategy is only supported with the ECS deployment controller."));
    }
    if !rolling && service.daemon {
        return refuse(format!("The {name} deployment strategy is not supported for services of type DAEMON."));
    }
    if whole.deployment_circuit_breaker.as_ref().is_some_and(enabled) && !(rolling && service.by_ecs) {
        return refuse(
            "The deployment circuit breaker can only be used with the ROLLING deployment strategy and the ECS deployment controller.",
        );
    }
    if whole.linear_configuration.is_some() && strategy != DeploymentStrategy::Linear {
        return refuse("linearConfiguration is only valid when the deployment strategy is LINEAR.");
    }
    if whole.canary_configuration.is_some() && strategy != DeploymentStrategy::Canary {
        return refuse("canaryConfiguration is only valid when the deployment strategy is CANARY.");
    }
    if rolling && whole.bake_time_in_minutes.is_some_and(|minutes| minutes > 0) {
        return refuse("bakeTimeInMinutes is not valid when the deployment strategy is ROLLING.");
    }
    if rolling && whole.lifecycle_hooks.as_ref().is_some_and(|list| !list.items.is_empty()) {
        return refuse("lifecycleHooks are not valid when the deployment strategy is ROLLING.");
    }
    match whole.early_success_criteria.as_ref().filter(|criteria| criteria.enable == Some(true)) {
        Some(_) if !(rolling && service.by_ecs) => {
            refuse("earlySuccessCriteria can only be used with the ROLLING deployment strategy.")
        }
        Some(criteria) if criteria.healthy_percent < whole.minimum_healthy_percent => {
            refuse("The healthyPercent of earlySuccessCriteria must be greater than or equal to minimumHealthyPercent.")
        }
        _ => Ok(()),
    }
}

fn check_minutes(name: &str, minutes: Option<i32>) -> Result<(), EcsError> {
    match minutes {
        Some(minutes) if !u32::try_from(minutes).is_ok_and(|minutes| minutes <= BAKE_MINUTES_MAX) => {
            refuse(format!("{name} must be between 0 and {BAKE_MINUTES_MAX}."))
        }
        _ => Ok(()),
    }
}

fn check_percent(name: &str, given: Option<f64>, min: u32) -> Result<(), EcsError> {
    match given {
        Some(given) if tenths(given).is_none_or(|tenths| tenths < min) => {
            refuse(format!("{name} must be a multiple of 0.1 from {:?} to 100.0.", percent(min)))
        }
        _ => Ok(()),
    }
}

fn check_breaker(breaker: &DeploymentCircuitBreaker) -> Result<(), EcsError> {
    let Some(given) = &breaker.threshold_configuration else { return Ok(()) };
    if given.r#type() == ThresholdType::Unspecified {
        return refuse("thresholdConfiguration must have a type.");
    }
    match given.value {
        None => refuse("thresholdConfiguration must have a value."),
        Some(value) if value < 1 => refuse("The value of thresholdConfiguration must be at least 1."),
        Some(_) => Ok(()),
    }
}

fn check_criteria(criteria: &DeploymentEarlySuccessCriteria) -> Result<(), EcsError> {
    if criteria.healthy_percent.is_some_and(|percent| !(0..=100).contains(&percent)) {
        return refuse("The healthyPercent of earlySuccessCriteria must be between 0 and 100.");
    }
    let cleanup = criteria.source_service_revision_cleanup();
    let whole = criteria.healthy_percent.is_some() && cleanup != ServiceRevisionCleanup::Unspecified;
    if criteria.enable == Some(true) && !whole {
        return refuse("earlySuccessCriteria must have healthyPercent and sourceServiceRevisionCleanup when enabled.");
    }
    Ok(())
}

/// A PAUSE hook: the other type is refused by [`crate::refusals`].
fn check_hook(hook: &DeploymentLifecycleHook) -> Result<(), EcsError> {
    if hook.lifecycle_stages.is_empty() {
        return refuse("A lifecycle hook must have at least one lifecycleStage.");
    }
    let lambda_only =
        [DeploymentLifecycleHookStage::TestTrafficShift, DeploymentLifecycleHookStage::ProductionTrafficShift];
    if hook.lifecycle_stages().any(|stage| lambda_only.contains(&stage)) {
        return refuse("PAUSE hooks cannot be configured at TEST_TRAFFIC_SHIFT or PRODUCTION_TRAFFIC_SHIFT.");
    }
    if hook.hook_target_arn.is_some() || hook.role_arn.is_some() || hook.hook_details.is_some() {
        return refuse("hookTargetArn, roleArn and hookDetails are not valid for a PAUSE hook.");
    }
    let minutes = hook.timeout_configuration.as_ref().and_then(|timeout| timeout.timeout_in_minutes);
    let in_range = |minutes: i32| u32::try_from(minutes).is_ok_and(|m| (1..=HOOK_TIMEOUT_MINUTES_MAX).contains(&m));
    match minutes {
        Some(minutes) if !in_range(minutes) => {
            refuse(format!("timeoutInMinutes must be between 1 and {HOOK_TIMEOUT_MINUTES_MAX}."))
        }
        _ => Ok(()),
    }
}
