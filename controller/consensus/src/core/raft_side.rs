//! How raft-rs is set up, and what is done to its messages before they leave. Pure.

use std::collections::BTreeMap;

use raft::ReadOnlyOption;
use raft::eraftpb::{Message, MessageType};

use crate::config::{
    COMMITTED_BYTES_PER_READY_MAX, Config, MESSAGE_BYTES_MAX, MESSAGES_IN_FLIGHT_MAX, UNCOMMITTED_BYTES_MAX,
};
use crate::{Membership, RaftId};

/// Ticks before a voter that has just started asks for votes, and that it leaves to another one that asks for its own.
pub(super) const EARLY_TICKS: u64 = 3;
/// Ticks between the places of such voters.
const EARLY_GAP_TICKS: u64 = 2;

pub(super) fn raft_config(config: &Config, id: RaftId, applied: u64) -> raft::Config {
    raft::Config {
        id,
        applied,
        election_tick: config.election_ticks,
        heartbeat_tick: config.heartbeat_ticks,
        max_size_per_msg: MESSAGE_BYTES_MAX,
        max_inflight_msgs: MESSAGES_IN_FLIGHT_MAX,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: COMMITTED_BYTES_PER_READY_MAX,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        // Never `batch_append`: raft-rs 0.7.0 then merges entries into an empty append of the same round even if that
        // one stands at another index, and the follower acknowledges entries that it doesn't have. `tidy` does what
        // is needed instead.
        batch_append: false,
        ..raft::Config::default()
    }
}

/// The timeout of one voter, such that those who may follow a leader never campaign at the same moment: each has a
/// place of its own, which moves by one with each term. Random draws tie now and then, and a tie costs a whole
/// timeout more (over 1,500 failovers in virtual time: 1,560 ms at worst, against 840 ms).
///
/// No place is below `election + 2`: a voter that heard the leader a tick later must not take the first candidate's
/// question for an attack on a living leader. `None` for those who don't vote, or when there are too many voters for
/// places of their own.
pub(super) fn election_timeout(
    config: &Config,
    membership: &Membership,
    id: RaftId,
    leader: RaftId,
    term: u64,
) -> Option<u64> {
    let election = config.election_ticks as u64;
    let (first, last) = (election + 2, 2 * election - 1);
    let candidates = || membership.voters().filter(|voter| *voter != leader || *voter == id);
    let count = candidates().count() as u64;
    let rank = candidates().position(|voter| voter == id)? as u64;
    let gaps = count.saturating_sub(1).max(1);
    let gap = (last.checked_sub(first)? / gaps).min((election * 3 / 10).max(1));
    (gap > 0).then(|| first + (rank + term) % count * gap)
}

/// Whether a voter that started `now` ticks ago and has known no leader since asks for votes: long before an election
/// timeout, so that a cluster of which all voters were lost serves again soon after they are back. Each voter has a tick
/// of its own, again and again. One that comes back beside a living leader disturbs nobody: the other voters refuse a
/// pre-vote for an election timeout after they heard their leader, and a pre-vote changes no term. (A majority that comes
/// back at once may elect one of its own before the leader has reached it, as after any silence.)
pub(super) fn asks_early(config: &Config, membership: &Membership, id: RaftId, term: u64, now: u64) -> bool {
    let Some(rank) = membership.voters().position(|voter| voter == id) else { return false };
    let count = membership.voters().count() as u64;
    let round = count * EARLY_GAP_TICKS;
    let place = (rank as u64 + term) % count * EARLY_GAP_TICKS;
    (EARLY_TICKS..config.election_ticks as u64 * 2).contains(&now) && (now - EARLY_TICKS) % round == place
}

/// Drops empty appends (they tell a commit index) that a later append to the same peer makes superfluous: each answer
/// from a peer in one round of inputs makes raft send another one.
pub(super) fn tidy(messages: &mut Vec<Message>) {
    if messages.len() < 2 {
        return;
    }
    let mut later: BTreeMap<RaftId, (u64, u64, u64, u64)> = BTreeMap::new();
    let mut keep = vec![true; messages.len()];
    for (message, keep) in messages.iter().zip(&mut keep).rev() {
        if message.get_msg_type() != MessageType::MsgAppend {
            continue;
        }
        let stands_at = (message.term, message.index, message.log_term);
        let covered = later.get(&message.to).is_some_and(|(term, index, log_term, commit)| {
            (*term, *index, *log_term) == stands_at && *commit >= message.commit
        });
        *keep = !(message.entries.is_empty() && covered);
        later.insert(message.to, (message.term, message.index, message.log_term, message.commit));
    }
    let mut keep = keep.into_iter();
    messages.retain(|_| keep.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_two_followers_campaign_at_once_and_everybody_has_its_turn() {
        let config = Config::default();
        for count in 1..=8_u64 {
            let membership = Membership::bootstrap((1..=count).map(|id| (id, Vec::new()))).unwrap();
            let mut first = std::collections::BTreeSet::new();
            for term in 1..=20 {
                let timeout = |id| election_timeout(&config, &membership, id, 0, term).unwrap();
                let mut drawn: Vec<_> = (1..=count).map(|id| (timeout(id), id)).collect();
                drawn.sort_unstable();
                first.insert(drawn[0].1);
                assert!(drawn.windows(2).all(|pair| pair[0].0 < pair[1].0), "{drawn:?}");
                assert!(drawn.iter().all(|(ticks, _)| (12..20).contains(ticks)), "{drawn:?}");
            }
            assert_eq!(first.len() as u64, count, "everybody is first in some term");
        }
        let many = Membership::bootstrap((1..=20).map(|id| (id, Vec::new()))).unwrap();
        assert_eq!(election_timeout(&config, &many, 3, 0, 1), None);
        assert_eq!(election_timeout(&config, &many, 99, 0, 1), None);
    }

    #[test]
    fn voters_that_have_just_started_ask_early_and_one_at_a_time() {
        let config = Config::default();
        let three = Membership::bootstrap((1..=3).map(|id| (id, Vec::new()))).unwrap();
        for term in 0..4 {
            let asks = |id| (0..40).filter(|now| asks_early(&config, &three, id, term, *now)).collect::<Vec<_>>();
            let mut all: Vec<u64> = (1..=3).flat_map(asks).collect();
            all.sort_unstable();
            assert_eq!(all, [3, 5, 7, 9, 11, 13, 15, 17, 19]);
            assert!((1..=3).all(|id| asks(id).len() == 3));
        }
        assert!((0..40).all(|now| !asks_early(&config, &three, 4, 1, now)), "no voter");
    }

    #[test]
    fn only_empty_appends_that_a_later_one_covers_are_dropped() {
        let append = |to, index, commit, entries: usize| {
            let mut message = Message { to, index, commit, term: 3, log_term: 2, ..Message::default() };
            message.set_msg_type(MessageType::MsgAppend);
            message.set_entries(vec![raft::eraftpb::Entry::default(); entries].into());
            message
        };
        let mut messages = vec![
            append(2, 10, 5, 0),
            append(3, 10, 5, 0),
            append(2, 10, 6, 0),
            append(2, 10, 7, 2),
            append(2, 12, 7, 0),
            append(3, 11, 6, 0),
        ];
        tidy(&mut messages);
        let left: Vec<_> = messages.iter().map(|message| (message.to, message.index, message.entries.len())).collect();
        assert_eq!(left, [(3, 10, 0), (2, 10, 2), (2, 12, 0), (3, 11, 0)]);
    }
}
