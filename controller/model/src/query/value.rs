//! Values of the cluster query language: what a literal means beside its subject, and how values compare. Whole numbers
//! alone: a decimal is compared by its digits.

use std::cmp::Ordering;

use super::Subject;

/// A literal: its text, and what that is beside its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    text: String,
    value: Value,
}

/// What a literal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of an attribute, an id, a group.
    Text,
    /// Of agentVersion.
    Version,
    /// Of agentConnected.
    Flag(bool),
    /// Of runningTasksCount.
    Count(u64),
    /// Of registeredAt: from and until before, in milliseconds since 1970.
    Time(i64, i64),
}

impl Literal {
    /// Reads a literal beside a subject.
    ///
    /// # Errors
    /// What it should have been.
    pub(super) fn new(text: &str, subject: &Subject) -> Result<Self, String> {
        let value = match subject {
            Subject::Attribute(_) | Subject::Ec2InstanceId | Subject::TaskGroup => Some(Value::Text),
            Subject::AgentVersion => text.starts_with(|c: char| c.is_ascii_digit()).then_some(Value::Version),
            Subject::AgentConnected => text.parse().ok().map(Value::Flag),
            Subject::RunningTasksCount => text.parse().ok().map(Value::Count),
            Subject::RegisteredAt => time(text).map(|(from, until)| Value::Time(from, until)),
        };
        let expected = match subject {
            Subject::AgentVersion => "a version such as 1.89.2",
            Subject::AgentConnected => "true or false",
            Subject::RunningTasksCount => "a whole number",
            Subject::RegisteredAt => "a date such as 2018-06-18 or a time such as 2018-06-18T22:28:28Z",
            Subject::Attribute(_) | Subject::Ec2InstanceId | Subject::TaskGroup => "a text",
        };
        let value = value.ok_or_else(|| format!("'{text}', where {subject} takes {expected},"))?;
        Ok(Self { text: text.to_owned(), value })
    }

    /// As it was written, without quotes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

/// Compares versions part by part: numbers as numbers, what is missing as 0, and `1.2.3-rc` before `1.2.3`.
pub(super) fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(String, String)> {
        let (numbers, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
        let part = |part: &str| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            (part[..digits].trim_start_matches('0').to_owned(), part[digits..].to_owned())
        };
        let mut parts: Vec<(String, String)> = numbers.split('.').map(part).collect();
        while parts.last().is_some_and(|(number, rest)| number.is_empty() && rest.is_empty()) {
            parts.pop();
        }
        parts.push((String::new(), rest.to_owned()));
        parts
    };
    let suffix = |text: &str| if text.is_empty() || text.starts_with('+') { None } else { Some(text.to_owned()) };
    let (mut a, mut b) = (parts(a), parts(b));
    let (end_a, end_b) = (a.pop().unwrap_or_default().1, b.pop().unwrap_or_default().1);
    let number = |part: Option<&(String, String)>| part.map_or((0, String::new()), |p| (p.0.len(), p.0.clone()));
    for at in 0..a.len().max(b.len()) {
        let (left, right) = (a.get(at), b.get(at));
        let text = |part: Option<&(String, String)>| part.map(|p| p.1.clone()).unwrap_or_default();
        match number(left).cmp(&number(right)).then_with(|| text(left).cmp(&text(right))) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    match (suffix(&end_a), suffix(&end_b)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    }
}

/// Compares two texts as numbers where both are, else as texts.
pub(super) fn compare_texts(a: &str, b: &str) -> Ordering {
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        _ => a.cmp(b),
    }
}

/// A decimal number by its digits.
struct Decimal<'t> {
    negative: bool,
    /// Without leading zeros.
    whole: &'t str,
    /// Without trailing zeros.
    fraction: &'t str,
}

impl<'t> Decimal<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        Some(Self { negative: negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = |number: &Self| (number.whole.len(), number.whole.to_owned(), number.fraction.to_owned());
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
        }
    }
}

const DAY_MS: i64 = 86_400_000;

