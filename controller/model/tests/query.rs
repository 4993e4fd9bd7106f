//! The cluster query language: texts and what they mean of an instance, what is refused and where, printing, and a naive
//! oracle (ecs-semantics §2.4).
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests read better so")]

use std::collections::BTreeMap;

use drydock_model::error::EcsError;
use drydock_model::query::{Comparison, Expression, NESTING_MAX, Operator, Subject, Subjects, Test};
use proptest::prelude::*;

/// An instance.
#[derive(Debug, Clone, Default)]
struct Instance {
    disconnected: bool,
    version: String,
    attributes: BTreeMap<String, Option<String>>,
    ec2: Option<String>,
    registered_at: u64,
    running: u64,
    groups: Vec<String>,
    /// Attributes that aren't known, and whether its tasks aren't.
    unknown: Vec<String>,
    tasks_unknown: bool,
}

impl Subjects for Instance {
    fn agent_connected(&self) -> Option<bool> {
        Some(!self.disconnected)
    }

    fn agent_version(&self) -> Option<&str> {
        Some(&self.version)
    }

    fn attribute(&self, name: &str) -> Option<Option<Option<&str>>> {
        let known = !self.unknown.iter().any(|unknown| unknown == name);
        known.then(|| self.attributes.get(name).map(|value| value.as_deref()))
    }

    fn ec2_instance_id(&self) -> Option<Option<&str>> {
        Some(self.ec2.as_deref())
    }

    fn registered_at(&self) -> Option<u64> {
        Some(self.registered_at)
    }

    fn running_tasks_count(&self) -> Option<u64> {
        (!self.tasks_unknown).then_some(self.running)
    }

    fn any_group(&self, is: &dyn Fn(&str) -> bool) -> Option<bool> {
        (!self.tasks_unknown).then(|| self.groups.iter().any(|group| is(group)))
    }
}

/// 2018-06-18T22:28:28Z, as AWS's guide has it.
const REGISTERED_AT: u64 = 1_529_360_908_000;

/// A t2.micro in us-east-1a with an agent 1.89.2, 4 CPUs, no value for `gpu`, and two tasks.
fn instance() -> Instance {
    let attributes = [
        ("ecs.instance-type", Some("t2.micro")),
        ("ecs.availability-zone", Some("us-east-1a")),
        ("cpus", Some("4")),
        ("stack", Some("blue one")),
        ("gpu", None),
    ];
    Instance {
        version: "1.89.2".to_owned(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect(),
        ec2: Some("i-abcd1234".to_owned()),
        registered_at: REGISTERED_AT + 500,
        running: 2,
        groups: vec!["service:web".to_owned(), "family:db".to_owned()],
        ..Instance::default()
    }
}

fn check(cases: &[(&str, bool)]) {
    for (text, expected) in cases {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.holds(&instance()), Some(*expected), "{text}");
        assert_eq!(Expression::parse(&expression.to_string()), Ok(expression), "{text}");
    }
}

// rule: 2.4/query-or-and-not, 2.4/query-subjects
#[test]
fn as_awss_guide_writes_them() {
    check(&[
        ("attribute:ecs.instance-type == t2.micro", true),
        ("attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", true),
        ("attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d", false),
        ("task:group == service:web", true),
        ("not(task:group == database)", true),
        ("runningTasksCount == 1", false),
        ("ec2InstanceId in ['i-abcd1234', 'i-wxyx7890']", true),
        (
            "(attribute:ecs.instance-type == t2.small or attribute:ecs.instance-type == t2.micro) and agentConnected == true",
            true,
        ),
        ("registeredAt == 2018-06-18", true),
    ]);
}

