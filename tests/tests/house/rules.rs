//! The ledger of ECS's rules: each rule of the catalogue in `tests/rules` has a test that names it, and docs/rules.md
//! lists both. Reads the tree; writes the page where `UPDATE_EXPECT=1` asks for it.
//!
//! **The catalogue** has a file a section of the rules (`2.1.txt` …), a rule a line: `ID | STATE | SENTENCE`. An id is
//! `SECTION/words-with-hyphens`. The states:
//!
//! - `held`: at least one test would fail without it;
//! - `refused`: what the sentence says isn't done; a test shows the exception that whoever asks for it gets;
//! - `later: WHY`: neither yet, and why.
//!
//! **A test names its rules** in a comment `// rule: ID[, ID…]` on the line above its attributes (several such lines may
//! follow each other), in `proptest!`, too. A row of a table may name its own: the same comment on the line above the
//! row, inside of the test function. A test that is ignored, or a helper that isn't a test, can't show a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use drydock_tests::workspace::{self, SourceFile};

use crate::tidy::{function_name, functions};

const FOLDER: &str = "tests/rules";
const PAGE: &str = "docs/rules.md";
/// Spelled apart, or this file would find itself.
const MARK: &str = concat!("// rule", ":");

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Held,
    Refused,
    Later(String),
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    state: State,
    sentence: String,
}

/// A test by its file and name.
type Test = (String, String);

/// Rules in the catalogue's order, and what is wrong with it.
fn catalogue(files: &[SourceFile]) -> (Vec<Rule>, Vec<String>) {
    let (mut rules, mut wrong) = (Vec::<Rule>::new(), Vec::new());
    for file in files {
        let section = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".txt");
        for (at, line) in file.text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
            match rule(section, line) {
                Ok(rule) if rules.iter().any(|r| r.id == rule.id) => wrong.push(format!("{}: twice", rule.id)),
                Ok(rule) => rules.push(rule),
                Err(why) => wrong.push(format!("{}:{}: {why}", file.path, at + 1)),
            }
        }
    }
    (rules, wrong)
}

fn rule(section: &str, line: &str) -> Result<Rule, String> {
    let cells: Vec<&str> = line.splitn(3, " | ").map(str::trim).collect();
    let [id, state, sentence] = cells.as_slice() else { return Err("not `ID | STATE | SENTENCE`".to_owned()) };
    let name = id.strip_prefix(section).and_then(|id| id.strip_prefix('/')).unwrap_or_default();
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(fine) {
        return Err(format!("{id} isn't `{section}/words-with-hyphens`"));
    }
    let state = match state.split_once(':').map_or((*state, ""), |(state, why)| (state, why.trim())) {
        ("held", "") => State::Held,
        ("refused", "") => State::Refused,
        ("later", why) if !why.is_empty() => State::Later(why.to_owned()),
        _ => return Err(format!("{state}: held, refused or `later: WHY`")),
    };
    if sentence.is_empty() {
        return Err(format!("{id} says nothing"));
    }
    Ok(Rule { id: (*id).to_owned(), state, sentence: (*sentence).to_owned() })
}

/// What a file's tests name: (id, test), and what is wrong with its comments.
fn markers(file: &SourceFile) -> (Vec<(String, Test)>, Vec<String>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let marked: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(MARK)).collect();
    if marked.is_empty() {
        return (found, wrong);
    }
    let bodies = functions(&file.text);
    for at in marked {
        let place = format!("{}:{}", file.path, at + 1);
        match test_of(&lines, at, &bodies) {
            Err(why) => wrong.push(format!("{place}: {why}")),
            Ok(name) => {
                for id in lines[at][MARK.len()..].split(',').map(str::trim) {
                    if id.is_empty() || id.contains(' ') {
                        wrong.push(format!("{place}: {id:?} is no id"));
                    } else {
                        found.push((id.to_owned(), (file.path.clone(), name.clone())));
                    }
                }
            }
        }
    }
    (found, wrong)
}

/// The test that the comment on line `at` (from 0) stands above, or inside of.
fn test_of(lines: &[&str], at: usize, bodies: &[(String, usize, usize)]) -> Result<String, String> {
    let mut next = at + 1;
    while lines.get(next).is_some_and(|line| line.starts_with("//") || is_attribute(lines, next)) {
        next += 1;
    }
    let above = lines.get(next).and_then(|line| Some((function_name(line)?.to_owned(), next)));
    // Inside of a test a row may begin at once; above one only attributes and comments stand between.
    let inside = || {
        let around = bodies.iter().filter(|(_, start, len)| (*start..start + len).contains(&at));
        around.max_by_key(|(_, start, _)| *start).map(|(name, start, _)| (name.clone(), *start))
    };
    let (name, start) = above.or_else(inside).ok_or("stands above no test")?;
    let attributes: Vec<&str> = (0..start)
        .rev()
        .take_while(|l| lines[*l].starts_with("//") || is_attribute(lines, *l))
        .map(|l| lines[l])
        .collect();
    if !attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test")) {
        return Err(format!("{name} is no test"));
    }
    if attributes.iter().any(|line| line.starts_with("#[ignore")) {
        return Err(format!("{name} is ignored, so it shows nothing"));
    }
    Ok(name)
}

