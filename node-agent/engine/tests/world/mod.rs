//! A small world for the engine's tests: the engine, the simulated runtime's table and a queue of moments. Operations
//! take as long as their knobs say; everything is written down as a trace.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "shared by several test files")]

use std::collections::{BTreeMap, BTreeSet};

use drydock_engine::simulated::Simulated;
use drydock_engine::{
    Effect, EffectId, Engine, Input, JournalWrite, Offer, Outcome, Restored, RuntimeError, RuntimeOp, Settings,
};
use drydock_proto::agent::{AssignedTask, Manifest, Report, ReportAck, TaskSequence};
use drydock_proto::ecs::{
    ContainerCondition, ContainerDefinition, ContainerDependency, ContainerRestartPolicy, HealthCheck, NetworkMode,
    PidMode, TaskDefinition,
};
use drydock_proto::json::WireEnum as _;

pub const OFFER: Offer = Offer { cpu: 2_048, memory_mib: 4_096 };
pub const SETTINGS: Settings = Settings { offer: OFFER, cleanup_wait_ms: 60_000 };
/// The world begins here, so that no moment is 0.
pub const START: u64 = 1_000_000;

/// `init!{run-for-ms=100} app<init:SUCCESS{hc,stop=5,essential=false}`: names, `!` for not essential, dependencies,
/// and in braces knobs of the simulated runtime or fields.
pub fn definition(arn: &str, text: &str) -> TaskDefinition {
    let mut definition = TaskDefinition { task_definition_arn: Some(arn.into()), ..Default::default() };
    for part in text.split_whitespace() {
        match part.split_once('=') {
            Some(("network", mode)) => definition.network_mode = NetworkMode::number(mode),
            Some(("pid", mode)) => definition.pid_mode = PidMode::number(mode),
            Some(("cpu", cpu)) => definition.cpu = Some(cpu.into()),
            _ => definition.container_definitions.push(container(part)),
        }
    }
    definition
}

fn container(part: &str) -> ContainerDefinition {
    let (head, settings) = part.split_once('{').unwrap_or((part, ""));
    let (name, needs) = head.split_once('<').unwrap_or((head, ""));
    let mut out = ContainerDefinition {
        name: Some(name.trim_end_matches('!').into()),
        image: Some(format!("{}:1", name.trim_end_matches('!'))),
        essential: name.ends_with('!').then_some(false),
        ..Default::default()
    };
    for need in needs.split(',').filter(|need| !need.is_empty()) {
        let (on, condition) = need.split_once(':').unwrap();
        let condition = Some(ContainerCondition::number(condition).unwrap());
        out.depends_on.push(ContainerDependency { container_name: Some(on.into()), condition });
    }
    for setting in settings.trim_end_matches('}').split(',').filter(|one| !one.is_empty()) {
        match setting.split_once('=') {
            None if setting == "hc" => out.health_check = Some(HealthCheck::default()),
            Some(("stop", seconds)) => out.stop_timeout = Some(seconds.parse().unwrap()),
            Some(("start", seconds)) => out.start_timeout = Some(seconds.parse().unwrap()),
            Some(("memory", mib)) => out.memory = Some(mib.parse().unwrap()),
            Some(("restart", seconds)) => {
                out.restart_policy = Some(ContainerRestartPolicy {
                    enabled: Some(true),
                    restart_attempt_period: Some(seconds.parse().unwrap()),
                    ignored_exit_codes: vec![77],
                });
            }
            Some((knob, value)) => {
                out.docker_labels.insert(format!("drydock.sim/{knob}"), value.into());
            }
            None => panic!("{setting}"),
        }
    }
    out
}

pub fn assigned(task: &str, desired: &str) -> AssignedTask {
    AssignedTask {
        task_arn: arn(task),
        task_definition_arn: format!("td/{task}"),
        desired_status: desired.into(),
        ..Default::default()
    }
}

pub fn arn(task: &str) -> String {
    format!("arn:aws:ecs:r:0:task/c/{task}")
}

enum Event {
    /// The operation's end.
    End(EffectId, RuntimeOp),
    /// Its result reaches the engine.
    Done(EffectId, Result<Outcome, RuntimeError>),
    Journaled(EffectId),
}

/// What the world does to results: the laws' tests make them late, twice, or unavailable.
pub trait Mischief {
    fn delay_ms(&mut self) -> u64 {
        0
    }
    fn fails(&mut self, _op: &RuntimeOp) -> Option<RuntimeError> {
        None
    }
    fn twice(&mut self) -> bool {
        false
    }
}

pub struct NoMischief;
impl Mischief for NoMischief {}

