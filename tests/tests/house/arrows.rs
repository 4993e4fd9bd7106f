//! Design §2: which crate may depend on which. Reads `cargo metadata`, so an arrow that only a Cargo.toml shows is seen.

use std::collections::{BTreeMap, BTreeSet};

use drydock_tests::workspace;
use serde_json::Value;

/// One row of design §2's table.
struct Row {
    krate: &'static str,
    /// The row's "may depend on", as far as it is ours. What these may depend on is allowed too.
    ours: &'static [&'static str],
    /// Direct dependencies on others. `None`: anything that `never` doesn't name.
    others: Option<&'static [&'static str]>,
    /// The row's "never knows": not even through another crate.
    never: &'static [&'static str],
}

/// Where bytes rest, how replicas agree, where containers run, what people type: each is the business of one crate.
const OUTSIDE: &[&str] = &["sled", "raft", "raft-engine", "bollard", "clap"];

/// The pure crates name everything they use: no IO, clock, randomness, thread or runtime comes in unseen. `tonic` and
/// with it `tokio` are behind `drydock-proto` (the generated services); only `ours → proto` reaches them.
const TABLE: &[Row] = &[
    Row {
        krate: "drydock-proto",
        ours: &[],
        others: Some(&["prost", "prost-types", "serde", "tonic", "tonic-prost"]),
        never: OUTSIDE,
    },
    Row {
        krate: "drydock-model",
        ours: &["drydock-proto"],
        others: Some(&["prost", "prost-types", "regex", "serde", "serde_json", "siphasher", "thiserror"]),
        never: OUTSIDE,
    },
    Row {
        krate: "drydock-state",
        ours: &["drydock-model"],
        others: Some(&["crc32fast", "imbl", "prost", "prost-types", "siphasher", "thiserror"]),
        never: OUTSIDE,
    },
    Row {
        krate: "drydock-reconcile",
        ours: &["drydock-state"],
        others: Some(&["imbl", "prost-types", "thiserror"]),
        never: OUTSIDE,
    },
    Row {
        krate: "drydock-engine",
        ours: &["drydock-model"],
        others: Some(&["prost-types", "serde", "thiserror"]),
        never: OUTSIDE,
    },
    Row {
        krate: "drydock-leader",
        ours: &["drydock-reconcile"],
        others: Some(&["prost", "prost-types", "thiserror"]),
        never: OUTSIDE,
    },
    Row { krate: "drydock-consensus", ours: &[], others: None, never: &["bollard", "tonic", "tokio", "clap"] },
    Row {
        krate: "drydock-controller",
        ours: &["drydock-leader", "drydock-consensus"],
        others: None,
        never: &["bollard", "clap"],
    },
    Row {
        krate: "drydock-node-agent",
        ours: &["drydock-engine"],
        others: None,
        never: &["raft", "raft-engine", "clap"],
    },
    Row {
        krate: "drydock-simulator",
        ours: &["drydock-leader", "drydock-consensus", "drydock-engine"],
        others: Some(&["serde"]),
        never: &["bollard", "clap"],
    },
    Row {
        krate: "drydock-cli",
        ours: &["drydock-controller", "drydock-node-agent", "drydock-simulator"],
        others: None,
        never: &[],
    },
    Row { krate: "drydock-tests", ours: &["drydock-cli"], others: None, never: &[] },
];

struct Workspace {
    /// Crate → (dependency, is it for tests alone), both by name, direct and not for build scripts.
    direct: BTreeMap<String, Vec<(String, bool)>>,
    /// Package id → ids that it links.
    linked: BTreeMap<String, Vec<String>>,
    names: BTreeMap<String, String>,
    members: BTreeMap<String, String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn read() -> Workspace {
    let metadata = workspace::metadata().expect("cargo metadata");
    let ids: BTreeSet<String> = list(&metadata, "workspace_members").iter().map(text).collect();
    let mut found = Workspace {
        direct: BTreeMap::new(),
        linked: BTreeMap::new(),
        names: BTreeMap::new(),
        members: BTreeMap::new(),
    };
    for package in list(&metadata, "packages") {
        let (id, name) = (text(&package["id"]), text(&package["name"]));
        if ids.contains(&id) {
            let dependencies = list(package, "dependencies").iter();
            let kept = dependencies.filter(|d| d["kind"].as_str() != Some("build"));
            let named = kept.map(|d| (text(&d["name"]), d["kind"].as_str() == Some("dev")));
            found.direct.insert(name.clone(), named.collect());
            found.members.insert(name.clone(), id.clone());
        }
        found.names.insert(id, name);
    }
    for node in list(&metadata["resolve"], "nodes") {
        let links = |d: &&Value| list(d, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
        let linked = list(node, "deps").iter().filter(links).map(|d| text(&d["pkg"])).collect();
        found.linked.insert(text(&node["id"]), linked);
    }
    found
}

/// What a row allows, itself and through what it allows.
fn allowed(krate: &str) -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    let mut open: Vec<&'static str> = TABLE.iter().filter(|r| r.krate == krate).flat_map(|r| r.ours).copied().collect();
    while let Some(next) = open.pop() {
        if all.insert(next) {
            open.extend(TABLE.iter().filter(|r| r.krate == next).flat_map(|r| r.ours));
        }
    }
    all
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let workspace = read();
    let crates: BTreeSet<&str> = workspace.direct.keys().map(String::as_str).collect();
    let rows: BTreeSet<&str> = TABLE.iter().map(|row| row.krate).collect();
    assert_eq!(crates, rows, "design §2's table and the workspace differ");
}

#[test]
fn no_arrow_that_the_design_lacks() {
    let workspace = read();
    let mut wrong = Vec::new();
    for row in TABLE {
        let ours = allowed(row.krate);
        for (dependency, for_tests) in workspace.direct.get(row.krate).into_iter().flatten() {
            let is_ours = workspace.direct.contains_key(dependency);
            let fine = if is_ours {
                ours.contains(dependency.as_str())
            } else {
                *for_tests || row.others.is_none_or(|others| others.contains(&dependency.as_str()))
            };
            if !fine {
                wrong.push(format!("{} → {dependency}", row.krate));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that design §2 doesn't have:\n{}", wrong.join("\n"));
}

#[test]
fn what_a_crate_never_knows_is_out_of_its_reach() {
    let workspace = read();
    let mut wrong = Vec::new();
    for row in TABLE {
        let Some(start) = workspace.members.get(row.krate) else { continue };
        // Each package that is linked, with the one it was first reached from.
        let mut from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = vec![start.as_str()];
        while let Some(id) = open.pop() {
            for next in workspace.linked.get(id).into_iter().flatten() {
                if !from.contains_key(next.as_str()) {
                    from.insert(next, id);
                    open.push(next);
                }
            }
        }
        for (id, by) in &from {
            let name = workspace.names.get(*id).map_or("", String::as_str);
            if row.never.contains(&name) {
                let by = workspace.names.get(*by).map_or("", String::as_str);
                wrong.push(format!("{} reaches {name}, by {by}", row.krate));
            }
        }
    }
    assert!(wrong.is_empty(), "design §2, \"never knows\":\n{}", wrong.join("\n"));
}

#[test]
fn the_controller_and_the_agent_meet_only_in_proto_and_model() {
    let controller = allowed("drydock-controller");
    let agent = allowed("drydock-node-agent");
    let both: Vec<_> = controller.intersection(&agent).copied().collect();
    assert_eq!(both, ["drydock-model", "drydock-proto"]);
}