/// Whether a line is an attribute, or goes on with one that began above: rustfmt closes those by `)]`.
fn is_attribute(lines: &[&str], at: usize) -> bool {
    const LONGEST: usize = 6;
    if lines[at].starts_with("#[") {
        return true;
    }
    let begin = (at.saturating_sub(LONGEST)..at).rev().find(|l| lines[*l].starts_with("#["));
    begin.is_some_and(|begin| !lines[begin].ends_with(']') && (begin..at).all(|l| !lines[l].ends_with(")]")))
}

/// Rule → its tests, and all that is wrong between the catalogue and the tests.
fn ledger(rules: &[Rule], sources: &[SourceFile]) -> (BTreeMap<String, BTreeSet<Test>>, Vec<String>) {
    let mut tests: BTreeMap<String, BTreeSet<Test>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in sources {
        let (found, complaints) = markers(file);
        wrong.extend(complaints);
        for (id, test) in found {
            if !rules.iter().any(|rule| rule.id == id) {
                wrong.push(format!("{}: {}: no rule {id} in {FOLDER}", test.0, test.1));
            }
            tests.entry(id).or_default().insert(test);
        }
    }
    for rule in rules {
        match (&rule.state, tests.contains_key(&rule.id)) {
            (State::Held, false) => wrong.push(format!("{}: no test names it", rule.id)),
            (State::Refused, false) => wrong.push(format!("{}: no test names it and shows the refusal", rule.id)),
            (State::Later(_), true) => wrong.push(format!("{}: a test names it: is it still later?", rule.id)),
            _ => {}
        }
    }
    (tests, wrong)
}

const HEAD: &str = "# ECS's rules, and the tests that hold them

Each sentence by which ECS's documentation and its clients say how ECS behaves, in our words, and the tests that would
fail without it, or why there is none yet. Generated from [tests/rules](../tests/rules) and from the comments in the tests
by `tests/tests/house/rules.rs`, which also fails when a rule has neither.
";

fn page(rules: &[Rule], tests: &BTreeMap<String, BTreeSet<Test>>) -> String {
    let titles = [
        ("2.1", "Task lifecycle"),
        ("2.2", "Fargate, registration, texts"),
        ("2.3", "Services and deployments"),
        ("2.4", "Placement and capacity"),
        ("2.5", "Networking, metadata, Exec"),
        ("2.6", "Events, secrets, logs, autoscaling, discovery"),
        ("2.7", "Quotas and throttles"),
    ];
    let count = |is: fn(&State) -> bool| rules.iter().filter(|rule| is(&rule.state)).count();
    let mut text = HEAD.to_owned();
    let refused = count(|state| *state == State::Refused);
    let later = count(|state| matches!(state, State::Later(_)));
    let _ = writeln!(text, "\n{} rules, of which {refused} are refused and {later} are for later.", rules.len());
    let mut section = "";
    for rule in rules {
        let own = rule.id.split('/').next().unwrap_or_default();
        if own != section {
            section = own;
            let title = titles.iter().find(|(number, _)| *number == own).map_or("", |(_, title)| title);
            let _ = writeln!(text, "\n## {own} {title}\n\n| rule | | tests |\n|---|---|---|");
        }
        let named = tests.get(&rule.id).into_iter().flatten();
        let links: Vec<String> = named.map(|(path, name)| format!("[{name}](../{path})")).collect();
        let shown = match &rule.state {
            State::Later(why) => format!("later: {why}"),
            State::Refused => format!("refused: {}", links.join(", ")),
            State::Held => links.join(", "),
        };
        let cell = |text: &str| text.replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {} | {} |", rule.id, cell(&rule.sentence), cell(&shown));
    }
    text
}

fn read() -> (Vec<Rule>, BTreeMap<String, BTreeSet<Test>>, Vec<String>) {
    let sections = workspace::files(&[".txt"]).expect("the tree can be read");
    let sections: Vec<_> = sections.into_iter().filter(|file| file.path.starts_with(FOLDER)).collect();
    let (rules, mut wrong) = catalogue(&sections);
    let (tests, complaints) = ledger(&rules, &workspace::files(&[".rs"]).expect("the tree can be read"));
    wrong.extend(complaints);
    (rules, tests, wrong)
}

#[test]
fn every_rule_has_a_test() {
    let (rules, _, wrong) = read();
    assert!(!rules.is_empty(), "no catalogue in {FOLDER}");
    assert!(wrong.is_empty(), "rules and tests:\n{}", wrong.join("\n"));
}

