//! What all parts of a controller share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use drydock_consensus::{Handle, RaftId, ReadError};
use drydock_model::arn::Scope;
use drydock_state::Outcome;
use tokio::sync::oneshot;

use crate::api::errors::ApiError;
use crate::aws::Held;
use crate::clock::Clock;
use crate::config::BootstrapSettings;
use crate::events::EventRing;
use crate::identity::Seeds;
use crate::leader::Leader;
use crate::leadership::Leaderships;
use crate::limits::{LEADER_WAIT_MAX, READ_INDEX_WAIT_MAX};
use crate::machine::DirtyFeed;
use crate::members::Directory;
use crate::metrics::Metrics;
use crate::peers::Links;
use crate::propose::Admission;
use crate::view::{Version, View};

/// One running controller.
pub(crate) struct Core {
    pub(crate) me: RaftId,
    pub(crate) name: String,
    pub(crate) fingerprint: u128,
    /// Region and account of its API.
    pub(crate) scope: Scope,
    /// URL of its AWS port, where it has one.
    pub(crate) aws_url: Option<String>,
    /// For a new cluster.
    pub(crate) settings: BootstrapSettings,
    pub(crate) handle: Handle<Outcome>,
    pub(crate) view: View,
    pub(crate) events: EventRing,
    pub(crate) leaderships: Leaderships,
    pub(crate) directory: Directory,
    pub(crate) links: Links,
    pub(crate) dirty: DirtyFeed,
    pub(crate) admission: Admission,
    /// What the AWS wire holds.
    pub(crate) held: Arc<Held>,
    pub(crate) seeds: Seeds,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// The leader's scope, while this controller leads.
    pub(crate) leader: ArcSwapOption<Leader>,
}

impl Core {
    /// Whether this controller takes part: one that is still joining, or was removed, knows nothing that anybody should
    /// act on.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where it doesn't: clients ask the next one.
    pub(crate) fn takes_part(&self) -> Result<(), ApiError> {
        if self.directory.now().by_id.contains_key(&self.me) {
            return Ok(());
        }
        Err(ApiError::Unavailable(format!("controller {:?} is not (yet) a member of the control plane", self.name)))
    }

    /// A version of the state that has seen every write that was acknowledged before this call.
    ///
    /// # Errors
    /// No leader confirmed it in time, or too many reads wait.
    pub(crate) async fn read_strong(&self) -> Result<Arc<Version>, ApiError> {
        // Clients take a longer silence for a controller that is frozen.
        if self.leaderships.find(self.me, LEADER_WAIT_MAX).await.is_none() {
            return Err(ApiError::Unavailable("no controller leads at present; retry".to_owned()));
        }
        let (tell, told) = oneshot::channel();
        self.handle.read_index(move |result| drop(tell.send(result)));
        let index = told.await.unwrap_or(Err(ReadError::Stopped))?;
        self.read_at_least(index, READ_INDEX_WAIT_MAX).await
    }

    /// A version of the state that has seen entry `index`.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where it isn't here within `patience`.
    pub(crate) async fn read_at_least(&self, index: u64, patience: Duration) -> Result<Arc<Version>, ApiError> {
        let version = self.view.at_least(index, patience).await;
        version.ok_or_else(|| {
            ApiError::Unavailable(format!(
                "this controller has applied entry {} and not yet entry {index}; retry, or ask another one",
                self.view.index()
            ))
        })
    }
}
