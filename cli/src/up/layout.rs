//! The data folder of `drydock up`: what runs in it (names, ids, ports, zones), kept between runs, and the lock that
//! lets one supervisor at a time use it. Touches the folder's files and asks the operating system for free ports.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use drydock_node_agent::config::FLEET_MAX;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The first controller's API; each further controller's is [`PORTS_A_CONTROLLER`] higher.
pub const API_PORT_DEFAULT: u16 = 7700;
/// The first controller's port for AWS's clients, where they look for a local endpoint.
pub const AWS_PORT_DEFAULT: u16 = 4566;
/// Distance of a controller's AWS port from its API's, where the latter was chosen.
const AWS_AFTER_API: u16 = 2;
/// Distance of two controllers' ports. The peers' port is the API's plus one.
pub const PORTS_A_CONTROLLER: u16 = 10;
/// Controllers of one machine. More voters make every write slower and nothing safer.
pub const CONTROLLERS_MAX: u16 = 7;
/// Agents of one machine.
pub const INSTANCES_MAX: u16 = 64;
/// Name of the process that pretends instances, and of its folder.
pub const FLEET: &str = "fleet";
/// The layout's file in the folder.
const LAYOUT_FILE: &str = "up.json";
/// The version of `up.json` that this program writes and reads.
const VERSION: u32 = 1;

/// What `up` runs. Kept as `up.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Of this file's form.
    pub version: u32,
    /// Region of all ARNs and zones.
    pub region: String,
    /// Account of all ARNs.
    #[serde(default = "account_default")]
    pub account_id: String,
    /// Milliseconds after which a RUNNING task without health check counts as healthy; as it was at the first run.
    pub healthy_after_ms: Option<u64>,
    /// Whether ECS's long waits are shortened; as it was at the first run.
    #[serde(default)]
    pub fast: bool,
    /// The address that APIs listen on.
    pub listen: IpAddr,
    /// Their names and ports never change after the first run.
    pub controllers: Vec<ControllerPlace>,
    /// How many agents were wanted last.
    pub instances: u16,
    /// How many container instances were to be pretended last.
    #[serde(default)]
    pub simulated_instances: u32,
}

/// One controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerPlace {
    /// `controller-1` and so on: also its folder.
    pub name: String,
    /// Its raft id.
    pub id: u64,
    /// Port of its API.
    pub api_port: u16,
    /// Port for AWS's clients; 0 only in the files of earlier versions.
    #[serde(default)]
    pub aws_port: u16,
    /// Port for its peers, on loopback.
    pub peer_port: u16,
    /// Whether it came in place of one that was lost: it joined the others, under an id that it drew itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
}

impl ControllerPlace {
    /// Where this machine's clients reach its API.
    #[must_use]
    pub fn api_address(&self, listen: IpAddr) -> String {
        reached_at(listen, self.api_port)
    }

    /// Where this machine's AWS clients reach it.
    #[must_use]
    pub fn aws_url(&self, listen: IpAddr) -> String {
        format!("http://{}", reached_at(listen, self.aws_port))
    }

    /// Where its peers reach it.
    #[must_use]
    pub fn peer_address(&self) -> String {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.peer_port).to_string()
    }
}

fn reached_at(listen: IpAddr, port: u16) -> String {
    let ip = if listen.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen };
    SocketAddr::new(ip, port).to_string()
}

impl Layout {
    /// API addresses of all controllers.
    #[must_use]
    pub fn api_addresses(&self) -> Vec<String> {
        self.controllers.iter().map(|place| place.api_address(self.listen)).collect()
    }

    /// Writes it down in the folder.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::Other(error.to_string()))?;
        replace(&folder.join(LAYOUT_FILE), &text)
    }

    /// Every address that controllers listen on.
    #[must_use]
    pub fn ports(&self) -> Vec<(IpAddr, u16)> {
        let both = |place: &ControllerPlace| {
            let peers = (IpAddr::V4(Ipv4Addr::LOCALHOST), place.peer_port);
            [(self.listen, place.api_port), (self.listen, place.aws_port), peers]
        };
        self.controllers.iter().flat_map(both).collect()
    }

    /// `agent-1` and so on: name and zone of each agent; the zones a, b and c in turn.
    #[must_use]
    pub fn agents(&self) -> Vec<(String, String)> {
        (1..=self.instances)
            .zip(self.zones().into_iter().cycle())
            .map(|(n, zone)| (format!("agent-{n}"), zone))
            .collect()
    }

    /// The zones of the region.
    #[must_use]
    pub fn zones(&self) -> [String; 3] {
        ['a', 'b', 'c'].map(|zone| format!("{}{zone}", self.region))
    }
}

