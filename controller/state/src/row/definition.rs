//! Rows of task definitions and their families.

use std::sync::Arc;

use drydock_model::status::TaskDefinitionStatus;
use drydock_proto::ecs;

use crate::key::{DefinitionKey, FamilyKey, Millis};

/// One revision of a task definition.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionRow {
    /// Scope, family and revision.
    pub key: DefinitionKey,
    /// ACTIVE, INACTIVE or DELETE_IN_PROGRESS.
    pub status: TaskDefinitionStatus,
    /// +1 on every change.
    pub version: u64,
    /// When it was registered.
    pub registered_at: Millis,
    /// When it was deregistered.
    pub deregistered_at: Option<Millis>,
    /// When its deletion was asked for.
    pub delete_requested_at: Option<Millis>,
    /// DELETE_IN_PROGRESS only: from when on it is tried to reap it; that works once nothing uses it.
    pub reap_at: Option<Millis>,
    /// Who registered it.
    pub registered_by: Arc<str>,
    /// The validated, normalised document. ARN, status and times are unset: they are rendered from the row.
    pub document: Arc<ecs::TaskDefinition>,
    /// Its tags.
    pub tags: Arc<[ecs::Tag]>,
}

/// A family: outlives its revisions, so that no revision number is ever used twice.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyRow {
    /// Scope and name.
    pub key: FamilyKey,
    /// The revision that was registered last; the next one is one more.
    pub last_revision: u32,
}
