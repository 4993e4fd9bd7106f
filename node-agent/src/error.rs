//! Why an agent ends.

use std::path::PathBuf;

/// Why an agent couldn't start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A setting that can't be.
    #[error("{0}")]
    Config(String),
    /// Another agent uses the data folder.
    #[error("{0} is in use by another agent")]
    InUse(PathBuf),
    /// The data folder can't be read or written.
    #[error("{path}: {source}")]
    Disk {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal can't be opened, even after the old one was moved aside, or written.
    #[error("journal: {0}")]
    Journal(String),
    /// The controllers won't have this instance.
    #[error("the controllers refuse this instance: {reason}")]
    Refused {
        /// What they say.
        reason: String,
        /// Whether they ever gave it an ARN.
        known: bool,
    },
    /// Docker was asked for and its address is none.
    #[error("docker: {0}")]
    Docker(String),
    /// The machine gives no random numbers.
    #[error("no randomness: {0}")]
    Random(String),
}

impl AgentError {
    pub(crate) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }
}
