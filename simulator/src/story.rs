//! What happened, for people and for comparison: the last events in words, and a hash over all of them.

use std::collections::VecDeque;

/// Events that are kept in words; the oldest go first.
const KEPT: usize = 200;

/// The story so far.
#[derive(Debug, Default)]
pub(crate) struct Story {
    last: VecDeque<String>,
    events: u64,
    hash: u64,
}

impl Story {
    /// Something happened.
    pub(crate) fn tell(&mut self, now: u64, what: &str) {
        let line = format!("{:>7}.{:03} {what}", now / 1_000, now % 1_000);
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.events += 1;
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// A hash over everything that was told, and how much that was.
    pub(crate) fn digest(&self) -> (u64, u64) {
        (self.hash, self.events)
    }

    /// The last events, one a line.
    pub(crate) fn text(&self) -> String {
        self.last.iter().map(|line| format!("{line}\n")).collect()
    }
}
