//! One cluster at a time: suites measure gaps and memory, so they don't share the machine. The lock is a file, since
//! some test runners give each test a process of its own.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The right to run processes; given back on drop.
#[derive(Debug)]
pub struct Stage {
    _lock: File,
}

impl Stage {
    /// Waits for all who came before.
    ///
    /// # Errors
    /// The lock's file can't be made.
    pub async fn take() -> Result<Self> {
        let path = scratch().join("stage.lock");
        let lock = File::options().create(true).append(true).open(&path).with_context(|| path.display().to_string())?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        Ok(Self { _lock: lock })
    }
}

/// A folder below cargo's target folder: on a real disk, which a system's folder for temporary files need not be.
#[must_use]
pub fn scratch() -> PathBuf {
    let given = option_env!("CARGO_TARGET_TMPDIR").map(PathBuf::from);
    let path = given.unwrap_or_else(|| crate::workspace::root().join("target").join("tmp"));
    // Where it can't be made, the first file in it says so.
    let _ = std::fs::create_dir_all(&path);
    path
}
