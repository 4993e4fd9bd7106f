//! What the house asks of every file: a header, a bounded length, nothing half done, nothing of one machine. Each check
//! lists all that it found, so that one run shows all there is to mend.

use drydock_tests::workspace::{self, SourceFile};

/// A file may have this many lines.
const FILE_LINES_MAX: usize = 600;
/// A function may have this many, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 80;
/// In tests, where tables and expected texts are long.
const TEST_FUNCTION_LINES_MAX: usize = 160;

/// Files that are longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];
/// Functions that are longer, as `path: name`, each with its reason.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// Crates whose code is a function of its arguments (design §3.1), by their folder.
const PURE: &[&str] = &[
    "controller/model",
    "controller/state",
    "controller/reconcile",
    "controller/leader",
    "node-agent/engine",
    "simulator",
];
/// What each pure crate's clippy.toml bans at least.
const BANNED_IN_PURE: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::thread",
];

fn rust() -> Vec<SourceFile> {
    workspace::files(&[".rs"]).expect("the tree can be read")
}

fn none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// Lines of a file with their numbers, without those that `skip` says.
fn numbered(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let wrong: Vec<String> = rust()
        .iter()
        .filter(|file| !file.text.starts_with("//! ") && !file.text.starts_with("#!"))
        .map(|file| file.path.clone())
        .collect();
    none("files whose first line isn't a `//!` header", &wrong);
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for file in rust() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            match LONG_FILES.iter().find(|(path, _)| *path == file.path) {
                Some((path, _)) => used.push(*path),
                None => wrong.push(format!("{}: {lines} lines", file.path)),
            }
        }
        let tests_from = if file.path.contains("tests") {
            0
        } else {
            file.text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX)
        };
        for (name, start, lines) in functions(&file.text) {
            let most = if start >= tests_from { TEST_FUNCTION_LINES_MAX } else { FUNCTION_LINES_MAX };
            if lines <= most {
                continue;
            }
            let key = format!("{}: {name}", file.path);
            match LONG_FUNCTIONS.iter().find(|(path, _)| *path == key) {
                Some((path, _)) => used.push(*path),
                None => wrong.push(format!("{key}: {lines} lines")),
            }
        }
    }
    none("too long (split by noun, or list it with a reason)", &wrong);
    let idle = LONG_FILES.iter().chain(LONG_FUNCTIONS).filter(|(path, _)| !used.contains(path));
    none("exceptions that nothing needs any more", &idle.map(|(path, _)| (*path).to_owned()).collect::<Vec<_>>());
}

/// Name, first line (from 0) and length of each function. rustfmt has been here: a function ends at the first `}` as deep as its `fn`.
pub(crate) fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let depth = line.len() - line.trim_start().len();
        let words = line.trim_start();
        if let Some(place) = open.iter().position(|(deep, ..)| *deep == depth)
            && (words.starts_with('}') || (words.ends_with(';') && at == open[place].1))
        {
            let (_, start, name) = open.remove(place);
            found.push((name, start, at - start + 1));
            continue;
        }
        if let Some(name) = function_name(words)
            && !(words.ends_with('}') || words.ends_with(';'))
        {
            open.retain(|(deep, ..)| *deep != depth);
            open.push((depth, at, name.to_owned()));
        }
    }
    found
}

pub(crate) fn function_name(line: &str) -> Option<&str> {
    let before: Vec<&str> = line.split("fn ").collect();
    let head = before.first()?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern", "\"C\"", "default"];
    if before.len() < 2 || !head.split_whitespace().all(|word| modifiers.contains(&word)) {
        return None;
    }
    before.get(1)?.split(['(', '<']).next()
}

#[test]
fn functions_are_measured() {
    let text = "impl A {\n    pub fn one(&self) -> u8 {\n        1\n    }\n\n    fn short() {}\n}\n\nasync fn two(\n    a: u8,\n) -> u8 {\n    fn inner() {\n        todo\n    }\n    a\n}\n";
    let mut found = functions(text);
    found.sort();
    assert_eq!(found, [("inner".to_owned(), 11, 3), ("one".to_owned(), 1, 3), ("two".to_owned(), 8, 8)]);
}

#[test]
fn nothing_is_half_done() {
    // Spelled apart, or this file would find itself.
    let marks = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("not ", "yet implemented"),
    ];
    let mut wrong = Vec::new();
    for file in workspace::files(&[".rs", ".proto", ".toml", ".md", ".py", "run"]).expect("the tree can be read") {
        for (number, line) in numbered(&file) {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                wrong.push(format!("{}:{number}: {mark}", file.path));
            }
        }
    }
    none("unfinished work", &wrong);
}

