//! The state machine of the pretended cluster and the laws that are checked at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use drydock_consensus::{EntryRef, Halt, Membership, RaftId, Role, SnapshotError, SnapshotSource, StateMachine};

/// What all replicas together must agree on. A violation panics with the seed.
#[derive(Debug, Default)]
pub struct Ledger {
    pub seed: u64,
    /// State digest by applied index: the same on all replicas.
    digests: BTreeMap<u64, u64>,
    /// The one leader of each term.
    leaders: BTreeMap<u64, RaftId>,
    /// Command and index of what was acknowledged.
    pub acknowledged: BTreeMap<u64, u64>,
    /// Commands that were said never to be applied.
    superseded: BTreeSet<u64>,
    /// Membership by index.
    members: BTreeMap<u64, Membership>,
}

pub type SharedLedger = Arc<Mutex<Ledger>>;

impl Ledger {
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    fn applied(&mut self, index: u64, digest: u64, command: Option<u64>) {
        let first = *self.digests.entry(index).or_insert(digest);
        assert_eq!(first, digest, "seed {}: two states at index {index}", self.seed);
        if let Some(command) = command {
            assert!(!self.superseded.contains(&command), "seed {}: superseded {command} was applied", self.seed);
        }
    }

    pub fn leads(&mut self, term: u64, id: RaftId) {
        let first = *self.leaders.entry(term).or_insert(id);
        assert_eq!(first, id, "seed {}: two leaders in term {term}", self.seed);
    }

    pub fn acknowledge(&mut self, command: u64, index: u64) {
        assert_eq!(self.acknowledged.insert(command, index), None, "seed {}: {command} answered twice", self.seed);
    }

    pub fn supersede(&mut self, command: u64) {
        assert!(!self.acknowledged.contains_key(&command), "seed {}: {command} was acknowledged", self.seed);
        self.superseded.insert(command);
    }

    /// The last acknowledged index: what a read that starts now must see.
    pub fn frontier(&self) -> u64 {
        self.acknowledged.values().copied().max().unwrap_or(0)
    }

    /// At the end: `state` is some replica's.
    pub fn check_final(&self, state: &Counter) {
        for (command, index) in &self.acknowledged {
            let found = state.commands.get(command);
            assert_eq!(found, Some(index), "seed {}: acknowledged {command} is not at {index}", self.seed);
        }
        for command in &self.superseded {
            assert!(!state.commands.contains_key(command), "seed {}: superseded {command} is there", self.seed);
        }
    }
}

/// A state machine that remembers every command and where it was applied.
#[derive(Debug, Clone)]
pub struct Counter {
    ledger: SharedLedger,
    pub commands: BTreeMap<u64, u64>,
    pub digest: u64,
    pub applied: u64,
    pub published: u64,
    pub role: Role,
    pub membership: Membership,
}

fn mix(digest: u64, value: u64) -> u64 {
    (digest ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
}

impl Counter {
    pub fn new(ledger: SharedLedger) -> Self {
        Self {
            ledger,
            commands: BTreeMap::new(),
            digest: 0,
            applied: 0,
            published: 0,
            role: Role::Follower,
            membership: Membership::default(),
        }
    }
}

impl StateMachine for Counter {
    type Outcome = u64;

    fn apply(&mut self, entry: EntryRef<'_>) -> Result<u64, Halt> {
        assert!(entry.index > self.applied, "index {} again", entry.index);
        let bytes = entry.payload.get(..8).and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| Halt { index: entry.index, reason: "too short".to_owned() })?;
        let command = u64::from_le_bytes(bytes);
        assert_eq!(self.commands.insert(command, entry.index), None, "{command} was applied twice");
        self.digest = mix(mix(mix(self.digest, entry.index), entry.term), command);
        self.applied = entry.index;
        self.ledger.lock().unwrap().applied(entry.index, self.digest, Some(command));
        Ok(command)
    }

    fn publish(&mut self, index: u64, _term: u64) {
        assert!(index >= self.published, "published {index} after {}", self.published);
        self.published = index;
    }

    fn snapshot(&self) -> Box<dyn SnapshotSource> {
        let mut chunks = vec![[self.digest.to_le_bytes(), self.applied.to_le_bytes()].concat()];
        let all: Vec<_> = self.commands.iter().collect();
        chunks.extend(all.chunks(64).map(|some| {
            some.iter().flat_map(|(command, index)| [command.to_le_bytes(), index.to_le_bytes()].concat()).collect()
        }));
        Box::new(Chunks(chunks.into_iter()))
    }

    fn restore(
        &mut self,
        index: u64,
        _term: u64,
        chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
    ) -> Result<(), Halt> {
        let halt = |reason: &str| Halt { index, reason: reason.to_owned() };
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let head = chunks.next().ok_or_else(|| halt("empty"))?.map_err(|error| halt(&error.to_string()))?;
        self.digest = number(&head[..8]);
        self.applied = number(&head[8..]);
        self.commands.clear();
        for chunk in chunks {
            let chunk = chunk.map_err(|error| halt(&error.to_string()))?;
            for pair in chunk.chunks(16) {
                self.commands.insert(number(&pair[..8]), number(&pair[8..]));
            }
        }
        assert!(self.applied <= index);
        if self.applied > 0 {
            self.ledger.lock().unwrap().applied(self.applied, self.digest, None);
        }
        Ok(())
    }

    fn role_changed(&mut self, role: Role, term: u64, leader: Option<RaftId>) {
        if let (Role::Leader, Some(leader)) = (role, leader) {
            self.ledger.lock().unwrap().leads(term, leader);
        }
        self.role = role;
    }

    fn membership_changed(&mut self, index: u64, membership: &Membership) {
        let mut ledger = self.ledger.lock().unwrap();
        let seed = ledger.seed;
        let first = ledger.members.entry(index).or_insert_with(|| membership.clone());
        assert_eq!(first, membership, "seed {seed}: two memberships at index {index}");
        self.membership = membership.clone();
    }
}

struct Chunks(std::vec::IntoIter<Vec<u8>>);

impl SnapshotSource for Chunks {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.0.next())
    }
}
