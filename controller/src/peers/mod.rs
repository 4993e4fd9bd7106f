//! The controllers among themselves: one stream of raft messages an ordered pair, opened by the sender; snapshot bodies
//! on a connection of their own; whole requests that a follower hands to the leader.
//!
//! The peer port is plain HTTP/2 on loopback or a private network. mTLS has its place in [`link::endpoint`] (the
//! dialling side) and in `crate::server::serve_peers` (the listening side); nothing else knows how bytes travel.

pub(crate) mod fetch;
pub(crate) mod link;
pub(crate) mod queue;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use drydock_consensus::{Identity, Membership, Peers, RaftId, SnapshotFetch};
use drydock_proto::raft::PeerHello;
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::members::Directory;
use link::Link;

/// What the peers' port tells of us and expects of others.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) id: RaftId,
    pub(crate) fingerprint: u128,
    pub(crate) marker: u128,
    /// Where our peers' port is.
    pub(crate) peer_address: String,
}

/// The version of commands and protocol that this build speaks, told in each hello.
pub(crate) const FEATURE_LEVEL: u32 = 1;

/// Metadata key of a refusal for good: the sender must end.
pub(crate) const DISMISSED_KEY: &str = "drydock-dismissed";

/// Why a member refuses this controller for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dismissed {
    /// It was removed from the cluster.
    Removed,
    /// It came back with another disk than it had.
    OtherDisk,
}

impl Dismissed {
    /// The value of [`DISMISSED_KEY`].
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::OtherDisk => "disk",
        }
    }

    /// What such a value means.
    pub(crate) fn of(value: &[u8]) -> Option<Self> {
        [Self::Removed, Self::OtherDisk].into_iter().find(|known| known.as_str().as_bytes() == value)
    }
}

/// Tells raft that a peer can't be reached.
type Unreachable = Arc<dyn Fn(RaftId) + Send + Sync>;

/// The ways to all peers; clones share them.
#[derive(Clone)]
pub(crate) struct Links(Arc<Shared>);

struct Shared {
    /// Set once the disk has told who we are: before the first use.
    credentials: OnceLock<Credentials>,
    directory: Directory,
    open: Mutex<BTreeMap<RaftId, Link>>,
    /// Who dialled us while we know no member yet: whom a new controller answers.
    callers: Mutex<BTreeMap<RaftId, String>>,
    /// Set once the consensus thread runs.
    unreachable: OnceLock<Unreachable>,
    /// Set when a member refuses this controller for good.
    dismissed: watch::Sender<Option<Dismissed>>,
    runtime: tokio::runtime::Handle,
}

impl Credentials {
    /// Of a disk, and the address that belongs to it now.
    pub(crate) fn new(identity: Identity, peer_address: String) -> Self {
        Self { id: identity.raft_id, fingerprint: identity.fingerprint, marker: identity.marker, peer_address }
    }

    fn hello(&self, to: RaftId) -> PeerHello {
        PeerHello {
            fingerprint: hex(self.fingerprint),
            from: self.id,
            to,
            storage_marker: hex(self.marker),
            feature_level: FEATURE_LEVEL,
            peer_address: self.peer_address.clone(),
        }
    }
}

/// Fingerprints and markers as text.
pub(crate) fn hex(number: u128) -> String {
    format!("{number:032x}")
}

