//! A controller's life: opens its disk, joins its peers, serves, and stops cleanly.

use std::net::SocketAddr;
use std::sync::Arc;

use drydock_consensus::log_store::Vigil;
use drydock_consensus::{
    Fatal, Identity, Membership, Node, NodeOptions, OnSync, RaftId, Start, StoreError, StoreKind, TransferError,
};
use drydock_model::arn::Scope;
use drydock_proto::control::AddControllerRequest;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::aws::gate::Gate;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, KeysError, LogStoreKind};
use crate::core::Core;
use crate::events::EventRing;
use crate::forward::Forwarded;
use crate::identity::{self, NoRandomness, Seeds};
use crate::leadership::Leaderships;
use crate::limits::{DISK_LOOK, JOIN_RETRY, RUNTIME_BLOCKING_THREADS_MAX, RUNTIME_WORKERS, STOP_GRACE};
use crate::machine::{DirtyFeed, Machine};
use crate::members::{Directory, encode_context};
use crate::metrics::Metrics;
use crate::peers::server::PeerService;
use crate::peers::{Credentials, Dismissed, Links, from_hex, hex};
use crate::propose::Admission;
use crate::server::{ServeError, serve_clients, serve_peers};
use crate::view::View;
use crate::{files, foreign, leader, membership};

/// Why a controller didn't start, or can't go on. The process must exit with a failure.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port can't be listened on.
    #[error("listening on {address} for the {port} port: {source}")]
    Listen {
        /// `API`, `peer` or `AWS`.
        port: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The keys that requests must be signed with can't be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The data folder can't be made or read.
    #[error("the data folder {path}: {source}")]
    DataDir {
        /// Which.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data folder can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data folder is another controller's.
    #[error(
        "the data folder {path} belongs to controller {found}, and the configuration says that this is controller {expected}: \
         give the right folder, or an empty one to a new controller"
    )]
    Foreign {
        /// Which.
        path: std::path::PathBuf,
        /// Whose it is.
        found: RaftId,
        /// Whose it should be.
        expected: RaftId,
    },
    /// The disk is that of another controller.
    #[error(
        "the disk under {path} is that of controller {found:?}, and this is {expected:?}: give the right folder, or an empty \
         one to a new controller that joins"
    )]
    ForeignName {
        /// Which.
        path: std::path::PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The cluster to join is of another region or account.
    #[error("the cluster behind {address} is of {theirs}, and this controller is configured for {ours}")]
    OtherScope {
        /// The controller that was asked.
        address: String,
        /// Its region and account.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Consensus can't go on: the disk failed, the state halted, or this controller was removed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The other members say that this controller is none any more.
    #[error(
        "controller {id} was removed from the cluster; its id is never used again: join with an empty data folder to come back"
    )]
    Removed {
        /// Its id.
        id: RaftId,
    },
    /// The other members remember another disk of this controller: what it had acknowledged may be lost with that.
    #[error(
        "the other controllers know controller {id} by another disk than the one under {path}: it was wiped, replaced or not \
         mounted. Mount it; if the data is lost, remove controller {id} from the cluster, and join with an empty data folder \
         and `join` in place of `initial`"
    )]
    OtherDisk {
        /// Its id.
        id: RaftId,
        /// Where its data was looked for.
        path: std::path::PathBuf,
    },
    /// The disk is that of a controller of another cluster.
    #[error(
        "the disk under {path} is of cluster {ours}, and the controllers where its peers should be are of cluster {theirs} \
         ({address} says so): give the right folder, or an empty one and `join` to a new controller"
    )]
    OtherCluster {
        /// Where the data is.
        path: std::path::PathBuf,
        /// The fingerprint of the disk's cluster.
        ours: String,
        /// Who told.
        address: String,
        /// The fingerprint of its cluster.
        theirs: String,
    },
    /// The cluster to join doesn't take this controller, and asking again would change nothing.
    #[error("the cluster behind {address} doesn't take this controller: {reason}")]
    NotTaken {
        /// The controller that was asked.
        address: String,
        /// Its reason.
        reason: String,
    },
    /// Nothing says which cluster a new controller is of.
    #[error(
        "{path} is empty, and neither `initial` nor `join` says which cluster this controller is of: give `join` with the API \
         address of a controller that runs, or `initial` with all controllers of a new cluster (this one alone: a cluster of \
         one). If it ran before, its disk was wiped or is not mounted"
    )]
    NoCluster {
        /// The data folder.
        path: std::path::PathBuf,
    },
    /// A port failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The operating system gives no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// A part of the controller panicked: a defect of ours.
    #[error("a part of the controller panicked: {0}")]
    Panicked(String),
}

