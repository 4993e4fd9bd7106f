//! RegisterTaskDefinition, DeregisterTaskDefinition, DeleteTaskDefinitions.

use std::sync::Arc;

use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::task_definitions as requests;
use drydock_model::status::TaskDefinitionStatus;
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs;

use super::lookup::definition_not_found;
use super::{Answer, Apply};
use crate::key::{DefinitionKey, FamilyKey, Key};
use crate::outcome::Outcome;
use crate::row::{DefinitionRow, FamilyRow};

/// Most revisions of a family (ecs-semantics §2.7).
const REVISIONS_MAX: u32 = 1_000_000;

impl Apply<'_> {
    pub(super) fn register_task_definition(&mut self, request: &ecs::RegisterTaskDefinitionRequest) -> Answer {
        let document = validate_registration(request)?;
        self.check_roles(request)?;
        let family = document.family.clone().unwrap_or_default();
        let known = self
            .state
            .scope_id(self.scope)
            .and_then(|scope| self.state.family(&FamilyKey { scope, family: family.as_str().into() }))
            .cloned();
        let last = known.as_ref().map_or(0, |row| row.last_revision);
        if last >= REVISIONS_MAX {
            let text = format!("A family has at most {REVISIONS_MAX} revisions.");
            return Err(EcsError::new(ExceptionName::LimitExceeded, text).into());
        }
        let scope = self.scope_for_write();
        let family = known.map_or_else(|| family.into(), |row| Arc::clone(&row.key.family));
        let key = DefinitionKey { scope, family, revision: last + 1 };
        self.state.put_family(FamilyRow { key: key.family_key(), last_revision: key.revision });
        let row = DefinitionRow {
            key,
            status: TaskDefinitionStatus::Active,
            version: 1,
            registered_at: self.now,
            deregistered_at: None,
            delete_requested_at: None,
            reap_at: None,
            registered_by: self.caller.into(),
            document: Arc::new(document),
            tags: request.tags.as_slice().into(),
        };
        Ok(Outcome::Definition(self.state.put_definition(row)))
    }

    /// What uses it goes on; nothing new may. Doing it twice changes nothing.
    pub(super) fn deregister_task_definition(&mut self, request: &ecs::DeregisterTaskDefinitionRequest) -> Answer {
        let of = requests::deregister_task_definition(request)?;
        let row = self.find_revision(&of).ok_or_else(definition_not_found)?;
        if row.status != TaskDefinitionStatus::Active {
            return Ok(Outcome::Definition(row));
        }
        let mut row = (*row).clone();
        row.status = TaskDefinitionStatus::Inactive;
        row.deregistered_at = Some(self.now);
        row.version += 1;
        Ok(Outcome::Definition(self.state.put_definition(row)))
    }

    /// Only INACTIVE ones; the row stays DELETE_IN_PROGRESS until nothing uses it.
    pub(super) fn delete_task_definitions(&mut self, request: &ecs::DeleteTaskDefinitionsRequest) -> Answer {
        requests::delete_task_definitions(request)?;
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for text in &request.task_definitions {
            match self.delete_definition(text) {
                Ok(row) => deleted.push(row),
                Err(reason) => failures.push(ecs::Failure {
                    arn: Some(text.clone()),
                    reason: Some(reason.to_owned()),
                    detail: None,
                }),
            }
        }
        Ok(Outcome::Definitions(deleted, failures))
    }

    fn delete_definition(&mut self, text: &str) -> Result<Arc<DefinitionRow>, &'static str> {
        let of = requests::reference(text).ok();
        let row = of.and_then(|of| self.find_revision(&of)).ok_or(
            "The specified task definition does not exist. Specify a valid account, family, revision and try again.",
        )?;
        match row.status {
            TaskDefinitionStatus::Active => Err(
                "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
            ),
            TaskDefinitionStatus::DeleteInProgress => Ok(row),
            TaskDefinitionStatus::Inactive => {
                let mut row = (*row).clone();
                row.status = TaskDefinitionStatus::DeleteInProgress;
                row.delete_requested_at = Some(self.now);
                row.reap_at = Some(self.now);
                row.version += 1;
                self.mark(Key::Definition(row.key.clone()));
                Ok(self.state.put_definition(row))
            }
        }
    }

    pub(super) fn tag_definition(&mut self, row: &DefinitionRow, tags: Vec<ecs::Tag>) {
        let mut row = row.clone();
        row.tags = tags.into();
        row.version += 1;
        self.state.put_definition(row);
    }

    /// Tells the collector that the last user of a deleted task definition is gone.
    pub(super) fn mark_if_unused(&mut self, key: &DefinitionKey) {
        let deleted =
            self.state.definition(key).is_some_and(|row| row.status == TaskDefinitionStatus::DeleteInProgress);
        if deleted && self.state.definition_uses(key) == 0 {
            self.mark(Key::Definition(key.clone()));
        }
    }
}
