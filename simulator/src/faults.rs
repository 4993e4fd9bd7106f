//! How large a world is, and how bad.

use std::collections::BTreeSet;

use crate::network::{Node, agent_node, client_node};
use crate::random::Random;
use crate::world::{Event, World};

/// A world to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Controllers: all voters.
    pub controllers: u64,
    /// Machines with an agent.
    pub agents: u64,
    /// Chance per mille that a message between controllers is lost.
    pub loss: u64,
    /// Chance per mille that such a message comes twice.
    pub doubled: u64,
    /// Chance per mille that a message breaks the stream, or the call, that it is part of.
    pub broken: u64,
    /// Longest way of a message, in milliseconds.
    pub delay_most: u64,
    /// Longest sync of a disk, in milliseconds.
    pub sync_most: u64,
    /// Something bad happens so often on the average, in milliseconds; 0: never.
    pub bad_every: u64,
    /// Kinds of such faults that don't happen, a bit each: [`Plan::sparing`].
    pub spared: u8,
    /// A bug that is planted, to see that the checkers find it.
    pub bug: Option<Bug>,
}

/// Kinds of faults that are injected, messages apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A controller crashes, or all lose power.
    Crash,
    /// A controller stands still for a while.
    Pause,
    /// A sync fails.
    Sync,
    /// A clock goes ahead.
    Skew,
    /// The network is cut, one way or both.
    Cut,
    /// An agent, or its machine, fails.
    Agent,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Crash, Self::Pause, Self::Sync, Self::Skew, Self::Cut, Self::Agent];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crashes of controllers",
            Self::Pause => "pauses",
            Self::Sync => "failing syncs",
            Self::Skew => "clocks ahead",
            Self::Cut => "cut networks",
            Self::Agent => "failing agents",
        }
    }
}

/// Bugs of the pretended world around the cores, or of what carries out their wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// What may follow a sync is done before it.
    AcknowledgeBeforeSync,
    /// One replica leaves an entry out now and then.
    EntrySkipped,
    /// A snapshot holds the state before its last entry.
    StaleSnapshot,
    /// The leader acknowledges some reports of agents that it doesn't commit.
    ReportsLost,
    /// Strong reads are answered from the local state, without asking a quorum.
    StaleRead,
}

impl Plan {
    /// Everything works.
    #[must_use]
    pub const fn calm() -> Self {
        Self {
            controllers: 3,
            agents: 6,
            loss: 0,
            doubled: 0,
            broken: 0,
            delay_most: 5,
            sync_most: 2,
            bad_every: 0,
            spared: 0,
            bug: None,
        }
    }

    /// Whatever the seed says.
    #[must_use]
    pub fn of(random: &mut Random) -> Self {
        Self {
            controllers: if random.chance(250) { 5 } else { 3 },
            agents: 3 + random.below(8),
            loss: random.below(80),
            doubled: random.below(80),
            broken: random.below(8),
            delay_most: 1 + random.below(60),
            sync_most: 1 + random.below(30),
            bad_every: 1_000 + random.below(20_000),
            spared: 0,
            bug: None,
        }
    }

    /// The same without a kind of faults.
    #[must_use]
    pub const fn sparing(self, kind: Fault) -> Self {
        Self { spared: self.spared | 1 << kind as u8, ..self }
    }

    /// Whether a kind of faults doesn't happen.
    #[must_use]
    pub const fn spares(&self, kind: Fault) -> bool {
        self.spared & 1 << kind as u8 != 0
    }

    /// The same without anything bad.
    #[must_use]
    pub const fn healed(self) -> Self {
        Self { loss: 0, doubled: 0, broken: 0, delay_most: 5, sync_most: 2, bad_every: 0, ..self }
    }
}

