//! The AWS wire: ECS as AWS JSON 1.1 over HTTP, for the AWS CLI, the SDKs and whatever is made of them. A face of the same
//! requests as gRPC: it decodes, hands on to the core, and words answers and errors as AWS does (ecs-semantics §1). It
//! decides nothing. One port serves all regions: which one is meant is said by the credential scope of each request.

mod connections;
mod failure;
pub(crate) mod gate;
mod held;
mod identity;
pub(crate) mod keys;
mod named;
mod refusal;
mod scope;
mod serialization;
mod signature;
mod stalling;
mod suites;
mod throttle;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use drydock_model::error::EcsError;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::context::Freshness;
use crate::api::errors::ApiError;
use crate::caller::Caller;
use crate::core::Core;
use crate::files;
use crate::limits::{API_MESSAGE_BYTES_MAX, AWS_BODY_MAX, AWS_BODY_READ_MAX};
use crate::metrics::{self, Face};
use crate::request::Request;
use connections::Bounds;
use failure::{Failure, with_id};
use gate::Gate;
pub(crate) use held::Held;
use held::Share;
use signature::Received;

/// What `X-Amz-Target` begins with.
const TARGET: &str = "AmazonEC2ContainerServiceV20141113.";
/// What bodies are.
const JSON: &str = "application/x-amz-json-1.1";
/// What requests are answered with.
#[derive(Clone)]
struct Port {
    core: Arc<Core>,
    gate: Arc<Gate>,
}

impl FromRef<Port> for Arc<Core> {
    fn from_ref(port: &Port) -> Self {
        Self::clone(&port.core)
    }
}

/// Serves AWS's clients until `stop`, then gives requests under way a while.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, gate: Gate, stop: CancellationToken) {
    let (bounds, held) = (Bounds::of(files::limit()), Arc::clone(&core.held));
    let router =
        suites::routes().route("/metrics", get(figures)).fallback(any).with_state(Port { core, gate: Arc::new(gate) });
    connections::serve(router, listener, bounds, held, stop).await;
}

/// This controller's figures. Any member or none may be asked: what is broken is just what one wants to see.
async fn figures(State(core): State<Arc<Core>>) -> Response {
    match metrics::text(&core) {
        Ok(text) => (StatusCode::OK, [("content-type", metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => Failure::internal(error.to_string()).into_response(),
    }
}

/// Every other request: one operation.
async fn any(State(port): State<Port>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let (id, begun) = (request_id(&port.core), Instant::now());
    let answered = match (&method, uri.path()) {
        (&Method::POST, "/") => answer(&port, &uri, &headers, body, &id).await,
        (method, path) => Err(Failure::no_such_path(method.as_str(), path)),
    };
    let operation = named::operation(&headers, answered.is_ok());
    let exception = answered.as_ref().err().map(Failure::exception);
    port.core.metrics.requests.answered(Face::Aws, operation, exception, begun.elapsed());
    with_id(answered.unwrap_or_else(IntoResponse::into_response), &id)
}

async fn answer(port: &Port, uri: &Uri, headers: &HeaderMap, body: Body, id: &str) -> Result<Response, Failure> {
    let Port { core, gate } = port;
    // Held until the answer is rendered, which counts from then on.
    let mut share = core.held.share();
    let bytes = body_of(body, core, &mut share).await?;
    let received = Received { method: "POST", uri, headers, body: &bytes };
    let caller_of = |service: &str| gate.caller(&received, service, &core.scope, core.clock.wall_ms());
    let Some(target) = headers.get("x-amz-target") else {
        let action = identity::action(&bytes).ok_or_else(Failure::unknown_operation)?;
        return Ok(match caller_of(identity::SERVICE) {
            Ok(caller) => identity::answer(action, &caller, id),
            Err(refused) => identity::refused(&refused, id),
        });
    };
    let operation = target.to_str().ok().and_then(|target| target.strip_prefix(TARGET));
    let operation = operation.ok_or_else(Failure::unknown_operation)?;
    let caller = caller_of(gate::ECS)?;
    gate.admit(operation, &caller)?;
    let body = call(port, operation, &bytes, &caller).await?;
    Ok((StatusCode::OK, [("content-type", JSON)], core.held.answer(body)).into_response())
}

/// The whole body. Of one that is too large, or comes when too much is held already, the rest is read and forgotten, within
/// bounds: a client that can't get rid of it would never see why it is refused.
async fn body_of(body: Body, core: &Core, share: &mut Share) -> Result<Vec<u8>, Failure> {
    let read = async {
        let (mut whole, mut length, mut parts) = (Vec::new(), 0, body.into_data_stream());
        let mut room = core.held.has_room();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Failure::cut_off("The body ended before its Content-Length."))?;
            length += part.len();
            room = room && core.held.has_room();
            match length {
                _ if room && length <= API_MESSAGE_BYTES_MAX => {
                    share.add(part.len());
                    whole.extend_from_slice(&part);
                }
                _ if length <= AWS_BODY_READ_MAX => whole = Vec::new(),
                _ => break,
            }
        }
        match length > API_MESSAGE_BYTES_MAX {
            true => Err(Failure::too_large(API_MESSAGE_BYTES_MAX)),
            false if !room => Err(ApiError::Overloaded("too many bytes are held".to_owned()).into()),
            false => Ok(whole),
        }
    };
    let late = |_| Err(Failure::cut_off("The body didn't come in time."));
    tokio::time::timeout(AWS_BODY_MAX, read).await.unwrap_or_else(late)
}

async fn call(port: &Port, operation: &str, body: &[u8], caller: &Caller) -> Result<Vec<u8>, Failure> {
    // A client without anything to say may say nothing.
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    let Some(decoded) = Request::from_json(operation, body) else {
        return Err(match named::beyond(operation) {
            Some((_, what)) => {
                EcsError::unsupported(format!("{operation} isn't supported: Drydock has no part in {what}.")).into()
            }
            None => Failure::unknown_operation(),
        });
    };
    let request = gate::as_of(caller, decoded.map_err(|error| Failure::malformed(&error))?)?;
    let core = &port.core;
    port.gate.admit_to_fargate(&request, caller, &core.view.now().state)?;
    let answered = match request.is_write() {
        true => core.write(request, caller).await,
        false => core.read(request, caller, Freshness::default()).await,
    };
    answered?.response.to_json().map_err(|error| Failure::internal(error.to_string()))
}

fn request_id(core: &Core) -> String {
    uuid(core.seeds.next())
}

/// In the form of a UUID, as AWS gives ids of requests.
fn uuid(seed: u128) -> String {
    let hex = format!("{seed:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
