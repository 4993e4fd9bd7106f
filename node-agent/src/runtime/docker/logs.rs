//! A container's log, line by line.

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use drydock_engine::RuntimeError;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::error;
use crate::runtime::{LOG_LINES_MAX, LogLine, LogQuery};

/// Reads in a task of its own, as fast as the lines are taken.
pub(crate) fn read(
    docker: Docker,
    runtime_id: String,
    query: LogQuery,
) -> mpsc::Receiver<Result<LogLine, RuntimeError>> {
    let (to, lines) = mpsc::channel(LOG_LINES_MAX);
    tokio::spawn(async move {
        // Docker takes whole seconds; what is between is left out here.
        let since = query.since.map_or(0, |since| i32::try_from(since / 1_000).unwrap_or(i32::MAX));
        let mut options =
            LogsOptionsBuilder::default().follow(query.follow).stdout(true).stderr(true).timestamps(true).since(since);
        if let Some(tail) = query.tail {
            options = options.tail(&tail.to_string());
        }
        let mut stream = docker.logs(&runtime_id, Some(options.build()));
        loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = to.closed() => return,
            };
            let sent = match next {
                None => return,
                Some(Err(cause)) => to.send(Err(error(&cause))).await,
                Some(Ok(output)) => send(&to, output, query).await,
            };
            if sent.is_err() {
                return;
            }
        }
    });
    lines
}

type Sent = Result<(), mpsc::error::SendError<Result<LogLine, RuntimeError>>>;

async fn send(to: &mpsc::Sender<Result<LogLine, RuntimeError>>, output: LogOutput, query: LogQuery) -> Sent {
    let (stream, bytes) = match output {
        LogOutput::StdErr { message } => ("stderr", message),
        LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
            ("stdout", message)
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    for line in text.trim_end_matches('\n').split('\n') {
        let line = parse(stream, line.trim_end_matches('\r'));
        let at = drydock_engine::millis(line.time.as_ref());
        if query.since.is_none_or(|since| at.is_none_or(|at| at >= since)) {
            to.send(Ok(line)).await?;
        }
    }
    Ok(())
}

/// Docker puts the time and a space before each line.
fn parse(stream: &'static str, line: &str) -> LogLine {
    let (time, message) = line.split_once(' ').unwrap_or((line, ""));
    match time.parse() {
        Ok(time) => LogLine { time: Some(time), stream, message: message.to_owned() },
        Err(_) => LogLine { time: None, stream, message: line.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times_are_taken_off() {
        let line = parse("stdout", "2026-01-23T17:57:58.123456789Z hello  world");
        assert_eq!(line.message, "hello  world");
        assert_eq!(line.time.map(|time| (time.seconds, time.nanos)), Some((1_769_191_078, 123_456_789)));
        assert_eq!(parse("stdout", "2026-01-23T17:57:58Z").message, "");
        assert_eq!(parse("stderr", "no time").message, "no time");
    }
}