impl RunError {
    /// Whether this controller can't come back as it is: the others don't want it, or its disk lost what it had
    /// acknowledged or is somebody else's. Starting it again won't help; a new one in its place does.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Removed { .. }
            | Self::OtherDisk { .. }
            | Self::OtherCluster { .. }
            | Self::NotTaken { .. }
            | Self::Foreign { .. }
            | Self::ForeignName { .. } => true,
            Self::Store(error) => error.is_for_good(),
            Self::Fatal(error) => error.is_for_good(),
            Self::Config(_)
            | Self::Listen { .. }
            | Self::Keys(_)
            | Self::DataDir { .. }
            | Self::OtherScope { .. }
            | Self::NoCluster { .. }
            | Self::Serve(_)
            | Self::Randomness(_)
            | Self::Panicked(_) => false,
        }
    }
}

/// The listening sockets, bound.
#[derive(Debug)]
pub struct Listeners {
    api: TcpListener,
    peer: TcpListener,
    aws: Option<(TcpListener, Gate)>,
}

impl Listeners {
    /// Binds all as configured; port 0 takes a free one.
    ///
    /// # Errors
    /// An address is in use, or isn't this machine's; or the file of keys can't be used.
    pub async fn bind(config: &Config) -> Result<Self, RunError> {
        let aws = match &config.aws {
            Some(aws) => Some((listen("AWS", aws.listen).await?, Gate::of(aws)?)),
            None => None,
        };
        Ok(Self { api: listen("API", config.api.listen).await?, peer: listen("peer", config.peer.listen).await?, aws })
    }

    /// Where AWS's clients are listened to, if anywhere.
    ///
    /// # Errors
    /// The system doesn't tell.
    pub fn aws_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.aws.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Where the API is listened to.
    ///
    /// # Errors
    /// The system doesn't tell.
    pub fn api_address(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Where peers are listened to.
    ///
    /// # Errors
    /// The system doesn't tell.
    pub fn peer_address(&self) -> std::io::Result<SocketAddr> {
        self.peer.local_addr()
    }
}

async fn listen(port: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { port, address, source })
}

/// A runtime that fits a controller: few threads, so that an idle one is small.
///
/// # Errors
/// The system refuses a thread.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_WORKERS)
        .max_blocking_threads(RUNTIME_BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
}

/// Runs a controller until `shutdown`, then stops it cleanly: leadership is handed over, agents are told where to go,
/// requests under way end.
///
/// # Errors
/// It didn't start, or can't go on: say so and exit with a failure.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
    config.check()?;
    let listeners = Listeners::bind(&config).await?;
    run_on(config, listeners, shutdown).await
}

/// As [`run`], on sockets that are bound already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    config.check()?;
    files::raise();
    let mut shutdown = std::pin::pin!(shutdown);
    let starting = start(&config, &listeners);
    let running = tokio::select! {
        started = starting => started?,
        () = &mut shutdown => return Ok(()),
    };
    running.serve(listeners, shutdown, &config).await
}

/// How others reach this controller.
#[derive(Debug, Clone)]
struct Addresses {
    api: String,
    peer: String,
    /// URL of the AWS port.
    aws: Option<String>,
}