pub struct World<M = NoMischief> {
    pub engine: Engine,
    pub table: Simulated,
    pub now: u64,
    pub trace: Vec<String>,
    pub reports: BTreeMap<String, Vec<Report>>,
    pub manifest: BTreeMap<String, (AssignedTask, TaskDefinition)>,
    pub sequence: u64,
    /// What the journal holds.
    pub journal: Restored,
    pub acks_reports: bool,
    /// When each container was first told to start.
    pub first_starts: BTreeMap<String, u64>,
    pub mischief: M,
    queue: BTreeMap<(u64, u64), Event>,
    moments: u64,
    seen_changes: u64,
    cancelled: BTreeSet<EffectId>,
}

impl World<NoMischief> {
    pub fn new() -> Self {
        Self::with(NoMischief)
    }
}

impl<M: Mischief> World<M> {
    pub fn with(mischief: M) -> Self {
        let mut world = Self {
            engine: Engine::new(SETTINGS, Restored::default(), START),
            table: Simulated::default(),
            now: START,
            trace: Vec::new(),
            reports: BTreeMap::new(),
            manifest: BTreeMap::new(),
            sequence: 0,
            journal: Restored::default(),
            acks_reports: true,
            first_starts: BTreeMap::new(),
            mischief,
            queue: BTreeMap::new(),
            moments: 0,
            seen_changes: START,
            cancelled: BTreeSet::new(),
        };
        world.input(Input::Tick);
        world.input(Input::SessionOpened);
        world
    }

    /// The agent dies and comes back with its journal; the runtime's containers live on.
    pub fn restart(&mut self, with_journal: bool) {
        self.queue.clear();
        let kept = if with_journal { self.journal.clone() } else { Restored::default() };
        self.engine = Engine::new(SETTINGS, kept, self.now);
        self.trace.push(format!("{} agent restarts", self.now - START));
        self.input(Input::Tick);
        self.input(Input::SessionOpened);
    }

    pub fn assign(&mut self, task: &str, containers: &str) {
        self.manifest.insert(arn(task), (assigned(task, "RUNNING"), definition(&format!("td/{task}"), containers)));
        self.send_manifest();
    }

    pub fn desire_stop(&mut self, task: &str) {
        self.manifest.get_mut(&arn(task)).unwrap().0.desired_status = "STOPPED".into();
        self.send_manifest();
    }

    pub fn send_manifest(&mut self) {
        self.sequence += 1;
        let manifest = Manifest {
            sequence: self.sequence,
            tasks: self.manifest.values().map(|(task, _)| task.clone()).collect(),
            task_definitions: self.manifest.values().map(|(_, definition)| definition.clone()).collect(),
            more: false,
        };
        self.input(Input::Manifest(manifest));
    }

