//! All pretended containers of one instance. An operation begins at one time and ends at another; the shell (or the
//! simulator's world) waits in between.

use std::collections::{BTreeMap, BTreeSet};

use drydock_proto::ecs::{NetworkMode, TransportProtocol};

use crate::io::{FailureKind, Listed, Outcome, RuntimeError, RuntimeOp};
use crate::limits::Millis;
use crate::network::{elastic_network_interface, hash};
use crate::simulated::knobs::{Knobs, StageRow};
use crate::simulated::row::{Row, Stop, digest};
use crate::spec::ContainerSpec;

/// The first of the ports that are given where a task wants any (as Docker's).
const PORT_FIRST: u16 = 32_768;
/// How many there are; when all are taken, creating a container fails.
const PORTS: u16 = 28_000;

/// What changed in the table: to be kept, so that a killed agent loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Change {
    /// A new row or a changed one.
    Put(Box<Row>),
    /// A row that is gone.
    Drop(String),
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    stages: Vec<StageRow>,
    rows: BTreeMap<String, Row>,
    /// When each row changes by itself.
    moments: BTreeSet<(Millis, String)>,
    /// How many rows have a port of the host, and whether it is UDP.
    ports: BTreeMap<(u16, bool), u32>,
    changes: Vec<Change>,
}

impl Simulated {
    /// A table with what was kept.
    #[must_use]
    pub fn new(stages: Vec<StageRow>, kept: impl IntoIterator<Item = Change>) -> Self {
        let mut table = Self { stages, ..Self::default() };
        for change in kept {
            match change {
                Change::Put(row) => table.put(*row),
                Change::Drop(runtime_id) => drop(table.take(&runtime_id)),
            }
        }
        table.changes.clear();
        table
    }

    /// Puts a row in its place.
    fn put(&mut self, row: Row) {
        self.take(&row.runtime_id);
        self.moments.extend(row.changes().map(|at| (at, row.runtime_id.clone())));
        for (_, host, udp) in &row.ports {
            *self.ports.entry((*host, *udp)).or_default() += 1;
        }
        self.changes.push(Change::Put(Box::new(row.clone())));
        self.rows.insert(row.runtime_id.clone(), row);
    }

