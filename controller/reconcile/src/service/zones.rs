//! What rebalancing says, as service events and as ECS Service Actions (ecs-semantics §2.3, §2.6).

use std::collections::BTreeMap;

use drydock_state::TaskKey;
use drydock_state::event::Level;

use super::rebalancing::{Obstacle, Said};
use super::rolling::{Moves, Why};
use super::writer::{act, act_unplaced, say, say_once};
use super::{Case, texts};
use crate::desk::Desk;

/// What it has stopped, and its end. Said before a steady state.
pub(super) fn say_end(desk: &mut Desk<'_>, case: &Case<'_>, moves: &Moves) {
    let key = case.service.key;
    let mut stopped: BTreeMap<&str, Vec<TaskKey>> = BTreeMap::new();
    for (at, _) in moves.stop.iter().filter(|(_, why)| *why == Why::Rebalancing) {
        if let (Some(slot), Some(task)) = (case.roster.slots.get(*at), case.roster.tasks.get(*at)) {
            stopped.entry(slot.zone).or_default().push(task.key);
        }
    }
    for (zone, tasks) in &stopped {
        say(desk, key, texts::stopped_in(zone, tasks));
    }
    if !stopped.is_empty() {
        act(desk, key, Level::Info, "TASKS_STOPPED", "", Vec::new());
    }
    match &case.rebalancing.said {
        Some(Said::Completed(spread)) => {
            say(desk, key, texts::balanced(spread));
            act(desk, key, Level::Info, "SERVICE_REBALANCING_COMPLETED", "", Vec::new());
        }
        Some(Said::Stopped) => stop(desk, case),
        Some(Said::Begun(_) | Said::Blocked(..)) | None => {}
    }
}

/// Its beginning, and what is in its way. Said after a steady state.
pub(super) fn say_begin(desk: &mut Desk<'_>, case: &Case<'_>) {
    let key = case.service.key;
    match &case.rebalancing.said {
        Some(Said::Begun(spread)) => {
            say(desk, key, texts::unbalanced(spread));
            act(desk, key, Level::Info, "SERVICE_REBALANCING_STARTED", "", Vec::new());
        }
        Some(Said::Blocked(spread, obstacle)) => {
            let Some(text) = in_words(case, obstacle) else { return };
            let had_begun = case.service.progress.rebalancing.is_some();
            // Tried again and again, it is said once.
            if texts::said(desk.view, key, &text, desk.now) && !had_begun {
                return;
            }
            if !had_begun {
                say(desk, key, texts::unbalanced(spread));
                act(desk, key, Level::Info, "SERVICE_REBALANCING_STARTED", "", Vec::new());
            }
            if say_once(desk, key, text) {
                act_blocked(desk, case, obstacle);
            }
            stop(desk, case);
        }
        Some(Said::Completed(_) | Said::Stopped) | None => {}
    }
    if case.rebalancing.starts > 0 {
        act(desk, key, Level::Info, "TASKS_STARTED", "", Vec::new());
    }
}

fn stop(desk: &mut Desk<'_>, case: &Case<'_>) {
    say(desk, case.service.key, texts::REBALANCING_STOPPED.to_owned());
    act(desk, case.service.key, Level::Info, "SERVICE_REBALANCING_STOPPED", "", Vec::new());
}

/// `None` where it is nobody's fault: what has begun is stopped then, what hasn't isn't told.
fn in_words(case: &Case<'_>, obstacle: &Obstacle) -> Option<String> {
    Some(match obstacle {
        Obstacle::Room(zone, why) => texts::no_room(zone, why),
        Obstacle::Protection => texts::unable_to_rebalance(&texts::protected(case.primary.id)),
        Obstacle::Bound => texts::unable_to_rebalance(texts::NO_TASK_MORE),
        Obstacle::Connection => return None,
    })
}

fn act_blocked(desk: &mut Desk<'_>, case: &Case<'_>, obstacle: &Obstacle) {
    let key = case.service.key;
    match obstacle {
        Obstacle::Room(_, why) => act_unplaced(desk, key, why),
        Obstacle::Protection => {
            act(desk, key, Level::Info, "TASKSET_SCALE_IN_FAILURE_BY_TASK_PROTECTION", "", Vec::new());
        }
        Obstacle::Bound | Obstacle::Connection => {}
    }
}
