//! What test suites ask of a local endpoint beside operations: a reset, under Drydock's own path and those that suites for
//! LocalStack and for moto's server call; health, also where LocalStack has it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::failure::{Failure, with_id};
use super::request_id;
use crate::core::Core;

/// The routes.
pub(super) fn routes(resets: bool) -> Router<Arc<Core>> {
    let reset = move |State(core): State<Arc<Core>>| async move { reset(&core, resets).await };
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
    let body = json!({ "services": { "ecs": word }, "version": crate::status::VERSION });
    (status, axum::Json(body)).into_response()
}

async fn reset(core: &Arc<Core>, allowed: bool) -> Response {
    let id = request_id(core);
    let done = match allowed {
        true => core.reset().await.map_err(Failure::from),
        false => Err(Failure::no_reset()),
    };
    with_id(done.map(|()| answer(json!({ "status": "ok" }))).unwrap_or_else(IntoResponse::into_response), &id)
}

fn answer(body: Value) -> Response {
    axum::Json(body).into_response()
}
