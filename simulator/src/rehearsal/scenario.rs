//! What a scenario says, as its file has it: shapes alone. What goes with what is [`super::check`]'s business.

use drydock_engine::simulated::knobs::StageRow;
use drydock_proto::ecs::{CreateServiceRequest, UpdateServiceRequest};
use serde::{Deserialize, Serialize};

use super::units::{Dollars, Span, SpanRange};

/// A scenario: what is there, what happens, and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// For people.
    pub title: Option<String>,
    /// How long the rehearsal lasts from its beginning on: at most [`super::UNTIL_MAX_MS`].
    pub until: Span,
    /// What is drawn by chance follows from it; `--seed` wins. 1 where none is given.
    pub seed: Option<u64>,
    /// Controllers, all voters: 1, 3 or 5. 3 where none is given.
    pub controllers: Option<u64>,
    /// Whether it begins with services in steady state. STEADY where nothing is said.
    pub begin: Option<Begin>,
    /// Capacity providers of the cluster, such as FARGATE_SPOT.
    #[serde(default)]
    pub capacity_providers: Vec<String>,
    /// The fleet.
    #[serde(default)]
    pub instances: Vec<InstanceGroup>,
    /// What containers of an image do; of several that match, later ones win.
    #[serde(default)]
    pub images: Vec<Image>,
    /// The services.
    #[serde(default)]
    pub services: Vec<Service>,
    /// The load that services follow.
    #[serde(default)]
    pub load: Vec<Load>,
    /// What happens.
    #[serde(default)]
    pub events: Vec<Event>,
    /// What must hold.
    #[serde(default)]
    pub expect: Vec<Expectation>,
}

/// How a rehearsal begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Begin {
    /// With its services in steady state.
    Steady,
    /// With its instances; the services are created at the beginning.
    Empty,
}

/// Instances of one kind in one zone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceGroup {
    /// What its instances are called, with `-1`, `-2` … behind it; the zone's name where none is given.
    pub name: Option<String>,
    /// Its zone.
    pub zone: String,
    /// EC2's name of a type; [`super::prices`] knows some. Any other needs `cpu` and `memory_mib`.
    #[serde(rename = "type")]
    pub instance_type: Option<String>,
    /// How many. 1 where none is given.
    pub count: Option<u32>,
    /// CPU units, 1,024 a vCPU.
    pub cpu: Option<u32>,
    /// MiB.
    pub memory_mib: Option<u32>,
    /// What an hour of one costs; that of the type where none is given.
    pub price_an_hour: Option<Dollars>,
    /// Spot capacity, that can be reclaimed. Its price isn't another: say it.
    #[serde(default)]
    pub spot: bool,
    /// Which tasks they are there for. EC2 where nothing is said.
    pub serves: Option<Serves>,
}

/// Which tasks instances are there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Serves {
    /// Those of launch type EC2.
    Ec2,
    /// Those of launch type FARGATE: hosts that cost nothing by themselves, for their tasks do.
    Fargate,
    /// Both.
    Both,
}

/// What containers of an image do. What isn't said is as in docs/simulator.md.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// An image, in which `*` stands for anything.
    pub image: String,
    /// A pull takes so long.
    pub pull: Option<SpanRange>,
    /// It can't be pulled, with this text.
    pub pull_error: Option<String>,
    /// A start takes so long.
    pub start: Option<SpanRange>,
    /// It can't be started, with this text.
    pub start_error: Option<String>,
    /// It exits by itself after.
    pub exits_after: Option<SpanRange>,
    /// … with this code.
    pub exit_code: Option<u8>,
    /// It is killed for want of memory after.
    pub out_of_memory_after: Option<SpanRange>,
    /// Its health check says HEALTHY after.
    pub healthy_after: Option<SpanRange>,
    /// Its health check says UNHEALTHY after.
    pub unhealthy_after: Option<SpanRange>,
    /// It takes so long to exit after SIGTERM.
    pub stop: Option<SpanRange>,
}

