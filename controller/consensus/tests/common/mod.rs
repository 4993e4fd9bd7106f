//! A cluster of real nodes in one process, linked by channels.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use drydock_consensus::{
    Applied, ConfError, Config, EntryRef, Fatal, Halt, Handle, Identity, Membership, Node, NodeOptions, Peers,
    ProposeError, RaftId, Role, SnapshotError, SnapshotFetch, SnapshotSource, Start, StateMachine, StoreKind,
};
use tempfile::TempDir;

/// Who is reachable.
type Switchboard = Arc<Mutex<BTreeMap<RaftId, Handle<u64>>>>;
pub type Payloads = Arc<Mutex<Vec<Vec<u8>>>>;

/// A state machine that keeps all payloads.
pub struct Tape {
    pub payloads: Payloads,
}

impl StateMachine for Tape {
    type Outcome = u64;

    fn apply(&mut self, entry: EntryRef<'_>) -> Result<u64, Halt> {
        self.payloads.lock().unwrap().push(entry.payload.to_vec());
        Ok(entry.index)
    }

    fn publish(&mut self, _index: u64, _term: u64) {}

    fn snapshot(&self) -> Box<dyn SnapshotSource> {
        Box::new(TapeSource(self.payloads.lock().unwrap().clone().into_iter()))
    }

    fn restore(
        &mut self,
        index: u64,
        _term: u64,
        chunks: &mut dyn Iterator<Item = Result<Vec<u8>, SnapshotError>>,
    ) -> Result<(), Halt> {
        let mut payloads = self.payloads.lock().unwrap();
        payloads.clear();
        for chunk in chunks {
            payloads.push(chunk.map_err(|error| Halt { index, reason: error.to_string() })?);
        }
        Ok(())
    }

    fn role_changed(&mut self, _role: Role, _term: u64, _leader: Option<RaftId>) {}

    fn membership_changed(&mut self, _index: u64, _membership: &Membership) {}
}

struct TapeSource(std::vec::IntoIter<Vec<u8>>);

impl SnapshotSource for TapeSource {
    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.0.next())
    }
}

pub struct Links {
    id: RaftId,
    board: Switchboard,
}

impl Peers for Links {
    fn send(&mut self, to: RaftId, messages: Vec<Vec<u8>>) -> bool {
        let peer = self.board.lock().unwrap().get(&to).cloned();
        peer.is_some_and(|peer| messages.into_iter().all(|message| peer.step(message)))
    }

    fn fetch_snapshot(&mut self, mut fetch: SnapshotFetch) {
        let peer = self.board.lock().unwrap().get(&fetch.from()).cloned();
        let to = self.id;
        std::thread::spawn(move || {
            let Some(peer) = peer else { return };
            let (index, term) = (fetch.meta().index, fetch.meta().term);
            let Ok(mut reader) = peer.serve_snapshot(to, index, term) else { return };
            loop {
                let bytes = reader.read_at(fetch.offset(), 1_000).unwrap();
                if bytes.is_empty() {
                    break;
                }
                fetch.write(&bytes).unwrap();
            }
            drop(reader);
            fetch.finish().unwrap();
        });
    }

    fn membership_changed(&mut self, _membership: &Membership) {}
}

struct Member {
    folder: TempDir,
    payloads: Payloads,
    running: Option<(Node, Handle<u64>)>,
    join: bool,
    fatal: Arc<Mutex<Option<Fatal>>>,
}

pub struct Cluster {
    kind: StoreKind,
    config: Config,
    board: Switchboard,
    members: BTreeMap<RaftId, Member>,
    first: Option<Membership>,
    starts: u64,
}

