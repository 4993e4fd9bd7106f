//! Task definitions: DescribeTaskDefinition, ListTaskDefinitions, ListTaskDefinitionFamilies.

use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_model::status::TaskDefinitionStatus;
use drydock_proto::ecs::{self, SortOrder, TaskDefinitionFamilyStatus, TaskDefinitionField};

use super::{Query, arns, lookup, time};
use crate::key::FamilyKey;
use crate::row::{DefinitionRow, FamilyRow};

impl<'a> Query<'a> {
    /// DescribeTaskDefinition: by family (its latest ACTIVE revision), `family:revision` or ARN.
    ///
    /// # Errors
    /// `ClientException`: "Unable to describe task definition." where there is none.
    pub fn describe_task_definition(
        &self,
        request: &ecs::DescribeTaskDefinitionRequest,
    ) -> Result<ecs::DescribeTaskDefinitionResponse, EcsError> {
        let reference = requests::task_definitions::describe_task_definition(request)?;
        let unable = || EcsError::client("Unable to describe task definition.");
        if reference.scope.as_ref().is_some_and(|scope| scope != self.scope) {
            return Err(unable());
        }
        let found = lookup::reference(self.state, self.scope, &reference.family, reference.revision);
        let row = found.ok_or_else(unable)?;
        let with_tags = request.include().any(|field| field == TaskDefinitionField::Tags);
        Ok(ecs::DescribeTaskDefinitionResponse {
            task_definition: Some(self.render_definition(row)),
            tags: if with_tags { row.tags.to_vec() } else { Vec::new() },
        })
    }

    /// A task definition as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_definition(&self, row: &DefinitionRow) -> ecs::TaskDefinition {
        render(self.scope, row)
    }

    /// ListTaskDefinitions: by family, then revision; ACTIVE ones where no status is asked for.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn list_task_definitions(
        &self,
        request: &ecs::ListTaskDefinitionsRequest,
    ) -> Result<ecs::ListTaskDefinitionsResponse, EcsError> {
        let page = requests::task_definitions::list_task_definitions(request)?;
        let status = match request.status() {
            ecs::TaskDefinitionStatus::Inactive => TaskDefinitionStatus::Inactive,
            ecs::TaskDefinitionStatus::DeleteInProgress => TaskDefinitionStatus::DeleteInProgress,
            ecs::TaskDefinitionStatus::Active | ecs::TaskDefinitionStatus::Unspecified => TaskDefinitionStatus::Active,
        };
        let asked = |row: &&Arc<DefinitionRow>| {
            // ECS calls it a prefix and means the whole name.
            row.status == status && request.family_prefix.as_deref().is_none_or(|family| *row.key.family == *family)
        };
        let mut rows: Vec<&Arc<DefinitionRow>> = match (self.scope_id(), request.family_prefix.as_deref()) {
            (None, _) => Vec::new(),
            (Some(scope), Some(family)) => {
                let key = FamilyKey { scope, family: Arc::from(family) };
                self.state.revisions_of_family(&key).filter(asked).collect()
            }
            (Some(scope), None) => self.state.definitions(scope).filter(asked).collect(),
        };
        if request.sort() == SortOrder::Desc {
            rows.reverse();
        }
        let key = |row: &&Arc<DefinitionRow>| row.key.to_string();
        let skip =
            page.after.as_ref().map(|after| rows.iter().position(|row| key(row) == *after).map_or(0, |at| at + 1));
        let (rows, next_token) = page.cut(rows.into_iter().skip(skip.unwrap_or(0)), key);
        Ok(ecs::ListTaskDefinitionsResponse {
            task_definition_arns: rows.into_iter().map(|row| arns::definition(self.scope, &row.key)).collect(),
            next_token,
        })
    }

    /// ListTaskDefinitionFamilies: a family is ACTIVE while one of its revisions is.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn list_task_definition_families(
        &self,
        request: &ecs::ListTaskDefinitionFamiliesRequest,
    ) -> Result<ecs::ListTaskDefinitionFamiliesResponse, EcsError> {
        let page = requests::task_definitions::list_task_definition_families(request)?;
        let prefix = request.family_prefix.as_deref().unwrap_or_default();
        let asked = |row: &&Arc<FamilyRow>| {
            let active = || self.family_is_active(row);
            row.key.family.starts_with(prefix)
                && match request.status() {
                    TaskDefinitionFamilyStatus::Active => active(),
                    TaskDefinitionFamilyStatus::Inactive => !active(),
                    TaskDefinitionFamilyStatus::All | TaskDefinitionFamilyStatus::Unspecified => true,
                }
        };
        let rows = self.scope_id().into_iter().flat_map(|id| self.state.families(id, page.after.as_deref()));
        let (rows, next_token) = page.cut(rows.filter(asked), |row| row.key.family.to_string());
        Ok(ecs::ListTaskDefinitionFamiliesResponse {
            families: rows.into_iter().map(|row| row.key.family.to_string()).collect(),
            next_token,
        })
    }

    fn family_is_active(&self, row: &FamilyRow) -> bool {
        self.state.revisions_of_family(&row.key).rev().any(|row| row.status == TaskDefinitionStatus::Active)
    }
}

/// A task definition as the API shows it.
pub(super) fn render(scope: &Scope, row: &DefinitionRow) -> ecs::TaskDefinition {
    let mut definition = (*row.document).clone();
    definition.task_definition_arn = Some(arns::definition(scope, &row.key));
    definition.family = Some(row.key.family.to_string());
    definition.revision = Some(super::list::count(row.key.revision));
    definition.set_status(match row.status {
        TaskDefinitionStatus::Active => ecs::TaskDefinitionStatus::Active,
        TaskDefinitionStatus::Inactive => ecs::TaskDefinitionStatus::Inactive,
        TaskDefinitionStatus::DeleteInProgress => ecs::TaskDefinitionStatus::DeleteInProgress,
    });
    definition.registered_at = Some(time::timestamp(row.registered_at));
    definition.deregistered_at = row.deregistered_at.map(time::timestamp);
    definition.delete_requested_at = row.delete_requested_at.map(time::timestamp);
    definition.registered_by = Some(row.registered_by.to_string());
    definition
}
