//! What a controller is told at its start. Read from a file or flags by whoever starts it; nothing here decides
//! anything that replicas must agree on, but for what is put into the replicated state once, at the bootstrap.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aws::keys::Keys;
pub use crate::aws::keys::KeysError;
use crate::limits::{MEMBERS_INITIAL_MAX, NAME_BYTES_MAX};

/// Everything that a controller is told at its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name for people; unique among the controllers. At most 255 bytes.
    pub name: String,
    /// Folder of its own: log, snapshots, identity.
    pub data_dir: PathBuf,
    /// Where clients, agents and the `drydock` command reach it.
    #[serde(default = "Endpoint::api")]
    pub api: Endpoint,
    /// Where AWS's clients reach it; absent: nowhere. Plain HTTP, where any credentials are taken unless it says otherwise.
    #[serde(default)]
    pub aws: Option<AwsPort>,
    /// Where its peers reach it. Plain HTTP/2 without authentication: keep it on loopback or a private network.
    #[serde(default = "Endpoint::peer")]
    pub peer: Endpoint,
    /// The controllers of a new cluster, this one among them: the same list on each. Used at the first start only, which
    /// is refused without it and without `join`.
    #[serde(default)]
    pub initial: Vec<InitialController>,
    /// API address (`host:port`) of any controller of a cluster to join. Used at the first start only.
    #[serde(default)]
    pub join: Option<String>,
    /// Region that ARNs carry. Replicated: must be the same on every controller.
    #[serde(default = "default_region")]
    pub region: String,
    /// Account that ARNs carry: twelve digits. Replicated: must be the same on every controller.
    #[serde(default = "default_account")]
    pub account_id: String,
    /// Where the raft log rests.
    #[serde(default)]
    pub log_store: LogStoreKind,
    /// Settings that change decisions: put into the replicated state when the cluster is new, ignored afterwards.
    #[serde(default)]
    pub settings: BootstrapSettings,
}

/// One listening address and how others reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `host:port` that others dial; absent: the address that was bound.
    #[serde(default)]
    pub advertise: Option<String>,
}

/// Where AWS's clients are listened to. Nobody is told of it, so that it needs no other address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsPort {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether `POST /_drydock/reset` removes everything, for whoever asks: for test suites.
    #[serde(default)]
    pub reset: bool,
    /// A file in the form of AWS's shared credentials file: every request must be signed with one of its keys. Absent: any
    /// credentials are taken.
    #[serde(default)]
    pub require_signature: Option<PathBuf>,
    /// Whether AWS's token buckets are on: per region and group of operations, of this controller alone.
    #[serde(default)]
    pub throttling: bool,
}

impl AwsPort {
    /// An address, and nothing else asked for.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, reset: false, require_signature: None, throttling: false }
    }
}

/// One controller of a new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialController {
    /// Its name.
    pub name: String,
    /// Raft id, random and never 0; absent: derived from the whole list, so that all controllers derive the same.
    #[serde(default)]
    pub id: Option<u64>,
    /// `host:port` where its peers reach it.
    pub peer_address: String,
    /// `host:port` of its API.
    pub api_address: String,
}

/// The two stores that the log can rest in (design §6, "Where bytes rest").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogStoreKind {
    /// TiKV's raft-engine: one fdatasync a batch.
    #[default]
    RaftEngine,
    /// sled, flushed and then really synced; slower.
    Sled,
}

/// Replicated settings of a new cluster; what is absent has the state's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapSettings {
    /// Milliseconds in RUNNING after which a task without health check counts as healthy (ecs-semantics §2.3: 40 s).
    #[serde(default)]
    pub healthy_after_ms: Option<u64>,
    /// ECS's long waits are shortened ([`drydock_state::row::FAST_DIVISOR`]).
    #[serde(default)]
    pub fast: bool,
    /// Milliseconds without a session after which an instance's tasks are given up (2 min).
    #[serde(default)]
    pub instance_lost_after_ms: Option<u64>,
}

/// The configuration contradicts itself or is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);

impl Endpoint {
    /// On loopback.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), advertise: None }
    }

    /// The API's default: 127.0.0.1:7700.
    #[must_use]
    pub fn api() -> Self {
        Self::loopback(7700)
    }

    /// The peers' default: 127.0.0.1:7701.
    #[must_use]
    pub fn peer() -> Self {
        Self::loopback(7701)
    }
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_account() -> String {
    "000000000000".to_owned()
}

