//! The simulated runtime: the engine crate's table of pretended containers with a clock, one timer for all of them and
//! a file.
//!
//! Every change of the table is appended to `simulated.log` in the data folder before it is answered, so that killing
//! the agent neither loses nor restarts a pretended container: its moments are wall-clock times, and what they say
//! goes on being true. (A power cut may lose the last lines; pretended containers wouldn't survive it either.)

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drydock_engine::limits::Millis;
use drydock_engine::simulated::{Change, Simulated};
use drydock_engine::{
    ContainerSpec, FailureKind, Listed, Observation, Outcome, ProvidedNetwork, RuntimeError, RuntimeOp, TaskSpec,
};
use tokio::sync::{Notify, mpsc};

use crate::clock::Clock;
use crate::error::AgentError;
use crate::runtime::{ContainerRuntime, EVENTS_MAX, LOG_LINES_MAX, LogLine, LogQuery, RuntimeEvent};

/// The file is written anew when it has this many lines more than two for each row of the table.
const SLACK_LINES: usize = 1_000;
/// How often a followed log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// The simulated runtime of one agent.
#[derive(Debug, Clone)]
pub struct SimulatedRuntime {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// The next change may be sooner than it was.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    table: Simulated,
    /// `None` where the containers end with the process.
    kept: Option<Kept>,
}

impl SimulatedRuntime {
    pub(crate) fn open(
        data_dir: &Path,
        stages: Vec<drydock_engine::simulated::knobs::StageRow>,
        clock: Clock,
    ) -> Result<Self, AgentError> {
        let path = data_dir.join("simulated.log");
        let (changes, lines) = read(&path).map_err(AgentError::disk(&path))?;
        let table = Simulated::new(stages, changes);
        let mut kept = Kept { file: append(&path).map_err(AgentError::disk(&path))?, path: path.clone(), lines };
        kept.compact(&table).map_err(AgentError::disk(&path))?;
        Ok(Self::of(State { table, kept: Some(kept) }, clock))
    }

    /// One whose containers end with the process.
    pub(crate) fn in_memory(stages: Vec<drydock_engine::simulated::knobs::StageRow>, clock: Clock) -> Self {
        Self::of(State { table: Simulated::new(stages, Vec::new()), kept: None }, clock)
    }

    fn of(state: State, clock: Clock) -> Self {
        Self { shared: Arc::new(Shared { clock, state: Mutex::new(state), changed: Notify::new() }) }
    }

    async fn run(&self, op: RuntimeOp) -> Result<Outcome, RuntimeError> {
        let clock = self.shared.clock;
        let ends = self.shared.with(|table| table.begin(&op, clock.now()))?;
        tokio::time::sleep_until(clock.instant(ends)).await;
        let outcome = self.shared.with(|table| table.end(&op, clock.now()))?;
        self.shared.changed.notify_one();
        outcome
    }

