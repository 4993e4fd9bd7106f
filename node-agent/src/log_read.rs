//! Log reads that a controller asked for: each has a task and a stream of its own, so that bulk never delays control. One
//! that follows takes up containers as they are started, and started again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drydock_engine::{Engine, FailureKind, Millis, Output, RuntimeError, Source};
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

/// Containers that may wait to be opened. More than a task can have.
const SOURCES_MAX: usize = 64;
/// A read may come before the task that it is about: so long it waits.
const UNKNOWN_MAX: Duration = Duration::from_secs(10);
const NEVER_CREATED: &str =
    "no such container was ever created here: `drydock task describe` says why the task stopped";
const GONE: &str = "its container is gone, and its log with it: containers of stopped tasks are removed after a while \
                    (`task_cleanup_wait_seconds` of the agent), or somebody removed it";
const NOT_YET: &str = "the container isn't started yet; --follow waits for it";

/// The reads under way.
#[derive(Debug, Default)]
pub(crate) struct LogReads {
    running: BTreeMap<String, Reading>,
}

/// One of them.
#[derive(Debug)]
struct Reading {
    task: AbortHandle,
    /// `None` where it doesn't follow, or nothing more can come.
    follow: Option<Follow>,
}

/// What a read that follows waits for.
#[derive(Debug)]
struct Follow {
    task_arn: String,
    container: Option<String>,
    /// How often each container that is read had been started again.
    opened: BTreeMap<String, u32>,
    sources: mpsc::Sender<Opening>,
    known: bool,
}

/// How a read begins.
struct Wait {
    openings: mpsc::Receiver<Opening>,
    /// Whether the task is known here already.
    known: bool,
    /// What is said where no container ever comes.
    otherwise: &'static str,
}

/// A container that is to be read.
#[derive(Debug)]
struct Opening {
    container: String,
    runtime_id: String,
    /// Only lines from then on: what was before has been read.
    since: Option<Millis>,
    /// It was started while the read went on: every line is new.
    later: bool,
}

/// One line, with its container's name; or why a container can't be read.
type Named = (String, Result<LogLine, RuntimeError>);

impl LogReads {
    /// Starts a read.
    pub(crate) fn start<R: ContainerRuntime>(
        &mut self,
        runtime: Arc<R>,
        engine: &Engine,
        controller: String,
        read: StartLogRead,
    ) {
        self.running.retain(|_, read| !read.task.is_finished());
        let (to, openings) = mpsc::channel(SOURCES_MAX);
        let container = Some(read.container.clone()).filter(|name| !name.is_empty());
        let output = engine.output(&read.task_arn, container.as_deref());
        let otherwise = if output.removed { GONE } else { NEVER_CREATED };
        let refusal = if self.running.len() >= READS_MAX {
            Some(format!("this instance reads {READS_MAX} logs already"))
        } else if output.sources.is_empty() && !read.follow {
            Some(if output.more { NOT_YET } else { otherwise }.to_owned())
        } else {
            None
        };
        let wait = Wait { openings, known: output.known, otherwise };
        let mut follow =
            Follow { task_arn: read.task_arn.clone(), container, opened: BTreeMap::new(), sources: to, known: false };
        let more = follow.take(output) && read.follow && refusal.is_none();
        let id = read.read_id.clone();
        let task = tokio::spawn(async move {
            let pushed = push(controller, move |to| produce(runtime, read, wait, refusal, to)).await;
            if let Err(error) = pushed {
                tracing::debug!(error, "a log read ended");
            }
        });
        let reading = Reading { task: task.abort_handle(), follow: more.then_some(follow) };
        if let Some(before) = self.running.insert(id, reading) {
            before.task.abort();
        }
    }

    /// Something may have changed: reads that follow take up what was started since.
    pub(crate) fn look(&mut self, engine: &Engine) {
        for read in self.running.values_mut() {
            let Some(follow) = &mut read.follow else { continue };
            let output = engine.output(&follow.task_arn, follow.container.as_deref());
            if !follow.take(output) {
                // The read ends with what is open.
                read.follow = None;
            }
        }
    }

    /// Ends a read.
    pub(crate) fn stop(&mut self, read_id: &str) {
        if let Some(read) = self.running.remove(read_id) {
            read.task.abort();
        }
    }
}

impl Follow {
    /// Opens what is new; whether more may come.
    fn take(&mut self, output: Output) -> bool {
        let first = !self.known;
        self.known |= output.known;
        for source in output.sources {
            let Source { container, runtime_id, restarts, runs, started_at } = source;
            let (since, later) = match self.opened.get(&container) {
                None => (None, !first),
                Some(before) if *before < restarts && runs => (started_at, true),
                Some(_) => continue,
            };
            self.opened.insert(container.clone(), restarts);
            // Full, or the read is gone: the one can't be, and the other needs no more.
            let _ = self.sources.try_send(Opening { container, runtime_id, since, later });
        }
        output.more || !self.known
    }
}

