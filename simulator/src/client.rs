//! Clients: each makes one call at a time, tries again with the same token until it has an answer, and remembers in which
//! order things must have happened.

use drydock_consensus::RaftId;
use drydock_leader::Fate;
use drydock_proto::ecs;
use drydock_proto::ecs::SchedulingStrategy;
use drydock_state::{Command, Outcome};

use crate::checks::{TASK_CPU, TASK_MEMORY_MIB};
use crate::controller::Call;
use crate::faults::Bug;
use crate::network::client_node;
use crate::random::Random;
use crate::world::{Event, World};

/// Longest a client waits for an answer, in milliseconds; then it asks again.
pub(crate) const PATIENCE_MS: u64 = 3_000;
/// The services of the world, with whether they are DAEMONs.
pub(crate) const SERVICES: [(&str, bool); 3] = [("web", false), ("jobs", false), ("watch", true)];
/// The revisions that clients deploy: good ones, one that is slow to pull, one that fails now and then.
const LABELS: [&[(&str, &str)]; 4] = [
    &[("drydock.sim/pull-ms", "10-400")],
    &[("drydock.sim/pull-ms", "2000-20000"), ("drydock.sim/start-ms", "10-900")],
    &[("drydock.sim/run-for-ms", "5000-60000"), ("drydock.sim/exit-code", "1")],
    &[("drydock.sim/stop-ms", "10-4000")],
];

/// A call under way.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) call: Call,
    /// `None`: a strong read.
    pub(crate) command: Option<Command>,
    /// The newest entry that anybody was told of when this was first asked: the answer must not be older.
    pub(crate) floor: u64,
    /// What tells this try from an earlier one.
    pub(crate) tries: u64,
}

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// It asks nothing new.
    pub(crate) rests: bool,
    /// Calls that it has had answered.
    pub(crate) answered: usize,
    pub(crate) asked: Option<Asked>,
    /// What came of the last call.
    pub(crate) outcome: Option<Outcome>,
}

fn definition(family: &str, labels: &[(&str, &str)]) -> Command {
    let cpu = i32::try_from(TASK_CPU).ok();
    let memory = i32::try_from(TASK_MEMORY_MIB).ok();
    let docker_labels = labels.iter().map(|(knob, value)| ((*knob).to_owned(), (*value).to_owned())).collect();
    Command::RegisterTaskDefinition(Box::new(ecs::RegisterTaskDefinitionRequest {
        family: Some(family.to_owned()),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("app".to_owned()),
            image: Some("app:1".to_owned()),
            cpu,
            memory,
            docker_labels,
            ..Default::default()
        }],
        ..Default::default()
    }))
}

fn create(name: &str, daemon: bool) -> Command {
    let strategy = if daemon { SchedulingStrategy::Daemon } else { SchedulingStrategy::Replica };
    Command::CreateService(Box::new(ecs::CreateServiceRequest {
        service_name: Some(name.to_owned()),
        task_definition: Some("app0".to_owned()),
        desired_count: (!daemon).then_some(3),
        scheduling_strategy: Some(strategy.into()),
        client_token: Some(format!("create-{name}")),
        ..Default::default()
    }))
}

/// Sets a service's count.
pub(crate) fn count(name: &str, desired: u64) -> Command {
    Command::UpdateService(Box::new(ecs::UpdateServiceRequest {
        service: Some(name.to_owned()),
        desired_count: i32::try_from(desired).ok(),
        ..Default::default()
    }))
}

/// Deploys a revision.
pub(crate) fn deploy(name: &str, which: u64) -> Command {
    Command::UpdateService(Box::new(ecs::UpdateServiceRequest {
        service: Some(name.to_owned()),
        task_definition: Some(format!("app{which}")),
        ..Default::default()
    }))
}

/// What is made first, by the first client, one after another.
pub(crate) fn setup(step: usize) -> Option<Command> {
    let mut all = vec![Command::CreateCluster(Box::default())];
    all.extend(LABELS.iter().enumerate().map(|(at, labels)| definition(&format!("app{at}"), labels)));
    all.extend(SERVICES.iter().map(|(name, daemon)| create(name, *daemon)));
    all.into_iter().nth(step)
}

/// What a client asks next; `None` is a strong read.
pub(crate) fn next(random: &mut Random, tasks: &[String], room: u64) -> Option<Command> {
    let name = if random.chance(500) { "web" } else { "jobs" };
    match random.below(10) {
        0..3 => None,
        3..6 => Some(count(name, random.below(room.max(1)))),
        6 | 7 => {
            let (which, daemon) = (random.below(4), random.chance(200));
            Some(deploy(if daemon { "watch" } else { name }, which))
        }
        8 => Some(Command::RunTask(Box::new(drydock_state::command::RunTask {
            request: ecs::RunTaskRequest {
                task_definition: Some("app2".to_owned()),
                count: Some(1),
                client_token: Some(format!("{:016x}", random.draw())),
                ..Default::default()
            },
            placements: Vec::new(),
        }))),
        _ => {
            let at = usize::try_from(random.below(u64::try_from(tasks.len()).unwrap_or(1))).unwrap_or_default();
            let task = tasks.get(at)?.clone();
            Some(Command::StopTask(ecs::StopTaskRequest { task: Some(task), ..Default::default() }))
        }
    }
}

