//! What a command prints: tables for people, ECS's own shapes as JSON or YAML for programs. Touches stdout and stderr;
//! nothing else in this crate does.

pub mod live;
pub mod table;
pub mod words;

use std::io::{IsTerminal as _, Write as _};

use drydock_proto::json::{TimeFormat, with_times};
use serde::Serialize;

use crate::failure::Failure;

pub use table::Table;

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people. What they hold may change between versions.
    #[default]
    Table,
    /// ECS's shape as JSON, times as ISO 8601 (what the AWS CLI prints).
    Json,
    /// The same as YAML.
    Yaml,
}

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// What was asked for.
    pub format: Format,
    /// Colour on stdout.
    colour: bool,
    /// Moving progress on stderr.
    live: bool,
}

impl Screen {
    /// The screen of this process: colour and progress only on a terminal, no colour with `NO_COLOR` or `TERM=dumb`.
    #[must_use]
    pub fn of_process(format: Format) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            format,
            colour: std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            live: std::io::stderr().is_terminal() && !dumb,
        }
    }

    /// Prints an answer: `message` in ECS's shape, or for people what `table` makes of it.
    ///
    /// # Errors
    /// The output is closed.
    pub fn answer<T: Serialize>(&self, message: &T, table: impl FnOnce() -> Table) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.table(&table()),
            _ => self.document(message),
        }
    }

    /// Prints an answer: `message` in ECS's shape, or for people a sentence.
    ///
    /// # Errors
    /// The output is closed.
    pub fn answer_line<T: Serialize>(&self, message: &T, line: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => print(&format!("{}\n", line())),
            _ => self.document(message),
        }
    }

    /// Prints a message in ECS's shape; as YAML where tables were asked for.
    ///
    /// # Errors
    /// The output is closed.
    pub fn document<T: Serialize>(&self, message: &T) -> Result<(), Failure> {
        print(&document(message, self.format)?)
    }

    /// Prints one message of a stream on a line of its own (JSON), as a document (YAML), or `line` for people.
    ///
    /// # Errors
    /// The output is closed.
    pub fn item<T: Serialize>(&self, message: &T, line: impl FnOnce() -> String) -> Result<(), Failure> {
        let wrong = |error: serde_json::Error| Failure::Other(format!("can't write JSON: {error}"));
        match self.format {
            Format::Table => print(&format!("{}\n", line())),
            Format::Json => {
                let text = with_times(TimeFormat::Iso8601, || serde_json::to_string(message)).map_err(wrong)?;
                print(&format!("{text}\n"))
            }
            Format::Yaml => print(&format!("---\n{}", document(message, Format::Yaml)?)),
        }
    }

    /// Prints a table.
    ///
    /// # Errors
    /// The output is closed.
    pub fn table(&self, table: &Table) -> Result<(), Failure> {
        print(&table.render(self.colour))
    }

    /// Prints a table that has rows.
    ///
    /// # Errors
    /// The output is closed.
    pub fn rows(&self, table: &Table) -> Result<(), Failure> {
        if table.is_empty() { Ok(()) } else { self.table(table) }
    }

    /// Prints a line for people; nothing where a program reads.
    ///
    /// # Errors
    /// The output is closed.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        if self.format == Format::Table { print(&format!("{text}\n")) } else { Ok(()) }
    }

    /// Prints a line on stderr.
    pub fn note(&self, text: &str) {
        // Where stderr is gone there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Whether progress can be shown moving.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Progress on stderr, as far as it is wanted and can be shown.
    #[must_use]
    pub fn progress(&self, wanted: live::Progress) -> live::Live {
        live::Live::new(wanted, self.live)
    }
}

/// A message as JSON or YAML, with its line end.
///
/// # Errors
/// A value that the format can't hold.
pub fn document<T: Serialize>(message: &T, format: Format) -> Result<String, Failure> {
    with_times(TimeFormat::Iso8601, || match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(message);
            text.map(|text| text + "\n").map_err(|error| Failure::Other(format!("can't write JSON: {error}")))
        }
        _ => serde_saphyr::to_string(message).map_err(|error| Failure::Other(format!("can't write YAML: {error}"))),
    })
}

/// Writes to stdout at once.
///
/// # Errors
/// The output is closed.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(source) => Err(Failure::System { doing: "can't write to stdout".to_owned(), source }),
    }
}
