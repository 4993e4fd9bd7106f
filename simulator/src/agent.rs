//! One pretended machine with an agent: the real engine, the real session core, a journal that loses what wasn't synced, and
//! containers that pretend. The agent may crash and leave its containers running, or the whole machine may.

use std::collections::{BTreeMap, BTreeSet};

use drydock_engine::session::{Dialler, First, Heard, Pulse};
use drydock_engine::simulated::Simulated;
use drydock_engine::simulated::knobs::StageRow;
use drydock_engine::{Effect, EffectId, Engine, Input, JournalWrite, Offer, Restored, RuntimeOp, Settings};
use drydock_model::capabilities;
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{
    Ack, AssignedTask, Capacity, Heartbeat, Hello, ManifestRequest, Report, Reports, Serves, StopVerification,
};
use drydock_proto::ecs::{Attribute, TaskDefinition};

use crate::leader::Conn;

/// Milliseconds since 1970, by the machine's clock.
type Millis = u64;

/// A stopped task's containers stay for so long.
const CLEANUP_WAIT_MS: Millis = 20_000;

/// What the agent wants of the world.
#[derive(Debug)]
pub(crate) enum Out {
    Up(Box<Up>),
    /// An operation begins, and ends at a moment of the machine's clock.
    Op(EffectId, Box<RuntimeOp>, Millis),
    /// A batch goes to the journal.
    Journal(EffectId, Vec<JournalWrite>),
    Violation(String),
}

/// What is on the disk.
#[derive(Debug, Default)]
struct Journal {
    sequence: u64,
    tasks: BTreeMap<String, AssignedTask>,
    definitions: BTreeMap<String, TaskDefinition>,
    reports: BTreeMap<String, (Report, bool)>,
}

/// A stream to a controller.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) conn: Conn,
    /// Once the leader said welcome.
    pub(crate) pulse: Option<Pulse>,
}

/// What came of a message.
#[derive(Debug)]
pub(crate) enum Told {
    Nothing,
    /// The stream is over: where the leader is said to be, if that was told first.
    Over(Option<String>),
    Refused(String),
}

/// What a machine is beside its room: a container instance without a type, whose containers do what their labels say, where
/// nobody says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) instance_type: Option<String>,
    /// Which tasks it is there for.
    pub(crate) serves: Serves,
    /// What containers of its images do.
    pub(crate) stages: Vec<StageRow>,
}

impl Default for Kind {
    fn default() -> Self {
        Self { instance_type: None, serves: Serves::Ec2, stages: Vec::new() }
    }
}

/// The machine.
pub(crate) struct Agent {
    pub(crate) name: String,
    zone: String,
    cpu: u32,
    memory_mib: u32,
    kind: Kind,
    arn: String,
    journal: Journal,
    pub(crate) table: Simulated,
    /// Until then the world has told what changed in the table.
    pub(crate) seen_ms: Millis,
    pub(crate) engine: Option<Engine>,
    pub(crate) dialler: Dialler,
    pub(crate) line: Option<Line>,
    pub(crate) life: u64,
    operations: BTreeSet<EffectId>,
    /// When the engine's next tick is scheduled.
    pub(crate) tick_at: Option<Millis>,
    out: Vec<Out>,
}

impl Agent {
    pub(crate) fn new(name: String, zone: String, (cpu, memory_mib): (u32, u32), controllers: Vec<String>) -> Self {
        Self {
            name,
            zone,
            cpu,
            memory_mib,
            kind: Kind::default(),
            arn: String::new(),
            journal: Journal::default(),
            table: Simulated::default(),
            seen_ms: 0,
            engine: None,
            dialler: Dialler::new(controllers),
            line: None,
            life: 0,
            operations: BTreeSet::new(),
            tick_at: None,
            out: Vec::new(),
        }
    }

    /// The same machine of another kind, before it starts.
    pub(crate) fn of_kind(self, kind: Kind) -> Self {
        Self { table: Simulated::new(kind.stages.clone(), []), kind, ..self }
    }