// rule: 2.4/query-operators, 2.4/query-lists
#[test]
fn both_spellings_of_every_operator() {
    for (sign, word, yes, no) in [
        ("==", "equals", "4", "5"),
        ("!=", "not_equals", "5", "4"),
        (">", "greater_than", "3", "4"),
        (">=", "greater_than_equal", "4", "5"),
        ("<", "less_than", "10", "4"),
        ("<=", "less_than_equal", "4", "3"),
        ("in", "in", "[3, 4]", "[5]"),
        ("!in", "not_in", "[5]", "[3,4]"),
        ("=~", "matches", "[0-9]", "[0-3]"),
        ("!~", "not_matches", "'a|b'", "'3|4'"),
        ("exists", "exists", "", "gone"),
        ("!exists", "not_exists", "gone", ""),
    ] {
        for operator in [sign, word] {
            // For `exists` the third column is about the attribute, not about a value.
            let text = |value: &str| match value {
                "gone" => format!("attribute:gone {operator}"),
                value => format!("attribute:cpus {operator} {value}"),
            };
            let both = [(text(yes), true), (text(no), false)];
            for (text, expected) in both {
                check(&[(&text, expected), (&format!("not {text}"), !expected), (&format!("!({text})"), !expected)]);
            }
        }
    }
    for (and, or) in [("&&", "||"), ("and", "or")] {
        check(&[
            (&format!("runningTasksCount == 2 {and} attribute:gpu exists"), true),
            (&format!("runningTasksCount == 2 {and} attribute:gpu !exists"), false),
            (&format!("runningTasksCount == 1 {or} attribute:gpu exists"), true),
            (&format!("runningTasksCount == 1 {or} attribute:gpu !exists"), false),
            // `and` binds more tightly than `or`.
            (&format!("runningTasksCount == 2 {or} runningTasksCount == 1 {and} attribute:gpu !exists"), true),
            (&format!("(runningTasksCount == 2 {or} runningTasksCount == 1) {and} attribute:gpu !exists"), false),
        ]);
    }
    check(&[("runningTasksCount==2&&attribute:cpus==4||attribute:gpu!exists", true), ("!!attribute:gpu exists", true)]);
}

// rule: 2.4/query-agent-version, 2.4/query-task-group
#[test]
fn values_compare_by_their_kind() {
    check(&[
        ("attribute:cpus > 10", false),
        ("attribute:cpus < 4.5", true),
        ("attribute:cpus == 4.0", false),
        ("attribute:ecs.instance-type > t1", true),
        ("attribute:stack == 'blue one'", true),
        ("attribute:stack == \"blue one\"", true),
        ("attribute:gpu == ''", false),
        ("attribute:gpu != x", true),
        ("attribute:gone == x", false),
        ("attribute:gone != x", true),
        ("attribute:gone in [x]", false),
        ("attribute:gone !in [x]", true),
        ("attribute:gone =~ .*", false),
        ("attribute:gone !~ .*", true),
        ("attribute:gone < 5", false),
        ("agentVersion > 1.9.0", true),
        ("agentVersion == 1.89.2.0", true),
        ("agentVersion in [1.2, 1.89.2]", true),
        ("agentVersion =~ '1[.].*'", true),
        ("agentConnected == false", false),
        ("agentConnected exists", true),
        ("ec2InstanceId =~ i-.*", true),
        ("runningTasksCount >= 2 and runningTasksCount < 10", true),
        ("task:group != service:web", false),
        ("task:group in [service:api, family:db]", true),
        ("task:group =~ service:.*", true),
        ("task:group !~ service:.*", false),
        ("task:group == web", false),
    ]);
}

// rule: 2.4/query-dates
#[test]
fn dates_mean_their_day_and_times_their_second() {
    check(&[
        ("registeredAt == 2018-06-18T22:28:28", true),
        ("registeredAt == 2018-06-18T22:28:28Z", true),
        ("registeredAt == 2018-06-18T22:28:28+00:00", true),
        ("registeredAt == 2018-06-18T22:28:29Z", false),
        ("registeredAt > 2018-06-18", false),
        ("registeredAt >= 2018-06-18", true),
        ("registeredAt < 2018-06-19", true),
        ("registeredAt <= 2018-06-18", true),
        ("registeredAt > 2018-06-17 and registeredAt != 2018-06-19", true),
        ("registeredAt in [2018-06-18, 2018-06-20]", true),
    ]);
}

