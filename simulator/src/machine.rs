//! The replicated state behind consensus, as in the controller's shell, with an ear for the checkers: every applied entry is
//! told with the state that it led to.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;

use drydock_consensus::{EntryRef, Halt, Membership, RaftId, Role, SnapshotError, SnapshotSource, StateMachine};
use drydock_state::{Key, Outcome, State};

use crate::faults::Bug;

/// Entries from one that a planted bug leaves out to the next.
const SKIPPED_EVERY: u64 = 50;

/// What the machine tells, in order.
#[derive(Debug)]
pub(crate) enum Told {
    /// An entry is applied.
    Applied(Box<Entry>),
    /// The state came from a snapshot.
    Restored(u64, Box<State>),
    /// Another role.
    Role { role: Role, term: u64, leader: Option<RaftId> },
}

/// An entry that was applied.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) payload: Vec<u8>,
    /// What it led to.
    pub(crate) state: State,
    pub(crate) dirty: BTreeSet<Key>,
}

/// The state of one replica.
pub(crate) struct Machine {
    state: State,
    told: Sender<Told>,
    bug: Option<Bug>,
    /// The state before the last entry.
    before: State,
}

impl Machine {
    pub(crate) fn new(told: Sender<Told>, bug: Option<Bug>) -> Self {
        Self { state: State::default(), told, bug, before: State::default() }
    }

    fn tell(&self, told: Told) {
        // Nobody listens once the replica is down.
        let _ = self.told.send(told);
    }
}

impl StateMachine for Machine {
    type Outcome = Outcome;

    fn apply(&mut self, entry: EntryRef<'_>) -> Result<Outcome, Halt> {
        let (index, term) = (entry.index, entry.term);
        self.before = self.state.clone();
        let applied = self
            .state
            .apply_bytes(index, term, entry.payload)
            .map_err(|halt| Halt { index, reason: halt.to_string() })?;
        if self.bug == Some(Bug::EntrySkipped) && index.is_multiple_of(SKIPPED_EVERY) {
            self.state = self.before.clone();
        }
        let (payload, state) = (entry.payload.to_vec(), self.state.clone());
        self.tell(Told::Applied(Box::new(Entry { index, term, payload, state, dirty: applied.dirty })));
        Ok(applied.outcome)
    }

    fn publish(&mut self, _index: u64, _term: u64) {}

    fn snapshot(&self) -> Box<dyn SnapshotSource> {
        let state = if self.bug == Some(Bug::StaleSnapshot) { &self.before } else { &self.state };
        let mut chunks: Vec<Vec<u8>> = state.export().collect();
        chunks.reverse();
        Box::new(Export(chunks))
    }

    fn restore(
        &mut self,
        index: u64,
        _term: u64,
        chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
    ) -> Result<(), Halt> {
        let whole: Vec<Vec<u8>> = chunks.map_while(Result::ok).collect();
        self.state = State::import(whole).map_err(|error| Halt { index, reason: error.to_string() })?;
        self.tell(Told::Restored(index, Box::new(self.state.clone())));
        Ok(())
    }

    fn role_changed(&mut self, role: Role, term: u64, leader: Option<RaftId>) {
        self.tell(Told::Role { role, term, leader });
    }

    fn membership_changed(&mut self, _index: u64, _membership: &Membership) {}
}

/// What is left of the chunks, the next one last.
struct Export(Vec<Vec<u8>>);

impl SnapshotSource for Export {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.0.pop())
    }
}
