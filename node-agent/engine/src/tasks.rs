//! The engine's tasks with what is asked of them at each step, kept up to date: whose time has come, who waits, who is
//! to be reported. A step costs what the tasks cost that something happened to, however many others there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::limits::Millis;
use crate::task::Task;

/// A task's name here: its ARN.
pub(crate) type Name = Arc<str>;

/// All tasks of an instance.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    rows: BTreeMap<Name, Task>,
    /// Where each is filed.
    filed: BTreeMap<Name, Filed>,
    /// Those that may have changed in this step.
    edited: BTreeSet<Name>,
    /// Those among them that aren't filed anew yet.
    unfiled: BTreeSet<Name>,
    deadlines: BTreeSet<(Millis, Name)>,
    reports: BTreeSet<(Millis, Name)>,
    /// Stopped tasks whose containers are kept, by when they stopped.
    kept: BTreeSet<(Millis, Name)>,
    /// Those without their share of the instance, in the order in which they came.
    waiting: BTreeSet<(u64, Name)>,
    /// Those that run and that no manifest names.
    unconfirmed: BTreeSet<Name>,
    runtime_ids: BTreeMap<String, Name>,
    /// How many tasks name a task definition.
    definitions: BTreeMap<String, usize>,
}

/// Where a task is filed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filed {
    deadline: Option<Millis>,
    report: Option<Millis>,
    kept: Option<Millis>,
    waiting: Option<u64>,
    unconfirmed: bool,
    runtime_ids: Vec<String>,
}

impl Filed {
    /// Moments up to `now` have been dealt with, or the task is among the edited.
    fn of(task: &Task, now: Millis) -> Self {
        let runtime_ids = task.containers.iter().filter_map(|container| container.runtime_id.clone());
        Self {
            deadline: task.deadlines().filter(|at| *at > now).min(),
            report: task.report.deadline().filter(|_| !task.orphan),
            kept: task.kept_since(),
            waiting: task.waits().then_some(task.arrived),
            unconfirmed: !task.in_manifest && !task.kept && !task.stopping() && !task.is_stopped(),
            runtime_ids: runtime_ids.collect(),
        }
    }
}

impl Tasks {
    pub(crate) fn get(&self, task_arn: &str) -> Option<&Task> {
        self.rows.get(task_arn)
    }