#[test]
fn the_page_of_rules_is_what_the_tests_say() {
    let (rules, tests, _) = read();
    let path = workspace::root().join(PAGE);
    let expected = page(&rules, &tests);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &expected).expect(PAGE);
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{PAGE} is out of date: UPDATE_EXPECT=1 writes it anew");
}

fn file(path: &str, lines: &[&str]) -> SourceFile {
    // A mark is `@` here, or this file would find its own fixtures.
    SourceFile { path: path.to_owned(), text: lines.join("\n").replace('@', MARK) }
}

const CATALOGUE: &[&str] = &[
    "# a comment",
    "",
    "2.9/one | held | The first.",
    "2.9/two | refused | The second.",
    "2.9/three | later: no time | The third | with a bar.",
];

const GOOD: &[&str] = &[
    "@ 2.9/one",
    "#[test]",
    "fn first() {",
    "    check();",
    "}",
    "proptest! {",
    "    /// A law.",
    "    @ 2.9/one, 2.9/two",
    "    #[test]",
    "    fn law(a in 0..3) {",
    "        check();",
    "    }",
    "}",
    "#[tokio::test(flavor = \"current_thread\")]",
    "async fn rows() {",
    "    for row in [",
    "        @ 2.9/two",
    "        (1, 2),",
    "        (2, 3),",
    "    ] {}",
    "}",
];

#[test]
fn tests_are_found_by_their_comments() {
    let (rules, wrong) = catalogue(&[file("tests/rules/2.9.txt", CATALOGUE)]);
    assert_eq!(wrong, Vec::<String>::new());
    let (tests, wrong) = ledger(&rules, &[file("a.rs", GOOD)]);
    assert_eq!(wrong, Vec::<String>::new());
    let names = |id: &str| tests[id].iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>();
    assert_eq!((names("2.9/one"), names("2.9/two")), (vec!["first", "law"], vec!["law", "rows"]));
    let page = page(&rules, &tests);
    let rows = [
        "| `2.9/one` | The first. | [first](../a.rs), [law](../a.rs) |",
        "The third \\| with a bar. | later: no time |",
    ];
    assert!(rows.iter().all(|row| page.contains(row)), "{page}");
}

#[test]
fn what_is_wrong_with_a_catalogue_is_said() {
    for (line, complaint) in [
        ("2.9/one", "not `ID | STATE | SENTENCE`"),
        ("2.8/one | held | Of another section.", "2.8/one isn't `2.9/"),
        ("2.9/One | held | A capital.", "2.9/One isn't `2.9/"),
        ("2.9/one | later: | Without a reason.", "held, refused or `later: WHY`"),
        ("2.9/one | done | No such state.", "held, refused or `later: WHY`"),
        ("2.9/one | held | ", "2.9/one says nothing"),
        ("2.9/one | held | Once.\n2.9/one | held | Again.", "2.9/one: twice"),
    ] {
        let (_, wrong) = catalogue(&[file("tests/rules/2.9.txt", &[line])]);
        assert!(wrong.len() == 1 && wrong[0].contains(complaint), "{line}: {wrong:?}");
    }
}

#[test]
fn what_is_wrong_between_rules_and_tests_is_said() {
    let shown = ["@ 2.9/one, 2.9/two", "#[test]", "fn shown() {", "    check();", "}"];
    for (lines, complaint) in [
        (&["#[test]", "fn none() {", "    check();", "}"][..], "2.9/one: no test names it"),
        (
            &["@ 2.9/one", "#[test]", "fn half() {", "    check();", "}"],
            "2.9/two: no test names it and shows the refusal",
        ),
        (&["@ 2.9/seven", "#[test]", "fn lost() {", "    check();", "}"], "lost: no rule 2.9/seven"),
        (&["@ 2.9/three", "#[test]", "fn early() {", "    check();", "}"], "2.9/three: a test names it"),
        (&["@ 2.9/one", "fn helper() {", "    check();", "}"], "helper is no test"),
        (&["@ 2.9/one", "#[test]", "#[ignore = \"slow\"]", "fn slow() {", "    check();", "}"], "slow is ignored"),
        (&["@ 2.9/one", "const ROWS: u8 = 3;"], "stands above no test"),
        (&["@ 2.9/one 2.9/two", "#[test]", "fn commas() {", "    check();", "}"], "\"2.9/one 2.9/two\" is no id"),
    ] {
        let (rules, _) = catalogue(&[file("tests/rules/2.9.txt", CATALOGUE)]);
        let (_, wrong) = ledger(&rules, &[file("a.rs", lines)]);
        assert!(wrong.iter().any(|said| said.contains(complaint)), "{lines:?}: {wrong:?}");
        let (_, wrong) = ledger(&rules, &[file("b.rs", &shown)]);
        assert_eq!(wrong, Vec::<String>::new());
    }
}