impl Addresses {
    fn of(config: &Config, listeners: &Listeners) -> Result<Self, RunError> {
        let bound = |socket: &TcpListener, port, address| {
            socket.local_addr().map_err(|source| RunError::Listen { port, address, source })
        };
        let api = bound(&listeners.api, "API", config.api.listen)?;
        let peer = bound(&listeners.peer, "peer", config.peer.listen)?;
        let aws = listeners.aws_address();
        let aws = aws.map_err(|source| RunError::Listen { port: "AWS", address: config.api.listen, source })?;
        let advertised = config.api.advertise.as_deref().and_then(|address| Some(address.rsplit_once(':')?.0));
        Ok(Self {
            // One that listens everywhere is reached by the name under which its API is.
            aws: aws.map(|address| match advertised.filter(|_| address.ip().is_unspecified()) {
                Some(host) => format!("http://{host}:{}/", address.port()),
                None => format!("http://{address}/"),
            }),
            api: config.api.advertise.clone().unwrap_or_else(|| api.to_string()),
            peer: config.peer.advertise.clone().unwrap_or_else(|| peer.to_string()),
        })
    }
}

/// Who this controller is, and how its disk is to be opened.
async fn first_or_again(config: &Config) -> Result<(Identity, Start), RunError> {
    if let Some(kept) = identity::kept(config)? {
        let own = config.initial.iter().find(|member| member.name == config.name).and_then(|member| member.id);
        if let Some(expected) = own.filter(|id| *id != kept.raft_id) {
            return Err(RunError::Foreign { path: config.data_dir.clone(), found: kept.raft_id, expected });
        }
        return Ok((kept, Start::Restart));
    }
    let marker = identity::random()?;
    if let Some(address) = &config.join {
        let fingerprint = fingerprint_of(address, config).await?;
        return Ok((Identity { fingerprint, raft_id: identity::random_id()?, marker }, Start::Join));
    }
    if config.initial.is_empty() {
        return Err(RunError::NoCluster { path: config.data_dir.clone() });
    }
    let initial = identity::initial_ids(&config.initial);
    let fingerprint = identity::initial_fingerprint(&initial);
    let own = initial.iter().find(|(_, member)| member.name == config.name).map(|(id, _)| *id);
    let raft_id = own.ok_or_else(|| ConfigError("`initial` doesn't name this controller".to_owned()))?;
    let contexts = initial.iter().map(|(id, m)| (*id, encode_context(&m.name, &m.api_address, &m.peer_address)));
    Ok((Identity { fingerprint, raft_id, marker }, bootstrap(contexts)?))
}

fn bootstrap(members: impl IntoIterator<Item = (RaftId, Vec<u8>)>) -> Result<Start, ConfigError> {
    Membership::bootstrap(members).map(Start::Bootstrap).map_err(|error| ConfigError(error.to_string()))
}

/// Asks the cluster to join for its fingerprint, until it answers.
async fn fingerprint_of(address: &str, config: &Config) -> Result<u128, RunError> {
    loop {
        match membership::look_up(address).await {
            Ok(status) => {
                let theirs = format!("{} {}", status.region, status.account_id);
                let ours = format!("{} {}", config.region, config.account_id);
                if theirs != ours {
                    return Err(RunError::OtherScope { address: address.to_owned(), theirs, ours });
                }
                if let Some(fingerprint) = from_hex(&status.fingerprint) {
                    return Ok(fingerprint);
                }
                tracing::warn!(address, "the cluster to join tells no fingerprint");
            }
            Err(status) => {
                tracing::info!(address, reason = status.message(), "the cluster to join can't be reached yet")
            }
        }
        tokio::time::sleep(JOIN_RETRY).await;
    }
}

/// A controller whose consensus runs; nothing is served yet.
struct Running {
    core: Arc<Core>,
    node: Node,
    peer_service: PeerService,
    announcement: (Option<String>, AddControllerRequest),
    vigil: Vigil,
    fatal: oneshot::Receiver<Fatal>,
}

