//! What the AWS wire holds in memory at the moment: connections, and the bytes of bodies and answers. Counts, and says when it
//! is too much; nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::limits::AWS_HELD_BYTES_MAX;

/// The counters of one port.
#[derive(Debug, Default)]
pub(crate) struct Held {
    connections: AtomicUsize,
    bytes: AtomicUsize,
}

impl Held {
    /// Connections that are served.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that came in, and of answers that aren't taken yet.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_connections(&self, now: usize) {
        self.connections.store(now, Ordering::Relaxed);
    }

    /// Whether one more request may begin: less than [`AWS_HELD_BYTES_MAX`] are held.
    pub(super) fn has_room(&self) -> bool {
        self.bytes() < AWS_HELD_BYTES_MAX
    }

    /// Nothing so far, for one request or answer.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { held: Arc::clone(self), bytes: 0 }
    }

    /// An answer that counts until the last of it was written.
    pub(super) fn answer(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        let mut share = self.share();
        share.add(bytes.len());
        Bytes::from_owner(Answer { bytes, _share: share })
    }
}

/// Bytes of one request or answer; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    held: Arc<Held>,
    bytes: usize,
}

impl Share {
    /// Counts so many more.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Answer {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Held;
    use crate::limits::AWS_HELD_BYTES_MAX;

    #[test]
    fn an_answer_counts_until_the_last_of_it_is_gone() {
        let held = Arc::new(Held::default());
        let mut body = held.share();
        body.add(AWS_HELD_BYTES_MAX - 3);
        assert!(held.has_room());
        let answer = held.answer(b"abc".to_vec());
        let rest = answer.slice(1..);
        drop(answer);
        assert_eq!((rest.as_ref(), held.has_room()), (&b"bc"[..], false));
        drop(rest);
        assert!(held.has_room());
        drop(body);
        assert_eq!(held.bytes(), 0);
    }
}
