//! The source tree as the house tests see it: where it is, its files, what `cargo metadata` says. Reads only.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Folders that hold nothing of ours: what is built, what git keeps, what a local cluster left behind.
const SKIPPED: [&str; 4] = ["target", ".git", "drydock-data", "node_modules"];

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A file of the tree: its path from the root, with `/`, and its text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// From the root, say `controller/model/src/arn.rs`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Every text file below the root whose name ends in one of `endings`, sorted by path.
///
/// # Errors
/// A folder or file that can't be read.
pub fn files(endings: &[&str]) -> Result<Vec<SourceFile>> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, endings, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<SourceFile>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, endings, found)?;
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let path = path.strip_prefix(root)?.to_string_lossy().into_owned();
            found.push(SourceFile { path, text });
        }
    }
    Ok(())
}

/// What `cargo metadata` says of the workspace and everything it depends on, on this platform. The lock file decides,
/// so cargo needs the network only for a crate that no build has fetched.
///
/// # Errors
/// Cargo can't be run, or refuses (say, the lock file is out of date).
pub fn metadata() -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |args: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new(&cargo).args(args).current_dir(root()).output()?;
        ensure!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    };
    let version = String::from_utf8(run(&["-vV"])?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("cargo -vV names no host")?;
    let answer = run(&["metadata", "--format-version=1", "--locked", "--filter-platform", host])?;
    Ok(serde_json::from_slice(&answer)?)
}
