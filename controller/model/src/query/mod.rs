//! The cluster query language (ecs-semantics §2.4): `memberOf` constraints, and the filter of ListContainerInstances.
//!
//! [`Expression::parse`] reads a text once; [`Expression::holds`] then asks it of an instance, as often as is needed.
//! What an expression may ask of an instance is [`Subjects`]. An expression prints back as a text that parses to an
//! equal one. Pure: no clock ("now" is no subject of the language), no state.
//!
//! What AWS leaves open is decided so:
//! - `!=`, `!in` and `!~` are what `==`, `in` and `=~` aren't: they hold where an attribute is missing. All others don't.
//! - `>`, `>=`, `<` and `<=` compare an attribute as a number where both sides are decimal numbers, else as text;
//!   `==`, `in` and `=~` always as text.
//! - `registeredAt` has milliseconds, a date means its whole day and a time its whole second: `==` is "within", `>` is
//!   "after its end".
//! - `task:group` is about the groups of the instance's tasks that should run: `==` is "one of them is".
//! - `=~` must match the whole value, as in java.util.regex's `matches()`; see [`pattern`].

mod cursor;
mod evaluate;
mod parser;
pub mod pattern;
mod print;
mod value;

use crate::error::EcsError;
use pattern::Pattern;

pub use evaluate::Subjects;
pub use value::{Literal, Value};

/// Characters of an expression (ecs-semantics §1).
pub const EXPRESSION_CHARS_MAX: usize = 2_000;

/// Parentheses and negations within one another; deeper ones are refused.
pub const NESTING_MAX: usize = 32;

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid expression: {what} at character {at}.")]
pub struct QueryError {
    /// The character at which it goes wrong, from 1 on; one more than the text has where it ends too early.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

impl From<QueryError> for EcsError {
    fn from(error: QueryError) -> Self {
        Self::invalid_parameter(error.to_string())
    }
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// At least two, of which one must hold.
    Or(Vec<Expression>),
    /// At least two, of which each must hold.
    And(Vec<Expression>),
    /// It mustn't hold.
    Not(Box<Expression>),
    /// A single comparison.
    Is(Comparison),
}

/// A subject, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Of what.
    pub subject: Subject,
    /// What.
    pub test: Test,
}

/// What of an instance is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the language")]
pub enum Subject {
    AgentConnected,
    AgentVersion,
    /// `attribute:NAME`.
    Attribute(String),
    Ec2InstanceId,
    RegisteredAt,
    RunningTasksCount,
    /// `task:group`.
    TaskGroup,
}

/// What is asked of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `exists`, or `!exists`.
    Exists(bool),
    /// `==` and its kin.
    Compare(Operator, Literal),
    /// `in`, or `!in`: at least one literal.
    In {
        /// `in`, not `!in`.
        within: bool,
        /// Of what.
        list: Vec<Literal>,
    },
    /// `=~`, or `!~`.
    Matches {
        /// `=~`, not `!~`.
        like: bool,
        /// What.
        pattern: Pattern,
    },
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the language")]
pub enum Operator {
    Equals,
    NotEquals,
    GreaterThan,
    GreaterThanEqual,
    LessThan,
    LessThanEqual,
}

impl Expression {
    /// Reads an expression of 1 to [`EXPRESSION_CHARS_MAX`] characters.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parser::parse(text)
    }
}

impl std::str::FromStr for Expression {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

impl Operator {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equals => "==",
            Self::NotEquals => "!=",
            Self::GreaterThan => ">",
            Self::GreaterThanEqual => ">=",
            Self::LessThan => "<",
            Self::LessThanEqual => "<=",
        }
    }
}
