//! Figures for whoever watches a controller: `GET /metrics` on its AWS port, in OpenMetrics' text form. What happens is
//! counted where it happens, by one atomic or one short lock; what the state, consensus and the process are is read when
//! somebody asks. Nothing here decides anything, and no label has values that a client can invent,
//! but for those of Container Insights, where it is on. docs/metrics.md lists
//! every figure, and a test holds it against what is printed.

mod insights;
mod page;
mod process;
mod requests;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use drydock_state::{Event, EventKind, Millis};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::clock::Clock;
use crate::core::Core;
use page::Page;
use requests::Requests;
pub(crate) use requests::{Face, GET_CALLER_IDENTITY, UNKNOWN};

/// What the answer is, as its content type says.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of a sync's time, in seconds. A good SSD syncs in a tenth of a millisecond, a busy or rotating disk takes
/// some 10 ms; at a second peers begin to doubt.
const SYNC_BUCKETS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];
/// Upper bounds of a reconciler's step, in seconds. A step is bounded by its changes: what takes a tenth of a second shows.
const STEP_BUCKETS: [f64; 9] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0];
/// Upper bounds of how long a change waits to be looked at, in seconds: for a step and the two commits of its plan at best.
const LAG_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// What is counted as it happens; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) requests: Arc<Requests>,
    pub(crate) raft: Raft,
    pub(crate) reconciler: Reconciler,
    pub(crate) agents: Agents,
    pub(crate) events: Events,
}

/// Of consensus.
#[derive(Debug, Clone)]
pub(crate) struct Raft {
    /// This controller asked for votes.
    pub(crate) elections: Counter,
    /// Another leader or another term of the same one became known.
    pub(crate) leader_changes: Counter,
    pub(crate) snapshots_made: Counter,
    /// From the own disk at a start, or from the leader.
    pub(crate) snapshots_restored: Counter,
    /// Of writes to the log with their sync.
    pub(crate) syncs: Histogram,
}

/// Of the leader's loop over what changed.
#[derive(Debug, Clone)]
pub(crate) struct Reconciler {
    /// Changes that the steps asked for.
    pub(crate) changes: Counter,
    /// How long each step decided.
    pub(crate) steps: Histogram,
    /// How long the oldest change that a step looked at had waited for it.
    pub(crate) lag: Histogram,
}

/// Of the leader's sessions with agents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agents {
    pub(crate) sessions_opened: Counter,
    pub(crate) manifests: Counter,
    pub(crate) deltas: Counter,
    /// Reports of tasks.
    pub(crate) reports: Counter,
    pub(crate) heartbeats: Counter,
    pub(crate) heartbeats_missed: Counter,
    /// Instances declared disconnected since they were silent.
    pub(crate) disconnects: Counter,
}

/// Events by their detail-type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    /// When the process began: what its log held before then was counted by those who were there.
    began_at: Millis,
    task: Counter,
    instance: Counter,
    action: Counter,
    deployment: Counter,
    scaling: Counter,
}

impl Events {
    /// Counts events that apply emitted, but for those of the log as it was when the process began.
    pub(crate) fn count(&self, events: &[Event]) {
        for event in events.iter().filter(|event| event.at >= self.began_at) {
            let counter = match &event.kind {
                EventKind::Task { .. } => &self.task,
                EventKind::Instance { .. } => &self.instance,
                EventKind::ServiceAction { .. } => &self.action,
                EventKind::Deployment { .. } => &self.deployment,
                EventKind::Scaling(_) => &self.scaling,
            };
            counter.inc();
        }
    }