/// What the command line asks for; `None`: as before, or the default.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Controllers: 1 to 7.
    pub controllers: Option<u16>,
    /// Agents: 0 to 64.
    pub instances: Option<u16>,
    /// Pretended container instances.
    pub simulated_instances: Option<u32>,
    /// The first API port; 0 takes free ones.
    pub api_port: Option<u16>,
    /// The first port for AWS's clients; 0 takes free ones.
    pub aws_port: Option<u16>,
    /// The address that APIs listen on.
    pub listen: Option<IpAddr>,
    /// Region.
    pub region: Option<String>,
    /// Account: twelve digits.
    pub account_id: Option<String>,
    /// See [`Layout::fast`].
    pub fast: bool,
    /// Milliseconds; see [`Layout::healthy_after_ms`].
    pub healthy_after_ms: Option<u64>,
}

/// The folder, held by this process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

/// `$XDG_DATA_HOME/drydock/up`, else `~/.local/share/drydock/up`.
///
/// # Errors
/// Neither variable is set.
pub fn default_path() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let data =
        data.ok_or_else(|| Failure::Usage("HOME isn't set: say where to keep data with --data-dir".to_owned()))?;
    Ok(data.join("drydock").join("up"))
}

impl DataDir {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// It can't be written, or another `drydock up` holds it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let doing = || Failure::system(format!("can't use {}", path.display()));
        std::fs::create_dir_all(path.join("logs")).map_err(doing())?;
        // Children get paths, and start elsewhere.
        let path = path.canonicalize().map_err(doing())?;
        let name = path.join("up.lock");
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&name);
        let mut lock = options.map_err(Failure::system(format!("can't use {}", name.display())))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another `drydock up`".to_owned() } else { holder };
                let advice = "use that one, stop it, or give another --data-dir (and --api-port)";
                Err(Failure::Other(format!("{} is in use by {}\n{advice}", path.display(), holder.trim())))
            }
            Err(TryLockError::Error(source)) => Err(doing()(source)),
        }
    }

    /// Its path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes into the lock who holds it, for whoever finds it held.
    pub fn sign(&mut self, layout: &Layout) {
        let text = format!("`drydock up` (process {}) at {}\n", std::process::id(), layout.api_addresses().join(", "));
        // The text is a courtesy: the lock holds without it.
        let _ =
            self.lock.set_len(0).and_then(|()| self.lock.rewind()).and_then(|()| self.lock.write_all(text.as_bytes()));
    }

    /// The layout of earlier runs with the wishes of this one, or a new one. Written down before it is used.
    ///
    /// # Errors
    /// A wish that contradicts what the folder holds, out of bounds, or no port; or the file can't be read or written.
    pub fn layout(&self, wishes: &Wishes) -> Result<(Layout, Vec<String>), Failure> {
        let file = self.path.join(LAYOUT_FILE);
        let mut notes = Vec::new();
        let layout = match std::fs::read(&file) {
            Ok(bytes) => self.changed(self.read(&file, &bytes)?, wishes, &mut notes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let layout = fresh(wishes)?;
                // Before the ports are written down: another run could never choose others.
                for (ip, port) in layout.ports() {
                    TcpListener::bind((ip, port)).map_err(|error| taken(ip, port, &error))?;
                }
                layout
            }
            Err(error) => return Err(Failure::system(format!("can't read {}", file.display()))(error)),
        };
        layout.write(&self.path)?;
        Ok((layout, notes))
    }

    fn read(&self, file: &Path, bytes: &[u8]) -> Result<Layout, Failure> {
        let wrong = |why: String| Failure::Other(format!("{}: {why}; remove the folder to start anew", file.display()));
        let layout: Layout = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        match layout.version {
            VERSION => Ok(layout),
            other => Err(wrong(format!("made by another version of drydock (form {other}, this one reads {VERSION})"))),
        }
    }

    fn changed(&self, mut layout: Layout, wishes: &Wishes, notes: &mut Vec<String>) -> Result<Layout, Failure> {
        let fixed = |what: &str, kept: String| {
            let folder = self.path.display();
            Failure::Usage(format!(
                "{folder} was made with {what} {kept}; leave the option out, or give another --data-dir"
            ))
        };
        let controllers = layout.controllers.len();
        if wishes.controllers.is_some_and(|wanted| usize::from(wanted) != controllers) {
            return Err(fixed("--controllers", controllers.to_string()));
        }
        let first = layout.controllers.first().map_or(0, |place| place.api_port);
        if wishes.api_port.is_some_and(|wanted| wanted != first && wanted != 0) {
            return Err(fixed("--api-port", first.to_string()));
        }
        let first = layout.controllers.first().map_or(0, |place| place.aws_port);
        // Nothing remembers this port: it may change.
        if first == 0 || wishes.aws_port.is_some_and(|wanted| wanted != first) {
            let ports = aws_ports(wishes, layout.controllers.len(), &mut Vec::new())?;
            layout.controllers.iter_mut().zip(ports).for_each(|(place, port)| place.aws_port = port);
        }
        if wishes.listen.is_some_and(|wanted| wanted != layout.listen) {
            return Err(fixed("--listen", layout.listen.to_string()));
        }
        if wishes.region.as_ref().is_some_and(|wanted| *wanted != layout.region) {
            return Err(fixed("--region", layout.region));
        }
        if wishes.account_id.as_ref().is_some_and(|wanted| *wanted != layout.account_id) {
            return Err(fixed("--account-id", layout.account_id));
        }
        if wishes.fast && !layout.fast {
            notes.push("note: --fast counts at the first run of a data folder only".to_owned());
        }
        if wishes.healthy_after_ms.is_some() && wishes.healthy_after_ms != layout.healthy_after_ms {
            notes.push("note: --healthy-after counts at the first run of a data folder only".to_owned());
        }
        if let Some(wanted) = wishes.instances {
            check_instances(wanted)?;
            if wanted < layout.instances {
                let left = layout.instances - wanted;
                notes.push(format!("note: {left} container instances of earlier runs stay registered, but don't run"));
            }
            layout.instances = wanted;
        }
        if let Some(wanted) = wishes.simulated_instances {
            check_simulated(wanted)?;
            if wanted < layout.simulated_instances {
                let left = layout.simulated_instances - wanted;
                notes.push(format!("note: {left} simulated instances of earlier runs stay registered, but don't run"));
            }
            layout.simulated_instances = wanted;
        }
        Ok(layout)
    }
}

