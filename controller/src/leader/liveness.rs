//! Finds instances that have been silent for too long and declares them disconnected: the only thing about heartbeats that
//! enters the log (design §3.8).

use std::sync::Arc;
use std::time::Duration;

use drydock_state::Command;

use super::Leader;
use crate::core::Core;
use crate::limits::{DISCONNECTS_AT_ONCE_MAX, FAILOVER_GRACE_FACTOR, HEARTBEATS_MISSED_MAX, LIVENESS_INTERVAL};

const CALLER: &str = "controller";

/// The loop of the leader's scope.
pub(crate) async fn run(core: Arc<Core>, leader: Arc<Leader>) {
    expect_all(&core, &leader);
    let mut turns = tokio::time::interval(LIVENESS_INTERVAL);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        for key in leader.sessions.overdue(DISCONNECTS_AT_ONCE_MAX) {
            let connected = core.view.now().state.instance(key).is_some_and(|row| row.agent_connected);
            if connected {
                tracing::warn!(instance = %key, "a container instance was not heard from and counts as disconnected");
                let stamp = core.stamp(leader.term);
                if let Err(error) = core.propose(stamp, CALLER, Command::InstanceDisconnected(key)).await {
                    // Still overdue: the next turn tries again.
                    tracing::warn!(%error, instance = %key, "not declared disconnected");
                    break;
                }
            }
            if connected {
                core.metrics.agents.disconnects.inc();
                core.metrics.agents.heartbeats_missed.inc_by(u64::from(HEARTBEATS_MISSED_MAX));
            }
            leader.sessions.give_up(key);
        }
    }
}

/// Instances that were connected to the former leader have a while to come back.
fn expect_all(core: &Core, leader: &Leader) {
    let version = core.view.now();
    // Those that registered over ECS's API have no session that could come back.
    let with_session = version.state.all_instances().filter(|row| row.agent_connected && !row.is_registered_by_api());
    let connected: Vec<_> = with_session.map(|row| row.key).collect();
    let disconnect_after = Duration::from_millis(version.state.settings().instance_disconnect_after_ms);
    let interval = leader.sessions.interval_for(connected.len(), disconnect_after);
    for key in connected {
        leader.sessions.expect(key, interval * HEARTBEATS_MISSED_MAX * FAILOVER_GRACE_FACTOR);
    }
}
