//! Capacity providers and their strategies (ecs-semantics §2.4): what an instance serves, the form of names and
//! strategies, and how the tasks of one strategy are shared out. Pure functions of their arguments.

use std::cmp::Ordering;

use drydock_proto::ecs::{CapacityProviderStrategyItem, LaunchType};

use crate::arn::short_name;
use crate::error::EcsError;

/// Fargate's provider on demand: always there.
pub const FARGATE: &str = "FARGATE";
/// Fargate's provider of Spot capacity: always there.
pub const FARGATE_SPOT: &str = "FARGATE_SPOT";

/// Items of a strategy.
pub const STRATEGY_ITEMS_MAX: usize = 20;
/// Capacity providers of a cluster (ecs-semantics §2.7).
pub const PROVIDERS_MAX: usize = 20;
/// The largest `base`, in tasks.
pub const BASE_MAX: i32 = 100_000;
/// The largest `weight`.
pub const WEIGHT_MAX: i32 = 1_000;

/// What an instance serves: chosen by whoever starts its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Serves {
    /// A container instance whose resources Fargate tasks use, too.
    #[default]
    Both = 0,
    /// A container instance.
    Ec2 = 1,
    /// Capacity behind the scenes for Fargate tasks: never shown as a container instance.
    Fargate = 2,
}

impl Serves {
    /// By its number in the log; `None` for what this build doesn't know.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Both,
            1 => Self::Ec2,
            2 => Self::Fargate,
            _ => return None,
        })
    }

    /// Its number in the log.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// Whether EC2 tasks may be placed on it: then it is a container instance.
    #[must_use]
    pub const fn ec2(self) -> bool {
        matches!(self, Self::Both | Self::Ec2)
    }

    /// Whether Fargate tasks may be placed on it.
    #[must_use]
    pub const fn fargate(self) -> bool {
        matches!(self, Self::Both | Self::Fargate)
    }
}

/// Whether a provider is one of Fargate's two.
#[must_use]
pub fn is_fargate(provider: &str) -> bool {
    provider == FARGATE || provider == FARGATE_SPOT
}

/// The launch type of the tasks of a provider.
#[must_use]
pub fn launch_type_of(provider: &str) -> LaunchType {
    if is_fargate(provider) { LaunchType::Fargate } else { LaunchType::Ec2 }
}

/// One item of a strategy, by the provider's short name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// So many tasks go there before weights count.
    pub base: u32,
    /// Its share of the tasks beyond all bases.
    pub weight: u32,
}

/// The items of a strategy as ECS counts them: a missing base or weight is 0.
#[must_use]
pub fn items(strategy: &[CapacityProviderStrategyItem]) -> Vec<Item<'_>> {
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
    let item = |item: &'_ CapacityProviderStrategyItem| (number(item.base), number(item.weight));
    strategy
        .iter()
        .map(|given| {
            let (base, weight) = item(given);
            Item { provider: short_name(given.capacity_provider.as_deref().unwrap_or_default()), base, weight }
        })
        .collect()
}

/// Checks the form of a strategy (ecs-semantics §2.4). An empty one is none, and well formed.
///
/// # Errors
/// `InvalidParameterException`: more than [`STRATEGY_ITEMS_MAX`] items, an item without or with a repeated provider, a
/// base or weight out of bounds, more than one base, no weight above 0, Fargate beside Auto Scaling groups.
pub fn check_strategy(strategy: &[CapacityProviderStrategyItem]) -> Result<(), EcsError> {
    if strategy.is_empty() {
        return Ok(());
    }
    let refuse = |text: &str| Err(EcsError::invalid_parameter(text.to_owned()));
    if strategy.len() > STRATEGY_ITEMS_MAX {
        return Err(EcsError::invalid_parameter(format!(
            "A capacity provider strategy can contain a maximum of {STRATEGY_ITEMS_MAX} capacity providers."
        )));
    }
    if strategy.iter().any(|item| !(0..=BASE_MAX).contains(&item.base.unwrap_or(0))) {
        return Err(EcsError::invalid_parameter(format!("base must be between 0 and {BASE_MAX}.")));
    }
    if strategy.iter().any(|item| !(0..=WEIGHT_MAX).contains(&item.weight.unwrap_or(0))) {
        return Err(EcsError::invalid_parameter(format!("weight must be between 0 and {WEIGHT_MAX}.")));
    }
    let items = items(strategy);
    if items.iter().any(|item| item.provider.is_empty()) {
        return refuse("capacityProvider should not be null or empty.");
    }
    let repeated = |at: usize| items[..at].iter().any(|earlier| earlier.provider == items[at].provider);
    if (0..items.len()).any(repeated) {
        return refuse("A capacity provider strategy cannot name a capacity provider twice.");
    }
    if items.iter().filter(|item| item.base > 0).count() > 1 {
        return refuse("Only one capacity provider in a capacity provider strategy can have a base defined.");
    }
    if items.iter().all(|item| item.weight == 0) {
        return refuse(
            "At least one capacity provider of a capacity provider strategy must have a weight greater than zero.",
        );
    }
    let fargate = items.iter().filter(|item| is_fargate(item.provider)).count();
    if fargate > 0 && fargate < items.len() {
        return refuse(
            "A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and \
             Fargate providers. Specify one or the other and try again.",
        );
    }
    Ok(())
}

