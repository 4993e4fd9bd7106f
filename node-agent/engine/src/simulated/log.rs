//! What a pretended container writes: a few lines about its life, and one each `log-every-ms`.

use crate::limits::Millis;
use crate::simulated::row::{Exit, Row};

/// Lines that one read of a row gives at most; the oldest are left out.
const LINES_MAX: u64 = 1_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Millis,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// Without its line feed.
    pub message: String,
}

impl Row {
    /// The lines of its last run that were written in `(after, until]`, in order; the newest 1,000 at most.
    #[must_use]
    pub fn log(&self, after: Option<Millis>, until: Millis) -> Vec<LogLine> {
        let Some(started) = self.started_at else { return Vec::new() };
        let end = self.end();
        let over = end.map_or(until, |(at, _)| at.min(until));
        let line = |at, stream, message| LogLine { at, stream, message };
        let mut out = vec![line(started, "stdout", format!("{}: started from {}", self.container, self.image))];
        for (port, host, _) in &self.ports {
            out.push(line(started, "stdout", format!("{}: listens on {port} (host port {host})", self.container)));
        }
        if let Some(every) = self.knobs.log_every_ms {
            let last = over.saturating_sub(started) / every;
            let first = last.saturating_sub(LINES_MAX).max(after.map_or(0, |at| at.saturating_sub(started) / every));
            let ticks = (first + 1)..=last;
            out.extend(ticks.map(|n| line(started + n * every, "stdout", format!("{}: line {n}", self.container))));
        }
        if let Some(stop) = self.stop.filter(|stop| stop.at <= over) {
            out.push(line(stop.at, "stderr", format!("{}: got SIGTERM", self.container)));
        }
        if let Some((at, exit)) = end.filter(|(at, _)| *at <= until) {
            let how = match exit {
                Exit::Own(code) | Exit::Stopped(code) => format!("exits with code {code}"),
                Exit::OutOfMemory => "is killed: out of memory".to_owned(),
                Exit::Killed => "is killed".to_owned(),
            };
            out.push(line(at, "stderr", format!("{}: {how}", self.container)));
        }
        out.retain(|one| one.at <= until && after.is_none_or(|after| one.at > after));
        out.sort_by_key(|one| one.at);
        let over = out.len().saturating_sub(usize::try_from(LINES_MAX).unwrap_or(usize::MAX));
        out.split_off(over)
    }

    /// Whether nothing more will ever be written to the log of its last run.
    #[must_use]
    pub fn log_is_over(&self, now: Millis) -> bool {
        self.end().is_some_and(|(at, _)| at <= now)
    }
}