async fn start(config: &Config, listeners: &Listeners) -> Result<Running, RunError> {
    let addresses = Addresses::of(config, listeners)?;
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|source| RunError::DataDir { path: config.data_dir.clone(), source })?;
    let (identity, start) = first_or_again(config).await?;
    let directory = Directory::default();
    let links = Links::new(directory.clone(), tokio::runtime::Handle::current());
    let (view, events, leaderships, dirty) =
        (View::new(drydock_state::State::default(), 0), EventRing::new(0), Leaderships::new(), DirtyFeed::default());
    let metrics = Metrics::new();
    let told = (leaderships.clone(), directory.clone(), dirty.clone());
    let machine = Machine::new(view.clone(), events.clone(), told, metrics.clone());
    let raft = metrics.raft.clone();
    let seed = u64::from_le_bytes(identity::random_id()?.to_le_bytes());
    let store = match config.log_store {
        LogStoreKind::RaftEngine => StoreKind::RaftEngine,
        LogStoreKind::Sled => StoreKind::Sled,
    };
    let options = NodeOptions {
        data_dir: config.data_dir.clone(),
        store,
        identity,
        expected_marker: None,
        start,
        config: drydock_consensus::Config::default(),
        seed,
        on_sync: OnSync::new(move |took| raft.synced(took)),
    };
    let (tell_fatal, fatal) = oneshot::channel();
    let peers = links.clone();
    // Reads the whole state from the disk: not on a worker of the runtime.
    let started = tokio::task::spawn_blocking(move || {
        Node::start(options, machine, peers, move |fatal| drop(tell_fatal.send(fatal)))
    });
    let (node, handle) = started.await.map_err(|error| RunError::Panicked(error.to_string()))??;
    let vigil = Vigil::begin(&config.data_dir, store)?;
    // Before anything is sent: two controllers under one id would vote twice.
    if let Some(own) = directory.now().by_id.get(&node.id())
        && own.name != config.name
    {
        let (path, found, expected) = (config.data_dir.clone(), own.name.clone(), config.name.clone());
        return Err(RunError::ForeignName { path, found, expected });
    }
    let credentials = Credentials::new(node.identity(), addresses.peer.clone());
    tracing::info!(name = config.name, id = node.id(), api = addresses.api, peer = addresses.peer, "controller starts");
    let unreachable = handle.clone();
    links.begin(credentials.clone(), move |peer| unreachable.unreachable(peer));
    let core = Arc::new(Core {
        me: credentials.id,
        name: config.name.clone(),
        fingerprint: credentials.fingerprint,
        scope: Scope { region: config.region.clone(), account: config.account_id.clone() },
        aws_url: addresses.aws,
        settings: config.settings.clone(),
        handle: handle.clone(),
        view,
        events,
        leaderships,
        directory: directory.clone(),
        links: links.clone(),
        dirty,
        admission: Admission::default(),
        held: Arc::default(),
        seeds: Seeds::new()?,
        clock: Clock::new(),
        metrics,
        leader: arc_swap::ArcSwapOption::empty(),
    });
    let forwarded = Forwarded::default();
    forwarded.begin(Arc::clone(&core));
    let announcement = AddControllerRequest {
        id: credentials.id,
        name: config.name.clone(),
        api_address: addresses.api,
        peer_address: addresses.peer,
    };
    let peer_service = PeerService { links, directory, handle, forwarded, stop: CancellationToken::new() };
    Ok(Running { core, node, peer_service, announcement: (config.join.clone(), announcement), vigil, fatal })
}

