//! The stream of events, from any controller: from an index on, in the order of the log. A watcher reads from the ring at
//! its own pace; nothing is buffered for it.

use std::collections::VecDeque;
use std::sync::Arc;

use drydock_proto::control::{Resync, WatchEventsRequest, WatchEventsResponse, watch_events_response::Item};
use drydock_state::event::Event;
use drydock_state::query::{self, EventFilter};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::core::Core;
use crate::events::Next;
use crate::limits::{WATCH_ENTRIES_MAX, WATCH_PROGRESS_INTERVAL};

/// Where one watcher is.
struct Watcher {
    core: Arc<Core>,
    /// Everything up to this entry was sent, or left out by the filter.
    after: u64,
    /// The last event that was sent before, of an entry of which not all were.
    seen: Option<(u64, u32)>,
    filter: EventFilter,
    newest: watch::Receiver<u64>,
    /// Of the entries that were read last.
    ready: VecDeque<WatchEventsResponse>,
    /// Whether anything was read from the ring before: then falling behind it is the watcher's own slowness.
    began: bool,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// The stream for one watcher. Ends when `stop` is cancelled, or when the watcher is slower than the ring.
pub(crate) fn watch_events(
    core: &Arc<Core>,
    request: &WatchEventsRequest,
    permit: OwnedSemaphorePermit,
    stop: CancellationToken,
) -> BoxStream<'static, Result<WatchEventsResponse, Status>> {
    let newest = core.events.subscribe();
    let after = request.after_index.unwrap_or_else(|| core.view.index());
    let seen = request.after_ordinal.filter(|_| request.after_index.is_some()).map(|ordinal| (after, ordinal));
    // That entry is read again, for its other events.
    let after = if seen.is_some() { after.saturating_sub(1) } else { after };
    let watcher = Watcher {
        core: Arc::clone(core),
        after,
        seen,
        filter: EventFilter::of(request),
        newest,
        ready: VecDeque::new(),
        began: false,
        stop,
        _permit: permit,
    };
    stream::unfold(Some(watcher), |watcher| async {
        let mut watcher = watcher?;
        match watcher.next().await {
            Some(Ok(item)) => Some((Ok(item), Some(watcher))),
            Some(Err(status)) => Some((Err(status), None)),
            None => None,
        }
    })
    .boxed()
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<WatchEventsResponse, Status>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            self.newest.mark_unchanged();
            match self.core.events.after(self.after, WATCH_ENTRIES_MAX) {
                Next::Events(entries) => self.take(&entries),
                Next::Gone(_) if self.began => {
                    return Some(Err(Status::aborted(format!(
                        "this watcher is too slow: what came after entry {} is no longer kept; watch again from there",
                        self.after
                    ))));
                }
                Next::Gone(index) => {
                    self.after = index;
                    return Some(Ok(unplaced(Item::Resync(Resync { index }))));
                }
                Next::Nothing(index) => {
                    self.began = true;
                    let stop = self.stop.clone();
                    tokio::select! {
                        changed = self.newest.changed() => changed.ok()?,
                        () = stop.cancelled() => return None,
                        () = tokio::time::sleep(WATCH_PROGRESS_INTERVAL) => {
                            // Nothing was pushed up to there when it was read.
                            self.after = self.after.max(index);
                            return Some(Ok(unplaced(Item::ProgressIndex(self.after))));
                        }
                    }
                }
            }
        }
    }

    fn take(&mut self, entries: &[Arc<[Event]>]) {
        self.began = true;
        for event in entries.iter().flat_map(|events| events.iter()) {
            self.after = event.index;
            if self.filter.wants(event) && self.seen.is_none_or(|seen| seen < (event.index, event.ordinal)) {
                let item = Some(Item::Event(query::event::render(event)));
                self.ready.push_back(WatchEventsResponse { item, index: event.index, ordinal: event.ordinal });
            }
        }
    }
}

/// An item that has no place of its own in the log.
fn unplaced(item: Item) -> WatchEventsResponse {
    WatchEventsResponse { item: Some(item), ..WatchEventsResponse::default() }
}
