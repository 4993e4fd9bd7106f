//! Opening a replica's disk, restoring its state, starting its thread.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam_channel::bounded;

use super::driver::Driver;
use super::handle::Shared;
use super::intake::Intake;
use super::{Handle, Node, NodeOptions, Start};
use crate::config::INPUTS_QUEUED_MAX;
use crate::core::Core;
use crate::error::Fatal;
use crate::log_store::{Boot, LogStore, StoreError};
use crate::peers::Peers;
use crate::snapshot::{SnapshotFolder, SnapshotMeta};
use crate::state_machine::StateMachine;

const SNAPSHOTS: &str = "snapshots";

pub(super) fn start<S: StateMachine, P: Peers>(
    mut store: Box<dyn LogStore>,
    options: NodeOptions,
    state_machine: S,
    peers: P,
    on_fatal: Box<dyn FnOnce(Fatal) + Send>,
) -> Result<(Node, Handle<S::Outcome>), Fatal> {
    let boot = load(store.as_mut(), &options)?;
    let identity = boot.identity;
    let folder = SnapshotFolder::open(&options.data_dir.join(SNAPSHOTS), identity.fingerprint)?;
    let snapshot = boot.snapshot.clone();
    let mut chunks = if snapshot.has_file() { Some(folder.chunks(&snapshot)?) } else { None };
    let chunks = chunks.as_mut().map(|chunks| chunks as &mut dyn Iterator<Item = _>);
    let core = Core::new(options.config.clone(), &boot, state_machine, chunks, options.seed)?;
    let shared = Arc::new(Shared {
        status: Mutex::new(Arc::new(core.status())),
        snapshot: Mutex::new(Some(snapshot)),
        folder,
        queued_bytes: AtomicUsize::new(0),
    });
    let (sender, receiver) = bounded(INPUTS_QUEUED_MAX);
    let intake = Arc::new(Intake::default());
    let driver =
        Driver::new(core, store, peers, receiver, intake.clone(), shared.clone(), (options.config, options.on_sync));
    let thread = thread::Builder::new()
        .name("raft".to_owned())
        .spawn(move || driver.run(on_fatal))
        .map_err(|error| Fatal::Raft(format!("starting the consensus thread: {error}")))?;
    Ok((Node { thread: Some(thread), identity }, Handle::new(sender, intake, shared)))
}

/// Loads what is on the disk and checks whose it is; an empty disk is created as the caller wants, or refused.
fn load(store: &mut dyn LogStore, options: &NodeOptions) -> Result<Boot, Fatal> {
    if let Some(boot) = store.load()? {
        check_identity(&boot, options)?;
        return Ok(boot);
    }
    let identity = &options.identity;
    let wiped = || StoreError::Wiped { path: options.data_dir.clone(), raft_id: identity.raft_id };
    if options.expected_marker.is_some() {
        return Err(wiped().into());
    }
    let first = match &options.start {
        Start::Restart => return Err(wiped().into()),
        Start::Join => SnapshotMeta { index: 0, term: 0, ..SnapshotMeta::bootstrap(crate::Membership::default()) },
        Start::Bootstrap(membership) if membership.get(identity.raft_id).is_some() => {
            SnapshotMeta::bootstrap(membership.clone())
        }
        Start::Bootstrap(membership) => {
            let id = identity.raft_id;
            return Err(Fatal::Config(format!("replica {id} is not among the first members ({membership})")));
        }
    };
    store.create(identity, &first)?;
    store.load()?.ok_or_else(|| wiped().into())
}

fn check_identity(boot: &Boot, options: &NodeOptions) -> Result<(), StoreError> {
    let (found, expected) = (&boot.identity, &options.identity);
    let foreign = |what, found, expected| StoreError::Foreign { path: options.data_dir.clone(), what, found, expected };
    if found.fingerprint != expected.fingerprint {
        let (found, expected) = (format!("{:032x}", found.fingerprint), format!("{:032x}", expected.fingerprint));
        return Err(foreign("cluster", found, expected));
    }
    if found.raft_id != expected.raft_id {
        return Err(foreign("replica", found.raft_id.to_string(), expected.raft_id.to_string()));
    }
    match options.expected_marker {
        Some(marker) if marker != found.marker => {
            Err(foreign("the disk with marker", format!("{:032x}", found.marker), format!("{marker:032x}")))
        }
        _ => Ok(()),
    }
}
