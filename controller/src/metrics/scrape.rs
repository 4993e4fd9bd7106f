//! What is read when somebody asks: consensus, the replicated state of this replica, and what the leader holds. Each figure is
//! kept as a number already: no table is walked, so that a scrape costs the same with one task and with a million. (But for the
//! services of clusters that have Container Insights.)

use drydock_consensus::{RaftId, Role, Status};
use drydock_model::status::{
    ClusterStatus, DesiredStatus, InstanceStatus, ServiceDeploymentStatus, ServiceStatus, TaskStatus,
};
use drydock_state::{Census, State};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use super::insights;
use super::page::{Page, one};
use crate::core::Core;
use crate::status::VERSION;

/// Adds them to the page.
pub(super) fn show(core: &Core, page: &mut Page) {
    let build = Info::new(vec![("version", VERSION), ("target", std::env::consts::ARCH)]);
    page.add("drydock_build", "The program that runs", None, build);
    raft(core, page);
    leader(core, page);
    let version = core.view.now();
    tasks(version.state.census(), page);
    rows(&version.state, page);
    insights::show(&version.state, page);
    admission(core, page);
    let (events, bytes) = core.events.held();
    page.gauges(
        "drydock_events_kept",
        "Entries of the log whose events are kept for those who watch",
        None,
        one(events),
    );
    page.gauges("drydock_events_kept", "About the bytes of these events", Some(Unit::Bytes), one(bytes));
}

/// A number of things that are in memory.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn raft(core: &Core, page: &mut Page) {
    let status = core.handle.status();
    let members = core.directory.now();
    let learns = members.by_id.get(&core.me).is_some_and(|member| !member.votes);
    let now = match status.role {
        Role::Leader | Role::ElectedNotReady => "leader",
        Role::Candidate => "candidate",
        Role::Follower if learns => "learner",
        Role::Follower => "follower",
    };
    let roles = ["leader", "candidate", "follower", "learner"];
    let roles = roles.map(|role| (vec![("role", role)], u64::from(role == now)));
    page.gauges("drydock_raft_role", "1 for what this controller is, 0 for what it is not", None, roles);
    let applied = core.view.index();
    let figures = [
        ("drydock_raft_term", "The term", status.term),
        // The consensus thread's word may be older than the view.
        ("drydock_raft_commit_index", "The last entry known to be committed", status.commit.max(applied)),
        ("drydock_raft_applied_index", "The last entry that is in the state of this replica", applied),
        ("drydock_raft_snapshot_index", "The last entry in the newest snapshot", status.snapshot_index),
        ("drydock_raft_log_entries", "Entries in the log", (status.last_index + 1).saturating_sub(status.first_index)),
        ("drydock_raft_proposals_waiting", "Proposals whose outcome is awaited here", count(status.proposals_waiting)),
        ("drydock_raft_members", "Controllers of the control plane, this one too", count(members.by_id.len())),
        ("drydock_raft_peers_connected", "Other controllers to which a stream is open", count(core.links.connected())),
        ("drydock_raft_has_leader", "1 where this controller knows who leads", u64::from(status.leader.is_some())),
        (
            "drydock_raft_peer_lag_entries",
            "Entries that the slowest peer lacks, as the leader sees it",
            lag(core.me, &status),
        ),
    ];
    for (name, help, value) in figures {
        page.gauges(name, help, None, one(value));
    }
}

/// 0 where this replica doesn't lead.
fn lag(me: RaftId, status: &Status) -> u64 {
    let others = status.peers.iter().filter(|peer| peer.id != me);
    others.map(|peer| status.last_index.saturating_sub(peer.matched)).max().unwrap_or_default()
}

/// What only the leader has: elsewhere these are 0, so that the sum over all controllers is right at any time.
fn leader(core: &Core, page: &mut Page) {
    let leader = core.leader.load_full();
    let (sessions, waiting) =
        leader.as_ref().map_or((0, 0), |leader| (leader.sessions.count(), leader.reports.waiting()));
    let keys = if leader.is_some() { core.dirty.len() } else { 0 };
    page.gauges("drydock_agent_sessions", "Agents that have a session here", None, one(count(sessions)));
    let help = "Reports of tasks that wait to be committed";
    page.gauges("drydock_agent_reports_waiting", help, None, one(count(waiting)));
    let help = "Rows that changed and wait for the next step of the reconcilers";
    page.gauges("drydock_reconciler_rows_waiting", help, None, one(count(keys)));
}

fn tasks(census: &Census, page: &mut Page) {
    let pairs = TaskStatus::ALL.iter().flat_map(|last| DesiredStatus::ALL.iter().map(move |desired| (*last, *desired)));
    let values = pairs.map(|(last, desired)| {
        let labels = vec![("last_status", last.as_str()), ("desired_status", desired.as_str())];
        (labels, u64::from(census.tasks(last, desired)))
    });
    page.gauges("drydock_tasks", "Tasks by lastStatus and desiredStatus, in all regions", None, values);
}

fn rows(state: &State, page: &mut Page) {
    let census = state.census();
    let instances = InstanceStatus::ALL.iter().flat_map(|status| {
        [("true", true), ("false", false)].map(|(text, connected)| {
            let labels = vec![("status", status.as_str()), ("agent_connected", text)];
            (labels, u64::from(census.instances(*status, connected)))
        })
    });
    let help = "Container instances by status and agentConnected, hosts of Fargate tasks too";
    page.gauges("drydock_container_instances", help, None, instances);
    let services = ServiceStatus::ALL.iter();
    let services = services.map(|status| (vec![("status", status.as_str())], u64::from(census.services(*status))));
    page.gauges("drydock_services", "Services by status", None, services);
    let clusters = ClusterStatus::ALL.iter();
    let clusters = clusters.map(|status| (vec![("status", status.as_str())], u64::from(census.clusters(*status))));
    page.gauges("drydock_clusters", "Clusters by status", None, clusters);
    let all = ServiceDeploymentStatus::ALL.iter();
    let all = all.map(|status| (vec![("status", status.as_str())], u64::from(census.deployments(*status))));
    let help = "Deployments of services by status; finished ones as long as they are kept";
    page.gauges("drydock_service_deployments", help, None, all);
}

fn admission(core: &Core, page: &mut Page) {
    let figures = core.admission.figures();
    let help = "Writes under way here";
    page.gauges("drydock_writes_in_flight", help, None, one(count(figures.requests)));
    let help = "Bytes of the writes under way here";
    page.gauges("drydock_writes_in_flight", help, Some(Unit::Bytes), one(count(figures.bytes)));
    let help = "Writes refused since too many or too many bytes were under way";
    page.counters("drydock_writes_refused", help, one(figures.refused));
}
