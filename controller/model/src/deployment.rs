//! The figures of a deployment (ecs-semantics §2.3): the circuit breaker's threshold, and how a strategy shifts traffic.
//!
//! Pure functions of the configuration and a count. Percentages with a tenth are whole numbers of tenths here: nothing
//! that is decided may rest on a float.

use drydock_proto::ecs::{DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentStrategy, ThresholdType};

/// `thresholdConfiguration.value` where none is given, in percent of desiredCount.
pub const THRESHOLD_PERCENT_DEFAULT: u32 = 50;
/// The lowest threshold of BOUNDED_PERCENT.
pub const THRESHOLD_MIN: u32 = 3;
/// The highest threshold of BOUNDED_PERCENT.
pub const THRESHOLD_MAX: u32 = 200;

/// All traffic, in tenths of a percent.
pub const ALL_TRAFFIC: u32 = 1_000;
/// `stepPercent` where none is given, in tenths of a percent.
pub const STEP_DEFAULT: u32 = 100;
/// The smallest `stepPercent`, in tenths of a percent.
pub const STEP_MIN: u32 = 30;
/// `stepBakeTimeInMinutes` where none is given.
pub const STEP_BAKE_MINUTES_DEFAULT: u32 = 6;
/// `canaryPercent` where none is given, in tenths of a percent.
pub const CANARY_DEFAULT: u32 = 50;
/// The smallest `canaryPercent`, in tenths of a percent.
pub const CANARY_MIN: u32 = 1;
/// `canaryBakeTimeInMinutes` where none is given.
pub const CANARY_BAKE_MINUTES_DEFAULT: u32 = 10;
/// The longest of each bake time: 24 hours.
pub const BAKE_MINUTES_MAX: u32 = 1_440;
/// `timeoutInMinutes` of a hook where none is given.
pub const HOOK_TIMEOUT_MINUTES_DEFAULT: u32 = 1_440;
/// The longest `timeoutInMinutes` of a hook: 14 days.
pub const HOOK_TIMEOUT_MINUTES_MAX: u32 = 20_160;

/// How many failed tasks trip the circuit breaker, with the latest `desired` count; at least 1. BOUNDED_PERCENT, the
/// default, lies between [`THRESHOLD_MIN`] and [`THRESHOLD_MAX`].
#[must_use]
pub fn threshold(breaker: &DeploymentCircuitBreaker, desired: u32) -> u32 {
    let given = breaker.threshold_configuration.as_ref();
    let value = given.and_then(|given| given.value).and_then(|value| u32::try_from(value).ok());
    let value = value.unwrap_or(THRESHOLD_PERCENT_DEFAULT);
    let scaled = (u64::from(value) * u64::from(desired)).div_ceil(100);
    let scaled = u32::try_from(scaled).unwrap_or(u32::MAX);
    match given.map_or(ThresholdType::Unspecified, |given| given.r#type()) {
        ThresholdType::Count => value.max(1),
        ThresholdType::UnboundedPercent => scaled.max(1),
        ThresholdType::BoundedPercent | ThresholdType::Unspecified => scaled.clamp(THRESHOLD_MIN, THRESHOLD_MAX),
    }
}

/// Whether a task that becomes healthy sets the breaker's count to 0: yes unless told otherwise.
#[must_use]
pub fn resets_on_healthy_task(breaker: &DeploymentCircuitBreaker) -> bool {
    breaker.reset_on_healthy_task != Some(false)
}

/// A percentage in tenths of a percent; `None` where it isn't a multiple of 0.1, or is out of 0 to 100.
#[must_use]
pub fn tenths(percent: f64) -> Option<u32> {
    // By its decimal digits, as its sender wrote them.
    let text = format!("{percent}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let (whole, part): (u32, u32) = match part.len() {
        1 => (whole.parse().ok()?, part.parse().ok()?),
        _ => return None,
    };
    Some(whole.checked_mul(10)? + part).filter(|tenths| *tenths <= ALL_TRAFFIC)
}

