//! Rows of account settings.

use std::sync::Arc;

use drydock_proto::ecs::SettingName;

use crate::key::ScopeId;

/// Whose setting it is, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountSettingKey {
    /// Region and account.
    pub scope: ScopeId,
    /// ARN of the principal; that of the root user holds for all who have none of their own.
    pub principal: Arc<str>,
    /// Which.
    pub name: SettingName,
}

/// A setting that somebody has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSettingRow {
    /// Whose, and which.
    pub key: AccountSettingKey,
    /// One of those that ECS takes.
    pub value: Arc<str>,
}
