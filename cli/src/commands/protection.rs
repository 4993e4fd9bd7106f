//! `drydock task protect`, `drydock task protection`: scale-in protection.

use std::time::Duration;

use drydock_proto::ecs::{GetTaskProtectionRequest, ProtectedTask, UpdateTaskProtectionRequest};

use super::{Context, ids};
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::Table;
use crate::output::words::short_id;

/// Protects tasks, for `lasting` (two hours where none is given), or ends their protection.
///
/// # Errors
/// Those of the call, or an answer with failures.
pub async fn protect(context: &Context, tasks: &[String], lasting: Option<Duration>, off: bool) -> Result<(), Failure> {
    let request = UpdateTaskProtectionRequest {
        cluster: context.in_cluster(),
        tasks: ids::tasks(context, tasks).await?,
        protection_enabled: Some(!off),
        expires_in_minutes: lasting.map(minutes),
    };
    let answer = context
        .client
        .ecs(Kind::Idempotent, request, async |mut ecs, request| ecs.update_task_protection(request).await)
        .await?;
    context.answer_beside(&answer, &answer.failures, || table(&answer.protected_tasks))
}

/// Shows whether tasks are protected, and until when.
///
/// # Errors
/// Those of the call, or an answer with failures.
pub async fn protection(context: &Context, tasks: &[String]) -> Result<(), Failure> {
    let request = GetTaskProtectionRequest { cluster: context.in_cluster(), tasks: ids::tasks(context, tasks).await? };
    let answer = context
        .client
        .ecs(Kind::Read, request, async |mut ecs, request| ecs.get_task_protection(request).await)
        .await?;
    context.answer_beside(&answer, &answer.failures, || table(&answer.protected_tasks))
}

/// Whole minutes, as the API counts; what has begun counts.
fn minutes(lasting: Duration) -> i32 {
    i32::try_from(lasting.as_secs().div_ceil(60)).unwrap_or(i32::MAX)
}

fn table(tasks: &[ProtectedTask]) -> Table {
    let mut table = Table::new(&["TASK", "PROTECTED", "UNTIL"]);
    for task in tasks {
        table.row([
            short_id(task.task_arn.as_deref().unwrap_or_default()),
            if task.protection_enabled() { "yes" } else { "no" }.to_owned(),
            task.expiration_date.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::minutes;

    #[test]
    fn a_minute_that_has_begun_counts() {
        for (seconds, counted) in [(1, 1), (60, 1), (61, 2), (7_200, 120)] {
            assert_eq!(minutes(Duration::from_secs(seconds)), counted);
        }
    }
}
