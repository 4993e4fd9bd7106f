//! An expression as a text that parses to an equal one: operators as signs, `and`, `or` and `not` as words, quotes where
//! a value needs them.

use std::fmt::{self, Display, Formatter};

use super::{Comparison, Expression, Subject, Test};

impl Display for Expression {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => joined(out, parts, " or ", |part| matches!(part, Self::Or(_))),
            Self::And(parts) => joined(out, parts, " and ", |part| matches!(part, Self::Or(_) | Self::And(_))),
            Self::Not(inner) => {
                out.write_str("not ")?;
                part(out, inner, matches!(**inner, Self::Or(_) | Self::And(_)))
            }
            Self::Is(comparison) => comparison.fmt(out),
        }
    }
}

fn joined(
    out: &mut Formatter<'_>,
    parts: &[Expression],
    by: &str,
    in_parentheses: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (at, expression) in parts.iter().enumerate() {
        if at > 0 {
            out.write_str(by)?;
        }
        part(out, expression, in_parentheses(expression))?;
    }
    Ok(())
}

fn part(out: &mut Formatter<'_>, expression: &Expression, in_parentheses: bool) -> fmt::Result {
    if in_parentheses { write!(out, "({expression})") } else { expression.fmt(out) }
}

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { subject, test } = self;
        match test {
            Test::Exists(true) => write!(out, "{subject} exists"),
            Test::Exists(false) => write!(out, "{subject} !exists"),
            Test::Compare(operator, literal) => {
                write!(out, "{subject} {} {}", operator.as_str(), Quoted(literal.text()))
            }
            Test::In { within, list } => {
                write!(out, "{subject} {} [", if *within { "in" } else { "!in" })?;
                for (at, literal) in list.iter().enumerate() {
                    write!(out, "{}{}", if at > 0 { ", " } else { "" }, Quoted(literal.text()))?;
                }
                out.write_str("]")
            }
            Test::Matches { like, pattern } => {
                write!(out, "{subject} {} {}", if *like { "=~" } else { "!~" }, Quoted(pattern.source()))
            }
        }
    }
}

impl Display for Subject {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::AgentConnected => "agentConnected",
            Self::AgentVersion => "agentVersion",
            Self::Attribute(name) => return write!(out, "attribute:{name}"),
            Self::Ec2InstanceId => "ec2InstanceId",
            Self::RegisteredAt => "registeredAt",
            Self::RunningTasksCount => "runningTasksCount",
            Self::TaskGroup => "task:group",
        })
    }
}

/// A value, in quotes where it needs them. None holds quotes of both kinds: there is no way to write one.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+@*".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            out.write_str(text)
        } else {
            let quote = if text.contains('\'') { '"' } else { '\'' };
            write!(out, "{quote}{text}{quote}")
        }
    }
}
