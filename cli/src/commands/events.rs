//! `drydock events`: the event stream, resumed by index when the controller that served it goes away.

use std::time::Duration;

use clap::Args;
use drydock_proto::control::event::Detail;
use drydock_proto::control::watch_events_response::Item;
use drydock_proto::control::{Event, WatchEventsRequest, WatchEventsResponse};
use serde::Serialize;
use tonic::Streaming;

use super::controller::{Api, status};
use super::{Context, ids, pages};
use crate::client::{Client, Kind, ecs_failure};
use crate::failure::Failure;
use crate::output::words::{clock, name_of, short_id};

/// For this long a stream that broke is opened again.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(60);
/// Wait before a stream is opened again that ended at once, so that a server that refuses isn't hammered.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

/// Without --follow: after this long without an event there is none left. What is kept is in the controller's memory and
/// comes at once.
const SILENCE: Duration = Duration::from_secs(1);

/// With --follow, events of this many entries of the log are shown before those to come.
const ENTRIES_BEFORE: u64 = 30;

/// Arguments of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Goes on with events as they come, until it is interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Starts after this log index: the one printed with an event goes on from there. Without it: with the newest ones
    /// that are kept (--follow), or with the oldest.
    #[arg(long, value_name = "INDEX")]
    after: Option<u64>,
    /// Events of all clusters, not only of --cluster.
    #[arg(long)]
    all_clusters: bool,
    /// Only events of this kind; repeat for more.
    #[arg(long, value_enum, value_name = "TYPE")]
    detail_type: Vec<DetailType>,
    /// Only events of this service (name or ARN): its own, its deployments' and its tasks'.
    #[arg(long, conflicts_with = "task")]
    service: Option<String>,
    /// Only events of this task: id, the start of an id, or ARN.
    #[arg(long)]
    task: Option<String>,
    /// Adds the place in the log to each event of --output json or yaml, as `index` and `ordinal`. Without it an event
    /// is exactly what EventBridge delivers.
    #[arg(long)]
    with_index: bool,
}

/// A kind of event, by EventBridge's `detail-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DetailType {
    /// "ECS Task State Change"
    Task,
    /// "ECS Container Instance State Change"
    ContainerInstance,
    /// "ECS Service Action"
    ServiceAction,
    /// "ECS Deployment State Change"
    Deployment,
}

impl DetailType {
    fn spelling(self) -> String {
        let text = match self {
            Self::Task => "ECS Task State Change",
            Self::ContainerInstance => "ECS Container Instance State Change",
            Self::ServiceAction => "ECS Service Action",
            Self::Deployment => "ECS Deployment State Change",
        };
        text.to_owned()
    }
}

/// Events from a place on, without gaps and repetitions, over as many streams as it takes.
#[derive(Debug)]
pub struct Events {
    client: Client,
    /// Cluster and filters.
    wishes: WatchEventsRequest,
    stream: Option<Streaming<WatchEventsResponse>>,
    /// Everything up to this index was seen, if anything was.
    after: Option<u64>,
    /// The last event seen: index and ordinal. Events of one entry can be split by a break.
    last: Option<(u64, u32)>,
}

/// What comes out of [`Events`].
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Box<Placed>),
    /// Nothing happened up to this index.
    Progress(u64),
    /// Events up to this index are lost to this reader: they are no longer kept.
    Lost(u64),
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placed {
    /// Of the log entry that it came from.
    pub index: u64,
    /// Among the events of that entry.
    pub ordinal: u32,
    /// What EventBridge would deliver.
    #[serde(flatten)]
    pub event: Event,
}

impl Events {
    /// Events that meet the wishes (the places in them don't matter) after `after`; `None`: from now on.
    #[must_use]
    pub fn new(client: &Client, wishes: WatchEventsRequest, after: Option<u64>) -> Self {
        Self { client: client.patient(RECONNECT_PATIENCE), wishes, stream: None, after, last: None }
    }

