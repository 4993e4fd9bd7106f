//! One child process: started, started again when it dies, stopped in good order. A child's stdin is a pipe that this
//! process holds and never writes to: when it closes (because we ask the child to stop, or because we were killed),
//! the child ends. Touches processes and the logs of the children.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use crate::failure::{EXIT_FOR_GOOD, Failure};

/// First wait before a child that died is started again; it doubles with each death up to [`RESTART_MAX`].
const RESTART_MIN: Duration = Duration::from_millis(100);
/// Longest wait before a child is started again. It is started for ever: what keeps it from running may pass.
const RESTART_MAX: Duration = Duration::from_secs(5);
/// A child that ran this long has recovered: the next wait is the shortest again.
const RECOVERED: Duration = Duration::from_secs(10);
/// Bytes of a child's log at which it is cut: the log moves to `….log.1`, whose predecessor is lost.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How often the logs' sizes are looked at.
const LOG_LOOK: Duration = Duration::from_secs(10);
/// Bytes of a log's end that are shown when something failed.
const TAIL_BYTES: u64 = 2_048;
/// Lines of a log's end that are shown when something failed.
const TAIL_LINES: usize = 12;

/// What is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// `controller-1`, `agent-2`: for people, and of its log.
    pub name: String,
    /// What follows `drydock` on its command line.
    pub arguments: Vec<String>,
    /// Where its output goes.
    pub log: PathBuf,
    /// How long it may take to end after it was asked; then it is killed.
    pub grace: Duration,
}

/// Something that happened to a child, for people.
#[derive(Debug)]
pub struct Notice {
    /// The child's name.
    pub name: String,
    /// What happened.
    pub text: String,
}

/// Notices that wait to be shown. One more is dropped: it is for people only.
pub const NOTICES_MAX: usize = 256;

/// A child that is kept running.
#[derive(Debug)]
pub struct Supervised {
    program: Program,
    stop: watch::Sender<bool>,
    past: Arc<Past>,
    task: tokio::task::JoinHandle<()>,
}

/// What became of it so far.
#[derive(Debug, Default)]
struct Past {
    deaths: AtomicU32,
    ended_for_good: AtomicBool,
}

impl Supervised {
    /// Starts the child and keeps it running until [`Supervised::stop`].
    ///
    /// # Errors
    /// The first start fails.
    pub fn start(program: Program, notices: mpsc::Sender<Notice>) -> Result<Self, Failure> {
        let child = spawn(&program)?;
        let (stop, stopped) = watch::channel(false);
        let past = Arc::new(Past::default());
        let task = tokio::spawn(keep(program.clone(), child, stopped, notices, Arc::clone(&past)));
        Ok(Self { program, stop, past, task })
    }

