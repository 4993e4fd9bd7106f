//! Where in a file a value stands whose path is known, for faults that are found only when all is read. No IO.

use super::blame::Source;
use super::complaint::{Complaint, LoadError, render};
use super::tree::{Node, Position, Value};

impl Source {
    /// Faults at paths such as `events[2].scale.service`, ready for people: each at the value, or at what is nearest above
    /// it where the file doesn't have it.
    #[must_use]
    pub fn wrong<'a>(&self, faults: impl IntoIterator<Item = (&'a str, &'a str)>) -> LoadError {
        let complaint = |(path, message): (&str, &str)| Complaint {
            at: Some(place(&self.root, path)),
            path: path.to_owned(),
            message: message.to_owned(),
            hint: None,
        };
        let complaints: Vec<Complaint> = faults.into_iter().map(complaint).collect();
        LoadError::Wrong(render(&self.name, &self.text, &complaints))
    }
}

fn place(root: &Node, path: &str) -> Position {
    let steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty());
    let mut node = root;
    for step in steps {
        let inside = match &node.value {
            Value::Object(members) => members.iter().find(|member| member.name == step).map(|member| &member.node),
            Value::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)),
            _ => None,
        };
        let Some(inside) = inside else { break };
        node = inside;
    }
    node.at
}
