//! Carries out a scenario: sets the stage, lets time pass from act to act, and asks the leader what the script says.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_proto::agent::Serves as AgentServes;
use drydock_proto::ecs::{
    ContainerInstanceStatus, CreateClusterRequest, DeregisterContainerInstanceRequest,
    UpdateContainerInstancesStateRequest, UpdateServiceRequest,
};
use drydock_state::command::InterruptTask;
use drydock_state::row::{InstanceRow, ServiceRow, TaskRow};
use drydock_state::{Command, Outcome, State};

use super::fleet::{Fleet, room};
use super::observer::{Observer, count, ordinal, zones};
use super::record::{Costs, Kind, Record, Sample};
use super::scenario::{
    Begin, Crash, Deploy, Event, InstanceGroup, Interrupt, Reclaim, Scale, Scenario, Serves, Service, Which,
};
use super::script::{Act, NOTICE_MS, Script, wanted};
use super::units::{Dollars, Span};
use super::verdict::Judge;
use super::{CLUSTER, Look, Materials, Watch};
use crate::EPOCH_MS;
use crate::agent::{Agent, Kind as AgentKind};
use crate::faults::Plan;
use crate::world::{Event as WorldEvent, Time, World};

/// The client that asks for the director. The first one would make a world of its own.
const CLIENT: usize = 1;
/// Longest that a request of the script is tried, in milliseconds: a leader is elected long before.
const ANSWER_MS_MAX: Time = 120_000;
/// How often is looked for its answer.
const ANSWER_EVERY_MS: Time = 5;
/// By then all instances have joined, in milliseconds.
const JOIN_MS_MAX: Time = 120_000;
/// By then services are in steady state where the rehearsal is to begin so, in milliseconds.
const STEADY_MS_MAX: Time = 3_600_000;
/// How often is looked whether it can begin.
const LOOK_EVERY_MS: Time = 500;

/// The director of one rehearsal.
pub(crate) struct Director<'a> {
    scenario: &'a Scenario,
    materials: &'a Materials,
    seed: u64,
    world: World,
    fleet: Fleet,
    observer: Observer,
    judge: Judge<'a>,
    script: Script,
    /// Task definitions that are registered, by file: `family:revision`.
    registered: BTreeMap<String, String>,
    /// When the rehearsal begins.
    begun: Time,
    fargate_before: Dollars,
    leader: Option<u64>,
    samples: Vec<Sample>,
}

impl<'a> Director<'a> {
    pub(crate) fn new(scenario: &'a Scenario, materials: &'a Materials, seed: u64) -> Result<Self, String> {
        let plan = Plan { controllers: scenario.controllers.unwrap_or(3), agents: 0, ..Plan::calm() };
        let mut world = World::new(seed, plan)?;
        world.watch = Some(Watch::default());
        Ok(Self {
            scenario,
            materials,
            seed,
            world,
            fleet: Fleet::default(),
            observer: Observer::default(),
            judge: Judge::new(scenario),
            script: Script::of(scenario),
            registered: BTreeMap::new(),
            begun: 0,
            fargate_before: Dollars::default(),
            leader: None,
            samples: Vec::new(),
        })
    }

    fn at(&self) -> Span {
        Span(self.world.now.saturating_sub(self.begun))
    }

    fn begun_ms(&self) -> u64 {
        EPOCH_MS + self.begun
    }

    fn state(&self) -> State {
        self.world.state().cloned().unwrap_or_default()
    }

    // --- Before the beginning ------------------------------------------------------------------------------------

    /// Elects a leader, lets the instances join, and the services start where they are to run at the beginning.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        let capacity_providers = self.scenario.capacity_providers.clone();
        let cluster =
            CreateClusterRequest { cluster_name: Some(CLUSTER.to_owned()), capacity_providers, ..Default::default() };
        self.ask(Command::CreateCluster(Box::new(cluster)))?;
        for group in &self.scenario.instances {
            (0..group.count.unwrap_or(1)).for_each(|_| self.join(group));
        }
        let all = self.fleet.machines.len();
        self.wait(JOIN_MS_MAX, |state| state.all_instances().filter(|row| row.agent_connected).count() >= all)
            .map_err(|()| "not all instances joined".to_owned())?;
        if self.scenario.begin.unwrap_or(Begin::Steady) == Begin::Steady {
            self.create_services()?;
            let done = |row: &Arc<ServiceRow>, state: &State| {
                row.progress.steady && state.deployments(row.key).all(|deployment| deployment.is_final())
            };
            self.wait(STEADY_MS_MAX, |state| state.all_services().all(|row| done(row, state)))
                .map_err(|()| self.unsteady())?;
            self.begin();
        } else {
            self.begin();
            self.create_services()?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.begun = self.world.now;
        self.fleet.begin(self.world.now);
        if let Some(watch) = &mut self.world.watch {
            watch.fresh.clear();
        }
        let state = self.state();
        self.observer.begin(&state);
        self.fargate_before = self.fargate(&state);
        self.leader = self.leads();
    }