pub fn wait_for(most: Duration, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < most, "not within {most:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Proposes to whoever leads, until it is acknowledged.
pub fn propose(cluster: &Cluster, payload: &[u8], most: Duration) -> Applied<u64> {
    let began = Instant::now();
    loop {
        let leader = cluster.wait_leader(most);
        let (sender, receiver) = mpsc::channel();
        cluster.handle(leader).propose(payload.to_vec(), move |result| sender.send(result).unwrap());
        match receiver.recv_timeout(most).unwrap() {
            Ok(applied) => return applied,
            Err(ProposeError::Unknown) => panic!("the test can't know whether it was written"),
            Err(error) => assert!(began.elapsed() < most, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Cluster {
    pub fn new(kind: StoreKind, config: Config) -> Self {
        Self { kind, config, board: Switchboard::default(), members: BTreeMap::new(), first: None, starts: 0 }
    }

    pub fn start_all(&mut self, count: u64) {
        let members = (1..=count).map(|id| (id, format!("at {id}").into_bytes()));
        self.first = Some(Membership::bootstrap(members).unwrap());
        for id in 1..=count {
            self.add(id, false);
        }
    }

    pub fn join(&mut self, id: RaftId) {
        self.add(id, true);
    }

    fn add(&mut self, id: RaftId, join: bool) {
        let folder = TempDir::new().unwrap();
        let member = Member { folder, payloads: Payloads::default(), running: None, join, fatal: Arc::default() };
        self.members.insert(id, member);
        self.start(id);
    }

    pub fn options(&self, id: RaftId) -> NodeOptions {
        let member = &self.members[&id];
        NodeOptions {
            data_dir: member.folder.path().to_owned(),
            store: self.kind,
            identity: Identity { fingerprint: 0xf1, raft_id: id, marker: u128::from(id) },
            expected_marker: None,
            start: if member.join { Start::Join } else { Start::Bootstrap(self.first.clone().unwrap()) },
            config: self.config.clone(),
            seed: self.starts,
            on_sync: drydock_consensus::OnSync::default(),
        }
    }

    pub fn start(&mut self, id: RaftId) {
        self.starts += 1;
        let options = self.options(id);
        let board = self.board.clone();
        let member = self.members.get_mut(&id).unwrap();
        member.payloads.lock().unwrap().clear();
        let fatal = member.fatal.clone();
        let tape = Tape { payloads: member.payloads.clone() };
        let on_fatal = move |error| *fatal.lock().unwrap() = Some(error);
        let (node, handle) = Node::start(options, tape, Links { id, board }, on_fatal).unwrap();
        self.board.lock().unwrap().insert(id, handle.clone());
        member.running = Some((node, handle));
    }

    /// Cuts it off and ends it, so that it can tell nobody.
    pub fn kill(&mut self, id: RaftId) {
        self.board.lock().unwrap().remove(&id);
        self.stop(id);
    }

    pub fn stop(&mut self, id: RaftId) {
        if let Some((node, handle)) = self.members.get_mut(&id).unwrap().running.take() {
            handle.stop();
            drop(handle);
            node.join();
        }
        self.board.lock().unwrap().remove(&id);
    }

    pub fn stop_all(&mut self) {
        for id in self.ids() {
            self.stop(id);
        }
        for (id, member) in &self.members {
            let fatal = member.fatal.lock().unwrap().take();
            if let Some(fatal) = fatal.filter(|fatal| !matches!(fatal, Fatal::Removed { .. })) {
                panic!("replica {id}: {fatal}");
            }
        }
    }

    pub fn ids(&self) -> Vec<RaftId> {
        self.members.keys().copied().collect()
    }

    pub fn handle(&self, id: RaftId) -> Handle<u64> {
        self.members[&id].running.as_ref().unwrap().1.clone()
    }

    pub fn payloads(&self, id: RaftId) -> Vec<Vec<u8>> {
        self.members[&id].payloads.lock().unwrap().clone()
    }

    pub fn fatal(&self, id: RaftId) -> Option<Fatal> {
        self.members[&id].fatal.lock().unwrap().take()
    }

    pub fn leader(&self) -> Option<RaftId> {
        let running = self.members.values().filter_map(|member| member.running.as_ref());
        let statuses = running.map(|(_, handle)| handle.status());
        statuses.filter(|status| status.role == Role::Leader).max_by_key(|status| status.term).map(|status| status.id)
    }

    pub fn wait_leader(&self, most: Duration) -> RaftId {
        wait_for(most, || self.leader().is_some());
        self.leader().unwrap()
    }

    pub fn propose_quietly(&self, payload: &[u8]) {
        if let Some(leader) = self.leader() {
            self.handle(leader).propose(payload.to_vec(), |_| {});
        }
    }

    /// Changes the membership through whoever leads, until it worked.
    pub fn change(&self, most: Duration, change: impl Fn(Handle<u64>, Box<dyn FnOnce(Result<u64, ConfError>) + Send>)) {
        let began = Instant::now();
        loop {
            let (sender, receiver) = mpsc::channel();
            change(self.handle(self.wait_leader(most)), Box::new(move |result| sender.send(result).unwrap()));
            match receiver.recv_timeout(most).unwrap() {
                Ok(_) => return,
                Err(error) => assert!(began.elapsed() < most, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
