//! `drydock simulate`: the examples hold what they expect, one seed gives one output, and what is wrong is told with its
//! place. Runs the program alone; no cluster is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use drydock_tests::process::Run;
use drydock_tests::{stage, workspace};
use serde_json::Value;
use tempfile::TempDir;

/// Every example of `examples/simulate`, with a part of what its timeline tells.
const EXAMPLES: [(&str, &str); 5] = [
    ("bad-image", "deployment 2 of web (web:2): FAILED (ROLLBACK_SUCCESSFUL)"),
    ("zone-outage", "is AZ balanced with 3 tasks in us-east-1a, 3 tasks in us-east-1b, and 3 tasks in us-east-1c."),
    ("spot-storm", "is reclaimed: two minutes of notice"),
    ("scale-out", "the load asks for 80 tasks of web"),
    ("drain", "instance old-a-1: DRAINING, its agent is connected"),
];

fn examples() -> PathBuf {
    workspace::root().join("examples/simulate")
}

fn simulate(scenario: &Path, more: &[&str]) -> Result<Run> {
    Run::of(Command::new(drydock_tests::binary()).arg("simulate").arg(scenario).args(more).env_remove("DRYDOCK_OUTPUT"))
}

/// A scenario of a test, beside the task definitions that it names.
fn written(text: &str) -> Result<(TempDir, PathBuf)> {
    let folder = TempDir::with_prefix_in("simulate-", stage::scratch())?;
    for file in ["web-1.json", "web-2.json"] {
        std::fs::copy(examples().join(file), folder.path().join(file))?;
    }
    let file = folder.path().join("scenario.yaml");
    std::fs::write(&file, text)?;
    Ok((folder, file))
}

#[test]
fn the_examples_hold_what_they_expect() -> Result<()> {
    for (name, told) in EXAMPLES {
        for seed in ["1", "2"] {
            let run = simulate(&examples().join(name).with_extension("yaml"), &["--seed", seed])?;
            ensure!(run.code == 0, "{name}, seed {seed}: {}{}", run.stdout, run.stderr);
            ensure!(run.stdout.contains(told), "{name}, seed {seed}, doesn't tell {told:?}: {}", run.stdout);
            ensure!(run.stdout.contains("\nheld ") && !run.stdout.contains("\nBROKEN"), "{name}: {}", run.stdout);
        }
    }
    let found = std::fs::read_dir(examples())?.filter_map(|entry| Some(entry.ok()?.path()));
    let scenarios = found.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).count();
    // `from-cluster.yaml` needs a cluster: docs/simulator.md runs it.
    ensure!(scenarios == EXAMPLES.len() + 1, "{scenarios} scenarios, and {} are tested", EXAMPLES.len() + 1);
    Ok(())
}

#[test]
fn one_seed_gives_one_output() -> Result<()> {
    let (folder, _) = written("")?;
    let file = examples().join("spot-storm.yaml");
    let report = |name: &str| folder.path().join(name).display().to_string();
    let of = |seed: &str, page: &str| simulate(&file, &["-o", "json", "--seed", seed, "--report", page]);
    let (first, again, other) = (of("7", &report("a.html"))?, of("7", &report("b.html"))?, of("8", &report("c.html"))?);
    ensure!(first.code == 0, "{}", first.stderr);
    ensure!(first.stdout == again.stdout, "the same seed, another output");
    ensure!(first.stdout != other.stdout, "another seed, the same output");
    let page = std::fs::read_to_string(report("a.html"))?;
    ensure!(page == std::fs::read_to_string(report("b.html"))?, "the same seed, another report");
    let told: Value = serde_json::from_str(&first.stdout)?;
    ensure!(told["seed"] == 7 && told["verdicts"].as_array().is_some_and(|all| !all.is_empty()), "{told}");
    ensure!(told["samples"].as_array().is_some_and(|all| all.len() > 500), "{}", told["samples"]);
    Ok(())
}

#[test]
fn the_report_needs_nothing_else() -> Result<()> {
    let (folder, _) = written("")?;
    let page = folder.path().join("report.html");
    let run = simulate(&examples().join("bad-image.yaml"), &["--report", &page.display().to_string()])?;
    ensure!(run.code == 0, "{}", run.stderr);
    let page = std::fs::read_to_string(page)?;
    for part in [
        "web: tasks by status",
        "web: healthy tasks against the deployment&#x27;s minimum and maximum",
        "CPU held by tasks, by zone",
        "Times in which a service wasn&#x27;t in steady state",
        "Cost since the beginning, on Fargate and on EC2",
        "What deployment 2 of web (web:2) waited for",
        "rolling back to deployment",
        "virtual time (min)",
    ] {
        let plain = part.replace("&#x27;", "'");
        ensure!(page.contains(part) || page.contains(&plain), "{plain} isn't in the report");
    }
    // The name of SVG's own namespace is no address that is asked.
    let links = page.replace("http://www.w3.org/2000/svg", "");
    for part in ["<script", "http:", "https:", "src=", "href=", "@import", "url("] {
        ensure!(!links.contains(part), "the report has {part}");
    }
    Ok(())
}

