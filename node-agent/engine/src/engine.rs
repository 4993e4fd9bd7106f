//! The engine: all tasks of an instance and one function, [`Engine::step`]. It takes an input and a time and returns
//! what is to be done; it knows no clock, no IO and no runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_model::status::{DesiredStatus, StopCode, TaskStatus};
use drydock_proto::agent::{Report, ReportAck};
use drydock_proto::ecs::TaskDefinition;

use crate::container::{Check, Known};
use crate::host::{Host, Offer};
use crate::io::{
    Effect, EffectId, FailureKind, Input, JournalWrite, Listed, Outcome, PAUSE_CONTAINER, Restored, RuntimeError,
    RuntimeOp,
};
use crate::limits::{self, Millis};
use crate::report;
use crate::task::{Ctx, StopCause, Target, Task, failed_to_start};
use crate::tasks::{Name, Tasks};

/// What an engine is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What the instance offers to tasks.
    pub offer: Offer,
    /// How long a stopped task's containers are kept ([`limits::CLEANUP_WAIT_MS`] by default).
    pub cleanup_wait_ms: Millis,
}

/// The task engine of one container instance.
#[derive(Debug)]
pub struct Engine {
    pub(crate) settings: Settings,
    /// The manifest's sequence; 0 where none came yet.
    pub(crate) sequence: u64,
    /// Whether any manifest is known, from the session or from the journal.
    pub(crate) manifest_known: bool,
    /// The next manifest is the session's first: whatever its sequence, it holds.
    pub(crate) first_manifest: bool,
    pub(crate) tasks: Tasks,
    pub(crate) definitions: BTreeMap<String, Arc<TaskDefinition>>,
    /// Task definitions that perhaps no task names.
    pub(crate) loose: BTreeSet<String>,
    host: Host,
    last_id: u64,
    last_arrival: u64,
    awaited: BTreeMap<EffectId, Target>,
    /// Journal batches whose end acknowledges a manifest.
    pub(crate) acks: BTreeMap<EffectId, u64>,
    pub(crate) writes: Vec<JournalWrite>,
    /// A manifest was taken in this step: its journal batch acknowledges it.
    pub(crate) ack_due: bool,
    pub(crate) session: bool,
    /// Nothing is started or stopped before the first listing: it may be running already.
    listed: bool,
    list: ListState,
    pub(crate) manifest_wanted_at: Option<Millis>,
    pub(crate) verify_at: Millis,
    leaving: bool,
    now: Millis,
}

#[derive(Debug, Clone, Copy)]
struct ListState {
    running: Option<(EffectId, Millis)>,
    due_at: Millis,
}

/// What there is to read of a task's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The containers that were started.
    pub sources: Vec<Source>,
    /// Whether one is still to be started, or may write more.
    pub more: bool,
    /// Whether the task is known here.
    pub known: bool,
    /// Whether a container was there and is removed.
    pub removed: bool,
}

/// One container's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the task definition.
    pub container: String,
    /// The runtime's name for it.
    pub runtime_id: String,
    /// How often its restart policy started it again.
    pub restarts: u32,
    /// Whether it runs now.
    pub runs: bool,
    /// When it was started last, in milliseconds of the agent's clock.
    pub started_at: Option<Millis>,
}

impl Engine {
    /// An engine with what the journal held.
    #[must_use]
    pub fn new(settings: Settings, restored: Restored, now: Millis) -> Self {
        let mut engine = Self {
            settings,
            sequence: restored.sequence,
            manifest_known: restored.sequence > 0,
            first_manifest: true,
            tasks: Tasks::default(),
            definitions: BTreeMap::new(),
            loose: BTreeSet::new(),
            host: Host::new(settings.offer),
            last_id: 0,
            last_arrival: 0,
            awaited: BTreeMap::new(),
            acks: BTreeMap::new(),
            writes: Vec::new(),
            ack_due: false,
            session: false,
            listed: false,
            list: ListState { running: None, due_at: 0 },
            manifest_wanted_at: None,
            verify_at: 0,
            leaving: false,
            now,
        };
        let definitions = restored.definitions.into_iter();
        engine.definitions = definitions.map(|one| (one.task_definition_arn().to_owned(), Arc::new(one))).collect();
        engine.loose = engine.definitions.keys().cloned().collect();
        let mut reports: BTreeMap<String, (Report, bool)> =
            restored.reports.into_iter().map(|(one, acked)| (one.task_arn.clone(), (one, acked))).collect();
        for assigned in restored.tasks {
            let task_arn = assigned.task_arn.clone();
            engine.insert(assigned, now);
            if let (Some((report, acked)), Some(task)) = (reports.remove(&task_arn), engine.tasks.get_mut(&task_arn)) {
                task.restore(report, acked);
            }
        }
        engine
    }

