//! The processes of `up`: what each is told, in a file of its own, and the order in which they start and stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drydock_controller::config::AwsPort;
use drydock_proto::control::{RemoveControllerRequest, StatusRequest};
use serde_json::json;
use tokio::sync::mpsc;

use super::console::Console;
use super::layout::{ControllerPlace, DataDir, FLEET, Layout, replace, taken};
use super::ready;
use super::supervise::{NOTICES_MAX, Notice, Program, Supervised};
use crate::client::{Client, Kind};
use crate::commands::controller::Api;
use crate::failure::Failure;
use crate::output::Table;
use crate::processes::AwsFlags;

/// An agent stops its tasks when it ends: ECS's largest stopTimeout is 120 s, `up` waits for less.
const AGENT_GRACE: Duration = Duration::from_secs(45);
/// A controller hands over what it leads and closes its files.
const CONTROLLER_GRACE: Duration = Duration::from_secs(10);
/// Wait for ports that processes of an earlier run may still hold while they end.
const PORTS_MAX: Duration = Duration::from_secs(15);
/// Wait between two looks at the ports.
const PORTS_LOOK: Duration = Duration::from_millis(100);
/// After this many deaths of one child before all is ready, `up` gives up: it won't get better.
const DEATHS_MAX: u32 = 5;
/// CPU units that an instance offers at least, whatever the machine has: CPU units are shares, not limits.
const CPU_MIN: u32 = 2_048;
/// MiB that an instance offers at least. Small machines promise more than they have, so that the examples fit.
const MEMORY_MIB_MIN: u32 = 4_096;

/// CPU units and MiB that a pretended instance offers: an m5.4xlarge's.
const SIMULATED_CPU: u32 = 16 * 1_024;
const SIMULATED_MEMORY_MIB: u32 = 64 * 1_024;

/// What each instance offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// CPU units, 1,024 a vCPU.
    pub cpu: u32,
    /// MiB.
    pub memory_mib: u32,
}

impl Capacity {
    /// What was asked for, or each instance's share of the machine, at least 2 vCPU and 4 GiB.
    #[must_use]
    pub fn of(cpu: Option<u32>, memory_mib: Option<u32>, instances: u16) -> Self {
        let among = u32::from(instances.max(1));
        let cores =
            std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
        let machine_mib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_mib(&text)).unwrap_or(0);
        Self {
            cpu: cpu.unwrap_or_else(|| (cores.saturating_mul(1_024) / among).max(CPU_MIN)),
            memory_mib: memory_mib.unwrap_or_else(|| (machine_mib / among).max(MEMORY_MIB_MIN)),
        }
    }
}

impl Capacity {
    /// What was asked for, or what a middling machine has: pretended ones take nothing of this one.
    #[must_use]
    pub fn pretended(cpu: Option<u32>, memory_mib: Option<u32>) -> Self {
        Self { cpu: cpu.unwrap_or(SIMULATED_CPU), memory_mib: memory_mib.unwrap_or(SIMULATED_MEMORY_MIB) }
    }
}

/// `MemTotal:       24689764 kB` in MiB.
fn total_mib(meminfo: &str) -> Option<u32> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    u32::try_from(kib / 1_024).ok()
}

/// All processes of one `up`.
#[derive(Debug)]
pub struct Children {
    folder: PathBuf,
    layout: Layout,
    docker: bool,
    capacity: Capacity,
    /// What each pretended instance offers.
    fleet: Capacity,
    aws: AwsFlags,
    notices: mpsc::Sender<Notice>,
    controllers: Vec<Supervised>,
    agents: Vec<Supervised>,
    /// Controllers that are being replaced, from before they are removed.
    begun: BTreeSet<String>,
    ready: bool,
}

impl Children {
    /// None started yet; with where they tell what happens to them.
    #[must_use]
    pub fn new(
        data: &DataDir,
        layout: &Layout,
        docker: bool,
        (capacity, fleet): (Capacity, Capacity),
        aws: AwsFlags,
    ) -> (Self, mpsc::Receiver<Notice>) {
        let (notices, receiver) = mpsc::channel(NOTICES_MAX);
        let children = Self {
            folder: data.path().to_owned(),
            layout: layout.clone(),
            docker,
            capacity,
            fleet,
            aws,
            notices,
            controllers: Vec::new(),
            agents: Vec::new(),
            begun: BTreeSet::new(),
            ready: false,
        };
        (children, receiver)
    }