/// The percentage of tenths of a percent, as the API tells it.
#[must_use]
pub fn percent(tenths: u32) -> f64 {
    format!("{}.{}", tenths / 10, tenths % 10).parse().unwrap_or_default()
}

/// How a deployment's strategy shifts production traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Its strategy; ROLLING shifts nothing.
    pub strategy: DeploymentStrategy,
    /// What the first step (CANARY) or each one (LINEAR) shifts, in tenths of a percent.
    pub step: u32,
    /// Minutes between steps; none after the last.
    pub step_bake_minutes: u32,
    /// Minutes for which both revisions run once all traffic is shifted.
    pub bake_minutes: u32,
}

impl Shift {
    /// Of a configuration, with ECS's defaults. Figures that ECS would refuse count as not given.
    #[must_use]
    pub fn of(configuration: &DeploymentConfiguration) -> Self {
        let minutes = |given: Option<i32>, default: u32| {
            given.and_then(|given| u32::try_from(given).ok()).unwrap_or(default).min(BAKE_MINUTES_MAX)
        };
        let of_percent = |given: Option<f64>, min: u32, default: u32| {
            given.and_then(tenths).filter(|tenths| *tenths >= min).unwrap_or(default)
        };
        let strategy = strategy(configuration);
        let (step, step_bake_minutes) = match strategy {
            DeploymentStrategy::Linear => {
                let given = configuration.linear_configuration.unwrap_or_default();
                let bake = minutes(given.step_bake_time_in_minutes, STEP_BAKE_MINUTES_DEFAULT);
                (of_percent(given.step_percent, STEP_MIN, STEP_DEFAULT), bake)
            }
            DeploymentStrategy::Canary => {
                let given = configuration.canary_configuration.unwrap_or_default();
                let bake = minutes(given.canary_bake_time_in_minutes, CANARY_BAKE_MINUTES_DEFAULT);
                (of_percent(given.canary_percent, CANARY_MIN, CANARY_DEFAULT), bake)
            }
            _ => (ALL_TRAFFIC, 0),
        };
        Self { strategy, step, step_bake_minutes, bake_minutes: minutes(configuration.bake_time_in_minutes, 0) }
    }

    /// The new revision's share of production traffic after the step that follows `weight`, in tenths of a percent.
    #[must_use]
    pub fn next(self, weight: u32) -> u32 {
        match self.strategy {
            DeploymentStrategy::Linear => weight.saturating_add(self.step).min(ALL_TRAFFIC),
            DeploymentStrategy::Canary if weight == 0 => self.step.min(ALL_TRAFFIC),
            _ => ALL_TRAFFIC,
        }
    }
}

/// The strategy of a configuration; ROLLING where none is given.
#[must_use]
pub fn strategy(configuration: &DeploymentConfiguration) -> DeploymentStrategy {
    match configuration.strategy() {
        DeploymentStrategy::Unspecified => DeploymentStrategy::Rolling,
        given => given,
    }
}

#[cfg(test)]
mod tests {
    use drydock_proto::ecs::{CanaryConfiguration, LinearConfiguration, ThresholdConfiguration};

    use super::*;

