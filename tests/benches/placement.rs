//! What placement costs: 10,000 tasks on 5,000 instances with a spread, a binpack, a distinctInstance and a memberOf, and
//! one RunTask's decision at 100, 1,000, 10,000 and 100,000 instances. The deciders alone: no process, no disk.
//!
//! `cargo bench -p drydock-tests --bench placement -- [--instances 100,1000] [--tasks N] [--on N]`
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and its figures are for people"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use drydock_model::arn::Scope;
use drydock_model::capacity::Serves;
use drydock_model::resources::Available;
use drydock_proto::ecs;
use drydock_reconcile::{command_for, step};
use drydock_state::command::{RegisterInstance, RunTask, SCHEMA};
use drydock_state::{Command, Envelope, Key, Outcome, Settings, State};

const TERM: u64 = 1;
/// Zones, racks and sizes of the instances: each in turn.
const ZONES: usize = 4;
const RACKS: usize = 20;
const CPU: u32 = 4_096;
/// Decisions of which one is the mean.
const DECISIONS: u32 = 200;
/// Tasks that the group of a decision has already.
const GROUP: usize = 100;
/// Tasks of one service at most (ecs-semantics §2.7).
const OF_A_SERVICE: usize = 5_000;

struct Arguments {
    instances: Vec<usize>,
    tasks: usize,
    on: usize,
}

fn arguments() -> Result<Arguments> {
    let mut found = Arguments { instances: vec![100, 1_000, 10_000, 100_000], tasks: 10_000, on: 5_000 };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().with_context(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--instances" => found.instances = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--tasks" => found.tasks = value()?.parse()?,
            "--on" => found.on = value()?.parse()?,
            // What `cargo bench` puts in.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(found)
}

/// By its digest, so that all tasks of a deployment may start at once.
const IMAGE: &str = "image@sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// A state, and the log's next index.
#[derive(Clone)]
struct World {
    state: State,
    scope: Scope,
    index: u64,
    dirty: BTreeSet<Key>,
}

impl World {
    fn new(instances: usize) -> Result<Self> {
        let scope = Scope { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
        let mut world = Self { state: State::default(), scope, index: 0, dirty: BTreeSet::new() };
        world.apply(Command::NewEpoch)?;
        let settings = Settings { service_launches_per_minute: 1_000_000, ..Settings::default() };
        world.apply(Command::PutSettings(settings))?;
        let cluster_name = Some("default".to_owned());
        world.apply(Command::CreateCluster(Box::new(ecs::CreateClusterRequest {
            cluster_name,
            ..Default::default()
        })))?;
        let container = ecs::ContainerDefinition {
            name: Some("main".to_owned()),
            image: Some(IMAGE.to_owned()),
            cpu: Some(128),
            memory: Some(256),
            ..Default::default()
        };
        world.apply(Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
            family: Some("app".to_owned()),
            container_definitions: vec![container],
            ..Default::default()
        })))?;
        (0..instances).try_for_each(|at| world.register(at))?;
        Ok(world)
    }

    fn register(&mut self, at: usize) -> Result<()> {
        let attribute = |name: &str, value: Option<String>| ecs::Attribute {
            name: Some(name.to_owned()),
            value,
            ..Default::default()
        };
        let mut attributes = vec![
            attribute("ecs.availability-zone", Some(format!("us-east-1{}", ["a", "b", "c", "d"][at % ZONES]))),
            attribute("ecs.instance-type", Some(["m5.large", "m5.xlarge", "c5.large"][at % 3].to_owned())),
            attribute("rack", Some(format!("r{}", at % RACKS))),
            attribute("host", Some(format!("host-{at}"))),
        ];
        attributes.extend(drydock_model::capabilities::all().into_iter().map(|name| attribute(&name, None)));
        self.apply(Command::RegisterInstance(Box::new(RegisterInstance {
            cluster: "default".to_owned(),
            token: format!("t{at}"),
            capacity: Available { cpu: CPU, memory_mib: CPU * 2, ..Available::default() },
            attributes,
            ec2_instance_id: String::new(),
            agent_version: "1.0.0".to_owned(),
            docker_version: String::new(),
            runtime: "simulated".to_owned(),
            tags: Vec::new(),
            serves: Serves::Both,
            capacity_provider: String::new(),
        })))?;
        Ok(())
    }

    fn seed(&self) -> u128 {
        u128::from(self.index).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn apply(&mut self, command: Command) -> Result<Outcome> {
        self.index += 1;
        let envelope = Envelope {
            epoch: TERM,
            now_ms: 1_000_000,
            seed: self.seed(),
            schema: SCHEMA,
            scope: self.scope.clone(),
            caller: String::new(),
            command,
        };
        let applied = self.state.apply(self.index, TERM, &envelope)?;
        self.dirty.extend(applied.dirty);
        match applied.outcome {
            Outcome::Refused(error) => bail!("refused: {error}"),
            outcome => Ok(outcome),
        }
    }
}

