//! The shell of the core: one OS thread with wall-clock ticks and the disk. Touches the data folder and the clock;
//! sends through [`Peers`]. It holds no policy: it carries out what the core asks for.

mod driver;
mod handle;
mod intake;
mod reply;
mod start;
mod status;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use handle::Handle;
pub use status::{PeerState, PeerStatus, Status};

use crate::config::Config;
use crate::error::Fatal;
use crate::log_store::{self, Identity, LogStore, StoreKind};
use crate::peers::Peers;
use crate::state_machine::StateMachine;
use crate::{Membership, RaftId};

/// How a replica starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// An empty disk becomes a first voter of a new cluster. The membership must be the same on all first voters
    /// ([`Membership::bootstrap`]). A disk with data goes on from it.
    Bootstrap(Membership),
    /// An empty disk waits until the leader of an existing cluster adds it. A disk with data goes on from it.
    Join,
    /// The disk must hold data: an empty one is refused as wiped.
    Restart,
}

/// Is told how long each write to the log and its sync took. Called on the driver thread: must be quick.
#[derive(Clone)]
pub struct OnSync(Arc<dyn Fn(Duration) + Send + Sync>);

impl OnSync {
    /// Told of by this function.
    pub fn new(told: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

/// Tells nobody.
impl Default for OnSync {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for OnSync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OnSync")
    }
}

/// What [`Node::start`] needs.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The folder: `log/`, `snapshots/` and the file `replica` are made in it.
    pub data_dir: PathBuf,
    /// Which log.
    pub store: StoreKind,
    /// Cluster fingerprint, raft id, and the random marker for a disk that is created now.
    pub identity: Identity,
    /// If the caller knows the marker that the disk must have (say, from its peers): another one is refused.
    pub expected_marker: Option<u128>,
    /// How to start.
    pub start: Start,
    /// Intervals and bounds.
    pub config: Config,
    /// Seeds the election timeouts. Random in production, chosen in tests.
    pub seed: u64,
    /// Who is told of syncs.
    pub on_sync: OnSync,
}

/// A running replica: its driver thread.
#[derive(Debug)]
pub struct Node {
    thread: Option<JoinHandle<()>>,
    identity: Identity,
}

impl Node {
    /// Opens and verifies the disk, restores the state, and starts the driver thread.
    ///
    /// `on_fatal` is called once, on the driver thread, when the replica can't go on: log it and exit the process.
    ///
    /// # Errors
    /// The disk refuses, or the state can't be restored. Nothing runs then.
    pub fn start<S: StateMachine, P: Peers>(
        options: NodeOptions,
        state_machine: S,
        peers: P,
        on_fatal: impl FnOnce(Fatal) + Send + 'static,
    ) -> Result<(Self, Handle<S::Outcome>), Fatal> {
        options.config.check()?;
        let store = log_store::open(options.store, &options.data_dir)?;
        Self::start_on(store, options, state_machine, peers, on_fatal)
    }

    /// The same on a log store that is open already (`options.store` is not looked at).
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_on<S: StateMachine, P: Peers>(
        store: Box<dyn LogStore>,
        options: NodeOptions,
        state_machine: S,
        peers: P,
        on_fatal: impl FnOnce(Fatal) + Send + 'static,
    ) -> Result<(Self, Handle<S::Outcome>), Fatal> {
        start::start(store, options, state_machine, peers, Box::new(on_fatal))
    }

    /// The disk's identity, with the marker that it really has.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// This replica's id.
    #[must_use]
    pub fn id(&self) -> RaftId {
        self.identity.raft_id
    }

    /// Waits until the driver thread has ended, after [`Handle::stop`] or a fatal error.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the consensus thread panicked outside of its guard");
        }
    }
}
