//! The control plane's own API: status, membership, events, costs, logs, explanations.

use std::sync::Arc;

use drydock_proto::control::control_server::Control;
use drydock_proto::control::{
    AddControllerRequest, AddControllerResponse, DescribeScalingRequest, DescribeScalingResponse,
    ExplainRunTaskRequest, ExplainRunTaskResponse, ExplainServiceRequest, ExplainServiceResponse, ExplainTaskRequest,
    ExplainTaskResponse, GetCostsRequest, GetCostsResponse, GetLogsRequest, GetNamesRequest, GetNamesResponse,
    InterruptTaskRequest, InterruptTaskResponse, LogLine, PutNamesRequest, PutNamesResponse, RemoveControllerRequest,
    RemoveControllerResponse, StatusRequest, StatusResponse, TransferLeadershipRequest, TransferLeadershipResponse,
    WatchEventsRequest, WatchEventsResponse,
};
use drydock_state::Millis;
use drydock_state::query::Query;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::context::{Freshness, with_index};
use super::errors::ApiError;
use super::{logs, watch};
use crate::core::Core;
use crate::explain::Explainer;
use crate::limits::WATCHERS_MAX;
use crate::view::Version;

/// The service.
pub(crate) struct ControlApi {
    core: Arc<Core>,
    watchers: Arc<Semaphore>,
    stop: CancellationToken,
}

impl ControlApi {
    /// A version of the state, as fresh as the client asks, and the time for which something about it is computed.
    async fn moment(&self, metadata: &MetadataMap) -> Result<(Arc<Version>, Millis), Status> {
        let version = self.core.version(Freshness::of(metadata)?).await?;
        let now = self.core.clock.now_ms().max(version.state.now());
        Ok((version, now))
    }

    /// Streams end when `stop` is cancelled.
    pub(crate) fn new(core: Arc<Core>, stop: CancellationToken) -> Self {
        Self { core, watchers: Arc::new(Semaphore::new(WATCHERS_MAX)), stop }
    }
}

#[tonic::async_trait]
impl Control for ControlApi {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.core.takes_part()?;
        Ok(Response::new(self.core.status().await))
    }

    async fn add_controller(
        &self,
        request: Request<AddControllerRequest>,
    ) -> Result<Response<AddControllerResponse>, Status> {
        Ok(Response::new(self.core.membership("AddController", request.get_ref()).await?))
    }

    async fn remove_controller(
        &self,
        request: Request<RemoveControllerRequest>,
    ) -> Result<Response<RemoveControllerResponse>, Status> {
        Ok(Response::new(self.core.membership("RemoveController", request.get_ref()).await?))
    }

    async fn transfer_leadership(
        &self,
        request: Request<TransferLeadershipRequest>,
    ) -> Result<Response<TransferLeadershipResponse>, Status> {
        Ok(Response::new(self.core.membership("TransferLeadership", request.get_ref()).await?))
    }

    type WatchEventsStream = BoxStream<'static, Result<WatchEventsResponse, Status>>;

    async fn get_costs(&self, request: Request<GetCostsRequest>) -> Result<Response<GetCostsResponse>, Status> {
        let (version, now) = self.moment(request.metadata()).await?;
        let query = Query::new(&version.state, &self.core.scope);
        let costs = query.costs(request.get_ref(), now).map_err(ApiError::from)?;
        Ok(with_index(costs, version.index))
    }

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        self.core.takes_part()?;
        let permit = Arc::clone(&self.watchers).try_acquire_owned();
        let permit =
            permit.map_err(|_| Status::resource_exhausted(format!("{WATCHERS_MAX} watch already; retry later")))?;
        Ok(Response::new(watch::watch_events(&self.core, request.get_ref(), permit, self.stop.clone())))
    }

    async fn interrupt_task(
        &self,
        request: Request<InterruptTaskRequest>,
    ) -> Result<Response<InterruptTaskResponse>, Status> {
        Ok(Response::new(self.core.membership("InterruptTask", request.get_ref()).await?))
    }

    async fn describe_scaling(
        &self,
        request: Request<DescribeScalingRequest>,
    ) -> Result<Response<DescribeScalingResponse>, Status> {
        let (version, _) = self.moment(request.metadata()).await?;
        let answer = Query::new(&version.state, &self.core.scope).describe_scaling(request.get_ref());
        Ok(Response::new(answer.map_err(ApiError::from)?))
    }

    type GetLogsStream = BoxStream<'static, Result<LogLine, Status>>;

    async fn get_logs(&self, request: Request<GetLogsRequest>) -> Result<Response<Self::GetLogsStream>, Status> {
        Ok(Response::new(logs::get_logs(&self.core, request.into_inner()).await?))
    }

    async fn explain_service(
        &self,
        request: Request<ExplainServiceRequest>,
    ) -> Result<Response<ExplainServiceResponse>, Status> {
        let (version, now) = self.moment(request.metadata()).await?;
        let answer =
            Explainer::new(&version, &self.core.scope, now).service(request.get_ref()).map_err(ApiError::from)?;
        Ok(with_index(answer, version.index))
    }

    async fn explain_task(
        &self,
        request: Request<ExplainTaskRequest>,
    ) -> Result<Response<ExplainTaskResponse>, Status> {
        let (version, now) = self.moment(request.metadata()).await?;
        let answer = Explainer::new(&version, &self.core.scope, now).task(request.get_ref()).map_err(ApiError::from)?;
        Ok(with_index(answer, version.index))
    }

    async fn explain_run_task(
        &self,
        request: Request<ExplainRunTaskRequest>,
    ) -> Result<Response<ExplainRunTaskResponse>, Status> {
        let (version, now) = self.moment(request.metadata()).await?;
        let seed = self.core.seeds.next();
        let explainer = Explainer::new(&version, &self.core.scope, now);
        let answer = explainer.run_task(request.into_inner(), seed).map_err(ApiError::from)?;
        Ok(with_index(answer, version.index))
    }

    async fn put_names(&self, request: Request<PutNamesRequest>) -> Result<Response<PutNamesResponse>, Status> {
        Ok(Response::new(self.core.membership("PutNames", request.get_ref()).await?))
    }

    async fn get_names(&self, request: Request<GetNamesRequest>) -> Result<Response<GetNamesResponse>, Status> {
        let (version, _) = self.moment(request.metadata()).await?;
        Ok(with_index(self.core.names(&version.state), version.index))
    }
}
