//! Log reads that a controller asked for: each has a task and a stream of its own, so that bulk never delays control.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drydock_engine::{FailureKind, RuntimeError};
use drydock_proto::agent::{LogChunk, LogEntry, StartLogRead};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::runtime::{ContainerRuntime, LOG_LINES_MAX, LogLine, LogQuery};
use crate::session;

/// Reads at a time; one more is answered with an error.
const READS_MAX: usize = 16;
/// Lines in one chunk.
const CHUNK_LINES_MAX: usize = 100;
/// Chunks that may wait for the network; then reading waits.
const CHUNKS_MAX: usize = 4;
/// Lines that a read without `follow` sorts by time over all containers; of more the oldest are left out.
const SORTED_LINES_MAX: usize = 50_000;
/// A chunk that nobody takes for so long ends its read.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// The reads under way.
#[derive(Debug, Default)]
pub(crate) struct LogReads {
    running: BTreeMap<String, AbortHandle>,
}

/// One line, with its container's name; or why a container can't be read.
type Named = (String, Result<LogLine, RuntimeError>);

impl LogReads {
    /// Starts a read: `containers` are names and runtime ids.
    pub(crate) fn start<R: ContainerRuntime>(
        &mut self,
        runtime: Arc<R>,
        controller: String,
        read: StartLogRead,
        containers: Vec<(String, String)>,
    ) {
        self.running.retain(|_, task| !task.is_finished());
        let refusal = if self.running.len() >= READS_MAX {
            Some(format!("this instance reads {READS_MAX} logs already"))
        } else if containers.is_empty() {
            Some(
                "no such container was ever created here: `drydock task describe` says why the task stopped".to_owned(),
            )
        } else {
            None
        };
        let id = read.read_id.clone();
        let task = tokio::spawn(async move {
            let pushed = push(controller, move |to| produce(runtime, read, containers, refusal, to)).await;
            if let Err(error) = pushed {
                tracing::debug!(error, "a log read ended");
            }
        });
        if let Some(before) = self.running.insert(id, task.abort_handle()) {
            before.abort();
        }
    }

    /// Ends a read.
    pub(crate) fn stop(&mut self, read_id: &str) {
        if let Some(task) = self.running.remove(read_id) {
            task.abort();
        }
    }
}

impl Drop for LogReads {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}

async fn push<F: Future<Output = ()> + Send>(
    controller: String,
    produce: impl FnOnce(mpsc::Sender<LogChunk>) -> F,
) -> Result<(), String> {
    let channel = session::connect(&controller).await?;
    let (to, chunks) = mpsc::channel(CHUNKS_MAX);
    let mut client = session::client(channel);
    let pushing = client.push_logs(ReceiverStream::new(chunks));
    // The producer ends when nobody takes its chunks, the call when there are no more.
    let (answer, ()) = tokio::join!(pushing, produce(to));
    answer.map(|_| ()).map_err(|status| status.to_string())
}

async fn produce<R: ContainerRuntime>(
    runtime: Arc<R>,
    read: StartLogRead,
    containers: Vec<(String, String)>,
    refusal: Option<String>,
    to: mpsc::Sender<LogChunk>,
) {
    let last = |error| LogChunk { read_id: read.read_id.clone(), entries: Vec::new(), error, end: true };
    if let Some(refusal) = refusal {
        let _ = to.send(last(refusal)).await;
        return;
    }
    let query = LogQuery { follow: read.follow, tail: read.tail, since: drydock_engine::millis(read.since.as_ref()) };
    let mut lines = merged(&*runtime, containers, query);
    if !read.follow {
        lines = sorted(lines, query.tail).await;
    }
    let mut error = String::new();
    let mut batch = Vec::with_capacity(CHUNK_LINES_MAX);
    while lines.recv_many(&mut batch, CHUNK_LINES_MAX).await > 0 {
        let mut entries = Vec::with_capacity(batch.len());
        for (container, line) in batch.drain(..) {
            match line {
                Ok(line) => entries.push(entry(container, line)),
                Err(cause) => error = format!("{container}: {}", why_no_log(&cause)),
            }
        }
        let chunk = LogChunk { read_id: read.read_id.clone(), entries, error: String::new(), end: false };
        if !matches!(tokio::time::timeout(STALLED_AFTER, to.send(chunk)).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = to.send(last(error)).await;
}

/// Why a container's log can't be read, for people.
fn why_no_log(cause: &RuntimeError) -> String {
    match cause.kind {
        FailureKind::NotFound => "its container is gone, and its log with it: containers of stopped tasks are removed \
                                  after a while (`task_cleanup_wait_seconds` of the agent), or somebody removed it"
            .to_owned(),
        _ => cause.to_string(),
    }
}

/// The lines of all containers as they come.
fn merged<R: ContainerRuntime>(
    runtime: &R,
    containers: Vec<(String, String)>,
    query: LogQuery,
) -> mpsc::Receiver<Named> {
    let (to, lines) = mpsc::channel(LOG_LINES_MAX);
    for (name, runtime_id) in containers {
        let mut log = runtime.logs(&runtime_id, query);
        let to = to.clone();
        tokio::spawn(async move {
            loop {
                let line = tokio::select! {
                    line = log.recv() => line,
                    () = to.closed() => return,
                };
                let Some(line) = line else { return };
                if to.send((name.clone(), line)).await.is_err() {
                    return;
                }
            }
        });
    }
    lines
}

/// All lines, by time, the newest `tail` of them over all containers.
async fn sorted(mut lines: mpsc::Receiver<Named>, tail: Option<u32>) -> mpsc::Receiver<Named> {
    let mut all = std::collections::VecDeque::new();
    while let Some(line) = lines.recv().await {
        if all.len() == SORTED_LINES_MAX {
            all.pop_front();
        }
        all.push_back(line);
    }
    let mut all = Vec::from(all);
    all.sort_by_key(|(_, line)| line.as_ref().ok().and_then(|line| line.time).map(|time| (time.seconds, time.nanos)));
    if let Some(tail) = tail {
        let over = all.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
        // Errors sort first and stay.
        let errors = all.iter().take_while(|(_, line)| line.is_err()).count();
        all.drain(errors.min(all.len())..over.max(errors));
    }
    let (to, out) = mpsc::channel(all.len().max(1));
    for line in all {
        // It has room for all of them.
        let _ = to.try_send(line);
    }
    out
}

fn entry(container: String, line: LogLine) -> LogEntry {
    LogEntry { container, time: line.time, stream: line.stream.to_owned(), message: line.message }
}
