//! Documents: their links lead somewhere, and every command that they show is either run by a test or listed with the
//! reason why none can.

use std::collections::BTreeSet;

use drydock_tests::console;
use drydock_tests::workspace::{self, SourceFile};

fn pages() -> Vec<SourceFile> {
    workspace::files(&[".md"]).expect("the tree can be read")
}

/// Targets of a page's links: `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let mut rest = if fenced { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, left)) = after.split_once(')') else { break };
            found.push(target.to_owned());
            rest = left;
        }
    }
    found
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let folder = workspace::root().join(&page.path);
        let folder = folder.parent().expect("a file has a folder");
        for link in links(&page.text).iter().filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').map_or((link.as_str(), None), |(p, h)| (p, Some(h)));
            let target = if path.is_empty() { workspace::root().join(&page.path) } else { folder.join(path) };
            let fine = match heading {
                None => target.exists(),
                Some(heading) => std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(heading)),
            };
            if !fine {
                wrong.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn anchors_are_those_that_a_reader_gets() {
    assert_eq!(anchor(" One write, end to end"), "one-write-end-to-end");
    assert_eq!(anchor("`drydock up`"), "drydock-up");
    assert_eq!(links("see [a](b.md) and [c](#d)\n```\n[no](link)\n```"), ["b.md", "#d"]);
}

#[test]
fn every_command_that_is_shown_is_run() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for page in pages() {
        let is_run = console::PAGES_RUN.contains(&page.path.as_str());
        for command in console::commands(&page.text) {
            match console::NOT_RUN.iter().find(|(beginning, _)| command.starts_with(beginning)) {
                Some((beginning, _)) => {
                    used.insert(*beginning);
                }
                None if is_run => {}
                None => wrong.push(format!("{}: {command}", page.path)),
            }
        }
    }
    assert!(wrong.is_empty(), "commands that no test runs (see tests/src/console.rs):\n{}", wrong.join("\n"));
    let idle: Vec<_> = console::NOT_RUN.iter().filter(|(beginning, _)| !used.contains(beginning)).collect();
    assert!(idle.is_empty(), "exceptions that no page needs any more: {idle:?}");
}
