//! Scale-in protection: GetTaskProtection, and how it is told.

use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_proto::ecs;

use super::{Query, list, lookup, time};
use crate::row::TaskRow;

impl Query<'_> {
    /// GetTaskProtection.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn get_task_protection(
        &self,
        request: &ecs::GetTaskProtectionRequest,
    ) -> Result<ecs::GetTaskProtectionResponse, EcsError> {
        requests::protection::get_task_protection(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let mut response = ecs::GetTaskProtectionResponse::default();
        for name in &request.tasks {
            match lookup::task(self.state, self.scope, cluster, name) {
                None => response.failures.push(list::missing(self.task_arn(cluster, name))),
                Some(row) if row.service.is_none() || row.is_told_to_stop() => {
                    response.failures.push(ecs::Failure {
                        arn: Some(self.arns(cluster).task(row.key)),
                        reason: Some("TASK_NOT_VALID".to_owned()),
                        detail: None,
                    });
                }
                Some(row) => response.protected_tasks.push(self.render_protection(row)),
            }
        }
        Ok(response)
    }

    /// A task's protection as of the log's time.
    #[must_use]
    pub fn render_protection(&self, row: &TaskRow) -> ecs::ProtectedTask {
        let until = row.protected_until.filter(|_| row.is_protected(self.state.now()));
        let arn = self.state.cluster(row.key.cluster).map(|cluster| self.arns(cluster).task(row.key));
        ecs::ProtectedTask {
            task_arn: arn,
            protection_enabled: Some(until.is_some()),
            expiration_date: until.map(time::timestamp),
        }
    }
}
