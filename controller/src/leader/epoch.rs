//! The first things that a new leader agrees upon with the others: its epoch, and, in a new cluster, the settings that it
//! was started with.

use std::sync::Arc;

use drydock_state::row::FAST_DIVISOR;
use drydock_state::{Command, Settings};

use super::Leader;
use crate::config::BootstrapSettings;
use crate::core::Core;
use crate::limits::RETRY_OVERLOADED;

const CALLER: &str = "controller";

/// Proposes them, once each.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>) {
    let is_new = core.view.now().state.epoch() == 0;
    if is_new && let Some(settings) = settings(*core.view.now().state.settings(), &core.settings) {
        agree(&core, &leader, &Command::PutSettings(settings)).await;
    }
    agree(&core, &leader, &Command::NewEpoch).await;
}

/// The defaults with what the configuration says; `None` where it says nothing.
fn settings(defaults: Settings, given: &BootstrapSettings) -> Option<Settings> {
    let waits_divisor = if given.fast { FAST_DIVISOR } else { defaults.waits_divisor };
    let wanted = Settings {
        waits_divisor,
        healthy_after_ms: given.healthy_after_ms.unwrap_or(defaults.healthy_after_ms / waits_divisor),
        instance_lost_after_ms: given.instance_lost_after_ms.unwrap_or(defaults.instance_lost_after_ms),
        ..defaults
    };
    (wanted != defaults).then_some(wanted)
}

/// Proposes a command until it is applied, and so everything before it.
pub(crate) async fn agree(core: &Core, leader: &Leader, command: &Command) {
    loop {
        match core.propose(core.stamp(leader.term), CALLER, command.clone()).await {
            Ok(_) => return,
            // Where this controller no longer leads, the scope is about to end and the next leader does it.
            Err(error) => {
                tracing::debug!(%error, command = command.name(), "not agreed upon yet");
                tokio::time::sleep(RETRY_OVERLOADED).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use drydock_state::Settings;

    use super::settings;
    use crate::config::BootstrapSettings;

    #[test]
    fn fast_divides_ecs_s_waits_by_twenty_and_what_is_named_stays() {
        let of = |given: BootstrapSettings| settings(Settings::default(), &given);
        assert_eq!(of(BootstrapSettings::default()), None);
        let fast = of(BootstrapSettings { fast: true, ..BootstrapSettings::default() });
        let waits = fast.map(|fast| (fast.healthy_after_ms, fast.shortened(27 * 60 * 1_000), fast.shortened(60_000)));
        assert_eq!(waits, Some((2_000, 81_000, 3_000)));
        let named = BootstrapSettings { fast: true, healthy_after_ms: Some(7), ..BootstrapSettings::default() };
        assert_eq!(of(named).map(|named| named.healthy_after_ms), Some(7));
    }
}
