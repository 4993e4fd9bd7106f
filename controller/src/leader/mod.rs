//! What only the leader does, as one object: it is made when this controller leads and everything before its election is
//! applied, owns all tasks of the leader, and ends and awaits them all when it goes (design §5).

pub(crate) mod checkpoints;
pub(crate) mod epoch;
pub(crate) mod liveness;
pub(crate) mod logs;
pub(crate) mod reconciler;
pub(crate) mod reports;
pub(crate) mod sessions;

use std::sync::Arc;

use drydock_consensus::Role;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::leadership::Leadership;
use logs::LogBroker;
use reports::Reports;
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
    pub(crate) reports: Reports,
    pub(crate) logs: LogBroker,
}

impl Leader {
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
        let leader = Arc::new(Leader {
            term,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            sessions: Sessions::default(),
            reports: Reports::default(),
            logs: LogBroker::default(),
        });
        tracing::info!(term, "this controller leads");
        core.clock.go_on_from(core.view.now().state.now());
        // Keys of the time before are of no use: the reconciler begins with all of them.
        drop(core.dirty.take());
        let (a, b) = (|| Arc::clone(core), || Arc::clone(&leader));
        leader.spawn(epoch::run(a(), b()));
        leader.spawn(reconciler::run(a(), b()));
        leader.spawn(liveness::run(a(), b()));
        leader.spawn(reports::run(a(), b()));
        leader.spawn(checkpoints::run(a(), b()));
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
