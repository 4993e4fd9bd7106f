//! Brings the output of a task's containers from the agent that runs it to the client that asked: the client's stream
//! waits here under a random id, the agent is told the id and pushes. Nothing is stored; a slow client slows the agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_proto::agent::LogChunk;
use drydock_proto::control::LogLine;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::limits::{LOG_CHUNKS_AHEAD_MAX, LOG_LINE_BYTES_MAX, LOG_READS_MAX};

/// What a client's stream gets.
pub(crate) type LogItem = Result<Vec<LogLine>, Status>;

/// The reads that wait for an agent, or are being fed by one; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogBroker(Arc<Mutex<HashMap<String, Slot>>>);

#[derive(Debug)]
struct Slot {
    /// `None` once an agent has taken it.
    feed: Option<mpsc::Sender<LogItem>>,
    /// Told when an agent has taken it.
    taken: Option<oneshot::Sender<()>>,
}

/// A client's side of a read. Dropping it ends the read.
#[derive(Debug)]
pub(crate) struct LogRead {
    pub(crate) id: String,
    pub(crate) lines: mpsc::Receiver<LogItem>,
    pub(crate) taken: oneshot::Receiver<()>,
    broker: LogBroker,
}

impl LogBroker {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new read under a random id.
    pub(crate) fn open(&self, id: String) -> Result<LogRead, Status> {
        let (feed, lines) = mpsc::channel(LOG_CHUNKS_AHEAD_MAX);
        let (taken, was_taken) = oneshot::channel();
        let mut slots = self.lock();
        if slots.len() >= LOG_READS_MAX {
            return Err(Status::resource_exhausted(format!("{LOG_READS_MAX} logs are being read; retry later")));
        }
        slots.insert(id.clone(), Slot { feed: Some(feed), taken: Some(taken) });
        Ok(LogRead { id, lines, taken: was_taken, broker: self.clone() })
    }

    /// An agent comes with the id: from now on it alone feeds the read.
    pub(crate) fn take(&self, id: &str) -> Option<mpsc::Sender<LogItem>> {
        let mut slots = self.lock();
        let slot = slots.get_mut(id)?;
        let feed = slot.feed.take()?;
        if let Some(taken) = slot.taken.take() {
            // The client may have left in between: then the feed's first send fails.
            let _ = taken.send(());
        }
        Some(feed)
    }

    /// Ends all reads: their clients get `UNAVAILABLE` and ask again.
    pub(crate) fn close(&self) {
        for (_, slot) in self.lock().drain() {
            if let Some(feed) = slot.feed {
                let _ = feed.try_send(Err(Status::unavailable("the leader of the controllers changed; ask again")));
            }
        }
    }
}

impl Drop for LogRead {
    fn drop(&mut self) {
        self.broker.lock().remove(&self.id);
    }
}

/// An agent's chunk as the client's lines. A chunk that tells an error ends the read with it.
pub(crate) fn lines_of(chunk: LogChunk) -> LogItem {
    if !chunk.error.is_empty() {
        return Err(Status::failed_precondition(chunk.error));
    }
    let mut lines = Vec::with_capacity(chunk.entries.len());
    for entry in chunk.entries {
        let mut rest = entry.message.as_str();
        loop {
            let (part, more) = split_at_most(rest, LOG_LINE_BYTES_MAX);
            lines.push(LogLine {
                container: entry.container.clone(),
                time: entry.time,
                stream: entry.stream.clone(),
                message: part.to_owned(),
            });
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
    }
    Ok(lines)
}

/// The longest prefix of at most `max` bytes that ends between characters, and the rest.
fn split_at_most(text: &str, max: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(max))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use drydock_proto::agent::{LogChunk, LogEntry};
    use tonic::Code;

    use super::{LOG_LINE_BYTES_MAX, LogBroker, lines_of};

    #[tokio::test]
    async fn an_agent_takes_a_read_once_and_feeds_it() {
        let broker = LogBroker::default();
        let mut read = broker.open("r".to_owned()).unwrap();
        assert!(broker.take("other").is_none());
        let feed = broker.take("r").unwrap();
        assert!(broker.take("r").is_none());
        (&mut read.taken).await.unwrap();
        feed.send(Ok(Vec::new())).await.unwrap();
        assert!(read.lines.recv().await.unwrap().unwrap().is_empty());
        drop(read);
        assert!(feed.send(Ok(Vec::new())).await.is_err());
    }

    #[tokio::test]
    async fn the_end_of_leadership_ends_reads_that_wait() {
        let broker = LogBroker::default();
        let mut read = broker.open("r".to_owned()).unwrap();
        broker.close();
        assert_eq!(read.lines.recv().await.unwrap().unwrap_err().code(), Code::Unavailable);
        assert!(read.lines.recv().await.is_none());
    }

    #[test]
    fn a_long_line_comes_in_parts_and_an_error_ends_the_read() {
        let message = "ä".repeat(LOG_LINE_BYTES_MAX);
        let entry = LogEntry { message: message.clone(), ..LogEntry::default() };
        let lines = lines_of(LogChunk { entries: vec![entry], ..LogChunk::default() }).unwrap();
        assert!(lines.len() > 1 && lines.iter().all(|line| line.message.len() <= LOG_LINE_BYTES_MAX));
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<String>(), message);
        let failed = lines_of(LogChunk { error: "gone".to_owned(), ..LogChunk::default() }).unwrap_err();
        assert_eq!(failed.message(), "gone");
    }
}
