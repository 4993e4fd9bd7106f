//! The AWS wire: ECS as AWS JSON 1.1 over HTTP, for the AWS CLI, the SDKs and whatever is made of them. A face of the same
//! requests as gRPC: it decodes, hands on to the core, and words answers and errors as AWS does (ecs-semantics §1). It
//! decides nothing. One port serves all regions: which one is meant is said by the credential scope of each request.

mod failure;
mod identity;
mod named;
mod scope;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use drydock_model::error::EcsError;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::context::Freshness;
use crate::caller::Caller;
use crate::core::Core;
use crate::limits::{API_MESSAGE_BYTES_MAX, AWS_BODY_MAX, AWS_BODY_READ_MAX};
use crate::metrics::{self, Face};
use crate::request::Request;
use crate::server::ServeError;
use failure::{Failure, with_id};

/// What `X-Amz-Target` begins with.
const TARGET: &str = "AmazonEC2ContainerServiceV20141113.";
/// What bodies are.
const JSON: &str = "application/x-amz-json-1.1";
/// Operations of the classic surface that aren't served yet, by name: told apart from those that don't exist.
const NOT_SERVED: [&str; 8] = [
    "DiscoverPollEndpoint",
    "ExecuteCommand",
    "ListServicesByNamespace",
    "RegisterContainerInstance",
    "SubmitAttachmentStateChanges",
    "SubmitContainerStateChange",
    "SubmitTaskStateChange",
    "UpdateContainerAgent",
];

/// Serves AWS's clients until `stop`, then gives requests under way a while.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, stop: CancellationToken) -> Result<(), ServeError> {
    let router = Router::new().route("/_drydock/health", get(health)).route("/metrics", get(figures));
    let router = router.fallback(any).with_state(core);
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    serving.await.map_err(ServeError::Aws)
}

/// Whether this controller can answer: it is a member, and some controller leads.
async fn health(State(core): State<Arc<Core>>) -> Response {
    let leads = core.takes_part().is_ok() && core.leaderships.now().leader.is_some();
    let (status, word) =
        if leads { (StatusCode::OK, "available") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let body = serde_json::json!({ "services": { "ecs": word }, "version": crate::status::VERSION });
    (status, axum::Json(body)).into_response()
}

/// This controller's figures. Any member or none may be asked: what is broken is just what one wants to see.
async fn figures(State(core): State<Arc<Core>>) -> Response {
    match metrics::text(&core) {
        Ok(text) => (StatusCode::OK, [("content-type", metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => Failure::internal(error.to_string()).into_response(),
    }
}

/// Every other request: one operation.
async fn any(State(core): State<Arc<Core>>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let (id, begun) = (request_id(&core), Instant::now());
    let answered = match (method, uri.path()) {
        (Method::POST, "/") => answer(&core, &headers, body, &id).await,
        _ => Err(Failure::unknown_operation()),
    };
    let operation = named::operation(&headers, answered.is_ok());
    let exception = answered.as_ref().err().map(Failure::exception);
    core.metrics.requests.answered(Face::Aws, operation, exception, begun.elapsed());
    with_id(answered.unwrap_or_else(IntoResponse::into_response), &id)
}

async fn answer(core: &Arc<Core>, headers: &HeaderMap, body: Body, id: &str) -> Result<Response, Failure> {
    let bytes = body_of(body).await?;
    let scope = scope::of(headers, &core.scope)?;
    let Some(target) = headers.get("x-amz-target") else {
        return identity::answer(&bytes, &scope, id).ok_or_else(Failure::unknown_operation);
    };
    let operation = target.to_str().ok().and_then(|target| target.strip_prefix(TARGET));
    let operation = operation.ok_or_else(Failure::unknown_operation)?;
    let caller = Caller::root(scope);
    let body = call(core, operation, &bytes, &caller).await?;
    Ok((StatusCode::OK, [("content-type", JSON)], body).into_response())
}

/// The whole body. Of one that is too large the rest is read and forgotten, within bounds: a client that can't get rid of it
/// would never see why it is refused.
async fn body_of(body: Body) -> Result<Vec<u8>, Failure> {
    let read = async {
        let (mut whole, mut length, mut parts) = (Vec::new(), 0, body.into_data_stream());
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Failure::cut_off("The body ended before its Content-Length."))?;
            length += part.len();
            match length {
                _ if length <= API_MESSAGE_BYTES_MAX => whole.extend_from_slice(&part),
                _ if length <= AWS_BODY_READ_MAX => whole = Vec::new(),
                _ => break,
            }
        }
        if length > API_MESSAGE_BYTES_MAX { Err(Failure::too_large(API_MESSAGE_BYTES_MAX)) } else { Ok(whole) }
    };
    let late = |_| Err(Failure::cut_off("The body didn't come in time."));
    tokio::time::timeout(AWS_BODY_MAX, read).await.unwrap_or_else(late)
}

async fn call(core: &Arc<Core>, operation: &str, body: &[u8], caller: &Caller) -> Result<Vec<u8>, Failure> {
    // A client without anything to say may say nothing.
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    let Some(decoded) = Request::from_json(operation, body) else {
        return Err(match NOT_SERVED.contains(&operation) {
            true => EcsError::unsupported(format!("{operation} is not served here yet.")).into(),
            false => Failure::unknown_operation(),
        });
    };
    let request = decoded.map_err(|error| Failure::malformed(&error))?;
    let answered = match request.is_write() {
        true => core.write(request, caller).await,
        false => core.read(request, caller, Freshness::default()).await,
    };
    answered?.response.to_json().map_err(|error| Failure::internal(error.to_string()))
}

/// In the form of a UUID, as AWS gives them.
fn request_id(core: &Core) -> String {
    let hex = format!("{:032x}", core.seeds.next());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
