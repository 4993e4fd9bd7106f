//! AWS's token buckets (ecs-semantics §2.7): each group of operations may burst, and then goes on at a rate; RunTask on Fargate
//! and the tasks that it launches there have buckets of their own. A bucket is of one region (a controller has one account), and
//! of the controller that was asked. Pure: the time comes from outside.

use std::collections::BTreeMap;

use drydock_model::arn::{Scope, short_name};
use drydock_model::requests::tasks::COUNT_MAX;
use drydock_model::status::ClusterStatus;
use drydock_proto::ecs::{LaunchType, RunTaskRequest};
use drydock_reconcile::capacity::sharing::Sharing;
use drydock_state::State;

use crate::limits::AWS_THROTTLED_REGIONS_MAX;

/// Microseconds since anything that doesn't change.
pub(super) type Micros = u64;
/// Parts of a token: with a rate of one token a second, one part comes in every microsecond.
const PARTS: u64 = 1_000_000;

/// One bucket's size.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// AWS's name of the group.
    pub(super) group: &'static str,
    /// Tokens of a full bucket.
    pub(super) burst: u64,
    /// Tokens that come in, a second.
    pub(super) rate: u64,
    /// Whose calls take one token each.
    pub(super) operations: &'static [&'static str],
}

impl Quota {
    const fn new(group: &'static str, burst: u64, rate: u64, operations: &'static [&'static str]) -> Self {
        Self { group, burst, rate, operations }
    }

    /// That of an operation; `None` where ECS has no such operation.
    pub(super) fn of(operation: &str) -> Option<&'static Self> {
        QUOTAS.iter().find(|quota| quota.operations.contains(&operation))
    }
}

/// The API's, from the page "Request throttling for the Amazon ECS API". That page doesn't name the operations on task sets,
/// Stop- and ContinueServiceDeployment and DiscoverPollEndpoint: they are here with what they are most like.
static QUOTAS: [Quota; 20] = [
    Quota::new(
        "Cluster modify",
        20,
        1,
        &["CreateCluster", "DeleteCluster", "PutClusterCapacityProviders", "UpdateCluster", "UpdateClusterSettings"],
    ),
    Quota::new("Cluster read", 50, 20, &["DescribeClusters", "ListClusters"]),
    Quota::new("Task definition modify", 20, 1, &["DeregisterTaskDefinition", "RegisterTaskDefinition"]),
    Quota::new(
        "Task definition read",
        50,
        20,
        &["DescribeTaskDefinition", "ListTaskDefinitionFamilies", "ListTaskDefinitions"],
    ),
    Quota::new("Task definition deletion", 5, 1, &["DeleteTaskDefinitions"]),
    Quota::new(
        "Capacity provider modify",
        10,
        1,
        &["CreateCapacityProvider", "DeleteCapacityProvider", "UpdateCapacityProvider"],
    ),
    Quota::new("Capacity provider read", 50, 20, &["DescribeCapacityProviders"]),
    Quota::new("Tag modify", 20, 10, &["TagResource", "UntagResource"]),
    Quota::new("Tag read", 50, 20, &["ListTagsForResource"]),
    Quota::new("Setting modify", 10, 1, &["DeleteAccountSetting", "PutAccountSetting", "PutAccountSettingDefault"]),
    Quota::new("Setting read", 50, 20, &["ListAccountSettings"]),
    Quota::new(
        "Cluster resource modify",
        100,
        40,
        &[
            "DeleteAttributes",
            "DeregisterContainerInstance",
            "ExecuteCommand",
            "PutAttributes",
            "RunTask",
            "StartTask",
            "StopTask",
            "UpdateContainerAgent",
            "UpdateContainerInstancesState",
        ],
    ),
    Quota::new(
        "Cluster resource read",
        100,
        20,
        &["DescribeContainerInstances", "DescribeTasks", "ListAttributes", "ListContainerInstances", "ListTasks"],
    ),
    Quota::new(
        "Agent modify",
        200,
        120,
        &[
            "DiscoverPollEndpoint",
            "RegisterContainerInstance",
            "SubmitAttachmentStateChanges",
            "SubmitContainerStateChange",
            "SubmitTaskStateChange",
        ],
    ),
    Quota::new(
        "Service modify",
        50,
        5,
        &[
            "CreateService",
            "CreateTaskSet",
            "DeleteService",
            "DeleteTaskSet",
            "UpdateService",
            "UpdateServicePrimaryTaskSet",
            "UpdateTaskSet",
        ],
    ),
    Quota::new("Service read", 100, 20, &["DescribeServices", "DescribeTaskSets", "ListServices"]),
    Quota::new(
        "Service deployment",
        50,
        20,
        &["ContinueServiceDeployment", "DescribeServiceDeployments", "ListServiceDeployments", "StopServiceDeployment"],
    ),
    Quota::new("Service revision", 50, 20, &["DescribeServiceRevisions"]),
    Quota::new("Task protection", 200, 80, &["GetTaskProtection", "UpdateTaskProtection"]),
    Quota::new("Cluster service resource read", 10, 1, &["ListServicesByNamespace"]),
];

