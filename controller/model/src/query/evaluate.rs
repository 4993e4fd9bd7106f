//! Asks an expression of an instance. What isn't known of it (a decider may know only what many instances have in
//! common) leaves the answer open, unless what is known decides it.

use std::cmp::Ordering;

use super::value::{Value, compare_texts, compare_versions};
use super::{Comparison, Expression, Literal, Operator, Subject, Test};

/// What an expression may ask of an instance. Each answers `None` where it isn't known.
pub trait Subjects {
    /// Whether its agent is connected.
    fn agent_connected(&self) -> Option<bool>;
    /// The agent's version; empty where it told none.
    fn agent_version(&self) -> Option<&str>;
    /// An attribute: whether it is there, and its value where it has one.
    fn attribute(&self, name: &str) -> Option<Option<Option<&str>>>;
    /// EC2's id, where it has one.
    fn ec2_instance_id(&self) -> Option<Option<&str>>;
    /// In milliseconds since 1970.
    fn registered_at(&self) -> Option<u64>;
    /// Tasks that are RUNNING.
    fn running_tasks_count(&self) -> Option<u64>;
    /// Whether any of the groups of its tasks is so.
    fn any_group(&self, is: &dyn Fn(&str) -> bool) -> Option<bool>;
}

impl Expression {
    /// Whether it holds; `None` where what is known of the instance doesn't decide it.
    pub fn holds(&self, of: &impl Subjects) -> Option<bool> {
        match self {
            Self::Or(parts) => any(parts.iter().map(|part| part.holds(of))),
            Self::And(parts) => any(parts.iter().map(|part| part.holds(of).map(|holds| !holds))).map(|fails| !fails),
            Self::Not(inner) => inner.holds(of).map(|holds| !holds),
            Self::Is(comparison) => comparison.holds(of),
        }
    }
}

/// Whether one is true; open where none is and one is open.
fn any(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut open = false;
    for answer in answers {
        match answer {
            Some(true) => return Some(true),
            Some(false) => {}
            None => open = true,
        }
    }
    (!open).then_some(false)
}

impl Comparison {
    fn holds(&self, of: &impl Subjects) -> Option<bool> {
        let test = &self.test;
        Some(match &self.subject {
            Subject::AgentConnected => of_value(test, &Known::Flag(of.agent_connected()?)),
            Subject::AgentVersion => {
                let version = of.agent_version()?;
                if version.is_empty() { of_missing(test) } else { of_value(test, &Known::Version(version)) }
            }
            Subject::Attribute(name) => match of.attribute(name)? {
                None => of_missing(test),
                // Without a value it is there, and equals nothing.
                Some(None) => match test {
                    Test::Exists(exists) => *exists,
                    test => of_missing(test),
                },
                Some(Some(value)) => of_value(test, &Known::Text(value)),
            },
            Subject::Ec2InstanceId => match of.ec2_instance_id()? {
                None => of_missing(test),
                Some(id) => of_value(test, &Known::Text(id)),
            },
            Subject::RegisteredAt => {
                let at = i64::try_from(of.registered_at()?).unwrap_or(i64::MAX);
                of_value(test, &Known::Time(at))
            }
            Subject::RunningTasksCount => of_value(test, &Known::Count(of.running_tasks_count()?)),
            Subject::TaskGroup => of_groups(test, of)?,
        })
    }
}

/// What is known of a subject.
enum Known<'a> {
    Flag(bool),
    Version(&'a str),
    Text(&'a str),
    Time(i64),
    Count(u64),
}

impl Known<'_> {
    /// How it compares with a literal: `Equal` is "within" for a time.
    fn compare(&self, literal: &Literal) -> Ordering {
        match (self, literal.value()) {
            (Self::Flag(known), Value::Flag(value)) => known.cmp(value),
            (Self::Count(known), Value::Count(value)) => known.cmp(value),
            (Self::Time(known), Value::Time(from, until)) => {
                if known < from {
                    Ordering::Less
                } else if known < until {
                    Ordering::Equal
                } else {
                    Ordering::Greater
                }
            }
            (Self::Version(known), _) => compare_versions(known, literal.text()),
            (Self::Text(known), _) => compare_texts(known, literal.text()),
            // The parser gives a literal the kind of its subject.
            _ => Ordering::Less,
        }
    }

    fn equals(&self, literal: &Literal) -> bool {
        match self {
            Self::Text(known) => *known == literal.text(),
            _ => self.compare(literal) == Ordering::Equal,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Version(text) => text,
            _ => "",
        }
    }
}

fn of_value(test: &Test, known: &Known<'_>) -> bool {
    match test {
        Test::Exists(exists) => *exists,
        Test::Compare(operator, literal) => match operator {
            Operator::Equals => known.equals(literal),
            Operator::NotEquals => !known.equals(literal),
            Operator::GreaterThan => known.compare(literal) == Ordering::Greater,
            Operator::GreaterThanEqual => known.compare(literal) != Ordering::Less,
            Operator::LessThan => known.compare(literal) == Ordering::Less,
            Operator::LessThanEqual => known.compare(literal) != Ordering::Greater,
        },
        Test::In { within, list } => list.iter().any(|literal| known.equals(literal)) == *within,
        Test::Matches { like, pattern } => pattern.matches(known.text()) == *like,
    }
}

/// Of a subject that isn't there: only what is asked in the negative holds.
const fn of_missing(test: &Test) -> bool {
    match test {
        Test::Exists(exists) => !*exists,
        Test::Compare(operator, _) => matches!(operator, Operator::NotEquals),
        Test::In { within, .. } => !*within,
        Test::Matches { like, .. } => !*like,
    }
}

fn of_groups(test: &Test, of: &impl Subjects) -> Option<bool> {
    match test {
        Test::Exists(exists) => Some(of.any_group(&|_| true)? == *exists),
        Test::Compare(operator, literal) => {
            let equals = of.any_group(&|group| group == literal.text())?;
            Some(equals == matches!(operator, Operator::Equals))
        }
        Test::In { within, list } => {
            let found = of.any_group(&|group| list.iter().any(|literal| group == literal.text()))?;
            Some(found == *within)
        }
        Test::Matches { like, pattern } => Some(of.any_group(&|group| pattern.matches(group))? == *like),
    }
}
