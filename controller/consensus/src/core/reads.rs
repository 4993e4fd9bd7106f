//! Read index: reads that wait share contexts, a context that was dropped is sent again. Pure.
//!
//! raft-rs drops a read silently when the leader has not yet committed in its term, when no leader is known, or when
//! the request or its answer is lost (raft-recipe §1 trap (d), D6). So a context that is not answered in
//! `read_retry_ticks`, or that was asked of another leader, is given up and its reads go out again under a new one.

use std::collections::VecDeque;

use super::Tag;

/// Contexts under way at once; further reads wait and share the next one.
const CONTEXTS_MAX: usize = 4;
const CONTEXT_BYTES: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) tag: Tag,
    /// The tick at which it gets `Timeout`.
    pub(super) deadline: u64,
}

#[derive(Debug)]
struct Context {
    number: u64,
    retry_at: u64,
    reads: Vec<Read>,
}

#[derive(Debug)]
pub(super) struct Reads {
    id: u64,
    /// Differs at each start, so that a late answer to an earlier life is not taken for one to this.
    incarnation: u64,
    next: u64,
    queued: Vec<Read>,
    asked: VecDeque<Context>,
    /// (index that must be applied, who waits).
    confirmed: Vec<(u64, Read)>,
}

impl Reads {
    pub(super) fn new(id: u64, incarnation: u64) -> Self {
        Self { id, incarnation, next: 0, queued: Vec::new(), asked: VecDeque::new(), confirmed: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.queued.len() + self.confirmed.len() + self.asked.iter().map(|context| context.reads.len()).sum::<usize>()
    }

    pub(super) fn queue(&mut self, read: Read) {
        self.queued.push(read);
    }

    /// The context for all reads that are queued, if there are any and not too many contexts are under way.
    pub(super) fn ask(&mut self, retry_at: u64) -> Option<Vec<u8>> {
        if self.queued.is_empty() || self.asked.len() >= CONTEXTS_MAX {
            return None;
        }
        self.next += 1;
        let reads = std::mem::take(&mut self.queued);
        self.asked.push_back(Context { number: self.next, retry_at, reads });
        Some(self.encode(self.next))
    }

    fn encode(&self, number: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CONTEXT_BYTES);
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&self.incarnation.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes
    }

    /// The leader confirmed a context at `index`.
    pub(super) fn confirm(&mut self, context: &[u8], index: u64) {
        let Some(at) = self.asked.iter().position(|asked| self.encode(asked.number) == context) else { return };
        if let Some(context) = self.asked.remove(at) {
            self.confirmed.extend(context.reads.into_iter().map(|read| (index, read)));
        }
    }

    /// Gives up on all contexts under way: another leader must be asked.
    pub(super) fn ask_again(&mut self) {
        for context in self.asked.drain(..) {
            self.queued.extend(context.reads);
        }
    }

    /// Gives up on the newest context: raft dropped it.
    pub(super) fn dropped(&mut self) {
        if let Some(context) = self.asked.pop_back() {
            self.queued.extend(context.reads);
        }
    }

    /// Gives up on contexts that were not answered in time.
    pub(super) fn retry(&mut self, now: u64) {
        while self.asked.front().is_some_and(|context| context.retry_at <= now) {
            if let Some(context) = self.asked.pop_front() {
                self.queued.extend(context.reads);
            }
        }
    }

    /// Reads whose index is applied, with that index.
    pub(super) fn ready(&mut self, applied: u64) -> Vec<(u64, Read)> {
        self.confirmed.extract_if(.., |(index, _)| *index <= applied).collect()
    }

    /// Reads past their deadline.
    pub(super) fn expired(&mut self, now: u64) -> Vec<Read> {
        let mut expired: Vec<Read> = self.queued.extract_if(.., |read| read.deadline <= now).collect();
        for context in &mut self.asked {
            expired.extend(context.reads.extract_if(.., |read| read.deadline <= now));
        }
        expired.extend(self.confirmed.extract_if(.., |(_, read)| read.deadline <= now).map(|(_, read)| read));
        expired
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(tag: Tag) -> Read {
        Read { tag, deadline: 100 }
    }

    #[test]
    fn queued_reads_share_a_context_and_wait_until_it_is_applied() {
        let mut reads = Reads::new(1, 7);
        reads.queue(read(1));
        reads.queue(read(2));
        let context = reads.ask(10).unwrap();
        reads.queue(read(3));
        reads.confirm(&context, 50);
        assert!(reads.ready(49).is_empty());
        assert_eq!(reads.ready(50), vec![(50, read(1)), (50, read(2))]);
        assert_eq!(reads.len(), 1);
    }

    #[test]
    fn an_answer_to_a_context_that_was_given_up_or_of_an_earlier_life_is_ignored() {
        let mut reads = Reads::new(1, 7);
        reads.queue(read(1));
        let first = reads.ask(10).unwrap();
        reads.retry(10);
        let second = reads.ask(20).unwrap();
        assert_ne!(first, second);
        reads.confirm(&first, 5);
        assert!(reads.ready(99).is_empty());
        let mut earlier = Reads::new(1, 6);
        earlier.queue(read(1));
        reads.confirm(&earlier.ask(10).unwrap(), 5);
        assert!(reads.ready(99).is_empty());
        reads.confirm(&second, 5);
        assert_eq!(reads.ready(99).len(), 1);
    }

    #[test]
    fn contexts_under_way_are_bounded_and_reads_expire_wherever_they_wait() {
        let mut reads = Reads::new(1, 7);
        for tag in 0..10 {
            reads.queue(read(tag));
            assert_eq!(reads.ask(10).is_some(), tag < CONTEXTS_MAX as u64);
        }
        assert_eq!(reads.len(), 10);
        assert_eq!(reads.expired(99).len(), 0);
        assert_eq!(reads.expired(100).len(), 10);
        assert_eq!(reads.len(), 0);
    }
}
