//! Statistics of containers: Docker's own, beside what is sent and received a second (ecs-semantics §2.5).

use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

/// Docker takes a sample a second; two must come within this.
const SAMPLES_MAX: Duration = Duration::from_secs(5);

/// A container's statistics; null where it doesn't run.
pub(crate) async fn of(docker: &Docker, runtime_id: &str) -> Value {
    let options = StatsOptionsBuilder::default().stream(true).build();
    let mut samples = std::pin::pin!(docker.stats(runtime_id, Some(options)));
    let two = async {
        let first = samples.next().await?.ok()?;
        let second = samples.next().await?.ok()?;
        Some((first, second))
    };
    match tokio::time::timeout(SAMPLES_MAX, two).await {
        Ok(Some((first, second))) => render(&first, &second),
        _ => Value::Null,
    }
}

/// Docker says of a container that doesn't run that it has no time.
fn render(first: &ContainerStatsResponse, second: &ContainerStatsResponse) -> Value {
    let mut value = serde_json::to_value(second).unwrap_or_default();
    let system = value.pointer("/cpu_stats/system_cpu_usage").and_then(Value::as_u64);
    if system.is_none() {
        return Value::Null;
    }
    let first = serde_json::to_value(first).unwrap_or_default();
    if let (Some(rates), Some(object)) = (rates(&first, &value), value.as_object_mut()) {
        object.insert("network_rate_stats".to_owned(), rates);
    }
    value
}

/// Bytes a second over all devices, between two samples; `None` where the container's own network isn't seen.
fn rates(first: &Value, second: &Value) -> Option<Value> {
    let sum = |sample: &Value, what: &str| -> Option<u64> {
        let all = sample.get("networks")?.as_object()?.values();
        Some(all.filter_map(|one| one.get(what)?.as_u64()).sum())
    };
    let millis = |sample: &Value| {
        let time: prost_types::Timestamp = sample.get("read")?.as_str()?.parse().ok()?;
        drydock_engine::millis(Some(&time))
    };
    let span = millis(second)?.checked_sub(millis(first)?).filter(|span| *span > 0)?;
    let rate = |what: &str| Some(sum(second, what)?.saturating_sub(sum(first, what)?) * 1_000 / span);
    Some(json!({ "rx_bytes_per_sec": rate("rx_bytes")?, "tx_bytes_per_sec": rate("tx_bytes")? }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{rates, render};

    fn sample(read: &str, rx: u64, tx: u64) -> Value {
        let device = json!({ "rx_bytes": rx, "tx_bytes": tx });
        json!({ "read": read, "networks": { "eth0": device, "eth1": device } })
    }

    // rule: 2.5/metadata
    #[test]
    fn rates_are_over_all_devices_and_a_second() {
        let (one, two) = ("2026-01-23T17:57:58.500Z", "2026-01-23T17:58:00.500Z");
        let seen = rates(&sample(one, 100, 10), &sample(two, 1_100, 30));
        assert_eq!(seen, Some(json!({ "rx_bytes_per_sec": 1_000, "tx_bytes_per_sec": 20 })));
        assert_eq!(rates(&sample(one, 0, 0), &sample(one, 1, 1)), None, "no time has passed");
        assert_eq!(rates(&json!({ "read": one }), &json!({ "read": two })), None, "it joined another's network");
        assert_eq!(render(&Default::default(), &Default::default()), Value::Null, "it doesn't run");
    }
}