impl Config {
    /// Checks what a type can't: names, lists, addresses.
    ///
    /// # Errors
    /// The first thing that is wrong, with how it should be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |text: String| Err(ConfigError(text));
        check_name(&self.name)?;
        if self.account_id.len() != 12 || !self.account_id.bytes().all(|b| b.is_ascii_digit()) {
            return refuse(format!("account_id must have twelve digits, not {:?}", self.account_id));
        }
        if self.region.is_empty() || !self.region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse(format!("region must be letters, digits and '-', not {:?}", self.region));
        }
        if self.join.is_some() && !self.initial.is_empty() {
            return refuse("give either `initial` (a new cluster) or `join` (an existing one), not both".to_owned());
        }
        if let Some(address) = &self.join {
            check_address("join", address)?;
        }
        for endpoint in [&self.api, &self.peer] {
            match &endpoint.advertise {
                Some(address) => check_address("advertise", address)?,
                None if endpoint.listen.ip().is_unspecified() => {
                    return refuse(format!("{} can't be dialled: give `advertise`, too", endpoint.listen));
                }
                None => {}
            }
        }
        self.check_initial()
    }

    fn check_initial(&self) -> Result<(), ConfigError> {
        let refuse = |text: String| Err(ConfigError(text));
        if self.initial.is_empty() {
            return Ok(());
        }
        if self.initial.len() > MEMBERS_INITIAL_MAX {
            return refuse(format!("`initial` has more than {MEMBERS_INITIAL_MAX} controllers"));
        }
        if !self.initial.iter().any(|member| member.name == self.name) {
            return refuse(format!("`initial` must name this controller, {:?}, too", self.name));
        }
        let with_ids = self.initial.iter().filter(|member| member.id.is_some()).count();
        if with_ids != 0 && with_ids != self.initial.len() {
            return refuse("give an id to all controllers in `initial` or to none".to_owned());
        }
        for (at, member) in self.initial.iter().enumerate() {
            check_name(&member.name)?;
            check_address("peer_address", &member.peer_address)?;
            check_address("api_address", &member.api_address)?;
            if member.id == Some(0) {
                return refuse("0 is no controller's id".to_owned());
            }
            let same = |other: &InitialController| {
                other.name == member.name
                    || other.peer_address == member.peer_address
                    || (member.id.is_some() && other.id == member.id)
            };
            if self.initial[..at].iter().any(same) {
                return refuse(format!("{:?} shares a name, an id or an address in `initial`", member.name));
            }
        }
        Ok(())
    }
}

/// Whether a controller can use a file of keys ([`AwsPort::require_signature`]).
///
/// # Errors
/// It can't be read, isn't in the form, or has no key.
pub fn check_keys(file: &Path) -> Result<(), KeysError> {
    Keys::read(file).map(drop)
}

/// Whether `name` may name a controller.
///
/// # Errors
/// It is empty, longer than [`NAME_BYTES_MAX`], or has other characters than letters, digits, `-`, `_` and `.`.
pub fn check_name(name: &str) -> Result<(), ConfigError> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fine) {
        return Err(ConfigError(format!(
            "a controller's name is 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.', not {name:?}"
        )));
    }
    Ok(())
}

/// Whether `address` is `host:port`.
///
/// # Errors
/// It isn't; `what` names the field.
pub fn check_address(what: &str, address: &str) -> Result<(), ConfigError> {
    let fine = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && host.len() <= NAME_BYTES_MAX
            && !host.contains('/')
            && port.parse::<u16>().is_ok_and(|p| p != 0)
    });
    if fine { Ok(()) } else { Err(ConfigError(format!("{what} must be host:port, not {address:?}"))) }
}

#[cfg(test)]
mod tests {
    use super::{BootstrapSettings, Config, Endpoint, InitialController, LogStoreKind};

    fn config() -> Config {
        let initial = |name: &str, port: u16| InitialController {
            name: name.to_owned(),
            id: Some(u64::from(port)),
            peer_address: format!("127.0.0.1:{port}"),
            api_address: format!("127.0.0.1:{}", port + 1),
        };
        Config {
            name: "a".to_owned(),
            data_dir: "data".into(),
            api: Endpoint::api(),
            aws: None,
            peer: Endpoint::peer(),
            initial: vec![initial("a", 10), initial("b", 20), initial("c", 30)],
            join: None,
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            log_store: LogStoreKind::RaftEngine,
            settings: BootstrapSettings::default(),
        }
    }

    #[test]
    fn a_good_configuration_passes() {
        assert_eq!(config().check(), Ok(()));
        let again = Config { initial: Vec::new(), ..config() };
        assert_eq!(again.check(), Ok(()));
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        type Spoil = fn(&mut Config);
        let table: [(&str, Spoil); 9] = [
            ("name", |c| c.name = "a b".to_owned()),
            ("twelve digits", |c| c.account_id = "12".to_owned()),
            ("region", |c| c.region = String::new()),
            ("not both", |c| c.join = Some("127.0.0.1:1".to_owned())),
            ("must name this", |c| c.name = "d".to_owned()),
            ("to all controllers", |c| c.initial[1].id = None),
            ("shares", |c| c.initial[1].id = c.initial[0].id),
            ("host:port", |c| c.initial[2].peer_address = "nowhere".to_owned()),
            ("advertise", |c| c.api.listen = "0.0.0.0:7700".parse().unwrap()),
        ];
        for (expected, spoil) in table {
            let mut spoiled = config();
            spoil(&mut spoiled);
            let refused = spoiled.check().unwrap_err().to_string();
            assert!(refused.contains(expected), "{expected:?} not in {refused:?}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_and_defaults_hold() {
        let read: Config = serde_json::from_str(r#"{"name":"a","data_dir":"d"}"#).unwrap();
        assert_eq!(read.api, Endpoint::api());
        assert_eq!(read.log_store, LogStoreKind::RaftEngine);
        let refused = serde_json::from_str::<Config>(r#"{"name":"a","data_dir":"d","log_stor":"sled"}"#).unwrap_err();
        assert!(refused.to_string().contains("log_stor"), "{refused}");
    }
}
