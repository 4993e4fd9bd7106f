//! The grammar of the cluster query language (ecs-semantics §2.4):
//!
//! ```text
//! expr := or ;  or := and (("||"|"or") and)* ;  and := not (("&&"|"and") not)*
//! not  := ("!"|"not") not | "(" or ")" | subject operator [argument]
//! ```

use super::cursor::{Cursor, Word};
use super::pattern::Pattern;
use super::value::Literal;
use super::{Comparison, EXPRESSION_CHARS_MAX, Expression, NESTING_MAX, Operator, QueryError, Subject, Test};

pub(super) fn parse(text: &str) -> Result<Expression, QueryError> {
    let mut cursor = Cursor::new(text);
    if text.chars().count() > EXPRESSION_CHARS_MAX {
        return Err(cursor.wrong(format!("more than {EXPRESSION_CHARS_MAX} characters")));
    }
    let expression = or(&mut cursor, 0)?;
    if cursor.is_at_end() { Ok(expression) } else { Err(cursor.expected("'and', 'or' or the end")) }
}

fn or(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, QueryError> {
    let mut parts = vec![and(cursor, depth)?];
    while cursor.eat("||") || cursor.eat_word("or") {
        parts.push(and(cursor, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
}

fn and(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, QueryError> {
    let mut parts = vec![not(cursor, depth)?];
    while cursor.eat("&&") || cursor.eat_word("and") {
        parts.push(not(cursor, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
}

/// Leaves the cursor behind any space.
fn not(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, QueryError> {
    cursor.skip_space();
    let start = cursor.clone();
    let deeper = || {
        let next = depth + 1;
        (next <= NESTING_MAX).then_some(next).ok_or_else(|| start.wrong(format!("nesting deeper than {NESTING_MAX}")))
    };
    let expression = if cursor.eat("!") || cursor.eat_word("not") {
        Expression::Not(Box::new(not(cursor, deeper()?)?))
    } else if cursor.eat("(") {
        let inner = or(cursor, deeper()?)?;
        if !cursor.eat(")") {
            return Err(cursor.expected("')'"));
        }
        inner
    } else {
        Expression::Is(comparison(cursor)?)
    };
    cursor.skip_space();
    Ok(expression)
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Comparison, QueryError> {
    let subject = subject(cursor)?;
    cursor.skip_space();
    let start = cursor.clone();
    let operator = operator(cursor)?;
    if !applies(operator, &subject) {
        return Err(start.wrong(format!("an operator that doesn't apply to {subject}")));
    }
    let test = match operator {
        Op::Exists(exists) => Test::Exists(exists),
        Op::Compare(operator) => Test::Compare(operator, literal(cursor, &subject)?),
        Op::In(within) => Test::In { within, list: list(cursor, &subject)? },
        Op::Matches(like) => {
            cursor.skip_space();
            let start = cursor.clone();
            let text = cursor.literal(Word::Pattern)?;
            let pattern = Pattern::new(text).map_err(|error| start.wrong(error.to_string()))?;
            Test::Matches { like, pattern }
        }
    };
    Ok(Comparison { subject, test })
}

fn subject(cursor: &mut Cursor<'_>) -> Result<Subject, QueryError> {
    let start = cursor.clone();
    if cursor.eat("attribute:") {
        let name = cursor.take(is_of_attribute);
        return if name.is_empty() {
            Err(cursor.expected("the name of an attribute"))
        } else {
            Ok(Subject::Attribute(name.to_owned()))
        };
    }
    if cursor.eat_word("task:group") {
        return Ok(Subject::TaskGroup);
    }
    let plain = [
        Subject::AgentConnected,
        Subject::AgentVersion,
        Subject::Ec2InstanceId,
        Subject::RegisteredAt,
        Subject::RunningTasksCount,
    ];
    let known = plain.into_iter().find(|subject| cursor.eat_word(&subject.to_string()));
    known.ok_or_else(|| start.expected("a subject"))
}

fn is_of_attribute(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '\\' | '.')
}

#[derive(Clone, Copy)]
enum Op {
    Exists(bool),
    Compare(Operator),
    In(bool),
    Matches(bool),
}

/// Both spellings of every operator; of two of which one begins as the other, the longer first.
const SYMBOLS: [(&str, Op); 8] = [
    ("==", Op::Compare(Operator::Equals)),
    ("=~", Op::Matches(true)),
    ("!=", Op::Compare(Operator::NotEquals)),
    ("!~", Op::Matches(false)),
    (">=", Op::Compare(Operator::GreaterThanEqual)),
    (">", Op::Compare(Operator::GreaterThan)),
    ("<=", Op::Compare(Operator::LessThanEqual)),
    ("<", Op::Compare(Operator::LessThan)),
];

const WORDS: [(&str, Op); 14] = [
    ("equals", Op::Compare(Operator::Equals)),
    ("not_equals", Op::Compare(Operator::NotEquals)),
    ("greater_than", Op::Compare(Operator::GreaterThan)),
    ("greater_than_equal", Op::Compare(Operator::GreaterThanEqual)),
    ("less_than", Op::Compare(Operator::LessThan)),
    ("less_than_equal", Op::Compare(Operator::LessThanEqual)),
    ("exists", Op::Exists(true)),
    ("!exists", Op::Exists(false)),
    ("not_exists", Op::Exists(false)),
    ("in", Op::In(true)),
    ("!in", Op::In(false)),
    ("not_in", Op::In(false)),
    ("matches", Op::Matches(true)),
    ("not_matches", Op::Matches(false)),
];

fn operator(cursor: &mut Cursor<'_>) -> Result<Op, QueryError> {
    let words = WORDS.into_iter().find(|(word, _)| cursor.eat_word(word));
    let found = words.or_else(|| SYMBOLS.into_iter().find(|(symbol, _)| cursor.eat(symbol)));
    found.map(|(_, op)| op).ok_or_else(|| cursor.expected("an operator"))
}

/// What is true or false has no order; neither have ids and groups; what isn't text matches no pattern.
fn applies(operator: Op, subject: &Subject) -> bool {
    let ordered = !matches!(
        operator,
        Op::Exists(_) | Op::In(_) | Op::Matches(_) | Op::Compare(Operator::Equals | Operator::NotEquals)
    );
    match subject {
        Subject::Attribute(_) | Subject::AgentVersion => true,
        Subject::RegisteredAt | Subject::RunningTasksCount => !matches!(operator, Op::Matches(_)),
        Subject::Ec2InstanceId | Subject::TaskGroup => !ordered,
        Subject::AgentConnected => !ordered && !matches!(operator, Op::Matches(_)),
    }
}

fn literal(cursor: &mut Cursor<'_>, subject: &Subject) -> Result<Literal, QueryError> {
    cursor.skip_space();
    let start = cursor.clone();
    let text = cursor.literal(Word::Plain)?;
    Literal::new(text, subject).map_err(|what| start.wrong(what))
}

/// `[a, b]`, or one value without brackets.
fn list(cursor: &mut Cursor<'_>, subject: &Subject) -> Result<Vec<Literal>, QueryError> {
    cursor.skip_space();
    if !cursor.eat("[") {
        return Ok(vec![literal(cursor, subject)?]);
    }
    let mut list = Vec::new();
    loop {
        list.push(literal(cursor, subject)?);
        cursor.skip_space();
        if cursor.eat("]") {
            return Ok(list);
        }
        if !cursor.eat(",") {
            return Err(cursor.expected("',' or ']'"));
        }
    }
}