/// Fargate's own, from the page "AWS Fargate throttling quotas": calls of RunTask, and tasks by what they run on.
static FARGATE_CALLS: Quota = Quota::new("RunTask on Fargate", 20, 20, &[]);
static FARGATE_TASKS: Quota = Quota::new("Fargate tasks on demand", 100, 20, &[]);
static FARGATE_SPOT_TASKS: Quota = Quota::new("Fargate Spot tasks", 100, 20, &[]);

/// All buckets of a controller. A full one isn't kept.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<String, BTreeMap<&'static str, Bucket>>);

/// One that isn't full.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Parts of tokens that are missing.
    missing: u64,
    /// When that was so.
    at: Micros,
    rate: u64,
}

impl Bucket {
    fn missing_at(self, now: Micros) -> u64 {
        self.missing.saturating_sub(now.saturating_sub(self.at).saturating_mul(self.rate))
    }
}

impl Buckets {
    /// Takes so many tokens of each bucket, or none of any. `false`: one hasn't as many; or this region has no bucket yet and
    /// there are [`AWS_THROTTLED_REGIONS_MAX`] others that aren't full.
    pub(super) fn take(&mut self, region: &str, wants: &[(&'static Quota, u64)], now: Micros) -> bool {
        if !self.0.contains_key(region) && self.0.len() >= AWS_THROTTLED_REGIONS_MAX {
            self.forget_full(now);
            if self.0.len() >= AWS_THROTTLED_REGIONS_MAX {
                return false;
            }
        }
        let known = self.0.get(region);
        let missing = |quota: &Quota| {
            known.and_then(|buckets| buckets.get(quota.group)).map_or(0, |bucket| bucket.missing_at(now))
        };
        let after: Vec<(&'static Quota, u64)> =
            wants.iter().map(|(quota, tokens)| (*quota, missing(quota).saturating_add(tokens * PARTS))).collect();
        if after.iter().any(|(quota, missing)| *missing > quota.burst * PARTS) {
            return false;
        }
        let buckets = self.0.entry(region.to_owned()).or_default();
        for (quota, missing) in after {
            buckets.insert(quota.group, Bucket { missing, at: now, rate: quota.rate });
        }
        true
    }

    fn forget_full(&mut self, now: Micros) {
        self.0.retain(|_, buckets| {
            buckets.retain(|_, bucket| bucket.missing_at(now) > 0);
            !buckets.is_empty()
        });
    }
}

/// What a RunTask takes of Fargate's buckets: a call, and a token for each task, whether or not it finds a place; nothing where
/// it isn't for Fargate.
pub(super) fn fargate_wants(state: &State, scope: &Scope, request: &RunTaskRequest) -> Vec<(&'static Quota, u64)> {
    let cluster = short_name(request.cluster.as_deref().filter(|name| !name.is_empty()).unwrap_or("default"));
    let cluster = state.scope_id(scope).and_then(|scope| state.cluster_by_name(scope, cluster));
    let Some(cluster) = cluster.filter(|row| row.status == ClusterStatus::Active) else { return Vec::new() };
    let launch_type = request.launch_type.map(|_| request.launch_type());
    let capacity = state.capacity_for(cluster, launch_type, &request.capacity_provider_strategy);
    let Some(capacity) = capacity.ok().filter(|capacity| capacity.launch_type == LaunchType::Fargate) else {
        return Vec::new();
    };
    // As they will be shared out.
    let mut sharing = Sharing::new(&capacity.strategy, []);
    let (mut on_demand, mut spot) = (0, 0);
    for _ in 0..request.count.unwrap_or(1).min(COUNT_MAX) {
        match sharing.take() {
            Some("FARGATE_SPOT") => spot += 1,
            _ => on_demand += 1,
        }
    }
    vec![(&FARGATE_CALLS, 1), (&FARGATE_TASKS, on_demand), (&FARGATE_SPOT_TASKS, spot)]
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
