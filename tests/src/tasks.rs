//! What a task costs: runs many simulated ones and sees what the controllers' logs and memory grew by.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_proto::ecs;
use serde_json::json;

use crate::cluster::Cluster;
use crate::disk::folder_content;
use crate::ecs_client::Ecs;
use crate::wait;

/// RunTask's own bound.
const TASKS_PER_CALL: i32 = 10;
/// Time for all tasks to run.
const RUNNING_MAX: Duration = Duration::from_secs(300);

/// Figures of one controller.
#[derive(Debug, Clone)]
pub struct Cost {
    /// Its name.
    pub name: String,
    /// Bytes that were added to its log, for each task, from RunTask to RUNNING.
    pub log_bytes_a_task: i64,
    /// Bytes that its resident memory grew by, for each task.
    pub memory_bytes_a_task: i64,
}

/// Runs `count` tasks (rounded up to tens) until all are RUNNING.
///
/// # Errors
/// One can't be placed, or they don't all run in time.
pub async fn cost(cluster: &mut Cluster, count: i32) -> Result<Vec<Cost>> {
    let ecs = Ecs { apis: cluster.apis()? };
    let small = json!({
        "family": "cost",
        "containerDefinitions": [{ "name": "main", "image": "busybox", "cpu": 1, "memory": 6 }]
    });
    ecs.register(&small).await?;
    let before = sizes(cluster)?;
    let calls = (count + TASKS_PER_CALL - 1) / TASKS_PER_CALL;
    for _ in 0..calls {
        ecs.run("cost", TASKS_PER_CALL).await?;
    }
    let all = usize::try_from(calls * TASKS_PER_CALL)?;
    wait::holds("all tasks run", RUNNING_MAX, async || {
        let tasks = ecs.tasks(&ecs.task_arns(None, ecs::DesiredStatus::Running).await?).await?;
        let running = tasks.iter().filter(|task| task.last_status() == "RUNNING").count();
        ensure!(running == all, "{running} of {all} run");
        Ok(())
    })
    .await?;
    let tasks = i64::try_from(all)?;
    let costs =
        sizes(cluster)?.into_iter().zip(before).map(|((name, disk, memory), (_, disk_before, memory_before))| Cost {
            name,
            log_bytes_a_task: (disk - disk_before) / tasks,
            memory_bytes_a_task: (memory - memory_before) / tasks,
        });
    Ok(costs.collect())
}

/// Name, bytes of the folder and bytes of memory of each controller.
fn sizes(cluster: &mut Cluster) -> Result<Vec<(String, i64, i64)>> {
    let mut found = Vec::new();
    for member in &mut cluster.controllers {
        let disk = i64::try_from(folder_content(&member.data_dir)?)?;
        let memory = i64::try_from(member.process()?.resident_bytes()?)?;
        found.push((member.name.clone(), disk, memory));
    }
    Ok(found)
}
