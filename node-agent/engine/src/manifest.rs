//! The manifest's rules (raft-recipe §5): it replaces all, a delta fits or isn't taken, and a task that it lacks is
//! never stopped before the controllers confirm that.

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_model::status::DesiredStatus;
use drydock_proto::agent::{AssignedTask, Delta, Manifest, StopConfirm};
use drydock_proto::ecs::TaskDefinition;

use crate::engine::Engine;
use crate::io::{Effect, JournalWrite};
use crate::limits::{self, Millis};
use crate::task::{Task, desired, failed_to_start};

impl Engine {
    /// CRC-32C over the manifest's tasks sorted by ARN, each as ARN, NUL, desiredStatus, NUL.
    pub(crate) fn digest(&self) -> [u8; 4] {
        let tasks = self.tasks.values().filter(|task| task.in_manifest);
        let parts = tasks.flat_map(|task| [task.arn(), "\0", task.desired.as_str(), "\0"]);
        crc32c(parts.flat_map(str::bytes)).to_be_bytes()
    }

    pub(crate) fn take_manifest(&mut self, manifest: Manifest) {
        if !self.first_manifest && manifest.sequence < self.sequence {
            return;
        }
        self.first_manifest = false;
        self.manifest_known = true;
        self.manifest_wanted_at = None;
        self.take_definitions(manifest.task_definitions);
        let named: BTreeSet<String> = manifest.tasks.iter().map(|task| task.task_arn.clone()).collect();
        let lacking: Vec<String> = self
            .tasks
            .iter()
            .filter(|(arn, task)| task.in_manifest && !named.contains(&***arn))
            .map(|(arn, _)| arn.to_string())
            .collect();
        for (_, task) in self.tasks.edit_all() {
            task.kept = false;
        }
        self.take_tasks(manifest.tasks, &lacking, manifest.sequence);
    }

    pub(crate) fn take_delta(&mut self, delta: Delta) {
        let defined: BTreeSet<&str> = delta.task_definitions.iter().map(|one| one.task_definition_arn()).collect();
        let complete = delta.upserts.iter().all(|task| {
            let arn = task.task_definition_arn.as_str();
            defined.contains(arn) || self.definitions.contains_key(arn)
        });
        if delta.from != self.sequence || !self.manifest_known || !complete {
            // One that only repeats what is here already needs no answer.
            if delta.to != self.sequence || !complete {
                self.manifest_wanted_at.get_or_insert(self.now());
            }
            return;
        }
        self.first_manifest = false;
        self.manifest_wanted_at = None;
        self.take_definitions(delta.task_definitions);
        self.take_tasks(delta.upserts, &delta.removed_task_arns, delta.to);
    }

    fn take_definitions(&mut self, definitions: Vec<TaskDefinition>) {
        for definition in definitions {
            let arn = definition.task_definition_arn().to_owned();
            if self.definitions.get(&arn).is_none_or(|known| **known != definition) {
                let definition = Arc::new(definition);
                self.writes.push(JournalWrite::PutDefinition(Arc::clone(&definition)));
                self.loose.insert(arn.clone());
                self.definitions.insert(arn, definition);
            }
        }
    }

    fn take_tasks(&mut self, upserts: Vec<AssignedTask>, removed: &[String], sequence: u64) {
        for assigned in upserts {
            self.upsert(assigned);
        }
        for task_arn in removed {
            let Some(task) = self.tasks.get_mut(task_arn).filter(|task| task.in_manifest) else { continue };
            task.in_manifest = false;
            // The controllers have it as STOPPED already: there's nothing left to tell.
            task.report.acked |= task.is_stopped();
            self.writes.push(JournalWrite::DropTask(task_arn.clone()));
            self.verify_at = self.verify_at.min(self.now());
        }
        self.sequence = sequence;
        self.writes.push(JournalWrite::Sequence(sequence));
        self.ack_due = true;
    }

    fn upsert(&mut self, assigned: AssignedTask) {
        let Some(task) = self.tasks.get_mut(&assigned.task_arn) else {
            self.writes.push(JournalWrite::PutTask(Box::new(assigned.clone())));
            let now = self.now();
            self.insert(assigned, now);
            return;
        };
        if task.orphan {
            let now = self.now();
            self.writes.push(JournalWrite::PutTask(Box::new(assigned.clone())));
            let found = self.tasks.remove(&assigned.task_arn);
            let task_arn = assigned.task_arn.clone();
            self.insert(assigned, now);
            if let (Some(mut found), Some(task)) = (found, self.tasks.remove(&task_arn)) {
                found.adopt(task);
                self.tasks.insert(found);
            }
            return;
        }
        if !task.in_manifest || task.spec.assigned != assigned {
            task.in_manifest = true;
            self.writes.push(JournalWrite::PutTask(Box::new(assigned.clone())));
        }
        if desired(&assigned) == DesiredStatus::Stopped && task.desired == DesiredStatus::Running {
            task.desired = DesiredStatus::Stopped;
            task.touched = true;
        }
    }

    /// Adds a task that isn't here yet.
    pub(crate) fn insert(&mut self, assigned: AssignedTask, now: Millis) {
        let arn = assigned.task_definition_arn.clone();
        let definition = self.definitions.get(&arn).cloned();
        let missing = definition.is_none();
        let mut task = Task::new(assigned, definition.unwrap_or_default(), now);
        if missing {
            let reason = format!("ResourceInitializationError: the controllers didn't send task definition {arn}");
            task.cause = Some(failed_to_start(&reason));
        }
        task.arrived = self.next_arrival();
        self.tasks.insert(task);
    }

    pub(crate) fn take_stop_confirm(&mut self, confirm: &StopConfirm) {
        if confirm.manifest_sequence < self.sequence {
            return;
        }
        for task_arn in &confirm.stop_task_arns {
            if let Some(task) = self.tasks.get_mut(task_arn).filter(|task| !task.in_manifest) {
                task.desired = DesiredStatus::Stopped;
                task.touched = true;
            }
        }
        for task_arn in &confirm.keep_task_arns {
            if let Some(task) = self.tasks.get_mut(task_arn) {
                task.kept = true;
            }
        }
        // Those for whom there was no room are next.
        self.verify_at = self.now();
    }

    /// The engine's own questions, where they are due.
    pub(crate) fn ask(&mut self, out: &mut Vec<Effect>) {
        let now = self.now();
        if self.manifest_wanted_at.is_some_and(|at| at <= now) {
            out.push(Effect::RequestManifest { have_sequence: self.sequence });
            self.manifest_wanted_at = Some(now + limits::MANIFEST_REQUEST_RESEND_MS);
        }
        if self.verify_at <= now {
            // Without any manifest nothing is lacking.
            let asked = if self.manifest_known { limits::VERIFY_TASKS_MAX } else { 0 };
            let task_arns: Vec<String> =
                self.tasks.unconfirmed_now(now).take(asked).map(|task_arn| task_arn.to_string()).collect();
            if !task_arns.is_empty() {
                out.push(Effect::AskStopVerification { sequence: self.sequence, task_arns });
                self.verify_at = now + limits::VERIFY_RESEND_MS;
            }
        }
    }
}

/// CRC-32C (Castagnoli), bit by bit: a manifest's digest is made once a session.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc32c_is_castagnoli_s() {
        assert_eq!(super::crc32c("123456789".bytes()), 0xE306_9283);
        assert_eq!(super::crc32c("".bytes()), 0);
    }
}
