//! Bad files and command lines: `drydock` says what is wrong and where, ends with the right exit code, and nothing is
//! changed by it.

use anyhow::Result;
use drydock_tests::cluster::{Cluster, Options};

/// Exit codes of the command (`drydock --help`).
const REFUSED: i32 = 1;
const WRONG_INPUT: i32 = 2;

/// Name and content of a file for `task-definition register -f`, the exit code, and what the error must hold.
const TABLE: &[(&str, &str, i32, &[&str])] = &[
    ("cut.json", "{\n  \"family\": \"a\",\n", WRONG_INPUT, &["cut.json:3"]),
    ("twice.json", "{ \"family\": \"a\" } }", WRONG_INPUT, &["twice.json:"]),
    ("empty.json", "", WRONG_INPUT, &["empty.json"]),
    (
        "unknown.json",
        "{\n  \"family\": \"a\",\n  \"containerDefinitons\": []\n}",
        WRONG_INPUT,
        &["unknown.json:3", "containerDefinitons", "containerDefinitions"],
    ),
    (
        "type.json",
        "{ \"family\": \"a\",\n  \"containerDefinitions\": [\n    { \"name\": \"a\", \"image\": \"a\", \"memory\": \"much\" } ] }",
        WRONG_INPUT,
        &["type.json:3", "memory"],
    ),
    (
        "enum.json",
        "{ \"family\": \"a\", \"networkMode\": \"vpc\", \"containerDefinitions\": [] }",
        WRONG_INPUT,
        &["networkMode", "awsvpc"],
    ),
    ("indent.yaml", "family: a\n containerDefinitions: []\n", WRONG_INPUT, &["indent.yaml:"]),
    (
        "unknown.yaml",
        "family: a\ncontainerDefinitions:\n  - name: a\n    imag: nginx\n",
        WRONG_INPUT,
        &["unknown.yaml:4", "imag"],
    ),
    ("none.json", "{ \"family\": \"a\", \"containerDefinitions\": [] }", REFUSED, &["ClientException"]),
    (
        "name.json",
        "{ \"family\": \"not a family\", \"containerDefinitions\": [{ \"name\": \"a\", \"image\": \"a\", \"memory\": 64 }] }",
        REFUSED,
        &["ClientException"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_told_with_its_place_and_changes_nothing() -> Result<()> {
    let cluster = Cluster::start(Options { controllers: 1, instances: 0, ..Options::default() }).await?;
    let mut wrong = Vec::new();
    for (name, content, code, expected) in TABLE {
        let file = cluster.folder().join(name);
        std::fs::write(&file, content)?;
        let run = cluster.command(&["task-definition", "register", "-f", &file.to_string_lossy()])?;
        let missing: Vec<_> = expected.iter().filter(|part| !run.stderr.contains(**part)).collect();
        if run.code != *code || !missing.is_empty() {
            wrong
                .push(format!("{name}: exit code {} ({code} expected), {missing:?} not in:\n{}", run.code, run.stderr));
        }
    }
    let huge = cluster.folder().join("huge.json");
    std::fs::write(&huge, format!("{{ \"family\": \"{}\" }}", "x".repeat(10 * 1024 * 1024)))?;
    let run = cluster.command(&["task-definition", "register", "-f", &huge.to_string_lossy()])?;
    if run.code != WRONG_INPUT || run.stderr.len() > 1_000 {
        wrong.push(format!("10 MiB: exit code {}, {} bytes of error", run.code, run.stderr.len()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed = cluster.command(&["task-definition", "list", "--output", "json"])?.ok()?;
    assert!(!listed.contains("task-definition/"), "something was registered: {listed}");
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_what_went_wrong() -> Result<()> {
    let mut cluster = Cluster::start(Options { controllers: 1, instances: 0, ..Options::default() }).await?;
    let table: [(&[&str], i32); 5] = [
        (&["status"], 0),
        (&["service", "describe", "nothing"], REFUSED),
        (&["service", "list", "--cluster", "nowhere"], REFUSED),
        (&["service", "lst"], WRONG_INPUT),
        (&["task", "run", "nothing:7"], REFUSED),
    ];
    for (arguments, expected) in table {
        let run = cluster.command(arguments)?;
        assert_eq!(run.code, expected, "{arguments:?}: {}{}", run.stdout, run.stderr);
        assert!(run.code == 0 || !run.stderr.is_empty(), "{arguments:?} fails without a word");
    }
    cluster.controllers[0].stop().await?;
    let run = cluster.command(&["status"])?;
    assert_eq!(run.code, 3, "nobody is there: {}{}", run.stdout, run.stderr);
    cluster.finish().await
}