    /// What is started.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Waits until the controllers' ports are free.
    ///
    /// # Errors
    /// One is taken for 15 s.
    pub async fn wait_for_ports(&self, console: &Console) -> Result<(), Failure> {
        let deadline = Instant::now() + PORTS_MAX;
        let mut told = false;
        for (ip, port) in self.layout.ports() {
            while let Err(error) = TcpListener::bind((ip, port)) {
                if Instant::now() > deadline {
                    return Err(taken(ip, port, &error));
                }
                if !told {
                    console.line(&format!("waiting for port {port}, which something still holds"));
                    told = true;
                }
                tokio::time::sleep(PORTS_LOOK).await;
            }
        }
        Ok(())
    }

    /// Starts all controllers.
    ///
    /// # Errors
    /// A file can't be written or a process not be started.
    pub fn start_controllers(&mut self) -> Result<(), Failure> {
        for place in self.layout.controllers.clone() {
            let started = self.start_controller(&place)?;
            self.controllers.push(started);
        }
        Ok(())
    }

    fn start_controller(&self, place: &ControllerPlace) -> Result<Supervised, Failure> {
        let listen = self.layout.listen;
        let mut config = json!({
            "name": place.name,
            "data_dir": self.folder.join(&place.name),
            "api": {
                "listen": SocketAddr::new(listen, place.api_port),
                "advertise": place.api_address(listen),
            },
            "aws": self.aws.over(AwsPort { reset: true, ..AwsPort::at(SocketAddr::new(listen, place.aws_port)) }),
            "peer": { "listen": place.peer_address() },
            "region": self.layout.region,
            "account_id": self.layout.account_id,
            "settings": { "healthy_after_ms": self.layout.healthy_after_ms, "fast": self.layout.fast },
        });
        let other = self.layout.controllers.iter().find(|other| other.name != place.name);
        match other.filter(|_| place.joined) {
            Some(other) => config["join"] = json!(other.api_address(listen)),
            None => config["initial"] = self.initial(),
        }
        let program = self.program("controller", &place.name, &config, CONTROLLER_GRACE)?;
        Supervised::start(program, self.notices.clone())
    }

    /// The controllers of the first run.
    fn initial(&self) -> serde_json::Value {
        let listen = self.layout.listen;
        let member = |place: &ControllerPlace| {
            json!({
                "name": place.name,
                "id": place.id,
                "peer_address": place.peer_address(),
                "api_address": place.api_address(listen),
            })
        };
        self.layout.controllers.iter().map(member).collect()
    }