/// A small scenario, with something in the place of its last line.
fn small(last: &str) -> String {
    format!(
        "until: 3m\ninstances:\n  - {{ zone: a, type: m5.large, count: 2 }}\nservices:\n  \
         - {{ name: web, task_definition: web-1.json, desired_count: 2 }}\n{last}\n"
    )
}

#[test]
fn what_does_not_hold_ends_with_1() -> Result<()> {
    for (expected, told) in [
        ("running_never_below: { service: web, count: 3 }", "2 RUNNING at 0:00:00.000"),
        ("running_never_above: { service: web, count: 1 }", "2 RUNNING at 0:00:00.000"),
        ("deployment: { service: web, rollout_state: FAILED }", "deployment 1 was COMPLETED (SUCCESSFUL)"),
        ("no_task_on: { zone: a }", "on a-1 at 0:03:00.000"),
        ("cost_below: { dollars: $0.001, on: EC2 }", "it cost $0.0096"),
        ("event: { text: no such text }", "none did"),
    ] {
        let (_folder, file) = written(&small(&format!("expect:\n  - {expected}")))?;
        let run = simulate(&file, &[])?;
        ensure!(run.code == 1, "{expected}: {:?} {}{}", run.code, run.stdout, run.stderr);
        ensure!(run.stdout.contains("BROKEN  expect[0]: ") && run.stdout.contains(told), "{expected}: {}", run.stdout);
        ensure!(run.stderr.contains("an expectation didn't hold"), "{}", run.stderr);
    }
    Ok(())
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_ends_with_2() -> Result<()> {
    for (last, told) in [
        ("evnts: []", "scenario.yaml:6:1: evnts: unknown field"),
        (
            "events:\n  - { at: soon, scale: { service: web, desired_count: 3 } }",
            ":7:11: events[0].at: \"soon\" isn't a time",
        ),
        (
            "events:\n  - { at: 1m, scale: { service: wep, desired_count: 3 } }",
            "events[0].scale.service: there is no service wep",
        ),
        (
            "events:\n  - { at: 4m, scale: { service: web, desired_count: 3 } }",
            "events[0].at: the rehearsal is over at 0:03:00.000",
        ),
        ("events:\n  - { at: 1m }", "events[0]: an event is exactly one thing"),
        ("events:\n  - { at: 1m, lose: { zone: b } }", "events[0].lose.zone: there is no zone b"),
        ("events:\n  - { at: 1m, reclaim_spot: { zone: a } }", "events[0].reclaim_spot: no instances are spot: true"),
        ("events:\n  - { at: 1m, deploy: { service: web, task_definition: none.json } }", "none.json"),
        ("expect:\n  - { }", "expect[0]: an expectation is exactly one thing"),
        ("expect:\n  - cost_below: { dollars: 5, on: EC2 }", "expect[0].cost_below.dollars: expected a string"),
        ("expect:\n  - deployment: { service: web, status: DONE }", "expect[0].deployment.status: DONE is none of"),
        ("controllers: 2", "controllers: there are 1, 3 or 5"),
        ("images:\n  - { image: x, pull: 5s-2s }", "images[0].pull: \"5s-2s\" isn't a time"),
        (
            "load:\n  - { service: web, a_task_takes: 0, least: 1, most: 2, points: [{ at: 0s, load: 1 }] }",
            "load[0].a_task_takes",
        ),
    ] {
        let (_folder, file) = written(&small(last))?;
        let run = simulate(&file, &[])?;
        ensure!(run.code == 2 && run.stdout.is_empty(), "{last}: {:?} {}", run.code, run.stdout);
        ensure!(run.stderr.contains(told), "{last}: {}", run.stderr);
    }
    let (_folder, file) = written("until: 3m\ninstances:\n  - { zone: a, type: m5.nano }\nservices: []\n")?;
    let run = simulate(&file, &[])?;
    ensure!(run.code == 2, "{:?}", run.code);
    ensure!(run.stderr.contains("the type m5.nano isn't known here"), "{}", run.stderr);
    ensure!(run.stderr.contains("services: there must be one at least"), "{}", run.stderr);
    // A fleet that is too small is no bad value, and yet no rehearsal begins.
    let (_folder, file) = written(&small("").replace("desired_count: 2", "desired_count: 99"))?;
    let run = simulate(&file, &[])?;
    ensure!(run.code == 2 && run.stderr.contains("so the rehearsal can't begin"), "{:?} {}", run.code, run.stderr);
    Ok(())
}