    /// Takes a row out.
    fn take(&mut self, runtime_id: &str) -> Option<Row> {
        let row = self.rows.remove(runtime_id)?;
        for at in row.changes() {
            self.moments.remove(&(at, row.runtime_id.clone()));
        }
        for (_, host, udp) in &row.ports {
            let key = (*host, *udp);
            match self.ports.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.ports.remove(&key)),
            }
        }
        Some(row)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, by id.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// One row.
    #[must_use]
    pub fn row(&self, runtime_id: &str) -> Option<&Row> {
        self.rows.get(runtime_id)
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// An operation begins. Returns when it ends; then [`Self::end`] is due.
    pub fn begin(&mut self, op: &RuntimeOp, now: Millis) -> Millis {
        match op {
            RuntimeOp::Pull(spec) => now + Knobs::read(&self.stages, spec).map_or(0, |knobs| knobs.pull_ms),
            RuntimeOp::Start { runtime_id } => now + self.rows.get(runtime_id).map_or(0, |row| row.knobs.start_ms),
            RuntimeOp::Stop { runtime_id, timeout_ms } => {
                let Some(row) = self.rows.get(runtime_id) else { return now };
                let over = row.end().is_some_and(|(at, _)| at <= now);
                let mut row = row.clone();
                if row.stop.is_none() && !over {
                    row.stop = Some(Stop { at: now, timeout_ms: *timeout_ms });
                    self.put(row.clone());
                }
                row.end().map_or(now, |(at, _)| at.max(now))
            }
            _ => now,
        }
    }

    /// An operation ends: what came of it.
    ///
    /// # Errors
    /// What the knobs say, a knob that can't be read, or no such container.
    pub fn end(&mut self, op: &RuntimeOp, now: Millis) -> Result<Outcome, RuntimeError> {
        match op {
            RuntimeOp::ProvideNetwork(task) => {
                let bits = hash(&[task.task_arn(), "address"]) >> 64;
                let [_, a, b, c] = u32::try_from(bits & 0xFFFF_FFFF).unwrap_or_default().to_be_bytes();
                let mac = format!("0a:58:0a:{a:02x}:{b:02x}:{c:02x}");
                Ok(Outcome::Network(elastic_network_interface(task, &format!("10.{a}.{b}.{c}"), &mac)))
            }
            RuntimeOp::Pull(spec) => {
                let knobs = self.knobs(spec)?;
                refuse(knobs.pull_error.as_deref())?;
                Ok(Outcome::Pulled { image_digest: digest(&spec.image(), &knobs) })
            }
            RuntimeOp::Create(spec) => self.create(spec, now),
            RuntimeOp::Start { runtime_id } => self.start(runtime_id, now),
            RuntimeOp::Stop { runtime_id, .. } | RuntimeOp::Inspect { runtime_id } => {
                Ok(Outcome::Observed(self.known(runtime_id)?.observe(now)))
            }
            RuntimeOp::Remove { runtime_id } => {
                if self.take(runtime_id).is_some() {
                    self.changes.push(Change::Drop(runtime_id.clone()));
                }
                Ok(Outcome::Done)
            }
            RuntimeOp::ReleaseNetwork { .. } | RuntimeOp::ForgetTask { .. } => Ok(Outcome::Done),
            RuntimeOp::List => Ok(Outcome::Listed(self.rows.values().map(|row| listed(row, now)).collect())),
        }
    }

    /// The next moment after `after` at which a row changes by itself.
    #[must_use]
    pub fn next_change(&self, after: Millis) -> Option<Millis> {
        self.moments.range((after + 1, String::new())..).next().map(|(at, _)| *at)
    }

    /// Rows that changed by themselves in `(after, until]`, each once, by id.
    #[must_use]
    pub fn changed(&self, after: Millis, until: Millis) -> Vec<String> {
        let from = (after + 1, String::new());
        let changed = self.moments.range(from..).take_while(|(at, _)| *at <= until);
        changed.map(|(_, runtime_id)| runtime_id.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn knobs(&self, spec: &ContainerSpec) -> Result<Knobs, RuntimeError> {
        Knobs::read(&self.stages, spec)
            .map_err(|error| RuntimeError { kind: FailureKind::Failed, message: error.to_string() })
    }

    fn known(&self, runtime_id: &str) -> Result<&Row, RuntimeError> {
        self.rows.get(runtime_id).ok_or_else(|| gone(runtime_id))
    }

    fn create(&mut self, spec: &ContainerSpec, now: Millis) -> Result<Outcome, RuntimeError> {
        let runtime_id = format!("{:032x}", hash(&[spec.task.task_arn(), spec.name(), "container"]));
        if let Some(row) = self.rows.get(&runtime_id) {
            return Ok(Outcome::Observed(row.observe(now)));
        }
        let knobs = self.knobs(spec)?;
        refuse(knobs.create_error.as_deref())?;
        let definition = spec.definition();
        const INTERVAL_S: i32 = 30;
        let interval = definition.health_check.as_ref().map(|check| check.interval.unwrap_or(INTERVAL_S));
        let row = Row {
            runtime_id,
            task_arn: spec.task.task_arn().to_owned(),
            container: spec.name().to_owned(),
            image: spec.image().into_owned(),
            knobs,
            health_interval_ms: interval.map(|seconds| u64::try_from(seconds).unwrap_or_default() * 1_000),
            ports: self.ports(spec)?,
            created_at: now,
            started_at: None,
            stop: None,
        };
        let seen = row.observe(now);
        self.put(row);
        Ok(Outcome::Observed(seen))
    }

    /// Ports of the host for a container in bridge mode.
    fn ports(&self, spec: &ContainerSpec) -> Result<Vec<(u16, u16, bool)>, RuntimeError> {
        if spec.task.network_mode() != NetworkMode::Bridge {
            return Ok(Vec::new());
        }
        let mut taken: BTreeSet<(u16, bool)> = BTreeSet::new();
        let mut out = Vec::new();
        for mapping in &spec.definition().port_mappings {
            let udp = mapping.protocol() == TransportProtocol::Udp;
            let Ok(container) = u16::try_from(mapping.container_port()) else { continue };
            let wanted = mapping.host_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
            let host = match wanted {
                Some(port) => port,
                None => (0..PORTS)
                    .map(|at| PORT_FIRST + at)
                    .find(|port| !taken.contains(&(*port, udp)) && !self.ports.contains_key(&(*port, udp)))
                    .ok_or_else(|| failed("all ports of the instance are taken"))?,
            };
            taken.insert((host, udp));
            out.push((container, host, udp));
        }
        Ok(out)
    }

    fn start(&mut self, runtime_id: &str, now: Millis) -> Result<Outcome, RuntimeError> {
        let mut row = self.rows.get(runtime_id).cloned().ok_or_else(|| gone(runtime_id))?;
        let running = row.started_at.is_some() && row.end().is_none_or(|(at, _)| at > now);
        if !running {
            refuse(row.knobs.start_error.as_deref())?;
            row.started_at = Some(now);
            row.stop = None;
            self.put(row.clone());
        }
        Ok(Outcome::Observed(row.observe(now)))
    }
}

fn listed(row: &Row, now: Millis) -> Listed {
    Listed { task_arn: row.task_arn.clone(), container: row.container.clone(), observation: row.observe(now) }
}

fn refuse(error: Option<&str>) -> Result<(), RuntimeError> {
    error.map_or(Ok(()), |message| Err(failed(message)))
}

fn failed(message: &str) -> RuntimeError {
    RuntimeError { kind: FailureKind::Failed, message: message.to_owned() }
}

fn gone(runtime_id: &str) -> RuntimeError {
    RuntimeError { kind: FailureKind::NotFound, message: format!("no such container: {runtime_id}") }
}
