//! Plots over virtual time as SVG: areas, lines in steps, bars, with axes that say their units. Pure: numbers in, text out.

use std::fmt::Write as _;

use drydock_simulator::rehearsal::units::Span;

/// Width of every plot, in SVG's units; the page scales it.
const WIDTH: f64 = 900.0;
/// Space for the vertical axis and its label.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
/// Space for the numbers of marks.
const TOP: f64 = 22.0;
/// Space for the horizontal axis and its label.
const BOTTOM: f64 = 42.0;
/// Height of the area of a plot of values.
const HEIGHT: f64 = 190.0;
/// Height of a row of bars.
const ROW: f64 = 24.0;
/// Width of the names of rows.
const NAMES: f64 = 170.0;
/// Ticks of the horizontal axis, at most.
const TICKS_MAX: u64 = 12;
/// Ticks of the vertical axis, at most.
const LEVELS_MAX: f64 = 5.0;
/// Times from one tick to the next, in milliseconds.
const STEPS: [u64; 16] = [
    1_000,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
];

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Filled, on top of the areas before it.
    Area,
    /// A line.
    Line,
    /// A dashed line: a bound.
    Bound,
}

/// A series of values.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// The class of its colour: `c0` … `c7`, or `ink`.
    pub(super) colour: String,
    /// Each holds until the next.
    pub(super) values: Vec<(Span, f64)>,
}

/// A mark at a moment, with its number.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: Span,
    pub(super) number: usize,
    pub(super) text: String,
}

/// A row of bars.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) colour: String,
    /// From, until, and what a pointer that rests there is told.
    pub(super) bars: Vec<(Span, Span, String)>,
}

/// What all plots of a page have in common.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Where rows of bars begin; values begin at 0.
    pub(super) from: Span,
    pub(super) until: Span,
    pub(super) marks: Vec<Mark>,
}

/// HTML's special characters as entities.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[allow(clippy::cast_precision_loss, reason = "a place on a page; a week of milliseconds fits")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Where the plot's area begins and ends.
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Area {
    fn x(&self, at: Span, frame: &Frame) -> f64 {
        let (way, whole) = (at.0.saturating_sub(frame.from.0), frame.until.0.saturating_sub(frame.from.0));
        self.left + (self.right - self.left) * float(way) / float(whole.max(1))
    }

    fn y(&self, value: f64, most: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / most
    }
}

impl Frame {
    /// The part around a time: a tenth of it before and after, and ten seconds at least.
    pub(super) fn around(&self, from: Span, until: Span) -> Self {
        let more = (until.0.saturating_sub(from.0) / 10).max(10_000);
        let (from, until) = (from.0.saturating_sub(more), until.0.saturating_add(more).min(self.until.0));
        Self { from: Span(from), until: Span(until), marks: self.marks.clone() }
    }

    /// A plot of values, whose vertical axis has a label and a way to write its numbers.
    pub(super) fn values(&self, name: &str, label: &str, series: &[Series], number: fn(f64) -> String) -> String {
        let area = Area { left: LEFT, right: WIDTH - RIGHT, top: TOP, bottom: TOP + HEIGHT };
        let stacks = stacked(series);
        let most = stacks.iter().flatten().map(|(_, _, top)| *top).fold(0.0, f64::max);
        let (step, most) = levels(most);
        // Of what is counted there are no parts.
        let step = if number(0.5) == number(1.0) { step.max(1.0) } else { step };
        let mut svg = self.open(name, &area, TOP + HEIGHT + BOTTOM);
        let mut level = 0.0;
        while level <= most + step / 1_000.0 {
            let y = area.y(level, most);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{:.1}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                area.left,
                area.right,
                area.left - 7.0,
                y + 4.0,
                number(level),
            );
            level += step;
        }
        let middle = f64::midpoint(area.top, area.bottom);
        let _ = write!(
            svg,
            r#"<text class="label" x="14" y="{middle:.1}" text-anchor="middle" transform="rotate(-90 14 {middle:.1})">{}</text>"#,
            escaped(label),
        );
        for (one, stack) in series.iter().zip(&stacks) {
            svg.push_str(&self.series(&area, one, stack, most));
        }
        svg.push_str(&self.marks(&area));
        svg.push_str("</svg>");
        format!("{}{svg}", legend(series))
    }

    /// Rows of bars.
    pub(super) fn bars(&self, name: &str, rows: &[Row]) -> String {
        let height = ROW * float(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        let area = Area { left: NAMES, right: WIDTH - RIGHT, top: TOP, bottom: TOP + height };
        let mut svg = self.open(name, &area, TOP + height + BOTTOM);
        let mut top = area.top;
        for row in rows {
            let middle = top + ROW / 2.0;
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{:.1}" x2="{:.1}" y1="{:.1}" y2="{:.1}"/><text class="name" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                area.left,
                area.right,
                top + ROW,
                top + ROW,
                area.left - 8.0,
                middle + 4.0,
                escaped(&row.name),
            );
            for (from, until, text) in &row.bars {
                let (left, right) = (area.x(*from, self), area.x(*until, self));
                let _ = write!(
                    svg,
                    r#"<rect class="bar {}" x="{left:.1}" y="{:.1}" width="{:.1}" height="{:.1}" rx="2"><title>{}</title></rect>"#,
                    row.colour,
                    top + 5.0,
                    (right - left).max(2.0),
                    ROW - 10.0,
                    escaped(text),
                );
            }
            top += ROW;
        }
        svg.push_str(&self.marks(&area));
        svg.push_str("</svg>");
        svg
    }

    fn open(&self, name: &str, area: &Area, height: f64) -> String {
        let mut svg = format!(
            r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">"#,
            escaped(name),
        );
        let (step, unit, unit_ms) = time_step(Span(self.until.0.saturating_sub(self.from.0)));
        let mut at = self.from.0.next_multiple_of(step);
        while at <= self.until.0 {
            let x = area.x(Span(at), self);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                area.top,
                area.bottom,
                area.bottom + 16.0,
                at / unit_ms,
            );
            at += step;
        }
        let _ = write!(
            svg,
            r#"<text class="label" x="{:.1}" y="{:.1}" text-anchor="middle">virtual time ({unit})</text>"#,
            f64::midpoint(area.left, area.right),
            area.bottom + 34.0,
        );
        svg
    }

    fn series(&self, area: &Area, one: &Series, stack: &[(Span, f64, f64)], most: f64) -> String {
        let Some((first, _, _)) = stack.first() else { return String::new() };
        let mut over = String::new();
        let mut points = Vec::new();
        for (place, (at, low, top)) in stack.iter().enumerate() {
            let until = stack.get(place + 1).map_or(self.until, |(next, _, _)| *next);
            points.push((area.x(*at, self), area.x(until, self), area.y(*low, most), area.y(*top, most)));
        }
        let _ = write!(over, "M{:.1}", area.x(*first, self));
        for (place, (_, right, _, top)) in points.iter().enumerate() {
            let _ =
                if place == 0 { write!(over, ",{top:.1}H{right:.1}") } else { write!(over, "V{top:.1}H{right:.1}") };
        }
        if one.shape == Shape::Area {
            for (left, _, low, _) in points.iter().rev() {
                let _ = write!(over, "V{low:.1}H{left:.1}");
            }
            over.push('Z');
        }
        let class = match one.shape {
            Shape::Area => "area",
            Shape::Line => "line",
            Shape::Bound => "line bound",
        };
        format!(r#"<path class="{class} {}" d="{over}"><title>{}</title></path>"#, one.colour, escaped(&one.name))
    }

    fn marks(&self, area: &Area) -> String {
        let mut svg = String::new();
        for mark in self.marks.iter().filter(|mark| self.from <= mark.at && mark.at <= self.until) {
            let x = area.x(mark.at, self);
            let _ = write!(
                svg,
                r#"<g class="mark"><title>{}</title><line x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}"/><circle cx="{x:.1}" cy="{:.1}" r="8"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text></g>"#,
                escaped(&mark.text),
                area.top - 4.0,
                area.bottom,
                area.top - 12.0,
                area.top - 8.5,
                mark.number,
            );
        }
        svg
    }
}

