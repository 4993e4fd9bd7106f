//! Streams between agents and controllers: ordered, as TCP is, until they break; then each side learns of it in its own time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use drydock_consensus::RaftId;
use drydock_proto::agent::AgentMessage;

use crate::leader::Conn;

/// Names a machine, for cuts: controllers by their id, agents and clients above.
pub(crate) type Node = u64;

/// The machine of an agent.
pub(crate) fn agent_node(agent: usize) -> Node {
    1_000 + u64::try_from(agent).unwrap_or(u64::MAX)
}

/// The machine of a client.
pub(crate) fn client_node(client: usize) -> Node {
    1_000_000 + u64::try_from(client).unwrap_or(u64::MAX)
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) agent: usize,
    pub(crate) agent_life: u64,
    pub(crate) controller: RaftId,
    pub(crate) controller_life: u64,
    /// When the last message of each direction arrives: none overtakes another.
    pub(crate) up_at: u64,
    pub(crate) down_at: u64,
    /// What came and isn't taken yet.
    pub(crate) waiting: VecDeque<AgentMessage>,
    /// Nothing goes through any more.
    pub(crate) broken: bool,
    /// Sides that know.
    pub(crate) learned: u8,
}

/// All streams, and who can't reach whom.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) streams: BTreeMap<Conn, Stream>,
    last: Conn,
    cut: BTreeSet<(Node, Node)>,
}

impl Network {
    pub(crate) fn open(&mut self, stream: Stream) -> Conn {
        self.last += 1;
        self.streams.insert(self.last, stream);
        self.last
    }

    /// A side knows that a stream is over; once both do it is forgotten.
    pub(crate) fn learned(&mut self, conn: Conn) {
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.learned += 1;
            if stream.learned == 2 {
                self.streams.remove(&conn);
            }
        }
    }

    pub(crate) fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cut.contains(&(from, to))
    }

    /// Nobody on one side hears the other, or, one way, the others don't hear them.
    pub(crate) fn cut(&mut self, all: &[Node], side: &BTreeSet<Node>, one_way: bool) {
        for a in all.iter().filter(|node| side.contains(*node)) {
            for b in all.iter().filter(|node| !side.contains(*node)) {
                self.cut.insert((*a, *b));
                if !one_way {
                    self.cut.insert((*b, *a));
                }
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }
}