    fn create_services(&mut self) -> Result<(), String> {
        for service in &self.scenario.services {
            let definition = self.register(&service.task_definition)?;
            let mut request = request_of(service, self.materials);
            request.task_definition = Some(definition);
            request.cluster = Some(CLUSTER.to_owned());
            let name = request.service_name.clone().unwrap_or_default();
            request.client_token = Some(format!("create-{name}"));
            self.ask(Command::CreateService(Box::new(request))).map_err(|why| format!("service {name}: {why}"))?;
        }
        Ok(())
    }

    fn unsteady(&self) -> String {
        let state = self.state();
        let slow = state.all_services().filter(|row| !row.progress.steady);
        let told: Vec<String> = slow
            .map(|row| {
                let last = state.service_events(row.key).next_back().map(|event| event.message.to_string());
                format!("{} ({})", row.name, last.unwrap_or_else(|| "no event".to_owned()))
            })
            .collect();
        format!("not in steady state within {}, so the rehearsal can't begin: {}", Span(STEADY_MS_MAX), told.join("; "))
    }

    fn wait(&mut self, most: Time, holds: impl Fn(&State) -> bool) -> Result<(), ()> {
        let end = self.world.now + most;
        while self.world.now < end {
            if self.world.state().is_some_and(&holds) {
                return Ok(());
            }
            self.world.run(LOOK_EVERY_MS);
        }
        Err(())
    }

    fn join(&mut self, group: &InstanceGroup) {
        let addresses = (1..=self.world.plan.controllers).map(|id| format!("c{id}")).collect();
        let stages = self.scenario.images.iter().map(super::scenario::Image::stage).collect();
        let serves = match group.serves.unwrap_or(Serves::Ec2) {
            Serves::Ec2 => AgentServes::Ec2,
            Serves::Fargate => AgentServes::Fargate,
            Serves::Both => AgentServes::Unspecified,
        };
        let kind = AgentKind { instance_type: group.instance_type.clone(), serves, stages };
        let (world, zone) = (&mut self.world, group.zone.clone());
        let place = self.fleet.add(group, |name| {
            world.add_agent(Agent::new(name.to_owned(), zone, room(group), addresses).of_kind(kind))
        });
        self.power(place, true);
    }

    // --- Requests ------------------------------------------------------------------------------------------------

    /// Asks the leader, and waits for its answer. Refusals are errors.
    fn ask(&mut self, command: Command) -> Result<Outcome, String> {
        let name = command.name();
        self.world.clients[CLIENT].outcome = None;
        self.world.ask(CLIENT, Some(command));
        let end = self.world.now + ANSWER_MS_MAX;
        while self.world.now < end {
            self.world.run(ANSWER_EVERY_MS);
            if let Some(why) = self.world.violation.take() {
                return Err(format!("the simulator found a fault in the control plane: {why}"));
            }
            match self.world.clients[CLIENT].outcome.take() {
                Some(Outcome::Refused(error)) => return Err(format!("{name} is refused: {error}")),
                Some(outcome) => return Ok(outcome),
                // Surely or perhaps not written: whoever is asked next has another name for it.
                None if self.world.clients[CLIENT].asked.as_ref().is_some_and(|asked| asked.call == 0) => {
                    self.world.run(LOOK_EVERY_MS);
                    self.world.ask_again(CLIENT);
                }
                None => {}
            }
        }
        Err(format!("{name} has no answer within {}", Span(ANSWER_MS_MAX)))
    }

