//! The replicated state as readers see it: an immutable version behind an `Arc`, replaced after each batch of entries.
//! Readers never lock and never hold a writer up (design §3.6).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use drydock_state::State;
use tokio::sync::watch;

/// One version of the state.
#[derive(Debug)]
pub(crate) struct Version {
    /// As of `index`.
    pub(crate) state: State,
    /// Everything up to this entry of the log is in it.
    pub(crate) index: u64,
}

/// The newest version; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    version: Arc<ArcSwap<Version>>,
    index: watch::Sender<u64>,
}

impl View {
    pub(crate) fn new(state: State, index: u64) -> Self {
        let version = Arc::new(ArcSwap::from_pointee(Version { state, index }));
        Self { version, index: watch::Sender::new(index) }
    }

    /// The newest version.
    pub(crate) fn now(&self) -> Arc<Version> {
        self.version.load_full()
    }

    /// Index of the newest version.
    pub(crate) fn index(&self) -> u64 {
        self.version.load().index
    }

    /// Replaces the version; called by the consensus thread alone.
    pub(crate) fn publish(&self, state: State, index: u64) {
        self.version.store(Arc::new(Version { state, index }));
        self.index.send_replace(index);
    }

    /// The newest version once it has seen entry `index`; `None` where that takes longer than `patience`.
    pub(crate) async fn at_least(&self, index: u64, patience: Duration) -> Option<Arc<Version>> {
        let version = self.now();
        if version.index >= index {
            return Some(version);
        }
        let mut seen = self.index.subscribe();
        let wait = seen.wait_for(|now| *now >= index);
        tokio::time::timeout(patience, wait).await.ok()?.ok()?;
        Some(self.now())
    }

    /// Told of every new index.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }
}