#[test]
fn no_code_is_commented_out() {
    let mut wrong = Vec::new();
    for file in rust() {
        for (number, line) in numbered(&file) {
            let Some(comment) = line.trim_start().strip_prefix("//") else { continue };
            if !comment.starts_with(['/', '!']) && looks_like_code(comment.trim()) {
                wrong.push(format!("{}:{number}: {}", file.path, comment.trim()));
            }
        }
    }
    none("commented-out code (git keeps it)", &wrong);
}

/// English doesn't end in `;` or `{`, nor begin with these.
fn looks_like_code(comment: &str) -> bool {
    let starts =
        ["let ", "use ", "pub fn ", "fn ", "if let ", "match ", "#[", "return ", "self.", "assert", "println!"];
    let ends = [";", "{", "};", ");", "},", "?;"];
    (ends.iter().any(|end| comment.ends_with(end)) && !comment.contains(". "))
        || (starts.iter().any(|start| comment.starts_with(start)) && comment.contains(['(', '=', '[']))
}

#[test]
fn code_in_comments_is_told_from_english() {
    let code = ["let a = 1;", "self.apply(entry)", "for x in y {", "#[test]", "});"];
    let english =
        ["Let us see: a follower is behind.", "self is the leader", "match the term of (index, term)", "see D3"];
    assert!(code.iter().all(|line| looks_like_code(line)));
    let wrong: Vec<_> = english.iter().filter(|line| looks_like_code(line)).collect();
    assert!(wrong.len() <= 1, "{wrong:?}");
}

#[test]
fn nothing_names_one_machine_or_a_registry() {
    // Spelled apart, or this file would find itself.
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("deb.debian", ".org"),
        concat!("registry-1.docker", ".io"),
        concat!("pypi", ".org"),
    ];
    let endings = [".rs", ".proto", ".toml", ".md", ".py", ".json", ".yaml", ".yml", ".sh", "run"];
    let mut wrong = Vec::new();
    for file in workspace::files(&endings).expect("the tree can be read") {
        for (number, line) in numbered(&file) {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                wrong.push(format!("{}:{number}: {mark}", file.path));
            }
        }
    }
    none("paths of a machine, or hosts of a registry", &wrong);
}

/// Lines above a sleep among which the deadline of its loop must be.
const DEADLINE_WITHIN_LINES: usize = 10;

#[test]
fn tests_wait_for_a_condition_never_for_a_time() {
    let sleeps = [concat!("thread::", "sleep("), concat!("time::", "sleep("), concat!("time::", "sleep_until(")];
    let mut wrong = Vec::new();
    for file in rust().iter().filter(|file| file.path.contains("tests/") && file.path != "tests/src/wait.rs") {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| sleeps.iter().any(|sleep| line.contains(sleep))) {
            // The pause of a loop that asks again until a deadline.
            let above = lines[at.saturating_sub(DEADLINE_WITHIN_LINES)..at].iter();
            if !above.rev().any(|line| line.contains("assert!(")) {
                wrong.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    none("sleeps that no deadline bounds (see drydock_tests::wait)", &wrong);
}

#[test]
fn every_crate_obeys_the_workspace() {
    let mut wrong = Vec::new();
    for file in workspace::files(&["Cargo.toml"]).expect("the tree can be read") {
        if file.path != "Cargo.toml" && !file.text.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{}: no `[lints] workspace = true`", file.path));
        }
        let fixed = numbered(&file).filter(|(_, line)| file.path != "Cargo.toml" && line.contains("version = \""));
        wrong.extend(fixed.map(|(n, _)| format!("{}:{n}: a version; it belongs in the root", file.path)));
    }
    none("Cargo.toml", &wrong);
}

#[test]
fn pure_crates_ban_what_is_impure() {
    let mut wrong = Vec::new();
    for folder in PURE {
        let read = |path: &str| std::fs::read_to_string(workspace::root().join(folder).join(path)).unwrap_or_default();
        if !read("src/lib.rs").contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{folder}: lib.rs doesn't forbid unsafe code"));
        }
        let bans = read("clippy.toml");
        wrong.extend(
            BANNED_IN_PURE
                .iter()
                .filter(|ban| !bans.contains(**ban))
                .map(|ban| format!("{folder}: clippy.toml doesn't ban {ban}")),
        );
    }
    none("pure crates", &wrong);
}