// rule: 2.4/query-errors
#[test]
fn what_is_refused_and_where() {
    let deep = "(".repeat(NESTING_MAX + 1) + "agentConnected exists" + &")".repeat(NESTING_MAX + 1);
    let long = format!("attribute:x == {}", "y".repeat(2_000));
    for (text, expected) in [
        ("", "expected a subject but found the end at character 1"),
        ("nonsense", "expected a subject but found 'nonsense' at character 1"),
        ("attribute: == x", "expected the name of an attribute but found '==' at character 11"),
        ("attribute:x", "expected an operator but found the end at character 12"),
        ("attribute:x = y", "expected an operator but found '=' at character 13"),
        ("attribute:x ==", "expected a value but found the end at character 15"),
        ("attribute:é == x", "expected the name of an attribute but found 'é' at character 11"),
        ("attribute:x == 'é' y", "expected 'and', 'or' or the end but found 'y' at character 20"),
        ("attribute:x == y z", "expected 'and', 'or' or the end but found 'z' at character 18"),
        ("attribute:x == [y]", "expected a value but found '[y]' at character 16"),
        ("attribute:x in []", "expected a value but found ']' at character 17"),
        ("attribute:x in [y", "expected ',' or ']' but found the end at character 18"),
        ("attribute:x in [y z]", "expected ',' or ']' but found 'z]' at character 19"),
        ("attribute:x == 'y", "a quote that isn't closed at character 16"),
        ("attribute:x == y'z", "a quote within a value at character 17"),
        ("(attribute:x == y", "expected ')' but found the end at character 18"),
        ("attribute:x == (y)", "expected a value but found '(y)' at character 16"),
        ("attribute:x == y)", "expected 'and', 'or' or the end but found ')' at character 17"),
        ("not", "expected a subject but found the end at character 4"),
        ("attribute:x == y and", "expected a subject but found the end at character 21"),
        ("agentConnected == yes", "'yes', where agentConnected takes true or false, at character 19"),
        ("agentVersion > new", "'new', where agentVersion takes a version such as 1.89.2, at character 16"),
        ("runningTasksCount == -1", "'-1', where runningTasksCount takes a whole number, at character 22"),
        (
            "registeredAt > 2018-02-30",
            "'2018-02-30', where registeredAt takes a date such as 2018-06-18 or a time such as 2018-06-18T22:28:28Z, at character 16",
        ),
        ("registeredAt =~ 2018.*", "an operator that doesn't apply to registeredAt at character 14"),
        ("task:group > x", "an operator that doesn't apply to task:group at character 12"),
        ("ec2InstanceId < x", "an operator that doesn't apply to ec2InstanceId at character 15"),
        ("agentConnected > true", "an operator that doesn't apply to agentConnected at character 16"),
        ("attribute:x =~ '(?=a)'", "a pattern with look-ahead at character 16"),
        (&deep, "nesting deeper than 32 at character 33"),
        (&long, "more than 2000 characters at character 1"),
    ] {
        let error = EcsError::from(Expression::parse(text).unwrap_err()).to_string();
        assert_eq!(error, format!("InvalidParameterException: Invalid expression: {expected}."), "{text}");
    }
    let most = "(".repeat(NESTING_MAX) + "agentConnected exists" + &")".repeat(NESTING_MAX);
    assert!(Expression::parse(&most).is_ok());
    assert!(Expression::parse(&long[..2_000]).is_ok());
}

/// What isn't known leaves the answer open only where it decides.
#[test]
fn what_is_unknown_is_open() {
    let of = Instance { unknown: vec!["cpus".to_owned()], tasks_unknown: true, ..instance() };
    for (text, expected) in [
        ("attribute:cpus == 4", None),
        ("not attribute:cpus == 4", None),
        ("attribute:cpus == 4 and attribute:gpu exists", None),
        ("attribute:cpus == 4 and attribute:gpu !exists", Some(false)),
        ("attribute:cpus == 4 or attribute:gpu exists", Some(true)),
        ("task:group == x", None),
        ("runningTasksCount > 1", None),
    ] {
        assert_eq!(Expression::parse(text).unwrap().holds(&of), expected, "{text}");
    }
}

fn literal_of(subject: &Subject) -> BoxedStrategy<String> {
    match subject {
        Subject::AgentConnected => prop_oneof![Just("true".to_owned()), Just("false".to_owned())].boxed(),
        Subject::AgentVersion => "[0-2](\\.[0-9]{1,2}){0,2}".boxed(),
        Subject::RegisteredAt => {
            "19(69|70|71)-0[1-9]-[012][1-8](T[01][0-9]:[0-5][0-9]:[0-5][0-9](Z|[+]0[0-3]:00)?)?".boxed()
        }
        Subject::RunningTasksCount => "[0-9]{1,2}".boxed(),
        _ => prop_oneof!["[a-c]{0,2}", "[0-9]{1,2}(\\.[0-9])?", "[a-c ()\\[\\],&|!=']{0,4}"].boxed(),
    }
}

