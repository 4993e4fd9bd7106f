//! Who the controllers are and where they are reached: the membership as of the last applied change, with the
//! addresses that each member's context carries. Readers get an immutable version and never lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use drydock_consensus::{Membership, RaftId, Standing};
use drydock_proto::control::Controller;
use prost::Message as _;
use tokio::sync::watch;

/// One controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberInfo {
    pub(crate) id: RaftId,
    pub(crate) name: String,
    pub(crate) api_address: String,
    pub(crate) peer_address: String,
    pub(crate) votes: bool,
}

/// All controllers by id, and the ids that were ever removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) by_id: BTreeMap<RaftId, MemberInfo>,
    pub(crate) removed: std::collections::BTreeSet<RaftId>,
}

/// The current [`Members`]; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    members: Arc<ArcSwap<Members>>,
    changes: watch::Sender<u64>,
}

impl Members {
    fn of(membership: &Membership) -> Self {
        let by_id = membership.members().iter().map(|(id, member)| {
            let context = decode_context(&member.context);
            let info = MemberInfo {
                id: *id,
                name: context.name,
                api_address: context.api_address,
                peer_address: context.peer_address,
                votes: member.standing == Standing::Voter,
            };
            (*id, info)
        });
        Self { by_id: by_id.collect(), removed: membership.removed().clone() }
    }

    /// The member with that name or id.
    pub(crate) fn find(&self, name_or_id: &str) -> Option<&MemberInfo> {
        let by_id = name_or_id.parse().ok().and_then(|id| self.by_id.get(&id));
        by_id.or_else(|| self.by_id.values().find(|member| member.name == name_or_id))
    }

    /// API addresses of all members, in the order of their ids.
    pub(crate) fn api_addresses(&self) -> Vec<String> {
        self.by_id.values().map(|member| member.api_address.clone()).collect()
    }
}

impl Directory {
    /// The members now.
    pub(crate) fn now(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// The membership changed.
    pub(crate) fn set(&self, membership: &Membership) {
        let next = Members::of(membership);
        let same = **self.members.load() == next;
        self.members.store(Arc::new(next));
        if !same {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Told of each change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// What a member's context carries: its name and addresses.
pub(crate) fn encode_context(name: &str, api_address: &str, peer_address: &str) -> Vec<u8> {
    Controller {
        name: name.to_owned(),
        api_address: api_address.to_owned(),
        peer_address: peer_address.to_owned(),
        ..Controller::default()
    }
    .encode_to_vec()
}

/// The peer address that a membership has for one of its members.
pub(crate) fn peer_address(membership: &Membership, id: RaftId) -> Option<String> {
    let address = decode_context(&membership.get(id)?.context).peer_address;
    (!address.is_empty()).then_some(address)
}

/// A context that can't be read leaves the member without name and addresses: it can't be dialled, and shows so.
fn decode_context(bytes: &[u8]) -> Controller {
    Controller::decode(bytes).unwrap_or_else(|error| {
        tracing::error!(%error, "a member's context can't be read");
        Controller::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use drydock_consensus::Membership;

    use super::{Directory, encode_context};

    #[test]
    fn members_are_found_by_name_and_by_id() {
        let context = |name: &str| encode_context(name, &format!("{name}:1"), &format!("{name}:2"));
        let membership = Membership::bootstrap([(7, context("a")), (9, context("b"))]).unwrap();
        let directory = Directory::default();
        directory.set(&membership);
        let members = directory.now();
        assert_eq!(members.find("b").unwrap().id, 9);
        assert_eq!(members.find("7").unwrap().peer_address, "a:2");
        assert!(members.find("c").is_none());
        assert_eq!(members.api_addresses(), ["a:1", "b:1"]);
    }
}