impl Drop for LogReads {
    fn drop(&mut self) {
        self.running.values().for_each(|read| read.task.abort());
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
    wait: Wait,
    refusal: Option<String>,
    to: mpsc::Sender<LogChunk>,
) {
    let last = |error| LogChunk { read_id: read.read_id.clone(), entries: Vec::new(), error, end: true };
    if let Some(refusal) = refusal {
        let _ = to.send(last(refusal)).await;
        return;
    }
    let query = LogQuery { follow: read.follow, tail: read.tail, since: drydock_engine::millis(read.since.as_ref()) };
    let Wait { mut openings, known, otherwise } = wait;
    // The controller knows whose stream this is by its first chunk.
    let begins = LogChunk { read_id: read.read_id.clone(), entries: Vec::new(), error: String::new(), end: false };
    if to.send(begins).await.is_err() {
        return;
    }
    let first = tokio::select! {
        first = openings.recv() => first,
        () = to.closed() => return,
        () = tokio::time::sleep(UNKNOWN_MAX), if !known => None,
    };
    let Some(first) = first else {
        let _ = to.send(last(otherwise.to_owned())).await;
        return;
    };
    let mut lines = merged(runtime, first, openings, query);
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
        FailureKind::NotFound => GONE.to_owned(),
        _ => cause.to_string(),
    }
}

/// The lines of all containers as they come; ends once no more containers come and all of them have ended.
fn merged<R: ContainerRuntime>(
    runtime: Arc<R>,
    first: Opening,
    mut openings: mpsc::Receiver<Opening>,
    query: LogQuery,
) -> mpsc::Receiver<Named> {
    let (to, lines) = mpsc::channel(LOG_LINES_MAX);
    tokio::spawn(async move {
        let mut next = Some(first);
        loop {
            let opening = match next.take() {
                Some(first) => Some(first),
                None => tokio::select! {
                    opening = openings.recv() => opening,
                    () = to.closed() => return,
                },
            };
            let Some(Opening { container, runtime_id, since, later }) = opening else { return };
            let query =
                LogQuery { since: since.max(query.since), tail: query.tail.filter(|_| !later), follow: query.follow };
            tokio::spawn(pass_on(container, runtime.logs(&runtime_id, query), to.clone()));
        }
    });
    lines
}

async fn pass_on(container: String, mut log: mpsc::Receiver<Result<LogLine, RuntimeError>>, to: mpsc::Sender<Named>) {
    loop {
        let line = tokio::select! {
            line = log.recv() => line,
            () = to.closed() => return,
        };
        let Some(line) = line else { return };
        if to.send((container.clone(), line)).await.is_err() {
            return;
        }
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drydock_engine::{Output, Source};
    use tokio::sync::mpsc;

    use super::{Follow, SOURCES_MAX};

    fn source(container: &str, restarts: u32, runs: bool) -> Source {
        let started_at = Some(u64::from(restarts) * 1_000);
        Source { container: container.to_owned(), runtime_id: container.to_owned(), restarts, runs, started_at }
    }

    fn output(sources: Vec<Source>, more: bool) -> Output {
        Output { sources, more, known: true, removed: false }
    }

    /// A restart policy starts the same container again: its log goes on where the one before ended.
    #[test]
    fn each_start_of_a_container_is_opened_once() {
        let (to, mut openings) = mpsc::channel(SOURCES_MAX);
        let mut follow =
            Follow { task_arn: String::new(), container: None, opened: BTreeMap::new(), sources: to, known: false };
        assert!(follow.take(Output::default()), "it may still come");
        let steps = [
            output(vec![source("a", 0, true)], true),
            output(vec![source("a", 0, true), source("b", 0, true)], true),
            output(vec![source("a", 0, false), source("b", 0, true)], true),
            output(vec![source("a", 1, false), source("b", 0, true)], true),
            output(vec![source("a", 1, true), source("b", 0, true)], true),
        ];
        for step in steps {
            assert!(follow.take(step));
        }
        assert!(!follow.take(output(vec![source("a", 1, false), source("b", 0, false)], false)));
        drop(follow);
        let mut opened = Vec::new();
        while let Ok(opening) = openings.try_recv() {
            opened.push((opening.container, opening.since, opening.later));
        }
        let expected = [("a", None, false), ("b", None, true), ("a", Some(1_000), true)];
        assert_eq!(opened, expected.map(|(container, since, later)| (container.to_owned(), since, later)));
    }
}