impl Running {
    async fn serve(
        self,
        listeners: Listeners,
        mut shutdown: std::pin::Pin<&mut (impl Future<Output = ()> + Send)>,
        config: &Config,
    ) -> Result<(), RunError> {
        let Self { core, node, peer_service, announcement, vigil, mut fatal } = self;
        let (named, path) = (foreign::Named::of(config), &config.data_dir);
        let (stop_leading, stop_api, stop_peers) =
            (CancellationToken::new(), CancellationToken::new(), peer_service.stop.clone());
        let mut ports = JoinSet::new();
        ports.spawn(serve_clients(Arc::clone(&core), listeners.api, listeners.aws, stop_api.clone()));
        ports.spawn(serve_peers(peer_service, listeners.peer));
        let leading = tokio::spawn(leader::follow(Arc::clone(&core), stop_leading.clone()));
        let address = announcement.0.clone().unwrap_or_default();
        let mut announcing = tokio::spawn(membership::announce(Arc::clone(&core), announcement.0, announcement.1));
        let end = tokio::select! {
            () = &mut shutdown => Ok(()),
            fatal = &mut fatal => Err(fatal.map_or_else(
                |_| RunError::Panicked("the consensus thread".to_owned()),
                RunError::Fatal,
            )),
            port = ports.join_next() => Err(port_ended(port)),
            reason = not_taken(&mut announcing) => Err(RunError::NotTaken { address, reason }),
            why = core.links.dismissed() => Err(match why {
                Dismissed::Removed => RunError::Removed { id: core.me },
                Dismissed::OtherDisk => RunError::OtherDisk { id: core.me, path: path.clone() },
            }),
            stranger = foreign::found(&core, &named) => Err(RunError::OtherCluster {
                path: path.clone(),
                ours: hex(core.fingerprint),
                address: stranger.address,
                theirs: hex(stranger.fingerprint),
            }),
            lost = disk_lost(vigil) => Err(lost),
        };
        announcing.abort();
        if end.is_ok() {
            hand_over(&core).await;
        }
        // Agents are told where to go while the port is still open.
        stop_leading.cancel();
        if let Err(error) = leading.await {
            tracing::error!(%error, "the leader's scope panicked");
        }
        stop_api.cancel();
        let ended = tokio::time::timeout(STOP_GRACE, ports.join_next()).await;
        if ended.is_err() {
            tracing::info!("some requests didn't end in time");
        }
        core.handle.stop();
        let joined = tokio::task::spawn_blocking(move || node.join());
        let _ = joined.await;
        stop_peers.cancel();
        core.links.close();
        if tokio::time::timeout(STOP_GRACE, ports.join_next()).await.is_err() {
            tracing::info!("some peers didn't end in time");
        }
        ports.shutdown().await;
        tracing::info!(name = core.name, "controller stopped");
        end
    }
}

/// Completes once the files of the log are gone. Looks on a thread that may block: the disk may not answer at all.
async fn disk_lost(mut vigil: Vigil) -> RunError {
    let mut look = tokio::time::interval(DISK_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let looked = tokio::task::spawn_blocking(move || vigil.look().map(|()| vigil)).await;
        vigil = match looked {
            Ok(Ok(vigil)) => vigil,
            Ok(Err(error)) => return error.into(),
            Err(error) => return RunError::Panicked(error.to_string()),
        };
    }
}

/// Completes with the reason why the cluster doesn't take this controller; never where it does.
async fn not_taken(announcing: &mut tokio::task::JoinHandle<Result<(), String>>) -> String {
    match announcing.await {
        Ok(Err(reason)) => reason,
        Ok(Ok(())) | Err(_) => std::future::pending().await,
    }
}

fn port_ended(port: Option<Result<Result<(), ServeError>, tokio::task::JoinError>>) -> RunError {
    match port {
        Some(Ok(Err(error))) => error.into(),
        Some(Err(error)) => RunError::Panicked(error.to_string()),
        Some(Ok(Ok(()))) | None => RunError::Panicked("a port stopped by itself".to_owned()),
    }
}

/// Gives leadership away before anything stops: the others needn't wait for an election timeout.
async fn hand_over(core: &Core) {
    if core.leaderships.now().role != drydock_consensus::Role::Leader {
        return;
    }
    let (tell, told) = oneshot::channel();
    core.handle.transfer(None, move |done| drop(tell.send(done)));
    match tokio::time::timeout(STOP_GRACE, told).await {
        Ok(Ok(Ok(to))) => tracing::info!(to, "leadership was handed over"),
        Ok(Ok(Err(TransferError::NoCandidate))) | Err(_) | Ok(Err(_)) => {}
        Ok(Ok(Err(error))) => tracing::info!(%error, "leadership was not handed over"),
    }
}
