//! One pretended machine: a real core, a pretended disk, snapshot files in memory.

use std::collections::BTreeMap;

use drydock_consensus::core::{Core, Effects, Input, LogRead, Work};
use drydock_consensus::log_store::memory::{MemoryDisk, MemoryStore};
use drydock_consensus::log_store::{Identity, LogStore, StoreError, WriteBatch};
use drydock_consensus::{Config, Fatal, Membership, RaftId, SnapshotMeta, Status};

use crate::checks::Counter;

pub type SnapshotFile = (SnapshotMeta, Vec<Vec<u8>>);

pub struct Replica {
    id: RaftId,
    first: Option<Membership>,
    pub disk: MemoryDisk,
    /// Durable snapshot files by (term, index).
    pub files: BTreeMap<(u64, u64), SnapshotFile>,
    pub core: Option<Core<Counter>>,
    store: MemoryStore,
    pub inbox: Vec<Input>,
    pub ticks_due: u64,
    /// It stands still until then, in milliseconds of virtual time.
    pub paused_until: u64,
    pub writing: Option<WriteBatch>,
    pub sync_later: bool,
    answers: Vec<Input>,
    /// Counts starts; events of an earlier life are void.
    pub life: u64,
    /// It was removed and has ended for good.
    pub left: bool,
    /// Fatal errors that a test expects are kept instead of panicking.
    pub expect_fatal: bool,
    pub fatal: Option<Fatal>,
}

impl Replica {
    pub fn new(id: RaftId, first: Option<Membership>) -> Self {
        let disk = MemoryDisk::new();
        Self {
            id,
            first,
            store: disk.open(),
            disk,
            files: BTreeMap::new(),
            core: None,
            inbox: Vec::new(),
            ticks_due: 0,
            paused_until: 0,
            writing: None,
            sync_later: false,
            answers: Vec::new(),
            life: 0,
            left: false,
            expect_fatal: false,
            fatal: None,
        }
    }

    pub fn start(&mut self, config: Config, counter: Counter, seed: u64) {
        self.store = self.disk.open();
        if self.store.load().unwrap().is_none() {
            let identity = Identity { fingerprint: 1, raft_id: self.id, marker: u128::from(self.id) };
            let nothing = SnapshotMeta { index: 0, term: 0, ..SnapshotMeta::bootstrap(Membership::default()) };
            let first = self.first.clone().map_or(nothing, SnapshotMeta::bootstrap);
            self.store.create(&identity, &first).unwrap();
        }
        let boot = self.store.load().unwrap().unwrap();
        let meta = boot.snapshot.clone();
        let mut chunks = meta.has_file().then(|| self.chunks(&meta).into_iter().map(Ok));
        let chunks = chunks.as_mut().map(|chunks| chunks as &mut dyn Iterator<Item = _>);
        self.core = Some(Core::new(config, &boot, counter, chunks, seed).unwrap());
        self.life += 1;
        self.ticks_due = 0;
    }

    fn chunks(&self, meta: &SnapshotMeta) -> Vec<Vec<u8>> {
        let (found, chunks) = self.files.get(&(meta.term, meta.index)).expect("the pointed-to file is there");
        assert!(found.same_file(meta));
        chunks.clone()
    }

    pub fn crash(&mut self, survive: usize) {
        self.stop();
        self.disk.crash(survive);
    }

    pub fn leave(&mut self) {
        self.stop();
        self.left = true;
    }

    fn stop(&mut self) {
        self.core = None;
        self.inbox.clear();
        self.answers.clear();
        self.writing = None;
        self.sync_later = false;
        self.life += 1;
    }

    pub fn status(&self) -> Option<Status> {
        self.core.as_ref().map(Core::status)
    }

    fn check<T>(&mut self, result: Result<T, Fatal>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fatal) if self.expect_fatal => {
                self.stop();
                self.left = true;
                self.fatal = Some(fatal);
                None
            }
            Err(fatal) => panic!("replica {}: {fatal}", self.id),
        }
    }

    pub fn feed(&mut self) {
        for input in std::mem::take(&mut self.inbox) {
            let Some(core) = &mut self.core else { return };
            let handled = core.handle(input);
            self.check(handled);
        }
        if let Some(core) = &mut self.core {
            core.tick(std::mem::take(&mut self.ticks_due));
        }
    }

    pub fn ready(&mut self) -> Option<Work<u64>> {
        let work = self.core.as_mut()?.ready();
        self.check(work).flatten()
    }

    pub fn read(&mut self, reads: &[LogRead]) {
        for read in reads {
            let entries = match self.store.read(read.low, read.high, read.max_bytes) {
                Err(StoreError::Gone { .. }) => Vec::new(),
                other => other.unwrap(),
            };
            self.answers.push(Input::LogRead { id: read.id, entries });
        }
    }

    pub fn install(&mut self, meta: &SnapshotMeta) {
        let mut chunks = self.chunks(meta).into_iter().map(Ok);
        if let Some(core) = &mut self.core {
            let installed = core.install(&mut chunks);
            self.check(installed);
        }
    }

    pub fn append(&mut self, batch: &WriteBatch) {
        self.store.append(batch).unwrap();
    }

    /// The sync has returned.
    pub fn synced(&mut self) -> Option<WriteBatch> {
        if self.core.is_some() && (self.writing.is_some() || std::mem::take(&mut self.sync_later)) {
            self.store.sync().unwrap();
        }
        self.writing.take()
    }

    pub fn persisted(&mut self, written: Option<WriteBatch>) -> Option<Effects<u64>> {
        let effects = self.core.as_mut()?.persisted(written);
        let effects = self.check(effects);
        self.inbox.append(&mut self.answers);
        effects
    }
}
