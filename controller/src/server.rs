//! The ports: the API for clients and agents, the AWS wire beside it, and the peers'. Settings of HTTP/2, bounds on messages,
//! and nothing else.

use std::sync::Arc;

use drydock_proto::agent::agent_control_server::AgentControlServer;
use drydock_proto::control::control_server::ControlServer;
use drydock_proto::ecs::ecs_server::EcsServer;
use drydock_proto::raft::peer_server::PeerServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::api::agents::AgentApi;
use crate::api::control::ControlApi;
use crate::api::ecs::EcsApi;
use crate::api::named::Named;
use crate::aws::gate::Gate;
use crate::caller::Caller;
use crate::core::Core;
use crate::health;
use crate::limits::{
    API_CONCURRENT_STREAMS_MAX, API_KEEPALIVE_INTERVAL, API_KEEPALIVE_TIMEOUT, API_MESSAGE_BYTES_MAX,
    API_RESPONSE_BYTES_MAX, API_WINDOW_BYTES, PEER_CONCURRENT_STREAMS_MAX, PEER_KEEPALIVE_INTERVAL,
    PEER_KEEPALIVE_TIMEOUT, PEER_MESSAGE_BYTES_MAX, PEER_WINDOW_BYTES,
};
use crate::peers::server::PeerService;

/// The services of the API port, as reflection lists them.
const SERVICES: [&str; 6] = [
    "drydock.ecs.v1.Ecs",
    "drydock.control.v1.Control",
    "drydock.agent.v1.AgentControl",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// A port could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener failed.
    #[error("serving the {port} port: {source}")]
    Port {
        /// `API` or `peer`.
        port: &'static str,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The reflection service refused our own descriptors: a defect of the build.
    #[error("reflection: {0}")]
    Reflection(String),
}

/// Serves clients and agents until `stop`, on the API's port and, where there is one, on AWS's; then gives requests under way
/// a while.
pub(crate) async fn serve_clients(
    core: Arc<Core>,
    api: TcpListener,
    aws: Option<(TcpListener, Gate)>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let aws = async {
        if let Some((listener, gate)) = aws {
            crate::aws::serve(Arc::clone(&core), listener, gate, stop.clone()).await;
        }
        Ok(())
    };
    tokio::try_join!(serve_api(Arc::clone(&core), api, stop.clone()), aws).map(drop)
}

async fn serve_api(core: Arc<Core>, listener: TcpListener, stop: CancellationToken) -> Result<(), ServeError> {
    let (health, health_server) = tonic_health::server::health_reporter();
    let healthy = health::tell(Arc::clone(&core), health, stop.clone());
    let caller = Caller::root(core.scope.clone());
    let ecs = EcsServer::new(EcsApi { core: Arc::clone(&core), caller })
        .max_decoding_message_size(API_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(API_RESPONSE_BYTES_MAX);
    let control = ControlServer::new(ControlApi::new(Arc::clone(&core), stop.clone()))
        .max_decoding_message_size(API_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(API_RESPONSE_BYTES_MAX);
    let agents = AgentControlServer::new(AgentApi { core })
        .max_decoding_message_size(API_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(API_RESPONSE_BYTES_MAX);
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .include_reflection_service(false)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(drydock_proto::DESCRIPTORS);
        // The peers' service is on another port.
        SERVICES.into_iter().fold(builder, tonic_reflection::server::Builder::with_service_name)
    };
    let refused = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    let serving = Server::builder()
        .initial_stream_window_size(API_WINDOW_BYTES)
        .initial_connection_window_size(API_WINDOW_BYTES * 4)
        .max_concurrent_streams(API_CONCURRENT_STREAMS_MAX)
        .http2_keepalive_interval(Some(API_KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(API_KEEPALIVE_TIMEOUT))
        .add_service(Named(ecs))
        .add_service(control)
        .add_service(agents)
        .add_service(health_server)
        .add_service(reflection().build_v1().map_err(refused)?)
        .add_service(reflection().build_v1alpha().map_err(refused)?)
        .serve_with_incoming_shutdown(incoming(listener), stop.cancelled_owned());
    let (served, ()) = tokio::join!(serving, healthy);
    served.map_err(|source| ServeError::Port { port: "API", source })
}

/// Serves the peers until the service's `stop`. mTLS belongs here (`tls_config` on the builder) and in
/// `peers::link::endpoint`.
pub(crate) async fn serve_peers(service: PeerService, listener: TcpListener) -> Result<(), ServeError> {
    let stop = service.stop.clone();
    let peer = PeerServer::new(service)
        .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX);
    Server::builder()
        .initial_stream_window_size(PEER_WINDOW_BYTES)
        .initial_connection_window_size(PEER_WINDOW_BYTES)
        .max_concurrent_streams(PEER_CONCURRENT_STREAMS_MAX)
        .http2_keepalive_interval(Some(PEER_KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(PEER_KEEPALIVE_TIMEOUT))
        .add_service(peer)
        .serve_with_incoming_shutdown(incoming(listener), stop.cancelled_owned())
        .await
        .map_err(|source| ServeError::Port { port: "peer", source })
}

fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}