/// A comparison in words, with a quoted literal.
fn comparison() -> impl Strategy<Value = String> {
    let subject = prop_oneof![
        Just(Subject::AgentConnected),
        Just(Subject::AgentVersion),
        Just(Subject::Ec2InstanceId),
        Just(Subject::RegisteredAt),
        Just(Subject::RunningTasksCount),
        Just(Subject::TaskGroup),
        "[a-c]".prop_map(Subject::Attribute),
    ];
    subject.prop_flat_map(|subject| {
        let ordered = matches!(
            subject,
            Subject::Attribute(_) | Subject::AgentVersion | Subject::RegisteredAt | Subject::RunningTasksCount
        );
        let text = matches!(
            subject,
            Subject::Attribute(_) | Subject::AgentVersion | Subject::Ec2InstanceId | Subject::TaskGroup
        );
        let compare: &[&str] = if ordered { &["==", "!=", ">", ">=", "<", "<="] } else { &["==", "not_equals"] };
        let (name, list) = (subject.to_string(), prop::collection::vec(literal_of(&subject), 1..4));
        let compared = (prop::sample::select(compare), literal_of(&subject));
        let within = (prop::sample::select(&["in", "!in"][..]), list);
        let pattern = (prop::sample::select(&["=~", "!~"][..]), "[a-c.]{0,3}[*+]?");
        let (a, b, c, d) = (name.clone(), name.clone(), name.clone(), name);
        let other = prop_oneof![
            Just(format!("{a} exists")),
            Just(format!("{a} !exists")),
            compared.prop_map(move |(operator, value)| format!("{b} {operator} \"{value}\"")),
            within.prop_map(move |(operator, list)| format!("{c} {operator} [\"{}\"]", list.join("\", \""))),
        ];
        if text {
            prop_oneof![3 => other, 1 => pattern.prop_map(move |(op, pattern)| format!("{d} {op} \"{pattern}\""))]
                .boxed()
        } else {
            other.boxed()
        }
    })
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let leaf = comparison().prop_filter_map("a pattern that is one", |text| Expression::parse(&text).ok());
    leaf.prop_recursive(4, 24, 4, |inner| {
        let some = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            some.clone().prop_map(Expression::Or),
            some.prop_map(Expression::And),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

fn any_instance() -> impl Strategy<Value = Instance> {
    let value = || prop_oneof!["[a-c]{1,2}", "[0-9]{1,2}(\\.[0-9])?"];
    (
        any::<bool>(),
        "[0-2](\\.[0-9]{1,2}){0,2}",
        prop::collection::btree_map("[a-c]", prop::option::of(value()), 0..4),
        prop::option::of("[a-c]{1,2}"),
        0_u64..40_000_000_000,
        0_u64..12,
        prop::collection::vec("[a-c]{1,2}", 0..3),
    )
        .prop_map(|(disconnected, version, attributes, ec2, registered_at, running, groups)| Instance {
            disconnected,
            version,
            attributes,
            ec2,
            registered_at,
            running,
            groups,
            ..Instance::default()
        })
}

/// The naive oracle: everything is turned into `==`, `<` and negation, values into lists of whole numbers or texts.
fn oracle(expression: &Expression, of: &Instance) -> bool {
    match expression {
        Expression::Or(parts) => parts.iter().any(|part| oracle(part, of)),
        Expression::And(parts) => !parts.iter().any(|part| !oracle(part, of)),
        Expression::Not(inner) => !oracle(inner, of),
        Expression::Is(Comparison { subject, test }) => oracle_of(subject, test, of),
    }
}

/// The values that a subject has, as texts: none, one, or those of the groups.
fn values(subject: &Subject, of: &Instance) -> Vec<String> {
    match subject {
        Subject::AgentConnected => vec![(!of.disconnected).to_string()],
        Subject::AgentVersion => vec![of.version.clone()],
        Subject::Attribute(name) => of.attributes.get(name).cloned().flatten().into_iter().collect(),
        Subject::Ec2InstanceId => of.ec2.clone().into_iter().collect(),
        Subject::RegisteredAt => vec![of.registered_at.to_string()],
        Subject::RunningTasksCount => vec![of.running.to_string()],
        Subject::TaskGroup => of.groups.clone(),
    }
}

fn oracle_of(subject: &Subject, test: &Test, of: &Instance) -> bool {
    let values = values(subject, of);
    let equals = |literal: &str| values.iter().any(|value| compare(subject, value, literal) == 0);
    let by_text = |literal: &str| match subject {
        Subject::Attribute(_) | Subject::Ec2InstanceId | Subject::TaskGroup => values.iter().any(|v| v == literal),
        _ => equals(literal),
    };
    match test {
        Test::Exists(exists) => {
            let there = match subject {
                Subject::Attribute(name) => of.attributes.contains_key(name),
                _ => !values.is_empty(),
            };
            there == *exists
        }
        Test::Compare(Operator::Equals, literal) => by_text(literal.text()),
        Test::Compare(Operator::NotEquals, literal) => !by_text(literal.text()),
        Test::Compare(operator, literal) => values.iter().any(|value| {
            let order = compare(subject, value, literal.text());
            match operator {
                Operator::GreaterThan => order > 0,
                Operator::GreaterThanEqual => order >= 0,
                Operator::LessThan => order < 0,
                _ => order <= 0,
            }
        }),
        Test::In { within, list } => list.iter().any(|literal| by_text(literal.text())) == *within,
        Test::Matches { like, pattern } => values.iter().any(|value| pattern.matches(value)) == *like,
    }
}

fn compare(subject: &Subject, value: &str, literal: &str) -> i32 {
    let tenths = |text: &str| -> Option<u64> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        Some(whole.parse::<u64>().ok()? * 10 + rest.parse::<u64>().ok()?)
    };
    let order = match subject {
        Subject::AgentVersion => {
            let parts = |text: &str| -> Vec<u64> {
                let mut parts: Vec<u64> = text.split('.').map(|part| part.parse().unwrap()).collect();
                parts.resize(4, 0);
                parts
            };
            parts(value).cmp(&parts(literal))
        }
        Subject::RegisteredAt => {
            let (value, (from, until)) = (value.parse::<i64>().unwrap(), span(literal));
            return if value < from { -1 } else { i32::from(value >= until) };
        }
        Subject::RunningTasksCount => value.parse::<u64>().unwrap().cmp(&literal.parse().unwrap()),
        Subject::Attribute(_) => match (tenths(value), tenths(literal)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => value.cmp(literal),
        },
        _ => value.cmp(literal),
    };
    order as i32
}

/// By counting days one by one.
fn span(text: &str) -> (i64, i64) {
    let (date, clock) = text.split_once('T').map_or((text, None), |(date, clock)| (date, Some(clock)));
    let part = |text: &str, at: usize, len: usize| text[at..at + len].parse::<i64>().unwrap();
    let (year, month, day) = (part(date, 0, 4), part(date, 5, 2), part(date, 8, 2));
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before: i64 = lengths[..usize::try_from(month - 1).unwrap()].iter().sum();
    let midnight = ((year - 1970) * 365 + before + day - 1) * 86_400_000;
    let Some(clock) = clock else { return (midnight, midnight + 86_400_000) };
    let offset = if clock.contains('+') { part(clock, 9, 2) } else { 0 };
    let seconds = (part(clock, 0, 2) - offset) * 3_600 + part(clock, 3, 2) * 60 + part(clock, 6, 2);
    (midnight + seconds * 1_000, midnight + (seconds + 1) * 1_000)
}

proptest! {
    #[test]
    fn an_expression_prints_back_to_an_equal_one(expression in any_expression()) {
        let text = expression.to_string();
        match Expression::parse(&text) {
            Ok(again) => prop_assert_eq!(again, expression),
            Err(error) => prop_assert!(text.chars().count() > 2_000, "{}: {}", text, error),
        }
    }

    #[test]
    fn as_a_naive_oracle(expression in any_expression(), of in any_instance()) {
        prop_assert_eq!(expression.holds(&of), Some(oracle(&expression, &of)), "{} of {:?}", expression, of);
    }

    #[test]
    fn no_text_breaks_it(text: String, words in prop::collection::vec(prop::sample::select(
        &["attribute:a", "==", "!", "(", ")", "not", "and", "||", "in", "[", "]", ",", "'", "=~", "x", " ", "registeredAt"][..]), 0..12)) {
        for text in [text, words.concat(), words.join(" ")] {
            if let Ok(expression) = Expression::parse(&text) {
                prop_assert_eq!(Expression::parse(&expression.to_string()), Ok(expression));
            }
        }
    }
}