    /// The counts by name: `EventKind::detail_type`'s words.
    fn all(&self) -> [(&'static str, &Counter); 5] {
        [
            ("ECS Task State Change", &self.task),
            ("ECS Container Instance State Change", &self.instance),
            ("ECS Service Action", &self.action),
            ("ECS Deployment State Change", &self.deployment),
            ("Drydock Capacity Provider Scaling", &self.scaling),
        ]
    }
}

impl Raft {
    /// Counts a sync.
    pub(crate) fn synced(&self, took: Duration) {
        self.syncs.observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// All at nought.
    pub(crate) fn new() -> Self {
        Self {
            requests: Arc::default(),
            raft: Raft {
                elections: Counter::default(),
                leader_changes: Counter::default(),
                snapshots_made: Counter::default(),
                snapshots_restored: Counter::default(),
                syncs: Histogram::new(SYNC_BUCKETS),
            },
            reconciler: Reconciler {
                changes: Counter::default(),
                steps: Histogram::new(STEP_BUCKETS),
                lag: Histogram::new(LAG_BUCKETS),
            },
            agents: Agents::default(),
            events: Events { began_at: Clock::new().wall_ms(), ..Events::default() },
        }
    }

    fn show(&self, page: &mut Page) {
        self.requests.show(page);
        let raft = &self.raft;
        let counters = [
            ("drydock_raft_elections", "Elections in which this controller asked for votes", &raft.elections),
            (
                "drydock_raft_leader_changes",
                "Changes of the leader or its term that this controller has seen",
                &raft.leader_changes,
            ),
            ("drydock_raft_snapshots_made", "Snapshots of the state that were made here", &raft.snapshots_made),
            (
                "drydock_raft_snapshots_restored",
                "Snapshots that took the place of the state: from the disk at a start, or from the leader",
                &raft.snapshots_restored,
            ),
            ("drydock_reconciler_changes", "Changes that the reconcilers asked for", &self.reconciler.changes),
            ("drydock_agent_sessions_opened", "Sessions that agents began", &self.agents.sessions_opened),
            ("drydock_agent_manifests_sent", "Whole manifests sent to agents", &self.agents.manifests),
            ("drydock_agent_deltas_sent", "Changes of a manifest sent to agents", &self.agents.deltas),
            ("drydock_agent_reports_received", "Reports of tasks that agents sent", &self.agents.reports),
            ("drydock_agent_heartbeats_received", "Heartbeats of agents", &self.agents.heartbeats),
            (
                "drydock_agent_heartbeats_missed",
                "Heartbeats that were due and did not come",
                &self.agents.heartbeats_missed,
            ),
            (
                "drydock_agent_disconnects",
                "Instances that were declared disconnected, for their agents were silent",
                &self.agents.disconnects,
            ),
        ];
        for (name, help, counter) in counters {
            page.add(name, help, None, counter.clone());
        }
        let histograms = [
            ("drydock_raft_sync_duration", "Time of a write to the log with its sync", &raft.syncs),
            (
                "drydock_reconciler_step_duration",
                "Time in which the reconcilers decided a step",
                &self.reconciler.steps,
            ),
            ("drydock_reconciler_lag", "Time that changes waited for the reconcilers", &self.reconciler.lag),
        ];
        for (name, help, histogram) in histograms {
            page.add(name, help, Some(Unit::Seconds), histogram.clone());
        }
        let events = self.events.all().map(|(kind, counter)| (vec![("detail_type", kind)], counter.get()));
        page.counters("drydock_events", "Events that this replica applied", events);
    }
}

/// The whole text.
///
/// # Errors
/// It can't be written: a defect of ours.
pub(crate) fn text(core: &Core) -> Result<String, std::fmt::Error> {
    let mut page = Page::default();
    scrape::show(core, &mut page);
    core.metrics.show(&mut page);
    process::show(&mut page);
    let mut text = String::new();
    text::encode(&mut text, &page.registry())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{LAG_BUCKETS, STEP_BUCKETS, SYNC_BUCKETS, requests};

    #[test]
    fn bounds_of_buckets_ascend() {
        for bounds in [&SYNC_BUCKETS[..], &STEP_BUCKETS, &LAG_BUCKETS, &requests::BUCKETS] {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }
}
