//! `drydock logs`: the output of a task's containers, taken up again where it broke off.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use drydock_proto::control::{GetLogsRequest, LogLine};
use prost_types::Timestamp;
use tonic::Code;

use super::controller::Api;
use super::{Context, ids};
use crate::client::{Kind, ecs_failure};
use crate::failure::Failure;

/// Breaks in a row, without a line between, after which following ends.
const BREAKS_MAX: u32 = 20;
/// Wait before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// For this long a controller is looked for that can open the stream.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id, the start of an id, or ARN.
    task: String,
    /// Goes on with lines as they come, until the containers have stopped.
    #[arg(short, long)]
    follow: bool,
    /// Only this container of the task.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Only the last lines of what is there.
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// Puts the time before each line.
    #[arg(long)]
    timestamps: bool,
}

/// Which lines were printed, so that a stream opened again repeats none: by container the time of the last line, and
/// how many lines have that very time.
#[derive(Debug, Default)]
struct Seen {
    last: BTreeMap<String, (i64, i32, usize)>,
    /// Of the stream that is read: lines by container at the time of `last`.
    again: BTreeMap<String, usize>,
}

impl Seen {
    /// Whether the line is new; remembers it.
    fn is_new(&mut self, line: &LogLine) -> bool {
        let time = line.time.as_ref().map_or((0, 0), |time| (time.seconds, time.nanos));
        let last = self.last.entry(line.container.clone()).or_insert((time.0, time.1, 0));
        let again = self.again.entry(line.container.clone()).or_insert(0);
        match time.cmp(&(last.0, last.1)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => {
                *again += 1;
                let new = *again > last.2;
                last.2 = last.2.max(*again);
                new
            }
            std::cmp::Ordering::Greater => {
                *last = (time.0, time.1, 1);
                *again = 1;
                true
            }
        }
    }

    /// Where a stream must start to miss nothing: the container that is furthest behind. `None`: at the beginning.
    fn since(&mut self) -> Option<Timestamp> {
        self.again.clear();
        let earliest = self.last.values().map(|(seconds, nanos, _)| (*seconds, *nanos)).min();
        earliest.map(|(seconds, nanos)| Timestamp { seconds, nanos })
    }
}

/// Runs the command.
///
/// # Errors
/// Refused, or the stream breaks again and again.
pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let task = ids::task(context, &arguments.task).await?;
    let client = context.client.patient(RECONNECT_PATIENCE);
    let mut seen = Seen::default();
    let mut breaks = 0;
    loop {
        let since = seen.since();
        let request = GetLogsRequest {
            cluster: context.cluster.clone(),
            task: task.clone(),
            container: arguments.container.clone().unwrap_or_default(),
            follow: arguments.follow,
            tail: if since.is_none() { arguments.tail } else { None },
            since,
        };
        let call = async |mut control: Api, request| control.get_logs(request).await;
        let mut stream = if breaks == 0 {
            context.client.control(Kind::Read, request, call).await?
        } else {
            client.control(Kind::Read, request, call).await?
        };
        let broken = loop {
            match stream.message().await {
                Ok(Some(line)) => {
                    if seen.is_new(&line) {
                        breaks = 0;
                        context.screen.item(&line, || text(&line, &arguments))?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(status) => break status,
            }
        };
        let lost = matches!(
            broken.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::Aborted
        );
        if !lost {
            return Err(refused(&broken));
        }
        breaks += 1;
        if !arguments.follow || breaks > BREAKS_MAX {
            return Err(Failure::Unavailable(format!("the stream of lines broke: {}", broken.message())));
        }
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}

fn refused(status: &tonic::Status) -> Failure {
    let exception = status.metadata().get("ecs-exception").and_then(|name| name.to_str().ok());
    match exception {
        Some(name) => ecs_failure(name, status.message().to_owned()),
        None => Failure::Refused { code: status.code(), message: status.message().to_owned() },
    }
}

fn text(line: &LogLine, arguments: &Arguments) -> String {
    let mut out = String::new();
    if let Some(time) = line.time.as_ref().filter(|_| arguments.timestamps) {
        out.push_str(&format!("{time} "));
    }
    if arguments.container.is_none() {
        out.push_str(&format!("{} | ", line.container));
    }
    out + &line.message
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use drydock_proto::control::LogLine;
    use prost_types::Timestamp;

    fn line(container: &str, seconds: i64, message: &str) -> LogLine {
        let time = Some(Timestamp { seconds, nanos: 0 });
        LogLine { container: container.into(), time, stream: "stdout".into(), message: message.into() }
    }

    /// The second stream starts at the earliest last time (inclusive) and repeats what both containers had there.
    #[test]
    fn a_stream_opened_again_repeats_no_line_and_misses_none() {
        let all = [
            line("a", 1, "a1"),
            line("b", 1, "b1"),
            line("b", 1, "b2"),
            line("a", 2, "a2"),
            line("b", 1, "b3"),
            line("a", 2, "a3"),
            line("b", 3, "b4"),
        ];
        for cut in 0..=all.len() {
            let mut seen = Seen::default();
            let mut printed: Vec<&str> =
                all[..cut].iter().filter(|l| seen.is_new(l)).map(|l| l.message.as_str()).collect();
            let since = seen.since().map_or(0, |time| time.seconds);
            let again = all.iter().filter(|l| l.time.as_ref().is_some_and(|time| time.seconds >= since));
            printed.extend(again.filter(|l| seen.is_new(l)).map(|l| l.message.as_str()));
            printed.sort_unstable();
            assert_eq!(printed, ["a1", "a2", "a3", "b1", "b2", "b3", "b4"], "cut at {cut}");
        }
    }
}