    fn breaker(kind: Option<ThresholdType>, value: i32) -> DeploymentCircuitBreaker {
        DeploymentCircuitBreaker {
            enable: Some(true),
            threshold_configuration: kind
                .map(|kind| ThresholdConfiguration { r#type: Some(kind.into()), value: Some(value) }),
            ..Default::default()
        }
    }

    // rule: 2.3/breaker-threshold, 2.3/breaker-unbounded, 2.3/breaker-count, 2.3/breaker-examples
    #[test]
    fn the_threshold_follows_its_type_and_the_desired_count() {
        use ThresholdType::{BoundedPercent, Count, UnboundedPercent};
        for (kind, value, desired, expected) in [
            // The default, with the examples of ECS's own page.
            (None, 0, 0, 3),
            (None, 0, 1, 3),
            (None, 0, 25, 13),
            (None, 0, 400, 200),
            (None, 0, 800, 200),
            (Some(BoundedPercent), 50, 25, 13),
            (Some(BoundedPercent), 10, 45, 5),
            (Some(BoundedPercent), 10, 10, 3),
            (Some(BoundedPercent), 100, 5_000, 200),
            (Some(UnboundedPercent), 50, 1, 1),
            (Some(UnboundedPercent), 50, 0, 1),
            (Some(UnboundedPercent), 50, 800, 400),
            (Some(UnboundedPercent), 300, 2, 6),
            (Some(Count), 7, 1, 7),
            (Some(Count), 1, 5_000, 1),
            (Some(Count), i32::MAX, 1, 2_147_483_647),
        ] {
            assert_eq!(threshold(&breaker(kind, value), desired), expected, "{kind:?} {value} of {desired}");
        }
    }

    #[test]
    fn tenths_of_a_percent() {
        for (given, expected) in [
            (0.0, Some(0)),
            (0.1, Some(1)),
            (12.5, Some(125)),
            (33.3, Some(333)),
            (100.0, Some(1_000)),
            (100.1, None),
            (12.25, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ] {
            assert_eq!(tenths(given), expected, "{given}");
        }
        for of in 0..=ALL_TRAFFIC {
            assert_eq!(tenths(percent(of)), Some(of));
        }
    }

    fn weights(configuration: &DeploymentConfiguration) -> Vec<u32> {
        let shift = Shift::of(configuration);
        let mut weights = vec![0];
        while let Some(last) = weights.last().copied().filter(|last| *last < ALL_TRAFFIC) {
            weights.push(shift.next(last));
        }
        weights
    }

    // rule: 2.3/linear-ranges, 2.3/canary-ranges
    #[test]
    fn traffic_is_shifted_as_the_strategy_says() {
        let of = |strategy: DeploymentStrategy| DeploymentConfiguration {
            strategy: Some(strategy.into()),
            ..Default::default()
        };
        let linear = |step, bake| DeploymentConfiguration {
            linear_configuration: Some(LinearConfiguration {
                step_percent: Some(step),
                step_bake_time_in_minutes: Some(bake),
            }),
            ..of(DeploymentStrategy::Linear)
        };
        let canary = |step, bake| DeploymentConfiguration {
            canary_configuration: Some(CanaryConfiguration {
                canary_percent: Some(step),
                canary_bake_time_in_minutes: Some(bake),
            }),
            ..of(DeploymentStrategy::Canary)
        };
        assert_eq!(weights(&of(DeploymentStrategy::BlueGreen)), [0, 1_000]);
        let tens: Vec<u32> = (0..=10).map(|step| step * 100).collect();
        assert_eq!(weights(&of(DeploymentStrategy::Linear)), tens);
        assert_eq!(weights(&linear(33.4, 1)), [0, 334, 668, 1_000]);
        assert_eq!(weights(&linear(100.0, 1)), [0, 1_000]);
        assert_eq!(weights(&of(DeploymentStrategy::Canary)), [0, 50, 1_000]);
        assert_eq!(weights(&canary(0.1, 0)), [0, 1, 1_000]);
        assert_eq!(weights(&canary(100.0, 0)), [0, 1_000]);
        let bakes = |configuration: &DeploymentConfiguration| Shift::of(configuration).step_bake_minutes;
        assert_eq!(bakes(&of(DeploymentStrategy::Linear)), 6);
        assert_eq!(bakes(&of(DeploymentStrategy::Canary)), 10);
        assert_eq!(bakes(&of(DeploymentStrategy::BlueGreen)), 0);
        assert_eq!(bakes(&linear(50.0, 0)), 0);
        assert_eq!(bakes(&canary(5.0, 1_440)), 1_440);
    }
}
