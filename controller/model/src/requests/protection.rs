//! Scale-in protection of tasks: GetTaskProtection, UpdateTaskProtection (ecs-semantics §2.3).

use drydock_proto::ecs::{GetTaskProtectionRequest, UpdateTaskProtectionRequest};

use super::{listed, required, well_formed};
use crate::error::EcsError;

/// Tasks that UpdateTaskProtection takes.
pub const UPDATE_MAX: usize = 10;
/// Tasks that GetTaskProtection takes: what ECS's model says today, ten times what it said at first.
pub const GET_MAX: usize = 100;
/// Minutes that protection lasts where none are given.
pub const EXPIRES_DEFAULT_MINUTES: u32 = 120;
/// The longest protection, in minutes: 48 hours.
pub const EXPIRES_MAX_MINUTES: i32 = 2_880;

/// GetTaskProtection.
///
/// # Errors
/// `InvalidParameterException`.
pub fn get_task_protection(request: &GetTaskProtectionRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("cluster", &request.cluster)?;
    listed("Tasks", &request.tasks, 1, GET_MAX)
}

/// UpdateTaskProtection. Returns how many minutes the tasks are to be protected from now on, `None` where protection is to
/// end.
///
/// # Errors
/// `InvalidParameterException`.
pub fn update_task_protection(request: &UpdateTaskProtectionRequest) -> Result<Option<u32>, EcsError> {
    well_formed(request)?;
    required("cluster", &request.cluster)?;
    listed("Tasks", &request.tasks, 1, UPDATE_MAX)?;
    let Some(enabled) = request.protection_enabled else {
        return Err(EcsError::invalid_parameter("protectionEnabled must be specified."));
    };
    match request.expires_in_minutes {
        Some(minutes) if !(1..=EXPIRES_MAX_MINUTES).contains(&minutes) => {
            Err(EcsError::invalid_parameter(format!("expiresInMinutes must be between 1 and {EXPIRES_MAX_MINUTES}.")))
        }
        Some(_) if !enabled => {
            Err(EcsError::invalid_parameter("expiresInMinutes may only be specified where protectionEnabled is true."))
        }
        given => Ok(enabled.then(|| given.map_or(EXPIRES_DEFAULT_MINUTES, i32::unsigned_abs))),
    }
}