/// A service. Files are relative to the scenario's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name; that of its request where none is given.
    pub name: Option<String>,
    /// A task definition's file.
    pub task_definition: String,
    /// A file with a CreateService.
    pub file: Option<String>,
    /// A CreateService, in the place of a `file`.
    pub request: Option<CreateServiceRequest>,
    /// Tasks; that of its request where none is given.
    pub desired_count: Option<u32>,
}

/// A load that a service's desired count follows: the straight lines between points, divided by what a task takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Whose.
    pub service: String,
    /// What one task takes, in the unit of `points`.
    pub a_task_takes: u64,
    /// Tasks at least.
    pub least: u32,
    /// Tasks at most.
    pub most: u32,
    /// How often the desired count follows. 1m where nothing is said.
    pub every: Option<Span>,
    /// The load, by time.
    pub points: Vec<Point>,
}

/// A point of a load.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// When.
    pub at: Span,
    /// How much.
    pub load: u64,
}

/// What happens at a moment: exactly one thing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Event {
    /// When, from the beginning on.
    pub at: Span,
    /// Another task definition, or other settings, for a service.
    pub deploy: Option<Deploy>,
    /// Another desired count.
    pub scale: Option<Scale>,
    /// Machines lose power. They stay registered.
    pub lose: Option<Which>,
    /// Machines that were lost start again.
    pub restore: Option<Which>,
    /// Machines are terminated for good, and deregistered as EC2's are.
    pub terminate: Option<Which>,
    /// Instances are set to DRAINING.
    pub drain: Option<Which>,
    /// Instances are set to ACTIVE.
    pub activate: Option<Which>,
    /// Spot instances get their notice.
    pub reclaim_spot: Option<Reclaim>,
    /// Tasks on Fargate Spot get their notice.
    pub interrupt_tasks: Option<Interrupt>,
    /// More instances join.
    pub add: Option<InstanceGroup>,
    /// The controller that leads ends, and starts again.
    pub crash_leader: Option<Crash>,
}

/// Another task definition, or other settings, for a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// Whose.
    pub service: String,
    /// A task definition's file, relative to the scenario's.
    pub task_definition: Option<String>,
    /// An UpdateService beside it.
    pub request: Option<UpdateServiceRequest>,
}

/// Another desired count.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Whose.
    pub service: String,
    /// Tasks.
    pub desired_count: u32,
}

/// Which instances: those that fit all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Which {
    /// By name.
    pub instance: Option<String>,
    /// By the name of their group.
    pub group: Option<String>,
    /// By zone.
    pub zone: Option<String>,
    /// So many of them at most, by chance.
    pub count: Option<u32>,
}

/// Spot instances get their notice: DRAINING now, gone two minutes later.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reclaim {
    /// By zone.
    pub zone: Option<String>,
    /// By the name of their group.
    pub group: Option<String>,
    /// So many at most, by chance.
    pub count: Option<u32>,
    /// For each a new one of its kind joins so long after the notice; none where nothing is said.
    pub replaced_after: Option<Span>,
}

/// Tasks on Fargate Spot get their notice.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interrupt {
    /// Whose.
    pub service: String,
    /// So many at most, by chance.
    pub count: u32,
}

/// The controller that leads ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// It starts again after.
    pub back_after: Span,
}

/// What must hold: exactly one thing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expectation {
    /// How a deployment ends.
    pub deployment: Option<ExpectDeployment>,
    /// RUNNING tasks are never fewer.
    pub running_never_below: Option<ExpectCount>,
    /// RUNNING tasks are never more.
    pub running_never_above: Option<ExpectCount>,
    /// Healthy tasks are never fewer than minimumHealthyPercent asks for.
    pub healthy_never_below_minimum: Option<ExpectService>,
    /// A service is in steady state.
    pub steady: Option<ExpectSteady>,
    /// A service is back in steady state soon.
    pub unsteady_at_most: Option<ExpectUnsteady>,
    /// No task that isn't STOPPED is there.
    pub no_task_on: Option<ExpectNoTask>,
    /// What it costs.
    pub cost_below: Option<ExpectCost>,
    /// An event of a service says so.
    pub event: Option<ExpectEvent>,
    /// No event of a service says so.
    pub no_event: Option<ExpectEvent>,
}

