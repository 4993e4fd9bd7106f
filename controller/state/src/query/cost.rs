//! What tasks, services and a cluster would have cost on Fargate, as the control API shows it (ecs-semantics §2.2).

use drydock_model::billing::{PRICES_FROM, PRICES_IN, PRICES_OF, Usage, dollars};
use drydock_model::error::EcsError;
use drydock_proto::control;
use drydock_proto::ecs::LaunchType;

use super::{Query, lookup, time};
use crate::billing;
use crate::key::Millis;
use crate::row::{ClusterRow, TaskRow};

/// Tasks, and services, that one request may name.
pub const COSTS_NAMED_MAX: usize = 100;

impl Query<'_> {
    /// GetCosts, until `now` for tasks that haven't stopped. What isn't there is left out.
    ///
    /// # Errors
    /// `ClusterNotFoundException`; `InvalidParameterException` for more than [`COSTS_NAMED_MAX`].
    pub fn costs(
        &self,
        request: &control::GetCostsRequest,
        now: Millis,
    ) -> Result<control::GetCostsResponse, EcsError> {
        if request.tasks.len().max(request.services.len()) > COSTS_NAMED_MAX {
            let text = format!("GetCosts takes at most {COSTS_NAMED_MAX} tasks and as many services.");
            return Err(EcsError::invalid_parameter(text));
        }
        let now = now.max(self.state.now());
        let cluster = self.cluster(Some(&request.cluster))?;
        let tasks = request.tasks.iter().filter_map(|name| lookup::task(self.state, self.scope, cluster, name));
        let services =
            request.services.iter().filter_map(|name| lookup::service(self.state, self.scope, cluster.id, name));
        let services = services.map(|row| {
            let usage = billing::usage_of_service(self.state, row.key, now);
            let live = self.state.live_tasks_of(row.key).map(|row| &**row);
            sum(self.arns(cluster).service(&row.name), &usage, billing::an_hour(self.state, live, now))
        });
        let whole = request.whole_cluster.then(|| {
            let usage = billing::usage_of_cluster(self.state, cluster.id, now);
            let live = self.state.tasks(cluster.id).map(|row| &**row);
            sum(self.arns(cluster).cluster(), &usage, billing::an_hour(self.state, live, now))
        });
        Ok(control::GetCostsResponse {
            tasks: tasks.map(|row| self.task_cost(cluster, row, now)).collect(),
            services: services.collect(),
            cluster: whole,
            prices: Some(control::PriceList {
                source: PRICES_FROM.to_owned(),
                month: PRICES_OF.to_owned(),
                region: PRICES_IN.to_owned(),
            }),
            until: Some(time::timestamp(now)),
        })
    }

    fn task_cost(&self, cluster: &ClusterRow, row: &TaskRow, now: Millis) -> control::TaskCost {
        let task_arn = self.arns(cluster).task(row.key);
        let bill = self.state.definition(&row.definition).and_then(|definition| billing::bill(row, definition, now));
        let Some(bill) = bill else {
            return control::TaskCost { task_arn, not_billed: not_billed(row), ..control::TaskCost::default() };
        };
        control::TaskCost {
            task_arn,
            dollars: Some(dollars(bill.usage().nano_dollars())),
            dollars_an_hour: Some(dollars(bill.nano_dollars_an_hour())),
            seconds: Some(bill.seconds),
            rate: Some(bill.rate.as_str().to_owned()),
            cpu: Some(bill.cpu),
            memory_mib: Some(bill.memory_mib),
            billed_storage_gib: Some(bill.storage_gib),
            from: billing::begun(row).map(time::timestamp),
            until: Some(time::timestamp(row.times.stopped_at.unwrap_or(now))),
            smallest_size: row.launch.launch_type != LaunchType::Fargate,
            not_billed: None,
        }
    }
}

fn not_billed(row: &TaskRow) -> Option<String> {
    let text = if row.launch.needs.gpus > 0 {
        "Fargate has no GPUs"
    } else if billing::begun(row).is_none() {
        "its image pull hasn't begun"
    } else {
        "no Fargate size holds it"
    };
    Some(text.to_owned())
}

fn sum(arn: String, usage: &Usage, an_hour: u64) -> control::CostSum {
    control::CostSum {
        arn,
        dollars: dollars(usage.nano_dollars()),
        dollars_an_hour: dollars(an_hour),
        tasks: usage.tasks(),
        seconds: usage.seconds(),
    }
}
