//! Runs the parts of the leader that propose by themselves, each in a task of its own: asks a part what it wants, carries it
//! out, tells it what came of that. What is decided, and when, is the part's business (`drydock_leader`).

use std::sync::Arc;
use std::time::Instant;

use drydock_leader::checkpoints::Checkpoints;
use drydock_leader::limits::HEARTBEATS_MISSED_MAX;
use drydock_leader::opening::Opening;
use drydock_leader::reconciler::{self, Reconciler};
use drydock_leader::{Fate, Next, Sight};
use drydock_proto::agent::controller_message::Message;

use super::Leader;
use crate::core::Core;
use crate::machine::Dirty;

/// A part with all that it needs of the shell.
pub(super) trait Part {
    /// Before a version of the state is taken: what the part gathers must be in it.
    fn gather(&mut self) {}
    /// What it wants.
    fn next(&mut self, sight: &Sight<'_>) -> Next;
    /// What came of its proposal.
    fn settled(&mut self, fate: Fate);
    /// Ends when it should be asked again though its time hasn't come.
    fn woken(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// The loop of the leader's scope around one part.
pub(super) async fn run(core: Arc<Core>, leader: Arc<Leader>, mut part: impl Part) {
    loop {
        part.gather();
        match leader.look(&core, |sight| part.next(sight)) {
            Next::Propose(proposal) => {
                let name = proposal.command.name();
                let fate = leader.propose(&core, *proposal).await;
                if let Some(why) = fate.failure() {
                    tracing::debug!(why, command = name, "not agreed upon");
                }
                part.settled(fate);
            }
            Next::Again => tokio::task::yield_now().await,
            Next::Until(at) => {
                tokio::select! {
                    () = part.woken() => {}
                    () = leader.wait_until(at) => {}
                }
            }
        }
    }
}

/// What every part has.
pub(super) struct Ours<P> {
    pub(super) core: Arc<Core>,
    pub(super) leader: Arc<Leader>,
    pub(super) part: P,
}

impl Part for Ours<Opening> {
    fn next(&mut self, sight: &Sight<'_>) -> Next {
        self.part.next(sight)
    }

    fn settled(&mut self, fate: Fate) {
        self.part.settled(&fate, self.leader.now());
    }
}

impl Part for Ours<Checkpoints> {
    fn next(&mut self, sight: &Sight<'_>) -> Next {
        self.part.next(sight)
    }

    fn settled(&mut self, fate: Fate) {
        self.part.settled(&fate);
    }

    async fn woken(&mut self) {
        let due = self.part.due_index();
        let mut applied = self.core.view.subscribe();
        // The view lives as long as the core.
        let _ = applied.wait_for(|index| *index >= due).await.map(drop);
    }
}

/// Of all sessions: who was silent for too long.
pub(super) struct Liveness;

impl Part for Ours<Liveness> {
    fn next(&mut self, sight: &Sight<'_>) -> Next {
        let next = self.leader.sessions.next(sight);
        if let Next::Propose(proposal) = &next {
            tracing::warn!(command = ?proposal.command, "a container instance was not heard from and counts as disconnected");
        }
        next
    }

    fn settled(&mut self, fate: Fate) {
        if self.leader.sessions.settled(&fate, self.leader.now()) {
            let figures = &self.core.metrics.agents;
            figures.disconnects.inc();
            figures.heartbeats_missed.inc_by(u64::from(HEARTBEATS_MISSED_MAX));
        }
    }
}

/// Of all sessions: what they report.
pub(super) struct Merging;

impl Part for Ours<Merging> {
    fn next(&mut self, sight: &Sight<'_>) -> Next {
        self.leader.reports.lock().next(sight)
    }

    fn settled(&mut self, fate: Fate) {
        if let Fate::Unknown(why) | Fate::Unavailable(why) | Fate::Rejected(why) = &fate {
            tracing::warn!(why, "reports were not committed");
        }
        let acks = self.leader.reports.lock().settled(fate, self.leader.now());
        for (key, ack) in acks {
            // A full queue drops it: the agent reports again and gets its acknowledgement then.
            self.leader.sessions.tell(key, Message::ReportAck(ack));
        }
    }

    async fn woken(&mut self) {
        self.leader.reports.added().await;
    }
}

/// The reconcilers, with what changed since they were last asked.
pub(super) struct Reconciling {
    pub(super) reconciler: Reconciler,
    pub(super) changed: Dirty,
}

impl Part for Ours<Reconciling> {
    fn gather(&mut self) {
        self.part.changed = self.core.dirty.take();
    }

    fn next(&mut self, sight: &Sight<'_>) -> Next {
        let changed = std::mem::take(&mut self.part.changed);
        for key in reconciler::concerned(sight.state, &changed.keys) {
            self.leader.sessions.wake(key);
        }
        self.part.reconciler.mark(changed.keys);
        let begun = Instant::now();
        let next = self.part.reconciler.next(sight);
        if let Some(stepped) = self.part.reconciler.take_stepped() {
            let figures = &self.core.metrics.reconciler;
            figures.steps.observe(begun.elapsed().as_secs_f64());
            figures.changes.inc_by(u64::try_from(stepped.changes).unwrap_or(u64::MAX));
            for explanation in &stepped.explanations {
                tracing::debug!(?explanation, "a service waits");
            }
        }
        if let Some(since) = changed.since {
            self.core.metrics.reconciler.lag.observe(since.elapsed().as_secs_f64());
        }
        next
    }

    fn settled(&mut self, fate: Fate) {
        if let Fate::Unknown(why) = &fate {
            tracing::warn!(why, "the fate of a plan isn't known yet");
        }
        self.part.reconciler.settled(&fate, self.leader.now());
    }

    async fn woken(&mut self) {
        self.core.dirty.wait().await;
    }
}