fn account_default() -> String {
    "000000000000".to_owned()
}

/// What to say of a port that can't be listened on.
#[must_use]
pub fn taken(ip: IpAddr, port: u16, error: &std::io::Error) -> Failure {
    let address = SocketAddr::new(ip, port);
    Failure::Other(format!(
        "{address} can't be listened on: {error}\nsee who has it with `ss -ltnp`, or start with another --data-dir and \
         --api-port 0, which picks free ports (--aws-port 0 where it is the port for AWS's clients)"
    ))
}

fn check_instances(wanted: u16) -> Result<(), Failure> {
    if wanted > INSTANCES_MAX {
        return Err(Failure::Usage(format!("--instances is 0 to {INSTANCES_MAX}")));
    }
    Ok(())
}

fn check_simulated(wanted: u32) -> Result<(), Failure> {
    if wanted > FLEET_MAX {
        return Err(Failure::Usage(format!("--simulated-instances is 0 to {FLEET_MAX}")));
    }
    Ok(())
}

fn fresh(wishes: &Wishes) -> Result<Layout, Failure> {
    let count = wishes.controllers.unwrap_or(3);
    if count == 0 || count > CONTROLLERS_MAX {
        return Err(Failure::Usage(format!("--controllers is 1 to {CONTROLLERS_MAX}")));
    }
    let simulated_instances = wishes.simulated_instances.unwrap_or(0);
    check_simulated(simulated_instances)?;
    // Who asks for a pretended fleet wants its tasks there.
    let instances = wishes.instances.unwrap_or(if simulated_instances == 0 { 3 } else { 0 });
    check_instances(instances)?;
    let listen = wishes.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let first = wishes.api_port.unwrap_or(API_PORT_DEFAULT);
    let mut controllers = Vec::new();
    // Free ports are held until all are found, so that none is found twice.
    let mut held = Vec::new();
    let aws = aws_ports(wishes, usize::from(count), &mut held)?;
    for (number, aws_port) in (1..=count).zip(aws) {
        let (api_port, peer_port) = if first == 0 {
            (free_port(&mut held)?, free_port(&mut held)?)
        } else {
            let port = (number - 1).checked_mul(PORTS_A_CONTROLLER).and_then(|offset| first.checked_add(offset));
            let api = port.filter(|port| *port < u16::MAX);
            let api = api.ok_or_else(|| Failure::Usage("--api-port leaves no room for all controllers".to_owned()))?;
            (api, api + 1)
        };
        controllers.push(ControllerPlace {
            name: format!("controller-{number}"),
            id: random_id()?,
            api_port,
            aws_port,
            peer_port,
            joined: false,
        });
    }
    let region = wishes.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let account_id = wishes.account_id.clone().unwrap_or_else(account_default);
    if account_id.len() != 12 || !account_id.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Failure::Usage(format!("--account-id is twelve digits, not {account_id:?}")));
    }
    let (version, fast, healthy_after_ms) = (VERSION, wishes.fast, wishes.healthy_after_ms);
    Ok(Layout {
        version,
        region,
        account_id,
        healthy_after_ms,
        fast,
        listen,
        controllers,
        instances,
        simulated_instances,
    })
}

