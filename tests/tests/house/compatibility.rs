//! docs/compatibility.md says of every operation, and of every member of every request, whether it is obeyed. This holds
//! it against the protos and against the model's table of refusals, so that neither can change without the page.

use std::collections::{BTreeMap, BTreeSet};

use drydock_model::refusals;
use drydock_tests::workspace;
use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

const PAGE: &str = "docs/compatibility.md";
const PACKAGE: &str = "drydock.ecs.v1";
/// What a row may say: see the page's first section.
const VERDICTS: [&str; 4] = ["obeyed", "kept", "partly", "refused"];

/// The page: section → member → (verdict, note).
type Page = BTreeMap<String, BTreeMap<String, (String, String)>>;

fn read_page() -> Page {
    let text = std::fs::read_to_string(workspace::root().join(PAGE)).expect(PAGE);
    let mut page = Page::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            section = title.to_owned();
            page.entry(section.clone()).or_default();
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            let [member, verdict, note] = cells.as_slice() else { panic!("{section}: not three cells: {line}") };
            let member = member.trim_end_matches('`').to_owned();
            let before = page.entry(section.clone()).or_default();
            let doubled = before.insert(member.clone(), ((*verdict).to_owned(), (*note).to_owned()));
            assert!(doubled.is_none(), "{section}: {member} has two rows");
        }
    }
    page
}

/// Every message of the ECS package by its name, and the operations with their requests.
fn read_protos() -> (BTreeMap<String, DescriptorProto>, BTreeMap<String, String>) {
    let set = FileDescriptorSet::decode(drydock_proto::DESCRIPTORS).expect("our own descriptors");
    let files: Vec<_> = set.file.into_iter().filter(|file| file.package() == PACKAGE).collect();
    let messages = files.iter().flat_map(|f| &f.message_type).map(|m| (m.name().to_owned(), m.clone())).collect();
    let methods = files.iter().flat_map(|f| &f.service).flat_map(|s| &s.method);
    let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    (messages, methods.map(|m| (m.name().to_owned(), bare(m.input_type()))).collect())
}

/// Section → its members: each operation with those of its request, and each shape that a member holds which isn't
/// refused altogether.
fn expected(page: &Page) -> BTreeMap<String, BTreeSet<String>> {
    let (messages, operations) = read_protos();
    let mut sections = BTreeMap::new();
    let mut open: Vec<(String, String)> = operations.into_iter().collect();
    while let Some((section, message)) = open.pop() {
        if sections.contains_key(&section) {
            continue;
        }
        let found = members(&messages[&message], &messages);
        let rows = page.get(&section);
        let is_refused = |member: &str| rows.and_then(|rows| rows.get(member)).is_some_and(|(v, _)| v == "refused");
        let shapes = found.iter().filter(|(member, _)| !is_refused(member)).filter_map(|(_, shape)| shape.clone());
        open.extend(shapes.map(|shape| (shape.clone(), shape)));
        sections.insert(section, found.into_iter().map(|(name, _)| name).collect());
    }
    sections
}

