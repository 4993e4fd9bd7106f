//! What is wrong with a file, where, and what would be right. No IO.

use std::fmt;

use thiserror::Error;

use super::tree::Position;

/// One fault in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Where; `None` only until the value that it is about is known.
    pub at: Option<Position>,
    /// Such as `containerDefinitions[0].memory`; empty for the whole document.
    pub path: String,
    /// What was expected and found.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Complaint {
    /// A complaint about the document as a whole or its syntax.
    #[must_use]
    pub fn at(at: Position, message: impl Into<String>) -> Self {
        Self { at: Some(at), path: String::new(), message: message.into(), hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)
    }
}

impl std::error::Error for Complaint {}

impl serde::de::Error for Complaint {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: None, path: String::new(), message: message.to_string(), hint: None }
    }
}

/// Why a file can't be used. Its text is ready for people: one paragraph a fault, each with `file:line:column`.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("can't read {name}: {source}")]
    Unreadable {
        /// The file's name as given.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is longer than [`super::FILE_BYTES_MAX`].
    #[error("{name} is larger than {} MiB, which is the most that is read", super::FILE_BYTES_MAX / 1024 / 1024)]
    TooLarge {
        /// The file's name as given.
        name: String,
    },
    /// The file says something that it must not.
    #[error("{0}")]
    Wrong(String),
}

/// Faults of one file that are shown; the rest is counted.
const SHOWN_MAX: usize = 20;

/// Characters of a line that are shown around a fault.
const SNIPPET_CHARS_MAX: usize = 100;

/// Renders `complaints` with the lines that they are about.
#[must_use]
pub fn render(name: &str, text: &str, complaints: &[Complaint]) -> String {
    let mut out = String::new();
    for (number, complaint) in complaints.iter().take(SHOWN_MAX).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        out.push_str(&one(name, text, complaint));
    }
    if complaints.len() > SHOWN_MAX {
        out.push_str(&format!("\n… and {} more", complaints.len() - SHOWN_MAX));
    }
    out
}

fn one(name: &str, text: &str, complaint: &Complaint) -> String {
    let mut out = match complaint.at {
        Some(at) => format!("{name}:{at}: {complaint}"),
        None => format!("{name}: {complaint}"),
    };
    if let Some((at, line)) = complaint.at.and_then(|at| Some((at, line(text, at.line)?))) {
        let (shown, column) = window(line, at.column as usize);
        out.push_str(&format!("\n{:>5} | {shown}\n      | {:>column$}", at.line, "^"));
    }
    if let Some(hint) = &complaint.hint {
        out.push_str(&format!("\n      = {hint}"));
    }
    out
}

fn line(text: &str, number: u32) -> Option<&str> {
    text.lines().nth((number as usize).checked_sub(1)?).filter(|line| !line.trim().is_empty())
}

/// The part of a line around a column, and the column (from 1) inside of it. Tabs become single spaces, so that the
/// mark below stands right.
fn window(line: &str, column: usize) -> (String, usize) {
    let start = column.saturating_sub(SNIPPET_CHARS_MAX * 2 / 3);
    let shown =
        line.chars().skip(start).take(SNIPPET_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    (shown, column - start)
}
