//! Hands a whole request to the leader, once, with the caller's name; and answers those that others hand to us.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use drydock_consensus::RaftId;
use drydock_model::arn::Scope;
use drydock_proto::raft::{ForwardRequest, forward_response};
use tonic::{Code, Status};

use crate::api::errors::ApiError;
use crate::caller::Caller;
use crate::core::Core;
use crate::leadership::Where;
use crate::limits::{FORWARD_GRACE, FORWARD_MAX};
use crate::peers::link::client;
use crate::request::Request;
use crate::write::Answer;

/// Prefix of the methods of the ECS API.
const ECS: &str = "/drydock.ecs.v1.Ecs/";
/// Prefix of the methods of the control plane's API.
const CONTROL: &str = "/drydock.control.v1.Control/";

/// Answers forwarded requests; empty until the controller has started.
#[derive(Clone, Default)]
pub(crate) struct Forwarded(Arc<OnceLock<Arc<Core>>>);

impl Forwarded {
    /// From now on requests are answered.
    pub(crate) fn begin(&self, core: Arc<Core>) {
        let _ = self.0.set(core);
    }

    /// The controller, once it has started.
    pub(crate) fn core(&self) -> Option<&Arc<Core>> {
        self.0.get()
    }

    /// Carries out a request as the leader: its index in the log and the encoded answer.
    pub(crate) async fn answer(&self, request: ForwardRequest) -> Result<(u64, Bytes), ApiError> {
        let core = self.core().ok_or_else(|| ApiError::Unavailable("the controller is starting".to_owned()))?;
        let Where::Here { term } = here(core)? else { return Err(not_here()) };
        if let Some(method) = request.method.strip_prefix(CONTROL) {
            let body = core.control(method, &request.body).await?;
            return Ok((core.view.index(), body.into()));
        }
        let malformed = |message: String| ApiError::Refused { code: Code::InvalidArgument, message };
        let decoded = Request::decode(&request.method, &request.body);
        let decoded = decoded.ok_or_else(|| malformed(format!("there is no method {}", request.method)))?;
        let decoded = decoded.map_err(|error| malformed(error.to_string()))?;
        let scope = match request.region.is_empty() {
            true => core.scope.clone(),
            false => Scope { region: request.region, account: request.account_id },
        };
        let caller = Caller { scope, principal: request.caller };
        core.metrics.requests.forwarded();
        let _admitted = core.admission.enter(request.body.len())?;
        let Answer { response, index } = core.write_here(&decoded, &caller, term).await?;
        Ok((index, response.encode().into()))
    }
}

fn here(core: &Core) -> Result<Where, ApiError> {
    let now = core.leaderships.now();
    if now.role == drydock_consensus::Role::Leader { Ok(Where::Here { term: now.term }) } else { Err(not_here()) }
}

fn not_here() -> ApiError {
    ApiError::Unavailable("this controller doesn't lead".to_owned())
}

impl Core {
    /// Hands a write to the leader.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`]: surely not written. [`ApiError::Unknown`]: its fate isn't known.
    pub(crate) async fn forward(&self, leader: RaftId, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let operation = request.operation();
        let (index, body) =
            self.forward_raw(leader, format!("{ECS}{operation}"), request.encode().into(), caller.clone()).await?;
        let response = request
            .decode_response(&body)
            .map_err(|error| ApiError::Unknown(format!("the leader's answer can't be read: {error}")))?;
        Ok(Answer { response, index })
    }

    /// Hands an operation of the control plane to the leader.
    pub(crate) async fn forward_control(
        &self,
        leader: RaftId,
        method: &str,
        body: Vec<u8>,
        caller: &str,
    ) -> Result<Bytes, ApiError> {
        let caller = Caller { scope: self.scope.clone(), principal: caller.to_owned() };
        self.forward_raw(leader, format!("{CONTROL}{method}"), body.into(), caller).await.map(|(_, body)| body)
    }

    async fn forward_raw(
        &self,
        leader: RaftId,
        method: String,
        body: Bytes,
        caller: Caller,
    ) -> Result<(u64, Bytes), ApiError> {
        let unavailable = || ApiError::Unavailable("the leader can't be dialled".to_owned());
        let channel = self.links.channel(leader).ok_or_else(unavailable)?;
        let request = ForwardRequest {
            method,
            body,
            caller: caller.principal,
            region: caller.scope.region,
            account_id: caller.scope.account,
        };
        let mut client = client(channel);
        // A leader that is frozen answers nobody and keeps its connections: its successor tells us.
        let given_up = async {
            tokio::select! {
                () = tokio::time::sleep(FORWARD_MAX) => {}
                () = self.leaderships.left(leader) => tokio::time::sleep(FORWARD_GRACE).await,
            }
        };
        let answered = tokio::select! {
            answered = client.forward(request) => Some(answered),
            () = given_up => None,
        };
        let response = match answered {
            Some(Ok(response)) => response.into_inner(),
            Some(Err(status)) => return Err(lost(&status)),
            None => {
                return Err(ApiError::Unknown(
                    "the leader didn't answer in time; retry with the same token".to_owned(),
                ));
            }
        };
        match response.result {
            Some(forward_response::Result::Body(body)) => Ok((response.index, body)),
            Some(forward_response::Result::Failure(failure)) => Err(ApiError::from_failure(failure)),
            None => Err(ApiError::Unknown("the leader's answer is empty".to_owned())),
        }
    }
}

/// Whether a request that got no answer may have been carried out.
fn lost(status: &Status) -> ApiError {
    let mut cause = status.source();
    while let Some(error) = cause {
        // Never connected: never sent.
        if error.is::<tonic::ConnectError>() {
            return ApiError::Unavailable(format!("the leader can't be reached: {}", status.message()));
        }
        cause = error.source();
    }
    ApiError::Unknown(format!(
        "the leader was lost before it answered ({}); it isn't known whether the write took place: retry with the same token, \
         or look",
        status.message()
    ))
}