/// How a deployment ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectDeployment {
    /// Whose.
    pub service: String,
    /// Which: 1 is that of the service's creation, 2 the first after it. The newest where none is given.
    pub number: Option<u64>,
    /// As `deployments[]` tells.
    pub rollout_state: Option<Rollout>,
    /// As DescribeServiceDeployments tells, such as ROLLBACK_SUCCESSFUL.
    pub status: Option<String>,
    /// By then; by the end where nothing is said.
    pub by: Option<Span>,
}

/// `rolloutState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "ECS's words")]
pub enum Rollout {
    Completed,
    Failed,
    InProgress,
}

/// A bound on RUNNING tasks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectCount {
    /// Whose.
    pub service: String,
    /// The bound.
    pub count: u32,
    /// From then on; from the beginning where nothing is said.
    pub from: Option<Span>,
    /// Until then; until the end where nothing is said.
    pub until: Option<Span>,
}

/// A service, for a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectService {
    /// Which.
    pub service: String,
    /// From then on; from the beginning where nothing is said.
    pub from: Option<Span>,
    /// Until then; until the end where nothing is said.
    pub until: Option<Span>,
}

/// A service is in steady state.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectSteady {
    /// Which.
    pub service: String,
    /// Then; at the end where nothing is said.
    pub at: Option<Span>,
}

/// A bound on the times in which a service isn't in steady state.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectUnsteady {
    /// Which.
    pub service: String,
    /// None of those times is longer than this.
    pub time: Span,
}

/// Instances without tasks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectNoTask {
    /// By name.
    pub instance: Option<String>,
    /// By the name of their group.
    pub group: Option<String>,
    /// By zone.
    pub zone: Option<String>,
    /// From then on; at the end where nothing is said.
    pub from: Option<Span>,
    /// Until then; until the end where nothing is said.
    pub until: Option<Span>,
}

/// What it costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectCost {
    /// Less than this, for all of the rehearsal.
    pub dollars: Dollars,
    /// Whose price list.
    pub on: PriceList,
}

/// Whose price list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PriceList {
    /// Of tasks, as Fargate bills them.
    Fargate,
    /// Of instances.
    Ec2,
}

/// An event of a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectEvent {
    /// Whose; any where none is given.
    pub service: Option<String>,
    /// A part of its text.
    pub text: String,
    /// From then on.
    pub after: Option<Span>,
    /// By then; by the end where nothing is said.
    pub by: Option<Span>,
}

impl Image {
    /// As the simulated runtime takes it.
    #[must_use]
    pub fn stage(&self) -> StageRow {
        let times = [
            ("pull-ms", self.pull),
            ("start-ms", self.start),
            ("run-for-ms", self.exits_after),
            ("kill-after-ms", self.out_of_memory_after),
            ("healthy-after-ms", self.healthy_after),
            ("unhealthy-after-ms", self.unhealthy_after),
            ("stop-ms", self.stop),
        ];
        let texts = [
            ("pull-error", self.pull_error.clone()),
            ("start-error", self.start_error.clone()),
            ("exit-code", self.exit_code.map(|code| code.to_string())),
        ];
        let times = times.into_iter().filter_map(|(knob, time)| Some((knob, time?.knob())));
        let texts = texts.into_iter().filter_map(|(knob, text)| Some((knob, text?)));
        let set = times.chain(texts).map(|(knob, value)| (knob.to_owned(), value)).collect();
        StageRow { image: self.image.clone(), set }
    }
}
