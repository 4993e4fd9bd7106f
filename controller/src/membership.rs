//! Changes of who the controllers are, and of who leads: carried out by the leader, asked for at any controller. Also how
//! a new controller asks to be added.

use std::sync::Arc;
use std::time::Duration;

use drydock_consensus::membership::MemberChange;
use drydock_consensus::{ConfError, RaftId, TransferError};
use drydock_proto::control::control_client::ControlClient;
use drydock_proto::control::{
    AddControllerRequest, AddControllerResponse, Controller, InterruptTaskRequest, InterruptTaskResponse,
    PutNamesRequest, PutNamesResponse, RemoveControllerRequest, RemoveControllerResponse, TransferLeadershipRequest,
    TransferLeadershipResponse,
};
use futures_util::future::join_all;
use prost::Message;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::api::errors::ApiError;
use crate::config::{check_address, check_name};
use crate::core::Core;
use crate::leadership::Where;
use crate::limits::{JOIN_RETRY, LEADER_RETRY, LEADER_WAIT_MAX, MEMBERSHIP_MAX};
use crate::members::{MemberInfo, Members, encode_context};

/// Who changes the membership, for the record of the leader.
const CALLER: &str = "controller";

fn refused(code: Code, message: impl Into<String>) -> ApiError {
    ApiError::Refused { code, message: message.into() }
}

impl Core {
    /// Carries out an operation on the membership, wherever the leader is.
    pub(crate) async fn membership<Q: Message, A: Message + Default>(
        self: &Arc<Self>,
        method: &'static str,
        request: &Q,
    ) -> Result<A, ApiError> {
        let body = request.encode_to_vec();
        let until = Instant::now() + LEADER_WAIT_MAX;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = match self.leaderships.find(self.me, left).await {
                None => return Err(ApiError::Unavailable("no controller leads at present; retry".to_owned())),
                Some(Where::Here { .. }) => self.control(method, &body).await.map(Into::into),
                Some(Where::There(leader)) => self.forward_control(leader, method, body.clone(), CALLER).await,
            };
            match answer {
                Err(ApiError::Unavailable(_)) if Instant::now() < until => tokio::time::sleep(LEADER_RETRY).await,
                Err(error) => return Err(error),
                Ok(answer) => {
                    return A::decode(answer).map_err(|error| ApiError::Unknown(error.to_string()));
                }
            }
        }
    }

    /// Carries one out as the leader: method and bodies as on the wire.
    pub(crate) async fn control(&self, method: &str, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let bad = |error: prost::DecodeError| refused(Code::InvalidArgument, error.to_string());
        match method {
            "AddController" => {
                self.add(AddControllerRequest::decode(body).map_err(bad)?).await?;
                Ok(AddControllerResponse { controllers: self.controllers() }.encode_to_vec())
            }
            "RemoveController" => {
                self.remove(&RemoveControllerRequest::decode(body).map_err(bad)?.controller).await?;
                Ok(RemoveControllerResponse { controllers: self.controllers() }.encode_to_vec())
            }
            "InterruptTask" => {
                let task = self.interrupt_task(InterruptTaskRequest::decode(body).map_err(bad)?).await?;
                Ok(InterruptTaskResponse { task: Some(task) }.encode_to_vec())
            }
            "PutNames" => {
                let names = self.put_names(PutNamesRequest::decode(body).map_err(bad)?).await?;
                Ok(PutNamesResponse { names: Some(names) }.encode_to_vec())
            }
            "Reset" => self.reset_here().await.map(|()| Vec::new()),
            "TransferLeadership" => {
                let leader_id =
                    self.transfer(&TransferLeadershipRequest::decode(body).map_err(bad)?.controller).await?;
                Ok(TransferLeadershipResponse { leader_id }.encode_to_vec())
            }
            _ => Err(refused(Code::Unimplemented, format!("there is no method {method}"))),
        }
    }

    /// All members, with names and addresses.
    fn controllers(&self) -> Vec<Controller> {
        let members = self.directory.now();
        let controller = |member: &crate::members::MemberInfo| Controller {
            id: member.id,
            name: member.name.clone(),
            api_address: member.api_address.clone(),
            peer_address: member.peer_address.clone(),
            ..Controller::default()
        };
        members.by_id.values().map(controller).collect()
    }

    async fn add(&self, new: AddControllerRequest) -> Result<(), ApiError> {
        let checks = [
            check_name(&new.name),
            check_address("api_address", &new.api_address),
            check_address("peer_address", &new.peer_address),
        ];
        for check in checks {
            check.map_err(|error| refused(Code::InvalidArgument, error.to_string()))?;
        }
        let members = self.directory.now();
        let context = encode_context(&new.name, &new.api_address, &new.peer_address);
        let (tell, told) = oneshot::channel();
        if let Some(there) = members.by_id.get(&new.id) {
            if there.name != new.name {
                return Err(refused(Code::AlreadyExists, format!("controller {} is {:?} already", new.id, there.name)));
            }
            if (&there.api_address, &there.peer_address) == (&new.api_address, &new.peer_address) {
                return Ok(()); // It asked before.
            }
            // It moved.
            let moved = MemberChange::UpdateContext { id: new.id, context };
            self.handle.change(moved, move |done| drop(tell.send(done)));
            return self.changed(told).await;
        }
        if let Some(other) =
            members.by_id.values().find(|other| other.name == new.name || other.peer_address == new.peer_address)
        {
            return Err(refused(
                Code::AlreadyExists,
                format!(
                    "controller {:?} at {} is a member already (id {}); give another name and address, or remove that one first",
                    other.name, other.peer_address, other.id
                ),
            ));
        }
        self.handle.add_learner(new.id, context, move |done| drop(tell.send(done)));
        self.changed(told).await
    }

    async fn remove(&self, name_or_id: &str) -> Result<(), ApiError> {
        let members = self.directory.now();
        let member = members.find(name_or_id);
        let member = member.ok_or_else(|| refused(Code::NotFound, format!("there is no controller {name_or_id:?}")))?;
        self.others_can_do_without(&members, member).await?;
        let (id, (tell, told)) = (member.id, oneshot::channel());
        self.handle.remove(id, move |done| drop(tell.send(done)));
        self.changed(told).await
    }

    /// Whether the voters that are left answer, now, in a majority. The guard of consensus counts those that it heard of
    /// within an election timeout: one that has just stopped still counts there.
    async fn others_can_do_without(&self, members: &Members, leaving: &MemberInfo) -> Result<(), ApiError> {
        let left: Vec<&MemberInfo> = members.by_id.values().filter(|m| m.votes && m.id != leaving.id).collect();
        let answers = join_all(left.iter().map(|member| self.answers(member.id))).await;
        let silent: Vec<&str> = left
            .iter()
            .zip(&answers)
            .filter(|(_, answers)| !**answers)
            .map(|(member, _)| member.name.as_str())
            .collect();
        let live = left.len() - silent.len();
        if live > left.len() / 2 || left.is_empty() {
            return Ok(());
        }
        Err(refused(
            Code::FailedPrecondition,
            format!(
                "without {} the controllers would have no majority: {live} of the {} that are left answer ({} doesn't). Start \
                 what is down, or remove that first",
                leaving.name,
                left.len(),
                silent.join(", ")
            ),
        ))
    }

    /// Waits for a change of the membership, and until it is visible here.
    async fn changed(&self, told: oneshot::Receiver<Result<u64, ConfError>>) -> Result<(), ApiError> {
        let done = tokio::time::timeout(MEMBERSHIP_MAX, told).await;
        let unknown =
            || ApiError::Unknown("it isn't known whether the membership changed: look at the status".to_owned());
        let index = done.map_err(|_| unknown())?.map_err(|_| unknown())??;
        self.read_at_least(index, MEMBERSHIP_MAX).await.map(drop)
    }

    async fn transfer(&self, name_or_id: &str) -> Result<RaftId, ApiError> {
        let to = match name_or_id {
            "" => None,
            name => {
                let members = self.directory.now();
                let member = members.find(name);
                Some(member.ok_or_else(|| refused(Code::NotFound, format!("there is no controller {name:?}")))?.id)
            }
        };
        if to == Some(self.me) {
            return Ok(self.me);
        }
        let (tell, told) = oneshot::channel();
        self.handle.transfer(to, move |done| drop(tell.send(done)));
        let done = tokio::time::timeout(MEMBERSHIP_MAX, told).await;
        Ok(done.ok().and_then(Result::ok).unwrap_or(Err(TransferError::Stopped))?)
    }
}

