//! A deployment configuration in words, as scripts write it, and what a script shows of a deployment beside its rollout.

use std::fmt::Write as _;

use drydock_model::deployment::{ALL_TRAFFIC, threshold};
use drydock_proto::ecs;
use drydock_state::row::{DeploymentRow, MonitorStatus, ServiceRow};

use super::percents;

/// From words: `min=N` `max=N` · `breaker=on|rollback` `threshold=TYPE:VALUE` `reset=no` · `strategy=BLUE_GREEN` `bake=MINUTES`
/// · `hook=STAGE[,STAGE][:MINUTES[:ACTION]]`, `hooks=none` · `early=PERCENT:CLEANUP`
pub fn configuration(words: &[&str]) -> ecs::DeploymentConfiguration {
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str, default: i32| value(key).map_or(default, |value| value.parse().unwrap());
    let mut given = percents(number("min", 100), number("max", 200));
    given.bake_time_in_minutes = value("bake").map(|minutes| minutes.parse().unwrap());
    if let Some(name) = value("strategy") {
        let name = format!("DEPLOYMENT_STRATEGY_{name}");
        given.set_strategy(ecs::DeploymentStrategy::from_str_name(&name).unwrap());
    }
    given.deployment_circuit_breaker = value("breaker").map(|mode| ecs::DeploymentCircuitBreaker {
        enable: Some(true),
        rollback: Some(mode == "rollback"),
        reset_on_healthy_task: value("reset").map(|reset| reset != "no"),
        threshold_configuration: value("threshold").map(|text| {
            let (name, value) = text.split_once(':').unwrap();
            let kind = ecs::ThresholdType::from_str_name(&format!("THRESHOLD_TYPE_{name}")).unwrap();
            ecs::ThresholdConfiguration { r#type: Some(kind.into()), value: Some(value.parse().unwrap()) }
        }),
    });
    let hooks: Vec<_> = words.iter().filter_map(|word| word.strip_prefix("hook=")).map(hook).collect();
    if !hooks.is_empty() || words.contains(&"hooks=none") {
        given.lifecycle_hooks = Some(ecs::DeploymentLifecycleHookList { items: hooks });
    }
    given.early_success_criteria = value("early").map(|text| {
        let (percent, cleanup) = text.split_once(':').unwrap();
        let name = format!("SERVICE_REVISION_CLEANUP_{cleanup}");
        ecs::DeploymentEarlySuccessCriteria {
            enable: Some(true),
            healthy_percent: Some(percent.parse().unwrap()),
            source_service_revision_cleanup: Some(ecs::ServiceRevisionCleanup::from_str_name(&name).unwrap().into()),
        }
    });
    given
}

/// A PAUSE hook.
fn hook(text: &str) -> ecs::DeploymentLifecycleHook {
    let mut parts = text.split(':');
    let stage = |name: &str| {
        let name = format!("DEPLOYMENT_LIFECYCLE_HOOK_STAGE_{name}");
        i32::from(ecs::DeploymentLifecycleHookStage::from_str_name(&name).unwrap())
    };
    let lifecycle_stages = parts.next().unwrap().split(',').map(stage).collect();
    let minutes = parts.next().map(|minutes| minutes.parse().unwrap());
    let action = parts.next().map(|name| {
        let name = format!("DEPLOYMENT_LIFECYCLE_HOOK_ACTION_{name}");
        i32::from(ecs::DeploymentLifecycleHookAction::from_str_name(&name).unwrap())
    });
    let timeout = ecs::DeploymentLifecycleHookTimeoutConfiguration { timeout_in_minutes: minutes, action };
    ecs::DeploymentLifecycleHook {
        target_type: Some(ecs::DeploymentLifecycleHookTargetType::Pause.into()),
        lifecycle_stages,
        timeout_configuration: minutes.map(|_| timeout),
        ..Default::default()
    }
}

/// The breaker's count and threshold, shares of traffic, hooks that wait, and the status of the ServiceDeployment that was
/// started last where the rollout doesn't tell it. Empty for a plain rolling deployment.
pub fn details(service: &ServiceRow, primary: &DeploymentRow, current: &DeploymentRow, name: &str) -> String {
    let mut out = String::new();
    if primary.breaker != MonitorStatus::Disabled {
        let given = primary.configuration.deployment_circuit_breaker.unwrap_or_default();
        let limit = primary.threshold.unwrap_or_else(|| threshold(&given, service.desired_count));
        let status = primary.breaker.as_str_name().rsplit("STATUS_").next().unwrap();
        let _ = write!(out, " breaker={}/{limit} {status}", primary.failure_count);
    }
    if current.production_traffic + current.test_traffic > 0 {
        let weight = |tenths: u32| if tenths == ALL_TRAFFIC { "all".to_owned() } else { format!("{tenths}‰") };
        let _ = write!(out, " test={} production={}", weight(current.test_traffic), weight(current.production_traffic));
    }
    for hook in current.hooks.iter() {
        let status = hook.status.as_str_name().trim_start_matches("DEPLOYMENT_LIFECYCLE_HOOK_STATUS_");
        let _ = write!(out, " hook {status}");
    }
    let plain = ["PENDING", "IN_PROGRESS", "SUCCESSFUL"];
    if !plain.contains(&current.status.as_str()) {
        let _ = write!(out, " {name} {}", current.status);
    }
    out
}
