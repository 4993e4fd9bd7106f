//! What Fargate bills (ecs-semantics §2.2): seconds of vCPU, memory and storage, and their prices.
//!
//! What a task used is kept apart from what it costs: usage adds up exactly and outlives a change of prices, so replicas
//! of two builds agree on it. Money is made of it on reading, in nano-dollars. No floats.

use std::collections::BTreeMap;

use crate::fargate;

/// The month of the list prices (ecs-semantics §2.2): as they were quoted then, not asked of AWS.
pub const PRICES_OF: &str = "2026-06";
/// Where they hold.
pub const PRICES_IN: &str = "us-east-1";
/// Where AWS publishes them.
pub const PRICES_FROM: &str = "https://aws.amazon.com/fargate/pricing/";

/// A task is billed for at least so many seconds.
pub const SECONDS_MIN: u64 = 60;
/// GiB of ephemeral storage that cost nothing.
pub const STORAGE_FREE_GIB: u32 = 20;
/// What Spot costs, in percent of the price for vCPU and memory: about 70 % less.
pub const SPOT_PERCENT: u128 = 30;
/// Nano-dollars for a GiB-hour of ephemeral storage above [`STORAGE_FREE_GIB`].
pub const STORAGE_GIB_HOUR: u128 = 111_000;

const HOUR_SECONDS: u128 = 3_600;
const UNITS: u128 = 1_024;

/// A row of the price list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// Linux on x86.
    LinuxX86 = 1,
    /// The same on Spot.
    LinuxX86Spot = 2,
    /// Linux on ARM.
    LinuxArm = 3,
    /// The same on Spot.
    LinuxArmSpot = 4,
    /// Windows on x86, with its licence. There is no Spot for it.
    Windows = 5,
}

impl Rate {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::LinuxX86, Self::LinuxX86Spot, Self::LinuxArm, Self::LinuxArmSpot, Self::Windows];

    /// The row for a task.
    #[must_use]
    pub const fn of(windows: bool, arm: bool, spot: bool) -> Self {
        match (windows, arm, spot) {
            (true, _, _) => Self::Windows,
            (_, true, true) => Self::LinuxArmSpot,
            (_, true, false) => Self::LinuxArm,
            (_, false, true) => Self::LinuxX86Spot,
            (_, false, false) => Self::LinuxX86,
        }
    }

    /// Its number in encodings.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The row of that number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|rate| rate.code() == code)
    }

    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinuxX86 => "Linux/X86_64",
            Self::LinuxX86Spot => "Linux/X86_64 Spot",
            Self::LinuxArm => "Linux/ARM64",
            Self::LinuxArmSpot => "Linux/ARM64 Spot",
            Self::Windows => "Windows/X86_64",
        }
    }

    /// Nano-dollars for a vCPU-hour (a licence counted in) and for a GB-hour, before Spot's discount.
    const fn prices(self) -> (u128, u128) {
        match self {
            Self::LinuxX86 | Self::LinuxX86Spot => (40_480_000, 4_445_000),
            Self::LinuxArm | Self::LinuxArmSpot => (32_380_000, 3_560_000),
            Self::Windows => (91_480_000 + 46_000_000, 10_050_000),
        }
    }

    const fn percent(self) -> u128 {
        match self {
            Self::LinuxX86Spot | Self::LinuxArmSpot => SPOT_PERCENT,
            Self::LinuxX86 | Self::LinuxArm | Self::Windows => 100,
        }
    }
}

/// What was used at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Tasks.
    pub tasks: u64,
    /// Seconds billed.
    pub seconds: u64,
    /// CPU units (1,024 a vCPU) times seconds.
    pub cpu_seconds: u64,
    /// MiB times seconds.
    pub mib_seconds: u64,
    /// GiB of ephemeral storage above the free ones, times seconds.
    pub storage_seconds: u64,
}

impl Amount {
    fn add(&mut self, other: &Self) {
        self.tasks = self.tasks.saturating_add(other.tasks);
        self.seconds = self.seconds.saturating_add(other.seconds);
        self.cpu_seconds = self.cpu_seconds.saturating_add(other.cpu_seconds);
        self.mib_seconds = self.mib_seconds.saturating_add(other.mib_seconds);
        self.storage_seconds = self.storage_seconds.saturating_add(other.storage_seconds);
    }
}

/// What tasks used, by rate. Adds up exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage(BTreeMap<Rate, Amount>);

impl Usage {
    /// Adds what other tasks used.
    pub fn add(&mut self, other: &Self) {
        for (rate, amount) in &other.0 {
            self.0.entry(*rate).or_default().add(amount);
        }
    }