    async fn observed(&self, op: RuntimeOp) -> Result<Observation, RuntimeError> {
        match self.run(op).await? {
            Outcome::Observed(seen) => Ok(seen),
            other => Err(failed(&format!("not an observation: {other:?}"))),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left no half of a change: each is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table and keeps what changed before anybody sees it.
    fn with<T>(&self, change: impl FnOnce(&mut Simulated) -> T) -> Result<T, RuntimeError> {
        let mut state = self.lock();
        let State { table, kept } = &mut *state;
        let out = change(table);
        let changes = table.take_changes();
        if let Some(kept) = kept {
            kept.keep(&changes, table).map_err(|error| failed(&format!("{}: {error}", kept.path.display())))?;
        }
        Ok(out)
    }
}

impl ContainerRuntime for SimulatedRuntime {
    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn docker_version(&self) -> String {
        String::new()
    }

    fn capabilities(&self) -> Vec<String> {
        crate::attributes::simulated_capabilities()
    }

    async fn pull(&self, spec: &ContainerSpec) -> Result<String, RuntimeError> {
        match self.run(RuntimeOp::Pull(spec.clone())).await? {
            Outcome::Pulled { image_digest } => Ok(image_digest),
            other => Err(failed(&format!("not a pull: {other:?}"))),
        }
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<Observation, RuntimeError> {
        self.observed(RuntimeOp::Create(spec.clone())).await
    }

    async fn start(&self, runtime_id: &str) -> Result<Observation, RuntimeError> {
        self.observed(RuntimeOp::Start { runtime_id: runtime_id.to_owned() }).await
    }

    async fn stop(&self, runtime_id: &str, timeout_ms: Millis) -> Result<Observation, RuntimeError> {
        self.observed(RuntimeOp::Stop { runtime_id: runtime_id.to_owned(), timeout_ms }).await
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), RuntimeError> {
        self.run(RuntimeOp::Remove { runtime_id: runtime_id.to_owned() }).await.map(|_| ())
    }

    async fn inspect(&self, runtime_id: &str) -> Result<Observation, RuntimeError> {
        self.observed(RuntimeOp::Inspect { runtime_id: runtime_id.to_owned() }).await
    }

    async fn list(&self) -> Result<Vec<Listed>, RuntimeError> {
        match self.run(RuntimeOp::List).await? {
            Outcome::Listed(all) => Ok(all),
            other => Err(failed(&format!("not a listing: {other:?}"))),
        }
    }

    async fn provide_network(&self, task: &Arc<TaskSpec>) -> Result<ProvidedNetwork, RuntimeError> {
        match self.run(RuntimeOp::ProvideNetwork(Arc::clone(task))).await? {
            Outcome::Network(provided) => Ok(provided),
            other => Err(failed(&format!("not a network: {other:?}"))),
        }
    }

    async fn release_network(&self, _task_arn: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn forget_task(&self, _task_arn: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn events(&self) -> mpsc::Receiver<RuntimeEvent> {
        let (to, events) = mpsc::channel(EVENTS_MAX);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut seen = shared.clock.now();
            loop {
                let next = shared.lock().table.next_change(seen);
                let due = async {
                    match next {
                        Some(at) => tokio::time::sleep_until(shared.clock.instant(at)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = due => {}
                    () = shared.changed.notified() => {}
                    () = to.closed() => return,
                }
                let now = shared.clock.now();
                let changed = shared.lock().table.changed(seen, now);
                seen = now;
                for runtime_id in changed {
                    if to.send(RuntimeEvent::Changed { runtime_id }).await.is_err() {
                        return;
                    }
                }
            }
        });
        events
    }

    fn logs(&self, runtime_id: &str, query: LogQuery) -> mpsc::Receiver<Result<LogLine, RuntimeError>> {
        let (to, lines) = mpsc::channel(LOG_LINES_MAX);
        let (shared, runtime_id) = (Arc::clone(&self.shared), runtime_id.to_owned());
        tokio::spawn(async move {
            // Dropped receivers end it.
            let _ = follow(&shared, &runtime_id, query, &to).await;
        });
        lines
    }
}

type Lines = mpsc::Sender<Result<LogLine, RuntimeError>>;

async fn follow(
    shared: &Shared,
    runtime_id: &str,
    query: LogQuery,
    to: &Lines,
) -> Result<(), mpsc::error::SendError<Result<LogLine, RuntimeError>>> {
    let mut after = query.since.map(|since| since.saturating_sub(1));
    let mut tail = query.tail;
    loop {
        let now = shared.clock.now();
        let read = shared.lock().table.row(runtime_id).map(|row| (row.log(after, now), row.log_is_over(now)));
        let Some((mut lines, over)) = read else {
            let message = format!("no such container: {runtime_id}");
            return to.send(Err(RuntimeError { kind: FailureKind::NotFound, message })).await;
        };
        if let Some(newest) = tail.take() {
            let cut = lines.len().saturating_sub(usize::try_from(newest).unwrap_or(usize::MAX));
            lines.drain(..cut);
        }
        after = Some(now);
        for line in lines {
            let time = Some(drydock_engine::timestamp(line.at));
            to.send(Ok(LogLine { time, stream: line.stream, message: line.message })).await?;
        }
        if over || !query.follow {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
            () = to.closed() => return Ok(()),
        }
    }
}

/// The file behind the table: one change a line, as JSON.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Kept {
    fn keep(&mut self, changes: &[Change], table: &Simulated) -> std::io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for change in changes {
            serde_json::to_writer(&mut text, change)?;
            text.push(b'\n');
        }
        self.file.write_all(&text)?;
        self.lines += changes.len();
        if self.lines > 2 * table.len() + SLACK_LINES { self.compact(table) } else { Ok(()) }
    }

    /// One line a row, in a new file that replaces the old.
    fn compact(&mut self, table: &Simulated) -> std::io::Result<()> {
        let new = self.path.with_extension("log.new");
        let mut text = Vec::new();
        for row in table.rows() {
            serde_json::to_writer(&mut text, &Change::Put(Box::new(row.clone())))?;
            text.push(b'\n');
        }
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &self.path)?;
        self.file = append(&self.path)?;
        self.lines = table.len();
        Ok(())
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The changes in a file. A last line that was cut off is left out; another that can't be read is told and left out.
fn read(path: &Path) -> std::io::Result<(Vec<Change>, usize)> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let mut changes = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(change) => changes.push(change),
            Err(error) => tracing::warn!(path = %path.display(), line = at + 1, %error, "a line can't be read"),
        }
    }
    let lines = changes.len();
    Ok((changes, lines))
}

fn failed(message: &str) -> RuntimeError {
    RuntimeError { kind: FailureKind::Failed, message: message.to_owned() }
}
