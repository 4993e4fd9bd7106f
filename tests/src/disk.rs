//! How much a folder holds on disk.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Bytes that the files below `folder` take on disk: blocks, not lengths, since logs are allocated ahead. A file that
/// goes away meanwhile counts as nothing.
///
/// # Errors
/// The folder can't be read.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    sum(folder, &|_, found| found.blocks() * 512)
}

/// Bytes that were written into the files below `folder`: each up to its last byte that isn't 0, since logs are allocated
/// ahead. Right for logs that are still in their first round; a file that is used again ends in what it held before.
///
/// # Errors
/// The folder can't be read.
pub fn folder_content(folder: &Path) -> Result<u64> {
    sum(folder, &|path, _| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
    })
}

fn sum(folder: &Path, size: &dyn Fn(&Path, &Metadata) -> u64) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let Ok(found) = entry.metadata() else { continue };
        bytes += if found.is_dir() { sum(&entry.path(), size)? } else { size(&entry.path(), &found) };
    }
    Ok(bytes)
}