    /// Names of the controllers that ended and can't come back as they are.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        let lost = self.controllers.iter().filter(|child| child.ended_for_good());
        lost.map(|child| child.name().to_owned()).collect()
    }

    /// Names of the controllers that the others count in.
    ///
    /// # Errors
    /// None of them answers.
    pub async fn members(&self, client: &Client) -> Result<Vec<String>, Failure> {
        let ask = async |mut control: Api, request| control.status(request).await;
        let status = client.control(Kind::Read, StatusRequest {}, ask).await?;
        Ok(status.controllers.into_iter().map(|member| member.name).collect())
    }

    /// Whether somebody removed it, and no replacement that failed half-way.
    #[must_use]
    pub fn is_away(&self, name: &str, members: &[String]) -> bool {
        !members.iter().any(|member| member == name) && !self.begun.contains(name)
    }

    /// Puts a new controller in the place of one that is lost: moves its folder aside, removes it from the membership,
    /// and starts one with an empty folder that joins the others. What it did before it failed needn't be undone: the next
    /// try goes on from there. Gives where the old folder is, if there was one.
    ///
    /// # Errors
    /// The others have no majority, or a file can't be moved or written.
    pub async fn replace_controller(&mut self, name: &str, client: &Client) -> Result<Option<PathBuf>, Failure> {
        let at = self.layout.controllers.iter().position(|place| place.name == name);
        let at = at.ok_or_else(|| Failure::Other(format!("there is no controller {name}")))?;
        let ask = async |mut control: Api, request| control.status(request).await;
        let status = client.control(Kind::Read, StatusRequest {}, ask).await?;
        // It isn't where somebody removed it, or a try that failed later did.
        if let Some(member) = status.controllers.iter().find(|member| member.name == name) {
            self.begun.insert(name.to_owned());
            let request = RemoveControllerRequest { controller: member.id.to_string() };
            let remove = async |mut control: Api, request| control.remove_controller(request).await;
            client.control(Kind::Once, request, remove).await?;
        }
        let aside = self.move_aside(name)?;
        self.layout.controllers[at].joined = true;
        self.layout.write(&self.folder)?;
        let new = self.start_controller(&self.layout.controllers[at])?;
        if let Some(old) = self.controllers.iter_mut().find(|child| child.name() == name) {
            let old = std::mem::replace(old, new);
            old.ask_to_end();
            old.ended().await;
        }
        self.begun.remove(name);
        Ok(aside)
    }

    /// Moves the folder of a controller out of its way, to the first free name.
    fn move_aside(&self, name: &str) -> Result<Option<PathBuf>, Failure> {
        let folder = self.folder.join(name);
        if !folder.exists() {
            return Ok(None);
        }
        let free = (1_u32..).map(|number| self.folder.join(format!("{name}.lost-{number}"))).find(|to| !to.exists());
        let to = free.ok_or_else(|| Failure::Other(format!("no name is free beside {}", folder.display())))?;
        std::fs::rename(&folder, &to).map_err(Failure::system(format!("can't move {}", folder.display())))?;
        Ok(Some(to))
    }

    /// Starts all agents.
    ///
    /// # Errors
    /// A file can't be written or a process not be started.
    pub fn start_agents(&mut self) -> Result<(), Failure> {
        for (name, zone) in self.layout.agents() {
            let started = self.start_agent(&name, &zone)?;
            self.agents.push(started);
        }
        if self.layout.simulated_instances > 0 {
            let started = self.start_fleet()?;
            self.agents.push(started);
        }
        Ok(())
    }

    /// All pretended instances, in one process.
    fn start_fleet(&self) -> Result<Supervised, Failure> {
        let config = json!({
            "name": "simulated",
            "data_dir": self.folder.join(FLEET),
            "cluster": ready::CLUSTER,
            "controllers": self.layout.api_addresses(),
            "runtime": "simulated",
            "cpu": self.fleet.cpu,
            "memory_mib": self.fleet.memory_mib,
            "fleet": { "instances": self.layout.simulated_instances, "zones": self.layout.zones() },
        });
        let program = self.program("agent", FLEET, &config, AGENT_GRACE)?;
        Supervised::start(program, self.notices.clone())
    }

    /// Names of the agents whose instance the control plane doesn't know any more.
    #[must_use]
    pub fn refused_agents(&self) -> Vec<String> {
        let refused = self.agents.iter().filter(|child| child.ended_for_good());
        refused.map(|child| child.name().to_owned()).collect()
    }

    /// Starts an agent that was refused anew, as a new container instance; gives where its old folder is kept.
    ///
    /// # Errors
    /// A file can't be moved or written, or the process not be started.
    pub async fn renew_agent(&mut self, name: &str) -> Result<Option<PathBuf>, Failure> {
        let found = self.layout.agents().into_iter().find(|(agent, _)| agent == name);
        let aside = self.move_aside(name)?;
        let new = match found {
            Some((_, zone)) => self.start_agent(name, &zone)?,
            None => self.start_fleet()?,
        };
        if let Some(old) = self.agents.iter_mut().find(|child| child.name() == name) {
            let old = std::mem::replace(old, new);
            old.ask_to_end();
            old.ended().await;
        }
        Ok(aside)
    }

    fn start_agent(&self, name: &str, zone: &str) -> Result<Supervised, Failure> {
        let config = json!({
                "name": name,
            "data_dir": self.folder.join(name),
            "cluster": ready::CLUSTER,
            "controllers": self.layout.api_addresses(),
            "runtime": if self.docker { "docker" } else { "simulated" },
            "cpu": self.capacity.cpu,
            "memory_mib": self.capacity.memory_mib,
            "availability_zone": zone,
            "docker": { "bind_ip": self.layout.listen },
            "stop_tasks_on_exit": true,
        });
        let program = self.program("agent", name, &config, AGENT_GRACE)?;
        Supervised::start(program, self.notices.clone())
    }

    fn program(&self, kind: &str, name: &str, config: &serde_json::Value, grace: Duration) -> Result<Program, Failure> {
        let file = self.folder.join(format!("{name}.json"));
        replace(&file, &format!("{config:#}\n"))?;
        Ok(Program {
            name: name.to_owned(),
            arguments: [kind, "--config", &path_text(&file)?, "--exit-with-parent"].map(str::to_owned).into(),
            log: self.folder.join("logs").join(format!("{name}.log")),
            grace,
        })
    }

    /// `future`, or the failure of a child that dies again and again before it completes.
    ///
    /// # Errors
    /// Those of the future, or a child died five times.
    pub async fn or_dead<T>(&self, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                result = &mut future => return result,
                _ = look.tick() => {
                    let mut all = self.controllers.iter().chain(&self.agents);
                    if let Some(dead) = all.find(|child| child.deaths() >= DEATHS_MAX && !child.ended_for_good()) {
                        return Err(Failure::Other(format!("{} died {DEATHS_MAX} times", dead.name())));
                    }
                }
            }
        }
    }

    /// From here on a failure is no failure to start.
    pub fn all_are_ready(&mut self) {
        self.ready = true;
    }

    /// The last lines of the logs of those that died; of all, where they never were ready and none died.
    #[must_use]
    pub fn last_words(&self) -> Vec<String> {
        let all = || self.controllers.iter().chain(&self.agents);
        let died: Vec<String> = all().filter(|child| child.deaths() > 0).map(Supervised::last_words).collect();
        if died.is_empty() && !self.ready { all().map(Supervised::last_words).collect() } else { died }
    }

    /// What runs, and where.
    #[must_use]
    pub fn overview(&self, leader: &str) -> String {
        let mut table = Table::new(&["CONTROLLER", "API", "AWS ENDPOINT", "ROLE"]);
        for place in &self.layout.controllers {
            let role = if place.name == leader { "LEADER" } else { "FOLLOWER" };
            let (api, aws) = (place.api_address(self.layout.listen), place.aws_url(self.layout.listen));
            table.row([place.name.clone(), api, aws, role.to_owned()]);
        }
        let mut agents = Table::new(&["AGENT", "ZONE", "RUNTIME", "CPU", "MEMORY"]);
        let runtime = if self.docker { "docker" } else { "simulated" };
        for (name, zone) in self.layout.agents() {
            let memory = format!("{} MiB", self.capacity.memory_mib);
            agents.row([name, zone, runtime.to_owned(), self.capacity.cpu.to_string(), memory]);
        }
        if self.layout.simulated_instances > 0 {
            let (name, zones) = (format!("{} (simulated-…)", self.layout.simulated_instances), self.layout.zones());
            let memory = format!("{} MiB", self.fleet.memory_mib);
            agents.row([name, zones.join(", "), "simulated".to_owned(), self.fleet.cpu.to_string(), memory]);
        }
        let agents = if agents.is_empty() { String::new() } else { format!("\n{}", agents.render(false)) };
        format!("{}{agents}\ndata and logs: {}\n", table.render(false), self.folder.display())
    }

    /// Stops the agents, which stop their tasks, and then the controllers.
    pub async fn stop(&mut self) {
        for group in [&mut self.agents, &mut self.controllers] {
            group.iter().for_each(Supervised::ask_to_end);
            for child in group.drain(..) {
                child.ended().await;
            }
        }
    }
}

fn path_text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::Usage(format!("{} isn't UTF-8: give another --data-dir", path.display())))
}

#[cfg(test)]
mod tests {
    use super::{Capacity, total_mib};

    #[test]
    fn instances_offer_enough_for_the_examples() {
        assert_eq!(total_mib("MemFree: 1 kB\nMemTotal:       24689764 kB\n"), Some(24_111));
        let least = Capacity::of(None, None, 64);
        assert_eq!((least.cpu, least.memory_mib), (2_048, 4_096));
        assert_eq!(Capacity::of(Some(256), Some(512), 3), Capacity { cpu: 256, memory_mib: 512 });
    }
}
