//! The report: one HTML file that needs no network and no script. Its plots are SVG. Pure: a record in, text out.

mod plot;
mod sections;

use drydock_simulator::rehearsal::units::Span;
use drydock_simulator::rehearsal::{Kind, Record};

use super::waits::WaitedFor;
use plot::{Frame, Mark, escaped};

/// Marks of the script on plots; later ones are told by the list of events alone.
const MARKS_MAX: usize = 30;
/// Lines of the script this close to each other share a mark, in milliseconds.
const MARK_MS: u64 = 2_000;

/// The page's look, light and dark.
const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(record: &Record, waits: &[WaitedFor]) -> String {
    let title = escaped(record.title.as_deref().unwrap_or("A rehearsal"));
    let frame = Frame { from: Span(0), until: record.until, marks: marks(record) };
    let mut body = format!(
        "<header><h1>{title}</h1><p>A rehearsal by Drydock: {} of virtual time, seed {}. The control plane is the real one; \
         machines, containers and time are pretended.</p></header>",
        record.until, record.seed,
    );
    body.push_str(&sections::verdicts(record));
    body.push_str(&sections::script(&frame));
    body.push_str(&sections::services(record, &frame));
    body.push_str(&sections::zones(record, &frame));
    body.push_str(&sections::steady(record, &frame));
    body.push_str(&sections::deployments(record, waits, &frame));
    body.push_str(&sections::costs(record, &frame));
    body.push_str(&sections::events(record));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\n\
         <style>\n{STYLE}</style></head>\n<body><main>\n{body}\n</main></body>\n</html>\n"
    )
}

/// What the scenario did, numbered.
fn marks(record: &Record) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    let mut more = 0;
    for line in record.lines.iter().filter(|line| line.kind == Kind::Script) {
        if marks.last().is_some_and(|last| line.at.0 - last.at.0 <= MARK_MS) {
            more += 1;
            continue;
        }
        if marks.len() == MARKS_MAX {
            break;
        }
        close(&mut marks, more);
        more = 0;
        marks.push(Mark { at: line.at, number: marks.len() + 1, text: line.text.clone() });
    }
    close(&mut marks, more);
    marks
}

fn close(marks: &mut [Mark], more: usize) {
    if let Some(last) = marks.last_mut().filter(|_| more > 0) {
        last.text.push_str(&format!(", and {more} more"));
    }
}
