//! What tasks would have cost on Fargate (ecs-semantics §2.2): the bill of one, and what all of a service or a cluster
//! used, of which the collected ones are kept in a row. Pure functions of the state and a time.

use drydock_model::billing::{self, Bill, Rate, STORAGE_FREE_GIB, Usage};
use drydock_model::fargate;
use drydock_proto::ecs::{CpuArchitecture, LaunchType};

use crate::key::{ClusterId, Millis, ServiceKey};
use crate::row::{CostKey, DefinitionRow, TaskRow};
use crate::state::State;

/// The capacity provider whose tasks have Spot's price.
const SPOT: &str = "FARGATE_SPOT";

/// The bill of a task until it stopped, or until `now`.
///
/// `None` where nothing is billed: its image pull hasn't begun, it has GPUs, or no Fargate size holds it. A task that
/// isn't of launch type FARGATE has the smallest size that holds it.
#[must_use]
pub fn bill(row: &TaskRow, definition: &DefinitionRow, now: Millis) -> Option<Bill> {
    let from = begun(row)?;
    let until = row.times.stopped_at.unwrap_or(now);
    let platform = definition.document.runtime_platform;
    let windows = platform.is_some_and(|platform| fargate::is_windows(platform.operating_system_family()));
    let arm = platform.is_some_and(|platform| platform.cpu_architecture() == CpuArchitecture::Arm64);
    let needs = &row.launch.needs;
    let (cpu, memory_mib) = match row.launch.launch_type {
        _ if needs.gpus > 0 => return None,
        LaunchType::Fargate => (needs.cpu, needs.memory_mib),
        _ => billing::smallest_size(needs.cpu, needs.memory_mib, windows)?,
    };
    let overridden = row.launch.overrides.as_ref().and_then(|overrides| overrides.ephemeral_storage);
    let storage = overridden.or(definition.document.ephemeral_storage).and_then(|storage| storage.size_in_gi_b);
    let storage = storage.and_then(|gib| u32::try_from(gib).ok()).unwrap_or(STORAGE_FREE_GIB);
    Some(Bill {
        rate: Rate::of(windows, arm, row.capacity_provider.as_deref() == Some(SPOT)),
        cpu,
        memory_mib,
        storage_gib: storage.saturating_sub(STORAGE_FREE_GIB),
        seconds: billing::seconds(until.saturating_sub(from)),
    })
}

/// When its image pull began; where no agent told, when it ran.
#[must_use]
pub fn begun(row: &TaskRow) -> Option<Millis> {
    row.times.pull_started_at.or(row.times.started_at)
}

/// What a task used until it stopped, or until `now`.
#[must_use]
pub fn usage_of_task(state: &State, row: &TaskRow, now: Millis) -> Usage {
    let bill = state.definition(&row.definition).and_then(|definition| bill(row, definition, now));
    bill.map(|bill| bill.usage()).unwrap_or_default()
}

/// What all tasks of a service used until now, those that were collected too.
#[must_use]
pub fn usage_of_service(state: &State, key: ServiceKey, now: Millis) -> Usage {
    let tasks = state.live_tasks_of(key).chain(state.stopped_tasks_of(key));
    with_collected(state, CostKey::Service(key), tasks.map(|row| usage_of_task(state, row, now)))
}

/// What all tasks of a cluster used until now, those that were collected too. Looks at each task that is kept.
#[must_use]
pub fn usage_of_cluster(state: &State, id: ClusterId, now: Millis) -> Usage {
    with_collected(state, CostKey::Cluster(id), state.tasks(id).map(|row| usage_of_task(state, row, now)))
}

fn with_collected(state: &State, key: CostKey, tasks: impl Iterator<Item = Usage>) -> Usage {
    let mut sum = state.collected(key).cloned().unwrap_or_default();
    tasks.for_each(|usage| sum.add(&usage));
    sum
}

/// What an hour of the tasks that run now costs, in nano-dollars.
#[must_use]
pub fn an_hour<'a>(state: &State, tasks: impl Iterator<Item = &'a TaskRow>, now: Millis) -> u64 {
    let mut sum = Usage::default();
    for row in tasks.filter(|row| !row.is_stopped()) {
        let bill = state.definition(&row.definition).and_then(|definition| bill(row, definition, now));
        if let Some(bill) = bill {
            sum.add(&Bill { seconds: 3_600, ..bill }.usage());
        }
    }
    sum.nano_dollars()
}