/// Ports for AWS's clients: where they look by themselves, unless the ports are to be others; free ones where the APIs have
/// free ones, too.
fn aws_ports(wishes: &Wishes, count: usize, held: &mut Vec<TcpListener>) -> Result<Vec<u16>, Failure> {
    let room = || Failure::Usage("--aws-port leaves no room for all controllers".to_owned());
    let first = match (wishes.aws_port, wishes.api_port) {
        (Some(port), _) => port,
        (None, None | Some(API_PORT_DEFAULT)) => AWS_PORT_DEFAULT,
        (None, Some(0)) => 0,
        (None, Some(api)) => api.checked_add(AWS_AFTER_API).ok_or_else(room)?,
    };
    let mut ports = Vec::new();
    let mut next = Some(first);
    for _ in 0..count {
        let port = next.ok_or_else(room)?;
        ports.push(if first == 0 { free_port(held)? } else { port });
        next = port.checked_add(PORTS_A_CONTROLLER);
    }
    Ok(ports)
}

fn free_port(held: &mut Vec<TcpListener>) -> Result<u16, Failure> {
    let doing = || Failure::system("can't find a free port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(doing())?;
    let port = listener.local_addr().map_err(doing())?.port();
    held.push(listener);
    Ok(port)
}

fn random_id() -> Result<u64, Failure> {
    let random = || getrandom::u64().map_err(|error| Failure::Other(format!("no randomness for an id: {error}")));
    random().map(|id| id.max(1))
}

/// Writes a file so that a crash leaves the old one or the new one.
///
/// # Errors
/// The folder can't be written.
pub fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let doing = || Failure::system(format!("can't write {}", file.display()));
    let beside = file.with_extension("new");
    let mut new = File::create(&beside).map_err(doing())?;
    new.write_all(text.as_bytes()).and_then(|()| new.sync_all()).map_err(doing())?;
    std::fs::rename(&beside, file).map_err(doing())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_first_run_decides_and_later_ones_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let wishes = Wishes { instances: Some(4), api_port: Some(0), ..Wishes::default() };
        let (first, _) = data.layout(&wishes).unwrap();
        let zones: Vec<_> = first.agents().into_iter().map(|(_, zone)| zone).collect();
        assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1a"]);
        assert_eq!(data.layout(&Wishes::default()).unwrap().0, first);

        // AWS's clients may be sent elsewhere, also by a file that is older than their port.
        let (moved, _) = data.layout(&Wishes { aws_port: Some(5_555), ..Wishes::default() }).unwrap();
        assert_eq!(moved.controllers.iter().map(|place| place.aws_port).collect::<Vec<_>>(), [5_555, 5_565, 5_575]);
        // Where something else has it, free ones are had for the asking.
        let (free, _) = data.layout(&Wishes { aws_port: Some(0), ..Wishes::default() }).unwrap();
        assert!(free.controllers.iter().all(|place| ![0, 5_555, 5_565, 5_575].contains(&place.aws_port)), "{free:?}");
        let mut old = moved.clone();
        old.controllers.iter_mut().for_each(|place| place.aws_port = 0);
        old.write(folder.path()).unwrap();
        assert_eq!(data.layout(&Wishes::default()).unwrap().0.controllers[0].aws_port, AWS_PORT_DEFAULT);
        assert_eq!(data.layout(&Wishes { aws_port: Some(5_555), ..Wishes::default() }).unwrap().0, moved);

        let (fewer, notes) = data.layout(&Wishes { instances: Some(1), ..Wishes::default() }).unwrap();
        assert_eq!((fewer.instances, notes.len()), (1, 1));
        let contradictions = [
            Wishes { controllers: Some(5), ..Wishes::default() },
            Wishes { api_port: Some(8_000), ..Wishes::default() },
            Wishes { region: Some("eu-west-1".into()), ..Wishes::default() },
            Wishes { instances: Some(65), ..Wishes::default() },
        ];
        for wishes in contradictions {
            assert_eq!(data.layout(&wishes).unwrap_err().exit_code(), 2, "{wishes:?}");
        }
    }

    #[test]
    fn a_pretended_fleet_stands_alone_unless_others_are_asked_for() {
        let table = [
            (None, None, Some((3, 0))),
            (None, Some(5_000), Some((0, 5_000))),
            (Some(2), Some(5_000), Some((2, 5_000))),
            (None, Some(0), Some((3, 0))),
            (None, Some(20_001), None),
        ];
        for (instances, simulated_instances, expected) in table {
            let folder = tempfile::tempdir().unwrap();
            let data = DataDir::open(folder.path()).unwrap();
            let wishes = Wishes { instances, simulated_instances, api_port: Some(0), ..Wishes::default() };
            let found = data.layout(&wishes).map(|(layout, _)| (layout.instances, layout.simulated_instances));
            assert_eq!(found.ok(), expected, "{instances:?} {simulated_instances:?}");
            if expected == Some((0, 5_000)) {
                assert_eq!(data.layout(&Wishes::default()).unwrap().0.simulated_instances, 5_000, "as it was");
                let fewer = Wishes { simulated_instances: Some(4_000), ..Wishes::default() };
                let (fewer, notes) = data.layout(&fewer).unwrap();
                assert_eq!((fewer.simulated_instances, notes.len()), (4_000, 1));
            }
        }
    }

    #[test]
    fn free_ports_differ() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let (layout, _) = data.layout(&Wishes { api_port: Some(0), ..Wishes::default() }).unwrap();
        let mut ports: Vec<u16> =
            layout.controllers.iter().flat_map(|c| [c.api_port, c.aws_port, c.peer_port]).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 9);
    }

    #[test]
    fn one_supervisor_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = DataDir::open(folder.path()).unwrap();
        let layout = fresh(&Wishes::default()).unwrap();
        data.sign(&layout);
        let refused = DataDir::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.contains("127.0.0.1:7700"), "{refused}");
        drop(data);
        DataDir::open(folder.path()).unwrap();
    }

    #[test]
    fn ports_follow_each_other() {
        let ports = |wishes| fresh(&wishes).unwrap().ports().into_iter().map(|(_, port)| port).collect::<Vec<_>>();
        assert_eq!(ports(Wishes::default()), [7700, 4566, 7701, 7710, 4576, 7711, 7720, 4586, 7721]);
        let other = Wishes { api_port: Some(9_000), controllers: Some(1), ..Wishes::default() };
        assert_eq!(ports(other), [9_000, 9_002, 9_001]);
        let aws = Wishes { aws_port: Some(5_000), controllers: Some(1), ..Wishes::default() };
        assert_eq!(ports(aws), [7700, 5_000, 7701]);
    }

    #[test]
    fn bounds_are_named() {
        for wishes in [
            Wishes { controllers: Some(0), ..Wishes::default() },
            Wishes { controllers: Some(8), ..Wishes::default() },
            Wishes { api_port: Some(65_530), ..Wishes::default() },
        ] {
            assert_eq!(fresh(&wishes).unwrap_err().exit_code(), 2, "{wishes:?}");
        }
    }
}
