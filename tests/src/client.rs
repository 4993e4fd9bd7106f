//! gRPC clients of the harness: one controller by its address, or any of several, as a client with a list would do it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drydock_proto::control::control_client::ControlClient;
use drydock_proto::control::{Controller, ControllerRole, StatusRequest, StatusResponse};
use drydock_proto::ecs::ecs_client::EcsClient;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::wait;

/// Wait for a connection to one controller.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Wait for one answer. Longer than an election, so that a write that waits for a new leader is answered.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The name of ECS's exception, in the metadata of an error.
const EXCEPTION: &str = "ecs-exception";
/// The exception of a refusal for load alone.
const THROTTLED: &str = "ThrottlingException";

/// Clients of one controller. Clones share the connection, which is dialled when it is first used and again when lost.
#[derive(Debug, Clone)]
pub struct Api {
    /// `host:port`.
    pub address: String,
    /// The ECS operations.
    pub ecs: EcsClient<Channel>,
    /// Status, membership, events, logs.
    pub control: ControlClient<Channel>,
}

impl Api {
    /// A client for `host:port`.
    ///
    /// # Errors
    /// Not an address.
    pub fn new(address: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let channel = endpoint.connect_timeout(CONNECT_MAX).timeout(ANSWER_MAX).tcp_nodelay(true).connect_lazy();
        Ok(Self {
            address: address.to_owned(),
            ecs: EcsClient::new(channel.clone()),
            control: ControlClient::new(channel),
        })
    }

    /// What it says of the control plane.
    ///
    /// # Errors
    /// It doesn't answer.
    pub async fn status(&self) -> Result<StatusResponse> {
        let answer = self.control.clone().status(StatusRequest {}).await;
        Ok(answer.with_context(|| self.address.clone())?.into_inner())
    }
}

/// The leader in a status, where it names one that it also lists as leading.
#[must_use]
pub fn leader_of(status: &StatusResponse) -> Option<&Controller> {
    let leads = |c: &&Controller| c.id == status.leader_id && c.role() == ControllerRole::Leader;
    status.controllers.iter().find(leads)
}

/// Makes a call on one controller after the other until one gives an answer or refuses for good. An error that says
/// "ask again" (unreachable, no leader, too busy) goes on to the next.
///
/// A call that may have been carried out although its answer was lost is made again: give it a client token, or make
/// sure that twice is as good as once.
///
/// # Errors
/// Refused, or `within` has passed.
pub async fn anywhere<T>(
    apis: &[Api],
    within: Duration,
    mut call: impl AsyncFnMut(Api) -> Result<T, tonic::Status>,
) -> Result<T> {
    let mut turn = 0;
    let asked = wait::until("an answer from any controller", within, async || {
        let api = apis[turn % apis.len()].clone();
        turn += 1;
        match call(api).await {
            Ok(value) => Ok(Ok(value)),
            Err(status) if may_retry(&status) => Err(anyhow::Error::from(status)),
            Err(status) => Ok(Err(status)),
        }
    });
    match asked.await?.0 {
        Ok(value) => Ok(value),
        Err(status) => bail!("refused: {} {}: {}", exception(&status), status.code(), status.message()),
    }
}

/// Whether the same call may succeed a moment later.
#[must_use]
pub fn may_retry(status: &tonic::Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::Unknown => true,
        Code::ResourceExhausted => exception(status) == THROTTLED,
        _ => false,
    }
}

/// The name of ECS's exception that an error carries; empty where it carries none.
#[must_use]
pub fn exception(status: &tonic::Status) -> String {
    let name = status.metadata().get(EXCEPTION).and_then(|value| value.to_str().ok());
    name.unwrap_or_default().to_owned()
}
