//! Which capacity provider the next task of a strategy goes to, and which gives one up (ecs-semantics §2.4).

use drydock_model::capacity::{Item, Surplus, items, next};
use drydock_proto::ecs::CapacityProviderStrategyItem;

/// The tasks of one strategy, by provider.
#[derive(Debug, Clone, Default)]
pub struct Sharing<'a> {
    items: Vec<Item<'a>>,
    counts: Vec<u32>,
}

impl<'a> Sharing<'a> {
    /// Beside tasks of these providers; those that the strategy doesn't name don't count.
    pub fn new<'t>(
        strategy: &'a [CapacityProviderStrategyItem],
        present: impl IntoIterator<Item = Option<&'t str>>,
    ) -> Self {
        let items = items(strategy);
        let mut counts = vec![0_u32; items.len()];
        for provider in present.into_iter().flatten() {
            if let Some(at) = items.iter().position(|item| item.provider == provider) {
                counts[at] += 1;
            }
        }
        Self { items, counts }
    }

    /// The provider of the next task, which counts from now on, whether it finds a place or not: where Spot has no room,
    /// nothing is started on demand instead. `None` where there is no strategy.
    pub fn take(&mut self) -> Option<&'a str> {
        let at = next(&self.items, &self.counts)?;
        self.counts[at] = self.counts[at].saturating_add(1);
        self.items.get(at).map(|item| item.provider)
    }
}

/// A task's capacity provider in the strategy of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its place there; beyond the last for one that the strategy doesn't name.
    pub at: usize,
    /// Its base.
    pub base: u32,
    /// Its weight.
    pub weight: u32,
}

impl Share {
    /// Of a task; `None` where its service has no strategy and it no provider.
    #[must_use]
    pub fn of(items: &[Item<'_>], provider: Option<&str>) -> Option<Self> {
        let named = items.iter().position(|item| Some(item.provider) == provider);
        match named {
            Some(at) => Some(Self { at, base: items[at].base, weight: items[at].weight }),
            None if items.is_empty() && provider.is_none() => None,
            None => Some(Self { at: items.len(), base: 0, weight: 0 }),
        }
    }

    /// How far beyond its share the provider is with `count` tasks.
    #[must_use]
    pub fn surplus(self, count: u32) -> Surplus {
        Surplus::of(Some(Item { provider: "", base: self.base, weight: self.weight }), count)
    }
}