    /// Asks for the script: what is refused is told, and the rehearsal goes on.
    fn ask_in_play(&mut self, service: Option<&str>, command: Command) {
        if let Err(why) = self.ask(command) {
            self.tell(service, why);
        }
    }

    fn tell(&mut self, service: Option<&str>, text: impl Into<String>) {
        let at = self.at();
        self.observer.tell(at, Kind::Script, service, text);
    }

    fn register(&mut self, file: &str) -> Result<String, String> {
        if let Some(name) = self.registered.get(file) {
            return Ok(name.clone());
        }
        let request = self.materials.definitions.get(file).cloned().ok_or_else(|| format!("{file} isn't read"))?;
        let outcome = self.ask(Command::RegisterTaskDefinition(Box::new(request)));
        let Outcome::Definition(row) = outcome.map_err(|why| format!("{file}: {why}"))? else {
            return Err(format!("{file}: another answer came than RegisterTaskDefinition's"));
        };
        let name = row.key.to_string();
        self.registered.insert(file.to_owned(), name.clone());
        Ok(name)
    }

    // --- The play ------------------------------------------------------------------------------------------------

    /// From the beginning to the end.
    pub(crate) fn play(mut self, spectator: &mut dyn FnMut(&Look<'_>)) -> Result<Record, String> {
        let until = self.scenario.until.0;
        while let Some((at, act)) = self.script.next().filter(|(at, _)| *at <= until) {
            let moment = self.begun + at;
            self.world.run(moment.saturating_sub(self.world.now));
            if let Some(why) = self.world.violation.take() {
                return Err(format!("the simulator found a fault in the control plane: {why}"));
            }
            self.observe();
            match act {
                Act::Event(number) => self.event(number),
                Act::Follow(number) => self.follow(number),
                Act::Go(place) => self.terminate(place),
                Act::Join(group) => {
                    self.tell(None, format!("an instance joins in {}", group.zone));
                    self.join(&group);
                }
                Act::Sample => self.sample(at, spectator),
            }
        }
        let costs = self.samples.last().map(|sample| sample.costs).unwrap_or_default();
        let mut record = Record {
            title: self.scenario.title.clone(),
            seed: self.seed,
            until: self.scenario.until,
            lines: Vec::new(),
            lines_left_out: 0,
            samples: self.samples,
            deployments: Vec::new(),
            unsteady: Vec::new(),
            costs,
            verdicts: Vec::new(),
        };
        self.observer.close(&mut record);
        record.verdicts = self.judge.verdicts(&record);
        Ok(record)
    }

    /// Looks at all that was committed since.
    fn observe(&mut self) {
        let fresh = self.world.watch.as_mut().map(|watch| std::mem::take(&mut watch.fresh)).unwrap_or_default();
        for (moment, state) in fresh {
            let at = Span(moment.saturating_sub(self.begun));
            self.observer.look(at, self.begun_ms(), &state);
            self.judge.see(at, &state);
        }
        let leads = self.leads();
        if leads.is_some() && leads != self.leader {
            self.leader = leads;
            let at = self.at();
            let text = format!("controller {} leads", leads.unwrap_or_default());
            self.observer.tell(at, Kind::Controller, None, text);
        }
    }

    fn leads(&self) -> Option<u64> {
        let leaders = self.world.controllers.iter().filter_map(|(id, one)| Some((one.leads_now()?, *id)));
        leaders.max().map(|(_, id)| id)
    }

    fn fargate(&self, state: &State) -> Dollars {
        let now = EPOCH_MS + self.world.now;
        let clusters: std::collections::BTreeSet<_> = state
            .all_services()
            .map(|row| row.key.cluster)
            .chain(state.all_tasks().map(|row| row.key.cluster))
            .collect();
        let usage = clusters.into_iter().map(|id| drydock_state::billing::usage_of_cluster(state, id, now));
        Dollars(usage.map(|usage| usage.nano_dollars()).sum())
    }

    fn sample(&mut self, at: u64, spectator: &mut dyn FnMut(&Look<'_>)) {
        let (state, at) = (self.state(), Span(at));
        self.judge.see(at, &state);
        let services = state.all_services().map(|row| (row.name.to_string(), count(&state, row))).collect();
        let fargate = Dollars(self.fargate(&state).0.saturating_sub(self.fargate_before.0));
        let costs = Costs { fargate, ec2: self.fleet.spent(self.world.now) };
        self.samples.push(Sample { at, services, zones: zones(&state), costs });
        let now_ms = EPOCH_MS + self.world.now;
        for service in state.all_services() {
            let under_way = state.deployments(service.key).rev().find(|row| !row.is_final());
            if let Some(deployment) = under_way.map(|row| ordinal(&state, row)) {
                spectator(&Look { at, now_ms, state: &state, service, deployment });
            }
        }
    }

    fn event(&mut self, number: usize) {
        let scenario = self.scenario;
        let Some(event) = scenario.events.get(number) else { return };
        let Event { deploy, scale, lose, restore, terminate, drain, activate, .. } = event;
        let Event { reclaim_spot, interrupt_tasks, add, crash_leader, .. } = event;
        deploy.iter().for_each(|deploy| self.deploy(deploy));
        scale.iter().for_each(|scale| self.scale(scale));
        lose.iter().for_each(|which| self.each(which, "loses power", |this, place| this.power(place, false)));
        restore.iter().for_each(|which| self.each(which, "starts again", |this, place| this.power(place, true)));
        terminate.iter().for_each(|which| self.each(which, "is terminated", Self::terminate));
        drain.iter().for_each(|which| self.each(which, "is drained", |this, place| this.drain(place, true)));
        activate.iter().for_each(|which| self.each(which, "is activated", |this, place| this.drain(place, false)));
        reclaim_spot.iter().for_each(|reclaim| self.reclaim(reclaim));
        interrupt_tasks.iter().for_each(|interrupt| self.interrupt(interrupt));
        crash_leader.iter().for_each(|crash| self.crash_leader(crash));
        if let Some(group) = add {
            let count = group.count.unwrap_or(1);
            self.tell(None, format!("{count} more instances join in {}", group.zone));
            (0..count).for_each(|_| self.join(group));
        }
    }

    fn each(&mut self, which: &Which, what: &str, mut act: impl FnMut(&mut Self, usize)) {
        let found = self.fleet.which(which);
        for place in self.drawn(found, which.count) {
            let name = self.fleet.machines[place].name.clone();
            self.tell(None, format!("instance {name} {what}"));
            act(self, place);
        }
    }

    /// So many of them at most, by chance, in their order.
    fn drawn<T: Ord>(&mut self, mut from: Vec<T>, count: Option<u32>) -> Vec<T> {
        let count = count.map_or(from.len(), |count| usize::try_from(count).unwrap_or(usize::MAX));
        while from.len() > count {
            let all = u64::try_from(from.len()).unwrap_or(1);
            let at = usize::try_from(self.world.random.below(all)).unwrap_or_default();
            from.remove(at);
        }
        from
    }

    fn deploy(&mut self, deploy: &Deploy) {
        let name = Some(deploy.service.as_str());
        let definition = deploy.task_definition.as_ref().map(|file| self.register(file)).transpose();
        let definition = match definition {
            Ok(definition) => definition,
            Err(why) => return self.tell(name, why),
        };
        let what = definition.as_ref().map_or_else(|| "other settings are".to_owned(), |what| format!("{what} is"));
        self.tell(name, format!("{what} deployed to {}", deploy.service));
        let request = UpdateServiceRequest {
            cluster: Some(CLUSTER.to_owned()),
            service: Some(deploy.service.clone()),
            task_definition: definition,
            ..deploy.request.clone().unwrap_or_default()
        };
        self.ask_in_play(name, Command::UpdateService(Box::new(request)));
    }

    fn count(&mut self, service: &str, desired: u32) {
        let request = UpdateServiceRequest {
            cluster: Some(CLUSTER.to_owned()),
            service: Some(service.to_owned()),
            desired_count: i32::try_from(desired).ok(),
            ..Default::default()
        };
        self.ask_in_play(Some(service), Command::UpdateService(Box::new(request)));
    }

    fn scale(&mut self, scale: &Scale) {
        self.tell(Some(&scale.service), format!("{} is scaled to {}", scale.service, scale.desired_count));
        self.count(&scale.service, scale.desired_count);
    }

    fn follow(&mut self, number: usize) {
        let scenario = self.scenario;
        let Some(load) = scenario.load.get(number) else { return };
        let wanted = wanted(load, self.at());
        let now = self.state().all_services().find(|row| *row.name == *load.service).map(|row| row.desired_count);
        if now.is_some_and(|now| now != wanted) {
            self.tell(Some(&load.service), format!("the load asks for {wanted} tasks of {}", load.service));
            self.count(&load.service, wanted);
        }
    }

    fn power(&mut self, place: usize, on: bool) {
        let now = self.world.now;
        let machine = &mut self.fleet.machines[place];
        let agent = machine.agent;
        if on {
            machine.up(now);
            return self.world.start_agent(agent);
        }
        machine.down(now);
        let conn = self.world.agents[agent].line.as_ref().map(|line| line.conn);
        self.world.agents[agent].crash(true);
        if let Some(conn) = conn {
            self.world.hang_up(conn);
        }
    }

    fn instance(&self, place: usize) -> Option<Arc<InstanceRow>> {
        let name = self.fleet.machines[place].name.as_str();
        self.world.state()?.all_instances().find(|row| *row.info.token == *name).cloned()
    }

    fn terminate(&mut self, place: usize) {
        self.power(place, false);
        self.fleet.machines[place].gone = true;
        let Some(row) = self.instance(place) else { return };
        let request = DeregisterContainerInstanceRequest {
            cluster: Some(CLUSTER.to_owned()),
            container_instance: Some(row.key.to_string()),
            force: Some(true),
        };
        self.ask_in_play(None, Command::DeregisterContainerInstance(request));
    }

    fn drain(&mut self, place: usize, away: bool) {
        let Some(row) = self.instance(place) else { return };
        let status = if away { ContainerInstanceStatus::Draining } else { ContainerInstanceStatus::Active };
        let request = UpdateContainerInstancesStateRequest {
            cluster: Some(CLUSTER.to_owned()),
            container_instances: vec![row.key.to_string()],
            status: Some(status.into()),
        };
        self.ask_in_play(None, Command::UpdateContainerInstancesState(request));
    }

    fn reclaim(&mut self, reclaim: &Reclaim) {
        let found = self.fleet.reclaimable(reclaim);
        let at = self.at().0;
        for place in self.drawn(found, reclaim.count) {
            let machine = &mut self.fleet.machines[place];
            machine.noticed = true;
            let (name, like) = (machine.name.clone(), machine.like.clone());
            self.script.put(at + NOTICE_MS, Act::Go(place));
            if let Some(after) = reclaim.replaced_after {
                self.script.put(at + after.0, Act::Join(Box::new(like)));
            }
            self.tell(None, format!("instance {name} is reclaimed: two minutes of notice"));
            self.drain(place, true);
        }
    }

    fn interrupt(&mut self, interrupt: &Interrupt) {
        let state = self.state();
        let service = state.all_services().find(|row| *row.name == *interrupt.service).map(|row| row.key);
        let spot = |row: &&Arc<TaskRow>| row.capacity_provider.as_deref() == Some("FARGATE_SPOT");
        let tasks = service.into_iter().flat_map(|key| state.live_tasks_of(key)).filter(spot).map(|row| row.key.id);
        let tasks: Vec<u128> = tasks.collect();
        for id in self.drawn(tasks, Some(interrupt.count)) {
            let task = format!("{id:032x}");
            self.tell(Some(&interrupt.service), format!("task {task} on Fargate Spot is interrupted"));
            let command = Command::InterruptTask(InterruptTask { cluster: CLUSTER.to_owned(), task });
            self.ask_in_play(Some(&interrupt.service), command);
        }
    }

    fn crash_leader(&mut self, crash: &Crash) {
        let Some(id) = self.leads() else { return };
        self.tell(None, format!("controller {id}, which leads, crashes"));
        self.leader = None;
        self.world.crash(id, 0);
        self.world.at(crash.back_after.0, WorldEvent::Start(id));
    }
}

/// The CreateService of a scenario's service, without its task definition.
pub(crate) fn request_of(service: &Service, materials: &Materials) -> drydock_proto::ecs::CreateServiceRequest {
    let file = service.file.as_ref().and_then(|file| materials.services.get(file)).cloned();
    let mut request = service.request.clone().or(file).unwrap_or_default();
    if let Some(name) = &service.name {
        request.service_name = Some(name.clone());
    }
    if let Some(desired) = service.desired_count {
        request.desired_count = i32::try_from(desired).ok();
    }
    request
}