    /// The last lines of its log, under their file's name.
    #[must_use]
    pub fn last_words(&self) -> String {
        format!("{}:\n{}", self.program.log.display(), tail(&self.program.log).unwrap_or_default())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// How often it has died.
    #[must_use]
    pub fn deaths(&self) -> u32 {
        self.past.deaths.load(Ordering::Relaxed)
    }

    /// Whether it ended and can't come back as it is: it isn't started again.
    #[must_use]
    pub fn ended_for_good(&self) -> bool {
        self.past.ended_for_good.load(Ordering::Relaxed)
    }

    /// The last line of its log: why it ended.
    #[must_use]
    pub fn last_line(&self) -> String {
        last_line(&self.program.log)
    }

    /// Asks it to end. It may take its time: see [`Supervised::ended`].
    pub fn ask_to_end(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has ended, after [`Supervised::ask_to_end`].
    pub async fn ended(self) {
        // The task ends with the child; where it panicked there is no child to wait for.
        let _ = self.task.await;
    }
}

fn spawn(program: &Program) -> Result<Child, Failure> {
    let doing = || Failure::system(format!("can't start {}", program.name));
    let log = File::options().create(true).append(true).open(&program.log);
    let log = log.map_err(Failure::system(format!("can't write {}", program.log.display())))?;
    let mut command = std::process::Command::new(own_executable()?);
    command.arg0("drydock").args(&program.arguments);
    command.stdin(Stdio::piped()).stdout(log.try_clone().map_err(doing())?).stderr(log);
    // A group of its own: Ctrl-C is for the supervisor, which stops the children in order.
    command.process_group(0);
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command.spawn().map_err(doing())
}

/// The file that this process was started from. `/proc/self/exe` stays right when the file is replaced (a rebuild).
fn own_executable() -> Result<PathBuf, Failure> {
    let proc = Path::new("/proc/self/exe");
    if proc.exists() {
        return Ok(proc.to_owned());
    }
    std::env::current_exe().map_err(Failure::system("can't find this program's own file"))
}

async fn keep(
    program: Program,
    child: Child,
    mut stopped: watch::Receiver<bool>,
    notices: mpsc::Sender<Notice>,
    past: Arc<Past>,
) {
    let notify = |text: String| {
        // Full: people have enough to read.
        let _ = notices.try_send(Notice { name: program.name.clone(), text });
    };
    let mut child = Some(child);
    let mut pause = RESTART_MIN;
    let mut look = tokio::time::interval(LOG_LOOK);
    loop {
        let Some(mut running) = child.take() else {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = asked(&mut stopped) => return,
            }
            pause = (pause * 2).min(RESTART_MAX);
            match spawn(&program) {
                Ok(started) => {
                    notify(format!("started again (process {})", started.id().unwrap_or_default()));
                    child = Some(started);
                }
                Err(failure) => notify(failure.to_string()),
            }
            continue;
        };
        // `wait` would close it; it stays open for as long as the child shall run.
        let stdin = running.stdin.take();
        let started = Instant::now();
        let status = loop {
            tokio::select! {
                status = running.wait() => break status,
                () = asked(&mut stopped) => {
                    drop(stdin);
                    return end(&program, running, notify).await;
                }
                _ = look.tick() => cut_log(&program.log),
            }
        };
        past.deaths.fetch_add(1, Ordering::Relaxed);
        if status.as_ref().is_ok_and(|status| status.code() == Some(i32::from(EXIT_FOR_GOOD))) {
            past.ended_for_good.store(true, Ordering::Relaxed);
            notify(format!("ended for good: {}", last_line(&program.log)));
            return asked(&mut stopped).await;
        }
        if started.elapsed() > RECOVERED {
            pause = RESTART_MIN;
        }
        let how = status.map_or_else(|error| error.to_string(), ending);
        notify(format!(
            "died ({how}); it is started again in {} ms; log: {}",
            pause.as_millis(),
            program.log.display()
        ));
    }
}

/// Completes when the child shall end; also when nobody is left who could ask for it.
async fn asked(stopped: &mut watch::Receiver<bool>) {
    // The guard of the value must not be held: it can't move to another thread.
    let _ = stopped.wait_for(|stop| *stop).await.map(drop);
}

/// Waits for a child that saw the end of its stdin.
async fn end(program: &Program, mut running: Child, notify: impl Fn(String)) {
    match tokio::time::timeout(program.grace, running.wait()).await {
        Ok(Ok(status)) if !status.success() => {
            notify(format!("ended badly ({}); log: {}", ending(status), program.log.display()))
        }
        Ok(_) => {}
        Err(_) => {
            notify(format!("didn't end within {} s and was killed", program.grace.as_secs()));
            // Nothing more can be done about a child that can't be killed.
            let _ = running.kill().await;
        }
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

/// Moves a log that has grown too long out of the way. The child appends, so it goes on at the new end.
fn cut_log(log: &Path) {
    if std::fs::metadata(log).is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
        let old = log.with_extension("log.1");
        // Where this fails the log is longer than wanted, and the next look tries again.
        let _ = std::fs::copy(log, old).and_then(|_| File::options().write(true).open(log)?.set_len(0));
    }
}

/// The end of a log. A line that repeats (a child that dies of the same again and again) is shown once.
fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let again = |at: usize| all[at + 1..].contains(&all[at]);
    let lines: Vec<&str> = (0..all.len()).filter(|at| !again(*at)).map(|at| all[at]).collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("  {line}\n")).collect())
}

fn last_line(log: &Path) -> String {
    let end = tail(log).unwrap_or_default();
    let line = end.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
