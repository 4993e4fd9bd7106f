//! Container logs for a client: the leader asks the agent that runs the task; any other controller passes the leader's
//! stream on.

use std::sync::Arc;

use drydock_proto::agent::{StartLogRead, StopLogRead, controller_message::Message};
use drydock_proto::control::control_client::ControlClient;
use drydock_proto::control::{GetLogsRequest, LogLine};
use drydock_state::InstanceKey;
use drydock_state::query::{self, Query};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tonic::Status;
use tonic::transport::Endpoint;

use super::errors::ApiError;
use crate::core::Core;
use crate::identity;
use crate::leader::Leader;
use crate::leader::logs::LogRead;
use crate::leadership::Where;
use crate::limits::{LEADER_WAIT_MAX, LOG_START_MAX, PEER_CONNECT_MAX};

/// Lines as a client gets them.
pub(crate) type Lines = BoxStream<'static, Result<LogLine, Status>>;

/// The output of a task's containers.
pub(crate) async fn get_logs(core: &Arc<Core>, request: GetLogsRequest) -> Result<Lines, Status> {
    match core.leaderships.find(core.me, LEADER_WAIT_MAX).await {
        None => Err(Status::unavailable("no controller leads at present; retry")),
        Some(Where::There(leader)) => {
            let members = core.directory.now();
            let address = members.by_id.get(&leader).map(|member| member.api_address.clone());
            relay(&address.ok_or_else(|| Status::unavailable("the leader's address isn't known"))?, request).await
        }
        Some(Where::Here { .. }) => {
            let leader = core.leader.load_full().ok_or_else(|| Status::unavailable("the leader is starting; retry"))?;
            match locate(core, &request)? {
                Place::There(instance, task_arn) => read(leader, request, instance, task_arn).await,
                Place::NotYet if request.follow => Ok(later(Arc::clone(core), leader, request)),
                Place::NotYet => Err(Status::failed_precondition(
                    "the task isn't placed on a container instance yet: it has no logs; --follow waits for them",
                )),
                Place::Never => Err(Status::failed_precondition(
                    "the task stopped before it was placed on a container instance: it has no logs",
                )),
            }
        }
    }
}

/// The lines of a task that isn't placed yet. A stream at once, since a client takes silence for a frozen controller.
fn later(core: Arc<Core>, leader: Arc<Leader>, request: GetLogsRequest) -> Lines {
    let lines = async move {
        let mut changes = core.view.subscribe();
        loop {
            match locate(&core, &request)? {
                Place::There(instance, task_arn) => return read(leader, request, instance, task_arn).await,
                Place::NotYet => {}
                Place::Never => return Ok(stream::empty().boxed()),
            }
            // Another controller leads now: the client asks that one.
            let leads = core.leader.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, &leader));
            if !leads || changes.changed().await.is_err() {
                return Err(Status::unavailable("the leader of the controllers changed; ask again"));
            }
        }
    };
    let lines =
        stream::once(lines).map(|read| read.unwrap_or_else(|status| stream::once(async { Err(status) }).boxed()));
    lines.flatten().boxed()
}

async fn relay(address: &str, request: GetLogsRequest) -> Result<Lines, Status> {
    let unavailable = |error: tonic::transport::Error| Status::unavailable(error.to_string());
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(unavailable)?;
    let channel = endpoint.connect_timeout(PEER_CONNECT_MAX).tcp_nodelay(true).connect().await.map_err(unavailable)?;
    Ok(ControlClient::new(channel).get_logs(request).await?.into_inner().boxed())
}

/// A read under way: dropping it tells the agent to stop.
struct Reading {
    read: LogRead,
    leader: Arc<Leader>,
    instance: InstanceKey,
}

async fn read(
    leader: Arc<Leader>,
    request: GetLogsRequest,
    instance: InstanceKey,
    task_arn: String,
) -> Result<Lines, Status> {
    let id = identity::random().map_err(|error| Status::unavailable(error.to_string()))?;
    let read = leader.logs.open(format!("{id:032x}"))?;
    let start = StartLogRead {
        read_id: read.id.clone(),
        task_arn,
        container: request.container,
        follow: request.follow,
        tail: request.tail,
        since: request.since,
    };
    if !leader.sessions.tell(instance, Message::StartLogRead(start)) {
        return Err(Status::unavailable(format!(
            "the agent of container instance {instance} isn't connected at present; retry"
        )));
    }
    let mut reading = Reading { read, leader, instance };
    match tokio::time::timeout(LOG_START_MAX, &mut reading.read.taken).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(Status::unavailable("the leader of the controllers changed; ask again")),
        Err(_) => return Err(Status::unavailable("the agent doesn't send the logs; retry")),
    }
    let batches = stream::unfold(reading, |mut reading| async {
        let batch = reading.read.lines.recv().await?;
        Some((batch, reading))
    });
    let lines = batches.flat_map(|batch| {
        let items: Vec<Result<LogLine, Status>> = match batch {
            Ok(lines) => lines.into_iter().map(Ok).collect(),
            Err(status) => vec![Err(status)],
        };
        stream::iter(items)
    });
    Ok(lines.boxed())
}

/// Where a task's output is.
enum Place {
    /// On that instance, under the task's ARN.
    There(InstanceKey, String),
    /// The task isn't placed.
    NotYet,
    /// Nor will it be.
    Never,
}

/// Where a task runs.
fn locate(core: &Core, request: &GetLogsRequest) -> Result<Place, Status> {
    let version = core.view.now();
    let query = Query::new(&version.state, &core.scope);
    let cluster = query.cluster(Some(&request.cluster).filter(|name| !name.is_empty()).map(String::as_str));
    let cluster = cluster.map_err(ApiError::from)?;
    let no_task = || Status::not_found(format!("there is no task {:?} in cluster {}", request.task, cluster.name));
    let key = InstanceKey { cluster: cluster.id, id: 0 };
    let key = drydock_leader::intake::task_key(key, &request.task).map_err(|_| no_task())?;
    let task = version.state.task(key).ok_or_else(no_task)?;
    Ok(match task.instance_key() {
        Some(instance) => Place::There(instance, query::Arns::new(&core.scope, &cluster.name).task(key)),
        None if task.is_stopped() => Place::Never,
        None => Place::NotYet,
    })
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Lost where the agent is slow or gone: its push fails by itself then.
        let stop = StopLogRead { read_id: self.read.id.clone() };
        self.leader.sessions.tell(self.instance, Message::StopLogRead(stop));
    }
}
