//! The tables' rows: compact native types for what lives, validated ECS messages behind `Arc` for immutable documents
//! (design §3.2). A row is never changed in place where a reader may hold it.

mod account_setting;
mod capacity_provider;
mod cluster;
mod cost;
mod definition;
mod hook;
mod instance;
mod outside;
mod service;
mod system;
mod tags;
mod task;
mod task_set;

pub use account_setting::{AccountSettingKey, AccountSettingRow};
pub use capacity_provider::{CapacityProviderRow, ScalingFigures, ScalingRow};
pub use cluster::ClusterRow;
pub use cost::{CostKey, CostRow};
pub use definition::{DefinitionRow, FamilyRow};
pub use hook::{HookAction, HookRow, HookStage, HookStatus};
pub use instance::{API_RUNTIME, InstanceInfo, InstanceRow};
pub use outside::{NAMES_MAX, Names, SubnetRow};
pub use service::{
    DeploymentRow, LifecycleStage, MAXIMUM_PERCENT_DEFAULT, MINIMUM_HEALTHY_PERCENT_DEFAULT, MonitorStatus,
    RevisionRow, RollbackRow, RolloutState, SERVICE_EVENTS_MAX, ServiceEventRow, ServiceEventsRow, ServiceProgress,
    ServiceRow, is_pinned,
};
pub use system::{Counters, FAST_DIVISOR, SERVICE_LAUNCHES_PER_MINUTE, Settings, TokenResult, TokenRow};
pub use tags::Tags;
pub use task::{AttachmentRow, BindingRow, ContainerRow, InterfaceRow, TaskLaunch, TaskOwner, TaskRow, TaskTimes};
pub use task_set::TaskSetRow;