impl World {
    /// A client asks something new, or again what wasn't answered.
    pub(crate) fn think(&mut self, at: usize) {
        if self.watch.is_some() {
            // A rehearsal's director asks, and asks again.
            return;
        }
        let pause = 100 + self.random.below(1_500);
        if self.clients[at].asked.is_none() {
            let command = if at == 0 { setup(self.clients[at].answered) } else { None };
            let command = match command {
                Some(command) => Some(command),
                // The others wait until there is something.
                None if self.clients[at].rests || self.clients[0].answered < 8 => {
                    return self.at(pause, Event::Think(at));
                }
                None => self.draw_command(),
            };
            self.ask(at, command);
        } else {
            self.ask_again(at);
        }
    }

    fn draw_command(&mut self) -> Option<Command> {
        let tasks: Vec<String> = match self.state() {
            Some(state) => {
                state.all_tasks().filter(|row| !row.is_stopped()).map(|row| format!("{:032x}", row.key.id)).collect()
            }
            None => Vec::new(),
        };
        next(&mut self.random, &tasks, self.plan.agents * 3)
    }

    /// A client asks something.
    pub(crate) fn ask(&mut self, at: usize, command: Option<Command>) {
        let floor = self.highest_told;
        self.clients[at].asked = Some(Asked { call: 0, command, floor, tries: 0 });
        self.ask_again(at);
    }

    pub(crate) fn ask_again(&mut self, at: usize) {
        let to = 1 + self.random.below(self.plan.controllers);
        // A client that is told where the leader is goes there.
        let to = self.controllers.get(&to).and_then(|one| one.leader_hint).unwrap_or(to);
        self.last_call += 1;
        let call = self.last_call;
        let Some(asked) = &mut self.clients[at].asked else { return };
        asked.call = call;
        asked.tries += 1;
        let command = asked.command.clone();
        let name = command.as_ref().map_or("a strong read", Command::name);
        self.tell(&format!("client {at} asks controller {to}: {name}"));
        let node = client_node(at);
        if !self.network.is_cut(node, to) && !self.random.chance(self.plan.broken) {
            let delay = 1 + self.random.below(self.plan.delay_most);
            self.at(delay, Event::Call(call, to, Box::new(command)));
        }
        self.at(PATIENCE_MS, Event::Late(call));
    }

    /// A call that has no answer by now is made again.
    pub(crate) fn late(&mut self, call: Call) {
        if let Some(at) = self.asker(call) {
            self.ask_again(at);
        }
    }

    fn asker(&self, call: Call) -> Option<usize> {
        self.clients.iter().position(|client| client.asked.as_ref().is_some_and(|asked| asked.call == call))
    }

    /// A call arrives at a controller.
    pub(crate) fn called(&mut self, call: Call, to: RaftId, command: Option<Command>) {
        let now = self.now;
        if command.is_none() && self.has(Bug::StaleRead) {
            if let Some(index) = self.controllers.get(&to).filter(|one| one.is_up()).map(|one| one.state().1) {
                self.send_answer(to, call, Fate::Applied { index, outcome: Outcome::Done });
            }
            return;
        }
        self.with(to, |controller| controller.call(call, command, now));
    }

    /// A controller answers.
    pub(crate) fn send_answer(&mut self, from: RaftId, call: Call, fate: Fate) {
        let Some(at) = self.asker(call) else { return };
        if !self.network.is_cut(from, client_node(at)) && !self.random.chance(self.plan.broken) {
            let delay = 1 + self.random.below(self.plan.delay_most);
            self.at(delay, Event::Answer(call, Box::new(fate)));
        }
    }

    /// An answer arrives. What is surely or perhaps not written is asked again later.
    pub(crate) fn answered(&mut self, call: Call, fate: Fate) {
        let Some(at) = self.asker(call) else { return };
        let pause = 100 + self.random.below(1_500);
        self.at(pause, Event::Think(at));
        let Fate::Applied { index, outcome } = fate else {
            // Whoever is asked next has another name for it.
            if let Some(asked) = &mut self.clients[at].asked {
                asked.call = 0;
            }
            return;
        };
        let Some(asked) = self.clients[at].asked.take() else { return };
        self.clients[at].answered += 1;
        let what = asked.command.as_ref().map_or("a strong read", Command::name);
        let how = if let Outcome::Refused(error) = &outcome { error.to_string() } else { format!("entry {index}") };
        self.tell(&format!("client {at}: {what} is answered after {} tries: {how}", asked.tries));
        self.clients[at].outcome = Some(outcome.clone());
        // A refusal may come from a state that isn't confirmed: it says nothing about the log.
        if matches!(outcome, Outcome::Refused(_) | Outcome::Rebind(_)) {
            return;
        }
        if index < asked.floor {
            let floor = asked.floor;
            self.violate(format!("{what} is answered by entry {index}, though entry {floor} was acknowledged before"));
        }
        self.highest_told = self.highest_told.max(index);
        if asked.command.is_some() {
            self.ledger.acknowledged(index);
        }
    }
}
