//! The gRPC health service: SERVING while a leader is known, since without one nothing can be written.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::core::Core;

/// The services whose health is told; the empty name stands for the whole controller.
const SERVICES: [&str; 4] = ["", "drydock.ecs.v1.Ecs", "drydock.control.v1.Control", "drydock.agent.v1.AgentControl"];

/// Keeps the health told until `stop`; NOT_SERVING at the end.
pub(crate) async fn tell(core: Arc<Core>, health: HealthReporter, stop: CancellationToken) {
    let mut leaderships = core.leaderships.subscribe();
    loop {
        let led = leaderships.borrow_and_update().leader.is_some() && !stop.is_cancelled();
        let status = if led { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in SERVICES {
            health.set_service_status(service, status).await;
        }
        if stop.is_cancelled() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            changed = leaderships.changed() => if changed.is_err() { return },
        }
    }
}