/// Each series as (when, from, to): areas stand on those before them.
fn stacked(series: &[Series]) -> Vec<Vec<(Span, f64, f64)>> {
    let mut below: Vec<f64> = Vec::new();
    let mut all = Vec::new();
    for one in series {
        let mut stack = Vec::new();
        for (place, (at, value)) in one.values.iter().enumerate() {
            if one.shape == Shape::Area {
                if below.len() <= place {
                    below.push(0.0);
                }
                let low = below[place];
                below[place] += value;
                stack.push((*at, low, below[place]));
            } else {
                stack.push((*at, 0.0, *value));
            }
        }
        all.push(stack);
    }
    all
}

/// From one level to the next, and the highest: 1, 2 or 5 times a power of ten.
fn levels(most: f64) -> (f64, f64) {
    let most = if most > 0.0 { most } else { 1.0 };
    let rough = most / LEVELS_MAX;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    (step, (most / step).ceil() * step)
}

/// From one tick to the next in milliseconds, and in which unit of how many milliseconds ticks are told.
fn time_step(until: Span) -> (u64, &'static str, u64) {
    let step = STEPS.into_iter().find(|step| until.0 / step <= TICKS_MAX).unwrap_or(until.0.max(1));
    match step {
        ..60_000 => (step, "s", 1_000),
        60_000..3_600_000 => (step, "min", 60_000),
        _ => (step, "h", 3_600_000),
    }
}

fn legend(series: &[Series]) -> String {
    let one = |one: &Series| {
        let shape = match one.shape {
            Shape::Area => r#"<rect class="area COLOUR" width="18" height="10" y="1"/>"#,
            Shape::Line => r#"<path class="line COLOUR" d="M0,6H18"/>"#,
            Shape::Bound => r#"<path class="line bound COLOUR" d="M0,6H18"/>"#,
        };
        let shape = shape.replace("COLOUR", &one.colour);
        format!(r#"<li><svg viewBox="0 0 18 12" aria-hidden="true">{shape}</svg>{}</li>"#, escaped(&one.name))
    };
    format!(r#"<ul class="legend">{}</ul>"#, series.iter().map(one).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{Span, escaped, levels, time_step};

    #[test]
    fn axes_have_round_numbers() {
        for (most, step, top) in
            [(8.0, 2.0, 8.0), (80.0, 20.0, 80.0), (0.0, 0.2, 1.0), (13.0, 5.0, 15.0), (100.0, 20.0, 100.0)]
        {
            let found = levels(most);
            assert!((found.0 - step).abs() < 1e-9 && (found.1 - top).abs() < 1e-9, "{most}: {found:?}");
        }
        assert_eq!(time_step(Span(30 * 60_000)), (300_000, "min", 60_000));
        assert_eq!(time_step(Span(45_000)), (5_000, "s", 1_000));
        assert_eq!(time_step(Span(48 * 3_600_000)), (21_600_000, "h", 3_600_000));
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(escaped(r#"<a b="c">&"#), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
