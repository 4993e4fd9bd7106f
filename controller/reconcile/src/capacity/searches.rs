//! The search for an instance, for each capacity provider of a strategy by itself (ecs-semantics §2.4).

use drydock_model::capacity::items;
use drydock_proto::ecs::CapacityProviderStrategyItem;

use crate::place::{Ask, Fleet, Placer, Unplaced};

/// The providers of a strategy; without one, one search for none of them.
pub(crate) fn providers(strategy: &[CapacityProviderStrategyItem]) -> Vec<Option<&str>> {
    if strategy.is_empty() {
        return vec![None];
    }
    items(strategy).into_iter().map(|item| Some(item.provider)).collect()
}

/// What a task of each provider asks, with the searches that have begun.
pub(crate) struct Searches<'f> {
    providers: &'f [Option<&'f str>],
    asks: &'f [Ask<'f>],
    placers: Vec<Option<Placer<'f>>>,
}

impl<'f> Searches<'f> {
    /// `asks` stand beside `providers`.
    pub(crate) fn new(providers: &'f [Option<&'f str>], asks: &'f [Ask<'f>]) -> Self {
        Self { providers, asks, placers: asks.iter().map(|_| None).collect() }
    }

    /// Places one task of a provider.
    ///
    /// # Errors
    /// Why no instance takes it.
    pub(crate) fn place(
        &mut self,
        fleet: &mut Fleet<'_>,
        provider: Option<&str>,
        turn: u128,
    ) -> Result<u128, Unplaced> {
        let at = self.providers.iter().position(|known| *known == provider).unwrap_or_default();
        let (Some(ask), Some(placer)) = (self.asks.get(at), self.placers.get_mut(at)) else {
            return Err(Unplaced::default());
        };
        placer.get_or_insert_with(|| Placer::new(ask, fleet)).place(fleet, turn)
    }
}