    /// By rate.
    pub fn amounts(&self) -> impl Iterator<Item = (Rate, Amount)> + '_ {
        self.0.iter().map(|(rate, amount)| (*rate, *amount))
    }

    /// How many tasks it is of.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.0.values().fold(0, |sum, amount| sum.saturating_add(amount.tasks))
    }

    /// Seconds billed.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.0.values().fold(0, |sum, amount| sum.saturating_add(amount.seconds))
    }

    /// What it costs, in nano-dollars, rounded down once.
    #[must_use]
    pub fn nano_dollars(&self) -> u64 {
        let parts = self.amounts().map(|(rate, amount)| {
            let (vcpu, gb) = rate.prices();
            let size = vcpu * u128::from(amount.cpu_seconds) + gb * u128::from(amount.mib_seconds);
            size * rate.percent() + STORAGE_GIB_HOUR * UNITS * 100 * u128::from(amount.storage_seconds)
        });
        let sum = parts.fold(0_u128, u128::saturating_add);
        u64::try_from(sum / (UNITS * HOUR_SECONDS * 100)).unwrap_or(u64::MAX)
    }
}

impl FromIterator<(Rate, Amount)> for Usage {
    fn from_iter<I: IntoIterator<Item = (Rate, Amount)>>(amounts: I) -> Self {
        Self(amounts.into_iter().collect())
    }
}

/// What one task is billed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// The row of the price list.
    pub rate: Rate,
    /// CPU units of the task's size.
    pub cpu: u32,
    /// MiB of the task's size.
    pub memory_mib: u32,
    /// GiB of ephemeral storage above the free ones.
    pub storage_gib: u32,
    /// Seconds billed.
    pub seconds: u64,
}

impl Bill {
    /// As usage.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let times = |of: u32| self.seconds.saturating_mul(u64::from(of));
        let amount = Amount {
            tasks: 1,
            seconds: self.seconds,
            cpu_seconds: times(self.cpu),
            mib_seconds: times(self.memory_mib),
            storage_seconds: times(self.storage_gib),
        };
        std::iter::once((self.rate, amount)).collect()
    }

    /// What an hour of it costs, in nano-dollars.
    #[must_use]
    pub fn nano_dollars_an_hour(&self) -> u64 {
        Self { seconds: 3_600, ..*self }.usage().nano_dollars()
    }
}

/// Seconds billed for a time in milliseconds: those begun, and [`SECONDS_MIN`] at least.
#[must_use]
pub const fn seconds(ms: u64) -> u64 {
    let begun = ms.div_ceil(1_000);
    if begun < SECONDS_MIN { SECONDS_MIN } else { begun }
}

/// The smallest Fargate size, in CPU units and MiB, that holds so much; `None` where none does.
#[must_use]
pub fn smallest_size(cpu: u32, memory_mib: u32, windows: bool) -> Option<(u32, u32)> {
    fargate::sizes().find(|size| fargate::is_size(size.0, size.1, windows) && size.0 >= cpu && size.1 >= memory_mib)
}

