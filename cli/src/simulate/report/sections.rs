//! The parts of the report, each a piece of HTML made of a record. Pure.

use std::collections::BTreeSet;

use drydock_simulator::rehearsal::units::{Dollars, Span};
use drydock_simulator::rehearsal::{Record, Sample, ServiceSample, Unsteady, ZoneSample};

use super::plot::{Frame, Row, Series, Shape, escaped};
use crate::simulate::text::word;
use crate::simulate::waits::WaitedFor;

/// Nano-dollars of a dollar.
const NANO: f64 = 1e9;
/// Colours that lines take in turn.
const COLOURS: usize = 8;

fn colour(place: usize) -> String {
    format!("c{}", place % COLOURS)
}

fn figure(title: &str, inside: &str) -> String {
    format!("<figure><figcaption>{}</figcaption>{inside}</figure>\n", escaped(title))
}

fn whole(value: f64) -> String {
    format!("{:.0}", value.ceil())
}

fn percent(value: f64) -> String {
    format!("{value:.0} %")
}

fn money(value: f64) -> String {
    let text = format!("{value:.4}");
    let places = text.trim_end_matches('0').split_once('.').map_or(0, |(_, places)| places.len().max(2));
    format!("${value:.places$}")
}

#[allow(clippy::cast_precision_loss, reason = "a place on a page")]
fn float(number: u64) -> f64 {
    number as f64
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    let row = |cells: Vec<String>| format!("<tr>{}</tr>\n", cells.concat());
    format!(
        "<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>{}</tbody></table></div>",
        rows.map(row).collect::<String>()
    )
}

fn cell(text: &str) -> String {
    format!("<td>{}</td>", escaped(text))
}

fn time(at: Span) -> String {
    format!("<td class=\"time\">{at}</td>")
}

fn between(from: Span, until: Span) -> Span {
    Span(until.0.saturating_sub(from.0))
}

/// What was expected, and what came of it.
pub(super) fn verdicts(record: &Record) -> String {
    if record.verdicts.is_empty() {
        return "<h2>Expectations</h2><p>The scenario expects nothing.</p>".to_owned();
    }
    let rows = record.verdicts.iter().map(|verdict| {
        let (class, word) = if verdict.held { ("held", "held") } else { ("broken", "broken") };
        vec![
            format!("<td class=\"{class}\">{word}</td>"),
            cell(&verdict.expected),
            cell(&verdict.seen),
            cell(&verdict.place),
        ]
    });
    let held = record.verdicts.iter().filter(|verdict| verdict.held).count();
    let sum = format!("<p>{held} of {} held.</p>", record.verdicts.len());
    format!("<h2>Expectations</h2>{sum}{}", table(&["", "expected", "seen", "in the scenario"], rows))
}

/// The numbers on the plots.
pub(super) fn script(frame: &Frame) -> String {
    if frame.marks.is_empty() {
        return String::new();
    }
    let one = |mark: &super::Mark| format!("<li>{}: {}</li>", mark.at, escaped(&mark.text));
    format!(
        "<h2>What the scenario did</h2><p>The numbers are those on the plots.</p><ol class=\"script\">{}</ol>",
        frame.marks.iter().map(one).collect::<String>()
    )
}

fn of_service(record: &Record, name: &str, value: impl Fn(&ServiceSample) -> u32) -> Vec<(Span, f64)> {
    let of = |sample: &Sample| Some((sample.at, f64::from(value(sample.services.get(name)?))));
    record.samples.iter().filter_map(of).collect()
}