    pub(crate) fn contains(&self, task_arn: &str) -> bool {
        self.rows.contains_key(task_arn)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Task)> {
        self.rows.iter()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Task> {
        self.rows.values()
    }

    /// A task to be changed.
    pub(crate) fn get_mut(&mut self, task_arn: &str) -> Option<&mut Task> {
        let (name, _) = self.rows.get_key_value(task_arn)?;
        let name = Arc::clone(name);
        self.unfiled.insert(Arc::clone(&name));
        let task = self.rows.get_mut(task_arn);
        self.edited.insert(name);
        task
    }

    /// All of them, to be changed.
    pub(crate) fn edit_all(&mut self) -> impl Iterator<Item = (&Name, &mut Task)> {
        self.edited.extend(self.rows.keys().cloned());
        self.unfiled.extend(self.rows.keys().cloned());
        self.rows.iter_mut()
    }

    /// Puts a task under its ARN, where none is.
    pub(crate) fn insert(&mut self, task: Task) {
        let name: Name = Arc::from(task.arn());
        *self.definitions.entry(task.spec.assigned.task_definition_arn.clone()).or_default() += 1;
        self.edited.insert(Arc::clone(&name));
        self.unfiled.insert(Arc::clone(&name));
        self.rows.insert(name, task);
    }

    pub(crate) fn remove(&mut self, task_arn: &str) -> Option<Task> {
        let (name, task) = self.rows.remove_entry(task_arn)?;
        let filed = self.filed.remove(&name).unwrap_or_default();
        self.unfile(&name, &filed);
        self.edited.remove(&name);
        self.unfiled.remove(&name);
        let definition = task.spec.assigned.task_definition_arn.as_str();
        if let Some(uses) = self.definitions.get_mut(definition) {
            *uses -= 1;
            if *uses == 0 {
                self.definitions.remove(definition);
            }
        }
        Some(task)
    }

    /// Whether a task names a task definition.
    pub(crate) fn name_definition(&self, arn: &str) -> bool {
        self.definitions.contains_key(arn)
    }

    /// Files anew what has changed.
    fn file(&mut self, now: Millis) {
        for name in std::mem::take(&mut self.unfiled) {
            let Some(task) = self.rows.get(&name) else { continue };
            let new = Filed::of(task, now);
            let old = self.filed.insert(Arc::clone(&name), new.clone()).unwrap_or_default();
            if old == new {
                continue;
            }
            self.unfile(&name, &old);
            self.deadlines.extend(new.deadline.map(|at| (at, Arc::clone(&name))));
            self.reports.extend(new.report.map(|at| (at, Arc::clone(&name))));
            self.kept.extend(new.kept.map(|at| (at, Arc::clone(&name))));
            self.waiting.extend(new.waiting.map(|arrived| (arrived, Arc::clone(&name))));
            self.unconfirmed.extend(new.unconfirmed.then(|| Arc::clone(&name)));
            self.runtime_ids.extend(new.runtime_ids.into_iter().map(|id| (id, Arc::clone(&name))));
        }
    }

    fn unfile(&mut self, name: &Name, filed: &Filed) {
        let at = |moment: Millis| (moment, Arc::clone(name));
        filed.deadline.map(|moment| self.deadlines.remove(&at(moment)));
        filed.report.map(|moment| self.reports.remove(&at(moment)));
        filed.kept.map(|moment| self.kept.remove(&at(moment)));
        filed.waiting.map(|arrived| self.waiting.remove(&at(arrived)));
        self.unconfirmed.remove(name);
        for id in &filed.runtime_ids {
            if self.runtime_ids.get(id) == Some(name) {
                self.runtime_ids.remove(id);
            }
        }
    }

    /// Those that may have changed in this step, or whose time has come, by ARN.
    pub(crate) fn edited(&mut self, now: Millis) -> Vec<Name> {
        while let Some((at, name)) = self.deadlines.first().cloned().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, Arc::clone(&name)));
            self.unfiled.insert(Arc::clone(&name));
            self.edited.insert(name);
        }
        self.edited.iter().cloned().collect()
    }

    /// The step is over: what was edited is as it stays.
    pub(crate) fn settle(&mut self, now: Millis) {
        self.file(now);
        self.edited.clear();
    }

    /// The next that waits for its share of the instance, of those that came after another.
    pub(crate) fn next_waiting(&mut self, after: u64, now: Millis) -> Option<(u64, Name)> {
        self.file(now);
        self.waiting.range((after + 1, Arc::from(""))..).next().cloned()
    }

    /// The stopped tasks whose containers are kept: since when, and which.
    pub(crate) fn kept(&mut self, now: Millis) -> &BTreeSet<(Millis, Name)> {
        self.file(now);
        &self.kept
    }

    /// Those whose reports are due.
    pub(crate) fn reports_due(&mut self, now: Millis) -> Vec<Name> {
        self.file(now);
        self.reports.iter().take_while(|(at, _)| *at <= now).map(|(_, name)| Arc::clone(name)).collect()
    }

    /// Those that run and that no manifest names, by ARN.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = &Name> {
        self.unconfirmed.iter()
    }

    /// The same, with what has changed in this step.
    pub(crate) fn unconfirmed_now(&mut self, now: Millis) -> impl Iterator<Item = &Name> {
        self.file(now);
        self.unconfirmed.iter()
    }

    /// The task that has a container.
    pub(crate) fn with_container(&self, runtime_id: &str) -> Option<Name> {
        self.runtime_ids.get(runtime_id).cloned()
    }

    /// The first moment after `now` at which something may have to happen to one.
    pub(crate) fn next_deadline(&self, now: Millis) -> Option<Millis> {
        after(&self.deadlines, now)
    }

    /// The first moment after `now` at which a report is due.
    pub(crate) fn next_report(&self, now: Millis) -> Option<Millis> {
        after(&self.reports, now)
    }

    /// When the first of the stopped tasks stopped whose containers are kept.
    pub(crate) fn first_kept(&self) -> Option<Millis> {
        self.kept.first().map(|(at, _)| *at)
    }
}

fn after(moments: &BTreeSet<(Millis, Name)>, now: Millis) -> Option<Millis> {
    moments.range((now + 1, Arc::from(""))..).next().map(|(at, _)| *at)
}
