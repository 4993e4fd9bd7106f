//! One real process: started with its output in a file, killed or asked to stop, measured, and never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Lines of its output that are shown when a test fails.
const TAIL_LINES_MAX: usize = 40;
/// Clock ticks of `/proc/PID/stat`: a hundred on every Linux that Rust's std runs on.
const TICKS_A_SECOND: u64 = 100;

/// A running process. Dropping one that nobody ended kills it and shows the end of its output: a suite ends its processes
/// itself, so one that is dropped belongs to a test that failed half-way.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    expected_end: bool,
}

impl Process {
    /// Starts `command` with both outputs appended to `log` and an input that ends with this process.
    ///
    /// # Errors
    /// The file can't be written or the program not started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), expected_end: false })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, and waits until it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.expected_end = true;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// SIGTERM, and waits until it has ended by itself.
    ///
    /// # Errors
    /// It still runs after `within`; it is killed then.
    pub async fn terminate(self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended(within).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It still runs after `within`; it is killed then.
    pub async fn ended(mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        let ended = wait::until(&what, within, async || child.try_wait()?.context("still running"));
        let status = ended.await.map(|(status, _)| status);
        self.expected_end = status.is_ok();
        status
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All that it has written, from this and earlier runs with the same file.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// It is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Processor time that it has used so far, of all its threads.
    ///
    /// # Errors
    /// It is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may have blanks; user and system time are the 14th and 15th field.
        let (_, rest) = stat.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).context("too short")?.parse::<u64>().context("not a number");
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_A_SECOND))
    }

    /// Bytes that it has caused to be written to disks so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn written_bytes(&self) -> Result<u64> {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("no write_bytes")?;
        Ok(line.parse()?)
    }

    fn show(&self) {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES_MAX)..];
        eprintln!("--- the end of what {} wrote ({}):\n{}", self.name, self.log.display(), tail.join("\n"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.expected_end {
            self.show();
        }
        // It may have ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command that ran to its end gave.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Its output.
    pub stdout: String,
    /// Its errors.
    pub stderr: String,
}

impl Run {
    /// Runs `command` to its end, without input.
    ///
    /// # Errors
    /// It can't be started.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    /// Its output, where it succeeded.
    ///
    /// # Errors
    /// It failed: its exit code and what it wrote.
    pub fn ok(self) -> Result<String> {
        if self.code != 0 {
            bail!("exit code {}\n{}{}", self.code, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}
