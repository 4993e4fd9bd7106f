//! The checkers: what must hold at every committed entry, whoever applied it, and what must hold once all is quiet.

use std::collections::BTreeMap;

use drydock_model::status::{ServiceStatus, TaskStatus};
use drydock_state::row::{InstanceRow, ServiceRow, TaskRow};
use drydock_state::{InstanceKey, State};

use crate::machine::Entry;

/// What an entry was, and what it led to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    term: u64,
    payload: Vec<u8>,
    digest: u64,
}

/// All entries that any replica applied.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Seen>,
    newest: Option<(u64, State)>,
    leaders: BTreeMap<u64, u64>,
    acknowledged: Vec<u64>,
}

impl Ledger {
    /// How many entries were committed.
    pub(crate) fn commits(&self) -> usize {
        self.entries.len()
    }

    /// The newest entry.
    pub(crate) fn frontier(&self) -> u64 {
        self.newest.as_ref().map_or(0, |(index, _)| *index)
    }

    /// A replica applied an entry.
    pub(crate) fn applied(&mut self, by: u64, entry: Entry) -> Result<(), String> {
        let Entry { index, term, payload, state, .. } = entry;
        let seen = Seen { term, payload, digest: state.digest() };
        match self.entries.get(&index) {
            Some(other) if (other.term, &other.payload) != (seen.term, &seen.payload) => {
                return Err(format!("controller {by} applied another entry {index} than others did"));
            }
            Some(other) if other.digest != seen.digest => {
                return Err(format!("controller {by} has another state at entry {index} than others"));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        self.entries.insert(index, seen);
        let before = self.newest.replace((index, state));
        match (before, &self.newest) {
            (Some((earlier, _)), _) if earlier > index => {
                Err(format!("entry {index} is new though {earlier} was known"))
            }
            (Some((_, before)), Some((_, after))) => {
                step(&before, after).map_err(|why| format!("entry {index}: {why}"))
            }
            _ => Ok(()),
        }
    }

    /// A controller leads a term.
    pub(crate) fn leads(&mut self, term: u64, who: u64) -> Result<(), String> {
        match self.leaders.insert(term, who) {
            Some(other) if other != who => Err(format!("controllers {other} and {who} both lead term {term}")),
            _ => Ok(()),
        }
    }

    /// A client was told that its write is entry `index`.
    pub(crate) fn acknowledged(&mut self, index: u64) {
        self.acknowledged.push(index);
    }

    /// Every acknowledged write is in the log that all agree upon.
    pub(crate) fn kept(&self) -> Result<(), String> {
        match self.acknowledged.iter().find(|index| !self.entries.contains_key(index)) {
            Some(index) => Err(format!("entry {index} was acknowledged, and nobody applied it")),
            None => Ok(()),
        }
    }
}

/// What one entry must not do.
fn step(before: &State, after: &State) -> Result<(), String> {
    for row in after.all_instances() {
        instance(before, after, row)?;
    }
    for row in after.all_services().filter(|row| !row.is_daemon() && row.status == ServiceStatus::Active) {
        maximum(before, after, row)?;
    }
    for row in after.all_tasks() {
        if let Some(earlier) = before.task(row.key) {
            task(earlier, row)?;
        }
        if row.service.is_some_and(|owner| after.service(owner.service).is_none()) && !row.is_stopped() {
            return Err(format!("task {} lives and its service isn't there", row.key));
        }
    }
    Ok(())
}

fn instance(before: &State, after: &State, row: &InstanceRow) -> Result<(), String> {
    if before.instance(row.key).is_some_and(|earlier| earlier.changed_at > row.changed_at) {
        return Err(format!("the manifest of {} goes back", row.key));
    }
    let mut left = row.registered.clone();
    if after.live_tasks_on(row.key).any(|task| left.take(&task.launch.needs).is_err()) {
        return Err(format!("{} has less than its tasks need", row.key));
    }
    daemons(after, row.key)
}

/// An entry that starts tasks of a service leaves no more than its maximumPercent allows.
fn maximum(before: &State, after: &State, service: &ServiceRow) -> Result<(), String> {
    let tasks = || after.live_tasks_of(service.key).filter(|row| row.last_status <= TaskStatus::Running);
    if tasks().all(|row| before.task(row.key).is_some()) {
        return Ok(());
    }
    let (desired, percent) = (u64::from(service.desired_count), u64::from(service.maximum_percent()));
    let most = (desired * percent / 100).max(desired);
    match u64::try_from(tasks().count()) {
        Ok(count) if count <= most => Ok(()),
        _ => Err(format!("{} tasks of service {}, of {most} at most", tasks().count(), service.name)),
    }
}

/// Of a DAEMON service there is one task at most on an instance that goes on.
fn daemons(state: &State, key: InstanceKey) -> Result<(), String> {
    for service in state.daemon_services(key.cluster).filter(|row| row.status == ServiceStatus::Active) {
        let of = |task: &&std::sync::Arc<TaskRow>| {
            task.service.is_some_and(|owner| owner.service == service.key) && !task.is_told_to_stop()
        };
        let tasks = state.live_tasks_on(key).filter(of).count();
        if tasks > 1 {
            return Err(format!("{tasks} tasks of a DAEMON service on {key}"));
        }
    }
    Ok(())
}

fn task(before: &TaskRow, after: &TaskRow) -> Result<(), String> {
    if after.last_status < before.last_status {
        return Err(format!("task {} goes from {:?} back to {:?}", after.key, before.last_status, after.last_status));
    }
    if after.desired_status < before.desired_status {
        return Err(format!("task {} is wanted again", after.key));
    }
    if before.instance.is_some() && before.instance != after.instance {
        return Err(format!("task {} moved", after.key));
    }
    if before.service != after.service {
        return Err(format!("task {} has another owner", after.key));
    }
    Ok(())
}

/// CPU units of every task in the world.
pub(crate) const TASK_CPU: u32 = 256;
/// MiB of every task in the world.
pub(crate) const TASK_MEMORY_MIB: u32 = 512;
