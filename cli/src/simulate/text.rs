//! A rehearsal for people who read it in a terminal: the timeline, the sums, the verdicts.

use drydock_simulator::rehearsal::{Kind, Record};

/// All of it.
#[must_use]
pub(super) fn timeline(record: &Record) -> String {
    let mut out = format!("{}seed {}, {} of virtual time\n\n", title(record), record.seed, record.until);
    for line in &record.lines {
        out.push_str(&format!("{}  {:<10}  {}\n", line.at, word(line.kind), line.text));
    }
    if record.lines_left_out > 0 {
        out.push_str(&format!("… and {} lines more\n", record.lines_left_out));
    }
    for time in &record.unsteady {
        let until = match time.until {
            Some(until) => format!("until {until}"),
            None => "and so to the end".to_owned(),
        };
        out.push_str(&format!("\n{} wasn't in steady state from {} {until}", time.service, time.from));
    }
    let costs = record.costs;
    out.push_str(&format!("\nits tasks would cost {} on Fargate; the instances cost {}\n", costs.fargate, costs.ec2));
    if !record.verdicts.is_empty() {
        out.push('\n');
    }
    for verdict in &record.verdicts {
        let word = if verdict.held { "held  " } else { "BROKEN" };
        out.push_str(&format!("{word}  {}: {} ({})\n", verdict.place, verdict.expected, verdict.seen));
    }
    out
}

fn title(record: &Record) -> String {
    record.title.as_ref().map(|title| format!("{title}\n")).unwrap_or_default()
}

/// A kind's word.
#[must_use]
pub(super) const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Script => "script",
        Kind::Event => "event",
        Kind::Deployment => "deployment",
        Kind::Instance => "instance",
        Kind::Controller => "controller",
    }
}