/// The number behind such a text.
pub(crate) fn from_hex(text: &str) -> Option<u128> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl Links {
    /// No links yet: they open with the first membership.
    pub(crate) fn new(directory: Directory, runtime: tokio::runtime::Handle) -> Self {
        Self(Arc::new(Shared {
            credentials: OnceLock::new(),
            directory,
            open: Mutex::default(),
            callers: Mutex::default(),
            unreachable: OnceLock::new(),
            dismissed: watch::Sender::new(None),
            runtime,
        }))
    }

    /// Who we are and whom to tell about lost peers. Opens the links to the members known so far.
    pub(crate) fn begin(&self, credentials: Credentials, unreachable: impl Fn(RaftId) + Send + Sync + 'static) {
        let _ = self.0.credentials.set(credentials);
        let _ = self.0.unreachable.set(Arc::new(unreachable));
        self.refresh();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RaftId, Link>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens links to new members and members that moved, closes those of removed ones.
    fn refresh(&self) {
        let (Some(credentials), Some(unreachable)) = (self.0.credentials.get(), self.0.unreachable.get()) else {
            return;
        };
        let wanted = self.wanted(credentials.id);
        let mut open = self.lock();
        open.retain(|id, link| wanted.get(id).is_some_and(|address| *address == link.address));
        for (id, address) in wanted {
            if open.contains_key(&id) {
                continue;
            }
            let hello = credentials.hello(id);
            let dismissed = self.0.dismissed.clone();
            match Link::open(id, &address, hello, Arc::clone(unreachable), dismissed, &self.0.runtime) {
                Ok(link) => drop(open.insert(id, link)),
                Err(error) => tracing::error!(peer = id, address, %error, "a member's peer address can't be dialled"),
            }
        }
    }

    /// Addresses of all other members; while none is known, of those who called.
    fn wanted(&self, me: RaftId) -> BTreeMap<RaftId, String> {
        let members = self.0.directory.now();
        if members.by_id.is_empty() {
            return self.0.callers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        let others = members.by_id.values().filter(|member| member.id != me);
        others.map(|member| (member.id, member.peer_address.clone())).collect()
    }

    /// The members changed.
    pub(crate) fn membership_changed(&self, membership: &Membership) {
        self.0.directory.set(membership);
        self.refresh();
    }

    /// Who we are; `None` before the disk was opened.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.0.credentials.get().cloned()
    }

    /// The peer called: dial it now if it isn't connected, or isn't known yet.
    pub(crate) fn heard_of(&self, peer: RaftId, address: &str) {
        if self.0.directory.now().by_id.is_empty() && crate::config::check_address("peer_address", address).is_ok() {
            let mut callers = self.0.callers.lock().unwrap_or_else(PoisonError::into_inner);
            if callers.len() < drydock_consensus::config::MEMBERS_MAX {
                callers.insert(peer, address.to_owned());
            }
            drop(callers);
            self.refresh();
        }
        if let Some(link) = self.lock().get(&peer) {
            link.redial();
        }
    }

    /// Ends once a member refuses this controller for good.
    pub(crate) async fn dismissed(&self) -> Dismissed {
        let mut dismissed = self.0.dismissed.subscribe();
        loop {
            if let Some(why) = *dismissed.borrow_and_update() {
                return why;
            }
            if dismissed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A channel to the peer for whatever isn't a raft message.
    pub(crate) fn channel(&self, peer: RaftId) -> Option<Channel> {
        self.lock().get(&peer).map(|link| link.channel.clone())
    }

    /// To how many peers a stream is open.
    pub(crate) fn connected(&self) -> usize {
        self.lock().values().filter(|link| link.connected()).count()
    }

    /// Ends all links.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }
}

impl Peers for Links {
    fn send(&mut self, to: RaftId, messages: Vec<Vec<u8>>) -> bool {
        self.lock().get(&to).is_some_and(|link| link.queue.push(messages))
    }

    fn fetch_snapshot(&mut self, fetch: SnapshotFetch) {
        let Some(credentials) = self.credentials() else { return };
        let members = self.0.directory.now();
        // A replica that is just being added may not know the leader's address from its own membership yet, but the
        // snapshot's carries it.
        let of_snapshot = crate::members::peer_address(&fetch.meta().membership, fetch.from());
        let address = members.by_id.get(&fetch.from()).map(|member| member.peer_address.clone()).or(of_snapshot);
        let Some(address) = address else {
            tracing::warn!(from = fetch.from(), "a snapshot is offered by a controller whose address isn't known");
            return;
        };
        self.0.runtime.spawn(fetch::run(fetch, address, credentials));
    }

    fn membership_changed(&mut self, membership: &Membership) {
        Links::membership_changed(self, membership);
    }
}
