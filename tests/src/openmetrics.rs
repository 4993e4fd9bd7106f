//! A strict reader of OpenMetrics' text form, version 1.0: it refuses what the specification says a reader may refuse, so that
//! what it takes is taken by Prometheus and everybody else. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Family {
    /// Its name, without the endings of its samples.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// What its values are in; empty where they are numbers of things.
    pub unit: String,
    /// What it means.
    pub help: String,
    /// Its values.
    pub samples: Vec<Sample>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The family's name with an ending.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Family {
    /// The name by which its values are asked for; for a histogram without an ending.
    #[must_use]
    pub fn shown_name(&self) -> String {
        match self.kind.as_str() {
            "counter" => format!("{}_total", self.name),
            "info" => format!("{}_info", self.name),
            _ => self.name.clone(),
        }
    }

    /// Names of its labels, without the one that tells the buckets of a histogram apart.
    #[must_use]
    pub fn label_names(&self) -> BTreeSet<String> {
        let names = self.samples.iter().flat_map(|sample| sample.labels.keys().cloned());
        names.filter(|name| name != "le").collect()
    }

    fn endings(&self) -> Result<&'static [&'static str]> {
        Ok(match self.kind.as_str() {
            "counter" => &["_total", "_created"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum", "_created"],
            "info" => &["_info"],
            other => bail!("{}: the type {other:?} isn't one that we print", self.name),
        })
    }
}

/// The sum of all values of that name whose labels are as given; 0 where there are none.
#[must_use]
pub fn value(page: &[Family], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        let same = |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|found| found == value);
        sample.name == name && labels.iter().all(same)
    };
    page.iter().flat_map(|family| &family.samples).filter(fits).map(|sample| sample.value).sum()
}

/// Reads a page.
///
/// # Errors
/// It isn't in the form; with the line.
pub fn parse(text: &str) -> Result<Vec<Family>> {
    let rest = text.strip_suffix("# EOF\n").context("it doesn't end with # EOF")?;
    ensure!(rest.is_empty() || rest.ends_with('\n'), "the last line isn't ended");
    let mut families: Vec<Family> = Vec::new();
    for line in rest.lines() {
        take_line(line, &mut families).with_context(|| format!("line {line:?}"))?;
    }
    let mut names = BTreeSet::new();
    for family in &families {
        check(family).with_context(|| family.name.clone())?;
        // No name may be had from two families, whatever their endings.
        let own = family.endings()?.iter().map(|ending| format!("{}{ending}", family.name));
        for name in own.chain((family.kind != "gauge").then(|| family.name.clone())) {
            ensure!(names.insert(name.clone()), "{name} is of two families");
        }
    }
    Ok(families)
}

fn take_line(line: &str, families: &mut Vec<Family>) -> Result<()> {
    let Some(descriptor) = line.strip_prefix("# ") else { return take_sample(line, families) };
    let mut parts = descriptor.splitn(3, ' ');
    let (keyword, name, text) = (parts.next(), parts.next().context("no name")?, parts.next().context("no text")?);
    ensure!(is_name(name, true), "{name:?} isn't a name");
    if families.last().is_none_or(|family| family.name != name) {
        ensure!(families.iter().all(|family| family.name != name), "its lines aren't together");
        families.push(Family { name: name.to_owned(), ..Family::default() });
    }
    let family = families.last_mut().context("just pushed")?;
    ensure!(family.samples.is_empty(), "it comes after a sample");
    let field = match keyword {
        Some("TYPE") => &mut family.kind,
        Some("UNIT") => &mut family.unit,
        Some("HELP") => &mut family.help,
        _ => bail!("no such keyword"),
    };
    ensure!(field.is_empty() && !text.is_empty(), "twice, or empty");
    text.clone_into(field);
    Ok(())
}

fn take_sample(line: &str, families: &mut [Family]) -> Result<()> {
    let family = families.last_mut().context("a sample without a family")?;
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, rest) = line.split_at(end);
    ensure!(is_name(name, true), "{name:?} isn't a name");
    let ending = name.strip_prefix(&family.name).context("a sample of another family")?;
    ensure!(family.endings()?.contains(&ending), "a {} has no {ending:?}", family.kind);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // Neither times nor exemplars are printed here.
    let text = rest.strip_prefix(' ').context("no space before the value")?;
    ensure!(!text.contains(' '), "more than a value");
    let value: f64 = match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => text.parse()?,
        _ => bail!("{text:?} isn't a number"),
    };
    let sample = Sample { name: name.to_owned(), labels, value };
    let twice = family.samples.iter().any(|other| (&other.name, &other.labels) == (&sample.name, &sample.labels));
    ensure!(!twice, "this series is there already");
    family.samples.push(sample);
    Ok(())
}

/// The labels after `{`, and what follows `}`.
fn labels(text: &str) -> Result<(BTreeMap<String, String>, &str)> {
    let (mut found, mut rest) = (BTreeMap::new(), text);
    loop {
        let (name, after) = rest.split_once("=\"").context("no label")?;
        ensure!(is_name(name, false), "{name:?} isn't a label's name");
        let (value, after) = quoted(after)?;
        ensure!(found.insert(name.to_owned(), value).is_none(), "the label {name} is there twice");
        if let Some(after) = after.strip_prefix('}') {
            return Ok((found, after));
        }
        rest = after.strip_prefix(',').context("neither a comma nor the end of the labels")?;
    }
}