    pub fn input(&mut self, input: Input) {
        let effects = self.engine.step(input, self.now);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.moments += 1;
        self.queue.insert((at, self.moments), event);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Run { id, op } => {
                self.note(&describe(&op));
                if let RuntimeOp::Start { runtime_id } = &op {
                    self.first_starts.entry(runtime_id.clone()).or_insert(self.now);
                }
                let delay = self.mischief.delay_ms();
                let ends = self.table.begin(&op, self.now);
                self.at(ends + delay, Event::End(id, op));
            }
            Effect::Cancel { id } => {
                self.note("cancel");
                self.cancelled.insert(id);
            }
            Effect::Journal { id, writes } => {
                for write in writes {
                    self.write(write);
                }
                let delay = self.mischief.delay_ms();
                self.at(self.now + delay, Event::Journaled(id));
            }
            Effect::Ack { sequence } => self.note(&format!("ack {sequence}")),
            Effect::Report(reports) => self.take_reports(reports),
            Effect::AskStopVerification { sequence, task_arns } => {
                let tasks: Vec<&str> = task_arns.iter().map(|arn| short(arn)).collect();
                self.note(&format!("ask about {} at {sequence}", tasks.join(" ")));
            }
            Effect::RequestManifest { have_sequence } => self.note(&format!("want manifest, have {have_sequence}")),
        }
    }

    fn take_reports(&mut self, reports: Vec<Report>) {
        let mut acks = Vec::new();
        for report in reports {
            self.note(&show(&report));
            acks.push(TaskSequence { task_arn: report.task_arn.clone(), sequence: report.sequence });
            self.reports.entry(report.task_arn.clone()).or_default().push(report);
        }
        if self.acks_reports {
            self.input(Input::ReportAck(ReportAck { reports: acks }));
        }
    }

    fn write(&mut self, write: JournalWrite) {
        let journal = &mut self.journal;
        match write {
            JournalWrite::Sequence(sequence) => journal.sequence = sequence,
            JournalWrite::PutTask(task) => {
                journal.tasks.retain(|one| one.task_arn != task.task_arn);
                journal.tasks.push(*task);
            }
            JournalWrite::PutDefinition(one) => {
                journal.definitions.retain(|known| known.task_definition_arn != one.task_definition_arn);
                journal.definitions.push((*one).clone());
            }
            JournalWrite::PutReport(report, acked) => {
                journal.reports.retain(|(one, _)| one.task_arn != report.task_arn);
                journal.reports.push((*report, acked));
            }
            JournalWrite::DropTask(arn) => {
                journal.tasks.retain(|one| one.task_arn != arn);
                journal.reports.retain(|(one, _)| one.task_arn != arn);
            }
            JournalWrite::DropDefinition(arn) => journal.definitions.retain(|one| one.task_definition_arn() != arn),
        }
    }

    fn note(&mut self, what: &str) {
        self.trace.push(format!("{} {what}", self.now - START));
    }

    /// Runs until a moment after the start of the world, in which nothing is left to do before it.
    pub fn run_until(&mut self, until_ms: u64) {
        let until = START + until_ms;
        loop {
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let change = self.table.next_change(self.seen_changes);
            let tick = self.engine.next_deadline();
            let Some(next) = [queued, change, tick].into_iter().flatten().min().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(next);
            let changed = self.table.changed(self.seen_changes, self.now);
            self.seen_changes = self.now;
            for runtime_id in changed {
                self.input(Input::Hint { runtime_id });
            }
            if let Some((key, _)) = self.queue.range(..=(self.now, u64::MAX)).next() {
                let key = *key;
                let event = self.queue.remove(&key).unwrap();
                self.handle(event);
            } else {
                self.input(Input::Tick);
            }
        }
        self.now = until;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::End(id, op) => {
                let result = match self.mischief.fails(&op) {
                    Some(error) => Err(error),
                    None => self.table.end(&op, self.now),
                };
                if self.mischief.twice() {
                    let delay = self.mischief.delay_ms();
                    self.at(self.now + delay, Event::Done(id, result.clone()));
                }
                self.input(Input::Done { id, result });
            }
            Event::Done(id, result) => self.input(Input::Done { id, result }),
            Event::Journaled(id) => self.input(Input::Journaled(id)),
        }
    }

    /// The trace since the last call.
    pub fn trace(&mut self) -> String {
        let lines = std::mem::take(&mut self.trace);
        lines.into_iter().filter(|line| !line.ends_with(" list")).fold(String::new(), |out, line| out + &line + "\n")
    }

    pub fn last_report(&self, task: &str) -> &Report {
        self.reports[&arn(task)].last().unwrap()
    }
}

fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

pub fn describe(op: &RuntimeOp) -> String {
    let short_id = |id: &str| id[..4].to_owned();
    match op {
        RuntimeOp::ProvideNetwork(task) => format!("network for {}", task.task_id()),
        RuntimeOp::Pull(spec) => format!("pull {}/{}", spec.task.task_id(), spec.name()),
        RuntimeOp::Create(spec) => format!("create {}/{}", spec.task.task_id(), spec.name()),
        RuntimeOp::Start { runtime_id } => format!("start {}", short_id(runtime_id)),
        RuntimeOp::Stop { runtime_id, timeout_ms } => format!("stop {} within {timeout_ms}", short_id(runtime_id)),
        RuntimeOp::Remove { runtime_id } => format!("remove {}", short_id(runtime_id)),
        RuntimeOp::Inspect { runtime_id } => format!("inspect {}", short_id(runtime_id)),
        RuntimeOp::ReleaseNetwork { task_arn } => format!("release network of {}", short(task_arn)),
        RuntimeOp::ForgetTask { task_arn } => format!("forget {}", short(task_arn)),
        RuntimeOp::List => "list".to_owned(),
    }
}

pub fn show(report: &Report) -> String {
    let mut out = format!("report {} {}", short(&report.task_arn), report.last_status);
    for one in &report.containers {
        out += &format!(" {}:{}", one.name, one.last_status);
        if let Some(code) = one.exit_code {
            out += &format!("({code})");
        }
        if !one.reason.is_empty() {
            out += &format!("[{}]", one.reason);
        }
        if one.restart_count > 0 {
            out += &format!(" restarted {}", one.restart_count);
        }
    }
    if report.health_status() != drydock_proto::ecs::HealthStatus::Unknown {
        out += &format!(" {}", report.health_status().as_str_name().trim_start_matches("HEALTH_STATUS_"));
    }
    if !report.stopped_reason.is_empty() {
        let code = drydock_proto::ecs::TaskStopCode::spelling(report.stop_code).unwrap_or_default();
        out += &format!(" {code}: {}", report.stopped_reason);
    }
    out
}
