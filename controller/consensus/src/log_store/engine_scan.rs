//! Looks through raft-engine's files before it opens them: is the log whole up to a torn tail?
//!
//! Reads `<folder>/*.raftlog` and `*.rewrite`; copies a torn newest file aside before raft-engine cuts it.
//!
//! raft-engine cuts the newest file at the first batch that it can't read, whether that batch was torn by a crash or
//! damaged later. The difference: batches are synced one by one, so nothing readable can follow a torn one. If
//! something does, an acknowledged batch is damaged, and the start is refused with file and offset. Damage to the
//! very last batch looks like a torn one here; there the number in the file `replica` tells (see `anchor`).
//!
//! The format (raft-engine 0.4, version 2): a header of magic, version and alignment; then batches of
//! `length << 8 | compression` u64 BE, offset of the items u64 BE, entries and their CRC-32 LE, items and their CRC-32
//! LE exclusive-or the low 32 bits of the file's number. Version 1 has neither alignment nor signature; raft-engine
//! falls back to it when it finds a newest file without a header (a rotation that was cut short).

use std::fs;
use std::path::{Path, PathBuf};

use super::StoreError;

const MAGIC: &[u8] = b"RAFT-LOG-FILE-HEADER-9986AB3E47F320B394C8E84916EB0ED5";
const BATCH_HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
const TORN: &str = "torn";
/// Bytes of a torn tail that are kept aside, at most. (The tail of a recycled file is full of old, void batches.)
const TORN_BYTES_MAX: usize = 1024 * 1024;

/// Checks all log files of a folder.
///
/// # Errors
/// Damage to what was acknowledged, with file and offset; or the disk's error.
pub(super) fn scan(dir: &Path) -> Result<(), StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::disk("listing", dir))? {
        let entry = entry.map_err(StoreError::disk("listing", dir))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    for suffix in [".raftlog", ".rewrite"] {
        let files: Vec<(u64, PathBuf)> =
            names.iter().filter_map(|name| Some((name.strip_suffix(suffix)?.parse().ok()?, dir.join(name)))).collect();
        scan_queue(&files)?;
    }
    Ok(())
}

/// Files before a gap in the numbers are what a purge left: raft-engine keeps the first of the purged ones for reuse, under
/// their old names, deletes those above its capacity, and drops at its next start whatever lies before a gap. A file
/// that was still needed is missed later: its entries leave a hole in the log, which the start refuses (see `check`).
fn scan_queue(files: &[(u64, PathBuf)]) -> Result<(), StoreError> {
    let live = files.windows(2).rposition(|pair| pair[1].0 != pair[0].0 + 1).map_or(0, |gap| gap + 1);
    let files = &files[live..];
    for (at, (number, path)) in files.iter().enumerate() {
        let newest = at + 1 == files.len();
        let bytes = fs::read(path).map_err(StoreError::disk("reading", path))?;
        let Some(torn) = check_file(&bytes, *number, path, newest)? else { continue };
        if bytes[torn..].iter().any(|byte| *byte != 0) {
            keep_torn(path, &bytes[torn..bytes.len().min(torn + TORN_BYTES_MAX)])?;
        }
    }
    Ok(())
}

/// Where the readable batches of a file end, if something unreadable follows.
fn check_file(bytes: &[u8], number: u64, path: &Path, newest: bool) -> Result<Option<usize>, StoreError> {
    let at = |offset: usize| format!("{} offset {offset}", path.display());
    let (mut offset, signature) = match head(bytes, number) {
        Some(head) => head,
        None if newest => (0, signature(number)),
        None => return Err(StoreError::corrupt(at(0), "the file's header can't be read, and a newer file follows")),
    };
    if offset > 0 {
        while let Some(length) = batch_at(bytes, offset, signature) {
            offset += length;
        }
    }
    if offset == bytes.len() {
        return Ok(None);
    }
    if !newest {
        return Err(StoreError::corrupt(at(offset), "a batch can't be read, and a newer file follows"));
    }
    let broken = offset;
    match (broken + 1..bytes.len()).find(|later| batch_at(bytes, *later, signature).is_some()) {
        Some(later) => {
            let reason = format!("a batch can't be read, but a later one at offset {later} can");
            Err(StoreError::corrupt(at(broken), reason))
        }
        None => Ok(Some(broken)),
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let array = bytes.get(offset..offset.checked_add(8)?)?.try_into().ok()?;
    Some(u64::from_be_bytes(array))
}

/// Where the batches begin and how they are signed, if the header is sound.
fn head(bytes: &[u8], number: u64) -> Option<(usize, u32)> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    match u64_at(bytes, MAGIC.len())? {
        1 => Some((MAGIC.len() + 8, 0)),
        2 if bytes.len() >= MAGIC.len() + 16 => Some((MAGIC.len() + 16, signature(number))),
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "raft-engine signs with the low 32 bits")]
fn signature(number: u64) -> u32 {
    number as u32
}

/// The length of a whole, readable batch at this offset.
fn batch_at(bytes: &[u8], offset: usize, signature: u32) -> Option<usize> {
    let head = u64_at(bytes, offset)?;
    let (length, compression) = (usize::try_from(head >> 8).ok()?, head & 0xff);
    let items = usize::try_from(u64_at(bytes, offset + 8)?).ok()?;
    if compression > 1 || items < BATCH_HEAD_BYTES || length < items + CRC_BYTES + 1 {
        return None;
    }
    let batch = bytes.get(offset..offset.checked_add(length)?)?;
    if !crc_holds(&batch[items..], signature) {
        return None;
    }
    (items == BATCH_HEAD_BYTES || crc_holds(&batch[BATCH_HEAD_BYTES..items], 0)).then_some(length)
}

fn crc_holds(bytes: &[u8], signature: u32) -> bool {
    let Some((body, crc)) = bytes.split_last_chunk::<CRC_BYTES>() else { return false };
    !body.is_empty() && crc32fast::hash(body) == u32::from_le_bytes(*crc) ^ signature
}

/// Keeps the bytes that raft-engine will cut off, until the start has shown that none of them were acknowledged.
fn keep_torn(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let aside = path.with_extension(TORN);
    fs::write(&aside, bytes).map_err(StoreError::disk("writing", &aside))
}

/// The start has shown that nothing acknowledged was cut off.
pub(super) fn forget_torn(dir: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(dir).map_err(StoreError::disk("listing", dir))? {
        let path = entry.map_err(StoreError::disk("listing", dir))?.path();
        if path.extension().is_some_and(|extension| extension == TORN) {
            fs::remove_file(&path).map_err(StoreError::disk("removing", &path))?;
        }
    }
    Ok(())
}