    /// The next thing. Safe to drop half-way: nothing is lost.
    ///
    /// # Errors
    /// Refused, or no controller can be reached for a minute.
    pub async fn next(&mut self) -> Result<Next, Failure> {
        loop {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    let stream = self.open().await?;
                    self.stream.insert(stream)
                }
            };
            match stream.message().await {
                Ok(Some(message)) => {
                    if let Some(next) = self.take(message) {
                        return Ok(next);
                    }
                }
                Ok(None) | Err(_) => {
                    self.stream = None;
                    tokio::time::sleep(REOPEN_PAUSE).await;
                }
            }
        }
    }

    async fn open(&self) -> Result<Streaming<WatchEventsResponse>, Failure> {
        // A break can have split the events of one entry.
        let after_ordinal = self.last.filter(|(index, _)| self.after == Some(*index)).map(|(_, ordinal)| ordinal);
        let request = WatchEventsRequest { after_index: self.after, after_ordinal, ..self.wishes.clone() };
        let call = async |mut control: Api, request| control.watch_events(request).await;
        self.client.control(Kind::Read, request, call).await
    }

    fn take(&mut self, message: WatchEventsResponse) -> Option<Next> {
        let WatchEventsResponse { item, index, ordinal } = message;
        match item? {
            Item::Event(event) => {
                let place = (index, ordinal);
                if self.last.is_some_and(|last| place <= last) {
                    return None;
                }
                self.last = Some(place);
                self.after = Some(index);
                Some(Next::Event(Box::new(Placed { index, ordinal, event })))
            }
            Item::ProgressIndex(index) => {
                self.after = Some(self.after.map_or(index, |after| after.max(index)));
                Some(Next::Progress(index))
            }
            Item::Resync(resync) => {
                self.after = Some(resync.index);
                Some(Next::Lost(resync.index))
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Those of the stream.
pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let cluster = (!arguments.all_clusters).then(|| context.cluster.clone());
    let now = status(context).await?.applied_index;
    if let Some(cluster) = &cluster
        && !pages::clusters(&context.client, std::slice::from_ref(cluster)).await?.1.is_empty()
    {
        return Err(ecs_failure("ClusterNotFoundException", "Cluster not found.".to_owned()));
    }
    let until = (!arguments.follow).then_some(now);
    let oldest = if arguments.follow { now.saturating_sub(ENTRIES_BEFORE) } else { 0 };
    let after = Some(arguments.after.unwrap_or(oldest));
    let task = match &arguments.task {
        Some(given) => Some(ids::task(context, given).await?),
        None => None,
    };
    let wishes = WatchEventsRequest {
        cluster,
        detail_types: arguments.detail_type.iter().map(|of| of.spelling()).collect(),
        service: arguments.service,
        task,
        ..WatchEventsRequest::default()
    };
    let mut events = Events::new(&context.client, wishes, after);
    loop {
        let silence = until.map_or(Duration::MAX, |_| SILENCE);
        let Ok(next) = tokio::time::timeout(silence, events.next()).await else { return Ok(()) };
        match next? {
            Next::Event(event) if until.is_some_and(|until| event.index > until) => return Ok(()),
            Next::Event(placed) if arguments.with_index => context.screen.item(&*placed, || line(&placed))?,
            Next::Event(placed) => context.screen.item(&placed.event, || line(&placed))?,
            Next::Progress(index) if until.is_some_and(|until| index >= until) => return Ok(()),
            Next::Lost(index) if arguments.after.is_some() => {
                context.screen.note(&format!("note: events up to index {index} are no longer kept"));
            }
            Next::Progress(_) | Next::Lost(_) => {}
        }
    }
}

/// An event for people, on one line.
#[must_use]
pub fn line(placed: &Placed) -> String {
    let event = &placed.event;
    let what = match &event.detail {
        Some(Detail::Task(task)) => {
            let stopped = task.stopped_reason.as_deref().map(|reason| format!("  {reason}")).unwrap_or_default();
            format!(
                "task {}  {} (desired {})  {}  {}{stopped}",
                short_id(&task.task_arn),
                task.last_status,
                task.desired_status,
                name_of(&task.task_definition_arn),
                task.group.as_deref().unwrap_or_default(),
            )
        }
        Some(Detail::ContainerInstance(instance)) => format!(
            "instance {}  {}, agent {}",
            short_id(&instance.container_instance_arn),
            instance.status,
            if instance.agent_connected { "connected" } else { "disconnected" },
        ),
        Some(Detail::ServiceAction(action)) => {
            format!("{}  {}  {}", resource(event), action.event_name, action.reason.as_deref().unwrap_or_default())
        }
        Some(Detail::DeploymentStateChange(change)) => {
            format!("{}  {}  {}", resource(event), change.event_name, change.reason)
        }
        Some(Detail::ScalingDecision(decision)) => format!(
            "{}  desired size {}  {} needed, {} there, reservation {} %",
            resource(event),
            decision.desired_size,
            decision.needed,
            decision.running,
            decision.reservation_percent,
        ),
        None => event.detail_type.clone(),
    };
    format!("{}  {:>6}  {}", clock(event.time.as_ref()), placed.index, what.trim_end())
}

fn resource(event: &Event) -> &str {
    event.resources.first().map_or("-", |arn| name_of(arn))
}