/// Nano-dollars as dollars: `0.001234567`.
#[must_use]
pub fn dollars(nano: u64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bill(rate: Rate, cpu: u32, memory_mib: u32, storage_gib: u32, seconds: u64) -> Bill {
        Bill { rate, cpu, memory_mib, storage_gib, seconds }
    }

    /// Each figure is worked out by hand from the list of §2.2.
    // rule: 2.2/billing-prices, 2.2/billing-ephemeral, 2.2/billing-spot
    #[test]
    fn prices() {
        for (what, bill, expected) in [
            // 1 × 0.04048 + 2 × 0.004445
            ("1 vCPU, 2 GB, 1 h", bill(Rate::LinuxX86, 1024, 2048, 0, 3_600), "0.049370000"),
            // a quarter of 0.04048 and half of 0.004445, for a minute: 0.0123425 / 60
            ("0.25 vCPU, 0.5 GB, 1 min", bill(Rate::LinuxX86, 256, 512, 0, 60), "0.000205708"),
            // 1 × 0.03238 + 2 × 0.00356
            ("on ARM", bill(Rate::LinuxArm, 1024, 2048, 0, 3_600), "0.039500000"),
            // 1 × (0.09148 + 0.046) + 2 × 0.01005
            ("on Windows", bill(Rate::Windows, 1024, 2048, 0, 3_600), "0.157580000"),
            // 30 % of 0.04937
            ("on Spot", bill(Rate::LinuxX86Spot, 1024, 2048, 0, 3_600), "0.014811000"),
            // 30 % of 0.0395
            ("on Spot with ARM", bill(Rate::LinuxArmSpot, 1024, 2048, 0, 3_600), "0.011850000"),
            // 0.04937 + 80 × 0.000111
            ("with 100 GiB", bill(Rate::LinuxX86, 1024, 2048, 80, 3_600), "0.058250000"),
            // Storage has no discount: 0.014811 + 80 × 0.000111
            ("with 100 GiB on Spot", bill(Rate::LinuxX86Spot, 1024, 2048, 80, 3_600), "0.023691000"),
            // 30 days of 32 vCPU and 244 GB: 720 × (32 × 0.04048 + 244 × 0.004445)
            ("the largest, 30 days", bill(Rate::LinuxX86, 32_768, 249_856, 0, 2_592_000), "1713.556800000"),
        ] {
            assert_eq!(dollars(bill.usage().nano_dollars()), expected, "{what}");
        }
        assert_eq!(dollars(bill(Rate::LinuxX86, 1024, 2048, 0, 1).nano_dollars_an_hour()), "0.049370000");
    }

    // rule: 2.2/billing-seconds
    #[test]
    fn seconds_begun_count_and_a_minute_at_least() {
        for (ms, expected) in [(0, 60), (1, 60), (59_999, 60), (60_000, 60), (60_001, 61), (3_600_000, 3_600)] {
            assert_eq!(seconds(ms), expected, "{ms}");
        }
    }

    #[test]
    fn sizes_of_what_has_none() {
        for (cpu, memory, windows, expected) in [
            (0, 0, false, Some((256, 512))),
            (128, 320, false, Some((256, 512))),
            (256, 2_049, false, Some((512, 3_072))),
            (1_025, 1, false, Some((2_048, 4_096))),
            (100, 100, true, Some((1_024, 2_048))),
            (100, 100_000, false, Some((16_384, 106_496))),
            (5_000, 100, true, None),
            (1, 249_857, false, None),
            (32_769, 1, false, None),
        ] {
            assert_eq!(smallest_size(cpu, memory, windows), expected, "{cpu}/{memory}");
        }
    }

    #[test]
    fn rates_are_found_by_their_numbers() {
        for rate in Rate::ALL {
            assert_eq!(Rate::from_code(rate.code()), Some(rate));
        }
        assert_eq!(Rate::from_code(0), None);
    }

    fn any_bill() -> impl Strategy<Value = Bill> {
        let rate = prop::sample::select(Rate::ALL.to_vec());
        let size = prop::sample::select(fargate::sizes().collect::<Vec<_>>());
        (rate, size, 0_u32..180, 60_u64..10_000_000).prop_map(|(rate, (cpu, mib), gib, s)| bill(rate, cpu, mib, gib, s))
    }

    proptest! {
        /// Usage adds up whatever the order; money differs from the sum of its parts by less than a nano-dollar each.
        #[test]
        fn usage_adds_up(bills in prop::collection::vec(any_bill(), 1..20)) {
            let sum = |bills: &mut dyn Iterator<Item = &Bill>| {
                let mut all = Usage::default();
                bills.for_each(|bill| all.add(&bill.usage()));
                all
            };
            let all = sum(&mut bills.iter());
            prop_assert_eq!(&all, &sum(&mut bills.iter().rev()));
            let parts: u64 = bills.iter().map(|bill| bill.usage().nano_dollars()).sum();
            let count = u64::try_from(bills.len()).unwrap();
            prop_assert_eq!((all.tasks(), all.seconds()), (count, bills.iter().map(|bill| bill.seconds).sum()));
            prop_assert!(parts <= all.nano_dollars() && all.nano_dollars() <= parts + count);
        }

        /// More of anything never costs less, and Spot never more.
        #[test]
        fn more_costs_more(bill in any_bill(), more in 1_u64..100_000, ms: u32, later: u32) {
            let longer = Bill { seconds: bill.seconds + more, ..bill };
            prop_assert!(longer.usage().nano_dollars() >= bill.usage().nano_dollars());
            prop_assert!(seconds(u64::from(ms)) <= seconds(u64::from(ms) + u64::from(later)));
            for (full, spot) in [(Rate::LinuxX86, Rate::LinuxX86Spot), (Rate::LinuxArm, Rate::LinuxArmSpot)] {
                let (full, spot) = (Bill { rate: full, ..bill }, Bill { rate: spot, ..bill });
                prop_assert!(spot.usage().nano_dollars() <= full.usage().nano_dollars());
            }
        }
    }
}
