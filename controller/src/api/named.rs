//! ECS's exceptions for what is refused before any code of ours sees it: a request that is too large, that is no protobuf,
//! or whose operation doesn't exist. Every other refusal has its name from [`super::errors`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::errors::EXCEPTION_KEY;

/// A service of the ECS API whose refusals all have names.
#[derive(Debug, Clone)]
pub(crate) struct Named<S>(pub(crate) S);

impl<S: NamedService> NamedService for Named<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, Q> Service<Request<Q>> for Named<S>
where
    S: Service<Request<Q>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            name(answer.headers_mut());
            Ok(answer)
        })
    }
}

/// Adds the name where a refusal has none.
fn name(headers: &mut HeaderMap) {
    if headers.contains_key(EXCEPTION_KEY) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    let exception = match status.code() {
        Code::OutOfRange => "ClientException",
        // What tonic says of bytes that are no message of the operation.
        Code::Internal | Code::InvalidArgument => "SerializationException",
        Code::Unimplemented => "UnknownOperationException",
        _ => return,
    };
    headers.insert(EXCEPTION_KEY, HeaderValue::from_static(exception));
}