/// Tasks by status, and the healthy ones against their bounds, of each service.
pub(super) fn services(record: &Record, frame: &Frame) -> String {
    let names: BTreeSet<&String> = record.samples.iter().flat_map(|sample| sample.services.keys()).collect();
    let mut out = "<h2>Tasks</h2>".to_owned();
    for name in names {
        let series = |label: &str, shape: Shape, colour: &str, value: fn(&ServiceSample) -> u32| Series {
            name: label.to_owned(),
            shape,
            colour: colour.to_owned(),
            values: of_service(record, name, value),
        };
        let by_status = [
            series("RUNNING", Shape::Area, "c0", |sample| sample.running),
            series("on the way to RUNNING", Shape::Area, "c1", |sample| sample.pending),
            series("told to stop", Shape::Area, "c2", |sample| sample.stopping),
            series("desired", Shape::Bound, "ink", |sample| sample.desired),
        ];
        let title = format!("{name}: tasks by status");
        out.push_str(&figure(&title, &frame.values(&title, "tasks", &by_status, whole)));
        let healthy = [
            series("healthy", Shape::Line, "c3", |sample| sample.healthy),
            series("RUNNING or on the way to it", Shape::Line, "c0", |sample| sample.running + sample.pending),
            series("minimum (minimumHealthyPercent)", Shape::Bound, "c5", |sample| sample.minimum),
            series("maximum (maximumPercent)", Shape::Bound, "c6", |sample| sample.maximum),
        ];
        let title = format!("{name}: healthy tasks against the deployment's minimum and maximum");
        out.push_str(&figure(&title, &frame.values(&title, "tasks", &healthy, whole)));
    }
    out
}

fn share(held: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * float(held) / float(all) }
}

/// CPU, memory and tasks of each zone.
pub(super) fn zones(record: &Record, frame: &Frame) -> String {
    let names: BTreeSet<&String> = record.samples.iter().flat_map(|sample| sample.zones.keys()).collect();
    let lines = |value: fn(&ZoneSample) -> f64| -> Vec<Series> {
        let of = |name: &String| {
            let at = |sample: &Sample| Some((sample.at, value(sample.zones.get(name)?)));
            record.samples.iter().filter_map(at).collect()
        };
        let one = |(place, name): (usize, &&String)| Series {
            name: (*name).clone(),
            shape: Shape::Line,
            colour: colour([0, 1, 3, 4, 5, 6, 7, 2][place % COLOURS]),
            values: of(name),
        };
        names.iter().enumerate().map(one).collect()
    };
    let cpu = lines(|zone| share(zone.cpu_held, zone.cpu));
    let memory = lines(|zone| share(zone.memory_held, zone.memory));
    let instances = lines(|zone| f64::from(zone.instances));
    let mut out = "<h2>Zones</h2><p>What tasks hold of the instances whose agents are connected.</p>".to_owned();
    for (title, label, series, number) in [
        ("CPU held by tasks, by zone", "CPU held (%)", cpu, percent as fn(f64) -> String),
        ("Memory held by tasks, by zone", "memory held (%)", memory, percent),
        ("Connected instances, by zone", "instances", instances, whole),
    ] {
        out.push_str(&figure(title, &frame.values(title, label, &series, number)));
    }
    out
}

/// When services weren't in steady state, and how long.
pub(super) fn steady(record: &Record, frame: &Frame) -> String {
    let heading = "<h2>Time to steady state</h2>";
    if record.unsteady.is_empty() {
        return format!("{heading}<p>Every service was in steady state all the time.</p>");
    }
    let names: BTreeSet<&String> = record.unsteady.iter().map(|time| &time.service).collect();
    let end = |time: &Unsteady| time.until.unwrap_or(record.until);
    let rows: Vec<Row> = names
        .iter()
        .map(|name| Row {
            name: (*name).clone(),
            colour: "c1".to_owned(),
            bars: record
                .unsteady
                .iter()
                .filter(|time| time.service == **name)
                .map(|time| (time.from, end(time), format!("{} long", between(time.from, end(time)))))
                .collect(),
        })
        .collect();
    let title = "Times in which a service wasn't in steady state";
    let lines = record.unsteady.iter().map(|time| {
        let until = time.until.map_or_else(|| "<td>not until the end</td>".to_owned(), super::sections::time);
        vec![
            cell(&time.service),
            super::sections::time(time.from),
            until,
            super::sections::time(between(time.from, end(time))),
        ]
    });
    let table = table(&["service", "left it at", "was back at", "took"], lines);
    format!("{heading}{}{table}", figure(title, &frame.bars(title, &rows)))
}