impl World {
    /// Something bad happens.
    pub(crate) fn bad(&mut self) {
        if self.plan.bad_every == 0 {
            return;
        }
        let pause = 1 + self.random.below(2 * self.plan.bad_every);
        self.at(pause, Event::Bad);
        let kind = match self.random.below(10) {
            0 | 1 => Fault::Crash,
            2 => Fault::Pause,
            3 => Fault::Sync,
            4 => Fault::Skew,
            5 | 6 => Fault::Cut,
            7 => {
                self.faults += 1;
                self.tell("the network is whole");
                return self.network.heal();
            }
            _ => Fault::Agent,
        };
        if self.plan.spares(kind) {
            return;
        }
        self.faults += 1;
        match kind {
            Fault::Crash => self.bad_controller(),
            Fault::Pause => {
                let id = 1 + self.random.below(self.plan.controllers);
                let time = 100 + self.random.below(8_000);
                self.tell(&format!("controller {id} stands still for {time} ms"));
                if let Some(controller) = self.controllers.get_mut(&id) {
                    controller.paused_until = self.now + time;
                }
            }
            Fault::Sync => {
                let id = 1 + self.random.below(self.plan.controllers);
                self.tell(&format!("the next sync of controller {id} fails"));
                if let Some(controller) = self.controllers.get(&id).filter(|controller| controller.is_up()) {
                    controller.fail_next_sync();
                }
            }
            Fault::Skew => {
                let (id, skew) = (1 + self.random.below(self.plan.controllers), self.random.below(60_000));
                self.tell(&format!("the clock of controller {id} is {skew} ms ahead"));
                if let Some(controller) = self.controllers.get_mut(&id) {
                    controller.skew_ms = skew;
                }
            }
            Fault::Cut => self.bad_network(),
            Fault::Agent => self.bad_agent(),
        }
    }

    fn bad_controller(&mut self) {
        let leader = self.controllers.iter().find(|(_, one)| one.leads_now().is_some()).map(|(id, _)| *id);
        let any = 1 + self.random.below(self.plan.controllers);
        let id = leader.filter(|_| self.random.chance(500)).unwrap_or(any);
        if self.random.chance(100) {
            self.tell("all controllers lose power");
            for id in 1..=self.plan.controllers {
                self.fail(id);
            }
            return;
        }
        self.tell(&format!("controller {id} crashes"));
        self.fail(id);
    }

    fn fail(&mut self, id: u64) {
        let survive = usize::try_from(self.random.below(3)).unwrap_or(0);
        self.crash(id, survive);
        let delay = 100 + self.random.below(15_000);
        self.at(delay, Event::Start(id));
    }

    fn bad_network(&mut self) {
        let agents = (0..self.agents.len()).map(agent_node);
        let clients = (0..self.clients.len()).map(client_node);
        let all: Vec<Node> = (1..=self.plan.controllers).chain(agents).chain(clients).collect();
        let share = 100 + self.random.below(500);
        let side: BTreeSet<Node> = all.iter().copied().filter(|_| self.random.chance(share)).collect();
        let one_way = self.random.chance(300);
        let how = if one_way { "aren't heard by the others" } else { "are cut off" };
        self.tell(&format!("machines {side:?} {how}"));
        self.network.heal();
        self.network.cut(&all, &side, one_way);
    }

    fn bad_agent(&mut self) {
        let at = usize::try_from(self.random.below(self.plan.agents)).unwrap_or(0);
        let whole = self.random.chance(300);
        let what = if whole { "the machine of agent" } else { "agent" };
        self.tell(&format!("{what} {} fails", self.agents[at].name));
        let conn = self.agents[at].line.as_ref().map(|line| line.conn);
        self.agents[at].crash(whole);
        if let Some(conn) = conn {
            self.hang_up(conn);
        }
        // Some are away for so long that their tasks count as lost.
        let most = if self.random.chance(250) { 400_000 } else { 60_000 };
        let delay = 100 + self.random.below(most);
        self.at(delay, Event::AgentStart(at));
    }

    /// All faults end: what is down starts, what is cut is whole.
    pub(crate) fn heal(&mut self) {
        self.tell("all faults end");
        self.plan = self.plan.healed();
        self.network.heal();
        for id in 1..=self.plan.controllers {
            if let Some(controller) = self.controllers.get_mut(&id) {
                controller.paused_until = 0;
            }
            self.start(id);
        }
        for at in 0..self.agents.len() {
            self.start_agent(at);
        }
    }
}
