//! What only the leader does, as one object: it is made when this controller leads and everything before its election is
//! applied, owns all tasks of the leader, and ends and awaits them all when it goes (design §5).

pub(crate) mod logs;
mod parts;
pub(crate) mod reports;
pub(crate) mod sessions;

use std::sync::Arc;
use std::time::Duration;

use drydock_consensus::Role;
use drydock_leader::checkpoints::Checkpoints;
use drydock_leader::opening::{Given, Opening};
use drydock_leader::reconciler::Reconciler;
use drydock_leader::{Fate, Moment, Proposal, Sight};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::errors::ApiError;
use crate::core::Core;
use crate::leadership::Leadership;
use crate::machine::Dirty;
use crate::propose::{Proposed, Stamp};
use logs::LogBroker;
use parts::{Liveness, Merging, Ours, Reconciling};
use reports::SharedReports;
use sessions::registry::Sessions;

/// What the leader's parts share, for as long as it leads one term.
#[derive(Debug)]
pub(crate) struct Leader {
    /// The term.
    pub(crate) term: u64,
    /// Cancelled when the scope ends.
    pub(crate) cancel: CancellationToken,
    /// All tasks of the scope: they end with it.
    pub(crate) tasks: TaskTracker,
    pub(crate) sessions: Sessions,
    pub(crate) reports: SharedReports,
    pub(crate) logs: LogBroker,
    /// Moments are counted from here.
    since: Instant,
}

impl Leader {
    /// Now, for waits.
    pub(crate) fn now(&self) -> Moment {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends at a moment; with `None`, never.
    pub(crate) async fn wait_until(&self, at: Option<Moment>) {
        match at {
            Some(at) => tokio::time::sleep_until(self.since + Duration::from_millis(at)).await,
            None => std::future::pending().await,
        }
    }

    /// Shows a part the newest version of the state.
    fn look<T>(&self, core: &Core, look: impl FnOnce(&Sight<'_>) -> T) -> T {
        let stamp = core.stamp(self.term);
        let version = core.view.now();
        let (state, index, now) = (&version.state, version.index, self.now());
        look(&Sight { state, index, now, now_ms: stamp.now_ms, seed: stamp.seed })
    }

    /// Proposes what a part wants and waits for what comes of it.
    async fn propose(&self, core: &Core, proposal: Proposal) -> Fate {
        let stamp = Stamp { term: self.term, now_ms: proposal.now_ms, seed: proposal.seed };
        fate_of(core.propose(stamp, proposal.caller, proposal.command).await)
    }

    /// Runs a task that is dropped at its next await when the scope ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Runs a task that sees to its own end: it watches [`Leader::cancel`].
    pub(crate) fn spawn_watching(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }
}

/// The scope: owned by [`follow`] alone.
struct Scope {
    leader: Arc<Leader>,
}

impl Scope {
    fn begin(core: &Arc<Core>, term: u64) -> Self {
        // Keys of the time before are of no use: the reconciler begins with all of them.
        drop(core.dirty.take());
        let version = core.view.now();
        let leader = Arc::new(Leader {
            term,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            sessions: Sessions::new(&version.state, 0),
            reports: SharedReports::default(),
            logs: LogBroker::default(),
            since: Instant::now(),
        });
        tracing::info!(term, "this controller leads");
        core.clock.go_on_from(version.state.now());
        let settings = &core.settings;
        let given = Given {
            healthy_after_ms: settings.healthy_after_ms,
            fast: settings.fast,
            instance_lost_after_ms: settings.instance_lost_after_ms,
        };
        begin(core, &leader, Opening::new(&version.state, given));
        let reconciler = Reconciler::new(&version.state);
        begin(core, &leader, Reconciling { reconciler, changed: Dirty::default() });
        begin(core, &leader, Liveness);
        begin(core, &leader, Merging);
        begin(core, &leader, Checkpoints::new(leader.now()));
        core.leader.store(Some(Arc::clone(&leader)));
        Self { leader }
    }

    async fn end(self, core: &Core) {
        core.leader.store(None);
        self.leader.cancel.cancel();
        self.leader.logs.close();
        self.leader.tasks.close();
        self.leader.tasks.wait().await;
        tracing::info!(term = self.leader.term, "this controller no longer leads");
    }
}

/// Runs a part as a task of the scope.
fn begin<P>(core: &Arc<Core>, leader: &Arc<Leader>, part: P)
where
    Ours<P>: parts::Part + Send + 'static,
{
    let ours = Ours { core: Arc::clone(core), leader: Arc::clone(leader), part };
    leader.spawn(parts::run(Arc::clone(core), Arc::clone(leader), ours));
}

/// What came of a proposal, as the leader's parts see it.
fn fate_of(proposed: Result<Proposed, ApiError>) -> Fate {
    match proposed {
        Ok(Proposed { index, outcome }) => Fate::Applied { index, outcome },
        Err(ApiError::Unavailable(why)) => Fate::Unavailable(why),
        Err(ApiError::Overloaded(why)) => Fate::Overloaded(why),
        Err(ApiError::Unknown(why)) => Fate::Unknown(why),
        Err(error @ (ApiError::Ecs(_) | ApiError::Refused { .. } | ApiError::Relayed { .. })) => {
            Fate::Rejected(error.to_string())
        }
    }
}

/// Makes and ends the leader's scope as consensus says, until `stop`. Ends the last one before it returns.
pub(crate) async fn follow(core: Arc<Core>, stop: CancellationToken) {
    let mut leaderships = core.leaderships.subscribe();
    let mut scope: Option<Scope> = None;
    loop {
        let now = *leaderships.borrow_and_update();
        let leads = term_led(now);
        if scope.as_ref().map(|scope| scope.leader.term) != leads {
            if let Some(ended) = scope.take() {
                ended.end(&core).await;
            }
            scope = leads.map(|term| Scope::begin(&core, term));
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = leaderships.changed() => if changed.is_err() { break },
        }
    }
    if let Some(scope) = scope {
        scope.end(&core).await;
    }
}

fn term_led(now: Leadership) -> Option<u64> {
    (now.role == Role::Leader).then_some(now.term)
}