/// Every deployment, and what it waited for.
pub(super) fn deployments(record: &Record, waits: &[WaitedFor], frame: &Frame) -> String {
    let heading = "<h2>Deployments</h2>";
    if record.deployments.is_empty() {
        return format!("{heading}<p>None was under way.</p>");
    }
    let rows = record.deployments.iter().map(|one| {
        let took = one.finished.map_or_else(|| "<td>under way</td>".to_owned(), |at| time(between(one.created, at)));
        let name = format!("{} {}", one.service, one.number);
        let how = format!("{} ({})", one.rollout_state, one.status);
        vec![cell(&name), cell(&one.task_definition), cell(&how), time(one.created), took, cell(&one.reason)]
    });
    let mut out = format!(
        "{heading}{}",
        table(&["deployment", "task definition", "rolloutState (status)", "created", "took", "reason"], rows)
    );
    for one in &record.deployments {
        let of: Vec<&WaitedFor> =
            waits.iter().filter(|wait| (&wait.service, wait.deployment) == (&one.service, one.number)).collect();
        if of.is_empty() {
            continue;
        }
        let row = |(place, wait): (usize, &&WaitedFor)| Row {
            name: wait.kind.to_lowercase().replace('_', " "),
            colour: colour(place),
            bars: wait.stretches.iter().map(|(from, until)| (*from, *until, wait.text.clone())).collect(),
        };
        let rows: Vec<Row> = of.iter().enumerate().map(row).collect();
        let title = format!("What deployment {} of {} ({}) waited for", one.number, one.service, one.task_definition);
        let zoomed = frame.around(one.created, one.finished.unwrap_or(record.until));
        out.push_str(&figure(&title, &zoomed.bars(&title, &rows)));
        let words = of.iter().map(|wait| {
            let first = wait.stretches.first().map(|(from, _)| *from).unwrap_or_default();
            let sum = wait.stretches.iter().map(|(from, until)| until.0 - from.0).sum();
            vec![cell(&wait.kind.to_lowercase().replace('_', " ")), time(first), time(Span(sum)), cell(&wait.text)]
        });
        out.push_str(&table(&["waited for", "first at", "in all", "as it was told then"], words));
    }
    out
}

/// Fargate against EC2.
pub(super) fn costs(record: &Record, frame: &Frame) -> String {
    let line = |name: &str, colour: &str, value: fn(&Sample) -> Dollars| Series {
        name: name.to_owned(),
        shape: Shape::Line,
        colour: colour.to_owned(),
        values: record.samples.iter().map(|sample| (sample.at, float(value(sample).0) / NANO)).collect(),
    };
    let series = [
        line("the tasks on Fargate", "c4", |sample| sample.costs.fargate),
        line("the instances on EC2", "c0", |sample| sample.costs.ec2),
    ];
    let title = "Cost since the beginning, on Fargate and on EC2";
    let costs = record.costs;
    let sum = format!(
        "<p>The tasks would have cost {} on Fargate; the instances cost {}. Prices: docs/simulator.md.</p>",
        costs.fargate, costs.ec2,
    );
    format!("<h2>Cost</h2>{sum}{}", figure(title, &frame.values(title, "US dollars", &series, money)))
}

/// All lines of the timeline.
pub(super) fn events(record: &Record) -> String {
    let rows = record.lines.iter().map(|line| vec![time(line.at), cell(word(line.kind)), cell(&line.text)]);
    let table = table(&["at", "what", "in words"], rows);
    let left = record.lines_left_out;
    let more = if left > 0 { format!("<p>{left} more lines are left out.</p>") } else { String::new() };
    format!("<h2>Events</h2><details open><summary>{} lines</summary>{table}{more}</details>", record.lines.len())
}