    /// The manifest that this engine has: its sequence (0: none) and its digest, four bytes, big endian.
    #[must_use]
    pub fn manifest(&self) -> (u64, [u8; 4]) {
        (self.sequence, self.digest())
    }

    /// When [`Input::Tick`] is due, later than the last step.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let of_session = [
            self.manifest_wanted_at,
            self.tasks.unconfirmed().next().filter(|_| self.manifest_known).map(|_| self.verify_at),
            self.tasks.next_report(self.now),
        ];
        let own = [
            Some(self.list.running.map_or(self.list.due_at, |(_, deadline)| deadline)),
            self.tasks.next_deadline(self.now).filter(|_| self.listed),
            self.tasks.first_kept().map(|since| since + self.cleanup_wait()),
        ];
        let of_session = of_session.into_iter().filter(|_| self.session);
        own.into_iter().chain(of_session).flatten().filter(|at| *at > self.now).min()
    }

    /// Whether every container that this engine knows is removed: the end of [`Input::StopAll`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed && self.list.running.is_none() && self.tasks.values().all(|task| task.cleaned)
    }

    /// What there is to read of a task's output by now; of one container, or all.
    #[must_use]
    pub fn output(&self, task_arn: &str, name: Option<&str>) -> Output {
        let Some(task) = self.tasks.get(task_arn) else { return Output::default() };
        let named = task.spec.containers.iter().map(|definition| definition.name());
        let all = named.zip(&task.containers).filter(|(own, _)| name.is_none_or(|name| name == *own));
        let mut output = Output { known: true, ..Output::default() };
        for (own, container) in all {
            let over = container.known == Known::Stopped && !container.restart_due;
            output.more |= !over && task.status != TaskStatus::Stopped;
            output.removed |= container.removed;
            let started = matches!(container.known, Known::Running | Known::Stopped) && !container.removed;
            output.sources.extend(container.runtime_id.clone().filter(|_| started).map(|runtime_id| Source {
                container: own.to_owned(),
                runtime_id,
                restarts: container.restart_count,
                runs: container.known == Known::Running,
                started_at: container.started_at,
            }));
        }
        output
    }

    /// Each task with the status that it has here.
    pub fn statuses(&self) -> impl Iterator<Item = (&str, TaskStatus)> {
        self.tasks.iter().map(|(task_arn, task)| (&**task_arn, task.status))
    }

    /// Takes an input at a time (milliseconds since 1970; one that goes back counts as the last) and says what to do.
    /// The same input twice does nothing the second time.
    pub fn step(&mut self, input: Input, now: Millis) -> Vec<Effect> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        self.take_in(input, &mut out);
        self.settle(&mut out);
        out
    }

    fn take_in(&mut self, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::SessionOpened => self.open_session(),
            Input::SessionClosed => self.session = false,
            Input::Manifest(manifest) if !self.leaving => self.take_manifest(manifest),
            Input::Delta(delta) if !self.leaving => self.take_delta(delta),
            Input::Manifest(_) | Input::Delta(_) => {}
            Input::StopConfirm(confirm) => self.take_stop_confirm(&confirm),
            Input::ReportAck(ack) => self.take_report_ack(&ack),
            Input::Journaled(id) => {
                if let Some(sequence) = self.acks.remove(&id).filter(|_| self.session) {
                    out.push(Effect::Ack { sequence });
                }
            }
            Input::Done { id, result } => self.take_result(id, result, out),
            Input::Hint { runtime_id } => self.take_hint(&runtime_id),
            Input::Resync => self.list.due_at = self.now,
            Input::StopAll { reason } => self.stop_all(&reason),
        }
    }

    fn open_session(&mut self) {
        self.session = true;
        self.first_manifest = true;
        self.verify_at = self.now;
        self.manifest_wanted_at = None;
        for (_, task) in self.tasks.edit_all() {
            task.report.due_at = self.now;
            task.report.sent_at = None;
        }
    }

    fn take_report_ack(&mut self, ack: &ReportAck) {
        for one in &ack.reports {
            let Some(task) = self.tasks.get_mut(&one.task_arn) else { continue };
            if task.report.acknowledge(one.sequence)
                && let Some(last) = &task.report.last
            {
                self.writes.push(JournalWrite::PutReport(Box::new(last.clone()), true));
            }
        }
    }

    fn take_result(&mut self, id: EffectId, result: Result<Outcome, RuntimeError>, out: &mut Vec<Effect>) {
        let Some(target) = self.awaited.remove(&id) else { return };
        let now = self.now;
        match target {
            Target::List => self.take_listing(id, result, out),
            Target::Container(task_arn, index) => {
                if let Some(task) = self.tasks.get_mut(&task_arn) {
                    task.on_operation(index, id, result, now);
                }
            }
            Target::Check(task_arn, index) => {
                if let Some(task) = self.tasks.get_mut(&task_arn) {
                    task.on_check(index, id, result, now);
                }
            }
            Target::Network(task_arn) => {
                if let Some(task) = self.tasks.get_mut(&task_arn) {
                    task.on_network(id, result, now);
                }
            }
            Target::Forget(task_arn) => {
                if let Some(task) = self.tasks.get_mut(&task_arn).filter(|task| task.forgetting == Some(id)) {
                    task.forgetting = None;
                    task.cleaned = true;
                }
            }
        }
    }

    fn take_hint(&mut self, runtime_id: &str) {
        let Some(task_arn) = self.tasks.with_container(runtime_id) else { return };
        let Some(task) = self.tasks.get_mut(&task_arn) else { return };
        let own = task.containers.iter_mut().find(|container| container.runtime_id.as_deref() == Some(runtime_id));
        if let Some(container) = own {
            container.check = Check { running: None, due_at: Some(self.now) };
            task.touched = true;
        }
    }

    fn stop_all(&mut self, reason: &str) {
        self.leaving = true;
        // What no task accounts for goes too.
        self.list.due_at = self.now;
        for (_, task) in self.tasks.edit_all() {
            task.stop_because(StopCause { code: StopCode::TerminationNotice, reason: reason.to_owned() });
        }
    }

    fn take_listing(&mut self, id: EffectId, result: Result<Outcome, RuntimeError>, out: &mut Vec<Effect>) {
        self.list = ListState { running: None, due_at: self.now + limits::LIST_EVERY_MS };
        let Ok(Outcome::Listed(found)) = result else {
            self.list.due_at = self.now + limits::RETRY_MIN_MS;
            return;
        };
        self.listed = true;
        let mut by_task: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
        for one in &found {
            by_task.entry(&one.task_arn).or_default().push(one);
        }
        for (task_arn, listed) in &by_task {
            if !self.tasks.contains(task_arn) {
                let names = listed.iter().map(|one| one.container.as_str()).filter(|name| *name != PAUSE_CONTAINER);
                let mut orphan = Task::orphan(task_arn, &names.collect::<Vec<_>>(), self.now);
                self.last_arrival += 1;
                orphan.arrived = self.last_arrival;
                if self.leaving || orphan.containers.is_empty() {
                    orphan.desired = DesiredStatus::Stopped;
                }
                self.tasks.insert(orphan);
                self.verify_at = self.now;
            }
        }
        let mut ctx = Ctx { now: self.now, last_id: &mut self.last_id, awaited: &mut self.awaited, out };
        for (task_arn, task) in self.tasks.edit_all() {
            let listed = by_task.get(&**task_arn).map(Vec::as_slice).unwrap_or_default();
            task.on_listing(id, listed, &mut ctx);
            if task.holds_containers() && !task.granted && !task.is_stopped() {
                task.granted = true;
                self.host.take_by_force(task_arn, task.spec.needs());
            }
        }
    }

    /// Does all that is due, in every task that something happened to.
    fn settle(&mut self, out: &mut Vec<Effect>) {
        self.list_if_due(out);
        if self.listed {
            self.grant();
            loop {
                let stopped = self.advance_tasks(out);
                if !stopped || !self.grant() {
                    break;
                }
            }
        }
        self.renew_reports();
        self.clean_up(out);
        self.flush_journal(out);
        if self.session {
            self.ask(out);
            self.send_reports(out);
        }
        self.tasks.settle(self.now);
    }

    fn list_if_due(&mut self, out: &mut Vec<Effect>) {
        let mut ctx = Ctx { now: self.now, last_id: &mut self.last_id, awaited: &mut self.awaited, out };
        if let Some((id, deadline)) = self.list.running {
            if deadline > self.now {
                return;
            }
            ctx.cancel(id);
        } else if self.list.due_at > self.now {
            return;
        }
        let id = ctx.run(Target::List, RuntimeOp::List);
        self.list.running = Some((id, self.now + limits::LIST_TIMEOUT_MS));
    }

    /// Gives those that wait their share of the instance, first come first served. True where one got it.
    fn grant(&mut self) -> bool {
        self.refuse_too_large();
        let mut granted = false;
        let mut blocked = false;
        let mut last = 0;
        while let Some((arrived, task_arn)) = self.tasks.next_waiting(last, self.now) {
            last = arrived;
            let Some(task) = self.tasks.get(&task_arn) else { continue };
            let overdue = self.now >= task.arrived_at + limits::HOST_WAIT_MS;
            let takes = !blocked && self.host.take(&task_arn, &task.spec.needs());
            if !takes && !overdue {
                // Those behind came later: none has waited for too long either.
                break;
            }
            let Some(task) = self.tasks.get_mut(&task_arn) else { continue };
            if takes {
                (task.granted, task.touched, granted) = (true, true, true);
                continue;
            }
            blocked = true;
            let waited = limits::span(limits::HOST_WAIT_MS);
            let reason = format!("ResourceInitializationError: waited {waited} for resources of the instance");
            task.stop_because(failed_to_start(&reason));
        }
        granted
    }

    /// A task that could never have its share doesn't wait, nor keeps others waiting.
    fn refuse_too_large(&mut self) {
        for task_arn in self.tasks.edited(self.now) {
            let Some(task) = self.tasks.get(&task_arn).filter(|task| task.waits()) else { continue };
            let needs = task.spec.needs();
            if self.host.could_fit(&needs) {
                continue;
            }
            let reason = format!(
                "ResourceInitializationError: the task needs {} CPU units and {} MiB, more than the instance has",
                needs.cpu, needs.memory_mib
            );
            if let Some(task) = self.tasks.get_mut(&task_arn) {
                task.stop_because(failed_to_start(&reason));
            }
        }
    }

    /// True where a task stopped and gave back its share.
    fn advance_tasks(&mut self, out: &mut Vec<Effect>) -> bool {
        let mut stopped = false;
        for task_arn in self.tasks.edited(self.now) {
            let Some(task) = self.tasks.get_mut(&task_arn) else { continue };
            if !task.touched && task.deadlines().all(|at| at > self.now) {
                continue;
            }
            let before = task.is_stopped();
            let mut ctx = Ctx { now: self.now, last_id: &mut self.last_id, awaited: &mut self.awaited, out };
            task.advance(&mut ctx);
            if task.is_stopped() && !before {
                self.host.give_back(&task_arn);
                stopped = true;
            }
        }
        stopped
    }

    fn renew_reports(&mut self) {
        for task_arn in self.tasks.edited(self.now) {
            let Some(task) = self.tasks.get_mut(&task_arn).filter(|task| task.touched) else { continue };
            task.touched = false;
            if task.orphan {
                continue;
            }
            let content = report::fold(task);
            let in_manifest = task.in_manifest;
            if let Some(news) = task.report.renew(content, self.now).filter(|_| in_manifest) {
                self.writes.push(JournalWrite::PutReport(Box::new(news.clone()), false));
            }
        }
    }

    /// How long a stopped task's containers are kept.
    fn cleanup_wait(&self) -> Millis {
        if self.leaving { 0 } else { self.settings.cleanup_wait_ms }
    }

    fn clean_up(&mut self, out: &mut Vec<Effect>) {
        let wait = self.cleanup_wait();
        let kept = self.tasks.kept(self.now);
        let over = kept.len().saturating_sub(limits::STOPPED_TASKS_MAX);
        let due = kept.iter().enumerate().take_while(|(at, (since, _))| *at < over || since + wait <= self.now);
        let due: Vec<Name> = due.map(|(_, (_, task_arn))| Arc::clone(task_arn)).collect();
        for task_arn in due {
            if let Some(task) = self.tasks.get_mut(&task_arn) {
                task.cleaning = true;
            }
        }
        for task_arn in self.tasks.edited(self.now) {
            let Some(task) = self.tasks.get_mut(&task_arn).filter(|task| task.cleaning && !task.cleaned) else {
                continue;
            };
            let mut ctx = Ctx { now: self.now, last_id: &mut self.last_id, awaited: &mut self.awaited, out };
            task.expire(&mut ctx);
            task.clean(&mut ctx);
        }
        self.forget();
    }

    /// Drops what is cleaned, acknowledged, and in no manifest.
    fn forget(&mut self) {
        for task_arn in self.tasks.edited(self.now) {
            let Some(task) = self.tasks.get(&task_arn) else { continue };
            if task.cleaned && !task.in_manifest && (task.report.acked || task.orphan) {
                self.loose.insert(task.spec.assigned.task_definition_arn.clone());
                self.tasks.remove(&task_arn);
            }
        }
        for arn in std::mem::take(&mut self.loose) {
            if !self.tasks.name_definition(&arn) && self.definitions.remove(&arn).is_some() {
                self.writes.push(JournalWrite::DropDefinition(arn));
            }
        }
    }

    fn flush_journal(&mut self, out: &mut Vec<Effect>) {
        if self.writes.is_empty() && !self.ack_due {
            return;
        }
        self.last_id += 1;
        let id = EffectId(self.last_id);
        if std::mem::take(&mut self.ack_due) {
            self.acks.insert(id, self.sequence);
        }
        out.push(Effect::Journal { id, writes: std::mem::take(&mut self.writes) });
    }

    fn send_reports(&mut self, out: &mut Vec<Effect>) {
        let now = self.now;
        let due = self.tasks.reports_due(now);
        let due: Vec<Report> =
            due.iter().filter_map(|task_arn| self.tasks.get_mut(task_arn)?.report.take_due(now)).collect();
        for chunk in due.chunks(limits::REPORTS_PER_MESSAGE_MAX) {
            out.push(Effect::Report(chunk.to_vec()));
        }
    }

    /// The number of the next task to come.
    pub(crate) fn next_arrival(&mut self) -> u64 {
        self.last_arrival += 1;
        self.last_arrival
    }

    pub(crate) fn now(&self) -> Millis {
        self.now
    }
}

