//! Where agents come: their sessions with the leader, and the logs that they push.

use std::sync::Arc;

use drydock_proto::agent::agent_control_server::AgentControl;
use drydock_proto::agent::{AgentMessage, ControllerMessage, LogChunk, PushLogsResponse, controller_message::Message};
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::core::Core;
use crate::leader::logs::lines_of;
use crate::leader::sessions::session;
use crate::limits::{LOG_START_MAX, SESSION_MESSAGES_AHEAD_MAX};

/// The service.
pub(crate) struct AgentApi {
    pub(crate) core: Arc<Core>,
}

#[tonic::async_trait]
impl AgentControl for AgentApi {
    type SessionStream = BoxStream<'static, Result<ControllerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (down, messages) = mpsc::channel(SESSION_MESSAGES_AHEAD_MAX);
        match self.core.leader.load_full() {
            Some(leader) => {
                let held = session::run(Arc::clone(&self.core), Arc::clone(&leader), request.into_inner(), down);
                leader.spawn_watching(held);
            }
            None => {
                let redirect = Message::Redirect(session::redirect(&self.core));
                // There is room for one.
                let _ = down.try_send(Ok(ControllerMessage { message: Some(redirect) }));
            }
        }
        Ok(Response::new(ReceiverStream::new(messages).boxed()))
    }

    async fn push_logs(&self, request: Request<Streaming<LogChunk>>) -> Result<Response<PushLogsResponse>, Status> {
        let mut chunks = request.into_inner();
        let leader = self.core.leader.load_full();
        let leader = leader.ok_or_else(|| Status::unavailable("this controller doesn't lead"))?;
        let first = tokio::time::timeout(LOG_START_MAX, chunks.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no first chunk came"))??;
        let Some(first) = first else { return Ok(Response::new(PushLogsResponse {})) };
        let feed =
            leader.logs.take(&first.read_id).ok_or_else(|| Status::not_found("nobody reads these logs (any more)"))?;
        let mut next = first;
        loop {
            let end = next.end;
            // Waits for a slow reader, and so lets the agent wait.
            if feed.send(lines_of(next)).await.is_err() {
                return Err(Status::cancelled("the reader is gone"));
            }
            if end {
                return Ok(Response::new(PushLogsResponse {}));
            }
            let chunk = tokio::select! {
                chunk = chunks.message() => chunk,
                () = feed.closed() => return Err(Status::cancelled("the reader is gone")),
                () = leader.cancel.cancelled() => {
                    let _ = feed.try_send(Err(Status::unavailable("the leader of the controllers changed; ask again")));
                    return Err(Status::unavailable("this controller no longer leads"));
                }
            };
            // Not the end of the log: the agent went away in the middle of it.
            let Ok(Some(chunk)) = chunk else {
                let _ = feed.send(Err(Status::unavailable("the agent that sent the logs went away; ask again"))).await;
                return Err(Status::cancelled("the last chunk didn't come"));
            };
            next = chunk;
        }
    }
}