/// Members as JSON has them, each with the shape that it holds. A list with presence stands for its element.
fn members(message: &DescriptorProto, messages: &BTreeMap<String, DescriptorProto>) -> Vec<(String, Option<String>)> {
    let shape_of = |type_name: &str| {
        let bare = type_name.strip_prefix(&format!(".{PACKAGE}."))?;
        let shape = messages.get(bare)?;
        if !bare.ends_with("List") {
            return Some(bare.to_owned());
        }
        shape.field.first()?.type_name().rsplit('.').next().map(str::to_owned)
    };
    let fields = message.field.iter();
    fields
        .map(|field| {
            let shape = (field.r#type() == Type::Message).then(|| shape_of(field.type_name())).flatten();
            (field.json_name().to_owned(), shape)
        })
        .collect()
}

#[test]
fn every_member_of_every_request_has_a_row() {
    let page = read_page();
    let expected = expected(&page);
    let mut wrong = Vec::new();
    for (section, members) in &expected {
        let Some(rows) = page.get(section) else {
            wrong.push(format!("{section}: no section"));
            continue;
        };
        wrong.extend(members.iter().filter(|m| !rows.contains_key(*m)).map(|m| format!("{section}: no row for {m}")));
        let unknown = rows.keys().filter(|row| !members.contains(*row));
        wrong.extend(unknown.map(|row| format!("{section}: {row} is no member")));
    }
    wrong
        .extend(page.keys().filter(|s| !expected.contains_key(*s)).map(|s| format!("{s}: no such operation or shape")));
    for (section, rows) in &page {
        let unclear = rows.iter().filter(|(_, (verdict, _))| !VERDICTS.contains(&verdict.as_str()));
        wrong.extend(unclear.map(|(row, (verdict, _))| format!("{section}: {row} is {verdict:?}, not {VERDICTS:?}")));
        let silent = rows.iter().filter(|(_, (verdict, note))| verdict != "obeyed" && note.is_empty());
        wrong.extend(
            silent.map(|(row, _)| format!("{section}: {row} isn't obeyed, and its row doesn't say what happens")),
        );
    }
    assert!(wrong.is_empty(), "{PAGE}:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_refused_is_what_the_model_refuses() {
    let page = read_page();
    let mut wrong = Vec::new();
    let mut refused: BTreeSet<(String, String)> = BTreeSet::new();
    for row in refusals::all() {
        for (section, member) in places(row.operation, row.field) {
            let (verdict, note) = page.get(&section).and_then(|rows| rows.get(&member)).cloned().unwrap_or_default();
            if !["refused", "partly"].contains(&verdict.as_str()) || !note.contains(row.reason) {
                wrong.push(format!(
                    "{section}: {member}: refused ({}), and the row says {verdict:?} {note:?}",
                    row.reason
                ));
            }
            refused.insert((section, member));
        }
    }
    let operations = read_protos().1;
    for (section, rows) in page.iter().filter(|(section, _)| operations.contains_key(*section)) {
        for (member, (verdict, _)) in rows {
            if verdict == "refused" && !refused.contains(&(section.clone(), member.clone())) {
                wrong.push(format!("{section}: {member}: the row says refused, and the model doesn't refuse it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{PAGE}:\n{}", wrong.join("\n"));
}

/// Where a refusal stands on the page: a member of a shape by its path, `RunTask, StartTask (overrides)` by its shape.
fn places(operations: &str, field: &str) -> Vec<(String, String)> {
    let path = field.split([':', ' ']).next().unwrap_or_default();
    if field.ends_with("(of the task definition)") {
        return vec![("RegisterTaskDefinition".to_owned(), path.to_owned())];
    }
    if operations.ends_with("(overrides)") {
        return vec![("TaskOverride".to_owned(), path.to_owned())];
    }
    let shape_of = |member: &str| match member {
        "deploymentConfiguration" => "DeploymentConfiguration",
        "serviceConnectConfiguration" => "ServiceConnectConfiguration",
        other => panic!("no shape known for {other}: tell this test"),
    };
    let mut parts = path.split('.');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    match second {
        Some(member) => vec![(shape_of(first).to_owned(), member.to_owned())],
        None => operations.split(", ").map(|operation| (operation.to_owned(), first.to_owned())).collect(),
    }
}

/// Prints what the page lacks as rows to paste, where it is asked to: `cargo test … -- --ignored --nocapture`.
#[test]
#[ignore = "a helper for whoever adds an operation: prints the page's skeleton"]
#[allow(clippy::print_stdout, reason = "its purpose")]
fn print_the_skeleton() {
    let page = if workspace::root().join(PAGE).exists() { read_page() } else { Page::new() };
    for (section, members) in expected(&page) {
        println!("### {section}\n\n| member | verdict | |\n|---|---|---|");
        for member in members {
            println!("| `{member}` | | |");
        }
        println!();
    }
}
