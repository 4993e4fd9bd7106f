//! How the control plane is, as this controller sees it: itself from its consensus thread, the others by asking them.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_consensus::{RaftId, Role};
use drydock_proto::control::{Controller, ControllerRole, StatusResponse};
use drydock_proto::raft::{IdentifyRequest, IdentifyResponse};
use futures_util::future::join_all;

use crate::core::Core;
use crate::limits::STATUS_PEER_MAX;
use crate::members::MemberInfo;
use crate::peers::hex;
use crate::peers::link::client;

/// This build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Core {
    /// What this controller tells of itself.
    pub(crate) fn identify(&self) -> IdentifyResponse {
        let status = self.handle.status();
        let members = self.directory.now();
        let leader_id = self.leaderships.now().leader.unwrap_or(0);
        let leads = self.leader.load();
        let applied = self.view.index();
        IdentifyResponse {
            fingerprint: hex(self.fingerprint),
            id: self.me,
            leader_id,
            leader_peer_address: members.by_id.get(&leader_id).map(|m| m.peer_address.clone()).unwrap_or_default(),
            role: role(status.role, members.by_id.get(&self.me)) as u32,
            term: status.term,
            // The consensus thread's word may be older than the view.
            commit_index: status.commit.max(applied),
            applied_index: applied,
            snapshot_index: status.snapshot_index,
            version: VERSION.to_owned(),
            connected_agents: leads.as_ref().map(|leader| u32::try_from(leader.sessions.count()).unwrap_or(u32::MAX)),
        }
    }

    /// The whole control plane: asks all members at once, each for at most [`STATUS_PEER_MAX`].
    pub(crate) async fn status(self: &Arc<Self>) -> StatusResponse {
        let members = self.directory.now();
        let others = members.by_id.keys().copied().filter(|id| *id != self.me);
        let mut known: BTreeMap<RaftId, IdentifyResponse> =
            join_all(others.map(|id| self.ask(id))).await.into_iter().flatten().map(|told| (told.id, told)).collect();
        let own = self.identify();
        let (leader_id, term) = (own.leader_id, own.term);
        known.insert(self.me, own);
        let controllers = members.by_id.values().map(|member| controller(member, known.get(&member.id))).collect();
        StatusResponse {
            controller_id: self.me,
            leader_id,
            term,
            applied_index: self.view.index(),
            controllers,
            region: self.scope.region.clone(),
            account_id: self.scope.account.clone(),
            connected_agents: known.get(&leader_id).and_then(|leader| leader.connected_agents),
            version: VERSION.to_owned(),
            fingerprint: hex(self.fingerprint),
        }
    }

    /// Whether a controller answers now; this one does.
    pub(crate) async fn answers(&self, id: RaftId) -> bool {
        id == self.me || self.ask(id).await.is_some()
    }

    async fn ask(&self, peer: RaftId) -> Option<IdentifyResponse> {
        let channel = self.links.channel(peer)?;
        let mut client = client(channel);
        let asked = tokio::time::timeout(STATUS_PEER_MAX, client.identify(IdentifyRequest {}));
        asked.await.ok()?.ok().map(tonic::Response::into_inner)
    }
}

fn controller(member: &MemberInfo, told: Option<&IdentifyResponse>) -> Controller {
    let unknown = IdentifyResponse::default();
    let told_or = told.unwrap_or(&unknown);
    // A new controller doesn't know yet that it only learns.
    let learner = told.is_some() && !member.votes;
    let role = if learner { ControllerRole::Learner as i32 } else { i32::try_from(told_or.role).unwrap_or_default() };
    Controller {
        id: member.id,
        name: member.name.clone(),
        api_address: member.api_address.clone(),
        peer_address: member.peer_address.clone(),
        role,
        reachable: told.is_some(),
        term: told_or.term,
        commit_index: told_or.commit_index,
        applied_index: told_or.applied_index,
        snapshot_index: told_or.snapshot_index,
        version: told_or.version.clone(),
    }
}

fn role(role: Role, member: Option<&MemberInfo>) -> ControllerRole {
    match role {
        Role::Leader | Role::ElectedNotReady => ControllerRole::Leader,
        Role::Candidate => ControllerRole::Candidate,
        Role::Follower if member.is_some_and(|member| !member.votes) => ControllerRole::Learner,
        Role::Follower => ControllerRole::Follower,
    }
}