impl Task {
    /// All that can be done now.
    fn advance(&mut self, ctx: &mut Ctx<'_>) {
        self.expire(ctx);
        loop {
            self.judge();
            let changed = if self.stopping() { self.drive_stop(ctx) } else { self.drive_start(ctx) };
            if !changed {
                break;
            }
        }
        self.check(ctx);
        self.fold(ctx.now);
    }

    /// The result of an inspection.
    fn on_check(&mut self, index: usize, id: EffectId, result: Result<Outcome, RuntimeError>, now: Millis) {
        let stopping = self.stopping();
        let container = &mut self.containers[index];
        if container.check.running.is_none_or(|(own, _)| own != id) {
            return;
        }
        container.check.running = None;
        self.touched = true;
        match result {
            Ok(Outcome::Observed(seen)) => {
                container.observe(&seen, &self.spec.containers[index], stopping, now);
            }
            Err(RuntimeError { kind: FailureKind::NotFound, message }) => {
                container.removed = true;
                container.give_up(|| format!("CannotInspectContainerError: {message}"));
            }
            _ => container.check.due_at = Some(now + limits::RETRY_MIN_MS),
        }
    }

    /// What a listing says of this task's containers.
    fn on_listing(&mut self, id: EffectId, listed: &[&Listed], ctx: &mut Ctx<'_>) {
        let stopping = self.stopping();
        self.touched = true;
        for (container, definition) in self.containers.iter_mut().zip(&self.spec.containers) {
            let found = listed.iter().find(|one| one.container == definition.name());
            // What an operation did since, or does now, this listing hasn't seen.
            if container.op.is_some() || container.touched > id {
                container.check = Check { running: None, due_at: Some(ctx.now) };
                continue;
            }
            match found {
                Some(one) if self.orphan && one.observation.state == crate::io::ObservedState::Created => {
                    container.runtime_id = Some(one.observation.runtime_id.clone());
                    container.give_up(String::new);
                }
                Some(one) => {
                    container.observe(&one.observation, definition, stopping, ctx.now);
                }
                None if container.runtime_id.is_some() => {
                    container.check = Check { running: None, due_at: Some(ctx.now) };
                }
                None if container.known == crate::container::Known::Running => {
                    container.give_up(|| "CannotInspectContainerError: the container is gone".into());
                }
                None => {}
            }
        }
    }
}