    pub(crate) fn take_out(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    /// The agent starts on its disk.
    pub(crate) fn start(&mut self, now: Millis) {
        let journal = &self.journal;
        let restored = Restored {
            sequence: journal.sequence,
            tasks: journal.tasks.values().cloned().collect(),
            reports: journal.reports.values().cloned().collect(),
            definitions: journal.definitions.values().cloned().collect(),
        };
        let offer = Offer { cpu: u64::from(self.cpu), memory_mib: u64::from(self.memory_mib) };
        self.engine = Some(Engine::new(Settings { offer, cleanup_wait_ms: CLEANUP_WAIT_MS }, restored, now));
        self.life += 1;
        self.step(Input::Tick, now);
    }

    /// The agent ends at once. Its containers go on, unless the whole machine fails.
    pub(crate) fn crash(&mut self, whole: bool) {
        self.engine = None;
        self.line = None;
        self.operations.clear();
        self.tick_at = None;
        self.out.clear();
        self.life += 1;
        if whole {
            self.table = Simulated::new(self.kind.stages.clone(), []);
        }
    }

    pub(crate) fn step(&mut self, input: Input, now: Millis) {
        let Some(engine) = &mut self.engine else { return };
        for effect in engine.step(input, now) {
            self.perform(effect, now);
        }
    }

    fn perform(&mut self, effect: Effect, now: Millis) {
        match effect {
            Effect::Run { id, op } => {
                let ends = self.table.begin(&op, now);
                self.operations.insert(id);
                self.out.push(Out::Op(id, Box::new(op), ends));
            }
            Effect::Cancel { id } => drop(self.operations.remove(&id)),
            Effect::Journal { id, writes } => self.out.push(Out::Journal(id, writes)),
            Effect::Ack { sequence } => self.say(Up::Ack(Ack { sequence }), now),
            Effect::Report(reports) => self.say(Up::Reports(Reports { reports }), now),
            Effect::AskStopVerification { sequence, task_arns } => {
                self.say(Up::StopVerification(StopVerification { manifest_sequence: sequence, task_arns }), now);
            }
            Effect::RequestManifest { have_sequence } => {
                self.say(Up::ManifestRequest(ManifestRequest { have_sequence }), now);
            }
        }
    }

    /// Says something, where there is a session.
    fn say(&mut self, message: Up, now: Millis) {
        if let Some(pulse) = self.line.as_mut().and_then(|line| line.pulse.as_mut()) {
            pulse.said(now);
            self.out.push(Out::Up(Box::new(message)));
        }
    }

    /// A heartbeat, where one is due.
    pub(crate) fn beat(&mut self, now: Millis) {
        let due = self.line.as_ref().and_then(|line| line.pulse).is_some_and(|pulse| pulse.due_at() <= now);
        if let Some(engine) = self.engine.as_ref().filter(|_| due) {
            let manifest_sequence = engine.manifest().0;
            self.say(Up::Heartbeat(Heartbeat { manifest_sequence }), now);
        }
    }

    /// An operation of the runtime ends.
    pub(crate) fn ended(&mut self, id: EffectId, op: &RuntimeOp, now: Millis) {
        if self.operations.remove(&id) {
            let result = self.table.end(op, now);
            self.step(Input::Done { id, result }, now);
        }
    }

    /// The journal is synced.
    pub(crate) fn journaled(&mut self, id: EffectId, writes: Vec<JournalWrite>, now: Millis) {
        for write in writes {
            self.journal.write(write);
        }
        self.step(Input::Journaled(id), now);
    }

    pub(crate) fn hello(&self) -> Option<Hello> {
        let (manifest_sequence, digest) = self.engine.as_ref()?.manifest();
        let named = |name: &str, value: Option<String>| Attribute {
            name: Some(name.to_owned()),
            value,
            ..Attribute::default()
        };
        let mut attributes = vec![named("ecs.availability-zone", Some(self.zone.clone()))];
        if let Some(instance_type) = &self.kind.instance_type {
            attributes.push(named("ecs.instance-type", Some(instance_type.clone())));
        }
        attributes.extend(capabilities::all().iter().map(|name| named(name, None)));
        Some(Hello {
            cluster: "default".to_owned(),
            instance_token: self.name.clone(),
            container_instance_arn: self.arn.clone(),
            capacity: Some(Capacity { cpu: self.cpu, memory_mib: self.memory_mib, ..Capacity::default() }),
            attributes,
            agent_version: "simulated".to_owned(),
            runtime: "simulated".to_owned(),
            manifest_sequence,
            manifest_digest: digest.to_vec(),
            serves: self.kind.serves.into(),
            ..Hello::default()
        })
    }

    /// The controller says something.
    pub(crate) fn hear(&mut self, message: Down, now: Millis) -> Told {
        let Some(line) = &mut self.line else { return Told::Nothing };
        if line.pulse.is_none() {
            return match self.dialler.greeted(message) {
                First::Welcome(welcome) => {
                    line.pulse = Some(Pulse::new(&welcome, now));
                    self.arn = welcome.container_instance_arn;
                    self.step(Input::SessionOpened, now);
                    Told::Nothing
                }
                First::Redirect(leader) => Told::Over(Some(leader)),
                First::Refused(reason) => Told::Refused(reason),
                First::Other(_) => Told::Over(None),
            };
        }
        let message = match self.dialler.hear(message) {
            Heard::Message(message) => *message,
            Heard::Taken => return Told::Nothing,
            Heard::Over(_) => return Told::Over(None),
            Heard::Refused(reason) => return Told::Refused(reason),
        };
        let input = match message {
            Down::Manifest(manifest) => Input::Manifest(manifest),
            Down::Delta(delta) => Input::Delta(delta),
            Down::StopConfirm(confirm) => Input::StopConfirm(confirm),
            Down::ReportAck(ack) => Input::ReportAck(ack),
            _ => return Told::Nothing,
        };
        let before = self.engine.as_ref().map(|engine| engine.manifest().0);
        self.step(input, now);
        let after = self.engine.as_ref().map(|engine| engine.manifest().0);
        if after < before {
            self.out
                .push(Out::Violation(format!("{}: the manifest went from {before:?} back to {after:?}", self.name)));
        }
        Told::Nothing
    }

    /// When something is due by itself.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let engine = self.engine.as_ref()?.next_deadline();
        let pulse = self.line.as_ref().and_then(|line| line.pulse).map(|pulse| pulse.due_at());
        let change = self.table.next_change(self.seen_ms);
        [engine, pulse, change].into_iter().flatten().min()
    }
}

impl Journal {
    fn write(&mut self, write: JournalWrite) {
        match write {
            JournalWrite::Sequence(sequence) => self.sequence = sequence,
            JournalWrite::PutTask(task) => drop(self.tasks.insert(task.task_arn.clone(), *task)),
            JournalWrite::PutDefinition(definition) => {
                let arn = definition.task_definition_arn().to_owned();
                self.definitions.insert(arn, definition.as_ref().clone());
            }
            JournalWrite::PutReport(report, acked) => {
                self.reports.insert(report.task_arn.clone(), (*report, acked));
            }
            JournalWrite::DropTask(arn) => {
                self.tasks.remove(&arn);
                self.reports.remove(&arn);
            }
            JournalWrite::DropDefinition(arn) => drop(self.definitions.remove(&arn)),
        }
    }
}