/// The text up to the next quote, and what follows.
fn quoted(text: &str) -> Result<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => bail!("a wrong escape"),
            },
            other => value.push(other),
        }
    }
    bail!("a label's value doesn't end")
}

fn is_name(name: &str, colons: bool) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || char == '_' || (colons && char == ':');
    !name.is_empty() && !name.starts_with(|char: char| char.is_ascii_digit()) && name.chars().all(fits)
}

fn check(family: &Family) -> Result<()> {
    ensure!(!family.kind.is_empty() && !family.help.is_empty(), "no TYPE or no HELP");
    let unit = &family.unit;
    ensure!(unit.is_empty() || family.name.ends_with(&format!("_{unit}")), "its name doesn't end with its unit");
    ensure!(!family.samples.is_empty(), "no samples");
    for sample in &family.samples {
        let fine = match family.kind.as_str() {
            "counter" => sample.value >= 0.0 && sample.value.is_finite(),
            "info" => (sample.value - 1.0).abs() < f64::EPSILON,
            _ => !sample.value.is_nan(),
        };
        ensure!(fine, "{sample:?}");
    }
    if family.kind == "histogram" { check_histogram(family) } else { Ok(()) }
}

fn check_histogram(family: &Family) -> Result<()> {
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").context("a bucket without `le`")?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse()? };
        series.entry(labels).or_default().push((bound, sample.value));
    }
    for (labels, buckets) in series {
        let grows = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        ensure!(grows, "its buckets neither ascend nor add up: {labels:?} {buckets:?}");
        let (bound, last) = *buckets.last().context("no buckets")?;
        ensure!(bound.is_infinite(), "no bucket takes everything: {labels:?}");
        let one = |ending: &str| {
            let name = format!("{}{ending}", family.name);
            family
                .samples
                .iter()
                .find(|sample| sample.name == name && sample.labels == labels)
                .map(|sample| sample.value)
        };
        ensure!(one("_count") == Some(last), "{labels:?}: the count isn't that of the last bucket");
        ensure!(one("_sum").is_some_and(|sum| sum >= 0.0), "{labels:?}: no sum");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{parse, value};

    const FINE: &str = "# HELP a A.\n# TYPE a counter\na_total{x=\"1\"} 2\na_total{x=\"q\\\"\\\\\\n\"} 3.5\n\
                        # HELP b_seconds B.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\n\
                        b_seconds_sum 0.5\nb_seconds_count 2\nb_seconds_bucket{le=\"0.1\"} 1\n\
                        b_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn what_is_in_the_form_is_read() {
        let page = parse(FINE).expect("fine");
        let names: Vec<_> = page.iter().map(|f| (f.shown_name(), f.unit.clone(), f.samples.len())).collect();
        assert_eq!(
            names,
            [("a_total".to_owned(), String::new(), 2), ("b_seconds".to_owned(), "seconds".to_owned(), 4)]
        );
        assert!((value(&page, "a_total", &[]) - 5.5).abs() < 1e-9);
        assert!((value(&page, "a_total", &[("x", "1")]) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_in_the_form_is_refused() {
        let table = [
            ("# EOF\n", ""),
            ("# EOF", "doesn't end with # EOF"),
            ("a 1\n# EOF\n", "without a family"),
            ("# HELP a A.\n# TYPE a gauge\n\n# EOF\n", "no value"),
            ("# HELP a A.\n# TYPE a counter\na 1\n# EOF\n", "a counter has no \"\""),
            ("# HELP a A.\n# TYPE a counter\na_total -1\n# EOF\n", "-1"),
            ("# HELP a A.\n# TYPE a gauge\na 1\na 2\n# EOF\n", "already"),
            (
                "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb 1\na{x=\"1\"} 2\n# EOF\n",
                "another family",
            ),
            ("# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb 1\n# UNIT a x\n# EOF\n", "together"),
            ("# HELP a A.\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n", "end with its unit"),
            ("# HELP a A.\n# TYPE a gauge\na{x=1} 1\n# EOF\n", "no label"),
            ("# HELP a A.\n# TYPE a gauge\na{x=\"1\",x=\"2\"} 1\n# EOF\n", "twice"),
            ("# HELP a A.\n# TYPE a gauge\na{x=\"\\t\"} 1\n# EOF\n", "escape"),
            ("# HELP a A.\n# TYPE a gauge\na  1\n# EOF\n", "more than a value"),
            ("# HELP a A.\n# TYPE a gauge\na one\n# EOF\n", "isn't a number"),
            ("# TYPE a gauge\na 1\n# EOF\n", "no TYPE or no HELP"),
            ("# HELP a A.\n# TYPE a gauge\n# EOF\n", "no samples"),
            (
                "# HELP a A.\n# TYPE a counter\na_total 1\n# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n# EOF\n",
                "two families",
            ),
            ("# HELP a A.\n# TYPE a histogram\na_sum 1\na_count 2\na_bucket{le=\"1\"} 2\n# EOF\n", "everything"),
            (
                "# HELP a A.\n# TYPE a histogram\na_sum 1\na_count 1\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
                "add up",
            ),
            ("# HELP a A.\n# TYPE a histogram\na_sum 1\na_count 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n", "the count"),
        ];
        for (text, part) in table {
            match parse(text) {
                Ok(_) => assert_eq!(part, "", "{text:?} was taken"),
                Err(error) => {
                    let said = format!("{error:#}");
                    assert!(!part.is_empty() && said.contains(part), "{text:?}: {said}");
                }
            }
        }
    }
}