/// Sees to it that this controller is a member with the addresses that it has now: asks the controller at `address` to be
/// let in (a new one), or its own leader to note that it moved. Ends once that is so.
///
/// # Errors
/// The cluster's reason, where it won't take this one however often it is asked: its name or address is taken.
pub(crate) async fn announce(
    core: Arc<Core>,
    address: Option<String>,
    new: AddControllerRequest,
) -> Result<(), String> {
    loop {
        let members = core.directory.now();
        let there = members.by_id.get(&core.me);
        if there.is_some_and(|there| (&there.api_address, &there.peer_address) == (&new.api_address, &new.peer_address))
        {
            return Ok(());
        }
        let asked = match &address {
            _ if there.is_some() => {
                let moved = core.membership::<_, AddControllerResponse>("AddController", &new).await;
                moved.map(drop).map_err(tonic::Status::from)
            }
            Some(address) => ask_to_join(address, new.clone()).await,
            // Removed, or nothing is restored yet.
            None => Ok(()),
        };
        match asked {
            Ok(()) => {}
            Err(status) if status.code() == Code::AlreadyExists && there.is_none() => {
                return Err(status.message().to_owned());
            }
            Err(status) if status.code() == Code::Unavailable => {
                tracing::info!(reason = status.message(), "the cluster can't be reached yet");
            }
            Err(status) => tracing::error!(reason = %status, "the cluster doesn't take this controller"),
        }
        tokio::time::sleep(JOIN_RETRY).await;
    }
}

async fn ask_to_join(address: &str, new: AddControllerRequest) -> Result<(), tonic::Status> {
    connect(address).await?.add_controller(new).await.map(drop)
}

/// Fingerprint, region and account of the cluster behind an API address.
pub(crate) async fn look_up(address: &str) -> Result<drydock_proto::control::StatusResponse, tonic::Status> {
    connect(address).await?.status(drydock_proto::control::StatusRequest {}).await.map(tonic::Response::into_inner)
}

async fn connect(address: &str) -> Result<ControlClient<tonic::transport::Channel>, tonic::Status> {
    let unavailable =
        |error: tonic::transport::Error| tonic::Status::unavailable(crate::peers::link::with_causes(&error));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(unavailable)?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(2)).timeout(MEMBERSHIP_MAX).tcp_nodelay(true);
    Ok(ControlClient::new(endpoint.connect().await.map_err(unavailable)?))
}
