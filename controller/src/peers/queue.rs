//! What waits to be sent to one peer: filled by the consensus thread, which never blocks, and drained by whichever
//! stream to the peer is open. Bounded by count and bytes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use drydock_proto::raft::{PeerHello, PeerMessage, peer_message};
use futures_util::Stream;

use crate::limits::{PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX};

/// A peer's queue; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerQueue(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// Of the stream that drains the queue.
    waker: Option<Waker>,
    /// Counts streams: only the newest drains, an older one ends.
    stream: u64,
    closed: bool,
}

/// The request stream of one connection: the hello, then whatever the queue holds, until a newer stream takes over.
pub(crate) struct QueueStream {
    queue: PeerQueue,
    stream: u64,
    hello: Option<PeerHello>,
}

impl PeerQueue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held can't leave it inconsistent: each change is complete in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues messages, in order. `false`: some were dropped, since the queue is full or closed.
    pub(crate) fn push(&self, messages: Vec<Vec<u8>>) -> bool {
        let mut inner = self.lock();
        let mut all = !inner.closed;
        for message in messages {
            let full = inner.messages.len() >= PEER_QUEUE_MESSAGES_MAX
                || (!inner.messages.is_empty() && inner.bytes + message.len() > PEER_QUEUE_BYTES_MAX);
            if full || inner.closed {
                all = false;
                break;
            }
            inner.bytes += message.len();
            inner.messages.push_back(Bytes::from(message));
        }
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        all
    }

    /// Forgets what waits: raft sends again what still matters.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.messages.clear();
        inner.bytes = 0;
    }

    /// Ends the stream that drains it and refuses all further messages.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.messages.clear();
        inner.bytes = 0;
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A new stream that drains the queue; any earlier one ends.
    pub(crate) fn stream(&self, hello: PeerHello) -> QueueStream {
        let mut inner = self.lock();
        inner.stream += 1;
        let stream = inner.stream;
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        QueueStream { queue: self.clone(), stream, hello: Some(hello) }
    }
}

impl Stream for QueueStream {
    type Item = PeerMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PeerMessage>> {
        if let Some(hello) = self.hello.take() {
            return Poll::Ready(Some(PeerMessage { message: Some(peer_message::Message::Hello(hello)) }));
        }
        let mut inner = self.queue.lock();
        if inner.closed || inner.stream != self.stream {
            return Poll::Ready(None);
        }
        match inner.messages.pop_front() {
            Some(raft) => {
                inner.bytes -= raft.len();
                Poll::Ready(Some(PeerMessage { message: Some(peer_message::Message::Raft(raft)) }))
            }
            None => {
                inner.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use drydock_proto::raft::{PeerHello, peer_message::Message};
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::{PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX, PeerQueue, QueueStream};

    fn taken(stream: &mut QueueStream) -> Option<Option<usize>> {
        stream.next().now_or_never().map(|next| {
            next.map(|message| match message.message {
                Some(Message::Raft(raft)) => raft.len(),
                _ => usize::MAX,
            })
        })
    }

    #[test]
    fn the_hello_comes_first_and_messages_keep_their_order() {
        let queue = PeerQueue::default();
        assert!(queue.push(vec![vec![0; 1], vec![0; 2]]));
        let mut stream = queue.stream(PeerHello::default());
        assert_eq!(taken(&mut stream), Some(Some(usize::MAX)));
        assert_eq!(taken(&mut stream), Some(Some(1)));
        assert_eq!(taken(&mut stream), Some(Some(2)));
        assert_eq!(taken(&mut stream), None);
    }

    #[test]
    fn a_newer_stream_ends_the_older_and_goes_on() {
        let queue = PeerQueue::default();
        let mut old = queue.stream(PeerHello::default());
        taken(&mut old);
        let mut new = queue.stream(PeerHello::default());
        taken(&mut new);
        assert!(queue.push(vec![vec![0; 3]]));
        assert_eq!(taken(&mut old), Some(None));
        assert_eq!(taken(&mut new), Some(Some(3)));
        queue.close();
        assert_eq!(taken(&mut new), Some(None));
        assert!(!queue.push(vec![vec![0; 3]]));
    }

    #[test]
    fn it_holds_so_many_messages_and_so_many_bytes() {
        let queue = PeerQueue::default();
        assert!(queue.push(vec![Vec::new(); PEER_QUEUE_MESSAGES_MAX]));
        assert!(!queue.push(vec![Vec::new()]));
        queue.clear();
        // One message of any size goes alone.
        assert!(queue.push(vec![vec![0; PEER_QUEUE_BYTES_MAX + 1]]));
        assert!(!queue.push(vec![vec![0; 1]]));
    }
}
