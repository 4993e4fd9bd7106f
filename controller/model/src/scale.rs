//! The scale of a task set: a percentage of its service's desired count (ecs-semantics §2.3, Controllers).
//!
//! ECS has it as a floating-point number. Deciders reckon without floats, so it is kept in millionths of a percent:
//! what a client writes with up to six decimals comes back as it was written, and `10.3` percent of 1,000 tasks are 103,
//! not the 104 that the nearest binary number would be rounded up to.

use drydock_proto::ecs;

use crate::error::EcsError;

/// Millionths in one percent.
const MILLIONTHS: u32 = 1_000_000;
/// Decimals that are kept.
const DECIMALS: usize = 6;

/// A percentage from 0 to 100, in millionths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(u32);

impl Percent {
    /// 100 %.
    pub const WHOLE: Self = Self(100 * MILLIONTHS);

    /// From millionths of a percent; `None` above 100 %.
    #[must_use]
    pub fn from_millionths(millionths: u32) -> Option<Self> {
        (millionths <= Self::WHOLE.0).then_some(Self(millionths))
    }

    /// In millionths of a percent.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// The percentage that a float means by its shortest decimal form; what goes beyond six decimals is rounded up, so
    /// that no share of tasks is lost. `None` outside 0 to 100, and for what is no number.
    #[must_use]
    pub fn of(value: f64) -> Option<Self> {
        if !(0.0..=100.0).contains(&value) {
            return None;
        }
        let text = value.abs().to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let (kept, rest) = decimals.split_at(decimals.len().min(DECIMALS));
        let whole: u32 = whole.parse().ok()?;
        let kept: u32 = format!("{kept:0<DECIMALS$}").parse().ok()?;
        let more = u32::from(rest.bytes().any(|digit| digit != b'0'));
        Self::from_millionths(whole.checked_mul(MILLIONTHS)?.checked_add(kept)?.checked_add(more)?)
    }

    /// As ECS's number.
    #[must_use]
    pub fn value(self) -> f64 {
        let text = format!("{}.{:06}", self.0 / MILLIONTHS, self.0 % MILLIONTHS);
        text.parse().unwrap_or_default()
    }

    /// `computedDesiredCount`: this share of `desired` tasks, rounded up.
    #[must_use]
    pub fn share_of(self, desired: u32) -> u32 {
        let share = (u64::from(desired) * u64::from(self.0)).div_ceil(u64::from(Self::WHOLE.0));
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    /// The scale of a request: 0 % where it is absent or has no value.
    ///
    /// # Errors
    /// `InvalidParameterException`: outside 0 to 100.
    pub fn of_request(scale: Option<&ecs::Scale>) -> Result<Self, EcsError> {
        let value = scale.and_then(|scale| scale.value).unwrap_or_default();
        Self::of(value).ok_or_else(|| EcsError::invalid_parameter("Scale value must be between 0 and 100."))
    }

    /// As ECS shows it.
    #[must_use]
    pub fn render(self) -> ecs::Scale {
        ecs::Scale { value: Some(self.value()), unit: Some(ecs::ScaleUnit::Percent.into()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Percent;

    #[test]
    fn a_share_is_rounded_up() {
        for (value, desired, share) in [
            (0.0, 10, 0),
            (100.0, 10, 10),
            (50.0, 1, 1),
            (50.0, 3, 2),
            (33.3, 3, 1),
            (34.0, 3, 2),
            // Documented by AWS: 1.2 tasks are 2.
            (12.0, 10, 2),
            (10.3, 1_000, 103),
            (0.000_001, 5_000, 1),
            (1e-300, 5_000, 1),
            (100.0, 0, 0),
            (99.9, 5_000, 4_995),
        ] {
            assert_eq!(Percent::of(value).map(|scale| scale.share_of(desired)), Some(share), "{value} % of {desired}");
        }
    }

    #[test]
    fn only_0_to_100_is_a_percentage() {
        for value in [-0.1, 100.000_001, 101.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            assert_eq!(Percent::of(value), None, "{value}");
        }
        assert_eq!(Percent::of(-0.0), Percent::of(0.0));
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(millionths in 0..=100_000_000_u32) {
            let scale = Percent::from_millionths(millionths).unwrap();
            prop_assert_eq!(Percent::of(scale.value()), Some(scale));
        }

        #[test]
        fn shares_of_a_whole_cover_it(parts in proptest::collection::vec(0.0..=100.0_f64, 1..5), desired in 0..5_000_u32) {
            let scales: Vec<Percent> = parts.iter().filter_map(|part| Percent::of(*part)).collect();
            let sum: u64 = scales.iter().map(|scale| u64::from(scale.share_of(desired))).sum();
            let whole: u64 = scales.iter().map(|scale| u64::from(scale.millionths())).sum();
            let exact = (u64::from(desired) * whole).div_ceil(100_000_000);
            prop_assert!(sum >= exact && sum < exact + u64::try_from(scales.len()).unwrap());
            prop_assert!(scales.iter().all(|scale| scale.share_of(desired) <= desired));
        }
    }
}
