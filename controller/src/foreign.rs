//! Whether the disk is another cluster's than the one that this controller was started for: a folder of another cluster in
//! the right place and under the right name. Its peers refuse such a controller, so it knows no leader for ever; here it
//! finds out why, and says so. Asks the addresses that the configuration and the disk name for their fingerprints.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_proto::raft::IdentifyRequest;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::config::Config;
use crate::core::Core;
use crate::identity::{initial_fingerprint, initial_ids};
use crate::limits::{FOREIGN_ASK_MAX, FOREIGN_LEADERLESS_MIN, FOREIGN_LOOK};
use crate::membership;
use crate::peers::{from_hex, link};

/// What the configuration says about the cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    /// `join`.
    join: Option<String>,
    /// Peer addresses of the others in `initial`.
    initial: Vec<String>,
    /// The fingerprint that a cluster made from `initial` has.
    fingerprint: Option<u128>,
}

/// A controller of another cluster where one of this was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    /// Where it answers.
    pub(crate) address: String,
    /// Its cluster's fingerprint.
    pub(crate) fingerprint: u128,
}

/// Addresses that are expected to be of one cluster, and what they answered.
struct Group {
    answers: Vec<(String, Option<u128>)>,
    /// How many of them must be of the same other cluster to be believed.
    enough: usize,
}

impl Named {
    pub(crate) fn of(config: &Config) -> Self {
        let others = config.initial.iter().filter(|member| member.name != config.name);
        Self {
            join: config.join.clone(),
            initial: others.map(|member| member.peer_address.clone()).collect(),
            fingerprint: (!config.initial.is_empty()).then(|| initial_fingerprint(&initial_ids(&config.initial))),
        }
    }
}

/// Completes once it is clear that the disk is another cluster's. With a leader the disk is right, but for a cluster of one,
/// which leads itself, and for one whose fingerprint isn't what `initial` says.
pub(crate) async fn found(core: &Arc<Core>, named: &Named) -> Stranger {
    let mut look = tokio::time::interval(FOREIGN_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut leaderless_since = Instant::now();
    loop {
        look.tick().await;
        let members = core.directory.now();
        let alone = members.by_id.values().filter(|member| member.votes).count() == 1;
        let led = core.leaderships.now().leader.is_some();
        if led {
            leaderless_since = Instant::now();
        }
        let other_than_said = named.fingerprint.is_some_and(|said| said != core.fingerprint);
        let doubtful = other_than_said || (alone && named.join.is_some());
        // An election may be under way.
        let leaderless = leaderless_since.elapsed() >= FOREIGN_LEADERLESS_MIN;
        if !doubtful && !leaderless {
            continue;
        }
        let groups = ask(core, named).await;
        let Some(stranger) = judge(core.fingerprint, named.fingerprint, &groups) else { continue };
        let still = core.leaderships.now().leader.is_none();
        if (leaderless && still) || alone || named.fingerprint == Some(stranger.fingerprint) {
            return stranger;
        }
    }
}

async fn ask(core: &Core, named: &Named) -> Vec<Group> {
    let members = core.directory.now();
    let voters = || members.by_id.values().filter(|member| member.votes);
    let others = voters().filter(|member| member.id != core.me).map(|member| member.peer_address.clone()).collect();
    let peers = async |addresses: Vec<String>, enough| Group {
        answers: join_all(addresses.into_iter().map(peer)).await,
        enough,
    };
    let joined = async {
        let address = named.join.clone()?;
        let told = tokio::time::timeout(FOREIGN_ASK_MAX, membership::look_up(&address)).await.ok()?.ok()?;
        Some(Group { answers: vec![(address, from_hex(&told.fingerprint))], enough: 1 })
    };
    let (joined, initial, voting) = tokio::join!(
        joined,
        peers(named.initial.clone(), majority(named.initial.len() + 1)),
        peers(others, majority(voters().count())),
    );
    joined.into_iter().chain([initial, voting]).collect()
}

fn majority(of: usize) -> usize {
    of / 2 + 1
}

/// The fingerprint that is told on a peers' port.
async fn peer(address: String) -> (String, Option<u128>) {
    let asked = async {
        let channel = link::endpoint(&address).ok()?.connect().await.ok()?;
        let told = link::client(channel).identify(IdentifyRequest {}).await.ok()?.into_inner();
        from_hex(&told.fingerprint)
    };
    let told = tokio::time::timeout(FOREIGN_ASK_MAX, asked).await.unwrap_or_default();
    (address, told)
}

/// The other cluster, if the answers leave no doubt: nobody is of ours, and whoever is asked by `join`, or is of the very
/// cluster that `initial` describes, or the most of those that should be our peers, are of another. A single stranger
/// among silent peers proves nothing: *its* disk may be the foreign one.
fn judge(ours: u128, initial: Option<u128>, groups: &[Group]) -> Option<Stranger> {
    let answers = || groups.iter().flat_map(|group| &group.answers);
    if answers().any(|(_, told)| *told == Some(ours)) {
        return None;
    }
    for group in groups {
        let mut count: BTreeMap<u128, usize> = BTreeMap::new();
        for (address, told) in &group.answers {
            let Some(fingerprint) = *told else { continue };
            let so_many = count.entry(fingerprint).or_default();
            *so_many += 1;
            if *so_many >= group.enough || initial == Some(fingerprint) {
                return Some(Stranger { address: address.clone(), fingerprint });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Group, judge};

    const OURS: u128 = 1;
    const OTHER: u128 = 2;

    /// `1` is an answer of our cluster, `2` of another, `.` none; the number says how many are enough.
    fn group(enough: usize, answers: &str) -> Group {
        let told = |word: char| word.to_digit(10).map(u128::from);
        Group { answers: answers.chars().map(|word| (format!("of {word}"), told(word))).collect(), enough }
    }

    #[test]
    fn a_disk_is_foreign_only_beyond_doubt() {
        let table: [(&str, Option<u128>, Vec<Group>, bool); 9] = [
            ("the one to join is of another", None, vec![group(1, "2")], true),
            ("it is silent", None, vec![group(1, "."), group(2, "..")], false),
            ("the others of `initial` are what it describes", Some(OTHER), vec![group(2, "2.")], true),
            ("`initial` is ours: the stranger is wrong", Some(OURS), vec![group(2, "2.")], false),
            ("`initial` was edited: one of three proves nothing", Some(3), vec![group(2, "2.")], false),
            ("two of three do", Some(3), vec![group(2, "22")], true),
            ("most voters are of another", None, vec![group(2, "22")], true),
            ("one of two isn't most", None, vec![group(2, "2")], false),
            ("somebody is of ours", Some(OTHER), vec![group(1, "2"), group(2, "21")], false),
        ];
        for (name, initial, groups, foreign) in table {
            let found = judge(OURS, initial, &groups);
            assert_eq!(found.is_some(), foreign, "{name}");
            assert!(found.is_none_or(|stranger| stranger.fingerprint == OTHER), "{name}");
        }
    }
}
