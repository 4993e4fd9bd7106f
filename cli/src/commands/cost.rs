//! What tasks would have cost on Fargate, beside what ECS says of them: asked of the control API.

use drydock_proto::control::{CostSum, GetCostsRequest, GetCostsResponse, TaskCost};
use serde::Serialize;

use super::Context;
use super::controller::Api;
use crate::client::Kind;
use crate::failure::Failure;

/// An answer of ECS with the costs beside it: ECS's shape is what it was, with one member more.
#[derive(Debug, Serialize)]
pub struct WithCosts<'a, T, C> {
    /// ECS's answer.
    #[serde(flatten)]
    pub answer: &'a T,
    /// The costs.
    pub costs: &'a C,
}

/// Asks for costs.
///
/// # Errors
/// Those of the call.
pub async fn costs(context: &Context, request: GetCostsRequest) -> Result<GetCostsResponse, Failure> {
    context
        .client
        .control(Kind::Read, request, async |mut control: Api, request| control.get_costs(request).await)
        .await
}

/// `$0.0123 (…)` of a task, on one line.
#[must_use]
pub fn of_task(cost: &TaskCost) -> String {
    let Some(dollars) = &cost.dollars else {
        return format!("nothing: {}", cost.not_billed.as_deref().unwrap_or_default());
    };
    let as_if = if cost.smallest_size { ", the smallest that holds it" } else { "" };
    format!(
        "${dollars} for {} s of {} CPU units and {} MiB{as_if} ({}, ${} an hour)",
        cost.seconds.unwrap_or_default(),
        cost.cpu.unwrap_or_default(),
        cost.memory_mib.unwrap_or_default(),
        cost.rate.as_deref().unwrap_or_default(),
        cost.dollars_an_hour.as_deref().unwrap_or_default(),
    )
}

/// The same of all tasks of a service or a cluster.
#[must_use]
pub fn of_all(sum: &CostSum) -> String {
    format!(
        "on Fargate its {} tasks would have cost ${} so far, and ${} an hour now",
        sum.tasks, sum.dollars, sum.dollars_an_hour
    )
}
