//! What test suites ask of a local endpoint beside operations: a reset, under Drydock's own path and those that suites for
//! LocalStack and for moto's server call; health, also where LocalStack has it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::failure::{Failure, with_id};
use super::signature::Received;
use super::{Port, body_of, gate, request_id};
use crate::core::Core;

/// The routes.
pub(super) fn routes() -> Router<Port> {
    Router::new()
        .route("/_drydock/health", get(health))
        .route("/_localstack/health", get(health))
        .route("/_drydock/reset", post(reset))
        .route("/_localstack/state/reset", post(reset))
        .route("/moto-api/reset", post(reset))
}

/// Whether this controller can answer: it is a member, and some controller leads.
async fn health(State(core): State<Arc<Core>>) -> Response {
    let leads = core.takes_part().is_ok() && core.leaderships.now().leader.is_some();
    let (status, word) =
        if leads { (StatusCode::OK, "available") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let load = json!({
        "connections": core.held.connections(),
        "bytesHeld": core.held.bytes(),
        "writes": core.admission.under_way(),
    });
    let body = json!({ "services": { "ecs": word }, "version": crate::status::VERSION, "load": load });
    (status, axum::Json(body)).into_response()
}

/// As signed as any other request has to be here.
async fn reset(State(port): State<Port>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let id = request_id(&port.core);
    let done = reset_all(&port, &method, &uri, &headers, body).await;
    let answer = done.map(|()| axum::Json(json!({ "status": "ok" })).into_response());
    with_id(answer.unwrap_or_else(IntoResponse::into_response), &id)
}

async fn reset_all(port: &Port, method: &Method, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<(), Failure> {
    port.gate.allows_reset()?;
    let mut share = port.core.held.share();
    let bytes = body_of(body, &port.core, &mut share).await?;
    let received = Received { method: method.as_str(), uri, headers, body: &bytes };
    port.gate.caller(&received, gate::ECS, &port.core.scope, port.core.clock.wall_ms())?;
    Ok(port.core.reset().await?)
}