/// A name, the constraints and the strategies.
type Case = (&'static str, Vec<ecs::PlacementConstraint>, Vec<ecs::PlacementStrategy>);

fn cases() -> Vec<Case> {
    let strategy = |kind: ecs::PlacementStrategyType, field: &str| {
        let mut strategy = ecs::PlacementStrategy { field: Some(field.to_owned()), ..Default::default() };
        strategy.set_type(kind);
        strategy
    };
    let mut distinct = ecs::PlacementConstraint::default();
    distinct.set_type(ecs::PlacementConstraintType::DistinctInstance);
    let mut member = ecs::PlacementConstraint::default();
    member.set_type(ecs::PlacementConstraintType::MemberOf);
    member.expression = Some("attribute:ecs.instance-type =~ m5.* and attribute:rack not_in [r0, r1]".to_owned());
    let spread = || strategy(ecs::PlacementStrategyType::Spread, "attribute:ecs.availability-zone");
    let instance = strategy(ecs::PlacementStrategyType::Spread, "instanceId");
    let pack = strategy(ecs::PlacementStrategyType::Binpack, "memory");
    vec![
        ("spread over zones, then instances", vec![], vec![spread(), instance]),
        ("binpack by memory", vec![], vec![pack.clone()]),
        ("distinctInstance, binpack", vec![distinct], vec![pack]),
        ("memberOf, spread over zones", vec![member], vec![spread()]),
    ]
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    println!("{} tasks on {} instances, placed by services of at most {OF_A_SERVICE}", arguments.tasks, arguments.on);
    println!("  {:<36} {:>10} {:>12} {:>12}", "", "placed", "deciding", "applying");
    let world = World::new(arguments.on)?;
    for case in cases() {
        let (placed, deciding, applying) = many(world.clone(), &case, arguments.tasks)?;
        println!("  {:<36} {placed:>10} {:>9.0} ms {:>9.0} ms", case.0, ms(deciding), ms(applying));
    }
    println!("\none decision of RunTask, in µs (mean of {DECISIONS}; {GROUP} tasks of its group are there)");
    let columns: Vec<String> = arguments.instances.iter().map(|n| format!("{n:>10}")).collect();
    println!("  {:<36} {}   growth beside log(n)", "instances", columns.concat());
    let micros = |time: Duration| time.as_nanos() as f64 / 1_000.0;
    let (mut cold, mut warm) = (vec![Vec::new(); cases().len()], vec![Vec::new(); cases().len()]);
    for instances in &arguments.instances {
        let world = World::new(*instances)?;
        for (at, case) in cases().iter().enumerate() {
            let (first, again) = one(world.clone(), case)?;
            cold[at].push(micros(first));
            warm[at].push(micros(again));
        }
    }
    for (at, case) in cases().iter().enumerate() {
        line(case.0, &cold[at], &arguments.instances);
        line("  the same, made again", &warm[at], &arguments.instances);
    }
    println!(
        "  (The first time the machine fetches the instance that the seed has chosen from memory; made again, it has it.)"
    );
    Ok(())
}

/// A case's costs, and how they grow from the fewest instances to the most.
fn line(name: &str, micros: &[f64], instances: &[usize]) {
    let columns: String = micros.iter().map(|micros| format!("{micros:>10.1}")).collect();
    let growth = micros.last().zip(micros.first()).map_or(1.0, |(last, first)| last / first);
    let logs: Vec<f64> = instances.iter().map(|n| (*n as f64).ln()).collect();
    let log = logs.last().zip(logs.first()).map_or(1.0, |(last, first)| last / first);
    println!("  {name:<36} {columns}   × {growth:.2} beside × {log:.2}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Services that place so many tasks: how many were, how long deciding took, and how long applying.
fn many(mut world: World, case: &Case, tasks: usize) -> Result<(u32, Duration, Duration)> {
    for at in 0..tasks.div_ceil(OF_A_SERVICE) {
        let desired = OF_A_SERVICE.min(tasks - at * OF_A_SERVICE);
        world.apply(Command::CreateService(Box::new(ecs::CreateServiceRequest {
            service_name: Some(format!("s{at}")),
            task_definition: Some("app".to_owned()),
            desired_count: Some(i32::try_from(desired)?),
            placement_constraints: case.1.clone(),
            placement_strategy: case.2.clone(),
            ..Default::default()
        })))?;
    }
    let (mut deciding, mut applying) = (Duration::ZERO, Duration::ZERO);
    loop {
        let dirty = std::mem::take(&mut world.dirty);
        let start = Instant::now();
        let decided = step(&world.state, &dirty, 1_000_000, world.seed(), usize::MAX);
        deciding += start.elapsed();
        if decided.is_quiet() && decided.remaining.is_empty() {
            break;
        }
        world.dirty.extend(decided.remaining.iter().cloned());
        let start = Instant::now();
        for command in decided.commands() {
            world.apply(command)?;
        }
        applying += start.elapsed();
    }
    let scope = world.state.scope_id(&world.scope).context("the scope")?;
    let cluster = world.state.cluster_by_name(scope, "default").context("the cluster")?.id;
    Ok((world.state.cluster_counts(cluster).tasks.pending, deciding, applying))
}

fn request(case: &Case, count: i32) -> Command {
    let request = ecs::RunTaskRequest {
        task_definition: Some("app".to_owned()),
        count: Some(count),
        placement_constraints: case.1.clone(),
        placement_strategy: case.2.clone(),
        ..Default::default()
    };
    Command::RunTask(Box::new(RunTask { request, placements: Vec::new() }))
}

/// The mean time of a decision, and of the same made again at once.
fn one(mut world: World, case: &Case) -> Result<(Duration, Duration)> {
    let loose = (case.0, Vec::new(), case.2.clone());
    for _ in 0..GROUP / 10 {
        let command = command_for(&world.state, &world.scope, request(&loose, 10), world.seed())?;
        world.apply(command)?;
    }
    let (mut first, mut again) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..DECISIONS {
        let seed = world.seed() ^ u128::from(turn) << 64;
        for time in [&mut first, &mut again] {
            let command = request(case, 1);
            let start = Instant::now();
            let decided = command_for(&world.state, &world.scope, command, seed)?;
            *time += start.elapsed();
            let Command::RunTask(run) = &decided else { bail!("another command") };
            if !run.placements.iter().all(|placement| matches!(placement, drydock_state::command::Placement::On(_))) {
                bail!("{}: not placed: {:?}", case.0, run.placements);
            }
        }
    }
    Ok((first / DECISIONS, again / DECISIONS))
}
