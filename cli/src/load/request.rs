//! From a file to a request: size, format, the wrapping that `describe` output has, read-only members. The only IO is
//! the reading of the file.

use std::io::Read as _;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::blame::Source;
use super::complaint::{Complaint, LoadError, render};
use super::tree::{Member, Node, Position, Value};
use super::{FILE_BYTES_MAX, deserialize, json, yaml};

/// What a file of one kind may hold beside the request itself.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The member that holds the object in ECS's answers, such as `taskDefinition`.
    pub wrapper: &'static str,
    /// Members that only answers have; they are dropped with a note.
    pub read_only: &'static [&'static str],
}

/// The input of RegisterTaskDefinition, or the output of DescribeTaskDefinition.
pub const TASK_DEFINITION: Shape = Shape {
    wrapper: "taskDefinition",
    read_only: &[
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "deleteRequestedAt",
    ],
};

/// The input of CreateService or UpdateService, or one service of an answer.
pub const SERVICE: Shape = Shape {
    wrapper: "service",
    read_only: &[
        "serviceArn",
        "clusterArn",
        "status",
        "runningCount",
        "pendingCount",
        "deployments",
        "events",
        "taskSets",
        "roleArn",
        "createdAt",
        "createdBy",
        "platformFamily",
        "currentServiceDeployment",
        "currentServiceRevisions",
    ],
};

/// Names of an account that isn't here, or what `drydock names show -o json` printed of them.
pub const NAMES: Shape = Shape { wrapper: "names", read_only: &[] };

/// The input of CreateTaskSet, or one task set of an answer.
pub const TASK_SET: Shape = Shape {
    wrapper: "taskSet",
    read_only: &[
        "id",
        "taskSetArn",
        "serviceArn",
        "clusterArn",
        "startedBy",
        "status",
        "computedDesiredCount",
        "pendingCount",
        "runningCount",
        "createdAt",
        "updatedAt",
        "platformFamily",
        "stabilityStatus",
        "stabilityStatusAt",
        "fargateEphemeralStorage",
    ],
};

/// A rehearsal's scenario.
pub const SCENARIO: Shape = Shape { wrapper: "scenario", read_only: &[] };

/// The input of RunTask.
pub const TASK: Shape = Shape { wrapper: "task", read_only: &[] };

/// A request out of a file.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The request.
    pub request: T,
    /// What was left out, for stderr.
    pub notes: Vec<String>,
    /// The file, for telling where a value is that the controllers refuse.
    pub source: Source,
}

/// Reads `file` (`-` is stdin) as JSON or YAML: by the name's ending, else JSON where it starts with `{` or `[`.
///
/// # Errors
/// The file can't be read, is too large, isn't UTF-8, or has faults; all that can be told at once are.
pub fn load<T: DeserializeOwned>(file: &Path, shape: Shape) -> Result<Loaded<T>, LoadError> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let bytes = read(file, &name)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        LoadError::Wrong(format!("{name}:{line}: this isn't UTF-8 text"))
    })?;
    from_text(&name, text, shape)
}

fn read(file: &Path, name: &str) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { name: name.to_owned(), source };
    let source: Box<dyn std::io::Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(LoadError::TooLarge { name: name.to_owned() });
    }
    Ok(bytes)
}

/// [`load`] of a text already in memory.
///
/// # Errors
/// As [`load`].
pub fn from_text<T: DeserializeOwned>(name: &str, text: &str, shape: Shape) -> Result<Loaded<T>, LoadError> {
    let wrong = |complaints: &[Complaint]| LoadError::Wrong(render(name, text, complaints));
    let parsed = if is_json(name, text) { json::parse(text) } else { yaml::parse(text) };
    let mut root = parsed.map_err(|complaint| wrong(&[complaint]))?;
    let mut notes = Vec::new();
    prepare(&mut root, shape, name, &mut notes).map_err(|complaint| wrong(&[complaint]))?;
    let request = deserialize::read(&root).map_err(|complaints| wrong(&complaints))?;
    let source = Source { name: name.to_owned(), text: text.to_owned(), root };
    Ok(Loaded { request, notes, source })
}

fn is_json(name: &str, text: &str) -> bool {
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').starts_with(['{', '[']),
    }
}

fn prepare(root: &mut Node, shape: Shape, name: &str, notes: &mut Vec<String>) -> Result<(), Complaint> {
    unwrap(root, shape)?;
    let at = root.at;
    let Value::Object(members) = &mut root.value else {
        return Err(Complaint::at(at, format!("expected an object, found {}", root.value.described())));
    };
    let dropped: Vec<String> = members
        .extract_if(.., |member| shape.read_only.contains(&member.name.as_str()))
        .filter(|member| member.node.value != Value::Null)
        .map(|member| member.name)
        .collect();
    if !dropped.is_empty() {
        notes.push(format!("{name}: left out what only answers have: {}", dropped.join(", ")));
    }
    Ok(())
}

/// Takes the object out of `{"taskDefinition": {…}, "tags": […]}`. A request has a *string* of that name, if any.
fn unwrap(root: &mut Node, shape: Shape) -> Result<(), Complaint> {
    let empty =
        matches!(&root.value, Value::Null) || matches!(&root.value, Value::Object(members) if members.is_empty());
    if empty {
        return Err(Complaint::at(Position { line: 1, column: 1 }, "there is nothing in this file"));
    }
    let Value::Object(members) = &mut root.value else { return Ok(()) };
    let wrapped = |member: &Member| member.name == shape.wrapper && matches!(member.node.value, Value::Object(_));
    let Some(place) = members.iter().position(wrapped) else { return Ok(()) };
    let mut inner = members.swap_remove(place).node;
    for beside in members.drain(..) {
        match (beside.name.as_str(), &mut inner.value) {
            ("tags", Value::Object(inside)) if !inside.iter().any(|member| member.name == "tags") => {
                inside.push(beside);
            }
            ("tags" | "failures" | "ResponseMetadata", _) => {}
            (other, _) => {
                let message = format!("unknown field beside \"{}\"", shape.wrapper);
                return Err(Complaint { at: Some(beside.at), path: other.to_owned(), message, hint: None });
            }
        }
    }
    *root = inner;
    Ok(())
}