/// `2018-06-18`, `2018-06-18T22:28:28`, with `Z` or `+00:00` behind it: from and until before, in milliseconds.
fn time(text: &str) -> Option<(i64, i64)> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let midnight = day(date)?.checked_mul(DAY_MS)?;
    let Some(clock) = clock else { return Some((midnight, midnight + DAY_MS)) };
    let (clock, offset_minutes) = match clock.find(['Z', '+', '-']) {
        None => (clock, 0),
        Some(at) if &clock[at..] == "Z" => (&clock[..at], 0),
        Some(at) => (&clock[..at], offset(&clock[at..])?),
    };
    let [hour, minute, second] = numbers(clock, ':')?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let from = midnight + ((hour * 60 + minute - offset_minutes) * 60 + second) * 1_000;
    Some((from, from + 1_000))
}

/// `+HH:MM` or `-HH:MM`, in minutes.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    Some(if sign == "-" { -(hours * 60 + minutes) } else { hours * 60 + minutes })
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Three numbers of two digits, but the first of a date, which has four.
fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let first = parts.next()?;
    let first = if between == '-' {
        (first.len() == 4 && first.bytes().all(|b| b.is_ascii_digit())).then(|| first.parse().ok()).flatten()?
    } else {
        two_digits(first)?
    };
    let found = [first, two_digits(parts.next()?)?, two_digits(parts.next()?)?];
    parts.next().is_none().then_some(found)
}

/// Days since 1970-01-01, in the Gregorian calendar.
fn day(text: &str) -> Option<i64> {
    let [year, month, day] = numbers(text, '-')?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month).ok()?.checked_sub(1)?;
    if day < 1 || day > *lengths.get(index)? {
        return None;
    }
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    let to_1970 = 1969 * 365 + 1969 / 4 - 1969 / 100 + 1969 / 400;
    Some(years - to_1970 + lengths[..index].iter().sum::<i64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        for (text, from, length) in [
            ("1970-01-01", Some(0), DAY_MS),
            ("1970-01-01T00:00:01", Some(1_000), 1_000),
            ("2018-06-18T22:28:28Z", Some(1_529_360_908_000), 1_000),
            ("2018-06-18T22:28:28+00:00", Some(1_529_360_908_000), 1_000),
            ("2018-06-18T22:28:28+02:00", Some(1_529_353_708_000), 1_000),
            ("2018-06-18T22:28:28-01:30", Some(1_529_366_308_000), 1_000),
            ("2000-02-29", Some(951_782_400_000), DAY_MS),
            ("1900-02-29", None, 0),
            ("2018-13-01", None, 0),
            ("2018-00-01", None, 0),
            ("2018-6-18", None, 0),
            ("2018-06-18T24:00:00", None, 0),
            ("2018-06-18T22:28", None, 0),
            ("2018-06-18T22:28:28+2", None, 0),
            ("yesterday", None, 0),
            ("", None, 0),
        ] {
            assert_eq!(time(text), from.map(|from| (from, from + length)), "{text}");
        }
    }

    #[test]
    fn versions_and_numbers() {
        for (a, order, b) in [
            ("1.9.0", "<", "1.10.0"),
            ("1.0", "=", "1.0.0"),
            ("1.0.1", ">", "1.0"),
            ("1.89.2-rc1", "<", "1.89.2"),
            ("1.89.2-rc1", "<", "1.89.2-rc2"),
            ("1.89.2+build", "=", "1.89.2"),
            ("1.89.2", "<", "1.89.10"),
            ("01.2", "=", "1.2"),
            ("1.2a", ">", "1.2"),
        ] {
            let found = compare_versions(a, b);
            assert_eq!(found, order_of(order), "{a} {b}");
            assert_eq!(compare_versions(b, a), found.reverse());
        }
        for (a, order, b) in [
            ("9", "<", "10"),
            ("-9", ">", "-10"),
            ("1.5", ">", "1.25"),
            ("1.0", "=", "1"),
            ("-0", "=", "0"),
            (".5", "<", "1"),
            ("9", ">", "10x"),
            ("t2", "<", "t3"),
            ("-", "<", "0"),
        ] {
            let found = compare_texts(a, b);
            assert_eq!(found, order_of(order), "{a} {b}");
            assert_eq!(compare_texts(b, a), found.reverse());
        }
    }

    fn order_of(sign: &str) -> Ordering {
        match sign {
            "<" => Ordering::Less,
            "=" => Ordering::Equal,
            _ => Ordering::Greater,
        }
    }
}
