//! What Docker's inspection says, in the engine's words: pure.

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, HealthStatusEnum};
use drydock_engine::limits::Millis;
use drydock_engine::{Observation, ObservedState};
use drydock_model::status::HealthStatus;
use drydock_proto::ecs::{NetworkBinding, TransportProtocol};

use super::LABEL_HOST_PORTS;

/// What a killed process leaves as exit code.
const KILLED: i64 = 137;

pub(crate) fn observation(seen: &ContainerInspectResponse) -> Observation {
    let state = seen.state.clone().unwrap_or_default();
    let started_at = moment(state.started_at.as_deref());
    // Docker takes the start by its own clock once the start has returned, and the end from whoever saw the process
    // end: one that ends at once may have ended before it started. While it runs, the end is that of the run before.
    let ended = matches!(observed(&state), ObservedState::Exited { .. });
    let finished_at =
        moment(state.finished_at.as_deref()).map(|at| if ended { at.max(started_at.unwrap_or(at)) } else { at });
    Observation {
        runtime_id: seen.id.clone().unwrap_or_default(),
        started_at,
        finished_at,
        health: match state.health.as_ref().and_then(|health| health.status) {
            Some(HealthStatusEnum::HEALTHY) => HealthStatus::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => HealthStatus::Unhealthy,
            _ => HealthStatus::Unknown,
        },
        state: observed(&state),
        network_bindings: bindings(seen),
        image_digest: String::new(),
    }
}

fn observed(state: &ContainerState) -> ObservedState {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) | None => ObservedState::Created,
        Some(
            ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD | ContainerStateStatusEnum::REMOVING,
        ) => {
            let error = state.error.clone().unwrap_or_default();
            let reason = if state.oom_killed == Some(true) && state.exit_code == Some(KILLED) {
                "OutOfMemoryError: Container killed due to memory usage".to_owned()
            } else {
                error
            };
            let exit_code = state.exit_code.and_then(|code| i32::try_from(code).ok());
            ObservedState::Exited { exit_code, reason }
        }
        Some(_) => ObservedState::Running,
    }
}

/// Docker's times; its zero, the year 1, is none.
fn moment(text: Option<&str>) -> Option<Millis> {
    let time: prost_types::Timestamp = text?.parse().ok()?;
    drydock_engine::millis(Some(&time))
}

/// Ports of the host that lead to a container.
pub(crate) fn bindings(seen: &ContainerInspectResponse) -> Vec<NetworkBinding> {
    let labels = seen.config.as_ref().and_then(|config| config.labels.as_ref());
    let mut out: Vec<NetworkBinding> = Vec::new();
    if let Some(ports) = labels.and_then(|labels| labels.get(LABEL_HOST_PORTS)) {
        out.extend(ports.split(',').filter_map(|port| binding(port, "0.0.0.0", None)));
    }
    let published = seen.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    for (port, bindings) in published.into_iter().flatten() {
        for one in bindings.iter().flatten() {
            // Docker publishes on IPv6 beside IPv4; ECS shows the latter.
            let ip = one.host_ip.as_deref().filter(|ip| !ip.contains(':'));
            out.extend(ip.and_then(|ip| binding(port, ip, one.host_port.as_deref())));
        }
    }
    out.sort_by_key(|one| (one.container_port, one.protocol, one.host_port));
    out
}

/// `80/tcp` and where it is on the host; without a port of the host the same.
fn binding(port: &str, ip: &str, host_port: Option<&str>) -> Option<NetworkBinding> {
    let (port, protocol) = port.split_once('/')?;
    let protocol = if protocol == "udp" { TransportProtocol::Udp } else { TransportProtocol::Tcp };
    Some(NetworkBinding {
        bind_ip: Some(ip.to_owned()),
        container_port: Some(port.parse().ok()?),
        host_port: Some(host_port.unwrap_or(port).parse().ok()?),
        protocol: Some(protocol.into()),
        ..Default::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use drydock_engine::ObservedState;
    use serde_json::{Value, json};

    use super::observation;

    fn seen(state: &Value) -> ObservedState {
        observation(&serde_json::from_value(json!({"Id": "x", "State": state.clone()})).unwrap()).state
    }

    #[test]
    fn states() {
        let exited = |code, reason: &str| ObservedState::Exited { exit_code: Some(code), reason: reason.into() };
        for (state, expected) in [
            (json!({"Status": "created", "ExitCode": 127, "Error": "no such file"}), ObservedState::Created),
            (json!({"Status": "running"}), ObservedState::Running),
            (json!({"Status": "paused"}), ObservedState::Running),
            (json!({"Status": "exited", "ExitCode": 3}), exited(3, "")),
            (json!({"Status": "dead", "ExitCode": 1, "Error": "gone"}), exited(1, "gone")),
            (json!({"Status": "exited", "ExitCode": 137, "OOMKilled": false}), exited(137, "")),
            (
                json!({"Status": "exited", "ExitCode": 137, "OOMKilled": true}),
                exited(137, "OutOfMemoryError: Container killed due to memory usage"),
            ),
            // A child was killed, and the program went on and ended by itself.
            (json!({"Status": "exited", "ExitCode": 0, "OOMKilled": true}), exited(0, "")),
        ] {
            assert_eq!(seen(&state), expected, "{state}");
        }
    }

    /// Docker's own times of a container that ended at once, as they were seen.
    #[test]
    fn none_ends_before_it_starts() {
        let times = |status: &str, started: &str, finished: &str| {
            let state = json!({"Status": status, "ExitCode": 7, "StartedAt": started, "FinishedAt": finished});
            let seen = observation(&serde_json::from_value(json!({"Id": "x", "State": state})).unwrap());
            (seen.started_at.unwrap(), seen.finished_at.unwrap())
        };
        let (early, late) = ("2026-01-23T17:57:58.500Z", "2026-01-23T17:57:58.504Z");
        let (first, second) = (1_769_191_078_500, 1_769_191_078_504);
        assert_eq!(times("exited", early, late), (first, second));
        assert_eq!(times("exited", late, early), (second, second));
        assert_eq!(times("running", late, early), (second, first), "that was the run before");
    }

    #[test]
    fn times_and_ports() {
        let found = observation(
            &serde_json::from_value(json!({
                "Id": "x",
                "Config": {"Labels": {"drydock.host-ports": "53/udp"}},
                "State": {"Status": "running", "StartedAt": "2026-01-23T17:57:58.5Z", "FinishedAt": "0001-01-01T00:00:00Z"},
                "NetworkSettings": {"Ports": {"80/tcp": [
                    {"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}], "81/tcp": null}}
            }))
            .unwrap(),
        );
        assert_eq!((found.started_at, found.finished_at), (Some(1_769_191_078_500), None));
        let ports: Vec<_> =
            found.network_bindings.iter().map(|one| (one.bind_ip(), one.container_port(), one.host_port())).collect();
        assert_eq!(ports, [("0.0.0.0", 53, 53), ("0.0.0.0", 80, 32_768)]);
    }
}