/// How far beyond its share a provider is with `count` tasks. The greatest gives a task up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus {
    /// Tasks beyond its base.
    beyond: u64,
    /// 0: its tasks beyond the base aren't wanted at all.
    weight: u64,
}

impl Surplus {
    /// Of a provider with so many tasks; `item` is absent where the strategy doesn't name it.
    #[must_use]
    pub fn of(item: Option<Item<'_>>, count: u32) -> Self {
        let (base, weight) = item.map_or((0, 0), |item| (item.base, item.weight));
        Self { beyond: count.saturating_sub(base).into(), weight: weight.into() }
    }
}

impl Ord for Surplus {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.beyond, other.beyond) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            // beyond / weight, without a division; a weight of 0 is beyond all others.
            (one, two) => match (self.weight, other.weight) {
                (0, 0) => one.cmp(&two),
                (0, _) => Ordering::Greater,
                (_, 0) => Ordering::Less,
                (first, second) => (one * second).cmp(&(two * first)),
            },
        }
    }
}

impl PartialOrd for Surplus {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The place in the strategy of the provider that the next task goes to, beside `counts` tasks of each.
///
/// The base is filled first; then the provider goes next that would be the least beyond its share, the earlier item
/// among equals. So counts follow the weights as closely as whole tasks can, and a task that is lost is replaced where
/// it was. `None` where no item may take a task.
#[must_use]
pub fn next(items: &[Item<'_>], counts: &[u32]) -> Option<usize> {
    let count = |at: usize| counts.get(at).copied().unwrap_or(0);
    if let Some(at) = (0..items.len()).find(|at| count(*at) < items[*at].base) {
        return Some(at);
    }
    let weighty = (0..items.len()).filter(|at| items[*at].weight > 0);
    weighty.min_by_key(|at| (Surplus::of(Some(items[*at]), count(*at).saturating_add(1)), *at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn item(provider: &'static str, base: u32, weight: u32) -> Item<'static> {
        Item { provider, base, weight }
    }

    /// `NAME:BASE:WEIGHT …`, empty for a member that is left out.
    fn strategy(text: &str) -> Vec<CapacityProviderStrategyItem> {
        let item = |word: &str| {
            let parts: Vec<&str> = word.split(':').collect();
            CapacityProviderStrategyItem {
                capacity_provider: Some(parts[0].to_owned()),
                base: parts[1].parse().ok(),
                weight: parts[2].parse().ok(),
            }
        };
        text.split_whitespace().map(item).collect()
    }

    fn shares(items: &[Item<'_>], tasks: u32) -> Vec<u32> {
        let mut counts = vec![0; items.len()];
        for _ in 0..tasks {
            let at = next(items, &counts).unwrap();
            counts[at] += 1;
        }
        counts
    }

    // rule: 2.4/capacity-strategy-ranges, 2.4/capacity-no-mix, 2.7/strategy-items
    #[test]
    fn the_form_of_a_strategy() {
        let many = (0..21).map(|at| format!("p{at}::1")).collect::<Vec<_>>().join(" ");
        for (text, wrong) in [
            ("", None),
            ("FARGATE::1", None),
            ("FARGATE:1:1 FARGATE_SPOT::4", None),
            ("a:100000:1000 b::0", None),
            (&many[..many.rfind(' ').unwrap()], None),
            (&many, Some("maximum of 20")),
            ("a:1:1 b:1:1", Some("Only one capacity provider")),
            ("a::0 b::", Some("greater than zero")),
            ("a:100001:1", Some("base must be between 0 and 100000.")),
            ("a:-1:1", Some("base must be between 0 and 100000.")),
            ("a::1001", Some("weight must be between 0 and 1000.")),
            ("a::1 a::2", Some("twice")),
            ("::1", Some("capacityProvider should not be null or empty.")),
            (
                "FARGATE::1 mine::1",
                Some("cannot contain a mix of capacity providers using Auto Scaling groups and Fargate providers."),
            ),
        ] {
            let error = check_strategy(&strategy(text)).err().map(|error| error.to_string());
            match wrong {
                None => assert_eq!(error, None, "{text}"),
                Some(part) => assert!(error.as_deref().is_some_and(|error| error.contains(part)), "{text}: {error:?}"),
            }
        }
    }

    // rule: 2.4/capacity-base-first
    #[test]
    fn the_base_comes_first_then_the_weights() {
        let one_to_four = [item("a", 0, 1), item("b", 0, 4)];
        assert_eq!(shares(&one_to_four, 5), [1, 4]);
        assert_eq!(shares(&one_to_four, 50), [10, 40]);
        let based = [item("a", 2, 1), item("b", 0, 4)];
        assert_eq!([1, 2, 3, 7, 12].map(|tasks| shares(&based, tasks)[0]), [1, 2, 2, 3, 4]);
        let weightless = [item("a", 3, 0), item("b", 0, 1)];
        assert_eq!(shares(&weightless, 10), [3, 7]);
        assert_eq!(next(&[], &[]), None);
        assert_eq!(next(&[item("a", 1, 0)], &[1]), None);
    }

    #[test]
    fn what_is_beyond_its_share_goes_first() {
        let all = [
            Surplus::of(Some(item("a", 3, 1)), 3),
            Surplus::of(Some(item("a", 0, 4)), 4),
            Surplus::of(Some(item("a", 3, 1)), 5),
            Surplus::of(Some(item("a", 0, 0)), 1),
            Surplus::of(None, 2),
        ];
        assert!(all.is_sorted());
    }

    proptest! {
        // rule: 2.4/capacity-base-first
        /// After any number of tasks, each provider has its base, and none is beyond its weight's share by as much as
        /// one task more than another would be.
        #[test]
        fn shares_follow_the_weights(
            weights in proptest::collection::vec(0_u32..20, 1..5),
            based in 0_usize..5,
            base in 0_u32..10,
            tasks in 0_u32..200,
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let items: Vec<Item<'_>> = weights
                .iter()
                .enumerate()
                .map(|(at, weight)| item("p", if at == based { base } else { 0 }, *weight))
                .collect();
            let counts = shares(&items, tasks);
            prop_assert_eq!(counts.iter().sum::<u32>(), tasks);
            for (at, one) in items.iter().enumerate() {
                prop_assert!(counts[at] >= one.base.min(tasks));
                prop_assert!(one.weight > 0 || counts[at] <= one.base);
            }
            let beyond = |at: usize| u64::from(counts[at].saturating_sub(items[at].base));
            for (a, one) in items.iter().enumerate().filter(|(_, item)| item.weight > 0) {
                for (b, two) in items.iter().enumerate().filter(|(_, item)| item.weight > 0) {
                    // beyond(a) / weight(a) <= (beyond(b) + 1) / weight(b)
                    prop_assert!(beyond(a) * u64::from(two.weight) <= (beyond(b) + 1) * u64::from(one.weight));
                }
            }
        }

        // rule: 2.4/spot-not-replaced
        /// A task that is lost is replaced where it was, and the task that goes first is the one that came last.
        #[test]
        fn a_lost_task_is_replaced_where_it_was(
            weights in proptest::collection::vec(1_u32..20, 1..5),
            base in 0_u32..10,
            tasks in 1_u32..100,
            lost in 0_usize..5,
        ) {
            let items: Vec<Item<'_>> = weights
                .iter()
                .enumerate()
                .map(|(at, weight)| item("p", if at == 0 { base } else { 0 }, *weight))
                .collect();
            let before = shares(&items, tasks);
            let lost = lost % items.len();
            if before[lost] > 0 {
                let mut counts = before.clone();
                counts[lost] -= 1;
                prop_assert_eq!(next(&items, &counts), Some(lost));
            }
            let mut less = before;
            let first = (0..items.len()).max_by_key(|at| (Surplus::of(Some(items[*at]), less[*at]), *at)).unwrap();
            if less[first] > items[first].base {
                less[first] -= 1;
                prop_assert_eq!(less, shares(&items, tasks - 1));
            }
        }
    }
}
